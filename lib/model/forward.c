/* From the caller's batch to the hidden states: checks, copies, and derives each token's keys. */
#include "model/model.h"

#include "base/checked.h"
#include "base/error.h"
#include "model/adapter.h"
#include "model/transformer.h"

#include <string.h>

/* Without a table every token is of type 0. */
static fst_status check_types(const fst_model *model, const fst_batch *batch)
{
    int32_t most = model->config.token_types ? model->config.token_types - 1 : 0;
    for (int64_t i = 0; batch->token_types && i < batch->rows * batch->length; ++i) {
        if (batch->token_types[i] < 0 || batch->token_types[i] > most)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "batch.token_types[%lld][%lld] is %d, expected 0 to %d",
                             (long long)(i / batch->length), (long long)(i % batch->length),
                             (int)batch->token_types[i], (int)most);
    }
    return FST_OK;
}

static fst_status check_ids(const fst_model *model, const fst_batch *batch)
{
    int32_t vocabulary = model->config.vocabulary_size;
    if (batch->images)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "batch.images: the model's backbone reads token ids");
    for (int64_t r = 0; r < batch->rows; ++r) {
        for (int64_t t = 0; t < batch->length; ++t) {
            int64_t i = r * batch->length + t;
            if (batch->ids[i] < 0 || batch->ids[i] >= vocabulary)
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "batch.ids[%lld][%lld] is %d, expected 0 to %d", (long long)r,
                                 (long long)t, (int)batch->ids[i], (int)vocabulary - 1);
            if (batch->targets && batch->targets[i] >= vocabulary)
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "batch.targets[%lld][%lld] is %d, expected at most %d",
                                 (long long)r, (long long)t, (int)batch->targets[i],
                                 (int)vocabulary - 1);
            if (batch->positions && (batch->positions[i] < 0 ||
                                     batch->positions[i] >= model->config.context_length))
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "batch.positions[%lld][%lld] is %d, expected 0 to %d",
                                 (long long)r, (long long)t, (int)batch->positions[i],
                                 (int)model->config.context_length - 1);
            if (batch->documents && (batch->documents[i] < 0 || batch->documents[i] > t))
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "batch.documents[%lld][%lld] is %d, expected 0 to %lld",
                                 (long long)r, (long long)t, (int)batch->documents[i],
                                 (long long)t);
        }
        if (batch->lengths && (batch->lengths[r] < 0 || batch->lengths[r] > batch->length))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "batch.lengths[%lld] is %d, expected 0 to %lld", (long long)r,
                             (int)batch->lengths[r], (long long)batch->length);
    }
    return FST_OK;
}

/* Padding reads token 0 and no target, and sees nothing: what the caller put there has no effect. */
static void copy_row(fst_model *model, const fst_batch *batch, int64_t r)
{
    fst__activations *a = &model->activations;
    int32_t window = model->config.window;
    int64_t valid = batch->lengths ? batch->lengths[r] : batch->length;
    a->row_lengths[r] = (int32_t)valid;
    for (int64_t t = 0; t < batch->length; ++t) {
        int64_t i = r * batch->length + t;
        bool padding = t >= valid;
        int64_t first = batch->documents && !padding ? batch->documents[i] : 0;
        int64_t position = batch->positions && !padding ? batch->positions[i] : t - first;
        a->ids[i] = padding ? 0 : batch->ids[i];
        a->targets[i] = batch->targets && !padding ? batch->targets[i] : FST_IGNORE;
        a->positions[i] = (int32_t)position;
        a->row_weights[i] = batch->weights && !padding ? (fst__real)batch->weights[i] : 1;
        if (window > 0 && t - window + 1 > first)
            first = t - window + 1;
        a->first_key[i] = padding ? 0 : (int32_t)first;
        a->end_key[i] = padding ? 0 : (int32_t)t + 1;
        if (a->targets[i] >= 0)
            model->target_weight += (double)a->row_weights[i];
    }
}

static fst_status copy_kept(fst_model *model, const fst_batch *batch)
{
    model->has_kept = batch->kept != NULL;
    if (!batch->kept)
        return FST_OK;
    size_t row = ((size_t)model->config.vocabulary_size + 7) / 8, size;
    if (!fst__mul_size((size_t)(batch->rows * batch->length), row, &size))
        return FST_ERR_NO_MEMORY;
    if (size > model->kept_size) {
        fst__free(&model->context->allocator, model->kept);
        model->kept_size = 0;
        model->kept = fst__alloc(&model->context->allocator, size);
        if (!model->kept)
            return FST_ERR_NO_MEMORY;
        model->kept_size = size;
    }
    memcpy(model->kept, batch->kept, size);
    return FST_OK;
}

/* Nothing is known yet of the batch to come. */
static void begin(fst_model *model, const fst_forward_options *options)
{
    model->phase = FST__PHASE_IDLE;
    model->has_output = model->has_loss = model->has_gradient = false;
    model->outputs.has_distribution = false;
    model->outputs.has_d_log_probabilities = model->outputs.has_d_entropies = false;
    for (int32_t i = 0; i < model->head_count; ++i)
        model->heads[i].has_gradient = false;
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
    fst_status status = fst__model_lay_out(model, batch->rows, batch->length, training, 0);
    if (!status)
        status = check_ids(model, batch);
    if (!status)
        status = check_types(model, batch);
    if (!status)
        status = copy_kept(model, batch);
    if (status)
        return status;
    model->target_weight = 0;
    for (int64_t r = 0; r < batch->rows; ++r)
        copy_row(model, batch, r);
    model->has_targets = batch->targets != NULL;
    status = fst__adapter_refresh(model);
    if (!status)
        status = fst__transformer_forward(model);
    if (status)
        return status;
    model->has_output = true;
    model->phase = training ? FST__PHASE_FORWARD : FST__PHASE_IDLE;
    return FST_OK;
}
