/*
 * Encoding, in the order of `tokenizers`: added tokens in the raw text, normalizer, added tokens in
 * the normalised text, pre-tokenizer, model, and what the post-processor puts around it.
 */
#include "base/error.h"
#include "tokenizer/hash.h"
#include "tokenizer/internal.h"

typedef struct encoding {
    const fst_tokenizer *tokenizer;
    fst__scratch *scratch;
    fst__ids *out;
    bool parse_special;
    size_t origin; /* of the text that was normalised, in the caller's text */
    bool edited;   /* scratch->edits apply */
    int32_t word;  /* the next word's number */
} encoding;

/* Where a position of the normalised text was in the caller's. */
static int64_t source_position(encoding *encoder, size_t position, bool is_end)
{
    if (!encoder->edited)
        return (int64_t)(encoder->origin + position);
    const fst__edit *edits = encoder->scratch->edits.items;
    size_t count = encoder->scratch->edits.count, low = 0, high = count;
    while (low < high) { /* the first edit that ends behind position (at it, for an end) */
        size_t middle = (low + high) / 2;
        if (is_end ? edits[middle].end < position : edits[middle].end <= position)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < count && (is_end ? edits[low].begin < position : edits[low].begin <= position))
        return (int64_t)(encoder->origin + (is_end ? edits[low].source_end : edits[low].source_begin));
    size_t behind = low ? edits[low - 1].end : 0, source = low ? edits[low - 1].source_end : 0;
    return (int64_t)(encoder->origin + source + (position - behind));
}

static fst_status append(fst__ids *out, const int32_t *ids, size_t count)
{
    if (out->count + count > out->capacity) {
        fst_status status = fst__ids_reserve(out, count);
        if (status)
            return status;
    }
    for (size_t i = 0; i < count; ++i)
        out->ids[out->count + i] = ids[i];
    out->count += count;
    return FST_OK;
}

static fst_status append_one(fst__ids *out, int32_t id, int64_t begin, int64_t end, int32_t word)
{
    fst_status status = append(out, &id, 1);
    if (!status && out->with_words)
        out->words[out->count - 1] = word;
    if (!status && out->with_offsets) {
        out->offsets[2 * (out->count - 1)] = begin;
        out->offsets[2 * (out->count - 1) + 1] = end;
    }
    return status;
}

/* The ids of a word into scratch->word_ids. */
static fst_status cut_word(encoding *encoder, const char *word, size_t length, size_t *count)
{
    const fst_tokenizer *tokenizer = encoder->tokenizer;
    fst__scratch *scratch = encoder->scratch;
    fst_status status = fst__scratch_word(scratch, length);
    if (status)
        return status;
    if (tokenizer->model == FST__MODEL_BPE)
        return fst__bpe_merge_word(&tokenizer->bpe, scratch, word, length, scratch->word_ids, count);
    fst__wordpiece_cut(&tokenizer->wordpiece, &tokenizer->vocabulary, word, length, scratch->word_ids, count);
    if (*count)
        return FST_OK;
    *count = 1;
    scratch->word_ids[0] = tokenizer->unknown_id;
    return tokenizer->unknown_id >= 0 ? FST_OK
                                      : fst__fail(FST_ERR_NOT_FOUND, "no tokens for \"%.*s\" and no unknown token",
                                                  (int)(length < 32 ? length : 32), word);
}

/* A word that is not one token: from the cache, or cut up and put there. */
static fst_status append_cut(encoding *encoder, const char *word, size_t length, uint64_t hash)
{
    fst__scratch *scratch = encoder->scratch;
    fst__cached *cached = &scratch->cache[hash >> 32 & (FST__CACHE_ENTRIES - 1)];
    if (cached->hash == hash && cached->length == length && memcmp(cached->bytes, word, length) == 0)
        return append(encoder->out, cached->ids, cached->count);
    size_t count;
    fst_status status = cut_word(encoder, word, length, &count);
    if (status)
        return status;
    if (length <= FST__CACHED_BYTES && count <= FST__CACHED_IDS) {
        cached->hash = hash;
        cached->length = (uint8_t)length;
        cached->count = (uint8_t)count;
        memcpy(cached->bytes, word, length);
        memcpy(cached->ids, scratch->word_ids, count * sizeof *cached->ids);
    }
    return append(encoder->out, scratch->word_ids, count);
}

static fst_status encode_bpe_word(encoding *encoder, const char *word, size_t length)
{
    const fst__vocabulary *vocabulary = &encoder->tokenizer->vocabulary;
    uint64_t hash = fst__hash_bytes(word, length);
    for (size_t at = hash & vocabulary->mask;; at = (at + 1) & vocabulary->mask) {
        const fst__slot *slot = &vocabulary->by_bytes[at];
        if (slot->id < 0)
            break;
        if (slot->hash != hash)
            continue;
        const fst__token *token = &vocabulary->tokens[slot->id];
        if (token->length == length && (token->flags & FST__TOKEN_WHOLE) &&
            memcmp(fst__token_bytes(vocabulary, slot->id), word, length) == 0)
            return append(encoder->out, &slot->id, 1);
    }
    return append_cut(encoder, word, length, hash);
}

