/* Tables that make_misuse.py writes from the headers. */
#ifndef FST_TESTS_MISUSE_H
#define FST_TESTS_MISUSE_H

#include "fourstage/status.h"

typedef struct misuse_call {
    const char *name;
    fst_status (*with_nothing)(void); /* every argument NULL or 0 */
} misuse_call;

typedef struct misuse_init {
    const char *name;
    fst_status (*init)(void *options, size_t size);
    size_t size; /* of the struct */
} misuse_init;

extern const misuse_call misuse_calls[];
extern const int misuse_call_count;
extern const misuse_init misuse_inits[];
extern const int misuse_init_count;
void misuse_destroy_nothing(void);

#endif
