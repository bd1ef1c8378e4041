/* What a reset and a step are for both kinds of environments: what is allowed, what is counted. */
#include "env/env.h"

#include "base/checked.h"

#include <math.h>
#include <string.h>

/* Seeds are whole numbers that a double can hold, so that every language can pass them on. */
enum { SEED_BITS = 53 };

fst_status fst__env_fail_at(const fst_env *env, int64_t e, int64_t step, fst_status status)
{
    return fst__fail_in(status, "%s: environment %lld, episode %lld, step %lld", env->name, (long long)e,
                        (long long)env->episodes[e], (long long)step);
}

fst_status fst__env_fail_reward(const fst_env *env, int64_t e, int64_t step, double reward)
{
    return fst__env_fail_at(env, e, step, fst__fail(FST_ERR_NUMERIC, "the reward is %g", reward));
}

void fst__env_begin_episode(fst_env *env, int64_t e, int64_t episode)
{
    fst__philox_block block = fst__philox((uint64_t)env->seed, FST__STREAM_ENV, (uint64_t)episode, (uint64_t)e);
    uint64_t bits = (uint64_t)block.word[0] << 32 | block.word[1];
    env->episodes[e] = episode;
    env->seeds[e] = (int64_t)(bits >> (64 - SEED_BITS));
    env->steps[e] = 0;
    env->begins[e] = 1;
}

bool fst__env_book_step(fst_env *env, int64_t e, double reward, bool terminated, bool truncated)
{
    if (env->steps[e] == 0)
        env->returns[e] = 0;
    bool other = env->movers && env->movers[e] == 1; /* the row still tells who has just moved */
    env->steps[e] += 1;
    env->rewards[e] = reward;
    env->returns[e] += other ? -reward : reward;
    env->lengths[e] = env->steps[e];
    if (env->max_steps > 0 && env->steps[e] >= env->max_steps)
        truncated = true;
    env->terminated[e] = terminated;
    env->truncated[e] = truncated && !terminated;
    env->begins[e] = 0;
    return terminated || truncated;
}

static fst_status check_indices(const fst_env *env, const char *function, const int64_t *indices, int64_t count)
{
    if (count < 1 || count > env->count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: count is %lld, expected 1 … %lld", function,
                         (long long)count, (long long)env->count);
    for (int64_t i = 0; i < count; ++i)
        if (indices[i] < 0 || indices[i] >= env->count || (i && indices[i] <= indices[i - 1]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: indices[%lld] is %lld, expected ascending 0 … %lld",
                             function, (long long)i, (long long)indices[i], (long long)env->count - 1);
    return FST_OK;
}

/* Episodes of these begin; their last steps are forgotten. */
static fst_status begin(fst_env *env, const int64_t *indices, int64_t count, bool first)
{
    for (int64_t i = 0; i < count; ++i) {
        int64_t e = indices[i];
        env->rewards[e] = env->returns[e] = 0;
        env->terminated[e] = env->truncated[e] = 0;
        env->lengths[e] = 0;
        fst__env_begin_episode(env, e, first ? 0 : env->episodes[e] + 1);
    }
    fst_status status = env->kind ? fst__env_native_reset(env, indices, count)
                                  : fst__env_callback_reset(env, indices, count);
    env->failed = status != FST_OK;
    return status;
}

fst_status fst__env_reset(fst_env *env, int64_t seed)
{
    if (env->busy)
        return fst__fail(FST_ERR_BUSY, "fst_env_reset was called from the environment's own callback");
    if (seed < 0 || seed >= (int64_t)1 << SEED_BITS)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_env_reset: seed is %lld, expected 0 … 2^53 − 1",
                         (long long)seed);
    env->seed = seed;
    env->began = true;
    return begin(env, env->everyone, env->count, true);
}

fst_status fst__env_reset_some(fst_env *env, const int64_t *indices, int64_t count)
{
    static const char function[] = "fst_env_reset_some";
    fst_status status = fst__env_check_ready(env, function);
    if (!status)
        status = check_indices(env, function, indices, count);
    return status ? status : begin(env, indices, count, false);
}

/* Into env->actions, clipped; nothing else changes. */
static fst_status take_action(fst_env *env, int64_t e, const void *actions)
{
    if (fst__env_has_ended(env, e))
        return fst__fail(FST_ERR_STATE, "%s: environment %lld: episode %lld has ended; fst_env_reset_some begins the next",
                         env->name, (long long)e, (long long)env->episodes[e]);
    void *action = fst__env_row(env->actions, e, env->action_bytes);
    fst__space_clip(&env->action_space, fst__env_row((void *)actions, e, env->action_bytes), action);
    fst_status status = fst__space_check_value(&env->action_space, action, "action");
    if (!status && env->choices)
        status = fst__space_check_allowed(&env->action_space, env->masks + e * env->choices, action, "action");
    /* A number that is none is the caller's mistake, as a choice that is none. */
    return status ? fst__env_fail_at(env, e, env->steps[e] + 1, FST_ERR_INVALID_ARGUMENT) : FST_OK;
}

static fst_status step(fst_env *env, const int64_t *indices, int64_t count, const void *actions)
{
    fst_status status = FST_OK;
    for (int64_t i = 0; !status && i < count; ++i)
        status = take_action(env, indices[i], actions);
    if (status)
        return status;
    if (env->kind) {
        status = fst__env_native_step(env, indices, count);
        env->failed = status != FST_OK;
        return status;
    }
    return fst__env_callback_step(env, indices, count);
}

fst_status fst__env_step(fst_env *env, const void *actions)
{
    fst_status status = fst__env_check_ready(env, "fst_env_step");
    return status ? status : step(env, env->everyone, env->count, actions);
}

fst_status fst__env_step_some(fst_env *env, const int64_t *indices, int64_t count, const void *actions)
{
    static const char function[] = "fst_env_step_some";
    fst_status status = fst__env_check_ready(env, function);
    if (!status)
        status = check_indices(env, function, indices, count);
    return status ? status : step(env, indices, count, actions);
}

void fst__env_batch(const fst_env *env, fst_env_batch *batch)
{
    *batch = (fst_env_batch){
        .struct_size = sizeof *batch,
        .count = env->count,
        .observations = env->observations,
        .final_observations = env->final_observations,
        .rewards = env->rewards,
        .terminated = env->terminated,
        .truncated = env->truncated,
        .masks = env->masks,
        .players = env->movers,
        .begins = env->begins,
        .episode_returns = env->returns,
        .episode_lengths = env->lengths,
    };
}

fst_status fst__env_render(fst_env *env, int64_t index, int32_t format, const char **text)
{
    env->picture.length = 0;
    env->picture.failed = false;
    fst_status status = FST_OK;
    if (env->kind)
        env->kind->render(env->kind, &env->make, fst__env_row(env->states, index, env->state_bytes),
                          env->trail ? env->trails + index * env->trail_capacity * env->trail : NULL,
                          env->trail ? env->trail_points[index] : 0, format, &env->picture);
    else
        status = fst__env_callback_render(env, index, format);
    if (!status && env->picture.failed)
        status = FST_ERR_NO_MEMORY;
    if (!status)
        *text = env->picture.data ? env->picture.data : "";
    return status;
}
