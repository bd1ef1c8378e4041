/*
 * What the element loops of the optimizers take (kernels.h: adamw_update and the like), each over
 * one chunk of one parameter. They move more bytes than they compute, so whatever happens to an
 * element happens in the one pass that has it in a register: scaling and clipping of the gradient,
 * update, bfloat16 copy, zeroing.
 */
#ifndef FST_KERNELS_UPDATE_H
#define FST_KERNELS_UPDATE_H

#include "tensor/real.h"

#include <stdbool.h>
#include <stdint.h>

/* One chunk: `count` elements of a parameter and of what belongs to it. */
typedef struct fst__update {
    int64_t count;
    fst__real *value;
    fst__real *gradient;
    fst__real *first;  /* exp_avg, momentum_buffer; NULL where the method has none */
    fst__real *second; /* exp_avg_sq */
    uint16_t *working; /* NULL: no bfloat16 copy */
    bool keep_gradient;
    fst__real gradient_scale; /* clipping and the caller's scale together */
} fst__update;

/* Notation of torch.optim.AdamW. */
typedef struct fst__adamw {
    fst__real keep; /* 1 − lr·λ */
    fst__real beta1, beta2;
    fst__real rest1, rest2; /* 1 − β₁, 1 − β₂, rounded once from double */
    fst__real step_size;    /* lr / (1 − β₁ᵗ) */
    fst__real root2;        /* √(1 − β₂ᵗ) */
    fst__real epsilon;
} fst__adamw;

/* Notation of torch.optim.SGD. */
typedef struct fst__sgd {
    fst__real learning_rate, weight_decay, momentum, rest_dampening; /* 1 − τ */
    bool nesterov;
    bool first; /* the first step, which fills the momentum with the gradient itself */
} fst__sgd;

#endif
