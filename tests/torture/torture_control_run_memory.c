/*
 * Every allocation of a run in environments fails in turn: the status is FST_ERR_NO_MEMORY, nothing leaks, and
 * every handle can be destroyed.
 */
#include "../support/small_play.h"
#include "every_allocation.h"

typedef struct life {
    small_play_config config;
    small_play p;
    const char *folder;
} life;

static void prepare(void *test)
{
    life *l = test;
    small_play_prepare(&l->p, &l->config);
}

static void destroy(void *test)
{
    small_play_destroy(&((life *)test)->p);
}

static fst_status live(void *test)
{
    life *l = test;
    fst_status status = small_play_start(&l->p, &l->config);
    if (!status)
        status = fst_run_evaluate(l->p.run);
    if (!status)
        status = fst_run_advance(l->p.run, NULL);
    if (!status)
        status = fst_run_save(l->p.run, small_path(l->folder, "state"));
    if (!status)
        status = fst_run_step(l->p.run, NULL, 0);
    return status ? status : fst_run_resume(l->p.run, small_path(l->folder, "state"));
}

START_TEST(test_each_allocation)
{
    static const char *const names[] = {"CartPole-v1", "ConnectFour-v0"};
    small_memory memory = {0};
    small_play_config config = small_play_defaults(names[_i]);
    config.policy.network = FST_NETWORK_MLP;
    config.policy.normalize_observations = !_i;
    config.control.opponents = 1;
    config.control.opponent_every = 1;
    config.control.steps = 10;
    config.control.evaluation_episodes = 1;
    config.max_steps = 10;
    config.validate = 1;
    small_memory_use(&memory, &config.context);
    char *folder = small_folder();
    life l = {.config = config, .folder = folder};
    const small_failures seen =
        fail_every_allocation(&(small_life){prepare, live, destroy}, &l, &memory, true);
    ck_assert_int_gt(seen.failed, 10);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    TCase *test = tcase_create("memory");
    tcase_set_timeout(test, 600);
    tcase_add_loop_test(test, test_each_allocation, 0, 2);
    Suite *suite = suite_create("memory of runs in environments");
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
