#include "model/adapter.h"

#include "base/error.h"
#include "base/random.h"
#include "kernels/kernels.h"
#include "nn/lora.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

fst_adapter_options fst__adapter_defaults(void)
{
    return (fst_adapter_options){.struct_size = sizeof(fst_adapter_options), .rank = 16,
                                 .alpha = 32, .dropout = 0.05};
}

/* ---- checks */

static fst_status check_flag(int32_t value, const char *field)
{
    if (value == 0 || value == 1)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_adapter_options.%s is %d, expected 0 or 1",
                     field, (int)value);
}

static fst_status check_options(const fst_adapter_options *o)
{
    if (o->rank < 1 || o->rank > FST__ADAPTER_MOST_RANK)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_adapter_options.rank is %d, expected 1 to %d", (int)o->rank,
                         (int)FST__ADAPTER_MOST_RANK);
    if (!(o->alpha > 0) || !isfinite(o->alpha))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_adapter_options.alpha is %g, expected a finite number above 0",
                         o->alpha);
    if (!(o->dropout >= 0 && o->dropout < 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_adapter_options.dropout is %g, expected [0, 1)", o->dropout);
    if (o->modules ? o->module_count < 1 : o->module_count != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_adapter_options.module_count is %lld, expected %s",
                         (long long)o->module_count,
                         o->modules ? "at least 1" : "0 as modules is NULL");
    fst_status status = check_flag(o->rank_stabilized, "rank_stabilized");
    return status ? status : check_flag(o->weight_decomposed, "weight_decomposed");
}

static fst_status unknown_module(const char *name, int64_t index, const fst__module_kind *kinds,
                                 int32_t count)
{
    char known[160] = "";
    size_t used = 0;
    for (int32_t i = 0; i < count; ++i)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 kinds[i].name);
    return fst__fail(FST_ERR_INVALID_ARGUMENT,
                     "fst_adapter_options.modules[%lld] is \"%s\", which this model does not have; "
                     "expected some of %s",
                     (long long)index, name ? name : "(NULL)", known);
}

/* The kinds that the options name, in the model's order. */
static fst_status choose_kinds(const fst_model *model, fst__adapter *adapter)
{
    const fst_adapter_options *o = &adapter->options;
    fst__module_kind all[FST__ADAPTER_MODULES];
    bool wanted[FST__ADAPTER_MODULES] = {false};
    int32_t count = fst__module_kinds(&model->config, all), chosen = 0;
    if (count == 0)
        return fst__fail(FST_ERR_UNSUPPORTED, "fst_model_add_adapter: the model's backbone has no "
                                              "linear layers to adapt");
    for (int64_t m = 0; m < o->module_count; ++m) {
        bool found = false;
        for (int32_t i = 0; o->modules[m] && i < count; ++i) {
            if (fst__module_is(&all[i], o->modules[m]))
                wanted[i] = found = true;
        }
        if (!found)
            return unknown_module(o->modules[m], m, all, count);
    }
    for (int32_t i = 0; i < count; ++i) {
        if (o->modules && !wanted[i])
            continue;
        adapter->kinds[chosen] = all[i];
        adapter->names[chosen++] = all[i].name;
    }
    adapter->options.modules = adapter->names;
    adapter->options.module_count = chosen;
    return FST_OK;
}

/* The trunk is frozen while there is an adapter; heads are the caller's. */
static void freeze_trunk(fst_model *model, int64_t count, bool frozen)
{
    for (int64_t i = 0; i < count; ++i) {
        if (strncmp(model->parameters.items[i].name, "heads.", 6) != 0)
            fst__parameters_freeze(&model->parameters, i, frozen);
    }
}

static fst_status check_free(const fst_model *model, const char *what)
{
    if (!model->optimizers)
        return FST_OK;
    return fst__fail(FST_ERR_STATE, "%s while an optimizer of the model lives", what);
}

static fst_status need(const fst_model *model)
{
    if (model->adapter)
        return FST_OK;
    return fst__fail(FST_ERR_NOT_FOUND, "the model has no adapter");
}

