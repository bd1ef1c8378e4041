/*
 * Reward models: anything that scores an answer. A model with a score head, the caller's own
 * function, a rule, or a weighted sum of these, behind one handle.
 *
 * Threads: one reward model, what it is made of, and a model under it, from one thread at a time.
 * Callbacks are called on the calling thread; a reward model that is scoring answers FST_ERR_BUSY to
 * a call from its own callback.
 */
#ifndef FOURSTAGE_REWARD_H
#define FOURSTAGE_REWARD_H

#include "fourstage/chat.h"
#include "fourstage/run.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is scored ---- */

/**
 * Answers to prompts, as ids, as texts, or both. Arrays are the caller's, borrowed for the call. What
 * a member needs and the batch does not have is made from the other: texts from ids by the tokenizer
 * of the batch or of a member, ids from texts by the member's own. @since 0.1 */
typedef struct fst_reward_batch {
    size_t struct_size;               /**< set by fst_reward_batch_init */
    int64_t count;                    /**< answers, ≥ 1 */
    const int32_t *const *prompts;    /**< [count] ids of each prompt; NULL: texts only */
    const int64_t *prompt_lengths;    /**< [count] ids of each, ≥ 0 */
    const int32_t *const *responses;  /**< [count] ids of each answer; NULL: texts only */
    const int64_t *response_lengths;  /**< [count] ids of each, ≥ 0 */
    const char *const *prompt_texts;  /**< [count] UTF-8, ending with NUL; NULL: ids only */
    const char *const *response_texts; /**< [count] UTF-8, ending with NUL; NULL: ids only */
    const int32_t *finishes;          /**< [count] FST_FINISH_ values of policy.h; NULL: not known */
    fst_tokenizer *tokenizer;         /**< makes texts from ids where they are needed; NULL: a member's */
} fst_reward_batch;

/** Zeroes the batch and sets struct_size. @param batch to fill. @param size sizeof *batch.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_reward_batch_init(fst_reward_batch *batch, size_t size);

/**
 * Scores a whole batch. `batch` has what the caller of the score gave, and texts where they could be
 * made. @return 0: scores [count] are filled; > 0: stop, the call returns FST_STOPPED; < 0: the call
 * returns that value. @since 0.1 */
typedef int32_t (*fst_reward_callback)(const fst_reward_batch *batch, float *scores, void *user);

/* ---- members ---- */

/** Options of fst_reward_model_from_callback. @since 0.1 */
typedef struct fst_reward_callback_options {
    size_t struct_size;          /**< set by fst_reward_callback_options_init */
    int32_t texts;               /**< 1 (default): texts are made from ids where a tokenizer is at hand; 0: the callback reads none */
    int32_t reserved;            /**< 0 */
    fst_tokenizer *tokenizer;    /**< kept alive; NULL (default): the batch's, or another member's */
    void (*release)(void *user); /**< called once when the handle's last holder is gone; NULL (default): nothing to do */
} fst_reward_callback_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_reward_callback_options_init(fst_reward_callback_options *options, size_t size);

/**
 * The caller's own function, called for a whole batch at a time.
 *
 * @param context the context.
 * @param callback called by every score.
 * @param user handed to callback and to options.release.
 * @param options NULL for defaults.
 * @param reward_model out: the caller owns it. Where the call fails, release is not called.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_reward_model_from_callback(fst_context *context, fst_reward_callback callback,
                                                  void *user,
                                                  const fst_reward_callback_options *options,
                                                  fst_reward_model **reward_model);

/** 1 where the answer has least … most units, less by 1/falloff for each unit beyond, down to 0. @since 0.1 */
#define FST_RULE_LENGTH 0
/** 1 − distinct-n: the share of the answer's n-grams that stood in it before (Li et al., arXiv 1510.03055);
 *  0 for an answer shorter than n. A penalty: give it a negative weight. @since 0.1 */
#define FST_RULE_REPETITION 1
/** 1 where the pattern is found in the answer's text, else 0: a format reward. Where matching takes
 *  longer than its limit, as of a catastrophic pattern, 0 with a warning in the log. @since 0.1 */
