#include "base/error.h"
#include "tokenizer/internal.h"
#include "base/utf8.h"

static fst_status emit(fst__scratch *scratch, fst__piece piece, size_t begin, size_t end)
{
    if (begin == end)
        return FST_OK;
    piece.begin = begin;
    piece.end = end;
    return fst__pieces_append(scratch, &scratch->next_pieces, piece);
}

static fst_status split_tiled(const fst_tokenizer *tokenizer, fst__scratch *scratch, const fst__step *step,
                              const char *text, fst__piece piece)
{
    if (!step->keep_matches)
        return FST_OK;
    for (size_t begin = piece.begin, end; begin < piece.end; begin = end) {
        end = fst__pattern_word_end(step->pattern, tokenizer->unicode, text, begin, piece.end);
        if (emit(scratch, piece, begin, end))
            return FST_ERR_NO_MEMORY;
    }
    return FST_OK;
}

/* text[begin, end) is valid UTF-8. */
static fst_status split_valid(fst__scratch *scratch, const fst__step *step, const char *text, fst__piece piece,
                              size_t begin, size_t end)
{
    size_t given = begin; /* up to here it has been given out */
    for (size_t from = begin; from <= end;) {
        bool found;
        size_t match_begin, match_end;
        fst_status status = fst__pattern_next(step->pattern, scratch->match, text, begin, from, end, &found,
                                              &match_begin, &match_end);
        if (status)
            return status;
        if (!found)
            break;
        if (match_begin < given) /* \K or a look-behind trick; a word cannot be given out twice */
            match_begin = given;
        if (match_end < match_begin)
            match_end = match_begin;
        if (step->keep_gaps && emit(scratch, piece, given, match_begin))
            return FST_ERR_NO_MEMORY;
        if (step->keep_matches && emit(scratch, piece, match_begin, match_end))
            return FST_ERR_NO_MEMORY;
        given = match_end;
        from = match_end;
        if (match_begin == match_end) { /* look further behind the next character */
            size_t length = 1;
            if (from < end)
                fst__utf8_decode((const unsigned char *)text + from, (const unsigned char *)text + end, &length);
            from += length;
        }
    }
    return step->keep_gaps ? emit(scratch, piece, given, end) : FST_OK;
}

/* Each byte that is not UTF-8 is a gap of its own. */
static fst_status split_by_regex(fst__scratch *scratch, const fst__step *step, const char *text,
                                 fst__piece piece)
{
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t begin = piece.begin; begin < piece.end;) {
        size_t end = begin, length;
        while (end < piece.end &&
               fst__utf8_decode(bytes + end, bytes + piece.end, &length) != FST__INVALID_BYTE)
            end += length;
        if (end > begin) {
            fst_status status = split_valid(scratch, step, text, piece, begin, end);
            if (status)
                return status;
        }
        if (end < piece.end) {
            if (step->keep_gaps && emit(scratch, piece, end, end + 1))
                return FST_ERR_NO_MEMORY;
            ++end;
        }
        begin = end;
    }
    return FST_OK;
}

/* Copies the pieces to scratch->prefixed with a space before each that begins with none. */
static fst_status prefix_space(fst__scratch *scratch, const char **text)
{
    fst__text *out = &scratch->prefixed;
    out->length = 0;
    out->failed = false;
    for (size_t i = 0; i < scratch->pieces.count; ++i) {
        fst__piece piece = scratch->pieces.items[i];
        size_t begin = out->length;
        if ((*text)[piece.begin] != ' ')
            fst__text_append(out, " ", 1);
        int64_t shift = (int64_t)out->length - (int64_t)piece.begin;
        fst__text_append(out, *text + piece.begin, piece.end - piece.begin);
        fst__piece moved = {begin, out->length, shift, (int64_t)piece.begin};
        if (out->failed || fst__pieces_append(scratch, &scratch->next_pieces, moved))
            return FST_ERR_NO_MEMORY;
    }
    *text = out->data ? out->data : *text;
    return FST_OK;
}

static fst_status split_bert(const fst_tokenizer *tokenizer, fst__scratch *scratch, const char *text, fst__piece piece)
{
    for (size_t begin = piece.begin, end; begin < piece.end; begin = end) {
        end = fst__bert_word(tokenizer->bert, text, &begin, piece.end);
        if (emit(scratch, piece, begin, end))
            return FST_ERR_NO_MEMORY;
    }
    return FST_OK;
}

static fst_status split(const fst_tokenizer *tokenizer, fst__scratch *scratch, const fst__step *step,
                        const char *text, fst__piece piece)
{
    if (step->kind == FST__STEP_BERT)
        return split_bert(tokenizer, scratch, text, piece);
    return fst__pattern_tiles(step->pattern) ? split_tiled(tokenizer, scratch, step, text, piece)
                                             : split_by_regex(scratch, step, text, piece);
}

fst_status fst__pretokenize(const fst_tokenizer *tokenizer, fst__scratch *scratch, const char *text,
                            size_t begin, size_t end, const char **words)
{
    const fst__pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    scratch->pieces.count = 0;
    *words = text;
    if (begin == end)
        return FST_OK;
    if (fst__pieces_append(scratch, &scratch->pieces, (fst__piece){begin, end, 0, 0}))
        return FST_ERR_NO_MEMORY;
    for (int i = 0; i < pretokenizer->count; ++i) {
        const fst__step *step = &pretokenizer->steps[i];
        fst_status status = FST_OK;
        scratch->next_pieces.count = 0;
        if (step->kind == FST__STEP_PREFIX_SPACE)
            status = prefix_space(scratch, words);
        for (size_t j = 0; step->kind != FST__STEP_PREFIX_SPACE && j < scratch->pieces.count && !status; ++j)
            status = split(tokenizer, scratch, step, *words, scratch->pieces.items[j]);
        if (status)
            return status;
        fst__pieces swap = scratch->pieces;
        scratch->pieces = scratch->next_pieces;
        scratch->next_pieces = swap;
    }
    return FST_OK;
}
