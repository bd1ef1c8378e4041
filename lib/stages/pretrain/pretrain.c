#include "stages/pretrain/pretrain.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *const metrics[] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__PRETRAIN_Z_LOSS) = "z_loss",
    AT(FST__PRETRAIN_PERPLEXITY) = "perplexity",
    AT(FST__PRETRAIN_ACCURACY) = "accuracy",
    AT(FST__PRETRAIN_CLIP_FACTOR) = "clip_factor",
    AT(FST__PRETRAIN_TOKENS) = "tokens",
    AT(FST__PRETRAIN_EPOCH) = "epoch",
    AT(FST__PRETRAIN_SPIKES) = "spikes",
    AT(FST__PRETRAIN_ROLLBACKS) = "rollbacks",
    AT(FST__PRETRAIN_VALIDATION_PERPLEXITY) = "validation_perplexity",
    AT(FST__PRETRAIN_VALIDATION_BITS) = "validation_bits_per_byte",
    AT(FST__PRETRAIN_VALIDATION_ACCURACY) = "validation_accuracy",
#undef AT
};

_Static_assert(FST__PRETRAIN_METRICS_END <= (int)FST__METRIC_MOST, "room for the metrics");

fst_pretrain_options fst__pretrain_defaults(void)
{
    fst__spike_options spikes = fst__spike_defaults();
    return (fst_pretrain_options){
        .struct_size = sizeof(fst_pretrain_options),
        .rows = 8,
        .accumulation = 1,
        .shuffle = 1,
        .spike_warmup = spikes.warmup_steps,
        .spike_patience = spikes.patience,
        .spike_rollbacks = 3,
    };
}

/* ---- checks ---- */

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_pretrain_options.%s: expected %s", field, expected);
}

static fst_status check_values(const fst_pretrain_options *o)
{
    if (!o->model || !o->train)
        return bad(o->model ? "train" : "model", "a handle, it is NULL");
    if (o->rows < 1 || o->rows > INT32_MAX)
        return bad("rows", "at least 1");
    if (o->accumulation < 1 || o->accumulation > INT32_MAX)
        return bad("accumulation", "at least 1");
    if (o->evaluation_rows < 0)
        return bad("evaluation_rows", "at least 0");
    if (o->shuffle != 0 && o->shuffle != 1)
        return bad("shuffle", "0 or 1");
    if (!(o->label_smoothing >= 0 && o->label_smoothing < 1))
        return bad("label_smoothing", "0 ≤ ε < 1");
    if (!(o->z_loss >= 0 && isfinite(o->z_loss)))
        return bad("z_loss", "a finite value ≥ 0");
    if (o->spike_action < FST_SPIKE_NONE || o->spike_action > FST_SPIKE_ROLL_BACK)
        return bad("spike_action", "an FST_SPIKE_ value");
    if (!(o->spike_loss_z >= 0) || !(o->spike_gradient_z >= 0))
        return bad("spike_loss_z and spike_gradient_z", "values ≥ 0");
    if (o->spike_warmup < 0 || o->spike_patience < 1 || o->spike_rollbacks < 0)
        return bad("spike_warmup, spike_patience and spike_rollbacks", "at least 0, 1 and 0");
    if (o->spike_action != FST_SPIKE_NONE && o->spike_loss_z == 0 && o->spike_gradient_z == 0)
        return bad("spike_action", "spike_loss_z or spike_gradient_z with it");
    return FST_OK;
}

static fst_status check_data(const fst_model *model, const fst_dataset *dataset, const char *field,
                             fst_dataset_info *info)
{
    fst_status status = fst_dataset_get_info(dataset, info, sizeof *info);
    if (status)
        return status;
    if (!dataset->packed)
        return fst__fail(FST_ERR_STATE, "fst_pretrain_options.%s is not packed; see fst_dataset_pack",
                         field);
    if (dataset->context != model->context)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_pretrain_options.%s and the model were made from two contexts", field);
    if (info->length > model->config.context_length)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_pretrain_options.%s has rows of %" PRId64
                         " ids, the model's context_length is %d",
                         field, info->length, (int)model->config.context_length);
    if (info->maximum_id >= model->config.vocabulary_size)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_pretrain_options.%s has id %d, the model's vocabulary_size is %d", field,
                         (int)info->maximum_id, (int)model->config.vocabulary_size);
    return FST_OK;
}

static fst_status check(const fst_pretrain_options *o, const fst_run_options *r,
                        fst_dataset_info *train)
{
    fst_status status = check_values(o);
    if (!status && o->spike_action == FST_SPIKE_ROLL_BACK && r->save_every == 0)
        status = bad("spike_action", "fst_run_options.save_every with FST_SPIKE_ROLL_BACK");
    if (!status)
        status = check_data(o->model, o->train, "train", train);
    fst_dataset_info validation;
    if (!status && o->validation)
        status = check_data(o->model, o->validation, "validation", &validation);
    if (!status && o->validation && validation.length != train->length)
        status = fst__fail(FST_ERR_MISMATCH,
                           "fst_pretrain_options: rows of train have %" PRId64
                           " ids, those of validation %" PRId64,
                           train->length, validation.length);
    int64_t product;
    if (!status && (!fst__mul_i64(o->rows, o->accumulation, &product) ||
                    !fst__mul_i64(product, train->length, &product) || product > INT32_MAX))
        status = bad("rows, accumulation", "a step of less than 2³¹ tokens");
    return status;
}

