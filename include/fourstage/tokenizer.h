/*
 * Text to token ids and back: byte-level BPE (GPT-2, Llama 3, Qwen 2, RoBERTa), WordPiece (BERT) and a
 * character tokenizer, trained here or read from a Hugging Face tokenizer.json, WordPiece also from
 * BERT's vocab.txt.
 *
 * Text is UTF-8, but any bytes are taken: with byte-level BPE, decoding what was encoded gives the
 * same bytes back, also where they are not valid UTF-8 (as long as the tokenizer has no normalizer
 * and its pre-tokenizer drops nothing).
 *
 * Threads: a tokenizer does not change after it was made, except by fst_tokenizer_add_tokens and
 * fst_tokenizer_set_special_id. Functions that take it const may run on several threads at once.
 */
#ifndef FOURSTAGE_TOKENIZER_H
#define FOURSTAGE_TOKENIZER_H

#include "fourstage/context.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_TOKENIZER_BPE 0       /**< byte-level byte-pair encoding (Sennrich et al. 2016; GPT-2). @since 0.1 */
#define FST_TOKENIZER_CHARACTER 1 /**< one id for each Unicode code point of the training text. @since 0.1 */

#define FST_TOKENIZER_WORDPIECE 2 /**< WordPiece behind BERT's normalizer (Devlin et al. 2018). @since 0.1 */

#define FST_TOKEN_BOS 0     /**< begin of a text; BERT's [CLS]. @since 0.1 */
#define FST_TOKEN_EOS 1     /**< end of a text; BERT's [SEP]. @since 0.1 */
#define FST_TOKEN_PAD 2     /**< padding. @since 0.1 */
#define FST_TOKEN_UNKNOWN 3 /**< stands for what has no token. @since 0.1 */
#define FST_TOKEN_MASK 4    /**< stands for a token that a model is to guess. @since 0.1 */

/** Options of fst_tokenizer_train_files and fst_tokenizer_train_texts. @since 0.1 */
typedef struct fst_tokenizer_train_options {
    size_t struct_size;        /**< set by fst_tokenizer_train_options_init */
    int32_t kind;              /**< FST_TOKENIZER_ value; default FST_TOKENIZER_BPE */
    int32_t vocabulary_size;   /**< BPE, WORDPIECE: ids to make at most, special tokens and the 256 bytes or
                                    the characters counted; default 30000. CHARACTER: ignored */
    int64_t minimum_frequency; /**< BPE, WORDPIECE: a pair seen less often is not merged; default 0 */
    /** BPE: where words end. "gpt2" (default, also NULL), "llama3", "qwen2", or a regular expression
     *  (PCRE2, Unicode) whose matches and the stretches between them become the words. */
    const char *pattern;
    const char *const *special_tokens; /**< special_token_count texts; BPE, WORDPIECE: they get the ids from 0
                                            on, CHARACTER: the ids after the characters */
    size_t special_token_count;        /**< default 0; for WORDPIECE that means [PAD] [UNK] [CLS] [SEP] [MASK].
                                            [CLS] and [SEP], where both are there, are put around texts */
    int32_t add_prefix_space;  /**< BPE: 1: a space is put before a text that starts with none; default 0 */
    int32_t reserved;          /**< 0 */
    const char *unknown_token; /**< CHARACTER: the special token that stands for a character not seen in
                                    training; NULL (default): encoding one is FST_ERR_NOT_FOUND.
                                    WORDPIECE: stands for a word without pieces; NULL: [UNK] */
    int32_t lowercase;          /**< WORDPIECE: 1 (default): text becomes lower case; 0: not */
    int32_t strip_accents;      /**< WORDPIECE: 1: accents are taken off; 0: not; -1 (default): as lowercase */
    int32_t chinese_characters; /**< WORDPIECE: 1 (default): each is a word of its own; 0: not */
    int32_t limit_alphabet;     /**< WORDPIECE: characters kept at most, the most frequent ones, of equals
                                     those of lower code points; 0 (default): all */
} fst_tokenizer_train_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_tokenizer_train_options_init(fst_tokenizer_train_options *options, size_t size);

