/*
 * Environments as one learner sees them. With two players each environment has the learner on one seat; the
 * other one's replies are made here, those of the same opponent at once, until it is the learner's move everywhere.
 */
#include "stages/rl/control.h"

#include "base/error.h"
#include "base/random.h"

#include <inttypes.h>
#include <string.h>

/* Replies to one move; games in which the learner never comes to move would go on for ever. */
enum { MOST_REPLIES = 10000 };

static int32_t seat_of(const fst__games *g, int64_t n)
{
    return (int32_t)((g->numbers[n] + n) & 1);
}

/* ---- who sits opposite */

static void draw_opponent(const fst__play *play, fst__games *g, int64_t n)
{
    int64_t kept = play->options.opponents;
    int64_t there = play->rivals_added < kept ? play->rivals_added : kept;
    fst__philox_block block = fst__philox(play->context->seed + g->salt, FST__STREAM_OPPONENT,
                                          (uint64_t)g->numbers[n], (uint64_t)n);
    double which = fst__uniform_double(block.word[2], block.word[3]);
    bool latest = fst__uniform_double(block.word[0], block.word[1]) < play->options.opponent_latest;
    g->opponents[n] = latest || there == 0 ? -1 : (int64_t)(which * (double)there);
}

fst_status fst__games_add_rival(fst__play *play)
{
    fst_policy *rival = play->rivals[play->rivals_added % play->options.opponents];
    fst_status status = fst__control_copy_state(rival, play->policy);
    if (!status)
        play->rivals_added += 1;
    return status;
}

/* ---- what a move led to */

static void begin_game(const fst__play *play, fst__games *g, int64_t n)
{
    g->numbers[n] += 1;
    draw_opponent(play, g, n);
}

/* sign −1: the opponent has moved. */
static void settle(const fst__play *play, fst__games *g, int64_t n, double sign)
{
    const fst_env_batch *b = &g->batch;
    bool ended = b->terminated[n] || b->truncated[n];
    if (!g->over[n]) {
        g->gains[n] += sign * b->rewards[n];
        g->terminated[n] = b->terminated[n];
        g->truncated[n] = b->truncated[n];
        g->over[n] = ended;
    }
    if (!ended)
        return;
    if (g->truncated[n] && g->over[n] == 1) { /* the one who did not move would be next */
        size_t bytes = play->observation_bytes;
        memcpy(g->finals + (size_t)n * bytes, (const char *)b->final_observations + (size_t)n * bytes,
               bytes);
        g->signs[n] = -sign;
    }
    g->over[n] = 2;
    begin_game(play, g, n);
}

/* ---- replies */

/* Those of `indices` who face `opponent`: their rows close together, and its actions back to their places. */
static fst_status move_of(fst__play *play, fst__games *g, int64_t count, int64_t opponent)
{
    fst_policy *policy = opponent < 0 ? play->policy : play->rivals[opponent];
    size_t observation = play->observation_bytes, action = play->action_bytes;
    size_t choices = g->batch.masks ? (size_t)play->choices : 0;
    int64_t found = 0;
    for (int64_t i = 0; i < count; ++i) {
        int64_t n = g->indices[i];
        if (g->opponents[n] != opponent)
            continue;
        memcpy(g->observations + (size_t)found * observation,
               (const unsigned char *)g->batch.observations + (size_t)n * observation, observation);
        if (choices)
            memcpy(g->masks + (size_t)found * choices, g->batch.masks + (size_t)n * choices, choices);
        g->group[found++] = n;
    }
    if (found == 0)
        return FST_OK;
    const fst__distribution_draw draw = {.seed = play->context->seed + g->salt,
                                         .step = (uint64_t)g->draws};
    fst_status status = fst__control_encode(policy, g->observations, found, g->rows);
    if (!status)
        status = fst__control_act(policy, g->rows, NULL, choices ? g->masks : NULL, found, &draw,
                                  g->drawn, NULL, NULL);
    g->draws += 1;
    for (int64_t i = 0; i < found && !status; ++i)
        memcpy(g->actions + (size_t)g->group[i] * action, g->drawn + (size_t)i * action, action);
    return status;
}

static fst_status reply(fst__play *play, fst__games *g, int64_t count)
{
    fst_status status = FST_OK;
    for (int64_t o = -1; o < play->options.opponents && !status; ++o)
        status = move_of(play, g, count, o);
    if (!status)
        status = fst__env_step_some(g->env, g->indices, count, g->actions);
    for (int64_t i = 0; i < count && !status; ++i)
        settle(play, g, g->indices[i], -1);
    return status;
}

/* Until the learner is to move in every environment. */
static fst_status let_opponents_move(fst__play *play, fst__games *g)
{
    for (int replies = 0; replies < MOST_REPLIES; ++replies) {
        int64_t count = 0;
        for (int64_t n = 0; n < g->count; ++n) {
            if (g->batch.players[n] != seat_of(g, n))
                g->indices[count++] = n;
        }
        if (count == 0)
            return FST_OK;
        fst_status status = reply(play, g, count);
        if (status)
            return status;
    }
    return fst__fail(FST_ERR_STATE, "%s: environment %" PRId64 ": the learner, player %d, was not to move "
                                    "for %d moves",
                     g->env->name, g->indices[0], (int)seat_of(g, g->indices[0]), MOST_REPLIES);
}

/* ---- verbs */

/* A seed for each time that all begin. */
static int64_t seed_of(const fst__play *play, const fst__games *g)
{
    uint64_t salt = (uint64_t)g->restarts + (g->salt << 32);
    if (salt == 0)
        return play->options.seed_env;
    fst__philox_block block = fst__philox((uint64_t)play->options.seed_env, FST__STREAM_ENV, 0, salt);
    return (int64_t)(((uint64_t)block.word[0] << 32 | block.word[1]) >> 11);
}

fst_status fst__games_begin(fst__play *play, fst__games *g)
{
    fst_status status = fst__env_reset(g->env, seed_of(play, g));
    if (status || !g->two)
        return status;
    for (int64_t n = 0; n < g->count; ++n) {
        g->numbers[n] = 0;
        g->over[n] = 2;
        draw_opponent(play, g, n);
    }
    return let_opponents_move(play, g);
}

fst_status fst__games_step(fst__play *play, fst__games *g, const void *actions)
{
    fst_status status = fst__env_step(g->env, actions);
    if (status || !g->two)
        return status;
    for (int64_t n = 0; n < g->count; ++n) {
        g->gains[n] = 0;
        g->over[n] = 0;
        settle(play, g, n, 1);
    }
    return let_opponents_move(play, g);
}
