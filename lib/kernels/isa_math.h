/*
 * exp, tanh, erf over a vector. Float: range reduction as in Cephes' expf, polynomials fitted by
 * iteratively reweighted least squares (Lawson) to the least maximum error; infinities, NaN and
 * denormal results as libm gives them. Double, which only the gradient checks use: libm.
 * Included by isa.c only.
 */
#ifndef FST_KERNELS_ISA_MATH_H
#define FST_KERNELS_ISA_MATH_H

#include "kernels/isa_vector.h"

#ifdef FST__REAL_DOUBLE

INLINE vector vector_exp(vector x)
{
    for (int l = 0; l < LANES; ++l)
        x[l] = exp(x[l]);
    return x;
}

INLINE vector vector_tanh(vector x)
{
    for (int l = 0; l < LANES; ++l)
        x[l] = tanh(x[l]);
    return x;
}

INLINE vector vector_erf(vector x)
{
    for (int l = 0; l < LANES; ++l)
        x[l] = erf(x[l]);
    return x;
}

#else

/* e^x = 2^n·e^r, |r| ≤ ln 2 / 2. n comes out of the low bits of x/ln 2 + 1.5·2^23. 2^n is applied
 * in two halves, so that the largest results overflow and the smallest go through the denormals. */
INLINE vector vector_exp(vector x)
{
    const float magic = 0x1.8p23f;
    x = vector_clamp(x, -104.0f, 89.0f);
    vector shifted = x * 0x1.715476p+0f + magic;
    vector n = shifted - magic;
    vector r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    vector p = r * 0x1.6dbc64p-10f + 0x1.124148p-7f;
    p = p * r + 0x1.555454p-5f;
    p = p * r + 0x1.555486p-3f;
    p = p * r + 0.5f;
    p = p * (r * r) + r + 1.0f;
    vector_bits power = (vector_bits)shifted - (vector_bits)vector_of(magic);
    vector_bits half = power >> 1;
    vector_bits rest = power - half;
    return p * (vector)((half + 127) << 23) * (vector)((rest + 127) << 23);
}

INLINE vector vector_tanh(vector x)
{
    vector a = vector_absolute(x);
    vector s = x * x;
    vector p = s * -0x1.6f41eep-8f + 0x1.50b820p-6f;
    p = p * s - 0x1.b806a4p-5f;
    p = p * s + 0x1.1105a2p-3f;
    p = p * s - 0x1.55552cp-2f;
    vector small = p * s * x + x;
    vector large = 1.0f - 2.0f / (vector_exp(2.0f * a) + 1.0f);
    return vector_select(a < 0.625f, small, vector_with_sign_of(large, x));
}

/* erf(x) = x + x·P(x²) near 0, sign(x)·(1 − exp(Q(|x|) − x²)) elsewhere; 1 from |x| = 4 on. */
INLINE vector vector_erf(vector x)
{
    vector s = x * x;
    vector p = s * -0x1.395c82p-11f + 0x1.4716c0p-8f;
    p = p * s - 0x1.b686ecp-6f;
    p = p * s + 0x1.ce1a46p-4f;
    p = p * s - 0x1.8126e6p-2f;
    p = p * s + 0x1.06eba6p-3f;
    vector small = p * x + x;
    vector a = vector_clamp(vector_absolute(x), 0.0f, 4.0f);
    vector q = a * 0x1.98d540p-13f - 0x1.8da1d4p-9f;
    q = q * a + 0x1.6b8eacp-6f;
    q = q * a - 0x1.a9654ep-4f;
    q = q * a + 0x1.73709cp-2f;
    q = q * a - 0x1.20ac30p+0f;
    q = q * a - 0x1.b220d6p-13f;
    vector large = 1.0f - vector_exp(q - a * a);
    return vector_select(a < 0.925f, small, vector_with_sign_of(large, x));
}

#endif

INLINE vector vector_sigmoid(vector x)
{
    return 1 / (1 + vector_exp(-x));
}

#endif
