/* Rows of attention and of cross entropy. Included by isa.c only. */
#ifndef FST_KERNELS_ISA_ATTENTION_H
#define FST_KERNELS_ISA_ATTENTION_H

#include "kernels/isa_rows.h"

static void affine(fst__real alpha, const fst__real *x, fst__real beta, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        vector_write(y + i, alpha * vector_read(x + i, n - i) + beta, n - i);
}

static fst__real exp_sum_scaled(const fst__real *x, fst__real factor, fst__real shift, fst__real *y,
                                int64_t n)
{
    vector even = {0}, odd = {0};
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        vector a = vector_exp(vector_load(x + i) * factor - shift);
        vector b = vector_exp(vector_load(x + i + LANES) * factor - shift);
        vector_store(y + i, a);
        vector_store(y + i + LANES, b);
        even += a;
        odd += b;
    }
    for (; i < n; i += LANES) {
        vector a = vector_exp(vector_read(x + i, n - i) * factor - shift);
        vector_write(y + i, a, n - i);
        even += n - i >= LANES ? a : vector_keep(a, n - i, 0);
    }
    return vector_total(even + odd);
}

static void attention_gradient(fst__real *p, fst__real *dp, fst__real factor, fst__real lse,
                               fst__real delta, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        vector probability = vector_exp(vector_read(p + i, n - i) * factor - lse);
        vector gradient = probability * (vector_read(dp + i, n - i) - delta) * factor;
        vector_write(p + i, probability, n - i);
        vector_write(dp + i, gradient, n - i);
    }
}

/* `rows` is a constant where this is inlined. A row is summed in the same order whatever stands
 * beside it. */
INLINE void rows_dot_block(const fst__real *matrix, int rows, int64_t columns, const fst__real *x,
                           fst__real *y)
{
    vector sums[UNROLL] = {{0}};
    int64_t j = 0;
    for (; j + LANES <= columns; j += LANES) {
        vector v = vector_load(x + j);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r)
            sums[r] += vector_load(matrix + r * columns + j) * v;
    }
    if (j < columns) {
        vector v = vector_read(x + j, columns - j);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r)
            sums[r] += vector_read(matrix + r * columns + j, columns - j) * v;
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
        y[r] = vector_total(sums[r]);
}

static void rows_dot(const fst__real *matrix, int64_t rows, int64_t columns, const fst__real *x,
                     fst__real *y)
{
    int64_t i = 0;
    for (; i + UNROLL <= rows; i += UNROLL)
        rows_dot_block(matrix + i * columns, UNROLL, columns, x, y + i);
    for (; i < rows; ++i)
        rows_dot_block(matrix + i * columns, 1, columns, x, y + i);
}

/* A strip of four vectors of y stays in registers while all rows pass. */
static void rows_add(const fst__real *matrix, int64_t rows, int64_t columns,
                     const fst__real *weights, fst__real *y)
{
    int64_t j = 0;
    for (; j + UNROLL * LANES <= columns; j += UNROLL * LANES) {
        vector total[UNROLL];
#pragma GCC unroll 4
        for (int u = 0; u < UNROLL; ++u)
            total[u] = vector_load(y + j + u * LANES);
        for (int64_t i = 0; i < rows; ++i)
#pragma GCC unroll 4
            for (int u = 0; u < UNROLL; ++u)
                total[u] += weights[i] * vector_load(matrix + i * columns + j + u * LANES);
#pragma GCC unroll 4
        for (int u = 0; u < UNROLL; ++u)
            vector_store(y + j + u * LANES, total[u]);
    }
    for (; j < columns; j += LANES) {
        vector total = vector_read(y + j, columns - j);
        for (int64_t i = 0; i < rows; ++i)
            total += weights[i] * vector_read(matrix + i * columns + j, columns - j);
        vector_write(y + j, total, columns - j);
    }
}

#endif
