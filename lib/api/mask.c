#include "fourstage/masking.h"

#include "api/check.h"
#include "base/checked.h"
#include "base/options.h"
#include "data/mask.h"
#include "tokenizer/tokenizer.h"

#include <inttypes.h>

fst_status fst_mask_options_init(fst_mask_options *options, size_t size)
{
    const fst_mask_options defaults = fst__mask_defaults();
    return fst__options_init(options, size, &defaults, sizeof defaults, "fst_mask_options");
}

fst_status fst_tokenizer_token_flags(const fst_tokenizer *tokenizer, uint8_t *flags, size_t capacity,
                                     size_t *count)
{
    fst_status status = fst__check_pointer(tokenizer, "fst_tokenizer_token_flags", "tokenizer");
    if (!status)
        status = fst__check_pointer(count, "fst_tokenizer_token_flags", "count");
    if (!status && capacity)
        status = fst__check_pointer(flags, "fst_tokenizer_token_flags", "flags");
    if (status)
        return status;
    *count = (size_t)fst__tokenizer_vocabulary_size(tokenizer);
    if (*count > capacity)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL, "%zu ids, room for %zu", *count, capacity);
    fst__tokenizer_token_flags(tokenizer, flags);
    return FST_OK;
}

static fst_status check_pointers(const fst_context *context, const fst_mask_options *options,
                                 const int32_t *ids, const int32_t *masked, const int32_t *targets)
{
    const void *const pointers[] = {context, options, ids, masked, targets};
    static const char *const names[] = {"context", "options", "ids", "masked", "targets"};
    fst_status status = FST_OK;
    for (int i = 0; i < 5 && !status; ++i)
        status = fst__check_pointer(pointers[i], "fst_mask_tokens", names[i]);
    return status;
}

static fst_status check_batch(const fst_mask_options *options, const int32_t *ids, int64_t rows,
                              int64_t length, int64_t draw)
{
    int64_t count;
    if (rows < 1 || length < 1 || length > INT32_MAX || !fst__mul_i64(rows, length, &count))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_mask_tokens: rows is %" PRId64 ", length is %" PRId64
                         ", expected at least 1 and no overflow",
                         rows, length);
    if (draw < 0 || draw > FST__MASK_DRAWS - rows)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_mask_tokens: draw is %" PRId64 ", expected 0 ≤ draw + i < 2⁵⁶", draw);
    for (int64_t i = 0; i < count; ++i) {
        if (ids[i] < 0 || ids[i] >= options->vocabulary_size)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "ids[%" PRId64 "][%" PRId64 "] is %d, expected 0 ≤ id < %d", i / length,
                             i % length, ids[i], options->vocabulary_size);
    }
    for (int64_t i = 0; options->lengths && i < rows; ++i) {
        if (options->lengths[i] < 0 || options->lengths[i] > length)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "lengths[%" PRId64 "] is %d, expected 0 … %" PRId64, i,
                             options->lengths[i], length);
    }
    return FST_OK;
}

fst_status fst_mask_tokens(const fst_context *context, const fst_mask_options *options,
                           const int32_t *ids, int64_t rows, int64_t length, int64_t draw,
                           int32_t *masked, int32_t *targets)
{
    fst_mask_options ours = fst__mask_defaults();
    fst_status status = check_pointers(context, options, ids, masked, targets);
    if (!status)
        status = fst__options_overlay(&ours, sizeof ours, options, "fst_mask_options");
    if (!status)
        status = fst__mask_check(&ours, "fst_mask_options");
    if (!status)
        status = check_batch(&ours, ids, rows, length, draw);
    if (!status)
        fst__mask_rows(context, &ours, ids, rows, length, draw, masked, targets);
    return status;
}
