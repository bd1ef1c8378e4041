#include "tokenizer/bert.h"

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/unicode.h"

#include <string.h>
#include <utf8proc.h>

enum {
    STRIPPED = 255,         /* classes of marks, see bert_tables.c */
    STRIPPED_STARTER = 254,
    MOST_DECOMPOSED = 32,
    MOST_OUT = 4 * MOST_DECOMPOSED, /* bytes that one code point may become */
    /* Marks in a row that are kept in the order of their classes; real text has two or three. */
    MOST_MARKS = 256,
};

static bool in_ranges(const fst__bert_range *ranges, size_t count, int32_t point)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].last < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ranges[low].first <= point;
}

/* 0: no mark. */
static int32_t mark_class(int32_t point)
{
    size_t low = 0, high = fst__bert_marks_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fst__bert_marks[middle].last < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < fst__bert_marks_count && fst__bert_marks[low].first <= point ? fst__bert_marks[low].class : 0;
}

static int32_t lower(int32_t point)
{
    if (point < 0x80)
        return point >= 'A' && point <= 'Z' ? point + 32 : point;
    size_t low = 0, high = fst__bert_lower_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fst__bert_lower[middle].last < point)
            low = middle + 1;
        else
            high = middle;
    }
    const fst__bert_small *row = &fst__bert_lower[low];
    bool listed = low < fst__bert_lower_count && row->first <= point && (point - row->first) % row->step == 0;
    return listed ? point + row->delta : point;
}

