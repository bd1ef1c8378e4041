/*
 * Datasets of sentences in words, of which each has a tag: names, parts of speech and the like.
 *
 * Such a dataset is one of examples (examples.h) of kind FST_EXAMPLES_TOKENS: a sequence of ids, and for
 * each id a class or FST_IGNORE. By default the first id of a word carries the word's tag.
 * fst_dataset_collate gives the classes as targets. fst_sft_create trains a token head on them,
 * fst_sft_tag tells words' tags.
 *
 * Words are tokenised one by one, as `tokenizers` does with is_pretokenized: normalised and split alone;
 * with byte-level BPE a space stands in front of each that does not begin with one.
 *
 * Threads: as in dataset.h.
 */
#ifndef FOURSTAGE_WORDS_H
#define FOURSTAGE_WORDS_H

#include "fourstage/context.h"
#include "fourstage/examples.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_COLUMNS_AUTO 0   /**< tabs in lines that have one, else spaces. @since 0.1 */
#define FST_COLUMNS_TAB 1    /**< columns between tabs. @since 0.1 */
#define FST_COLUMNS_SPACES 2 /**< columns between stretches of white space. @since 0.1 */

/** How words become ids, and what columns a file has. Texts are borrowed during the call that takes the
 *  options. @since 0.1 */
typedef struct fst_word_options {
    size_t struct_size;         /**< set by fst_word_options_init */
    /** [tag_count] names of the classes, in their order; a tag that is not among them is refused. NULL
     *  (default): those of tags_of; without it, those that occur, "O" first, then sorted by bytes. */
    const char *const *tags;
    int64_t tag_count;          /**< default 0 */
    const fst_dataset *tags_of; /**< whose tags are taken, as the training data's for validation; NULL (default) */
    int64_t max_length;         /**< most ids of an example; 0 (default): no limit */
    int32_t too_long;           /**< FST_TOO_LONG_ERROR (default), _DROP, _CUT_END (behind the last word that fits) or _WINDOWS */
    int32_t all_pieces;         /**< 1: every id of a word carries its tag; 0 (default): the first, the others FST_IGNORE */
    int64_t overlap;            /**< windows: at most so many ids of the words before a window stand in front, without tags; default 0 */
    int32_t add_bos;            /**< 1: a sequence begins with the tokenizer's begin token, [CLS]; default 0 */
    int32_t add_eos;            /**< 1: it ends with the tokenizer's end token, [SEP]; default 0 */
    int32_t special_tokens;     /**< 1: special tokens are recognised in words; default 0 */
    int32_t drop_useless;       /**< 1: sentences of which no word has an id are left out and counted; 0 (default): refused */
    int64_t maximum_sentences;  /**< stop after so many; 0 (default): all */
    int32_t columns;            /**< files: FST_COLUMNS_ value; default FST_COLUMNS_AUTO */
    int32_t word_column;        /**< files: from 0; negative: from the end, −1 the last; default 0 */
    int32_t tag_column;         /**< files: likewise; default −1 */
    int32_t no_tags;            /**< files: 1: words without tags, tag_column is not read; default 0 */
    int32_t id_column;          /**< files: of CoNLL-U's ids, of which "1-2" and "1.1" are passed over; −1 (default): none */
    int32_t comments;           /**< files: 1: lines that begin with "#" are passed over; default 0 */
    int32_t latin1;             /**< files: 1: bytes are ISO 8859-1; 0 (default): UTF-8 */
    int32_t reserved;           /**< 0 */
} fst_word_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_word_options_init(fst_word_options *options, size_t size);

