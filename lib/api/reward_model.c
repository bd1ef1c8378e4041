#include "fourstage/reward.h"

#include "api/check.h"
#include "base/options.h"
#include "stages/scoring/scoring.h"

#include <inttypes.h>
#include <string.h>

fst_status fst_reward_batch_init(fst_reward_batch *batch, size_t size)
{
    fst_reward_batch defaults = {.struct_size = sizeof defaults};
    return fst__options_init(batch, size, &defaults, sizeof defaults, "fst_reward_batch");
}

fst_status fst_reward_callback_options_init(fst_reward_callback_options *options, size_t size)
{
    fst_reward_callback_options defaults = fst__reward_callback_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults,
                             "fst_reward_callback_options");
}

fst_status fst_reward_rule_options_init(fst_reward_rule_options *options, size_t size)
{
    fst_reward_rule_options defaults = fst__reward_rule_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_reward_rule_options");
}

fst_status fst_reward_head_options_init(fst_reward_head_options *options, size_t size)
{
    fst_reward_head_options defaults = fst__reward_head_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_reward_head_options");
}

fst_status fst_reward_combine_options_init(fst_reward_combine_options *options, size_t size)
{
    fst_reward_combine_options defaults = fst__reward_combine_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults,
                             "fst_reward_combine_options");
}

fst_status fst_reward_model_from_callback(fst_context *context, fst_reward_callback callback,
                                          void *user, const fst_reward_callback_options *options,
                                          fst_reward_model **reward_model)
{
    const char *function = "fst_reward_model_from_callback";
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status && !callback)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: callback is NULL", function);
    if (!status)
        status = fst__check_pointer(reward_model, function, "reward_model");
    fst_reward_callback_options ours = fst__reward_callback_defaults();
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_reward_callback_options");
    return status ? status
                  : fst__reward_model_from_callback(context, callback, user, &ours, reward_model);
}

fst_status fst_reward_model_from_rule(fst_context *context, const fst_reward_rule_options *options,
                                      fst_reward_model **reward_model)
{
    const char *function = "fst_reward_model_from_rule";
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(options, function, "options");
    if (!status)
        status = fst__check_pointer(reward_model, function, "reward_model");
    fst_reward_rule_options ours = fst__reward_rule_defaults();
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_reward_rule_options");
    return status ? status : fst__reward_model_from_rule(context, &ours, reward_model);
}

fst_status fst_reward_model_from_model(fst_model *model, fst_tokenizer *tokenizer,
                                       const fst_reward_head_options *options,
                                       fst_reward_model **reward_model)
{
    const char *function = "fst_reward_model_from_model";
    fst_status status = fst__check_pointer(model, function, "model");
    if (!status)
        status = fst__check_pointer(reward_model, function, "reward_model");
    fst_reward_head_options ours = fst__reward_head_defaults();
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_reward_head_options");
    return status ? status : fst__reward_model_from_model(model, tokenizer, &ours, reward_model);
}

fst_status fst_reward_model_combine(fst_context *context, fst_reward_model *const *members,
                                    const double *weights, int64_t count,
                                    const fst_reward_combine_options *options,
                                    fst_reward_model **reward_model)
{
    const char *function = "fst_reward_model_combine";
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(members, function, "members");
    if (!status)
        status = fst__check_pointer(reward_model, function, "reward_model");
    fst_reward_combine_options ours = fst__reward_combine_defaults();
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_reward_combine_options");
    return status ? status
                  : fst__reward_model_combine(context, members, weights, count, &ours, reward_model);
}

void fst_reward_model_destroy(fst_reward_model *reward_model)
{
    fst__reward_model_release(reward_model);
}

fst_status fst_reward_model_score(fst_reward_model *reward_model, const fst_reward_batch *batch,
                                  float *scores)
{
    const char *function = "fst_reward_model_score";
    fst_status status = fst__check_pointer(reward_model, function, "reward_model");
    if (!status)
        status = fst__check_pointer(batch, function, "batch");
    if (!status)
        status = fst__check_pointer(scores, function, "scores");
    fst_reward_batch ours = {.struct_size = sizeof ours};
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, batch, "fst_reward_batch");
    return status ? status : fst__reward_model_score(reward_model, &ours, scores);
}

