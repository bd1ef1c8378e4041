#include "model/model.h"

#include "base/checked.h"
#include "base/error.h"
#include "kernels/compute.h"
#include "model/adapter.h"
#include "model/backbone.h"
#include "model/heads.h"
#include "model/outputs.h"
#include "model/pooler.h"

#include <string.h>

const fst__backbone *fst__backbone_of(const fst_model_config *config)
{
    static const fst__backbone *const backbones[] = {
        [FST_BACKBONE_TRANSFORMER] = &fst__text_transformer,
        [FST_BACKBONE_RESNET] = &fst__image_resnet,
        [FST_BACKBONE_VIT] = &fst__image_transformer,
        [FST_BACKBONE_MLP] = &fst__vector_mlp,
        [FST_BACKBONE_CNN] = &fst__image_cnn,
    };
    return fst__config_reads_vectors(config) && config->backbone == FST_BACKBONE_TRANSFORMER
               ? &fst__vector_transformer
               : backbones[config->backbone];
}

static fst_status check_options(const fst_model_config *config, const fst_model_options *options)
{
    bool towers = fst__config_has_towers(config);
    if (options->dtype != FST_F32 && options->dtype != FST_BF16)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_model_options.dtype is %s, expected F32 or BF16",
                         fst_dtype_name(options->dtype));
    if (options->dtype == FST_BF16 && towers)
        return fst__fail(FST_ERR_UNSUPPORTED,
                         "fst_model_options.dtype: an MLP or CNN is of F32 alone");
    if (options->checkpointing != 0 && options->checkpointing != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_model_options.checkpointing is %d, expected 0 or 1",
                         (int)options->checkpointing);
    if (options->checkpointing && (config->backbone == FST_BACKBONE_RESNET || towers))
        return fst__fail(FST_ERR_UNSUPPORTED, "fst_model_options.checkpointing of a ResNet, MLP or CNN");
    return FST_OK;
}

fst_status fst__model_create(fst_context *context, const fst_model_config *config,
                             const fst_model_options *options, bool initialise, fst_model **out)
{
    fst_model_config resolved = *config;
    fst_status status = fst__config_resolve(&resolved);
    if (!status)
        status = check_options(&resolved, options);
    if (status)
        return status;
    fst_model *model = fst__alloc_zero(&context->allocator, sizeof *model);
    if (!model)
        return FST_ERR_NO_MEMORY;
    model->references = 1;
    model->context = fst__context_retain(context);
    model->config = resolved;
    model->options = *options;
    status = fst__parameters_create(&context->allocator, &model->config, options->dtype,
                                    &model->parameters);
    if (!status)
        status = fst__backbone_of(&resolved)->open(model);
    if (status)
        goto fail;
    if (initialise)
        status = fst__parameters_initialise(&model->parameters, context->compute, &model->config,
                                            context->seed);
    if (status)
        goto fail;
    *out = model;
    return FST_OK;
fail:
    fst__model_release(model);
    return status;
}

void fst__model_release(fst_model *model)
{
    if (!model || atomic_fetch_sub(&model->references, 1) != 1)
        return;
    fst_context *context = model->context;
    fst__allocator *allocator = &context->allocator;
    fst__outputs_destroy(model);
    fst__heads_destroy(model);
    fst__free(allocator, model->kept);
    fst__free(allocator, model->block);
    fst__backbone_of(&model->config)->close(model);
    fst__adapter_destroy(model);
    fst__parameters_destroy(&model->parameters);
    fst__free(allocator, model);
    fst__context_release(context);
}

fst_status fst__buffer_want(fst__allocator *allocator, fst__buffer *buffer, size_t count)
{
    if (count <= buffer->size)
        return FST_OK;
    fst__free(allocator, buffer->data);
    buffer->size = 0;
    buffer->data = fst__alloc_array(allocator, count, sizeof *buffer->data);
    if (!buffer->data)
        return FST_ERR_NO_MEMORY;
    buffer->size = count;
    return FST_OK;
}

void fst__model_forget_forward(fst_model *model)
{
    model->phase = FST__PHASE_IDLE;
    model->has_output = false;
    model->activations.rows = 0;
}

fst_status fst__model_parameters(fst_model *model, const fst__parameter **parameters,
                                 int64_t *count)
{
    fst_status status = fst__parameters_want_gradients(&model->parameters);
    if (status)
        return status;
    *parameters = model->parameters.items;
    *count = model->parameters.count;
    return FST_OK;
}

