/* Grey and colours into each other, and one size into another. */
#include "data/images.h"
#include "data/resample.h"

#include <math.h>
#include <string.h>

/* Both axes, a plane of the old size, its rows, a plane of the new size. */
size_t fst__image_convert_scratch(const fst__image_shape *from, const fst__image_shape *to)
{
    int64_t room = fst__resample_room(from->height, to->height) +
                   fst__resample_room(from->width, to->width);
    int64_t planes = (int64_t)from->height * from->width + (int64_t)from->height * to->width +
                     (int64_t)to->height * to->width;
    return (size_t)(room + planes);
}

static float value_at(const fst__image_shape *shape, const void *image, int64_t index)
{
    return shape->type == FST_PIXELS_U8 ? (float)((const uint8_t *)image)[index]
                                        : ((const float *)image)[index];
}

/* Plane `channel` of the result, still of the old size. ITU-R 601-2, as torchvision's rgb_to_grayscale. */
static void take_plane(const fst__image_shape *from, const void *image, const fst__image_shape *to,
                       int32_t channel, float *plane)
{
    int64_t area = (int64_t)from->height * from->width;
    for (int64_t i = 0; i < area; ++i) {
        if (from->channels == 3 && to->channels == 1)
            plane[i] = 0.2989f * value_at(from, image, i) + 0.587f * value_at(from, image, area + i) +
                       0.114f * value_at(from, image, 2 * area + i);
        else
            plane[i] = value_at(from, image, (from->channels == 1 ? 0 : channel) * area + i);
    }
}

static void put_plane(const fst__image_shape *to, const float *plane, int32_t channel, void *result)
{
    int64_t area = (int64_t)to->height * to->width;
    for (int64_t i = 0; i < area; ++i) {
        int64_t at = channel * area + i;
        if (to->type == FST_PIXELS_U8)
            ((uint8_t *)result)[at] = (uint8_t)lrintf(fminf(fmaxf(plane[i], 0), 255));
        else
            ((float *)result)[at] = plane[i];
    }
}

void fst__image_convert(const fst__image_shape *from, const void *image, const fst__image_shape *to,
                        void *result, float *scratch)
{
    fst__resample_axis y, x;
    bool resize = from->height != to->height || from->width != to->width;
    float *plane = scratch;
    float *rows = plane + (int64_t)from->height * from->width;
    float *resized = rows + (int64_t)from->height * to->width;
    float *room = resized + (int64_t)to->height * to->width;
    if (resize) {
        fst__resample_axis_fill(&y, from->height, to->height, room);
        fst__resample_axis_fill(&x, from->width, to->width,
                                room + fst__resample_room(from->height, to->height));
    }
    for (int32_t c = 0; c < to->channels; ++c) {
        take_plane(from, image, to, c, plane);
        if (resize)
            fst__resample_plane(&y, &x, plane, from->width, from->height, rows, resized);
        put_plane(to, resize ? resized : plane, c, result);
    }
}
