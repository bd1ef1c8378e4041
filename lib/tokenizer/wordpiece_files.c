/* BERT's vocab.txt, a token a line, and the parts that make a tokenizer of it. */
#include "base/error.h"
#include "base/utf8.h"
#include "formats/file.h"
#include "formats/json.h"
#include "tokenizer/internal.h"

static const size_t most_bytes = (size_t)1 << 30;
static const size_t longest_line = 4096;

/* ---- parts ---- */

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

static void append_special(fst__text *out, const char *token, int type)
{
    fst__text_append_string(out, "{\"SpecialToken\":{\"id\":");
    fst__json_append_string(out, token, strlen(token));
    fst__text_printf(out, ",\"type_id\":%d}}", type);
}

static void append_definition(const fst_tokenizer *tokenizer, fst__text *out, const char *token)
{
    fst__json_append_string(out, token, strlen(token));
    fst__text_append_string(out, ":{\"id\":");
    fst__json_append_string(out, token, strlen(token));
    fst__text_printf(out, ",\"ids\":[%d],\"tokens\":[",
                     fst__vocabulary_find_spelling(&tokenizer->vocabulary, token, strlen(token)));
    fst__json_append_string(out, token, strlen(token));
    fst__text_append_string(out, "]}");
}

/* begin text end, and begin text end text end. */
static void append_template(const fst_tokenizer *tokenizer, fst__text *out, const char *begin, const char *end)
{
    fst__text_append_string(out, "{\"type\":\"TemplateProcessing\",\"single\":[");
    for (int pair = 0; pair < 2; ++pair) {
        append_special(out, begin, 0);
        fst__text_append_string(out, ",{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},");
        append_special(out, end, 0);
        if (!pair)
            fst__text_append_string(out, "],\"pair\":[");
    }
    fst__text_append_string(out, ",{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},");
    append_special(out, end, 1);
    fst__text_append_string(out, "],\"special_tokens\":{");
    append_definition(tokenizer, out, begin);
    if (strcmp(begin, end) != 0) {
        fst__text_append_string(out, ",");
        append_definition(tokenizer, out, end);
    }
    fst__text_append_string(out, "}}");
}

static void append_normalizer(fst__text *out, const fst__bert_options *options)
{
    fst__text_printf(out, "{\"type\":\"BertNormalizer\",\"clean_text\":%s,\"handle_chinese_chars\":%s,",
                     boolean(options->clean_text), boolean(options->chinese_characters));
    /* null, as lower case, is how most files have it */
    fst__text_printf(out, "\"strip_accents\":%s,\"lowercase\":%s}",
                     options->strip_accents == options->lowercase ? "null" : boolean(options->strip_accents),
                     boolean(options->lowercase));
}

fst_status fst__wordpiece_set_parts(fst_tokenizer *tokenizer, const fst__bert_options *options, const char *begin,
                                    const char *end)
{
    fst__text text = fst__text_create(tokenizer->allocator);
    append_normalizer(&text, options);
    fst_status status = text.failed ? FST_ERR_NO_MEMORY
                                    : fst__tokenizer_set_part(tokenizer, FST__PART_NORMALIZER, text.data);
    text.length = 0;
    if (!status)
        status = fst__tokenizer_set_part(tokenizer, FST__PART_PRE_TOKENIZER, "{\"type\":\"BertPreTokenizer\"}");
    if (!status && begin && end) {
        append_template(tokenizer, &text, begin, end);
        status = text.failed ? FST_ERR_NO_MEMORY
                             : fst__tokenizer_set_part(tokenizer, FST__PART_POST_PROCESSOR, text.data);
    }
    if (!status)
        status = fst__tokenizer_set_part(tokenizer, FST__PART_DECODER,
                                         "{\"type\":\"WordPiece\",\"prefix\":\"" FST__WORDPIECE_PREFIX
                                         "\",\"cleanup\":true}");
    fst__text_destroy(&text);
    return status;
}

/* ---- vocab.txt ---- */

/* White space at a line's end is not of the token, as in `tokenizers`. */
static size_t trimmed(const char *line, size_t length)
{
    while (length && (line[length - 1] == ' ' || line[length - 1] == '\t' || line[length - 1] == '\r'))
        --length;
    return length;
}

