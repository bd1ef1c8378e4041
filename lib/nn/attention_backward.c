/*
 * Backward of attention (FlashAttention, algorithm 4; notation of the paper, dropout mask Z):
 *   P = exp(scale·QKᵀ - lse)   dV = (P∘Z)ᵀ dO   dP = (dO Vᵀ)∘Z   delta = rowsum(dO∘O)
 *   dS = P∘(dP - delta)        dQ = scale·dS K  dK = scale·dSᵀ Q
 *
 * A task has one batch row and one K/V head with its query heads, so it owns the rows of dK, dV and
 * dQ that it sums. Where that makes too few tasks, the query heads of a group or the keys are split
 * too; the parts of a sum are then kept apart and added in a fixed order at the end.
 */
#include "nn/attention.h"

#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "nn/attention_tiles.h"

#include <string.h>

enum {
    ENOUGH_TASKS = 8, /* below, sums are split */
    REDUCE_ROWS = 32, /* rows of a sum that one task adds up */
};

typedef struct tile_memory {
    fst__real *p, *ds;           /* [M, N] */
    fst__bf16 *p_half, *ds_half; /* [M, N] if bf16 */
    fst__real *delta;            /* [Tq] */
    fst__real *row[2];           /* [D] if bf16 */
    fst__real *dq;               /* [Tq, D], sums in full precision if bf16 */
    fst__real *dk, *dv;          /* [keys of a task, D], likewise */
} tile_memory;

typedef struct backward_run {
    const fst__compute *compute;
    const fst__attention *attention;
    fst__matrix q, k, v, out, dout, dq, dk, dv;
    const fst__real *lse;
    int64_t head_splits, key_splits;
    int64_t split_heads, split_keys; /* query heads and keys of one task */
    fst__real *dq_parts;             /* [key_splits][B·Tq, H·D] if key_splits > 1 */
    fst__real *dk_parts, *dv_parts;  /* [head_splits][B·Tk, Hkv·D] if head_splits > 1 */
    char *memory;
    size_t memory_size;
    fst__failure failure;
} backward_run;

/* What one task works on. */
typedef struct backward_part {
    int64_t b, g; /* batch row, K/V head */
    int64_t head_split, key_split;
    int64_t head, head_end; /* query heads */
    fst__span keys;
    fst__matrix dk, dv; /* sums [keys, D] */
    int32_t worker;
} backward_part;

static tile_memory carve(fst__arena *arena, const backward_run *run)
{
    const fst__attention *attention = run->attention;
    size_t rows = (size_t)fst__smaller(attention->queries, FST__QUERY_TILE);
    size_t keys = (size_t)fst__smaller(attention->keys, FST__KEY_TILE);
    size_t head_size = (size_t)attention->head_size;
    tile_memory memory = {0};
    memory.p = fst__arena_take(arena, rows * keys, sizeof(fst__real));
    memory.ds = fst__arena_take(arena, rows * keys, sizeof(fst__real));
    memory.delta = fst__arena_take(arena, (size_t)attention->queries, sizeof(fst__real));
    if (run->q.dtype != FST_BF16)
        return memory;
    memory.p_half = fst__arena_take(arena, rows * keys, sizeof(fst__bf16));
    memory.ds_half = fst__arena_take(arena, rows * keys, sizeof(fst__bf16));
    for (int i = 0; i < 2; ++i)
        memory.row[i] = fst__arena_take(arena, head_size, sizeof(fst__real));
    if (run->key_splits == 1)
        memory.dq =
            fst__arena_take(arena, (size_t)attention->queries * head_size, sizeof(fst__real));
    if (run->head_splits == 1) {
        size_t count = (size_t)run->split_keys * head_size;
        memory.dk = fst__arena_take(arena, count, sizeof(fst__real));
        memory.dv = fst__arena_take(arena, count, sizeof(fst__real));
    }
    return memory;
}

