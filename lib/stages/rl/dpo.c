#include "stages/rl/dpo.h"

#include "base/arena.h"
#include "base/checked.h"
#include "base/error.h"
#include "fourstage/adapter.h"
#include "stages/data_checks.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const metrics[] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__DPO_SFT_LOSS) = "sft_loss",
    AT(FST__DPO_ACCURACY) = "accuracy",
    AT(FST__DPO_MARGIN) = "margin",
    AT(FST__DPO_CHOSEN_REWARD) = "chosen_reward",
    AT(FST__DPO_REJECTED_REWARD) = "rejected_reward",
    AT(FST__DPO_CHOSEN_LOG_PROBABILITY) = "chosen_log_probability",
    AT(FST__DPO_REJECTED_LOG_PROBABILITY) = "rejected_log_probability",
    AT(FST__DPO_REFERENCE_POINT) = "reference_point",
    AT(FST__DPO_CLIP_FACTOR) = "clip_factor",
    AT(FST__DPO_TOKENS) = "tokens",
    AT(FST__DPO_EPOCH) = "epoch",
    AT(FST__DPO_VALIDATION_ACCURACY) = "validation_accuracy",
    AT(FST__DPO_VALIDATION_MARGIN) = "validation_margin",
    AT(FST__DPO_VALIDATION_CHOSEN_REWARD) = "validation_chosen_reward",
    AT(FST__DPO_VALIDATION_REJECTED_REWARD) = "validation_rejected_reward",
#undef AT
};

_Static_assert(FST__DPO_METRICS_END <= (int)FST__METRIC_MOST, "room for the metrics");
_Static_assert(FST_DPO_SIGMOID == FST_PREFERENCE_DPO && FST_DPO_IPO == FST_PREFERENCE_IPO &&
                   FST_DPO_HINGE == FST_PREFERENCE_HINGE,
               "kinds of pairs are handed through");

fst_dpo_options fst__dpo_defaults(void)
{
    return (fst_dpo_options){
        .struct_size = sizeof(fst_dpo_options),
        .rows = 4,
        .accumulation = 1,
        .shuffle = 1,
        .beta = 0.1,
        .desirable_weight = 1,
        .undesirable_weight = 1,
    };
}

/* ---- checks ---- */

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dpo_options.%s: expected %s", field, expected);
}

static bool is_switch(int32_t value)
{
    return value == 0 || value == 1;
}

static fst_status check_values(const fst_dpo_options *o)
{
    int64_t pairs;
    if (!o->model || !o->train)
        return bad(o->model ? "train" : "model", "a handle, it is NULL");
    if (o->kind < FST_DPO_SIGMOID || o->kind > FST_DPO_KTO)
        return bad("kind", "an FST_DPO_ value");
    if (o->reference < FST_REFERENCE_AUTO || o->reference > FST_REFERENCE_COPY)
        return bad("reference", "an FST_REFERENCE_ value");
    if (o->reference == FST_REFERENCE_MODEL && !o->reference_model)
        return bad("reference_model", "a handle with FST_REFERENCE_MODEL, it is NULL");
    if (o->reference_model == o->model)
        return bad("reference_model", "another model than the one that is trained");
    if (o->rows < 1 || o->accumulation < 1 || !fst__mul_i64(o->rows, o->accumulation, &pairs) ||
        pairs > INT32_MAX / 2)
        return bad("rows and accumulation", "at least 1, and less than 2³⁰ pairs a step");
    if (o->evaluation_pairs < 0)
        return bad("evaluation_pairs", "at least 0");
    if (!is_switch(o->shuffle) || !is_switch(o->dropout))
        return bad("shuffle and dropout", "0 or 1");
    if (!(o->sft >= 0) || !isfinite(o->sft))
        return bad("sft", "a finite number ≥ 0");
    return FST_OK;
}

static fst_status check_objective(const fst_dpo_options *o)
{
    const fst_preference_loss_options pairs = {
        .beta = o->beta,
        .label_smoothing = o->label_smoothing,
    };
    const fst_kto_options kto = {
        .beta = o->beta,
        .desirable_weight = o->desirable_weight,
        .undesirable_weight = o->undesirable_weight,
    };
    fst_status status = fst__preference_loss_check(&pairs);
    if (!status)
        status = fst__kto_check(&kto);
    return status ? fst__fail_in(status, "fst_dpo_options") : FST_OK;
}

