/*
 * Every table of row kernels that this processor runs against the plain twin: odd lengths, places
 * that no register boundary meets, in place, infinities and NaN. Tolerances are those of float:
 * elementwise 3 ulp of what libm in double gives, sums a few ulp of the sum of absolute terms.
 */
#include "base/random.h"
#include "kernels/reference.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1100, GUARD = 64, INPUTS = 5 };

static const int64_t lengths[] = {0,  1,  2,  3,  7,   8,   15,  16,  17,   31,  33,
                                  63, 64, 65, 96, 127, 129, 255, 768, 1000, 1025};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static const fst__kernels *const reference = &fst__kernels_reference;

/* Two copies of the same operands, for the table and for its twin; a guard behind each. */
typedef struct operands {
    float x[INPUTS][MOST + GUARD];
    float y[INPUTS][MOST + GUARD];
} operands;

/* Uniform with the standard deviation `deviation`. The one pair of operands is drawn anew. */
static operands *draw(uint64_t seed, double deviation)
{
    static operands pair;
    static uint32_t words[INPUTS * (MOST + GUARD)];
    fst__kernels_select()->random_words(seed, 1, 0, 0, words, INPUTS * (MOST + GUARD));
    for (int i = 0; i < INPUTS; ++i)
        for (int j = 0; j < MOST + GUARD; ++j) {
            double unit = (double)fst__uniform_float(words[i * (MOST + GUARD) + j]);
            pair.x[i][j] = pair.y[i][j] = (float)((2 * unit - 1) * sqrt(3) * deviation);
        }
    return &pair;
}

static bool close_to(double value, double expected, double relative, double absolute)
{
    if (isnan(expected))
        return isnan(value);
    if (isinf(expected) || isinf(value))
        return value == expected;
    return fabs(value - expected) <= relative * fabs(expected) + absolute;
}

/* All rows, guards included: a kernel that writes past its end differs from its twin there.
 * (ck_assert writes a message for each assertion that holds too: hence the plain if.) */
static void compare(const fst__kernels *k, const char *what, const operands *o, int64_t n,
                    double relative, double absolute)
{
    for (int i = 0; i < INPUTS; ++i)
        for (int j = 0; j < MOST + GUARD; ++j)
            if (!close_to(o->x[i][j], o->y[i][j], relative, absolute))
                ck_abort_msg("%s %s n=%d row %d [%d]: %.9g, expected %.9g", k->name, what, (int)n,
                             i, j, o->x[i][j], o->y[i][j]);
}

static void compare_sum(const fst__kernels *k, const char *what, int64_t n, double value,
                        double expected, double magnitude)
{
    ck_assert_msg(close_to(value, expected, 1e-6, 1e-6 * magnitude),
                  "%s %s n=%d: %.9g, expected %.9g", k->name, what, (int)n, value, expected);
}

#define FOR_EACH_CASE                                                                              \
    const fst__kernels *k;                                                                         \
    for (int32_t table = 0; (k = fst__kernels_at(table)); ++table)                                 \
        for (int which = 0; which < LENGTHS; ++which)                                              \
            for (int offset = 0; offset < 3; ++offset)

START_TEST(arithmetic)
{
    FOR_EACH_CASE
    {
        int64_t n = lengths[which];
        operands *o = draw(10 + (uint64_t)which, 2);
        k->add(o->x[0] + offset, o->x[1], o->x[2] + offset, n);
        reference->add(o->y[0] + offset, o->y[1], o->y[2] + offset, n);
        k->add(o->x[0], o->x[1], o->x[1], n); /* in place */
        reference->add(o->y[0], o->y[1], o->y[1], n);
        k->axpy(-1.75f, o->x[2] + offset, o->x[3], n);
        reference->axpy(-1.75f, o->y[2] + offset, o->y[3], n);
        k->scale(0.3f, o->x[3], o->x[3], n);
        reference->scale(0.3f, o->y[3], o->y[3], n);
        k->rotate(o->x[0] + offset, o->x[1], o->x[3], o->x[4], offset == 1, n);
        reference->rotate(o->y[0] + offset, o->y[1], o->y[3], o->y[4], offset == 1, n);
        compare(k, "arithmetic", o, n, 1e-6, 4e-6);
    }
}
END_TEST

