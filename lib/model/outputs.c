#include "model/outputs.h"

#include "base/checked.h"
#include "base/error.h"
#include "kernels/rows.h"
#include "model/heads.h"
#include "model/pooler.h"
#include "nn/blocks.h"
#include "nn/loss_head.h"

#include <math.h>
#include <string.h>

typedef enum kind { LOGITS, HIDDEN, LOG_PROBABILITIES, ENTROPY, POOLED, HEAD } kind;

/* An output of the batch in the model. */
typedef struct output {
    kind kind;
    fst__head *head; /* HEAD */
    int32_t rank;
    int64_t shape[3];
} output;

static fst_status find(fst_model *model, const char *name, output *out)
{
    static const char *const names[] = {"logits", "hidden", "log_probabilities", "entropy",
                                        "pooled"};
    const fst__activations *a = &model->activations;
    *out = (output){.kind = HEAD, .rank = 3, .shape = {a->rows, a->length, 0}};
    for (int i = 0; i < HEAD; ++i) {
        if (strcmp(name, names[i]) == 0)
            out->kind = (kind)i;
    }
    if (out->kind != HIDDEN && out->kind != HEAD && !model->parameters.head_weight &&
        !(out->kind == POOLED && model->config.pooler))
        return fst__fail(FST_ERR_NOT_FOUND, "no output \"%s\": the model has no vocabulary", name);
    if (out->kind == LOGITS || out->kind == HIDDEN) {
        out->shape[2] = out->kind == LOGITS ? model->config.vocabulary_size : model->config.width;
        return FST_OK;
    }
    if (out->kind == POOLED && !model->config.pooler)
        return fst__fail(FST_ERR_NOT_FOUND,
                         "no output \"pooled\": fst_model_config.pooler is 0");
    if (out->kind != HEAD) {
        out->rank = 2;
        if (out->kind == POOLED)
            out->shape[1] = model->config.width;
        return FST_OK;
    }
    out->head = fst__head_find(model, name);
    if (!out->head)
        return fst__fail(FST_ERR_NOT_FOUND,
                         "no output \"%s\"; expected \"logits\", \"hidden\", \"log_probabilities\", "
                         "\"entropy\", \"pooled\" or the name of a head",
                         name);
    bool token = out->head->options.kind == FST_HEAD_TOKEN;
    out->shape[0] = token ? a->rows : fst__head_rows(model, out->head);
    out->rank = token ? 3 : 2;
    out->shape[token ? 2 : 1] = out->head->options.outputs;
    return FST_OK;
}

static int64_t last(const output *o)
{
    return o->shape[o->rank - 1];
}

static int64_t rows_of(const output *o) /* of its last axis */
{
    return o->rank == 3 ? o->shape[0] * o->shape[1] : o->shape[0];
}

/* ---- out */

static fst_status want(fst_model *model, fst__buffer *buffer, int64_t rows, int64_t columns)
{
    size_t count;
    if (!fst__mul_size((size_t)rows, (size_t)columns, &count))
        return fst__fail(FST_ERR_NO_MEMORY, "the output is too large");
    return fst__buffer_want(&model->context->allocator, buffer, count);
}

static fst_status logits(fst_model *model, const output *o, fst__real **data)
{
    fst__buffer *buffer = &model->outputs.logits;
    fst_status status = want(model, buffer, rows_of(o), last(o));
    *data = buffer->data;
    if (status)
        return status;
    fst__head_transform transform;
    fst__output_layer layer;
    fst__model_output_layer(model, false, &transform, &layer);
    return fst__output_layer_forward(
        model->context->compute, &layer, model->activations.hidden,
        fst__matrix_of(buffer->data, rows_of(o), last(o), FST__REAL_DTYPE),
        &model->activations.scratch);
}

