/* A micro-batch of labelled examples, and what a step of them amounts to. */
#include "stages/sft/labelled.h"

#include <math.h>

void fst__labelled_copy_labels(const fst_dataset *dataset, int64_t example, fst__real *labels)
{
    const fst__examples *examples = dataset->documents->examples;
    int64_t count = examples->label_count;
    for (int64_t k = 0; k < count; ++k)
        labels[k] = (fst__real)examples->labels[example * count + k];
}

fst_status fst__labelled_objective(const fst__labelled *l, const fst_label_loss_options *options,
                                   const fst__real *outputs, const fst__real *labels,
                                   const fst__real *weights, int64_t count, fst__real *gradient,
                                   fst_score_loss *result)
{
    if (l->objective == FST_SFT_CROSS_ENTROPY)
        return fst__loss_classes(options, outputs, labels, weights, count, l->outputs, gradient,
                                 result);
    if (l->objective == FST_SFT_BINARY)
        return fst__loss_labels(options, outputs, labels, weights, count, l->outputs, gradient,
                                result);
    return fst__loss_regression(outputs, labels, weights, count * l->outputs, gradient, result);
}

static void read_examples(fst__labelled *l, int64_t position)
{
    fst__examples_order(l->train, fst__steps_first(&l->steps, position), l->options.rows,
                        l->options.shuffle, l->batch.indices);
    for (int64_t b = 0; b < l->options.rows; ++b)
        fst__labelled_copy_labels(l->train, l->batch.indices[b], l->labels + b * l->label_count);
}

/* What the labels in the batch weigh: of classes their weights, else one each. */
static double weigh_labels(const fst__labelled *l)
{
    double sum = 0;
    bool classes = l->objective == FST_SFT_CROSS_ENTROPY && l->class_weights;
    for (int64_t i = 0; i < l->options.rows * l->label_count; ++i) {
        if (!isnan(l->labels[i]))
            sum += classes ? l->class_weights[(int64_t)l->labels[i]] : 1;
    }
    return sum;
}

static double step_weight(fst_run *run)
{
    fst__labelled *l = fst__labelled_of(run);
    int64_t first = l->steps.position - l->steps.micro_step;
    double sum = 0;
    l->step_targets = 0;
    for (int64_t i = 0; i < l->steps.options.accumulation; ++i) {
        read_examples(l, first + i);
        sum += weigh_labels(l);
        l->step_targets += (double)fst__labelled_batch_targets(&l->batch, l->train);
    }
    return sum;
}

/* The texts' own tokens beside their labels. */
static fst_status language_loss(fst__labelled *l)
{
    const fst_loss_options options = {
        .struct_size = sizeof options,
        .scale = l->options.language_modelling / l->step_targets,
    };
    fst_loss loss = {.struct_size = sizeof loss};
    if (!l->batch.targets || l->step_targets == 0)
        return FST_OK;
    fst_status status = fst__model_loss(l->steps.training.model, &options, &loss);
    if (!status)
        l->sums.language += loss.loss / l->step_targets;
    return status;
}

static fst_status micro_batch(fst_run *run)
{
    fst__labelled *l = fst__labelled_of(run);
    fst_model *model = l->steps.training.model;
    const fst__real *outputs;
    fst_score_loss loss = {.struct_size = sizeof loss};
    read_examples(l, l->steps.position);
    for (int64_t i = 0; i < l->options.rows * l->label_count; ++i)
        l->weights[i] = (fst__real)(1 / l->steps.divisor);
    fst_status status = fst__labelled_batch_run(&l->batch, model, l->head, l->train, true,
                                                l->steps.position, &outputs);
    if (!status)
        status = fst__labelled_objective(l, &l->loss, outputs, l->labels, l->weights,
                                         l->options.rows, l->gradient, &loss);
    if (!status)
        status = language_loss(l);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&l->steps.training, status);
    const fst_view gradient = {
        .data = l->gradient,
        .dtype = FST__REAL_DTYPE,
        .rank = 2,
        .shape = {l->options.rows, l->outputs},
        .strides = {l->outputs, 1},
    };
    if (!status)
        status = fst__model_add_gradient(model, l->head->name, &gradient);
    if (!status)
        status = fst__model_backward(model);
    if (status)
        return status;
    l->sums.loss += loss.loss;
    l->sums.labels += loss.count;
    l->sums.right += loss.count > 0 && !isnan(loss.accuracy)
                         ? (int64_t)llround(loss.accuracy * (double)loss.count)
                         : 0;
    l->sums.tokens += fst__labelled_batch_tokens(&l->batch);
    return FST_OK;
}

static double mean_loss(const fst_run *run)
{
    return fst__labelled_of(run)->sums.loss;
}

static void close_step(fst_run *run, const fst_optimizer_report *report)
{
    const fst__labelled *l = fst__labelled_of(run);
    const fst__labelled_sums *sums = &l->sums;
    double *m = run->metrics, labels = (double)sums->labels;
    double examples = (double)l->train->documents->examples->count;
    run->tokens += sums->tokens;
    m[FST__METRIC_LOSS] = sums->labels > 0 ? sums->loss : NAN;
    m[FST__LABELLED_ACCURACY] = l->objective == FST_SFT_MSE ? NAN : (double)sums->right / labels;
    m[FST__LABELLED_LANGUAGE_LOSS] = l->batch.targets ? sums->language : NAN;
    m[FST__LABELLED_LABELS] = labels;
    m[FST__LABELLED_TOKENS] = (double)sums->tokens;
    m[FST__METRIC_LEARNING_RATE] = report->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = report->gradient_norm;
    m[FST__LABELLED_CLIP_FACTOR] = report->clip_factor;
    m[FST__LABELLED_EPOCH] = (double)fst__steps_first(&l->steps, l->steps.position) / examples;
    m[FST__LABELLED_SPIKES] = (double)l->steps.spikes;
    m[FST__LABELLED_ROLLBACKS] = (double)l->steps.rollbacks;
}

static void clear_sums(fst_run *run)
{
    fst__labelled_of(run)->sums = (fst__labelled_sums){0};
}

const fst__steps_work fst__labelled_work = {
    .divisor = step_weight,
    .micro_batch = micro_batch,
    .loss = mean_loss,
    .close = close_step,
    .clear = clear_sums,
    .unit = "examples",
};
