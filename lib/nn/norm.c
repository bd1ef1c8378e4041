#include "nn/norm.h"

#include "nn/blocks.h"

#include <math.h>

/* ---- sum = stream + dropout(branch) */

static void add_branch(const fst__kernels *k, fst__matrix stream, fst__matrix branch,
                       const fst__dropout *dropout, fst__matrix sum, int64_t row)
{
    fst__real scratch[2][FST__CHUNK], total[FST__CHUNK];
    for (int64_t c = 0; c < stream.columns; c += FST__CHUNK) {
        int64_t n = fst__chunk(stream.columns, c);
        const fst__real *s = fst__row_read(k, stream, row, c, n, scratch[0]);
        const fst__real *b = fst__row_read(k, branch, row, c, n, scratch[1]);
        if (fst__dropout_on(dropout)) {
            fst__dropout_row(k, dropout, (uint64_t)(row * stream.columns + c), b, scratch[1], n);
            b = scratch[1];
        }
        fst__real *target = fst__row_target(sum, row, c, total);
        k->add(s, b, target, n);
        fst__row_write(k, sum, row, c, n, target);
    }
}

typedef struct add_job {
    const fst__kernels *kernels;
    fst__matrix stream, branch, sum;
    const fst__dropout *dropout;
    int64_t block_rows;
} add_job;

static void add_task(void *context, int64_t block, int32_t worker)
{
    const add_job *job = context;
    int64_t end = (block + 1) * job->block_rows;
    for (int64_t r = block * job->block_rows; r < end && r < job->stream.rows; ++r)
        add_branch(job->kernels, job->stream, job->branch, job->dropout, job->sum, r);
}

void fst__residual_add_forward(const fst__compute *compute, fst__matrix stream, fst__matrix branch,
                               const fst__dropout *dropout, fst__matrix sum)
{
    add_job job = {compute->kernels, stream, branch, sum, dropout, fst__block_rows(sum.columns)};
    fst__pool_run(compute->pool, fst__blocks(sum.rows, job.block_rows), add_task, &job);
}

static void mask_task(void *context, int64_t block, int32_t worker)
{
    const add_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real scratch[FST__CHUNK], masked[FST__CHUNK];
    int64_t columns = job->stream.columns, end = (block + 1) * job->block_rows;
    for (int64_t r = block * job->block_rows; r < end && r < job->stream.rows; ++r)
        for (int64_t c = 0; c < columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(columns, c);
            const fst__real *d = fst__row_read(k, job->stream, r, c, n, scratch);
            fst__real *target = fst__row_target(job->branch, r, c, masked);
            fst__dropout_row(k, job->dropout, (uint64_t)(r * columns + c), d, target, n);
            fst__row_write(k, job->branch, r, c, n, target);
        }
}

void fst__residual_add_backward(const fst__compute *compute, fst__matrix dstream,
                                const fst__dropout *dropout, fst__matrix dbranch)
{
    if (dbranch.data == dstream.data && !fst__dropout_on(dropout))
        return;
    add_job job = {
        .kernels = compute->kernels,
        .stream = dstream,
        .branch = dbranch,
        .dropout = dropout,
        .block_rows = fst__block_rows(dstream.columns),
    };
    fst__pool_run(compute->pool, fst__blocks(dstream.rows, job.block_rows), mask_task, &job);
}

/* ---- y = norm(sum) */

typedef struct forward_job {
    const fst__kernels *kernels;
    const fst__norm *norm;
    fst__matrix stream, branch, sum, y;
    bool has_branch;
    const fst__dropout *dropout;
    fst__real *mean, *rstd;
    int64_t block_rows;
} forward_job;

static fst__real inverse_deviation(fst__real mean_square, fst__real epsilon)
{
    return (fst__real)(1 / sqrt((double)mean_square + (double)epsilon));
}

/* Two passes, as (Σx² − C·mean²) loses the digits of a row with a large mean. */
static void row_moments(const fst__kernels *k, int32_t kind, fst__matrix x, int64_t row,
                        fst__real epsilon, fst__real *mean, fst__real *rstd)
{
    fst__real scratch[FST__CHUNK], total = 0, squares = 0;
    if (kind == FST__NORM_LAYER)
        for (int64_t c = 0; c < x.columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(x.columns, c);
            total += k->sum(fst__row_read(k, x, row, c, n, scratch), n);
        }
    *mean = total / (fst__real)x.columns;
    for (int64_t c = 0; c < x.columns; c += FST__CHUNK) {
        int64_t n = fst__chunk(x.columns, c);
        squares += k->square_deviation(fst__row_read(k, x, row, c, n, scratch), *mean, n);
    }
    *rstd = inverse_deviation(squares / (fst__real)x.columns, epsilon);
}

