/*
 * A batch of token rows, as a model reads it: plain pointers to the caller's memory.
 *
 * Threads: a batch is plain data; whoever reads it expects the arrays to stay as they are for the
 * length of the call it is passed to.
 */
#ifndef FOURSTAGE_BATCH_H
#define FOURSTAGE_BATCH_H

#include "fourstage/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A target that no loss is computed for (any negative value is). @since 0.1 */
#define FST_IGNORED -100

/** Token rows. All arrays are borrowed, row-major, contiguous. Fields are only ever added at the
 *  end; a batch that was zeroed and given a struct_size has sensible values for those it does not
 *  know. @since 0.1 */
typedef struct fst_batch {
    size_t struct_size;       /**< sizeof(fst_batch) */
    int64_t rows;             /**< sequences, at least 1 */
    int64_t length;           /**< tokens of each, padding included, at least 1 */
    const int32_t *ids;       /**< [rows, length], 0 ≤ id < vocabulary */
    const int32_t *targets;   /**< [rows, length], the id to predict at each place; negative: no loss there. NULL: none */
    const int32_t *positions; /**< [rows, length], 0 ≤ position < the model's context; NULL: 0 … length − 1 */
    const int32_t *types;     /**< [rows, length], token types (segments); NULL: 0 */
    const int32_t *lengths;   /**< [rows], valid tokens at the front of each row; NULL: length */
    /** [rows, length], index in the row of the first token of the token's own document: attention
     *  does not reach before it. NULL: each row is one document. */
    const int32_t *documents;
    const float *weights;     /**< [rows, length], factor of each target's loss; NULL: 1 */
} fst_batch;

#ifdef __cplusplus
}
#endif

#endif