static fst_status hidden(fst_model *model, const output *o, fst__real **data)
{
    fst__matrix from = model->activations.hidden;
    fst__buffer *buffer = &model->outputs.hidden;
    fst_status status = want(model, buffer, rows_of(o), last(o));
    *data = buffer->data;
    for (int64_t r = 0; !status && r < from.rows; ++r) {
        fst__real *to = buffer->data + r * from.columns;
        const fst__real *row = fst__row_read(model->context->compute->kernels, from, r, 0,
                                             from.columns, to);
        if (row != to)
            memcpy(to, row, (size_t)from.columns * sizeof *to);
    }
    return status;
}

static fst_status not_finite(const fst_model *model)
{
    const fst__activations *a = &model->activations;
    int64_t tokens = a->rows * a->length, i = 0;
    while (i < tokens && isfinite(model->outputs.log_probabilities.data[i]) &&
           isfinite(model->outputs.entropies.data[i]))
        ++i;
    return fst__fail(FST_ERR_NUMERIC,
                     "the log-probability of row %lld, position %lld is not finite",
                     (long long)(i / a->length), (long long)(i % a->length));
}

static fst_status distribution(fst_model *model)
{
    fst__activations *a = &model->activations;
    int64_t tokens = a->rows * a->length;
    if (!model->has_targets)
        return fst__fail(FST_ERR_STATE, "the last batch had no targets");
    fst_status status = want(model, &model->outputs.log_probabilities, tokens, 1);
    if (!status)
        status = want(model, &model->outputs.entropies, tokens, 1);
    if (status || model->outputs.has_distribution)
        return status;
    fst__loss_head settings = fst__model_distribution(model);
    fst__head_transform transform;
    fst__output_layer layer;
    fst__model_output_layer(model, false, &transform, &layer);
    fst__loss_result result;
    status = fst__loss_head_run(model->context->compute, &settings, &layer, a->hidden,
                                model->outputs.log_probabilities.data,
                                model->outputs.entropies.data, NULL, &a->scratch, &result);
    if (status)
        return status;
    if (!isfinite(result.loss))
        return not_finite(model);
    model->outputs.has_distribution = true;
    return FST_OK;
}

fst_status fst__model_output(fst_model *model, const char *name, fst_view *view)
{
    output o;
    fst_status status = find(model, name, &o);
    if (status)
        return status;
    if (!model->has_output)
        return fst__fail(FST_ERR_STATE, "fst_model_output needs a fst_model_forward before it and no "
                                        "fst_model_backward between");
    fst__real *data = NULL;
    if (o.kind == LOGITS)
        status = logits(model, &o, &data);
    else if (o.kind == HIDDEN)
        status = hidden(model, &o, &data);
    else if (o.kind == HEAD)
        status = fst__head_forward(model, o.head);
    else if (o.kind == POOLED)
        status = fst__pooler_forward(model);
    else
        status = distribution(model);
    if (status)
        return status;
    if (o.kind == HEAD)
        data = o.head->output.data;
    else if (o.kind == POOLED)
        data = model->outputs.pooled.data;
    else if (o.kind == LOG_PROBABILITIES || o.kind == ENTROPY)
        data = o.kind == ENTROPY ? model->outputs.entropies.data
                                 : model->outputs.log_probabilities.data;
    *view = (fst_view){.data = data, .dtype = FST__REAL_DTYPE, .rank = o.rank};
    int64_t stride = 1;
    for (int32_t d = o.rank - 1; d >= 0; --d) {
        view->shape[d] = o.shape[d];
        view->strides[d] = stride;
        stride *= o.shape[d];
    }
    return FST_OK;
}

/* ---- gradients in */

static fst_status check_gradient(const output *o, const fst_view *view)
{
    bool fits = view->data && (view->dtype == FST_F32 || view->dtype == FST_F64) &&
                view->rank == o->rank;
    for (int32_t d = 0; fits && d < o->rank; ++d)
        fits = view->shape[d] == o->shape[d];
    if (fits)
        return FST_OK;
    return fst__fail(FST_ERR_MISMATCH, "the gradient must be F32 of shape [%lld, %lld%s%.0lld], as the output",
                     (long long)o->shape[0], (long long)o->shape[1], o->rank == 3 ? ", " : "",
                     o->rank == 3 ? (long long)o->shape[2] : 0LL);
}

