/* For parity_augment.py: what was drawn for an image, and the transforms with numbers that the test gives. */
#include "data/augment.h"
#include "data/resample.h"

#include <stdlib.h>
#include <string.h>

enum { DRAWS = 20 };

FST_API void probe_draw(const fst_augment_options *options, uint64_t seed, int64_t draw,
                       int32_t channels, int32_t height, int32_t width, double *out);
FST_API void probe_apply(const fst_augment_options *options, const double *draws, int32_t channels,
                        int32_t height, int32_t width, const float *image, float *result);
FST_API void probe_resize(const float *image, int32_t height, int32_t width, int32_t to_height,
                         int32_t to_width, float *result);

/* shift_y, shift_x, rotation, crop, flip, jitter, grey, blur, top, left, height, width, order [4], factors
 * of brightness, contrast, saturation, hue, … sigma last. */
FST_API void probe_draw(const fst_augment_options *options, uint64_t seed, int64_t draw,
                       int32_t channels, int32_t height, int32_t width, double *out)
{
    fst__augment_draws d;
    fst__augment_draw(options, seed, draw, channels, height, width, &d);
    const double values[DRAWS + 1] = {
        d.shift_y, d.shift_x,  d.rotation, d.crop,       d.flip,       d.jitter,     d.grey,
        d.blur,    d.top,      d.left,     d.height,     d.width,      d.order[0],   d.order[1],
        d.order[2], d.order[3], d.factors[0], d.factors[1], d.factors[2], d.factors[3], d.sigma};
    memcpy(out, values, sizeof values);
}

FST_API void probe_apply(const fst_augment_options *options, const double *v, int32_t channels,
                        int32_t height, int32_t width, const float *image, float *result)
{
    fst__augment_draws d = {
        .shift_y = (int32_t)v[0], .shift_x = (int32_t)v[1], .rotation = v[2], .crop = v[3] != 0,
        .flip = v[4] != 0, .jitter = v[5] != 0, .grey = v[6] != 0, .blur = v[7] != 0,
        .top = (int32_t)v[8], .left = (int32_t)v[9], .height = (int32_t)v[10], .width = (int32_t)v[11],
        .order = {(int32_t)v[12], (int32_t)v[13], (int32_t)v[14], (int32_t)v[15]},
        .factors = {v[16], v[17], v[18], v[19]}, .sigma = v[20]};
    size_t values = (size_t)channels * (size_t)height * (size_t)width;
    size_t side = (size_t)(height > width ? height : width);
    fst__augment_space space = {
        .image = malloc(values * sizeof(float)),
        .other = malloc(values * sizeof(float)),
        .rows = malloc(side * side * sizeof(float)),
        .line = malloc((side + 1024) * sizeof(float)),
        .axes = malloc(10 * side * sizeof(float)),
    };
    memcpy(space.image, image, values * sizeof(float));
    fst__augment_apply(options, &d, channels, height, width, &space);
    memcpy(result, space.image, values * sizeof(float));
    free(space.axes);
    free(space.line);
    free(space.rows);
    free(space.other);
    free(space.image);
}

FST_API void probe_resize(const float *image, int32_t height, int32_t width, int32_t to_height,
                         int32_t to_width, float *result)
{
    const fst__image_shape from = {FST_PIXELS_F32, 3, height, width};
    const fst__image_shape to = {FST_PIXELS_F32, 3, to_height, to_width};
    float *scratch = malloc(fst__image_convert_scratch(&from, &to) * sizeof(float));
    fst__image_convert(&from, image, &to, result, scratch);
    free(scratch);
}
