/*
 * Distributions over actions, as pure functions: what a custom loop needs between a model's outputs
 * and its losses (objectives.h). fst_policy_act and fst_policy_evaluate do these with a policy's own
 * model.
 *
 *   Discrete, MultiDiscrete   a categorical for each choice; parameters are its logits
 *   MultiBinary               a Bernoulli each; parameters are logits of yes
 *   Box of float32            a Gaussian with diagonal covariance; parameters are the means, log σ is
 *                             the same in all rows. Actions are not clipped to the space.
 *
 * Parameters are [count, K], K being n, the sum of the counts, shape[0] or the elements. Log-
 * probabilities and entropies (in nats) are sums over an action's parts; an array's row depends on the
 * same row of the others alone. Sums are in double.
 *
 * Masks [count, K] belong to Discrete and MultiDiscrete: a choice where the mask is 0 has probability
 * 0 exactly, is never drawn, and adds nothing to the entropy or to a gradient; so has one whose logit
 * is −INFINITY. Others renormalise (Huang and Ontañón, arXiv 2006.14171).
 *
 * Threads: pure functions over the caller's arrays; they allocate nothing.
 */
#ifndef FOURSTAGE_ACTIONS_H
#define FOURSTAGE_ACTIONS_H

#include "fourstage/space.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Log-probabilities of actions and entropies of their distributions.
 *
 * @param space of the actions.
 * @param parameters [count, K].
 * @param log_std [elements] log σ of a Box; else not read, NULL.
 * @param masks [count, K]; NULL: all allowed.
 * @param actions [count] values of the space; not read without log_probabilities.
 * @param count rows, ≥ 1.
 * @param log_probabilities [count] written. NULL: not wanted.
 * @param entropies [count] written. NULL: not wanted.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (an action outside of the space or one that its mask forbids,
 *         a mask that allows nothing: the text names row and part); FST_ERR_UNSUPPORTED (a Box of
 *         bytes); FST_ERR_NUMERIC (a result is not finite: the text names the row).
 * @since 0.1
 */
FST_API fst_status fst_actions_evaluate(const fst_space *space, const float *parameters,
                                        const float *log_std, const uint8_t *masks,
                                        const void *actions, int64_t count,
                                        float *log_probabilities, float *entropies);

/**
 * The gradient of an objective with respect to the parameters, from that with respect to
 * log-probabilities and entropies.
 *
 * @param space of the actions.
 * @param parameters [count, K].
 * @param log_std [elements] log σ of a Box; else not read, NULL.
 * @param masks [count, K]; NULL: all allowed.
 * @param actions [count] values of the space; not read without d_log_probabilities.
 * @param count rows, ≥ 1.
 * @param d_log_probabilities [count]; NULL: 0.
 * @param d_entropies [count]; NULL: 0.
 * @param d_parameters [count, K] written.
 * @param d_log_std [elements] of a Box, written: the sum over the rows. NULL: not wanted.
 * @return as fst_actions_evaluate.
 * @since 0.1
 */
FST_API fst_status fst_actions_gradient(const fst_space *space, const float *parameters,
                                        const float *log_std, const uint8_t *masks,
                                        const void *actions, int64_t count,
                                        const float *d_log_probabilities, const float *d_entropies,
                                        float *d_parameters, float *d_log_std);

/**
 * Draws actions. Row i's draw is a function of (seed, step, i) and of its parameters.
 *
 * @param space of the actions.
 * @param parameters [count, K].
 * @param log_std [elements] log σ of a Box; else not read, NULL.
 * @param masks [count, K]; NULL: all allowed.
 * @param count rows, ≥ 1.
 * @param seed any.
 * @param step number of the draw, ≥ 0.
 * @param deterministic 1: the most probable choice (the first of equals), yes where its probability is
 *        above ½, the mean; 0: drawn.
 * @param actions [count] values of the space, written.
 * @param log_probabilities [count] of them, written. NULL: not wanted.
 * @return as fst_actions_evaluate; parameters that are not numbers are FST_ERR_NUMERIC.
 * @since 0.1
 */
FST_API fst_status fst_actions_sample(const fst_space *space, const float *parameters,
                                      const float *log_std, const uint8_t *masks, int64_t count,
                                      int64_t seed, int64_t step, int32_t deterministic,
                                      void *actions, float *log_probabilities);

#ifdef __cplusplus
}
#endif

#endif
