#include "data/text_builder.h"

#include "base/error.h"
#include "base/utf8.h"

#include <string.h>

/* Text of a task, so that a task's cost of a few microseconds is nothing; and of a flush, which
 * bounds what stands beside the ids. */
enum { GROUP_BYTES = 1 << 16, FLUSH_BYTES = 1 << 24 };

static fst_status special_id(const fst_tokenizer *tokenizer, int32_t add, int32_t role,
                             const char *name, int32_t *id)
{
    if (add != 0 && add != 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "add_%s is %d, expected 0 or 1", name, add);
    if (!add) {
        *id = -1;
        return FST_OK;
    }
    int32_t size = fst__tokenizer_vocabulary_size(tokenizer);
    if (*id == -1)
        *id = fst__tokenizer_special_id(tokenizer, role);
    if (*id == -1)
        return fst__fail(FST_ERR_NOT_FOUND,
                         "add_%s is 1, the tokenizer has no such token and %s_id names none", name,
                         name);
    if (*id < 0 || *id >= size)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s_id is %d, expected −1 … %d", name, *id,
                         size - 1);
    return FST_OK;
}

static fst_status check_flag(int32_t value, const char *name)
{
    if (value == 0 || value == 1)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s is %d, expected 0 or 1", name, value);
}

fst_status fst__text_builder_open(fst__text_builder *builder, fst_context *context,
                                  const fst_tokenizer *tokenizer,
                                  const fst_dataset_text_options *options)
{
    *builder = (fst__text_builder){.context = context, .tokenizer = tokenizer, .options = *options};
    fst_dataset_text_options *o = &builder->options;
    if (o->documents < FST_DOCUMENT_FILE || o->documents > FST_DOCUMENT_BLOCK)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "documents %d is none of the FST_DOCUMENT_ values", o->documents);
    if (o->maximum_documents < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "maximum_documents is %lld, expected ≥ 0",
                         (long long)o->maximum_documents);
    fst_status status = check_flag(o->special_tokens, "special_tokens");
    if (!status)
        status = check_flag(o->keep_invalid_utf8, "keep_invalid_utf8");
    if (!status)
        status = special_id(tokenizer, o->add_bos, FST_TOKEN_BOS, "bos", &o->bos_id);
    if (!status)
        status = special_id(tokenizer, o->add_eos, FST_TOKEN_EOS, "eos", &o->eos_id);
    return status;
}

void fst__text_builder_close(fst__text_builder *builder)
{
    fst__allocator *allocator = &builder->context->allocator;
    for (int64_t i = 0; i < builder->queued; ++i)
        fst__free(allocator, builder->queue[i].owned);
    fst__free(allocator, builder->queue);
    fst__free(allocator, builder->ids);
    fst__free(allocator, builder->offsets);
    *builder = (fst__text_builder){.context = builder->context};
}

bool fst__text_builder_full(const fst__text_builder *builder)
{
    int64_t maximum = builder->options.maximum_documents;
    return maximum > 0 && builder->documents + builder->queued >= maximum;
}

/* Room for `more` elements behind `count`, by doubling. */
static fst_status grow(fst__allocator *allocator, void **array, int64_t *capacity, int64_t count,
                       int64_t more, size_t size)
{
    if (more <= *capacity - count)
        return FST_OK;
    int64_t larger = *capacity < 64 ? 64 : *capacity * 2;
    larger = larger < count + more ? count + more : larger;
    void *block = fst__realloc_array(allocator, *array, (size_t)larger, size);
    if (!block)
        return FST_ERR_NO_MEMORY;
    *array = block;
    *capacity = larger;
    return FST_OK;
}

