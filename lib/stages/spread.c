#include "stages/spread.h"

#include "base/error.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"

#include <inttypes.h>
#include <math.h>

enum {
    BLOCK = 256, /* rows whose similarities are held at once */
    PIECE = 1024,
};

/* ---- length 1 ---- */

typedef struct unit_task {
    fst__real *x;
    int64_t width;
} unit_task;

static void unit_row(void *context, int64_t row, int32_t worker)
{
    const unit_task *task = context;
    fst__real *x = task->x + row * task->width;
    double squares = 0;
    (void)worker;
    for (int64_t i = 0; i < task->width; ++i)
        squares += (double)x[i] * (double)x[i];
    for (int64_t i = 0; i < task->width && squares > 0; ++i)
        x[i] = (fst__real)((double)x[i] / sqrt(squares));
}

fst_status fst__unit_rows(const fst__compute *compute, fst__real *x, int64_t rows, int64_t width)
{
    unit_task task = {x, width};
    for (int64_t i = 0; i < rows * width; ++i) {
        if (!isfinite(x[i]))
            return fst__fail(FST_ERR_NUMERIC, "embedding %" PRId64 " is not finite", i / width);
    }
    fst__pool_run(compute->pool, rows, unit_row, &task);
    return FST_OK;
}

/* ---- uniformity ---- */

typedef struct spread_task {
    const fst__kernels *kernels;
    fst__real *s; /* [BLOCK, rows] */
    double *sums; /* [BLOCK] */
    int64_t rows, first;
} spread_task;

static double sum_of(const spread_task *task, const fst__real *s, int64_t count)
{
    fst__real unkept[PIECE];
    double sum = 0;
    for (int64_t i = 0; i < count; i += PIECE)
        sum += (double)task->kernels->exp_sum_scaled(s + i, 4, 4, unkept,
                                                     count - i < PIECE ? count - i : PIECE);
    return sum;
}

static void spread_row(void *context, int64_t index, int32_t worker)
{
    const spread_task *task = context;
    const fst__real *s = task->s + index * task->rows;
    int64_t self = task->first + index;
    (void)worker;
    task->sums[index] = sum_of(task, s, self) + sum_of(task, s + self + 1, task->rows - self - 1);
}

static bool take(spread_task *task, fst__arena *scratch)
{
    size_t rows = (size_t)task->rows, block = rows < BLOCK ? rows : BLOCK;
    task->s = fst__arena_take(scratch, block, rows * sizeof *task->s);
    task->sums = fst__arena_take(scratch, block, sizeof *task->sums);
    return !scratch->overflow;
}

size_t fst__uniformity_scratch(int64_t rows)
{
    spread_task task = {.rows = rows};
    fst__arena counting = fst__arena_counting();
    return take(&task, &counting) ? counting.peak : 0;
}

fst_status fst__uniformity(const fst__compute *compute, const fst__real *x, int64_t rows,
                           int64_t width, fst__arena *scratch, double *uniformity)
{
    spread_task task = {.kernels = compute->kernels, .rows = rows};
    size_t mark = fst__arena_mark(scratch);
    fst__real *data = (fst__real *)(uintptr_t)x;
    double sum = 0;
    fst_status status = FST_OK;
    if (!take(&task, scratch))
        status = fst__fail(FST_ERR_INTERNAL, "uniformity: scratch memory is too small");
    for (task.first = 0; task.first < rows && !status; task.first += BLOCK) {
        int64_t n = rows - task.first < BLOCK ? rows - task.first : BLOCK;
        const fst__product p = {
            .a = fst__matrix_of(data + task.first * width, n, width, FST__REAL_DTYPE),
            .b = fst__matrix_of(data, rows, width, FST__REAL_DTYPE),
            .c = fst__matrix_of(task.s, n, rows, FST__REAL_DTYPE),
            .transpose_b = true,
        };
        status = fst__gemm_run(compute, &p);
        if (status)
            break;
        fst__pool_run(compute->pool, n, spread_row, &task);
        for (int64_t i = 0; i < n; ++i)
            sum += task.sums[i];
    }
    *uniformity = rows > 1 ? log(sum / ((double)rows * ((double)rows - 1))) : NAN;
    fst__arena_rewind(scratch, mark);
    return status;
}
