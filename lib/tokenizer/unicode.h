/*
 * What the pre-tokenizer patterns ask of a code point: letter, number, white space, or other.
 * utf8proc's categories, brought up to Unicode 16 (the version `tokenizers` 0.23 works with), so
 * that ids do not depend on the utf8proc of the machine.
 */
#ifndef FST_TOKENIZER_UNICODE_H
#define FST_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

enum { FST__OTHER, FST__LETTER, FST__NUMBER, FST__SPACE };

/* The class of every code point of the basic plane; beyond it fst__unicode_class is asked. */
typedef struct fst__unicode {
    uint8_t classes[0x10000];
    /* Bit set: normalisation may change this code point or join it to the one before it. */
    uint8_t unstable[0x10000 / 8];
} fst__unicode;

/* option: utf8proc options of the normalizer that `unstable` is about; 0: none, all stable. */
void fst__unicode_fill(fst__unicode *unicode, int normalization);
int fst__unicode_class(int32_t point);    /* point may be FST__INVALID_BYTE: FST__OTHER */
bool fst__unicode_is_word(int32_t point); /* \w: alphabetic, mark, decimal number, connector, joiner */
bool fst__unicode_is_space(int32_t point); /* White_Space */

#endif
