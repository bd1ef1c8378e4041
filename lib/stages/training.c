#include "stages/training.h"

#include "base/error.h"
#include "base/text.h"
#include "model/adapter.h"
#include "stages/checksum.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

fst_status fst__training_create(fst_model *model, fst_optimizer *optimizer, const char *stage,
                                fst__training *training)
{
    if (optimizer && optimizer->model != model)
        return fst__fail(FST_ERR_MISMATCH, "%s.optimizer was made for another model", stage);
    fst_optimizer_options defaults = fst__optimizer_defaults();
    fst_status status = FST_OK;
    if (optimizer)
        fst__model_optimizer_retain(optimizer);
    else
        status = fst__model_optimizer_create(model, &defaults, &optimizer);
    if (status)
        return status;
    *training = (fst__training){.model = fst__model_retain(model), .optimizer = optimizer};
    return FST_OK;
}

void fst__training_destroy(fst__training *training)
{
    fst__model_optimizer_release(training->optimizer);
    fst__model_release(training->model);
}

void fst__training_zero_gradients(fst__training *training)
{
    fst__optimizer_zero_gradients(training->optimizer->optimizer, training->model->context->compute);
    training->clean = true;
}

fst_status fst__training_update(fst__training *training, fst_optimizer_report *report)
{
    fst_status status = fst__optimizer_step(training->optimizer->optimizer,
                                            training->model->context->compute, NULL, report);
    if (!status)
        training->clean = !fst__optimizer_options(training->optimizer->optimizer)->keep_gradients;
    return status;
}

fst_status fst__training_blame(const fst__training *training, fst_status status)
{
    const fst__parameters *parameters = &training->model->parameters;
    for (int64_t i = 0; i < parameters->count; ++i) {
        const fst__parameter *p = &parameters->items[i];
        for (int64_t j = 0; j < fst__parameter_size(p); ++j) {
            if (!isfinite(p->value[j]))
                return fst__fail_in(status, "the weight %s is not finite at element %lld", p->name,
                                    (long long)j);
        }
    }
    return fst__fail_in(status, "all weights are finite");
}

/* ---- the walk ---- */

#define FIELD(type, field, kind, strict)                                                           \
    {                                                                                              \
        #field, offsetof(type, field), kind, strict                                                \
    }
#define I32(field, strict) FIELD(fst_model_config, field, FST__SETTING_I32, strict)
#define F64(field, strict) FIELD(fst_model_config, field, FST__SETTING_F64, strict)

/* What decides about the function the weights stand for is strict; sizes are in the shapes too. */
static const fst__setting model_settings[] = {
    I32(vocabulary_size, 1), I32(context_length, 1), I32(layers, 1), I32(width, 1), I32(heads, 1),
    I32(kv_heads, 1), I32(head_size, 1), I32(hidden_size, 1), I32(position, 1), I32(norm, 1),
    I32(activation, 1), I32(gated, 1), I32(tied, 1), I32(window, 1), F64(norm_epsilon, 1),
    F64(rope_theta, 1), I32(rope_scaling, 1), I32(rope_original_context, 1), F64(rope_factor, 1),
    F64(rope_low_frequency_factor, 1), F64(rope_high_frequency_factor, 1),
    F64(rope_attention_factor, 1), F64(rope_beta_fast, 1), F64(rope_beta_slow, 1), F64(dropout, 0),
    F64(attention_dropout, 0), I32(causal, 1), I32(post_norm, 1), I32(position_offset, 1),
    I32(global_every, 1), F64(local_rope_theta, 1), I32(backbone, 1), I32(image_channels, 1),
    I32(image_height, 1), I32(image_width, 1), I32(patch_size, 1), I32(stem, 1), I32(bottleneck, 1),
    I32(blocks_1, 1), I32(blocks_2, 1), I32(blocks_3, 1), I32(blocks_4, 1), I32(stage_width, 1),
    F64(batch_norm_momentum, 0),
};
#undef I32
#undef F64

