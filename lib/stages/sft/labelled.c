/* A labelled run's life and its checkpoints. */
#include "stages/sft/labelled.h"

#include "base/error.h"
#include "stages/metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const metrics[] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__LABELLED_ACCURACY) = "accuracy",
    AT(FST__LABELLED_LANGUAGE_LOSS) = "language_loss",
    AT(FST__LABELLED_CLIP_FACTOR) = "clip_factor",
    AT(FST__LABELLED_LABELS) = "labels",
    AT(FST__LABELLED_TOKENS) = "tokens",
    AT(FST__LABELLED_EPOCH) = "epoch",
    AT(FST__LABELLED_SPIKES) = "spikes",
    AT(FST__LABELLED_ROLLBACKS) = "rollbacks",
    AT(FST__LABELLED_VALIDATION_ACCURACY) = "validation_accuracy",
    AT(FST__LABELLED_VALIDATION_F1_MACRO) = "validation_f1_macro",
    AT(FST__LABELLED_VALIDATION_F1_MICRO) = "validation_f1_micro",
    AT(FST__LABELLED_VALIDATION_MCC) = "validation_mcc",
    AT(FST__LABELLED_VALIDATION_SUBSET_ACCURACY) = "validation_subset_accuracy",
    AT(FST__LABELLED_VALIDATION_RMSE) = "validation_rmse",
    AT(FST__LABELLED_VALIDATION_MAE) = "validation_mae",
    AT(FST__LABELLED_VALIDATION_PEARSON) = "validation_pearson",
    AT(FST__LABELLED_VALIDATION_SPEARMAN) = "validation_spearman",
    AT(FST__LABELLED_VALIDATION_TOP5_ACCURACY) = "validation_top5_accuracy",
#undef AT
};

_Static_assert(FST__LABELLED_METRICS_END <= (int)FST__METRIC_MOST, "room for the metrics");

/* ---- life ---- */

static void destroy(void *state)
{
    fst__labelled *l = state;
    if (!l)
        return;
    fst_context *context = fst__context_retain(l->context);
    fst__allocator *allocator = &context->allocator;
    fst__free(allocator, l->confusion);
    fst__free(allocator, l->scratch);
    fst__free(allocator, l->truths);
    fst__free(allocator, l->predictions);
    fst__free(allocator, l->gradient);
    fst__free(allocator, l->weights);
    fst__free(allocator, l->labels);
    fst__labelled_batch_close(&l->batch, allocator);
    fst__free(allocator, l->class_weights);
    fst__dataset_destroy(l->validation);
    fst__dataset_destroy(l->train);
    fst__steps_destroy(&l->steps);
    fst__free(allocator, l);
    fst__context_release(context);
}

static fst_status take(fst__labelled *l, int64_t rows, int64_t columns, fst__real **array)
{
    size_t row = (size_t)columns * sizeof(fst__real);
    *array = fst__alloc_array(&l->context->allocator, (size_t)rows, row);
    if (!*array)
        return FST_ERR_NO_MEMORY;
    l->data_bytes += rows * (int64_t)row;
    return FST_OK;
}

