/*
 * Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167) of each column over the rows of a
 * matrix, as torch.nn.BatchNorm2d over NHWC images; fused with the ReLU, and with the residual sum
 * and ReLU, behind it. Matrices are contiguous, each fst__real or bf16.
 *
 * Sums over rows are made in double by blocks that the shape fixes and added in their order: the
 * same bits for any number of workers.
 */
#ifndef FST_NN_BATCH_NORM_H
#define FST_NN_BATCH_NORM_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "kernels/gemm.h"

typedef struct fst__batch_norm {
    int64_t channels; /* C */
    fst__real epsilon;
    const fst__real *gamma; /* [C]; NULL: ones */
    const fst__real *beta;  /* [C]; NULL: zeros */
} fst__batch_norm;

/* Σ x and Σ x² of each column, by blocks of rows. */
typedef struct fst__batch_sums {
    const struct fst__kernels *kernels;
    int64_t rows, channels, block_rows;
    double *partial; /* [blocks, 2, C] */
} fst__batch_sums;

/* block_rows: 0 for those that suit a pass over the matrix; else the tile of who makes it. false:
 * the arena has no room (or only counts). */
bool fst__batch_sums_take(fst__arena *arena, const fst__compute *compute, int64_t rows,
                          int64_t channels, int64_t block_rows, fst__batch_sums *out);
/* In a pass over x, or while the tiles of x are made (whole rows, block_rows of them each). */
void fst__batch_sums_gather(const fst__compute *compute, const fst__batch_sums *sums,
                            fst__matrix x);
fst__epilogue fst__batch_sums_epilogue(fst__batch_sums *sums);

/* mean, rstd [C] from the sums. Running statistics [C], unless NULL, move by momentum towards the
 * batch's, as torch has it: the variance that is kept is the unbiased one. */
void fst__batch_norm_moments(const fst__compute *compute, const fst__batch_norm *norm,
                             const fst__batch_sums *sums, fst__real *mean, fst__real *rstd,
                             double momentum, fst__real *running_mean,
                             fst__real *running_variance);
/* rstd [C] of the running variance: what evaluation norms with, beside the running mean. */
void fst__batch_norm_running(const fst__batch_norm *norm, const fst__real *running_variance,
                             fst__real *rstd);

/* y [R, C] = norm(x) + onto (NULL: nothing), through a ReLU if relu. y may be x or onto. */
void fst__batch_norm_forward(const fst__compute *compute, const fst__batch_norm *norm,
                             fst__matrix x, const fst__real *mean, const fst__real *rstd,
                             const fst__matrix *onto, bool relu, fst__matrix y);

/*
 * dx [R, C]; may be dy. relu: forward ended in one; y: then what it gave, which may be NULL if
 * nothing came onto the norm's own output. masked, or NULL: the gradient of `onto`, dy behind the ReLU; may be dy if dx is not. of_batch: mean and rstd were those
 * of x itself, so their gradients count. dgamma, dbeta [C] +=, or NULL. false: scratch too small.
 */
bool fst__batch_norm_backward(const fst__compute *compute, const fst__batch_norm *norm,
                              fst__matrix x, const fst__real *mean, const fst__real *rstd,
                              bool of_batch, bool relu, const fst__matrix *y, fst__matrix dy,
                              fst__matrix dx, const fst__matrix *masked, fst__real *dgamma,
                              fst__real *dbeta, fst__arena *scratch);
size_t fst__batch_norm_backward_scratch(int64_t rows, int64_t channels);

#endif
