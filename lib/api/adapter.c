#include "fourstage/adapter.h"

#include "api/check.h"
#include "base/options.h"
#include "model/adapter.h"

fst_status fst_adapter_options_init(fst_adapter_options *options, size_t size)
{
    const fst_adapter_options defaults = fst__adapter_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_adapter_options");
}

fst_status fst_model_add_adapter(fst_model *model, const fst_adapter_options *options)
{
    fst_adapter_options ours = fst__adapter_defaults();
    fst_status status = fst__check_pointer(model, "fst_model_add_adapter", "model");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_adapter_options");
    return status ? status : fst__model_add_adapter(model, &ours, true);
}

fst_status fst_model_get_adapter(const fst_model *model, fst_adapter_options *options, size_t size)
{
    const fst_adapter_options *ours;
    fst_status status = fst__check_pointer(model, "fst_model_get_adapter", "model");
    if (!status)
        status = fst__model_get_adapter(model, &ours);
    if (status)
        return status;
    return fst__options_init(options, size, ours, sizeof *ours, "fst_adapter_options");
}

fst_status fst_model_enable_adapter(fst_model *model, int32_t enabled)
{
    fst_status status = fst__check_pointer(model, "fst_model_enable_adapter", "model");
    if (status)
        return status;
    if (enabled != 0 && enabled != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_model_enable_adapter: enabled is %d, expected 0 or 1", (int)enabled);
    return fst__model_enable_adapter(model, enabled);
}

fst_status fst_model_merge_adapter(fst_model *model)
{
    fst_status status = fst__check_pointer(model, "fst_model_merge_adapter", "model");
    return status ? status : fst__model_merge_adapter(model);
}

fst_status fst_model_remove_adapter(fst_model *model)
{
    fst_status status = fst__check_pointer(model, "fst_model_remove_adapter", "model");
    return status ? status : fst__model_remove_adapter(model);
}

fst_status fst_model_save_adapter(const fst_model *model, const char *directory)
{
    fst_status status = fst__check_pointer(model, "fst_model_save_adapter", "model");
    if (!status)
        status = fst__check_pointer(directory, "fst_model_save_adapter", "directory");
    return status ? status : fst__model_save_adapter(model, directory);
}

fst_status fst_model_load_adapter(fst_model *model, const char *directory)
{
    fst_status status = fst__check_pointer(model, "fst_model_load_adapter", "model");
    if (!status)
        status = fst__check_pointer(directory, "fst_model_load_adapter", "directory");
    return status ? status : fst__model_load_adapter(model, directory);
}
