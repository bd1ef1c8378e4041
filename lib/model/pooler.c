#include "model/pooler.h"

#include "base/error.h"
#include "kernels/rows.h"
#include "nn/linear.h"

#include <string.h>

bool fst__pooler_trains(const fst_model *model)
{
    const fst__parameters *p = &model->parameters;
    return fst__gradient_or_null(p->pooler_weight) || fst__gradient_or_null(p->pooler_bias);
}

static fst__matrix pooled_matrix(const fst_model *model, const fst__buffer *buffer)
{
    return fst__matrix_of(buffer->data, model->activations.rows, model->config.width,
                          FST__REAL_DTYPE);
}

static fst_status take(fst__arena *scratch, int64_t rows, int64_t columns, int32_t dtype,
                       fst__matrix *out)
{
    void *data = fst__arena_take(scratch, (size_t)rows * (size_t)columns, fst__element_size(dtype));
    *out = fst__matrix_of(data, rows, columns, dtype);
    return data ? FST_OK : fst__fail(FST_ERR_INTERNAL, "pooler: scratch memory is too small");
}

size_t fst__pooler_scratch(const fst_model *model, int64_t rows, bool training)
{
    if (!model->config.pooler)
        return 0;
    int32_t dtype = model->options.dtype == FST_BF16 ? FST_BF16 : FST__REAL_DTYPE;
    size_t size = (size_t)rows * (size_t)model->config.width;
    fst__arena counting = fst__arena_counting();
    fst__arena_take(&counting, size, fst__element_size(dtype));
    if (training) {
        fst__arena_take(&counting, size, fst__element_size(dtype));
        fst__arena_take(&counting, size, sizeof(fst__real));
        fst__arena_take(&counting, fst__linear_backward_scratch(rows, model->config.width), 1);
    }
    return counting.peak;
}

/* The hidden states of the first tokens, [rows, C]. */
static fst_status first_tokens(const fst_model *model, fst__arena *scratch, fst__matrix *x)
{
    const fst__activations *a = &model->activations;
    fst_status status = take(scratch, a->rows, a->hidden.columns, a->hidden.dtype, x);
    size_t size = (size_t)a->hidden.columns * fst__element_size(a->hidden.dtype);
    for (int64_t r = 0; r < a->rows && !status; ++r) {
        if (a->row_lengths[r] > 0)
            memcpy(fst__matrix_at(*x, r, 0), fst__matrix_at(a->hidden, r * a->length, 0), size);
        else
            memset(fst__matrix_at(*x, r, 0), 0, size);
    }
    return status;
}

fst_status fst__pooler_forward(fst_model *model)
{
    fst__outputs *o = &model->outputs;
    const fst__parameters *p = &model->parameters;
    fst__allocator *allocator = &model->context->allocator;
    size_t count = (size_t)(model->activations.rows * model->config.width);
    if (o->has_pooled)
        return FST_OK;
    fst_status status = fst__buffer_want(allocator, &o->pooled, count);
    if (!status)
        status = fst__buffer_want(allocator, &o->pooler_sum, count);
    if (status)
        return status;
    fst__arena *scratch = &model->activations.scratch;
    size_t mark = fst__arena_mark(scratch);
    fst__matrix x;
    status = first_tokens(model, scratch, &x);
    if (!status)
        status = fst__linear_activation_forward(
            model->context->compute, x, fst__weight_matrix(p->pooler_weight),
            p->pooler_bias->value, FST__ACTIVATION_TANH, pooled_matrix(model, &o->pooler_sum),
            pooled_matrix(model, &o->pooled));
    fst__arena_rewind(scratch, mark);
    o->has_pooled = !status;
    return status;
}

fst_status fst__pooler_want_gradient(fst_model *model)
{
    fst__outputs *o = &model->outputs;
    size_t count = (size_t)(model->activations.rows * model->config.width);
    if (o->has_d_pooled)
        return FST_OK;
    fst_status status = fst__buffer_want(&model->context->allocator, &o->d_pooled, count);
    if (status)
        return status;
    memset(o->d_pooled.data, 0, count * sizeof *o->d_pooled.data);
    o->has_d_pooled = true;
    return FST_OK;
}

static void add_to_first_tokens(const fst_model *model, fst__matrix dx)
{
    const fst__activations *a = &model->activations;
    const fst__kernels *kernels = model->context->compute->kernels;
    for (int64_t r = 0; r < a->rows; ++r) {
        for (int64_t c = 0; c < dx.columns && a->row_lengths[r] > 0; c += FST__CHUNK) {
            int64_t n = fst__chunk(dx.columns, c);
            fst__real piece[FST__CHUNK], sum[FST__CHUNK];
            const fst__real *old =
                fst__row_read(kernels, a->d_normed, r * a->length, c, n, piece);
            kernels->add(old, fst__matrix_at(dx, r, c), sum, n);
            fst__row_write(kernels, a->d_normed, r * a->length, c, n, sum);
        }
    }
}

fst_status fst__pooler_backward(fst_model *model, bool with_input)
{
    const fst__compute *compute = model->context->compute;
    const fst__parameters *p = &model->parameters;
    fst__arena *scratch = &model->activations.scratch;
    fst_status status = fst__pooler_forward(model); /* the caller may not have asked for it */
    if (status)
        return status;
    size_t mark = fst__arena_mark(scratch);
    fst__matrix d_sum = pooled_matrix(model, &model->outputs.d_pooled), x, dy = d_sum, dx = {0};
    fst__activation_backward(compute, FST__ACTIVATION_TANH,
                             pooled_matrix(model, &model->outputs.pooler_sum), d_sum);
    status = first_tokens(model, scratch, &x);
    if (!status && x.dtype == FST_BF16) {
        status = take(scratch, x.rows, x.columns, x.dtype, &dy);
        if (!status)
            compute->kernels->to_bf16(d_sum.data, dy.data, x.rows * x.columns);
    }
    if (!status && with_input)
        status = take(scratch, x.rows, x.columns, FST__REAL_DTYPE, &dx);
    if (!status)
        status = fst__linear_backward(compute, x, fst__weight_matrix(p->pooler_weight), dy,
                                      with_input ? &dx : NULL,
                                      fst__gradient_or_null(p->pooler_weight),
                                      fst__gradient_or_null(p->pooler_bias), scratch);
    if (!status && with_input)
        add_to_first_tokens(model, dx);
    fst__arena_rewind(scratch, mark);
    return status;
}
