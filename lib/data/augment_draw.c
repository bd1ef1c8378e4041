/*
 * The random numbers of an image's augmentation, from the distributions of torchvision's transforms
 * (torchvision/transforms/transforms.py, get_params of each). Block k of the image's draws belongs to
 * one transform, so that turning one on or off leaves the others' numbers alone.
 */
#include "data/augment.h"

#include "base/random.h"

#include <math.h>

enum { BLOCK_CHANCE, BLOCK_SHIFT, BLOCK_ROTATION, BLOCK_ORDER, BLOCK_FACTORS, BLOCK_BLUR = 6, BLOCK_CROP = 8 };
enum { CROP_ATTEMPTS = 10 };

typedef struct pair {
    double first, second; /* of [0, 1) */
} pair;

typedef struct numbers {
    uint64_t seed, draw;
} numbers;

static fst__philox_block block_of(const numbers *n, uint64_t index)
{
    return fst__philox(n->seed, FST__STREAM_AUGMENT, n->draw, index);
}

static pair pair_of(const numbers *n, uint64_t index)
{
    fst__philox_block b = block_of(n, index);
    return (pair){fst__uniform_double(b.word[0], b.word[1]), fst__uniform_double(b.word[2], b.word[3])};
}

static double between(double least, double most, double uniform)
{
    return least + (most - least) * uniform;
}

/* One of 0 … count − 1. */
static int32_t one_of(int32_t count, double uniform)
{
    int32_t value = (int32_t)(uniform * count);
    return value < count ? value : count - 1;
}

static void draw_shift(const fst_augment_options *o, const numbers *n, fst__augment_draws *d)
{
    pair p = pair_of(n, BLOCK_SHIFT);
    d->shift_y = o->shift - one_of(2 * o->shift + 1, p.first);
    d->shift_x = o->shift - one_of(2 * o->shift + 1, p.second);
}

static void central_crop(const fst_augment_options *o, int32_t height, int32_t width,
                         fst__augment_draws *d)
{
    double ratio = (double)width / height;
    d->height = height;
    d->width = width;
    if (ratio < o->crop_least_ratio)
        d->height = (int32_t)rint(width / o->crop_least_ratio);
    else if (ratio > o->crop_most_ratio)
        d->width = (int32_t)rint(height * o->crop_most_ratio);
    d->height = d->height < 1 ? 1 : d->height;
    d->width = d->width < 1 ? 1 : d->width;
    d->top = (height - d->height) / 2;
    d->left = (width - d->width) / 2;
}

static void draw_crop(const fst_augment_options *o, const numbers *n, int32_t height, int32_t width,
                      fst__augment_draws *d)
{
    double area = (double)height * width;
    double least = log(o->crop_least_ratio), most = log(o->crop_most_ratio);
    for (uint64_t attempt = 0; attempt < CROP_ATTEMPTS; ++attempt) {
        pair size = pair_of(n, BLOCK_CROP + 2 * attempt);
        double target = area * between(o->crop_least_area, o->crop_most_area, size.first);
        double ratio = exp(between(least, most, size.second));
        d->width = (int32_t)rint(sqrt(target * ratio));
        d->height = (int32_t)rint(sqrt(target / ratio));
        if (d->width > 0 && d->width <= width && d->height > 0 && d->height <= height) {
            pair place = pair_of(n, BLOCK_CROP + 2 * attempt + 1);
            d->top = one_of(height - d->height + 1, place.first);
            d->left = one_of(width - d->width + 1, place.second);
            return;
        }
    }
    central_crop(o, height, width, d);
}

/* Fisher and Yates. */
static void draw_order(const numbers *n, fst__augment_draws *d)
{
    fst__philox_block b = block_of(n, BLOCK_ORDER);
    for (int32_t i = FST__JITTERS - 1; i > 0; --i) {
        int32_t j = one_of(i + 1, (double)fst__uniform_float(b.word[i])), kept = d->order[i];
        d->order[i] = d->order[j];
        d->order[j] = kept;
    }
}

static double factor(double strength, double uniform)
{
    return between(strength < 1 ? 1 - strength : 0, 1 + strength, uniform);
}

static void draw_jitter(const fst_augment_options *o, const numbers *n, fst__augment_draws *d)
{
    pair light = pair_of(n, BLOCK_FACTORS), colour = pair_of(n, BLOCK_FACTORS + 1);
    draw_order(n, d);
    d->factors[FST__JITTER_BRIGHTNESS] = factor(o->brightness, light.first);
    d->factors[FST__JITTER_CONTRAST] = factor(o->contrast, light.second);
    d->factors[FST__JITTER_SATURATION] = factor(o->saturation, colour.first);
    d->factors[FST__JITTER_HUE] = between(-o->hue, o->hue, colour.second);
}

void fst__augment_draw(const fst_augment_options *o, uint64_t seed, int64_t draw, int32_t channels,
                       int32_t height, int32_t width, fst__augment_draws *d)
{
    const numbers n = {seed, (uint64_t)draw};
    fst__philox_block chance = block_of(&n, BLOCK_CHANCE);
    *d = (fst__augment_draws){
        .crop = o->crop != 0,
        .flip = (double)fst__uniform_float(chance.word[0]) < o->flip,
        .jitter = (double)fst__uniform_float(chance.word[1]) < o->jitter,
        .grey = (double)fst__uniform_float(chance.word[2]) < o->grey && channels == 3,
        .blur = (double)fst__uniform_float(chance.word[3]) < o->blur,
        .height = height,
        .width = width,
        .order = {0, 1, 2, 3},
        .factors = {1, 1, 1, 0},
    };
    if (o->shift > 0)
        draw_shift(o, &n, d);
    if (o->rotation > 0)
        d->rotation = between(-o->rotation, o->rotation, pair_of(&n, BLOCK_ROTATION).first);
    if (d->crop)
        draw_crop(o, &n, height, width, d);
    if (d->jitter)
        draw_jitter(o, &n, d);
    if (d->blur)
        d->sigma = between(o->blur_least_sigma, o->blur_most_sigma, pair_of(&n, BLOCK_BLUR).first);
}
