/* Losses of labels. See objectives.c on void *. */
#include "stages/objectives/objectives.h"

#include "api/check.h"
#include "base/options.h"

fst_status fst_label_loss_options_init(fst_label_loss_options *options, size_t size)
{
    const fst_label_loss_options defaults = fst__label_loss_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_label_loss_options");
}

/* What both ask. */
static fst_status check(const char *function, const fst_label_loss_options *options,
                        const float *logits, const float *labels, const fst_score_loss *result,
                        size_t size, fst_label_loss_options *ours)
{
    *ours = fst__label_loss_defaults();
    fst_status status = fst__check_pointer(logits, function, "logits");
    if (!status)
        status = fst__check_pointer(labels, function, "labels");
    if (!status)
        status = fst__options_check(result, size, "fst_score_loss");
    if (!status)
        status = fst__options_overlay(ours, sizeof *ours, options, "fst_label_loss_options");
    return status;
}

fst_status fst_loss_classes(const fst_label_loss_options *options, const float *logits,
                            const float *labels, const float *weights, int64_t count,
                            int64_t classes, float *gradient, fst_score_loss *result, size_t size)
{
    fst_label_loss_options ours;
    fst_score_loss found = {.struct_size = sizeof found};
    fst_status status =
        check("fst_loss_classes", options, logits, labels, result, size, &ours);
    const void *z = logits, *y = labels, *w = weights;
    if (!status)
        status = fst__loss_classes(&ours, z, y, w, count, classes, (void *)gradient, &found);
    return status ? status
                  : fst__options_init(result, size, &found, sizeof found, "fst_score_loss");
}

fst_status fst_loss_labels(const fst_label_loss_options *options, const float *logits,
                           const float *labels, const float *weights, int64_t count,
                           int64_t outputs, float *gradient, fst_score_loss *result, size_t size)
{
    fst_label_loss_options ours;
    fst_score_loss found = {.struct_size = sizeof found};
    fst_status status = check("fst_loss_labels", options, logits, labels, result, size, &ours);
    const void *z = logits, *y = labels, *w = weights;
    if (!status)
        status = fst__loss_labels(&ours, z, y, w, count, outputs, (void *)gradient, &found);
    return status ? status
                  : fst__options_init(result, size, &found, sizeof found, "fst_score_loss");
}
