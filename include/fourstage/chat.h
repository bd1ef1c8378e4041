/*
 * Chat templates: conversations with roles become one sequence of ids, of which each knows whether
 * the assistant said it.
 *
 * A template is data, the text before and behind each role's content. Special tokens are recognised
 * in the template's own texts and never in contents: a content that spells one is text like any
 * other. What stands between two special tokens is tokenised as one text, template and content
 * together, so that the ids are those a tokenizer gives for the whole rendered text.
 *
 * Threads: plain data and functions without state.
 */
#ifndef FOURSTAGE_CHAT_H
#define FOURSTAGE_CHAT_H

#include "fourstage/tokenizer.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_CHAT_PLAIN 0  /**< contents one behind the other, the end token behind each answer. @since 0.1 */
#define FST_CHAT_CHATML 1 /**< <|im_start|>role\\n … <|im_end|>\\n (OpenAI's ChatML, as Hugging Face's template without a default system message). @since 0.1 */
#define FST_CHAT_LLAMA3 2 /**< Llama 3's own: <|start_header_id|>role<|end_header_id|>\\n\\n … <|eot_id|>, contents trimmed. @since 0.1 */
#define FST_CHAT_ALPACA 3 /**< Stanford Alpaca's prompts (train.py, PROMPT_DICT), the end token behind each answer. @since 0.1 */

/** What stands before and behind each role's content. Texts are borrowed; NULL is "". @since 0.1 */
typedef struct fst_chat_template {
    size_t struct_size;           /**< set by fst_chat_template_init and fst_chat_template_preset */
    const char *begin;            /**< before everything */
    const char *system_prefix;    /**< before a system message */
    const char *system_suffix;    /**< behind a system message */
    const char *user_prefix;      /**< before a user's message */
    const char *user_suffix;      /**< behind a user's message */
    const char *assistant_prefix; /**< before an answer; a generation prompt ends with it */
    const char *assistant_suffix; /**< behind an answer */
    const char *default_system;   /**< system message of a conversation that begins with none; NULL (default): none */
    int32_t trim;                 /**< 1: white space at both ends of contents is left out, as Llama 3's template does */
    int32_t train_suffix;         /**< 1 (default): assistant_suffix up to its first special token (all of it, where it has none) is trained on like the answer */
    int32_t add_end;              /**< 1: the tokenizer's end token stands behind each assistant_suffix and is trained on */
    int32_t reserved;             /**< 0 */
    const char *input_prefix;     /**< records of instruction and input: stands between the two in the user's message; NULL (default): "\\n" */
    const char *input_system;     /**< default_system of records with an input; NULL (default): as default_system */
} fst_chat_template;

/** Fills a template with empty texts, for one of the caller's own. @param chat to fill.
 *  @param size sizeof *chat. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_chat_template_init(fst_chat_template *chat, size_t size);

/** Fills a template with one of the known ones; its texts are static. @param kind FST_CHAT_ value.
 *  @param chat out: the template. @param size sizeof *chat.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_chat_template_preset(int32_t kind, fst_chat_template *chat, size_t size);

/**
 * Renders and tokenises one conversation. Call with capacity 0 for the number of ids.
 *
 * @param tokenizer the tokenizer. What its post-processor would put around a text is not added.
 * @param chat the template; NULL: plain.
 * @param roles [messages] "system", "user" or "human", "assistant" or "gpt".
 * @param contents [messages] UTF-8.
 * @param messages at least 1.
 * @param add_generation_prompt 1: ends with assistant_prefix, for a policy to go on.
 * @param ids out, [capacity] the ids; may be NULL where capacity is 0.
 * @param trained out, [capacity] 1 where the token begins inside an answer (or the part of the
 *        suffix that is trained), else 0. NULL: none.
 * @param capacity ids that fit.
 * @param count out: ids of the conversation, also where they did not fit.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL with *count set and nothing written;
 *         FST_ERR_INVALID_ARGUMENT for an unknown role, text that is not UTF-8, or two begin tokens
 *         in a row; FST_ERR_NOT_FOUND where add_end is 1 and the tokenizer has no end token.
 * @since 0.1
 */
FST_API fst_status fst_chat_encode(const fst_tokenizer *tokenizer, const fst_chat_template *chat,
                                   const char *const *roles, const char *const *contents,
                                   int64_t messages, int32_t add_generation_prompt, int32_t *ids,
                                   uint8_t *trained, int64_t capacity, int64_t *count);

#ifdef __cplusplus
}
#endif

#endif
