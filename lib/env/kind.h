/*
 * What a built-in environment is: a table of functions over one environment's state, an array of doubles. They are
 * pure (no allocation, no globals), and called from any thread of the pool.
 *
 * lib/env/builtin.c lists the tables.
 */
#ifndef FST_ENV_KIND_H
#define FST_ENV_KIND_H

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "fourstage/env.h"

#include <stdbool.h>

enum { FST__ENV_MOST_BOUNDS = 512 };

/* What `describe` fills in: zeroed before, the spaces with their defaults. */
typedef struct fst__env_shape {
    fst_space observation, action; /* their arrays: static ones, or those below; they are copied */
    int64_t state;                 /* doubles of one environment */
    int64_t max_steps;             /* of an episode; 0: no limit. The caller's option goes before it */
    int64_t nanoseconds;           /* about what a step costs: tells whether threads pay */
    int32_t trail; /* the first `trail` doubles of the state are kept for every step of an episode, for pictures; 0: none */
    float low[FST__ENV_MOST_BOUNDS], high[FST__ENV_MOST_BOUNDS];
} fst__env_shape;

/* One step. */
typedef struct fst__env_move {
    const fst_env_make_options *options; /* resolved */
    double *state;                       /* in and out */
    const void *action;                  /* a value of the action space; Box: clipped to its bounds; allowed by the mask */
    uint64_t seed;                       /* the episode's */
    int64_t step;                        /* 1 for the episode's first step */
    double reward;                       /* out; 0 before. Two players: of the player who has just moved */
    bool terminated, truncated;          /* out; false before. max_steps is the core's business */
} fst__env_move;

typedef struct fst__env_kind fst__env_kind;

struct fst__env_kind {
    const char *name;
    const void *variant; /* constants that tell kinds with the same functions apart, as the size of a grid */
    int32_t players;     /* 0 or 1: one; 2 */
    /* Checks and resolves the options in place, fills the shape. */
    fst_status (*describe)(const fst__env_kind *kind, fst_env_make_options *options, fst__env_shape *shape);
    void (*reset)(const fst__env_kind *kind, const fst_env_make_options *options, uint64_t seed, double *state);
    void (*step)(const fst__env_kind *kind, fst__env_move *move);
    void (*observe)(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                    void *observation);
    /* NULL: no masks. [choices], all 1 before. */
    void (*mask)(const fst__env_kind *kind, const fst_env_make_options *options, const double *state, uint8_t *mask);
    /* players == 2: who moves next, 0 or 1 */
    int32_t (*player)(const fst__env_kind *kind, const fst_env_make_options *options, const double *state);
    /* false: a state from outside that step, observe or render could not bear, as a place outside of the grid; all
     * are finite. NULL: finite is enough. */
    bool (*accepts)(const fst__env_kind *kind, const fst_env_make_options *options, const double *state);
    /* Appends; trail: [points][shape.trail], the episode so far. */
    void (*render)(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                   const float *trail, int64_t points, int32_t format, fst__text *text);
};

/* Randomness: a function of the episode's seed, the step (0: reset; move.step: that step) and the draw's index within it. */
static inline fst__philox_block fst__env_draw(uint64_t seed, int64_t step, uint64_t index)
{
    return fst__philox(seed, FST__STREAM_ENV, (uint64_t)step, index);
}
static inline double fst__env_uniform(uint64_t seed, int64_t step, uint64_t index, double low, double high)
{
    fst__philox_block block = fst__env_draw(seed, step, index);
    return low + (high - low) * fst__uniform_double(block.word[0], block.word[1]);
}
/* 0 … count − 1 (bias < count·2⁻⁵³: none that matters) */
static inline int64_t fst__env_choice(uint64_t seed, int64_t step, uint64_t index, int64_t count)
{
    return (int64_t)fst__env_uniform(seed, step, index, 0, (double)count);
}

#endif
