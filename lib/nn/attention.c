#include "nn/attention.h"

#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "nn/attention_tiles.h"

#include <math.h>
#include <string.h>

/* One worker's memory. M: queries of a tile, N: keys of a tile. */
typedef struct tile_memory {
    fst__real *scores;        /* [M, N], then probabilities */
    fst__bf16 *probabilities; /* [M, N] if K and V are bf16 */
    fst__real *sum;           /* [M, D] if out is bf16: the sum in full precision */
    fst__real *greatest;      /* [M], m in the paper */
    fst__real *total;         /* [M], l in the paper */
} tile_memory;

typedef struct forward_run {
    const fst__compute *compute;
    const fst__attention *attention;
    fst__matrix q, k, v, out;
    fst__real *lse;
    int64_t query_tiles;
    char *memory; /* [workers] of memory_size */
    size_t memory_size;
    fst__failure failure;
} forward_run;

static tile_memory carve(fst__arena *arena, const fst__attention *attention, int32_t dtype)
{
    size_t rows = (size_t)fst__smaller(attention->queries, FST__QUERY_TILE);
    size_t keys = (size_t)fst__smaller(attention->keys, FST__KEY_TILE);
    tile_memory memory = {0};
    memory.scores = fst__arena_take(arena, rows * keys, sizeof(fst__real));
    memory.greatest = fst__arena_take(arena, rows, sizeof(fst__real));
    memory.total = fst__arena_take(arena, rows, sizeof(fst__real));
    if (dtype == FST_BF16) {
        memory.probabilities = fst__arena_take(arena, rows * keys, sizeof(fst__bf16));
        memory.sum = fst__arena_take(arena, rows * (size_t)attention->head_size, sizeof(fst__real));
    }
    return memory;
}

static void plan(forward_run *run, fst__arena *scratch)
{
    fst__arena one = fst__arena_counting();
    carve(&one, run->attention, run->q.dtype);
    run->memory_size = one.used;
    run->memory =
        fst__arena_take(scratch, (size_t)fst__pool_workers(run->compute->pool), run->memory_size);
}

/*
 * Scores of keys [keys.first, keys.end) become unnormalised probabilities; m, l and the sum so far
 * move to the new maximum (the sum only if `started`: before, it is not written). `row` and `index`
 * are those of the first query in the ranges and in the dropout mask.
 */
static void softmax_tile(const forward_run *run, const tile_memory *memory, fst__matrix sum,
                         bool started, int64_t row, uint64_t index, fst__span keys)
{
    const fst__attention *attention = run->attention;
    const fst__kernels *kernels = run->compute->kernels;
    int64_t columns = keys.end - keys.first;
    for (int64_t i = 0; i < sum.rows; ++i) {
        fst__real *p = memory->scores + i * columns;
        fst__span seen = fst__row_span(attention, row + i, keys);
        if (seen.first >= seen.end) {
            memset(p, 0, (size_t)columns * sizeof *p);
            continue;
        }
        fst__real *begin = p + (seen.first - keys.first);
        int64_t count = seen.end - seen.first;
        fst__real old = memory->greatest[i];
        fst__real top = kernels->max(begin, count) * attention->scale;
        top = top > old ? top : old;
        fst__real total = kernels->exp_sum_scaled(begin, attention->scale, top, begin, count);
        fst__real shrink = 0;
        if (started)
            shrink = old == top ? 1 : (fst__real)exp((double)(old - top));
        memory->greatest[i] = top;
        memory->total[i] = memory->total[i] * shrink + total;
        if (started && shrink != 1)
            kernels->scale(shrink, fst__matrix_at(sum, i, 0), fst__matrix_at(sum, i, 0),
                           sum.columns);
        memset(p, 0, (size_t)(seen.first - keys.first) * sizeof *p);
        memset(begin + count, 0, (size_t)(keys.end - seen.end) * sizeof *p);
        if (fst__dropout_on(&attention->dropout))
            fst__dropout_row(kernels, &attention->dropout,
                             index + (uint64_t)(i * attention->keys + seen.first), begin, begin,
                             count);
    }
}

/* sum = or += P·V over one tile of keys. */
static fst_status forward_tile(const forward_run *run, const tile_memory *memory, fst__matrix q,
                               fst__matrix k, fst__matrix v, fst__matrix sum, int64_t row,
                               uint64_t index, fst__span keys, bool accumulate, int32_t worker)
{
    int64_t columns = keys.end - keys.first;
    fst__matrix scores = fst__matrix_of(memory->scores, q.rows, columns, FST__REAL_DTYPE);
    fst__product product = {.a = q, .b = k, .c = scores, .transpose_b = true};
    fst_status status = fst__gemm_run_tile(run->compute, worker, &product);
    if (status != FST_OK)
        return status;
    softmax_tile(run, memory, sum, accumulate, row, index, keys);
    product = (fst__product){.a = scores, .b = v, .c = sum, .accumulate = accumulate};
    if (memory->probabilities) {
        run->compute->kernels->to_bf16(memory->scores, memory->probabilities, q.rows * columns);
        product.a = fst__matrix_of(memory->probabilities, q.rows, columns, FST_BF16);
    }
    return fst__gemm_run_tile(run->compute, worker, &product);
}

