#include "env/env.h"

#include "api/check.h"
#include "base/options.h"
#include "env/kinds.h"

fst_status fst_env_options_init(fst_env_options *options, size_t size)
{
    const fst_env_options defaults = fst__env_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_env_options");
}

fst_status fst_env_make_options_init(fst_env_make_options *options, size_t size)
{
    const fst_env_make_options defaults = fst__env_make_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_env_make_options");
}

fst_status fst_env_create(fst_context *context, const fst_env_options *options, fst_env **env)
{
    static const char function[] = "fst_env_create";
    fst_env_options ours = fst__env_defaults();
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(options, function, "options");
    if (!status)
        status = fst__check_pointer(env, function, "env");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_env_options");
    return status ? status : fst__env_create(context, &ours, env);
}

fst_status fst_env_make(fst_context *context, const char *name, const fst_env_make_options *options, fst_env **env)
{
    static const char function[] = "fst_env_make";
    fst_env_make_options ours = fst__env_make_defaults();
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(name, function, "name");
    if (!status)
        status = fst__check_pointer(env, function, "env");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_env_make_options");
    return status ? status : fst__env_make(context, name, &ours, env);
}

fst_status fst_env_builtin_count(int64_t *count)
{
    fst_status status = fst__check_pointer(count, "fst_env_builtin_count", "count");
    if (!status)
        *count = fst__env_kind_count();
    return status;
}

static fst_status check_index(const char *function, int64_t index, int64_t count)
{
    if (index >= 0 && index < count)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: index is %lld, expected 0 … %lld", function, (long long)index,
                     (long long)count - 1);
}

fst_status fst_env_builtin_name(int64_t index, const char **name)
{
    static const char function[] = "fst_env_builtin_name";
    fst_status status = fst__check_pointer(name, function, "name");
    if (!status)
        status = check_index(function, index, fst__env_kind_count());
    if (!status)
        *name = fst__env_kind_at(index)->name;
    return status;
}

void fst_env_destroy(fst_env *env)
{
    fst__env_release(env);
}

fst_status fst_env_get_info(const fst_env *env, fst_env_info *info, size_t size)
{
    fst_status status = fst__check_pointer(env, "fst_env_get_info", "env");
    if (status)
        return status;
    const fst_env_info ours = {
        .struct_size = sizeof ours,
        .name = env->name,
        .count = env->count,
        .observation_bytes = env->observation_bytes,
        .action_bytes = env->action_bytes,
        .choices = env->choices,
        .state_bytes = fst__env_state_size(env),
        .max_steps = env->max_steps,
        .masked = env->choices > 0,
        .players = env->players,
        .auto_reset = env->auto_reset,
        .builtin = env->kind != NULL,
    };
    return fst__options_init(info, size, &ours, sizeof ours, "fst_env_info");
}

fst_status fst_env_observation_space(const fst_env *env, fst_space *space, size_t size)
{
    fst_status status = fst__check_pointer(env, "fst_env_observation_space", "env");
    return status ? status
                  : fst__options_init(space, size, &env->observation_space, sizeof env->observation_space, "fst_space");
}

fst_status fst_env_action_space(const fst_env *env, fst_space *space, size_t size)
{
    fst_status status = fst__check_pointer(env, "fst_env_action_space", "env");
    return status ? status
                  : fst__options_init(space, size, &env->action_space, sizeof env->action_space, "fst_space");
}

/* A callback may destroy the caller's hold: the environment is kept until the call is over. */
static fst_status let_go(fst_env *env, fst_status status)
{
    fst__env_release(env);
    return status;
}

fst_status fst_env_reset(fst_env *env, int64_t seed)
{
    fst_status status = fst__check_pointer(env, "fst_env_reset", "env");
    return status ? status : let_go(env, fst__env_reset(fst__env_retain(env), seed));
}

fst_status fst_env_reset_some(fst_env *env, const int64_t *indices, int64_t count)
{
    static const char function[] = "fst_env_reset_some";
    fst_status status = fst__check_pointer(env, function, "env");
    if (!status)
        status = fst__check_pointer(indices, function, "indices");
    return status ? status : let_go(env, fst__env_reset_some(fst__env_retain(env), indices, count));
}

fst_status fst_env_step(fst_env *env, const void *actions)
{
    static const char function[] = "fst_env_step";
    fst_status status = fst__check_pointer(env, function, "env");
    if (!status)
        status = fst__check_pointer(actions, function, "actions");
    return status ? status : let_go(env, fst__env_step(fst__env_retain(env), actions));
}

fst_status fst_env_step_some(fst_env *env, const int64_t *indices, int64_t count, const void *actions)
{
    static const char function[] = "fst_env_step_some";
    fst_status status = fst__check_pointer(env, function, "env");
    if (!status)
        status = fst__check_pointer(indices, function, "indices");
    if (!status)
        status = fst__check_pointer(actions, function, "actions");
    return status ? status : let_go(env, fst__env_step_some(fst__env_retain(env), indices, count, actions));
}

fst_status fst_env_get_batch(const fst_env *env, fst_env_batch *batch, size_t size)
{
    static const char function[] = "fst_env_get_batch";
    fst_env_batch ours;
    fst_status status = fst__check_pointer(env, function, "env");
    if (!status)
        status = fst__env_check_ready(env, function);
    if (status)
        return status;
    fst__env_batch(env, &ours);
    return fst__options_init(batch, size, &ours, sizeof ours, "fst_env_batch");
}

fst_status fst_env_render(fst_env *env, int64_t index, int32_t format, const char **text)
{
    static const char function[] = "fst_env_render";
    fst_status status = fst__check_pointer(env, function, "env");
    if (!status)
        status = fst__check_pointer(text, function, "text");
    if (!status)
        status = fst__env_check_ready(env, function);
    if (!status)
        status = check_index(function, index, env->count);
    if (!status && format != FST_RENDER_TEXT && format != FST_RENDER_SVG)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: format is %d, expected an FST_RENDER_ value", function,
                           (int)format);
    return status ? status : let_go(env, fst__env_render(fst__env_retain(env), index, format, text));
}

static fst_status check_state(const fst_env *env, const char *function, int64_t index, const void *state, size_t size)
{
    fst_status status = fst__check_pointer(env, function, "env");
    if (!status)
        status = fst__check_pointer(state, function, "state");
    if (!status && fst__env_state_size(env) == 0)
        status = fst__fail(FST_ERR_UNSUPPORTED, "%s: %s has no states that can be saved", function, env->name);
    if (!status)
        status = fst__env_check_ready(env, function);
    if (!status)
        status = check_index(function, index, env->count);
    if (!status && size != (size_t)fst__env_state_size(env))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: size is %zu, expected %lld", function, size,
                           (long long)fst__env_state_size(env));
    return status;
}

fst_status fst_env_get_state(fst_env *env, int64_t index, void *state, size_t size)
{
    fst_status status = check_state(env, "fst_env_get_state", index, state, size);
    return status ? status : let_go(env, fst__env_get_state(fst__env_retain(env), index, state));
}

fst_status fst_env_set_state(fst_env *env, int64_t index, const void *state, size_t size)
{
    fst_status status = check_state(env, "fst_env_set_state", index, state, size);
    return status ? status : let_go(env, fst__env_set_state(fst__env_retain(env), index, state));
}
