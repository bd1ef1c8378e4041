/* Grid worlds: how they are laid out, how often, and what the agent can do in them. */
#include "../support/built_in.h"
#include "env/grid.h"

static const fst__grid_variant door_key = {FST__GRID_DOOR_KEY, 6, 360, false};
static const fst__grid_variant rooms = {FST__GRID_FOUR_ROOMS, 19, 100, false};

static int count_of(const fst__grid_state *s, int side, int thing)
{
    int count = 0;
    for (int i = 0; i < side * side; ++i)
        count += (int)s->cells[i] == thing;
    return count;
}

/* 6 × 6: the wall stands in column 2 or 3, its door in rows 1 to 3, agent and key apart on its left. */
START_TEST(test_door_key_worlds)
{
    enum { WORLDS = 6000 };
    int walls[6] = {0}, doors[6] = {0}, directions[4] = {0}, places[6][6] = {{0}};
    for (uint64_t seed = 0; seed < WORLDS; ++seed) {
        fst__grid_state s;
        fst__grid_generate(&door_key, seed, &s);
        ck_assert_int_eq(count_of(&s, 6, FST__GRID_KEY), 1);
        ck_assert_int_eq(count_of(&s, 6, FST__GRID_DOOR_LOCKED), 1);
        ck_assert_int_eq((int)s.cells[4 * 6 + 4], FST__GRID_GOAL);
        ck_assert_int_eq(count_of(&s, 6, FST__GRID_WALL), 20 + 3);
        int wall = 0, key = 0, door = 0;
        for (int i = 0; i < 36; ++i) {
            key = s.cells[i] == FST__GRID_KEY ? i : key;
            door = s.cells[i] == FST__GRID_DOOR_LOCKED ? i : door;
        }
        wall = door % 6;
        ck_assert(s.x >= 1 && s.x < wall && key % 6 < wall);
        ck_assert((int)s.y * 6 + (int)s.x != key);
        ++walls[wall];
        ++doors[door / 6];
        ++directions[(int)s.direction];
        ++places[(int)s.y][(int)s.x];
    }
    ck_assert_int_eq(walls[2] + walls[3], WORLDS);
    ck_assert_int_lt(abs(walls[2] - WORLDS / 2), 200);
    for (int i = 1; i <= 3; ++i)
        ck_assert_int_lt(abs(doors[i] - WORLDS / 3), 200);
    for (int i = 0; i < 4; ++i)
        ck_assert_int_lt(abs(directions[i] - WORLDS / 4), 200);
    /* Column 1 takes all agents of half of the worlds and half of the others'. */
    for (int y = 1; y <= 4; ++y) {
        ck_assert_int_lt(abs(places[y][1] - WORLDS * 3 / 16), 200);
        ck_assert_int_lt(abs(places[y][2] - WORLDS / 16), 150);
    }
}
END_TEST

/* Two walls across the middle with a gap each in the four halves; all cells are connected. */
START_TEST(test_four_rooms)
{
    for (uint64_t seed = 0; seed < 500; ++seed) {
        fst__grid_state s;
        fst__grid_generate(&rooms, seed, &s);
        ck_assert_int_eq(count_of(&s, 19, FST__GRID_GOAL), 1);
        ck_assert_int_eq(count_of(&s, 19, FST__GRID_WALL), 72 + 33 - 4);
        ck_assert(s.cells[(int)s.y * 19 + (int)s.x] == FST__GRID_EMPTY);
        int gaps[4] = {0};
        for (int i = 1; i < 18; ++i) {
            gaps[i > 9] += i != 9 && s.cells[i * 19 + 9] != FST__GRID_WALL;
            gaps[2 + (i > 9)] += i != 9 && s.cells[9 * 19 + i] != FST__GRID_WALL;
        }
        for (int i = 0; i < 4; ++i)
            ck_assert_int_eq(gaps[i], 1);
    }
}
END_TEST

/* A 6 × 6 room laid out by hand: #.k# style, agent at (1, 2) looking right. */
static fst__grid_state by_hand(void)
{
    fst__grid_state s = {.x = 1, .y = 2};
    for (int i = 0; i < 36; ++i)
        s.cells[i] = i / 6 == 0 || i / 6 == 5 || i % 6 == 0 || i % 6 == 5 || i % 6 == 3 ? FST__GRID_WALL
                                                                                        : FST__GRID_EMPTY;
    s.cells[2 * 6 + 3] = FST__GRID_DOOR_LOCKED;
    s.cells[2 * 6 + 2] = FST__GRID_KEY;
    s.cells[2 * 6 + 4] = FST__GRID_GOAL;
    return s;
}

