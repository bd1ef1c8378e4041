/*
 * Every allocation of a run's life fails in turn, once and from then on: the status is
 * FST_ERR_NO_MEMORY, nothing leaks, every handle can be destroyed, and what was saved stays.
 */
#include "small_run.h"

#include <check.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

/* One life, stopped at its first failure; `folder` holds an earlier checkpoint. */
static fst_status live(small_run *small, const small_config *config, const char *folder)
{
    fst_status status = small_create(small, config);
    if (!status)
        status = fst_run_evaluate(small->run);
    if (!status)
        status = fst_run_step(small->run, NULL, 0);
    if (!status)
        status = fst_run_advance(small->run, NULL);
    if (!status)
        status = fst_run_save(small->run, small_path(folder, "now"));
    if (!status)
        status = fst_run_resume(small->run, small_path(folder, "earlier"));
    if (!status)
        status = fst_run_resume(small->run, folder);
    if (!status)
        status = fst_run_step(small->run, NULL, 0);
    return status;
}

START_TEST(test_each_allocation)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    config.run.directory = folder;
    config.run.save_every = 1;
    config.run.evaluate_every = 1;
    config.run.save_best = 1;
    config.run.total_steps = 0;
    if (_i >= 4) {
        config.stage = _i == 4   ? SMALL_CONVERSATIONS
                       : _i == 5 ? SMALL_CLASSES
                                 : SMALL_MASKED;
    } else if (_i >= 2) {
        config.dtype = FST_BF16;
        config.optimizer.kind = FST_OPTIMIZER_MUON;
        fst_model_config_set_family(&config.model, FST_FAMILY_LLAMA);
        config.provider = FST_PROVIDER_AUTO;
    }
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 2));
    OK(fst_run_save(small.run, small_path(folder, "earlier")));
    small_destroy(&small);

    int64_t k = 0, unnoticed = 0;
    do {
        ++k;
        memset(&small, 0, sizeof small);
        small.memory.fail_at = k;
        small.memory.fail_on = _i % 2;
        fst_status status = live(&small, &config, folder);
        ck_assert_msg(status == FST_OK || status == FST_ERR_NO_MEMORY, "allocation %d: %s: %s", (int)k,
                      fst_status_name(status), fst_last_error());
        small_destroy(&small);
        ck_assert_msg(small.memory.live_blocks == 0, "allocation %d: %d blocks leak", (int)k,
                      (int)small.memory.live_blocks);
        ck_assert_int_lt(k, 5000);
        unnoticed += status == FST_OK && small.memory.calls >= k;
    } while (small.memory.calls >= k);
    ck_assert_int_gt(k, 50);
    /* Sweeping away what dead writers left is best effort, a few allocations for each save. */
    ck_assert_int_lt(unnoticed, 40);

    /* What was there before all that is still whole. */
    small_create_checked(&small, &config);
    OK(fst_run_resume(small.run, small_path(folder, "earlier")));
    OK(fst_run_resume(small.run, folder));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

/* After a failure for want of memory the same run goes on and ends as if nothing had been. */
START_TEST(test_goes_on)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 0));
    OK(fst_run_save(small.run, small_path(folder, "straight")));
    small_destroy(&small);

    small_create_checked(&small, &config);
    OK(fst_run_advance(small.run, NULL));
    int failures = 0;
    for (int64_t k = 1; k < 200; ++k) {
        small.memory.fail_at = small.memory.calls + k;
        fst_status status = fst_run_save(small.run, small_path(folder, "now"));
        failures += status == FST_ERR_NO_MEMORY;
        small.memory.fail_at = 0;
        if (status == FST_OK)
            break;
    }
    ck_assert_int_gt(failures, 2);
    OK(fst_run_until(small.run, 0));
    OK(fst_run_save(small.run, small_path(folder, "end")));
    ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "end")));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

/* Once the first steps are done, a step and an evaluation take no memory at all. */
START_TEST(test_steady_step)
{
    small_config config = small_defaults();
    config.provider = _i % 2 ? FST_PROVIDER_AUTO : FST_PROVIDER_CBLAS;
    config.dtype = _i / 2 % 2 ? FST_BF16 : FST_F32;
    config.run.evaluate_every = 2;
    config.run.total_steps = 20;
    config.threads = 2;
    config.stage = _i < 4 ? SMALL_PRETRAIN : SMALL_MASKED;
    small_run small;
    small_create_checked(&small, &config);
    fst_context_info before, after;
    OK(fst_run_until(small.run, 4));
    OK(fst_context_get_info(small.context, &before, sizeof before));
    OK(fst_run_until(small.run, 20));
    OK(fst_context_get_info(small.context, &after, sizeof after));
    ck_assert_int_eq(after.allocations, before.allocations);
    ck_assert_int_eq(after.live_bytes, before.live_bytes);
    small_destroy(&small);
}
END_TEST

/* The plan covers what is held: all that the run's create and its steps took. */
START_TEST(test_plan)
{
    small_config config = small_defaults();
    config.model.width = 128;
    config.model.context_length = 64;
    config.tokens = 4000;
    config.dtype = _i ? FST_BF16 : FST_F32;
    small_run small;
    small_create_checked(&small, &config);
    fst_memory memory;
    OK(fst_run_memory(small.run, &memory, sizeof memory));
    OK(fst_run_until(small.run, 0));
    fst_context_info info;
    OK(fst_context_get_info(small.context, &info, sizeof info));
    ck_assert_int_le(info.peak_bytes, memory.total * 105 / 100 + 1000000);
    ck_assert_int_ge(info.peak_bytes, memory.total * 95 / 100);
    small_destroy(&small);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_memory");
    TCase *cases = tcase_create("run_memory");
    tcase_set_timeout(cases, 600);
    tcase_add_loop_test(cases, test_each_allocation, 0, 7);
    tcase_add_test(cases, test_goes_on);
    tcase_add_loop_test(cases, test_steady_step, 0, 5);
    tcase_add_loop_test(cases, test_plan, 0, 2);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
