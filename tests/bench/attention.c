/*
 * Attention and the loss head beside their own products: the time of a step over the time of the
 * same list of products alone, on one worker, in processor time (other load on the machine hardly
 * matters then), and the wall time on all. Usage: bench_attention [repetitions]
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "fourstage/context.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/gemm_cblas.h"
#include "nn/attention.h"
#include "nn/attention_decode.h"
#include "nn/loss_head.h"

enum { SHAPES = 512 };

static fst__allocator allocator;

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static fst__matrix random_matrix(int64_t rows, int64_t columns, int32_t dtype)
{
    fst__matrix matrix = fst__matrix_of(NULL, rows, columns, dtype);
    matrix.data = fst__alloc_array(&allocator, (size_t)(rows * columns), fst__element_size(dtype));
    if (!matrix.data)
        exit(1);
    for (int64_t i = 0; i < rows * columns; ++i) {
        float value = fst__uniform_float(fst__philox(1, 1, 0, (uint64_t)i).word[0]) - 0.5f;
        if (dtype == FST_BF16)
            ((fst__bf16 *)matrix.data)[i] = fst__float_to_bf16(value);
        else
            ((float *)matrix.data)[i] = value;
    }
    return matrix;
}

typedef struct task {
    const char *name;
    void (*run)(const fst__compute *compute, void *context);
    void *context;
} task;

/* The recorded products, on the calling worker, over one set of buffers. */
static void run_products(const fst__compute *compute, const fst__gemm_shape *shapes, int64_t count,
                         void *const *buffers)
{
    for (int64_t i = 0; i < count; ++i) {
        const fst__gemm_shape *s = &shapes[i];
        fst__product product = {.a = {buffers[0], s->transpose_a ? s->k : s->m,
                                      s->transpose_a ? s->m : s->k, s->lda, s->dtype},
                                .b = {buffers[1], s->transpose_b ? s->n : s->k,
                                      s->transpose_b ? s->k : s->n, s->ldb, s->dtype},
                                .c = {buffers[2], s->m, s->n, s->ldc, s->dtype_c},
                                .transpose_a = s->transpose_a,
                                .transpose_b = s->transpose_b,
                                .accumulate = s->accumulate};
        for (int64_t call = 0; call < s->calls; ++call)
            if ((s->tile ? fst__gemm_run_tile(compute, 0, &product)
                         : fst__gemm_run(compute, &product)) != FST_OK)
                exit(1);
    }
}

static double largest(const fst__gemm_shape *shapes, int64_t count, double *flops)
{
    double size = 0;
    *flops = 0;
    for (int64_t i = 0; i < count; ++i) {
        const fst__gemm_shape *s = &shapes[i];
        double m = (double)s->m, n = (double)s->n, k = (double)s->k;
        size = fmax(size, fmax(fmax((s->transpose_a ? k : m) * (double)s->lda,
                                    (s->transpose_b ? n : k) * (double)s->ldb),
                               m * (double)s->ldc));
        *flops += 2 * m * n * k * (double)s->calls;
    }
    return size;
}

static void measure(const fst__compute *one, const fst__compute *all, const task *t, int repeat)
{
    static fst__gemm_shape shapes[SHAPES];
    int64_t count = 0;
    fst__gemm_record(one->gemm, shapes, SHAPES, &count);
    t->run(one, t->context);
    fst__gemm_record(one->gemm, NULL, 0, NULL);
    double flops, size = largest(shapes, count, &flops);
    void *buffers[3];
    for (int i = 0; i < 3; ++i)
        if (!(buffers[i] = fst__alloc_zero(&allocator, (size_t)size * sizeof(float))))
            exit(1);
    double step = INFINITY, products = INFINITY, wall = INFINITY;
    for (int i = 0; i < repeat; ++i) {
        double start = now(CLOCK_THREAD_CPUTIME_ID);
        t->run(one, t->context);
        double middle = now(CLOCK_THREAD_CPUTIME_ID);
        run_products(one, shapes, count, buffers);
        double end = now(CLOCK_THREAD_CPUTIME_ID);
        double wall_start = now(CLOCK_MONOTONIC);
        t->run(all, t->context);
        wall = fmin(wall, now(CLOCK_MONOTONIC) - wall_start);
        step = fmin(step, middle - start);
        products = fmin(products, end - middle);
    }
    printf("%-34s step %8.3f ms  products %8.3f ms (%4.0f GFLOP/s, %2d shapes)  ratio %.2f  all "
           "workers %8.3f ms\n",
           t->name, 1e3 * step, 1e3 * products, 1e-9 * flops / products, (int)count,
           step / products, 1e3 * wall);
    for (int i = 0; i < 3; ++i)
        fst__free(&allocator, buffers[i]);
}

