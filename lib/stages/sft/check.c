/* What a labelled run asks of its options and of every label. */
#include "stages/sft/labelled.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>

static const char *const names[] = {"FST_SFT_AUTO", "FST_SFT_CROSS_ENTROPY", "FST_SFT_BINARY",
                                    "FST_SFT_MSE"};

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sft_options.%s: expected %s", field, expected);
}

static fst_status check_values(const fst_sft_options *o, int32_t objective, int64_t outputs)
{
    if (o->rows < 1 || o->rows > INT32_MAX)
        return bad("rows", "at least 1");
    if (o->evaluation_rows < 0)
        return bad("evaluation_rows", "at least 0");
    if (o->length < 0)
        return bad("length", "at least 0");
    if (o->shuffle != 0 && o->shuffle != 1)
        return bad("shuffle", "0 or 1");
    if (o->z_loss != 0)
        return bad("z_loss", "0 with labelled data");
    if (!(o->language_modelling >= 0 && isfinite(o->language_modelling)))
        return bad("language_modelling", "a finite value ≥ 0");
    if (o->language_modelling > 0 && !o->model->config.causal)
        return bad("language_modelling", "0 with an encoder, which sees the next token");
    if (!(o->threshold > 0 && o->threshold < 1))
        return bad("threshold", "a probability between 0 and 1");
    if (o->class_weights ? o->class_weight_count != outputs : o->class_weight_count != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sft_options.class_weight_count is %" PRId64 ", expected %" PRId64,
                         o->class_weight_count, o->class_weights ? outputs : 0);
    if (objective == FST_SFT_MSE && (o->class_weights || o->label_smoothing != 0))
        return bad(o->class_weights ? "class_weights" : "label_smoothing", "none with FST_SFT_MSE");
    const fst_label_loss_options loss = {.label_smoothing = o->label_smoothing,
                                         .class_weights = o->class_weights};
    fst_status status = fst__label_loss_check(&loss, outputs);
    return status ? fst__fail_in(status, "fst_sft_options") : FST_OK;
}

static fst_status check_label(double label, int32_t objective, int64_t outputs)
{
    if (isnan(label))
        return FST_OK;
    if (objective == FST_SFT_CROSS_ENTROPY &&
        !(label >= 0 && label < (double)outputs && label == floor(label)))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%g is no class of FST_SFT_CROSS_ENTROPY with %" PRId64
                         " outputs: expected a whole number from 0 to %" PRId64 ", or NaN",
                         label, outputs, outputs - 1);
    if (objective == FST_SFT_BINARY && label != 0 && label != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%g is no label of FST_SFT_BINARY: expected 0, 1 or NaN", label);
    return FST_OK;
}

static fst_status check_labels(const fst_dataset *dataset, const char *what, int32_t objective,
                               int64_t outputs)
{
    const fst__examples *examples = dataset->documents->examples;
    int64_t labels = examples->label_count, wanted = objective == FST_SFT_CROSS_ENTROPY ? 1 : outputs;
    if (labels != wanted)
        return fst__fail(FST_ERR_MISMATCH,
                         "%s has %" PRId64 " labels an example; %s and a head of %" PRId64
                         " outputs go with %" PRId64,
                         what, labels, names[objective], outputs, wanted);
    for (int64_t i = 0; i < examples->count * labels; ++i) {
        fst_status status = check_label((double)examples->labels[i], objective, outputs);
        if (status)
            return fst__fail_in(status, "%s, example %" PRId64 ", label %" PRId64, what, i / labels,
                                i % labels);
    }
    return FST_OK;
}

static fst_status check_kind(const fst_dataset *dataset, const char *what)
{
    int32_t kind = dataset->documents->examples->kind;
    if (kind == FST_EXAMPLES_LABELLED || kind == FST_EXAMPLES_IMAGES)
        return FST_OK;
    return fst__fail(FST_ERR_STATE, "%s is not labelled%s", what,
                     kind == FST_EXAMPLES_CONVERSATIONS ? "; conversations are packed, see fst_dataset_pack"
                                                        : "");
}

static fst_status check_data(const fst_sft_options *o, const fst_dataset *dataset, const char *what)
{
    fst_status status = fst__labelled_check_data(o->model, dataset, what);
    return status ? status : check_kind(dataset, what);
}

/* The longest sequence, or what the caller plans for, which must do. */
static fst_status find_length(const fst_sft_options *o, int64_t *length)
{
    int64_t longest = o->train->documents->examples->longest, product;
    if (o->validation && o->validation->documents->examples->longest > longest)
        longest = o->validation->documents->examples->longest;
    if (o->length > 0 && o->length < longest)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_sft_options.length is %" PRId64 ", the data has a sequence of %" PRId64
                         " ids",
                         o->length, longest);
    *length = o->length > 0 ? o->length : longest;
    if (longest == 0) /* images, of as many positions as the model makes of them */
        *length = 1;
    if (*length > o->model->config.context_length)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_sft_options.length is %" PRId64 ", the model's context_length is %d",
                         *length, (int)o->model->config.context_length);
    if (!fst__mul_i64(o->rows, o->accumulation, &product) ||
        !fst__mul_i64(product, *length, &product) || product > INT32_MAX)
        return bad("rows, accumulation", "a step of less than 2³¹ tokens");
    return FST_OK;
}

/* What goes with texts only, or with images only. */
static fst_status check_images(const fst_sft_options *o)
{
    if (!fst__is_images(o->train))
        return o->augment ? bad("augment", "NULL with texts") : FST_OK;
    if (o->train->documents->examples->label_count == 0)
        return fst__fail(FST_ERR_MISMATCH, "fst_sft_options.train has images without labels");
    if (o->length != 0)
        return bad("length", "0 with images");
    if (o->language_modelling != 0)
        return bad("language_modelling", "0 with images");
    return FST_OK;
}

fst_status fst__labelled_check(const fst_sft_options *o, const fst_run_options *run_options,
                               fst__head **head, int32_t *objective, int64_t *length)
{
    static const char train[] = "fst_sft_options.train";
    static const char validation[] = "fst_sft_options.validation";
    const fst__steps_options steps = fst__sft_steps(o);
    fst_status status = fst__labelled_find_head(o->model, o->head, "fst_sft_options.head", head);
    if (!status)
        status = check_data(o, o->train, train);
    if (!status && o->validation)
        status = check_data(o, o->validation, validation);
    if (status)
        return status;
    int64_t outputs = (*head)->options.outputs;
    status = check_images(o);
    if (status)
        return status;
    bool classes = o->train->documents->examples->label_count == 1 && outputs > 1;
    *objective = o->objective != FST_SFT_AUTO ? o->objective
                 : classes                    ? FST_SFT_CROSS_ENTROPY
                                              : FST_SFT_MSE;
    status = check_values(o, *objective, outputs);
    if (!status)
        status = fst__steps_check(&steps, run_options, "fst_sft_options");
    if (!status)
        status = check_labels(o->train, train, *objective, outputs);
    if (!status && o->validation)
        status = check_labels(o->validation, validation, *objective, outputs);
    return status ? status : find_length(o, length);
}
