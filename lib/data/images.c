/* Pixels that datasets share, and a dataset made of them. */
#include "data/images.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

fst_image_options fst__image_defaults(void)
{
    return (fst_image_options){.struct_size = sizeof(fst_image_options), .type = FST_PIXELS_U8};
}

bool fst__is_images(const fst_dataset *dataset)
{
    const fst__examples *examples = dataset->documents->examples;
    return examples && examples->kind == FST_EXAMPLES_IMAGES;
}

fst_status fst__images_check(const fst_dataset *dataset, const char *function)
{
    if (fst__is_images(dataset))
        return FST_OK;
    return fst__fail(FST_ERR_STATE,
                     "%s: the dataset holds no images; make one with fst_dataset_from_images, "
                     "fst_dataset_load_idx or fst_dataset_load_image_folder",
                     function);
}

/* ---- life ---- */

static void pixels_free(fst__pixels *pixels)
{
    fst_context *context = pixels->context;
    fst__allocator *allocator = &context->allocator;
    if (pixels->release)
        pixels->release(pixels->release_user);
    for (int64_t i = 0; pixels->class_names && i < pixels->class_count; ++i)
        fst__free(allocator, pixels->class_names[i]);
    fst__free(allocator, pixels->class_names);
    fst__free(allocator, pixels->owned);
    fst__free(allocator, pixels);
    fst__context_release(context);
}

static void pixels_release(fst__pixels *pixels)
{
    if (atomic_fetch_sub(&pixels->references, 1) == 1)
        pixels_free(pixels);
}

/* A set over `pixels`, which it holds one reference more of. */
static fst__images *images_alloc(fst__allocator *allocator, fst__pixels *pixels, int64_t count)
{
    fst__images *images = fst__alloc_zero(allocator, sizeof *images);
    if (!images)
        return NULL;
    images->indices = fst__alloc_array(allocator, (size_t)count, sizeof *images->indices);
    if (!images->indices) {
        fst__free(allocator, images);
        return NULL;
    }
    images->pixels = pixels;
    atomic_fetch_add(&pixels->references, 1);
    return images;
}

fst__images *fst__images_select(fst__allocator *allocator, const fst__images *from,
                                const int64_t *indices, int64_t count)
{
    fst__images *images = images_alloc(allocator, from->pixels, count);
    for (int64_t i = 0; images && i < count; ++i)
        images->indices[i] = from->indices[indices[i]];
    return images;
}

void fst__images_free(fst__images *images, fst__allocator *allocator)
{
    if (!images)
        return;
    fst__pixels *pixels = images->pixels;
    fst__free(allocator, images->indices);
    fst__free(allocator, images);
    pixels_release(pixels);
}

uint64_t fst__images_hash(const fst__images *images, int64_t index, uint64_t hash)
{
    const unsigned char *bytes = fst__images_at(images, index);
    int64_t size = fst__image_bytes(&images->pixels->shape);
    for (int64_t i = 0; i < size; ++i)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* ---- options ---- */

static fst_status check_scale(const fst_image_options *o)
{
    if (!o->mean != !o->std)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_image_options.%s is NULL; mean and std are given together",
                         o->mean ? "std" : "mean");
    return FST_OK;
}

fst_status fst__image_options_check(const fst_image_options *o)
{
    if (o->type != FST_PIXELS_U8 && o->type != FST_PIXELS_F32)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_image_options.type is %d, expected an FST_PIXELS_ value", o->type);
    if (o->copy != 0 && o->copy != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_image_options.copy is %d, expected 0 or 1",
                         o->copy);
    if (o->channels != 0 && o->channels != 1 && o->channels != 3)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_image_options.channels is %d, expected 0, 1 or 3", o->channels);
    bool whole = o->height == 0 && o->width == 0;
    if (!whole && (o->height < 1 || o->height > FST__IMAGE_MAX_SIDE || o->width < 1 ||
                   o->width > FST__IMAGE_MAX_SIDE))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_image_options.height is %d, width is %d; expected both 0, or both 1 … %d",
                         o->height, o->width, FST__IMAGE_MAX_SIDE);
    if (o->maximum_images < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_image_options.maximum_images is negative, expected at least 0");
    if (o->class_count < 0 || (o->class_count > 0 && !o->class_names))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_image_options.class_count is %" PRId64 " and class_names is %s",
                         o->class_count, o->class_names ? "given" : "NULL");
    return check_scale(o);
}

