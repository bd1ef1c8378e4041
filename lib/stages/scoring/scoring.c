#include "stages/scoring/scoring.h"

#include "base/checked.h"
#include "base/error.h"
#include "stages/scoring/texts.h"
#include "tokenizer/tokenizer.h"

#include <inttypes.h>
#include <math.h>

/* ---- life ---- */

fst_status fst__scorer_create(fst_context *context, const fst__scorer *scorer,
                              fst_tokenizer *tokenizer, fst_reward_model **out)
{
    fst_reward_model *rm = fst__alloc_zero(&context->allocator, sizeof *rm);
    if (!rm)
        return FST_ERR_NO_MEMORY;
    rm->references = 1;
    rm->context = fst__context_retain(context);
    rm->scorer = scorer;
    rm->tokenizer = tokenizer ? fst__tokenizer_retain(tokenizer) : NULL;
    *out = rm;
    return FST_OK;
}

fst_reward_model *fst__reward_model_retain(fst_reward_model *reward_model)
{
    atomic_fetch_add(&reward_model->references, 1);
    return reward_model;
}

void fst__reward_model_release(fst_reward_model *reward_model)
{
    if (!reward_model || atomic_fetch_sub(&reward_model->references, 1) != 1)
        return;
    fst_context *context = reward_model->context;
    fst__allocator *allocator = &context->allocator;
    fst__made_texts_destroy(&reward_model->response_texts, allocator);
    fst__made_texts_destroy(&reward_model->prompt_texts, allocator);
    for (int64_t i = 0; i < reward_model->state_count; ++i)
        fst__free(allocator, reward_model->states[i].name);
    fst__free(allocator, reward_model->states);
    reward_model->scorer->destroy(reward_model);
    for (int64_t i = 0; i < reward_model->member_count; ++i)
        fst__reward_model_release(reward_model->members[i]);
    fst__free(allocator, reward_model->members);
    fst__tokenizer_release(reward_model->tokenizer);
    fst__free(allocator, reward_model);
    fst__context_release(context);
}

fst_tokenizer *fst__reward_model_tokenizer(const fst_reward_model *reward_model)
{
    fst_tokenizer *tokenizer = reward_model->tokenizer;
    for (int64_t i = 0; !tokenizer && i < reward_model->member_count; ++i)
        tokenizer = fst__reward_model_tokenizer(reward_model->members[i]);
    return tokenizer;
}

void fst__reward_model_freeze(fst_reward_model *reward_model, bool frozen)
{
    reward_model->frozen = frozen;
    for (int64_t i = 0; i < reward_model->member_count; ++i)
        fst__reward_model_freeze(reward_model->members[i], frozen);
}

void fst__reward_model_hold(fst_reward_model *reward_model)
{
    reward_model->held += 1;
    for (int64_t i = 0; i < reward_model->member_count; ++i)
        fst__reward_model_hold(reward_model->members[i]);
}

void fst__reward_model_let_go(fst_reward_model *reward_model)
{
    reward_model->held -= 1;
    for (int64_t i = 0; i < reward_model->member_count; ++i)
        fst__reward_model_let_go(reward_model->members[i]);
}

int64_t fst__reward_model_state_count(const fst_reward_model *reward_model)
{
    return reward_model->state_count;
}

void fst__reward_model_state(fst_reward_model *reward_model, int64_t index, const char **name,
                             fst_view *view)
{
    *name = reward_model->states[index].name;
    *view = reward_model->states[index].view;
}

/* ---- the batch ---- */

static fst_status check_ids(const char *name, const int32_t *const *ids, const int64_t *lengths,
                            int64_t count)
{
    if (!ids)
        return FST_OK;
    if (!lengths)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_reward_batch.%s is given without its lengths", name);
    for (int64_t i = 0; i < count; ++i) {
        if (lengths[i] < 0 || lengths[i] > INT32_MAX || (!ids[i] && lengths[i] > 0))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_reward_batch.%s[%" PRId64 "]: %s with a length of %" PRId64, name,
                             i, ids[i] ? "ids" : "NULL", lengths[i]);
    }
    return FST_OK;
}

