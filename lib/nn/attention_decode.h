/*
 * Attention of the newest tokens against a cache of keys and values: generation. Bound by the
 * memory that the cache is read from, so keys are cut into chunks of a fixed size which workers
 * share, each with its own maximum and sum, joined at the end ("Flash-Decoding", Dao et al. 2023).
 * The chunks depend on the lengths alone: the same bits for any number of workers.
 */
#ifndef FST_NN_ATTENTION_DECODE_H
#define FST_NN_ATTENTION_DECODE_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "tensor/matrix.h"

typedef struct fst__attention_decode {
    int64_t sequences;
    int64_t heads;     /* H */
    int64_t kv_heads;  /* Hkv divides H */
    int64_t head_size; /* D */
    int64_t capacity;  /* positions that the cache holds per sequence */
    fst__real scale;   /* > 0 */
    /* [sequences]: positions in the cache, those of the new queries included; ≤ capacity. */
    const int32_t *lengths;
    /* [sequences] or NULL for 1 each: the newest tokens, which are the queries; ≤ lengths[i], and 0
     * leaves a sequence out. Query r of n sees positions [0, length - n + r]. */
    const int32_t *new_queries;
    int64_t window;      /* > 0: only the last `window` of these positions; 0: all */
    int32_t cache_dtype; /* FST__REAL_DTYPE or FST_BF16 */
    /* [sequences][Hkv][capacity][D] */
    const void *key_cache, *value_cache;
} fst__attention_decode;

/* Bytes that the arena needs for these lengths; grows with them. */
size_t fst__attention_decode_scratch(const fst__compute *compute,
                                     const fst__attention_decode *decode);

/* q, out: [Σ new_queries, H·D], the queries of sequence 0 first; of one dtype. */
fst_status fst__attention_decode_run(const fst__compute *compute,
                                     const fst__attention_decode *decode, fst__matrix q,
                                     fst__matrix out, fst__arena *scratch);

#endif
