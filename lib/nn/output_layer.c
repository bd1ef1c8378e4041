#include "nn/output_layer.h"

#include "base/error.h"
#include "nn/linear.h"

/* Rows that go through a transform at a time. */
enum { TRANSFORM_ROWS = 1024 };

static fst__matrix take(fst__arena *arena, int64_t rows, int64_t columns, int32_t dtype)
{
    void *data = fst__arena_take(arena, (size_t)rows, (size_t)columns * fst__element_size(dtype));
    return fst__matrix_of(data, rows, columns, dtype);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

void fst__transform_take(fst__arena *arena, int64_t rows, int64_t width, int32_t dtype,
                         fst__transform_memory *memory)
{
    memory->pre = take(arena, rows, width, dtype);
    memory->active = take(arena, rows, width, dtype);
    memory->features = take(arena, rows, width, dtype);
    memory->mean = fst__arena_take(arena, (size_t)rows, sizeof *memory->mean);
    memory->rstd = fst__arena_take(arena, (size_t)rows, sizeof *memory->rstd);
    size_t inner = larger(fst__norm_backward_scratch(rows, width),
                          fst__linear_backward_scratch(rows, width));
    memory->inner = fst__arena_over(fst__arena_take(arena, inner, 1), inner);
}

static void clear_rows(fst__matrix matrix, int64_t first)
{
    for (int64_t i = first; i < matrix.rows; ++i)
        memset(fst__matrix_at(matrix, i, 0), 0,
               (size_t)matrix.columns * fst__element_size(matrix.dtype));
}

fst_status fst__transform_forward(const fst__compute *compute, const fst__head_transform *transform,
                                  fst__matrix x, int64_t count, fst__transform_memory *memory)
{
    fst__matrix features = fst__matrix_rows(memory->features, 0, x.rows);
    fst__matrix active = fst__matrix_rows(memory->active, 0, x.rows);
    fst_status status = fst__linear_activation_forward(
        compute, x, transform->weight, transform->bias, transform->activation,
        fst__matrix_rows(memory->pre, 0, x.rows), active);
    if (status)
        return status;
    fst__norm_forward(compute, &transform->norm, fst__matrix_rows(active, 0, count), NULL, NULL,
                      active, fst__matrix_rows(features, 0, count), memory->mean, memory->rstd);
    clear_rows(features, count);
    return FST_OK;
}

fst_status fst__transform_backward(const fst__compute *compute,
                                   const fst__head_transform *transform, fst__matrix x,
                                   int64_t count, fst__transform_memory *memory,
                                   const fst__matrix *dx)
{
    fst__matrix gradient = fst__matrix_rows(memory->features, 0, x.rows);
    fst__matrix counting = fst__matrix_rows(gradient, 0, count);
    fst__norm_backward(compute, &transform->norm, fst__matrix_rows(memory->active, 0, count),
                       memory->mean, memory->rstd, counting, counting, FST__RESIDUAL_NONE, NULL,
                       NULL, transform->dgamma, transform->dbeta, &memory->inner);
    fst__activation_backward(compute, transform->activation,
                             fst__matrix_rows(memory->pre, 0, x.rows), gradient);
    return fst__linear_backward(compute, x, transform->weight, gradient, dx, transform->dweight,
                                transform->dbias, &memory->inner);
}

/* ---- all logits */

typedef struct layer_run {
    int64_t block_rows;
    fst__transform_memory memory;
    fst__arena inner; /* of the last product's backward */
} layer_run;

static layer_run plan(int64_t rows, int64_t width, int64_t vocabulary, int32_t dtype,
                      bool transform, bool backward, fst__arena *scratch)
{
    layer_run run = {.block_rows = rows};
    if (transform) {
        run.block_rows = rows < TRANSFORM_ROWS ? rows : TRANSFORM_ROWS;
        fst__transform_take(scratch, run.block_rows, width, dtype, &run.memory);
    }
    if (!backward)
        return run;
    size_t inner = fst__linear_backward_scratch(run.block_rows, vocabulary);
    run.inner = fst__arena_over(fst__arena_take(scratch, inner, 1), inner);
    return run;
}

size_t fst__output_layer_scratch(int64_t rows, int64_t width, int64_t vocabulary, int32_t dtype,
                                 bool transform)
{
    fst__arena counting = fst__arena_counting();
    plan(rows, width, vocabulary, dtype, transform, true, &counting);
    return counting.peak;
}

/* The features of rows [at, at + count). */
static fst_status block_features(const fst__compute *compute, const fst__output_layer *layer,
                                 layer_run *run, fst__matrix hidden, fst__matrix *features)
{
    *features = hidden;
    if (!layer->transform)
        return FST_OK;
    *features = fst__matrix_rows(run->memory.features, 0, hidden.rows);
    return fst__transform_forward(compute, layer->transform, hidden, hidden.rows, &run->memory);
}

static fst_status block_backward(const fst__compute *compute, const fst__output_layer *layer,
                                 layer_run *run, fst__matrix hidden, fst__matrix dlogits,
                                 fst__matrix dhidden)
{
    fst__matrix features;
    fst_status status = block_features(compute, layer, run, hidden, &features);
    if (status)
        return status;
    status = fst__linear_backward(compute, features, layer->weight, dlogits,
                                  layer->transform ? &features : &dhidden, layer->dweight,
                                  layer->dbias, &run->inner);
    if (status || !layer->transform)
        return status;
    return fst__transform_backward(compute, layer->transform, hidden, hidden.rows, &run->memory,
                                   &dhidden);
}

/* Forward with dlogits NULL, else backward. */
static fst_status run_blocks(const fst__compute *compute, const fst__output_layer *layer,
                             fst__matrix hidden, fst__matrix logits, const fst__matrix *dlogits,
                             fst__matrix dhidden, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    layer_run run = plan(hidden.rows, hidden.columns, layer->weight.rows, hidden.dtype,
                         layer->transform != NULL, dlogits != NULL, scratch);
    fst_status status = FST_OK;
    if (scratch->overflow)
        status = fst__fail(FST_ERR_INTERNAL, "output layer: scratch memory is too small");
    for (int64_t at = 0; at < hidden.rows && !status; at += run.block_rows) {
        int64_t count = hidden.rows - at < run.block_rows ? hidden.rows - at : run.block_rows;
        fst__matrix block = fst__matrix_rows(hidden, at, count), features;
        if (dlogits) {
            status = block_backward(compute, layer, &run, block,
                                    fst__matrix_rows(*dlogits, at, count),
                                    fst__matrix_rows(dhidden, at, count));
            continue;
        }
        status = block_features(compute, layer, &run, block, &features);
        if (!status)
            status = fst__linear_forward(compute, features, layer->weight, layer->bias,
                                         fst__matrix_rows(logits, at, count));
    }
    fst__arena_rewind(scratch, mark);
    return status;
}

fst_status fst__output_layer_forward(const fst__compute *compute, const fst__output_layer *layer,
                                     fst__matrix hidden, fst__matrix logits, fst__arena *scratch)
{
    return run_blocks(compute, layer, hidden, logits, NULL, hidden, scratch);
}

fst_status fst__output_layer_backward(const fst__compute *compute, const fst__output_layer *layer,
                                      fst__matrix hidden, fst__matrix dlogits, fst__matrix dhidden,
                                      fst__arena *scratch)
{
    return run_blocks(compute, layer, hidden, dlogits, &dlogits, dhidden, scratch);
}
