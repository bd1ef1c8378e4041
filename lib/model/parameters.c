#include "model/parameters.h"

#include "base/error.h"
#include "base/random.h"
#include "model/config.h"
#include "tensor/bf16.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 64, PER_LAYER = 14, OUTSIDE_LAYERS = 5, PAD = FST__ALIGNMENT / sizeof(fst__real) };

/* Walks the architecture once and lists what it needs. */
typedef struct listing {
    fst__parameters *parameters;
    int64_t elements;
} listing;

static fst__parameter *list(listing *to, const char *name, int64_t rows, int64_t columns,
                            int32_t rank, uint32_t flags)
{
    fst__parameters *p = to->parameters;
    char *stored = p->names + p->count * NAME_SIZE;
    snprintf(stored, NAME_SIZE, "%s", name);
    fst__parameter *item = &p->items[p->count++];
    *item = (fst__parameter){
        .name = stored, .rows = rows, .columns = columns, .rank = rank, .flags = flags};
    to->elements += (rows * columns + PAD - 1) / PAD * PAD;
    return item;
}

static fst__parameter *list_matrix(listing *to, int32_t layer, const char *name, int64_t rows,
                                   int64_t columns)
{
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "layers.%d.%s", (int)layer, name);
    return list(to, full, rows, columns, 2, FST__PARAMETER_DECAY | FST__PARAMETER_HIDDEN_MATRIX);
}

static fst__parameter *list_vector(listing *to, int32_t layer, const char *name, int64_t size,
                                   int32_t wanted)
{
    if (!wanted)
        return NULL;
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "layers.%d.%s", (int)layer, name);
    return list(to, full, 1, size, 1, 0);
}

static void list_layer(listing *to, const fst_model_config *c, int32_t i)
{
    fst__layer *layer = &to->parameters->layers[i];
    int32_t norm_bias = c->norm == FST_NORM_LAYER && c->norm_bias;
    int64_t width = c->width, qkv = fst__config_qkv_size(c), up = fst__config_up_size(c);
    layer->attention_norm_weight = list_vector(to, i, "attention.norm.weight", width, 1);
    layer->attention_norm_bias = list_vector(to, i, "attention.norm.bias", width, norm_bias);
    layer->qkv_weight = list_matrix(to, i, "attention.qkv.weight", qkv, width);
    layer->qkv_bias = list_vector(to, i, "attention.qkv.bias", qkv, c->attention_bias);
    layer->query_norm_weight =
        list_vector(to, i, "attention.query_norm.weight", c->head_size, c->qk_norm);
    layer->key_norm_weight =
        list_vector(to, i, "attention.key_norm.weight", c->head_size, c->qk_norm);
    layer->output_weight =
        list_matrix(to, i, "attention.output.weight", width, fst__config_query_size(c));
    layer->output_bias = list_vector(to, i, "attention.output.bias", width, c->output_bias);
    layer->mlp_norm_weight = list_vector(to, i, "mlp.norm.weight", width, 1);
    layer->mlp_norm_bias = list_vector(to, i, "mlp.norm.bias", width, norm_bias);
    layer->up_weight =
        list_matrix(to, i, c->gated ? "mlp.gate_up.weight" : "mlp.up.weight", up, width);
    layer->up_bias =
        list_vector(to, i, c->gated ? "mlp.gate_up.bias" : "mlp.up.bias", up, c->mlp_bias);
    layer->down_weight = list_matrix(to, i, "mlp.down.weight", width, c->hidden_size);
    layer->down_bias = list_vector(to, i, "mlp.down.bias", width, c->mlp_bias);
}

static void list_all(listing *to, const fst_model_config *c)
{
    fst__parameters *p = to->parameters;
    int64_t width = c->width;
    p->token_embedding = list(to, "embedding.tokens.weight", c->vocabulary_size, width, 2,
                              FST__PARAMETER_DECAY);
    if (c->position == FST_POSITION_LEARNED)
        p->position_embedding = list(to, "embedding.positions.weight", c->context_length, width, 2,
                                     FST__PARAMETER_DECAY);
    for (int32_t i = 0; i < c->layers; ++i)
        list_layer(to, c, i);
    p->norm_weight = list(to, "norm.weight", 1, width, 1, 0);
    if (c->norm == FST_NORM_LAYER && c->norm_bias)
        p->norm_bias = list(to, "norm.bias", 1, width, 1, 0);
    p->head_weight = c->tied ? p->token_embedding
                             : list(to, "head.weight", c->vocabulary_size, width, 2,
                                    FST__PARAMETER_DECAY);
}

