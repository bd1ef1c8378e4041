/* Built-in environments, and the whole state of a batch: taken out, put into another one, and all goes on as it would have. */
#include "../support/built_in.h"
#include "../support/walk_env.h"
#include "env/env.h"

#include <stdio.h>

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
    } while (0)

static fst_context *context;

static void setup(void)
{
    context = tiny_context(1);
}

static void teardown(void)
{
    fst_context_destroy(context);
}

/* ---- all of them ---- */

static int64_t builtin_count(void)
{
    int64_t count;
    REQUIRE(fst_env_builtin_count(&count));
    return count;
}

static const char *builtin_name(int64_t index)
{
    const char *name;
    REQUIRE(fst_env_builtin_name(index, &name));
    return name;
}

START_TEST(test_names)
{
    fst_env *env = NULL;
    const char *name;
    for (int64_t i = 0; i < builtin_count(); ++i) {
        env = built_in(context, builtin_name(i), 2, 1);
        const fst_env_info info = info_of(env);
        ck_assert_str_eq(info.name, builtin_name(i));
        ck_assert_int_eq(info.count, 2);
        ck_assert_int_eq(info.builtin, 1);
        ck_assert_int_gt(info.state_bytes, 0);
        ck_assert_int_eq(info.masked, info.choices > 0);
        for (int64_t j = 0; j < i; ++j)
            ck_assert_str_ne(builtin_name(i), builtin_name(j));
        fst_env_destroy(env);
    }
    env = NULL;
    REFUSED(fst_env_make(context, "CartPole", NULL, &env), FST_ERR_NOT_FOUND, "no environment \"CartPole\" is built in");
    ck_assert(strstr(fst_last_error(), "CartPole-v1, Acrobot-v1"));
    ck_assert_ptr_null(env);
    REFUSED(fst_env_builtin_name(builtin_count(), &name), FST_ERR_INVALID_ARGUMENT, "index is");
}
END_TEST

#define BAD(field, value, words)                                                                   \
    do {                                                                                           \
        fst_env_make_options bad;                                                                  \
        fst_env *none = NULL;                                                                      \
        REQUIRE(fst_env_make_options_init(&bad, sizeof bad));                                      \
        bad.field = value;                                                                         \
        REFUSED(fst_env_make(context, "FrozenLake-v1", &bad, &none), FST_ERR_INVALID_ARGUMENT, words); \
        ck_assert_ptr_null(none);                                                                  \
    } while (0)

START_TEST(test_options)
{
    BAD(count, 0, "fst_env_make_options.count is 0");
    BAD(max_steps, -2, "max_steps is -2");
    BAD(auto_reset, 2, "auto_reset is 2");
    BAD(slippery, -1, "slippery is -1");
    fst_env_make_options options;
    fst_env *env = NULL;
    REQUIRE(fst_env_make_options_init(&options, sizeof options));
    options.count = INT64_MAX / 2;
    ck_assert_int_eq(fst_env_make(context, "CartPole-v1", &options, &env), FST_ERR_NO_MEMORY);
    options.count = 1;
    options.max_steps = 3;
    REQUIRE(fst_env_make(context, "Pendulum-v1", &options, &env));
    ck_assert_int_eq(info_of(env).max_steps, 3);
    REQUIRE(fst_env_reset(env, 0));
    const float torque = 9; /* clipped to 2 */
    fst_env_batch batch = batch_of(env);
    for (int step = 1; step <= 3; ++step) {
        REQUIRE(fst_env_step(env, &torque));
        ck_assert_int_eq(batch.truncated[0], step == 3);
    }
    fst_env_destroy(env);
}
END_TEST

/* ---- the same bits, whoever steps them ---- */

enum { MANY = 700, THREAD_STEPS = 40 };

/* Sums of what all steps told, weighted so that an exchange is seen. */
static double play_many(const char *name, int32_t threads)
{
    fst_context *own = tiny_context(threads);
    fst_env *env = built_in(own, name, MANY, 1);
    uint64_t numbers = 5;
    double sum = 0;
    float *actions = calloc(MANY, 4 * sizeof *actions);
    REQUIRE(fst_env_reset(env, 9));
    fst_env_batch batch = batch_of(env);
    size_t bytes = (size_t)info_of(env).observation_bytes * MANY;
    for (int t = 0; t < THREAD_STEPS; ++t) {
        draw_actions(env, &numbers, actions);
        REQUIRE(fst_env_step(env, actions));
        for (size_t i = 0; i < bytes; ++i)
            sum += (double)((const uint8_t *)batch.observations)[i] * (double)(i % 1009 + 1);
        for (int e = 0; e < MANY; ++e)
            sum += batch.rewards[e] * (e + 1) + batch.terminated[e] * (e + 7) + batch.truncated[e];
    }
    free(actions);
    fst_env_destroy(env);
    fst_context_destroy(own);
    return sum;
}

