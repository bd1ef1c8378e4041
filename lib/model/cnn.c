/*
 * Three convolutions and a linear layer, a ReLU behind each (Mnih et al., "Human-level control through
 * deep reinforcement learning", Nature 518, 2015), each tower by itself.
 */
#include "model/towers.h"

#include "base/checked.h"
#include "base/error.h"
#include "kernels/rows.h"
#include "model/image_rows.h"
#include "model/trainable.h"
#include "nn/linear.h"

#include <stdio.h>
#include <string.h>

enum { CONVOLUTIONS = FST__CNN_CONVOLUTIONS };

/* ---- parameters */

static int64_t positions(const fst_model_config *config)
{
    (void)config;
    return 1;
}

static int64_t parameter_limit(const fst_model_config *config)
{
    return 2 * (int64_t)config->towers * config->layers;
}

/* What the linear layer reads of an image. */
static int64_t features_of(const fst_model_config *config)
{
    fst__convolution last = fst__cnn_convolution(config, CONVOLUTIONS - 1, 1);
    return fst__convolution_rows(&last) * last.outputs;
}

static void list(fst__parameter_list *to, const fst_model_config *c)
{
    for (int32_t t = 0; t < c->towers; ++t) {
        for (int32_t i = 0; i < CONVOLUTIONS; ++i) {
            fst__convolution shape = fst__cnn_convolution(c, i, 1);
            fst__tower_list(to, t, "convolutions", i, shape.outputs, fst__convolution_patch(&shape),
                            i ? FST__PARAMETER_HIDDEN_MATRIX : 0);
        }
        fst__tower_list(to, t, "linear", -1, c->tower_width, features_of(c),
                        FST__PARAMETER_HIDDEN_MATRIX);
    }
}

static int32_t place(const fst_model_config *config, const char *name)
{
    const char *at = strstr(name, ".convolutions.");
    if (at)
        return at[14] - '0';
    return strstr(name, ".linear.") ? CONVOLUTIONS : config->layers;
}

static fst_status open_net(fst_model *model)
{
    model->cnn = fst__alloc_zero(&model->context->allocator, sizeof *model->cnn);
    if (!model->cnn)
        return FST_ERR_NO_MEMORY;
    fst__parameter *p = model->parameters.items;
    for (int32_t t = 0; t < model->config.towers; ++t) {
        fst__cnn_tower *tower = &model->cnn->towers[t];
        for (int32_t i = 0; i < CONVOLUTIONS; ++i, p += 2) {
            tower->weights[i] = p;
            tower->biases[i] = p + 1;
        }
        tower->linear_weight = p++;
        tower->linear_bias = p++;
    }
    return FST_OK;
}

static void close_net(fst_model *model)
{
    fst__free(&model->context->allocator, model->cnn);
}

/* ---- the plan of memory */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t scratch_size(const fst_model *model, int64_t rows, bool training)
{
    const fst__compute *compute = model->context->compute;
    size_t size = 0;
    for (int32_t i = 0; i < CONVOLUTIONS; ++i) {
        fst__convolution s = fst__cnn_convolution(&model->config, i, rows);
        size = larger(size, fst__convolution_forward_scratch(compute, &s, FST__REAL_DTYPE));
        if (!training)
            continue;
        size = larger(size, fst__convolution_backward_scratch(compute, &s, FST__REAL_DTYPE));
        size = larger(size, fst__linear_backward_scratch(fst__convolution_rows(&s), s.outputs));
    }
    if (training)
        size = larger(size, fst__linear_backward_scratch(rows, model->config.tower_width));
    return size;
}

static fst__matrix take_map(fst__arena *arena, int64_t rows, int64_t columns)
{
    void *data = fst__arena_take(arena, (size_t)rows, (size_t)columns * sizeof(fst__real));
    return fst__matrix_of(data, rows, columns, FST__REAL_DTYPE);
}

/* Elements of the largest map behind a convolution. */
static int64_t largest_map(const fst_model_config *c)
{
    int64_t most = 0;
    for (int32_t i = 0; i < CONVOLUTIONS; ++i) {
        fst__convolution s = fst__cnn_convolution(c, i, 1);
        int64_t elements = fst__convolution_rows(&s) * s.outputs;
        most = elements > most ? elements : most;
    }
    return most;
}

