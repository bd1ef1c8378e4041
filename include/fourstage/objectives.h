/*
 * The objectives as pure functions: advantages, the losses of policies, values, preferences, rewards,
 * labels and embeddings, and the gradient of each. The runs use these very functions; a loop of the
 * caller's own gets the same bits from them.
 *
 * All arrays are the caller's, in the machine's memory, contiguous unless said otherwise, borrowed for
 * the call. Sums are taken in double, from the first element to the last. Nothing is allocated, but by the
 * losses that take a context.
 *
 * Weights: a loss is Σ wᵢ·lᵢ. An element of weight 0 is not read and its gradient is 0. weights NULL
 * means 1/n each, the mean over the n elements of the call. With weights from fst_loss_weights for the
 * whole batch, losses and gradients of its micro-batches add up to those of the batch.
 *
 * Gradients are of the loss, with respect to the first array named, and overwrite what was in the
 * array; NULL: not wanted.
 *
 * A NaN or infinity in an element that counts is FST_ERR_NUMERIC, and the text names array and index;
 * outputs are then as before. A loss or gradient that leaves float32's range is FST_ERR_NUMERIC too;
 * outputs are then unspecified.
 *
 * Threads: any function here may be called from any thread at any time; those that take a context, on one
 * context from one thread at a time.
 */
#ifndef FOURSTAGE_OBJECTIVES_H
#define FOURSTAGE_OBJECTIVES_H

#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- advantages ---- */

/** Where the steps of trajectories stand in arrays: step t of trajectory n at
 *  begin(n) + t·step_stride, begin(n) = offsets[n], or n·trajectory_stride.
 *
 *  - Text, padded, [N, T]: trajectories N, steps T, lengths of the responses.
 *  - Text, one behind the other: offsets and lengths.
 *  - Environments, time-major [T, N]: trajectories N, steps T, trajectory_stride 1, step_stride N.
 *  @since 0.1 */
typedef struct fst_trajectories {
    size_t struct_size;        /**< set by fst_trajectories_init */
    int64_t trajectories;      /**< N ≥ 1 */
    int64_t steps;             /**< T, steps of each trajectory; not read where lengths is given */
    int64_t trajectory_stride; /**< in elements; 0 (default): steps. Not read where offsets is given */
    int64_t step_stride;       /**< in elements; 0 (default): 1 */
    const int64_t *offsets;    /**< [trajectories] where each begins, in elements; NULL (default): by stride */
    const int64_t *lengths;    /**< [trajectories] steps of each, ≥ 0; NULL (default): steps */
} fst_trajectories;

/** Zeroes the layout and sets struct_size. @param trajectories to fill. @param size sizeof *trajectories.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_trajectories_init(fst_trajectories *trajectories, size_t size);

/** Options of fst_advantages_gae. @since 0.1 */
typedef struct fst_gae_options {
    size_t struct_size; /**< set by fst_gae_options_init */
    double gamma;       /**< discount γ, 0 … 1; default 1, as for text; 0.99 is common for environments */
    double lambda;      /**< λ, 0 … 1; default 0.95 */
} fst_gae_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_gae_options_init(fst_gae_options *options, size_t size);