START_TEST(reductions)
{
    FOR_EACH_CASE
    {
        int64_t n = lengths[which];
        operands *o = draw(40 + (uint64_t)which, 2);
        const float *a = o->x[0] + offset, *b = o->x[1];
        double magnitude = (double)n + 1;
        compare_sum(k, "dot", n, k->dot(a, b, n), reference->dot(a, b, n), 4 * magnitude);
        compare_sum(k, "sum", n, k->sum(a, n), reference->sum(a, n), magnitude);
        compare_sum(k, "square_deviation", n, k->square_deviation(a, 0.7f, n),
                    reference->square_deviation(a, 0.7f, n), 0);
        ck_assert(k->max(a, n) == reference->max(a, n));
        ck_assert(close_to(k->sum_squares(a, n), reference->sum_squares(a, n), 1e-13, 0));
        compare(k, "reductions", o, n, 0, 0); /* no operand is written */
    }
}
END_TEST

START_TEST(softmax_pieces)
{
    FOR_EACH_CASE
    {
        int64_t n = lengths[which];
        operands *o = draw(70 + (uint64_t)which, 5);
        float shift = reference->max(o->x[0] + offset, n);
        double sum = k->exp_sum(o->x[0] + offset, shift, o->x[1], n);
        double expected = reference->exp_sum(o->y[0] + offset, shift, o->y[1], n);
        compare_sum(k, "exp_sum", n, sum, expected, 0);
        compare_sum(k, "exp_sum without output", n, k->exp_sum(o->x[0] + offset, shift, NULL, n),
                    expected, 0);
        compare_sum(k, "log_sum_exp", n, k->log_sum_exp(o->x[2] + offset, n),
                    reference->log_sum_exp(o->y[2] + offset, n), 1);
        k->softmax(o->x[3] + offset, o->x[3] + offset, n);
        reference->softmax(o->y[3] + offset, o->y[3] + offset, n);
        k->exp(o->x[4], o->x[4], n);
        reference->exp(o->y[4], o->y[4], n);
        /* The shifted argument is rounded: half an ulp of up to 20. */
        compare(k, "softmax pieces", o, n, 3e-6, 1e-37);
    }
}
END_TEST

START_TEST(attention_rows)
{
    FOR_EACH_CASE
    {
        int64_t n = lengths[which];
        operands *o = draw(90 + (uint64_t)which, 3);
        double sum = k->exp_sum_scaled(o->x[0] + offset, 0.7f, 1.5f, o->x[0] + offset, n);
        double expected =
            reference->exp_sum_scaled(o->y[0] + offset, 0.7f, 1.5f, o->y[0] + offset, n);
        compare_sum(k, "exp_sum_scaled", n, sum, expected, 0);
        k->affine(-0.6f, o->x[1] + offset, 0.25f, o->x[2], n);
        reference->affine(-0.6f, o->y[1] + offset, 0.25f, o->y[2], n);
        k->attention_gradient(o->x[3] + offset, o->x[4], 0.5f, 1.25f, -0.8f, n);
        reference->attention_gradient(o->y[3] + offset, o->y[4], 0.5f, 1.25f, -0.8f, n);
        compare(k, "attention rows", o, n, 3e-6, 1e-6);
    }
}
END_TEST

/* Matrices [rows, columns] of 0 to 1000 elements, and columns on both sides of a strip of four
 * registers. */
START_TEST(attention_matrices)
{
    FOR_EACH_CASE
    {
        int64_t columns = lengths[which], rows = columns ? 1000 / columns : 3;
        rows = rows < 9 ? rows : 9;
        operands *o = draw(120 + (uint64_t)which, 1);
        k->rows_dot(o->x[0] + offset, rows, columns, o->x[1], o->x[2]);
        reference->rows_dot(o->y[0] + offset, rows, columns, o->y[1], o->y[2]);
        k->rows_add(o->x[0] + offset, rows, columns, o->x[2], o->x[3] + offset);
        reference->rows_add(o->y[0] + offset, rows, columns, o->y[2], o->y[3] + offset);
        compare(k, "attention matrices", o, columns, 1e-5, 1e-3);
    }
}
END_TEST

