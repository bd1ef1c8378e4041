#include "data/resample.h"

#include <math.h>
#include <stddef.h>

int32_t fst__resample_taps(int32_t in, int32_t out)
{
    double scale = (double)in / out, support = scale >= 1 ? scale : 1;
    int32_t taps = 2 * (int32_t)ceil(support) + 1;
    return taps < in ? taps : in;
}

int64_t fst__resample_room(int32_t in, int32_t out)
{
    return (int64_t)out * (2 + fst__resample_taps(in, out));
}

/* One output's weights, which add up to 1. */
static void fill_output(fst__resample_axis *axis, int32_t in, int32_t i)
{
    double scale = (double)in / axis->out, support = scale >= 1 ? scale : 1;
    double center = scale * (i + 0.5), total = 0;
    int32_t low = (int32_t)fmax(center - support + 0.5, 0);
    int32_t high = (int32_t)fmin(center + support + 0.5, in);
    float *weights = axis->weights + (int64_t)i * axis->taps;
    axis->first[i] = low;
    axis->counts[i] = high - low < axis->taps ? high - low : axis->taps;
    for (int32_t t = 0; t < axis->counts[i]; ++t) {
        double distance = fabs((t + low - center + 0.5) / support);
        weights[t] = distance < 1 ? (float)(1 - distance) : 0;
        total += (double)weights[t];
    }
    for (int32_t t = 0; t < axis->taps; ++t)
        weights[t] = t < axis->counts[i] ? (float)((double)weights[t] / total) : 0;
}

void fst__resample_axis_fill(fst__resample_axis *axis, int32_t in, int32_t out, float *room)
{
    axis->out = out;
    axis->taps = fst__resample_taps(in, out);
    axis->first = (int32_t *)(void *)room;
    axis->counts = axis->first + out;
    axis->weights = room + 2 * (ptrdiff_t)out;
    for (int32_t i = 0; i < out; ++i)
        fill_output(axis, in, i);
}

static void resample_row(const fst__resample_axis *x, const float *from, float *to)
{
    for (int32_t i = 0; i < x->out; ++i) {
        const float *weights = x->weights + (int64_t)i * x->taps, *in = from + x->first[i];
        float sum = 0;
        for (int32_t t = 0; t < x->counts[i]; ++t)
            sum += weights[t] * in[t];
        to[i] = sum;
    }
}

void fst__resample_plane(const fst__resample_axis *y, const fst__resample_axis *x, const float *from,
                         int64_t stride, int32_t in_height, float *rows, float *to)
{
    int32_t width = x->out;
    for (int32_t i = 0; i < in_height; ++i)
        resample_row(x, from + i * stride, rows + (int64_t)i * width);
    for (int32_t i = 0; i < y->out; ++i) {
        const float *weights = y->weights + (int64_t)i * y->taps;
        float *out = to + (int64_t)i * width;
        for (int32_t j = 0; j < width; ++j)
            out[j] = 0;
        for (int32_t t = 0; t < y->counts[i]; ++t) {
            const float *in = rows + (int64_t)(y->first[i] + t) * width;
            for (int32_t j = 0; j < width; ++j)
                out[j] += weights[t] * in[j];
        }
    }
}
