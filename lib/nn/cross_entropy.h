/*
 * Softmax cross entropy by rows. With x the logits of a row, t its target, ε the label smoothing
 * (Szegedy et al. 2016) and c the z-loss coefficient (Chowdhery et al., "PaLM", 2022):
 *   lse = log Σ exp x    nll = (1-ε)(lse - x_t) + ε(lse - mean x)
 *   d/dx_j of w(nll + c·lse²) = w(p_j(1 + 2c·lse) - (1-ε)[j = t] - ε/V)
 * and of the entropy H = -Σ p log p, with a coefficient h of its own for each row:
 *   d/dx_j of h·H = -h·p_j(log p_j + H)
 * Where there is a temperature T, x are the logits divided by it, and gradients are divided by T;
 * where a row has a list of ids that are kept, all others have x = -∞.
 */
#ifndef FST_NN_CROSS_ENTROPY_H
#define FST_NN_CROSS_ENTROPY_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "tensor/bf16.h"
#include "tensor/matrix.h"

#include <stdbool.h>

typedef struct fst__loss_head {
    const int32_t *targets;       /* [R]; below 0: ignored */
    const fst__real *row_weights; /* [R] or NULL for ones; may be negative */
    const fst__real *row_entropies; /* [R] coefficients h, or NULL for zeros */
    const unsigned char *kept; /* [R, ⌈V/8⌉] bit j % 8 of byte j / 8: id j is kept; NULL: all are.
                                * The target always is. Needs label_smoothing 0 */
    double gradient_scale; /* gradients are multiplied by it: 1 / tokens of the whole batch */
    double temperature;    /* 0: 1 */
    fst__real label_smoothing;
    fst__real z_loss;
} fst__loss_head;

/*
 * Sums over the rows that are not ignored, in double and in the order of the rows. A NaN or +inf
 * logit, or a row of nothing but -inf, makes `loss` and `z` NaN; a single -inf has probability 0.
 */
typedef struct fst__loss_result {
    double loss;   /* Σ w · nll */
    double z;      /* Σ w · z_loss · lse² */
    double weight; /* Σ w */
    int64_t rows;
    int64_t correct; /* the first of the greatest logits is the target */
} fst__loss_result;

/* FST_ERR_INVALID_ARGUMENT with the row's number if a target is not below `vocabulary`; otherwise
 * stores how many rows are not ignored. */
fst_status fst__cross_entropy_check(const fst__loss_head *head, int64_t rows, int64_t vocabulary,
                                    int64_t *valid);

/* Materialised logits: small vocabularies, and loops of one's own. */
size_t fst__cross_entropy_scratch(int64_t rows);

/*
 * logits: [R, V] of fst__real, which gets the bias [V] (unless NULL) added and, with `gradient`,
 * becomes the gradient with respect to the logits (0 for ignored rows); without, it is unspecified.
 * row_logprob: [R] or NULL, log p(target), 0 for ignored rows. row_entropy: [R] or NULL, likewise.
 */
fst_status fst__cross_entropy_rows(const fst__compute *compute, const fst__loss_head *head,
                                   fst__matrix logits, const fst__real *bias, bool gradient,
                                   fst__real *row_logprob, fst__real *row_entropy,
                                   fst__arena *scratch, fst__loss_result *result);

typedef struct fst__row_loss {
    double loss, z, weight;
    bool valid, correct;
} fst__row_loss;

/* A block of rows of a larger whole, whose targets have been checked. */
typedef struct fst__cross_entropy_block {
    const fst__loss_head *head;
    fst__matrix logits;  /* [n, V] of fst__real */
    const int64_t *rows; /* [n]: row i of logits is row rows[i] of the targets; NULL: i */
    const fst__real *bias;
    bool gradient;
    fst__bf16 *half; /* [n, V] or NULL: gets a copy of the gradient */
    fst__real *row_logprob, *row_entropy;
    fst__row_loss *losses; /* [n] scratch */
} fst__cross_entropy_block;

void fst__cross_entropy_block_run(const fst__compute *compute,
                                  const fst__cross_entropy_block *block, fst__loss_result *add_to);

#endif
