/* The optimizer over plain arrays, for parity_optim.py. */
#include "base/error.h"
#include "base/threads.h"
#include "fourstage/context.h"
#include "optim/optimizer.h"

#include <stdlib.h>

FST_API fst_status probe_train(const fst_optimizer_options *options, int64_t count,
                               const fst__parameter *parameters, const float *const *gradients,
                               int64_t steps, fst_optimizer_report *reports);
FST_API const char *probe_error(void);
FST_API fst_status probe_schedule(const fst_schedule_options *options, int64_t steps,
                                  double *rates);

const char *probe_error(void)
{
    return fst__error_text();
}

static void copy_gradients(int64_t count, const fst__parameter *parameters,
                           const float *const *gradients)
{
    for (int64_t i = 0; i < count; ++i)
        for (int64_t j = 0; j < parameters[i].rows * parameters[i].columns; ++j)
            parameters[i].gradient[j] = gradients[i][j];
}

/* gradients [steps · count]; reports [steps]. */
fst_status probe_train(const fst_optimizer_options *options, int64_t count,
                       const fst__parameter *parameters, const float *const *gradients,
                       int64_t steps, fst_optimizer_report *reports)
{
    fst__allocator allocator = {0};
    fst__pool *pool = NULL;
    fst__compute *compute = NULL;
    fst__optimizer *optimizer = NULL;
    fst_status status = fst__pool_create(&allocator, 2, &pool);
    if (!status)
        status = fst__compute_create(&allocator, pool, FST_PROVIDER_CBLAS, &compute);
    if (!status)
        status = fst__optimizer_create(&allocator, parameters, count, options, &optimizer);
    for (int64_t step = 0; step < steps && !status; ++step) {
        copy_gradients(count, parameters, gradients + step * count);
        status = fst__optimizer_step(optimizer, compute, NULL, &reports[step]);
    }
    fst__optimizer_destroy(optimizer);
    fst__compute_destroy(&allocator, compute);
    fst__pool_destroy(pool);
    return status;
}

fst_status probe_schedule(const fst_schedule_options *options, int64_t steps, double *rates)
{
    fst_status status = fst__schedule_check(options);
    for (int64_t step = 0; step < steps && !status; ++step)
        rates[step] = fst__schedule_rate(options, step);
    return status;
}
