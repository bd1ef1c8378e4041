#include "model/head_layers.h"

#include "base/error.h"
#include "kernels/rows.h"
#include "model/heads.h"
#include "nn/activation.h"
#include "nn/linear.h"
#include "nn/norm.h"

#include <stdio.h>

/* ---- parameters */

enum { WHAT_SIZE = 40 };

static void what_of(char what[WHAT_SIZE], const char *group, int32_t layer, const char *name)
{
    snprintf(what, WHAT_SIZE, "%s.%d.%s", group, (int)layer, name);
}

static fst__parameter *parameter(const fst_model *model, const fst__head *head, const char *group,
                                 int32_t layer, const char *name)
{
    char what[WHAT_SIZE];
    what_of(what, group, layer, name);
    return fst__head_parameter(model, head, what);
}

static fst_status add(fst_model *model, const fst__head *head, const char *group, int32_t layer,
                      const char *name, int64_t rows, int64_t columns)
{
    char full[FST__PARAMETER_NAME_SIZE];
    snprintf(full, sizeof full, "heads.%s.%.6s.%d.%.12s", head->name, group, (int)layer, name);
    return rows ? fst__parameters_add(&model->parameters, full, rows, columns, 2,
                                      FST__PARAMETER_DECAY)
                : fst__parameters_add(&model->parameters, full, 1, columns, 1, 0);
}

fst_status fst__head_layers_add(fst_model *model, const fst__head *head)
{
    const fst_head_options *o = &head->options;
    fst_status status = FST_OK;
    for (int32_t i = 0; i < o->hidden_layers && !status; ++i) {
        status = add(model, head, "hidden", i, "weight", o->hidden_size,
                     i ? o->hidden_size : fst__head_width(model, head));
        if (!status && o->hidden_bias)
            status = add(model, head, "hidden", i, "bias", 0, o->hidden_size);
        if (!status && o->layer_norm)
            status = add(model, head, "norm", i, "weight", 0, o->hidden_size);
        if (!status && o->batch_norm)
            status = fst__head_batch_norm_add(model, head, i);
        if (status)
            return status;
        if (o->layer_norm) {
            fst__real *gamma = parameter(model, head, "norm", i, "weight")->value;
            for (int64_t c = 0; c < o->hidden_size; ++c)
                gamma[c] = 1;
        }
        if (o->layer_norm && o->norm_bias)
            status = add(model, head, "norm", i, "bias", 0, o->hidden_size);
    }
    return status;
}

fst_status fst__head_layers_draw(fst_model *model, const fst__head *head)
{
    fst__parameters *p = &model->parameters;
    const fst_head_options *o = &head->options;
    double std = o->init_std > 0 ? o->init_std : 0.02;
    fst_status status = FST_OK;
    for (int32_t i = 0; i < o->hidden_layers && !status; ++i) {
        int64_t index = parameter(model, head, "hidden", i, "weight") - p->items;
        uint64_t number = (uint64_t)1 << 32 | (uint64_t)(i + 1) << 8 |
                          (uint64_t)(head - model->heads);
        if (o->orthogonal_gain > 0)
            status = fst__parameters_draw_orthogonal(p, model->context->compute, index,
                                                     o->orthogonal_gain, model->context->seed, number);
        else
            fst__parameters_draw(p, model->context->compute, index, std, model->context->seed, number);
    }
    return status;
}

/* ---- memory */

static fst__matrix take(fst__arena *arena, int64_t rows, int64_t columns, int32_t dtype)
{
    return fst__matrix_of(fst__arena_take(arena, (size_t)rows * (size_t)columns,
                                          fst__element_size(dtype)),
                          rows, columns, dtype);
}

