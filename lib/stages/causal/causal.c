#include "stages/causal/causal.h"

#include "base/checked.h"
#include "base/error.h"
#include "stages/data_checks.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const fst__causal_metrics[FST__CAUSAL_METRICS] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__CAUSAL_Z_LOSS) = "z_loss",
    AT(FST__CAUSAL_PERPLEXITY) = "perplexity",
    AT(FST__CAUSAL_ACCURACY) = "accuracy",
    AT(FST__CAUSAL_CLIP_FACTOR) = "clip_factor",
    AT(FST__CAUSAL_TOKENS) = "tokens",
    AT(FST__CAUSAL_EPOCH) = "epoch",
    AT(FST__CAUSAL_SPIKES) = "spikes",
    AT(FST__CAUSAL_ROLLBACKS) = "rollbacks",
    AT(FST__CAUSAL_VALIDATION_PERPLEXITY) = "validation_perplexity",
    AT(FST__CAUSAL_VALIDATION_BITS) = "validation_bits_per_byte",
    AT(FST__CAUSAL_VALIDATION_ACCURACY) = "validation_accuracy",
#undef AT
};

_Static_assert(FST__CAUSAL_METRICS_END <= (int)FST__METRIC_MOST, "room for the metrics");

/* ---- checks ---- */

static fst_status bad(const fst__causal_options *o, const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s.%s: expected %s", o->name, field, expected);
}

static fst_status check_values(const fst__causal_options *o)
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

static fst_status check_data(const fst__causal_options *o, const fst_dataset *dataset,
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

static fst_status check(const fst__causal_options *o, const fst_run_options *r,
                        fst_dataset_info *train)
{
    fst_status status = check_values(o);
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

void fst__causal_destroy(void *state)
{
    fst__causal *causal = state;
    if (!causal)
        return;
    fst_context *context = fst__context_retain(causal->context);
    fst__allocator *allocator = &context->allocator;
    fst__free(allocator, causal->ids);
    fst__dataset_destroy(causal->validation);
    fst__dataset_destroy(causal->train);
    fst__steps_destroy(&causal->steps);
    fst__free(allocator, causal);
    fst__context_release(context);
}

static fst_status make_arrays(fst__causal *causal)
{
    size_t count = (size_t)causal->options.rows * (size_t)causal->length;
    causal->data_bytes = 4 * count * sizeof(int32_t);
    causal->ids = fst__alloc(&causal->context->allocator, causal->data_bytes);
    if (!causal->ids)
        return FST_ERR_NO_MEMORY;
    causal->targets = causal->ids + count;
    causal->positions = causal->targets + count;
    causal->documents = causal->positions + count;
    return FST_OK;
}

static fst_status reserve(fst__causal *causal)
{
    fst_model *model = causal->steps.training.model;
    int64_t rows = causal->options.rows, evaluation = 0;
    fst_status status =
        fst__model_reserve(model, rows, causal->length, true, &causal->activation_bytes);
    if (!status && causal->validation)
        status = fst__model_reserve(model, rows, causal->length, false, &evaluation);
    if (evaluation > causal->activation_bytes)
        causal->activation_bytes = evaluation;
    return status;
}

static fst_status make(const fst__causal_options *options, const fst_dataset_info *info,
                       fst__causal **out)
{
    fst_context *context = options->model->context;
    fst__causal *causal = fst__alloc_zero(&context->allocator, sizeof *causal);
    if (!causal)
        return FST_ERR_NO_MEMORY;
    causal->context = context;
    causal->train_info = *info;
    causal->length = info->length;
    causal->options = *options;
    fst_status status =
        fst__steps_create(&causal->steps, &fst__causal_work, &options->steps, options->rows,
                          options->model, options->optimizer, options->name);
    if (!status) {
        causal->train = fst__dataset_retain(options->train);
        causal->validation = options->validation ? fst__dataset_retain(options->validation) : NULL;
        status = make_arrays(causal);
    }
    if (!status)
        status = reserve(causal);
    if (status) {
        fst__causal_destroy(causal);
        return status;
    }
    *out = causal;
    return FST_OK;
}

void fst__causal_memory(const fst_run *run, fst_memory *memory)
{
    const fst__causal *causal = fst__causal_of(run);
    fst__training_memory(&causal->steps.training, memory);
    memory->activations = causal->activation_bytes;
    memory->data = (int64_t)causal->data_bytes;
}

fst_status fst__causal_create(const fst__stage *stage, const fst__causal_options *options,
                              const fst_run_options *run_options, fst_run **out)
{
    fst_dataset_info info;
    fst__causal *causal;
    fst_status status = check(options, run_options, &info);
    if (!status)
        status = make(options, &info, &causal);
    if (status)
        return status;
    return fst__run_create(options->model->context, stage, causal, options->validation != NULL,
                           run_options, out);
}
