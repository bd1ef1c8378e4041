#include "formats/records.h"

#include "base/error.h"
#include "base/utf8.h"
#include "formats/csv.h"
#include "formats/json_walk.h"
#include "formats/lines.h"
#include "formats/source.h"

#include <stdio.h>
#include <string.h>

struct fst__records {
    fst__allocator *allocator;
    char *file;
    int32_t format;
    bool header;
    bool had_row;   /* CSV, TSV: the number of columns is known */
    int64_t number; /* the line from 1, or of JSON the record from 0 */
    fst__lines *lines;
    fst__csv *csv;
    fst__text names;   /* CSV, TSV: the columns' names, each with a NUL behind it */
    int64_t columns;
    json_t *document;
    fst__json_walk *walk;
    json_t *record; /* what was given last, where the document does not hold it */
    fst__text place;
};

static bool ends_in(const char *name, size_t length, const char *ending)
{
    size_t count = strlen(ending);
    return length > count && memcmp(name + length - count, ending, count) == 0;
}

static fst_status format_of(const char *file, int32_t *format)
{
    static const struct {
        const char *ending;
        int32_t format;
    } known[] = {{".jsonl", FST__RECORDS_JSONL}, {".ndjson", FST__RECORDS_JSONL},
                 {".json", FST__RECORDS_JSON},   {".csv", FST__RECORDS_CSV},
                 {".tsv", FST__RECORDS_TSV},     {".txt", FST__RECORDS_LINES}};
    size_t length = strlen(file);
    if (ends_in(file, length, ".gz"))
        length -= 3;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i)
        if (ends_in(file, length, known[i].ending)) {
            *format = known[i].format;
            return FST_OK;
        }
    return fst__fail(FST_ERR_INVALID_ARGUMENT,
                     "%s: the name says no format (.jsonl, .json, .csv, .tsv, .txt, with .gz behind it "
                     "or not); give the format", file);
}

static fst_status open_document(fst__records *records, const fst__records_options *options)
{
    char *bytes;
    size_t size;
    fst_status status =
        fst__source_read_all(records->allocator, records->file, options->latin1, &bytes, &size);
    if (status)
        return status;
    status = fst__json_parse(bytes, size, records->file, &records->document);
    fst__free(records->allocator, bytes);
    if (status)
        return status;
    return fst__json_walk_open(records->allocator, records->document, records->file, options->path,
                               &records->walk);
}

static fst_status open_format(fst__records *records, const fst__records_options *options)
{
    records->number = -(records->format == FST__RECORDS_JSON);
    if (records->format != FST__RECORDS_JSON && options->path && *options->path)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: a path to the records is for JSON only",
                         records->file);
    switch (records->format) {
    case FST__RECORDS_JSON:
        return open_document(records, options);
    case FST__RECORDS_CSV:
    case FST__RECORDS_TSV:
        return fst__csv_open(records->allocator, records->file,
                             records->format == FST__RECORDS_CSV ? ',' : '\t', options->latin1,
                             &records->csv);
    case FST__RECORDS_JSONL:
    case FST__RECORDS_LINES:
        return fst__lines_open(records->allocator, records->file, options->latin1, &records->lines);
    default:
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: no format has the number %d", records->file,
                         records->format);
    }
}

fst_status fst__records_open(fst__allocator *allocator, const char *file,
                             const fst__records_options *options, fst__records **out)
{
    int32_t format = options->format;
    if (format == FST__RECORDS_AUTO) {
        fst_status status = format_of(file, &format);
        if (status)
            return status;
    }
    fst__records *records = fst__alloc_zero(allocator, sizeof *records);
    if (!records)
        return FST_ERR_NO_MEMORY;
    records->allocator = allocator;
    records->format = format;
    records->header = options->header;
    records->names = fst__text_create(allocator);
    records->place = fst__text_create(allocator);
    records->file = fst__strdup(allocator, file);
    fst_status status = records->file ? open_format(records, options) : FST_ERR_NO_MEMORY;
    if (status) {
        fst__records_close(records);
        return status;
    }
    *out = records;
    return FST_OK;
}

void fst__records_close(fst__records *records)
{
    if (!records)
        return;
    json_decref(records->record);
    fst__json_walk_close(records->walk);
    json_decref(records->document);
    fst__csv_close(records->csv);
    fst__lines_close(records->lines);
    fst__text_destroy(&records->names);
    fst__text_destroy(&records->place);
    fst__free(records->allocator, records->file);
    fst__free(records->allocator, records);
}

const char *fst__records_place(const fst__records *records)
{
    return records->place.data ? records->place.data : records->file;
}

int64_t fst__records_number(const fst__records *records)
{
    return records->number;
}

int64_t fst__records_list(const fst__records *records)
{
    return records->walk ? fst__json_walk_list(records->walk) : 0;
}

static fst_status set_place(fst__records *records)
{
    records->place.length = 0;
    if (records->walk) {
        const char *where = fst__json_walk_place(records->walk);
        fst__text_printf(&records->place, *where ? "%s: record %lld (%s)" : "%s: record %lld%s",
                         records->file, (long long)records->number, where);
    } else {
        fst__text_printf(&records->place, "%s: line %lld", records->file,
                         (long long)records->number);
    }
    return records->place.failed ? FST_ERR_NO_MEMORY : FST_OK;
}

