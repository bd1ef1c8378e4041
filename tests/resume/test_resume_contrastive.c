/* A contrastive run that was interrupted anywhere ends with the bytes of one that was not. */
#include "../support/small_contrastive.h"
#include "interrupted.h"
#include "small_run.h"

enum { CONFIGS = 6 };
static small_contrastive_config configs[CONFIGS];

static void make_configs(void)
{
    static const small_views views[CONFIGS] = {SMALL_DROPOUT, SMALL_PAIRS, SMALL_TRIPLETS,
                                               SMALL_DROPOUT, SMALL_IMAGES, SMALL_IMAGES};
    for (int i = 0; i < CONFIGS; ++i) {
        configs[i] = small_contrastive_defaults(views[i]);
        configs[i].run.evaluate_every = 2;
    }
    configs[0].contrastive.chunk = 2;
    configs[0].scored = 1;
    configs[1].hidden_layers = 2;
    configs[1].optimizer.kind = FST_OPTIMIZER_LARS;
    configs[1].contrastive.objective = FST_CONTRASTIVE_NTXENT;
    configs[2].dtype = FST_BF16;
    configs[2].contrastive.shuffle = 0;
    configs[3].family = FST_FAMILY_LLAMA;
    configs[3].checkpointing = 1;
    configs[3].contrastive.spike_loss_z = 4;
    configs[4].contrastive.chunk = 3;
    configs[4].hidden_layers = 1;
    configs[5].family = FST_FAMILY_RESNET;
}

typedef struct making {
    const small_contrastive_config *config;
    small_contrastive s;
} making;

static fst_run *create(void *test)
{
    making *m = test;
    small_contrastive_create(&m->s, m->config);
    return m->s.run;
}

static void destroy(void *test)
{
    small_contrastive_destroy(&((making *)test)->s);
}

START_TEST(test_every_step)
{
    make_configs();
    making m = {.config = &configs[_i]};
    interrupt_everywhere(&(small_maker){create, destroy, NULL}, &m, 4);
}
END_TEST

START_TEST(test_another_recipe_is_refused)
{
    small_contrastive_config config = small_contrastive_defaults(SMALL_PAIRS);
    char *folder = small_folder();
    small_contrastive s;
    small_contrastive_create(&s, &config);
    REQUIRE(fst_run_save(s.run, small_path(folder, "one")));
    small_contrastive_destroy(&s);
    static const char *const names[] = {"contrastive.chunk", "contrastive.views",
                                        "contrastive.pooling", "contrastive.objective"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        small_contrastive_config other = config;
        other.contrastive.chunk = i == 0 ? 2 : 0;
        other.contrastive.views = i == 1 ? FST_VIEWS_DROPOUT : FST_VIEWS_AUTO;
        other.contrastive.pooling = i == 2 ? FST_POOL_LAST : FST_POOL_MEAN;
        other.contrastive.objective = i == 3 ? FST_CONTRASTIVE_NTXENT : FST_CONTRASTIVE_AUTO;
        small_contrastive_create(&s, &other);
        ck_assert_int_eq(fst_run_resume(s.run, small_path(folder, "one")), FST_ERR_MISMATCH);
        ck_assert_msg(strstr(fst_last_error(), names[i]), "%s", fst_last_error());
        REQUIRE(fst_run_step(s.run, NULL, 0)); /* untouched */
        small_contrastive_destroy(&s);
    }
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resuming contrastive runs");
    TCase *cases = tcase_create("resume");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_every_step, 0, CONFIGS);
    tcase_add_test(cases, test_another_recipe_is_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
