#include "nn/embedding.h"

#include "nn/blocks.h"

/* Columns of one backward task: four cache lines of a table row, and a dozen tasks for 768. */
enum { BACKWARD_COLUMNS = 64 };

typedef struct embedding_job {
    const fst__kernels *kernels;
    const int32_t *index[3]; /* ids, positions, types */
    fst__matrix table[3];
    fst__real *dtable[3];
    bool has[3];
    const fst__dropout *dropout;
    fst__matrix y; /* dy in the backward */
    int64_t block_rows;
} embedding_job;

static void forward_task(void *context, int64_t block, int32_t worker)
{
    const embedding_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real total[FST__CHUNK], scratch[FST__CHUNK];
    int64_t columns = job->y.columns, end = (block + 1) * job->block_rows;
    for (int64_t r = block * job->block_rows; r < end && r < job->y.rows; ++r)
        for (int64_t c = 0; c < columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(columns, c);
            const fst__real *sum = fst__row_read(k, job->table[0], job->index[0][r], c, n, total);
            for (int i = 1; i < 3; ++i)
                if (job->has[i]) {
                    k->add(sum, fst__row_read(k, job->table[i], job->index[i][r], c, n, scratch),
                           total, n);
                    sum = total;
                }
            fst__real *y = fst__row_target(job->y, r, c, scratch);
            fst__dropout_row(k, job->dropout, (uint64_t)(r * columns + c), sum, y, n);
            fst__row_write(k, job->y, r, c, n, y);
        }
}

void fst__embedding_forward(const fst__compute *compute, const int32_t *ids, fst__matrix table,
                            const int32_t *positions, const fst__matrix *position_table,
                            const int32_t *types, const fst__matrix *type_table,
                            const fst__dropout *dropout, fst__matrix y)
{
    embedding_job job = {
        .kernels = compute->kernels,
        .index = {ids, positions, types},
        .table = {table},
        .has = {true, position_table != NULL, type_table != NULL},
        .dropout = dropout,
        .y = y,
        .block_rows = fst__block_rows(y.columns),
    };
    if (position_table)
        job.table[1] = *position_table;
    if (type_table)
        job.table[2] = *type_table;
    fst__pool_run(compute->pool, fst__blocks(y.rows, job.block_rows), forward_task, &job);
}

static void backward_task(void *context, int64_t index, int32_t worker)
{
    const embedding_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real scratch[BACKWARD_COLUMNS];
    int64_t columns = job->y.columns, c = index * BACKWARD_COLUMNS;
    int64_t n = columns - c < BACKWARD_COLUMNS ? columns - c : BACKWARD_COLUMNS;
    for (int64_t r = 0; r < job->y.rows; ++r) {
        const fst__real *d = fst__row_read(k, job->y, r, c, n, scratch);
        if (fst__dropout_on(job->dropout)) {
            fst__dropout_row(k, job->dropout, (uint64_t)(r * columns + c), d, scratch, n);
            d = scratch;
        }
        for (int i = 0; i < 3; ++i)
            if (job->dtable[i]) {
                fst__real *target = job->dtable[i] + job->index[i][r] * columns + c;
                k->add(target, d, target, n);
            }
    }
}

void fst__embedding_backward(const fst__compute *compute, const int32_t *ids,
                             const int32_t *positions, const int32_t *types,
                             const fst__dropout *dropout, fst__matrix dy, fst__real *dtable,
                             fst__real *dposition_table, fst__real *dtype_table)
{
    embedding_job job = {
        .kernels = compute->kernels,
        .index = {ids, positions, types},
        .dtable = {dtable, dposition_table, dtype_table},
        .dropout = dropout,
        .y = dy,
    };
    fst__pool_run(compute->pool, fst__blocks(dy.columns, BACKWARD_COLUMNS), backward_task, &job);
}
