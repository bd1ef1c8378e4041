/*
 * Words in, a dataset of tagged sentences out: the words of a sentence are added, then it is ended, which
 * makes one example of it, several windows, or none.
 */
#ifndef FST_DATA_WORD_BUILDER_H
#define FST_DATA_WORD_BUILDER_H

#include "data/examples.h"
#include "data/words.h"
#include "tokenizer/tokenizer.h"

typedef struct fst__word_builder {
    fst_context *context;
    const fst_tokenizer *tokenizer;
    fst_word_options options;
    fst_status refusal; /* status of what is refused: of the caller's arrays or of a file */
    int32_t bos_id, eos_id; /* −1: none */
    bool fixed_tags;
    int32_t *sorted; /* [tags] classes by their names' bytes */
    int64_t sorted_capacity;
    fst__words *words;
    int32_t *ids; /* [words->id_count] */

    int64_t *offsets; /* [examples + 1] into ids */
    fst__example_words *examples;
    int64_t example_count, example_capacity;
    fst__examples_dropped dropped;

    /* The sentence at hand. */
    int64_t first_word;
    fst__ids pieces;
    size_t *piece_ends; /* [words of it] pieces up to each word's end */
    int64_t piece_capacity;
    fst__text spaced; /* a word behind a space */
} fst__word_builder;

/* Close is called also when it fails. */
fst_status fst__word_builder_open(fst__word_builder *builder, fst_context *context,
                                  const fst_tokenizer *tokenizer, const fst_word_options *options,
                                  fst_status refusal);
void fst__word_builder_close(fst__word_builder *builder);
bool fst__word_builder_full(const fst__word_builder *builder);

/* tag NULL: the word has none. Errors do not say where it was. */
fst_status fst__word_builder_word(fst__word_builder *builder, const char *word, size_t length,
                                  const char *tag, size_t tag_length);
/* Likewise. */
fst_status fst__word_builder_sentence(fst__word_builder *builder);
fst_status fst__word_builder_finish(fst__word_builder *builder, fst_dataset **out);

/* ---- word_tags.c ---- */

/* The classes that options name. */
fst_status fst__word_tags_open(fst__word_builder *builder);
fst_status fst__word_tags_class(fst__word_builder *builder, const char *tag, size_t length,
                                int32_t *out);
/* Collected classes in their order: "O", then by bytes. */
fst_status fst__word_tags_order(fst__word_builder *builder);

#endif
