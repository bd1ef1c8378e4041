#include "model/projection.h"

#include "model/adapter.h"
#include "nn/activation.h"
#include "nn/linear.h"

fst__parameter *fst__projection_weight(const fst__layer *layer, fst__projection which)
{
    fst__parameter *const weights[FST__PROJECTIONS] = {layer->qkv_weight, layer->output_weight,
                                                       layer->up_weight, layer->down_weight};
    return weights[which];
}

fst__parameter *fst__projection_bias(const fst__layer *layer, fst__projection which)
{
    fst__parameter *const biases[FST__PROJECTIONS] = {layer->qkv_bias, layer->output_bias,
                                                      layer->up_bias, layer->down_bias};
    return biases[which];
}

static fst_status adapters_forward(fst_model *model, int32_t layer, fst__projection which,
                                   fst__matrix x, fst__matrix y)
{
    const fst__adapter_module *modules = NULL;
    int32_t count = fst__adapter_modules(model, layer, which, &modules);
    fst_status status = FST_OK;
    for (int32_t i = 0; i < count && !status; ++i)
        status = fst__adapter_forward(model, &modules[i], x, y);
    return status;
}

fst_status fst__projection_forward(fst_model *model, int32_t layer, fst__projection which,
                                   fst__matrix x, fst__matrix y)
{
    const fst__layer *weights = &model->parameters.layers[layer];
    fst_status status =
        fst__linear_forward(model->context->compute, x,
                            fst__weight_matrix(fst__projection_weight(weights, which)),
                            fst__value_or_null(fst__projection_bias(weights, which)), y);
    return status ? status : adapters_forward(model, layer, which, x, y);
}

fst_status fst__projection_activation_forward(fst_model *model, int32_t layer,
                                              fst__projection which, fst__matrix x,
                                              fst__matrix pre, fst__matrix y)
{
    const fst__layer *weights = &model->parameters.layers[layer];
    const fst__compute *compute = model->context->compute;
    int32_t activation = model->config.activation;
    const fst__adapter_module *modules;
    if (fst__adapter_modules(model, layer, which, &modules) == 0)
        return fst__linear_activation_forward(
            compute, x, fst__weight_matrix(fst__projection_weight(weights, which)),
            fst__value_or_null(fst__projection_bias(weights, which)), activation, pre, y);
    fst_status status = fst__projection_forward(model, layer, which, x, pre);
    if (!status)
        fst__activation_forward(compute, activation, pre, y);
    return status;
}

/* The layer's own share; dy may have been scaled by an adapter, whereas the bias wants the plain. */
static fst_status own_backward(fst_model *model, int32_t layer, fst__projection which,
                               fst__matrix x, fst__matrix dy, const fst__matrix *dx,
                               fst__real *dbias)
{
    const fst__parameter *weight =
        fst__projection_weight(&model->parameters.layers[layer], which);
    return fst__linear_backward(model->context->compute, x, fst__weight_matrix(weight), dy, dx,
                                fst__gradient_or_null(weight), dbias,
                                &model->activations.scratch);
}

/* Around the layer's own backward: the adapter's gradients before, its share of dx behind. */
static fst_status adapted_backward(fst_model *model, int32_t layer, fst__projection which,
                                   fst__matrix x, fst__matrix dy, const fst__matrix *dx,
                                   fst__real *dbias)
{
    const fst__adapter_module *modules = NULL;
    int32_t count = fst__adapter_modules(model, layer, which, &modules);
    fst__arena *scratch = &model->activations.scratch;
    fst__matrix du[FST__ADAPTER_MODULES];
    size_t mark = fst__arena_mark(scratch);
    fst_status status = FST_OK;
    if (dbias)
        status = fst__linear_backward(model->context->compute, x,
                                      fst__weight_matrix(fst__projection_weight(
                                          &model->parameters.layers[layer], which)),
                                      dy, NULL, NULL, dbias, scratch);
    for (int32_t i = 0; i < count && !status; ++i) {
        int64_t rank = model->adapter->options.rank;
        void *data = fst__arena_take(scratch, (size_t)x.rows,
                                     (size_t)rank * fst__element_size(x.dtype));
        du[i] = fst__matrix_of(data, x.rows, rank, x.dtype);
        status = fst__adapter_backward(model, &modules[i], x, dy, du[i]);
    }
    if (!status)
        status = own_backward(model, layer, which, x, dy, dx, NULL);
    for (int32_t i = 0; i < count && !status && dx; ++i)
        status = fst__adapter_backward_input(model, &modules[i], du[i], *dx);
    fst__arena_rewind(scratch, mark);
    return status;
}

fst_status fst__projection_backward(fst_model *model, int32_t layer, fst__projection which,
                                    fst__matrix x, fst__matrix dy, const fst__matrix *dx)
{
    fst__real *dbias = fst__gradient_or_null(
        fst__projection_bias(&model->parameters.layers[layer], which));
    const fst__adapter_module *modules;
    if (fst__adapter_modules(model, layer, which, &modules) == 0)
        return own_backward(model, layer, which, x, dy, dx, dbias);
    return adapted_backward(model, layer, which, x, dy, dx, dbias);
}