static fst_status encode_wordpiece(encoding *encoder, const char *word, size_t length)
{
    const fst_tokenizer *tokenizer = encoder->tokenizer;
    if (fst__wordpiece_too_long(&tokenizer->wordpiece, word, length) && tokenizer->unknown_id >= 0)
        return append(encoder->out, &tokenizer->unknown_id, 1);
    int32_t id = fst__vocabulary_find_bytes(&tokenizer->vocabulary, word, length);
    return id >= 0 ? append(encoder->out, &id, 1)
                   : append_cut(encoder, word, length, fst__hash_bytes(word, length));
}

static fst_status encode_listed_word(encoding *encoder, const char *word, size_t length, int64_t position)
{
    int32_t id = fst__vocabulary_find_bytes(&encoder->tokenizer->vocabulary, word, length);
    if (id < 0)
        id = encoder->tokenizer->unknown_id;
    if (id < 0) {
        return fst__fail(FST_ERR_NOT_FOUND, "byte %lld: no token for \"%.*s\" and no unknown token",
                         (long long)position, (int)(length < 32 ? length : 32), word);
    }
    return append(encoder->out, &id, 1);
}

static int64_t piece_source(encoding *encoder, const fst__piece *piece, size_t position, bool is_end)
{
    int64_t before = (int64_t)position - piece->shift;
    if (before < piece->floor)
        before = piece->floor;
    return source_position(encoder, (size_t)before, is_end);
}

/* The offsets of the ids from `first` on, which cover the piece. */
static void set_offsets(encoding *encoder, size_t first, const fst__piece *piece)
{
    fst__ids *out = encoder->out;
    const fst__token *tokens = encoder->tokenizer->vocabulary.tokens;
    size_t position = piece->begin;
    for (size_t i = first; i < out->count; ++i) {
        size_t end = position + tokens[out->ids[i]].length;
        if (i > first && encoder->tokenizer->model == FST__MODEL_WORDPIECE)
            end -= encoder->tokenizer->wordpiece.prefix_length;
        if (i + 1 == out->count) /* one for all of it may be the unknown token, of any length */
            end = piece->end;
        out->offsets[2 * i] = piece_source(encoder, piece, position, false);
        out->offsets[2 * i + 1] = piece_source(encoder, piece, end, true);
        position = end;
    }
}

static fst_status encode_piece(encoding *encoder, const char *text, const fst__piece *piece)
{
    size_t first = encoder->out->count;
    const char *word = text + piece->begin;
    size_t length = piece->end - piece->begin;
    fst_status status;
    if (encoder->tokenizer->model == FST__MODEL_BPE)
        status = encode_bpe_word(encoder, word, length);
    else if (encoder->tokenizer->model == FST__MODEL_WORDPIECE)
        status = encode_wordpiece(encoder, word, length);
    else
        status = encode_listed_word(encoder, word, length, piece_source(encoder, piece, piece->begin, false));
    if (status)
        return status;
    if (encoder->out->with_offsets)
        set_offsets(encoder, first, piece);
    for (size_t i = first; encoder->out->with_words && i < encoder->out->count; ++i)
        encoder->out->words[i] = encoder->word;
    ++encoder->word;
    return FST_OK;
}

/* text[begin, end) holds no added tokens. */
static fst_status encode_plain(encoding *encoder, const char *text, size_t begin, size_t end)
{
    const fst_tokenizer *tokenizer = encoder->tokenizer;
    const fst__step *only = tokenizer->pretokenizer.steps;
    fst_status status = FST_OK;
    if (tokenizer->pretokenizer.count == 1 && only->kind == FST__STEP_SPLIT && only->keep_matches &&
        fst__pattern_tiles(only->pattern)) { /* the usual case, without a list of words */
        for (size_t at = begin; at < end && !status;) {
            fst__piece piece = {.begin = at};
            at = piece.end = fst__pattern_word_end(only->pattern, tokenizer->unicode, text, at, end);
            status = encode_piece(encoder, text, &piece);
        }
        return status;
    }
    if (tokenizer->pretokenizer.count == 1 && only->kind == FST__STEP_BERT) {
        for (fst__piece piece = {.begin = begin}; piece.begin < end && !status; piece.begin = piece.end) {
            piece.end = fst__bert_word(tokenizer->bert, text, &piece.begin, end);
            if (piece.begin < piece.end)
                status = encode_piece(encoder, text, &piece);
        }
        return status;
    }
    const char *words;
    status = fst__pretokenize(tokenizer, encoder->scratch, text, begin, end, &words);
    for (size_t i = 0; i < encoder->scratch->pieces.count && !status; ++i)
        status = encode_piece(encoder, words, &encoder->scratch->pieces.items[i]);
    return status;
}

