/*
 * What a policy did, and what was computed from it: trajectories of steps, each with the reward, the
 * value and the log-probability of its action. Nothing here knows what an action is; text's trajectories
 * stand one behind the other and differ in length, those of environments stand side by side.
 */
#ifndef FST_STAGES_RL_ROLLOUT_H
#define FST_STAGES_RL_ROLLOUT_H

#include "base/alloc.h"
#include "fourstage/objectives.h"
#include "stages/checkpoint.h"
#include "tensor/real.h"

#include <stdbool.h>

typedef struct fst__rollout {
    fst__allocator *allocator;
    int64_t trajectories, capacity; /* N; steps that fit */
    fst_trajectories layout;
    int64_t *offsets, *lengths;     /* [N] where each begins, and its steps; not used side by side */
    /* [capacity] by step */
    fst__real *log_probabilities; /* of the policy that acted, as training computes them */
    fst__real *references;        /* under the reference */
    fst__real *values, *rewards, *advantages, *returns;
    fst__real *scores; /* [N] of whole trajectories */
    void *block;
} fst__rollout;

fst_status fst__rollout_create(fst__allocator *allocator, int64_t trajectories, int64_t capacity,
                               fst__rollout *out);
void fst__rollout_destroy(fst__rollout *rollout); /* takes one that is all zero */

/* Trajectories of so many steps each side by side, time-major [steps, trajectories], which fill the
 * capacity; without this they stand one behind the other, by offsets and lengths. */
void fst__rollout_lay_beside(fst__rollout *rollout, int64_t steps);

int64_t fst__rollout_bytes(const fst__rollout *rollout);

/* All steps become zero: what stands behind the last one is saved too. Offsets, lengths and scores stay. */
void fst__rollout_clear(fst__rollout *rollout);

/* Every step of every trajectory gets the same advantage. */
void fst__rollout_spread(fst__rollout *rollout, const fst__real *advantages);

/* Mean 0, deviation 1 over all steps. */
fst_status fst__rollout_whiten(fst__rollout *rollout);

/* 1 − Var(return − value)/Var(return); NaN where all returns are equal. */
double fst__rollout_explained_variance(const fst__rollout *rollout);

/* The first `steps` of the arrays: what updates need, once advantages are `estimated`, or what
 * advantages are estimated from. */
void fst__rollout_visit(fst__rollout *rollout, fst__visitor *visitor, int64_t steps, bool estimated);

#endif
