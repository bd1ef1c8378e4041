#include "env/env.h"

#include "base/checked.h"
#include "env/kinds.h"

#include <string.h>

/* A task of the pool should take longer than handing it over. */
enum { TASK_NANOSECONDS = 10000 };
enum { MOST_TRAIL_POINTS = 1024 };

fst_env_options fst__env_defaults(void)
{
    return (fst_env_options){.struct_size = sizeof(fst_env_options), .count = 1, .players = 1, .auto_reset = 1};
}

fst_env_make_options fst__env_make_defaults(void)
{
    return (fst_env_make_options){
        .struct_size = sizeof(fst_env_make_options),
        .count = 1,
        .max_steps = -1,
        .auto_reset = 1,
        .slippery = 1,
        .robot_obstacles = 6,
        .robot_moving = 2,
        .robot_rays = 24,
        .robot_noise = 1,
    };
}

static void destroy(fst_env *env)
{
    fst_context *context = env->context;
    fst__allocator *allocator = &context->allocator;
    void *const arrays[] = {
        env->states,           env->observations,      env->final_observations, env->actions,
        env->rewards,          env->returns,           env->terminated,         env->truncated,
        env->begins,           env->masks,             env->movers,             env->lengths,
        env->episodes,         env->steps,             env->seeds,              env->everyone,
        env->trails,           env->trail_points,      env->trail_strides,      env->drafts.observations,
        env->drafts.rewards,   env->drafts.terminated, env->drafts.truncated,   env->drafts.masks,
        env->drafts.players,   env->drafts.indices,    env->drafts.seeds,       env->name,
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; ++i)
        fst__free(allocator, arrays[i]);
    fst__text_destroy(&env->picture);
    fst__space_free(allocator, &env->action_space);
    fst__space_free(allocator, &env->observation_space);
    fst__free(allocator, env);
    fst__context_release(context);
}

fst_env *fst__env_retain(fst_env *env)
{
    atomic_fetch_add(&env->references, 1);
    return env;
}

void fst__env_release(fst_env *env)
{
    if (!env || atomic_fetch_sub(&env->references, 1) != 1)
        return;
    void (*farewell)(void *) = env->callbacks.destroy;
    void *user = env->callbacks.user;
    destroy(env);
    if (farewell)
        farewell(user);
}

static fst_status start(fst_context *context, const char *name, fst_env **out)
{
    fst_env *env = fst__alloc_zero(&context->allocator, sizeof *env);
    if (!env)
        return FST_ERR_NO_MEMORY;
    atomic_init(&env->references, 1);
    env->context = fst__context_retain(context);
    env->picture = fst__text_create(&context->allocator);
    env->name = fst__strdup(&context->allocator, name);
    if (!env->name) {
        destroy(env);
        return FST_ERR_NO_MEMORY;
    }
    *out = env;
    return FST_OK;
}

/* Rows of zeros; what is wanted of nothing stays NULL. */
static fst_status rows(fst_env *env, void *pointer, int64_t elements, size_t size)
{
    size_t total;
    if (elements == 0)
        return FST_OK;
    if (!fst__mul_size((size_t)env->count, (size_t)elements, &total) || !fst__mul_size(total, size, &total))
        return fst__fail(FST_ERR_NO_MEMORY, "%lld environments of %s are more than memory can hold",
                         (long long)env->count, env->name);
    void *block = fst__alloc_zero(&env->context->allocator, total);
    memcpy(pointer, &block, sizeof block);
    return block ? FST_OK : FST_ERR_NO_MEMORY;
}

typedef struct row_plan {
    void *pointer; /* to the pointer that gets the rows */
    int64_t elements;
    size_t size;
} row_plan;

static fst_status all_rows(fst_env *env, const row_plan *plan, size_t count)
{
    fst_status status = FST_OK;
    for (size_t i = 0; !status && i < count; ++i)
        status = rows(env, plan[i].pointer, plan[i].elements, plan[i].size);
    return status;
}