/* ---- making one */

static fst_status add_parameter(fst_model *model, const fst__adapter_module *module,
                                const char *what, int64_t rows, int64_t columns, int32_t rank,
                                uint32_t flags, int64_t *index)
{
    char name[FST__PARAMETER_NAME_SIZE];
    const fst__adapter *adapter = model->adapter;
    snprintf(name, sizeof name, "layers.%d.%s.%s", (int)module->layer,
             adapter->kinds[module->kind].name, what);
    fst_status status =
        fst__parameters_add(&model->parameters, name, rows, columns, rank, flags);
    *index = model->parameters.count - 1;
    return status;
}

static fst_status add_module(fst_model *model, fst__adapter_module *module, int32_t layer,
                             int32_t kind)
{
    const fst__adapter *adapter = model->adapter;
    const fst__module_kind *k = &adapter->kinds[kind];
    const uint32_t matrix = FST__PARAMETER_DECAY | FST__PARAMETER_HIDDEN_MATRIX;
    int64_t rank = adapter->options.rank;
    int64_t inputs =
        fst__projection_weight(&model->parameters.layers[layer], k->projection)->columns;
    *module = (fst__adapter_module){.kind = kind, .layer = layer, .first_row = k->first_row,
                                    .rows = k->rows, .magnitude = -1};
    fst_status status =
        add_parameter(model, module, "lora_A", rank, inputs, 2, matrix, &module->a);
    if (!status)
        status = add_parameter(model, module, "lora_B", k->rows, rank, 2, matrix, &module->b);
    if (!status && adapter->options.weight_decomposed)
        status = add_parameter(model, module, "lora_magnitude", 1, k->rows, 1, 0,
                               &module->magnitude);
    return status;
}

static fst_status add_modules(fst_model *model)
{
    fst__adapter *adapter = model->adapter;
    int64_t count = adapter->options.module_count, rows = 0;
    for (int64_t k = 0; k < count; ++k)
        rows += adapter->kinds[k].rows;
    adapter->modules = fst__alloc_array(&model->context->allocator,
                                        (size_t)(model->config.layers * count),
                                        sizeof *adapter->modules);
    if (!adapter->modules)
        return FST_ERR_NO_MEMORY;
    if (adapter->options.weight_decomposed) {
        adapter->gains = fst__alloc_array(&model->context->allocator,
                                          (size_t)(rows * 2 * model->config.layers),
                                          sizeof *adapter->gains);
        if (!adapter->gains)
            return FST_ERR_NO_MEMORY;
    }
    fst__real *gains = adapter->gains;
    for (int32_t l = 0; l < model->config.layers; ++l)
        for (int32_t k = 0; k < count; ++k) {
            fst__adapter_module *module = &adapter->modules[l * count + k];
            fst_status status = add_module(model, module, l, k);
            if (status)
                return status;
            if (!gains)
                continue;
            module->norm = gains;
            module->gain = gains + module->rows;
            gains += 2 * module->rows;
        }
    return FST_OK;
}

/* Kaiming's uniform with a = √5, as PEFT's reset_lora_parameters: ±1/√in. Numbered by layer and
 * kind, so that a module's draw does not depend on which others there are. */
static void draw(fst_model *model, const fst__adapter_module *module)
{
    enum { GROUP = 64 };
    fst__parameter *a = &model->parameters.items[module->a];
    const fst__kernels *kernels = model->context->compute->kernels;
    const fst__module_kind *kind = &model->adapter->kinds[module->kind];
    uint64_t number = (uint64_t)module->layer << 32 | (uint64_t)kind->projection << 30 |
                      (uint64_t)(kind->first_row & 0x3fffffff);
    double bound = 1 / sqrt((double)a->columns);
    int64_t size = fst__parameter_size(a);
    for (int64_t at = 0; at < size; at += GROUP) {
        uint32_t words[GROUP];
        kernels->random_words(model->context->seed, FST__STREAM_ADAPTER, number, (uint64_t)at,
                              words, GROUP);
        for (int64_t i = 0; i < GROUP && at + i < size; ++i)
            a->value[at + i] =
                (fst__real)((2 * (double)fst__uniform_float(words[i]) - 1) * bound);
    }
}

