/* GPT-2's own files, vocab.json and merges.txt, as the tokenizer.json that Hugging Face ships for it. */
#include "base/error.h"
#include "formats/file.h"
#include "formats/json.h"
#include "tokenizer/internal.h"

static const size_t most_bytes = (size_t)1 << 30;

static fst_status read_vocabulary(fst_tokenizer *tokenizer, const char *path)
{
    fst__vocabulary *vocabulary = &tokenizer->vocabulary;
    json_t *root, *value;
    const char *token;
    fst_status status = fst__json_read_file(tokenizer->allocator, path, most_bytes, &root);
    if (status)
        return status;
    if (!json_is_object(root))
        status = fst__fail(FST_ERR_FORMAT, "%s: not an object of tokens", path);
    int64_t largest = (int64_t)json_object_size(root) * 2 + 1024;
    void *next = json_object_iter(root);
    for (; next && !status; next = json_object_iter_next(root, next)) {
        token = json_object_iter_key(next);
        value = json_object_iter_value(next);
        int64_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id > largest || id >= INT32_MAX / 2)
            status = fst__fail(FST_ERR_FORMAT, "%s: the id of \"%.100s\" is not an integer from 0 to %lld", path,
                               token, (long long)largest);
        else if (fst__vocabulary_has(vocabulary, (int32_t)id))
            status = fst__fail(FST_ERR_FORMAT, "%s: \"%.100s\" and \"%.*s\" both have id %lld", path, token,
                               (int)vocabulary->tokens[id].spelling_length,
                               fst__token_spelling(vocabulary, (int32_t)id), (long long)id);
        else
            status = fst__vocabulary_insert(vocabulary, (int32_t)id, token, strlen(token), FST__TOKEN_MODEL, true);
    }
    json_decref(root);
    return status;
}

/* The line at *at, its end cut off; *at moves behind it. */
static const char *take_line(const char **at, const char *end, size_t *length)
{
    const char *line = *at;
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    *at = stop ? stop + 1 : end;
    *length = (size_t)((stop ? stop : end) - line);
    if (*length && line[*length - 1] == '\r')
        --*length;
    return line;
}

static fst_status parse_merges(fst_tokenizer *tokenizer, const char *path, const char *text, size_t size)
{
    size_t lines = 1, count = 0, number = 0, length;
    for (size_t i = 0; i < size; ++i)
        lines += text[i] == '\n';
    fst__pair *ordered = fst__alloc_array(tokenizer->allocator, lines, sizeof *ordered);
    int32_t *results = fst__alloc_array(tokenizer->allocator, lines, sizeof *results);
    fst_status status = ordered && results ? FST_OK : FST_ERR_NO_MEMORY;
    for (const char *at = text, *end = text + size; at < end && !status;) {
        const char *line = take_line(&at, end, &length);
        ++number;
        if (!length || (number == 1 && length >= 8 && memcmp(line, "#version", 8) == 0))
            continue;
        const char *space = memchr(line, ' ', length);
        if (!space) {
            status = fst__fail(FST_ERR_FORMAT, "%s: line %zu, byte %zu: not two tokens with a space between", path,
                               number, (size_t)(line - text));
            break;
        }
        size_t left = (size_t)(space - line);
        status = fst__merge_resolve(&tokenizer->vocabulary, path, count, line, left, space + 1, length - left - 1,
                                    &ordered[count], &results[count]);
        if (status)
            fst__fail_in(status, "%s: line %zu", path, number);
        ++count;
    }
    if (status) {
        fst__free(tokenizer->allocator, ordered);
    } else {
        status = fst__bpe_create(&tokenizer->bpe, tokenizer->allocator, &tokenizer->vocabulary, ordered, results,
                                 count);
        if (status)
            fst__fail_in(status, "%s", path);
    }
    fst__free(tokenizer->allocator, results);
    return status;
}

static fst_status read_merges(fst_tokenizer *tokenizer, const char *path)
{
    char *text;
    size_t size;
    fst_status status = fst__file_read(tokenizer->allocator, path, most_bytes, &text, &size);
    if (status)
        return status;
    status = parse_merges(tokenizer, path, text, size);
    fst__free(tokenizer->allocator, text);
    return status;
}

static fst_status set_parts(fst_tokenizer *tokenizer)
{
    static const char byte_level[] =
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}";
    fst_status status = fst__tokenizer_set_part(tokenizer, FST__PART_PRE_TOKENIZER, byte_level);
    if (!status)
        status = fst__tokenizer_set_part(tokenizer, FST__PART_POST_PROCESSOR, byte_level);
    if (!status)
        status = fst__tokenizer_set_part(tokenizer, FST__PART_DECODER, byte_level);
    return status;
}

fst_status fst__tokenizer_load_gpt2(fst_context *context, const char *vocabulary_path, const char *merges_path,
                                    fst_tokenizer **out)
{
    static const char end_of_text[] = "<|endoftext|>";
    fst_tokenizer *tokenizer;
    fst_status status = fst__tokenizer_create(context, &tokenizer);
    if (status)
        return status;
    status = read_vocabulary(tokenizer, vocabulary_path);
    if (!status)
        status = read_merges(tokenizer, merges_path);
    if (!status && fst__vocabulary_find_spelling(&tokenizer->vocabulary, end_of_text, sizeof end_of_text - 1) >= 0)
        status = fst__tokenizer_append_added(tokenizer, (fst__added){.id = -1, .special = true}, end_of_text,
                                             sizeof end_of_text - 1);
    if (!status)
        status = set_parts(tokenizer);
    if (!status)
        status = fst__tokenizer_compile(tokenizer, vocabulary_path);
    if (!status)
        status = fst__tokenizer_finish(tokenizer);
    if (status)
        fst__tokenizer_release(tokenizer);
    else
        *out = tokenizer;
    return status;
}
