/* What forward and backward of attention share: the tiles, and how a head is found. */
#ifndef FST_NN_ATTENTION_TILES_H
#define FST_NN_ATTENTION_TILES_H

#include "nn/attention.h"

#include "base/error.h"

#include <stdatomic.h>
#include <stdio.h>

enum {
    FST__QUERY_TILE = 64,
    FST__KEY_TILE = 256,
    /* A tile is trimmed to the keys that are seen, in steps of this: packed documents would
     * otherwise bring a new product shape, and with it a new primitive, for every length. */
    FST__KEY_STEP = 64,
};

typedef struct fst__span {
    int64_t first, end;
} fst__span;

static inline int64_t fst__tiles(int64_t count, int64_t size)
{
    return (count + size - 1) / size;
}

static inline int64_t fst__smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The part of keys [first, end) that query `row` (of batch · Tq) sees; empty: first ≥ end. */
static inline fst__span fst__row_span(const fst__attention *attention, int64_t row, fst__span keys)
{
    int64_t first = attention->first_key[row], end = attention->end_key[row];
    return (fst__span){first > keys.first ? first : keys.first, fst__smaller(end, keys.end)};
}

/* The part of `keys` that any of the queries [row, row + rows) sees, widened to whole steps. */
static inline fst__span fst__tile_span(const fst__attention *attention, int64_t row, int64_t rows,
                                       fst__span keys)
{
    int64_t first = keys.end, end = keys.first;
    for (int64_t i = row; i < row + rows; ++i) {
        fst__span one = fst__row_span(attention, i, keys);
        if (one.first >= one.end)
            continue;
        first = fst__smaller(first, one.first);
        end = one.end > end ? one.end : end;
    }
    if (first >= end)
        return (fst__span){keys.first, keys.first};
    first -= (first - keys.first) % FST__KEY_STEP;
    end = keys.first + fst__tiles(end - keys.first, FST__KEY_STEP) * FST__KEY_STEP;
    return (fst__span){first, fst__smaller(end, keys.end)};
}

/* Rows [row, row + rows), the columns of one head. */
static inline fst__matrix fst__head_rows(fst__matrix matrix, int64_t head, int64_t head_size,
                                         int64_t row, int64_t rows)
{
    return fst__matrix_rows(fst__matrix_columns(matrix, head * head_size, head_size), row, rows);
}

enum { FST__FAILURE_TEXT = 512 };

/* Tasks cannot return, and the error text belongs to a worker's thread: the failure that came first
 * is kept here for the thread that called. */
typedef struct fst__failure {
    _Atomic fst_status status;
    char text[FST__FAILURE_TEXT];
} fst__failure;

static inline void fst__failure_keep(fst__failure *failure, fst_status status)
{
    fst_status none = FST_OK;
    if (status != FST_OK && atomic_compare_exchange_strong(&failure->status, &none, status))
        snprintf(failure->text, sizeof failure->text, "%s", fst__error_text());
}

static inline fst_status fst__failure_return(fst__failure *failure)
{
    fst_status status = atomic_load(&failure->status);
    return status == FST_OK ? FST_OK : fst__fail(status, "attention: %s", failure->text);
}

size_t fst__attention_forward_scratch(const fst__compute *compute, const fst__attention *attention,
                                      int32_t dtype);

#endif