#define FST_RULE_PATTERN 2
/** The weights of the words found in the answer's text; the longest word wins where several begin. @since 0.1 */
#define FST_RULE_LEXICON 3
/** 1 where the answer was ended by an end token or stop string, else 0; from the batch's finishes, or where
 *  it has none, from the last id being the tokenizer's end token. @since 0.1 */
#define FST_RULE_END 4

#define FST_UNIT_TOKENS 0     /**< ids of the answer. @since 0.1 */
#define FST_UNIT_CHARACTERS 1 /**< code points of its text. @since 0.1 */
#define FST_UNIT_WORDS 2      /**< what stands between white space in its text. @since 0.1 */

/** Options of fst_reward_model_from_rule. Texts are copied. @since 0.1 */
typedef struct fst_reward_rule_options {
    size_t struct_size;        /**< set by fst_reward_rule_options_init */
    int32_t kind;              /**< FST_RULE_ value; default FST_RULE_LENGTH */
    int32_t unit;              /**< length, repetition: FST_UNIT_ value; default FST_UNIT_TOKENS */
    int64_t least;             /**< length: ≥ 0; default 0 */
    int64_t most;              /**< length: ≥ least; default 0 */
    int64_t falloff;           /**< length: ≥ 0; 0 (default): 0 right outside the range */
    int64_t n;                 /**< repetition: 1 … 16; default 2 */
    const char *pattern;       /**< pattern: a PCRE2 expression over UTF-8 */
    int32_t whole;             /**< pattern: 1: it must cover the whole text; lexicon: 1: a word does not begin or end inside a longer one; default 0 */
    int32_t ignore_case;       /**< pattern, lexicon: 1: letters match in either case; default 0 */
    const char *const *words;  /**< lexicon: [word_count] UTF-8, none empty */
    const double *weights;     /**< lexicon: [word_count] what each adds */
    int64_t word_count;        /**< lexicon: ≥ 1 */
    int32_t average;           /**< lexicon: 1: the mean weight of the words found, 0 for none; 0 (default): the sum */
    int32_t reserved;          /**< 0 */
    fst_tokenizer *tokenizer;  /**< for texts of ids and the end token, kept alive; NULL (default): the batch's, or another member's */
} fst_reward_rule_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_reward_rule_options_init(fst_reward_rule_options *options, size_t size);

/**
 * A rule.
 *
 * @param context the context.
 * @param options which, and its numbers.
 * @param reward_model out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT naming the field; FST_ERR_FORMAT for a pattern that is none,
 *         with the byte; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_reward_model_from_rule(fst_context *context,
                                              const fst_reward_rule_options *options,
                                              fst_reward_model **reward_model);

/** Options of fst_reward_model_from_model. Texts are copied. @since 0.1 */
typedef struct fst_reward_head_options {
    size_t struct_size;            /**< set by fst_reward_head_options_init */
    const char *head;              /**< a sequence head of the model; default "score" */
    int64_t output;                /**< which of the head's outputs; default 0 */
    double shift;                  /**< score = (output − shift)·scale; default 0 */
    double scale;                  /**< not 0; default 1 */
    const fst_chat_template *chat; /**< of batches that have texts only; NULL (default): plain, as for preferences */
    int64_t max_length;            /**< most ids of prompt and answer; 0 (default): the model's context length */
    int32_t too_long;              /**< FST_TOO_LONG_ERROR (default) or FST_TOO_LONG_CUT_START of examples.h */
    int32_t reserved;              /**< 0 */
    int64_t tokens;                /**< most ids, with padding, of one forward; one answer may have more; default 4096 */
} fst_reward_head_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_reward_head_options_init(fst_reward_head_options *options, size_t size);

