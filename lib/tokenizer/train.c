#include "tokenizer/train.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/json.h"
#include "base/utf8.h"

static fst_status insert_special(fst_tokenizer *tokenizer, const char *token)
{
    fst__vocabulary *vocabulary = &tokenizer->vocabulary;
    if (fst__vocabulary_find_spelling(vocabulary, token, strlen(token)) < 0) {
        fst_status status = fst__vocabulary_insert(vocabulary, vocabulary->count, token, strlen(token),
                                                   FST__TOKEN_MODEL, tokenizer->model == FST__MODEL_BPE);
        if (status)
            return status;
    }
    return fst__tokenizer_append_added(tokenizer, (fst__added){.id = -1, .special = true}, token, strlen(token));
}

static fst_status insert_specials(fst_tokenizer *tokenizer, const fst_tokenizer_train_options *options)
{
    fst_status status = FST_OK;
    for (size_t i = 0; i < options->special_token_count && !status; ++i)
        status = insert_special(tokenizer, options->special_tokens[i]);
    return status;
}

/* The code points of a text into a set of 0x110000 bits. */
static fst_status mark_points(uint8_t *seen, const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text, *end = bytes + length;
    size_t step;
    for (const unsigned char *at = bytes; at < end; at += step) {
        int32_t point = fst__utf8_decode(at, end, &step);
        if (point == FST__INVALID_BYTE)
            return fst__fail(FST_ERR_FORMAT, "byte %zu: 0x%02x is not UTF-8", (size_t)(at - bytes), *at);
        if (!point)
            return fst__fail(FST_ERR_UNSUPPORTED, "byte %zu: a NUL, which no tokenizer.json can name",
                             (size_t)(at - bytes));
        seen[point >> 3] |= (uint8_t)(1u << (point & 7));
    }
    return FST_OK;
}

static fst_status mark_corpus(fst__allocator *allocator, const fst__corpus *corpus, uint8_t *seen)
{
    fst_status status = FST_OK;
    for (size_t i = 0; i < corpus->count && !status; ++i) {
        if (!corpus->paths) {
            size_t length = corpus->lengths ? corpus->lengths[i] : strlen(corpus->texts[i]);
            status = mark_points(seen, corpus->texts[i], length);
            if (status)
                fst__fail_in(status, "text %zu", i);
            continue;
        }
        char *text;
        size_t length;
        status = fst__file_read(allocator, corpus->paths[i], SIZE_MAX / 2, &text, &length);
        if (status)
            break;
        status = mark_points(seen, text, length);
        if (status)
            fst__fail_in(status, "%s", corpus->paths[i]);
        fst__free(allocator, text);
    }
    return status;
}

fst_status fst__train_characters(fst_tokenizer *tokenizer, const fst__corpus *corpus)
{
    uint8_t *seen = fst__alloc_zero(tokenizer->allocator, 0x110000 / 8);
    fst_status status = seen ? mark_corpus(tokenizer->allocator, corpus, seen) : FST_ERR_NO_MEMORY;
    for (int32_t point = 0; point < 0x110000 && !status; ++point) {
        unsigned char letter[4];
        if (!(seen[point >> 3] >> (point & 7) & 1))
            continue;
        size_t length = fst__utf8_encode((uint32_t)point, letter);
        status = fst__vocabulary_insert(&tokenizer->vocabulary, tokenizer->vocabulary.count, (char *)letter, length,
                                        FST__TOKEN_MODEL, false);
    }
    fst__free(tokenizer->allocator, seen);
    return status;
}

static const char *pattern_text(const char *name)
{
    if (!name || strcmp(name, "gpt2") == 0)
        return FST__PATTERN_GPT2;
    if (strcmp(name, "llama3") == 0)
        return FST__PATTERN_LLAMA3;
    return strcmp(name, "qwen2") == 0 ? FST__PATTERN_QWEN2 : name;
}

static void append_byte_level(fst__text *out, bool prefix, bool use_regex)
{
    fst__text_printf(out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"trim_offsets\":true,\"use_regex\":%s}",
                     prefix ? "true" : "false", use_regex ? "true" : "false");
}

