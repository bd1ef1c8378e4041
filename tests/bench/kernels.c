/*
 * Speed of the kernels: `kernels [TOPIC…]`, all topics if none is named. Works with as many workers
 * as there are processors, or with those of the environment's FOURSTAGE_THREADS.
 */
#include "bench.h"
#include "fourstage/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_gemm(fst__compute *compute);

static const struct {
    const char *name;
    void (*run)(fst__compute *compute);
} topics[] = {
    {"gemm", bench_gemm},
};

static int wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; ++i)
        if (strcmp(argv[i], name) == 0)
            return 1;
    return argc < 2;
}

int main(int argc, char **argv)
{
    const char *threads = getenv("FOURSTAGE_THREADS");
    setvbuf(stdout, NULL, _IOLBF, 0); /* a table may take a minute */
    int32_t workers = threads ? atoi(threads) : fst__processor_count();
    fst__compute *compute = bench_open(FST_PROVIDER_AUTO, workers);
    if (!compute)
        return 1;
    for (size_t i = 0; i < sizeof topics / sizeof *topics; ++i) {
        if (!wanted(topics[i].name, argc, argv))
            continue;
        printf("# %s, %d workers\n", topics[i].name, (int)workers);
        topics[i].run(compute);
    }
    bench_close(compute);
    return 0;
}
