#include "fourstage/contrastive.h"

#include "api/check.h"
#include "base/options.h"
#include "stages/contrastive/contrastive.h"

fst_status fst_contrastive_options_init(fst_contrastive_options *options, size_t size)
{
    fst_contrastive_options defaults = fst__contrastive_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_contrastive_options");
}

fst_status fst_contrastive_create(const fst_contrastive_options *options, fst_run **run)
{
    fst_status status = fst__check_pointer(options, "fst_contrastive_create", "options");
    if (!status)
        status = fst__check_pointer(run, "fst_contrastive_create", "run");
    fst_contrastive_options ours = fst__contrastive_defaults();
    fst_run_options common = fst__run_defaults();
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_contrastive_options");
    if (!status)
        status = fst__options_overlay(&common, sizeof common, ours.run, "fst_run_options");
    return status ? status : fst__contrastive_create(&ours, &common, run);
}
