/* Options of augmentation, and the reading of a batch by many workers. */
#include "data/augment.h"

#include "base/error.h"
#include "data/resample.h"

#include <math.h>
#include <string.h>

enum { BYTES = 256, MOST_KERNEL = 255 };

struct fst__augmenter {
    fst_context *context; /* held */
    fst_augment_options options; /* without mean and std, which are in scale */
    fst__image_shape shape;
    bool augments; /* any transform is on */
    int64_t bytes;
    int32_t workers;
    fst__augment_space *spaces; /* [workers] */
    float *room;                /* of all of them */
    fst__image_scale scale;
    float table[FST__IMAGE_CHANNELS][BYTES]; /* a byte, normalised */
};

fst_augment_options fst__augment_defaults(void)
{
    return (fst_augment_options){
        .struct_size = sizeof(fst_augment_options),
        .crop_least_area = 0.08,
        .crop_most_area = 1,
        .crop_least_ratio = 3.0 / 4,
        .crop_most_ratio = 4.0 / 3,
        .brightness = 0.4,
        .contrast = 0.4,
        .saturation = 0.4,
        .hue = 0.1,
        .blur_least_sigma = 0.1,
        .blur_most_sigma = 2,
    };
}

fst_augment_options fst__augment_simclr(double strength)
{
    fst_augment_options options = fst__augment_defaults();
    options.crop = 1;
    options.flip = 0.5;
    options.jitter = 0.8;
    options.brightness = options.contrast = options.saturation = 0.8 * strength;
    options.hue = 0.2 * strength;
    options.grey = 0.2;
    options.blur = 0.5;
    return options;
}

/* ---- checks ---- */

static fst_status bad(const char *name, const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.%s: expected %s", name, field, expected);
}

static bool is_range(double least, double most)
{
    return least > 0 && most >= least && isfinite(most);
}

static bool is_probability(double value)
{
    return value >= 0 && value <= 1;
}

static bool is_strength(double value)
{
    return value >= 0 && isfinite(value);
}

static fst_status check_moves(const fst_augment_options *o, const fst__image_shape *shape,
                              const char *name)
{
    if (o->crop != 0 && o->crop != 1)
        return bad(name, "crop", "0 or 1");
    if (o->shift < 0 || o->shift > shape->height || o->shift > shape->width)
        return bad(name, "shift", "0 up to the image's smaller side");
    if (!is_range(o->crop_least_area, o->crop_most_area) || o->crop_most_area > 1)
        return bad(name, "crop_least_area, crop_most_area", "0 < least ≤ most ≤ 1");
    if (!is_range(o->crop_least_ratio, o->crop_most_ratio))
        return bad(name, "crop_least_ratio, crop_most_ratio", "0 < least ≤ most");
    if (!(o->rotation >= 0 && o->rotation <= 180))
        return bad(name, "rotation", "0 … 180 degrees");
    if (!isfinite(o->fill))
        return bad(name, "fill", "a finite value");
    if (!is_probability(o->flip))
        return bad(name, "flip", "a probability");
    return FST_OK;
}

static fst_status check_colours(const fst_augment_options *o, const fst__image_shape *shape,
                                const char *name)
{
    if (!is_probability(o->jitter))
        return bad(name, "jitter", "a probability");
    if (!is_strength(o->brightness) || !is_strength(o->contrast) || !is_strength(o->saturation))
        return bad(name, "brightness, contrast, saturation", "finite values ≥ 0");
    if (!(o->hue >= 0 && o->hue <= 0.5))
        return bad(name, "hue", "0 … 0.5");
    if (!is_probability(o->grey))
        return bad(name, "grey", "a probability");
    if (!is_probability(o->blur))
        return bad(name, "blur", "a probability");
    if (!is_range(o->blur_least_sigma, o->blur_most_sigma))
        return bad(name, "blur_least_sigma, blur_most_sigma", "0 < least ≤ most");
    if (o->blur_kernel != 0 && (o->blur_kernel < 3 || o->blur_kernel > MOST_KERNEL || o->blur_kernel % 2 == 0))
        return bad(name, "blur_kernel", "0, or an odd number from 3 to 255");
    int32_t half = fst__augment_kernel(o, shape->height) / 2;
    if (o->blur > 0 && (half >= shape->height || half >= shape->width))
        return bad(name, "blur_kernel", "a kernel no larger than the image");
    return FST_OK;
}

