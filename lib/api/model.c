#include "fourstage/model.h"

#include "api/check.h"
#include "base/options.h"
#include "model/config.h"
#include "model/model.h"
#include "model/save.h"
#include "model/trainable.h"
#include "tokenizer/tokenizer.h"

#include <math.h>
#include <string.h>

static fst_model_options default_model_options(void)
{
    return (fst_model_options){.struct_size = sizeof(fst_model_options), .dtype = FST_F32};
}

static fst_loss_options default_loss_options(void)
{
    return (fst_loss_options){.struct_size = sizeof(fst_loss_options)};
}

fst_status fst_model_config_init(fst_model_config *config, size_t size)
{
    fst_model_config defaults = fst__config_default();
    return fst__options_init(config, size, &defaults, sizeof defaults, "fst_model_config");
}

fst_status fst_model_config_set_family(fst_model_config *config, int32_t family)
{
    fst_status status = fst__check_pointer(config, "fst_model_config_set_family", "config");
    if (status)
        return status;
    fst_model_config ours = fst__config_default();
    size_t size = config->struct_size;
    status = fst__options_overlay(&ours, sizeof ours, config, "fst_model_config");
    if (!status)
        status = fst__config_set_family(&ours, family);
    if (status)
        return status;
    memcpy(config, &ours, size < sizeof ours ? size : sizeof ours);
    config->struct_size = size;
    return FST_OK;
}

fst_status fst_model_options_init(fst_model_options *options, size_t size)
{
    fst_model_options defaults = default_model_options();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_model_options");
}

fst_status fst_forward_options_init(fst_forward_options *options, size_t size)
{
    fst_forward_options defaults = fst__forward_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_forward_options");
}

fst_status fst_loss_options_init(fst_loss_options *options, size_t size)
{
    fst_loss_options defaults = default_loss_options();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_loss_options");
}

fst_status fst_batch_init(fst_batch *batch, size_t size)
{
    fst_batch defaults = {.struct_size = sizeof(fst_batch)};
    return fst__options_init(batch, size, &defaults, sizeof defaults, "fst_batch");
}

fst_status fst_model_create(fst_context *context, const fst_model_config *config,
                            const fst_model_options *options, fst_model **model)
{
    fst_status status = fst__check_pointer(context, "fst_model_create", "context");
    if (!status)
        status = fst__check_pointer(config, "fst_model_create", "config");
    if (!status)
        status = fst__check_pointer(model, "fst_model_create", "model");
    fst_model_config c = fst__config_default();
    fst_model_options o = default_model_options();
    if (!status)
        status = fst__options_overlay(&c, sizeof c, config, "fst_model_config");
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_model_options");
    if (status)
        return status;
    return fst__model_create(context, &c, &o, true, model);
}

fst_status fst_model_load(fst_context *context, const char *directory,
                          const fst_model_options *options, fst_model **model)
{
    fst_status status = fst__check_pointer(context, "fst_model_load", "context");
    if (!status)
        status = fst__check_pointer(directory, "fst_model_load", "directory");
    if (!status)
        status = fst__check_pointer(model, "fst_model_load", "model");
    fst_model_options o = default_model_options();
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_model_options");
    if (status)
        return status;
    return fst__model_load(context, directory, &o, model);
}

fst_status fst_model_save(const fst_model *model, const fst_tokenizer *tokenizer,
                          const char *directory)
{
    fst_status status = fst__check_pointer(model, "fst_model_save", "model");
    if (!status)
        status = fst__check_pointer(directory, "fst_model_save", "directory");
    if (!status)
        status = fst__model_save(model, directory);
    return status || !tokenizer ? status : fst__tokenizer_save(tokenizer, directory);
}

void fst_model_destroy(fst_model *model)
{
    fst__model_release(model);
}

fst_status fst_model_get_config(const fst_model *model, fst_model_config *config, size_t size)
{
    fst_status status = fst__check_pointer(model, "fst_model_get_config", "model");
    if (status)
        return status;
    return fst__options_init(config, size, &model->config, sizeof model->config,
                             "fst_model_config");
}

