/*
 * Every allocation of a network's life for control fails in turn: made with orthogonal weights, heads
 * added, trained, saved, loaded, copied. The status is FST_ERR_NO_MEMORY, nothing leaks, and every handle
 * can be destroyed.
 */
#include "../support/tiny_model.h"
#include "every_allocation.h"
#include "small_run.h"

#include "fourstage/fourstage.h"

#include <stdio.h>

typedef struct life {
    small_memory *memory;
    const fst_model_config *config;
    char *folder;
    fst_context *context;
    fst_model *model, *other;
    fst_optimizer *optimizer;
} life;

static void prepare(void *test)
{
    life *l = test;
    fst_context_options options = tiny_context_options(2);
    small_memory_use(l->memory, &options);
    REQUIRE(fst_context_create(&options, &l->context));
    l->model = l->other = NULL;
    l->optimizer = NULL;
}

static void destroy(void *test)
{
    life *l = test;
    fst_optimizer_destroy(l->optimizer);
    fst_model_destroy(l->other);
    fst_model_destroy(l->model);
    fst_context_destroy(l->context);
}

static fst_status make(life *l)
{
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "policy";
    head.outputs = 9; /* more than there are features: orthogonal columns */
    head.orthogonal_gain = 1;
    fst_status status = fst_model_create(l->context, l->config, NULL, &l->model);
    if (!status)
        status = fst_model_add_head(l->model, &head);
    head.name = "log_std";
    head.kind = FST_HEAD_CONSTANT;
    if (!status)
        status = fst_model_add_head(l->model, &head);
    return status ? status : fst_optimizer_create(l->model, NULL, &l->optimizer);
}

static fst_status learn(life *l)
{
    static float values[3 * 100];
    fst_batch batch;
    fst_view view;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = 3;
    batch.length = l->config->backbone == FST_BACKBONE_TRANSFORMER ? 2 : 0;
    batch.observations = l->config->inputs ? values : NULL;
    batch.images = l->config->inputs ? NULL : values;
    fst_status status = fst_model_forward(l->model, &batch, NULL);
    if (!status)
        status = fst_model_output(l->model, "policy", &view);
    if (!status)
        status = fst_model_backward(l->model, "policy", &view);
    return status ? status : fst_optimizer_step(l->optimizer, NULL, 0);
}

static fst_status live(void *test)
{
    life *l = test;
    fst_status status = make(l);
    if (!status)
        status = learn(l);
    if (!status)
        status = fst_model_save(l->model, NULL, l->folder);
    if (!status)
        status = fst_model_load(l->context, l->folder, NULL, &l->other);
    fst_model_destroy(l->other);
    l->other = NULL;
    return status ? status : fst_model_copy(l->model, NULL, &l->other);
}

static void torture(const fst_model_config *config)
{
    small_memory memory = {0};
    life l = {.memory = &memory, .config = config, .folder = small_folder()};
    const small_failures seen =
        fail_every_allocation(&(small_life){prepare, live, destroy}, &l, &memory, true);
    ck_assert_int_gt(seen.failed, 40);
    small_folder_remove(l.folder);
}

static fst_model_config config_of(int32_t family)
{
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, family));
    config.layers = 2;
    config.tower_width = 4;
    config.towers = 2;
    config.orthogonal_gain = 1;
    return config;
}

START_TEST(test_mlp)
{
    fst_model_config config = config_of(FST_FAMILY_MLP);
    config.inputs = 3;
    torture(&config);
}
END_TEST

START_TEST(test_cnn)
{
    fst_model_config config = config_of(FST_FAMILY_CNN);
    config.cnn = FST_CNN_SMALL;
    config.image_channels = 1;
    config.image_height = config.image_width = 2;
    torture(&config);
}
END_TEST

START_TEST(test_transformer)
{
    fst_model_config config = config_of(FST_FAMILY_GPT2);
    config.inputs = 3;
    config.context_length = 4;
    config.width = config.heads = 4;
    torture(&config);
}
END_TEST

int main(void)
{
    TCase *test = tcase_create("memory");
    tcase_set_timeout(test, 300);
    tcase_add_test(test, test_mlp);
    tcase_add_test(test, test_cnn);
    tcase_add_test(test, test_transformer);
    Suite *suite = suite_create("memory of networks for control");
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
