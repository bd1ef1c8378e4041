/*
 * Fully connected layers over vectors: y = act(x·Wᵀ + b), each tower by itself. Rows are cut into tiles
 * that go through all layers at once; a row's bits do not depend on the others'. Where there is little
 * to compute the caller's thread does it all: a task costs more than a layer of 64 × 64.
 */
#include "model/towers.h"

#include "base/error.h"
#include "kernels/kernels.h"
#include "model/trainable.h"

#include <stdio.h>
#include <string.h>

enum { OUTPUTS_PER_TASK = 32 }; /* of a weight's gradient */

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

static void list(fst__parameter_list *to, const fst_model_config *c)
{
    for (int32_t t = 0; t < c->towers; ++t)
        for (int32_t i = 0; i < c->layers; ++i)
            fst__tower_list(to, t, "layers", i, c->tower_width, i ? c->tower_width : c->inputs,
                            i ? FST__PARAMETER_HIDDEN_MATRIX : 0);
}

static int32_t place(const fst_model_config *config, const char *name)
{
    const char *at = strstr(name, ".layers.");
    return at ? at[8] - '0' : config->layers;
}

static fst_status open_net(fst_model *model)
{
    model->mlp = fst__alloc_zero(&model->context->allocator, sizeof *model->mlp);
    if (!model->mlp)
        return FST_ERR_NO_MEMORY;
    fst__parameter *p = model->parameters.items;
    for (int32_t t = 0; t < model->config.towers; ++t)
        for (int32_t i = 0; i < model->config.layers; ++i, p += 2)
            model->mlp->layers[t][i] = (fst__mlp_layer){.weight = p, .bias = p + 1};
    return FST_OK;
}

static void close_net(fst_model *model)
{
    fst__free(&model->context->allocator, model->mlp);
}

/* ---- the plan of memory */

static bool fuses(const fst_model_config *config)
{
    return config->activation == FST_ACTIVATION_TANH || config->activation == FST_ACTIVATION_RELU;
}

static fst__real *take(fst__arena *arena, int64_t rows, int64_t columns)
{
    return fst__arena_take(arena, (size_t)rows, (size_t)columns * sizeof(fst__real));
}

/* `out` may stand for a plan that only counts: `net` is written through `to` alone. */
static void plan_layer(const fst_model *model, fst__mlp *to, int32_t tower, int32_t i, int64_t rows,
                       bool training, fst__arena *arena, fst__real *hidden)
{
    const fst_model_config *c = &model->config;
    int64_t width = c->tower_width, inputs = i ? width : c->inputs;
    int64_t turned_row = (width + FST__TURN - 1) / FST__TURN * FST__TURN;
    bool last = i + 1 == c->layers;
    fst__real *turned = take(arena, inputs, turned_row);
    fst__real *output = last ? hidden : take(arena, rows, width);
    fst__real *pre = training && !fuses(c) ? take(arena, rows, width) : NULL;
    if (!to)
        return;
    fst__mlp_layer *layer = &to->layers[tower][i];
    layer->turned = turned;
    layer->turned_row = turned_row;
    layer->output = last && hidden ? hidden + tower * width : output;
    layer->output_row = last ? c->width : width;
    layer->pre = pre;
}

static void layout(const fst_model *model, fst__activations *out, fst__arena *arena, int64_t rows,
                   int64_t length, bool training, size_t least_scratch)
{
    const fst_model_config *c = &model->config;
    fst__mlp *to = out == &model->activations ? model->mlp : NULL;
    *out = (fst__activations){.rows = rows, .length = length, .training = training,
                              .least_scratch = least_scratch};
    out->row_lengths = fst__arena_take(arena, (size_t)rows, sizeof *out->row_lengths);
    fst__real *observations = take(arena, rows, c->inputs), *hidden = take(arena, rows, c->width);
    out->hidden = fst__matrix_of(hidden, rows, c->width, FST__REAL_DTYPE);
    if (training)
        out->d_normed = fst__matrix_of(take(arena, rows, c->width), rows, c->width, FST__REAL_DTYPE);
    if (to)
        to->observations = observations;
    for (int32_t t = 0; t < c->towers; ++t) {
        for (int32_t i = 0; i < c->layers; ++i)
            plan_layer(model, to, t, i, rows, training, arena, hidden);
        for (int i = 0; i < 2 && training; ++i) {
            fst__real *gradient = take(arena, rows, c->tower_width);
            if (to)
                to->gradients[t][i] = gradient;
        }
    }
    void *scratch = fst__arena_take(arena, least_scratch, 1);
    out->scratch = scratch ? fst__arena_over(scratch, least_scratch) : fst__arena_counting();
}

/* ---- in */

