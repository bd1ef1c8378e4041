/*
 * The output layer and its loss in one: logits = hidden·Wᵀ + bias, cross entropy, gradients. Goes
 * by blocks of rows, so that [R, V] logits never exist, and leaves out ignored rows before the
 * product.
 */
#ifndef FST_NN_LOSS_HEAD_H
#define FST_NN_LOSS_HEAD_H

#include "nn/cross_entropy.h"

/* Bytes that the arena needs. dtype: of hidden and weight. */
size_t fst__loss_head_scratch(const fst__compute *compute, int64_t rows, int64_t width,
                              int64_t vocabulary, int32_t dtype);

/*
 * hidden: [R, C]; weight: [V, C], of the same dtype; bias: [V] or NULL.
 * row_logprob, row_entropy: [R] or NULL; log p(target) and the entropy, 0 for ignored rows.
 * dhidden: [R, C] of hidden's dtype or NULL, overwritten, 0 for ignored rows; may be hidden itself.
 * dweight: [V, C] or NULL; dbias: [V] or NULL; both are added to. If all three are NULL, the loss
 * alone is computed. In bf16 logits and dweight are fst__real, the gradient that enters the
 * products is bf16.
 */
fst_status fst__loss_head_run(const fst__compute *compute, const fst__loss_head *head,
                              fst__matrix hidden, fst__matrix weight, const fst__real *bias,
                              fst__real *row_logprob, fst__real *row_entropy,
                              const fst__matrix *dhidden, fst__real *dweight, fst__real *dbias,
                              fst__arena *scratch, fst__loss_result *result);

#endif
