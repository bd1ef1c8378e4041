/* The robot's world: solvable, driven along arcs, seen by rays, ended by what it meets. */
#include "../support/built_in.h"
#include "env/robot.h"

static const fst__robot_rules usual = {6, 2, 24, 1}, quiet = {0, 0, 4, 0};

/* Floods a finer grid than the world's own check does. */
static bool reachable(const fst__robot_state *s, double radius)
{
    enum { FINE = 160 };
    static bool seen[FINE][FINE];
    static int queue[FINE * FINE][2];
    double cell = FST__ROBOT_ROOM / FINE;
    int head = 0, tail = 0, goal_x = (int)(s->goal_x / cell), goal_y = (int)(s->goal_y / cell);
    memset(seen, 0, sizeof seen);
    queue[tail][0] = (int)(s->x / cell);
    queue[tail++][1] = (int)(s->y / cell);
    seen[queue[0][1]][queue[0][0]] = true;
    while (head < tail) {
        int x = queue[head][0], y = queue[head++][1];
        if (x == goal_x && y == goal_y)
            return true;
        for (int k = 0; k < 4; ++k) {
            int nx = x + (k == 0) - (k == 1), ny = y + (k == 2) - (k == 3);
            if (nx < 0 || ny < 0 || nx >= FINE || ny >= FINE || seen[ny][nx] ||
                fst__robot_clearance(s, (nx + .5) * cell, (ny + .5) * cell) < radius)
                continue;
            seen[ny][nx] = true;
            queue[tail][0] = nx;
            queue[tail++][1] = ny;
        }
    }
    return false;
}

START_TEST(test_worlds_are_solvable)
{
    double obstacles = 0;
    fst__robot_rules crowded = {16, 8, 4, 1};
    for (uint64_t seed = 0; seed < 2000; ++seed) {
        fst__robot_state s;
        fst__robot_reset(seed % 4 ? &usual : &crowded, seed, &s);
        ck_assert(fst__robot_clearance(&s, s.x, s.y) >= .5 && fst__robot_clearance(&s, s.goal_x, s.goal_y) >= .5);
        ck_assert(hypot(s.goal_x - s.x, s.goal_y - s.y) >= 3);
        ck_assert(fst__robot_solvable(&s, FST__ROBOT_RADIUS + .1));
        if (seed % 20 == 0)
            ck_assert(reachable(&s, FST__ROBOT_RADIUS + .05));
        for (int i = 0; i < (int)s.mover_count; ++i)
            ck_assert(hypot(s.movers[i].x - s.x, s.movers[i].y - s.y) >= 1.5);
        obstacles += seed % 4 ? s.obstacle_count : 0;
    }
    ck_assert(obstacles / 1500 > 5.5);
}
END_TEST

START_TEST(test_a_wall_across_is_not_solvable)
{
    fst__robot_state s = {.x = 1, .y = 4, .goal_x = 7, .goal_y = 4, .obstacle_count = 1};
    s.obstacles[0] = (fst__robot_obstacle){0, 4, 4, .2, 4};
    ck_assert(!fst__robot_solvable(&s, .3));
    s.obstacles[0].half_height = 3;
    ck_assert(fst__robot_solvable(&s, .3));
}
END_TEST

/* Full speed and turn for a while: a circle of radius v / ω, whose centre stays. */
START_TEST(test_arc)
{
    fst__robot_state s = {.x = 4, .y = 3, .goal_x = 7, .goal_y = 7, .speed = 1, .turn = 2};
    static const float full[2] = {1, 1};
    for (int t = 0; t < 200; ++t) {
        fst__robot_step(&quiet, full, &s);
        double centre_x = s.x - .5 * sin(s.heading), centre_y = s.y + .5 * cos(s.heading);
        ck_assert(fabs(centre_x - 4) < 1e-12 && fabs(centre_y - 3.5) < 1e-12);
        ck_assert(fabs(remainder(s.heading - .2 * (t + 1), 2 * M_PI)) < 1e-12);
    }
}
END_TEST

