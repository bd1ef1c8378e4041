/*
 * Datasets of tokens: text in, rows of ids out.
 *
 * A dataset is a list of documents over one array of ids. fst_dataset_split makes two of it and
 * fst_dataset_pack cuts it into rows of equal length; both share the ids with the dataset they came
 * from, and any of the handles may be destroyed first. Reading has no state: which rows a training
 * step sees is a function of the context's seed and of the number of rows read since the training
 * began, so that one integer in a checkpoint resumes it exactly.
 *
 * Threads: a dataset does not change after it was made. All functions that take a const dataset may
 * run together on one handle.
 */
#ifndef FOURSTAGE_DATASET_H
#define FOURSTAGE_DATASET_H

#include "fourstage/batch.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_DOCUMENT_FILE 0  /**< a file is one document. @since 0.1 */
#define FST_DOCUMENT_LINE 1  /**< each line that is not empty is a document, its line end left out. @since 0.1 */
#define FST_DOCUMENT_BLOCK 2 /**< blank lines separate documents. @since 0.1 */

/** How texts become documents of ids. @since 0.1 */
typedef struct fst_dataset_text_options {
    size_t struct_size;      /**< set by fst_dataset_text_options_init */
    int32_t documents;       /**< text files: FST_DOCUMENT_ value; default FST_DOCUMENT_FILE */
    int32_t add_bos;         /**< 1: each document begins with bos_id; default 0. A document that begins with it anyway is refused */
    int32_t add_eos;         /**< 1: each document ends with eos_id; default 0 */
    int32_t bos_id;          /**< −1 (default): the tokenizer's */
    int32_t eos_id;          /**< −1 (default): the tokenizer's */
    int32_t special_tokens;  /**< 1: the text of a special token in a document becomes that token; 0 (default): it is text like any other */
    int32_t keep_invalid_utf8; /**< 1: bytes that are not UTF-8 are handed to the tokenizer as they are; 0 (default): refused with file and byte */
    int32_t reserved;        /**< 0 */
    const char *field;       /**< JSONL: name of the string member that holds the text; NULL (default): "text" */
    int64_t maximum_documents; /**< stop after so many; 0 (default): all */
} fst_dataset_text_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_dataset_text_options_init(fst_dataset_text_options *options, size_t size);

/**
 * Tokenises text files in UTF-8; a byte order mark at the start is dropped.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param paths [count] files, read in this order.
 * @param count at least 1.
 * @param options NULL for defaults.
 * @param dataset out: the caller owns it.
 * @return FST_OK; FST_ERR_IO, FST_ERR_NOT_FOUND; FST_ERR_FORMAT with file and byte for text that is
 *         not UTF-8; FST_ERR_INVALID_ARGUMENT also for files without any document.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_text_files(fst_context *context, const fst_tokenizer *tokenizer,
                                               const char *const *paths, int64_t count,
                                               const fst_dataset_text_options *options,
                                               fst_dataset **dataset);

/** As fst_dataset_from_text_files, from files with one JSON object a line; the member options.field
 *  of each is a document. Empty lines are passed over. FST_ERR_FORMAT names file and line. @since 0.1 */
FST_API fst_status fst_dataset_from_jsonl_files(fst_context *context, const fst_tokenizer *tokenizer,
                                                const char *const *paths, int64_t count,
                                                const fst_dataset_text_options *options,
                                                fst_dataset **dataset);

/**
 * Tokenises texts in memory, a document each.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param texts [count], UTF-8; not kept.
 * @param lengths [count] bytes of each; NULL: each ends with a NUL.
 * @param count at least 1.
 * @param options NULL for defaults.
 * @param dataset out: the caller owns it.
 * @return as fst_dataset_from_text_files.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_texts(fst_context *context, const fst_tokenizer *tokenizer,
                                          const char *const *texts, const size_t *lengths,
                                          int64_t count, const fst_dataset_text_options *options,
                                          fst_dataset **dataset);

#define FST_TOKENS_I32 0 /**< int32_t. @since 0.1 */
#define FST_TOKENS_U16 1 /**< uint16_t, as nanoGPT's .bin files. @since 0.1 */
#define FST_TOKENS_I64 2 /**< int64_t, as numpy's default. @since 0.1 */

