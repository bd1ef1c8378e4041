#include "formats/safetensors.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/file.h"
#include "formats/json.h"
#include "formats/sort.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

typedef struct declared {
    char *name;
    const void *values;
    size_t bytes;
    int32_t dtype, rank;
    int64_t shape[FST_MAX_RANK];
} declared;

typedef struct pair {
    char *key, *value;
} pair;

struct fst__safetensors_writer {
    fst__allocator *allocator;
    declared *tensors;
    pair *metadata;
    size_t tensor_count, tensor_room;
    size_t metadata_count, metadata_room;
};

fst_status fst__safetensors_writer_create(fst__allocator *allocator, fst__safetensors_writer **out)
{
    fst__safetensors_writer *writer = fst__alloc(allocator, sizeof *writer);
    if (!writer)
        return FST_ERR_NO_MEMORY;
    *writer = (fst__safetensors_writer){.allocator = allocator};
    *out = writer;
    return FST_OK;
}

void fst__safetensors_writer_destroy(fst__safetensors_writer *writer)
{
    if (!writer)
        return;
    fst__allocator *allocator = writer->allocator;
    for (size_t i = 0; i < writer->tensor_count; ++i)
        fst__free(allocator, writer->tensors[i].name);
    for (size_t i = 0; i < writer->metadata_count; ++i) {
        fst__free(allocator, writer->metadata[i].key);
        fst__free(allocator, writer->metadata[i].value);
    }
    fst__free(allocator, writer->tensors);
    fst__free(allocator, writer->metadata);
    fst__free(allocator, writer);
}

/* Room for one more element. */
static bool grow(fst__allocator *allocator, void **array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return true;
    size_t wanted = *room * 2 + 16;
    void *grown = fst__realloc_array(allocator, *array, wanted, size);
    if (!grown)
        return false;
    *array = grown;
    *room = wanted;
    return true;
}

static bool is_utf8(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    while (*at) {
        utf8proc_int32_t point;
        utf8proc_ssize_t taken = utf8proc_iterate(at, -1, &point);
        if (taken <= 0)
            return false;
        at += taken;
    }
    return true;
}

fst_status fst__safetensors_writer_add(fst__safetensors_writer *writer, const char *name,
                                       int32_t dtype, int32_t rank, const int64_t *shape,
                                       const void *values)
{
    if (!is_utf8(name) || strcmp(name, "__metadata__") == 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "\"%.200s\" cannot be a tensor's name", name);
    declared tensor = {.values = values, .dtype = dtype, .rank = rank};
    tensor.bytes = fst_dtype_size(dtype);
    if (tensor.bytes == 0 || rank < 0 || rank > FST_MAX_RANK)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "tensor \"%.200s\" has type %d and rank %d", name,
                         (int)dtype, (int)rank);
    for (int32_t i = 0; i < rank; ++i) {
        if (shape[i] < 0 || !fst__mul_size(tensor.bytes, (size_t)shape[i], &tensor.bytes))
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "tensor \"%.200s\" has a bad shape", name);
        tensor.shape[i] = shape[i];
    }
    if (!values && tensor.bytes > 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "tensor \"%.200s\" has no values", name);
    if (!grow(writer->allocator, (void **)&writer->tensors, writer->tensor_count,
              &writer->tensor_room, sizeof tensor))
        return FST_ERR_NO_MEMORY;
    tensor.name = fst__strdup(writer->allocator, name);
    if (!tensor.name)
        return FST_ERR_NO_MEMORY;
    writer->tensors[writer->tensor_count++] = tensor;
    return FST_OK;
}

fst_status fst__safetensors_writer_metadata(fst__safetensors_writer *writer, const char *key,
                                            const char *value)
{
    if (!is_utf8(key) || !is_utf8(value))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "metadata \"%.200s\" is not UTF-8", key);
    if (!grow(writer->allocator, (void **)&writer->metadata, writer->metadata_count,
              &writer->metadata_room, sizeof *writer->metadata))
        return FST_ERR_NO_MEMORY;
    pair copy = {fst__strdup(writer->allocator, key), fst__strdup(writer->allocator, value)};
    if (!copy.key || !copy.value) {
        fst__free(writer->allocator, copy.key);
        fst__free(writer->allocator, copy.value);
        return FST_ERR_NO_MEMORY;
    }
    writer->metadata[writer->metadata_count++] = copy;
    return FST_OK;
}

/* Place in the order of the `safetensors` package's types, the largest alignment first. */
static int dtype_place(int32_t dtype)
{
    static const int32_t order[] = {FST_I64, FST_F64, FST_F32, FST_I32, FST_BF16,
                                    FST_F16, FST_I16, FST_I8,  FST_U8,  FST_BOOL};
    int place = 0;
    while (order[place] != dtype)
        ++place;
    return place;
}

static bool tensor_less(const void *context, size_t a, size_t b)
{
    const fst__safetensors_writer *writer = context;
    const declared *left = &writer->tensors[a], *right = &writer->tensors[b];
    int places = dtype_place(left->dtype) - dtype_place(right->dtype);
    return places ? places < 0 : strcmp(left->name, right->name) < 0;
}

static void tensor_swap(void *context, size_t a, size_t b)
{
    fst__safetensors_writer *writer = context;
    declared saved = writer->tensors[a];
    writer->tensors[a] = writer->tensors[b];
    writer->tensors[b] = saved;
}

