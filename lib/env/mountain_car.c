/*
 * MountainCar: Moore, "Efficient memory-based learning for robot control" (1990), as Gymnasium's
 * classic_control/mountain_car.py and continuous_mountain_car.py have it. State: position, velocity.
 */
#include "env/kinds.h"
#include "env/picture.h"

#include <math.h>

#define LEAST_PLACE (-1.2)
#define MOST_PLACE 0.6
#define MOST_SPEED 0.07
#define GOAL 0.5
#define GOAL_CONTINUOUS 0.45
#define POWER 0.0015

static const float low[] = {(float)LEAST_PLACE, (float)-MOST_SPEED};
static const float high[] = {(float)MOST_PLACE, (float)MOST_SPEED};

static void describe_both(fst__env_shape *shape)
{
    shape->observation.shape[0] = 2;
    shape->observation.low = low;
    shape->observation.high = high;
    shape->state = 2;
    shape->nanoseconds = 60;
}

static fst_status describe(const fst__env_kind *kind, fst_env_make_options *options, fst__env_shape *shape)
{
    describe_both(shape);
    shape->action.kind = FST_SPACE_DISCRETE;
    shape->action.n = 3;
    shape->max_steps = 200;
    return FST_OK;
}

static fst_status describe_continuous(const fst__env_kind *kind, fst_env_make_options *options,
                                      fst__env_shape *shape)
{
    static const float most[] = {1}, least[] = {-1};
    describe_both(shape);
    shape->action.shape[0] = 1;
    shape->action.low = least;
    shape->action.high = most;
    shape->max_steps = 999;
    return FST_OK;
}

static void reset(const fst__env_kind *kind, const fst_env_make_options *options, uint64_t seed, double *state)
{
    state[0] = fst__env_uniform(seed, 0, 0, -0.6, -0.4);
    state[1] = 0;
}

static double clip(double x, double least, double most)
{
    return x < least ? least : x > most ? most : x;
}

static void step(const fst__env_kind *kind, fst__env_move *move)
{
    double position = move->state[0], velocity = move->state[1];
    int32_t action = *(const int32_t *)move->action;
    velocity += (action - 1) * 0.001 + cos(3 * position) * -0.0025;
    velocity = clip(velocity, -MOST_SPEED, MOST_SPEED);
    position = clip(position + velocity, LEAST_PLACE, MOST_PLACE);
    if (position == LEAST_PLACE && velocity < 0)
        velocity = 0;
    move->terminated = position >= GOAL && velocity >= 0;
    move->reward = -1;
    move->state[0] = position;
    move->state[1] = velocity;
}

/* Gymnasium's state is a float32 array after the first step of an episode, and numpy then calculates in float32. */
static bool continue_in_float(double *state, float force)
{
    float position = (float)state[0], velocity = (float)state[1];
    velocity += force * (float)POWER - (float)(0.0025 * cos((double)(3 * position)));
    velocity = velocity > (float)MOST_SPEED ? (float)MOST_SPEED : velocity;
    velocity = velocity < (float)-MOST_SPEED ? (float)-MOST_SPEED : velocity;
    position += velocity;
    position = position > (float)MOST_PLACE ? (float)MOST_PLACE : position;
    position = position < (float)LEAST_PLACE ? (float)LEAST_PLACE : position;
    if (position == (float)LEAST_PLACE && velocity < 0)
        velocity = 0;
    state[0] = (double)position;
    state[1] = (double)velocity;
    return position >= (float)GOAL_CONTINUOUS && velocity >= 0;
}

static bool continue_in_double(double *state, float force)
{
    double position = state[0], velocity = state[1];
    velocity += (double)(force * (float)POWER - (float)(0.0025 * cos(3 * position)));
    velocity = clip(velocity, -MOST_SPEED, MOST_SPEED);
    position = clip(position + velocity, LEAST_PLACE, MOST_PLACE);
    if (position == LEAST_PLACE && velocity < 0)
        velocity = 0;
    state[0] = (double)(float)position;
    state[1] = (double)(float)velocity;
    return position >= GOAL_CONTINUOUS && velocity >= 0;
}

static void step_continuous(const fst__env_kind *kind, fst__env_move *move)
{
    double *state = move->state;
    float force = *(const float *)move->action;
    bool floats = (double)(float)state[0] == state[0] && (double)(float)state[1] == state[1];
    move->terminated = floats ? continue_in_float(state, force) : continue_in_double(state, force);
    move->reward = (move->terminated ? 100.0 : 0.0) - (double)force * (double)force * 0.1;
}

static void observe(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                    void *observation)
{
    ((float *)observation)[0] = (float)state[0];
    ((float *)observation)[1] = (float)state[1];
}

static void draw(const double *state, double goal, int32_t format, fst__text *text)
{
    const double width = MOST_PLACE - LEAST_PLACE, scale = 600 / width;
    if (format == FST_RENDER_TEXT) {
        const fst__mark marks[] = {{(goal - LEAST_PLACE) / width, 'F'}, {(state[0] - LEAST_PLACE) / width, 'A'}};
        fst__text_track(text, 61, '-', marks, 2);
        fst__text_append_string(text, "position ");
        fst__text_number(text, state[0], 3);
        fst__text_append_string(text, ", velocity ");
        fst__text_number(text, state[1], 4);
        fst__text_append_string(text, "\n");
        return;
    }
    fst__svg_begin(text, 600, 400);
    fst__text_append_string(text, "<polyline fill=\"none\" stroke=\"black\" points=\"");
    for (int i = 0; i <= 100; ++i) {
        double at = LEAST_PLACE + width * i / 100;
        fst__svg_point(text, (at - LEAST_PLACE) * scale, 400 - (sin(3 * at) * 0.45 + 0.55) * scale);
    }
    fst__text_append_string(text, "\"/>\n");
    double x = (state[0] - LEAST_PLACE) * scale, y = 400 - (sin(3 * state[0]) * 0.45 + 0.55) * scale;
    double flag = (goal - LEAST_PLACE) * scale, foot = 400 - (sin(3 * goal) * 0.45 + 0.55) * scale;
    fst__svg_line(text, flag, foot, flag, foot - 50, 1, "black");
    fst__svg_rectangle(text, flag, foot - 50, 25, 12, "#cccc00");
    fst__svg_circle(text, x, y - 12, 12, "#808080");
    fst__svg_end(text);
}

static void render(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                   const float *trail, int64_t points, int32_t format, fst__text *text)
{
    draw(state, GOAL, format, text);
}

static void render_continuous(const fst__env_kind *kind, const fst_env_make_options *options, const double *state,
                              const float *trail, int64_t points, int32_t format, fst__text *text)
{
    draw(state, GOAL_CONTINUOUS, format, text);
}

const fst__env_kind fst__env_mountain_car = {
    .name = "MountainCar-v0",
    .describe = describe,
    .reset = reset,
    .step = step,
    .observe = observe,
    .render = render,
};

const fst__env_kind fst__env_mountain_car_continuous = {
    .name = "MountainCarContinuous-v0",
    .describe = describe_continuous,
    .reset = reset,
    .step = step_continuous,
    .observe = observe,
    .render = render_continuous,
};
