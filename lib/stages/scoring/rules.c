/* Scores that need no model. */
#include "stages/scoring/rules.h"

#include "base/error.h"
#include "fourstage/policy.h"
#include "tokenizer/tokenizer.h"

#include <inttypes.h>

typedef struct rule {
    int32_t kind, unit;
    int64_t least, most, falloff, n;
    fst__units units;
    fst__rule_pattern *pattern; /* of its kind, else NULL */
    fst__lexicon *lexicon;      /* likewise */
} rule;

fst_reward_rule_options fst__reward_rule_defaults(void)
{
    return (fst_reward_rule_options){
        .struct_size = sizeof(fst_reward_rule_options),
        .n = 2,
    };
}

/* ---- scoring ---- */

static double score_length(const rule *r, double units)
{
    double beyond = 0;
    if (units < (double)r->least)
        beyond = (double)r->least - units;
    else if (units > (double)r->most)
        beyond = units - (double)r->most;
    if (beyond == 0)
        return 1;
    return beyond < (double)r->falloff ? 1 - beyond / (double)r->falloff : 0;
}

static fst_status score_units(rule *r, const fst_reward_batch *batch, int64_t i, double *score)
{
    fst_status status = fst__units_read(&r->units, r->unit, batch, i);
    if (!status)
        *score = r->kind == FST_RULE_LENGTH ? score_length(r, (double)r->units.count)
                                            : fst__units_repetition(&r->units, (size_t)r->n);
    return status;
}

static double score_end(int32_t end, const fst_reward_batch *batch, int64_t i)
{
    if (batch->finishes)
        return batch->finishes[i] == FST_FINISH_END || batch->finishes[i] == FST_FINISH_STRING;
    int64_t length = batch->response_lengths[i];
    return length > 0 && batch->responses[i][length - 1] == end;
}

/* What the batch must have for the rule to look at anything. */
static fst_status check_batch(const rule *r, const fst_reward_batch *batch, int32_t *end)
{
    *end = -1;
    bool tokens = (r->kind == FST_RULE_LENGTH || r->kind == FST_RULE_REPETITION) &&
                  r->unit == FST_UNIT_TOKENS;
    if ((tokens || (r->kind == FST_RULE_END && !batch->finishes)) && !batch->responses)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s rule: expected the answers' ids in the batch, it has texts only",
                         tokens ? "the" : "the end");
    if (r->kind != FST_RULE_END || batch->finishes)
        return FST_OK;
    *end = batch->tokenizer ? fst__tokenizer_special_id(batch->tokenizer, FST_TOKEN_EOS) : -1;
    if (*end < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "the end rule: expected finishes in the batch, or a tokenizer with an end "
                         "token");
    return FST_OK;
}

static fst_status score(fst_reward_model *reward_model, const fst_reward_batch *batch, float *scores)
{
    rule *r = reward_model->state;
    int32_t end;
    int64_t limited = 0;
    fst_status status = check_batch(r, batch, &end);
    for (int64_t i = 0; !status && i < batch->count; ++i) {
        double value = 0;
        bool gave_up = false;
        if (r->kind == FST_RULE_PATTERN)
            status = fst__rule_pattern_find(r->pattern, batch->response_texts[i], &value, &gave_up);
        else if (r->kind == FST_RULE_LEXICON)
            status = fst__lexicon_score(r->lexicon, batch->response_texts[i], &value);
        else if (r->kind == FST_RULE_END)
            value = score_end(end, batch, i);
        else
            status = score_units(r, batch, i, &value);
        limited += gave_up;
        scores[i] = (float)value;
    }
    if (limited)
        fst__log_write(&reward_model->context->log, FST_LOG_WARNING,
                       "the pattern rule gave up at its matching limit in %" PRId64
                       " of %" PRId64 " answers; they count as not matching",
                       limited, batch->count);
    return status;
}

static void destroy(fst_reward_model *reward_model)
{
    rule *r = reward_model->state;
    if (!r)
        return;
    fst__lexicon_destroy(r->lexicon);
    fst__rule_pattern_destroy(r->pattern);
    fst__units_destroy(&r->units);
    fst__free(&reward_model->context->allocator, r);
}

static const fst__scorer rule_scorer = {
    .name = "reward rule",
    .score = score,
    .destroy = destroy,
};

/* ---- making ---- */

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_reward_rule_options.%s: expected %s", field,
                     expected);
}

static fst_status check(const fst_reward_rule_options *o)
{
    enum { MOST_N = 16 };
    if (o->kind < FST_RULE_LENGTH || o->kind > FST_RULE_END)
        return bad("kind", "an FST_RULE_ value");
    if (o->unit < FST_UNIT_TOKENS || o->unit > FST_UNIT_WORDS)
        return bad("unit", "an FST_UNIT_ value");
    if (o->kind == FST_RULE_LENGTH && (o->least < 0 || o->most < o->least || o->falloff < 0))
        return bad("least, most and falloff", "0 ≤ least ≤ most and falloff ≥ 0");
    if (o->kind == FST_RULE_REPETITION && (o->n < 1 || o->n > MOST_N))
        return bad("n", "1 to 16");
    if (o->kind == FST_RULE_PATTERN && !o->pattern)
        return bad("pattern", "a text, it is NULL");
    if ((o->whole | o->ignore_case | o->average) & ~1)
        return bad("whole, ignore_case and average", "0 or 1");
    return FST_OK;
}

static bool reads_texts(const fst_reward_rule_options *o)
{
    if (o->kind == FST_RULE_PATTERN || o->kind == FST_RULE_LEXICON)
        return true;
    return o->kind != FST_RULE_END && o->unit != FST_UNIT_TOKENS;
}

static fst_status make(fst_reward_model *rm, const fst_reward_rule_options *o)
{
    rule *r = fst__alloc_zero(&rm->context->allocator, sizeof *r);
    rm->state = r;
    if (!r)
        return FST_ERR_NO_MEMORY;
    *r = (rule){
        .kind = o->kind,
        .unit = o->unit,
        .least = o->least,
        .most = o->most,
        .falloff = o->falloff,
        .n = o->n,
        .units = {.allocator = &rm->context->allocator},
    };
    rm->needs_texts = rm->wants_texts = reads_texts(o);
    if (o->kind == FST_RULE_PATTERN)
        return fst__rule_pattern_create(rm->context, o->pattern, o->whole, o->ignore_case,
                                        &r->pattern);
    if (o->kind == FST_RULE_LEXICON)
        return fst__lexicon_create(rm->context, o, &r->lexicon);
    return FST_OK;
}

fst_status fst__reward_model_from_rule(fst_context *context, const fst_reward_rule_options *options,
                                       fst_reward_model **out)
{
    fst_reward_model *rm;
    fst_status status = check(options);
    if (!status)
        status = fst__scorer_create(context, &rule_scorer, options->tokenizer, &rm);
    if (status)
        return status;
    status = make(rm, options);
    if (status) {
        fst__reward_model_release(rm);
        return status;
    }
    *out = rm;
    return FST_OK;
}
