#include "model/heads.h"

#include "base/error.h"
#include "kernels/rows.h"
#include "model/transformer.h"
#include "nn/linear.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

fst_head_options fst__head_defaults(void)
{
    return (fst_head_options){
        .struct_size = sizeof(fst_head_options), .outputs = 1, .bias = 1, .init_std = 0.02};
}

/* ---- adding one */

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_head_options.%s: expected %s", field, expected);
}

static bool is_name(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    return length > 0 && length < FST__HEAD_NAME_SIZE &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static fst_status check_name(fst_model *model, const char *name)
{
    static const char *const taken[] = {"logits", "hidden", "log_probabilities", "entropy"};
    if (!is_name(name))
        return bad("name", "1 to 31 of a-z, 0-9 and _");
    bool is_taken = fst__head_find(model, name) != NULL;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; ++i)
        is_taken |= strcmp(name, taken[i]) == 0;
    if (is_taken)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_head_options.name: the model has an output \"%s\" already", name);
    return FST_OK;
}

static fst_status check(fst_model *model, const fst_head_options *o)
{
    fst_status status = check_name(model, o->name);
    if (status)
        return status;
    if (o->kind != FST_HEAD_SEQUENCE && o->kind != FST_HEAD_TOKEN)
        return bad("kind", "an FST_HEAD_ value");
    if (o->pooling < FST_POOL_LAST || o->pooling > FST_POOL_MEAN)
        return bad("pooling", "an FST_POOL_ value");
    if (o->outputs < 1 || o->outputs > INT32_MAX)
        return bad("outputs", "at least 1");
    if (o->bias != 0 && o->bias != 1)
        return bad("bias", "0 or 1");
    if (!(o->init_std >= 0 && isfinite(o->init_std)))
        return bad("init_std", "a finite value ≥ 0");
    if (!(o->dropout >= 0 && o->dropout < 1))
        return bad("dropout", "0 ≤ p < 1");
    if (model->head_count == FST__HEAD_MOST)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "the model has %d heads, no more fit",
                         FST__HEAD_MOST);
    if (model->optimizers)
        return fst__fail(FST_ERR_STATE, "a head cannot be added while an optimizer of the model lives");
    return FST_OK;
}

static void parameter_name(const fst__head *head, const char *what,
                           char name[FST__PARAMETER_NAME_SIZE])
{
    snprintf(name, FST__PARAMETER_NAME_SIZE, "heads.%s.%s", head->name, what);
}

fst_status fst__model_add_head(fst_model *model, const fst_head_options *options, bool initialise)
{
    fst_status status = check(model, options);
    if (status)
        return status;
    fst__head *head = &model->heads[model->head_count];
    *head = (fst__head){.options = *options};
    snprintf(head->name, sizeof head->name, "%s", options->name);
    head->options.name = head->name;
    head->options.struct_size = sizeof head->options;
    fst__parameters *p = &model->parameters;
    int64_t before = p->count;
    char name[FST__PARAMETER_NAME_SIZE];
    parameter_name(head, "weight", name);
    status = fst__parameters_add(p, name, options->outputs, model->config.width, 2,
                                 FST__PARAMETER_DECAY);
    if (!status && options->bias) {
        parameter_name(head, "bias", name);
        status = fst__parameters_add(p, name, 1, options->outputs, 1, 0);
    }
    if (status) {
        fst__parameters_remove(p, before, p->count - before);
        return status;
    }
    /* Numbered apart from the backbone's, whose number is their place. */
    if (initialise)
        fst__parameters_draw(p, model->context->compute, before, options->init_std,
                             model->context->seed, (uint64_t)1 << 32 | (uint64_t)model->head_count);
    ++model->head_count;
    fst__model_forget_forward(model);
    return FST_OK;
}

fst__head *fst__head_find(fst_model *model, const char *name)
{
    for (int32_t i = 0; i < model->head_count; ++i) {
        if (strcmp(model->heads[i].name, name) == 0)
            return &model->heads[i];
    }
    return NULL;
}

