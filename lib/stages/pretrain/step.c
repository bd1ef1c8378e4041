/* One micro-batch after the other, and the update after a step's last one. */
#include "stages/pretrain/pretrain.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>

void fst__pretrain_read(fst__pretrain *pretrain, const fst_dataset *dataset, int64_t row,
                        bool shuffle, fst_batch *batch)
{
    fst__dataset_read(dataset, row, pretrain->options.rows, shuffle, pretrain->ids,
                      pretrain->targets, pretrain->positions, pretrain->documents);
    /* Where documents see each other, rows are one document each and positions run through. */
    bool apart = !dataset->pack.cross_documents;
    *batch = (fst_batch){
        .struct_size = sizeof *batch,
        .rows = pretrain->options.rows,
        .length = pretrain->length,
        .ids = pretrain->ids,
        .targets = pretrain->targets,
        .positions = apart ? pretrain->positions : NULL,
        .documents = apart ? pretrain->documents : NULL,
    };
}

void fst__pretrain_restart_step(fst__pretrain *pretrain)
{
    pretrain->position -= pretrain->micro_step;
    pretrain->micro_step = 0;
    pretrain->sums = (fst__pretrain_sums){0};
    pretrain->training.clean = false;
    pretrain->step_targets = -1;
}

/* ---- the targets of a step ---- */

static int64_t first_row(const fst__pretrain *pretrain, int64_t position)
{
    return position * pretrain->options.rows;
}

static int64_t count_targets(const fst__pretrain *pretrain)
{
    int64_t size = pretrain->options.rows * pretrain->length, count = 0;
    for (int64_t i = 0; i < size; ++i)
        count += pretrain->targets[i] >= 0;
    return count;
}

/* The mean is over the whole step, so its targets are counted before the first gradient. Reading
 * has no state and costs next to nothing beside a forward. */
static void count_step_targets(fst__pretrain *pretrain)
{
    int64_t first = pretrain->position - pretrain->micro_step;
    pretrain->step_targets = 0;
    for (int64_t i = 0; i < pretrain->options.accumulation; ++i) {
        fst__dataset_read(pretrain->train, first_row(pretrain, first + i), pretrain->options.rows,
                          pretrain->options.shuffle, NULL, pretrain->targets, NULL, NULL);
        pretrain->step_targets += count_targets(pretrain);
    }
}

/* ---- a micro-batch ---- */

static fst_status blame_batch(const fst_run *run, fst_status status)
{
    const fst__pretrain *pretrain = fst__pretrain_of(run);
    int64_t row = first_row(pretrain, pretrain->position);
    return fst__fail_in(status,
                        "step %" PRId64 ", micro-batch %" PRId64 ", rows %" PRId64 " to %" PRId64
                        " since the training began",
                        run->step + 1, pretrain->micro_step + 1, row,
                        row + pretrain->options.rows - 1);
}

static fst_status run_micro_batch(fst__pretrain *pretrain)
{
    fst_model *model = pretrain->training.model;
    fst_batch batch;
    fst__pretrain_read(pretrain, pretrain->train, first_row(pretrain, pretrain->position),
                       pretrain->options.shuffle, &batch);
    fst_loss_options options = {
        .struct_size = sizeof options,
        .scale = 1 / (double)pretrain->step_targets,
        .label_smoothing = pretrain->options.label_smoothing,
        .z_loss = pretrain->options.z_loss,
    };
    fst_loss loss = {.struct_size = sizeof loss};
    pretrain->training.clean = false;
    fst_status status = fst__model_forward(model, &batch, true, pretrain->position);
    if (!status)
        status = fst__model_loss(model, &options, &loss);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&pretrain->training, status);
    if (!status)
        status = fst__model_backward(model);
    if (status)
        return status;
    pretrain->sums.loss += loss.loss;
    pretrain->sums.z_loss += loss.z_loss;
    pretrain->sums.tokens += loss.tokens;
    pretrain->sums.correct += loss.correct;
    return FST_OK;
}

/* ---- the end of a step ---- */

static void set_metrics(fst_run *run, const fst_optimizer_report *report)
{
    const fst__pretrain *pretrain = fst__pretrain_of(run);
    double tokens = (double)pretrain->sums.tokens, *m = run->metrics;
    m[FST__METRIC_LOSS] = pretrain->sums.loss / tokens;
    m[FST__PRETRAIN_Z_LOSS] = pretrain->sums.z_loss / tokens;
    m[FST__PRETRAIN_PERPLEXITY] = exp(m[FST__METRIC_LOSS]);
    m[FST__PRETRAIN_ACCURACY] = (double)pretrain->sums.correct / tokens;
    m[FST__PRETRAIN_TOKENS] = tokens;
    m[FST__METRIC_LEARNING_RATE] = report->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = report->gradient_norm;
    m[FST__PRETRAIN_CLIP_FACTOR] = report->clip_factor;
    m[FST__PRETRAIN_EPOCH] =
        (double)first_row(pretrain, pretrain->position) / (double)pretrain->train_info.rows;
    m[FST__PRETRAIN_SPIKES] = (double)pretrain->spikes;
    m[FST__PRETRAIN_ROLLBACKS] = (double)pretrain->rollbacks;
}

