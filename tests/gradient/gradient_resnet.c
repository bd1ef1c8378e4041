/* ResNets against central differences in double: both blocks, both stems, frozen norms. */
#include "fourstage/context.h"
#include "fourstage/model.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { ROWS = 3, CHANNELS = 2, HEIGHT = 10, WIDTH = 9, PIXELS = ROWS * CHANNELS * HEIGHT * WIDTH };

static const double STEP = 1e-6, ABSOLUTE = 1e-6, RELATIVE = 1e-4;

static fst_model *new_model(int32_t stem, int32_t bottleneck)
{
    fst_context_options context_options;
    REQUIRE(fst_context_options_init(&context_options, sizeof context_options));
    context_options.threads = 1;
    fst_context *context;
    REQUIRE(fst_context_create(&context_options, &context));
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_RESNET));
    config.image_channels = CHANNELS;
    config.image_height = HEIGHT;
    config.image_width = WIDTH;
    config.stem = stem;
    config.bottleneck = bottleneck;
    config.stage_width = 3;
    config.blocks_1 = 1;
    config.blocks_2 = 2;
    fst_model *model;
    REQUIRE(fst_model_create(context, &config, NULL, &model));
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "classes";
    head.pooling = FST_POOL_MEAN;
    head.outputs = 3;
    head.init_std = .3;
    REQUIRE(fst_model_add_head(model, &head));
    head.name = "projection"; /* SimCLR's */
    head.hidden_layers = head.batch_norm = 1;
    head.hidden_size = 7;
    head.bias = head.hidden_bias = 0;
    REQUIRE(fst_model_add_head(model, &head));
    fst_context_destroy(context);
    return model;
}

static double value_of(fst_model *model, const char *output, fst_view *view)
{
    static float images[PIXELS];
    for (int i = 0; i < PIXELS; ++i)
        images[i] = (float)sin(1.7 * i);
    fst_batch batch;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.images = images;
    fst_forward_options forward;
    REQUIRE(fst_forward_options_init(&forward, sizeof forward));
    forward.step = 3;
    REQUIRE(fst_model_forward(model, &batch, &forward));
    REQUIRE(fst_model_output(model, output, view));
    int64_t size = view->shape[0] * view->shape[1] * (view->rank == 3 ? view->shape[2] : 1);
    double sum = 0;
    for (int64_t i = 0; i < size; ++i)
        sum += ((double *)view->data)[i] * cos((double)i);
    return sum;
}

static void differentiate(fst_model *model, const char *output)
{
    fst_view view;
    REQUIRE(fst_model_zero_gradients(model));
    value_of(model, output, &view);
    static double gradient[ROWS * 30 * 24];
    for (size_t i = 0; i < sizeof gradient / sizeof *gradient; ++i)
        gradient[i] = cos((double)i);
    view.data = gradient;
    REQUIRE(fst_model_backward(model, output, &view));
}

static void check_parameter(fst_model *model, const char *output, const char *name)
{
    fst_view value, gradient, view;
    REQUIRE(fst_model_parameter(model, name, &value));
    REQUIRE(fst_model_gradient(model, name, &gradient));
    int64_t size = value.shape[0] * (value.rank == 2 ? value.shape[1] : 1);
    double *at = value.data, *found = malloc((size_t)size * sizeof *found);
    memcpy(found, gradient.data, (size_t)size * sizeof *found);
    for (int64_t i = 0; i < size; i += size > 64 ? 13 : 1) {
        double kept = at[i];
        at[i] = kept + STEP;
        double above = value_of(model, output, &view);
        at[i] = kept - STEP;
        double below = value_of(model, output, &view);
        at[i] = kept;
        double expected = (above - below) / (2 * STEP);
        ck_assert_msg(fabs(found[i] - expected) <= ABSOLUTE + RELATIVE * fabs(expected),
                      "%s: %s[%lld]: backward %.9g, central difference %.9g", output, name,
                      (long long)i, found[i], expected);
    }
    free(found);
}

static void check_model(const char *output, int32_t stem, int32_t bottleneck, const char *frozen)
{
    fst_model *model = new_model(stem, bottleneck);
    fst_view view;
    value_of(model, output, &view); /* running statistics that are not the first ones */
    if (frozen)
        REQUIRE(fst_model_set_trainable(model, frozen, 0));
    int64_t count, checked = 0;
    differentiate(model, output);
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        if (fst_model_gradient(model, name, &view) != FST_OK)
            continue;
        check_parameter(model, output, name);
        ++checked;
    }
    ck_assert_int_gt(checked, 10);
    fst_model_destroy(model);
}

START_TEST(test_projection)
{
    check_model("projection", FST_STEM_3X3, 0, NULL);
    check_model("projection", FST_STEM_3X3, 0, "heads.projection.norm.0.weight");
    check_model("projection", FST_STEM_3X3, 0, "heads.projection.weight");
}
END_TEST

START_TEST(test_basic)
{
    check_model("hidden", FST_STEM_3X3, 0, NULL);
    check_model("classes", FST_STEM_7X7, 0, NULL);
}
END_TEST

START_TEST(test_bottleneck)
{
    check_model("classes", FST_STEM_3X3, 1, NULL);
    check_model("hidden", FST_STEM_7X7, 1, NULL);
}
END_TEST

/* Norms on running statistics, convolutions that only pass gradients on, and an end before the stem. */
START_TEST(test_frozen)
{
    check_model("hidden", FST_STEM_3X3, 1, "stages.*.norm2.weight");
    check_model("hidden", FST_STEM_3X3, 0, "*conv1.weight");
    check_model("hidden", FST_STEM_7X7, 1, "stem.*");
    check_model("hidden", FST_STEM_3X3, 0, "stages.1.0.shortcut.*");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ResNet gradients");
    TCase *cases = tcase_create("central differences");
    tcase_set_timeout(cases, 200);
    tcase_add_test(cases, test_basic);
    tcase_add_test(cases, test_projection);
    tcase_add_test(cases, test_bottleneck);
    tcase_add_test(cases, test_frozen);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
