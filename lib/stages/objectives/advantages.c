/* Generalized advantage estimation over any layout of trajectories, and whitening. */
#include "stages/objectives/objectives.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>

fst_gae_options fst__gae_defaults(void)
{
    return (fst_gae_options){.struct_size = sizeof(fst_gae_options), .gamma = 1, .lambda = 0.95};
}

fst_status fst__gae_check(const fst_gae_options *options)
{
    if (!(options->gamma >= 0 && options->gamma <= 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "gamma is %g, expected 0 … 1", options->gamma);
    if (!(options->lambda >= 0 && options->lambda <= 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "lambda is %g, expected 0 … 1", options->lambda);
    return FST_OK;
}

/* ---- the layout ---- */

static int64_t steps_of(const fst_trajectories *layout, int64_t n)
{
    return layout->lengths ? layout->lengths[n] : layout->steps;
}

static int64_t stride_of(const fst_trajectories *layout)
{
    return layout->step_stride ? layout->step_stride : 1;
}

static int64_t begin_of(const fst_trajectories *layout, int64_t n)
{
    if (layout->offsets)
        return layout->offsets[n];
    return n * (layout->trajectory_stride ? layout->trajectory_stride : layout->steps);
}

static fst_status check_layout(const fst_trajectories *layout)
{
    if (layout->trajectories < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_trajectories.trajectories is %" PRId64 ", expected ≥ 1",
                         layout->trajectories);
    if (layout->step_stride < 0 || layout->trajectory_stride < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_trajectories: trajectory_stride %" PRId64 ", step_stride %" PRId64
                         ", expected ≥ 0",
                         layout->trajectory_stride, layout->step_stride);
    int64_t product;
    if (!layout->offsets &&
        !fst__mul_i64(layout->trajectories,
                      layout->trajectory_stride ? layout->trajectory_stride : layout->steps,
                      &product))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_trajectories: trajectories · stride overflows");
    for (int64_t n = 0; n < layout->trajectories; ++n) {
        if (steps_of(layout, n) < (layout->lengths ? 0 : 1))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_trajectories: trajectory %" PRId64 " has %" PRId64 " steps", n,
                             steps_of(layout, n));
        if (layout->offsets && layout->offsets[n] < 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_trajectories.offsets[%" PRId64 "] is %" PRId64 ", expected ≥ 0",
                             n, layout->offsets[n]);
        int64_t end;
        if (!fst__mul_i64(steps_of(layout, n), stride_of(layout), &end) ||
            !fst__add_i64(begin_of(layout, n), end, &end))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_trajectories: the end of trajectory %" PRId64 " overflows", n);
    }
    return FST_OK;
}

/* ---- generalized advantage estimation ---- */

typedef struct steps {
    const fst__real *rewards, *values, *final_values, *truncation_values;
    const uint8_t *terminated, *truncated;
} steps;

static bool ends(const uint8_t *flags, int64_t at)
{
    return flags && flags[at];
}

static fst_status check_one(const char *array, const fst__real *values, int64_t at)
{
    if (values && !isfinite(values[at]))
        return fst__fail(FST_ERR_NUMERIC, "advantages: %s[%" PRId64 "] is %g", array, at,
                         (double)values[at]);
    return FST_OK;
}

static fst_status check_trajectory(const fst_trajectories *layout, const steps *in, int64_t n)
{
    int64_t begin = begin_of(layout, n), count = steps_of(layout, n);
    fst_status status = FST_OK;
    bool open = false;
    for (int64_t t = 0; !status && t < count; ++t) {
        int64_t at = begin + t * stride_of(layout);
        open = !ends(in->terminated, at) && !ends(in->truncated, at);
        status = check_one("rewards", in->rewards, at);
        if (!status)
            status = check_one("values", in->values, at);
        if (!status && !ends(in->terminated, at) && ends(in->truncated, at))
            status = check_one("truncation_values", in->truncation_values, at);
    }
    return !status && open ? check_one("final_values", in->final_values, n) : status;
}

static bool estimate_trajectory(const fst_gae_options *options, const fst_trajectories *layout,
                                const steps *in, int64_t n, fst__real *advantages,
                                fst__real *returns)
{
    int64_t begin = begin_of(layout, n);
    double advantage = 0, next = in->final_values ? (double)in->final_values[n] : 0;
    bool finite = true;
    for (int64_t t = steps_of(layout, n) - 1; t >= 0; --t) {
        int64_t at = begin + t * stride_of(layout);
        double reward = (double)in->rewards[at], value = (double)in->values[at];
        if (ends(in->terminated, at)) {
            next = 0;
            advantage = 0;
        } else if (ends(in->truncated, at)) {
            next = (double)in->truncation_values[at];
            advantage = 0;
        }
        double delta = reward + options->gamma * next - value;
        advantage = delta + options->gamma * options->lambda * advantage;
        advantages[at] = (fst__real)advantage;
        if (returns)
            returns[at] = (fst__real)(advantage + value);
        finite =
            finite && isfinite((fst__real)advantage) && isfinite((fst__real)(advantage + value));
        next = value;
    }
    return finite;
}

fst_status fst__advantages_gae(const fst_gae_options *options, const fst_trajectories *layout,
                               const fst__real *rewards, const fst__real *values,
                               const fst__real *final_values, const uint8_t *terminated,
                               const uint8_t *truncated, const fst__real *truncation_values,
                               fst__real *advantages, fst__real *returns)
{
    const steps in = {rewards, values, final_values, truncation_values, terminated, truncated};
    fst_status status = fst__gae_check(options);
    if (!status)
        status = check_layout(layout);
    if (!status && truncated && !truncation_values)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "advantages: truncated is given and truncation_values is NULL");
    for (int64_t n = 0; !status && n < layout->trajectories; ++n)
        status = check_trajectory(layout, &in, n);
    for (int64_t n = 0; !status && n < layout->trajectories; ++n) {
        if (!estimate_trajectory(options, layout, &in, n, advantages, returns))
            status = fst__fail(FST_ERR_NUMERIC,
                               "advantages: those of trajectory %" PRId64 " are not finite", n);
    }
    return status;
}

/* ---- whitening ---- */

fst_status fst__advantages_whiten(fst__real *advantages, const uint8_t *mask, int64_t count,
                                  int32_t shift_mean)
{
    if (count < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "whitening: count is %" PRId64 ", expected ≥ 1",
                         count);
    double sum = 0, squares = 0;
    int64_t valid = 0;
    for (int64_t i = 0; i < count; ++i) {
        if (mask && !mask[i])
            continue;
        if (!isfinite(advantages[i]))
            return fst__fail(FST_ERR_NUMERIC, "whitening: advantages[%" PRId64 "] is %g", i,
                             (double)advantages[i]);
        sum += (double)advantages[i];
        valid += 1;
    }
    double mean = valid ? sum / (double)valid : 0;
    for (int64_t i = 0; i < count; ++i) {
        if (!mask || mask[i])
            squares += ((double)advantages[i] - mean) * ((double)advantages[i] - mean);
    }
    double deviation = valid > 1 ? sqrt(squares / (double)(valid - 1)) : 0;
    for (int64_t i = 0; i < count; ++i) {
        if (!mask || mask[i])
            advantages[i] = (fst__real)(((double)advantages[i] - mean) / (deviation + 1e-8) +
                                        (shift_mean ? 0 : mean));
    }
    return FST_OK;
}
