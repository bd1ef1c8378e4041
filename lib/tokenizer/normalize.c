/*
 * BERT's normalizer (bert.c), and Unicode normal forms (UAX #15) by utf8proc, only where a text needs it: a stretch begins at a
 * stable character that something unstable follows, and ends before the next stable one. Bytes
 * that are not UTF-8 are stable and pass through.
 */
#include "base/error.h"
#include "tokenizer/internal.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <utf8proc.h>

static bool is_unstable(const fst__unicode *unicode, int32_t point)
{
    if (point < 0x80)
        return false;
    return point >= 0x10000 || (unicode->unstable[point >> 3] >> (point & 7) & 1);
}

static fst_status normal_form(int normalization, const char *text, size_t length, fst__text *out)
{
    const unsigned char *bytes = (const unsigned char *)text, *end = bytes + length;
    for (const unsigned char *at = bytes; at < end;) {
        size_t step;
        const unsigned char *run = at;
        while (run < end && fst__utf8_decode(run, end, &step) != FST__INVALID_BYTE)
            run += step;
        if (run > at) {
            utf8proc_uint8_t *mapped = NULL;
            utf8proc_ssize_t size = utf8proc_map(at, run - at, &mapped, (utf8proc_option_t)normalization);
            if (size < 0)
                return fst__fail(FST_ERR_NO_MEMORY, "normalising: %s", utf8proc_errmsg(size));
            fst__text_append(out, mapped, (size_t)size);
            free(mapped);
        }
        if (run < end)
            fst__text_append(out, run++, 1);
        at = run;
    }
    return out->failed ? FST_ERR_NO_MEMORY : FST_OK;
}

/* The next stretch at or behind `at`; *begin == length: none. */
static void next_stretch(const fst__unicode *unicode, const unsigned char *text, size_t length, size_t at,
                         size_t *begin, size_t *end)
{
    const unsigned char *stop = text + length;
    size_t step, previous = at;
    *begin = *end = length;
    for (; at < length; at += step) {
        if (text[at] < 0x80) {
            previous = at;
            step = 1;
            continue;
        }
        int32_t point = fst__utf8_decode(text + at, stop, &step);
        if (point == FST__INVALID_BYTE)
            previous = at + 1;
        else if (!is_unstable(unicode, point))
            previous = at;
        else
            break;
    }
    if (at >= length)
        return;
    *begin = previous;
    for (; at < length; at += step) {
        int32_t point = fst__utf8_decode(text + at, stop, &step);
        if (point == FST__INVALID_BYTE || !is_unstable(unicode, point))
            break;
    }
    *end = at;
}

fst_status fst__normalize_text(const fst_tokenizer *tokenizer, const char *text, size_t length, fst__text *out)
{
    if (tokenizer->bert && tokenizer->bert->normalizes)
        return fst__bert_normalize(tokenizer->bert, text, length, out, NULL);
    if (tokenizer->normalization)
        return normal_form(tokenizer->normalization, text, length, out);
    fst__text_append(out, text, length);
    return out->failed ? FST_ERR_NO_MEMORY : FST_OK;
}

static fst_status normalize_bert(const fst_tokenizer *tokenizer, fst__scratch *scratch, bool record,
                                 const char **text, size_t *length)
{
    fst__text *out = &scratch->normalized;
    out->length = 0;
    out->failed = false;
    fst_status status = fst__bert_normalize(tokenizer->bert, *text, *length, out, record ? &scratch->edits : NULL);
    *text = out->data ? out->data : "";
    *length = out->length;
    return status;
}

fst_status fst__normalize(const fst_tokenizer *tokenizer, fst__scratch *scratch, bool record, const char **text,
                          size_t *length)
{
    scratch->edits.count = 0;
    if (tokenizer->bert && tokenizer->bert->normalizes)
        return normalize_bert(tokenizer, scratch, record, text, length);
    if (!tokenizer->normalization)
        return FST_OK;
    fst__text *out = &scratch->normalized;
    out->length = 0;
    out->failed = false;
    size_t copied = 0, begin, end;
    bool changed = false;
    const unsigned char *source = (const unsigned char *)*text;
    for (size_t at = 0; at < *length; at = end) {
        next_stretch(tokenizer->unicode, source, *length, at, &begin, &end);
        if (begin == *length)
            break;
        fst__text_append(out, *text + copied, begin - copied);
        size_t start = out->length;
        fst_status status = normal_form(tokenizer->normalization, *text + begin, end - begin, out);
        if (status)
            return status;
        copied = end;
        if (out->length - start == end - begin && memcmp(out->data + start, *text + begin, end - begin) == 0)
            continue;
        changed = true;
        if (fst__edits_append(&scratch->edits, (fst__edit){start, out->length, begin, end}))
            return FST_ERR_NO_MEMORY;
    }
    if (!changed)
        return FST_OK;
    fst__text_append(out, *text + copied, *length - copied);
    if (out->failed)
        return FST_ERR_NO_MEMORY;
    *text = out->data;
    *length = out->length;
    return FST_OK;
}
