#include "nn/attention_decode.h"

#include "base/error.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    CHUNK = 256,  /* keys of one task */
    CONVERT = 16, /* rows of a bf16 cache that are converted at a time: they stay in L1 */
};

/* The new queries of one sequence. */
typedef struct sequence_plan {
    int64_t first_row; /* of q and out */
    int64_t queries;
    int64_t first_task; /* chunk c of K/V head g is task first_task + g · chunks + c */
    int64_t chunks;
    int64_t first_part; /* in rows of `sums`: [queries][H][chunks] from here */
} sequence_plan;

typedef struct decode_run {
    const fst__compute *compute;
    const fst__attention_decode *decode;
    fst__matrix q, out;
    sequence_plan *sequences;
    int64_t rows, tasks, parts;
    fst__real *sums;             /* [parts, D]: Σ exp(s - m) v of a chunk */
    fst__real *greatest, *total; /* [parts]: m and Σ exp(s - m) */
    char *memory;                /* per worker */
    size_t memory_size;
} decode_run;

typedef struct worker_memory {
    fst__real *scores; /* [CHUNK] */
    fst__real *query;  /* [D] if q is bf16 */
    fst__real *rows;   /* [CONVERT, D] if the cache is bf16 */
} worker_memory;

static worker_memory carve(fst__arena *arena, const decode_run *run)
{
    size_t head_size = (size_t)run->decode->head_size;
    worker_memory memory;
    memory.scores = fst__arena_take(arena, CHUNK, sizeof(fst__real));
    memory.query = fst__arena_take(arena, head_size, sizeof(fst__real));
    memory.rows = fst__arena_take(arena, head_size * CONVERT, sizeof(fst__real));
    return memory;
}

static void plan(decode_run *run, fst__arena *scratch)
{
    const fst__attention_decode *decode = run->decode;
    run->sequences = fst__arena_take(scratch, (size_t)decode->sequences, sizeof *run->sequences);
    for (int64_t i = 0; i < decode->sequences; ++i) {
        sequence_plan one = {
            .first_row = run->rows, .first_task = run->tasks, .first_part = run->parts};
        one.queries = decode->new_queries ? decode->new_queries[i] : 1;
        one.chunks = one.queries > 0 ? (decode->lengths[i] + CHUNK - 1) / CHUNK : 0;
        run->rows += one.queries;
        run->tasks += one.chunks * decode->kv_heads;
        run->parts += one.queries * decode->heads * one.chunks;
        if (run->sequences)
            run->sequences[i] = one;
    }
    size_t parts = (size_t)run->parts;
    run->greatest = fst__arena_take(scratch, parts, sizeof(fst__real));
    run->total = fst__arena_take(scratch, parts, sizeof(fst__real));
    run->sums = fst__arena_take(scratch, parts * (size_t)decode->head_size, sizeof(fst__real));
    fst__arena one = fst__arena_counting();
    carve(&one, run);
    run->memory_size = one.used;
    run->memory =
        fst__arena_take(scratch, (size_t)fst__pool_workers(run->compute->pool), run->memory_size);
}

/* The last sequence with first ≤ index, by the member at `offset`. */
static const sequence_plan *find(const decode_run *run, int64_t index, bool by_row)
{
    int64_t low = 0, high = run->decode->sequences - 1;
    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        const sequence_plan *one = &run->sequences[middle];
        if ((by_row ? one->first_row : one->first_task) <= index)
            low = middle;
        else
            high = middle - 1;
    }
    return &run->sequences[low];
}

/* Rows [first, first + rows) of a cache head as fst__real: in place, or converted. */
static const fst__real *cache_rows(const decode_run *run, const void *head, int64_t first,
                                   int64_t rows, fst__real *buffer)
{
    int64_t head_size = run->decode->head_size;
    if (run->decode->cache_dtype != FST_BF16)
        return (const fst__real *)head + first * head_size;
    run->compute->kernels->from_bf16((const fst__bf16 *)head + first * head_size, buffer,
                                     rows * head_size);
    return buffer;
}

/* Part `part`: one query against keys [first, end) of a cache head. */
static void attend(const decode_run *run, const worker_memory *memory, const fst__real *query,
                   const void *keys, const void *values, int64_t first, int64_t end, int64_t part)
{
    const fst__kernels *kernels = run->compute->kernels;
    int64_t head_size = run->decode->head_size;
    fst__real *sum = run->sums + part * head_size;
    memset(sum, 0, (size_t)head_size * sizeof *sum);
    run->greatest[part] = -(fst__real)INFINITY;
    run->total[part] = 0;
    if (first >= end)
        return;
    /* A cache in full precision needs no copies and is one step. */
    int64_t step = run->decode->cache_dtype == FST_BF16 ? CONVERT : CHUNK;
    for (int64_t j = first; j < end; j += step) {
        int64_t rows = end - j < step ? end - j : step;
        kernels->rows_dot(cache_rows(run, keys, j, rows, memory->rows), rows, head_size, query,
                          memory->scores + (j - first));
    }
    int64_t count = end - first;
    fst__real scale = run->decode->scale;
    fst__real top = kernels->max(memory->scores, count) * scale;
    run->greatest[part] = top;
    run->total[part] = kernels->exp_sum_scaled(memory->scores, scale, top, memory->scores, count);
    for (int64_t j = first; j < end; j += step) {
        int64_t rows = end - j < step ? end - j : step;
        kernels->rows_add(cache_rows(run, values, j, rows, memory->rows), rows, head_size,
                          memory->scores + (j - first), sum);
    }
}

