/* Matrix products: GFLOP/s of each provider, GB/s of products that only stream their weights, and
 * what one small tile costs beyond its arithmetic. */
#include "bench.h"
#include "fourstage/context.h"
#include "kernels/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_gemm(fst__compute *compute);

typedef struct shape {
    int64_t m, n, k;
    bool transpose_a, transpose_b, accumulate;
} shape;

/* 384 wide and 4096 tokens, 768 wide and 1024 or 256 tokens: forward, input and weight gradient. */
static const shape shapes[] = {
    {4096, 1152, 384, false, true, false},  {4096, 384, 384, false, true, false},
    {4096, 1536, 384, false, true, false},  {4096, 384, 1536, false, true, false},
    {4096, 384, 1536, false, false, false}, {4096, 1536, 384, false, false, false},
    {384, 384, 4096, true, false, true},    {1536, 384, 4096, true, false, true},
    {384, 1536, 4096, true, false, true},   {1024, 3072, 768, false, true, false},
    {1024, 768, 3072, false, true, false},  {1024, 768, 768, false, true, false},
    {1024, 768, 3072, false, false, false}, {768, 768, 1024, true, false, true},
    {3072, 768, 1024, true, false, true},   {256, 3072, 768, false, true, false},
    {256, 768, 768, false, true, false},    {768, 768, 256, true, false, true},
    {1024, 64, 64, false, true, false},     {64, 64, 1024, true, false, true},
};

static const shape few[] = {
    {1, 768, 768, false, true, false},    {1, 3072, 768, false, true, false},
    {1, 768, 3072, false, true, false},   {1, 50257, 768, false, true, false},
    {4, 50257, 768, false, true, false},  {8, 50257, 768, false, true, false},
    {16, 50257, 768, false, true, false},
};

static const shape tiles[] = {
    {128, 256, 64, false, true, false},
    {128, 64, 256, false, false, false},
    {256, 64, 128, true, false, true},
    {64, 64, 64, false, true, false},
};

typedef struct job {
    fst__compute *compute;
    fst__product product;
    bool tile;
} job;

static void run(void *context)
{
    job *j = context;
    fst_status status = j->tile ? fst__gemm_run_tile(j->compute, 0, &j->product)
                                : fst__gemm_run(j->compute, &j->product);
    if (status != FST_OK)
        abort();
}

/* Big enough for every shape above. */
static void *memory[3];

static double seconds(fst__compute *compute, const shape *s, int32_t dtype, int32_t dtype_c,
                      int64_t extra_stride, bool tile)
{
    job j = {.compute = compute, .tile = tile};
    fst__product *p = &j.product;
    int64_t ar = s->transpose_a ? s->k : s->m, ac = s->transpose_a ? s->m : s->k;
    int64_t br = s->transpose_b ? s->n : s->k, bc = s->transpose_b ? s->k : s->n;
    *p = (fst__product){
        .a = {memory[0], ar, ac, ac + extra_stride, dtype},
        .b = {memory[1], br, bc, bc + extra_stride, dtype},
        .c = {memory[2], s->m, s->n, s->n, s->accumulate ? FST_F32 : dtype_c},
        .transpose_a = s->transpose_a,
        .transpose_b = s->transpose_b,
        .accumulate = s->accumulate,
    };
    memset(memory[2], 0, (size_t)(s->m * s->n) * 4);
    return bench_seconds(run, &j);
}

static void print_shape(const shape *s)
{
    printf("%5d x %5d x %4d %c%c%s", (int)s->m, (int)s->n, (int)s->k, s->transpose_a ? 'T' : '.',
           s->transpose_b ? 'T' : '.', s->accumulate ? " +=" : "   ");
}

static void bench_provider(int32_t provider, int32_t workers)
{
    fst__compute *one = bench_open(provider, 1), *all = bench_open(provider, workers);
    if (!one || !all)
        return;
    printf("\n%s: GFLOP/s with 1 and %d workers\n", fst__gemm_provider_name(all->gemm),
           (int)workers);
    printf("m x n x k                    f32           bf16 to f32   bf16\n");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
        const shape *s = &shapes[i];
        double work = 2e-9 * (double)(s->m * s->n) * (double)s->k;
        print_shape(s);
        for (int kind = 0; kind < 3 && !(kind == 2 && s->accumulate); ++kind) {
            int32_t dtype = kind ? FST_BF16 : FST_F32, dtype_c = kind == 2 ? FST_BF16 : FST_F32;
            printf("  %5.0f %6.0f", work / seconds(one, s, dtype, dtype_c, 0, false),
                   work / seconds(all, s, dtype, dtype_c, 0, false));
        }
        printf("\n");
    }
    bench_close(one);
    bench_close(all);
}

/* Reading memory[1] with all workers: the bound of products with few rows. */
typedef struct reading {
    fst__compute *compute;
    int64_t parts, part;    /* part in vectors */
    volatile int64_t total; /* keeps the sums alive */
} reading;

typedef int64_t words __attribute__((vector_size(64)));

static void read_part(void *context, int64_t index, int32_t worker)
{
    reading *r = context;
    const words *from = (const words *)memory[1] + index * r->part;
    words a = {0}, b = {0}, c = {0}, d = {0};
    for (int64_t i = 0; i + 4 <= r->part; i += 4) {
        a ^= from[i];
        b ^= from[i + 1];
        c ^= from[i + 2];
        d ^= from[i + 3];
    }
    a ^= b ^ c ^ d;
    r->total = a[0] ^ a[3];
}

static void read_all(void *context)
{
    reading *r = context;
    fst__pool_run(r->compute->pool, r->parts, read_part, r);
}

static void bench_few_rows(fst__compute *compute)
{
    reading r = {.compute = compute, .parts = 300, .part = 8192};
    double bytes = (double)(r.parts * r.part) * 64.0;
    printf("\nfew rows: GB/s of weights (a plain read of %.0f MB: %.1f)\n", bytes * 1e-6,
           bytes * 1e-9 / bench_seconds(read_all, &r));
    printf("m x n x k                    f32    bf16\n");
    for (size_t i = 0; i < sizeof few / sizeof *few; ++i) {
        double size = 1e-9 * (double)(few[i].n * few[i].k);
        print_shape(&few[i]);
        printf("  %5.1f", 4.0 * size / seconds(compute, &few[i], FST_F32, FST_F32, 0, false));
        printf("  %5.1f\n", 2.0 * size / seconds(compute, &few[i], FST_BF16, FST_F32, 0, false));
    }
}

static void bench_tiles(fst__compute *compute)
{
    printf("\ntiles on one worker, A and B inside wider matrices: µs and GFLOP/s\n");
    printf("m x n x k                    f32           bf16 to f32\n");
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; ++i) {
        const shape *s = &tiles[i];
        print_shape(s);
        for (int kind = 0; kind < 2; ++kind) {
            double t = seconds(compute, s, kind ? FST_BF16 : FST_F32, FST_F32, 1088, true);
            printf("  %5.2f %6.0f", t * 1e6, 2e-9 * (double)(s->m * s->n * s->k) / t);
        }
        printf("\n");
    }
}

void bench_gemm(fst__compute *compute)
{
    int32_t workers = fst__pool_workers(compute->pool);
    for (int i = 0; i < 3; ++i)
        memory[i] = bench_floats((int64_t)50257 * 768);
    bench_provider(FST_PROVIDER_ONEDNN, workers);
    bench_provider(FST_PROVIDER_CBLAS, workers);
    bench_few_rows(compute);
    bench_tiles(compute);
    for (int i = 0; i < 3; ++i)
        free(memory[i]);
}
