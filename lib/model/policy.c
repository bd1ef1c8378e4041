#include "model/policy.h"

#include "base/error.h"
#include "fourstage/tokenizer.h"
#include "model/control_policy.h"
#include "model/policy_draw.h"
#include "model/policy_memory.h"
#include "model/policy_text.h"
#include "tokenizer/tokenizer.h"

#include <string.h>

fst_status fst__policy_create(fst_model *model, fst_tokenizer *tokenizer, fst_policy **out)
{
    if (!fst__config_reads_text(&model->config))
        return fst__fail(FST_ERR_UNSUPPORTED,
                         "fst_policy_create: a model of images or vectors cannot generate text");
    if (!model->config.causal)
        return fst__fail(FST_ERR_UNSUPPORTED,
                         "fst_policy_create: an encoder (fst_model_config.causal is 0) cannot generate");
    if (tokenizer) {
        int32_t size = fst__tokenizer_vocabulary_size(tokenizer);
        if (size > model->config.vocabulary_size)
            return fst__fail(FST_ERR_MISMATCH,
                             "the tokenizer has %d ids, the model's vocabulary_size is %d",
                             (int)size, (int)model->config.vocabulary_size);
    }
    fst_policy *policy = fst__alloc_zero(&model->context->allocator, sizeof *policy);
    if (!policy)
        return FST_ERR_NO_MEMORY;
    policy->references = 1;
    policy->model = fst__model_retain(model);
    policy->tokenizer = tokenizer ? fst__tokenizer_retain(tokenizer) : NULL;
    *out = policy;
    return FST_OK;
}

void fst__policy_release(fst_policy *policy)
{
    if (!policy || atomic_fetch_sub(&policy->references, 1) != 1)
        return;
    fst__policy_drop_memory(policy);
    fst_model *model = policy->model;
    fst__control_destroy(&model->context->allocator, policy->control);
    fst__tokenizer_release(policy->tokenizer);
    fst__free(&model->context->allocator, policy);
    fst__model_release(model);
}

fst_status fst__policy_check_text(const fst_policy *policy, const char *function)
{
    if (!policy->control)
        return FST_OK;
    return fst__fail(FST_ERR_STATE, "%s: the policy acts in environments (fst_policy_act); one of "
                                    "fst_policy_create generates text",
                     function);
}

static bool has_penalties(const fst_sampling_options *o)
{
    return o->repetition_penalty != 1 || o->presence_penalty != 0 || o->frequency_penalty != 0;
}

static int64_t limit_of(const fst_policy *policy, int64_t length, const fst_sampling_options *o)
{
    int64_t room = policy->model->config.context_length - length;
    return o->max_new_tokens < room ? o->max_new_tokens : room;
}

static void prepare_sequence(fst_policy *policy, fst__sequence *s, const int32_t *prompt,
                             int64_t length, int64_t index, const fst_sampling_options *o)
{
    s->limit = limit_of(policy, length, o);
    /* A seed of its own for each prompt; multiplied so that neighbours share no key. */
    s->seed = o->seeds ? (uint64_t)o->seeds[index]
                       : (uint64_t)o->seed * 0x9E3779B97F4A7C15u + (uint64_t)index;
    s->finish = FST_FINISH_LENGTH;
    s->done = s->limit == 0;
    for (int64_t i = 0; s->in_prompt && i < length; ++i)
        s->in_prompt[prompt[i]] = 1;
}

static fst_status check_prompts(const fst_policy *policy, const int32_t *const *prompts,
                                const int64_t *lengths, int64_t count)
{
    const fst_model_config *c = &policy->model->config;
    for (int64_t s = 0; s < count; ++s) {
        if (!prompts[s] || lengths[s] < 1 || lengths[s] > c->context_length)
            return fst__fail(
                FST_ERR_INVALID_ARGUMENT,
                "prompt %lld has %lld ids, expected 1 to the model's context_length %d",
                (long long)s, prompts[s] ? (long long)lengths[s] : 0, (int)c->context_length);
        for (int64_t i = 0; i < lengths[s]; ++i) {
            if (prompts[s][i] < 0 || prompts[s][i] >= c->vocabulary_size)
                return fst__fail(FST_ERR_INVALID_ARGUMENT,
                                 "prompt %lld: id %lld is %d, expected 0 to %d", (long long)s,
                                 (long long)i, (int)prompts[s][i], (int)c->vocabulary_size - 1);
        }
    }
    return FST_OK;
}