/* Without a backward both towers fill the same maps. */
static void plan_maps(const fst_model *model, fst__cnn *to, int64_t rows, bool training,
                      fst__arena *arena)
{
    int32_t towers = model->config.towers;
    for (int32_t i = 0; i < CONVOLUTIONS; ++i) {
        fst__convolution s = fst__cnn_convolution(&model->config, i, rows);
        fst__matrix map = {0};
        for (int32_t t = 0; t < towers; ++t) {
            if (training || t == 0)
                map = take_map(arena, fst__convolution_rows(&s), s.outputs);
            if (to)
                to->towers[t].maps[i] = map;
        }
    }
}

static void layout(const fst_model *model, fst__activations *out, fst__arena *arena, int64_t rows,
                   int64_t length, bool training, size_t least_scratch)
{
    const fst_model_config *c = &model->config;
    fst__cnn *to = out == &model->activations ? model->cnn : NULL;
    *out = (fst__activations){.rows = rows, .length = length, .training = training,
                              .least_scratch = least_scratch};
    int64_t most = largest_map(c), elements;
    if (!fst__mul_i64(rows, most * 64 * (int64_t)sizeof(double), &elements)) {
        arena->overflow = true; /* the sizes below would not be numbers */
        return;
    }
    out->row_lengths = fst__arena_take(arena, (size_t)rows, sizeof *out->row_lengths);
    fst__matrix images =
        take_map(arena, rows * c->image_height * c->image_width, c->image_channels);
    if (to)
        to->images = images;
    plan_maps(model, to, rows, training, arena);
    out->hidden = take_map(arena, rows, c->width);
    if (training) {
        out->d_normed = take_map(arena, rows, c->width);
        fst__matrix one = take_map(arena, rows, most), other = take_map(arena, rows, most);
        fst__matrix output = take_map(arena, rows, c->tower_width);
        if (to) {
            to->gradients[0] = one.data;
            to->gradients[1] = other.data;
            to->output_gradient = output.data;
        }
    }
    size_t size = larger(least_scratch, scratch_size(model, rows, training));
    void *scratch = fst__arena_take(arena, size, 1);
    out->scratch = scratch ? fst__arena_over(scratch, size) : fst__arena_counting();
}

/* ---- in */

static fst_status read_batch(fst_model *model, const fst_batch *batch)
{
    fst__activations *a = &model->activations;
    if (!batch->images)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "batch.images: the model's backbone reads images");
    model->has_targets = model->has_kept = false;
    model->target_weight = 0;
    for (int64_t r = 0; r < a->rows; ++r)
        a->row_lengths[r] = 1;
    fst__image_rows_read(model, batch->images, model->cnn->images);
    return FST_OK;
}

/* ---- forward */

typedef struct finish_run {
    const fst__kernels *kernels;
    const fst__real *bias;
} finish_run;

static void add_bias(void *context, fst__matrix y, int64_t row, int64_t rows, int64_t column,
                     int64_t columns, int32_t worker)
{
    const finish_run *run = context;
    (void)worker;
    for (int64_t r = row; r < row + rows; ++r) {
        fst__real *at = fst__matrix_at(y, r, column);
        run->kernels->add(at, run->bias + column, at, columns);
        run->kernels->activation_forward(FST__ACTIVATION_RELU, at, at, columns);
    }
}

/* The last map, an image to a row. */
static fst__matrix flat(const fst_model *model, fst__matrix map)
{
    return fst__matrix_of(map.data, model->activations.rows, features_of(&model->config),
                          FST__REAL_DTYPE);
}

static fst_status tower_forward(fst_model *model, int32_t t)
{
    const fst__compute *compute = model->context->compute;
    const fst__cnn_tower *tower = &model->cnn->towers[t];
    fst__activations *a = &model->activations;
    int64_t width = model->config.tower_width;
    fst__matrix x = model->cnn->images;
    fst_status status = FST_OK;
    for (int32_t i = 0; i < CONVOLUTIONS && !status; ++i) {
        fst__convolution shape = fst__cnn_convolution(&model->config, i, a->rows);
        finish_run run = {compute->kernels, tower->biases[i]->value};
        fst__epilogue epilogue = {add_bias, &run};
        status = fst__convolution_forward(compute, &shape, x, fst__weight_matrix(tower->weights[i]),
                                          tower->maps[i], &epilogue, &a->scratch);
        x = tower->maps[i];
    }
    if (status)
        return status;
    fst__matrix y = fst__matrix_columns(a->hidden, t * width, width);
    return fst__linear_activation_forward(compute, flat(model, x),
                                          fst__weight_matrix(tower->linear_weight),
                                          tower->linear_bias->value, FST__ACTIVATION_RELU, y, y);
}

