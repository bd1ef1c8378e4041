/*
 * LayerNorm (Ba et al., arXiv:1607.06450) and RMSNorm (Zhang and Sennrich, arXiv:1910.07467), fused
 * with the residual sum and the dropout in front of them; and RMSNorm over each attention head.
 *
 * Any matrix may be fst__real or bf16 independently of the others. Gradients of parameters are
 * added up by row blocks that the shape fixes, so they have the same bits for any number of
 * threads.
 */
#ifndef FST_NN_NORM_H
#define FST_NN_NORM_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "nn/dropout.h"
#include "tensor/matrix.h"

enum {
    FST__NORM_LAYER = 0,
    FST__NORM_RMS = 1,
    FST__NORM_NONE = 2, /* y is the sum itself; no moments, no parameters */
};

/* What the gradient that dstream held is one of. */
typedef enum fst__residual {
    FST__RESIDUAL_NONE,   /* of nothing: dstream is overwritten */
    FST__RESIDUAL_SUM,    /* of the sum: the stream goes on beside the norm (pre-norm) */
    FST__RESIDUAL_NORMED, /* of y: the stream goes on behind the norm (post-norm) */
} fst__residual;

typedef struct fst__norm {
    int32_t kind; /* FST__NORM_ value */
    fst__real epsilon;
    const fst__real *gamma; /* [C]; NULL: ones */
    const fst__real *beta;  /* [C]; NULL: zeros */
} fst__norm;

/*
 * sum [R, C] = stream + dropout(branch); y [R, C] = norm(sum). branch NULL: sum is ignored and y =
 * norm(stream). sum may be stream; y may be branch or stream or, if backward is not wanted, sum. mean [R]
 * (NULL for RMS) and rstd [R] are kept for backward; both may be NULL without one.
 */
void fst__norm_forward(const fst__compute *compute, const fst__norm *norm, fst__matrix stream,
                       const fst__matrix *branch, const fst__dropout *dropout, fst__matrix sum,
                       fst__matrix y, fst__real *mean, fst__real *rstd);

/*
 * dstream [R, C] = gradient of sum: that of y carried through the norm, where what dstream held (the
 * gradient that came along the residual path) joins before or behind the norm. dbranch [R, C], unless NULL, =
 * the same masked by the dropout. dgamma, dbeta [C] += (NULL: not wanted). sum is what was normed.
 * dstream may be dy with FST__RESIDUAL_NONE; dbranch may be dy. scratch is given back; if it is too
 * small, nothing is computed and scratch->overflow is set.
 */
void fst__norm_backward(const fst__compute *compute, const fst__norm *norm, fst__matrix sum,
                        const fst__real *mean, const fst__real *rstd, fst__matrix dy,
                        fst__matrix dstream, fst__residual residual, const fst__matrix *dbranch,
                        const fst__dropout *dropout, fst__real *dgamma, fst__real *dbeta,
                        fst__arena *scratch);
size_t fst__norm_backward_scratch(int64_t rows, int64_t columns);

/* sum [R, C] = stream + dropout(branch); sum may be stream or branch. */
void fst__residual_add_forward(const fst__compute *compute, fst__matrix stream, fst__matrix branch,
                               const fst__dropout *dropout, fst__matrix sum);
/* dbranch [R, C] = dstream masked by the dropout; dbranch may be dstream. The gradient of stream is
 * dstream itself. */
void fst__residual_add_backward(const fst__compute *compute, fst__matrix dstream,
                                const fst__dropout *dropout, fst__matrix dbranch);

/* RMSNorm of each head: x, y [R, heads·D] (views with a stride), gamma [D], rstd [R·heads] or NULL
 * without a backward. y may be x without a backward. */
void fst__head_norm_forward(const fst__compute *compute, const fst__real *gamma, fst__real epsilon,
                            fst__matrix x, int64_t head_size, fst__matrix y, fst__real *rstd);
/* dx may be dy; dgamma [D] += or NULL; scratch as for fst__norm_backward. */
void fst__head_norm_backward(const fst__compute *compute, const fst__real *gamma, fst__matrix x,
                             int64_t head_size, const fst__real *rstd, fst__matrix dy,
                             fst__matrix dx, fst__real *dgamma, fst__arena *scratch);
size_t fst__head_norm_backward_scratch(int64_t rows, int64_t head_size);

#endif
