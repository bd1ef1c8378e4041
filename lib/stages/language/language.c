#include "stages/language/language.h"

#include "base/checked.h"
#include "base/error.h"
#include "stages/data_checks.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const fst__language_metrics[FST__LANGUAGE_METRICS] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__LANGUAGE_Z_LOSS) = "z_loss",
    AT(FST__LANGUAGE_PERPLEXITY) = "perplexity",
    AT(FST__LANGUAGE_ACCURACY) = "accuracy",
    AT(FST__LANGUAGE_CLIP_FACTOR) = "clip_factor",
    AT(FST__LANGUAGE_TOKENS) = "tokens",
    AT(FST__LANGUAGE_EPOCH) = "epoch",
    AT(FST__LANGUAGE_SPIKES) = "spikes",
    AT(FST__LANGUAGE_ROLLBACKS) = "rollbacks",
    AT(FST__LANGUAGE_VALIDATION_PERPLEXITY) = "validation_perplexity",
    AT(FST__LANGUAGE_VALIDATION_ACCURACY) = "validation_accuracy",
    AT(FST__LANGUAGE_VALIDATION_BITS) = "validation_bits_per_byte",
};

const char *const fst__language_masked_metrics[FST__LANGUAGE_MASKED_METRICS] = {
    AT(FST__LANGUAGE_Z_LOSS) = "z_loss",
    AT(FST__LANGUAGE_PERPLEXITY) = "perplexity",
    AT(FST__LANGUAGE_ACCURACY) = "masked_accuracy",
    AT(FST__LANGUAGE_CLIP_FACTOR) = "clip_factor",
    AT(FST__LANGUAGE_TOKENS) = "tokens",
    AT(FST__LANGUAGE_EPOCH) = "epoch",
    AT(FST__LANGUAGE_SPIKES) = "spikes",
    AT(FST__LANGUAGE_ROLLBACKS) = "rollbacks",
    AT(FST__LANGUAGE_VALIDATION_PERPLEXITY) = "validation_perplexity",
    AT(FST__LANGUAGE_VALIDATION_ACCURACY) = "validation_masked_accuracy",
#undef AT
};

_Static_assert(FST__LANGUAGE_METRICS_END <= (int)FST__METRIC_MOST, "room for the metrics");

/* ---- checks ---- */

static fst_status bad(const fst__language_options *o, const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.%s: expected %s", o->name, field, expected);
}

static fst_status check_values(const fst__language_options *o)
{
    if (!o->model || !o->train)
        return bad(o, o->model ? "train" : "model", "a handle, it is NULL");
    if (o->rows < 1 || o->rows > INT32_MAX)
        return bad(o, "rows", "at least 1");
    if (o->evaluation_rows < 0)
        return bad(o, "evaluation_rows", "at least 0");
    if (o->shuffle != 0 && o->shuffle != 1)
        return bad(o, "shuffle", "0 or 1");
    if (!(o->label_smoothing >= 0 && o->label_smoothing < 1))
        return bad(o, "label_smoothing", "0 ≤ ε < 1");
    if (!(o->z_loss >= 0 && isfinite(o->z_loss)))
        return bad(o, "z_loss", "a finite value ≥ 0");
    return FST_OK;
}

/* A causal model asked for what it sees anyway learns to copy; an encoder has seen the next token. */
static fst_status check_model(const fst__language_options *o)
{
    const fst_model_config *config = &o->model->config;
    if (!fst__config_reads_text(config))
        return fst__fail(FST_ERR_MISMATCH, "%s.model is a model of %s, the data are texts", o->name,
                         fst__config_reads_vectors(config) ? "vectors" : "images");
    if (o->masked && config->causal)
        return fst__fail(FST_ERR_MISMATCH,
                         "%s.model is causal; masked tokens are predicted by an encoder, whose "
                         "fst_model_config.causal is 0",
                         o->name);
    if (!o->masked && !config->causal)
        return fst__fail(FST_ERR_MISMATCH,
                         "%s.model is an encoder (fst_model_config.causal is 0) and sees the next "
                         "token, which it would be asked for; see FST_PRETRAIN_MASKED",
                         o->name);
    return o->masked ? fst__mask_check(&o->mask, o->name) : FST_OK;
}

static fst_status check_data(const fst__language_options *o, const fst_dataset *dataset,
                             const char *field, fst_dataset_info *info)
{
    char what[64];
    snprintf(what, sizeof what, "%s.%s", o->name, field);
    fst_status status = fst_dataset_get_info(dataset, info, sizeof *info);
    if (status)
        return status;
    if (!dataset->packed)
        return fst__fail(FST_ERR_STATE, "%s is not packed; see fst_dataset_pack", what);
    const fst__data_length length = {info->length, "rows", ""};
    return fst__data_check(o->model, dataset, what, &length);
}

