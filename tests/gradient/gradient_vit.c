/* The vision transformer against central differences in double: what reads patches, and what follows. */
#include "fourstage/context.h"
#include "fourstage/model.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { ROWS = 3, CHANNELS = 2, HEIGHT = 4, WIDTH = 6, PIXELS = ROWS * CHANNELS * HEIGHT * WIDTH };

static const double STEP = 1e-6, ABSOLUTE = 1e-6, RELATIVE = 1e-4;

static fst_model *new_model(int32_t checkpointing, double dropout)
{
    fst_context_options context_options;
    REQUIRE(fst_context_options_init(&context_options, sizeof context_options));
    context_options.threads = 1;
    fst_context *context;
    REQUIRE(fst_context_create(&context_options, &context));
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_VIT));
    config.image_channels = CHANNELS;
    config.image_height = HEIGHT;
    config.image_width = WIDTH;
    config.patch_size = 2;
    config.layers = 2;
    config.width = 16;
    config.heads = 4;
    config.hidden_size = 20;
    config.init_std = .3;
    config.dropout = config.attention_dropout = dropout;
    fst_model_options options;
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.checkpointing = checkpointing;
    fst_model *model;
    REQUIRE(fst_model_create(context, &config, &options, &model));
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "classes";
    head.pooling = FST_POOL_FIRST;
    head.outputs = 3;
    head.init_std = .3;
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
    static double gradient[ROWS * 7 * 16];
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

static void check_model(const char *output, int32_t checkpointing, double dropout)
{
    fst_model *model = new_model(checkpointing, dropout);
    int64_t count;
    differentiate(model, output);
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        check_parameter(model, output, name);
    }
    fst_model_destroy(model);
}

START_TEST(test_hidden)
{
    check_model("hidden", 0, 0);
    check_model("hidden", 1, .2);
}
END_TEST

START_TEST(test_head)
{
    check_model("classes", 0, .2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vision transformer gradients");
    TCase *cases = tcase_create("central differences");
    tcase_set_timeout(cases, 200);
    tcase_add_test(cases, test_hidden);
    tcase_add_test(cases, test_head);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
