/*
 * An iteration of PPO – rollout, scoring, the passes that follow, four epochs of updates – and how
 * near sampling comes to the matrix products of its own forwards, run alone over as many weights:
 *
 *   bench_ppo [NAME [ITERATIONS [THREADS]]]     NAME: see `shapes`; THREADS: 0 for all processors
 *
 * Times are the wall's; those of the process's processors beside them do not change where others
 * share the machine, as far as its caches do not.
 */
#include "base/context.h"
#include "fourstage/fourstage.h"
#include "kernels/gemm.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ANSWERS = 16, ANSWER = 64, PROMPT = 64, MOST_SHAPES = 512, MOST_ITERATIONS = 50 };

typedef struct shape {
    const char *name;
    int32_t vocabulary, context, layers, heads, width;
} shape;

static const shape shapes[] = {
    {"small", 4096, 128, 4, 4, 256},
    {"10.8M", 65, 256, 6, 6, 384},
    {"124M", 50257, 128, 12, 12, 768},
};

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

static double read_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

typedef struct span {
    double wall, processors;
} span;

static span begin(void)
{
    return (span){now(), read_clock(CLOCK_PROCESS_CPUTIME_ID)};
}

static span since(span start)
{
    span end = begin();
    return (span){end.wall - start.wall, end.processors - start.processors};
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

/* ---- what is measured */

static void make_model(world *w, const shape *s)
{
    fst_model_config config;
    fst_head_options head;
    require(fst_model_config_init(&config, sizeof config), "config");
    config.vocabulary_size = s->vocabulary;
    config.context_length = s->context;
    config.layers = s->layers;
    config.heads = s->heads;
    config.width = s->width;
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
    char texts[ANSWERS][PROMPT + 1] = {{0}};
    const char *pointers[ANSWERS];
    for (int i = 0; i < ANSWERS; ++i) {
        for (int t = 0; t < PROMPT; ++t)
            texts[i][t] = (char)('a' + (i + 3 * t) % 26);
        pointers[i] = texts[i];
    }
    fst_tokenizer_train_options characters;
    require(fst_tokenizer_train_options_init(&characters, sizeof characters), "options");
    characters.kind = FST_TOKENIZER_CHARACTER;
    require(fst_tokenizer_train_texts(w->context, pointers, NULL, ANSWERS, &characters,
                                      &w->tokenizer), "tokenizer");
    require(fst_dataset_from_prompts(w->context, w->tokenizer, pointers, ANSWERS, NULL, &w->prompts),
            "prompts");
}

static world make_world(const shape *s, int32_t threads)
{
    world w = {0};
    fst_optimizer_options adamw;
    fst_context_options options;
    require(fst_context_options_init(&options, sizeof options), "options");
    options.threads = threads;
    require(fst_context_create(&options, &w.context), "context");
    make_prompts(&w);
    make_model(&w, s);
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

static span replay(const fst_context *context, const fst__gemm_shape *s, arena *weights)
{
    float *a = filled(s->m * s->lda), *c = filled(s->m * s->ldc);
    span start = begin();
    for (int64_t i = 0; i < s->calls; ++i) {
        fst__product product = {
            .a = {a, s->m, s->k, s->lda, s->dtype},
            .b = {next_weights(weights, s->n * s->ldb), s->n, s->k, s->ldb, s->dtype},
            .c = {c, s->m, s->n, s->ldc, s->dtype_c},
            .transpose_b = s->transpose_b,
        };
        require(fst__gemm_run(context->compute, &product), "product");
    }
    span time = since(start);
    free(a);
    free(c);
    return time;
}

static span generate(world *w, fst_policy *policy, int64_t tokens)
{
    static const int32_t prompt[PROMPT];
    const int32_t *prompts[ANSWERS];
    int64_t lengths[ANSWERS];
    for (int i = 0; i < ANSWERS; ++i) {
        prompts[i] = prompt;
        lengths[i] = PROMPT;
    }
    w->sampling.max_new_tokens = tokens;
    span start = begin();
    require(fst_policy_generate(policy, prompts, lengths, ANSWERS, &w->sampling, NULL, NULL),
            "generate");
    return since(start);
}

/* The products of a rollout, recorded, then run alone. */
static void bench_rollout(world *w, int repeats)
{
    static fst__gemm_shape recorded[MOST_SHAPES];
    int64_t count = 0;
    fst_policy *policy;
    require(fst_policy_create(w->model, NULL, &policy), "policy");
    generate(w, policy, ANSWER);
    fst__gemm_record(w->context->compute->gemm, recorded, MOST_SHAPES, &count);
    generate(w, policy, ANSWER);
    fst__gemm_record(w->context->compute->gemm, NULL, 0, NULL);
    int64_t size = w->model->parameters.elements;
    arena weights = {filled(size), size, 0};
    double walls[MOST_ITERATIONS], shares[MOST_ITERATIONS], processor_shares[MOST_ITERATIONS];
    double best = 1e9;
    for (int i = 0; i < repeats; ++i) { /* one beside the other: the machine's speed changes */
        span products = {0}, time = generate(w, policy, ANSWER);
        for (int64_t s = 0; s < count; ++s) {
            span one = replay(w->context, &recorded[s], &weights);
            products.wall += one.wall;
            products.processors += one.processors;
        }
        walls[i] = time.wall;
        shares[i] = products.wall / time.wall;
        processor_shares[i] = products.processors / time.processors;
        best = time.wall < best ? time.wall : best;
    }
    double wall = median(walls, repeats);
    printf("rollout of %d answers of %d tokens to prompts of %d: %.1f ms (best %.1f), %.0f tokens/s (best "
           "%.0f); its products alone take %.0f %% of its time, %.0f %% of its processors' time\n",
           ANSWERS, ANSWER, PROMPT, 1e3 * wall, 1e3 * best, ANSWERS * ANSWER / wall,
           ANSWERS * ANSWER / best, 100 * median(shares, repeats),
           100 * median(processor_shares, repeats));
    free(weights.weights);
    fst_policy_destroy(policy);
}

static const shape *find_shape(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const shape *s = find_shape(argc > 1 ? argv[1] : "small");
    int iterations = argc > 2 ? atoi(argv[2]) : 5;
    if (!s || iterations < 1 || iterations > MOST_ITERATIONS) {
        fprintf(stderr, "usage: bench_ppo [small|10.8M|124M [ITERATIONS [THREADS]]]\n");
        return 2;
    }
    world w = make_world(s, argc > 3 ? atoi(argv[3]) : 0);
    printf("%s, %d threads, %s: ", s->name, (int)fst__pool_workers(w.context->pool),
           fst__gemm_provider_name(w.context->compute->gemm));
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
