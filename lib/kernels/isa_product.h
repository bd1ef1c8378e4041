/*
 * Products with few rows, C = A·Bᵀ with B [n, k]: one token per sequence against a weight matrix.
 * They are bound by the reading of B, so B is read once, four of its rows at a time against up to
 * four of A. Included by isa.c only.
 */
#ifndef FST_KERNELS_ISA_PRODUCT_H
#define FST_KERNELS_ISA_PRODUCT_H

#include "kernels/gemm.h"
#include "kernels/isa_rows.h"

enum { PRODUCT_ROWS = 4, PRODUCT_COLUMNS = 4 };

/* The loops over a block are unrolled by pragma: at -O2 the sums would stay in memory. */

/* Elements [p, p + min(LANES, left)) of a row, the other lanes 0. */
INLINE vector read_row(const void *row, bool bf16, int64_t p, int64_t left)
{
    if (!bf16)
        return vector_read((const fst__real *)row + p, left);
    const fst__bf16 *from = (const fst__bf16 *)row + p;
#ifndef FST__REAL_DOUBLE
    vector_halves halves = {0};
    memcpy(&halves, from, left >= LANES ? sizeof halves : (size_t)left * sizeof *from);
    return (vector)(__builtin_convertvector(halves, vector_words) << 16);
#else
    vector v = {0};
    for (int l = 0; l < LANES && l < left; ++l)
        v[l] = fst__bf16_to_float(from[l]);
    return v;
#endif
}

INLINE void store_product(const fst__product *tile, int64_t i, int64_t j, fst__real sum)
{
    void *at = fst__matrix_at(tile->c, i, j);
    if (tile->c.dtype == FST_BF16)
        *(fst__bf16 *)at = fst__float_to_bf16((float)sum);
    else
        *(fst__real *)at = tile->accumulate ? *(fst__real *)at + sum : sum;
}

INLINE void multiply_add(vector sums[][PRODUCT_COLUMNS], const void *const a[],
                         const void *const b[], int rows, int columns, bool bf16, int64_t p,
                         int64_t left)
{
    vector y[PRODUCT_COLUMNS];
#pragma GCC unroll 4
    for (int c = 0; c < columns; ++c)
        y[c] = read_row(b[c], bf16, p, left);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
        vector x = read_row(a[r], bf16, p, left);
#pragma GCC unroll 4
        for (int c = 0; c < columns; ++c)
            sums[r][c] += x * y[c];
    }
}

/* C[i, i + rows) × [j, j + columns): sizes are constants where this is inlined. Each element is
 * summed in the same order whatever stands beside it. */
INLINE void product_block(const fst__product *tile, int64_t i, int rows, int64_t j, int columns,
                          bool bf16)
{
    int64_t k = tile->a.columns, p = 0;
    const void *a[PRODUCT_ROWS], *b[PRODUCT_COLUMNS];
    vector sums[PRODUCT_ROWS][PRODUCT_COLUMNS] = {{{0}}};
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
        a[r] = fst__matrix_at(tile->a, i + r, 0);
#pragma GCC unroll 4
    for (int c = 0; c < columns; ++c)
        b[c] = fst__matrix_at(tile->b, j + c, 0);
    for (; p + LANES <= k; p += LANES)
        multiply_add(sums, a, b, rows, columns, bf16, p, LANES);
    if (p < k)
        multiply_add(sums, a, b, rows, columns, bf16, p, k - p);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < columns; ++c)
            store_product(tile, i + r, j + c, vector_total(sums[r][c]));
}

INLINE void product_columns(const fst__product *tile, int64_t j, int columns, bool bf16)
{
    int64_t m = tile->c.rows, i = 0;
    for (; i + 4 <= m; i += 4)
        product_block(tile, i, 4, j, columns, bf16);
    if (m - i == 3)
        product_block(tile, i, 3, j, columns, bf16);
    else if (m - i == 2)
        product_block(tile, i, 2, j, columns, bf16);
    else if (m - i == 1)
        product_block(tile, i, 1, j, columns, bf16);
}

INLINE void product_all(const fst__product *tile, bool bf16)
{
    int64_t n = tile->c.columns, j = 0;
    for (; j + PRODUCT_COLUMNS <= n; j += PRODUCT_COLUMNS)
        product_columns(tile, j, PRODUCT_COLUMNS, bf16);
    for (; j < n; ++j)
        product_columns(tile, j, 1, bf16);
}

static void product_few_rows(const fst__product *tile)
{
    if (tile->a.dtype == FST_BF16)
        product_all(tile, true);
    else
        product_all(tile, false);
}

#endif
