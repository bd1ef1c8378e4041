/*
 * Row kernels of every instruction set on a row in cache, beside their plain twin; and layers on a
 * matrix that no cache holds. One worker, processor time, so that other load hardly matters.
 * Usage: bench_rows [columns of the layers' matrices]
 */
#include "base/arena.h"
#include "base/random.h"
#include "fourstage/context.h"
#include "kernels/gemm.h"
#include "kernels/reference.h"
#include "nn/activation.h"
#include "nn/embedding.h"
#include "nn/norm.h"
#include "nn/rotary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROW = 1024, TRIES = 5 };

static fst__allocator allocator;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Seconds of one call: the best of TRIES, each over enough calls to last a few milliseconds. */
static double seconds(void (*run)(void *), void *context)
{
    int calls = 1;
    double best = INFINITY;
    for (int try = 0; try < TRIES;) {
        double start = now();
        for (int i = 0; i < calls; ++i)
            run(context);
        double time = now() - start;
        if (time < 4e-3) {
            calls *= 2;
            continue;
        }
        best = fmin(best, time / calls);
        ++try;
    }
    return best;
}

/* ---- kernels */

typedef struct rows {
    const fst__kernels *k;
    float a[ROW], b[ROW], c[ROW], d[ROW], y[ROW], z[ROW];
    fst__bf16 halves[ROW];
    volatile float sink;
} rows;

static void run_from_bf16(void *p)
{
    rows *r = p;
    r->k->from_bf16(r->halves, r->y, ROW);
}
static void run_to_bf16(void *p)
{
    rows *r = p;
    r->k->to_bf16(r->a, r->halves, ROW);
}
static void run_add(void *p)
{
    rows *r = p;
    r->k->add(r->a, r->b, r->y, ROW);
}
static void run_dot(void *p)
{
    rows *r = p;
    r->sink = r->k->dot(r->a, r->b, ROW);
}
static void run_max(void *p)
{
    rows *r = p;
    r->sink = r->k->max(r->a, ROW);
}
static void run_squares(void *p)
{
    rows *r = p;
    r->sink = (float)r->k->sum_squares(r->a, ROW);
}
static void run_exp_sum(void *p)
{
    rows *r = p;
    r->sink = r->k->exp_sum(r->a, 4, r->y, ROW);
}
static void run_softmax(void *p)
{
    rows *r = p;
    r->k->softmax(r->a, r->y, ROW);
}
static void run_normalise(void *p)
{
    rows *r = p;
    r->k->normalise(r->a, 0, 1, r->b, r->c, r->y, ROW);
}
static void run_dropout(void *p)
{
    rows *r = p;
    r->k->dropout(1, 2, 64, 1u << 29, 1.1f, r->a, r->y, ROW);
}

static void run_norm_sums(void *p)
{
    rows *r = p;
    float sums[2] = {0, 0};
    r->k->norm_sums(r->a, 0, 1, r->b, r->c, r->y, r->z, sums, ROW);
    r->sink = sums[0] + sums[1];
}

static void run_norm_gradient(void *p)
{
    rows *r = p;
    r->k->norm_gradient(r->a, 0, 1, r->b, r->c, 0.1f, 0.2f, r->d, r->y, ROW);
}

static void run_gelu_tanh(void *p)
{
    rows *r = p;
    r->k->activation_forward(FST__ACTIVATION_GELU_TANH, r->a, r->y, ROW);
}

static void run_gelu_tanh_both(void *p)
{
    rows *r = p;
    run_gelu_tanh(p);
    r->k->activation_backward(FST__ACTIVATION_GELU_TANH, r->a, r->b, r->z, ROW);
}

static void run_gelu_both(void *p)
{
    rows *r = p;
    r->k->activation_forward(FST__ACTIVATION_GELU, r->a, r->y, ROW);
    r->k->activation_backward(FST__ACTIVATION_GELU, r->a, r->b, r->z, ROW);
}

static void run_silu_gated(void *p)
{
    rows *r = p;
    r->k->gated_forward(FST__ACTIVATION_SILU, r->a, r->b, r->y, ROW);
    r->k->gated_backward(FST__ACTIVATION_SILU, r->a, r->b, r->c, r->y, r->z, ROW);
}

static void run_tanh(void *p)
{
    rows *r = p;
    r->k->activation_forward(FST__ACTIVATION_TANH, r->a, r->y, ROW);
}

