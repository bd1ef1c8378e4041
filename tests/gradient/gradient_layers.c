/*
 * Every layer's backward against central differences of its forward, in double. The loss is a fixed
 * random weighting of the outputs. Matrices are views with a stride; what lies between their rows
 * is NaN and must neither be read nor written. Gradients of parameters start from a non-zero value,
 * because layers add to them.
 */
#include "base/arena.h"
#include "base/random.h"
#include "fourstage/context.h"
#include "kernels/gemm.h"
#include "nn/activation.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rotary.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double epsilon = 1e-6, absolute = 1e-5, relative = 1e-3, start = 0.25;

static fst__allocator allocator;
static fst__compute *compute;
static double memory[1 << 20];
static size_t used;
static uint64_t drawn;
static char scratch_memory[1 << 21];

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

/* ---- operands */

static double draw(void)
{
    return fst__normal(fst__philox(5, 1, 0, drawn++), 0);
}

static fst__matrix empty(int64_t rows, int64_t columns, int64_t gap)
{
    fst__matrix m = {memory + used, rows, columns, columns + gap, FST__REAL_DTYPE};
    used += (size_t)(rows * (columns + gap));
    ck_assert(used <= sizeof memory / sizeof *memory);
    for (int64_t i = 0; i < rows * m.stride; ++i)
        ((double *)m.data)[i] = NAN;
    return m;
}

static double *at(fst__matrix m, int64_t i, int64_t j)
{
    return fst__matrix_at(m, i, j);
}

static fst__matrix filled(int64_t rows, int64_t columns, int64_t gap, double value)
{
    fst__matrix m = empty(rows, columns, gap);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
            *at(m, i, j) = value;
    return m;
}

static fst__matrix normal(int64_t rows, int64_t columns, int64_t gap)
{
    fst__matrix m = empty(rows, columns, gap);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
            *at(m, i, j) = draw();
    return m;
}

static fst__matrix copy_of(fst__matrix m, int64_t gap)
{
    fst__matrix c = empty(m.rows, m.columns, gap);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.columns; ++j)
            *at(c, i, j) = *at(m, i, j);
    return c;
}

static void check_gaps(fst__matrix m)
{
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = m.columns; j < m.stride; ++j)
            if (!isnan(*at(m, i, j)))
                ck_abort_msg("something was written between rows %d and %d", (int)i, (int)i + 1);
}

static double weighted(fst__matrix weight, fst__matrix y)
{
    double total = 0;
    for (int64_t i = 0; i < y.rows; ++i)
        for (int64_t j = 0; j < y.columns; ++j)
            total += *at(weight, i, j) * *at(y, i, j);
    return total;
}

static void check_equal(const char *what, fst__matrix a, fst__matrix b)
{
    for (int64_t i = 0; i < a.rows; ++i)
        for (int64_t j = 0; j < a.columns; ++j)
            if (*at(a, i, j) != *at(b, i, j))
                ck_abort_msg("%s [%d, %d]: %.17g, not %.17g", what, (int)i, (int)j, *at(a, i, j),
                             *at(b, i, j));
}

/* gradient − base is held against differences of loss in each element of value; of a large matrix,
 * in some 100 of them. */
static void check_gradient(const char *what, double (*loss)(void *), void *context,
                           fst__matrix value, fst__matrix gradient, double base)
{
    int64_t count = value.rows * value.columns, step = count > 150 ? count / 97 : 1;
    check_gaps(gradient);
    for (int64_t e = 0; e < count; e += step) {
        int64_t i = e / value.columns, j = e % value.columns;
        double kept = *at(value, i, j);
        *at(value, i, j) = kept + epsilon;
        double above = loss(context);
        *at(value, i, j) = kept - epsilon;
        double below = loss(context);
        *at(value, i, j) = kept;
        double numeric = (above - below) / (2 * epsilon);
        double analytic = *at(gradient, i, j) - base;
        if (!(fabs(numeric - analytic) <= absolute + relative * fabs(numeric)))
            ck_abort_msg("%s [%d, %d]: backward %.10g, differences %.10g", what, (int)i, (int)j,
                         analytic, numeric);
    }
}

static fst__arena scratch_of(size_t size)
{
    ck_assert(size <= sizeof scratch_memory);
    return fst__arena_over(scratch_memory, size);
}

/* ---- linear */

typedef struct linear_case {
    fst__matrix x, weight, bias, pre, y, weighting;
    int32_t activation;
    bool has_bias, fused;
} linear_case;

