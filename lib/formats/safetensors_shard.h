/* One .safetensors file: its descriptor and what its header says. Internal to formats/safetensors. */
#ifndef FST_FORMATS_SAFETENSORS_SHARD_H
#define FST_FORMATS_SAFETENSORS_SHARD_H

#include "formats/safetensors.h"

/* Kept small, since a hostile header holds a million of them: positions in the header stand for
 * pointers, and the shapes of all tensors share one array. */
typedef struct fst__shard_tensor {
    uint64_t begin, end; /* bytes, from the start of the data */
    uint32_t name;       /* position in the header */
    uint32_t shape;      /* of its first dimension, in the shard's dimensions */
    uint8_t dtype;
    uint8_t rank;
} fst__shard_tensor;

typedef struct fst__shard_pair {
    uint32_t key, value; /* positions in the header */
} fst__shard_pair;

typedef struct fst__shard {
    char *path;
    char *header; /* its strings end in NUL */
    fst__shard_tensor *tensors; /* by begin */
    int64_t *dimensions;
    fst__shard_pair *metadata; /* by key */
    size_t tensor_count, dimension_count, metadata_count;
    size_t data; /* the file's byte number of the first byte of data */
    size_t size; /* of the file */
    int descriptor; /* −1: none */
} fst__shard;

/* On failure the shard is closed already. */
fst_status fst__shard_open(fst__allocator *allocator, const char *path, fst__shard *shard);
void fst__shard_close(fst__allocator *allocator, fst__shard *shard);

/* The value under `key`, or NULL. */
const char *fst__shard_metadata(const fst__shard *shard, const char *key);

/*
 * A model.safetensors.index.json: which tensor is in which file. The shards are beside it. After a
 * successful open every tensor that the index names is in `shards` under that file.
 */
typedef struct fst__shard_index {
    char *text;            /* the document; its strings end in NUL */
    fst__shard_pair *map;  /* tensor → file, by file and then tensor */
    size_t map_count;
    size_t file_count;     /* different files */
} fst__shard_index;

fst_status fst__shard_index_read(fst__allocator *allocator, const char *path,
                                 fst__shard_index *index);
void fst__shard_index_free(fst__allocator *allocator, fst__shard_index *index);

#endif
