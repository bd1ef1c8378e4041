/*
 * One file's header, read twice: the first pass checks the grammar and counts, so that the tables
 * are allocated once and at their size; the second fills them and checks what the numbers mean.
 */
#include "formats/safetensors_shard.h"

#include "base/checked.h"
#include "base/error.h"
#include "formats/file.h"
#include "formats/scan.h"
#include "formats/sort.h"

#include <string.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors holds little-endian values");

enum { LENGTH_SIZE = 8 };

static const char metadata_key[] = "__metadata__";

/* Types of the format that no view has. */
static const char *const foreign_dtypes[] = {"U16",     "U32",     "U64",     "F8_E4M3",
                                             "F8_E5M2", "F8_E8M0", "F4",      "F6_E2M3",
                                             "F6_E3M2", "C64",     "F8_E4M3FNUZ", "F8_E5M2FNUZ"};

/* A tensor's entry as it stands in the header. */
typedef struct entry {
    int64_t shape[FST_MAX_RANK];
    int64_t begin, end;
    int32_t rank, dtype;
    size_t at; /* position of its name */
} entry;

/* Takes the key `word` if it comes next. Keys of the format are compared as they are spelled: no
 * writer spells them with escapes. */
static bool take_key(fst__scan *scan, const char *word)
{
    fst__scan_space(scan);
    size_t length = strlen(word), left = scan->size - scan->position;
    const char *bytes = scan->bytes + scan->position;
    if (left < length + 2 || bytes[0] != '"' || memcmp(bytes + 1, word, length) != 0 ||
        bytes[length + 1] != '"')
        return false;
    scan->position += length + 2;
    return true;
}

static fst_status read_dtype(fst__scan *scan, int32_t *dtype)
{
    fst__scan_space(scan);
    size_t at = scan->position;
    for (*dtype = 0; fst_dtype_size(*dtype) > 0; ++*dtype)
        if (take_key(scan, fst_dtype_name(*dtype)))
            return FST_OK;
    for (size_t i = 0; i < sizeof foreign_dtypes / sizeof foreign_dtypes[0]; ++i)
        if (take_key(scan, foreign_dtypes[i]))
            return fst__fail(FST_ERR_UNSUPPORTED, "%s: byte %zu: type %s is not supported",
                             scan->file, scan->origin + at, foreign_dtypes[i]);
    return fst__scan_fail(scan, at, "unknown dtype");
}

static fst_status read_shape(fst__scan *scan, entry *tensor)
{
    size_t at = scan->position;
    fst_status status = fst__scan_expect(scan, '[');
    for (size_t i = 0; status == FST_OK; ++i) {
        bool more;
        status = fst__scan_more(scan, ']', i, &more);
        if (status != FST_OK || !more)
            break;
        int64_t dimension;
        status = fst__scan_natural(scan, &dimension);
        if (status == FST_OK && i >= FST_MAX_RANK)
            return fst__fail(FST_ERR_UNSUPPORTED, "%s: byte %zu: more than %d dimensions",
                             scan->file, scan->origin + at, FST_MAX_RANK);
        if (status == FST_OK) {
            tensor->shape[i] = dimension;
            tensor->rank = (int32_t)i + 1;
        }
    }
    return status;
}

static fst_status read_offsets(fst__scan *scan, entry *tensor)
{
    fst_status status = fst__scan_expect(scan, '[');
    if (status == FST_OK)
        status = fst__scan_natural(scan, &tensor->begin);
    if (status == FST_OK)
        status = fst__scan_expect(scan, ',');
    if (status == FST_OK)
        status = fst__scan_natural(scan, &tensor->end);
    return status == FST_OK ? fst__scan_expect(scan, ']') : status;
}

