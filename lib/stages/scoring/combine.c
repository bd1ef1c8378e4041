/* A weighted sum of reward models, with clipping and running normalisation. */
#include "stages/scoring/scoring.h"

#include "base/error.h"
#include "base/text.h"
#include "stages/scoring/statistics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MEMBERS_MOST = 64 };

/* Three rows, as a checkpoint has them; one entry for each member, or one for the sum. */
typedef struct running {
    int64_t count[MEMBERS_MOST];
    double mean[MEMBERS_MOST], squares[MEMBERS_MOST];
} running;

typedef struct combination {
    double weights[MEMBERS_MOST], low[MEMBERS_MOST], high[MEMBERS_MOST];
    int32_t normalise;
    bool keep_mean;
    double clip_low, clip_high;
    int64_t statistics; /* kept: 0, 1 or one a member */
    running now, next;  /* before and after the batch in hand */
    float *scores;      /* [members, capacity] of the last batch, row by row of `count` */
    double *sums;       /* [capacity] */
    int64_t capacity, count;
} combination;

fst_reward_combine_options fst__reward_combine_defaults(void)
{
    return (fst_reward_combine_options){
        .struct_size = sizeof(fst_reward_combine_options),
        .clip_low = -INFINITY,
        .clip_high = INFINITY,
    };
}

/* ---- scoring ---- */

static fst_status reserve(combination *c, fst__allocator *allocator, int64_t members, int64_t count)
{
    c->count = 0;
    if (c->capacity >= count)
        return FST_OK;
    fst__free(allocator, c->sums);
    fst__free(allocator, c->scores);
    c->capacity = 0;
    c->sums = NULL;
    c->scores = fst__alloc_array(allocator, (size_t)(members * count), sizeof *c->scores);
    if (!c->scores)
        return FST_ERR_NO_MEMORY;
    c->sums = fst__alloc_array(allocator, (size_t)count, sizeof *c->sums);
    if (!c->sums)
        return FST_ERR_NO_MEMORY;
    c->capacity = count;
    return FST_OK;
}

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* What takes one statistic's values to normalised ones: (x − shift)·scale. */
static void normaliser(combination *c, bool frozen, int64_t index, const float *values,
                       double *shift, double *scale)
{
    fst__statistics s = {c->now.count[index], c->now.mean[index], c->now.squares[index]};
    if (!frozen)
        fst__statistics_add(&s, values, c->count);
    c->next.count[index] = s.count;
    c->next.mean[index] = s.mean;
    c->next.squares[index] = s.squares;
    *shift = c->keep_mean ? 0 : s.mean;
    *scale = 1 / fst__statistics_deviation(&s);
}

static void add_member(fst_reward_model *reward_model, int64_t member)
{
    combination *c = reward_model->state;
    const float *values = c->scores + member * c->count;
    double shift = 0, scale = 1;
    if (c->normalise == FST_NORMALISE_MEMBERS)
        normaliser(c, reward_model->frozen || reward_model->held, member, values, &shift, &scale);
    for (int64_t i = 0; i < c->count; ++i) {
        double value = ((double)values[i] - shift) * scale;
        c->sums[i] += c->weights[member] * clip(value, c->low[member], c->high[member]);
    }
}

static void finish(fst_reward_model *reward_model, float *scores)
{
    combination *c = reward_model->state;
    double shift = 0, scale = 1;
    for (int64_t i = 0; i < c->count; ++i)
        scores[i] = (float)c->sums[i];
    if (c->normalise == FST_NORMALISE_SUM)
        normaliser(c, reward_model->frozen || reward_model->held, 0, scores, &shift, &scale);
    for (int64_t i = 0; i < c->count; ++i)
        scores[i] = (float)clip((c->sums[i] - shift) * scale, c->clip_low, c->clip_high);
}

