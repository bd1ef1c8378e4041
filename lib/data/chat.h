/*
 * Chat templates at work: a template is prepared once for a tokenizer, then renders conversations
 * into ids, each with whether it is trained on.
 */
#ifndef FST_DATA_CHAT_H
#define FST_DATA_CHAT_H

#include "base/text.h"
#include "fourstage/chat.h"
#include "tokenizer/tokenizer.h"

typedef enum fst__role {
    FST__ROLE_SYSTEM,
    FST__ROLE_USER,
    FST__ROLE_ASSISTANT,
} fst__role;

typedef struct fst__message {
    fst__role role;
    const char *content; /* borrowed, UTF-8 */
    size_t length;
    bool trained; /* an answer that is to be learnt */
} fst__message;

/* A special token in a text: bytes [begin, end) of it. */
typedef struct fst__special {
    size_t begin, end;
    int32_t id;
    bool trained;
} fst__special;

/* One of the template's own texts, with the special tokens in it. */
typedef struct fst__chat_text {
    const char *text; /* borrowed */
    size_t length;
    fst__special *special;
    size_t special_count;
} fst__chat_text;

typedef struct fst__chat {
    const fst_tokenizer *tokenizer;
    fst_chat_template options;
    fst__chat_text begin, prefix[3], suffix[3]; /* by role */
    size_t trained_suffix;    /* bytes of the assistant's suffix that are trained */
    int32_t end_id, begin_id; /* −1: none */
} fst__chat;

/* A growing list of ids and whether each is trained on. */
typedef struct fst__trained_ids {
    fst__allocator *allocator;
    int32_t *ids;
    uint8_t *trained;
    int64_t count, capacity;
} fst__trained_ids;

/* What is rendered and not tokenised yet; zero it, set text.allocator and pieces.allocator. */
typedef struct fst__rendering {
    fst__text text;
    fst__special *special; /* in the text */
    size_t special_count, special_capacity;
    size_t *spans; /* [span_count][2] bytes that are trained */
    size_t span_count, span_capacity;
    size_t mark;    /* a byte of the text; 0: none */
    int64_t marked; /* out of fst__render_finish: the ids before the first that begins at the mark or behind */
    fst__ids pieces;
} fst__rendering;

fst_chat_template fst__chat_defaults(void);
fst_status fst__chat_preset(fst_chat_template *chat, int32_t kind);

/* options are overlaid; its texts stay borrowed. Close is called also when it fails. */
fst_status fst__chat_open(fst__chat *chat, const fst_tokenizer *tokenizer,
                          const fst_chat_template *options);
void fst__chat_close(fst__chat *chat);

void fst__rendering_open(fst__rendering *rendering, fst__allocator *allocator);
void fst__rendering_close(fst__rendering *rendering);
void fst__trained_ids_destroy(fst__trained_ids *ids);
fst_status fst__trained_ids_append(fst__trained_ids *ids, int32_t id, bool trained);

/* Rendering: template text, in which special tokens are recognised, and contents, in which not. */
fst_status fst__render_text(fst__rendering *rendering, const fst__chat_text *text);
fst_status fst__render_content(fst__rendering *rendering, const char *content, size_t length);
/* The bytes [begin, end) rendered are trained on; not before an earlier end. */
fst_status fst__render_train(fst__rendering *rendering, size_t begin, size_t end);
/* A token that stands at this place without a text. */
fst_status fst__render_id(fst__rendering *rendering, int32_t id, bool trained);
void fst__rendering_clear(fst__rendering *rendering);
/* Tokenises what was rendered behind `out` and empties the rendering. */
fst_status fst__render_finish(fst__rendering *rendering, const fst_tokenizer *tokenizer,
                              fst__trained_ids *out);

/* The special tokens of a template's text. */
fst_status fst__chat_text_open(fst__chat_text *text, const fst_tokenizer *tokenizer,
                               const char *string);
void fst__chat_text_close(fst__chat_text *text, const fst_tokenizer *tokenizer);

/* "system", "user", "human", "assistant", "gpt"; FST_ERR_INVALID_ARGUMENT names another. */
fst_status fst__role_parse(const char *name, fst__role *role);

/* Appends a conversation's ids. default_system NULL: the template's. The error text does not say
 * which conversation it was. */
fst_status fst__chat_encode(const fst__chat *chat, fst__rendering *rendering,
                            const fst__message *messages, int64_t count, bool generation_prompt,
                            const char *default_system, fst__trained_ids *out);

/* The content without white space at both ends, as Python's str.strip. */
void fst__strip(const char **content, size_t *length);

#endif
