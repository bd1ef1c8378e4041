/*
 * The optimizer's pass over memory: bench_optim [threads]
 *
 * For each model size the time of a step beside the time of the same traffic with hardly any
 * arithmetic: gradients read once for the norm; weights, gradients and moments read and written.
 */
#include "base/threads.h"
#include "fourstage/context.h"
#include "kernels/kernels.h"
#include "optim/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 65536, REPEATS = 7 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Arrays of one size each, all the memory of a step. */
typedef struct traffic {
    float *arrays[4];
    int64_t count;
    const fst__kernels *kernels;
    double *sums;
} traffic;

static void read_block(void *context, int64_t index, int32_t worker)
{
    const traffic *t = context;
    int64_t first = index * BLOCK, left = t->count - first;
    (void)worker;
    t->sums[index] = t->kernels->sum_squares(t->arrays[1] + first, left < BLOCK ? left : BLOCK);
}

/* A kilobyte or four of each array in turn, as the update does. */
static void write_block(void *context, int64_t index, int32_t worker)
{
    const traffic *t = context;
    int64_t first = index * BLOCK, last = first + BLOCK < t->count ? first + BLOCK : t->count;
    (void)worker;
    for (int64_t i = first; i < last; i += 1024)
        for (int a = 0; a < 4; ++a)
            t->kernels->scale(0.999f, t->arrays[a] + i, t->arrays[a] + i,
                              last - i < 1024 ? last - i : 1024);
}

static double time_traffic(const fst__compute *compute, traffic *t)
{
    int64_t blocks = (t->count + BLOCK - 1) / BLOCK;
    double begin = now();
    fst__pool_run(compute->pool, blocks, read_block, t);
    fst__pool_run(compute->pool, blocks, write_block, t);
    return now() - begin;
}

static double time_step(const fst__compute *compute, fst__optimizer *optimizer)
{
    double begin = now();
    if (fst__optimizer_step(optimizer, compute, NULL, NULL))
        exit(1);
    return now() - begin;
}

/* The best of both, taken in turns so that a busy machine disturbs both alike. */
static void time_both(const fst__compute *compute, fst__optimizer *optimizer, traffic *t,
                      double *step, double *bound)
{
    *step = *bound = 1e9;
    for (int i = 0; i < REPEATS; ++i) {
        double seconds = time_step(compute, optimizer);
        *step = seconds < *step ? seconds : *step;
        seconds = time_traffic(compute, t);
        *bound = seconds < *bound ? seconds : *bound;
    }
}

/* A transformer's matrices: layers of width · 12 width, and an embedding. */
static void run(fst__allocator *allocator, const fst__compute *compute, const char *name,
                int64_t layers, int64_t width, int64_t vocabulary, int32_t kind)
{
    int64_t count = 12 * layers * width * width + vocabulary * width,
            parameter_count = 4 * layers + 1;
    traffic t = {.count = count,
                 .kernels = compute->kernels,
                 .sums = malloc((size_t)(count / BLOCK + 1) * sizeof(double))};
    for (int a = 0; a < 4; ++a) {
        t.arrays[a] = malloc((size_t)count * sizeof(float));
        for (int64_t i = 0; i < count; ++i)
            t.arrays[a][i] = (float)(i % 7) * 1e-3f;
    }
    fst__parameter *parameters = calloc((size_t)parameter_count, sizeof *parameters);
    uint16_t *working = malloc((size_t)count * sizeof *working);
    static const int64_t tall[4] = {3, 1, 4, 4};
    for (int bf16 = 0; bf16 < 2; ++bf16) {
        int64_t offset = 0;
        for (int64_t i = 0; i < parameter_count; ++i) {
            int64_t rows = i ? tall[(i - 1) % 4] * width : vocabulary;
            parameters[i] = (fst__parameter){.name = "w",
                                             .value = t.arrays[0] + offset,
                                             .gradient = t.arrays[1] + offset,
                                             .working = bf16 ? working + offset : NULL,
                                             .rows = rows,
                                             .columns = width,
                                             .flags = FST__PARAMETER_DECAY |
                                                      (i ? FST__PARAMETER_HIDDEN_MATRIX : 0)};
            offset += rows * width;
        }
        fst_optimizer_options options = fst__optimizer_defaults();
        options.kind = kind;
        fst__optimizer *optimizer;
        if (fst__optimizer_create(allocator, parameters, parameter_count, &options, &optimizer))
            exit(1);
        double seconds, bound;
        time_both(compute, optimizer, &t, &seconds, &bound);
        double bytes = (double)count * (36 + (bf16 ? 2 : 0));
        printf("%-8s %-6s %6.1f M %-5s %8.2f ms %7.1f GB/s", name,
               kind == FST_OPTIMIZER_MUON ? "Muon" : "AdamW", (double)count * 1e-6,
               bf16 ? "bf16" : "f32", seconds * 1e3, bytes / seconds * 1e-9);
        printf("   traffic alone %8.2f ms %7.1f GB/s   ratio %.2f\n", bound * 1e3,
               (double)count * 36 / bound * 1e-9, seconds / bound);
        fst__optimizer_destroy(optimizer);
    }
    free(working);
    free(parameters);
    for (int a = 0; a < 4; ++a)
        free(t.arrays[a]);
    free(t.sums);
}

int main(int argc, char **argv)
{
    fst__allocator allocator = {0};
    fst__pool *pool;
    fst__compute *compute;
    int32_t threads = argc > 1 ? atoi(argv[1]) : fst__processor_count();
    if (fst__pool_create(&allocator, threads, &pool) ||
        fst__compute_create(&allocator, pool, FST_PROVIDER_AUTO, &compute))
        return 1;
    printf("%d threads, %s kernels\n", threads, compute->kernels->name);
    run(&allocator, compute, "10.8 M", 6, 384, 65, FST_OPTIMIZER_ADAMW);
    run(&allocator, compute, "124 M", 12, 768, 50257, FST_OPTIMIZER_ADAMW);
    run(&allocator, compute, "10.8 M", 6, 384, 65, FST_OPTIMIZER_MUON);
    fst__compute_destroy(&allocator, compute);
    fst__pool_destroy(pool);
    return 0;
}
