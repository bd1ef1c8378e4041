/* A head's way through a batch: what it reads of the hidden states, its output, its gradients. */
#include "model/heads.h"

#include "base/error.h"
#include "kernels/rows.h"
#include "model/head_layers.h"
#include "model/head_plain.h"
#include "model/pooler.h"
#include "nn/linear.h"

#include <math.h>
#include <string.h>

/* ---- a head's input: what of the hidden states it sees, a row for each row of its output */

typedef struct input_run {
    const fst_model *model;
    const fst__head *head;
    const fst__kernels *kernels;
    fst__dropout dropout;
    fst__matrix to;     /* [R, C] the gradient of that */
    fst__matrix source; /* [R, C] the hidden states, or the pooler's output */
    fst__matrix input; /* [n, C] of the hidden states' type, or the real gradient of it */
} input_run;

fst__dropout fst__head_dropout(const fst_model *model, const fst__head *head, int32_t layer)
{
    uint64_t site = (uint64_t)1 << 22 | (uint64_t)layer << 8 | (uint64_t)(head - model->heads);
    bool on = model->activations.training && model->dropout;
    return (fst__dropout){
        .probability = on ? (fst__real)head->options.dropout : 0,
        .seed = model->context->seed,
        .step = (uint64_t)model->step,
        .first_index = site << 40,
    };
}

static input_run run_of(const fst_model *model, const fst__head *head)
{
    return (input_run){.model = model, .head = head,
                       .kernels = model->context->compute->kernels,
                       .dropout = fst__head_dropout(model, head, 0)};
}

static bool reads_hidden(const input_run *run)
{
    return run->head->options.kind == FST_HEAD_TOKEN && !fst__dropout_on(&run->dropout);
}

/* Its rows are the model's "pooled" output. */
static bool reads_pooler(const fst__head *head)
{
    return head->options.kind == FST_HEAD_SEQUENCE && head->options.pooling == FST_POOL_POOLER;
}

static bool is_max(const input_run *run)
{
    return run->head->options.kind == FST_HEAD_SEQUENCE &&
           run->head->options.pooling == FST_POOL_MAX;
}

/* The hidden states [*first, *first + returned) that row `index` of the output is made of. */
static int64_t pooled(const input_run *run, int64_t index, int64_t *first)
{
    const fst__activations *a = &run->model->activations;
    *first = index;
    if (run->head->options.kind == FST_HEAD_TOKEN || reads_pooler(run->head))
        return 1;
    int64_t length = a->row_lengths[index];
    *first = index * a->length;
    if (run->head->options.pooling == FST_POOL_MEAN || is_max(run) || length == 0)
        return length;
    if (run->head->options.pooling == FST_POOL_LAST)
        *first += length - 1;
    return 1;
}

/* largest[i] and at[i] (unless NULL) after position t; a NaN stays. */
static void keep_larger(const fst__real *h, fst__real *largest, int32_t *at, int32_t t, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        if (t > 0 && !(h[i] > largest[i] || isnan(h[i])))
            continue;
        largest[i] = h[i];
        if (at)
            at[i] = t;
    }
}

static void input_row(void *context, int64_t index, int32_t worker)
{
    const input_run *run = context;
    fst__matrix hidden = run->source;
    int64_t first, count = pooled(run, index, &first), width = hidden.columns;
    (void)worker;
    for (int64_t c = 0; c < width; c += FST__CHUNK) {
        int64_t n = fst__chunk(width, c);
        fst__real sum[FST__CHUNK], piece[FST__CHUNK];
        memset(sum, 0, (size_t)n * sizeof *sum);
        for (int64_t t = 0; t < count; ++t) {
            const fst__real *h = fst__row_read(run->kernels, hidden, first + t, c, n, piece);
            if (is_max(run))
                keep_larger(h, sum, NULL, (int32_t)t, n);
            else
                run->kernels->axpy((fst__real)(1.0 / (double)count), h, sum, n);
        }
        fst__dropout_row(run->kernels, &run->dropout, (uint64_t)(index * width + c), sum, sum, n);
        fst__row_write(run->kernels, run->input, index, c, n, sum);
    }
}

static fst_status take(fst__arena *scratch, int64_t rows, int64_t columns, int32_t dtype,
                       fst__matrix *out)
{
    void *data = fst__arena_take(scratch, (size_t)rows * (size_t)columns, fst__element_size(dtype));
    *out = fst__matrix_of(data, rows, columns, dtype);
    return data ? FST_OK : fst__fail(FST_ERR_INTERNAL, "head: scratch memory is too small");
}