static fst_status prepare(fst_policy *policy, const int32_t *const *prompts, const int64_t *lengths,
                          int64_t count, const fst_sampling_options *options)
{
    fst_status status = check_prompts(policy, prompts, lengths, count);
    if (status)
        return status;
    fst__policy_need need = {
        .sequences = count,
        .positions = 1,
        .new_tokens = 1,
        .kept = options->record_kept != 0,
        .penalties = has_penalties(options),
    };
    for (int64_t s = 0; s < count; ++s) {
        int64_t limit = limit_of(policy, lengths[s], options), most = lengths[s] + limit;
        need.new_tokens = limit > need.new_tokens ? limit : need.new_tokens;
        need.positions = most > need.positions ? most : need.positions;
    }
    status = fst__policy_reserve(policy, &need);
    for (int64_t s = 0; s < count && !status; ++s)
        prepare_sequence(policy, &policy->sequences[s], prompts[s], lengths[s], s, options);
    return status;
}

/* Fills step_ids and step_counts with prompt tokens still to be read, whole prompts where they fit;
 * false if there are none. */
static bool plan_prompts(fst_policy *policy, const int32_t *const *prompts, const int64_t *lengths)
{
    int64_t used = 0;
    for (int64_t s = 0; s < policy->sequence_count; ++s) {
        int64_t read = policy->cache.lengths[s], rest = lengths[s] - read;
        policy->step_counts[s] = 0;
        if (policy->sequences[s].done || rest <= 0)
            continue;
        if (used > 0 && rest > FST__PROMPT_BUDGET - used)
            continue;
        int64_t take = rest < FST__PROMPT_BUDGET ? rest : FST__PROMPT_BUDGET;
        memcpy(policy->step_ids + used, prompts[s] + read, (size_t)take * sizeof **prompts);
        policy->step_counts[s] = (int32_t)take;
        used += take;
    }
    return used > 0;
}

/* The last drawn token of each sequence that goes on; false if none does. */
static bool plan_step(fst_policy *policy)
{
    int64_t used = 0;
    for (int64_t s = 0; s < policy->sequence_count; ++s) {
        const fst__sequence *sequence = &policy->sequences[s];
        policy->step_counts[s] = !sequence->done;
        if (!sequence->done)
            policy->step_ids[used++] = sequence->ids[sequence->count - 1];
    }
    return used > 0;
}

static bool is_stop(const fst_model *model, const fst_sampling_options *o, int32_t id)
{
    if (!o->ignore_end && model->config.eos_id == id)
        return true;
    for (size_t i = 0; i < o->stop_id_count; ++i) {
        if (o->stop_ids[i] == id)
            return true;
    }
    return false;
}

static fst_status report(fst_policy *policy, int64_t index, const fst_sampling_options *options,
                         fst_token_callback callback, void *user)
{
    fst__sequence *s = &policy->sequences[index];
    size_t fresh = fst__sequence_new_text(s, options);
    const char *text = policy->tokenizer ? (fresh ? s->text.data + s->reported : "") : NULL;
    s->reported += fresh;
    if (!callback)
        return FST_OK;
    fst_token token = {
        .struct_size = sizeof token,
        .sequence = index,
        .index = s->count - 1,
        .id = s->ids[s->count - 1],
        .log_probability = s->log_probabilities[s->count - 1],
        .text = text,
        .text_length = fresh,
    };
    return callback(&token, user);
}

/* What the token just drawn means for its sequence. */
static fst_status take_token(fst_policy *policy, int64_t index, const fst_sampling_options *options)
{
    fst__sequence *s = &policy->sequences[index];
    int32_t id = s->ids[s->count++];
    if (s->counts)
        s->counts[id]++;
    if (policy->tokenizer) {
        fst_status status = fst__sequence_append_text(policy, s, id);
        if (status)
            return status;
    }
    if (is_stop(policy->model, options, id)) {
        s->done = true;
        s->finish = FST_FINISH_END;
    } else if (fst__sequence_cut_stop_string(s, options)) {
        s->done = true;
        s->finish = FST_FINISH_STRING;
    } else if (s->count == s->limit) {
        s->done = true;
    }
    if (s->done)
        fst__sequence_drop_cut_character(s);
    return FST_OK;
}

/* The sequences of the last forward whose prompts are read; returns how many. */
static int64_t plan_draws(fst_policy *policy, const int64_t *lengths)
{
    int64_t count = 0, row = 0;
    for (int64_t s = 0; s < policy->sequence_count; ++s) {
        if (!policy->step_counts[s])
            continue;
        if (policy->cache.lengths[s] >= lengths[s])
            policy->draws[count++] = (fst__draw){s, row};
        ++row;
    }
    return count;
}