static fst_status take_scale(fst__pixels *pixels, const fst_image_options *o)
{
    for (int32_t c = 0; c < FST__IMAGE_CHANNELS; ++c) {
        bool given = o->mean && c < pixels->shape.channels;
        pixels->scale.mean[c] = given ? o->mean[c] : 0;
        pixels->scale.std[c] = given ? o->std[c] : 1;
        if (!isfinite(pixels->scale.mean[c]) || !isfinite(pixels->scale.std[c]) ||
            pixels->scale.std[c] <= 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_image_options.mean[%d] is %g, std[%d] is %g; expected finite numbers, "
                             "std above 0",
                             (int)c, pixels->scale.mean[c], (int)c, pixels->scale.std[c]);
    }
    return FST_OK;
}

static fst_status take_names(fst__pixels *pixels, const fst_image_options *o)
{
    fst__allocator *allocator = &pixels->context->allocator;
    if (o->class_count == 0)
        return FST_OK;
    pixels->class_names =
        fst__alloc_zero(allocator, (size_t)o->class_count * sizeof *pixels->class_names);
    if (!pixels->class_names)
        return FST_ERR_NO_MEMORY;
    pixels->class_count = o->class_count;
    for (int64_t i = 0; i < o->class_count; ++i) {
        if (!o->class_names[i])
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_image_options.class_names[%" PRId64 "] is NULL", i);
        pixels->class_names[i] = fst__strdup(allocator, o->class_names[i]);
        if (!pixels->class_names[i])
            return FST_ERR_NO_MEMORY;
    }
    return FST_OK;
}

/* ---- a dataset ---- */

