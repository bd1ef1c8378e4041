/*
 * FrozenLake: over the ice to the goal without falling into a hole, as Gymnasium's toy_text/frozen_lake.py has it.
 * State: the field, row · columns + column.
 */
#include "env/kinds.h"
#include "env/picture.h"

#include <math.h>

typedef struct lake {
    const char *fields; /* row after row: S start, F frozen, H hole, G goal */
    int32_t side;
    int64_t max_steps;
} lake;

static const lake small_lake = {"SFFF"
                                "FHFH"
                                "FFFH"
                                "HFFG",
                                4, 100};
static const lake large_lake = {"SFFFFFFF"
                                "FFFFFFFF"
                                "FFFHFFFF"
                                "FFFFFHFF"
                                "FFFHFFFF"
                                "FHHFFFHF"
                                "FHFFHFHF"
                                "FFFHFFFG",
                                8, 200};

enum { LEFT, DOWN, RIGHT, UP };

static fst_status describe(const fst__env_kind *kind, fst_env_make_options *options, fst__env_shape *shape)
{
    const lake *map = kind->variant;
    shape->observation.kind = FST_SPACE_DISCRETE;
    shape->observation.n = (int64_t)map->side * map->side;
    shape->action.kind = FST_SPACE_DISCRETE;
    shape->action.n = 4;
    shape->state = 1;
    shape->max_steps = map->max_steps;
    shape->nanoseconds = 30;
    return FST_OK;
}

static void reset(const fst__env_kind *kind, const fst_env_make_options *options, uint64_t seed, double *state)
{
    state[0] = 0;
}

static void step(const fst__env_kind *kind, fst__env_move *move)
{
    const lake *map = kind->variant;
    int32_t field = (int32_t)move->state[0], way = *(const int32_t *)move->action;
    if (map->fields[field] == 'G' || map->fields[field] == 'H') {
        move->terminated = true; /* nobody leaves these */
        return;
    }
    if (move->options->slippery) /* to the left of the way, along it, or to the right, a third each */
        way = (way + 3 + (int32_t)fst__env_choice(move->seed, move->step, 0, 3)) % 4;
    int32_t row = field / map->side, column = field % map->side;
    column += way == RIGHT && column + 1 < map->side;
    column -= way == LEFT && column > 0;
    row += way == DOWN && row + 1 < map->side;
    row -= way == UP && row > 0;
    field = row * map->side + column;
    move->state[0] = field;
    move->terminated = map->fields[field] == 'G' || map->fields[field] == 'H';
    move->reward = map->fields[field] == 'G';
}

static void observe(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                    void *observation)
{
    *(int32_t *)observation = (int32_t)state[0];
}

static bool accepts(const fst__env_kind *kind, const fst_env_make_options *options, const double *state)
{
    const lake *map = kind->variant;
    return state[0] >= 0 && state[0] < map->side * map->side && floor(state[0]) == state[0];
}

static void render(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                   const float *trail, int64_t points, int32_t format, fst__text *text)
{
    const lake *map = kind->variant;
    int32_t here = (int32_t)state[0];
    if (format == FST_RENDER_SVG)
        fst__svg_begin(text, 64.0 * map->side, 64.0 * map->side);
    for (int32_t field = 0; field < map->side * map->side; ++field) {
        int32_t row = field / map->side, column = field % map->side;
        char letter[] = {map->fields[field], '\0'};
        if (format == FST_RENDER_TEXT) {
            fst__text_printf(text, field == here ? "[%s]" : " %s ", letter);
            if (column == map->side - 1)
                fst__text_append_string(text, "\n");
            continue;
        }
        const char *colour = *letter == 'H' ? "#205080" : *letter == 'G' ? "#a0e0a0" : "#d8ecf8";
        fst__svg_rectangle(text, 64.0 * column + 1, 64.0 * row + 1, 62, 62, colour);
        fst__svg_label(text, 64.0 * column + 32, 64.0 * row + 20, letter);
        if (field == here)
            fst__svg_circle(text, 64.0 * column + 32, 64.0 * row + 40, 14, "#c04040");
    }
    if (format == FST_RENDER_SVG)
        fst__svg_end(text);
}

#define FROZEN_LAKE(symbol, title, map)                                                                                \
    const fst__env_kind symbol = {                                                                                     \
        .name = title,                                                                                                 \
        .variant = &map,                                                                                               \
        .describe = describe,                                                                                          \
        .reset = reset,                                                                                                \
        .step = step,                                                                                                  \
        .observe = observe,                                                                                            \
        .accepts = accepts,                                                                                            \
        .render = render,                                                                                              \
    }

FROZEN_LAKE(fst__env_frozen_lake, "FrozenLake-v1", small_lake);
FROZEN_LAKE(fst__env_frozen_lake_8x8, "FrozenLake8x8-v1", large_lake);
