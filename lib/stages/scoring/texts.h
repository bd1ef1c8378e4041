/* Texts of ids, in memory that is kept from batch to batch. */
#ifndef FST_STAGES_SCORING_TEXTS_H
#define FST_STAGES_SCORING_TEXTS_H

#include "stages/scoring/scoring.h"

/* *texts [count], borrowed until the next call; special tokens are left out, and a text ends at a NUL
 * that its ids may spell. `name` is the field's in errors. */
fst_status fst__made_texts_decode(fst__made_texts *made, fst__allocator *allocator,
                                  const fst_tokenizer *tokenizer, const char *name,
                                  const int32_t *const *ids, const int64_t *lengths, int64_t count,
                                  const char *const **texts);
void fst__made_texts_destroy(fst__made_texts *made, fst__allocator *allocator);

#endif
