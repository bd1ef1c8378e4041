/*
 * Stage four in environments. The policy acts (control_collect.c) in environments of one or two players
 * (control_games.c), advantages are estimated (control_estimate.c), and the weights updated from minibatches of the
 * steps (control_update.c).
 */
#ifndef FST_STAGES_RL_CONTROL_H
#define FST_STAGES_RL_CONTROL_H

#include "env/env.h"
#include "fourstage/control.h"
#include "model/control_policy.h"
#include "stages/rl/minibatch.h"
#include "stages/rl/rollout.h"
#include "stages/run.h"

typedef enum fst__play_metric {
    FST__PLAY_RETURN = FST__METRIC_OWN,
    FST__PLAY_LENGTH,
    FST__PLAY_EPISODES,
    FST__PLAY_WIN_SHARE,
    FST__PLAY_APPROXIMATE_KL,
    FST__PLAY_CLIP_FRACTION,
    FST__PLAY_RATIO,
    FST__PLAY_FIRST_RATIO_ERROR,
    FST__PLAY_ENTROPY,
    FST__PLAY_EXPLAINED_VARIANCE,
    FST__PLAY_POLICY_LOSS,
    FST__PLAY_VALUE_LOSS,
    FST__PLAY_CLIP,
    FST__PLAY_UPDATES,
    FST__PLAY_CLIP_FACTOR,
    FST__PLAY_ROLLOUT_SECONDS,
    FST__PLAY_UPDATE_SECONDS,
    FST__PLAY_ENVIRONMENT_SECONDS,
    FST__PLAY_VALIDATION_RETURN,
    FST__PLAY_VALIDATION_LENGTH,
    FST__PLAY_VALIDATION_SUCCESS,
    FST__PLAY_METRICS_END,
} fst__play_metric;

enum { FST__PLAY_RECENT = 100 }; /* episodes that metrics are means of */

/* What a step of all environments brought the learner. */
typedef struct fst__outcomes {
    const double *rewards;                 /* [N] */
    const uint8_t *terminated, *truncated; /* [N] or NULL: 0 */
    const unsigned char *finals;           /* [N] observations; read where truncated */
    const double *final_signs;             /* [N] of the value of `finals` to the learner; NULL: 1 */
} fst__outcomes;

/* Environments as the one who learns in them sees them: with two players, the other one's moves are
 * part of what happens. */
typedef struct fst__games {
    fst_env *env; /* held; NULL: the host's */
    int64_t count; /* N */
    bool two;      /* players */
    uint64_t salt; /* of the draws of opponents and actions */
    fst_env_batch batch;
    fst__outcomes out;
    /* two players, [N] */
    double *gains, *signs;
    uint8_t *over; /* 1: what the learner's last move belongs to has ended */
    uint8_t *terminated, *truncated;
    unsigned char *finals;
    unsigned char *actions, *rows, *observations, *drawn;
    uint8_t *masks;
    int64_t *indices, *group;

    /* Saved with a checkpoint. */
    int64_t draws;    /* calls that drew actions */
    int64_t restarts; /* times that all environments began anew */
    int64_t lost;     /* 1: before the next step they must */
    int64_t lost_in_file; /* likewise, or they could not be saved */
    int64_t *numbers, *opponents; /* [N] episodes begun; who sits opposite: −1 the present self */
} fst__games;

/* The learner's steps of an iteration. A slot is a row of the policy for each environment; the window −1 slots in
 * front are those before the iteration. */
typedef struct fst__experience {
    unsigned char *rows; /* [window − 1 + steps, N, row_bytes] */
    int32_t *ages;       /* [slots, N] observations of the episode so far, this one included, at most window */
    unsigned char *tail; /* [window, N, row_bytes] the last slots, once all steps are done */
    int32_t *tail_ages;
    unsigned char *actions;           /* [steps, N] */
    uint8_t *masks;                   /* [steps, N, choices] or NULL */
    uint8_t *terminated, *truncated;  /* [steps, N] */
    fst__real *truncation_values;     /* [steps, N] of the observation after a truncated step */
    fst__real *final_values;          /* [N] of what follows the last step */
} fst__experience;

/* Rows of one forward. */
typedef struct fst__play_batch {
    int64_t count;
    int64_t *steps;         /* [B] which */
    unsigned char *rows;    /* [B, window, row_bytes] */
    int32_t *lengths;       /* [B] with a window */
    unsigned char *actions; /* [B] */
    uint8_t *masks;         /* [B, choices] */
    uint8_t *valid;         /* [B] REINFORCE: whether the step counts */
    fst__real *log_probabilities, *old, *advantages, *values, *old_values, *returns, *entropies,
        *weights, *d_log_probabilities, *d_values; /* [B] */
} fst__play_batch;

/* Running mean and variance, as Stable-Baselines3's RunningMeanStd; doubles all. */
typedef struct fst__return_statistics {
    double mean, variance, count;
} fst__return_statistics;

/* Episodes that have ended, and those going on. */
typedef struct fst__episodes {
    double recent[2 * FST__PLAY_RECENT]; /* returns, then lengths; rings */
    int64_t count;
    double *returns, *lengths; /* [N] so far */
    double *discounted;        /* [N] of the reward normaliser */
    fst__return_statistics statistics;
} fst__episodes;

/* Not saved, so that equal states are equal files. */
typedef struct fst__play_seconds {
    double rollout, update, environment;
} fst__play_seconds;

enum { FST__PLAY_BLOCKS = 96 };

