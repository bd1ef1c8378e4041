/* Conversion, sums and softmax pieces. Included by isa.c only. */
#ifndef FST_KERNELS_ISA_ROWS_H
#define FST_KERNELS_ISA_ROWS_H

#include "kernels/isa_math.h"

#ifdef FST__REAL_DOUBLE

static void from_bf16(const fst__bf16 *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = fst__bf16_to_float(x[i]);
}

static void to_bf16(const fst__real *x, fst__bf16 *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = fst__float_to_bf16((float)x[i]);
}

#else

typedef uint16_t vector_halves __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef uint32_t vector_words __attribute__((vector_size(VECTOR_BYTES)));

static void from_bf16(const fst__bf16 *x, float *y, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vector_halves halves;
        memcpy(&halves, x + i, sizeof halves);
        vector_words words = __builtin_convertvector(halves, vector_words) << 16;
        memcpy(y + i, &words, sizeof words);
    }
    for (; i < n; ++i)
        y[i] = fst__bf16_to_float(x[i]);
}

/* As fst__float_to_bf16. */
static void to_bf16(const float *x, fst__bf16 *y, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vector_words bits;
        memcpy(&bits, x + i, sizeof bits);
        vector_words nan = (vector_words)((bits & 0x7fffffffu) > 0x7f800000u);
        vector_words rounded = bits + 0x7fffu + (bits >> 16 & 1u);
        bits = ((rounded & ~nan) | ((bits | 0x400000u) & nan)) >> 16;
        vector_halves halves = __builtin_convertvector(bits, vector_halves);
        memcpy(y + i, &halves, sizeof halves);
    }
    for (; i < n; ++i)
        y[i] = fst__float_to_bf16(x[i]);
}

#endif

static void add(const fst__real *a, const fst__real *b, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        vector_write(y + i, vector_read(a + i, n - i) + vector_read(b + i, n - i), n - i);
}

static void axpy(fst__real alpha, const fst__real *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        vector_write(y + i, alpha * vector_read(x + i, n - i) + vector_read(y + i, n - i), n - i);
}

static void scale(fst__real alpha, const fst__real *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        vector_write(y + i, alpha * vector_read(x + i, n - i), n - i);
}

/* Σ f(x[i], y[i]) in UNROLL vectors of partial sums. Lanes past the end read 0, and every f used
 * here gives 0 for them. */
#define SUM_OF(term)                                                                               \
    vector partial[UNROLL] = {{0}};                                                                \
    int64_t i = 0;                                                                                 \
    for (; i + UNROLL * LANES <= n; i += UNROLL * LANES)                                           \
        for (int u = 0; u < UNROLL; ++u) {                                                         \
            int64_t at = i + u * LANES, left = LANES;                                              \
            partial[u] += (term);                                                                  \
        }                                                                                          \
    for (; i < n; i += LANES) {                                                                    \
        int64_t at = i, left = n - i;                                                              \
        partial[0] += (term);                                                                      \
    }                                                                                              \
    return vector_total((partial[0] + partial[1]) + (partial[2] + partial[3]))

static fst__real dot(const fst__real *x, const fst__real *y, int64_t n)
{
    SUM_OF(vector_read(x + at, left) * vector_read(y + at, left));
}

static fst__real sum(const fst__real *x, int64_t n)
{
    SUM_OF(vector_read(x + at, left));
}

INLINE vector deviation(const fst__real *x, fst__real mean, int64_t left)
{
    vector d = vector_read(x, left) - mean;
    d = left >= LANES ? d : vector_keep(d, left, 0);
    return d * d;
}

static fst__real square_deviation(const fst__real *x, fst__real mean, int64_t n)
{
    SUM_OF(deviation(x + at, mean, left));
}

#undef SUM_OF

static fst__real row_max(const fst__real *x, int64_t n)
{
    vector most = vector_of(-INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vector v = vector_load(x + i);
        most = vector_select(v > most, v, most);
    }
    fst__real result = -INFINITY;
    for (int l = 0; l < LANES; ++l)
        result = most[l] > result ? most[l] : result;
    for (; i < n; ++i)
        result = x[i] > result ? x[i] : result;
    return result;
}

typedef double vector_double __attribute__((vector_size(VECTOR_BYTES)));
enum { LANES_DOUBLE = VECTOR_BYTES / 8 };
typedef fst__real vector_narrow __attribute__((vector_size(VECTOR_BYTES / 8 * sizeof(fst__real))));

static double sum_squares(const fst__real *x, int64_t n)
{
    vector_double partial[UNROLL] = {{0}};
    int64_t i = 0;
    for (; i + UNROLL * LANES_DOUBLE <= n; i += UNROLL * LANES_DOUBLE)
        for (int u = 0; u < UNROLL; ++u) {
            vector_narrow narrow;
            memcpy(&narrow, x + i + u * LANES_DOUBLE, sizeof narrow);
            vector_double wide = __builtin_convertvector(narrow, vector_double);
            partial[u] += wide * wide;
        }
    vector_double all = (partial[0] + partial[1]) + (partial[2] + partial[3]);
    double result = 0;
    for (int l = 0; l < LANES_DOUBLE; ++l)
        result += all[l];
    for (; i < n; ++i)
        result += (double)x[i] * (double)x[i];
    return result;
}

static void row_exp(const fst__real *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        vector_write(y + i, vector_exp(vector_read(x + i, n - i)), n - i);
}

static fst__real exp_sum(const fst__real *x, fst__real shift, fst__real *y, int64_t n)
{
    vector even = {0}, odd = {0};
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        vector a = vector_exp(vector_load(x + i) - shift);
        vector b = vector_exp(vector_load(x + i + LANES) - shift);
        if (y) {
            vector_store(y + i, a);
            vector_store(y + i + LANES, b);
        }
        even += a;
        odd += b;
    }
    for (; i < n; i += LANES) {
        vector a = vector_exp(vector_read(x + i, n - i) - shift);
        if (y)
            vector_write(y + i, a, n - i);
        even += n - i >= LANES ? a : vector_keep(a, n - i, 0);
    }
    return vector_total(even + odd);
}

static fst__real log_sum_exp(const fst__real *x, int64_t n)
{
    fst__real most = row_max(x, n);
    /* With nothing finite above −∞ there is nothing to sum, unless a NaN hides among it. */
    if (most == -INFINITY)
        return exp_sum(x, 0, NULL, n) == 0 ? most : (fst__real)NAN;
    if (most == INFINITY)
        return isnan(exp_sum(x, 0, NULL, n)) ? (fst__real)NAN : most;
#ifdef FST__REAL_DOUBLE
    return most + log(exp_sum(x, most, NULL, n));
#else
    return most + logf(exp_sum(x, most, NULL, n));
#endif
}

static void softmax(const fst__real *x, fst__real *y, int64_t n)
{
    if (n > 0)
        scale(1 / exp_sum(x, row_max(x, n), y, n), y, y, n);
}

static void rotate(fst__real *x, fst__real *y, const fst__real *cosine, const fst__real *sine,
                   bool inverse, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        vector a = vector_read(x + i, n - i), b = vector_read(y + i, n - i);
        vector c = vector_read(cosine + i, n - i), s = vector_read(sine + i, n - i);
        s = inverse ? -s : s;
        vector_write(x + i, a * c - b * s, n - i);
        vector_write(y + i, b * c + a * s, n - i);
    }
}

#endif
