/* The pool: every task once, callers that take turns, and children of fork. */
#include "base/threads.h"
#include "fourstage/status.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_TASKS = 5000 };

typedef struct tally {
    _Atomic int32_t ran[MOST_TASKS];
    _Atomic int32_t busy[64]; /* per worker number */
    _Atomic int32_t wrong;
    int32_t workers;
} tally;

static void count_task(void *context, int64_t index, int32_t worker)
{
    tally *t = context;
    if (worker < 0 || worker >= t->workers || atomic_fetch_add(&t->busy[worker], 1) != 0)
        atomic_fetch_add(&t->wrong, 1);
    atomic_fetch_add(&t->ran[index], 1);
    atomic_fetch_sub(&t->busy[worker], 1);
}

static void run_and_check(fst__pool *pool, tally *t, int64_t count)
{
    memset(t, 0, sizeof *t);
    t->workers = fst__pool_workers(pool);
    fst__pool_run(pool, count, count_task, t);
    ck_assert_int_eq(t->wrong, 0);
    for (int64_t i = 0; i < MOST_TASKS; ++i)
        if (t->ran[i] != (i < count ? 1 : 0))
            ck_abort_msg("task %d of %d ran %d times", (int)i, (int)count, (int)t->ran[i]);
}

START_TEST(test_every_task_once)
{
    fst__allocator allocator = {0};
    tally *t = malloc(sizeof *t);
    static const int32_t workers[] = {-3, 0, 1, 2, 3, 8};
    static const int64_t counts[] = {0, -1, 1, 2, 3, 7, 100, MOST_TASKS};
    for (size_t w = 0; w < sizeof workers / sizeof *workers; ++w) {
        fst__pool *pool = NULL;
        ck_assert_int_eq(fst__pool_create(&allocator, workers[w], &pool), FST_OK);
        ck_assert_int_eq(fst__pool_workers(pool), workers[w] < 1 ? 1 : workers[w]);
        for (int round = 0; round < 20; ++round)
            for (size_t c = 0; c < sizeof counts / sizeof *counts; ++c)
                run_and_check(pool, t, counts[c]);
        fst__pool_destroy(pool);
        ck_assert_int_eq(allocator.live_bytes, 0);
    }
    fst__pool_destroy(NULL);
    free(t);
}
END_TEST

/* Many short rounds, some after the workers went to sleep. */
START_TEST(test_sleep_and_wake)
{
    fst__allocator allocator = {0};
    fst__pool *pool = NULL;
    tally *t = malloc(sizeof *t);
    ck_assert_int_eq(fst__pool_create(&allocator, 4, &pool), FST_OK);
    for (int round = 0; round < 300; ++round) {
        run_and_check(pool, t, round % 9);
        if (round % 10 == 0)
            usleep(500);
    }
    fst__pool_destroy(pool);
    free(t);
}
END_TEST

typedef struct host {
    fst__pool *pool;
    pthread_t thread;
    int64_t sums;
} host;

typedef struct addition {
    _Atomic int64_t sum;
} addition;

static void add_task(void *context, int64_t index, int32_t worker)
{
    atomic_fetch_add(&((addition *)context)->sum, index + 1);
}

static void *host_main(void *argument)
{
    host *h = argument;
    for (int round = 0; round < 500; ++round) {
        addition a = {0};
        fst__pool_run(h->pool, 100, add_task, &a);
        h->sums += a.sum == 5050;
    }
    return NULL;
}

START_TEST(test_two_hosts)
{
    fst__allocator allocator = {0};
    fst__pool *pool = NULL;
    ck_assert_int_eq(fst__pool_create(&allocator, 3, &pool), FST_OK);
    host hosts[2] = {{.pool = pool}, {.pool = pool}};
    for (int i = 0; i < 2; ++i)
        ck_assert_int_eq(pthread_create(&hosts[i].thread, NULL, host_main, &hosts[i]), 0);
    for (int i = 0; i < 2; ++i) {
        pthread_join(hosts[i].thread, NULL);
        ck_assert_int_eq(hosts[i].sums, 500);
    }
    fst__pool_destroy(pool);
}
END_TEST

/* A child has only the thread that forked; the pool starts new ones, and the parent's go on. */
START_TEST(test_fork)
{
    fst__allocator allocator = {0};
    fst__pool *pool = NULL;
    ck_assert_int_eq(fst__pool_create(&allocator, 3, &pool), FST_OK);
    for (int i = 0; i < 200; ++i) {
        addition before = {0};
        fst__pool_run(pool, 100, add_task, &before);
        ck_assert_int_eq(before.sum, 5050);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            alarm(20);
            addition a = {0};
            if (i % 3 != 0)
                fst__pool_run(pool, 100, add_task, &a);
            fst__pool_destroy(pool); /* also without a run in between */
            _exit(i % 3 == 0 || a.sum == 5050 ? 0 : 1);
        }
        int outcome = 0;
        ck_assert_int_eq(waitpid(child, &outcome, 0), child);
        ck_assert_msg(WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0, "child %d: %x", i, outcome);
    }
    fst__pool_destroy(pool);
    ck_assert_int_eq(allocator.live_bytes, 0);
}
END_TEST

START_TEST(test_processors)
{
    ck_assert_int_ge(fst__processor_count(), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *tcase = tcase_create("threads");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_every_task_once);
    tcase_add_test(tcase, test_sleep_and_wake);
    tcase_add_test(tcase, test_two_hosts);
    tcase_add_test(tcase, test_fork);
    tcase_add_test(tcase, test_processors);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
