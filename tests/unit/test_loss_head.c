/* The fused output layer and loss against both written out, over several blocks of rows. */
#include "../support/loss_case.h"

#include "base/error.h"

static void check_close(double got, double expected, double tolerance, const char *what)
{
    ck_assert_msg(fabs(got - expected) <= tolerance * (1 + fabs(expected)), "%s: %.9g, not %.9g",
                  what, got, expected);
}

/* before: dweight and dbias as they were, since the run adds to them. */
static void check_case(const loss_case *c, const double *dweight, const double *dbias,
                       bool gradient, double tolerance)
{
    int64_t v = c->vocabulary, width = c->width;
    double *x = calloc((size_t)v, sizeof *x), *dx = calloc((size_t)v, sizeof *dx);
    double *dw = malloc((size_t)(v * width) * sizeof *dw), *db = malloc((size_t)v * sizeof *db);
    memcpy(dw, dweight, (size_t)(v * width) * sizeof *dw);
    memcpy(db, dbias, (size_t)v * sizeof *db);
    fst__loss_result expected = {0};
    for (int64_t i = 0; i < c->rows; ++i) {
        double logprob, entropy;
        reference_loss_row(c, i, x, dx, &expected, &logprob, &entropy);
        check_close((double)c->logprob[i], logprob, tolerance, "log-probability");
        check_close((double)c->entropy[i], entropy, tolerance, "entropy");
        for (int64_t k = 0; k < width && gradient; ++k) {
            double dh = 0;
            for (int64_t j = 0; j < v; ++j)
                dh += dx[j] * case_get(c->weight, j, k);
            check_close(case_get(c->dhidden, i, k), dh, tolerance, "dhidden");
        }
        for (int64_t j = 0; j < v; ++j) {
            db[j] += dx[j];
            for (int64_t k = 0; k < width; ++k)
                dw[j * width + k] += dx[j] * case_get(c->hidden, i, k);
        }
    }
    for (int64_t j = 0; j < v && gradient; ++j) {
        check_close(case_get(c->dbias, 0, j), db[j], tolerance, "dbias");
        for (int64_t k = 0; k < width; ++k)
            check_close(case_get(c->dweight, j, k), dw[j * width + k], tolerance, "dweight");
    }
    double sum_tolerance = tolerance * sqrt((double)c->rows);
    check_close(c->result.loss, expected.loss, sum_tolerance, "loss");
    check_close(c->result.z, expected.z, sum_tolerance, "z loss");
    check_close(c->result.weight, expected.weight, 1e-12, "weight");
    ck_assert_int_eq(c->result.rows, expected.rows);
    ck_assert_int_eq(c->result.correct, expected.correct);
    ck_assert(case_gaps_untouched(c->dhidden));
    free(x);
    free(dx);
    free(dw);
    free(db);
}

static double *copy(fst__matrix matrix)
{
    double *values = malloc((size_t)(matrix.rows * matrix.columns) * sizeof *values);
    for (int64_t i = 0; i < matrix.rows * matrix.columns; ++i)
        values[i] = case_get(matrix, i / matrix.columns, i % matrix.columns);
    return values;
}

static void run_and_check(loss_case *c, int32_t workers, bool gradient, double tolerance)
{
    fst__compute *compute = case_compute(workers);
    double *dweight = copy(c->dweight), *dbias = copy(c->dbias);
    ck_assert_int_eq(loss_run(compute, c, gradient), FST_OK);
    check_case(c, dweight, dbias, gradient, tolerance);
    free(dweight);
    free(dbias);
    case_close(compute);
}

typedef struct shape {
    int64_t rows, width, vocabulary, gap;
} shape;

/* The second has 1024 rows to a block, the last but one 32. */
static const shape shapes[] = {
    {1, 3, 2, 0}, {1100, 4, 10, 2}, {70, 16, 1500, 0}, {40, 2, 250000, 1}, {5, 8, 1, 0}};
enum { SHAPES = sizeof shapes / sizeof *shapes };
static const int option_sets[] = {0,
                                  LOSS_BIAS,
                                  LOSS_IGNORED | LOSS_BIAS,
                                  LOSS_SMOOTH | LOSS_WEIGHTS,
                                  LOSS_Z | LOSS_IGNORED,
                                  LOSS_SMOOTH | LOSS_Z | LOSS_WEIGHTS | LOSS_IGNORED | LOSS_BIAS};
enum { OPTION_SETS = sizeof option_sets / sizeof *option_sets };

START_TEST(test_float)
{
    shape s = shapes[_i / OPTION_SETS];
    int options = option_sets[_i % OPTION_SETS];
    loss_case c = loss_create(s.rows, s.width, s.vocabulary, options, s.gap, FST__REAL_DTYPE);
    run_and_check(&c, 2, true, 2e-5);
    run_and_check(&c, 1, false, 2e-5);
    loss_destroy(&c);
}
END_TEST

START_TEST(test_bf16)
{
    loss_case c = loss_create(70, 32, 1500, option_sets[_i], 3, FST_BF16);
    run_and_check(&c, 2, true, 0.01);
    loss_destroy(&c);
}
END_TEST

