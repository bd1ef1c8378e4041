/*
 * Vectors through the transformer: a linear map of each instead of a table of tokens, then positions and
 * blocks as for text. No vocabulary and no logits; heads read `hidden`.
 */
#include "model/transformer.h"

#include "base/error.h"
#include "kernels/rows.h"
#include "model/trainable.h"
#include "nn/embedding.h"
#include "nn/linear.h"

#include <string.h>

enum { PER_LAYER = 14, OUTSIDE_LAYERS = 8 };

static int64_t positions(const fst_model_config *config)
{
    (void)config;
    return 0;
}

static int64_t parameter_limit(const fst_model_config *config)
{
    return (int64_t)config->layers * PER_LAYER + OUTSIDE_LAYERS;
}

static void list(fst__parameter_list *to, const fst_model_config *c)
{
    fst__parameters *p = to->parameters;
    p->patch_weight = fst__list_parameter(to, "embedding.inputs.weight", c->width, c->inputs, 2,
                                          FST__PARAMETER_DECAY);
    p->patch_bias = fst__list_parameter(to, "embedding.inputs.bias", 1, c->width, 1, 0);
    if (c->position == FST_POSITION_LEARNED)
        p->position_embedding =
            fst__list_parameter(to, "embedding.positions.weight", c->context_length, c->width, 2,
                                FST__PARAMETER_DECAY);
    fst__blocks_list(to, c);
    if (!c->pooler)
        return;
    p->pooler_weight = fst__list_parameter(to, "pooler.weight", c->width, c->width, 2,
                                           FST__PARAMETER_DECAY | FST__PARAMETER_HIDDEN_MATRIX);
    p->pooler_bias = fst__list_parameter(to, "pooler.bias", 1, c->width, 1, 0);
}

static void layout(const fst_model *model, fst__activations *out, fst__arena *arena, int64_t rows,
                   int64_t length, bool training, size_t least_scratch)
{
    int32_t dtype = model->options.dtype == FST_BF16 ? FST_BF16 : FST__REAL_DTYPE;
    int64_t count = rows * length, inputs = model->config.inputs;
    size_t backward = fst__linear_backward_scratch(count, model->config.width);
    least_scratch = training && backward > least_scratch ? backward : least_scratch;
    fst__blocks_layout(model, out, arena, rows, length, training, least_scratch);
    void *vectors = fst__arena_take(arena, (size_t)count, (size_t)inputs * fst__element_size(dtype));
    out->patches = fst__matrix_of(vectors, count, inputs, dtype);
}

/* ---- in */

typedef struct copy_run {
    const fst_model *model;
    const float *observations; /* [rows, length, inputs] */
} copy_run;

/* Padding is zero: what the caller put there has no effect. */
static void copy_vector(void *context, int64_t index, int32_t worker)
{
    const copy_run *run = context;
    const fst__activations *a = &run->model->activations;
    int64_t inputs = a->patches.columns;
    bool padding = index % a->length >= a->row_lengths[index / a->length];
    const float *from = run->observations + index * inputs;
    fst__real piece[FST__CHUNK];
    (void)worker;
    for (int64_t c = 0; c < inputs; c += FST__CHUNK) {
        int64_t n = fst__chunk(inputs, c);
        for (int64_t i = 0; i < n; ++i)
            piece[i] = padding ? 0 : (fst__real)from[c + i];
        fst__row_write(run->model->context->compute->kernels, a->patches, index, c, n, piece);
    }
}

static fst_status read_batch(fst_model *model, const fst_batch *batch)
{
    fst__activations *a = &model->activations;
    if (!batch->observations)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "batch.observations: the model's backbone reads vectors");
    fst_status status = fst__sequence_read(model, batch);
    if (status)
        return status;
    model->has_targets = model->has_kept = false;
    for (int64_t i = 0; i < a->rows * a->length; ++i)
        a->ids[i] = (int32_t)i; /* of the vectors' map, see forward */
    copy_run run = {model, batch->observations};
    fst__pool_run(model->context->compute->pool, a->rows * a->length, copy_vector, &run);
    return FST_OK;
}

static fst_status forward(fst_model *model)
{
    const fst__compute *compute = model->context->compute;
    const fst__parameters *p = &model->parameters;
    fst__activations *a = &model->activations;
    fst__matrix stream = a->layers[0].input, table = {0};
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_EMBEDDING, 0);
    fst_status status = fst__linear_forward(compute, a->patches, fst__weight_matrix(p->patch_weight),
                                            p->patch_bias->value, stream);
    if (status)
        return status;
    if (p->position_embedding)
        table = fst__weight_matrix(p->position_embedding);
    /* The stream is its own table: each row is read before it is written. */
    fst__embedding_forward(compute, a->ids, stream, a->positions,
                           p->position_embedding ? &table : NULL, NULL, NULL, &dropout, stream);
    return fst__blocks_forward(model);
}

/* ---- back */

/* The stream's gradient as a product reads it. */
static void map_row(void *context, int64_t index, int32_t worker)
{
    const fst_model *model = context;
    const fst__activations *a = &model->activations;
    int64_t width = a->d_branch.columns;
    (void)worker;
    for (int64_t c = 0; c < width; c += FST__CHUNK)
        fst__row_write(model->context->compute->kernels, a->d_branch, index, c, fst__chunk(width, c),
                       fst__matrix_at(a->d_stream, index, c));
}

static fst_status backward(fst_model *model)
{
    const fst__compute *compute = model->context->compute;
    const fst__parameters *p = &model->parameters;
    fst__activations *a = &model->activations;
    int32_t lowest = fst__model_lowest_trainable(model);
    if (lowest > model->config.layers)
        return FST_OK;
    fst_status status = fst__blocks_backward(model, lowest);
    if (status || lowest >= 0)
        return status;
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_EMBEDDING, 0);
    fst__dropout_apply(compute, &dropout, a->d_stream);
    fst__embedding_backward(compute, a->ids, a->positions, NULL, NULL, a->d_stream, NULL,
                            fst__gradient_or_null(p->position_embedding), NULL);
    fst__pool_run(compute->pool, a->rows * a->length, map_row, model);
    return fst__linear_backward(compute, a->patches, fst__weight_matrix(p->patch_weight), a->d_branch,
                                NULL, fst__gradient_or_null(p->patch_weight),
                                fst__gradient_or_null(p->patch_bias), &a->scratch);
}

const fst__backbone fst__vector_transformer = {
    .positions = positions,
    .parameter_limit = parameter_limit,
    .list = list,
    .initial_std = fst__blocks_initial_std,
    .open = fst__blocks_open,
    .close = fst__blocks_close,
    .layout = layout,
    .read = read_batch,
    .forward = forward,
    .backward = backward,
    .place = fst__blocks_place,
};
