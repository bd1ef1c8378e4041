/*
 * Notices a step whose loss or gradient norm stands out from the steps before it. The statistics
 * are exponentially weighted mean and variance; a step that stood out does not enter them.
 */
#ifndef FST_OPTIM_SPIKE_GUARD_H
#define FST_OPTIM_SPIKE_GUARD_H

#include <stdint.h>

typedef enum fst__spike_action {
    FST__SPIKE_NONE = 0,      /* go on */
    FST__SPIKE_SKIP = 1,      /* leave the update out */
    FST__SPIKE_ROLL_BACK = 2, /* too many in a row: go back to the last checkpoint */
} fst__spike_action;

typedef struct fst__spike_options {
    double loss_z;          /* deviations above the mean that are a spike; 0: loss is not watched */
    double gradient_norm_z; /* the same for the gradient norm */
    double decay;           /* weight of the past in mean and variance, e.g. 0.98: about 50 steps */
    int64_t warmup_steps;   /* steps that only fill the statistics */
    int64_t patience;       /* spikes in a row before a roll back; 0: never */
} fst__spike_options;

/* Fixed layout: a checkpoint stores it as FST__SPIKE_STATE_DOUBLES doubles. */
typedef struct fst__spike_state {
    double steps, consecutive;
    double loss_mean, loss_variance;
    double norm_mean, norm_variance;
} fst__spike_state;

enum { FST__SPIKE_STATE_DOUBLES = 6 };

typedef struct fst__spike_guard {
    fst__spike_options options;
    fst__spike_state state;
} fst__spike_guard;

fst__spike_options fst__spike_defaults(void); /* both z-scores 0: off */

/* Takes a step's loss and gradient norm (either may be NaN or infinite: a spike once watched) and
 * says what to do with it. *loss_z and *norm_z (may be NULL): how far each stands out. */
fst__spike_action fst__spike_observe(fst__spike_guard *guard, double loss, double gradient_norm,
                                     double *loss_z, double *norm_z);

#endif
