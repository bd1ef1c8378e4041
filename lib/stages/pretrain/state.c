/* What a checkpoint of this stage holds, and what comes back from one. */
#include "stages/pretrain/pretrain.h"

#include "base/error.h"

#include <inttypes.h>
#include <stddef.h>

/* Positions in the data mean something only over the same rows. */
static const fst__setting data_settings[] = {
    {"rows", offsetof(fst_dataset_info, rows), FST__SETTING_I64, 1},
    {"length", offsetof(fst_dataset_info, length), FST__SETTING_I64, 1},
    {"tokens", offsetof(fst_dataset_info, tokens), FST__SETTING_I64, 1},
    {"targets", offsetof(fst_dataset_info, targets), FST__SETTING_I64, 1},
    {"cross_documents", offsetof(fst_dataset_info, cross_documents), FST__SETTING_I32, 1},
};

static const fst__setting step_settings[] = {
    {"rows", offsetof(fst_pretrain_options, rows), FST__SETTING_I64, 1},
    {"accumulation", offsetof(fst_pretrain_options, accumulation), FST__SETTING_I64, 1},
    {"shuffle", offsetof(fst_pretrain_options, shuffle), FST__SETTING_I32, 1},
    {"label_smoothing", offsetof(fst_pretrain_options, label_smoothing), FST__SETTING_F64, 0},
    {"z_loss", offsetof(fst_pretrain_options, z_loss), FST__SETTING_F64, 0},
    {"spike_action", offsetof(fst_pretrain_options, spike_action), FST__SETTING_I32, 0},
    {"spike_loss_z", offsetof(fst_pretrain_options, spike_loss_z), FST__SETTING_F64, 0},
    {"spike_gradient_z", offsetof(fst_pretrain_options, spike_gradient_z), FST__SETTING_F64, 0},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Fields of the guard's state, in the order that the file has them. */
static void visit_guard(fst__spike_state *state, fst__visitor *visitor)
{
    _Static_assert(sizeof *state == FST__SPIKE_STATE_DOUBLES * sizeof(double), "doubles, no gap");
    fst__visit_doubles(visitor, "pretrain", "spike_guard", (double *)state, FST__SPIKE_STATE_DOUBLES);
}

void fst__pretrain_visit(fst_run *run, fst__visitor *visitor)
{
    fst__pretrain *p = fst__pretrain_of(run);
    int64_t rows = p->options.rows;
    fst__visit_settings(visitor, "data", data_settings, COUNT(data_settings), &p->train_info);
    fst__visit_settings(visitor, "pretrain", step_settings, COUNT(step_settings), &p->options);
    fst__visit_i64(visitor, "pretrain", "position", &p->position, 0, FST__COUNTER_MOST / rows);
    int64_t micro_step = fst__visit_i64(visitor, "pretrain", "micro_step", &p->micro_step, 0,
                                        p->options.accumulation - 1);
    fst__visit_i64(visitor, "pretrain", "spikes", &p->spikes, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "pretrain", "rollbacks", &p->rollbacks, 0, FST__COUNTER_MOST);
    visit_guard(&p->guard.state, visitor);
    fst__visit_doubles(visitor, "pretrain", "sum_loss", &p->sums.loss, 1);
    fst__visit_doubles(visitor, "pretrain", "sum_z_loss", &p->sums.z_loss, 1);
    fst__visit_i64(visitor, "pretrain", "sum_tokens", &p->sums.tokens, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "pretrain", "sum_correct", &p->sums.correct, 0, FST__COUNTER_MOST);
    fst__training_visit(&p->training, visitor, micro_step > 0);
}

void fst__pretrain_restored(fst_run *run)
{
    fst__pretrain *p = fst__pretrain_of(run);
    fst__training_restored(&p->training);
    p->step_targets = -1;
}

/* The state of the checkpoint, but the data that follows the spikes, and the counts. */
fst_status fst__pretrain_roll_back(fst_run *run, fst_status (*load)(fst_run *run))
{
    fst__pretrain *p = fst__pretrain_of(run);
    int64_t position = p->position, spikes = p->spikes, rollbacks = p->rollbacks;
    if (rollbacks >= p->options.spike_rollbacks)
        return fst__fail(FST_ERR_NUMERIC,
                         "step %" PRId64 ": spikes again after %" PRId64 " roll backs", run->step,
                         rollbacks);
    fst_status status = load(run);
    if (status)
        return fst__fail_in(status, "rolling back at step %" PRId64, run->step);
    if (p->micro_step > 0) /* saved in the middle of a step: its rows are behind us */
        fst__pretrain_restart_step(p);
    p->position = position;
    p->spikes = spikes;
    p->rollbacks = rollbacks + 1;
    p->guard.state.consecutive = 0;
    fst__log_write(&run->context->log, FST_LOG_WARNING,
                   "rolled back to step %" PRId64 " after %" PRId64 " spikes in a row", run->step,
                   p->options.spike_patience);
    return FST_OK;
}