static void append_split(fst__text *out, const char *pattern)
{
    fst__text_append_string(out, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
    fst__json_append_string(out, pattern, strlen(pattern));
    fst__text_append_string(out, "},\"behavior\":\"Isolated\",\"invert\":false}");
}

static fst_status set_part(fst_tokenizer *tokenizer, int part, fst__text *text)
{
    fst_status status = text->failed ? FST_ERR_NO_MEMORY : fst__tokenizer_set_part(tokenizer, part, text->data);
    text->length = 0;
    return status;
}

/* GPT-2's pattern is ByteLevel's own; others are a Split before it, as Llama 3 and Qwen 2 have it. */
static fst_status set_parts(fst_tokenizer *tokenizer, const fst_tokenizer_train_options *options)
{
    fst__text text = fst__text_create(tokenizer->allocator);
    const char *pattern = pattern_text(options->pattern);
    bool gpt2 = strcmp(pattern, FST__PATTERN_GPT2) == 0;
    fst_status status;
    if (tokenizer->model == FST__MODEL_WORD_LEVEL) {
        append_split(&text, FST__PATTERN_CODE_POINT);
        status = set_part(tokenizer, FST__PART_PRE_TOKENIZER, &text);
        if (!status)
            status = fst__tokenizer_set_part(tokenizer, FST__PART_DECODER, "{\"type\":\"Fuse\"}");
        fst__text_destroy(&text);
        return status;
    }
    if (!gpt2) {
        fst__text_append_string(&text, "{\"type\":\"Sequence\",\"pretokenizers\":[");
        append_split(&text, pattern);
        fst__text_append_string(&text, ",");
    }
    append_byte_level(&text, options->add_prefix_space != 0, gpt2);
    fst__text_append_string(&text, gpt2 ? "" : "]}");
    status = set_part(tokenizer, FST__PART_PRE_TOKENIZER, &text);
    append_byte_level(&text, options->add_prefix_space != 0, true);
    if (!status)
        status = set_part(tokenizer, FST__PART_POST_PROCESSOR, &text);
    append_byte_level(&text, options->add_prefix_space != 0, true);
    if (!status)
        status = set_part(tokenizer, FST__PART_DECODER, &text);
    fst__text_destroy(&text);
    return status;
}

static fst_status train_wordpiece(fst_tokenizer *tokenizer, const fst__corpus *corpus,
                                  const fst_tokenizer_train_options *options)
{
    static const char *const usual[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    const char *unknown = options->unknown_token ? options->unknown_token : "[UNK]";
    fst__bert_options bert = {.clean_text = true, .chinese_characters = options->chinese_characters != 0,
                              .lowercase = options->lowercase != 0};
    bert.strip_accents = options->strip_accents < 0 ? bert.lowercase : options->strip_accents != 0;
    fst__vocabulary *vocabulary = &tokenizer->vocabulary;
    fst__word_counts counts = {0};
    fst_tokenizer_train_options specials = *options;
    if (!specials.special_token_count) {
        specials.special_tokens = usual;
        specials.special_token_count = sizeof usual / sizeof usual[0];
    }
    fst_status status = fst__wordpiece_create(&tokenizer->wordpiece, tokenizer->allocator, FST__WORDPIECE_PREFIX,
                                              FST__WORDPIECE_CHARACTERS);
    tokenizer->unknown_token = fst__strdup(tokenizer->allocator, unknown);
    if (!status)
        status = tokenizer->unknown_token ? insert_specials(tokenizer, &specials) : FST_ERR_NO_MEMORY;
    if (!status)
        status = insert_special(tokenizer, unknown);
    if (!status) {
        bool around = fst__vocabulary_find_spelling(vocabulary, "[CLS]", 5) >= 0 &&
                      fst__vocabulary_find_spelling(vocabulary, "[SEP]", 5) >= 0;
        status = fst__wordpiece_set_parts(tokenizer, &bert, around ? "[CLS]" : NULL, around ? "[SEP]" : NULL);
    }
    if (!status)
        status = fst__tokenizer_compile(tokenizer, "training");
    if (!status)
        status = fst__count_words(tokenizer, corpus, &counts);
    if (!status)
        status = fst__train_wordpiece(tokenizer, &counts, options->vocabulary_size, options->minimum_frequency,
                                      options->limit_alphabet);
    fst__word_counts_destroy(&counts);
    return status;
}

static fst_status train_bpe(fst_tokenizer *tokenizer, const fst__corpus *corpus,
                            const fst_tokenizer_train_options *options)
{
    fst__word_counts counts = {0};
    fst_status status = insert_specials(tokenizer, options);
    if (!status)
        status = fst__count_words(tokenizer, corpus, &counts);
    if (!status)
        status = fst__train_bpe(tokenizer, &counts, options->vocabulary_size, options->minimum_frequency);
    fst__word_counts_destroy(&counts);
    return status;
}

static fst_status train_characters(fst_tokenizer *tokenizer, const fst__corpus *corpus,
                                   const fst_tokenizer_train_options *options)
{
    /* `tokenizers` wants a WordLevel model to name an unknown token, be there one or not. */
    const char *unknown = options->unknown_token ? options->unknown_token : "<unk>";
    tokenizer->unknown_token = fst__strdup(tokenizer->allocator, unknown);
    fst_status status = tokenizer->unknown_token ? fst__train_characters(tokenizer, corpus) : FST_ERR_NO_MEMORY;
    if (!status)
        status = insert_specials(tokenizer, options);
    if (!status && options->unknown_token)
        status = insert_special(tokenizer, unknown);
    return status;
}

static fst_status train(fst_context *context, const fst__corpus *corpus,
                        const fst_tokenizer_train_options *options, fst_tokenizer **out)
{
    fst_tokenizer *tokenizer;
    fst_status status = fst__tokenizer_create(context, &tokenizer);
    if (status)
        return status;
    bool bpe = options->kind == FST_TOKENIZER_BPE, wordpiece = options->kind == FST_TOKENIZER_WORDPIECE;
    tokenizer->model = bpe ? FST__MODEL_BPE : wordpiece ? FST__MODEL_WORDPIECE : FST__MODEL_WORD_LEVEL;
    if (wordpiece) {
        status = train_wordpiece(tokenizer, corpus, options);
    } else {
        status = set_parts(tokenizer, options);
        if (!status)
            status = fst__tokenizer_compile(tokenizer, "training");
        if (!status)
            status = bpe ? train_bpe(tokenizer, corpus, options) : train_characters(tokenizer, corpus, options);
    }
    if (!status)
        status = fst__tokenizer_finish(tokenizer);
    if (status)
        fst__tokenizer_release(tokenizer);
    else
        *out = tokenizer;
    return status;
}

fst_status fst__tokenizer_train_files(fst_context *context, const char *const *paths, size_t count,
                                      const fst_tokenizer_train_options *options, fst_tokenizer **out)
{
    return train(context, &(fst__corpus){.paths = paths, .count = count}, options, out);
}

fst_status fst__tokenizer_train_texts(fst_context *context, const char *const *texts, const size_t *lengths,
                                      size_t count, const fst_tokenizer_train_options *options,
                                      fst_tokenizer **out)
{
    return train(context, &(fst__corpus){.texts = texts, .lengths = lengths, .count = count}, options, out);
}
