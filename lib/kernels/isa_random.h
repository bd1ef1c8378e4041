/* Philox words and dropout. Included by isa.c only. */
#ifndef FST_KERNELS_ISA_RANDOM_H
#define FST_KERNELS_ISA_RANDOM_H

#include "base/random.h"
#include "kernels/isa_vector.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

typedef uint64_t vector_wide __attribute__((vector_size(VECTOR_BYTES)));
enum { LANES_WIDE = VECTOR_BYTES / 8, GROUP = 64 };

/* 64-bit product of the lanes' low halves; the compiler does not find the instruction by itself. */
INLINE vector_wide multiply_low(vector_wide a, vector_wide b)
{
#if defined(__AVX512F__)
    return (vector_wide)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (vector_wide)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (vector_wide)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

typedef struct counters {
    vector_wide word[4];
} counters;

/* fst__philox for one block in each lane. The upper halves of lanes hold rubbish that multiply_low
 * does not see. */
INLINE counters philox_lanes(uint64_t seed, uint32_t stream, uint64_t step, vector_wide index)
{
    vector_wide c0 = index, c1 = index >> 32;
    vector_wide c2 = (vector_wide){0} + step;
    vector_wide c3 = (vector_wide){0} + ((step >> 32) ^ (uint64_t)(stream << 24));
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        vector_wide p0 = multiply_low(c0, (vector_wide){0} + 0xD2511F53u);
        vector_wide p1 = multiply_low(c2, (vector_wide){0} + 0xCD9E8D57u);
        c0 = (p1 >> 32) ^ c1 ^ (uint64_t)k0;
        c2 = (p0 >> 32) ^ c3 ^ (uint64_t)k1;
        c1 = p1;
        c3 = p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (counters){{c0, c1, c2, c3}};
}

/* The words of elements [group·64, group·64 + 64): 16 blocks; word w of all of them is stored in
 * one piece (see kernels.h), as wide as it is read again, since a wide load cannot be served from
 * two narrow stores that wait in the store buffer. */
static void random_group(uint64_t seed, uint32_t stream, uint64_t step, uint64_t group,
                         uint32_t words[GROUP])
{
    vector_wide even_blocks = {0};
    for (int l = 0; l < LANES_WIDE; ++l)
        even_blocks[l] = 2 * (uint64_t)l;
    for (int block = 0; block < GROUP / 4; block += 2 * LANES_WIDE) {
        vector_wide index = even_blocks + (group * (GROUP / 4) + (uint64_t)block);
        counters even = philox_lanes(seed, stream, step, index);
        counters odd = philox_lanes(seed, stream, step, index + 1);
        for (int w = 0; w < 4; ++w) {
            /* Lanes are little-endian: the even block's word comes first. */
            vector_wide pair = (even.word[w] & 0xffffffffu) | odd.word[w] << 32;
            memcpy(words + w * (GROUP / 4) + block, &pair, sizeof pair);
        }
    }
}

static void random_words(uint64_t seed, uint32_t stream, uint64_t step, uint64_t first,
                         uint32_t *words, int64_t n)
{
    while (n > 0) {
        int64_t skip = (int64_t)(first % GROUP);
        int64_t count = GROUP - skip < n ? GROUP - skip : n;
        if (count == GROUP) {
            random_group(seed, stream, step, first / GROUP, words);
        } else {
            uint32_t group[GROUP];
            random_group(seed, stream, step, first / GROUP, group);
            memcpy(words, group + skip, (size_t)count * sizeof *words);
        }
        first += (uint64_t)count;
        words += count;
        n -= count;
    }
}

static void dropout(uint64_t seed, uint64_t step, uint64_t first, uint32_t threshold,
                    fst__real scale_kept, const fst__real *x, fst__real *y, int64_t n)
{
    while (n > 0) {
        /* Room for a whole vector from any place of the group. */
        _Alignas(64) uint32_t words[GROUP + LANES];
        int64_t skip = (int64_t)(first % GROUP);
        int64_t count = GROUP - skip < n ? GROUP - skip : n;
        random_group(seed, FST__STREAM_DROPOUT, step, first / GROUP, words);
        for (int64_t i = 0; i < count; i += LANES) {
            int64_t left = count - i;
#ifdef FST__REAL_DOUBLE
            vector_bits keep = {0};
            for (int l = 0; l < LANES && l < left; ++l)
                keep[l] = words[skip + i + l] >= threshold ? -1 : 0;
#else
            vector_words word;
            memcpy(&word, words + skip + i, sizeof word);
            vector_bits keep = (vector_bits)(word >= threshold);
#endif
            vector v = vector_read(x + i, left) * scale_kept;
            vector_write(y + i, (vector)((vector_bits)v & keep), left);
        }
        first += (uint64_t)count;
        x += count;
        y += count;
        n -= count;
    }
}

#endif