/* ---- life ---- */

static void destroy(void *state)
{
    fst__pretrain *pretrain = state;
    if (!pretrain)
        return;
    fst_context *context = fst__context_retain(pretrain->context);
    fst__allocator *allocator = &context->allocator;
    fst__free(allocator, pretrain->ids);
    fst__dataset_destroy(pretrain->validation);
    fst__dataset_destroy(pretrain->train);
    fst__training_destroy(&pretrain->training);
    fst__free(allocator, pretrain);
    fst__context_release(context);
}

static fst_status make_arrays(fst__pretrain *pretrain)
{
    size_t count = (size_t)pretrain->options.rows * (size_t)pretrain->length;
    pretrain->data_bytes = 4 * count * sizeof(int32_t);
    pretrain->ids = fst__alloc(&pretrain->context->allocator, pretrain->data_bytes);
    if (!pretrain->ids)
        return FST_ERR_NO_MEMORY;
    pretrain->targets = pretrain->ids + count;
    pretrain->positions = pretrain->targets + count;
    pretrain->documents = pretrain->positions + count;
    return FST_OK;
}

static fst_status reserve(fst__pretrain *pretrain)
{
    fst_model *model = pretrain->training.model;
    int64_t rows = pretrain->options.rows, evaluation = 0;
    fst_status status =
        fst__model_reserve(model, rows, pretrain->length, true, &pretrain->activation_bytes);
    if (!status && pretrain->validation)
        status = fst__model_reserve(model, rows, pretrain->length, false, &evaluation);
    if (evaluation > pretrain->activation_bytes)
        pretrain->activation_bytes = evaluation;
    return status;
}

static fst_status make(const fst_pretrain_options *options, const fst_dataset_info *info,
                       fst__pretrain **out)
{
    fst_context *context = options->model->context;
    fst__pretrain *pretrain = fst__alloc_zero(&context->allocator, sizeof *pretrain);
    if (!pretrain)
        return FST_ERR_NO_MEMORY;
    pretrain->context = context;
    pretrain->train_info = *info;
    pretrain->length = info->length;
    pretrain->step_targets = -1;
    pretrain->options = *options;
    pretrain->options.run = NULL; /* the caller's */
    pretrain->guard.options = (fst__spike_options){
        .loss_z = options->spike_loss_z,
        .gradient_norm_z = options->spike_gradient_z,
        .decay = fst__spike_defaults().decay,
        .warmup_steps = options->spike_warmup,
        .patience = options->spike_action == FST_SPIKE_ROLL_BACK ? options->spike_patience : 0,
    };
    fst_status status = fst__training_create(options->model, options->optimizer,
                                             "fst_pretrain_options", &pretrain->training);
    if (!status) {
        pretrain->train = fst__dataset_retain(options->train);
        pretrain->validation =
            options->validation ? fst__dataset_retain(options->validation) : NULL;
        status = make_arrays(pretrain);
    }
    if (!status)
        status = reserve(pretrain);
    if (status) {
        destroy(pretrain);
        return status;
    }
    *out = pretrain;
    return FST_OK;
}

static int64_t micro_step(const fst_run *run)
{
    return fst__pretrain_of(run)->micro_step;
}

static int64_t micro_steps(const fst_run *run)
{
    return fst__pretrain_of(run)->options.accumulation;
}

static void memory(const fst_run *run, fst_memory *memory)
{
    const fst__pretrain *pretrain = fst__pretrain_of(run);
    fst__training_memory(&pretrain->training, memory);
    memory->activations = pretrain->activation_bytes;
    memory->data = (int64_t)pretrain->data_bytes;
}

static const fst__stage stage = {
    .name = "pretrain",
    .metrics = metrics,
    .metric_count = sizeof metrics / sizeof metrics[0],
    .advance = fst__pretrain_advance,
    .evaluate = fst__pretrain_evaluate,
    .visit = fst__pretrain_visit,
    .restored = fst__pretrain_restored,
    .roll_back = fst__pretrain_roll_back,
    .micro_step = micro_step,
    .micro_steps = micro_steps,
    .memory = memory,
    .destroy = destroy,
};

fst_status fst__pretrain_create(const fst_pretrain_options *options, const fst_run_options *run_options,
                                fst_run **out)
{
    fst_dataset_info info;
    fst__pretrain *pretrain;
    fst_status status = check(options, run_options, &info);
    if (!status)
        status = make(options, &info, &pretrain);
    if (status)
        return status;
    return fst__run_create(options->model->context, &stage, pretrain, options->validation != NULL,
                           run_options, out);
}
