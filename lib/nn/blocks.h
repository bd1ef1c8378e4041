/*
 * How layers cut their rows into tasks, and how gradients of parameters are summed over rows: by
 * blocks that the shape alone fixes, each into a partial row of its own, the partial rows added in
 * order. So sums have the same bits for any number of workers.
 */
#ifndef FST_NN_BLOCKS_H
#define FST_NN_BLOCKS_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "kernels/rows.h"

/* Rows of one elementwise task: about 32768 elements, enough to hide the start of a task. */
static inline int64_t fst__block_rows(int64_t columns)
{
    int64_t rows = columns > 0 ? 32768 / columns : 1;
    return rows > 0 ? rows : 1;
}

static inline int64_t fst__blocks(int64_t rows, int64_t block_rows)
{
    return rows > 0 ? (rows + block_rows - 1) / block_rows : 0;
}

typedef struct fst__partials {
    int64_t block_rows, blocks, columns;
    fst__real *data; /* [blocks, columns] */
} fst__partials;

size_t fst__partials_scratch(int64_t rows, int64_t columns);
/* false if the arena has no room (or only counts). */
bool fst__partials_take(fst__arena *arena, int64_t rows, int64_t columns, fst__partials *out);
/* The block's partial row, zeroed; for the task that owns the block. */
fst__real *fst__partials_open(const fst__partials *partials, int64_t block);
/* target[count] += columns [column, column + count) of the partial rows, in the order of blocks. */
void fst__partials_add(const fst__compute *compute, const fst__partials *partials, int64_t column,
                       int64_t count, fst__real *target);

#endif