static bool watches_spikes(const fst__pretrain *pretrain)
{
    return pretrain->guard.options.loss_z > 0 || pretrain->guard.options.gradient_norm_z > 0;
}

/* Looks at the step before its update. Where the loss was not finite, the gradient is not whole. */
static fst__spike_action look_for_spike(fst_run *run, double loss, double *norm)
{
    fst__pretrain *pretrain = fst__pretrain_of(run);
    if (isnan(loss) || fst__optimizer_gradient_norm(pretrain->training.optimizer->optimizer,
                                                    pretrain->context->compute, 1, norm))
        *norm = NAN;
    double loss_z, norm_z;
    fst__spike_action action =
        fst__spike_observe(&pretrain->guard, loss, *norm, &loss_z, &norm_z);
    if (action == FST__SPIKE_NONE)
        return action;
    pretrain->spikes += 1;
    fst__log_write(&run->context->log, FST_LOG_WARNING,
                   "step %" PRId64 ": a spike: loss %.6g (%.1f deviations above the mean), gradient "
                   "norm %.6g (%.1f)",
                   run->step + 1, loss, loss_z, *norm, norm_z);
    return pretrain->options.spike_action == FST_SPIKE_NONE ? FST__SPIKE_NONE : action;
}

/* The step is done: counters go on, with or without an update. */
static void close_step(fst_run *run, const fst_optimizer_report *report)
{
    fst__pretrain *pretrain = fst__pretrain_of(run);
    run->tokens += pretrain->sums.tokens;
    set_metrics(run, report);
    pretrain->micro_step = 0;
    pretrain->sums = (fst__pretrain_sums){0};
    pretrain->step_targets = -1;
}

static fst_status finish_step(fst_run *run, bool finite, fst__outcome *outcome)
{
    fst__pretrain *pretrain = fst__pretrain_of(run);
    bool empty = finite && pretrain->sums.tokens == 0; /* nothing but padding */
    double loss = finite ? pretrain->sums.loss / (double)pretrain->sums.tokens : NAN;
    const fst__spike_state before = pretrain->guard.state;
    int64_t spikes = pretrain->spikes;
    fst_optimizer_report report = {
        .struct_size = sizeof report,
        .learning_rate = fst__optimizer_learning_rate(pretrain->training.optimizer->optimizer, -1),
        .gradient_norm = NAN,
        .clip_factor = NAN,
    };
    fst__spike_action action = FST__SPIKE_NONE;
    if (!empty && watches_spikes(pretrain))
        action = look_for_spike(run, loss, &report.gradient_norm);
    if (!empty && action == FST__SPIKE_NONE) {
        fst_status status = fst__training_update(&pretrain->training, &report);
        if (status) {
            pretrain->guard.state = before;
            pretrain->spikes = spikes;
            return status;
        }
    }
    if (action != FST__SPIKE_NONE)
        pretrain->training.clean = false;
    *outcome = action == FST__SPIKE_ROLL_BACK ? FST__STEP_ROLL_BACK : FST__STEP_FINISHED;
    close_step(run, &report);
    return FST_OK;
}

/* A loss that is not finite may be a spike to skip: the rest of the step is then passed over. */
static bool may_skip(const fst__pretrain *pretrain, fst_status status)
{
    return status == FST_ERR_NUMERIC && watches_spikes(pretrain) &&
           pretrain->options.spike_action != FST_SPIKE_NONE;
}

fst_status fst__pretrain_advance(fst_run *run, fst__outcome *outcome)
{
    fst__pretrain *pretrain = fst__pretrain_of(run);
    if (pretrain->micro_step == 0 && !pretrain->training.clean)
        fst__training_zero_gradients(&pretrain->training);
    if (pretrain->step_targets < 0)
        count_step_targets(pretrain);
    fst_status status = pretrain->step_targets > 0 ? run_micro_batch(pretrain) : FST_OK;
    bool finite = true;
    if (may_skip(pretrain, status)) {
        status = FST_OK;
        finite = false;
        pretrain->position += pretrain->options.accumulation - pretrain->micro_step;
        pretrain->micro_step = pretrain->options.accumulation;
    } else if (!status) {
        pretrain->position += 1;
        pretrain->micro_step += 1;
    } else {
        status = blame_batch(run, status);
    }
    *outcome = FST__STEP_UNFINISHED;
    if (!status && pretrain->micro_step == pretrain->options.accumulation) {
        status = finish_step(run, finite, outcome);
        if (status)
            status = fst__fail_in(status, "step %" PRId64, run->step + 1);
    }
    if (status)
        fst__pretrain_restart_step(pretrain);
    return status;
}
