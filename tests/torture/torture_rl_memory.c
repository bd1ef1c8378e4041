/*
 * Every allocation of reinforcement learning fails in turn: the status is FST_ERR_NO_MEMORY,
 * nothing leaks, and every handle can be destroyed.
 */
#include "../support/small_rl.h"
#include "every_allocation.h"

typedef struct life {
    small_rl_config config;
    small_rl s;
    const char *folder;
} life;

static void prepare(void *test)
{
    life *l = test;
    small_rl_prepare(&l->s, &l->config);
}

static void destroy(void *test)
{
    small_rl_destroy(&((life *)test)->s);
}

static fst_status live(void *test)
{
    life *l = test;
    fst_status status = small_rl_start(&l->s, &l->config);
    if (!status)
        status = fst_run_evaluate(l->s.run);
    if (!status)
        status = fst_run_advance(l->s.run, NULL);
    if (!status)
        status = fst_run_advance(l->s.run, NULL);
    if (!status)
        status = fst_run_save(l->s.run, small_path(l->folder, "state"));
    if (!status)
        status = fst_run_step(l->s.run, NULL, 0);
    return status ? status : fst_run_resume(l->s.run, small_path(l->folder, "state"));
}

START_TEST(test_each_allocation)
{
    small_memory memory = {0};
    small_rl_config config = small_rl_defaults(_i ? FST_RL_GRPO : FST_RL_PPO);
    int32_t stop_ids[] = {5};
    config.rl.rows = 2;
    config.rl.kl_ceiling = 100;
    config.sampling.top_k = 20;
    config.sampling.stop_ids = stop_ids;
    config.sampling.stop_id_count = 1;
    config.normalise = 1;
    config.adapter = _i;
    config.supervised = !_i;
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
    Suite *suite = suite_create("memory of reinforcement learning");
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
