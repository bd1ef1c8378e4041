/* Contexts and models small enough that a test makes one in no time. */
#ifndef FST_TESTS_TINY_MODEL_H
#define FST_TESTS_TINY_MODEL_H

#include "fourstage/context.h"
#include "fourstage/model.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { TINY_VOCABULARY = 61, TINY_CONTEXT = 96 };

static inline fst_context_options tiny_context_options(int32_t threads)
{
    fst_context_options options;
    REQUIRE(fst_context_options_init(&options, sizeof options));
    options.threads = threads;
    options.seed = 11;
    const char *provider = getenv("FOURSTAGE_TEST_PROVIDER");
    if (provider && strcmp(provider, "reference") == 0)
        options.provider = FST_PROVIDER_REFERENCE;
    return options;
}

static inline fst_context *tiny_context(int32_t threads)
{
    fst_context_options options = tiny_context_options(threads);
    fst_context *context;
    REQUIRE(fst_context_create(&options, &context));
    return context;
}

/* Weights large enough that tokens differ and predictions are far from uniform. */
static inline fst_model_config tiny_config(int32_t family)
{
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, family));
    config.vocabulary_size = TINY_VOCABULARY;
    config.context_length = TINY_CONTEXT;
    config.layers = 2;
    config.width = 32;
    config.heads = 4;
    config.kv_heads = family == FST_FAMILY_GPT2 ? 4 : 2;
    config.hidden_size = 48;
    config.init_std = .2;
    return config;
}

static inline fst_model *tiny_model(fst_context *context, const fst_model_config *config,
                                    int32_t dtype, int32_t checkpointing)
{
    fst_model_options options;
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.dtype = dtype;
    options.checkpointing = checkpointing;
    fst_model *model;
    REQUIRE(fst_model_create(context, config, &options, &model));
    return model;
}

/* Ids that look random and are the same in every run. */
static inline void tiny_ids(int32_t *ids, int64_t count, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + 12345;
    for (int64_t i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        ids[i] = (int32_t)((state >> 8) % TINY_VOCABULARY);
    }
}

static inline int64_t tiny_live_bytes(const fst_context *context)
{
    fst_context_info info;
    REQUIRE(fst_context_get_info(context, &info, sizeof info));
    return info.live_bytes;
}

static inline int64_t tiny_allocations(const fst_context *context)
{
    fst_context_info info;
    REQUIRE(fst_context_get_info(context, &info, sizeof info));
    return info.allocations;
}

#endif
