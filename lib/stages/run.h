/*
 * What all stages have in common: counters, cancelling, evaluation and saving on time, metrics,
 * the progress callback. A stage is a table of functions over a state of its own.
 */
#ifndef FST_STAGES_RUN_H
#define FST_STAGES_RUN_H

#include "base/context.h"
#include "fourstage/run.h"
#include "stages/checkpoint.h"

#include <stdbool.h>

/* What one piece of work led to. */
typedef enum fst__outcome {
    FST__STEP_UNFINISHED, /* more micro-batches to come */
    FST__STEP_FINISHED,
    FST__STEP_ROLL_BACK, /* finished, and the stage asks for the newest checkpoint's state */
    FST__STEP_WAITING, /* nothing to do before the host brings more */
} fst__outcome;

/* The metrics every run has, in front of the stage's own. */
typedef enum fst__metric {
    FST__METRIC_LOSS,
    FST__METRIC_LEARNING_RATE,
    FST__METRIC_GRADIENT_NORM,
    FST__METRIC_TOKENS_PER_SECOND,
    FST__METRIC_SECONDS_LEFT,
    FST__METRIC_VALIDATION_LOSS,
    FST__METRIC_OWN, /* the stage's first */
} fst__metric;

enum { FST__METRIC_MOST = 48 };

typedef struct fst__stage {
    const char *name; /* in checkpoints: never changes */
    const char *const *metrics; /* the stage's own */
    int64_t metric_count;

    /* One micro-batch; with a step's last one, the update. After a failure the state is that before
     * the step. Adds to run->tokens. */
    fst_status (*advance)(fst_run *run, fst__outcome *outcome);
    /* Sets validation metrics; *score: lower is better. Asks fst__run_cancelled between batches and
     * then returns FST_STOPPED. NULL: this run has nothing to evaluate on. */
    fst_status (*evaluate)(fst_run *run, double *score);
    /* The walk over the stage's part of the state. */
    void (*visit)(fst_run *run, fst__visitor *visitor);
    /* After the state was read from a file: derives what is not in it. */
    void (*restored)(fst_run *run);
    /* Calls `load`, which reads the newest checkpoint, and puts back what a roll back keeps. NULL
     * for a stage that never asks for one. */
    fst_status (*roll_back)(fst_run *run, fst_status (*load)(fst_run *run));
    /* Whether the stage wants no further steps; NULL: it never says so. */
    bool (*ended)(const fst_run *run);
    int64_t (*micro_step)(const fst_run *run);
    int64_t (*micro_steps)(const fst_run *run);
    void (*memory)(const fst_run *run, fst_memory *memory);
    void (*destroy)(void *state); /* takes NULL */
} fst__stage;

struct fst_run {
    fst_context *context; /* held */
    const fst__stage *stage;
    void *state;             /* the stage's, owned */
    bool can_evaluate;
    fst_run_options options; /* directory is our copy */

    _Atomic int32_t cancelled;
    _Atomic int32_t busy; /* a verb is running */
    bool doomed;          /* destroyed from a callback: goes when the verb is done */
    bool broken;          /* a resume failed half-way */

    /* Saved with a checkpoint. */
    int64_t step;
    int64_t tokens;
    int64_t evaluated_step; /* the last whose due evaluation is done */
    double best;            /* NaN: none */
    int64_t best_step;
    int64_t evaluations_since_best;

    /* Not saved: what follows from files and clocks. */
    int64_t saved_step, reported_step;
    double seconds;
    double step_seconds; /* of the step in progress */
    int64_t step_tokens; /* run->tokens when it began */
    double pace_seconds, pace_tokens; /* running averages of a step */
    double metrics[FST__METRIC_MOST];
};

fst_run_options fst__run_defaults(void);

/* Takes `state` over in any case. `options` are overlaid. */
fst_status fst__run_create(fst_context *context, const fst__stage *stage, void *state,
                           bool can_evaluate, const fst_run_options *options, fst_run **out);
void fst__run_destroy(fst_run *run); /* takes NULL */

fst_status fst__run_step(fst_run *run);
fst_status fst__run_advance(fst_run *run, bool *updated);
fst_status fst__run_until(fst_run *run, int64_t step);
fst_status fst__run_evaluate(fst_run *run);
fst_status fst__run_save(fst_run *run, const char *path);
fst_status fst__run_resume(fst_run *run, const char *path);
bool fst__run_finished(const fst_run *run);
bool fst__run_stopped_early(const fst_run *run);
void fst__run_fill_progress(const fst_run *run, fst_run_progress *progress);

int64_t fst__run_metric_count(const fst_run *run);
const char *fst__run_metric_name(const fst_run *run, int64_t index);

/* Whether somebody asked to stop; taking the wish fulfils it. */
bool fst__run_cancelled(fst_run *run);

#endif
