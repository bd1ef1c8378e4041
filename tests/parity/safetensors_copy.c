/*
 * safetensors_copy FROM TO: reads every tensor and the metadata "format" and "note" of FROM (a file,
 * an index or a folder) and writes them to TO. For parity_safetensors.py.
 */
#include "formats/safetensors.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

static fst_status copy(fst__allocator *allocator, const fst__safetensors *file,
                       fst__safetensors_writer *writer, void **blocks)
{
    static const char *const keys[] = {"format", "note"};
    fst_status status = FST_OK;
    for (size_t i = 0; i < 2 && status == FST_OK; ++i) {
        const char *value = fst__safetensors_metadata(file, keys[i]);
        if (value)
            status = fst__safetensors_writer_metadata(writer, keys[i], value);
    }
    /* Backwards: the order of declarations must not show. */
    for (size_t i = fst__safetensors_count(file); i-- > 0 && status == FST_OK;) {
        fst__safetensors_tensor tensor = fst__safetensors_at(file, i);
        blocks[i] = fst__alloc(allocator, tensor.bytes);
        if (!blocks[i])
            return FST_ERR_NO_MEMORY;
        status = fst__safetensors_read(file, &tensor, blocks[i], tensor.bytes);
        if (status == FST_OK)
            status = fst__safetensors_writer_add(writer, tensor.name, tensor.dtype, tensor.rank,
                                                 tensor.shape, blocks[i]);
    }
    return status;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fprintf(stderr, "usage: safetensors_copy FROM TO\n");
        return 2;
    }
    fst__allocator allocator = {0};
    fst__safetensors *file = NULL;
    fst__safetensors_writer *writer = NULL;
    void **blocks = NULL;
    size_t tensors = 0;
    fst_status status = fst__safetensors_open(&allocator, arguments[1], &file);
    if (status == FST_OK) {
        tensors = fst__safetensors_count(file);
        blocks = calloc(tensors + 1, sizeof *blocks);
        status = fst__safetensors_writer_create(&allocator, &writer);
    }
    if (status == FST_OK)
        status = copy(&allocator, file, writer, blocks);
    if (status == FST_OK)
        status = fst__safetensors_writer_write(writer, arguments[2]);
    if (status != FST_OK)
        fprintf(stderr, "%s: %s\n", fst_status_name(status), fst__error_text());
    for (size_t i = 0; i < tensors; ++i)
        fst__free(&allocator, blocks[i]);
    free(blocks);
    fst__safetensors_writer_destroy(writer);
    fst__safetensors_close(file);
    return status != FST_OK;
}
