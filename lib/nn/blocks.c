#include "nn/blocks.h"

enum { MOST_BLOCKS = 64, LEAST_ROWS = 8 };

static int64_t partial_rows(int64_t rows)
{
    int64_t block = (rows + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return block > LEAST_ROWS ? block : LEAST_ROWS;
}

size_t fst__partials_scratch(int64_t rows, int64_t columns)
{
    fst__arena counting = fst__arena_counting();
    fst__partials unused;
    fst__partials_take(&counting, rows, columns, &unused);
    return counting.peak;
}

bool fst__partials_take(fst__arena *arena, int64_t rows, int64_t columns, fst__partials *out)
{
    out->block_rows = partial_rows(rows);
    out->blocks = fst__blocks(rows, out->block_rows);
    out->columns = columns;
    out->data = fst__arena_take(arena, (size_t)out->blocks * (size_t)columns, sizeof *out->data);
    return out->data != NULL;
}

fst__real *fst__partials_open(const fst__partials *partials, int64_t block)
{
    fst__real *row = partials->data + block * partials->columns;
    memset(row, 0, (size_t)partials->columns * sizeof *row);
    return row;
}

typedef struct add_job {
    const fst__kernels *kernels;
    const fst__partials *partials;
    int64_t column, count;
    fst__real *target;
} add_job;

static void add_task(void *context, int64_t index, int32_t worker)
{
    const add_job *job = context;
    int64_t first = index * FST__CHUNK, count = fst__chunk(job->count, first);
    fst__real *target = job->target + first;
    for (int64_t block = 0; block < job->partials->blocks; ++block)
        job->kernels->add(
            target, job->partials->data + block * job->partials->columns + job->column + first,
            target, count);
}

void fst__partials_add(const fst__compute *compute, const fst__partials *partials, int64_t column,
                       int64_t count, fst__real *target)
{
    add_job job = {compute->kernels, partials, column, count, target};
    fst__pool_run(compute->pool, fst__blocks(count, FST__CHUNK), add_task, &job);
}
