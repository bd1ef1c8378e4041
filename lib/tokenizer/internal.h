/* The parts a tokenizer is made of. Only this room and its tests include it. */
#ifndef FST_TOKENIZER_INTERNAL_H
#define FST_TOKENIZER_INTERNAL_H

#include "base/context.h"
#include "base/text.h"
#include "tokenizer/bert.h"
#include "tokenizer/pattern.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

#include <string.h>

/* ---- vocabulary.c: id to token and back ---- */

enum {
    FST__TOKEN_PRESENT = 1, /* ids may have holes */
    FST__TOKEN_MODEL = 2,   /* in the model's vocabulary */
    FST__TOKEN_ADDED = 4,
    FST__TOKEN_SPECIAL = 8,
    FST__TOKEN_WHOLE = 16, /* a word of these bytes encodes to this one token */
};

typedef struct fst__token {
    size_t spelling; /* in the blob: as tokenizer.json writes it */
    size_t bytes;    /* in the blob: what it stands for */
    uint32_t spelling_length;
    uint32_t length;
    uint8_t flags;
} fst__token;

typedef struct fst__slot {
    uint64_t hash;
    int32_t id; /* -1: free */
} fst__slot;

typedef struct fst__vocabulary {
    fst__allocator *allocator;
    fst__text blob;
    fst__token *tokens;
    int32_t count; /* largest id + 1 */
    int32_t capacity;
    fst__slot *by_bytes; /* model tokens */
    fst__slot *by_spelling; /* all tokens */
    size_t mask; /* of both */
    size_t used;
} fst__vocabulary;

void fst__vocabulary_destroy(fst__vocabulary *vocabulary);
/* Adds a token under a free id. byte_level: the spelling is in GPT-2's byte alphabet. The caller has
 * looked that spelling and id are new. */
fst_status fst__vocabulary_insert(fst__vocabulary *vocabulary, int32_t id, const char *spelling, size_t length,
                                  int flags, bool byte_level);
/* Forgets the ids from count on; never fails. */
void fst__vocabulary_truncate(fst__vocabulary *vocabulary, int32_t count);
int32_t fst__vocabulary_find_spelling(const fst__vocabulary *vocabulary, const char *spelling, size_t length);
int32_t fst__vocabulary_find_bytes(const fst__vocabulary *vocabulary, const char *bytes, size_t length);

static inline bool fst__vocabulary_has(const fst__vocabulary *vocabulary, int32_t id)
{
    return id >= 0 && id < vocabulary->count && (vocabulary->tokens[id].flags & FST__TOKEN_PRESENT);
}

static inline const char *fst__token_bytes(const fst__vocabulary *vocabulary, int32_t id)
{
    return vocabulary->blob.data + vocabulary->tokens[id].bytes;
}

static inline const char *fst__token_spelling(const fst__vocabulary *vocabulary, int32_t id)
{
    return vocabulary->blob.data + vocabulary->tokens[id].spelling;
}

/* GPT-2's byte alphabet (encoder.py, bytes_to_unicode): printable bytes stand for themselves, the
 * others for U+0100 onwards. */
uint32_t fst__alphabet_point(unsigned char byte);
int fst__alphabet_byte(int32_t point); /* -1: not of the alphabet */

/* ---- bpe.c ---- */

typedef struct fst__pair {
    int32_t left, right;
} fst__pair;

typedef struct fst__merge {
    uint64_t key; /* left << 32 | right; UINT64_MAX: free */
    uint32_t rank;
    int32_t id;
} fst__merge;

typedef struct fst__bpe {
    fst__allocator *allocator;
    fst__merge *merges; /* open addressing */
    size_t mask;
    fst__pair *ordered; /* the merges as they were given, best first */
    size_t count;
    int32_t byte_ids[256];
    struct fst__byte_pair {
        uint32_t rank; /* UINT32_MAX: no merge */
        int32_t id;
    } *byte_pairs; /* [256][256]: the merge of two bytes, which most of the look-ups ask for */
    bool ignore_merges;
} fst__bpe;

struct fst__scratch;

/* Takes over `ordered` (count pairs, results[i] is what pair i merges to), also on an error. */
fst_status fst__bpe_create(fst__bpe *bpe, fst__allocator *allocator, const fst__vocabulary *vocabulary,
                           fst__pair *ordered, const int32_t *results, size_t count);
void fst__bpe_destroy(fst__bpe *bpe);
/* Encodes a word by its merges alone into ids (room for length ids). */
fst_status fst__bpe_merge_word(const fst__bpe *bpe, struct fst__scratch *scratch, const char *word,
                               size_t length, int32_t *ids, size_t *count);
/* Sets FST__TOKEN_WHOLE where it holds. */
fst_status fst__bpe_mark_whole(const fst__bpe *bpe, struct fst__scratch *scratch, fst__vocabulary *vocabulary);

/* ---- wordpiece.c ---- */

