#include "model/policy_memory.h"

#include "base/checked.h"
#include "base/error.h"
#include "kernels/compute.h"

#include <string.h>

enum { ROUND = 64 }; /* positions of the cache: what follows may be a little longer */

size_t fst__policy_kept_row(const fst_policy *policy)
{
    return ((size_t)policy->model->config.vocabulary_size + 7) / 8;
}

void fst__policy_drop_memory(fst_policy *policy)
{
    fst__allocator *allocator = &policy->model->context->allocator;
    for (int64_t i = 0; policy->sequences && i < policy->room.sequences; ++i)
        fst__free(allocator, policy->sequences[i].text.data);
    for (int32_t i = 0; i < policy->sampler_count; ++i)
        fst__sampler_destroy(&policy->samplers[i]);
    void *const blocks[] = {
        policy->samplers,          policy->in_prompt, policy->counts,   policy->kept,
        policy->log_probabilities, policy->ids,       policy->logits,   policy->draws,
        policy->step_counts,       policy->step_ids,  policy->sequences};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; ++i)
        fst__free(allocator, blocks[i]);
    fst__kv_cache_destroy(&policy->cache);
    policy->samplers = NULL;
    policy->sampler_count = 0;
    policy->in_prompt = NULL;
    policy->counts = NULL;
    policy->kept = NULL;
    policy->log_probabilities = NULL;
    policy->ids = NULL;
    policy->logits = NULL;
    policy->draws = NULL;
    policy->step_counts = NULL;
    policy->step_ids = NULL;
    policy->sequences = NULL;
    policy->sequence_count = 0;
    policy->bytes = 0;
    policy->room = (fst__policy_need){0};
}

/* rows·columns zeroed elements into *to; false where there is no memory. */
static bool take(fst_policy *policy, int64_t rows, int64_t columns, size_t size, void *to)
{
    size_t count, bytes;
    bool fits =
        fst__mul_size((size_t)rows, (size_t)columns, &count) && fst__mul_size(count, size, &bytes);
    void *block = fits ? fst__alloc_zero(&policy->model->context->allocator, bytes) : NULL;
    memcpy(to, &block, sizeof block);
    policy->bytes += block ? (int64_t)bytes : 0;
    return block != NULL;
}

static bool take_samplers(fst_policy *policy)
{
    fst_context *context = policy->model->context;
    int32_t workers = fst__pool_workers(context->pool);
    if (!take(policy, workers, 1, sizeof *policy->samplers, &policy->samplers))
        return false;
    policy->sampler_count = workers;
    for (int32_t i = 0; i < workers; ++i) {
        if (fst__sampler_create(&context->allocator, context->compute->kernels,
                                policy->model->config.vocabulary_size, &policy->samplers[i]))
            return false;
    }
    policy->bytes += (int64_t)workers * policy->model->config.vocabulary_size *
                     (int64_t)(sizeof(fst__candidate) + sizeof(fst__real));
    return true;
}

static bool take_all(fst_policy *policy, const fst__policy_need *need)
{
    int64_t n = need->sequences, vocabulary = policy->model->config.vocabulary_size;
    policy->room.sequences = n;
    int64_t step = n > FST__PROMPT_BUDGET ? n : FST__PROMPT_BUDGET;
    bool taken = take(policy, n, 1, sizeof *policy->sequences, &policy->sequences) &&
                 take(policy, step, 1, sizeof *policy->step_ids, &policy->step_ids) &&
                 take(policy, n, 1, sizeof *policy->step_counts, &policy->step_counts) &&
                 take(policy, n, 1, sizeof *policy->draws, &policy->draws) &&
                 take(policy, n, vocabulary, sizeof *policy->logits, &policy->logits) &&
                 take(policy, n, need->new_tokens, sizeof *policy->ids, &policy->ids) &&
                 take(policy, n, need->new_tokens, sizeof *policy->log_probabilities,
                      &policy->log_probabilities) &&
                 take_samplers(policy);
    if (taken && need->kept)
        taken = take(policy, n * need->new_tokens, (int64_t)fst__policy_kept_row(policy), 1,
                     &policy->kept);
    if (taken && need->penalties)
        taken = take(policy, n, vocabulary, sizeof *policy->counts, &policy->counts) &&
                take(policy, n, vocabulary, 1, &policy->in_prompt);
    return taken;
}

static bool suffices(const fst__policy_need *room, const fst__policy_need *need)
{
    return room->sequences >= need->sequences && room->positions >= need->positions &&
           room->new_tokens >= need->new_tokens && room->kept >= need->kept &&
           room->penalties >= need->penalties;
}

/* Every sequence begins empty; its text keeps the memory that it has grown to. */
static void lay_out(fst_policy *policy, const fst__policy_need *need)
{
    int64_t vocabulary = policy->model->config.vocabulary_size, tokens = policy->room.new_tokens;
    for (int64_t i = 0; i < policy->room.sequences; ++i) {
        fst__sequence *s = &policy->sequences[i];
        fst__text text = s->text;
        if (!text.allocator)
            text = fst__text_create(&policy->model->context->allocator);
        text.length = 0;
        text.failed = false;
        if (text.data)
            text.data[0] = '\0';
        *s = (fst__sequence){
            .ids = policy->ids + i * tokens,
            .log_probabilities = policy->log_probabilities + i * tokens,
            .text = text,
        };
        if (need->kept)
            s->kept = policy->kept + (size_t)(i * tokens) * fst__policy_kept_row(policy);
        if (need->penalties) {
            s->counts = policy->counts + i * vocabulary;
            s->in_prompt = policy->in_prompt + i * vocabulary;
            memset(s->counts, 0, (size_t)vocabulary * sizeof *s->counts);
            memset(s->in_prompt, 0, (size_t)vocabulary);
        }
    }
    policy->sequence_count = need->sequences;
    memset(policy->step_counts, 0, (size_t)policy->room.sequences * sizeof *policy->step_counts);
    memset(policy->cache.lengths, 0,
           (size_t)policy->room.sequences * sizeof *policy->cache.lengths);
}

fst_status fst__policy_reserve(fst_policy *policy, const fst__policy_need *need)
{
    policy->sequence_count = 0;
    if (!suffices(&policy->room, need)) {
        fst__policy_drop_memory(policy);
        int64_t positions = (need->positions + ROUND - 1) / ROUND * ROUND;
        fst_status status = take_all(policy, need) ? FST_OK : FST_ERR_NO_MEMORY;
        if (!status)
            status =
                fst__kv_cache_create(policy->model, need->sequences, positions, &policy->cache);
        if (status) {
            fst__policy_drop_memory(policy);
            return status;
        }
        policy->room = *need;
        policy->room.positions = positions;
    }
    lay_out(policy, need);
    return FST_OK;
}

int64_t fst__policy_bytes(const fst_policy *policy)
{
    const fst__kv_cache *cache = &policy->cache;
    return policy->bytes + 2 * (int64_t)cache->layer_bytes * cache->layers;
}
