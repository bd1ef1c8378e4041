#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES = 15 };

static fst__allocator allocator;

int64_t bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double sample(void (*body)(void *context), void *context, int64_t calls)
{
    int64_t begin = bench_now();
    for (int64_t i = 0; i < calls; ++i)
        body(context);
    return 1e-9 * (double)(bench_now() - begin) / (double)calls;
}

double bench_seconds(void (*body)(void *context), void *context)
{
    body(context);
    double once = sample(body, context, 1), seconds[SAMPLES];
    int64_t calls = 1 + (int64_t)(4e-3 / (once + 1e-9));
    for (int i = 0; i < SAMPLES; ++i)
        seconds[i] = sample(body, context, calls);
    qsort(seconds, SAMPLES, sizeof *seconds, ascending);
    const char *mode = getenv("FOURSTAGE_BENCH");
    return seconds[mode && strcmp(mode, "best") == 0 ? 0 : SAMPLES / 2];
}

void *bench_floats(int64_t count)
{
    float *values = aligned_alloc(64, ((size_t)count * sizeof *values + 63) / 64 * 64);
    if (!values) {
        fprintf(stderr, "no memory for %lld floats\n", (long long)count);
        exit(1);
    }
    for (int64_t i = 0; i < count; ++i)
        values[i] = (float)(i % 251 - 125) * 0x1p-10f;
    return values;
}

fst__compute *bench_open(int32_t provider, int32_t workers)
{
    fst__pool *pool = NULL;
    fst__compute *compute = NULL;
    if (fst__pool_create(&allocator, workers, &pool) != FST_OK)
        exit(1);
    if (fst__compute_create(&allocator, pool, provider, &compute) != FST_OK)
        fst__pool_destroy(pool);
    return compute;
}

void bench_close(fst__compute *compute)
{
    fst__pool *pool = compute->pool;
    fst__compute_destroy(&allocator, compute);
    fst__pool_destroy(pool);
}
