/* The clipped value loss. */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

static fst_status check(double clip, const fst__real *values, const fst__real *old_values,
                        const fst__real *returns, const fst__real *weights, int64_t count)
{
    if (!(clip >= 0) || !isfinite(clip))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "value loss: clip is %g, expected a finite number ≥ 0", clip);
    if (clip > 0 && !old_values)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "value loss: clip is %g and old_values is NULL",
                         clip);
    fst_status status = fst__terms_check_weights("value loss", weights, count);
    if (!status)
        status = fst__terms_check("value loss", "values", values, weights, count);
    if (!status && clip > 0)
        status = fst__terms_check("value loss", "old_values", old_values, weights, count);
    if (!status)
        status = fst__terms_check("value loss", "returns", returns, weights, count);
    return status;
}

/* 1 − Var(R − V)/Var(R) over what counts. */
static double explained_variance(const fst__real *values, const fst__real *returns,
                                 const fst__real *weights, int64_t count, double n)
{
    double sum = 0, error_sum = 0, squares = 0, error_squares = 0;
    for (int64_t i = 0; i < count; ++i) {
        if (weights && weights[i] == 0)
            continue;
        sum += (double)returns[i];
        error_sum += (double)returns[i] - (double)values[i];
    }
    double mean = sum / n, error_mean = error_sum / n;
    for (int64_t i = 0; i < count; ++i) {
        if (weights && weights[i] == 0)
            continue;
        double r = (double)returns[i] - mean;
        double e = (double)returns[i] - (double)values[i] - error_mean;
        squares += r * r;
        error_squares += e * e;
    }
    return squares > 0 ? 1 - error_squares / squares : NAN;
}

fst_status fst__loss_value(double clip, const fst__real *values, const fst__real *old_values,
                           const fst__real *returns, const fst__real *weights, int64_t count,
                           fst__real *gradient, fst_value_loss *result)
{
    fst_status status = check(clip, values, old_values, returns, weights, count);
    if (status)
        return status;
    fst_value_loss found = {.struct_size = result->struct_size};
    double clipped_count = 0;
    for (int64_t i = 0; i < count; ++i) {
        double weight = fst__terms_weight(weights, 1 / (double)count, i);
        if (weight == 0) {
            fst__terms_store(gradient, i, 0);
            continue;
        }
        double value = (double)values[i], error = value - (double)returns[i], slope = error;
        double move = clip > 0 ? value - (double)old_values[i] : 0;
        if (clip > 0 && fabs(move) > clip) {
            double near = (double)old_values[i] + copysign(clip, move) - (double)returns[i];
            if (near * near > error * error) {
                error = near;
                slope = 0;
                clipped_count += 1;
            }
        }
        double loss = weight * 0.5 * error * error;
        if (!fst__terms_store(gradient, i, weight * slope) || !isfinite(loss))
            return fst__terms_overflow("value loss", i);
        found.loss += loss;
        found.tokens += 1;
    }
    double n = (double)found.tokens;
    found.clip_fraction = found.tokens ? clipped_count / n : 0;
    found.explained_variance =
        found.tokens ? explained_variance(values, returns, weights, count, n) : NAN;
    *result = found;
    return FST_OK;
}
