#include "stages/scoring/texts.h"

#include "base/checked.h"
#include "base/error.h"
#include "tokenizer/tokenizer.h"

#include <inttypes.h>

static fst_status measure(const fst_tokenizer *tokenizer, const char *name,
                          const int32_t *const *ids, const int64_t *lengths, int64_t count,
                          size_t *total)
{
    *total = 0;
    for (int64_t i = 0; i < count; ++i) {
        size_t wrong, length = (size_t)lengths[i];
        size_t bytes = fst__tokenizer_decode_length(tokenizer, ids[i], length, true, &wrong);
        if (wrong < length)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_reward_batch.%s[%" PRId64 "]: id %zu is %d, which is no token",
                             name, i, wrong, (int)ids[i][wrong]);
        if (!fst__add_size(*total, bytes + 1, total))
            return fst__fail(FST_ERR_NO_MEMORY, "out of memory: texts of a batch");
    }
    return FST_OK;
}

static fst_status reserve(fst__made_texts *made, fst__allocator *allocator, size_t bytes,
                          int64_t count)
{
    if (made->byte_capacity < bytes) {
        fst__free(allocator, made->bytes);
        made->byte_capacity = 0;
        made->bytes = fst__alloc(allocator, bytes);
        if (!made->bytes)
            return FST_ERR_NO_MEMORY;
        made->byte_capacity = bytes;
    }
    if (made->capacity < count) {
        fst__free(allocator, (void *)made->texts);
        made->capacity = 0;
        made->texts = fst__alloc_array(allocator, (size_t)count, sizeof *made->texts);
        if (!made->texts)
            return FST_ERR_NO_MEMORY;
        made->capacity = count;
    }
    return FST_OK;
}

fst_status fst__made_texts_decode(fst__made_texts *made, fst__allocator *allocator,
                                  const fst_tokenizer *tokenizer, const char *name,
                                  const int32_t *const *ids, const int64_t *lengths, int64_t count,
                                  const char *const **texts)
{
    size_t total, wrong;
    fst_status status = measure(tokenizer, name, ids, lengths, count, &total);
    if (!status)
        status = reserve(made, allocator, total, count);
    char *at = made->bytes;
    for (int64_t i = 0; !status && i < count; ++i) {
        size_t length = (size_t)lengths[i];
        size_t bytes = fst__tokenizer_decode_length(tokenizer, ids[i], length, true, &wrong);
        fst__tokenizer_decode(tokenizer, ids[i], length, true, at);
        at[bytes] = '\0';
        made->texts[i] = at;
        at += bytes + 1;
    }
    if (!status)
        *texts = made->texts;
    return status;
}

void fst__made_texts_destroy(fst__made_texts *made, fst__allocator *allocator)
{
    fst__free(allocator, (void *)made->texts);
    fst__free(allocator, made->bytes);
    *made = (fst__made_texts){0};
}
