#include "base/error.h"
#include "base/options.h"
#include "data/chat.h"

#include <string.h>

fst_status fst_chat_template_init(fst_chat_template *chat, size_t size)
{
    const fst_chat_template defaults = fst__chat_defaults();
    return fst__options_init(chat, size, &defaults, sizeof defaults, "fst_chat_template");
}

fst_status fst_chat_template_preset(int32_t kind, fst_chat_template *chat, size_t size)
{
    fst_chat_template preset;
    fst_status status = fst__chat_preset(&preset, kind);
    return status ? status
                  : fst__options_init(chat, size, &preset, sizeof preset, "fst_chat_template");
}

static fst_status check(const fst_tokenizer *tokenizer, const char *const *roles,
                        const char *const *contents, int64_t messages, int32_t generation,
                        const int32_t *ids, int64_t capacity, const int64_t *count)
{
    if (!tokenizer || !roles || !contents || !count || (!ids && capacity > 0))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_chat_encode: %s is NULL",
                         !tokenizer  ? "tokenizer"
                         : !roles    ? "roles"
                         : !contents ? "contents"
                         : !count    ? "count"
                                     : "ids");
    if (messages < 1 || capacity < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_chat_encode: messages is %lld, capacity is %lld; expected at least 1 "
                         "and 0",
                         (long long)messages, (long long)capacity);
    if (generation != 0 && generation != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_chat_encode: add_generation_prompt is %d, expected 0 or 1",
                         generation);
    for (int64_t i = 0; i < messages; ++i) {
        if (!roles[i] || !contents[i])
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_chat_encode: %s[%lld] is NULL",
                             !roles[i] ? "roles" : "contents", (long long)i);
    }
    return FST_OK;
}

static fst_status encode(const fst_tokenizer *tokenizer, const fst_chat_template *options,
                         const fst__message *messages, int64_t count, bool generation,
                         fst__trained_ids *out)
{
    fst__chat chat;
    fst__rendering rendering;
    fst__rendering_open(&rendering, fst__tokenizer_allocator(tokenizer));
    fst_status status = fst__chat_open(&chat, tokenizer, options);
    if (!status)
        status = fst__chat_encode(&chat, &rendering, messages, count, generation, NULL, out);
    fst__chat_close(&chat);
    fst__rendering_close(&rendering);
    return status;
}

static fst_status give(const fst__trained_ids *from, int32_t *ids, uint8_t *trained,
                       int64_t capacity, int64_t *count)
{
    *count = from->count;
    if (from->count > capacity)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL, "%lld ids, room for %lld",
                         (long long)from->count, (long long)capacity);
    if (from->count > 0) {
        memcpy(ids, from->ids, (size_t)from->count * sizeof *ids);
        if (trained)
            memcpy(trained, from->trained, (size_t)from->count);
    }
    return FST_OK;
}

fst_status fst_chat_encode(const fst_tokenizer *tokenizer, const fst_chat_template *chat,
                           const char *const *roles, const char *const *contents, int64_t messages,
                           int32_t add_generation_prompt, int32_t *ids, uint8_t *trained,
                           int64_t capacity, int64_t *count)
{
    fst_status status =
        check(tokenizer, roles, contents, messages, add_generation_prompt, ids, capacity, count);
    if (status)
        return status;
    fst__allocator *allocator = fst__tokenizer_allocator(tokenizer);
    fst__trained_ids out = {.allocator = allocator};
    fst__message *list = fst__alloc_array(allocator, (size_t)messages, sizeof *list);
    if (!list)
        return FST_ERR_NO_MEMORY;
    for (int64_t i = 0; i < messages && !status; ++i) {
        list[i] = (fst__message){.content = contents[i], .length = strlen(contents[i])};
        status = fst__role_parse(roles[i], &list[i].role);
        if (status)
            status = fst__fail_in(status, "message %lld", (long long)i);
        list[i].trained = list[i].role == FST__ROLE_ASSISTANT;
    }
    if (!status)
        status = encode(tokenizer, chat, list, messages, add_generation_prompt, &out);
    if (!status)
        status = give(&out, ids, trained, capacity, count);
    fst__trained_ids_destroy(&out);
    fst__free(allocator, list);
    return status;
}
