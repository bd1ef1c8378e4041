/* Reads a tokenizer.json. Every refusal names the file and the member. */
#include "base/checked.h"
#include "base/error.h"
#include "formats/file.h"
#include "formats/json.h"
#include "tokenizer/internal.h"

#include <limits.h>

/* No tokenizer comes near; bounds what a wrong path can make us hold. */
static const size_t most_bytes = (size_t)1 << 30;

typedef struct json_reader {
    fst_tokenizer *tokenizer;
    const char *name;
    int64_t largest_id; /* ids may have holes, but not out of proportion to the file */
} json_reader;

/* Options of a model that change ids and are not done here: refused unless absent, null, false or "".
 * WordPiece has the first of them. */
static fst_status refuse_options(const json_reader *reader, json_t *model)
{
    static const char *const members[] = {"continuing_subword_prefix", "dropout", "end_of_word_suffix",
                                          "byte_fallback"};
    size_t first = reader->tokenizer->model == FST__MODEL_WORDPIECE ? 1 : 0;
    for (size_t i = first; i < sizeof members / sizeof members[0]; ++i) {
        json_t *value = json_object_get(model, members[i]);
        bool off = !value || json_is_null(value) || json_is_false(value) ||
                   (json_is_string(value) && json_string_length(value) == 0) ||
                   (json_is_number(value) && json_number_value(value) == 0);
        if (!off)
            return fst__fail(FST_ERR_UNSUPPORTED, "%s: model: \"%s\" is not supported", reader->name, members[i]);
    }
    return FST_OK;
}

static fst_status read_vocabulary(const json_reader *reader, json_t *model, bool byte_level)
{
    fst__vocabulary *vocabulary = &reader->tokenizer->vocabulary;
    json_t *vocab;
    fst_status status = fst__json_get_object(model, "vocab", reader->name, true, &vocab);
    if (status)
        return fst__fail_in(status, "model");
    const char *token;
    json_t *value;
    json_object_foreach(vocab, token, value)
    {
        int64_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id > reader->largest_id)
            return fst__fail(FST_ERR_FORMAT, "%s: model.vocab: the id of \"%.100s\" is not an integer from 0 to %lld",
                             reader->name, token, (long long)reader->largest_id);
        if (fst__vocabulary_has(vocabulary, (int32_t)id))
            return fst__fail(FST_ERR_FORMAT, "%s: model.vocab: \"%.100s\" and \"%.*s\" both have id %lld",
                             reader->name, token, (int)vocabulary->tokens[id].spelling_length,
                             fst__token_spelling(vocabulary, (int32_t)id), (long long)id);
        size_t length = strlen(token);
        if (length > INT_MAX / 4)
            return fst__fail(FST_ERR_FORMAT, "%s: model.vocab: a token of %zu bytes", reader->name, length);
        status = fst__vocabulary_insert(vocabulary, (int32_t)id, token, length, FST__TOKEN_MODEL, byte_level);
        if (status)
            return status;
    }
    return FST_OK;
}

/* "a b" or ["a", "b"]. */
static fst_status read_merge(const json_reader *reader, json_t *value, size_t index, fst__pair *pair, int32_t *result)
{
    const char *left = NULL, *right = NULL;
    size_t left_length = 0, right_length = 0;
    if (json_is_string(value)) {
        left = json_string_value(value);
        const char *space = strchr(left, ' ');
        if (space) {
            left_length = (size_t)(space - left);
            right = space + 1;
            right_length = json_string_length(value) - left_length - 1;
        }
    } else if (json_is_array(value) && json_array_size(value) == 2) {
        left = json_string_value(json_array_get(value, 0));
        right = json_string_value(json_array_get(value, 1));
        left_length = json_string_length(json_array_get(value, 0));
        right_length = json_string_length(json_array_get(value, 1));
    }
    if (!left || !right)
        return fst__fail(FST_ERR_FORMAT, "%s: model.merges[%zu] is neither \"a b\" nor [\"a\", \"b\"]",
                         reader->name, index);
    return fst__merge_resolve(&reader->tokenizer->vocabulary, reader->name, index, left, left_length, right,
                              right_length, pair, result);
}