fst_status fst_reward_model_score_texts(fst_reward_model *reward_model, const char *const *prompts,
                                        const char *const *responses, int64_t count, float *scores)
{
    const char *function = "fst_reward_model_score_texts";
    fst_status status = fst__check_pointer(reward_model, function, "reward_model");
    if (!status)
        status = fst__check_pointer(prompts, function, "prompts");
    if (!status)
        status = fst__check_pointer(responses, function, "responses");
    if (!status)
        status = fst__check_pointer(scores, function, "scores");
    const fst_reward_batch batch = {
        .struct_size = sizeof batch,
        .count = count,
        .prompt_texts = prompts,
        .response_texts = responses,
    };
    return status ? status : fst__reward_model_score(reward_model, &batch, scores);
}

fst_status fst_reward_model_score_ids(fst_reward_model *reward_model, const int32_t *const *prompts,
                                      const int64_t *prompt_lengths, const int32_t *const *responses,
                                      const int64_t *response_lengths, int64_t count, float *scores)
{
    const char *function = "fst_reward_model_score_ids";
    fst_status status = fst__check_pointer(reward_model, function, "reward_model");
    if (!status)
        status = fst__check_pointer(prompts, function, "prompts");
    if (!status)
        status = fst__check_pointer(prompt_lengths, function, "prompt_lengths");
    if (!status)
        status = fst__check_pointer(responses, function, "responses");
    if (!status)
        status = fst__check_pointer(response_lengths, function, "response_lengths");
    if (!status)
        status = fst__check_pointer(scores, function, "scores");
    const fst_reward_batch batch = {
        .struct_size = sizeof batch,
        .count = count,
        .prompts = prompts,
        .prompt_lengths = prompt_lengths,
        .responses = responses,
        .response_lengths = response_lengths,
    };
    return status ? status : fst__reward_model_score(reward_model, &batch, scores);
}

fst_status fst_reward_model_member_count(const fst_reward_model *reward_model, int64_t *count)
{
    const char *function = "fst_reward_model_member_count";
    fst_status status = fst__check_pointer(reward_model, function, "reward_model");
    if (!status)
        status = fst__check_pointer(count, function, "count");
    if (!status)
        *count = reward_model->member_count;
    return status;
}

fst_status fst_reward_model_member_scores(const fst_reward_model *reward_model, int64_t member,
                                          float *scores, int64_t capacity, int64_t *count)
{
    const char *function = "fst_reward_model_member_scores";
    fst_status status = fst__check_pointer(reward_model, function, "reward_model");
    if (!status)
        status = fst__check_pointer(count, function, "count");
    if (!status && capacity > 0)
        status = fst__check_pointer(scores, function, "scores");
    if (status)
        return status;
    if (member < 0 || member >= reward_model->member_count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: member is %" PRId64 ", the reward model has %" PRId64, function, member,
                         reward_model->member_count);
    const float *found = fst__reward_model_member_scores(reward_model, member, count);
    if (capacity < *count)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL, "%s: room for %" PRId64 " scores, %" PRId64 " needed",
                         function, capacity, *count);
    if (*count)
        memcpy(scores, found, (size_t)*count * sizeof *scores);
    return FST_OK;
}

fst_status fst_reward_model_freeze(fst_reward_model *reward_model, int32_t frozen)
{
    const char *function = "fst_reward_model_freeze";
    fst_status status = fst__check_pointer(reward_model, function, "reward_model");
    if (status)
        return status;
    if (frozen != 0 && frozen != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: frozen is %d, expected 0 or 1", function,
                         (int)frozen);
    if (reward_model->busy)
        return fst__fail(FST_ERR_BUSY, "%s was called from the reward model's own callback", function);
    fst__reward_model_freeze(reward_model, frozen);
    return FST_OK;
}
