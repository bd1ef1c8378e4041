/*
 * Convolution, batch norm and max pooling in double: forward against plain sums over the definition,
 * backward against central differences. The loss is a fixed random weighting of the outputs.
 */
#include "base/random.h"
#include "fourstage/context.h"
#include "nn/batch_norm.h"
#include "nn/convolution.h"
#include "nn/pool.h"
#include "../support/plain_convolution.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double epsilon = 1e-6, absolute = 1e-5, relative = 1e-3, start = 0.25;

static fst__allocator allocator;
static fst__compute *compute;
static uint64_t drawn;
static char scratch_memory[1 << 22];

static void setup(void)
{
    fst__pool *pool = NULL;
    ck_assert_int_eq(fst__pool_create(&allocator, 2, &pool), FST_OK);
    ck_assert_int_eq(fst__compute_create(&allocator, pool, FST_PROVIDER_REFERENCE, &compute),
                     FST_OK);
}

static void teardown(void)
{
    fst__pool *pool = compute->pool;
    fst__compute_destroy(&allocator, compute);
    fst__pool_destroy(pool);
}

static fst__matrix filled(int64_t rows, int64_t columns, double value)
{
    double *data = malloc((size_t)(rows * columns) * sizeof *data);
    ck_assert_ptr_nonnull(data);
    for (int64_t i = 0; i < rows * columns; ++i)
        data[i] = value;
    return fst__matrix_of(data, rows, columns, FST__REAL_DTYPE);
}

static fst__matrix normal(int64_t rows, int64_t columns)
{
    fst__matrix m = filled(rows, columns, 0);
    for (int64_t i = 0; i < rows * columns; ++i)
        ((double *)m.data)[i] = fst__normal(fst__philox(5, 1, 0, drawn++), 0);
    return m;
}

static double weighted(fst__matrix weight, fst__matrix y)
{
    double total = 0;
    for (int64_t i = 0; i < y.rows * y.columns; ++i)
        total += ((double *)weight.data)[i] * ((double *)y.data)[i];
    return total;
}

/* gradient − base against differences of loss in each element of value; of many, in some 100. */
static void check_gradient(const char *what, double (*loss)(void *), void *context,
                           fst__matrix value, fst__matrix gradient, double base)
{
    int64_t count = value.rows * value.columns, step = count > 150 ? count / 97 : 1;
    for (int64_t e = 0; e < count; e += step) {
        double *place = (double *)value.data + e, kept = *place;
        *place = kept + epsilon;
        double above = loss(context);
        *place = kept - epsilon;
        double below = loss(context);
        *place = kept;
        double numeric = (above - below) / (2 * epsilon);
        double analytic = ((double *)gradient.data)[e] - base;
        if (!(fabs(numeric - analytic) <= absolute + relative * fabs(numeric)))
            ck_abort_msg("%s [%d]: backward %.10g, differences %.10g", what, (int)e, analytic,
                         numeric);
    }
}

static fst__arena scratch_of(size_t size)
{
    ck_assert(size <= sizeof scratch_memory);
    return fst__arena_over(scratch_memory, size);
}

/* ---- convolution */

typedef struct convolution_case {
    fst__convolution shape;
    fst__matrix x, weight, y, loss_weight;
} convolution_case;

static double convolution_loss(void *context)
{
    convolution_case *c = context;
    fst__arena scratch =
        scratch_of(fst__convolution_forward_scratch(compute, &c->shape, FST__REAL_DTYPE));
    ck_assert_int_eq(fst__convolution_forward(compute, &c->shape, c->x, c->weight, c->y, NULL,
                                              &scratch),
                     FST_OK);
    return weighted(c->loss_weight, c->y);
}