/* Of a row of the caller's length. */
static int64_t positions_of(const fst_model *model, int64_t length)
{
    int64_t own = fst__backbone_of(&model->config)->positions(&model->config);
    return own ? own : length;
}

static fst_status check_shape(const fst_model *model, int64_t rows, int64_t length)
{
    int64_t tokens;
    if (rows < 1 || length < 1 || !fst__mul_i64(rows, length, &tokens) || tokens > INT32_MAX)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "a batch of %lld rows of %lld positions; expected at least 1 of each",
                         (long long)rows, (long long)length);
    if (length > model->config.context_length)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "a batch of length %lld, longer than the model's context_length %d",
                         (long long)length, (int)model->config.context_length);
    return FST_OK;
}

/* What one operator may need beyond the plan's own. */
static size_t scratch_size(const fst_model *model, int64_t rows, int64_t length, bool training,
                           size_t asked)
{
    size_t adapter = fst__adapter_scratch(model, rows * length, training);
    size_t heads = fst__heads_scratch(model, rows, length, training);
    size_t pooler = fst__pooler_scratch(model, rows, training);
    asked = adapter > asked ? adapter : asked;
    asked = pooler > asked ? pooler : asked;
    return heads > asked ? heads : asked;
}

static fst_status plan(const fst_model *model, int64_t rows, int64_t length, bool training,
                       size_t least_scratch, size_t *bytes)
{
    fst_status status = check_shape(model, rows, length);
    if (status)
        return status;
    least_scratch = scratch_size(model, rows, length, training, least_scratch);
    fst__arena counting = fst__arena_counting();
    fst__activations counted;
    fst__backbone_of(&model->config)
        ->layout(model, &counted, &counting, rows, length, training, least_scratch);
    if (counting.overflow)
        return fst__fail(FST_ERR_NO_MEMORY, "a batch of %lld rows of %lld positions is too large",
                         (long long)rows, (long long)length);
    *bytes = counting.peak;
    return FST_OK;
}

fst_status fst__model_plan(const fst_model *model, int64_t rows, int64_t length, bool training,
                           int64_t *bytes)
{
    size_t size;
    fst_status status = plan(model, rows, positions_of(model, length), training, 0, &size);
    if (!status)
        *bytes = (int64_t)size;
    return status;
}

static fst_status reserve(fst_model *model, int64_t rows, int64_t length, bool training,
                          size_t least_scratch, int64_t *bytes)
{
    size_t size;
    fst_status status = plan(model, rows, length, training, least_scratch, &size);
    if (!status && training)
        status = fst__parameters_want_gradients(&model->parameters);
    if (status)
        return status;
    if (size > model->block_size) {
        fst__allocator *allocator = &model->context->allocator;
        fst__free(allocator, model->block);
        model->block = NULL;
        model->block_size = 0;
        model->activations.rows = 0;
        model->has_output = false;
        model->phase = FST__PHASE_IDLE;
        model->block = fst__alloc(allocator, size);
        if (!model->block)
            return FST_ERR_NO_MEMORY;
        model->block_size = size;
    }
    if (bytes)
        *bytes = (int64_t)size;
    return FST_OK;
}

fst_status fst__model_reserve(fst_model *model, int64_t rows, int64_t length, bool training,
                              int64_t *bytes)
{
    return reserve(model, rows, positions_of(model, length), training, 0, bytes);
}

fst_status fst__model_lay_out(fst_model *model, int64_t rows, int64_t length, bool training,
                              size_t least_scratch)
{
    length = positions_of(model, length);
    fst__activations *a = &model->activations;
    /* As the last one; what changes a plan forgets it. */
    if (a->rows == rows && rows > 0 && a->length == length && a->training == training &&
        a->least_scratch >= least_scratch && (!training || model->parameters.gradients))
        return FST_OK;
    fst_status status = reserve(model, rows, length, training, least_scratch, NULL);
    if (status)
        return status;
    least_scratch = scratch_size(model, rows, length, training, least_scratch);
    if (a->rows == rows && a->length == length && a->training == training &&
        a->least_scratch >= least_scratch)
        return FST_OK;
    fst__arena arena = fst__arena_over(model->block, model->block_size);
    fst__backbone_of(&model->config)
        ->layout(model, a, &arena, rows, length, training, least_scratch);
    if (arena.overflow) {
        a->rows = 0;
        return fst__fail(FST_ERR_INTERNAL, "activations do not fit their own plan");
    }
    return FST_OK;
}
