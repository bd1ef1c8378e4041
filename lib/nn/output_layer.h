/*
 * From hidden states to logits: features·Wᵀ + b, where the features are the hidden states or, as in
 * BERT's masked-LM head (Devlin et al., arXiv 1810.04805; transformers' BertLMPredictionHead),
 * norm(act(hidden·Wtᵀ + bt)).
 */
#ifndef FST_NN_OUTPUT_LAYER_H
#define FST_NN_OUTPUT_LAYER_H

#include "nn/norm.h"

typedef struct fst__head_transform {
    fst__matrix weight;    /* [C, C] */
    const fst__real *bias; /* [C] or NULL */
    int32_t activation;    /* FST__ACTIVATION_ value */
    fst__norm norm;
    fst__real *dweight, *dbias, *dgamma, *dbeta; /* added to; NULL: not wanted */
} fst__head_transform;

typedef struct fst__output_layer {
    fst__matrix weight;         /* [V, C], of the hidden states' dtype */
    const fst__real *bias;      /* [V] or NULL */
    fst__real *dweight, *dbias; /* added to; NULL: not wanted */
    const fst__head_transform *transform; /* NULL: none */
} fst__output_layer;

static inline bool fst__transform_trains(const fst__head_transform *transform)
{
    return transform &&
           (transform->dweight || transform->dbias || transform->dgamma || transform->dbeta);
}

/* A transform of `rows` rows: what forward leaves for backward. */
typedef struct fst__transform_memory {
    fst__matrix pre, active; /* [rows, C] before and after the activation */
    fst__matrix features;    /* [rows, C]; backward takes their gradient in the same place */
    fst__real *mean, *rstd;  /* [rows] */
    fst__arena inner;        /* for the operators of backward */
} fst__transform_memory;

void fst__transform_take(fst__arena *arena, int64_t rows, int64_t width, int32_t dtype,
                         fst__transform_memory *memory);

/* x [n, C], n ≤ rows, into memory->features; only the first `count` rows mean something, the
 * features of the others are 0. */
fst_status fst__transform_forward(const fst__compute *compute, const fst__head_transform *transform,
                                  fst__matrix x, int64_t count, fst__transform_memory *memory);
/* From the gradient in memory->features, 0 behind `count`, to the transform's and, unless NULL, dx
 * [n, C], which may be x. */
fst_status fst__transform_backward(const fst__compute *compute,
                                   const fst__head_transform *transform, fst__matrix x,
                                   int64_t count, fst__transform_memory *memory,
                                   const fst__matrix *dx);

/* logits [R, V] fst__real of hidden [R, C]; losses take fst__loss_head_run. */
fst_status fst__output_layer_forward(const fst__compute *compute, const fst__output_layer *layer,
                                     fst__matrix hidden, fst__matrix logits, fst__arena *scratch);
/* dlogits [R, V] of hidden's dtype; dhidden [R, C] is overwritten. Does the transform once more. */
fst_status fst__output_layer_backward(const fst__compute *compute, const fst__output_layer *layer,
                                      fst__matrix hidden, fst__matrix dlogits, fst__matrix dhidden,
                                      fst__arena *scratch);
/* Bytes that either needs; without a transform forward needs none. */
size_t fst__output_layer_scratch(int64_t rows, int64_t width, int64_t vocabulary, int32_t dtype,
                                 bool transform);

#endif
