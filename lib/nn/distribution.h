/*
 * Distributions over actions. What a policy's model gives – logits or means – are their parameters;
 * here are the log-probability of an action, the entropy, draws, and the gradients of the former two.
 *
 *   Discrete, MultiDiscrete   independent categoricals: p_j = exp(x_j) / Σ_k exp(x_k), k over the
 *                             choices that the mask allows; all others have p = 0 exactly
 *   MultiBinary               independent Bernoullis: p = 1 / (1 + exp(−x))
 *   Box                       a Gaussian with diagonal covariance: mean x, log σ the same for all rows
 *
 * Parts are independent, so log-probabilities and entropies are sums over them. Sums are in double;
 * a row's results do not depend on the rows beside it.
 */
#ifndef FST_NN_DISTRIBUTION_H
#define FST_NN_DISTRIBUTION_H

#include "fourstage/space.h"
#include "tensor/real.h"

#include <stdbool.h>

typedef enum fst__distribution_kind {
    FST__CATEGORICAL,
    FST__BERNOULLI,
    FST__GAUSSIAN,
} fst__distribution_kind;

typedef struct fst__distribution {
    fst__distribution_kind kind;
    int64_t parts;         /* categoricals, Bernoullis or Gaussians of one action */
    int64_t parameters;    /* K of a row: the sum of counts, or parts */
    const int64_t *counts; /* [parts] choices of each categorical; else NULL */
} fst__distribution;

/* Of a space that was checked, whose arrays (or, of a Discrete one, which itself) must stay. Actions
 * that are bytes: FST_ERR_UNSUPPORTED. */
fst_status fst__distribution_of(const fst_space *space, fst__distribution *out);

typedef struct fst__distribution_rows {
    const fst__real *parameters; /* [count, K] */
    const fst__real *log_std;    /* [parts] of a Gaussian */
    const uint8_t *masks;        /* [count, K] of categoricals: 1 where a choice is allowed; NULL: all */
    int64_t count;
} fst__distribution_rows;

/* Actions are [count, parts]: int32_t, or of a Gaussian float. That each is one of the space, that
 * the mask allows it and that masks allow something; `name` begins the error's text. actions NULL:
 * only the masks. */
fst_status fst__distribution_check(const fst__distribution *distribution, const uint8_t *masks,
                                   const void *actions, int64_t count, const char *name);

/* log p(action) and H, [count]; each may be NULL, and without log_probabilities the actions. A
 * parameter that is not a number makes its row's results so. */
void fst__distribution_evaluate(const fst__distribution *distribution,
                                const fst__distribution_rows *rows, const void *actions,
                                fst__real *log_probabilities, fst__real *entropies);

/* From the gradients with respect to both [count] (NULL: 0) to those with respect to the parameters
 * [count, K] and to log σ [parts] (not read unless Gaussian; NULL: not wanted), which are written. */
void fst__distribution_gradient(const fst__distribution *distribution,
                                const fst__distribution_rows *rows, const void *actions,
                                const fst__real *d_log_probabilities, const fst__real *d_entropies,
                                fst__real *d_parameters, fst__real *d_log_std);

typedef struct fst__distribution_draw {
    uint64_t seed, step;
    int64_t first_row;  /* number of row 0: a draw is a function of (seed, step, row's number) */
    bool deterministic; /* the mode, the first where there are several */
} fst__distribution_draw;

/* The first row that nothing can be drawn from: a NaN, an infinity that is not a forbidden choice's, no
 * choice with a probability; -1: none. */
int64_t fst__distribution_not_a_number(const fst__distribution *distribution,
                                       const fst__distribution_rows *rows);

/* Of rows that something can be drawn from. */
void fst__distribution_sample(const fst__distribution *distribution,
                              const fst__distribution_rows *rows,
                              const fst__distribution_draw *draw, void *actions);

#endif