/* A NaN in a row reaches its sum, wherever it stands: the loss depends on it. */
START_TEST(attention_nan)
{
    FOR_EACH_CASE
    {
        int64_t n = lengths[which];
        operands *o = draw(150 + (uint64_t)which, 1);
        if (n == 0)
            continue;
        o->x[0][offset + (n - 1) * which / LENGTHS] = NAN;
        ck_assert(isnan(k->exp_sum_scaled(o->x[0] + offset, 1, 0, o->x[1], n)));
    }
}
END_TEST

START_TEST(softmax_at_infinity)
{
    const fst__kernels *k;
    for (int32_t table = 0; (k = fst__kernels_at(table)); ++table)
        for (int64_t n = 1; n < 40; ++n) {
            float x[40], y[40];
            for (int64_t i = 0; i < n; ++i)
                x[i] = -INFINITY;
            ck_assert(k->log_sum_exp(x, n) == -INFINITY);
            x[n / 2] = 3;
            ck_assert(k->log_sum_exp(x, n) == 3);
            k->softmax(x, y, n);
            for (int64_t i = 0; i < n; ++i)
                ck_assert(y[i] == (i == n / 2 ? 1.0f : 0.0f));
            x[n - 1] = NAN;
            ck_assert(isnan(k->log_sum_exp(x, n)));
            k->softmax(x, y, n);
            ck_assert(isnan(y[0]));
            x[n - 1] = INFINITY;
            ck_assert(k->log_sum_exp(x, n) == INFINITY);
        }
}
END_TEST

START_TEST(activations)
{
    for (int32_t activation = FST__ACTIVATION_NONE; activation <= FST__ACTIVATION_TANH;
         ++activation) {
        FOR_EACH_CASE
        {
            int64_t n = lengths[which];
            operands *o = draw(100 + (uint64_t)which, 3);
            k->activation_forward(activation, o->x[0] + offset, o->x[1], n);
            reference->activation_forward(activation, o->y[0] + offset, o->y[1], n);
            k->activation_backward(activation, o->x[0] + offset, o->x[2], o->x[2], n);
            reference->activation_backward(activation, o->y[0] + offset, o->y[2], o->y[2], n);
            k->gated_forward(activation, o->x[1], o->x[2], o->x[3] + offset, n);
            reference->gated_forward(activation, o->y[1], o->y[2], o->y[3] + offset, n);
            k->gated_backward(activation, o->x[1], o->x[2], o->x[4] + offset, o->x[1], o->x[2], n);
            reference->gated_backward(activation, o->y[1], o->y[2], o->y[4] + offset, o->y[1],
                                      o->y[2], n);
            compare(k, "activation", o, n, 5e-6, 5e-6);
        }
    }
}
END_TEST

enum { GRID = 200 * MOST };

/* Worst error in units of the last place over a grid that reaches every exponent of the result. */
static double worst_ulp(void (*table)(const float *, float *, int64_t),
                        void (*twin)(double, double *), double low, double high)
{
    double worst = 0;
    for (int64_t i = 0; i < GRID; i += MOST) {
        float x[MOST], y[MOST];
        for (int64_t j = 0; j < MOST; ++j)
            x[j] = (float)(low + (high - low) * (double)(i + j) / GRID);
        table(x, y, MOST);
        for (int64_t j = 0; j < MOST; ++j) {
            double expected;
            twin(x[j], &expected);
            double place = fmax(ldexp(1, ilogb(expected) - 23), 0x1p-149);
            worst = fmax(worst, fabs(y[j] - expected) / place);
        }
    }
    return worst;
}

static const fst__kernels *under_test;
static int32_t activation_under_test;

static void table_activation(const float *x, float *y, int64_t n)
{
    under_test->activation_forward(activation_under_test, x, y, n);
}

static void twin_exp(double x, double *y)
{
    *y = exp(x);
}

static void twin_tanh(double x, double *y)
{
    *y = tanh(x);
}

static void twin_gelu(double x, double *y)
{
    *y = 0.5 * x * (1 + erf(x * sqrt(0.5)));
}

START_TEST(accuracy)
{
    for (int32_t table = 0; (under_test = fst__kernels_at(table)); ++table) {
        ck_assert_double_le(worst_ulp(under_test->exp, twin_exp, -103.2, 88.7), 2);
        activation_under_test = FST__ACTIVATION_TANH;
        ck_assert_double_le(worst_ulp(table_activation, twin_tanh, -12.0, 12.1), 3);
        activation_under_test = FST__ACTIVATION_GELU;
        ck_assert_double_le(worst_ulp(table_activation, twin_gelu, 1e-3, 12.1), 4);
    }
}
END_TEST

