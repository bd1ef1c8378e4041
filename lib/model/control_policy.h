/*
 * A policy that acts in environments: spaces, a model with the heads "policy" [n, K] and "value"
 * [n, 1], for Box actions "log_std" (a constant [1, K]), statistics of observations.
 *
 * An observation that is kept for later – in a rollout, in a transformer's window – is a *row* of
 * fst__control_row_bytes bytes:
 *
 *   Box of float32    float [elements], normalised as at the moment of encoding
 *   everything else   its own bytes; scaled and made one-hot only when the model reads them
 *
 * so that a buffer of images costs one byte a pixel. Rows begin at addresses that are multiples of 4.
 */
#ifndef FST_MODEL_CONTROL_POLICY_H
#define FST_MODEL_CONTROL_POLICY_H

#include "fourstage/control_policy.h"
#include "model/model.h"
#include "nn/distribution.h"

/* Of each element, updated in parallel form. */
typedef struct fst__running_statistics {
    double count;
    double *mean, *variance; /* [size] */
    int64_t size;            /* 0: nothing is normalised */
} fst__running_statistics;

/* Past observations of a number of actors. Plain arrays: a checkpoint may hold them. */
typedef struct fst__control_history {
    fst__allocator *allocator;
    int64_t count, window;
    size_t row_bytes;
    unsigned char *rows; /* [count, window, row_bytes], oldest first */
    int32_t *lengths;    /* [count] rows that hold; 0: nothing yet */
} fst__control_history;

typedef struct fst__control_block {
    void *data;
    size_t bytes;
} fst__control_block;

typedef struct fst__control_policy {
    fst_space observations, actions; /* with arrays of their own */
    fst__distribution distribution;  /* over `actions` */
    fst_control_policy_options options; /* spaces and model NULL; else as resolved */
    int64_t inputs;                  /* features of an observation as the model reads it */
    size_t row_bytes, action_bytes;
    int64_t choices;                 /* of a mask; 0: no masks */
    bool images;                     /* the model reads fst_batch.images */
    fst__running_statistics statistics;

    fst__control_history history; /* of fst_policy_act; count 0: none yet */
    fst__control_block encoded;   /* rows of the public functions */
    fst__control_block input;     /* [count, window, inputs] floats as the model reads them */

    /* What backward needs of the training forward before it. */
    fst__control_block kept_actions, kept_masks;
    fst__buffer d_parameters, d_log_std; /* [count, K], [K] */
    fst__distribution_rows pending;      /* count 0: none. Into the model's outputs and kept_masks */
    int64_t forwards, pending_step;      /* the model's step tells its forward from others: it is negative */
} fst__control_policy;

/* Of a policy that is one of these; `function` begins the error's text. */
fst_status fst__control_check(const fst_policy *policy, const char *function);

fst_control_policy_options fst__control_policy_defaults(void);
/* Options are overlaid, not validated. */
fst_status fst__control_create(fst_context *context, const fst_control_policy_options *options,
                               fst_policy **out);
/* With a model that has all the heads, which is retained; options as resolved. For those that load and
 * copy. */
fst_status fst__control_create_over(fst_model *model, const fst_control_policy_options *options,
                                    fst_policy **out);
/* All but the model. Takes NULL. */
void fst__control_destroy(fst__allocator *allocator, fst__control_policy *control);

bool fst__policy_is_control(const fst_policy *policy);
size_t fst__control_row_bytes(const fst_policy *policy);
int64_t fst__control_window(const fst_policy *policy); /* 1 unless a transformer */
const fst_space *fst__control_observation_space(const fst_policy *policy);
const fst_space *fst__control_action_space(const fst_policy *policy);
int64_t fst__control_choices(const fst_policy *policy);
/* May be written by who resumes. */
fst__running_statistics *fst__control_statistics(fst_policy *policy);

/* A past self, which shares nothing; and weights and statistics from one of the same make. */
fst_status fst__control_copy(const fst_policy *policy, fst_policy **copy);
fst_status fst__control_copy_state(fst_policy *policy, const fst_policy *from);

/* ---- control_network.c */

/* Resolves the options and makes or completes the model, which is retained for the caller. */
fst_status fst__control_network(fst_context *context, fst_control_policy_options *options,
                                const fst_space *observations,
                                const fst__distribution *distribution, fst_model **model);
/* That the model reads such observations and has the heads. */
fst_status fst__control_check_model(fst_model *model, const fst_space *observations,
                                    const fst__distribution *distribution, int64_t window);
int64_t fst__control_inputs(const fst_space *observations);

/* ---- control_observe.c */

/* observations [count] values of the space → rows [count, row_bytes], normalised as now.
 * FST_ERR_INVALID_ARGUMENT naming the row: not finite, or outside of its choices. */
fst_status fst__control_encode(const fst_policy *policy, const void *observations, int64_t count,
                               void *rows);
/* Rows as the model reads them, [count, inputs]. */
void fst__control_expand(const fst__control_policy *control, const void *rows, int64_t count,
                         float *input);
fst_status fst__control_update_normalizer(fst_policy *policy, const void *observations,
                                          int64_t count);

fst_status fst__control_history_create(fst__allocator *allocator, const fst_policy *policy,
                                       int64_t count, fst__control_history *history);
void fst__control_history_destroy(fst__control_history *history);
/* rows [count, row_bytes]; begins [count] or NULL: 1 forgets what was before. */
void fst__control_history_push(fst__control_history *history, const void *rows,
                               const uint8_t *begins);

/* ---- control_act.c */

/* Memory for acting with act_count rows and training steps of train_count; neither allocates then for
 * as many or fewer. 0: none of that kind. */
fst_status fst__control_reserve(fst_policy *policy, int64_t act_count, int64_t train_count);

/*
 * rows [count, window, row_bytes], the first lengths[i] of each window hold, the present observation
 * being the last of these; lengths NULL: all hold. masks [count, choices] or NULL. actions NULL: only
 * values. Options of the draw as in nn/distribution.h.
 */
fst_status fst__control_act(fst_policy *policy, const void *rows, const int32_t *lengths,
                            const uint8_t *masks, int64_t count, const fst__distribution_draw *draw,
                            void *actions, fst__real *log_probabilities, fst__real *values);

typedef struct fst__control_steps {
    const void *rows;
    const int32_t *lengths;
    const void *actions;
    const uint8_t *masks;
    int64_t count;
} fst__control_steps;

/* A forward, and what the actions are worth; each array [count] may be NULL. training: a backward may
 * follow, which needs nothing of `steps`. */
fst_status fst__control_evaluate(fst_policy *policy, const fst__control_steps *steps, bool training,
                                 fst__real *log_probabilities, fst__real *entropies,
                                 fst__real *values);
/* Gradients of the caller's objective [count], NULL: 0; adds to the model's gradients. */
fst_status fst__control_backward(fst_policy *policy, const fst__real *d_log_probabilities,
                                 const fst__real *d_entropies, const fst__real *d_values);

/* fst_policy_act; options are overlaid and checked. */
fst_status fst__control_act_on(fst_policy *policy, const void *observations, int64_t count,
                               const fst_act_options *options, void *actions,
                               fst__real *log_probabilities, fst__real *values);
fst_status fst__control_evaluate_batch(fst_policy *policy, const fst_action_batch *batch,
                                       fst__real *log_probabilities, fst__real *entropies,
                                       fst__real *values);

/* ---- control_file.c */

fst_status fst__control_save(const fst_policy *policy, const char *path);
fst_status fst__control_load(fst_context *context, const char *path, fst_policy **out);

#endif