static const fst__convolution shapes[] = {
    {2, 7, 5, 3, 4, 3, 1, 1},   {2, 7, 6, 3, 4, 3, 2, 1}, {3, 5, 4, 4, 6, 1, 1, 0},
    {2, 7, 8, 4, 5, 1, 2, 0},   {1, 11, 9, 2, 3, 7, 2, 3}, {2, 6, 6, 1, 3, 5, 3, 2},
    {2, 3, 2, 24, 3, 3, 1, 1},  {1, 1, 1, 2, 3, 3, 1, 1}, {1, 9, 8, 2, 2, 3, 3, 0},
    {9, 12, 12, 2, 3, 3, 1, 2}, {2, 8, 8, 3, 2, 2, 2, 0}, {2, 5, 7, 3, 2, 1, 3, 0},
};

START_TEST(convolution)
{
    fst__convolution s = shapes[_i];
    int64_t rows = s.batch * s.height * s.width, patch = fst__convolution_patch(&s);
    convolution_case c = {.shape = s, .x = normal(rows, s.channels),
                          .weight = normal(s.outputs, patch)};
    c.y = filled(fst__convolution_rows(&s), s.outputs, NAN);
    c.loss_weight = normal(c.y.rows, c.y.columns);
    convolution_loss(&c);
    fst__matrix expected = filled(c.y.rows, c.y.columns, 0);
    plain_convolution(&s, c.x.data, c.weight.data, expected.data);
    for (int64_t i = 0; i < c.y.rows * c.y.columns; ++i)
        ck_assert_double_eq_tol(((double *)c.y.data)[i], ((double *)expected.data)[i], 1e-12);

    fst__matrix dx = filled(rows, s.channels, NAN), added = filled(rows, s.channels, start);
    fst__matrix dweight = filled(s.outputs, patch, start);
    fst__arena scratch =
        scratch_of(fst__convolution_backward_scratch(compute, &s, FST__REAL_DTYPE));
    ck_assert_int_eq(fst__convolution_backward(compute, &s, c.x, c.weight, c.loss_weight, &dx,
                                               false, dweight.data, &scratch),
                     FST_OK);
    ck_assert_int_eq(fst__convolution_backward(compute, &s, c.x, c.weight, c.loss_weight, &added,
                                               true, NULL, &scratch),
                     FST_OK);
    ck_assert_uint_eq(scratch.used, 0);
    check_gradient("dx", convolution_loss, &c, c.x, dx, 0);
    check_gradient("dx added", convolution_loss, &c, c.x, added, start);
    check_gradient("dweight", convolution_loss, &c, c.weight, dweight, start);
    free(c.x.data), free(c.weight.data), free(c.y.data), free(c.loss_weight.data);
    free(expected.data), free(dx.data), free(added.data), free(dweight.data);
}
END_TEST

/* ---- batch norm: in training, on running statistics; with ReLU and residual */

typedef struct norm_case {
    fst__matrix x, gamma, beta, onto, y, mean, rstd, running_mean, running_variance, loss_weight;
    bool training, residual, relu, affine;
} norm_case;

static fst__batch_norm norm_of(const norm_case *c)
{
    return (fst__batch_norm){
        .channels = c->x.columns,
        .epsilon = 1e-2,
        .gamma = c->affine ? c->gamma.data : NULL,
        .beta = c->affine ? c->beta.data : NULL,
    };
}

static double norm_loss(void *context)
{
    norm_case *c = context;
    fst__batch_norm norm = norm_of(c);
    fst__arena scratch = fst__arena_over(scratch_memory, sizeof scratch_memory);
    fst__batch_sums sums;
    ck_assert(fst__batch_sums_take(&scratch, compute, c->x.rows, c->x.columns, 0, &sums));
    fst__real *mean = c->mean.data;
    if (c->training) {
        fst__batch_sums_gather(compute, &sums, c->x);
        fst__batch_norm_moments(compute, &norm, &sums, c->mean.data, c->rstd.data, .1, NULL, NULL);
    } else {
        mean = c->running_mean.data;
        fst__batch_norm_running(&norm, c->running_variance.data, c->rstd.data);
    }
    fst__batch_norm_forward(compute, &norm, c->x, mean, c->rstd.data,
                            c->residual ? &c->onto : NULL, c->relu, c->y);
    return weighted(c->loss_weight, c->y);
}