START_TEST(test_threads)
{
    static const char *const names[] = {"CartPole-v1", "Acrobot-v1", "MountainCarContinuous-v0", "Pendulum-v1", "FrozenLake-v1"};
    double one = play_many(names[_i], 1);
    for (int32_t threads = 2; threads <= 4; ++threads)
        ck_assert_double_eq(play_many(names[_i], threads), one);
}
END_TEST

START_TEST(test_a_step_allocates_nothing)
{
    fst_context *own = tiny_context(2);
    fst_context_info before, after;
    fst_env *env = built_in(own, "CartPole-v1", MANY, 1);
    int32_t *actions = calloc(MANY, sizeof *actions);
    REQUIRE(fst_env_reset(env, 9));
    REQUIRE(fst_context_get_info(own, &before, sizeof before));
    for (int t = 0; t < 20; ++t)
        REQUIRE(fst_env_step(env, actions));
    REQUIRE(fst_context_get_info(own, &after, sizeof after));
    ck_assert_int_eq(after.allocations, before.allocations);
    free(actions);
    fst_env_destroy(env);
    fst_context_destroy(own);
}
END_TEST

/* A step that leads out of all numbers is refused with the environment's index, the least of several. */
START_TEST(test_numbers_that_end)
{
    fst_env *env = built_in(context, "CartPole-v1", 3, 1);
    const double wild[] = {0, 0, 0, 1e200};
    const int32_t actions[] = {0, 1, 0};
    REQUIRE(fst_env_reset(env, 0));
    REFUSED(fst_env_set_state(env, 0, wild, sizeof wild), FST_ERR_INVALID_ARGUMENT, "CartPole-v1: environment 0: of the state: observation[3] is inf");
    const double fast[] = {0, 3e38, 1, 3e38};
    REQUIRE(fst_env_set_state(env, 2, fast, sizeof fast));
    REQUIRE(fst_env_set_state(env, 1, fast, sizeof fast));
    REFUSED(fst_env_step(env, actions), FST_ERR_NUMERIC, "CartPole-v1: environment 1, episode 0, step 1: observation[");
    REFUSED(fst_env_step(env, actions), FST_ERR_STATE, "only fst_env_reset");
    REQUIRE(fst_env_reset(env, 0));
    REQUIRE(fst_env_step(env, actions));
    fst_env_destroy(env);
}
END_TEST

START_TEST(test_states_that_are_none)
{
    fst_env *acrobot = built_in(context, "Acrobot-v1", 1, 0), *lake = built_in(context, "FrozenLake-v1", 1, 0);
    const double wound[] = {7, 0, 0, 0}, nan[] = {0, 0, NAN, 0}, fields[] = {16, -1, 2.5, 5};
    double before[4], after[4];
    REQUIRE(fst_env_reset(acrobot, 0));
    REQUIRE(fst_env_reset(lake, 0));
    REQUIRE(fst_env_get_state(acrobot, 0, before, sizeof before));
    REFUSED(fst_env_set_state(acrobot, 0, wound, sizeof wound), FST_ERR_INVALID_ARGUMENT, "Acrobot-v1: environment 0: not a state that there can be");
    REFUSED(fst_env_set_state(acrobot, 0, nan, sizeof nan), FST_ERR_INVALID_ARGUMENT, "state[2] is nan");
    REQUIRE(fst_env_get_state(acrobot, 0, after, sizeof after));
    ck_assert_mem_eq(before, after, sizeof before);
    for (int i = 0; i < 3; ++i)
        REFUSED(fst_env_set_state(lake, 0, fields + i, sizeof *fields), FST_ERR_INVALID_ARGUMENT, "not a state");
    REQUIRE(fst_env_set_state(lake, 0, fields + 3, sizeof *fields)); /* a hole */
    const int32_t left[] = {0};
    REQUIRE(fst_env_step(lake, left));
    ck_assert_int_eq(batch_of(lake).terminated[0], 1);
    REFUSED(fst_env_set_state(lake, 0, fields + 3, sizeof *fields), FST_ERR_STATE, "episode 0 has ended");
    fst_env_destroy(lake);
    fst_env_destroy(acrobot);
}
END_TEST

/* ---- pictures ---- */

