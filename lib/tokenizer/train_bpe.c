/*
 * Byte-pair training with a heap of pairs that is brought up to date as words change. It follows
 * `tokenizers`' BpeTrainer step by step (models/bpe/trainer.rs, do_train), the oddities included:
 * a pair's count is not lowered by merging it, and positions that are found later queue apart, so
 * that the merges come out the same. Ties: the highest count, then the smallest pair of ids.
 */
#include "base/error.h"
#include "tokenizer/hash.h"
#include "tokenizer/train.h"
#include "base/utf8.h"

typedef struct pair_state {
    uint64_t key; /* left << 32 | right */
    int64_t count;
    uint32_t *where; /* words in which the pair came up since it was last queued */
    uint32_t where_count, where_capacity;
    int64_t merged_as; /* index of its latest merge; -1: none */
} pair_state;

typedef struct queued {
    int64_t count;
    uint64_t key;
    uint32_t pair;
    uint32_t where_count;
    uint32_t *where; /* owned */
} queued;

typedef struct bpe_trainer {
    fst_tokenizer *tokenizer;
    fst__allocator *allocator;
    fst__symbol_words *words;
    size_t prefix_length; /* of a right part, which it loses */

    pair_state *pairs;
    size_t pair_count, pair_capacity;
    uint32_t *table; /* index + 1 of a pair; 0: free */
    size_t mask;
    uint32_t *touched; /* pairs with `where` */
    size_t touched_count, touched_capacity;
    queued *heap;
    size_t heap_count, heap_capacity;

    fst__pair *merges;
    int32_t *results;
    size_t merge_count, merge_capacity;
    fst__text joined;
} bpe_trainer;

/* ---- growing arrays ---- */

static bool grow(bpe_trainer *trainer, void *array, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return true;
    size_t larger = *capacity * 2 + 64;
    void *grown = fst__realloc_array(trainer->allocator, *(void **)array, larger, size);
    if (!grown)
        return false;
    *(void **)array = grown;
    *capacity = larger;
    return true;
}

/* ---- pairs ---- */

static bool grow_table(bpe_trainer *trainer)
{
    size_t size = fst__hash_capacity(trainer->pair_count * 2 + 1024);
    uint32_t *table = fst__alloc_zero(trainer->allocator, size * sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < trainer->pair_count; ++i) {
        size_t at = fst__hash_mix(trainer->pairs[i].key) & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = (uint32_t)i + 1;
    }
    fst__free(trainer->allocator, trainer->table);
    trainer->table = table;
    trainer->mask = size - 1;
    return true;
}

/* The pair's state, made where it is new. NULL: out of memory. */
static pair_state *find_pair(bpe_trainer *trainer, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    if ((!trainer->table || trainer->pair_count * 2 >= trainer->mask) && !grow_table(trainer))
        return NULL;
    size_t at = fst__hash_mix(key) & trainer->mask;
    for (; trainer->table[at]; at = (at + 1) & trainer->mask) {
        pair_state *pair = &trainer->pairs[trainer->table[at] - 1];
        if (pair->key == key)
            return pair;
    }
    if (!grow(trainer, &trainer->pairs, &trainer->pair_capacity, trainer->pair_count + 1, sizeof *trainer->pairs))
        return NULL;
    pair_state *pair = &trainer->pairs[trainer->pair_count++];
    *pair = (pair_state){.key = key, .merged_as = -1};
    trainer->table[at] = (uint32_t)trainer->pair_count;
    return pair;
}

static bool change(bpe_trainer *trainer, int32_t left, int32_t right, int64_t by, uint32_t word)
{
    pair_state *pair = find_pair(trainer, left, right);
    if (!pair)
        return false;
    pair->count += by;
    if (by <= 0 || (pair->where_count && pair->where[pair->where_count - 1] == word))
        return true;
    if (!pair->where_count) {
        if (!grow(trainer, &trainer->touched, &trainer->touched_capacity, trainer->touched_count + 1,
                  sizeof *trainer->touched))
            return false;
        trainer->touched[trainer->touched_count++] = (uint32_t)(pair - trainer->pairs);
    }
    size_t capacity = pair->where_capacity;
    if (!capacity) { /* most pairs are rare: begin small */
        pair->where = fst__alloc_array(trainer->allocator, 4, sizeof *pair->where);
        if (!pair->where)
            return false;
        capacity = 4;
    } else if (!grow(trainer, &pair->where, &capacity, (size_t)pair->where_count + 1, sizeof *pair->where)) {
        return false;
    }
    pair->where_capacity = (uint32_t)capacity;
    pair->where[pair->where_count++] = word;
    return true;
}

