/* Datasets from text: files, JSONL, memory. */
#include "base/error.h"
#include "data/text_builder.h"
#include "formats/file.h"
#include "formats/records.h"

#include <string.h>

static const size_t FILE_LIMIT = (size_t)1 << 46; /* what a machine has bounds it before */

fst_dataset_text_options fst__dataset_text_defaults(void)
{
    return (fst_dataset_text_options){.struct_size = sizeof(fst_dataset_text_options),
                                      .documents = FST_DOCUMENT_FILE,
                                      .bos_id = -1,
                                      .eos_id = -1};
}

/* One file's text, while its documents are being cut out. */
typedef struct source {
    const char *path;
    const char *text;
    size_t length;
} source;

static fst_status add_span(fst__text_builder *builder, const source *s, size_t begin, size_t end)
{
    fst__text_document document = {.text = s->text + begin,
                                   .length = end - begin,
                                   .source = s->path,
                                   .place = (int64_t)begin,
                                   .place_kind = FST__PLACE_BYTE};
    return fst__text_builder_add(builder, &document, false);
}

/* The line at `begin`: where its text ends, and where the next line begins. */
static size_t line_end(const source *s, size_t begin, size_t *next)
{
    const char *newline = memchr(s->text + begin, '\n', s->length - begin);
    size_t end = newline ? (size_t)(newline - s->text) : s->length;
    *next = newline ? end + 1 : end;
    return end > begin && s->text[end - 1] == '\r' ? end - 1 : end;
}

static fst_status add_lines(fst__text_builder *builder, const source *s, size_t begin)
{
    fst_status status = FST_OK;
    while (!status && begin < s->length && !fst__text_builder_full(builder)) {
        size_t next, end = line_end(s, begin, &next);
        status = add_span(builder, s, begin, end);
        begin = next;
    }
    return status;
}

static bool is_blank(const source *s, size_t begin, size_t end)
{
    while (begin < end && (s->text[begin] == ' ' || s->text[begin] == '\t'))
        ++begin;
    return begin == end;
}

static fst_status add_blocks(fst__text_builder *builder, const source *s, size_t begin)
{
    size_t block_begin = begin, block_end = begin; /* empty: between blocks */
    fst_status status = FST_OK;
    while (!status && begin < s->length && !fst__text_builder_full(builder)) {
        size_t next, end = line_end(s, begin, &next);
        if (!is_blank(s, begin, end)) {
            if (block_end == block_begin)
                block_begin = begin;
            block_end = end;
        } else if (block_end > block_begin) {
            status = add_span(builder, s, block_begin, block_end);
            block_begin = block_end = next;
        }
        begin = next;
    }
    return status ? status : add_span(builder, s, block_begin, block_end);
}

static size_t after_byte_order_mark(const source *s)
{
    return s->length >= 3 && memcmp(s->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

static fst_status add_text_file(fst__text_builder *builder, const source *s)
{
    size_t begin = after_byte_order_mark(s);
    switch (builder->options.documents) {
    case FST_DOCUMENT_LINE:
        return add_lines(builder, s, begin);
    case FST_DOCUMENT_BLOCK:
        return add_blocks(builder, s, begin);
    default:
        return add_span(builder, s, begin, s->length);
    }
}

static fst_status add_record(fst__text_builder *builder, const char *path,
                             const fst__records *records, const json_t *record)
{
    const char *field = builder->options.field ? builder->options.field : "text";
    const char *text;
    fst_status status =
        fst__json_get_string(record, field, fst__records_place(records), true, &text);
    if (status)
        return status;
    fst__text_document document = {.text = text,
                                   .length = strlen(text),
                                   .source = path,
                                   .place = fst__records_number(records),
                                   .place_kind = FST__PLACE_LINE};
    return fst__text_builder_add(builder, &document, true);
}

static fst_status add_jsonl_file(fst__text_builder *builder, const char *path)
{
    const fst__records_options options = {.format = FST__RECORDS_JSONL};
    fst__records *records;
    fst_status status =
        fst__records_open(&builder->context->allocator, path, &options, &records);
    if (status)
        return status;
    while (!status && !fst__text_builder_full(builder)) {
        json_t *record;
        status = fst__records_next(records, &record);
        if (status || !record)
            break;
        status = add_record(builder, path, records, record);
    }
    fst__records_close(records);
    return status;
}

static fst_status add_plain_file(fst__text_builder *builder, const char *path)
{
    fst__allocator *allocator = &builder->context->allocator;
    source s = {.path = path};
    char *text;
    fst_status status = fst__file_read(allocator, path, FILE_LIMIT, &text, &s.length);
    if (status)
        return status;
    s.text = text;
    status = add_text_file(builder, &s);
    if (!status)
        status = fst__text_builder_flush(builder); /* while its text is there */
    fst__free(allocator, text);
    return status;
}

typedef fst_status (*file_reader)(fst__text_builder *builder, const char *path);

static fst_status from_files(fst_context *context, const fst_tokenizer *tokenizer,
                             const char *const *paths, int64_t count,
                             const fst_dataset_text_options *options, file_reader reader,
                             fst_dataset **out)
{
    fst__text_builder builder;
    fst_status status = fst__text_builder_open(&builder, context, tokenizer, options);
    for (int64_t i = 0; i < count && !status && !fst__text_builder_full(&builder); ++i)
        status = paths[i]
                     ? reader(&builder, paths[i])
                     : fst__fail(FST_ERR_INVALID_ARGUMENT, "paths[%lld] is NULL", (long long)i);
    if (!status)
        status = fst__text_builder_finish(&builder, out);
    fst__text_builder_close(&builder);
    return status;
}

fst_status fst__dataset_from_text_files(fst_context *context, const fst_tokenizer *tokenizer,
                                        const char *const *paths, int64_t count,
                                        const fst_dataset_text_options *options, fst_dataset **out)
{
    return from_files(context, tokenizer, paths, count, options, add_plain_file, out);
}

fst_status fst__dataset_from_jsonl_files(fst_context *context, const fst_tokenizer *tokenizer,
                                         const char *const *paths, int64_t count,
                                         const fst_dataset_text_options *options, fst_dataset **out)
{
    return from_files(context, tokenizer, paths, count, options, add_jsonl_file, out);
}

fst_status fst__dataset_from_texts(fst_context *context, const fst_tokenizer *tokenizer,
                                   const char *const *texts, const size_t *lengths, int64_t count,
                                   const fst_dataset_text_options *options, fst_dataset **out)
{
    fst__text_builder builder;
    fst_status status = fst__text_builder_open(&builder, context, tokenizer, options);
    for (int64_t i = 0; i < count && !status && !fst__text_builder_full(&builder); ++i) {
        if (!texts[i]) {
            status = fst__fail(FST_ERR_INVALID_ARGUMENT, "texts[%lld] is NULL", (long long)i);
            break;
        }
        fst__text_document document = {.text = texts[i],
                                       .length = lengths ? lengths[i] : strlen(texts[i]),
                                       .place = i,
                                       .place_kind = FST__PLACE_INDEX};
        status = fst__text_builder_add(&builder, &document, false);
    }
    if (!status)
        status = fst__text_builder_finish(&builder, out);
    fst__text_builder_close(&builder);
    return status;
}