/* The columns that the head reads of a matrix over the hidden states. */
static fst__matrix columns_of(const fst_model *model, const fst__head *head, fst__matrix all)
{
    return fst__matrix_columns(all, fst__head_first_column(model, head),
                               fst__head_width(model, head));
}

static fst_status gather_input(input_run *run, fst__arena *scratch)
{
    fst__matrix hidden = columns_of(run->model, run->head, run->model->activations.hidden);
    int64_t rows = fst__head_rows(run->model, run->head);
    if (reads_hidden(run)) {
        run->input = hidden;
        return FST_OK;
    }
    run->source = hidden;
    if (reads_pooler(run->head))
        run->source = fst__matrix_of(run->model->outputs.pooled.data, rows, hidden.columns,
                                     FST__REAL_DTYPE);
    fst_status status = take(scratch, rows, hidden.columns, hidden.dtype, &run->input);
    if (!status)
        fst__pool_run(run->model->context->compute->pool, rows, input_row, run);
    return status;
}

/* What the last product gives where a batch norm stands behind it. */
typedef struct last_state {
    fst__matrix product; /* [n, K] */
    fst__head_batch_norm norm;
} last_state;

static void take_last(const fst_head_options *o, int64_t rows, fst__arena *arena, last_state *out)
{
    void *data = fst__arena_take(arena, (size_t)rows * (size_t)o->outputs, sizeof(fst__real));
    out->product = fst__matrix_of(data, rows, o->outputs, FST__REAL_DTYPE);
    fst__head_batch_norm_take(arena, o->outputs, &out->norm);
}

size_t fst__heads_scratch(const fst_model *model, int64_t rows, int64_t length, bool training)
{
    size_t most = 0;
    int32_t dtype = model->options.dtype == FST_BF16 ? FST_BF16 : FST__REAL_DTYPE;
    for (int32_t i = 0; i < model->head_count; ++i) {
        const fst_head_options *o = &model->heads[i].options;
        if (fst__head_is_plain(model, &model->heads[i])) {
            size_t plain = fst__head_plain_scratch(model, &model->heads[i]);
            most = plain > most ? plain : most;
            continue;
        }
        int64_t n = o->kind == FST_HEAD_TOKEN ? rows * length : rows;
        int64_t width = fst__head_width(model, &model->heads[i]);
        int64_t features = o->hidden_layers ? o->hidden_size : width;
        fst__arena counting = fst__arena_counting();
        fst__arena_take(&counting, (size_t)n * (size_t)width, fst__element_size(dtype));
        fst__head_layer layers[FST__HEAD_LAYERS_MOST];
        fst__head_layers_take(o, n, dtype, &counting, layers);
        if (o->batch_norm) {
            take_last(o, n, &counting, &(last_state){0});
            fst__arena_take(&counting, (size_t)n * (size_t)o->outputs, sizeof(fst__real));
            fst__arena_take(&counting, fst__head_batch_norm_scratch(n, o->outputs), 1);
        }
        if (training) {
            fst__arena_take(&counting, (size_t)n * (size_t)features, sizeof(fst__real));
            fst__arena_take(&counting, (size_t)n * (size_t)o->outputs, fst__element_size(dtype));
            size_t last = fst__linear_backward_scratch(n, o->outputs);
            size_t before = fst__head_layers_scratch(o, n, width, dtype);
            fst__arena_take(&counting, last > before ? last : before, 1);
        } else if (o->batch_norm && o->hidden_layers) {
            fst__arena_take(&counting, fst__head_batch_norm_scratch(n, o->hidden_size), 1);
        }
        most = counting.peak > most ? counting.peak : most;
    }
    return most;
}

/* ---- forward and backward */

/* What the last layer reads, [n, C or H], with all that a backward needs, in scratch. */
static fst_status features_of(input_run *run, fst__arena *scratch, fst__head_layer *layers,
                              fst__matrix *features)
{
    fst_status status = gather_input(run, scratch);
    if (status)
        return status;
    return fst__head_layers_forward(run->model, run->head, run->input, scratch, layers, features);
}

/* The last product, into `output` [n, K], and the batch norm behind it. */
static fst_status last_forward(fst_model *model, const fst__head *head, fst__matrix features,
                               fst__matrix output, last_state *state, fst__arena *scratch)
{
    const fst_head_options *o = &head->options;
    if (o->batch_norm) {
        take_last(o, features.rows, scratch, state);
        if (scratch->overflow)
            return fst__fail(FST_ERR_INTERNAL, "head: scratch memory is too small");
    }
    fst_status status = fst__linear_forward(
        model->context->compute, features, fst__weight_matrix(fst__head_weight(model, head)),
        fst__value_or_null(fst__head_bias(model, head)), o->batch_norm ? state->product : output);
    if (status || !o->batch_norm)
        return status;
    return fst__head_batch_norm_forward(model, head, o->hidden_layers, state->product, &state->norm,
                                        output, scratch);
}