static fst_status score(fst_reward_model *reward_model, const fst_reward_batch *batch, float *scores)
{
    combination *c = reward_model->state;
    int64_t members = reward_model->member_count, count = batch->count;
    fst_status status = reserve(c, &reward_model->context->allocator, members, count);
    for (int64_t m = 0; !status && m < members; ++m) {
        status = fst__scorer_run(reward_model->members[m], batch, c->scores + m * count);
        if (status < 0)
            status = fst__fail_in(status, "member %" PRId64, m);
    }
    if (status)
        return status;
    c->count = count;
    memset(c->sums, 0, (size_t)count * sizeof *c->sums);
    for (int64_t m = 0; m < members; ++m)
        add_member(reward_model, m);
    finish(reward_model, scores);
    return FST_OK;
}

static void commit(fst_reward_model *reward_model)
{
    combination *c = reward_model->state;
    if (c->statistics)
        c->now = c->next;
    for (int64_t m = 0; m < reward_model->member_count; ++m) {
        fst_reward_model *member = reward_model->members[m];
        if (member->scorer->commit)
            member->scorer->commit(member);
    }
}

static void destroy(fst_reward_model *reward_model)
{
    combination *c = reward_model->state;
    fst__allocator *allocator = &reward_model->context->allocator;
    if (!c)
        return;
    fst__free(allocator, c->sums);
    fst__free(allocator, c->scores);
    fst__free(allocator, c);
}

static const fst__scorer combination_scorer = {
    .name = "sum of rewards",
    .score = score,
    .commit = commit,
    .destroy = destroy,
};

const float *fst__reward_model_member_scores(const fst_reward_model *reward_model, int64_t member,
                                             int64_t *count)
{
    const combination *c = reward_model->state;
    *count = c->count;
    return c->count ? c->scores + member * c->count : NULL;
}

/* ---- making ---- */

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_reward_combine_options.%s: expected %s", field,
                     expected);
}

static bool contains(const fst_reward_model *tree, const fst_reward_model *wanted)
{
    bool found = tree == wanted;
    for (int64_t i = 0; !found && i < tree->member_count; ++i)
        found = contains(tree->members[i], wanted);
    return found;
}

/* Whether a part of `tree` is in `other` too. */
static bool overlaps(const fst_reward_model *tree, const fst_reward_model *other)
{
    bool found = contains(other, tree);
    for (int64_t i = 0; !found && i < tree->member_count; ++i)
        found = overlaps(tree->members[i], other);
    return found;
}

