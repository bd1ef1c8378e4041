/*
 * What makes documents examples: which sequences belong together, their labels and margins. Ids and
 * what of them is trained on are in fst__tokens, shared with the dataset they came from.
 */
#ifndef FST_DATA_EXAMPLES_H
#define FST_DATA_EXAMPLES_H

#include "data/dataset.h"
#include "data/words.h"
#include "fourstage/examples.h"

/* What a builder left out. */
typedef struct fst__examples_dropped {
    int64_t too_long, cut, useless;
} fst__examples_dropped;

typedef struct fst__examples {
    int32_t kind;        /* FST_EXAMPLES_ value */
    int64_t count;       /* examples */
    int64_t *first;      /* [count + 1] first document of each */
    int64_t label_count; /* 0: not labelled */
    float *labels;       /* [count, label_count]; NULL if not labelled */
    double *margins;     /* [count]; NULL: all 0 */
    fst__example_words *words; /* [count] of FST_EXAMPLES_TOKENS; else NULL */
    int64_t *seconds;    /* [first[count]] ids of a sequence before the second of two texts, −1: there is
                            one text; NULL: nowhere two */
    fst__examples_dropped dropped;
    struct fst__images *images; /* FST_EXAMPLES_IMAGES: which ones, see images.h; else NULL */
    int64_t trained_tokens, longest, maximum_answers; /* measured */
} fst__examples;

/* An empty set with room for `count`; labels and margins as asked. NULL: no memory. */
fst__examples *fst__examples_alloc(fst__allocator *allocator, int32_t kind, int64_t count,
                                   int64_t label_count, bool margins);
/* Room for `seconds`. False: no memory. */
bool fst__examples_want_seconds(fst__examples *examples, fst__allocator *allocator, int64_t sequences);
void fst__examples_free(fst__examples *examples, fst__allocator *allocator); /* takes NULL */
/* Fills the measured members from the documents it belongs to. */
void fst__examples_measure(fst__examples *examples, const fst__documents *documents);

/* A dataset of the examples [0, count) of `indices`, over the same ids. */
fst_status fst__examples_select(const fst_dataset *dataset, const int64_t *indices, int64_t count,
                                fst_dataset **out);

/* Ids before the first that is trained on; all of them where none is. */
int64_t fst__examples_prompt_length(const fst__documents *documents, int64_t document);

/* ---- the api room's bodies; options are overlaid, pointers checked ---- */

fst_example_options fst__example_defaults(void);
fst_status fst__dataset_load_examples(fst_context *context, const fst_tokenizer *tokenizer,
                                      const char *const *paths, int64_t count,
                                      const fst_example_options *options, fst_dataset **out);
fst_status fst__dataset_from_conversations(fst_context *context, const fst_tokenizer *tokenizer,
                                           const char *const *roles, const char *const *contents,
                                           const int64_t *offsets, int64_t conversations,
                                           const fst_example_options *options, fst_dataset **out);
fst_status fst__dataset_from_labelled(fst_context *context, const fst_tokenizer *tokenizer,
                                      const char *const *texts, const char *const *pairs,
                                      const float *labels, int64_t examples,
                                      const fst_example_options *options, fst_dataset **out);
fst_status fst__dataset_from_preferences(fst_context *context, const fst_tokenizer *tokenizer,
                                         const char *const *prompts, const char *const *answers,
                                         const int64_t *offsets, const float *margins,
                                         int64_t examples, const fst_example_options *options,
                                         fst_dataset **out);
fst_status fst__dataset_from_prompts(fst_context *context, const fst_tokenizer *tokenizer,
                                     const char *const *texts, int64_t examples,
                                     const fst_example_options *options, fst_dataset **out);
fst_status fst__dataset_from_pairs(fst_context *context, const fst_tokenizer *tokenizer,
                                   const char *const *anchors, const char *const *positives,
                                   const char *const *negatives, const float *labels,
                                   int64_t examples, const fst_example_options *options,
                                   fst_dataset **out);

/* FST_ERR_STATE where the dataset has no examples or is packed. */
fst_status fst__examples_check_any(const fst_dataset *dataset, const char *function);
/* And where they are images, which have no sequences. */
fst_status fst__examples_check(const fst_dataset *dataset, const char *function);
/* Checked: index and sequence are there. */
void fst__examples_get(const fst_dataset *dataset, int64_t index, int64_t sequence,
                       fst_example *example);
/* Checked: position ≥ 0, count ≥ 1. */
void fst__examples_order(const fst_dataset *dataset, int64_t position, int64_t count, bool shuffle,
                         int64_t *indices);
fst_status fst__examples_types(const fst_dataset *dataset, const int64_t *examples, const int64_t *sequences,
                               int64_t rows, int64_t length, int32_t *types);
fst_status fst__examples_collate(const fst_dataset *dataset, const int64_t *examples,
                                 const int64_t *sequences, int64_t rows, int64_t length,
                                 int32_t *ids, int32_t *targets, int32_t *lengths);

#endif
