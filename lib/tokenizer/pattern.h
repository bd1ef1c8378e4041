/*
 * Where a text is cut into words. The three patterns everybody uses and "each code point" have
 * hand-written scanners; any other goes to PCRE2. Both see code points; a byte that is not UTF-8
 * counts as one character that is neither letter, number nor space.
 */
#ifndef FST_TOKENIZER_PATTERN_H
#define FST_TOKENIZER_PATTERN_H

#include "base/alloc.h"
#include "fourstage/status.h"
#include "tokenizer/unicode.h"

#include <stdbool.h>

typedef struct fst__pattern fst__pattern;

#define FST__PATTERN_GPT2 \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define FST__PATTERN_LLAMA3 \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define FST__PATTERN_QWEN2 \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define FST__PATTERN_CODE_POINT "[\\s\\S]"

/* literal: the text itself, not a regular expression. use_scanner false: PCRE2 also for the known
 * ones, for tests. */
fst_status fst__pattern_compile(fst__allocator *allocator, const char *text, size_t length, bool literal,
                                bool use_scanner, fst__pattern **out);
void fst__pattern_destroy(fst__pattern *pattern); /* takes NULL */

/* True if a scanner does it: then the words cover the text without gaps. */
bool fst__pattern_tiles(const fst__pattern *pattern);

/* Scratch of a match; NULL with the error set if memory is out. */
void *fst__pattern_match_create(fst__allocator *allocator);
void fst__pattern_match_destroy(void *match);

/* The end of the word at `begin` (< end) of text that ends at `end`. Only where the pattern tiles. */
size_t fst__pattern_word_end(const fst__pattern *pattern, const fst__unicode *unicode, const char *text,
                             size_t begin, size_t end);

/* Where it does not: the next match in text[from, end), which is valid UTF-8. *found false: none. An
 * empty match has begin == end. */
fst_status fst__pattern_next(const fst__pattern *pattern, void *match, const char *text, size_t base,
                             size_t from, size_t end, bool *found, size_t *match_begin, size_t *match_end);

/* words.c: the scanners. */
size_t fst__words_gpt2(const fst__unicode *unicode, const unsigned char *at, const unsigned char *end);
/* numbers: digits that a word of numbers may have, 3 for Llama 3, 1 for Qwen 2. */
size_t fst__words_llama3(const fst__unicode *unicode, const unsigned char *at, const unsigned char *end,
                         int numbers);

#endif
