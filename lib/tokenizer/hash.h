/* Hashes for the room's tables: open addressing, powers of two. Not against attackers' keys: a
 * vocabulary is trusted to be no worse than slow. */
#ifndef FST_TOKENIZER_HASH_H
#define FST_TOKENIZER_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t fst__hash_mix(uint64_t value)
{
    value *= 0x9E3779B97F4A7C15u;
    value ^= value >> 32;
    value *= 0xD6E8FEB86659FD93u;
    return value ^ value >> 32;
}

static inline uint64_t fst__hash_load(const unsigned char *bytes, size_t length)
{
    uint64_t word = 0;
    memcpy(&word, bytes, length);
    return word;
}

static inline uint64_t fst__hash_bytes(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    uint64_t hash = length * 0xA0761D6478BD642Fu;
    if (length <= 3) {
        if (length) /* first, middle and last byte cover 1 to 3 */
            hash ^= (uint64_t)bytes[0] << 16 | (uint64_t)bytes[length >> 1] << 8 | bytes[length - 1];
        return fst__hash_mix(hash);
    }
    if (length <= 8)
        return fst__hash_mix(hash ^ (fst__hash_load(bytes, 4) << 32 | fst__hash_load(bytes + length - 4, 4)));
    while (length > 8) {
        hash = fst__hash_mix(hash ^ fst__hash_load(bytes, 8));
        bytes += 8;
        length -= 8;
    }
    return fst__hash_mix(hash ^ fst__hash_load(bytes + length - 8, 8));
}

/* Smallest power of two that holds `count` entries at most half full. */
static inline size_t fst__hash_capacity(size_t count)
{
    size_t capacity = 16;
    while (capacity / 2 < count)
        capacity *= 2;
    return capacity;
}

#endif
