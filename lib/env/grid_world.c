/* The grid worlds themselves, drawn as MiniGrid's _gen_grid, place_obj and place_agent draw them. */
#include "env/grid.h"

#include "env/kind.h"

#include <string.h>

typedef struct plan {
    const fst__grid_variant *variant;
    fst__grid_state *state;
    uint64_t seed, used; /* draws so far */
} plan;

/* One of low … high − 1. */
static int draw(plan *p, int low, int high)
{
    return low + (int)fst__env_choice(p->seed, 0, p->used++, high - low);
}

static void put(plan *p, int x, int y, int thing)
{
    p->state->cells[y * p->variant->side + x] = thing;
}

static int thing_at(const plan *p, int x, int y)
{
    return (int)p->state->cells[y * p->variant->side + x];
}

/* An empty cell of the first `width` columns where the agent is not. */
static void draw_place(plan *p, int width, int *x, int *y)
{
    do {
        *x = draw(p, 0, width);
        *y = draw(p, 0, p->variant->side);
    } while (thing_at(p, *x, *y) != FST__GRID_EMPTY || (*x == (int)p->state->x && *y == (int)p->state->y));
}

static void place_agent(plan *p, int width)
{
    int x, y;
    p->state->x = p->state->y = -1;
    draw_place(p, width, &x, &y);
    p->state->x = x;
    p->state->y = y;
    p->state->direction = draw(p, 0, 4);
}

static void surround(plan *p)
{
    int last = p->variant->side - 1;
    for (int i = 0; i <= last; ++i) {
        put(p, i, 0, FST__GRID_WALL);
        put(p, i, last, FST__GRID_WALL);
        put(p, 0, i, FST__GRID_WALL);
        put(p, last, i, FST__GRID_WALL);
    }
}

static void empty_room(plan *p)
{
    surround(p);
    put(p, p->variant->side - 2, p->variant->side - 2, FST__GRID_GOAL);
    p->state->x = p->state->y = 1;
}

/* A wall with a locked door, the agent and the key on its left, the goal on its right. */
static void door_key(plan *p)
{
    int side = p->variant->side, key_x, key_y;
    surround(p);
    put(p, side - 2, side - 2, FST__GRID_GOAL);
    int wall = draw(p, 2, side - 2);
    for (int y = 0; y < side; ++y)
        put(p, wall, y, FST__GRID_WALL);
    place_agent(p, wall);
    put(p, wall, draw(p, 1, side - 2), FST__GRID_DOOR_LOCKED);
    draw_place(p, wall, &key_x, &key_y);
    put(p, key_x, key_y, FST__GRID_KEY);
}

/* Two walls across, a gap in each of the four parts; a gap is drawn after the wall it lies in, as there. */
static void four_rooms(plan *p)
{
    int room = p->variant->side / 2, goal_x, goal_y;
    surround(p);
    for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
            int left = i * room, top = j * room;
            if (i == 0) {
                for (int y = top; y < top + room; ++y)
                    put(p, left + room, y, FST__GRID_WALL);
                put(p, left + room, draw(p, top + 1, top + room), FST__GRID_EMPTY);
            }
            if (j == 0) {
                for (int x = left; x < left + room; ++x)
                    put(p, x, top + room, FST__GRID_WALL);
                put(p, draw(p, left + 1, left + room), top + room, FST__GRID_EMPTY);
            }
        }
    place_agent(p, p->variant->side);
    draw_place(p, p->variant->side, &goal_x, &goal_y);
    put(p, goal_x, goal_y, FST__GRID_GOAL);
}

void fst__grid_generate(const fst__grid_variant *variant, uint64_t seed, fst__grid_state *state)
{
    plan p = {.variant = variant, .state = state, .seed = seed};
    memset(state, 0, sizeof *state);
    switch (variant->kind) {
    case FST__GRID_DOOR_KEY:
        door_key(&p);
        break;
    case FST__GRID_FOUR_ROOMS:
        four_rooms(&p);
        break;
    default:
        empty_room(&p);
        break;
    }
}