/**
 * Makes tagged sentences from memory.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param words [offsets[sentences]] UTF-8, none empty; copied.
 * @param tags [offsets[sentences]] names; NULL: none. An entry that is NULL: that word has no tag.
 * @param offsets [sentences + 1] sentence i is words offsets[i] … offsets[i + 1] − 1, at least one;
 *        offsets[0] = 0.
 * @param sentences at least 1.
 * @param options NULL for defaults; what is about files is not looked at.
 * @param dataset out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT naming the sentence and word; FST_ERR_NOT_FOUND for add_bos
 *         and add_eos where the tokenizer has no such token, and for a word that it cannot encode;
 *         FST_ERR_MISMATCH for tags_of without tags; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_words(fst_context *context, const fst_tokenizer *tokenizer,
                                          const char *const *words, const char *const *tags,
                                          const int64_t *offsets, int64_t sentences,
                                          const fst_word_options *options, fst_dataset **dataset);

/**
 * Reads tagged sentences from files in the format of CoNLL's shared tasks: a word a line, its columns
 * between tabs or spaces, the same number of them in all lines; a blank line ends a sentence. Lines with
 * "-DOCSTART-" are passed over. Files may be packed (.gz) and begin with a byte order mark.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param paths [count] files, read one behind the other.
 * @param count at least 1.
 * @param options NULL for defaults.
 * @param dataset out: the caller owns it.
 * @return as fst_dataset_from_words; FST_ERR_NOT_FOUND or FST_ERR_IO for a file that cannot be read;
 *         FST_ERR_FORMAT naming file and line, also for a tag that is not among options.tags.
 * @since 0.1
 */
FST_API fst_status fst_dataset_load_conll(fst_context *context, const fst_tokenizer *tokenizer,
                                          const char *const *paths, int64_t count,
                                          const fst_word_options *options, fst_dataset **dataset);

/** What tagged sentences hold; filled by fst_dataset_get_words_info. @since 0.1 */
typedef struct fst_words_info {
    size_t struct_size;     /**< size the caller passed */
    int64_t tags;           /**< classes; 0: no word has a tag and none were given */
    int64_t words;          /**< words read by the call that made it, those left out too; they keep their numbers in splits */
    int64_t sentences;      /**< sentences read by that call, those left out too */
    int64_t examples;       /**< of this dataset; a sentence in windows has several */
    int64_t labelled;       /**< ids of this dataset that carry a class */
    int64_t without_ids;    /**< words of this dataset of which the tokenizer leaves nothing */
    int64_t cut;            /**< words of this dataset cut away, because their sentence was too long */
} fst_words_info;

/** @param dataset the dataset. @param info out. @param size sizeof *info.
 *  @return FST_OK, FST_ERR_INVALID_ARGUMENT, or FST_ERR_STATE for a dataset of another kind. @since 0.1 */
FST_API fst_status fst_dataset_get_words_info(const fst_dataset *dataset, fst_words_info *info,
                                              size_t size);

/**
 * A class's name.
 *
 * @param dataset of kind FST_EXAMPLES_TOKENS.
 * @param index 0 ≤ index < tags.
 * @param name out: borrowed while the dataset or one split from it lives.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
 * @since 0.1
 */
FST_API fst_status fst_dataset_get_tag(const fst_dataset *dataset, int64_t index, const char **name);

/** A word. @since 0.1 */
typedef struct fst_word {
    size_t struct_size; /**< size the caller passed */
    const char *text;   /**< as it was given; borrowed while the dataset or one split from it lives */
    int64_t sentence;   /**< its number among those read */
    int32_t tag;        /**< its class, or FST_IGNORE */
    int32_t reserved;   /**< 0 */
} fst_word;

/**
 * @param dataset of kind FST_EXAMPLES_TOKENS.
 * @param index 0 ≤ index < words, as they were read.
 * @param word out. @param size sizeof *word.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
 * @since 0.1
 */
FST_API fst_status fst_dataset_get_word(const fst_dataset *dataset, int64_t index, fst_word *word,
                                        size_t size);

/** The words behind an example's ids, borrowed while the dataset lives. @since 0.1 */
typedef struct fst_word_example {
    size_t struct_size;     /**< size the caller passed */
    const int32_t *ids;     /**< [length] */
    const int32_t *classes; /**< [length] the class that the id carries, or FST_IGNORE */
    const int64_t *words;   /**< [length] the word that the id is of; −1: a begin or end token */
    int64_t length;         /**< ids */
    int64_t first_word;     /**< the example is of words first_word … end_word − 1; a window's overlap is before them */
    int64_t end_word;       /**< behind the last */
    int64_t sentence;       /**< the sentence's number */
} fst_word_example;

/**
 * @param dataset of kind FST_EXAMPLES_TOKENS.
 * @param index 0 ≤ index < examples.
 * @param example out. @param size sizeof *example.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
 * @since 0.1
 */
FST_API fst_status fst_dataset_get_word_example(const fst_dataset *dataset, int64_t index,
                                                fst_word_example *example, size_t size);

#ifdef __cplusplus
}
#endif

#endif