START_TEST(test_rules)
{
    fst__grid_state s = by_hand();
    ck_assert(!fst__grid_act(&door_key, FST__GRID_FORWARD, &s) && s.x == 1); /* the key is in the way */
    fst__grid_act(&door_key, FST__GRID_DROP, &s);
    ck_assert(s.cells[14] == FST__GRID_KEY && s.carrying == FST__GRID_EMPTY);
    fst__grid_act(&door_key, FST__GRID_PICKUP, &s);
    ck_assert(s.cells[14] == FST__GRID_EMPTY && s.carrying == FST__GRID_KEY);
    fst__grid_act(&door_key, FST__GRID_TOGGLE, &s); /* empty air */
    ck_assert(s.cells[14] == FST__GRID_EMPTY);
    fst__grid_act(&door_key, FST__GRID_DROP, &s);
    ck_assert(s.cells[14] == FST__GRID_KEY);
    fst__grid_act(&door_key, FST__GRID_PICKUP, &s);
    fst__grid_act(&door_key, FST__GRID_FORWARD, &s);
    ck_assert(s.x == 2);
    fst__grid_act(&door_key, FST__GRID_FORWARD, &s);
    ck_assert(s.x == 2 && s.cells[15] == FST__GRID_DOOR_LOCKED);
    fst__grid_act(&door_key, FST__GRID_DROP, &s); /* not onto a door */
    ck_assert(s.carrying == FST__GRID_KEY && s.cells[15] == FST__GRID_DOOR_LOCKED);
    fst__grid_act(&door_key, FST__GRID_TOGGLE, &s);
    ck_assert(s.cells[15] == FST__GRID_DOOR_OPEN && s.carrying == FST__GRID_KEY);
    fst__grid_act(&door_key, FST__GRID_TOGGLE, &s);
    ck_assert(s.cells[15] == FST__GRID_DOOR_CLOSED);
    fst__grid_act(&door_key, FST__GRID_FORWARD, &s);
    ck_assert(s.x == 2);
    fst__grid_act(&door_key, FST__GRID_TOGGLE, &s);
    fst__grid_act(&door_key, FST__GRID_FORWARD, &s);
    ck_assert(s.x == 3);
    fst__grid_act(&door_key, FST__GRID_DONE, &s);
    ck_assert(fst__grid_act(&door_key, FST__GRID_FORWARD, &s) && s.x == 4);
    fst__grid_act(&door_key, FST__GRID_LEFT, &s);
    ck_assert(s.direction == 3);
    fst__grid_act(&door_key, FST__GRID_RIGHT, &s);
    fst__grid_act(&door_key, FST__GRID_RIGHT, &s);
    ck_assert(s.direction == 1);
}
END_TEST

START_TEST(test_locked_without_key)
{
    fst__grid_state s = by_hand();
    s.cells[14] = FST__GRID_EMPTY;
    s.x = 2;
    fst__grid_act(&door_key, FST__GRID_TOGGLE, &s);
    ck_assert(s.cells[15] == FST__GRID_DOOR_LOCKED);
}
END_TEST

/* The whole way to the goal through the public interface: the reward tells how long it took. */
START_TEST(test_reward)
{
    fst_context *context = tiny_context(1);
    fst_env *env = built_in(context, "MiniGrid-DoorKey-6x6-v0", 1, 0);
    static const int32_t way[] = {FST__GRID_PICKUP, FST__GRID_FORWARD, FST__GRID_TOGGLE, FST__GRID_FORWARD,
                                  FST__GRID_FORWARD};
    fst__grid_state s = by_hand();
    REQUIRE(fst_env_reset(env, 0));
    REQUIRE(fst_env_set_state(env, 0, &s, sizeof s));
    const float *planes = batch_of(env).observations; /* the key is ahead: last row but one, in the middle */
    ck_assert(planes[(FST__GRID_KEY - 1) * 49 + 5 * 7 + 3] == 1);
    ck_assert(planes[(FST__GRID_DOOR_LOCKED - 1) * 49 + 4 * 7 + 3] == 1);
    ck_assert(planes[(FST__GRID_UNSEEN - 1) * 49 + 3 * 7 + 3] == 1);
    for (int t = 0; t < 5; ++t) {
        REQUIRE(fst_env_step(env, &way[t]));
        ck_assert_int_eq(batch_of(env).terminated[0], t == 4);
    }
    ck_assert(batch_of(env).rewards[0] == 1 - 0.9 * (5.0 / 360));
    fst_env_destroy(env);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grid");
    TCase *tests = tcase_create("grid");
    tcase_add_test(tests, test_door_key_worlds);
    tcase_add_test(tests, test_four_rooms);
    tcase_add_test(tests, test_rules);
    tcase_add_test(tests, test_locked_without_key);
    tcase_add_test(tests, test_reward);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
