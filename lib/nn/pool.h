/* Max pooling over NHWC images, as torch.nn.MaxPool2d. */
#ifndef FST_NN_POOL_H
#define FST_NN_POOL_H

#include "kernels/compute.h"
#include "tensor/matrix.h"

typedef struct fst__max_pool {
    int64_t batch, height, width, channels; /* of the input */
    int64_t kernel, stride, padding;        /* kernel ≤ 15; padding ≤ kernel / 2 */
} fst__max_pool;

int64_t fst__max_pool_height(const fst__max_pool *pool);
int64_t fst__max_pool_width(const fst__max_pool *pool);

/* x [N·H·W, C], y [N·H'·W', C]; taps [N·H'·W', C]: which pixel of the window y is, for backward;
 * may be NULL without one. A NaN wins; of equal ones the first does. */
void fst__max_pool_forward(const fst__compute *compute, const fst__max_pool *pool, fst__matrix x,
                           fst__matrix y, uint8_t *taps);
/* dx [N·H·W, C], overwritten. */
void fst__max_pool_backward(const fst__compute *compute, const fst__max_pool *pool,
                            const uint8_t *taps, fst__matrix dy, fst__matrix dx);

#endif