START_TEST(batch_norm)
{
    static const int64_t sizes[][2] = {{23, 5}, {60, 16}, {37, 50}, {9, 4100}};
    int64_t rows = sizes[_i % 4][0], channels = sizes[_i % 4][1];
    norm_case c = {
        .training = !(_i / 4 & 1), .relu = _i / 4 & 2, .residual = _i / 4 & 4,
        .affine = _i != 0, .x = normal(rows, channels), .gamma = normal(1, channels),
        .beta = normal(1, channels), .onto = normal(rows, channels),
        .y = filled(rows, channels, NAN), .mean = filled(1, channels, NAN),
        .rstd = filled(1, channels, NAN), .running_mean = normal(1, channels),
        .running_variance = filled(1, channels, 1.7), .loss_weight = normal(rows, channels),
    };
    norm_loss(&c);
    fst__batch_norm norm = norm_of(&c);
    fst__matrix dx = filled(rows, channels, NAN), masked = filled(rows, channels, NAN);
    fst__matrix dgamma = filled(1, channels, start), dbeta = filled(1, channels, start);
    fst__arena scratch = scratch_of(fst__batch_norm_backward_scratch(rows, channels));
    bool done = fst__batch_norm_backward(
        compute, &norm, c.x, c.training ? c.mean.data : c.running_mean.data, c.rstd.data,
        c.training, c.relu, c.relu && (c.residual || _i % 3) ? &c.y : NULL, c.loss_weight, dx, c.residual ? &masked : NULL,
        c.affine ? dgamma.data : NULL, c.affine ? dbeta.data : NULL, &scratch);
    ck_assert(done && scratch.used == 0);
    check_gradient("dx", norm_loss, &c, c.x, dx, 0);
    if (c.residual)
        check_gradient("masked", norm_loss, &c, c.onto, masked, 0);
    if (c.affine) {
        check_gradient("dgamma", norm_loss, &c, c.gamma, dgamma, start);
        check_gradient("dbeta", norm_loss, &c, c.beta, dbeta, start);
    }
    fst__matrix *all[] = {&c.x, &c.gamma, &c.beta, &c.onto, &c.y, &c.mean, &c.rstd,
                          &c.running_mean, &c.running_variance, &c.loss_weight, &dx, &masked,
                          &dgamma, &dbeta};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        free(all[i]->data);
}
END_TEST

/* ---- max pooling */

typedef struct pool_case {
    fst__max_pool shape;
    fst__matrix x, y, loss_weight;
    uint8_t *taps;
} pool_case;

static double pool_loss(void *context)
{
    pool_case *c = context;
    fst__max_pool_forward(compute, &c->shape, c->x, c->y, c->taps);
    return weighted(c->loss_weight, c->y);
}

START_TEST(max_pool)
{
    static const fst__max_pool pools[] = {
        {2, 7, 6, 5, 3, 2, 1}, {1, 8, 8, 3, 2, 2, 0}, {2, 5, 4, 3, 3, 1, 1}, {1, 6, 9, 2, 3, 3, 0}};
    fst__max_pool s = pools[_i];
    int64_t rows = s.batch * fst__max_pool_height(&s) * fst__max_pool_width(&s);
    pool_case c = {.shape = s, .x = normal(s.batch * s.height * s.width, s.channels),
                   .y = filled(rows, s.channels, NAN), .loss_weight = normal(rows, s.channels),
                   .taps = malloc((size_t)(rows * s.channels))};
    pool_loss(&c);
    fst__matrix dx = filled(c.x.rows, c.x.columns, NAN);
    fst__max_pool_backward(compute, &s, c.taps, c.loss_weight, dx);
    check_gradient("dx", pool_loss, &c, c.x, dx, 0);
    free(c.x.data), free(c.y.data), free(c.loss_weight.data), free(c.taps), free(dx.data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("convolution gradients");
    TCase *tcase = tcase_create("layers");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, convolution, 0, sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(tcase, batch_norm, 0, 32);
    tcase_add_loop_test(tcase, max_pool, 0, 4);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
