/*
 * A layer sees a matrix row as fst__real in pieces of at most FST__CHUNK columns: the row itself
 * where it is stored so, else a copy converted into a scratch piece that stays in the first-level
 * cache. So every layer is written once for both dtypes.
 */
#ifndef FST_KERNELS_ROWS_H
#define FST_KERNELS_ROWS_H

#include "kernels/kernels.h"
#include "tensor/matrix.h"

#include <string.h>

enum { FST__CHUNK = 1024 };

static inline int64_t fst__chunk(int64_t columns, int64_t column)
{
    return columns - column < FST__CHUNK ? columns - column : FST__CHUNK;
}

/* Columns [column, column + count) of a row; scratch holds count elements. */
static inline const fst__real *fst__row_read(const fst__kernels *kernels, fst__matrix matrix,
                                             int64_t row, int64_t column, int64_t count,
                                             fst__real *scratch)
{
    const void *source = fst__matrix_at(matrix, row, column);
    if (matrix.dtype != FST_BF16)
        return source;
    kernels->from_bf16(source, scratch, count);
    return scratch;
}

/* Where to put what fst__row_write stores: the row itself, or scratch. */
static inline fst__real *fst__row_target(fst__matrix matrix, int64_t row, int64_t column,
                                         fst__real *scratch)
{
    return matrix.dtype == FST_BF16 ? scratch : (fst__real *)fst__matrix_at(matrix, row, column);
}

static inline void fst__row_write(const fst__kernels *kernels, fst__matrix matrix, int64_t row,
                                  int64_t column, int64_t count, const fst__real *values)
{
    void *target = fst__matrix_at(matrix, row, column);
    if (matrix.dtype == FST_BF16)
        kernels->to_bf16(values, target, count);
    else if (target != (const void *)values)
        memcpy(target, values, (size_t)count * sizeof *values);
}

#endif