/**
 * Generalized advantage estimation (Schulman et al., arXiv 1506.02438, equations 11 to 16):
 *
 *     δ_t = r_t + γ·V' − V_t        A_t = δ_t + γλ·A_{t+1}        return_t = A_t + V_t
 *
 * V' is V_{t+1} within an episode, 0 after a step that terminated it, truncation_values[t] after one
 * that cut it short (a time limit; Pardo et al., arXiv 1712.00378), and final_values[n] after the
 * last step of trajectory n. An episode that ended lets nothing of the next one's advantage through.
 *
 * @param options NULL for defaults.
 * @param layout where steps stand in all arrays of steps; elements that are no step are not read and
 *        not written.
 * @param rewards of each step.
 * @param values V_t of each step's observation.
 * @param final_values [trajectories] value of what follows the last step; NULL: 0, as for text. Not
 *        read for a trajectory whose last step terminated or truncated.
 * @param terminated 1 where the episode ended in the step; NULL: nowhere.
 * @param truncated 1 where the episode was cut short in the step; NULL: nowhere. Where both are 1,
 *        terminated counts.
 * @param truncation_values value of the last observation of an episode that was cut short, read where
 *        truncated is 1; NULL only where truncated is NULL.
 * @param advantages [steps] of each step; may be the array of rewards.
 * @param returns [steps] of each step, the targets of the values; NULL: not wanted. May be the array
 *        of values.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_advantages_gae(const fst_gae_options *options, const fst_trajectories *layout,
                                      const float *rewards, const float *values,
                                      const float *final_values, const uint8_t *terminated,
                                      const uint8_t *truncated, const float *truncation_values,
                                      float *advantages, float *returns);

/**
 * (A − mean)/(deviation + 1e-8) over the elements that count, in place; the deviation with n − 1, 0 for
 * a single element.
 *
 * @param advantages [count] changed in place.
 * @param mask [count] 0: leave alone; NULL: all count.
 * @param count ≥ 1.
 * @param shift_mean 0: the mean is put back after scaling (for rewards, as TRL's masked_whiten); else
 *        the mean becomes 0.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_advantages_whiten(float *advantages, const uint8_t *mask, int64_t count,
                                         int32_t shift_mean);

/** r − mean of the other rewards of the group (leave one out; Ahmadian et al., arXiv 2402.14740,
 *  equation 11). @since 0.1 */
#define FST_GROUP_RLOO 0
/** (r − mean)/(deviation + 1e-4), the deviation with n − 1, as TRL's GRPO (Shao et al., arXiv
 *  2402.03300, section 4.1.2). @since 0.1 */
#define FST_GROUP_GRPO 1
/** r − mean (Liu et al., arXiv 2503.20783). @since 0.1 */
#define FST_GROUP_DR_GRPO 2

/**
 * Advantages of samples of the same prompt against each other.
 *
 * @param kind FST_GROUP_ value.
 * @param rewards [count] the samples of a prompt next to each other.
 * @param count a multiple of group.
 * @param group samples of a prompt, ≥ 2.
 * @param advantages [count]; may be the array of rewards.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_advantages_group(int32_t kind, const float *rewards, int64_t count,
                                        int64_t group, float *advantages);

/** A moving mean of rewards: the baseline of REINFORCE (Williams, "Simple statistical
 *  gradient-following algorithms", 1992). Plain data that the caller keeps and saves. @since 0.1 */
typedef struct fst_baseline {
    size_t struct_size; /**< set by fst_baseline_init */
    double decay;       /**< what of the old mean stays at an update, 0 ≤ decay < 1; default 0.95 */
    double mean;        /**< the mean so far */
    int64_t updates;    /**< batches seen; 0: mean means nothing yet */
} fst_baseline;

/** An empty baseline. @param baseline to fill. @param size sizeof *baseline.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_baseline_init(fst_baseline *baseline, size_t size);

/**
 * A = r − baseline, then the baseline moves: mean ← decay·mean + (1 − decay)·(mean of the rewards). The
 * first batch is measured against its own mean.
 *
 * @param baseline changed; as before where the call fails.
 * @param rewards [count]
 * @param count ≥ 1.
 * @param advantages [count]; may be the array of rewards.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_advantages_baseline(fst_baseline *baseline, const float *rewards, int64_t count,
                                           float *advantages);

/* ---- weights ---- */

/** Every token the same, 1/tokens of the batch (DAPO, arXiv 2503.14476, equation 8). @since 0.1 */
#define FST_AGGREGATE_TOKENS 0
/** The mean over each sequence's tokens, then the mean over sequences (GRPO, arXiv 2402.03300, equation
 *  3): 1/(sequences·length). @since 0.1 */
#define FST_AGGREGATE_SEQUENCES 1
/** 1/(sequences·constant_length), whatever the length (Dr. GRPO, arXiv 2503.20783). @since 0.1 */
#define FST_AGGREGATE_CONSTANT 2

/** Options of fst_loss_weights. @since 0.1 */
typedef struct fst_loss_weights_options {
    size_t struct_size;      /**< set by fst_loss_weights_options_init */
    int32_t kind;            /**< FST_AGGREGATE_ value; default FST_AGGREGATE_TOKENS */
    int32_t reserved;        /**< 0 */
    int64_t tokens;          /**< FST_AGGREGATE_TOKENS: tokens of the whole batch that count; 0 (default): of this call */
    int64_t sequences;       /**< the others: sequences of the whole batch; 0 (default): of this call, also those without a token */
    int64_t constant_length; /**< FST_AGGREGATE_CONSTANT: ≥ 1; 0 (default): columns */
} fst_loss_weights_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_loss_weights_options_init(fst_loss_weights_options *options, size_t size);