static fst_status check_data(const fst_dpo_options *o, const fst_dataset *dataset,
                             const char *what, fst_examples_info *info)
{
    fst_status status =
        fst__data_check_examples(o->model, dataset, what, FST_EXAMPLES_PREFERENCES, info);
    if (!status && o->kind == FST_DPO_KTO && info->examples < 2)
        return fst__fail(FST_ERR_MISMATCH, "%s has one example; KTO needs two prompts", what);
    return status;
}

static bool has_adapter(const fst_model *model)
{
    fst_adapter_options adapter;
    return fst_model_get_adapter(model, &adapter, sizeof adapter) == FST_OK;
}

/* FST_REFERENCE_AUTO becomes what it stands for. */
static fst_status resolve_reference(fst_dpo_options *o)
{
    if (!o->model->config.causal)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_dpo_options.model is an encoder (fst_model_config.causal is 0) and sees "
                         "the answers' next tokens");
    bool adapter = has_adapter(o->model);
    if (o->reference == FST_REFERENCE_AUTO)
        o->reference = o->reference_model ? FST_REFERENCE_MODEL
                       : adapter          ? FST_REFERENCE_TRUNK
                                          : FST_REFERENCE_COPY;
    if (o->reference == FST_REFERENCE_TRUNK && !adapter)
        return fst__fail(FST_ERR_STATE,
                         "fst_dpo_options.reference: the model has no adapter that could be off");
    if (o->reference != FST_REFERENCE_MODEL)
        return FST_OK;
    const fst_model *given = o->reference_model;
    if (given->context != o->model->context)
        return fst__fail(
            FST_ERR_MISMATCH,
            "fst_dpo_options.reference_model and the model were made from two contexts");
    if (given->config.vocabulary_size != o->model->config.vocabulary_size ||
        given->config.context_length < o->model->config.context_length)
        return fst__fail(
            FST_ERR_MISMATCH,
            "fst_dpo_options.reference_model: vocabulary_size %d, context_length %d; the "
            "model has %d and %d",
            (int)given->config.vocabulary_size, (int)given->config.context_length,
            (int)o->model->config.vocabulary_size, (int)o->model->config.context_length);
    return FST_OK;
}

/* ---- life ---- */

static void destroy(void *state)
{
    fst__dpo *dpo = state;
    if (!dpo)
        return;
    fst_context *context = fst__context_retain(dpo->context);
    fst__free(&context->allocator, dpo->block);
    fst__dataset_destroy(dpo->validation);
    fst__dataset_destroy(dpo->train);
    fst__model_release(dpo->reference);
    fst__training_destroy(&dpo->training);
    fst__free(&context->allocator, dpo);
    fst__context_release(context);
}

/* Lays the arrays out; block NULL: only counts. */
static size_t lay_out(fst__dpo *dpo, char *block)
{
    size_t rows = 2 * (size_t)dpo->options.rows, places = rows * (size_t)dpo->length, used = 0;
    fst__dpo_arrays *a = &dpo->arrays;
    const struct {
        void **array;
        size_t bytes;
    } parts[] = {
        {(void **)&a->tokens, rows * sizeof *a->tokens},
        {(void **)&a->indices, (rows / 2 + 1) * sizeof *a->indices},
        {(void **)&a->policy, rows * sizeof *a->policy},
        {(void **)&a->reference, rows * sizeof *a->reference},
        {(void **)&a->slopes, rows * sizeof *a->slopes},
        {(void **)&a->weights, rows * sizeof *a->weights},
        {(void **)&a->gradient, places * sizeof *a->gradient},
        {(void **)&a->ids, places * sizeof *a->ids},
        {(void **)&a->targets, places * sizeof *a->targets},
        {(void **)&a->lengths, rows * sizeof *a->lengths},
        {(void **)&a->desirable, rows},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i) {
        if (block)
            *parts[i].array = block + used;
        used += (parts[i].bytes + 63) / 64 * 64;
    }
    return used;
}

static fst_status make_arrays(fst__dpo *dpo)
{
    dpo->block_bytes = lay_out(dpo, NULL);
    dpo->block = fst__alloc(&dpo->context->allocator, dpo->block_bytes);
    if (!dpo->block)
        return FST_ERR_NO_MEMORY;
    lay_out(dpo, dpo->block);
    for (int64_t r = 0; r < 2 * dpo->options.rows; ++r)
        dpo->arrays.desirable[r] = r < dpo->options.rows;
    return FST_OK;
}

