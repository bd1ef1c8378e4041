/*
 * A pool of threads that runs numbered tasks. Who runs a task is left to chance, what a task does
 * is not: callers cut work by shape, never by the number of workers, so results do not depend on it.
 *
 * No OpenMP: it hangs in a child after fork(). A pool notices that it lives in a child and starts
 * new threads there.
 */
#ifndef FST_BASE_THREADS_H
#define FST_BASE_THREADS_H

#include "base/alloc.h"
#include "fourstage/status.h"

typedef struct fst__pool fst__pool;

/* worker: 0 ≤ worker < fst__pool_workers(); no two tasks of one pool run with the same number at
 * once, so it may index per-worker scratch. */
typedef void (*fst__task)(void *context, int64_t index, int32_t worker);

/* workers ≥ 1, the calling thread included. If the system gives fewer threads, the pool works with
 * those. */
fst_status fst__pool_create(fst__allocator *allocator, int32_t workers, fst__pool **out);
void fst__pool_destroy(fst__pool *pool); /* takes NULL */
int32_t fst__pool_workers(const fst__pool *pool);

/* Runs task(context, i, worker) for i in [0, count) and returns when all are done. Calls from
 * several threads wait for each other. Never call it from inside a task. */
void fst__pool_run(fst__pool *pool, int64_t count, fst__task task, void *context);

/* Processors that this process may run on, at least 1. */
int32_t fst__processor_count(void);

#endif
