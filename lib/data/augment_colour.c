/* Transforms of colours, as torchvision/transforms/v2/functional/_color.py has them for floats. */
#include "data/augment.h"

static float clamp(float value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* Not fmaxf and fminf, which without SSE4.1 are calls. */
static float larger(float a, float b)
{
    return a > b ? a : b;
}

static float smaller(float a, float b)
{
    return a < b ? a : b;
}

static float grey_of(const float *image, int64_t area, int64_t i)
{
    return 0.2989f * image[i] + 0.587f * image[area + i] + 0.114f * image[2 * area + i];
}

/* _blend with nothing. */
static void brighten(float factor, int64_t count, float *image)
{
    for (int64_t i = 0; i < count; ++i)
        image[i] = clamp(factor * image[i]);
}

/* _blend with the mean of the grey image. */
static void contrast(float factor, int32_t channels, int64_t area, float *image)
{
    double sum = 0;
    for (int64_t i = 0; i < area; ++i)
        sum += (double)(channels == 3 ? grey_of(image, area, i) : image[i]);
    float rest = (1 - factor) * (float)(sum / (double)area);
    for (int64_t i = 0; i < channels * area; ++i)
        image[i] = clamp(factor * image[i] + rest);
}

/* _blend with the grey image. */
static void saturate(float factor, int64_t area, float *image)
{
    float *r = image, *g = image + area, *b = image + 2 * area;
    for (int64_t i = 0; i < area; ++i) {
        float rest = (1 - factor) * grey_of(image, area, i);
        r[i] = clamp(factor * r[i] + rest);
        g[i] = clamp(factor * g[i] + rest);
        b[i] = clamp(factor * b[i] + rest);
    }
}

/* Part of the circle, from red over green; of greys 0. */
static float hue_of(float r, float g, float b, float most, float range)
{
    float scale = 1 / (range == 0 ? 1 : range);
    float rc = (most - r) * scale, gc = (most - g) * scale, bc = (most - b) * scale;
    float h = most == r ? bc - gc : most == g ? rc + 2 - bc : gc + 4 - rc;
    h = h * (1.0f / 6) + 1; /* 5/6 … 11/6 */
    return h >= 1 ? h - 1 : h;
}

/* One channel of hue (times six), saturation and value: with n = 5, 3, 1 for red, green, blue, value less
 * value·saturation·max(0, min(k, 4 − k, 1)), k = (n + h) mod 6. */
static float channel_of(float n, float h, float chroma, float value)
{
    float k = n + h;
    k = k >= 6 ? k - 6 : k;
    return clamp(value - chroma * clamp(smaller(k, 4 - k)));
}

static void turn_hue(float turn, int64_t area, float *image)
{
    float *r = image, *g = image + area, *b = image + 2 * area;
    for (int64_t i = 0; i < area; ++i) {
        float most = larger(larger(r[i], g[i]), b[i]), least = smaller(smaller(r[i], g[i]), b[i]);
        float h = hue_of(r[i], g[i], b[i], most, most - least) + turn;
        h = 6 * (h < 0 ? h + 1 : h >= 1 ? h - 1 : h);
        r[i] = channel_of(5, h, most - least, most);
        g[i] = channel_of(3, h, most - least, most);
        b[i] = channel_of(1, h, most - least, most);
    }
}

static void jitter(const fst__augment_draws *d, int32_t which, int32_t channels, int64_t area,
                   float *image)
{
    float factor = (float)d->factors[which];
    switch (which) {
    case FST__JITTER_BRIGHTNESS: brighten(factor, channels * area, image); break;
    case FST__JITTER_CONTRAST: contrast(factor, channels, area, image); break;
    case FST__JITTER_SATURATION:
        if (channels == 3)
            saturate(factor, area, image);
        break;
    default:
        if (channels == 3)
            turn_hue(factor, area, image);
        break;
    }
}

void fst__augment_colour(const fst_augment_options *o, const fst__augment_draws *d, int32_t channels,
                         int64_t area, float *image)
{
    const double strengths[] = {o->brightness, o->contrast, o->saturation, o->hue};
    for (int i = 0; d->jitter && i < FST__JITTERS; ++i)
        if (strengths[d->order[i]] > 0)
            jitter(d, d->order[i], channels, area, image);
    for (int64_t i = 0; d->grey && i < area; ++i)
        image[i] = image[area + i] = image[2 * area + i] = grey_of(image, area, i);
}
