/*
 * An environment of callbacks for tests: a walker on the numbers 0 … 9, who starts where the seed says, goes one down, stays or
 * goes one up, and is done at 9. It keeps what it was told, and does on demand what it must not.
 */
#ifndef FST_TESTS_WALK_ENV_H
#define FST_TESTS_WALK_ENV_H

#include "fourstage/env.h"
#include "tiny_model.h"

enum { WALK_MOST = 4, WALK_GOAL = 9 };

typedef struct walk {
    fst_env *env; /* once it is made */
    fst_space observation, action;
    float low[2], high[2];
    int64_t place[WALK_MOST], seed[WALK_MOST];
    int64_t resets, steps, destroyed, saves, loads;
    int64_t counts[64]; /* environments of each call, resets and steps alike */
    int64_t calls;
    int masked, players;

    int64_t wrong;                           /* environment to which the next lines apply; −1: none */
    float observation_as;                    /* NaN: as it is */
    double reward_as;                        /* 0: as it is */
    uint8_t terminated_as, truncated_as, mask_as, player_as; /* 0 (mask: 1): as they are */
    int32_t reset_returns, step_returns, save_returns, load_returns;
    fst_status (*inside)(struct walk *walk); /* called in a step; NULL: nothing */
    fst_status inside_status;
} walk;

static inline void walk_tell(walk *w, const fst_env_call *call, int64_t e)
{
    float *observation = (float *)call->observations + 2 * e;
    observation[0] = (float)w->place[e];
    observation[1] = (float)(w->seed[e] % 100);
    if (w->masked) {
        call->masks[3 * e] = w->place[e] > 0; /* nobody goes below 0 */
        if (e == w->wrong && w->mask_as != 1)
            memset(call->masks + 3 * e, w->mask_as, 3);
    }
    if (w->players == 2)
        call->players[e] = (uint8_t)(w->place[e] % 2);
    if (e != w->wrong)
        return;
    if (!isnan(w->observation_as))
        observation[1] = w->observation_as;
    if (w->player_as)
        call->players[e] = w->player_as;
}

static inline int32_t walk_reset(const fst_env_call *call, void *user)
{
    walk *w = user;
    ++w->resets;
    w->counts[w->calls++ % 64] = call->count;
    for (int64_t i = 0; i < call->count; ++i) {
        int64_t e = call->indices[i];
        w->seed[e] = call->seeds[i];
        w->place[e] = call->seeds[i] % 5;
        walk_tell(w, call, e);
    }
    return w->reset_returns;
}

static inline int32_t walk_step(const fst_env_call *call, void *user)
{
    walk *w = user;
    w->counts[w->calls++ % 64] = call->count;
    if (w->inside)
        w->inside_status = w->inside(w);
    if (w->step_returns)
        return w->step_returns;
    ++w->steps;
    for (int64_t i = 0; i < call->count; ++i) {
        int64_t e = call->indices[i];
        ck_assert(call->rewards[e] == 0 && call->terminated[e] == 0 && call->truncated[e] == 0);
        w->place[e] += ((const int32_t *)call->actions)[e] - 1;
        call->rewards[e] = (double)w->place[e];
        call->terminated[e] = w->place[e] == WALK_GOAL;
        walk_tell(w, call, e);
        if (e != w->wrong)
            continue;
        if (w->reward_as != 0)
            call->rewards[e] = w->reward_as;
        call->terminated[e] |= w->terminated_as;
        call->truncated[e] |= w->truncated_as;
    }
    return 0;
}

static inline int32_t walk_save(int64_t e, void *state, void *user)
{
    walk *w = user;
    ++w->saves;
    memcpy(state, &w->place[e], sizeof w->place[e]);
    memcpy((char *)state + sizeof w->place[e], &w->seed[e], sizeof w->seed[e]);
    return w->save_returns;
}

static inline int32_t walk_load(int64_t e, const void *state, void *user)
{
    walk *w = user;
    ++w->loads;
    memcpy(&w->place[e], state, sizeof w->place[e]);
    memcpy(&w->seed[e], (const char *)state + sizeof w->place[e], sizeof w->seed[e]);
    return w->load_returns;
}

static inline int32_t walk_render(int64_t e, int32_t format, char *text, size_t capacity, size_t *length, void *user)
{
    walk *w = user;
    *length = 5000; /* more than any first guess */
    memset(text, format == FST_RENDER_TEXT ? '0' + (int)w->place[e] : '<', capacity < *length ? capacity : *length);
    return 0;
}

static inline void walk_destroy(void *user)
{
    ++((walk *)user)->destroyed;
}

/* Options that borrow the walk; its observations are in 0 … 99. */
static inline fst_env_options walk_options(walk *w, int64_t count)
{
    fst_env_options options;
    *w = (walk){.wrong = -1, .observation_as = NAN, .mask_as = 1, .players = 1, .high = {WALK_GOAL, 99}};
    REQUIRE(fst_space_init(&w->observation, sizeof w->observation));
    w->observation.shape[0] = 2;
    w->observation.low = w->low;
    w->observation.high = w->high;
    REQUIRE(fst_space_init(&w->action, sizeof w->action));
    w->action.kind = FST_SPACE_DISCRETE;
    w->action.n = 3;
    REQUIRE(fst_env_options_init(&options, sizeof options));
    options.name = "walk";
    options.count = count;
    options.observation_space = &w->observation;
    options.action_space = &w->action;
    options.reset = walk_reset;
    options.step = walk_step;
    options.destroy = walk_destroy;
    options.user = w;
    return options;
}

#endif
