#include "nn/lora.h"

#include "base/error.h"
#include "kernels/gemm.h"
#include "nn/blocks.h"

#include <math.h>

/* Rows of x, or of W, at a time where a copy of them is needed. */
enum { BLOCK = 1024, WEIGHT_BLOCK = 256 };

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static fst_status too_small(void)
{
    return fst__fail(FST_ERR_INTERNAL, "lora: the scratch planned is too small");
}

static fst__matrix take(fst__arena *arena, int64_t rows, int64_t columns, int32_t dtype)
{
    void *data = fst__arena_take(arena, (size_t)rows,
                                 (size_t)columns * fst__element_size(dtype));
    return fst__matrix_of(data, rows, columns, dtype);
}

/* What one block of rows is worked on in; the pieces that are not needed are empty. */
typedef struct work {
    int64_t rows;        /* of a block */
    fst__matrix dropped; /* [rows, I] dropout(x) */
    fst__matrix u;       /* [rows, r] */
    fst__matrix wide;    /* [rows, O] or [rows, I] of fst__real: a product that cannot be summed in place */
    fst__real *sums;     /* [O]: Σ dy ⊙ z */
} work;

static bool take_work(fst__arena *arena, int64_t rows, int64_t inputs, int64_t rank, int64_t wide,
                      int32_t dtype, bool dropout, work *out)
{
    *out = (work){.rows = dropout || wide ? smaller(rows, BLOCK) : rows};
    if (dropout)
        out->dropped = take(arena, out->rows, inputs, dtype);
    if (rank)
        out->u = take(arena, out->rows, rank, dtype);
    if (wide)
        out->wide = take(arena, out->rows, wide, FST__REAL_DTYPE);
    return !arena->overflow;
}

/* ---- dropout(x), and u */

typedef struct drop_job {
    const fst__kernels *kernels;
    const fst__dropout *dropout;
    fst__matrix x, y;
    uint64_t offset;
    int64_t block_rows;
} drop_job;

static void drop_task(void *context, int64_t block, int32_t worker)
{
    const drop_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real read[FST__CHUNK], dropped[FST__CHUNK];
    int64_t first = block * job->block_rows, end = smaller(first + job->block_rows, job->x.rows);
    for (int64_t r = first; r < end; ++r)
        for (int64_t c = 0; c < job->x.columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(job->x.columns, c);
            fst__real *y = fst__row_target(job->y, r, c, dropped);
            uint64_t offset = job->offset + (uint64_t)(r * job->x.columns + c);
            fst__dropout_row(k, job->dropout, offset, fst__row_read(k, job->x, r, c, n, read), y, n);
            fst__row_write(k, job->y, r, c, n, y);
        }
}

/* Rows [first, first + n) of dropout(x): x itself where there is none. */
static fst__matrix dropped_rows(const fst__compute *compute, const fst__lora *lora, fst__matrix x,
                                int64_t first, int64_t n, const work *w)
{
    fst__matrix rows = fst__matrix_rows(x, first, n);
    if (!fst__dropout_on(&lora->dropout))
        return rows;
    drop_job job = {.kernels = compute->kernels, .dropout = &lora->dropout, .x = rows,
                    .y = fst__matrix_rows(w->dropped, 0, n),
                    .offset = (uint64_t)(first * x.columns),
                    .block_rows = fst__block_rows(x.columns)};
    fst__pool_run(compute->pool, fst__blocks(n, job.block_rows), drop_task, &job);
    return job.y;
}

typedef struct scale_job {
    const fst__kernels *kernels;
    fst__real scale;
} scale_job;

static void scale_tile(void *context, fst__matrix c, int64_t row, int64_t rows, int64_t column,
                       int64_t columns, int32_t worker)
{
    const scale_job *job = context;
    fst__real scratch[FST__CHUNK];
    for (int64_t r = row; r < row + rows; ++r)
        for (int64_t at = column; at < column + columns; at += FST__CHUNK) {
            int64_t n = fst__chunk(column + columns, at);
            fst__real *y = fst__row_target(c, r, at, scratch);
            job->kernels->scale(job->scale, fst__row_read(job->kernels, c, r, at, n, scratch), y, n);
            fst__row_write(job->kernels, c, r, at, n, y);
        }
}

/* c = s·a·op(b) */
static fst_status scaled_product(const fst__compute *compute, fst__real scale, fst__matrix a,
                                 fst__matrix b, bool transpose_b, fst__matrix c)
{
    scale_job job = {compute->kernels, scale};
    fst__epilogue epilogue = {scale_tile, &job};
    fst__product product = {.a = a, .b = b, .c = c, .transpose_b = transpose_b,
                            .epilogue = scale == 1 ? NULL : &epilogue};
    return fst__gemm_run(compute, &product);
}

