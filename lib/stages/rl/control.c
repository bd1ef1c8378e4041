#include "stages/rl/control.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/options.h"
#include "base/random.h"
#include "model/optimizer.h"
#include "model/policy.h"
#include "tensor/space.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *const metrics[] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__PLAY_RETURN) = "episode_return",
    AT(FST__PLAY_LENGTH) = "episode_length",
    AT(FST__PLAY_EPISODES) = "episodes",
    AT(FST__PLAY_WIN_SHARE) = "win_share",
    AT(FST__PLAY_APPROXIMATE_KL) = "approximate_kl",
    AT(FST__PLAY_CLIP_FRACTION) = "clip_fraction",
    AT(FST__PLAY_RATIO) = "ratio",
    AT(FST__PLAY_FIRST_RATIO_ERROR) = "first_ratio_error",
    AT(FST__PLAY_ENTROPY) = "entropy",
    AT(FST__PLAY_EXPLAINED_VARIANCE) = "explained_variance",
    AT(FST__PLAY_POLICY_LOSS) = "policy_loss",
    AT(FST__PLAY_VALUE_LOSS) = "value_loss",
    AT(FST__PLAY_CLIP) = "clip",
    AT(FST__PLAY_UPDATES) = "updates",
    AT(FST__PLAY_CLIP_FACTOR) = "clip_factor",
    AT(FST__PLAY_ROLLOUT_SECONDS) = "rollout_seconds",
    AT(FST__PLAY_UPDATE_SECONDS) = "update_seconds",
    AT(FST__PLAY_ENVIRONMENT_SECONDS) = "environment_seconds",
    AT(FST__PLAY_VALIDATION_RETURN) = "validation_return",
    AT(FST__PLAY_VALIDATION_LENGTH) = "validation_length",
    AT(FST__PLAY_VALIDATION_SUCCESS) = "validation_success",
#undef AT
};

_Static_assert(FST__PLAY_METRICS_END <= (int)FST__METRIC_MOST, "room for the metrics");
_Static_assert(sizeof(fst__return_statistics) == 3 * sizeof(double), "doubles, no gap");

/* ---- checks */

static bool same_space(const fst_space *one, const fst_space *other)
{
    if (one->kind != other->kind || fst__space_bytes(one) != fst__space_bytes(other))
        return false;
    if (one->kind == FST_SPACE_DISCRETE)
        return one->n == other->n;
    if (one->rank != other->rank || (one->kind == FST_SPACE_BOX && one->dtype != other->dtype))
        return false;
    for (int32_t d = 0; d < one->rank; ++d) {
        if (one->shape[d] != other->shape[d])
            return false;
    }
    for (int64_t i = 0; one->kind == FST_SPACE_MULTI_DISCRETE && i < one->shape[0]; ++i) {
        if (one->counts[i] != other->counts[i])
            return false;
    }
    return true;
}

static fst_status check_env(const fst_control_options *o, const fst_env *env, const char *field)
{
    if (!env)
        return FST_OK;
    if (env->context != o->policy->model->context)
        return fst__fail(FST_ERR_MISMATCH, "fst_control_options.%s and the policy were made from two contexts",
                         field);
    bool observations = same_space(&env->observation_space, fst__control_observation_space(o->policy));
    if (!observations || !same_space(&env->action_space, fst__control_action_space(o->policy)))
        return fst__fail(FST_ERR_MISMATCH, "fst_control_options.%s: the %s space of %s is not the policy's", field,
                         observations ? "action" : "observation", env->name);
    if (!env->auto_reset)
        return fst__fail(FST_ERR_STATE, "fst_control_options.%s: %s was made without auto_reset", field, env->name);
    if (env->players > 1 && fst__control_window(o->policy) > 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_control_options.%s: %s has two players, which a policy over a "
                                                   "window of observations does not play",
                         field, env->name);
    return FST_OK;
}

static fst_status check(const fst_control_options *o)
{
    if (!o->policy)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_control_options.policy: expected a handle, it is NULL");
    fst_status status = fst__control_check(o->policy, "fst_control_create");
    if (!status)
        status = check_env(o, o->env, "env");
    if (!status)
        status = check_env(o, o->validation, "validation");
    if (!status && o->validation && o->validation == o->env)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "fst_control_options.validation: expected another environment than env, whose "
                           "episodes an evaluation would end");
    return status;
}

/* ---- life */

static void destroy_games(fst__games *games)
{
    fst__env_release(games->env);
}