static double linear_loss(void *context)
{
    linear_case *c = context;
    const double *bias = c->has_bias ? c->bias.data : NULL;
    fst_status status = c->fused ? fst__linear_activation_forward(compute, c->x, c->weight, bias,
                                                                  c->activation, c->pre, c->y)
                                 : fst__linear_forward(compute, c->x, c->weight, bias, c->y);
    ck_assert_int_eq(status, FST_OK);
    check_gaps(c->y);
    return weighted(c->weighting, c->y);
}

static void check_linear(int64_t rows, int64_t inputs, int64_t outputs, int32_t activation,
                         bool has_bias, bool fused)
{
    used = 0;
    linear_case c = {normal(rows, inputs, 3),
                     normal(outputs, inputs, 0),
                     normal(1, outputs, 0),
                     empty(rows, outputs, 2),
                     empty(rows, outputs, 5),
                     normal(rows, outputs, 0),
                     activation,
                     has_bias,
                     fused};
    linear_loss(&c);
    fst__matrix dy = copy_of(c.weighting, 4), dx = empty(rows, inputs, 1);
    fst__matrix dweight = filled(outputs, inputs, 0, start), dbias = filled(1, outputs, 0, start);
    if (fused)
        fst__activation_backward(compute, activation, c.pre, dy);
    fst__arena scratch = scratch_of(fst__linear_backward_scratch(rows, outputs));
    ck_assert_int_eq(fst__linear_backward(compute, c.x, c.weight, dy, &dx, dweight.data,
                                          has_bias ? dbias.data : NULL, &scratch),
                     FST_OK);
    ck_assert(scratch.used == 0);
    check_gradient("linear dx", linear_loss, &c, c.x, dx, 0);
    check_gradient("linear dweight", linear_loss, &c, c.weight, dweight, start);
    if (has_bias)
        check_gradient("linear dbias", linear_loss, &c, c.bias, dbias, start);
    if (fused) { /* without a backward, pre may be y */
        linear_loss(&c);
        fst__matrix kept = copy_of(c.y, 0);
        c.pre = c.y;
        linear_loss(&c);
        check_equal("pre as y", c.y, kept);
    }
    /* Every gradient is optional. */
    ck_assert_int_eq(fst__linear_backward(compute, c.x, c.weight, dy, NULL, NULL, NULL, &scratch),
                     FST_OK);
}

START_TEST(linear)
{
    for (int32_t activation = FST__ACTIVATION_NONE; activation <= FST__ACTIVATION_TANH;
         ++activation)
        for (int bias = 0; bias < 2; ++bias)
            check_linear(5, 7, 6, activation, bias, true);
    check_linear(5, 7, 6, 0, true, false);
    check_linear(5, 7, 6, 0, false, false);
    check_linear(1, 1, 1, 0, true, false);
    check_linear(150, 3, 2, 0, true, false); /* several row blocks */
    check_linear(2, 3, 1030, FST__ACTIVATION_GELU_TANH, true, true);
}
END_TEST

START_TEST(linear_without_scratch)
{
    used = 0;
    fst__matrix x = normal(4, 3, 0), w = normal(2, 3, 0), dy = normal(4, 2, 0);
    double dbias[2] = {0};
    fst__arena scratch = scratch_of(8);
    ck_assert_int_eq(fst__linear_backward(compute, x, w, dy, NULL, NULL, dbias, &scratch),
                     FST_ERR_INTERNAL);
}
END_TEST

/* ---- norm, residual */

typedef struct norm_case {
    fst__norm norm;
    fst__matrix stream, branch, sum, y, weighting_y, weighting_sum, gamma, beta;
    bool has_branch;
    fst__dropout dropout;
    double mean[200], rstd[200];
} norm_case;

static double norm_loss(void *context)
{
    norm_case *c = context;
    fst__norm_forward(compute, &c->norm, c->stream, c->has_branch ? &c->branch : NULL, &c->dropout,
                      c->sum, c->y, c->norm.kind == FST__NORM_LAYER ? c->mean : NULL, c->rstd);
    check_gaps(c->y);
    return weighted(c->weighting_y, c->y) +
           weighted(c->weighting_sum, c->has_branch ? c->sum : c->stream);
}

