/*
 * Low-rank adapters of a linear layer y = x·Wᵀ + b. With u = s·dropout(x)·Aᵀ, A [r, I], B [O, r]:
 *   LoRA (Hu et al., arXiv:2106.09685):  y += u·Bᵀ
 *   DoRA (Liu et al., arXiv:2402.09353): y = g ⊙ (x·Wᵀ + u·Bᵀ) + b,  g = m / ‖W + s·B·A‖ by rows of W
 * DoRA's norm counts as a constant in backward (section 4.3), and its dropout acts on the low-rank
 * path alone. The layer's own product is not done here: y comes with it, dx gets it between the two
 * halves of backward. Rows go by blocks that the shape fixes: same bits for any number of workers.
 */
#ifndef FST_NN_LORA_H
#define FST_NN_LORA_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "nn/dropout.h"
#include "tensor/matrix.h"

typedef struct fst__lora {
    fst__matrix a; /* [r, I] */
    fst__matrix b; /* [O, r], of a's dtype, which is that of x */
    fst__real scale;
    const fst__real *gain, *norm; /* DoRA: g and ‖W + s·B·A‖ [O], as fst__lora_gain left them */
    const fst__real *bias;        /* DoRA: b [O], or NULL for none */
    fst__dropout dropout;         /* element (row, column) of x has index row·I + column */
} fst__lora;

typedef struct fst__lora_gradients {
    fst__real *a, *b;     /* [r, I], [O, r]: += ; NULL: not wanted */
    fst__real *magnitude; /* DoRA: dm [O] +=; NULL: not wanted */
} fst__lora_gradients;

/* y [R, O], a view of the layer's output with everything but the adapter in it. */
fst_status fst__lora_forward(const fst__compute *compute, const fst__lora *lora, fst__matrix x,
                             fst__matrix y, fst__arena *scratch);

/*
 * First half: the gradients of the adapter, from x [R, I] and dy [R, O]. weight [O, I]: W, for DoRA
 * alone, which also multiplies dy by g in place: the layer's own backward goes on from that. du
 * [R, r], of x's dtype, is what the second half needs.
 */
fst_status fst__lora_backward(const fst__compute *compute, const fst__lora *lora, fst__matrix x,
                              fst__matrix weight, fst__matrix dy,
                              const fst__lora_gradients *gradients, fst__matrix du,
                              fst__arena *scratch);
/* Second half: dx [R, I] += the adapter's share, once the layer's own is there. */
fst_status fst__lora_backward_input(const fst__compute *compute, const fst__lora *lora,
                                    fst__matrix du, fst__matrix dx, fst__arena *scratch);

/* Bytes that the arena needs: of a forward, or of either half of a backward. dtype: of x. */
size_t fst__lora_scratch(int64_t rows, int64_t inputs, int64_t outputs, int64_t rank,
                         int32_t dtype, bool dropout, bool decomposed, bool backward);

/* norm [O] = ‖W + s·B·A‖ by rows, gain [O] = magnitude/norm, 1 for a row of zeros. weight, and a and
 * b here, are of fst__real. magnitude NULL: the norm alone. */
fst_status fst__lora_gain(const fst__compute *compute, const fst__lora *lora, fst__matrix weight,
                          const fst__real *magnitude, fst__real *norm, fst__real *gain,
                          fst__arena *scratch);
/* W = W + s·B·A, by rows times lora->gain unless that is NULL. */
fst_status fst__lora_merge(const fst__compute *compute, const fst__lora *lora, fst__matrix weight,
                           fst__arena *scratch);
/* For these two. */
size_t fst__lora_weight_scratch(int64_t inputs, int64_t outputs);

#endif
