/* One micro-batch after the other, and the update after a step's last one. */
#include "stages/steps.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

fst__steps_options fst__steps_defaults(void)
{
    fst__spike_options spikes = fst__spike_defaults();
    return (fst__steps_options){
        .accumulation = 1,
        .spike_warmup = spikes.warmup_steps,
        .spike_patience = spikes.patience,
        .spike_rollbacks = 3,
    };
}

static fst_status bad(const char *name, const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.%s: expected %s", name, field, expected);
}

fst_status fst__steps_check(const fst__steps_options *o, const fst_run_options *run_options,
                            const char *name)
{
    if (o->accumulation < 1 || o->accumulation > INT32_MAX)
        return bad(name, "accumulation", "at least 1");
    if (o->spike_action < FST_SPIKE_NONE || o->spike_action > FST_SPIKE_ROLL_BACK)
        return bad(name, "spike_action", "an FST_SPIKE_ value");
    if (!(o->spike_loss_z >= 0) || !(o->spike_gradient_z >= 0))
        return bad(name, "spike_loss_z and spike_gradient_z", "values ≥ 0");
    if (o->spike_warmup < 0 || o->spike_patience < 1 || o->spike_rollbacks < 0)
        return bad(name, "spike_warmup, spike_patience and spike_rollbacks",
                   "at least 0, 1 and 0");
    if (o->spike_action != FST_SPIKE_NONE && o->spike_loss_z == 0 && o->spike_gradient_z == 0)
        return bad(name, "spike_action", "spike_loss_z or spike_gradient_z with it");
    if (o->spike_action == FST_SPIKE_ROLL_BACK && run_options->save_every == 0)
        return bad(name, "spike_action", "fst_run_options.save_every with FST_SPIKE_ROLL_BACK");
    return FST_OK;
}

fst_status fst__steps_create(fst__steps *steps, const fst__steps_work *work,
                             const fst__steps_options *options, int64_t units, fst_model *model,
                             fst_optimizer *optimizer, const char *name)
{
    steps->work = work;
    steps->options = *options;
    steps->units = units;
    steps->divisor = -1;
    steps->guard.options = (fst__spike_options){
        .loss_z = options->spike_loss_z,
        .gradient_norm_z = options->spike_gradient_z,
        .decay = fst__spike_defaults().decay,
        .warmup_steps = options->spike_warmup,
        .patience = options->spike_action == FST_SPIKE_ROLL_BACK ? options->spike_patience : 0,
    };
    return fst__training_create(model, optimizer, name, &steps->training);
}

void fst__steps_destroy(fst__steps *steps)
{
    fst__training_destroy(&steps->training);
}

int64_t fst__steps_micro_step(const fst_run *run)
{
    return fst__steps_of(run)->micro_step;
}

int64_t fst__steps_micro_steps(const fst_run *run)
{
    return fst__steps_of(run)->options.accumulation;
}

/* The state before the present step: gradients and sums thrown away. */
static void restart_step(fst_run *run)
{
    fst__steps *steps = fst__steps_of(run);
    steps->position -= steps->micro_step;
    steps->micro_step = 0;
    steps->work->clear(run);
    steps->training.clean = false;
    steps->divisor = -1;
}

/* ---- the end of a step ---- */

static bool watches_spikes(const fst__steps *steps)
{
    return steps->guard.options.loss_z > 0 || steps->guard.options.gradient_norm_z > 0;
}

/* Looks at the step before its update. Where the loss was not finite, the gradient is not whole. */
static fst__spike_action look_for_spike(fst_run *run, double loss, double *norm)
{
    fst__steps *steps = fst__steps_of(run);
    if (isnan(loss) || fst__optimizer_gradient_norm(steps->training.optimizer->optimizer,
                                                    run->context->compute, 1, norm))
        *norm = NAN;
    double loss_z, norm_z;
    fst__spike_action action = fst__spike_observe(&steps->guard, loss, *norm, &loss_z, &norm_z);
    if (action == FST__SPIKE_NONE)
        return action;
    steps->spikes += 1;
    fst__log_write(&run->context->log, FST_LOG_WARNING,
                   "step %" PRId64 ": a spike: loss %.6g (%.1f deviations above the mean), gradient "
                   "norm %.6g (%.1f)",
                   run->step + 1, loss, loss_z, *norm, norm_z);
    return steps->options.spike_action == FST_SPIKE_NONE ? FST__SPIKE_NONE : action;
}

/* The step is done: counters go on, with or without an update. */
static void close_step(fst_run *run, const fst_optimizer_report *report)
{
    fst__steps *steps = fst__steps_of(run);
    steps->work->close(run, report);
    steps->work->clear(run);
    steps->micro_step = 0;
    steps->divisor = -1;
}

static fst_status finish_step(fst_run *run, bool finite, fst__outcome *outcome)
{
    fst__steps *steps = fst__steps_of(run);
    bool empty = finite && steps->divisor == 0; /* nothing but padding */
    double loss = finite ? steps->work->loss(run) : NAN;
    const fst__spike_state before = steps->guard.state;
    int64_t spikes = steps->spikes;
    fst_optimizer_report report = {
        .struct_size = sizeof report,
        .learning_rate = fst__optimizer_learning_rate(steps->training.optimizer->optimizer, -1),
        .gradient_norm = NAN,
        .clip_factor = NAN,
    };
    fst__spike_action action = FST__SPIKE_NONE;
    if (!empty && watches_spikes(steps))
        action = look_for_spike(run, loss, &report.gradient_norm);
    if (!empty && action == FST__SPIKE_NONE) {
        fst_status status = fst__training_update(&steps->training, &report);
        if (status) {
            steps->guard.state = before;
            steps->spikes = spikes;
            return status;
        }
    }
    if (action != FST__SPIKE_NONE)
        steps->training.clean = false;
    *outcome = action == FST__SPIKE_ROLL_BACK ? FST__STEP_ROLL_BACK : FST__STEP_FINISHED;
    close_step(run, &report);
    return FST_OK;
}

