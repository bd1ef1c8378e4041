/* BERT's pooler: tanh(W·h + b) of each row's first token, for heads that read FST_POOL_POOLER and as the
 * output "pooled" (Devlin et al., arXiv 1810.04805; transformers' BertPooler). */
#ifndef FST_MODEL_POOLER_H
#define FST_MODEL_POOLER_H

#include "model/model.h"

/* Into outputs.pooled [rows, C], unless it holds that of the last forward. A row without tokens is
 * pooled from zeros. */
fst_status fst__pooler_forward(fst_model *model);

/* outputs.d_pooled, zeroed unless it has a gradient already; after it, it has one. */
fst_status fst__pooler_want_gradient(fst_model *model);

/* From outputs.d_pooled, which it overwrites: adds to the weights' gradients and, with_input, to
 * d_normed. */
fst_status fst__pooler_backward(fst_model *model, bool with_input);

bool fst__pooler_trains(const fst_model *model);
size_t fst__pooler_scratch(const fst_model *model, int64_t rows, bool training);

#endif