START_TEST(test_workers)
{
    loss_case c[4];
    for (int w = 0; w < 4; ++w) {
        fst__compute *compute = case_compute(w + 1);
        c[w] = loss_create(300, 24, 50000, LOSS_IGNORED | LOSS_BIAS | LOSS_WEIGHTS, 0,
                           _i ? FST_BF16 : FST__REAL_DTYPE);
        ck_assert_int_eq(loss_run(compute, &c[w], true), FST_OK);
        ck_assert(memcmp(&c[0].result, &c[w].result, sizeof c[w].result) == 0);
        fst__matrix a[] = {c[0].dhidden, c[0].dweight, c[0].dbias};
        fst__matrix b[] = {c[w].dhidden, c[w].dweight, c[w].dbias};
        for (int i = 0; i < 3; ++i)
            ck_assert(memcmp(a[i].data, b[i].data,
                             (size_t)(a[i].rows * a[i].stride) * fst__element_size(a[i].dtype)) ==
                      0);
        case_close(compute);
    }
    for (int w = 0; w < 4; ++w)
        loss_destroy(&c[w]);
}
END_TEST

START_TEST(test_all_ignored)
{
    fst__compute *compute = case_compute(1);
    loss_case c = loss_create(9, 4, 5, 0, 0, FST__REAL_DTYPE);
    for (int i = 0; i < 9; ++i)
        c.targets[i] = -100;
    double *dweight = copy(c.dweight);
    ck_assert_int_eq(loss_run(compute, &c, true), FST_OK);
    ck_assert(c.result.loss == 0 && c.result.rows == 0 && c.result.weight == 0);
    for (int64_t i = 0; i < 9 * 4; ++i)
        ck_assert(case_get(c.dhidden, i / 4, i % 4) == 0);
    for (int64_t i = 0; i < 5 * 4; ++i)
        ck_assert(case_get(c.dweight, i / 4, i % 4) == dweight[i]);
    free(dweight);
    loss_destroy(&c);
    case_close(compute);
}
END_TEST

START_TEST(test_target_out_of_range)
{
    fst__compute *compute = case_compute(1);
    loss_case c = loss_create(9, 4, 5, 0, 0, FST__REAL_DTYPE);
    c.targets[7] = 5;
    ck_assert_int_eq(loss_run(compute, &c, true), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst__error_text(), "target 5 of row 7"));
    loss_destroy(&c);
    case_close(compute);
}
END_TEST

/* A logit that is not finite makes the loss NaN, unless it is -inf, whose probability is 0. */
START_TEST(test_not_finite)
{
    static const double values[] = {NAN, INFINITY, -INFINITY};
    fst__compute *compute = case_compute(1);
    loss_case c = loss_create(6, 4, 3000, LOSS_BIAS, 0, FST__REAL_DTYPE);
    c.targets[0] = 11;
    for (int i = 0; i < 6; ++i)
        c.targets[i] = 11;
    ((fst__real *)c.bias.data)[2000] = (fst__real)values[_i];
    ck_assert_int_eq(loss_run(compute, &c, true), FST_OK);
    ck_assert_int_eq(isnan(c.result.loss) != 0, values[_i] != -INFINITY);
    ck_assert_int_eq(isnan((double)c.entropy[3]) != 0, values[_i] != -INFINITY);
    ck_assert_int_eq(isnan(case_get(c.dhidden, 3, 0)) != 0, values[_i] != -INFINITY);
    loss_destroy(&c);
    case_close(compute);
}
END_TEST

/* Of equal logits the first is the one predicted. */
START_TEST(test_ties)
{
    fst__compute *compute = case_compute(1);
    int32_t targets[4] = {0, 1, 2, -1};
    fst__real logits[4 * 4] = {5, 5, 1, 0, 5, 5, 1, 0, 1, 2, 7, 7, 0, 0, 0, 0};
    fst__loss_head head = {.targets = targets, .gradient_scale = 1};
    fst__loss_result result;
    char block[1024];
    ck_assert_uint_le(fst__cross_entropy_scratch(4), sizeof block);
    fst__arena arena = fst__arena_over(block, sizeof block);
    fst__matrix matrix = fst__matrix_of(logits, 4, 4, FST__REAL_DTYPE);
    ck_assert_int_eq(
        fst__cross_entropy_rows(compute, &head, matrix, NULL, true, NULL, NULL, &arena, &result),
        FST_OK);
    ck_assert_int_eq(result.correct, 2);
    ck_assert_int_eq(result.rows, 3);
    ck_assert_double_eq_tol((double)logits[0] + 1, (double)logits[1], 1e-6);
    for (int j = 0; j < 4; ++j)
        ck_assert(logits[3 * 4 + j] == 0);
    case_close(compute);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("loss head");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_float, 0, SHAPES * OPTION_SETS);
    tcase_add_loop_test(tcase, test_bf16, 0, OPTION_SETS);
    tcase_add_loop_test(tcase, test_workers, 0, 2);
    tcase_add_test(tcase, test_all_ignored);
    tcase_add_test(tcase, test_target_out_of_range);
    tcase_add_loop_test(tcase, test_not_finite, 0, 3);
    tcase_add_test(tcase, test_ties);
    Suite *suite = suite_create("loss head");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
