#include "base/arena.h"

#include "base/alloc.h"
#include "base/checked.h"

void *fst__arena_take(fst__arena *arena, size_t count, size_t size)
{
    size_t bytes, end;
    if (!fst__mul_size(count, size, &bytes) || !fst__add_size(bytes, FST__ALIGNMENT - 1, &bytes) ||
        !fst__add_size(arena->used, bytes & ~(size_t)(FST__ALIGNMENT - 1), &end)) {
        arena->overflow = true;
        return NULL;
    }
    size_t start = arena->used;
    arena->used = end;
    if (end > arena->peak)
        arena->peak = end;
    if (!arena->base)
        return NULL;
    if (end > arena->capacity) {
        arena->overflow = true;
        return NULL;
    }
    return arena->base + start;
}
