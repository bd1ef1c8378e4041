/* Activations on whole matrices, plain and gated. The FST__ACTIVATION_ values are in kernels.h. */
#ifndef FST_NN_ACTIVATION_H
#define FST_NN_ACTIVATION_H

#include "kernels/compute.h"
#include "kernels/kernels.h"
#include "tensor/matrix.h"

/* y = act(x), [R, C]; y may be x. Behind a product see fst__linear_activation_forward. */
void fst__activation_forward(const fst__compute *compute, int32_t activation, fst__matrix x,
                             fst__matrix y);
/* dy [R, C] becomes the gradient of pre, dy·act'(pre), in place. */
void fst__activation_backward(const fst__compute *compute, int32_t activation, fst__matrix pre,
                              fst__matrix dy);

/* y [R, I] = act(gate)·up (Shazeer, arXiv:2002.05202); gate_up [R, 2I]: gate, then up. */
void fst__gated_forward(const fst__compute *compute, int32_t activation, fst__matrix gate_up,
                        fst__matrix y);
/* dy [R, I]; dgate_up [R, 2I] is overwritten and may be gate_up. */
void fst__gated_backward(const fst__compute *compute, int32_t activation, fst__matrix gate_up,
                         fst__matrix dy, fst__matrix dgate_up);

#endif
