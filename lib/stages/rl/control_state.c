/* What a checkpoint of this stage holds, and what comes back from one. */
#include "stages/rl/control.h"

#include "base/error.h"
#include "model/policy.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define I32(field, strict) {#field, offsetof(fst_control_options, field), FST__SETTING_I32, strict}
#define I64(field, strict) {#field, offsetof(fst_control_options, field), FST__SETTING_I64, strict}
#define F64(field, strict) {#field, offsetof(fst_control_options, field), FST__SETTING_F64, strict}

static const fst__setting settings[] = {
    I32(algorithm, 1), I32(anneal_clip, 0), I64(environments, 1), I64(steps, 1), I64(minibatch, 1),
    I64(epochs, 1), I64(seed_env, 1), F64(gamma, 0), F64(lambda, 0), F64(clip, 0), F64(value_clip, 0),
    F64(value_coefficient, 0), F64(entropy_coefficient, 0), F64(stop_kl, 0),
    I32(normalize_advantages, 0), I32(normalize_rewards, 1), F64(reward_clip, 0),
    I64(evaluation_episodes, 0), I32(evaluation_deterministic, 0), I64(opponents, 1),
    I64(opponent_every, 0), F64(opponent_latest, 0),
};

#undef I32
#undef I64
#undef F64

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void visit_array(fst__visitor *visitor, const char *prefix, const char *name, void *data,
                        int32_t dtype, int64_t count)
{
    fst_view view = {.data = data, .dtype = dtype, .rank = 1, .shape = {count}, .strides = {1}};
    fst__visit_view(visitor, prefix, name, &view);
}

static int64_t counter(fst__visitor *visitor, const char *name, int64_t *value, int64_t most)
{
    return fst__visit_i64(visitor, "control", name, value, 0, most);
}

/* ---- the policy's and the past selves' statistics */

static void visit_statistics(fst_policy *policy, const char *prefix, fst__visitor *visitor)
{
    fst__running_statistics *s = fst__control_statistics(policy);
    if (s->size == 0)
        return;
    fst__visit_doubles(visitor, prefix, "count", &s->count, 1);
    fst__visit_doubles(visitor, prefix, "mean", s->mean, s->size);
    fst__visit_doubles(visitor, prefix, "variance", s->variance, s->size);
}

static void visit_rival(fst_policy *rival, int64_t index, fst__visitor *visitor)
{
    char prefix[32];
    const fst__parameters *p = &rival->model->parameters;
    snprintf(prefix, sizeof prefix, "opponent.%d", (int)index);
    for (int64_t i = 0; i < p->count; ++i) {
        const fst__parameter *item = &p->items[i];
        fst_view view = {.data = item->value, .dtype = FST__REAL_DTYPE, .rank = 2,
                         .shape = {item->rows, item->columns}, .strides = {item->columns, 1}};
        fst__visit_view(visitor, prefix, item->name, &view);
    }
    visit_statistics(rival, prefix, visitor);
}

static void visit_rivals(fst__play *play, fst__visitor *visitor)
{
    int64_t kept = play->options.opponents;
    int64_t added = counter(visitor, "opponents_added", &play->rivals_added, FST__COUNTER_MOST);
    for (int64_t i = 0; i < kept && i < added; ++i)
        visit_rival(play->rivals[i], i, visitor);
}

/* ---- the environments */

/* What is written stands for the state without those parts that cannot be saved: their episodes are lost. */
static void prepare_games(fst__play *play)
{
    fst__games *g = &play->games;
    g->lost_in_file = g->lost;
    if (!g->env || g->lost)
        return;
    fst_status status = fst__env_can_be_saved(g->env) ? fst__env_gather(g->env) : FST_ERR_STATE;
    if (!status)
        return;
    g->lost_in_file = 1;
    fst__log_write(&play->context->log, FST_LOG_WARNING,
                   "%s cannot save its state%s%s: a run resumed from this checkpoint begins new episodes",
                   g->env->name, status == FST_ERR_STATE ? "" : ", ",
                   status == FST_ERR_STATE ? "" : fst__error_text());
}

static void visit_games(fst__play *play, fst__visitor *visitor)
{
    fst__games *g = &play->games;
    counter(visitor, "draws", &g->draws, FST__COUNTER_MOST);
    if (!g->env)
        return;
    counter(visitor, "restarts", &g->restarts, FST__COUNTER_MOST);
    if (visitor->mode == FST__VISIT_WRITE)
        prepare_games(play);
    if (g->two)
        visit_rivals(play, visitor);
    if (counter(visitor, "lost", &g->lost_in_file, 1))
        return;
    if (g->two) {
        visit_array(visitor, "control", "games", g->numbers, FST_I64, g->count);
        visit_array(visitor, "control", "seated", g->opponents, FST_I64, g->count);
    }
    fst__env_part parts[FST__ENV_MOST_PARTS];
    int count = fst__env_parts(g->env, parts);
    for (int i = 0; i < count; ++i)
        fst__visit_view(visitor, "environment", parts[i].name, &parts[i].view);
}

/* ---- steps and episodes */

static void visit_episodes(fst__play *play, fst__visitor *visitor)
{
    fst__episodes *e = &play->episodes;
    counter(visitor, "episodes", &e->count, FST__COUNTER_MOST);
    fst__visit_doubles(visitor, "control", "recent", e->recent, 2 * FST__PLAY_RECENT);
    fst__visit_doubles(visitor, "control", "episode_returns", e->returns, play->games.count);
    fst__visit_doubles(visitor, "control", "episode_lengths", e->lengths, play->games.count);
    visit_array(visitor, "control", "fresh", play->fresh, FST_U8, play->games.count);
    if (!play->options.normalize_rewards)
        return;
    fst__visit_doubles(visitor, "control", "discounted", e->discounted, play->games.count);
    fst__visit_doubles(visitor, "control", "return_statistics", (double *)&e->statistics, 3);
}

