/* Every objective's gradient against central differences of its loss. */
#include "stages/objectives/objectives.h"

#include <check.h>
#include <math.h>

enum { N = 12, LEVELS = 4, MOST = N * (LEVELS - 1) };

/* One case: x [count] and the objective of it; gradient NULL: only the loss. */
typedef double (*objective)(const double *x, double *gradient, int variant);

static double fixed(int i, double phase)
{
    return sin(1.7 * i + phase) + 0.3 * cos(5.1 * i);
}

static void fill(double *values, int count, double phase)
{
    for (int i = 0; i < count; ++i)
        values[i] = fixed(i, phase);
}

/* Some elements weigh nothing. */
static void fill_weights(double *weights, int count)
{
    for (int i = 0; i < count; ++i)
        weights[i] = i % 5 == 3 ? 0 : 0.1 + 0.05 * i;
}

static void fill_advantages(double *advantages)
{
    for (int i = 0; i < N; ++i)
        advantages[i] = (i / 3 % 2 ? 1 : -1) * fixed(i, 2);
}

#define OK(call) ck_assert_msg((call) == FST_OK, "%s", fst_last_error())

static double policy(const double *x, double *gradient, int variant)
{
    double old[N], advantages[N], weights[N];
    fill(old, N, 1.5);
    fill_advantages(advantages);
    fill_weights(weights, N);
    fst_policy_loss_options options = fst__policy_loss_defaults();
    options.clip_low = 0.3;
    options.clip_high = 0.5;
    options.dual_clip = variant ? 1.7 : 0;
    fst_policy_loss found;
    OK(fst__loss_policy(&options, x, old, advantages, weights, N, gradient, &found));
    return found.loss;
}

static double value(const double *x, double *gradient, int variant)
{
    double old[N], returns[N], weights[N];
    fill(old, N, 0.1);
    fill(returns, N, 1);
    fill_weights(weights, N);
    fst_value_loss found;
    OK(fst__loss_value(variant ? 0.2 : 0, x, old, returns, weights, N, gradient, &found));
    return found.loss;
}

static double kl(const double *x, double *gradient, int variant)
{
    double reference[N], weights[N], loss;
    fill(reference, N, 1);
    fill_weights(weights, N);
    OK(fst__loss_kl(variant, x, reference, weights, N, NULL, gradient, &loss));
    return loss;
}

/* x: the chosen answers' log-probabilities and behind them the rejected ones'. */
static double preference(const double *x, double *gradient, int variant)
{
    double reference[N], weights[N / 2];
    int64_t lengths[N / 2];
    fill(reference, N, 1);
    fill_weights(weights, N / 2);
    for (int i = 0; i < N / 2; ++i)
        lengths[i] = 1 + i;
    fst_preference_loss_options options = fst__preference_loss_defaults();
    options.kind = variant % 3;
    options.beta = 0.7;
    options.label_smoothing = variant >= 3 ? 0.2 : 0;
    fst_preference_loss found;
    OK(fst__loss_preference(&options, x, x + N / 2, reference, reference + N / 2, lengths, NULL,
                            weights, N / 2, NULL, gradient, gradient ? gradient + N / 2 : NULL,
                            &found));
    return found.loss;
}

static double kto(const double *x, double *gradient, int variant)
{
    double reference[N], weights[N];
    uint8_t desirable[N];
    fill(reference, N, 1);
    fill_weights(weights, N);
    for (int i = 0; i < N; ++i)
        desirable[i] = i % 3 != 0;
    fst_kto_options options = fst__kto_defaults();
    options.beta = 0.8;
    options.undesirable_weight = 1.3;
    options.reference_point = variant;
    fst_kto_loss found;
    OK(fst__loss_kto(&options, x, reference, desirable, weights, N, gradient, &found));
    return found.loss;
}

static double bradley_terry(const double *x, double *gradient, int variant)
{
    double margins[N / 2], weights[N / 2];
    fill(margins, N / 2, 1);
    fill_weights(weights, N / 2);
    fst_score_loss found;
    OK(fst__loss_bradley_terry(variant ? 0.3 : 0, x, x + N / 2, variant ? margins : NULL, weights,
                               N / 2, gradient, gradient ? gradient + N / 2 : NULL, &found));
    return found.loss;
}

static double k_wise(const double *x, double *gradient, int variant)
{
    const int64_t offsets[] = {0, 5, 7, 9, N};
    const double weights[] = {0.4, 0, 0.3, 0.2};
    fst_score_loss found;
    OK(fst__loss_k_wise(variant ? 0.3 : 0, x, offsets, weights, 4, gradient, &found));
    return found.loss;
}

static void fill_labels(double *labels)
{
    for (int i = 0; i < N; ++i)
        labels[i] = i == 4 || i == 7 ? NAN : (i * 7) % LEVELS;
}

static double regression(const double *x, double *gradient, int variant)
{
    double labels[N], weights[N];
    fill_labels(labels);
    fill_weights(weights, N);
    fst_score_loss found;
    OK(fst__loss_regression(x, labels, variant ? weights : NULL, N, gradient, &found));
    return found.loss;
}

