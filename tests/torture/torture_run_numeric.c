/*
 * What is not a finite number is caught in the step in which it first matters: the tensor and the
 * batch are named, no weight is touched, and the run can go on once the cause is gone.
 */
#include "small_run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

static float *values(fst_model *model, const char *name, bool gradient, size_t *count)
{
    fst_view view;
    if (gradient)
        OK(fst_model_gradient(model, name, &view));
    else
        OK(fst_model_parameter(model, name, &view));
    *count = (size_t)view.shape[0] * (view.rank > 1 ? (size_t)view.shape[1] : 1);
    return view.data;
}

static const char *name_of(fst_model *model, int64_t index)
{
    const char *name;
    OK(fst_model_parameter_name(model, index, &name));
    return name;
}

/* All weights of a model, one behind the other. */
static float *copy_weights(fst_model *model, size_t *total)
{
    int64_t parameters;
    OK(fst_model_parameter_count(model, &parameters));
    float *copy = NULL;
    *total = 0;
    for (int64_t i = 0; i < parameters; ++i) {
        size_t count;
        const float *from = values(model, name_of(model, i), false, &count);
        copy = realloc(copy, (*total + count) * sizeof *copy);
        memcpy(copy + *total, from, count * sizeof *copy);
        *total += count;
    }
    return copy;
}

static void expect_untouched(fst_model *model, const float *before, size_t total)
{
    size_t now;
    float *after = copy_weights(model, &now);
    ck_assert_uint_eq(now, total);
    ck_assert(memcmp(before, after, total * sizeof *after) == 0);
    free(after);
}

static small_config config_of(int i)
{
    small_config config = small_defaults();
    if (i % 2) {
        fst_model_config_set_family(&config.model, FST_FAMILY_QWEN3);
        config.dtype = FST_BF16;
    } else if (i >= 6) {
        config.stage = i == 6 ? SMALL_CLASSES : SMALL_MASKED;
    }
    config.threads = 2;
    return config;
}

START_TEST(test_each_weight)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    small_config config = config_of(_i);
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 2));
    OK(fst_run_advance(small.run, NULL));
    int64_t parameters;
    OK(fst_model_parameter_count(small.model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name = name_of(small.model, i);
        size_t count, total;
        float *weights = values(small.model, name, false, &count), kept = weights[1];
        weights[1] = bad[(i + _i / 2) % 3];
        OK(fst_model_weights_changed(small.model));
        float *before = copy_weights(small.model, &total);
        fst_run_info info;
        fst_status status = fst_run_step(small.run, NULL, 0);
        ck_assert_msg(status == FST_ERR_NUMERIC, "%s: %s", name, fst_status_name(status));
        ck_assert_msg(strstr(fst_last_error(), name) != NULL, "%s: %s", name, fst_last_error());
        ck_assert_msg(strstr(fst_last_error(), "step 3, micro-batch") != NULL, "%s",
                      fst_last_error());
        expect_untouched(small.model, before, total);
        OK(fst_run_get_info(small.run, &info, sizeof info));
        ck_assert_int_eq(info.step, 2);
        ck_assert_int_eq(info.micro_step, 0);
        weights[1] = kept;
        OK(fst_model_weights_changed(small.model));
        free(before);
    }
    /* With the weights as they were, the run ends as one that never failed. */
    OK(fst_run_until(small.run, 0));
    small_run straight;
    small_create_checked(&straight, &config);
    OK(fst_run_until(straight.run, 0));
    size_t total;
    float *weights = copy_weights(straight.model, &total);
    expect_untouched(small.model, weights, total);
    free(weights);
    small_destroy(&straight);
    small_destroy(&small);
}
END_TEST

