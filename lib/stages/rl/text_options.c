/* What a run of reinforcement learning may be asked for. */
#include "stages/rl/text.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

fst_rl_options fst__rl_defaults(void)
{
    return (fst_rl_options){
        .struct_size = sizeof(fst_rl_options),
        .value_head = "value",
        .algorithm = FST_RL_PPO,
        .shuffle = 1,
        .prompts_per_step = 16,
        .samples_per_prompt = 1,
        .epochs = 4,
        .supervised_rows = 4,
        .supervised_coefficient = 1,
        .clip = 0.2,
        .value_clip = 0.2,
        .value_coefficient = 0.1,
        .gamma = 1,
        .lambda = 0.95,
        .kl_coefficient = 0.05,
        .kl_estimator = FST_KL_K1,
        .kl_horizon = 10000,
        .whiten_advantages = 1,
        .scale_advantages = 1,
        .aggregation = FST_AGGREGATE_TOKENS,
    };
}

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_rl_options.%s: expected %s", field, expected);
}

fst_status fst__rl_set_algorithm(fst_rl_options *o, int32_t algorithm)
{
    if (algorithm < FST_RL_PPO || algorithm > FST_RL_GRPO)
        return bad("algorithm", "an FST_RL_ value for text");
    bool grpo = algorithm == FST_RL_GRPO;
    bool grouped = grpo || algorithm == FST_RL_RLOO;
    o->algorithm = algorithm;
    o->samples_per_prompt = grpo ? 8 : grouped ? 2 : 1;
    o->epochs = algorithm == FST_RL_PPO ? 4 : 1;
    o->kl_coefficient = grpo ? 0 : 0.05;
    o->kl_estimator = grpo ? FST_KL_K3 : FST_KL_K1;
    o->kl_in_loss = grpo;
    o->whiten_advantages = !grouped;
    o->aggregation = grpo ? FST_AGGREGATE_SEQUENCES : FST_AGGREGATE_TOKENS;
    return FST_OK;
}

/* ---- checks */

typedef struct range {
    const char *name;
    double value, least, most;
} range;

static fst_status check_ranges(const fst_rl_options *o)
{
    const range ranges[] = {
        {"supervised_coefficient", o->supervised_coefficient, 0, HUGE_VAL},
        {"clip", o->clip, 0, 1},
        {"clip_high", o->clip_high, 0, HUGE_VAL},
        {"dual_clip", o->dual_clip, 0, HUGE_VAL},
        {"value_clip", o->value_clip, 0, HUGE_VAL},
        {"value_coefficient", o->value_coefficient, 0, HUGE_VAL},
        {"entropy_coefficient", o->entropy_coefficient, 0, HUGE_VAL},
        {"gamma", o->gamma, 0, 1},
        {"lambda", o->lambda, 0, 1},
        {"kl_coefficient", o->kl_coefficient, 0, HUGE_VAL},
        {"kl_target", o->kl_target, 0, HUGE_VAL},
        {"kl_horizon", o->kl_horizon, 0, HUGE_VAL},
        {"kl_ceiling", o->kl_ceiling, 0, HUGE_VAL},
        {"stop_kl", o->stop_kl, 0, HUGE_VAL},
        {"reward_clip", o->reward_clip, 0, HUGE_VAL},
        {"missing_end_penalty", o->missing_end_penalty, 0, HUGE_VAL},
        {"shuffle", o->shuffle, 0, 1},
        {"kl_estimator", o->kl_estimator, FST_KL_K1, FST_KL_K3},
        {"kl_in_loss", o->kl_in_loss, 0, 1},
        {"whiten_advantages", o->whiten_advantages, 0, 1},
        {"scale_advantages", o->scale_advantages, 0, 1},
        {"aggregation", o->aggregation, FST_AGGREGATE_TOKENS, FST_AGGREGATE_CONSTANT},
        {"prompts_per_step", (double)o->prompts_per_step, 1, INT32_MAX},
        {"samples_per_prompt", (double)o->samples_per_prompt, 1, INT32_MAX},
        {"rows", (double)o->rows, 0, INT32_MAX},
        {"minibatch", (double)o->minibatch, 0, INT32_MAX},
        {"epochs", (double)o->epochs, 1, INT32_MAX},
        {"supervised_rows", (double)o->supervised_rows, 1, INT32_MAX},
        {"evaluation_prompts", (double)o->evaluation_prompts, 0, 9e18},
        {"algorithm", o->algorithm, FST_RL_PPO, FST_RL_GRPO},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; ++i) {
        const range *r = &ranges[i];
        if (!(r->value >= r->least && r->value <= r->most) || isinf(r->value))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_rl_options.%s is %g, expected %g to %g", r->name, r->value,
                             r->least, r->most);
    }
    return FST_OK;
}

static fst_status check_combinations(const fst_rl_options *o)
{
    if (o->dual_clip != 0 && o->dual_clip <= 1)
        return bad("dual_clip", "0 or a value above 1");
    if (o->kl_target > 0 && o->kl_coefficient == 0)
        return bad("kl_coefficient", "a value above 0 with kl_target, which only multiplies it");
    if (o->kl_target > 0 && o->kl_horizon <= 0)
        return bad("kl_horizon", "a value above 0 with kl_target");
    bool grouped = o->algorithm == FST_RL_RLOO || o->algorithm == FST_RL_GRPO;
    if (grouped && o->samples_per_prompt < 2)
        return bad("samples_per_prompt", "at least 2 for RLOO and GRPO, which compare a prompt's answers");
    return FST_OK;
}

