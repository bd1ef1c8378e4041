/* RMSNorm over each attention head, as Qwen3 and OLMo 2 do to queries and keys. */
#include "nn/blocks.h"
#include "nn/norm.h"

#include <math.h>

typedef struct head_job {
    const fst__kernels *kernels;
    const fst__real *gamma;
    fst__real epsilon;
    int64_t head_size, heads, block_rows;
    fst__matrix x, y, dy;  /* y: dx in the backward */
    fst__real *rstd;       /* [R·heads] */
    const fst__real *kept; /* rstd in the backward */
    bool has_gamma;
    fst__partials partials; /* [blocks, D] */
} head_job;

/* A head lies in columns [column, column + D) of a row. */
static fst__real forward_head(const head_job *job, int64_t row, int64_t column)
{
    const fst__kernels *k = job->kernels;
    fst__real scratch[FST__CHUNK], normed[FST__CHUNK];
    int64_t size = job->head_size;
    double squares = 0;
    for (int64_t i = 0; i < size; i += FST__CHUNK) {
        int64_t n = fst__chunk(size, i);
        const fst__real *x = fst__row_read(k, job->x, row, column + i, n, scratch);
        squares += (double)k->dot(x, x, n);
    }
    fst__real rstd = (fst__real)(1 / sqrt(squares / (double)size + (double)job->epsilon));
    for (int64_t i = 0; i < size; i += FST__CHUNK) {
        int64_t n = fst__chunk(size, i);
        const fst__real *x = fst__row_read(k, job->x, row, column + i, n, scratch);
        fst__real *y = fst__row_target(job->y, row, column + i, normed);
        k->normalise(x, 0, rstd, job->gamma + i, NULL, y, n);
        fst__row_write(k, job->y, row, column + i, n, y);
    }
    return rstd;
}

static void forward_task(void *context, int64_t block, int32_t worker)
{
    const head_job *job = context;
    int64_t end = (block + 1) * job->block_rows;
    for (int64_t r = block * job->block_rows; r < end && r < job->x.rows; ++r)
        for (int64_t h = 0; h < job->heads; ++h) {
            fst__real rstd = forward_head(job, r, h * job->head_size);
            if (job->rstd)
                job->rstd[r * job->heads + h] = rstd;
        }
}

void fst__head_norm_forward(const fst__compute *compute, const fst__real *gamma, fst__real epsilon,
                            fst__matrix x, int64_t head_size, fst__matrix y, fst__real *rstd)
{
    head_job job = {
        .kernels = compute->kernels,
        .gamma = gamma,
        .epsilon = epsilon,
        .head_size = head_size,
        .heads = x.columns / head_size,
        .block_rows = fst__block_rows(x.columns),
        .x = x,
        .y = y,
        .rstd = rstd,
    };
    fst__pool_run(compute->pool, fst__blocks(x.rows, job.block_rows), forward_task, &job);
}

static void backward_head(const head_job *job, int64_t row, int64_t column, fst__real rstd,
                          fst__real *dgamma)
{
    const fst__kernels *k = job->kernels;
    fst__real scratch[2][FST__CHUNK], total[FST__CHUNK], sums[2] = {0, 0};
    int64_t size = job->head_size;
    for (int64_t i = 0; i < size; i += FST__CHUNK) {
        int64_t n = fst__chunk(size, i);
        k->norm_sums(fst__row_read(k, job->x, row, column + i, n, scratch[0]), 0, rstd,
                     job->gamma + i, fst__row_read(k, job->dy, row, column + i, n, scratch[1]),
                     dgamma ? dgamma + i : NULL, NULL, sums, n);
    }
    for (int64_t i = 0; i < size; i += FST__CHUNK) {
        int64_t n = fst__chunk(size, i);
        const fst__real *x = fst__row_read(k, job->x, row, column + i, n, scratch[0]);
        const fst__real *dy = fst__row_read(k, job->dy, row, column + i, n, scratch[1]);
        fst__real *dx = fst__row_target(job->y, row, column + i, total);
        k->norm_gradient(x, 0, rstd, job->gamma + i, dy, 0, sums[1] / (fst__real)size, NULL, dx, n);
        fst__row_write(k, job->y, row, column + i, n, dx);
    }
}

static void backward_task(void *context, int64_t block, int32_t worker)
{
    const head_job *job = context;
    fst__real *dgamma = fst__partials_open(&job->partials, block);
    int64_t end = (block + 1) * job->partials.block_rows;
    for (int64_t r = block * job->partials.block_rows; r < end && r < job->x.rows; ++r)
        for (int64_t h = 0; h < job->heads; ++h)
            backward_head(job, r, h * job->head_size, job->kept[r * job->heads + h],
                          job->has_gamma ? dgamma : NULL);
}

void fst__head_norm_backward(const fst__compute *compute, const fst__real *gamma, fst__matrix x,
                             int64_t head_size, const fst__real *rstd, fst__matrix dy,
                             fst__matrix dx, fst__real *dgamma, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    head_job job = {
        .kernels = compute->kernels,
        .gamma = gamma,
        .head_size = head_size,
        .heads = x.columns / head_size,
        .x = x,
        .y = dx,
        .dy = dy,
        .kept = rstd,
        .has_gamma = dgamma != NULL,
    };
    if (fst__partials_take(scratch, x.rows, head_size, &job.partials)) {
        fst__pool_run(compute->pool, job.partials.blocks, backward_task, &job);
        if (dgamma)
            fst__partials_add(compute, &job.partials, 0, head_size, dgamma);
    }
    fst__arena_rewind(scratch, mark);
}

size_t fst__head_norm_backward_scratch(int64_t rows, int64_t head_size)
{
    return fst__partials_scratch(rows, head_size);
}
