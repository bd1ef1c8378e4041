/*
 * Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011). A draw is a function of (seed, stream, step, index) and of nothing else,
 * so no generator has state to lose and every thread draws the same.
 */
#ifndef FST_BASE_RANDOM_H
#define FST_BASE_RANDOM_H

#include <stdint.h>

/* One stream per purpose; values are stored in checkpoints, so they never change. */
typedef enum fst__stream {
    FST__STREAM_INIT = 1,
    FST__STREAM_SHUFFLE = 2,
    FST__STREAM_DROPOUT = 3,
    FST__STREAM_SAMPLING = 4,
    FST__STREAM_MASKING = 5,
    FST__STREAM_AUGMENT = 6,
    FST__STREAM_SPLIT = 7,
    FST__STREAM_WINDOW = 8,
    FST__STREAM_ADAPTER = 9,
    FST__STREAM_MINIBATCH = 10,
    FST__STREAM_ROLLOUT = 11,
    FST__STREAM_ENV = 12,
    FST__STREAM_ACTION = 13,
    FST__STREAM_OPPONENT = 14,
} fst__stream;

typedef struct fst__philox_block {
    uint32_t word[4];
} fst__philox_block;

/* stream uses the low 8 bits, step the low 56 bits. */
static inline fst__philox_block fst__philox(uint64_t seed, uint32_t stream, uint64_t step,
                                            uint64_t index)
{
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
    uint32_t c2 = (uint32_t)step, c3 = (uint32_t)(step >> 32) ^ (stream << 24);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (fst__philox_block){{c0, c1, c2, c3}};
}

/* [0, 1) with 24 bits. */
static inline float fst__uniform_float(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

/* [0, 1) with 53 bits. */
static inline double fst__uniform_double(uint32_t high, uint32_t low)
{
    uint64_t bits = ((uint64_t)high << 32 | low) >> 11;
    return (double)bits * 0x1p-53;
}

/* Standard normal: Box-Muller on the block's first two pairs of words; pair is 0 or 1. */
double fst__normal(fst__philox_block block, int pair);

/*
 * The image of `index` (0 ≤ index < count) under a pseudo-random permutation of [0, count) that
 * (seed, stream, step) select: a shuffled order with random access and no table. A balanced
 * Feistel network over the next even power of two, walked until it falls inside (Black and
 * Rogaway, "Ciphers with arbitrary finite domains", 2002).
 */
uint64_t fst__permute(uint64_t seed, uint32_t stream, uint64_t step, uint64_t index, uint64_t count);

/* The same of all indices, order[i] of i: a round's words are drawn once and not once for each index. table has
 * fst__permute_table(count) entries. */
void fst__permute_all(uint64_t seed, uint32_t stream, uint64_t step, int64_t count, uint32_t *table,
                      int64_t *order);
int64_t fst__permute_table(int64_t count);

#endif
