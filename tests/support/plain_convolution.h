/* The plain twin of nn/convolution.h: loops over its definition, sums in double. */
#ifndef FST_TESTS_PLAIN_CONVOLUTION_H
#define FST_TESTS_PLAIN_CONVOLUTION_H

#include "nn/convolution.h"

static inline double plain_output(const fst__convolution *s, const fst__real *x,
                                  const fst__real *weight, int64_t n, int64_t a, int64_t b,
                                  int64_t o)
{
    double total = 0;
    for (int64_t i = 0; i < s->kernel; ++i)
        for (int64_t j = 0; j < s->kernel; ++j) {
            int64_t h = a * s->stride + i - s->padding, w = b * s->stride + j - s->padding;
            if (h < 0 || w < 0 || h >= s->height || w >= s->width)
                continue;
            const fst__real *pixel = x + ((n * s->height + h) * s->width + w) * s->channels;
            const fst__real *tap =
                weight + ((o * s->kernel + i) * s->kernel + j) * s->channels;
            for (int64_t c = 0; c < s->channels; ++c)
                total += (double)pixel[c] * (double)tap[c];
        }
    return total;
}

/* x [N·H·W, C], weight [O, k·k·C], y [N·H'·W', O], all contiguous. */
static inline void plain_convolution(const fst__convolution *s, const fst__real *x,
                                     const fst__real *weight, fst__real *y)
{
    int64_t down = fst__convolution_height(s), across = fst__convolution_width(s);
    for (int64_t n = 0; n < s->batch; ++n)
        for (int64_t a = 0; a < down; ++a)
            for (int64_t b = 0; b < across; ++b)
                for (int64_t o = 0; o < s->outputs; ++o)
                    y[((n * down + a) * across + b) * s->outputs + o] =
                        (fst__real)plain_output(s, x, weight, n, a, b, o);
}

#endif