static fst_status check_texts(const char *name, const char *const *texts, int64_t count)
{
    for (int64_t i = 0; texts && i < count; ++i) {
        if (!texts[i])
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_reward_batch.%s[%" PRId64 "] is NULL",
                             name, i);
    }
    return FST_OK;
}

static fst_status check_batch(const fst_reward_batch *batch)
{
    enum { MOST = 1 << 24 };
    int64_t count = batch->count;
    if (count < 1 || count > MOST)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_reward_batch.count is %" PRId64 ", expected 1 to %d", count, MOST);
    if (!batch->responses && !batch->response_texts)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_reward_batch has neither responses nor response_texts");
    fst_status status = check_ids("prompts", batch->prompts, batch->prompt_lengths, count);
    if (!status)
        status = check_ids("responses", batch->responses, batch->response_lengths, count);
    if (!status)
        status = check_texts("prompt_texts", batch->prompt_texts, count);
    return status ? status : check_texts("response_texts", batch->response_texts, count);
}

/* Puts texts into the batch where a member reads them and there are only ids. */
static fst_status make_texts(fst_reward_model *reward_model, fst_reward_batch *batch)
{
    const fst_tokenizer *tokenizer = batch->tokenizer;
    fst__allocator *allocator = &reward_model->context->allocator;
    if (!reward_model->wants_texts)
        return FST_OK;
    if (reward_model->needs_texts && !batch->response_texts && !tokenizer)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "the reward model reads texts: expected response_texts in the batch, or a "
                         "tokenizer to make them of the ids");
    fst_status status = FST_OK;
    if (tokenizer && batch->prompts && !batch->prompt_texts)
        status = fst__made_texts_decode(&reward_model->prompt_texts, allocator, tokenizer, "prompts",
                                        batch->prompts, batch->prompt_lengths, batch->count,
                                        &batch->prompt_texts);
    if (!status && tokenizer && batch->responses && !batch->response_texts)
        status = fst__made_texts_decode(&reward_model->response_texts, allocator, tokenizer,
                                        "responses", batch->responses, batch->response_lengths,
                                        batch->count, &batch->response_texts);
    return status;
}

/* ---- scoring ---- */

fst_status fst__scorer_run(fst_reward_model *reward_model, const fst_reward_batch *batch,
                           float *scores)
{
    if (reward_model->busy)
        return fst__fail(FST_ERR_BUSY, "the reward model is scoring: it was called from a callback");
    reward_model->busy = true;
    fst_status status = reward_model->scorer->score(reward_model, batch, scores);
    reward_model->busy = false;
    for (int64_t i = 0; !status && i < batch->count; ++i) {
        if (!isfinite(scores[i]))
            status = fst__fail(FST_ERR_NUMERIC, "%s: the score of answer %" PRId64 " is %g",
                               reward_model->scorer->name, i, (double)scores[i]);
    }
    return status;
}

fst_status fst__reward_model_score(fst_reward_model *reward_model, const fst_reward_batch *batch,
                                   float *scores)
{
    fst_reward_batch whole = *batch;
    fst_status status = check_batch(batch);
    if (!status && reward_model->busy)
        status = fst__fail(FST_ERR_BUSY,
                           "fst_reward_model_score was called from the reward model's own callback");
    if (status)
        return status;
    if (!whole.tokenizer)
        whole.tokenizer = fst__reward_model_tokenizer(reward_model);
    fst__reward_model_retain(reward_model); /* a callback may destroy the caller's */
    status = make_texts(reward_model, &whole);
    if (!status)
        status = fst__scorer_run(reward_model, &whole, scores);
    if (!status && reward_model->scorer->commit)
        reward_model->scorer->commit(reward_model);
    fst__reward_model_release(reward_model);
    return status > 0 ? FST_STOPPED : status;
}