typedef struct fst__wordpiece {
    fst__allocator *allocator;
    char *prefix; /* of a token that goes on with a word: "##" */
    size_t prefix_length;
    size_t most_characters; /* a longer word is unknown */
    fst__slot *rest;        /* tokens with the prefix, by the bytes behind it */
    size_t mask;
    size_t longest_first, longest_rest; /* bytes */
} fst__wordpiece;

#define FST__WORDPIECE_PREFIX "##"
enum { FST__WORDPIECE_CHARACTERS = 100 };

/* Sets prefix and most_characters; fst__wordpiece_build does the rest once the vocabulary is there. */
fst_status fst__wordpiece_create(fst__wordpiece *wordpiece, fst__allocator *allocator, const char *prefix,
                                 size_t most_characters);
fst_status fst__wordpiece_build(fst__wordpiece *wordpiece, const fst__vocabulary *vocabulary);
void fst__wordpiece_destroy(fst__wordpiece *wordpiece);
/* Cuts a word into ids (room for length ids). *count 0: it has no pieces. */
void fst__wordpiece_cut(const fst__wordpiece *wordpiece, const fst__vocabulary *vocabulary, const char *word,
                        size_t length, int32_t *ids, size_t *count);
/* Whether the word has more characters than a word may have. */
bool fst__wordpiece_too_long(const fst__wordpiece *wordpiece, const char *word, size_t length);

/* ---- scratch.c: what one encode works in ---- */

enum {
    FST__CACHED_BYTES = 22, /* with these a cache entry is one cache line */
    FST__CACHED_IDS = 8,
    FST__CACHE_ENTRIES = 8192,
};

typedef struct fst__cached {
    uint64_t hash;
    uint8_t length; /* 0: empty */
    uint8_t count;
    char bytes[FST__CACHED_BYTES];
    int32_t ids[FST__CACHED_IDS];
} fst__cached;

/* A stretch of the text at hand. Position p there was max(p - shift, floor) before spaces were put in. */
typedef struct fst__piece {
    size_t begin, end;
    int64_t shift;
    int64_t floor;
} fst__piece;

typedef struct fst__pieces {
    fst__piece *items;
    size_t count, capacity;
} fst__pieces;

typedef struct fst__scratch {
    fst__allocator *allocator;
    fst__cached *cache;
    void *symbols; /* of bpe.c */
    size_t symbol_bytes;
    int32_t *word_ids;
    size_t word_capacity;
    fst__pieces pieces, next_pieces;
    fst__text normalized;
    fst__edits edits;
    fst__text prefixed;
    void *match; /* pcre2_match_data */
    fst__ids ids;
} fst__scratch;

fst__scratch *fst__scratch_create(fst__allocator *allocator);
void fst__scratch_destroy(fst__scratch *scratch);
fst_status fst__scratch_symbols(fst__scratch *scratch, size_t bytes);
fst_status fst__scratch_word(fst__scratch *scratch, size_t length);
fst_status fst__pieces_append(fst__scratch *scratch, fst__pieces *pieces, fst__piece piece);

enum { FST__IDLE_SCRATCHES = 16 };

/* Scratch waits here between calls, warm cache and all. Without locks: a call takes one by exchange
 * or makes its own, and what finds no free place afterwards is freed. */
typedef struct fst__scratch_stock {
    _Atomic(fst__scratch *) idle[FST__IDLE_SCRATCHES];
} fst__scratch_stock;

fst__scratch *fst__scratch_take(fst__scratch_stock *stock, fst__allocator *allocator);
void fst__scratch_return(fst__scratch_stock *stock, fst__scratch *scratch);

/* ---- added.c: tokens found before splitting ---- */

typedef struct fst__added {
    int32_t id;
    bool special, single_word, strip_left, strip_right, normalized;
} fst__added;

/* The tokens one pass looks for, by first byte, longest first. */
typedef struct fst__added_index {
    int32_t *order; /* into fst_tokenizer.added */
    int32_t first[257]; /* those that begin with byte b: order[first[b]] up to order[first[b + 1]] */
    fst__text contents; /* what to look for; normalised where the pass is over normalised text */
    size_t *begins; /* [count + 1], by position in order */
    size_t count;
} fst__added_index;

typedef struct fst__found {
    const fst__added *added; /* NULL: the rest of the text has none */
    size_t begin, end;
} fst__found;

fst_status fst__added_index_build(fst__added_index *index, const fst_tokenizer *tokenizer, bool normalized);
void fst__added_index_destroy(fst__added_index *index, fst__allocator *allocator);
/* The first token at or behind *search (which moves behind it); `from`: where the text not yet given
 * out begins. parse_special false: special tokens are passed over. */
fst__found fst__added_find(const fst_tokenizer *tokenizer, const fst__added_index *index, const char *text,
                           size_t length, size_t from, size_t *search, bool parse_special);

/* ---- normalize.c ---- */

/* Into scratch->normalized with scratch->edits. *text and *length then point there; they are left
 * alone where nothing changes. record false: nobody asks for edits. */
fst_status fst__normalize(const fst_tokenizer *tokenizer, fst__scratch *scratch, bool record, const char **text,
                          size_t *length);