static void check_norm(int64_t rows, int64_t columns, int32_t kind, bool affine, bool has_branch,
                       double probability, bool accumulate, bool alias)
{
    used = 0;
    norm_case c = {
        .norm = {.kind = kind, .epsilon = 1e-3},
        .stream = normal(rows, columns, 2),
        .branch = normal(rows, columns, 1),
        .sum = empty(rows, columns, 3),
        .y = empty(rows, columns, 2),
        .weighting_y = normal(rows, columns, 0),
        .weighting_sum = filled(rows, columns, 0, 0),
        .gamma = normal(1, columns, 0),
        .beta = normal(1, columns, 0),
        .has_branch = has_branch,
        .dropout = {probability, 11, 3, 1000},
    };
    if (accumulate)
        c.weighting_sum = normal(rows, columns, 0);
    if (affine)
        c.norm.gamma = c.gamma.data;
    if (affine && kind == FST__NORM_LAYER)
        c.norm.beta = c.beta.data;
    norm_loss(&c);
    fst__matrix dy = copy_of(c.weighting_y, 1);
    fst__matrix dstream = accumulate ? copy_of(c.weighting_sum, 2)
                          : alias    ? dy
                                     : empty(rows, columns, 2);
    fst__matrix dbranch = alias && accumulate ? dy : empty(rows, columns, 4);
    fst__matrix dgamma = filled(1, columns, 0, start), dbeta = filled(1, columns, 0, start);
    fst__arena scratch = scratch_of(fst__norm_backward_scratch(rows, columns));
    fst__norm_backward(compute, &c.norm, has_branch ? c.sum : c.stream, c.mean, c.rstd, dy, dstream,
                       accumulate, has_branch ? &dbranch : NULL, &c.dropout,
                       affine ? dgamma.data : NULL, c.norm.beta ? dbeta.data : NULL, &scratch);
    ck_assert(scratch.used == 0 && !scratch.overflow);
    check_gradient("norm dstream", norm_loss, &c, c.stream, dstream, 0);
    if (has_branch)
        check_gradient("norm dbranch", norm_loss, &c, c.branch, dbranch, 0);
    if (affine)
        check_gradient("norm dgamma", norm_loss, &c, c.gamma, dgamma, start);
    if (c.norm.beta)
        check_gradient("norm dbeta", norm_loss, &c, c.beta, dbeta, start);
    if (has_branch) { /* sum in place of stream, y in place of branch */
        norm_loss(&c);
        fst__matrix sum = copy_of(c.sum, 0), y = copy_of(c.y, 0);
        c.sum = c.stream;
        c.y = c.branch;
        norm_loss(&c);
        check_equal("sum in stream", c.sum, sum);
        check_equal("y in branch", c.y, y);
    }
}

START_TEST(norm)
{
    for (int bits = 0; bits < 64; ++bits)
        check_norm(3, 9, bits & 1 ? FST__NORM_RMS : FST__NORM_LAYER, bits & 2, bits & 4,
                   bits & 8 ? 0.4 : 0, bits & 16, bits & 32);
    check_norm(150, 4, FST__NORM_LAYER, true, true, 0.2, true, false);
    check_norm(2, 1030, FST__NORM_LAYER, true, true, 0.2, true, true);
    check_norm(2, 2050, FST__NORM_RMS, true, false, 0, false, true);
    check_norm(2, 1, FST__NORM_RMS, true, true, 0, true, false);
}
END_TEST

static double residual_loss(void *context)
{
    norm_case *c = context;
    fst__residual_add_forward(compute, c->stream, c->branch, &c->dropout, c->sum);
    check_gaps(c->sum);
    return weighted(c->weighting_sum, c->sum);
}

START_TEST(residual)
{
    for (int dropped = 0; dropped < 2; ++dropped)
        for (int alias = 0; alias < 2; ++alias) {
            used = 0;
            norm_case c = {
                .stream = normal(4, 1027, 1),
                .branch = normal(4, 1027, 0),
                .sum = empty(4, 1027, 2),
                .weighting_sum = normal(4, 1027, 3),
                .dropout = {dropped ? 0.5 : 0, 1, 2, 3},
            };
            residual_loss(&c);
            fst__matrix dstream = copy_of(c.weighting_sum, 1);
            fst__matrix dbranch = alias ? dstream : empty(4, 1027, 2);
            fst__residual_add_backward(compute, dstream, &c.dropout, dbranch);
            check_gradient("residual dbranch", residual_loss, &c, c.branch, dbranch, 0);
            check_gradient("residual dstream", residual_loss, &c, c.stream, c.weighting_sum, 0);
            residual_loss(&c);
            fst__matrix sum = copy_of(c.sum, 0);
            c.sum = alias ? c.branch : c.stream;
            residual_loss(&c);
            check_equal("sum in place", c.sum, sum);
        }
}
END_TEST