/**
 * Trains a tokenizer on text files. BPE and WordPiece read each line, its line end included, as a text
 * of its own; the result is that of `tokenizers`' BpeTrainer with the byte-level initial alphabet, or of
 * its WordPieceTrainer, which leaves the order of the letters inside words to chance: here it is that of
 * their code points. Words
 * are counted on the context's threads; the result does not depend on their number.
 *
 * @param context the context; kept alive by the tokenizer.
 * @param paths count file names.
 * @param count at least 1.
 * @param options NULL for defaults.
 * @param tokenizer out: the new tokenizer; the caller owns it.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_IO, FST_ERR_NOT_FOUND, FST_ERR_NO_MEMORY, or
 *         FST_ERR_FORMAT where a CHARACTER tokenizer meets bytes that are not UTF-8.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_train_files(fst_context *context, const char *const *paths, size_t count,
                                             const fst_tokenizer_train_options *options,
                                             fst_tokenizer **tokenizer);

/**
 * Trains a tokenizer on texts in memory, each taken as a whole.
 *
 * @param context the context; kept alive by the tokenizer.
 * @param texts count texts; borrowed for the call.
 * @param lengths bytes of each; NULL: the texts end in NUL.
 * @param count texts.
 * @param options NULL for defaults.
 * @param tokenizer out: the new tokenizer; the caller owns it.
 * @return as fst_tokenizer_train_files.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_train_texts(fst_context *context, const char *const *texts,
                                             const size_t *lengths, size_t count,
                                             const fst_tokenizer_train_options *options,
                                             fst_tokenizer **tokenizer);

/**
 * Reads a tokenizer.json of Hugging Face `tokenizers`: model BPE (byte-level), WordPiece
 * or WordLevel; normalizers NFC, NFD, NFKC, NFKD, BertNormalizer; pre-tokenizers ByteLevel, Split,
 * Digits, BertPreTokenizer; post-processors ByteLevel, TemplateProcessing, RobertaProcessing,
 * BertProcessing; decoders ByteLevel, WordPiece, Fuse; a Sequence of any of these. Truncation and
 * padding are kept for saving but not applied.
 *
 * @param context the context; kept alive by the tokenizer.
 * @param path the file, or the directory that holds it; in a directory, tokenizer_config.json names
 *        the tokens of fst_tokenizer_special_id. A file whose name ends in .txt, or the vocab.txt of a
 *        directory without tokenizer.json, is read as by fst_tokenizer_load_wordpiece.
 * @param tokenizer out: the new tokenizer; the caller owns it.
 * @return FST_OK, FST_ERR_NOT_FOUND, FST_ERR_IO, FST_ERR_FORMAT, FST_ERR_NO_MEMORY, or
 *         FST_ERR_UNSUPPORTED for a component that the text names.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_load(fst_context *context, const char *path, fst_tokenizer **tokenizer);

/**
 * Reads GPT-2's own two files.
 *
 * @param context the context; kept alive by the tokenizer.
 * @param vocabulary_path vocab.json: token to id.
 * @param merges_path merges.txt: one merge a line, best first.
 * @param tokenizer out: the new tokenizer; the caller owns it.
 * @return as fst_tokenizer_load.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_load_gpt2(fst_context *context, const char *vocabulary_path,
                                           const char *merges_path, fst_tokenizer **tokenizer);

/** Options of fst_tokenizer_load_wordpiece. @since 0.1 */
typedef struct fst_wordpiece_options {
    size_t struct_size;         /**< set by fst_wordpiece_options_init */
    int32_t lowercase;          /**< 1: text becomes lower case; 0: not; -1 (default): as do_lower_case of
                                     tokenizer_config.json beside the file, without one 1 */
    int32_t strip_accents;      /**< 1: accents are taken off; 0: not; -1 (default): as strip_accents there,
                                     without one as lowercase */
    int32_t chinese_characters; /**< 1: each Chinese character is a word of its own; 0: not; -1 (default): as
                                     tokenize_chinese_chars there, without one 1 */
    int32_t clean_text;         /**< 1 (default): control characters are dropped and white space becomes
                                     spaces; 0: not */
} fst_wordpiece_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_wordpiece_options_init(fst_wordpiece_options *options, size_t size);

/**
 * Reads BERT's vocab.txt: a token a line, whose number less one is its id; those that go on with a word
 * begin with "##". [UNK], [CLS], [SEP], [PAD] and [MASK], or what tokenizer_config.json beside the file
 * names instead, are special tokens; [CLS] and [SEP] are put around a text.
 *
 * @param context the context; kept alive by the tokenizer.
 * @param path the file.
 * @param options NULL for defaults.
 * @param tokenizer out: the new tokenizer; the caller owns it.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NOT_FOUND, FST_ERR_IO, FST_ERR_NO_MEMORY, or
 *         FST_ERR_FORMAT with the line in the text.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_load_wordpiece(fst_context *context, const char *path,
                                                const fst_wordpiece_options *options,
                                                fst_tokenizer **tokenizer);

/**
 * Writes a tokenizer.json that `tokenizers` loads. What was there before stays until the new file
 * is complete on disk. A CHARACTER tokenizer is written as a WordLevel model behind a Split
 * pre-tokenizer that isolates each code point.
 *
 * @param tokenizer the tokenizer.
 * @param path a file name; or an existing directory, which then gets tokenizer.json and a
 *        tokenizer_config.json that names the special tokens.
 * @return FST_OK, FST_ERR_IO or FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_save(const fst_tokenizer *tokenizer, const char *path);

/** Gives up the caller's hold; what was made with the tokenizer keeps it alive.
 *  @param tokenizer may be NULL. @since 0.1 */