fst_status fst_model_parameter_count(const fst_model *model, int64_t *count)
{
    fst_status status = fst__check_pointer(model, "fst_model_parameter_count", "model");
    if (!status)
        status = fst__check_pointer(count, "fst_model_parameter_count", "count");
    if (!status)
        *count = model->parameters.count;
    return status;
}

fst_status fst_model_parameter_name(const fst_model *model, int64_t index, const char **name)
{
    fst_status status = fst__check_pointer(model, "fst_model_parameter_name", "model");
    if (!status)
        status = fst__check_pointer(name, "fst_model_parameter_name", "name");
    if (status)
        return status;
    if (index < 0 || index >= model->parameters.count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_model_parameter_name: index is %lld, expected 0 to %lld",
                         (long long)index, (long long)model->parameters.count - 1);
    *name = model->parameters.items[index].name;
    return FST_OK;
}

static fst_status find(fst_model *model, const char *name, fst_view *view, const char *function,
                       const fst__parameter **found)
{
    fst_status status = fst__check_pointer(model, function, "model");
    if (!status)
        status = fst__check_pointer(name, function, "name");
    if (!status)
        status = fst__check_pointer(view, function, "view");
    if (status)
        return status;
    *found = fst__parameters_find(&model->parameters, name);
    if (!*found)
        return fst__fail(FST_ERR_NOT_FOUND, "%s: no parameter \"%s\"", function, name);
    return FST_OK;
}

static void set_view(const fst__parameter *parameter, fst__real *data, fst_view *view)
{
    *view = (fst_view){.data = data, .dtype = FST__REAL_DTYPE, .rank = parameter->rank};
    if (parameter->rank == 1) {
        view->shape[0] = parameter->columns;
        view->strides[0] = 1;
        return;
    }
    view->shape[0] = parameter->rows;
    view->shape[1] = parameter->columns;
    view->strides[0] = parameter->columns;
    view->strides[1] = 1;
}

fst_status fst_model_parameter(fst_model *model, const char *name, fst_view *view)
{
    const fst__parameter *parameter;
    fst_status status = find(model, name, view, "fst_model_parameter", &parameter);
    if (!status)
        set_view(parameter, parameter->value, view);
    return status;
}

fst_status fst_model_gradient(fst_model *model, const char *name, fst_view *view)
{
    const fst__parameter *parameter;
    fst_status status = find(model, name, view, "fst_model_gradient", &parameter);
    if (!status)
        status = fst__parameters_want_gradients(&model->parameters);
    if (!status && !parameter->gradient)
        status = fst__fail(FST_ERR_STATE, "fst_model_gradient: \"%s\" is frozen", name);
    if (!status)
        set_view(parameter, parameter->gradient, view);
    return status;
}

fst_status fst_model_weights_changed(fst_model *model)
{
    fst_status status = fst__check_pointer(model, "fst_model_weights_changed", "model");
    if (!status)
        fst__parameters_refresh_working(&model->parameters, model->context->compute);
    return status;
}

fst_status fst_model_zero_gradients(fst_model *model)
{
    fst_status status = fst__check_pointer(model, "fst_model_zero_gradients", "model");
    if (!status)
        status = fst__parameters_want_gradients(&model->parameters);
    if (!status)
        memset(model->parameters.gradients, 0,
               (size_t)model->parameters.gradient_elements * sizeof(fst__real));
    return status;
}

fst_status fst_model_set_trainable(fst_model *model, const char *pattern, int32_t trainable)
{
    fst_status status = fst__check_pointer(model, "fst_model_set_trainable", "model");
    if (!status)
        status = fst__check_pointer(pattern, "fst_model_set_trainable", "pattern");
    if (!status && trainable != 0 && trainable != 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "fst_model_set_trainable: trainable is %d, expected 0 or 1",
                           (int)trainable);
    return status ? status : fst__model_set_trainable(model, pattern, trainable);
}

