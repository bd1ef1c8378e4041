/* Row pieces of LayerNorm and RMSNorm. Included by isa.c only. */
#ifndef FST_KERNELS_ISA_NORM_H
#define FST_KERNELS_ISA_NORM_H

#include "kernels/isa_vector.h"

static void normalise(const fst__real *x, fst__real mean, fst__real rstd, const fst__real *gamma,
                      const fst__real *beta, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        vector v = (vector_read(x + i, n - i) - mean) * rstd;
        if (gamma)
            v *= vector_read(gamma + i, n - i);
        if (beta)
            v += vector_read(beta + i, n - i);
        vector_write(y + i, v, n - i);
    }
}

static void norm_sums(const fst__real *x, fst__real mean, fst__real rstd, const fst__real *gamma,
                      const fst__real *dy, fst__real *dgamma, fst__real *dbeta, fst__real sums[2],
                      int64_t n)
{
    vector sum_g = {0}, sum_gx = {0};
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t left = n - i;
        vector normed = (vector_read(x + i, left) - mean) * rstd;
        vector d = vector_read(dy + i, left); /* 0 past the end, and so are all the products */
        if (dgamma)
            vector_write(dgamma + i, vector_read(dgamma + i, left) + d * normed, left);
        if (dbeta)
            vector_write(dbeta + i, vector_read(dbeta + i, left) + d, left);
        if (gamma)
            d *= vector_read(gamma + i, left);
        sum_g += d;
        sum_gx += d * (left >= LANES ? normed : vector_keep(normed, left, 0));
    }
    sums[0] += vector_total(sum_g);
    sums[1] += vector_total(sum_gx);
}

static void norm_gradient(const fst__real *x, fst__real mean, fst__real rstd,
                          const fst__real *gamma, const fst__real *dy, fst__real mean_g,
                          fst__real mean_gx, const fst__real *onto, fst__real *dx, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t left = n - i;
        vector normed = (vector_read(x + i, left) - mean) * rstd;
        vector d = vector_read(dy + i, left);
        if (gamma)
            d *= vector_read(gamma + i, left);
        d = rstd * (d - mean_g - normed * mean_gx);
        if (onto)
            d += vector_read(onto + i, left);
        vector_write(dx + i, d, left);
    }
}

#endif
