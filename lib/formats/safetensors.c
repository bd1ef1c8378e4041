/* The open file: its shards, and one index of names over all of them. */
#include "formats/safetensors.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/safetensors_shard.h"
#include "formats/sort.h"

#include <string.h>

enum { SHARD_LIMIT = 10000 };

typedef struct place {
    uint32_t shard, tensor;
} place;

struct fst__safetensors {
    fst__allocator *allocator;
    char *path;
    fst__shard *shards;
    size_t shard_count;
    place *names; /* by name */
    size_t count;
};

static const char *name_at(const fst__safetensors *file, place at)
{
    const fst__shard *shard = &file->shards[at.shard];
    return shard->header + shard->tensors[at.tensor].name;
}

static bool name_less(const void *context, size_t a, size_t b)
{
    const fst__safetensors *file = context;
    return strcmp(name_at(file, file->names[a]), name_at(file, file->names[b])) < 0;
}

static void name_swap(void *context, size_t a, size_t b)
{
    fst__safetensors *file = context;
    place saved = file->names[a];
    file->names[a] = file->names[b];
    file->names[b] = saved;
}

/* Where a tensor's name stands in its file. */
static size_t name_byte(const fst__safetensors *file, place at)
{
    return file->shards[at.shard].tensors[at.tensor].name + (size_t)8 - 1;
}

static fst_status index_names(fst__safetensors *file)
{
    for (size_t s = 0; s < file->shard_count; ++s)
        file->count += file->shards[s].tensor_count;
    file->names = fst__alloc_array(file->allocator, file->count, sizeof *file->names);
    if (!file->names)
        return FST_ERR_NO_MEMORY;
    size_t used = 0;
    for (size_t s = 0; s < file->shard_count; ++s)
        for (size_t t = 0; t < file->shards[s].tensor_count; ++t)
            file->names[used++] = (place){(uint32_t)s, (uint32_t)t};
    fst__sort(file->count, name_less, name_swap, file);
    for (size_t i = 1; i < file->count; ++i) {
        place left = file->names[i - 1], right = file->names[i];
        if (strcmp(name_at(file, left), name_at(file, right)) == 0)
            return fst__fail(FST_ERR_FORMAT, "%s: byte %zu: \"%.200s\" stands twice, also in %s",
                             file->shards[right.shard].path, name_byte(file, right),
                             name_at(file, right), file->shards[left.shard].path);
    }
    return FST_OK;
}

static bool look_up(const fst__safetensors *file, const char *name, place *at)
{
    size_t low = 0, high = file->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name_at(file, file->names[middle]), name);
        if (order == 0) {
            *at = file->names[middle];
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Opens the files that the index names, in the order of their names. */
static fst_status open_shards(fst__safetensors *file, const fst__shard_index *index)
{
    if (index->file_count > SHARD_LIMIT)
        return fst__fail(FST_ERR_UNSUPPORTED, "%s: lists more than %d files", file->path,
                         SHARD_LIMIT);
    file->shards = fst__alloc_array(file->allocator, index->file_count, sizeof *file->shards);
    const char *slash = strrchr(file->path, '/');
    char *folder = slash ? fst__strndup(file->allocator, file->path, (size_t)(slash - file->path) + 1)
                         : fst__strdup(file->allocator, "");
    fst_status status = file->shards && folder ? FST_OK : FST_ERR_NO_MEMORY;
    for (size_t i = 0; i < index->map_count && status == FST_OK; ++i) {
        const char *name = index->text + index->map[i].value;
        if (i > 0 && strcmp(name, index->text + index->map[i - 1].value) == 0)
            continue;
        char *path = fst__path_join(file->allocator, folder, name);
        status = path ? fst__shard_open(file->allocator, path, &file->shards[file->shard_count])
                      : FST_ERR_NO_MEMORY;
        fst__free(file->allocator, path);
        if (status == FST_OK)
            ++file->shard_count;
        else if (status != FST_ERR_NO_MEMORY)
            fst__fail_in(status, "%s: byte %zu", file->path, (size_t)index->map[i].value - 1);
    }
    fst__free(file->allocator, folder);
    return status;
}

/* Each tensor that the index names is in the file that it says. The reverse is not asked for:
 * transformers loads whatever the shards hold. */
static fst_status check_index(const fst__safetensors *file, const fst__shard_index *index)
{
    uint32_t shard = 0;
    for (size_t i = 0; i < index->map_count; ++i) {
        const char *name = index->text + index->map[i].key;
        const char *source = index->text + index->map[i].value;
        if (i > 0 && strcmp(source, index->text + index->map[i - 1].value) != 0)
            ++shard;
        place at;
        if (!look_up(file, name, &at) || at.shard != shard)
            return fst__fail(FST_ERR_FORMAT, "%s: byte %zu: \"%.200s\" is not in %s", file->path,
                             (size_t)index->map[i].key - 1, name, source);
    }
    return FST_OK;
}

static fst_status open_index(fst__safetensors *file)
{
    fst__shard_index index;
    fst_status status = fst__shard_index_read(file->allocator, file->path, &index);
    if (status != FST_OK)
        return status;
    status = open_shards(file, &index);
    if (status == FST_OK)
        status = index_names(file);
    if (status == FST_OK)
        status = check_index(file, &index);
    fst__shard_index_free(file->allocator, &index);
    return status;
}

static fst_status open_single(fst__safetensors *file)
{
    file->shards = fst__alloc(file->allocator, sizeof *file->shards);
    if (!file->shards)
        return FST_ERR_NO_MEMORY;
    fst_status status = fst__shard_open(file->allocator, file->path, file->shards);
    if (status != FST_OK)
        return status;
    file->shard_count = 1;
    return index_names(file);
}

/* The file itself, or the one that a folder holds under the usual names. */
static fst_status find_path(fst__allocator *allocator, const char *path, char **found)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    if (!fst__file_is_directory(path)) {
        *found = fst__strdup(allocator, path);
        return *found ? FST_OK : FST_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < 2; ++i) {
        *found = fst__path_join(allocator, path, names[i]);
        if (!*found)
            return FST_ERR_NO_MEMORY;
        if (fst__file_exists(*found))
            return FST_OK;
        fst__free(allocator, *found);
        *found = NULL;
    }
    return fst__fail(FST_ERR_NOT_FOUND, "%s: has neither %s nor %s", path, names[0], names[1]);
}

