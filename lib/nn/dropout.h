/*
 * Dropout whose mask is never stored: whether element (row, column) of an [R, C] matrix is kept is
 * a function of (seed, step, first_index + row·C + column), so backward draws it again. Kept
 * elements are scaled by 1/(1 − probability).
 */
#ifndef FST_NN_DROPOUT_H
#define FST_NN_DROPOUT_H

#include "kernels/compute.h"
#include "kernels/kernels.h"
#include "tensor/matrix.h"

#include <stddef.h>

typedef struct fst__dropout {
    fst__real probability; /* [0, 1); 0: off */
    uint64_t seed, step;
    uint64_t first_index; /* each use in a step owns R·C indices of its own */
} fst__dropout;

static inline bool fst__dropout_on(const fst__dropout *dropout)
{
    return dropout && dropout->probability > 0;
}

/* Elements first_index + offset … of the mask over n elements; y may be x. Off or NULL: a copy. */
void fst__dropout_row(const fst__kernels *kernels, const fst__dropout *dropout, uint64_t offset,
                      const fst__real *x, fst__real *y, int64_t n);

/* x [R, C] in place; backward is the same. Off: nothing. */
void fst__dropout_apply(const fst__compute *compute, const fst__dropout *dropout, fst__matrix x);

#endif
