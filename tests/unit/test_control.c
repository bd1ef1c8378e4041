/* Networks for control: shapes and names, refusals, the bits of rows and threads, first values,
 * directories, copies, frozen parameters, steps that take no memory. */
#include "../support/control_models.h"

#include "fourstage/fourstage.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* ---- shapes and refusals */

static void check_shape(fst_model *model, const char *name, int64_t rows, int64_t columns)
{
    fst_view view;
    REQUIRE(fst_model_parameter(model, name, &view));
    ck_assert_int_eq(view.rank, columns ? 2 : 1);
    ck_assert_int_eq(view.shape[0], rows);
    if (columns)
        ck_assert_int_eq(view.shape[1], columns);
}

START_TEST(test_names)
{
    fst_model_config config = control_mlp(2, FST_ACTIVATION_TANH);
    fst_model *model = control_model(&config, 1);
    check_shape(model, "towers.0.layers.0.weight", 7, 3);
    check_shape(model, "towers.1.layers.1.weight", 7, 7);
    check_shape(model, "towers.1.layers.1.bias", 7, 0);
    check_shape(model, "heads.policy.weight", 3, 7);
    check_shape(model, "heads.log_std.bias", 2, 0);
    fst_model_config resolved;
    REQUIRE(fst_model_get_config(model, &resolved, sizeof resolved));
    ck_assert_int_eq(resolved.width, 14);
    ck_assert_int_eq(resolved.context_length, 1);
    fst_model_destroy(model);
    config = control_cnn(FST_CNN_ATARI, 0);
    model = control_model(&config, 1);
    check_shape(model, "towers.0.convolutions.0.weight", 32, 2 * 64);
    check_shape(model, "towers.0.convolutions.2.bias", 64, 0);
    check_shape(model, "towers.0.linear.weight", 7, 64 * 2 * 1);
    fst_model_destroy(model);
    config = control_transformer(FST_POSITION_LEARNED, 1);
    model = control_model(&config, 1);
    check_shape(model, "embedding.inputs.weight", 8, 3);
    ck_assert_int_eq(fst_model_parameter(model, "embedding.tokens.weight", &(fst_view){0}),
                     FST_ERR_NOT_FOUND);
    fst_model_destroy(model);
}
END_TEST

static void refuse(const fst_model_config *config, int32_t dtype, fst_status status, const char *what)
{
    fst_context *context;
    REQUIRE(fst_context_create(NULL, &context));
    fst_model_options options;
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.dtype = dtype;
    fst_model *model = NULL;
    ck_assert_int_eq(fst_model_create(context, config, &options, &model), status);
    ck_assert_msg(strstr(fst_last_error(), what) != NULL, "%s: %s", what, fst_last_error());
    ck_assert_ptr_null(model);
    fst_context_destroy(context);
}

#define REFUSE(family, field, value)                                                               \
    do {                                                                                           \
        fst_model_config c = (family);                                                             \
        c.field = (value);                                                                         \
        refuse(&c, FST_F32, FST_ERR_INVALID_ARGUMENT, #field);                                     \
    } while (0)

START_TEST(test_refusals)
{
    fst_model_config mlp = control_mlp(1, FST_ACTIVATION_TANH), cnn = control_cnn(FST_CNN_ATARI, 1);
    fst_model_config vectors = control_transformer(FST_POSITION_LEARNED, 1);
    REFUSE(mlp, inputs, 0);
    REFUSE(mlp, layers, 9);
    REFUSE(mlp, layers, 0);
    REFUSE(mlp, towers, 3);
    REFUSE(mlp, tower_width, 0);
    REFUSE(mlp, activation, 0);
    REFUSE(mlp, pooler, 1);
    REFUSE(mlp, orthogonal_gain, -1);
    REFUSE(cnn, image_height, 35);
    REFUSE(cnn, image_channels, 0);
    REFUSE(cnn, cnn, 2);
    REFUSE(cnn, activation, FST_ACTIVATION_TANH);
    REFUSE(vectors, token_types, 1);
    REFUSE(vectors, head_bias, 1);
    REFUSE(vectors, embedding_norm, 1);
    REFUSE(vectors, inputs, -1);
    refuse(&mlp, FST_BF16, FST_ERR_UNSUPPORTED, "dtype");
    refuse(&cnn, FST_BF16, FST_ERR_UNSUPPORTED, "dtype");
}
END_TEST

static void refuse_head(fst_model *model, const fst_head_options *options, const char *field)
{
    ck_assert_int_eq(fst_model_add_head(model, options), FST_ERR_INVALID_ARGUMENT);
    ck_assert_msg(strstr(fst_last_error(), field) != NULL, "%s: %s", field, fst_last_error());
}

START_TEST(test_refused_use)
{
    fst_model_config config = control_mlp(1, FST_ACTIVATION_TANH);
    fst_model *model = control_model(&config, 1);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "more";
    head.tower = 2;
    refuse_head(model, &head, "tower");
    head.tower = 0;
    head.orthogonal_gain = -1;
    refuse_head(model, &head, "orthogonal_gain");
    head.orthogonal_gain = 0;
    head.kind = FST_HEAD_CONSTANT;
    head.bias = 0;
    refuse_head(model, &head, "kind");
    fst_batch batch = control_batch(&config, 2);
    batch.observations = NULL;
    ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_ERR_INVALID_ARGUMENT);
    ck_assert(strstr(fst_last_error(), "observations") != NULL);
    batch = control_batch(&config, 2);
    REQUIRE(fst_model_forward(model, &batch, NULL));
    fst_view view;
    ck_assert_int_eq(fst_model_output(model, "logits", &view), FST_ERR_NOT_FOUND);
    fst_policy *policy = NULL;
    ck_assert_int_eq(fst_policy_create(model, NULL, &policy), FST_ERR_UNSUPPORTED);
    fst_adapter_options adapter;
    REQUIRE(fst_adapter_options_init(&adapter, sizeof adapter));
    ck_assert_int_eq(fst_model_add_adapter(model, &adapter), FST_ERR_UNSUPPORTED);
    fst_model_destroy(model);
}
END_TEST

