/*
 * Low-rank adapters against central differences of their forward, in double; the layer's own
 * product stands around them as it does in a model. The adapter's outputs are a range of columns of
 * a wider matrix. DoRA's norm is a constant of the loss, as it is in backward.
 */
#include "base/random.h"
#include "fourstage/context.h"
#include "nn/linear.h"
#include "nn/lora.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { WIDE = 3, MEMORY = 1 << 20 };

static fst__allocator allocator;
static double memory[MEMORY];
static size_t used;
static uint64_t drawn;
static char scratch_memory[1 << 23];

static fst__compute *compute_of(int32_t workers)
{
    fst__pool *pool = NULL;
    fst__compute *compute = NULL;
    ck_assert_int_eq(fst__pool_create(&allocator, workers, &pool), FST_OK);
    ck_assert_int_eq(fst__compute_create(&allocator, pool, FST_PROVIDER_REFERENCE, &compute), FST_OK);
    return compute;
}

static void destroy(fst__compute *compute)
{
    fst__pool *pool = compute->pool;
    fst__compute_destroy(&allocator, compute);
    fst__pool_destroy(pool);
}

static fst__matrix normal(int64_t rows, int64_t columns)
{
    fst__matrix m = fst__matrix_of(memory + used, rows, columns, FST__REAL_DTYPE);
    used += (size_t)(rows * columns);
    ck_assert(used <= MEMORY);
    for (int64_t i = 0; i < rows * columns; ++i)
        ((double *)m.data)[i] = fst__normal(fst__philox(6, 1, 0, drawn++), 0);
    return m;
}

static fst__matrix copy_of(fst__matrix from)
{
    fst__matrix m = normal(from.rows, from.columns);
    memcpy(m.data, from.data, (size_t)(m.rows * m.columns) * sizeof(double));
    return m;
}

/* The loss is Σ weighting ⊙ y. */
typedef struct lora_case {
    fst__compute *compute;
    fst__lora lora;
    bool decomposed;
    fst__matrix x, weight, bias, magnitude, norm, gain;
    fst__matrix all, weighting; /* [R, O + 2·WIDE]: y in the middle */
} lora_case;

static fst__matrix y_of(const lora_case *c, fst__matrix all)
{
    return fst__matrix_columns(all, WIDE, c->weight.rows);
}

static void forward(lora_case *c)
{
    int64_t outputs = c->weight.rows;
    for (int64_t o = 0; c->decomposed && o < outputs; ++o)
        ((double *)c->gain.data)[o] =
            ((double *)c->magnitude.data)[o] / ((double *)c->norm.data)[o];
    size_t size = fst__lora_scratch(c->x.rows, c->x.columns, outputs, c->lora.a.rows,
                                    FST__REAL_DTYPE, fst__dropout_on(&c->lora.dropout),
                                    c->decomposed, false);
    ck_assert(size <= sizeof scratch_memory);
    fst__arena scratch = fst__arena_over(scratch_memory, size);
    ck_assert_int_eq(fst__linear_forward(c->compute, c->x, c->weight, c->bias.data, y_of(c, c->all)),
                     FST_OK);
    ck_assert_int_eq(fst__lora_forward(c->compute, &c->lora, c->x, y_of(c, c->all), &scratch),
                     FST_OK);
    ck_assert(scratch.used == 0);
}

static double loss(lora_case *c)
{
    double total = 0;
    fst__matrix y = y_of(c, c->all), w = y_of(c, c->weighting);
    forward(c);
    for (int64_t r = 0; r < y.rows; ++r)
        for (int64_t o = 0; o < y.columns; ++o)
            total += *(double *)fst__matrix_at(y, r, o) * *(double *)fst__matrix_at(w, r, o);
    return total;
}

static lora_case make(int64_t rows, int64_t inputs, int64_t outputs, int64_t rank, bool decomposed,
                      double dropout)
{
    used = 0;
    drawn = 0;
    lora_case c = {
        .decomposed = decomposed,
        .x = normal(rows, inputs),
        .weight = normal(outputs, inputs),
        .bias = normal(1, outputs),
        .magnitude = normal(1, outputs),
        .norm = normal(1, outputs),
        .gain = normal(1, outputs),
        .all = normal(rows, outputs + 2 * WIDE),
        .weighting = normal(rows, outputs + 2 * WIDE),
        .lora = {.a = normal(rank, inputs), .b = normal(outputs, rank), .scale = 0.7,
                 .dropout = {.probability = dropout, .seed = 3, .step = 2, .first_index = 1000}},
    };
    if (!decomposed)
        return c;
    c.lora.norm = c.norm.data;
    c.lora.gain = c.gain.data;
    c.lora.bias = c.bias.data;
    for (int64_t o = 0; o < outputs; ++o)
        ((double *)c.norm.data)[o] = 1 + fabs(((double *)c.norm.data)[o]);
    return c;
}