static int64_t module_total(const fst_model *model)
{
    return model->adapter->modules ? model->config.layers * model->adapter->options.module_count
                                   : 0;
}

/* ---- W + s·B·A of a module */

static fst__matrix weight_rows(const fst_model *model, const fst__adapter_module *module)
{
    const fst__parameter *w =
        fst__projection_weight(&model->parameters.layers[module->layer],
                               model->adapter->kinds[module->kind].projection);
    return fst__matrix_rows(fst__matrix_of(w->value, w->rows, w->columns, FST__REAL_DTYPE),
                            module->first_row, module->rows);
}

fst__real fst__adapter_scale(const fst_adapter_options *o)
{
    return (fst__real)(o->alpha / (o->rank_stabilized ? sqrt((double)o->rank) : o->rank));
}

/* The adapter over the master weights. */
static fst__lora master_lora(const fst_model *model, const fst__adapter_module *module)
{
    const fst__parameter *a = &model->parameters.items[module->a];
    const fst__parameter *b = &model->parameters.items[module->b];
    return (fst__lora){
        .a = fst__matrix_of(a->value, a->rows, a->columns, FST__REAL_DTYPE),
        .b = fst__matrix_of(b->value, b->rows, b->columns, FST__REAL_DTYPE),
        .scale = fst__adapter_scale(&model->adapter->options),
        .norm = module->norm,
        .gain = module->gain,
    };
}

static size_t weight_scratch(const fst_model *model)
{
    const fst_model_config *c = &model->config;
    int64_t inputs = c->hidden_size, q = fst__config_query_size(c);
    inputs = inputs > q ? inputs : q;
    inputs = inputs > c->width ? inputs : c->width;
    return fst__lora_weight_scratch(inputs, INT32_MAX);
}

static fst_status refresh_gain(const fst_model *model, const fst__adapter_module *module,
                               const fst__real *magnitude, fst__arena *scratch)
{
    fst__lora lora = master_lora(model, module);
    return fst__lora_gain(model->context->compute, &lora, weight_rows(model, module), magnitude,
                          module->norm, module->gain, scratch);
}

fst_status fst__adapter_refresh(fst_model *model)
{
    const fst__adapter *adapter = model->adapter;
    if (!adapter || !adapter->enabled || !adapter->options.weight_decomposed)
        return FST_OK;
    fst_status status = FST_OK;
    for (int64_t m = 0; m < module_total(model) && !status; ++m) {
        const fst__adapter_module *module = &adapter->modules[m];
        status = refresh_gain(model, module, model->parameters.items[module->magnitude].value,
                              &model->activations.scratch);
    }
    return status;
}

/* A drawn, B zero, magnitude ‖W‖. */
static fst_status initialise_modules(fst_model *model)
{
    fst__allocator *allocator = &model->context->allocator;
    size_t size = weight_scratch(model);
    void *memory = fst__alloc(allocator, size);
    if (!memory)
        return FST_ERR_NO_MEMORY;
    fst_status status = FST_OK;
    for (int64_t m = 0; m < module_total(model) && !status; ++m) {
        const fst__adapter_module *module = &model->adapter->modules[m];
        draw(model, module);
        if (module->magnitude < 0)
            continue;
        fst__arena scratch = fst__arena_over(memory, size);
        status = refresh_gain(model, module, NULL, &scratch);
        memcpy(model->parameters.items[module->magnitude].value, module->norm,
               (size_t)module->rows * sizeof(fst__real));
    }
    fst__free(allocator, memory);
    return status;
}

void fst__adapter_destroy(fst_model *model)
{
    if (!model->adapter)
        return;
    fst__allocator *allocator = &model->context->allocator;
    fst__free(allocator, model->adapter->gains);
    fst__free(allocator, model->adapter->modules);
    fst__free(allocator, model->adapter);
    model->adapter = NULL;
}