static double ranked(const double *x, double *gradient, int variant)
{
    double labels[N];
    fill_labels(labels);
    fst_score_loss found;
    OK(fst__loss_ranked(variant ? 0.1 : 0, x, labels, N, gradient, &found));
    return found.loss;
}

static double ordinal(const double *x, double *gradient, int variant)
{
    double labels[N], weights[N];
    fill_labels(labels);
    fill_weights(weights, N);
    fst_score_loss found;
    OK(fst__loss_ordinal(variant, x, labels, weights, N, LEVELS, gradient, &found));
    return found.loss;
}

/* N / 3 examples of three classes, one of them without a label. */
static double classes(const double *x, double *gradient, int variant)
{
    const double labels[] = {2, NAN, 0, 1}, weights[] = {0.3, 0.4, 0, 0.2};
    const double class_weights[] = {0.5, 2, 1.25};
    fst_label_loss_options options = fst__label_loss_defaults();
    options.label_smoothing = variant > 0 ? 0.2 : 0;
    options.class_weights = variant > 1 ? class_weights : NULL;
    fst_score_loss found;
    OK(fst__loss_classes(&options, x, labels, variant == 1 ? weights : NULL, N / 3, 3, gradient,
                         &found));
    return found.loss;
}

static double labels(const double *x, double *gradient, int variant)
{
    double y[N], weights[N];
    const double class_weights[] = {0.5, 2, 1.25};
    fill_weights(weights, N);
    for (int i = 0; i < N; ++i)
        y[i] = i == 4 || i == 7 ? NAN : i % 2;
    fst_label_loss_options options = fst__label_loss_defaults();
    options.label_smoothing = variant > 0 ? 0.2 : 0;
    options.class_weights = variant > 1 ? class_weights : NULL;
    fst_score_loss found;
    OK(fst__loss_labels(&options, x, y, variant == 1 ? weights : NULL, N / 3, 3, gradient, &found));
    return found.loss;
}

static const struct {
    const char *name;
    objective of;
    int variants, count;
} cases[] = {
    {"policy", policy, 2, N}, {"value", value, 2, N},
    {"KL", kl, 3, N},         {"preference", preference, 6, N},
    {"KTO", kto, 2, N},       {"Bradley–Terry", bradley_terry, 2, N},
    {"K-wise", k_wise, 2, N}, {"regression", regression, 2, N},
    {"ranked", ranked, 2, N}, {"ordinal", ordinal, 2, MOST},
    {"classes", classes, 3, N}, {"labels", labels, 3, N},
};

static void check_case(int which, int variant)
{
    const double epsilon = 1e-6;
    double x[MOST] = {0}, gradient[MOST], largest = 0;
    fill(x, cases[which].count, 0.5);
    if (cases[which].of == ordinal) /* falling within a row */
        for (int i = 0; i < MOST; ++i)
            x[i] = x[i] * 0.2 - 0.7 * (i % (LEVELS - 1));
    for (int i = 0; i < cases[which].count; ++i)
        gradient[i] = NAN;
    cases[which].of(x, gradient, variant);
    for (int i = 0; i < cases[which].count; ++i) {
        double saved = x[i];
        x[i] = saved + epsilon;
        double above = cases[which].of(x, NULL, variant);
        x[i] = saved - epsilon;
        double below = cases[which].of(x, NULL, variant);
        x[i] = saved;
        double expected = (above - below) / (2 * epsilon);
        largest = fmax(largest, fabs(expected));
        ck_assert_msg(fabs(gradient[i] - expected) <= 1e-8 + 1e-6 * fabs(expected),
                      "%s, variant %d: gradient[%d] is %.12g, not %.12g", cases[which].name,
                      variant, i, gradient[i], expected);
    }
    ck_assert_double_gt(largest, 1e-2);
}

START_TEST(test_gradients)
{
    for (int variant = 0; variant < cases[_i].variants; ++variant)
        check_case(_i, variant);
}
END_TEST

/* What a clip overrules is among the cases checked, below and above, and what none does. */
START_TEST(test_policy_covers)
{
    double x[N], gradient[N], old[N], advantages[N], weights[N];
    fill(x, N, 0.5);
    fill(old, N, 1.5);
    fill_advantages(advantages);
    fill_weights(weights, N);
    policy(x, gradient, 1);
    int open = 0, below = 0, above = 0, dual = 0;
    for (int i = 0; i < N; ++i) {
        double ratio = exp(x[i] - old[i]);
        open += gradient[i] != 0;
        if (weights[i] == 0 || gradient[i] != 0)
            continue;
        below += advantages[i] < 0 && ratio < 0.7;
        above += advantages[i] > 0 && ratio > 1.5;
        dual += advantages[i] < 0 && ratio > 1.7;
    }
    ck_assert_msg(open >= 3 && below >= 1 && above >= 1 && dual >= 1, "%d %d %d %d", open, below,
                  above, dual);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("objectives");
    tcase_add_loop_test(tcase, test_gradients, 0, (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(tcase, test_policy_covers);
    Suite *suite = suite_create("objectives' gradients");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
