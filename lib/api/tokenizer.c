/* Exported functions of tokenizers: check what the caller gave, then call down. */
#include "base/context.h"
#include "base/error.h"
#include "base/options.h"
#include "base/threads.h"
#include "tokenizer/tokenizer.h"

#include <string.h>
#include <utf8proc.h>

static const fst_tokenizer_train_options default_train_options = {
    .struct_size = sizeof default_train_options,
    .kind = FST_TOKENIZER_BPE,
    .vocabulary_size = 30000,
    .lowercase = 1,
    .strip_accents = -1,
    .chinese_characters = 1,
};
static const fst_wordpiece_options default_wordpiece_options = {
    .struct_size = sizeof default_wordpiece_options,
    .lowercase = -1,
    .strip_accents = -1,
    .chinese_characters = -1,
    .clean_text = 1,
};
static const fst_encode_options default_encode_options = {
    .struct_size = sizeof default_encode_options,
    .add_special_tokens = 1,
    .parse_special = 1,
};
static const fst_added_token_options default_added_token_options = {
    .struct_size = sizeof default_added_token_options,
};

fst_status fst_tokenizer_train_options_init(fst_tokenizer_train_options *options, size_t size)
{
    return fst__options_init(options, size, &default_train_options, sizeof default_train_options,
                             "fst_tokenizer_train_options");
}

fst_status fst_wordpiece_options_init(fst_wordpiece_options *options, size_t size)
{
    return fst__options_init(options, size, &default_wordpiece_options, sizeof default_wordpiece_options,
                             "fst_wordpiece_options");
}

fst_status fst_encode_options_init(fst_encode_options *options, size_t size)
{
    return fst__options_init(options, size, &default_encode_options, sizeof default_encode_options,
                             "fst_encode_options");
}

fst_status fst_added_token_options_init(fst_added_token_options *options, size_t size)
{
    return fst__options_init(options, size, &default_added_token_options, sizeof default_added_token_options,
                             "fst_added_token_options");
}

static fst_status missing(const char *argument)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is NULL", argument);
}

/* A token's text: not empty, UTF-8. */
static fst_status check_token(const char *token, const char *what, size_t index)
{
    if (!token || !*token)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s[%zu] is %s", what, index, token ? "empty" : "NULL");
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)token;
    while (*at) {
        utf8proc_int32_t point;
        utf8proc_ssize_t length = utf8proc_iterate(at, -1, &point);
        if (length <= 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s[%zu], byte %zu: not UTF-8", what, index,
                             (size_t)(at - (const utf8proc_uint8_t *)token));
        at += length;
    }
    return FST_OK;
}

static fst_status check_flag(int32_t value, const char *name)
{
    if (value != 0 && value != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %d, expected 0 or 1", name, value);
    return FST_OK;
}

static fst_status check_bpe_options(const fst_tokenizer_train_options *options)
{
    if (options->vocabulary_size < 256 || (size_t)(options->vocabulary_size - 256) < options->special_token_count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "vocabulary_size is %d, expected at least 256 bytes and %zu special tokens",
                         options->vocabulary_size, options->special_token_count);
    if (options->minimum_frequency < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "minimum_frequency is %lld, expected 0 or more",
                         (long long)options->minimum_frequency);
    if (options->unknown_token)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "unknown_token: byte-level BPE has a token for everything");
    if (options->pattern && !*options->pattern)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "pattern is empty");
    if (options->add_prefix_space && options->pattern && strcmp(options->pattern, "gpt2") != 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "add_prefix_space goes with the pattern \"gpt2\" only");
    return FST_OK;
}

/* -1, 0 or 1. */
static fst_status check_choice(int32_t value, const char *name)
{
    if (value < -1 || value > 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %d, expected -1, 0 or 1", name, value);
    return FST_OK;
}

static fst_status check_wordpiece_training(const fst_tokenizer_train_options *options)
{
    if (options->vocabulary_size < 1 || (size_t)options->vocabulary_size < options->special_token_count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "vocabulary_size is %d, expected at least %zu special tokens",
                         options->vocabulary_size, options->special_token_count ? options->special_token_count : 1);
    if (options->minimum_frequency < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "minimum_frequency is %lld, expected 0 or more",
                         (long long)options->minimum_frequency);
    if (options->pattern || options->add_prefix_space)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: WordPiece's words are BERT's",
                         options->pattern ? "pattern" : "add_prefix_space");
    if (options->limit_alphabet < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "limit_alphabet is %d, expected 0 or more",
                         options->limit_alphabet);
    fst_status status = check_flag(options->lowercase, "lowercase");
    if (!status)
        status = check_choice(options->strip_accents, "strip_accents");
    return status ? status : check_flag(options->chinese_characters, "chinese_characters");
}

