#include "model/image_rows.h"

#include "kernels/rows.h"

typedef struct read_run {
    const fst_model *model;
    const float *images;
    fst__matrix to;
} read_run;

/* One line of one image. */
static void read_line(void *context, int64_t index, int32_t worker)
{
    const read_run *run = context;
    const fst_model_config *c = &run->model->config;
    const fst__kernels *kernels = run->model->context->compute->kernels;
    int64_t channels = c->image_channels, plane = (int64_t)c->image_height * c->image_width;
    int64_t image = index / c->image_height, line = index % c->image_height * c->image_width;
    fst__real piece[FST__CHUNK];
    (void)worker;
    for (int64_t x = 0; x < c->image_width; ++x)
        for (int64_t k = 0; k < channels; k += FST__CHUNK) {
            int64_t n = fst__chunk(channels, k);
            for (int64_t i = 0; i < n; ++i)
                piece[i] = (fst__real)run->images[(image * channels + k + i) * plane + line + x];
            fst__row_write(kernels, run->to, image * plane + line + x, k, n, piece);
        }
}

void fst__image_rows_read(const fst_model *model, const float *images, fst__matrix to)
{
    read_run run = {model, images, to};
    fst__pool_run(model->context->compute->pool, to.rows / model->config.image_width, read_line, &run);
}