/** How an array of ids becomes a dataset. @since 0.1 */
typedef struct fst_dataset_token_options {
    size_t struct_size;      /**< set by fst_dataset_token_options_init */
    int32_t type;            /**< FST_TOKENS_ value; default FST_TOKENS_I32 */
    int32_t copy;            /**< 1: the ids are copied during the call; 0 (default): borrowed until release is called */
    int64_t vocabulary_size; /**< ids at or above it are refused; 0 (default): any id ≥ 0 that fits an int32_t */
    /** Called once, from whichever thread lets go of the ids last; NULL (default): the caller keeps
     *  them until every handle made from this dataset is destroyed. Not called when create fails. */
    void (*release)(void *user);
    void *release_user;      /**< handed to release */
    /** [vocabulary_size] bytes of text each id stands for, 0 for special tokens; copied; NULL
     *  (default): unknown, and fst_dataset_info's byte counts are 0. Needs vocabulary_size. */
    const int32_t *token_bytes;
    /** [count] 1 where an id goes on with the word of the id before it, for whole-word masking; copied;
     *  NULL (default): not known. A document begins a word whatever it says. */
    const uint8_t *word_continues;
} fst_dataset_token_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_dataset_token_options_init(fst_dataset_token_options *options, size_t size);

/**
 * Makes a dataset of ids that the caller has.
 *
 * @param context the context.
 * @param ids [count] of options.type, aligned for it.
 * @param count at least 1.
 * @param offsets [documents + 1] document d is ids offsets[d] … offsets[d + 1] − 1; offsets[0] = 0,
 *        never falling, the last one = count; copied. NULL: one document.
 * @param documents entries of offsets less one; not read when offsets is NULL.
 * @param options NULL for defaults.
 * @param dataset out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT, with the index of the first id or offset refused.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_tokens(fst_context *context, const void *ids, int64_t count,
                                           const int64_t *offsets, int64_t documents,
                                           const fst_dataset_token_options *options,
                                           fst_dataset **dataset);

/** @param dataset may be NULL. @since 0.1 */
FST_API void fst_dataset_destroy(fst_dataset *dataset);

#define FST_SPLIT_TAIL 0      /**< the last tokens, counted as nanoGPT does: validation begins at ⌊tokens·(1 − fraction)⌋, also inside a document. @since 0.1 */
#define FST_SPLIT_DOCUMENTS 1 /**< whole documents, drawn by the context's seed and their content: equal documents fall on the same side. @since 0.1 */

/** Options of fst_dataset_split. @since 0.1 */
typedef struct fst_split_options {
    size_t struct_size; /**< set by fst_split_options_init */
    int32_t mode;       /**< FST_SPLIT_ value; default FST_SPLIT_TAIL */
    int32_t reserved;   /**< 0 */
    double fraction;    /**< part that goes to validation, 0 < fraction < 1; default 0.1 */
} fst_split_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_split_options_init(fst_split_options *options, size_t size);

/**
 * Splits documents (not rows) in two. A dataset of examples is split by whole examples:
 * FST_SPLIT_TAIL takes the last ones, FST_SPLIT_DOCUMENTS draws by the ids of all their sequences.
 *
 * @param dataset not packed.
 * @param options NULL for defaults.
 * @param train out: the caller owns it.
 * @param validation out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT also where one side would be empty; FST_ERR_STATE for a
 *         packed dataset.
 * @since 0.1
 */
FST_API fst_status fst_dataset_split(const fst_dataset *dataset, const fst_split_options *options,
                                     fst_dataset **train, fst_dataset **validation);

/** The documents one behind the other, cut every `length` ids; the target of a row's last id is the
 *  next row's first. @since 0.1 */
#define FST_PACK_WRAPPED 0
/** Each row holds whole documents; best fit, longest first (Ding et al., "Fewer truncations improve
 *  language modeling", 2024). A document longer than a row is cut into pieces of `length`. What
 *  stays free at the end of a row is padding. Every id stands in exactly one row. @since 0.1 */
#define FST_PACK_BEST_FIT 1
/** Windows that begin anywhere, drawn anew each time, as nanoGPT. @since 0.1 */
#define FST_PACK_RANDOM 2