/* Rows of the last axis of a caller's array, of any strides. */
typedef struct read_run {
    const fst__kernels *kernels;
    const fst_view *view;
    fst__matrix to;
} read_run;

static void read_row(const read_run *run, int64_t row)
{
    const fst_view *view = run->view;
    int64_t at = view->rank == 3 ? row / view->shape[1] * view->strides[0] +
                                       row % view->shape[1] * view->strides[1]
                                 : row * view->strides[0];
    int64_t stride = view->strides[view->rank - 1];
    for (int64_t c = 0; c < run->to.columns; c += FST__CHUNK) {
        fst__real piece[FST__CHUNK];
        int64_t n = fst__chunk(run->to.columns, c);
        for (int64_t i = 0; i < n; ++i) {
            int64_t index = at + (c + i) * stride;
            piece[i] = view->dtype == FST_F64 ? (fst__real)((const double *)view->data)[index]
                                              : (fst__real)((const float *)view->data)[index];
        }
        fst__row_write(run->kernels, run->to, row, c, n, piece);
    }
}

static void read_block(void *context, int64_t block, int32_t worker)
{
    const read_run *run = context;
    int64_t rows = fst__block_rows(run->to.columns), first = block * rows;
    (void)worker;
    for (int64_t r = first; r < first + rows && r < run->to.rows; ++r)
        read_row(run, r);
}

static void read_view(const fst_model *model, const fst_view *view, fst__matrix to)
{
    read_run run = {model->context->compute->kernels, view, to};
    fst__pool_run(model->context->compute->pool, fst__blocks(to.rows, fst__block_rows(to.columns)), read_block,
                  &run);
}

static fst_status spare(fst_model *model, int64_t rows, int64_t columns, fst__buffer *buffer,
                        fst__matrix *to)
{
    int32_t dtype = model->activations.hidden.dtype;
    fst_status status = want(model, buffer, rows, columns); /* a bfloat16 takes less than a real */
    *to = fst__matrix_of(buffer->data, rows, columns, dtype);
    return status;
}

fst_status fst__gradient_begin(fst_model *model, fst__matrix *to)
{
    *to = model->activations.d_normed;
    if (!model->has_gradient)
        return FST_OK;
    return spare(model, to->rows, to->columns, &model->outputs.spare, to);
}

typedef struct join_run {
    const fst__kernels *kernels;
    fst__matrix from, to;
} join_run;

static void join_row(const join_run *run, int64_t row)
{
    for (int64_t c = 0; c < run->to.columns; c += FST__CHUNK) {
        fst__real a[FST__CHUNK], b[FST__CHUNK], sum[FST__CHUNK];
        int64_t n = fst__chunk(run->to.columns, c);
        run->kernels->add(fst__row_read(run->kernels, run->to, row, c, n, a),
                          fst__row_read(run->kernels, run->from, row, c, n, b), sum, n);
        fst__row_write(run->kernels, run->to, row, c, n, sum);
    }
}

static void join_block(void *context, int64_t block, int32_t worker)
{
    const join_run *run = context;
    int64_t rows = fst__block_rows(run->to.columns), first = block * rows;
    (void)worker;
    for (int64_t r = first; r < first + rows && r < run->to.rows; ++r)
        join_row(run, r);
}

void fst__gradient_end(fst_model *model, fst__matrix from)
{
    const fst__compute *compute = model->context->compute;
    join_run run = {compute->kernels, from, model->activations.d_normed};
    if (from.data != run.to.data)
        fst__pool_run(compute->pool, fst__blocks(from.rows, fst__block_rows(from.columns)), join_block, &run);
    model->has_gradient = true;
}

