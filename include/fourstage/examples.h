/*
 * Datasets of examples: conversations, labelled texts, preferences, prompts, pairs; images are in images.h.
 *
 * An example has one or more sequences of ids, of which each id may be trained on or not, and
 * labels. Such a dataset is an fst_dataset like any other: fst_dataset_split splits it by examples,
 * fst_dataset_pack cuts conversations into rows for fst_dataset_read (targets are FST_IGNORE where
 * the id is not trained on), fst_dataset_get_info counts sequences as documents. Functions that do not
 * go with a dataset's kind answer FST_ERR_STATE and say which one does.
 *
 * Threads: as in dataset.h; all functions that take a const dataset may run together on one handle.
 */
#ifndef FOURSTAGE_EXAMPLES_H
#define FOURSTAGE_EXAMPLES_H

#include "fourstage/chat.h"
#include "fourstage/context.h"
#include "fourstage/dataset.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_EXAMPLES_CONVERSATIONS 0 /**< one sequence; trained: what the assistant says. @since 0.1 */
#define FST_EXAMPLES_LABELLED 1      /**< one sequence and label_count labels: class index, multi-hot or scores; NaN: missing. @since 0.1 */
#define FST_EXAMPLES_PREFERENCES 2   /**< two or more sequences, best first (of a pair: chosen, rejected), that share a prompt; trained: the answer. @since 0.1 */
#define FST_EXAMPLES_PROMPTS 3       /**< one sequence, for a policy to go on with. @since 0.1 */
#define FST_EXAMPLES_IMAGES 4        /**< an image and label_count labels or none; no sequence, see images.h. @since 0.1 */
#define FST_EXAMPLES_TOKENS 5        /**< one sequence and a class for each id, or FST_IGNORE: words with tags, see words.h. @since 0.1 */

/** Two sequences that mean the same (an anchor and its positive) or are compared with each other, or three: a hard
 *  negative behind them; and label_count labels, or none. For fst_contrastive_create. @since 0.1 */
#define FST_EXAMPLES_PAIRS 6

#define FST_FORMAT_AUTO 0  /**< by the name: .json, .jsonl, .csv, .tsv, .txt, with .gz behind it or not. @since 0.1 */
#define FST_FORMAT_JSONL 1 /**< a JSON object a line. @since 0.1 */
#define FST_FORMAT_JSON 2  /**< one document with an array or object of records. @since 0.1 */
#define FST_FORMAT_CSV 3   /**< RFC 4180. @since 0.1 */
#define FST_FORMAT_TSV 4   /**< fields end at tabs, nothing is quoted. @since 0.1 */
#define FST_FORMAT_LINES 5 /**< each line that is not empty is a text. @since 0.1 */

#define FST_TOO_LONG_ERROR 0     /**< a sequence longer than max_length is refused. @since 0.1 */
#define FST_TOO_LONG_DROP 1      /**< its example is left out and counted. @since 0.1 */
#define FST_TOO_LONG_CUT_START 2 /**< ids at the beginning are cut away, of preferences the same number from each sequence's prompt first; a begin token stays. Counted. @since 0.1 */
#define FST_TOO_LONG_CUT_END 3   /**< ids at the end are cut away; an end token of add_eos stays. Counted. @since 0.1 */
#define FST_TOO_LONG_WINDOWS 4   /**< words with tags (words.h): several examples are made of it. @since 0.1 */

