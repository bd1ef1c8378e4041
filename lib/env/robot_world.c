/* The worlds of the robot: drawn from a seed, and drawn again until one can be solved. */
#include "env/robot.h"

#include "env/kind.h"

#include <math.h>
#include <string.h>

static const double PASSAGE = 0.8;         /* m at least between what stands */
static const double START_CLEARANCE = 0.5; /* m of the robot's and the goal's centre */
static const double LEAST_WAY = 3.0;       /* m from the robot to the goal */
static const double MOVER_START = 1.5;     /* m from a moving obstacle to the robot */
static const double SAFETY = 0.1;          /* m that the path checked keeps beside the robot */
static const double TWO_PI = 6.283185307179586476925;

enum { TRIES = 64 }; /* for a place, before it is given up */

/* The numbers of one attempt at a world, in the order in which they are asked for. */
typedef struct numbers {
    uint64_t seed, attempt, used;
} numbers;

static double between(numbers *n, double least, double most)
{
    return fst__env_uniform(n->seed, 0, n->attempt << 32 | n->used++, least, most);
}

/* The gap between two obstacles, a disc counted as the square about it. */
static bool apart(const fst__robot_obstacle *a, const fst__robot_obstacle *b)
{
    double dx = fmax(fabs(a->x - b->x) - a->half_width - b->half_width, 0);
    double dy = fmax(fabs(a->y - b->y) - a->half_height - b->half_height, 0);
    return dx * dx + dy * dy >= PASSAGE * PASSAGE;
}

static fst__robot_obstacle draw_obstacle(numbers *n)
{
    fst__robot_obstacle o = {.round = between(n, 0, 1) < 0.5};
    if (o.round != 0) {
        o.half_width = o.half_height = between(n, 0.2, 0.45);
    } else {
        double longer = between(n, 0.3, 0.7), shorter = between(n, 0.1, 0.3);
        bool upright = between(n, 0, 1) < 0.5;
        o.half_width = upright ? shorter : longer;
        o.half_height = upright ? longer : shorter;
    }
    o.x = between(n, o.half_width + PASSAGE, FST__ROBOT_ROOM - o.half_width - PASSAGE);
    o.y = between(n, o.half_height + PASSAGE, FST__ROBOT_ROOM - o.half_height - PASSAGE);
    return o;
}

static void place_obstacles(fst__robot_state *s, numbers *n, int32_t wanted)
{
    for (int32_t i = 0; i < wanted; ++i) {
        for (int t = 0; t < TRIES; ++t) {
            fst__robot_obstacle o = draw_obstacle(n);
            int count = (int)s->obstacle_count, j = 0;
            while (j < count && apart(&s->obstacles[j], &o))
                ++j;
            if (j == count) {
                s->obstacles[count] = o;
                s->obstacle_count += 1;
                break;
            }
        }
    }
}

/* A free place at least so far from another; false where none was found. */
static bool draw_place(const fst__robot_state *s, numbers *n, double clearance, const double from[2],
                       double distance, double place[2])
{
    for (int t = 0; t < TRIES; ++t) {
        place[0] = between(n, clearance, FST__ROBOT_ROOM - clearance);
        place[1] = between(n, clearance, FST__ROBOT_ROOM - clearance);
        double dx = place[0] - from[0], dy = place[1] - from[1];
        if (fst__robot_clearance(s, place[0], place[1]) >= clearance && dx * dx + dy * dy >= distance * distance)
            return true;
    }
    return false;
}

static bool place_robot_and_goal(fst__robot_state *s, numbers *n)
{
    double robot[2], goal[2];
    if (!draw_place(s, n, START_CLEARANCE, (double[2]){0}, 0, robot) ||
        !draw_place(s, n, START_CLEARANCE, robot, LEAST_WAY, goal))
        return false;
    s->x = robot[0];
    s->y = robot[1];
    s->goal_x = goal[0];
    s->goal_y = goal[1];
    s->heading = between(n, -TWO_PI / 2, TWO_PI / 2);
    return true;
}

static void place_movers(fst__robot_state *s, numbers *n, int32_t wanted)
{
    for (int32_t i = 0; i < wanted; ++i) {
        double place[2], radius = between(n, 0.25, 0.35);
        if (!draw_place(s, n, radius + 0.05, (double[2]){s->x, s->y}, MOVER_START, place))
            continue;
        double speed = between(n, 0.1, 0.4), angle = between(n, 0, TWO_PI);
        s->movers[(int)s->mover_count] =
            (fst__robot_mover){place[0], place[1], speed * cos(angle), speed * sin(angle), radius};
        s->mover_count += 1;
    }
}

enum { CELLS = 40 };

static double cell_centre(int cell)
{
    return (cell + 0.5) * (FST__ROBOT_ROOM / CELLS);
}

static int cell_of(double x)
{
    int cell = (int)(x * (CELLS / FST__ROBOT_ROOM));
    return cell < 0 ? 0 : cell >= CELLS ? CELLS - 1 : cell;
}

/* A flood from the robot's cell over those whose centres have the clearance, four neighbours each. */
bool fst__robot_solvable(const fst__robot_state *s, double radius)
{
    static const int step_x[4] = {1, 0, -1, 0}, step_y[4] = {0, 1, 0, -1};
    bool seen[CELLS * CELLS] = {false};
    int16_t queue[CELLS * CELLS];
    int head = 0, tail = 0;
    int from = cell_of(s->y) * CELLS + cell_of(s->x), to = cell_of(s->goal_y) * CELLS + cell_of(s->goal_x);
    queue[tail++] = (int16_t)from;
    seen[from] = true;
    while (head < tail && !seen[to]) {
        int cell = queue[head++];
        for (int k = 0; k < 4; ++k) {
            int x = cell % CELLS + step_x[k], y = cell / CELLS + step_y[k];
            if (x < 0 || y < 0 || x >= CELLS || y >= CELLS || seen[y * CELLS + x] ||
                fst__robot_clearance(s, cell_centre(x), cell_centre(y)) < radius)
                continue;
            seen[y * CELLS + x] = true;
            queue[tail++] = (int16_t)(y * CELLS + x);
        }
    }
    return seen[to];
}

/* A crowded room loses an obstacle with each attempt that fails; an empty one is solvable. */
void fst__robot_reset(const fst__robot_rules *rules, uint64_t seed, fst__robot_state *s)
{
    for (int32_t attempt = 0;; ++attempt) {
        numbers n = {.seed = seed, .attempt = (uint64_t)attempt};
        int32_t obstacles = rules->obstacles - attempt / 4;
        memset(s, 0, sizeof *s);
        s->seed = (double)seed;
        place_obstacles(s, &n, obstacles > 0 ? obstacles : 0);
        if (!place_robot_and_goal(s, &n) || !fst__robot_solvable(s, FST__ROBOT_RADIUS + SAFETY))
            continue;
        place_movers(s, &n, rules->moving);
        break;
    }
    fst__robot_scan(rules, s);
    memcpy(s->earlier, s->ranges, sizeof s->earlier);
}
