/* What a layer computes with: threads, matrix products, and the kernels for this processor. */
#ifndef FST_KERNELS_COMPUTE_H
#define FST_KERNELS_COMPUTE_H

#include "base/alloc.h"
#include "base/threads.h"

struct fst__gemm;    /* gemm.h: provider and its per-worker state */
struct fst__kernels; /* kernels.h: table of functions for one instruction set */

typedef struct fst__compute {
    fst__pool *pool;
    struct fst__gemm *gemm;
    const struct fst__kernels *kernels;
} fst__compute;

/* provider: FST_PROVIDER_ value. The pool is borrowed. */
fst_status fst__compute_create(fst__allocator *allocator, fst__pool *pool, int32_t provider,
                               fst__compute **out);
void fst__compute_destroy(fst__allocator *allocator, fst__compute *compute); /* takes NULL */

#endif