/* ---- the queue ---- */

static bool before(const queued *a, const queued *b)
{
    return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static void sift_down(queued *heap, size_t count)
{
    queued value = heap[0];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && before(&heap[child + 1], &heap[child]);
        if (!before(&heap[child], &value))
            break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

static bool push(bpe_trainer *trainer, queued value)
{
    if (!grow(trainer, &trainer->heap, &trainer->heap_capacity, trainer->heap_count + 1, sizeof *trainer->heap))
        return false;
    size_t at = trainer->heap_count++;
    for (; at && before(&value, &trainer->heap[(at - 1) / 2]); at = (at - 1) / 2)
        trainer->heap[at] = trainer->heap[(at - 1) / 2];
    trainer->heap[at] = value;
    return true;
}

static bool queue_touched(bpe_trainer *trainer)
{
    for (size_t i = 0; i < trainer->touched_count; ++i) {
        pair_state *pair = &trainer->pairs[trainer->touched[i]];
        if (pair->count > 0) {
            if (!push(trainer, (queued){pair->count, pair->key, trainer->touched[i], pair->where_count, pair->where}))
                return false;
        } else {
            fst__free(trainer->allocator, pair->where);
        }
        pair->where = NULL;
        pair->where_count = pair->where_capacity = 0;
    }
    trainer->touched_count = 0;
    return true;
}

/* ---- words ---- */

fst_status fst__symbol_words_create(fst__symbol_words *words, fst__allocator *allocator,
                                    const fst__word_counts *counts)
{
    *words = (fst__symbol_words){.allocator = allocator, .count = counts->count};
    words->symbols = fst__alloc_array(allocator, counts->bytes.length, sizeof *words->symbols);
    words->begins = fst__alloc_array(allocator, counts->count, sizeof *words->begins);
    words->lengths = fst__alloc_array(allocator, counts->count, sizeof *words->lengths);
    words->counts = fst__alloc_array(allocator, counts->count, sizeof *words->counts);
    if (!words->symbols || !words->begins || !words->lengths || !words->counts)
        return FST_ERR_NO_MEMORY;
    for (size_t i = 0; i < counts->count; ++i) {
        words->begins[i] = counts->words[i].begin;
        words->lengths[i] = (uint32_t)counts->words[i].length;
        words->counts[i] = counts->words[i].count;
    }
    return FST_OK;
}

void fst__symbol_words_destroy(fst__symbol_words *words)
{
    if (!words->allocator)
        return;
    fst__free(words->allocator, words->counts);
    fst__free(words->allocator, words->lengths);
    fst__free(words->allocator, words->begins);
    fst__free(words->allocator, words->symbols);
    *words = (fst__symbol_words){0};
}

static fst_status count_pairs(bpe_trainer *trainer)
{
    const fst__symbol_words *words = trainer->words;
    for (size_t i = 0; i < words->count; ++i) {
        const int32_t *symbols = words->symbols + words->begins[i];
        for (uint32_t j = 0; j + 1 < words->lengths[i]; ++j) {
            if (!change(trainer, symbols[j], symbols[j + 1], words->counts[i], (uint32_t)i))
                return FST_ERR_NO_MEMORY;
        }
    }
    return queue_touched(trainer) ? FST_OK : FST_ERR_NO_MEMORY;
}

/* Word::merge: joins the pair wherever it stands in the word, from the left. */
static bool merge_in_word(bpe_trainer *trainer, uint32_t word, int32_t left, int32_t right, int32_t joined)
{
    int32_t *symbols = trainer->words->symbols + trainer->words->begins[word];
    uint32_t length = trainer->words->lengths[word], out = 0;
    int64_t count = trainer->words->counts[word];
    for (uint32_t i = 0; i < length; ++i) {
        if (symbols[i] != left || i + 1 >= length || symbols[i + 1] != right) {
            symbols[out++] = symbols[i];
            continue;
        }
        if (out && (!change(trainer, symbols[out - 1], left, -count, word) ||
                    !change(trainer, symbols[out - 1], joined, count, word)))
            return false;
        ++i;
        if (i + 1 < length && (!change(trainer, right, symbols[i + 1], -count, word) ||
                               !change(trainer, joined, symbols[i + 1], count, word)))
            return false;
        symbols[out++] = joined;
    }
    trainer->words->lengths[word] = out;
    return true;
}

/* ---- merging ---- */

static fst_status join_tokens(bpe_trainer *trainer, int32_t left, int32_t right, int32_t *id)
{
    fst__vocabulary *vocabulary = &trainer->tokenizer->vocabulary;
    fst__text *joined = &trainer->joined;
    joined->length = 0;
    fst__text_append(joined, fst__token_spelling(vocabulary, left), vocabulary->tokens[left].spelling_length);
    fst__text_append(joined, fst__token_spelling(vocabulary, right) + trainer->prefix_length,
                     vocabulary->tokens[right].spelling_length - trainer->prefix_length);
    if (joined->failed)
        return FST_ERR_NO_MEMORY;
    *id = fst__vocabulary_find_spelling(vocabulary, joined->data, joined->length);
    if (*id >= 0)
        return FST_OK;
    *id = vocabulary->count;
    return fst__vocabulary_insert(vocabulary, *id, joined->data, joined->length, FST__TOKEN_MODEL,
                                  trainer->tokenizer->model == FST__MODEL_BPE);
}

static fst_status record_merge(bpe_trainer *trainer, pair_state *pair, int32_t left, int32_t right, int32_t id)
{
    size_t capacity = trainer->merge_capacity;
    if (!grow(trainer, &trainer->merges, &capacity, trainer->merge_count + 1, sizeof *trainer->merges) ||
        !grow(trainer, &trainer->results, &trainer->merge_capacity, trainer->merge_count + 1,
              sizeof *trainer->results))
        return FST_ERR_NO_MEMORY;
    if (pair->merged_as >= 0) /* the later rank counts */
        trainer->results[pair->merged_as] = -1;
    pair->merged_as = (int64_t)trainer->merge_count;
    trainer->merges[trainer->merge_count] = (fst__pair){left, right};
    trainer->results[trainer->merge_count++] = id;
    return FST_OK;
}

static fst_status merge_top(bpe_trainer *trainer, queued *top)
{
    int32_t left = (int32_t)(top->key >> 32), right = (int32_t)(top->key & UINT32_MAX), id;
    fst_status status = join_tokens(trainer, left, right, &id);
    if (!status)
        status = record_merge(trainer, &trainer->pairs[top->pair], left, right, id);
    for (uint32_t i = 0; i < top->where_count && !status; ++i) {
        if (!merge_in_word(trainer, top->where[i], left, right, id))
            status = FST_ERR_NO_MEMORY;
    }
    return status ? status : queue_touched(trainer) ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_status merge_all(bpe_trainer *trainer, int32_t vocabulary_size, int64_t minimum_frequency)
{
    while (trainer->heap_count && trainer->tokenizer->vocabulary.count < vocabulary_size) {
        queued *top = &trainer->heap[0];
        int64_t count = trainer->pairs[top->pair].count;
        if (top->count != count) {
            top->count = count > 0 ? count : 0;
            if (count <= 0) /* never comes up again as it is */
                trainer->pairs[top->pair].count = 0;
            sift_down(trainer->heap, trainer->heap_count);
            continue;
        }
        if (count < 1 || count < minimum_frequency)
            break;
        queued taken = *top;
        trainer->heap[0] = trainer->heap[--trainer->heap_count];
        if (trainer->heap_count)
            sift_down(trainer->heap, trainer->heap_count);
        fst_status status = merge_top(trainer, &taken);
        fst__free(trainer->allocator, taken.where);
        if (status)
            return status;
    }
    return FST_OK;
}

static void destroy(bpe_trainer *trainer)
{
    fst__allocator *allocator = trainer->allocator;
    for (size_t i = 0; i < trainer->heap_count; ++i)
        fst__free(allocator, trainer->heap[i].where);
    for (size_t i = 0; i < trainer->touched_count; ++i)
        fst__free(allocator, trainer->pairs[trainer->touched[i]].where);
    fst__text_destroy(&trainer->joined);
    fst__free(allocator, trainer->results);
    fst__free(allocator, trainer->merges);
    fst__free(allocator, trainer->heap);
    fst__free(allocator, trainer->touched);
    fst__free(allocator, trainer->table);
    fst__free(allocator, trainer->pairs);
}

/* The 256 bytes in the order of their letters in the alphabet. */
static fst_status insert_alphabet(fst__vocabulary *vocabulary)
{
    for (int32_t point = 0; point <= 323; ++point) {
        unsigned char letter[4];
        if (fst__alphabet_byte(point) < 0)
            continue;
        size_t length = fst__utf8_encode((uint32_t)point, letter);
        if (fst__vocabulary_find_spelling(vocabulary, (char *)letter, length) >= 0)
            continue;
        fst_status status = fst__vocabulary_insert(vocabulary, vocabulary->count, (char *)letter, length,
                                                   FST__TOKEN_MODEL, true);
        if (status)
            return status;
    }
    return FST_OK;
}

/* Without those that a later rank of the same pair has replaced. */
static void hand_over(bpe_trainer *trainer, fst__merge_list *merges)
{
    size_t kept = 0;
    for (size_t i = 0; i < trainer->merge_count; ++i) {
        if (trainer->results[i] < 0)
            continue;
        trainer->merges[kept] = trainer->merges[i];
        trainer->results[kept++] = trainer->results[i];
    }
    *merges = (fst__merge_list){trainer->merges, trainer->results, kept};
    trainer->merges = NULL;
    trainer->results = NULL;
}

fst_status fst__train_merges(fst_tokenizer *tokenizer, fst__symbol_words *words, size_t prefix_length,
                             int32_t vocabulary_size, int64_t minimum_frequency, fst__merge_list *merges)
{
    bpe_trainer trainer = {.tokenizer = tokenizer, .allocator = tokenizer->allocator, .words = words,
                           .prefix_length = prefix_length, .joined = fst__text_create(tokenizer->allocator)};
    fst_status status = count_pairs(&trainer);
    if (!status)
        status = merge_all(&trainer, vocabulary_size, minimum_frequency);
    if (!status && merges)
        hand_over(&trainer, merges);
    destroy(&trainer);
    return status;
}

static fst_status bytes_to_symbols(const fst__vocabulary *vocabulary, const fst__word_counts *counts,
                                   fst__symbol_words *words)
{
    int32_t byte_ids[256];
    fst_status status = fst__symbol_words_create(words, vocabulary->allocator, counts);
    for (int byte = 0; byte < 256; ++byte) {
        char c = (char)byte;
        byte_ids[byte] = fst__vocabulary_find_bytes(vocabulary, &c, 1);
    }
    for (size_t i = 0; i < counts->bytes.length && !status; ++i)
        words->symbols[i] = byte_ids[(unsigned char)counts->bytes.data[i]];
    return status;
}

fst_status fst__train_bpe(fst_tokenizer *tokenizer, const fst__word_counts *counts, int32_t vocabulary_size,
                          int64_t minimum_frequency)
{
    fst__symbol_words words = {0};
    fst__merge_list merges = {0};
    fst_status status = insert_alphabet(&tokenizer->vocabulary);
    if (!status)
        status = bytes_to_symbols(&tokenizer->vocabulary, counts, &words);
    if (!status)
        status = fst__train_merges(tokenizer, &words, 0, vocabulary_size, minimum_frequency, &merges);
    if (!status)
        status = fst__bpe_create(&tokenizer->bpe, tokenizer->allocator, &tokenizer->vocabulary, merges.pairs,
                                 merges.results, merges.count);
    fst__free(tokenizer->allocator, merges.results);
    fst__symbol_words_destroy(&words);
    return status;
}