static fst_status forward(fst_model *model)
{
    fst_status status = FST_OK;
    for (int32_t t = 0; t < model->config.towers && !status; ++t)
        status = tower_forward(model, t);
    return status;
}

/* ---- backward */

static fst_status linear_backward(fst_model *model, int32_t t, const fst__matrix *dx)
{
    const fst__kernels *kernels = model->context->compute->kernels;
    const fst__cnn_tower *tower = &model->cnn->towers[t];
    fst__activations *a = &model->activations;
    int64_t width = model->config.tower_width;
    fst__matrix dy =
        fst__matrix_of(model->cnn->output_gradient, a->rows, width, FST__REAL_DTYPE);
    for (int64_t r = 0; r < a->rows; ++r)
        kernels->output_slope(FST__ACTIVATION_RELU, fst__matrix_at(a->hidden, r, t * width),
                              fst__matrix_at(a->d_normed, r, t * width), fst__matrix_at(dy, r, 0),
                              width);
    return fst__linear_backward(model->context->compute, flat(model, tower->maps[CONVOLUTIONS - 1]),
                                fst__weight_matrix(tower->linear_weight), dy, dx,
                                fst__gradient_or_null(tower->linear_weight),
                                fst__gradient_or_null(tower->linear_bias), &a->scratch);
}

/* dy: of the map behind the ReLU; becomes that of the convolution. */
static fst_status convolution_backward(fst_model *model, int32_t t, int32_t i, fst__matrix dy,
                                       const fst__matrix *dx)
{
    const fst__compute *compute = model->context->compute;
    const fst__cnn_tower *tower = &model->cnn->towers[t];
    fst__arena *scratch = &model->activations.scratch;
    fst__convolution shape = fst__cnn_convolution(&model->config, i, model->activations.rows);
    fst__real *d_bias = fst__gradient_or_null(tower->biases[i]);
    fst_status status = FST_OK;
    fst__activation_backward(compute, FST__ACTIVATION_RELU, tower->maps[i], dy);
    if (d_bias)
        status = fst__bias_backward(compute, dy, d_bias, scratch);
    if (status)
        return status;
    return fst__convolution_backward(compute, &shape, i ? tower->maps[i - 1] : model->cnn->images,
                                     fst__weight_matrix(tower->weights[i]), dy, dx, false,
                                     fst__gradient_or_null(tower->weights[i]), scratch);
}

static fst_status tower_backward(fst_model *model, int32_t t, int32_t lowest)
{
    const fst__cnn *net = model->cnn;
    const fst__cnn_tower *tower = &net->towers[t];
    fst__matrix dy = tower->maps[CONVOLUTIONS - 1], flat_dy;
    dy.data = net->gradients[0];
    flat_dy = flat(model, dy);
    fst_status status = linear_backward(model, t, lowest < CONVOLUTIONS ? &flat_dy : NULL);
    for (int32_t i = CONVOLUTIONS - 1; i >= lowest && !status; --i) {
        fst__matrix dx = i ? tower->maps[i - 1] : (fst__matrix){0};
        dx.data = dy.data == net->gradients[0] ? net->gradients[1] : net->gradients[0];
        status = convolution_backward(model, t, i, dy, i > lowest ? &dx : NULL);
        dy = dx;
    }
    return status;
}

static fst_status backward(fst_model *model)
{
    int32_t lowest = fst__model_lowest_trainable(model);
    fst_status status = FST_OK;
    if (lowest >= model->config.layers)
        return status;
    for (int32_t t = 0; t < model->config.towers && !status; ++t)
        status = tower_backward(model, t, lowest);
    return status;
}

const fst__backbone fst__image_cnn = {
    .positions = positions,
    .parameter_limit = parameter_limit,
    .list = list,
    .initial_std = fst__towers_initial_std,
    .open = open_net,
    .close = close_net,
    .layout = layout,
    .read = read_batch,
    .forward = forward,
    .backward = backward,
    .place = place,
};
