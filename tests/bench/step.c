/*
 * One training step – forward, loss, backward, AdamW – and the same step's matrix products alone,
 * in one process per line:
 *
 *   bench_step NAME DTYPE [SECONDS [ADAPTER]]   NAME: see `shapes`; DTYPE: f32 or bf16;
 *                                               ADAPTER: lora or dora, of rank 16 in all modules
 *
 * Prints one line of JSON. tests/bench/step.py runs all of them with PyTorch beside.
 */
#include "base/context.h"
#include "fourstage/fourstage.h"
#include "kernels/gemm.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_STEPS = 200, LEAST_STEPS = 5, MOST_SHAPES = 512 };

typedef struct shape {
    const char *name;
    int32_t family, vocabulary, context, layers, heads, kv_heads, width, hidden;
    int64_t rows, length;
    double targets; /* share of the positions that have one; 0: all */
} shape;

static const shape shapes[] = {
    {"nano", FST_FAMILY_GPT2, 65, 64, 4, 4, 0, 128, 0, 12, 64, 0},
    {"10.8M", FST_FAMILY_GPT2, 65, 256, 6, 6, 0, 384, 0, 16, 256, 0},
    {"124M-T64", FST_FAMILY_GPT2, 50257, 1024, 12, 12, 0, 768, 0, 4, 64, 0},
    {"124M-T1024", FST_FAMILY_GPT2, 50257, 1024, 12, 12, 0, 768, 0, 1, 1024, 0},
    {"llama-15M", FST_FAMILY_LLAMA, 32000, 256, 6, 6, 6, 288, 768, 8, 256, 0},
    {"MiniLM", FST_FAMILY_BERT, 30522, 512, 6, 12, 12, 384, 1536, 32, 128, .15},
};

/* Every allocation of the process, ours and the providers', while `counting`. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
static _Atomic int64_t process_allocations;

void *malloc(size_t size)
{
    ++process_allocations;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    ++process_allocations;
    return __libc_calloc(count, size);
}

static void require(fst_status status, const char *what)
{
    if (status == FST_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, fst_status_name(status), fst_last_error());
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

typedef struct bench {
    fst_context *context;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_batch batch;
    int64_t step;
} bench;

static void training_step(bench *b)
{
    fst_forward_options forward;
    require(fst_forward_options_init(&forward, sizeof forward), "options");
    forward.step = b->step++;
    fst_loss loss;
    require(fst_model_forward(b->model, &b->batch, &forward), "forward");
    require(fst_model_loss(b->model, NULL, &loss, sizeof loss), "loss");
    require(fst_model_backward(b->model, NULL, NULL), "backward");
    require(fst_optimizer_step(b->optimizer, NULL, 0), "optimizer");
}

static void adapt(fst_model *model, const char *name)
{
    fst_adapter_options options;
    require(fst_adapter_options_init(&options, sizeof options), "options");
    options.weight_decomposed = strcmp(name, "dora") == 0;
    require(fst_model_add_adapter(model, &options), "adapter");
}

static bench prepare(const shape *s, int32_t dtype, const char *adapter)
{
    bench b = {0};
    require(fst_context_create(NULL, &b.context), "context");
    fst_model_config config;
    require(fst_model_config_init(&config, sizeof config), "config");
    require(fst_model_config_set_family(&config, s->family), "family");
    config.vocabulary_size = s->vocabulary;
    config.context_length = s->context;
    config.layers = s->layers;
    config.heads = s->heads;
    config.kv_heads = s->kv_heads;
    config.width = s->width;
    config.hidden_size = s->hidden;
    config.tied = 1;
    config.pooler = 0; /* which a loss of masked tokens does not read */
    fst_model_options options;
    require(fst_model_options_init(&options, sizeof options), "options");
    options.dtype = dtype;
    require(fst_model_create(b.context, &config, &options, &b.model), "model");
    if (adapter)
        adapt(b.model, adapter);
    fst_optimizer_options adamw;
    require(fst_optimizer_options_init(&adamw, sizeof adamw), "options");
    adamw.learning_rate = 1e-4;
    require(fst_optimizer_create(b.model, &adamw, &b.optimizer), "optimizer");
    int64_t tokens = s->rows * s->length;
    int32_t *ids = malloc((size_t)tokens * sizeof *ids), *targets = malloc((size_t)tokens * sizeof *ids);
    uint32_t state = 1;
    for (int64_t i = 0; i < tokens; ++i) {
        state = state * 1664525u + 1013904223u;
        ids[i] = (int32_t)((state >> 8) % (uint32_t)s->vocabulary);
        targets[i] = (int32_t)((state >> 4) % (uint32_t)s->vocabulary);
        if (s->targets > 0 && (state >> 8) % 1000 >= (uint32_t)(1000 * s->targets))
            targets[i] = FST_IGNORE;
    }
    require(fst_batch_init(&b.batch, sizeof b.batch), "batch");
    b.batch.rows = s->rows;
    b.batch.length = s->length;
    b.batch.ids = ids;
    b.batch.targets = targets;
    return b;
}

