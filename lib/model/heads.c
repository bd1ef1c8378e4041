#include "model/heads.h"

#include "base/error.h"
#include "model/head_layers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

fst_head_options fst__head_defaults(void)
{
    return (fst_head_options){
        .struct_size = sizeof(fst_head_options),
        .outputs = 1,
        .bias = 1,
        .init_std = 0.02,
        .hidden_bias = 1,
        .norm_epsilon = 1e-5,
    };
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
    static const char *const taken[] = {"logits", "hidden", "log_probabilities", "entropy",
                                        "pooled"};
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

static bool is_flag(int32_t value)
{
    return value == 0 || value == 1;
}

static fst_status check_layers(const fst_head_options *o)
{
    if (o->hidden_layers < 0 || o->hidden_layers > FST__HEAD_LAYERS_MOST)
        return bad("hidden_layers", "0, 1 or 2");
    if (o->activation != 0 &&
        (o->activation < FST_ACTIVATION_GELU_TANH || o->activation > FST_ACTIVATION_TANH))
        return bad("activation", "0 or an FST_ACTIVATION_ value");
    if (o->hidden_size < 0 || o->hidden_size > 1 << 24)
        return bad("hidden_size", "0 to 16777216");
    if (!is_flag(o->batch_norm))
        return bad("batch_norm", "0 or 1");
    if (o->batch_norm && (o->kind != FST_HEAD_SEQUENCE || o->layer_norm))
        return bad("batch_norm", "0 in a token head, whose rows are also padding, and with layer_norm");
    if (!is_flag(o->hidden_bias))
        return bad("hidden_bias", "0 or 1");
    if (!is_flag(o->layer_norm))
        return bad("layer_norm", "0 or 1");
    if (!is_flag(o->norm_bias))
        return bad("norm_bias", "0 or 1");
    if (!(o->norm_epsilon >= 0 && o->norm_epsilon < 1))
        return bad("norm_epsilon", "0 ≤ ε < 1");
    return FST_OK;
}

static fst_status check(fst_model *model, const fst_head_options *o)
{
    fst_status status = check_name(model, o->name);
    if (status)
        return status;
    if (o->kind < FST_HEAD_SEQUENCE || o->kind > FST_HEAD_CONSTANT)
        return bad("kind", "an FST_HEAD_ value");
    if (o->kind == FST_HEAD_CONSTANT && (o->hidden_layers || o->batch_norm || !o->bias))
        return bad("kind", "no hidden layers, no batch_norm and a bias with FST_HEAD_CONSTANT");
    if (o->pooling < FST_POOL_LAST || o->pooling > FST_POOL_POOLER)
        return bad("pooling", "an FST_POOL_ value");
    if (o->pooling == FST_POOL_POOLER && !model->config.pooler)
        return bad("pooling", "another than FST_POOL_POOLER of a model without a pooler");
    if (o->outputs < 1 || o->outputs > INT32_MAX)
        return bad("outputs", "at least 1");
    if (!is_flag(o->bias))
        return bad("bias", "0 or 1");
    if (!(o->init_std >= 0 && isfinite(o->init_std)))
        return bad("init_std", "a finite value ≥ 0");
    if (!(o->orthogonal_gain >= 0 && isfinite(o->orthogonal_gain)))
        return bad("orthogonal_gain", "a finite value ≥ 0");
    if (!isfinite(o->init_bias))
        return bad("init_bias", "a finite value");
    if (o->tower < 0 || (o->tower > 0 && (!fst__config_has_towers(&model->config) ||
                                          o->tower > model->config.towers)))
        return bad("tower", "0, or 1 to fst_model_config.towers of an MLP or CNN");
    if (!(o->dropout >= 0 && o->dropout < 1))
        return bad("dropout", "0 ≤ p < 1");
    status = check_layers(o);
    if (status)
        return status;
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

/* With each value that 0 stands for. */
static fst_head_options resolved(const fst_model *model, const fst_head_options *options)
{
    fst_head_options o = *options;
    o.struct_size = sizeof o;
    if (o.activation == 0)
        o.activation = FST_ACTIVATION_RELU;
    if (o.hidden_size == 0)
        o.hidden_size = o.tower ? model->config.tower_width : model->config.width;
    return o;
}

static fst_status add_parameters(fst_model *model, const fst__head *head)
{
    const fst_head_options *o = &head->options;
    int64_t features = o->hidden_layers ? o->hidden_size : fst__head_width(model, head);
    char name[FST__PARAMETER_NAME_SIZE];
    parameter_name(head, "weight", name);
    fst_status status = FST_OK;
    if (o->kind != FST_HEAD_CONSTANT)
        status = fst__parameters_add(&model->parameters, name, o->outputs, features, 2,
                                     FST__PARAMETER_DECAY);
    if (!status && o->bias) {
        parameter_name(head, "bias", name);
        status = fst__parameters_add(&model->parameters, name, 1, o->outputs, 1, 0);
    }
    if (!status)
        status = fst__head_layers_add(model, head);
    if (!status && o->batch_norm)
        status = fst__head_batch_norm_add(model, head, o->hidden_layers);
    return status;
}

/* Of a linear map, not of a norm. */
static bool is_bias(const fst__head *head, const fst__parameter *p)
{
    const char *what = p->name + strlen("heads.") + strlen(head->name) + 1;
    return strcmp(what, "bias") == 0 || (strncmp(what, "hidden.", 7) == 0 && p->rank == 1);
}

/* First values. Numbered apart from the backbone's, whose number is their place. */
static fst_status draw(fst_model *model, const fst__head *head, int64_t first)
{
    fst__parameters *p = &model->parameters;
    const fst_head_options *o = &head->options;
    uint64_t number = (uint64_t)1 << 32 | (uint64_t)model->head_count;
    fst_status status = FST_OK;
    if (o->kind != FST_HEAD_CONSTANT && o->orthogonal_gain > 0)
        status = fst__parameters_draw_orthogonal(p, model->context->compute, first,
                                                 o->orthogonal_gain, model->context->seed, number);
    else if (o->kind != FST_HEAD_CONSTANT)
        fst__parameters_draw(p, model->context->compute, first, o->init_std, model->context->seed,
                             number);
    if (!status)
        status = fst__head_layers_draw(model, head);
    for (int64_t i = first; i < p->count && !status; ++i)
        for (int64_t j = 0; is_bias(head, &p->items[i]) && j < p->items[i].columns; ++j)
            p->items[i].value[j] = (fst__real)o->init_bias;
    return status;
}

fst_status fst__model_add_head(fst_model *model, const fst_head_options *options, bool initialise)
{
    fst_status status = check(model, options);
    if (status)
        return status;
    fst__head *head = &model->heads[model->head_count];
    *head = (fst__head){.options = resolved(model, options)};
    snprintf(head->name, sizeof head->name, "%s", options->name);
    head->options.name = head->name;
    fst__parameters *p = &model->parameters;
    int64_t before = p->count;
    status = add_parameters(model, head);
    if (!status && initialise)
        status = draw(model, head, before);
    if (status) {
        fst__parameters_remove(p, before, p->count - before);
        return status;
    }
    head->first = before;
    head->first_name = p->items[before].name;
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

fst__parameter *fst__head_parameter(const fst_model *model, const fst__head *head, const char *what)
{
    char name[FST__PARAMETER_NAME_SIZE];
    parameter_name(head, what, name);
    return fst__parameters_find(&model->parameters, name);
}

/* The first of its parameters while it stands where it was added, which an adapter that goes may
 * change. */
static fst__parameter *first_parameter(const fst_model *model, const fst__head *head)
{
    const fst__parameters *p = &model->parameters;
    bool there = head->first < p->count && p->items[head->first].name == head->first_name;
    return there ? &p->items[head->first] : NULL;
}

fst__parameter *fst__head_weight(const fst_model *model, const fst__head *head)
{
    if (head->options.kind == FST_HEAD_CONSTANT)
        return NULL;
    fst__parameter *first = first_parameter(model, head);
    return first ? first : fst__head_parameter(model, head, "weight");
}

fst__parameter *fst__head_bias(const fst_model *model, const fst__head *head)
{
    fst__parameter *first = first_parameter(model, head);
    if (!head->options.bias)
        return NULL;
    if (!first)
        return fst__head_parameter(model, head, "bias");
    return head->options.kind == FST_HEAD_CONSTANT ? first : first + 1;
}

void fst__heads_destroy(fst_model *model)
{
    for (int32_t i = 0; i < model->head_count; ++i) {
        fst__free(&model->context->allocator, model->heads[i].labels);
        fst__free(&model->context->allocator, model->heads[i].output.data);
        fst__free(&model->context->allocator, model->heads[i].gradient.data);
    }
    model->head_count = 0;
}
