/* Distributions over actions. See objectives.c on void *. */
#include "fourstage/actions.h"

#include "api/check.h"
#include "nn/distribution.h"
#include "tensor/space.h"

#include <math.h>

/* What all of the functions take. */
typedef struct call {
    const char *name;
    fst_space space;
    fst__distribution distribution;
    fst__distribution_rows rows;
} call;

static fst_status begin(const char *name, const fst_space *space, const void *parameters,
                        const void *log_std, const uint8_t *masks, int64_t count, call *out)
{
    enum { MOST_ROWS = 1 << 30 };
    *out = (call){.name = name};
    fst_status status = fst__check_pointer(space, name, "space");
    if (!status)
        status = fst__check_pointer(parameters, name, "parameters");
    if (!status)
        status = fst__space_take(space, name, &out->space);
    if (!status)
        status = fst__distribution_of(&out->space, &out->distribution);
    if (!status && out->distribution.kind == FST__GAUSSIAN)
        status = fst__check_pointer(log_std, name, "log_std");
    if (status)
        return status;
    if (count < 1 || count > MOST_ROWS)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: count is %lld, expected 1 to %d", name,
                         (long long)count, MOST_ROWS);
    out->rows = (fst__distribution_rows){parameters, log_std, masks, count};
    return FST_OK;
}

static fst_status check_finite(const char *name, const fst__real *values, int64_t count,
                               const char *what)
{
    for (int64_t r = 0; values && r < count; ++r) {
        if (!isfinite(values[r]))
            return fst__fail(FST_ERR_NUMERIC, "%s: the %s of row %lld is not finite", name, what,
                             (long long)r);
    }
    return FST_OK;
}

fst_status fst_actions_evaluate(const fst_space *space, const float *parameters,
                                const float *log_std, const uint8_t *masks, const void *actions,
                                int64_t count, float *log_probabilities, float *entropies)
{
    static const char name[] = "fst_actions_evaluate";
    void *l = log_probabilities, *h = entropies;
    call c;
    fst_status status = begin(name, space, parameters, log_std, masks, count, &c);
    if (!status && l)
        status = fst__check_pointer(actions, name, "actions");
    if (!status)
        status = fst__distribution_check(&c.distribution, masks, l ? actions : NULL, count, name);
    if (status)
        return status;
    fst__distribution_evaluate(&c.distribution, &c.rows, l ? actions : NULL, l, h);
    status = check_finite(name, l, count, "log-probability");
    return status ? status : check_finite(name, h, count, "entropy");
}

fst_status fst_actions_gradient(const fst_space *space, const float *parameters,
                                const float *log_std, const uint8_t *masks, const void *actions,
                                int64_t count, const float *d_log_probabilities,
                                const float *d_entropies, float *d_parameters, float *d_log_std)
{
    static const char name[] = "fst_actions_gradient";
    const void *l = d_log_probabilities, *h = d_entropies;
    call c;
    fst_status status = begin(name, space, parameters, log_std, masks, count, &c);
    if (!status && l)
        status = fst__check_pointer(actions, name, "actions");
    if (!status)
        status = fst__check_pointer(d_parameters, name, "d_parameters");
    if (!status)
        status = fst__distribution_check(&c.distribution, masks, l ? actions : NULL, count, name);
    if (status)
        return status;
    fst__distribution_gradient(&c.distribution, &c.rows, l ? actions : NULL, l, h,
                               (void *)d_parameters, (void *)d_log_std);
    const fst__real *d = (const void *)d_parameters;
    for (int64_t i = 0; i < count * c.distribution.parameters; ++i) {
        if (!isfinite(d[i]))
            return fst__fail(FST_ERR_NUMERIC, "%s: the gradient of row %lld is not finite", name,
                             (long long)(i / c.distribution.parameters));
    }
    return check_finite(name, (const void *)d_log_std,
                        c.distribution.kind == FST__GAUSSIAN ? c.distribution.parts : 0,
                        "gradient of log_std");
}

fst_status fst_actions_sample(const fst_space *space, const float *parameters,
                              const float *log_std, const uint8_t *masks, int64_t count,
                              int64_t seed, int64_t step, int32_t deterministic, void *actions,
                              float *log_probabilities)
{
    static const char name[] = "fst_actions_sample";
    void *l = log_probabilities;
    call c;
    fst_status status = begin(name, space, parameters, log_std, masks, count, &c);
    if (!status)
        status = fst__check_pointer(actions, name, "actions");
    if (!status && step < 0)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: step is %lld, expected at least 0", name,
                           (long long)step);
    if (!status && deterministic != 0 && deterministic != 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: deterministic is %d, expected 0 or 1",
                           name, (int)deterministic);
    if (!status)
        status = fst__distribution_check(&c.distribution, masks, NULL, count, name);
    int64_t row = status ? -1 : fst__distribution_not_a_number(&c.distribution, &c.rows);
    if (!status && row >= 0)
        status = fst__fail(FST_ERR_NUMERIC, "%s: the parameters of row %lld are no distribution",
                           name, (long long)row);
    if (status)
        return status;
    fst__distribution_draw draw = {(uint64_t)seed, (uint64_t)step, 0, deterministic != 0};
    fst__distribution_sample(&c.distribution, &c.rows, &draw, actions);
    if (l)
        fst__distribution_evaluate(&c.distribution, &c.rows, actions, l, NULL);
    return check_finite(name, l, count, "log-probability");
}
