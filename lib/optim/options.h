/* What the options say about each parameter. */
#ifndef FST_OPTIM_OPTIONS_H
#define FST_OPTIM_OPTIONS_H

#include "optim/optimizer.h"

fst_status fst__optimizer_check(const fst_optimizer_options *options);

/* The schedule that the optimizer's options describe. */
fst_schedule_options fst__optimizer_schedule(const fst_optimizer_options *options);

/* Factors of learning rate and weight decay of the first group whose pattern matches; 1 if none. */
void fst__optimizer_group(const fst_optimizer_options *options, const char *name,
                          double *learning_rate, double *weight_decay);

#endif
