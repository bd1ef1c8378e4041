/* From the caller's batch to the hidden states, by way of the backbone. */
#include "model/backbone.h"

#include "model/adapter.h"

/* Nothing is known yet of the batch to come. */
static void begin(fst_model *model, const fst_forward_options *options)
{
    model->phase = FST__PHASE_IDLE;
    model->has_output = model->has_loss = model->has_gradient = false;
    model->outputs.has_distribution = false;
    model->outputs.has_pooled = model->outputs.has_d_pooled = false;
    model->outputs.has_d_log_probabilities = model->outputs.has_d_entropies = false;
    for (int32_t i = 0; i < model->head_count; ++i)
        model->heads[i].has_gradient = model->heads[i].moved = false;
    model->dropout = options->dropout;
    model->step = options->step;
    model->temperature = options->temperature;
}

fst_forward_options fst__forward_defaults(void)
{
    return (fst_forward_options){.struct_size = sizeof(fst_forward_options),
                                 .mode = FST_FORWARD_TRAIN, .dropout = 1, .temperature = 1};
}

fst_status fst__model_forward(fst_model *model, const fst_batch *batch, bool training, int64_t step)
{
    fst_forward_options options = fst__forward_defaults();
    options.mode = training ? FST_FORWARD_TRAIN : FST_FORWARD_EVALUATE;
    options.step = step;
    return fst__model_forward_with(model, batch, &options);
}

fst_status fst__model_forward_with(fst_model *model, const fst_batch *batch,
                                   const fst_forward_options *options)
{
    bool training = options->mode == FST_FORWARD_TRAIN;
    begin(model, options);
    const fst__backbone *backbone = fst__backbone_of(&model->config);
    fst_status status = fst__model_lay_out(model, batch->rows, batch->length, training, 0);
    if (!status)
        status = backbone->read(model, batch);
    if (status)
        return status;
    status = fst__adapter_refresh(model);
    if (!status)
        status = backbone->forward(model);
    if (status)
        return status;
    model->has_output = true;
    model->phase = training ? FST__PHASE_FORWARD : FST__PHASE_IDLE;
    return FST_OK;
}
