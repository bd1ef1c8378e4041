#include "stages/rl/dpo.h"

#include "api/check.h"
#include "base/options.h"

fst_status fst_dpo_options_init(fst_dpo_options *options, size_t size)
{
    const fst_dpo_options defaults = fst__dpo_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_dpo_options");
}

fst_status fst_dpo_create(const fst_dpo_options *options, fst_run **run)
{
    fst_status status = fst__check_pointer(options, "fst_dpo_create", "options");
    if (!status)
        status = fst__check_pointer(run, "fst_dpo_create", "run");
    fst_dpo_options ours = fst__dpo_defaults();
    fst_run_options common = fst__run_defaults();
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_dpo_options");
    if (!status)
        status = fst__options_overlay(&common, sizeof common, ours.run, "fst_run_options");
    return status ? status : fst__dpo_create(&ours, &common, run);
}