/* How the work is split follows from the shape alone. */
static void plan(backward_run *run, fst__arena *scratch)
{
    const fst__attention *attention = run->attention;
    int64_t group = attention->heads / attention->kv_heads;
    int64_t tasks = attention->batch * attention->kv_heads;
    run->head_splits = tasks < ENOUGH_TASKS ? group : 1;
    run->split_heads = group / run->head_splits;
    tasks *= run->head_splits;
    int64_t key_tiles = fst__tiles(attention->keys, FST__KEY_TILE);
    int64_t wanted = tasks > 0 && tasks < ENOUGH_TASKS ? fst__tiles(ENOUGH_TASKS, tasks) : 1;
    int64_t tiles = fst__tiles(key_tiles, fst__smaller(wanted, key_tiles > 0 ? key_tiles : 1));
    run->split_keys = (tiles > 0 ? tiles : 1) * FST__KEY_TILE;
    run->key_splits = key_tiles > 0 ? fst__tiles(key_tiles, tiles) : 1;
    run->split_keys = fst__smaller(run->split_keys, attention->keys);

    size_t rows = (size_t)(attention->batch * attention->queries);
    size_t kv_rows = (size_t)(attention->batch * attention->keys);
    size_t width = (size_t)(attention->heads * attention->head_size);
    size_t kv_width = (size_t)(attention->kv_heads * attention->head_size);
    if (run->key_splits > 1)
        run->dq_parts =
            fst__arena_take(scratch, (size_t)run->key_splits * rows * width, sizeof(fst__real));
    if (run->head_splits > 1) {
        size_t count = (size_t)run->head_splits * kv_rows * kv_width;
        run->dk_parts = fst__arena_take(scratch, count, sizeof(fst__real));
        run->dv_parts = fst__arena_take(scratch, count, sizeof(fst__real));
    }
    fst__arena one = fst__arena_counting();
    carve(&one, run);
    run->memory_size = one.used;
    run->memory =
        fst__arena_take(scratch, (size_t)fst__pool_workers(run->compute->pool), run->memory_size);
}

static void zero_rows(fst__matrix matrix)
{
    for (int64_t i = 0; i < matrix.rows; ++i)
        memset(fst__matrix_at(matrix, i, 0), 0, (size_t)matrix.columns * sizeof(fst__real));
}

/* The rows of a gradient as a sum in full precision: in a part, in the worker's memory (which
 * finish_sum copies out), or in place. */
static fst__matrix start_sum(fst__matrix gradient, fst__real *parts, int64_t part, fst__real *own,
                             int64_t head, int64_t head_size, int64_t row, int64_t rows)
{
    fst__matrix sum;
    if (parts) {
        fst__matrix whole = fst__matrix_of(parts + part * gradient.rows * gradient.columns,
                                           gradient.rows, gradient.columns, FST__REAL_DTYPE);
        sum = fst__head_rows(whole, head, head_size, row, rows);
    } else if (own) {
        sum = fst__matrix_of(own, rows, head_size, FST__REAL_DTYPE);
    } else {
        sum = fst__head_rows(gradient, head, head_size, row, rows);
    }
    zero_rows(sum);
    return sum;
}

static void finish_sum(const fst__kernels *kernels, fst__matrix gradient, bool parts,
                       fst__matrix sum, int64_t head, int64_t row)
{
    if (parts || gradient.dtype != FST_BF16)
        return;
    fst__matrix to = fst__head_rows(gradient, head, sum.columns, row, sum.rows);
    for (int64_t i = 0; i < sum.rows; ++i)
        kernels->to_bf16(fst__matrix_at(sum, i, 0), fst__matrix_at(to, i, 0), sum.columns);
}

static const fst__real *read_row(const fst__kernels *kernels, fst__matrix matrix, int64_t row,
                                 fst__real *buffer)
{
    if (matrix.dtype != FST_BF16)
        return fst__matrix_at(matrix, row, 0);
    kernels->from_bf16(fst__matrix_at(matrix, row, 0), buffer, matrix.columns);
    return buffer;
}

/* delta = rowsum(dO∘O) for all queries of a head. */
static void compute_delta(const backward_run *run, const tile_memory *memory, int64_t b, int64_t h)
{
    const fst__attention *attention = run->attention;
    const fst__kernels *kernels = run->compute->kernels;
    int64_t row = b * attention->queries, head_size = attention->head_size;
    fst__matrix out = fst__head_rows(run->out, h, head_size, row, attention->queries);
    fst__matrix dout = fst__head_rows(run->dout, h, head_size, row, attention->queries);
    for (int64_t i = 0; i < attention->queries; ++i)
        memory->delta[i] = kernels->dot(read_row(kernels, out, i, memory->row[0]),
                                        read_row(kernels, dout, i, memory->row[1]), head_size);
}

