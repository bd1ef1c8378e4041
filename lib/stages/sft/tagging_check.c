/* What a tagging run asks of its options, its head and its data. */
#include "stages/sft/tagging.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <string.h>

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_sft_options.%s: expected %s", field, expected);
}

fst_status fst__tagging_find_head(fst_model *model, const char *name, const char *what,
                                  fst__head **head)
{
    if (!name)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: expected the name of a head, it is NULL; see fst_model_add_head", what);
    *head = fst__head_find(model, name);
    if (!*head)
        return fst__fail(FST_ERR_NOT_FOUND, "%s: the model has no head \"%s\"; see fst_model_add_head",
                         what, name);
    if ((*head)->options.kind != FST_HEAD_TOKEN)
        return fst__fail(FST_ERR_MISMATCH, "%s: \"%s\" is not an FST_HEAD_TOKEN head", what, name);
    return FST_OK;
}

static fst_status check_values(const fst_sft_options *o, int64_t classes)
{
    if (o->objective != FST_SFT_AUTO && o->objective != FST_SFT_CROSS_ENTROPY)
        return bad("objective", "FST_SFT_AUTO or FST_SFT_CROSS_ENTROPY with tags");
    if (o->rows < 1 || o->rows > INT32_MAX)
        return bad("rows", "at least 1");
    if (o->evaluation_rows < 0)
        return bad("evaluation_rows", "at least 0");
    if (o->length < 0)
        return bad("length", "at least 0");
    if (o->shuffle != 0 && o->shuffle != 1)
        return bad("shuffle", "0 or 1");
    if (o->z_loss != 0)
        return bad("z_loss", "0 with tags");
    if (o->language_modelling != 0)
        return bad("language_modelling", "0 with tags");
    if (o->augment)
        return bad("augment", "NULL with tags");
    if (o->tag_scheme < FST_TAGS_AUTO || o->tag_scheme > FST_TAGS_BILOU)
        return bad("tag_scheme", "an FST_TAGS_ value");
    if (o->class_weights ? o->class_weight_count != classes : o->class_weight_count != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_sft_options.class_weight_count is %" PRId64 ", expected %" PRId64,
                         o->class_weight_count, o->class_weights ? classes : 0);
    const fst_label_loss_options loss = {.label_smoothing = o->label_smoothing,
                                         .class_weights = o->class_weights};
    fst_status status = fst__label_loss_check(&loss, classes);
    return status ? fst__fail_in(status, "fst_sft_options") : FST_OK;
}

static fst_status check_data(const fst_sft_options *o, const fst_dataset *dataset, const char *what,
                             int64_t classes)
{
    fst_status status = fst__labelled_check_data(o->model, dataset, what);
    if (status)
        return status;
    if (dataset->documents->examples->kind != FST_EXAMPLES_TOKENS)
        return fst__fail(FST_ERR_STATE, "%s has no words with tags, train has", what);
    int64_t tags = fst__words_of(dataset)->names.count;
    if (tags != classes)
        return fst__fail(FST_ERR_MISMATCH, "%s has %" PRId64 " tags, the head %" PRId64 " outputs", what,
                         tags, classes);
    return FST_OK;
}

/* A class is the same tag in both. */
static fst_status check_same_tags(const fst_sft_options *o)
{
    const fst__strings *train = &fst__words_of(o->train)->names;
    const fst__strings *other = &fst__words_of(o->validation)->names;
    for (int64_t i = 0; i < train->count; ++i) {
        const char *expected = fst__strings_get(train, i), *found = fst__strings_get(other, i);
        if (strcmp(expected, found) != 0)
            return fst__fail(FST_ERR_MISMATCH,
                             "fst_sft_options.validation: tag %" PRId64 " is \"%s\", in train it is \"%s\"; "
                             "see fst_word_options.tags_of",
                             i, found, expected);
    }
    return FST_OK;
}

/* The longest sequence, or what the caller plans for, which must do. */
static fst_status find_length(const fst_sft_options *o, int64_t *length)
{
    int64_t longest = o->train->documents->examples->longest, product;
    if (o->validation && o->validation->documents->examples->longest > longest)
        longest = o->validation->documents->examples->longest;
    *length = o->length > 0 ? o->length : longest;
    if (*length < longest || *length > o->model->config.context_length)
        return fst__fail(FST_ERR_MISMATCH,
                         "fst_sft_options.length is %" PRId64 ", the data has a sequence of %" PRId64
                         " ids, the model's context_length is %d",
                         o->length, longest, (int)o->model->config.context_length);
    if (!fst__mul_i64(o->rows, o->accumulation, &product) ||
        !fst__mul_i64(product, *length, &product) || product > INT32_MAX)
        return bad("rows, accumulation", "a step of less than 2³¹ tokens");
    return FST_OK;
}

fst_status fst__tagging_check(const fst_sft_options *o, const fst_run_options *run_options,
                              fst__head **head, int64_t *length)
{
    const fst__steps_options steps = fst__sft_steps(o);
    fst_status status = fst__tagging_find_head(o->model, o->head, "fst_sft_options.head", head);
    if (status)
        return status;
    int64_t classes = (*head)->options.outputs;
    status = check_data(o, o->train, "fst_sft_options.train", classes);
    if (!status && o->validation)
        status = check_data(o, o->validation, "fst_sft_options.validation", classes);
    if (!status && o->validation)
        status = check_same_tags(o);
    if (!status)
        status = check_values(o, classes);
    if (!status)
        status = fst__steps_check(&steps, run_options, "fst_sft_options");
    if (!status && o->train->documents->examples->trained_tokens == 0)
        status = fst__fail(FST_ERR_MISMATCH, "fst_sft_options.train: no word has a tag");
    return status ? status : find_length(o, length);
}
