/*
 * IDX, the format of MNIST: two zero bytes, a type, the number of dimensions, the dimensions as
 * big-endian 32-bit numbers, then the elements, row-major and big-endian (LeCun, Cortes and Burges,
 * "The MNIST database of handwritten digits", section "The IDX file format"). Packed by gzip where
 * the name ends in ".gz".
 *
 * Errors name the file and the byte, of a packed file the byte of what was packed.
 */
#ifndef FST_FORMATS_IDX_H
#define FST_FORMATS_IDX_H

#include "base/alloc.h"
#include "fourstage/status.h"

enum { FST__IDX_MAX_RANK = 4 };

typedef enum fst__idx_type {
    FST__IDX_U8,
    FST__IDX_F32,
} fst__idx_type;

typedef struct fst__idx {
    fst__idx_type type;
    int32_t rank;
    int64_t shape[FST__IDX_MAX_RANK]; /* each at least 1 */
    int64_t count;                    /* their product */
    void *data; /* [count] uint8_t or float in this machine's order; NULL once it was taken over */
} fst__idx;

/* Reads the whole file. Memory grows with the bytes that are there, not with what the header says. */
fst_status fst__idx_read(fst__allocator *allocator, const char *path, fst__idx *out);
void fst__idx_free(fst__allocator *allocator, fst__idx *idx);

#endif
