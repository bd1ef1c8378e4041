/*
 * All memory comes through one allocator per context: the host's callbacks, or malloc. Blocks are
 * aligned to 64 bytes (a cache line, an AVX-512 register) and know their size, so that live and
 * peak bytes are exact and a steady training step can be shown to allocate nothing.
 */
#ifndef FST_BASE_ALLOC_H
#define FST_BASE_ALLOC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { FST__ALIGNMENT = 64 };

typedef struct fst__allocator {
    void *(*allocate)(size_t size, void *user); /* NULL: malloc */
    void (*release)(void *block, void *user);
    void *user;
    _Atomic int64_t live_bytes; /* as asked for, without headers */
    _Atomic int64_t peak_bytes;
    _Atomic int64_t allocations; /* calls so far */
} fst__allocator;

/* Each returns NULL with the error text set when memory is refused or a product overflows. A size
 * of 0 gives a valid, unique block. */
void *fst__alloc(fst__allocator *allocator, size_t size);
void *fst__alloc_zero(fst__allocator *allocator, size_t size);
void *fst__alloc_array(fst__allocator *allocator, size_t count, size_t size);
/* Contents up to the smaller size are kept; on failure the old block is untouched. */
void *fst__realloc(fst__allocator *allocator, void *block, size_t size);
void *fst__realloc_array(fst__allocator *allocator, void *block, size_t count, size_t size);
char *fst__strdup(fst__allocator *allocator, const char *text);
char *fst__strndup(fst__allocator *allocator, const char *text, size_t length);
void fst__free(fst__allocator *allocator, void *block); /* takes NULL */

#endif
