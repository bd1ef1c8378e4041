/* Connect Four's rules, and the game as an environment of two players. */
#include "env/connect_four.h"

#include "env/kinds.h"

#include <string.h>

enum { ROWS = FST__FOUR_ROWS, COLUMNS = FST__FOUR_COLUMNS, CELLS = FST__FOUR_CELLS };

void fst__four_reset(fst__four_state *state)
{
    memset(state, 0, sizeof *state);
    state->last = -1;
}

int fst__four_row(const fst__four_state *state, int column)
{
    int row = ROWS - 1;
    while (row >= 0 && state->cells[row * COLUMNS + column] != 0)
        --row;
    return row;
}

int fst__four_is_full(const fst__four_state *state)
{
    for (int column = 0; column < COLUMNS; ++column)
        if (state->cells[column] == 0)
            return 0;
    return 1;
}

/* How many discs of one colour follow each other from a cell, itself not counted. */
static int run_length(const fst__four_state *state, int row, int column, int down, int right)
{
    double colour = state->cells[row * COLUMNS + column];
    int length = 0;
    for (;;) {
        row += down;
        column += right;
        if (row < 0 || row >= ROWS || column < 0 || column >= COLUMNS ||
            state->cells[row * COLUMNS + column] != colour)
            return length;
        ++length;
    }
}

int fst__four_find(const fst__four_state *state, uint8_t four[CELLS])
{
    static const int directions[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, -1}}; /* down, right */
    int last = (int)state->last, count = 0;
    memset(four, 0, CELLS);
    if (last < 0 || state->cells[last] == 0)
        return 0;
    for (int d = 0; d < 4; ++d) {
        int down = directions[d][0], right = directions[d][1], row = last / COLUMNS, column = last % COLUMNS;
        int back = run_length(state, row, column, -down, -right);
        int length = back + 1 + run_length(state, row, column, down, right);
        for (int i = 0; length >= 4 && i < length; ++i)
            four[(row + (i - back) * down) * COLUMNS + column + (i - back) * right] = 1;
    }
    for (int i = 0; i < CELLS; ++i)
        count += four[i];
    return count;
}

int fst__four_drop(fst__four_state *state, int column)
{
    uint8_t four[CELLS];
    int row = fst__four_row(state, column);
    if (row < 0)
        return 0;
    state->last = row * COLUMNS + column;
    state->cells[row * COLUMNS + column] = 1 + state->player;
    state->player = 1 - state->player;
    return fst__four_find(state, four) > 0;
}

static fst_status describe(const fst__env_kind *kind, fst_env_make_options *options, fst__env_shape *shape)
{
    shape->observation.kind = FST_SPACE_BOX;
    shape->observation.dtype = FST_F32;
    shape->observation.rank = 3;
    shape->observation.shape[0] = 2;
    shape->observation.shape[1] = ROWS;
    shape->observation.shape[2] = COLUMNS;
    for (int i = 0; i < 2 * CELLS; ++i)
        shape->high[i] = 1;
    shape->observation.low = shape->low;
    shape->observation.high = shape->high;
    shape->action.kind = FST_SPACE_DISCRETE;
    shape->action.n = COLUMNS;
    shape->state = sizeof(fst__four_state) / sizeof(double);
    shape->nanoseconds = 150;
    return FST_OK;
}

static void reset(const fst__env_kind *kind, const fst_env_make_options *options, uint64_t seed, double *state)
{
    fst__four_reset((fst__four_state *)state);
}

static void step(const fst__env_kind *kind, fst__env_move *move)
{
    fst__four_state *state = (fst__four_state *)move->state;
    int won = fst__four_drop(state, *(const int32_t *)move->action);
    move->reward = won;
    move->terminated = won || fst__four_is_full(state);
}

/* Planes [own, other] of who moves next. */
static void observe(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                    void *observation)
{
    const fst__four_state *s = (const fst__four_state *)state;
    float *own = observation, *other = own + CELLS;
    for (int i = 0; i < CELLS; ++i) {
        own[i] = s->cells[i] == 1 + s->player;
        other[i] = s->cells[i] == 2 - s->player;
    }
}

/* A full board ends the game: its mask is never asked for a move, and stays. */
static void mask(const fst__env_kind *kind, const fst_env_make_options *options, const double *state, uint8_t *mask)
{
    const fst__four_state *s = (const fst__four_state *)state;
    if (!fst__four_is_full(s))
        for (int column = 0; column < COLUMNS; ++column)
            mask[column] = s->cells[column] == 0;
}

static int32_t player(const fst__env_kind *kind, const fst_env_make_options *options, const double *state)
{
    return ((const fst__four_state *)state)->player != 0;
}

/* Discs lie on discs; whose turn it is and how many each has do not matter to the rules. */
static bool accepts(const fst__env_kind *kind, const fst_env_make_options *options, const double *state)
{
    const fst__four_state *s = (const fst__four_state *)state;
    if ((s->player != 0 && s->player != 1) || s->last < -1 || s->last >= CELLS || s->last != (int)s->last)
        return false;
    for (int i = 0; i < CELLS; ++i) {
        if (s->cells[i] != 0 && s->cells[i] != 1 && s->cells[i] != 2)
            return false;
        if (s->cells[i] != 0 && i + COLUMNS < CELLS && s->cells[i + COLUMNS] == 0)
            return false;
    }
    return true;
}

static void render(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                   const float *trail, int64_t points, int32_t format, fst__text *text)
{
    if (format == FST_RENDER_SVG)
        fst__four_write_svg((const fst__four_state *)state, text);
    else
        fst__four_write_text((const fst__four_state *)state, text);
}

const fst__env_kind fst__env_connect_four = {
    .name = "ConnectFour-v0", .players = 2, .describe = describe, .reset = reset, .step = step, .observe = observe,
    .mask = mask, .player = player, .accepts = accepts, .render = render};
