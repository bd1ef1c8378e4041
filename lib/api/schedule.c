#include "base/error.h"
#include "base/options.h"
#include "optim/optimizer.h"

fst_status fst_schedule_options_init(fst_schedule_options *options, size_t size)
{
    const fst_schedule_options defaults = fst__schedule_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_schedule_options");
}

fst_status fst_schedule_learning_rate(const fst_schedule_options *options, int64_t step,
                                      double *learning_rate)
{
    fst_schedule_options ours = fst__schedule_defaults();
    if (!learning_rate)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_schedule_learning_rate: learning_rate is NULL");
    if (step < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_schedule_learning_rate: step is %lld, expected ≥ 0", (long long)step);
    fst_status status = fst__options_overlay(&ours, sizeof ours, options, "fst_schedule_options");
    if (!status)
        status = fst__schedule_check(&ours);
    if (!status)
        *learning_rate = fst__schedule_rate(&ours, step);
    return status;
}