static fst_status read_batch(fst_model *model, const fst_batch *batch)
{
    fst__activations *a = &model->activations;
    int64_t count = a->rows * model->config.inputs;
    if (!batch->observations)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "batch.observations: the model's backbone reads vectors");
    model->has_targets = model->has_kept = false;
    model->target_weight = 0;
    for (int64_t r = 0; r < a->rows; ++r)
        a->row_lengths[r] = 1;
    for (int64_t i = 0; i < count; ++i)
        model->mlp->observations[i] = (fst__real)batch->observations[i];
    return FST_OK;
}

/* ---- tasks */

static void run(const fst_model *model, int64_t products, int64_t count, fst__task task, void *context)
{
    if (products >= FST__DENSE_SERIAL) {
        fst__pool_run(model->context->compute->pool, count, task, context);
        return;
    }
    for (int64_t i = 0; i < count; ++i)
        task(context, i, 0);
}

/* Multiply-adds of one layer, or of all, for all rows and towers. */
static int64_t products_of(const fst_model *model, int32_t layer)
{
    const fst_model_config *c = &model->config;
    int64_t width = c->tower_width, first = c->inputs * width, other = width * width;
    int64_t sum = layer == 0 ? first : other;
    if (layer < 0)
        sum = first + (c->layers - 1) * other;
    return sum * c->towers * model->activations.rows;
}

static int64_t tiles_of(const fst_model *model)
{
    return (model->activations.rows + FST__DENSE_TILE_ROWS - 1) / FST__DENSE_TILE_ROWS;
}

/* ---- forward */

static void turn_weight(void *context, int64_t index, int32_t worker)
{
    const fst_model *model = context;
    fst__mlp_layer *layer =
        &model->mlp->layers[index / model->config.layers][index % model->config.layers];
    (void)worker;
    model->context->compute->kernels->turn(layer->weight->value, layer->weight->rows,
                                           layer->weight->columns, layer->turned, layer->turned_row);
}

/* Rows [first, first + rows) of one layer; x is the first of them. */
static void layer_forward(const fst_model *model, const fst__mlp_layer *layer, int64_t first,
                          int64_t rows, const fst__real *x)
{
    const fst__kernels *kernels = model->context->compute->kernels;
    int32_t activation = model->config.activation;
    fst__real *y = layer->output + first * layer->output_row;
    fst__dense product = {
        .m = rows, .n = layer->weight->rows, .k = layer->weight->columns, .a = x,
        .a_row = layer->weight->columns, .a_step = 1, .b = layer->turned,
        .b_row = layer->turned_row, .c = y, .c_row = layer->output_row,
        .bias = layer->bias->value, .activation = activation,
    };
    if (!layer->pre) {
        kernels->dense_product(&product);
        return;
    }
    product.c = layer->pre + first * product.n;
    product.c_row = product.n;
    product.activation = FST__ACTIVATION_NONE;
    kernels->dense_product(&product);
    for (int64_t r = 0; r < rows; ++r)
        kernels->activation_forward(activation, product.c + r * product.n,
                                    y + r * layer->output_row, product.n);
}

/* One tile of one tower through all of its layers. */
static void forward_tile(void *context, int64_t index, int32_t worker)
{
    const fst_model *model = context;
    const fst_model_config *c = &model->config;
    int64_t tiles = tiles_of(model), first = index % tiles * FST__DENSE_TILE_ROWS;
    int64_t left = model->activations.rows - first, rows = left < FST__DENSE_TILE_ROWS ? left : FST__DENSE_TILE_ROWS;
    const fst__mlp_layer *layers = model->mlp->layers[index / tiles];
    const fst__real *x = model->mlp->observations + first * c->inputs;
    (void)worker;
    for (int32_t i = 0; i < c->layers; ++i) {
        layer_forward(model, &layers[i], first, rows, x);
        x = layers[i].output + first * layers[i].output_row;
    }
}

static fst_status forward(fst_model *model)
{
    int64_t products = products_of(model, -1);
    run(model, products, (int64_t)model->config.towers * model->config.layers, turn_weight, model);
    run(model, products, model->config.towers * tiles_of(model), forward_tile, model);
    return FST_OK;
}

/* ---- backward: layer by layer, first the weights' gradients, then that of the layer's input */

typedef struct backward_run {
    const fst_model *model;
    int32_t layer;
    int64_t parts; /* of a tower */
} backward_run;

/* The gradient of a layer's product [n, O]; they take turns. */
static fst__real *gradient_of(const fst_model *model, int32_t tower, int32_t layer)
{
    return model->mlp->gradients[tower][layer % 2];
}

/* Through the activation, rows of one tile; dy and dx [n, O], dx contiguous. */
static void activation_rows(const fst_model *model, const fst__mlp_layer *layer, int64_t first,
                            int64_t rows, const fst__real *dy, int64_t dy_row, fst__real *dx)
{
    const fst__kernels *kernels = model->context->compute->kernels;
    int32_t activation = model->config.activation;
    int64_t n = model->config.tower_width;
    for (int64_t r = first; r < first + rows; ++r) {
        if (layer->pre)
            kernels->activation_backward(activation, layer->pre + r * n, dy + r * dy_row, dx + r * n,
                                         n);
        else
            kernels->output_slope(activation, layer->output + r * layer->output_row,
                                  dy + r * dy_row, dx + r * n, n);
    }
}

