#include "fourstage/policy.h"

#include "api/check.h"
#include "base/options.h"
#include "model/policy.h"

#include <math.h>

static fst_sampling_options default_sampling_options(void)
{
    return (fst_sampling_options){
        .struct_size = sizeof(fst_sampling_options),
        .max_new_tokens = 128,
        .temperature = 1,
        .top_p = 1,
        .repetition_penalty = 1,
    };
}

fst_status fst_sampling_options_init(fst_sampling_options *options, size_t size)
{
    fst_sampling_options defaults = default_sampling_options();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_sampling_options");
}

static fst_status check_real(const char *field, double value, double least, double most)
{
    if (value >= least && value <= most)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sampling_options.%s is %g, expected %g to %g",
                     field, value, least, most);
}

static fst_status check_reals(const fst_sampling_options *o)
{
    const double large = 1e6, tiny = 1e-6;
    fst_status status = check_real("temperature", o->temperature, 0, large);
    if (!status && o->temperature > 0)
        status = check_real("temperature", o->temperature, tiny, large);
    if (!status)
        status = check_real("top_p", o->top_p, tiny, 1);
    if (!status)
        status = check_real("min_p", o->min_p, 0, 1 - tiny);
    if (!status)
        status = check_real("repetition_penalty", o->repetition_penalty, tiny, large);
    if (!status)
        status = check_real("presence_penalty", o->presence_penalty, -large, large);
    if (!status)
        status = check_real("frequency_penalty", o->frequency_penalty, -large, large);
    return status;
}

static fst_status check_lists(const fst_policy *policy, const fst_sampling_options *o)
{
    if ((o->bias_count && (!o->bias_ids || !o->bias_values)) || (o->stop_id_count && !o->stop_ids) ||
        (o->stop_string_count && !o->stop_strings))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sampling_options: a count is given without its array");
    for (size_t i = 0; i < o->bias_count; ++i) {
        if (o->bias_ids[i] < 0 || o->bias_ids[i] >= policy->model->config.vocabulary_size)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_sampling_options.bias_ids[%zu] is %d, expected 0 to %d", i,
                             (int)o->bias_ids[i], (int)policy->model->config.vocabulary_size - 1);
        if (isnan(o->bias_values[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_sampling_options.bias_values[%zu] is NaN", i);
    }
    if (o->stop_string_count && !policy->tokenizer)
        return fst__fail(FST_ERR_STATE, "stop_strings need a policy with a tokenizer");
    for (size_t i = 0; i < o->stop_string_count; ++i) {
        if (!o->stop_strings[i] || !o->stop_strings[i][0])
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_sampling_options.stop_strings[%zu] is empty", i);
    }
    return FST_OK;
}

static fst_status check(const fst_policy *policy, const void *prompts, int64_t count,
                        const char *function, const fst_sampling_options *theirs,
                        fst_sampling_options *o)
{
    enum { MOST_SEQUENCES = 1 << 20 };
    fst_status status = fst__check_pointer(policy, function, "policy");
    if (!status)
        status = fst__check_pointer(prompts, function, "prompts");
    if (status)
        return status;
    if (count < 1 || count > MOST_SEQUENCES)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: count is %lld, expected 1 to %d", function,
                         (long long)count, MOST_SEQUENCES);
    *o = default_sampling_options();
    status = fst__options_overlay(o, sizeof *o, theirs, "fst_sampling_options");
    if (status)
        return status;
    if (o->max_new_tokens < 0 || o->top_k < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sampling_options.max_new_tokens and top_k must be at least 0");
    status = check_reals(o);
    return status ? status : check_lists(policy, o);
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
    };
    return fst__options_init(generation, size, &ours, sizeof ours, "fst_generation");
}
