/* Gradients of log-probabilities and entropies of actions against central differences, in double. */
#include "nn/distribution.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { ROWS = 5, MOST = 9 };

static const int64_t counts[] = {3, 2, 4};

/* Of the cases: Discrete, MultiDiscrete, MultiBinary, Box. */
static fst_space space_of(int kind)
{
    static const int32_t kinds[] = {FST_SPACE_DISCRETE, FST_SPACE_MULTI_DISCRETE,
                                    FST_SPACE_MULTI_BINARY, FST_SPACE_BOX};
    return (fst_space){.struct_size = sizeof(fst_space), .kind = kinds[kind], .dtype = FST_F32,
                       .rank = 1, .shape = {3}, .n = 4, .counts = counts};
}

typedef struct problem {
    fst_space space;
    fst__distribution d;
    double x[ROWS * MOST], log_std[MOST], on_l[ROWS], on_h[ROWS];
    uint8_t masks[ROWS * MOST];
    int32_t chosen[ROWS * MOST];
    float drawn[ROWS * MOST];
    bool masked;
} problem;

static const void *actions_of(const problem *p)
{
    return p->d.kind == FST__GAUSSIAN ? (const void *)p->drawn : p->chosen;
}

static fst__distribution_rows rows_of(const problem *p)
{
    return (fst__distribution_rows){p->x, p->log_std, p->masked ? p->masks : NULL, ROWS};
}

static void fill(problem *p, int kind, bool masked)
{
    *p = (problem){.space = space_of(kind), .masked = masked};
    ck_assert_int_eq(fst__distribution_of(&p->space, &p->d), FST_OK);
    for (int i = 0; i < ROWS * MOST; ++i) {
        p->x[i] = 1.5 * sin(1.7 * i + 0.4);
        p->drawn[i] = (float)cos(2.3 * i);
        p->masks[i] = i % 3 != 1;
    }
    for (int i = 0; i < MOST; ++i)
        p->log_std[i] = 0.4 * sin(2.0 * i) - 0.2;
    for (int r = 0; r < ROWS; ++r) {
        p->on_l[r] = 0.3 + 0.2 * r;
        p->on_h[r] = r % 2 ? -0.7 : 0.5;
    }
    fst__distribution_rows rows = rows_of(p);
    fst__distribution_draw draw = {3, 1, 0, false};
    if (p->d.kind != FST__GAUSSIAN)
        fst__distribution_sample(&p->d, &rows, &draw, p->chosen);
    ck_assert_int_eq(fst__distribution_check(&p->d, rows.masks, actions_of(p), ROWS, "fill"), FST_OK);
}

static double objective(const problem *p)
{
    double l[ROWS], h[ROWS], sum = 0;
    fst__distribution_rows rows = rows_of(p);
    fst__distribution_evaluate(&p->d, &rows, actions_of(p), l, h);
    for (int r = 0; r < ROWS; ++r)
        sum += p->on_l[r] * l[r] + p->on_h[r] * h[r];
    return sum;
}

static void check_one(problem *p, double *value, double found)
{
    const double step = 1e-5, before = *value;
    *value = before + step;
    double up = objective(p);
    *value = before - step;
    double down = objective(p);
    *value = before;
    double expected = (up - down) / (2 * step);
    ck_assert_msg(fabs(found - expected) < 1e-8, "%.12g, expected %.12g", found, expected);
}

START_TEST(gradients)
{
    static problem p;
    fill(&p, _i / 2, _i % 2 != 0);
    double dx[ROWS * MOST], dx_of_l[ROWS * MOST], d_log_std[MOST];
    fst__distribution_rows rows = rows_of(&p);
    fst__distribution_gradient(&p.d, &rows, actions_of(&p), p.on_l, p.on_h, dx, d_log_std);
    for (int i = 0; i < ROWS * p.d.parameters; ++i)
        check_one(&p, &p.x[i], dx[i]);
    for (int i = 0; p.d.kind == FST__GAUSSIAN && i < p.d.parts; ++i)
        check_one(&p, &p.log_std[i], d_log_std[i]);
    /* Each alone adds up to both. */
    fst__distribution_gradient(&p.d, &rows, actions_of(&p), p.on_l, NULL, dx_of_l, NULL);
    memset(p.on_l, 0, sizeof p.on_l);
    double dx_of_h[ROWS * MOST];
    fst__distribution_gradient(&p.d, &rows, NULL, NULL, p.on_h, dx_of_h, NULL);
    for (int i = 0; i < ROWS * p.d.parameters; ++i)
        ck_assert(fabs(dx_of_l[i] + dx_of_h[i] - dx[i]) < 1e-14);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradient_actions");
    TCase *tests = tcase_create("actions");
    tcase_add_loop_test(tests, gradients, 0, 4); /* with masks and without */
    tcase_add_loop_test(tests, gradients, 4, 5);
    tcase_add_loop_test(tests, gradients, 6, 7);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
