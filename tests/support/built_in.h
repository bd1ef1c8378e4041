/* Built-in environments for tests: made in one line, and numbers to act by. */
#ifndef FST_TESTS_BUILT_IN_H
#define FST_TESTS_BUILT_IN_H

#include "fourstage/env.h"
#include "tiny_model.h"

static inline fst_env *built_in(fst_context *context, const char *name, int64_t count, int32_t auto_reset)
{
    fst_env_make_options options;
    fst_env *env;
    REQUIRE(fst_env_make_options_init(&options, sizeof options));
    options.count = count;
    options.auto_reset = auto_reset;
    REQUIRE(fst_env_make(context, name, &options, &env));
    return env;
}

static inline fst_env_batch batch_of(const fst_env *env)
{
    fst_env_batch batch;
    REQUIRE(fst_env_get_batch(env, &batch, sizeof batch));
    return batch;
}

static inline fst_env_info info_of(const fst_env *env)
{
    fst_env_info info;
    REQUIRE(fst_env_get_info(env, &info, sizeof info));
    return info;
}

/* 0 … count − 1 */
static inline int32_t drawn(uint64_t *state, int32_t count)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (int32_t)((*state >> 33) % (uint64_t)count);
}

/* Actions of all environments: [count] of the action space, allowed ones. */
static inline void draw_actions(const fst_env *env, uint64_t *state, void *actions)
{
    fst_space space;
    fst_env_batch batch = batch_of(env);
    REQUIRE(fst_env_action_space(env, &space, sizeof space));
    for (int64_t e = 0; e < batch.count; ++e) {
        if (space.kind == FST_SPACE_BOX) {
            for (int64_t i = 0; i < space.shape[0]; ++i)
                ((float *)actions)[e * space.shape[0] + i] = (float)drawn(state, 2001) / 1000 - 1;
        } else {
            int32_t action = drawn(state, (int32_t)space.n);
            while (batch.masks && !batch.masks[e * space.n + action])
                action = (action + 1) % (int32_t)space.n;
            ((int32_t *)actions)[e] = action;
        }
    }
}

#endif