static fst_status take_scale(const fst_augment_options *o, const fst__image_shape *shape,
                             const char *name, fst__image_scale *scale)
{
    if (!o->mean != !o->std)
        return bad(name, "mean, std", "both or none");
    if (o->channel_count != (o->mean ? shape->channels : 0))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.channel_count is %lld, expected %d", name,
                         (long long)o->channel_count, o->mean ? (int)shape->channels : 0);
    for (int32_t c = 0; o->mean && c < shape->channels; ++c) {
        scale->mean[c] = o->mean[c];
        scale->std[c] = o->std[c];
        if (!isfinite(o->mean[c]) || !isfinite(o->std[c]) || o->std[c] <= 0)
            return bad(name, "mean, std", "finite values, std above 0");
    }
    return FST_OK;
}

/* ---- life ---- */

static void fill_table(fst__augmenter *a)
{
    for (int32_t c = 0; c < FST__IMAGE_CHANNELS; ++c)
        for (int value = 0; value < BYTES; ++value)
            a->table[c][value] =
                (float)((value / 255.0 - a->scale.mean[c]) / a->scale.std[c]);
}

/* Floats of one worker, each part a multiple of 16. */
static int64_t lay_out(const fst__augmenter *a, float *base, fst__augment_space *space)
{
    int64_t height = a->shape.height, width = a->shape.width, used = 0;
    int64_t kernel = fst__augment_kernel(&a->options, a->shape.height);
    /* A crop is never larger than the image: three inputs each, whatever it is. */
    const int64_t sizes[] = {fst__image_values(&a->shape), fst__image_values(&a->shape), height * width,
                             width + 2 * kernel, (height + width) * 5};
    float **parts[] = {&space->image, &space->other, &space->rows, &space->line, &space->axes};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        *parts[i] = base ? base + used : NULL;
        used += (sizes[i] + 15) / 16 * 16;
    }
    return used;
}

static fst_status make_spaces(fst__augmenter *a)
{
    fst__allocator *allocator = &a->context->allocator;
    fst__augment_space one;
    int64_t floats = lay_out(a, NULL, &one);
    a->workers = fst__pool_workers(a->context->pool);
    a->spaces = fst__alloc_zero(allocator, (size_t)a->workers * sizeof *a->spaces);
    a->room = fst__alloc_array(allocator, (size_t)a->workers, (size_t)floats * sizeof(float));
    if (!a->spaces || !a->room)
        return FST_ERR_NO_MEMORY;
    for (int32_t w = 0; w < a->workers; ++w)
        lay_out(a, a->room + w * floats, &a->spaces[w]);
    a->bytes += a->workers * floats * (int64_t)sizeof(float);
    return FST_OK;
}

fst_status fst__augmenter_open(const fst_dataset *dataset, const fst_augment_options *options,
                               const char *name, fst__augmenter **out)
{
    const fst__pixels *pixels = fst__images_of(dataset)->pixels;
    fst__augmenter *a = fst__alloc_zero(&dataset->context->allocator, sizeof *a);
    if (!a)
        return FST_ERR_NO_MEMORY;
    a->context = fst__context_retain(dataset->context);
    a->shape = pixels->shape;
    a->scale = pixels->scale;
    a->options = options ? *options : fst__augment_defaults();
    a->bytes = (int64_t)sizeof *a;
    const fst_augment_options *o = &a->options;
    fst_status status = check_moves(o, &a->shape, name);
    if (!status)
        status = check_colours(o, &a->shape, name);
    if (!status)
        status = take_scale(o, &a->shape, name, &a->scale);
    a->augments = o->crop || o->shift > 0 || o->rotation > 0 || o->flip > 0 || o->jitter > 0 ||
                  o->grey > 0 || o->blur > 0;
    if (!status && a->augments)
        status = make_spaces(a);
    if (status) {
        fst__augmenter_close(a);
        return status;
    }
    a->options.mean = a->options.std = NULL; /* the caller's */
    fill_table(a);
    *out = a;
    return FST_OK;
}

