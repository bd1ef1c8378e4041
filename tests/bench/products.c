#include "products.h"

#include "base/context.h"
#include "kernels/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_SHAPES = 512, REPEATS = 4 };

static double processor_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *filled(size_t elements, int32_t dtype)
{
    size_t size = fst__element_size(dtype);
    char *memory = aligned_alloc(64, (elements * size + 63) / 64 * 64);
    for (size_t i = 0; i < elements; ++i) {
        float value = (float)(i % 17) / 16 - 0.5f;
        memcpy(memory + size * i, (char *)&value + 4 - size, size);
    }
    return memory;
}

typedef struct replay {
    const fst__compute *compute;
    fst__product product;
} replay;

static void run_tile(void *context, int64_t index, int32_t worker)
{
    const replay *r = context;
    fst__product product = r->product;
    size_t size = (size_t)(product.c.rows * product.c.stride) * fst__element_size(product.c.dtype);
    (void)index;
    product.c.data = (char *)product.c.data + (size_t)worker * size;
    if (fst__gemm_run_tile(r->compute, worker, &product))
        exit(1);
}

static double replay_shape(const fst_context *context, const fst__gemm_shape *s)
{
    int64_t a_rows = s->transpose_a ? s->k : s->m, a_columns = s->transpose_a ? s->m : s->k;
    int64_t b_rows = s->transpose_b ? s->n : s->k, b_columns = s->transpose_b ? s->k : s->n;
    int64_t copies = s->tile ? fst__pool_workers(context->pool) : 1;
    replay r = {.compute = context->compute};
    r.product = (fst__product){
        .a = {filled((size_t)(a_rows * s->lda), s->dtype), a_rows, a_columns, s->lda, s->dtype},
        .b = {filled((size_t)(b_rows * s->ldb), s->dtype), b_rows, b_columns, s->ldb, s->dtype},
        .c = {filled((size_t)(copies * s->m * s->ldc), s->dtype_c), s->m, s->n, s->ldc, s->dtype_c},
        .transpose_a = s->transpose_a,
        .transpose_b = s->transpose_b,
        .accumulate = s->accumulate,
    };
    double best = 1e9;
    for (int repeat = 0; repeat < REPEATS; ++repeat) {
        double start = processor_seconds();
        if (s->tile)
            fst__pool_run(context->pool, s->calls, run_tile, &r);
        for (int64_t i = 0; i < s->calls && !s->tile; ++i) {
            if (fst__gemm_run(context->compute, &r.product))
                exit(1);
        }
        double time = processor_seconds() - start;
        best = time < best ? time : best;
    }
    free(r.product.a.data);
    free(r.product.b.data);
    free(r.product.c.data);
    return best;
}

double bench_products(const fst_context *context, void (*work)(void *of), void *of, double *flops)
{
    static fst__gemm_shape shapes[MOST_SHAPES];
    int64_t count = 0;
    double total = 0;
    fst__gemm_record(context->compute->gemm, shapes, MOST_SHAPES, &count);
    work(of);
    fst__gemm_record(context->compute->gemm, NULL, 0, NULL);
    *flops = 0;
    for (int64_t i = 0; i < count; ++i) {
        const fst__gemm_shape *s = &shapes[i];
        total += replay_shape(context, s);
        *flops += 2.0 * (double)s->m * (double)s->n * (double)s->k * (double)s->calls;
    }
    return total;
}
