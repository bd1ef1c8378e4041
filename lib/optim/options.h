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

/* Blocks of the model, by its parameters' names "layers.L.…". */
int64_t fst__optimizer_layers(const fst__parameter *parameters, int64_t count);
/* layer_decay to the number of blocks from the top; "embedding.…" lies below all, the rest above. */
double fst__optimizer_layer_factor(const fst_optimizer_options *options, const char *name,
                                   int64_t layers);

#endif
