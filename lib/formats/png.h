/*
 * PNG files as 8-bit pixels, through libspng. Greys stay grey, palettes become colours, 16 bits lose
 * their lower eight, transparency and gamma are left away. Without libspng every file is
 * FST_ERR_UNSUPPORTED.
 *
 * Errors name the file and the byte up to which it was read.
 */
#ifndef FST_FORMATS_PNG_H
#define FST_FORMATS_PNG_H

#include "base/alloc.h"
#include "fourstage/status.h"

enum {
    FST__PNG_MAX_SIDE = 32768,
    FST__PNG_MAX_PIXELS = 1 << 26,
    FST__PNG_MAX_BYTES = 1 << 28, /* of the file */
};

typedef struct fst__png {
    int32_t channels; /* 1 grey, 3 colours */
    int32_t height, width;
    uint8_t *pixels; /* [height, width, channels] */
} fst__png;

fst_status fst__png_read(fst__allocator *allocator, const char *path, fst__png *out);
void fst__png_free(fst__allocator *allocator, fst__png *png);

#endif