static const fst__real *read_query(const decode_run *run, int64_t row, int64_t head,
                                   fst__real *buffer)
{
    int64_t head_size = run->decode->head_size;
    void *data = fst__matrix_at(run->q, row, head * head_size);
    if (run->q.dtype != FST_BF16)
        return data;
    run->compute->kernels->from_bf16(data, buffer, head_size);
    return buffer;
}

/* One task: one chunk of one K/V head, for all new queries and query heads that read it. */
static void chunk_task(void *context, int64_t index, int32_t worker)
{
    const decode_run *run = context;
    const fst__attention_decode *decode = run->decode;
    const sequence_plan *one = find(run, index, false);
    int64_t i = one - run->sequences;
    int64_t g = (index - one->first_task) / one->chunks;
    int64_t chunk = (index - one->first_task) % one->chunks;
    int64_t group = decode->heads / decode->kv_heads;
    fst__arena arena =
        fst__arena_over(run->memory + (size_t)worker * run->memory_size, run->memory_size);
    worker_memory memory = carve(&arena, run);
    size_t offset = (size_t)((i * decode->kv_heads + g) * decode->capacity * decode->head_size) *
                    fst__element_size(decode->cache_dtype);
    const char *keys = (const char *)decode->key_cache + offset;
    const char *values = (const char *)decode->value_cache + offset;
    for (int64_t r = 0; r < one->queries; ++r) {
        int64_t seen = decode->lengths[i] - one->queries + r + 1;
        int64_t first = decode->window > 0 && seen > decode->window ? seen - decode->window : 0;
        if (first < chunk * CHUNK)
            first = chunk * CHUNK;
        int64_t end = seen < (chunk + 1) * CHUNK ? seen : (chunk + 1) * CHUNK;
        for (int64_t h = g * group; h < (g + 1) * group; ++h) {
            int64_t part = one->first_part + (r * decode->heads + h) * one->chunks + chunk;
            attend(run, &memory, read_query(run, one->first_row + r, h, memory.query), keys, values,
                   first, end, part);
        }
    }
}

/* Joins the chunks of all heads of one query, in order. */
static void join_task(void *context, int64_t index, int32_t worker)
{
    const decode_run *run = context;
    const fst__kernels *kernels = run->compute->kernels;
    int64_t head_size = run->decode->head_size, heads = run->decode->heads;
    const sequence_plan *one = find(run, index, true);
    (void)worker;
    for (int64_t h = 0; h < heads; ++h) {
        int64_t part = one->first_part + ((index - one->first_row) * heads + h) * one->chunks;
        fst__real *sum = run->sums + part * head_size;
        fst__real top = kernels->max(run->greatest + part, one->chunks);
        fst__real total = 0;
        for (int64_t c = 0; c < one->chunks; ++c) {
            if (run->total[part + c] == 0) /* out of the window */
                continue;
            fst__real shrink = (fst__real)exp((double)(run->greatest[part + c] - top));
            total += run->total[part + c] * shrink;
            if (c == 0)
                kernels->scale(shrink, sum, sum, head_size);
            else
                kernels->axpy(shrink, sum + c * head_size, sum, head_size);
        }
        kernels->scale(1 / total, sum, sum, head_size);
        void *to = fst__matrix_at(run->out, index, h * head_size);
        if (run->out.dtype == FST_BF16)
            kernels->to_bf16(sum, to, head_size);
        else
            memcpy(to, sum, (size_t)head_size * sizeof *sum);
    }
}

fst_status fst__attention_decode_run(const fst__compute *compute,
                                     const fst__attention_decode *decode, fst__matrix q,
                                     fst__matrix out, fst__arena *scratch)
{
    size_t mark = fst__arena_mark(scratch);
    decode_run run = {.compute = compute, .decode = decode, .q = q, .out = out};
    plan(&run, scratch);
    if (scratch->overflow || !run.memory)
        return fst__fail(FST_ERR_INTERNAL, "attention: scratch memory is too small");
    fst__pool_run(compute->pool, run.tasks, chunk_task, &run);
    fst__pool_run(compute->pool, run.rows, join_task, &run);
    fst__arena_rewind(scratch, mark);
    return FST_OK;
}

size_t fst__attention_decode_scratch(const fst__compute *compute,
                                     const fst__attention_decode *decode)
{
    fst__arena counting = fst__arena_counting();
    decode_run run = {.compute = compute, .decode = decode};
    plan(&run, &counting);
    return counting.peak;
}
