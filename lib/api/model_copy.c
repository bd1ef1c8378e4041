#include "model/copy.h"

#include "api/check.h"
#include "base/options.h"

fst_status fst_model_copy(const fst_model *model, const fst_model_options *options,
                          fst_model **copy)
{
    fst_status status = fst__check_pointer(model, "fst_model_copy", "model");
    if (!status)
        status = fst__check_pointer(copy, "fst_model_copy", "copy");
    if (status)
        return status;
    fst_model_options ours = model->options;
    ours.struct_size = sizeof ours;
    status = fst__options_overlay(&ours, sizeof ours, options, "fst_model_options");
    return status ? status : fst__model_copy(model, &ours, copy);
}

fst_status fst_model_copy_weights(fst_model *model, const fst_model *from)
{
    fst_status status = fst__check_pointer(model, "fst_model_copy_weights", "model");
    if (!status)
        status = fst__check_pointer(from, "fst_model_copy_weights", "from");
    return status ? status : fst__model_copy_weights(model, from);
}