/* ---- bits */

static void outputs_of(fst_model *model, const fst_batch *batch, int32_t mode, const char *name,
                       float *out)
{
    fst_forward_options options;
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    options.mode = mode;
    REQUIRE(fst_model_forward(model, batch, &options));
    fst_view view;
    REQUIRE(fst_model_output(model, name, &view));
    memcpy(out, view.data, (size_t)control_elements(&view) * sizeof *out);
}

/* As at acting and at the first update: 1, 8 and 130 rows, evaluation and training. */
START_TEST(test_rows_alone)
{
    static float all[130 * 14], some[130 * 14];
    static const char *const names[] = {"hidden", "policy", "value"};
    static const int64_t widths[] = {14, 3, 1};
    fst_model_config config = control_mlp(2, FST_ACTIVATION_TANH);
    fst_model *model = control_model(&config, 2);
    for (size_t n = 0; n < 3; ++n) {
        fst_batch batch = control_batch(&config, 130);
        outputs_of(model, &batch, FST_FORWARD_TRAIN, names[n], all);
        for (int64_t step = 1; step <= 8; step += 7)
            for (int64_t r = 0; r + step <= 130; r += step) {
                batch.rows = step;
                const float *first = batch.observations;
                batch.observations = first + r * CONTROL_INPUTS;
                outputs_of(model, &batch, FST_FORWARD_EVALUATE, names[n], some);
                batch.observations = first;
                ck_assert_mem_eq(some, all + r * widths[n],
                                 (size_t)(step * widths[n]) * sizeof *some);
            }
    }
    fst_model_destroy(model);
}
END_TEST

/* Two steps of AdamW; all weights behind them. */
static void train(const fst_model_config *config, int64_t rows, int32_t threads, float *weights)
{
    static float gradient[4096];
    static const char *const heads[] = {"policy", "value", "log_std", "deep"};
    fst_model *model = control_model(config, threads);
    fst_optimizer_options options;
    REQUIRE(fst_optimizer_options_init(&options, sizeof options));
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_create(model, &options, &optimizer));
    for (int i = 0; i < 4096; ++i)
        gradient[i] = (float)cos(i);
    for (int step = 0; step < 2; ++step) {
        fst_batch batch = control_batch(config, rows);
        REQUIRE(fst_model_forward(model, &batch, NULL));
        for (size_t h = 0; h < 4; ++h) {
            fst_view view;
            REQUIRE(fst_model_output(model, heads[h], &view));
            view.data = gradient;
            REQUIRE(fst_model_add_gradient(model, heads[h], &view));
        }
        REQUIRE(fst_model_backward(model, NULL, NULL));
        REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
    }
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        REQUIRE(fst_model_parameter(model, name, &view));
        memcpy(weights, view.data, (size_t)control_elements(&view) * sizeof *weights);
        weights += control_elements(&view);
    }
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
}