static void copy_row(const forward_job *job, int64_t row)
{
    fst__real scratch[FST__CHUNK];
    for (int64_t c = 0; c < job->sum.columns; c += FST__CHUNK) {
        int64_t n = fst__chunk(job->sum.columns, c);
        const fst__real *x = fst__row_read(job->kernels, job->sum, row, c, n, scratch);
        fst__real *y = fst__row_target(job->y, row, c, scratch);
        if (y != x)
            memcpy(y, x, (size_t)n * sizeof *y);
        fst__row_write(job->kernels, job->y, row, c, n, y);
    }
}

static void norm_row(const forward_job *job, int64_t row)
{
    const fst__kernels *k = job->kernels;
    const fst__norm *norm = job->norm;
    fst__real scratch[FST__CHUNK], normed[FST__CHUNK], mean, rstd;
    if (norm->kind == FST__NORM_NONE) {
        copy_row(job, row);
        return;
    }
    row_moments(k, norm->kind, job->sum, row, norm->epsilon, &mean, &rstd);
    for (int64_t c = 0; c < job->sum.columns; c += FST__CHUNK) {
        int64_t n = fst__chunk(job->sum.columns, c);
        const fst__real *x = fst__row_read(k, job->sum, row, c, n, scratch);
        fst__real *y = fst__row_target(job->y, row, c, normed);
        k->normalise(x, mean, rstd, norm->gamma ? norm->gamma + c : NULL,
                     norm->beta ? norm->beta + c : NULL, y, n);
        fst__row_write(k, job->y, row, c, n, y);
    }
    if (job->mean)
        job->mean[row] = mean;
    if (job->rstd)
        job->rstd[row] = rstd;
}

static void norm_task(void *context, int64_t block, int32_t worker)
{
    const forward_job *job = context;
    int64_t end = (block + 1) * job->block_rows;
    for (int64_t r = block * job->block_rows; r < end && r < job->sum.rows; ++r) {
        if (job->has_branch)
            add_branch(job->kernels, job->stream, job->branch, job->dropout, job->sum, r);
        norm_row(job, r);
    }
}

void fst__norm_forward(const fst__compute *compute, const fst__norm *norm, fst__matrix stream,
                       const fst__matrix *branch, const fst__dropout *dropout, fst__matrix sum,
                       fst__matrix y, fst__real *mean, fst__real *rstd)
{
    forward_job job = {
        .kernels = compute->kernels,
        .norm = norm,
        .stream = stream,
        .has_branch = branch != NULL,
        .dropout = dropout,
        .sum = branch ? sum : stream,
        .y = y,
        .mean = mean,
        .rstd = rstd,
        .block_rows = fst__block_rows(stream.columns),
    };
    if (branch)
        job.branch = *branch;
    fst__pool_run(compute->pool, fst__blocks(stream.rows, job.block_rows), norm_task, &job);
}

/* ---- backward: with g = dy·γ, dx = rstd·(g − mean(g) − x̂·mean(g·x̂)); RMS has no mean(g) */

typedef struct backward_job {
    const fst__kernels *kernels;
    const fst__norm *norm;
    fst__matrix sum, dy, dstream, dbranch;
    const fst__real *mean, *rstd;
    fst__residual residual;
    bool has_branch, has_gamma, has_beta;
    const fst__dropout *dropout;
    fst__partials partials; /* [blocks, 2·C]: dgamma, dbeta */
} backward_job;

/* The two gradients of y, added up where one of them lies. */
static void join_gradients(const backward_job *job, int64_t row)
{
    const fst__kernels *k = job->kernels;
    fst__real scratch[2][FST__CHUNK];
    for (int64_t c = 0; c < job->sum.columns; c += FST__CHUNK) {
        int64_t n = fst__chunk(job->sum.columns, c);
        const fst__real *along = fst__row_read(k, job->dstream, row, c, n, scratch[0]);
        fst__real *total = fst__row_target(job->dstream, row, c, scratch[0]);
        k->add(along, fst__row_read(k, job->dy, row, c, n, scratch[1]), total, n);
        fst__row_write(k, job->dstream, row, c, n, total);
    }
}

