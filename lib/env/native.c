/* Built-in environments: a table of functions, stepped by the pool in chunks of a fixed size. */
#include "env/env.h"

#include <math.h>
#include <string.h>

/* What the tasks of a step or a reset share. */
typedef struct work {
    fst_env *env;
    const int64_t *indices;
    int64_t count;
    bool reset;
    _Atomic int64_t faulty; /* least position with something that is not finite; count: none */
} work;

static double *state_of(const fst_env *env, int64_t e)
{
    return fst__env_row(env->states, e, env->state_bytes);
}

/* A path that is full keeps every second of its points from then on. */
static void trail_append(fst_env *env, int64_t e)
{
    if (!env->trail || env->steps[e] % env->trail_strides[e] != 0)
        return;
    float *points = env->trails + e * env->trail_capacity * env->trail;
    if (env->trail_points[e] == env->trail_capacity) {
        for (int64_t i = 1; 2 * i < env->trail_capacity; ++i)
            memcpy(points + i * env->trail, points + 2 * i * env->trail, (size_t)env->trail * sizeof *points);
        env->trail_points[e] = (env->trail_capacity + 1) / 2;
        env->trail_strides[e] *= 2;
        if (env->steps[e] % env->trail_strides[e] != 0)
            return;
    }
    float *point = points + env->trail_points[e] * env->trail;
    for (int32_t i = 0; i < env->trail; ++i)
        point[i] = (float)state_of(env, e)[i];
    env->trail_points[e] += 1;
}

void fst__env_trail_begin(fst_env *env, int64_t e)
{
    if (!env->trail)
        return;
    env->trail_points[e] = 0;
    env->trail_strides[e] = 1;
    trail_append(env, e);
}

static void observe(fst_env *env, int64_t e, unsigned char *rows)
{
    env->kind->observe(env->kind, &env->make, state_of(env, e), rows + e * env->observation_bytes);
}

static void tell_choices(fst_env *env, int64_t e)
{
    if (env->choices) {
        uint8_t *mask = env->masks + e * env->choices;
        memset(mask, 1, (size_t)env->choices);
        env->kind->mask(env->kind, &env->make, state_of(env, e), mask);
    }
    if (env->movers)
        env->movers[e] = (uint8_t)env->kind->player(env->kind, &env->make, state_of(env, e));
}

void fst__env_native_observe(fst_env *env, int64_t e)
{
    observe(env, e, env->observations);
    tell_choices(env, e);
}

fst_status fst__env_native_check(const fst_env *env, int64_t e)
{
    if (env->observation_space.kind != FST_SPACE_BOX || env->observation_space.dtype != FST_F32)
        return FST_OK;
    const float *row = fst__env_row(env->observations, e, env->observation_bytes);
    int64_t count = env->observation_bytes / (int64_t)sizeof *row;
    for (int64_t i = 0; i < count; ++i)
        if (!isfinite(row[i]))
            return fst__fail(FST_ERR_NUMERIC, "observation[%lld] is %g", (long long)i, (double)row[i]);
    return FST_OK;
}

static bool begin_one(fst_env *env, int64_t e)
{
    env->kind->reset(env->kind, &env->make, (uint64_t)env->seeds[e], state_of(env, e));
    fst__env_trail_begin(env, e);
    fst__env_native_observe(env, e);
    return fst__env_native_check(env, e) == FST_OK;
}

/* False: a reward or an observation that is not finite; the rows tell which. */
static bool step_one(fst_env *env, int64_t e)
{
    fst__env_move move = {
        .options = &env->make,
        .state = state_of(env, e),
        .action = fst__env_row(env->actions, e, env->action_bytes),
        .seed = (uint64_t)env->seeds[e],
        .step = env->steps[e] + 1,
    };
    env->kind->step(env->kind, &move);
    bool ended = fst__env_book_step(env, e, move.reward, move.terminated, move.truncated);
    trail_append(env, e);
    observe(env, e, env->observations);
    if (!isfinite(move.reward) || fst__env_native_check(env, e))
        return false;
    if (ended)
        memcpy(env->final_observations + e * env->observation_bytes, env->observations + e * env->observation_bytes,
               (size_t)env->observation_bytes);
    if (ended && env->auto_reset) {
        fst__env_begin_episode(env, e, env->episodes[e] + 1);
        return begin_one(env, e);
    }
    tell_choices(env, e);
    return true;
}

static void lower(_Atomic int64_t *least, int64_t value)
{
    int64_t seen = atomic_load(least);
    while (value < seen && !atomic_compare_exchange_weak(least, &seen, value))
        ;
}

static void run_chunk(void *context, int64_t index, int32_t worker)
{
    work *w = context;
    int64_t begin = index * w->env->chunk, end = begin + w->env->chunk;
    for (int64_t i = begin; i < end && i < w->count; ++i) {
        int64_t e = w->indices[i];
        if (!(w->reset ? begin_one(w->env, e) : step_one(w->env, e)))
            lower(&w->faulty, i);
    }
}

static fst_status run(fst_env *env, const int64_t *indices, int64_t count, bool reset)
{
    work w = {.env = env, .indices = indices, .count = count, .reset = reset};
    atomic_init(&w.faulty, count);
    int64_t chunks = (count - 1) / env->chunk + 1;
    if (chunks == 1)
        run_chunk(&w, 0, 0); /* without the pool's lock */
    else
        fst__pool_run(env->context->pool, chunks, run_chunk, &w);
    int64_t faulty = atomic_load(&w.faulty);
    if (faulty == count)
        return FST_OK;
    int64_t e = indices[faulty];
    if (!isfinite(env->rewards[e]))
        return fst__env_fail_reward(env, e, env->steps[e], env->rewards[e]);
    /* On this thread once more: texts of errors are a thread's own. */
    return fst__env_fail_at(env, e, env->steps[e], fst__env_native_check(env, e));
}

fst_status fst__env_native_reset(fst_env *env, const int64_t *indices, int64_t count)
{
    return run(env, indices, count, true);
}

fst_status fst__env_native_step(fst_env *env, const int64_t *indices, int64_t count)
{
    return run(env, indices, count, false);
}