fst_status fst__merge_resolve(const fst__vocabulary *vocabulary, const char *name, size_t index, const char *left,
                              size_t left_length, const char *right, size_t right_length, fst__pair *pair,
                              int32_t *result)
{
    fst__text joined = fst__text_create(vocabulary->allocator);
    pair->left = fst__vocabulary_find_spelling(vocabulary, left, left_length);
    pair->right = fst__vocabulary_find_spelling(vocabulary, right, right_length);
    fst__text_append(&joined, left, left_length);
    fst__text_append(&joined, right, right_length);
    if (joined.failed)
        return FST_ERR_NO_MEMORY;
    *result = fst__vocabulary_find_spelling(vocabulary, joined.data, joined.length);
    const char *missing = pair->left < 0 ? left : pair->right < 0 ? right : joined.data;
    size_t missing_length = pair->left < 0 ? left_length : pair->right < 0 ? right_length : joined.length;
    fst_status status = FST_OK;
    if (pair->left < 0 || pair->right < 0 || *result < 0)
        status = fst__fail(FST_ERR_FORMAT, "%s: merge %zu: \"%.*s\" is not in the vocabulary", name, index,
                           (int)(missing_length < 100 ? missing_length : 100), missing);
    fst__text_destroy(&joined);
    return status;
}

static fst_status read_merges(const json_reader *reader, json_t *model)
{
    fst_tokenizer *tokenizer = reader->tokenizer;
    json_t *merges;
    fst_status status = fst__json_get_array(model, "merges", reader->name, true, &merges);
    if (status)
        return fst__fail_in(status, "model");
    size_t count = json_array_size(merges);
    fst__pair *ordered = fst__alloc_array(tokenizer->allocator, count, sizeof *ordered);
    int32_t *results = fst__alloc_array(tokenizer->allocator, count, sizeof *results);
    status = ordered && results ? FST_OK : FST_ERR_NO_MEMORY;
    for (size_t i = 0; i < count && !status; ++i)
        status = read_merge(reader, json_array_get(merges, i), i, &ordered[i], &results[i]);
    if (status) {
        fst__free(tokenizer->allocator, ordered);
    } else {
        status = fst__bpe_create(&tokenizer->bpe, tokenizer->allocator, &tokenizer->vocabulary, ordered, results,
                                 count);
        if (status)
            fst__fail_in(status, "%s", reader->name);
    }
    fst__free(tokenizer->allocator, results);
    return status;
}

static fst_status read_wordpiece(const json_reader *reader, json_t *model)
{
    const char *prefix = FST__WORDPIECE_PREFIX;
    int64_t most = FST__WORDPIECE_CHARACTERS;
    fst_status status = fst__json_get_string(model, "continuing_subword_prefix", reader->name, false, &prefix);
    if (!status)
        status = fst__json_get_int(model, "max_input_chars_per_word", reader->name, false, &most, 1, INT32_MAX);
    if (status)
        return fst__fail_in(status, "model");
    return fst__wordpiece_create(&reader->tokenizer->wordpiece, reader->tokenizer->allocator, prefix, (size_t)most);
}

