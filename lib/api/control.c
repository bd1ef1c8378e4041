/* Reinforcement learning in environments. */
#include "fourstage/control.h"

#include "api/check.h"
#include "api/run_verbs.h"
#include "base/error.h"
#include "base/options.h"
#include "stages/rl/control.h"

fst_status fst_control_options_init(fst_control_options *options, size_t size)
{
    fst_control_options defaults = fst__play_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_control_options");
}

fst_status fst_control_options_set_algorithm(fst_control_options *options, int32_t algorithm)
{
    fst_control_options o = fst__play_defaults();
    fst_status status = fst__check_pointer(options, "fst_control_options_set_algorithm", "options");
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_control_options");
    if (!status)
        status = fst__play_set_algorithm(&o, algorithm);
    return status ? status
                  : fst__options_init(options, options->struct_size, &o, sizeof o, "fst_control_options");
}

fst_status fst_control_create(const fst_control_options *options, fst_run **run)
{
    fst_control_options o = fst__play_defaults();
    fst_run_options run_options = fst__run_defaults();
    fst_status status = fst__check_pointer(run, "fst_control_create", "run");
    if (!status)
        status = fst__check_pointer(options, "fst_control_create", "options");
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_control_options");
    if (!status)
        status = fst__options_overlay(&run_options, sizeof run_options, o.run, "fst_run_options");
    return status ? status : fst__play_create(&o, &run_options, run);
}

/* A verb of runs that the host acts for. */
static fst_status enter(fst_run *run, const char *function)
{
    fst_status status = fst__check_pointer(run, function, "run");
    if (!status && !fst__play_is(run))
        status = fst__fail(FST_ERR_STATE, "%s: a run of stage %s, expected one of fst_control_create", function,
                           run->stage->name);
    return status ? status : fst__run_enter(run, function);
}

fst_status fst_control_act(fst_run *run, const void *observations, const uint8_t *masks, void *actions)
{
    fst_status status = fst__check_pointer(observations, "fst_control_act", "observations");
    if (!status)
        status = fst__check_pointer(actions, "fst_control_act", "actions");
    if (!status)
        status = enter(run, "fst_control_act");
    return status ? status : fst__run_leave(run, fst__play_act(run, observations, masks, actions));
}

fst_status fst_control_observe(fst_run *run, const double *rewards, const uint8_t *terminated,
                               const uint8_t *truncated, const void *final_observations)
{
    const fst__outcomes outcomes = {.rewards = rewards, .terminated = terminated, .truncated = truncated,
                                    .finals = final_observations};
    fst_status status = fst__check_pointer(rewards, "fst_control_observe", "rewards");
    if (!status)
        status = enter(run, "fst_control_observe");
    return status ? status : fst__run_leave(run, fst__play_observe(run, &outcomes));
}
