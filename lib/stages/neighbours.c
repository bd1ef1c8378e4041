/* Nearest neighbours: blocks of queries against everything that is known, one product each. */
#include "base/error.h"
#include "kernels/gemm.h"
#include "stages/spread.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256, HELD = 1 << 23 }; /* most queries, and about the most similarities, held at once */

typedef struct near {
    fst__real cosine;
    int64_t example;
} near;

typedef struct vote_task {
    const fst__neighbours *n;
    fst__real *s;      /* [block, examples] */
    near *nearest;     /* [workers, k] nearest first */
    double *votes;     /* [workers, classes] */
    int32_t *predictions;
    int64_t first;
} vote_task;

static int64_t block_of(const fst__neighbours *n)
{
    int64_t rows = HELD / n->examples;
    rows = rows < 1 ? 1 : rows > BLOCK ? BLOCK : rows;
    return rows < n->query_count ? rows : n->query_count;
}

/* Puts the example among the nearest, behind those as near that came before it. */
static void insert(near *nearest, int64_t *count, int64_t k, fst__real cosine, int64_t example)
{
    if (*count == k && !(cosine > nearest[k - 1].cosine))
        return;
    int64_t at = *count < k ? (*count)++ : k - 1;
    while (at > 0 && cosine > nearest[at - 1].cosine) {
        nearest[at] = nearest[at - 1];
        --at;
    }
    nearest[at] = (near){cosine, example};
}

static void vote(void *context, int64_t row, int32_t worker)
{
    const vote_task *task = context;
    const fst__neighbours *n = task->n;
    const fst__real *s = task->s + row * n->examples;
    near *nearest = task->nearest + worker * n->k;
    double *votes = task->votes + worker * n->classes;
    int64_t count = 0, best = 0;
    for (int64_t i = 0; i < n->examples; ++i)
        insert(nearest, &count, n->k, s[i], i);
    memset(votes, 0, (size_t)n->classes * sizeof *votes);
    for (int64_t i = 0; i < count; ++i) {
        double distance = (double)nearest[0].cosine - (double)nearest[i].cosine; /* ≥ 0: no overflow */
        votes[n->labels[nearest[i].example]] +=
            n->temperature > 0 ? exp(-distance / n->temperature) : 1;
    }
    for (int64_t c = 1; c < n->classes; ++c)
        best = votes[c] > votes[best] ? c : best;
    task->predictions[task->first + row] = (int32_t)best;
}

static bool take(vote_task *task, const fst__compute *compute, fst__arena *scratch)
{
    size_t workers = (size_t)fst__pool_workers(compute->pool);
    task->s = fst__arena_take(scratch, (size_t)block_of(task->n),
                              (size_t)task->n->examples * sizeof *task->s);
    task->nearest = fst__arena_take(scratch, workers, (size_t)task->n->k * sizeof *task->nearest);
    task->votes = fst__arena_take(scratch, workers, (size_t)task->n->classes * sizeof *task->votes);
    return !scratch->overflow;
}

size_t fst__neighbours_scratch(const fst__neighbours *n, const fst__compute *compute)
{
    vote_task task = {.n = n};
    fst__arena counting = fst__arena_counting();
    return take(&task, compute, &counting) ? counting.peak : 0;
}

static fst__matrix rows_of(const fst__real *data, int64_t rows, int64_t width)
{
    return fst__matrix_of((void *)(uintptr_t)data, rows, width, FST__REAL_DTYPE);
}

fst_status fst__neighbours_vote(const fst__compute *compute, const fst__neighbours *n,
                                fst__arena *scratch, int32_t *predictions)
{
    vote_task task = {.n = n, .predictions = predictions};
    size_t mark = fst__arena_mark(scratch);
    int64_t block = block_of(n);
    fst_status status = FST_OK;
    if (!take(&task, compute, scratch))
        status = fst__fail(FST_ERR_INTERNAL, "neighbours: scratch memory is too small");
    for (task.first = 0; task.first < n->query_count && !status; task.first += block) {
        int64_t rows = n->query_count - task.first < block ? n->query_count - task.first : block;
        const fst__product p = {
            .a = rows_of(n->queries + task.first * n->width, rows, n->width),
            .b = rows_of(n->known, n->examples, n->width),
            .c = fst__matrix_of(task.s, rows, n->examples, FST__REAL_DTYPE),
            .transpose_b = true,
        };
        status = fst__gemm_run(compute, &p);
        if (!status)
            fst__pool_run(compute->pool, rows, vote, &task);
    }
    fst__arena_rewind(scratch, mark);
    return status;
}