static fst_status take_evaluation(fst__labelled *l)
{
    int64_t count = l->validation->documents->examples->count, limit = l->options.evaluation_rows;
    l->evaluated_examples = count = limit > 0 && limit < count ? limit : count;
    fst_status status = take(l, count, l->outputs, &l->predictions);
    if (!status)
        status = take(l, count, l->label_count, &l->truths);
    if (!status && l->objective == FST_SFT_MSE)
        status = take(l, count, FST__REGRESSION_SCRATCH, &l->scratch);
    size_t counts = (size_t)fst__labelled_confusion_count(l);
    if (status || counts == 0)
        return status;
    l->confusion = fst__alloc_array(&l->context->allocator, counts, sizeof *l->confusion);
    l->data_bytes += (int64_t)(counts * sizeof *l->confusion);
    return l->confusion ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_status take_arrays(fst__labelled *l, int64_t length)
{
    fst__allocator *allocator = &l->context->allocator;
    int64_t rows = l->options.rows;
    if (l->options.class_weights) {
        l->class_weights = fst__alloc_array(allocator, (size_t)l->outputs, sizeof(double));
        if (!l->class_weights)
            return FST_ERR_NO_MEMORY;
        memcpy(l->class_weights, l->options.class_weights, (size_t)l->outputs * sizeof(double));
    }
    l->options.class_weights = l->class_weights;
    l->loss.class_weights = l->class_weights;
    fst_status status =
        fst__is_images(l->train)
            ? fst__labelled_batch_open_images(&l->batch, l->train, rows, l->options.augment,
                                              "fst_sft_options.augment", &l->data_bytes)
            : fst__labelled_batch_open(&l->batch, allocator, rows, length,
                                       l->options.language_modelling > 0, &l->data_bytes);
    l->options.augment = NULL; /* the caller's, and read */
    if (!status)
        status = fst__labelled_batch_want_types(&l->batch, allocator, l->steps.training.model,
                                                &l->data_bytes);
    if (!status)
        status = take(l, rows, l->label_count, &l->labels);
    if (!status)
        status = take(l, rows, l->label_count, &l->weights);
    if (!status)
        status = take(l, rows, l->outputs, &l->gradient);
    if (!status && l->validation)
        status = take_evaluation(l);
    return status;
}

/* For the longest batch; shorter ones fit into the same memory. */
static fst_status reserve(fst__labelled *l, int64_t length)
{
    fst_model *model = l->steps.training.model;
    fst__allocator *allocator = &l->context->allocator;
    int64_t rows = l->options.rows, evaluation = 0;
    size_t outputs = (size_t)(rows * l->outputs);
    fst_status status = fst__model_reserve(model, rows, length, true, &l->activation_bytes);
    if (!status && l->validation)
        status = fst__model_reserve(model, rows, length, false, &evaluation);
    if (evaluation > l->activation_bytes)
        l->activation_bytes = evaluation;
    if (!status)
        status = fst__buffer_want(allocator, &l->head->output, outputs);
    if (!status)
        status = fst__buffer_want(allocator, &l->head->gradient, outputs);
    l->activation_bytes += 2 * (int64_t)(outputs * sizeof(fst__real));
    return status;
}

static fst_status make(const fst_sft_options *options, fst__head *head, int32_t objective,
                       int64_t length, fst__labelled **out)
{
    fst_context *context = options->model->context;
    fst__labelled *l = fst__alloc_zero(&context->allocator, sizeof *l);
    if (!l)
        return FST_ERR_NO_MEMORY;
    const fst__steps_options steps = fst__sft_steps(options);
    l->context = context;
    l->head = head;
    l->options = *options;
    l->options.run = NULL; /* the caller's, as is head */
    l->options.head = NULL;
    l->objective = objective;
    l->outputs = head->options.outputs;
    l->label_count = options->train->documents->examples->label_count;
    l->loss = fst__label_loss_defaults();
    l->loss.label_smoothing = options->label_smoothing;
    fst_status status = fst__steps_create(&l->steps, &fst__labelled_work, &steps, options->rows,
                                          options->model, options->optimizer, "fst_sft_options");
    if (!status) {
        l->train = fst__dataset_retain(options->train);
        l->validation = options->validation ? fst__dataset_retain(options->validation) : NULL;
        status = take_arrays(l, length);
    }
    if (!status)
        status = reserve(l, length);
    if (status) {
        destroy(l);
        return status;
    }
    *out = l;
    return FST_OK;
}

/* ---- checkpoints ---- */

/* Positions in the data mean something only over the same examples. */
static const fst__setting data_settings[] = {
    {"examples", offsetof(fst__examples, count), FST__SETTING_I64, 1},
    {"labels", offsetof(fst__examples, label_count), FST__SETTING_I64, 1},
    {"longest", offsetof(fst__examples, longest), FST__SETTING_I64, 1},
};

static const fst__setting step_settings[] = {
    {"rows", offsetof(fst_sft_options, rows), FST__SETTING_I64, 1},
    {"shuffle", offsetof(fst_sft_options, shuffle), FST__SETTING_I32, 1},
    {"label_smoothing", offsetof(fst_sft_options, label_smoothing), FST__SETTING_F64, 0},
    {"language_modelling", offsetof(fst_sft_options, language_modelling), FST__SETTING_F64, 0},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void visit_augmentation(const fst__labelled *l, fst__visitor *visitor)
{
    char text[32];
    snprintf(text, sizeof text, "%016" PRIx64, fst__augmenter_checksum(l->batch.augmenter));
    fst__visit_setting_text(visitor, "sft.augment", text, 0);
}

static void visit(fst_run *run, fst__visitor *visitor)
{
    static const char *const objectives[] = {
        [FST_SFT_CROSS_ENTROPY] = "cross entropy", [FST_SFT_BINARY] = "binary", [FST_SFT_MSE] = "MSE"};
    fst__labelled *l = fst__labelled_of(run);
    fst__visit_setting_text(visitor, "sft.objective", objectives[l->objective], 1);
    fst__visit_setting_text(visitor, "sft.head", l->head->name, 1);
    fst__visit_settings(visitor, "data", data_settings, COUNT(data_settings),
                        l->train->documents->examples);
    fst__visit_settings(visitor, "sft", step_settings, COUNT(step_settings), &l->options);
    fst__visit_setting_bytes(visitor, "sft.class_weights", l->class_weights,
                             (size_t)l->outputs * sizeof(double), 0);
    if (l->batch.augmenter)
        visit_augmentation(l, visitor);
    fst__visit_doubles(visitor, "sft", "sum_loss", &l->sums.loss, 1);
    if (l->batch.targets)
        fst__visit_doubles(visitor, "sft", "sum_language", &l->sums.language, 1);
    fst__visit_i64(visitor, "sft", "sum_labels", &l->sums.labels, 0, FST__COUNTER_MOST);
    if (l->objective != FST_SFT_MSE)
        fst__visit_i64(visitor, "sft", "sum_right", &l->sums.right, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "sft", "sum_tokens", &l->sums.tokens, 0, FST__COUNTER_MOST);
    fst__steps_visit(&l->steps, "sft", visitor);
}

static void restored(fst_run *run)
{
    fst__labelled_of(run)->evaluated = false;
    fst__steps_restored(run);
}

static void memory(const fst_run *run, fst_memory *memory)
{
    const fst__labelled *l = fst__labelled_of(run);
    fst__training_memory(&l->steps.training, memory);
    memory->activations = l->activation_bytes;
    memory->data = l->data_bytes;
}

const fst__stage fst__labelled_stage = {
    .name = "sft",
    .metrics = metrics,
    .metric_count = COUNT(metrics),
    .advance = fst__steps_advance,
    .evaluate = fst__labelled_evaluate,
    .visit = visit,
    .restored = restored,
    .roll_back = fst__steps_roll_back,
    .micro_step = fst__steps_micro_step,
    .micro_steps = fst__steps_micro_steps,
    .memory = memory,
    .destroy = destroy,
};

fst_status fst__labelled_create(const fst_sft_options *options, const fst_run_options *run_options,
                                fst_run **out)
{
    fst__head *head;
    int32_t objective;
    int64_t length;
    fst__labelled *labelled;
    fst_status status = fst__labelled_check(options, run_options, &head, &objective, &length);
    if (!status)
        status = make(options, head, objective, length, &labelled);
    if (status)
        return status;
    return fst__run_create(options->model->context, &fst__labelled_stage, labelled,
                           options->validation != NULL, run_options, out);
}