static void destroy(void *state)
{
    fst__play *play = state;
    if (!play)
        return;
    fst_context *context = fst__context_retain(play->context);
    fst__allocator *allocator = &context->allocator;
    for (int64_t i = 0; play->rivals && i < play->options.opponents; ++i)
        fst__policy_release(play->rivals[i]);
    fst__control_history_destroy(&play->trial_history);
    fst__rollout_destroy(&play->rollout);
    for (int32_t i = play->block_count; i-- > 0;)
        fst__free(allocator, play->blocks[i]);
    destroy_games(&play->trial);
    destroy_games(&play->games);
    fst__policy_release(play->policy);
    fst__training_destroy(&play->training);
    fst__free(allocator, play);
    fst__context_release(context);
}

/* A zeroed array of the state's own, in *out. */
static fst_status want(fst__play *play, int64_t count, size_t size, void *out)
{
    size_t bytes;
    if (play->block_count == FST__PLAY_BLOCKS)
        return fst__fail(FST_ERR_INTERNAL, "a run in environments has more arrays than FST__PLAY_BLOCKS");
    if (!fst__mul_size((size_t)count, size, &bytes))
        return fst__fail(FST_ERR_NO_MEMORY, "an array of %" PRId64 " values is too large", count);
    void *block = fst__alloc_zero(&play->context->allocator, bytes);
    if (!block)
        return FST_ERR_NO_MEMORY;
    play->blocks[play->block_count++] = block;
    play->bytes += (int64_t)bytes;
    memcpy(out, &block, sizeof block);
    return FST_OK;
}

/* One after the other until one fails. */
typedef struct array {
    int64_t count;
    size_t size;
    void *out;
} array;

static fst_status want_all(fst__play *play, const array *arrays, size_t count)
{
    fst_status status = FST_OK;
    for (size_t i = 0; i < count && !status; ++i) {
        if (arrays[i].count > 0)
            status = want(play, arrays[i].count, arrays[i].size, arrays[i].out);
    }
    return status;
}

#define WANT_ALL(play, arrays) want_all(play, arrays, sizeof(arrays) / sizeof(arrays)[0])

static fst_status make_games(fst__play *play, fst__games *g)
{
    int64_t count = g->count, choices = g->env && g->env->choices ? play->choices : 0;
    if (!g->env)
        return FST_OK;
    fst__env_batch(g->env, &g->batch);
    g->two = g->env->players > 1;
    g->lost = 1;
    g->out = (fst__outcomes){g->batch.rewards, g->batch.terminated, g->batch.truncated,
                             g->batch.final_observations, NULL};
    if (!g->two)
        return FST_OK;
    const array arrays[] = {
        {count, sizeof *g->gains, &g->gains},
        {count, sizeof *g->signs, &g->signs},
        {count, 1, &g->over},
        {count, 1, &g->terminated},
        {count, 1, &g->truncated},
        {count, play->observation_bytes, &g->finals},
        {count, play->observation_bytes, &g->observations},
        {count, play->row_bytes, &g->rows},
        {count, play->action_bytes, &g->actions},
        {count, play->action_bytes, &g->drawn},
        {choices, (size_t)count, &g->masks},
        {count, sizeof *g->indices, &g->indices},
        {count, sizeof *g->group, &g->group},
        {count, sizeof *g->numbers, &g->numbers},
        {count, sizeof *g->opponents, &g->opponents},
    };
    g->out = (fst__outcomes){0};
    fst_status status = WANT_ALL(play, arrays);
    if (!status)
        g->out = (fst__outcomes){g->gains, g->terminated, g->truncated, g->finals, g->signs};
    return status;
}

static fst_status make_rivals(fst__play *play)
{
    int64_t kept = play->options.opponents;
    if (!play->games.two && !play->trial.two)
        return FST_OK;
    fst_status status = want(play, kept, sizeof *play->rivals, &play->rivals);
    for (int64_t i = 0; i < kept && !status; ++i)
        status = fst__control_copy(play->policy, &play->rivals[i]);
    for (int64_t i = 0; i < kept && !status; ++i)
        status = fst__control_reserve(play->rivals[i], play->games.count > play->trial.count
                                                           ? play->games.count : play->trial.count, 0);
    return status;
}

static fst_status make_trial(fst__play *play)
{
    int64_t count = play->trial.count;
    if (count == 0)
        return FST_OK;
    const array arrays[] = {
        {count, play->row_bytes, &play->trial_rows},
        {count, play->action_bytes, &play->trial_actions},
        {count, sizeof(double), &play->trial_returns},
        {count, sizeof(double), &play->trial_lengths},
        {count, sizeof(int64_t), &play->trial_wanted},
        {count, 1, &play->fresh_trial},
    };
    fst_status status = WANT_ALL(play, arrays);
    return status ? status
                  : fst__control_history_create(&play->context->allocator, play->policy, count,
                                                &play->trial_history);
}

