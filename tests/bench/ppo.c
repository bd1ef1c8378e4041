/*
 * An iteration of PPO – rollout, scoring, the passes that follow, four epochs of updates – and how
 * near sampling comes to the matrix products of its own forwards, run alone over as many weights:
 *
 *   bench_ppo [NAME [ITERATIONS]]     NAME: small (3.2M weights beside 4,096 ids) or 124M
 */
#include "base/context.h"
#include "fourstage/fourstage.h"
#include "kernels/gemm.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ANSWERS = 16, ANSWER = 64, PROMPT = 8, MOST_SHAPES = 512, MOST_ITERATIONS = 50 };

typedef struct world {
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_reward_model *reward;
    fst_dataset *prompts;
    fst_sampling_options sampling;
} world;

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

/* ---- what is measured */

static void make_model(world *w, bool large)
{
    fst_model_config config;
    fst_head_options head;
    require(fst_model_config_init(&config, sizeof config), "config");
    config.vocabulary_size = large ? 50257 : 4096;
    config.context_length = 128;
    config.layers = large ? 12 : 4;
    config.heads = large ? 12 : 4;
    config.width = large ? 768 : 256;
    require(fst_model_create(w->context, &config, NULL, &w->model), "model");
    require(fst_head_options_init(&head, sizeof head), "head");
    head.name = "value";
    head.kind = FST_HEAD_TOKEN;
    head.init_std = 0;
    require(fst_model_add_head(w->model, &head), "value head");
}

/* A copy of the policy's trunk with a score head, as the chain of the four stages has it. */
static void make_reward(world *w)
{
    fst_model *scorer;
    fst_head_options head;
    require(fst_model_copy(w->model, NULL, &scorer), "copy");
    require(fst_head_options_init(&head, sizeof head), "head");
    head.name = "score";
    require(fst_model_add_head(scorer, &head), "score head");
    require(fst_reward_model_from_model(scorer, NULL, NULL, &w->reward), "reward model");
    fst_model_destroy(scorer);
}

static void make_prompts(world *w)
{
    const char *texts[] = {"abcdefgh", "hgfedcba", "aabbccdd", "abababab"};
    fst_tokenizer_train_options characters;
    require(fst_tokenizer_train_options_init(&characters, sizeof characters), "options");
    characters.kind = FST_TOKENIZER_CHARACTER;
    require(fst_tokenizer_train_texts(w->context, texts, NULL, 4, &characters, &w->tokenizer),
            "tokenizer");
    require(fst_dataset_from_prompts(w->context, w->tokenizer, texts, 4, NULL, &w->prompts),
            "prompts");
}

static world make_world(bool large)
{
    world w = {0};
    fst_optimizer_options adamw;
    require(fst_context_create(NULL, &w.context), "context");
    make_prompts(&w);
    make_model(&w, large);
    make_reward(&w);
    require(fst_optimizer_options_init(&adamw, sizeof adamw), "options");
    adamw.learning_rate = 1e-6;
    require(fst_optimizer_create(w.model, &adamw, &w.optimizer), "optimizer");
    require(fst_sampling_options_init(&w.sampling, sizeof w.sampling), "sampling");
    w.sampling.max_new_tokens = ANSWER;
    w.sampling.ignore_end = 1;
    return w;
}

static double metric(const fst_run *run, const char *name)
{
    double value;
    require(fst_run_metric(run, name, &value), name);
    return value;
}

/* ---- an iteration */

static void bench_iteration(world *w, int iterations)
{
    static const char *const parts[] = {"rollout", "reward", "estimate", "update"};
    fst_rl_options options;
    fst_run *run;
    require(fst_rl_options_init(&options, sizeof options), "options");
    options.model = w->model;
    options.optimizer = w->optimizer;
    options.reward_model = w->reward;
    options.prompts = w->prompts;
    options.sampling = &w->sampling;
    options.prompts_per_step = ANSWERS;
    require(fst_rl_create(&options, &run), "run");
    require(fst_run_step(run, NULL, 0), "warm-up");
    double sums[4] = {0}, start = now();
    fst_context_info before = {.struct_size = sizeof before}, after = before;
    for (int i = 0; i < iterations; ++i) {
        require(fst_context_get_info(w->context, &before, sizeof before), "info");
        require(fst_run_step(run, NULL, 0), "step");
        require(fst_context_get_info(w->context, &after, sizeof after), "info");
        for (int p = 0; p < 4; ++p) {
            char name[32];
            snprintf(name, sizeof name, "%s_seconds", parts[p]);
            sums[p] += metric(run, name);
        }
    }
    double total = now() - start, rest = total;
    printf("iteration of %d answers of %d tokens, 4 epochs: %.1f ms", ANSWERS, ANSWER,
           1e3 * total / iterations);
    for (int p = 0; p < 4; ++p) {
        printf(", %s %.1f %%", parts[p], 100 * sums[p] / total);
        rest -= sums[p];
    }
    printf(", elsewhere %.2f %%; %lld allocations\n", 100 * rest / total,
           (long long)(after.allocations - before.allocations));
    fst_run_destroy(run);
}

