/*
 * Stage one: self-supervised pretraining of a language model, by predicting the next token or, with
 * an encoder, masked ones.
 *
 * Threads: see run.h.
 */
#ifndef FOURSTAGE_PRETRAIN_H
#define FOURSTAGE_PRETRAIN_H

#include "fourstage/masking.h"
#include "fourstage/run.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_PRETRAIN_CAUSAL 0 /**< predicts the next token; for causal models. @since 0.1 */
/** Predicts masked tokens, chosen anew at every reading; for encoders (fst_model_config.causal 0).
 *  See fst_mask_tokens. @since 0.1 */
#define FST_PRETRAIN_MASKED 1

/** Options of fst_pretrain_create. @since 0.1 */
typedef struct fst_pretrain_options {
    size_t struct_size;         /**< set by fst_pretrain_options_init */
    fst_model *model;           /**< what is trained; kept alive by the run */
    /** Made for this model; kept alive by the run. NULL (default): AdamW with the defaults of
     *  fst_optimizer_options. */
    fst_optimizer *optimizer;
    const fst_dataset *train;   /**< packed; kept alive by the run */
    const fst_dataset *validation; /**< packed; NULL (default): none */
    const fst_run_options *run; /**< read during create; NULL (default): defaults */
    int64_t rows;               /**< rows of a micro-batch; default 8 */
    int64_t accumulation;       /**< micro-batches of a step; default 1. The gradient is that of one batch of rows·accumulation rows, normalised by all its targets */
    int64_t evaluation_rows;    /**< first rows of validation to evaluate on; 0 (default): all */
    int32_t shuffle;            /**< 1 (default): each epoch in an order of its own */
    int32_t spike_action;       /**< FST_SPIKE_ value; default FST_SPIKE_NONE */
    double label_smoothing;     /**< 0 ≤ ε < 1; default 0; not in evaluations */
    double z_loss;              /**< coefficient of logsumexp² (PaLM, arXiv 2204.02311); default 0; not in evaluations */
    double spike_loss_z;        /**< deviations above the running mean at which a loss is a spike; 0 (default): not watched */
    double spike_gradient_z;    /**< the same for the gradient's norm; 0 (default): not watched */
    int64_t spike_warmup;       /**< steps that only fill the running statistics; default 100 */
    int64_t spike_patience;     /**< spikes in a row before a roll back; default 10 */
    int64_t spike_rollbacks;    /**< roll backs before the run gives up with FST_ERR_NUMERIC; default 3 */
    int32_t objective;          /**< FST_PRETRAIN_ value; default FST_PRETRAIN_CAUSAL. What follows is read with FST_PRETRAIN_MASKED only */
    int32_t whole_words;        /**< 1: words are masked whole; where they begin say the datasets' word_continues, or else mask_flags or the tokenizer; default 0 */
    double mask_probability;    /**< of an id, or of a word, to be chosen; default 0.15 */
    double mask_token_share;    /**< part of the chosen ids that become mask_id; default 0.8 */
    double random_token_share;  /**< part of them that become a random id; default 0.1 */
    int32_t mask_id;            /**< -1 (default): the tokenizer's FST_TOKEN_MASK */
    int32_t mask_reserved;      /**< 0 */
    const fst_tokenizer *tokenizer; /**< says which ids are special and where words begin; read during create; NULL (default): only mask_id and padding are never masked */
    const uint8_t *mask_flags;  /**< [the model's vocabulary_size] FST_TOKEN_ bits in place of the tokenizer's; copied; NULL (default): the tokenizer's */
} fst_pretrain_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_pretrain_options_init(fst_pretrain_options *options, size_t size);

/**
 * Makes a run that pretrains a language model. It takes all memory of a step.
 *
 * A step reads rows·accumulation rows; its micro-batches go through fst_model_forward (with the
 * number of the micro-batch as the dropout's step), fst_model_loss (scale 1 / targets of the whole
 * step) and fst_model_backward; then fst_optimizer_step. A loop of the caller's own that does the
 * same gets the same bits.
 *
 * Metrics: "loss", "z_loss", "perplexity", "accuracy", "learning_rate", "gradient_norm",
 * "clip_factor", "tokens" of the last step; "tokens_per_second", "seconds_left"; "epoch", "spikes",
 * "rollbacks" so far; "validation_loss", "validation_perplexity" (e to the loss per token),
 * "validation_bits_per_byte" (NaN where the bytes are unknown or evaluation_rows cuts the data
 * short), "validation_accuracy" of the last evaluation.
 *
 * With FST_PRETRAIN_MASKED each micro-batch goes through fst_mask_tokens first, with the number of its
 * first row as the draw, and only what was chosen is a target: losses, perplexities and "tokens" are
 * those of masked tokens, and the mean is over all that the step chose. Each id sees its whole document,
 * or row with cross_documents, never padding. Evaluations mask the validation rows in the same way each
 * time. "accuracy" and "validation_accuracy" are called "masked_accuracy" and
 * "validation_masked_accuracy"; there are no bits per byte.
 *
 * @param options model and train are needed.
 * @param run out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_MISMATCH where model,
 *         objective, tokenizer, optimizer and data do not fit each other; FST_ERR_NOT_FOUND where the
 *         tokenizer has no mask token; FST_ERR_STATE for data that is not packed;
 *         FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_pretrain_create(const fst_pretrain_options *options, fst_run **run);

#ifdef __cplusplus
}
#endif

#endif
