/*
 * One training step of a ResNet on images – forward, loss, backward, AdamW – and the same step's
 * matrix products alone:
 *
 *   bench_image_step NAME DTYPE [SECONDS]   NAME: see `shapes`; DTYPE: f32 or bf16
 *
 * FOURSTAGE_THREADS: how many threads; 0 or none: as many as processors. Prints one line of JSON;
 * tests/bench/image_step.py runs PyTorch beside. Times are medians of wall clock and the least
 * processor time of a step, which a busy machine disturbs less.
 */
#include "base/context.h"
#include "fourstage/fourstage.h"
#include "kernels/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_STEPS = 200, LEAST_STEPS = 5, MOST_SHAPES = 512 };

typedef struct shape {
    const char *name;
    int32_t channels, side, stem, bottleneck, stage_width, blocks[4];
    int64_t rows;
    int32_t classes;
} shape;

static const shape shapes[] = {
    {"fashion", 1, 28, FST_STEM_3X3, 0, 32, {2, 2, 2, 0}, 128, 10},
    {"cifar", 3, 32, FST_STEM_3X3, 0, 64, {2, 2, 2, 2}, 64, 10},
    {"resnet18", 3, 224, FST_STEM_7X7, 0, 64, {2, 2, 2, 2}, 4, 1000},
    {"resnet50", 3, 224, FST_STEM_7X7, 1, 64, {3, 4, 6, 3}, 4, 1000},
};

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

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct bench {
    fst_context *context;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_batch batch;
    float *images, *labels, *gradient;
    int64_t classes, step;
} bench;

static void training_step(bench *b)
{
    fst_view logits;
    fst_score_loss loss;
    require(fst_model_forward(b->model, &b->batch, NULL), "forward");
    require(fst_model_output(b->model, "classes", &logits), "logits");
    require(fst_loss_classes(NULL, logits.data, b->labels, NULL, b->batch.rows, b->classes,
                             b->gradient, &loss, sizeof loss),
            "loss");
    logits.data = b->gradient;
    require(fst_model_backward(b->model, "classes", &logits), "backward");
    require(fst_optimizer_step(b->optimizer, NULL, 0), "optimizer");
}

static fst_model *make_model(const bench *b, const shape *s, int32_t dtype)
{
    fst_model_config config;
    require(fst_model_config_init(&config, sizeof config), "config");
    require(fst_model_config_set_family(&config, FST_FAMILY_RESNET), "family");
    config.image_channels = s->channels;
    config.image_height = config.image_width = s->side;
    config.stem = s->stem;
    config.bottleneck = s->bottleneck;
    config.stage_width = s->stage_width;
    config.blocks_1 = s->blocks[0];
    config.blocks_2 = s->blocks[1];
    config.blocks_3 = s->blocks[2];
    config.blocks_4 = s->blocks[3];
    fst_model_options options;
    require(fst_model_options_init(&options, sizeof options), "options");
    options.dtype = dtype;
    fst_model *model;
    require(fst_model_create(b->context, &config, &options, &model), "model");
    fst_head_options head;
    require(fst_head_options_init(&head, sizeof head), "options");
    head.name = "classes";
    head.pooling = FST_POOL_MEAN;
    head.outputs = s->classes;
    require(fst_model_add_head(model, &head), "head");
    return model;
}

static bench prepare(const shape *s, int32_t dtype)
{
    bench b = {.classes = s->classes};
    fst_context_options options;
    require(fst_context_options_init(&options, sizeof options), "options");
    const char *threads = getenv("FOURSTAGE_THREADS");
    options.threads = threads ? atoi(threads) : 0;
    require(fst_context_create(&options, &b.context), "context");
    b.model = make_model(&b, s, dtype);
    fst_optimizer_options adamw;
    require(fst_optimizer_options_init(&adamw, sizeof adamw), "options");
    adamw.learning_rate = 1e-3;
    require(fst_optimizer_create(b.model, &adamw, &b.optimizer), "optimizer");
    size_t values = (size_t)(s->rows * s->channels * s->side * s->side);
    b.images = malloc(values * sizeof *b.images);
    b.labels = malloc((size_t)s->rows * sizeof *b.labels);
    b.gradient = malloc((size_t)(s->rows * s->classes) * sizeof *b.gradient);
    for (size_t i = 0; i < values; ++i)
        b.images[i] = (float)(i * 7919 % 1013) / 506 - 1;
    for (int64_t i = 0; i < s->rows; ++i)
        b.labels[i] = (float)(i % s->classes);
    require(fst_batch_init(&b.batch, sizeof b.batch), "batch");
    b.batch.rows = s->rows;
    b.batch.images = b.images;
    return b;
}

/* ---- the products alone */

