/* A micro-batch of tagged sentences, and what a step of them amounts to. */
#include "stages/sft/tagging.h"

#include <math.h>

int64_t fst__tagging_labels(const fst__labelled_batch *batch, const fst_dataset *dataset,
                            int64_t rows, int64_t length, fst__real *labels)
{
    int64_t count = 0;
    for (int64_t b = 0; b < batch->rows; ++b) {
        fst_word_example example;
        fst__words_example(dataset, batch->indices[b], &example);
        for (int64_t t = 0; t < length; ++t) {
            bool carries = b < rows && t < example.length && example.classes[t] >= 0;
            labels[b * length + t] = carries ? (fst__real)example.classes[t] : (fst__real)NAN;
            count += carries;
        }
    }
    return count;
}

static void read_examples(fst__tagging *g, int64_t position)
{
    fst__examples_order(g->train, fst__steps_first(&g->steps, position), g->options.rows,
                        g->options.shuffle, g->batch.indices);
}

/* What the ids with a class weigh: their classes' weights, else one each. */
static double step_weight(fst_run *run)
{
    fst__tagging *g = fst__tagging_of(run);
    int64_t first = g->steps.position - g->steps.micro_step;
    double sum = 0;
    for (int64_t i = 0; i < g->steps.options.accumulation; ++i) {
        read_examples(g, first + i);
        for (int64_t b = 0; b < g->options.rows; ++b) {
            fst_word_example example;
            fst__words_example(g->train, g->batch.indices[b], &example);
            for (int64_t t = 0; t < example.length; ++t)
                if (example.classes[t] >= 0)
                    sum += g->class_weights ? g->class_weights[example.classes[t]] : 1;
        }
    }
    return sum;
}

static fst_status micro_batch(fst_run *run)
{
    fst__tagging *g = fst__tagging_of(run);
    fst_model *model = g->steps.training.model;
    const fst__real *outputs;
    fst_score_loss loss = {.struct_size = sizeof loss};
    read_examples(g, g->steps.position);
    fst_status status = fst__labelled_batch_run(&g->batch, model, g->head, g->train, true,
                                                g->steps.position, &outputs);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&g->steps.training, status);
    if (status)
        return status;
    int64_t rows = g->options.rows, length = model->activations.length, count = rows * length;
    fst__tagging_labels(&g->batch, g->train, rows, length, g->labels);
    for (int64_t i = 0; i < count; ++i)
        g->weights[i] = (fst__real)(1 / g->steps.divisor);
    status = fst__loss_classes(&g->loss, outputs, g->labels, g->weights, count, g->classes,
                               g->gradient, &loss);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&g->steps.training, status);
    const fst_view gradient = {
        .data = g->gradient,
        .dtype = FST__REAL_DTYPE,
        .rank = 3,
        .shape = {rows, length, g->classes},
        .strides = {length * g->classes, g->classes, 1},
    };
    if (!status)
        status = fst__model_add_gradient(model, g->head->name, &gradient);
    if (!status)
        status = fst__model_backward(model);
    if (status)
        return status;
    g->sums.loss += loss.loss;
    g->sums.labels += loss.count;
    g->sums.right += loss.count > 0 ? (int64_t)llround(loss.accuracy * (double)loss.count) : 0;
    g->sums.tokens += fst__labelled_batch_tokens(&g->batch);
    return FST_OK;
}

static double mean_loss(const fst_run *run)
{
    return fst__tagging_of(run)->sums.loss;
}

static void close_step(fst_run *run, const fst_optimizer_report *report)
{
    const fst__tagging *g = fst__tagging_of(run);
    const fst__tagging_sums *sums = &g->sums;
    double *m = run->metrics, labels = (double)sums->labels;
    run->tokens += sums->tokens;
    m[FST__METRIC_LOSS] = sums->labels > 0 ? sums->loss : NAN;
    m[FST__TAGGING_ACCURACY] = sums->labels > 0 ? (double)sums->right / labels : NAN;
    m[FST__TAGGING_LABELS] = labels;
    m[FST__TAGGING_TOKENS] = (double)sums->tokens;
    m[FST__METRIC_LEARNING_RATE] = report->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = report->gradient_norm;
    m[FST__TAGGING_CLIP_FACTOR] = report->clip_factor;
    m[FST__TAGGING_EPOCH] = (double)fst__steps_first(&g->steps, g->steps.position) /
                            (double)g->train->documents->examples->count;
    m[FST__TAGGING_SPIKES] = (double)g->steps.spikes;
    m[FST__TAGGING_ROLLBACKS] = (double)g->steps.rollbacks;
}

static void clear_sums(fst_run *run)
{
    fst__tagging_of(run)->sums = (fst__tagging_sums){0};
}

const fst__steps_work fst__tagging_work = {
    .divisor = step_weight,
    .micro_batch = micro_batch,
    .loss = mean_loss,
    .close = close_step,
    .clear = clear_sums,
    .unit = "examples",
};
