#include "fourstage/reward.h"

#include "api/check.h"
#include "base/options.h"
#include "stages/reward/reward.h"

fst_status fst_reward_options_init(fst_reward_options *options, size_t size)
{
    fst_reward_options defaults = fst__reward_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_reward_options");
}

fst_status fst_reward_create(const fst_reward_options *options, fst_run **run)
{
    fst_status status = fst__check_pointer(options, "fst_reward_create", "options");
    if (!status)
        status = fst__check_pointer(run, "fst_reward_create", "run");
    fst_reward_options ours = fst__reward_defaults();
    fst_run_options common = fst__run_defaults();
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_reward_options");
    if (!status)
        status = fst__options_overlay(&common, sizeof common, ours.run, "fst_run_options");
    return status ? status : fst__reward_create(&ours, &common, run);
}

fst_status fst_reward_shift(fst_run *run, int32_t scale, double *mean, double *deviation)
{
    fst_status status = fst__check_pointer(run, "fst_reward_shift", "run");
    if (status)
        return status;
    if (scale != 0 && scale != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_reward_shift: scale is %d, expected 0 or 1",
                         (int)scale);
    if (!fst__reward_is(run))
        return fst__fail(FST_ERR_STATE,
                         "fst_reward_shift: expected a run of fst_reward_create with "
                         "FST_REWARD_PAIRWISE");
    if (atomic_exchange(&run->busy, 1))
        return fst__fail(FST_ERR_BUSY, "fst_reward_shift: the run is busy");
    double found_mean = 0, found_deviation = 0;
    status = fst__reward_shift(run, scale, true, &found_mean, &found_deviation);
    atomic_store(&run->busy, 0);
    if (!status && mean)
        *mean = found_mean;
    if (!status && deviation)
        *deviation = found_deviation;
    return status;
}
