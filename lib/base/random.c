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

uint64_t fst__permute(uint64_t seed, uint32_t stream, uint64_t step, uint64_t index, uint64_t count)
{
    enum { ROUNDS = 6 };
    int half_bits = 1;
    while (half_bits < 31 && ((uint64_t)1 << (2 * half_bits)) < count)
        ++half_bits;
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