/**
 * The weights that make Σ w·l the mean of the kind wanted.
 *
 * @param options NULL for defaults.
 * @param mask [rows, columns] 1 where a token counts; NULL: all.
 * @param lengths [rows] only the first lengths[i] tokens of row i count; NULL: all.
 * @param rows sequences, ≥ 1.
 * @param columns ≥ 1.
 * @param weights [rows, columns] out, 0 where a token does not count.
 * @return FST_OK or FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_loss_weights(const fst_loss_weights_options *options, const uint8_t *mask,
                                    const int64_t *lengths, int64_t rows, int64_t columns,
                                    float *weights);

/* ---- policy, value, KL ---- */

/** Options of fst_loss_policy. @since 0.1 */
typedef struct fst_policy_loss_options {
    size_t struct_size; /**< set by fst_policy_loss_options_init */
    double clip_low;    /**< ε below 1, 0 … 1; default 0.2 */
    double clip_high;   /**< ε above 1, ≥ 0; larger than clip_low: DAPO's clip-higher; default 0.2 */
    double dual_clip;   /**< c > 1 (arXiv 1912.09729 uses 3); 0 (default): no dual clip */
} fst_policy_loss_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_policy_loss_options_init(fst_policy_loss_options *options, size_t size);

/** What fst_loss_policy found; means are over the elements that count, without weights. @since 0.1 */
typedef struct fst_policy_loss {
    size_t struct_size;    /**< size the caller passed */
    double loss;           /**< Σ w·l */
    double clip_fraction;  /**< share whose ratio a clip has overruled: they have no gradient */
    double ratio_mean;     /**< mean of ρ */
    double ratio_max;      /**< largest ρ */
    double approximate_kl; /**< mean of ρ − 1 − log ρ (k3): KL(old ‖ new) */
    int64_t tokens;        /**< elements that count */
} fst_policy_loss;

/**
 * PPO's clipped surrogate (Schulman et al., arXiv 1707.06347, equation 7), as a loss, with ranges of its
 * own below and above (DAPO, arXiv 2503.14476, equation 8) and the dual clip for negative advantages
 * (Ye et al., arXiv 1912.09729, equation 5). ρ = exp(log π − log π_old):
 *
 *     l = max(−A·ρ, −A·clip(ρ, 1 − clip_low, 1 + clip_high));   where A < 0:   l ← min(l, −A·dual_clip)
 *
 * With old NULL the policy's own log-probabilities stand for the old ones: ρ = 1, and the gradient is
 * that of REINFORCE, −w·A.
 *
 * @param options NULL for defaults.
 * @param log_probabilities [count] log π of the tokens or actions.
 * @param old_log_probabilities [count] of the policy that sampled them; NULL: the same.
 * @param advantages [count]
 * @param weights [count]; NULL: 1/count.
 * @param count ≥ 1.
 * @param gradient [count]; NULL: not wanted.
 * @param result out. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_policy(const fst_policy_loss_options *options,
                                   const float *log_probabilities, const float *old_log_probabilities,
                                   const float *advantages, const float *weights, int64_t count,
                                   float *gradient, fst_policy_loss *result, size_t size);

/** What fst_loss_value found. @since 0.1 */
typedef struct fst_value_loss {
    size_t struct_size;        /**< size the caller passed */
    double loss;               /**< Σ w·l */
    double clip_fraction;      /**< share whose clipped error was the larger */
    double explained_variance; /**< 1 − Var(return − value)/Var(return) over those that count, without weights; NaN where all returns are equal */
    int64_t tokens;            /**< elements that count */
} fst_value_loss;

