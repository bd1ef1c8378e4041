#include "nn/batch_norm.h"

#include "nn/blocks.h"

#include <math.h>

/* ---- blocks of rows, seen as fst__real */

/* A piece of rows that fits a scratch array: most elements of it, but at least a row of chunks. */
enum { PIECE = 1024 };

static int64_t piece_rows(int64_t channels)
{
    return channels < PIECE ? PIECE / channels : 1;
}

/* Columns of a piece: all, unless one row is longer than the scratch. Kernels take contiguous rows,
 * so a longer row is a piece of one row's columns. */
static int64_t piece_columns(int64_t channels)
{
    return channels < PIECE ? channels : PIECE;
}

static const fst__real *read(const fst__kernels *k, fst__matrix m, int64_t row, int64_t column,
                             int64_t count, fst__real *scratch)
{
    return fst__row_read(k, m, row, column, count, scratch);
}

/* ---- Σ x, Σ x² */

static int64_t pass_rows(int64_t rows, int64_t channels)
{
    enum { MOST_BLOCKS = 128 };
    int64_t block = fst__block_rows(channels), least = (rows + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return block > least ? block : least;
}

bool fst__batch_sums_take(fst__arena *arena, const fst__compute *compute, int64_t rows,
                          int64_t channels, int64_t block_rows, fst__batch_sums *out)
{
    *out = (fst__batch_sums){
        .kernels = compute ? compute->kernels : NULL,
        .rows = rows,
        .channels = channels,
        .block_rows = block_rows ? block_rows : pass_rows(rows, channels),
    };
    out->partial = fst__arena_take(arena, (size_t)fst__blocks(rows, out->block_rows) * 2,
                                   (size_t)channels * sizeof(double));
    return out->partial != NULL;
}

static double *open_sums(const fst__batch_sums *sums, int64_t block)
{
    double *partial = sums->partial + block * 2 * sums->channels;
    memset(partial, 0, (size_t)(2 * sums->channels) * sizeof *partial);
    return partial;
}

static void sum_rows(void *context, fst__matrix x, int64_t row, int64_t rows, int64_t column,
                     int64_t columns, int32_t worker)
{
    const fst__batch_sums *sums = context;
    const fst__kernels *k = sums->kernels;
    double *partial = open_sums(sums, row / sums->block_rows);
    fst__real scratch[PIECE];
    int64_t step = piece_rows(columns), width = piece_columns(columns);
    for (int64_t r = row; r < row + rows; r += step) {
        int64_t n = row + rows - r < step ? row + rows - r : step;
        for (int64_t c = 0; c < columns; c += width) {
            int64_t w = columns - c < width ? columns - c : width;
            k->channel_sums(read(k, x, r, c, n * w, scratch), n, w, partial + c,
                            partial + columns + c);
        }
    }
}

typedef struct gather_job {
    const fst__batch_sums *sums;
    fst__matrix x;
} gather_job;

static void gather_task(void *context, int64_t block, int32_t worker)
{
    const gather_job *job = context;
    fst__batch_sums sums = *job->sums;
    int64_t row = block * sums.block_rows, rows = job->x.rows - row;
    sum_rows(&sums, job->x, row, rows < sums.block_rows ? rows : sums.block_rows, 0,
             job->x.columns, worker);
}

void fst__batch_sums_gather(const fst__compute *compute, const fst__batch_sums *sums, fst__matrix x)
{
    gather_job job = {sums, x};
    fst__pool_run(compute->pool, fst__blocks(x.rows, sums->block_rows), gather_task, &job);
}

fst__epilogue fst__batch_sums_epilogue(fst__batch_sums *sums)
{
    return (fst__epilogue){sum_rows, sums};
}

/* ---- moments */

enum { CHANNELS_PER_TASK = 16 };

typedef struct moments_job {
    const fst__batch_norm *norm;
    const fst__batch_sums *sums;
    double momentum;
    fst__real *mean, *rstd, *running_mean, *running_variance;
} moments_job;

static fst__real moved(fst__real from, double to, double momentum)
{
    return (fst__real)((1 - momentum) * (double)from + momentum * to);
}

static void moments_task(void *context, int64_t index, int32_t worker)
{
    const moments_job *job = context;
    const fst__batch_sums *sums = job->sums;
    int64_t channels = sums->channels, first = index * CHANNELS_PER_TASK;
    int64_t blocks = fst__blocks(sums->rows, sums->block_rows);
    for (int64_t c = first; c < first + CHANNELS_PER_TASK && c < channels; ++c) {
        double total = 0, squares = 0, rows = (double)sums->rows;
        for (int64_t b = 0; b < blocks; ++b) {
            total += sums->partial[b * 2 * channels + c];
            squares += sums->partial[(b * 2 + 1) * channels + c];
        }
        double mean = total / rows, variance = squares / rows - mean * mean;
        variance = variance < 0 ? 0 : variance; /* rounding; a NaN stays */
        job->mean[c] = (fst__real)mean;
        job->rstd[c] = (fst__real)(1 / sqrt(variance + (double)job->norm->epsilon));
        if (!job->running_mean)
            continue;
        double unbiased = rows > 1 ? variance * rows / (rows - 1) : variance;
        job->running_mean[c] = moved(job->running_mean[c], mean, job->momentum);
        job->running_variance[c] = moved(job->running_variance[c], unbiased, job->momentum);
    }
}

void fst__batch_norm_moments(const fst__compute *compute, const fst__batch_norm *norm,
                             const fst__batch_sums *sums, fst__real *mean, fst__real *rstd,
                             double momentum, fst__real *running_mean, fst__real *running_variance)
{
    moments_job job = {norm, sums, momentum, mean, rstd, running_mean, running_variance};
    fst__pool_run(compute->pool, fst__blocks(norm->channels, CHANNELS_PER_TASK), moments_task,
                  &job);
}

void fst__batch_norm_running(const fst__batch_norm *norm, const fst__real *running_variance,
                             fst__real *rstd)
{
    for (int64_t c = 0; c < norm->channels; ++c)
        rstd[c] = (fst__real)(1 / sqrt((double)running_variance[c] + (double)norm->epsilon));
}

/* ---- forward */

static const fst__real *from_column(const fst__real *values, int64_t column)
{
    return values ? values + column : NULL;
}

static fst__channels channels_of(const fst__batch_norm *norm, const fst__real *mean,
                                 const fst__real *rstd, int64_t column, int64_t columns)
{
    return (fst__channels){columns, mean + column, rstd + column,
                           from_column(norm->gamma, column), from_column(norm->beta, column)};
}

typedef struct forward_job {
    const fst__kernels *kernels;
    const fst__batch_norm *norm;
    const fst__real *mean, *rstd;
    fst__matrix x, y;
    const fst__matrix *onto;
    bool relu;
    int64_t block_rows;
} forward_job;

static void forward_piece(const forward_job *job, int64_t row, int64_t rows, int64_t column,
                          int64_t columns)
{
    const fst__kernels *k = job->kernels;
    fst__real scratch[2][PIECE], normed[PIECE];
    int64_t n = rows * columns;
    fst__channels channels = channels_of(job->norm, job->mean, job->rstd, column, columns);
    const fst__real *onto = job->onto ? read(k, *job->onto, row, column, n, scratch[0]) : NULL;
    fst__real *y = fst__row_target(job->y, row, column, normed);
    k->channel_norm(&channels, read(k, job->x, row, column, n, scratch[1]), onto, job->relu, y,
                    rows);
    fst__row_write(k, job->y, row, column, n, y);
}

static void forward_task(void *context, int64_t block, int32_t worker)
{
    const forward_job *job = context;
    int64_t end = (block + 1) * job->block_rows, columns = job->x.columns;
    int64_t step = piece_rows(columns), width = piece_columns(columns);
    end = end < job->x.rows ? end : job->x.rows;
    for (int64_t r = block * job->block_rows; r < end; r += step)
        for (int64_t c = 0; c < columns; c += width)
            forward_piece(job, r, end - r < step ? end - r : step, c,
                          columns - c < width ? columns - c : width);
}

void fst__batch_norm_forward(const fst__compute *compute, const fst__batch_norm *norm,
                             fst__matrix x, const fst__real *mean, const fst__real *rstd,
                             const fst__matrix *onto, bool relu, fst__matrix y)
{
    forward_job job = {compute->kernels, norm, mean, rstd, x, y, onto, relu,
                       fst__block_rows(norm->channels)};
    fst__pool_run(compute->pool, fst__blocks(x.rows, job.block_rows), forward_task, &job);
}

/* ---- backward. With N rows: dβ = Σ d, dγ = Σ d·x̂, dx = γ·rstd·(d − dβ/N − x̂·dγ/N) */

typedef struct backward_job {
    const fst__kernels *kernels;
    const fst__batch_norm *norm;
    const fst__real *mean, *rstd;
    fst__matrix x, dy, dx;
    bool relu;
    const fst__matrix *y, *masked;
    fst__batch_sums sums;  /* of d and d·x̂ */
    fst__real *gain, *slope, *offset; /* [C] */
    int64_t block_rows;
} backward_job;

static void sums_piece(const backward_job *job, double *partial, int64_t row, int64_t rows,
                       int64_t column, int64_t columns)
{
    const fst__kernels *k = job->kernels;
    fst__real scratch[3][PIECE];
    int64_t n = rows * columns;
    fst__channels channels = channels_of(job->norm, job->mean, job->rstd, column, columns);
    const fst__real *active = job->y ? read(k, *job->y, row, column, n, scratch[0]) : NULL;
    k->channel_gradient_sums(&channels, read(k, job->x, row, column, n, scratch[1]), job->relu,
                             active, read(k, job->dy, row, column, n, scratch[2]), rows,
                             partial + column, partial + job->norm->channels + column);
}

static void sums_task(void *context, int64_t block, int32_t worker)
{
    const backward_job *job = context;
    int64_t rows = job->sums.block_rows, end = (block + 1) * rows, columns = job->x.columns;
    int64_t step = piece_rows(columns), width = piece_columns(columns);
    double *partial = open_sums(&job->sums, block);
    end = end < job->x.rows ? end : job->x.rows;
    for (int64_t r = block * rows; r < end; r += step)
        for (int64_t c = 0; c < columns; c += width)
            sums_piece(job, partial, r, end - r < step ? end - r : step, c,
                       columns - c < width ? columns - c : width);
}

static void gradient_piece(const backward_job *job, int64_t row, int64_t rows, int64_t column,
                           int64_t columns)
{
    const fst__kernels *k = job->kernels;
    fst__real scratch[3][PIECE], target[2][PIECE];
    int64_t n = rows * columns;
    fst__channels_gradient channels = {columns, job->mean + column, job->gain + column,
                                       from_column(job->norm->beta, column),
                                       job->slope + column, job->offset + column};
    const fst__real *active = job->y ? read(k, *job->y, row, column, n, scratch[0]) : NULL;
    const fst__real *x = read(k, job->x, row, column, n, scratch[1]);
    const fst__real *dy = read(k, job->dy, row, column, n, scratch[2]);
    fst__real *dx = fst__row_target(job->dx, row, column, target[0]);
    fst__real *masked =
        job->masked ? fst__row_target(*job->masked, row, column, target[1]) : NULL;
    k->channel_gradient(&channels, x, job->relu, active, dy, masked, dx, rows);
    fst__row_write(k, job->dx, row, column, n, dx);
    if (masked)
        fst__row_write(k, *job->masked, row, column, n, masked);
}

static void gradient_task(void *context, int64_t block, int32_t worker)
{
    const backward_job *job = context;
    int64_t end = (block + 1) * job->block_rows, columns = job->x.columns;
    int64_t step = piece_rows(columns), width = piece_columns(columns);
    end = end < job->x.rows ? end : job->x.rows;
    for (int64_t r = block * job->block_rows; r < end; r += step)
        for (int64_t c = 0; c < columns; c += width)
            gradient_piece(job, r, end - r < step ? end - r : step, c,
                           columns - c < width ? columns - c : width);
}

/* From the sums to what each channel's dx is made with, and to the parameters' gradients. */
static void finish_sums(const backward_job *job, bool summed, bool of_batch, fst__real *dgamma,
                        fst__real *dbeta)
{
    int64_t channels = job->norm->channels, rows = job->x.rows;
    int64_t blocks = fst__blocks(rows, job->sums.block_rows);
    for (int64_t c = 0; c < channels; ++c) {
        double total = 0, product = 0;
        for (int64_t b = 0; b < blocks && summed; ++b) {
            total += job->sums.partial[b * 2 * channels + c];
            product += job->sums.partial[(b * 2 + 1) * channels + c];
        }
        double rstd = (double)job->rstd[c];
        double gain = (job->norm->gamma ? (double)job->norm->gamma[c] : 1) * rstd;
        job->gain[c] = (fst__real)gain;
        job->offset[c] = (fst__real)(of_batch ? gain * total / (double)rows : 0);
        job->slope[c] = (fst__real)(of_batch ? gain * rstd * product / (double)rows : 0);
        if (dgamma)
            dgamma[c] += (fst__real)product;
        if (dbeta)
            dbeta[c] += (fst__real)total;
    }
}

static bool take_backward(fst__arena *arena, int64_t rows, int64_t channels, backward_job *job)
{
    fst__batch_sums_take(arena, NULL, rows, channels, 0, &job->sums);
    job->gain = fst__arena_take(arena, (size_t)channels, sizeof *job->gain);
    job->slope = fst__arena_take(arena, (size_t)channels, sizeof *job->slope);
    job->offset = fst__arena_take(arena, (size_t)channels, sizeof *job->offset);
    return arena->base && !arena->overflow;
}

bool fst__batch_norm_backward(const fst__compute *compute, const fst__batch_norm *norm,
                              fst__matrix x, const fst__real *mean, const fst__real *rstd,
                              bool of_batch, bool relu, const fst__matrix *y, fst__matrix dy,
                              fst__matrix dx, const fst__matrix *masked, fst__real *dgamma,
                              fst__real *dbeta, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    backward_job job = {
        .kernels = compute->kernels, .norm = norm, .mean = mean, .rstd = rstd,
        .x = x, .dy = dy, .dx = dx, .relu = relu, .y = y, .masked = masked,
        .block_rows = fst__block_rows(norm->channels),
    };
    if (!take_backward(scratch, x.rows, norm->channels, &job))
        return false;
    bool sums = of_batch || dgamma || dbeta;
    if (sums)
        fst__pool_run(compute->pool, fst__blocks(x.rows, job.sums.block_rows), sums_task, &job);
    finish_sums(&job, sums, of_batch, dgamma, dbeta);
    fst__pool_run(compute->pool, fst__blocks(x.rows, job.block_rows), gradient_task, &job);
    fst__arena_rewind(scratch, mark);
    return true;
}

size_t fst__batch_norm_backward_scratch(int64_t rows, int64_t channels)
{
    fst__arena counting = fst__arena_counting();
    backward_job unused;
    take_backward(&counting, rows, channels, &unused);
    return counting.peak;
}