START_TEST(test_pictures)
{
    const char *text;
    for (int64_t i = 0; i < builtin_count(); ++i) {
        fst_env *env = built_in(context, builtin_name(i), 1, 1);
        uint64_t numbers = 1;
        float actions[4];
        REQUIRE(fst_env_reset(env, 4));
        for (int t = 0; t < 5; ++t) {
            draw_actions(env, &numbers, actions);
            REQUIRE(fst_env_step(env, actions));
        }
        REQUIRE(fst_env_render(env, 0, FST_RENDER_TEXT, &text));
        ck_assert_int_eq(text[strlen(text) - 1], '\n');
        REQUIRE(fst_env_render(env, 0, FST_RENDER_SVG, &text));
        ck_assert(strncmp(text, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39) == 0);
        ck_assert_str_eq(text + strlen(text) - 7, "</svg>\n");
        fst_env_destroy(env);
    }
    fst_env *env = built_in(context, "CartPole-v1", 1, 1);
    const double state[] = {-1.25, 0, -0.1, 0}, far[] = {3e30, 0, 0, 0};
    REQUIRE(fst_env_reset(env, 0));
    REQUIRE(fst_env_set_state(env, 0, state, sizeof state));
    REQUIRE(fst_env_render(env, 0, FST_RENDER_TEXT, &text));
    ck_assert_msg(strstr(text, "x -1.250 m, pole -5.73°"), "%s", text);
    REQUIRE(fst_env_set_state(env, 0, far, sizeof far));
    REQUIRE(fst_env_render(env, 0, FST_RENDER_SVG, &text));
    ck_assert_msg(strstr(text, "1000000000.00"), "%s", text);
    fst_env_destroy(env);
}
END_TEST

/* ---- the whole batch ---- */

enum { ROWS = 4, FIRST = 57, MORE = 150, MOST_BYTES = 400 };

typedef struct diary {
    double rewards[MORE][ROWS], returns[MORE][ROWS];
    int64_t lengths[MORE][ROWS];
    uint8_t flags[MORE][3 * ROWS], masks[MORE][ROWS * 8], observations[MORE][ROWS * MOST_BYTES];
    uint8_t finals[MORE][ROWS * MOST_BYTES];
    char picture[1 << 16];
} diary;

static void act(fst_env *env, uint64_t *numbers)
{
    float actions[ROWS * 4];
    draw_actions(env, numbers, actions);
    REQUIRE(fst_env_step(env, actions));
}

static void write_diary(fst_env *env, uint64_t numbers, diary *d)
{
    fst_env_batch batch = batch_of(env);
    const fst_env_info info = info_of(env);
    const char *text;
    memset(d, 0, sizeof *d);
    for (int t = 0; t < MORE; ++t) {
        act(env, &numbers);
        memcpy(d->rewards[t], batch.rewards, sizeof d->rewards[t]);
        memcpy(d->returns[t], batch.episode_returns, sizeof d->returns[t]);
        memcpy(d->lengths[t], batch.episode_lengths, sizeof d->lengths[t]);
        memcpy(d->flags[t], batch.terminated, ROWS);
        memcpy(d->flags[t] + ROWS, batch.truncated, ROWS);
        memcpy(d->flags[t] + 2 * ROWS, batch.begins, ROWS);
        memcpy(d->observations[t], batch.observations, (size_t)info.observation_bytes * ROWS);
        memcpy(d->finals[t], batch.final_observations, (size_t)info.observation_bytes * ROWS);
        if (batch.masks)
            memcpy(d->masks[t], batch.masks, (size_t)info.choices * ROWS);
        if (info.builtin && t == 20) {
            REQUIRE(fst_env_render(env, 1, FST_RENDER_SVG, &text));
            snprintf(d->picture, sizeof d->picture, "%s", text);
        }
    }
}

/* The parts' bytes, one part behind the other. */
typedef struct taken {
    unsigned char *bytes[FST__ENV_MOST_PARTS];
    size_t size[FST__ENV_MOST_PARTS];
    int count;
} taken;

static size_t part_size(const fst_view *view)
{
    size_t size = fst_dtype_size(view->dtype);
    for (int32_t i = 0; i < view->rank; ++i)
        size *= (size_t)view->shape[i];
    return size;
}

static taken take(fst_env *env)
{
    fst__env_part parts[FST__ENV_MOST_PARTS];
    taken t = {.count = fst__env_parts(env, parts)};
    ck_assert_int_le(t.count, FST__ENV_MOST_PARTS);
    REQUIRE(fst__env_gather(env));
    for (int i = 0; i < t.count; ++i) {
        t.size[i] = part_size(&parts[i].view);
        t.bytes[i] = malloc(t.size[i]);
        memcpy(t.bytes[i], parts[i].view.data, t.size[i]);
    }
    return t;
}

static fst_status put(fst_env *env, const taken *t)
{
    fst__env_part parts[FST__ENV_MOST_PARTS];
    ck_assert_int_eq(fst__env_parts(env, parts), t->count);
    for (int i = 0; i < t->count; ++i) {
        ck_assert_uint_eq(part_size(&parts[i].view), t->size[i]);
        memcpy(parts[i].view.data, t->bytes[i], t->size[i]);
    }
    return fst__env_scatter(env);
}