static void gradient_sums(const backward_job *job, int64_t row, fst__real mean, fst__real *dgamma,
                          fst__real *dbeta, fst__real sums[2])
{
    const fst__kernels *k = job->kernels;
    const fst__real *gamma = job->norm->gamma;
    fst__real scratch[2][FST__CHUNK];
    sums[0] = sums[1] = 0;
    for (int64_t c = 0; c < job->sum.columns; c += FST__CHUNK) {
        int64_t n = fst__chunk(job->sum.columns, c);
        k->norm_sums(fst__row_read(k, job->sum, row, c, n, scratch[0]), mean, job->rstd[row],
                     gamma ? gamma + c : NULL, fst__row_read(k, job->dy, row, c, n, scratch[1]),
                     job->has_gamma ? dgamma + c : NULL, job->has_beta ? dbeta + c : NULL, sums, n);
    }
    sums[0] = job->norm->kind == FST__NORM_LAYER ? sums[0] / (fst__real)job->sum.columns : 0;
    sums[1] /= (fst__real)job->sum.columns;
}

static void gradient_row(const backward_job *job, int64_t row, fst__real mean,
                         const fst__real means[2])
{
    const fst__kernels *k = job->kernels;
    const fst__real *gamma = job->norm->gamma;
    fst__real scratch[3][FST__CHUNK], total[FST__CHUNK];
    for (int64_t c = 0; c < job->sum.columns; c += FST__CHUNK) {
        int64_t n = fst__chunk(job->sum.columns, c);
        const fst__real *x = fst__row_read(k, job->sum, row, c, n, scratch[0]);
        const fst__real *dy = fst__row_read(k, job->dy, row, c, n, scratch[1]);
        const fst__real *onto = job->residual == FST__RESIDUAL_SUM
                                    ? fst__row_read(k, job->dstream, row, c, n, scratch[2])
                                    : NULL;
        fst__real *dx = fst__row_target(job->dstream, row, c, total);
        if (job->norm->kind != FST__NORM_NONE)
            k->norm_gradient(x, mean, job->rstd[row], gamma ? gamma + c : NULL, dy, means[0],
                             means[1], onto, dx, n);
        else if (onto)
            k->add(dy, onto, dx, n);
        else if (dx != dy)
            memcpy(dx, dy, (size_t)n * sizeof *dx);
        fst__row_write(k, job->dstream, row, c, n, dx);
        if (job->has_branch) {
            fst__real *masked = fst__row_target(job->dbranch, row, c, scratch[0]);
            fst__dropout_row(k, job->dropout, (uint64_t)(row * job->sum.columns + c), dx, masked,
                             n);
            fst__row_write(k, job->dbranch, row, c, n, masked);
        }
    }
}

static void backward_task(void *context, int64_t block, int32_t worker)
{
    const backward_job *job = context;
    backward_job joined = *job;
    if (job->residual == FST__RESIDUAL_NORMED) {
        joined.dy = job->dstream;
        joined.residual = FST__RESIDUAL_NONE;
    }
    fst__real *dgamma = fst__partials_open(&job->partials, block);
    fst__real *dbeta = dgamma + job->sum.columns;
    int64_t end = (block + 1) * job->partials.block_rows;
    for (int64_t r = block * job->partials.block_rows; r < end && r < job->sum.rows; ++r) {
        fst__real mean = job->norm->kind == FST__NORM_LAYER ? job->mean[r] : 0, means[2] = {0};
        if (job->residual == FST__RESIDUAL_NORMED)
            join_gradients(job, r);
        if (job->norm->kind != FST__NORM_NONE)
            gradient_sums(&joined, r, mean, dgamma, dbeta, means);
        gradient_row(&joined, r, mean, means);
    }
}

void fst__norm_backward(const fst__compute *compute, const fst__norm *norm, fst__matrix sum,
                        const fst__real *mean, const fst__real *rstd, fst__matrix dy,
                        fst__matrix dstream, fst__residual residual, const fst__matrix *dbranch,
                        const fst__dropout *dropout, fst__real *dgamma, fst__real *dbeta,
                        fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    backward_job job = {
        .kernels = compute->kernels,
        .norm = norm,
        .sum = sum,
        .dy = dy,
        .dstream = dstream,
        .mean = mean,
        .rstd = rstd,
        .residual = residual,
        .has_branch = dbranch != NULL,
        .has_gamma = dgamma != NULL,
        .has_beta = dbeta != NULL,
        .dropout = dropout,
    };
    if (dbranch)
        job.dbranch = *dbranch;
    if (fst__partials_take(scratch, sum.rows, 2 * sum.columns, &job.partials)) {
        fst__pool_run(compute->pool, job.partials.blocks, backward_task, &job);
        if (dgamma)
            fst__partials_add(compute, &job.partials, 0, sum.columns, dgamma);
        if (dbeta)
            fst__partials_add(compute, &job.partials, sum.columns, sum.columns, dbeta);
    }
    fst__arena_rewind(scratch, mark);
}

size_t fst__norm_backward_scratch(int64_t rows, int64_t columns)
{
    return fst__partials_scratch(rows, 2 * columns);
}
