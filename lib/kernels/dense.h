/* Products of small layers, one tile on one worker: see dense_product in kernels.h. */
#ifndef FST_KERNELS_DENSE_H
#define FST_KERNELS_DENSE_H

#include "tensor/real.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * c[i, j] = act(start + Σ_p a[i·a_row + p·a_step] · b[p·b_row + j]) for i < m, j < n, the sum over p in
 * its order from `start`: the bias, c itself, or 0. With `shown` the sum is multiplied with the slope
 * of `activation` where it gave shown[i, j] (tanh or ReLU alone) instead.
 *
 * An element's bits depend on its own row of a, its own column of b and its start alone.
 */
typedef struct fst__dense {
    int64_t m, n, k;
    const fst__real *a;
    int64_t a_row, a_step;
    const fst__real *b;
    int64_t b_row;
    fst__real *c;
    int64_t c_row;
    const fst__real *bias;  /* [n], or NULL */
    bool accumulate;        /* start from c; without bias */
    int32_t activation;     /* any FST__ACTIVATION_ */
    const fst__real *shown; /* [m, n] or NULL */
    int64_t shown_row;
} fst__dense;

#endif
