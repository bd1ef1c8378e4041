/*
 * A step of SimCLR on images of Fashion-MNIST's size beside its own products and its augmentation; in one
 * piece and by chunks. Then NT-Xent alone.
 *
 *   bench_contrastive [SECONDS]
 *
 * FOURSTAGE_THREADS: how many threads; 0 or none: as many as processors. Processor time is that of the
 * fastest step, which a busy machine disturbs less than the clock on the wall.
 */
#include "base/context.h"
#include "fourstage/fourstage.h"
#include "products.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SIDE = 28, IMAGES = 2048, ROWS = 256 };

static void require(fst_status status, const char *what)
{
    if (status == FST_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, fst_status_name(status), fst_last_error());
    exit(1);
}

static double clock_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

typedef struct bench {
    fst_context *context;
    fst_dataset *images;
    fst_augment_options augment;
    fst_model *model;
    fst_run *run;
    float *first, *second, *gradient; /* of NT-Xent */
    int64_t count;
    float *views; /* of augmentation alone */
} bench;

static void make_images(bench *b)
{
    static uint8_t pixels[IMAGES * SIDE * SIDE];
    fst_image_options options;
    require(fst_image_options_init(&options, sizeof options), "options");
    for (int i = 0; i < IMAGES * SIDE * SIDE; ++i)
        pixels[i] = (uint8_t)((int64_t)i * 7919 % 251);
    require(fst_dataset_from_images(b->context, pixels, IMAGES, 1, SIDE, SIDE, NULL, 0, &options,
                                    &b->images),
            "images");
    require(fst_augment_options_simclr(&b->augment, sizeof b->augment, 0.5), "augmentation");
}

static void make_run(bench *b, int64_t chunk)
{
    fst_model_config config;
    fst_head_options head;
    fst_contrastive_options options;
    require(fst_model_config_init(&config, sizeof config), "config");
    require(fst_model_config_set_family(&config, FST_FAMILY_RESNET), "family");
    config.image_channels = 1;
    config.image_height = config.image_width = SIDE;
    config.stage_width = 32;
    config.blocks_1 = config.blocks_2 = config.blocks_3 = 2;
    require(fst_model_create(b->context, &config, NULL, &b->model), "model");
    require(fst_head_options_init(&head, sizeof head), "options");
    head.name = "projection";
    head.pooling = FST_POOL_MEAN;
    head.hidden_layers = 1;
    head.outputs = 128;
    require(fst_model_add_head(b->model, &head), "head");
    require(fst_contrastive_options_init(&options, sizeof options), "options");
    options.model = b->model;
    options.train = b->images;
    options.head = "projection";
    options.augment = &b->augment;
    options.rows = ROWS;
    options.chunk = chunk;
    options.chunk_statistics = 1;
    require(fst_contrastive_create(&options, &b->run), "run");
}

static void step(void *of)
{
    require(fst_run_step(((bench *)of)->run, NULL, 0), "step");
}

static void augment(void *of)
{
    bench *b = of;
    int64_t indices[2 * ROWS];
    for (int i = 0; i < 2 * ROWS; ++i)
        indices[i] = i / 2;
    require(fst_dataset_read_images(b->images, indices, 2 * ROWS, &b->augment, 0, b->views),
            "augmentation");
}

static void ntxent(void *of)
{
    bench *b = of;
    fst_contrastive_loss found;
    require(fst_loss_ntxent(b->context, NULL, b->first, b->second, b->count, 128, b->gradient,
                            b->gradient + b->count * 128, &found, sizeof found),
            "NT-Xent");
}

/* Least processor and wall seconds of a call. */
static double fastest(void (*work)(void *of), bench *b, double seconds, double *wall)
{
    double least = 1e9, begin = clock_of(CLOCK_MONOTONIC);
    *wall = 1e9;
    work(b);
    for (int i = 0; i < 3 || clock_of(CLOCK_MONOTONIC) - begin < seconds; ++i) {
        double now = clock_of(CLOCK_MONOTONIC), spent = clock_of(CLOCK_PROCESS_CPUTIME_ID);
        work(b);
        spent = clock_of(CLOCK_PROCESS_CPUTIME_ID) - spent;
        now = clock_of(CLOCK_MONOTONIC) - now;
        least = spent < least ? spent : least;
        *wall = now < *wall ? now : *wall;
    }
    return least;
}

static void report(const char *name, bench *b, void (*work)(void *of), double seconds)
{
    double flops, wall, least = fastest(work, b, seconds, &wall);
    double products = bench_products(b->context, work, b, &flops);
    printf("%-24s %9.1f ms wall %9.1f ms processor %9.1f ms products %8.2f GFLOP  ratio %.2f\n", name,
           1e3 * wall, 1e3 * least, 1e3 * products, 1e-9 * flops,
           products > 0 ? least / products : 0.0);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 5;
    bench b = {0};
    fst_context_options options;
    const char *threads = getenv("FOURSTAGE_THREADS");
    require(fst_context_options_init(&options, sizeof options), "options");
    options.threads = threads ? atoi(threads) : 0;
    require(fst_context_create(&options, &b.context), "context");
    make_images(&b);
    b.views = malloc(2 * ROWS * SIDE * SIDE * sizeof *b.views);
    static const int64_t chunks[] = {ROWS, ROWS / 4};
    for (int i = 0; i < 2; ++i) {
        make_run(&b, chunks[i]);
        report(i ? "SimCLR step, 4 chunks" : "SimCLR step, 256 images", &b, step, seconds);
        fst_memory memory;
        require(fst_run_memory(b.run, &memory, sizeof memory), "memory");
        printf("%-24s %9.1f MB activations\n", "", 1e-6 * (double)memory.activations);
        fst_run_destroy(b.run);
        fst_model_destroy(b.model);
    }
    double wall, spent = fastest(augment, &b, seconds, &wall);
    printf("%-24s %9.1f ms wall %9.1f ms processor %9.0f images/s and processor\n",
           "augmentation of 512", 1e3 * wall, 1e3 * spent, 2 * ROWS / spent);
    for (b.count = 256; b.count <= 4096; b.count *= 4) {
        char name[32];
        b.first = calloc((size_t)b.count * 128 * 4, sizeof(float));
        b.second = b.first + b.count * 128;
        b.gradient = b.second + b.count * 128;
        for (int64_t i = 0; i < 2 * b.count * 128; ++i)
            b.first[i] = (float)(i * 7919 % 1013) / 506 - 1;
        snprintf(name, sizeof name, "NT-Xent, %d x 2 x 128", (int)b.count);
        report(name, &b, ntxent, seconds);
        free(b.first);
    }
    free(b.views);
    fst_dataset_destroy(b.images);
    fst_context_destroy(b.context);
    return 0;
}