static fst_status check_line(const char *name, size_t number, const char *line, size_t length)
{
    size_t wrong;
    if (length > longest_line)
        return fst__fail(FST_ERR_FORMAT, "%s: line %zu: a token of %zu bytes, at most %zu", name, number, length,
                         longest_line);
    const char *nul = memchr(line, '\0', length);
    if (nul)
        return fst__fail(FST_ERR_FORMAT, "%s: line %zu, byte %zu: a NUL", name, number, (size_t)(nul - line));
    if (!fst__is_utf8(line, length, &wrong))
        return fst__fail(FST_ERR_FORMAT, "%s: line %zu, byte %zu: 0x%02x is not UTF-8", name, number, wrong,
                         (unsigned)(unsigned char)line[wrong]);
    return FST_OK;
}

/* The line's number less one is the token's id; an empty line leaves it unused. */
static fst_status read_lines(fst_tokenizer *tokenizer, const char *name, const char *text, size_t size)
{
    fst__vocabulary *vocabulary = &tokenizer->vocabulary;
    const char *at = text, *end = text + size;
    fst_status status = FST_OK;
    for (size_t number = 1; at < end && !status; ++number) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *line = at;
        size_t length = trimmed(line, (size_t)((newline ? newline : end) - line));
        at = newline ? newline + 1 : end;
        if (!length)
            continue;
        if (number > INT32_MAX / 2)
            return fst__fail(FST_ERR_FORMAT, "%s: line %zu: too many lines", name, number);
        status = check_line(name, number, line, length);
        int32_t known = status ? -1 : fst__vocabulary_find_spelling(vocabulary, line, length);
        if (known >= 0)
            status = fst__fail(FST_ERR_FORMAT, "%s: line %zu: \"%.*s\" is the token of line %d already", name, number,
                               (int)(length < 100 ? length : 100), line, known + 1);
        if (!status)
            status = fst__vocabulary_insert(vocabulary, (int32_t)number - 1, line, length, FST__TOKEN_MODEL, false);
    }
    if (!status && !vocabulary->count)
        status = fst__fail(FST_ERR_FORMAT, "%s: line 1: no token in the file", name);
    return status;
}

/* ---- tokenizer_config.json ---- */

enum { UNKNOWN, BEGIN, END, PAD, MASK, SPECIALS };

typedef struct wordpiece_settings {
    fst__bert_options options;
    const char *specials[SPECIALS];
} wordpiece_settings;

static const wordpiece_settings default_settings = {
    .options = {.clean_text = true, .chinese_characters = true, .strip_accents = true, .lowercase = true},
    .specials = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"},
};

/* config: tokenizer_config.json's object, NULL: there is none; the settings borrow from it. */
static fst_status settle(const fst_wordpiece_options *options, const json_t *config, const char *name,
                         wordpiece_settings *settings)
{
    static const char *const members[SPECIALS] = {"unk_token", "cls_token", "sep_token", "pad_token", "mask_token"};
    fst__bert_options *bert = &settings->options;
    *settings = default_settings;
    fst_status status = config ? fst__json_get_bool(config, "do_lower_case", name, false, &bert->lowercase) : FST_OK;
    if (options && options->lowercase >= 0)
        bert->lowercase = options->lowercase != 0;
    bert->strip_accents = bert->lowercase;
    const json_t *strip = json_object_get(config, "strip_accents");
    if (!status && strip && !json_is_null(strip))
        status = fst__json_get_bool(config, "strip_accents", name, false, &bert->strip_accents);
    if (!status && config)
        status = fst__json_get_bool(config, "tokenize_chinese_chars", name, false, &bert->chinese_characters);
    if (options && options->strip_accents >= 0)
        bert->strip_accents = options->strip_accents != 0;
    if (options && options->chinese_characters >= 0)
        bert->chinese_characters = options->chinese_characters != 0;
    if (options)
        bert->clean_text = options->clean_text != 0;
    for (int i = 0; config && i < SPECIALS; ++i) {
        const char *token = fst__config_token(config, members[i]);
        settings->specials[i] = token && *token ? token : settings->specials[i];
    }
    return status;
}

