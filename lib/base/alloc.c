#include "base/alloc.h"

#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Stands in the 64 bytes before each block. */
typedef struct block_header {
    void *base;  /* what the host's allocate returned */
    size_t size; /* what the library asked for */
} block_header;

_Static_assert(sizeof(block_header) <= FST__ALIGNMENT, "header must fit before the block");

static block_header *header_of(void *block)
{
    return (block_header *)((char *)block - FST__ALIGNMENT);
}

static void count_allocation(fst__allocator *allocator, size_t size)
{
    atomic_fetch_add_explicit(&allocator->allocations, 1, memory_order_relaxed);
    int64_t live = (int64_t)size + atomic_fetch_add_explicit(&allocator->live_bytes, (int64_t)size,
                                                             memory_order_relaxed);
    int64_t peak = atomic_load_explicit(&allocator->peak_bytes, memory_order_relaxed);
    while (live > peak && !atomic_compare_exchange_weak_explicit(&allocator->peak_bytes, &peak,
                                                                 live, memory_order_relaxed,
                                                                 memory_order_relaxed)) {
    }
}

void *fst__alloc(fst__allocator *allocator, size_t size)
{
    size_t padded;
    if (!fst__add_size(size, 2 * FST__ALIGNMENT, &padded)) {
        fst__fail(FST_ERR_NO_MEMORY, "out of memory: %zu bytes asked for", size);
        return NULL;
    }
    void *base = allocator->allocate ? allocator->allocate(padded, allocator->user)
                                     : malloc(padded);
    if (!base) {
        fst__fail(FST_ERR_NO_MEMORY, "out of memory: %zu bytes asked for", size);
        return NULL;
    }
    uintptr_t address = ((uintptr_t)base + 2 * FST__ALIGNMENT - 1) & ~(uintptr_t)(FST__ALIGNMENT - 1);
    void *block = (char *)base + (address - (uintptr_t)base);
    block_header *header = header_of(block);
    header->base = base;
    header->size = size;
    count_allocation(allocator, size);
    return block;
}

void *fst__alloc_zero(fst__allocator *allocator, size_t size)
{
    void *block = fst__alloc(allocator, size);
    if (block)
        memset(block, 0, size);
    return block;
}

void *fst__alloc_array(fst__allocator *allocator, size_t count, size_t size)
{
    size_t total;
    if (!fst__mul_size(count, size, &total)) {
        fst__fail(FST_ERR_NO_MEMORY, "size overflow: %zu elements of %zu bytes", count, size);
        return NULL;
    }
    return fst__alloc(allocator, total);
}

void *fst__realloc(fst__allocator *allocator, void *block, size_t size)
{
    if (!block)
        return fst__alloc(allocator, size);
    void *moved = fst__alloc(allocator, size);
    if (!moved)
        return NULL;
    size_t old_size = header_of(block)->size;
    memcpy(moved, block, old_size < size ? old_size : size);
    fst__free(allocator, block);
    return moved;
}

void *fst__realloc_array(fst__allocator *allocator, void *block, size_t count, size_t size)
{
    size_t total;
    if (!fst__mul_size(count, size, &total)) {
        fst__fail(FST_ERR_NO_MEMORY, "size overflow: %zu elements of %zu bytes", count, size);
        return NULL;
    }
    return fst__realloc(allocator, block, total);
}

char *fst__strndup(fst__allocator *allocator, const char *text, size_t length)
{
    char *copy = fst__alloc(allocator, length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *fst__strdup(fst__allocator *allocator, const char *text)
{
    return fst__strndup(allocator, text, strlen(text));
}

void fst__free(fst__allocator *allocator, void *block)
{
    if (!block)
        return;
    block_header *header = header_of(block);
    atomic_fetch_sub_explicit(&allocator->live_bytes, (int64_t)header->size, memory_order_relaxed);
    if (allocator->allocate)
        allocator->release(header->base, allocator->user);
    else
        free(header->base);
}
