/* The KL to a reference: three estimates, and the controller of its coefficient. */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>

/* The estimate of d = log π − log π_ref; *slope: its derivative. */
static double estimate(int32_t kind, double d, double *slope)
{
    switch (kind) {
    case FST_KL_K1:
        *slope = 1;
        return d;
    case FST_KL_K2:
        *slope = d;
        return 0.5 * d * d;
    default:
        *slope = -expm1(-d);
        return expm1(-d) + d;
    }
}

fst_status fst__loss_kl(int32_t kind, const fst__real *log_probabilities,
                        const fst__real *reference, const fst__real *weights, int64_t count,
                        fst__real *per_token, fst__real *gradient, double *loss)
{
    if (kind < FST_KL_K1 || kind > FST_KL_K3)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "kind %d is none of FST_KL_K1, K2, K3", kind);
    fst_status status = fst__terms_check_weights("KL", weights, count);
    if (!status)
        status = fst__terms_check("KL", "log_probabilities", log_probabilities, weights, count);
    if (!status)
        status = fst__terms_check("KL", "reference", reference, weights, count);
    if (status)
        return status;
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) {
        double weight = fst__terms_weight(weights, 1 / (double)count, i), slope = 0, k = 0;
        if (weight != 0)
            k = estimate(kind, (double)log_probabilities[i] - (double)reference[i], &slope);
        bool finite = fst__terms_store(per_token, i, k);
        if (!fst__terms_store(gradient, i, weight * slope) || !finite)
            return fst__terms_overflow("KL", i);
        sum += weight * k;
    }
    *loss = sum;
    return FST_OK;
}

fst_kl_controller fst__kl_controller_defaults(void)
{
    return (fst_kl_controller){
        .struct_size = sizeof(fst_kl_controller),
        .kind = FST_KL_FIXED,
        .coefficient = 0.05,
        .target = 6,
        .horizon = 10000,
    };
}

fst_status fst__kl_controller_check(const fst_kl_controller *controller)
{
    if (controller->kind != FST_KL_FIXED && controller->kind != FST_KL_ADAPTIVE)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_kl_controller.kind %d is neither FST_KL_FIXED nor FST_KL_ADAPTIVE",
                         controller->kind);
    if (!(controller->coefficient >= 0) || !isfinite(controller->coefficient))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_kl_controller.coefficient is %g, expected a finite number ≥ 0",
                         controller->coefficient);
    if (controller->kind == FST_KL_ADAPTIVE && !(controller->target > 0 && controller->horizon > 0))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "fst_kl_controller: target is %g, horizon is %g, expected > 0",
                         controller->target, controller->horizon);
    return FST_OK;
}

fst_status fst__kl_controller_update(fst_kl_controller *controller, double kl, int64_t samples)
{
    fst_status status = fst__kl_controller_check(controller);
    if (!status && samples < 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "KL controller: samples is %" PRId64 ", expected ≥ 0", samples);
    if (!status && !isfinite(kl))
        status = fst__fail(FST_ERR_NUMERIC, "KL controller: kl is %g", kl);
    if (status || controller->kind == FST_KL_FIXED)
        return status;
    double error = fmin(fmax(kl / controller->target - 1, -0.2), 0.2);
    controller->coefficient *= 1 + error * fmin(1, (double)samples / controller->horizon);
    return FST_OK;
}
