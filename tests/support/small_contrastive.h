/* A contrastive run small enough to be made a hundred times: short texts about a few things; of pairs,
 * another text about the same thing, and one about another. */
#ifndef TESTS_SUPPORT_SMALL_CONTRASTIVE_H
#define TESTS_SUPPORT_SMALL_CONTRASTIVE_H

#include "fourstage/contrastive.h"
#include "fourstage/embed.h"
#include "fourstage/examples.h"
#include "fourstage/images.h"
#include "fourstage/optimizer.h"
#include "fourstage/tokenizer.h"
#include "tiny_model.h"

#include <stdbool.h>
#include <stdio.h>

enum { CONTRASTIVE_TEXTS = 20, CONTRASTIVE_HELD_OUT = 8 };

typedef enum small_views {
    SMALL_DROPOUT,
    SMALL_PAIRS,
    SMALL_TRIPLETS,
    SMALL_IMAGES,
} small_views;

typedef struct small_contrastive_config {
    small_views views;
    int32_t family, dtype, checkpointing;
    int32_t scored;        /* validation is pairs with labels */
    int32_t hidden_layers; /* of a projection head; −1: no head */
    double model_dropout;
    fst_optimizer_options optimizer;
    fst_contrastive_options contrastive; /* handles are filled in */
    fst_run_options run;
    fst_context_options context;
} small_contrastive_config;

typedef struct small_contrastive {
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_dataset *train, *validation;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_run *run;
} small_contrastive;

static inline small_contrastive_config small_contrastive_defaults(small_views views)
{
    small_contrastive_config c = {.views = views, .hidden_layers = -1, .model_dropout = 0.1};
    c.context = tiny_context_options(1);
    REQUIRE(fst_contrastive_options_init(&c.contrastive, sizeof c.contrastive));
    REQUIRE(fst_run_options_init(&c.run, sizeof c.run));
    REQUIRE(fst_optimizer_options_init(&c.optimizer, sizeof c.optimizer));
    c.optimizer.learning_rate = 0.005;
    c.contrastive.rows = 5;
    c.run.total_steps = 4;
    return c;
}

static inline void small_contrastive_tokenizer(small_contrastive *s)
{
    const char *const texts[] = {"the quick brown fox jumps over the lazy dog, 0123456789?"};
    fst_tokenizer_train_options options;
    REQUIRE(fst_tokenizer_train_options_init(&options, sizeof options));
    options.kind = FST_TOKENIZER_CHARACTER;
    REQUIRE(fst_tokenizer_train_texts(s->context, texts, NULL, 1, &options, &s->tokenizer));
}

enum { CONTRASTIVE_SIDE = 8 };

/* A bright bar on a dark ground, or beside it. */
static inline fst_dataset *small_contrastive_images(const small_contrastive *s, int32_t first,
                                                    int32_t count)
{
    enum { AREA = CONTRASTIVE_SIDE * CONTRASTIVE_SIDE };
    static uint8_t pixels[(CONTRASTIVE_TEXTS + CONTRASTIVE_HELD_OUT) * AREA];
    for (int32_t i = 0; i < count * AREA; ++i) {
        int32_t n = first + i / AREA, x = i % CONTRASTIVE_SIDE, y = i % AREA / CONTRASTIVE_SIDE;
        pixels[i] = (uint8_t)((n % 2 ? x : y) == n / 2 % CONTRASTIVE_SIDE ? 255 - n : n * 4 + x);
    }
    fst_image_options options;
    fst_dataset *dataset;
    REQUIRE(fst_image_options_init(&options, sizeof options));
    options.copy = 1;
    REQUIRE(fst_dataset_from_images(s->context, pixels, count, 1, CONTRASTIVE_SIDE,
                                    CONTRASTIVE_SIDE, NULL, 0, &options, &dataset));
    return dataset;
}

static inline fst_model_config small_contrastive_net(int32_t family)
{
    fst_model_config config = tiny_config(family == FST_FAMILY_RESNET ? family : FST_FAMILY_VIT);
    if (family == FST_FAMILY_RESNET) {
        config.stage_width = 16;
        config.blocks_1 = config.blocks_2 = 1;
        config.width = config.layers = config.heads = config.hidden_size = 0;
    }
    config.image_channels = 1;
    config.image_height = config.image_width = CONTRASTIVE_SIDE;
    config.patch_size = family == FST_FAMILY_RESNET ? 0 : 4;
    config.kv_heads = 0;
    return config;
}

