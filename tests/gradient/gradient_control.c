/* Networks for control against central differences in double: MLPs of one and two towers with each kind
 * of activation, CNNs, transformers over vectors of ragged lengths; heads of one tower and constants. */
#include "../support/control_models.h"

static const double STEP = 1e-6, ABSOLUTE = 1e-6, RELATIVE = 1e-4;

static double value_of(fst_model *model, const fst_model_config *config, const char *output,
                       fst_view *view)
{
    fst_batch batch = control_batch(config, CONTROL_ROWS);
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_output(model, output, view));
    double sum = 0;
    for (int64_t i = 0; i < control_elements(view); ++i)
        sum += ((double *)view->data)[i] * cos((double)i);
    return sum;
}

static void check_parameter(fst_model *model, const fst_model_config *config, const char *output,
                            const char *name)
{
    fst_view value, gradient, view;
    REQUIRE(fst_model_parameter(model, name, &value));
    REQUIRE(fst_model_gradient(model, name, &gradient));
    int64_t size = control_elements(&value), most = config->backbone == FST_BACKBONE_CNN ? 3 : 30;
    double *at = value.data, *found = malloc((size_t)size * sizeof *found);
    memcpy(found, gradient.data, (size_t)size * sizeof *found);
    for (int64_t i = 0; i < size; i += size / most + 1) {
        double kept = at[i];
        at[i] = kept + STEP;
        double above = value_of(model, config, output, &view);
        at[i] = kept - STEP;
        double below = value_of(model, config, output, &view);
        at[i] = kept;
        double expected = (above - below) / (2 * STEP);
        ck_assert_msg(fabs(found[i] - expected) <= ABSOLUTE + RELATIVE * fabs(expected),
                      "%s: %s[%lld]: backward %.9g, central difference %.9g", output, name,
                      (long long)i, found[i], expected);
    }
    free(found);
}

static void check_output(fst_model *model, const fst_model_config *config, const char *output)
{
    static double gradient[CONTROL_MOST];
    fst_view view;
    int64_t count;
    for (int i = 0; i < CONTROL_MOST; ++i)
        gradient[i] = cos((double)i);
    REQUIRE(fst_model_zero_gradients(model));
    value_of(model, config, output, &view);
    view.data = gradient;
    REQUIRE(fst_model_backward(model, output, &view));
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        if (fst_model_gradient(model, name, &view) == FST_OK)
            check_parameter(model, config, output, name);
    }
}

/* Off the zeros they begin with: a ReLU of nothing but zeros has no slope there, padding no variance. */
static void move_biases(fst_model *model)
{
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        REQUIRE(fst_model_parameter(model, name, &view));
        for (int64_t j = 0; view.rank == 1 && j < view.shape[0]; ++j)
            ((double *)view.data)[j] += .1 * sin((double)(3 * i + j + 1));
    }
}

static void check_model(const fst_model_config *config, const char *frozen)
{
    static const char *const outputs[] = {"hidden", "policy", "value", "log_std", "deep"};
    fst_model *model = control_model(config, 1);
    move_biases(model);
    if (frozen)
        REQUIRE(fst_model_set_trainable(model, frozen, 0));
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; ++i)
        check_output(model, config, outputs[i]);
    fst_model_destroy(model);
}

START_TEST(test_mlp)
{
    for (int32_t a = FST_ACTIVATION_GELU_TANH; a <= FST_ACTIVATION_TANH; ++a) {
        fst_model_config config = control_mlp(1 + a % 2, a);
        check_model(&config, NULL);
    }
}
END_TEST

START_TEST(test_mlp_frozen)
{
    fst_model_config config = control_mlp(2, FST_ACTIVATION_TANH);
    check_model(&config, "towers.*.layers.0.*");
    check_model(&config, "towers.1.layers.1.weight");
    check_model(&config, "towers.*");
    check_model(&config, "heads.policy.*");
}
END_TEST

START_TEST(test_cnn)
{
    fst_model_config small = control_cnn(FST_CNN_SMALL, 2), atari = control_cnn(FST_CNN_ATARI, 1);
    check_model(&small, NULL);
    check_model(&small, "*convolutions.0.*");
    check_model(&atari, NULL);
}
END_TEST

START_TEST(test_transformer)
{
    fst_model_config config = control_transformer(FST_POSITION_LEARNED, 1);
    check_model(&config, NULL);
    config = control_transformer(FST_POSITION_ROTARY, 0);
    config.pooler = 1;
    check_model(&config, NULL);
    config = control_transformer(FST_POSITION_NONE, 1);
    config.dropout = .2;
    check_model(&config, "embedding.inputs.bias");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients of networks for control");
    TCase *cases = tcase_create("central differences");
    tcase_set_timeout(cases, 200);
    tcase_add_test(cases, test_mlp);
    tcase_add_test(cases, test_mlp_frozen);
    tcase_add_test(cases, test_cnn);
    tcase_add_test(cases, test_transformer);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