static fst_status add_specials(fst_tokenizer *tokenizer, const wordpiece_settings *settings)
{
    static const int32_t roles[SPECIALS] = {FST_TOKEN_UNKNOWN, FST_TOKEN_BOS, FST_TOKEN_EOS, FST_TOKEN_PAD,
                                            FST_TOKEN_MASK};
    fst_status status = FST_OK;
    for (int i = 0; i < SPECIALS && !status; ++i) {
        const char *token = settings->specials[i];
        int32_t id = fst__vocabulary_find_spelling(&tokenizer->vocabulary, token, strlen(token));
        if (id < 0)
            continue;
        tokenizer->roles[roles[i]] = id;
        status = fst__tokenizer_append_added(tokenizer, (fst__added){.id = id, .special = true}, token,
                                             strlen(token));
    }
    return status;
}

static fst_status build(fst_tokenizer *tokenizer, const char *name, const char *text, size_t length,
                        const wordpiece_settings *settings)
{
    tokenizer->model = FST__MODEL_WORDPIECE;
    fst_status status = fst__wordpiece_create(&tokenizer->wordpiece, tokenizer->allocator, FST__WORDPIECE_PREFIX,
                                              FST__WORDPIECE_CHARACTERS);
    tokenizer->unknown_token = fst__strdup(tokenizer->allocator, settings->specials[UNKNOWN]);
    if (!status)
        status = tokenizer->unknown_token ? read_lines(tokenizer, name, text, length) : FST_ERR_NO_MEMORY;
    if (!status)
        status = add_specials(tokenizer, settings);
    bool around = tokenizer->roles[FST_TOKEN_BOS] >= 0 && tokenizer->roles[FST_TOKEN_EOS] >= 0;
    if (!status)
        status = fst__wordpiece_set_parts(tokenizer, &settings->options, around ? settings->specials[BEGIN] : NULL,
                                          around ? settings->specials[END] : NULL);
    if (!status)
        status = fst__tokenizer_compile(tokenizer, name);
    return status ? status : fst__tokenizer_finish(tokenizer);
}

static fst_status parse(fst_context *context, const char *name, const char *text, size_t length,
                        const wordpiece_settings *settings, fst_tokenizer **out)
{
    fst_tokenizer *tokenizer;
    fst_status status = fst__tokenizer_create(context, &tokenizer);
    if (status)
        return status;
    status = build(tokenizer, name, text, length, settings);
    if (status)
        fst__tokenizer_release(tokenizer);
    else
        *out = tokenizer;
    return status;
}

fst_status fst__tokenizer_parse_wordpiece(fst_context *context, const char *name, const char *text, size_t length,
                                          const fst_wordpiece_options *options, fst_tokenizer **out)
{
    wordpiece_settings settings;
    fst_status status = settle(options, NULL, name, &settings);
    return status ? status : parse(context, name, text, length, &settings, out);
}

/* The tokenizer_config.json in the folder of a file, where there is one; *root NULL: there is none. */
static fst_status read_config_beside(fst__allocator *allocator, const char *path, char **config, json_t **root)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? fst__strdup(allocator, path) : fst__strdup(allocator, ".");
    *root = NULL;
    *config = NULL;
    if (!folder)
        return FST_ERR_NO_MEMORY;
    if (slash)
        folder[slash - path + (slash == path)] = '\0';
    *config = fst__path_join(allocator, folder, "tokenizer_config.json");
    fst__free(allocator, folder);
    if (!*config)
        return FST_ERR_NO_MEMORY;
    fst_status status = fst__file_exists(*config) ? fst__json_read_file(allocator, *config, most_bytes, root) : FST_OK;
    if (!status && *root && !json_is_object(*root))
        status = fst__fail(FST_ERR_FORMAT, "%s: not an object", *config);
    return status;
}

fst_status fst__tokenizer_load_wordpiece(fst_context *context, const char *path, const fst_wordpiece_options *options,
                                         fst_tokenizer **out)
{
    fst__allocator *allocator = &context->allocator;
    wordpiece_settings settings;
    json_t *root = NULL;
    char *config = NULL, *text = NULL;
    size_t size = 0;
    fst_status status = fst__file_read(allocator, path, most_bytes, &text, &size);
    if (!status)
        status = read_config_beside(allocator, path, &config, &root);
    if (!status)
        status = settle(options, root, config, &settings);
    if (!status)
        status = parse(context, path, text, size, &settings, out);
    json_decref(root);
    fst__free(allocator, config);
    fst__free(allocator, text);
    return status;
}