START_TEST(test_straight_and_acceleration)
{
    fst__robot_state s = {.x = 1, .y = 4, .goal_x = 7.5, .goal_y = 7.5};
    static const float full[2] = {1, 0}, back[2] = {-1, 0};
    double x = 1, speed = 0;
    for (int t = 0; t < 20; ++t) {
        speed = fmin(speed + .2, 1);
        x += .1 * speed;
        double before = hypot(7.5 - s.x, 3.5);
        fst__robot_outcome outcome = fst__robot_step(&quiet, full, &s);
        ck_assert(fabs(s.x - x) < 1e-12 && s.y == 4);
        ck_assert(fabs(outcome.reward - (before - hypot(7.5 - x, 3.5) - .01)) < 1e-12);
    }
    for (int t = 0; t < 20; ++t)
        fst__robot_step(&quiet, back, &s);
    ck_assert(fabs(s.speed + .3) < 1e-12);
}
END_TEST

/* Against a march along the ray in small paces. */
START_TEST(test_rays)
{
    uint64_t numbers = 1;
    for (uint64_t seed = 0; seed < 30; ++seed) {
        fst__robot_state s;
        fst__robot_reset(&usual, seed, &s);
        for (int i = 0; i < 10; ++i) {
            double angle = drawn(&numbers, 6283) / 1000.0, range = 0;
            for (; range < FST__ROBOT_RANGE; range += .0005) {
                double x = s.x + range * cos(angle), y = s.y + range * sin(angle);
                bool inside = fst__robot_clearance(&s, x, y) <= 0;
                for (int m = 0; m < (int)s.mover_count; ++m)
                    inside |= hypot(x - s.movers[m].x, y - s.movers[m].y) <= s.movers[m].radius;
                if (inside)
                    break;
            }
            ck_assert_double_eq_tol(fst__robot_ray(&s, s.x, s.y, cos(angle), sin(angle)), range, .02);
        }
    }
}
END_TEST

START_TEST(test_collision_and_goal)
{
    static const float full[2] = {1, 0};
    fst__robot_state s = {.x = 7, .y = 4, .goal_x = 1, .goal_y = 1, .speed = 1};
    fst__robot_outcome outcome = {0};
    int steps = 0;
    while (!outcome.collided && ++steps < 20)
        outcome = fst__robot_step(&quiet, full, &s);
    ck_assert(outcome.collided && !outcome.reached && outcome.reward < -9);
    ck_assert(s.x <= FST__ROBOT_ROOM && s.x > FST__ROBOT_ROOM - FST__ROBOT_RADIUS);
    s = (fst__robot_state){.x = 3, .y = 4, .goal_x = 4, .goal_y = 4, .speed = 1};
    steps = 0;
    do
        outcome = fst__robot_step(&quiet, full, &s);
    while (!outcome.reached && ++steps < 20);
    ck_assert(outcome.reached && !outcome.collided && outcome.reward > 4.9);
    /* Something that moves runs into a robot that stands. */
    s = (fst__robot_state){.x = 4, .y = 4, .goal_x = 1, .goal_y = 1, .mover_count = 1};
    s.movers[0] = (fst__robot_mover){5, 4, -.4, 0, .2};
    float still[2] = {(float)(-.7 / 1.3), 0};
    for (steps = 0, outcome = (fst__robot_outcome){0}; !outcome.collided && steps < 40; ++steps)
        outcome = fst__robot_step(&quiet, still, &s);
    ck_assert_int_eq(steps, 16); /* .6 m at .4 m/s, and one step in: they must overlap */
}
END_TEST

/* What moves stays in the room and out of what stands, and keeps its speed but for meetings. */
START_TEST(test_movers)
{
    static const float still[2] = {(float)(-.7 / 1.3), 0};
    for (uint64_t seed = 0; seed < 40; ++seed) {
        fst__robot_rules rules = {8, 4, 4, 0};
        fst__robot_state s;
        double energy = 0, after = 0;
        fst__robot_reset(&rules, seed, &s);
        for (int i = 0; i < (int)s.mover_count; ++i)
            energy += pow(s.movers[i].velocity_x, 2) + pow(s.movers[i].velocity_y, 2);
        for (int t = 0; t < 300; ++t) {
            fst__robot_step(&rules, still, &s);
            for (int i = 0; i < (int)s.mover_count; ++i)
                ck_assert(fst__robot_clearance(&s, s.movers[i].x, s.movers[i].y) > s.movers[i].radius - .05);
        }
        for (int i = 0; i < (int)s.mover_count; ++i)
            after += pow(s.movers[i].velocity_x, 2) + pow(s.movers[i].velocity_y, 2);
        ck_assert_double_eq_tol(energy, after, 1e-12);
    }
}
END_TEST

