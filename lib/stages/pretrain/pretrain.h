/* Stage one: next-token prediction over a packed dataset. */
#ifndef FST_STAGES_PRETRAIN_PRETRAIN_H
#define FST_STAGES_PRETRAIN_PRETRAIN_H

#include "data/dataset.h"
#include "fourstage/pretrain.h"
#include "optim/spike_guard.h"
#include "stages/run.h"
#include "stages/training.h"

/* The stage's metrics, behind those that every run has. */
typedef enum fst__pretrain_metric {
    FST__PRETRAIN_Z_LOSS = FST__METRIC_OWN,
    FST__PRETRAIN_PERPLEXITY,
    FST__PRETRAIN_ACCURACY,
    FST__PRETRAIN_CLIP_FACTOR,
    FST__PRETRAIN_TOKENS,
    FST__PRETRAIN_EPOCH,
    FST__PRETRAIN_SPIKES,
    FST__PRETRAIN_ROLLBACKS,
    FST__PRETRAIN_VALIDATION_PERPLEXITY,
    FST__PRETRAIN_VALIDATION_BITS,
    FST__PRETRAIN_VALIDATION_ACCURACY,
    FST__PRETRAIN_METRICS_END,
} fst__pretrain_metric;

/* Sums over the micro-batches of the present step that are done. */
typedef struct fst__pretrain_sums {
    double loss, z_loss;
    int64_t tokens, correct;
} fst__pretrain_sums;

typedef struct fst__pretrain {
    fst_context *context; /* the model's, which `training` holds */
    fst__training training;
    fst_dataset *train, *validation; /* held; validation may be NULL */
    fst_dataset_info train_info;
    fst_pretrain_options options;
    int64_t length; /* of a row */
    int64_t activation_bytes;

    int32_t *ids, *targets, *positions, *documents; /* [rows, length], one block */
    size_t data_bytes;
    int64_t step_targets; /* of all micro-batches of the step; -1: not counted yet */

    /* Saved with a checkpoint. */
    int64_t position;   /* micro-batches read since training began; numbers the dropout's draws */
    int64_t micro_step; /* of the present step, done */
    int64_t spikes, rollbacks;
    fst__pretrain_sums sums;
    fst__spike_guard guard;
} fst__pretrain;

static inline fst__pretrain *fst__pretrain_of(const fst_run *run)
{
    return run->state;
}

fst_pretrain_options fst__pretrain_defaults(void);

/* Both are overlaid. */
fst_status fst__pretrain_create(const fst_pretrain_options *options, const fst_run_options *run_options,
                                fst_run **out);

/* The parts: step.c, evaluate.c, state.c. */
fst_status fst__pretrain_advance(fst_run *run, fst__outcome *outcome);
fst_status fst__pretrain_evaluate(fst_run *run, double *score);
void fst__pretrain_visit(fst_run *run, fst__visitor *visitor);
void fst__pretrain_restored(fst_run *run);
fst_status fst__pretrain_roll_back(fst_run *run, fst_status (*load)(fst_run *run));

/* Rows of `dataset` into the arrays, as a batch over them. */
void fst__pretrain_read(fst__pretrain *pretrain, const fst_dataset *dataset, int64_t row,
                        bool shuffle, fst_batch *batch);

/* The state before the present step: gradients and sums thrown away. */
void fst__pretrain_restart_step(fst__pretrain *pretrain);

#endif