/** How records become examples. Texts are borrowed during the call that takes the options. @since 0.1 */
typedef struct fst_example_options {
    size_t struct_size;            /**< set by fst_example_options_init */
    int32_t kind;                  /**< files: FST_EXAMPLES_ value; default FST_EXAMPLES_CONVERSATIONS */
    int32_t format;                /**< files: FST_FORMAT_ value; default FST_FORMAT_AUTO */
    const fst_chat_template *chat; /**< NULL (default): plain for conversations and preferences; labelled texts and prompts as they are */
    int64_t max_length;            /**< most ids of a sequence; 0 (default): no limit */
    int32_t too_long;              /**< FST_TOO_LONG_ value; default FST_TOO_LONG_ERROR */
    /** 1: an example with nothing to train on (a conversation without an answer or with an empty one,
     *  answers cut away, no label at all) and one whose answers are identical after cutting is left out
     *  and counted; of more than two answers only those that repeat an earlier one. 0 (default): refused. */
    int32_t drop_useless;
    int32_t header;                /**< CSV, TSV: 1: the first line names the columns; 0 (default): they are called "0", "1", … */
    int32_t add_bos;               /**< texts without a template: 1: begins with the tokenizer's begin token (BERT's [CLS]); default 0 */
    int32_t add_eos;               /**< texts without a template: 1: ends with the tokenizer's end token (BERT's [SEP]); default 0 */
    int32_t latin1;                /**< files: 1: bytes are ISO 8859-1; 0 (default): UTF-8 */
    int64_t maximum_examples;      /**< stop after so many; 0 (default): all */
    const char *records;           /**< JSON: where the records are, e.g. "data", "*.content.*" (* goes through an array or object); NULL (default): the root */
    const char *text_field;        /**< labelled, prompts: the text; pairs: the anchor; conversations, prompts: the list of messages; NULL (default): "text", "messages" or "conversations"; pairs: "anchor", "sentence1" or "sent0" */
    const char *pair_field;        /**< labelled: a second text, NULL (default): none; pairs: the positive, NULL: "positive", "sentence2" or "sent1" */
    const char *prompt_field;      /**< the prompt, or instruction; NULL (default): found by the known layouts */
    const char *answer_field;      /**< the answer, or a list of them, best first; NULL (default): "completion" or "output" */
    const char *chosen_field;      /**< the better answer; NULL (default): "chosen" */
    const char *rejected_field;    /**< the worse answer; NULL (default): "rejected" */
    const char *margin_field;      /**< preferences: a number; NULL (default): "margin" where there is one, else 0 */
    int64_t history;               /**< labelled files: this many records before it in the same list stand in front (turns of a dialogue); default 0 */
    const char *history_separator; /**< between those; special tokens are recognised in it; default "\\n" */
    const char *const *label_fields; /**< [label_count] members or columns; NULL (default): "label" */
    /** [label_count] NULL: the value is a number; or "Poor=1,Not Good=2,…": the number for each value,
     *  "*=0" for all that are not named; without it a value not named is missing, like null, an empty
     *  text and a member that is not there. Of an array the greatest. NULL (default): all numbers. */
    const char *const *label_values;
    int64_t label_count;           /**< labels of an example; default 0: one, "label"; of pairs none */
    const char *pair_separator;    /**< labelled without a template: between text and pair; special tokens are recognised in it (BERT: "[SEP]"); default "\\n" */
    const char *negative_field;    /**< pairs: the hard negative; NULL (default): "negative" or "hard_neg" where there is one */
} fst_example_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_example_options_init(fst_example_options *options, size_t size);

/**
 * Reads files of records. The layouts known without naming a field:
 *
 *     {"messages": [{"role", "content"}, …]}          conversations
 *     {"conversations": [{"from", "value"}, …]}       as ShareGPT
 *     {"prompt", "completion"}
 *     {"instruction", "input", "output"}              as Alpaca; output may be a list, best first
 *     {"prompt", "chosen", "rejected"}                preferences; the three may be lists of messages
 *     {"instruction", "input", "chosen", "rejected"}
 *     {"chosen", "rejected"}                          transcripts "\n\nHuman: …\n\nAssistant: …"
 *     {"text", "label"}                               labelled
 *     {"anchor", "positive", "negative"}              pairs; also {"sentence1", "sentence2"}, and as
 *     {"sent0", "sent1", "hard_neg"}                  SimCSE's files have it; the negative may be missing
 *
 * Each kind takes from a layout what it needs: prompts leave the answers away, conversations take
 * the best of several answers.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param paths [count] files, read in this order.
 * @param count at least 1.
 * @param options NULL for defaults.
 * @param dataset out: the caller owns it.
 * @return FST_OK; FST_ERR_IO, FST_ERR_NOT_FOUND; FST_ERR_FORMAT with file and line or record;
 *         FST_ERR_UNSUPPORTED for .gz where the library was built without zlib;
 *         FST_ERR_INVALID_ARGUMENT, also where not one example is left.
 * @since 0.1
 */
FST_API fst_status fst_dataset_load_examples(fst_context *context, const fst_tokenizer *tokenizer,
                                             const char *const *paths, int64_t count,
                                             const fst_example_options *options,
                                             fst_dataset **dataset);