void fst__augmenter_close(fst__augmenter *a)
{
    if (!a)
        return;
    fst_context *context = a->context;
    fst__free(&context->allocator, a->room);
    fst__free(&context->allocator, a->spaces);
    fst__free(&context->allocator, a);
    fst__context_release(context);
}

int64_t fst__augmenter_bytes(const fst__augmenter *a)
{
    return a->bytes;
}

static uint64_t add_to(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; ++i)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return hash;
}

uint64_t fst__augmenter_checksum(const fst__augmenter *a)
{
    const fst_augment_options *o = &a->options;
    const double values[] = {o->crop,       o->shift,           o->crop_least_area,
                             o->crop_most_area, o->crop_least_ratio, o->crop_most_ratio,
                             o->rotation,   o->fill,            o->flip,
                             o->jitter,     o->brightness,      o->contrast,
                             o->saturation, o->hue,             o->grey,
                             o->blur,       o->blur_kernel,     o->blur_least_sigma,
                             o->blur_most_sigma};
    uint64_t hash = add_to(0xcbf29ce484222325u, values, sizeof values);
    return add_to(hash, &a->scale, sizeof a->scale);
}

/* ---- reading ---- */

typedef struct reading {
    fst__augmenter *augmenter;
    const fst__images *images;
    const int64_t *indices;
    int64_t draw;
    bool augment;
    float *result;
} reading;

static void read_plain(const fst__augmenter *a, int32_t type, const void *image, float *result)
{
    int64_t area = (int64_t)a->shape.height * a->shape.width;
    for (int32_t c = 0; c < a->shape.channels; ++c) {
        const float *table = a->table[c];
        double mean = a->scale.mean[c], scale = 1 / a->scale.std[c];
        float *to = result + c * area;
        for (int64_t i = 0; i < area; ++i)
            to[i] = type == FST_PIXELS_U8
                        ? table[((const uint8_t *)image)[c * area + i]]
                        : (float)(((double)((const float *)image)[c * area + i] - mean) * scale);
    }
}

static void read_augmented(const fst__augmenter *a, int32_t type, const void *image, int64_t draw,
                           fst__augment_space *space, float *result)
{
    const fst__image_shape *shape = &a->shape;
    int64_t area = (int64_t)shape->height * shape->width, values = shape->channels * area;
    fst__augment_draws draws;
    fst__augment_draw(&a->options, a->context->seed, draw, shape->channels, shape->height,
                      shape->width, &draws);
    if (type == FST_PIXELS_U8)
        for (int64_t i = 0; i < values; ++i)
            space->image[i] = (float)((const uint8_t *)image)[i] * (1.0f / 255);
    else
        memcpy(space->image, image, (size_t)values * sizeof(float));
    fst__augment_apply(&a->options, &draws, shape->channels, shape->height, shape->width, space);
    for (int32_t c = 0; c < shape->channels; ++c) {
        float mean = (float)a->scale.mean[c], scale = (float)(1 / a->scale.std[c]);
        for (int64_t i = c * area; i < (c + 1) * area; ++i)
            result[i] = (float)((space->image[i] - mean) * scale);
    }
}

static void read_one(void *context, int64_t index, int32_t worker)
{
    const reading *r = context;
    const void *image = fst__images_at(r->images, r->indices[index]);
    int32_t type = r->images->pixels->shape.type; /* of a dataset, not of what the reader was made for */
    float *result = r->result + index * fst__image_values(&r->augmenter->shape);
    if (r->augment)
        read_augmented(r->augmenter, type, image, r->draw + index, &r->augmenter->spaces[worker], result);
    else
        read_plain(r->augmenter, type, image, result);
}

void fst__augmenter_read(fst__augmenter *augmenter, const fst_dataset *dataset,
                         const int64_t *indices, int64_t count, bool augment, int64_t draw,
                         float *images)
{
    reading r = {augmenter, fst__images_of(dataset), indices, draw, augment && augmenter->augments,
                 images};
    fst__pool_run(augmenter->context->pool, count, read_one, &r);
}
