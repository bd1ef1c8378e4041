#include "data/images.h"

#include "api/check.h"
#include "base/options.h"
#include "data/augment.h"

#include <inttypes.h>

fst_status fst_image_options_init(fst_image_options *options, size_t size)
{
    const fst_image_options defaults = fst__image_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_image_options");
}

fst_status fst_augment_options_init(fst_augment_options *options, size_t size)
{
    const fst_augment_options defaults = fst__augment_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_augment_options");
}

fst_status fst_augment_options_simclr(fst_augment_options *options, size_t size, double strength)
{
    if (!(strength >= 0 && strength <= 2.5))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_augment_options_simclr: strength is %g, expected 0 … 2.5", strength);
    const fst_augment_options ours = fst__augment_simclr(strength);
    return fst__options_init(options, size, &ours, sizeof ours, "fst_augment_options");
}

static fst_status overlay(const fst_image_options *options, fst_image_options *ours)
{
    *ours = fst__image_defaults();
    return fst__options_overlay(ours, sizeof *ours, options, "fst_image_options");
}

fst_status fst_dataset_from_images(fst_context *context, const void *pixels, int64_t images,
                                   int32_t channels, int32_t height, int32_t width,
                                   const float *labels, int64_t per_image,
                                   const fst_image_options *options, fst_dataset **dataset)
{
    static const char function[] = "fst_dataset_from_images";
    fst_image_options ours;
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(pixels, function, "pixels");
    if (!status)
        status = fst__check_pointer(dataset, function, "dataset");
    if (!status && images < 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: images is %" PRId64 ", expected at least 1",
                           function, images);
    if (!status && ((channels != 1 && channels != 3) || height < 1 || height > FST__IMAGE_MAX_SIDE ||
                    width < 1 || width > FST__IMAGE_MAX_SIDE))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "%s: channels is %d, height is %d, width is %d; expected 1 or 3, and sides "
                           "of 1 … %d",
                           function, channels, height, width, FST__IMAGE_MAX_SIDE);
    if (!status && labels && (per_image < 1 || per_image > INT64_MAX / images))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "%s: per_image is %" PRId64 ", expected at least 1", function, per_image);
    if (!status)
        status = overlay(options, &ours);
    return status ? status
                  : fst__dataset_from_images(context, pixels, images, channels, height, width, labels,
                                             per_image, &ours, dataset);
}

fst_status fst_dataset_load_idx(fst_context *context, const char *images, const char *labels,
                                const fst_image_options *options, fst_dataset **dataset)
{
    static const char function[] = "fst_dataset_load_idx";
    fst_image_options ours;
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(images, function, "images");
    if (!status)
        status = fst__check_pointer(dataset, function, "dataset");
    if (!status)
        status = overlay(options, &ours);
    return status ? status : fst__dataset_load_idx(context, images, labels, &ours, dataset);
}

fst_status fst_dataset_load_image_folder(fst_context *context, const char *folder,
                                         const fst_image_options *options, fst_dataset **dataset)
{
    static const char function[] = "fst_dataset_load_image_folder";
    fst_image_options ours;
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(folder, function, "folder");
    if (!status)
        status = fst__check_pointer(dataset, function, "dataset");
    if (!status)
        status = overlay(options, &ours);
    return status ? status : fst__dataset_load_image_folder(context, folder, &ours, dataset);
}

fst_status fst_dataset_get_images_info(const fst_dataset *dataset, fst_images_info *info, size_t size)
{
    static const char function[] = "fst_dataset_get_images_info";
    fst_status status = fst__check_pointer(dataset, function, "dataset");
    if (!status)
        status = fst__images_check(dataset, function);
    if (status)
        return status;
    const fst__examples *examples = dataset->documents->examples;
    const fst__pixels *pixels = examples->images->pixels;
    const fst_images_info ours = {
        .struct_size = sizeof ours,
        .images = examples->count,
        .label_count = examples->label_count,
        .classes = pixels->class_count,
        .channels = pixels->shape.channels,
        .height = pixels->shape.height,
        .width = pixels->shape.width,
        .type = pixels->shape.type,
    };
    return fst__options_init(info, size, &ours, sizeof ours, "fst_images_info");
}

fst_status fst_dataset_get_class_name(const fst_dataset *dataset, int64_t index, const char **name)
{
    static const char function[] = "fst_dataset_get_class_name";
    fst_status status = fst__check_pointer(dataset, function, "dataset");
    if (!status)
        status = fst__check_pointer(name, function, "name");
    if (!status)
        status = fst__images_check(dataset, function);
    if (status)
        return status;
    const fst__pixels *pixels = fst__images_of(dataset)->pixels;
    if (index < 0 || index >= pixels->class_count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: index is %" PRId64 ", the dataset has names of %" PRId64 " classes",
                         function, index, pixels->class_count);
    *name = pixels->class_names[index];
    return FST_OK;
}

fst_status fst_dataset_measure_images(const fst_dataset *dataset, double *mean, double *std)
{
    static const char function[] = "fst_dataset_measure_images";
    fst_status status = fst__check_pointer(dataset, function, "dataset");
    if (!status)
        status = fst__check_pointer(mean, function, "mean");
    if (!status)
        status = fst__check_pointer(std, function, "std");
    if (!status)
        status = fst__images_check(dataset, function);
    return status ? status : fst__images_measure(dataset, mean, std);
}

static fst_status check_indices(const fst_dataset *dataset, const int64_t *indices, int64_t count,
                                const char *function)
{
    int64_t images = dataset->documents->examples->count;
    for (int64_t i = 0; i < count; ++i) {
        if (indices[i] < 0 || indices[i] >= images)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "%s: indices[%" PRId64 "] is %" PRId64 ", expected 0 … %" PRId64, function,
                             i, indices[i], images - 1);
    }
    return FST_OK;
}

fst_status fst_dataset_read_images(const fst_dataset *dataset, const int64_t *indices, int64_t count,
                                   const fst_augment_options *augment, int64_t draw, float *images)
{
    static const char function[] = "fst_dataset_read_images";
    fst_augment_options ours = fst__augment_defaults();
    fst__augmenter *augmenter;
    fst_status status = fst__check_pointer(dataset, function, "dataset");
    if (!status)
        status = fst__check_pointer(indices, function, "indices");
    if (!status)
        status = fst__check_pointer(images, function, "images");
    if (!status && (count < 1 || draw < 0 || draw >= (int64_t)1 << 56))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "%s: count is %" PRId64 ", draw is %" PRId64 "; expected at least 1, and 0 … 2⁵⁶",
                           function, count, draw);
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, augment, "fst_augment_options");
    if (!status)
        status = fst__images_check(dataset, function);
    if (!status)
        status = check_indices(dataset, indices, count, function);
    if (!status)
        status = fst__augmenter_open(dataset, &ours, "fst_augment_options", &augmenter);
    if (status)
        return status;
    fst__augmenter_read(augmenter, dataset, indices, count, true, draw, images);
    fst__augmenter_close(augmenter);
    return FST_OK;
}