/* Views: sequences of an example; 1: dropout. */
static inline fst_dataset *small_contrastive_data(const small_contrastive *s, int32_t first,
                                                  int32_t count, int32_t views, int32_t labelled)
{
    static const char *const things[] = {"fox", "lazy dog", "quick jumps", "over", "brown thing"};
    static char texts[3][CONTRASTIVE_TEXTS + CONTRASTIVE_HELD_OUT][48];
    const char *pointers[3][CONTRASTIVE_TEXTS + CONTRASTIVE_HELD_OUT];
    float labels[CONTRASTIVE_TEXTS + CONTRASTIVE_HELD_OUT];
    for (int32_t i = 0; i < count; ++i) {
        int32_t n = first + i;
        snprintf(texts[0][i], sizeof texts[0][i], "the %s %d", things[n % 5], n);
        snprintf(texts[1][i], sizeof texts[1][i], "%d, %s", n, things[n % 5]);
        snprintf(texts[2][i], sizeof texts[2][i], "the %s %d", things[(n + 1) % 5], n + 1);
        labels[i] = i == 1 ? NAN : (float)(n * 7 % 6);
        for (int v = 0; v < 3; ++v)
            pointers[v][i] = texts[v][i];
    }
    fst_dataset *dataset = NULL;
    if (views == 1)
        REQUIRE(fst_dataset_from_prompts(s->context, s->tokenizer, pointers[0], count, NULL,
                                         &dataset));
    else {
        fst_example_options options;
        REQUIRE(fst_example_options_init(&options, sizeof options));
        options.drop_useless = 1;
        REQUIRE(fst_dataset_from_pairs(s->context, s->tokenizer, pointers[0], pointers[1],
                                       views == 3 ? pointers[2] : NULL, labelled ? labels : NULL,
                                       count, &options, &dataset));
    }
    return dataset;
}

static inline fst_model *small_contrastive_model(const small_contrastive *s,
                                                 const small_contrastive_config *c)
{
    bool images = c->views == SMALL_IMAGES;
    fst_model_config config = images ? small_contrastive_net(c->family) : tiny_config(c->family);
    if (!images) {
        config.vocabulary_size = 61; /* more than letters */
        config.context_length = 32;
    }
    config.dropout = config.attention_dropout = c->model_dropout;
    fst_model *model = tiny_model(s->context, &config, c->dtype, c->checkpointing);
    if (c->hidden_layers < 0)
        return model;
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "projection";
    head.pooling = FST_POOL_MEAN;
    head.outputs = 12;
    head.hidden_layers = c->hidden_layers;
    head.init_std = 0.3;
    REQUIRE(fst_model_add_head(model, &head));
    return model;
}

/* Everything but the run. */
static inline void small_contrastive_prepare(small_contrastive *s, const small_contrastive_config *c)
{
    *s = (small_contrastive){0};
    REQUIRE(fst_context_create(&c->context, &s->context));
    small_contrastive_tokenizer(s);
    int32_t views = 1 + (int32_t)c->views;
    if (c->views == SMALL_IMAGES) {
        s->train = small_contrastive_images(s, 0, CONTRASTIVE_TEXTS);
        s->validation = small_contrastive_images(s, CONTRASTIVE_TEXTS, CONTRASTIVE_HELD_OUT);
    } else {
        s->train = small_contrastive_data(s, 0, CONTRASTIVE_TEXTS, views, 0);
        s->validation = small_contrastive_data(s, CONTRASTIVE_TEXTS, CONTRASTIVE_HELD_OUT,
                                               c->scored ? 2 : views, c->scored);
    }
    s->model = small_contrastive_model(s, c);
    REQUIRE(fst_optimizer_create(s->model, &c->optimizer, &s->optimizer));
}

static inline fst_status small_contrastive_start(small_contrastive *s,
                                                 const small_contrastive_config *c)
{
    fst_contrastive_options options = c->contrastive;
    options.model = s->model;
    options.optimizer = s->optimizer;
    options.train = s->train;
    options.validation = s->validation;
    options.run = &c->run;
    if (c->hidden_layers >= 0)
        options.head = "projection";
    return fst_contrastive_create(&options, &s->run);
}

static inline void small_contrastive_create(small_contrastive *s, const small_contrastive_config *c)
{
    small_contrastive_prepare(s, c);
    REQUIRE(small_contrastive_start(s, c));
}

static inline void small_contrastive_destroy(small_contrastive *s)
{
    /* An order in which handles go before what uses them. */
    fst_context_destroy(s->context);
    fst_dataset_destroy(s->train);
    fst_dataset_destroy(s->validation);
    fst_model_destroy(s->model);
    fst_optimizer_destroy(s->optimizer);
    fst_tokenizer_destroy(s->tokenizer);
    fst_run_destroy(s->run);
    *s = (small_contrastive){0};
}

static inline double small_contrastive_metric(const fst_run *run, const char *name)
{
    double value;
    REQUIRE(fst_run_metric(run, name, &value));
    return value;
}

#endif