fst_status fst__text_builder_add(fst__text_builder *builder, const fst__text_document *document,
                                 bool copy)
{
    fst__allocator *allocator = &builder->context->allocator;
    if (fst__text_builder_full(builder) || document->length == 0)
        return FST_OK;
    fst_status status = grow(allocator, (void **)&builder->queue, &builder->queue_capacity,
                             builder->queued, 1, sizeof *builder->queue);
    if (status)
        return status;
    fst__text_document *entry = &builder->queue[builder->queued];
    *entry = *document;
    entry->owned = NULL;
    if (copy) {
        entry->owned = fst__strndup(allocator, document->text, document->length);
        if (!entry->owned)
            return FST_ERR_NO_MEMORY;
        entry->text = entry->owned;
    }
    builder->queued += 1;
    builder->queued_bytes += document->length;
    return builder->queued_bytes >= FLUSH_BYTES ? fst__text_builder_flush(builder) : FST_OK;
}

/* ---- tokenising ---- */

/* A run of queued documents that one task tokenises. */
typedef struct group {
    int64_t first, last;
    fst__ids ids;
    fst_status status;
} group;

typedef struct encode_task {
    fst__text_builder *builder;
    group *groups;
} encode_task;

static fst_status fail_at(const fst__text_document *d, fst_status status)
{
    switch (d->place_kind) {
    case FST__PLACE_BYTE:
        return fst__fail_in(status, "%s: document at byte %lld", d->source, (long long)d->place);
    case FST__PLACE_LINE:
        return fst__fail_in(status, "%s: line %lld", d->source, (long long)d->place);
    default:
        return fst__fail_in(status, "texts[%lld]", (long long)d->place);
    }
}

static fst_status check_utf8(const fst__text_document *d)
{
    const unsigned char *text = (const unsigned char *)d->text, *end = text + d->length;
    for (const unsigned char *at = text; at < end;) {
        size_t length = 1;
        if (*at >= 0x80 && fst__utf8_decode(at, end, &length) == FST__INVALID_BYTE) {
            if (d->place_kind == FST__PLACE_BYTE)
                return fst__fail(FST_ERR_FORMAT, "%s: byte %lld: 0x%02X is not UTF-8", d->source,
                                 (long long)(d->place + (at - text)), *at);
            return fail_at(d, fst__fail(FST_ERR_FORMAT, "byte %lld: 0x%02X is not UTF-8",
                                        (long long)(at - text), *at));
        }
        at += length;
    }
    return FST_OK;
}

static fst_status append_id(fst__ids *ids, int32_t id)
{
    fst_status status = id < 0 ? FST_OK : fst__ids_reserve(ids, 1);
    if (!status && id >= 0)
        ids->ids[ids->count++] = id;
    return status;
}

static fst_status encode_document(const fst__text_builder *builder, fst__text_document *d,
                                  fst__ids *ids)
{
    const fst_dataset_text_options *o = &builder->options;
    size_t before = ids->count;
    fst_status status = o->keep_invalid_utf8 ? FST_OK : check_utf8(d);
    if (status)
        return status;
    status = append_id(ids, o->bos_id);
    size_t text_begin = ids->count;
    if (!status)
        status = fst__tokenizer_encode(builder->tokenizer, d->text, d->length, false,
                                       o->special_tokens, ids);
    if (!status && o->bos_id >= 0 && ids->count > text_begin && ids->ids[text_begin] == o->bos_id)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "the text begins with the token %d that add_bos would put before it",
                           o->bos_id);
    if (!status)
        status = append_id(ids, o->eos_id);
    if (status)
        return fail_at(d, status);
    d->count = (int64_t)(ids->count - before);
    return FST_OK;
}

static void encode_group(void *context, int64_t index, int32_t worker)
{
    const encode_task *task = context;
    group *g = &task->groups[index];
    (void)worker;
    g->status = FST_OK;
    for (int64_t i = g->first; i < g->last && !g->status; ++i)
        g->status = encode_document(task->builder, &task->builder->queue[i], &g->ids);
}

static int64_t make_groups(fst__text_builder *builder, group *groups)
{
    int64_t count = 0, first = 0;
    size_t bytes = 0;
    for (int64_t i = 0; i < builder->queued; ++i) {
        bytes += builder->queue[i].length;
        if (bytes < GROUP_BYTES && i + 1 < builder->queued)
            continue;
        groups[count++] =
            (group){.first = first, .last = i + 1, .ids.allocator = &builder->context->allocator};
        first = i + 1;
        bytes = 0;
    }
    return count;
}

