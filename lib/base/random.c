#include "base/random.h"

#include <math.h>

double fst__normal(fst__philox_block block, int pair)
{
    static const double two_pi = 6.283185307179586476925;
    /* (0, 1]: the logarithm never sees zero. */
    double u = ((double)block.word[2 * pair] + 1.0) * 0x1p-32;
    double v = (double)block.word[2 * pair + 1] * 0x1p-32;
    return sqrt(-2.0 * log(u)) * cos(two_pi * v);
}

enum { ROUNDS = 6 };

/* Of each of the two halves that an index is cut into. */
static int half_bits_of(uint64_t count)
{
    int half_bits = 1;
    while (half_bits < 31 && ((uint64_t)1 << (2 * half_bits)) < count)
        ++half_bits;
    return half_bits;
}

uint64_t fst__permute(uint64_t seed, uint32_t stream, uint64_t step, uint64_t index, uint64_t count)
{
    int half_bits = half_bits_of(count);
    uint64_t mask = ((uint64_t)1 << half_bits) - 1;
    uint64_t value = index;
    do {
        uint64_t left = value >> half_bits, right = value & mask;
        for (uint64_t round = 0; round < ROUNDS; ++round) {
            uint64_t mixed = fst__philox(seed, stream, step, round << 32 | right).word[0] & mask;
            uint64_t next = left ^ mixed;
            left = right;
            right = next;
        }
        value = left << half_bits | right;
    } while (value >= count);
    return value;
}

int64_t fst__permute_table(int64_t count)
{
    return (int64_t)ROUNDS << half_bits_of((uint64_t)count);
}

void fst__permute_all(uint64_t seed, uint32_t stream, uint64_t step, int64_t count, uint32_t *table,
                      int64_t *order)
{
    int half_bits = half_bits_of((uint64_t)count);
    uint32_t mask = (uint32_t)(((uint64_t)1 << half_bits) - 1);
    for (uint64_t round = 0; round < ROUNDS; ++round) {
        for (uint64_t right = 0; right <= mask; ++right)
            table[round << half_bits | right] =
                fst__philox(seed, stream, step, round << 32 | right).word[0] & mask;
    }
    for (int64_t i = 0; i < count; ++i) {
        uint64_t value = (uint64_t)i;
        do {
            uint32_t left = (uint32_t)(value >> half_bits), right = (uint32_t)value & mask;
            for (uint64_t round = 0; round < ROUNDS; ++round) {
                uint32_t next = left ^ table[round << half_bits | right];
                left = right;
                right = next;
            }
            value = (uint64_t)left << half_bits | right;
        } while (value >= (uint64_t)count);
        order[i] = (int64_t)value;
    }
}
