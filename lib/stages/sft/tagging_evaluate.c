/* Classes told for words, and what they are worth. */
#include "base/error.h"
#include "stages/metrics.h"
#include "stages/sft/tagging.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* The first of the largest. */
static int32_t told_class(const fst__real *logits, int64_t classes)
{
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c)
        if (logits[c] > logits[best])
            best = c;
    return (int32_t)best;
}

/* A word's class is that of its first id. */
static fst_status tell_example(const fst__head *head, const fst_dataset *dataset, int64_t index,
                               const fst__real *logits, int32_t *told)
{
    int64_t classes = head->options.outputs, before = -1;
    fst_word_example example;
    fst__words_example(dataset, index, &example);
    for (int64_t t = 0; t < example.length; ++t) {
        int64_t word = example.words[t];
        const fst__real *row = logits + t * classes;
        bool first = word >= example.first_word && word != before;
        before = word;
        for (int64_t c = 0; c < classes; ++c) {
            if ((first || example.classes[t] >= 0) && !isfinite(row[c]))
                return fst__fail(FST_ERR_NUMERIC,
                                 "output %" PRId64 " of head \"%s\" for id %" PRId64 " of example %" PRId64
                                 " is not finite",
                                 c, head->name, t, index);
        }
        if (first)
            told[word] = told_class(row, classes);
    }
    return FST_OK;
}

/* Examples from `from` on, at most a batch and before `end`. *outputs: [rows, *length, K]. */
static fst_status tell_batch(fst__labelled_batch *batch, fst_model *model, const fst__head *head,
                             const fst_dataset *dataset, int64_t from, int64_t end, int32_t *told,
                             const fst__real **outputs, int64_t *count)
{
    *count = end - from < batch->rows ? end - from : batch->rows;
    /* The last batch is filled up with its last example, whose outputs are then not read. */
    for (int64_t b = 0; b < batch->rows; ++b)
        batch->indices[b] = b < *count ? from + b : from + *count - 1;
    fst_status status = fst__labelled_batch_run(batch, model, head, dataset, false, 0, outputs);
    for (int64_t b = 0; b < *count && !status; ++b)
        status = tell_example(head, dataset, from + b,
                              *outputs + b * model->activations.length * head->options.outputs, told);
    return status;
}

static void forget(int32_t *told, int64_t words)
{
    for (int64_t w = 0; w < words; ++w)
        told[w] = FST_IGNORE;
}

static fst_status predict(fst_run *run, double *loss_sum, int64_t *labels)
{
    fst__tagging *g = fst__tagging_of(run);
    fst_model *model = g->steps.training.model;
    const fst_label_loss_options plain = fst__label_loss_defaults();
    int64_t end = g->evaluated_examples;
    fst_status status = FST_OK;
    forget(g->told, fst__words_of(g->validation)->words.count);
    for (int64_t i = 0, count; i < end && !status; i += g->options.rows) {
        const fst__real *outputs;
        fst_score_loss loss = {.struct_size = sizeof loss};
        if (fst__run_cancelled(run))
            return FST_STOPPED;
        status = tell_batch(&g->batch, model, g->head, g->validation, i, end, g->told, &outputs, &count);
        int64_t length = model->activations.length;
        if (!status && fst__tagging_labels(&g->batch, g->validation, count, length, g->labels) > 0)
            status = fst__loss_classes(&plain, outputs, g->labels, NULL, g->options.rows * length,
                                       g->classes, NULL, &loss);
        if (status == FST_ERR_NUMERIC)
            status = fst__training_blame(&g->steps.training, status);
        if (status)
            return fst__fail_in(status, "evaluation, validation examples %" PRId64 " to %" PRId64, i,
                                i + count - 1);
        *loss_sum += loss.count > 0 ? loss.loss * (double)loss.count : 0;
        *labels += loss.count;
    }
    return status;
}

/* Words [first, end) behind those that the sentence at hand has already, true and told. */
static int64_t append_words(fst__tagging *g, const fst__example_words *of, int64_t count)
{
    const fst__words *words = fst__words_of(g->validation);
    for (int64_t w = of->first; w < of->end; ++w) {
        if (words->tags[w] < 0 || g->told[w] < 0)
            continue;
        ++g->confusion[words->tags[w] * g->classes + g->told[w]];
        g->sequence[count] = words->tags[w];
        g->sequence[words->longest_sentence + count++] = g->told[w];
    }
    return count;
}

