/* Stage four, offline: a policy learns from pairs of answers. */
#ifndef FST_STAGES_RL_DPO_H
#define FST_STAGES_RL_DPO_H

#include "data/dataset.h"
#include "fourstage/dpo.h"
#include "fourstage/examples.h"
#include "stages/objectives/objectives.h"
#include "stages/run.h"
#include "stages/training.h"

/* The stage's metrics, behind those that every run has. */
typedef enum fst__dpo_metric {
    FST__DPO_SFT_LOSS = FST__METRIC_OWN,
    FST__DPO_ACCURACY,
    FST__DPO_MARGIN,
    FST__DPO_CHOSEN_REWARD,
    FST__DPO_REJECTED_REWARD,
    FST__DPO_CHOSEN_LOG_PROBABILITY,
    FST__DPO_REJECTED_LOG_PROBABILITY,
    FST__DPO_REFERENCE_POINT,
    FST__DPO_CLIP_FACTOR,
    FST__DPO_TOKENS,
    FST__DPO_EPOCH,
    FST__DPO_VALIDATION_ACCURACY,
    FST__DPO_VALIDATION_MARGIN,
    FST__DPO_VALIDATION_CHOSEN_REWARD,
    FST__DPO_VALIDATION_REJECTED_REWARD,
    FST__DPO_METRICS_END,
} fst__dpo_metric;

/* Sums over pairs that are done; doubles all, in the order that a checkpoint has them. */
typedef struct fst__dpo_sums {
    double pairs;
    double loss; /* Σ w·l, without the SFT term */
    double sft;  /* Σ −log π(chosen)/tokens */
    double accuracy, margin, chosen_reward, rejected_reward;
    double chosen_log_probability, rejected_log_probability;
    double reference_point; /* Σ over micro-batches, times pairs */
    double tokens;
} fst__dpo_sums;

enum { FST__DPO_SUMS = sizeof(fst__dpo_sums) / sizeof(double) };

/* What one micro-batch needs, one block. S = 2·rows answers: the chosen of all pairs, then the
 * rejected. */
typedef struct fst__dpo_arrays {
    int32_t *ids, *targets;                           /* [S, length] */
    int32_t *lengths;                                 /* [S] ids of each sequence */
    int64_t *tokens;                                  /* [S] targets of each */
    int64_t *indices;                                 /* [rows + 1] */
    uint8_t *desirable;                               /* [S] */
    fst__real *policy, *reference, *slopes, *weights; /* [S] */
    fst__real *gradient;                              /* [S, length] */
} fst__dpo_arrays;

typedef struct fst__dpo {
    fst_context *context; /* the model's, which `training` holds */
    fst__training training;
    fst_model *reference;            /* held; NULL: the model with its adapter off */
    fst_dataset *train, *validation; /* held; validation may be NULL */
    fst_examples_info train_info;
    fst_dpo_options options; /* reference resolved */
    char reference_sum[FST__WEIGHTS_SUM]; /* FST_REFERENCE_MODEL: checksum of its weights, as text; else empty */
    int64_t length;          /* longest sequence of all data */
    int64_t activation_bytes;
    fst__dpo_arrays arrays;
    void *block;
    size_t block_bytes;

    /* Saved with a checkpoint. */
    int64_t position;   /* micro-batches read since training began; numbers the dropout's draws */
    int64_t micro_step; /* of the present step, done */
    fst__dpo_sums sums;
} fst__dpo;

static inline fst__dpo *fst__dpo_of(const fst_run *run)
{
    return run->state;
}

fst_dpo_options fst__dpo_defaults(void);

/* Both are overlaid. */
fst_status fst__dpo_create(const fst_dpo_options *options, const fst_run_options *run_options,
                           fst_run **out);

/* The parts: dpo_step.c, dpo_evaluate.c, dpo_state.c. */
fst_status fst__dpo_advance(fst_run *run, fst__outcome *outcome);
fst_status fst__dpo_evaluate(fst_run *run, double *score);
void fst__dpo_visit(fst_run *run, fst__visitor *visitor);
void fst__dpo_restored(fst_run *run);

/* dpo_batch.c. `first`: the number of the first pair that is read; `valid` of the rows count, the
 * rest is filled up with the last of them. Training reads in the order of training, an evaluation
 * in the order of the data. */
typedef struct fst__dpo_place {
    const fst_dataset *dataset;
    int64_t examples; /* of the dataset */
    int64_t first, valid;
    bool training;
} fst__dpo_place;

/* The pairs into the arrays, as a batch over them. */
fst_status fst__dpo_read(fst__dpo *dpo, const fst__dpo_place *place, fst_batch *batch);
/* Each prompt with the answers to the next pair's. */
fst_status fst__dpo_read_mismatched(fst__dpo *dpo, const fst__dpo_place *place, fst_batch *batch);

/* dpo_score.c: Σ log π of each row's targets, by the policy (the model as it is after a forward) or
 * by the reference. */
fst_status fst__dpo_sum(fst__dpo *dpo, fst_model *model, fst__real *sums);
fst_status fst__dpo_score_reference(fst__dpo *dpo, const fst_batch *batch, fst__real *sums);
fst_status fst__dpo_score_policy(fst__dpo *dpo, const fst_batch *batch, fst__real *sums);
/* KTO's, over the place's pairs; changes ids, targets, policy and reference. 0 for other kinds. */
fst_status fst__dpo_reference_point(fst__dpo *dpo, const fst__dpo_place *place, double *point);
/* The loss of what `policy` and `reference` hold, weight `weight` each pair, of the first `valid`
 * ones; adds to the sums and leaves in `slopes` the derivative with respect to `policy`. */
fst_status fst__dpo_loss(fst__dpo *dpo, double weight, int64_t valid, double point, double sft,
                         fst__dpo_sums *sums);

/* The state before the present step: gradients and sums thrown away. */
void fst__dpo_restart_step(fst__dpo *dpo);

#endif
