/*
 * Timing for the programs of this folder. To add a topic to kernels.c: a file kernels_TOPIC.c with
 * `void bench_TOPIC(fst__compute *compute)`, a line in kernels.c's table, its name in meson.build.
 */
#ifndef FST_BENCH_H
#define FST_BENCH_H

#include "kernels/compute.h"

#include <stdint.h>

int64_t bench_now(void); /* nanoseconds of a monotonic clock */

/* Seconds of one call of body(context), after one that is not counted: the median of several
 * samples. FOURSTAGE_BENCH=best in the environment takes the fastest, for a machine that is busy.
 */
double bench_seconds(void (*body)(void *context), void *context);

/* As much memory as asked for, filled with small numbers as floats; ends the program if there is
 * none. */
void *bench_floats(int64_t count);

/* Opens a context's worth of compute for a provider; NULL if this build lacks it. */
fst__compute *bench_open(int32_t provider, int32_t workers);
void bench_close(fst__compute *compute);

#endif
