/* Attention's gradients against central differences: L = Σ dout∘out, every element of q, k, v. */
#include "../support/attention_case.h"

static double objective(const fst__compute *compute, attention_case *c)
{
    double total = 0;
    ck_assert_int_eq(case_forward(compute, c), FST_OK);
    for (int64_t i = 0; i < c->out.rows; ++i)
        for (int64_t j = 0; j < c->out.columns; ++j)
            total += case_get(c->out, i, j) * case_get(c->dout, i, j);
    return total;
}

/* PyTorch's gradcheck tolerances. Elements are visited in steps of `stride`. */
static void check(const fst__compute *compute, attention_case *c, fst__matrix input,
                  fst__matrix gradient, int64_t stride, char name)
{
    const double epsilon = 1e-6;
    for (int64_t at = 0; at < input.rows * input.columns; at += stride) {
        int64_t i = at / input.columns, j = at % input.columns;
        fst__real *value = fst__matrix_at(input, i, j), saved = *value;
        *value = saved + epsilon;
        double above = objective(compute, c);
        *value = saved - epsilon;
        double below = objective(compute, c);
        *value = saved;
        double expected = (above - below) / (2 * epsilon), got = case_get(gradient, i, j);
        ck_assert_msg(fabs(got - expected) <= 1e-5 + 1e-3 * fabs(expected),
                      "d%c[%d, %d] is %.9g, not %.9g", name, (int)i, (int)j, got, expected);
    }
}

typedef struct shape {
    int64_t batch, heads, kv_heads, head_size, queries, keys, gap, stride;
    double dropout;
} shape;

/* The last two cross the tiles' edges, where only some elements are visited. */
static const shape shapes[] = {
    {1, 1, 1, 3, 4, 4, 0, 1, 0},        {2, 2, 2, 3, 5, 5, 2, 1, 0},
    {2, 4, 2, 2, 6, 6, 1, 1, 0},        {1, 4, 1, 3, 5, 9, 0, 1, 0},
    {2, 2, 1, 3, 7, 7, 3, 1, 0.3},      {9, 2, 1, 2, 3, 3, 0, 1, 0.3},
    {1, 2, 1, 2, 130, 300, 0, 61, 0.1}, {1, 1, 1, 2, 70, 600, 1, 67, 0},
};

START_TEST(test_gradients)
{
    shape s = shapes[_i / MASKS];
    fst__compute *compute = case_compute(2);
    attention_case c = case_create(s.batch, s.heads, s.kv_heads, s.head_size, s.queries, s.keys,
                                   _i % MASKS, s.gap, FST__REAL_DTYPE);
    c.a.scale = 0.8;
    c.a.dropout = (fst__dropout){s.dropout, 12, 4, 77};
    ck_assert_int_eq(case_forward(compute, &c), FST_OK);
    ck_assert_int_eq(case_backward(compute, &c), FST_OK);
    check(compute, &c, c.q, c.dq, s.stride, 'q');
    check(compute, &c, c.k, c.dk, s.stride, 'k');
    check(compute, &c, c.v, c.dv, s.stride, 'v');
    case_destroy(&c);
    case_close(compute);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("attention");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_gradients, 0, (int)(sizeof shapes / sizeof *shapes) * MASKS);
    Suite *suite = suite_create("attention gradients");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
