/*
 * Generation's forward: new tokens of several sequences of different lengths against a cache of the
 * keys and values of the tokens before them. The blocks are those of transformer.c.
 */
#ifndef FST_MODEL_DECODE_H
#define FST_MODEL_DECODE_H

#include "model/model.h"

typedef struct fst__kv_cache {
    fst__allocator *allocator;
    int64_t sequences, capacity; /* capacity in positions of each */
    int64_t kv_heads, head_size;
    int32_t layers, dtype;
    size_t layer_bytes; /* of the keys, and of the values, of one layer */
    char *keys, *values; /* [layers][sequences][kv_heads][capacity][head_size] */
    int32_t *lengths;    /* [sequences] positions filled */
    int32_t *new_counts; /* [sequences] tokens of the forward in progress */
} fst__kv_cache;

fst_status fst__kv_cache_create(const fst_model *model, int64_t sequences, int64_t capacity,
                                fst__kv_cache *out);
void fst__kv_cache_destroy(fst__kv_cache *cache);

/*
 * ids: the new tokens, those of sequence 0 first; counts [sequences] says how many each has, 0
 * leaves one out. Afterwards row j of logits [≤ sequences, vocabulary] holds those behind the last
 * new token of the j-th sequence that had any; NULL: not wanted.
 */
fst_status fst__model_decode(fst_model *model, fst__kv_cache *cache, const int32_t *ids,
                             const int32_t *counts, fst__real *logits);

/* Attention of one layer in such a forward: stores the new keys and values, then attends. */
fst_status fst__decode_attention(fst_model *model, int32_t layer, fst__matrix query, fst__matrix key,
                                 fst__matrix value, fst__matrix out);

#endif
