/* Losses of labels that are levels in an order. */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>

static bool counts(const fst__real *labels, const fst__real *weights, int64_t i)
{
    return !isnan(labels[i]) && (!weights || weights[i] != 0);
}

static fst_status check_row(int32_t kind, const fst__real *logits, int64_t thresholds, int64_t i)
{
    for (int64_t k = 0; k < thresholds; ++k) {
        if (!isfinite(logits[k]))
            return fst__fail(FST_ERR_NUMERIC,
                             "ordinal loss: logits[%" PRId64 ", %" PRId64 "] is %g", i, k,
                             (double)logits[k]);
        if (kind == FST_ORDINAL_CUMULATIVE && k > 0 && !(logits[k - 1] > logits[k]))
            return fst__fail(FST_ERR_NUMERIC,
                             "ordinal loss: logits[%" PRId64 ", %" PRId64
                             "] is %g, expected less than the %g before it",
                             i, k, (double)logits[k], (double)logits[k - 1]);
    }
    return FST_OK;
}

static fst_status check(int32_t kind, const fst__real *logits, const fst__real *labels,
                        const fst__real *weights, int64_t count, int64_t levels, int64_t *present)
{
    if (kind != FST_ORDINAL_CORAL && kind != FST_ORDINAL_CUMULATIVE)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "kind %d is none of the FST_ORDINAL_ values",
                         kind);
    if (levels < 2)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "ordinal loss: levels is %" PRId64 ", expected ≥ 2", levels);
    fst_status status = fst__terms_check_weights("ordinal loss", weights, count);
    *present = 0;
    for (int64_t i = 0; !status && i < count; ++i) {
        if (!counts(labels, weights, i))
            continue;
        double label = (double)labels[i];
        if (!(label >= 0 && label <= (double)(levels - 1)) || label != floor(label))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "ordinal loss: labels[%" PRId64
                             "] is %g, expected a whole number from 0 to %" PRId64,
                             i, label, levels - 1);
        *present += 1;
        status = check_row(kind, logits + i * (levels - 1), levels - 1, i);
    }
    return status;
}

/* −Σ_k [y > k]·log σ(z_k) + [y ≤ k]·log σ(−z_k) */
static bool add_coral(const fst__real *logits, int64_t thresholds, int64_t level, double weight,
                      fst__real *gradient, double *loss)
{
    bool finite = true;
    for (int64_t k = 0; k < thresholds; ++k) {
        double z = (double)logits[k], sign = level > k ? 1 : -1;
        *loss -= weight * fst__terms_log_sigmoid(sign * z);
        finite =
            fst__terms_store(gradient, k, -weight * sign * fst__terms_sigmoid(-sign * z)) && finite;
    }
    return finite && isfinite(*loss);
}

/*
 * −log(σ(a) − σ(b)) with a = z_{y−1} (∞ for the lowest level), b = z_y (−∞ for the highest). Since
 * σ(a) − σ(b) = σ(a)·σ(−b)·(1 − e^{b−a}), its logarithm is a sum of terms none of which cancels.
 */
static bool add_cumulative(const fst__real *logits, int64_t thresholds, int64_t level,
                           double weight, fst__real *gradient, double *loss)
{
    bool above = level > 0, below = level < thresholds, finite = true;
    double a = above ? (double)logits[level - 1] : 0, b = below ? (double)logits[level] : 0;
    double inner = above && below ? exp(b - a) : 0, slope = inner / (1 - inner);
    double log_probability = (above ? fst__terms_log_sigmoid(a) : 0) +
                             (below ? fst__terms_log_sigmoid(-b) : 0) + log1p(-inner);
    *loss -= weight * log_probability;
    for (int64_t k = 0; k < thresholds; ++k)
        fst__terms_store(gradient, k, 0);
    if (above)
        finite = fst__terms_store(gradient, level - 1, -weight * (fst__terms_sigmoid(-a) + slope));
    if (below)
        finite =
            fst__terms_store(gradient, level, weight * (fst__terms_sigmoid(b) + slope)) && finite;
    return finite && isfinite(*loss);
}

static int64_t predicted(const fst__real *logits, int64_t thresholds)
{
    int64_t level = 0;
    for (int64_t k = 0; k < thresholds; ++k)
        level += logits[k] > 0;
    return level;
}

fst_status fst__loss_ordinal(int32_t kind, const fst__real *logits, const fst__real *labels,
                             const fst__real *weights, int64_t count, int64_t levels,
                             fst__real *gradient, fst_score_loss *result)
{
    int64_t present, thresholds = levels - 1;
    fst_status status = check(kind, logits, labels, weights, count, levels, &present);
    if (status)
        return status;
    double loss = 0, right = 0, missed = 0;
    for (int64_t i = 0; i < count; ++i) {
        const fst__real *row = logits + i * thresholds;
        fst__real *slopes = gradient ? gradient + i * thresholds : NULL;
        if (!counts(labels, weights, i)) {
            for (int64_t k = 0; k < thresholds; ++k)
                fst__terms_store(slopes, k, 0);
            continue;
        }
        int64_t level = (int64_t)labels[i], guess = predicted(row, thresholds);
        double weight = fst__terms_weight(weights, 1 / (double)present, i);
        if (!(kind == FST_ORDINAL_CORAL ? add_coral : add_cumulative)(row, thresholds, level,
                                                                      weight, slopes, &loss))
            return fst__terms_overflow("ordinal loss", i);
        right += guess == level;
        missed += fabs((double)(guess - level));
    }
    *result = (fst_score_loss){
        .struct_size = result->struct_size,
        .loss = loss,
        .accuracy = present ? right / (double)present : NAN,
        .margin = NAN,
        .error = present ? missed / (double)present : NAN,
        .count = present,
    };
    return FST_OK;
}
