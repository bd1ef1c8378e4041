/*
 * The arrays of the public functions are of float, those of the bodies of fst__real: the same but
 * in the double build that only tests see, where both mean double. They go down as void *.
 */
#include "stages/objectives/objectives.h"

#include "api/check.h"
#include "base/options.h"

fst_status fst_trajectories_init(fst_trajectories *trajectories, size_t size)
{
    const fst_trajectories defaults = {.struct_size = sizeof defaults};
    return fst__options_init(trajectories, size, &defaults, sizeof defaults, "fst_trajectories");
}

fst_status fst_gae_options_init(fst_gae_options *options, size_t size)
{
    const fst_gae_options defaults = fst__gae_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_gae_options");
}

fst_status fst_advantages_gae(const fst_gae_options *options, const fst_trajectories *layout,
                              const float *rewards, const float *values, const float *final_values,
                              const uint8_t *terminated, const uint8_t *truncated,
                              const float *truncation_values, float *advantages, float *returns)
{
    fst_gae_options ours = fst__gae_defaults();
    fst_trajectories where = {.struct_size = sizeof where};
    fst_status status = fst__check_pointer(layout, "fst_advantages_gae", "layout");
    if (!status)
        status = fst__check_pointer(rewards, "fst_advantages_gae", "rewards");
    if (!status)
        status = fst__check_pointer(values, "fst_advantages_gae", "values");
    if (!status)
        status = fst__check_pointer(advantages, "fst_advantages_gae", "advantages");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_gae_options");
    if (!status)
        status = fst__options_overlay(&where, sizeof where, layout, "fst_trajectories");
    const void *r = rewards, *v = values, *last = final_values, *cut = truncation_values;
    void *a = advantages, *target = returns;
    return status ? status
                  : fst__advantages_gae(&ours, &where, r, v, last, terminated, truncated, cut, a,
                                        target);
}

fst_status fst_advantages_whiten(float *advantages, const uint8_t *mask, int64_t count,
                                 int32_t shift_mean)
{
    fst_status status = fst__check_pointer(advantages, "fst_advantages_whiten", "advantages");
    return status ? status : fst__advantages_whiten((void *)advantages, mask, count, shift_mean);
}

fst_status fst_advantages_group(int32_t kind, const float *rewards, int64_t count, int64_t group,
                                float *advantages)
{
    fst_status status = fst__check_pointer(rewards, "fst_advantages_group", "rewards");
    if (!status)
        status = fst__check_pointer(advantages, "fst_advantages_group", "advantages");
    const void *r = rewards;
    return status ? status : fst__advantages_group(kind, r, count, group, (void *)advantages);
}

fst_status fst_baseline_init(fst_baseline *baseline, size_t size)
{
    const fst_baseline defaults = fst__baseline_defaults();
    return fst__options_init(baseline, size, &defaults, sizeof defaults, "fst_baseline");
}

fst_status fst_advantages_baseline(fst_baseline *baseline, const float *rewards, int64_t count,
                                   float *advantages)
{
    fst_baseline ours = fst__baseline_defaults();
    fst_status status = fst__check_pointer(baseline, "fst_advantages_baseline", "baseline");
    if (!status)
        status = fst__check_pointer(rewards, "fst_advantages_baseline", "rewards");
    if (!status)
        status = fst__check_pointer(advantages, "fst_advantages_baseline", "advantages");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, baseline, "fst_baseline");
    const void *r = rewards;
    if (!status)
        status = fst__advantages_baseline(&ours, r, count, (void *)advantages);
    return status ? status
                  : fst__options_init(baseline, baseline->struct_size, &ours, sizeof ours,
                                      "fst_baseline");
}

fst_status fst_loss_weights_options_init(fst_loss_weights_options *options, size_t size)
{
    const fst_loss_weights_options defaults = fst__loss_weights_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_loss_weights_options");
}

fst_status fst_loss_weights(const fst_loss_weights_options *options, const uint8_t *mask,
                            const int64_t *lengths, int64_t rows, int64_t columns, float *weights)
{
    fst_loss_weights_options ours = fst__loss_weights_defaults();
    fst_status status = fst__check_pointer(weights, "fst_loss_weights", "weights");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_loss_weights_options");
    return status ? status
                  : fst__loss_weights(&ours, mask, lengths, rows, columns, (void *)weights);
}
