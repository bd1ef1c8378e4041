/* Heads of a model. */
#include "api/check.h"
#include "base/error.h"
#include "base/options.h"
#include "model/head_labels.h"
#include "model/heads.h"

#include <string.h>

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

static fst_status find(const fst_model *model, const char *name, int32_t *index)
{
    for (*index = 0; *index < model->head_count; ++*index) {
        if (strcmp(model->heads[*index].name, name) == 0)
            return FST_OK;
    }
    return fst__fail(FST_ERR_NOT_FOUND, "the model has no head \"%s\"", name);
}

fst_status fst_model_set_labels(fst_model *model, const char *head, const char *const *labels,
                                int64_t count)
{
    int32_t index;
    fst_status status = fst__check_pointer(model, "fst_model_set_labels", "model");
    if (!status)
        status = fst__check_pointer(head, "fst_model_set_labels", "head");
    if (!status)
        status = find(model, head, &index);
    if (!status && count != (labels ? model->heads[index].options.outputs : 0))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "fst_model_set_labels: count is %lld, the head has %lld outputs",
                           (long long)count, (long long)model->heads[index].options.outputs);
    return status ? status : fst__head_set_labels(model, &model->heads[index], labels);
}

fst_status fst_model_get_label(const fst_model *model, const char *head, int64_t index,
                               const char **label)
{
    int32_t at;
    fst_status status = fst__check_pointer(model, "fst_model_get_label", "model");
    if (!status)
        status = fst__check_pointer(head, "fst_model_get_label", "head");
    if (!status)
        status = fst__check_pointer(label, "fst_model_get_label", "label");
    if (!status)
        status = find(model, head, &at);
    if (status)
        return status;
    const fst__head *found = &model->heads[at];
    if (index < 0 || index >= found->options.outputs)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_model_get_label: index is %lld, the head has %lld outputs",
                         (long long)index, (long long)found->options.outputs);
    *label = fst__head_label(found, index);
    return FST_OK;
}