/**
 * The clipped value loss of OpenAI's baselines and TRL:
 *
 *     l = ½·max((V − R)², (clip(V, V_old − clip, V_old + clip) − R)²)
 *
 * @param clip > 0; 0: l = ½·(V − R)².
 * @param values [count] V.
 * @param old_values [count] V_old, of the rollout; NULL only where clip is 0.
 * @param returns [count] R.
 * @param weights [count]; NULL: 1/count.
 * @param count ≥ 1.
 * @param gradient [count]; NULL: not wanted.
 * @param result out. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_value(double clip, const float *values, const float *old_values,
                                  const float *returns, const float *weights, int64_t count,
                                  float *gradient, fst_value_loss *result, size_t size);

#define FST_KL_K1 0 /**< d = log π − log π_ref: unbiased, may be negative. @since 0.1 */
#define FST_KL_K2 1 /**< d²/2: small bias, low variance; its gradient is that of KL(π ‖ π_ref). @since 0.1 */
#define FST_KL_K3 2 /**< e^{−d} − 1 + d: unbiased, never negative (GRPO's). @since 0.1 */

/**
 * Estimates of KL(π ‖ π_ref) from the log-probabilities of samples of π (Schulman, "Approximating KL
 * divergence", 2020), as a penalty in the reward (per_token) or in the loss (gradient).
 *
 * @param kind FST_KL_ value.
 * @param log_probabilities [count] log π.
 * @param reference [count] log π_ref.
 * @param weights [count]; NULL: 1/count.
 * @param count ≥ 1.
 * @param per_token [count] each token's estimate, 0 where the weight is 0; NULL: not wanted.
 * @param gradient [count]; NULL: not wanted.
 * @param loss out, Σ w·k.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_kl(int32_t kind, const float *log_probabilities, const float *reference,
                               const float *weights, int64_t count, float *per_token, float *gradient,
                               double *loss);

#define FST_KL_FIXED 0    /**< the coefficient stays. @since 0.1 */
#define FST_KL_ADAPTIVE 1 /**< the coefficient moves towards a KL of target. @since 0.1 */

/** The KL penalty's coefficient. Plain data that the caller keeps and saves. @since 0.1 */
typedef struct fst_kl_controller {
    size_t struct_size;  /**< set by fst_kl_controller_init */
    int32_t kind;        /**< FST_KL_FIXED (default) or FST_KL_ADAPTIVE */
    int32_t reserved;    /**< 0 */
    double coefficient;  /**< β now, ≥ 0; default 0.05 */
    double target;       /**< adaptive: KL of a sample to aim at, in nats, > 0; default 6 */
    double horizon;      /**< adaptive: samples over which it moves, > 0; default 10000 */
} fst_kl_controller;

/** Fills the controller with its defaults. @param controller to fill. @param size sizeof *controller.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_kl_controller_init(fst_kl_controller *controller, size_t size);

/**
 * Moves the coefficient (Ziegler et al., arXiv 1909.08593, section 2.2):
 *
 *     e = clip(KL/target − 1, −0.2, 0.2)        β ← β·(1 + e·min(1, samples/horizon))
 *
 * A fixed one stays as it is.
 *
 * @param controller changed; as before where the call fails.
 * @param kl mean KL of the samples just seen, in nats.
 * @param samples how many they were, ≥ 0.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_kl_controller_update(fst_kl_controller *controller, double kl, int64_t samples);

/* ---- preferences ---- */

/** −(1 − ε)·log σ(β·h) − ε·log σ(−β·h) (Rafailov et al., arXiv 2305.18290, equation 7; with label
 *  smoothing ε it is Mitchell's conservative DPO). @since 0.1 */
#define FST_PREFERENCE_DPO 0
/** (h − 1/(2β))² with log-probabilities per token (Azar et al., arXiv 2310.12036, equation 17, as TRL
 *  has it). @since 0.1 */
#define FST_PREFERENCE_IPO 1
/** max(0, 1 − β·h) (SLiC's, arXiv 2305.10425, normalised by the reference). @since 0.1 */
#define FST_PREFERENCE_HINGE 2

/** Options of fst_loss_preference. @since 0.1 */
typedef struct fst_preference_loss_options {
    size_t struct_size;     /**< set by fst_preference_loss_options_init */
    int32_t kind;           /**< FST_PREFERENCE_ value; default FST_PREFERENCE_DPO */
    int32_t reserved;       /**< 0 */
    double beta;            /**< β > 0; default 0.1 */
    double label_smoothing; /**< DPO: share ε of pairs that are labelled wrongly, 0 ≤ ε < 0.5; default 0 */
} fst_preference_loss_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_preference_loss_options_init(fst_preference_loss_options *options, size_t size);