static fst_status check_train_options(const fst_tokenizer_train_options *given, fst_tokenizer_train_options *options)
{
    *options = default_train_options;
    fst_status status = fst__options_overlay(options, sizeof *options, given, "fst_tokenizer_train_options");
    if (status)
        return status;
    if (options->kind < FST_TOKENIZER_BPE || options->kind > FST_TOKENIZER_WORDPIECE)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "kind is %d, expected an FST_TOKENIZER_ value", options->kind);
    if (options->special_token_count && !options->special_tokens)
        return missing("special_tokens");
    for (size_t i = 0; i < options->special_token_count && !status; ++i)
        status = check_token(options->special_tokens[i], "special_tokens", i);
    if (!status)
        status = check_flag(options->add_prefix_space, "add_prefix_space");
    if (!status && options->unknown_token)
        status = check_token(options->unknown_token, "unknown_token", 0);
    if (!status && options->kind == FST_TOKENIZER_BPE)
        status = check_bpe_options(options);
    if (!status && options->kind == FST_TOKENIZER_WORDPIECE)
        status = check_wordpiece_training(options);
    return status;
}

/* The common part of the two ways to train: what is to be read. */
static fst_status check_list(const fst_context *context, const char *const *items, size_t count, const char *what,
                             fst_tokenizer **tokenizer)
{
    if (!context || !tokenizer || (!items && count))
        return missing(!context ? "context" : !tokenizer ? "tokenizer" : what);
    *tokenizer = NULL;
    for (size_t i = 0; i < count; ++i) {
        if (!items[i])
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s[%zu] is NULL", what, i);
    }
    return FST_OK;
}

fst_status fst_tokenizer_train_files(fst_context *context, const char *const *paths, size_t count,
                                     const fst_tokenizer_train_options *options, fst_tokenizer **tokenizer)
{
    fst_tokenizer_train_options checked;
    fst_status status = check_list(context, paths, count, "paths", tokenizer);
    if (!status && !count)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "count is 0, expected at least one file");
    if (!status)
        status = check_train_options(options, &checked);
    return status ? status : fst__tokenizer_train_files(context, paths, count, &checked, tokenizer);
}

fst_status fst_tokenizer_train_texts(fst_context *context, const char *const *texts, const size_t *lengths,
                                     size_t count, const fst_tokenizer_train_options *options,
                                     fst_tokenizer **tokenizer)
{
    fst_tokenizer_train_options checked;
    fst_status status = check_list(context, texts, count, "texts", tokenizer);
    if (!status)
        status = check_train_options(options, &checked);
    return status ? status : fst__tokenizer_train_texts(context, texts, lengths, count, &checked, tokenizer);
}

fst_status fst_tokenizer_load(fst_context *context, const char *path, fst_tokenizer **tokenizer)
{
    if (!context || !path || !tokenizer)
        return missing(!context ? "context" : !path ? "path" : "tokenizer");
    *tokenizer = NULL;
    return fst__tokenizer_load(context, path, tokenizer);
}

fst_status fst_tokenizer_load_gpt2(fst_context *context, const char *vocabulary_path, const char *merges_path,
                                   fst_tokenizer **tokenizer)
{
    if (!context || !vocabulary_path || !merges_path || !tokenizer)
        return missing(!context           ? "context"
                       : !vocabulary_path ? "vocabulary_path"
                       : !merges_path     ? "merges_path"
                                          : "tokenizer");
    *tokenizer = NULL;
    return fst__tokenizer_load_gpt2(context, vocabulary_path, merges_path, tokenizer);
}

fst_status fst_tokenizer_load_wordpiece(fst_context *context, const char *path, const fst_wordpiece_options *options,
                                        fst_tokenizer **tokenizer)
{
    fst_wordpiece_options checked = default_wordpiece_options;
    if (!context || !path || !tokenizer)
        return missing(!context ? "context" : !path ? "path" : "tokenizer");
    *tokenizer = NULL;
    fst_status status = fst__options_overlay(&checked, sizeof checked, options, "fst_wordpiece_options");
    if (!status)
        status = check_choice(checked.lowercase, "lowercase");
    if (!status)
        status = check_choice(checked.strip_accents, "strip_accents");
    if (!status)
        status = check_choice(checked.chinese_characters, "chinese_characters");
    if (!status)
        status = check_flag(checked.clean_text, "clean_text");
    return status ? status : fst__tokenizer_load_wordpiece(context, path, &checked, tokenizer);
}