static const struct {
    const char *name;
    void (*run)(void *);
} kernels[] = {
    {"from_bf16", run_from_bf16},
    {"to_bf16", run_to_bf16},
    {"add", run_add},
    {"dot", run_dot},
    {"max", run_max},
    {"sum_squares", run_squares},
    {"exp_sum", run_exp_sum},
    {"softmax", run_softmax},
    {"normalise", run_normalise},
    {"norm_sums", run_norm_sums},
    {"norm_gradient", run_norm_gradient},
    {"dropout", run_dropout},
    {"gelu tanh forward", run_gelu_tanh},
    {"gelu tanh forward + backward", run_gelu_tanh_both},
    {"gelu erf forward + backward", run_gelu_both},
    {"silu gated forward + backward", run_silu_gated},
    {"tanh forward", run_tanh},
};

static void bench_kernels(void)
{
    static rows r;
    for (int i = 0; i < ROW; ++i) {
        fst__philox_block block = fst__philox(1, 1, 0, (uint64_t)i);
        r.a[i] = (float)fst__normal(block, 0);
        r.b[i] = (float)fst__normal(block, 1);
        r.c[i] = r.a[i] * r.b[i];
        r.d[i] = r.a[i] - r.b[i];
    }
    printf("%-32s", "ns per element, row in cache");
    for (int t = 0; fst__kernels_at(t); ++t)
        printf("%10s", fst__kernels_at(t)->name);
    printf("%10s\n", fst__kernels_reference.name);
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; ++i) {
        printf("%-32s", kernels[i].name);
        for (int t = 0;; ++t) {
            r.k = fst__kernels_at(t) ? fst__kernels_at(t) : &fst__kernels_reference;
            printf("%10.3f", 1e9 * seconds(kernels[i].run, &r) / ROW);
            if (r.k == &fst__kernels_reference)
                break;
        }
        printf("\n");
    }
}

/* ---- layers */

typedef struct layers {
    const fst__compute *compute;
    fst__matrix a, b, c, d, wide, dwide;
    fst__norm norm;
    fst__dropout dropout;
    float *mean, *rstd, *gamma, *beta, *dgamma, *dbeta, *table, *cosine, *sine;
    int32_t *ids, *positions;
    void *scratch;
    size_t scratch_size;
} layers;

static void run_norm_forward(void *p)
{
    layers *l = p;
    fst__norm_forward(l->compute, &l->norm, l->a, &l->b, &l->dropout, l->a, l->c, l->mean, l->rstd);
}

static void run_norm_backward(void *p)
{
    layers *l = p;
    fst__arena arena = fst__arena_over(l->scratch, l->scratch_size);
    fst__norm_backward(l->compute, &l->norm, l->a, l->mean, l->rstd, l->c, l->d, true, &l->b,
                       &l->dropout, l->dgamma, l->dbeta, &arena);
}

static void run_residual(void *p)
{
    layers *l = p;
    fst__residual_add_forward(l->compute, l->a, l->b, NULL, l->c);
}

static void run_activation(void *p)
{
    layers *l = p;
    fst__activation_forward(l->compute, FST__ACTIVATION_GELU_TANH, l->a, l->b);
}

static void run_activation_backward(void *p)
{
    layers *l = p;
    fst__activation_backward(l->compute, FST__ACTIVATION_GELU_TANH, l->a, l->c);
}

static void run_gated(void *p)
{
    layers *l = p;
    fst__gated_forward(l->compute, FST__ACTIVATION_SILU, l->wide, l->a);
}

static void run_gated_backward(void *p)
{
    layers *l = p;
    fst__gated_backward(l->compute, FST__ACTIVATION_SILU, l->wide, l->a, l->dwide);
}

static void run_rotary(void *p)
{
    layers *l = p;
    fst__rotary_apply(l->compute, l->cosine, l->sine, l->positions, l->a, l->a.columns / 64, 64, 64,
                      false);
}

static void run_embedding(void *p)
{
    layers *l = p;
    fst__matrix table = fst__matrix_of(l->table, l->a.rows, l->a.columns, FST_F32);
    fst__embedding_forward(l->compute, l->ids, table, NULL, NULL, NULL, NULL, &l->dropout, l->a);
}

static void run_embedding_backward(void *p)
{
    layers *l = p;
    fst__embedding_backward(l->compute, l->ids, NULL, NULL, &l->dropout, l->a, l->table, NULL,
                            NULL);
}

