/* Reinforcement learning on text. */
#include "api/check.h"
#include "base/options.h"
#include "stages/rl/text.h"

fst_status fst_rl_options_init(fst_rl_options *options, size_t size)
{
    fst_rl_options defaults = fst__rl_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_rl_options");
}

fst_status fst_rl_options_set_algorithm(fst_rl_options *options, int32_t algorithm)
{
    fst_rl_options o = fst__rl_defaults();
    fst_status status = fst__check_pointer(options, "fst_rl_options_set_algorithm", "options");
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_rl_options");
    if (!status)
        status = fst__rl_set_algorithm(&o, algorithm);
    return status ? status
                  : fst__options_init(options, options->struct_size, &o, sizeof o, "fst_rl_options");
}

fst_status fst_rl_create(const fst_rl_options *options, fst_run **run)
{
    fst_status status = fst__check_pointer(run, "fst_rl_create", "run");
    if (!status)
        status = fst__check_pointer(options, "fst_rl_create", "options");
    fst_rl_options o = fst__rl_defaults();
    fst_run_options r = fst__run_defaults();
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_rl_options");
    if (!status)
        status = fst__options_overlay(&r, sizeof r, o.run, "fst_run_options");
    return status ? status : fst__rl_create(&o, &r, run);
}
