#include "stages/checksum.h"

#include <string.h>

#define FIRST 0x9E3779B185EBCA87u
#define SECOND 0xC2B2AE3D27D4EB4Fu

static uint64_t turn(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t take(uint64_t lane, uint64_t word)
{
    return turn(lane + word * SECOND, 31) * FIRST;
}

/* Every bit of the value reaches every bit of the result (xxHash64's end). */
static uint64_t spread(uint64_t value)
{
    value = (value ^ value >> 33) * SECOND;
    value = (value ^ value >> 29) * FIRST;
    return value ^ value >> 32;
}

fst__checksum fst__checksum_begin(void)
{
    return (fst__checksum){.lanes = {1, 2, 3, 4}};
}

void fst__checksum_add(fst__checksum *sum, const void *bytes, size_t count)
{
    const char *at = bytes;
    uint64_t words[4];
    sum->bytes += count;
    for (; count >= sizeof words; count -= sizeof words, at += sizeof words) {
        memcpy(words, at, sizeof words);
        for (int i = 0; i < 4; ++i)
            sum->lanes[i] = take(sum->lanes[i], words[i]);
    }
    if (count > 0) {
        memset(words, 0, sizeof words);
        memcpy(words, at, count);
        for (int i = 0; i < 4; ++i)
            sum->lanes[i] = take(sum->lanes[i], words[i]);
    }
}

uint64_t fst__checksum_end(const fst__checksum *sum, const char *name)
{
    uint64_t total = sum->bytes;
    for (int i = 0; i < 4; ++i)
        total = spread(total ^ sum->lanes[i]);
    for (; *name; ++name)
        total = spread(total ^ (unsigned char)*name);
    return total;
}
