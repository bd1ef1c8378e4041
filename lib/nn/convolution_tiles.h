/* What the forward and the two backwards of convolution.h share: tiles of patches, and products of
 * them by the pool's workers. */
#ifndef FST_NN_CONVOLUTION_TILES_H
#define FST_NN_CONVOLUTION_TILES_H

#include "nn/blocks.h"
#include "nn/convolution.h"
#include "nn/patches.h"

#include <stdatomic.h>

enum { FST__TILE_TEXT = 512 };

/* The first error of a pool's tasks, with its text, which is another thread's. */
typedef struct fst__tile_error {
    _Atomic fst_status status;
    char text[FST__TILE_TEXT];
} fst__tile_error;

void fst__tile_failed(fst__tile_error *error, fst_status status);
/* The error, on the calling thread. */
fst_status fst__tile_status(const fst__tile_error *error);

/* Rows of a tile of `rows` patches of `size` elements. */
int64_t fst__tile_rows(int64_t rows, int64_t size);
/* From a row of gathered patches to the next: whole cache lines, and not all in the same sets. */
int64_t fst__patch_stride(int64_t size);

/* A pool's worth of tiles, one per worker; data NULL if the arena has no room (or only counts). */
typedef struct fst__worker_tiles {
    char *data;
    size_t size; /* of one worker's, in bytes */
} fst__worker_tiles;

fst__worker_tiles fst__worker_tiles_take(fst__arena *arena, const fst__compute *compute,
                                         int64_t rows, int64_t columns, int32_t dtype);

static inline fst__matrix fst__worker_tile(fst__worker_tiles tiles, int32_t worker, int64_t rows,
                                           int64_t columns, int32_t dtype)
{
    void *data = tiles.data + (size_t)worker * tiles.size;
    return (fst__matrix){data, rows, columns, fst__patch_stride(columns), dtype};
}

/* The patches that y's rows, or w's gradient, are products of. */
fst__patches fst__convolution_patches(const fst__convolution *convolution, fst__matrix x);
/* A patch is a row of x itself. */
static inline bool fst__convolution_is_plain(const fst__convolution *c)
{
    return c->kernel == 1 && c->stride == 1 && c->padding == 0;
}

fst_status fst__convolution_input_gradient(const fst__compute *compute, const fst__convolution *c,
                                           fst__matrix weight, fst__matrix dy, fst__matrix dx,
                                           bool accumulate, fst__arena *scratch);
size_t fst__convolution_input_scratch(const fst__compute *compute, const fst__convolution *c,
                                      int32_t dtype);

#endif
