#include "nn/convolution.h"

#include "base/error.h"
#include "nn/convolution_tiles.h"

#include <stdio.h>

/* ---- tiles */

void fst__tile_failed(fst__tile_error *error, fst_status status)
{
    fst_status none = FST_OK;
    if (atomic_compare_exchange_strong(&error->status, &none, status))
        snprintf(error->text, sizeof error->text, "%s", fst__error_text());
}

fst_status fst__tile_status(const fst__tile_error *error)
{
    fst_status status = atomic_load(&error->status);
    return status ? fst__fail(status, "%s", error->text) : FST_OK;
}

/* A tile of patches and the weights it meets should stay in the second-level cache; but fewer than
 * 128 rows do not repay what the provider does to the weights for each product. */
int64_t fst__tile_rows(int64_t rows, int64_t size)
{
    enum { MOST = 256, LEAST = 32, ENOUGH = 12, TILE_ELEMENTS = 192 * 1024 };
    int64_t tile = MOST;
    if (tile * size > TILE_ELEMENTS)
        tile /= 2;
    while (tile > LEAST && rows < ENOUGH * tile)
        tile /= 2;
    return tile;
}

int64_t fst__patch_stride(int64_t size)
{
    enum { LINE = 32, SET = 256 };
    int64_t stride = (size + LINE - 1) / LINE * LINE;
    return stride % SET ? stride : stride + LINE;
}

fst__worker_tiles fst__worker_tiles_take(fst__arena *arena, const fst__compute *compute,
                                         int64_t rows, int64_t columns, int32_t dtype)
{
    size_t size = (size_t)(rows * fst__patch_stride(columns)) * fst__element_size(dtype);
    size_t workers = (size_t)fst__pool_workers(compute->pool);
    return (fst__worker_tiles){fst__arena_take(arena, workers, size), size};
}

/* ---- shapes */

static int64_t output_side(int64_t side, const fst__convolution *c)
{
    return (side + 2 * c->padding - c->kernel) / c->stride + 1;
}

int64_t fst__convolution_height(const fst__convolution *c)
{
    return output_side(c->height, c);
}

int64_t fst__convolution_width(const fst__convolution *c)
{
    return output_side(c->width, c);
}

int64_t fst__convolution_tile_rows(const fst__convolution *c)
{
    return fst__tile_rows(fst__convolution_rows(c), fst__convolution_patch(c));
}

fst__patches fst__convolution_patches(const fst__convolution *c, fst__matrix x)
{
    return (fst__patches){
        .source = x,
        .height = c->height, .width = c->width,
        .rows = output_side(c->height, c), .columns = output_side(c->width, c),
        .step = c->stride,
        .top = -c->padding, .left = -c->padding,
        .taps_down = c->kernel, .taps_across = c->kernel,
    };
}

/* ---- forward */

typedef struct forward_job {
    const fst__compute *compute;
    const fst__epilogue *epilogue;
    fst__matrix weight, y;
    fst__patches patches;
    bool plain;
    int64_t tile_rows;
    fst__worker_tiles tiles;
    fst__tile_error error;
} forward_job;

static void forward_task(void *context, int64_t index, int32_t worker)
{
    forward_job *job = context;
    int64_t row = index * job->tile_rows, rows = job->y.rows - row;
    rows = rows < job->tile_rows ? rows : job->tile_rows;
    fst__product product = {
        .b = job->weight, .c = fst__matrix_rows(job->y, row, rows), .transpose_b = true};
    if (job->plain) {
        product.a = fst__matrix_rows(job->patches.source, row, rows);
    } else {
        product.a = fst__worker_tile(job->tiles, worker, rows, job->weight.columns,
                                     job->patches.source.dtype);
        fst__patches_gather(job->compute->kernels, &job->patches, row, product.a);
    }
    fst_status status = fst__gemm_run_tile(job->compute, worker, &product);
    if (status)
        fst__tile_failed(&job->error, status);
    else if (job->epilogue)
        job->epilogue->apply(job->epilogue->context, job->y, row, rows, 0, job->y.columns, worker);
}

fst_status fst__convolution_forward(const fst__compute *compute, const fst__convolution *c,
                                    fst__matrix x, fst__matrix weight, fst__matrix y,
                                    const fst__epilogue *epilogue, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    forward_job job = {
        .compute = compute,
        .epilogue = epilogue,
        .weight = weight,
        .y = y,
        .patches = fst__convolution_patches(c, x),
        .plain = fst__convolution_is_plain(c),
        .tile_rows = fst__convolution_tile_rows(c),
    };
    if (!job.plain) {
        job.tiles =
            fst__worker_tiles_take(scratch, compute, job.tile_rows, weight.columns, x.dtype);
        if (!job.tiles.data)
            return fst__fail(FST_ERR_INTERNAL, "convolution: the scratch planned is too small");
    }
    fst__pool_run(compute->pool, fst__blocks(y.rows, job.tile_rows), forward_task, &job);
    fst__arena_rewind(scratch, mark);
    return fst__tile_status(&job.error);
}

size_t fst__convolution_forward_scratch(const fst__compute *compute, const fst__convolution *c,
                                        int32_t dtype)
{
    fst__arena counting = fst__arena_counting();
    if (!fst__convolution_is_plain(c))
        fst__worker_tiles_take(&counting, compute, fst__convolution_tile_rows(c),
                               fst__convolution_patch(c), dtype);
    return counting.peak;
}

/* ---- gradient of the weights: dW = Σ over tiles of dyᵀ·patches */

/*
 * Tasks are blocks of rows by slices of a patch (a row of taps, where that is wide enough). The
 * first block of a slice adds to dW itself, each other one makes a partial sum of its own, and these
 * are added in order.
 */
