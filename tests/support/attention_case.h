/* A case of attention with random inputs, and attention written out in double to hold it against.
 */
#ifndef FST_TESTS_ATTENTION_CASE_H
#define FST_TESTS_ATTENTION_CASE_H

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "fourstage/context.h"
#include "nn/attention.h"

enum { MASK_CAUSAL, MASK_FULL, MASK_PADDED, MASK_PACKED, MASK_SLIDING, MASK_RANDOM, MASKS };

static fst__allocator case_allocator;

static inline fst__compute *case_compute(int32_t workers)
{
    fst__pool *pool;
    fst__compute *compute;
    ck_assert_int_eq(fst__pool_create(&case_allocator, workers, &pool), FST_OK);
    ck_assert_int_eq(fst__compute_create(&case_allocator, pool, FST_PROVIDER_AUTO, &compute),
                     FST_OK);
    return compute;
}

static inline void case_close(fst__compute *compute)
{
    fst__pool *pool = compute->pool;
    fst__compute_destroy(&case_allocator, compute);
    fst__pool_destroy(pool);
    ck_assert_int_eq(case_allocator.live_bytes, 0);
}

static inline double case_draw(uint64_t seed, uint64_t index)
{
    return fst__normal(fst__philox(seed, FST__STREAM_INIT, 0, index), 0);
}

static inline double case_get(fst__matrix matrix, int64_t row, int64_t column)
{
    const void *at = fst__matrix_at(matrix, row, column);
    return matrix.dtype == FST_BF16 ? (double)fst__bf16_to_float(*(const fst__bf16 *)at)
                                    : (double)*(const fst__real *)at;
}

/* `gap` more columns than asked for, which hold NaN: nothing may read them. */
static inline fst__matrix case_matrix(int64_t rows, int64_t columns, int64_t gap, int32_t dtype,
                                      uint64_t seed)
{
    fst__matrix matrix = {NULL, rows, columns, columns + gap, dtype};
    matrix.data = malloc((size_t)(rows * matrix.stride + 1) * fst__element_size(dtype));
    ck_assert_ptr_nonnull(matrix.data);
    for (int64_t i = 0; i < rows * matrix.stride; ++i) {
        double value = i % matrix.stride < columns ? case_draw(seed, (uint64_t)i) : NAN;
        if (dtype == FST_BF16)
            ((fst__bf16 *)matrix.data)[i] = fst__float_to_bf16((float)value);
        else
            ((fst__real *)matrix.data)[i] = (fst__real)value;
    }
    return matrix;
}

static inline bool case_gaps_untouched(fst__matrix matrix)
{
    for (int64_t i = 0; i < matrix.rows; ++i)
        for (int64_t j = matrix.columns; j < matrix.stride; ++j)
            if (!isnan(case_get(matrix, i, j)))
                return false;
    return true;
}

static inline void case_range(int mask, int64_t t, int64_t queries, int64_t keys, uint64_t seed,
                              int32_t *first, int32_t *end)
{
    int64_t last = t + 1 + keys - queries; /* the queries are the last of the keys */
    int64_t a = 0, b = keys;
    uint32_t word = fst__philox(seed, FST__STREAM_MASKING, 0, (uint64_t)t).word[0];
    last = last < 0 ? 0 : last > keys ? keys : last;
    switch (mask) {
    case MASK_CAUSAL:
        b = last;
        break;
    case MASK_PADDED:
        b = t < queries * 2 / 3 ? keys * 2 / 3 : 0;
        break; /* padding sees nothing */
    case MASK_PACKED:
        b = last;
        a = last > keys / 3 ? keys / 3 : 0;
        break;
    case MASK_SLIDING:
        b = last;
        a = last > 7 ? last - 7 : 0;
        break;
    case MASK_RANDOM:
        a = word % (keys + 1);
        b = (word >> 8) % (keys + 1);
        break; /* many empty */
    default:
        break;
    }
    *first = (int32_t)a;
    *end = (int32_t)b;
}

typedef struct attention_case {
    fst__attention a;
    fst__matrix q, k, v, out, dout, dq, dk, dv;
    fst__real *lse;
    int32_t *first, *end;
} attention_case;

