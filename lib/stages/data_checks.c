#include "stages/data_checks.h"

#include "base/error.h"
#include "data/images.h"

#include <inttypes.h>

/* Images for a model of images of that size, ids for one of text. */
static fst_status check_input(const fst_model *model, const fst_dataset *dataset, const char *what)
{
    const fst_model_config *config = &model->config;
    bool images = fst__is_images(dataset), wanted = fst__config_reads_images(config);
    if (fst__config_reads_vectors(config))
        return fst__fail(FST_ERR_MISMATCH, "%s holds %s, the model reads vectors", what,
                         images ? "images" : "ids");
    if (images != wanted)
        return fst__fail(FST_ERR_MISMATCH, "%s holds %s, the model reads %s", what,
                         images ? "images" : "ids", wanted ? "images" : "ids");
    if (!images)
        return FST_OK;
    const fst__image_shape *shape = &fst__images_of(dataset)->pixels->shape;
    if (shape->channels != config->image_channels || shape->height != config->image_height ||
        shape->width != config->image_width)
        return fst__fail(FST_ERR_MISMATCH,
                         "%s has images of %d × %d × %d, the model reads %d × %d × %d", what,
                         (int)shape->channels, (int)shape->height, (int)shape->width,
                         (int)config->image_channels, (int)config->image_height,
                         (int)config->image_width);
    return FST_OK;
}

fst_status fst__data_check(const fst_model *model, const fst_dataset *dataset, const char *what,
                           const fst__data_length *length)
{
    const fst_model_config *config = &model->config;
    int32_t maximum_id = dataset->documents->maximum_id;
    if (dataset->context != model->context)
        return fst__fail(FST_ERR_MISMATCH, "%s and the model were made from two contexts", what);
    fst_status status = check_input(model, dataset, what);
    if (status)
        return status;
    if (length && length->ids > config->context_length)
        return fst__fail(FST_ERR_MISMATCH,
                         "%s has %s of %" PRId64 " ids, the model's context_length is %d%s", what,
                         length->of, length->ids, (int)config->context_length, length->advice);
    if (!fst__is_images(dataset) && maximum_id >= config->vocabulary_size)
        return fst__fail(FST_ERR_MISMATCH, "%s has id %d, the model's vocabulary_size is %d", what,
                         (int)maximum_id, (int)config->vocabulary_size);
    return FST_OK;
}

fst_status fst__data_check_examples(const fst_model *model, const fst_dataset *dataset,
                                    const char *what, int32_t kind, fst_examples_info *info)
{
    fst_status status = fst_dataset_get_examples_info(dataset, info, sizeof *info);
    if (status)
        return fst__fail_in(status, "%s", what);
    if (dataset->packed || info->kind != kind)
        return fst__fail(FST_ERR_STATE, "%s: expected %s that are not packed", what,
                         kind == FST_EXAMPLES_LABELLED ? "labelled texts" : "preferences");
    const fst__data_length length = {info->longest, "a sequence",
                                     "; see fst_example_options.max_length"};
    return fst__data_check(model, dataset, what, &length);
}
