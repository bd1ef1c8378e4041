#include "nn/pool.h"

#include "nn/blocks.h"

#include <math.h>

static int64_t output_side(int64_t side, const fst__max_pool *p)
{
    return (side + 2 * p->padding - p->kernel) / p->stride + 1;
}

int64_t fst__max_pool_height(const fst__max_pool *pool)
{
    return output_side(pool->height, pool);
}

int64_t fst__max_pool_width(const fst__max_pool *pool)
{
    return output_side(pool->width, pool);
}

typedef struct pool_job {
    const fst__kernels *kernels;
    const fst__max_pool *pool;
    fst__matrix in, out; /* x, y; or dy, dx */
    uint8_t *taps;
    const uint8_t *kept_taps;
    int64_t block_rows;
} pool_job;

/* Columns [column, column + n) of one pixel of y. */
static void forward_chunk(const pool_job *job, int64_t row, int64_t column, int64_t n)
{
    const fst__max_pool *p = job->pool;
    int64_t across = output_side(p->width, p), per_image = output_side(p->height, p) * across;
    int64_t image = row / per_image, top = row % per_image / across * p->stride - p->padding;
    int64_t left = row % across * p->stride - p->padding;
    fst__real scratch[FST__CHUNK], most[FST__CHUNK];
    uint8_t tap[FST__CHUNK];
    for (int64_t c = 0; c < n; ++c) {
        most[c] = -INFINITY;
        tap[c] = UINT8_MAX; /* of a window of −∞ alone; it gets no gradient */
    }
    for (int64_t i = 0; i < p->kernel * p->kernel; ++i) {
        int64_t h = top + i / p->kernel, w = left + i % p->kernel;
        if (h < 0 || h >= p->height || w < 0 || w >= p->width)
            continue;
        const fst__real *x = fst__row_read(job->kernels, job->in,
                                           (image * p->height + h) * p->width + w, column, n,
                                           scratch);
        for (int64_t c = 0; c < n; ++c) {
            bool better = x[c] > most[c] || x[c] != x[c];
            most[c] = better ? x[c] : most[c];
            tap[c] = better ? (uint8_t)i : tap[c];
        }
    }
    fst__row_write(job->kernels, job->out, row, column, n, most);
    if (job->taps)
        memcpy(job->taps + row * p->channels + column, tap, (size_t)n);
}

/* Columns [column, column + n) of one pixel of dx: from the windows that it lies in, in order. */
static void backward_chunk(const pool_job *job, int64_t row, int64_t column, int64_t n)
{
    const fst__max_pool *p = job->pool;
    int64_t down = output_side(p->height, p), across = output_side(p->width, p);
    int64_t image = row / (p->height * p->width), h = row / p->width % p->height,
            w = row % p->width;
    fst__real scratch[FST__CHUNK], total[FST__CHUNK] = {0};
    for (int64_t i = p->kernel * p->kernel - 1; i >= 0; --i) {
        int64_t y = h + p->padding - i / p->kernel, x = w + p->padding - i % p->kernel;
        if (y < 0 || x < 0 || y % p->stride || x % p->stride || y / p->stride >= down ||
            x / p->stride >= across)
            continue;
        int64_t window = (image * down + y / p->stride) * across + x / p->stride;
        const fst__real *dy = fst__row_read(job->kernels, job->in, window, column, n, scratch);
        const uint8_t *taps = job->kept_taps + window * p->channels + column;
        for (int64_t c = 0; c < n; ++c)
            total[c] += taps[c] == i ? dy[c] : 0;
    }
    fst__row_write(job->kernels, job->out, row, column, n, total);
}

static void pool_task(void *context, int64_t block, int32_t worker)
{
    const pool_job *job = context;
    int64_t end = (block + 1) * job->block_rows;
    for (int64_t r = block * job->block_rows; r < end && r < job->out.rows; ++r)
        for (int64_t c = 0; c < job->pool->channels; c += FST__CHUNK) {
            int64_t n = fst__chunk(job->pool->channels, c);
            if (job->kept_taps)
                backward_chunk(job, r, c, n);
            else
                forward_chunk(job, r, c, n);
        }
}

void fst__max_pool_forward(const fst__compute *compute, const fst__max_pool *pool, fst__matrix x,
                           fst__matrix y, uint8_t *taps)
{
    pool_job job = {.kernels = compute->kernels, .pool = pool, .in = x, .out = y, .taps = taps,
                    .block_rows = fst__block_rows(pool->channels * 4)};
    fst__pool_run(compute->pool, fst__blocks(y.rows, job.block_rows), pool_task, &job);
}

void fst__max_pool_backward(const fst__compute *compute, const fst__max_pool *pool,
                            const uint8_t *taps, fst__matrix dy, fst__matrix dx)
{
    pool_job job = {.kernels = compute->kernels, .pool = pool, .in = dy, .out = dx,
                    .kept_taps = taps, .block_rows = fst__block_rows(pool->channels * 4)};
    fst__pool_run(compute->pool, fst__blocks(dx.rows, job.block_rows), pool_task, &job);
}
