/*
 * Texts in, a dataset out. Documents are queued and tokenised on the pool some megabytes at a time;
 * their ids stand in the order in which the documents were added, whatever the number of threads.
 */
#ifndef FST_DATA_TEXT_BUILDER_H
#define FST_DATA_TEXT_BUILDER_H

#include "data/dataset.h"
#include "tokenizer/tokenizer.h"

/* What a document's place counts, for error texts. */
typedef enum fst__text_place {
    FST__PLACE_INDEX, /* in the caller's array */
    FST__PLACE_BYTE,  /* where it begins in its file */
    FST__PLACE_LINE,  /* of its file, from 1 */
} fst__text_place;

typedef struct fst__text_document {
    const char *text;
    char *owned; /* the text when it is the builder's, else NULL */
    size_t length;
    const char *source; /* file, or NULL */
    int64_t place;
    fst__text_place place_kind;
    int64_t count; /* ids, once tokenised */
} fst__text_document;

typedef struct fst__text_builder {
    fst_context *context;
    const fst_tokenizer *tokenizer;
    fst_dataset_text_options options; /* bos_id and eos_id as used, −1 where none is added */
    fst__text_document *queue;
    int64_t queued, queue_capacity;
    size_t queued_bytes;
    int32_t *ids;
    int64_t count, capacity;
    int64_t *offsets; /* [documents + 1] */
    int64_t documents, offset_capacity;
} fst__text_builder;

fst_status fst__text_builder_open(fst__text_builder *builder, fst_context *context,
                                  const fst_tokenizer *tokenizer,
                                  const fst_dataset_text_options *options);

/* text and source are borrowed until the next flush; with `copy` only source is. */
fst_status fst__text_builder_add(fst__text_builder *builder, const fst__text_document *document,
                                 bool copy);

/* No further document is wanted. */
bool fst__text_builder_full(const fst__text_builder *builder);

fst_status fst__text_builder_flush(fst__text_builder *builder);

/* Flushes and makes the dataset. Close is still called. */
fst_status fst__text_builder_finish(fst__text_builder *builder, fst_dataset **out);
void fst__text_builder_close(fst__text_builder *builder);

/* [size] bytes of text each id stands for, 0 for special tokens. */
fst_status fst__token_bytes_of(const fst_tokenizer *tokenizer, fst__allocator *allocator,
                               int32_t size, int32_t **out);

#endif
