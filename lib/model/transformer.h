/*
 * The one transformer: pre-norm blocks over a residual stream. Which norm, positions, heads and MLP
 * is read from the config; nothing here knows a family.
 *
 *   x₀ = embed(ids);  mₗ = xₗ + attention(norm(xₗ));  xₗ₊₁ = mₗ + mlp(norm(mₗ));  hidden = norm(x_L)
 *
 * What a block adds is kept in `branch` and joins the stream inside the next norm, which reads the
 * stream anyway.
 */
#ifndef FST_MODEL_TRANSFORMER_H
#define FST_MODEL_TRANSFORMER_H

#include "model/model.h"
#include "nn/attention.h"
#include "nn/dropout.h"
#include "nn/norm.h"

/* The places where dropout acts, each with random numbers of its own. */
typedef enum fst__dropout_place {
    FST__DROPOUT_EMBEDDING,
    FST__DROPOUT_ATTENTION, /* probabilities */
    FST__DROPOUT_ATTENTION_BRANCH,
    FST__DROPOUT_MLP_BRANCH,
} fst__dropout_place;

fst__dropout fst__dropout_at(const fst_model *model, fst__dropout_place place, int32_t layer);
fst__norm fst__norm_of(const fst_model *model, const fst__parameter *weight,
                       const fst__parameter *bias);
fst__attention fst__attention_of(const fst_model *model, int32_t layer);

/* Queries and keys as attention reads them, and values: views of the layer's activations. */
void fst__attention_operands(const fst_model *model, const fst__layer_activations *layer,
                             fst__matrix *query, fst__matrix *key, fst__matrix *value);

/* From ids to `hidden`. */
fst_status fst__transformer_forward(fst_model *model);

/* One block up to `up`, from layer->input; what the MLP adds is left in `branch` if with_mlp. */
fst_status fst__block_forward(fst_model *model, int32_t index, bool with_mlp);

/* From the gradient of `hidden` in d_normed to all parameters that are trained; stops below the
 * lowest of them. */
fst_status fst__transformer_backward(fst_model *model);

#endif
