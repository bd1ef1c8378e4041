/* Tiny models with heads of each kind, and their outputs and gradients as one asks for them by hand. */
#ifndef FST_TESTS_HEADED_MODEL_H
#define FST_TESTS_HEADED_MODEL_H

#include "../support/tiny_model.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct headed_head {
    const char *name;
    int32_t kind, pooling, bias;
    int64_t outputs;
} headed_head;

static const headed_head headed_heads[] = {
    {"last", FST_HEAD_SEQUENCE, FST_POOL_LAST, 1, 1},
    {"first", FST_HEAD_SEQUENCE, FST_POOL_FIRST, 0, 2},
    {"mean", FST_HEAD_SEQUENCE, FST_POOL_MEAN, 1, 3},
    {"value", FST_HEAD_TOKEN, FST_POOL_LAST, 1, 1},
    {"tags", FST_HEAD_TOKEN, FST_POOL_LAST, 1, 5},
};
enum { HEADED_HEADS = sizeof headed_heads / sizeof *headed_heads };

static inline void headed_add(fst_model *model, double dropout)
{
    for (int i = 0; i < HEADED_HEADS; ++i) {
        fst_head_options options;
        REQUIRE(fst_head_options_init(&options, sizeof options));
        options.name = headed_heads[i].name;
        options.kind = headed_heads[i].kind;
        options.pooling = headed_heads[i].pooling;
        options.bias = headed_heads[i].bias;
        options.outputs = headed_heads[i].outputs;
        options.init_std = 0.3;
        options.dropout = dropout;
        REQUIRE(fst_model_add_head(model, &options));
    }
}

/* With hidden layers: "deep" of two and a norm, over the mean; "wide" of one over the largest; "each"
 * at each position. */
static inline void headed_add_layers(fst_model *model, double dropout)
{
    static const struct {
        const char *name;
        int32_t kind, pooling, layers, activation, size, bias, norm, norm_bias;
    } heads[] = {
        {"deep", FST_HEAD_SEQUENCE, FST_POOL_MEAN, 2, FST_ACTIVATION_GELU, 7, 0, 1, 1},
        {"wide", FST_HEAD_SEQUENCE, FST_POOL_MAX, 1, FST_ACTIVATION_TANH, 24, 1, 0, 0},
        {"each", FST_HEAD_TOKEN, FST_POOL_LAST, 2, FST_ACTIVATION_SILU, 0, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; ++i) {
        fst_head_options options;
        REQUIRE(fst_head_options_init(&options, sizeof options));
        options.name = heads[i].name;
        options.kind = heads[i].kind;
        options.pooling = heads[i].pooling;
        options.outputs = 3;
        options.init_std = 0.3;
        options.dropout = dropout;
        options.hidden_layers = heads[i].layers;
        options.activation = heads[i].activation;
        options.hidden_size = heads[i].size;
        options.hidden_bias = heads[i].bias;
        options.layer_norm = heads[i].norm;
        options.norm_bias = heads[i].norm_bias;
        options.norm_epsilon = 1e-3;
        REQUIRE(fst_model_add_head(model, &options));
    }
}

static inline const char *headed_name(const fst_model *model, int64_t index)
{
    const char *name;
    REQUIRE(fst_model_parameter_name(model, index, &name));
    return name;
}

static inline int64_t headed_size(const fst_view *view)
{
    int64_t size = 1;
    for (int32_t d = 0; d < view->rank; ++d)
        size *= view->shape[d];
    return size;
}

/* Which ids may follow: about half of them, and always the target. */
static inline void headed_kept(uint8_t *kept, const int32_t *targets, int64_t tokens,
                               int32_t vocabulary)
{
    int64_t row = (vocabulary + 7) / 8;
    for (int64_t i = 0; i < tokens; ++i) {
        for (int64_t b = 0; b < row; ++b)
            kept[i * row + b] = (uint8_t)(0x5b + 37 * i + 101 * b);
        if (targets[i] >= 0)
            kept[i * row + targets[i] / 8] |= (uint8_t)(1 << targets[i] % 8);
    }
}

#endif