static void check_threads(const fst_model_config *config, int64_t rows)
{
    enum { MOST = 1 << 20 };
    float *one = calloc(MOST, sizeof *one), *more = calloc(MOST, sizeof *more);
    train(config, rows, 1, one);
    for (int32_t threads = 2; threads <= 4; ++threads) {
        train(config, rows, threads, more);
        ck_assert(memcmp(one, more, MOST * sizeof *one) == 0);
    }
    free(more);
    free(one);
}

START_TEST(test_threads)
{
    fst_model_config config = control_mlp(2, FST_ACTIVATION_TANH);
    check_threads(&config, 200);
    config.tower_width = 200; /* enough to do for tasks */
    check_threads(&config, 200);
    config.activation = FST_ACTIVATION_SILU;
    check_threads(&config, 70);
    config = control_cnn(FST_CNN_ATARI, 2);
    check_threads(&config, 6);
    config = control_transformer(FST_POSITION_LEARNED, 1);
    check_threads(&config, 5);
}
END_TEST

/* ---- first values */

static double dot_rows(const fst_view *view, int64_t a, int64_t b, bool columns)
{
    const float *v = view->data;
    int64_t n = view->shape[columns ? 0 : 1];
    double sum = 0;
    for (int64_t i = 0; i < n; ++i)
        sum += columns ? (double)v[i * view->shape[1] + a] * v[i * view->shape[1] + b]
                       : (double)v[a * n + i] * v[b * n + i];
    return sum;
}

static void check_orthogonal(fst_model *model, const char *name, double gain)
{
    fst_view view;
    REQUIRE(fst_model_parameter(model, name, &view));
    bool columns = view.shape[0] > view.shape[1];
    int64_t count = columns ? view.shape[1] : view.shape[0];
    for (int64_t a = 0; a < count; ++a)
        for (int64_t b = 0; b <= a; ++b)
            ck_assert_msg(fabs(dot_rows(&view, a, b, columns) - (a == b ? gain * gain : 0)) < 1e-5,
                          "%s: %d, %d: %.8g", name, (int)a, (int)b, dot_rows(&view, a, b, columns));
}

START_TEST(test_first_values)
{
    fst_model_config config = control_mlp(2, FST_ACTIVATION_TANH);
    config.orthogonal_gain = sqrt(2);
    config.tower_width = 64;
    fst_model *model = control_model(&config, 2);
    check_orthogonal(model, "towers.0.layers.0.weight", sqrt(2));
    check_orthogonal(model, "towers.1.layers.1.weight", sqrt(2));
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "small";
    head.outputs = 3;
    head.orthogonal_gain = .01;
    head.init_bias = 2;
    REQUIRE(fst_model_add_head(model, &head));
    check_orthogonal(model, "heads.small.weight", .01);
    fst_view view;
    REQUIRE(fst_model_parameter(model, "heads.small.bias", &view));
    for (int i = 0; i < 3; ++i)
        ck_assert(((float *)view.data)[i] == 2);
    REQUIRE(fst_model_parameter(model, "heads.log_std.bias", &view));
    ck_assert(((float *)view.data)[1] == -.5f);
    REQUIRE(fst_model_parameter(model, "towers.0.layers.0.bias", &view));
    ck_assert(((float *)view.data)[5] == 0);
    fst_batch batch = control_batch(&config, 4);
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_output(model, "log_std", &view));
    ck_assert(view.rank == 2 && view.shape[0] == 1 && view.shape[1] == 2);
    ck_assert(((float *)view.data)[0] == -.5f);
    fst_model_destroy(model);
    config = control_cnn(FST_CNN_SMALL, 1);
    config.orthogonal_gain = 1;
    model = control_model(&config, 1);
    check_orthogonal(model, "towers.0.convolutions.0.weight", 1);
    check_orthogonal(model, "towers.0.linear.weight", 1);
    fst_model_destroy(model);
}
END_TEST

/* ---- directories and copies */

static void same_outputs(fst_model *a, fst_model *b, const fst_model_config *config)
{
    static const char *const names[] = {"hidden", "policy", "value", "log_std", "deep"};
    static float x[8192], y[8192];
    fst_batch batch = control_batch(config, CONTROL_ROWS);
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        memset(x, 0, sizeof x), memset(y, 0, sizeof y);
        outputs_of(a, &batch, FST_FORWARD_EVALUATE, names[i], x);
        outputs_of(b, &batch, FST_FORWARD_EVALUATE, names[i], y);
        ck_assert_msg(memcmp(x, y, sizeof x) == 0, "%s", names[i]);
    }
}