fst__parameter *fst__head_weight(const fst_model *model, const fst__head *head)
{
    char name[FST__PARAMETER_NAME_SIZE];
    parameter_name(head, "weight", name);
    return fst__parameters_find(&model->parameters, name);
}

fst__parameter *fst__head_bias(const fst_model *model, const fst__head *head)
{
    char name[FST__PARAMETER_NAME_SIZE];
    parameter_name(head, "bias", name);
    return head->options.bias ? fst__parameters_find(&model->parameters, name) : NULL;
}

void fst__heads_destroy(fst_model *model)
{
    for (int32_t i = 0; i < model->head_count; ++i) {
        fst__free(&model->context->allocator, model->heads[i].output.data);
        fst__free(&model->context->allocator, model->heads[i].gradient.data);
    }
    model->head_count = 0;
}

/* ---- a head's input: what of the hidden states it sees, a row for each row of its output */

typedef struct input_run {
    const fst_model *model;
    const fst__head *head;
    const fst__kernels *kernels;
    fst__dropout dropout;
    fst__matrix input; /* [n, C] of the hidden states' type, or the real gradient of it */
} input_run;

/* Masks of a head lie behind those of the blocks. */
static fst__dropout dropout_of(const fst_model *model, const fst__head *head)
{
    uint64_t site = (uint64_t)1 << 22 | (uint64_t)(head - model->heads);
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
                       .dropout = dropout_of(model, head)};
}

static bool reads_hidden(const input_run *run)
{
    return run->head->options.kind == FST_HEAD_TOKEN && !fst__dropout_on(&run->dropout);
}

/* The hidden states [*first, *first + returned) that row `index` of the output is made of. */
static int64_t pooled(const input_run *run, int64_t index, int64_t *first)
{
    const fst__activations *a = &run->model->activations;
    *first = index;
    if (run->head->options.kind == FST_HEAD_TOKEN)
        return 1;
    int64_t length = a->row_lengths[index];
    *first = index * a->length;
    if (run->head->options.pooling == FST_POOL_MEAN || length == 0)
        return length;
    if (run->head->options.pooling == FST_POOL_LAST)
        *first += length - 1;
    return 1;
}

