/* Text through the transformer: ids, their positions and which of them see which. */
#include "model/transformer.h"

#include "base/checked.h"
#include "base/error.h"
#include "model/trainable.h"
#include "nn/embedding.h"

#include <string.h>

enum { PER_LAYER = 14, OUTSIDE_LAYERS = 15 };

static int64_t positions(const fst_model_config *config)
{
    (void)config;
    return 0;
}

static int64_t parameter_limit(const fst_model_config *config)
{
    return (int64_t)config->layers * PER_LAYER + OUTSIDE_LAYERS;
}

static fst__parameter *list_matrix(fst__parameter_list *to, const char *name, int64_t rows,
                                   int64_t columns, uint32_t flags)
{
    return fst__list_parameter(to, name, rows, columns, 2, FST__PARAMETER_DECAY | flags);
}

static fst__parameter *list_vector(fst__parameter_list *to, const char *name, int64_t size,
                                   int32_t wanted)
{
    return wanted ? fst__list_parameter(to, name, 1, size, 1, 0) : NULL;
}

static void list_embedding(fst__parameter_list *to, const fst_model_config *c)
{
    fst__parameters *p = to->parameters;
    int64_t width = c->width;
    int32_t norm_bias = c->norm == FST_NORM_LAYER && c->norm_bias;
    p->token_embedding = list_matrix(to, "embedding.tokens.weight", c->vocabulary_size, width, 0);
    if (c->position == FST_POSITION_LEARNED)
        p->position_embedding =
            list_matrix(to, "embedding.positions.weight",
                        (int64_t)c->context_length + c->position_offset, width, 0);
    if (c->token_types)
        p->type_embedding = list_matrix(to, "embedding.types.weight", c->token_types, width, 0);
    p->embedding_norm_weight =
        list_vector(to, "embedding.norm.weight", width, c->embedding_norm);
    p->embedding_norm_bias =
        list_vector(to, "embedding.norm.bias", width, c->embedding_norm && norm_bias);
}

static void list_output(fst__parameter_list *to, const fst_model_config *c)
{
    fst__parameters *p = to->parameters;
    int64_t width = c->width;
    int32_t norm_bias = c->norm == FST_NORM_LAYER && c->norm_bias;
    if (c->pooler) {
        p->pooler_weight =
            list_matrix(to, "pooler.weight", width, width, FST__PARAMETER_HIDDEN_MATRIX);
        p->pooler_bias = list_vector(to, "pooler.bias", width, 1);
    }
    if (c->head_transform) {
        p->head_transform_weight =
            list_matrix(to, "head.transform.weight", width, width, FST__PARAMETER_HIDDEN_MATRIX);
        p->head_transform_bias = list_vector(to, "head.transform.bias", width, c->mlp_bias);
        p->head_norm_weight = list_vector(to, "head.norm.weight", width, 1);
        p->head_norm_bias = list_vector(to, "head.norm.bias", width, norm_bias);
    }
    p->head_weight = c->tied ? p->token_embedding
                             : list_matrix(to, "head.weight", c->vocabulary_size, width, 0);
    p->head_bias = list_vector(to, "head.bias", c->vocabulary_size, c->head_bias);
}

static void list(fst__parameter_list *to, const fst_model_config *c)
{
    list_embedding(to, c);
    fst__blocks_list(to, c);
    list_output(to, c);
}

/* Without a table every token is of type 0. */
static fst_status check_types(const fst_model *model, const fst_batch *batch)
{
    int32_t most = model->config.token_types ? model->config.token_types - 1 : 0;
    for (int64_t i = 0; batch->token_types && i < batch->rows * batch->length; ++i) {
        if (batch->token_types[i] < 0 || batch->token_types[i] > most)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "batch.token_types[%lld][%lld] is %d, expected 0 to %d",
                             (long long)(i / batch->length), (long long)(i % batch->length),
                             (int)batch->token_types[i], (int)most);
    }
    return FST_OK;
}

