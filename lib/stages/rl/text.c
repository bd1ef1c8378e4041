#include "stages/rl/text.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/options.h"
#include "model/adapter.h"
#include "model/copy.h"
#include "model/policy_memory.h"
#include "model/sampling.h"
#include "stages/data_checks.h"
#include "tokenizer/tokenizer.h"

#include <inttypes.h>
#include <string.h>

static const char *const metrics[] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__RL_REWARD) = "reward",
    AT(FST__RL_KL) = "kl",
    AT(FST__RL_KL_COEFFICIENT) = "kl_coefficient",
    AT(FST__RL_APPROXIMATE_KL) = "approximate_kl",
    AT(FST__RL_CLIP_FRACTION) = "clip_fraction",
    AT(FST__RL_RATIO) = "ratio",
    AT(FST__RL_FIRST_RATIO_ERROR) = "first_ratio_error",
    AT(FST__RL_ENTROPY) = "entropy",
    AT(FST__RL_EXPLAINED_VARIANCE) = "explained_variance",
    AT(FST__RL_POLICY_LOSS) = "policy_loss",
    AT(FST__RL_VALUE_LOSS) = "value_loss",
    AT(FST__RL_SUPERVISED_LOSS) = "supervised_loss",
    AT(FST__RL_ENDS) = "ends",
    AT(FST__RL_LENGTH) = "length",
    AT(FST__RL_TRUNCATED_SHARE) = "truncated_share",
    AT(FST__RL_UPDATES) = "updates",
    AT(FST__RL_CLIP_FACTOR) = "clip_factor",
    AT(FST__RL_ROLLOUT_SECONDS) = "rollout_seconds",
    AT(FST__RL_REWARD_SECONDS) = "reward_seconds",
    AT(FST__RL_ESTIMATE_SECONDS) = "estimate_seconds",
    AT(FST__RL_UPDATE_SECONDS) = "update_seconds",
    AT(FST__RL_SAMPLING_ERROR) = "sampling_error",
    AT(FST__RL_VALIDATION_REWARD) = "validation_reward",
    AT(FST__RL_VALIDATION_LENGTH) = "validation_length",
#undef AT
};

_Static_assert(FST__RL_METRICS_END <= (int)FST__METRIC_MOST, "room for the metrics");
_Static_assert(sizeof(fst__rl_figures) == FST__RL_FIGURES * sizeof(double), "doubles, no gap");

/* ---- checks */

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_rl_options.%s: expected %s", field, expected);
}

static fst_status check_context(const fst_rl_options *o, const fst_context *context,
                                const char *field)
{
    if (context == o->model->context)
        return FST_OK;
    return fst__fail(FST_ERR_MISMATCH,
                     "fst_rl_options.%s and the model were made from two contexts", field);
}

static fst_status check_prompts(const fst_rl_options *o, const fst_dataset *dataset,
                                const char *what, fst_examples_info *info)
{
    fst_status status = fst_dataset_get_examples_info(dataset, info, sizeof *info);
    if (status || info->kind != FST_EXAMPLES_PROMPTS || dataset->packed)
        return fst__fail(FST_ERR_STATE, "%s is no dataset of prompts; see fst_dataset_from_prompts",
                         what);
    return fst__data_check(o->model, dataset, what, NULL);
}

static fst_status check_supervised(const fst_rl_options *o, fst_dataset_info *info)
{
    if (!o->supervised)
        return FST_OK;
    fst_status status = fst_dataset_get_info(o->supervised, info, sizeof *info);
    if (status)
        return status;
    if (!o->supervised->packed)
        return fst__fail(FST_ERR_STATE,
                         "fst_rl_options.supervised is not packed; see fst_dataset_pack");
    const fst__data_length length = {info->length, "rows", ""};
    return fst__data_check(o->model, o->supervised, "fst_rl_options.supervised", &length);
}