START_TEST(test_observation)
{
    fst__robot_state s = {.x = 4, .y = 4, .goal_x = 4, .goal_y = 8, .heading = M_PI / 2, .speed = .5, .turn = -1};
    float seen[2 * 4 + 5];
    fst__robot_scan(&quiet, &s);
    memcpy(s.earlier, s.ranges, sizeof s.earlier);
    s.earlier[1] -= .1;
    fst__robot_observe(&quiet, &s, seen);
    ck_assert_int_eq(fst__robot_observation_size(&quiet), 13);
    for (int i = 0; i < 4; ++i) {
        ck_assert(fabs(seen[i] - exp((.2 - 4) / .8)) < 1e-6);
        ck_assert(fabs(seen[4 + i] - (i == 1 ? .5 : 0)) < 1e-6);
    }
    const float rest[5] = {.5f, 1, 0, .5f, -.5f};
    for (int i = 0; i < 5; ++i)
        ck_assert(fabsf(seen[8 + i] - rest[i]) < 1e-6f);
}
END_TEST

/* Noise is the seed's: the same twice, another for another seed, none with noise 0. */
START_TEST(test_noise)
{
    fst__robot_state a, b;
    float one[FST__ROBOT_RAYS * 2 + 5], other[FST__ROBOT_RAYS * 2 + 5];
    static const float ahead[2] = {.5f, .2f};
    fst__robot_reset(&usual, 4, &a);
    b = a;
    fst__robot_step(&usual, ahead, &a);
    fst__robot_step(&usual, ahead, &b);
    ck_assert_mem_eq(&a, &b, sizeof a);
    fst__robot_observe(&usual, &a, one);
    b.seed = 5;
    fst__robot_observe(&usual, &b, other);
    ck_assert(one[48] != other[48] && one[0] == other[0]);
    fst__robot_scan(&usual, &b);
    double difference = 0;
    for (int i = 0; i < 24; ++i)
        difference += fabs(a.ranges[i] - b.ranges[i]) / 24;
    ck_assert(difference > .002 && difference < .04);
    fst__robot_rules exact = usual;
    exact.noise = 0;
    fst__robot_scan(&exact, &a);
    fst__robot_scan(&exact, &b);
    ck_assert_mem_eq(a.ranges, b.ranges, sizeof a.ranges);
}
END_TEST

START_TEST(test_options)
{
    fst_context *context = tiny_context(1);
    fst_env_make_options options;
    fst_env *env;
    fst_space space;
    REQUIRE(fst_env_make_options_init(&options, sizeof options));
    options.robot_rays = 65;
    ck_assert_int_eq(fst_env_make(context, "RobotNavigation-v0", &options, &env), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "robot_rays"));
    options.robot_rays = 16;
    options.robot_noise = NAN;
    ck_assert_int_eq(fst_env_make(context, "RobotNavigation-v0", &options, &env), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "robot_noise"));
    options.robot_noise = 0;
    options.robot_obstacles = 3;
    options.robot_moving = 0;
    REQUIRE(fst_env_make(context, "RobotNavigation-v0", &options, &env));
    REQUIRE(fst_env_observation_space(env, &space, sizeof space));
    ck_assert_int_eq(space.shape[0], 2 * 16 + 5);
    fst__robot_state s;
    REQUIRE(fst_env_reset(env, 1));
    REQUIRE(fst_env_get_state(env, 0, &s, sizeof s));
    ck_assert(s.obstacle_count == 3 && s.mover_count == 0);
    fst_env_destroy(env);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("robot");
    TCase *tests = tcase_create("robot");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_worlds_are_solvable);
    tcase_add_test(tests, test_a_wall_across_is_not_solvable);
    tcase_add_test(tests, test_arc);
    tcase_add_test(tests, test_straight_and_acceleration);
    tcase_add_test(tests, test_rays);
    tcase_add_test(tests, test_collision_and_goal);
    tcase_add_test(tests, test_movers);
    tcase_add_test(tests, test_observation);
    tcase_add_test(tests, test_noise);
    tcase_add_test(tests, test_options);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