static void check_files(const fst_model_config *config)
{
    char directory[] = "/tmp/fourstage-control-XXXXXX", path[256];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    fst_model *model = control_model(config, 1), *loaded, *copy;
    fst_context *context;
    REQUIRE(fst_context_create(NULL, &context));
    REQUIRE(fst_model_save(model, NULL, directory));
    REQUIRE(fst_model_load(context, directory, NULL, &loaded));
    fst_model_config again;
    REQUIRE(fst_model_get_config(loaded, &again, sizeof again));
    ck_assert_int_eq(again.backbone, config->backbone);
    same_outputs(model, loaded, config);
    REQUIRE(fst_model_copy(model, NULL, &copy));
    same_outputs(model, copy, config);
    REQUIRE(fst_model_copy_weights(loaded, model));
    fst_model_destroy(copy);
    fst_model_destroy(loaded);
    fst_model_destroy(model);
    fst_context_destroy(context);
    static const char *const files[] = {"config.json", "model.safetensors", "heads.safetensors"};
    for (size_t i = 0; i < 3; ++i) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        ck_assert_int_eq(unlink(path), 0);
    }
    ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(test_files)
{
    fst_model_config config = control_mlp(2, FST_ACTIVATION_GELU);
    check_files(&config);
    config = control_cnn(FST_CNN_ATARI, 2);
    check_files(&config);
    config = control_cnn(FST_CNN_SMALL, 1);
    check_files(&config);
    config = control_transformer(FST_POSITION_LEARNED, 1);
    check_files(&config);
    config = control_transformer(FST_POSITION_ROTARY, 0);
    config.family = FST_FAMILY_BERT;
    check_files(&config);
}
END_TEST

START_TEST(test_copy_mismatch)
{
    fst_model_config config = control_mlp(2, FST_ACTIVATION_TANH);
    fst_model *two = control_model(&config, 1);
    config.towers = 1;
    config.tower_width *= 2;
    fst_model *one = control_model(&config, 1);
    ck_assert_int_eq(fst_model_copy_weights(one, two), FST_ERR_MISMATCH);
    ck_assert(strstr(fst_last_error(), "tower") != NULL);
    fst_model_destroy(one);
    fst_model_destroy(two);
}
END_TEST

/* ---- memory */

static int64_t allocations(fst_context *context)
{
    fst_context_info info;
    REQUIRE(fst_context_get_info(context, &info, sizeof info));
    return info.allocations;
}

/* Shapes take turns, as in acting and learning. */
static void check_steady(const fst_model_config *config, int64_t rows)
{
    fst_context *context;
    REQUIRE(fst_context_create(NULL, &context));
    fst_model *model;
    REQUIRE(fst_model_create(context, config, NULL, &model));
    control_head(model, "policy", FST_HEAD_SEQUENCE, config->towers == 2, 3, 0);
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_create(model, NULL, &optimizer));
    int64_t before = 0;
    static float gradient[64 * 3], policy[64 * 3];
    for (int step = 0; step < 6; ++step) {
        if (step == 2)
            before = allocations(context);
        fst_batch batch = control_batch(config, rows / 4);
        outputs_of(model, &batch, FST_FORWARD_EVALUATE, "policy", policy);
        batch = control_batch(config, rows);
        REQUIRE(fst_model_forward(model, &batch, NULL));
        fst_view view;
        REQUIRE(fst_model_output(model, "policy", &view));
        view.data = gradient;
        REQUIRE(fst_model_backward(model, "policy", &view));
        REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
    }
    ck_assert_int_eq(allocations(context), before);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_context_destroy(context);
}

START_TEST(test_steady_step)
{
    fst_model_config config = control_mlp(2, FST_ACTIVATION_TANH);
    check_steady(&config, 64);
    config = control_cnn(FST_CNN_SMALL, 1);
    check_steady(&config, 16);
    config = control_transformer(FST_POSITION_LEARNED, 1);
    check_steady(&config, 16);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("networks for control");
    TCase *cases = tcase_create("control");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, test_names);
    tcase_add_test(cases, test_refusals);
    tcase_add_test(cases, test_refused_use);
    tcase_add_test(cases, test_rows_alone);
    tcase_add_test(cases, test_threads);
    tcase_add_test(cases, test_first_values);
    tcase_add_test(cases, test_files);
    tcase_add_test(cases, test_copy_mismatch);
    tcase_add_test(cases, test_steady_step);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
