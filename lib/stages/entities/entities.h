/* Entities in sequences of tags; what stands behind fourstage/entities.h. */
#ifndef FST_STAGES_ENTITIES_ENTITIES_H
#define FST_STAGES_ENTITIES_ENTITIES_H

#include "base/context.h"
#include "fourstage/entities.h"

#include <stdbool.h>

/* A tag's prefix as a bit, so that a rule's side is a set. DOT: CoNLL-2000's "."; a letter that no scheme
 * has is 0. */
enum {
    FST__TAG_I = 1,
    FST__TAG_O = 2,
    FST__TAG_B = 4,
    FST__TAG_E = 8,
    FST__TAG_S = 16,
    FST__TAG_U = 32,
    FST__TAG_L = 64,
    FST__TAG_ANY = 127, /* of the schemes */
    FST__TAG_DOT = 128,
};

typedef struct fst__tag {
    uint8_t prefix; /* FST__TAG_ */
    int32_t type;   /* into the types; −1: none of them, as of "O" */
} fst__tag;

typedef struct fst__entity {
    int64_t begin, end; /* tokens [begin, end) */
    int32_t type;
} fst__entity;

/* Of one type. */
typedef struct fst__entity_counts {
    int64_t labelled, predicted, right;
} fst__entity_counts;

struct fst_entities {
    fst_context *context; /* held */
    bool strict;
    int32_t scheme; /* FST_TAGS_ value; strict: not AUTO */
    fst__tag *tags; /* [tag_count] */
    fst__tag outside; /* "O" */
    int64_t tag_count;
    char *text;   /* the types' names, each with its NUL */
    char **types; /* [type_count] sorted, in text */
    int64_t type_count;
    fst__entity_counts *counts; /* [type_count] */
    int64_t sequences, tokens, right_tokens;
    int32_t *scratch; /* [2, room] a sequence without what is left out */
    int64_t room;
};

fst_status fst__entities_create(fst_context *context, const char *const *tags, int64_t tag_count,
                                bool strict, int32_t scheme, fst_entities **out);
void fst__entities_destroy(fst_entities *entities); /* takes NULL */
/* A counter of its own with the same counts. */
fst_status fst__entities_copy(const fst_entities *entities, fst_entities **out);

/* Room for sequences of so many tokens, so that adding them takes no memory. */
fst_status fst__entities_reserve(fst_entities *entities, int64_t tokens);
fst_status fst__entities_add(fst_entities *entities, const int32_t *labels,
                             const int32_t *predictions, const int64_t *offsets, int64_t sequences);
void fst__entities_clear(fst_entities *entities);
void fst__entities_metrics(const fst_entities *entities, fst_entity_metrics *metrics);
void fst__entities_type(const fst_entities *entities, int64_t index, fst_entity_type *type);

/* Are these tags of entities at all: "O", and prefixes of a scheme with a type behind them? */
bool fst__tags_name_entities(const char *const *tags, int64_t tag_count);
/* What seqeval's auto_detect tells; FST_TAGS_AUTO: nothing. */
int32_t fst__tags_scheme(const char *const *tags, int64_t tag_count);

/* ---- scheme.c: reading entities off a sequence, from its begin to its end ---- */

typedef struct fst__entity_reader {
    const fst_entities *entities;
    const int32_t *tags; /* [count] classes */
    int64_t count;
    int64_t at, begin; /* the token to look at; lenient: where the open entity began */
    fst__tag before;   /* of the token before `at` */
} fst__entity_reader;

fst__entity_reader fst__entity_reader_open(const fst_entities *entities, const int32_t *tags,
                                           int64_t count);
bool fst__entity_reader_next(fst__entity_reader *reader, fst__entity *entity);
/* May the prefix stand in this scheme? */
bool fst__scheme_allows(int32_t scheme, uint8_t prefix);

#endif