/**
 * Makes conversations from memory.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param roles [offsets[conversations]] as fst_chat_encode's.
 * @param contents [offsets[conversations]] UTF-8; not kept.
 * @param offsets [conversations + 1] conversation c is messages offsets[c] … offsets[c + 1] − 1;
 *        offsets[0] = 0, rising.
 * @param conversations at least 1.
 * @param options NULL for defaults; what is about files is not looked at.
 * @param dataset out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT naming the conversation; FST_ERR_NOT_FOUND where the
 *         template wants an end token that the tokenizer does not have.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_conversations(fst_context *context,
                                                  const fst_tokenizer *tokenizer,
                                                  const char *const *roles,
                                                  const char *const *contents,
                                                  const int64_t *offsets, int64_t conversations,
                                                  const fst_example_options *options,
                                                  fst_dataset **dataset);

/**
 * Makes labelled texts from memory. With a template the text is a user's message and the pair the
 * answer to it; without one the pair stands behind the text and pair_separator.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param texts [examples] UTF-8; not kept.
 * @param pairs [examples] a second text each; NULL: none.
 * @param labels [examples, options.label_count] finite, or NaN: missing.
 * @param examples at least 1.
 * @param options NULL for defaults: one label. What is about files is not looked at.
 * @param dataset out: the caller owns it.
 * @return as fst_dataset_from_conversations.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_labelled(fst_context *context, const fst_tokenizer *tokenizer,
                                             const char *const *texts, const char *const *pairs,
                                             const float *labels, int64_t examples,
                                             const fst_example_options *options,
                                             fst_dataset **dataset);

/**
 * Makes preferences from memory: each prompt is a user's message, each answer the assistant's.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param prompts [examples] UTF-8; not kept.
 * @param answers [offsets[examples]] UTF-8; not kept.
 * @param offsets [examples + 1] the answers to prompt i are offsets[i] … offsets[i + 1] − 1, the best
 *        first, at least two; offsets[0] = 0.
 * @param margins [examples] by how much the first is better; NULL: 0.
 * @param examples at least 1.
 * @param options NULL for defaults; what is about files is not looked at.
 * @param dataset out: the caller owns it.
 * @return as fst_dataset_from_conversations.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_preferences(fst_context *context, const fst_tokenizer *tokenizer,
                                                const char *const *prompts,
                                                const char *const *answers, const int64_t *offsets,
                                                const float *margins, int64_t examples,
                                                const fst_example_options *options,
                                                fst_dataset **dataset);

/**
 * Makes prompts from memory: users' messages with the template's generation prompt behind them, or
 * the texts as they are where options.chat is NULL.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param texts [count] UTF-8; not kept.
 * @param count at least 1.
 * @param options NULL for defaults; what is about files is not looked at.
 * @param dataset out: the caller owns it.
 * @return as fst_dataset_from_conversations.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_prompts(fst_context *context, const fst_tokenizer *tokenizer,
                                            const char *const *texts, int64_t count,
                                            const fst_example_options *options,
                                            fst_dataset **dataset);

/**
 * Makes pairs, or triplets, from memory: of each example the texts as they are, each a sequence of its
 * own. What is too long is cut each for itself.
 *
 * @param context the context.
 * @param tokenizer used during the call only.
 * @param anchors [examples] UTF-8; not kept.
 * @param positives [examples] what belongs to each anchor, or is compared with it.
 * @param negatives [examples] what resembles the anchor and does not belong to it; NULL: none.
 * @param labels [examples, options.label_count] for example how alike the two are; finite, or NaN: missing;
 *        label_count 0: one label each. NULL: no labels.
 * @param examples at least 1.
 * @param options NULL for defaults; what is about files is not looked at.
 * @param dataset out: the caller owns it.
 * @return as fst_dataset_from_conversations.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_pairs(fst_context *context, const fst_tokenizer *tokenizer,
                                          const char *const *anchors, const char *const *positives,
                                          const char *const *negatives, const float *labels,
                                          int64_t examples, const fst_example_options *options,
                                          fst_dataset **dataset);

/** What a dataset of examples holds; filled by fst_dataset_get_examples_info. @since 0.1 */
typedef struct fst_examples_info {
    size_t struct_size;       /**< size the caller passed */
    int32_t kind;             /**< FST_EXAMPLES_ value */
    int32_t reserved;         /**< 0 */
    int64_t examples;         /**< examples */
    int64_t sequences;        /**< sequences of all examples */
    int64_t tokens;           /**< ids of all sequences */
    int64_t trained_tokens;   /**< ids that are trained on; of a sequence's first id nothing predicts it, so it never counts; FST_EXAMPLES_TOKENS: ids with a class */
    int64_t longest;          /**< ids of the longest sequence */
    int64_t label_count;      /**< labels of an example; 0 if not labelled */
    int64_t dropped_too_long; /**< examples left out by the call that read them, as the next two */
    int64_t cut;              /**< examples kept and cut */
    int64_t dropped_useless;  /**< examples, and of more than two answers repeated ones, left out */
    int64_t maximum_answers;  /**< most sequences of an example */
} fst_examples_info;

/** @param dataset the dataset. @param info out. @param size sizeof *info.
 *  @return FST_OK, FST_ERR_INVALID_ARGUMENT, or FST_ERR_STATE for a dataset of plain documents. @since 0.1 */
