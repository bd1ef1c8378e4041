/*
 * Two-dimensional convolution as torch.nn.Conv2d without a bias, over NHWC images: matrices
 * [N·H·W, C]. Weights are matrices [O, k·k·C], the channel fastest.
 *
 *   y[n, a, b, o] = Σ w[o, i, j, c] · x[n, a·stride + i − padding, b·stride + j − padding, c]
 *
 * An implicit GEMM: a worker gathers the patches of a tile of rows and multiplies them. Tiles depend
 * on the shape alone, and so do the orders of all sums: same bits for any number of workers.
 */
#ifndef FST_NN_CONVOLUTION_H
#define FST_NN_CONVOLUTION_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "kernels/gemm.h"

typedef struct fst__convolution {
    int64_t batch, height, width; /* of the input */
    int64_t channels, outputs;
    int64_t kernel, stride, padding; /* padding < kernel */
} fst__convolution;

/* Sides of the output. */
int64_t fst__convolution_height(const fst__convolution *convolution);
int64_t fst__convolution_width(const fst__convolution *convolution);
static inline int64_t fst__convolution_rows(const fst__convolution *convolution)
{
    return convolution->batch * fst__convolution_height(convolution) *
           fst__convolution_width(convolution);
}
static inline int64_t fst__convolution_patch(const fst__convolution *convolution)
{
    return convolution->kernel * convolution->kernel * convolution->channels;
}

/* Rows of y in one tile: what an epilogue gets at a time, but for the last. */
int64_t fst__convolution_tile_rows(const fst__convolution *convolution);

/* x [N·H·W, C], weight [O, k·k·C], y [N·H'·W', O]. x and weight share a dtype; y has it too, or
 * fst__real. epilogue, or NULL: called for each finished tile, with all columns. */
fst_status fst__convolution_forward(const fst__compute *compute, const fst__convolution *convolution,
                                    fst__matrix x, fst__matrix weight, fst__matrix y,
                                    const fst__epilogue *epilogue, fst__arena *scratch);
size_t fst__convolution_forward_scratch(const fst__compute *compute,
                                        const fst__convolution *convolution, int32_t dtype);

/* dx [N·H·W, C], or NULL: overwritten, or added to if accumulate; not over another operand.
 * dweight [O, k·k·C] +=, or NULL. x, weight and dy share a dtype, which dx has too, or fst__real. */
fst_status fst__convolution_backward(const fst__compute *compute,
                                     const fst__convolution *convolution, fst__matrix x,
                                     fst__matrix weight, fst__matrix dy, const fst__matrix *dx,
                                     bool accumulate, fst__real *dweight, fst__arena *scratch);
size_t fst__convolution_backward_scratch(const fst__compute *compute,
                                         const fst__convolution *convolution, int32_t dtype);

#endif
