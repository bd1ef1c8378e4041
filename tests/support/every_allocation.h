/* Lives in which one allocation after the other fails. */
#ifndef TESTS_SUPPORT_EVERY_ALLOCATION_H
#define TESTS_SUPPORT_EVERY_ALLOCATION_H

#include "small_run.h"

/* What a test lives through, handed its own state each time. */
typedef struct small_life {
    void (*prepare)(void *test);    /* while no allocation fails; may be NULL */
    fst_status (*live)(void *test); /* until the first failure */
    void (*destroy)(void *test);    /* what there is, whatever failed */
} small_life;

typedef struct small_failures {
    int64_t lives;
    int64_t failed;    /* with FST_ERR_NO_MEMORY */
    int64_t unnoticed; /* an allocation failed and the life went well */
} small_failures;

/* Lives until one asks for fewer allocations than would fail, alone or with all after it. Every status
 * is FST_OK or FST_ERR_NO_MEMORY and nothing is left in `memory`, which the lives' contexts use. */
small_failures fail_every_allocation(const small_life *life, void *test, small_memory *memory,
                                     bool and_all_after);

#endif
