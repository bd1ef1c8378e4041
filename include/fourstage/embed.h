/*
 * Embeddings: one vector for each example of a dataset, from a model's hidden states.
 *
 * Threads: as for the model.
 */
#ifndef FOURSTAGE_EMBED_H
#define FOURSTAGE_EMBED_H

#include "fourstage/model.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the model says itself, if it was loaded from a directory of sentence-transformers (see
 *  fst_model_get_sentence), else the mean. @since 0.1 */
#define FST_POOL_AUTO (-1)

/** Options of fst_model_embed. @since 0.1 */
typedef struct fst_embed_options {
    size_t struct_size; /**< set by fst_embed_options_init */
    const char *head;   /**< name of a sequence head whose outputs are the embeddings; NULL (default): the pooled hidden states */
    int32_t pooling;    /**< without head: FST_POOL_ value; default FST_POOL_AUTO */
    int32_t normalise;  /**< 1 (default): scaled to length 1, so that products are cosines; 0: as they are */
    int64_t rows;       /**< examples of a batch; default 32 */
    int64_t sequence;   /**< texts: which sequence of each example; default 0, the first */
} fst_embed_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_embed_options_init(fst_embed_options *options, size_t size);

/**
 * Embeds a dataset. Without dropout; memory is taken for the call.
 *
 * @param model the model.
 * @param dataset examples of any kind, not packed.
 * @param options NULL for defaults.
 * @param embeddings [capacity] out: [examples, D], D the model's width or the head's outputs; may be NULL
 *        where capacity is 0.
 * @param capacity numbers that fit.
 * @param count out: examples·D.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL with count set, and nothing computed; FST_ERR_NOT_FOUND for a
 *         head that the model does not have; FST_ERR_MISMATCH where model and data do not fit each other;
 *         FST_ERR_STATE for data that is packed or has no examples; FST_ERR_NUMERIC for embeddings that
 *         are not finite; FST_ERR_NO_MEMORY; FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_model_embed(fst_model *model, const fst_dataset *dataset,
                                   const fst_embed_options *options, float *embeddings,
                                   int64_t capacity, int64_t *count);

#ifdef __cplusplus
}
#endif

#endif
