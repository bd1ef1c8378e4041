/* The optimizer's handle on a real model, through the public interface alone: a custom loop. */
#include "fourstage/context.h"
#include "fourstage/dataset.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { VOCABULARY = 11, LENGTH = 16, ROWS = 4 };

static fst_context *context;
static int32_t text[400];
static fst_dataset *packed;

static void setup(void)
{
    fst_context_options options;
    fst_dataset *dataset;
    fst_pack_options pack;
    fst_context_options_init(&options, sizeof options);
    options.threads = 2;
    ck_assert_int_eq(fst_context_create(&options, &context), FST_OK);
    for (int i = 0; i < 400; ++i)
        text[i] = (i * i) % VOCABULARY; /* period 11 */
    ck_assert_int_eq(fst_dataset_from_tokens(context, text, 400, NULL, 0, NULL, &dataset), FST_OK);
    fst_pack_options_init(&pack, sizeof pack);
    pack.mode = FST_PACK_RANDOM;
    pack.length = LENGTH;
    ck_assert_int_eq(fst_dataset_pack(dataset, &pack, &packed), FST_OK);
    fst_dataset_destroy(dataset);
}

static void teardown(void)
{
    fst_dataset_destroy(packed);
    fst_context_destroy(context);
}

static fst_model *model_open(int32_t dtype)
{
    fst_model_config config;
    fst_model_options options;
    fst_model *model;
    fst_model_config_init(&config, sizeof config);
    config.vocabulary_size = VOCABULARY;
    config.context_length = LENGTH;
    config.layers = 2;
    config.width = 32;
    config.heads = 2;
    fst_model_options_init(&options, sizeof options);
    options.dtype = dtype;
    fst_status status = fst_model_create(context, &config, &options, &model);
    ck_assert_msg(status == FST_OK, "%s", fst_last_error());
    return model;
}

/* Forward, loss, backward on the rows at `position`; the mean loss. */
static double gradients(fst_model *model, int64_t position)
{
    int32_t ids[ROWS * LENGTH], targets[ROWS * LENGTH];
    fst_batch batch;
    fst_loss loss;
    ck_assert_int_eq(fst_dataset_read(packed, position, ROWS, 0, ids, targets, NULL, NULL), FST_OK);
    fst_batch_init(&batch, sizeof batch);
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_OK);
    ck_assert_int_eq(fst_model_loss(model, NULL, &loss, sizeof loss), FST_OK);
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_OK);
    return loss.loss / (ROWS * LENGTH);
}

static fst_optimizer *optimizer_open(fst_model *model, int32_t kind)
{
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    fst_optimizer_options_init(&options, sizeof options);
    options.kind = kind;
    options.learning_rate = kind == FST_OPTIMIZER_SGD ? 0.3 : 3e-3;
    options.momentum = 0.9;
    fst_status status = fst_optimizer_create(model, &options, &optimizer);
    ck_assert_msg(status == FST_OK, "%s", fst_last_error());
    return optimizer;
}

/* Every kind learns the period, in float32 and in bfloat16 (whose working copy the step refreshes).
 */
START_TEST(test_learns)
{
    fst_model *model = model_open(_i < 3 ? FST_F32 : FST_BF16);
    fst_optimizer *optimizer = optimizer_open(model, _i % 3);
    fst_optimizer_report report;
    double first = 0, last = 0;
    /* Plain descent is slower, and the loss on its way down is uneven. */
    int64_t steps = _i % 3 == FST_OPTIMIZER_SGD ? 300 : 120;
    for (int64_t step = 0; step < steps; ++step) {
        last = gradients(model, step * ROWS);
        first = step == 0 ? last : first;
        ck_assert_int_eq(fst_optimizer_step(optimizer, &report, sizeof report), FST_OK);
        ck_assert_int_eq(report.step, step + 1);
        ck_assert(report.gradient_norm > 0 && report.clip_factor > 0 && report.clip_factor <= 1);
    }
    ck_assert_double_eq_tol(first, log(VOCABULARY), 0.2);
    double limit = _i % 3 == FST_OPTIMIZER_SGD ? 1.6 : 0.5;
    ck_assert_msg(last < limit, "kind %d: loss %g", _i % 3, last);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
}
END_TEST

