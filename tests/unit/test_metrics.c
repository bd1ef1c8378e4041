/* Metrics on cases that can be counted by hand. Parity with scikit-learn is in tests/parity. */
#include "fourstage/context.h"
#include "fourstage/metrics.h"

#include <check.h>
#include <math.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())
#define CLOSE(got, expected) ck_assert_double_eq_tol(got, expected, 1e-12)
#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words) != NULL, "%s", fst_last_error());            \
    } while (0)

START_TEST(test_classes)
{
    const int32_t labels[] = {0, 0, 1, 1, -1, 2}, predictions[] = {0, 1, 1, 1, 77, 0};
    int64_t confusion[16];
    double precision[4], recall[4], f1[4];
    fst_class_metrics found;
    OK(fst_metrics_confusion(labels, predictions, 6, 4, confusion));
    const int64_t expected[16] = {1, 1, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    ck_assert_mem_eq(confusion, expected, sizeof expected);
    OK(fst_metrics_classes(confusion, 4, precision, recall, f1, &found, sizeof found));
    ck_assert_int_eq(found.count, 5);
    CLOSE(found.accuracy, 0.6);
    CLOSE(precision[0], 0.5);
    CLOSE(precision[1], 2.0 / 3);
    CLOSE(recall[0], 0.5);
    CLOSE(recall[1], 1);
    CLOSE(f1[1], 0.8);
    CLOSE(f1[2], 0);
    CLOSE(f1[3], 0);
    CLOSE(found.f1_macro, (0.5 + 0.8) / 3); /* the class that does not occur is not counted */
    CLOSE(found.f1_micro, 0.6);
    CLOSE(found.f1_weighted, (2 * 0.5 + 2 * 0.8) / 5);
    /* (c·s − Σ pt) / √((s² − Σ p²)(s² − Σ t²)) = (15 − 4 − 6) / √((25 − 13)(25 − 9)) */
    CLOSE(found.mcc, 5 / sqrt(12.0 * 16));
    OK(fst_metrics_classes(confusion, 4, NULL, NULL, NULL, &found, sizeof found));
}
END_TEST

START_TEST(test_two_classes)
{
    /* MCC of two classes is the textbook's: (tp·tn − fp·fn) / √(…). */
    const int64_t confusion[] = {50, 10, 5, 35};
    fst_class_metrics found;
    OK(fst_metrics_classes(confusion, 2, NULL, NULL, NULL, &found, sizeof found));
    CLOSE(found.mcc, (35.0 * 50 - 10 * 5) / sqrt(45.0 * 40 * 60 * 55));
    const int64_t constant[] = {3, 0, 4, 0}, none[] = {0, 0, 0, 0};
    OK(fst_metrics_classes(constant, 2, NULL, NULL, NULL, &found, sizeof found));
    CLOSE(found.mcc, 0);
    OK(fst_metrics_classes(none, 2, NULL, NULL, NULL, &found, sizeof found));
    ck_assert(isnan(found.accuracy) && isnan(found.mcc) && isnan(found.f1_macro));
}
END_TEST

START_TEST(test_labels)
{
    const float labels[] = {1, 0, 1, NAN, NAN, NAN, 0, 1}, scores[] = {0.9f, 0.2f, 0.5f, NAN,
                                                                       NAN,  NAN,  0.6f, 0.4f};
    int64_t confusion[8];
    fst_label_metrics found;
    OK(fst_metrics_labels(labels, scores, 4, 2, 0.5, confusion, &found, sizeof found));
    const int64_t expected[8] = {0, 1, 0, 2, 1, 0, 1, 0};
    ck_assert_mem_eq(confusion, expected, sizeof expected);
    ck_assert_int_eq(found.count, 5);
    ck_assert_int_eq(found.examples, 3);
    CLOSE(found.accuracy, 0.6);
    CLOSE(found.subset_accuracy, 2.0 / 3);
    CLOSE(found.precision_micro, 2.0 / 3);
    CLOSE(found.recall_micro, 2.0 / 3);
    CLOSE(found.f1_micro, 2.0 / 3);
    CLOSE(found.f1_macro, (0.8 + 0) / 2);
}
END_TEST

START_TEST(test_numbers)
{
    fst_context *context;
    OK(fst_context_create(NULL, &context));
    const float x[] = {1, 2, 2, 5}, y[] = {10, 30, 20, 25}, flat[] = {3, 3, 3, 3};
    double pearson, spearman;
    OK(fst_metrics_correlation(context, x, y, 4, &pearson, &spearman));
    CLOSE(pearson, 22.5 / sqrt(9 * 218.75));
    CLOSE(spearman, 3 / sqrt(4.5 * 5)); /* ranks 1 2.5 2.5 4 and 1 4 2 3 */
    OK(fst_metrics_correlation(context, x, flat, 4, &pearson, &spearman));
    ck_assert(isnan(pearson) && isnan(spearman));

    const float labels[] = {1, NAN, 2, 5}, predictions[] = {2, NAN, 2, 3};
    fst_regression_metrics found;
    OK(fst_metrics_regression(context, labels, predictions, 4, &found, sizeof found));
    ck_assert_int_eq(found.count, 3);
    CLOSE(found.rmse, sqrt(5.0 / 3));
    CLOSE(found.mae, 1);
    ck_assert(found.pearson > 0.9 && found.spearman > 0.8);
    const float missing[] = {NAN, NAN};
    OK(fst_metrics_regression(context, missing, predictions, 2, &found, sizeof found));
    ck_assert_int_eq(found.count, 0);
    ck_assert(isnan(found.rmse) && isnan(found.pearson));
    fst_context_destroy(context);
}
END_TEST

START_TEST(test_refused)
{
    fst_context *context;
    OK(fst_context_create(NULL, &context));
    const int32_t labels[] = {0, 2}, predictions[] = {1, 2};
    int64_t confusion[9] = {0, 0, -1, 0};
    fst_class_metrics classes;
    fst_label_metrics several;
    fst_regression_metrics numbers;
    REFUSED(fst_metrics_confusion(labels, predictions, 2, 2, confusion), FST_ERR_INVALID_ARGUMENT,
            "labels[1]");
    REFUSED(fst_metrics_confusion(predictions, labels, 0, 3, confusion), FST_ERR_INVALID_ARGUMENT,
            "count");
    REFUSED(fst_metrics_classes(confusion, 2, NULL, NULL, NULL, &classes, sizeof classes),
            FST_ERR_INVALID_ARGUMENT, "confusion[1][0]");
    const float y[] = {1, 0.5f}, z[] = {NAN, 1}, inf[] = {1, INFINITY};
    REFUSED(fst_metrics_labels(y, y, 2, 1, 0, confusion, &several, sizeof several),
            FST_ERR_INVALID_ARGUMENT, "labels[1][0]");
    REFUSED(fst_metrics_labels(y, z, 1, 1, 0, confusion, &several, sizeof several), FST_ERR_NUMERIC,
            "scores[0][0]");
    REFUSED(fst_metrics_labels(y, y, 1, 1, NAN, confusion, &several, sizeof several),
            FST_ERR_INVALID_ARGUMENT, "threshold");
    REFUSED(fst_metrics_regression(context, y, inf, 2, &numbers, sizeof numbers), FST_ERR_NUMERIC,
            "predictions[1]");
    double pearson, spearman;
    REFUSED(fst_metrics_correlation(context, y, z, 2, &pearson, &spearman), FST_ERR_NUMERIC, "y[0]");
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *cases = tcase_create("metrics");
    tcase_add_test(cases, test_classes);
    tcase_add_test(cases, test_two_classes);
    tcase_add_test(cases, test_labels);
    tcase_add_test(cases, test_numbers);
    tcase_add_test(cases, test_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
