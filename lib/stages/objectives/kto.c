/* Kahneman–Tversky optimization: answers that are each good or bad, without pairs. */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

fst_kto_options fst__kto_defaults(void)
{
    return (fst_kto_options){
        .struct_size = sizeof(fst_kto_options),
        .beta = 0.1,
        .desirable_weight = 1,
        .undesirable_weight = 1,
    };
}

fst_status fst__kto_check(const fst_kto_options *options)
{
    if (!(options->beta > 0) || !isfinite(options->beta))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "beta is %g, expected a finite number > 0",
                         options->beta);
    if (!(options->desirable_weight >= 0 && options->undesirable_weight >= 0) ||
        !isfinite(options->desirable_weight) || !isfinite(options->undesirable_weight))
        return fst__fail(
            FST_ERR_INVALID_ARGUMENT,
            "desirable_weight is %g, undesirable_weight is %g, expected finite numbers ≥ 0",
            options->desirable_weight, options->undesirable_weight);
    if (!(options->reference_point >= 0) || !isfinite(options->reference_point))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "reference_point is %g, expected a finite number ≥ 0",
                         options->reference_point);
    return FST_OK;
}

static fst_status check_arrays(const fst__real *log_probabilities, const fst__real *reference,
                               const fst__real *weights, int64_t count)
{
    fst_status status = fst__terms_check_weights("KTO", weights, count);
    if (!status)
        status = fst__terms_check("KTO", "log_probabilities", log_probabilities, weights, count);
    return status ? status : fst__terms_check("KTO", "reference", reference, weights, count);
}

fst_status fst__loss_kto(const fst_kto_options *options, const fst__real *log_probabilities,
                         const fst__real *reference, const uint8_t *desirable,
                         const fst__real *weights, int64_t count, fst__real *gradient,
                         fst_kto_loss *result)
{
    fst_status status = fst__kto_check(options);
    if (!status)
        status = check_arrays(log_probabilities, reference, weights, count);
    if (status)
        return status;
    fst_kto_loss found = {.struct_size = result->struct_size};
    for (int64_t i = 0; i < count; ++i) {
        double weight = fst__terms_weight(weights, 1 / (double)count, i);
        if (weight == 0) {
            fst__terms_store(gradient, i, 0);
            continue;
        }
        double log_ratio = (double)log_probabilities[i] - (double)reference[i];
        double sign = desirable[i] ? 1 : -1;
        double lambda = desirable[i] ? options->desirable_weight : options->undesirable_weight;
        double x = sign * options->beta * (log_ratio - options->reference_point);
        /* 1 − σ(x) = σ(−x), whose derivative is −σ(x)·σ(−x) */
        double low = fst__terms_sigmoid(-x), slope = -low * fst__terms_sigmoid(x);
        if (!fst__terms_store(gradient, i, weight * lambda * sign * options->beta * slope))
            return fst__terms_overflow("KTO", i);
        found.loss += weight * lambda * low;
        *(desirable[i] ? &found.desirable_reward : &found.undesirable_reward) +=
            options->beta * log_ratio;
        *(desirable[i] ? &found.desirable : &found.undesirable) += 1;
    }
    found.desirable_reward =
        found.desirable ? found.desirable_reward / (double)found.desirable : NAN;
    found.undesirable_reward =
        found.undesirable ? found.undesirable_reward / (double)found.undesirable : NAN;
    *result = found;
    return FST_OK;
}

fst_status fst__kto_reference_point(const fst__real *log_probabilities, const fst__real *reference,
                                    int64_t count, double *reference_point)
{
    fst_status status = check_arrays(log_probabilities, reference, NULL, count);
    if (status)
        return status;
    double sum = 0;
    for (int64_t i = 0; i < count; ++i)
        sum += (double)log_probabilities[i] - (double)reference[i];
    *reference_point = fmax(0, sum / (double)count);
    return FST_OK;
}
