#include "optim/muon.h"

#include "kernels/gemm.h"

/* The quintic a·x + b·x³ + c·x⁵ whose slope at 0 is as steep as may be. */
static const double A = 3.4445, B = -4.7750, C = 2.0315;

enum { SCALE_CHUNK = 65536 };

typedef struct scale_task {
    fst__real *values;
    int64_t count;
    fst__real factor;
} scale_task;

static void scale_chunk(void *context, int64_t index, int32_t worker)
{
    const scale_task *task = context;
    int64_t first = index * SCALE_CHUNK;
    int64_t last = first + SCALE_CHUNK < task->count ? first + SCALE_CHUNK : task->count;
    (void)worker;
    for (int64_t i = first; i < last; ++i)
        task->values[i] *= task->factor;
}

typedef struct polynomial_task {
    const fst__real *gram;
    fst__real *square; /* in: G², out: a·I + b·G + c·G² */
    int64_t size;
} polynomial_task;

static void polynomial_row(void *context, int64_t row, int32_t worker)
{
    const polynomial_task *task = context;
    const fst__real b = (fst__real)B, c = (fst__real)C;
    const fst__real *restrict gram = task->gram + row * task->size;
    fst__real *restrict out = task->square + row * task->size;
    (void)worker;
    for (int64_t j = 0; j < task->size; ++j)
        out[j] = b * gram[j] + c * out[j];
    out[row] += (fst__real)A;
}

static fst__matrix real_matrix(fst__real *data, int64_t rows, int64_t columns)
{
    return fst__matrix_of(data, rows, columns, FST__REAL_DTYPE);
}

/* G = X·Xᵀ on the smaller side, P = a·I + b·G + c·G², Y = P·X (or X·P where X is tall: P is
 * symmetric, so the reference's transposition is a matter of which side it stands on). */
static fst_status iterate(const fst__compute *compute, const fst__muon_scratch *scratch,
                          fst__real *x, fst__real *y, int64_t rows, int64_t columns)
{
    bool tall = rows > columns;
    int64_t k = tall ? columns : rows;
    fst__matrix mx = real_matrix(x, rows, columns), my = real_matrix(y, rows, columns);
    fst__matrix gram = real_matrix(scratch->gram, k, k);
    fst__matrix polynomial = real_matrix(scratch->polynomial, k, k);

    fst__product product = {.a = mx, .b = mx, .c = gram, .transpose_a = tall, .transpose_b = !tall};
    fst_status status = fst__gemm_run(compute, &product);
    if (status)
        return status;
    product = (fst__product){.a = gram, .b = gram, .c = polynomial};
    if ((status = fst__gemm_run(compute, &product)))
        return status;
    polynomial_task task = {scratch->gram, scratch->polynomial, k};
    fst__pool_run(compute->pool, k, polynomial_row, &task);
    product = tall ? (fst__product){.a = mx, .b = polynomial, .c = my}
                   : (fst__product){.a = polynomial, .b = mx, .c = my};
    return fst__gemm_run(compute, &product);
}

fst_status fst__muon_orthogonalise(const fst__compute *compute, const fst__muon_scratch *scratch,
                                   int64_t rows, int64_t columns, double norm, int32_t iterations,
                                   fst__real **result)
{
    scale_task scale = {scratch->direction, rows * columns, (fst__real)(1 / (norm + 1e-7))};
    fst__pool_run(compute->pool, (scale.count + SCALE_CHUNK - 1) / SCALE_CHUNK, scale_chunk,
                  &scale);
    fst__real *x = scratch->direction, *y = scratch->next;
    for (int32_t i = 0; i < iterations; ++i) {
        fst_status status = iterate(compute, scratch, x, y, rows, columns);
        if (status)
            return status;
        fst__real *swap = x;
        x = y;
        y = swap;
    }
    *result = x;
    return FST_OK;
}