/* Adds a string, which is known to be UTF-8, so that only memory can fail. */
static fst_status set_string(fst__records *records, const char *name, const char *text,
                             size_t length)
{
    json_t *value = json_stringn_nocheck(text, length);
    if (!value || json_object_set_new_nocheck(records->record, name, value) != 0)
        return fst__fail(FST_ERR_NO_MEMORY, "%s: no memory for the record", records->place.data);
    return FST_OK;
}

/* The next line that is not blank (JSONL) or empty (LINES). */
static fst_status next_line(fst__records *records, fst__line *line, bool *found)
{
    bool blank;
    do {
        fst_status status = fst__lines_next(records->lines, line, found);
        if (status || !*found)
            return status;
        size_t length = line->length;
        if (records->format == FST__RECORDS_JSONL)
            while (length > 0 && (line->text[length - 1] == ' ' || line->text[length - 1] == '\t'))
                --length;
        blank = length == 0;
    } while (blank);
    records->number = line->number;
    return set_place(records);
}

static fst_status next_jsonl(fst__records *records)
{
    fst__line line;
    bool found;
    fst_status status = next_line(records, &line, &found);
    if (status || !found)
        return status;
    status = fst__json_parse(line.text, line.length, records->place.data, &records->record);
    if (!status && !json_is_object(records->record))
        status = fst__fail(FST_ERR_FORMAT, "%s: an array, expected an object", records->place.data);
    return status;
}

static fst_status next_text(fst__records *records)
{
    fst__line line;
    bool found;
    size_t wrong;
    fst_status status = next_line(records, &line, &found);
    if (status || !found)
        return status;
    if (memchr(line.text, '\0', line.length))
        return fst__fail(FST_ERR_FORMAT, "%s: a NUL byte", records->place.data);
    if (!fst__is_utf8(line.text, line.length, &wrong))
        return fst__fail(FST_ERR_FORMAT, "%s: not UTF-8 at its byte %zu", records->place.data, wrong);
    if (!(records->record = json_object()))
        return fst__fail(FST_ERR_NO_MEMORY, "%s: no memory for the record", records->place.data);
    return set_string(records, "text", line.text, line.length);
}

/* The names of the columns, from a header or numbers. */
static fst_status name_columns(fst__records *records, const fst__csv_row *row)
{
    fst__text *names = &records->names;
    for (int64_t i = 0; i < row->count; ++i) {
        size_t begin = names->length;
        if (records->header && row->lengths[i] > 0)
            fst__text_append_string(names, row->fields[i]);
        else
            fst__text_printf(names, "%lld", (long long)i);
        fst__text_append(names, "", 1);
        if (names->failed)
            return FST_ERR_NO_MEMORY;
        for (const char *at = names->data; at < names->data + begin; at += strlen(at) + 1)
            if (strcmp(at, names->data + begin) == 0)
                return fst__fail(FST_ERR_FORMAT, "%s: line %lld: two columns have the name \"%s\"",
                                 records->file, (long long)row->line, at);
    }
    records->columns = row->count;
    records->had_row = true;
    return FST_OK;
}

static fst_status take_row(fst__records *records, fst__csv_row *row)
{
    fst_status status = fst__csv_next(records->csv, row);
    if (status || row->count == 0)
        return status;
    if (!records->had_row) {
        status = name_columns(records, row);
        if (!status && records->header)
            status = fst__csv_next(records->csv, row);
        if (status || row->count == 0)
            return status;
    }
    if (row->count != records->columns)
        return fst__fail(FST_ERR_FORMAT, "%s: line %lld: %lld fields, expected %lld", records->file,
                         (long long)row->line, (long long)row->count, (long long)records->columns);
    records->number = row->line;
    return set_place(records);
}

static fst_status next_row(fst__records *records)
{
    fst__csv_row row;
    fst_status status = take_row(records, &row);
    if (status || row.count == 0)
        return status;
    if (!(records->record = json_object()))
        return fst__fail(FST_ERR_NO_MEMORY, "%s: no memory for the record", records->place.data);
    const char *name = records->names.data;
    for (int64_t i = 0; i < row.count && !status; ++i) {
        status = set_string(records, name, row.fields[i], row.lengths[i]);
        name += strlen(name) + 1;
    }
    return status;
}

static fst_status next_element(fst__records *records, json_t **record)
{
    fst_status status = fst__json_walk_next(records->walk, record);
    if (status || !*record)
        return status;
    ++records->number;
    return set_place(records);
}

fst_status fst__records_next(fst__records *records, json_t **record)
{
    fst_status status;
    *record = NULL;
    json_decref(records->record);
    records->record = NULL;
    if (records->format == FST__RECORDS_JSON)
        return next_element(records, record);
    if (records->format == FST__RECORDS_JSONL)
        status = next_jsonl(records);
    else if (records->format == FST__RECORDS_LINES)
        status = next_text(records);
    else
        status = next_row(records);
    if (!status)
        *record = records->record;
    return status;
}
