#include "base/error.h"
#include "optim/optimizer.h"

#include <math.h>
#include <stdbool.h>

fst_schedule_options fst__schedule_defaults(void)
{
    return (fst_schedule_options){
        .struct_size = sizeof(fst_schedule_options),
        .kind = FST_SCHEDULE_CONSTANT,
        .warmup = FST_WARMUP_ABOVE_ZERO,
        .learning_rate = 1e-3,
    };
}

static bool needs_total(int32_t kind)
{
    return kind == FST_SCHEDULE_LINEAR || kind == FST_SCHEDULE_COSINE || kind == FST_SCHEDULE_WSD;
}

fst_status fst__schedule_check(const fst_schedule_options *options)
{
    const fst_schedule_options *o = options;
    if (o->kind < FST_SCHEDULE_CONSTANT || o->kind > FST_SCHEDULE_INVERSE_SQRT)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "schedule %d is none of the FST_SCHEDULE_ values", o->kind);
    if (o->warmup != FST_WARMUP_ABOVE_ZERO && o->warmup != FST_WARMUP_FROM_ZERO)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "warmup %d is none of the FST_WARMUP_ values",
                         o->warmup);
    if (!(o->learning_rate >= 0) || !isfinite(o->learning_rate))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "learning_rate is %g, expected a finite number ≥ 0", o->learning_rate);
    if (!(o->minimum_ratio >= 0 && o->minimum_ratio <= 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "minimum_ratio is %g, expected 0 … 1",
                         o->minimum_ratio);
    if (o->warmup_steps < 0 || o->total_steps < 0 || o->decay_steps < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "warmup_steps %lld, total_steps %lld, decay_steps %lld: expected ≥ 0",
                         (long long)o->warmup_steps, (long long)o->total_steps,
                         (long long)o->decay_steps);
    if (needs_total(o->kind) && o->total_steps <= o->warmup_steps)
        return fst__fail(
            FST_ERR_INVALID_ARGUMENT,
            "total_steps is %lld; this schedule needs more than the %lld of the warm-up",
            (long long)o->total_steps, (long long)o->warmup_steps);
    if (o->kind == FST_SCHEDULE_WSD && o->decay_steps > o->total_steps - o->warmup_steps)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "decay_steps is %lld; %lld steps remain after the warm-up",
                         (long long)o->decay_steps, (long long)(o->total_steps - o->warmup_steps));
    return FST_OK;
}

/* The part of the way from `first` to `last` that `step` has gone, 0 … 1. */
static double progress(int64_t step, int64_t first, int64_t last)
{
    if (step <= first)
        return 0;
    return step >= last ? 1 : (double)(step - first) / (double)(last - first);
}

static int64_t decay_steps(const fst_schedule_options *o)
{
    if (o->decay_steps > 0)
        return o->decay_steps;
    int64_t remain = o->total_steps - o->warmup_steps;
    int64_t fifth = o->total_steps / 5 > 0 ? o->total_steps / 5 : 1;
    return fifth < remain ? fifth : remain;
}

/* As transformers: step + shift over a time scale that is the warm-up, or 10,000 without one. */
static double inverse_sqrt(const fst_schedule_options *o, int64_t step)
{
    double scale = o->warmup_steps > 0 ? (double)o->warmup_steps : 10000.0;
    double shift = scale - (double)o->warmup_steps;
    return 1 / sqrt(((double)step + shift) / scale);
}

/* The rate of a step as a part of the peak. */
static double schedule_factor(const fst_schedule_options *o, int64_t step)
{
    if (step < o->warmup_steps)
        return o->warmup == FST_WARMUP_FROM_ZERO
                   ? (double)step / (double)o->warmup_steps
                   : ((double)step + 1) / ((double)o->warmup_steps + 1);
    const double pi = 3.14159265358979323846;
    double part = 1; /* of the way from the minimum up to the peak */
    switch (o->kind) {
    case FST_SCHEDULE_LINEAR:
        part = 1 - progress(step, o->warmup_steps, o->total_steps);
        break;
    case FST_SCHEDULE_COSINE:
        part = 0.5 * (1 + cos(pi * progress(step, o->warmup_steps, o->total_steps)));
        break;
    case FST_SCHEDULE_WSD:
        part = 1 - sqrt(progress(step, o->total_steps - decay_steps(o), o->total_steps));
        break;
    case FST_SCHEDULE_INVERSE_SQRT:
        return fmax(inverse_sqrt(o, step), o->minimum_ratio);
    default:
        break;
    }
    return o->minimum_ratio + (1 - o->minimum_ratio) * part;
}

double fst__schedule_rate(const fst_schedule_options *options, int64_t step)
{
    return options->learning_rate * schedule_factor(options, step < 0 ? 0 : step);
}