static void place(fst__parameters *p, fst__real *values, fst__real *gradients)
{
    int64_t at = 0;
    for (int64_t i = 0; i < p->count; ++i) {
        fst__parameter *item = &p->items[i];
        if (values) {
            item->value = values + at;
            item->working = p->working && item->rank == 2 ? p->working + at : NULL;
        }
        if (gradients)
            item->gradient = gradients + at;
        at += (fst__parameter_size(item) + PAD - 1) / PAD * PAD;
    }
}

fst_status fst__parameters_create(fst__allocator *allocator, const fst_model_config *config,
                                  int32_t dtype, fst__parameters *out)
{
    fst__parameters p = {.allocator = allocator};
    size_t most = (size_t)config->layers * PER_LAYER + OUTSIDE_LAYERS;
    p.items = fst__alloc_array(allocator, most, sizeof *p.items);
    p.names = fst__alloc_array(allocator, most, NAME_SIZE);
    p.layers = fst__alloc_zero(allocator, (size_t)config->layers * sizeof *p.layers);
    if (!p.items || !p.names || !p.layers)
        goto fail;
    listing all = {.parameters = &p};
    list_all(&all, config);
    p.elements = all.elements;
    p.values = fst__alloc_array(allocator, (size_t)p.elements, sizeof *p.values);
    if (!p.values)
        goto fail;
    memset(p.values, 0, (size_t)p.elements * sizeof *p.values);
    if (dtype == FST_BF16) {
        p.working = fst__alloc_array(allocator, (size_t)p.elements, sizeof *p.working);
        if (!p.working)
            goto fail;
    }
    place(&p, p.values, NULL);
    *out = p;
    return FST_OK;
fail:
    fst__parameters_destroy(&p);
    return FST_ERR_NO_MEMORY;
}

void fst__parameters_destroy(fst__parameters *parameters)
{
    fst__allocator *allocator = parameters->allocator;
    if (!allocator)
        return;
    fst__free(allocator, parameters->working);
    fst__free(allocator, parameters->gradients);
    fst__free(allocator, parameters->values);
    fst__free(allocator, parameters->layers);
    fst__free(allocator, parameters->names);
    fst__free(allocator, parameters->items);
    *parameters = (fst__parameters){0};
}

static void draw_normal(fst__parameter *item, uint64_t seed, uint64_t number, double std)
{
    int64_t size = fst__parameter_size(item);
    for (int64_t i = 0; i < size; i += 2) {
        fst__philox_block block = fst__philox(seed, FST__STREAM_INIT, number, (uint64_t)i);
        item->value[i] = (fst__real)(std * fst__normal(block, 0));
        if (i + 1 < size)
            item->value[i + 1] = (fst__real)(std * fst__normal(block, 1));
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

void fst__parameters_initialise(fst__parameters *parameters, const fst_model_config *config,
                                uint64_t seed)
{
    /* GPT-2: the projections back into the stream start smaller, so that its variance does not
     * grow with depth (Radford et al. 2019, section 2.3). */
    double residual_std = config->init_std / sqrt(2.0 * config->layers);
    for (int64_t i = 0; i < parameters->count; ++i) {
        fst__parameter *item = &parameters->items[i];
        if (item->rank == 1) {
            fst__real value = ends_with(item->name, "norm.weight") ? 1 : 0;
            for (int64_t j = 0; j < item->columns; ++j)
                item->value[j] = value;
            continue;
        }
        bool residual = ends_with(item->name, "attention.output.weight") ||
                        ends_with(item->name, "mlp.down.weight");
        draw_normal(item, seed, (uint64_t)i, residual ? residual_std : config->init_std);
    }
    fst__parameters_refresh_working(parameters);
}

fst_status fst__parameters_want_gradients(fst__parameters *parameters)
{
    if (parameters->gradients)
        return FST_OK;
    size_t bytes = (size_t)parameters->elements * sizeof *parameters->gradients;
    parameters->gradients = fst__alloc_zero(parameters->allocator, bytes);
    if (!parameters->gradients)
        return FST_ERR_NO_MEMORY;
    place(parameters, NULL, parameters->gradients);
    return FST_OK;
}

void fst__parameters_refresh_working(fst__parameters *parameters)
{
    for (int64_t i = 0; i < parameters->count; ++i) {
        fst__parameter *item = &parameters->items[i];
        if (!item->working)
            continue;
        int64_t size = fst__parameter_size(item);
        for (int64_t j = 0; j < size; ++j)
            item->working[j] = fst__float_to_bf16((float)item->value[j]);
    }
}

fst__parameter *fst__parameters_find(const fst__parameters *parameters, const char *name)
{
    for (int64_t i = 0; i < parameters->count; ++i) {
        if (strcmp(parameters->items[i].name, name) == 0)
            return &parameters->items[i];
    }
    return NULL;
}
