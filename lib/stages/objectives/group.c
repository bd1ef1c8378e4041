/* Advantages without a value model: against the other samples of a prompt, or a moving mean. */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>

static double mean_of(const fst__real *rewards, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; ++i)
        sum += (double)rewards[i];
    return sum / (double)count;
}

static double deviation_of(const fst__real *rewards, int64_t count, double mean)
{
    double squares = 0;
    for (int64_t i = 0; i < count; ++i)
        squares += ((double)rewards[i] - mean) * ((double)rewards[i] - mean);
    return sqrt(squares / (double)(count - 1));
}

/* r − mean of the others = (r − mean)·G/(G − 1). */
static double scale_of(int32_t kind, const fst__real *rewards, int64_t group, double mean)
{
    if (kind == FST_GROUP_RLOO)
        return (double)group / (double)(group - 1);
    return kind == FST_GROUP_GRPO ? 1 / (deviation_of(rewards, group, mean) + 1e-4) : 1;
}

fst_status fst__advantages_group(int32_t kind, const fst__real *rewards, int64_t count,
                                 int64_t group, fst__real *advantages)
{
    if (kind < FST_GROUP_RLOO || kind > FST_GROUP_DR_GRPO)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "kind %d is none of the FST_GROUP_ values",
                         kind);
    if (group < 2 || count < group || count % group != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "group advantages: count %" PRId64 ", group %" PRId64
                         "; expected groups of two or more, and a multiple of them",
                         count, group);
    fst_status status = fst__terms_check("group advantages", "rewards", rewards, NULL, count);
    for (int64_t first = 0; !status && first < count; first += group) {
        double mean = mean_of(rewards + first, group);
        double scale = scale_of(kind, rewards + first, group, mean);
        for (int64_t i = first; i < first + group; ++i)
            advantages[i] = (fst__real)(scale * ((double)rewards[i] - mean));
    }
    return status;
}

fst_baseline fst__baseline_defaults(void)
{
    return (fst_baseline){.struct_size = sizeof(fst_baseline), .decay = 0.95};
}

fst_status fst__advantages_baseline(fst_baseline *baseline, const fst__real *rewards, int64_t count,
                                    fst__real *advantages)
{
    fst_status status = fst__terms_check_weights("baseline", NULL, count);
    if (!status && !(baseline->decay >= 0 && baseline->decay < 1))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "fst_baseline.decay is %g, expected 0 ≤ decay < 1", baseline->decay);
    if (!status && (baseline->updates < 0 || !isfinite(baseline->mean)))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "fst_baseline: updates %" PRId64 ", mean %g, expected ≥ 0 and finite",
                           baseline->updates, baseline->mean);
    if (!status)
        status = fst__terms_check("baseline", "rewards", rewards, NULL, count);
    if (status)
        return status;
    double mean = mean_of(rewards, count);
    double against = baseline->updates ? baseline->mean : mean;
    for (int64_t i = 0; i < count; ++i)
        advantages[i] = (fst__real)((double)rewards[i] - against);
    baseline->mean = baseline->decay * against + (1 - baseline->decay) * mean;
    baseline->updates += 1;
    return FST_OK;
}