/* ---- joining a product to what stands already in its place */

typedef struct join_job {
    const fst__kernels *kernels;
    const fst__real *gain, *bias; /* DoRA's forward, or NULL */
    const fst__dropout *dropout;  /* of dx, or NULL */
    uint64_t offset;              /* of the block's first element */
    fst__matrix y;                /* the block's rows */
} join_job;

/* y = g·(y − b + delta) + b, written so that g = 1 and delta = 0 leave y's bits. */
static void decompose(const fst__real *gain, const fst__real *bias, const fst__real *delta,
                      const fst__real *y, fst__real *out, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        fst__real base = bias ? y[i] - bias[i] : y[i];
        out[i] = y[i] + (gain[i] - 1) * base + gain[i] * delta[i];
    }
}

static void join_tile(void *context, fst__matrix delta, int64_t row, int64_t rows, int64_t column,
                      int64_t columns, int32_t worker)
{
    const join_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real read[FST__CHUNK], masked[FST__CHUNK], written[FST__CHUNK];
    for (int64_t r = row; r < row + rows; ++r)
        for (int64_t c = column; c < column + columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(column + columns, c);
            const fst__real *d = fst__matrix_at(delta, r, c);
            if (fst__dropout_on(job->dropout)) {
                uint64_t offset = job->offset + (uint64_t)(r * job->y.columns + c);
                fst__dropout_row(k, job->dropout, offset, d, masked, n);
                d = masked;
            }
            const fst__real *y = fst__row_read(k, job->y, r, c, n, read);
            fst__real *out = fst__row_target(job->y, r, c, written);
            if (job->gain)
                decompose(job->gain + c, job->bias ? job->bias + c : NULL, d, y, out, n);
            else
                k->add(y, d, out, n);
            fst__row_write(k, job->y, r, c, n, out);
        }
}

/* y joins a·op(b): summed by the product itself where that is possible, else by way of `wide`. */
static fst_status join(const fst__compute *compute, fst__matrix a, fst__matrix b, bool transpose_b,
                       join_job *job, const work *w)
{
    fst__epilogue epilogue = {join_tile, job};
    fst__product product = {.a = a, .b = b, .c = job->y, .transpose_b = transpose_b,
                            .accumulate = true};
    if (w->wide.data) {
        product.c = fst__matrix_rows(w->wide, 0, a.rows);
        product.accumulate = false;
        product.epilogue = &epilogue;
    }
    return fst__gemm_run(compute, &product);
}

/* ---- forward */

fst_status fst__lora_forward(const fst__compute *compute, const fst__lora *lora, fst__matrix x,
                             fst__matrix y, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    work w;
    bool by_way = lora->gain || y.dtype == FST_BF16;
    if (!take_work(scratch, x.rows, x.columns, lora->a.rows, by_way ? y.columns : 0, x.dtype,
                   fst__dropout_on(&lora->dropout), &w))
        return too_small();
    fst_status status = FST_OK;
    for (int64_t first = 0; first < x.rows && !status; first += w.rows) {
        int64_t n = smaller(w.rows, x.rows - first);
        fst__matrix u = fst__matrix_rows(w.u, 0, n);
        fst__matrix in = dropped_rows(compute, lora, x, first, n, &w);
        status = scaled_product(compute, lora->scale, in, lora->a, true, u);
        join_job job = {.kernels = compute->kernels, .gain = lora->gain, .bias = lora->bias,
                        .y = fst__matrix_rows(y, first, n)};
        if (!status)
            status = join(compute, u, lora->b, true, &job, &w);
    }
    fst__arena_rewind(scratch, mark);
    return status;
}

/* ---- backward */

typedef struct gain_job {
    const fst__kernels *kernels;
    const fst__real *gain;
    fst__matrix dy, z;
    fst__partials partials;
} gain_job;

/* partial[O] = Σ dy ⊙ z over the block's rows; dy ← g ⊙ dy. */
static void gain_task(void *context, int64_t block, int32_t worker)
{
    const gain_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real read[FST__CHUNK], written[FST__CHUNK];
    fst__real *total = fst__partials_open(&job->partials, block);
    int64_t first = block * job->partials.block_rows;
    int64_t end = smaller(first + job->partials.block_rows, job->dy.rows);
    for (int64_t r = first; r < end; ++r)
        for (int64_t c = 0; c < job->dy.columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(job->dy.columns, c);
            const fst__real *dy = fst__row_read(k, job->dy, r, c, n, read);
            const fst__real *z = fst__matrix_at(job->z, r, c), *gain = job->gain + c;
            fst__real *out = fst__row_target(job->dy, r, c, written);
            for (int64_t i = 0; i < n; ++i) {
                total[c + i] += dy[i] * z[i];
                out[i] = gain[i] * dy[i];
            }
            fst__row_write(k, job->dy, r, c, n, out);
        }
}