START_TEST(special_values)
{
    static const float values[] = {
        0.0f,    -0.0f,    INFINITY, -INFINITY, NAN,    FLT_MIN, -FLT_MIN, 1e-42f,  -1e-42f,
        FLT_MAX, -FLT_MAX, 88.72f,   88.73f,    -87.4f, -95.0f,  -103.9f,  -104.5f, 1e20f,
        -1e20f,  0.625f,   -0.925f,  1e-10f,    30.5f,  -30.5f,  40.5f,    -500.0f,
    };
    enum { COUNT = sizeof values / sizeof *values };
    const fst__kernels *k;
    for (int32_t table = 0; (k = fst__kernels_at(table)); ++table) {
        float ones[COUNT], y[COUNT], expected[COUNT];
        for (int i = 0; i < COUNT; ++i)
            ones[i] = 1;
        k->exp(values, y, COUNT);
        reference->exp(values, expected, COUNT);
        for (int i = 0; i < COUNT; ++i)
            ck_assert_msg(close_to(y[i], expected[i], 3e-7, 3e-45), "%s exp(%g) = %.9g", k->name,
                          values[i], y[i]);
        for (int32_t a = FST__ACTIVATION_NONE; a <= FST__ACTIVATION_TANH; ++a) {
            k->activation_forward(a, values, y, COUNT);
            reference->activation_forward(a, values, expected, COUNT);
            for (int i = 0; i < COUNT; ++i)
                ck_assert_msg(close_to(y[i], expected[i], 1e-6, 1e-10),
                              "%s act %d (%g) = %.9g, expected %.9g", k->name, a, values[i], y[i],
                              expected[i]);
            k->activation_backward(a, values, ones, y, COUNT);
            reference->activation_backward(a, values, ones, expected, COUNT);
            for (int i = 0; i < COUNT; ++i)
                ck_assert_msg(close_to(y[i], expected[i], 1e-6, 1e-6),
                              "%s act' %d (%g) = %.9g, expected %.9g", k->name, a, values[i], y[i],
                              expected[i]);
        }
    }
}
END_TEST

START_TEST(norms)
{
    FOR_EACH_CASE
    {
        int64_t n = lengths[which];
        operands *o = draw(200 + (uint64_t)which, 2);
        const bool plain = offset == 2; /* also without gamma, beta and their gradients */
        float sums[2] = {1, -2}, expected[2] = {1, -2};
        k->norm_sums(o->x[0] + offset, 0.3f, 1.4f, plain ? NULL : o->x[1], o->x[2],
                     plain ? NULL : o->x[3], plain ? NULL : o->x[4] + offset, sums, n);
        reference->norm_sums(o->y[0] + offset, 0.3f, 1.4f, plain ? NULL : o->y[1], o->y[2],
                             plain ? NULL : o->y[3], plain ? NULL : o->y[4] + offset, expected, n);
        compare_sum(k, "norm_sums", n, sums[0], expected[0], 4 * (double)n);
        compare_sum(k, "norm_sums", n, sums[1], expected[1], 8 * (double)n);
        k->norm_gradient(o->x[0] + offset, 0.3f, 1.4f, plain ? NULL : o->x[1], o->x[2], 0.2f, -0.1f,
                         plain ? NULL : o->x[3], o->x[3], n);
        reference->norm_gradient(o->y[0] + offset, 0.3f, 1.4f, plain ? NULL : o->y[1], o->y[2],
                                 0.2f, -0.1f, plain ? NULL : o->y[3], o->y[3], n);
        k->normalise(o->x[0] + offset, 0.3f, 1.4f, plain ? NULL : o->x[1], plain ? NULL : o->x[2],
                     o->x[0] + offset, n);
        reference->normalise(o->y[0] + offset, 0.3f, 1.4f, plain ? NULL : o->y[1],
                             plain ? NULL : o->y[2], o->y[0] + offset, n);
        compare(k, "norm", o, n, 2e-6, 1e-5);
    }
}
END_TEST

