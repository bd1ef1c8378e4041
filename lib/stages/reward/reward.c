#include "stages/reward/reward.h"

#include "base/checked.h"
#include "base/error.h"

#include <math.h>

static const char *const pair_metrics[] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__REWARD_CLIP_FACTOR) = "clip_factor",
    AT(FST__REWARD_TOKENS) = "tokens",
    AT(FST__REWARD_EPOCH) = "epoch",
    AT(FST__REWARD_SPIKES) = "spikes",
    AT(FST__REWARD_ROLLBACKS) = "rollbacks",
    AT(FST__PAIRS_CENTERING) = "centering",
    AT(FST__PAIRS_ACCURACY) = "accuracy",
    AT(FST__PAIRS_MARGIN) = "margin",
    AT(FST__PAIRS_MEAN) = "reward_mean",
    AT(FST__PAIRS_MIN) = "reward_min",
    AT(FST__PAIRS_MAX) = "reward_max",
    AT(FST__PAIRS_VALIDATION_ACCURACY) = "validation_accuracy",
    AT(FST__PAIRS_VALIDATION_MARGIN) = "validation_margin",
    AT(FST__PAIRS_VALIDATION_MEAN) = "validation_reward_mean",
    AT(FST__PAIRS_VALIDATION_MIN) = "validation_reward_min",
    AT(FST__PAIRS_VALIDATION_MAX) = "validation_reward_max",
    AT(FST__PAIRS_VALIDATION_LENGTH_BASELINE) = "validation_length_baseline",
    AT(FST__PAIRS_VALIDATION_CALIBRATION) = "validation_calibration",
};

#define EIGHT(metric, name)                                                                        \
    AT(metric) = name "0", AT(metric + 1) = name "1", AT(metric + 2) = name "2",                   \
    AT(metric + 3) = name "3", AT(metric + 4) = name "4", AT(metric + 5) = name "5",               \
    AT(metric + 6) = name "6", AT(metric + 7) = name "7"

static const char *const graded_metrics[] = {
    AT(FST__REWARD_CLIP_FACTOR) = "clip_factor",
    AT(FST__REWARD_TOKENS) = "tokens",
    AT(FST__REWARD_EPOCH) = "epoch",
    AT(FST__REWARD_SPIKES) = "spikes",
    AT(FST__REWARD_ROLLBACKS) = "rollbacks",
    AT(FST__GRADED_LABELS) = "labels",
    EIGHT(FST__GRADED_PEARSON, "validation_pearson_"),
    EIGHT(FST__GRADED_SPEARMAN, "validation_spearman_"),
    EIGHT(FST__GRADED_ERROR, "validation_error_"),
    EIGHT(FST__GRADED_BASELINE, "validation_baseline_"),
};
#undef EIGHT
#undef AT

_Static_assert(FST__PAIRS_METRICS_END <= (int)FST__METRIC_MOST &&
                   FST__GRADED_METRICS_END <= (int)FST__METRIC_MOST,
               "room for the metrics");

fst_reward_options fst__reward_defaults(void)
{
    fst__steps_options steps = fst__steps_defaults();
    return (fst_reward_options){
        .struct_size = sizeof(fst_reward_options),
        .shuffle = 1,
        .rows = 8,
        .accumulation = steps.accumulation,
        .shift_to_zero = 1,
        .centering = 0.01,
        .spike_warmup = steps.spike_warmup,
        .spike_patience = steps.spike_patience,
        .spike_rollbacks = steps.spike_rollbacks,
    };
}

static fst__steps_options steps_options(const fst_reward_options *o)
{
    return (fst__steps_options){
        .accumulation = o->accumulation,
        .spike_action = o->spike_action,
        .spike_loss_z = o->spike_loss_z,
        .spike_gradient_z = o->spike_gradient_z,
        .spike_warmup = o->spike_warmup,
        .spike_patience = o->spike_patience,
        .spike_rollbacks = o->spike_rollbacks,
    };
}

/* ---- life ---- */

