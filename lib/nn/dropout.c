#include "nn/dropout.h"

#include "nn/blocks.h"

#include <string.h>

void fst__dropout_row(const fst__kernels *kernels, const fst__dropout *dropout, uint64_t offset,
                      const fst__real *x, fst__real *y, int64_t n)
{
    /* The copy also brings the row into cache at full speed. Between the loads of the kernel lies
     * so much computing that the processor does not find them early enough by itself. */
    if (y != x)
        memcpy(y, x, (size_t)n * sizeof *y);
    if (!fst__dropout_on(dropout))
        return;
    double probability = (double)dropout->probability;
    double limit = probability * 0x1p32 + 0.5;
    uint32_t threshold = limit < 0x1p32 - 1 ? (uint32_t)limit : UINT32_MAX;
    kernels->dropout(dropout->seed, dropout->step, dropout->first_index + offset, threshold,
                     (fst__real)(1 / (1 - probability)), y, y, n);
}

typedef struct apply_job {
    const fst__kernels *kernels;
    const fst__dropout *dropout;
    fst__matrix x;
    int64_t block_rows;
} apply_job;

static void apply_task(void *context, int64_t block, int32_t worker)
{
    const apply_job *job = context;
    fst__real scratch[FST__CHUNK];
    int64_t columns = job->x.columns, end = (block + 1) * job->block_rows;
    (void)worker;
    for (int64_t r = block * job->block_rows; r < end && r < job->x.rows; ++r)
        for (int64_t c = 0; c < columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(columns, c);
            const fst__real *x = fst__row_read(job->kernels, job->x, r, c, n, scratch);
            fst__real *y = fst__row_target(job->x, r, c, scratch);
            fst__dropout_row(job->kernels, job->dropout, (uint64_t)(r * columns + c), x, y, n);
            fst__row_write(job->kernels, job->x, r, c, n, y);
        }
}

void fst__dropout_apply(const fst__compute *compute, const fst__dropout *dropout, fst__matrix x)
{
    if (!fst__dropout_on(dropout))
        return;
    apply_job job = {compute->kernels, dropout, x, fst__block_rows(x.columns)};
    fst__pool_run(compute->pool, fst__blocks(x.rows, job.block_rows), apply_task, &job);
}