/** What fst_loss_preference found; means are over the pairs that count, without weights. @since 0.1 */
typedef struct fst_preference_loss {
    size_t struct_size;     /**< size the caller passed */
    double loss;            /**< Σ w·l */
    double accuracy;        /**< share of pairs whose chosen answer has the larger implicit reward; equal ones count half */
    double margin;          /**< mean of chosen minus rejected implicit reward, β·h */
    double chosen_reward;   /**< mean of β·(log π − log π_ref) of the chosen answers */
    double rejected_reward; /**< mean of the same of the rejected answers */
    int64_t pairs;          /**< pairs that count */
} fst_preference_loss;

/**
 * Preference losses over log-probabilities of whole answers.
 * h = (chosen − reference_chosen) − (rejected − reference_rejected).
 *
 * @param options NULL for defaults.
 * @param chosen [count] Σ log π of the chosen answers' tokens.
 * @param rejected [count] of the rejected answers.
 * @param reference_chosen [count] the same under the reference model; NULL: 0, no reference.
 * @param reference_rejected [count]; NULL only where reference_chosen is.
 * @param chosen_lengths [count] tokens of the chosen answers, ≥ 1, by which IPO divides; NULL: 1. Other kinds
 *        do not read it.
 * @param rejected_lengths [count] the same of the rejected; NULL: 1.
 * @param weights [count]; NULL: 1/count.
 * @param count pairs, ≥ 1.
 * @param margins [count] each pair's β·h, 0 where the weight is 0; NULL: not wanted.
 * @param chosen_gradient [count] with respect to chosen; NULL: not wanted.
 * @param rejected_gradient [count] with respect to rejected; NULL: not wanted.
 * @param result out. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_preference(const fst_preference_loss_options *options, const float *chosen,
                                       const float *rejected, const float *reference_chosen,
                                       const float *reference_rejected, const int64_t *chosen_lengths,
                                       const int64_t *rejected_lengths, const float *weights,
                                       int64_t count, float *margins, float *chosen_gradient,
                                       float *rejected_gradient, fst_preference_loss *result,
                                       size_t size);

/** Options of fst_loss_kto. @since 0.1 */
typedef struct fst_kto_options {
    size_t struct_size;        /**< set by fst_kto_options_init */
    double beta;               /**< β > 0; default 0.1 */
    double desirable_weight;   /**< λ_D ≥ 0; default 1 */
    double undesirable_weight; /**< λ_U ≥ 0; default 1 */
    double reference_point;    /**< z₀ ≥ 0, from fst_kto_reference_point; no gradient flows through it; default 0 */
} fst_kto_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_kto_options_init(fst_kto_options *options, size_t size);

/** What fst_loss_kto found; means are over the answers that count, without weights. @since 0.1 */
typedef struct fst_kto_loss {
    size_t struct_size;        /**< size the caller passed */
    double loss;               /**< Σ w·l */
    double desirable_reward;   /**< mean of β·(log π − log π_ref) of the desirable; NaN: none */
    double undesirable_reward; /**< of the undesirable; NaN: none */
    int64_t desirable;         /**< desirable answers that count */
    int64_t undesirable;       /**< undesirable answers that count */
} fst_kto_loss;

/**
 * Kahneman–Tversky optimization (Ethayarajh et al., arXiv 2402.01306, equation 8). r = log π − log π_ref:
 *
 *     desirable: λ_D·(1 − σ(β·(r − z₀)))        undesirable: λ_U·(1 − σ(β·(z₀ − r)))
 *
 * @param options NULL for defaults.
 * @param log_probabilities [count] Σ log π of the answers' tokens.
 * @param reference [count] the same under the reference model.
 * @param desirable [count] 1: desirable, 0: undesirable.
 * @param weights [count]; NULL: 1/count.
 * @param count ≥ 1.
 * @param gradient [count]; NULL: not wanted.
 * @param result out. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_kto(const fst_kto_options *options, const float *log_probabilities,
                                const float *reference, const uint8_t *desirable, const float *weights,
                                int64_t count, float *gradient, fst_kto_loss *result, size_t size);

/**
 * KTO's reference point z₀ = max(0, mean(log π − log π_ref)) over answers that belong to other prompts
 * (arXiv 2402.01306, section 4.1).
 *
 * @param log_probabilities [count] Σ log π of the mismatched answers. @param reference [count]
 * @param count ≥ 1.
 * @param reference_point out.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_kto_reference_point(const float *log_probabilities, const float *reference,
                                           int64_t count, double *reference_point);

/* ---- rewards ---- */