/* {"dtype": …, "shape": …, "data_offsets": …}, in any order. */
static fst_status read_entry(fst__scan *scan, entry *tensor)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    bool seen[3] = {false};
    fst_status status = fst__scan_expect(scan, '{');
    for (size_t i = 0; status == FST_OK; ++i) {
        bool more;
        status = fst__scan_more(scan, '}', i, &more);
        if (status != FST_OK || !more)
            break;
        fst__scan_space(scan);
        size_t at = scan->position, key = 0;
        while (key < 3 && !take_key(scan, keys[key]))
            ++key;
        if (key == 3)
            return fst__scan_fail(scan, at, "expected \"dtype\", \"shape\" or \"data_offsets\"");
        if (seen[key])
            return fst__scan_fail(scan, at, "\"%s\" stands twice", keys[key]);
        seen[key] = true;
        status = fst__scan_expect(scan, ':');
        if (status == FST_OK)
            status = key == 0   ? read_dtype(scan, &tensor->dtype)
                     : key == 1 ? read_shape(scan, tensor)
                                : read_offsets(scan, tensor);
    }
    for (size_t key = 0; key < 3 && status == FST_OK; ++key)
        if (!seen[key])
            status = fst__scan_fail(scan, scan->position - 1, "\"%s\" is missing", keys[key]);
    return status;
}

/* Shape, type and place must agree. The overflow check takes an empty dimension for 1, so that no
 * stride computed later overflows either. */
static fst_status check_entry(const fst__shard *shard, const fst__scan *scan, const entry *tensor,
                              const char *name)
{
    int64_t room = (int64_t)fst_dtype_size(tensor->dtype), bytes = room;
    for (int32_t i = 0; i < tensor->rank; ++i) {
        if (!fst__mul_i64(room, tensor->shape[i] ? tensor->shape[i] : 1, &room))
            return fst__scan_fail(scan, tensor->at, "the shape of \"%.200s\" overflows", name);
        bytes *= tensor->shape[i];
    }
    int64_t data = (int64_t)(shard->size - shard->data);
    if (tensor->end < tensor->begin)
        return fst__scan_fail(scan, tensor->at, "the data_offsets of \"%.200s\" are reversed", name);
    if (tensor->end > data)
        return fst__scan_fail(scan, tensor->at,
                              "\"%.200s\" ends at %lld of the data, which has %lld bytes", name,
                              (long long)tensor->end, (long long)data);
    if (tensor->end - tensor->begin != bytes)
        return fst__scan_fail(scan, tensor->at,
                              "\"%.200s\" has %lld bytes, but its shape and type need %lld", name,
                              (long long)(tensor->end - tensor->begin), (long long)bytes);
    return FST_OK;
}

static fst_status read_tensor(fst__shard *shard, fst__scan *scan)
{
    char *name = NULL;
    size_t length;
    fst__scan_space(scan);
    entry tensor = {.at = scan->position};
    fst_status status = fst__scan_key(scan, &name, &length);
    if (status == FST_OK)
        status = read_entry(scan, &tensor);
    if (status == FST_OK && shard->tensors) {
        if (strcmp(name, metadata_key) == 0)
            return fst__scan_fail(scan, tensor.at, "\"%s\" names no tensor", metadata_key);
        status = check_entry(shard, scan, &tensor, name);
        if (status != FST_OK)
            return status;
        shard->tensors[shard->tensor_count] = (fst__shard_tensor){
            .begin = (uint64_t)tensor.begin,
            .end = (uint64_t)tensor.end,
            .name = (uint32_t)(name - shard->header),
            .shape = (uint32_t)shard->dimension_count,
            .dtype = (uint8_t)tensor.dtype,
            .rank = (uint8_t)tensor.rank,
        };
        for (int32_t i = 0; i < tensor.rank; ++i)
            shard->dimensions[shard->dimension_count + (size_t)i] = tensor.shape[i];
    }
    if (status == FST_OK && shard->tensor_count == FST__SAFETENSORS_TENSOR_LIMIT)
        status = fst__fail(FST_ERR_UNSUPPORTED, "%s: byte %zu: more than %d tensors", scan->file,
                           scan->origin + tensor.at, FST__SAFETENSORS_TENSOR_LIMIT);
    ++shard->tensor_count;
    shard->dimension_count += (size_t)tensor.rank;
    return status;
}

