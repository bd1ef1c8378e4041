#include "data/words.h"

#include "api/check.h"
#include "base/options.h"
#include "data/examples.h"

fst_status fst_word_options_init(fst_word_options *options, size_t size)
{
    const fst_word_options defaults = fst__word_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_word_options");
}

/* What both constructors share. */
static fst_status prepare(const char *function, const fst_context *context,
                          const fst_tokenizer *tokenizer, const void *inputs, const char *inputs_name,
                          int64_t count, fst_dataset *const *dataset,
                          const fst_word_options *options, fst_word_options *ours)
{
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(tokenizer, function, "tokenizer");
    if (!status)
        status = fst__check_pointer(inputs, function, inputs_name);
    if (!status)
        status = fst__check_pointer(dataset, function, "dataset");
    if (!status && count < 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: the count is %lld, expected at least 1",
                           function, (long long)count);
    *ours = fst__word_defaults();
    return status ? status : fst__options_overlay(ours, sizeof *ours, options, "fst_word_options");
}

fst_status fst_dataset_from_words(fst_context *context, const fst_tokenizer *tokenizer,
                                  const char *const *words, const char *const *tags,
                                  const int64_t *offsets, int64_t sentences,
                                  const fst_word_options *options, fst_dataset **dataset)
{
    static const char function[] = "fst_dataset_from_words";
    fst_word_options ours;
    fst_status status =
        prepare(function, context, tokenizer, words, "words", sentences, dataset, options, &ours);
    if (!status)
        status = fst__check_pointer(offsets, function, "offsets");
    return status ? status
                  : fst__dataset_from_words(context, tokenizer, words, tags, offsets, sentences, &ours,
                                            dataset);
}

fst_status fst_dataset_load_conll(fst_context *context, const fst_tokenizer *tokenizer,
                                  const char *const *paths, int64_t count,
                                  const fst_word_options *options, fst_dataset **dataset)
{
    fst_word_options ours;
    fst_status status = prepare("fst_dataset_load_conll", context, tokenizer, paths, "paths", count,
                                dataset, options, &ours);
    return status ? status
                  : fst__dataset_load_conll(context, tokenizer, paths, count, &ours, dataset);
}

static fst_status check_dataset(const fst_dataset *dataset, const char *function)
{
    fst_status status = fst__check_pointer(dataset, function, "dataset");
    return status ? status : fst__words_check(dataset, function);
}

static fst_status check_index(const char *function, int64_t index, int64_t count)
{
    if (index >= 0 && index < count)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: index is %lld, expected 0 … %lld", function,
                     (long long)index, (long long)count - 1);
}

fst_status fst_dataset_get_words_info(const fst_dataset *dataset, fst_words_info *info, size_t size)
{
    fst_words_info ours;
    fst_status status = check_dataset(dataset, "fst_dataset_get_words_info");
    if (!status)
        status = fst__options_check(info, size, "fst_words_info");
    if (status)
        return status;
    fst__words_info(dataset, &ours);
    return fst__options_init(info, size, &ours, sizeof ours, "fst_words_info");
}

fst_status fst_dataset_get_tag(const fst_dataset *dataset, int64_t index, const char **name)
{
    static const char function[] = "fst_dataset_get_tag";
    fst_status status = check_dataset(dataset, function);
    if (!status)
        status = fst__check_pointer(name, function, "name");
    if (!status)
        status = check_index(function, index, dataset->documents->tokens->words->names.count);
    if (!status)
        *name = fst__strings_get(&dataset->documents->tokens->words->names, index);
    return status;
}

fst_status fst_dataset_get_word(const fst_dataset *dataset, int64_t index, fst_word *word,
                                size_t size)
{
    static const char function[] = "fst_dataset_get_word";
    fst_status status = check_dataset(dataset, function);
    if (!status)
        status = check_index(function, index, dataset->documents->tokens->words->words.count);
    if (!status)
        status = fst__options_check(word, size, "fst_word");
    if (status)
        return status;
    const fst__words *words = dataset->documents->tokens->words;
    const fst_word ours = {
        .struct_size = sizeof ours,
        .text = fst__strings_get(&words->words, index),
        .sentence = words->sentence_of[index],
        .tag = words->tags[index],
    };
    return fst__options_init(word, size, &ours, sizeof ours, "fst_word");
}

fst_status fst_dataset_get_word_example(const fst_dataset *dataset, int64_t index,
                                        fst_word_example *example, size_t size)
{
    static const char function[] = "fst_dataset_get_word_example";
    fst_word_example ours;
    fst_status status = check_dataset(dataset, function);
    if (!status)
        status = check_index(function, index, dataset->documents->examples->count);
    if (!status)
        status = fst__options_check(example, size, "fst_word_example");
    if (status)
        return status;
    fst__words_example(dataset, index, &ours);
    return fst__options_init(example, size, &ours, sizeof ours, "fst_word_example");
}
