/*
 * A 64-bit checksum against torn files, not against an adversary: four interleaved multiplicative
 * hashes over little-endian words (the constants are those of xxHash64), about as fast as memory.
 * The result does not depend on how the bytes were cut for fst__checksum_add, as long as all but
 * the last piece are multiples of 32.
 */
#ifndef FST_STAGES_CHECKSUM_H
#define FST_STAGES_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct fst__checksum {
    uint64_t lanes[4];
    uint64_t bytes;
} fst__checksum;

fst__checksum fst__checksum_begin(void);
void fst__checksum_add(fst__checksum *sum, const void *bytes, size_t count);
/* `name` enters too, so that two tensors cannot change places. */
uint64_t fst__checksum_end(const fst__checksum *sum, const char *name);

#endif