/** Options of fst_dataset_pack. @since 0.1 */
typedef struct fst_pack_options {
    size_t struct_size;      /**< set by fst_pack_options_init */
    int64_t length;          /**< ids of a row, 1 … 2²⁴; default 256 */
    int32_t mode;            /**< FST_PACK_ value; default FST_PACK_WRAPPED */
    /** 1 (default): documents in a row see each other, positions run through the row and the
     *  first id of a document is predicted from the document before it. 0: they do not; positions
     *  begin at 0 with each document, and its last id has no target. */
    int32_t cross_documents;
    int32_t pad_id;          /**< id that fills a row up; its target is FST_IGNORE; default 0 */
    int32_t drop_last;       /**< wrapped: 1 leaves out a last row that is not full; default 0 */
} fst_pack_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_pack_options_init(fst_pack_options *options, size_t size);

/**
 * Plans rows of equal length over a dataset. Of datasets of examples, conversations can be packed:
 * with FST_PACK_BEST_FIT and cross_documents 0, each at most `length` ids; options NULL means these
 * two for them. Targets that are not trained on are FST_IGNORE.
 *
 * @param dataset not packed.
 * @param options NULL for defaults.
 * @param packed out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT also where there is not one target; FST_ERR_STATE for a
 *         dataset that is packed already.
 * @since 0.1
 */
FST_API fst_status fst_dataset_pack(const fst_dataset *dataset, const fst_pack_options *options,
                                    fst_dataset **packed);

/**
 * Reads rows of a packed dataset.
 *
 * @param packed the dataset, R = its rows.
 * @param position rows read since the training began, ≥ 0: row i of the batch is row
 *        (position + i) mod R of epoch ⌊(position + i) / R⌋. Random windows have no epochs.
 * @param rows rows to read, at least 1.
 * @param shuffle 1: each epoch has an order of its own, drawn by the context's seed; 0: as they
 *        stand. Random windows are drawn either way.
 * @param ids [rows, length] out; may be NULL, as each of the arrays.
 * @param targets [rows, length] out: the id that follows, or FST_IGNORE.
 * @param positions [rows, length] out.
 * @param documents [rows, length] out, as fst_batch.documents. Padding is a document of its own.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT; FST_ERR_STATE for a dataset that is not packed.
 * @since 0.1
 */
FST_API fst_status fst_dataset_read(const fst_dataset *packed, int64_t position, int64_t rows,
                                    int32_t shuffle, int32_t *ids, int32_t *targets,
                                    int32_t *positions, int32_t *documents);

/**
 * The words of the rows that fst_dataset_read reads, for fst_mask_options.words.
 *
 * @param packed as fst_dataset_read.
 * @param position as fst_dataset_read.
 * @param rows as fst_dataset_read.
 * @param shuffle as fst_dataset_read.
 * @param words [rows, length] out: number of each id's word within its row, from 0 on; each id is a
 *        word of its own where the dataset has no word_continues. -1 for padding.
 * @return as fst_dataset_read.
 * @since 0.1
 */
FST_API fst_status fst_dataset_read_words(const fst_dataset *packed, int64_t position, int64_t rows,
                                          int32_t shuffle, int32_t *words);

/** What a dataset holds; filled by fst_dataset_get_info. @since 0.1 */
typedef struct fst_dataset_info {
    size_t struct_size;      /**< size the caller passed */
    int64_t documents;       /**< documents, cut ones included */
    int64_t tokens;          /**< ids in them */
    int64_t bytes;           /**< bytes of text they stand for; 0 if unknown */
    int64_t rows;            /**< rows of an epoch; 0 if not packed. Random windows: ⌊tokens / length⌋, at least 1 */
    int64_t length;          /**< ids of a row; 0 if not packed */
    int64_t targets;         /**< targets of an epoch that are not ignored; random windows: rows·length */
    int64_t target_bytes;    /**< bytes of text that those stand for, so that bits per byte = summed loss / (ln 2 · target_bytes); 0 if unknown, and for random windows */
    int32_t maximum_id;      /**< largest id there is */
    int32_t cross_documents; /**< as packed; 1 if not packed */
} fst_dataset_info;

/** @param dataset the dataset. @param info out. @param size sizeof *info.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_dataset_get_info(const fst_dataset *dataset, fst_dataset_info *info, size_t size);

/**
 * Copies one document's ids.
 *
 * @param dataset the dataset.
 * @param index 0 ≤ index < documents.
 * @param ids [capacity] out; may be NULL if capacity is 0.
 * @param capacity room in ids.
 * @param count out: ids of the document, also when it fails for lack of room.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL; FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_dataset_get_document(const fst_dataset *dataset, int64_t index, int32_t *ids,
                                            int64_t capacity, int64_t *count);

#ifdef __cplusplus
}
#endif

#endif