static inline attention_case case_create(int64_t batch, int64_t heads, int64_t kv_heads,
                                         int64_t head_size, int64_t queries, int64_t keys, int mask,
                                         int64_t gap, int32_t dtype)
{
    attention_case c;
    memset(&c, 0, sizeof c);
    c.a.batch = batch;
    c.a.heads = heads;
    c.a.kv_heads = kv_heads;
    c.a.head_size = head_size;
    c.a.queries = queries;
    c.a.keys = keys;
    c.a.scale = (fst__real)(1 / sqrt((double)head_size));
    int64_t rows = batch * queries, kv_rows = batch * keys;
    c.q = case_matrix(rows, heads * head_size, gap, dtype, 1);
    c.k = case_matrix(kv_rows, kv_heads * head_size, gap, dtype, 2);
    c.v = case_matrix(kv_rows, kv_heads * head_size, gap, dtype, 3);
    c.out = case_matrix(rows, heads * head_size, gap, dtype, 4);
    c.dout = case_matrix(rows, heads * head_size, gap, dtype, 5);
    c.dq = case_matrix(rows, heads * head_size, gap, dtype, 6);
    c.dk = case_matrix(kv_rows, kv_heads * head_size, gap, dtype, 7);
    c.dv = case_matrix(kv_rows, kv_heads * head_size, gap, dtype, 8);
    c.lse = malloc((size_t)(batch * heads * queries) * sizeof *c.lse);
    c.first = malloc((size_t)rows * sizeof *c.first);
    c.end = malloc((size_t)rows * sizeof *c.end);
    for (int64_t i = 0; i < rows; ++i)
        case_range(mask, i % queries, queries, keys, (uint64_t)(i / queries), &c.first[i],
                   &c.end[i]);
    c.a.first_key = c.first;
    c.a.end_key = c.end;
    return c;
}

static inline void case_destroy(attention_case *c)
{
    fst__matrix all[] = {c->q, c->k, c->v, c->out, c->dout, c->dq, c->dk, c->dv};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        free(all[i].data);
    free(c->lse);
    free(c->first);
    free(c->end);
}

/* Both run with exactly the scratch memory that was asked for. */
static inline fst_status case_forward(const fst__compute *compute, attention_case *c)
{
    size_t size = fst__attention_scratch(compute, &c->a, c->q.dtype, false);
    void *block = fst__alloc(&case_allocator, size);
    fst__arena arena = fst__arena_over(block, size);
    fst_status status =
        fst__attention_forward(compute, &c->a, c->q, c->k, c->v, c->out, c->lse, &arena);
    ck_assert(arena.used == 0 && !arena.overflow && arena.peak == size);
    fst__free(&case_allocator, block);
    return status;
}

static inline fst_status case_backward(const fst__compute *compute, attention_case *c)
{
    size_t size = fst__attention_scratch(compute, &c->a, c->q.dtype, true);
    void *block = fst__alloc(&case_allocator, size);
    fst__arena arena = fst__arena_over(block, size);
    fst_status status = fst__attention_backward(compute, &c->a, c->q, c->k, c->v, c->out, c->lse,
                                                c->dout, c->dq, c->dk, c->dv, &arena);
    ck_assert(arena.used == 0 && !arena.overflow && arena.peak == size);
    fst__free(&case_allocator, block);
    return status;
}

/* Query t of head h of batch row b, no dropout: probabilities p [Tk] (0 outside of the range) and
 * output [D]; returns the log-sum-exp. */
static inline double reference_row(const attention_case *c, int64_t b, int64_t h, int64_t t,
                                   double *p, double *out)
{
    const fst__attention *a = &c->a;
    int64_t row = b * a->queries + t, size = a->head_size, g = h / (a->heads / a->kv_heads);
    int64_t first = a->first_key[row], end = a->end_key[row];
    double top = -INFINITY, total = 0;
    memset(p, 0, (size_t)a->keys * sizeof *p);
    memset(out, 0, (size_t)size * sizeof *out);
    for (int64_t j = first; j < end; ++j) {
        for (int64_t d = 0; d < size; ++d)
            p[j] += case_get(c->q, row, h * size + d) *
                    case_get(c->k, b * a->keys + j, g * size + d) * (double)a->scale;
        top = p[j] > top ? p[j] : top;
    }
    for (int64_t j = first; j < end; ++j)
        total += p[j] = exp(p[j] - top);
    for (int64_t j = first; j < end; ++j) {
        p[j] /= total;
        for (int64_t d = 0; d < size; ++d)
            out[d] += p[j] * case_get(c->v, b * a->keys + j, g * size + d);
    }
    return first < end ? top + log(total) : -INFINITY;
}

#endif
