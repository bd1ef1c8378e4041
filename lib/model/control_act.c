/* A control policy at work: acting, and the worth of actions with its gradient. */
#include "model/control_policy.h"

#include "base/checked.h"
#include "base/error.h"
#include "model/heads.h"
#include "model/policy.h"

#include <math.h>
#include <string.h>

/* ---- memory */

static fst_status want(fst_policy *policy, fst__control_block *block, int64_t count, size_t bytes)
{
    size_t size;
    if (!fst__mul_size((size_t)count, bytes, &size))
        return fst__fail(FST_ERR_NO_MEMORY, "%lld rows are too many", (long long)count);
    if (size <= block->bytes)
        return FST_OK;
    fst__allocator *allocator = &policy->model->context->allocator;
    fst__free(allocator, block->data);
    block->bytes = 0;
    block->data = fst__alloc(allocator, size);
    if (!block->data)
        return FST_ERR_NO_MEMORY;
    block->bytes = size;
    return FST_OK;
}

/* Rows that are what the model reads. */
static bool reads_rows(const fst__control_policy *control)
{
    return control->observations.kind == FST_SPACE_BOX && control->observations.dtype == FST_F32 &&
           control->options.window == 1;
}

static fst_status want_input(fst_policy *policy, int64_t count)
{
    fst__control_policy *control = policy->control;
    if (reads_rows(control))
        return FST_OK;
    return want(policy, &control->input, count,
                (size_t)(control->options.window * control->inputs) * sizeof(float));
}

static fst_status want_outputs(fst_policy *policy, int64_t count, bool training)
{
    fst_model *model = policy->model;
    static const char *const names[] = {"policy", "value", "log_std"};
    fst_status status = FST_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && !status; ++i) {
        fst__head *head = fst__head_find(model, names[i]);
        if (!head)
            continue;
        size_t size = (size_t)(count * head->options.outputs);
        status = fst__buffer_want(&model->context->allocator, &head->output, size);
        if (!status && training)
            status = fst__buffer_want(&model->context->allocator, &head->gradient, size);
    }
    return status;
}

static fst_status want_backward(fst_policy *policy, int64_t count)
{
    fst__control_policy *control = policy->control;
    fst__allocator *allocator = &policy->model->context->allocator;
    size_t parameters = (size_t)control->distribution.parameters;
    fst_status status = want(policy, &control->kept_actions, count, control->action_bytes);
    if (!status && control->choices)
        status = want(policy, &control->kept_masks, count, (size_t)control->choices);
    if (!status)
        status = fst__buffer_want(allocator, &control->d_parameters, (size_t)count * parameters);
    if (!status && control->distribution.kind == FST__GAUSSIAN)
        status = fst__buffer_want(allocator, &control->d_log_std, parameters);
    return status;
}

fst_status fst__control_reserve(fst_policy *policy, int64_t act_count, int64_t train_count)
{
    int64_t window = policy->control->options.window;
    fst_status status = want_input(policy, act_count > train_count ? act_count : train_count);
    policy->control->pending.count = 0;
    if (!status && act_count > 0)
        status = want_outputs(policy, act_count, false);
    if (!status && act_count > 0)
        status = fst__model_reserve(policy->model, act_count, window, false, NULL);
    if (!status && train_count > 0)
        status = want_outputs(policy, train_count, true);
    if (!status && train_count > 0)
        status = want_backward(policy, train_count);
    if (!status && train_count > 0)
        status = fst__model_reserve(policy->model, train_count, window, true, NULL);
    return status;
}

/* ---- the model */

/* Rows of windows as the model reads them; what does not hold is zero. */
static const float *input_of(fst__control_policy *control, const void *rows, const int32_t *lengths,
                             int64_t count)
{
    if (reads_rows(control))
        return rows;
    int64_t window = control->options.window;
    float *input = control->input.data;
    if (!lengths) {
        fst__control_expand(control, rows, count * window, input);
        return input;
    }
    for (int64_t i = 0; i < count; ++i) {
        const char *from = (const char *)rows + (size_t)(i * window) * control->row_bytes;
        float *to = input + i * window * control->inputs;
        int64_t held = lengths[i] * control->inputs;
        fst__control_expand(control, from, lengths[i], to);
        memset(to + held, 0, (size_t)(window * control->inputs - held) * sizeof *to);
    }
    return input;
}

static fst_status forward(fst_policy *policy, const void *rows, const int32_t *lengths,
                          int64_t count, bool training)
{
    fst__control_policy *control = policy->control;
    control->pending.count = 0;
    fst_status status = want_input(policy, count);
    if (status)
        return status;
    int64_t window = control->options.window;
    const float *input = input_of(control, rows, lengths, count);
    fst_batch batch = {
        .struct_size = sizeof batch,
        .rows = count,
        .length = window,
        .lengths = window > 1 ? lengths : NULL,
        .images = control->images ? input : NULL,
        .observations = control->images ? NULL : input,
    };
    fst_forward_options options = fst__forward_defaults();
    options.mode = training ? FST_FORWARD_TRAIN : FST_FORWARD_EVALUATE;
    options.dropout = 0; /* a ratio of probabilities is of the same network */
    return fst__model_forward_with(policy->model, &batch, &options);
}

