#include "fourstage/sft.h"

#include "api/check.h"
#include "base/options.h"
#include "data/augment.h"
#include "stages/sft/sft.h"

fst_status fst_sft_options_init(fst_sft_options *options, size_t size)
{
    fst_sft_options defaults = fst__sft_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_sft_options");
}

fst_status fst_sft_create(const fst_sft_options *options, fst_run **run)
{
    fst_status status = fst__check_pointer(options, "fst_sft_create", "options");
    if (!status)
        status = fst__check_pointer(run, "fst_sft_create", "run");
    fst_sft_options ours = fst__sft_defaults();
    fst_run_options common = fst__run_defaults();
    fst_augment_options augment = fst__augment_defaults();
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_sft_options");
    if (!status)
        status = fst__options_overlay(&common, sizeof common, ours.run, "fst_run_options");
    if (!status && ours.augment) {
        status = fst__options_overlay(&augment, sizeof augment, ours.augment, "fst_augment_options");
        ours.augment = &augment;
    }
    return status ? status : fst__sft_create(&ours, &common, run);
}

fst_status fst_sft_confusion(const fst_run *run, int64_t *counts, int64_t capacity, int64_t *count)
{
    fst_status status = fst__check_pointer(run, "fst_sft_confusion", "run");
    if (!status)
        status = fst__check_pointer(count, "fst_sft_confusion", "count");
    if (!status && capacity < 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sft_confusion: capacity is negative");
    if (!status && capacity > 0)
        status = fst__check_pointer(counts, "fst_sft_confusion", "counts");
    return status ? status : fst__sft_confusion(run, counts, capacity, count);
}

/* In the library that computes in double the outputs are doubles. */
fst_status fst_sft_predict(fst_model *model, const char *head, const fst_dataset *dataset,
                           int64_t rows, float *outputs, int64_t capacity, int64_t *count)
{
    fst_status status = fst__check_pointer(model, "fst_sft_predict", "model");
    if (!status)
        status = fst__check_pointer(head, "fst_sft_predict", "head");
    if (!status)
        status = fst__check_pointer(dataset, "fst_sft_predict", "dataset");
    if (!status)
        status = fst__check_pointer(count, "fst_sft_predict", "count");
    if (!status && capacity < 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sft_predict: capacity is negative");
    if (!status && capacity > 0)
        status = fst__check_pointer(outputs, "fst_sft_predict", "outputs");
    void *values = outputs;
    return status ? status
                  : fst__sft_predict(model, head, dataset, rows, values, capacity, count);
}

fst_status fst_sft_entities(const fst_run *run, int32_t strict, fst_entities **entities)
{
    fst_status status = fst__check_pointer(run, "fst_sft_entities", "run");
    if (!status)
        status = fst__check_pointer(entities, "fst_sft_entities", "entities");
    if (!status && strict != 0 && strict != 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sft_entities: strict is %d, expected 0 or 1",
                           (int)strict);
    return status ? status : fst__sft_entities(run, strict, entities);
}

fst_status fst_sft_tag(fst_model *model, const char *head, const fst_dataset *dataset, int64_t rows,
                       int32_t *tags, int64_t capacity, int64_t *count)
{
    fst_status status = fst__check_pointer(model, "fst_sft_tag", "model");
    if (!status)
        status = fst__check_pointer(head, "fst_sft_tag", "head");
    if (!status)
        status = fst__check_pointer(dataset, "fst_sft_tag", "dataset");
    if (!status)
        status = fst__check_pointer(count, "fst_sft_tag", "count");
    if (!status && capacity < 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sft_tag: capacity is negative");
    if (!status && capacity > 0)
        status = fst__check_pointer(tags, "fst_sft_tag", "tags");
    return status ? status : fst__sft_tag(model, head, dataset, rows, tags, capacity, count);
}