/* Scores and dP of a tile become P∘Z and scale·dS. */
static void gradient_tile(const backward_run *run, const tile_memory *memory, int64_t b, int64_t h,
                          int64_t first, int64_t rows, fst__span keys)
{
    const fst__attention *attention = run->attention;
    const fst__kernels *kernels = run->compute->kernels;
    int64_t columns = keys.end - keys.first;
    bool dropout = fst__dropout_on(&attention->dropout);
    for (int64_t i = 0; i < rows; ++i) {
        fst__span seen = fst__row_span(attention, b * attention->queries + first + i, keys);
        fst__real *p = memory->p + i * columns, *ds = memory->ds + i * columns;
        int64_t before = seen.first - keys.first, count = seen.end - seen.first;
        if (count <= 0) {
            memset(p, 0, (size_t)columns * sizeof *p);
            memset(ds, 0, (size_t)columns * sizeof *ds);
            continue;
        }
        int64_t line = (b * attention->heads + h) * attention->queries + first + i;
        uint64_t index = (uint64_t)line * (uint64_t)attention->keys + (uint64_t)seen.first;
        if (dropout)
            fst__dropout_row(kernels, &attention->dropout, index, ds + before, ds + before, count);
        kernels->attention_gradient(p + before, ds + before, attention->scale, run->lse[line],
                                    memory->delta[first + i], count);
        if (dropout)
            fst__dropout_row(kernels, &attention->dropout, index, p + before, p + before, count);
        size_t after = (size_t)(keys.end - seen.end);
        memset(p, 0, (size_t)before * sizeof *p);
        memset(ds, 0, (size_t)before * sizeof *ds);
        memset(p + before + count, 0, after * sizeof *p);
        memset(ds + before + count, 0, after * sizeof *ds);
    }
}

/* One tile of queries of head h against one tile of keys: five products. */
static fst_status backward_tile(const backward_run *run, const tile_memory *memory,
                                const backward_part *part, int64_t h, int64_t first, int64_t rows,
                                fst__span keys, fst__matrix dq)
{
    const fst__attention *attention = run->attention;
    int64_t head_size = attention->head_size, columns = keys.end - keys.first;
    int64_t row = part->b * attention->queries + first;
    int64_t k_row = part->b * attention->keys + keys.first;
    fst__matrix q = fst__head_rows(run->q, h, head_size, row, rows);
    fst__matrix dout = fst__head_rows(run->dout, h, head_size, row, rows);
    fst__matrix k = fst__head_rows(run->k, part->g, head_size, k_row, columns);
    fst__matrix v = fst__head_rows(run->v, part->g, head_size, k_row, columns);
    fst__matrix p = fst__matrix_of(memory->p, rows, columns, FST__REAL_DTYPE);
    fst__matrix ds = fst__matrix_of(memory->ds, rows, columns, FST__REAL_DTYPE);
    int64_t key = keys.first - part->keys.first;

    fst__product before[2] = {{.a = q, .b = k, .c = p, .transpose_b = true},
                              {.a = dout, .b = v, .c = ds, .transpose_b = true}};
    for (int i = 0; i < 2; ++i) {
        fst_status status = fst__gemm_run_tile(run->compute, part->worker, &before[i]);
        if (status != FST_OK)
            return status;
    }
    gradient_tile(run, memory, part->b, h, first, rows, keys);
    if (memory->p_half) {
        const fst__kernels *kernels = run->compute->kernels;
        kernels->to_bf16(memory->p, memory->p_half, rows * columns);
        kernels->to_bf16(memory->ds, memory->ds_half, rows * columns);
        p = fst__matrix_of(memory->p_half, rows, columns, FST_BF16);
        ds = fst__matrix_of(memory->ds_half, rows, columns, FST_BF16);
    }
    fst__product after[3] = {
        {.a = p, .b = dout, .c = fst__matrix_rows(part->dv, key, columns), .transpose_a = true},
        {.a = ds, .b = q, .c = fst__matrix_rows(part->dk, key, columns), .transpose_a = true},
        {.a = ds, .b = k, .c = fst__matrix_rows(dq, first, rows)}};
    for (int i = 0; i < 3; ++i) {
        after[i].accumulate = true;
        fst_status status = fst__gemm_run_tile(run->compute, part->worker, &after[i]);
        if (status != FST_OK)
            return status;
    }
    return FST_OK;
}

static fst_status backward_head(const backward_run *run, const tile_memory *memory,
                                const backward_part *part, int64_t h)
{
    const fst__attention *attention = run->attention;
    int64_t queries = attention->queries, row = part->b * queries;
    compute_delta(run, memory, part->b, h);
    fst__matrix dq = start_sum(run->dq, run->dq_parts, part->key_split, memory->dq, h,
                               attention->head_size, row, queries);
    for (int64_t key = part->keys.first; key < part->keys.end; key += FST__KEY_TILE) {
        fst__span tile = {key, fst__smaller(key + FST__KEY_TILE, part->keys.end)};
        for (int64_t first = 0; first < queries; first += FST__QUERY_TILE) {
            int64_t rows = fst__smaller(FST__QUERY_TILE, queries - first);
            fst__span keys = fst__tile_span(attention, row + first, rows, tile);
            if (keys.first == keys.end)
                continue;
            fst_status status = backward_tile(run, memory, part, h, first, rows, keys, dq);
            if (status != FST_OK)
                return status;
        }
    }
    finish_sum(run->compute->kernels, run->dq, run->dq_parts != NULL, dq, h, row);
    return FST_OK;
}