/* Spaces, counts and sizes are known. */
static fst_status make_rows(fst_env *env)
{
    env->observation_bytes = fst__space_bytes(&env->observation_space);
    env->action_bytes = fst__space_bytes(&env->action_space);
    int64_t movers = env->players == 2, drafts = !env->kind, points = env->trail > 0;
    const row_plan plan[] = {
        {&env->states, env->state_bytes, 1},
        {&env->observations, env->observation_bytes, 1},
        {&env->final_observations, env->observation_bytes, 1},
        {&env->actions, env->action_bytes, 1},
        {&env->rewards, 1, sizeof(double)},
        {&env->returns, 1, sizeof(double)},
        {&env->terminated, 1, 1},
        {&env->truncated, 1, 1},
        {&env->begins, 1, 1},
        {&env->masks, env->choices, 1},
        {&env->movers, movers, 1},
        {&env->lengths, 1, sizeof(int64_t)},
        {&env->episodes, 1, sizeof(int64_t)},
        {&env->steps, 1, sizeof(int64_t)},
        {&env->seeds, 1, sizeof(int64_t)},
        {&env->everyone, 1, sizeof(int64_t)},
        {&env->trails, env->trail_capacity * env->trail, sizeof(float)},
        {&env->trail_points, points, sizeof(int64_t)},
        {&env->trail_strides, points, sizeof(int64_t)},
        {&env->drafts.observations, drafts * env->observation_bytes, 1},
        {&env->drafts.rewards, drafts, sizeof(double)},
        {&env->drafts.terminated, drafts, 1},
        {&env->drafts.truncated, drafts, 1},
        {&env->drafts.masks, drafts * env->choices, 1},
        {&env->drafts.players, drafts * movers, 1},
        {&env->drafts.indices, drafts, sizeof(int64_t)},
        {&env->drafts.seeds, drafts, sizeof(int64_t)},
    };
    fst_status status = all_rows(env, plan, sizeof plan / sizeof *plan);
    for (int64_t e = 0; !status && e < env->count; ++e)
        env->everyone[e] = e;
    return status;
}

static fst_status check_range(const char *options, const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most)
        return FST_OK;
    if (most == INT64_MAX)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.%s is %lld, expected at least %lld", options, field,
                         (long long)value, (long long)least);
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.%s is %lld, expected %lld … %lld", options, field,
                     (long long)value, (long long)least, (long long)most);
}

/* ---- callbacks ---- */

static fst_status check_callbacks(const fst_env_options *options)
{
    static const char name[] = "fst_env_options";
    fst_status status = check_range(name, "count", options->count, 1, INT64_MAX);
    if (!status && (!options->reset || !options->step))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_env_options.%s is NULL",
                           options->reset ? "step" : "reset");
    if (!status && (!options->observation_space || !options->action_space))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_env_options.%s is NULL",
                           options->observation_space ? "action_space" : "observation_space");
    if (!status)
        status = check_range(name, "state_bytes", options->state_bytes, 0, INT32_MAX);
    if (!status && options->state_bytes > 0 && (!options->save || !options->load))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_env_options.state_bytes is %lld, but %s is NULL",
                           (long long)options->state_bytes, options->save ? "load" : "save");
    if (!status)
        status = check_range(name, "max_steps", options->max_steps, 0, INT64_MAX);
    if (!status)
        status = check_range(name, "masked", options->masked, 0, 1);
    if (!status)
        status = check_range(name, "players", options->players, 1, 2);
    if (!status)
        status = check_range(name, "auto_reset", options->auto_reset, 0, 1);
    return status ? status : check_range(name, "reserved", options->reserved, 0, 0);
}

fst_status fst__env_create(fst_context *context, const fst_env_options *options, fst_env **out)
{
    fst_env *env = NULL;
    fst_space observation, action;
    fst_status status = check_callbacks(options);
    if (!status)
        status = fst__space_take(options->observation_space, "fst_env_options.observation_space", &observation);
    if (!status)
        status = fst__space_take(options->action_space, "fst_env_options.action_space", &action);
    if (!status && options->masked && fst__space_choices(&action) == 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "fst_env_options.masked is 1, but only Discrete and MultiDiscrete actions have masks");
    if (!status)
        status = start(context, options->name ? options->name : "environment", &env);
    if (status)
        return status;
    env->count = options->count;
    env->max_steps = options->max_steps;
    env->players = options->players;
    env->auto_reset = options->auto_reset;
    env->state_bytes = options->state_bytes;
    env->choices = options->masked ? fst__space_choices(&action) : 0;
    status = fst__space_copy(&context->allocator, &observation, &env->observation_space);
    if (!status)
        status = fst__space_copy(&context->allocator, &action, &env->action_space);
    if (!status)
        status = make_rows(env);
    if (status) {
        destroy(env);
        return status;
    }
    env->callbacks = *options;
    *out = env;
    return FST_OK;
}

