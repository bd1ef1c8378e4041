/*
 * What every handle hangs off. Rooms that make handles (tokenizer, data, optim, model, stages)
 * retain it; kernels and nn never see it and take pointers, sizes and an fst__compute instead.
 */
#ifndef FST_BASE_CONTEXT_H
#define FST_BASE_CONTEXT_H

#include "base/alloc.h"
#include "base/log.h"
#include "base/threads.h"

#include <stdbool.h>
#include "fourstage/context.h"

struct fst__compute; /* kernels/compute.h */

struct fst_context {
    _Atomic int64_t references;
    fst__allocator allocator;
    fst__log log;
    uint64_t seed;
    fst__pool *pool;
    struct fst__compute *compute;
    bool blas_single_thread; /* this context holds OpenBLAS at one thread */
    void (*dispose)(fst_context *context); /* frees all of it; set by who made it */
};

static inline fst_context *fst__context_retain(fst_context *context)
{
    atomic_fetch_add(&context->references, 1);
    return context;
}

static inline void fst__context_release(fst_context *context)
{
    if (context && atomic_fetch_sub(&context->references, 1) == 1)
        context->dispose(context);
}

#endif