/** What a loss of scores found; means are over the pairs or labels that count, without weights; a field that
 *  does not apply is NaN. @since 0.1 */
typedef struct fst_score_loss {
    size_t struct_size; /**< size the caller passed */
    double loss;        /**< Σ w·l, with the centering term */
    double centering;   /**< the centering term's part of loss */
    double accuracy;    /**< pairs: share in the right order, equal ones count half; ordinal and classes: share of the right level or class; labels: share told right */
    double margin;      /**< pairs: mean of the better's score minus the worse's */
    double error;       /**< labels: mean of |score − label|, or of levels missed by */
    int64_t count;      /**< pairs or labels that count */
} fst_score_loss;

/**
 * Bradley–Terry with an optional margin (Llama 2, arXiv 2307.09288, equation 2) and an optional term that
 * holds scores around 0 (Eisenstein et al., arXiv 2312.09244, as TRL's center_rewards_coefficient):
 *
 *     l = −log σ(r₊ − r₋ − margin) + centering·(r₊ + r₋)²
 *
 * @param centering ≥ 0; 0.01 is common.
 * @param chosen [count] r₊, scores of the better answers. @param rejected [count] r₋, of the worse.
 * @param margins [count]; NULL: 0.
 * @param weights [count]; NULL: 1/count.
 * @param count pairs, ≥ 1.
 * @param chosen_gradient [count] with respect to chosen; NULL: not wanted.
 * @param rejected_gradient [count] with respect to rejected; NULL: not wanted.
 * @param result out. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_bradley_terry(double centering, const float *chosen, const float *rejected,
                                          const float *margins, const float *weights, int64_t count,
                                          float *chosen_gradient, float *rejected_gradient,
                                          fst_score_loss *result, size_t size);

/**
 * Ranked answers (InstructGPT, arXiv 2203.02155, equation 1): the mean of Bradley–Terry over all
 * K·(K−1)/2 pairs of a prompt, so that no prompt counts more for having more answers. The centering term
 * is the mean over the same pairs.
 *
 * @param centering ≥ 0.
 * @param scores [offsets[prompts]] best answer first within each prompt.
 * @param offsets [prompts + 1] where each prompt's scores begin, and the end; each has two or more.
 * @param weights [prompts]; NULL: 1/prompts.
 * @param prompts ≥ 1.
 * @param gradient [offsets[prompts]]; NULL: not wanted.
 * @param result out; count is of pairs. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_k_wise(double centering, const float *scores, const int64_t *offsets,
                                   const float *weights, int64_t prompts, float *gradient,
                                   fst_score_loss *result, size_t size);

/**
 * Squared error of graded labels, l = (score − label)².
 *
 * @param scores [count]
 * @param labels [count]; NaN: missing, the score is not read and has no gradient.
 * @param weights [count]; NULL: 1/labels that are there.
 * @param count ≥ 1.
 * @param gradient [count]; NULL: not wanted.
 * @param result out; count 0 and loss 0 where all labels are missing. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_regression(const float *scores, const float *labels, const float *weights,
                                       int64_t count, float *gradient, fst_score_loss *result,
                                       size_t size);

/**
 * Bradley–Terry over all pairs of a batch whose labels differ: scale·Σ −log σ(score of the larger label −
 * score of the smaller).
 *
 * @param scale 0: 1/pairs; for accumulation 1 / pairs of all micro-batches, see fst_ranked_pairs.
 * @param scores [count]
 * @param labels [count]; NaN: missing.
 * @param count ≥ 1.
 * @param gradient [count]; NULL: not wanted.
 * @param result out; count is of pairs; count 0 and loss 0 where no labels differ. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_ranked(double scale, const float *scores, const float *labels,
                                   int64_t count, float *gradient, fst_score_loss *result, size_t size);

/** Pairs that fst_loss_ranked would see. @param labels [count]; NaN: missing. @param count ≥ 1. @param pairs out.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_ranked_pairs(const float *labels, int64_t count, int64_t *pairs);

/** Each threshold a decision of its own: l = −Σ_k [y > k]·log σ(z_k) + [y ≤ k]·log σ(−z_k) (CORAL, Cao
 *  et al., arXiv 1901.07884, equation 4, with z_k = score + b_k). Any logits will do. @since 0.1 */
