/* The adapter in a block's linear layers. */
#include "model/adapter.h"

#include "nn/linear.h"
#include "nn/lora.h"

int32_t fst__adapter_modules(const fst_model *model, int32_t layer, fst__projection which,
                             const fst__adapter_module **modules)
{
    const fst__adapter *adapter = model->adapter;
    if (!adapter || !adapter->enabled)
        return 0;
    int64_t kinds = adapter->options.module_count;
    int32_t first = 0, count = 0;
    /* Those of one projection stand together. */
    while (first < kinds && adapter->kinds[first].projection != which)
        ++first;
    while (first + count < kinds && adapter->kinds[first + count].projection == which)
        ++count;
    *modules = adapter->modules + layer * kinds + first;
    return count;
}

/* The adapter's masks lie behind those of the blocks. */
static fst__dropout dropout_of(const fst_model *model, const fst__adapter_module *module)
{
    bool on = model->activations.training && model->dropout;
    double probability = on ? model->adapter->options.dropout : 0;
    uint64_t site = (uint64_t)1 << 23 |
                    (uint64_t)(module->layer * FST__ADAPTER_MODULES + module->kind);
    return (fst__dropout){
        .probability = (fst__real)probability,
        .seed = model->context->seed,
        .step = (uint64_t)model->step,
        .first_index = site << 40,
    };
}

static fst__lora lora_of(const fst_model *model, const fst__adapter_module *module)
{
    const fst__parameter *bias =
        fst__projection_bias(&model->parameters.layers[module->layer],
                             model->adapter->kinds[module->kind].projection);
    return (fst__lora){
        .a = fst__weight_matrix(&model->parameters.items[module->a]),
        .b = fst__weight_matrix(&model->parameters.items[module->b]),
        .scale = fst__adapter_scale(&model->adapter->options),
        .norm = module->norm,
        .gain = module->gain,
        .bias = bias ? bias->value + module->first_row : NULL,
        .dropout = dropout_of(model, module),
    };
}

fst_status fst__adapter_forward(fst_model *model, const fst__adapter_module *module, fst__matrix x,
                                fst__matrix y)
{
    fst__lora lora = lora_of(model, module);
    return fst__lora_forward(model->context->compute, &lora, x,
                             fst__matrix_columns(y, module->first_row, module->rows),
                             &model->activations.scratch);
}

fst_status fst__adapter_backward(fst_model *model, const fst__adapter_module *module, fst__matrix x,
                                 fst__matrix dy, fst__matrix du)
{
    const fst__parameters *p = &model->parameters;
    const fst__parameter *weight =
        fst__projection_weight(&p->layers[module->layer],
                               model->adapter->kinds[module->kind].projection);
    fst__lora lora = lora_of(model, module);
    fst__lora_gradients gradients = {
        .a = fst__gradient_or_null(&p->items[module->a]),
        .b = fst__gradient_or_null(&p->items[module->b]),
    };
    if (module->magnitude >= 0)
        gradients.magnitude = fst__gradient_or_null(&p->items[module->magnitude]);
    return fst__lora_backward(
        model->context->compute, &lora, x,
        fst__matrix_rows(fst__weight_matrix(weight), module->first_row, module->rows),
        fst__matrix_columns(dy, module->first_row, module->rows), &gradients, du,
        &model->activations.scratch);
}

fst_status fst__adapter_backward_input(fst_model *model, const fst__adapter_module *module,
                                       fst__matrix du, fst__matrix dx)
{
    fst__lora lora = lora_of(model, module);
    return fst__lora_backward_input(model->context->compute, &lora, du, dx,
                                    &model->activations.scratch);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Of one module; a training forward may be told to leave dropout out. */
static size_t module_scratch(const fst_adapter_options *o, int64_t tokens, int64_t inputs,
                             int64_t outputs, int32_t dtype, bool training)
{
    size_t most = fst__lora_weight_scratch(inputs, outputs);
    for (int dropout = 0; dropout <= (training && o->dropout > 0); ++dropout)
        for (int backward = 0; backward <= training; ++backward)
            most = larger(most, fst__lora_scratch(tokens, inputs, outputs, o->rank, dtype, dropout,
                                                  o->weight_decomposed, backward));
    return most;
}

size_t fst__adapter_scratch(const fst_model *model, int64_t tokens, bool training)
{
    const fst__adapter *adapter = model->adapter;
    if (!adapter)
        return 0;
    const fst_adapter_options *o = &adapter->options;
    int32_t dtype = model->options.dtype == FST_BF16 ? FST_BF16 : FST__REAL_DTYPE;
    size_t most = 0;
    fst__arena kept = fst__arena_counting(); /* du of a projection's modules */
    for (int64_t k = 0; k < o->module_count; ++k) {
        const fst__module_kind *kind = &adapter->kinds[k];
        const fst__parameter *weight =
            fst__projection_weight(&model->parameters.layers[0], kind->projection);
        if (k && adapter->kinds[k - 1].projection != kind->projection)
            fst__arena_rewind(&kept, 0);
        fst__arena_take(&kept, (size_t)tokens, (size_t)o->rank * fst__element_size(dtype));
        most = larger(most, module_scratch(o, tokens, weight->columns, kind->rows, dtype, training));
        if (training)
            most = larger(most, fst__linear_backward_scratch(tokens, weight->rows));
    }
    return most + (training ? kept.peak : 0);
}