static fst_status check_value_head(const fst_rl_options *o)
{
    if (o->algorithm != FST_RL_PPO)
        return FST_OK;
    if (!o->value_head)
        return bad("value_head", "a name");
    const fst__head *head = fst__head_find(o->model, o->value_head);
    if (!head)
        return fst__fail(FST_ERR_NOT_FOUND,
                         "fst_rl_options.value_head: the model has no head \"%s\"; PPO needs a token "
                         "head of one output, see fst_model_add_head",
                         o->value_head);
    if (head->options.kind != FST_HEAD_TOKEN || head->options.outputs != 1)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_rl_options.value_head: \"%s\" is no token head of one output",
                         o->value_head);
    return FST_OK;
}

static fst_status check_reference(const fst_rl_options *o)
{
    if (!o->reference)
        return FST_OK;
    if (o->reference == o->model)
        return bad("reference", "another model, or NULL for a frozen copy");
    if (o->reference->context != o->model->context)
        return check_context(o, o->reference->context, "reference");
    if (o->reference->config.vocabulary_size != o->model->config.vocabulary_size ||
        o->reference->config.context_length < o->model->config.context_length)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_rl_options.reference has vocabulary_size %d and context_length %d, the "
                         "model %d and %d",
                         (int)o->reference->config.vocabulary_size,
                         (int)o->reference->config.context_length,
                         (int)o->model->config.vocabulary_size,
                         (int)o->model->config.context_length);
    return FST_OK;
}

static fst_status check(const fst_rl_options *o, fst_examples_info *prompts,
                        fst_dataset_info *supervised)
{
    if (!o->model || !o->reward_model || !o->prompts)
        return bad(!o->model ? "model" : !o->reward_model ? "reward_model" : "prompts",
                   "a handle, it is NULL");
    fst_examples_info validation;
    fst_status status = check_context(o, o->reward_model->context, "reward_model");
    if (!status)
        status = check_prompts(o, o->prompts, "fst_rl_options.prompts", prompts);
    if (!status && o->validation)
        status = check_prompts(o, o->validation, "fst_rl_options.validation", &validation);
    if (!status && o->validation && validation.longest > prompts->longest)
        prompts->longest = validation.longest;
    if (!status)
        status = check_supervised(o, supervised);
    if (!status)
        status = check_value_head(o);
    return status ? status : check_reference(o);
}

/* ---- life */

static void destroy(void *state)
{
    fst__rl *rl = state;
    if (!rl)
        return;
    fst_context *context = fst__context_retain(rl->context);
    fst__allocator *allocator = &context->allocator;
    fst__free(allocator, rl->snapshot);
    fst__free(allocator, rl->supervised_ids);
    fst__free(allocator, rl->prompt_ids);
    fst__free(allocator, rl->answer_ids);
    fst__free(allocator, rl->answer_texts);
    fst__free(allocator, rl->prompt_lengths);
    fst__free(allocator, rl->batch.kept);
    fst__free(allocator, rl->batch.log_probabilities);
    fst__free(allocator, rl->batch.ids);
    fst__free(allocator, rl->batch.answers);
    fst__free(allocator, rl->answers.kept);
    fst__free(allocator, rl->answers.prompt_lengths);
    fst__free(allocator, rl->answers.ids);
    fst__rollout_destroy(&rl->rollout);
    fst__rl_sampling_destroy(allocator, &rl->sampling);
    fst__dataset_destroy(rl->supervised);
    fst__dataset_destroy(rl->validation);
    fst__dataset_destroy(rl->prompts);
    fst__model_release(rl->reference);
    fst__policy_release(rl->policy);
    fst__reward_model_release(rl->reward_model);
    fst__tokenizer_release(rl->tokenizer);
    fst__training_destroy(&rl->training);
    fst__free(allocator, rl);
    fst__context_release(context);
}

static bool draws_from_a_list(const fst_sampling_options *s)
{
    return s->top_k > 0 || s->top_p < 1 || s->min_p > 0 || s->bias_count > 0;
}

