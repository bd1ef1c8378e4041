#include "nn/activation.h"

#include "nn/blocks.h"

typedef struct activation_job {
    const fst__kernels *kernels;
    int32_t activation;
    fst__matrix x, y, dx; /* x: pre or gate_up; y: y or dy; dx: dgate_up */
    int64_t block_rows;
} activation_job;

static void run(const fst__compute *compute, fst__task task, activation_job job)
{
    job.kernels = compute->kernels;
    job.block_rows = fst__block_rows(job.x.columns);
    fst__pool_run(compute->pool, fst__blocks(job.x.rows, job.block_rows), task, &job);
}

static int64_t last_row(const activation_job *job, int64_t block)
{
    int64_t end = (block + 1) * job->block_rows;
    return end < job->x.rows ? end : job->x.rows;
}

static void forward_task(void *context, int64_t block, int32_t worker)
{
    const activation_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real scratch[FST__CHUNK];
    for (int64_t r = block * job->block_rows; r < last_row(job, block); ++r)
        for (int64_t c = 0; c < job->x.columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(job->x.columns, c);
            const fst__real *x = fst__row_read(k, job->x, r, c, n, scratch);
            fst__real *y = fst__row_target(job->y, r, c, scratch);
            k->activation_forward(job->activation, x, y, n);
            fst__row_write(k, job->y, r, c, n, y);
        }
}

void fst__activation_forward(const fst__compute *compute, int32_t activation, fst__matrix x,
                             fst__matrix y)
{
    run(compute, forward_task, (activation_job){.activation = activation, .x = x, .y = y});
}

static void backward_task(void *context, int64_t block, int32_t worker)
{
    const activation_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real scratch[2][FST__CHUNK];
    for (int64_t r = block * job->block_rows; r < last_row(job, block); ++r)
        for (int64_t c = 0; c < job->x.columns; c += FST__CHUNK) {
            int64_t n = fst__chunk(job->x.columns, c);
            const fst__real *pre = fst__row_read(k, job->x, r, c, n, scratch[0]);
            const fst__real *dy = fst__row_read(k, job->y, r, c, n, scratch[1]);
            fst__real *dpre = fst__row_target(job->y, r, c, scratch[1]);
            k->activation_backward(job->activation, pre, dy, dpre, n);
            fst__row_write(k, job->y, r, c, n, dpre);
        }
}

void fst__activation_backward(const fst__compute *compute, int32_t activation, fst__matrix pre,
                              fst__matrix dy)
{
    if (activation != FST__ACTIVATION_NONE)
        run(compute, backward_task, (activation_job){.activation = activation, .x = pre, .y = dy});
}

static void gated_forward_task(void *context, int64_t block, int32_t worker)
{
    const activation_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real scratch[2][FST__CHUNK];
    int64_t inner = job->x.columns / 2;
    for (int64_t r = block * job->block_rows; r < last_row(job, block); ++r)
        for (int64_t c = 0; c < inner; c += FST__CHUNK) {
            int64_t n = fst__chunk(inner, c);
            const fst__real *gate = fst__row_read(k, job->x, r, c, n, scratch[0]);
            const fst__real *up = fst__row_read(k, job->x, r, inner + c, n, scratch[1]);
            fst__real *y = fst__row_target(job->y, r, c, scratch[0]);
            k->gated_forward(job->activation, gate, up, y, n);
            fst__row_write(k, job->y, r, c, n, y);
        }
}

void fst__gated_forward(const fst__compute *compute, int32_t activation, fst__matrix gate_up,
                        fst__matrix y)
{
    run(compute, gated_forward_task,
        (activation_job){.activation = activation, .x = gate_up, .y = y});
}

static void gated_backward_task(void *context, int64_t block, int32_t worker)
{
    const activation_job *job = context;
    const fst__kernels *k = job->kernels;
    fst__real scratch[3][FST__CHUNK];
    int64_t inner = job->x.columns / 2;
    for (int64_t r = block * job->block_rows; r < last_row(job, block); ++r)
        for (int64_t c = 0; c < inner; c += FST__CHUNK) {
            int64_t n = fst__chunk(inner, c);
            const fst__real *gate = fst__row_read(k, job->x, r, c, n, scratch[0]);
            const fst__real *up = fst__row_read(k, job->x, r, inner + c, n, scratch[1]);
            const fst__real *dy = fst__row_read(k, job->y, r, c, n, scratch[2]);
            fst__real *dgate = fst__row_target(job->dx, r, c, scratch[0]);
            fst__real *dup = fst__row_target(job->dx, r, inner + c, scratch[1]);
            k->gated_backward(job->activation, gate, up, dy, dgate, dup, n);
            fst__row_write(k, job->dx, r, c, n, dgate);
            fst__row_write(k, job->dx, r, inner + c, n, dup);
        }
}

void fst__gated_backward(const fst__compute *compute, int32_t activation, fst__matrix gate_up,
                         fst__matrix dy, fst__matrix dgate_up)
{
    run(compute, gated_backward_task,
        (activation_job){.activation = activation, .x = gate_up, .y = dy, .dx = dgate_up});
}
