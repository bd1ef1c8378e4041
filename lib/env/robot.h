/*
 * A robot with two driven wheels in a square room: it sees by lidar, knows where its goal lies and must
 * drive there past walls, obstacles that stand and obstacles that move.
 *
 * Lengths are in metres, angles in radians counter-clockwise from the x axis, velocities in m/s and rad/s.
 * An episode's world and noise are functions of its seed and step alone.
 */
#ifndef FST_ENV_ROBOT_H
#define FST_ENV_ROBOT_H

#include "base/random.h"
#include "base/text.h"

#include <stdint.h>

enum {
    FST__ROBOT_OBSTACLES = 16, /* that stand, at most */
    FST__ROBOT_MOVING = 8,     /* obstacles that move, at most */
    FST__ROBOT_RAYS = 64,      /* at most */
    FST__ROBOT_ACTIONS = 2,
};

#define FST__ROBOT_ROOM 8.0        /* a side of the room, whose corner is the origin */
#define FST__ROBOT_RADIUS 0.2      /* of the robot */
#define FST__ROBOT_GOAL_RADIUS 0.3 /* the robot's centre within it: reached */
#define FST__ROBOT_RANGE 4.0       /* of the lidar */
#define FST__ROBOT_STEP 0.1        /* seconds of one step */

typedef struct fst__robot_rules {
    int32_t obstacles, moving, rays;
    double noise; /* factor of every standard deviation */
} fst__robot_rules;

/* An obstacle that stands: a disc, or a rectangle along the axes. */
typedef struct fst__robot_obstacle {
    double round;       /* 1: a disc of radius half_width */
    double x, y;        /* the centre */
    double half_width, half_height;
} fst__robot_obstacle;

/* A disc that moves. */
typedef struct fst__robot_mover {
    double x, y, velocity_x, velocity_y, radius;
} fst__robot_mover;

/* All doubles: an environment's state is this structure's bytes. */
typedef struct fst__robot_state {
    double x, y, heading, speed, turn;
    double goal_x, goal_y;
    double seed, step;
    double obstacle_count, mover_count;
    double ranges[FST__ROBOT_RAYS];   /* as measured now */
    double earlier[FST__ROBOT_RAYS];  /* as measured one step before */
    fst__robot_obstacle obstacles[FST__ROBOT_OBSTACLES];
    fst__robot_mover movers[FST__ROBOT_MOVING];
} fst__robot_state;

typedef struct fst__robot_outcome {
    double reward;
    bool reached, collided;
} fst__robot_outcome;

int32_t fst__robot_observation_size(const fst__robot_rules *rules);

/* A world in which a path with clearance leads from the robot to its goal. */
void fst__robot_reset(const fst__robot_rules *rules, uint64_t seed, fst__robot_state *state);
fst__robot_outcome fst__robot_step(const fst__robot_rules *rules, const float action[FST__ROBOT_ACTIONS],
                                   fst__robot_state *state);
void fst__robot_observe(const fst__robot_rules *rules, const fst__robot_state *state, float *observation);

/* Distance from a point to the nearest wall or standing obstacle; 0 or less inside of one. */
double fst__robot_clearance(const fst__robot_state *state, double x, double y);
/* Distance along a direction of length 1 to the nearest thing, the lidar's range at most. */
double fst__robot_ray(const fst__robot_state *state, double x, double y, double dx, double dy);
/* Whether a disc of this radius finds a way from the robot to the goal past what stands, on a grid of 0.2 m. */
bool fst__robot_solvable(const fst__robot_state *state, double radius);
/* The blocks of random numbers of a step, two normals each; the ranges' ones go on from the last. */
enum { FST__ROBOT_BLOCK_WHEELS, FST__ROBOT_BLOCK_GOAL, FST__ROBOT_BLOCK_ODOMETRY, FST__ROBOT_BLOCK_RANGES };
fst__philox_block fst__robot_noise(const fst__robot_state *state, uint64_t block);
/* Measures the ranges where the robot stands. */
void fst__robot_scan(const fst__robot_rules *rules, fst__robot_state *state);

/* path: [points, 2] positions since the episode began. */
void fst__robot_write_text(const fst__robot_rules *rules, const fst__robot_state *state, const float *path,
                           int64_t points, fst__text *text);
void fst__robot_write_svg(const fst__robot_rules *rules, const fst__robot_state *state, const float *path,
                          int64_t points, fst__text *text);

#endif
