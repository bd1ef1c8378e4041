#include "model/head_plain.h"

#include "base/error.h"
#include "kernels/kernels.h"
#include "model/towers.h"

#include <string.h>

bool fst__head_is_plain(const fst_model *model, const fst__head *head)
{
    const fst_head_options *o = &head->options;
    if (o->kind == FST_HEAD_CONSTANT)
        return true;
    return fst__config_has_towers(&model->config) && o->hidden_layers == 0 && !o->batch_norm &&
           o->dropout == 0;
}

static int64_t turned_row(const fst__head *head)
{
    return (head->options.outputs + FST__TURN - 1) / FST__TURN * FST__TURN;
}

size_t fst__head_plain_scratch(const fst_model *model, const fst__head *head)
{
    if (head->options.kind == FST_HEAD_CONSTANT)
        return 0;
    return (size_t)fst__head_width(model, head) * (size_t)turned_row(head) * sizeof(fst__real) + 64;
}

typedef struct plain_run {
    const fst__kernels *kernels;
    fst__dense product;
} plain_run;

static void tile(void *context, int64_t index, int32_t worker)
{
    const plain_run *run = context;
    fst__dense d = run->product;
    int64_t first = index * FST__DENSE_TILE_ROWS, left = d.m - first;
    (void)worker;
    d.m = left < FST__DENSE_TILE_ROWS ? left : FST__DENSE_TILE_ROWS;
    d.a += first * d.a_row;
    d.c += first * d.c_row;
    run->kernels->dense_product(&d);
}

/* By tiles of rows, as tasks where there is much to do. */
static void by_rows(const fst_model *model, const fst__dense *product)
{
    const fst__compute *compute = model->context->compute;
    plain_run run = {compute->kernels, *product};
    if (product->m * product->n * product->k < FST__DENSE_SERIAL)
        compute->kernels->dense_product(product);
    else
        fst__pool_run(compute->pool, (product->m + FST__DENSE_TILE_ROWS - 1) / FST__DENSE_TILE_ROWS, tile, &run);
}

fst_status fst__head_plain_forward(fst_model *model, fst__head *head)
{
    const fst__kernels *kernels = model->context->compute->kernels;
    fst__parameter *weight = fst__head_weight(model, head);
    const fst__real *bias = fst__value_or_null(fst__head_bias(model, head));
    fst__matrix hidden = model->activations.hidden;
    int64_t outputs = head->options.outputs;
    if (!weight) {
        memcpy(head->output.data, bias, (size_t)outputs * sizeof *bias);
        return FST_OK;
    }
    fst__arena *scratch = &model->activations.scratch;
    size_t mark = fst__arena_mark(scratch);
    fst__real *turned =
        fst__arena_take(scratch, (size_t)(weight->columns * turned_row(head)), sizeof *turned);
    if (!turned)
        return fst__fail(FST_ERR_INTERNAL, "head: scratch memory is too small");
    kernels->turn(weight->value, outputs, weight->columns, turned, turned_row(head));
    fst__dense product = {
        .m = hidden.rows, .n = outputs, .k = weight->columns,
        .a = (const fst__real *)hidden.data + fst__head_first_column(model, head),
        .a_row = hidden.columns, .a_step = 1, .b = turned, .b_row = turned_row(head),
        .c = head->output.data, .c_row = outputs, .bias = bias,
    };
    by_rows(model, &product);
    fst__arena_rewind(scratch, mark);
    return FST_OK;
}

/* Sums over all rows in their order. */
static void parameter_gradients(const fst_model *model, const fst__head *head, int64_t rows)
{
    const fst__kernels *kernels = model->context->compute->kernels;
    fst__parameter *weight = fst__head_weight(model, head);
    fst__real *d_weight = weight ? fst__gradient_or_null(weight) : NULL, one = 1;
    fst__real *d_bias = fst__gradient_or_null(fst__head_bias(model, head));
    fst__matrix hidden = model->activations.hidden;
    int64_t outputs = head->options.outputs;
    if (d_weight) {
        fst__dense product = {
            .m = outputs, .n = weight->columns, .k = rows, .a = head->gradient.data, .a_row = 1,
            .a_step = outputs,
            .b = (const fst__real *)hidden.data + fst__head_first_column(model, head),
            .b_row = hidden.columns, .c = d_weight, .c_row = weight->columns, .accumulate = true,
        };
        kernels->dense_product(&product);
    }
    if (d_bias) {
        fst__dense sum = {
            .m = 1, .n = outputs, .k = rows, .a = &one, .b = head->gradient.data, .b_row = outputs,
            .c = d_bias, .c_row = outputs, .accumulate = true,
        };
        kernels->dense_product(&sum);
    }
}

fst_status fst__head_plain_backward(fst_model *model, fst__head *head, bool with_input)
{
    fst__parameter *weight = fst__head_weight(model, head);
    fst__matrix to = model->activations.d_normed;
    int64_t rows = fst__head_rows(model, head);
    parameter_gradients(model, head, rows);
    if (!with_input || !weight)
        return FST_OK;
    fst__dense product = {
        .m = rows, .n = weight->columns, .k = head->options.outputs, .a = head->gradient.data,
        .a_row = head->options.outputs, .a_step = 1, .b = weight->value, .b_row = weight->columns,
        .c = (fst__real *)to.data + fst__head_first_column(model, head), .c_row = to.columns,
        .accumulate = true,
    };
    by_rows(model, &product);
    return FST_OK;
}
