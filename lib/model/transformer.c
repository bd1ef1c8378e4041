#include "model/transformer.h"

#include "model/decode.h"
#include "model/projection.h"
#include "nn/activation.h"
#include "nn/rotary.h"

#include <math.h>

fst__dropout fst__dropout_at(const fst_model *model, fst__dropout_place place, int32_t layer)
{
    double probability = place == FST__DROPOUT_ATTENTION ? model->config.attention_dropout
                                                         : model->config.dropout;
    if (!model->activations.training || !model->dropout)
        probability = 0;
    uint64_t site = (uint64_t)layer * 4 + (uint64_t)place;
    return (fst__dropout){
        .probability = (fst__real)probability,
        .seed = model->context->seed,
        .step = (uint64_t)model->step,
        .first_index = site << 40,
    };
}

fst__norm fst__norm_of(const fst_model *model, const fst__parameter *weight,
                       const fst__parameter *bias)
{
    if (!weight)
        return (fst__norm){.kind = FST__NORM_NONE};
    return (fst__norm){
        .kind = model->config.norm == FST_NORM_LAYER ? FST__NORM_LAYER : FST__NORM_RMS,
        .epsilon = (fst__real)model->config.norm_epsilon,
        .gamma = weight->value,
        .beta = fst__value_or_null(bias),
    };
}

fst__norm_site fst__entry_site(const fst_model *model, int32_t index)
{
    const fst__parameters *p = &model->parameters;
    const fst__activations *a = &model->activations;
    bool last = index == model->config.layers, post = model->config.post_norm;
    fst__norm_site site = {.sum = a->output, .mean = a->mean, .rstd = a->rstd};
    if (!last)
        site = (fst__norm_site){.sum = a->layers[index].input,
                                .mean = a->layers[index].attention_mean,
                                .rstd = a->layers[index].attention_rstd};
    if (post && index > 0) {
        site.weight = p->layers[index - 1].mlp_norm_weight;
        site.bias = p->layers[index - 1].mlp_norm_bias;
    } else if (!post) {
        site.weight = last ? p->norm_weight : p->layers[index].attention_norm_weight;
        site.bias = last ? p->norm_bias : p->layers[index].attention_norm_bias;
    }
    return site;
}

fst__norm_site fst__middle_site(const fst_model *model, int32_t index)
{
    const fst__layer *weights = &model->parameters.layers[index];
    const fst__layer_activations *layer = &model->activations.layers[index];
    bool post = model->config.post_norm;
    return (fst__norm_site){
        .weight = post ? weights->attention_norm_weight : weights->mlp_norm_weight,
        .bias = post ? weights->attention_norm_bias : weights->mlp_norm_bias,
        .sum = layer->middle,
        .mean = layer->mlp_mean,
        .rstd = layer->mlp_rstd,
    };
}

const fst__rotary_table *fst__rotary_of(const fst_model *model, int32_t layer)
{
    bool local = fst__config_layer_is_local(&model->config, layer);
    return local ? &model->local_rotary : &model->rotary;
}

fst__attention fst__attention_of(const fst_model *model, int32_t layer)
{
    const fst__activations *a = &model->activations;
    bool local = fst__config_layer_is_local(&model->config, layer);
    return (fst__attention){
        .batch = a->rows,
        .heads = model->config.heads,
        .kv_heads = model->config.kv_heads,
        .head_size = model->config.head_size,
        .queries = a->length,
        .keys = a->length,
        .scale = (fst__real)(1.0 / sqrt((double)model->config.head_size)),
        .first_key = local ? a->local_first_key : a->first_key,
        .end_key = local ? a->local_end_key : a->end_key,
        .dropout = fst__dropout_at(model, FST__DROPOUT_ATTENTION, layer),
    };
}

void fst__attention_operands(const fst_model *model, const fst__layer_activations *layer,
                             fst__matrix *query, fst__matrix *key, fst__matrix *value)
{
    int64_t q = fst__config_query_size(&model->config), k = fst__config_key_size(&model->config);
    fst__matrix source = model->config.qk_norm ? layer->query_key : layer->qkv;
    *query = fst__matrix_columns(source, 0, q);
    *key = fst__matrix_columns(source, q, k);
    *value = fst__matrix_columns(layer->qkv, q + k, k);
}