static bool is_index(const char *path)
{
    size_t length = strlen(path);
    return length >= 5 && strcmp(path + length - 5, ".json") == 0;
}

fst_status fst__safetensors_open(fst__allocator *allocator, const char *path,
                                 fst__safetensors **out)
{
    fst__safetensors *file = fst__alloc(allocator, sizeof *file);
    if (!file)
        return FST_ERR_NO_MEMORY;
    *file = (fst__safetensors){.allocator = allocator};
    fst_status status = find_path(allocator, path, &file->path);
    if (status == FST_OK)
        status = is_index(file->path) ? open_index(file) : open_single(file);
    if (status != FST_OK) {
        fst__safetensors_close(file);
        return status;
    }
    *out = file;
    return FST_OK;
}

void fst__safetensors_close(fst__safetensors *file)
{
    if (!file)
        return;
    fst__allocator *allocator = file->allocator;
    fst__free(allocator, file->names);
    for (size_t s = 0; s < file->shard_count; ++s)
        fst__shard_close(allocator, &file->shards[s]);
    fst__free(allocator, file->shards);
    fst__free(allocator, file->path);
    fst__free(allocator, file);
}

size_t fst__safetensors_count(const fst__safetensors *file)
{
    return file->count;
}

static fst__safetensors_tensor tensor_at(const fst__safetensors *file, place at)
{
    const fst__shard *shard = &file->shards[at.shard];
    const fst__shard_tensor *from = &shard->tensors[at.tensor];
    fst__safetensors_tensor tensor = {
        .name = shard->header + from->name,
        .dtype = from->dtype,
        .rank = from->rank,
        .bytes = (size_t)(from->end - from->begin),
        .elements = (size_t)(from->end - from->begin) / fst_dtype_size(from->dtype),
        .offset = shard->data + (size_t)from->begin,
        .shard = (int32_t)at.shard,
    };
    for (int32_t i = 0; i < tensor.rank; ++i)
        tensor.shape[i] = shard->dimensions[from->shape + (uint32_t)i];
    return tensor;
}

fst__safetensors_tensor fst__safetensors_at(const fst__safetensors *file, size_t index)
{
    size_t shard = 0;
    while (index >= file->shards[shard].tensor_count)
        index -= file->shards[shard++].tensor_count;
    return tensor_at(file, (place){(uint32_t)shard, (uint32_t)index});
}

bool fst__safetensors_has(const fst__safetensors *file, const char *name)
{
    place at;
    return look_up(file, name, &at);
}

fst_status fst__safetensors_find(const fst__safetensors *file, const char *name,
                                 fst__safetensors_tensor *tensor)
{
    place at;
    if (!look_up(file, name, &at))
        return fst__fail(FST_ERR_NOT_FOUND, "%s: has no tensor \"%.200s\"", file->path, name);
    *tensor = tensor_at(file, at);
    return FST_OK;
}

const char *fst__safetensors_metadata(const fst__safetensors *file, const char *key)
{
    const char *value = NULL;
    for (size_t s = 0; s < file->shard_count && !value; ++s)
        value = fst__shard_metadata(&file->shards[s], key);
    return value;
}

const char *fst__safetensors_path(const fst__safetensors *file)
{
    return file->path;
}

fst_status fst__safetensors_bytes(const fst__safetensors *file,
                                  const fst__safetensors_tensor *tensor, size_t from, void *bytes,
                                  size_t size)
{
    const fst__shard *shard = &file->shards[tensor->shard];
    fst_status status =
        fst__file_read_at(shard->descriptor, shard->path, tensor->offset + from, bytes, size);
    return status == FST_OK ? FST_OK : fst__fail_in(status, "tensor \"%.200s\"", tensor->name);
}
