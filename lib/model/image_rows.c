#include "model/image_rows.h"

#include "kernels/rows.h"

typedef struct read_run {
    const fst_model *model;
    const float *images;
    fst__matrix to;
} read_run;

/* n channels from k on of each pixel of a line; `from` is the first of them at the line's begin. */
static void read_channels(const read_run *run, const float *from, int64_t pixel, int64_t k, int64_t n)
{
    const fst_model_config *c = &run->model->config;
    const fst__kernels *kernels = run->model->context->compute->kernels;
    int64_t plane = (int64_t)c->image_height * c->image_width;
    fst__real piece[FST__CHUNK];
    for (int64_t x = 0; x < c->image_width; ++x) {
        for (int64_t i = 0; i < n; ++i)
            piece[i] = (fst__real)from[i * plane + x];
        fst__row_write(kernels, run->to, pixel + x, k, n, piece);
    }
}

/* One line of one image. */
static void read_line(void *context, int64_t index, int32_t worker)
{
    const read_run *run = context;
    const fst_model_config *c = &run->model->config;
    int64_t channels = c->image_channels, width = c->image_width, height = c->image_height;
    int64_t pixel = index * width;
    const float *from = run->images + index / height * channels * height * width + index % height * width;
    (void)worker;
    if (run->to.dtype != FST_BF16) { /* straight to its place, a channel at a time */
        fst__real *to = fst__matrix_at(run->to, pixel, 0);
        for (int64_t k = 0; k < channels; ++k, from += height * width)
            for (int64_t x = 0; x < width; ++x)
                to[x * channels + k] = (fst__real)from[x];
        return;
    }
    for (int64_t k = 0; k < channels; k += FST__CHUNK)
        read_channels(run, from + k * height * width, pixel, k, fst__chunk(channels, k));
}

void fst__image_rows_read(const fst_model *model, const float *images, fst__matrix to)
{
    read_run run = {model, images, to};
    fst__pool_run(model->context->compute->pool, to.rows / model->config.image_width, read_line, &run);
}
