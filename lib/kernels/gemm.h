/*
 * The only door to BLAS. C = op(A)·op(B) + beta·C, row-major, cut into tiles that depend on the
 * shape alone; each tile is one single-threaded call of the provider, so the result has the same
 * bits for any number of workers.
 */
#ifndef FST_KERNELS_GEMM_H
#define FST_KERNELS_GEMM_H

#include "kernels/compute.h"
#include "tensor/matrix.h"

#include <stdbool.h>

typedef struct fst__gemm fst__gemm;

/* Called for each finished tile by the worker that computed it, while it is in that worker's cache:
 * rows [row, row + rows), columns [column, column + columns) of C hold their final values. */
typedef struct fst__epilogue {
    void (*apply)(void *context, fst__matrix c, int64_t row, int64_t rows, int64_t column,
                  int64_t columns, int32_t worker);
    void *context;
} fst__epilogue;

typedef struct fst__product {
    fst__matrix a; /* [m, k], or [k, m] if transpose_a */
    fst__matrix b; /* [k, n], or [n, k] if transpose_b */
    fst__matrix c; /* [m, n]; if a and b are BF16, fst__real or BF16; otherwise fst__real */
    bool transpose_a, transpose_b;
    bool accumulate;               /* add to C (then C is fst__real) instead of overwriting it */
    const fst__epilogue *epilogue; /* NULL: none */
} fst__product;

/* a and b have the same dtype. Fails only for lack of memory on a shape's first use, or inside the
 * provider; C is then unspecified. */
fst_status fst__gemm_run(const fst__compute *compute, const fst__product *product);

/*
 * The same product on the calling worker alone, as one tile: for use inside a pool task, whose
 * worker number is passed so that each worker keeps its own provider state. No epilogue.
 */
fst_status fst__gemm_run_tile(const fst__compute *compute, int32_t worker,
                              const fst__product *product);

fst_status fst__gemm_create(fst__allocator *allocator, int32_t workers, int32_t provider,
                            fst__gemm **out);
void fst__gemm_destroy(fst__gemm *gemm); /* takes NULL */
int32_t fst__gemm_provider(const fst__gemm *gemm);
const char *fst__gemm_provider_name(const fst__gemm *gemm);
bool fst__gemm_has_bf16(const fst__gemm *gemm); /* native bfloat16 products */

/* Statistics for benchmarks: when `record` is set, each product's shape is counted. */
typedef struct fst__gemm_shape {
    int64_t m, n, k, lda, ldb, ldc, calls;
    bool transpose_a, transpose_b, accumulate, tile;
    int32_t dtype, dtype_c;
} fst__gemm_shape;
/* shapes: room for capacity entries, borrowed until recording stops (shapes NULL). Not for
 * concurrent use. Returns nothing; *count grows as new shapes appear (capped at capacity). */
void fst__gemm_record(fst__gemm *gemm, fst__gemm_shape *shapes, int64_t capacity, int64_t *count);

#endif
