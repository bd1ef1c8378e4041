/* Activations, plain and gated, with their slopes. Included by isa.c only. */
#ifndef FST_KERNELS_ISA_ACTIVATION_H
#define FST_KERNELS_ISA_ACTIVATION_H

#include "kernels/isa_math.h"
#include "kernels/kernels.h"

/* With u = √(2/π)(x + 0.044715 x³), ½(1 + tanh u) = σ(2u): one exp, no cancellation. */
#define GELU_SCALE ((fst__real)1.5957691216057307117597842397375) /* 2·√(2/π) */
#define GELU_CUBIC ((fst__real)0.044715)
#define SQRT_HALF ((fst__real)0.70710678118654752440084436210485)
#define SQRT_2_PI_INVERSE ((fst__real)0.39894228040143267793994605993438)

INLINE vector activate(int32_t activation, vector x)
{
    switch (activation) {
    case FST__ACTIVATION_GELU_TANH:
        return x * vector_sigmoid(GELU_SCALE * (x + GELU_CUBIC * (x * x * x)));
    case FST__ACTIVATION_GELU:
        return x * ((fst__real)0.5 + (fst__real)0.5 * vector_erf(x * SQRT_HALF));
    case FST__ACTIVATION_SILU:
        return x * vector_sigmoid(x);
    case FST__ACTIVATION_RELU:
        return vector_select(x < 0, vector_of(0), x);
    case FST__ACTIVATION_TANH:
        return vector_tanh(x);
    default:
        return x;
    }
}

/* Arguments are clamped where the slope has long reached 0 or 1, or ∞·0 would make NaN of it. */
INLINE vector slope(int32_t activation, vector x)
{
    switch (activation) {
    case FST__ACTIVATION_GELU_TANH: {
        x = vector_clamp(x, -30, 30);
        vector s = vector_sigmoid(GELU_SCALE * (x + GELU_CUBIC * (x * x * x)));
        return s + x * s * (1 - s) * (GELU_SCALE * (1 + 3 * GELU_CUBIC * (x * x)));
    }
    case FST__ACTIVATION_GELU: {
        x = vector_clamp(x, -40, 40);
        vector cumulative = (fst__real)0.5 + (fst__real)0.5 * vector_erf(x * SQRT_HALF);
        return cumulative + x * SQRT_2_PI_INVERSE * vector_exp((fst__real)-0.5 * (x * x));
    }
    case FST__ACTIVATION_SILU: {
        x = vector_clamp(x, -1000, 1000);
        vector s = vector_sigmoid(x);
        return s + x * s * (1 - s);
    }
    case FST__ACTIVATION_RELU:
        return vector_select(x > 0, vector_of(1), vector_of(0));
    case FST__ACTIVATION_TANH: {
        vector t = vector_tanh(x);
        return 1 - t * t;
    }
    default:
        return vector_of(1);
    }
}

/* Calls `loop` with a constant activation, so that each gets a loop of its own. */
#define FOR_EACH_ACTIVATION(loop, ...)                                                             \
    switch (activation) {                                                                          \
    case FST__ACTIVATION_GELU_TANH:                                                                \
        loop(FST__ACTIVATION_GELU_TANH, __VA_ARGS__);                                              \
        break;                                                                                     \
    case FST__ACTIVATION_GELU:                                                                     \
        loop(FST__ACTIVATION_GELU, __VA_ARGS__);                                                   \
        break;                                                                                     \
    case FST__ACTIVATION_SILU:                                                                     \
        loop(FST__ACTIVATION_SILU, __VA_ARGS__);                                                   \
        break;                                                                                     \
    case FST__ACTIVATION_RELU:                                                                     \
        loop(FST__ACTIVATION_RELU, __VA_ARGS__);                                                   \
        break;                                                                                     \
    case FST__ACTIVATION_TANH:                                                                     \
        loop(FST__ACTIVATION_TANH, __VA_ARGS__);                                                   \
        break;                                                                                     \
    default:                                                                                       \
        loop(FST__ACTIVATION_NONE, __VA_ARGS__);                                                   \
    }

INLINE void forward_loop(int32_t activation, const fst__real *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        vector_write(y + i, activate(activation, vector_read(x + i, n - i)), n - i);
}

INLINE void backward_loop(int32_t activation, const fst__real *x, const fst__real *dy,
                          fst__real *dx, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        vector_write(dx + i,
                     vector_read(dy + i, n - i) * slope(activation, vector_read(x + i, n - i)),
                     n - i);
}

INLINE void gated_forward_loop(int32_t activation, const fst__real *gate, const fst__real *up,
                               fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        vector_write(
            y + i, activate(activation, vector_read(gate + i, n - i)) * vector_read(up + i, n - i),
            n - i);
}

INLINE void gated_backward_loop(int32_t activation, const fst__real *gate, const fst__real *up,
                                const fst__real *dy, fst__real *dgate, fst__real *dup, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        vector g = vector_read(gate + i, n - i), u = vector_read(up + i, n - i);
        vector d = vector_read(dy + i, n - i);
        vector_write(dgate + i, d * u * slope(activation, g), n - i);
        vector_write(dup + i, d * activate(activation, g), n - i);
    }
}

static void activation_forward(int32_t activation, const fst__real *x, fst__real *y, int64_t n)
{
    FOR_EACH_ACTIVATION(forward_loop, x, y, n)
}

static void activation_backward(int32_t activation, const fst__real *x, const fst__real *dy,
                                fst__real *dx, int64_t n)
{
    FOR_EACH_ACTIVATION(backward_loop, x, dy, dx, n)
}

static void gated_forward(int32_t activation, const fst__real *gate, const fst__real *up,
                          fst__real *y, int64_t n)
{
    FOR_EACH_ACTIVATION(gated_forward_loop, gate, up, y, n)
}

static void gated_backward(int32_t activation, const fst__real *gate, const fst__real *up,
                           const fst__real *dy, fst__real *dgate, fst__real *dup, int64_t n)
{
    FOR_EACH_ACTIVATION(gated_backward_loop, gate, up, dy, dgate, dup, n)
}

#endif
