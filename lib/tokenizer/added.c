/*
 * Added tokens in a text: leftmost first, the longest of those that begin there, then the rules of
 * `tokenizers`' AddedVocabulary::find_matches (single_word, lstrip, rstrip).
 */
#include "base/error.h"
#include "tokenizer/internal.h"
#include "base/utf8.h"

#include <stdlib.h>

void fst__added_index_destroy(fst__added_index *index, fst__allocator *allocator)
{
    fst__free(allocator, index->begins);
    fst__free(allocator, index->order);
    if (index->contents.allocator)
        fst__text_destroy(&index->contents);
    *index = (fst__added_index){0};
}

typedef struct candidate {
    int32_t added;
    size_t begin, length; /* in the unordered contents */
    const char *text;
} candidate;

static int compare(const void *left, const void *right)
{
    const candidate *a = left, *b = right;
    unsigned char first_a = (unsigned char)a->text[a->begin], first_b = (unsigned char)b->text[b->begin];
    if (first_a != first_b)
        return first_a < first_b ? -1 : 1;
    if (a->length != b->length)
        return a->length > b->length ? -1 : 1;
    return a->added < b->added ? -1 : 1;
}

/* Contents in the order of tokenizer->added, normalised where asked; empty ones are left out. */
static fst_status gather(const fst_tokenizer *tokenizer, bool normalized, fst__text *contents,
                         candidate *candidates, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < tokenizer->added_count; ++i) {
        const fst__added *added = &tokenizer->added[i];
        if (added->normalized != normalized)
            continue;
        size_t begin = contents->length;
        const fst__token *token = &tokenizer->vocabulary.tokens[added->id];
        const char *spelling = fst__token_spelling(&tokenizer->vocabulary, added->id);
        if (normalized) {
            fst_status status = fst__normalize_text(tokenizer, spelling, token->spelling_length, contents);
            if (status)
                return status;
        } else {
            fst__text_append(contents, spelling, token->spelling_length);
        }
        if (contents->length > begin)
            candidates[(*count)++] = (candidate){(int32_t)i, begin, contents->length - begin, NULL};
    }
    return contents->failed ? FST_ERR_NO_MEMORY : FST_OK;
}

fst_status fst__added_index_build(fst__added_index *index, const fst_tokenizer *tokenizer, bool normalized)
{
    fst__allocator *allocator = tokenizer->allocator;
    *index = (fst__added_index){.contents = fst__text_create(allocator)};
    fst__text contents = fst__text_create(allocator);
    candidate *candidates = fst__alloc_array(allocator, tokenizer->added_count, sizeof *candidates);
    fst_status status = candidates ? gather(tokenizer, normalized, &contents, candidates, &index->count)
                                   : FST_ERR_NO_MEMORY;
    if (status)
        goto done;
    for (size_t i = 0; i < index->count; ++i)
        candidates[i].text = contents.data;
    if (index->count)
        qsort(candidates, index->count, sizeof *candidates, compare);
    index->order = fst__alloc_array(allocator, index->count, sizeof *index->order);
    index->begins = fst__alloc_array(allocator, index->count + 1, sizeof *index->begins);
    if (!index->order || !index->begins) {
        status = FST_ERR_NO_MEMORY;
        goto done;
    }
    index->begins[0] = 0;
    for (size_t i = 0; i < index->count; ++i) {
        index->order[i] = candidates[i].added;
        fst__text_append(&index->contents, contents.data + candidates[i].begin, candidates[i].length);
        index->begins[i + 1] = index->contents.length;
        ++index->first[(unsigned char)contents.data[candidates[i].begin] + 1];
    }
    for (int byte = 0; byte < 256; ++byte)
        index->first[byte + 1] += index->first[byte];
    status = index->contents.failed ? FST_ERR_NO_MEMORY : FST_OK;
done:
    fst__free(allocator, candidates);
    fst__text_destroy(&contents);
    if (status)
        fst__added_index_destroy(index, allocator);
    return status;
}

static bool stands_alone(const char *text, size_t length, size_t begin, size_t end)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t step;
    if (begin && fst__unicode_is_word(fst__utf8_decode_before(bytes, bytes + begin, &step)))
        return false;
    return end == length || !fst__unicode_is_word(fst__utf8_decode(bytes + end, bytes + length, &step));
}

static size_t strip_left(const char *text, size_t floor, size_t begin)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t step;
    while (begin > floor && fst__unicode_is_space(fst__utf8_decode_before(bytes + floor, bytes + begin, &step)))
        begin -= step;
    return begin;
}

static size_t strip_right(const char *text, size_t end, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t step;
    while (end < length && fst__unicode_is_space(fst__utf8_decode(bytes + end, bytes + length, &step)))
        end += step;
    return end;
}

/* Longest token at text + at; its place in index->order, -1: none. */
static int32_t match_at(const fst__added_index *index, const char *text, size_t length, size_t at)
{
    unsigned char first = (unsigned char)text[at];
    for (int32_t i = index->first[first]; i < index->first[first + 1]; ++i) {
        size_t size = index->begins[i + 1] - index->begins[i];
        if (size <= length - at && memcmp(text + at, index->contents.data + index->begins[i], size) == 0)
            return i;
    }
    return -1;
}

fst__found fst__added_find(const fst_tokenizer *tokenizer, const fst__added_index *index, const char *text,
                           size_t length, size_t from, size_t *search, bool parse_special)
{
    for (size_t at = *search; index->count && at < length; ++at) {
        int32_t place = match_at(index, text, length, at);
        if (place < 0)
            continue;
        const fst__added *added = &tokenizer->added[index->order[place]];
        size_t begin = at, end = at + (index->begins[place + 1] - index->begins[place]);
        at = end - 1;
        if ((added->special && !parse_special) || (added->single_word && !stands_alone(text, length, begin, end)))
            continue;
        *search = end;
        if (begin < from) /* the one before has stripped this far; only white space can stand here */
            continue;
        if (added->strip_left)
            begin = strip_left(text, from, begin);
        if (added->strip_right)
            end = strip_right(text, end, length);
        return (fst__found){added, begin, end};
    }
    *search = length;
    return (fst__found){NULL, length, length};
}
