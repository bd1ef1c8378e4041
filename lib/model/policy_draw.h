/* The tokens that follow one forward, drawn by all workers: on small models drawing takes as long
 * as the forward. */
#ifndef FST_MODEL_POLICY_DRAW_H
#define FST_MODEL_POLICY_DRAW_H

#include "model/policy.h"

/*
 * Draws a token for each of policy->draws [count]; its id, log-probability and list go behind those
 * its sequence has, whose count stays as it is. Each token is a function of its own sequence alone.
 */
fst_status fst__policy_draw(fst_policy *policy, int64_t count, const fst_sampling_options *options);

#endif
