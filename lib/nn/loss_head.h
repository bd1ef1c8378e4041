/*
 * The output layer and its loss in one: logits of output_layer.h, cross entropy, gradients. Goes
 * by blocks of rows, so that [R, V] logits never exist, and leaves out ignored rows before the
 * products.
 */
#ifndef FST_NN_LOSS_HEAD_H
#define FST_NN_LOSS_HEAD_H

#include "nn/cross_entropy.h"
#include "nn/output_layer.h"

/* Bytes that the arena needs. dtype: of hidden and weight. transform: with one. */
size_t fst__loss_head_scratch(const fst__compute *compute, int64_t rows, int64_t width,
                              int64_t vocabulary, int32_t dtype, bool transform);

/*
 * hidden: [R, C], of the layer's dtype. The transform, where there is one, is computed for the rows
 * that are not ignored.
 * row_logprob, row_entropy: [R] or NULL; log p(target) and the entropy, 0 for ignored rows.
 * dhidden: [R, C] of hidden's dtype or NULL, overwritten, 0 for ignored rows; may be hidden itself.
 * If it is NULL and the layer wants no gradient, the loss alone is computed. In bf16 logits and
 * dweight are fst__real, the gradient that enters the products is bf16.
 */
fst_status fst__loss_head_run(const fst__compute *compute, const fst__loss_head *head,
                              const fst__output_layer *layer, fst__matrix hidden,
                              fst__real *row_logprob, fst__real *row_entropy,
                              const fst__matrix *dhidden, fst__arena *scratch,
                              fst__loss_result *result);

#endif