/* The slots that have something in them: those before the iteration, recorded ones, the present one. */
static void visit_slots(fst__play *play, fst__visitor *visitor, int64_t recorded, int64_t filled)
{
    fst__experience *x = &play->experience;
    int64_t row = play->games.count * (int64_t)play->row_bytes, count = play->games.count;
    bool full = recorded == play->options.steps;
    int64_t slots = play->window - 1 + recorded + (filled && !full);
    if (slots > 0) {
        visit_array(visitor, "control", "rows", x->rows, FST_U8, slots * row);
        visit_array(visitor, "control", "ages", x->ages, FST_I32, slots * count);
    }
    if (!full)
        return;
    visit_array(visitor, "control", "tail", x->tail, FST_U8, play->window * row);
    visit_array(visitor, "control", "tail_ages", x->tail_ages, FST_I32, play->window * count);
}

static void visit_steps(fst__play *play, fst__visitor *visitor)
{
    fst__experience *x = &play->experience;
    int64_t recorded = counter(visitor, "recorded", &play->recorded, play->options.steps);
    int64_t filled = counter(visitor, "filled", &play->filled, 1);
    counter(visitor, "arrived", &play->arrived, 1);
    int64_t estimated = counter(visitor, "estimated", &play->estimated, 1);
    int64_t passes = fst__play_recomputed(play) + play->options.epochs * fst__play_batches(play);
    visit_slots(play, visitor, recorded, filled);
    int64_t steps = recorded * play->games.count;
    if (steps == 0)
        return;
    fst__rollout_visit(&play->rollout, visitor, steps, estimated != 0);
    visit_array(visitor, "control", "actions", x->actions, FST_U8, steps * (int64_t)play->action_bytes);
    if (!estimated || play->options.value_coefficient == 0) {
        visit_array(visitor, "control", "terminated", x->terminated, FST_U8, steps);
        visit_array(visitor, "control", "truncated", x->truncated, FST_U8, steps);
    }
    if (counter(visitor, "masked", &play->masked, play->experience.masks != NULL))
        visit_array(visitor, "control", "masks", x->masks, FST_U8, steps * play->choices);
    if (!estimated) {
        visit_array(visitor, "control", "truncation_values", x->truncation_values, FST__REAL_DTYPE, steps);
        return;
    }
    counter(visitor, "pieces", &play->pieces, passes);
    fst__visit_doubles(visitor, "control", "sums", (double *)&play->sums, FST__UPDATE_SUMS);
    fst__visit_doubles(visitor, "control", "explained_variance", &play->explained_variance, 1);
}

void fst__play_visit(fst_run *run, fst__visitor *visitor)
{
    fst__play *play = fst__play_of(run);
    fst__visit_settings(visitor, "control", settings, COUNT(settings), &play->options);
    fst__visit_setting_text(visitor, "control.environment",
                            play->games.env ? play->games.env->name : "the host's", 1);
    counter(visitor, "iteration", &play->iteration, FST__COUNTER_MOST);
    visit_games(play, visitor);
    visit_episodes(play, visitor);
    visit_steps(play, visitor);
    visit_statistics(play->policy, "statistics", visitor);
    fst__training_visit(&play->training, visitor, false);
}

/* ---- after reading */

/* Indices and counts that arrays are read by, whatever a file says. */
static void bound_indices(fst__play *play)
{
    fst__experience *x = &play->experience;
    int32_t window = (int32_t)play->window;
    int64_t slots = (play->window - 1 + play->options.steps) * play->games.count;
    int64_t tail = play->window * play->games.count;
    for (int64_t i = 0; i < slots; ++i)
        x->ages[i] = x->ages[i] < 0 ? 0 : x->ages[i] > window ? window : x->ages[i];
    for (int64_t i = 0; i < tail; ++i)
        x->tail_ages[i] = x->tail_ages[i] < 0 ? 0 : x->tail_ages[i] > window ? window : x->tail_ages[i];
    for (int64_t n = 0; play->games.two && n < play->games.count; ++n) {
        int64_t *seated = &play->games.opponents[n];
        *seated = *seated < -1 || *seated >= play->options.opponents ? -1 : *seated;
    }
}

static void restore_games(fst__play *play)
{
    fst__games *g = &play->games;
    g->lost = g->env ? g->lost_in_file : 0;
    if (!g->env || g->lost || fst__env_scatter(g->env) == FST_OK)
        return;
    fst__log_write(&play->context->log, FST_LOG_WARNING, "%s: its state was not taken back, new episodes begin: %s",
                   g->env->name, fst__error_text());
    g->lost = 1;
}

void fst__play_restored(fst_run *run)
{
    fst__play *play = fst__play_of(run);
    fst__training_restored(&play->training);
    for (int64_t i = 0; play->games.two && i < play->options.opponents; ++i)
        fst__parameters_refresh_working(&play->rivals[i]->model->parameters, play->context->compute);
    restore_games(play);
    bound_indices(play);
    play->seconds = (fst__play_seconds){NAN, NAN, NAN};
    play->order_pass = -1;
    play->acted = false;
    if (play->recorded == 0)
        play->masked = 0;
    if (!play->estimated) {
        play->pieces = 0;
        play->sums = (fst__update_sums){0};
    }
}
