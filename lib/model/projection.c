#include "model/projection.h"

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

fst_status fst__projection_forward(fst_model *model, int32_t layer, fst__projection which,
                                   fst__matrix x, fst__matrix y)
{
    const fst__layer *weights = &model->parameters.layers[layer];
    return fst__linear_forward(model->context->compute, x,
                               fst__weight_matrix(fst__projection_weight(weights, which)),
                               fst__value_or_null(fst__projection_bias(weights, which)), y);
}

fst_status fst__projection_activation_forward(fst_model *model, int32_t layer,
                                              fst__projection which, fst__matrix x,
                                              fst__matrix pre, fst__matrix y)
{
    const fst__layer *weights = &model->parameters.layers[layer];
    return fst__linear_activation_forward(
        model->context->compute, x, fst__weight_matrix(fst__projection_weight(weights, which)),
        fst__value_or_null(fst__projection_bias(weights, which)), model->config.activation, pre, y);
}

fst_status fst__projection_backward(fst_model *model, int32_t layer, fst__projection which,
                                    fst__matrix x, fst__matrix dy, const fst__matrix *dx)
{
    const fst__layer *weights = &model->parameters.layers[layer];
    const fst__parameter *weight = fst__projection_weight(weights, which);
    return fst__linear_backward(model->context->compute, x, fst__weight_matrix(weight), dy, dx,
                                fst__gradient_or_null(weight),
                                fst__gradient_or_null(fst__projection_bias(weights, which)),
                                &model->activations.scratch);
}
