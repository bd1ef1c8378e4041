/* Products in plain C: for sanitizers, for odd processors, and as what the others are tested by. */
#include "kernels/gemm_provider.h"

#include "tensor/bf16.h"

#include <stdio.h>

enum { STRIP = 64 }; /* columns of C whose sums are kept at once */

static fst__real element(fst__matrix matrix, int64_t row, int64_t column)
{
    const void *at = fst__matrix_at(matrix, row, column);
    if (matrix.dtype == FST_BF16)
        return (fst__real)fst__bf16_to_float(*(const fst__bf16 *)at);
    return *(const fst__real *)at;
}

/* sum[j] += a · op(B)[p, first + j] for j in [0, count) */
static void add_row(fst__real *sum, fst__real a, const fst__product *tile, int64_t p, int64_t first,
                    int64_t count)
{
    if (tile->transpose_b) {
        for (int64_t j = 0; j < count; ++j)
            sum[j] += a * element(tile->b, first + j, p);
    } else if (tile->b.dtype == FST_BF16) {
        const fst__bf16 *b = fst__matrix_at(tile->b, p, first);
        for (int64_t j = 0; j < count; ++j)
            sum[j] += a * (fst__real)fst__bf16_to_float(b[j]);
    } else {
        const fst__real *b = fst__matrix_at(tile->b, p, first);
        for (int64_t j = 0; j < count; ++j)
            sum[j] += a * b[j];
    }
}

static void store(const fst__product *tile, int64_t i, int64_t first, int64_t count,
                  const fst__real *sum)
{
    if (tile->c.dtype == FST_BF16) {
        fst__bf16 *c = fst__matrix_at(tile->c, i, first);
        for (int64_t j = 0; j < count; ++j)
            c[j] = fst__float_to_bf16((float)sum[j]);
        return;
    }
    fst__real *c = fst__matrix_at(tile->c, i, first);
    for (int64_t j = 0; j < count; ++j)
        c[j] = tile->accumulate ? c[j] + sum[j] : sum[j];
}

static fst_status run(void *state, int32_t worker, const fst__product *tile)
{
    int64_t k = fst__product_depth(tile);
    for (int64_t i = 0; i < tile->c.rows; ++i) {
        for (int64_t first = 0; first < tile->c.columns; first += STRIP) {
            int64_t left = tile->c.columns - first, count = left < STRIP ? left : STRIP;
            fst__real sum[STRIP] = {0};
            for (int64_t p = 0; p < k; ++p) {
                fst__real a = tile->transpose_a ? element(tile->a, p, i) : element(tile->a, i, p);
                add_row(sum, a, tile, p, first, count);
            }
            store(tile, i, first, count, sum);
        }
    }
    return FST_OK;
}

static fst_status create(fst__allocator *allocator, int32_t workers, void **state)
{
    *state = NULL;
    return FST_OK;
}

static void destroy(void *state)
{
}

static bool has_bf16(void)
{
    return false;
}

static void name(char *text, size_t size)
{
    snprintf(text, size, "reference");
}

const fst__provider fst__provider_reference = {
    FST_PROVIDER_REFERENCE, create, destroy, run, has_bf16, name,
};
