#include "base/error.h"
#include "tokenizer/hash.h"
#include "tokenizer/internal.h"
#include "base/utf8.h"

uint32_t fst__alphabet_point(unsigned char byte)
{
    if (byte <= 32)
        return 256u + byte;
    if (byte >= 127 && byte <= 160)
        return 256u + 33 + (byte - 127u);
    return byte == 173 ? 323 : byte;
}

int fst__alphabet_byte(int32_t point)
{
    if (point >= 256 && point <= 323) {
        int rank = point - 256;
        return rank <= 32 ? rank : rank == 67 ? 173 : rank - 33 + 127;
    }
    bool printable = (point >= 33 && point <= 126) || (point >= 161 && point <= 255 && point != 173);
    return printable ? point : -1;
}

void fst__vocabulary_destroy(fst__vocabulary *vocabulary)
{
    if (!vocabulary->allocator)
        return;
    fst__free(vocabulary->allocator, vocabulary->by_spelling);
    fst__free(vocabulary->allocator, vocabulary->by_bytes);
    fst__free(vocabulary->allocator, vocabulary->tokens);
    fst__text_destroy(&vocabulary->blob);
}

static void place(fst__slot *slots, size_t mask, uint64_t hash, int32_t id)
{
    size_t at = hash & mask;
    while (slots[at].id >= 0)
        at = (at + 1) & mask;
    slots[at] = (fst__slot){hash, id};
}

static void place_token(const fst__vocabulary *vocabulary, fst__slot *by_bytes, fst__slot *by_spelling,
                        size_t mask, int32_t id)
{
    const fst__token *token = &vocabulary->tokens[id];
    if (token->flags & FST__TOKEN_MODEL)
        place(by_bytes, mask, fst__hash_bytes(fst__token_bytes(vocabulary, id), token->length), id);
    place(by_spelling, mask, fst__hash_bytes(fst__token_spelling(vocabulary, id), token->spelling_length), id);
}

/* Makes the tables big enough for `count` tokens. */
static fst_status grow_tables(fst__vocabulary *vocabulary, size_t count)
{
    size_t capacity = fst__hash_capacity(count);
    if (vocabulary->by_bytes && capacity <= vocabulary->mask + 1)
        return FST_OK;
    fst__slot *by_bytes = fst__alloc_array(vocabulary->allocator, capacity, sizeof *by_bytes);
    fst__slot *by_spelling = fst__alloc_array(vocabulary->allocator, capacity, sizeof *by_spelling);
    if (!by_bytes || !by_spelling) {
        fst__free(vocabulary->allocator, by_bytes);
        fst__free(vocabulary->allocator, by_spelling);
        return FST_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < capacity; ++i)
        by_bytes[i].id = by_spelling[i].id = -1;
    for (int32_t id = 0; id < vocabulary->count; ++id) {
        if (vocabulary->tokens[id].flags & FST__TOKEN_PRESENT)
            place_token(vocabulary, by_bytes, by_spelling, capacity - 1, id);
    }
    fst__free(vocabulary->allocator, vocabulary->by_bytes);
    fst__free(vocabulary->allocator, vocabulary->by_spelling);
    vocabulary->by_bytes = by_bytes;
    vocabulary->by_spelling = by_spelling;
    vocabulary->mask = capacity - 1;
    return FST_OK;
}

static fst_status grow_tokens(fst__vocabulary *vocabulary, int32_t id)
{
    if (id < vocabulary->capacity)
        return FST_OK;
    int32_t capacity = id < INT32_MAX / 2 ? id + id / 2 + 64 : INT32_MAX;
    fst__token *tokens = fst__realloc_array(vocabulary->allocator, vocabulary->tokens, (size_t)capacity,
                                            sizeof *tokens);
    if (!tokens)
        return FST_ERR_NO_MEMORY;
    vocabulary->tokens = tokens;
    vocabulary->capacity = capacity;
    return FST_OK;
}

/* The bytes of a spelling in GPT-2's alphabet. A spelling with anything else in it stands for
 * itself, as in `tokenizers`' ByteLevel decoder. */