static fst_status check_sampling(const fst_sampling_options *s)
{
    if (!(s->temperature > 0))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_rl_options.sampling: temperature is %g; a policy that learns must draw, so "
                         "expected a value above 0",
                         s->temperature);
    if (s->max_new_tokens < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_rl_options.sampling: max_new_tokens is %lld, expected at least 1",
                         (long long)s->max_new_tokens);
    if (s->repetition_penalty != 1 || s->presence_penalty != 0 || s->frequency_penalty != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_rl_options.sampling: penalties change the distribution by what was said "
                         "before, and a gradient through them is none of the policy's; expected none");
    for (size_t i = 0; i < s->bias_count; ++i) {
        if (!(s->bias_values[i] < 0 && isinf(s->bias_values[i])))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_rl_options.sampling: bias_values[%zu] is %g; expected -INFINITY, which "
                             "forbids an id",
                             i, (double)s->bias_values[i]);
    }
    return FST_OK;
}

/* Minibatches and rows, once the number of answers is known. */
static fst_status resolve_batches(fst_rl_options *o)
{
    int64_t answers;
    if (!fst__mul_i64(o->prompts_per_step, o->samples_per_prompt, &answers) || answers > INT32_MAX)
        return bad("prompts_per_step, samples_per_prompt", "less than 2³¹ answers");
    if (o->minibatch == 0)
        o->minibatch = answers;
    if (o->rows == 0)
        o->rows = o->minibatch;
    if (answers % o->minibatch != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_rl_options.minibatch is %" PRId64 ", which does not divide the %" PRId64
                         " answers of a step",
                         o->minibatch, answers);
    if (o->minibatch % o->rows != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_rl_options.rows is %" PRId64 ", which does not divide the minibatch of "
                         "%" PRId64,
                         o->rows, o->minibatch);
    return FST_OK;
}

fst_status fst__rl_resolve(fst_rl_options *o, const fst_sampling_options *sampling,
                           int64_t longest_prompt)
{
    fst_status status = check_ranges(o);
    if (!status)
        status = check_combinations(o);
    if (!status)
        status = check_sampling(sampling);
    if (!status)
        status = resolve_batches(o);
    if (status)
        return status;
    if (longest_prompt >= o->model->config.context_length)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_rl_options.prompts: the longest has %" PRId64
                         " ids, which leaves no room for an answer in the model's context_length %d",
                         longest_prompt, (int)o->model->config.context_length);
    return FST_OK;
}

/* ---- a copy of the sampling options */

static fst_status copy_array(fst__allocator *allocator, const void *from, size_t count, size_t size,
                             const void **to)
{
    *to = NULL;
    if (count == 0)
        return FST_OK;
    void *copy = fst__alloc_array(allocator, count, size);
    if (!copy)
        return FST_ERR_NO_MEMORY;
    memcpy(copy, from, count * size);
    *to = copy;
    return FST_OK;
}

fst_status fst__rl_sampling_copy(fst__allocator *allocator, const fst_sampling_options *from,
                                 fst_sampling_options *out)
{
    *out = *from;
    out->bias_ids = NULL;
    out->bias_values = NULL;
    out->stop_ids = NULL;
    out->stop_strings = NULL;
    out->stop_string_count = 0;
    out->seeds = NULL;
    fst_status status = copy_array(allocator, from->bias_ids, from->bias_count,
                                   sizeof *from->bias_ids, (const void **)&out->bias_ids);
    if (!status)
        status = copy_array(allocator, from->bias_values, from->bias_count,
                            sizeof *from->bias_values, (const void **)&out->bias_values);
    if (!status)
        status = copy_array(allocator, from->stop_ids, from->stop_id_count, sizeof *from->stop_ids,
                            (const void **)&out->stop_ids);
    if (status || from->stop_string_count == 0)
        return status;
    const char **strings =
        fst__alloc_array(allocator, from->stop_string_count, sizeof *strings);
    out->stop_strings = strings;
    for (size_t i = 0; strings && i < from->stop_string_count; ++i) {
        strings[i] = fst__strdup(allocator, from->stop_strings[i]);
        if (!strings[i])
            return FST_ERR_NO_MEMORY;
        out->stop_string_count = i + 1;
    }
    return strings ? FST_OK : FST_ERR_NO_MEMORY;
}

void fst__rl_sampling_destroy(fst__allocator *allocator, fst_sampling_options *s)
{
    for (size_t i = 0; i < s->stop_string_count; ++i)
        fst__free(allocator, (char *)(uintptr_t)s->stop_strings[i]);
    fst__free(allocator, (void *)(uintptr_t)s->stop_strings);
    fst__free(allocator, (void *)(uintptr_t)s->stop_ids);
    fst__free(allocator, (void *)(uintptr_t)s->bias_values);
    fst__free(allocator, (void *)(uintptr_t)s->bias_ids);
}
