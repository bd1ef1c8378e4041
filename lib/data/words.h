/*
 * Sentences in words with tags: what belongs to a dataset of them beside its ids, shared with its splits.
 */
#ifndef FST_DATA_WORDS_H
#define FST_DATA_WORDS_H

#include "base/text.h"
#include "data/dataset.h"
#include "fourstage/words.h"

/* Texts one behind the other, each ended by NUL. */
typedef struct fst__strings {
    fst__text text;
    size_t *begins; /* [count] */
    int64_t count, capacity;
} fst__strings;

fst_status fst__strings_append(fst__strings *strings, const char *text, size_t length);
void fst__strings_free(fst__strings *strings);
static inline const char *fst__strings_get(const fst__strings *strings, int64_t index)
{
    return strings->text.data + strings->begins[index];
}

/* Numbers of words and sentences are those in which they were read. */
typedef struct fst__words {
    int32_t *classes; /* [ids] of each id, or FST_IGNORE */
    int64_t *word_of; /* [ids] −1: a begin or end token */
    int64_t id_count, id_capacity;
    fst__strings words;
    int32_t *tags;           /* [words] class or FST_IGNORE */
    int64_t *sentence_of;    /* [words] */
    int64_t tag_capacity;    /* room in both */
    int64_t sentences;
    int64_t longest_sentence; /* words of it */
    fst__strings names;       /* of the classes */
} fst__words;

fst__words *fst__words_alloc(fst__allocator *allocator); /* NULL: no memory */
void fst__words_free(fst__words *words, fst__allocator *allocator); /* takes NULL */

/* What an example is of, in fst__examples. */
typedef struct fst__example_words {
    int64_t first, end; /* words; of a window, those whose tags it carries */
    int64_t sentence;
    int64_t cut; /* of these words, at their end: cut away */
} fst__example_words;

/* ---- the api room's bodies; options are overlaid, pointers checked ---- */

fst_word_options fst__word_defaults(void);
fst_status fst__dataset_from_words(fst_context *context, const fst_tokenizer *tokenizer,
                                   const char *const *words, const char *const *tags,
                                   const int64_t *offsets, int64_t sentences,
                                   const fst_word_options *options, fst_dataset **out);
fst_status fst__dataset_load_conll(fst_context *context, const fst_tokenizer *tokenizer,
                                   const char *const *paths, int64_t count,
                                   const fst_word_options *options, fst_dataset **out);

/* FST_ERR_STATE where the dataset is not of words. */
fst_status fst__words_check(const fst_dataset *dataset, const char *function);
void fst__words_info(const fst_dataset *dataset, fst_words_info *info);
/* Checked: the index is there. */
void fst__words_example(const fst_dataset *dataset, int64_t index, fst_word_example *example);

#endif
