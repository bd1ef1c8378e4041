/* Runs in environments small enough to be made a hundred times. */
#ifndef TESTS_SUPPORT_SMALL_PLAY_H
#define TESTS_SUPPORT_SMALL_PLAY_H

#include "fourstage/context.h"
#include "fourstage/control.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLAY_OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

typedef struct small_play_config {
    const char *env; /* built in; NULL: the host acts */
    int64_t count;   /* environments */
    const char *spaces; /* built in, whose spaces the policy has */
    fst_control_policy_options policy;
    fst_control_options control; /* handles are filled in */
    fst_run_options run;
    fst_context_options context;
    int32_t validate;
    int64_t max_steps;
} small_play_config;

typedef struct small_play {
    fst_context *context;
    fst_env *spaces, *env, *validation;
    fst_policy *policy;
    fst_run *run;
} small_play;

static inline small_play_config small_play_defaults(const char *env)
{
    small_play_config c = {.env = env, .count = 3, .spaces = env, .max_steps = -1};
    PLAY_OK(fst_context_options_init(&c.context, sizeof c.context));
    c.context.threads = 1;
    c.context.seed = 5;
    PLAY_OK(fst_control_policy_options_init(&c.policy, sizeof c.policy));
    PLAY_OK(fst_control_options_init(&c.control, sizeof c.control));
    PLAY_OK(fst_run_options_init(&c.run, sizeof c.run));
    c.policy.width = 8;
    c.control.steps = 40;
    c.control.minibatch = 50;
    c.control.epochs = 2;
    c.run.total_steps = 2;
    return c;
}

static inline fst_env *small_play_env(fst_context *context, const char *name, int64_t count, int64_t max_steps)
{
    fst_env *env;
    fst_env_make_options options;
    PLAY_OK(fst_env_make_options_init(&options, sizeof options));
    options.count = count;
    options.max_steps = max_steps;
    PLAY_OK(fst_env_make(context, name, &options, &env));
    return env;
}

/* Everything but the run. */
static inline void small_play_prepare(small_play *p, const small_play_config *c)
{
    *p = (small_play){0};
    PLAY_OK(fst_context_create(&c->context, &p->context));
    p->spaces = small_play_env(p->context, c->spaces, 1, -1);
    if (c->env)
        p->env = small_play_env(p->context, c->env, c->count, c->max_steps);
    if (c->validate)
        p->validation = small_play_env(p->context, c->spaces, 2, c->max_steps);
    fst_space observations = {.struct_size = sizeof observations}, actions = {.struct_size = sizeof actions};
    PLAY_OK(fst_env_observation_space(p->spaces, &observations, sizeof observations));
    PLAY_OK(fst_env_action_space(p->spaces, &actions, sizeof actions));
    fst_control_policy_options options = c->policy;
    options.observation_space = &observations;
    options.action_space = &actions;
    PLAY_OK(fst_policy_create_control(p->context, &options, &p->policy));
}

static inline fst_status small_play_start(small_play *p, const small_play_config *c)
{
    fst_control_options options = c->control;
    options.policy = p->policy;
    options.env = p->env;
    options.validation = p->validation;
    options.run = &c->run;
    if (!c->env)
        options.environments = c->count;
    return fst_control_create(&options, &p->run);
}

static inline void small_play_create(small_play *p, const small_play_config *c)
{
    small_play_prepare(p, c);
    PLAY_OK(small_play_start(p, c));
}

/* Handles go before what uses them. */
static inline void small_play_destroy(small_play *p)
{
    fst_context_destroy(p->context);
    fst_env_destroy(p->spaces);
    fst_env_destroy(p->env);
    fst_env_destroy(p->validation);
    fst_policy_destroy(p->policy);
    fst_run_destroy(p->run);
    *p = (small_play){0};
}

static inline double small_play_metric(const fst_run *run, const char *name)
{
    double value;
    PLAY_OK(fst_run_metric(run, name, &value));
    return value;
}

/* All weights in order; the caller frees them. */
static inline float *small_play_weights(const small_play *p, int64_t *count)
{
    fst_model *model;
    int64_t parameters;
    float *all = NULL;
    *count = 0;
    PLAY_OK(fst_policy_get_model(p->policy, &model));
    PLAY_OK(fst_model_parameter_count(model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view view;
        PLAY_OK(fst_model_parameter_name(model, i, &name));
        PLAY_OK(fst_model_parameter(model, name, &view));
        int64_t size = 1;
        for (int32_t d = 0; d < view.rank; ++d)
            size *= view.shape[d];
        all = realloc(all, (size_t)(*count + size) * sizeof *all);
        memcpy(all + *count, view.data, (size_t)size * sizeof *all);
        *count += size;
    }
    return all;
}

/* The host's loop: plays `steps` steps of an environment of its own, through act and observe. */
static inline void small_play_host(small_play *p, fst_env *game, int64_t steps, int64_t action_bytes)
{
    fst_env_batch b = {.struct_size = sizeof b};
    PLAY_OK(fst_env_get_batch(game, &b, sizeof b));
    void *actions = malloc((size_t)(b.count * action_bytes));
    for (int64_t i = 0; i < steps; ++i) {
        PLAY_OK(fst_control_act(p->run, b.observations, b.masks, actions));
        PLAY_OK(fst_env_step(game, actions));
        PLAY_OK(fst_env_get_batch(game, &b, sizeof b));
        PLAY_OK(fst_control_observe(p->run, b.rewards, b.terminated, b.truncated, b.final_observations));
    }
    free(actions);
}

#endif