/* From the gradient of `hidden` to that of the last layer's product. */
static void last_rows(void *context, int64_t index, int32_t worker)
{
    const backward_run *self = context;
    const fst_model *model = self->model;
    int32_t tower = (int32_t)(index / self->parts), last = model->config.layers - 1;
    int64_t first = index % self->parts * FST__DENSE_TILE_ROWS, left = model->activations.rows - first;
    fst__matrix d = model->activations.d_normed;
    (void)worker;
    activation_rows(model, &model->mlp->layers[tower][last], first,
                    left < FST__DENSE_TILE_ROWS ? left : FST__DENSE_TILE_ROWS,
                    (const fst__real *)d.data + tower * model->config.tower_width, d.columns,
                    gradient_of(model, tower, last));
}

/* From the gradient of a layer's product to that of the layer below. */
static void input_rows(void *context, int64_t index, int32_t worker)
{
    const backward_run *self = context;
    const fst_model *model = self->model;
    int32_t tower = (int32_t)(index / self->parts);
    int64_t first = index % self->parts * FST__DENSE_TILE_ROWS, left = model->activations.rows - first;
    int64_t rows = left < FST__DENSE_TILE_ROWS ? left : FST__DENSE_TILE_ROWS, n = model->config.tower_width;
    const fst__mlp_layer *layer = &model->mlp->layers[tower][self->layer], *below = layer - 1;
    fst__real *dx = gradient_of(model, tower, self->layer - 1);
    fst__dense product = {
        .m = rows, .n = n, .k = n, .a = gradient_of(model, tower, self->layer) + first * n,
        .a_row = n, .a_step = 1, .b = layer->weight->value, .b_row = n, .c = dx + first * n,
        .c_row = n,
    };
    (void)worker;
    if (!below->pre) {
        product.activation = model->config.activation;
        product.shown = below->output + first * n;
        product.shown_row = n;
    }
    model->context->compute->kernels->dense_product(&product);
    if (below->pre)
        activation_rows(model, below, first, rows, dx, n, dx);
}

/* Some rows of the weight's gradient and elements of the bias': sums over all rows of the batch in
 * their order. */
static void weight_rows(void *context, int64_t index, int32_t worker)
{
    const backward_run *self = context;
    const fst_model *model = self->model;
    int32_t tower = (int32_t)(index / self->parts);
    int64_t first = index % self->parts * OUTPUTS_PER_TASK, n = model->config.tower_width;
    int64_t count = n - first < OUTPUTS_PER_TASK ? n - first : OUTPUTS_PER_TASK;
    const fst__mlp_layer *layer = &model->mlp->layers[tower][self->layer];
    const fst__real *d = gradient_of(model, tower, self->layer) + first, one = 1;
    fst__real *d_weight = fst__gradient_or_null(layer->weight);
    fst__real *d_bias = fst__gradient_or_null(layer->bias);
    int64_t inputs = layer->weight->columns;
    fst__dense product = {
        .m = count, .n = inputs, .k = model->activations.rows, .a = d, .a_row = 1, .a_step = n,
        .b = self->layer ? layer[-1].output : model->mlp->observations, .b_row = inputs,
        .c = d_weight ? d_weight + first * inputs : NULL, .c_row = inputs, .accumulate = true,
    };
    fst__dense sum = {
        .m = 1, .n = count, .k = model->activations.rows, .a = &one, .b = d, .b_row = n,
        .c = d_bias ? d_bias + first : NULL, .c_row = n, .accumulate = true,
    };
    (void)worker;
    if (d_weight)
        model->context->compute->kernels->dense_product(&product);
    if (d_bias)
        model->context->compute->kernels->dense_product(&sum);
}

static fst_status backward(fst_model *model)
{
    const fst_model_config *c = &model->config;
    int32_t lowest = fst__model_lowest_trainable(model);
    int64_t tiles = tiles_of(model), parts = (c->tower_width + OUTPUTS_PER_TASK - 1) / OUTPUTS_PER_TASK;
    backward_run rows = {.model = model, .parts = tiles}, outputs = {.model = model, .parts = parts};
    if (lowest >= c->layers)
        return FST_OK;
    run(model, products_of(model, -1), c->towers * tiles, last_rows, &rows);
    for (int32_t i = c->layers - 1; i >= lowest; --i) {
        rows.layer = outputs.layer = i;
        run(model, products_of(model, i), c->towers * parts, weight_rows, &outputs);
        if (i > lowest)
            run(model, products_of(model, i), c->towers * tiles, input_rows, &rows);
    }
    return FST_OK;
}

const fst__backbone fst__vector_mlp = {
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
