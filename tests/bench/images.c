/* Images read and augmented per second, and per second of processor time, which is what a thread does of them
 * also where the machine is busy. */
#include "fourstage/images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { IMAGES = 256 };

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void require(fst_status status)
{
    if (status) {
        fprintf(stderr, "%s\n", fst_last_error());
        exit(1);
    }
}

typedef struct rates {
    double wall, processor;
} rates;

/* The best of a few reads. */
static rates speed(const fst_dataset *dataset, const fst_augment_options *options, int64_t count, float *images)
{
    int64_t indices[IMAGES];
    rates best = {0};
    for (int64_t i = 0; i < count; ++i)
        indices[i] = i;
    for (int round = 0; round < 7; ++round) {
        double start = now(CLOCK_MONOTONIC), used = now(CLOCK_PROCESS_CPUTIME_ID);
        require(fst_dataset_read_images(dataset, indices, count, options, round * count, images));
        double wall = (double)count / (now(CLOCK_MONOTONIC) - start);
        double processor = (double)count / (now(CLOCK_PROCESS_CPUTIME_ID) - used);
        best.wall = wall > best.wall ? wall : best.wall;
        best.processor = processor > best.processor ? processor : best.processor;
    }
    return best;
}

static void measure(int32_t threads, int32_t channels, int32_t side)
{
    size_t values = (size_t)channels * (size_t)side * (size_t)side;
    int64_t count = side > 100 ? 48 : IMAGES;
    uint8_t *pixels = malloc((size_t)count * values);
    float *images = malloc((size_t)count * values * sizeof *images);
    fst_context_options options;
    fst_augment_options simclr, drawings, flips;
    fst_context *context;
    fst_dataset *dataset;
    uint32_t state = 1;
    for (size_t i = 0; i < (size_t)count * values; ++i) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(state >> 24);
    }
    require(fst_context_options_init(&options, sizeof options));
    options.threads = threads;
    require(fst_context_create(&options, &context));
    require(fst_dataset_from_images(context, pixels, count, channels, side, side, NULL, 0, NULL, &dataset));
    require(fst_augment_options_simclr(&simclr, sizeof simclr, 1));
    require(fst_augment_options_init(&drawings, sizeof drawings));
    drawings.rotation = 10;
    drawings.shift = 2;
    require(fst_augment_options_init(&flips, sizeof flips));
    flips.flip = 0.5;
    flips.shift = 2;
    const rates found[] = {speed(dataset, NULL, count, images), speed(dataset, &flips, count, images),
                      speed(dataset, &drawings, count, images), speed(dataset, &simclr, count, images)};
    printf("%4d × %3d × %3d  %d thread%s ", channels, side, side, threads, threads == 1 ? " " : "s");
    for (int i = 0; i < 4; ++i)
        printf("  %9.0f (%8.0f)", found[i].wall, found[i].processor);
    printf("\n");
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
    free(images);
    free(pixels);
}

int main(void)
{
    printf("images per second (of a thread)     read               flip, shift          rotation, shift"
           "      SimCLR\n");
    for (int32_t threads = 1; threads <= 2; ++threads) {
        measure(threads, 1, 28);
        measure(threads, 3, 32);
        measure(threads, 3, 224);
    }
    return 0;
}
