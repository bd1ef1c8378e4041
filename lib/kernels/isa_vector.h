/*
 * One vector register of fst__real as GCC's vector extension, as wide as the instruction set that
 * this build is for. Included by isa.c only.
 */
#ifndef FST_KERNELS_ISA_VECTOR_H
#define FST_KERNELS_ISA_VECTOR_H

#include "tensor/bf16.h"
#include "tensor/real.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
enum { VECTOR_BYTES = 64 };
#elif defined(__AVX2__)
#include <immintrin.h>
enum { VECTOR_BYTES = 32 };
#else
enum { VECTOR_BYTES = 16 };
#endif
enum { LANES = VECTOR_BYTES / (int)sizeof(fst__real), UNROLL = 4 };

typedef fst__real vector __attribute__((vector_size(VECTOR_BYTES)));
#ifdef FST__REAL_DOUBLE
typedef int64_t vector_bits __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef int32_t vector_bits __attribute__((vector_size(VECTOR_BYTES)));
#endif

#define INLINE static inline __attribute__((always_inline))

INLINE vector vector_of(fst__real value)
{
    return value - (vector){0}; /* a scalar operand is spread; −0 stays −0 */
}

INLINE vector vector_load(const fst__real *p)
{
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void vector_store(fst__real *p, vector v)
{
    memcpy(p, &v, sizeof v);
}

/* The first `left` < LANES lanes alone. A memcpy of so few bytes is a call that can cost as much as
 * the rest of a short row; AVX-512 and AVX2 have masks for it. */
#if defined(__AVX512F__) && defined(FST__REAL_DOUBLE)
INLINE vector vector_read_part(const fst__real *p, int64_t left)
{
    return (vector)_mm512_maskz_loadu_pd((__mmask8)((1u << left) - 1), p);
}

INLINE void vector_write_part(fst__real *p, vector v, int64_t left)
{
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << left) - 1), (__m512d)v);
}
#elif defined(__AVX512F__)
INLINE vector vector_read_part(const fst__real *p, int64_t left)
{
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << left) - 1), p);
}

INLINE void vector_write_part(fst__real *p, vector v, int64_t left)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << left) - 1), (__m512)v);
}
#elif defined(__AVX2__)
#ifdef FST__REAL_DOUBLE
INLINE __m256i vector_first(int64_t left)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(left), _mm256_setr_epi64x(0, 1, 2, 3));
}

INLINE vector vector_read_part(const fst__real *p, int64_t left)
{
    return (vector)_mm256_maskload_pd(p, vector_first(left));
}

INLINE void vector_write_part(fst__real *p, vector v, int64_t left)
{
    _mm256_maskstore_pd(p, vector_first(left), (__m256d)v);
}
#else
INLINE __m256i vector_first(int64_t left)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)left), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE vector vector_read_part(const fst__real *p, int64_t left)
{
    return (vector)_mm256_maskload_ps(p, vector_first(left));
}

INLINE void vector_write_part(fst__real *p, vector v, int64_t left)
{
    _mm256_maskstore_ps(p, vector_first(left), (__m256)v);
}
#endif
#else
INLINE vector vector_read_part(const fst__real *p, int64_t left)
{
    vector v = {0};
    memcpy(&v, p, (size_t)left * sizeof *p);
    return v;
}

INLINE void vector_write_part(fst__real *p, vector v, int64_t left)
{
    memcpy(p, &v, (size_t)left * sizeof *p);
}
#endif

/* The next min(LANES, left) elements, the other lanes 0: a loop over vectors needs no second body
 * for its tail, and an element's value does not depend on where it stands. */
INLINE vector vector_read(const fst__real *p, int64_t left)
{
    return __builtin_expect(left >= LANES, 1) ? vector_load(p) : vector_read_part(p, left);
}

INLINE void vector_write(fst__real *p, vector v, int64_t left)
{
    if (__builtin_expect(left >= LANES, 1))
        vector_store(p, v);
    else
        vector_write_part(p, v, left);
}

INLINE vector vector_select(vector_bits mask, vector yes, vector no)
{
    return (vector)((mask & (vector_bits)yes) | (~mask & (vector_bits)no));
}

/* For the last, short vector of a reduction: the lanes from `left` on become `fill`. */
INLINE vector vector_keep(vector v, int64_t left, fst__real fill)
{
    for (int64_t l = left; l < LANES; ++l)
        v[l] = fill;
    return v;
}

/* Pairwise, so that the order is the same however the compiler writes it. */
INLINE fst__real vector_total(vector v)
{
#if defined(__AVX512F__) && !defined(FST__REAL_DOUBLE)
    return _mm512_reduce_add_ps((__m512)v); /* in the same order; the lanes stay in registers */
#else
    fst__real lane[LANES];
    memcpy(lane, &v, sizeof v);
    for (int step = LANES / 2; step; step /= 2)
        for (int l = 0; l < step; ++l)
            lane[l] += lane[l + step];
    return lane[0];
#endif
}

INLINE vector vector_absolute(vector v)
{
    vector_bits sign = (vector_bits)vector_of((fst__real)-0.0);
    return (vector)((vector_bits)v & ~sign);
}

INLINE vector vector_with_sign_of(vector v, vector sign_source)
{
    vector_bits sign = (vector_bits)vector_of((fst__real)-0.0);
    return (vector)(((vector_bits)v & ~sign) | ((vector_bits)sign_source & sign));
}

/* NaN passes through. */
INLINE vector vector_clamp(vector v, fst__real low, fst__real high)
{
    v = vector_select(v < low, vector_of(low), v);
    return vector_select(v > high, vector_of(high), v);
}

#endif
