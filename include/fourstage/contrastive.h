/*
 * Stage one without labels and without words to predict: contrastive pretraining. Two views of the same
 * example shall be alike, views of different examples not.
 *
 * Views of a text are two passes with dropout of their own (unsupervised SimCSE; Gao et al., arXiv
 * 2104.08821) or texts that belong together, with a hard negative or without (supervised SimCSE). Views of
 * an image are two augmentations of it (SimCLR; Chen et al., arXiv 2002.05709).
 *
 * Threads: see run.h.
 */
#ifndef FOURSTAGE_CONTRASTIVE_H
#define FOURSTAGE_CONTRASTIVE_H

#include "fourstage/embed.h"
#include "fourstage/images.h"
#include "fourstage/run.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_CONTRASTIVE_AUTO 0    /**< texts FST_CONTRASTIVE_INFONCE, images FST_CONTRASTIVE_NTXENT. @since 0.1 */
#define FST_CONTRASTIVE_NTXENT 1  /**< every view is an anchor; not with hard negatives; see fst_loss_ntxent. @since 0.1 */
#define FST_CONTRASTIVE_INFONCE 2 /**< first views are anchors, all others candidates; see fst_loss_infonce. @since 0.1 */

#define FST_VIEWS_AUTO 0    /**< pairs FST_VIEWS_PAIRS, other texts FST_VIEWS_DROPOUT, images FST_VIEWS_AUGMENT. @since 0.1 */
#define FST_VIEWS_DROPOUT 1 /**< the example's first text twice, with dropout masks of its own each time. @since 0.1 */
#define FST_VIEWS_PAIRS 2   /**< an example's texts: two, or three with a hard negative (FST_EXAMPLES_PAIRS). @since 0.1 */
#define FST_VIEWS_AUGMENT 3 /**< images: the image twice, augmented as `augment` says. @since 0.1 */

/** Options of fst_contrastive_create. @since 0.1 */
typedef struct fst_contrastive_options {
    size_t struct_size;         /**< set by fst_contrastive_options_init */
    fst_model *model;           /**< what is trained; kept alive by the run */
    /** Made for this model; kept alive by the run. NULL (default): AdamW with the defaults of
     *  fst_optimizer_options. */
    fst_optimizer *optimizer;
    const fst_dataset *train;   /**< texts of any kind, not packed, or images; kept alive by the run */
    /** As train; or pairs with one label each, how alike the two are (STS); kept alive by the run. NULL
     *  (default): none. */
    const fst_dataset *validation;
    const fst_run_options *run; /**< read during create; NULL (default): defaults */
    /** Name of a sequence head whose outputs the loss compares, a projection head; validation by labels does
     *  without. NULL (default): the pooled hidden states themselves. */
    const char *head;
    int32_t pooling;            /**< FST_POOL_ value of embeddings without head; default FST_POOL_AUTO */
    int32_t objective;          /**< FST_CONTRASTIVE_ value; default FST_CONTRASTIVE_AUTO */
    int32_t views;              /**< FST_VIEWS_ value; default FST_VIEWS_AUTO */
    int32_t shuffle;            /**< 1 (default): each epoch in an order of its own */
    double temperature;         /**< τ > 0; 0 (default): 0.05 for texts, 0.1 for images */
    double hard_negative_logit; /**< see fst_contrastive_loss_options; default 0 */
    int64_t rows;               /**< examples of a step, each other's negatives, at least 2; default 64 */
    /** Examples that pass through the model at once. 0 (default): all. Less than rows: the batch may be
     *  larger than what memory holds of activations, at the price of a second forward (gradient caching;
     *  Gao et al., arXiv 2101.06983). The gradient is that of the whole batch. */
    int64_t chunk;
    int64_t evaluation_rows;    /**< first examples of validation to evaluate on; 0 (default): all */
    int64_t length;             /**< longest sequence that memory is planned for; 0 (default): the longest of train and validation */
    int32_t chunk_statistics;   /**< 1: chunk < rows is allowed for a model with batch norm, whose statistics are then those of each chunk, no longer those of the batch; default 0 */
    int32_t spike_action;       /**< FST_SPIKE_ value; default FST_SPIKE_NONE */
    double spike_loss_z;        /**< deviations above the running mean at which a loss is a spike; 0 (default): not watched */
    double spike_gradient_z;    /**< the same for the gradient's norm; 0 (default): not watched */
    int64_t spike_warmup;       /**< steps that only fill the running statistics; default 100 */
    int64_t spike_patience;     /**< spikes in a row before a roll back; default 10 */
    int64_t spike_rollbacks;    /**< roll backs before the run gives up with FST_ERR_NUMERIC; default 3 */
    /** Images: what makes views of them; read during create. NULL (default): SimCLR's with strength 0.5,
     *  fst_augment_options_simclr. */
    const fst_augment_options *augment;
} fst_contrastive_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_contrastive_options_init(fst_contrastive_options *options, size_t size);

/**
 * Makes a run of contrastive pretraining. It takes all memory of a step.
 *
 * A step is fst_dataset_order of `rows` examples; for each chunk of them fst_dataset_collate (row v + V·i
 * of the chunk's batch is view v of its example i, V views), fst_model_forward with dropout, number
 * step·chunks + chunk as the dropout's step (images: fst_dataset_read_images, view v of example i of
 * all that training has read with draw 2·i + v), the embeddings; the loss over all of them; and, where there is
 * more than one chunk, each forward once more with the same masks, before its backward; then
 * fst_optimizer_step.
 *
 * Validation without labels is the training's loss over batches of `rows` in the dataset's order (a rest
 * smaller than that is left away), by pairs without dropout, by dropout and augmentation with the same draws each time. With
 * labels it is the correlation of the two embeddings' cosine with the label, without head and dropout, and
 * the evaluation's score is −Spearman.
 *
 * Metrics: "loss", "accuracy", "alignment", "uniformity" (fst_contrastive_loss), "learning_rate",
 * "gradient_norm", "clip_factor", "tokens" (of images their views) of the last step; "epoch", "spikes", "rollbacks" so far; of the
 * last evaluation "validation_loss" (with labels −Spearman), "validation_accuracy" (without labels),
 * "validation_alignment" (with labels: over the pairs with at least four fifths of the greatest label, as
 * SimCSE measures it), "validation_uniformity", "validation_spearman", "validation_pearson" (with labels).
 *
 * @param options model and train are needed.
 * @param run out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field; also for views by dropout of a
 *         model without dropout, and for chunks of a model with batch norm); FST_ERR_NOT_FOUND for a head
 *         that the model does not have; FST_ERR_MISMATCH where model, head, optimizer and data do not
 *         fit each other; FST_ERR_STATE for data of another kind, or packed; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_contrastive_create(const fst_contrastive_options *options, fst_run **run);

#ifdef __cplusplus
}
#endif

#endif
