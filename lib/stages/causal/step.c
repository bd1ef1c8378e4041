/* A micro-batch of rows, and what a step of them amounts to. */
#include "stages/causal/causal.h"

#include <math.h>

void fst__causal_read(fst__causal *causal, const fst_dataset *dataset, int64_t row, bool shuffle,
                      fst_batch *batch)
{
    fst__dataset_read(dataset, row, causal->options.rows, shuffle, causal->ids, causal->targets,
                      causal->positions, causal->documents);
    /* Where documents see each other, rows are one document each and positions run through. */
    bool apart = !dataset->pack.cross_documents;
    *batch = (fst_batch){
        .struct_size = sizeof *batch,
        .rows = causal->options.rows,
        .length = causal->length,
        .ids = causal->ids,
        .targets = causal->targets,
        .positions = apart ? causal->positions : NULL,
        .documents = apart ? causal->documents : NULL,
    };
}

static int64_t count_targets(const fst__causal *causal)
{
    int64_t size = causal->options.rows * causal->length, count = 0;
    for (int64_t i = 0; i < size; ++i)
        count += causal->targets[i] >= 0;
    return count;
}

/* The mean is over the whole step, so its targets are counted before the first gradient. Reading
 * has no state and costs next to nothing beside a forward. */
static double step_targets(fst_run *run)
{
    fst__causal *causal = fst__causal_of(run);
    const fst__steps *steps = &causal->steps;
    int64_t first = steps->position - steps->micro_step, targets = 0;
    for (int64_t i = 0; i < steps->options.accumulation; ++i) {
        fst__dataset_read(causal->train, fst__steps_first(steps, first + i), causal->options.rows,
                          causal->options.shuffle, NULL, causal->targets, NULL, NULL);
        targets += count_targets(causal);
    }
    return (double)targets;
}

static fst_status micro_batch(fst_run *run)
{
    fst__causal *causal = fst__causal_of(run);
    fst__steps *steps = &causal->steps;
    fst_model *model = steps->training.model;
    fst_batch batch;
    fst__causal_read(causal, causal->train, fst__steps_first(steps, steps->position),
                     causal->options.shuffle, &batch);
    fst_loss_options options = {
        .struct_size = sizeof options,
        .scale = 1 / steps->divisor,
        .label_smoothing = causal->options.label_smoothing,
        .z_loss = causal->options.z_loss,
    };
    fst_loss loss = {.struct_size = sizeof loss};
    fst_status status = fst__model_forward(model, &batch, true, steps->position);
    if (!status)
        status = fst__model_loss(model, &options, &loss);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&steps->training, status);
    if (!status)
        status = fst__model_backward(model);
    if (status)
        return status;
    causal->sums.loss += loss.loss;
    causal->sums.z_loss += loss.z_loss;
    causal->sums.tokens += loss.tokens;
    causal->sums.correct += loss.correct;
    return FST_OK;
}

static double mean_loss(const fst_run *run)
{
    const fst__causal_sums *sums = &fst__causal_of(run)->sums;
    return sums->loss / (double)sums->tokens;
}

static void close_step(fst_run *run, const fst_optimizer_report *report)
{
    const fst__causal *causal = fst__causal_of(run);
    const fst__steps *steps = &causal->steps;
    double tokens = (double)causal->sums.tokens, *m = run->metrics;
    run->tokens += causal->sums.tokens;
    m[FST__METRIC_LOSS] = causal->sums.loss / tokens;
    m[FST__CAUSAL_Z_LOSS] = causal->sums.z_loss / tokens;
    m[FST__CAUSAL_PERPLEXITY] = exp(m[FST__METRIC_LOSS]);
    m[FST__CAUSAL_ACCURACY] = (double)causal->sums.correct / tokens;
    m[FST__CAUSAL_TOKENS] = tokens;
    m[FST__METRIC_LEARNING_RATE] = report->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = report->gradient_norm;
    m[FST__CAUSAL_CLIP_FACTOR] = report->clip_factor;
    m[FST__CAUSAL_EPOCH] =
        (double)fst__steps_first(steps, steps->position) / (double)causal->train_info.rows;
    m[FST__CAUSAL_SPIKES] = (double)steps->spikes;
    m[FST__CAUSAL_ROLLBACKS] = (double)steps->rollbacks;
}

static void clear_sums(fst_run *run)
{
    fst__causal_of(run)->sums = (fst__causal_sums){0};
}

const fst__steps_work fst__causal_work = {
    .divisor = step_targets,
    .micro_batch = micro_batch,
    .loss = mean_loss,
    .close = close_step,
    .clear = clear_sums,
    .unit = "rows",
};
