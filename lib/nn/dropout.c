#include "nn/dropout.h"

#include <string.h>

void fst__dropout_row(const fst__kernels *kernels, const fst__dropout *dropout, uint64_t offset,
                      const fst__real *x, fst__real *y, int64_t n)
{
    /* The copy also brings the row into cache at full speed. Between the loads of the kernel lies
     * so much computing that the processor does not find them early enough by itself. */
    if (y != x)
        memcpy(y, x, (size_t)n * sizeof *y);
    if (!fst__dropout_on(dropout))
        return;
    double probability = (double)dropout->probability;
    double limit = probability * 0x1p32 + 0.5;
    uint32_t threshold = limit < 0x1p32 - 1 ? (uint32_t)limit : UINT32_MAX;
    kernels->dropout(dropout->seed, dropout->step, dropout->first_index + offset, threshold,
                     (fst__real)(1 / (1 - probability)), y, y, n);
}
