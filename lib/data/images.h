/*
 * Images behind a dataset: pixels shared by reference count between a dataset and its parts, and which
 * of them a dataset has. Labels are in fst__examples, as those of texts; of ids there are none.
 */
#ifndef FST_DATA_IMAGES_H
#define FST_DATA_IMAGES_H

#include "data/examples.h"
#include "fourstage/images.h"

enum { FST__IMAGE_CHANNELS = 3, FST__IMAGE_MAX_SIDE = 32768 };

/* The size of an image and what its numbers are. */
typedef struct fst__image_shape {
    int32_t type; /* FST_PIXELS_ value */
    int32_t channels, height, width;
} fst__image_shape;

/* (value − mean) / std of each channel. */
typedef struct fst__image_scale {
    double mean[FST__IMAGE_CHANNELS], std[FST__IMAGE_CHANNELS];
} fst__image_scale;

/* Never changed once made. */
typedef struct fst__pixels {
    _Atomic int64_t references;
    fst_context *context; /* held */
    fst__image_shape shape;
    int64_t count;
    const void *data; /* [count, channels, height, width] */
    void *owned;      /* data when they are ours, else NULL */
    void (*release)(void *user);
    void *release_user;
    fst__image_scale scale;
    char **class_names; /* [class_count] */
    int64_t class_count;
} fst__pixels;

/* Of one dataset; hangs off its fst__examples. */
typedef struct fst__images {
    fst__pixels *pixels; /* held */
    int64_t *indices;    /* [count of the examples] in pixels */
} fst__images;

static inline int64_t fst__image_values(const fst__image_shape *shape)
{
    return (int64_t)shape->channels * shape->height * shape->width;
}

static inline int64_t fst__image_bytes(const fst__image_shape *shape)
{
    return fst__image_values(shape) * (shape->type == FST_PIXELS_U8 ? 1 : (int64_t)sizeof(float));
}

/* The images of a dataset of images. */
static inline const fst__images *fst__images_of(const fst_dataset *dataset)
{
    return dataset->documents->examples->images;
}

/* [channels, height, width] of example `index`. */
static inline const void *fst__images_at(const fst__images *images, int64_t index)
{
    const fst__pixels *pixels = images->pixels;
    return (const char *)pixels->data + images->indices[index] * fst__image_bytes(&pixels->shape);
}

bool fst__is_images(const fst_dataset *dataset);
/* FST_ERR_STATE where the dataset holds no images. */
fst_status fst__images_check(const fst_dataset *dataset, const char *function);

/* Those of `indices`, [count] of them, or of all NULL. NULL: no memory. */
fst__images *fst__images_select(fst__allocator *allocator, const fst__images *from,
                                const int64_t *indices, int64_t count);
void fst__images_free(fst__images *images, fst__allocator *allocator); /* takes NULL */
/* FNV-1a over an image's bytes, from `hash` on. */
uint64_t fst__images_hash(const fst__images *images, int64_t index, uint64_t hash);

/*
 * A dataset of pixels: `from` has references 0, no class names, and all else set; labels [count,
 * label_count] or NULL. Converts as the options ask. What is owned and (where it succeeds) what is to be
 * released is taken over, also when it fails; the labels are copied.
 */
fst_status fst__dataset_of_pixels(fst_context *context, const fst__pixels *from, const float *labels,
                                  int64_t label_count, const fst_image_options *options,
                                  fst_dataset **out);

/* An image in another shape of the same type; `scratch` has room for fst__image_convert_scratch floats. */
size_t fst__image_convert_scratch(const fst__image_shape *from, const fst__image_shape *to);
void fst__image_convert(const fst__image_shape *from, const void *image, const fst__image_shape *to,
                        void *result, float *scratch);

/* ---- the api room's bodies; options are overlaid, pointers checked ---- */

fst_image_options fst__image_defaults(void);
fst_status fst__image_options_check(const fst_image_options *options);
fst_status fst__dataset_from_images(fst_context *context, const void *pixels, int64_t images,
                                    int32_t channels, int32_t height, int32_t width,
                                    const float *labels, int64_t label_count,
                                    const fst_image_options *options, fst_dataset **out);
fst_status fst__dataset_load_idx(fst_context *context, const char *images, const char *labels,
                                 const fst_image_options *options, fst_dataset **out);
fst_status fst__dataset_load_image_folder(fst_context *context, const char *folder,
                                          const fst_image_options *options, fst_dataset **out);
fst_status fst__images_measure(const fst_dataset *dataset, double *mean, double *std);

#endif