/* ---- heads */

typedef struct head_case {
    fst__matrix whole, x, gamma, y, weighting;
    int64_t head_size, rotary_size;
    double rstd[600];
    fst__matrix cosine, sine;
    int32_t positions[200];
} head_case;

static double head_norm_loss(void *context)
{
    head_case *c = context;
    fst__head_norm_forward(compute, c->gamma.data, 1e-3, c->x, c->head_size, c->y, c->rstd);
    check_gaps(c->y);
    return weighted(c->weighting, c->y);
}

static void check_head_norm(int64_t rows, int64_t heads, int64_t head_size, bool alias)
{
    used = 0;
    head_case c = {.whole = normal(rows, 3 * heads * head_size, 0),
                   .gamma = normal(1, head_size, 0),
                   .y = empty(rows, heads * head_size, 3),
                   .weighting = normal(rows, heads * head_size, 0),
                   .head_size = head_size};
    c.x = fst__matrix_columns(c.whole, heads * head_size, heads * head_size); /* the keys of QKV */
    head_norm_loss(&c);
    fst__matrix dy = copy_of(c.weighting, 2);
    fst__matrix dx = alias ? dy : empty(rows, heads * head_size, 1);
    fst__matrix dgamma = filled(1, head_size, 0, start);
    fst__arena scratch = scratch_of(fst__head_norm_backward_scratch(rows, head_size));
    fst__head_norm_backward(compute, c.gamma.data, c.x, head_size, c.rstd, dy, dx, dgamma.data,
                            &scratch);
    ck_assert(scratch.used == 0 && !scratch.overflow);
    check_gradient("head norm dx", head_norm_loss, &c, c.x, dx, 0);
    check_gradient("head norm dgamma", head_norm_loss, &c, c.gamma, dgamma, start);
}

START_TEST(head_norm)
{
    check_head_norm(3, 2, 5, false);
    check_head_norm(3, 2, 5, true);
    check_head_norm(100, 3, 2, false);
    check_head_norm(1, 1, 1, false);
    check_head_norm(2, 2, 1030, true);
}
END_TEST

static double rotary_loss(void *context)
{
    head_case *c = context;
    for (int64_t i = 0; i < c->x.rows; ++i)
        memcpy(at(c->y, i, 0), at(c->x, i, 0), (size_t)c->x.columns * sizeof(double));
    fst__rotary_apply(compute, c->cosine.data, c->sine.data, c->positions, c->y,
                      c->x.columns / c->head_size, c->head_size, c->rotary_size, false);
    check_gaps(c->y);
    return weighted(c->weighting, c->y);
}

static void check_rotary(int64_t heads, int64_t head_size, int64_t rotary_size)
{
    used = 0;
    head_case c = {.x = normal(6, heads * head_size, 2),
                   .y = empty(6, heads * head_size, 3),
                   .weighting = normal(6, heads * head_size, 0),
                   .head_size = head_size,
                   .rotary_size = rotary_size,
                   .cosine = empty(40, rotary_size / 2, 0),
                   .sine = empty(40, rotary_size / 2, 0),
                   .positions = {0, 39, 7, 7, 1, 20}};
    fst__rotary_scaling scaling = {.kind = FST__ROTARY_DEFAULT, .theta = 100};
    fst__rotary_tables(c.cosine.data, c.sine.data, 40, rotary_size, &scaling);
    rotary_loss(&c);
    fst__matrix dx = copy_of(c.weighting, 1);
    fst__rotary_apply(compute, c.cosine.data, c.sine.data, c.positions, dx, heads, head_size,
                      rotary_size, true);
    check_gradient("rotary", rotary_loss, &c, c.x, dx, 0);
}

START_TEST(rotary)
{
    for (int64_t rotary_size = 2; rotary_size <= 8; rotary_size += 2)
        check_rotary(3, 8, rotary_size);
    check_rotary(2, 2060, 2054); /* halves longer than a piece of a row */
}
END_TEST

/* ---- activations */

typedef struct activation_case {
    fst__matrix x, y, weighting;
    int32_t activation;
    bool gated;
} activation_case;

static double activation_loss(void *context)
{
    activation_case *c = context;
    (c->gated ? fst__gated_forward : fst__activation_forward)(compute, c->activation, c->x, c->y);
    check_gaps(c->y);
    return weighted(c->weighting, c->y);
}

