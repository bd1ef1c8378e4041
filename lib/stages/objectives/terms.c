#include "stages/objectives/terms.h"

#include "base/error.h"

#include <inttypes.h>

fst_status fst__terms_check(const char *objective, const char *array, const fst__real *values,
                            const fst__real *weights, int64_t count)
{
    for (int64_t i = 0; values && i < count; ++i) {
        if (!isfinite(values[i]) && (!weights || weights[i] != 0))
            return fst__fail(FST_ERR_NUMERIC, "%s: %s[%" PRId64 "] is %g", objective, array, i,
                             (double)values[i]);
    }
    return FST_OK;
}

fst_status fst__terms_check_weights(const char *objective, const fst__real *weights, int64_t count)
{
    if (count < 1)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: count is %" PRId64 ", expected ≥ 1",
                         objective, count);
    fst_status status = fst__terms_check(objective, "weights", weights, NULL, count);
    for (int64_t i = 0; !status && weights && i < count; ++i) {
        if (weights[i] < 0)
            status =
                fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: weights[%" PRId64 "] is %g, expected ≥ 0",
                          objective, i, (double)weights[i]);
    }
    return status;
}

fst_status fst__terms_overflow(const char *objective, int64_t index)
{
    return fst__fail(FST_ERR_NUMERIC, "%s: loss or gradient of element %" PRId64 " is not finite",
                     objective, index);
}