fst_status fst__head_forward(fst_model *model, fst__head *head)
{
    int64_t rows = fst__head_rows(model, head);
    fst_status status = fst__buffer_want(&model->context->allocator, &head->output,
                                         (size_t)(rows * head->options.outputs));
    if (status)
        return status;
    if (fst__head_is_plain(model, head))
        return fst__head_plain_forward(model, head);
    fst__arena *scratch = &model->activations.scratch;
    size_t mark = fst__arena_mark(scratch);
    input_run run = run_of(model, head);
    fst__head_layer layers[FST__HEAD_LAYERS_MOST];
    fst__matrix features;
    last_state last;
    if (reads_pooler(head))
        status = fst__pooler_forward(model);
    if (!status)
        status = features_of(&run, scratch, layers, &features);
    if (!status)
        status = last_forward(
            model, head, features,
            fst__matrix_of(head->output.data, rows, head->options.outputs, FST__REAL_DTYPE), &last,
            scratch);
    head->moved = head->moved || (!status && model->activations.training);
    fst__arena_rewind(scratch, mark);
    return status;
}

static void add_to_row(const input_run *run, int64_t row, int64_t c, int64_t n, fst__real factor,
                       const fst__real *given)
{
    fst__matrix to = run->to;
    fst__real piece[FST__CHUNK], sum[FST__CHUNK];
    memcpy(sum, fst__row_read(run->kernels, to, row, c, n, piece), (size_t)n * sizeof *sum);
    run->kernels->axpy(factor, given, sum, n);
    fst__row_write(run->kernels, to, row, c, n, sum);
}

/* Of each feature to the position that was the largest. */
static void spread_largest(const input_run *run, int64_t first, int64_t count, int64_t c, int64_t n,
                           const fst__real *given)
{
    fst__matrix hidden = columns_of(run->model, run->head, run->model->activations.hidden);
    fst__real largest[FST__CHUNK], piece[FST__CHUNK];
    int32_t at[FST__CHUNK] = {0};
    for (int64_t t = 0; t < count; ++t)
        keep_larger(fst__row_read(run->kernels, hidden, first + t, c, n, piece), largest, at,
                    (int32_t)t, n);
    for (int64_t t = 0; t < count; ++t) {
        for (int64_t i = 0; i < n; ++i)
            piece[i] = at[i] == t ? given[i] : 0;
        add_to_row(run, first + t, c, n, 1, piece);
    }
}

/* Adds the gradient of one row of the input to the hidden states it was made of. */
static void spread_row(void *context, int64_t index, int32_t worker)
{
    const input_run *run = context;
    int64_t first, count = pooled(run, index, &first);
    int64_t width = run->to.columns;
    (void)worker;
    for (int64_t c = 0; c < width; c += FST__CHUNK) {
        int64_t n = fst__chunk(width, c);
        fst__real given[FST__CHUNK];
        fst__dropout_row(run->kernels, &run->dropout, (uint64_t)(index * width + c),
                         fst__matrix_at(run->input, index, c), given, n);
        if (is_max(run)) {
            spread_largest(run, first, count, c, n, given);
            continue;
        }
        for (int64_t t = 0; t < count; ++t)
            add_to_row(run, first + t, c, n, (fst__real)(1.0 / (double)count), given);
    }
}

/* The gradient as products read it: in the type of the hidden states. */
static fst_status gradient_matrix(fst_model *model, fst__matrix d, fst__arena *scratch,
                                  fst__matrix *dy)
{
    *dy = d;
    if (model->activations.hidden.dtype != FST_BF16)
        return FST_OK;
    fst_status status = take(scratch, d.rows, d.columns, FST_BF16, dy);
    if (!status)
        model->context->compute->kernels->to_bf16(d.data, dy->data, d.rows * d.columns);
    return status;
}

/* From the gradient of the output, which is overwritten, to that of the last product. */
static fst_status last_norm_backward(fst_model *model, fst__head *head, fst__matrix features,
                                     fst__matrix d, fst__arena *scratch)
{
    last_state state;
    fst__matrix again;
    size_t mark = fst__arena_mark(scratch);
    fst_status status = take(scratch, d.rows, d.columns, FST__REAL_DTYPE, &again);
    if (!status)
        status = last_forward(model, head, features, again, &state, scratch);
    if (!status)
        status = fst__head_batch_norm_backward(model, head, head->options.hidden_layers,
                                               state.product, &state.norm, d, scratch);
    head->moved = true;
    fst__arena_rewind(scratch, mark);
    return status;
}

