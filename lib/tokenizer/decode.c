/* Ids to bytes, as `tokenizers`' decoders do it. */
#include "tokenizer/internal.h"

/* Where the text goes; NULL: it is only measured. */
typedef struct text_sink {
    char *text;
    size_t length;
} text_sink;

static void put(text_sink *sink, const char *bytes, size_t length)
{
    if (sink->text && length)
        memcpy(sink->text + sink->length, bytes, length);
    sink->length += length;
}

/* decoders/wordpiece.rs, cleanup: English punctuation without the space before it. */
static const struct replacement {
    const char *from, *to;
} replacements[] = {
    {" .", "."},     {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
    {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

/* The replacement at a space; NULL: none. `lead`: a space that is not there stands before the bytes. */
static const struct replacement *replacement_at(const char *bytes, size_t length, bool lead)
{
    for (size_t i = 0; i < sizeof replacements / sizeof replacements[0]; ++i) {
        const char *from = replacements[i].from + (lead ? 1 : 0);
        size_t size = strlen(from);
        if (size <= length && memcmp(bytes, from, size) == 0)
            return &replacements[i];
    }
    return NULL;
}

/* A token, behind a space where `lead`. */
static void put_clean(text_sink *sink, const char *bytes, size_t length, bool lead)
{
    for (size_t at = 0; lead || at < length; lead = false) {
        bool space = lead || bytes[at] == ' ';
        const struct replacement *found = space ? replacement_at(bytes + at, length - at, lead) : NULL;
        if (found) {
            put(sink, found->to, strlen(found->to));
            at += strlen(found->from) - (lead ? 1 : 0);
        } else if (lead) {
            put(sink, " ", 1);
        } else {
            put(sink, bytes + at++, 1);
        }
    }
}

static void put_token(const fst_tokenizer *tokenizer, text_sink *sink, const char *bytes, size_t length, bool first)
{
    if (tokenizer->decoder == FST__DECODER_WORDPIECE) {
        size_t prefix = strlen(tokenizer->decoder_prefix);
        bool rest = !first && length >= prefix && memcmp(bytes, tokenizer->decoder_prefix, prefix) == 0;
        if (rest) {
            bytes += prefix;
            length -= prefix;
        }
        if (tokenizer->decoder_cleanup) {
            put_clean(sink, bytes, length, !first && !rest);
            return;
        }
        if (!first && !rest)
            put(sink, " ", 1);
    } else if (tokenizer->decoder == FST__DECODER_NONE && tokenizer->model != FST__MODEL_BPE && !first) {
        put(sink, " ", 1); /* without a decoder `tokenizers` joins the tokens with a space */
    }
    put(sink, bytes, length);
}

/* Returns the place of the first id that is no token; count: all are. */
static size_t decode(const fst_tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special,
                     text_sink *sink)
{
    bool first = true, special;
    const char *bytes;
    size_t length;
    for (size_t i = 0; i < count; ++i) {
        if (!fst__tokenizer_token(tokenizer, ids[i], &bytes, &length, &special))
            return i;
        if (special && skip_special)
            continue;
        put_token(tokenizer, sink, bytes, length, first);
        first = false;
    }
    return count;
}

size_t fst__tokenizer_decode_length(const fst_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                    bool skip_special, size_t *wrong)
{
    text_sink sink = {0};
    *wrong = decode(tokenizer, ids, count, skip_special, &sink);
    return *wrong < count ? 0 : sink.length;
}

void fst__tokenizer_decode(const fst_tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special,
                           char *text)
{
    text_sink sink = {text, 0};
    decode(tokenizer, ids, count, skip_special, &sink);
}
