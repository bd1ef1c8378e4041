/* model.safetensors.index.json, as transformers writes it:
 * {"metadata": {…}, "weight_map": {tensor: file, …}}. Two passes as in safetensors_header.c. */
#include "formats/safetensors_shard.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/scan.h"
#include "formats/sort.h"

#include <string.h>

/* A file beside the index, not a path: an index must not reach out of its folder. */
static bool is_plain_name(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static fst_status read_map(fst__shard_index *index, fst__scan *scan)
{
    fst_status status = fst__scan_expect(scan, '{');
    for (size_t i = 0; status == FST_OK; ++i) {
        bool more;
        status = fst__scan_more(scan, '}', i, &more);
        if (status != FST_OK || !more)
            break;
        char *tensor = NULL, *file = NULL;
        size_t length;
        status = fst__scan_key(scan, &tensor, &length);
        fst__scan_space(scan);
        size_t at = scan->position;
        if (status == FST_OK)
            status = fst__scan_string(scan, &file, &length);
        if (status == FST_OK && index->map) {
            if (!is_plain_name(file))
                return fst__scan_fail(scan, at, "\"%.200s\" is not the name of a file", file);
            index->map[index->map_count] = (fst__shard_pair){(uint32_t)(tensor - index->text),
                                                             (uint32_t)(file - index->text)};
        }
        ++index->map_count;
    }
    return status;
}

static fst_status read_index(fst__shard_index *index, const char *path, size_t size)
{
    static const char key[] = "\"weight_map\"";
    fst__scan scan = {
        .file = path, .bytes = index->text, .size = size, .in_place = index->map != NULL};
    bool seen = false;
    index->map_count = 0;
    fst_status status = fst__scan_expect(&scan, '{');
    for (size_t i = 0; status == FST_OK; ++i) {
        bool more;
        char *text = NULL;
        size_t length;
        status = fst__scan_more(&scan, '}', i, &more);
        if (status != FST_OK || !more)
            break;
        fst__scan_space(&scan);
        size_t at = scan.position;
        bool map = size - at >= sizeof key - 1 && memcmp(scan.bytes + at, key, sizeof key - 1) == 0;
        if (map && seen)
            return fst__scan_fail(&scan, at, "%s stands twice", key);
        seen = seen || map;
        status = fst__scan_key(&scan, &text, &length);
        if (status == FST_OK)
            status = map ? read_map(index, &scan) : fst__scan_skip(&scan);
    }
    if (status == FST_OK && fst__scan_peek(&scan) != '\0')
        status = fst__scan_fail(&scan, scan.position, "text behind the document's end");
    if (status == FST_OK && scan.position < size)
        status = fst__scan_fail(&scan, scan.position, "NUL behind the document's end");
    if (status == FST_OK && (!seen || index->map_count == 0))
        status = fst__scan_fail(&scan, size, "no %s, or an empty one", key);
    return status;
}

static bool map_less(const void *context, size_t a, size_t b)
{
    const fst__shard_index *index = context;
    int order = strcmp(index->text + index->map[a].value, index->text + index->map[b].value);
    if (order == 0)
        order = strcmp(index->text + index->map[a].key, index->text + index->map[b].key);
    return order < 0;
}

static void map_swap(void *context, size_t a, size_t b)
{
    fst__shard_index *index = context;
    fst__shard_pair saved = index->map[a];
    index->map[a] = index->map[b];
    index->map[b] = saved;
}

fst_status fst__shard_index_read(fst__allocator *allocator, const char *path,
                                 fst__shard_index *index)
{
    size_t size;
    *index = (fst__shard_index){0};
    fst_status status =
        fst__file_read(allocator, path, FST__SAFETENSORS_HEADER_LIMIT, &index->text, &size);
    if (status == FST_OK)
        status = read_index(index, path, size);
    if (status == FST_OK) {
        index->map = fst__alloc_array(allocator, index->map_count, sizeof *index->map);
        status = index->map ? read_index(index, path, size) : FST_ERR_NO_MEMORY;
    }
    if (status != FST_OK) {
        fst__shard_index_free(allocator, index);
        return status;
    }
    fst__sort(index->map_count, map_less, map_swap, index);
    for (size_t i = 0; i < index->map_count; ++i)
        if (i == 0 || strcmp(index->text + index->map[i].value,
                             index->text + index->map[i - 1].value) != 0)
            ++index->file_count;
    return FST_OK;
}

void fst__shard_index_free(fst__allocator *allocator, fst__shard_index *index)
{
    fst__free(allocator, index->map);
    fst__free(allocator, index->text);
    *index = (fst__shard_index){0};
}
