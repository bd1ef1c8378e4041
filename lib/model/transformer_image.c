/*
 * Images through the transformer (Dosovitskiy et al., "An image is worth 16×16 words", arXiv
 * 2010.11929): a learned token that stands for the class, then a linear map of each patch, and learned
 * positions. The class token's row goes through the map with a patch of zeros and is overwritten.
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
    return config->context_length;
}

static int64_t parameter_limit(const fst_model_config *config)
{
    return (int64_t)config->layers * PER_LAYER + OUTSIDE_LAYERS;
}

static int64_t patch_values(const fst_model_config *c)
{
    return (int64_t)c->image_channels * c->patch_size * c->patch_size;
}

static void list(fst__parameter_list *to, const fst_model_config *c)
{
    fst__parameters *p = to->parameters;
    p->patch_weight = fst__list_parameter(to, "embedding.patches.weight", c->width, patch_values(c),
                                          2, FST__PARAMETER_DECAY);
    p->patch_bias = fst__list_parameter(to, "embedding.patches.bias", 1, c->width, 1, 0);
    p->class_token = fst__list_parameter(to, "embedding.class.weight", 1, c->width, 2, 0);
    p->position_embedding = fst__list_parameter(to, "embedding.positions.weight", c->context_length,
                                                c->width, 2, FST__PARAMETER_DECAY);
    fst__blocks_list(to, c);
}

static void layout(const fst_model *model, fst__activations *out, fst__arena *arena, int64_t rows,
                   int64_t length, bool training, size_t least_scratch)
{
    int32_t dtype = model->options.dtype == FST_BF16 ? FST_BF16 : FST__REAL_DTYPE;
    int64_t tokens = rows * length, values = patch_values(&model->config);
    size_t backward = fst__linear_backward_scratch(tokens, model->config.width);
    least_scratch = training && backward > least_scratch ? backward : least_scratch;
    fst__blocks_layout(model, out, arena, rows, length, training, least_scratch);
    void *patches = fst__arena_take(arena, (size_t)tokens,
                                    (size_t)values * fst__element_size(dtype));
    out->patches = fst__matrix_of(patches, tokens, values, dtype);
}

/* ---- in */

typedef struct gather_run {
    const fst_model *model;
    const float *images; /* [rows, channels, height, width] */
} gather_run;

/* Values of a patch in the order channel, line, column, as a convolution's weight has them. */
static void gather_patch(void *context, int64_t token, int32_t worker)
{
    const gather_run *run = context;
    const fst_model_config *c = &run->model->config;
    const fst__activations *a = &run->model->activations;
    const fst__kernels *kernels = run->model->context->compute->kernels;
    int64_t side = c->patch_size, across = c->image_width / side, size = a->patches.columns;
    int64_t place = token % a->length - 1, plane = (int64_t)c->image_height * c->image_width;
    const float *image = run->images + token / a->length * c->image_channels * plane;
    fst__real piece[FST__CHUNK];
    (void)worker;
    for (int64_t from = 0; from < size; from += FST__CHUNK) {
        int64_t n = fst__chunk(size, from);
        for (int64_t i = 0; i < n; ++i) {
            int64_t channel = (from + i) / (side * side), within = (from + i) % (side * side);
            int64_t y = place / across * side + within / side, x = place % across * side + within % side;
            piece[i] = place < 0 ? 0 : (fst__real)image[channel * plane + y * c->image_width + x];
        }
        fst__row_write(kernels, a->patches, token, from, n, piece);
    }
}

static fst_status read_batch(fst_model *model, const fst_batch *batch)
{
    fst__activations *a = &model->activations;
    if (!batch->images)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "batch.images: the model's backbone reads images");
    model->has_targets = model->has_kept = false;
    model->target_weight = 0;
    for (int64_t r = 0; r < a->rows; ++r) {
        a->row_lengths[r] = (int32_t)a->length;
        for (int64_t t = 0; t < a->length; ++t) {
            int64_t i = r * a->length + t;
            a->ids[i] = (int32_t)i; /* of the patches' map, see forward */
            a->positions[i] = (int32_t)t;
            a->first_key[i] = 0;
            a->end_key[i] = (int32_t)a->length;
        }
    }
    gather_run run = {model, batch->images};
    fst__pool_run(model->context->compute->pool, a->rows * a->length, gather_patch, &run);
    return FST_OK;
}

static fst_status forward(fst_model *model)
{
    const fst__compute *compute = model->context->compute;
    const fst__parameters *p = &model->parameters;
    fst__activations *a = &model->activations;
    fst__matrix stream = a->layers[0].input;
    fst__dropout dropout = fst__dropout_at(model, FST__DROPOUT_EMBEDDING, 0);
    fst__matrix table = fst__weight_matrix(p->position_embedding);
    fst_status status = fst__linear_forward(compute, a->patches, fst__weight_matrix(p->patch_weight),
                                            p->patch_bias->value, stream);
    if (status)
        return status;
    for (int64_t r = 0; r < a->rows; ++r)
        memcpy(fst__matrix_at(stream, r * a->length, 0), p->class_token->value,
               (size_t)stream.columns * sizeof(fst__real));
    /* The stream is its own table: each row is read before it is written. */
    fst__embedding_forward(compute, a->ids, stream, a->positions, &table, NULL, NULL, &dropout, stream);
    return fst__blocks_forward(model);
}

/* ---- back */

/* What the map of patches gave is part of the sum in d_stream, but for the class token's rows. */
static void map_row(void *context, int64_t token, int32_t worker)
{
    const fst_model *model = context;
    const fst__activations *a = &model->activations;
    int64_t width = a->d_branch.columns;
    (void)worker;
    for (int64_t c = 0; c < width; c += FST__CHUNK) {
        static const fst__real zeros[FST__CHUNK];
        fst__row_write(model->context->compute->kernels, a->d_branch, token, c, fst__chunk(width, c),
                       token % a->length ? fst__matrix_at(a->d_stream, token, c) : zeros);
    }
}

static void class_backward(const fst_model *model, fst__real *gradient)
{
    const fst__activations *a = &model->activations;
    const fst__kernels *kernels = model->context->compute->kernels;
    for (int64_t r = 0; r < a->rows; ++r)
        kernels->add(gradient, fst__matrix_at(a->d_stream, r * a->length, 0), gradient,
                     a->d_stream.columns);
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
    fst__real *d_class = fst__gradient_or_null(p->class_token);
    if (d_class)
        class_backward(model, d_class);
    fst__pool_run(compute->pool, a->rows * a->length, map_row, model);
    return fst__linear_backward(compute, a->patches, fst__weight_matrix(p->patch_weight), a->d_branch,
                                NULL, fst__gradient_or_null(p->patch_weight),
                                fst__gradient_or_null(p->patch_bias), &a->scratch);
}

const fst__backbone fst__image_transformer = {
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
