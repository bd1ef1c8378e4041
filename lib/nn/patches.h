/*
 * Patches of images laid side by side as the rows of a matrix, so that a convolution is a product
 * (implicit GEMM: only a tile of them exists at a time). Images are NHWC: a matrix [N·H·W, C].
 */
#ifndef FST_NN_PATCHES_H
#define FST_NN_PATCHES_H

#include "kernels/kernels.h"
#include "tensor/matrix.h"

typedef struct fst__patches {
    fst__matrix source;              /* [N·height·width, C] */
    int64_t height, width;           /* of the source */
    int64_t rows, columns;           /* patches of an image, down and across */
    int64_t step;                    /* pixels from a patch to the next */
    int64_t top, left;               /* first pixel of the first patch, which may lie outside */
    int64_t taps_down, taps_across;  /* pixels of a patch */
} fst__patches;

static inline int64_t fst__patch_size(const fst__patches *patches)
{
    return patches->taps_down * patches->taps_across * patches->source.columns;
}

/* Patches [first, first + target.rows) in order of (image, down, across) into target
 * [·, taps_down·taps_across·C], of the source's dtype; what lies outside the image is 0. */
void fst__patches_gather(const fst__kernels *kernels, const fst__patches *patches, int64_t first,
                         fst__matrix target);

#endif