static fst_status make_experience(fst__play *play)
{
    fst__experience *x = &play->experience;
    int64_t count = play->games.count, steps = fst__play_steps(play);
    int64_t slots = (play->window - 1 + play->options.steps) * count, tail = play->window * count;
    int64_t masks = play->games.env && !play->games.env->choices ? 0 : play->choices * steps;
    const array arrays[] = {
        {slots, play->row_bytes, &x->rows},
        {slots, sizeof *x->ages, &x->ages},
        {tail, play->row_bytes, &x->tail},
        {tail, sizeof *x->tail_ages, &x->tail_ages},
        {steps, play->action_bytes, &x->actions},
        {masks, 1, &x->masks},
        {steps, 1, &x->terminated},
        {steps, 1, &x->truncated},
        {steps, sizeof(fst__real), &x->truncation_values},
        {count, sizeof(fst__real), &x->final_values},
        {tail, play->row_bytes, &play->windows},
        {count, sizeof(int32_t), &play->window_lengths},
        {count, play->action_bytes, &play->unrecorded},
        {count, 1, &play->fresh},
        {count, sizeof(double), &play->episodes.returns},
        {count, sizeof(double), &play->episodes.lengths},
        {count, sizeof(double), &play->episodes.discounted},
        {steps, sizeof(int64_t), &play->order},
        {fst__permute_table(steps), sizeof(uint32_t), &play->order_table},
    };
    fst_status status = WANT_ALL(play, arrays);
    if (!status)
        status = fst__rollout_create(&play->context->allocator, count, steps, &play->rollout);
    if (status)
        return status;
    fst__rollout_lay_beside(&play->rollout, play->options.steps);
    memset(play->fresh, 1, (size_t)count);
    return FST_OK;
}

static fst_status make_batch(fst__play *play)
{
    fst__play_batch *b = &play->batch;
    int64_t rows = play->options.minibatch;
    fst__real **reals[] = {&b->log_probabilities, &b->old, &b->advantages, &b->values, &b->old_values,
                           &b->returns, &b->entropies, &b->weights, &b->d_log_probabilities, &b->d_values};
    const array arrays[] = {
        {rows, sizeof *b->steps, &b->steps},
        {rows * play->window, play->row_bytes, &b->rows},
        {play->window > 1 ? rows : 0, sizeof *b->lengths, &b->lengths},
        {rows, play->action_bytes, &b->actions},
        {play->experience.masks ? rows : 0, (size_t)play->choices, &b->masks},
        {rows, 1, &b->valid},
    };
    fst_status status = WANT_ALL(play, arrays);
    for (size_t i = 0; i < sizeof reals / sizeof reals[0] && !status; ++i)
        status = want(play, rows, sizeof(fst__real), reals[i]);
    return status;
}

/* SB3's and CleanRL's: Adam, ε 1e-5, norm 0.5. */
static fst_status make_optimizer(const fst_control_options *o, int64_t updates, fst_optimizer **out)
{
    fst_optimizer_options options = fst__optimizer_defaults();
    options.learning_rate = o->learning_rate;
    options.epsilon = 1e-5;
    options.weight_decay = 0;
    options.clip_norm = 0.5;
    if (o->anneal_learning_rate) {
        options.schedule = FST_SCHEDULE_LINEAR;
        options.total_steps = updates;
    }
    return fst__model_optimizer_create(o->policy->model, &options, out);
}

static fst_status make_training(fst__play *play, const fst_control_options *o, int64_t total_steps)
{
    fst_optimizer *made = NULL;
    int64_t updates = o->epochs * fst__play_batches(play);
    if (o->anneal_learning_rate && !fst__mul_i64(updates, total_steps, &updates))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_run_options.total_steps: too many updates to count");
    fst_status status = o->optimizer ? FST_OK : make_optimizer(o, updates, &made);
    if (!status)
        status = fst__training_create(o->policy->model, made ? made : o->optimizer, "fst_control_options",
                                      &play->training);
    fst__model_optimizer_release(made);
    return status;
}

static void hold(fst__play *play, const fst_control_options *o)
{
    play->options = *o;
    play->options.run = NULL;
    play->policy = o->policy;
    atomic_fetch_add(&o->policy->references, 1);
    play->row_bytes = fst__control_row_bytes(o->policy);
    play->action_bytes = (size_t)fst__space_bytes(fst__control_action_space(o->policy));
    play->observation_bytes = (size_t)fst__space_bytes(fst__control_observation_space(o->policy));
    play->window = fst__control_window(o->policy);
    play->choices = fst__control_choices(o->policy);
    play->exact = o->policy->model->config.backbone == FST_BACKBONE_MLP;
    play->order_pass = -1;
    play->episodes.statistics = (fst__return_statistics){0, 1, 1e-4}; /* as RunningMeanStd begins */
    play->games = (fst__games){.env = o->env ? fst__env_retain(o->env) : NULL, .count = o->environments};
    play->trial = (fst__games){.env = o->validation ? fst__env_retain(o->validation) : NULL,
                               .count = o->validation ? o->validation->count : 0, .salt = 1};
}

