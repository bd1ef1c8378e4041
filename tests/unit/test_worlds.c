/* What holds in every world of ours: bits, states, refusals, pictures. */
#include "../support/built_in.h"

enum { COUNT = 9, STEPS = 320, MOST_OBSERVATION = 400 };

static const char *const names[] = {
    "MiniGrid-Empty-5x5-v0", "MiniGrid-DoorKey-5x5-v0", "MiniGrid-DoorKey-6x6-v0", "MiniGrid-DoorKey-8x8-v0",
    "MiniGrid-FourRooms-v0", "RobotNavigation-v0",      "ConnectFour-v0",
};
enum { NAMES = sizeof names / sizeof *names };

typedef struct record {
    double rewards[STEPS][COUNT];
    uint8_t terminated[STEPS][COUNT], truncated[STEPS][COUNT];
    float observations[STEPS][COUNT * MOST_OBSERVATION], finals[STEPS][COUNT * MOST_OBSERVATION];
} record;

static void play(const char *name, int32_t threads, record *r)
{
    fst_context *context = tiny_context(threads);
    fst_env *env = built_in(context, name, COUNT, 1);
    size_t bytes = (size_t)info_of(env).observation_bytes * COUNT;
    uint64_t numbers = 3;
    float actions[2 * COUNT];
    memset(r, 0, sizeof *r);
    REQUIRE(fst_env_reset(env, 5));
    for (int t = 0; t < STEPS; ++t) {
        draw_actions(env, &numbers, actions);
        REQUIRE(fst_env_step(env, actions));
        fst_env_batch batch = batch_of(env);
        memcpy(r->rewards[t], batch.rewards, sizeof r->rewards[t]);
        memcpy(r->terminated[t], batch.terminated, COUNT);
        memcpy(r->truncated[t], batch.truncated, COUNT);
        memcpy(r->observations[t], batch.observations, bytes);
        memcpy(r->finals[t], batch.final_observations, bytes);
    }
    fst_env_destroy(env);
    fst_context_destroy(context);
}

START_TEST(test_threads)
{
    record *one = malloc(sizeof *one), *more = malloc(sizeof *more);
    int ends = 0;
    play(names[_i], 1, one);
    for (int32_t threads = 2; threads <= 4; ++threads) {
        play(names[_i], threads, more);
        ck_assert_mem_eq(one, more, sizeof *one);
    }
    for (int t = 0; t < STEPS; ++t)
        for (int e = 0; e < COUNT; ++e)
            ends += one->terminated[t][e] || one->truncated[t][e];
    if (_i < 2 || _i >= 4)
        ck_assert_int_gt(ends, 0);
    free(one);
    free(more);
}
END_TEST

/* One environment goes on from the state of another, which went elsewhere for as many steps. */
START_TEST(test_state)
{
    fst_context *context = tiny_context(1);
    fst_env *first = built_in(context, names[_i], 1, 0), *second = built_in(context, names[_i], 1, 0);
    fst_env_info info = info_of(first);
    double *state = malloc((size_t)info.state_bytes), *other = malloc((size_t)info.state_bytes);
    uint64_t numbers = 1, others = 77;
    float actions[2];
    REQUIRE(fst_env_reset(first, 8));
    REQUIRE(fst_env_reset(second, 9));
    for (int t = 0; t < 6; ++t) {
        draw_actions(first, &numbers, actions);
        REQUIRE(fst_env_step(first, actions));
        draw_actions(second, &others, actions);
        REQUIRE(fst_env_step(second, actions));
    }
    REQUIRE(fst_env_get_state(first, 0, state, (size_t)info.state_bytes));
    REQUIRE(fst_env_set_state(second, 0, state, (size_t)info.state_bytes));
    for (int t = 0; t < 30; ++t) {
        fst_env_batch a = batch_of(first), b = batch_of(second);
        ck_assert_mem_eq(a.observations, b.observations, (size_t)info.observation_bytes);
        if (a.masks)
            ck_assert_mem_eq(a.masks, b.masks, (size_t)info.choices);
        if (a.players)
            ck_assert_int_eq(a.players[0], b.players[0]);
        if (t > 0)
            ck_assert(a.rewards[0] == b.rewards[0] && a.terminated[0] == b.terminated[0]);
        if (a.terminated[0] || a.truncated[0])
            break;
        draw_actions(first, &numbers, actions);
        REQUIRE(fst_env_step(first, actions));
        REQUIRE(fst_env_step(second, actions));
    }
    REQUIRE(fst_env_get_state(first, 0, state, (size_t)info.state_bytes));
    REQUIRE(fst_env_get_state(second, 0, other, (size_t)info.state_bytes));
    ck_assert_mem_eq(state, other, (size_t)info.state_bytes);
    free(state);
    free(other);
    fst_env_destroy(first);
    fst_env_destroy(second);
    fst_context_destroy(context);
}
END_TEST

