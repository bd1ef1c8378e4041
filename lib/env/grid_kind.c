/* The grid worlds as environments. */
#include "env/grid.h"
#include "env/kinds.h"

#include <math.h>
#include <string.h>

enum { CELLS = FST__GRID_VIEW * FST__GRID_VIEW };

static fst_status describe(const fst__env_kind *kind, fst_env_make_options *options, fst__env_shape *shape)
{
    const fst__grid_variant *variant = kind->variant;
    if (options->max_steps < 0)
        options->max_steps = variant->max_steps; /* the reward is made of it */
    shape->observation.kind = FST_SPACE_BOX;
    shape->observation.dtype = FST_F32;
    shape->observation.rank = 3;
    shape->observation.shape[0] = FST__GRID_PLANES;
    shape->observation.shape[1] = shape->observation.shape[2] = FST__GRID_VIEW;
    for (int i = 0; i < FST__GRID_PLANES * CELLS; ++i)
        shape->high[i] = 1;
    shape->observation.low = shape->low;
    shape->observation.high = shape->high;
    shape->action.kind = FST_SPACE_DISCRETE;
    shape->action.n = FST__GRID_ACTIONS;
    shape->state = sizeof(fst__grid_state) / sizeof(double);
    shape->max_steps = variant->max_steps;
    shape->nanoseconds = 400;
    return FST_OK;
}

static void reset(const fst__env_kind *kind, const fst_env_make_options *options, uint64_t seed, double *state)
{
    fst__grid_generate(kind->variant, seed, (fst__grid_state *)state);
}

/* MiniGridEnv._reward */
static void step(const fst__env_kind *kind, fst__env_move *move)
{
    double most = (double)move->options->max_steps;
    move->terminated = fst__grid_act(kind->variant, *(const int32_t *)move->action, (fst__grid_state *)move->state);
    if (move->terminated)
        move->reward = most > 0 ? 1 - 0.9 * ((double)move->step / most) : 1;
}

static void observe(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                    void *observation)
{
    uint8_t view[CELLS];
    float *planes = observation; /* [FST__GRID_PLANES, rows, columns] */
    fst__grid_see(kind->variant, (const fst__grid_state *)state, view);
    memset(planes, 0, sizeof(float) * FST__GRID_PLANES * CELLS);
    for (int i = 0; i < CELLS; ++i)
        if (view[i] != FST__GRID_EMPTY)
            planes[(view[i] - 1) * CELLS + i] = 1;
}

static bool is_one_of(double value, int least, int most)
{
    return value >= least && value <= most && value == floor(value);
}

/* The walls about the grid stay: nothing steps over its edge. */
static bool accepts(const fst__env_kind *kind, const fst_env_make_options *options, const double *state)
{
    const fst__grid_variant *variant = kind->variant;
    const fst__grid_state *s = (const fst__grid_state *)state;
    int last = variant->side - 1;
    if (!is_one_of(s->x, 1, last - 1) || !is_one_of(s->y, 1, last - 1) || !is_one_of(s->direction, 0, 3) ||
        (s->carrying != FST__GRID_EMPTY && s->carrying != FST__GRID_KEY))
        return false;
    for (int i = 0; i < variant->side * variant->side; ++i) {
        int x = i % variant->side, y = i / variant->side;
        bool edge = x == 0 || y == 0 || x == last || y == last;
        if (!is_one_of(s->cells[i], FST__GRID_EMPTY, FST__GRID_DOOR_LOCKED) ||
            (edge && s->cells[i] != FST__GRID_WALL))
            return false;
    }
    return true;
}

static void render(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                   const float *trail, int64_t points, int32_t format, fst__text *text)
{
    const fst__grid_state *s = (const fst__grid_state *)state;
    if (format == FST_RENDER_SVG)
        fst__grid_write_svg(kind->variant, s, text);
    else
        fst__grid_write_text(kind->variant, s, text);
}

static const fst__grid_variant empty_5x5 = {FST__GRID_EMPTY_ROOM, 5, 100, true};
static const fst__grid_variant door_key_5x5 = {FST__GRID_DOOR_KEY, 5, 250, false};
static const fst__grid_variant door_key_6x6 = {FST__GRID_DOOR_KEY, 6, 360, false};
static const fst__grid_variant door_key_8x8 = {FST__GRID_DOOR_KEY, 8, 640, false};
static const fst__grid_variant four_rooms = {FST__GRID_FOUR_ROOMS, 19, 100, false};

const fst__env_kind fst__env_grid_empty_5x5 = {
    .name = "MiniGrid-Empty-5x5-v0", .variant = &empty_5x5, .describe = describe, .reset = reset, .step = step,
    .observe = observe, .accepts = accepts, .render = render};
const fst__env_kind fst__env_door_key_5x5 = {
    .name = "MiniGrid-DoorKey-5x5-v0", .variant = &door_key_5x5, .describe = describe, .reset = reset, .step = step,
    .observe = observe, .accepts = accepts, .render = render};
const fst__env_kind fst__env_door_key_6x6 = {
    .name = "MiniGrid-DoorKey-6x6-v0", .variant = &door_key_6x6, .describe = describe, .reset = reset, .step = step,
    .observe = observe, .accepts = accepts, .render = render};
const fst__env_kind fst__env_door_key_8x8 = {
    .name = "MiniGrid-DoorKey-8x8-v0", .variant = &door_key_8x8, .describe = describe, .reset = reset, .step = step,
    .observe = observe, .accepts = accepts, .render = render};
const fst__env_kind fst__env_four_rooms = {
    .name = "MiniGrid-FourRooms-v0", .variant = &four_rooms, .describe = describe, .reset = reset, .step = step,
    .observe = observe, .accepts = accepts, .render = render};