typedef struct gradients {
    fst__matrix x, a, b, magnitude;
} gradients;

static gradients backward(lora_case *c)
{
    int64_t rows = c->x.rows, inputs = c->x.columns, outputs = c->weight.rows;
    gradients d = {normal(rows, inputs), normal(c->lora.a.rows, inputs),
                   normal(outputs, c->lora.a.rows), normal(1, outputs)};
    fst__lora_gradients into = {d.a.data, d.b.data, d.magnitude.data};
    memset(d.a.data, 0, (size_t)(d.a.rows * d.a.columns) * sizeof(double));
    memset(d.b.data, 0, (size_t)(d.b.rows * d.b.columns) * sizeof(double));
    memset(d.magnitude.data, 0, (size_t)outputs * sizeof(double));
    size_t size = fst__lora_scratch(rows, inputs, outputs, c->lora.a.rows, FST__REAL_DTYPE,
                                    fst__dropout_on(&c->lora.dropout), c->decomposed, true);
    ck_assert(size <= sizeof scratch_memory);
    fst__arena scratch = fst__arena_over(scratch_memory, size);
    fst__matrix kept = copy_of(c->weighting), dy = y_of(c, kept), du = normal(rows, c->lora.a.rows);
    ck_assert_int_eq(fst__lora_backward(c->compute, &c->lora, c->x, c->weight, dy, &into, du,
                                        &scratch),
                     FST_OK);
    ck_assert_int_eq(fst__linear_backward(c->compute, c->x, c->weight, dy, &d.x, NULL, NULL,
                                          &scratch),
                     FST_OK);
    ck_assert_int_eq(fst__lora_backward_input(c->compute, &c->lora, du, d.x, &scratch), FST_OK);
    /* The columns beside the adapter's are none of its business. */
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t o = 0; o < WIDE; ++o)
            ck_assert(*(double *)fst__matrix_at(kept, r, o) ==
                      *(double *)fst__matrix_at(c->weighting, r, o));
    return d;
}

static void compare(const char *what, lora_case *c, fst__matrix value, fst__matrix gradient)
{
    const double epsilon = 1e-6;
    int64_t count = value.rows * value.columns, step = count > 60 ? count / 41 : 1;
    for (int64_t i = 0; i < count; i += step) {
        double *at = (double *)value.data + i, kept = *at;
        *at = kept + epsilon;
        double above = loss(c);
        *at = kept - epsilon;
        double below = loss(c);
        *at = kept;
        double numeric = (above - below) / (2 * epsilon), analytic = ((double *)gradient.data)[i];
        if (!(fabs(numeric - analytic) <= 2e-5 + 1e-3 * fabs(numeric)))
            ck_abort_msg("%s [%d]: backward %.10g, differences %.10g", what, (int)i, analytic,
                         numeric);
    }
}

static void check(int64_t rows, int64_t inputs, int64_t outputs, int64_t rank, bool decomposed,
                  double dropout)
{
    lora_case c = make(rows, inputs, outputs, rank, decomposed, dropout);
    c.compute = compute_of(2);
    forward(&c);
    gradients d = backward(&c);
    compare("A", &c, c.lora.a, d.a);
    compare("B", &c, c.lora.b, d.b);
    if (decomposed)
        compare("magnitude", &c, c.magnitude, d.magnitude);
    if (!decomposed || dropout == 0)
        compare("x", &c, c.x, d.x);
    destroy(c.compute);
}

START_TEST(plain)
{
    check(9, 7, 6, 3, false, 0);
    check(1, 1, 1, 1, false, 0);
    check(1100, 5, 4, 2, false, 0);
    check(9, 7, 6, 3, false, 0.3);
    check(1100, 5, 4, 2, false, 0.3); /* two blocks */
}
END_TEST

START_TEST(decomposed)
{
    check(9, 7, 6, 3, true, 0);
    check(1100, 5, 4, 2, true, 0);
    check(9, 7, 6, 3, true, 0.3);
    check(9, 1030, 3, 2, true, 0);
}
END_TEST

