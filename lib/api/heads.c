/* Heads of a model. */
#include "api/check.h"
#include "base/error.h"
#include "base/options.h"
#include "model/heads.h"

fst_status fst_head_options_init(fst_head_options *options, size_t size)
{
    fst_head_options defaults = fst__head_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_head_options");
}

fst_status fst_model_add_head(fst_model *model, const fst_head_options *options)
{
    fst_head_options o = fst__head_defaults();
    fst_status status = fst__check_pointer(model, "fst_model_add_head", "model");
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_head_options");
    return status ? status : fst__model_add_head(model, &o, true);
}

fst_status fst_model_head_count(const fst_model *model, int64_t *count)
{
    fst_status status = fst__check_pointer(model, "fst_model_head_count", "model");
    if (!status)
        status = fst__check_pointer(count, "fst_model_head_count", "count");
    if (!status)
        *count = model->head_count;
    return status;
}

fst_status fst_model_get_head(const fst_model *model, int64_t index, fst_head_options *head,
                              size_t size)
{
    fst_status status = fst__check_pointer(model, "fst_model_get_head", "model");
    if (status)
        return status;
    if (index < 0 || index >= model->head_count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_model_get_head: index is %lld, the model has %d heads",
                         (long long)index, (int)model->head_count);
    const fst_head_options *o = &model->heads[index].options;
    return fst__options_init(head, size, o, sizeof *o, "fst_head_options");
}