/* A stretch of the caller's text between added tokens that were found in it as it is. */
static fst_status encode_stretch(encoding *encoder, const char *text, size_t begin, size_t end)
{
    const fst_tokenizer *tokenizer = encoder->tokenizer;
    const char *normalized = text + begin;
    size_t length = end - begin, search = 0;
    /* A word list's error names the place of a word. */
    bool record = encoder->out->with_offsets || tokenizer->model == FST__MODEL_WORD_LEVEL;
    fst_status status = fst__normalize(tokenizer, encoder->scratch, record, &normalized, &length);
    encoder->origin = begin;
    encoder->edited = normalized != text + begin;
    for (size_t from = 0; from < length && !status;) {
        fst__found found = fst__added_find(tokenizer, &tokenizer->normalized_index, normalized, length, from,
                                           &search, encoder->parse_special);
        if (found.begin > from)
            status = encode_plain(encoder, normalized, from, found.begin);
        if (found.added && !status)
            status = append_one(encoder->out, found.added->id, source_position(encoder, found.begin, false),
                                source_position(encoder, found.end, true), encoder->word++);
        from = found.end;
    }
    return status;
}

static fst_status append_affix(fst__ids *out, const fst__affix *affix)
{
    fst_status status = FST_OK;
    for (size_t i = 0; i < affix->count && !status; ++i)
        status = append_one(out, affix->ids[i], 0, 0, -1);
    return status;
}

/* A text without what the post-processor puts around it. On an error `out` may hold a part of it. */
static fst_status encode_text(const fst_tokenizer *tokenizer, const char *text, size_t length, bool parse_special,
                              fst__ids *out)
{
    if (length > FST__MAX_TEXT)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "a text of %zu bytes; at most %zu", length, FST__MAX_TEXT);
    fst__scratch *scratch = fst__scratch_take(tokenizer->stock, tokenizer->allocator);
    if (!scratch)
        return FST_ERR_NO_MEMORY;
    encoding encoder = {tokenizer, scratch, out, parse_special, 0, false, 0};
    size_t search = 0;
    fst_status status = FST_OK;
    for (size_t from = 0; from < length && !status;) {
        fst__found found = fst__added_find(tokenizer, &tokenizer->raw_index, text, length, from, &search,
                                           parse_special);
        if (found.begin > from)
            status = encode_stretch(&encoder, text, from, found.begin);
        if (found.added && !status)
            status = append_one(out, found.added->id, (int64_t)found.begin, (int64_t)found.end, encoder.word++);
        from = found.end;
    }
    fst__scratch_return(tokenizer->stock, scratch);
    return status;
}

fst_status fst__tokenizer_encode(const fst_tokenizer *tokenizer, const char *text, size_t length,
                                 bool add_special_tokens, bool parse_special, fst__ids *out)
{
    size_t before = out->count;
    fst_status status = add_special_tokens ? append_affix(out, &tokenizer->prefix) : FST_OK;
    if (!status)
        status = encode_text(tokenizer, text, length, parse_special, out);
    if (!status && add_special_tokens)
        status = append_affix(out, &tokenizer->suffix);
    if (status)
        out->count = before;
    return status;
}

/* Appends the type until there are `count` of them. */
static fst_status fill_types(fst__ids *types, size_t count, int32_t type)
{
    fst_status status = FST_OK;
    while (types && types->count < count && !status)
        status = append(types, &type, 1);
    return status;
}

fst_status fst__tokenizer_encode_pair(const fst_tokenizer *tokenizer, const char *const texts[2],
                                      const size_t lengths[2], bool add_special_tokens, bool parse_special,
                                      fst__ids *out, fst__ids *types)
{
    static const fst__pair_item plain[] = {{FST__PAIR_FIRST, 0}, {FST__PAIR_SECOND, 1}};
    const fst__pair_template *pair = &tokenizer->pair;
    bool templated = add_special_tokens && pair->count;
    const fst__pair_item *items = templated ? pair->items : plain;
    size_t before = out->count, types_before = types ? types->count : 0;
    fst_status status = FST_OK;
    for (size_t i = 0; i < (templated ? pair->count : 2) && !status; ++i) {
        int which = items[i].id == FST__PAIR_SECOND;
        status = items[i].id >= 0
                     ? append_one(out, items[i].id, 0, 0, -1)
                     : encode_text(tokenizer, texts[which], lengths[which], parse_special, out);
        if (!status)
            status = fill_types(types, types_before + out->count - before, items[i].type);
    }
    if (status) {
        out->count = before;
        if (types)
            types->count = types_before;
    }
    return status;
}
