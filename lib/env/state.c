/* States, of one environment and of the whole batch. */
#include "env/env.h"

#include "base/checked.h"

#include <math.h>
#include <string.h>

/* No counter that is taken from outside is larger: what is added to it does not overflow. */
#define MOST_COUNTED (INT64_MAX / 4)

int64_t fst__env_state_size(const fst_env *env)
{
    if (env->kind || env->state_bytes == 0)
        return env->state_bytes;
    return env->state_bytes + env->observation_bytes + env->choices + (env->movers ? 1 : 0);
}

static fst_status check_doubles(const fst_env *env, int64_t e, const void *state)
{
    int64_t count = env->state_bytes / (int64_t)sizeof(double);
    for (int64_t i = 0; i < count; ++i) {
        double value;
        memcpy(&value, (const unsigned char *)state + (size_t)i * sizeof value, sizeof value);
        if (!isfinite(value))
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: environment %lld: state[%lld] is %g", env->name,
                             (long long)e, (long long)i, value);
    }
    return FST_OK;
}

/* The state stands in its row. */
static fst_status check_state(const fst_env *env, int64_t e)
{
    const double *state = fst__env_row(env->states, e, env->state_bytes);
    fst_status status = check_doubles(env, e, state);
    if (!status && env->kind->accepts && !env->kind->accepts(env->kind, &env->make, state))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: environment %lld: not a state that there can be", env->name,
                           (long long)e);
    return status;
}

fst_status fst__env_get_state(fst_env *env, int64_t index, void *state)
{
    if (env->kind) {
        memcpy(state, fst__env_row(env->states, index, env->state_bytes), (size_t)env->state_bytes);
        return FST_OK;
    }
    unsigned char *at = state;
    fst_status status = fst__env_callback_save(env, index, at);
    at += env->state_bytes;
    memcpy(at, env->observations + index * env->observation_bytes, (size_t)env->observation_bytes);
    at += env->observation_bytes;
    if (env->choices)
        memcpy(at, env->masks + index * env->choices, (size_t)env->choices);
    if (env->movers)
        at[env->choices] = env->movers[index];
    return status;
}

/* A state in place of the present one, and back if it makes no finite observation. */
static fst_status set_native(fst_env *env, int64_t e, const void *state)
{
    unsigned char *row = fst__env_row(env->states, e, env->state_bytes);
    unsigned char *before = fst__alloc(&env->context->allocator, (size_t)env->state_bytes);
    if (!before)
        return FST_ERR_NO_MEMORY;
    memcpy(before, row, (size_t)env->state_bytes);
    memcpy(row, state, (size_t)env->state_bytes);
    fst_status status = check_state(env, e);
    if (!status) {
        fst__env_native_observe(env, e);
        if (fst__env_native_check(env, e))
            status = fst__fail_in(FST_ERR_INVALID_ARGUMENT, "%s: environment %lld: of the state", env->name,
                                  (long long)e);
    }
    if (status) {
        memcpy(row, before, (size_t)env->state_bytes);
        fst__env_native_observe(env, e);
    } else {
        fst__env_trail_begin(env, e);
    }
    fst__free(&env->context->allocator, before);
    return status;
}

/* The observation may stand anywhere in the state: it is copied to where numbers are aligned first. */
static fst_status set_of_callbacks(fst_env *env, int64_t e, const unsigned char *state)
{
    const unsigned char *observation = state + env->state_bytes, *mask = observation + env->observation_bytes;
    unsigned char *draft = env->drafts.observations + e * env->observation_bytes;
    memcpy(draft, observation, (size_t)env->observation_bytes);
    fst_status status = fst__space_check_value(&env->observation_space, draft, "observation");
    if (!status && env->choices)
        status = fst__space_check_mask(&env->action_space, mask);
    if (!status && env->movers && mask[env->choices] > 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "the player is %d, expected 0 or 1", (int)mask[env->choices]);
    if (status) {
        memcpy(draft, env->observations + e * env->observation_bytes, (size_t)env->observation_bytes);
        return fst__fail_in(FST_ERR_INVALID_ARGUMENT, "%s: environment %lld: state", env->name, (long long)e);
    }
    status = fst__env_callback_load(env, e, state);
    if (status) {
        env->failed = true; /* nobody knows what the callback has changed */
        return status;
    }
    memcpy(env->observations + e * env->observation_bytes, draft, (size_t)env->observation_bytes);
    if (env->choices)
        memcpy(env->masks + e * env->choices, mask, (size_t)env->choices);
    if (env->movers)
        env->movers[e] = mask[env->choices];
    return FST_OK;
}

fst_status fst__env_set_state(fst_env *env, int64_t index, const void *state)
{
    if (fst__env_has_ended(env, index))
        return fst__fail(FST_ERR_STATE, "fst_env_set_state: %s: environment %lld: episode %lld has ended", env->name,
                         (long long)index, (long long)env->episodes[index]);
    return env->kind ? set_native(env, index, state) : set_of_callbacks(env, index, state);
}

/* ---- the whole batch ---- */

bool fst__env_can_be_saved(const fst_env *env)
{
    return env->state_bytes > 0 && env->began && !env->failed && !env->busy;
}