/**
 * A model with a score head. Prompt and answer are read one behind the other, as they are; where the
 * batch has texts only they become a user's message and the answer to it. Scoring is without dropout,
 * sorted by length; it ends what the model held for a backward.
 *
 * @param model kept alive; shared, not copied: it scores as the model is now.
 * @param tokenizer for texts, kept alive; NULL: ids only.
 * @param options NULL for defaults.
 * @param reward_model out: the caller owns it.
 * @return FST_OK; FST_ERR_NOT_FOUND where the model has no such head; FST_ERR_INVALID_ARGUMENT;
 *         FST_ERR_MISMATCH where the tokenizer has more ids than the model; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_reward_model_from_model(fst_model *model, fst_tokenizer *tokenizer,
                                               const fst_reward_head_options *options,
                                               fst_reward_model **reward_model);

#define FST_NORMALISE_NONE 0    /**< scores as they are. @since 0.1 */
#define FST_NORMALISE_MEMBERS 1 /**< each member's, by its own running mean and deviation. @since 0.1 */
#define FST_NORMALISE_SUM 2     /**< the weighted sum, by its running mean and deviation. @since 0.1 */

/**
 * Options of fst_reward_model_combine. For an answer with member scores s:
 *
 *     u_i = clip(norm_i(s_i), member_low_i, member_high_i)
 *     score = clip(norm(Σ weight_i·u_i), clip_low, clip_high)
 *
 * norm is (x − mean)/deviation over all scores seen so far, the present batch among them (deviation
 * with n; 1 where it is 0), or the identity. @since 0.1 */
typedef struct fst_reward_combine_options {
    size_t struct_size;         /**< set by fst_reward_combine_options_init */
    int32_t normalise;          /**< FST_NORMALISE_ value; default FST_NORMALISE_NONE */
    int32_t keep_mean;          /**< 1: norm divides by the deviation and leaves the mean in; default 0 */
    double clip_low;            /**< default −∞ */
    double clip_high;           /**< > clip_low; default ∞ */
    const double *member_low;   /**< [count] copied; NULL (default): −∞ */
    const double *member_high;  /**< [count] copied; NULL (default): ∞ */
} fst_reward_combine_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_reward_combine_options_init(fst_reward_combine_options *options, size_t size);

/**
 * A weighted sum of reward models, which may be sums themselves.
 *
 * @param context that of all members.
 * @param members [count] kept alive; none may be twice in the sum, at whatever depth.
 * @param weights [count] finite; NULL: 1.
 * @param count 1 … 64.
 * @param options NULL for defaults.
 * @param reward_model out: the caller owns it.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_MISMATCH for a member of another context,
 *         FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_reward_model_combine(fst_context *context,
                                            fst_reward_model *const *members,
                                            const double *weights, int64_t count,
                                            const fst_reward_combine_options *options,
                                            fst_reward_model **reward_model);

/** Gives up the caller's hold. @param reward_model may be NULL. @since 0.1 */
FST_API void fst_reward_model_destroy(fst_reward_model *reward_model);

/* ---- scoring ---- */

/**
 * Scores answers. The running statistics of a sum take the batch in; after a failure they are as
 * before.
 *
 * @param reward_model the reward model.
 * @param batch the answers.
 * @param scores [count] out.
 * @return FST_OK; FST_STOPPED where a callback asked for it; a callback's negative value;
 *         FST_ERR_INVALID_ARGUMENT naming what is missing or which answer does not fit;
 *         FST_ERR_NUMERIC for a score that is not finite, naming member and answer; FST_ERR_BUSY;
 *         FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_reward_model_score(fst_reward_model *reward_model,
                                          const fst_reward_batch *batch, float *scores);

/**
 * Scores texts.
 *
 * @param reward_model the reward model.
 * @param prompts [count] UTF-8. @param responses [count] UTF-8. @param count ≥ 1.
 * @param scores [count] out.
 * @return as fst_reward_model_score.
 * @since 0.1
 */
FST_API fst_status fst_reward_model_score_texts(fst_reward_model *reward_model,
                                                const char *const *prompts,
                                                const char *const *responses, int64_t count,
                                                float *scores);

/**
 * Scores ids.
 *
 * @param reward_model the reward model.
 * @param prompts [count] pointers to ids. @param prompt_lengths [count] ids of each.
 * @param responses [count] pointers to ids. @param response_lengths [count] ids of each.
 * @param count ≥ 1.
 * @param scores [count] out.
 * @return as fst_reward_model_score.
 * @since 0.1
 */
