/* A contrastive run's life and its checkpoints. */
#include "stages/contrastive/contrastive.h"

#include "base/error.h"
#include "base/options.h"
#include "stages/spread.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static const char *const metrics[] = {
#define AT(metric) [metric - FST__METRIC_OWN]
    AT(FST__CONTRASTIVE_ACCURACY) = "accuracy",
    AT(FST__CONTRASTIVE_ALIGNMENT) = "alignment",
    AT(FST__CONTRASTIVE_UNIFORMITY) = "uniformity",
    AT(FST__CONTRASTIVE_CLIP_FACTOR) = "clip_factor",
    AT(FST__CONTRASTIVE_TOKENS) = "tokens",
    AT(FST__CONTRASTIVE_EPOCH) = "epoch",
    AT(FST__CONTRASTIVE_SPIKES) = "spikes",
    AT(FST__CONTRASTIVE_ROLLBACKS) = "rollbacks",
    AT(FST__CONTRASTIVE_VALIDATION_ACCURACY) = "validation_accuracy",
    AT(FST__CONTRASTIVE_VALIDATION_ALIGNMENT) = "validation_alignment",
    AT(FST__CONTRASTIVE_VALIDATION_UNIFORMITY) = "validation_uniformity",
    AT(FST__CONTRASTIVE_VALIDATION_SPEARMAN) = "validation_spearman",
    AT(FST__CONTRASTIVE_VALIDATION_PEARSON) = "validation_pearson",
#undef AT
};

_Static_assert(FST__CONTRASTIVE_METRICS_END <= (int)FST__METRIC_MOST, "room for the metrics");

/* ---- life ---- */

static void destroy(void *state)
{
    fst__contrastive *c = state;
    if (!c)
        return;
    fst_context *context = fst__context_retain(c->context);
    fst__allocator *allocator = &context->allocator;
    fst__free(allocator, c->ranks);
    fst__free(allocator, c->truths);
    fst__free(allocator, c->cosines);
    fst__free(allocator, c->sentences);
    fst__free(allocator, c->kept.data);
    fst__free(allocator, c->scratch);
    fst__free(allocator, c->dz);
    fst__free(allocator, c->z);
    fst__free(allocator, c->rows);
    fst__embed_batch_close(&c->batch, allocator);
    fst__free(allocator, c->indices);
    fst__dataset_destroy(c->validation);
    fst__dataset_destroy(c->train);
    fst__steps_destroy(&c->steps);
    fst__free(allocator, c);
    fst__context_release(context);
}

static fst_status take(fst__contrastive *c, int64_t rows, int64_t columns, fst__real **array)
{
    size_t row = (size_t)columns * sizeof(fst__real);
    *array = fst__alloc_array(&c->context->allocator, (size_t)rows, row);
    if (!*array)
        return FST_ERR_NO_MEMORY;
    c->data_bytes += rows * (int64_t)row;
    return FST_OK;
}

static fst_status take_scratch(fst__contrastive *c)
{
    bool ntxent = c->options.objective == FST_CONTRASTIVE_NTXENT;
    int64_t rows = ntxent ? 2 * c->options.rows : c->options.rows;
    int64_t candidates = ntxent ? rows : (c->views - 1) * c->options.rows;
    size_t spread = c->scored ? fst__uniformity_scratch(2 * c->evaluated_examples) : 1;
    c->scratch_size = fst__contrastive_scratch(rows, candidates, c->embedding.width, ntxent);
    if (c->scratch_size == 0 || spread == 0)
        return fst__fail(FST_ERR_NO_MEMORY, "the batch is too large");
    c->scratch_size = spread > c->scratch_size ? spread : c->scratch_size;
    c->scratch = fst__alloc(&c->context->allocator, c->scratch_size);
    c->data_bytes += (int64_t)c->scratch_size;
    return c->scratch ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_status take_evaluation(fst__contrastive *c)
{
    int64_t count = c->evaluated_examples;
    fst_status status = take(c, 2 * count, c->trunk.width, &c->sentences);
    if (!status)
        status = take(c, count, 1, &c->cosines);
    if (!status)
        status = take(c, count, 1, &c->truths);
    return status ? status : take(c, count, 4, &c->ranks);
}

/* Views of images are made as `augment` says, or as SimCLR makes them of small ones. */
static fst_status open_batch(fst__contrastive *c, int64_t length)
{
    fst_augment_options augment = fst__augment_simclr(0.5);
    const fst_augment_options *asked = c->options.augment;
    fst_status status = FST_OK;
    if (asked) {
        augment = fst__augment_defaults();
        status = fst__options_overlay(&augment, sizeof augment, asked, "fst_augment_options");
    }
    c->options.augment = NULL; /* the caller's */
    if (!status)
        status = fst__embed_batch_open(&c->batch, c->train, c->options.chunk * c->views, length,
                                       &augment, "fst_contrastive_options.augment", &c->data_bytes);
    return status;
}

static fst_status take_arrays(fst__contrastive *c, int64_t length)
{
    fst__allocator *allocator = &c->context->allocator;
    int64_t rows = c->options.rows, at_once = c->options.chunk * c->views;
    c->indices = fst__alloc_array(allocator, (size_t)rows, sizeof *c->indices);
    c->data_bytes += rows * (int64_t)sizeof *c->indices;
    fst_status status = c->indices ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status)
        status = open_batch(c, length);
    if (!status)
        status = take(c, at_once, c->embedding.width, &c->rows);
    if (!status)
        status = take(c, rows * c->views, c->embedding.width, &c->z);
    if (!status)
        status = take(c, rows * c->views, c->embedding.width, &c->dz);
    if (!status)
        status = take_scratch(c);
    if (!status)
        status = fst__kept_buffers_open(&c->kept, c->steps.training.model);
    c->data_bytes += c->kept.count * (int64_t)sizeof *c->kept.data;
    if (!status && c->scored)
        status = take_evaluation(c);
    return status;
}

