/*
 * WordPiece's vocabulary as `tokenizers`' WordPieceTrainer makes it: by byte-pair training
 * (train_bpe.c) over characters, of which those inside a word carry the prefix "##". Its hash tables
 * leave to chance which of those letters comes first, and what `limit_alphabet` drops of equals; here
 * code points decide.
 */
#include "tokenizer/train.h"

#include "base/error.h"
#include "base/utf8.h"

#include <stdlib.h>

typedef struct letter {
    int64_t count;
    int32_t point;
} letter;

/* Of the code points below `points`. */
typedef struct letter_table {
    int64_t *count;  /* how often it stands in the words */
    uint8_t *inside; /* 1: not always as the first of one */
    int32_t points;
} letter_table;

/* The highest code point + 1. */
static int32_t points_of(const fst__word_counts *words)
{
    const unsigned char *bytes = (const unsigned char *)words->bytes.data;
    int32_t points = 0;
    for (size_t at = 0, step; at < words->bytes.length; at += step) {
        int32_t point = fst__utf8_decode(bytes + at, bytes + words->bytes.length, &step);
        points = point >= points ? point + 1 : points;
    }
    return points;
}

static void count_letters(const fst__word_counts *words, letter_table *table)
{
    for (size_t i = 0; i < words->count; ++i) {
        const unsigned char *begin = (const unsigned char *)words->bytes.data + words->words[i].begin;
        const unsigned char *end = begin + words->words[i].length;
        size_t step;
        for (const unsigned char *at = begin; at < end; at += step) {
            int32_t point = fst__utf8_decode(at, end, &step);
            if (point == FST__INVALID_BYTE)
                continue;
            table->count[point] += words->words[i].count;
            table->inside[point] |= at > begin;
        }
    }
}

/* Most frequent first, of equals the smaller code point. */
static int by_count(const void *left, const void *right)
{
    const letter *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->point < b->point ? -1 : a->point > b->point;
}

/* Sets the count of the letters beyond the limit to 0. */
static fst_status drop_rare(fst__allocator *allocator, letter_table *table, size_t limit)
{
    size_t different = 0, at = 0;
    for (int32_t point = 0; point < table->points; ++point)
        different += table->count[point] > 0;
    if (!limit || different <= limit)
        return FST_OK;
    letter *letters = fst__alloc_array(allocator, different, sizeof *letters);
    if (!letters)
        return FST_ERR_NO_MEMORY;
    for (int32_t point = 0; point < table->points; ++point) {
        if (table->count[point])
            letters[at++] = (letter){table->count[point], point};
    }
    qsort(letters, different, sizeof *letters, by_count);
    for (size_t i = limit; i < different; ++i)
        table->count[letters[i].point] = 0;
    fst__free(allocator, letters);
    return FST_OK;
}

static size_t spell(const fst__wordpiece *wordpiece, int32_t point, bool inside, char *out)
{
    size_t prefix = inside ? wordpiece->prefix_length : 0;
    memcpy(out, wordpiece->prefix, prefix);
    return prefix + fst__utf8_encode((uint32_t)point, (unsigned char *)out + prefix);
}

static fst_status insert_letter(fst_tokenizer *tokenizer, int32_t point, bool inside)
{
    char spelling[sizeof FST__WORDPIECE_PREFIX + 4];
    fst__vocabulary *vocabulary = &tokenizer->vocabulary;
    size_t length = spell(&tokenizer->wordpiece, point, inside, spelling);
    if (fst__vocabulary_find_spelling(vocabulary, spelling, length) >= 0)
        return FST_OK;
    return fst__vocabulary_insert(vocabulary, vocabulary->count, spelling, length, FST__TOKEN_MODEL, false);
}

static fst_status insert_alphabet(fst_tokenizer *tokenizer, const fst__word_counts *counts, int32_t limit)
{
    fst__allocator *allocator = tokenizer->allocator;
    letter_table table = {.points = points_of(counts)};
    table.count = fst__alloc_zero(allocator, ((size_t)table.points + 1) * sizeof *table.count);
    table.inside = fst__alloc_zero(allocator, (size_t)table.points + 1);
    fst_status status = table.count && table.inside ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status) {
        count_letters(counts, &table);
        status = drop_rare(allocator, &table, (size_t)limit);
    }
    for (int inside = 0; inside < 2; ++inside) {
        for (int32_t point = 0; point < table.points && !status; ++point) {
            if (table.count[point] && (!inside || table.inside[point]))
                status = insert_letter(tokenizer, point, inside);
        }
    }
    fst__free(allocator, table.inside);
    fst__free(allocator, table.count);
    return status;
}

/* Letters that the alphabet lacks are left out of their words, as `tokenizers` does it. */
static void letters_to_symbols(const fst_tokenizer *tokenizer, const fst__word_counts *counts,
                               fst__symbol_words *words)
{
    char spelling[sizeof FST__WORDPIECE_PREFIX + 4];
    for (size_t i = 0; i < words->count; ++i) {
        const unsigned char *begin = (const unsigned char *)counts->bytes.data + words->begins[i];
        const unsigned char *end = begin + counts->words[i].length;
        uint32_t length = 0;
        size_t step;
        for (const unsigned char *at = begin; at < end; at += step) {
            int32_t point = fst__utf8_decode(at, end, &step);
            if (point == FST__INVALID_BYTE)
                continue;
            size_t size = spell(&tokenizer->wordpiece, point, at > begin, spelling);
            int32_t id = fst__vocabulary_find_spelling(&tokenizer->vocabulary, spelling, size);
            if (id >= 0)
                words->symbols[words->begins[i] + length++] = id;
        }
        words->lengths[i] = length;
    }
}

fst_status fst__train_wordpiece(fst_tokenizer *tokenizer, const fst__word_counts *counts, int32_t vocabulary_size,
                                int64_t minimum_frequency, int32_t limit_alphabet)
{
    fst__symbol_words words = {0};
    fst_status status = insert_alphabet(tokenizer, counts, limit_alphabet);
    if (!status)
        status = fst__symbol_words_create(&words, tokenizer->allocator, counts);
    if (!status) {
        letters_to_symbols(tokenizer, counts, &words);
        status = fst__train_merges(tokenizer, &words, tokenizer->wordpiece.prefix_length, vocabulary_size,
                                   minimum_frequency, NULL);
    }
    fst__symbol_words_destroy(&words);
    return status;
}