typedef struct weight_split {
    int64_t tile_rows, blocks, block_rows;
    int64_t slices; /* of a patch: 1, or one per row of taps */
} weight_split;

static weight_split split_weights(const fst__convolution *c)
{
    enum { TASKS = 16, WIDE = 64, MOST_PARTIAL = 1 << 21 };
    int64_t rows = fst__convolution_rows(c), size = fst__convolution_patch(c);
    weight_split s = {.tile_rows = fst__convolution_tile_rows(c)};
    s.slices = c->kernel * c->channels >= WIDE ? c->kernel : 1;
    int64_t most = MOST_PARTIAL / (c->outputs * size) + 1;
    s.blocks = (TASKS + s.slices - 1) / s.slices;
    s.blocks = s.blocks < most ? s.blocks : most;
    int64_t tiles = fst__blocks(rows, s.tile_rows);
    s.block_rows = (tiles + s.blocks - 1) / s.blocks * s.tile_rows;
    s.blocks = fst__blocks(rows, s.block_rows);
    return s;
}

typedef struct weight_job {
    const fst__compute *compute;
    const fst__convolution *convolution;
    weight_split split;
    fst__matrix x, dy;
    fst__real *dweight, *partial; /* [O, k·k·C], [blocks - 1, O, k·k·C] */
    fst__worker_tiles tiles;
    fst__tile_error error;
} weight_job;

static void weight_task(void *context, int64_t index, int32_t worker)
{
    weight_job *job = context;
    const fst__convolution *c = job->convolution;
    int64_t size = fst__convolution_patch(c), width = size / job->split.slices;
    int64_t block = index / job->split.slices, slice = index % job->split.slices;
    fst__patches patches = fst__convolution_patches(c, job->x);
    patches.taps_down /= job->split.slices;
    patches.top += slice;
    fst__real *target = block ? job->partial + (block - 1) * c->outputs * size : job->dweight;
    fst__matrix whole = fst__matrix_of(target, c->outputs, size, FST__REAL_DTYPE);
    int64_t end = (block + 1) * job->split.block_rows;
    end = end < job->dy.rows ? end : job->dy.rows;
    fst_status status = FST_OK;
    for (int64_t row = block * job->split.block_rows; row < end && !status;
         row += job->split.tile_rows) {
        int64_t rows = end - row < job->split.tile_rows ? end - row : job->split.tile_rows;
        fst__product product = {
            .a = fst__matrix_rows(job->dy, row, rows),
            .b = fst__convolution_is_plain(c)
                     ? fst__matrix_rows(job->x, row, rows)
                     : fst__worker_tile(job->tiles, worker, rows, width, job->x.dtype),
            .c = fst__matrix_columns(whole, slice * width, width),
            .transpose_a = true,
            .accumulate = !block || row > block * job->split.block_rows,
        };
        if (!fst__convolution_is_plain(c))
            fst__patches_gather(job->compute->kernels, &patches, row, product.b);
        status = fst__gemm_run_tile(job->compute, worker, &product);
    }
    if (status)
        fst__tile_failed(&job->error, status);
}

static bool take_weight_scratch(fst__arena *arena, const fst__compute *compute,
                                const fst__convolution *c, int32_t dtype, weight_job *job)
{
    job->split = split_weights(c);
    int64_t size = fst__convolution_patch(c);
    job->partial = fst__arena_take(arena, (size_t)(job->split.blocks - 1),
                                   (size_t)(c->outputs * size) * sizeof(fst__real));
    if (!fst__convolution_is_plain(c))
        job->tiles = fst__worker_tiles_take(arena, compute, job->split.tile_rows,
                                            size / job->split.slices, dtype);
    return !arena->overflow && arena->base;
}

static fst_status weight_gradient(const fst__compute *compute, const fst__convolution *c,
                                  fst__matrix x, fst__matrix dy, fst__real *dweight,
                                  fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    weight_job job = {
        .compute = compute, .convolution = c, .x = x, .dy = dy, .dweight = dweight};
    if (!take_weight_scratch(scratch, compute, c, x.dtype, &job))
        return fst__fail(FST_ERR_INTERNAL, "convolution: the scratch planned is too small");
    fst__pool_run(compute->pool, job.split.blocks * job.split.slices, weight_task, &job);
    fst_status status = fst__tile_status(&job.error);
    if (!status && job.split.blocks > 1) {
        int64_t size = c->outputs * fst__convolution_patch(c);
        fst__partials partials = {1, job.split.blocks - 1, size, job.partial};
        fst__partials_add(compute, &partials, 0, size, dweight);
    }
    fst__arena_rewind(scratch, mark);
    return status;
}

/* ---- backward */

fst_status fst__convolution_backward(const fst__compute *compute, const fst__convolution *c,
                                     fst__matrix x, fst__matrix weight, fst__matrix dy,
                                     const fst__matrix *dx, bool accumulate, fst__real *dweight,
                                     fst__arena *scratch)
{
    fst_status status = FST_OK;
    if (dweight)
        status = weight_gradient(compute, c, x, dy, dweight, scratch);
    if (!status && dx)
        status =
            fst__convolution_input_gradient(compute, c, weight, dy, *dx, accumulate, scratch);
    return status;
}

size_t fst__convolution_backward_scratch(const fst__compute *compute, const fst__convolution *c,
                                         int32_t dtype)
{
    fst__arena counting = fst__arena_counting();
    weight_job unused;
    take_weight_scratch(&counting, compute, c, dtype, &unused);
    size_t input = fst__convolution_input_scratch(compute, c, dtype);
    return counting.peak > input ? counting.peak : input;
}