static void drop(taken *t)
{
    for (int i = 0; i < t->count; ++i)
        free(t->bytes[i]);
}

static fst_env *walkers(walk *w)
{
    fst_env_options options = walk_options(w, ROWS);
    options.masked = w->masked = 1;
    options.players = w->players = 2;
    options.state_bytes = 16;
    options.save = walk_save;
    options.load = walk_load;
    options.max_steps = 40;
    REQUIRE(fst_env_create(context, &options, &w->env));
    return w->env;
}

/* index −1: callbacks. The second one has not begun before, or is elsewhere. */
static void goes_on(int64_t index, bool began)
{
    walk walks[2];
    diary *expected = malloc(sizeof *expected), *got = malloc(sizeof *got);
    uint64_t numbers = 77;
    fst_env *first = index < 0 ? walkers(&walks[0]) : built_in(context, builtin_name(index), ROWS, 1);
    fst_env *second = index < 0 ? walkers(&walks[1]) : built_in(context, builtin_name(index), ROWS, 1);
    ck_assert(!fst__env_can_be_saved(first));
    REQUIRE(fst_env_reset(first, 12));
    for (int t = 0; t < FIRST; ++t)
        act(first, &numbers);
    ck_assert(fst__env_can_be_saved(first));
    taken state = take(first);
    if (began) {
        uint64_t others = 1;
        REQUIRE(fst_env_reset(second, 1));
        for (int t = 0; t < 9; ++t)
            act(second, &others);
    }
    REQUIRE(put(second, &state));
    write_diary(first, numbers, expected);
    write_diary(second, numbers, got);
    ck_assert_mem_eq(expected, got, sizeof *got);
    int64_t ends = 0;
    for (size_t i = 0; i < sizeof got->flags; ++i)
        ends += (&got->flags[0][0])[i];
    if (index < 0)
        ck_assert_int_gt(ends, 0);
    drop(&state);
    fst_env_destroy(first);
    fst_env_destroy(second);
    free(expected);
    free(got);
}

START_TEST(test_goes_on)
{
    for (int began = 0; began < 2; ++began)
        for (int64_t i = -1; i < builtin_count(); ++i)
            goes_on(i, began);
}
END_TEST

/* Every byte of every part in turn: refused with a text, or taken, and then stepping and drawing do no harm. */
START_TEST(test_parts_that_are_none)
{
    static const char *const names[] = {"FrozenLake-v1", "CartPole-v1", "RobotNavigation-v0", "ConnectFour-v0", NULL};
    walk w;
    fst_env *env = names[_i] ? built_in(context, names[_i], ROWS, 1) : walkers(&w);
    int64_t refused = 0, accepted = 0;
    uint64_t numbers = 3;
    const char *text;
    REQUIRE(fst_env_reset(env, 2));
    for (int t = 0; t < 10; ++t)
        act(env, &numbers);
    taken good = take(env);
    for (int i = 0; i < good.count; ++i)
        for (size_t j = 0; j < good.size[i]; j += 1 + good.size[i] / 97) {
            unsigned char byte = good.bytes[i][j];
            good.bytes[i][j] = 0xFF;
            fst_status status = put(env, &good);
            good.bytes[i][j] = byte;
            if (status) {
                ck_assert(status == FST_ERR_INVALID_ARGUMENT || status == FST_ERR_NUMERIC);
                ck_assert_uint_gt(strlen(fst_last_error()), 0);
                REFUSED(fst_env_render(env, 0, FST_RENDER_TEXT, &text), FST_ERR_STATE, "only fst_env_reset");
                ++refused;
                continue;
            }
            ++accepted;
            if (names[_i])
                REQUIRE(fst_env_render(env, 0, FST_RENDER_SVG, &text));
            float actions[ROWS * 4];
            draw_actions(env, &numbers, actions);
            fst_env_step(env, actions);
        }
    ck_assert_int_gt(refused, 10);
    ck_assert_int_gt(accepted, 10);
    REQUIRE(put(env, &good));
    act(env, &numbers);
    drop(&good);
    fst_env_destroy(env);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("env");
    TCase *tests = tcase_create("env");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_names);
    tcase_add_test(tests, test_options);
    tcase_add_loop_test(tests, test_threads, 0, 5);
    tcase_add_test(tests, test_a_step_allocates_nothing);
    tcase_add_test(tests, test_numbers_that_end);
    tcase_add_test(tests, test_states_that_are_none);
    tcase_add_test(tests, test_pictures);
    tcase_add_test(tests, test_goes_on);
    tcase_add_loop_test(tests, test_parts_that_are_none, 0, 5);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