/* out = sum / l; lse = m + log l. */
static void finish_tile(const forward_run *run, const tile_memory *memory, fst__matrix sum,
                        fst__matrix out, fst__real *lse)
{
    const fst__kernels *kernels = run->compute->kernels;
    for (int64_t i = 0; i < sum.rows; ++i) {
        fst__real *values = fst__matrix_at(sum, i, 0);
        bool empty = memory->total[i] == 0; /* a key that is seen gives at least its own exp(0) */
        if (empty)
            memset(values, 0, (size_t)sum.columns * sizeof *values);
        else
            kernels->scale(1 / memory->total[i], values, values, sum.columns);
        lse[i] = empty ? -(fst__real)INFINITY
                       : memory->greatest[i] + (fst__real)log((double)memory->total[i]);
        if (out.dtype == FST_BF16)
            kernels->to_bf16(values, fst__matrix_at(out, i, 0), sum.columns);
    }
}

/* One task: one tile of queries of one head of one batch row, over all its keys. */
static void forward_task(void *context, int64_t index, int32_t worker)
{
    forward_run *run = context;
    const fst__attention *attention = run->attention;
    int64_t head_size = attention->head_size;
    /* The last tile first: with a causal mask it has the most to do. */
    int64_t tile = run->query_tiles - 1 - index % run->query_tiles;
    int64_t h = index / run->query_tiles % attention->heads;
    int64_t b = index / run->query_tiles / attention->heads;
    int64_t g = h / (attention->heads / attention->kv_heads);
    int64_t first = tile * FST__QUERY_TILE;
    int64_t rows = fst__smaller(FST__QUERY_TILE, attention->queries - first);
    int64_t row = b * attention->queries + first;
    int64_t line = (b * attention->heads + h) * attention->queries + first;

    fst__arena arena =
        fst__arena_over(run->memory + (size_t)worker * run->memory_size, run->memory_size);
    tile_memory memory = carve(&arena, attention, run->q.dtype);
    fst__matrix out = fst__head_rows(run->out, h, head_size, row, rows);
    fst__matrix sum =
        memory.sum ? fst__matrix_of(memory.sum, rows, head_size, FST__REAL_DTYPE) : out;
    for (int64_t i = 0; i < rows; ++i) {
        memory.greatest[i] = -(fst__real)INFINITY;
        memory.total[i] = 0;
    }
    bool seen = false;
    for (int64_t key = 0; key < attention->keys; key += FST__KEY_TILE) {
        fst__span keys = {key, fst__smaller(key + FST__KEY_TILE, attention->keys)};
        keys = fst__tile_span(attention, row, rows, keys);
        if (keys.first == keys.end)
            continue;
        int64_t k_row = b * attention->keys + keys.first, count = keys.end - keys.first;
        fst_status status =
            forward_tile(run, &memory, fst__head_rows(run->q, h, head_size, row, rows),
                         fst__head_rows(run->k, g, head_size, k_row, count),
                         fst__head_rows(run->v, g, head_size, k_row, count), sum, row,
                         (uint64_t)line * (uint64_t)attention->keys, keys, seen, worker);
        fst__failure_keep(&run->failure, status);
        if (status != FST_OK)
            return;
        seen = true;
    }
    finish_tile(run, &memory, sum, out, run->lse + line);
}

fst_status fst__attention_forward(const fst__compute *compute, const fst__attention *attention,
                                  fst__matrix q, fst__matrix k, fst__matrix v, fst__matrix out,
                                  fst__real *lse, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    forward_run run = {
        .compute = compute, .attention = attention, .q = q, .k = k, .v = v, .out = out, .lse = lse};
    run.query_tiles = fst__tiles(attention->queries, FST__QUERY_TILE);
    plan(&run, scratch);
    if (!run.memory)
        return fst__fail(FST_ERR_INTERNAL, "attention: scratch memory is too small");
    fst__pool_run(compute->pool, attention->batch * attention->heads * run.query_tiles,
                  forward_task, &run);
    fst__arena_rewind(scratch, mark);
    return fst__failure_return(&run.failure);
}

size_t fst__attention_forward_scratch(const fst__compute *compute, const fst__attention *attention,
                                      int32_t dtype)
{
    fst__arena counting = fst__arena_counting();
    forward_run run = {.compute = compute, .attention = attention};
    run.q.dtype = dtype;
    plan(&run, &counting);
    return counting.peak;
}
