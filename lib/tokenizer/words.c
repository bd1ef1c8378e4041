/*
 * The pre-tokenizer patterns of GPT-2, Llama 3 and Qwen 2 as scanners. Each returns the length of
 * the first alternative that matches at `at`; the comments quote the alternatives. Tested against
 * PCRE2 running the pattern itself.
 */
#include "tokenizer/pattern.h"
#include "base/utf8.h"

static inline int class_at(const fst__unicode *unicode, const unsigned char *at, const unsigned char *end,
                           size_t *length)
{
    if (*at < 0x80) {
        *length = 1;
        return unicode->classes[*at];
    }
    int32_t point = fst__utf8_decode(at, end, length);
    if (point < 0)
        return FST__OTHER;
    return point < 0x10000 ? unicode->classes[point] : fst__unicode_class(point);
}

/* Behind the characters of this class that stand at `at`. */
static inline const unsigned char *skip(const fst__unicode *unicode, const unsigned char *at,
                                        const unsigned char *end, int class)
{
    size_t length;
    while (at < end && class_at(unicode, at, end, &length) == class)
        at += length;
    return at;
}

/* `\s+(?!\S)|\s+` on a run of white space from `at` to `run`: at the end of the text all of it, else
 * all but the last, else the one. last: where the last character begins. */
static inline const unsigned char *space_word(const unsigned char *at, const unsigned char *last,
                                              const unsigned char *run, const unsigned char *end)
{
    return run == end || last == at ? run : last;
}

/* Length of 's|'t|'re|'ve|'m|'ll|'d at an apostrophe, 0: none. */
static size_t contraction(const unsigned char *at, const unsigned char *end, bool any_case)
{
    size_t left = (size_t)(end - at);
    if (left < 2)
        return 0;
    unsigned fold = any_case ? 0x20u : 0u;
    unsigned a = at[1] | (at[1] < 0x80 ? fold : 0u);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    /* U+017F, the long s, is an s in any case. */
    if (any_case && left >= 3 && at[1] == 0xC5 && at[2] == 0xBF)
        return 3;
    if (left < 3)
        return 0;
    unsigned b = at[2] | (at[2] < 0x80 ? fold : 0u);
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

size_t fst__words_gpt2(const fst__unicode *unicode, const unsigned char *at, const unsigned char *end)
{
    const unsigned char *begin = at;
    size_t length;
    if (*at == '\'') {
        size_t word = contraction(at, end, false);
        if (word)
            return word;
    }
    /* ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+` */
    const unsigned char *word = *at == ' ' && at + 1 < end ? at + 1 : at;
    int class = class_at(unicode, word, end, &length);
    if (class != FST__SPACE)
        return (size_t)(skip(unicode, word + length, end, class) - begin);
    /* `\s+(?!\S)|\s+` */
    const unsigned char *last = at;
    while (at < end && class_at(unicode, at, end, &length) == FST__SPACE) {
        last = at;
        at += length;
    }
    return (size_t)(space_word(begin, last, at, end) - begin);
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*` with `word` behind the optional space. */
static const unsigned char *punctuation(const fst__unicode *unicode, const unsigned char *word,
                                        const unsigned char *end)
{
    word = skip(unicode, word, end, FST__OTHER);
    while (word < end && (*word == '\r' || *word == '\n'))
        ++word;
    return word;
}

size_t fst__words_llama3(const fst__unicode *unicode, const unsigned char *at, const unsigned char *end,
                         int numbers)
{
    const unsigned char *begin = at;
    size_t length, next_length;
    if (*at == '\'') {
        size_t word = contraction(at, end, true);
        if (word)
            return word;
    }
    int class = class_at(unicode, at, end, &length);
    if (class == FST__LETTER)
        return (size_t)(skip(unicode, at + length, end, FST__LETTER) - begin);
    if (class == FST__NUMBER) { /* `\p{N}{1,numbers}` */
        at += length;
        for (int i = 1; i < numbers && at < end && class_at(unicode, at, end, &length) == FST__NUMBER; ++i)
            at += length;
        return (size_t)(at - begin);
    }
    int next = at + length < end ? class_at(unicode, at + length, end, &next_length) : FST__SPACE;
    /* `[^\r\n\p{L}\p{N}]?\p{L}+` */
    if (next == FST__LETTER && *at != '\r' && *at != '\n')
        return (size_t)(skip(unicode, at + length, end, FST__LETTER) - begin);
    if (class == FST__OTHER || (*at == ' ' && next == FST__OTHER))
        return (size_t)(punctuation(unicode, at + (class == FST__OTHER ? 0 : 1), end) - begin);
    /* `\s*[\r\n]+|\s+(?!\S)|\s+` */
    const unsigned char *last = at, *line_end = NULL;
    while (at < end && class_at(unicode, at, end, &length) == FST__SPACE) {
        last = at;
        at += length;
        if (*last == '\r' || *last == '\n')
            line_end = at;
    }
    return (size_t)((line_end ? line_end : space_word(begin, last, at, end)) - begin);
}