/* Blocks of rows of channels; the sums are of doubles, made in the same order or nearly. */
static void compare_channel_sums(const fst__kernels *k, const char *what, int64_t columns,
                                 const double *sums, const double *expected, double magnitude)
{
    for (int64_t c = 0; c < 2 * columns; ++c)
        ck_assert_msg(close_to(sums[c], expected[c], 1e-12, 1e-6 * magnitude),
                      "%s %s [%d]: %.17g, expected %.17g", k->name, what, (int)c, sums[c],
                      expected[c]);
}

START_TEST(channels)
{
    FOR_EACH_CASE
    {
        int64_t columns = lengths[which], rows = columns ? MOST / columns : 0;
        rows = rows < 9 ? rows : 9;
        if (columns > MOST)
            continue;
        operands *o = draw(600 + (uint64_t)which, 2);
        double sums[2 * MOST] = {0}, expected[2 * MOST] = {0};
        const float *mean = o->x[3], *rstd = o->x[4];
        fst__channels given = {columns, mean, rstd, offset == 1 ? NULL : rstd + 1,
                               offset == 2 ? NULL : mean + 1};
        const float *active = offset ? o->x[2] : NULL;
        k->channel_sums(o->x[0] + offset, rows, columns, sums, sums + columns);
        reference->channel_sums(o->x[0] + offset, rows, columns, expected, expected + columns);
        compare_channel_sums(k, "channel_sums", columns, sums, expected, 0);
        k->channel_gradient_sums(&given, o->x[0], columns % 2, active, o->x[1] + offset, rows, sums,
                                 sums + columns);
        reference->channel_gradient_sums(&given, o->x[0], columns % 2, active, o->x[1] + offset, rows, expected,
                                         expected + columns);
        compare_channel_sums(k, "channel_gradient_sums", columns, sums, expected, 40);
        fst__channels_gradient gradient = {columns, mean, rstd, offset == 2 ? NULL : rstd + 3, mean + 1,
                                           rstd + 2};
        k->channel_gradient(&gradient, o->x[0], columns % 2, active, o->x[1], offset == 1 ? o->x[1] : NULL,
                            o->x[2], rows);
        reference->channel_gradient(&gradient, o->y[0], columns % 2, offset ? o->y[2] : NULL, o->y[1],
                                    offset == 1 ? o->y[1] : NULL, o->y[2], rows);
        k->channel_norm(&given, o->x[0] + offset, offset == 2 ? o->x[1] : NULL, offset != 1,
                        o->x[1], rows);
        reference->channel_norm(&given, o->y[0] + offset, offset == 2 ? o->y[1] : NULL,
                                offset != 1, o->y[1], rows);
        compare(k, "channels", o, columns, 1e-6, 1e-5);
    }
}
END_TEST

START_TEST(pieces)
{
    FOR_EACH_CASE
    {
        int64_t n = lengths[which], bytes = n * (offset ? 2 : 4) + offset / 2;
        operands *o = draw(700 + (uint64_t)which, 2);
        int64_t count = n ? 3 * MOST / (n + 7) / 3 : 4;
        count = count < 5 ? count : 5;
        k->copy_pieces(o->x[0], 4 * (n / 2), o->x[1], 4 * (n + 3), count, bytes);
        reference->copy_pieces(o->y[0], 4 * (n / 2), o->y[1], 4 * (n + 3), count, bytes);
        compare(k, "pieces", o, n, 0, 0);
    }
}
END_TEST

START_TEST(conversion)
{
    const fst__kernels *k;
    for (int32_t table = 0; (k = fst__kernels_at(table)); ++table)
        for (int round = 0; round < 64; ++round) {
            float x[MOST], back[MOST], expected_back[MOST];
            fst__bf16 halves[MOST], expected[MOST];
            int64_t n = lengths[round % LENGTHS];
            uint32_t words[MOST];
            reference->random_words(9, 1, (uint64_t)round, 5, words, MOST);
            memcpy(x, words, sizeof x); /* any bit pattern: NaN, infinities, ties, denormals */
            x[0] = NAN;
            x[1] = INFINITY;
            uint32_t tie = 0x3f808000u, nearly_infinite = 0x7f7fffffu, quiet = 0x7f800001u;
            memcpy(x + 2, &tie, 4);
            memcpy(x + 3, &nearly_infinite, 4);
            memcpy(x + 4, &quiet, 4);
            memset(halves, 0x55, sizeof halves);
            memset(expected, 0x55, sizeof expected);
            k->to_bf16(x, halves, n);
            reference->to_bf16(x, expected, n);
            ck_assert_mem_eq(halves, expected, sizeof halves);
            memset(back, 0, sizeof back);
            memset(expected_back, 0, sizeof back);
            k->from_bf16(halves, back, n);
            reference->from_bf16(expected, expected_back, n);
            ck_assert_mem_eq(back, expected_back, sizeof back);
        }
}
END_TEST

