/* The end of an example: cut to length, looked at for what there is to train on, kept or not. */
#include "base/error.h"
#include "data/example_builder.h"

#include <math.h>
#include <string.h>

/* The sequences of the example at hand. */
typedef struct pending {
    fst__example_builder *builder;
    int64_t first, count;
    const char *place;
} pending;

static int64_t length_of(const pending *p, int64_t sequence)
{
    const int64_t *offsets = p->builder->offsets + p->first + sequence;
    return offsets[1] - offsets[0];
}

/* Ids before the first that is trained on; all, where none is. */
static int64_t prompt_of(const pending *p, int64_t sequence)
{
    const uint8_t *trained = p->builder->ids.trained + p->builder->offsets[p->first + sequence];
    int64_t length = length_of(p, sequence);
    const uint8_t *found = length > 0 ? memchr(trained, 1, (size_t)length) : NULL;
    return found ? found - trained : length;
}

/* Takes ids [from, from + count) of a sequence away; where the second text begins moves along. */
static void remove_ids(pending *p, int64_t sequence, int64_t from, int64_t count)
{
    fst__trained_ids *ids = &p->builder->ids;
    int64_t *offsets = p->builder->offsets;
    int64_t begin = offsets[p->first + sequence] + from, end = begin + count;
    memmove(ids->ids + begin, ids->ids + end, (size_t)(ids->count - end) * sizeof *ids->ids);
    memmove(ids->trained + begin, ids->trained + end, (size_t)(ids->count - end));
    ids->count -= count;
    int64_t *second = &p->builder->seconds[p->first + sequence];
    if (*second > from)
        *second = *second > from + count ? *second - count : from;
    for (int64_t i = p->first + sequence + 1; i <= p->first + p->count; ++i)
        offsets[i] -= count;
}

/* From the front: the prompts lose the same number of ids, a begin token stays; what is still too
 * long then loses the beginning of its answer. The texts of a pair share nothing. */
static void cut_start(pending *p, int64_t excess)
{
    const fst__example_builder *builder = p->builder;
    int64_t maximum = builder->options.max_length, shared = excess;
    int32_t begin_id = fst__tokenizer_special_id(builder->tokenizer, FST_TOKEN_BOS);
    const int32_t *ids = builder->ids.ids + builder->offsets[p->first];
    int64_t kept = begin_id >= 0 && ids[0] == begin_id && maximum > 1 ? 1 : 0;
    for (int64_t s = 0; s < p->count; ++s) {
        int64_t prompt = prompt_of(p, s) - kept;
        if (prompt < shared)
            shared = prompt > 0 ? prompt : 0;
    }
    if (builder->options.kind == FST_EXAMPLES_PAIRS)
        shared = 0;
    for (int64_t s = 0; s < p->count; ++s) {
        int64_t over = length_of(p, s) - maximum;
        remove_ids(p, s, kept, over > shared ? over : shared);
    }
}

/* An end token that add_eos put there stays, as a begin token does. */
static void cut_end(pending *p)
{
    const fst__example_builder *builder = p->builder;
    int64_t maximum = builder->options.max_length;
    int64_t kept = builder->eos_id >= 0 && maximum > 1 ? 1 : 0;
    for (int64_t s = 0; s < p->count; ++s) {
        int64_t over = length_of(p, s) - maximum;
        if (over > 0)
            remove_ids(p, s, maximum - kept, over);
    }
}

/* *keep is false where the example was dropped and counted; *cut says whether it lost ids. */
static fst_status limit_length(pending *p, bool *keep, bool *cut)
{
    fst__example_builder *builder = p->builder;
    int64_t maximum = builder->options.max_length, excess = 0;
    for (int64_t s = 0; maximum > 0 && s < p->count; ++s) {
        if (length_of(p, s) - maximum > excess)
            excess = length_of(p, s) - maximum;
    }
    *keep = true;
    *cut = excess > 0;
    if (excess <= 0)
        return FST_OK;
    switch (builder->options.too_long) {
    case FST_TOO_LONG_CUT_START:
        cut_start(p, excess);
        return FST_OK;
    case FST_TOO_LONG_CUT_END:
        cut_end(p);
        return FST_OK;
    case FST_TOO_LONG_DROP:
        fst__example_builder_abandon(builder);
        builder->dropped.too_long += 1;
        *keep = false;
        return FST_OK;
    default:
        fst__example_builder_abandon(builder);
        return fst__fail(builder->refusal,
                         "%s: %lld ids, max_length is %lld; too_long says what becomes of such",
                         p->place, (long long)(excess + maximum), (long long)maximum);
    }
}