static fst_status read_model(const json_reader *reader, json_t *root)
{
    fst_tokenizer *tokenizer = reader->tokenizer;
    json_t *model;
    const char *type = "BPE", *unknown = NULL; /* files of before the member have a BPE model */
    fst_status status = fst__json_get_object(root, "model", reader->name, true, &model);
    if (!status)
        status = fst__json_get_string(model, "type", reader->name, false, &type);
    if (!status)
        status = fst__json_get_string(model, "unk_token", reader->name, false, &unknown);
    if (status)
        return status;
    bool byte_level = strcmp(type, "BPE") == 0, wordpiece = strcmp(type, "WordPiece") == 0;
    if (!byte_level && !wordpiece && strcmp(type, "WordLevel") != 0)
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: model \"%.100s\" is not supported", reader->name, type);
    tokenizer->model = byte_level ? FST__MODEL_BPE : wordpiece ? FST__MODEL_WORDPIECE : FST__MODEL_WORD_LEVEL;
    if (unknown && !(tokenizer->unknown_token = fst__strdup(tokenizer->allocator, unknown)))
        return FST_ERR_NO_MEMORY;
    status = refuse_options(reader, model);
    if (!status && wordpiece)
        status = read_wordpiece(reader, model);
    if (!status)
        status = read_vocabulary(reader, model, byte_level);
    if (status || !byte_level)
        return status;
    status = read_merges(reader, model);
    if (!status)
        status = fst__json_get_bool(model, "ignore_merges", reader->name, false, &tokenizer->bpe.ignore_merges);
    return status;
}

static fst_status read_added_token(const json_reader *reader, json_t *item)
{
    int64_t id = -1;
    const char *content = NULL;
    fst__added added = {0};
    const struct {
        const char *key;
        bool *value;
    } flags[] = {
        {"special", &added.special},
        {"single_word", &added.single_word},
        {"lstrip", &added.strip_left},
        {"rstrip", &added.strip_right},
        {"normalized", &added.normalized},
    };
    fst_status status = fst__json_get_int(item, "id", reader->name, true, &id, 0, reader->largest_id);
    if (!status)
        status = fst__json_get_string(item, "content", reader->name, true, &content);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0] && !status; ++i)
        status = fst__json_get_bool(item, flags[i].key, reader->name, false, flags[i].value);
    added.id = (int32_t)id;
    if (!status && !*content)
        status = fst__fail(FST_ERR_FORMAT, "%s: the added token with id %d is empty", reader->name, added.id);
    if (!status)
        status = fst__tokenizer_append_added(reader->tokenizer, added, content, strlen(content));
    return status;
}

static fst_status read_added_tokens(const json_reader *reader, json_t *root)
{
    json_t *items = NULL;
    fst_status status = fst__json_get_array(root, "added_tokens", reader->name, false, &items);
    for (size_t i = 0; i < json_array_size(items) && !status; ++i) {
        status = read_added_token(reader, json_array_get(items, i));
        if (status)
            fst__fail_in(status, "%s: added_tokens[%zu]", reader->name, i);
    }
    return status;
}

static fst_status read_parts(const json_reader *reader, json_t *root)
{
    static const char *const members[FST__PARTS] = {"truncation",    "padding",        "normalizer",
                                                    "pre_tokenizer", "post_processor", "decoder"};
    for (int part = 0; part < FST__PARTS; ++part) {
        json_t *value = json_object_get(root, members[part]);
        if (!value || json_is_null(value))
            continue;
        fst__text text = fst__text_create(reader->tokenizer->allocator);
        fst_status status = fst__json_dump(value, 0, &text);
        if (!status)
            status = text.failed ? FST_ERR_NO_MEMORY : fst__tokenizer_set_part(reader->tokenizer, part, text.data);
        fst__text_destroy(&text);
        if (status)
            return status;
        if (part == FST__PART_TRUNCATION || part == FST__PART_PADDING)
            fst__log_write(&reader->tokenizer->context->log, FST_LOG_WARNING,
                           "%s: \"%s\" is kept but not applied", reader->name, members[part]);
    }
    return FST_OK;
}

static fst_status read_root(fst_context *context, const char *name, json_t *root, size_t size,
                            fst_tokenizer **out)
{
    json_reader reader = {.name = name};
    fst_status status = fst__tokenizer_create(context, &reader.tokenizer);
    if (status)
        return status;
    /* An entry `"a":1,` has at least 6 bytes; half as many ids again may be missing. */
    int64_t largest = (int64_t)(size / 4) + 1024;
    reader.largest_id = largest < INT32_MAX / 2 ? largest : INT32_MAX / 2;
    status = read_model(&reader, root);
    if (!status)
        status = read_added_tokens(&reader, root);
    if (!status)
        status = read_parts(&reader, root);
    if (!status)
        status = fst__tokenizer_compile(reader.tokenizer, name);
    if (!status)
        status = fst__tokenizer_finish(reader.tokenizer);
    if (status)
        fst__tokenizer_release(reader.tokenizer);
    else
        *out = reader.tokenizer;
    return status;
}

