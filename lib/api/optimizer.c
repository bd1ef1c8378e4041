#include "api/check.h"
#include "base/options.h"
#include "model/optimizer.h"

fst_status fst_optimizer_options_init(fst_optimizer_options *options, size_t size)
{
    const fst_optimizer_options defaults = fst__optimizer_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_optimizer_options");
}

fst_status fst_optimizer_create(fst_model *model, const fst_optimizer_options *options,
                                fst_optimizer **optimizer)
{
    fst_optimizer_options ours = fst__optimizer_defaults();
    fst_status status = fst__check_pointer(model, "fst_optimizer_create", "model");
    if (!status)
        status = fst__check_pointer(optimizer, "fst_optimizer_create", "optimizer");
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_optimizer_options");
    return status ? status : fst__model_optimizer_create(model, &ours, optimizer);
}

void fst_optimizer_destroy(fst_optimizer *optimizer)
{
    fst__model_optimizer_release(optimizer);
}

fst_status fst_optimizer_step(fst_optimizer *optimizer, fst_optimizer_report *report, size_t size)
{
    fst_optimizer_report ours = {.struct_size = sizeof ours};
    fst_status status = fst__check_pointer(optimizer, "fst_optimizer_step", "optimizer");
    if (!status && report) /* a bad size is found before the weights have changed */
        status = fst__options_init(report, size, &ours, sizeof ours, "fst_optimizer_report");
    if (!status)
        status = fst__optimizer_step(optimizer->optimizer, optimizer->model->context->compute, NULL,
                                     &ours);
    if (!status && report)
        status = fst__options_init(report, size, &ours, sizeof ours, "fst_optimizer_report");
    return status;
}

fst_status fst_optimizer_zero_gradients(fst_optimizer *optimizer)
{
    fst_status status = fst__check_pointer(optimizer, "fst_optimizer_zero_gradients", "optimizer");
    if (!status)
        fst__optimizer_zero_gradients(optimizer->optimizer, optimizer->model->context->compute);
    return status;
}

fst_status fst_optimizer_learning_rate(const fst_optimizer *optimizer, int64_t step,
                                       double *learning_rate)
{
    fst_status status = fst__check_pointer(optimizer, "fst_optimizer_learning_rate", "optimizer");
    if (!status)
        status = fst__check_pointer(learning_rate, "fst_optimizer_learning_rate", "learning_rate");
    if (!status)
        *learning_rate = fst__optimizer_learning_rate(optimizer->optimizer, step);
    return status;
}
