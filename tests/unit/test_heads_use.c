/* Heads and the outputs used as they should not be: errors, order of calls, strides, empty rows,
 * memory. */
#include "../support/headed_batch.h"

#include "fourstage/optimizer.h"

static void refuse(fst_model *model, fst_head_options options, const char *word)
{
    int64_t before, after;
    REQUIRE(fst_model_parameter_count(model, &before));
    ck_assert_int_eq(fst_model_add_head(model, &options), FST_ERR_INVALID_ARGUMENT);
    ck_assert_msg(strstr(fst_last_error(), word), "%s: %s", word, fst_last_error());
    REQUIRE(fst_model_parameter_count(model, &after));
    ck_assert_int_eq(before, after);
}

static void refuse_field(fst_model *model, fst_head_options good, int which)
{
    static const char *const words[] = {"name", "name",    "name",    "logits",  "entropy", "kind",
                                        "pool", "outputs", "dropout", "init_std", "bias",   "value",
                                        "hidden_layers", "activation", "hidden_size",
                                        "hidden_bias", "layer_norm", "norm_bias",
                                        "norm_epsilon", "batch_norm"};
    fst_head_options o = good;
    o.name = which == 0   ? NULL
             : which == 1 ? ""
             : which == 2 ? "Capital"
             : which == 3 ? "logits"
             : which == 4 ? "entropy"
             : which == 11 ? "value"
                           : o.name;
    o.kind = which == 5 ? 2 : o.kind;
    o.pooling = which == 6 ? 9 : o.pooling;
    o.outputs = which == 7 ? 0 : o.outputs;
    o.dropout = which == 8 ? 1 : o.dropout;
    o.init_std = which == 9 ? NAN : o.init_std;
    o.bias = which == 10 ? 2 : o.bias;
    o.hidden_layers = which == 12 ? 3 : 1;
    o.activation = which == 13 ? 6 : o.activation;
    o.hidden_size = which == 14 ? -1 : o.hidden_size;
    o.hidden_bias = which == 15 ? 2 : o.hidden_bias;
    o.layer_norm = which == 16 ? -1 : o.layer_norm;
    o.norm_bias = which == 17 ? 2 : o.norm_bias;
    o.norm_epsilon = which == 18 ? NAN : o.norm_epsilon;
    o.batch_norm = which == 19 ? 2 : o.batch_norm;
    refuse(model, o, words[which]);
}