static fst_status check_mode(int32_t mode, const char *function)
{
    if (mode == FST_FORWARD_EVALUATE || mode == FST_FORWARD_TRAIN)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: mode is %d, none of FST_FORWARD_", function,
                     (int)mode);
}

fst_status fst_model_reserve(fst_model *model, int64_t rows, int64_t length, int32_t mode,
                             int64_t *bytes)
{
    fst_status status = fst__check_pointer(model, "fst_model_reserve", "model");
    if (!status)
        status = check_mode(mode, "fst_model_reserve");
    if (status)
        return status;
    return fst__model_reserve(model, rows, length, mode == FST_FORWARD_TRAIN, bytes);
}

fst_status fst_model_forward(fst_model *model, const fst_batch *batch,
                             const fst_forward_options *options)
{
    fst_status status = fst__check_pointer(model, "fst_model_forward", "model");
    if (!status)
        status = fst__check_pointer(batch, "fst_model_forward", "batch");
    fst_batch b = {.struct_size = sizeof b};
    fst_forward_options o = fst__forward_defaults();
    if (!status)
        status = fst__options_overlay(&b, sizeof b, batch, "fst_batch");
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_forward_options");
    if (!status && fst__config_reads_text(&model->config))
        status = fst__check_pointer(b.ids, "fst_model_forward", "batch->ids");
    if (!status)
        status = check_mode(o.mode, "fst_model_forward");
    if (!status && o.dropout != 0 && o.dropout != 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "fst_forward_options.dropout is %d, expected 0 or 1", (int)o.dropout);
    if (!status && !(o.temperature > 0 && isfinite(o.temperature)))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "fst_forward_options.temperature is %g, expected a finite value > 0",
                           o.temperature);
    if (status)
        return status;
    return fst__model_forward_with(model, &b, &o);
}

fst_status fst_model_output(fst_model *model, const char *name, fst_view *view)
{
    fst_status status = fst__check_pointer(model, "fst_model_output", "model");
    if (!status)
        status = fst__check_pointer(name, "fst_model_output", "name");
    if (!status)
        status = fst__check_pointer(view, "fst_model_output", "view");
    return status ? status : fst__model_output(model, name, view);
}

fst_status fst_model_loss(fst_model *model, const fst_loss_options *options, fst_loss *loss,
                          size_t size)
{
    fst_status status = fst__check_pointer(model, "fst_model_loss", "model");
    if (!status)
        status = fst__check_pointer(loss, "fst_model_loss", "loss");
    fst_loss_options o = default_loss_options();
    if (!status)
        status = fst__options_overlay(&o, sizeof o, options, "fst_loss_options");
    if (status)
        return status;
    if (!isfinite(o.scale) || !(o.label_smoothing >= 0 && o.label_smoothing < 1) ||
        !(o.z_loss >= 0 && isfinite(o.z_loss)))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_loss_options: expected a finite scale, label_smoothing in [0, 1) and "
                         "z_loss ≥ 0");
    fst_loss ours = {.struct_size = sizeof ours};
    status = fst__options_init(loss, size, &ours, sizeof ours, "fst_loss");
    if (status)
        return status;
    status = fst__model_loss(model, &o, &ours);
    fst_status filled = fst__options_init(loss, size, &ours, sizeof ours, "fst_loss");
    return status ? status : filled;
}

fst_status fst_model_backward(fst_model *model, const char *output, const fst_view *gradient)
{
    fst_status status = fst__check_pointer(model, "fst_model_backward", "model");
    if (status)
        return status;
    if (output)
        status = fst_model_add_gradient(model, output, gradient);
    return status ? status : fst__model_backward(model);
}

fst_status fst_model_add_gradient(fst_model *model, const char *output, const fst_view *gradient)
{
    fst_status status = fst__check_pointer(model, "fst_model_add_gradient", "model");
    if (!status)
        status = fst__check_pointer(output, "fst_model_add_gradient", "output");
    if (!status)
        status = fst__check_pointer(gradient, "fst_model_add_gradient", "gradient");
    return status ? status : fst__model_add_gradient(model, output, gradient);
}
