/* How embeddings lie on the sphere, and who is next to whom: by blocks of rows, whose similarities are
 * one product each. */
#ifndef FST_STAGES_SPREAD_H
#define FST_STAGES_SPREAD_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "tensor/real.h"

/* Scales rows to length 1 in place; one of zeros stays. FST_ERR_NUMERIC names a row that is not
 * finite. */
fst_status fst__unit_rows(const fst__compute *compute, fst__real *x, int64_t rows, int64_t width);

/* Of rows of length 1: ln of the mean of exp(−2‖a − b‖²) over all pairs of different rows; NaN for
 * one row. */
size_t fst__uniformity_scratch(int64_t rows);
fst_status fst__uniformity(const fst__compute *compute, const fst__real *x, int64_t rows,
                           int64_t width, fst__arena *scratch, double *uniformity);

/* Classes of queries by their neighbours; all rows of length 1. See fst_metrics_knn, whose arguments are
 * checked. */
typedef struct fst__neighbours {
    const fst__real *known, *queries;
    const int32_t *labels;
    int64_t examples, query_count, width, classes, k;
    double temperature;
} fst__neighbours;

size_t fst__neighbours_scratch(const fst__neighbours *neighbours, const fst__compute *compute);
fst_status fst__neighbours_vote(const fst__compute *compute, const fst__neighbours *neighbours,
                                fst__arena *scratch, int32_t *predictions);

#endif
