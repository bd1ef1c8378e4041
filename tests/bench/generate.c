/*
 * Generation beside the bound of the memory: every token of a batch reads each weight once, so
 * tokens/s ≤ batch · (bytes/s that all workers can read) / (bytes of the weights that products read).
 *
 *   bench_generate [f32|bf16 [TOKENS]]
 */
#include "base/context.h"
#include "fourstage/fourstage.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

enum { PIECE = 1 << 16 }; /* floats of one task: 256 KiB */

typedef struct reading {
    const float *data;
    _Atomic int64_t sink;
} reading;

typedef float lanes __attribute__((vector_size(64)));

/* Sums a piece with as many loads in flight as a core has; the sum keeps the compiler honest. */
__attribute__((target("avx512f"))) static void read_piece(void *context, int64_t index, int32_t worker)
{
    (void)worker;
    reading *r = context;
    const lanes *at = (const lanes *)(r->data + index * PIECE);
    lanes sums[8] = {0};
    for (int64_t i = 0; i < PIECE / 16; i += 8)
        for (int k = 0; k < 8; ++k)
            sums[k] += at[i + k];
    float total = 0;
    for (int k = 0; k < 8; ++k)
        for (int j = 0; j < 16; ++j)
            total += sums[k][j];
    r->sink += (int64_t)total;
}

/* Bytes per second of reading the model's own weights, best of several passes. */
static double read_bandwidth(const fst_model *model)
{
    reading r = {.data = (const float *)model->parameters.values};
    int64_t pieces = model->parameters.elements / PIECE;
    double best = 1e9;
    for (int pass = 0; pass < 7; ++pass) {
        double start = now();
        fst__pool_run(model->context->pool, pieces, read_piece, &r);
        double time = now() - start;
        best = time < best ? time : best;
    }
    return (double)pieces * PIECE * sizeof(float) / best;
}

static double weight_bytes(const fst_model *model)
{
    double elements = 0;
    for (int64_t i = 0; i < model->parameters.count; ++i) {
        const fst__parameter *p = &model->parameters.items[i];
        if (p->rank == 2 && p != model->parameters.position_embedding)
            elements += (double)fst__parameter_size(p);
    }
    return elements * (model->options.dtype == FST_BF16 ? 2 : 4);
}

int main(int argc, char **argv)
{
    int32_t dtype = argc > 1 && strcmp(argv[1], "bf16") == 0 ? FST_BF16 : FST_F32;
    int64_t tokens = argc > 2 ? atoll(argv[2]) : 48;
    fst_context *context;
    fst_model *model;
    fst_policy *policy;
    fst_model_config config;
    fst_model_options options;
    require(fst_context_create(NULL, &context), "context");
    require(fst_model_config_init(&config, sizeof config), "config");
    config.vocabulary_size = 50257;
    config.context_length = 1024;
    config.layers = 12;
    config.heads = 12;
    config.width = 768;
    require(fst_model_options_init(&options, sizeof options), "options");
    options.dtype = dtype;
    require(fst_model_create(context, &config, &options, &model), "model");
    require(fst_policy_create(model, NULL, &policy), "policy");
    int32_t prompt[16];
    const int32_t *prompts[8];
    int64_t lengths[8];
    for (int i = 0; i < 16; ++i)
        prompt[i] = 100 * i;
    for (int i = 0; i < 8; ++i) {
        prompts[i] = prompt;
        lengths[i] = 16;
    }
    for (int64_t batch = 1; batch <= 8; batch += 7) {
        double bandwidth = read_bandwidth(model), best = 0;
        for (int repeat = 0; repeat < 3; ++repeat) {
            fst_sampling_options sampling;
            require(fst_sampling_options_init(&sampling, sizeof sampling), "sampling");
            double times[2];
            /* The prompt's forward is the same in both: the difference is the steps alone. */
            for (int part = 0; part < 2; ++part) {
                sampling.max_new_tokens = part ? tokens + 1 : 1;
                double start = now();
                require(fst_policy_generate(policy, prompts, lengths, batch, &sampling, NULL, NULL),
                        "generate");
                times[part] = now() - start;
            }
            double rate = (double)(batch * tokens) / (times[1] - times[0]);
            best = rate > best ? rate : best;
        }
        double bound = (double)batch * bandwidth / weight_bytes(model);
        printf("124M %s batch %lld: %.1f tokens/s, bound %.1f (%.1f GB/s read, %.0f MB a step): %.0f %%\n",
               dtype == FST_BF16 ? "bf16" : "f32", (long long)batch, best, bound, 1e-9 * bandwidth,
               1e-6 * weight_bytes(model), 100 * best / bound);
    }
    fst_policy_destroy(policy);
    fst_model_destroy(model);
    fst_context_destroy(context);
    return 0;
}
