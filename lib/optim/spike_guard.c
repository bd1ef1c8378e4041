#include "optim/spike_guard.h"

#include <math.h>
#include <stddef.h>

fst__spike_options fst__spike_defaults(void)
{
    return (fst__spike_options){.decay = 0.98, .warmup_steps = 100, .patience = 10};
}

/* Deviations above the mean. On a flat curve the variance goes to nothing and any ripple would be
 * many deviations, so that one is never taken as less than a hundredth of the mean. */
static double z_score(double value, double mean, double variance)
{
    if (!isfinite(value))
        return INFINITY;
    double deviation = fmax(sqrt(variance), 0.01 * fabs(mean));
    return deviation > 0 ? (value - mean) / deviation : 0;
}

/* Exponentially weighted mean and variance (West, "Updating mean and variance estimates", CACM
 * 1979), `weight` being that of the new value. */
static void update(double *mean, double *variance, double value, double weight)
{
    double difference = value - *mean;
    *mean += weight * difference;
    *variance = (1 - weight) * (*variance + weight * difference * difference);
}

fst__spike_action fst__spike_observe(fst__spike_guard *guard, double loss, double gradient_norm,
                                     double *loss_z, double *norm_z)
{
    const fst__spike_options *options = &guard->options;
    fst__spike_state *state = &guard->state;
    double z_loss = z_score(loss, state->loss_mean, state->loss_variance);
    double z_norm = z_score(gradient_norm, state->norm_mean, state->norm_variance);
    if (loss_z)
        *loss_z = z_loss;
    if (norm_z)
        *norm_z = z_norm;

    /* During the warm-up only what is not a number counts as a spike. */
    int warm = state->steps >= (double)options->warmup_steps;
    int spike =
        (options->loss_z > 0 && z_loss > (warm ? options->loss_z : 1e300)) ||
        (options->gradient_norm_z > 0 && z_norm > (warm ? options->gradient_norm_z : 1e300));
    if (spike) {
        state->consecutive += 1;
        if (options->patience > 0 && state->consecutive >= (double)options->patience)
            return FST__SPIKE_ROLL_BACK;
        return FST__SPIKE_SKIP;
    }
    state->consecutive = 0;
    if (!isfinite(loss) || !isfinite(gradient_norm))
        return FST__SPIKE_NONE; /* unwatched, and nothing to learn from */
    state->steps += 1;
    /* A plain average until the exponential window is full. */
    double weight = fmax(1 - options->decay, 1 / state->steps);
    update(&state->loss_mean, &state->loss_variance, loss, weight);
    update(&state->norm_mean, &state->norm_variance, gradient_norm, weight);
    return FST__SPIKE_NONE;
}