fst_status fst_tokenizer_save(const fst_tokenizer *tokenizer, const char *path)
{
    if (!tokenizer || !path)
        return missing(!tokenizer ? "tokenizer" : "path");
    return fst__tokenizer_save(tokenizer, path);
}

void fst_tokenizer_destroy(fst_tokenizer *tokenizer)
{
    fst__tokenizer_release(tokenizer);
}

fst_status fst_tokenizer_vocabulary_size(const fst_tokenizer *tokenizer, int32_t *size)
{
    if (!tokenizer || !size)
        return missing(!tokenizer ? "tokenizer" : "size");
    *size = fst__tokenizer_vocabulary_size(tokenizer);
    return FST_OK;
}

static fst_status check_encode_options(const fst_encode_options *given, fst_encode_options *options)
{
    *options = default_encode_options;
    fst_status status = fst__options_overlay(options, sizeof *options, given, "fst_encode_options");
    if (!status)
        status = check_flag(options->add_special_tokens, "add_special_tokens");
    return status ? status : check_flag(options->parse_special, "parse_special");
}

/* What was encoded to where the caller wants it; offsets and words may be NULL. */
static fst_status give_out(const fst__ids *encoded, int32_t *ids, int64_t *offsets, int32_t *words, size_t capacity,
                           size_t *count)
{
    *count = encoded->count;
    if (encoded->count > capacity)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL, "%zu ids, room for %zu", encoded->count, capacity);
    if (!encoded->count)
        return FST_OK;
    memcpy(ids, encoded->ids, encoded->count * sizeof *ids);
    if (offsets)
        memcpy(offsets, encoded->offsets, encoded->count * 2 * sizeof *offsets);
    if (words)
        memcpy(words, encoded->words, encoded->count * sizeof *words);
    return FST_OK;
}

static fst_status encode(const fst_tokenizer *tokenizer, const char *text, size_t length,
                         const fst_encode_options *options, int32_t *ids, int64_t *offsets, int32_t *words,
                         size_t capacity, size_t *count)
{
    fst_encode_options checked;
    fst_status status = check_encode_options(options, &checked);
    if (status)
        return status;
    fst__ids encoded = {.allocator = fst__tokenizer_allocator(tokenizer), .with_offsets = offsets != NULL,
                        .with_words = words != NULL};
    status = fst__ids_reserve(&encoded, length < INT32_MAX ? length / 3 + 16 : 0);
    if (!status)
        status = fst__tokenizer_encode(tokenizer, text, length, checked.add_special_tokens, checked.parse_special,
                                       &encoded);
    if (!status)
        status = give_out(&encoded, ids, offsets, words, capacity, count);
    fst__ids_destroy(&encoded);
    return status;
}

fst_status fst_tokenizer_encode(const fst_tokenizer *tokenizer, const char *text, size_t length,
                                const fst_encode_options *options, int32_t *ids, int64_t *offsets,
                                size_t capacity, size_t *count)
{
    if (!tokenizer || !count || (!text && length) || (!ids && capacity))
        return missing(!tokenizer ? "tokenizer" : !count ? "count" : !text && length ? "text" : "ids");
    *count = 0;
    return encode(tokenizer, text, length, options, ids, offsets, NULL, capacity, count);
}

fst_status fst_tokenizer_encode_words(const fst_tokenizer *tokenizer, const char *text, size_t length,
                                      const fst_encode_options *options, int32_t *ids, int32_t *words,
                                      int64_t *offsets, size_t capacity, size_t *count)
{
    if (!tokenizer || !count || (!text && length) || (capacity && (!ids || !words)))
        return missing(!tokenizer ? "tokenizer" : !count ? "count" : !text && length ? "text" : !ids ? "ids" : "words");
    *count = 0;
    return encode(tokenizer, text, length, options, ids, offsets, words, capacity, count);
}