static fst_status check_members(fst_context *context, fst_reward_model *const *members,
                                const double *weights, int64_t count)
{
    if (count < 1 || count > MEMBERS_MOST)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_reward_model_combine: count is %" PRId64 ", expected 1 to %d", count,
                         MEMBERS_MOST);
    for (int64_t i = 0; i < count; ++i) {
        if (!members[i])
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_reward_model_combine: members[%" PRId64 "] is NULL", i);
        if (members[i]->context != context)
            return fst__fail(FST_ERR_MISMATCH,
                             "fst_reward_model_combine: members[%" PRId64
                             "] was made from another context",
                             i);
        if (weights && !isfinite(weights[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_reward_model_combine: weights[%" PRId64 "] is %g", i, weights[i]);
        for (int64_t j = 0; j < i; ++j) {
            if (overlaps(members[i], members[j]))
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "fst_reward_model_combine: members[%" PRId64 "] and members[%" PRId64
                                 "] have a reward model in common",
                                 j, i);
        }
    }
    return FST_OK;
}

static fst_status check_options(const fst_reward_combine_options *o, int64_t count)
{
    if (o->normalise < FST_NORMALISE_NONE || o->normalise > FST_NORMALISE_SUM)
        return bad("normalise", "an FST_NORMALISE_ value");
    if (o->keep_mean != 0 && o->keep_mean != 1)
        return bad("keep_mean", "0 or 1");
    if (!(o->clip_low < o->clip_high))
        return bad("clip_low and clip_high", "clip_low < clip_high");
    for (int64_t i = 0; i < count; ++i) {
        double low = o->member_low ? o->member_low[i] : -INFINITY;
        double high = o->member_high ? o->member_high[i] : INFINITY;
        if (!(low < high))
            return bad("member_low and member_high", "member_low[i] < member_high[i]");
    }
    return FST_OK;
}

/* ---- the state that checkpoints hold ---- */

static fst_status add_state(fst_reward_model *rm, const char *prefix, const char *name,
                            const fst_view *view)
{
    fst__allocator *allocator = &rm->context->allocator;
    fst__text text = fst__text_create(allocator);
    fst__text_append_string(&text, prefix);
    fst__text_append_string(&text, name);
    if (text.failed) {
        fst__text_destroy(&text);
        return FST_ERR_NO_MEMORY;
    }
    rm->states[rm->state_count++] = (fst__scorer_state){.name = text.data, .view = *view};
    return FST_OK;
}

static fst_status add_states(fst_reward_model *rm)
{
    combination *c = rm->state;
    int64_t total = 3;
    for (int64_t m = 0; m < rm->member_count; ++m)
        total += rm->members[m]->state_count;
    rm->states = fst__alloc_array(&rm->context->allocator, (size_t)total, sizeof *rm->states);
    if (!rm->states)
        return FST_ERR_NO_MEMORY;
    fst_view view = {.rank = 1, .shape = {c->statistics}, .strides = {1}};
    const char *const names[] = {"count", "mean", "squares"};
    void *const rows[] = {c->now.count, c->now.mean, c->now.squares};
    fst_status status = FST_OK;
    for (int i = 0; !status && c->statistics && i < 3; ++i) {
        view.data = rows[i];
        view.dtype = i == 0 ? FST_I64 : FST_F64;
        status = add_state(rm, "", names[i], &view);
    }
    for (int64_t m = 0; m < rm->member_count; ++m) {
        char prefix[40] = "members.", digits[2] = {(char)('0' + m / 10), (char)('0' + m % 10)};
        memcpy(prefix + strlen(prefix), m < 10 ? digits + 1 : digits, m < 10 ? 1 : 2);
        prefix[strlen(prefix)] = '.';
        const fst_reward_model *member = rm->members[m];
        for (int64_t i = 0; !status && i < member->state_count; ++i)
            status = add_state(rm, prefix, member->states[i].name, &member->states[i].view);
    }
    return status;
}

static void set_options(combination *c, const double *weights, int64_t count,
                        const fst_reward_combine_options *o)
{
    c->normalise = o->normalise;
    c->keep_mean = o->keep_mean;
    c->clip_low = o->clip_low;
    c->clip_high = o->clip_high;
    c->statistics = o->normalise == FST_NORMALISE_MEMBERS ? count : o->normalise == FST_NORMALISE_SUM;
    for (int64_t i = 0; i < count; ++i) {
        c->weights[i] = weights ? weights[i] : 1;
        c->low[i] = o->member_low ? o->member_low[i] : -INFINITY;
        c->high[i] = o->member_high ? o->member_high[i] : INFINITY;
    }
}

static fst_status make(fst_reward_model *rm, fst_reward_model *const *members, const double *weights,
                       int64_t count, const fst_reward_combine_options *options)
{
    fst__allocator *allocator = &rm->context->allocator;
    rm->state = fst__alloc_zero(allocator, sizeof(combination));
    rm->members = fst__alloc_array(allocator, (size_t)count, sizeof(fst_reward_model *));
    if (!rm->state || !rm->members)
        return FST_ERR_NO_MEMORY;
    set_options(rm->state, weights, count, options);
    for (; rm->member_count < count; ++rm->member_count) {
        fst_reward_model *member = fst__reward_model_retain(members[rm->member_count]);
        rm->members[rm->member_count] = member;
        rm->needs_texts |= member->needs_texts;
        rm->wants_texts |= member->wants_texts;
    }
    return add_states(rm);
}

fst_status fst__reward_model_combine(fst_context *context, fst_reward_model *const *members,
                                     const double *weights, int64_t count,
                                     const fst_reward_combine_options *options,
                                     fst_reward_model **out)
{
    fst_reward_model *rm;
    fst_status status = check_members(context, members, weights, count);
    if (!status)
        status = check_options(options, count);
    if (!status)
        status = fst__scorer_create(context, &combination_scorer, NULL, &rm);
    if (status)
        return status;
    status = make(rm, members, weights, count, options);
    if (status) {
        fst__reward_model_release(rm);
        return status;
    }
    *out = rm;
    return FST_OK;
}
