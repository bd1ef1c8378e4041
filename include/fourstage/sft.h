/*
 * Stage two: supervised finetuning, on conversations (the model learns to write the answers), on
 * labelled texts or images (a head of the model learns to tell their labels), or on words with tags (a head learns
 * to tell each word's).
 *
 * What trains is the model's and the optimizer's matter, not the run's: everything, or what
 * fst_model_set_trainable leaves (a head over a frozen trunk is a linear probe, in which a batch norm uses
 * its running statistics); at a learning rate that falls with depth by layer_decay of
 * fst_optimizer_options; or an adapter, see adapter.h.
 *
 * Threads: see run.h.
 */
#ifndef FOURSTAGE_SFT_H
#define FOURSTAGE_SFT_H

#include "fourstage/entities.h"
#include "fourstage/images.h"
#include "fourstage/run.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_SFT_AUTO 0 /**< conversations: next-token prediction of the answers; labelled: CROSS_ENTROPY with one label and a head of two or more outputs, else MSE. @since 0.1 */
#define FST_SFT_CROSS_ENTROPY 1 /**< one label, the class: the head's outputs are the classes' logits; see fst_loss_classes. @since 0.1 */
#define FST_SFT_BINARY 2        /**< each label 1 or 0: the head's outputs are their logits; see fst_loss_labels. @since 0.1 */
#define FST_SFT_MSE 3           /**< each label a number: squared error; see fst_loss_regression. @since 0.1 */

/** Options of fst_sft_create. @since 0.1 */
typedef struct fst_sft_options {
    size_t struct_size;         /**< set by fst_sft_options_init */
    fst_model *model;           /**< what is trained; kept alive by the run */
    /** Made for this model; kept alive by the run. NULL (default): AdamW with the defaults of
     *  fst_optimizer_options. */
    fst_optimizer *optimizer;
    const fst_dataset *train;   /**< packed conversations, labelled, or words with tags; kept alive by the run */
    const fst_dataset *validation; /**< of the same kind; NULL (default): none */
    const fst_run_options *run; /**< read during create; NULL (default): defaults */
    const char *head;           /**< labelled: name of a sequence head of the model; words with tags: of a token head; else NULL (default) */
    int64_t rows;               /**< rows or examples of a micro-batch; default 8 */
    int64_t accumulation;       /**< micro-batches of a step; default 1. The gradient is that of one batch of rows·accumulation, normalised by all its targets or labels */
    int64_t evaluation_rows;    /**< first rows or examples of validation to evaluate on; 0 (default): all */
    int64_t length;             /**< labelled: longest sequence that memory is planned for; 0 (default): the longest of train and validation */
    int32_t objective;          /**< FST_SFT_ value; default FST_SFT_AUTO */
    int32_t shuffle;            /**< 1 (default): each epoch in an order of its own */
    double label_smoothing;     /**< 0 ≤ ε < 1; default 0; not in evaluations; not with FST_SFT_MSE */
    double z_loss;              /**< conversations: coefficient of logsumexp² (PaLM, arXiv 2204.02311); default 0; not in evaluations */
    const double *class_weights; /**< [class_weight_count] factors of each class's loss, or of each label's where it is 1; copied; NULL (default): 1; not in evaluations */
    int64_t class_weight_count; /**< 0 (default), or the head's outputs */
    double threshold;           /**< FST_SFT_BINARY: a label is told yes from this probability on, in evaluations; default 0.5 */
    int32_t spike_action;       /**< FST_SPIKE_ value; default FST_SPIKE_NONE */
    int32_t reserved;           /**< 0 */
    double spike_loss_z;        /**< deviations above the running mean at which a loss is a spike; 0 (default): not watched */
    double spike_gradient_z;    /**< the same for the gradient's norm; 0 (default): not watched */
    int64_t spike_warmup;       /**< steps that only fill the running statistics; default 100 */
    int64_t spike_patience;     /**< spikes in a row before a roll back; default 10 */
    int64_t spike_rollbacks;    /**< roll backs before the run gives up with FST_ERR_NUMERIC; default 3 */
    /** Labelled: weight λ of the mean cross entropy of the texts' own tokens beside the objective, so that the
     *  trunk goes on modelling language and overfits less (Radford et al., "Improving language
     *  understanding by generative pre-training", 2018, section 3.2, which uses 0.5); default 0. Not in
     *  evaluations. */
    double language_modelling;
    int32_t tag_scheme;         /**< words with tags: FST_TAGS_ value (entities.h) that the strict figures go by; default FST_TAGS_AUTO */
    int32_t reserved2;          /**< 0 */
    /** Images: done to them in training only; its mean and std, or the training data's, in evaluations too.
     *  Read during create. NULL (default): nothing but the data's mean and std. */
    const fst_augment_options *augment;
} fst_sft_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_sft_options_init(fst_sft_options *options, size_t size);

