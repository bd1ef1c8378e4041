/* The heads of a language model: the loss, the outputs for the caller, and the way back. */
#include "model/model.h"

#include "base/checked.h"
#include "base/error.h"
#include "model/trainable.h"
#include "model/transformer.h"
#include "nn/linear.h"
#include "nn/loss_head.h"
#include "tensor/bf16.h"

#include <math.h>
#include <string.h>

static fst_status not_finite(const fst_model *model)
{
    const fst__parameter *culprit = fst__parameters_not_finite(&model->parameters);
    if (culprit)
        return fst__fail(FST_ERR_NUMERIC,
                         "the loss of this batch is not finite: parameter \"%s\" holds a NaN or "
                         "infinity",
                         culprit->name);
    return fst__fail(FST_ERR_NUMERIC,
                     "the loss of this batch is not finite, though every parameter is");
}

fst_status fst__model_loss(fst_model *model, const fst_loss_options *options, fst_loss *loss)
{
    fst__activations *a = &model->activations;
    if (!model->has_output)
        return fst__fail(FST_ERR_STATE, "fst_model_loss needs a fst_model_forward before it");
    if (!model->has_targets)
        return fst__fail(FST_ERR_STATE, "fst_model_loss: the last batch had no targets");
    if (a->training && model->phase != FST__PHASE_FORWARD)
        return fst__fail(FST_ERR_STATE, "fst_model_loss twice after one fst_model_forward");
    const fst__parameter *head = model->parameters.head_weight;
    double scale = options->scale;
    if (scale == 0)
        scale = model->target_weight > 0 ? 1 / model->target_weight : 0;
    fst__loss_head settings = {
        .targets = a->targets,
        .row_weights = a->row_weights,
        .gradient_scale = scale,
        .label_smoothing = (fst__real)options->label_smoothing,
        .z_loss = (fst__real)options->z_loss,
    };
    fst__loss_result result;
    bool trunk = a->training && fst__model_lowest_trainable(model) <= model->config.layers;
    fst_status status = fst__loss_head_run(
        model->context->compute, &settings, a->hidden, fst__weight_matrix(head), NULL, NULL, NULL,
        trunk ? &a->d_normed : NULL, a->training ? fst__gradient_or_null(head) : NULL, NULL,
        &a->scratch, &result);
    if (status)
        return status;
    loss->loss = result.loss;
    loss->z_loss = result.z;
    loss->weight = result.weight;
    loss->tokens = result.rows;
    loss->correct = result.correct;
    if (!isfinite(result.loss) || !isfinite(result.z)) {
        model->phase = FST__PHASE_IDLE;
        return not_finite(model);
    }
    if (a->training)
        model->phase = FST__PHASE_LOSS;
    return FST_OK;
}

static fst_status want_output(fst_model *model, fst__output which, int64_t columns)
{
    size_t count;
    if (!fst__mul_size((size_t)(model->activations.rows * model->activations.length),
                       (size_t)columns, &count))
        return fst__fail(FST_ERR_NO_MEMORY, "the output is too large");
    if (count <= model->outputs[which].size)
        return FST_OK;
    fst__allocator *allocator = &model->context->allocator;
    fst__free(allocator, model->outputs[which].data);
    model->outputs[which].size = 0;
    model->outputs[which].data = fst__alloc_array(allocator, count, sizeof(fst__real));
    if (!model->outputs[which].data)
        return FST_ERR_NO_MEMORY;
    model->outputs[which].size = count;
    return FST_OK;
}

static void set_view(const fst_model *model, fst__real *data, int64_t columns, fst_view *view)
{
    const fst__activations *a = &model->activations;
    *view = (fst_view){
        .data = data,
        .dtype = FST__REAL_DTYPE,
        .rank = 3,
        .shape = {a->rows, a->length, columns},
        .strides = {a->length * columns, columns, 1},
    };
}

static void to_real(fst__real *out, fst__matrix from)
{
    for (int64_t r = 0; r < from.rows; ++r) {
        for (int64_t c = 0; c < from.columns; ++c) {
            const void *at = fst__matrix_at(from, r, c);
            out[r * from.columns + c] = from.dtype == FST_BF16
                                            ? (fst__real)fst__bf16_to_float(*(const uint16_t *)at)
                                            : *(const fst__real *)at;
        }
    }
}

static fst_status find_output(const fst_model *model, const char *name, fst__output *which,
                              int64_t *columns)
{
    if (strcmp(name, "logits") == 0) {
        *which = FST__OUTPUT_LOGITS;
        *columns = model->config.vocabulary_size;
    } else if (strcmp(name, "hidden") == 0) {
        *which = FST__OUTPUT_HIDDEN;
        *columns = model->config.width;
    } else {
        return fst__fail(FST_ERR_NOT_FOUND, "no output \"%s\"; expected \"logits\" or \"hidden\"",
                         name);
    }
    return FST_OK;
}

