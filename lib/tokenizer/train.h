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

/* Fills the tokenizer's vocabulary (special tokens are there already) and merges. */
fst_status fst__train_bpe(fst_tokenizer *tokenizer, const fst__word_counts *counts, int32_t vocabulary_size,
                          int64_t minimum_frequency);
/* Fills the vocabulary with the code points of the corpus. */
fst_status fst__train_characters(fst_tokenizer *tokenizer, const fst__corpus *corpus);

#endif