START_TEST(bad_heads)
{
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, FST_FAMILY_GPT2, FST_F32, 0);
    fst_head_options good, got;
    REQUIRE(fst_head_options_init(&good, sizeof good));
    good.name = "abcdefghijklmnopqrstuvwxyz_1234";
    for (int i = 0; i < 20; ++i)
        refuse_field(model, good, i);
    good.name = "abcdefghijklmnopqrstuvwxyz_12345"; /* 32 */
    refuse(model, good, "name");
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_create(model, NULL, &optimizer));
    good.name = "abcdefghijklmnopqrstuvwxyz_1234";
    ck_assert_int_eq(fst_model_add_head(model, &good), FST_ERR_STATE);
    fst_optimizer_destroy(optimizer);
    int64_t count = HEADED_HEADS, found;
    for (char name[] = "a"; count < 16; ++name[0], ++count) {
        good.name = count == 15 ? "abcdefghijklmnopqrstuvwxyz_1234" : name;
        REQUIRE(fst_model_add_head(model, &good));
    }
    good.name = "z";
    refuse(model, good, "16");
    REQUIRE(fst_model_head_count(model, &found));
    ck_assert_int_eq(found, 16);
    REQUIRE(fst_model_get_head(model, 15, &got, sizeof got));
    ck_assert_str_eq(got.name, "abcdefghijklmnopqrstuvwxyz_1234");
    ck_assert_int_eq(fst_model_get_head(model, 16, &got, sizeof got), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_model_get_head(model, -1, &got, sizeof got), FST_ERR_INVALID_ARGUMENT);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(states)
{
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, FST_FAMILY_GPT2, FST_F32, 0);
    inputs in = make_inputs();
    float values[TOKENS] = {0};
    fst_view rows = {.data = values, .dtype = FST_F32, .rank = 2, .shape = {ROWS, LENGTH},
                     .strides = {LENGTH, 1}};
    fst_view wrong = rows, view;
    wrong.shape[1] = LENGTH - 1;
    ck_assert_int_eq(fst_model_output(model, "value", &view), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_add_gradient(model, "entropy", &rows), FST_ERR_STATE);
    way w = plain;
    forward(model, &in, w);
    ck_assert_int_eq(fst_model_output(model, "nothing", &view), FST_ERR_NOT_FOUND);
    ck_assert(strstr(fst_last_error(), "nothing"));
    ck_assert_int_eq(fst_model_add_gradient(model, "entropy", &rows), FST_ERR_STATE);
    w.with_targets = 0;
    w.mode = FST_FORWARD_TRAIN;
    forward(model, &in, w);
    ck_assert_int_eq(fst_model_output(model, "entropy", &view), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_add_gradient(model, "log_probabilities", &rows), FST_ERR_STATE);
    REQUIRE(fst_model_output(model, "value", &view)); /* needs none */
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE); /* of what? */
    w.with_targets = 1;
    forward(model, &in, w);
    ck_assert_int_eq(fst_model_add_gradient(model, "entropy", &wrong), FST_ERR_MISMATCH);
    ck_assert_int_eq(fst_model_add_gradient(model, "value", &rows), FST_ERR_MISMATCH);
    ck_assert_int_eq(fst_model_add_gradient(model, "nothing", &rows), FST_ERR_NOT_FOUND);
    wrong = rows;
    wrong.dtype = FST_I32;
    ck_assert_int_eq(fst_model_add_gradient(model, "entropy", &wrong), FST_ERR_MISMATCH);
    REQUIRE(fst_model_add_gradient(model, "entropy", &rows));
    REQUIRE(fst_model_backward(model, NULL, NULL));
    ck_assert_int_eq(fst_model_add_gradient(model, "entropy", &rows), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_output(model, "value", &view), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE);
    fst_forward_options options;
    fst_batch batch;
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = in.ids;
    static const double bad[] = {0, -1, NAN, INFINITY};
    for (int i = 0; i < 4; ++i) {
        options.temperature = bad[i];
        ck_assert_int_eq(fst_model_forward(model, &batch, &options), FST_ERR_INVALID_ARGUMENT);
        ck_assert(strstr(fst_last_error(), "temperature"));
    }
    options.temperature = 1;
    options.dropout = 2;
    ck_assert_int_eq(fst_model_forward(model, &batch, &options), FST_ERR_INVALID_ARGUMENT);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* Gradients of any strides, and of double. */