static void input_row(void *context, int64_t index, int32_t worker)
{
    const input_run *run = context;
    fst__matrix hidden = run->model->activations.hidden;
    int64_t first, count = pooled(run, index, &first), width = hidden.columns;
    (void)worker;
    for (int64_t c = 0; c < width; c += FST__CHUNK) {
        int64_t n = fst__chunk(width, c);
        fst__real sum[FST__CHUNK], piece[FST__CHUNK];
        memset(sum, 0, (size_t)n * sizeof *sum);
        for (int64_t t = 0; t < count; ++t)
            run->kernels->axpy((fst__real)(1.0 / (double)count),
                               fst__row_read(run->kernels, hidden, first + t, c, n, piece), sum, n);
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

static fst_status gather_input(input_run *run, fst__arena *scratch)
{
    fst__matrix hidden = run->model->activations.hidden;
    int64_t rows = fst__head_rows(run->model, run->head);
    if (reads_hidden(run)) {
        run->input = hidden;
        return FST_OK;
    }
    fst_status status = take(scratch, rows, hidden.columns, hidden.dtype, &run->input);
    if (!status)
        fst__pool_run(run->model->context->compute->pool, rows, input_row, run);
    return status;
}

size_t fst__heads_scratch(const fst_model *model, int64_t rows, int64_t length, bool training)
{
    size_t most = 0;
    int32_t dtype = model->options.dtype == FST_BF16 ? FST_BF16 : FST__REAL_DTYPE;
    for (int32_t i = 0; i < model->head_count; ++i) {
        const fst_head_options *o = &model->heads[i].options;
        int64_t n = o->kind == FST_HEAD_TOKEN ? rows * length : rows;
        fst__arena counting = fst__arena_counting();
        fst__arena_take(&counting, (size_t)n * (size_t)model->config.width, fst__element_size(dtype));
        if (training) {
            fst__arena_take(&counting, (size_t)n * (size_t)model->config.width, sizeof(fst__real));
            fst__arena_take(&counting, (size_t)n * (size_t)o->outputs, fst__element_size(dtype));
            fst__arena_take(&counting, fst__linear_backward_scratch(n, o->outputs), 1);
        }
        most = counting.peak > most ? counting.peak : most;
    }
    return most;
}

/* ---- forward and backward */

fst_status fst__head_forward(fst_model *model, fst__head *head)
{
    int64_t rows = fst__head_rows(model, head);
    fst_status status = fst__buffer_want(&model->context->allocator, &head->output,
                                         (size_t)(rows * head->options.outputs));
    if (status)
        return status;
    fst__arena *scratch = &model->activations.scratch;
    size_t mark = fst__arena_mark(scratch);
    input_run run = run_of(model, head);
    status = gather_input(&run, scratch);
    if (!status)
        status = fst__linear_forward(
            model->context->compute, run.input, fst__weight_matrix(fst__head_weight(model, head)),
            fst__value_or_null(fst__head_bias(model, head)),
            fst__matrix_of(head->output.data, rows, head->options.outputs, FST__REAL_DTYPE));
    fst__arena_rewind(scratch, mark);
    return status;
}

/* Adds the gradient of one row of the input to the hidden states it was made of. */
static void spread_row(void *context, int64_t index, int32_t worker)
{
    const input_run *run = context;
    fst__matrix to = run->model->activations.d_normed;
    int64_t first, count = pooled(run, index, &first), width = to.columns;
    (void)worker;
    for (int64_t c = 0; c < width; c += FST__CHUNK) {
        int64_t n = fst__chunk(width, c);
        fst__real given[FST__CHUNK], piece[FST__CHUNK], sum[FST__CHUNK];
        fst__dropout_row(run->kernels, &run->dropout, (uint64_t)(index * width + c),
                         fst__matrix_at(run->input, index, c), given, n);
        for (int64_t t = 0; t < count; ++t) {
            const fst__real *old = fst__row_read(run->kernels, to, first + t, c, n, piece);
            memcpy(sum, old, (size_t)n * sizeof *sum);
            run->kernels->axpy((fst__real)(1.0 / (double)count), given, sum, n);
            fst__row_write(run->kernels, to, first + t, c, n, sum);
        }
    }
}

/* The gradient as products read it: in the type of the hidden states. */
static fst_status gradient_matrix(fst_model *model, const fst__head *head, fst__arena *scratch,
                                  fst__matrix *dy)
{
    int64_t rows = fst__head_rows(model, head), outputs = head->options.outputs;
    *dy = fst__matrix_of(head->gradient.data, rows, outputs, FST__REAL_DTYPE);
    if (model->activations.hidden.dtype != FST_BF16)
        return FST_OK;
    fst_status status = take(scratch, rows, outputs, FST_BF16, dy);
    if (!status)
        model->context->compute->kernels->to_bf16(head->gradient.data, dy->data, rows * outputs);
    return status;
}

fst_status fst__head_backward(fst_model *model, fst__head *head, bool with_input)
{
    const fst__compute *compute = model->context->compute;
    fst__arena *scratch = &model->activations.scratch;
    fst__parameter *weight = fst__head_weight(model, head);
    int64_t rows = fst__head_rows(model, head);
    size_t mark = fst__arena_mark(scratch);
    input_run run = run_of(model, head);
    fst__matrix dy, dx = {0};
    fst_status status = gather_input(&run, scratch);
    if (!status)
        status = gradient_matrix(model, head, scratch, &dy);
    if (!status && with_input)
        status = take(scratch, rows, weight->columns, FST__REAL_DTYPE, &dx);
    if (!status)
        status = fst__linear_backward(compute, run.input, fst__weight_matrix(weight), dy,
                                      with_input ? &dx : NULL, fst__gradient_or_null(weight),
                                      fst__gradient_or_null(fst__head_bias(model, head)), scratch);
    if (!status && with_input) {
        run.input = dx;
        fst__pool_run(compute->pool, rows, spread_row, &run);
    }
    fst__arena_rewind(scratch, mark);
    return status;
}
