/* The contrastive losses' gradients against central differences, and against their definition. */
#include "fourstage/context.h"
#include "kernels/compute.h"
#include "stages/objectives/objectives.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s", fst_last_error())

static fst__allocator allocator;
static fst__pool *pool;
static fst__compute *compute;

static void open_compute(void)
{
    OK(fst__pool_create(&allocator, 2, &pool));
    OK(fst__compute_create(&allocator, pool, FST_PROVIDER_REFERENCE, &compute));
}

static void close_compute(void)
{
    fst__compute_destroy(&allocator, compute);
    fst__pool_destroy(pool);
    ck_assert_int_eq(allocator.live_bytes, 0);
}

/* A loss over x: the anchors (first views) and behind them the candidates (second views). */
typedef struct loss_of {
    bool ntxent;
    int64_t count, candidates, width;
    double temperature, logit;
} loss_of;

static const loss_of losses[] = {
    {true, 5, 5, 4, 0.5, 0},    {true, 2, 2, 3, 0.1, 0},   {true, 300, 300, 3, 0.2, 0},
    {false, 6, 6, 4, 0.05, 0},  {false, 4, 8, 5, 0.2, 1},  {false, 3, 9, 4, 0.3, -0.7},
    {false, 1, 2, 4, 0.3, 0.4}, {false, 260, 520, 3, 0.2, 0.5},
};

static double run(const loss_of *l, const double *x, double *gradient, fst_contrastive_loss *found)
{
    fst_contrastive_loss_options options = fst__contrastive_loss_defaults();
    options.temperature = l->temperature;
    options.hard_negative_logit = l->logit;
    int64_t rows = l->ntxent ? 2 * l->count : l->count;
    int64_t candidates = l->ntxent ? rows : l->candidates, second = l->count * l->width;
    size_t size = fst__contrastive_scratch(rows, candidates, l->width, l->ntxent);
    void *block = fst__alloc(&allocator, size);
    fst__arena arena = fst__arena_over(block, size);
    double *second_gradient = gradient ? gradient + second : NULL;
    if (l->ntxent)
        OK(fst__loss_ntxent(compute, &options, x, x + second, l->count, l->width, gradient,
                            second_gradient, &arena, found));
    else
        OK(fst__loss_infonce(compute, &options, x, x + second, l->count, l->candidates, l->width,
                             gradient, second_gradient, &arena, found));
    ck_assert(arena.used == 0 && arena.peak == size && !arena.overflow);
    fst__free(&allocator, block);
    return found->loss;
}

static double cosine(const double *a, const double *b, int64_t width)
{
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < width; ++i) {
        ab += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

/* As the headers define them. */
static fst_contrastive_loss by_definition(const loss_of *l, const double *x)
{
    int64_t n = l->count, w = l->width, rows = l->ntxent ? 2 * n : n;
    int64_t first = l->ntxent ? 0 : n, end = l->ntxent ? 2 * n : n + l->candidates;
    fst_contrastive_loss found = {0};
    double pairs = 0, uniform = 0;
    for (int64_t i = 0; i < rows; ++i) {
        int64_t positive = i < n ? i + n : i - n;
        double sum = 0, own = cosine(x + i * w, x + positive * w, w), best = -2;
        for (int64_t j = first; j < end; ++j) {
            if (l->ntxent && j == i)
                continue;
            double c = cosine(x + i * w, x + j * w, w);
            bool hard = !l->ntxent && j >= 2 * n && (j - 2 * n) % n == i;
            sum += exp(c / l->temperature + (hard ? l->logit : 0));
            if (j == positive)
                continue;
            best = fmax(best, c + (hard ? l->logit * l->temperature : 0));
            if (l->ntxent || j < 2 * n) {
                pairs += 1;
                uniform += exp(-2 * (2 - 2 * c));
            }
        }
        found.loss += (log(sum) - own / l->temperature) / (double)rows;
        found.alignment += (2 - 2 * own) / (double)rows;
        found.accuracy += (own > best) / (double)rows;
    }
    found.uniformity = log(uniform / pairs);
    return found;
}

static double *draw(int64_t count)
{
    double *x = malloc((size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; ++i)
        x[i] = sin(1.7 * (double)i + 0.3) + 0.6 * cos(5.1 * (double)i) + 0.2;
    return x;
}

static int64_t size_of(const loss_of *l)
{
    return (l->count + l->candidates) * l->width;
}

START_TEST(test_definition)
{
    const loss_of *l = &losses[_i];
    double *x = draw(size_of(l));
    fst_contrastive_loss found, expected = by_definition(l, x);
    open_compute();
    run(l, x, NULL, &found);
    ck_assert_double_eq_tol(found.loss, expected.loss, 1e-9);
    ck_assert_double_eq_tol(found.accuracy, expected.accuracy, 1e-12);
    ck_assert_double_eq_tol(found.alignment, expected.alignment, 1e-9);
    if (l->count > 1)
        ck_assert_double_eq_tol(found.uniformity, expected.uniformity, 1e-9);
    else
        ck_assert(isnan(found.uniformity));
    ck_assert_int_eq(found.count, l->ntxent ? 2 * l->count : l->count);
    close_compute();
    free(x);
}
END_TEST

START_TEST(test_differences)
{
    const loss_of *l = &losses[_i];
    int64_t count = size_of(l), step = count > 100 ? count / 13 : 1;
    double *x = draw(count), *gradient = malloc((size_t)count * sizeof *gradient), largest = 0;
    fst_contrastive_loss found;
    const double epsilon = 1e-6;
    open_compute();
    run(l, x, gradient, &found);
    for (int64_t i = 0; i < count; i += step) {
        double saved = x[i];
        x[i] = saved + epsilon;
        double above = run(l, x, NULL, &found);
        x[i] = saved - epsilon;
        double below = run(l, x, NULL, &found);
        x[i] = saved;
        double expected = (above - below) / (2 * epsilon);
        largest = fmax(largest, fabs(expected));
        ck_assert_msg(fabs(gradient[i] - expected) <= 1e-8 + 1e-5 * fabs(expected),
                      "loss %d: gradient[%lld] is %.12g, not %.12g", _i, (long long)i, gradient[i],
                      expected);
    }
    ck_assert_double_gt(largest, 1e-5);
    close_compute();
    free(gradient);
    free(x);
}
END_TEST

/* Of an embedding of zeros nothing is known: cosine 0, gradient 0, everything finite. */
START_TEST(test_zero_embedding)
{
    const loss_of *l = &losses[_i];
    int64_t count = size_of(l);
    double *x = draw(count), *gradient = malloc((size_t)count * sizeof *gradient);
    fst_contrastive_loss found;
    memset(x, 0, (size_t)l->width * sizeof *x);
    open_compute();
    run(l, x, gradient, &found);
    ck_assert(isfinite(found.loss));
    for (int64_t i = 0; i < l->width; ++i)
        ck_assert(gradient[i] == 0);
    close_compute();
    free(gradient);
    free(x);
}
END_TEST

int main(void)
{
    int count = (int)(sizeof losses / sizeof losses[0]);
    TCase *tcase = tcase_create("contrastive");
    tcase_add_loop_test(tcase, test_definition, 0, count);
    tcase_add_loop_test(tcase, test_differences, 0, count);
    tcase_add_loop_test(tcase, test_zero_embedding, 0, count);
    Suite *suite = suite_create("contrastive losses' gradients");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