/* The last layer's, and the gradient of what it reads unless `dx` is NULL. */
static fst_status last_backward(fst_model *model, fst__head *head, fst__matrix features,
                                fst__matrix *dx, fst__arena *scratch)
{
    fst__parameter *weight = fst__head_weight(model, head);
    fst__matrix dy, d = fst__matrix_of(head->gradient.data, fst__head_rows(model, head),
                                       head->options.outputs, FST__REAL_DTYPE);
    fst_status status = FST_OK;
    if (head->options.batch_norm)
        status = last_norm_backward(model, head, features, d, scratch);
    if (!status && dx)
        status = take(scratch, features.rows, weight->columns, FST__REAL_DTYPE, dx);
    size_t mark = fst__arena_mark(scratch);
    if (!status)
        status = gradient_matrix(model, d, scratch, &dy);
    if (!status)
        status = fst__linear_backward(model->context->compute, features,
                                      fst__weight_matrix(weight), dy, dx,
                                      fst__gradient_or_null(weight),
                                      fst__gradient_or_null(fst__head_bias(model, head)), scratch);
    fst__arena_rewind(scratch, mark);
    return status;
}

/* What a head's input is made of, and whether its gradient is wanted. */
static fst_status prepare_input(fst_model *model, const fst__head *head, input_run *run,
                                bool *with_input)
{
    run->to = columns_of(model, head, model->activations.d_normed);
    if (!reads_pooler(head))
        return FST_OK;
    *with_input = *with_input || fst__pooler_trains(model);
    fst_status status = fst__pooler_forward(model);
    if (!status && *with_input)
        status = fst__pooler_want_gradient(model);
    run->to = fst__matrix_of(model->outputs.d_pooled.data, model->activations.rows,
                             model->config.width, FST__REAL_DTYPE);
    return status;
}

fst_status fst__head_backward(fst_model *model, fst__head *head, bool with_input)
{
    if (fst__head_is_plain(model, head))
        return fst__head_plain_backward(model, head, with_input);
    fst__arena *scratch = &model->activations.scratch;
    size_t mark = fst__arena_mark(scratch);
    input_run run = run_of(model, head);
    fst__head_layer layers[FST__HEAD_LAYERS_MOST];
    fst__matrix features, dx;
    fst_status status = prepare_input(model, head, &run, &with_input);
    bool further = with_input || head->options.hidden_layers;
    if (!status)
        status = features_of(&run, scratch, layers, &features);
    if (!status)
        status = last_backward(model, head, features, further ? &dx : NULL, scratch);
    if (!status && head->options.hidden_layers)
        status = fst__head_layers_backward(model, head, layers, &dx, with_input, scratch);
    if (!status && with_input) {
        run.input = dx;
        fst__pool_run(model->context->compute->pool, dx.rows, spread_row, &run);
    }
    fst__arena_rewind(scratch, mark);
    return status;
}

/* ---- pooling without a head */

/* A head of which only the input is wanted. */
static fst__head pooling_head(int32_t pooling)
{
    return (fst__head){.options = {.kind = FST_HEAD_SEQUENCE, .pooling = pooling}};
}

static input_run pooling_run(const fst_model *model, const fst__head *head, fst__real *data)
{
    int64_t rows = fst__head_rows(model, head);
    return (input_run){.model = model,
                       .head = head,
                       .kernels = model->context->compute->kernels,
                       .source = model->activations.hidden,
                       .to = model->activations.d_normed,
                       .input = fst__matrix_of(data, rows, model->config.width, FST__REAL_DTYPE)};
}

fst_status fst__model_pool(fst_model *model, int32_t pooling, fst__real *out)
{
    const fst__head head = pooling_head(pooling);
    input_run run = pooling_run(model, &head, out);
    if (!model->has_output)
        return fst__fail(FST_ERR_STATE, "pooling needs a forward before it");
    fst__pool_run(model->context->compute->pool, run.input.rows, input_row, &run);
    return FST_OK;
}

fst_status fst__model_pool_gradient(fst_model *model, int32_t pooling, fst__real *gradient)
{
    const fst__head head = pooling_head(pooling);
    input_run run = pooling_run(model, &head, gradient);
    fst__matrix to = model->activations.d_normed;
    if (model->phase != FST__PHASE_FORWARD)
        return fst__fail(FST_ERR_STATE, "a gradient needs a training forward before it");
    if (!model->has_gradient)
        memset(to.data, 0, (size_t)(to.rows * to.columns) * fst__element_size(to.dtype));
    model->has_gradient = true;
    fst__pool_run(model->context->compute->pool, run.input.rows, spread_row, &run);
    return FST_OK;
}