START_TEST(strides)
{
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, FST_FAMILY_GPT2, FST_F32, 0);
    inputs in = make_inputs();
    way w = plain;
    w.mode = FST_FORWARD_TRAIN;
    double *found[3];
    int64_t total = 0;
    for (int i = 0; i < 3; ++i) {
        float a[2 * TOKENS] = {0};
        double b[TOKENS];
        fst_view view = {.data = a, .dtype = FST_F32, .rank = 3, .shape = {ROWS, LENGTH, 1},
                         .strides = {LENGTH, 1, 1}};
        for (int r = 0; r < ROWS; ++r)
            for (int t = 0; t < LENGTH; ++t) {
                float value = sinf((float)(r * 31 + t));
                b[r * LENGTH + t] = (double)value;
                a[i == 1 ? 2 * (t * ROWS + r) : r * LENGTH + t] = value;
            }
        if (i == 1) {
            view.strides[0] = 2;
            view.strides[1] = 2 * ROWS;
        } else if (i == 2) {
            view.data = b;
            view.dtype = FST_F64;
        }
        REQUIRE(fst_model_zero_gradients(model));
        forward(model, &in, w);
        REQUIRE(fst_model_backward(model, "value", &view));
        found[i] = gradients(model, &total);
    }
    for (int i = 1; i < 3; ++i)
        ck_assert(memcmp(found[0], found[i], (size_t)total * sizeof **found) == 0);
    for (int i = 0; i < 3; ++i)
        free(found[i]);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(steady_memory)
{
    fst_context *context = tiny_context(2);
    fst_model *model = make(context, FST_FAMILY_GPT2, _i ? FST_BF16 : FST_F32, 0.1);
    inputs in = make_inputs();
    static const char *const terms[] = {"hidden", "logits", "log_probabilities", "entropy",
                                        "value", "mean", "entropy", "value"};
    float *gradient = calloc(TOKENS * TINY_VOCABULARY, sizeof *gradient);
    int64_t before = 0;
    for (int i = 0; i < 4; ++i) {
        way w = plain;
        w.kept = 1;
        w.mode = FST_FORWARD_EVALUATE;
        forward(model, &in, w);
        fst_view view;
        REQUIRE(fst_model_output(model, "entropy", &view));
        w.mode = FST_FORWARD_TRAIN;
        forward(model, &in, w);
        fst_loss loss;
        REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
        for (size_t t = 0; t < sizeof terms / sizeof *terms; ++t) {
            REQUIRE(fst_model_output(model, terms[t], &view));
            view.data = gradient;
            REQUIRE(fst_model_add_gradient(model, terms[t], &view));
        }
        REQUIRE(fst_model_backward(model, NULL, NULL));
        if (i == 1)
            before = tiny_allocations(context);
    }
    ck_assert_int_eq(tiny_allocations(context), before);
    free(gradient);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* What is not finite is refused once, with the model ready for the next forward. */
START_TEST(not_finite)
{
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, FST_FAMILY_GPT2, FST_F32, 0);
    inputs in = make_inputs();
    way w = plain;
    w.mode = FST_FORWARD_TRAIN;
    float values[TOKENS] = {0};
    fst_view rows = {.data = values, .dtype = FST_F32, .rank = 2, .shape = {ROWS, LENGTH},
                     .strides = {LENGTH, 1}}, view;
    values[3] = NAN;
    forward(model, &in, w);
    ck_assert_int_eq(fst_model_backward(model, "log_probabilities", &rows), FST_ERR_NUMERIC);
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE);
    values[3] = 1;
    REQUIRE(fst_model_zero_gradients(model));
    forward(model, &in, w);
    REQUIRE(fst_model_backward(model, "log_probabilities", &rows));
    REQUIRE(fst_model_parameter(model, "norm.weight", &view));
    ((float *)view.data)[0] = NAN;
    forward(model, &in, w);
    ck_assert_int_eq(fst_model_output(model, "log_probabilities", &view), FST_ERR_NUMERIC);
    ck_assert(strstr(fst_last_error(), "row 0, position 0"));
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* A row of nothing but padding: the bias, and no gradient for the trunk. */
START_TEST(empty_row)
{
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, FST_FAMILY_LLAMA, _i ? FST_BF16 : FST_F32, 0);
    inputs in = make_inputs();
    in.lengths[1] = 0;
    fst_view bias;
    REQUIRE(fst_model_parameter(model, "heads.mean.bias", &bias));
    ((float *)bias.data)[2] = 5;
    REQUIRE(fst_model_parameter(model, "heads.last.bias", &bias));
    ((float *)bias.data)[0] = 7;
    way w = plain;
    w.mode = FST_FORWARD_TRAIN;
    forward(model, &in, w);
    int64_t size, total;
    float *mean = output(model, "mean", &size), *last = output(model, "last", &size);
    ck_assert(mean[3] == 0 && mean[5] == 5 && last[1] == 7);
    float given[ROWS * 3] = {0};
    given[4] = 1; /* row 1 */
    fst_view view = {.data = given, .dtype = FST_F32, .rank = 2, .shape = {ROWS, 3},
                     .strides = {3, 1}};
    REQUIRE(fst_model_zero_gradients(model));
    REQUIRE(fst_model_backward(model, "mean", &view));
    double *all = gradients(model, &total), sum = 0;
    for (int64_t i = 0; i < total; ++i)
        sum += fabs(all[i]);
    ck_assert(sum == 1); /* the bias' alone */
    free(all), free(mean), free(last);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("heads in use");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, bad_heads);
    tcase_add_test(cases, states);
    tcase_add_test(cases, strides);
    tcase_add_test(cases, not_finite);
    tcase_add_loop_test(cases, empty_row, 0, 2);
    tcase_add_loop_test(cases, steady_memory, 0, 2);
    Suite *suite = suite_create("heads in use");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
