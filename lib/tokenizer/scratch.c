#include "base/error.h"
#include "tokenizer/internal.h"

fst__scratch *fst__scratch_create(fst__allocator *allocator)
{
    fst__scratch *scratch = fst__alloc_zero(allocator, sizeof *scratch);
    if (!scratch)
        return NULL;
    scratch->allocator = allocator;
    scratch->normalized = scratch->prefixed = fst__text_create(allocator);
    scratch->ids.allocator = scratch->edits.allocator = allocator;
    scratch->cache = fst__alloc_zero(allocator, FST__CACHE_ENTRIES * sizeof *scratch->cache);
    if (scratch->cache)
        scratch->match = fst__pattern_match_create(allocator);
    if (!scratch->match) {
        fst__scratch_destroy(scratch);
        return NULL;
    }
    return scratch;
}

void fst__scratch_destroy(fst__scratch *scratch)
{
    if (!scratch)
        return;
    fst__allocator *allocator = scratch->allocator;
    fst__pattern_match_destroy(scratch->match);
    fst__ids_destroy(&scratch->ids);
    fst__text_destroy(&scratch->prefixed);
    fst__text_destroy(&scratch->normalized);
    fst__free(allocator, scratch->edits.items);
    fst__free(allocator, scratch->next_pieces.items);
    fst__free(allocator, scratch->pieces.items);
    fst__free(allocator, scratch->word_ids);
    fst__free(allocator, scratch->symbols);
    fst__free(allocator, scratch->cache);
    fst__free(allocator, scratch);
}

fst_status fst__scratch_symbols(fst__scratch *scratch, size_t bytes)
{
    if (bytes <= scratch->symbol_bytes)
        return FST_OK;
    fst__free(scratch->allocator, scratch->symbols);
    scratch->symbol_bytes = 0;
    scratch->symbols = fst__alloc(scratch->allocator, bytes + bytes / 4);
    if (!scratch->symbols)
        return FST_ERR_NO_MEMORY;
    scratch->symbol_bytes = bytes + bytes / 4;
    return FST_OK;
}

fst_status fst__scratch_word(fst__scratch *scratch, size_t length)
{
    if (length <= scratch->word_capacity)
        return FST_OK;
    fst__free(scratch->allocator, scratch->word_ids);
    scratch->word_capacity = 0;
    scratch->word_ids = fst__alloc_array(scratch->allocator, length + length / 4 + 64, sizeof *scratch->word_ids);
    if (!scratch->word_ids)
        return FST_ERR_NO_MEMORY;
    scratch->word_capacity = length + length / 4 + 64;
    return FST_OK;
}

fst_status fst__pieces_append(fst__scratch *scratch, fst__pieces *pieces, fst__piece piece)
{
    if (pieces->count == pieces->capacity) {
        size_t capacity = pieces->capacity * 2 + 64;
        fst__piece *items = fst__realloc_array(scratch->allocator, pieces->items, capacity, sizeof *items);
        if (!items)
            return FST_ERR_NO_MEMORY;
        pieces->items = items;
        pieces->capacity = capacity;
    }
    pieces->items[pieces->count++] = piece;
    return FST_OK;
}

fst__scratch *fst__scratch_take(fst__scratch_stock *stock, fst__allocator *allocator)
{
    for (int i = 0; i < FST__IDLE_SCRATCHES; ++i) {
        if (!atomic_load_explicit(&stock->idle[i], memory_order_relaxed))
            continue;
        fst__scratch *scratch = atomic_exchange(&stock->idle[i], NULL);
        if (scratch)
            return scratch;
    }
    return fst__scratch_create(allocator);
}

void fst__scratch_return(fst__scratch_stock *stock, fst__scratch *scratch)
{
    for (int i = 0; i < FST__IDLE_SCRATCHES; ++i) {
        fst__scratch *expected = NULL;
        if (atomic_compare_exchange_strong(&stock->idle[i], &expected, scratch))
            return;
    }
    fst__scratch_destroy(scratch);
}

fst_status fst__ids_reserve(fst__ids *ids, size_t more)
{
    size_t needed = ids->count + more;
    if (needed <= ids->capacity)
        return FST_OK;
    size_t capacity = ids->capacity + ids->capacity / 2 + 256;
    if (capacity < needed)
        capacity = needed;
    int32_t *grown = fst__realloc_array(ids->allocator, ids->ids, capacity, sizeof *grown);
    if (!grown)
        return FST_ERR_NO_MEMORY;
    ids->ids = grown;
    if (ids->with_offsets) {
        int64_t *offsets = fst__realloc_array(ids->allocator, ids->offsets, capacity, 2 * sizeof *offsets);
        if (!offsets)
            return FST_ERR_NO_MEMORY;
        ids->offsets = offsets;
    }
    if (ids->with_words) {
        int32_t *words = fst__realloc_array(ids->allocator, ids->words, capacity, sizeof *words);
        if (!words)
            return FST_ERR_NO_MEMORY;
        ids->words = words;
    }
    ids->capacity = capacity;
    return FST_OK;
}

void fst__ids_destroy(fst__ids *ids)
{
    if (!ids->allocator)
        return;
    fst__free(ids->allocator, ids->words);
    fst__free(ids->allocator, ids->offsets);
    fst__free(ids->allocator, ids->ids);
    *ids = (fst__ids){.allocator = ids->allocator};
}
