#include "model/transformer.h"

#include "model/projection.h"
#include "nn/activation.h"
#include "nn/rotary.h"

/* The norm's output once more, into `normed`. */
static void norm_again(fst_model *model, const fst__norm *norm, fst__matrix stream, fst__real *mean,
                       fst__real *rstd)
{
    fst__norm_forward(model->context->compute, norm, stream, NULL, NULL, stream,
                      model->activations.normed, mean, rstd);
}

/* From d_branch (of what the MLP added) to d_stream and, in d_branch, what attention added. */
static fst_status mlp_backward(fst_model *model, int32_t index)
{
    const fst__compute *compute = model->context->compute;
    const fst__layer *weights = &model->parameters.layers[index];
    fst__activations *a = &model->activations;
    fst__layer_activations *layer = &a->layers[index];
    int32_t activation = model->config.activation;
    if (model->config.gated)
        fst__gated_forward(compute, activation, layer->up, a->hidden_act);
    else
        fst__activation_forward(compute, activation, layer->up, a->hidden_act);
    fst_status status = fst__projection_backward(model, index, FST__PROJECTION_DOWN, a->hidden_act,
                                                 a->d_branch, &a->d_act);
    if (status)
        return status;
    if (model->config.gated)
        fst__gated_backward(compute, activation, layer->up, a->d_act, a->d_up);
    else
        fst__activation_backward(compute, activation, layer->up, a->d_act);
    fst__norm norm = fst__norm_of(model, weights->mlp_norm_weight, weights->mlp_norm_bias);
    norm_again(model, &norm, layer->middle, layer->mlp_mean, layer->mlp_rstd);
    status = fst__projection_backward(model, index, FST__PROJECTION_UP, a->normed, a->d_up,
                                      &a->d_normed);
    if (status)
        return status;
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_ATTENTION_BRANCH, index);
    fst__norm_backward(compute, &norm, layer->middle, layer->mlp_mean, layer->mlp_rstd, a->d_normed,
                       a->d_stream, true, &a->d_branch, &dropout,
                       fst__gradient_or_null(weights->mlp_norm_weight),
                       fst__gradient_or_null(weights->mlp_norm_bias), &a->scratch);
    return FST_OK;
}

/* Undoes prepare_heads for the gradients in d_qkv. */
static void heads_backward(fst_model *model, int32_t index)
{
    const fst_model_config *c = &model->config;
    const fst__compute *compute = model->context->compute;
    const fst__layer *weights = &model->parameters.layers[index];
    fst__activations *a = &model->activations;
    fst__layer_activations *layer = &a->layers[index];
    int64_t q = fst__config_query_size(c), k = fst__config_key_size(c);
    fst__matrix dq = fst__matrix_columns(a->d_qkv, 0, q), dk = fst__matrix_columns(a->d_qkv, q, k);
    if (c->position == FST_POSITION_ROTARY) {
        fst__rotary_apply(compute, model->rotary_cosine, model->rotary_sine, a->positions, dq,
                          c->heads, c->head_size, c->head_size, true);
        fst__rotary_apply(compute, model->rotary_cosine, model->rotary_sine, a->positions, dk,
                          c->kv_heads, c->head_size, c->head_size, true);
    }
    if (c->qk_norm) {
        fst__head_norm_backward(compute, weights->query_norm_weight->value,
                                fst__matrix_columns(layer->qkv, 0, q), c->head_size,
                                layer->query_rstd, dq, dq,
                                fst__gradient_or_null(weights->query_norm_weight), &a->scratch);
        fst__head_norm_backward(compute, weights->key_norm_weight->value,
                                fst__matrix_columns(layer->qkv, q, k), c->head_size,
                                layer->key_rstd, dk, dk,
                                fst__gradient_or_null(weights->key_norm_weight), &a->scratch);
    }
}

/* From d_branch (of what attention added) to d_stream and, in d_branch, what the block before
 * added; `lowest`: nothing before the block is trained. */
static fst_status attention_backward(fst_model *model, int32_t index, bool lowest)
{
    const fst__compute *compute = model->context->compute;
    const fst__layer *weights = &model->parameters.layers[index];
    fst__activations *a = &model->activations;
    fst__layer_activations *layer = &a->layers[index];
    fst_status status = fst__projection_backward(model, index, FST__PROJECTION_OUTPUT,
                                                 layer->attended, a->d_branch, &a->d_attended);
    if (status)
        return status;
    int64_t q = fst__config_query_size(&model->config), k = fst__config_key_size(&model->config);
    fst__attention attention = fst__attention_of(model, index);
    fst__matrix query, key, value;
    fst__attention_operands(model, layer, &query, &key, &value);
    status = fst__attention_backward(compute, &attention, query, key, value, layer->attended,
                                     layer->lse, a->d_attended,
                                     fst__matrix_columns(a->d_qkv, 0, q),
                                     fst__matrix_columns(a->d_qkv, q, k),
                                     fst__matrix_columns(a->d_qkv, q + k, k), &a->scratch);
    if (status)
        return status;
    heads_backward(model, index);
    fst__norm norm =
        fst__norm_of(model, weights->attention_norm_weight, weights->attention_norm_bias);
    norm_again(model, &norm, layer->input, layer->attention_mean, layer->attention_rstd);
    fst__real *d_gamma = fst__gradient_or_null(weights->attention_norm_weight);
    fst__real *d_beta = fst__gradient_or_null(weights->attention_norm_bias);
    bool last = lowest && !d_gamma && !d_beta;
    status = fst__projection_backward(model, index, FST__PROJECTION_QKV, a->normed, a->d_qkv,
                                      last ? NULL : &a->d_normed);
    if (status || last)
        return status;
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_MLP_BRANCH, index - 1);
    fst__norm_backward(compute, &norm, layer->input, layer->attention_mean, layer->attention_rstd,
                       a->d_normed, a->d_stream, true, index ? &a->d_branch : NULL, &dropout,
                       d_gamma, d_beta, &a->scratch);
    return FST_OK;
}

/* With checkpointing the slot that all layers share holds another layer's activations. */
static fst_status block_again(fst_model *model, int32_t index)
{
    const fst__layer *weights = &model->parameters.layers[index];
    fst__layer_activations *layer = &model->activations.layers[index];
    fst__norm norm =
        fst__norm_of(model, weights->attention_norm_weight, weights->attention_norm_bias);
    norm_again(model, &norm, layer->input, layer->attention_mean, layer->attention_rstd);
    return fst__block_forward(model, index, false);
}

fst_status fst__blocks_backward(fst_model *model, int32_t lowest)
{
    const fst__compute *compute = model->context->compute;
    const fst__parameters *p = &model->parameters;
    fst__activations *a = &model->activations;
    int32_t count = model->config.layers;
    fst__norm norm = fst__norm_of(model, p->norm_weight, p->norm_bias);
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_MLP_BRANCH, count - 1);
    fst__norm_backward(compute, &norm, a->output, a->mean, a->rstd, a->d_normed, a->d_stream, false,
                       &a->d_branch, &dropout, fst__gradient_or_null(p->norm_weight),
                       fst__gradient_or_null(p->norm_bias), &a->scratch);
    for (int32_t i = count - 1; i >= lowest && i >= 0; --i) {
        fst_status status = a->checkpointing ? block_again(model, i) : FST_OK;
        if (!status)
            status = mlp_backward(model, i);
        if (!status)
            status = attention_backward(model, i, i == lowest);
        if (status)
            return status;
    }
    return FST_OK;
}
