/*
 * y = x·Wᵀ + b with W [O, I], as torch.nn.Linear stores it. x, weight and y share a dtype, except
 * that y, pre and dx of bf16 operands may be fst__real.
 */
#ifndef FST_NN_LINEAR_H
#define FST_NN_LINEAR_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "nn/activation.h"
#include "tensor/matrix.h"

/* x [R, I], weight [O, I], bias [O] or NULL, y [R, O]. */
fst_status fst__linear_forward(const fst__compute *compute, fst__matrix x, fst__matrix weight,
                               const fst__real *bias, fst__matrix y);

/* pre [R, O] = x·Wᵀ + b, kept for backward; y [R, O] = act(pre). Both are made while a tile of the
 * product is in cache. Without a backward, pre may be y. */
fst_status fst__linear_activation_forward(const fst__compute *compute, fst__matrix x,
                                          fst__matrix weight, const fst__real *bias,
                                          int32_t activation, fst__matrix pre, fst__matrix y);

/* dx [R, I] = dy·W, overwritten, or NULL; written last, so it may lie over x. dweight [O, I] += dyᵀ·x,
 * or NULL; dbias [O] += column sums of dy, or NULL. dy [R, O]. scratch is given back. */
fst_status fst__linear_backward(const fst__compute *compute, fst__matrix x, fst__matrix weight,
                                fst__matrix dy, const fst__matrix *dx, fst__real *dweight,
                                fst__real *dbias, fst__arena *scratch);
/* dbias [O] += column sums of dy [R, O]; of its scratch that of fst__linear_backward. */
fst_status fst__bias_backward(const fst__compute *compute, fst__matrix dy, fst__real *dbias,
                              fst__arena *scratch);
size_t fst__linear_backward_scratch(int64_t rows, int64_t outputs);

#endif
