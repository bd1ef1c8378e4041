/* What the kernels over rows of channels are told: one value per channel, arrays [columns]. */
#ifndef FST_KERNELS_CHANNELS_H
#define FST_KERNELS_CHANNELS_H

#include "tensor/real.h"

/* x̂ = (x − mean)·rstd, normed = x̂·gamma + beta; gamma NULL: ones, beta NULL: zeros. */
typedef struct fst__channels {
    int64_t columns;
    const fst__real *mean, *rstd, *gamma, *beta;
} fst__channels;

/* dx = gain·d − slope·(x − mean) − offset; (x − mean)·gain + beta is what was normed. */
typedef struct fst__channels_gradient {
    int64_t columns;
    const fst__real *mean, *gain, *beta, *slope, *offset;
} fst__channels_gradient;

#endif
