/* Training: words are counted on the pool, then merged one pair at a time. */
#ifndef FST_TOKENIZER_TRAIN_H
#define FST_TOKENIZER_TRAIN_H

#include "tokenizer/internal.h"

typedef struct fst__word {
    uint64_t hash;
    size_t begin; /* in bytes */
    size_t length;
    int64_t count;
} fst__word;

/* A bag of words. */
typedef struct fst__word_counts {
    fst__allocator *allocator;
    fst__text bytes;
    fst__word *words;
    size_t count, capacity;
    uint32_t *table; /* index + 1 of a word; 0: free */
    size_t mask;
} fst__word_counts;

fst_status fst__word_counts_add(fst__word_counts *counts, const char *word, size_t length, int64_t times);
void fst__word_counts_destroy(fst__word_counts *counts);

/* Where the training text comes from: files, or texts in memory where paths is NULL. */
typedef struct fst__corpus {
    const char *const *paths;
    const char *const *texts;
    const size_t *lengths; /* NULL: texts end in NUL */
    size_t count;
} fst__corpus;

/* The tokenizer's normalizer and pre-tokenizer are compiled already. */
fst_status fst__count_words(const fst_tokenizer *tokenizer, const fst__corpus *corpus, fst__word_counts *counts);

/* Words as symbols, which are ids: word i has symbols[begins[i]] up to lengths[i] of them. */
typedef struct fst__symbol_words {
    fst__allocator *allocator;
    int32_t *symbols;
    size_t *begins;
    uint32_t *lengths;
    int64_t *counts;
    size_t count;
} fst__symbol_words;

/* Room for a symbol a byte; begins and counts are set, lengths are bytes. */
fst_status fst__symbol_words_create(fst__symbol_words *words, fst__allocator *allocator,
                                    const fst__word_counts *counts);
void fst__symbol_words_destroy(fst__symbol_words *words);

typedef struct fst__merge_list {
    fst__pair *pairs;
    int32_t *results;
    size_t count;
} fst__merge_list;

/* Merges pairs of the words' symbols, which it alters, into new tokens until there are vocabulary_size
 * of them. A right part loses its first prefix_length bytes when it is joined. merges NULL: not wanted;
 * else the caller frees both arrays. */
fst_status fst__train_merges(fst_tokenizer *tokenizer, fst__symbol_words *words, size_t prefix_length,
                             int32_t vocabulary_size, int64_t minimum_frequency, fst__merge_list *merges);

/* Fills the tokenizer's vocabulary (special tokens are there already) with characters and merges. */
fst_status fst__train_wordpiece(fst_tokenizer *tokenizer, const fst__word_counts *counts, int32_t vocabulary_size,
                                int64_t minimum_frequency, int32_t limit_alphabet);

/* Fills the tokenizer's vocabulary (special tokens are there already) and merges. */
fst_status fst__train_bpe(fst_tokenizer *tokenizer, const fst__word_counts *counts, int32_t vocabulary_size,
                          int64_t minimum_frequency);
/* Fills the vocabulary with the code points of the corpus. */
fst_status fst__train_characters(fst_tokenizer *tokenizer, const fst__corpus *corpus);

#endif