/* Puts a group's ids behind the others. A document without a single id is left out. */
static fst_status collect(fst__text_builder *builder, const group *g)
{
    fst__allocator *allocator = &builder->context->allocator;
    fst_status status = grow(allocator, (void **)&builder->ids, &builder->capacity, builder->count,
                             (int64_t)g->ids.count, sizeof *builder->ids);
    if (!status)
        status = grow(allocator, (void **)&builder->offsets, &builder->offset_capacity,
                      builder->documents, g->last - g->first + 1, sizeof *builder->offsets);
    if (status)
        return status;
    if (g->ids.count > 0)
        memcpy(builder->ids + builder->count, g->ids.ids, g->ids.count * sizeof(int32_t));
    for (int64_t i = g->first; i < g->last; ++i) {
        if (builder->queue[i].count == 0)
            continue;
        builder->offsets[builder->documents++] = builder->count;
        builder->count += builder->queue[i].count;
    }
    return FST_OK;
}

static fst_status encode_queue(fst__text_builder *builder, group *groups)
{
    int64_t count = make_groups(builder, groups);
    encode_task task = {builder, groups};
    fst__pool_run(builder->context->pool, count, encode_group, &task);
    fst_status status = FST_OK;
    for (int64_t i = 0; i < count; ++i) {
        if (!status && groups[i].status) {
            /* The text of the error is the worker's; the same again on this thread. */
            groups[i].ids.count = 0;
            encode_group(&task, i, 0);
            status = groups[i].status;
        }
        if (!status)
            status = collect(builder, &groups[i]);
        fst__ids_destroy(&groups[i].ids);
    }
    return status;
}

fst_status fst__text_builder_flush(fst__text_builder *builder)
{
    fst__allocator *allocator = &builder->context->allocator;
    if (builder->queued == 0)
        return FST_OK;
    group *groups = fst__alloc_array(allocator, (size_t)builder->queued, sizeof(group));
    if (!groups)
        return FST_ERR_NO_MEMORY;
    fst_status status = encode_queue(builder, groups);
    fst__free(allocator, groups);
    for (int64_t i = 0; i < builder->queued; ++i)
        fst__free(allocator, builder->queue[i].owned);
    builder->queued = 0;
    builder->queued_bytes = 0;
    return status;
}

fst_status fst__token_bytes_of(const fst_tokenizer *tokenizer, fst__allocator *allocator,
                               int32_t size, int32_t **out)
{
    int32_t *bytes = fst__alloc_array(allocator, (size_t)size, sizeof *bytes);
    if (!bytes)
        return FST_ERR_NO_MEMORY;
    for (int32_t id = 0; id < size; ++id) {
        bytes[id] = (int32_t)fst__tokenizer_text_bytes(tokenizer, id);
    }
    *out = bytes;
    return FST_OK;
}

fst_status fst__text_builder_finish(fst__text_builder *builder, fst_dataset **out)
{
    fst_context *context = builder->context;
    fst_status status = fst__text_builder_flush(builder);
    if (status)
        return status;
    if (builder->documents == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "there is no text in any of the inputs");
    builder->offsets[builder->documents] = builder->count;
    int32_t *exact = fst__realloc_array(&context->allocator, builder->ids, (size_t)builder->count,
                                        sizeof *exact);
    if (!exact)
        return FST_ERR_NO_MEMORY;
    builder->ids = NULL;
    fst__tokens tokens = {
        .ids = exact, .owned = exact, .type = FST_TOKENS_I32, .count = builder->count};
    tokens.vocabulary = fst__tokenizer_vocabulary_size(builder->tokenizer);
    status = fst__token_bytes_of(builder->tokenizer, &context->allocator,
                                 (int32_t)tokens.vocabulary, &tokens.token_bytes);
    if (status) {
        fst__free(&context->allocator, exact);
        return status;
    }
    fst__documents *documents;
    status =
        fst__documents_create(context, &tokens, builder->offsets, builder->documents, &documents);
    return status ? status : fst__dataset_create(context, documents, out);
}
