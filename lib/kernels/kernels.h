/*
 * Row kernels: loops over contiguous fst__real. The same source (isa_*.h) is compiled once per
 * instruction set; a table holds each build's functions and fst__kernels_select takes the best one
 * that this processor runs. Plain scalar twins stand in reference.h, and tests/unit/test_kernels.c
 * holds every table against them.
 *
 * An elementwise kernel gives an element the same bits wherever it stands in the row. Output may be
 * the very same row as an input of the same type unless said otherwise, but must not overlap it
 * partly. n may be 0. exp, erf and tanh are polynomials in float (≤ 3 ulp) and libm in double.
 */
#ifndef FST_KERNELS_KERNELS_H
#define FST_KERNELS_KERNELS_H

#include "kernels/channels.h"
#include "kernels/dense.h"
#include "kernels/update.h"
#include "tensor/bf16.h"
#include "tensor/real.h"

#include <stdbool.h>

/* GELU is x·Φ(x), GELU_TANH its approximation; both from Hendrycks and Gimpel, arXiv:1606.08415. */
enum {
    FST__ACTIVATION_NONE = 0,
    FST__ACTIVATION_GELU_TANH = 1,
    FST__ACTIVATION_GELU = 2,
    FST__ACTIVATION_SILU = 3,
    FST__ACTIVATION_RELU = 4,
    FST__ACTIVATION_TANH = 5,
};

struct fst__product; /* gemm.h */

/* At least the elements of the widest register of any table. */
enum { FST__TURN = 16 };

