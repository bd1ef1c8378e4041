/* bfloat16 as bits: the upper half of a float, rounded to nearest even; NaN stays NaN. */
#ifndef FST_TENSOR_BF16_H
#define FST_TENSOR_BF16_H

#include <stdint.h>
#include <string.h>

typedef uint16_t fst__bf16;

static inline float fst__bf16_to_float(fst__bf16 value)
{
    uint32_t bits = (uint32_t)value << 16;
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

static inline fst__bf16 fst__float_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (fst__bf16)(bits >> 16 | 0x40u);
    return (fst__bf16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#endif