/* ---- sampling beside its products */

/* Weights enough that, as in the model, none is met again before all others were. */
typedef struct arena {
    float *weights;
    int64_t size, at;
} arena;

static float *next_weights(arena *a, int64_t count)
{
    if (a->at + count > a->size)
        a->at = 0;
    float *start = a->weights + a->at;
    a->at += count;
    return start;
}

static float *filled(int64_t count)
{
    float *values = aligned_alloc(64, ((size_t)count * sizeof *values + 63) / 64 * 64);
    for (int64_t i = 0; i < count; ++i)
        values[i] = (float)(i % 17) / 16 - 0.5f;
    return values;
}

static double replay(const fst_context *context, const fst__gemm_shape *s, arena *weights)
{
    float *a = filled(s->m * s->lda), *c = filled(s->m * s->ldc);
    double start = now();
    for (int64_t i = 0; i < s->calls; ++i) {
        fst__product product = {
            .a = {a, s->m, s->k, s->lda, s->dtype},
            .b = {next_weights(weights, s->n * s->ldb), s->n, s->k, s->ldb, s->dtype},
            .c = {c, s->m, s->n, s->ldc, s->dtype_c},
            .transpose_b = s->transpose_b,
        };
        require(fst__gemm_run(context->compute, &product), "product");
    }
    double time = now() - start;
    free(a);
    free(c);
    return time;
}

static double generate(world *w, fst_policy *policy, int64_t tokens)
{
    static int32_t prompt[PROMPT];
    const int32_t *prompts[ANSWERS];
    int64_t lengths[ANSWERS];
    for (int i = 0; i < ANSWERS; ++i) {
        prompts[i] = prompt;
        lengths[i] = PROMPT;
    }
    w->sampling.max_new_tokens = tokens;
    double start = now();
    require(fst_policy_generate(policy, prompts, lengths, ANSWERS, &w->sampling, NULL, NULL),
            "generate");
    return now() - start;
}

static void bench_rollout(world *w, int repeats)
{
    static fst__gemm_shape shapes[MOST_SHAPES];
    int64_t count = 0;
    fst_policy *policy;
    require(fst_policy_create(w->model, NULL, &policy), "policy");
    generate(w, policy, ANSWER);
    fst__gemm_record(w->context->compute->gemm, shapes, MOST_SHAPES, &count);
    generate(w, policy, ANSWER);
    fst__gemm_record(w->context->compute->gemm, NULL, 0, NULL);
    int64_t size = w->model->parameters.elements;
    arena weights = {filled(size), size, 0};
    double best = 1e9, bound = 1e9;
    for (int i = 0; i < repeats; ++i) { /* one beside the other: the machine's speed changes */
        double products = 0, time = generate(w, policy, ANSWER);
        for (int64_t s = 0; s < count; ++s)
            products += replay(w->context, &shapes[s], &weights);
        best = time < best ? time : best;
        bound = products < bound ? products : bound;
    }
    printf("rollout of %d answers of %d tokens: %.1f ms, %.0f tokens/s; its products alone %.1f ms: "
           "%.0f %% of the bound\n",
           ANSWERS, ANSWER, 1e3 * best, ANSWERS * ANSWER / best, 1e3 * bound, 100 * bound / best);
    free(weights.weights);
    fst_policy_destroy(policy);
}

int main(int argc, char **argv)
{
    bool large = argc > 1 && strcmp(argv[1], "124M") == 0;
    int iterations = argc > 2 ? atoi(argv[2]) : 5;
    if (iterations < 1 || iterations > MOST_ITERATIONS) {
        fprintf(stderr, "usage: bench_ppo [small|124M [ITERATIONS]]\n");
        return 2;
    }
    world w = make_world(large);
    printf("%s: ", large ? "124M" : "small");
    bench_rollout(&w, iterations);
    w.sampling.max_new_tokens = ANSWER;
    bench_iteration(&w, iterations);
    fst_dataset_destroy(w.prompts);
    fst_reward_model_destroy(w.reward);
    fst_optimizer_destroy(w.optimizer);
    fst_model_destroy(w.model);
    fst_tokenizer_destroy(w.tokenizer);
    fst_context_destroy(w.context);
    return 0;
}