static fst_status output(fst_policy *policy, const char *name, const fst__real **data)
{
    fst_view view;
    fst_status status = fst__model_output(policy->model, name, &view);
    *data = status ? NULL : view.data;
    return status;
}

static fst_status distribution_rows(fst_policy *policy, const uint8_t *masks, int64_t count,
                                    fst__distribution_rows *rows)
{
    *rows = (fst__distribution_rows){.masks = masks, .count = count};
    fst_status status = output(policy, "policy", &rows->parameters);
    if (!status && policy->control->distribution.kind == FST__GAUSSIAN)
        status = output(policy, "log_std", &rows->log_std);
    return status;
}

static fst_status read_values(fst_policy *policy, int64_t count, fst__real *values)
{
    const fst__real *found;
    fst_status status = values ? output(policy, "value", &found) : FST_OK;
    if (status || !values)
        return status;
    memcpy(values, found, (size_t)count * sizeof *values);
    for (int64_t r = 0; r < count; ++r) {
        if (!isfinite(values[r]))
            return fst__fail(FST_ERR_NUMERIC, "the value of row %lld is not finite", (long long)r);
    }
    return FST_OK;
}

static fst_status check_distribution(const fst__control_policy *control,
                                     const fst__distribution_rows *rows)
{
    int64_t row = fst__distribution_not_a_number(&control->distribution, rows);
    if (row < 0)
        return FST_OK;
    return fst__fail(FST_ERR_NUMERIC, "the model's output \"policy\" is no distribution in row %lld",
                     (long long)row);
}

/* ---- acting */

fst_status fst__control_act(fst_policy *policy, const void *rows, const int32_t *lengths,
                            const uint8_t *masks, int64_t count, const fst__distribution_draw *draw,
                            void *actions, fst__real *log_probabilities, fst__real *values)
{
    fst__control_policy *control = policy->control;
    fst__distribution_rows distributions;
    fst_status status =
        fst__distribution_check(&control->distribution, masks, NULL, count, "acting");
    if (!status)
        status = forward(policy, rows, lengths, count, false);
    if (!status)
        status = read_values(policy, count, values);
    if (status || !actions)
        return status;
    status = distribution_rows(policy, masks, count, &distributions);
    if (!status)
        status = check_distribution(control, &distributions);
    if (status)
        return status;
    fst__distribution_sample(&control->distribution, &distributions, draw, actions);
    if (log_probabilities)
        fst__distribution_evaluate(&control->distribution, &distributions, actions,
                                   log_probabilities, NULL);
    return FST_OK;
}

/* The windows that the rows just encoded belong to. */
static fst_status remember(fst_policy *policy, int64_t count, const uint8_t *begins)
{
    fst__control_policy *control = policy->control;
    fst_status status = FST_OK;
    if (control->history.count != count) {
        fst__control_history_destroy(&control->history);
        status = fst__control_history_create(&policy->model->context->allocator, policy, count,
                                             &control->history);
    }
    if (!status)
        fst__control_history_push(&control->history, control->encoded.data, begins);
    return status;
}

fst_status fst__control_act_on(fst_policy *policy, const void *observations, int64_t count,
                               const fst_act_options *options, void *actions,
                               fst__real *log_probabilities, fst__real *values)
{
    fst__control_policy *control = policy->control;
    fst_status status = want(policy, &control->encoded, count, control->row_bytes);
    if (!status)
        status = fst__control_encode(policy, observations, count, control->encoded.data);
    if (status)
        return status;
    const void *rows = control->encoded.data;
    const int32_t *lengths = NULL;
    if (control->options.window > 1) {
        status = remember(policy, count, options->begins);
        if (status)
            return status;
        rows = control->history.rows;
        lengths = control->history.lengths;
    }
    fst__distribution_draw draw = {(uint64_t)options->seed, (uint64_t)options->step, 0,
                                   options->deterministic != 0};
    return fst__control_act(policy, rows, lengths, options->masks, count, &draw, actions,
                            log_probabilities, values);
}

/* ---- what actions are worth */

/* So that nothing of the caller's has to stay. */
static fst_status keep(fst_policy *policy, const fst__control_steps *steps,
                       const fst__distribution_rows *rows)
{
    fst__control_policy *control = policy->control;
    fst_status status = want_backward(policy, steps->count);
    if (status)
        return status;
    memcpy(control->kept_actions.data, steps->actions,
           (size_t)steps->count * control->action_bytes);
    control->pending = *rows;
    if (steps->masks) {
        memcpy(control->kept_masks.data, steps->masks,
               (size_t)(steps->count * control->choices));
        control->pending.masks = control->kept_masks.data;
    }
    control->pending_step = --control->forwards;
    policy->model->step = control->pending_step;
    return FST_OK;
}

