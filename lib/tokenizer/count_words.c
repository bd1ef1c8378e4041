#include "base/error.h"
#include "base/threads.h"
#include "formats/file.h"
#include "tokenizer/hash.h"
#include "tokenizer/train.h"

#include <unistd.h>

enum {
    BLOCK_BYTES = 16 << 20, /* of a file at a time */
    GROUP_BYTES = 64 << 10, /* of lines a task counts */
};

void fst__word_counts_destroy(fst__word_counts *counts)
{
    if (!counts->allocator)
        return;
    fst__free(counts->allocator, counts->table);
    fst__free(counts->allocator, counts->words);
    fst__text_destroy(&counts->bytes);
}

static fst_status grow(fst__word_counts *counts)
{
    size_t capacity = counts->capacity * 2 + 1024;
    if (capacity >= UINT32_MAX)
        return fst__fail(FST_ERR_NO_MEMORY, "more than 2^32 different words");
    fst__word *words = fst__realloc_array(counts->allocator, counts->words, capacity, sizeof *words);
    if (!words)
        return FST_ERR_NO_MEMORY;
    counts->words = words;
    counts->capacity = capacity;
    size_t size = fst__hash_capacity(capacity);
    uint32_t *table = fst__alloc_zero(counts->allocator, size * sizeof *table);
    if (!table)
        return FST_ERR_NO_MEMORY;
    for (size_t i = 0; i < counts->count; ++i) {
        size_t at = words[i].hash & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = (uint32_t)i + 1;
    }
    fst__free(counts->allocator, counts->table);
    counts->table = table;
    counts->mask = size - 1;
    return FST_OK;
}

fst_status fst__word_counts_add(fst__word_counts *counts, const char *word, size_t length, int64_t times)
{
    if (counts->count == counts->capacity || !counts->table) {
        fst_status status = grow(counts);
        if (status)
            return status;
    }
    uint64_t hash = fst__hash_bytes(word, length);
    size_t at = hash & counts->mask;
    for (; counts->table[at]; at = (at + 1) & counts->mask) {
        fst__word *known = &counts->words[counts->table[at] - 1];
        if (known->hash == hash && known->length == length &&
            memcmp(counts->bytes.data + known->begin, word, length) == 0) {
            known->count += times;
            return FST_OK;
        }
    }
    fst__word *added = &counts->words[counts->count];
    *added = (fst__word){hash, counts->bytes.length, length, times};
    fst__text_append(&counts->bytes, word, length);
    if (counts->bytes.failed)
        return FST_ERR_NO_MEMORY;
    counts->table[at] = (uint32_t)++counts->count;
    return FST_OK;
}

typedef struct count_worker {
    fst__word_counts counts;
    fst__scratch *scratch;
    fst_status status;
} count_worker;

typedef struct word_counting {
    const fst_tokenizer *tokenizer;
    count_worker *workers;
    const char *const *texts;
    const size_t *lengths;
    size_t *group_begins; /* of a block: group i is [i], [i + 1] */
    const char *block;
} word_counting;

static fst_status count_text(const fst_tokenizer *tokenizer, count_worker *worker, const char *text, size_t length)
{
    const char *words;
    if (length > FST__MAX_TEXT)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "a text of %zu bytes; at most %zu", length, FST__MAX_TEXT);
    fst_status status = fst__normalize(tokenizer, worker->scratch, false, &text, &length);
    if (!status)
        status = fst__pretokenize(tokenizer, worker->scratch, text, 0, length, &words);
    for (size_t i = 0; !status && i < worker->scratch->pieces.count; ++i) {
        const fst__piece *piece = &worker->scratch->pieces.items[i];
        status = fst__word_counts_add(&worker->counts, words + piece->begin, piece->end - piece->begin, 1);
    }
    return status;
}

static void count_one_text(void *context, int64_t index, int32_t number)
{
    const word_counting *counting = context;
    count_worker *worker = &counting->workers[number];
    size_t length = counting->lengths ? counting->lengths[index] : strlen(counting->texts[index]);
    if (!worker->status)
        worker->status = count_text(counting->tokenizer, worker, counting->texts[index], length);
}

static void count_lines(void *context, int64_t index, int32_t number)
{
    const word_counting *counting = context;
    count_worker *worker = &counting->workers[number];
    const char *at = counting->block + counting->group_begins[index];
    const char *end = counting->block + counting->group_begins[index + 1];
    while (at < end && !worker->status) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline + 1 : end;
        worker->status = count_text(counting->tokenizer, worker, at, (size_t)(stop - at));
        at = stop;
    }
}

