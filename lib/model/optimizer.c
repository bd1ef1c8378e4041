#include "model/optimizer.h"

#include "base/error.h"
#include "model/trainable.h"

fst_status fst__model_optimizer_create(fst_model *model, const fst_optimizer_options *options,
                                       fst_optimizer **out)
{
    fst__allocator *allocator = &model->context->allocator;
    const fst__parameter *parameters;
    int64_t count;
    if (fst__model_is_frozen(model))
        return fst__fail(FST_ERR_STATE, "every parameter of the model is frozen");
    fst_status status = fst__model_parameters(model, &parameters, &count);
    if (status)
        return status;
    fst_optimizer *optimizer = fst__alloc_zero(allocator, sizeof *optimizer);
    if (!optimizer)
        return FST_ERR_NO_MEMORY;
    status = fst__optimizer_create(allocator, parameters, count, options, &optimizer->optimizer);
    if (status) {
        fst__free(allocator, optimizer);
        return status;
    }
    optimizer->references = 1;
    optimizer->model = fst__model_retain(model);
    ++model->optimizers;
    *out = optimizer;
    return FST_OK;
}

void fst__model_optimizer_release(fst_optimizer *optimizer)
{
    if (!optimizer || atomic_fetch_sub(&optimizer->references, 1) != 1)
        return;
    fst_model *model = optimizer->model;
    --model->optimizers;
    fst__optimizer_destroy(optimizer->optimizer);
    fst__free(&model->context->allocator, optimizer);
    fst__model_release(model);
}
