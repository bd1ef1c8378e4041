/* A run over preferences that was interrupted anywhere ends with the bytes of one that was not. */
#include "../support/small_dpo.h"
#include "interrupted.h"
#include "small_run.h"

static small_dpo_config configs[4];

/* Every kind and every reference; the epoch ends inside a step. */
static void make_configs(void)
{
    for (int i = 0; i < 4; ++i) {
        configs[i] = small_dpo_defaults();
        configs[i].dpo.kind = i;
        configs[i].dpo.accumulation = 2;
        configs[i].run.total_steps = 4;
        configs[i].run.evaluate_every = 2;
        configs[i].model_dropout = 0.1;
        configs[i].dpo.dropout = 1;
    }
    configs[1].adapter = 1;
    configs[1].dpo.sft = 0.5;
    configs[2].given = 1;
    configs[2].answers = 5;
    configs[2].family = FST_FAMILY_LLAMA;
    configs[3].dtype = FST_BF16;
    configs[3].dpo.shuffle = 0;
}

typedef struct making {
    const small_dpo_config *config;
    small_dpo s;
} making;

static fst_run *create(void *test)
{
    making *m = test;
    small_dpo_create(&m->s, m->config);
    return m->s.run;
}

static void destroy(void *test)
{
    small_dpo_destroy(&((making *)test)->s);
}

START_TEST(test_every_micro_batch)
{
    make_configs();
    making m = {.config = &configs[_i]};
    interrupt_everywhere(&(small_maker){create, destroy, NULL}, &m, 8);
}
END_TEST

/* The copy comes from the file: a program that goes on need not have the weights of the beginning.
 */
START_TEST(test_copy_is_saved)
{
    small_dpo_config config = small_dpo_defaults();
    config.run.total_steps = 3;
    char *folder = small_folder();
    small_dpo s;
    small_dpo_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_run_save(s.run, small_path(folder, "one")));
    REQUIRE(fst_run_until(s.run, 0));
    REQUIRE(fst_run_save(s.run, small_path(folder, "straight")));
    small_dpo_destroy(&s);

    small_dpo_prepare(&s, &config);
    fst_view view;
    REQUIRE(fst_model_parameter(s.model, "norm.weight", &view));
    for (int64_t i = 0; i < view.shape[0]; ++i)
        ((float *)view.data)[i] += 1;
    REQUIRE(fst_model_weights_changed(s.model));
    REQUIRE(small_dpo_start(&s, &config));
    REQUIRE(fst_run_resume(s.run, small_path(folder, "one")));
    REQUIRE(fst_run_until(s.run, 0));
    REQUIRE(fst_run_save(s.run, small_path(folder, "resumed")));
    small_dpo_destroy(&s);
    ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "resumed")));
    small_folder_remove(folder);
}
END_TEST

/* A model given as the reference is not in the file, so it must be the same one. */
START_TEST(test_other_reference_is_refused)
{
    small_dpo_config config = small_dpo_defaults();
    config.given = 1;
    char *folder = small_folder();
    small_dpo s;
    small_dpo_create(&s, &config);
    REQUIRE(fst_run_save(s.run, small_path(folder, "one")));
    small_dpo_destroy(&s);
    small_dpo_prepare(&s, &config);
    fst_view view;
    REQUIRE(fst_model_parameter(s.reference, "norm.weight", &view));
    ((float *)view.data)[0] += 1;
    REQUIRE(small_dpo_start(&s, &config));
    ck_assert_int_eq(fst_run_resume(s.run, small_path(folder, "one")), FST_ERR_MISMATCH);
    ck_assert_msg(strstr(fst_last_error(), "reference_weights"), "%s", fst_last_error());
    REQUIRE(fst_run_step(s.run, NULL, 0)); /* untouched */
    small_dpo_destroy(&s);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resuming over preferences");
    TCase *cases = tcase_create("resume");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_every_micro_batch, 0, 4);
    tcase_add_test(cases, test_copy_is_saved);
    tcase_add_test(cases, test_other_reference_is_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
