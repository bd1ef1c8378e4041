/*
 * Stage four, offline: a policy learns from preferences without sampling (DPO and its relatives).
 *
 * Threads: see run.h.
 */
#ifndef FOURSTAGE_DPO_H
#define FOURSTAGE_DPO_H

#include "fourstage/run.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_DPO_SIGMOID 0 /**< FST_PREFERENCE_DPO of objectives.h. @since 0.1 */
#define FST_DPO_IPO 1     /**< FST_PREFERENCE_IPO. @since 0.1 */
#define FST_DPO_HINGE 2   /**< FST_PREFERENCE_HINGE. @since 0.1 */
#define FST_DPO_KTO 3     /**< fst_loss_kto: each chosen answer is desirable, each rejected one undesirable. @since 0.1 */

/** reference_model where one is given; else the adapter's trunk where the model has an adapter; else a
 *  copy. @since 0.1 */
#define FST_REFERENCE_AUTO 0
#define FST_REFERENCE_MODEL 1 /**< fst_dpo_options.reference_model. @since 0.1 */
/** The model itself with its adapter off: right where the adapter is fresh. Where finetuning trained it
 *  before, what the run begins with is the trunk with it: FST_REFERENCE_COPY. @since 0.1 */
#define FST_REFERENCE_TRUNK 2
#define FST_REFERENCE_COPY 3  /**< a frozen copy of the model, made when the run is. It is in the checkpoints. @since 0.1 */

/** Options of fst_dpo_create. @since 0.1 */
typedef struct fst_dpo_options {
    size_t struct_size;            /**< set by fst_dpo_options_init */
    fst_model *model;              /**< the policy that is trained; kept alive by the run */
    /** Made for this model; kept alive by the run. NULL (default): AdamW with the defaults of
     *  fst_optimizer_options, whose learning rate is far too high for a large model. */
    fst_optimizer *optimizer;
    fst_model *reference_model;    /**< kept alive by the run and not to be changed while it lives; NULL (default): none */
    const fst_dataset *train;      /**< FST_EXAMPLES_PREFERENCES, not packed; kept alive by the run */
    const fst_dataset *validation; /**< the same; NULL (default): none */
    const fst_run_options *run;    /**< read during create; NULL (default): defaults */
    int32_t kind;                  /**< FST_DPO_ value; default FST_DPO_SIGMOID */
    int32_t reference;             /**< FST_REFERENCE_ value; default FST_REFERENCE_AUTO */
    int64_t rows;                  /**< pairs of a micro-batch; default 4 */
    int64_t accumulation;          /**< micro-batches of a step; default 1. The gradient is that of one batch of rows·accumulation pairs, but for KTO's reference point, which is a micro-batch's own */
    int64_t evaluation_pairs;      /**< first pairs of validation to evaluate on; 0 (default): all */
    int32_t shuffle;               /**< 1 (default): each epoch in an order of its own */
    int32_t dropout;               /**< 1: the policy's forward has the model's dropout; 0 (default): none, as TRL */
    double beta;                   /**< β > 0; default 0.1 */
    double label_smoothing;        /**< FST_DPO_SIGMOID: 0 ≤ ε < 0.5; default 0 */
    double desirable_weight;       /**< KTO's λ_D; default 1 */
    double undesirable_weight;     /**< KTO's λ_U; default 1 */
    double sft;                    /**< α ≥ 0: adds α·(−log π(chosen)/tokens of the chosen answer) (Pang et al., arXiv 2404.19733, equation 2); default 0 */
} fst_dpo_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_dpo_options_init(fst_dpo_options *options, size_t size);

/**
 * Makes a run that trains a causal language model on preferences. It takes all memory of a step.
 *
 * A step reads rows·accumulation examples, a pair of answers each. Of an example with more than two
 * answers, each epoch sees one pair: first the best and the worst, then pairs ever closer in rank, until
 * all have been seen, and again. A micro-batch goes, both answers of its pairs in one batch padded to the
 * longest, through the reference model in FST_FORWARD_EVALUATE, then through the policy; the sums of
 * "log_probabilities" over each answer go into fst_loss_preference or fst_loss_kto with float weights 1/(pairs,
 * or answers, of the whole step), and their gradients back through fst_model_add_gradient. A loop of the
 * caller's own that does the same gets the same bits.
 *
 * KTO's reference point is the mean over the micro-batch of what both models give each prompt with the
 * answers to another prompt (those of the next example that the training reads; cut at the end where
 * they are longer than the longest sequence of the data), never below 0.
 *
 * Metrics of the last step: "loss" (with the α term), "sft_loss" (−log π per token of the chosen answers,
 * without α), "accuracy" (share of pairs whose chosen answer has the larger implicit reward
 * β·(log π − log π_ref), equal ones half), "margin" (mean difference of the two), "chosen_reward",
 * "rejected_reward", "chosen_log_probability", "rejected_log_probability" (means over answers),
 * "reference_point" (KTO), "learning_rate", "gradient_norm", "clip_factor", "tokens" (that are trained
 * on); "tokens_per_second", "seconds_left"; "epoch" so far; and of the last evaluation
 * "validation_loss" (without the α term), "validation_accuracy", "validation_margin",
 * "validation_chosen_reward", "validation_rejected_reward". An evaluation pairs each example's best answer with its worst.
 *
 * @param options model and train are needed.
 * @param run out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_MISMATCH where models,
 *         optimizer and data do not fit each other; FST_ERR_STATE for data that are no preferences or
 *         are packed, and for FST_REFERENCE_TRUNK without an adapter; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_dpo_create(const fst_dpo_options *options, fst_run **run);

#ifdef __cplusplus
}
#endif

#endif
