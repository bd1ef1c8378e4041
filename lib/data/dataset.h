/*
 * Documents over one array of ids, shared by reference count between a dataset, its splits and its
 * packings, and the rows a packing cuts them into.
 */
#ifndef FST_DATA_DATASET_H
#define FST_DATA_DATASET_H

#include "base/context.h"
#include "fourstage/dataset.h"

#include <stdbool.h>

struct fst__words;

/* The ids, never changed once made. */
typedef struct fst__tokens {
    _Atomic int64_t references;
    fst_context *context; /* held */
    const void *ids;      /* [count] of `type` */
    int32_t type;         /* FST_TOKENS_ value */
    int64_t count;
    uint8_t *trained; /* [count] ids that a stage trains on; ours; NULL: all of them */
    uint8_t *continues; /* [count] ids that go on with the word before; ours; NULL: words unknown */
    struct fst__words *words; /* with tags, see words.h; ours; NULL: none */
    void *owned; /* ids when they are ours, else NULL */
    void (*release)(void *user);
    void *release_user;
    int32_t *token_bytes; /* [vocabulary] bytes of text an id stands for; NULL: unknown */
    int64_t vocabulary;   /* entries of token_bytes */
} fst__tokens;

typedef struct fst__document {
    int64_t begin, end; /* in fst__tokens.ids */
} fst__document;

typedef struct fst__documents {
    _Atomic int64_t references;
    fst__tokens *tokens; /* held */
    fst__document *spans;
    int64_t *starts; /* [count + 1] ids before each, as if the documents stood in one row */
    int64_t count;
    int64_t bytes; /* of text; 0 if unknown */
    int32_t maximum_id;
    struct fst__examples *examples; /* which belong together, see examples.h; NULL: plain documents */
} fst__documents;

/* Ids [offset, offset + count) of a document, placed in a row. */
typedef struct fst__piece {
    int64_t document, offset, count;
} fst__piece;

struct fst_dataset {
    _Atomic int64_t references;
    fst_context *context;      /* held */
    fst__documents *documents; /* held */
    bool packed;
    fst_pack_options pack;
    int64_t rows, targets, target_bytes;
    fst__piece *pieces; /* best fit: row after row */
    int64_t *row_first; /* [rows + 1] each row's first piece */
};

/* ---- the parts (documents.c) ---- */

/* `tokens` comes with references 0 and all else set; the document list takes it over, also when it
 * fails. offsets [count + 1]. */
fst_status fst__documents_create(fst_context *context, const fst__tokens *tokens,
                                 const int64_t *offsets, int64_t count, fst__documents **out);
/* A list over the same ids; `spans` is copied. */
fst_status fst__documents_select(fst__documents *from, const fst__document *spans, int64_t count,
                                 fst__documents **out);
fst__documents *fst__documents_retain(fst__documents *documents);
void fst__documents_release(fst__documents *documents); /* takes NULL */

/* ids[0 … count) ← tokens[begin …) */
void fst__tokens_copy(const fst__tokens *tokens, int64_t begin, int64_t count, int32_t *ids);
/* How many of tokens [begin, end) are trained on. */
int64_t fst__tokens_trained(const fst__tokens *tokens, int64_t begin, int64_t end);
/* Bytes of text of tokens [begin, end); 0 if unknown. */
int64_t fst__tokens_bytes(const fst__tokens *tokens, int64_t begin, int64_t end);

/* Takes the caller's hold on `documents` over, also when it fails. */
fst_status fst__dataset_create(fst_context *context, fst__documents *documents, fst_dataset **out);
void fst__dataset_destroy(fst_dataset *dataset); /* gives up one hold; takes NULL */

/* A dataset does not change, so a run may hold the caller's const one. */
static inline fst_dataset *fst__dataset_retain(const fst_dataset *dataset)
{
    fst_dataset *held = (fst_dataset *)dataset;
    atomic_fetch_add(&held->references, 1);
    return held;
}

/* ---- the api room's bodies; options are overlaid ---- */

fst_dataset_text_options fst__dataset_text_defaults(void);
fst_dataset_token_options fst__dataset_token_defaults(void);
fst_split_options fst__split_defaults(void);
fst_pack_options fst__pack_defaults(void);

fst_status fst__dataset_from_tokens(fst_context *context, const void *ids, int64_t count,
                                    const int64_t *offsets, int64_t documents,
                                    const fst_dataset_token_options *options, fst_dataset **out);
fst_status fst__dataset_from_text_files(fst_context *context, const fst_tokenizer *tokenizer,
                                        const char *const *paths, int64_t count,
                                        const fst_dataset_text_options *options, fst_dataset **out);
fst_status fst__dataset_from_jsonl_files(fst_context *context, const fst_tokenizer *tokenizer,
                                         const char *const *paths, int64_t count,
                                         const fst_dataset_text_options *options,
                                         fst_dataset **out);
fst_status fst__dataset_from_texts(fst_context *context, const fst_tokenizer *tokenizer,
                                   const char *const *texts, const size_t *lengths, int64_t count,
                                   const fst_dataset_text_options *options, fst_dataset **out);
fst_status fst__dataset_split(const fst_dataset *dataset, const fst_split_options *options,
                              fst_dataset **train, fst_dataset **validation);
fst_status fst__dataset_pack(const fst_dataset *dataset, const fst_pack_options *options,
                             fst_dataset **packed);

/* What reading gives, [rows, length] each; what is NULL is not asked for. */
typedef struct fst__dataset_rows {
    int32_t *ids, *targets, *positions, *documents;
    int32_t *words; /* number of the id's word within its row; -1: padding */
} fst__dataset_rows;

/* Checked arguments: packed, position ≥ 0, rows ≥ 1. */
void fst__dataset_read_rows(const fst_dataset *packed, int64_t position, int64_t rows, bool shuffle,
                            const fst__dataset_rows *out);
void fst__dataset_read(const fst_dataset *packed, int64_t position, int64_t rows, bool shuffle,
                       int32_t *ids, int32_t *targets, int32_t *positions, int32_t *documents);

#endif
