/*
 * The update of all parameters in one threaded pass. The parameters are plain arrays; this room
 * knows no model.
 */
#ifndef FST_OPTIM_OPTIMIZER_H
#define FST_OPTIM_OPTIMIZER_H

#include "fourstage/optimizer.h"
#include "kernels/compute.h"
#include "tensor/parameter.h"

typedef struct fst__optimizer fst__optimizer;

/* Defaults of the public options, for the api room. */
fst_optimizer_options fst__optimizer_defaults(void);

/* The parameters are copied (names too), their arrays are borrowed. Options are already overlaid;
 * values out of range are refused here. Frozen parameters are left out. */
fst_status fst__optimizer_create(fst__allocator *allocator, const fst__parameter *parameters,
                                 int64_t count, const fst_optimizer_options *options,
                                 fst__optimizer **out);
void fst__optimizer_destroy(fst__optimizer *optimizer); /* takes NULL */

/* As created with, less the groups, which were the caller's. Borrowed. */
const fst_optimizer_options *fst__optimizer_options(const fst__optimizer *optimizer);

/* How a step differs from the plain one. */
typedef struct fst__step_options {
    double gradient_scale; /* gradients are multiplied with it first: 1/tokens after an accumulation
                              of sums */
    double
        learning_rate; /* < 0: the schedule's; otherwise used instead of it, Muon's in proportion */
} fst__step_options;

/* options NULL: scale 1, the schedule's rate. report (may be NULL) is filled but for struct_size.
 */
fst_status fst__optimizer_step(fst__optimizer *optimizer, const fst__compute *compute,
                               const fst__step_options *options, fst_optimizer_report *report);

/* The norm alone, after gradient_scale, for a guard that decides before the update; the same bits
 * as the step's. FST_ERR_NUMERIC names the first parameter that is not finite. */
fst_status fst__optimizer_gradient_norm(fst__optimizer *optimizer, const fst__compute *compute,
                                        double gradient_scale, double *norm);

void fst__optimizer_zero_gradients(fst__optimizer *optimizer, const fst__compute *compute);

/* Peak rate of the schedule at `step`; step < 0: at the optimizer's own counter. */
double fst__optimizer_learning_rate(const fst__optimizer *optimizer, int64_t step);
int64_t fst__optimizer_steps(const fst__optimizer *optimizer);
void fst__optimizer_set_steps(fst__optimizer *optimizer, int64_t steps);

/*
 * The state a checkpoint holds, as named views of the live memory: "step" (I64, rank 0), then per
 * parameter "exp_avg.NAME", "exp_avg_sq.NAME" or "momentum_buffer.NAME", shaped as the parameter.
 * Writing into the views is how a checkpoint is read back. Names live as long as the optimizer.
 */
int64_t fst__optimizer_state_count(const fst__optimizer *optimizer);
void fst__optimizer_state(fst__optimizer *optimizer, int64_t index, const char **name,
                          fst_view *view);

/* Refuses what fst_schedule_options does not allow; fst__schedule_rate then never fails. */
fst_schedule_options fst__schedule_defaults(void);
fst_status fst__schedule_check(const fst_schedule_options *options);
double fst__schedule_rate(const fst_schedule_options *options, int64_t step);

#endif
