/* Heapsort by index: no memory (qsort takes some from malloc), a context, and O(n log n) for
 * whatever a stranger's file holds. Not stable; make `less` a total order. */
#ifndef FST_FORMATS_SORT_H
#define FST_FORMATS_SORT_H

#include <stdbool.h>
#include <stddef.h>

typedef bool (*fst__sort_less)(const void *context, size_t a, size_t b);
typedef void (*fst__sort_swap)(void *context, size_t a, size_t b);

void fst__sort(size_t count, fst__sort_less less, fst__sort_swap swap, void *context);

#endif
