/*
 * Stage four on text. An iteration is a rollout (text_rollout.c), what is computed from it
 * (text_estimate.c), and updates from minibatches of it (text_update.c).
 */
#ifndef FST_STAGES_RL_TEXT_H
#define FST_STAGES_RL_TEXT_H

#include "data/examples.h"
#include "fourstage/rl.h"
#include "model/heads.h"
#include "model/policy.h"
#include "stages/objectives/objectives.h"
#include "stages/rl/minibatch.h"
#include "stages/rl/rollout.h"
#include "stages/run.h"
#include "stages/scoring/scoring.h"
#include "stages/training.h"

typedef enum fst__rl_metric {
    FST__RL_REWARD = FST__METRIC_OWN,
    FST__RL_KL,
    FST__RL_KL_COEFFICIENT,
    FST__RL_APPROXIMATE_KL,
    FST__RL_CLIP_FRACTION,
    FST__RL_RATIO,
    FST__RL_FIRST_RATIO_ERROR,
    FST__RL_ENTROPY,
    FST__RL_EXPLAINED_VARIANCE,
    FST__RL_POLICY_LOSS,
    FST__RL_VALUE_LOSS,
    FST__RL_SUPERVISED_LOSS,
    FST__RL_ENDS,
    FST__RL_LENGTH,
    FST__RL_TRUNCATED_SHARE,
    FST__RL_UPDATES,
    FST__RL_CLIP_FACTOR,
    FST__RL_ROLLOUT_SECONDS,
    FST__RL_REWARD_SECONDS,
    FST__RL_ESTIMATE_SECONDS,
    FST__RL_UPDATE_SECONDS,
    FST__RL_SAMPLING_ERROR,
    FST__RL_VALIDATION_REWARD,
    FST__RL_VALIDATION_LENGTH,
    FST__RL_METRICS_END,
} fst__rl_metric;

/* What the answers of an iteration are as text: rows of prompt and answer. N answers, L ids a row. */
typedef struct fst__answers {
    int64_t count, length; /* N, L */
    int64_t kept_row;      /* bytes of a kept list; 0: none are recorded */
    int32_t *ids;          /* [N, L] prompt, answer, zeros */
    int64_t *prompt_lengths; /* [N] */
    int32_t *finishes;     /* [N] */
    unsigned char *kept;   /* [steps, kept_row] as the rollout's steps */
} fst__answers;

/* Rows of one forward, and the arrays that stand beside them. B rows, T positions at most. */
typedef struct fst__rl_batch {
    int64_t rows, length;       /* of the batch in hand; length ≤ T */
    int64_t *answers;           /* [B] */
    int32_t *ids, *targets, *lengths; /* [B, T], [B, T], [B] */
    unsigned char *kept;        /* [B, T, kept_row] */
    fst__real *gradient;        /* [B, T] of an output, dense */
    /* compact, by step: count = Σ lengths of the answers */
    int64_t count;
    fst__real *log_probabilities, *old, *references, *advantages, *weights, *values, *old_values,
        *returns, *d_log_probabilities, *scratch; /* [B·T] each */
} fst__rl_batch;

/* What is known of the rollout itself; saved likewise. All doubles. */
typedef struct fst__rl_figures {
    double reward, kl, ends, length, explained_variance, sampling_error;
} fst__rl_figures;

enum { FST__RL_FIGURES = sizeof(fst__rl_figures) / sizeof(double) };

/* Not saved, so that equal states are equal files; NaN in an iteration that was resumed. */
typedef struct fst__rl_seconds {
    double rollout, reward, estimate, update;
} fst__rl_seconds;