/* name, and how many elements a call reads and writes per element of [R, C] */
static const struct {
    const char *name;
    double touched;
    void (*run)(void *);
} layer_tasks[] = {
    {"residual add", 3, run_residual},
    {"residual + norm", 4, run_norm_forward},
    {"residual + norm backward", 5, run_norm_backward},
    {"gelu tanh", 2, run_activation},
    {"gelu tanh backward", 3, run_activation_backward},
    {"silu gated", 3, run_gated},
    {"silu gated backward", 5, run_gated_backward},
    {"rotary", 2, run_rotary},
    {"embedding", 2, run_embedding},
    {"embedding backward", 3, run_embedding_backward},
};

static void *zeroed(int64_t count, size_t size)
{
    void *block = fst__alloc_zero(&allocator, (size_t)count * size);
    if (!block)
        exit(1);
    return block; /* lives as long as the program */
}

static fst__matrix some(int64_t rows_count, int64_t columns, int32_t dtype)
{
    fst__matrix m = fst__matrix_of(zeroed(rows_count * columns, fst__element_size(dtype)),
                                   rows_count, columns, dtype);
    for (int64_t i = 0; i < rows_count * columns; ++i) {
        float value = fst__uniform_float((uint32_t)i * 2654435761u) * 4 - 2;
        if (dtype == FST_BF16)
            ((fst__bf16 *)m.data)[i] = fst__float_to_bf16(value);
        else
            ((float *)m.data)[i] = value;
    }
    return m;
}

static void bench_layers(const fst__compute *compute, int64_t columns, int32_t dtype, double p)
{
    int64_t count = (8 << 20) / columns;
    layers l = {
        .compute = compute,
        .a = some(count, columns, dtype),
        .b = some(count, columns, dtype),
        .c = some(count, columns, dtype),
        .d = some(count, columns, dtype),
        .wide = some(count, 2 * columns, dtype),
        .dwide = some(count, 2 * columns, dtype),
        .dropout = {(float)p, 1, 2, 0},
        .mean = zeroed(count, 4),
        .rstd = zeroed(count, 4),
        .gamma = zeroed(columns, 4),
        .beta = zeroed(columns, 4),
        .dgamma = zeroed(columns, 4),
        .dbeta = zeroed(columns, 4),
        .table = zeroed(count * columns, 4),
        .cosine = zeroed(count * 32, 4),
        .sine = zeroed(count * 32, 4),
        .ids = zeroed(count, 4),
        .positions = zeroed(count, 4),
        .scratch_size = fst__norm_backward_scratch(count, columns),
    };
    l.scratch = zeroed((int64_t)l.scratch_size, 1);
    l.norm = (fst__norm){FST__NORM_LAYER, 1e-5f, l.gamma, l.beta};
    for (int64_t i = 0; i < count; ++i) {
        l.ids[i] = (int32_t)((uint32_t)i * 2654435761u % (uint32_t)count);
        l.positions[i] = (int32_t)(i % 1024 < count ? i % 1024 : 0);
    }
    fst__rotary_scaling scaling = {.theta = 10000};
    fst__rotary_tables(l.cosine, l.sine, count, 64, &scaling);
    printf("layers, [%d, %d] %s, dropout %.1f: ns per element, GB/s\n", (int)count, (int)columns,
           dtype == FST_BF16 ? "bf16" : "f32", p);
    for (size_t i = 0; i < sizeof layer_tasks / sizeof *layer_tasks; ++i) {
        double time = seconds(layer_tasks[i].run, &l) / (double)(count * columns);
        printf("%-32s%10.3f%10.1f\n", layer_tasks[i].name, 1e9 * time,
               1e-9 * layer_tasks[i].touched * (double)fst__element_size(dtype) / time);
    }
}

int main(int count, char **arguments)
{
    int64_t columns = count > 1 ? atoi(arguments[1]) : 768;
    fst__pool *pool;
    fst__compute *compute;
    if (columns < 64 || fst__pool_create(&allocator, 1, &pool) != FST_OK ||
        fst__compute_create(&allocator, pool, FST_PROVIDER_REFERENCE, &compute) != FST_OK)
        return 1;
    bench_kernels();
    bench_layers(compute, columns, FST_F32, 0);
    bench_layers(compute, columns, FST_F32, 0.1);
    bench_layers(compute, columns, FST_BF16, 0);
    return 0;
}