void fst__head_layers_take(const fst_head_options *o, int64_t rows, int32_t dtype,
                           fst__arena *arena, fst__head_layer *layers)
{
    for (int32_t i = 0; i < o->hidden_layers; ++i) {
        fst__head_layer *l = &layers[i];
        *l = (fst__head_layer){.pre = take(arena, rows, o->hidden_size, dtype),
                               .active = take(arena, rows, o->hidden_size, dtype)};
        l->output = l->active;
        l->shown = l->pre;
        if (o->batch_norm) {
            l->shown = take(arena, rows, o->hidden_size, dtype);
            fst__head_batch_norm_take(arena, o->hidden_size, &l->batch);
        }
        if (!o->layer_norm)
            continue;
        l->output = take(arena, rows, o->hidden_size, dtype);
        l->mean = fst__arena_take(arena, (size_t)rows, sizeof *l->mean);
        l->rstd = fst__arena_take(arena, (size_t)rows, sizeof *l->rstd);
    }
}

size_t fst__head_layers_scratch(const fst_head_options *o, int64_t rows, int64_t width,
                                int32_t dtype)
{
    fst__arena counting = fst__arena_counting();
    if (o->hidden_layers == 0)
        return 0;
    for (int32_t i = 0; i < o->hidden_layers; ++i)
        take(&counting, rows, i ? o->hidden_size : width, FST__REAL_DTYPE);
    take(&counting, rows, o->hidden_size, dtype);
    size_t product = fst__linear_backward_scratch(rows, o->hidden_size);
    size_t norm = o->batch_norm ? fst__head_batch_norm_scratch(rows, o->hidden_size)
                                : fst__norm_backward_scratch(rows, o->hidden_size);
    fst__arena_take(&counting, product > norm ? product : norm, 1);
    return counting.peak;
}

/* ---- dropout of what a layer reads, in place */

typedef struct mask_run {
    const fst__kernels *kernels;
    fst__dropout dropout;
    fst__matrix x;
} mask_run;

static void mask_row(void *context, int64_t row, int32_t worker)
{
    const mask_run *run = context;
    (void)worker;
    for (int64_t c = 0; c < run->x.columns; c += FST__CHUNK) {
        int64_t n = fst__chunk(run->x.columns, c);
        fst__real scratch[FST__CHUNK];
        const fst__real *x = fst__row_read(run->kernels, run->x, row, c, n, scratch);
        fst__real *y = fst__row_target(run->x, row, c, scratch);
        fst__dropout_row(run->kernels, &run->dropout, (uint64_t)(row * run->x.columns + c), x, y, n);
        fst__row_write(run->kernels, run->x, row, c, n, y);
    }
}

static void mask(const fst_model *model, const fst__head *head, int32_t layer, fst__matrix x)
{
    mask_run run = {model->context->compute->kernels, fst__head_dropout(model, head, layer), x};
    if (fst__dropout_on(&run.dropout))
        fst__pool_run(model->context->compute->pool, x.rows, mask_row, &run);
}

/* ---- forward and backward */

static fst__norm norm_of(const fst_model *model, const fst__head *head, int32_t layer)
{
    return (fst__norm){
        .kind = FST__NORM_LAYER,
        .epsilon = (fst__real)head->options.norm_epsilon,
        .gamma = parameter(model, head, "norm", layer, "weight")->value,
        .beta = fst__value_or_null(parameter(model, head, "norm", layer, "bias")),
    };
}

/* From the layer's input to `active`. */
static fst_status product_forward(const fst_model *model, const fst__head *head, int32_t i,
                                  fst__head_layer *l, fst__arena *scratch)
{
    const fst__compute *compute = model->context->compute;
    fst__matrix weight = fst__weight_matrix(parameter(model, head, "hidden", i, "weight"));
    const fst__real *bias = fst__value_or_null(parameter(model, head, "hidden", i, "bias"));
    if (!head->options.batch_norm)
        return fst__linear_activation_forward(compute, l->input, weight, bias,
                                              head->options.activation, l->pre, l->active);
    fst_status status = fst__linear_forward(compute, l->input, weight, bias, l->pre);
    if (!status)
        status = fst__head_batch_norm_forward(model, head, i, l->pre, &l->batch, l->shown, scratch);
    if (!status)
        fst__activation_forward(compute, head->options.activation, l->shown, l->active);
    return status;
}