static void backward_task(void *context, int64_t index, int32_t worker)
{
    backward_run *run = context;
    const fst__attention *attention = run->attention;
    backward_part part = {.worker = worker};
    part.key_split = index % run->key_splits;
    index /= run->key_splits;
    part.head_split = index % run->head_splits;
    index /= run->head_splits;
    part.g = index % attention->kv_heads;
    part.b = index / attention->kv_heads;
    part.head =
        part.g * (attention->heads / attention->kv_heads) + part.head_split * run->split_heads;
    part.head_end = part.head + run->split_heads;
    part.keys.first = part.key_split * run->split_keys;
    part.keys.end = fst__smaller(part.keys.first + run->split_keys, attention->keys);

    fst__arena arena =
        fst__arena_over(run->memory + (size_t)worker * run->memory_size, run->memory_size);
    tile_memory memory = carve(&arena, run);
    int64_t head_size = attention->head_size;
    int64_t row = part.b * attention->keys + part.keys.first;
    int64_t rows = part.keys.end - part.keys.first;
    part.dk =
        start_sum(run->dk, run->dk_parts, part.head_split, memory.dk, part.g, head_size, row, rows);
    part.dv =
        start_sum(run->dv, run->dv_parts, part.head_split, memory.dv, part.g, head_size, row, rows);
    for (int64_t h = part.head; h < part.head_end; ++h) {
        fst_status status = backward_head(run, &memory, &part, h);
        fst__failure_keep(&run->failure, status);
        if (status != FST_OK)
            return;
    }
    finish_sum(run->compute->kernels, run->dk, run->dk_parts != NULL, part.dk, part.g, row);
    finish_sum(run->compute->kernels, run->dv, run->dv_parts != NULL, part.dv, part.g, row);
}

/* The parts of one gradient and where their sum goes; it is made in the first part. */
typedef struct reduction {
    const fst__kernels *kernels;
    fst__matrix to;
    fst__real *parts;
    int64_t count;
} reduction;

static void reduce_task(void *context, int64_t index, int32_t worker)
{
    const reduction *all = context;
    (void)worker;
    int64_t end = fst__smaller((index + 1) * REDUCE_ROWS, all->to.rows);
    int64_t columns = all->to.columns;
    for (int64_t i = index * REDUCE_ROWS; i < end; ++i) {
        fst__real *sum = all->parts + i * columns;
        for (int64_t part = 1; part < all->count; ++part)
            all->kernels->axpy(1, sum + part * all->to.rows * columns, sum, columns);
        if (all->to.dtype == FST_BF16)
            all->kernels->to_bf16(sum, fst__matrix_at(all->to, i, 0), columns);
        else
            memcpy(fst__matrix_at(all->to, i, 0), sum, (size_t)columns * sizeof *sum);
    }
}

static void reduce(const fst__compute *compute, fst__matrix to, fst__real *parts, int64_t count)
{
    reduction all = {compute->kernels, to, parts, count};
    if (parts)
        fst__pool_run(compute->pool, fst__tiles(to.rows, REDUCE_ROWS), reduce_task, &all);
}

fst_status fst__attention_backward(const fst__compute *compute, const fst__attention *attention,
                                   fst__matrix q, fst__matrix k, fst__matrix v, fst__matrix out,
                                   const fst__real *lse, fst__matrix dout, fst__matrix dq,
                                   fst__matrix dk, fst__matrix dv, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    backward_run run = {.compute = compute,
                        .attention = attention,
                        .q = q,
                        .k = k,
                        .v = v,
                        .out = out,
                        .dout = dout,
                        .dq = dq,
                        .dk = dk,
                        .dv = dv,
                        .lse = lse};
    plan(&run, scratch);
    if (scratch->overflow || !run.memory)
        return fst__fail(FST_ERR_INTERNAL, "attention: scratch memory is too small");
    fst__pool_run(compute->pool,
                  attention->batch * attention->kv_heads * run.head_splits * run.key_splits,
                  backward_task, &run);
    if (atomic_load(&run.failure.status) == FST_OK) {
        reduce(compute, dq, run.dq_parts, run.key_splits);
        reduce(compute, dk, run.dk_parts, run.head_splits);
        reduce(compute, dv, run.dv_parts, run.head_splits);
    }
    fst__arena_rewind(scratch, mark);
    return fst__failure_return(&run.failure);
}

size_t fst__attention_scratch(const fst__compute *compute, const fst__attention *attention,
                              int32_t dtype, bool backward)
{
    if (!backward)
        return fst__attention_forward_scratch(compute, attention, dtype);
    fst__arena counting = fst__arena_counting();
    backward_run run = {.compute = compute, .attention = attention};
    run.q.dtype = dtype;
    plan(&run, &counting);
    return counting.peak;
}
