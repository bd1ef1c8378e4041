#include "model/transformer.h"

#include "model/projection.h"
#include "nn/activation.h"
#include "nn/rotary.h"

/* The norm's output once more, into `normed`. */
static void norm_again(fst_model *model, const fst__norm_site *site)
{
    fst__norm norm = fst__norm_of(model, site->weight, site->bias);
    fst__norm_forward(model->context->compute, &norm, site->sum, NULL, NULL, site->sum,
                      model->activations.normed, site->mean, site->rstd);
}

/* From d_normed, the gradient of what the branch behind the norm read, and d_stream, that of the stream
 * that went past it, to d_stream of the sum and, with the branch's dropout, d_branch. */
static void join_backward(fst_model *model, const fst__norm_site *site, fst__residual residual,
                          const fst__dropout *dropout)
{
    fst__activations *a = &model->activations;
    fst__norm norm = fst__norm_of(model, site->weight, site->bias);
    fst__norm_backward(model->context->compute, &norm, site->sum, site->mean, site->rstd,
                       a->d_normed, a->d_stream, residual, dropout ? &a->d_branch : NULL, dropout,
                       fst__gradient_or_null(site->weight), fst__gradient_or_null(site->bias),
                       &a->scratch);
}

static fst__residual residual_of(const fst_model *model)
{
    return model->config.post_norm ? FST__RESIDUAL_NORMED : FST__RESIDUAL_SUM;
}

/* From d_branch (of what the MLP added) to d_stream and, in d_branch, what attention added. */
static fst_status mlp_backward(fst_model *model, int32_t index)
{
    const fst__compute *compute = model->context->compute;
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
    fst__norm_site site = fst__middle_site(model, index);
    norm_again(model, &site);
    status = fst__projection_backward(model, index, FST__PROJECTION_UP, a->normed, a->d_up,
                                      &a->d_normed);
    if (status)
        return status;
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_ATTENTION_BRANCH, index);
    join_backward(model, &site, residual_of(model), &dropout);
    return FST_OK;
}

/* Undoes prepare_heads for the gradients in d_qkv. */
static void heads_backward(fst_model *model, int32_t index)
{
    const fst_model_config *c = &model->config;
    const fst__compute *compute = model->context->compute;
    const fst__layer *weights = &model->parameters.layers[index];
    const fst__rotary_table *rotary = fst__rotary_of(model, index);
    fst__activations *a = &model->activations;
    fst__layer_activations *layer = &a->layers[index];
    int64_t q = fst__config_query_size(c), k = fst__config_key_size(c);
    fst__matrix dq = fst__matrix_columns(a->d_qkv, 0, q), dk = fst__matrix_columns(a->d_qkv, q, k);
    if (c->position == FST_POSITION_ROTARY) {
        fst__rotary_apply(compute, rotary->cosine, rotary->sine, a->positions, dq,
                          c->heads, c->head_size, c->head_size, true);
        fst__rotary_apply(compute, rotary->cosine, rotary->sine, a->positions, dk,
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
    fst__norm_site site = fst__entry_site(model, index);
    norm_again(model, &site);
    bool last = lowest && !fst__gradient_or_null(site.weight) && !fst__gradient_or_null(site.bias);
    status = fst__projection_backward(model, index, FST__PROJECTION_QKV, a->normed, a->d_qkv,
                                      last ? NULL : &a->d_normed);
    if (status || last)
        return status;
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_MLP_BRANCH, index - 1);
    join_backward(model, &site, residual_of(model), index ? &dropout : NULL);
    return FST_OK;
}

/* With checkpointing the slot that all layers share holds another layer's activations. */
static fst_status block_again(fst_model *model, int32_t index)
{
    fst__norm_site site = fst__entry_site(model, index);
    norm_again(model, &site);
    return fst__block_forward(model, index, false);
}

fst_status fst__blocks_backward(fst_model *model, int32_t lowest)
{
    int32_t count = model->config.layers;
    fst__norm_site site = fst__entry_site(model, count);
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_MLP_BRANCH, count - 1);
    join_backward(model, &site, FST__RESIDUAL_NONE, &dropout);
    for (int32_t i = count - 1; i >= lowest && i >= 0; --i) {
        fst_status status = model->activations.checkpointing ? block_again(model, i) : FST_OK;
        if (!status)
            status = mlp_backward(model, i);
        if (!status)
            status = attention_backward(model, i, i == lowest);
        if (status)
            return status;
    }
    return FST_OK;
}
