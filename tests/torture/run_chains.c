/*
 * Runs every chain of calls on THREADS host threads at once, each with contexts of its own, and reads
 * handles that all of them share: a plain program, for valgrind and the thread sanitizer.
 * run_chains [THREADS [ROUNDS]]
 */
#include "chains.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_THREADS = 64 };

typedef struct host_thread {
    pthread_t thread;
    const chain_shared *shared;
    int number, rounds, failures;
} host_thread;

static int report(const char *name, fst_status status)
{
    if (status == FST_OK)
        return 0;
    fprintf(stderr, "%s: %s: %s\n", name, fst_status_name(status), fst_last_error());
    return 1;
}

static void *work(void *argument)
{
    host_thread *self = argument;
    char folder[256];
    chain_folder_make(folder);
    fst_context_options options = chain_options(2);
    options.provider = FST_PROVIDER_REFERENCE;
    for (int i = 0; i < self->rounds * chain_count; ++i) {
        const chain *each = &chains[(i + self->number) % chain_count];
        self->failures += report(each->name, each->run(&options, folder));
        self->failures += report("shared", chain_shared_read(self->shared, folder));
    }
    chain_folder_remove(folder);
    return NULL;
}

int main(int argument_count, char **arguments)
{
    static host_thread threads[MOST_THREADS];
    int count = argument_count > 1 ? atoi(arguments[1]) : 1;
    int rounds = argument_count > 2 ? atoi(arguments[2]) : 1;
    if (count < 1 || count > MOST_THREADS)
        return 2;
    fst_context_options options = chain_options(2);
    chain_shared *shared = NULL;
    int failures = report("shared", chain_shared_create(&options, &shared));
    for (int i = 0; i < count && !failures; ++i) {
        threads[i].number = i;
        threads[i].shared = shared;
        threads[i].rounds = rounds;
        if (pthread_create(&threads[i].thread, NULL, work, &threads[i]) != 0)
            return 2;
    }
    for (int i = 0; i < count && threads[i].shared; ++i) {
        pthread_join(threads[i].thread, NULL);
        failures += threads[i].failures;
    }
    chain_shared_destroy(shared);
    return failures ? 1 : 0;
}