FST_API fst_status fst_dataset_get_examples_info(const fst_dataset *dataset, fst_examples_info *info,
                                                 size_t size);

/** One sequence of an example, borrowed while the dataset lives. @since 0.1 */
typedef struct fst_example {
    size_t struct_size;     /**< size the caller passed */
    const int32_t *ids;     /**< [length] */
    const uint8_t *trained; /**< [length] 1 where the id is trained on */
    int64_t length;         /**< ids of the sequence, at least 1 */
    int64_t sequences;      /**< sequences of the example */
    const float *labels;    /**< [label_count] of the example; NULL if not labelled */
    double margin;          /**< preferences: the pair's margin; else 0 */
    int64_t prompt_length;  /**< ids before the first that is trained on; length where there is none */
    int64_t second_begin;   /**< labelled texts with a pair and no template: ids before the pair's text, which
                                 have token type 0, the others 1; length where there is one text */
} fst_example;

/**
 * @param dataset a dataset of examples, not packed.
 * @param index 0 ≤ index < examples.
 * @param sequence 0 ≤ sequence < the example's sequences.
 * @param example out.
 * @param size sizeof *example.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
 * @since 0.1
 */
FST_API fst_status fst_dataset_get_example(const fst_dataset *dataset, int64_t index,
                                           int64_t sequence, fst_example *example, size_t size);

/**
 * Which examples a step of training sees.
 *
 * @param dataset a dataset of examples, not packed; N = its examples.
 * @param position examples read since the training began, ≥ 0: entry i is example (position + i)
 *        mod N of epoch ⌊(position + i) / N⌋.
 * @param count at least 1.
 * @param shuffle 1: each epoch has an order of its own, drawn by the context's seed; 0: as they stand.
 * @param indices [count] out.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
 * @since 0.1
 */
FST_API fst_status fst_dataset_order(const fst_dataset *dataset, int64_t position, int64_t count,
                                     int32_t shuffle, int64_t *indices);

/**
 * A dataset of some of another's examples, which shares what they are made of.
 *
 * @param dataset a dataset of examples, not packed.
 * @param indices [count] examples, in the order that the new one has them, as often as wanted.
 * @param count at least 1.
 * @param selected out: the caller owns it.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT naming the entry, FST_ERR_STATE or FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_dataset_select(const fst_dataset *dataset, const int64_t *indices,
                                      int64_t count, fst_dataset **selected);

/**
 * Copies the labels of examples.
 *
 * @param dataset labelled texts or images, not packed.
 * @param indices [count] examples, as often as wanted.
 * @param count at least 1.
 * @param labels an array of [count, label_count], overwritten; NaN: missing.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT naming the entry; FST_ERR_STATE for data without labels.
 * @since 0.1
 */
FST_API fst_status fst_dataset_read_labels(const fst_dataset *dataset, const int64_t *indices,
                                           int64_t count, float *labels);

/**
 * Copies sequences into rows of equal length, padded with id 0 at the end.
 *
 * @param dataset a dataset of examples, not packed.
 * @param examples [rows] indices.
 * @param sequences [rows] which sequence of each; NULL: the first.
 * @param rows at least 1.
 * @param length at least the longest of those sequences.
 * @param ids [rows, length] out; may be NULL, as each of the arrays.
 * @param targets [rows, length] out: the id that follows, where that is trained on, else FST_IGNORE; of
 *        FST_EXAMPLES_TOKENS the class that the id itself carries, or FST_IGNORE.
 * @param lengths [rows] out: ids of each sequence.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT, naming the row, also for one longer than length;
 *         FST_ERR_STATE.
 * @since 0.1
 */
FST_API fst_status fst_dataset_collate(const fst_dataset *dataset, const int64_t *examples,
                                       const int64_t *sequences, int64_t rows, int64_t length,
                                       int32_t *ids, int32_t *targets, int32_t *lengths);

/**
 * The token types of the rows that fst_dataset_collate makes, for fst_batch.token_types: 0, and 1 for the
 * second of two texts (fst_example.second_begin).
 *
 * @param dataset a dataset of examples, not packed.
 * @param examples [rows] indices.
 * @param sequences [rows] which sequence of each; NULL: the first.
 * @param rows at least 1.
 * @param length at least the longest of those sequences.
 * @param types [rows, length] out; 0 behind a sequence's end.
 * @return as fst_dataset_collate.
 * @since 0.1
 */
FST_API fst_status fst_dataset_collate_types(const fst_dataset *dataset, const int64_t *examples,
                                             const int64_t *sequences, int64_t rows, int64_t length,
                                             int32_t *types);

#ifdef __cplusplus
}
#endif

#endif
