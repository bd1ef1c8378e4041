/*
 * What other rooms use of a tokenizer. The handle is immutable while it is shared; each encode
 * borrows scratch from the handle's own small stock, so many threads may encode at once.
 */
#ifndef FST_TOKENIZER_TOKENIZER_H
#define FST_TOKENIZER_TOKENIZER_H

#include "base/alloc.h"
#include "fourstage/tokenizer.h"

#include <stdbool.h>

/* Ids that grow. Zero it, set allocator (and with_offsets, with_words), destroy it. */
typedef struct fst__ids {
    fst__allocator *allocator;
    int32_t *ids;
    int64_t *offsets; /* [capacity][2]; NULL unless with_offsets */
    int32_t *words;   /* [capacity]: the word an id belongs to, -1: none; NULL unless with_words */
    size_t count;
    size_t capacity;
    bool with_offsets;
    bool with_words;
} fst__ids;

/* Room for `more` ids behind count. */
fst_status fst__ids_reserve(fst__ids *ids, size_t more);
void fst__ids_destroy(fst__ids *ids);

fst_tokenizer *fst__tokenizer_retain(fst_tokenizer *tokenizer);
void fst__tokenizer_release(fst_tokenizer *tokenizer); /* takes NULL */

/* Appends the ids of a text. On an error `out` keeps what was there before. */
fst_status fst__tokenizer_encode(const fst_tokenizer *tokenizer, const char *text, size_t length,
                                 bool add_special_tokens, bool parse_special, fst__ids *out);

/* Appends the ids of two texts by the template for pairs, or one behind the other; types (as many as
 * ids are appended) may be NULL. Words of the second count from 0 again. */
fst_status fst__tokenizer_encode_pair(const fst_tokenizer *tokenizer, const char *const texts[2],
                                      const size_t lengths[2], bool add_special_tokens, bool parse_special,
                                      fst__ids *out, fst__ids *types);

fst_status fst__tokenizer_train_files(fst_context *context, const char *const *paths, size_t count,
                                      const fst_tokenizer_train_options *options, fst_tokenizer **out);
fst_status fst__tokenizer_train_texts(fst_context *context, const char *const *texts,
                                      const size_t *lengths, size_t count,
                                      const fst_tokenizer_train_options *options, fst_tokenizer **out);
fst_status fst__tokenizer_load(fst_context *context, const char *path, fst_tokenizer **out);
fst_status fst__tokenizer_load_gpt2(fst_context *context, const char *vocabulary_path,
                                    const char *merges_path, fst_tokenizer **out);
fst_status fst__tokenizer_load_wordpiece(fst_context *context, const char *path, const fst_wordpiece_options *options,
                                         fst_tokenizer **out);
/* For tests and fuzzing: a vocab.txt in memory. */
fst_status fst__tokenizer_parse_wordpiece(fst_context *context, const char *name, const char *text, size_t length,
                                          const fst_wordpiece_options *options, fst_tokenizer **out);
/* For tests and fuzzing: a tokenizer.json in memory; `name` stands for the file in errors. */
fst_status fst__tokenizer_parse(fst_context *context, const char *name, const char *text, size_t length,
                                fst_tokenizer **out);
fst_status fst__tokenizer_save(const fst_tokenizer *tokenizer, const char *path);
fst_status fst__tokenizer_add_tokens(fst_tokenizer *tokenizer, const char *const *tokens, size_t count,
                                     const fst_added_token_options *options);

int32_t fst__tokenizer_vocabulary_size(const fst_tokenizer *tokenizer);
/* Do words have their space in front of them? */
bool fst__tokenizer_is_byte_level(const fst_tokenizer *tokenizer);
/* False for an id that is no token. */
bool fst__tokenizer_token(const fst_tokenizer *tokenizer, int32_t id, const char **bytes, size_t *length,
                          bool *special);
/* Bytes of text that an id stands for, WordPiece's "##" not counted; 0 for special ones and no token. */
size_t fst__tokenizer_text_bytes(const fst_tokenizer *tokenizer, int32_t id);
int32_t fst__tokenizer_find(const fst_tokenizer *tokenizer, const char *token, size_t length); /* -1: none */
int32_t fst__tokenizer_special_id(const fst_tokenizer *tokenizer, int32_t role); /* -1: none */
fst_status fst__tokenizer_set_special_id(fst_tokenizer *tokenizer, int32_t role, int32_t id);
fst__allocator *fst__tokenizer_allocator(const fst_tokenizer *tokenizer);
struct fst__pool *fst__tokenizer_pool(const fst_tokenizer *tokenizer);

/* FST_TOKEN_ bits of each id, [vocabulary size]. */
void fst__tokenizer_token_flags(const fst_tokenizer *tokenizer, uint8_t *flags);

/* Bytes of the decoded text. *wrong: place of the first id that is no token; count: all are. */
size_t fst__tokenizer_decode_length(const fst_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                    bool skip_special, size_t *wrong);
/* Writes that many bytes. */
void fst__tokenizer_decode(const fst_tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special,
                           char *text);

#endif