fst_status fst_tokenizer_encode_pair(const fst_tokenizer *tokenizer, const char *first, size_t first_length,
                                     const char *second, size_t second_length, const fst_encode_options *options,
                                     int32_t *ids, int32_t *types, int32_t *words, size_t capacity, size_t *count)
{
    fst_encode_options checked;
    if (!tokenizer || !count || (!first && first_length) || (!second && second_length))
        return missing(!tokenizer ? "tokenizer" : !count ? "count" : !first && first_length ? "first" : "second");
    if (capacity && (!ids || !types || !words))
        return missing(!ids ? "ids" : !types ? "types" : "words");
    *count = 0;
    fst_status status = check_encode_options(options, &checked);
    if (status)
        return status;
    fst__ids encoded = {.allocator = fst__tokenizer_allocator(tokenizer), .with_words = true};
    fst__ids kinds = {.allocator = encoded.allocator};
    status = fst__tokenizer_encode_pair(tokenizer, (const char *const[]){first, second},
                                        (const size_t[]){first_length, second_length}, checked.add_special_tokens,
                                        checked.parse_special, &encoded, &kinds);
    if (!status)
        status = give_out(&encoded, ids, NULL, words, capacity, count);
    if (!status && encoded.count)
        memcpy(types, kinds.ids, kinds.count * sizeof *types);
    fst__ids_destroy(&kinds);
    fst__ids_destroy(&encoded);
    return status;
}

/* Each task encodes one text; its ids wait until all lengths are known. */
typedef struct batch_encoding {
    const fst_tokenizer *tokenizer;
    const char *const *texts;
    const size_t *lengths;
    const fst_encode_options *options;
    fst__ids *encoded;
    fst_status *statuses;
} batch_encoding;

static void encode_one(void *context, int64_t index, int32_t worker)
{
    const batch_encoding *batch = context;
    (void)worker;
    size_t length = batch->lengths ? batch->lengths[index] : strlen(batch->texts[index]);
    batch->statuses[index] =
        fst__tokenizer_encode(batch->tokenizer, batch->texts[index], length, batch->options->add_special_tokens,
                              batch->options->parse_special, &batch->encoded[index]);
}

/* An error's text belongs to the thread it came up on: encode the culprit again, here. */
static fst_status report(const batch_encoding *batch, size_t index)
{
    batch->encoded[index].count = 0;
    encode_one((void *)(uintptr_t)batch, (int64_t)index, 0);
    return batch->statuses[index] ? fst__fail_in(batch->statuses[index], "texts[%zu]", index) : FST_OK;
}

static fst_status gather(const batch_encoding *batch, size_t count, int32_t *ids, size_t capacity, int64_t *begins)
{
    begins[0] = 0;
    for (size_t i = 0; i < count; ++i) {
        if (batch->statuses[i]) {
            fst_status status = report(batch, i);
            if (status)
                return status;
        }
        begins[i + 1] = begins[i] + (int64_t)batch->encoded[i].count;
    }
    if ((size_t)begins[count] > capacity)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL, "%lld ids, room for %zu", (long long)begins[count], capacity);
    for (size_t i = 0; i < count; ++i) {
        if (batch->encoded[i].count)
            memcpy(ids + begins[i], batch->encoded[i].ids, batch->encoded[i].count * sizeof *ids);
    }
    return FST_OK;
}

