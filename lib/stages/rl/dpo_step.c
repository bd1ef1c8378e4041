/* One micro-batch of pairs after the other, and the update after a step's last one. */
#include "stages/rl/dpo.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>

void fst__dpo_restart_step(fst__dpo *dpo)
{
    dpo->position -= dpo->micro_step;
    dpo->micro_step = 0;
    dpo->sums = (fst__dpo_sums){0};
    dpo->training.clean = false;
}

static double pairs_of_step(const fst__dpo *dpo)
{
    return (double)(dpo->options.rows * dpo->options.accumulation);
}

/* ---- a micro-batch ---- */

/* Each answer's slope, at each of its targets. */
static fst_status backward(fst__dpo *dpo, const fst_batch *batch)
{
    fst__dpo_arrays *a = &dpo->arrays;
    for (int64_t row = 0; row < batch->rows; ++row) {
        for (int64_t t = 0; t < batch->length; ++t) {
            int64_t at = row * batch->length + t;
            a->gradient[at] = a->targets[at] >= 0 ? a->slopes[row] : 0;
        }
    }
    const fst_view gradient = {
        .data = a->gradient,
        .dtype = FST__REAL_DTYPE,
        .rank = 2,
        .shape = {batch->rows, batch->length},
        .strides = {batch->length, 1},
    };
    fst_model *model = dpo->training.model;
    fst_status status = fst_model_add_gradient(model, "log_probabilities", &gradient);
    return status ? status : fst_model_backward(model, NULL, NULL);
}

static fst_status forward(fst__dpo *dpo, const fst_batch *batch)
{
    fst_forward_options options;
    fst_status status = fst_forward_options_init(&options, sizeof options);
    options.mode = FST_FORWARD_TRAIN;
    options.step = dpo->position;
    options.dropout = dpo->options.dropout;
    if (!status)
        status = fst_model_forward(dpo->training.model, batch, &options);
    return status ? status : fst__dpo_sum(dpo, dpo->training.model, dpo->arrays.policy);
}

static fst_status run_micro_batch(fst__dpo *dpo)
{
    int64_t rows = dpo->options.rows;
    const fst__dpo_place place = {
        .dataset = dpo->train,
        .examples = dpo->train_info.examples,
        .first = dpo->position * rows,
        .valid = rows,
        .training = true,
    };
    fst__dpo_sums sums = dpo->sums;
    fst_batch batch;
    double point;
    dpo->training.clean = false;
    fst_status status = fst__dpo_reference_point(dpo, &place, &point);
    if (!status)
        status = fst__dpo_read(dpo, &place, &batch);
    if (!status)
        status = fst__dpo_score_reference(dpo, &batch, dpo->arrays.reference);
    if (!status)
        status = forward(dpo, &batch);
    if (!status)
        status = fst__dpo_loss(dpo, 1 / pairs_of_step(dpo), rows, point, dpo->options.sft, &sums);
    if (!status)
        status = backward(dpo, &batch);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&dpo->training, status);
    if (!status)
        dpo->sums = sums;
    return status;
}

/* ---- the end of a step ---- */

static void set_metrics(fst_run *run, const fst_optimizer_report *report)
{
    const fst__dpo *dpo = fst__dpo_of(run);
    const fst__dpo_sums *s = &dpo->sums;
    double *m = run->metrics;
    m[FST__METRIC_LOSS] = s->loss + dpo->options.sft * s->sft / s->pairs;
    m[FST__METRIC_LEARNING_RATE] = report->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = report->gradient_norm;
    m[FST__DPO_CLIP_FACTOR] = report->clip_factor;
    m[FST__DPO_SFT_LOSS] = s->sft / s->pairs;
    m[FST__DPO_ACCURACY] = s->accuracy / s->pairs;
    m[FST__DPO_MARGIN] = s->margin / s->pairs;
    m[FST__DPO_CHOSEN_REWARD] = s->chosen_reward / s->pairs;
    m[FST__DPO_REJECTED_REWARD] = s->rejected_reward / s->pairs;
    m[FST__DPO_CHOSEN_LOG_PROBABILITY] = s->chosen_log_probability / s->pairs;
    m[FST__DPO_REJECTED_LOG_PROBABILITY] = s->rejected_log_probability / s->pairs;
    m[FST__DPO_REFERENCE_POINT] =
        dpo->options.kind == FST_DPO_KTO ? s->reference_point / s->pairs : NAN;
    m[FST__DPO_TOKENS] = s->tokens;
    m[FST__DPO_EPOCH] =
        (double)(dpo->position * dpo->options.rows) / (double)dpo->train_info.examples;
}

static fst_status finish_step(fst_run *run)
{
    fst__dpo *dpo = fst__dpo_of(run);
    fst_optimizer_report report = {.struct_size = sizeof report};
    fst_status status = fst__training_update(&dpo->training, &report);
    if (status)
        return fst__fail_in(status, "step %" PRId64, run->step + 1);
    run->tokens += (int64_t)dpo->sums.tokens;
    set_metrics(run, &report);
    dpo->micro_step = 0;
    dpo->sums = (fst__dpo_sums){0};
    return FST_OK;
}

fst_status fst__dpo_advance(fst_run *run, fst__outcome *outcome)
{
    fst__dpo *dpo = fst__dpo_of(run);
    if (dpo->micro_step == 0 && !dpo->training.clean)
        fst__training_zero_gradients(&dpo->training);
    *outcome = FST__STEP_UNFINISHED;
    fst_status status = run_micro_batch(dpo);
    if (status) {
        int64_t first = dpo->position * dpo->options.rows;
        status =
            fst__fail_in(status,
                         "step %" PRId64 ", micro-batch %" PRId64 ", pairs %" PRId64 " to %" PRId64
                         " since the training began",
                         run->step + 1, dpo->micro_step + 1, first, first + dpo->options.rows - 1);
    } else {
        dpo->position += 1;
        dpo->micro_step += 1;
    }
    if (!status && dpo->micro_step == dpo->options.accumulation) {
        *outcome = FST__STEP_FINISHED;
        status = finish_step(run);
    }
    if (status)
        fst__dpo_restart_step(dpo);
    return status;
}