/* Entities go on from a window of a sentence into the next. */
static fst_status count_words(fst__tagging *g)
{
    const fst__words *words = fst__words_of(g->validation);
    const fst__example_words *of = g->validation->documents->examples->words;
    fst_status status = FST_OK;
    memset(g->confusion, 0, (size_t)(g->classes * g->classes) * sizeof *g->confusion);
    for (int s = 0; s < 2; ++s)
        if (g->entities[s])
            fst__entities_clear(g->entities[s]);
    for (int64_t i = 0, next; i < g->evaluated_examples && !status; i = next) {
        int64_t offsets[2] = {0, 0};
        for (next = i; next < g->evaluated_examples && of[next].sentence == of[i].sentence; ++next)
            offsets[1] = append_words(g, &of[next], offsets[1]);
        for (int s = 0; s < 2 && !status; ++s)
            if (g->entities[s])
                status = fst__entities_add(g->entities[s], g->sequence,
                                           g->sequence + words->longest_sentence, offsets, 1);
    }
    return status;
}

static void measure(const fst__tagging *g, double *m)
{
    static const int first[2] = {FST__TAGGING_VALIDATION_F1, FST__TAGGING_VALIDATION_F1_STRICT};
    fst_class_metrics classes;
    fst__metrics_classes(g->confusion, g->classes, NULL, NULL, NULL, &classes);
    m[FST__TAGGING_VALIDATION_ACCURACY] = classes.accuracy;
    for (int s = 0; s < 2; ++s) {
        fst_entity_metrics found;
        if (!g->entities[s])
            continue;
        fst__entities_metrics(g->entities[s], &found);
        m[first[s]] = found.f1;
        m[first[s] + 1] = found.precision;
        m[first[s] + 2] = found.recall;
    }
}

fst_status fst__tagging_evaluate(fst_run *run, double *score)
{
    fst__tagging *g = fst__tagging_of(run);
    double loss = 0;
    int64_t labels = 0;
    fst_status status = predict(run, &loss, &labels);
    if (!status && labels == 0)
        status = fst__fail(FST_ERR_STATE,
                           "the first %" PRId64 " examples of the validation data have no tag",
                           g->evaluated_examples);
    if (!status)
        status = count_words(g);
    if (status)
        return status;
    measure(g, run->metrics);
    g->evaluated = true;
    run->metrics[FST__METRIC_VALIDATION_LOSS] = *score = loss / (double)labels;
    return FST_OK;
}

/* ---- outside of a run ---- */

fst_status fst__sft_tag(fst_model *model, const char *name, const fst_dataset *dataset, int64_t rows,
                        int32_t *tags, int64_t capacity, int64_t *count)
{
    static const char function[] = "fst_sft_tag";
    fst__head *head;
    fst_status status = fst__tagging_find_head(model, name, "fst_sft_tag: head", &head);
    if (!status)
        status = fst__words_check(dataset, function);
    if (!status)
        status = fst__labelled_check_data(model, dataset, "fst_sft_tag: dataset");
    if (status)
        return status;
    const fst__examples *examples = dataset->documents->examples;
    int64_t words = fst__words_of(dataset)->words.count;
    if (rows < 1 || rows > INT32_MAX / examples->longest)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: rows is %" PRId64 ", expected at least 1 and a batch of less than 2³¹ tokens",
                         function, rows);
    *count = words;
    if (capacity < words)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL,
                         "%s: capacity is %" PRId64 ", the dataset was made of %" PRId64 " words",
                         function, capacity, words);
    fst__labelled_batch batch;
    fst__allocator *allocator = &model->context->allocator;
    rows = rows < examples->count ? rows : examples->count;
    status = fst__labelled_batch_open(&batch, allocator, rows, examples->longest, false, NULL);
    forget(tags, words);
    for (int64_t i = 0, done; i < examples->count && !status; i += rows) {
        const fst__real *outputs;
        status = tell_batch(&batch, model, head, dataset, i, examples->count, tags, &outputs, &done);
    }
    fst__labelled_batch_close(&batch, allocator);
    return status;
}

fst_status fst__sft_entities(const fst_run *run, bool strict, fst_entities **entities)
{
    static const char function[] = "fst_sft_entities";
    if (run->stage != &fst__tagging_stage)
        return fst__fail(FST_ERR_STATE, "%s: the run has no words with tags", function);
    const fst__tagging *g = fst__tagging_of(run);
    if (!g->evaluated)
        return fst__fail(FST_ERR_STATE, "%s: the run was not evaluated yet", function);
    if (!g->entities[strict])
        return fst__fail(FST_ERR_STATE, "%s: the tags are none of %s", function,
                         strict ? "a known scheme; see fst_sft_options.tag_scheme" : "entities");
    return fst__entities_copy(g->entities[strict], entities);
}
