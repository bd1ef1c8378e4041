/*
 * Stage four: reinforcement learning of a policy on text.
 *
 * One step of the run is one iteration: the policy answers prompts, a reward model scores the answers,
 * advantages are taken from the scores, and the policy's weights are updated from minibatches of those
 * answers, several times over. The formulas are those of objectives.h; a loop of the caller's own over
 * fst_policy_generate, fst_reward_model_score, fst_model_output, fst_model_add_gradient and
 * fst_optimizer_step is the same thing (examples/custom_ppo.c).
 *
 * Threads: as run.h.
 */
#ifndef FOURSTAGE_RL_H
#define FOURSTAGE_RL_H

#include "fourstage/dataset.h"
#include "fourstage/objectives.h"
#include "fourstage/policy.h"
#include "fourstage/reward.h"
#include "fourstage/run.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Proximal policy optimization (Schulman et al., arXiv 1707.06347) with a value head, as Ziegler et al.
 *  (arXiv 1909.08593) use it on text. @since 0.1 */
#define FST_RL_PPO 0
/** REINFORCE (Williams, 1992) with a moving mean of rewards as its baseline. @since 0.1 */
#define FST_RL_REINFORCE 1
/** REINFORCE, each answer measured against the others to its prompt (Ahmadian et al., arXiv 2402.14740). @since 0.1 */
#define FST_RL_RLOO 2
/** Group-relative policy optimization (Shao et al., arXiv 2402.03300). With scale_advantages 0 and
 *  FST_AGGREGATE_CONSTANT it is Dr. GRPO (arXiv 2503.20783); with FST_AGGREGATE_TOKENS and a larger
 *  clip_high it is DAPO's loss (arXiv 2503.14476). @since 0.1 */
#define FST_RL_GRPO 3
/** Advantage actor-critic (Mnih et al., arXiv 1602.01783), in environments only (control.h): PPO with one
 *  epoch and all steps in one minibatch, so that nothing is clipped. @since 0.1 */
#define FST_RL_A2C 4

/** Options of fst_rl_create. @since 0.1 */
typedef struct fst_rl_options {
    size_t struct_size;            /**< set by fst_rl_options_init */
    fst_model *model;              /**< the policy; PPO needs a token head of one output for the values. Kept alive */
    fst_tokenizer *tokenizer;      /**< for reward models that read text, and stop strings; NULL (default): ids only. Kept alive */
    fst_optimizer *optimizer;      /**< made for this model; NULL (default): AdamW with its defaults. Kept alive */
    fst_reward_model *reward_model; /**< scores whole answers; kept alive */
    const fst_dataset *prompts;    /**< of kind FST_EXAMPLES_PROMPTS; kept alive */
    const fst_dataset *validation; /**< prompts to evaluate on; NULL (default): none. Kept alive */
    /** What the policy is held to; only read, kept alive. NULL (default): where the model has an adapter, the
     *  same model with its adapter off; else a frozen copy of the model made now, where the KL is used at
     *  all. */
    fst_model *reference;
    const fst_dataset *supervised; /**< packed rows mixed into each update (InstructGPT's ptx); NULL (default): none. Kept alive */
    const fst_sampling_options *sampling; /**< copied; NULL (default): defaults. temperature > 0; penalties and finite biases are refused, see fst_rl_create */
    const fst_run_options *run;    /**< read during create; NULL (default): defaults */
    const char *value_head;        /**< PPO: its name; default "value". Read during create */
    int32_t algorithm;             /**< FST_RL_ value, not FST_RL_A2C; default FST_RL_PPO. Use fst_rl_options_set_algorithm, which sets what goes with it */
    int32_t shuffle;               /**< 1 (default): each epoch over the prompts in an order of its own */
    int64_t prompts_per_step;      /**< prompts of an iteration; default 16 */
    int64_t samples_per_prompt;    /**< answers to each; default 1, RLOO 2, GRPO 8 */
    int64_t rows;                  /**< answers of one forward and backward; 0 (default): minibatch */
    int64_t minibatch;             /**< answers of one update, a multiple of rows that divides all answers; 0 (default): all answers */
    int64_t epochs;                /**< times that the answers are gone through; default 4, REINFORCE, RLOO and GRPO 1 */
    int64_t supervised_rows;       /**< rows of `supervised` in each update; default 4 */
    double supervised_coefficient; /**< weight of their mean cross entropy; default 1 */
    double clip;                   /**< ratios below 1 − clip and above 1 + clip_high have no gradient; default 0.2 */
    double clip_high;              /**< 0 (default): as clip */
    double dual_clip;              /**< see fst_policy_loss_options; 0 (default): none */
    double value_clip;             /**< values move no further than this from the old ones; 0: no clip; default 0.2 */
    double value_coefficient;      /**< weight of the value loss; default 0.1 */
    double entropy_coefficient;    /**< weight of the entropy, which is wanted large; default 0 */
    double gamma;                  /**< PPO: discount of a token; default 1 */
    double lambda;                 /**< PPO: of generalized advantage estimation; default 0.95 */
    double kl_coefficient;         /**< β, weight of the KL to the reference for each token; default 0.05, GRPO 0 */
    int32_t kl_estimator;          /**< FST_KL_ value; default FST_KL_K1, GRPO FST_KL_K3 */
    int32_t kl_in_loss;            /**< 1: a term of the loss; 0: part of each token's reward; default 0, GRPO 1 */
    double kl_target;              /**< > 0: β is adapted towards this KL of an answer, in nats, which needs kl_coefficient > 0; 0 (default): β is fixed */
    double kl_horizon;             /**< answers over which β is adapted; default 10000 */
    /** Mean KL of an answer to the reference, in nats, beyond which the run ends with the weights of the
     *  last iteration that was below; 0 (default): no ceiling. A copy of the trained weights is kept for it. */
    double kl_ceiling;
    double stop_kl;                /**< approximate KL to the policy that answered, per token, beyond which an iteration makes no further updates; 0 (default): none */
    double reward_clip;            /**< scores are clipped to ±this; 0 (default): not clipped */
    double missing_end_penalty;    /**< taken off the score of an answer that was cut by max_new_tokens; default 0 */
    int32_t whiten_advantages;     /**< 1: mean 0 and deviation 1 over the iteration's tokens; default 1, RLOO and GRPO 0 */
    int32_t scale_advantages;      /**< GRPO: 1 (default): divided by the group's deviation; 0: Dr. GRPO */
    int32_t aggregation;           /**< FST_AGGREGATE_ value: the mean that the loss is; default FST_AGGREGATE_TOKENS, GRPO FST_AGGREGATE_SEQUENCES */
    int32_t reserved;              /**< 0 */
    int64_t evaluation_prompts;    /**< first prompts of validation to evaluate on; 0 (default): all */
} fst_rl_options;

