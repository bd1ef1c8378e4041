/* From logits to a token and the log-probability it was drawn with. */
#ifndef FST_MODEL_SAMPLER_H
#define FST_MODEL_SAMPLER_H

#include "base/alloc.h"
#include "fourstage/policy.h"
#include "kernels/kernels.h"
#include "tensor/real.h"

typedef struct fst__candidate {
    double probability; /* not normalised */
    int32_t id;
} fst__candidate;

/* Scratch of one vocabulary's size; one sequence at a time. */
typedef struct fst__sampler {
    fst__allocator *allocator;
    const fst__kernels *kernels;
    int32_t vocabulary;
    fst__real *probabilities;   /* [vocabulary] not normalised, the largest 1 */
    double *sums;               /* [⌈vocabulary/chunk⌉] of the same */
    fst__candidate *candidates; /* [vocabulary] */
} fst__sampler;

fst_status fst__sampler_create(fst__allocator *allocator, const fst__kernels *kernels,
                               int32_t vocabulary, fst__sampler *out);
void fst__sampler_destroy(fst__sampler *sampler);

/* What has been said so far: counts[id] of the output, in_prompt[id] 0 or 1; NULL where no penalty
 * needs them. */
typedef struct fst__history {
    const int32_t *counts;
    const unsigned char *in_prompt;
} fst__history;

/*
 * logits [vocabulary] are overwritten. The draw is a function of (seed, index). record
 * [⌈vocabulary/8⌉] gets a bit for each id that could have been drawn; NULL: not wanted.
 * FST_ERR_NUMERIC for a NaN, and where nothing can be drawn.
 */
fst_status fst__sampler_draw(fst__sampler *sampler, const fst_sampling_options *options,
                             const fst__history *history, fst__real *logits, uint64_t seed,
                             uint64_t index, unsigned char *record, int32_t *id,
                             double *log_probability);

#endif
