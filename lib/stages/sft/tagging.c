/* A tagging run's life and its checkpoints. */
#include "stages/sft/tagging.h"

#include "base/error.h"

#include <stddef.h>
#include <string.h>

static const char *const metrics[] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__TAGGING_ACCURACY) = "accuracy",
    AT(FST__TAGGING_CLIP_FACTOR) = "clip_factor",
    AT(FST__TAGGING_LABELS) = "labels",
    AT(FST__TAGGING_TOKENS) = "tokens",
    AT(FST__TAGGING_EPOCH) = "epoch",
    AT(FST__TAGGING_SPIKES) = "spikes",
    AT(FST__TAGGING_ROLLBACKS) = "rollbacks",
    AT(FST__TAGGING_VALIDATION_ACCURACY) = "validation_accuracy",
    AT(FST__TAGGING_VALIDATION_F1) = "validation_f1",
    AT(FST__TAGGING_VALIDATION_PRECISION) = "validation_precision",
    AT(FST__TAGGING_VALIDATION_RECALL) = "validation_recall",
    AT(FST__TAGGING_VALIDATION_F1_STRICT) = "validation_f1_strict",
    AT(FST__TAGGING_VALIDATION_PRECISION_STRICT) = "validation_precision_strict",
    AT(FST__TAGGING_VALIDATION_RECALL_STRICT) = "validation_recall_strict",
#undef AT
};

_Static_assert(FST__TAGGING_METRICS_END <= (int)FST__METRIC_MOST, "room for the metrics");

/* ---- life ---- */

static void destroy(void *state)
{
    fst__tagging *g = state;
    if (!g)
        return;
    fst_context *context = fst__context_retain(g->context);
    fst__allocator *allocator = &context->allocator;
    fst__entities_destroy(g->entities[1]);
    fst__entities_destroy(g->entities[0]);
    fst__free(allocator, g->confusion);
    fst__free(allocator, g->sequence);
    fst__free(allocator, g->told);
    fst__free(allocator, g->gradient);
    fst__free(allocator, g->weights);
    fst__free(allocator, g->labels);
    fst__labelled_batch_close(&g->batch, allocator);
    fst__free(allocator, g->class_weights);
    fst__dataset_destroy(g->validation);
    fst__dataset_destroy(g->train);
    fst__steps_destroy(&g->steps);
    fst__free(allocator, g);
    fst__context_release(context);
}

static fst_status take(fst__tagging *g, int64_t rows, int64_t columns, size_t size, void *array)
{
    void *block = fst__alloc_array(&g->context->allocator, (size_t)rows, (size_t)columns * size);
    memcpy(array, &block, sizeof block);
    if (!block)
        return FST_ERR_NO_MEMORY;
    g->data_bytes += rows * columns * (int64_t)size;
    return FST_OK;
}

/* Counters for the tags of the training data, where these name entities. */
static fst_status take_entities(fst__tagging *g)
{
    const fst__words *words = fst__words_of(g->train);
    fst__allocator *allocator = &g->context->allocator;
    const char **tags = fst__alloc_array(allocator, (size_t)g->classes, sizeof *tags);
    if (!tags)
        return FST_ERR_NO_MEMORY;
    for (int64_t i = 0; i < g->classes; ++i)
        tags[i] = fst__strings_get(&words->names, i);
    int32_t scheme = g->options.tag_scheme;
    bool named = fst__tags_name_entities(tags, g->classes);
    bool strictly = scheme != FST_TAGS_AUTO || fst__tags_scheme(tags, g->classes) != FST_TAGS_AUTO;
    fst_status status = FST_OK;
    for (int strict = 0; named && strict <= strictly && !status; ++strict) {
        status = fst__entities_create(g->context, tags, g->classes, strict, scheme, &g->entities[strict]);
        if (!status)
            status = fst__entities_reserve(g->entities[strict],
                                           fst__words_of(g->validation)->longest_sentence);
    }
    fst__free(allocator, tags);
    return status ? fst__fail_in(status, "fst_sft_options.tag_scheme") : FST_OK;
}

static fst_status take_evaluation(fst__tagging *g)
{
    int64_t count = g->validation->documents->examples->count, limit = g->options.evaluation_rows;
    const fst__words *words = fst__words_of(g->validation);
    g->evaluated_examples = limit > 0 && limit < count ? limit : count;
    fst_status status = take(g, words->words.count, 1, sizeof(int32_t), &g->told);
    if (!status)
        status = take(g, 2, words->longest_sentence, sizeof(int32_t), &g->sequence);
    if (!status)
        status = take(g, g->classes, g->classes, sizeof(int64_t), &g->confusion);
    return status ? status : take_entities(g);
}

static fst_status take_arrays(fst__tagging *g, int64_t length)
{
    int64_t rows = g->options.rows;
    fst_status status = FST_OK;
    if (g->options.class_weights) {
        status = take(g, g->classes, 1, sizeof(double), &g->class_weights);
        if (!status)
            memcpy(g->class_weights, g->options.class_weights, (size_t)g->classes * sizeof(double));
    }
    g->options.class_weights = g->class_weights;
    g->loss.class_weights = g->class_weights;
    int64_t batch_bytes = 0;
    if (!status)
        status = fst__labelled_batch_open(&g->batch, &g->context->allocator, rows, length, false,
                                          &batch_bytes);
    g->data_bytes += batch_bytes;
    if (!status)
        status = take(g, rows, length, sizeof(fst__real), &g->labels);
    if (!status)
        status = take(g, rows, length, sizeof(fst__real), &g->weights);
    if (!status)
        status = take(g, rows * length, g->classes, sizeof(fst__real), &g->gradient);
    if (!status && g->validation)
        status = take_evaluation(g);
    return status;
}

