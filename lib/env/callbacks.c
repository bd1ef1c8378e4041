/* The caller's environments: callbacks write into drafts, which are checked before they become the batch's rows. */
#include "env/env.h"

#include <math.h>
#include <string.h>

static fst_env_call call_of(fst_env *env, const int64_t *indices, int64_t count)
{
    return (fst_env_call){
        .struct_size = sizeof(fst_env_call),
        .count = count,
        .indices = indices,
        .observations = env->drafts.observations,
        .masks = env->drafts.masks,
        .players = env->drafts.players,
    };
}

static fst_status answer(const fst_env *env, const char *callback, int32_t result)
{
    if (result == 0)
        return FST_OK;
    if (result > 0)
        return FST_STOPPED;
    return fst__fail(result, "%s: the %s callback returned %d", env->name, callback, (int)result);
}

static fst_status call_back(fst_env *env, fst_env_callback callback, const char *name, const fst_env_call *call)
{
    for (int64_t i = 0; i < call->count; ++i) {
        int64_t e = call->indices[i];
        if (env->choices)
            memset(env->drafts.masks + e * env->choices, 1, (size_t)env->choices);
        if (env->movers)
            env->drafts.players[e] = 0;
    }
    env->busy = true;
    int32_t result = callback(call, env->callbacks.user);
    env->busy = false;
    return answer(env, name, result);
}

/* `goes_on`: there is a next action, so there must be one to choose. */
static fst_status check_row(const fst_env *env, int64_t e, bool goes_on)
{
    fst_status status = fst__space_check_value(&env->observation_space,
                                               env->drafts.observations + e * env->observation_bytes, "observation");
    if (!status && env->movers && env->drafts.players[e] > 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "the player is %d, expected 0 or 1",
                           (int)env->drafts.players[e]);
    if (!status && env->choices && goes_on)
        status = fst__space_check_mask(&env->action_space, env->drafts.masks + e * env->choices);
    return status;
}

static void publish_row(fst_env *env, int64_t e)
{
    memcpy(env->observations + e * env->observation_bytes, env->drafts.observations + e * env->observation_bytes,
           (size_t)env->observation_bytes);
    if (env->choices)
        memcpy(env->masks + e * env->choices, env->drafts.masks + e * env->choices, (size_t)env->choices);
    if (env->movers)
        env->movers[e] = env->drafts.players[e];
}

fst_status fst__env_callback_reset(fst_env *env, const int64_t *indices, int64_t count)
{
    for (int64_t i = 0; i < count; ++i)
        env->drafts.seeds[i] = env->seeds[indices[i]];
    fst_env_call call = call_of(env, indices, count);
    call.seeds = env->drafts.seeds;
    fst_status status = call_back(env, env->callbacks.reset, "reset", &call);
    for (int64_t i = 0; !status && i < count; ++i) {
        status = check_row(env, indices[i], true);
        if (status)
            status = fst__env_fail_at(env, indices[i], 0, status);
        else
            publish_row(env, indices[i]);
    }
    return status;
}

static fst_status check_flag(const char *name, uint8_t flag)
{
    if (flag <= 1)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %d, expected 0 or 1", name, (int)flag);
}

static fst_status check_step(const fst_env *env, int64_t e)
{
    const fst__env_drafts *drafts = &env->drafts;
    int64_t step = env->steps[e] + 1;
    if (!isfinite(drafts->rewards[e]))
        return fst__env_fail_reward(env, e, step, drafts->rewards[e]);
    fst_status status = check_flag("terminated", drafts->terminated[e]);
    if (!status)
        status = check_flag("truncated", drafts->truncated[e]);
    bool ends = drafts->terminated[e] || drafts->truncated[e] || (env->max_steps > 0 && step >= env->max_steps);
    if (!status)
        status = check_row(env, e, !ends);
    return status ? fst__env_fail_at(env, e, step, status) : FST_OK;
}

static void clear_drafts(fst_env *env, const int64_t *indices, int64_t count)
{
    for (int64_t i = 0; i < count; ++i) {
        int64_t e = indices[i];
        env->drafts.rewards[e] = 0;
        env->drafts.terminated[e] = env->drafts.truncated[e] = 0;
    }
}

/* Books the steps; the environments whose episode has ended are the first of drafts.indices. */
static int64_t publish(fst_env *env, const int64_t *indices, int64_t count)
{
    const fst__env_drafts *drafts = &env->drafts;
    int64_t ended = 0;
    for (int64_t i = 0; i < count; ++i) {
        int64_t e = indices[i];
        bool ends =
            fst__env_book_step(env, e, drafts->rewards[e], drafts->terminated[e] == 1, drafts->truncated[e] == 1);
        publish_row(env, e);
        if (ends) {
            memcpy(env->final_observations + e * env->observation_bytes,
                   env->observations + e * env->observation_bytes, (size_t)env->observation_bytes);
            drafts->indices[ended++] = e;
        }
    }
    return ended;
}

fst_status fst__env_callback_step(fst_env *env, const int64_t *indices, int64_t count)
{
    clear_drafts(env, indices, count);
    fst_env_call call = call_of(env, indices, count);
    call.actions = env->actions;
    call.rewards = env->drafts.rewards;
    call.terminated = env->drafts.terminated;
    call.truncated = env->drafts.truncated;
    fst_status status = call_back(env, env->callbacks.step, "step", &call);
    if (status == FST_STOPPED)
        return status; /* the step was not taken */
    for (int64_t i = 0; !status && i < count; ++i)
        status = check_step(env, indices[i]);
    if (!status) {
        int64_t ended = publish(env, indices, count);
        if (ended == 0 || !env->auto_reset)
            return FST_OK;
        for (int64_t i = 0; i < ended; ++i)
            fst__env_begin_episode(env, env->drafts.indices[i], env->episodes[env->drafts.indices[i]] + 1);
        status = fst__env_callback_reset(env, env->drafts.indices, ended);
    }
    env->failed = status != FST_OK;
    return status;
}

fst_status fst__env_callback_save(fst_env *env, int64_t e, void *state)
{
    env->busy = true;
    int32_t result = env->callbacks.save(e, state, env->callbacks.user);
    env->busy = false;
    return answer(env, "save", result);
}

fst_status fst__env_callback_load(fst_env *env, int64_t e, const void *state)
{
    env->busy = true;
    int32_t result = env->callbacks.load(e, state, env->callbacks.user);
    env->busy = false;
    return answer(env, "load", result);
}

fst_status fst__env_callback_render(fst_env *env, int64_t e, int32_t format)
{
    if (!env->callbacks.render)
        return fst__fail(FST_ERR_UNSUPPORTED, "fst_env_render: %s has no render callback", env->name);
    fst__allocator *allocator = &env->context->allocator;
    size_t capacity = 4096, length = 0;
    for (;;) {
        char *buffer = fst__alloc(allocator, capacity);
        if (!buffer)
            return FST_ERR_NO_MEMORY;
        length = 0;
        env->busy = true;
        int32_t result = env->callbacks.render(e, format, buffer, capacity, &length, env->callbacks.user);
        env->busy = false;
        fst_status status = answer(env, "render", result);
        if (!status && length <= capacity)
            fst__text_append(&env->picture, buffer, length);
        fst__free(allocator, buffer);
        if (status || length <= capacity)
            return status;
        capacity = length;
    }
}