typedef struct fst__play {
    fst_context *context; /* the policy's model's, which `training` holds */
    fst__training training;
    fst_policy *policy; /* held */
    fst_control_options options; /* resolved; its handles are those here */
    fst__games games, trial;     /* of training and of evaluation */
    fst__control_history trial_history;
    unsigned char *trial_rows, *trial_actions;
    double *trial_returns, *trial_lengths; /* [trial N] of the episodes going on */
    int64_t *trial_wanted; /* [trial N] episodes that still count */
    uint8_t *fresh_trial;  /* [trial N] */
    size_t row_bytes, action_bytes, observation_bytes;
    int64_t window, choices;
    bool exact; /* forwards have the same bits whatever stands beside a row */
    fst__rollout rollout;
    fst__experience experience;
    fst__play_batch batch;
    int64_t *order; /* [steps · N] of the pass below */
    uint32_t *order_table;
    int64_t order_pass; /* −1: none */
    unsigned char *windows, *unrecorded; /* [N, window, row_bytes] scratch; [N] actions */
    int32_t *window_lengths;
    uint8_t *fresh; /* [N] 1: the next observation is an episode's first */
    fst_policy **rivals; /* [opponents] past selves */
    void *blocks[FST__PLAY_BLOCKS];
    int32_t block_count;
    int64_t bytes;
    bool acted, recording; /* actions were given out; and what becomes of them is kept */
    fst__play_seconds seconds;

    /* Saved with a checkpoint. */
    int64_t iteration;
    int64_t recorded;   /* steps of each environment in the experience */
    int64_t estimated;  /* 1: advantages are there */
    int64_t pieces;     /* passes over minibatches done since */
    int64_t arrived;    /* 1: the present observations are there, not yet acted on */
    int64_t filled;     /* 1: the present slot has observations, acted on or not */
    int64_t masked;     /* 1: the iteration's masks count */
    int64_t rivals_added;
    double explained_variance;
    fst__episodes episodes;
    fst__update_sums sums;
} fst__play;

static inline fst__play *fst__play_of(const fst_run *run)
{
    return run->state;
}

/* Steps of an iteration, and minibatches of a pass over them. */
static inline int64_t fst__play_steps(const fst__play *play)
{
    return play->options.steps * play->games.count;
}

static inline int64_t fst__play_batches(const fst__play *play)
{
    return (fst__play_steps(play) + play->options.minibatch - 1) / play->options.minibatch;
}

/* Passes before the updates: log-probabilities once more. */
static inline int64_t fst__play_recomputed(const fst__play *play)
{
    return play->exact ? 0 : fst__play_batches(play);
}

fst_control_options fst__play_defaults(void);
fst_status fst__play_set_algorithm(fst_control_options *options, int32_t algorithm);
/* control_options.c: checks, and what stands for 0. */
fst_status fst__play_resolve(fst_control_options *options, const fst_run_options *run);

/* Both are overlaid. */
fst_status fst__play_create(const fst_control_options *options, const fst_run_options *run_options,
                            fst_run **out);
bool fst__play_is(const fst_run *run);
fst_status fst__play_act(fst_run *run, const void *observations, const uint8_t *masks, void *actions);
fst_status fst__play_observe(fst_run *run, const fst__outcomes *outcomes);

/* control_games.c. Begin: all environments anew, up to the learner's first move. */
fst_status fst__games_begin(fst__play *play, fst__games *games);
/* The learner's actions, and all that happens until it is to move again everywhere: games->out. */
fst_status fst__games_step(fst__play *play, fst__games *games, const void *actions);
/* The present self joins the past ones. */
fst_status fst__games_add_rival(fst__play *play);

/* control_collect.c */
fst_status fst__play_collect(fst_run *run);
/* count_in: the running statistics of observations learn of them. */
fst_status fst__play_arrive(fst__play *play, const void *observations, bool count_in);
fst_status fst__play_choose(fst_run *run, const uint8_t *masks, void *actions);
fst_status fst__play_record(fst_run *run, const fst__outcomes *outcomes);
/* Pieces that steps are gathered in, and steps of each environment in one. */
int64_t fst__play_slice(const fst__play *play);
/* The windows that end in the present slot. */
const void *fst__play_present(fst__play *play, const int32_t **lengths);
/* The window that ends in step `step`, its oldest row first. */
void fst__play_window(const fst__play *play, int64_t step, unsigned char *rows, int32_t *length);
/* The steps are done with, or dropped: the last slots stand in front. */
void fst__play_rewind(fst__play *play);

/* control_episodes.c */
void fst__episodes_forget(fst__play *play); /* those going on */
/* Σ and length of episodes, and the rewards that advantages are taken from. */
void fst__episodes_count(fst__play *play, const fst__outcomes *outcomes, fst__real *rewards);
void fst__episodes_metrics(const fst__play *play, double *metrics);

/* control_estimate.c: values of what follows, advantages; then, if need be, log-probabilities. */
fst_status fst__play_estimate(fst__play *play);
fst_status fst__play_recompute(fst__play *play, int64_t index);

/* control_update.c */
fst_status fst__play_advance(fst_run *run, fst__outcome *outcome);
/* Minibatch `index` of a pass into play->batch, without what is taken from the rollout. */
void fst__play_gather(fst__play *play, int64_t pass, int64_t index);
void fst__play_pick(const fst__play *play, const fst__real *by_step, fst__real *compact);

/* control_evaluate.c */
fst_status fst__play_evaluate(fst_run *run, double *score);

/* control_state.c */
void fst__play_visit(fst_run *run, fst__visitor *visitor);
void fst__play_restored(fst_run *run);

#endif