fst_status fst__tokenizer_parse(fst_context *context, const char *name, const char *text, size_t length,
                                fst_tokenizer **out)
{
    json_t *root;
    fst_status status = fst__json_parse(text, length, name, &root);
    if (status)
        return status;
    status = read_root(context, name, root, length, out);
    json_decref(root);
    return status;
}

static fst_status load_file(fst_context *context, const char *path, fst_tokenizer **out)
{
    char *bytes;
    size_t size;
    fst_status status = fst__file_read(&context->allocator, path, most_bytes, &bytes, &size);
    if (status)
        return status;
    status = fst__tokenizer_parse(context, path, bytes, size, out);
    fst__free(&context->allocator, bytes);
    return status;
}

const char *fst__config_token(const json_t *root, const char *member)
{
    const json_t *value = json_object_get(root, member);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    return json_string_value(value); /* NULL where it is no string */
}

static fst_status read_roles(fst_tokenizer *tokenizer, const char *path)
{
    /* BERT's classifier and separator tokens begin and end a text where nothing else is said to. */
    static const struct {
        const char *member;
        int32_t role;
        bool only_if_none;
    } members[] = {
        {"bos_token", FST_TOKEN_BOS, false}, {"eos_token", FST_TOKEN_EOS, false},
        {"pad_token", FST_TOKEN_PAD, false}, {"mask_token", FST_TOKEN_MASK, false},
        {"cls_token", FST_TOKEN_BOS, true},  {"sep_token", FST_TOKEN_EOS, true},
    };
    json_t *root;
    fst_status status = fst__json_read_file(tokenizer->allocator, path, most_bytes, &root);
    if (status)
        return status;
    int32_t *roles = tokenizer->roles;
    roles[FST_TOKEN_BOS] = roles[FST_TOKEN_EOS] = -1;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; ++i) {
        const char *token = fst__config_token(root, members[i].member);
        if (token && (!members[i].only_if_none || roles[members[i].role] < 0))
            roles[members[i].role] = fst__vocabulary_find_spelling(&tokenizer->vocabulary, token, strlen(token));
    }
    json_decref(root);
    fst__tokenizer_guess_roles(tokenizer);
    return FST_OK;
}

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), size = strlen(ending);
    return length >= size && strcmp(path + length - size, ending) == 0;
}

fst_status fst__tokenizer_load(fst_context *context, const char *path, fst_tokenizer **out)
{
    if (!fst__file_is_directory(path))
        return ends_in(path, ".txt") ? fst__tokenizer_load_wordpiece(context, path, NULL, out)
                                     : load_file(context, path, out);
    fst_tokenizer *tokenizer = NULL;
    char *file = fst__path_join(&context->allocator, path, "tokenizer.json");
    char *config = fst__path_join(&context->allocator, path, "tokenizer_config.json");
    char *words = fst__path_join(&context->allocator, path, "vocab.txt");
    fst_status status = FST_ERR_NO_MEMORY;
    if (file && config && words)
        status = fst__file_exists(file) || !fst__file_exists(words)
                     ? load_file(context, file, &tokenizer)
                     : fst__tokenizer_load_wordpiece(context, words, NULL, &tokenizer);
    if (!status && fst__file_exists(config))
        status = read_roles(tokenizer, config);
    if (status)
        fst__tokenizer_release(tokenizer);
    else
        *out = tokenizer;
    fst__free(&context->allocator, words);
    fst__free(&context->allocator, config);
    fst__free(&context->allocator, file);
    return status;
}