/* ---- built in ---- */

static fst_status not_built_in(fst_context *context, const char *name)
{
    fst__text text = fst__text_create(&context->allocator);
    for (int64_t i = 0; i < fst__env_kind_count(); ++i)
        fst__text_printf(&text, "%s%s", i ? ", " : "", fst__env_kind_at(i)->name);
    fst_status status = fst__fail(FST_ERR_NOT_FOUND, "no environment \"%.100s\" is built in; there are %s", name,
                                  text.failed ? "others" : text.data);
    fst__text_destroy(&text);
    return status;
}

static fst_status check_make(const fst_env_make_options *options)
{
    static const char name[] = "fst_env_make_options";
    fst_status status = check_range(name, "count", options->count, 1, INT64_MAX);
    if (!status)
        status = check_range(name, "max_steps", options->max_steps, -1, INT64_MAX);
    if (!status)
        status = check_range(name, "auto_reset", options->auto_reset, 0, 1);
    return status ? status : check_range(name, "slippery", options->slippery, 0, 1);
}

/* What the shape says, and room for all of it. */
static fst_status take_shape(fst_env *env, const fst__env_shape *shape)
{
    fst__allocator *allocator = &env->context->allocator;
    env->count = env->make.count;
    env->max_steps = env->make.max_steps >= 0 ? env->make.max_steps : shape->max_steps;
    env->players = env->kind->players == 2 ? 2 : 1;
    env->auto_reset = env->make.auto_reset;
    env->state_bytes = shape->state * (int64_t)sizeof(double);
    env->choices = env->kind->mask ? fst__space_choices(&shape->action) : 0;
    env->chunk = shape->nanoseconds >= TASK_NANOSECONDS ? 1 : TASK_NANOSECONDS / (shape->nanoseconds + 1);
    env->trail = shape->trail;
    env->trail_capacity = shape->trail ? MOST_TRAIL_POINTS : 0;
    if (shape->trail && env->max_steps > 0 && env->max_steps < MOST_TRAIL_POINTS)
        env->trail_capacity = env->max_steps + 1;
    fst_status status = fst__space_copy(allocator, &shape->observation, &env->observation_space);
    if (!status)
        status = fst__space_copy(allocator, &shape->action, &env->action_space);
    return status ? status : make_rows(env);
}

fst_status fst__env_make(fst_context *context, const char *name, const fst_env_make_options *options, fst_env **out)
{
    const fst__env_kind *kind = fst__env_kind_find(name);
    if (!kind)
        return not_built_in(context, name);
    fst__allocator *allocator = &context->allocator;
    fst_env *env = NULL;
    fst__env_shape *shape = NULL; /* too large for the stacks of some hosts */
    fst_status status = check_make(options);
    if (!status)
        status = start(context, name, &env);
    if (status)
        return status;
    env->kind = kind;
    env->make = *options;
    shape = fst__alloc_zero(allocator, sizeof *shape);
    if (!shape) {
        status = FST_ERR_NO_MEMORY;
        goto fail;
    }
    shape->observation = shape->action = fst__space_defaults();
    status = kind->describe(kind, &env->make, shape);
    if (!status)
        status = take_shape(env, shape);
    if (status)
        goto fail;
    fst__free(allocator, shape);
    *out = env;
    return FST_OK;

fail:
    fst__free(allocator, shape);
    destroy(env);
    return status;
}

fst_status fst__env_check_ready(const fst_env *env, const char *function)
{
    if (env->busy)
        return fst__fail(FST_ERR_BUSY, "%s was called from the environment's own callback", function);
    if (env->failed)
        return fst__fail(FST_ERR_STATE, "%s: %s has failed; only fst_env_reset begins anew", function, env->name);
    if (!env->began)
        return fst__fail(FST_ERR_STATE, "%s: %s has not begun: fst_env_reset comes first", function, env->name);
    return FST_OK;
}