static void part(fst__env_part *parts, int *count, const char *name, void *data, int32_t dtype, int64_t rows,
                 int64_t columns)
{
    if (!data)
        return;
    fst__env_part *each = &parts[(*count)++];
    each->name = name;
    each->view = (fst_view){.data = data, .dtype = dtype, .rank = columns ? 2 : 1};
    each->view.shape[0] = rows;
    each->view.strides[0] = columns ? columns : 1;
    if (columns) {
        each->view.shape[1] = columns;
        each->view.strides[1] = 1;
    }
}

int fst__env_parts(fst_env *env, fst__env_part parts[FST__ENV_MOST_PARTS])
{
    int64_t n = env->count;
    int count = 0;
    part(parts, &count, "seed", &env->seed, FST_I64, 1, 0);
    if (env->kind)
        part(parts, &count, "states", env->states, FST_F64, n, env->state_bytes / (int64_t)sizeof(double));
    else
        part(parts, &count, "states", env->states, FST_U8, n, env->state_bytes);
    part(parts, &count, "observations", env->observations, FST_U8, n, env->observation_bytes);
    part(parts, &count, "final_observations", env->final_observations, FST_U8, n, env->observation_bytes);
    part(parts, &count, "rewards", env->rewards, FST_F64, n, 0);
    part(parts, &count, "terminated", env->terminated, FST_U8, n, 0);
    part(parts, &count, "truncated", env->truncated, FST_U8, n, 0);
    part(parts, &count, "begins", env->begins, FST_U8, n, 0);
    part(parts, &count, "masks", env->masks, FST_U8, n, env->choices);
    part(parts, &count, "players", env->movers, FST_U8, n, 0);
    part(parts, &count, "returns", env->returns, FST_F64, n, 0);
    part(parts, &count, "lengths", env->lengths, FST_I64, n, 0);
    part(parts, &count, "episodes", env->episodes, FST_I64, n, 0);
    part(parts, &count, "steps", env->steps, FST_I64, n, 0);
    part(parts, &count, "seeds", env->seeds, FST_I64, n, 0);
    part(parts, &count, "trails", env->trails, FST_F32, n, env->trail_capacity * env->trail);
    part(parts, &count, "trail_points", env->trail_points, FST_I64, n, 0);
    part(parts, &count, "trail_strides", env->trail_strides, FST_I64, n, 0);
    return count;
}

fst_status fst__env_gather(fst_env *env)
{
    fst_status status = FST_OK;
    for (int64_t e = 0; !env->kind && !status && e < env->count; ++e)
        status = fst__env_callback_save(env, e, fst__env_row(env->states, e, env->state_bytes));
    return status;
}

static bool within(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

/* Everything but state and observation. */
static bool row_is_possible(const fst_env *env, int64_t e)
{
    bool good = within(env->episodes[e], 0, MOST_COUNTED) && within(env->steps[e], 0, MOST_COUNTED) &&
                within(env->lengths[e], 0, MOST_COUNTED) && within(env->seeds[e], 0, ((int64_t)1 << 53) - 1) &&
                isfinite(env->rewards[e]) && isfinite(env->returns[e]) && env->terminated[e] <= 1 &&
                env->truncated[e] <= 1 && env->terminated[e] + env->truncated[e] <= 1 && env->begins[e] <= 1 &&
                (!env->movers || env->movers[e] <= 1);
    if (good && env->trail)
        good = within(env->trail_points[e], 0, env->trail_capacity) && within(env->trail_strides[e], 1, MOST_COUNTED);
    if (good && env->choices && !fst__env_has_ended(env, e))
        good = fst__space_check_mask(&env->action_space, env->masks + e * env->choices) == FST_OK;
    return good;
}

static fst_status check_restored(const fst_env *env, int64_t e)
{
    if (!row_is_possible(env, e))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: environment %lld: not a state that there can be", env->name,
                         (long long)e);
    const unsigned char *rows[] = {env->observations, env->final_observations};
    bool ended = env->terminated[e] || env->truncated[e];
    for (int i = 0; i < (env->kind ? 0 : ended ? 2 : 1); ++i) {
        fst_status status =
            fst__space_check_value(&env->observation_space, rows[i] + e * env->observation_bytes, "observation");
        if (status)
            return fst__fail_in(status, "%s: environment %lld", env->name, (long long)e);
    }
    return env->kind ? check_state(env, e) : FST_OK;
}

fst_status fst__env_scatter(fst_env *env)
{
    fst_status status = within(env->seed, 0, ((int64_t)1 << 53) - 1)
                            ? FST_OK
                            : fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: not a seed that there can be", env->name);
    for (int64_t e = 0; !status && e < env->count; ++e)
        status = check_restored(env, e);
    for (int64_t e = 0; !status && !env->kind && e < env->count; ++e) {
        memcpy(env->drafts.observations + e * env->observation_bytes, env->observations + e * env->observation_bytes,
               (size_t)env->observation_bytes);
        status = fst__env_callback_load(env, e, fst__env_row(env->states, e, env->state_bytes));
    }
    env->began = true;
    env->failed = status != FST_OK;
    return status;
}
