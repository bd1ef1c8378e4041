/*
 * Small layers: blocks of four rows by up to four registers of columns, each sum in a register from its
 * start to its activation. Included by isa.c only.
 */
#ifndef FST_KERNELS_ISA_DENSE_H
#define FST_KERNELS_ISA_DENSE_H

#include "kernels/dense.h"
#include "kernels/isa_activation.h"

enum { DENSE_ROWS = 4, DENSE_VECTORS = VECTOR_BYTES == 64 ? 4 : 2 };

/* The slope where the activation gave y. */
INLINE vector slope_of_output(int32_t activation, vector y)
{
    if (activation == FST__ACTIVATION_TANH)
        return 1 - y * y;
    if (activation == FST__ACTIVATION_RELU)
        return vector_select(y > 0, vector_of(1), vector_of(0));
    return vector_of(1);
}

INLINE vector dense_start(const fst__dense *d, int64_t i, int64_t j, int64_t left)
{
    if (d->accumulate)
        return vector_read(d->c + i * d->c_row + j, left);
    return d->bias ? vector_read(d->bias + j, left) : vector_of(0);
}

static void output_slope(int32_t activation, const fst__real *y, const fst__real *dy, fst__real *dx,
                         int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        vector_write(dx + i,
                     vector_read(dy + i, n - i) *
                         slope_of_output(activation, vector_read(y + i, n - i)),
                     n - i);
}

/* What follows the sums of one row, while it is in the first-level cache. */
INLINE void dense_finish(const fst__dense *d, int64_t i, int64_t j, int64_t n)
{
    fst__real *c = d->c + i * d->c_row + j;
    if (d->shown)
        output_slope(d->activation, d->shown + i * d->shown_row + j, c, c, n);
    else if (d->activation)
        activation_forward(d->activation, c, c, n);
}

/* Sizes are constants where this is inlined; `left` is of the last vector. Unrolled by pragma: at -O2
 * the sums would stay in memory. */
INLINE void dense_block(const fst__dense *d, int64_t i, int rows, int64_t j, int vectors, int64_t left)
{
    vector sums[DENSE_ROWS][DENSE_VECTORS];
    const fst__real *a = d->a + i * d->a_row, *b = d->b + j;
    int64_t a_row = d->a_row, a_step = d->a_step, b_row = d->b_row;
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            sums[r][v] = dense_start(d, i + r, j + v * LANES, v + 1 < vectors ? LANES : left);
    for (int64_t p = 0; p < d->k; ++p, a += a_step, b += b_row) {
        vector y[DENSE_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            y[v] = v + 1 < vectors ? vector_load(b + v * LANES) : vector_read(b + v * LANES, left);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) {
            vector x = vector_of(a[r * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v)
                sums[r][v] += x * y[v];
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            vector_write(d->c + (i + r) * d->c_row + j + v * LANES, sums[r][v],
                         v + 1 < vectors ? LANES : left);
    for (int r = 0; r < rows; ++r)
        dense_finish(d, i + r, j, (vectors - 1) * LANES + left);
}

INLINE void dense_columns(const fst__dense *d, int64_t j, int vectors, int64_t left)
{
    int64_t i = 0;
    for (; i + DENSE_ROWS <= d->m; i += DENSE_ROWS)
        dense_block(d, i, DENSE_ROWS, j, vectors, left);
    for (; i < d->m; ++i)
        dense_block(d, i, 1, j, vectors, left);
}

static void dense_product(const fst__dense *d)
{
    int64_t j = 0;
    for (; j + DENSE_VECTORS * LANES <= d->n; j += DENSE_VECTORS * LANES)
        dense_columns(d, j, DENSE_VECTORS, LANES);
    for (; j + LANES <= d->n; j += LANES)
        dense_columns(d, j, 1, LANES);
    if (j < d->n)
        dense_columns(d, j, 1, d->n - j);
}

/* A square of LANES rows turned in registers: in each stage lanes whose number differs in one bit
 * change places between rows whose number differs in that bit. */
INLINE void turn_square(vector row[LANES])
{
#pragma GCC unroll 4
    for (int step = 1; step < LANES; step *= 2) {
        vector_bits low, high;
        for (int l = 0; l < LANES; ++l) {
            low[l] = l & step ? LANES + l - step : l;
            high[l] = l & step ? LANES + l : l + step;
        }
#pragma GCC unroll 16
        for (int r = 0; r < LANES; ++r)
            if (!(r & step)) {
                vector a = row[r], b = row[r + step];
                row[r] = __builtin_shuffle(a, b, low);
                row[r + step] = __builtin_shuffle(a, b, high);
            }
    }
}

static void turn(const fst__real *x, int64_t rows, int64_t columns, fst__real *y, int64_t y_row)
{
    for (int64_t r = 0; r < rows; r += LANES)
        for (int64_t c = 0; c < columns; c += LANES) {
            int64_t down = rows - r < LANES ? rows - r : LANES;
            int64_t across = columns - c < LANES ? columns - c : LANES;
            vector square[LANES];
            for (int l = 0; l < LANES; ++l)
                square[l] = l < down ? vector_read(x + (r + l) * columns + c, across) : vector_of(0);
            turn_square(square);
            for (int64_t l = 0; l < across; ++l)
                vector_store(y + (c + l) * y_row + r, square[l]);
        }
}

#endif