#define FST_ORDINAL_CORAL 0
/** The cumulative-link (proportional odds) likelihood: P(y > k) = σ(z_k), l = −log P(level)
 *  (McCullagh, "Regression models for ordinal data", 1980). The logits must fall: z_k > z_{k+1}.
 *  @since 0.1 */
#define FST_ORDINAL_CUMULATIVE 1

/**
 * Losses of labels that are levels 0 … levels − 1 in an order.
 *
 * @param kind FST_ORDINAL_ value.
 * @param logits [count, levels − 1] z_k of P(y > k). With one score and shared thresholds, z_k = score + b_k,
 *        the score's gradient is the sum over k, a threshold's the sum over the batch.
 * @param labels [count] whole numbers 0 … levels − 1; NaN: missing.
 * @param weights [count]; NULL: 1/labels that are there.
 * @param count ≥ 1.
 * @param levels ≥ 2.
 * @param gradient [count, levels − 1]; NULL: not wanted.
 * @param result out; the level predicted is the number of z_k > 0. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC (cumulative: also where the logits do not
 *         fall).
 * @since 0.1
 */
FST_API fst_status fst_loss_ordinal(int32_t kind, const float *logits, const float *labels,
                                    const float *weights, int64_t count, int64_t levels,
                                    float *gradient, fst_score_loss *result, size_t size);

/* ---- labels ---- */

/** Options of fst_loss_classes and fst_loss_labels. @since 0.1 */
typedef struct fst_label_loss_options {
    size_t struct_size;          /**< set by fst_label_loss_options_init */
    double label_smoothing;      /**< 0 ≤ ε < 1; default 0 */
    const double *class_weights; /**< finite, ≥ 0; NULL (default): 1. Classes: [classes], of each class; labels: [outputs], of the loss where the label is 1 */
} fst_label_loss_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_label_loss_options_init(fst_label_loss_options *options, size_t size);

/**
 * Cross entropy of one class of several, with PyTorch's class weights and label smoothing
 * (torch.nn.CrossEntropyLoss; Szegedy et al., arXiv 1512.00567, section 7):
 *
 *     l = −Σ_c q_c·v_c·log softmax(z)_c,  q_c = (1 − ε)·[c = label] + ε/classes,  v class_weights
 *
 * @param options NULL for defaults.
 * @param logits [count, classes] z
 * @param labels [count] whole numbers 0 … classes − 1; NaN: missing, its logits are not read.
 * @param weights [count]; NULL: 1/Σ v_label over the labels that are there, as PyTorch's mean. For
 *        accumulation 1/Σ over those of all micro-batches.
 * @param count ≥ 1.
 * @param classes ≥ 1.
 * @param gradient [count, classes]; NULL: not wanted.
 * @param result out: accuracy is the share whose largest logit, the first of equal ones, is the label's; count
 *        0 and loss 0 where all are missing. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_classes(const fst_label_loss_options *options, const float *logits,
                                    const float *labels, const float *weights, int64_t count,
                                    int64_t classes, float *gradient, fst_score_loss *result,
                                    size_t size);

/**
 * Cross entropy of labels of yes and no, each a decision of its own, as PyTorch's BCEWithLogitsLoss with
 * class_weights as its pos_weight v:
 *
 *     l = −v·y·log σ(z) − (1 − y)·log σ(−z),  y = (1 − ε)·label + ε/2
 *
 * @param options NULL for defaults.
 * @param logits [examples, outputs] z
 * @param labels [examples, outputs] 0 to 1; NaN: missing, its logit is not read.
 * @param weights [examples, outputs]; NULL: 1/labels that are there.
 * @param examples ≥ 1.
 * @param outputs labels of an example, ≥ 1.
 * @param gradient [examples, outputs]; NULL: not wanted.
 * @param result out: accuracy is the share of labels on whose side of ½ σ(z) is, ½ itself being above; count is
 *        of labels; 0, with loss 0, where all are missing. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_loss_labels(const fst_label_loss_options *options, const float *logits,
                                   const float *labels, const float *weights, int64_t examples,
                                   int64_t outputs, float *gradient, fst_score_loss *result,
                                   size_t size);

/* ---- embeddings ---- */

