/*
 * Masked language modelling: which ids of a text a model must guess, and what stands in their place
 * (BERT, Devlin et al. 2019, arXiv 1810.04805, section 3.1; drawn anew each time as RoBERTa does,
 * Liu et al. 2019, arXiv 1907.11692, section 4.1).
 *
 * Threads: functions that take const handles may run on several threads at once.
 */
#ifndef FOURSTAGE_MASKING_H
#define FOURSTAGE_MASKING_H

#include "fourstage/context.h"
#include "fourstage/tokenizer.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_TOKEN_IS_SPECIAL 1     /**< bit: never masked and never put in for another: [CLS], [PAD], [UNK] … and ids that are no token. @since 0.1 */
#define FST_TOKEN_CONTINUES_WORD 2 /**< bit: goes on with the word of the id before it. @since 0.1 */
#define FST_TOKEN_ENDS_WORD 4      /**< bit: what follows begins a word, whatever it says itself. @since 0.1 */

/**
 * What whole-word masking asks of each id of a vocabulary, as FST_TOKEN_ bits.
 *
 * WordPiece: "##…" continues a word. Byte-level BPE: what begins with white space, with ASCII
 * punctuation or with a character of Chinese or Japanese begins a word, all else continues one;
 * white space and punctuation at the end end it. Characters and whole words: each is a word.
 *
 * @param tokenizer the tokenizer.
 * @param flags [capacity] out: of ids 0 … count − 1; may be NULL where capacity is 0.
 * @param capacity flags that fit.
 * @param count out: ids there are, also where they did not fit.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL with *count set and nothing written;
 *         FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_token_flags(const fst_tokenizer *tokenizer, uint8_t *flags, size_t capacity,
                                             size_t *count);

/** Options of fst_mask_tokens. @since 0.1 */
typedef struct fst_mask_options {
    size_t struct_size;        /**< set by fst_mask_options_init */
    double mask_probability;   /**< of an id, or of a word, to be chosen, 0 … 1; default 0.15 */
    double mask_token_share;   /**< part of the chosen ids that become mask_id; default 0.8 */
    double random_token_share; /**< part of them that become a random id; default 0.1; the rest stays as it is and is guessed too */
    int32_t mask_id;           /**< what stands for a masked id, itself never chosen; default -1: it must be given */
    int32_t vocabulary_size;   /**< random ids are below it, as all ids must be; default 0: it must be given */
    int32_t whole_words;       /**< 1: words are chosen, each with all its ids; needs words or flags; default 0 */
    int32_t reserved;          /**< 0 */
    const uint8_t *flags;      /**< [vocabulary_size] FST_TOKEN_ bits, see fst_tokenizer_token_flags; NULL (default): no id is special */
    const int32_t *words;      /**< [rows, length] number of each id's word, equal neighbours being one word; negative: never masked; NULL (default): the flags say where words begin */
    const int32_t *documents;  /**< [rows, length] as fst_batch.documents: a document begins a word; NULL (default): one document a row */
    const int32_t *lengths;    /**< [rows] ids that count in each row, the rest is never masked; NULL (default): all */
} fst_mask_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_mask_options_init(fst_mask_options *options, size_t size);

/**
 * Masks a batch. What becomes of an id is a function of the context's seed, its row's draw and its
 * place in the row, so that it does not depend on the batch or on the number of threads. Random ids
 * are drawn from all that are not special, each equally likely.
 *
 * Each id is chosen with `mask_probability`, independently; with whole_words each word is, so that the
 * expected share of ids is the same. What becomes of a chosen word's ids is drawn for each of them.
 *
 * @param context gives the seed and the threads.
 * @param options mask_id and vocabulary_size are needed.
 * @param ids [rows, length] 0 ≤ id < vocabulary_size.
 * @param rows at least 1.
 * @param length at least 1.
 * @param draw row i of the call uses draw + i; 0 ≤ draw + i < 2⁵⁶. A pretraining run uses the rows
 *        read since training began, and 2⁵⁵ + the row for validation.
 * @param masked [rows, length] out: the model's input; may be `ids` itself.
 * @param targets [rows, length] out: the id that stood there where it was chosen, else FST_IGNORE.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field, or the id's row and place).
 * @since 0.1
 */
FST_API fst_status fst_mask_tokens(const fst_context *context, const fst_mask_options *options,
                                   const int32_t *ids, int64_t rows, int64_t length, int64_t draw,
                                   int32_t *masked, int32_t *targets);

#ifdef __cplusplus
}
#endif

#endif
