/*
 * Byte-pair encoding of one word: of all neighbours that have a merge, the pair of lowest rank is
 * joined, the leftmost of equals, until none has one (Sennrich et al. 2016, algorithm 1). Short
 * words by looking through the array, long ones by a linked list and a heap in O(n log n).
 */
#include "base/error.h"
#include "tokenizer/hash.h"
#include "tokenizer/internal.h"

enum { SHORT_WORD = 64 };
#define NO_RANK UINT32_MAX

static uint64_t key_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static inline const fst__merge *find_merge(const fst__bpe *bpe, int32_t left, int32_t right)
{
    uint64_t key = key_of(left, right);
    for (size_t at = fst__hash_mix(key) & bpe->mask;; at = (at + 1) & bpe->mask) {
        const fst__merge *merge = &bpe->merges[at];
        if (merge->key == key)
            return merge;
        if (merge->key == UINT64_MAX)
            return NULL;
    }
}

/* A pair given twice counts with its last rank, as in `tokenizers`. */
static void put_merge(fst__bpe *bpe, fst__pair pair, uint32_t rank, int32_t id)
{
    uint64_t key = key_of(pair.left, pair.right);
    size_t at = fst__hash_mix(key) & bpe->mask;
    while (bpe->merges[at].key != UINT64_MAX && bpe->merges[at].key != key)
        at = (at + 1) & bpe->mask;
    bpe->merges[at] = (fst__merge){key, rank, id};
}

static fst_status fill_byte_pairs(fst__bpe *bpe, const fst__vocabulary *vocabulary)
{
    for (int byte = 0; byte < 256; ++byte) {
        char c = (char)byte;
        bpe->byte_ids[byte] = fst__vocabulary_find_bytes(vocabulary, &c, 1);
        if (bpe->byte_ids[byte] < 0)
            return fst__fail(FST_ERR_FORMAT, "model.vocab: no token for byte 0x%02x", (unsigned)byte);
    }
    bpe->byte_pairs = fst__alloc_array(bpe->allocator, 65536, sizeof *bpe->byte_pairs);
    if (!bpe->byte_pairs)
        return FST_ERR_NO_MEMORY;
    for (int pair = 0; pair < 65536; ++pair) {
        const fst__merge *merge = find_merge(bpe, bpe->byte_ids[pair >> 8], bpe->byte_ids[pair & 255]);
        bpe->byte_pairs[pair].rank = merge ? merge->rank : NO_RANK;
        bpe->byte_pairs[pair].id = merge ? merge->id : -1;
    }
    return FST_OK;
}

fst_status fst__bpe_create(fst__bpe *bpe, fst__allocator *allocator, const fst__vocabulary *vocabulary,
                           fst__pair *ordered, const int32_t *results, size_t count)
{
    *bpe = (fst__bpe){.allocator = allocator, .ordered = ordered, .count = count};
    size_t capacity = fst__hash_capacity(count);
    bpe->merges = fst__alloc_array(allocator, capacity, sizeof *bpe->merges);
    if (!bpe->merges)
        return FST_ERR_NO_MEMORY;
    for (size_t i = 0; i < capacity; ++i)
        bpe->merges[i].key = UINT64_MAX;
    bpe->mask = capacity - 1;
    for (size_t i = 0; i < count; ++i)
        put_merge(bpe, ordered[i], (uint32_t)i, results[i]);
    return fill_byte_pairs(bpe, vocabulary);
}

void fst__bpe_destroy(fst__bpe *bpe)
{
    if (!bpe->allocator)
        return;
    fst__free(bpe->allocator, bpe->byte_pairs);
    fst__free(bpe->allocator, bpe->ordered);
    fst__free(bpe->allocator, bpe->merges);
    *bpe = (fst__bpe){0};
}

/* ids [length]; ranks[i], joined[i]: the merge of ids[i] and ids[i + 1]. */
static size_t merge_short(const fst__bpe *bpe, const unsigned char *word, size_t length, int32_t *ids)
{
    uint32_t ranks[SHORT_WORD];
    int32_t joined[SHORT_WORD];
    for (size_t i = 0; i + 1 < length; ++i) {
        const struct fst__byte_pair *pair = &bpe->byte_pairs[(size_t)word[i] << 8 | word[i + 1]];
        ranks[i] = pair->rank;
        joined[i] = pair->id;
        ids[i] = bpe->byte_ids[word[i]];
    }
    ids[length - 1] = bpe->byte_ids[word[length - 1]];
    while (length > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < length; ++i)
            best = ranks[i] < ranks[best] ? i : best;
        if (ranks[best] == NO_RANK)
            break;
        ids[best] = joined[best];
        --length;
        memmove(ids + best + 1, ids + best + 2, (length - best - 1) * sizeof *ids);
        memmove(ranks + best, ranks + best + 1, (length - best - 1) * sizeof *ranks);
        memmove(joined + best, joined + best + 1, (length - best - 1) * sizeof *joined);
        for (size_t i = best ? best - 1 : 0; i <= best && i + 1 < length; ++i) {
            const fst__merge *merge = find_merge(bpe, ids[i], ids[i + 1]);
            ranks[i] = merge ? merge->rank : NO_RANK;
            joined[i] = merge ? merge->id : -1;
        }
    }
    return length;
}