static void check_activation(int32_t activation, int64_t rows, int64_t columns, bool gated,
                             bool alias)
{
    used = 0;
    activation_case c = {normal(rows, gated ? 2 * columns : columns, 3), empty(rows, columns, 1),
                         normal(rows, columns, 0), activation, gated};
    activation_loss(&c);
    fst__matrix dy = copy_of(c.weighting, 2);
    if (!gated) {
        fst__activation_backward(compute, activation, c.x, dy);
        check_gradient("activation", activation_loss, &c, c.x, dy, 0);
        return;
    }
    fst__matrix kept = copy_of(c.x, 0), dx = alias ? c.x : empty(rows, 2 * columns, 0);
    fst__gated_backward(compute, activation, c.x, dy, dx);
    fst__matrix gradient = copy_of(dx, 1);
    for (int64_t i = 0; i < rows; ++i)
        memcpy(at(c.x, i, 0), at(kept, i, 0), (size_t)(2 * columns) * sizeof(double));
    check_gaps(c.x);
    check_gradient("gated", activation_loss, &c, c.x, gradient, 0);
}

START_TEST(activations)
{
    for (int32_t activation = FST__ACTIVATION_NONE; activation <= FST__ACTIVATION_TANH;
         ++activation)
        for (int bits = 0; bits < 4; ++bits) {
            check_activation(activation, 3, 11, bits & 1, bits & 2);
            check_activation(activation, 2, 1031, bits & 1, bits & 2);
        }
}
END_TEST

/* ---- embedding */

enum { WORDS = 5, PLACES = 4, TYPES = 2 };

typedef struct embedding_case {
    fst__matrix table, places, types, y, weighting;
    bool has_places, has_types;
    int32_t ids[9], positions[9], kinds[9];
    fst__dropout dropout;
} embedding_case;

static double embedding_loss(void *context)
{
    embedding_case *c = context;
    fst__embedding_forward(compute, c->ids, c->table, c->has_places ? c->positions : NULL,
                           c->has_places ? &c->places : NULL, c->has_types ? c->kinds : NULL,
                           c->has_types ? &c->types : NULL, &c->dropout, c->y);
    check_gaps(c->y);
    return weighted(c->weighting, c->y);
}

START_TEST(embedding)
{
    for (int bits = 0; bits < 16; ++bits) {
        used = 0;
        int64_t columns = bits & 8 ? 1029 : 6;
        embedding_case c = {
            .table = normal(WORDS, columns, 0),
            .places = normal(PLACES, columns, 0),
            .types = normal(TYPES, columns, 0),
            .y = empty(9, columns, 2),
            .weighting = normal(9, columns, 0),
            .has_places = bits & 1,
            .has_types = bits & 2,
            .ids = {4, 0, 0, 2, 4, 4, 1, 0, 4},
            .positions = {0, 1, 2, 3, 0, 1, 2, 0, 1},
            .kinds = {0, 0, 1, 1, 0, 0, 0, 1, 1},
            .dropout = {bits & 4 ? 0.3 : 0, 8, 9, 10},
        };
        embedding_loss(&c);
        fst__matrix dy = copy_of(c.weighting, 1), dtable = filled(WORDS, columns, 0, start);
        fst__matrix dplaces = filled(PLACES, columns, 0, start);
        fst__matrix dtypes = filled(TYPES, columns, 0, start);
        fst__embedding_backward(compute, c.ids, c.positions, c.kinds, &c.dropout, dy, dtable.data,
                                c.has_places ? dplaces.data : NULL,
                                c.has_types ? dtypes.data : NULL);
        check_gradient("embedding dtable", embedding_loss, &c, c.table, dtable, start);
        if (c.has_places)
            check_gradient("embedding dpositions", embedding_loss, &c, c.places, dplaces, start);
        if (c.has_types)
            check_gradient("embedding dtypes", embedding_loss, &c, c.types, dtypes, start);
        check_equal("dy is only read", dy, c.weighting);
        fst__embedding_backward(compute, c.ids, NULL, NULL, NULL, dy, NULL, NULL, NULL);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layers");
    TCase *tests = tcase_create("layers");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, linear);
    tcase_add_test(tests, linear_without_scratch);
    tcase_add_test(tests, norm);
    tcase_add_test(tests, residual);
    tcase_add_test(tests, head_norm);
    tcase_add_test(tests, rotary);
    tcase_add_test(tests, activations);
    tcase_add_test(tests, embedding);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
