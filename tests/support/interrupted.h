/* Runs that are interrupted, saved and resumed by another. */
#ifndef TESTS_SUPPORT_INTERRUPTED_H
#define TESTS_SUPPORT_INTERRUPTED_H

#include "fourstage/run.h"

/* A run of the test's, made again and again from its own state. */
typedef struct small_maker {
    fst_run *(*create)(void *test);
    void (*destroy)(void *test);
    void (*resumed)(void *test); /* may be NULL: looks at a run that was just resumed */
} small_maker;

/* After each of 0 … `count` micro-batches: what is resumed is what was saved, and ends with the bytes
 * of a run that was not interrupted. */
void interrupt_everywhere(const small_maker *maker, void *test, int count);

#endif