/* The same without a record, appended to out. */
fst_status fst__normalize_text(const fst_tokenizer *tokenizer, const char *text, size_t length, fst__text *out);

/* ---- components.c, pretokenize.c ---- */

enum { FST__STEP_SPLIT, FST__STEP_PREFIX_SPACE, FST__STEP_BERT };

typedef struct fst__step {
    int kind;
    fst__pattern *pattern;
    bool keep_matches, keep_gaps;
} fst__step;

enum { FST__MAX_STEPS = 16 };

typedef struct fst__pretokenizer {
    fst__step steps[FST__MAX_STEPS];
    int count;
    bool byte_level;
} fst__pretokenizer;

/* The words of text[begin, end) into scratch->pieces; *words is the text they point into. */
fst_status fst__pretokenize(const fst_tokenizer *tokenizer, fst__scratch *scratch, const char *text,
                            size_t begin, size_t end, const char **words);

typedef struct fst__affix {
    int32_t *ids;
    size_t count;
} fst__affix;

/* Of two texts: the first, the second, or a special token between and around them. */
enum { FST__PAIR_FIRST = -1, FST__PAIR_SECOND = -2 };

typedef struct fst__pair_item {
    int32_t id; /* or FST__PAIR_ */
    int32_t type;
} fst__pair_item;

typedef struct fst__pair_template {
    fst__pair_item *items;
    size_t count;
} fst__pair_template;

/* tokenizer.json's components as text, to be compiled and to be written again. */
enum {
    FST__PART_TRUNCATION,
    FST__PART_PADDING,
    FST__PART_NORMALIZER,
    FST__PART_PRE_TOKENIZER,
    FST__PART_POST_PROCESSOR,
    FST__PART_DECODER,
    FST__PARTS,
};

enum { FST__DECODER_BYTE_LEVEL, FST__DECODER_FUSE, FST__DECODER_WORDPIECE, FST__DECODER_NONE };

enum { FST__MODEL_BPE, FST__MODEL_WORD_LEVEL, FST__MODEL_WORDPIECE };

enum { FST__ROLES = FST_TOKEN_MASK + 1 };

struct fst_tokenizer {
    _Atomic int64_t references;
    fst_context *context;
    fst__allocator *allocator;

    int model;
    fst__vocabulary vocabulary;
    fst__bpe bpe;
    fst__wordpiece wordpiece;
    char *unknown_token; /* as the file spells it; NULL: null */
    int32_t unknown_id;  /* -1: none */
    int32_t roles[FST__ROLES]; /* FST_TOKEN_; -1: none */

    fst__added *added;
    size_t added_count;
    fst__added_index raw_index, normalized_index;

    char *parts[FST__PARTS]; /* JSON */
    int normalization;       /* utf8proc options; 0: none */
    fst__bert *bert;         /* BERT's normalizer or pre-tokenizer; NULL: neither */
    fst__pretokenizer pretokenizer;
    fst__affix prefix, suffix;
    fst__pair_template pair;
    int decoder;
    char *decoder_prefix;    /* of FST__DECODER_WORDPIECE */
    bool decoder_cleanup;

    fst__unicode *unicode;
    fst__scratch_stock *stock;
};

/* tokenizer.c. A tokenizer under construction: create, fill vocabulary, added, bpe and parts, in any
 * order; compile what the parts say (a template's ids must be there); finish the indexes. */
fst_status fst__tokenizer_create(fst_context *context, fst_tokenizer **out);
fst_status fst__tokenizer_set_part(fst_tokenizer *tokenizer, int part, const char *json);
/* Appends to tokenizer->added and to the vocabulary; id -1: the next one, or the one it has. */
fst_status fst__tokenizer_append_added(fst_tokenizer *tokenizer, fst__added added, const char *content,
                                       size_t length);
fst_status fst__tokenizer_compile(fst_tokenizer *tokenizer, const char *name); /* name: the file, for errors */
fst_status fst__tokenizer_finish(fst_tokenizer *tokenizer);
/* Roles that are still -1, by the usual names. */
void fst__tokenizer_guess_roles(fst_tokenizer *tokenizer);

/* components.c. `name` is the file's name for errors. */
fst_status fst__components_compile(fst_tokenizer *tokenizer, const char *name);

/* json_tokenizer.c: tokenizer_config.json's token, "eos_token": "</s>" or {"content": "</s>", …}; NULL:
 * none. Borrowed. */
struct json_t;
const char *fst__config_token(const struct json_t *root, const char *member);

/* json_tokenizer.c: the ids of a merge's parts and of what they make; `index` is its number. */
fst_status fst__merge_resolve(const fst__vocabulary *vocabulary, const char *name, size_t index, const char *left,
                              size_t left_length, const char *right, size_t right_length, fst__pair *pair,
                              int32_t *result);

/* wordpiece_files.c */
fst_status fst__wordpiece_set_parts(fst_tokenizer *tokenizer, const fst__bert_options *options, const char *begin,
                                    const char *end);

/* Most a text may be: positions in a word are 32 bits wide. */
#define FST__MAX_TEXT ((size_t)INT32_MAX - 64)

#endif
