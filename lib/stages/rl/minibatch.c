#include "stages/rl/minibatch.h"

#include <math.h>
#include <time.h>

_Static_assert(sizeof(fst__update_sums) == FST__UPDATE_SUMS * sizeof(double), "doubles, no gap");

fst_status fst__update_policy(fst__update_sums *sums, const fst_policy_loss_options *clips,
                              const fst__real *log_probabilities, const fst__real *old,
                              const fst__real *advantages, const fst__real *weights, int64_t count,
                              fst__real *gradient)
{
    fst_policy_loss loss = {.struct_size = sizeof loss};
    fst_status status = fst__loss_policy(clips, log_probabilities, old, advantages, weights, count,
                                         gradient, &loss);
    if (status)
        return status;
    double steps = (double)count;
    sums->loss += loss.loss;
    sums->policy_loss += loss.loss;
    sums->approximate_kl += steps * loss.approximate_kl;
    sums->minibatch_kl += steps * loss.approximate_kl;
    sums->minibatch_steps += steps;
    sums->clip_fraction += steps * loss.clip_fraction;
    sums->steps += steps;
    sums->largest_ratio = fmax(sums->largest_ratio, loss.ratio_max);
    for (int64_t i = 0; sums->updates == 0 && i < count; ++i) {
        double ratio = exp((double)log_probabilities[i] - (double)old[i]);
        sums->first_ratio_error = fmax(sums->first_ratio_error, fabs(ratio - 1));
    }
    return FST_OK;
}

fst_status fst__update_value(fst__update_sums *sums, double clip, double coefficient,
                             const fst__real *values, const fst__real *old_values,
                             const fst__real *returns, const fst__real *weights, int64_t count,
                             fst__real *gradient)
{
    fst_value_loss loss = {.struct_size = sizeof loss};
    fst_status status =
        fst__loss_value(clip, values, old_values, returns, weights, count, gradient, &loss);
    if (status)
        return status;
    for (int64_t i = 0; i < count; ++i)
        gradient[i] = (fst__real)(coefficient * (double)gradient[i]);
    sums->value_loss += loss.loss;
    sums->loss += coefficient * loss.loss;
    return FST_OK;
}

void fst__update_entropy(fst__update_sums *sums, double coefficient, const fst__real *entropies,
                         const fst__real *weights, int64_t count, fst__real *gradient)
{
    for (int64_t i = 0; i < count; ++i) {
        double entropy = (double)entropies[i];
        double weight = weights ? (double)weights[i] : 1 / (double)count;
        sums->entropy += entropy;
        sums->loss -= coefficient * weight * entropy;
        gradient[i] = (fst__real)(-coefficient * weight);
    }
}

fst_status fst__update_finish(fst__update_sums *sums, fst__training *training, double stop_kl)
{
    fst_optimizer_report report = {.struct_size = sizeof report};
    fst_status status = fst__training_update(training, &report);
    if (status)
        return status;
    sums->updates += 1;
    sums->gradient_norm += report.gradient_norm;
    sums->clip_factor += report.clip_factor;
    sums->learning_rate = report.learning_rate;
    double kl = sums->minibatch_kl / sums->minibatch_steps;
    sums->stopped = stop_kl > 0 && kl > stop_kl;
    sums->minibatch_kl = sums->minibatch_steps = 0;
    return FST_OK;
}

fst__update_means fst__update_mean(const fst__update_sums *s)
{
    return (fst__update_means){
        .loss = s->loss / s->updates,
        .policy_loss = s->policy_loss / s->updates,
        .value_loss = s->value_loss / s->updates,
        .supervised_loss = s->supervised_loss / s->updates,
        .approximate_kl = s->approximate_kl / s->steps,
        .clip_fraction = s->clip_fraction / s->steps,
        .entropy = s->entropy / s->steps,
        .gradient_norm = s->gradient_norm / s->updates,
        .clip_factor = s->clip_factor / s->updates,
    };
}

double fst__update_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}