static fst_status want(fst__rl *rl, size_t count, size_t size, void *out)
{
    void *memory = NULL;
    size_t bytes;
    if (!fst__mul_size(count, size, &bytes))
        return fst__fail(FST_ERR_NO_MEMORY, "a rollout of that size does not fit into memory");
    memory = fst__alloc_zero(&rl->context->allocator, bytes);
    memcpy(out, &memory, sizeof memory);
    rl->data_bytes += (int64_t)bytes;
    return memory ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_status make_answers(fst__rl *rl)
{
    fst__answers *a = &rl->answers;
    int64_t context = rl->training.model->config.context_length;
    int64_t longest = rl->prompts_info.longest, most = rl->sampling.max_new_tokens;
    a->count = rl->options.prompts_per_step * rl->options.samples_per_prompt;
    a->length = most < context - longest ? longest + most : context;
    most = most < context ? most : context;
    int64_t steps = a->count * most;
    if (draws_from_a_list(&rl->sampling))
        a->kept_row = (rl->training.model->config.vocabulary_size + 7) / 8;
    size_t n = (size_t)a->count;
    fst_status status = want(rl, n * (size_t)a->length + n, sizeof *a->ids, &a->ids);
    if (!status)
        status = want(rl, n, sizeof *a->prompt_lengths, &a->prompt_lengths);
    if (!status && a->kept_row)
        status = want(rl, (size_t)steps, (size_t)a->kept_row, &a->kept);
    if (!status)
        status = fst__rollout_create(&rl->context->allocator, a->count, steps, &rl->rollout);
    rl->data_bytes += fst__rollout_bytes(&rl->rollout);
    if (!status)
        status = want(rl, n, sizeof *rl->prompt_ids, (void *)&rl->prompt_ids);
    if (!status)
        status = want(rl, n, sizeof *rl->answer_ids, (void *)&rl->answer_ids);
    if (!status)
        status = want(rl, n, sizeof *rl->answer_texts, (void *)&rl->answer_texts);
    if (!status)
        status = want(rl, 3 * n, sizeof *rl->prompt_lengths, &rl->prompt_lengths);
    if (status)
        return status;
    a->finishes = a->ids + a->count * a->length;
    rl->examples = rl->prompt_lengths + a->count;
    rl->seeds = rl->examples + a->count;
    return FST_OK;
}

static fst_status make_batch(fst__rl *rl)
{
    enum { ARRAYS = 11 };
    fst__rl_batch *b = &rl->batch;
    size_t rows = (size_t)rl->options.rows, tokens = rows * (size_t)rl->answers.length;
    fst__real *reals = NULL;
    fst_status status = want(rl, rows, sizeof *b->answers, &b->answers);
    if (!status)
        status = want(rl, 2 * tokens + rows, sizeof *b->ids, &b->ids);
    if (!status)
        status = want(rl, ARRAYS * tokens, sizeof *reals, &reals);
    b->log_probabilities = reals;
    if (!status && rl->answers.kept_row)
        status = want(rl, tokens, (size_t)rl->answers.kept_row, &b->kept);
    if (status)
        return status;
    fst__real **arrays[ARRAYS] = {&b->log_probabilities, &b->old, &b->references, &b->advantages,
                                  &b->weights, &b->values, &b->old_values, &b->returns,
                                  &b->d_log_probabilities, &b->scratch, &b->gradient};
    for (int i = 0; i < ARRAYS; ++i)
        *arrays[i] = reals + (size_t)i * tokens;
    b->targets = b->ids + tokens;
    b->lengths = b->targets + tokens;
    return FST_OK;
}

static bool uses_reference(const fst_rl_options *o)
{
    return o->kl_coefficient > 0 || o->kl_ceiling > 0 || o->kl_target > 0;
}

static fst_status make_reference(fst__rl *rl, const fst_rl_options *o)
{
    fst_model *model = o->model;
    rl->has_reference = true;
    if (o->reference) {
        rl->reference = fst__model_retain(o->reference);
        fst__training_sum(rl->reference, rl->reference_sum);
    } else if (!uses_reference(o))
        rl->has_reference = false;
    else if (!model->adapter) {
        rl->owns_reference = true;
        return fst__model_copy(model, &model->options, &rl->reference);
    }
    return FST_OK;
}

/* Sampling's own memory, and the forward over a rollout's prompts. */
static fst_status reserve_policy(fst__rl *rl)
{
    int64_t longest = rl->prompts_info.longest, most = FST__PROMPT_BUDGET / longest;
    const fst__policy_need need = {
        .sequences = rl->answers.count, .positions = rl->answers.length,
        .new_tokens = rl->answers.length - 1 < rl->sampling.max_new_tokens
                          ? rl->answers.length - 1
                          : rl->sampling.max_new_tokens,
        .kept = rl->answers.kept_row > 0,
    };
    fst_status status = fst__policy_reserve(rl->policy, &need);
    most = most < 1 ? 1 : most < rl->answers.count ? most : rl->answers.count;
    int64_t bytes = 0;
    if (!status)
        status = fst__model_reserve(rl->training.model, most, longest, false, &bytes);
    rl->activation_bytes = bytes > rl->activation_bytes ? bytes : rl->activation_bytes;
    return status;
}

static fst_status reserve(fst__rl *rl)
{
    fst_model *model = rl->training.model;
    int64_t rows = rl->options.rows, length = rl->answers.length, supervised = 0;
    fst_status status = fst__model_reserve(model, rows, length, true, &rl->activation_bytes);
    if (!status && rl->supervised)
        status = fst__model_reserve(model, rl->options.supervised_rows, rl->supervised_info.length,
                                    true, &supervised);
    if (!status && rl->reference)
        status = fst__model_reserve(rl->reference, rows, length, false, &rl->reference_bytes);
    if (supervised > rl->activation_bytes)
        rl->activation_bytes = supervised;
    return status ? status : reserve_policy(rl);
}

static fst_status make_snapshot(fst__rl *rl)
{
    const fst__parameters *p = &rl->training.model->parameters;
    size_t count = 0;
    for (int64_t i = 0; i < p->count; ++i)
        count += p->items[i].flags & FST__PARAMETER_FROZEN
                     ? 0
                     : (size_t)fst__parameter_size(&p->items[i]);
    return rl->options.kl_ceiling > 0 ? want(rl, count, sizeof *rl->snapshot, &rl->snapshot)
                                      : FST_OK;
}

static void hold(fst__rl *rl, const fst_rl_options *o)
{
    rl->reward_model = fst__reward_model_retain(o->reward_model);
    rl->tokenizer = o->tokenizer ? fst__tokenizer_retain(o->tokenizer) : NULL;
    rl->prompts = fst__dataset_retain(o->prompts);
    rl->validation = o->validation ? fst__dataset_retain(o->validation) : NULL;
    rl->supervised = o->supervised ? fst__dataset_retain(o->supervised) : NULL;
    rl->options = *o;
    rl->options.run = NULL;
    rl->options.sampling = NULL;
    rl->options.value_head = rl->value_head;
    strncpy(rl->value_head, o->value_head ? o->value_head : "", sizeof rl->value_head - 1);
    rl->baseline = fst__baseline_defaults();
    rl->controller = fst__kl_controller_defaults();
    rl->controller.kind = o->kl_target > 0 ? FST_KL_ADAPTIVE : FST_KL_FIXED;
    rl->controller.coefficient = o->kl_coefficient;
    if (o->kl_target > 0) {
        rl->controller.target = o->kl_target;
        rl->controller.horizon = o->kl_horizon;
    }
}

static fst_status make_parts(fst__rl *rl, const fst_rl_options *o,
                             const fst_sampling_options *sampling)
{
    fst_status status = fst__training_create(o->model, o->optimizer, "fst_rl_options", &rl->training);
    if (!status)
        hold(rl, o);
    if (!status)
        status = fst__rl_sampling_copy(&rl->context->allocator, sampling, &rl->sampling);
    if (!status)
        status = fst__policy_create(o->model, o->tokenizer, &rl->policy);
    if (!status)
        status = make_reference(rl, o);
    if (!status)
        status = make_answers(rl);
    if (!status)
        status = make_batch(rl);
    if (!status && rl->supervised)
        status = want(rl, 4 * (size_t)o->supervised_rows * (size_t)rl->supervised_info.length,
                      sizeof *rl->supervised_ids, &rl->supervised_ids);
    if (!status)
        status = make_snapshot(rl);
    return status ? status : reserve(rl);
}

/* ---- the stage */

static int64_t micro_step(const fst_run *run)
{
    return fst__rl_of(run)->micro_step;
}

static int64_t micro_steps(const fst_run *run)
{
    const fst__rl *rl = fst__rl_of(run);
    return 1 + rl->options.epochs * fst__rl_batches(rl);
}

static bool ended(const fst_run *run)
{
    return fst__rl_of(run)->ended != 0;
}

static void memory(const fst_run *run, fst_memory *memory)
{
    const fst__rl *rl = fst__rl_of(run);
    fst__training_memory(&rl->training, memory);
    if (rl->owns_reference) {
        int64_t elements = rl->reference->parameters.elements;
        memory->weights += elements * (int64_t)sizeof(fst__real);
        memory->working += rl->reference->options.dtype == FST_BF16 ? 2 * elements : 0;
    }
    memory->activations = rl->activation_bytes + rl->reference_bytes;
    memory->data = rl->data_bytes + fst__policy_bytes(rl->policy);
}

static const fst__stage stage = {
    .name = "rl",
    .metrics = metrics,
    .metric_count = sizeof metrics / sizeof metrics[0],
    .advance = fst__rl_update,
    .evaluate = fst__rl_evaluate,
    .visit = fst__rl_visit,
    .restored = fst__rl_restored,
    .ended = ended,
    .micro_step = micro_step,
    .micro_steps = micro_steps,
    .memory = memory,
    .destroy = destroy,
};

/* The caller's sampling options over the defaults. */
static fst_status read_sampling(const fst_rl_options *options, fst_sampling_options *sampling)
{
    *sampling = fst__sampling_defaults();
    return fst__options_overlay(sampling, sizeof *sampling, options->sampling,
                                "fst_sampling_options");
}

fst_status fst__rl_create(const fst_rl_options *options, const fst_run_options *run_options,
                          fst_run **out)
{
    fst_rl_options resolved = *options;
    fst_sampling_options sampling;
    fst_examples_info prompts = {.struct_size = sizeof prompts};
    fst_dataset_info supervised = {.struct_size = sizeof supervised};
    fst_status status = read_sampling(options, &sampling);
    if (!status)
        status = check(options, &prompts, &supervised);
    if (!status)
        status = fst__sampling_check(&sampling, options->model->config.vocabulary_size,
                                     options->tokenizer != NULL);
    if (!status)
        status = fst__rl_resolve(&resolved, &sampling, prompts.longest);
    if (status)
        return status;
    fst_context *context = options->model->context;
    fst__rl *rl = fst__alloc_zero(&context->allocator, sizeof *rl);
    if (!rl)
        return FST_ERR_NO_MEMORY;
    rl->context = context;
    rl->prompts_info = prompts;
    rl->supervised_info = supervised;
    status = make_parts(rl, &resolved, &sampling);
    if (status) {
        destroy(rl);
        return status;
    }
    return fst__run_create(context, &stage, rl, options->validation != NULL, run_options, out);
}