typedef struct fst__rl {
    fst_context *context;
    fst__training training;
    fst_tokenizer *tokenizer;        /* held, or NULL */
    fst_reward_model *reward_model;  /* held */
    fst_policy *policy;
    fst_model *reference;            /* held; NULL: the model without its adapter, or none */
    bool has_reference, owns_reference;
    char reference_sum[FST__WEIGHTS_SUM]; /* of one that the caller gave; else empty */
    fst_dataset *prompts, *validation, *supervised; /* held; the last two may be NULL */
    fst_rl_options options;          /* resolved; its handles are those above, its name ours */
    char value_head[FST__HEAD_NAME_SIZE];
    fst_sampling_options sampling;   /* our copy */
    fst_examples_info prompts_info;
    fst_dataset_info supervised_info;
    int64_t activation_bytes, reference_bytes, data_bytes;

    fst__answers answers;
    fst__rollout rollout;
    fst__rl_batch batch;
    const int32_t **prompt_ids, **answer_ids; /* [N] of the rollout being made */
    const char **answer_texts;                /* likewise, with a tokenizer */
    int64_t *prompt_lengths, *examples, *seeds; /* [N] */
    int32_t *supervised_ids; /* [4, rows, length] ids, targets, positions, documents */
    fst__rl_seconds seconds;
    fst__real *snapshot;     /* the trained weights under the ceiling; NULL without one */

    /* Saved with a checkpoint. */
    int64_t iteration;           /* rollouts begun */
    int64_t position;            /* prompts read since training began */
    int64_t supervised_position; /* batches of `supervised` read */
    int64_t micro_step;          /* 0: no rollout in hand; else 1 + forwards done */
    int64_t ended;               /* 1: the ceiling was met */
    int64_t snapshot_taken;
    fst_baseline baseline;
    fst_kl_controller controller;
    fst__update_sums sums;
    fst__rl_figures figures;
} fst__rl;

static inline fst__rl *fst__rl_of(const fst_run *run)
{
    return run->state;
}

/* Forwards of an epoch. */
static inline int64_t fst__rl_batches(const fst__rl *rl)
{
    return rl->answers.count / rl->options.rows;
}

fst_rl_options fst__rl_defaults(void);
fst_status fst__rl_set_algorithm(fst_rl_options *options, int32_t algorithm);

/* Both are overlaid. */
fst_status fst__rl_create(const fst_rl_options *options, const fst_run_options *run_options,
                          fst_run **out);

/* text_options.c: checks, and what stands for 0. `sampling` is overlaid. */
fst_status fst__rl_resolve(fst_rl_options *options, const fst_sampling_options *sampling,
                           int64_t longest_prompt);
/* A copy with its arrays, in *out, which is destroyed also after a failure. */
fst_status fst__rl_sampling_copy(fst__allocator *allocator, const fst_sampling_options *sampling,
                                 fst_sampling_options *out);
void fst__rl_sampling_destroy(fst__allocator *allocator, fst_sampling_options *sampling);

/* text_rollout.c: answers to the prompts at `position`, into rl->answers and rl->rollout, with scores. */
fst_status fst__rl_roll_out(fst_run *run);
/* Mean score and length on the validation prompts. */
fst_status fst__rl_evaluate(fst_run *run, double *score);

/* text_estimate.c: log-probabilities, values, references, then rewards and advantages. */
fst_status fst__rl_estimate(fst_run *run);

/* text_batch.c: answers in the order of an epoch, a shuffle that is a function of iteration and epoch. */
int64_t fst__rl_answer_at(const fst__rl *rl, int64_t epoch, int64_t place);
/* Forward `index` of an epoch into rl->batch. */
void fst__rl_gather(fst__rl *rl, int64_t epoch, int64_t index);
/* Runs `model` over the batch in hand. */
fst_status fst__rl_forward(fst__rl *rl, fst_model *model, bool training);
/* Steps of the answers: from a dense [rows, length] output to a compact array and back. Only the
 * positions that predict an answer's ids are written, all others are 0. */
void fst__rl_compact(const fst__rl *rl, const fst__real *dense, fst__real *compact);
void fst__rl_spread(const fst__rl *rl, const fst__real *compact, fst__real *dense);
/* Between the batch's steps and an array of the rollout's. */
void fst__rl_pick(const fst__rl *rl, const fst__real *by_step, fst__real *compact);
void fst__rl_put(const fst__rl *rl, const fst__real *compact, fst__real *by_step);

/* text_update.c */
fst_status fst__rl_update(fst_run *run, fst__outcome *outcome);

/* text_state.c */
void fst__rl_visit(fst_run *run, fst__visitor *visitor);
void fst__rl_restored(fst_run *run);
void fst__rl_take_snapshot(fst__rl *rl);
void fst__rl_restore_snapshot(fst__rl *rl);

#endif
