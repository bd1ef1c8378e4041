#include "base/error.h"
#include "base/options.h"
#include "data/examples.h"

#include <string.h>

fst_status fst_example_options_init(fst_example_options *options, size_t size)
{
    const fst_example_options defaults = fst__example_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_example_options");
}

typedef struct argument {
    const char *name;
    const void *pointer;
} argument;

/* Checks the pointers and the count that the constructors share, and overlays the options. */
static fst_status prepare(const char *function, const argument *arguments, size_t count,
                          int64_t inputs, const fst_example_options *options,
                          fst_example_options *ours)
{
    for (size_t i = 0; i < count; ++i) {
        if (!arguments[i].pointer)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: %s is NULL", function,
                             arguments[i].name);
    }
    if (inputs < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: the count is %lld, expected at least 1",
                         function, (long long)inputs);
    *ours = fst__example_defaults();
    return fst__options_overlay(ours, sizeof *ours, options, "fst_example_options");
}

fst_status fst_dataset_load_examples(fst_context *context, const fst_tokenizer *tokenizer,
                                     const char *const *paths, int64_t count,
                                     const fst_example_options *options, fst_dataset **dataset)
{
    const argument arguments[] = {
        {"context", context}, {"tokenizer", tokenizer}, {"paths", paths}, {"dataset", dataset}};
    fst_example_options ours;
    fst_status status = prepare("fst_dataset_load_examples", arguments,
                                sizeof arguments / sizeof *arguments, count, options, &ours);
    return status ? status
                  : fst__dataset_load_examples(context, tokenizer, paths, count, &ours, dataset);
}

fst_status fst_dataset_from_conversations(fst_context *context, const fst_tokenizer *tokenizer,
                                          const char *const *roles, const char *const *contents,
                                          const int64_t *offsets, int64_t conversations,
                                          const fst_example_options *options, fst_dataset **dataset)
{
    const argument arguments[] = {{"context", context}, {"tokenizer", tokenizer},
                                  {"roles", roles},     {"contents", contents},
                                  {"offsets", offsets}, {"dataset", dataset}};
    fst_example_options ours;
    fst_status status =
        prepare("fst_dataset_from_conversations", arguments, sizeof arguments / sizeof *arguments,
                conversations, options, &ours);
    return status ? status
                  : fst__dataset_from_conversations(context, tokenizer, roles, contents, offsets,
                                                    conversations, &ours, dataset);
}

fst_status fst_dataset_from_labelled(fst_context *context, const fst_tokenizer *tokenizer,
                                     const char *const *texts, const char *const *pairs,
                                     const float *labels, int64_t examples,
                                     const fst_example_options *options, fst_dataset **dataset)
{
    const argument arguments[] = {{"context", context},
                                  {"tokenizer", tokenizer},
                                  {"texts", texts},
                                  {"labels", labels},
                                  {"dataset", dataset}};
    fst_example_options ours;
    fst_status status = prepare("fst_dataset_from_labelled", arguments,
                                sizeof arguments / sizeof *arguments, examples, options, &ours);
    return status ? status
                  : fst__dataset_from_labelled(context, tokenizer, texts, pairs, labels, examples,
                                               &ours, dataset);
}

fst_status fst_dataset_from_preferences(fst_context *context, const fst_tokenizer *tokenizer,
                                        const char *const *prompts, const char *const *answers,
                                        const int64_t *offsets, const float *margins,
                                        int64_t examples, const fst_example_options *options,
                                        fst_dataset **dataset)
{
    const argument arguments[] = {{"context", context}, {"tokenizer", tokenizer},
                                  {"prompts", prompts}, {"answers", answers},
                                  {"offsets", offsets}, {"dataset", dataset}};
    fst_example_options ours;
    fst_status status = prepare("fst_dataset_from_preferences", arguments,
                                sizeof arguments / sizeof *arguments, examples, options, &ours);
    return status ? status
                  : fst__dataset_from_preferences(context, tokenizer, prompts, answers, offsets,
                                                  margins, examples, &ours, dataset);
}

