/* Schedules at the steps where they bend, and the spike guard on curves with known spikes. */
#include "fourstage/optimizer.h"
#include "optim/spike_guard.h"

#include <check.h>
#include <math.h>
#include <string.h>

static fst_schedule_options schedule(int32_t kind)
{
    fst_schedule_options options;
    ck_assert_int_eq(fst_schedule_options_init(&options, sizeof options), FST_OK);
    options.kind = kind;
    options.learning_rate = 2;
    options.warmup_steps = 4;
    options.total_steps = 24;
    options.minimum_ratio = 0.25;
    return options;
}

static double rate(const fst_schedule_options *options, int64_t step)
{
    double value = NAN;
    ck_assert_int_eq(fst_schedule_learning_rate(options, step, &value), FST_OK);
    return value;
}

#define CHECK_RATE(options, step, expected)                                                        \
    ck_assert_double_eq_tol(rate(options, step), expected, 1e-14)

START_TEST(test_warmup)
{
    for (int32_t kind = FST_SCHEDULE_CONSTANT; kind <= FST_SCHEDULE_INVERSE_SQRT; ++kind) {
        fst_schedule_options options = schedule(kind);
        CHECK_RATE(&options, 0, 2 * 1 / 5.0);
        CHECK_RATE(&options, 3, 2 * 4 / 5.0);
        CHECK_RATE(&options, 4, 2);
        options.warmup = FST_WARMUP_FROM_ZERO;
        CHECK_RATE(&options, 0, 0);
        CHECK_RATE(&options, 1, 0.5);
        CHECK_RATE(&options, 4, 2);
    }
}
END_TEST

START_TEST(test_shapes)
{
    fst_schedule_options options = schedule(FST_SCHEDULE_CONSTANT);
    CHECK_RATE(&options, 1000000, 2);
    options = schedule(FST_SCHEDULE_LINEAR);
    CHECK_RATE(&options, 14, 0.5 + 1.5 * 0.5);
    CHECK_RATE(&options, 23, 0.5 + 1.5 * 0.05);
    CHECK_RATE(&options, 24, 0.5);
    CHECK_RATE(&options, INT64_MAX, 0.5);
    options = schedule(FST_SCHEDULE_COSINE);
    CHECK_RATE(&options, 9, 0.5 + 1.5 * (1 + sqrt(0.5)) / 2);
    CHECK_RATE(&options, 14, 1.25);
    CHECK_RATE(&options, 25, 0.5);
    options = schedule(FST_SCHEDULE_WSD);
    options.decay_steps = 9;
    CHECK_RATE(&options, 15, 2);
    CHECK_RATE(&options, 16, 0.5 + 1.5 * (1 - 1 / 3.0));
    CHECK_RATE(&options, 19, 0.5 + 1.5 * (1 - 2 / 3.0));
    CHECK_RATE(&options, 24, 0.5);
    options.decay_steps = 0; /* a fifth: 4 */
    CHECK_RATE(&options, 20, 2);
    CHECK_RATE(&options, 21, 0.5 + 1.5 * 0.5);
    options = schedule(FST_SCHEDULE_INVERSE_SQRT);
    CHECK_RATE(&options, 16, 1);
    CHECK_RATE(&options, 1000, 0.5);
    options.warmup_steps = 0;
    CHECK_RATE(&options, 0, 2);
    CHECK_RATE(&options, 30000, 1);
}
END_TEST

START_TEST(test_refusals)
{
    double value;
    fst_schedule_options options = schedule(FST_SCHEDULE_WSD);
    options.decay_steps = 21;
    ck_assert_int_eq(fst_schedule_learning_rate(&options, 0, &value), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "decay_steps"));
    options = schedule(FST_SCHEDULE_LINEAR);
    options.total_steps = 4;
    ck_assert_int_eq(fst_schedule_learning_rate(&options, 0, &value), FST_ERR_INVALID_ARGUMENT);
    options = schedule(FST_SCHEDULE_LINEAR);
    ck_assert_int_eq(fst_schedule_learning_rate(&options, -1, &value), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_schedule_learning_rate(&options, 0, NULL), FST_ERR_INVALID_ARGUMENT);
    options.kind = 77;
    ck_assert_int_eq(fst_schedule_learning_rate(&options, 0, &value), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_schedule_learning_rate(NULL, 5, &value), FST_OK);
    ck_assert_double_eq(value, 1e-3);
}
END_TEST