/* Norms each head where the config says so, then rotates: from `qkv` to attention's operands. */
static void prepare_heads(fst_model *model, int32_t index)
{
    const fst__layer *weights = &model->parameters.layers[index];
    const fst__layer_activations *layer = &model->activations.layers[index];
    const fst__rotary_table *rotary = fst__rotary_of(model, index);
    const fst_model_config *c = &model->config;
    const fst__compute *compute = model->context->compute;
    int64_t q = fst__config_query_size(c), k = fst__config_key_size(c);
    fst__matrix query, key, value;
    fst__attention_operands(model, layer, &query, &key, &value);
    if (c->qk_norm) {
        fst__real epsilon = (fst__real)c->norm_epsilon;
        fst__head_norm_forward(compute, weights->query_norm_weight->value, epsilon,
                               fst__matrix_columns(layer->qkv, 0, q), c->head_size, query,
                               layer->query_rstd);
        fst__head_norm_forward(compute, weights->key_norm_weight->value, epsilon,
                               fst__matrix_columns(layer->qkv, q, k), c->head_size, key,
                               layer->key_rstd);
    }
    if (c->position != FST_POSITION_ROTARY)
        return;
    const int32_t *positions = model->activations.positions;
    fst__rotary_apply(compute, rotary->cosine, rotary->sine, positions, query, c->heads,
                      c->head_size, c->head_size, false);
    fst__rotary_apply(compute, rotary->cosine, rotary->sine, positions, key,
                      c->kv_heads, c->head_size, c->head_size, false);
}

/* From the normed stream in `normed` to what attention adds, in `branch`. */
static fst_status attention_forward(fst_model *model, int32_t index)
{
    const fst__compute *compute = model->context->compute;
    fst__activations *a = &model->activations;
    fst__layer_activations *layer = &a->layers[index];
    fst_status status =
        fst__projection_forward(model, index, FST__PROJECTION_QKV, a->normed, layer->qkv);
    if (status)
        return status;
    prepare_heads(model, index);
    fst__matrix query, key, value;
    fst__attention_operands(model, layer, &query, &key, &value);
    if (model->cache) {
        status = fst__decode_attention(model, index, query, key, value, layer->attended);
    } else {
        fst__attention attention = fst__attention_of(model, index);
        status = fst__attention_forward(compute, &attention, query, key, value, layer->attended,
                                        layer->lse, &a->scratch);
    }
    if (status)
        return status;
    return fst__projection_forward(model, index, FST__PROJECTION_OUTPUT, layer->attended,
                                   a->branch);
}

/* From the normed stream in `normed` to what the MLP adds, in `branch`. */
static fst_status mlp_forward(fst_model *model, int32_t index, bool whole)
{
    const fst__compute *compute = model->context->compute;
    fst__activations *a = &model->activations;
    fst__layer_activations *layer = &a->layers[index];
    fst_status status;
    if (model->config.gated || !whole) {
        status = fst__projection_forward(model, index, FST__PROJECTION_UP, a->normed, layer->up);
        if (!status && whole)
            fst__gated_forward(compute, model->config.activation, layer->up, a->hidden_act);
    } else {
        status = fst__projection_activation_forward(model, index, FST__PROJECTION_UP, a->normed,
                                                    layer->up, a->hidden_act);
    }
    if (status || !whole)
        return status;
    return fst__projection_forward(model, index, FST__PROJECTION_DOWN, a->hidden_act, a->branch);
}

/* sum = stream + branch, y = norm(sum); branch NULL: the sum is there already. */
static void join(fst_model *model, const fst__norm_site *site, fst__matrix stream,
                 const fst__matrix *branch, const fst__dropout *dropout, fst__matrix y)
{
    fst__norm norm = fst__norm_of(model, site->weight, site->bias);
    if (model->config.post_norm && branch)
        stream = model->activations.normed;
    fst__norm_forward(model->context->compute, &norm, stream, branch, dropout, site->sum, y,
                      site->mean, site->rstd);
}

fst_status fst__block_forward(fst_model *model, int32_t index, bool with_mlp)
{
    fst__activations *a = &model->activations;
    fst_status status = attention_forward(model, index);
    if (status)
        return status;
    fst__norm_site site = fst__middle_site(model, index);
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_ATTENTION_BRANCH, index);
    join(model, &site, a->layers[index].input, &a->branch, &dropout, a->normed);
    return mlp_forward(model, index, with_mlp);
}

fst_status fst__blocks_forward(fst_model *model)
{
    fst__activations *a = &model->activations;
    int32_t count = model->config.layers;
    fst__matrix stream = a->layers[0].input;
    for (int32_t i = 0; i <= count; ++i) {
        fst__norm_site site = fst__entry_site(model, i);
        fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_MLP_BRANCH, i - 1);
        join(model, &site, stream, i ? &a->branch : NULL, &dropout,
             i == count ? a->hidden : a->normed);
        if (i == count)
            break;
        fst_status status = fst__block_forward(model, i, true);
        if (status)
            return status;
        stream = a->layers[i].middle;
    }
    return FST_OK;
}
