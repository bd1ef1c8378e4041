#include "base/threads.h"

#include "base/error.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* A worker looks for work this many times before it sleeps: about 20 µs, longer than the gap
 * between two operators of a step, much shorter than anything a host would notice. */
enum { SPINS = 1500 };

typedef struct worker {
    fst__pool *pool;
    int32_t number;
    pthread_t thread;
} worker;

struct fst__pool {
    fst__allocator *allocator;
    pid_t owner;          /* process in which the threads run */
    int32_t worker_count; /* as asked for */
    int32_t started;      /* threads running, without the caller */
    worker *workers;      /* worker_count - 1 */

    pthread_mutex_t run_lock; /* one run at a time */
    pthread_mutex_t lock;     /* guards sleeping */
    pthread_cond_t wake;

    fst__task task;
    void *context;
    int64_t count;
    _Atomic int64_t next;       /* next task to take */
    _Atomic uint64_t round;     /* odd while a run is open; a change wakes the workers */
    _Atomic int32_t inside;     /* workers that may still touch this round */
    _Atomic int32_t sleeping;
    _Atomic bool stop;
};

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work(fst__pool *pool, int32_t number)
{
    for (;;) {
        int64_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (index >= pool->count)
            return;
        pool->task(pool->context, index, number);
    }
}

/* Returns the new round, or the old one if the pool stops. */
static uint64_t wait_for_round(fst__pool *pool, uint64_t seen)
{
    for (int spin = 0; spin < SPINS; ++spin) {
        uint64_t round = atomic_load_explicit(&pool->round, memory_order_acquire);
        if (round != seen || atomic_load_explicit(&pool->stop, memory_order_relaxed))
            return round;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleeping, 1);
    while (atomic_load(&pool->round) == seen && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleeping, 1);
    pthread_mutex_unlock(&pool->lock);
    return atomic_load(&pool->round);
}

static void *worker_main(void *argument)
{
    worker *self = argument;
    fst__pool *pool = self->pool;
    uint64_t seen = 0;
    for (;;) {
        uint64_t round = wait_for_round(pool, seen);
        if (atomic_load(&pool->stop))
            return NULL;
        seen = round;
        if (round % 2 == 0)
            continue;
        /* Announce before checking again: the caller closes the round, then waits for `inside` to
         * fall to zero, so either it sees this worker or this worker sees the round closed. */
        atomic_fetch_add(&pool->inside, 1);
        if (atomic_load(&pool->round) == round)
            work(pool, self->number);
        atomic_fetch_sub(&pool->inside, 1);
    }
}

static void start_threads(fst__pool *pool)
{
    /* Signals belong to the host's threads: ours block them all. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pool->started = 0;
    for (int32_t i = 0; i < pool->worker_count - 1; ++i) {
        worker *each = &pool->workers[i];
        each->pool = pool;
        each->number = i + 1;
        if (pthread_create(&each->thread, NULL, worker_main, each) != 0)
            break;
        pool->started = i + 1;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool->owner = getpid();
}

static void reset(fst__pool *pool)
{
    pthread_mutex_init(&pool->run_lock, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    atomic_store(&pool->next, 0);
    atomic_store(&pool->round, 0);
    atomic_store(&pool->inside, 0);
    atomic_store(&pool->sleeping, 0);
    atomic_store(&pool->stop, false);
    pool->started = 0;
}

fst_status fst__pool_create(fst__allocator *allocator, int32_t workers, fst__pool **out)
{
    fst__pool *pool = fst__alloc_zero(allocator, sizeof *pool);
    if (!pool)
        return FST_ERR_NO_MEMORY;
    pool->allocator = allocator;
    pool->worker_count = workers < 1 ? 1 : workers;
    pool->workers = fst__alloc_array(allocator, (size_t)pool->worker_count, sizeof *pool->workers);
    if (!pool->workers) {
        fst__free(allocator, pool);
        return FST_ERR_NO_MEMORY;
    }
    reset(pool);
    start_threads(pool);
    *out = pool;
    return FST_OK;
}

void fst__pool_destroy(fst__pool *pool)
{
    if (!pool)
        return;
    if (pool->owner == getpid()) {
        pthread_mutex_lock(&pool->lock);
        atomic_store(&pool->stop, true);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
        for (int32_t i = 0; i < pool->started; ++i)
            pthread_join(pool->workers[i].thread, NULL);
        pthread_cond_destroy(&pool->wake);
        pthread_mutex_destroy(&pool->lock);
        pthread_mutex_destroy(&pool->run_lock);
    }
    fst__free(pool->allocator, pool->workers);
    fst__free(pool->allocator, pool);
}

int32_t fst__pool_workers(const fst__pool *pool)
{
    return pool->worker_count;
}

void fst__pool_run(fst__pool *pool, int64_t count, fst__task task, void *context)
{
    if (count <= 0)
        return;
    if (pool->owner != getpid()) { /* in a child after fork: the threads stayed in the parent */
        reset(pool);
        start_threads(pool);
    }
    pthread_mutex_lock(&pool->run_lock);
    if (count == 1 || pool->started == 0) {
        for (int64_t i = 0; i < count; ++i)
            task(context, i, 0);
        pthread_mutex_unlock(&pool->run_lock);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->count = count;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_fetch_add(&pool->round, 1);
    if (atomic_load(&pool->sleeping) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    work(pool, 0);
    atomic_fetch_add(&pool->round, 1);
    for (int spin = 0; atomic_load(&pool->inside) > 0; ++spin) {
        if (spin < SPINS)
            pause_briefly();
        else
            sched_yield();
    }
    pthread_mutex_unlock(&pool->run_lock);
}

int32_t fst__processor_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int count = CPU_COUNT(&set);
        if (count > 0)
            return count;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int32_t)online : 1;
}