/* The status of the workers; their threads' error texts are not this thread's. */
static fst_status join_status(const word_counting *counting, int32_t count)
{
    for (int32_t i = 0; i < count; ++i) {
        fst_status status = counting->workers[i].status;
        if (status)
            return fst__fail(status, status == FST_ERR_NO_MEMORY ? "out of memory: counting words"
                                                                 : "counting words: a text cannot be split");
    }
    return FST_OK;
}

static fst_status count_block(word_counting *counting, const char *block, size_t size)
{
    fst__pool *pool = counting->tokenizer->context->pool;
    size_t groups = 0;
    counting->block = block;
    counting->group_begins[0] = 0;
    for (size_t at = 0; at < size;) {
        size_t next = size - at > GROUP_BYTES ? at + GROUP_BYTES : size;
        const char *newline = next < size ? memchr(block + next, '\n', size - next) : NULL;
        at = newline ? (size_t)(newline - block) + 1 : size;
        counting->group_begins[++groups] = at;
    }
    fst__pool_run(pool, (int64_t)groups, count_lines, counting);
    return join_status(counting, fst__pool_workers(pool));
}

/* Reads a file by blocks that end at a line's end; a longer line makes the block grow. */
static fst_status count_file(word_counting *counting, const char *path)
{
    fst__allocator *allocator = counting->tokenizer->allocator;
    size_t size, capacity = BLOCK_BYTES, held = 0, read = 0;
    int descriptor;
    fst_status status = fst__file_open(path, &descriptor, &size);
    if (status)
        return status;
    if (capacity > size)
        capacity = size;
    char *block = fst__alloc(allocator, capacity);
    if (!block)
        status = FST_ERR_NO_MEMORY;
    while (!status && (read < size || held)) {
        size_t part = capacity - held < size - read ? capacity - held : size - read;
        status = fst__file_read_at(descriptor, path, read, block + held, part);
        if (status)
            break;
        read += part;
        held += part;
        size_t ready = held;
        while (read < size && ready && block[ready - 1] != '\n')
            --ready;
        if (ready) {
            counting->group_begins = fst__alloc_array(allocator, ready / GROUP_BYTES + 2, sizeof(size_t));
            status = counting->group_begins ? count_block(counting, block, ready) : FST_ERR_NO_MEMORY;
            fst__free(allocator, counting->group_begins);
            memmove(block, block + ready, held - ready);
            held -= ready;
        } else {
            char *grown = fst__realloc(allocator, block, capacity * 2);
            status = grown ? FST_OK : FST_ERR_NO_MEMORY;
            block = grown ? grown : block;
            capacity *= 2;
        }
    }
    fst__free(allocator, block);
    close(descriptor);
    return status ? fst__fail_in(status, "%s", path) : FST_OK;
}

static fst_status collect(word_counting *counting, int32_t workers, fst__word_counts *counts)
{
    fst_status status = FST_OK;
    *counts = counting->workers[0].counts;
    counting->workers[0].counts = (fst__word_counts){0};
    for (int32_t i = 1; i < workers; ++i) {
        const fst__word_counts *part = &counting->workers[i].counts;
        for (size_t j = 0; j < part->count && !status; ++j)
            status = fst__word_counts_add(counts, part->bytes.data + part->words[j].begin, part->words[j].length,
                                          part->words[j].count);
    }
    return status;
}

fst_status fst__count_words(const fst_tokenizer *tokenizer, const fst__corpus *corpus, fst__word_counts *counts)
{
    fst__allocator *allocator = tokenizer->allocator;
    int32_t workers = fst__pool_workers(tokenizer->context->pool);
    word_counting counting = {.tokenizer = tokenizer, .texts = corpus->texts, .lengths = corpus->lengths};
    counting.workers = fst__alloc_zero(allocator, (size_t)workers * sizeof *counting.workers);
    if (!counting.workers)
        return FST_ERR_NO_MEMORY;
    fst_status status = FST_OK;
    for (int32_t i = 0; i < workers; ++i) {
        count_worker *worker = &counting.workers[i];
        worker->counts = (fst__word_counts){.allocator = allocator, .bytes = fst__text_create(allocator)};
        worker->scratch = fst__scratch_create(allocator);
        if (!worker->scratch)
            status = FST_ERR_NO_MEMORY;
    }
    if (!status && !corpus->paths) {
        fst__pool_run(tokenizer->context->pool, (int64_t)corpus->count, count_one_text, &counting);
        status = join_status(&counting, workers);
    }
    for (size_t i = 0; corpus->paths && i < corpus->count && !status; ++i)
        status = count_file(&counting, corpus->paths[i]);
    if (!status)
        status = collect(&counting, workers, counts);
    for (int32_t i = 0; i < workers; ++i) {
        fst__scratch_destroy(counting.workers[i].scratch);
        fst__word_counts_destroy(&counting.workers[i].counts);
    }
    fst__free(allocator, counting.workers);
    return status;
}
