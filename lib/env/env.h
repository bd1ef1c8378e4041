/*
 * A batch of environments: what all of them keep (rows, counters), and two ways to step them, a table of functions
 * (native.c) or the caller's callbacks (callbacks.c).
 */
#ifndef FST_ENV_ENV_H
#define FST_ENV_ENV_H

#include "base/context.h"
#include "env/kind.h"
#include "fourstage/view.h"
#include "tensor/space.h"

/* Where a callback writes. Of its own, so that a step which is refused or stopped changes no row that others see. */
typedef struct fst__env_drafts {
    unsigned char *observations;
    double *rewards;
    uint8_t *terminated, *truncated, *masks, *players;
    int64_t *indices, *seeds; /* [count] of a call */
} fst__env_drafts;

struct fst_env {
    _Atomic int64_t references;
    fst_context *context; /* held */
    char *name;
    fst_space observation_space, action_space; /* own their arrays */

    const fst__env_kind *kind; /* NULL: callbacks */
    fst_env_make_options make; /* resolved */
    fst_env_options callbacks; /* its pointers to spaces and name are not used */

    int64_t count, max_steps;
    int64_t choices; /* 0: no masks */
    int64_t observation_bytes, action_bytes;
    int64_t state_bytes; /* of a row of states; 0: none */
    int64_t chunk;       /* environments of a task of the pool */
    int32_t players, auto_reset;
    bool began;  /* reset once */
    bool failed; /* only a reset is allowed */
    bool busy;   /* a callback is running */
    int64_t seed;

    /* Rows, one for each environment. */
    void *states; /* native: doubles; callbacks: what save wrote last */
    unsigned char *observations, *final_observations, *actions;
    double *rewards, *returns;
    uint8_t *terminated, *truncated, *begins;
    uint8_t *masks, *movers; /* NULL: none */
    int64_t *lengths;
    int64_t *episodes, *steps; /* of the present episode: its number, steps taken */
    int64_t *seeds;            /* follow from seed and episode */
    int64_t *everyone;         /* 0, 1, … */

    /* native: the path of each episode */
    int32_t trail;          /* floats of a point; 0: none */
    int64_t trail_capacity; /* points */
    float *trails;          /* [count][trail_capacity][trail] */
    int64_t *trail_points, *trail_strides; /* a point for so many steps */

    fst__env_drafts drafts; /* callbacks */
    fst__text picture;
};

/* ---- a life ---- */

fst_env_options fst__env_defaults(void);
fst_env_make_options fst__env_make_defaults(void);

/* Options are overlaid. */
fst_status fst__env_create(fst_context *context, const fst_env_options *options, fst_env **out);
fst_status fst__env_make(fst_context *context, const char *name, const fst_env_make_options *options, fst_env **out);
fst_env *fst__env_retain(fst_env *env);
void fst__env_release(fst_env *env); /* takes NULL */

/* FST_ERR_BUSY in a callback; FST_ERR_STATE without a reset or after a failure. */
fst_status fst__env_check_ready(const fst_env *env, const char *function);

/* ---- stepping: as the public functions, which check pointers only ---- */

fst_status fst__env_reset(fst_env *env, int64_t seed);
fst_status fst__env_reset_some(fst_env *env, const int64_t *indices, int64_t count);
fst_status fst__env_step(fst_env *env, const void *actions);
fst_status fst__env_step_some(fst_env *env, const int64_t *indices, int64_t count, const void *actions);
void fst__env_batch(const fst_env *env, fst_env_batch *batch);
fst_status fst__env_render(fst_env *env, int64_t index, int32_t format, const char **text);

/* An episode that has ended and was not begun anew. */
static inline bool fst__env_has_ended(const fst_env *env, int64_t e)
{
    return (env->terminated[e] || env->truncated[e]) && !env->begins[e];
}

/* ---- states ---- */

int64_t fst__env_state_size(const fst_env *env); /* of fst_env_get_state; 0: none */
fst_status fst__env_get_state(fst_env *env, int64_t index, void *state);
fst_status fst__env_set_state(fst_env *env, int64_t index, const void *state);

/* The whole batch, for a checkpoint: named views of live memory. What they hold is complete after gather; after they were
 * written to, scatter checks them and takes them up. Where that fails, only a reset is allowed. */
enum { FST__ENV_MOST_PARTS = 20 };
typedef struct fst__env_part {
    const char *name;
    fst_view view;
} fst__env_part;

bool fst__env_can_be_saved(const fst_env *env); /* it has states, was reset, and has not failed */
int fst__env_parts(fst_env *env, fst__env_part parts[FST__ENV_MOST_PARTS]);
fst_status fst__env_gather(fst_env *env);
fst_status fst__env_scatter(fst_env *env);

/* ---- shared by the files of this room ---- */

/* The failure's text with the environment's name and place in front; `step` counts from 1. */
fst_status fst__env_fail_at(const fst_env *env, int64_t e, int64_t step, fst_status status);
fst_status fst__env_fail_reward(const fst_env *env, int64_t e, int64_t step, double reward);

/* The next episode's counters: number, seed. */
void fst__env_begin_episode(fst_env *env, int64_t e, int64_t episode);
/* Books a step; returns whether the episode has ended. */
bool fst__env_book_step(fst_env *env, int64_t e, double reward, bool terminated, bool truncated);

/* native.c: indices are checked, actions stand in env->actions. */
fst_status fst__env_native_reset(fst_env *env, const int64_t *indices, int64_t count);
fst_status fst__env_native_step(fst_env *env, const int64_t *indices, int64_t count);
void fst__env_native_observe(fst_env *env, int64_t e); /* observation, mask and mover from the state */
fst_status fst__env_native_check(const fst_env *env, int64_t e); /* the observation is finite */
void fst__env_trail_begin(fst_env *env, int64_t e);

/* callbacks.c */
fst_status fst__env_callback_reset(fst_env *env, const int64_t *indices, int64_t count);
fst_status fst__env_callback_step(fst_env *env, const int64_t *indices, int64_t count);
fst_status fst__env_callback_save(fst_env *env, int64_t e, void *state);
fst_status fst__env_callback_load(fst_env *env, int64_t e, const void *state);
fst_status fst__env_callback_render(fst_env *env, int64_t e, int32_t format);

static inline void *fst__env_row(void *rows, int64_t e, int64_t bytes)
{
    return (unsigned char *)rows + e * bytes;
}

#endif
