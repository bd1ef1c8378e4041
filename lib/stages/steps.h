/*
 * Steps of several micro-batches: the position in the data, the gradients and sums of a step in
 * progress, the watch over spikes, the update after a step's last micro-batch. What a micro-batch is
 * made of, the stage says.
 */
#ifndef FST_STAGES_STEPS_H
#define FST_STAGES_STEPS_H

#include "optim/spike_guard.h"
#include "stages/run.h"
#include "stages/training.h"

/* What a stage does with micro-batch `position`, counted since training began. */
typedef struct fst__steps_work {
    /* What the losses of the present step are divided by: the targets, or weights, of all its
     * micro-batches, from position − micro_step on. 0: the step has nothing to learn from. */
    double (*divisor)(fst_run *run);
    /* Forward and backward of d(loss)/divisor; adds to the stage's sums. */
    fst_status (*micro_batch)(fst_run *run);
    /* Mean loss of the step, from the sums. */
    double (*loss)(const fst_run *run);
    /* Metrics and run->tokens from the sums and the update's report. */
    void (*close)(fst_run *run, const fst_optimizer_report *report);
    /* The sums become 0. */
    void (*clear)(fst_run *run);
    const char *unit; /* what `units` of fst__steps counts, in errors: "rows" */
} fst__steps_work;

typedef struct fst__steps_options {
    int64_t accumulation;
    int32_t spike_action; /* FST_SPIKE_ value */
    double spike_loss_z, spike_gradient_z;
    int64_t spike_warmup, spike_patience, spike_rollbacks;
} fst__steps_options;

/* Stands first in the state of a stage that works so. */
typedef struct fst__steps {
    const fst__steps_work *work;
    fst__steps_options options;
    fst__training training;
    int64_t units;   /* rows or examples of a micro-batch */
    double divisor;  /* of the present step; negative: not known yet */

    /* Saved with a checkpoint. */
    int64_t position;   /* micro-batches read since training began; numbers the dropout's draws */
    int64_t micro_step; /* of the present step, done */
    int64_t spikes, rollbacks;
    fst__spike_guard guard;
} fst__steps;

static inline fst__steps *fst__steps_of(const fst_run *run)
{
    return run->state;
}

fst__steps_options fst__steps_defaults(void);

/* `name`: of the stage's options struct, for errors. */
fst_status fst__steps_check(const fst__steps_options *options, const fst_run_options *run_options,
                            const char *name);

/* Takes hold of model and optimizer; `steps` is all zero before. Destroy takes one that is all zero. */
fst_status fst__steps_create(fst__steps *steps, const fst__steps_work *work,
                             const fst__steps_options *options, int64_t units, fst_model *model,
                             fst_optimizer *optimizer, const char *name);
void fst__steps_destroy(fst__steps *steps);

/* First row or example of micro-batch `position`. */
static inline int64_t fst__steps_first(const fst__steps *steps, int64_t position)
{
    return position * steps->units;
}

/* Members of a stage's table. */
fst_status fst__steps_advance(fst_run *run, fst__outcome *outcome);
fst_status fst__steps_roll_back(fst_run *run, fst_status (*load)(fst_run *run));
void fst__steps_restored(fst_run *run);
int64_t fst__steps_micro_step(const fst_run *run);
int64_t fst__steps_micro_steps(const fst_run *run);

/* Settings and counters under `prefix`, the stage's name; then model and optimizer. */
void fst__steps_visit(fst__steps *steps, const char *prefix, fst__visitor *visitor);

#endif
