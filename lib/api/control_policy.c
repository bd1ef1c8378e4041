/* Policies that act in environments. See objectives.c on void *. */
#include "fourstage/control_policy.h"

#include "api/check.h"
#include "base/options.h"
#include "model/control_policy.h"
#include "model/policy.h"

enum { MOST_ROWS = 1 << 20 };

fst_status fst_control_policy_options_init(fst_control_policy_options *options, size_t size)
{
    const fst_control_policy_options defaults = fst__control_policy_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults,
                             "fst_control_policy_options");
}

fst_status fst_policy_create_control(fst_context *context,
                                     const fst_control_policy_options *options, fst_policy **policy)
{
    static const char name[] = "fst_policy_create_control";
    fst_control_policy_options ours = fst__control_policy_defaults();
    fst_status status = fst__check_pointer(context, name, "context");
    if (!status)
        status = fst__check_pointer(options, name, "options");
    if (!status)
        status = fst__check_pointer(policy, name, "policy");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_control_policy_options");
    return status ? status : fst__control_create(context, &ours, policy);
}

fst_status fst_policy_get_model(fst_policy *policy, fst_model **model)
{
    fst_status status = fst__check_pointer(policy, "fst_policy_get_model", "policy");
    if (!status)
        status = fst__check_pointer(model, "fst_policy_get_model", "model");
    if (!status)
        *model = policy->model;
    return status;
}

fst_status fst_policy_observation_space(const fst_policy *policy, fst_space *space, size_t size)
{
    fst_status status = fst__control_check(policy, "fst_policy_observation_space");
    return status ? status
                  : fst__options_init(space, size, fst__control_observation_space(policy),
                                      sizeof *space, "fst_space");
}

fst_status fst_policy_action_space(const fst_policy *policy, fst_space *space, size_t size)
{
    fst_status status = fst__control_check(policy, "fst_policy_action_space");
    return status ? status
                  : fst__options_init(space, size, fst__control_action_space(policy), sizeof *space,
                                      "fst_space");
}

/* ---- acting */

static fst_act_options act_defaults(void)
{
    return (fst_act_options){.struct_size = sizeof(fst_act_options)};
}

fst_status fst_act_options_init(fst_act_options *options, size_t size)
{
    const fst_act_options defaults = act_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_act_options");
}

static fst_status check_count(const char *name, int64_t count)
{
    if (count >= 1 && count <= MOST_ROWS)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: count is %lld, expected 1 to %d", name,
                     (long long)count, MOST_ROWS);
}

static fst_status check_act(const fst_act_options *o)
{
    if (o->deterministic != 0 && o->deterministic != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_act_options.deterministic is %d, expected 0 or 1",
                         (int)o->deterministic);
    if (o->step < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_act_options.step is %lld, expected ≥ 0",
                         (long long)o->step);
    return FST_OK;
}

fst_status fst_policy_act(fst_policy *policy, const void *observations, int64_t count,
                          const fst_act_options *options, void *actions, float *log_probabilities,
                          float *values)
{
    static const char name[] = "fst_policy_act";
    fst_act_options ours = act_defaults();
    void *l = log_probabilities, *v = values;
    fst_status status = fst__control_check(policy, name);
    if (!status)
        status = fst__check_pointer(observations, name, "observations");
    if (!status)
        status = fst__check_pointer(actions, name, "actions");
    if (!status)
        status = check_count(name, count);
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_act_options");
    if (!status)
        status = check_act(&ours);
    if (status)
        return status;
    status = fst__control_act_on(policy, observations, count, &ours, actions, l, v);
    return status ? fst__fail_in(status, "%s", name) : FST_OK;
}

/* ---- custom loops */

fst_status fst_action_batch_init(fst_action_batch *batch, size_t size)
{
    const fst_action_batch empty = {.struct_size = sizeof empty};
    return fst__options_init(batch, size, &empty, sizeof empty, "fst_action_batch");
}

fst_status fst_policy_evaluate(fst_policy *policy, const fst_action_batch *batch,
                               float *log_probabilities, float *entropies, float *values)
{
    static const char name[] = "fst_policy_evaluate";
    fst_action_batch ours = {.struct_size = sizeof ours};
    void *l = log_probabilities, *h = entropies, *v = values;
    fst_status status = fst__control_check(policy, name);
    if (!status)
        status = fst__check_pointer(batch, name, "batch");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, batch, "fst_action_batch");
    if (!status)
        status = fst__check_pointer(ours.observations, name, "batch->observations");
    if (!status)
        status = fst__check_pointer(ours.actions, name, "batch->actions");
    if (!status)
        status = check_count(name, ours.count);
    if (status)
        return status;
    status = fst__control_evaluate_batch(policy, &ours, l, h, v);
    return status ? fst__fail_in(status, "%s", name) : FST_OK;
}

fst_status fst_policy_backward(fst_policy *policy, const float *d_log_probabilities,
                               const float *d_entropies, const float *d_values)
{
    const void *l = d_log_probabilities, *h = d_entropies, *v = d_values;
    fst_status status = fst__control_check(policy, "fst_policy_backward");
    return status ? status : fst__control_backward(policy, l, h, v);
}

fst_status fst_policy_update_normalizer(fst_policy *policy, const void *observations, int64_t count)
{
    static const char name[] = "fst_policy_update_normalizer";
    enum { MOST_OBSERVATIONS = 1 << 30 };
    fst_status status = fst__control_check(policy, name);
    if (!status)
        status = fst__check_pointer(observations, name, "observations");
    if (!status && (count < 1 || count > MOST_OBSERVATIONS))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: count is %lld, expected 1 to %d", name,
                           (long long)count, MOST_OBSERVATIONS);
    if (status)
        return status;
    status = fst__control_update_normalizer(policy, observations, count);
    return status ? fst__fail_in(status, "%s", name) : FST_OK;
}

/* ---- files */

fst_status fst_policy_save(const fst_policy *policy, const char *path)
{
    fst_status status = fst__control_check(policy, "fst_policy_save");
    if (!status)
        status = fst__check_pointer(path, "fst_policy_save", "path");
    return status ? status : fst__control_save(policy, path);
}

fst_status fst_policy_load(fst_context *context, const char *path, fst_policy **policy)
{
    fst_status status = fst__check_pointer(context, "fst_policy_load", "context");
    if (!status)
        status = fst__check_pointer(path, "fst_policy_load", "path");
    if (!status)
        status = fst__check_pointer(policy, "fst_policy_load", "policy");
    return status ? status : fst__control_load(context, path, policy);
}
