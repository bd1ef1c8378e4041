/* The loss head's gradients against central differences of its own loss, for every option. */
#include "../support/loss_case.h"

static double objective(const fst__compute *compute, loss_case *c)
{
    ck_assert_int_eq(loss_run(compute, c, false), FST_OK);
    return c->head.gradient_scale * (c->result.loss + c->result.z);
}

static void check(const fst__compute *compute, loss_case *c, fst__matrix input,
                  fst__matrix gradient, const char *name)
{
    const double epsilon = 1e-6;
    for (int64_t at = 0; input.data && at < input.rows * input.columns; ++at) {
        int64_t i = at / input.columns, j = at % input.columns;
        fst__real *value = fst__matrix_at(input, i, j), saved = *value;
        *value = saved + epsilon;
        double above = objective(compute, c);
        *value = saved - epsilon;
        double below = objective(compute, c);
        *value = saved;
        double expected = (above - below) / (2 * epsilon), got = case_get(gradient, i, j);
        ck_assert_msg(fabs(got - expected) <= 1e-5 + 1e-3 * fabs(expected),
                      "%s[%d, %d] is %.9g, not %.9g", name, (int)i, (int)j, got, expected);
    }
}

/* All 32 combinations of smoothing, z-loss, weights, ignored rows and bias. */
START_TEST(test_gradients)
{
    fst__compute *compute = case_compute(2);
    loss_case c = loss_create(11, 3, 7, _i, _i % 3, FST__REAL_DTYPE);
    memset(c.dweight.data, 0, (size_t)(7 * 3) * sizeof(fst__real));
    memset(c.dbias.data, 0, 7 * sizeof(fst__real));
    ck_assert_int_eq(loss_run(compute, &c, true), FST_OK);
    check(compute, &c, c.hidden, c.dhidden, "dhidden");
    check(compute, &c, c.weight, c.dweight, "dweight");
    check(compute, &c, c.bias, c.dbias, "dbias");
    loss_destroy(&c);
    case_close(compute);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("loss head");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_gradients, 0, 32);
    Suite *suite = suite_create("loss head gradients");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
