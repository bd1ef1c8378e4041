/* What an answer is counted in, and how much of it is said again. */
#include "stages/scoring/rules.h"

#include "base/utf8.h"
#include "formats/sort.h"
#include "tokenizer/unicode.h"

#include <string.h>

static fst_status reserve(fst__units *units, size_t capacity)
{
    if (units->capacity >= capacity)
        return FST_OK;
    size_t grown = capacity > 2 * units->capacity ? capacity : 2 * units->capacity;
    fst__unit *more = fst__realloc_array(units->allocator, units->units, grown, sizeof *more);
    if (!more)
        return FST_ERR_NO_MEMORY;
    units->units = more;
    size_t *starts = fst__realloc_array(units->allocator, units->starts, grown, sizeof *starts);
    if (!starts)
        return FST_ERR_NO_MEMORY;
    units->starts = starts;
    units->capacity = grown;
    return FST_OK;
}

static fst_status add(fst__units *units, const void *bytes, size_t length)
{
    fst_status status = reserve(units, units->count + 1);
    if (!status)
        units->units[units->count++] = (fst__unit){bytes, length};
    return status;
}

static fst_status read_characters(fst__units *units, const char *text)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);
    fst_status status = FST_OK;
    while (!status && at < end) {
        size_t length;
        fst__utf8_decode(at, end, &length);
        status = add(units, at, length);
        at += length;
    }
    return status;
}

static fst_status read_words(fst__units *units, const char *text)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text), *word = NULL;
    fst_status status = FST_OK;
    while (!status && at < end) {
        size_t length;
        bool space = fst__unicode_is_space(fst__utf8_decode(at, end, &length));
        if (space && word) {
            status = add(units, word, (size_t)(at - word));
            word = NULL;
        } else if (!space && !word) {
            word = at;
        }
        at += length;
    }
    if (!status && word)
        status = add(units, word, (size_t)(end - word));
    return status;
}

fst_status fst__units_read(fst__units *units, int32_t unit, const fst_reward_batch *batch,
                           int64_t answer)
{
    units->count = 0;
    if (unit == FST_UNIT_CHARACTERS)
        return read_characters(units, batch->response_texts[answer]);
    if (unit == FST_UNIT_WORDS)
        return read_words(units, batch->response_texts[answer]);
    const int32_t *ids = batch->responses[answer];
    fst_status status = reserve(units, (size_t)batch->response_lengths[answer]);
    for (int64_t i = 0; !status && i < batch->response_lengths[answer]; ++i)
        status = add(units, &ids[i], sizeof ids[i]);
    return status;
}

/* ---- n-grams ---- */

typedef struct grams {
    const fst__unit *units;
    size_t *starts;
    size_t n;
} grams;

static int compare_units(const fst__unit *a, const fst__unit *b)
{
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->bytes, b->bytes, shorter);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_grams(const grams *g, size_t a, size_t b)
{
    int order = 0;
    for (size_t i = 0; order == 0 && i < g->n; ++i)
        order = compare_units(&g->units[a + i], &g->units[b + i]);
    return order;
}

static bool less(const void *context, size_t a, size_t b)
{
    const grams *g = context;
    return compare_grams(g, g->starts[a], g->starts[b]) < 0;
}

static void swap(void *context, size_t a, size_t b)
{
    const grams *g = context;
    size_t start = g->starts[a];
    g->starts[a] = g->starts[b];
    g->starts[b] = start;
}

double fst__units_repetition(fst__units *units, size_t n)
{
    if (units->count < n)
        return 0;
    size_t count = units->count - n + 1, distinct = 1;
    grams g = {units->units, units->starts, n};
    for (size_t i = 0; i < count; ++i)
        g.starts[i] = i;
    fst__sort(count, less, swap, &g);
    for (size_t i = 1; i < count; ++i)
        distinct += compare_grams(&g, g.starts[i - 1], g.starts[i]) != 0;
    return 1 - (double)distinct / (double)count;
}

void fst__units_destroy(fst__units *units)
{
    fst__free(units->allocator, units->starts);
    fst__free(units->allocator, units->units);
}
