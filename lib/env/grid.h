/*
 * Grid worlds with MiniGrid's rules (Chevalier-Boisvert et al., "Minigrid & Miniworld", arXiv 2306.13831;
 * minigrid/minigrid_env.py, core/grid.py and core/world_object.py of minigrid 3): a cell is empty or holds
 * one thing, the agent turns, steps, carries one thing and sees a square of cells before it.
 */
#ifndef FST_ENV_GRID_H
#define FST_ENV_GRID_H

#include "base/text.h"

#include <stdint.h>

enum { FST__GRID_SIDE = 19, FST__GRID_CELLS = FST__GRID_SIDE * FST__GRID_SIDE };

enum { FST__GRID_VIEW = 7, FST__GRID_PLANES = 7 };

/* What a cell holds; UNSEEN is found in views only. An observation has a plane for each but EMPTY, in this order. */
enum {
    FST__GRID_EMPTY,
    FST__GRID_WALL,
    FST__GRID_KEY,
    FST__GRID_GOAL,
    FST__GRID_DOOR_OPEN,
    FST__GRID_DOOR_CLOSED,
    FST__GRID_DOOR_LOCKED,
    FST__GRID_UNSEEN,
};

/* MiniGrid's actions. */
enum {
    FST__GRID_LEFT,
    FST__GRID_RIGHT,
    FST__GRID_FORWARD,
    FST__GRID_PICKUP,
    FST__GRID_DROP,
    FST__GRID_TOGGLE,
    FST__GRID_DONE,
    FST__GRID_ACTIONS,
};

/* All doubles: an environment's state is this structure's bytes. Row 0 is the uppermost. */
typedef struct fst__grid_state {
    double x, y;
    double direction; /* 0 right, 1 down, 2 left, 3 up */
    double carrying;  /* FST__GRID_EMPTY or FST__GRID_KEY */
    double cells[FST__GRID_CELLS]; /* [side, side], the grid's own side, then nothing */
} fst__grid_state;

typedef enum fst__grid_kind { FST__GRID_EMPTY_ROOM, FST__GRID_DOOR_KEY, FST__GRID_FOUR_ROOMS } fst__grid_kind;

/* Which world a kind of environment is. */
typedef struct fst__grid_variant {
    fst__grid_kind kind;
    int32_t side;
    int32_t max_steps;    /* MiniGrid's own */
    bool sees_through;    /* walls hide nothing */
} fst__grid_variant;

/* The world of a seed, with MiniGrid's distribution. */
void fst__grid_generate(const fst__grid_variant *variant, uint64_t seed, fst__grid_state *state);
/* True when the goal was reached. */
bool fst__grid_act(const fst__grid_variant *variant, int32_t action, fst__grid_state *state);
/* view [FST__GRID_VIEW rows, FST__GRID_VIEW columns]: the agent in the middle of the last row, looking up. */
void fst__grid_see(const fst__grid_variant *variant, const fst__grid_state *state,
                   uint8_t view[FST__GRID_VIEW * FST__GRID_VIEW]);
/* Which cell of the grid a cell of the view is. */
void fst__grid_place_of_view(const fst__grid_state *state, int row, int column, int *x, int *y);

void fst__grid_write_text(const fst__grid_variant *variant, const fst__grid_state *state, fst__text *text);
void fst__grid_write_svg(const fst__grid_variant *variant, const fst__grid_state *state, fst__text *text);

#endif