/* ---- micro-batches ---- */

static fst_status blame_batch(const fst_run *run, fst_status status)
{
    const fst__steps *steps = fst__steps_of(run);
    int64_t first = fst__steps_first(steps, steps->position);
    return fst__fail_in(status,
                        "step %" PRId64 ", micro-batch %" PRId64 ", %s %" PRId64 " to %" PRId64
                        " since the training began",
                        run->step + 1, steps->micro_step + 1, steps->work->unit, first,
                        first + steps->units - 1);
}

/* A loss that is not finite may be a spike to skip: the rest of the step is then passed over. */
static bool may_skip(const fst__steps *steps, fst_status status)
{
    return status == FST_ERR_NUMERIC && watches_spikes(steps) &&
           steps->options.spike_action != FST_SPIKE_NONE;
}

static fst_status run_micro_batch(fst_run *run)
{
    fst__steps *steps = fst__steps_of(run);
    if (steps->micro_step == 0 && !steps->training.clean)
        fst__training_zero_gradients(&steps->training);
    if (steps->divisor < 0)
        steps->divisor = steps->work->divisor(run);
    if (steps->divisor == 0)
        return FST_OK;
    steps->training.clean = false;
    return steps->work->micro_batch(run);
}

fst_status fst__steps_advance(fst_run *run, fst__outcome *outcome)
{
    fst__steps *steps = fst__steps_of(run);
    fst_status status = run_micro_batch(run);
    bool finite = true;
    if (may_skip(steps, status)) {
        status = FST_OK;
        finite = false;
        steps->position += steps->options.accumulation - steps->micro_step;
        steps->micro_step = steps->options.accumulation;
    } else if (!status) {
        steps->position += 1;
        steps->micro_step += 1;
    } else {
        status = blame_batch(run, status);
    }
    *outcome = FST__STEP_UNFINISHED;
    if (!status && steps->micro_step == steps->options.accumulation) {
        status = finish_step(run, finite, outcome);
        if (status)
            status = fst__fail_in(status, "step %" PRId64, run->step + 1);
    }
    if (status)
        restart_step(run);
    return status;
}

/* ---- what a checkpoint holds, and what comes back from one ---- */

static const fst__setting settings[] = {
    {"accumulation", offsetof(fst__steps_options, accumulation), FST__SETTING_I64, 1},
    {"spike_action", offsetof(fst__steps_options, spike_action), FST__SETTING_I32, 0},
    {"spike_loss_z", offsetof(fst__steps_options, spike_loss_z), FST__SETTING_F64, 0},
    {"spike_gradient_z", offsetof(fst__steps_options, spike_gradient_z), FST__SETTING_F64, 0},
};

/* Fields of the guard's state, in the order that the file has them. */
static void visit_guard(fst__spike_state *state, const char *prefix, fst__visitor *visitor)
{
    _Static_assert(sizeof *state == FST__SPIKE_STATE_DOUBLES * sizeof(double), "doubles, no gap");
    fst__visit_doubles(visitor, prefix, "spike_guard", (double *)state, FST__SPIKE_STATE_DOUBLES);
}

void fst__steps_visit(fst__steps *s, const char *prefix, fst__visitor *visitor)
{
    fst__visit_settings(visitor, prefix, settings, sizeof settings / sizeof settings[0],
                        &s->options);
    fst__visit_i64(visitor, prefix, "position", &s->position, 0, FST__COUNTER_MOST / s->units);
    int64_t micro_step = fst__visit_i64(visitor, prefix, "micro_step", &s->micro_step, 0,
                                        s->options.accumulation - 1);
    fst__visit_i64(visitor, prefix, "spikes", &s->spikes, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, prefix, "rollbacks", &s->rollbacks, 0, FST__COUNTER_MOST);
    visit_guard(&s->guard.state, prefix, visitor);
    fst__training_visit(&s->training, visitor, micro_step > 0);
}

void fst__steps_restored(fst_run *run)
{
    fst__steps *steps = fst__steps_of(run);
    fst__training_restored(&steps->training);
    steps->divisor = -1;
}

/* The state of the checkpoint, but the data that follows the spikes, and the counts. */
fst_status fst__steps_roll_back(fst_run *run, fst_status (*load)(fst_run *run))
{
    fst__steps *steps = fst__steps_of(run);
    int64_t position = steps->position, spikes = steps->spikes, rollbacks = steps->rollbacks;
    if (rollbacks >= steps->options.spike_rollbacks)
        return fst__fail(FST_ERR_NUMERIC,
                         "step %" PRId64 ": spikes again after %" PRId64 " roll backs", run->step,
                         rollbacks);
    fst_status status = load(run);
    if (status)
        return fst__fail_in(status, "rolling back at step %" PRId64, run->step);
    if (steps->micro_step > 0) /* saved in the middle of a step: its rows are behind us */
        restart_step(run);
    steps->position = position;
    steps->spikes = spikes;
    steps->rollbacks = rollbacks + 1;
    steps->guard.state.consecutive = 0;
    fst__log_write(&run->context->log, FST_LOG_WARNING,
                   "rolled back to step %" PRId64 " after %" PRId64 " spikes in a row", run->step,
                   steps->options.spike_patience);
    return FST_OK;
}
