/* What the objectives share: checks of arrays, weights, stable logistic functions. */
#ifndef FST_STAGES_OBJECTIVES_TERMS_H
#define FST_STAGES_OBJECTIVES_TERMS_H

#include "fourstage/status.h"
#include "tensor/real.h"

#include <math.h>
#include <stdbool.h>

/* FST_ERR_NUMERIC naming the first value of weight ≠ 0 that is not finite; values NULL: nothing to
 * check; weights NULL: all count. */
fst_status fst__terms_check(const char *objective, const char *array, const fst__real *values,
                            const fst__real *weights, int64_t count);

/* count ≥ 1, and weights, where given, finite and ≥ 0. */
fst_status fst__terms_check_weights(const char *objective, const fst__real *weights, int64_t count);

/* The error of a loss or gradient that is not finite at `index`. */
fst_status fst__terms_overflow(const char *objective, int64_t index);

/* A loss's weights; `mean` is the weight of each element where the caller gave none. */
static inline double fst__terms_weight(const fst__real *weights, double mean, int64_t index)
{
    return weights ? (double)weights[index] : mean;
}

/* Whether the value is finite in the array's type; array NULL: it is not stored. */
static inline bool fst__terms_store(fst__real *array, int64_t index, double value)
{
    if (array)
        array[index] = (fst__real)value;
    return isfinite((fst__real)value);
}

static inline double fst__terms_log_sigmoid(double x)
{
    return (x < 0 ? x : 0) - log1p(exp(-fabs(x)));
}

static inline double fst__terms_sigmoid(double x)
{
    if (x >= 0)
        return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}

/* 1, ½ or 0: is `better` above `worse`? */
static inline double fst__terms_in_order(double better, double worse)
{
    return better > worse ? 1 : better < worse ? 0 : 0.5;
}

#endif
