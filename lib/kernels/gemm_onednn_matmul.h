/* One matmul primitive of oneDNN with its memory objects, behind oneDNN's version 2 or 3 C API. */
#ifndef FST_KERNELS_GEMM_ONEDNN_MATMUL_H
#define FST_KERNELS_GEMM_ONEDNN_MATMUL_H

#include "kernels/gemm.h"

#include <oneapi/dnnl/dnnl.h>

typedef struct fst__matmul {
    dnnl_primitive_t primitive; /* NULL: none */
    dnnl_memory_t a, b, c, scratchpad;
    size_t scratchpad_size; /* bytes that the caller provides for a run */
} fst__matmul;

/* For the tile's shape, strides, transposes, accumulation and dtypes; its pointers are not kept. */
dnnl_status_t fst__matmul_create(dnnl_engine_t engine, const fst__product *tile, fst__matmul *out);
dnnl_status_t fst__matmul_run(const fst__matmul *matmul, dnnl_stream_t stream,
                              const fst__product *tile, void *scratchpad);
void fst__matmul_destroy(fst__matmul *matmul);

#endif
