/* Contrastive losses and metrics of embeddings through the public functions: the same bits everywhere, and
 * what they refuse. */
#include "../support/tiny_model.h"

#include "fourstage/metrics.h"
#include "fourstage/objectives.h"

#include <stdbool.h>

enum { N = 300, WIDTH = 20 };

static void draw(float *x, int64_t count, uint32_t seed)
{
    for (int64_t i = 0; i < count; ++i) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / 8388608.0f - 1;
    }
}

typedef struct result {
    float first[N * WIDTH], second[2 * N * WIDTH];
    fst_contrastive_loss loss;
} result;

static void run(int32_t threads, bool ntxent, result *r)
{
    static float x[3 * N * WIDTH];
    fst_context *context = tiny_context(threads);
    fst_contrastive_loss_options options;
    REQUIRE(fst_contrastive_loss_options_init(&options, sizeof options));
    options.hard_negative_logit = 0.5;
    draw(x, 3 * N * WIDTH, 4);
    memset(r, 0, sizeof *r);
    if (ntxent)
        REQUIRE(fst_loss_ntxent(context, &options, x, x + N * WIDTH, N, WIDTH, r->first, r->second,
                                &r->loss, sizeof r->loss));
    else
        REQUIRE(fst_loss_infonce(context, &options, x, x + N * WIDTH, N, 2 * N, WIDTH, r->first,
                                 r->second, &r->loss, sizeof r->loss));
    fst_context_destroy(context);
}

START_TEST(test_same_bits_for_any_threads)
{
    static result one, other;
    run(1, _i != 0, &one);
    for (int32_t threads = 2; threads <= 4; ++threads) {
        run(threads, _i != 0, &other);
        ck_assert_mem_eq(&one, &other, sizeof one);
    }
    ck_assert_double_gt(one.loss.loss, 1);
    ck_assert_int_eq(one.loss.count, _i ? 2 * N : N);
}
END_TEST

/* Two orthogonal pairs: cos is 1 within and 0 across. */
START_TEST(test_by_hand)
{
    const float first[] = {2, 0, 0, 1}, second[] = {3, 0, 0, 4};
    float gradient[4];
    fst_context *context = tiny_context(1);
    fst_contrastive_loss_options options;
    REQUIRE(fst_contrastive_loss_options_init(&options, sizeof options));
    options.temperature = 1;
    fst_contrastive_loss found;
    REQUIRE(fst_loss_ntxent(context, &options, first, second, 2, 2, NULL, gradient, &found,
                            sizeof found));
    ck_assert_double_eq_tol(found.loss, log(exp(1) + 2) - 1, 1e-6);
    ck_assert_double_eq(found.accuracy, 1);
    ck_assert_double_eq_tol(found.alignment, 0, 1e-6);
    ck_assert_double_eq_tol(found.uniformity, -4, 1e-6);
    REQUIRE(fst_loss_infonce(context, &options, first, second, 2, 2, 2, NULL, NULL, &found,
                             sizeof found));
    ck_assert_double_eq_tol(found.loss, log(exp(1) + 1) - 1, 1e-6);
    /* Collapsed embeddings tell nothing apart: no anchor counts as right. */
    const float same[] = {1, 1, 1, 1};
    REQUIRE(fst_loss_infonce(context, &options, same, same, 2, 2, 2, NULL, NULL, &found,
                             sizeof found));
    ck_assert_double_eq_tol(found.loss, log(2), 1e-6);
    ck_assert_double_eq(found.accuracy, 0);
    ck_assert_double_eq_tol(found.uniformity, 0, 1e-6);
    fst_context_destroy(context);
}
END_TEST

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
    } while (0)