static bool name_less(const void *context, size_t a, size_t b)
{
    const fst__safetensors_writer *writer = context;
    return strcmp(writer->tensors[a].name, writer->tensors[b].name) < 0;
}

static bool metadata_less(const void *context, size_t a, size_t b)
{
    const fst__safetensors_writer *writer = context;
    return strcmp(writer->metadata[a].key, writer->metadata[b].key) < 0;
}

static void metadata_swap(void *context, size_t a, size_t b)
{
    fst__safetensors_writer *writer = context;
    pair saved = writer->metadata[a];
    writer->metadata[a] = writer->metadata[b];
    writer->metadata[b] = saved;
}

/* Refuses doubles and brings all into the order of the file. */
static fst_status arrange(fst__safetensors_writer *writer)
{
    fst__sort(writer->tensor_count, name_less, tensor_swap, writer);
    for (size_t i = 1; i < writer->tensor_count; ++i)
        if (strcmp(writer->tensors[i - 1].name, writer->tensors[i].name) == 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "tensor \"%.200s\" is given twice",
                             writer->tensors[i].name);
    fst__sort(writer->metadata_count, metadata_less, metadata_swap, writer);
    for (size_t i = 1; i < writer->metadata_count; ++i)
        if (strcmp(writer->metadata[i - 1].key, writer->metadata[i].key) == 0)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "metadata \"%.200s\" is given twice",
                             writer->metadata[i].key);
    fst__sort(writer->tensor_count, tensor_less, tensor_swap, writer);
    return FST_OK;
}

static void append_metadata(const fst__safetensors_writer *writer, fst__text *text)
{
    if (writer->metadata_count == 0)
        return;
    fst__text_append_string(text, "\"__metadata__\":{");
    for (size_t i = 0; i < writer->metadata_count; ++i) {
        const pair *entry = &writer->metadata[i];
        fst__text_append_string(text, i ? "," : "");
        fst__json_append_string(text, entry->key, strlen(entry->key));
        fst__text_append_string(text, ":");
        fst__json_append_string(text, entry->value, strlen(entry->value));
    }
    fst__text_append_string(text, writer->tensor_count ? "}," : "}");
}

/* The header's JSON, padded with spaces so that the data start at a multiple of 8. */
static fst_status make_header(const fst__safetensors_writer *writer, fst__text *text)
{
    size_t begin = 0;
    fst__text_append_string(text, "{");
    append_metadata(writer, text);
    for (size_t i = 0; i < writer->tensor_count; ++i) {
        const declared *tensor = &writer->tensors[i];
        size_t end;
        if (!fst__add_size(begin, tensor->bytes, &end) || end > INT64_MAX)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "the tensors are too large for one file");
        fst__text_append_string(text, i ? "," : "");
        fst__json_append_string(text, tensor->name, strlen(tensor->name));
        fst__text_printf(text, ":{\"dtype\":\"%s\",\"shape\":[", fst_dtype_name(tensor->dtype));
        for (int32_t d = 0; d < tensor->rank; ++d)
            fst__text_printf(text, "%s%lld", d ? "," : "", (long long)tensor->shape[d]);
        fst__text_printf(text, "],\"data_offsets\":[%zu,%zu]}", begin, end);
        begin = end;
    }
    fst__text_append_string(text, "}");
    while (!text->failed && text->length % 8 != 0)
        fst__text_append_string(text, " ");
    if (text->failed)
        return fst__fail(FST_ERR_NO_MEMORY, "no memory for the header");
    if (text->length > FST__SAFETENSORS_HEADER_LIMIT ||
        writer->tensor_count > FST__SAFETENSORS_TENSOR_LIMIT)
        return fst__fail(FST_ERR_UNSUPPORTED, "%zu tensors and a header of %zu bytes are too many",
                         writer->tensor_count, text->length);
    return FST_OK;
}

static fst_status write_all(const fst__safetensors_writer *writer, const fst__text *header,
                            fst__file_writer *file)
{
    unsigned char length[8];
    for (int i = 0; i < 8; ++i)
        length[i] = (unsigned char)((uint64_t)header->length >> 8 * i);
    fst_status status = fst__file_writer_write(file, length, sizeof length);
    if (status == FST_OK)
        status = fst__file_writer_write(file, header->data, header->length);
    for (size_t i = 0; i < writer->tensor_count && status == FST_OK; ++i)
        status = fst__file_writer_write(file, writer->tensors[i].values, writer->tensors[i].bytes);
    return status;
}

fst_status fst__safetensors_writer_write(fst__safetensors_writer *writer, const char *path)
{
    fst__file_writer *file;
    fst__text header = fst__text_create(writer->allocator);
    fst_status status = arrange(writer);
    if (status == FST_OK)
        status = make_header(writer, &header);
    if (status != FST_OK) {
        fst__fail_in(status, "%s", path);
        goto done;
    }
    status = fst__file_writer_open(writer->allocator, path, &file);
    if (status != FST_OK)
        goto done;
    status = write_all(writer, &header, file);
    if (status == FST_OK)
        status = fst__file_writer_commit(file);
    else
        fst__file_writer_abort(file);
done:
    fst__text_destroy(&header);
    return status;
}
