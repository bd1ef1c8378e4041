/* Which parameters are trained, and how far down backward goes for them. */
#ifndef FST_MODEL_TRAINABLE_H
#define FST_MODEL_TRAINABLE_H

#include "model/model.h"

/* Pattern with * and ?. FST_ERR_NOT_FOUND: matches none. FST_ERR_STATE: an optimizer lives. */
fst_status fst__model_set_trainable(fst_model *model, const char *pattern, bool trainable);

/* Whether none is trainable. */
bool fst__model_is_frozen(const fst_model *model);

/*
 * The lowest place with something trainable: -1 the embeddings, 0 … L-1 the blocks, L the last norm,
 * L + 1 the heads, that of the vocabulary included. Backward has nothing to do below it.
 */
int32_t fst__model_lowest_trainable(const fst_model *model);

#endif