/* Each number of a state in turn becomes one that no state has; what is refused changes nothing, what is taken can
 * be stepped and drawn. */
START_TEST(test_bad_states)
{
    static const double bad[] = {-1e300, -2, 0.5, 40, 1e9, 1e300};
    fst_context *context = tiny_context(1);
    fst_env *env = built_in(context, names[_i], 1, 0);
    fst_env_info info = info_of(env);
    size_t bytes = (size_t)info.state_bytes, numbers = bytes / sizeof(double);
    double *good = malloc(bytes), *state = malloc(bytes);
    uint64_t draws = 4;
    float actions[2];
    const char *text;
    int refused = 0;
    REQUIRE(fst_env_reset(env, 2));
    REQUIRE(fst_env_get_state(env, 0, good, bytes));
    for (size_t i = 0; i < numbers; ++i)
        for (size_t k = 0; k < sizeof bad / sizeof *bad; ++k) {
            REQUIRE(fst_env_reset(env, 2));
            memcpy(state, good, bytes);
            state[i] = bad[k];
            fst_status status = fst_env_set_state(env, 0, state, bytes);
            ck_assert(status == FST_OK || status == FST_ERR_INVALID_ARGUMENT);
            refused += status != FST_OK;
            if (status != FST_OK || k == 2)
                continue;
            draw_actions(env, &draws, actions);
            if (i % 8 == 0)
                REQUIRE(fst_env_render(env, 0, FST_RENDER_TEXT + (int32_t)(i / 8 % 2), &text));
            status = fst_env_step(env, actions);
            ck_assert(status == FST_OK || status == FST_ERR_NUMERIC || status == FST_ERR_INVALID_ARGUMENT);
        }
    ck_assert_int_gt(refused, 10);
    state[0] = NAN;
    REQUIRE(fst_env_reset(env, 2));
    ck_assert_int_eq(fst_env_set_state(env, 0, state, bytes), FST_ERR_INVALID_ARGUMENT);
    free(good);
    free(state);
    fst_env_destroy(env);
    fst_context_destroy(context);
}
END_TEST

START_TEST(test_actions_outside)
{
    fst_context *context = tiny_context(1);
    fst_env *env = built_in(context, names[_i], 2, 1);
    fst_space space;
    REQUIRE(fst_env_action_space(env, &space, sizeof space));
    REQUIRE(fst_env_reset(env, 0));
    if (space.kind == FST_SPACE_BOX) {
        float actions[4] = {0, 0, 0, NAN};
        ck_assert_int_eq(fst_env_step(env, actions), FST_ERR_INVALID_ARGUMENT);
        actions[3] = 1e30f;
        REQUIRE(fst_env_step(env, actions));
    } else {
        int32_t actions[2] = {0, (int32_t)space.n};
        ck_assert_int_eq(fst_env_step(env, actions), FST_ERR_INVALID_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(fst_last_error(), "environment 1"));
        actions[1] = -1;
        ck_assert_int_eq(fst_env_step(env, actions), FST_ERR_INVALID_ARGUMENT);
    }
    fst_env_destroy(env);
    fst_context_destroy(context);
}
END_TEST

START_TEST(test_pictures)
{
    fst_context *context = tiny_context(1);
    fst_env *env = built_in(context, names[_i], 1, 1);
    uint64_t numbers = 1;
    float actions[2];
    const char *text;
    REQUIRE(fst_env_reset(env, 3));
    for (int t = 0; t < 12; ++t) {
        REQUIRE(fst_env_render(env, 0, FST_RENDER_SVG, &text));
        ck_assert(strncmp(text, "<svg", 4) == 0 && strcmp(text + strlen(text) - 7, "</svg>\n") == 0);
        ck_assert_uint_lt(strlen(text), 60000);
        REQUIRE(fst_env_render(env, 0, FST_RENDER_TEXT, &text));
        ck_assert_uint_gt(strlen(text), 20);
        draw_actions(env, &numbers, actions);
        REQUIRE(fst_env_step(env, actions));
    }
    fst_env_destroy(env);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worlds");
    TCase *tests = tcase_create("worlds");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_threads, 0, NAMES);
    tcase_add_loop_test(tests, test_state, 0, NAMES);
    tcase_add_loop_test(tests, test_bad_states, 0, NAMES);
    tcase_add_loop_test(tests, test_actions_outside, 0, NAMES);
    tcase_add_loop_test(tests, test_pictures, 0, NAMES);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
