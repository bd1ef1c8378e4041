/*
 * One batch of token sequences, as plain arrays that the caller owns.
 *
 * Threads: plain data.
 */
#ifndef FOURSTAGE_BATCH_H
#define FOURSTAGE_BATCH_H

#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_IGNORE (-100) /**< a target that adds nothing to loss or gradient; any negative value does the same. @since 0.1 */

/** A batch of `rows` sequences of `length` positions; arrays are row-major [rows, length] unless
 *  said otherwise, borrowed for the call that takes the batch. @since 0.1 */
typedef struct fst_batch {
    size_t struct_size;       /**< set by fst_batch_init */
    int64_t rows;             /**< sequences, ≥ 1 */
    int64_t length;           /**< positions in each, ≥ 1, ≤ the model's context length */
    const int32_t *ids;       /**< token ids, 0 ≤ id < vocabulary */
    const int32_t *targets;   /**< token to predict at each position; negative: ignored; NULL: no loss */
    const int32_t *positions; /**< position of each token; NULL: 0 … length-1, restarting with each document */
    const int32_t *documents; /**< index within the row at which the token's document begins: attention does not cross it; NULL: one document a row */
    const int32_t *lengths;   /**< [rows] tokens that count in each row, the rest is padding; NULL: all */
    const float *weights;     /**< weight of each position's loss; NULL: 1 */
    /** [rows, length, ⌈vocabulary/8⌉] bit v % 8 of byte v / 8 is 1 where id v may be the target at that
     *  position; all other ids have probability 0 in losses, log-probabilities and entropies, as a
     *  sampler with top-k, top-p or min-p had it. The target itself always may. NULL: all ids. */
    const uint8_t *kept;
    const int32_t *token_types; /**< type (segment) of each token, 0 ≤ type < the model's token_types; NULL: 0 */
    const float *images;      /**< [rows, channels, height, width]; of image backbones, which read no ids and no length */
    const float *observations; /**< [rows, inputs] of an MLP, which reads no length; [rows, length, inputs] of a transformer over vectors, which reads no ids */
} fst_batch;

/** Zeroes the batch and sets struct_size. @param batch to fill. @param size sizeof *batch.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_batch_init(fst_batch *batch, size_t size);

#ifdef __cplusplus
}
#endif

#endif
