/* The C half of parity_overhead.py: training steps on handles that Python made, timed one by one. */
#include "fourstage/model.h"
#include "fourstage/optimizer.h"

#include <time.h>

FST_API fst_status overhead_steps(fst_model *model, fst_optimizer *optimizer, const fst_batch *batch,
                                  int64_t count, double *seconds);

FST_API fst_status overhead_steps(fst_model *model, fst_optimizer *optimizer, const fst_batch *batch,
                                  int64_t count, double *seconds)
{
    for (int64_t i = 0; i < count; ++i) {
        struct timespec begin, end;
        fst_loss loss;
        fst_optimizer_report report;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        fst_status status = fst_model_forward(model, batch, NULL);
        if (!status)
            status = fst_model_loss(model, NULL, &loss, sizeof loss);
        if (!status)
            status = fst_model_backward(model, NULL, NULL);
        if (!status)
            status = fst_optimizer_step(optimizer, &report, sizeof report);
        clock_gettime(CLOCK_MONOTONIC, &end);
        if (status)
            return status;
        seconds[i] = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    }
    return FST_OK;
}
