#include "stages/sft/sft.h"

#include "base/error.h"
#include "data/examples.h"
#include "stages/language/language.h"
#include "stages/sft/labelled.h"
#include "stages/sft/tagging.h"

#include <string.h>

fst_sft_options fst__sft_defaults(void)
{
    fst__steps_options steps = fst__steps_defaults();
    return (fst_sft_options){
        .struct_size = sizeof(fst_sft_options),
        .rows = 8,
        .accumulation = steps.accumulation,
        .objective = FST_SFT_AUTO,
        .shuffle = 1,
        .threshold = 0.5,
        .spike_warmup = steps.spike_warmup,
        .spike_patience = steps.spike_patience,
        .spike_rollbacks = steps.spike_rollbacks,
    };
}

fst__steps_options fst__sft_steps(const fst_sft_options *o)
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

/* ---- conversations ---- */

static void visit(fst_run *run, fst__visitor *visitor)
{
    fst__visit_setting_text(visitor, "sft.objective", "conversations", 1);
    fst__language_visit(run, visitor);
}

static const fst__stage conversations = {
    .name = "sft",
    .metrics = fst__language_metrics,
    .metric_count = FST__LANGUAGE_METRICS,
    .advance = fst__steps_advance,
    .evaluate = fst__language_evaluate,
    .visit = visit,
    .restored = fst__steps_restored,
    .roll_back = fst__steps_roll_back,
    .micro_step = fst__steps_micro_step,
    .micro_steps = fst__steps_micro_steps,
    .memory = fst__language_memory,
    .destroy = fst__language_destroy,
};

static bool are(const fst_dataset *dataset, int32_t kind)
{
    const fst__examples *examples = dataset->documents->examples;
    return examples && examples->kind == kind;
}

/* What belongs to labelled data only. */
static fst_status check_conversations(const fst_sft_options *o)
{
    const char *field = o->head                                  ? "head"
                        : o->objective != FST_SFT_AUTO           ? "objective"
                        : o->length != 0                         ? "length"
                        : o->language_modelling != 0             ? "language_modelling"
                        : o->augment                             ? "augment"
                        : o->class_weights || o->class_weight_count ? "class_weights"
                                                                 : NULL;
    if (field)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sft_options.%s goes with labelled data, train holds conversations",
                         field);
    if (o->validation && !are(o->validation, FST_EXAMPLES_CONVERSATIONS))
        return fst__fail(FST_ERR_STATE,
                         "fst_sft_options.validation holds no conversations, train does");
    return FST_OK;
}

static fst_status create_conversations(const fst_sft_options *o, const fst_run_options *run_options,
                                       fst_run **out)
{
    const fst__language_options options = {
        .name = "fst_sft_options",
        .model = o->model,
        .optimizer = o->optimizer,
        .train = o->train,
        .validation = o->validation,
        .rows = o->rows,
        .evaluation_rows = o->evaluation_rows,
        .shuffle = o->shuffle,
        .label_smoothing = o->label_smoothing,
        .z_loss = o->z_loss,
        .steps = fst__sft_steps(o),
    };
    fst_status status = check_conversations(o);
    return status ? status : fst__language_create(&conversations, &options, run_options, out);
}

/* ---- both ---- */

fst_status fst__sft_create(const fst_sft_options *options, const fst_run_options *run_options,
                           fst_run **out)
{
    if (!options->model || !options->train)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sft_options.%s: expected a handle, it is NULL",
                         options->model ? "train" : "model");
    if (options->objective < FST_SFT_AUTO || options->objective > FST_SFT_MSE)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sft_options.objective: expected an FST_SFT_ value");
    if (!options->train->documents->examples)
        return fst__fail(FST_ERR_STATE,
                         "fst_sft_options.train holds plain documents; fst_pretrain_create trains on "
                         "these, conversations and labelled texts are in examples.h");
    if (options->reserved2 != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sft_options.reserved2: expected 0");
    if (are(options->train, FST_EXAMPLES_TOKENS))
        return fst__tagging_create(options, run_options, out);
    if (options->tag_scheme != FST_TAGS_AUTO)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sft_options.tag_scheme goes with words with tags, train has none");
    return are(options->train, FST_EXAMPLES_CONVERSATIONS)
               ? create_conversations(options, run_options, out)
               : fst__labelled_create(options, run_options, out);
}

/* The run's own counts; NULL in *counts: not evaluated yet. */
static fst_status find_confusion(const fst_run *run, const int64_t **counts, int64_t *count)
{
    if (run->stage == &fst__tagging_stage) {
        const fst__tagging *tagging = fst__tagging_of(run);
        *count = tagging->classes * tagging->classes;
        *counts = tagging->evaluated ? tagging->confusion : NULL;
        return FST_OK;
    }
    if (run->stage != &fst__labelled_stage)
        return fst__fail(FST_ERR_STATE, "fst_sft_confusion: the run has no labels to count");
    const fst__labelled *labelled = fst__labelled_of(run);
    *count = fst__labelled_confusion_count(labelled);
    if (*count == 0)
        return fst__fail(FST_ERR_STATE, "fst_sft_confusion: the labels are numbers, see the metrics");
    *counts = labelled->evaluated ? labelled->confusion : NULL;
    return FST_OK;
}

fst_status fst__sft_confusion(const fst_run *run, int64_t *counts, int64_t capacity, int64_t *count)
{
    const int64_t *found = NULL;
    int64_t needed = 0;
    fst_status status = find_confusion(run, &found, &needed);
    if (status)
        return status;
    if (!found)
        return fst__fail(FST_ERR_STATE, "fst_sft_confusion: the run was not evaluated yet");
    *count = needed;
    if (capacity < needed)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL,
                         "fst_sft_confusion: capacity is %lld, there are %lld counts",
                         (long long)capacity, (long long)needed);
    memcpy(counts, found, (size_t)needed * sizeof *counts);
    return FST_OK;
}
