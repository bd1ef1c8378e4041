/* What the robot measures: distances in its world, the lidar, the observation. */
#include "env/robot.h"

#include "env/kind.h"

#include <math.h>

/* Standard deviations at noise = 1. */
static const double RANGE_NOISE = 0.01;    /* m of a lidar range */
static const double DISTANCE_NOISE = 0.02; /* m of the goal's distance */
static const double BEARING_NOISE = 0.01;  /* rad of the goal's bearing */
static const double SPEED_NOISE = 0.02;    /* m/s of the measured speed */
static const double TURN_NOISE = 0.04;     /* rad/s of the measured turn */

/* What an observation divides by. */
static const double NEARNESS_UNIT = 0.8;    /* m */
static const double RANGE_CHANGE_UNIT = 0.2; /* m in one step: a little more than two at their fastest meet by */
static const double SPEED_UNIT = 1.0;
static const double TURN_UNIT = 2.0;

static double disc_distance(double x, double y, double centre_x, double centre_y, double radius)
{
    return sqrt((x - centre_x) * (x - centre_x) + (y - centre_y) * (y - centre_y)) - radius;
}

static double obstacle_distance(const fst__robot_obstacle *o, double x, double y)
{
    if (o->round != 0)
        return disc_distance(x, y, o->x, o->y, o->half_width);
    double dx = fmax(fabs(x - o->x) - o->half_width, 0);
    double dy = fmax(fabs(y - o->y) - o->half_height, 0);
    return sqrt(dx * dx + dy * dy);
}

double fst__robot_clearance(const fst__robot_state *state, double x, double y)
{
    double least = fmin(fmin(x, FST__ROBOT_ROOM - x), fmin(y, FST__ROBOT_ROOM - y));
    for (int i = 0; i < (int)state->obstacle_count; ++i)
        least = fmin(least, obstacle_distance(&state->obstacles[i], x, y));
    return least;
}

/* Where a ray from outside enters a disc; the range where it does not. */
static double ray_disc(double x, double y, double dx, double dy, double radius)
{
    double along = x * dx + y * dy; /* (x, y) from the ray's origin to the centre */
    double across = x * dy - y * dx;
    double inside = radius * radius - across * across;
    if (along <= 0 || inside <= 0)
        return FST__ROBOT_RANGE;
    return fmax(along - sqrt(inside), 0);
}

/* Likewise a rectangle, by slabs: Kay and Kajiya, "Ray tracing complex scenes", 1986. */
static double ray_rectangle(double x, double y, double dx, double dy, const fst__robot_obstacle *o)
{
    double enter = 0, leave = FST__ROBOT_RANGE;
    const double from[2] = {x, y}, direction[2] = {dx, dy};
    const double centre[2] = {o->x, o->y}, half[2] = {o->half_width, o->half_height};
    for (int axis = 0; axis < 2; ++axis) {
        double offset = centre[axis] - from[axis];
        if (fabs(direction[axis]) < 1e-12) {
            if (fabs(offset) > half[axis])
                return FST__ROBOT_RANGE;
            continue;
        }
        double one = (offset - half[axis]) / direction[axis], other = (offset + half[axis]) / direction[axis];
        enter = fmax(enter, fmin(one, other));
        leave = fmin(leave, fmax(one, other));
    }
    return enter <= leave ? enter : FST__ROBOT_RANGE;
}

static double ray_wall(double from, double direction)
{
    if (fabs(direction) < 1e-12)
        return FST__ROBOT_RANGE;
    return ((direction > 0 ? FST__ROBOT_ROOM : 0) - from) / direction;
}

double fst__robot_ray(const fst__robot_state *state, double x, double y, double dx, double dy)
{
    double range = fmin(FST__ROBOT_RANGE, fmin(ray_wall(x, dx), ray_wall(y, dy)));
    for (int i = 0; i < (int)state->obstacle_count; ++i) {
        const fst__robot_obstacle *o = &state->obstacles[i];
        range = fmin(range, o->round != 0 ? ray_disc(o->x - x, o->y - y, dx, dy, o->half_width)
                                          : ray_rectangle(x, y, dx, dy, o));
    }
    for (int i = 0; i < (int)state->mover_count; ++i) {
        const fst__robot_mover *m = &state->movers[i];
        range = fmin(range, ray_disc(m->x - x, m->y - y, dx, dy, m->radius));
    }
    return fmax(range, 0);
}

fst__philox_block fst__robot_noise(const fst__robot_state *state, uint64_t block)
{
    /* The high bit keeps the first scan's noise apart from the world's numbers. */
    return fst__env_draw((uint64_t)state->seed, (int64_t)state->step, (uint64_t)1 << 63 | block);
}

void fst__robot_scan(const fst__robot_rules *rules, fst__robot_state *state)
{
    double dx = cos(state->heading), dy = sin(state->heading);
    double between = 6.283185307179586476925 / rules->rays;
    double cosine = cos(between), sine = sin(between);
    fst__philox_block block = {{0}};
    for (int i = 0; i < rules->rays; ++i) {
        double range = fst__robot_ray(state, state->x, state->y, dx, dy);
        double turned = cosine * dx - sine * dy;
        dy = sine * dx + cosine * dy;
        dx = turned;
        if (rules->noise > 0) {
            if (i % 2 == 0)
                block = fst__robot_noise(state, FST__ROBOT_BLOCK_RANGES + (uint64_t)i / 2);
            range += RANGE_NOISE * rules->noise * fst__normal(block, i % 2);
        }
        state->ranges[i] = fmin(fmax(range, 0), FST__ROBOT_RANGE);
    }
}

static float within_one(double value)
{
    return (float)fmin(fmax(value, -1), 1);
}

int32_t fst__robot_observation_size(const fst__robot_rules *rules)
{
    return 2 * rules->rays + 5;
}

void fst__robot_observe(const fst__robot_rules *rules, const fst__robot_state *state, float *observation)
{
    int rays = rules->rays;
    for (int i = 0; i < rays; ++i) {
        observation[i] = within_one(exp((FST__ROBOT_RADIUS - state->ranges[i]) / NEARNESS_UNIT));
        observation[rays + i] = within_one((state->ranges[i] - state->earlier[i]) / RANGE_CHANGE_UNIT);
    }
    double dx = state->goal_x - state->x, dy = state->goal_y - state->y;
    double distance = sqrt(dx * dx + dy * dy), bearing = atan2(dy, dx) - state->heading;
    double speed = state->speed, turn = state->turn;
    if (rules->noise > 0) {
        fst__philox_block goal = fst__robot_noise(state, FST__ROBOT_BLOCK_GOAL);
        fst__philox_block odometry = fst__robot_noise(state, FST__ROBOT_BLOCK_ODOMETRY);
        distance = fmax(distance + DISTANCE_NOISE * rules->noise * fst__normal(goal, 0), 0);
        bearing += BEARING_NOISE * rules->noise * fst__normal(goal, 1);
        speed += SPEED_NOISE * rules->noise * fst__normal(odometry, 0);
        turn += TURN_NOISE * rules->noise * fst__normal(odometry, 1);
    }
    float *rest = observation + 2 * rays;
    rest[0] = within_one(distance / FST__ROBOT_ROOM);
    rest[1] = within_one(cos(bearing));
    rest[2] = within_one(sin(bearing));
    rest[3] = within_one(speed / SPEED_UNIT);
    rest[4] = within_one(turn / TURN_UNIT);
}
