/* Squared error of graded labels, some of which are missing. */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>

static bool counts(const fst__real *labels, const fst__real *weights, int64_t i)
{
    return !isnan(labels[i]) && (!weights || weights[i] != 0);
}

static fst_status check(const fst__real *scores, const fst__real *labels, const fst__real *weights,
                        int64_t count, int64_t *present)
{
    fst_status status = fst__terms_check_weights("regression", weights, count);
    *present = 0;
    for (int64_t i = 0; !status && i < count; ++i) {
        if (!counts(labels, weights, i))
            continue;
        *present += 1;
        if (!isfinite(scores[i]) || isinf(labels[i]))
            return fst__fail(FST_ERR_NUMERIC,
                             "regression: scores[%" PRId64 "] is %g, labels[%" PRId64 "] is %g", i,
                             (double)scores[i], i, (double)labels[i]);
    }
    return status;
}

fst_status fst__loss_regression(const fst__real *scores, const fst__real *labels,
                                const fst__real *weights, int64_t count, fst__real *gradient,
                                fst_score_loss *result)
{
    int64_t present;
    fst_status status = check(scores, labels, weights, count, &present);
    if (status)
        return status;
    double loss = 0, distance = 0;
    for (int64_t i = 0; i < count; ++i) {
        if (!counts(labels, weights, i)) {
            fst__terms_store(gradient, i, 0);
            continue;
        }
        double weight = fst__terms_weight(weights, 1 / (double)present, i);
        double error = (double)scores[i] - (double)labels[i];
        if (!fst__terms_store(gradient, i, weight * 2 * error) || !isfinite(weight * error * error))
            return fst__terms_overflow("regression", i);
        loss += weight * error * error;
        distance += fabs(error);
    }
    *result = (fst_score_loss){
        .struct_size = result->struct_size,
        .loss = loss,
        .accuracy = NAN,
        .margin = NAN,
        .error = present ? distance / (double)present : NAN,
        .count = present,
    };
    return FST_OK;
}