static void same(const char *what, fst__matrix a, fst__matrix b)
{
    if (memcmp(a.data, b.data, (size_t)(a.rows * a.columns) * sizeof(double)))
        ck_abort_msg("%s differs between one worker and three", what);
}

START_TEST(any_number_of_workers)
{
    lora_case c = make(1500, 40, 30, 4, _i, 0.2);
    c.compute = compute_of(1);
    forward(&c);
    fst__matrix y = copy_of(c.all);
    gradients one = backward(&c);
    destroy(c.compute);
    c.compute = compute_of(3);
    forward(&c);
    gradients three = backward(&c);
    same("y", y, c.all);
    same("dx", one.x, three.x);
    same("dA", one.a, three.a);
    same("dB", one.b, three.b);
    same("dm", one.magnitude, three.magnitude);
    destroy(c.compute);
}
END_TEST

/* ‖W + s·B·A‖, a gain of exactly 1 for B = 0, and the merged weight's output. */
START_TEST(norm_and_merge)
{
    lora_case c = make(5, 12, 300, 3, _i, 0);
    c.compute = compute_of(2);
    size_t size = fst__lora_weight_scratch(12, 300);
    fst__arena scratch = fst__arena_over(scratch_memory, size);
    for (int zero = 1; zero >= 0 && _i; --zero) {
        fst__matrix b = copy_of(c.lora.b);
        if (zero)
            memset(b.data, 0, 300 * 3 * sizeof(double));
        fst__lora lora = c.lora;
        lora.b = b;
        ck_assert_int_eq(fst__lora_gain(c.compute, &lora, c.weight, NULL, c.norm.data, NULL,
                                        &scratch),
                         FST_OK);
        for (int o = 0; o < 300; ++o) {
            double squares = 0;
            for (int i = 0; i < 12; ++i) {
                double w = *(double *)fst__matrix_at(c.weight, o, i);
                for (int k = 0; k < 3; ++k)
                    w += 0.7 * *(double *)fst__matrix_at(b, o, k) *
                         *(double *)fst__matrix_at(c.lora.a, k, i);
                squares += w * w;
            }
            ck_assert(fabs(((double *)c.norm.data)[o] - sqrt(squares)) < 1e-12);
        }
        if (!zero)
            break;
        ck_assert_int_eq(fst__lora_gain(c.compute, &lora, c.weight, c.norm.data, c.norm.data,
                                        c.gain.data, &scratch),
                         FST_OK);
        for (int o = 0; o < 300; ++o)
            ck_assert(((double *)c.gain.data)[o] == 1);
    }
    forward(&c);
    fst__matrix y = copy_of(c.all), merged = normal(5, 300);
    ck_assert_int_eq(fst__lora_merge(c.compute, &c.lora, c.weight, &scratch), FST_OK);
    ck_assert_int_eq(fst__linear_forward(c.compute, c.x, c.weight, c.bias.data, merged), FST_OK);
    y = y_of(&c, y);
    for (int r = 0; r < 5; ++r)
        for (int o = 0; o < 300; ++o)
            ck_assert(fabs(*(double *)fst__matrix_at(y, r, o) -
                           *(double *)fst__matrix_at(merged, r, o)) < 1e-10);
    destroy(c.compute);
}
END_TEST

START_TEST(without_scratch)
{
    lora_case c = make(4, 3, 2, 1, true, 0);
    c.compute = compute_of(1);
    fst__lora_gradients into = {0};
    fst__matrix du = normal(4, 1);
    fst__arena scratch = fst__arena_over(scratch_memory, 8);
    ck_assert_int_eq(fst__lora_forward(c.compute, &c.lora, c.x, y_of(&c, c.all), &scratch),
                     FST_ERR_INTERNAL);
    scratch = fst__arena_over(scratch_memory, 8);
    ck_assert_int_eq(fst__lora_backward(c.compute, &c.lora, c.x, c.weight, y_of(&c, c.all), &into, du,
                                        &scratch),
                     FST_ERR_INTERNAL);
    destroy(c.compute);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("lora");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, plain);
    tcase_add_test(tcase, decomposed);
    tcase_add_loop_test(tcase, any_number_of_workers, 0, 2);
    tcase_add_loop_test(tcase, norm_and_merge, 0, 2);
    tcase_add_test(tcase, without_scratch);
    Suite *suite = suite_create("lora");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
