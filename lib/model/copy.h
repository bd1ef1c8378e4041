/* Models from models. */
#ifndef FST_MODEL_COPY_H
#define FST_MODEL_COPY_H

#include "model/model.h"

/* Weights, heads, adapter, and what of them is frozen; no gradients. Options are overlaid. */
fst_status fst__model_copy(const fst_model *from, const fst_model_options *options,
                           fst_model **copy);

/* FST_ERR_MISMATCH unless both models have the same architecture, heads and adapter. */
fst_status fst__model_copy_weights(fst_model *model, const fst_model *from);

#endif