/** Options of fst_loss_ntxent and fst_loss_infonce. @since 0.1 */
typedef struct fst_contrastive_loss_options {
    size_t struct_size;         /**< set by fst_contrastive_loss_options_init */
    double temperature;         /**< τ > 0; default 0.1; SimCSE has 0.05 */
    double hard_negative_logit; /**< added to an anchor's logits with its own hard negatives, ln α of SimCSE's weight α; default 0 */
} fst_contrastive_loss_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_contrastive_loss_options_init(fst_contrastive_loss_options *options,
                                                     size_t size);

/** What a contrastive loss found, over embeddings scaled to length 1. @since 0.1 */
typedef struct fst_contrastive_loss {
    size_t struct_size; /**< size the caller passed */
    double loss;        /**< mean over the anchors */
    double accuracy;    /**< share of anchors that lie closer to their positive than to anything else */
    double alignment;   /**< mean ‖a − p‖² of the positive pairs (Wang and Isola, arXiv 2005.10242, α = 2) */
    double uniformity;  /**< ln of the mean of exp(−2‖a − b‖²) over the anchors and what belongs to other examples, hard negatives left out (there, t = 2); NaN where there is none */
    int64_t count;      /**< anchors */
} fst_contrastive_loss;

/**
 * NT-Xent, SimCLR's loss (Chen et al., arXiv 2002.05709, equation 1): of the 2N views of N examples each
 * is an anchor, whose positive is the other view of its example and whose negatives are the rest.
 *
 *     l_i = −ln( exp(cos(z_i, z_p(i))/τ) / Σ_{j≠i} exp(cos(z_i, z_j)/τ) ),  loss = Σ l_i / 2N
 *
 * Gradients are with respect to the embeddings as given: scaling to length 1 is part of the loss. An
 * embedding that is all zero has cosine 0 with everything and gets no gradient. The similarities are
 * products on the context's threads, by blocks of rows that never hold all of them; the bits do not
 * depend on the number of threads.
 *
 * @param context whose threads and memory are used during the call.
 * @param options NULL for defaults; hard_negative_logit is not looked at.
 * @param first [examples, width] the examples' first views, for example a projection head's outputs.
 * @param second [examples, width] their second views.
 * @param examples N ≥ 2.
 * @param width ≥ 1.
 * @param first_gradient [examples, width]; NULL: not wanted.
 * @param second_gradient [examples, width]; NULL: not wanted.
 * @param result out. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_loss_ntxent(fst_context *context, const fst_contrastive_loss_options *options,
                                   const float *first, const float *second, int64_t examples,
                                   int64_t width, float *first_gradient, float *second_gradient,
                                   fst_contrastive_loss *result, size_t size);

/**
 * InfoNCE with the batch's own negatives (van den Oord et al., arXiv 1807.03748; the form of SimCSE, Gao
 * et al., arXiv 2104.08821, equations 1, 4 and 5): the positive of anchor i is candidate i, all other
 * candidates are negatives.
 *
 *     l_i = −ln( exp(cos(a_i, c_i)/τ) / Σ_j exp(cos(a_i, c_j)/τ + b_ij) ),  loss = Σ l_i / N
 *
 * Candidates behind the first N are hard negatives, as many for each anchor, in blocks of N: candidate k·N + i,
 * k ≥ 1, is one of anchor i, for which b is hard_negative_logit; else b = 0. They are negatives of the
 * other anchors too. Otherwise as fst_loss_ntxent.
 *
 * @param context whose threads and memory are used during the call.
 * @param options NULL for defaults.
 * @param anchors [examples, width]
 * @param candidates [candidate_count, width]
 * @param examples N ≥ 1; with N = 1 hard negatives are needed.
 * @param candidate_count a multiple of examples.
 * @param width ≥ 1.
 * @param anchor_gradient [examples, width]; NULL: not wanted.
 * @param candidate_gradient [candidate_count, width]; NULL: not wanted.
 * @param result out. @param size sizeof *result.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_loss_infonce(fst_context *context,
                                    const fst_contrastive_loss_options *options,
                                    const float *anchors, const float *candidates, int64_t examples,
                                    int64_t candidate_count, int64_t width, float *anchor_gradient,
                                    float *candidate_gradient, fst_contrastive_loss *result,
                                    size_t size);

#ifdef __cplusplus
}
#endif

#endif