/* One forward over what was planned, and a token for each sequence whose prompt is read. */
static fst_status advance(fst_policy *policy, const int64_t *lengths,
                          const fst_sampling_options *options, fst_token_callback callback,
                          void *user)
{
    fst_status status = fst__model_decode(policy->model, &policy->cache, policy->step_ids,
                                          policy->step_counts, policy->logits);
    int64_t count = status ? 0 : plan_draws(policy, lengths);
    if (count > 0)
        status = fst__policy_draw(policy, count, options);
    for (int64_t i = 0; i < count && !status; ++i) {
        status = take_token(policy, policy->draws[i].sequence, options);
        if (!status)
            status = report(policy, policy->draws[i].sequence, options, callback, user);
    }
    return status;
}

static void mark_stopped(fst_policy *policy)
{
    for (int64_t s = 0; s < policy->sequence_count; ++s) {
        if (!policy->sequences[s].done)
            policy->sequences[s].finish = FST_FINISH_STOPPED;
        policy->sequences[s].done = true;
        fst__sequence_drop_cut_character(&policy->sequences[s]);
    }
}

fst_status fst__policy_generate(fst_policy *policy, const int32_t *const *prompts,
                                const int64_t *lengths, int64_t count,
                                const fst_sampling_options *options, fst_token_callback callback,
                                void *user)
{
    if (policy->busy)
        return fst__fail(FST_ERR_BUSY, "fst_policy_generate was called from its own callback");
    policy->busy = true;
    /* The callback may destroy the caller's policy. */
    atomic_fetch_add(&policy->references, 1);
    fst_status status = prepare(policy, prompts, lengths, count, options);
    while (!status && (plan_prompts(policy, prompts, lengths) || plan_step(policy)))
        status = advance(policy, lengths, options, callback, user);
    policy->busy = false;
    if (status > 0) {
        mark_stopped(policy);
        status = FST_STOPPED;
    }
    fst__policy_release(policy);
    return status;
}

static fst_status encode(const fst_policy *policy, const char *text, size_t length, fst__ids *ids)
{
    fst_status status = fst__tokenizer_encode(policy->tokenizer, text, length, true, true, ids);
    if (status || ids->count)
        return status;
    int64_t begin = policy->model->config.bos_id;
    if (begin < 0)
        begin = fst__tokenizer_special_id(policy->tokenizer, FST_TOKEN_BOS);
    if (begin < 0)
        begin = policy->model->config.eos_id;
    if (begin < 0)
        begin = fst__tokenizer_special_id(policy->tokenizer, FST_TOKEN_EOS);
    if (begin < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "an empty prompt, and neither model nor tokenizer has a begin token");
    status = fst__ids_reserve(ids, 1);
    if (!status)
        ids->ids[ids->count++] = (int32_t)begin;
    return status;
}

fst_status fst__policy_generate_text(fst_policy *policy, const char *const *texts,
                                     const size_t *lengths, int64_t count,
                                     const fst_sampling_options *options,
                                     fst_token_callback callback, void *user)
{
    if (!policy->tokenizer)
        return fst__fail(FST_ERR_STATE, "fst_policy_generate_text: the policy has no tokenizer");
    /* Held beyond the policy, which the callback may destroy. */
    fst_context *context = fst__context_retain(policy->model->context);
    fst__allocator *allocator = &context->allocator;
    fst__ids *ids = fst__alloc_zero(allocator, (size_t)count * sizeof *ids);
    const int32_t **prompts = fst__alloc_array(allocator, (size_t)count, sizeof *prompts);
    int64_t *prompt_lengths = fst__alloc_array(allocator, (size_t)count, sizeof *prompt_lengths);
    fst_status status = ids && prompts && prompt_lengths ? FST_OK : FST_ERR_NO_MEMORY;
    for (int64_t i = 0; i < count && !status; ++i) {
        ids[i].allocator = allocator;
        status = encode(policy, texts[i], lengths ? lengths[i] : strlen(texts[i]), &ids[i]);
        prompts[i] = ids[i].ids;
        prompt_lengths[i] = (int64_t)ids[i].count;
    }
    if (!status)
        status =
            fst__policy_generate(policy, prompts, prompt_lengths, count, options, callback, user);
    for (int64_t i = 0; ids && i < count; ++i) {
        if (ids[i].allocator)
            fst__ids_destroy(&ids[i]);
    }
    fst__free(allocator, prompt_lengths);
    fst__free(allocator, prompts);
    fst__free(allocator, ids);
    fst__context_release(context);
    return status;
}
