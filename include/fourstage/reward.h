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

#ifdef __cplusplus
}
#endif

#endif
