/*
 * BERT's normalizer and pre-tokenizer as `tokenizers` has them (normalizers/bert.rs,
 * pre_tokenizers/bert.rs), after Devlin et al. 2018, tokenization.py, BasicTokenizer.
 */
#ifndef FST_TOKENIZER_BERT_H
#define FST_TOKENIZER_BERT_H

#include "base/text.h"
#include "fourstage/status.h"

#include <stdint.h>

typedef struct fst__bert_range {
    int32_t first, last;
} fst__bert_range;

typedef struct fst__bert_mark {
    int32_t first, last, class;
} fst__bert_mark;

typedef struct fst__bert_small {
    int32_t first, last, step, delta;
} fst__bert_small;

/* bert_tables.c, sorted by code point. */
extern const fst__bert_range fst__bert_dropped[], fst__bert_punctuation[];
extern const fst__bert_mark fst__bert_marks[];
extern const fst__bert_small fst__bert_lower[];
extern const size_t fst__bert_dropped_count, fst__bert_punctuation_count, fst__bert_marks_count,
    fst__bert_lower_count;

typedef struct fst__bert_options {
    bool clean_text, chinese_characters, strip_accents, lowercase;
} fst__bert_options;

/* What is done with a code point, the low bits of fst__bert.classes, and how words are cut at it. */
enum {
    FST__BERT_COPY,
    FST__BERT_DROP,
    FST__BERT_SPACE,     /* becomes a space */
    FST__BERT_IDEOGRAPH, /* gets a space on either side */
    FST__BERT_COMPLEX,   /* see point_complex */
    FST__BERT_ACTION = 7,
    FST__BERT_IS_SPACE = 8,
    FST__BERT_IS_PUNCTUATION = 16,
};

typedef struct fst__bert {
    fst__bert_options options;
    bool normalizes;          /* the tokenizer has the normalizer */
    char ascii[128];          /* what becomes of ASCII that is not dropped */
    uint8_t classes[0x10000]; /* of the basic plane */
} fst__bert;

void fst__bert_fill(fst__bert *bert);

/* Where normalising changed the text; between edits it was copied. */
typedef struct fst__edit {
    size_t begin, end;               /* in the normalised text */
    size_t source_begin, source_end; /* in the text before */
} fst__edit;

typedef struct fst__edits {
    fst__allocator *allocator;
    fst__edit *items;
    size_t count, capacity;
} fst__edits;

fst_status fst__edits_append(fst__edits *edits, fst__edit edit);

/* Appends the normalised text. edits NULL: not recorded. */
fst_status fst__bert_normalize(const fst__bert *bert, const char *text, size_t length, fst__text *out,
                               fst__edits *edits);
/* The word at or behind *begin, which moves to where it begins; returns where it ends. *begin == end:
 * there is none. */
size_t fst__bert_word(const fst__bert *bert, const char *text, size_t *begin, size_t end);

#endif
