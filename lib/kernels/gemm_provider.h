/*
 * What a provider of matrix products is to gemm.c: something that computes one tile on the calling
 * thread. A tile is an fst__product without epilogue whose sizes are all at least 1; gemm.c has
 * checked it. Providers never start threads and never cut a tile by anything but its shape.
 */
#ifndef FST_KERNELS_GEMM_PROVIDER_H
#define FST_KERNELS_GEMM_PROVIDER_H

#include "fourstage/context.h"
#include "kernels/gemm.h"

typedef struct fst__provider {
    int32_t id; /* FST_PROVIDER_ value */
    /* state: whatever the provider keeps, with a part of its own for each worker. */
    fst_status (*create)(fst__allocator *allocator, int32_t workers, void **state);
    void (*destroy)(void *state); /* takes NULL */
    fst_status (*run)(void *state, int32_t worker, const fst__product *tile);
    bool (*has_bf16)(void);                /* native bfloat16 products on this processor */
    void (*name)(char *text, size_t size); /* e.g. "oneDNN 2.6.3 avx512_core_bf16" */
} fst__provider;

extern const fst__provider fst__provider_reference;
extern const fst__provider fst__provider_cblas;
#ifdef FST__HAVE_ONEDNN
extern const fst__provider fst__provider_onednn;
/* Whether oneDNN's kernels beat OpenBLAS's on this processor. */
bool fst__onednn_suits_processor(void);
#endif

static inline int64_t fst__product_depth(const fst__product *product)
{
    return product->transpose_a ? product->a.rows : product->a.columns;
}

/* op(A)'s rows [first, first + count), and op(B)'s columns, as parts of A and B. */
static inline fst__matrix fst__product_a_rows(const fst__product *product, int64_t first,
                                              int64_t count)
{
    return product->transpose_a ? fst__matrix_columns(product->a, first, count)
                                : fst__matrix_rows(product->a, first, count);
}

static inline fst__matrix fst__product_b_columns(const fst__product *product, int64_t first,
                                                 int64_t count)
{
    return product->transpose_b ? fst__matrix_rows(product->b, first, count)
                                : fst__matrix_columns(product->b, first, count);
}

/* As fst__fail, with the tile's shape behind the text. */
fst_status fst__gemm_fail(fst_status status, const fst__product *tile, const char *what);

#endif
