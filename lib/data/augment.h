/*
 * Images as a training step reads them: drawn, transformed, normalised, on the context's threads and
 * without allocating. The transforms are torchvision's, on floats from 0 to 1.
 */
#ifndef FST_DATA_AUGMENT_H
#define FST_DATA_AUGMENT_H

#include "data/images.h"

enum { FST__JITTER_BRIGHTNESS, FST__JITTER_CONTRAST, FST__JITTER_SATURATION, FST__JITTER_HUE, FST__JITTERS };

/* What was drawn for one image. */
typedef struct fst__augment_draws {
    int32_t shift_y, shift_x; /* pixels by which it is moved down and to the right */
    double rotation;          /* degrees, counter-clockwise */
    bool crop, flip, jitter, grey, blur;
    int32_t top, left, height, width; /* of the crop */
    int32_t order[FST__JITTERS];      /* FST__JITTER_ values, the first done first */
    double factors[FST__JITTERS];
    double sigma;
} fst__augment_draws;

/* A function of its arguments alone. */
void fst__augment_draw(const fst_augment_options *options, uint64_t seed, int64_t draw,
                       int32_t channels, int32_t height, int32_t width, fst__augment_draws *draws);

/* What one worker works with; images of [channels, height, width] floats. */
typedef struct fst__augment_space {
    float *image, *other; /* the image, and where the next transform writes */
    float *rows;          /* [height, max(height, width)] */
    float *line;          /* one row and a kernel on both sides; the kernel behind it */
    float *axes;          /* room for two axes of resample.h */
} fst__augment_space;

/* Transforms space->image, which may change places with space->other. */
void fst__augment_apply(const fst_augment_options *options, const fst__augment_draws *draws,
                        int32_t channels, int32_t height, int32_t width, fst__augment_space *space);
/* Of those: jitter and grey (augment_colour.c). `area` = height·width. */
void fst__augment_colour(const fst_augment_options *options, const fst__augment_draws *draws,
                         int32_t channels, int64_t area, float *image);

/* The kernel that blur uses for images of that height. */
int32_t fst__augment_kernel(const fst_augment_options *options, int32_t height);

typedef struct fst__augmenter fst__augmenter;

fst_augment_options fst__augment_defaults(void);
fst_augment_options fst__augment_simclr(double strength);

/* For images as `dataset` has them; options are overlaid, NULL: only the dataset's own scale. `name` of
 * the options in errors. Holds nothing of the caller's. */
fst_status fst__augmenter_open(const fst_dataset *dataset, const fst_augment_options *options,
                               const char *name, fst__augmenter **out);
void fst__augmenter_close(fst__augmenter *augmenter); /* takes NULL */
int64_t fst__augmenter_bytes(const fst__augmenter *augmenter);

/* Images of `indices` (checked) of a dataset of the same size and context, bytes or floats, as fst_dataset_read_images.
 * augment false: only the scale. One call at a time. */
void fst__augmenter_read(fst__augmenter *augmenter, const fst_dataset *dataset,
                         const int64_t *indices, int64_t count, bool augment, int64_t draw,
                         float *images);

/* FNV-1a over what decides the images: for checkpoints. */
uint64_t fst__augmenter_checksum(const fst__augmenter *augmenter);

#endif
