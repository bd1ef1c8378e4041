/*
 * Stage four: reinforcement learning of a policy in environments – games, robots.
 *
 * One step of the run is one iteration: the policy acts for `steps` steps in each of N environments,
 * advantages are taken from the rewards, and the weights are updated from minibatches of those steps, several
 * times over. The formulas are those of objectives.h; a loop of the caller's own over fst_policy_act,
 * fst_env_step, fst_policy_evaluate, fst_policy_backward and fst_optimizer_step is the same thing.
 *
 * Either the run steps an fst_env, or a host that owns its loop calls fst_control_act and
 * fst_control_observe from it. Both give the same bits where the same is seen.
 *
 * Threads: as run.h. Callbacks of an environment run on the calling thread.
 */
#ifndef FOURSTAGE_CONTROL_H
#define FOURSTAGE_CONTROL_H

#include "fourstage/control_policy.h"
#include "fourstage/env.h"
#include "fourstage/rl.h"
#include "fourstage/run.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of fst_control_create. In brackets the names of Stable-Baselines3 and CleanRL where they differ.
 *  @since 0.1 */
typedef struct fst_control_options {
    size_t struct_size;       /**< set by fst_control_options_init */
    fst_policy *policy;       /**< of fst_policy_create_control. Kept alive */
    /** Made for the policy's model; NULL (default): AdamW with learning_rate, β .9 and .999, ε 1e-5, no weight decay,
     *  norm of the gradients at most 0.5. Kept alive. */
    fst_optimizer *optimizer;
    fst_env *env;             /**< acts in it, with its spaces those of the policy; NULL: the host acts, see fst_control_act. Kept alive; stepped by the run alone */
    fst_env *validation;      /**< evaluations are in it; another one than env; NULL (default): none. Kept alive */
    const fst_run_options *run; /**< read during create; NULL (default): defaults */
    int32_t algorithm;        /**< FST_RL_PPO (default), FST_RL_A2C or FST_RL_REINFORCE; use fst_control_options_set_algorithm, which sets what goes with it */
    int32_t anneal_clip;      /**< 1: clip falls linearly to 0 over run's total_steps; default 0 */
    int64_t environments;     /**< without env: N; default 1. With one: not read */
    int64_t steps;            /**< of each environment in an iteration [n_steps, num_steps]; default 2048, A2C 5 */
    int64_t minibatch;        /**< steps of one update [batch_size]; an epoch's last one may be smaller; 0: all; default 64, A2C and REINFORCE 0 */
    int64_t epochs;           /**< times that the steps are gone through [n_epochs, update_epochs]; default 10, A2C and REINFORCE 1 */
    int64_t seed_env;         /**< seed of the environments, 0 ≤ seed_env < 2^53; default 0 */
    double gamma;             /**< discount of a step; default 0.99 */
    double lambda;            /**< of generalized advantage estimation [gae_lambda]; default 0.95, A2C and REINFORCE 1 */
    double clip;              /**< ratios further than this from 1 have no gradient [clip_range, clip_coef]; default 0.2 */
    double value_clip;        /**< values move no further than this from the old ones [clip_range_vf, clip_vloss]; 0 (default): no clip */
    /** Weight of the mean of ½(V − R)². CleanRL's vf_coef is this; SB3 has no ½ in its loss, so its vf_coef is half of
     *  this. Default 0.5, REINFORCE 0: no value is learned nor used. */
    double value_coefficient;
    double entropy_coefficient; /**< weight of the mean entropy, which is wanted large [ent_coef]; default 0 */
    double stop_kl;           /**< approximate KL of a minibatch beyond which an iteration makes no further updates; 0 (default): none. SB3's target_kl is this over 1.5 */
    int32_t normalize_advantages; /**< 1: each minibatch's to mean 0 and deviation 1, where it has more than one step; default 1, A2C 0 */
    int32_t normalize_rewards; /**< 1: rewards are divided by the deviation of the discounted return so far, as SB3's VecNormalize; default 0 */
    double reward_clip;       /**< with normalize_rewards: to ±this; default 10 */
    int64_t evaluation_episodes; /**< of an evaluation; default 10 */
    int32_t evaluation_deterministic; /**< 1 (default): the most probable actions; 0: drawn ones */
    int32_t learn_in_pieces;  /**< without env: 1: fst_control_act never learns, the host calls fst_run_advance; default 0 */
    int64_t opponents;        /**< two players: past selves that are kept; default 8 */
    int64_t opponent_every;   /**< iterations between two of them; default 10 */
    double opponent_latest;   /**< share of games against the present self; default 0.5 */
    double learning_rate;     /**< of the optimizer made for NULL; default 3e-4, A2C 7e-4 */
    int32_t anneal_learning_rate; /**< with optimizer NULL, 1: falls linearly to 0 over the updates of run's total_steps [anneal_lr]; default 0 */
    int32_t reserved;         /**< 0 */
} fst_control_options;