/* A gradient that the host spoils between two micro-batches. */
START_TEST(test_each_gradient)
{
    small_config config = config_of(_i);
    small_run small;
    small_create_checked(&small, &config);
    int64_t parameters;
    OK(fst_model_parameter_count(small.model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name = name_of(small.model, i);
        size_t count, total;
        OK(fst_run_advance(small.run, NULL));
        float *gradient = values(small.model, name, true, &count);
        gradient[count - 1] = i % 2 ? NAN : INFINITY;
        float *before = copy_weights(small.model, &total);
        ck_assert_int_eq(fst_run_step(small.run, NULL, 0), FST_ERR_NUMERIC);
        ck_assert_msg(strstr(fst_last_error(), name) != NULL, "%s: %s", name, fst_last_error());
        expect_untouched(small.model, before, total);
        free(before);
    }
    OK(fst_run_step(small.run, NULL, 0));
    small_destroy(&small);
}
END_TEST

/* By hand: the optimizer itself refuses. */
START_TEST(test_custom_loop)
{
    small_config config = config_of(_i);
    small_run small;
    small_create_checked(&small, &config);
    size_t count, total;
    const char *name = name_of(small.model, 2);
    values(small.model, name, true, &count)[0] = NAN;
    float *before = copy_weights(small.model, &total);
    ck_assert_int_eq(fst_optimizer_step(small.optimizer, NULL, 0), FST_ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), name));
    expect_untouched(small.model, before, total);
    free(before);
    small_destroy(&small);
}
END_TEST

START_TEST(test_evaluation)
{
    small_config config = config_of(_i);
    small_run small;
    small_create_checked(&small, &config);
    size_t count;
    const char *name = name_of(small.model, 0);
    values(small.model, name, false, &count)[0] = NAN;
    OK(fst_model_weights_changed(small.model));
    ck_assert_int_eq(fst_run_evaluate(small.run), FST_ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), name));
    double loss;
    OK(fst_run_metric(small.run, "validation_loss", &loss));
    ck_assert(isnan(loss));
    small_destroy(&small);
}
END_TEST

/* With a guard that skips, a step without a finite loss is passed over and counted. */
START_TEST(test_skipped)
{
    small_config config = small_defaults();
    config.pretrain.spike_action = FST_SPIKE_SKIP;
    config.pretrain.spike_gradient_z = 6;
    config.pretrain.spike_loss_z = _i ? 6 : 0;
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 2));
    size_t count, total;
    float *weights = values(small.model, name_of(small.model, 3), false, &count), kept = weights[0];
    weights[0] = NAN;
    float *before = copy_weights(small.model, &total);
    fst_run_progress progress;
    OK(fst_run_step(small.run, &progress, sizeof progress));
    ck_assert_int_eq(progress.step, 3);
    double spikes;
    OK(fst_run_metric(small.run, "spikes", &spikes));
    ck_assert_double_eq(spikes, 1);
    expect_untouched(small.model, before, total);
    weights[0] = kept;
    OK(fst_run_until(small.run, 0));
    ck_assert_int_eq(small.log.warnings, 1);
    free(before);
    small_destroy(&small);
}
END_TEST

/* Spikes in a row bring the newest checkpoint back, with the data that follows; in the end the run
 * gives up. */
static int32_t spoil(const fst_run_progress *progress, void *user)
{
    fst_model *const *model = user;
    size_t count;
    if (progress->step >= 4)
        values(*model, name_of(*model, 3), false, &count)[0] = NAN;
    return 0;
}

START_TEST(test_rolled_back)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    static fst_model *model;
    config.pretrain.spike_action = FST_SPIKE_ROLL_BACK;
    config.pretrain.spike_loss_z = 6;
    config.pretrain.spike_patience = 2;
    config.pretrain.spike_rollbacks = 2;
    config.run.directory = folder;
    config.run.save_every = 3;
    config.run.total_steps = 20;
    config.run.progress = spoil;
    config.run.progress_user = &model;
    small_run small;
    small_create_checked(&small, &config);
    model = small.model;
    OK(fst_run_until(small.run, 4)); /* spoiled after step 4; the checkpoint is that of step 3 */
    fst_run_progress progress;
    OK(fst_run_step(small.run, &progress, sizeof progress)); /* one spike */
    ck_assert_int_eq(progress.step, 5);
    OK(fst_run_step(small.run, &progress, sizeof progress)); /* two: back */
    ck_assert_int_eq(progress.step, 3);
    ck_assert(strstr(small.log.last_warning, "rolled back") != NULL);
    ck_assert_int_eq(fst_run_until(small.run, 0), FST_ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "after 2 roll backs"));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_numeric");
    TCase *cases = tcase_create("run_numeric");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_each_weight, 0, 9);
    tcase_add_loop_test(cases, test_each_gradient, 0, 2);
    tcase_add_loop_test(cases, test_custom_loop, 0, 2);
    tcase_add_loop_test(cases, test_evaluation, 0, 2);
    tcase_add_loop_test(cases, test_skipped, 0, 2);
    tcase_add_test(cases, test_rolled_back);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