fst_status fst_dataset_from_pairs(fst_context *context, const fst_tokenizer *tokenizer,
                                  const char *const *anchors, const char *const *positives,
                                  const char *const *negatives, const float *labels,
                                  int64_t examples, const fst_example_options *options,
                                  fst_dataset **dataset)
{
    const argument arguments[] = {{"context", context},
                                  {"tokenizer", tokenizer},
                                  {"anchors", anchors},
                                  {"positives", positives},
                                  {"dataset", dataset}};
    fst_example_options ours;
    fst_status status = prepare("fst_dataset_from_pairs", arguments,
                                sizeof arguments / sizeof *arguments, examples, options, &ours);
    return status ? status
                  : fst__dataset_from_pairs(context, tokenizer, anchors, positives, negatives,
                                            labels, examples, &ours, dataset);
}

fst_status fst_dataset_from_prompts(fst_context *context, const fst_tokenizer *tokenizer,
                                    const char *const *texts, int64_t count,
                                    const fst_example_options *options, fst_dataset **dataset)
{
    const argument arguments[] = {
        {"context", context}, {"tokenizer", tokenizer}, {"texts", texts}, {"dataset", dataset}};
    fst_example_options ours;
    fst_status status = prepare("fst_dataset_from_prompts", arguments,
                                sizeof arguments / sizeof *arguments, count, options, &ours);
    return status ? status
                  : fst__dataset_from_prompts(context, tokenizer, texts, count, &ours, dataset);
}

fst_status fst_dataset_get_examples_info(const fst_dataset *dataset, fst_examples_info *info,
                                         size_t size)
{
    if (!dataset || !info)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_get_examples_info: %s is NULL",
                         !dataset ? "dataset" : "info");
    const fst__documents *documents = dataset->documents;
    const fst__examples *examples = documents->examples;
    if (!examples)
        return fst__examples_check(dataset, "fst_dataset_get_examples_info");
    const fst_examples_info ours = {
        .struct_size = sizeof ours,
        .kind = examples->kind,
        .examples = examples->count,
        .sequences = documents->count,
        .tokens = documents->starts[documents->count],
        .trained_tokens = examples->trained_tokens,
        .longest = examples->longest,
        .label_count = examples->label_count,
        .dropped_too_long = examples->dropped.too_long,
        .cut = examples->dropped.cut,
        .dropped_useless = examples->dropped.useless,
        .maximum_answers = examples->maximum_answers,
    };
    return fst__options_init(info, size, &ours, sizeof ours, "fst_examples_info");
}

fst_status fst_dataset_get_example(const fst_dataset *dataset, int64_t index, int64_t sequence,
                                   fst_example *example, size_t size)
{
    if (!dataset || !example)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_get_example: %s is NULL",
                         !dataset ? "dataset" : "example");
    fst_status status = fst__examples_check(dataset, "fst_dataset_get_example");
    if (status)
        return status;
    const fst__examples *examples = dataset->documents->examples;
    if (index < 0 || index >= examples->count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_dataset_get_example: index is %lld, expected 0 … %lld",
                         (long long)index, (long long)examples->count - 1);
    int64_t sequences = examples->first[index + 1] - examples->first[index];
    if (sequence < 0 || sequence >= sequences)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_dataset_get_example: sequence is %lld, example %lld has %lld",
                         (long long)sequence, (long long)index, (long long)sequences);
    fst_example ours;
    fst__examples_get(dataset, index, sequence, &ours);
    return fst__options_init(example, size, &ours, sizeof ours, "fst_example");
}

