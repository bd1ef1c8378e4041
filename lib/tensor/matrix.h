/*
 * A row-major matrix of activations or weights. Its elements are fst__real or bfloat16; layers
 * read a row as fst__real and write it back, so that each is written once for both (kernels/rows.h).
 */
#ifndef FST_TENSOR_MATRIX_H
#define FST_TENSOR_MATRIX_H

#include "tensor/real.h"

typedef struct fst__matrix {
    void *data;
    int64_t rows, columns;
    int64_t stride; /* elements from one row to the next, ≥ columns */
    int32_t dtype;  /* FST__REAL_DTYPE or FST_BF16 */
} fst__matrix;

static inline size_t fst__element_size(int32_t dtype)
{
    return dtype == FST_BF16 ? 2 : sizeof(fst__real);
}

static inline fst__matrix fst__matrix_of(void *data, int64_t rows, int64_t columns, int32_t dtype)
{
    return (fst__matrix){data, rows, columns, columns, dtype};
}

static inline void *fst__matrix_at(fst__matrix matrix, int64_t row, int64_t column)
{
    return (char *)matrix.data +
           (size_t)(row * matrix.stride + column) * fst__element_size(matrix.dtype);
}

static inline fst__matrix fst__matrix_columns(fst__matrix matrix, int64_t first, int64_t count)
{
    return (fst__matrix){fst__matrix_at(matrix, 0, first), matrix.rows, count, matrix.stride,
                         matrix.dtype};
}

static inline fst__matrix fst__matrix_rows(fst__matrix matrix, int64_t first, int64_t count)
{
    return (fst__matrix){fst__matrix_at(matrix, first, 0), count, matrix.columns, matrix.stride,
                         matrix.dtype};
}

#endif
