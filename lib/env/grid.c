/* What the agent of a grid world does and sees: MiniGridEnv.step, gen_obs_grid and Grid.process_vis. */
#include "env/grid.h"

enum { VIEW = FST__GRID_VIEW };

static const int ahead_x[4] = {1, 0, -1, 0}, ahead_y[4] = {0, 1, 0, -1};

static int cell_at(const fst__grid_variant *variant, const fst__grid_state *s, int x, int y)
{
    if (x < 0 || y < 0 || x >= variant->side || y >= variant->side)
        return FST__GRID_WALL;
    return (int)s->cells[y * variant->side + x];
}

static bool walkable(int cell)
{
    return cell == FST__GRID_EMPTY || cell == FST__GRID_GOAL || cell == FST__GRID_DOOR_OPEN;
}

static int toggled(int door, int carrying)
{
    switch (door) {
    case FST__GRID_DOOR_OPEN:
        return FST__GRID_DOOR_CLOSED;
    case FST__GRID_DOOR_CLOSED:
        return FST__GRID_DOOR_OPEN;
    case FST__GRID_DOOR_LOCKED:
        return carrying == FST__GRID_KEY ? FST__GRID_DOOR_OPEN : door;
    default:
        return door;
    }
}

bool fst__grid_act(const fst__grid_variant *variant, int32_t action, fst__grid_state *s)
{
    int direction = (int)s->direction, carrying = (int)s->carrying;
    int x = (int)s->x + ahead_x[direction], y = (int)s->y + ahead_y[direction];
    int cell = cell_at(variant, s, x, y);
    double *before = &s->cells[y * variant->side + x]; /* written only where cell is no wall: inside */
    switch (action) {
    case FST__GRID_LEFT:
        s->direction = (direction + 3) % 4;
        break;
    case FST__GRID_RIGHT:
        s->direction = (direction + 1) % 4;
        break;
    case FST__GRID_FORWARD:
        if (walkable(cell)) {
            s->x = x;
            s->y = y;
        }
        return cell == FST__GRID_GOAL;
    case FST__GRID_PICKUP:
        if (cell == FST__GRID_KEY && carrying == FST__GRID_EMPTY) {
            s->carrying = FST__GRID_KEY;
            *before = FST__GRID_EMPTY;
        }
        break;
    case FST__GRID_DROP:
        if (cell == FST__GRID_EMPTY && carrying != FST__GRID_EMPTY) {
            *before = carrying;
            s->carrying = FST__GRID_EMPTY;
        }
        break;
    case FST__GRID_TOGGLE:
        if (toggled(cell, carrying) != cell)
            *before = toggled(cell, carrying);
        break;
    default:
        break;
    }
    return false;
}

void fst__grid_place_of_view(const fst__grid_state *s, int row, int column, int *x, int *y)
{
    int direction = (int)s->direction, forward = VIEW - 1 - row, right = column - VIEW / 2;
    int right_x = -ahead_y[direction], right_y = ahead_x[direction];
    *x = (int)s->x + forward * ahead_x[direction] + right * right_x;
    *y = (int)s->y + forward * ahead_y[direction] + right * right_y;
}

static bool see_behind(int cell)
{
    return cell != FST__GRID_WALL && cell != FST__GRID_DOOR_CLOSED && cell != FST__GRID_DOOR_LOCKED;
}

/* From a seen cell that hides nothing, sight goes one to the side, and one ahead of both. */
static void spread(const uint8_t *view, bool *seen, int row, int column, int side)
{
    int at = row * VIEW + column;
    if (!seen[at] || !see_behind(view[at]))
        return;
    seen[at + side] = true;
    if (row > 0) {
        seen[at + side - VIEW] = true;
        seen[at - VIEW] = true;
    }
}

static void hide_unseen(uint8_t view[VIEW * VIEW])
{
    bool seen[VIEW * VIEW] = {false};
    seen[(VIEW - 1) * VIEW + VIEW / 2] = true;
    for (int row = VIEW - 1; row >= 0; --row) {
        for (int column = 0; column < VIEW - 1; ++column)
            spread(view, seen, row, column, 1);
        for (int column = VIEW - 1; column > 0; --column)
            spread(view, seen, row, column, -1);
    }
    for (int i = 0; i < VIEW * VIEW; ++i)
        if (!seen[i])
            view[i] = FST__GRID_UNSEEN;
}

void fst__grid_see(const fst__grid_variant *variant, const fst__grid_state *s, uint8_t view[VIEW * VIEW])
{
    for (int row = 0; row < VIEW; ++row)
        for (int column = 0; column < VIEW; ++column) {
            int x, y;
            fst__grid_place_of_view(s, row, column, &x, &y);
            view[row * VIEW + column] = (uint8_t)cell_at(variant, s, x, y);
        }
    if (!variant->sees_through)
        hide_unseen(view);
    /* The agent sees what it carries where it stands. */
    view[(VIEW - 1) * VIEW + VIEW / 2] = (uint8_t)s->carrying;
}