static bool append_byte_level(fst__text *blob, size_t spelling, size_t length)
{
    size_t start = blob->length;
    for (size_t at = 0, step; at < length; at += step) {
        const unsigned char *text = (const unsigned char *)blob->data + spelling;
        int byte = fst__alphabet_byte(fst__utf8_decode(text + at, text + length, &step));
        if (byte < 0) {
            blob->length = start;
            return false;
        }
        char c = (char)byte;
        fst__text_append(blob, &c, 1);
        if (blob->failed)
            return true;
    }
    return true;
}

fst_status fst__vocabulary_insert(fst__vocabulary *vocabulary, int32_t id, const char *spelling, size_t length,
                                  int flags, bool byte_level)
{
    if (grow_tokens(vocabulary, id) || grow_tables(vocabulary, vocabulary->used + 1))
        return FST_ERR_NO_MEMORY;
    fst__text *blob = &vocabulary->blob;
    fst__token token = {.spelling = blob->length, .spelling_length = (uint32_t)length,
                        .flags = (uint8_t)(flags | FST__TOKEN_PRESENT)};
    fst__text_append(blob, spelling, length);
    token.bytes = blob->length;
    if (byte_level && !blob->failed && append_byte_level(blob, token.spelling, length))
        token.length = (uint32_t)(blob->length - token.bytes);
    else {
        token.bytes = token.spelling;
        token.length = token.spelling_length;
    }
    if (blob->failed)
        return FST_ERR_NO_MEMORY;
    for (int32_t hole = vocabulary->count; hole < id; ++hole)
        vocabulary->tokens[hole] = (fst__token){0};
    if (id >= vocabulary->count)
        vocabulary->count = id + 1;
    vocabulary->tokens[id] = token;
    place_token(vocabulary, vocabulary->by_bytes, vocabulary->by_spelling, vocabulary->mask, id);
    ++vocabulary->used;
    return FST_OK;
}

void fst__vocabulary_truncate(fst__vocabulary *vocabulary, int32_t count)
{
    if (count >= vocabulary->count)
        return;
    vocabulary->count = count;
    vocabulary->used = 0;
    for (size_t at = 0; at <= vocabulary->mask; ++at)
        vocabulary->by_bytes[at].id = vocabulary->by_spelling[at].id = -1;
    for (int32_t id = 0; id < count; ++id) {
        if (!(vocabulary->tokens[id].flags & FST__TOKEN_PRESENT))
            continue;
        place_token(vocabulary, vocabulary->by_bytes, vocabulary->by_spelling, vocabulary->mask, id);
        ++vocabulary->used;
    }
}

int32_t fst__vocabulary_find_spelling(const fst__vocabulary *vocabulary, const char *spelling, size_t length)
{
    if (!vocabulary->by_spelling)
        return -1;
    uint64_t hash = fst__hash_bytes(spelling, length);
    for (size_t at = hash & vocabulary->mask;; at = (at + 1) & vocabulary->mask) {
        fst__slot slot = vocabulary->by_spelling[at];
        if (slot.id < 0)
            return -1;
        if (slot.hash == hash && vocabulary->tokens[slot.id].spelling_length == length &&
            memcmp(fst__token_spelling(vocabulary, slot.id), spelling, length) == 0)
            return slot.id;
    }
}

int32_t fst__vocabulary_find_bytes(const fst__vocabulary *vocabulary, const char *bytes, size_t length)
{
    if (!vocabulary->by_bytes)
        return -1;
    uint64_t hash = fst__hash_bytes(bytes, length);
    for (size_t at = hash & vocabulary->mask;; at = (at + 1) & vocabulary->mask) {
        fst__slot slot = vocabulary->by_bytes[at];
        if (slot.id < 0)
            return -1;
        if (slot.hash == hash && vocabulary->tokens[slot.id].length == length &&
            memcmp(fst__token_bytes(vocabulary, slot.id), bytes, length) == 0)
            return slot.id;
    }
}
