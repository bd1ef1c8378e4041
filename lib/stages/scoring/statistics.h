/*
 * Mean and deviation of all numbers seen so far, batch by batch, in double (Chan, Golub and LeVeque,
 * "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
 */
#ifndef FST_STAGES_SCORING_STATISTICS_H
#define FST_STAGES_SCORING_STATISTICS_H

#include <stdint.h>

typedef struct fst__statistics {
    int64_t count;
    double mean;
    double squares; /* Σ (x − mean)² */
} fst__statistics;

void fst__statistics_add(fst__statistics *statistics, const float *values, int64_t count);
/* With n; 1 where it is 0 or nothing was seen. */
double fst__statistics_deviation(const fst__statistics *statistics);

#endif