/* For the longest batch; shorter ones fit into the same memory. */
static fst_status reserve(fst__contrastive *c, int64_t length)
{
    fst_model *model = c->steps.training.model;
    int64_t rows = c->options.chunk * c->views, evaluation = 0, outputs;
    fst_status status = fst__model_reserve(model, rows, length, true, &c->activation_bytes);
    if (!status && c->validation)
        status = fst__model_reserve(model, rows, length, false, &evaluation);
    if (evaluation > c->activation_bytes)
        c->activation_bytes = evaluation;
    if (!status)
        status = fst__embedding_reserve(&c->embedding, rows, &outputs);
    if (!status)
        c->activation_bytes += outputs;
    return status;
}

static fst_status make(fst__contrastive *c, int64_t length)
{
    const fst_contrastive_options *o = &c->options;
    const fst__steps_options steps = fst__contrastive_steps(o);
    fst_status status = fst__steps_create(&c->steps, &fst__contrastive_work, &steps, o->rows,
                                          o->model, o->optimizer, "fst_contrastive_options");
    if (status)
        return status;
    c->train = fst__dataset_retain(o->train);
    c->validation = o->validation ? fst__dataset_retain(o->validation) : NULL;
    c->options.run = NULL; /* the caller's, as is head */
    c->options.head = NULL;
    status = take_arrays(c, length);
    return status ? status : reserve(c, length);
}

/* ---- checkpoints ---- */

/* Positions in the data mean something only over the same examples. */
static const fst__setting data_settings[] = {
    {"examples", offsetof(fst__examples, count), FST__SETTING_I64, 1},
    {"longest", offsetof(fst__examples, longest), FST__SETTING_I64, 1},
};

static const fst__setting step_settings[] = {
    {"rows", offsetof(fst_contrastive_options, rows), FST__SETTING_I64, 1},
    {"chunk", offsetof(fst_contrastive_options, chunk), FST__SETTING_I64, 1},
    {"shuffle", offsetof(fst_contrastive_options, shuffle), FST__SETTING_I32, 1},
    {"objective", offsetof(fst_contrastive_options, objective), FST__SETTING_I32, 1},
    {"views", offsetof(fst_contrastive_options, views), FST__SETTING_I32, 1},
    {"temperature", offsetof(fst_contrastive_options, temperature), FST__SETTING_F64, 0},
    {"hard_negative_logit", offsetof(fst_contrastive_options, hard_negative_logit),
     FST__SETTING_F64, 0},
};

static const fst__setting pooling_settings[] = {
    {"pooling", offsetof(fst_contrastive_options, pooling), FST__SETTING_I32, 1},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void visit(fst_run *run, fst__visitor *visitor)
{
    fst__contrastive *c = fst__contrastive_of(run);
    const fst__head *head = c->embedding.head;
    fst__visit_setting_text(visitor, "contrastive.head", head ? head->name : "", 1);
    if (c->batch.augmenter) {
        char text[32];
        snprintf(text, sizeof text, "%016" PRIx64, fst__augmenter_checksum(c->batch.augmenter));
        fst__visit_setting_text(visitor, "contrastive.augment", text, 1);
    }
    fst__visit_settings(visitor, "data", data_settings, COUNT(data_settings),
                        c->train->documents->examples);
    fst__visit_settings(visitor, "contrastive", step_settings, COUNT(step_settings), &c->options);
    if (!head)
        fst__visit_settings(visitor, "contrastive", pooling_settings, COUNT(pooling_settings),
                            &c->options);
    fst__steps_visit(&c->steps, "contrastive", visitor);
}

static void memory(const fst_run *run, fst_memory *memory)
{
    const fst__contrastive *c = fst__contrastive_of(run);
    fst__training_memory(&c->steps.training, memory);
    memory->activations = c->activation_bytes;
    memory->data = c->data_bytes;
}

static const fst__stage stage = {
    .name = "contrastive",
    .metrics = metrics,
    .metric_count = COUNT(metrics),
    .advance = fst__steps_advance,
    .evaluate = fst__contrastive_evaluate,
    .visit = visit,
    .restored = fst__steps_restored,
    .roll_back = fst__steps_roll_back,
    .micro_step = fst__steps_micro_step,
    .micro_steps = fst__steps_micro_steps,
    .memory = memory,
    .destroy = destroy,
};

fst_status fst__contrastive_create(const fst_contrastive_options *options,
                                   const fst_run_options *run_options, fst_run **out)
{
    fst__contrastive checked = {0}, *c;
    int64_t length;
    fst_status status = fst__contrastive_check(options, run_options, &checked, &length);
    if (status)
        return status;
    fst_context *context = options->model->context;
    c = fst__alloc(&context->allocator, sizeof *c);
    if (!c)
        return FST_ERR_NO_MEMORY;
    *c = checked;
    c->context = context;
    c->found.struct_size = sizeof c->found;
    status = make(c, length);
    if (status) {
        destroy(c);
        return status;
    }
    return fst__run_create(context, &stage, c, c->validation != NULL, run_options, out);
}