static fst_status make_parts(fst__play *play, const fst_control_options *o, int64_t total_steps)
{
    hold(play, o);
    fst_status status = make_training(play, o, total_steps);
    if (!status)
        status = make_experience(play);
    if (!status)
        status = make_batch(play);
    if (!status)
        status = make_games(play, &play->games);
    if (!status)
        status = make_games(play, &play->trial);
    if (!status)
        status = make_trial(play);
    if (!status)
        status = make_rivals(play);
    int64_t acting = o->environments > play->trial.count ? o->environments : play->trial.count;
    return status ? status : fst__control_reserve(play->policy, acting, play->options.minibatch);
}

/* ---- the stage */

static int64_t slices(const fst__play *play)
{
    int64_t slice = fst__play_slice(play);
    return (play->options.steps + slice - 1) / slice;
}

static int64_t micro_step(const fst_run *run)
{
    const fst__play *play = fst__play_of(run);
    return play->estimated ? slices(play) + play->pieces : play->recorded / fst__play_slice(play);
}

static int64_t micro_steps(const fst_run *run)
{
    const fst__play *play = fst__play_of(run);
    return slices(play) + fst__play_recomputed(play) + play->options.epochs * fst__play_batches(play);
}

static void memory(const fst_run *run, fst_memory *memory)
{
    const fst__play *play = fst__play_of(run);
    fst__training_memory(&play->training, memory);
    for (int64_t i = 0; play->rivals && i < play->options.opponents; ++i)
        memory->weights += play->rivals[i]->model->parameters.elements * (int64_t)sizeof(fst__real);
    memory->activations = (int64_t)play->training.model->block_size;
    memory->data = play->bytes + fst__rollout_bytes(&play->rollout);
}

static const fst__stage stage = {
    .name = "control",
    .metrics = metrics,
    .metric_count = sizeof metrics / sizeof metrics[0],
    .advance = fst__play_advance,
    .evaluate = fst__play_evaluate,
    .visit = fst__play_visit,
    .restored = fst__play_restored,
    .micro_step = micro_step,
    .micro_steps = micro_steps,
    .memory = memory,
    .destroy = destroy,
};

bool fst__play_is(const fst_run *run)
{
    return run->stage == &stage;
}

fst_status fst__play_create(const fst_control_options *options, const fst_run_options *run_options,
                            fst_run **out)
{
    fst_control_options resolved = *options;
    fst_status status = check(options);
    if (status)
        return status;
    if (options->env)
        resolved.environments = options->env->count;
    status = fst__play_resolve(&resolved, run_options);
    if (status)
        return status;
    fst_context *context = options->policy->model->context;
    fst__play *play = fst__alloc_zero(&context->allocator, sizeof *play);
    if (!play)
        return FST_ERR_NO_MEMORY;
    play->context = context;
    status = make_parts(play, &resolved, run_options->total_steps);
    if (status) {
        destroy(play);
        return status;
    }
    return fst__run_create(context, &stage, play, options->validation != NULL, run_options, out);
}

/* ---- a host's own loop */

fst_status fst__play_act(fst_run *run, const void *observations, const uint8_t *masks, void *actions)
{
    fst__play *play = fst__play_of(run);
    if (play->games.env)
        return fst__fail(FST_ERR_STATE, "fst_control_act: the run has an environment of its own");
    if (play->acted)
        return fst__fail(FST_ERR_STATE, "fst_control_act: what the last actions led to was not observed; see "
                                        "fst_control_observe");
    if (run->broken)
        return fst__fail(FST_ERR_STATE, "fst_control_act: the run is half-way between two states since "
                                        "fst_run_resume failed");
    bool full = play->recorded == play->options.steps;
    fst_status status = FST_OK;
    if (!play->arrived)
        status = fst__play_arrive(play, observations, !play->estimated && !fst__run_finished(run));
    if (!status && full && !play->estimated)
        status = fst__play_estimate(play);
    if (!status && play->estimated && !play->options.learn_in_pieces)
        status = fst__run_step(run);
    return status ? status : fst__play_choose(run, masks, actions);
}

fst_status fst__play_observe(fst_run *run, const fst__outcomes *outcomes)
{
    fst__play *play = fst__play_of(run);
    if (play->games.env || !play->acted)
        return fst__fail(FST_ERR_STATE, "fst_control_observe: %s",
                         play->games.env ? "the run has an environment of its own"
                                         : "nothing was acted; see fst_control_act");
    return fst__play_record(run, outcomes);
}