typedef struct fst__kernels {
    const char *name; /* "avx512", "avx2", "base" */

    /* Rounding to nearest even; in the double build by way of float. */
    void (*from_bf16)(const fst__bf16 *x, fst__real *y, int64_t n);
    void (*to_bf16)(const fst__real *x, fst__bf16 *y, int64_t n);

    void (*add)(const fst__real *a, const fst__real *b, fst__real *y, int64_t n); /* y = a + b */
    void (*axpy)(fst__real alpha, const fst__real *x, fst__real *y, int64_t n);   /* y += α·x */
    void (*scale)(fst__real alpha, const fst__real *x, fst__real *y, int64_t n);  /* y = α·x */
    fst__real (*dot)(const fst__real *x, const fst__real *y, int64_t n);
    fst__real (*sum)(const fst__real *x, int64_t n);
    fst__real (*max)(const fst__real *x, int64_t n); /* −∞ if empty; a NaN is passed over */
    double (*sum_squares)(const fst__real *x, int64_t n); /* accumulated in double */

    /* Pieces of a softmax. A NaN anywhere in x makes the sums NaN. */
    void (*exp)(const fst__real *x, fst__real *y, int64_t n);
    /* y = exp(x − shift); returns Σ y. y NULL: only the sum. */
    fst__real (*exp_sum)(const fst__real *x, fst__real shift, fst__real *y, int64_t n);
    fst__real (*log_sum_exp)(const fst__real *x, int64_t n); /* −∞ if empty or all −∞ */
    void (*softmax)(const fst__real *x, fst__real *y, int64_t n);

    void (*activation_forward)(int32_t activation, const fst__real *x, fst__real *y, int64_t n);
    /* dx = dy · act'(x) */
    void (*activation_backward)(int32_t activation, const fst__real *x, const fst__real *dy,
                                fst__real *dx, int64_t n);
    /* y = act(gate)·up */
    void (*gated_forward)(int32_t activation, const fst__real *gate, const fst__real *up,
                          fst__real *y, int64_t n);
    void (*gated_backward)(int32_t activation, const fst__real *gate, const fst__real *up,
                           const fst__real *dy, fst__real *dgate, fst__real *dup, int64_t n);

    /* Σ (x − mean)² */
    fst__real (*square_deviation)(const fst__real *x, fst__real mean, int64_t n);
    /* y = (x − mean)·rstd·gamma + beta; gamma NULL: ones, beta NULL: zeros. */
    void (*normalise)(const fst__real *x, fst__real mean, fst__real rstd, const fst__real *gamma,
                      const fst__real *beta, fst__real *y, int64_t n);
    /* With x̂ = (x − mean)·rstd: dgamma += dy·x̂, dbeta += dy (each unless NULL), sums[0] += Σ dy·γ,
     * sums[1] += Σ dy·γ·x̂. */
    void (*norm_sums)(const fst__real *x, fst__real mean, fst__real rstd, const fst__real *gamma,
                      const fst__real *dy, fst__real *dgamma, fst__real *dbeta, fst__real sums[2],
                      int64_t n);
    /* dx = rstd·(dy·γ − mean_g − x̂·mean_gx), plus `onto` (may be dx) unless NULL. */
    void (*norm_gradient)(const fst__real *x, fst__real mean, fst__real rstd,
                          const fst__real *gamma, const fst__real *dy, fst__real mean_g,
                          fst__real mean_gx, const fst__real *onto, fst__real *dx, int64_t n);

    /* (x, y) ← (x·c − y·s, y·c + x·s), with −s for s if inverse. x, y: halves of a head. */
    void (*rotate)(fst__real *x, fst__real *y, const fst__real *cosine, const fst__real *sine,
                   bool inverse, int64_t n);

    /* words[i]: the 32 random bits that belong to element first + i of a stream. Element e has word
     * (e >> 4) & 3 of Philox block (e >> 6)·16 + (e & 15): a vector register holds 16 blocks. */
    void (*random_words)(uint64_t seed, uint32_t stream, uint64_t step, uint64_t first,
                         uint32_t *words, int64_t n);
    /* y = word ≥ threshold ? x·scale : 0, with the words of FST__STREAM_DROPOUT. */
    void (*dropout)(uint64_t seed, uint64_t step, uint64_t first, uint32_t threshold,
                    fst__real scale, const fst__real *x, fst__real *y, int64_t n);

    /* y = α·x + β */
    void (*affine)(fst__real alpha, const fst__real *x, fst__real beta, fst__real *y, int64_t n);
    /* y = exp(factor·x − shift); returns Σ y. A NaN anywhere in x makes the sum NaN. */
    fst__real (*exp_sum_scaled)(const fst__real *x, fst__real factor, fst__real shift, fst__real *y,
                                int64_t n);
    /* Scores p become probabilities exp(factor·p − lse), dp the gradient of the unscaled scores,
     * factor·p·(dp − delta). p and dp are different rows. */
    void (*attention_gradient)(fst__real *p, fst__real *dp, fst__real factor, fst__real lse,
                               fst__real delta, int64_t n);
    /* y = M·x and y += Mᵀ·weights for a contiguous M [rows, columns]. */
    void (*rows_dot)(const fst__real *matrix, int64_t rows, int64_t columns, const fst__real *x,
                     fst__real *y);
    void (*rows_add)(const fst__real *matrix, int64_t rows, int64_t columns,
                     const fst__real *weights, fst__real *y);

    /* A tile as gemm_provider.h has it, A not transposed, B transposed, for few rows: reads B once.
     * A row's result does not depend on the rows beside it. */
    void (*product_few_rows)(const struct fst__product *tile);

    /* dense.h has the struct; c overlaps nothing else. */
    void (*dense_product)(const fst__dense *dense);
    /* dx = dy · act'(x) of tanh or ReLU, from y = act(x). */
    void (*output_slope)(int32_t activation, const fst__real *y, const fst__real *dy, fst__real *dx,
                         int64_t n);
    /* y [columns, y_row] = xᵀ of a contiguous x [rows, columns]; y_row ≥ rows rounded up to FST__TURN,
     * and what stands from `rows` on is not said. */
    void (*turn)(const fst__real *x, int64_t rows, int64_t columns, fst__real *y, int64_t y_row);

    /* y[i·y_step …] = x[i·x_step …], `bytes` of each; steps in bytes. Nothing overlaps. */
    void (*copy_pieces)(const void *x, int64_t x_step, void *y, int64_t y_step, int64_t pieces,
                        int64_t bytes);

    /*
     * Blocks of rows [rows, columns], contiguous; channels.h has the structs. Sums are added to
     * those given, in double. Where a ReLU follows the norm, the gradient is d = dy where its
     * output is above 0, else 0: `active`, or NULL where nothing came onto the norm's own output.
     * Without a ReLU, d = dy.
     */
    void (*channel_sums)(const fst__real *x, int64_t rows, int64_t columns, double *sum,
                         double *sum_squares);
    /* y = normed + onto (NULL: nothing), through a ReLU if relu; y may be x or onto. */
    void (*channel_norm)(const fst__channels *channels, const fst__real *x, const fst__real *onto,
                         bool relu, fst__real *y, int64_t rows);
    /* sum += Σ d, sum_x += Σ d·x̂ */
    void (*channel_gradient_sums)(const fst__channels *channels, const fst__real *x,
                                  bool relu, const fst__real *active, const fst__real *dy,
                                  int64_t rows, double *sum, double *sum_x);
    /* dx as channels.h has it; masked = d, unless NULL. Either may be dy. */
    void (*channel_gradient)(const fst__channels_gradient *channels, const fst__real *x, bool relu,
                             const fst__real *active, const fst__real *dy, fst__real *masked,
                             fst__real *dx, int64_t rows);

    /* Weights from gradients; update.h has the structs. */
    void (*adamw_update)(const fst__update *update, const fst__adamw *adamw);
    void (*sgd_update)(const fst__update *update, const fst__sgd *sgd);
    /* Muon's two halves: moves the momentum, writes the (Nesterov) direction [count] and returns
     * its sum of squares; then value ← keep·value − rate·direction. */
    double (*muon_direction)(const fst__update *update, fst__real momentum, fst__real rest_momentum,
                             bool nesterov, fst__real *direction);
    void (*muon_update)(const fst__update *update, fst__real keep, fst__real rate,
                        const fst__real *direction);
} fst__kernels;

/* The best table that this processor runs. Never NULL. */
const fst__kernels *fst__kernels_select(void);
/* The table at place i of those that this processor runs, best first; NULL past the end. */
const fst__kernels *fst__kernels_at(int32_t i);

#endif