/**
 * Makes a run that finetunes a model. It takes all memory of a step. Dropout is on in training.
 *
 * Conversations (fst_dataset_from_conversations, fst_dataset_load_examples; then fst_dataset_pack): a
 * step is that of fst_pretrain_create, over the targets that the answers are made of. Metrics: as
 * there; "accuracy" and "validation_accuracy" are of these tokens.
 *
 * Labelled (fst_dataset_from_labelled, fst_dataset_load_examples): a micro-batch is fst_dataset_order,
 * fst_dataset_collate to the longest of its sequences, rounded up to a multiple of 16 where there is
 * room; fst_model_forward with lengths and the number of the micro-batch as the dropout's step;
 * fst_model_output of the head; fst_loss_classes, fst_loss_labels or fst_loss_regression with weights
 * 1 / (labels of the whole step, or the class weights of these); fst_model_add_gradient,
 * fst_model_backward; a step ends with fst_optimizer_step. A loop of the caller's own that does the
 * same gets the same bits. Labels that are missing (NaN) add nothing.
 *
 * Images with labels (images.h) likewise: instead of collating, fst_dataset_read_images with `augment`, where
 * image i of micro-batch n has draw n·rows + i; the batch has images and no ids. In "tokens" an image counts
 * as one.
 *
 * Metrics of labelled runs: "loss" (of the labels), "language_loss" (mean cross entropy of the texts' tokens;
 * NaN where language_modelling is 0), "accuracy" (NaN for FST_SFT_MSE), "learning_rate", "gradient_norm",
 * "clip_factor", "labels", "tokens" of the last step; "epoch", "spikes", "rollbacks" so far; of the last
 * evaluation "validation_loss" (plain, without class weights) and, NaN where the objective has none:
 * "validation_accuracy", "validation_f1_macro", "validation_f1_micro", "validation_mcc" (see
 * fst_class_metrics); "validation_subset_accuracy" (fst_label_metrics); "validation_rmse",
 * "validation_mae", "validation_pearson", "validation_spearman" (fst_regression_metrics; correlations
 * are means over the outputs); "validation_top5_accuracy", the share of labels among the five largest
 * outputs, NaN of fewer than five classes.
 *
 * Words with tags (words.h): as labelled, with the output of a token head of as many outputs as there are
 * tags, and fst_loss_classes over all its rows, whose labels are the classes that fst_dataset_collate
 * gives as targets, NaN where that is FST_IGNORE; weights 1 / (ids of the whole step that carry a class,
 * or the class weights of these).
 *
 * Metrics of such runs: "loss", "accuracy" (of the ids with a class), "learning_rate", "gradient_norm",
 * "clip_factor", "labels", "tokens" of the last step; "epoch", "spikes", "rollbacks" so far; of the last
 * evaluation "validation_loss" (of the ids with a class, without class weights), "validation_accuracy" (of
 * words) and of entities, NaN where the tags name none: "validation_f1", "validation_precision",
 * "validation_recall", counted as conlleval does; "validation_f1_strict", "validation_precision_strict",
 * "validation_recall_strict", by the scheme, NaN where it is not known. A word is told by its first id;
 * words without one, and those cut away, are left out.
 *
 * @param options model and train are needed; labelled and words with tags: head too.
 * @param run out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field, or the label that the objective
 *         does not allow); FST_ERR_NOT_FOUND for a head that the model does not have;
 *         FST_ERR_MISMATCH where model, head, optimizer and data do not fit each other; FST_ERR_STATE
 *         for conversations that are not packed, and for data of another kind; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_sft_create(const fst_sft_options *options, fst_run **run);

/**
 * The counts behind the last evaluation of a labelled run or one on words with tags, for
 * fst_metrics_classes and for printing: of FST_SFT_CROSS_ENTROPY and of words with tags
 * [classes, classes], row of the label, column of the prediction; of
 * FST_SFT_BINARY [outputs, 2, 2] as fst_metrics_labels gives it.
 *
 * @param run made by fst_sft_create.
 * @param counts [capacity] out; may be NULL where capacity is 0.
 * @param capacity counts that fit.
 * @param count out: how many there are.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL with count set; FST_ERR_STATE before the first evaluation
 *         since create or resume, and for a run of another stage or objective;
 *         FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_sft_confusion(const fst_run *run, int64_t *counts, int64_t capacity,
                                     int64_t *count);

/**
 * The entities of the last evaluation of a run on words with tags, for a table by type.
 *
 * @param run made by fst_sft_create.
 * @param strict 1: by the scheme; 0: as conlleval counts.
 * @param entities out: a counter with these counts; the caller owns it.
 * @return FST_OK; FST_ERR_STATE before the first evaluation since create or resume, for a run of another
 *         kind, and where the tags name no entities or are of no known scheme; FST_ERR_INVALID_ARGUMENT;
 *         FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_sft_entities(const fst_run *run, int32_t strict, fst_entities **entities);

/**
 * What a token head says of each word: the class of the largest output for its first id. Without dropout;
 * memory is taken for the call.
 *
 * @param model the model.
 * @param head name of a token head.
 * @param dataset of kind FST_EXAMPLES_TOKENS; its tags are not read.
 * @param rows examples of a batch, at least 1.
 * @param tags [capacity] out: a class for each word that the dataset, or the one it was split from, was
 *        made of, in their order; FST_IGNORE for words that are in no example, were cut away, or of which
 *        the tokenizer leaves nothing; may be NULL where capacity is 0.
 * @param capacity words that fit.
 * @param count out: fst_words_info.words.
 * @return as fst_sft_predict.
 * @since 0.1
 */
