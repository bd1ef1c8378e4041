/* How the robot and the things about it move, and what a step is worth. */
#include "env/robot.h"

#include "base/random.h"

#include <math.h>

static const double LEAST_SPEED = -0.3, MOST_SPEED = 1.0, MOST_TURN = 2.0;
static const double ACCELERATION = 2.0, TURN_ACCELERATION = 10.0;
/* Standard deviations of what the wheels make of a command, at noise = 1: parts of the velocity. */
static const double SPEED_SLIP = 0.05, TURN_SLIP = 0.05;

static const double REACHED_REWARD = 5, COLLISION_REWARD = -10, STEP_REWARD = -0.01;

enum { PARTS = 2 }; /* of a step, collisions are looked for after each: 5 cm of way at most */

static double towards(double from, double to, double most)
{
    return from + fmin(fmax(to - from, -most), most);
}

/* Constant speed and turn for a time: an arc of a circle, exactly. */
static void drive(fst__robot_state *s, double speed, double turn, double time)
{
    double heading = s->heading + turn * time;
    if (fabs(turn) < 1e-9) {
        s->x += speed * time * cos(s->heading);
        s->y += speed * time * sin(s->heading);
    } else {
        s->x += speed / turn * (sin(heading) - sin(s->heading));
        s->y -= speed / turn * (cos(heading) - cos(s->heading));
    }
    s->heading = remainder(heading, 6.283185307179586476925);
}

/* Mirrors the velocity at a surface with this normal, if it goes into it. */
static void bounce(fst__robot_mover *m, double normal_x, double normal_y)
{
    double into = m->velocity_x * normal_x + m->velocity_y * normal_y;
    if (into < 0) {
        m->velocity_x -= 2 * into * normal_x;
        m->velocity_y -= 2 * into * normal_y;
    }
}

static void bounce_off_walls(fst__robot_mover *m)
{
    if (m->x < m->radius)
        bounce(m, 1, 0);
    if (m->x > FST__ROBOT_ROOM - m->radius)
        bounce(m, -1, 0);
    if (m->y < m->radius)
        bounce(m, 0, 1);
    if (m->y > FST__ROBOT_ROOM - m->radius)
        bounce(m, 0, -1);
}

static void bounce_off_obstacle(fst__robot_mover *m, const fst__robot_obstacle *o)
{
    double nearest_x = o->x, nearest_y = o->y, radius = o->half_width;
    if (o->round == 0) {
        nearest_x = fmin(fmax(m->x, o->x - o->half_width), o->x + o->half_width);
        nearest_y = fmin(fmax(m->y, o->y - o->half_height), o->y + o->half_height);
        radius = 0;
    }
    double dx = m->x - nearest_x, dy = m->y - nearest_y, distance = sqrt(dx * dx + dy * dy);
    if (distance > 0 && distance < m->radius + radius)
        bounce(m, dx / distance, dy / distance);
}

/* Two discs of one mass: they exchange what they have along the line between them. */
static void bounce_off_each_other(fst__robot_mover *a, fst__robot_mover *b)
{
    double dx = b->x - a->x, dy = b->y - a->y, distance = sqrt(dx * dx + dy * dy);
    if (distance <= 0 || distance >= a->radius + b->radius)
        return;
    dx /= distance;
    dy /= distance;
    double approach = (a->velocity_x - b->velocity_x) * dx + (a->velocity_y - b->velocity_y) * dy;
    if (approach <= 0)
        return;
    a->velocity_x -= approach * dx;
    a->velocity_y -= approach * dy;
    b->velocity_x += approach * dx;
    b->velocity_y += approach * dy;
}

static void move_others(fst__robot_state *s, double time)
{
    int count = (int)s->mover_count;
    for (int i = 0; i < count; ++i) {
        fst__robot_mover *m = &s->movers[i];
        m->x += m->velocity_x * time;
        m->y += m->velocity_y * time;
        bounce_off_walls(m);
        for (int j = 0; j < (int)s->obstacle_count; ++j)
            bounce_off_obstacle(m, &s->obstacles[j]);
        for (int j = 0; j < i; ++j)
            bounce_off_each_other(&s->movers[j], m);
    }
}

static bool collides(const fst__robot_state *s)
{
    if (fst__robot_clearance(s, s->x, s->y) < FST__ROBOT_RADIUS)
        return true;
    for (int i = 0; i < (int)s->mover_count; ++i) {
        double dx = s->movers[i].x - s->x, dy = s->movers[i].y - s->y;
        double apart = FST__ROBOT_RADIUS + s->movers[i].radius;
        if (dx * dx + dy * dy < apart * apart)
            return true;
    }
    return false;
}

static double goal_distance(const fst__robot_state *s)
{
    double dx = s->goal_x - s->x, dy = s->goal_y - s->y;
    return sqrt(dx * dx + dy * dy);
}

static void drive_a_step(const fst__robot_rules *rules, const float action[FST__ROBOT_ACTIONS],
                         fst__robot_state *s, fst__robot_outcome *outcome)
{
    double throttle = fmin(fmax((double)action[0], -1), 1), wheel = fmin(fmax((double)action[1], -1), 1);
    double wanted = (MOST_SPEED + LEAST_SPEED) / 2 + (MOST_SPEED - LEAST_SPEED) / 2 * throttle;
    s->speed = towards(s->speed, wanted, ACCELERATION * FST__ROBOT_STEP);
    s->turn = towards(s->turn, MOST_TURN * wheel, TURN_ACCELERATION * FST__ROBOT_STEP);
    double speed = s->speed, turn = s->turn;
    if (rules->noise > 0) {
        fst__philox_block block = fst__robot_noise(s, FST__ROBOT_BLOCK_WHEELS);
        speed *= 1 + SPEED_SLIP * rules->noise * fst__normal(block, 0);
        turn *= 1 + TURN_SLIP * rules->noise * fst__normal(block, 1);
    }
    for (int part = 0; part < PARTS && !outcome->collided && !outcome->reached; ++part) {
        drive(s, speed, turn, FST__ROBOT_STEP / PARTS);
        move_others(s, FST__ROBOT_STEP / PARTS);
        outcome->collided = collides(s);
        outcome->reached = !outcome->collided && goal_distance(s) < FST__ROBOT_GOAL_RADIUS;
    }
}

/*
 * The reward's shaping is potential-based with Φ = −distance to the goal (Ng, Harada and Russell, "Policy
 * invariance under reward transformations", ICML 1999), its discount taken as 1: metres of progress.
 */
fst__robot_outcome fst__robot_step(const fst__robot_rules *rules, const float action[FST__ROBOT_ACTIONS],
                                   fst__robot_state *s)
{
    fst__robot_outcome outcome = {0};
    double before = goal_distance(s);
    s->step += 1;
    drive_a_step(rules, action, s, &outcome);
    outcome.reward = before - goal_distance(s) + STEP_REWARD;
    if (outcome.reached)
        outcome.reward += REACHED_REWARD;
    if (outcome.collided)
        outcome.reward += COLLISION_REWARD;
    for (int i = 0; i < rules->rays; ++i)
        s->earlier[i] = s->ranges[i];
    fst__robot_scan(rules, s);
    return outcome;
}