static fst_status too_small(void)
{
    return fst__fail(FST_ERR_INTERNAL, "head: scratch memory is too small");
}

fst_status fst__head_layers_forward(const fst_model *model, const fst__head *head,
                                    fst__matrix input, fst__arena *scratch, fst__head_layer *layers,
                                    fst__matrix *output)
{
    const fst__compute *compute = model->context->compute;
    const fst_head_options *o = &head->options;
    *output = input;
    fst__head_layers_take(o, input.rows, input.dtype, scratch, layers);
    if (scratch->overflow)
        return too_small();
    for (int32_t i = 0; i < o->hidden_layers; ++i) {
        fst__head_layer *l = &layers[i];
        l->input = *output;
        fst_status status = product_forward(model, head, i, l, scratch);
        if (status)
            return status;
        if (o->layer_norm) {
            fst__norm norm = norm_of(model, head, i);
            fst__norm_forward(compute, &norm, l->active, NULL, NULL, l->active, l->output, l->mean,
                              l->rstd);
        }
        mask(model, head, i + 1, l->output);
        *output = l->output;
    }
    return FST_OK;
}

/* The gradient as products read it: in the type of the hidden states. */
static fst__matrix as_operand(const fst_model *model, fst__matrix d, int32_t dtype,
                              fst__arena *scratch)
{
    if (dtype != FST_BF16)
        return d;
    fst__matrix half = take(scratch, d.rows, d.columns, FST_BF16);
    if (half.data)
        model->context->compute->kernels->to_bf16(d.data, half.data, d.rows * d.columns);
    return half;
}

/* From d [n, H], the gradient of the layer's output, which is overwritten, to dx unless NULL. */
static fst_status layer_backward(fst_model *model, const fst__head *head, int32_t i,
                                 const fst__head_layer *l, fst__matrix d, const fst__matrix *dx,
                                 fst__arena *scratch)
{
    const fst__compute *compute = model->context->compute;
    fst__parameter *weight = parameter(model, head, "hidden", i, "weight");
    mask(model, head, i + 1, d);
    if (head->options.layer_norm) {
        fst__norm norm = norm_of(model, head, i);
        fst__norm_backward(compute, &norm, l->active, l->mean, l->rstd, d, d, false, NULL, NULL,
                           fst__gradient_or_null(parameter(model, head, "norm", i, "weight")),
                           fst__gradient_or_null(parameter(model, head, "norm", i, "bias")),
                           scratch);
    }
    fst__activation_backward(compute, head->options.activation, l->shown, d);
    fst_status status = FST_OK;
    if (head->options.batch_norm)
        status = fst__head_batch_norm_backward(model, head, i, l->pre, &l->batch, d, scratch);
    if (status)
        return status;
    fst__matrix dy = as_operand(model, d, l->input.dtype, scratch);
    if (scratch->overflow)
        return too_small();
    return fst__linear_backward(compute, l->input, fst__weight_matrix(weight), dy, dx,
                                fst__gradient_or_null(weight),
                                fst__gradient_or_null(parameter(model, head, "hidden", i, "bias")),
                                scratch);
}

fst_status fst__head_layers_backward(fst_model *model, const fst__head *head,
                                     const fst__head_layer *layers, fst__matrix *d, bool with_input,
                                     fst__arena *scratch)
{
    for (int32_t i = head->options.hidden_layers - 1; i >= 0; --i) {
        bool wanted = i > 0 || with_input;
        fst__matrix dx = {0};
        if (wanted)
            dx = take(scratch, d->rows, layers[i].input.columns, FST__REAL_DTYPE);
        if (scratch->overflow)
            return too_small();
        size_t mark = fst__arena_mark(scratch);
        fst_status status =
            layer_backward(model, head, i, &layers[i], *d, wanted ? &dx : NULL, scratch);
        fst__arena_rewind(scratch, mark);
        if (status)
            return status;
        *d = dx;
    }
    return FST_OK;
}
