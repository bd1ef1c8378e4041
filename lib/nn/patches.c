#include "nn/patches.h"

#include <string.h>

/* One row of taps for `count` patches that stand side by side in one row of an image. */
typedef struct strip {
    const char *source; /* the image's row; NULL: outside */
    char *target;       /* this row of taps in the first patch */
    int64_t target_step;
    int64_t count;
    int64_t left; /* of the first patch */
} strip;

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* A patch that crosses the image's border. */
static void copy_crossing(const strip *s, int64_t index, int64_t left, int64_t width, int64_t taps,
                          size_t pixel)
{
    char *target = s->target + index * s->target_step;
    int64_t from = clamp(left, 0, width), to = clamp(left + taps, 0, width);
    memset(target, 0, (size_t)taps * pixel);
    if (from < to)
        memcpy(target + (size_t)(from - left) * pixel, s->source + (size_t)from * pixel,
               (size_t)(to - from) * pixel);
}

static void copy_strip(const fst__kernels *kernels, const fst__patches *p, const strip *s,
                       size_t pixel)
{
    size_t bytes = (size_t)p->taps_across * pixel;
    if (!s->source) {
        for (int64_t i = 0; i < s->count; ++i)
            memset(s->target + i * s->target_step, 0, bytes);
        return;
    }
    int64_t i = 0, left = s->left;
    for (; i < s->count && left < 0; ++i, left += p->step)
        copy_crossing(s, i, left, p->width, p->taps_across, pixel);
    int64_t room = p->width - p->taps_across - left; /* for the last inner patch's first pixel */
    int64_t inner = room < 0 ? 0 : clamp(room / p->step + 1, 0, s->count - i);
    if (inner)
        kernels->copy_pieces(s->source + (size_t)left * pixel, p->step * (int64_t)pixel,
                             s->target + i * s->target_step, s->target_step, inner,
                             (int64_t)bytes);
    i += inner;
    left += inner * p->step;
    for (; i < s->count; ++i, left += p->step)
        copy_crossing(s, i, left, p->width, p->taps_across, pixel);
}

void fst__patches_gather(const fst__kernels *kernels, const fst__patches *p, int64_t first,
                         fst__matrix target)
{
    size_t element = fst__element_size(p->source.dtype);
    size_t pixel = (size_t)p->source.columns * element;
    int64_t per_image = p->rows * p->columns, done = 0;
    while (done < target.rows) {
        int64_t index = first + done, image = index / per_image;
        int64_t down = index % per_image / p->columns, across = index % p->columns;
        int64_t count = clamp(target.rows - done, 0, p->columns - across);
        for (int64_t tap = 0; tap < p->taps_down; ++tap) {
            int64_t y = p->top + down * p->step + tap;
            bool inside = y >= 0 && y < p->height;
            strip s = {
                .source = inside ? fst__matrix_at(p->source, (image * p->height + y) * p->width, 0)
                                 : NULL,
                .target = fst__matrix_at(target, done, tap * p->taps_across * p->source.columns),
                .target_step = target.stride * (int64_t)element,
                .count = count,
                .left = p->left + across * p->step,
            };
            copy_strip(kernels, p, &s, pixel);
        }
        done += count;
    }
}
