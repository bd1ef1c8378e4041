/*
 * Predicting tokens over a packed dataset: the next ones, which pretraining and finetuning on
 * conversations share, or masked ones. The stage gives its name and its options.
 */
#ifndef FST_STAGES_LANGUAGE_LANGUAGE_H
#define FST_STAGES_LANGUAGE_LANGUAGE_H

#include "data/dataset.h"
#include "data/mask.h"
#include "stages/run.h"
#include "stages/steps.h"

/* Metrics, behind those that every run has. */
typedef enum fst__language_metric {
    FST__LANGUAGE_Z_LOSS = FST__METRIC_OWN,
    FST__LANGUAGE_PERPLEXITY,
    FST__LANGUAGE_ACCURACY,
    FST__LANGUAGE_CLIP_FACTOR,
    FST__LANGUAGE_TOKENS,
    FST__LANGUAGE_EPOCH,
    FST__LANGUAGE_SPIKES,
    FST__LANGUAGE_ROLLBACKS,
    FST__LANGUAGE_VALIDATION_PERPLEXITY,
    FST__LANGUAGE_VALIDATION_ACCURACY,
    FST__LANGUAGE_VALIDATION_BITS, /* last: masked runs have none */
    FST__LANGUAGE_METRICS_END,
} fst__language_metric;

enum { FST__LANGUAGE_METRICS = FST__LANGUAGE_METRICS_END - (int)FST__METRIC_OWN };
enum { FST__LANGUAGE_MASKED_METRICS = (int)FST__LANGUAGE_VALIDATION_BITS - (int)FST__METRIC_OWN };
extern const char *const fst__language_metrics[FST__LANGUAGE_METRICS];
extern const char *const fst__language_masked_metrics[FST__LANGUAGE_MASKED_METRICS];

typedef struct fst__language_options {
    const char *name; /* of the stage's options struct, for errors */
    fst_model *model;
    fst_optimizer *optimizer;               /* NULL: the defaults */
    const fst_dataset *train, *validation;  /* packed; validation may be NULL */
    int64_t rows, evaluation_rows;
    int32_t shuffle;
    double label_smoothing, z_loss;
    int32_t masked;        /* 1: masked tokens are predicted, 0: the next ones */
    fst_mask_options mask; /* flags: [the model's vocabulary], copied by create; no arrays of a batch */
    fst__steps_options steps;
} fst__language_options;

/* Sums over the micro-batches of the present step that are done; saved with a checkpoint. */
typedef struct fst__language_sums {
    double loss, z_loss;
    int64_t tokens, correct;
} fst__language_sums;

typedef struct fst__language {
    fst__steps steps;     /* first */
    fst_context *context; /* the model's, which `steps` holds */
    fst_dataset *train, *validation; /* held; validation may be NULL */
    fst_dataset_info train_info;
    fst__language_options options; /* its handles are those above */
    int64_t length;              /* of a row */
    int64_t activation_bytes;

    int32_t *ids, *targets, *positions, *documents; /* [rows, length], one block */
    int32_t *words, *lengths; /* [rows, length] and [rows], there too; masked only */
    uint8_t *flags;           /* ours; masked only */
    size_t data_bytes;
    fst__language_sums sums;
} fst__language;

static inline fst__language *fst__language_of(const fst_run *run)
{
    return run->state;
}

/* `stage`: a table made of the members below and of fst__steps's; its name is the prefix in
 * checkpoints. run_options are overlaid. */
fst_status fst__language_create(const fst__stage *stage, const fst__language_options *options,
                              const fst_run_options *run_options, fst_run **out);
fst_status fst__language_evaluate(fst_run *run, double *score);
void fst__language_visit(fst_run *run, fst__visitor *visitor);
void fst__language_memory(const fst_run *run, fst_memory *memory);
void fst__language_destroy(void *state); /* takes NULL */

/* step.c */
extern const fst__steps_work fst__language_work;
/* Rows of `dataset` from `row` on into the arrays, as a batch over them. Training has an order and
 * masks of its own for each epoch; otherwise rows stand as they are, and their masks never change. */
void fst__language_read(fst__language *language, const fst_dataset *dataset, int64_t row,
                        bool training, fst_batch *batch);

#endif