static void destroy(void *state)
{
    fst__reward *reward = state;
    if (!reward)
        return;
    fst_context *context = fst__context_retain(reward->context);
    fst__free(&context->allocator, reward->block);
    fst__dataset_destroy(reward->validation);
    fst__dataset_destroy(reward->train);
    fst__steps_destroy(&reward->steps);
    fst__free(&context->allocator, reward);
    fst__context_release(context);
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Lays the arrays out; block NULL: only counts. False: more than memory can be. */
static bool lay_out(fst__reward *r, char *block)
{
    int64_t rows = r->options.rows, widest = 1;
    for (int64_t a = 0; a < r->aspect_count; ++a)
        widest = most(widest, r->aspects[a].outputs);
    size_t examples = (size_t)(rows * r->options.accumulation), sequences = (size_t)r->sequences;
    size_t column = (size_t)most(rows, FST__EVALUATED_PAIRS), outputs = (size_t)r->outputs;
    size_t all = (size_t)most(r->train_info.sequences, r->validation_info.sequences);
    const struct {
        void **array;
        size_t count, width, size;
    } parts[] = {
        {(void **)&r->indices, examples, 1, sizeof *r->indices},
        {(void **)&r->offsets, (size_t)rows + 1, 1, sizeof *r->offsets},
        {(void **)&r->margins, (size_t)rows, 1, sizeof *r->margins},
        {(void **)&r->ids, sequences, (size_t)r->length, sizeof *r->ids},
        {(void **)&r->lengths, sequences, 1, sizeof *r->lengths},
        {(void **)&r->scores, sequences, outputs, sizeof *r->scores},
        {(void **)&r->gradient, sequences, outputs, sizeof *r->gradient},
        {(void **)&r->labels, column, 1, sizeof *r->labels},
        {(void **)&r->weights, column, 1, sizeof *r->weights},
        {(void **)&r->column, column, (size_t)widest, sizeof *r->column},
        {(void **)&r->slopes, column, (size_t)widest, sizeof *r->slopes},
        {(void **)&r->places, all, 1, sizeof *r->places},
        {(void **)&r->all_scores, all, outputs, sizeof *r->all_scores},
        {(void **)&r->ranking, r->aspect_count ? all : 0, 6, sizeof *r->ranking},
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i) {
        size_t bytes;
        if (block)
            *parts[i].array = block + used;
        if (!fst__mul_size(parts[i].count, parts[i].width, &bytes) ||
            !fst__mul_size(bytes, parts[i].size, &bytes) || !fst__add_size(bytes, 63, &bytes) ||
            !fst__add_size(used, bytes / 64 * 64, &used))
            return false;
    }
    r->block_bytes = used;
    return true;
}

static fst_status make_arrays(fst__reward *reward)
{
    if (!lay_out(reward, NULL))
        return fst__fail(FST_ERR_NO_MEMORY, "fst_reward_options.rows: more than memory can be");
    reward->block = fst__alloc(&reward->context->allocator, reward->block_bytes);
    if (!reward->block)
        return FST_ERR_NO_MEMORY;
    lay_out(reward, reward->block);
    return FST_OK;
}

static fst_status reserve(fst__reward *reward)
{
    fst_model *model = reward->steps.training.model;
    int64_t training = 0, evaluation = 0;
    fst_status status =
        fst__model_reserve(model, reward->sequences, reward->length, true, &training);
    if (!status)
        status = fst__model_reserve(model, reward->sequences, reward->length, false, &evaluation);
    reward->activation_bytes = most(training, evaluation);
    return status;
}

static fst_status make(fst__reward *reward)
{
    fst_reward_options *o = &reward->options;
    const fst__steps_options steps = steps_options(o);
    if (!fst__mul_i64(o->rows, reward->train_info.maximum_answers, &reward->sequences))
        return fst__fail(FST_ERR_NO_MEMORY, "fst_reward_options.rows: more than memory can be");
    fst_status status = fst__steps_create(
        &reward->steps, fst__reward_graded(reward) ? &fst__graded_work : &fst__pairs_work, &steps,
        o->rows, o->model, o->optimizer, "fst_reward_options");
    if (status)
        return status;
    reward->train = fst__dataset_retain(o->train);
    reward->validation = o->validation ? fst__dataset_retain(o->validation) : NULL;
    o->heads = NULL; /* the caller's, as all arrays */
    o->aspect_losses = o->aspect_levels = NULL;
    o->aspect_weights = NULL;
    o->run = NULL;
    if (fst__reward_graded(reward))
        o->shift_to_zero = 0;
    else
        reward->sums = (fst__reward_sums){.score_min = INFINITY, .score_max = -INFINITY};
    status = make_arrays(reward);
    return status ? status : reserve(reward);
}

static void memory(const fst_run *run, fst_memory *memory)
{
    const fst__reward *reward = fst__reward_of(run);
    fst__training_memory(&reward->steps.training, memory);
    memory->activations = reward->activation_bytes;
    memory->data = (int64_t)reward->block_bytes;
}

static const fst__stage pairs_stage = {
    .name = "reward",
    .metrics = pair_metrics,
    .metric_count = sizeof pair_metrics / sizeof pair_metrics[0],
    .advance = fst__reward_advance,
    .evaluate = fst__pairs_evaluate,
    .visit = fst__reward_visit,
    .restored = fst__steps_restored,
    .roll_back = fst__steps_roll_back,
    .micro_step = fst__steps_micro_step,
    .micro_steps = fst__steps_micro_steps,
    .memory = memory,
    .destroy = destroy,
};

static const fst__stage graded_stage = {
    .name = "reward_graded",
    .metrics = graded_metrics,
    .metric_count = sizeof graded_metrics / sizeof graded_metrics[0],
    .advance = fst__steps_advance,
    .evaluate = fst__graded_evaluate,
    .visit = fst__reward_visit,
    .restored = fst__steps_restored,
    .roll_back = fst__steps_roll_back,
    .micro_step = fst__steps_micro_step,
    .micro_steps = fst__steps_micro_steps,
    .memory = memory,
    .destroy = destroy,
};

bool fst__reward_is(const fst_run *run)
{
    return run->stage == &pairs_stage;
}

fst_status fst__reward_create(const fst_reward_options *options, const fst_run_options *run_options,
                              fst_run **out)
{
    const fst__steps_options steps = steps_options(options);
    if (!options->model)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_reward_options.model: expected a handle, it is NULL");
    fst_context *context = options->model->context;
    fst__reward *reward = fst__alloc_zero(&context->allocator, sizeof *reward);
    if (!reward)
        return FST_ERR_NO_MEMORY;
    reward->context = context;
    reward->options = *options;
    fst_status status = fst__reward_check(reward);
    if (!status)
        status = fst__steps_check(&steps, run_options, "fst_reward_options");
    if (!status)
        status = make(reward);
    if (status) {
        destroy(reward);
        return status;
    }
    return fst__run_create(context, fst__reward_graded(reward) ? &graded_stage : &pairs_stage,
                           reward, options->validation != NULL, run_options, out);
}
