#include "formats/csv.h"

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"

#include <string.h>

struct fst__csv {
    fst__allocator *allocator;
    fst__lines *lines;
    char *path;
    fst__text text; /* the row's fields, unquoted, each with a NUL behind it */
    size_t *begins, *lengths;
    const char **fields;
    int64_t count, capacity;
    char separator;
};

fst_status fst__csv_open(fst__allocator *allocator, const char *path, char separator, bool latin1,
                         fst__csv **out)
{
    fst__csv *csv = fst__alloc_zero(allocator, sizeof *csv);
    if (!csv)
        return FST_ERR_NO_MEMORY;
    csv->allocator = allocator;
    csv->separator = separator;
    csv->text = fst__text_create(allocator);
    csv->path = fst__strdup(allocator, path);
    fst_status status = csv->path ? fst__lines_open(allocator, path, latin1, &csv->lines)
                                  : FST_ERR_NO_MEMORY;
    if (status) {
        fst__csv_close(csv);
        return status;
    }
    *out = csv;
    return FST_OK;
}

void fst__csv_close(fst__csv *csv)
{
    if (!csv)
        return;
    fst__lines_close(csv->lines);
    fst__text_destroy(&csv->text);
    fst__free(csv->allocator, csv->begins);
    fst__free(csv->allocator, csv->lengths);
    fst__free(csv->allocator, csv->fields);
    fst__free(csv->allocator, csv->path);
    fst__free(csv->allocator, csv);
}

static fst_status fail_at(const fst__csv *csv, int64_t line, const char *what)
{
    return fst__fail(FST_ERR_FORMAT, "%s: line %lld: %s", csv->path, (long long)line, what);
}

static fst_status grow(fst__csv *csv)
{
    int64_t capacity = csv->capacity ? 2 * csv->capacity : 16;
    size_t room = (size_t)capacity;
    size_t *begins = fst__realloc_array(csv->allocator, csv->begins, room, sizeof *begins);
    if (begins)
        csv->begins = begins;
    size_t *lengths = fst__realloc_array(csv->allocator, csv->lengths, room, sizeof *lengths);
    if (lengths)
        csv->lengths = lengths;
    const char **fields = fst__realloc_array(csv->allocator, csv->fields, room, sizeof *fields);
    if (fields)
        csv->fields = fields;
    if (!begins || !lengths || !fields)
        return FST_ERR_NO_MEMORY;
    csv->capacity = capacity;
    return FST_OK;
}

/* The field that ends where the text ends now. */
static fst_status end_field(fst__csv *csv, size_t begin, int64_t line)
{
    if (csv->count == csv->capacity && grow(csv) != FST_OK)
        return FST_ERR_NO_MEMORY;
    size_t length = csv->text.length - begin, wrong;
    fst__text_append(&csv->text, "", 1);
    if (csv->text.failed)
        return fst__fail(FST_ERR_NO_MEMORY, "%s: line %lld: no memory for the row", csv->path,
                         (long long)line);
    const char *field = csv->text.data + begin;
    if (memchr(field, '\0', length))
        return fail_at(csv, line, "a NUL byte");
    if (!fst__is_utf8(field, length, &wrong))
        return fst__fail(FST_ERR_FORMAT, "%s: line %lld: field %lld is not UTF-8 at its byte %zu",
                         csv->path, (long long)line, (long long)csv->count + 1, wrong);
    csv->begins[csv->count] = begin;
    csv->lengths[csv->count++] = length;
    return FST_OK;
}

/* From behind an opening quote to behind the closing one, over as many lines as it takes. */
static fst_status take_quoted(fst__csv *csv, fst__line *line, size_t *at)
{
    int64_t began = line->number;
    for (;;) {
        const char *from = line->text + *at;
        const char *quote = memchr(from, '"', line->length - *at);
        size_t length = quote ? (size_t)(quote - from) : line->length - *at;
        fst__text_append(&csv->text, from, length);
        *at += length;
        if (quote && *at + 1 < line->length && quote[1] == '"') {
            fst__text_append(&csv->text, "\"", 1);
            *at += 2;
            continue;
        }
        if (quote) {
            ++*at;
            return FST_OK;
        }
        fst__text_append_string(&csv->text, line->end);
        bool found;
        fst_status status = fst__lines_next(csv->lines, line, &found);
        if (status)
            return status;
        if (!found)
            return fail_at(csv, began, "a quote begins here and is never closed");
        if (csv->text.length > FST__LINE_LIMIT)
            return fail_at(csv, began, "a quote begins here and is not closed for 256 MiB");
        *at = 0;
    }
}

static fst_status take_field(fst__csv *csv, fst__line *line, size_t *at)
{
    size_t begin = csv->text.length;
    if (csv->separator == ',' && *at < line->length && line->text[*at] == '"') {
        ++*at;
        fst_status status = take_quoted(csv, line, at);
        if (status)
            return status;
        if (*at < line->length && line->text[*at] != ',')
            return fail_at(csv, line->number, "text behind a closing quote");
    } else {
        const char *from = line->text + *at;
        const char *end = memchr(from, csv->separator, line->length - *at);
        size_t length = end ? (size_t)(end - from) : line->length - *at;
        if (csv->separator == ',' && memchr(from, '"', length))
            return fail_at(csv, line->number, "a quote inside a field that does not begin with one");
        fst__text_append(&csv->text, from, length);
        *at += length;
    }
    return end_field(csv, begin, line->number);
}

fst_status fst__csv_next(fst__csv *csv, fst__csv_row *row)
{
    fst__line line;
    bool found;
    *row = (fst__csv_row){0};
    csv->count = 0;
    csv->text.length = 0;
    do {
        fst_status status = fst__lines_next(csv->lines, &line, &found);
        if (status || !found)
            return status;
    } while (line.length == 0);
    int64_t began = line.number;
    for (size_t at = 0;; ++at) { /* over the separator */
        fst_status status = take_field(csv, &line, &at);
        if (status)
            return status;
        if (at == line.length)
            break;
    }
    for (int64_t i = 0; i < csv->count; ++i)
        csv->fields[i] = csv->text.data + csv->begins[i];
    *row = (fst__csv_row){
        .fields = csv->fields, .lengths = csv->lengths, .count = csv->count, .line = began};
    return FST_OK;
}