/* Parameters of an adapter stand one behind the other. */
static void remove_adapter(fst_model *model, int64_t first, int64_t count)
{
    fst__parameters_remove(&model->parameters, first, count);
    fst__adapter_destroy(model);
    freeze_trunk(model, model->parameters.count, false);
    fst__model_forget_forward(model);
}

fst_status fst__model_add_adapter(fst_model *model, const fst_adapter_options *options,
                                  bool initialise)
{
    fst_status status = check_options(options);
    if (!status && (model->config.backbone == FST_BACKBONE_RESNET ||
                    fst__config_has_towers(&model->config)))
        status = fst__fail(FST_ERR_UNSUPPORTED, "an adapter of a model that is a ResNet, MLP or CNN");
    if (!status && model->adapter)
        status = fst__fail(FST_ERR_STATE, "the model has an adapter already; merge or remove it");
    if (!status)
        status = check_free(model, "an adapter cannot be added");
    if (status)
        return status;
    model->adapter = fst__alloc_zero(&model->context->allocator, sizeof *model->adapter);
    if (!model->adapter)
        return FST_ERR_NO_MEMORY;
    model->adapter->options = *options;
    model->adapter->options.struct_size = sizeof *options;
    model->adapter->enabled = true;
    int64_t before = model->parameters.count;
    status = choose_kinds(model, model->adapter);
    if (!status)
        status = add_modules(model);
    if (!status && initialise)
        status = initialise_modules(model);
    if (status) {
        fst__parameters_remove(&model->parameters, before, model->parameters.count - before);
        fst__adapter_destroy(model);
        return status;
    }
    fst__parameters_refresh_working(&model->parameters, model->context->compute);
    freeze_trunk(model, before, true);
    fst__model_forget_forward(model);
    return FST_OK;
}

fst_status fst__model_get_adapter(const fst_model *model, const fst_adapter_options **options)
{
    fst_status status = need(model);
    if (!status)
        *options = &model->adapter->options;
    return status;
}

fst_status fst__model_enable_adapter(fst_model *model, bool enabled)
{
    fst_status status = need(model);
    if (status || model->adapter->enabled == enabled)
        return status;
    model->adapter->enabled = enabled;
    model->phase = FST__PHASE_IDLE;
    model->has_output = false;
    return FST_OK;
}

static int64_t first_parameter(const fst_model *model)
{
    return model->adapter->modules[0].a;
}

static int64_t parameter_total(const fst_model *model)
{
    return module_total(model) * (model->adapter->options.weight_decomposed ? 3 : 2);
}

fst_status fst__model_remove_adapter(fst_model *model)
{
    fst_status status = need(model);
    if (!status)
        status = check_free(model, "an adapter cannot be removed");
    if (!status)
        remove_adapter(model, first_parameter(model), parameter_total(model));
    return status;
}

static fst_status merge_module(const fst_model *model, const fst__adapter_module *module,
                               fst__arena *scratch)
{
    fst_status status = FST_OK;
    if (module->magnitude >= 0)
        status = refresh_gain(model, module, model->parameters.items[module->magnitude].value,
                              scratch);
    fst__lora lora = master_lora(model, module);
    return status ? status : fst__lora_merge(model->context->compute, &lora,
                                             weight_rows(model, module), scratch);
}

fst_status fst__model_merge_adapter(fst_model *model)
{
    fst_status status = need(model);
    if (!status)
        status = check_free(model, "an adapter cannot be merged");
    if (status)
        return status;
    fst__allocator *allocator = &model->context->allocator;
    size_t size = weight_scratch(model);
    void *memory = fst__alloc(allocator, size);
    if (!memory)
        return FST_ERR_NO_MEMORY;
    for (int64_t m = 0; m < module_total(model) && !status; ++m) {
        fst__arena scratch = fst__arena_over(memory, size);
        status = merge_module(model, &model->adapter->modules[m], &scratch);
    }
    fst__free(allocator, memory);
    if (status)
        return status;
    remove_adapter(model, first_parameter(model), parameter_total(model));
    fst__parameters_refresh_working(&model->parameters, model->context->compute);
    return FST_OK;
}