static void *filled(size_t elements, int32_t dtype)
{
    size_t size = dtype == FST_BF16 ? 2 : 4;
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

static void replay_tile(void *context, int64_t index, int32_t worker)
{
    (void)index;
    const replay *r = context;
    fst__product product = r->product;
    product.c.data = (char *)product.c.data +
                     (size_t)worker * (size_t)(product.c.rows * product.c.stride) *
                         fst__element_size(product.c.dtype);
    require(fst__gemm_run_tile(r->compute, worker, &product), "tile");
}

static double replay_shape(const fst_context *context, const fst__gemm_shape *s, clockid_t clock)
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
    for (int repeat = 0; repeat < 4; ++repeat) {
        double start = clock_of(clock);
        if (s->tile)
            fst__pool_run(context->pool, s->calls, replay_tile, &r);
        else
            for (int64_t i = 0; i < s->calls; ++i)
                require(fst__gemm_run(context->compute, &r.product), "product");
        double time = clock_of(clock) - start;
        best = time < best ? time : best;
    }
    free(r.product.a.data);
    free(r.product.b.data);
    free(r.product.c.data);
    return best;
}

static void report_shape(const fst__gemm_shape *s, double time)
{
    double flops = 2e-9 * (double)s->m * (double)s->n * (double)s->k * (double)s->calls;
    fprintf(stderr, "%c%c%c%c %5lld x %5lld x %5lld x%5lld  %7.2f ms  %6.1f GFLOP/s\n",
            s->tile ? 't' : ' ', s->transpose_a ? 'T' : 'n', s->transpose_b ? 'T' : 'n',
            s->accumulate ? '+' : ' ', (long long)s->m, (long long)s->n, (long long)s->k,
            (long long)s->calls, 1e3 * time, flops / time);
}

static double products_alone(bench *b, clockid_t clock, double *flops)
{
    static fst__gemm_shape recorded[MOST_SHAPES];
    int64_t count = 0;
    fst__gemm_record(b->context->compute->gemm, recorded, MOST_SHAPES, &count);
    training_step(b);
    fst__gemm_record(b->context->compute->gemm, NULL, 0, NULL);
    double total = 0;
    for (int64_t i = 0; i < count; ++i) {
        const fst__gemm_shape *s = &recorded[i];
        double time = replay_shape(b->context, s, clock);
        total += time;
        *flops += 2.0 * (double)s->m * (double)s->n * (double)s->k * (double)s->calls;
        if (getenv("BENCH_SHAPES"))
            report_shape(s, time);
    }
    return total;
}

int main(int argc, char **argv)
{
    const shape *s = NULL;
    for (size_t i = 0; argc > 2 && i < sizeof shapes / sizeof shapes[0]; ++i) {
        if (strcmp(shapes[i].name, argv[1]) == 0)
            s = &shapes[i];
    }
    if (!s) {
        fprintf(stderr, "usage: bench_image_step NAME f32|bf16 [SECONDS]\n");
        return 2;
    }
    double seconds = argc > 3 ? atof(argv[3]) : 5;
    bench b = prepare(s, strcmp(argv[2], "bf16") == 0 ? FST_BF16 : FST_F32);
    training_step(&b);
    training_step(&b);
    fst_context_info before, after;
    require(fst_context_get_info(b.context, &before, sizeof before), "info");
    double times[MOST_STEPS], least = 1e9, start = clock_of(CLOCK_MONOTONIC);
    int steps = 0;
    while (steps < LEAST_STEPS ||
           (clock_of(CLOCK_MONOTONIC) - start < seconds && steps < MOST_STEPS)) {
        double wall = clock_of(CLOCK_MONOTONIC), processor = clock_of(CLOCK_PROCESS_CPUTIME_ID);
        training_step(&b);
        times[steps++] = clock_of(CLOCK_MONOTONIC) - wall;
        processor = clock_of(CLOCK_PROCESS_CPUTIME_ID) - processor;
        least = processor < least ? processor : least;
    }
    require(fst_context_get_info(b.context, &after, sizeof after), "info");
    qsort(times, (size_t)steps, sizeof *times, compare);
    double flops = 0, products = products_alone(&b, CLOCK_PROCESS_CPUTIME_ID, &flops);
    printf("{\"name\": \"%s\", \"dtype\": \"%s\", \"provider\": \"%s\", \"ms\": %.3f, "
           "\"processor_ms\": %.3f, \"products_processor_ms\": %.3f, \"ratio\": %.3f, "
           "\"gflop\": %.2f, \"planned_bytes\": %lld, \"allocations\": %lld, \"steps\": %d}\n",
           s->name, argv[2], after.provider_name, 1e3 * times[steps / 2], 1e3 * least,
           1e3 * products, least / products, 1e-9 * flops, (long long)after.live_bytes,
           (long long)(after.allocations - before.allocations), steps);
    fst_optimizer_destroy(b.optimizer);
    fst_model_destroy(b.model);
    fst_context_destroy(b.context);
    free(b.gradient);
    free(b.labels);
    free(b.images);
    return 0;
}