static fst_status read_metadata(fst__shard *shard, fst__scan *scan)
{
    fst_status status = fst__scan_expect(scan, '{');
    for (size_t i = 0; status == FST_OK; ++i) {
        bool more;
        status = fst__scan_more(scan, '}', i, &more);
        if (status != FST_OK || !more)
            break;
        char *key = NULL, *value = NULL;
        size_t length;
        status = fst__scan_key(scan, &key, &length);
        if (status == FST_OK)
            status = fst__scan_string(scan, &value, &length);
        if (status == FST_OK && shard->metadata)
            shard->metadata[shard->metadata_count] = (fst__shard_pair){
                (uint32_t)(key - shard->header), (uint32_t)(value - shard->header)};
        ++shard->metadata_count;
    }
    return status;
}

/* One pass over the header; counts, and fills the tables if they are there. */
static fst_status read_header(fst__shard *shard, size_t length)
{
    fst__scan scan = {.file = shard->path,
                      .bytes = shard->header,
                      .size = length,
                      .origin = LENGTH_SIZE,
                      .in_place = shard->tensors != NULL};
    shard->tensor_count = shard->dimension_count = shard->metadata_count = 0;
    if (length == 0 || shard->header[0] != '{')
        return fst__scan_fail(&scan, 0, "the header does not start with '{'");
    fst_status status = fst__scan_expect(&scan, '{');
    bool metadata = false;
    for (size_t i = 0; status == FST_OK; ++i) {
        bool more;
        status = fst__scan_more(&scan, '}', i, &more);
        if (status != FST_OK || !more)
            break;
        fst__scan_space(&scan);
        size_t at = scan.position;
        if (take_key(&scan, metadata_key)) {
            if (metadata)
                return fst__scan_fail(&scan, at, "\"%s\" stands twice", metadata_key);
            metadata = true;
            status = fst__scan_expect(&scan, ':');
            if (status == FST_OK)
                status = read_metadata(shard, &scan);
        } else {
            status = read_tensor(shard, &scan);
        }
    }
    while (status == FST_OK && scan.position < length && scan.bytes[scan.position] == ' ')
        ++scan.position;
    if (status == FST_OK && scan.position < length)
        status = fst__scan_fail(&scan, scan.position, "byte 0x%02x behind the header's end",
                                (unsigned char)scan.bytes[scan.position]);
    return status;
}

static bool tensor_less(const void *context, size_t a, size_t b)
{
    const fst__shard *shard = context;
    const fst__shard_tensor *left = &shard->tensors[a], *right = &shard->tensors[b];
    if (left->begin != right->begin)
        return left->begin < right->begin;
    if (left->end != right->end)
        return left->end < right->end;
    return left->name < right->name;
}

static void tensor_swap(void *context, size_t a, size_t b)
{
    fst__shard *shard = context;
    fst__shard_tensor saved = shard->tensors[a];
    shard->tensors[a] = shard->tensors[b];
    shard->tensors[b] = saved;
}

static bool metadata_less(const void *context, size_t a, size_t b)
{
    const fst__shard *shard = context;
    int order = strcmp(shard->header + shard->metadata[a].key, shard->header + shard->metadata[b].key);
    return order ? order < 0 : shard->metadata[a].key < shard->metadata[b].key;
}

static void metadata_swap(void *context, size_t a, size_t b)
{
    fst__shard *shard = context;
    fst__shard_pair saved = shard->metadata[a];
    shard->metadata[a] = shard->metadata[b];
    shard->metadata[b] = saved;
}

/* Every byte of the data belongs to one tensor. */
static fst_status check_coverage(fst__shard *shard)
{
    fst__sort(shard->tensor_count, tensor_less, tensor_swap, shard);
    uint64_t covered = 0;
    for (size_t i = 0; i < shard->tensor_count; ++i) {
        const fst__shard_tensor *tensor = &shard->tensors[i];
        if (tensor->begin != covered)
            return fst__fail(FST_ERR_FORMAT, "%s: byte %zu: \"%.200s\" %s", shard->path,
                             shard->data + (size_t)tensor->begin, shard->header + tensor->name,
                             tensor->begin < covered ? "overlaps the tensor before it"
                                                     : "leaves a hole before it");
        covered = tensor->end;
    }
    if (covered != shard->size - shard->data)
        return fst__fail(FST_ERR_FORMAT, "%s: byte %zu: no tensor covers the bytes from here on",
                         shard->path, shard->data + (size_t)covered);
    return FST_OK;
}