static fst_status check(const fst__language_options *o, const fst_run_options *r,
                        fst_dataset_info *train)
{
    fst_status status = check_values(o);
    if (!status)
        status = check_model(o);
    if (!status)
        status = fst__steps_check(&o->steps, r, o->name);
    if (!status)
        status = check_data(o, o->train, "train", train);
    fst_dataset_info validation;
    if (!status && o->validation)
        status = check_data(o, o->validation, "validation", &validation);
    if (!status && o->validation && validation.length != train->length)
        status = fst__fail(FST_ERR_MISMATCH,
                           "%s: rows of train have %" PRId64 " ids, those of validation %" PRId64,
                           o->name, train->length, validation.length);
    int64_t product;
    if (!status && (!fst__mul_i64(o->rows, o->steps.accumulation, &product) ||
                    !fst__mul_i64(product, train->length, &product) || product > INT32_MAX))
        status = bad(o, "rows, accumulation", "a step of less than 2³¹ tokens");
    return status;
}

/* ---- life ---- */

void fst__language_destroy(void *state)
{
    fst__language *language = state;
    if (!language)
        return;
    fst_context *context = fst__context_retain(language->context);
    fst__allocator *allocator = &context->allocator;
    fst__free(allocator, language->flags);
    fst__free(allocator, language->ids);
    fst__dataset_destroy(language->validation);
    fst__dataset_destroy(language->train);
    fst__steps_destroy(&language->steps);
    fst__free(allocator, language);
    fst__context_release(context);
}

static fst_status make_arrays(fst__language *language)
{
    const fst__language_options *o = &language->options;
    fst__allocator *allocator = &language->context->allocator;
    size_t rows = (size_t)o->rows, count = rows * (size_t)language->length;
    size_t flags = o->masked ? (size_t)o->mask.vocabulary_size : 0;
    size_t ids = (4 * count + (o->masked ? count + rows : 0)) * sizeof(int32_t);
    language->data_bytes = ids + flags;
    language->ids = fst__alloc(allocator, ids);
    if (!language->ids)
        return FST_ERR_NO_MEMORY;
    language->targets = language->ids + count;
    language->positions = language->targets + count;
    language->documents = language->positions + count;
    if (!o->masked)
        return FST_OK;
    language->words = language->documents + count;
    language->lengths = language->words + count;
    language->flags = fst__alloc(allocator, flags);
    if (!language->flags)
        return FST_ERR_NO_MEMORY;
    memcpy(language->flags, o->mask.flags, flags);
    language->options.mask.flags = language->flags;
    return FST_OK;
}

static fst_status reserve(fst__language *language)
{
    fst_model *model = language->steps.training.model;
    int64_t rows = language->options.rows, evaluation = 0;
    fst_status status =
        fst__model_reserve(model, rows, language->length, true, &language->activation_bytes);
    if (!status && language->validation)
        status = fst__model_reserve(model, rows, language->length, false, &evaluation);
    if (evaluation > language->activation_bytes)
        language->activation_bytes = evaluation;
    return status;
}

static fst_status make(const fst__language_options *options, const fst_dataset_info *info,
                       fst__language **out)
{
    fst_context *context = options->model->context;
    fst__language *language = fst__alloc_zero(&context->allocator, sizeof *language);
    if (!language)
        return FST_ERR_NO_MEMORY;
    language->context = context;
    language->train_info = *info;
    language->length = info->length;
    language->options = *options;
    fst_status status =
        fst__steps_create(&language->steps, &fst__language_work, &options->steps, options->rows,
                          options->model, options->optimizer, options->name);
    if (!status) {
        language->train = fst__dataset_retain(options->train);
        language->validation = options->validation ? fst__dataset_retain(options->validation) : NULL;
        status = make_arrays(language);
    }
    if (!status)
        status = reserve(language);
    if (status) {
        fst__language_destroy(language);
        return status;
    }
    *out = language;
    return FST_OK;
}

void fst__language_memory(const fst_run *run, fst_memory *memory)
{
    const fst__language *language = fst__language_of(run);
    fst__training_memory(&language->steps.training, memory);
    memory->activations = language->activation_bytes;
    memory->data = (int64_t)language->data_bytes;
}

fst_status fst__language_create(const fst__stage *stage, const fst__language_options *options,
                              const fst_run_options *run_options, fst_run **out)
{
    fst_dataset_info info;
    fst__language *language;
    fst_status status = check(options, run_options, &info);
    if (!status)
        status = make(options, &info, &language);
    if (status)
        return status;
    return fst__run_create(options->model->context, stage, language, options->validation != NULL,
                           run_options, out);
}
