/*
 * One block, handed out from the front. A plan is made by running the same code twice: first over
 * an arena without memory, which only counts; then over the block of the size that was counted.
 */
#ifndef FST_BASE_ARENA_H
#define FST_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fst__arena {
    char *base;      /* NULL while counting */
    size_t capacity; /* bytes; ignored while counting */
    size_t used;
    size_t peak;
    bool overflow; /* a size could not be represented, or the block was too small */
} fst__arena;

static inline fst__arena fst__arena_counting(void)
{
    return (fst__arena){0};
}

static inline fst__arena fst__arena_over(void *base, size_t capacity)
{
    return (fst__arena){.base = base, .capacity = capacity};
}

/* 64-byte aligned; NULL while counting or on overflow (see `overflow`). */
void *fst__arena_take(fst__arena *arena, size_t count, size_t size);

/* Scratch is stacked: everything taken since the mark is given back. */
static inline size_t fst__arena_mark(const fst__arena *arena)
{
    return arena->used;
}

static inline void fst__arena_rewind(fst__arena *arena, size_t mark)
{
    arena->used = mark;
}

#endif