START_TEST(test_refusals)
{
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    fst_context *context = tiny_context(1);
    fst_contrastive_loss found;
    fst_contrastive_loss_options options;
    const fst_contrastive_loss_options *o = &options;
    REQUIRE(fst_contrastive_loss_options_init(&options, sizeof options));
    const size_t size = sizeof found;
    int64_t live = tiny_live_bytes(context);
    REFUSED(fst_loss_ntxent(context, o, x, x, 1, 2, NULL, NULL, &found, size),
            FST_ERR_INVALID_ARGUMENT, "at least 2");
    REFUSED(fst_loss_ntxent(context, o, x, x, 2, 0, NULL, NULL, &found, size),
            FST_ERR_INVALID_ARGUMENT, "width is 0");
    REFUSED(fst_loss_ntxent(context, o, x, x, INT64_MAX, 2, NULL, NULL, &found, size),
            FST_ERR_INVALID_ARGUMENT, "examples is");
    REFUSED(fst_loss_ntxent(context, o, x, x, INT64_MIN, 2, NULL, NULL, &found, size),
            FST_ERR_INVALID_ARGUMENT, "examples is");
    REFUSED(fst_loss_infonce(context, o, x, x, INT64_MIN, 2, 2, NULL, NULL, &found, size),
            FST_ERR_INVALID_ARGUMENT, "examples is");
    REFUSED(fst_loss_infonce(context, o, x, x, 2, 3, 2, NULL, NULL, &found, size),
            FST_ERR_INVALID_ARGUMENT, "multiple of examples");
    REFUSED(fst_loss_infonce(context, o, x, x, 1, 1, 2, NULL, NULL, &found, size),
            FST_ERR_INVALID_ARGUMENT, "at least 2");
    REFUSED(fst_loss_infonce(context, o, x, x, 2, 2, 2, NULL, NULL, &found, 4),
            FST_ERR_INVALID_ARGUMENT, "struct_size");
    options.temperature = 0;
    REFUSED(fst_loss_ntxent(context, o, x, x, 2, 2, NULL, NULL, &found, size),
            FST_ERR_INVALID_ARGUMENT, "temperature");
    options.temperature = 0.1;
    options.hard_negative_logit = NAN;
    REFUSED(fst_loss_infonce(context, o, x, x, 2, 2, 2, NULL, NULL, &found, size),
            FST_ERR_INVALID_ARGUMENT, "hard_negative_logit");
    options.hard_negative_logit = 0;
    x[3] = NAN;
    REFUSED(fst_loss_infonce(context, o, x + 4, x, 2, 2, 2, NULL, NULL, &found, size),
            FST_ERR_NUMERIC, "candidates[3]");
    ck_assert_int_eq(tiny_live_bytes(context), live);
    fst_context_destroy(context);
}
END_TEST

/* ---- neighbours ---- */

START_TEST(test_neighbours)
{
    const float known[] = {1, 0, 2, 0.1f, 0, 3, -1, 0.2f}, queries[] = {5, 0, 0.1f, 1, -4, 0.1f};
    const int32_t labels[] = {0, 1, 2, 1}, wrong[] = {0, 1, 3, 1};
    int32_t told[3];
    fst_context *context = tiny_context(2);
    REQUIRE(fst_metrics_knn(context, known, labels, 4, queries, 3, 2, 3, 1, 0, told));
    ck_assert(told[0] == 0 && told[1] == 2 && told[2] == 1);
    /* Two of three votes are for class 1, but the nearest weighs more. */
    REQUIRE(fst_metrics_knn(context, known, labels, 4, queries, 3, 2, 3, 4, 0, told));
    ck_assert_int_eq(told[0], 1);
    REQUIRE(fst_metrics_knn(context, known, labels, 4, queries, 3, 2, 3, 4, 0.0001, told));
    ck_assert_int_eq(told[0], 0);
    REFUSED(fst_metrics_knn(context, known, wrong, 4, queries, 3, 2, 3, 1, 0, told),
            FST_ERR_INVALID_ARGUMENT, "labels[2] is 3");
    REFUSED(fst_metrics_knn(context, known, labels, 4, queries, 3, 2, 3, 5, 0, told),
            FST_ERR_INVALID_ARGUMENT, "k is 5");
    const float bad[] = {1, NAN};
    REFUSED(fst_metrics_knn(context, known, labels, 4, bad, 1, 2, 3, 1, 0, told), FST_ERR_NUMERIC,
            "not finite");
    double uniformity;
    REQUIRE(fst_metrics_uniformity(context, queries, 3, 2, &uniformity));
    double expected = 0;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < i; ++j) {
            const float *a = queries + 2 * i, *b = queries + 2 * j;
            double cosine = (double)(a[0] * b[0] + a[1] * b[1]) /
                            sqrt((double)((a[0] * a[0] + a[1] * a[1]) * (b[0] * b[0] + b[1] * b[1])));
            expected += exp(4 * cosine - 4) / 3;
        }
    ck_assert_double_eq_tol(uniformity, log(expected), 1e-5);
    REFUSED(fst_metrics_uniformity(context, queries, 1, 2, &uniformity), FST_ERR_INVALID_ARGUMENT,
            "examples is 1");
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("contrastive");
    tcase_add_loop_test(tcase, test_same_bits_for_any_threads, 0, 2);
    tcase_add_test(tcase, test_by_hand);
    tcase_add_test(tcase, test_refusals);
    tcase_add_test(tcase, test_neighbours);
    Suite *suite = suite_create("contrastive losses");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