static const fst__setting memory_settings[] = {
    FIELD(fst_model_options, dtype, FST__SETTING_I32, 0),
};

/* Of a model that has an adapter; its modules show in the names of the weights. */
static const fst__setting adapter_settings[] = {
    FIELD(fst_adapter_options, rank, FST__SETTING_I32, 1),
    FIELD(fst_adapter_options, rank_stabilized, FST__SETTING_I32, 1),
    FIELD(fst_adapter_options, weight_decomposed, FST__SETTING_I32, 1),
    FIELD(fst_adapter_options, alpha, FST__SETTING_F64, 1),
    FIELD(fst_adapter_options, dropout, FST__SETTING_F64, 0),
};

/* Of each head; its sizes, biases and norms show in the names and shapes of its weights. */
static const fst__setting head_settings[] = {
    FIELD(fst_head_options, kind, FST__SETTING_I32, 1),
    FIELD(fst_head_options, pooling, FST__SETTING_I32, 1),
    FIELD(fst_head_options, bias, FST__SETTING_I32, 1),
    FIELD(fst_head_options, dropout, FST__SETTING_F64, 0),
    FIELD(fst_head_options, hidden_layers, FST__SETTING_I32, 1),
    FIELD(fst_head_options, activation, FST__SETTING_I32, 1),
    FIELD(fst_head_options, norm_epsilon, FST__SETTING_F64, 1),
};

#define I32(field, strict) FIELD(fst_optimizer_options, field, FST__SETTING_I32, strict)
#define I64(field, strict) FIELD(fst_optimizer_options, field, FST__SETTING_I64, strict)
#define F64(field, strict) FIELD(fst_optimizer_options, field, FST__SETTING_F64, strict)

static const fst__setting optimizer_settings[] = {
    I32(kind, 1), I32(schedule, 0), F64(learning_rate, 0), F64(beta1, 0), F64(beta2, 0),
    F64(epsilon, 0), F64(weight_decay, 0), F64(clip_norm, 0), F64(momentum, 0), F64(dampening, 0),
    I32(nesterov, 0), I32(warmup, 0), I32(muon_scale, 0), I64(warmup_steps, 0), I64(total_steps, 0),
    I64(decay_steps, 0), F64(minimum_ratio, 0), F64(muon_learning_rate, 0), F64(muon_momentum, 0),
    F64(muon_weight_decay, 0), I32(muon_nesterov, 0), I32(muon_iterations, 0),
    F64(layer_decay, 0), F64(lars_trust, 0), F64(lars_momentum, 0),
};
#undef I32
#undef I64
#undef F64
#undef FIELD

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static fst_view parameter_view(const fst__parameter *p, fst__real *data)
{
    fst_view view = {.data = data, .dtype = FST__REAL_DTYPE, .rank = p->rank};
    if (p->rank == 1) {
        view.shape[0] = p->columns;
    } else {
        view.shape[0] = p->rows;
        view.shape[1] = p->columns;
    }
    return view;
}

static void visit_heads(const fst_model *model, fst__visitor *visitor)
{
    char count[16], prefix[8 + FST__HEAD_NAME_SIZE];
    snprintf(count, sizeof count, "%d", (int)model->head_count);
    fst__visit_setting_text(visitor, "heads", count, 1);
    for (int32_t i = 0; i < model->head_count; ++i) {
        snprintf(prefix, sizeof prefix, "heads.%s", model->heads[i].name);
        fst__visit_settings(visitor, prefix, head_settings, COUNT(head_settings),
                            &model->heads[i].options);
    }
}

/* Which parameters are frozen, one letter for each: without moments to miss, an optimizer would go
 * on with others than before. */
static void visit_frozen(const fst_model *model, fst__visitor *visitor)
{
    fst__text text = fst__text_create(&model->context->allocator);
    for (int64_t i = 0; i < model->parameters.count; ++i)
        fst__text_append_string(
            &text, model->parameters.items[i].flags & FST__PARAMETER_FROZEN ? "f" : "t");
    if (!text.failed)
        fst__visit_setting_text(visitor, "trainable", text.data, 1);
    else if (!visitor->status)
        visitor->status = FST_ERR_NO_MEMORY;
    fst__text_destroy(&text);
}