/* z = x·Wᵀ + u·Bᵀ once more; its share of dm; and g into dy. */
static fst_status gain_backward(const fst__compute *compute, const fst__lora *lora, fst__matrix x,
                                fst__matrix u, fst__matrix weight, fst__matrix dy, const work *w,
                                fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    gain_job job = {.kernels = compute->kernels, .gain = lora->gain, .dy = dy,
                    .z = fst__matrix_rows(w->wide, 0, x.rows)};
    if (!fst__partials_take(scratch, x.rows, dy.columns, &job.partials))
        return too_small();
    fst__product base = {.a = x, .b = weight, .c = job.z, .transpose_b = true};
    fst__product low = {.a = u, .b = lora->b, .c = job.z, .transpose_b = true, .accumulate = true};
    fst_status status = fst__gemm_run(compute, &base);
    if (!status)
        status = fst__gemm_run(compute, &low);
    if (!status) {
        fst__pool_run(compute->pool, job.partials.blocks, gain_task, &job);
        fst__partials_add(compute, &job.partials, 0, dy.columns, w->sums);
    }
    fst__arena_rewind(scratch, mark);
    return status;
}

/* d [m, n] += aᵀ·b */
static fst_status add_outer(const fst__compute *compute, fst__matrix a, fst__matrix b, fst__real *d)
{
    if (!d)
        return FST_OK;
    fst__product product = {.a = a, .b = b, .transpose_a = true, .accumulate = true,
                            .c = fst__matrix_of(d, a.columns, b.columns, FST__REAL_DTYPE)};
    return fst__gemm_run(compute, &product);
}

/* dB += dyᵀ·u, du = s·dy·B, dA += duᵀ·dropout(x), for rows [first, first + n). */
static fst_status block_backward(const fst__compute *compute, const fst__lora *lora, fst__matrix x,
                                 fst__matrix weight, fst__matrix dy, fst__matrix du, int64_t first,
                                 const work *w, const fst__lora_gradients *gradients,
                                 fst__arena *scratch)
{
    int64_t n = smaller(w->rows, x.rows - first);
    fst__matrix u = fst__matrix_rows(w->u, 0, n);
    fst__matrix in = dropped_rows(compute, lora, x, first, n, w);
    dy = fst__matrix_rows(dy, first, n);
    du = fst__matrix_rows(du, first, n);
    fst_status status = scaled_product(compute, lora->scale, in, lora->a, true, u);
    if (!status && lora->gain)
        status = gain_backward(compute, lora, fst__matrix_rows(x, first, n), u, weight, dy, w,
                               scratch);
    if (!status)
        status = add_outer(compute, dy, u, gradients->b);
    if (!status)
        status = scaled_product(compute, lora->scale, dy, lora->b, false, du);
    if (!status)
        status = add_outer(compute, du, in, gradients->a);
    return status;
}

fst_status fst__lora_backward(const fst__compute *compute, const fst__lora *lora, fst__matrix x,
                              fst__matrix weight, fst__matrix dy,
                              const fst__lora_gradients *gradients, fst__matrix du,
                              fst__arena *scratch)
{
    int64_t outputs = dy.columns;
    work w;
    size_t mark = fst__arena_mark(scratch);
    bool fits = take_work(scratch, x.rows, x.columns, lora->a.rows, lora->gain ? outputs : 0,
                          x.dtype, fst__dropout_on(&lora->dropout), &w);
    if (lora->gain)
        w.sums = fst__arena_take(scratch, (size_t)outputs, sizeof *w.sums);
    if (!fits || scratch->overflow)
        return too_small();
    if (lora->gain)
        memset(w.sums, 0, (size_t)outputs * sizeof *w.sums);
    fst_status status = FST_OK;
    for (int64_t first = 0; first < x.rows && !status; first += w.rows)
        status = block_backward(compute, lora, x, weight, dy, du, first, &w, gradients, scratch);
    if (!status && lora->gain && gradients->magnitude)
        for (int64_t o = 0; o < outputs; ++o)
            gradients->magnitude[o] += lora->norm[o] > 0 ? w.sums[o] / lora->norm[o] : 0;
    fst__arena_rewind(scratch, mark);
    return status;
}

fst_status fst__lora_backward_input(const fst__compute *compute, const fst__lora *lora,
                                    fst__matrix du, fst__matrix dx, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    work w;
    bool by_way = fst__dropout_on(&lora->dropout) || dx.dtype == FST_BF16;
    if (!take_work(scratch, dx.rows, dx.columns, 0, by_way ? dx.columns : 0, dx.dtype, false, &w))
        return too_small();
    fst_status status = FST_OK;
    for (int64_t first = 0; first < dx.rows && !status; first += w.rows) {
        int64_t n = smaller(w.rows, dx.rows - first);
        join_job job = {.kernels = compute->kernels, .dropout = &lora->dropout,
                        .offset = (uint64_t)(first * dx.columns),
                        .y = fst__matrix_rows(dx, first, n)};
        status = join(compute, fst__matrix_rows(du, first, n), lora->a, false, &job, &w);
    }
    fst__arena_rewind(scratch, mark);
    return status;
}