static fst_status check_ids(const fst_model *model, const fst_batch *batch)
{
    int32_t vocabulary = model->config.vocabulary_size;
    bool text = fst__config_reads_text(&model->config);
    if (batch->images)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "batch.images: the model's backbone reads token ids or vectors");
    for (int64_t r = 0; r < batch->rows; ++r) {
        for (int64_t t = 0; t < batch->length; ++t) {
            int64_t i = r * batch->length + t;
            if (text && (batch->ids[i] < 0 || batch->ids[i] >= vocabulary))
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "batch.ids[%lld][%lld] is %d, expected 0 to %d", (long long)r,
                                 (long long)t, (int)batch->ids[i], (int)vocabulary - 1);
            if (batch->targets && batch->targets[i] >= vocabulary)
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "batch.targets[%lld][%lld] is %d, expected at most %d",
                                 (long long)r, (long long)t, (int)batch->targets[i],
                                 (int)vocabulary - 1);
            if (batch->positions && (batch->positions[i] < 0 ||
                                     batch->positions[i] >= model->config.context_length))
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "batch.positions[%lld][%lld] is %d, expected 0 to %d",
                                 (long long)r, (long long)t, (int)batch->positions[i],
                                 (int)model->config.context_length - 1);
            if (batch->documents && (batch->documents[i] < 0 || batch->documents[i] > t))
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "batch.documents[%lld][%lld] is %d, expected 0 to %lld",
                                 (long long)r, (long long)t, (int)batch->documents[i],
                                 (long long)t);
        }
        if (batch->lengths && (batch->lengths[r] < 0 || batch->lengths[r] > batch->length))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "batch.lengths[%lld] is %d, expected 0 to %lld", (long long)r,
                             (int)batch->lengths[r], (long long)batch->length);
    }
    return FST_OK;
}

/* Padding reads token 0 and no target, and sees nothing: what the caller put there has no effect. */
static void copy_row(fst_model *model, const fst_batch *batch, int64_t r)
{
    fst__activations *a = &model->activations;
    int32_t window = model->config.window;
    int64_t valid = batch->lengths ? batch->lengths[r] : batch->length;
    a->row_lengths[r] = (int32_t)valid;
    for (int64_t t = 0; t < batch->length; ++t) {
        int64_t i = r * batch->length + t;
        bool padding = t >= valid;
        int64_t first = batch->documents && !padding ? batch->documents[i] : 0;
        int64_t position = batch->positions && !padding ? batch->positions[i] : t - first;
        a->ids[i] = padding || !batch->ids ? 0 : batch->ids[i];
        a->targets[i] = batch->targets && !padding ? batch->targets[i] : FST_IGNORE;
        a->positions[i] = (int32_t)position;
        a->row_weights[i] = batch->weights && !padding ? (fst__real)batch->weights[i] : 1;
        if (a->types)
            a->types[i] = batch->token_types && !padding ? batch->token_types[i] : 0;
        if (window > 0 && t - window + 1 > first)
            first = t - window + 1;
        a->first_key[i] = padding ? 0 : (int32_t)first;
        a->end_key[i] = padding ? 0 : (int32_t)t + 1;
        if (a->targets[i] >= 0)
            model->target_weight += (double)a->row_weights[i];
    }
}

/* Of an encoder: each token sees its document, in layers with a window what of it is close. */
static void see_documents(fst_model *model, const fst_batch *batch, int64_t r)
{
    fst__activations *a = &model->activations;
    int64_t valid = a->row_lengths[r], end = valid, reach = model->config.window / 2;
    for (int64_t t = batch->length - 1; t >= 0; --t) {
        int64_t i = r * batch->length + t;
        bool padding = t >= valid;
        const int32_t *documents = padding ? NULL : batch->documents;
        int64_t first = documents ? documents[i] : 0;
        if (documents && t + 1 < valid && documents[i + 1] != documents[i])
            end = t + 1;
        a->first_key[i] = padding ? 0 : (int32_t)first;
        a->end_key[i] = padding ? 0 : (int32_t)end;
        if (!a->local_first_key)
            continue;
        int64_t local_first = t - reach > first ? t - reach : first;
        int64_t local_end = t + reach + 1 < end ? t + reach + 1 : end;
        a->local_first_key[i] = padding ? 0 : (int32_t)local_first;
        a->local_end_key[i] = padding ? 0 : (int32_t)local_end;
    }
}

static fst_status copy_kept(fst_model *model, const fst_batch *batch)
{
    model->has_kept = batch->kept != NULL;
    if (!batch->kept)
        return FST_OK;
    size_t row = ((size_t)model->config.vocabulary_size + 7) / 8, size;
    if (!fst__mul_size((size_t)(batch->rows * batch->length), row, &size))
        return FST_ERR_NO_MEMORY;
    if (size > model->kept_size) {
        fst__free(&model->context->allocator, model->kept);
        model->kept_size = 0;
        model->kept = fst__alloc(&model->context->allocator, size);
        if (!model->kept)
            return FST_ERR_NO_MEMORY;
        model->kept_size = size;
    }
    memcpy(model->kept, batch->kept, size);
    return FST_OK;
}

