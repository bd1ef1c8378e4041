/* A run over preferences small enough to be made a hundred times: answers that praise are preferred
 * to answers that do not, about things of which some are held out. */
#ifndef TESTS_SUPPORT_SMALL_DPO_H
#define TESTS_SUPPORT_SMALL_DPO_H

#include "fourstage/adapter.h"
#include "fourstage/dpo.h"
#include "fourstage/examples.h"
#include "fourstage/optimizer.h"
#include "fourstage/tokenizer.h"
#include "tiny_model.h"

#include <stdio.h>

enum { DPO_PROMPTS = 14, DPO_HELD_OUT = 5 };

typedef struct small_dpo_config {
    int32_t family, dtype;
    int32_t adapter; /* 1: LoRA on the model */
    int32_t answers; /* of an example, ≥ 2 */
    double learning_rate, model_dropout;
    fst_dpo_options dpo; /* handles are filled in */
    fst_run_options run;
    int32_t given; /* 1: reference_model is another model */
    fst_context_options context;
} small_dpo_config;

typedef struct small_dpo {
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_dataset *train, *validation;
    fst_model *model, *reference;
    fst_optimizer *optimizer;
    fst_run *run;
} small_dpo;

static inline small_dpo_config small_dpo_defaults(void)
{
    small_dpo_config c = {.answers = 2, .learning_rate = 0.01};
    c.context = tiny_context_options(1);
    REQUIRE(fst_dpo_options_init(&c.dpo, sizeof c.dpo));
    REQUIRE(fst_run_options_init(&c.run, sizeof c.run));
    c.dpo.rows = 3;
    c.run.total_steps = 6;
    return c;
}

static inline void small_dpo_train_tokenizer(small_dpo *s)
{
    static const char text[] = "a good thing, a bad thing, this is fine, that is not at all fine";
    const char *texts[] = {text};
    fst_tokenizer_train_options options;
    REQUIRE(fst_tokenizer_train_options_init(&options, sizeof options));
    const char *const special[] = {"<end>"};
    options.special_tokens = special;
    options.special_token_count = 1;
    options.vocabulary_size = 270;
    REQUIRE(fst_tokenizer_train_texts(s->context, texts, NULL, 1, &options, &s->tokenizer));
    REQUIRE(fst_tokenizer_set_special_id(s->tokenizer, FST_TOKEN_EOS, 0));
}

/* Prompts of different lengths; answers too, the best first. */
static inline fst_dataset *small_dpo_data(const small_dpo *s, int32_t first, int32_t count,
                                          int32_t answers)
{
    static const char *const things[] = {"a tea", "this pot",    "the old cat", "soup",  "my hat",
                                         "rain",  "a long walk", "the sea",     "bread", "an egg"};
    static const char *const praise[] = {"good thing, fine", "is fine", "so-so", "is not at all",
                                         "bad"};
    char texts[DPO_PROMPTS + DPO_HELD_OUT][64];
    const char *prompts[DPO_PROMPTS + DPO_HELD_OUT], *all[5 * (DPO_PROMPTS + DPO_HELD_OUT)];
    int64_t offsets[DPO_PROMPTS + DPO_HELD_OUT + 1] = {0};
    for (int32_t i = 0; i < count; ++i) {
        int32_t n = first + i;
        snprintf(texts[i], sizeof texts[i], "%s %s?", things[n % 10], n < 10 ? "today" : "then");
        prompts[i] = texts[i];
        for (int32_t j = 0; j < answers; ++j)
            all[offsets[i] + j] = praise[answers == 2 ? 4 * j : j];
        offsets[i + 1] = offsets[i] + answers;
    }
    fst_example_options options;
    fst_dataset *dataset;
    REQUIRE(fst_example_options_init(&options, sizeof options));
    REQUIRE(fst_dataset_from_preferences(s->context, s->tokenizer, prompts, all, offsets, NULL,
                                         count, &options, &dataset));
    return dataset;
}

static inline fst_model *small_dpo_model(const small_dpo *s, const small_dpo_config *c)
{
    fst_model_config config = tiny_config(c->family);
    config.vocabulary_size = 280;
    config.init_std = 0.05;
    config.dropout = config.attention_dropout = c->model_dropout;
    return tiny_model(s->context, &config, c->dtype, 0);
}

/* Everything but the run. */
static inline void small_dpo_prepare(small_dpo *s, const small_dpo_config *c)
{
    *s = (small_dpo){0};
    REQUIRE(fst_context_create(&c->context, &s->context));
    small_dpo_train_tokenizer(s);
    s->train = small_dpo_data(s, 0, DPO_PROMPTS, c->answers);
    s->validation = small_dpo_data(s, DPO_PROMPTS, DPO_HELD_OUT, c->answers);
    s->model = small_dpo_model(s, c);
    if (c->given)
        s->reference = small_dpo_model(s, c);
    if (c->adapter)
        REQUIRE(fst_model_add_adapter(s->model, NULL));
    fst_optimizer_options optimizer;
    REQUIRE(fst_optimizer_options_init(&optimizer, sizeof optimizer));
    optimizer.learning_rate = c->learning_rate;
    REQUIRE(fst_optimizer_create(s->model, &optimizer, &s->optimizer));
}

static inline fst_status small_dpo_start(small_dpo *s, const small_dpo_config *c)
{
    fst_dpo_options options = c->dpo;
    options.model = s->model;
    options.optimizer = s->optimizer;
    options.reference_model = s->reference;
    options.train = s->train;
    options.validation = s->validation;
    options.run = &c->run;
    return fst_dpo_create(&options, &s->run);
}

static inline void small_dpo_create(small_dpo *s, const small_dpo_config *c)
{
    small_dpo_prepare(s, c);
    REQUIRE(small_dpo_start(s, c));
}

static inline void small_dpo_destroy(small_dpo *s)
{
    /* An order in which handles go before what uses them. */
    fst_context_destroy(s->context);
    fst_dataset_destroy(s->train);
    fst_dataset_destroy(s->validation);
    fst_model_destroy(s->reference);
    fst_model_destroy(s->model);
    fst_optimizer_destroy(s->optimizer);
    fst_tokenizer_destroy(s->tokenizer);
    fst_run_destroy(s->run);
    *s = (small_dpo){0};
}

static inline double small_dpo_metric(const fst_run *run, const char *name)
{
    double value;
    REQUIRE(fst_run_metric(run, name, &value));
    return value;
}

#endif