typedef struct attention_bench {
    fst__attention a;
    fst__matrix qkv, dqkv, out, dout;
    fst__real *lse;
    void *scratch;
    size_t size;
    int32_t passes; /* 1: forward, 2: backward, 3: both */
} attention_bench;

static void run_attention(const fst__compute *compute, void *context)
{
    attention_bench *bench = context;
    fst__arena arena = fst__arena_over(bench->scratch, bench->size);
    int64_t width = bench->a.heads * bench->a.head_size;
    int64_t kv_width = bench->a.kv_heads * bench->a.head_size;
    fst__matrix part[2][3];
    for (int i = 0; i < 2; ++i) {
        fst__matrix whole = i ? bench->dqkv : bench->qkv;
        part[i][0] = fst__matrix_columns(whole, 0, width);
        part[i][1] = fst__matrix_columns(whole, width, kv_width);
        part[i][2] = fst__matrix_columns(whole, width + kv_width, kv_width);
    }
    fst_status status = FST_OK;
    if (bench->passes & 1)
        status = fst__attention_forward(compute, &bench->a, part[0][0], part[0][1], part[0][2],
                                        bench->out, bench->lse, &arena);
    if (status == FST_OK && bench->passes & 2)
        status = fst__attention_backward(compute, &bench->a, part[0][0], part[0][1], part[0][2],
                                         bench->out, bench->lse, bench->dout, part[1][0],
                                         part[1][1], part[1][2], &arena);
    if (status != FST_OK)
        exit(1);
}

static void bench_attention(const fst__compute *one, const fst__compute *all, int repeat,
                            int64_t batch, int64_t heads, int64_t kv_heads, int64_t head_size,
                            int64_t length, double dropout, int32_t dtype)
{
    attention_bench bench = {.passes = 1};
    int32_t *first = calloc((size_t)(batch * length), sizeof *first);
    int32_t *end = calloc((size_t)(batch * length), sizeof *end);
    for (int64_t i = 0; i < batch * length; ++i)
        end[i] = (int32_t)(i % length + 1);
    bench.a = (fst__attention){.batch = batch,
                               .heads = heads,
                               .kv_heads = kv_heads,
                               .head_size = head_size,
                               .queries = length,
                               .keys = length,
                               .scale = (fst__real)(1 / sqrt((double)head_size)),
                               .first_key = first,
                               .end_key = end};
    bench.a.dropout.probability = (fst__real)dropout;
    int64_t rows = batch * length, width = (heads + 2 * kv_heads) * head_size;
    bench.qkv = random_matrix(rows, width, dtype);
    bench.dqkv = random_matrix(rows, width, dtype);
    bench.out = random_matrix(rows, heads * head_size, dtype);
    bench.dout = random_matrix(rows, heads * head_size, dtype);
    bench.lse = fst__alloc_array(&allocator, (size_t)(rows * heads), sizeof *bench.lse);
    for (int backward = 0; backward < 2; ++backward)
        for (int i = 0; i < 2; ++i) {
            size_t size = fst__attention_scratch(i ? all : one, &bench.a, dtype, backward);
            bench.size = size > bench.size ? size : bench.size;
        }
    bench.scratch = fst__alloc(&allocator, bench.size);
    static const char *passes[] = {"", "forward", "backward", "both"};
    for (bench.passes = 1; bench.passes <= 3; ++bench.passes) {
        char name[96];
        snprintf(name, sizeof name, "B%d H%d/%d D%d T%d%s%s %s", (int)batch, (int)heads,
                 (int)kv_heads, (int)head_size, (int)length, dtype == FST_BF16 ? " bf16" : "",
                 dropout > 0 ? " drop" : "", passes[bench.passes]);
        measure(one, all, &(task){name, run_attention, &bench}, repeat);
    }
    void *all_blocks[] = {bench.qkv.data,  bench.dqkv.data, bench.out.data,
                          bench.dout.data, bench.lse,       bench.scratch};
    for (size_t i = 0; i < sizeof all_blocks / sizeof *all_blocks; ++i)
        fst__free(&allocator, all_blocks[i]);
    free(first);
    free(end);
}