fst_status fst_dataset_order(const fst_dataset *dataset, int64_t position, int64_t count,
                             int32_t shuffle, int64_t *indices)
{
    if (!dataset || !indices)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_order: %s is NULL",
                         !dataset ? "dataset" : "indices");
    if (position < 0 || count < 1 || position > INT64_MAX - count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_dataset_order: position is %lld, count is %lld; expected ≥ 0 and ≥ 1",
                         (long long)position, (long long)count);
    if (shuffle != 0 && shuffle != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_dataset_order: shuffle is %d, expected 0 or 1", shuffle);
    fst_status status = fst__examples_check_any(dataset, "fst_dataset_order");
    if (!status)
        fst__examples_order(dataset, position, count, shuffle, indices);
    return status;
}

static fst_status check_indices(const fst_dataset *dataset, const int64_t *indices, int64_t count,
                                const char *function)
{
    int64_t examples = dataset->documents->examples->count;
    if (count < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: count is %lld, expected at least 1", function,
                         (long long)count);
    for (int64_t i = 0; i < count; ++i) {
        if (indices[i] < 0 || indices[i] >= examples)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "%s: indices[%lld] is %lld, expected 0 … %lld", function, (long long)i,
                             (long long)indices[i], (long long)examples - 1);
    }
    return FST_OK;
}

fst_status fst_dataset_select(const fst_dataset *dataset, const int64_t *indices, int64_t count,
                              fst_dataset **selected)
{
    static const char function[] = "fst_dataset_select";
    if (!dataset || !indices || !selected)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: %s is NULL", function,
                         !dataset   ? "dataset"
                         : !indices ? "indices"
                                    : "selected");
    fst_status status = fst__examples_check_any(dataset, function);
    if (!status)
        status = check_indices(dataset, indices, count, function);
    return status ? status : fst__examples_select(dataset, indices, count, selected);
}

fst_status fst_dataset_read_labels(const fst_dataset *dataset, const int64_t *indices, int64_t count,
                                   float *labels)
{
    static const char function[] = "fst_dataset_read_labels";
    if (!dataset || !indices || !labels)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: %s is NULL", function,
                         !dataset   ? "dataset"
                         : !indices ? "indices"
                                    : "labels");
    fst_status status = fst__examples_check_any(dataset, function);
    if (status)
        return status;
    const fst__examples *examples = dataset->documents->examples;
    if (!examples->labels)
        return fst__fail(FST_ERR_STATE, "%s: the dataset has no labels", function);
    status = check_indices(dataset, indices, count, function);
    int64_t width = examples->label_count;
    for (int64_t i = 0; !status && i < count; ++i)
        memcpy(labels + i * width, examples->labels + indices[i] * width,
               (size_t)width * sizeof *labels);
    return status;
}

fst_status fst_dataset_collate(const fst_dataset *dataset, const int64_t *examples,
                               const int64_t *sequences, int64_t rows, int64_t length, int32_t *ids,
                               int32_t *targets, int32_t *lengths)
{
    if (!dataset || !examples)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_collate: %s is NULL",
                         !dataset ? "dataset" : "examples");
    if (rows < 1 || length < 1 || length > INT32_MAX)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_dataset_collate: rows is %lld, length is %lld; expected at least 1",
                         (long long)rows, (long long)length);
    fst_status status = fst__examples_check(dataset, "fst_dataset_collate");
    return status ? status
                  : fst__examples_collate(dataset, examples, sequences, rows, length, ids, targets,
                                          lengths);
}

fst_status fst_dataset_collate_types(const fst_dataset *dataset, const int64_t *examples,
                                     const int64_t *sequences, int64_t rows, int64_t length,
                                     int32_t *types)
{
    if (!dataset || !examples || !types)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_collate_types: %s is NULL",
                         !dataset ? "dataset" : !examples ? "examples" : "types");
    if (rows < 1 || length < 1 || length > INT32_MAX)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_dataset_collate_types: rows is %lld, length is %lld; expected at least 1",
                         (long long)rows, (long long)length);
    fst_status status = fst__examples_check(dataset, "fst_dataset_collate_types");
    return status ? status : fst__examples_types(dataset, examples, sequences, rows, length, types);
}
