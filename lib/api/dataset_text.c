#include "base/error.h"
#include "base/options.h"
#include "data/dataset.h"

fst_status fst_dataset_text_options_init(fst_dataset_text_options *options, size_t size)
{
    const fst_dataset_text_options defaults = fst__dataset_text_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_dataset_text_options");
}

static fst_status check(const char *function, const fst_context *context,
                        const fst_tokenizer *tokenizer, const void *inputs, int64_t count,
                        fst_dataset **dataset)
{
    if (!context || !tokenizer || !inputs || !dataset)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: %s is NULL", function,
                         !context     ? "context"
                         : !tokenizer ? "tokenizer"
                         : !inputs    ? "the array of inputs"
                                      : "dataset");
    if (count < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: count is %lld, expected at least 1",
                         function, (long long)count);
    return FST_OK;
}

static fst_status overlay(fst_dataset_text_options *ours, const fst_dataset_text_options *options)
{
    *ours = fst__dataset_text_defaults();
    return fst__options_overlay(ours, sizeof *ours, options, "fst_dataset_text_options");
}

fst_status fst_dataset_from_text_files(fst_context *context, const fst_tokenizer *tokenizer,
                                       const char *const *paths, int64_t count,
                                       const fst_dataset_text_options *options,
                                       fst_dataset **dataset)
{
    fst_dataset_text_options ours;
    fst_status status =
        check("fst_dataset_from_text_files", context, tokenizer, paths, count, dataset);
    if (!status)
        status = overlay(&ours, options);
    if (!status)
        status = fst__dataset_from_text_files(context, tokenizer, paths, count, &ours, dataset);
    return status;
}

fst_status fst_dataset_from_jsonl_files(fst_context *context, const fst_tokenizer *tokenizer,
                                        const char *const *paths, int64_t count,
                                        const fst_dataset_text_options *options,
                                        fst_dataset **dataset)
{
    fst_dataset_text_options ours;
    fst_status status =
        check("fst_dataset_from_jsonl_files", context, tokenizer, paths, count, dataset);
    if (!status)
        status = overlay(&ours, options);
    if (!status)
        status = fst__dataset_from_jsonl_files(context, tokenizer, paths, count, &ours, dataset);
    return status;
}

fst_status fst_dataset_from_texts(fst_context *context, const fst_tokenizer *tokenizer,
                                  const char *const *texts, const size_t *lengths, int64_t count,
                                  const fst_dataset_text_options *options, fst_dataset **dataset)
{
    fst_dataset_text_options ours;
    fst_status status = check("fst_dataset_from_texts", context, tokenizer, texts, count, dataset);
    if (!status)
        status = overlay(&ours, options);
    if (!status)
        status = fst__dataset_from_texts(context, tokenizer, texts, lengths, count, &ours, dataset);
    return status;
}