fst_status fst_tokenizer_encode_batch(const fst_tokenizer *tokenizer, const char *const *texts,
                                      const size_t *lengths, size_t text_count, const fst_encode_options *options,
                                      int32_t *ids, size_t capacity, int64_t *begins)
{
    fst_encode_options checked;
    if (!tokenizer || !begins || (!texts && text_count) || (!ids && capacity))
        return missing(!tokenizer ? "tokenizer" : !begins ? "begins" : !texts && text_count ? "texts" : "ids");
    for (size_t i = 0; i < text_count; ++i) {
        if (!texts[i] && (!lengths || lengths[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "texts[%zu] is NULL", i);
    }
    fst_status status = check_encode_options(options, &checked);
    if (status)
        return status;
    fst__allocator *allocator = fst__tokenizer_allocator(tokenizer);
    batch_encoding batch = {tokenizer, texts, lengths, &checked, NULL, NULL};
    batch.encoded = fst__alloc_array(allocator, text_count, sizeof *batch.encoded);
    batch.statuses = fst__alloc_array(allocator, text_count, sizeof *batch.statuses);
    status = batch.encoded && batch.statuses ? FST_OK : FST_ERR_NO_MEMORY;
    if (!status) {
        for (size_t i = 0; i < text_count; ++i)
            batch.encoded[i] = (fst__ids){.allocator = allocator};
        fst__pool_run(fst__tokenizer_pool(tokenizer), (int64_t)text_count, encode_one, &batch);
        status = gather(&batch, text_count, ids, capacity, begins);
        for (size_t i = 0; i < text_count; ++i)
            fst__ids_destroy(&batch.encoded[i]);
    }
    fst__free(allocator, batch.statuses);
    fst__free(allocator, batch.encoded);
    return status;
}

fst_status fst_tokenizer_decode(const fst_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                int32_t skip_special, char *text, size_t capacity, size_t *length)
{
    if (!tokenizer || !length || (!ids && count) || (!text && capacity))
        return missing(!tokenizer ? "tokenizer" : !length ? "length" : !ids && count ? "ids" : "text");
    size_t wrong;
    *length = 0;
    fst_status status = check_flag(skip_special, "skip_special");
    if (status)
        return status;
    size_t needed = fst__tokenizer_decode_length(tokenizer, ids, count, skip_special, &wrong);
    if (wrong < count)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "ids[%zu] is %d, which is no token (vocabulary of %d)", wrong,
                         ids[wrong], fst__tokenizer_vocabulary_size(tokenizer));
    *length = needed;
    if (needed > capacity)
        return fst__fail(FST_ERR_BUFFER_TOO_SMALL, "%zu bytes, room for %zu", needed, capacity);
    if (needed)
        fst__tokenizer_decode(tokenizer, ids, count, skip_special, text);
    if (needed < capacity)
        text[needed] = '\0';
    return FST_OK;
}

fst_status fst_tokenizer_token(const fst_tokenizer *tokenizer, int32_t id, const char **bytes, size_t *length)
{
    bool special;
    if (!tokenizer || !bytes || !length)
        return missing(!tokenizer ? "tokenizer" : !bytes ? "bytes" : "length");
    if (!fst__tokenizer_token(tokenizer, id, bytes, length, &special))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "id %d is no token (vocabulary of %d)", id,
                         fst__tokenizer_vocabulary_size(tokenizer));
    return FST_OK;
}

fst_status fst_tokenizer_find(const fst_tokenizer *tokenizer, const char *token, int32_t *id)
{
    if (!tokenizer || !token || !id)
        return missing(!tokenizer ? "tokenizer" : !token ? "token" : "id");
    int32_t found = fst__tokenizer_find(tokenizer, token, strlen(token));
    if (found < 0)
        return fst__fail(FST_ERR_NOT_FOUND, "\"%.100s\" is no token", token);
    *id = found;
    return FST_OK;
}

static fst_status check_role(int32_t role)
{
    if (role < FST_TOKEN_BOS || role > FST_TOKEN_MASK)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "role is %d, expected an FST_TOKEN_ value up to %d", role,
                         FST_TOKEN_MASK);
    return FST_OK;
}

fst_status fst_tokenizer_special_id(const fst_tokenizer *tokenizer, int32_t role, int32_t *id)
{
    if (!tokenizer || !id)
        return missing(!tokenizer ? "tokenizer" : "id");
    fst_status status = check_role(role);
    if (!status)
        *id = fst__tokenizer_special_id(tokenizer, role);
    return status;
}

fst_status fst_tokenizer_set_special_id(fst_tokenizer *tokenizer, int32_t role, int32_t id)
{
    if (!tokenizer)
        return missing("tokenizer");
    fst_status status = check_role(role);
    if (!status && role == FST_TOKEN_UNKNOWN)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "role is %d (FST_TOKEN_UNKNOWN), which belongs to the model", role);
    return status ? status : fst__tokenizer_set_special_id(tokenizer, role, id);
}

fst_status fst_tokenizer_add_tokens(fst_tokenizer *tokenizer, const char *const *tokens, size_t count,
                                    const fst_added_token_options *options)
{
    fst_added_token_options checked = default_added_token_options;
    if (!tokenizer || (!tokens && count))
        return missing(!tokenizer ? "tokenizer" : "tokens");
    fst_status status = fst__options_overlay(&checked, sizeof checked, options, "fst_added_token_options");
    const struct {
        int32_t value;
        const char *name;
    } flags[] = {{checked.special, "special"},         {checked.single_word, "single_word"},
                 {checked.strip_left, "strip_left"},   {checked.strip_right, "strip_right"},
                 {checked.normalized, "normalized"}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0] && !status; ++i)
        status = check_flag(flags[i].value, flags[i].name);
    for (size_t i = 0; i < count && !status; ++i)
        status = check_token(tokens[i], "tokens", i);
    return status ? status : fst__tokenizer_add_tokens(tokenizer, tokens, count, &checked);
}
