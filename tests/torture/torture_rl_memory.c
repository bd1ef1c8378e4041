/*
 * Every allocation of reinforcement learning fails in turn: the status is FST_ERR_NO_MEMORY,
 * nothing leaks, and every handle can be destroyed.
 */
#include "../support/small_rl.h"
#include "small_run.h"

typedef struct host_memory {
    int64_t blocks, calls, fail_at;
} host_memory;

static void *allocate(size_t size, void *user)
{
    host_memory *m = user;
    m->calls += 1;
    void *block = m->fail_at && m->calls >= m->fail_at ? NULL : malloc(size);
    m->blocks += block != NULL;
    return block;
}

static void release(void *block, void *user)
{
    host_memory *m = user;
    m->blocks -= block != NULL;
    free(block);
}

static fst_status live(small_rl *s, const small_rl_config *config, const char *path)
{
    fst_status status = small_rl_start(s, config);
    if (!status)
        status = fst_run_evaluate(s->run);
    if (!status)
        status = fst_run_advance(s->run, NULL);
    if (!status)
        status = fst_run_advance(s->run, NULL);
    if (!status)
        status = fst_run_save(s->run, path);
    if (!status)
        status = fst_run_step(s->run, NULL, 0);
    return status ? status : fst_run_resume(s->run, path);
}

START_TEST(test_each_allocation)
{
    host_memory memory = {0};
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
    config.context.allocate = allocate;
    config.context.release = release;
    config.context.allocate_user = &memory;
    char *folder = small_folder();
    fst_status status;
    int64_t failed = 0, k = 0;
    do {
        small_rl s;
        memory = (host_memory){0};
        small_rl_prepare(&s, &config);
        memory.fail_at = memory.calls + ++k;
        status = live(&s, &config, small_path(folder, "state"));
        ck_assert_msg(status == FST_OK || status == FST_ERR_NO_MEMORY, "allocation %d: %s: %s",
                      (int)k, fst_status_name(status), fst_last_error());
        failed += status != FST_OK;
        small_rl_destroy(&s);
        ck_assert_msg(memory.blocks == 0, "allocation %d: %d blocks leak", (int)k,
                      (int)memory.blocks);
        ck_assert_int_lt(k, 5000);
    } while (status || memory.calls >= memory.fail_at);
    ck_assert_int_gt(failed, 10);
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
