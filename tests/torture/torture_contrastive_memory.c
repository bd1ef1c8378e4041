/*
 * Every allocation of a contrastive run fails in turn: the status is FST_ERR_NO_MEMORY, nothing leaks,
 * and every handle can be destroyed.
 */
#include "../support/small_contrastive.h"
#include "every_allocation.h"

typedef struct life {
    small_contrastive_config config;
    small_contrastive s;
    const char *folder;
} life;

static void prepare(void *test)
{
    life *l = test;
    small_contrastive_prepare(&l->s, &l->config);
}

static void destroy(void *test)
{
    small_contrastive_destroy(&((life *)test)->s);
}

static fst_status live(void *test)
{
    life *l = test;
    float *embeddings = malloc(CONTRASTIVE_TEXTS * 32 * sizeof *embeddings);
    int64_t count;
    fst_status status = small_contrastive_start(&l->s, &l->config);
    if (!status)
        status = fst_run_evaluate(l->s.run);
    if (!status)
        status = fst_run_step(l->s.run, NULL, 0);
    if (!status)
        status = fst_run_save(l->s.run, small_path(l->folder, "state"));
    if (!status)
        status = fst_run_resume(l->s.run, small_path(l->folder, "state"));
    if (!status)
        status = fst_model_embed(l->s.model, l->s.train, NULL, embeddings, CONTRASTIVE_TEXTS * 32,
                                 &count);
    free(embeddings);
    return status;
}

START_TEST(test_each_allocation)
{
    small_memory memory = {0};
    small_contrastive_config config = small_contrastive_defaults(_i == 0   ? SMALL_DROPOUT
                                                                 : _i == 1 ? SMALL_TRIPLETS
                                                                           : SMALL_IMAGES);
    config.contrastive.chunk = _i ? 2 : 0;
    config.scored = !_i;
    config.hidden_layers = _i ? 1 : -1;
    config.optimizer.kind = _i ? FST_OPTIMIZER_LARS : FST_OPTIMIZER_ADAMW;
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
    tcase_set_timeout(test, 300);
    tcase_add_loop_test(test, test_each_allocation, 0, 3);
    Suite *suite = suite_create("memory of a contrastive run");
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