size_t fst__lora_scratch(int64_t rows, int64_t inputs, int64_t outputs, int64_t rank,
                         int32_t dtype, bool dropout, bool decomposed, bool backward)
{
    fst__arena counting = fst__arena_counting();
    work w;
    bool half = dtype == FST_BF16;
    if (!backward) {
        take_work(&counting, rows, inputs, rank, decomposed || half ? outputs : 0, dtype, dropout,
                  &w);
        return counting.peak;
    }
    fst__partials partials;
    take_work(&counting, rows, inputs, rank, decomposed ? outputs : 0, dtype, dropout, &w);
    if (decomposed) {
        fst__arena_take(&counting, (size_t)outputs, sizeof(fst__real));
        fst__partials_take(&counting, w.rows, outputs, &partials);
    }
    fst__arena_rewind(&counting, 0);
    take_work(&counting, rows, inputs, 0, dropout || half ? inputs : 0, dtype, false, &w);
    return counting.peak;
}

/* ---- W + s·B·A */

typedef struct row_job {
    const fst__kernels *kernels;
    fst__matrix weight, delta; /* [n, I] */
    fst__real scale;
    const fst__real *gain; /* of the rows, or NULL */
    fst__real *norm;       /* NULL: merge */
} row_job;

static void row_task(void *context, int64_t r, int32_t worker)
{
    const row_job *job = context;
    fst__real sum[FST__CHUNK];
    double squares = 0;
    for (int64_t c = 0; c < job->weight.columns; c += FST__CHUNK) {
        int64_t n = fst__chunk(job->weight.columns, c);
        fst__real *weight = fst__matrix_at(job->weight, r, c);
        const fst__real *delta = fst__matrix_at(job->delta, r, c);
        for (int64_t i = 0; i < n; ++i)
            sum[i] = weight[i] + job->scale * delta[i];
        if (job->norm)
            squares += job->kernels->sum_squares(sum, n);
        else
            job->kernels->scale(job->gain ? job->gain[r] : 1, sum, weight, n);
    }
    if (job->norm)
        job->norm[r] = (fst__real)sqrt(squares);
}

/* Norms of the sum's rows, or with norm NULL the sum itself into weight. */
static fst_status each_row(const fst__compute *compute, const fst__lora *lora, fst__matrix weight,
                           fst__real *norm, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    int64_t most = smaller(weight.rows, WEIGHT_BLOCK);
    fst__matrix delta = take(scratch, most, weight.columns, FST__REAL_DTYPE);
    if (!delta.data)
        return too_small();
    fst_status status = FST_OK;
    for (int64_t first = 0; first < weight.rows && !status; first += most) {
        int64_t n = smaller(most, weight.rows - first);
        row_job job = {.kernels = compute->kernels, .scale = lora->scale,
                       .weight = fst__matrix_rows(weight, first, n),
                       .delta = fst__matrix_rows(delta, 0, n),
                       .gain = lora->gain ? lora->gain + first : NULL,
                       .norm = norm ? norm + first : NULL};
        fst__product product = {.a = fst__matrix_rows(lora->b, first, n), .b = lora->a,
                                .c = job.delta};
        status = fst__gemm_run(compute, &product);
        if (!status)
            fst__pool_run(compute->pool, n, row_task, &job);
    }
    fst__arena_rewind(scratch, mark);
    return status;
}

fst_status fst__lora_gain(const fst__compute *compute, const fst__lora *lora, fst__matrix weight,
                          const fst__real *magnitude, fst__real *norm, fst__real *gain,
                          fst__arena *scratch)
{
    fst_status status = each_row(compute, lora, weight, norm, scratch);
    for (int64_t o = 0; o < weight.rows && !status && magnitude; ++o)
        gain[o] = norm[o] > 0 ? magnitude[o] / norm[o] : 1;
    return status;
}

fst_status fst__lora_merge(const fst__compute *compute, const fst__lora *lora, fst__matrix weight,
                           fst__arena *scratch)
{
    return each_row(compute, lora, weight, NULL, scratch);
}

size_t fst__lora_weight_scratch(int64_t inputs, int64_t outputs)
{
    fst__arena counting = fst__arena_counting();
    take(&counting, smaller(outputs, WEIGHT_BLOCK), inputs, FST__REAL_DTYPE);
    return counting.peak;
}
