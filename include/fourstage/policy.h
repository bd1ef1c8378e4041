/*
 * A policy is a model that acts. Here: it samples tokens.
 *
 * Threads: one policy, and the model under it, from one thread at a time.
 */
#ifndef FOURSTAGE_POLICY_H
#define FOURSTAGE_POLICY_H

#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * How the next token is drawn. The logits are changed in this order: repetition, presence and
 * frequency penalties, bias, temperature, top-k, top-p, min-p; what is left is normalised, and a
 * token's log-probability is that under this last distribution. @since 0.1
 */
typedef struct fst_sampling_options {
    size_t struct_size;        /**< set by fst_sampling_options_init */
    int64_t max_new_tokens;    /**< most tokens to draw for each prompt, ≥ 0; default 128 */
    int64_t seed;              /**< with each prompt's index, selects its random numbers; default 0 */
    const int64_t *seeds;      /**< a seed for each prompt instead; NULL (default): from seed */
    double temperature;        /**< logits are divided by it; 0: always the most probable token, whose log-probability is then 0; default 1 */
    int32_t top_k;             /**< keep the k most probable; 0 (default): all */
    int32_t ignore_end;        /**< 1: the model's end token does not end a sequence; default 0 */
    double top_p;              /**< keep the most probable until their sum reaches p (arXiv 1904.09751), 0 < p ≤ 1; default 1 */
    double min_p;              /**< drop what is below min_p times the most probable (arXiv 2407.01082), 0 ≤ p < 1; default 0 */
    double repetition_penalty; /**< logits of tokens in prompt or output: divided if positive, multiplied if negative (CTRL, arXiv 1909.05858), > 0; default 1 */
    double presence_penalty;   /**< subtracted from logits of tokens in the output; default 0 */
    double frequency_penalty;  /**< subtracted for each time a token is in the output; default 0 */
    const int32_t *bias_ids;   /**< tokens whose logits are changed; NULL: none */
    const float *bias_values;  /**< what is added to each; -INFINITY forbids a token */
    size_t bias_count;         /**< entries of bias_ids and bias_values */
    const int32_t *stop_ids;   /**< tokens that end a sequence, besides the model's end token; NULL: none */
    size_t stop_id_count;      /**< entries of stop_ids */
    const char *const *stop_strings; /**< texts that end a sequence; need a tokenizer; NULL: none */
    size_t stop_string_count;  /**< entries of stop_strings */
    int32_t record_kept;       /**< 1: fst_generation.kept tells which ids each token was drawn from; default 0 */
    int32_t reserved;          /**< 0 */
} fst_sampling_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_sampling_options_init(fst_sampling_options *options, size_t size);

#define FST_FINISH_LENGTH 0  /**< max_new_tokens, or the model's context is full. @since 0.1 */
#define FST_FINISH_END 1     /**< the model's end token or one of stop_ids; it is part of the ids. @since 0.1 */
#define FST_FINISH_STRING 2  /**< one of stop_strings, which is cut from the text. @since 0.1 */
#define FST_FINISH_STOPPED 3 /**< the callback stopped it. @since 0.1 */

/** A token just drawn, as the callback sees it. @since 0.1 */
typedef struct fst_token {
    size_t struct_size;    /**< size of this struct in the library */
    int64_t sequence;      /**< index of the prompt */
    int64_t index;         /**< 0 for the first token drawn for it */
    int32_t id;            /**< the token */
    int32_t reserved;      /**< 0 */
    double log_probability; /**< natural log, of the distribution it was drawn from */
    const char *text;      /**< text that became whole with this token: UTF-8 without cut characters; borrowed; NULL without a tokenizer */
    size_t text_length;    /**< bytes of text */
} fst_token;

/** Called for every token. @return 0: go on; > 0: stop cleanly, the call returns FST_STOPPED and the
 *  results so far stay; < 0: the call returns that value. @since 0.1 */
typedef int32_t (*fst_token_callback)(const fst_token *token, void *user);

/**
 * Makes a policy over a language model.
 *
 * @param model kept alive by the policy; shared, not copied: it samples what the model is now.
 * @param tokenizer for text in and out, kept alive; NULL: ids only.
 * @param policy out: the caller owns it.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_MISMATCH (the tokenizer has more ids than the
 *         model), FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_policy_create(fst_model *model, fst_tokenizer *tokenizer,
                                     fst_policy **policy);

/** Gives up the caller's hold. @param policy may be NULL. @since 0.1 */
FST_API void fst_policy_destroy(fst_policy *policy);

/**
 * Continues prompts of any lengths, all at once. Each sequence's tokens depend on its own prompt
 * and seed alone (up to rounding), not on those beside it. Ends what the model held for a backward.
 *
 * @param policy the policy.
 * @param prompts [count] pointers to ids; each prompt has at least one.
 * @param lengths [count] ids of each prompt.
 * @param count sequences, ≥ 1.
 * @param options NULL for defaults.
 * @param callback called on this thread for every token; NULL: none.
 * @param user handed to callback.
 * @return FST_OK, FST_STOPPED, FST_ERR_INVALID_ARGUMENT (a prompt longer than the model's context:
 *         the text names it), FST_ERR_NUMERIC (the logits hold a NaN), FST_ERR_BUSY (from the
 *         callback), FST_ERR_NO_MEMORY, or what the callback returned.
 * @since 0.1
 */
FST_API fst_status fst_policy_generate(fst_policy *policy, const int32_t *const *prompts,
                                       const int64_t *lengths, int64_t count,
                                       const fst_sampling_options *options,
                                       fst_token_callback callback, void *user);

/**
 * The same from text; an empty prompt begins with the model's or tokenizer's begin token (or its end
 * token, as GPT-2 does).
 *
 * @param policy with a tokenizer.
 * @param texts [count] UTF-8. @param lengths [count] bytes of each; NULL: up to their NUL.
 * @param count sequences, ≥ 1.
 * @param options NULL for defaults. @param callback may be NULL. @param user handed to callback.
 * @return as fst_policy_generate; FST_ERR_STATE without a tokenizer.
 * @since 0.1
 */
FST_API fst_status fst_policy_generate_text(fst_policy *policy, const char *const *texts,
                                            const size_t *lengths, int64_t count,
                                            const fst_sampling_options *options,
                                            fst_token_callback callback, void *user);

/** What became of one prompt; filled by fst_policy_get_result. @since 0.1 */
typedef struct fst_generation {
    size_t struct_size;             /**< size the caller passed */
    const int32_t *ids;             /**< [count] tokens drawn; borrowed until the next generate */
    const double *log_probabilities; /**< [count] likewise */
    int64_t count;                  /**< tokens drawn */
    const char *text;               /**< their text, NUL-terminated, without a character that the last token leaves cut; NULL without a tokenizer */
    size_t text_length;             /**< bytes of text */
    int32_t finish;                 /**< FST_FINISH_ value */
    int32_t reserved;               /**< 0 */
    /** [count, ⌈vocabulary/8⌉] as fst_batch.kept: the ids that top-k, top-p, min-p and biases of −INFINITY
     *  left; borrowed likewise; NULL without fst_sampling_options.record_kept. */
    const uint8_t *kept;
} fst_generation;

/** A result of the last generate. @param policy the policy. @param sequence index of the prompt.
 *  @param generation out. @param size sizeof *generation.
 *  @return FST_OK, FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_policy_get_result(const fst_policy *policy, int64_t sequence,
                                         fst_generation *generation, size_t size);

#ifdef __cplusplus
}
#endif

#endif
