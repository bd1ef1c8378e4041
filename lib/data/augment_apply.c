/* Transforms that move pixels: shift, rotation, crop, flip, blur. */
#include "data/augment.h"
#include "data/resample.h"

#include <math.h>
#include <string.h>

static void change_places(fst__augment_space *space)
{
    float *image = space->image;
    space->image = space->other;
    space->other = image;
}

/* RandomCrop with padding: out[y][x] = in[y − down][x − right]. */
static void shift_plane(const float *in, int32_t height, int32_t width, int32_t down, int32_t right,
                        float fill, float *out)
{
    int32_t first = right > 0 ? right : 0, end = right > 0 ? width : width + right;
    for (int32_t y = 0; y < height; ++y) {
        float *row = out + (int64_t)y * width;
        bool inside = y - down >= 0 && y - down < height && first < end;
        for (int32_t x = 0; x < width; ++x)
            row[x] = fill;
        if (inside)
            memcpy(row + first, in + (int64_t)(y - down) * width + first - right,
                   (size_t)(end - first) * sizeof *row);
    }
}

/* Where an output pixel's value comes from, and how much of it from outside. */
typedef struct sample {
    int64_t at[4];
    float weights[4];
    float outside;
} sample;

static sample sample_at(double y, double x, int32_t height, int32_t width)
{
    /* ⌊·⌋ of what may be below 0 but never by this much. */
    enum { BELOW = 1 << 20 };
    int32_t top = (int32_t)(y + BELOW) - BELOW, left = (int32_t)(x + BELOW) - BELOW;
    float down = (float)(y - top), right = (float)(x - left);
    sample s = {.weights = {(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right}};
    for (int k = 0; k < 4; ++k) {
        int32_t row = top + k / 2, column = left + k % 2;
        bool inside = row >= 0 && row < height && column >= 0 && column < width;
        s.at[k] = inside ? (int64_t)row * width + column : 0;
        s.outside += inside ? 0 : s.weights[k];
        s.weights[k] = inside ? s.weights[k] : 0;
    }
    return s;
}

/* About the middle, as torchvision's rotate: the output's pixel, turned back, is where it comes from. */
static void rotate(double degrees, float fill, int32_t channels, int32_t height, int32_t width,
                   const float *in, float *out)
{
    double angle = degrees * (3.14159265358979323846 / 180), c = cos(angle), s = sin(angle);
    int64_t area = (int64_t)height * width;
    for (int32_t i = 0; i < height; ++i) {
        for (int32_t j = 0; j < width; ++j) {
            double y = i - (height - 1) * 0.5, x = j - (width - 1) * 0.5;
            sample from = sample_at(s * x + c * y + (height - 1) * 0.5,
                                    c * x - s * y + (width - 1) * 0.5, height, width);
            for (int32_t k = 0; k < channels; ++k) {
                const float *plane = in + k * area;
                float value = from.outside * fill;
                for (int t = 0; t < 4; ++t)
                    value += from.weights[t] * plane[from.at[t]];
                out[k * area + (int64_t)i * width + j] = value;
            }
        }
    }
}

/* The crop, at the image's size again. */
static void crop(const fst__augment_draws *d, int32_t channels, int32_t height, int32_t width,
                 const fst__augment_space *space)
{
    fst__resample_axis y, x;
    fst__resample_axis_fill(&y, d->height, height, space->axes);
    fst__resample_axis_fill(&x, d->width, width, space->axes + fst__resample_room(d->height, height));
    for (int32_t c = 0; c < channels; ++c) {
        int64_t plane = (int64_t)c * height * width;
        fst__resample_plane(&y, &x, space->image + plane + (int64_t)d->top * width + d->left, width,
                            d->height, space->rows, space->other + plane);
    }
}

static void flip(int64_t rows, int32_t width, float *image)
{
    for (int64_t i = 0; i < rows; ++i) {
        float *row = image + i * width;
        for (int32_t a = 0, b = width - 1; a < b; ++a, --b) {
            float kept = row[a];
            row[a] = row[b];
            row[b] = kept;
        }
    }
}

/* torchvision's _get_gaussian_kernel1d. */
static void fill_kernel(double sigma, int32_t size, float *kernel)
{
    double half = (size - 1) * 0.5, total = 0;
    for (int32_t i = 0; i < size; ++i)
        total += exp(-0.5 * ((i - half) / sigma) * ((i - half) / sigma));
    for (int32_t i = 0; i < size; ++i)
        kernel[i] = (float)(exp(-0.5 * ((i - half) / sigma) * ((i - half) / sigma)) / total);
}

/* An index beyond an edge mirrored at the pixel there, which does not repeat. */
static int32_t reflected(int32_t index, int32_t size)
{
    while (index < 0 || index >= size)
        index = size == 1 ? 0 : index < 0 ? -index : 2 * (size - 1) - index;
    return index;
}

static void blur_plane(const float *kernel, int32_t size, int32_t height, int32_t width,
                       const float *in, float *line, float *rows, float *out)
{
    int32_t half = size / 2;
    for (int32_t y = 0; y < height; ++y) {
        float *row = rows + (int64_t)y * width;
        memset(row, 0, (size_t)width * sizeof *row);
        for (int32_t x = -half; x < width + half; ++x)
            line[x + half] = in[(int64_t)y * width + reflected(x, width)];
        for (int32_t k = 0; k < size; ++k)
            for (int32_t x = 0; x < width; ++x)
                row[x] += kernel[k] * line[x + k];
    }
    for (int32_t y = 0; y < height; ++y) {
        float *row = out + (int64_t)y * width;
        memset(row, 0, (size_t)width * sizeof *row);
        for (int32_t k = 0; k < size; ++k) {
            const float *from = rows + (int64_t)reflected(y + k - half, height) * width;
            for (int32_t x = 0; x < width; ++x)
                row[x] += kernel[k] * from[x];
        }
    }
}

int32_t fst__augment_kernel(const fst_augment_options *o, int32_t height)
{
    if (o->blur_kernel > 0)
        return o->blur_kernel;
    int32_t size = (height + 9) / 10 | 1;
    return size < 3 ? 3 : size;
}

void fst__augment_apply(const fst_augment_options *o, const fst__augment_draws *d, int32_t channels,
                        int32_t height, int32_t width, fst__augment_space *space)
{
    int64_t area = (int64_t)height * width;
    if (d->shift_y != 0 || d->shift_x != 0) {
        for (int32_t c = 0; c < channels; ++c)
            shift_plane(space->image + c * area, height, width, d->shift_y, d->shift_x,
                        (float)o->fill, space->other + c * area);
        change_places(space);
    }
    if (d->rotation != 0) {
        rotate(d->rotation, (float)o->fill, channels, height, width, space->image, space->other);
        change_places(space);
    }
    if (d->crop) {
        crop(d, channels, height, width, space);
        change_places(space);
    }
    if (d->flip)
        flip((int64_t)channels * height, width, space->image);
    fst__augment_colour(o, d, channels, area, space->image);
    if (d->blur) {
        int32_t size = fst__augment_kernel(o, height);
        float *kernel = space->line + width + size;
        fill_kernel(d->sigma, size, kernel);
        for (int32_t c = 0; c < channels; ++c)
            blur_plane(kernel, size, height, width, space->image + c * area, space->line, space->rows,
                       space->other + c * area);
        change_places(space);
    }
}