typedef struct symbol {
    int32_t id;
    int32_t previous, next; /* -1: none */
    uint32_t rank;          /* of the merge with next; NO_RANK: none, or joined into another */
    int32_t joined;
} symbol;

static void sift_up(uint64_t *heap, size_t at)
{
    uint64_t value = heap[at];
    for (; at && heap[(at - 1) / 2] > value; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = value;
}

static uint64_t pop(uint64_t *heap, size_t *count)
{
    uint64_t top = heap[0], value = heap[--*count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < *count; at = child) {
        child += child + 1 < *count && heap[child + 1] < heap[child];
        if (heap[child] >= value)
            break;
        heap[at] = heap[child];
    }
    heap[at] = value;
    return top;
}

/* Heap entries are rank << 32 | position; one whose symbol has another rank by now is out of date. */
static void offer(const fst__bpe *bpe, symbol *symbols, int32_t at, uint64_t *heap, size_t *count)
{
    symbol *left = &symbols[at];
    const fst__merge *merge = left->next < 0 ? NULL : find_merge(bpe, left->id, symbols[left->next].id);
    left->rank = merge ? merge->rank : NO_RANK;
    if (!merge)
        return;
    left->joined = merge->id;
    heap[*count] = (uint64_t)merge->rank << 32 | (uint32_t)at;
    sift_up(heap, (*count)++);
}

static size_t merge_long(const fst__bpe *bpe, symbol *symbols, uint64_t *heap, const unsigned char *word,
                         int32_t length, int32_t *ids)
{
    size_t waiting = 0, count = 0;
    for (int32_t i = 0; i < length; ++i) {
        symbols[i] = (symbol){.id = bpe->byte_ids[word[i]], .previous = i - 1,
                              .next = i + 1 < length ? i + 1 : -1, .rank = NO_RANK};
    }
    for (int32_t i = 0; i + 1 < length; ++i)
        offer(bpe, symbols, i, heap, &waiting);
    while (waiting) {
        uint64_t top = pop(heap, &waiting);
        int32_t at = (int32_t)(top & UINT32_MAX);
        symbol *left = &symbols[at];
        if (left->rank != top >> 32)
            continue;
        symbol *right = &symbols[left->next];
        left->id = left->joined;
        left->next = right->next;
        right->rank = NO_RANK;
        if (left->next >= 0)
            symbols[left->next].previous = at;
        offer(bpe, symbols, at, heap, &waiting);
        if (left->previous >= 0)
            offer(bpe, symbols, left->previous, heap, &waiting);
    }
    for (int32_t at = 0; at >= 0; at = symbols[at].next)
        ids[count++] = symbols[at].id;
    return count;
}

fst_status fst__bpe_merge_word(const fst__bpe *bpe, fst__scratch *scratch, const char *word, size_t length,
                               int32_t *ids, size_t *count)
{
    const unsigned char *bytes = (const unsigned char *)word;
    if (length <= SHORT_WORD) {
        *count = length ? merge_short(bpe, bytes, length, ids) : 0;
        return FST_OK;
    }
    /* Every merge takes one entry out and offers at most two: 2 · length entries at once suffice. */
    size_t heap_bytes = 2 * length * sizeof(uint64_t);
    fst_status status = fst__scratch_symbols(scratch, heap_bytes + length * sizeof(symbol));
    if (status)
        return status;
    *count = merge_long(bpe, (symbol *)(void *)((char *)scratch->symbols + heap_bytes), scratch->symbols, bytes,
                        (int32_t)length, ids);
    return FST_OK;
}

fst_status fst__bpe_mark_whole(const fst__bpe *bpe, fst__scratch *scratch, fst__vocabulary *vocabulary)
{
    for (int32_t id = 0; id < vocabulary->count; ++id) {
        fst__token *token = &vocabulary->tokens[id];
        if (!(token->flags & FST__TOKEN_MODEL) || !token->length)
            continue;
        size_t count = 1;
        fst_status status = fst__scratch_word(scratch, token->length);
        if (!status && !bpe->ignore_merges)
            status = fst__bpe_merge_word(bpe, scratch, fst__token_bytes(vocabulary, id), token->length,
                                         scratch->word_ids, &count);
        if (status)
            return status;
        if (bpe->ignore_merges || (count == 1 && scratch->word_ids[0] == id))
            token->flags |= FST__TOKEN_WHOLE;
    }
    return FST_OK;
}
