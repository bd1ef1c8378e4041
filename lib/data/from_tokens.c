/* A dataset over ids that the caller has. */
#include "base/error.h"
#include "data/dataset.h"

#include <string.h>

fst_dataset_token_options fst__dataset_token_defaults(void)
{
    return (fst_dataset_token_options){.struct_size = sizeof(fst_dataset_token_options)};
}

static size_t element_size(int32_t type)
{
    return type == FST_TOKENS_U16 ? 2 : type == FST_TOKENS_I64 ? 8 : 4;
}

static fst_status bad_id(int64_t index, int64_t id, int64_t limit)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "ids[%lld] is %lld, expected 0 ≤ id < %lld",
                     (long long)index, (long long)id, (long long)limit);
}

/* One loop for each type: this reads every id. */
static fst_status check_ids(const void *ids, int64_t count, int32_t type, int64_t limit)
{
    if (type == FST_TOKENS_U16) {
        const uint16_t *u16 = ids;
        for (int64_t i = 0; i < count; ++i)
            if (u16[i] >= limit)
                return bad_id(i, u16[i], limit);
    } else if (type == FST_TOKENS_I64) {
        const int64_t *i64 = ids;
        for (int64_t i = 0; i < count; ++i)
            if (i64[i] < 0 || i64[i] >= limit)
                return bad_id(i, i64[i], limit);
    } else {
        const int32_t *i32 = ids;
        for (int64_t i = 0; i < count; ++i)
            if (i32[i] < 0 || i32[i] >= limit)
                return bad_id(i, i32[i], limit);
    }
    return FST_OK;
}

static fst_status check_offsets(const int64_t *offsets, int64_t documents, int64_t count)
{
    if (documents < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "documents is %lld, expected at least 1",
                         (long long)documents);
    if (offsets[0] != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "offsets[0] is %lld, expected 0",
                         (long long)offsets[0]);
    for (int64_t d = 0; d < documents; ++d) {
        if (offsets[d + 1] < offsets[d] || offsets[d + 1] > count)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "offsets[%lld] is %lld, expected %lld … %lld", (long long)d + 1,
                             (long long)offsets[d + 1], (long long)offsets[d], (long long)count);
    }
    if (offsets[documents] != count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "offsets[%lld] is %lld, expected the count of ids, %lld",
                         (long long)documents, (long long)offsets[documents], (long long)count);
    return FST_OK;
}

static fst_status check_options(const fst_dataset_token_options *options, const void *ids,
                                int64_t count)
{
    if (options->type < FST_TOKENS_I32 || options->type > FST_TOKENS_I64)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "type %d is none of the FST_TOKENS_ values",
                         options->type);
    if (options->copy != 0 && options->copy != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "copy is %d, expected 0 or 1", options->copy);
    if (options->vocabulary_size < 0 || options->vocabulary_size > (int64_t)INT32_MAX + 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "vocabulary_size is %lld, expected 0 … 2^31",
                         (long long)options->vocabulary_size);
    if (options->token_bytes && options->vocabulary_size == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "token_bytes needs vocabulary_size");
    if ((uintptr_t)ids % element_size(options->type) != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "ids is not aligned to %zu bytes",
                         element_size(options->type));
    for (int64_t i = 0; options->token_bytes && i < options->vocabulary_size; ++i) {
        if (options->token_bytes[i] < 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "token_bytes[%lld] is %d, expected ≥ 0",
                             (long long)i, options->token_bytes[i]);
    }
    for (int64_t i = 0; options->word_continues && i < count; ++i) {
        if (options->word_continues[i] > 1)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "word_continues[%lld] is %d, expected 0 or 1",
                             (long long)i, options->word_continues[i]);
    }
    return FST_OK;
}

static fst_status copy(fst__allocator *allocator, const void *from, size_t count, size_t size,
                       void **to)
{
    *to = fst__alloc_array(allocator, count, size);
    if (!*to)
        return FST_ERR_NO_MEMORY;
    memcpy(*to, from, count * size);
    return FST_OK;
}

/* Copies what is to be ours. */
static fst_status own(fst__allocator *allocator, fst__tokens *tokens,
                      const fst_dataset_token_options *options)
{
    size_t count = (size_t)tokens->count;
    void *bytes = NULL, *continues = NULL;
    fst_status status = FST_OK;
    if (options->token_bytes)
        status = copy(allocator, options->token_bytes, (size_t)options->vocabulary_size,
                      sizeof(int32_t), &bytes);
    if (!status && options->word_continues)
        status = copy(allocator, options->word_continues, count, 1, &continues);
    if (!status && options->copy)
        status = copy(allocator, tokens->ids, count, element_size(options->type), &tokens->owned);
    if (status) {
        fst__free(allocator, continues);
        fst__free(allocator, bytes);
        return status;
    }
    tokens->token_bytes = bytes;
    tokens->vocabulary = bytes ? options->vocabulary_size : 0;
    tokens->continues = continues;
    if (tokens->owned)
        tokens->ids = tokens->owned;
    return FST_OK;
}

fst_status fst__dataset_from_tokens(fst_context *context, const void *ids, int64_t count,
                                    const int64_t *offsets, int64_t documents,
                                    const fst_dataset_token_options *options, fst_dataset **out)
{
    if (count < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "count is %lld, expected at least 1",
                         (long long)count);
    const int64_t whole[2] = {0, count};
    if (!offsets) {
        offsets = whole;
        documents = 1;
    }
    int64_t limit = options->vocabulary_size ? options->vocabulary_size : (int64_t)INT32_MAX + 1;
    fst_status status = check_options(options, ids, count);
    if (!status)
        status = check_offsets(offsets, documents, count);
    if (!status)
        status = check_ids(ids, count, options->type, limit);
    if (status)
        return status;
    fst__tokens tokens = {.ids = ids, .type = options->type, .count = count};
    if ((status = own(&context->allocator, &tokens, options)))
        return status;
    fst__documents *list;
    if ((status = fst__documents_create(context, &tokens, offsets, documents, &list)))
        return status;
    if ((status = fst__dataset_create(context, list, out)))
        return status;
    /* Only now: a call that fails leaves the ids to the caller. */
    list->tokens->release = options->release;
    list->tokens->release_user = options->release_user;
    return FST_OK;
}