FST_API void fst_tokenizer_destroy(fst_tokenizer *tokenizer);

/** @param tokenizer the tokenizer. @param size out: largest id + 1, added tokens counted.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_tokenizer_vocabulary_size(const fst_tokenizer *tokenizer, int32_t *size);

/** Options of fst_tokenizer_encode. @since 0.1 */
typedef struct fst_encode_options {
    size_t struct_size;         /**< set by fst_encode_options_init */
    int32_t add_special_tokens; /**< 1 (default): what the post-processor puts around a text (e.g. Llama 3's
                                     <|begin_of_text|>) is added; GPT-2 adds nothing. 0: never */
    int32_t parse_special;      /**< 1 (default): a special token spelled out in the text becomes its id;
                                     0: its characters are ordinary text, for text from strangers */
} fst_encode_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_encode_options_init(fst_encode_options *options, size_t size);

/**
 * Encodes a text. Call with capacity 0 for the number of ids, or with a capacity that is surely
 * enough: without a normalizer, length + what the post-processor adds.
 *
 * @param tokenizer the tokenizer.
 * @param text any bytes; may be NULL where length is 0.
 * @param length bytes, at most 2^31 - 65.
 * @param options NULL for defaults.
 * @param ids out: up to capacity ids; may be NULL where capacity is 0.
 * @param offsets out, [capacity][2]: the bytes of the text, begin and end, that each id stands for;
 *        for byte-level BPE exactly the token's bytes, a leading space included. 0, 0 for what the
 *        post-processor adds; where a normalizer changed the text, the whole stretch it changed. NULL: none.
 * @param capacity ids that fit.
 * @param count out: ids of the text, also where they did not fit.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL with *count set and nothing written;
 *         FST_ERR_INVALID_ARGUMENT; FST_ERR_NO_MEMORY; FST_ERR_NOT_FOUND where something has no token
 *         and the tokenizer has no unknown token.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_encode(const fst_tokenizer *tokenizer, const char *text, size_t length,
                                        const fst_encode_options *options, int32_t *ids, int64_t *offsets,
                                        size_t capacity, size_t *count);

/**
 * As fst_tokenizer_encode, with the word that each id belongs to: what the pre-tokenizer cut the text
 * into (`tokenizers`' word_ids). For BERT that is what stands between white space and punctuation, each
 * punctuation mark, and each Chinese character.
 *
 * @param tokenizer the tokenizer.
 * @param text any bytes; may be NULL where length is 0.
 * @param length bytes, at most 2^31 - 65.
 * @param options NULL for defaults.
 * @param ids [capacity] out: the ids; may be NULL where capacity is 0.
 * @param words [capacity] out: for each id the number of its word, from 0 on, an added token in the text
 *        counted as one; -1 for what the post-processor adds. May be NULL where capacity is 0.
 * @param offsets out, [capacity][2]: as those of fst_tokenizer_encode. NULL: none.
 * @param capacity ids that fit.
 * @param count out: ids of the text, also where they did not fit.
 * @return as fst_tokenizer_encode.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_encode_words(const fst_tokenizer *tokenizer, const char *text, size_t length,
                                              const fst_encode_options *options, int32_t *ids, int32_t *words,
                                              int64_t *offsets, size_t capacity, size_t *count);

/**
 * Encodes two texts into one sequence by the post-processor's template for pairs: BERT's is [CLS] first
 * [SEP] second [SEP], of types 0 and from the second on 1. Without a template, or where no special tokens
 * are to be added, the second follows the first.
 *
 * @param tokenizer the tokenizer.
 * @param first any bytes.
 * @param first_length bytes, at most 2^31 - 65.
 * @param second any bytes.
 * @param second_length bytes, at most 2^31 - 65.
 * @param options NULL for defaults.
 * @param ids [capacity] out: the ids; may be NULL where capacity is 0.
 * @param types [capacity] out: for each id its token type; may be NULL where capacity is 0.
 * @param words [capacity] out: as fst_tokenizer_encode_words', the second text's from 0 on again; may be
 *        NULL where capacity is 0.
 * @param capacity ids that fit.
 * @param count out: ids of both, also where they did not fit.
 * @return as fst_tokenizer_encode.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_encode_pair(const fst_tokenizer *tokenizer, const char *first,
                                             size_t first_length, const char *second, size_t second_length,
                                             const fst_encode_options *options, int32_t *ids, int32_t *types,
                                             int32_t *words, size_t capacity, size_t *count);

/**
 * Encodes many texts on the context's threads, one behind the other into one array.
 *
 * @param tokenizer the tokenizer.
 * @param texts text_count texts, any bytes.
 * @param lengths bytes of each; NULL: the texts end in NUL.
 * @param text_count texts.
 * @param options NULL for defaults.
 * @param ids out: up to capacity ids; may be NULL where capacity is 0.
 * @param capacity ids that fit.
 * @param begins out, [text_count + 1]: text i has the ids from begins[i] up to begins[i + 1]; set also
 *        where the ids did not fit.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL with begins set (begins[text_count] is the capacity
 *         needed); or as fst_tokenizer_encode, the text of the error naming the input.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_encode_batch(const fst_tokenizer *tokenizer, const char *const *texts,
                                              const size_t *lengths, size_t text_count,
                                              const fst_encode_options *options, int32_t *ids,
                                              size_t capacity, int64_t *begins);

/**
 * The bytes that ids stand for. They need not be valid UTF-8: a token may end inside a character.
 *
 * @param tokenizer the tokenizer.
 * @param ids count ids.
 * @param count ids.
 * @param skip_special 1: special tokens give no text.
 * @param text out: up to capacity bytes, and a NUL behind them where there is room; may be NULL where
 *        capacity is 0.
 * @param capacity bytes that fit.
 * @param length out: bytes of the text without the NUL, also where they did not fit.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL with *length set and nothing written;
 *         FST_ERR_INVALID_ARGUMENT for an id that is no token, named in the text with its place.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_decode(const fst_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                        int32_t skip_special, char *text, size_t capacity, size_t *length);

/**
 * A token's bytes.
 *
 * @param tokenizer the tokenizer.
 * @param id the token.
 * @param bytes out: borrowed, not NUL-terminated, valid until the tokenizer is changed or destroyed.
 * @param length out: bytes.
 * @return FST_OK, or FST_ERR_INVALID_ARGUMENT for an id that is no token.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_token(const fst_tokenizer *tokenizer, int32_t id, const char **bytes,
                                       size_t *length);

/**
 * The id of one token.
 *
 * @param tokenizer the tokenizer.
 * @param token its bytes (" the"), or else its spelling in tokenizer.json ("Ġthe").
 * @param id out: the id.
 * @return FST_OK, FST_ERR_NOT_FOUND or FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_find(const fst_tokenizer *tokenizer, const char *token, int32_t *id);

/**
 * The id of a token with a role. Where tokenizer_config.json did not say, the role is found by the
 * usual names (e.g. <|endoftext|>, </s>, [PAD]) among the special tokens.
 *
 * @param tokenizer the tokenizer.
 * @param role FST_TOKEN_ value.
 * @param id out: the id; -1: none.
 * @return FST_OK or FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_special_id(const fst_tokenizer *tokenizer, int32_t role, int32_t *id);

/** Gives a role to a token. @param tokenizer the tokenizer. @param role FST_TOKEN_ value other than
 *  FST_TOKEN_UNKNOWN, which belongs to the model. @param id a token; -1: none.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_tokenizer_set_special_id(fst_tokenizer *tokenizer, int32_t role, int32_t id);

/** Options of fst_tokenizer_add_tokens. @since 0.1 */
typedef struct fst_added_token_options {
    size_t struct_size;    /**< set by fst_added_token_options_init */
    int32_t special;       /**< 1: decoding may skip it and parse_special governs it; default 0 */
    int32_t single_word;   /**< 1: only where no word character stands next to it; default 0 */
    int32_t strip_left;    /**< 1: takes white space before it along; default 0 */
    int32_t strip_right;   /**< 1: takes white space behind it along; default 0 */
    int32_t normalized;    /**< 1: looked for in the normalised text; default 0: in the text as given */
    int32_t reserved;      /**< 0 */
} fst_added_token_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_added_token_options_init(fst_added_token_options *options, size_t size);

/**
 * Adds tokens that are found in a text before it is split. A text that is a token already keeps its
 * id; others get the ids from the vocabulary size on. On an error nothing is added.
 *
 * @param tokenizer the tokenizer; nobody else may use it meanwhile.
 * @param tokens count texts, UTF-8, not empty.
 * @param count texts.
 * @param options NULL for defaults; they hold for all of the texts.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_tokenizer_add_tokens(fst_tokenizer *tokenizer, const char *const *tokens, size_t count,
                                            const fst_added_token_options *options);

#ifdef __cplusplus
}
#endif

#endif