static bool same_ids(const pending *p, int64_t a, int64_t b)
{
    const fst__example_builder *builder = p->builder;
    const int32_t *ids = builder->ids.ids;
    int64_t length = length_of(p, a);
    return length == length_of(p, b) &&
           memcmp(ids + builder->offsets[p->first + a], ids + builder->offsets[p->first + b],
                  (size_t)length * sizeof *ids) == 0;
}

/* Of several answers, takes those away that repeat an earlier one, and counts them. Of a pair that
 * leaves one, which the caller sees. */
static void remove_repeated(pending *p)
{
    fst__example_builder *builder = p->builder;
    int64_t before = p->count;
    for (int64_t s = 1; s < p->count;) {
        int64_t earlier = 0;
        while (earlier < s && !same_ids(p, earlier, s))
            ++earlier;
        if (earlier == s) {
            ++s;
            continue;
        }
        remove_ids(p, s, 0, length_of(p, s));
        int64_t *offsets = builder->offsets + p->first + s;
        memmove(offsets, offsets + 1, (size_t)(p->count - s) * sizeof *offsets);
        --p->count;
        --builder->sequences;
    }
    if (p->count >= 2)
        builder->dropped.useless += before - p->count;
}

static bool has_target(const pending *p, int64_t sequence)
{
    const uint8_t *trained = p->builder->ids.trained + p->builder->offsets[p->first + sequence];
    int64_t length = length_of(p, sequence);
    return length > 1 && memchr(trained + 1, 1, (size_t)length - 1);
}

/* Why there is nothing to train on; NULL: there is. */
static const char *useless(pending *p, const float *labels, bool cut)
{
    const fst__example_builder *builder = p->builder;
    int32_t kind = builder->options.kind;
    bool answers = kind == FST_EXAMPLES_CONVERSATIONS || kind == FST_EXAMPLES_PREFERENCES;
    for (int64_t s = 0; s < p->count; ++s) {
        if (length_of(p, s) == 0)
            return "there is no text in it";
        if (answers && !has_target(p, s))
            return cut ? "nothing to train on is left after cutting it to max_length"
                       : "nothing in it is to be trained on";
    }
    if (builder->label_count > 0) {
        int64_t missing = 0;
        for (int64_t i = 0; i < builder->label_count; ++i)
            missing += isnan(labels[i]);
        return missing == builder->label_count ? "all of its labels are missing" : NULL;
    }
    if (kind != FST_EXAMPLES_PREFERENCES)
        return NULL;
    if (p->count < 2)
        return "it has fewer than two answers";
    for (int64_t s = 1; s < p->count && !builder->options.drop_useless; ++s)
        for (int64_t earlier = 0; earlier < s; ++earlier)
            if (same_ids(p, earlier, s))
                return cut ? "two answers are identical after cutting"
                           : "two answers are identical";
    if (builder->options.drop_useless)
        remove_repeated(p);
    return p->count < 2 ? "the answers are identical" : NULL;
}

/* Room for one example more, in all of the arrays. */
static fst_status reserve(fst__example_builder *builder)
{
    if (builder->examples + 2 <= builder->example_capacity)
        return FST_OK;
    fst__allocator *allocator = &builder->context->allocator;
    size_t larger = builder->example_capacity ? 2 * (size_t)builder->example_capacity : 64;
    size_t labels = builder->label_count > 0 ? (size_t)builder->label_count : 1;
    int64_t *first = fst__realloc_array(allocator, builder->first, larger, sizeof(int64_t));
    if (!first)
        return FST_ERR_NO_MEMORY;
    builder->first = first;
    builder->first[0] = 0;
    float *values = fst__realloc_array(allocator, builder->labels, larger * sizeof(float), labels);
    if (!values)
        return FST_ERR_NO_MEMORY;
    builder->labels = values;
    double *margins = fst__realloc_array(allocator, builder->margins, larger, sizeof(double));
    if (!margins)
        return FST_ERR_NO_MEMORY;
    builder->margins = margins;
    builder->example_capacity = (int64_t)larger;
    return FST_OK;
}

fst_status fst__example_builder_commit(fst__example_builder *builder, const float *labels,
                                       double margin, const char *place)
{
    bool keep, cut;
    int64_t first = builder->examples ? builder->first[builder->examples] : 0;
    pending p = {builder, first, builder->sequences - first, place};
    fst_status status = limit_length(&p, &keep, &cut);
    if (status || !keep)
        return status;
    const char *why = useless(&p, labels, cut);
    if (why)
        return fst__example_builder_useless(builder, why, place);
    if ((status = reserve(builder))) {
        fst__example_builder_abandon(builder);
        return status;
    }
    builder->dropped.cut += cut;
    for (int64_t i = 0; i < builder->label_count; ++i)
        builder->labels[builder->examples * builder->label_count + i] = labels[i];
    builder->margins[builder->examples] = margin;
    builder->first[++builder->examples] = builder->sequences;
    return FST_OK;
}