FST_API fst_status fst_reward_model_score_ids(fst_reward_model *reward_model,
                                              const int32_t *const *prompts,
                                              const int64_t *prompt_lengths,
                                              const int32_t *const *responses,
                                              const int64_t *response_lengths, int64_t count,
                                              float *scores);

/** Members of a sum. @param reward_model the reward model. @param count out: 0 for one that is no sum.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_reward_model_member_count(const fst_reward_model *reward_model, int64_t *count);

/**
 * What a member gave the answers scored last, before normalising, clipping and weighting.
 *
 * @param reward_model a sum.
 * @param member 0 ≤ member < its members.
 * @param scores out, [capacity]; may be NULL where capacity is 0.
 * @param capacity scores that fit.
 * @param count out: answers scored last, 0 if none were, also where they did not fit.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_BUFFER_TOO_SMALL.
 * @since 0.1
 */
FST_API fst_status fst_reward_model_member_scores(const fst_reward_model *reward_model, int64_t member,
                                                  float *scores, int64_t capacity, int64_t *count);

/** Whether running statistics take scored answers in, here and in all members; at first they do.
 *  @param reward_model the reward model. @param frozen 1: they stay as they are; 0: they go on.
 *  @return FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_BUSY. @since 0.1 */
FST_API fst_status fst_reward_model_freeze(fst_reward_model *reward_model, int32_t frozen);

/* ---- stage three: a model learns to score ---- */

#define FST_REWARD_PAIRWISE 0 /**< preferences: the better answer gets the larger score. @since 0.1 */
#define FST_REWARD_GRADED 1   /**< labelled texts: scores of one or several aspects. @since 0.1 */

#define FST_ASPECT_MSE 0     /**< squared error, fst_loss_regression. @since 0.1 */
#define FST_ASPECT_BT 1      /**< Bradley–Terry over the pairs of a micro-batch whose labels differ, fst_loss_ranked. @since 0.1 */
#define FST_ASPECT_ORDINAL 2 /**< labels 0 … levels − 1; levels − 1 outputs, one a threshold, fst_loss_ordinal with FST_ORDINAL_CORAL. @since 0.1 */

/** Options of fst_reward_create. @since 0.1 */
typedef struct fst_reward_options {
    size_t struct_size;          /**< set by fst_reward_options_init */
    fst_model *model;            /**< trained in place, with sequence heads that pool the last token; kept alive by the run */
    fst_optimizer *optimizer;    /**< made for model; NULL (default): one with the defaults */
    const fst_dataset *train;    /**< preferences, or labelled texts; not packed; kept alive by the run */
    const fst_dataset *validation; /**< of the same kind; NULL (default): none */
    const fst_run_options *run;  /**< read during create; NULL (default): defaults */
    int32_t objective;           /**< FST_REWARD_ value; default FST_REWARD_PAIRWISE */
    int32_t shuffle;             /**< 1 (default): each epoch in an order of its own */
    const char *const *heads;    /**< [head_count] names, read during create; NULL (default): "score" */
    int64_t head_count;          /**< 1 head with the outputs of all aspects, or one for each aspect; default 0: 1 */
    int64_t rows;                /**< examples of a micro-batch, all answers of each; default 8 */
    int64_t accumulation;        /**< micro-batches of a step; default 1 */
    int64_t evaluation_examples; /**< first examples of validation to evaluate on; 0 (default): all */
    int32_t dropout;             /**< 1: dropout as the model has it; 0 (default): none */
    int32_t shift_to_zero;       /**< preferences: 1 (default): the last step of total_steps ends with fst_reward_shift */
    int32_t scale_to_one;        /**< 1: that scales too; default 0 */
    int32_t spike_action;        /**< FST_SPIKE_ value; default FST_SPIKE_NONE */
    double centering;            /**< preferences: coefficient of (r₊ + r₋)²; default 0.01 */
    const int32_t *aspect_losses;  /**< labelled: [aspect_count] FST_ASPECT_ values; NULL (default): FST_ASPECT_MSE */
    const double *aspect_weights;  /**< labelled: [aspect_count] of each aspect's mean loss, ≥ 0; NULL (default): 1 */
    const int32_t *aspect_levels;  /**< labelled: [aspect_count] read where the loss is FST_ASPECT_ORDINAL, 2 … 64; NULL (default): none is */
    int64_t aspect_count;          /**< labelled: labels of an example, 1 … 8; 0 (default): as the data has */
    double spike_loss_z;         /**< as in fst_pretrain_options, as all that follow */
    double spike_gradient_z;     /**< default 0 */
    int64_t spike_warmup;        /**< default 100 */
    int64_t spike_patience;      /**< default 10 */
    int64_t spike_rollbacks;     /**< default 3 */
} fst_reward_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_reward_options_init(fst_reward_options *options, size_t size);