fst_status fst__model_output(fst_model *model, const char *name, fst_view *view)
{
    fst__output which = FST__OUTPUT_LOGITS;
    int64_t columns = 0;
    fst_status status = find_output(model, name, &which, &columns);
    if (status)
        return status;
    if (!model->has_output)
        return fst__fail(FST_ERR_STATE, "fst_model_output needs a fst_model_forward before it and no "
                                        "fst_model_backward between");
    status = want_output(model, which, columns);
    if (status)
        return status;
    const fst__activations *a = &model->activations;
    fst__real *data = model->outputs[which].data;
    if (which == FST__OUTPUT_LOGITS) {
        fst__matrix weight = fst__weight_matrix(model->parameters.head_weight);
        fst__matrix logits = fst__matrix_of(data, a->rows * a->length, columns, FST__REAL_DTYPE);
        status = fst__linear_forward(model->context->compute, a->hidden, weight, NULL, logits);
        if (status)
            return status;
    } else {
        to_real(data, a->hidden);
    }
    set_view(model, data, columns, view);
    return FST_OK;
}

fst_status fst__model_backward(fst_model *model)
{
    if (model->phase != FST__PHASE_LOSS)
        return fst__fail(FST_ERR_STATE,
                         "fst_model_backward needs a training fst_model_forward and fst_model_loss "
                         "before it, each time");
    model->phase = FST__PHASE_IDLE;
    model->has_output = false; /* gradients lie over it */
    return fst__transformer_backward(model);
}

static fst__real view_value(const fst_view *view, int64_t b, int64_t t, int64_t c)
{
    int64_t at = b * view->strides[0] + t * view->strides[1] + c * view->strides[2];
    return view->dtype == FST_F64 ? (fst__real)((const double *)view->data)[at]
                                  : (fst__real)((const float *)view->data)[at];
}

static fst_status check_gradient(const fst_model *model, int64_t columns, const fst_view *view)
{
    const fst__activations *a = &model->activations;
    if (!view->data || (view->dtype != FST_F32 && view->dtype != FST_F64) || view->rank != 3 ||
        view->shape[0] != a->rows || view->shape[1] != a->length || view->shape[2] != columns)
        return fst__fail(FST_ERR_MISMATCH,
                         "the gradient must be F32 of shape [%lld, %lld, %lld], as the output",
                         (long long)a->rows, (long long)a->length, (long long)columns);
    return FST_OK;
}

static void store(fst__matrix to, int64_t row, int64_t column, fst__real value)
{
    void *at = fst__matrix_at(to, row, column);
    if (to.dtype == FST_BF16)
        *(uint16_t *)at = fst__float_to_bf16((float)value);
    else
        *(fst__real *)at = value;
}

static void read_gradient(const fst_view *view, fst__matrix to)
{
    for (int64_t b = 0; b < view->shape[0]; ++b)
        for (int64_t t = 0; t < view->shape[1]; ++t)
            for (int64_t c = 0; c < view->shape[2]; ++c)
                store(to, b * view->shape[1] + t, c, view_value(view, b, t, c));
}

/* d hidden = d logits · W, dW += d logitsᵀ · hidden. The copy is needed where the caller's layout
 * or type differs; it is made always, into memory of its own, for the length of this call. */
static fst_status logits_backward(fst_model *model, const fst_view *gradient)
{
    fst__activations *a = &model->activations;
    fst__allocator *allocator = &model->context->allocator;
    const fst__parameter *head = model->parameters.head_weight;
    int64_t tokens = a->rows * a->length, columns = model->config.vocabulary_size;
    size_t bytes = (size_t)tokens * (size_t)columns * fst__element_size(a->hidden.dtype);
    size_t scratch_size = fst__linear_backward_scratch(tokens, columns);
    void *copy = fst__alloc(allocator, bytes), *memory = fst__alloc(allocator, scratch_size);
    fst_status status = copy && memory ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status) {
        fst__matrix d_logits = fst__matrix_of(copy, tokens, columns, a->hidden.dtype);
        read_gradient(gradient, d_logits);
        fst__arena scratch = fst__arena_over(memory, scratch_size);
        status = fst__linear_backward(model->context->compute, a->hidden, fst__weight_matrix(head),
                                      d_logits, &a->d_normed, fst__gradient_or_null(head), NULL,
                                      &scratch);
    }
    fst__free(allocator, memory);
    fst__free(allocator, copy);
    return status;
}

fst_status fst__model_backward_from(fst_model *model, const char *output, const fst_view *gradient)
{
    fst__output which = FST__OUTPUT_LOGITS;
    int64_t columns = 0;
    fst_status status = find_output(model, output, &which, &columns);
    if (status)
        return status;
    if (model->phase != FST__PHASE_FORWARD)
        return fst__fail(FST_ERR_STATE, "fst_model_backward needs a training fst_model_forward "
                                        "before it, each time");
    status = check_gradient(model, columns, gradient);
    if (status)
        return status;
    if (which == FST__OUTPUT_LOGITS)
        status = logits_backward(model, gradient);
    else
        read_gradient(gradient, model->activations.d_normed);
    if (status)
        return status;
    model->phase = FST__PHASE_IDLE;
    model->has_output = false; /* gradients lie over it */
    return fst__transformer_backward(model);
}