void fst__training_visit(fst__training *training, fst__visitor *visitor, bool with_gradients)
{
    const fst_model *model = training->model;
    fst__visit_settings(visitor, "model", model_settings, COUNT(model_settings), &model->config);
    fst__visit_settings(visitor, "model", memory_settings, COUNT(memory_settings), &model->options);
    const fst_adapter_options *adapter;
    fst__visit_setting_text(visitor, "adapter", model->adapter ? "lora" : "none", 1);
    if (model->adapter && !fst__model_get_adapter(model, &adapter))
        fst__visit_settings(visitor, "adapter", adapter_settings, COUNT(adapter_settings), adapter);
    visit_heads(model, visitor);
    visit_frozen(model, visitor);
    fst__visit_settings(visitor, "optimizer", optimizer_settings, COUNT(optimizer_settings),
                        fst__optimizer_options(training->optimizer->optimizer));
    for (int64_t i = 0; i < model->parameters.count; ++i) {
        const fst__parameter *p = &model->parameters.items[i];
        fst_view view = parameter_view(p, p->value);
        fst__visit_view(visitor, "weight", p->name, &view);
        if (!with_gradients || p->flags & FST__PARAMETER_FROZEN)
            continue;
        view = parameter_view(p, p->gradient);
        fst__visit_view(visitor, "gradient", p->name, &view);
    }
    fst__optimizer *update = training->optimizer->optimizer;
    for (int64_t i = 0; i < fst__optimizer_state_count(update); ++i) {
        const char *name;
        fst_view view;
        fst__optimizer_state(update, i, &name, &view);
        if (view.dtype == FST_I64 && view.rank == 0)
            fst__visit_i64(visitor, "optimizer", name, view.data, 0, FST__COUNTER_MOST);
        else
            fst__visit_view(visitor, "optimizer", name, &view);
    }
}

void fst__training_restored(fst__training *training)
{
    fst__parameters_refresh_working(&training->model->parameters,
                                    training->model->context->compute);
    training->clean = false;
}

void fst__training_sum(const fst_model *model, char text[FST__WEIGHTS_SUM])
{
    const fst__parameters *parameters = &model->parameters;
    uint64_t all = 0;
    for (int64_t i = 0; i < parameters->count; ++i) {
        const fst__parameter *p = &parameters->items[i];
        fst__checksum sum = fst__checksum_begin();
        fst__checksum_add(&sum, p->value, (size_t)fst__parameter_size(p) * sizeof *p->value);
        all = all * 31 + fst__checksum_end(&sum, p->name);
    }
    snprintf(text, FST__WEIGHTS_SUM, "%016" PRIx64, all);
}

static int64_t moment_bytes(fst__optimizer *optimizer)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < fst__optimizer_state_count(optimizer); ++i) {
        const char *name;
        fst_view view;
        fst__optimizer_state(optimizer, i, &name, &view);
        int64_t elements = 1;
        for (int32_t d = 0; d < view.rank; ++d)
            elements *= view.shape[d];
        bytes += elements * (int64_t)fst_dtype_size(view.dtype);
    }
    return bytes;
}

void fst__training_memory(const fst__training *training, fst_memory *memory)
{
    const fst__parameters *parameters = &training->model->parameters;
    memory->weights = memory->gradients = memory->working = 0;
    for (int64_t i = 0; i < parameters->count; ++i) {
        const fst__parameter *p = &parameters->items[i];
        int64_t bytes = fst__parameter_size(p) * (int64_t)sizeof(fst__real);
        memory->weights += bytes;
        memory->gradients += p->flags & FST__PARAMETER_FROZEN ? 0 : bytes;
        memory->working += p->working ? 2 * fst__parameter_size(p) : 0;
    }
    memory->moments = moment_bytes(training->optimizer->optimizer);
}