/**
 * Makes a run that trains a reward model. It takes all memory of a step.
 *
 * A step reads rows·accumulation examples, sorted by length and cut into micro-batches; a micro-batch
 * is padded to its own longest sequence, all answers of an example in it. The heads' outputs go into
 * fst_loss_bradley_terry (two answers, with the pair's margin) or fst_loss_k_wise (more: all pairs of a
 * prompt, InstructGPT's equation 1) with weight 1/examples of the step; or each aspect's into its loss
 * with its weight divided by its labels (FST_ASPECT_BT: pairs) in the whole step, missing ones left
 * out. Gradients go back through fst_model_add_gradient.
 *
 * Metrics of the last step: "loss" (with centering), "learning_rate", "gradient_norm", "clip_factor",
 * "tokens"; "tokens_per_second", "seconds_left", "epoch", "spikes", "rollbacks".
 *
 * Preferences: "centering" (its part of the loss), "accuracy" (share of pairs in the right order, equal
 * scores half), "margin" (mean difference), "reward_mean", "reward_min", "reward_max"; of the last
 * evaluation "validation_loss" (without centering), "validation_accuracy", "validation_margin",
 * "validation_reward_mean", "validation_reward_min", "validation_reward_max",
 * "validation_length_baseline" (the accuracy of preferring the longer answer, equal lengths half) and
 * "validation_calibration" (expected calibration error of σ(difference), ten bins; Guo et al., arXiv
 * 1706.04599).
 *
 * Labelled texts: "labels" that counted; of the last evaluation "validation_loss" and for each aspect i
 * "validation_pearson_i", "validation_spearman_i", "validation_error_i" (mean squared error) and
 * "validation_baseline_i" (that of always saying the training data's mean). The prediction of an
 * ordinal aspect is the expected level Σ σ(z_k); error and baseline of a ranked one are NaN.
 *
 * @param options model and train are needed.
 * @param run out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_NOT_FOUND for a head
 *         that the model does not have; FST_ERR_MISMATCH where model, heads, optimizer and data do not
 *         fit each other; FST_ERR_STATE for data of another kind or packed; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_reward_create(const fst_reward_options *options, fst_run **run);

/**
 * Shifts the head of a pairwise run so that the mean score of all answers in train becomes 0
 * (InstructGPT, section 3.5), and scales it if asked so that their deviation becomes 1. What the scores
 * say about each other stays. The run does it itself in its last step; call it where a run was stopped
 * early or its best state was loaded. Deterministic: a run that is resumed ends with the same bits.
 *
 * @param run of fst_reward_create with FST_REWARD_PAIRWISE, between steps.
 * @param scale 1: scale too; 0: shift only.
 * @param mean out: before the shift; may be NULL.
 * @param deviation out: before scaling; may be NULL.
 * @return FST_OK; FST_STOPPED after fst_run_cancel, FST_ERR_NUMERIC: nothing was changed; FST_ERR_STATE
 *         for another run, or in the middle of a step; FST_ERR_BUSY.
 * @since 0.1
 */
FST_API fst_status fst_reward_shift(fst_run *run, int32_t scale, double *mean, double *deviation);

#ifdef __cplusplus
}
#endif

#endif