/** Fills the options with PPO's defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_control_options_init(fst_control_options *options, size_t size);

/** Sets an algorithm and the defaults that differ with it: steps, minibatch, epochs, lambda,
 *  value_coefficient, normalize_advantages, learning_rate. @param options filled by fst_control_options_init.
 *  @param algorithm FST_RL_PPO, FST_RL_A2C or FST_RL_REINFORCE. @return FST_OK or FST_ERR_INVALID_ARGUMENT.
 *  @since 0.1 */
FST_API fst_status fst_control_options_set_algorithm(fst_control_options *options, int32_t algorithm);

/**
 * Makes a run of reinforcement learning in environments.
 *
 * An episode that is cut short (truncated) is followed by the value of its last observation, one that
 * ended (terminated) by nothing. Advantages are estimated (fst_advantages_gae) over the steps time-major,
 * [steps, N]. Log-probabilities that ratios are taken against are those at acting; where a network's
 * results may differ with the batch (all but MLPs) they are computed once more by the forwards of the
 * first epoch, so that every ratio of the first update is exactly 1.
 *
 * REINFORCE with value_coefficient 0 learns from whole episodes: steps of an episode that still goes on at the
 * iteration's end do not count for the policy.
 *
 * fst_run_advance does one piece of an iteration: some steps of the environments (about 64), or one minibatch
 * with its update; fst_run_info.micro_step counts them. A cancel is answered after each step of the
 * environments and each update. A checkpoint holds everything: weights, moments, statistics, the steps
 * gathered so far, past selves, and the environments' state; where an environment cannot save its state,
 * saving warns, and a resumed run begins new episodes. A failing environment ends the episodes in progress;
 * the next verb begins new ones, and the steps gathered before are kept. An iteration that fails after
 * its first update leaves the weights of its last one, and its steps are dropped.
 *
 * Environments of two players: the learner takes one seat, alternating by episode, the present self or
 * one drawn from the past selves the other. The learner's trajectories hold its own moves only; a move's
 * reward includes what the reply to it brought, so a lost game ends with −1 at the learner's last move.
 *
 * fst_run_progress.tokens are steps of the environments (of two players: the learner's moves).
 *
 * Metrics: "episode_return", "episode_length" (means over the last 100 episodes; NaN before the first has
 * ended), "episodes", "win_share" (of the last 100, with a return above 0; NaN with one player),
 * "approximate_kl", "clip_fraction", "ratio" (largest), "first_ratio_error" (largest |ratio − 1| in the first
 * update), "entropy", "explained_variance", "policy_loss", "value_loss", "clip" (the one used), "updates",
 * "clip_factor", "rollout_seconds", "update_seconds", "environment_seconds" (part of the first);
 * "validation_return", "validation_length", "validation_success" (share of episodes that ended, not cut short,
 * with a reward above 0). The seconds of an iteration that was resumed are NaN.
 * The evaluation that fst_run_options' patience and save_best go by is −validation_return.
 *
 * @param options policy is needed.
 * @param run out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_STATE for a policy on text or an
 *         environment without auto-reset; FST_ERR_MISMATCH where policy, optimizer and environments do not fit
 *         each other; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_control_create(const fst_control_options *options, fst_run **run);

/**
 * Acts, in a loop of the host's own: a run without env.
 *
 * Once `steps` were observed, the next call (which knows the value of what follows) learns before it acts:
 * one step of the run, with the evaluation, saving and progress call due. With learn_in_pieces it
 * only acts, and while fst_run_advance makes the updates, one a call, steps are not recorded; before
 * there is anything to learn from, fst_run_advance does nothing. A run that has finished acts on,
 * without recording.
 *
 * @param run of fst_control_create without env.
 * @param observations [N] values of the observation space. One that follows an episode's end begins the next.
 * @param masks [N, choices] 1 where a choice is allowed; NULL: all are.
 * @param actions [N] values of the action space, written. Box: not clipped to its bounds.
 * @return FST_OK; FST_ERR_STATE for another run, or before what the last actions led to was observed; what
 *         fst_run_step may return, FST_STOPPED too: nothing was acted, and the next call must have the same
 *         observations; FST_ERR_INVALID_ARGUMENT and FST_ERR_NUMERIC for an observation that is none of its space
 *         (the text names the environment).
 * @since 0.1
 */
FST_API fst_status fst_control_act(fst_run *run, const void *observations, const uint8_t *masks,
                                   void *actions);

/**
 * What the last actions led to.
 *
 * @param run of fst_control_create without env, after fst_control_act.
 * @param rewards [N].
 * @param terminated [N] 1 where the episode ended; NULL: nowhere.
 * @param truncated [N] 1 where it was cut short; NULL: nowhere. Where both are 1, terminated counts.
 * @param final_observations [N] values of the observation space, of which those of truncated episodes are read:
 *        their last ones; NULL only where none is truncated.
 * @return FST_OK; FST_ERR_STATE for another run or without actions before; FST_ERR_NUMERIC for a reward that is not
 *         finite (the text names environment and step: the step can be observed again); FST_ERR_INVALID_ARGUMENT;
 *         FST_ERR_BUSY.
 * @since 0.1
 */
FST_API fst_status fst_control_observe(fst_run *run, const double *rewards, const uint8_t *terminated,
                                       const uint8_t *truncated, const void *final_observations);

#ifdef __cplusplus
}
#endif

#endif