static fst_status check_metadata(fst__shard *shard)
{
    fst__sort(shard->metadata_count, metadata_less, metadata_swap, shard);
    for (size_t i = 1; i < shard->metadata_count; ++i) {
        uint32_t key = shard->metadata[i].key;
        if (strcmp(shard->header + shard->metadata[i - 1].key, shard->header + key) == 0)
            return fst__fail(FST_ERR_FORMAT, "%s: byte %zu: metadata key \"%.200s\" stands twice",
                             shard->path, (size_t)key - 1 + LENGTH_SIZE, shard->header + key);
    }
    return FST_OK;
}

static fst_status read_length(fst__shard *shard, size_t *length)
{
    unsigned char bytes[LENGTH_SIZE];
    if (shard->size < LENGTH_SIZE)
        return fst__fail(FST_ERR_FORMAT, "%s: byte %zu: the file ends within its first 8 bytes",
                         shard->path, shard->size);
    fst_status status = fst__file_read_at(shard->descriptor, shard->path, 0, bytes, LENGTH_SIZE);
    if (status != FST_OK)
        return status;
    uint64_t value = 0;
    for (int i = LENGTH_SIZE; i-- > 0;)
        value = value << 8 | bytes[i];
    if (value > FST__SAFETENSORS_HEADER_LIMIT)
        return fst__fail(FST_ERR_FORMAT, "%s: byte 0: a header of %llu bytes, more than %d",
                         shard->path, (unsigned long long)value, FST__SAFETENSORS_HEADER_LIMIT);
    if (value > shard->size - LENGTH_SIZE)
        return fst__fail(FST_ERR_FORMAT, "%s: byte 0: a header of %llu bytes in a file of %zu",
                         shard->path, (unsigned long long)value, shard->size);
    *length = (size_t)value;
    return FST_OK;
}

fst_status fst__shard_open(fst__allocator *allocator, const char *path, fst__shard *shard)
{
    size_t length = 0;
    *shard = (fst__shard){.descriptor = -1};
    fst_status status = FST_ERR_NO_MEMORY;
    shard->path = fst__strdup(allocator, path);
    if (!shard->path)
        goto fail;
    status = fst__file_open(path, &shard->descriptor, &shard->size);
    if (status == FST_OK)
        status = read_length(shard, &length);
    if (status != FST_OK)
        goto fail;
    shard->data = LENGTH_SIZE + length;
    status = FST_ERR_NO_MEMORY;
    shard->header = fst__alloc(allocator, length + 1);
    if (!shard->header)
        goto fail;
    status = fst__file_read_at(shard->descriptor, path, LENGTH_SIZE, shard->header, length);
    if (status == FST_OK)
        status = read_header(shard, length);
    if (status != FST_OK)
        goto fail;

    status = FST_ERR_NO_MEMORY;
    shard->dimensions =
        fst__alloc_array(allocator, shard->dimension_count, sizeof *shard->dimensions);
    shard->metadata = fst__alloc_array(allocator, shard->metadata_count, sizeof *shard->metadata);
    shard->tensors = fst__alloc_array(allocator, shard->tensor_count, sizeof *shard->tensors);
    if (!shard->dimensions || !shard->metadata || !shard->tensors)
        goto fail;
    status = read_header(shard, length);
    if (status == FST_OK)
        status = check_coverage(shard);
    if (status == FST_OK)
        status = check_metadata(shard);
    if (status == FST_OK)
        return FST_OK;
fail:
    fst__shard_close(allocator, shard);
    return status;
}

void fst__shard_close(fst__allocator *allocator, fst__shard *shard)
{
    fst__free(allocator, shard->tensors);
    fst__free(allocator, shard->metadata);
    fst__free(allocator, shard->dimensions);
    fst__free(allocator, shard->header);
    if (shard->descriptor >= 0)
        close(shard->descriptor);
    fst__free(allocator, shard->path);
    *shard = (fst__shard){.descriptor = -1};
}

const char *fst__shard_metadata(const fst__shard *shard, const char *key)
{
    size_t low = 0, high = shard->metadata_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(shard->header + shard->metadata[middle].key, key);
        if (order == 0)
            return shard->header + shard->metadata[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