START_TEST(random_bits)
{
    static const uint64_t firsts[] = {0, 1, 15, 63, 64, 100, 0xffffffffu, 0x7ffffffff0, 1ull << 62};
    const fst__kernels *k;
    for (int32_t table = 0; (k = fst__kernels_at(table)); ++table)
        for (int which = 0; which < LENGTHS; ++which)
            for (int f = 0; f < 9; ++f) {
                int64_t n = lengths[which];
                uint64_t seed = 0x123456789abcdef0u + (uint64_t)f, step = 77ull << 33 | 5;
                uint32_t words[MOST] = {0}, expected[MOST] = {0};
                k->random_words(seed, FST__STREAM_DROPOUT, step, firsts[f], words, n);
                reference->random_words(seed, FST__STREAM_DROPOUT, step, firsts[f], expected, n);
                ck_assert_mem_eq(words, expected, sizeof words);
                float x[MOST], y[MOST], z[MOST];
                for (int j = 0; j < MOST; ++j)
                    x[j] = y[j] = z[j] = (float)j - 400.5f;
                k->dropout(seed, step, firsts[f], 0x40000000u, 4.0f / 3, x, y, n);
                reference->dropout(seed, step, firsts[f], 0x40000000u, 4.0f / 3, x, z, n);
                ck_assert_mem_eq(y, z, sizeof y);
            }
}
END_TEST

/* The share that is kept, and that neighbouring elements are kept independently. */
START_TEST(dropout_rate)
{
    const fst__kernels *k = fst__kernels_select();
    enum { N = 1 << 20 };
    float *x = malloc(N * sizeof *x);
    for (int i = 0; i < N; ++i)
        x[i] = 1;
    k->dropout(3, 4, 12345, (uint32_t)(0.1 * 0x1p32), 1, x, x, N);
    double kept = 0, pairs = 0, across = 0;
    for (int i = 0; i < N; ++i) {
        kept += x[i];
        pairs += x[i] * x[(i + 1) % N];
        across += x[i] * x[(i + 16) % N];
    }
    ck_assert_double_eq_tol(kept / N, 0.9, 0.002);
    ck_assert_double_eq_tol(pairs / N, 0.81, 0.003);
    ck_assert_double_eq_tol(across / N, 0.81, 0.003);
    free(x);
}
END_TEST

/* A matrix in a larger one, so that what a kernel writes beside it shows. */
enum { DENSE_MOST = 90, DENSE_ROW = 96 };

static void draw_dense(float x[DENSE_MOST * DENSE_ROW], uint32_t seed)
{
    for (uint32_t i = 0; i < DENSE_MOST * DENSE_ROW; ++i) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) * 0x1p-23f - 1;
    }
}

/* One shape in each of its forms, and each row alone: the bits of a row do not depend on the others. */
static void check_dense(const fst__kernels *k, int64_t m, int64_t n, int64_t inner, bool turned)
{
    static float a[DENSE_MOST * DENSE_ROW], b[DENSE_MOST * DENSE_ROW], shown[DENSE_MOST * DENSE_ROW];
    static float x[DENSE_MOST * DENSE_ROW], y[DENSE_MOST * DENSE_ROW], z[DENSE_MOST * DENSE_ROW];
    draw_dense(a, 1), draw_dense(b, 2), draw_dense(shown, 3);
    for (int form = 0; form < 5; ++form) {
        draw_dense(x, 4), draw_dense(y, 4), draw_dense(z, 4);
        fst__dense d = {
            .m = m, .n = n, .k = inner, .a = a, .a_row = turned ? 1 : DENSE_ROW,
            .a_step = turned ? DENSE_ROW : 1, .b = b, .b_row = DENSE_ROW, .c = x,
            .c_row = DENSE_ROW, .bias = form == 1 || form == 2 ? shown : NULL,
            .accumulate = form == 3, .shown = form >= 3 ? shown : NULL, .shown_row = DENSE_ROW,
            .activation = form == 0 ? 0 : form % 2 ? FST__ACTIVATION_TANH : FST__ACTIVATION_RELU,
        };
        k->dense_product(&d);
        d.c = y;
        reference->dense_product(&d);
        for (int i = 0; i < DENSE_MOST * DENSE_ROW; ++i)
            if (!close_to(x[i], y[i], 1e-6, 2e-7 * (double)(inner + 4)))
                ck_abort_msg("%s dense %d×%d×%d form %d at %d: %.9g, expected %.9g", k->name, (int)m,
                             (int)n, (int)inner, form, i, (double)x[i], (double)y[i]);
        for (int64_t r = 0; r < m; ++r) {
            fst__dense row = d;
            row.m = 1;
            row.a += r * d.a_row;
            row.c = z + r * d.c_row;
            row.shown = d.shown ? d.shown + r * d.shown_row : NULL;
            k->dense_product(&row);
        }
        ck_assert_mem_eq(x, z, sizeof x);
    }
}

