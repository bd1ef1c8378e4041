/* Backbones of images against central differences in double: ResNets with both blocks, both stems and
 * frozen norms; vision transformers with what reads patches, dropout and checkpointing. */
#include "fourstage/context.h"
#include "fourstage/model.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { ROWS = 3, CHANNELS = 2, HEIGHT = 10, WIDTH = 9, PIXELS = ROWS * CHANNELS * HEIGHT * WIDTH };

static const double STEP = 1e-6, ABSOLUTE = 1e-6, RELATIVE = 1e-4;

static fst_model_config image_config(int32_t family)
{
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, family));
    config.image_channels = CHANNELS;
    config.image_height = HEIGHT;
    config.image_width = WIDTH;
    return config;
}

static fst_model_config resnet(int32_t stem, int32_t bottleneck)
{
    fst_model_config config = image_config(FST_FAMILY_RESNET);
    config.stem = stem;
    config.bottleneck = bottleneck;
    config.stage_width = 3;
    config.blocks_1 = 1;
    config.blocks_2 = 2;
    return config;
}

static fst_model_config vit(double dropout)
{
    fst_model_config config = image_config(FST_FAMILY_VIT);
    config.image_height = 4;
    config.image_width = 6;
    config.patch_size = 2;
    config.layers = 2;
    config.width = 16;
    config.heads = 4;
    config.hidden_size = 20;
    config.init_std = .3;
    config.dropout = config.attention_dropout = dropout;
    return config;
}

static void add_heads(fst_model *model, int32_t pooling)
{
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "classes";
    head.pooling = pooling;
    head.outputs = 3;
    head.init_std = .3;
    REQUIRE(fst_model_add_head(model, &head));
    head.name = "projection"; /* SimCLR's */
    head.hidden_layers = head.batch_norm = 1;
    head.hidden_size = 7;
    head.bias = head.hidden_bias = 0;
    REQUIRE(fst_model_add_head(model, &head));
}

static fst_model *new_model(const fst_model_config *config, int32_t checkpointing)
{
    fst_context_options context_options;
    REQUIRE(fst_context_options_init(&context_options, sizeof context_options));
    context_options.threads = 1;
    fst_context *context;
    REQUIRE(fst_context_create(&context_options, &context));
    fst_model_options options;
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.checkpointing = checkpointing;
    fst_model *model;
    REQUIRE(fst_model_create(context, config, &options, &model));
    add_heads(model, config->family == FST_FAMILY_VIT ? FST_POOL_FIRST : FST_POOL_MEAN);
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

static void check_model(const char *output, const fst_model_config *config, int32_t checkpointing,
                        const char *frozen)
{
    fst_model *model = new_model(config, checkpointing);
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

static void check_resnet(const char *output, int32_t stem, int32_t bottleneck, const char *frozen)
{
    fst_model_config config = resnet(stem, bottleneck);
    check_model(output, &config, 0, frozen);
}

static void check_vit(const char *output, int32_t checkpointing, double dropout)
{
    fst_model_config config = vit(dropout);
    check_model(output, &config, checkpointing, NULL);
}

START_TEST(test_projection)
{
    check_resnet("projection", FST_STEM_3X3, 0, NULL);
    check_resnet("projection", FST_STEM_3X3, 0, "heads.projection.norm.0.weight");
    check_resnet("projection", FST_STEM_3X3, 0, "heads.projection.weight");
}
END_TEST

START_TEST(test_basic)
{
    check_resnet("hidden", FST_STEM_3X3, 0, NULL);
    check_resnet("classes", FST_STEM_7X7, 0, NULL);
}
END_TEST

START_TEST(test_bottleneck)
{
    check_resnet("classes", FST_STEM_3X3, 1, NULL);
    check_resnet("hidden", FST_STEM_7X7, 1, NULL);
}
END_TEST

/* Norms on running statistics, convolutions that only pass gradients on, and an end before the stem. */
START_TEST(test_frozen)
{
    check_resnet("hidden", FST_STEM_3X3, 1, "stages.*.norm2.weight");
    check_resnet("hidden", FST_STEM_3X3, 0, "*conv1.weight");
    check_resnet("hidden", FST_STEM_7X7, 1, "stem.*");
    check_resnet("hidden", FST_STEM_3X3, 0, "stages.1.0.shortcut.*");
}
END_TEST

START_TEST(test_vit)
{
    check_vit("hidden", 0, 0);
    check_vit("hidden", 1, .2);
    check_vit("classes", 0, .2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients of image models");
    TCase *cases = tcase_create("central differences");
    tcase_set_timeout(cases, 200);
    tcase_add_test(cases, test_basic);
    tcase_add_test(cases, test_projection);
    tcase_add_test(cases, test_bottleneck);
    tcase_add_test(cases, test_frozen);
    tcase_add_test(cases, test_vit);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