typedef struct loss_bench {
    fst__loss_head head;
    fst__matrix hidden, weight, dhidden, dweight;
    void *scratch;
    size_t size;
} loss_bench;

static void run_loss(const fst__compute *compute, void *context)
{
    loss_bench *bench = context;
    fst__arena arena = fst__arena_over(bench->scratch, bench->size);
    fst__loss_result result;
    fst__output_layer layer = {.weight = bench->weight, .dweight = bench->dweight.data};
    if (fst__loss_head_run(compute, &bench->head, &layer, bench->hidden, NULL, NULL,
                           &bench->dhidden, &arena, &result) != FST_OK)
        exit(1);
}

static void bench_loss(const fst__compute *one, const fst__compute *all, int repeat, int64_t rows,
                       int64_t width, int64_t vocabulary, int32_t dtype)
{
    int32_t *targets = calloc((size_t)rows, sizeof *targets);
    loss_bench bench = {.head = {.targets = targets, .gradient_scale = 1},
                        .hidden = random_matrix(rows, width, dtype),
                        .weight = random_matrix(vocabulary, width, dtype),
                        .dhidden = random_matrix(rows, width, dtype),
                        .dweight = random_matrix(vocabulary, width, FST_F32)};
    bench.size = fst__loss_head_scratch(all, rows, width, vocabulary, dtype, false);
    bench.scratch = fst__alloc(&allocator, bench.size);
    char name[96];
    snprintf(name, sizeof name, "loss R%d C%d V%d%s", (int)rows, (int)width, (int)vocabulary,
             dtype == FST_BF16 ? " bf16" : "");
    measure(one, all, &(task){name, run_loss, &bench}, repeat);
    void *blocks[] = {bench.hidden.data, bench.weight.data, bench.dhidden.data, bench.dweight.data,
                      bench.scratch};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; ++i)
        fst__free(&allocator, blocks[i]);
    free(targets);
}

static fst__compute *open_compute(int32_t workers)
{
    fst__pool *pool;
    fst__compute *compute;
    if (fst__pool_create(&allocator, workers, &pool) != FST_OK ||
        fst__compute_create(&allocator, pool, FST_PROVIDER_AUTO, &compute) != FST_OK)
        exit(1);
    return compute;
}

int main(int count, char **arguments)
{
    int repeat = count > 1 ? atoi(arguments[1]) : 20;
    fst__blas_single_thread_enter();
    fst__compute *one = open_compute(1), *all = open_compute(fst__processor_count());
    printf("%s, kernels %s, %d workers\n", fst__gemm_provider_name(one->gemm), one->kernels->name,
           (int)fst__pool_workers(all->pool));
    bench_attention(one, all, repeat, 16, 6, 6, 64, 256, 0, FST_F32);
    bench_attention(one, all, repeat, 1, 12, 12, 64, 1024, 0, FST_F32);
    bench_attention(one, all, repeat, 16, 6, 6, 64, 256, 0.1, FST_F32);
    bench_attention(one, all, repeat, 1, 12, 4, 64, 1024, 0, FST_F32);
    bench_attention(one, all, repeat, 32, 4, 4, 32, 64, 0, FST_F32);
    bench_attention(one, all, repeat, 16, 6, 6, 64, 256, 0, FST_BF16);
    bench_loss(one, all, repeat, 4096, 384, 256, FST_F32);
    bench_loss(one, all, 1 + repeat / 10, 1024, 384, 50304, FST_F32);
    for (int i = 0; i < 2; ++i) {
        fst__compute *compute = i ? all : one;
        fst__pool *pool = compute->pool;
        fst__compute_destroy(&allocator, compute);
        fst__pool_destroy(pool);
    }
    fst__blas_single_thread_leave();
    return 0;
}
