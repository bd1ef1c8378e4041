#include "model/head_batch_norm.h"

#include "base/error.h"
#include "model/heads.h"

#include <stdio.h>
#include <string.h>

static bool is_last(const fst__head *head, int32_t layer)
{
    return layer == head->options.hidden_layers;
}

static int64_t columns_of(const fst__head *head, int32_t layer)
{
    return is_last(head, layer) ? head->options.outputs : head->options.hidden_size;
}

static fst__parameter *parameter(const fst_model *model, const fst__head *head, int32_t layer,
                                 const char *name)
{
    char what[32];
    snprintf(what, sizeof what, "norm.%d.%s", (int)layer, name);
    return fst__head_parameter(model, head, what);
}

static fst_status add(fst_model *model, const fst__head *head, int32_t layer, const char *name,
                      uint32_t flags, fst__real value)
{
    char full[FST__PARAMETER_NAME_SIZE];
    int64_t columns = columns_of(head, layer);
    snprintf(full, sizeof full, "heads.%s.norm.%d.%.12s", head->name, (int)layer, name);
    fst_status status = fst__parameters_add(&model->parameters, full, 1, columns, 1, flags);
    if (status)
        return status;
    fst__real *values = model->parameters.items[model->parameters.count - 1].value;
    for (int64_t c = 0; c < columns; ++c)
        values[c] = value;
    return FST_OK;
}

fst_status fst__head_batch_norm_add(fst_model *model, const fst__head *head, int32_t layer)
{
    const uint32_t buffer = FST__PARAMETER_FROZEN | FST__PARAMETER_BUFFER;
    fst_status status = FST_OK;
    if (!is_last(head, layer)) {
        status = add(model, head, layer, "weight", 0, 1);
        if (!status)
            status = add(model, head, layer, "bias", 0, 0);
    }
    if (!status)
        status = add(model, head, layer, "running_mean", buffer, 0);
    return status ? status : add(model, head, layer, "running_var", buffer, 1);
}

void fst__head_batch_norm_take(fst__arena *arena, int64_t columns, fst__head_batch_norm *out)
{
    out->mean = fst__arena_take(arena, (size_t)columns, sizeof *out->mean);
    out->rstd = fst__arena_take(arena, (size_t)columns, sizeof *out->rstd);
}

static fst__batch_norm norm_of(const fst_model *model, const fst__head *head, int32_t layer)
{
    bool last = is_last(head, layer);
    return (fst__batch_norm){
        .channels = columns_of(head, layer),
        .epsilon = (fst__real)head->options.norm_epsilon,
        .gamma = last ? NULL : fst__value_or_null(parameter(model, head, layer, "weight")),
        .beta = last ? NULL : fst__value_or_null(parameter(model, head, layer, "bias")),
    };
}

static bool norms_by_batch(const fst_model *model, const fst__head *head, int32_t layer)
{
    const fst__parameter *gate = is_last(head, layer) ? fst__head_weight(model, head)
                                                      : parameter(model, head, layer, "weight");
    return model->activations.training && !(gate->flags & FST__PARAMETER_FROZEN);
}

static fst_status too_small(void)
{
    return fst__fail(FST_ERR_INTERNAL, "head: scratch memory is too small");
}

fst_status fst__head_batch_norm_forward(const fst_model *model, const fst__head *head,
                                        int32_t layer, fst__matrix x, fst__head_batch_norm *state,
                                        fst__matrix y, fst__arena *scratch)
{
    const fst__compute *compute = model->context->compute;
    fst__batch_norm norm = norm_of(model, head, layer);
    fst__parameter *mean = parameter(model, head, layer, "running_mean");
    fst__parameter *variance = parameter(model, head, layer, "running_var");
    state->of_batch = norms_by_batch(model, head, layer);
    if (state->of_batch) {
        size_t mark = fst__arena_mark(scratch);
        fst__batch_sums sums;
        if (!fst__batch_sums_take(scratch, compute, x.rows, norm.channels, 0, &sums))
            return too_small();
        fst__batch_sums_gather(compute, &sums, x);
        fst__batch_norm_moments(compute, &norm, &sums, state->mean, state->rstd,
                                model->config.batch_norm_momentum,
                                head->moved ? NULL : mean->value,
                                head->moved ? NULL : variance->value);
        fst__arena_rewind(scratch, mark);
    } else {
        memcpy(state->mean, mean->value, (size_t)norm.channels * sizeof *state->mean);
        fst__batch_norm_running(&norm, variance->value, state->rstd);
    }
    fst__batch_norm_forward(compute, &norm, x, state->mean, state->rstd, NULL, false, y);
    return FST_OK;
}

fst_status fst__head_batch_norm_backward(fst_model *model, const fst__head *head, int32_t layer,
                                         fst__matrix x, const fst__head_batch_norm *state,
                                         fst__matrix d, fst__arena *scratch)
{
    fst__batch_norm norm = norm_of(model, head, layer);
    bool last = is_last(head, layer);
    fst__real *dgamma =
        last ? NULL : fst__gradient_or_null(parameter(model, head, layer, "weight"));
    fst__real *dbeta = last ? NULL : fst__gradient_or_null(parameter(model, head, layer, "bias"));
    bool done = fst__batch_norm_backward(model->context->compute, &norm, x, state->mean,
                                         state->rstd, state->of_batch, false, NULL, d, d, NULL,
                                         dgamma, dbeta, scratch);
    return done ? FST_OK : too_small();
}

size_t fst__head_batch_norm_scratch(int64_t rows, int64_t columns)
{
    fst__arena counting = fst__arena_counting();
    fst__batch_sums unused;
    fst__batch_sums_take(&counting, NULL, rows, columns, 0, &unused);
    size_t backward = fst__batch_norm_backward_scratch(rows, columns);
    return counting.peak > backward ? counting.peak : backward;
}
