/*
 * Records to examples: finds which of the known layouts a record has and hands the builder what its
 * kind of examples needs of it.
 */
#ifndef FST_DATA_LAYOUTS_H
#define FST_DATA_LAYOUTS_H

#include "data/example_builder.h"
#include "data/labels.h"

/* What is found in one record; texts borrow the record or are `owned`. */
typedef struct fst__layout {
    fst__example_builder *builder;
    fst__labels labels;
    fst__message *messages; /* the prompt, or a whole conversation; room for one more */
    int64_t message_count, message_capacity;
    const char **answers; /* best first */
    int64_t answer_count, answer_capacity;
    const char *input_system; /* system message where there is an input */
    char **owned;
    int64_t owned_count, owned_capacity;
    char **history; /* texts of the last records of the list, oldest first; owned */
    int64_t history_count, list;
    const char *place; /* of the record, for errors */
} fst__layout;

/* Close is called also when it fails. */
fst_status fst__layout_open(fst__layout *layout, fst__example_builder *builder);
void fst__layout_close(fst__layout *layout);
/* A file begins: no history. */
void fst__layout_file(fst__layout *layout);
/* One record; `list` tells which records follow each other in one dialogue. */
fst_status fst__layout_add(fst__layout *layout, const json_t *record, int64_t list,
                           int64_t file_index, const char *place);

/* ---- the parts ---- */

/* FST_ERR_FORMAT with the place in front. */
fst_status fst__layout_fail(const fst__layout *layout, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
fst_status fst__layout_message(fst__layout *layout, fst__role role, const char *content,
                               size_t length);
fst_status fst__layout_answer(fst__layout *layout, const char *answer);
/* A copy that lives until the next record; NULL: no memory. */
const char *fst__layout_keep(fst__layout *layout, const char *text, size_t length);

/* Appends {"role", "content"} or {"from", "value"} objects (messages.c). */
fst_status fst__layout_messages(fst__layout *layout, const json_t *list, const char *name);
/* chosen and rejected without a prompt: transcripts or lists of messages whose common beginning is
 * the prompt; rejected may be NULL: chosen is the conversation (transcripts.c). */
fst_status fst__layout_pair(fst__layout *layout, const json_t *chosen, const json_t *rejected);

#endif
