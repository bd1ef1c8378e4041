/*
 * One update of a policy from a part of a rollout: which steps, the terms of the loss, and what is kept of
 * it for the metrics. Nothing here knows what an action is; text and environments are two fronts of it.
 */
#ifndef FST_STAGES_RL_MINIBATCH_H
#define FST_STAGES_RL_MINIBATCH_H

#include "stages/objectives/objectives.h"
#include "stages/training.h"

/* Sums over an iteration's updates; saved with a checkpoint. All doubles. */
typedef struct fst__update_sums {
    double loss, policy_loss, value_loss, supervised_loss;
    double approximate_kl, clip_fraction, entropy, steps; /* the first three weighted by steps */
    double largest_ratio, first_ratio_error;
    double updates, gradient_norm, clip_factor, learning_rate;
    double minibatch_kl, minibatch_steps; /* of the minibatch in progress */
    double stopped; /* 1: approximate KL has ended the iteration's updates */
} fst__update_sums;

enum { FST__UPDATE_SUMS = sizeof(fst__update_sums) / sizeof(double) };

/* The terms. All arrays are [count], weights NULL: 1/count each; gradients are of the whole loss and
 * overwrite what was there. */

/* The clipped surrogate; its derivative by log-probability. */
fst_status fst__update_policy(fst__update_sums *sums, const fst_policy_loss_options *clips,
                              const fst__real *log_probabilities, const fst__real *old,
                              const fst__real *advantages, const fst__real *weights, int64_t count,
                              fst__real *gradient);

/* coefficient · ½(V − R)², clipped around the old values where clip > 0. */
fst_status fst__update_value(fst__update_sums *sums, double clip, double coefficient,
                             const fst__real *values, const fst__real *old_values,
                             const fst__real *returns, const fst__real *weights, int64_t count,
                             fst__real *gradient);

/* −coefficient · H. `gradient` may be the array of entropies. */
void fst__update_entropy(fst__update_sums *sums, double coefficient, const fst__real *entropies,
                         const fst__real *weights, int64_t count, fst__real *gradient);

/* The optimizer's step, and whether the approximate KL of this minibatch was beyond stop_kl > 0. */
fst_status fst__update_finish(fst__update_sums *sums, fst__training *training, double stop_kl);

/* Means of what is summed, as metrics. */
typedef struct fst__update_means {
    double loss, policy_loss, value_loss, supervised_loss, approximate_kl, clip_fraction, entropy;
    double gradient_norm, clip_factor;
} fst__update_means;

fst__update_means fst__update_mean(const fst__update_sums *sums);

double fst__update_now(void); /* seconds of a clock that does not jump */

#endif
