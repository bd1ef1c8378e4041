/*
 * The safetensors format (https://huggingface.co/docs/safetensors): 8 bytes of header length, a
 * JSON header of names, types, shapes and positions, then the values. Read strictly: every byte of
 * the data belongs to exactly one tensor, every size agrees. Errors name the file and the byte.
 */
#ifndef FST_FORMATS_SAFETENSORS_H
#define FST_FORMATS_SAFETENSORS_H

#include "base/alloc.h"
#include "fourstage/status.h"
#include "fourstage/view.h"

#include <stdbool.h>

enum {
    FST__SAFETENSORS_HEADER_LIMIT = 100 * 1000 * 1000, /* bytes, as the reference implementation */
    FST__SAFETENSORS_TENSOR_LIMIT = 1000 * 1000,       /* a header; bounds memory */
};

typedef struct fst__safetensors_tensor {
    const char *name; /* borrowed from the open file */
    int32_t dtype;    /* FST_F32 … */
    int32_t rank;
    int64_t shape[FST_MAX_RANK]; /* 0 beyond rank */
    size_t elements;
    size_t bytes;
    size_t offset; /* of the first byte in the shard's file */
    int32_t shard;
} fst__safetensors_tensor;

typedef struct fst__safetensors fst__safetensors;

/*
 * `path` is a .safetensors file, a *.index.json that lists shards beside it, or a folder with
 * model.safetensors or model.safetensors.index.json. The files stay open, so one that is replaced
 * by a rename meanwhile can still be read. The allocator must outlive the handle.
 */
fst_status fst__safetensors_open(fst__allocator *allocator, const char *path,
                                 fst__safetensors **out);
void fst__safetensors_close(fst__safetensors *file); /* takes NULL */

/* Tensors in the order of their bytes: shard by shard, then by offset. */
size_t fst__safetensors_count(const fst__safetensors *file);
fst__safetensors_tensor fst__safetensors_at(const fst__safetensors *file, size_t index);

/* FST_ERR_NOT_FOUND with the file's and the tensor's name. */
fst_status fst__safetensors_find(const fst__safetensors *file, const char *name,
                                 fst__safetensors_tensor *tensor);
bool fst__safetensors_has(const fst__safetensors *file, const char *name);

/* Text under `key` of __metadata__ (of the first shard that has it), borrowed; NULL if none. */
const char *fst__safetensors_metadata(const fst__safetensors *file, const char *key);

/* The path given to open, or the file found in that folder; for error texts. */
const char *fst__safetensors_path(const fst__safetensors *file);

/* The tensor's bytes as they are; `size` must equal tensor->bytes. */
fst_status fst__safetensors_read(const fst__safetensors *file,
                                 const fst__safetensors_tensor *tensor, void *bytes, size_t size);

/* `size` of the tensor's bytes, the first being number `from`; both within tensor->bytes. */
fst_status fst__safetensors_bytes(const fst__safetensors *file,
                                  const fst__safetensors_tensor *tensor, size_t from, void *bytes,
                                  size_t size);

/* The tensor's values as FST_F32, FST_F64 or FST_BF16, rounded once to nearest even; `elements` is
 * the room at `values` and must equal tensor->elements. Integers are refused. */
fst_status fst__safetensors_read_as(const fst__safetensors *file,
                                    const fst__safetensors_tensor *tensor, int32_t dtype,
                                    void *values, size_t elements);

/*
 * The writer: declare everything, then write. Names and metadata are copied; the values are
 * borrowed and must stay until fst__safetensors_writer_write returned. The bytes depend on what was
 * declared and not on the order, and are those of the `safetensors` package: types of larger
 * alignment first, then by name; metadata by key.
 */
typedef struct fst__safetensors_writer fst__safetensors_writer;

fst_status fst__safetensors_writer_create(fst__allocator *allocator, fst__safetensors_writer **out);
void fst__safetensors_writer_destroy(fst__safetensors_writer *writer); /* takes NULL */

/* Contiguous values. A name given twice is found when writing. */
fst_status fst__safetensors_writer_add(fst__safetensors_writer *writer, const char *name,
                                       int32_t dtype, int32_t rank, const int64_t *shape,
                                       const void *values);
fst_status fst__safetensors_writer_metadata(fst__safetensors_writer *writer, const char *key,
                                            const char *value);

/* Through the atomic writer of formats/file.h. May be called again, also with another path. */
fst_status fst__safetensors_writer_write(fst__safetensors_writer *writer, const char *path);

#endif
