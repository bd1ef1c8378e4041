/* ResNets: shapes, threads, types, running statistics, what is refused, and freezing. */
#include "../support/tiny_model.h"

#include "fourstage/adapter.h"
#include "fourstage/optimizer.h"
#include "fourstage/policy.h"

#include <stddef.h>

enum { ROWS = 5, CHANNELS = 3, SIDE = 12, PLACES = 9, WIDTH = 32 };

static float images[ROWS * CHANNELS * SIDE * SIDE];

static fst_model_config resnet_config(void)
{
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_RESNET));
    config.image_channels = CHANNELS;
    config.image_height = config.image_width = SIDE;
    config.stage_width = 8;
    config.blocks_1 = 1;
    config.blocks_2 = 2;
    config.blocks_3 = 1;
    return config;
}

static fst_model *resnet(fst_context *context, int32_t dtype)
{
    fst_model_config config = resnet_config();
    fst_model *model = tiny_model(context, &config, dtype, 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "classes";
    head.outputs = 10;
    head.pooling = FST_POOL_MEAN;
    REQUIRE(fst_model_add_head(model, &head));
    head.name = "projection";
    head.hidden_layers = head.batch_norm = 1;
    head.outputs = 12;
    REQUIRE(fst_model_add_head(model, &head));
    return model;
}

static fst_batch batch_of(int64_t rows)
{
    fst_batch batch;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    for (size_t i = 0; i < sizeof images / sizeof *images; ++i)
        images[i] = (float)sin(1.3 * (double)i);
    batch.rows = rows;
    batch.images = images;
    return batch;
}

static void hidden_of(fst_model *model, int64_t rows, float *to)
{
    fst_batch batch = batch_of(rows);
    fst_view view;
    fst_forward_options options;
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    options.mode = FST_FORWARD_EVALUATE;
    REQUIRE(fst_model_forward(model, &batch, &options));
    REQUIRE(fst_model_output(model, "hidden", &view));
    ck_assert_int_eq(view.shape[0], rows);
    ck_assert_int_eq(view.shape[1], PLACES);
    ck_assert_int_eq(view.shape[2], WIDTH);
    memcpy(to, view.data, (size_t)rows * PLACES * WIDTH * sizeof *to);
}

/* In evaluation an image does not see those beside it. */
START_TEST(test_shapes)
{
    static float first[ROWS * PLACES * WIDTH], again[ROWS * PLACES * WIDTH];
    fst_context *context = tiny_context(2);
    fst_model *model = resnet(context, FST_F32);
    fst_model_config config;
    REQUIRE(fst_model_get_config(model, &config, sizeof config));
    ck_assert_int_eq(config.context_length, PLACES);
    hidden_of(model, ROWS, first);
    hidden_of(model, 2, again);
    for (int i = 0; i < 2 * PLACES * WIDTH; ++i)
        ck_assert_msg(fabsf(first[i] - again[i]) <= 1e-5f, "%d: %g, %g", i, (double)first[i],
                      (double)again[i]);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(test_threads)
{
    static const char *const names[] = {"stem.conv.weight", "stem.norm.bias",
                                        "stages.1.0.shortcut.conv.weight",
                                        "stages.2.0.norm1.weight", "stages.1.1.conv2.weight"};
    float *kept[5] = {0};
    for (int32_t threads = 1; threads <= 4; ++threads) {
        fst_context *context = tiny_context(threads);
        fst_model *model = resnet(context, _i ? FST_BF16 : FST_F32);
        fst_batch batch = batch_of(ROWS);
        fst_view view;
        REQUIRE(fst_model_forward(model, &batch, NULL));
        REQUIRE(fst_model_output(model, "classes", &view));
        REQUIRE(fst_model_backward(model, "classes", &view));
        for (int i = 0; i < 5; ++i) {
            REQUIRE(fst_model_gradient(model, names[i], &view));
            size_t size = (size_t)view.shape[0] * (view.rank == 2 ? (size_t)view.shape[1] : 1) * sizeof(float);
            if (threads == 1)
                memcpy(kept[i] = malloc(size), view.data, size);
            else
                ck_assert_msg(memcmp(kept[i], view.data, size) == 0, "%s differs", names[i]);
        }
        fst_model_destroy(model);
        fst_context_destroy(context);
    }
    for (int i = 0; i < 5; ++i)
        free(kept[i]);
}
END_TEST

START_TEST(test_steady)
{
    fst_context *context = tiny_context(2);
    fst_model *model = resnet(context, FST_F32);
    fst_optimizer *optimizer;
    fst_batch batch = batch_of(ROWS);
    fst_view view;
    REQUIRE(fst_optimizer_create(model, NULL, &optimizer));
    int64_t before = 0;
    for (int step = 0; step < 3; ++step) {
        if (step == 2)
            before = tiny_allocations(context);
        REQUIRE(fst_model_forward(model, &batch, NULL));
        REQUIRE(fst_model_output(model, "classes", &view));
        REQUIRE(fst_model_backward(model, "classes", &view));
        REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
    }
    ck_assert_int_eq(tiny_allocations(context), before);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

static void step_of(fst_model *model)
{
    fst_batch batch = batch_of(ROWS);
    fst_view view;
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_output(model, "classes", &view));
    REQUIRE(fst_model_backward(model, "classes", &view));
}

static void values_of(fst_model *model, const char *name, float values[WIDTH])
{
    fst_view view;
    REQUIRE(fst_model_parameter(model, name, &view));
    ck_assert_int_eq(view.rank, 1);
    memcpy(values, view.data, (size_t)view.shape[0] * sizeof *values);
}

/* With the first stages frozen and a block trained, backward stops in between. */
START_TEST(test_frozen)
{
    fst_context *context = tiny_context(1);
    fst_model *model = resnet(context, FST_F32);
    fst_view view;
    float before[WIDTH], after[WIDTH];
    REQUIRE(fst_model_set_trainable(model, "stem.*", 0));
    REQUIRE(fst_model_set_trainable(model, "stages.0.*", 0));
    REQUIRE(fst_model_set_trainable(model, "stages.1.*", 0));
    REQUIRE(fst_model_set_trainable(model, "stages.1.*", 1));
    values_of(model, "stages.0.0.norm1.running_var", before);
    step_of(model);
    values_of(model, "stages.0.0.norm1.running_var", after);
    ck_assert(memcmp(before, after, 8 * sizeof *before) == 0);
    values_of(model, "stages.1.0.norm1.running_var", after);
    ck_assert(after[0] != 1);
    ck_assert_int_eq(fst_model_gradient(model, "stem.norm.bias", &view), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_gradient(model, "stages.1.0.norm1.running_mean", &view),
                     FST_ERR_STATE);
    REQUIRE(fst_model_gradient(model, "stages.1.0.conv1.weight", &view));
    float sum = 0;
    for (int64_t i = 0; i < view.shape[0] * view.shape[1]; ++i)
        sum += fabsf(((float *)view.data)[i]);
    ck_assert(sum > 0);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* Looked at twice and differentiated, a head's batch norms have seen the batch once. */
START_TEST(test_projection)
{
    static const char *const names[] = {"heads.projection.norm.0.running_mean",
                                        "heads.projection.norm.1.running_var"};
    fst_context *context = tiny_context(2);
    fst_model *model = resnet(context, _i ? FST_BF16 : FST_F32);
    fst_batch batch = batch_of(ROWS);
    float once[WIDTH], again[WIDTH];
    fst_view view;
    REQUIRE(fst_model_forward(model, &batch, NULL));
    for (int i = 0; i < 2; ++i) {
        values_of(model, names[i], again);
        REQUIRE(fst_model_output(model, "projection", &view));
        values_of(model, names[i], once);
        ck_assert(i ? once[0] == again[0] : once[0] != again[0]);
    }
    for (int64_t k = 0; k < view.shape[1]; ++k) { /* mean 0 and variance 1, or of a bit less */
        double sum = 0, squares = 0;
        for (int64_t r = 0; r < ROWS; ++r) {
            double value = (double)((float *)view.data)[r * view.strides[0] + k];
            sum += value;
            squares += value * value;
        }
        ck_assert(fabs(sum) < 1e-4 && squares < ROWS * 1.0001 && squares > ROWS * .5);
    }
    REQUIRE(fst_model_backward(model, "projection", &view));
    values_of(model, names[1], again);
    ck_assert(memcmp(once, again, 12 * sizeof *once) == 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "tokens";
    head.kind = FST_HEAD_TOKEN;
    head.batch_norm = 1;
    ck_assert_int_eq(fst_model_add_head(model, &head), FST_ERR_INVALID_ARGUMENT);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* A copy has the running statistics, and its training leaves those of its source alone. */
START_TEST(test_running_statistics)
{
    static const char name[] = "stages.1.1.norm2.running_mean";
    fst_context *context = tiny_context(2);
    fst_model *model = resnet(context, FST_F32), *copy;
    static float first[ROWS * PLACES * WIDTH], again[ROWS * PLACES * WIDTH];
    float of_model[WIDTH], of_copy[WIDTH];
    step_of(model);
    REQUIRE(fst_model_copy(model, NULL, &copy));
    values_of(model, name, of_model);
    values_of(copy, name, of_copy);
    ck_assert(memcmp(of_model, of_copy, 16 * sizeof *of_copy) == 0);
    hidden_of(model, ROWS, first);
    hidden_of(copy, ROWS, again);
    ck_assert(memcmp(first, again, sizeof first) == 0);
    step_of(copy);
    values_of(model, name, of_copy);
    ck_assert(memcmp(of_model, of_copy, 16 * sizeof *of_copy) == 0);
    values_of(copy, name, of_copy);
    ck_assert(memcmp(of_model, of_copy, 16 * sizeof *of_copy) != 0);
    fst_model_destroy(copy);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(test_refused)
{
    fst_context *context = tiny_context(1);
    fst_model *model = resnet(context, FST_F32), *none;
    fst_batch batch = batch_of(ROWS);
    fst_view view;
    int32_t id = 0;
    batch.images = NULL;
    ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "batch.images"));
    batch.ids = &id;
    batch.rows = batch.length = 1;
    ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_ERR_INVALID_ARGUMENT);
    batch = batch_of(ROWS);
    REQUIRE(fst_model_forward(model, &batch, NULL));
    ck_assert_int_eq(fst_model_output(model, "logits", &view), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_model_loss(model, NULL, &(fst_loss){0}, sizeof(fst_loss)), FST_ERR_STATE);
    fst_policy *policy;
    ck_assert_int_eq(fst_policy_create(model, NULL, &policy), FST_ERR_UNSUPPORTED);
    const struct {
        const char *field;
        size_t offset;
        int32_t value;
    } bad[] = {
        {"image_channels", offsetof(fst_model_config, image_channels), 0},
        {"image_height", offsetof(fst_model_config, image_height), 0},
        {"image_width", offsetof(fst_model_config, image_width), -4},
        {"stem", offsetof(fst_model_config, stem), 2},
        {"bottleneck", offsetof(fst_model_config, bottleneck), -1},
        {"blocks_1", offsetof(fst_model_config, blocks_1), 0},
        {"blocks_3", offsetof(fst_model_config, blocks_3), -1},
        {"stage_width", offsetof(fst_model_config, stage_width), 0},
        {"causal", offsetof(fst_model_config, causal), 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
        fst_model_config config = resnet_config();
        *(int32_t *)((char *)&config + bad[i].offset) = bad[i].value;
        ck_assert_int_eq(fst_model_create(context, &config, NULL, &none), FST_ERR_INVALID_ARGUMENT);
        ck_assert_msg(strstr(fst_last_error(), bad[i].field) != NULL, "%s: %s", bad[i].field,
                      fst_last_error());
    }
    fst_model_options options;
    fst_model_config config = resnet_config();
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.checkpointing = 1;
    ck_assert_int_eq(fst_model_create(context, &config, &options, &none), FST_ERR_UNSUPPORTED);
    fst_adapter_options adapter;
    REQUIRE(fst_adapter_options_init(&adapter, sizeof adapter));
    ck_assert_int_eq(fst_model_add_adapter(model, &adapter), FST_ERR_UNSUPPORTED);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ResNet");
    TCase *cases = tcase_create("ResNet");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, test_shapes);
    tcase_add_loop_test(cases, test_threads, 0, 2);
    tcase_add_test(cases, test_steady);
    tcase_add_test(cases, test_frozen);
    tcase_add_test(cases, test_running_statistics);
    tcase_add_loop_test(cases, test_projection, 0, 2);
    tcase_add_test(cases, test_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
