/* A run over words with tags small enough to be made a hundred times: names follow from the words. */
#ifndef TESTS_SUPPORT_SMALL_TAGS_H
#define TESTS_SUPPORT_SMALL_TAGS_H

#include "fourstage/adapter.h"
#include "fourstage/optimizer.h"
#include "fourstage/sft.h"
#include "fourstage/tokenizer.h"
#include "fourstage/words.h"
#include "tiny_model.h"

enum { TAGS_TRAIN = 14, TAGS_HELD_OUT = 7, TAGS_WORDS = 9, TAGS_CLASSES = 5, TAGS_VOCABULARY = 280 };

typedef struct small_tags_config {
    int32_t family, dtype;
    int32_t adapter; /* 1: LoRA on the model */
    int32_t causal;  /* 0: an encoder */
    int32_t windows; /* ids of a window; 0: whole sentences */
    double learning_rate, dropout;
    fst_sft_options sft; /* handles are filled in */
    fst_run_options run;
    fst_context_options context;
} small_tags_config;

typedef struct small_tags {
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_dataset *train, *validation;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_run *run;
} small_tags;

static inline small_tags_config small_tags_defaults(void)
{
    small_tags_config c = {.learning_rate = 0.01, .dropout = 0.1};
    c.context = tiny_context_options(1);
    REQUIRE(fst_sft_options_init(&c.sft, sizeof c.sft));
    REQUIRE(fst_run_options_init(&c.run, sizeof c.run));
    c.sft.rows = 3;
    c.run.total_steps = 4;
    return c;
}

/* Sentences of 4 to 9 words: a person, a verb, a place of one or two words, and so on. */
static inline fst_dataset *small_tags_data(const small_tags *s, const small_tags_config *c, int32_t first,
                                           int32_t count, const fst_dataset *tags_of)
{
    static const char *const text[] = {"ann", "bo", "sees", "likes", "new", "york", "oslo", "with"};
    static const char *const tag[] = {"B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "B-LOC", "O"};
    const char *words[(TAGS_TRAIN + TAGS_HELD_OUT) * TAGS_WORDS], *tags[(TAGS_TRAIN + TAGS_HELD_OUT) * TAGS_WORDS];
    int64_t offsets[TAGS_TRAIN + TAGS_HELD_OUT + 1] = {0};
    uint32_t state = 7 + (uint32_t)first;
    for (int32_t i = 0; i < count; ++i) {
        int64_t at = offsets[i], length = 4 + (i * 5 + first) % 6;
        for (int64_t w = 0; w < length; ++w) {
            state = state * 1664525u + 1013904223u;
            words[at + w] = text[(state >> 16) % 8];
            tags[at + w] = (state >> 24) % 16 == 0 ? NULL : tag[(state >> 16) % 8];
        }
        offsets[i + 1] = at + length;
    }
    fst_word_options options;
    fst_dataset *dataset = NULL;
    REQUIRE(fst_word_options_init(&options, sizeof options));
    options.add_bos = options.add_eos = 1;
    options.max_length = c->windows;
    options.too_long = c->windows ? FST_TOO_LONG_WINDOWS : FST_TOO_LONG_ERROR;
    options.overlap = c->windows ? 3 : 0;
    options.tags_of = tags_of;
    REQUIRE(fst_dataset_from_words(s->context, s->tokenizer, words, tags, offsets, count, &options, &dataset));
    return dataset;
}

static inline void small_tags_make_tokenizer(small_tags *s)
{
    static const char *const texts[] = {"ann bo sees likes new york oslo with"};
    static const char *const special[] = {"<begin>", "<end>"};
    fst_tokenizer_train_options options;
    REQUIRE(fst_tokenizer_train_options_init(&options, sizeof options));
    options.special_tokens = special;
    options.special_token_count = 2;
    options.vocabulary_size = TAGS_VOCABULARY; /* a few merges: some words have several pieces */
    REQUIRE(fst_tokenizer_train_texts(s->context, texts, NULL, 1, &options, &s->tokenizer));
    REQUIRE(fst_tokenizer_set_special_id(s->tokenizer, FST_TOKEN_BOS, 0));
    REQUIRE(fst_tokenizer_set_special_id(s->tokenizer, FST_TOKEN_EOS, 1));
}

static inline fst_model *small_tags_model(const small_tags *s, const small_tags_config *c)
{
    fst_model_config config = tiny_config(c->family);
    config.vocabulary_size = TAGS_VOCABULARY;
    config.init_std = 0.1;
    config.causal = c->causal;
    config.dropout = config.attention_dropout = c->dropout;
    return tiny_model(s->context, &config, c->dtype, 0);
}

/* Everything but the run. */
static inline void small_tags_prepare(small_tags *s, const small_tags_config *c)
{
    *s = (small_tags){0};
    REQUIRE(fst_context_create(&c->context, &s->context));
    small_tags_make_tokenizer(s);
    s->train = small_tags_data(s, c, 0, TAGS_TRAIN, NULL);
    s->validation = small_tags_data(s, c, TAGS_TRAIN, TAGS_HELD_OUT, s->train);
    s->model = small_tags_model(s, c);
    if (c->adapter)
        REQUIRE(fst_model_add_adapter(s->model, NULL));
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "tags";
    head.kind = FST_HEAD_TOKEN;
    head.outputs = TAGS_CLASSES;
    head.init_std = 0.1;
    head.dropout = c->dropout;
    REQUIRE(fst_model_add_head(s->model, &head));
    fst_optimizer_options optimizer;
    REQUIRE(fst_optimizer_options_init(&optimizer, sizeof optimizer));
    optimizer.learning_rate = c->learning_rate;
    REQUIRE(fst_optimizer_create(s->model, &optimizer, &s->optimizer));
}

static inline fst_status small_tags_start(small_tags *s, const small_tags_config *c)
{
    fst_sft_options options = c->sft;
    options.model = s->model;
    options.optimizer = s->optimizer;
    options.train = s->train;
    options.validation = s->validation;
    options.run = &c->run;
    options.head = "tags";
    return fst_sft_create(&options, &s->run);
}

static inline void small_tags_create(small_tags *s, const small_tags_config *c)
{
    small_tags_prepare(s, c);
    REQUIRE(small_tags_start(s, c));
}

static inline void small_tags_destroy(small_tags *s)
{
    /* An order in which handles go before what uses them. */
    fst_context_destroy(s->context);
    fst_dataset_destroy(s->train);
    fst_dataset_destroy(s->validation);
    fst_model_destroy(s->model);
    fst_optimizer_destroy(s->optimizer);
    fst_tokenizer_destroy(s->tokenizer);
    fst_run_destroy(s->run);
    *s = (small_tags){0};
}

static inline double small_tags_metric(const fst_run *run, const char *name)
{
    double value;
    REQUIRE(fst_run_metric(run, name, &value));
    return value;
}

#endif
