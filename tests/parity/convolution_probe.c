/* Layers of nn/ over plain arrays, for parity_resnet.py. Images are NHWC. */
#include "fourstage/context.h"
#include "nn/batch_norm.h"
#include "nn/convolution.h"
#include "nn/pool.h"

#include <stdlib.h>

/* sizes: N, H, W, C, O, k, stride, padding */
FST_API fst_status probe_convolution(const int64_t *sizes, float *x, float *weight, float *dy,
                                     float *y, float *dx, float *dweight);
/* Forward `steps` times in training or once in evaluation, then backward. onto NULL: none. */
FST_API fst_status probe_batch_norm(int64_t rows, int64_t channels, int32_t training, int32_t relu,
                                    int32_t steps, float *x, const float *gamma, const float *beta,
                                    float *onto, float *dy, float *running_mean,
                                    float *running_variance, float *y, float *dx, float *donto,
                                    float *dgamma, float *dbeta);
/* sizes: N, H, W, C, k, stride, padding */
FST_API fst_status probe_max_pool(const int64_t *sizes, float *x, float *dy, float *y, float *dx);

enum { SCRATCH = 1 << 25 };

typedef struct probe {
    fst__allocator allocator;
    fst__pool *pool;
    fst__compute *compute;
    fst__arena scratch;
} probe;

static fst_status open_probe(probe *p)
{
    *p = (probe){0};
    fst_status status = fst__pool_create(&p->allocator, 2, &p->pool);
    if (!status)
        status = fst__compute_create(&p->allocator, p->pool, FST_PROVIDER_CBLAS, &p->compute);
    p->scratch = fst__arena_over(malloc(SCRATCH), SCRATCH);
    return status;
}

static fst_status close_probe(probe *p, fst_status status)
{
    free(p->scratch.base);
    fst__compute_destroy(&p->allocator, p->compute);
    fst__pool_destroy(p->pool);
    return status;
}

static fst__matrix real(float *data, int64_t rows, int64_t columns)
{
    return fst__matrix_of(data, rows, columns, FST__REAL_DTYPE);
}

fst_status probe_convolution(const int64_t *sizes, float *x, float *weight, float *dy, float *y,
                             float *dx, float *dweight)
{
    fst__convolution c = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6],
                          sizes[7]};
    int64_t in = c.batch * c.height * c.width, out = fst__convolution_rows(&c);
    fst__matrix w = real(weight, c.outputs, fst__convolution_patch(&c));
    fst__matrix dx_matrix = real(dx, in, c.channels);
    probe p;
    fst_status status = open_probe(&p);
    if (!status)
        status = fst__convolution_forward(p.compute, &c, real(x, in, c.channels), w,
                                          real(y, out, c.outputs), NULL, &p.scratch);
    if (!status)
        status = fst__convolution_backward(p.compute, &c, real(x, in, c.channels), w,
                                           real(dy, out, c.outputs), &dx_matrix, false, dweight,
                                           &p.scratch);
    return close_probe(&p, status);
}

fst_status probe_batch_norm(int64_t rows, int64_t channels, int32_t training, int32_t relu,
                            int32_t steps, float *x, const float *gamma, const float *beta,
                            float *onto, float *dy, float *running_mean, float *running_variance,
                            float *y, float *dx, float *donto, float *dgamma, float *dbeta)
{
    fst__batch_norm norm = {channels, 1e-5f, gamma, beta};
    fst__matrix in = real(x, rows, channels), out = real(y, rows, channels);
    fst__matrix residual = real(onto, rows, channels), masked = real(donto, rows, channels);
    fst__batch_sums sums;
    probe p;
    fst_status status = open_probe(&p);
    if (status)
        return close_probe(&p, status);
    float *mean = fst__arena_take(&p.scratch, (size_t)channels, sizeof *mean);
    float *rstd = fst__arena_take(&p.scratch, (size_t)channels, sizeof *rstd);
    fst__batch_sums_take(&p.scratch, p.compute, rows, channels, 0, &sums);
    for (int32_t step = 0; training && step < steps; ++step) {
        fst__batch_sums_gather(p.compute, &sums, in);
        fst__batch_norm_moments(p.compute, &norm, &sums, mean, rstd, .1, running_mean,
                                running_variance);
    }
    if (!training) {
        mean = running_mean;
        fst__batch_norm_running(&norm, running_variance, rstd);
    }
    fst__batch_norm_forward(p.compute, &norm, in, mean, rstd, onto ? &residual : NULL, relu, out);
    if (!fst__batch_norm_backward(p.compute, &norm, in, mean, rstd, training, relu,
                                  onto ? &out : NULL, real(dy, rows, channels), real(dx, rows, channels),
                                  onto ? &masked : NULL, dgamma, dbeta, &p.scratch))
        status = FST_ERR_INTERNAL;
    return close_probe(&p, status);
}

fst_status probe_max_pool(const int64_t *sizes, float *x, float *dy, float *y, float *dx)
{
    fst__max_pool pool = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]};
    int64_t in = pool.batch * pool.height * pool.width;
    int64_t out = pool.batch * fst__max_pool_height(&pool) * fst__max_pool_width(&pool);
    probe p;
    fst_status status = open_probe(&p);
    uint8_t *taps = fst__arena_take(&p.scratch, (size_t)out, (size_t)pool.channels);
    if (!status) {
        fst__max_pool_forward(p.compute, &pool, real(x, in, pool.channels),
                              real(y, out, pool.channels), taps);
        fst__max_pool_backward(p.compute, &pool, taps, real(dy, out, pool.channels),
                               real(dx, in, pool.channels));
    }
    return close_probe(&p, status);
}
