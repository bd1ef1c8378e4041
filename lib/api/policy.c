#include "fourstage/policy.h"

#include "api/check.h"
#include "base/options.h"
#include "model/policy.h"
#include "model/sampling.h"

fst_status fst_sampling_options_init(fst_sampling_options *options, size_t size)
{
    fst_sampling_options defaults = fst__sampling_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_sampling_options");
}

static fst_status check(const fst_policy *policy, const void *prompts, int64_t count,
                        const char *function, const fst_sampling_options *theirs,
                        fst_sampling_options *o)
{
    enum { MOST_SEQUENCES = 1 << 20 };
    fst_status status = fst__check_pointer(policy, function, "policy");
    if (!status)
        status = fst__check_pointer(prompts, function, "prompts");
    if (!status)
        status = fst__policy_check_text(policy, function);
    if (status)
        return status;
    if (count < 1 || count > MOST_SEQUENCES)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: count is %lld, expected 1 to %d", function,
                         (long long)count, MOST_SEQUENCES);
    *o = fst__sampling_defaults();
    status = fst__options_overlay(o, sizeof *o, theirs, "fst_sampling_options");
    return status ? status
                  : fst__sampling_check(o, policy->model->config.vocabulary_size,
                                        policy->tokenizer != NULL);
}

fst_status fst_policy_create(fst_model *model, fst_tokenizer *tokenizer, fst_policy **policy)
{
    fst_status status = fst__check_pointer(model, "fst_policy_create", "model");
    if (!status)
        status = fst__check_pointer(policy, "fst_policy_create", "policy");
    return status ? status : fst__policy_create(model, tokenizer, policy);
}

void fst_policy_destroy(fst_policy *policy)
{
    fst__policy_release(policy);
}

fst_status fst_policy_generate(fst_policy *policy, const int32_t *const *prompts,
                               const int64_t *lengths, int64_t count,
                               const fst_sampling_options *options, fst_token_callback callback,
                               void *user)
{
    fst_sampling_options o;
    fst_status status = check(policy, prompts, count, "fst_policy_generate", options, &o);
    if (!status)
        status = fst__check_pointer(lengths, "fst_policy_generate", "lengths");
    return status ? status
                  : fst__policy_generate(policy, prompts, lengths, count, &o, callback, user);
}

fst_status fst_policy_generate_text(fst_policy *policy, const char *const *texts,
                                    const size_t *lengths, int64_t count,
                                    const fst_sampling_options *options,
                                    fst_token_callback callback, void *user)
{
    fst_sampling_options o;
    fst_status status = check(policy, texts, count, "fst_policy_generate_text", options, &o);
    for (int64_t i = 0; i < count && !status; ++i)
        status = fst__check_pointer(texts[i], "fst_policy_generate_text", "a text");
    return status ? status
                  : fst__policy_generate_text(policy, texts, lengths, count, &o, callback, user);
}

fst_status fst_policy_get_result(const fst_policy *policy, int64_t sequence,
                                 fst_generation *generation, size_t size)
{
    fst_status status = fst__check_pointer(policy, "fst_policy_get_result", "policy");
    if (!status)
        status = fst__policy_check_text(policy, "fst_policy_get_result");
    if (status)
        return status;
    if (sequence < 0 || sequence >= policy->sequence_count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_policy_get_result: sequence is %lld, the last generate had %lld",
                         (long long)sequence, (long long)policy->sequence_count);
    const fst__sequence *s = &policy->sequences[sequence];
    fst_generation ours = {
        .ids = s->ids,
        .log_probabilities = s->log_probabilities,
        .count = s->count,
        .text = policy->tokenizer ? (s->text.data ? s->text.data : "") : NULL,
        .text_length = s->text.length,
        .finish = s->finish,
        .kept = s->kept,
    };
    return fst__options_init(generation, size, &ours, sizeof ours, "fst_generation");
}