/** Fills the options with PPO's defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_rl_options_init(fst_rl_options *options, size_t size);

/** Sets an algorithm and the defaults that differ with it: samples_per_prompt, epochs, kl_coefficient,
 *  kl_estimator, kl_in_loss, whiten_advantages, aggregation. @param options filled by
 *  fst_rl_options_init. @param algorithm FST_RL_ value. @return FST_OK or FST_ERR_INVALID_ARGUMENT.
 *  @since 0.1 */
FST_API fst_status fst_rl_options_set_algorithm(fst_rl_options *options, int32_t algorithm);

/**
 * Makes a run of reinforcement learning on text.
 *
 * Log-probabilities are those of the distribution that was sampled from: at the temperature, over the ids
 * that top-k, top-p and min-p left (the list is kept with each token, as DeepSeek-V3.2 does). They are
 * computed once more after the rollout by the very forwards of the first epoch, without dropout, so that
 * every ratio of the first update is exactly 1. Penalties and finite biases depend on what was said before
 * or are no list, and are refused; a bias of −INFINITY is a list.
 *
 * An answer's score goes to its last token; an answer ends with the model's end token, which is part of it.
 * Padding is told by length, never by id.
 *
 * fst_run_advance does one piece of an iteration: the rollout with everything that is computed from it, or
 * one forward and backward, with the update where it completes a minibatch; fst_run_info.micro_step counts
 * them, and a checkpoint saved between two of them holds the rollout. An iteration that fails after its first
 * update leaves the weights of its last one, and is then begun anew.
 *
 * Metrics: "reward" (mean score before clipping), "kl" (of an answer to the reference, in nats; NaN without
 * one), "kl_coefficient", "approximate_kl", "clip_fraction", "ratio" (largest), "first_ratio_error" (largest
 * |ratio − 1| in the first update), "entropy", "explained_variance", "policy_loss", "value_loss",
 * "supervised_loss", "ends" (answers that ended by themselves), "length" (mean tokens), "truncated_share",
 * "updates", "clip_factor", "rollout_seconds", "reward_seconds", "estimate_seconds" (log-probabilities, values,
 * advantages), "update_seconds", "sampling_error" (largest
 * difference of a log-probability between sampling and training); "validation_reward", "validation_length".
 * The seconds of an iteration that was resumed are NaN.
 * The evaluation that fst_run_options' patience and save_best go by is −validation_reward.
 *
 * @param options model, reward_model and prompts are needed.
 * @param run out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_NOT_FOUND (PPO, and the model
 *         has no such value head); FST_ERR_MISMATCH where model, optimizer, reference and data do not fit each
 *         other; FST_ERR_STATE for a dataset of another kind; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_rl_create(const fst_rl_options *options, fst_run **run);

#ifdef __cplusplus
}
#endif

#endif
