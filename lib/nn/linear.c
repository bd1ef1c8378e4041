#include "nn/linear.h"

#include "base/error.h"
#include "kernels/gemm.h"
#include "nn/blocks.h"

/* ---- forward: the product, then bias and activation on each of its tiles */

typedef struct forward_job {
    const fst__kernels *kernels;
    const fst__real *bias; /* NULL: none */
    int32_t activation;
    bool activate;
    fst__matrix y; /* of act(pre), if activate */
} forward_job;

static void forward_tile(void *context, fst__matrix pre, int64_t row, int64_t rows, int64_t column,
                         int64_t columns, int32_t worker)
{
    const forward_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real scratch[FST__CHUNK], activated[FST__CHUNK];
    for (int64_t r = row; r < row + rows; ++r) {
        for (int64_t c = column; c < column + columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(column + columns, c);
            const fst__real *v = fst__row_read(k, pre, r, c, n, scratch);
            if (job->bias) {
                fst__real *biased = fst__row_target(pre, r, c, scratch);
                k->add(v, job->bias + c, biased, n);
                fst__row_write(k, pre, r, c, n, biased);
                /* Rounded as it is kept: what backward, and a separate activation, would read. */
                v = job->activate ? fst__row_read(k, pre, r, c, n, scratch) : biased;
            }
            if (job->activate) {
                fst__real *y = fst__row_target(job->y, r, c, activated);
                k->activation_forward(job->activation, v, y, n);
                fst__row_write(k, job->y, r, c, n, y);
            }
        }
    }
}

static fst_status forward(const fst__compute *compute, fst__matrix x, fst__matrix weight,
                          fst__matrix pre, forward_job *job)
{
    fst__epilogue epilogue = {forward_tile, job};
    fst__product product = {
        .a = x,
        .b = weight,
        .c = pre,
        .transpose_b = true,
        .epilogue = job->bias || job->activate ? &epilogue : NULL,
    };
    return fst__gemm_run(compute, &product);
}

fst_status fst__linear_forward(const fst__compute *compute, fst__matrix x, fst__matrix weight,
                               const fst__real *bias, fst__matrix y)
{
    forward_job job = {.kernels = compute->kernels, .bias = bias};
    return forward(compute, x, weight, y, &job);
}

fst_status fst__linear_activation_forward(const fst__compute *compute, fst__matrix x,
                                          fst__matrix weight, const fst__real *bias,
                                          int32_t activation, fst__matrix pre, fst__matrix y)
{
    forward_job job = {
        .kernels = compute->kernels,
        .bias = bias,
        .activation = activation,
        .activate = activation != FST__ACTIVATION_NONE || y.data != pre.data,
        .y = y,
    };
    return forward(compute, x, weight, pre, &job);
}

/* ---- backward */

typedef struct bias_job {
    const fst__kernels *kernels;
    fst__matrix dy;
    fst__partials partials;
} bias_job;

static void bias_task(void *context, int64_t block, int32_t worker)
{
    const bias_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real scratch[FST__CHUNK];
    fst__real *total = fst__partials_open(&job->partials, block);
    int64_t first = block * job->partials.block_rows;
    int64_t end = first + job->partials.block_rows;
    end = end < job->dy.rows ? end : job->dy.rows;
    for (int64_t r = first; r < end; ++r)
        for (int64_t c = 0; c < job->dy.columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(job->dy.columns, c);
            k->add(total + c, fst__row_read(k, job->dy, r, c, n, scratch), total + c, n);
        }
}

fst_status fst__bias_backward(const fst__compute *compute, fst__matrix dy, fst__real *dbias,
                              fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    bias_job job = {.kernels = compute->kernels, .dy = dy};
    if (!fst__partials_take(scratch, dy.rows, dy.columns, &job.partials))
        return fst__fail(FST_ERR_INTERNAL, "linear backward: the scratch planned is too small");
    fst__pool_run(compute->pool, job.partials.blocks, bias_task, &job);
    fst__partials_add(compute, &job.partials, 0, dy.columns, dbias);
    fst__arena_rewind(scratch, mark);
    return FST_OK;
}

fst_status fst__linear_backward(const fst__compute *compute, fst__matrix x, fst__matrix weight,
                                fst__matrix dy, const fst__matrix *dx, fst__real *dweight,
                                fst__real *dbias, fst__arena *scratch)
{
    fst_status status = FST_OK;
    if (dbias)
        status = fst__bias_backward(compute, dy, dbias, scratch);
    if (!status && dweight) {
        fst__product product = {
            .a = dy,
            .b = x,
            .c = fst__matrix_of(dweight, weight.rows, weight.columns, FST__REAL_DTYPE),
            .transpose_a = true,
            .accumulate = true,
        };
        status = fst__gemm_run(compute, &product);
    }
    if (!status && dx) {
        fst__product product = {.a = dy, .b = weight, .c = *dx};
        status = fst__gemm_run(compute, &product);
    }
    return status;
}

size_t fst__linear_backward_scratch(int64_t rows, int64_t outputs)
{
    return fst__partials_scratch(rows, outputs);
}