FST_API fst_status fst_sft_tag(fst_model *model, const char *head, const fst_dataset *dataset,
                               int64_t rows, int32_t *tags, int64_t capacity, int64_t *count);

/**
 * What a sequence head says of each example: its outputs, which are logits where it was trained with
 * FST_SFT_CROSS_ENTROPY or FST_SFT_BINARY. Without dropout; memory is taken for the call.
 *
 * @param model the model.
 * @param head name of a sequence head.
 * @param dataset examples of any kind, not packed; their first sequences are read, or their images with the
 *        dataset's own mean and std.
 * @param rows examples of a batch, at least 1.
 * @param outputs [capacity] out: the head's K outputs for each example, [examples, K]; may be NULL where
 *        capacity is 0.
 * @param capacity numbers that fit.
 * @param count out: examples·K.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL with count set, and nothing computed; FST_ERR_NOT_FOUND for
 *         a head that the model does not have; FST_ERR_MISMATCH where they do not fit each other;
 *         FST_ERR_STATE for data that is packed or has no examples; FST_ERR_NUMERIC for outputs that
 *         are not finite; FST_ERR_NO_MEMORY; FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_sft_predict(fst_model *model, const char *head, const fst_dataset *dataset,
                                   int64_t rows, float *outputs, int64_t capacity, int64_t *count);

#ifdef __cplusplus
}
#endif

#endif