fst_status fst__sequence_read(fst_model *model, const fst_batch *batch)
{
    fst_status status = check_ids(model, batch);
    if (!status)
        status = check_types(model, batch);
    if (!status && fst__config_reads_text(&model->config))
        status = copy_kept(model, batch);
    if (status)
        return status;
    model->target_weight = 0;
    for (int64_t r = 0; r < batch->rows; ++r) {
        copy_row(model, batch, r);
        if (!model->config.causal)
            see_documents(model, batch, r);
    }
    model->has_targets = batch->targets != NULL;
    return FST_OK;
}

/* With a norm over the sum, dropout comes behind it. */
static void embed(fst_model *model)
{
    const fst__compute *compute = model->context->compute;
    fst__activations *a = &model->activations;
    const fst__parameters *p = &model->parameters;
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_EMBEDDING, 0);
    bool normed = p->embedding_norm_weight != NULL;
    fst__matrix tokens = fst__weight_matrix(p->token_embedding), positions, types;
    if (p->position_embedding)
        positions = fst__matrix_rows(fst__weight_matrix(p->position_embedding),
                                     model->config.position_offset, model->config.context_length);
    if (p->type_embedding)
        types = fst__weight_matrix(p->type_embedding);
    fst__embedding_forward(compute, a->ids, tokens, a->positions,
                           p->position_embedding ? &positions : NULL, a->types,
                           p->type_embedding ? &types : NULL, normed ? NULL : &dropout,
                           normed ? a->embedded : a->layers[0].input);
    if (!normed)
        return;
    fst__norm norm = fst__norm_of(model, p->embedding_norm_weight, p->embedding_norm_bias);
    fst__norm_forward(compute, &norm, a->embedded, NULL, NULL, a->embedded, a->layers[0].input,
                      a->embedded_mean, a->embedded_rstd);
    fst__dropout_apply(compute, &dropout, a->layers[0].input);
}

/* From d_stream. */
static void embed_backward(fst_model *model)
{
    const fst__compute *compute = model->context->compute;
    fst__activations *a = &model->activations;
    const fst__parameters *p = &model->parameters;
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_EMBEDDING, 0);
    bool normed = p->embedding_norm_weight != NULL;
    if (normed) {
        fst__norm norm = fst__norm_of(model, p->embedding_norm_weight, p->embedding_norm_bias);
        fst__dropout_apply(compute, &dropout, a->d_stream);
        fst__norm_backward(compute, &norm, a->embedded, a->embedded_mean, a->embedded_rstd,
                           a->d_stream, a->d_stream, FST__RESIDUAL_NONE, NULL, NULL,
                           fst__gradient_or_null(p->embedding_norm_weight),
                           fst__gradient_or_null(p->embedding_norm_bias), &a->scratch);
    }
    fst__real *d_positions = fst__gradient_or_null(p->position_embedding);
    if (d_positions)
        d_positions += (int64_t)model->config.position_offset * model->config.width;
    fst__embedding_backward(compute, a->ids, a->positions, a->types, normed ? NULL : &dropout,
                            a->d_stream, fst__gradient_or_null(p->token_embedding), d_positions,
                            fst__gradient_or_null(p->type_embedding));
}

fst_status fst__transformer_forward(fst_model *model)
{
    embed(model);
    return fst__blocks_forward(model);
}

static fst_status backward(fst_model *model)
{
    int32_t lowest = fst__model_lowest_trainable(model);
    if (lowest > model->config.layers)
        return FST_OK;
    fst_status status = fst__blocks_backward(model, lowest);
    if (!status && lowest < 0)
        embed_backward(model);
    return status;
}

const fst__backbone fst__text_transformer = {
    .positions = positions,
    .parameter_limit = parameter_limit,
    .list = list,
    .initial_std = fst__blocks_initial_std,
    .open = fst__blocks_open,
    .close = fst__blocks_close,
    .layout = fst__blocks_layout,
    .read = fst__sequence_read,
    .forward = fst__transformer_forward,
    .backward = backward,
    .place = fst__blocks_place,
};
