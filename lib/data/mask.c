#include "data/mask.h"

#include "base/error.h"
#include "base/random.h"
#include "fourstage/batch.h"

#include <stdbool.h>

fst_mask_options fst__mask_defaults(void)
{
    return (fst_mask_options){
        .struct_size = sizeof(fst_mask_options),
        .mask_probability = 0.15,
        .mask_token_share = 0.8,
        .random_token_share = 0.1,
        .mask_id = -1,
    };
}

static fst_status bad(const char *name, const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.%s: expected %s", name, field, expected);
}

static bool is_share(double value)
{
    return value >= 0 && value <= 1;
}

fst_status fst__mask_check(const fst_mask_options *o, const char *name)
{
    if (!is_share(o->mask_probability))
        return bad(name, "mask_probability", "0 ≤ p ≤ 1");
    if (!is_share(o->mask_token_share) || !is_share(o->random_token_share) ||
        o->mask_token_share + o->random_token_share > 1 + 1e-12)
        return bad(name, "mask_token_share, random_token_share", "shares of at most 1 together");
    if (o->vocabulary_size < 1)
        return bad(name, "vocabulary_size", "at least 1");
    if (o->mask_id < 0 || o->mask_id >= o->vocabulary_size)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s.mask_id is %d, expected an id of the vocabulary of %d", name,
                         o->mask_id, o->vocabulary_size);
    if (o->whole_words != 0 && o->whole_words != 1)
        return bad(name, "whole_words", "0 or 1");
    if (o->whole_words && !o->words && !o->flags)
        return bad(name, "whole_words", "words or flags with it");
    if (o->reserved != 0)
        return bad(name, "reserved", "0");
    return FST_OK;
}

/* One row; the arrays are the row's own. */
typedef struct row {
    const fst_mask_options *options;
    uint64_t seed, draw;
    int64_t length, counting; /* ids, and those that are no padding */
    const int32_t *ids, *words, *documents;
    int32_t *masked, *targets;
} row;

static unsigned flags_of(const fst_mask_options *o, int32_t id)
{
    unsigned flags = o->flags ? o->flags[id] : 0;
    return id == o->mask_id ? flags | FST_TOKEN_IS_SPECIAL : flags;
}

static bool begins_word(const row *r, int64_t t, unsigned flags, unsigned before)
{
    if (!r->options->whole_words || t == 0 || (r->documents && r->documents[t] != r->documents[t - 1]))
        return true;
    if (r->words)
        return r->words[t] != r->words[t - 1];
    return !(flags & FST_TOKEN_CONTINUES_WORD) ||
           (before & (FST_TOKEN_ENDS_WORD | FST_TOKEN_IS_SPECIAL));
}

/* Uniform over the ids that are not special, by drawing again; `kept` if chance finds none. */
static int32_t random_id(const row *r, int64_t t, uint32_t word, int32_t kept)
{
    enum { TRIES = 100 };
    const fst_mask_options *o = r->options;
    for (uint64_t i = 1; i <= TRIES; ++i) {
        int32_t id = (int32_t)(((uint64_t)word * (uint64_t)o->vocabulary_size) >> 32);
        if (!(flags_of(o, id) & FST_TOKEN_IS_SPECIAL))
            return id;
        word = fst__philox(r->seed, FST__STREAM_MASKING, r->draw, i << 32 | (uint64_t)t).word[3];
    }
    return kept;
}

/* Words 0 and 1 of a place's block choose the word that begins there; 2 says what becomes of the id,
 * 3 is the random id. */
static void mask_row(const row *r)
{
    const fst_mask_options *o = r->options;
    unsigned before = 0;
    bool chosen = false;
    for (int64_t t = 0; t < r->length; ++t) {
        int32_t id = r->ids[t];
        unsigned flags = flags_of(o, id);
        fst__philox_block block =
            fst__philox(r->seed, FST__STREAM_MASKING, r->draw, (uint64_t)t);
        if (begins_word(r, t, flags, before))
            chosen = fst__uniform_double(block.word[0], block.word[1]) < o->mask_probability;
        before = flags;
        bool masks = chosen && t < r->counting && !(flags & FST_TOKEN_IS_SPECIAL) &&
                     !(r->words && r->words[t] < 0);
        double share = (double)block.word[2] * 0x1p-32;
        r->targets[t] = masks ? id : FST_IGNORE;
        if (!masks || share >= o->mask_token_share + o->random_token_share)
            r->masked[t] = id;
        else if (share < o->mask_token_share)
            r->masked[t] = o->mask_id;
        else
            r->masked[t] = random_id(r, t, block.word[3], id);
    }
}

typedef struct job {
    const fst_mask_options *options;
    uint64_t seed;
    int64_t length, draw;
    const int32_t *ids;
    int32_t *masked, *targets;
} job;

static void mask_one(void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const job *j = context;
    const fst_mask_options *o = j->options;
    int64_t at = index * j->length;
    const row r = {
        .options = o,
        .seed = j->seed,
        .draw = (uint64_t)(j->draw + index),
        .length = j->length,
        .counting = o->lengths ? o->lengths[index] : j->length,
        .ids = j->ids + at,
        .words = o->words ? o->words + at : NULL,
        .documents = o->documents ? o->documents + at : NULL,
        .masked = j->masked + at,
        .targets = j->targets + at,
    };
    mask_row(&r);
}

void fst__mask_rows(const fst_context *context, const fst_mask_options *options, const int32_t *ids,
                    int64_t rows, int64_t length, int64_t draw, int32_t *masked, int32_t *targets)
{
    job j = {options, context->seed, length, draw, ids, masked, targets};
    fst__pool_run(context->pool, rows, mask_one, &j);
}
