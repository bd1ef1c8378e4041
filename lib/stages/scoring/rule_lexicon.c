/* Words with weights. Sorted by their bytes; at each place of a text the longest that begins there
 * is found by narrowing the range of words that agree so far. */
#include "stages/scoring/rules.h"

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"
#include "formats/sort.h"
#include "tokenizer/unicode.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <utf8proc.h>

typedef struct word {
    char *bytes; /* in `blob` */
    size_t length;
    double weight;
} word;

struct fst__lexicon {
    fst__allocator *allocator;
    bool whole, ignore_case, average;
    word *words; /* [count], sorted */
    size_t count;
    char *blob;
    fst__text folded; /* the text in hand where case is ignored */
};

static void fold(fst__text *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);
    while (at < end) {
        size_t length;
        unsigned char lower[4];
        int32_t point = fst__utf8_decode(at, end, &length);
        if (point == FST__INVALID_BYTE)
            fst__text_append(out, at, length);
        else
            fst__text_append(out, lower,
                             fst__utf8_encode((uint32_t)utf8proc_tolower(point), lower));
        at += length;
    }
}

/* ---- making ---- */

static int compare(const word *a, const word *b)
{
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->bytes, b->bytes, shorter);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static bool less(const void *context, size_t a, size_t b)
{
    const word *words = context;
    return compare(&words[a], &words[b]) < 0;
}

static void swap(void *context, size_t a, size_t b)
{
    word *words = context, kept = words[a];
    words[a] = words[b];
    words[b] = kept;
}

static fst_status check(const fst_reward_rule_options *o)
{
    enum { MOST = 1 << 24 };
    if (o->word_count < 1 || o->word_count > MOST || !o->words || !o->weights)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_reward_rule_options: a lexicon needs words, weights and a word_count "
                         "of 1 to %d",
                         MOST);
    for (int64_t i = 0; i < o->word_count; ++i) {
        size_t wrong;
        if (!o->words[i] || !o->words[i][0] ||
            !fst__is_utf8(o->words[i], strlen(o->words[i]), &wrong))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_reward_rule_options.words[%" PRId64 "] is %s", i,
                             !o->words[i]      ? "NULL"
                             : !o->words[i][0] ? "empty"
                                               : "not UTF-8");
        if (!isfinite(o->weights[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_reward_rule_options.weights[%" PRId64 "] is %g", i, o->weights[i]);
    }
    return FST_OK;
}

static fst_status fill(fst__lexicon *lexicon, const fst_reward_rule_options *o)
{
    fst__text blob = fst__text_create(lexicon->allocator);
    for (int64_t i = 0; i < o->word_count; ++i) {
        size_t begin = blob.length;
        if (lexicon->ignore_case)
            fold(&blob, o->words[i]);
        else
            fst__text_append_string(&blob, o->words[i]);
        lexicon->words[i] = (word){.length = blob.length - begin, .weight = o->weights[i]};
    }
    lexicon->blob = blob.data;
    if (blob.failed)
        return FST_ERR_NO_MEMORY;
    char *at = blob.data;
    for (size_t i = 0; i < lexicon->count; ++i) {
        lexicon->words[i].bytes = at;
        at += lexicon->words[i].length;
    }
    fst__sort(lexicon->count, less, swap, lexicon->words);
    for (size_t i = 1; i < lexicon->count; ++i) {
        const word *w = &lexicon->words[i];
        if (compare(w - 1, w) == 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_reward_rule_options.words has \"%.*s\" twice",
                             (int)(w->length < 200 ? w->length : 200), w->bytes);
    }
    return FST_OK;
}

fst_status fst__lexicon_create(fst_context *context, const fst_reward_rule_options *options,
                               fst__lexicon **out)
{
    fst__allocator *allocator = &context->allocator;
    fst_status status = check(options);
    if (status)
        return status;
    fst__lexicon *lexicon = fst__alloc_zero(allocator, sizeof *lexicon);
    if (!lexicon)
        return FST_ERR_NO_MEMORY;
    *lexicon = (fst__lexicon){
        .allocator = allocator,
        .whole = options->whole,
        .ignore_case = options->ignore_case,
        .average = options->average,
        .count = (size_t)options->word_count,
        .folded = fst__text_create(allocator),
    };
    lexicon->words = fst__alloc_array(allocator, lexicon->count, sizeof *lexicon->words);
    status = lexicon->words ? fill(lexicon, options) : FST_ERR_NO_MEMORY;
    if (status) {
        fst__lexicon_destroy(lexicon);
        return status;
    }
    *out = lexicon;
    return FST_OK;
}

void fst__lexicon_destroy(fst__lexicon *lexicon)
{
    if (!lexicon)
        return;
    fst__text_destroy(&lexicon->folded);
    fst__free(lexicon->allocator, lexicon->blob);
    fst__free(lexicon->allocator, lexicon->words);
    fst__free(lexicon->allocator, lexicon);
}

/* ---- finding ---- */

/* The first word of [low, high), which agree in their first `depth` bytes, whose byte at depth is
 * at least `byte`; a word that ends there counts as −1. */
static size_t first_with(const word *words, size_t low, size_t high, size_t depth, int byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const word *w = &words[middle];
        int at = w->length > depth ? (unsigned char)w->bytes[depth] : -1;
        if (at < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool word_ends(const unsigned char *at, const unsigned char *end)
{
    size_t length;
    return at == end || !fst__unicode_is_word(fst__utf8_decode(at, end, &length));
}

/* The longest word that begins at `at`; NULL: none. */
static const word *longest(const fst__lexicon *lexicon, const unsigned char *at,
                           const unsigned char *end)
{
    const word *best = NULL;
    size_t low = 0, high = lexicon->count;
    for (size_t depth = 0; at + depth < end && low < high; ++depth) {
        low = first_with(lexicon->words, low, high, depth, at[depth]);
        high = first_with(lexicon->words, low, high, depth, at[depth] + 1);
        /* The shortest of those that agree stands first. */
        if (low < high && lexicon->words[low].length == depth + 1 &&
            (!lexicon->whole || word_ends(at + depth + 1, end)))
            best = &lexicon->words[low];
    }
    return best;
}

fst_status fst__lexicon_score(fst__lexicon *lexicon, const char *text, double *score)
{
    if (lexicon->ignore_case) {
        lexicon->folded.length = 0;
        lexicon->folded.failed = false; /* memory may be there again */
        fold(&lexicon->folded, text);
        if (lexicon->folded.failed)
            return FST_ERR_NO_MEMORY;
        text = text[0] ? lexicon->folded.data : text;
    }
    const unsigned char *begin = (const unsigned char *)text, *end = begin + strlen(text);
    double sum = 0;
    int64_t found = 0;
    for (const unsigned char *at = begin; at < end;) {
        size_t length;
        int32_t before = FST__INVALID_BYTE;
        if (lexicon->whole && at > begin)
            before = fst__utf8_decode_before(begin, at, &length);
        const word *w = fst__unicode_is_word(before) ? NULL : longest(lexicon, at, end);
        fst__utf8_decode(at, end, &length);
        at += w ? w->length : length;
        sum += w ? w->weight : 0;
        found += w != NULL;
    }
    *score = lexicon->average && found ? sum / (double)found : sum;
    return FST_OK;
}