/* Through the output layer, whose gradients are added to. */
static fst_status logits_gradient(fst_model *model, const output *o, const fst_view *gradient)
{
    fst__activations *a = &model->activations;
    fst__head_transform transform;
    fst__output_layer layer;
    fst__model_output_layer(model, true, &transform, &layer);
    size_t size = fst__output_layer_scratch(rows_of(o), a->hidden.columns, last(o),
                                            a->hidden.dtype, layer.transform != NULL);
    fst__matrix d_logits, to;
    fst_status status =
        spare(model, rows_of(o), last(o), &model->outputs.d_logits, &d_logits);
    if (!status)
        status = want(model, &model->outputs.d_logits_scratch,
                      (int64_t)(size / sizeof(fst__real) + 1), 1);
    if (!status)
        status = fst__gradient_begin(model, &to);
    if (status)
        return status;
    read_view(model, gradient, d_logits);
    fst__arena scratch = fst__arena_over(model->outputs.d_logits_scratch.data,
                                         model->outputs.d_logits_scratch.size * sizeof(fst__real));
    status = fst__output_layer_backward(model->context->compute, &layer, a->hidden, d_logits, to,
                                        &scratch);
    if (!status)
        fst__gradient_end(model, to);
    return status;
}

static fst_status hidden_gradient(fst_model *model, const fst_view *gradient)
{
    fst__matrix to;
    fst_status status = fst__gradient_begin(model, &to);
    if (status)
        return status;
    read_view(model, gradient, to);
    fst__gradient_end(model, to);
    return FST_OK;
}

/* Adds the caller's values to a buffer that is kept until backward. */
static fst_status keep_gradient(fst_model *model, const output *o, const fst_view *gradient,
                                fst__buffer *buffer, bool *pending)
{
    fst__buffer *fresh = *pending ? &model->outputs.spare : buffer;
    int64_t rows = rows_of(o), columns = last(o);
    fst_status status = want(model, fresh, rows, columns);
    if (status)
        return status;
    read_view(model, gradient, fst__matrix_of(fresh->data, rows, columns, FST__REAL_DTYPE));
    if (*pending)
        model->context->compute->kernels->add(buffer->data, fresh->data, buffer->data,
                                              rows * columns);
    *pending = true;
    return FST_OK;
}

fst_status fst__head_want_gradient(fst_model *model, fst__head *head, fst__real **gradient)
{
    int64_t rows = fst__head_rows(model, head), columns = head->options.outputs;
    if (model->phase != FST__PHASE_FORWARD)
        return fst__fail(FST_ERR_STATE, "a gradient of \"%s\" needs a training fst_model_forward "
                                        "before it, and no fst_model_backward between",
                         head->name);
    fst_status status = want(model, &head->gradient, rows, columns);
    if (status)
        return status;
    *gradient = head->gradient.data;
    if (!head->has_gradient)
        memset(*gradient, 0, (size_t)(rows * columns) * sizeof **gradient);
    head->has_gradient = true;
    return FST_OK;
}

fst_status fst__model_add_gradient(fst_model *model, const char *name, const fst_view *gradient)
{
    output o;
    fst_status status = find(model, name, &o);
    if (status)
        return status;
    if (model->phase != FST__PHASE_FORWARD)
        return fst__fail(FST_ERR_STATE, "a gradient of \"%s\" needs a training fst_model_forward "
                                        "before it, and no fst_model_backward between",
                         name);
    if ((o.kind == LOG_PROBABILITIES || o.kind == ENTROPY) && !model->has_targets)
        return fst__fail(FST_ERR_STATE, "a gradient of \"%s\": the last batch had no targets", name);
    status = check_gradient(&o, gradient);
    if (status)
        return status;
    if (o.kind == LOGITS)
        return logits_gradient(model, &o, gradient);
    if (o.kind == HIDDEN)
        return hidden_gradient(model, gradient);
    if (o.kind == HEAD)
        return keep_gradient(model, &o, gradient, &o.head->gradient, &o.head->has_gradient);
    if (o.kind == POOLED)
        return keep_gradient(model, &o, gradient, &model->outputs.d_pooled,
                             &model->outputs.has_d_pooled);
    if (o.kind == ENTROPY)
        return keep_gradient(model, &o, gradient, &model->outputs.d_entropies,
                             &model->outputs.has_d_entropies);
    return keep_gradient(model, &o, gradient, &model->outputs.d_log_probabilities,
                         &model->outputs.has_d_log_probabilities);
}