START_TEST(test_gradients_are_zeroed)
{
    fst_model *model = model_open(FST_F32);
    fst_optimizer *optimizer = optimizer_open(model, FST_OPTIMIZER_ADAMW);
    const char *name;
    fst_view view;
    ck_assert_int_eq(fst_model_parameter_name(model, 0, &name), FST_OK);
    for (int round = 0; round < 2; ++round) {
        gradients(model, 0);
        ck_assert_int_eq(fst_model_gradient(model, name, &view), FST_OK);
        const float *gradient = view.data;
        double sum = 0, after = 0;
        for (int64_t i = 0; i < view.shape[0]; ++i)
            sum += fabs((double)gradient[i * view.strides[0]]);
        ck_assert_double_gt(sum, 0);
        ck_assert_int_eq(round ? fst_optimizer_step(optimizer, NULL, 0)
                               : fst_optimizer_zero_gradients(optimizer),
                         FST_OK);
        for (int64_t i = 0; i < view.shape[0]; ++i)
            after += fabs((double)gradient[i * view.strides[0]]);
        ck_assert_double_eq(after, 0);
    }
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
}
END_TEST

/* The caller's struct may be older (shorter); a size that is none is refused before the update. */
START_TEST(test_report_sizes)
{
    fst_model *model = model_open(FST_F32);
    fst_optimizer *optimizer = optimizer_open(model, FST_OPTIMIZER_ADAMW);
    fst_optimizer_report report;
    memset(&report, 0x55, sizeof report);
    double untouched = report.learning_rate;
    gradients(model, 0);
    ck_assert_int_eq(fst_optimizer_step(optimizer, &report, 1), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_optimizer_step(optimizer, &report, 16), FST_OK);
    ck_assert_int_eq(report.step, 1); /* the refused call made none */
    ck_assert(!memcmp(&report.learning_rate, &untouched, sizeof untouched));
    double rate;
    ck_assert_int_eq(fst_optimizer_learning_rate(optimizer, -1, &rate), FST_OK);
    ck_assert_double_eq(rate, 3e-3);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
}
END_TEST

START_TEST(test_any_order_of_destruction)
{
    fst_model *model = model_open(FST_F32);
    fst_optimizer *optimizer = optimizer_open(model, FST_OPTIMIZER_MUON), *other = NULL;
    gradients(model, 0);
    fst_model_destroy(model);
    ck_assert_int_eq(fst_optimizer_step(optimizer, NULL, 0), FST_OK);
    fst_optimizer_destroy(optimizer);
    fst_optimizer_destroy(NULL);
    ck_assert_int_eq(fst_optimizer_create(NULL, NULL, &other), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_null(other);
}
END_TEST

START_TEST(test_not_finite)
{
    fst_model *model = model_open(FST_F32);
    fst_optimizer *optimizer = optimizer_open(model, FST_OPTIMIZER_ADAMW);
    const char *name;
    fst_view gradient, weight;
    ck_assert_int_eq(fst_model_parameter_name(model, 3, &name), FST_OK);
    ck_assert_int_eq(fst_model_gradient(model, name, &gradient), FST_OK);
    ck_assert_int_eq(fst_model_parameter(model, name, &weight), FST_OK);
    gradients(model, 0);
    *(float *)gradient.data = NAN;
    float before = *(float *)weight.data;
    ck_assert_int_eq(fst_optimizer_step(optimizer, NULL, 0), FST_ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), name));
    ck_assert(*(float *)weight.data == before);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizer");
    TCase *test = tcase_create("optimizer");
    tcase_set_timeout(test, 60);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_loop_test(test, test_learns, 0, 6);
    tcase_add_test(test, test_gradients_are_zeroed);
    tcase_add_test(test, test_report_sizes);
    tcase_add_test(test, test_any_order_of_destruction);
    tcase_add_test(test, test_not_finite);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
