#include "base/error.h"
#include "base/options.h"
#include "data/examples.h"

fst_status fst_dataset_token_options_init(fst_dataset_token_options *options, size_t size)
{
    const fst_dataset_token_options defaults = fst__dataset_token_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults,
                             "fst_dataset_token_options");
}

fst_status fst_split_options_init(fst_split_options *options, size_t size)
{
    const fst_split_options defaults = fst__split_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_split_options");
}

fst_status fst_pack_options_init(fst_pack_options *options, size_t size)
{
    const fst_pack_options defaults = fst__pack_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_pack_options");
}

fst_status fst_dataset_from_tokens(fst_context *context, const void *ids, int64_t count,
                                   const int64_t *offsets, int64_t documents,
                                   const fst_dataset_token_options *options, fst_dataset **dataset)
{
    if (!context || !ids || !dataset)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_from_tokens: %s is NULL",
                         !context ? "context"
                         : !ids   ? "ids"
                                  : "dataset");
    fst_dataset_token_options ours = fst__dataset_token_defaults();
    fst_status status =
        fst__options_overlay(&ours, sizeof ours, options, "fst_dataset_token_options");
    if (status)
        return status;
    return fst__dataset_from_tokens(context, ids, count, offsets, documents, &ours, dataset);
}

void fst_dataset_destroy(fst_dataset *dataset)
{
    fst__dataset_destroy(dataset);
}

fst_status fst_dataset_split(const fst_dataset *dataset, const fst_split_options *options,
                             fst_dataset **train, fst_dataset **validation)
{
    if (!dataset || !train || !validation)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_split: %s is NULL",
                         !dataset ? "dataset"
                         : !train ? "train"
                                  : "validation");
    fst_split_options ours = fst__split_defaults();
    fst_status status = fst__options_overlay(&ours, sizeof ours, options, "fst_split_options");
    return status ? status : fst__dataset_split(dataset, &ours, train, validation);
}

fst_status fst_dataset_pack(const fst_dataset *dataset, const fst_pack_options *options,
                            fst_dataset **packed)
{
    if (!dataset || !packed)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_pack: %s is NULL",
                         !dataset ? "dataset" : "packed");
    fst_pack_options ours = fst__pack_defaults();
    if (dataset->documents->examples) { /* what alone goes with conversations */
        ours.mode = FST_PACK_BEST_FIT;
        ours.cross_documents = 0;
    }
    fst_status status = fst__options_overlay(&ours, sizeof ours, options, "fst_pack_options");
    return status ? status : fst__dataset_pack(dataset, &ours, packed);
}

static fst_status check_read(const char *name, const fst_dataset *packed, int64_t position,
                             int64_t rows, int32_t shuffle)
{
    if (!packed)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: packed is NULL", name);
    if (!packed->packed)
        return fst__fail(FST_ERR_STATE, "%s: the dataset has no rows; use fst_dataset_pack first",
                         name);
    if (position < 0 || rows < 1 || position > INT64_MAX - rows)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: position is %lld, rows is %lld; expected ≥ 0 and ≥ 1", name,
                         (long long)position, (long long)rows);
    if (shuffle != 0 && shuffle != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: shuffle is %d, expected 0 or 1", name,
                         shuffle);
    return FST_OK;
}

fst_status fst_dataset_read(const fst_dataset *packed, int64_t position, int64_t rows,
                            int32_t shuffle, int32_t *ids, int32_t *targets, int32_t *positions,
                            int32_t *documents)
{
    fst_status status = check_read("fst_dataset_read", packed, position, rows, shuffle);
    if (!status)
        fst__dataset_read(packed, position, rows, shuffle, ids, targets, positions, documents);
    return status;
}

fst_status fst_dataset_read_words(const fst_dataset *packed, int64_t position, int64_t rows,
                                  int32_t shuffle, int32_t *words)
{
    fst_status status = check_read("fst_dataset_read_words", packed, position, rows, shuffle);
    if (!status && !words)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_read_words: words is NULL");
    const fst__dataset_rows out = {.words = words};
    if (!status)
        fst__dataset_read_rows(packed, position, rows, shuffle, &out);
    return status;
}

fst_status fst_dataset_get_info(const fst_dataset *dataset, fst_dataset_info *info, size_t size)
{
    if (!dataset || !info)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_get_info: %s is NULL",
                         !dataset ? "dataset" : "info");
    const fst__documents *documents = dataset->documents;
    const fst_dataset_info ours = {
        .struct_size = sizeof ours,
        .documents = documents->count,
        .tokens = documents->starts[documents->count],
        .bytes = documents->bytes,
        .rows = dataset->rows,
        .length = dataset->packed ? dataset->pack.length : 0,
        .targets = dataset->targets,
        .target_bytes = dataset->target_bytes,
        .maximum_id = documents->maximum_id,
        .cross_documents = dataset->packed ? dataset->pack.cross_documents : 1,
    };
    return fst__options_init(info, size, &ours, sizeof ours, "fst_dataset_info");
}

fst_status fst_dataset_get_document(const fst_dataset *dataset, int64_t index, int32_t *ids,
                                    int64_t capacity, int64_t *count)
{
    if (!dataset || !count || (!ids && capacity > 0))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_dataset_get_document: %s is NULL",
                         !dataset ? "dataset"
                         : !count ? "count"
                                  : "ids");
    const fst__documents *documents = dataset->documents;
    if (documents->examples && documents->examples->images)
        return fst__examples_check(dataset, "fst_dataset_get_document");
    if (index < 0 || index >= documents->count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_dataset_get_document: index is %lld, expected 0 … %lld",
                         (long long)index, (long long)documents->count - 1);
    fst__document span = documents->spans[index];
    *count = span.end - span.begin;
    if (capacity < *count)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL,
                         "document %lld has %lld ids, the buffer takes %lld", (long long)index,
                         (long long)*count, (long long)capacity);
    fst__tokens_copy(documents->tokens, span.begin, *count, ids);
    return FST_OK;
}
