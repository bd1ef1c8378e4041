/*
 * WordPiece (Wu et al. 2016; Devlin et al. 2018, tokenization.py, WordpieceTokenizer): the longest
 * token that begins the word, then the longest that goes on with it, to the end. `tokenizers`'
 * models/wordpiece/mod.rs does the same.
 */
#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/hash.h"
#include "tokenizer/internal.h"

fst_status fst__wordpiece_create(fst__wordpiece *wordpiece, fst__allocator *allocator, const char *prefix,
                                 size_t most_characters)
{
    *wordpiece = (fst__wordpiece){.allocator = allocator, .most_characters = most_characters};
    wordpiece->prefix = fst__strdup(allocator, prefix);
    wordpiece->prefix_length = strlen(prefix);
    return wordpiece->prefix ? FST_OK : FST_ERR_NO_MEMORY;
}

void fst__wordpiece_destroy(fst__wordpiece *wordpiece)
{
    if (!wordpiece->allocator)
        return;
    fst__free(wordpiece->allocator, wordpiece->rest);
    fst__free(wordpiece->allocator, wordpiece->prefix);
    *wordpiece = (fst__wordpiece){0};
}

static bool goes_on(const fst__wordpiece *wordpiece, const fst__vocabulary *vocabulary, int32_t id)
{
    const fst__token *token = &vocabulary->tokens[id];
    return (token->flags & FST__TOKEN_MODEL) && token->spelling_length > wordpiece->prefix_length &&
           memcmp(fst__token_spelling(vocabulary, id), wordpiece->prefix, wordpiece->prefix_length) == 0;
}

fst_status fst__wordpiece_build(fst__wordpiece *wordpiece, const fst__vocabulary *vocabulary)
{
    size_t capacity = fst__hash_capacity((size_t)vocabulary->count), prefix = wordpiece->prefix_length;
    wordpiece->rest = fst__alloc_array(wordpiece->allocator, capacity, sizeof *wordpiece->rest);
    if (!wordpiece->rest)
        return FST_ERR_NO_MEMORY;
    wordpiece->mask = capacity - 1;
    for (size_t i = 0; i < capacity; ++i)
        wordpiece->rest[i].id = -1;
    for (int32_t id = 0; id < vocabulary->count; ++id) {
        const fst__token *token = &vocabulary->tokens[id];
        if ((token->flags & FST__TOKEN_MODEL) && token->spelling_length > wordpiece->longest_first)
            wordpiece->longest_first = token->spelling_length;
        if (!goes_on(wordpiece, vocabulary, id))
            continue;
        size_t length = token->spelling_length - prefix;
        if (length > wordpiece->longest_rest)
            wordpiece->longest_rest = length;
        uint64_t hash = fst__hash_bytes(fst__token_spelling(vocabulary, id) + prefix, length);
        size_t at = hash & wordpiece->mask;
        while (wordpiece->rest[at].id >= 0)
            at = (at + 1) & wordpiece->mask;
        wordpiece->rest[at] = (fst__slot){hash, id};
    }
    return FST_OK;
}

static int32_t find_rest(const fst__wordpiece *wordpiece, const fst__vocabulary *vocabulary, const char *bytes,
                         size_t length)
{
    uint64_t hash = fst__hash_bytes(bytes, length);
    size_t prefix = wordpiece->prefix_length;
    for (size_t at = hash & wordpiece->mask;; at = (at + 1) & wordpiece->mask) {
        fst__slot slot = wordpiece->rest[at];
        if (slot.id < 0)
            return -1;
        if (slot.hash == hash && vocabulary->tokens[slot.id].spelling_length == length + prefix &&
            memcmp(fst__token_spelling(vocabulary, slot.id) + prefix, bytes, length) == 0)
            return slot.id;
    }
}

bool fst__wordpiece_too_long(const fst__wordpiece *wordpiece, const char *word, size_t length)
{
    if (length <= wordpiece->most_characters)
        return false;
    const unsigned char *at = (const unsigned char *)word, *end = at + length;
    size_t characters = 0, step;
    for (; at < end; at += step) {
        fst__utf8_decode(at, end, &step);
        ++characters;
    }
    return characters > wordpiece->most_characters;
}

static bool inside_character(const char *word, size_t length, size_t at)
{
    return at < length && ((unsigned char)word[at] & 0xC0) == 0x80;
}

void fst__wordpiece_cut(const fst__wordpiece *wordpiece, const fst__vocabulary *vocabulary, const char *word,
                        size_t length, int32_t *ids, size_t *count)
{
    *count = 0;
    for (size_t begin = 0, end; begin < length; begin = end) {
        size_t longest = begin ? wordpiece->longest_rest : wordpiece->longest_first;
        int32_t id = -1;
        end = length - begin < longest ? length : begin + longest;
        for (; end > begin; --end) {
            if (inside_character(word, length, end))
                continue;
            id = begin ? find_rest(wordpiece, vocabulary, word + begin, end - begin)
                       : fst__vocabulary_find_bytes(vocabulary, word, end);
            if (id >= 0)
                break;
        }
        if (id < 0) {
            *count = 0;
            return;
        }
        ids[(*count)++] = id;
    }
}

size_t fst__tokenizer_text_bytes(const fst_tokenizer *tokenizer, int32_t id)
{
    const char *bytes;
    size_t length;
    bool special;
    if (!fst__tokenizer_token(tokenizer, id, &bytes, &length, &special) || special)
        return 0;
    bool rest = tokenizer->model == FST__MODEL_WORDPIECE &&
                goes_on(&tokenizer->wordpiece, &tokenizer->vocabulary, id);
    return rest ? length - tokenizer->wordpiece.prefix_length : length;
}
