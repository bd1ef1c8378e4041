/*
 * Every allocation of an environment fails in turn, built in and of callbacks: the status is FST_ERR_NO_MEMORY, nothing
 * leaks, and every handle can be destroyed.
 */
#include "../support/walk_env.h"
#include "every_allocation.h"

typedef struct life {
    fst_context_options options;
    fst_context *context;
    const char *name; /* NULL: callbacks */
    walk walking;
    fst_env *env;
} life;

static void prepare(void *test)
{
    life *l = test;
    l->context = NULL;
    l->env = NULL;
}

static void destroy(void *test)
{
    life *l = test;
    fst_env_destroy(l->env);
    fst_context_destroy(l->context);
}

static fst_status make(life *l)
{
    fst_env_make_options built;
    fst_env_options own = walk_options(&l->walking, 3);
    REQUIRE(fst_env_make_options_init(&built, sizeof built));
    built.count = 3;
    own.masked = l->walking.masked = 1;
    own.players = l->walking.players = 2;
    own.state_bytes = 16;
    own.save = walk_save;
    own.load = walk_load;
    own.render = walk_render;
    return l->name ? fst_env_make(l->context, l->name, &built, &l->env) : fst_env_create(l->context, &own, &l->env);
}

static fst_status live(void *test)
{
    static const float actions[6] = {0};
    const int32_t stay[] = {1, 1, 1};
    life *l = test;
    char state[8192];
    fst_env_info info;
    const char *text;
    fst_status status = fst_context_create(&l->options, &l->context);
    if (!status)
        status = make(l);
    if (!status)
        status = fst_env_reset(l->env, 1);
    if (!status)
        status = fst_env_step(l->env, l->name ? (const void *)actions : stay);
    if (status)
        return status;
    REQUIRE(fst_env_get_info(l->env, &info, sizeof info));
    ck_assert_int_le(info.state_bytes, sizeof state);
    status = fst_env_get_state(l->env, 1, state, (size_t)info.state_bytes);
    if (!status)
        status = fst_env_set_state(l->env, 1, state, (size_t)info.state_bytes);
    for (int32_t format = FST_RENDER_TEXT; !status && format <= FST_RENDER_SVG; ++format)
        status = fst_env_render(l->env, 1, format, &text);
    return status;
}

START_TEST(test_env)
{
    static const char *const names[] = {NULL, "CartPole-v1", "RobotNavigation-v0", "ConnectFour-v0"};
    small_memory memory = {0};
    life l = {.name = names[_i / 2]};
    REQUIRE(fst_context_options_init(&l.options, sizeof l.options));
    l.options.threads = 1;
    small_memory_use(&memory, &l.options);
    const small_failures seen = fail_every_allocation(&(small_life){prepare, live, destroy}, &l, &memory, _i % 2);
    ck_assert_int_gt(seen.failed, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("env_memory");
    TCase *tests = tcase_create("env_memory");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_env, 0, 8);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
