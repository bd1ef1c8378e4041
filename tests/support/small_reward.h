/* A run that learns scores, small enough to be made a hundred times: from preferences for praise, or
 * from labels of the same texts. */
#ifndef TESTS_SUPPORT_SMALL_REWARD_H
#define TESTS_SUPPORT_SMALL_REWARD_H

#include "fourstage/reward.h"
#include "small_dpo.h"

enum { REWARD_ASPECTS = 3, REWARD_LEVELS = 3 };

typedef struct small_reward_config {
    int32_t family, dtype, threads;
    int32_t answers;   /* preferences: of an example */
    int32_t adapter;   /* 1: LoRA, and the heads */
    int32_t own_heads; /* graded: a head for each aspect */
    double learning_rate, model_dropout;
    fst_reward_options reward; /* handles are filled in */
    fst_run_options run;
    fst_context_options context;
} small_reward_config;

typedef struct small_reward {
    small_dpo base; /* context, tokenizer, data, model, optimizer, run */
    fst_run *run;
} small_reward;

static const int32_t small_reward_losses[] = {FST_ASPECT_MSE, FST_ASPECT_BT, FST_ASPECT_ORDINAL};
static const int32_t small_reward_levels[] = {0, 0, REWARD_LEVELS};
static const double small_reward_weights[] = {1, 0.5, 2};
static const char *const small_reward_heads[] = {"value", "rank", "level"};

static inline small_reward_config small_reward_defaults(int32_t objective)
{
    small_reward_config c = {.answers = 2, .learning_rate = 0.01};
    c.context = tiny_context_options(1);
    REQUIRE(fst_reward_options_init(&c.reward, sizeof c.reward));
    REQUIRE(fst_run_options_init(&c.run, sizeof c.run));
    c.reward.objective = objective;
    c.reward.rows = 3;
    c.run.total_steps = 6;
    if (objective == FST_REWARD_GRADED) {
        c.reward.aspect_losses = small_reward_losses;
        c.reward.aspect_levels = small_reward_levels;
        c.reward.aspect_weights = small_reward_weights;
        c.reward.aspect_count = REWARD_ASPECTS;
    }
    return c;
}

/* Texts of praise and blame; value 2 … −2, the same as a rank, and as levels; some are missing. */
static inline fst_dataset *small_reward_labelled(const small_dpo *s, int32_t first, int32_t count)
{
    static const char *const things[] = {"a tea", "this pot", "the old cat", "soup", "my hat"};
    static const char *const praise[] = {"good thing, fine", "is fine", "so-so", "is not at all",
                                         "bad"};
    char buffers[64][64];
    const char *texts[64];
    float labels[64 * REWARD_ASPECTS];
    for (int32_t i = 0; i < count; ++i) {
        int32_t n = first + i, grade = n * 3 % 5;
        snprintf(buffers[i], sizeof buffers[i], "%s %s", things[n * 7 % 5 ? n % 5 : 0], praise[grade]);
        texts[i] = buffers[i];
        labels[3 * i] = n % 4 == 1 ? NAN : (float)(2 - grade);
        labels[3 * i + 1] = n % 5 == 2 ? NAN : (float)(2 - grade);
        labels[3 * i + 2] = n % 6 == 3 ? NAN : (float)(grade < 2 ? 2 : grade == 2);
    }
    fst_example_options options;
    fst_dataset *dataset;
    REQUIRE(fst_example_options_init(&options, sizeof options));
    options.label_count = REWARD_ASPECTS;
    REQUIRE(fst_dataset_from_labelled(s->context, s->tokenizer, texts, NULL, labels, count, &options,
                                      &dataset));
    return dataset;
}

static inline void small_reward_add_head(fst_model *model, const char *name, int64_t outputs)
{
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = name;
    head.outputs = outputs;
    head.init_std = 0.05;
    REQUIRE(fst_model_add_head(model, &head));
}

static inline void small_reward_add_heads(fst_model *model, const small_reward_config *c)
{
    if (c->reward.objective == FST_REWARD_PAIRWISE) {
        small_reward_add_head(model, "score", 1);
    } else if (c->own_heads) {
        for (int i = 0; i < REWARD_ASPECTS; ++i)
            small_reward_add_head(model, small_reward_heads[i], i == 2 ? REWARD_LEVELS - 1 : 1);
    } else {
        small_reward_add_head(model, "score", 2 + REWARD_LEVELS - 1);
    }
}

/* Everything but the run. */
static inline void small_reward_prepare(small_reward *s, const small_reward_config *c)
{
    *s = (small_reward){0};
    small_dpo *b = &s->base;
    REQUIRE(fst_context_create(&c->context, &b->context));
    small_dpo_train_tokenizer(b);
    if (c->reward.objective == FST_REWARD_PAIRWISE) {
        b->train = small_dpo_data(b, 0, DPO_PROMPTS, c->answers);
        b->validation = small_dpo_data(b, DPO_PROMPTS, DPO_HELD_OUT, c->answers);
    } else {
        b->train = small_reward_labelled(b, 0, 20);
        b->validation = small_reward_labelled(b, 20, 10);
    }
    fst_model_config config = tiny_config(c->family);
    config.vocabulary_size = 280;
    config.init_std = 0.05;
    config.dropout = config.attention_dropout = c->model_dropout;
    b->model = tiny_model(b->context, &config, c->dtype, 0);
    if (c->adapter)
        REQUIRE(fst_model_add_adapter(b->model, NULL));
    small_reward_add_heads(b->model, c);
    fst_optimizer_options optimizer;
    REQUIRE(fst_optimizer_options_init(&optimizer, sizeof optimizer));
    optimizer.learning_rate = c->learning_rate;
    REQUIRE(fst_optimizer_create(b->model, &optimizer, &b->optimizer));
}

static inline fst_status small_reward_start(small_reward *s, const small_reward_config *c)
{
    fst_reward_options options = c->reward;
    options.model = s->base.model;
    options.optimizer = s->base.optimizer;
    options.train = s->base.train;
    options.validation = s->base.validation;
    options.run = &c->run;
    if (c->own_heads) {
        options.heads = small_reward_heads;
        options.head_count = REWARD_ASPECTS;
    }
    return fst_reward_create(&options, &s->run);
}

static inline void small_reward_create(small_reward *s, const small_reward_config *c)
{
    small_reward_prepare(s, c);
    REQUIRE(small_reward_start(s, c));
}

static inline void small_reward_destroy(small_reward *s)
{
    s->base.run = s->run;
    small_dpo_destroy(&s->base);
    s->run = NULL;
}

#endif