/* ---- the way back */

/* The loss head once more: a row's weight is that of its cross entropy, -log p. */
static fst_status distribution_backward(fst_model *model, bool with_input)
{
    fst__activations *a = &model->activations;
    int64_t tokens = a->rows * a->length;
    fst__buffer *weights = &model->outputs.d_log_probabilities;
    fst__matrix to;
    fst_status status = want(model, weights, tokens, 1);
    if (!status)
        status = fst__gradient_begin(model, &to);
    if (status)
        return status;
    if (model->outputs.has_d_log_probabilities)
        model->context->compute->kernels->scale(-1, weights->data, weights->data, tokens);
    else
        memset(weights->data, 0, (size_t)tokens * sizeof *weights->data);
    fst__loss_head settings = fst__model_distribution(model);
    settings.row_weights = weights->data;
    settings.row_entropies =
        model->outputs.has_d_entropies ? model->outputs.d_entropies.data : NULL;
    settings.gradient_scale = 1;
    fst__head_transform transform;
    fst__output_layer layer;
    fst__model_output_layer(model, true, &transform, &layer);
    fst__loss_result result;
    status = fst__loss_head_run(model->context->compute, &settings, &layer, a->hidden, NULL, NULL,
                                with_input ? &to : NULL, &a->scratch, &result);
    if (!status && !isfinite(result.loss))
        status = fst__fail(FST_ERR_NUMERIC, "the gradient given with respect to \"log_probabilities\" "
                                            "is not finite, or the logits are not");
    if (!status && with_input)
        fst__gradient_end(model, to);
    return status;
}

static bool given(const fst_model *model)
{
    bool any = model->has_loss || model->has_gradient || model->outputs.has_d_log_probabilities ||
               model->outputs.has_d_entropies || model->outputs.has_d_pooled;
    for (int32_t i = 0; i < model->head_count; ++i)
        any |= model->heads[i].has_gradient;
    return any;
}

fst_status fst__outputs_backward(fst_model *model, bool with_input)
{
    if (model->phase != FST__PHASE_FORWARD || !given(model))
        return fst__fail(FST_ERR_STATE,
                         "fst_model_backward needs a training fst_model_forward before it, and "
                         "fst_model_loss or a gradient, each time");
    model->phase = FST__PHASE_IDLE; /* once, also where it fails half way */
    fst_status status = FST_OK;
    if (model->outputs.has_d_log_probabilities || model->outputs.has_d_entropies)
        status = distribution_backward(model, with_input);
    fst__matrix d_normed = model->activations.d_normed;
    if (!model->has_gradient && with_input)
        memset(d_normed.data, 0, (size_t)(d_normed.rows * d_normed.columns) *
                                     fst__element_size(d_normed.dtype));
    for (int32_t i = 0; i < model->head_count && !status; ++i) {
        if (model->heads[i].has_gradient)
            status = fst__head_backward(model, &model->heads[i], with_input);
    }
    if (!status && model->outputs.has_d_pooled && (with_input || fst__pooler_trains(model)))
        status = fst__pooler_backward(model, with_input);
    return status;
}

void fst__outputs_destroy(fst_model *model)
{
    fst__buffer *const all[] = {
        &model->outputs.logits,          &model->outputs.hidden,
        &model->outputs.log_probabilities, &model->outputs.entropies,
        &model->outputs.d_log_probabilities, &model->outputs.d_entropies,
        &model->outputs.d_logits,        &model->outputs.d_logits_scratch,
        &model->outputs.spare,           &model->outputs.pooled,
        &model->outputs.pooler_sum,      &model->outputs.d_pooled,
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i)
        fst__free(&model->context->allocator, all[i]->data);
}