static fst_status check_worth(const fst__control_steps *steps, const fst__real *log_probabilities,
                              const fst__real *entropies)
{
    for (int64_t r = 0; r < steps->count; ++r) {
        if ((log_probabilities && !isfinite(log_probabilities[r])) ||
            (entropies && !isfinite(entropies[r])))
            return fst__fail(FST_ERR_NUMERIC,
                             "the log-probability or the entropy of row %lld is not finite",
                             (long long)r);
    }
    return FST_OK;
}

static fst_status check_lengths(const fst__control_steps *steps, int64_t window)
{
    for (int64_t r = 0; steps->lengths && r < steps->count; ++r) {
        if (steps->lengths[r] < 1 || steps->lengths[r] > window)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "lengths of row %lld is %d, expected 1 to the window %lld",
                             (long long)r, (int)steps->lengths[r], (long long)window);
    }
    return FST_OK;
}

fst_status fst__control_evaluate(fst_policy *policy, const fst__control_steps *steps, bool training,
                                 fst__real *log_probabilities, fst__real *entropies,
                                 fst__real *values)
{
    fst__control_policy *control = policy->control;
    fst__distribution_rows rows;
    fst_status status = check_lengths(steps, control->options.window);
    if (!status)
        status = fst__distribution_check(&control->distribution, steps->masks, steps->actions,
                                         steps->count, "evaluating");
    if (!status)
        status = forward(policy, steps->rows, steps->lengths, steps->count, training);
    if (!status)
        status = read_values(policy, steps->count, values);
    if (!status)
        status = distribution_rows(policy, steps->masks, steps->count, &rows);
    if (!status)
        status = check_distribution(control, &rows);
    if (status)
        return status;
    fst__distribution_evaluate(&control->distribution, &rows, steps->actions, log_probabilities,
                               entropies);
    status = check_worth(steps, log_probabilities, entropies);
    return status || !training ? status : keep(policy, steps, &rows);
}

static fst_status add_gradient(fst_policy *policy, const char *name, const fst__real *gradient,
                               int64_t rows, int64_t columns)
{
    const fst_view view = {.data = (void *)gradient,
                           .dtype = FST__REAL_DTYPE,
                           .rank = 2,
                           .shape = {rows, columns},
                           .strides = {columns, 1}};
    return fst__model_add_gradient(policy->model, name, &view);
}

fst_status fst__control_backward(fst_policy *policy, const fst__real *d_log_probabilities,
                                 const fst__real *d_entropies, const fst__real *d_values)
{
    fst__control_policy *control = policy->control;
    const fst__distribution *d = &control->distribution;
    int64_t count = control->pending.count;
    fst_model *model = policy->model;
    if (count == 0 || model->phase != FST__PHASE_FORWARD || model->step != control->pending_step)
        return fst__fail(FST_ERR_STATE, "fst_policy_backward needs a fst_policy_evaluate before it, "
                                        "each time, and nothing of the model's between");
    if (!d_log_probabilities && !d_entropies && !d_values)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_policy_backward: no gradient is given");
    fst_status status = FST_OK;
    if (d_log_probabilities || d_entropies) {
        fst__distribution_gradient(d, &control->pending, control->kept_actions.data,
                                   d_log_probabilities, d_entropies, control->d_parameters.data,
                                   control->d_log_std.data);
        status = add_gradient(policy, "policy", control->d_parameters.data, count, d->parameters);
        if (!status && d->kind == FST__GAUSSIAN)
            status = add_gradient(policy, "log_std", control->d_log_std.data, 1, d->parts);
    }
    if (!status && d_values)
        status = add_gradient(policy, "value", d_values, count, 1);
    control->pending.count = 0;
    return status ? status : fst__model_backward(model);
}

fst_status fst__control_evaluate_batch(fst_policy *policy, const fst_action_batch *batch,
                                       fst__real *log_probabilities, fst__real *entropies,
                                       fst__real *values)
{
    fst__control_policy *control = policy->control;
    int64_t window = control->options.window;
    size_t window_bytes = (size_t)window * control->row_bytes;
    fst__control_steps steps = {.lengths = window > 1 ? batch->lengths : NULL,
                                .actions = batch->actions,
                                .masks = batch->masks,
                                .count = batch->count};
    fst_status status = check_lengths(&steps, window);
    if (!status)
        status = want(policy, &control->encoded, batch->count, window_bytes);
    for (int64_t r = 0; r < batch->count && !status; ++r) {
        if (!steps.lengths && r > 0)
            break; /* all were read as one */
        const char *from = (const char *)batch->observations + (size_t)r * window_bytes;
        status = fst__control_encode(policy, from,
                                     steps.lengths ? steps.lengths[r] : batch->count * window,
                                     (char *)control->encoded.data + (size_t)r * window_bytes);
        if (status && steps.lengths)
            status = fst__fail_in(status, "window %lld", (long long)r);
    }
    steps.rows = control->encoded.data;
    return status ? status
                  : fst__control_evaluate(policy, &steps, true, log_probabilities, entropies, values);
}