/* Floats are finite, labels not infinite. */
static fst_status check_numbers(const fst__pixels *pixels, const float *labels, int64_t label_count)
{
    int64_t values = fst__image_values(&pixels->shape);
    const float *data = pixels->data;
    for (int64_t i = 0; pixels->shape.type == FST_PIXELS_F32 && i < pixels->count * values; ++i) {
        if (!isfinite(data[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "image %" PRId64 ": value %" PRId64 " is %g, expected a finite number",
                             i / values, i % values, (double)data[i]);
    }
    for (int64_t i = 0; labels && i < pixels->count * label_count; ++i) {
        if (isinf(labels[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "label %" PRId64 " of image %" PRId64
                             " is infinite, expected a finite number or NaN",
                             i % label_count, i / label_count);
    }
    return FST_OK;
}

/* In the shape that the options ask for; what the caller lent is let go of once it is not needed. */
static fst_status convert_all(fst__pixels *pixels, const fst_image_options *o)
{
    fst__allocator *allocator = &pixels->context->allocator;
    fst__image_shape from = pixels->shape, to = from;
    to.channels = o->channels ? o->channels : from.channels;
    to.height = o->height ? o->height : from.height;
    to.width = o->width ? o->width : from.width;
    bool same = memcmp(&from, &to, sizeof from) == 0;
    if (same && (pixels->owned || !o->copy))
        return FST_OK;
    char *result = fst__alloc_array(allocator, (size_t)pixels->count, (size_t)fst__image_bytes(&to));
    if (!result)
        return FST_ERR_NO_MEMORY;
    float *scratch = NULL;
    fst_status status = FST_OK;
    if (same) {
        memcpy(result, pixels->data, (size_t)(pixels->count * fst__image_bytes(&from)));
    } else {
        scratch = fst__alloc_array(allocator, fst__image_convert_scratch(&from, &to), sizeof(float));
        status = scratch ? FST_OK : FST_ERR_NO_MEMORY;
    }
    for (int64_t i = 0; !same && !status && i < pixels->count; ++i)
        fst__image_convert(&from, (const char *)pixels->data + i * fst__image_bytes(&from), &to,
                           result + i * fst__image_bytes(&to), scratch);
    fst__free(allocator, scratch);
    if (status) {
        fst__free(allocator, result);
        return status;
    }
    fst__free(allocator, pixels->owned);
    pixels->data = pixels->owned = result;
    pixels->shape = to;
    return FST_OK;
}

/* Examples over the pixels, which have one reference from here on. */
static fst_status make_examples(fst__pixels *pixels, const float *labels, int64_t label_count,
                                fst__examples **out)
{
    fst__allocator *allocator = &pixels->context->allocator;
    fst__examples *examples = fst__examples_alloc(allocator, FST_EXAMPLES_IMAGES, pixels->count,
                                                  labels ? label_count : 0, false);
    if (!examples)
        return FST_ERR_NO_MEMORY;
    examples->images = images_alloc(allocator, pixels, pixels->count);
    if (!examples->images) {
        fst__examples_free(examples, allocator);
        return FST_ERR_NO_MEMORY;
    }
    for (int64_t i = 0; i < pixels->count; ++i)
        examples->first[i + 1] = 0, examples->images->indices[i] = i;
    if (labels)
        memcpy(examples->labels, labels, (size_t)(pixels->count * label_count) * sizeof *labels);
    *out = examples;
    return FST_OK;
}

static fst_status make_dataset(fst_context *context, fst__examples *examples, fst_dataset **out)
{
    static const int64_t none[] = {0};
    const fst__tokens nothing = {0};
    fst__documents *documents;
    fst_status status = fst__documents_create(context, &nothing, none, 0, &documents);
    if (status) {
        fst__examples_free(examples, &context->allocator);
        return status;
    }
    documents->examples = examples;
    return fst__dataset_create(context, documents, out);
}

fst_status fst__dataset_of_pixels(fst_context *context, const fst__pixels *from, const float *labels,
                                  int64_t label_count, const fst_image_options *options,
                                  fst_dataset **out)
{
    fst__pixels *pixels = fst__alloc(&context->allocator, sizeof *pixels);
    if (!pixels) {
        fst__free(&context->allocator, from->owned);
        return FST_ERR_NO_MEMORY;
    }
    void (*release)(void *user) = from->release;
    fst__examples *examples;
    *pixels = *from;
    pixels->release = NULL; /* until nothing can fail any more */
    pixels->references = 1; /* ours, here */
    pixels->context = fst__context_retain(context);
    fst_status status = check_numbers(pixels, labels, label_count);
    if (!status)
        status = convert_all(pixels, options);
    if (!status)
        status = take_scale(pixels, options);
    if (!status)
        status = take_names(pixels, options);
    if (!status)
        status = make_examples(pixels, labels, label_count, &examples);
    if (!status)
        status = make_dataset(context, examples, out);
    if (!status && release && pixels->data != from->data)
        release(from->release_user); /* what is kept is a copy */
    else if (!status)
        pixels->release = release;
    pixels_release(pixels);
    return status;
}

fst_status fst__dataset_from_images(fst_context *context, const void *data, int64_t images,
                                    int32_t channels, int32_t height, int32_t width,
                                    const float *labels, int64_t label_count,
                                    const fst_image_options *options, fst_dataset **out)
{
    int64_t limit = options->maximum_images;
    const fst__pixels pixels = {
        .shape = {options->type, channels, height, width},
        .count = limit > 0 && limit < images ? limit : images,
        .data = data,
        .release = options->release,
        .release_user = options->release_user,
    };
    int64_t bytes;
    fst_status status = fst__image_options_check(options);
    if (status)
        return status;
    if (!fst__mul_i64(images, fst__image_bytes(&pixels.shape), &bytes))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "images is %" PRId64 " of %d × %d × %d: too many to be there", images,
                         (int)channels, (int)height, (int)width);
    return fst__dataset_of_pixels(context, &pixels, labels, label_count, options, out);
}

/* ---- what they are like ---- */

fst_status fst__images_measure(const fst_dataset *dataset, double *mean, double *std)
{
    const fst__images *images = fst__images_of(dataset);
    const fst__image_shape *shape = &images->pixels->shape;
    int64_t count = dataset->documents->examples->count;
    int64_t area = (int64_t)shape->height * shape->width;
    for (int32_t c = 0; c < shape->channels; ++c) {
        double sum = 0, squares = 0, total = (double)count * (double)area;
        for (int64_t i = 0; i < count; ++i) {
            const void *image = fst__images_at(images, i);
            for (int64_t j = c * area; j < (c + 1) * area; ++j) {
                double value = shape->type == FST_PIXELS_U8 ? ((const uint8_t *)image)[j] / 255.0
                                                            : (double)((const float *)image)[j];
                sum += value;
                squares += value * value;
            }
        }
        double variance = squares / total - sum / total * (sum / total);
        mean[c] = sum / total;
        std[c] = variance > 0 ? sqrt(variance) : 0;
    }
    return FST_OK;
}
