/*
 * Examples in, a dataset out. An example is opened, its sequences are added, and committed: only
 * then is it cut to length, looked at for what there is to train on, and kept, left out or refused.
 */
#ifndef FST_DATA_EXAMPLE_BUILDER_H
#define FST_DATA_EXAMPLE_BUILDER_H

#include "data/chat.h"
#include "data/examples.h"

typedef struct fst__example_builder {
    fst_context *context;
    const fst_tokenizer *tokenizer;
    fst_example_options options;
    fst_status refusal; /* status of an example that is refused: of the caller's or of a file */
    fst__chat chat;
    bool has_chat;          /* texts are messages of a template */
    int32_t bos_id, eos_id; /* around texts without a template; −1: none */
    fst__chat_text pair_separator, history_separator;
    fst__rendering rendering;
    fst__trained_ids ids;
    int64_t *offsets; /* [sequences + 1] */
    int64_t *seconds; /* [sequences] ids before the second of two texts; −1: there is one text */
    bool has_seconds;
    int64_t sequences, offset_capacity;
    int64_t *first; /* [examples + 1] */
    float *labels;  /* [examples, label_count] */
    double *margins;
    int64_t examples, example_capacity;
    int64_t label_count;
    fst__examples_dropped dropped;
} fst__example_builder;

/* Options of the kind `kind`. Close is called also when it fails. */
fst_status fst__example_builder_open(fst__example_builder *builder, fst_context *context,
                                     const fst_tokenizer *tokenizer,
                                     const fst_example_options *options, int32_t kind,
                                     fst_status refusal);
void fst__example_builder_close(fst__example_builder *builder);
bool fst__example_builder_full(const fst__example_builder *builder);

/* A sequence of the example at hand. input_system: see fst__chat_encode. */
fst_status fst__example_builder_messages(fst__example_builder *builder,
                                         const fst__message *messages, int64_t count,
                                         bool generation_prompt, const char *input_system);
/* Without a template: the texts of `history` [history_count], then text, then pair (may be NULL).
 */
fst_status fst__example_builder_text(fst__example_builder *builder, const char *const *history,
                                     int64_t history_count, const char *text, const char *pair);

/* Ends the example at hand. labels [label_count] or NULL. An error's text begins with `place`, and
 * the example is forgotten. */
fst_status fst__example_builder_commit(fst__example_builder *builder, const float *labels,
                                       double margin, const char *place);
/* Forgets the sequences added since the last commit. */
void fst__example_builder_abandon(fst__example_builder *builder);
/* The same for an example that is useless before it has a sequence: refused with `why`, or counted.
 */
fst_status fst__example_builder_useless(fst__example_builder *builder, const char *why,
                                        const char *place);

/* ---- an example of each kind (example_kinds.c), begun, committed, or refused naming `place` ----
 */

fst_status fst__example_builder_conversation(fst__example_builder *builder, fst__message *messages,
                                             int64_t count, const char *input_system,
                                             const char *place);
fst_status fst__example_builder_labelled(fst__example_builder *builder, const char *const *history,
                                         int64_t history_count, const char *text, const char *pair,
                                         const float *labels, const char *place);
/* messages has room for prompt + 1; answers [count], best first. */
fst_status fst__example_builder_preference(fst__example_builder *builder, fst__message *messages,
                                           int64_t prompt, const char *const *answers,
                                           int64_t count, double margin, const char *input_system,
                                           const char *place);
/* negative NULL: none. labels [label_count] or NULL. */
fst_status fst__example_builder_pair(fst__example_builder *builder, const char *anchor,
                                     const char *positive, const char *negative,
                                     const float *labels, const char *place);
fst_status fst__example_builder_prompt(fst__example_builder *builder, const fst__message *messages,
                                       int64_t count, const char *input_system, const char *place);
fst_status fst__example_builder_prompt_text(fst__example_builder *builder, const char *text,
                                            const char *place);

fst_status fst__example_builder_finish(fst__example_builder *builder, fst_dataset **out);

#endif
