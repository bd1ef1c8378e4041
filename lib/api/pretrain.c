#include "fourstage/pretrain.h"

#include "api/check.h"
#include "base/options.h"
#include "stages/pretrain/pretrain.h"
#include "stages/run.h"

fst_status fst_pretrain_options_init(fst_pretrain_options *options, size_t size)
{
    fst_pretrain_options defaults = fst__pretrain_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_pretrain_options");
}

fst_status fst_pretrain_create(const fst_pretrain_options *options, fst_run **run)
{
    fst_status status = fst__check_pointer(options, "fst_pretrain_create", "options");
    if (!status)
        status = fst__check_pointer(run, "fst_pretrain_create", "run");
    fst_pretrain_options ours = fst__pretrain_defaults();
    fst_run_options common = fst__run_defaults();
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_pretrain_options");
    if (!status)
        status = fst__options_overlay(&common, sizeof common, ours.run, "fst_run_options");
    return status ? status : fst__pretrain_create(&ours, &common, run);
}
