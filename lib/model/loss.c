/* The language model's own loss, and the start of the way back. */
#include "model/backbone.h"

#include "base/error.h"
#include "model/outputs.h"
#include "model/trainable.h"
#include "model/transformer.h"
#include "nn/loss_head.h"

#include <math.h>

static fst_status not_finite(const fst_model *model)
{
    const fst__parameter *culprit = fst__parameters_not_finite(&model->parameters);
    if (culprit)
        return fst__fail(FST_ERR_NUMERIC,
                         "the loss of this batch is not finite: parameter \"%s\" holds a NaN or "
                         "infinity",
                         culprit->name);
    return fst__fail(FST_ERR_NUMERIC,
                     "the loss of this batch is not finite, though every parameter is");
}

fst__loss_head fst__model_distribution(const fst_model *model)
{
    return (fst__loss_head){
        .targets = model->activations.targets,
        .kept = model->has_kept ? model->kept : NULL,
        .gradient_scale = 1,
        .temperature = model->temperature,
    };
}

void fst__model_output_layer(const fst_model *model, bool with_gradients,
                             fst__head_transform *transform, fst__output_layer *layer)
{
    const fst__parameters *p = &model->parameters;
    *layer = (fst__output_layer){.weight = fst__weight_matrix(p->head_weight),
                                 .bias = fst__value_or_null(p->head_bias)};
    if (with_gradients) {
        layer->dweight = fst__gradient_or_null(p->head_weight);
        layer->dbias = fst__gradient_or_null(p->head_bias);
    }
    if (!p->head_transform_weight)
        return;
    *transform = (fst__head_transform){
        .weight = fst__weight_matrix(p->head_transform_weight),
        .bias = fst__value_or_null(p->head_transform_bias),
        .activation = model->config.activation,
        .norm = fst__norm_of(model, p->head_norm_weight, p->head_norm_bias),
    };
    layer->transform = transform;
    if (!with_gradients)
        return;
    transform->dweight = fst__gradient_or_null(p->head_transform_weight);
    transform->dbias = fst__gradient_or_null(p->head_transform_bias);
    transform->dgamma = fst__gradient_or_null(p->head_norm_weight);
    transform->dbeta = fst__gradient_or_null(p->head_norm_bias);
}

static fst_status check(const fst_model *model, const fst_loss_options *options)
{
    if (!model->has_output)
        return fst__fail(FST_ERR_STATE, "fst_model_loss needs a fst_model_forward before it");
    if (!model->has_targets)
        return fst__fail(FST_ERR_STATE, "fst_model_loss: the last batch had no targets");
    if (model->activations.training && (model->phase != FST__PHASE_FORWARD || model->has_loss))
        return fst__fail(FST_ERR_STATE, "fst_model_loss twice after one fst_model_forward");
    if (model->has_kept && options->label_smoothing > 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_loss_options.label_smoothing: expected 0 for a batch with `kept`");
    return FST_OK;
}

fst_status fst__model_loss(fst_model *model, const fst_loss_options *options, fst_loss *loss)
{
    fst__activations *a = &model->activations;
    fst_status status = check(model, options);
    fst__matrix to;
    if (!status && a->training)
        status = fst__gradient_begin(model, &to);
    if (status)
        return status;
    double scale = options->scale;
    if (scale == 0)
        scale = model->target_weight > 0 ? 1 / model->target_weight : 0;
    fst__loss_head settings = fst__model_distribution(model);
    settings.row_weights = a->row_weights;
    settings.gradient_scale = scale;
    settings.label_smoothing = (fst__real)options->label_smoothing;
    settings.z_loss = (fst__real)options->z_loss;
    bool trunk = a->training && fst__model_lowest_trainable(model) <= model->config.layers;
    fst__head_transform transform;
    fst__output_layer layer;
    fst__model_output_layer(model, a->training, &transform, &layer);
    fst__loss_result result;
    status = fst__loss_head_run(model->context->compute, &settings, &layer, a->hidden, NULL, NULL,
                                trunk ? &to : NULL, &a->scratch, &result);
    if (status)
        return status;
    loss->loss = result.loss;
    loss->z_loss = result.z;
    loss->weight = result.weight;
    loss->tokens = result.rows;
    loss->correct = result.correct;
    if (!isfinite(result.loss) || !isfinite(result.z)) {
        model->phase = FST__PHASE_IDLE;
        return not_finite(model);
    }
    if (trunk)
        fst__gradient_end(model, to);
    model->has_loss = true;
    return FST_OK;
}

fst_status fst__model_backward(fst_model *model)
{
    bool with_trunk = fst__model_lowest_trainable(model) <= model->config.layers;
    fst_status status = fst__outputs_backward(model, with_trunk);
    if (status)
        return status;
    model->has_output = false; /* gradients lie over it */
    return with_trunk ? fst__backbone_of(&model->config)->backward(model) : FST_OK;
}