START_TEST(dense)
{
    static const int64_t sizes[][3] = {{1, 1, 1},    {1, 64, 64}, {3, 2, 64},   {4, 5, 7},
                                       {5, 16, 17},  {8, 64, 4},  {9, 33, 31},  {64, 64, 64},
                                       {65, 90, 90}, {90, 65, 3}, {7, 17, 0}};
    const fst__kernels *k;
    for (int32_t i = 0; (k = fst__kernels_at(i)); ++i)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
            check_dense(k, sizes[s][0], sizes[s][1], sizes[s][2], false);
            check_dense(k, sizes[s][0], sizes[s][1], sizes[s][2], true);
        }
}
END_TEST

START_TEST(turned)
{
    static float x[DENSE_MOST * DENSE_ROW], y[DENSE_MOST * DENSE_ROW];
    const fst__kernels *k;
    draw_dense(x, 5);
    for (int32_t i = 0; (k = fst__kernels_at(i)); ++i)
        for (int64_t rows = 1; rows < 70; rows += 3)
            for (int64_t columns = 1; columns < 70; columns += 4) {
                memset(y, 0, sizeof y);
                k->turn(x, rows, columns, y, DENSE_ROW);
                for (int64_t r = 0; r < rows; ++r)
                    for (int64_t c = 0; c < columns; ++c)
                        if (y[c * DENSE_ROW + r] != x[r * columns + c])
                            ck_abort_msg("%s turn %d×%d at %d, %d", k->name, (int)rows, (int)columns,
                                         (int)r, (int)c);
                for (int64_t c = columns * DENSE_ROW; c < DENSE_MOST * DENSE_ROW; ++c)
                    ck_assert(y[c] == 0);
            }
}
END_TEST

START_TEST(output_slopes)
{
    const fst__kernels *k;
    for (int32_t i = 0; (k = fst__kernels_at(i)); ++i)
        for (int l = 0; l < LENGTHS; ++l)
            for (int32_t a = FST__ACTIVATION_RELU; a <= FST__ACTIVATION_TANH; ++a) {
                operands *o = draw(9, 1);
                k->output_slope(a, o->x[0], o->x[1], o->x[2], lengths[l]);
                reference->output_slope(a, o->y[0], o->y[1], o->y[2], lengths[l]);
                compare(k, "output_slope", o, lengths[l], 1e-6, 2e-7);
            }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels");
    TCase *tests = tcase_create("kernels");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, arithmetic);
    tcase_add_test(tests, reductions);
    tcase_add_test(tests, softmax_pieces);
    tcase_add_test(tests, attention_rows);
    tcase_add_test(tests, attention_matrices);
    tcase_add_test(tests, attention_nan);
    tcase_add_test(tests, softmax_at_infinity);
    tcase_add_test(tests, activations);
    tcase_add_test(tests, accuracy);
    tcase_add_test(tests, special_values);
    tcase_add_test(tests, norms);
    tcase_add_test(tests, channels);
    tcase_add_test(tests, pieces);
    tcase_add_test(tests, conversion);
    tcase_add_test(tests, random_bits);
    tcase_add_test(tests, dropout_rate);
    tcase_add_test(tests, dense);
    tcase_add_test(tests, turned);
    tcase_add_test(tests, output_slopes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