static void *filled(size_t elements, int32_t dtype)
{
    size_t bytes = elements * (dtype == FST_BF16 ? 2 : 4);
    char *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    for (size_t i = 0; i < elements; ++i) {
        float value = (float)(i % 17) / 16 - 0.5f;
        if (dtype == FST_BF16)
            memcpy(memory + 2 * i, (char *)&value + 2, 2);
        else
            memcpy(memory + 4 * i, &value, 4);
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
    /* Each worker writes a tile of its own. */
    product.c.data = (char *)product.c.data +
                     (size_t)worker * (size_t)(product.c.rows * product.c.stride) *
                         (product.c.dtype == FST_BF16 ? 2 : 4);
    require(fst__gemm_run_tile(r->compute, worker, &product), "tile");
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
    double best[3];
    for (int repeat = 0; repeat < 3; ++repeat) {
        double start = now();
        if (s->tile) {
            fst__pool_run(context->pool, s->calls, replay_tile, &r);
        } else {
            for (int64_t i = 0; i < s->calls; ++i)
                require(fst__gemm_run(context->compute, &r.product), "product");
        }
        best[repeat] = now() - start;
    }
    free(r.product.a.data);
    free(r.product.b.data);
    free(r.product.c.data);
    return median(best, 3);
}

static int64_t peak_resident(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long long kilobytes = 0;
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "VmHWM: %lld", &kilobytes);
    if (file)
        fclose(file);
    return (int64_t)kilobytes * 1024;
}

int main(int argc, char **argv)
{
    const shape *s = NULL;
    for (size_t i = 0; argc > 2 && i < sizeof shapes / sizeof shapes[0]; ++i) {
        if (strcmp(shapes[i].name, argv[1]) == 0)
            s = &shapes[i];
    }
    if (!s) {
        fprintf(stderr, "usage: bench_step NAME f32|bf16 [SECONDS [lora|dora]]\n");
        return 2;
    }
    int32_t dtype = strcmp(argv[2], "bf16") == 0 ? FST_BF16 : FST_F32;
    double seconds = argc > 3 ? atof(argv[3]) : 5;
    bench b = prepare(s, dtype, argc > 4 ? argv[4] : NULL);
    training_step(&b);
    fst_context_info before, after;
    training_step(&b);
    require(fst_context_get_info(b.context, &before, sizeof before), "info");
    int64_t process_before = process_allocations;
    training_step(&b);
    int64_t process_step = process_allocations - process_before;
    require(fst_context_get_info(b.context, &after, sizeof after), "info");
    double times[MOST_STEPS], start = now();
    int steps = 0;
    while (steps < LEAST_STEPS || (now() - start < seconds && steps < MOST_STEPS)) {
        double step_start = now();
        training_step(&b);
        times[steps++] = now() - step_start;
    }
    int64_t peak = peak_resident();
    static fst__gemm_shape recorded[MOST_SHAPES];
    int64_t count = 0;
    fst__gemm_record(b.context->compute->gemm, recorded, MOST_SHAPES, &count);
    training_step(&b);
    fst__gemm_record(b.context->compute->gemm, NULL, 0, NULL);
    double products = 0, flops = 0, tiles = 0;
    for (int64_t i = 0; i < count; ++i) {
        double time = replay_shape(b.context, &recorded[i]);
        products += time;
        tiles += recorded[i].tile ? time : 0;
        flops += 2.0 * (double)recorded[i].m * (double)recorded[i].n * (double)recorded[i].k *
                 (double)recorded[i].calls;
        if (getenv("BENCH_SHAPES"))
            fprintf(stderr, "%c%c%c %5lld x %5lld x %5lld x%5lld  %7.2f ms  %6.1f GFLOP/s\n",
                    recorded[i].tile ? 't' : ' ', recorded[i].transpose_a ? 'T' : 'n',
                    recorded[i].transpose_b ? 'T' : 'n', (long long)recorded[i].m,
                    (long long)recorded[i].n, (long long)recorded[i].k,
                    (long long)recorded[i].calls, 1e3 * time,
                    2e-9 * (double)recorded[i].m * (double)recorded[i].n * (double)recorded[i].k *
                        (double)recorded[i].calls / time);
    }
    double step = median(times, steps);
    printf("{\"name\": \"%s\", \"dtype\": \"%s\", \"provider\": \"%s\", \"ms\": %.3f, "
           "\"tokens_per_second\": %.0f, \"products_ms\": %.3f, \"tiles_ms\": %.3f, "
           "\"ratio\": %.3f, \"gflops\": %.1f, \"planned_bytes\": %lld, \"peak_bytes\": %lld, "
           "\"allocations\": %lld, \"process_allocations\": %lld, \"steps\": %d}\n",
           s->name, argv[2], after.provider_name, 1e3 * step,
           (double)(s->rows * s->length) / step, 1e3 * products, 1e3 * tiles, step / products,
           1e-9 * flops / step, (long long)after.live_bytes, (long long)peak,
           (long long)(after.allocations - before.allocations), (long long)process_step, steps);
    fst_optimizer_destroy(b.optimizer);
    fst_model_destroy(b.model);
    fst_context_destroy(b.context);
    free((void *)b.batch.ids);
    free((void *)b.batch.targets);
    return 0;
}