static fst__spike_guard guard_of(double loss_z, double norm_z)
{
    fst__spike_guard guard = {.options = fst__spike_defaults()};
    guard.options.loss_z = loss_z;
    guard.options.gradient_norm_z = norm_z;
    guard.options.warmup_steps = 20;
    guard.options.patience = 3;
    return guard;
}

static double wave(int step)
{
    return 3 + 0.1 * sin(1.7 * step);
}

START_TEST(test_spikes)
{
    fst__spike_guard guard = guard_of(6, 6);
    for (int step = 0; step < 200; ++step)
        ck_assert_int_eq(fst__spike_observe(&guard, wave(step), wave(step), NULL, NULL),
                         FST__SPIKE_NONE);
    double mean = guard.state.loss_mean, loss_z, norm_z;
    ck_assert_int_eq(fst__spike_observe(&guard, 6, 3, &loss_z, &norm_z), FST__SPIKE_SKIP);
    ck_assert_double_gt(loss_z, 20);
    ck_assert_double_lt(fabs(norm_z), 2);
    ck_assert_double_eq(guard.state.loss_mean, mean); /* spikes leave no trace */
    ck_assert_int_eq(fst__spike_observe(&guard, 3, 6, NULL, NULL), FST__SPIKE_SKIP);
    ck_assert_int_eq(fst__spike_observe(&guard, NAN, 3, NULL, NULL), FST__SPIKE_ROLL_BACK);
    ck_assert_int_eq(fst__spike_observe(&guard, 3, 3, NULL, NULL), FST__SPIKE_NONE);
    ck_assert_int_eq(fst__spike_observe(&guard, 6, 3, NULL, NULL),
                     FST__SPIKE_SKIP); /* counted anew */
    ck_assert_int_eq(fst__spike_observe(&guard, 0.1, 0.1, NULL, NULL),
                     FST__SPIKE_NONE); /* below is good */
}
END_TEST

START_TEST(test_spike_warmup_and_off)
{
    fst__spike_guard guard = guard_of(6, 0);
    for (int step = 0; step < 20; ++step) /* falls steeply, as a training's first steps */
        ck_assert_int_eq(
            fst__spike_observe(&guard, step == 10 ? 50 : 10 - step * 0.3, 1, NULL, NULL),
            FST__SPIKE_NONE);
    ck_assert_int_eq(fst__spike_observe(&guard, 4, 1e9, NULL, NULL),
                     FST__SPIKE_NONE); /* unwatched */
    guard = guard_of(6, 0);
    ck_assert_int_eq(fst__spike_observe(&guard, INFINITY, 1, NULL, NULL), FST__SPIKE_SKIP);
    guard = guard_of(0, 0);
    ck_assert_int_eq(fst__spike_observe(&guard, NAN, NAN, NULL, NULL), FST__SPIKE_NONE);
    ck_assert_double_eq(guard.state.steps, 0);
}
END_TEST

/* The state is all there is: a guard made of it decides the same. */
START_TEST(test_spike_state)
{
    ck_assert_uint_eq(sizeof(fst__spike_state), FST__SPIKE_STATE_DOUBLES * sizeof(double));
    fst__spike_guard whole = guard_of(3, 3), parts = guard_of(3, 3);
    for (int step = 0; step < 300; ++step) {
        fst__spike_guard next = guard_of(3, 3);
        double state[FST__SPIKE_STATE_DOUBLES];
        memcpy(state, &parts.state, sizeof state);
        memcpy(&next.state, state, sizeof state);
        parts = next;
        double loss = wave(step) + (step % 37 == 0 ? 1 : 0);
        ck_assert_int_eq(fst__spike_observe(&whole, loss, 1, NULL, NULL),
                         fst__spike_observe(&parts, loss, 1, NULL, NULL));
    }
    ck_assert(!memcmp(&whole.state, &parts.state, sizeof whole.state));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *test = tcase_create("schedule");
    tcase_add_test(test, test_warmup);
    tcase_add_test(test, test_shapes);
    tcase_add_test(test, test_refusals);
    tcase_add_test(test, test_spikes);
    tcase_add_test(test, test_spike_warmup_and_off);
    tcase_add_test(test, test_spike_state);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
