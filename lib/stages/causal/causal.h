/*
 * Next-token prediction over a packed dataset: what pretraining and finetuning on conversations
 * share. The stage gives its name and its options.
 */
#ifndef FST_STAGES_CAUSAL_CAUSAL_H
#define FST_STAGES_CAUSAL_CAUSAL_H

#include "data/dataset.h"
#include "stages/run.h"
#include "stages/steps.h"

/* Metrics, behind those that every run has. */
typedef enum fst__causal_metric {
    FST__CAUSAL_Z_LOSS = FST__METRIC_OWN,
    FST__CAUSAL_PERPLEXITY,
    FST__CAUSAL_ACCURACY,
    FST__CAUSAL_CLIP_FACTOR,
    FST__CAUSAL_TOKENS,
    FST__CAUSAL_EPOCH,
    FST__CAUSAL_SPIKES,
    FST__CAUSAL_ROLLBACKS,
    FST__CAUSAL_VALIDATION_PERPLEXITY,
    FST__CAUSAL_VALIDATION_BITS,
    FST__CAUSAL_VALIDATION_ACCURACY,
    FST__CAUSAL_METRICS_END,
} fst__causal_metric;

enum { FST__CAUSAL_METRICS = FST__CAUSAL_METRICS_END - (int)FST__METRIC_OWN };
extern const char *const fst__causal_metrics[FST__CAUSAL_METRICS];

typedef struct fst__causal_options {
    const char *name; /* of the stage's options struct, for errors */
    fst_model *model;
    fst_optimizer *optimizer;               /* NULL: the defaults */
    const fst_dataset *train, *validation;  /* packed; validation may be NULL */
    int64_t rows, evaluation_rows;
    int32_t shuffle;
    double label_smoothing, z_loss;
    fst__steps_options steps;
} fst__causal_options;

/* Sums over the micro-batches of the present step that are done; saved with a checkpoint. */
typedef struct fst__causal_sums {
    double loss, z_loss;
    int64_t tokens, correct;
} fst__causal_sums;

typedef struct fst__causal {
    fst__steps steps;     /* first */
    fst_context *context; /* the model's, which `steps` holds */
    fst_dataset *train, *validation; /* held; validation may be NULL */
    fst_dataset_info train_info;
    fst__causal_options options; /* its handles are those above */
    int64_t length;              /* of a row */
    int64_t activation_bytes;

    int32_t *ids, *targets, *positions, *documents; /* [rows, length], one block */
    size_t data_bytes;
    fst__causal_sums sums;
} fst__causal;

static inline fst__causal *fst__causal_of(const fst_run *run)
{
    return run->state;
}

/* `stage`: a table made of the members below and of fst__steps's; its name is the prefix in
 * checkpoints. run_options are overlaid. */
fst_status fst__causal_create(const fst__stage *stage, const fst__causal_options *options,
                              const fst_run_options *run_options, fst_run **out);
fst_status fst__causal_evaluate(fst_run *run, double *score);
void fst__causal_visit(fst_run *run, fst__visitor *visitor);
void fst__causal_memory(const fst_run *run, fst_memory *memory);
void fst__causal_destroy(void *state); /* takes NULL */

/* step.c */
extern const fst__steps_work fst__causal_work;
/* Rows of `dataset` into the arrays, as a batch over them. */
void fst__causal_read(fst__causal *causal, const fst_dataset *dataset, int64_t row, bool shuffle,
                      fst_batch *batch);

#endif