static fst_status make_reference(fst__dpo *dpo)
{
    if (dpo->options.reference == FST_REFERENCE_COPY)
        return fst_model_copy(dpo->training.model, NULL, &dpo->reference);
    if (dpo->options.reference == FST_REFERENCE_MODEL) {
        dpo->reference = fst__model_retain(dpo->options.reference_model);
        fst__training_sum(dpo->reference, dpo->reference_sum);
    }
    return FST_OK;
}

static fst_status reserve(fst__dpo *dpo)
{
    int64_t rows = 2 * dpo->options.rows, training = 0, evaluation = 0, reference = 0;
    fst_model *model = dpo->training.model;
    fst_status status = fst_model_reserve(model, rows, dpo->length, FST_FORWARD_TRAIN, &training);
    if (!status)
        status = fst_model_reserve(model, rows, dpo->length, FST_FORWARD_EVALUATE, &evaluation);
    if (!status && dpo->reference)
        status =
            fst_model_reserve(dpo->reference, rows, dpo->length, FST_FORWARD_EVALUATE, &reference);
    dpo->activation_bytes = (training > evaluation ? training : evaluation) + reference;
    return status;
}

static fst_status make(const fst_dpo_options *options, const fst_examples_info *train,
                       int64_t length, fst__dpo **out)
{
    fst_context *context = options->model->context;
    fst__dpo *dpo = fst__alloc_zero(&context->allocator, sizeof *dpo);
    if (!dpo)
        return FST_ERR_NO_MEMORY;
    dpo->context = context;
    dpo->train_info = *train;
    dpo->length = length;
    dpo->options = *options;
    dpo->options.run = NULL; /* the caller's */
    fst_status status =
        fst__training_create(options->model, options->optimizer, "fst_dpo_options", &dpo->training);
    if (!status) {
        dpo->train = fst__dataset_retain(options->train);
        dpo->validation = options->validation ? fst__dataset_retain(options->validation) : NULL;
        status = make_reference(dpo);
    }
    if (!status)
        status = make_arrays(dpo);
    if (!status)
        status = reserve(dpo);
    if (status) {
        destroy(dpo);
        return status;
    }
    *out = dpo;
    return FST_OK;
}

static int64_t micro_step(const fst_run *run)
{
    return fst__dpo_of(run)->micro_step;
}

static int64_t micro_steps(const fst_run *run)
{
    return fst__dpo_of(run)->options.accumulation;
}

static void memory(const fst_run *run, fst_memory *memory)
{
    const fst__dpo *dpo = fst__dpo_of(run);
    fst__training_memory(&dpo->training, memory);
    if (dpo->options.reference == FST_REFERENCE_COPY)
        memory->weights += dpo->reference->parameters.elements * (int64_t)sizeof(fst__real);
    memory->activations = dpo->activation_bytes;
    memory->data = (int64_t)dpo->block_bytes;
}

static const fst__stage stage = {
    .name = "dpo",
    .metrics = metrics,
    .metric_count = sizeof metrics / sizeof metrics[0],
    .advance = fst__dpo_advance,
    .evaluate = fst__dpo_evaluate,
    .visit = fst__dpo_visit,
    .restored = fst__dpo_restored,
    .micro_step = micro_step,
    .micro_steps = micro_steps,
    .memory = memory,
    .destroy = destroy,
};

fst_status fst__dpo_create(const fst_dpo_options *options, const fst_run_options *run_options,
                           fst_run **out)
{
    fst_dpo_options resolved = *options;
    fst_examples_info train = {0}, validation = {0};
    fst__dpo *dpo = NULL;
    fst_status status = check_values(options);
    if (!status)
        status = check_objective(options);
    if (!status)
        status = check_data(options, options->train, "fst_dpo_options.train", &train);
    if (!status && options->validation)
        status = check_data(options, options->validation, "fst_dpo_options.validation",
                            &validation);
    if (!status)
        status = resolve_reference(&resolved);
    int64_t length = train.longest > validation.longest ? train.longest : validation.longest;
    if (!status)
        status = make(&resolved, &train, length, &dpo);
    return status ? status
                  : fst__run_create(options->model->context, &stage, dpo,
                                    options->validation != NULL, run_options, out);
}
