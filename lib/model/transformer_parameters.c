/* What the transformer's blocks are made of, whatever their batch is: weights, tables, activations. */
#include "model/transformer.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "nn/rotary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static fst__parameter *list_matrix(fst__parameter_list *to, int32_t layer, const char *name, int64_t rows,
                                   int64_t columns)
{
    char full[FST__PARAMETER_NAME_SIZE];
    snprintf(full, sizeof full, "layers.%d.%s", (int)layer, name);
    return fst__list_parameter(to, full, rows, columns, 2,
                               FST__PARAMETER_DECAY | FST__PARAMETER_HIDDEN_MATRIX);
}

static fst__parameter *list_vector(fst__parameter_list *to, int32_t layer, const char *name, int64_t size,
                                   int32_t wanted)
{
    if (!wanted)
        return NULL;
    char full[FST__PARAMETER_NAME_SIZE];
    snprintf(full, sizeof full, "layers.%d.%s", (int)layer, name);
    return fst__list_parameter(to, full, 1, size, 1, 0);
}

static void list_layer(fst__parameter_list *to, const fst_model_config *c, int32_t i)
{
    fst__layer *layer = &to->parameters->layers[i];
    int32_t norm_bias = c->norm == FST_NORM_LAYER && c->norm_bias;
    int64_t width = c->width, qkv = fst__config_qkv_size(c), up = fst__config_up_size(c);
    int32_t first_norm = i > 0 || !c->first_norm_free;
    layer->attention_norm_weight = list_vector(to, i, "attention.norm.weight", width, first_norm);
    layer->attention_norm_bias =
        list_vector(to, i, "attention.norm.bias", width, first_norm && norm_bias);
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

void fst__blocks_list(fst__parameter_list *list, const fst_model_config *config)
{
    fst__parameters *p = list->parameters;
    for (int32_t i = 0; i < config->layers; ++i)
        list_layer(list, config, i);
    if (config->post_norm)
        return;
    p->norm_weight = fst__list_parameter(list, "norm.weight", 1, config->width, 1, 0);
    if (config->norm == FST_NORM_LAYER && config->norm_bias)
        p->norm_bias = fst__list_parameter(list, "norm.bias", 1, config->width, 1, 0);
}

double fst__blocks_initial_std(const fst_model_config *config, const fst__parameter *parameter)
{
    /* GPT-2: the projections back into the stream start smaller, so that its variance does not
     * grow with depth (Radford et al. 2019, section 2.3). */
    bool residual = fst__text_ends_with(parameter->name, "attention.output.weight") ||
                    fst__text_ends_with(parameter->name, "mlp.down.weight");
    if (!residual || config->post_norm) /* there each sum is normed */
        return config->init_std;
    return config->init_std / sqrt(2.0 * config->layers);
}

int32_t fst__blocks_place(const fst_model_config *config, const char *name)
{
    int layer;
    if (strncmp(name, "embedding.", 10) == 0)
        return -1;
    if (sscanf(name, "layers.%d.", &layer) == 1)
        return layer;
    return strncmp(name, "norm.", 5) == 0 ? config->layers : config->layers + 1;
}

static fst_status make_tables(fst_model *model, const fst__rotary_scaling *scaling,
                              fst__rotary_table *table)
{
    const fst_model_config *c = &model->config;
    fst__allocator *allocator = &model->context->allocator;
    size_t half = (size_t)c->head_size / 2, count;
    if (!fst__mul_size((size_t)c->context_length, half, &count))
        return fst__fail(FST_ERR_NO_MEMORY, "rotary table too large");
    table->cosine = fst__alloc_array(allocator, count, sizeof(fst__real));
    table->sine = fst__alloc_array(allocator, count, sizeof(fst__real));
    if (!table->cosine || !table->sine)
        return FST_ERR_NO_MEMORY;
    fst__rotary_tables(table->cosine, table->sine, c->context_length, c->head_size, scaling);
    return FST_OK;
}

static fst_status make_rotary(fst_model *model)
{
    const fst_model_config *c = &model->config;
    if (c->position != FST_POSITION_ROTARY)
        return FST_OK;
    static const int32_t kinds[] = {
        [FST_ROPE_DEFAULT] = FST__ROTARY_DEFAULT, [FST_ROPE_LINEAR] = FST__ROTARY_LINEAR,
        [FST_ROPE_DYNAMIC] = FST__ROTARY_DYNAMIC, [FST_ROPE_LLAMA3] = FST__ROTARY_LLAMA3,
        [FST_ROPE_YARN] = FST__ROTARY_YARN,
    };
    fst__rotary_scaling scaling = {
        .kind = kinds[c->rope_scaling],
        .theta = c->rope_theta,
        .factor = c->rope_factor,
        .original_context = c->rope_original_context,
        .low_frequency_factor = c->rope_low_frequency_factor,
        .high_frequency_factor = c->rope_high_frequency_factor,
        .beta_fast = c->rope_beta_fast,
        .beta_slow = c->rope_beta_slow,
        .attention_factor = c->rope_attention_factor,
    };
    fst_status status = make_tables(model, &scaling, &model->rotary);
    if (status || c->causal || c->window == 0)
        return status;
    scaling = (fst__rotary_scaling){.kind = FST__ROTARY_DEFAULT, .theta = c->local_rope_theta};
    return make_tables(model, &scaling, &model->local_rotary);
}

fst_status fst__blocks_open(fst_model *model)
{
    fst_status status = make_rotary(model);
    if (status)
        return status;
    model->layer_activations =
        fst__alloc_array(&model->context->allocator, (size_t)model->config.layers,
                         sizeof *model->layer_activations);
    return model->layer_activations ? FST_OK : FST_ERR_NO_MEMORY;
}

void fst__blocks_close(fst_model *model)
{
    fst__allocator *allocator = &model->context->allocator;
    fst__free(allocator, model->layer_activations);
    fst__free(allocator, model->local_rotary.sine);
    fst__free(allocator, model->local_rotary.cosine);
    fst__free(allocator, model->rotary.sine);
    fst__free(allocator, model->rotary.cosine);
}

void fst__blocks_layout(const fst_model *model, fst__activations *out, fst__arena *arena,
                        int64_t rows, int64_t length, bool training, size_t least_scratch)
{
    /* A plan that only counts must not touch the layers of the one in use. */
    fst__layer_activations *layers = out == &model->activations ? model->layer_activations : NULL;
    fst__activations_layout(out, arena, layers, model->context->compute, &model->config,
                            &model->options, rows, length, training, least_scratch);
}