/* bert.rs, is_chinese_char. */
static bool is_ideograph(int32_t point)
{
    static const fst__bert_range blocks[] = {
        {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
        {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F},
    };
    return point >= 0x3400 && in_ranges(blocks, sizeof blocks / sizeof blocks[0], point);
}

/* Whether the normal form D of `tokenizers`, older than utf8proc's, takes the code point apart. */
static bool decomposes(int32_t point)
{
    static const fst__bert_range newer[] = {
        {0x105C9, 0x105C9}, {0x105E4, 0x105E4}, {0x11383, 0x11385}, {0x1138E, 0x11391},
        {0x113C5, 0x113C8}, {0x11938, 0x11938}, {0x16121, 0x16128}, {0x16D68, 0x16D6A},
    };
    if (point >= 0xAC00 && point <= 0xD7A3)
        return true;
    const utf8proc_property_t *property = utf8proc_get_property(point);
    return property->decomp_type == 0 && property->decomp_seqindex != UINT16_MAX &&
           !in_ranges(newer, sizeof newer / sizeof newer[0], point);
}

static int action_of(const fst__bert *bert, int32_t point)
{
    const fst__bert_options *options = &bert->options;
    if (options->clean_text && in_ranges(fst__bert_dropped, fst__bert_dropped_count, point))
        return FST__BERT_DROP;
    if (options->clean_text && fst__unicode_is_space(point))
        return FST__BERT_SPACE;
    if (options->strip_accents && (mark_class(point) || decomposes(point)))
        return FST__BERT_COMPLEX;
    if (options->lowercase && point >= 0x80 && (point == 0x130 || lower(point) != point))
        return FST__BERT_COMPLEX;
    return options->chinese_characters && is_ideograph(point) ? FST__BERT_IDEOGRAPH : FST__BERT_COPY;
}

static int cut_at(int32_t point)
{
    if (fst__unicode_is_space(point))
        return FST__BERT_IS_SPACE;
    bool punctuation = in_ranges(fst__bert_punctuation, fst__bert_punctuation_count, point);
    return punctuation ? FST__BERT_IS_PUNCTUATION : 0;
}

void fst__bert_fill(fst__bert *bert)
{
    for (int32_t point = 0; point < 0x10000; ++point)
        bert->classes[point] = (uint8_t)(cut_at(point) | (bert->normalizes ? action_of(bert, point) : 0));
    for (int32_t point = 0; point < 0x80; ++point) {
        bool space = (bert->classes[point] & FST__BERT_ACTION) == FST__BERT_SPACE;
        bert->ascii[point] = (char)(space ? ' ' : bert->options.lowercase ? lower(point) : point);
    }
}

fst_status fst__edits_append(fst__edits *edits, fst__edit edit)
{
    fst__edit *last = edits->count ? &edits->items[edits->count - 1] : NULL;
    if (last && last->begin == last->end && edit.begin == edit.end && last->source_end == edit.source_begin &&
        last->end == edit.begin) { /* one more is dropped */
        last->source_end = edit.source_end;
        return FST_OK;
    }
    if (edits->count == edits->capacity) {
        size_t capacity = edits->capacity * 2 + 64;
        fst__edit *items = fst__realloc_array(edits->allocator, edits->items, capacity, sizeof *items);
        if (!items)
            return FST_ERR_NO_MEMORY;
        edits->items = items;
        edits->capacity = capacity;
    }
    edits->items[edits->count++] = edit;
    return FST_OK;
}

/* ---- normalising ---- */

typedef struct bert_writer {
    const fst__bert *bert;
    fst__text *out;
    fst__edits *edits;   /* NULL: none */
    size_t run;          /* in out: behind the last character that is no mark */
    size_t run_source;   /* in the source */
    size_t marks;        /* kept since then */
} bert_writer;

static bool reserve(fst__text *text, size_t more)
{
    if (more < text->capacity - text->length && text->data)
        return true;
    size_t needed = text->length + more + 1, capacity = text->capacity + text->capacity / 2 + 256;
    if (capacity < needed)
        capacity = needed;
    char *grown = fst__realloc(text->allocator, text->data, capacity);
    if (!grown) {
        text->failed = true;
        return false;
    }
    text->data = grown;
    text->capacity = capacity;
    return true;
}

static void put(fst__text *out, int32_t point)
{
    out->length += fst__utf8_encode((uint32_t)point, (unsigned char *)out->data + out->length);
}

static void end_run(bert_writer *writer, size_t source)
{
    writer->run = writer->out->length;
    writer->run_source = source;
    writer->marks = 0;
}

/* Canonical ordering (Unicode 3.11, D108): a mark stands before those of a higher class. True if it
 * was put before another. */
static bool put_mark(bert_writer *writer, int32_t point, int32_t class)
{
    fst__text *out = writer->out;
    size_t at = out->length, step, end = out->length;
    const unsigned char *bytes = (const unsigned char *)out->data;
    while (at > writer->run) {
        int32_t before = fst__utf8_decode_before(bytes + writer->run, bytes + at, &step);
        if (mark_class(before) <= class)
            break;
        at -= step;
    }
    put(out, point);
    size_t size = out->length - end;
    if (at < end) {
        char moved[4];
        memcpy(moved, out->data + end, size);
        memmove(out->data + at + size, out->data + at, end - at);
        memcpy(out->data + at, moved, size);
    }
    ++writer->marks;
    return at < end;
}

/* One code point of the normal form D, or as it was: marks are stripped, capitals made small. True if
 * what stood before it was moved. */
static bool put_point(bert_writer *writer, int32_t point, size_t source_end)
{
    const fst__bert_options *options = &writer->bert->options;
    int32_t class = options->strip_accents ? mark_class(point) : 0;
    if (class == STRIPPED)
        return false;
    if (class && class != STRIPPED_STARTER && writer->marks < MOST_MARKS)
        return put_mark(writer, point, class);
    if (class != STRIPPED_STARTER) {
        bool dotted = options->lowercase && point == 0x130; /* becomes an i and a dot */
        put(writer->out, dotted ? 'i' : options->lowercase ? lower(point) : point);
        if (dotted)
            put(writer->out, 0x307);
    }
    end_run(writer, source_end);
    return false;
}

/* Room for MOST_OUT bytes is there. */
static fst_status put_complex(bert_writer *writer, int32_t point, size_t begin, size_t end)
{
    utf8proc_int32_t parts[MOST_DECOMPOSED] = {point};
    utf8proc_ssize_t count = 1;
    bool moved = false, ideograph = writer->bert->options.chinese_characters && is_ideograph(point);
    size_t out_begin = writer->out->length, run = writer->run, run_source = writer->run_source;
    if (writer->bert->options.strip_accents && decomposes(point)) {
        int boundary = 0;
        count = utf8proc_decompose_char(point, parts, MOST_DECOMPOSED, UTF8PROC_DECOMPOSE, &boundary);
        if (count < 1 || count > MOST_DECOMPOSED)
            return fst__fail(FST_ERR_UNSUPPORTED, "U+%04X cannot be taken apart", (unsigned)point);
    }
    if (ideograph)
        put_point(writer, ' ', end);
    for (utf8proc_ssize_t i = 0; i < count; ++i)
        moved |= put_point(writer, parts[i], end);
    if (ideograph)
        put_point(writer, ' ', end);
    if (!writer->edits)
        return FST_OK;
    fst__edits *edits = writer->edits;
    if (moved) { /* the run as a whole stands for its source */
        while (edits->count && edits->items[edits->count - 1].source_begin >= run_source)
            --edits->count;
        return fst__edits_append(edits, (fst__edit){run, writer->out->length, run_source, end});
    }
    size_t step, size = writer->out->length - out_begin;
    if (size == end - begin && size) {
        const unsigned char *bytes = (const unsigned char *)writer->out->data + out_begin;
        if (fst__utf8_decode(bytes, bytes + size, &step) >= 0 && step == size)
            return FST_OK; /* one for one */
    }
    return fst__edits_append(edits, (fst__edit){out_begin, writer->out->length, begin, end});
}

/* ASCII from `at` up to something else; returns where that stands. */
static size_t put_ascii(bert_writer *writer, const unsigned char *text, size_t at, size_t length)
{
    const fst__bert *bert = writer->bert;
    char *out = writer->out->data + writer->out->length;
    size_t begin = at;
    for (; at < length && text[at] < 0x80; ++at) {
        if ((bert->classes[text[at]] & FST__BERT_ACTION) == FST__BERT_DROP)
            break;
        *out++ = bert->ascii[text[at]];
    }
    if (at > begin) {
        writer->out->length += at - begin;
        end_run(writer, at);
    }
    return at;
}

/* The code point at text[begin, end), or a byte that is not UTF-8. */
static fst_status put_one(bert_writer *writer, const unsigned char *text, int32_t point, size_t begin, size_t end)
{
    const fst__bert *bert = writer->bert;
    int action = point == FST__INVALID_BYTE ? bert->options.clean_text ? FST__BERT_DROP : FST__BERT_COPY
                 : point < 0x10000          ? bert->classes[point] & FST__BERT_ACTION
                                            : action_of(bert, point);
    fst__text *out = writer->out;
    size_t out_begin = out->length;
    switch (action) {
    case FST__BERT_COMPLEX:
        return put_complex(writer, point, begin, end);
    case FST__BERT_COPY:
        memcpy(out->data + out->length, text + begin, end - begin);
        out->length += end - begin;
        end_run(writer, end);
        return FST_OK;
    case FST__BERT_IDEOGRAPH:
        out->data[out->length++] = ' ';
        memcpy(out->data + out->length, text + begin, end - begin);
        out->length += end - begin;
        out->data[out->length++] = ' ';
        end_run(writer, end);
        break;
    case FST__BERT_SPACE:
        out->data[out->length++] = ' ';
        end_run(writer, end);
        break;
    default: /* dropped before marks are looked at: a run goes on over it */
        break;
    }
    return writer->edits ? fst__edits_append(writer->edits, (fst__edit){out_begin, out->length, begin, end})
                         : FST_OK;
}

fst_status fst__bert_normalize(const fst__bert *bert, const char *text, size_t length, fst__text *out,
                               fst__edits *edits)
{
    const unsigned char *bytes = (const unsigned char *)text;
    bert_writer writer = {.bert = bert, .out = out, .edits = edits, .run = out->length};
    fst_status status = FST_OK;
    for (size_t at = 0, step; at < length && !status; at += step) {
        if (!reserve(out, length - at + MOST_OUT))
            return FST_ERR_NO_MEMORY;
        at = put_ascii(&writer, bytes, at, length);
        if (at == length)
            break;
        int32_t point = fst__utf8_decode(bytes + at, bytes + length, &step);
        status = put_one(&writer, bytes, point, at, at + step);
    }
    return status;
}

/* ---- words ---- */

static inline int word_class(const fst__bert *bert, const unsigned char *at, const unsigned char *end,
                             size_t *length)
{
    *length = 1;
    if (*at < 0x80)
        return bert->classes[*at];
    int32_t point = fst__utf8_decode(at, end, length);
    return point < 0 ? 0 : point < 0x10000 ? bert->classes[point] : cut_at(point);
}

size_t fst__bert_word(const fst__bert *bert, const char *text, size_t *begin, size_t end)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = *begin, step = 0;
    int class = FST__BERT_IS_SPACE;
    while (at < end && ((class = word_class(bert, bytes + at, bytes + end, &step)) & FST__BERT_IS_SPACE))
        at += step;
    *begin = at;
    if (at == end)
        return end;
    at += step;
    if (class & FST__BERT_IS_PUNCTUATION)
        return at;
    while (at < end && !((class = word_class(bert, bytes + at, bytes + end, &step)) &
                         (FST__BERT_IS_SPACE | FST__BERT_IS_PUNCTUATION)))
        at += step;
    return at;
}