/* For the longest batch; shorter ones fit into the same memory. */
static fst_status reserve(fst__tagging *g, int64_t length)
{
    fst_model *model = g->steps.training.model;
    fst__allocator *allocator = &g->context->allocator;
    int64_t rows = g->options.rows, evaluation = 0;
    size_t outputs = (size_t)(rows * length * g->classes);
    fst_status status = fst__model_reserve(model, rows, length, true, &g->activation_bytes);
    if (!status && g->validation)
        status = fst__model_reserve(model, rows, length, false, &evaluation);
    if (evaluation > g->activation_bytes)
        g->activation_bytes = evaluation;
    if (!status)
        status = fst__buffer_want(allocator, &g->head->output, outputs);
    if (!status)
        status = fst__buffer_want(allocator, &g->head->gradient, outputs);
    g->activation_bytes += 2 * (int64_t)(outputs * sizeof(fst__real));
    return status;
}

static fst_status make(const fst_sft_options *options, fst__head *head, int64_t length,
                       fst__tagging **out)
{
    fst_context *context = options->model->context;
    fst__tagging *g = fst__alloc_zero(&context->allocator, sizeof *g);
    if (!g)
        return FST_ERR_NO_MEMORY;
    const fst__steps_options steps = fst__sft_steps(options);
    g->context = context;
    g->head = head;
    g->options = *options;
    g->options.run = NULL; /* the caller's, as is head */
    g->options.head = NULL;
    g->classes = head->options.outputs;
    g->loss = fst__label_loss_defaults();
    g->loss.label_smoothing = options->label_smoothing;
    fst_status status = fst__steps_create(&g->steps, &fst__tagging_work, &steps, options->rows,
                                          options->model, options->optimizer, "fst_sft_options");
    if (!status) {
        g->train = fst__dataset_retain(options->train);
        g->validation = options->validation ? fst__dataset_retain(options->validation) : NULL;
        status = take_arrays(g, length);
    }
    if (!status)
        status = reserve(g, length);
    if (status) {
        destroy(g);
        return status;
    }
    *out = g;
    return FST_OK;
}

/* ---- checkpoints ---- */

/* Positions in the data mean something only over the same examples. */
static const fst__setting data_settings[] = {
    {"examples", offsetof(fst__examples, count), FST__SETTING_I64, 1},
    {"labelled", offsetof(fst__examples, trained_tokens), FST__SETTING_I64, 1},
    {"longest", offsetof(fst__examples, longest), FST__SETTING_I64, 1},
};

static const fst__setting step_settings[] = {
    {"rows", offsetof(fst_sft_options, rows), FST__SETTING_I64, 1},
    {"shuffle", offsetof(fst_sft_options, shuffle), FST__SETTING_I32, 1},
    {"label_smoothing", offsetof(fst_sft_options, label_smoothing), FST__SETTING_F64, 0},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void visit(fst_run *run, fst__visitor *visitor)
{
    fst__tagging *g = fst__tagging_of(run);
    const fst__strings *names = &fst__words_of(g->train)->names;
    fst__visit_setting_text(visitor, "sft.objective", "tags", 1);
    fst__visit_setting_text(visitor, "sft.head", g->head->name, 1);
    fst__visit_settings(visitor, "data", data_settings, COUNT(data_settings),
                        g->train->documents->examples);
    fst__visit_setting_bytes(visitor, "data.tags", names->text.data, names->text.length, 1);
    fst__visit_settings(visitor, "sft", step_settings, COUNT(step_settings), &g->options);
    fst__visit_setting_bytes(visitor, "sft.class_weights", g->class_weights,
                             (size_t)g->classes * sizeof(double), 0);
    fst__visit_doubles(visitor, "sft", "sum_loss", &g->sums.loss, 1);
    fst__visit_i64(visitor, "sft", "sum_labels", &g->sums.labels, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "sft", "sum_right", &g->sums.right, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "sft", "sum_tokens", &g->sums.tokens, 0, FST__COUNTER_MOST);
    fst__steps_visit(&g->steps, "sft", visitor);
}

static void restored(fst_run *run)
{
    fst__tagging_of(run)->evaluated = false;
    fst__steps_restored(run);
}

static void memory(const fst_run *run, fst_memory *memory)
{
    const fst__tagging *g = fst__tagging_of(run);
    fst__training_memory(&g->steps.training, memory);
    memory->activations = g->activation_bytes;
    memory->data = g->data_bytes;
}

const fst__stage fst__tagging_stage = {
    .name = "sft",
    .metrics = metrics,
    .metric_count = COUNT(metrics),
    .advance = fst__steps_advance,
    .evaluate = fst__tagging_evaluate,
    .visit = visit,
    .restored = restored,
    .roll_back = fst__steps_roll_back,
    .micro_step = fst__steps_micro_step,
    .micro_steps = fst__steps_micro_steps,
    .memory = memory,
    .destroy = destroy,
};

fst_status fst__tagging_create(const fst_sft_options *options, const fst_run_options *run_options,
                               fst_run **out)
{
    fst__head *head;
    int64_t length;
    fst__tagging *tagging;
    fst_status status = fst__tagging_check(options, run_options, &head, &length);
    if (!status)
        status = make(options, head, length, &tagging);
    if (status)
        return status;
    return fst__run_create(options->model->context, &fst__tagging_stage, tagging,
                           options->validation != NULL, run_options, out);
}
