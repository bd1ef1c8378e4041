/* A head that learns labels: batches of examples, the objective, the evaluation. */
#ifndef FST_STAGES_SFT_LABELLED_H
#define FST_STAGES_SFT_LABELLED_H

#include "data/augment.h"
#include "data/examples.h"
#include "model/heads.h"
#include "stages/objectives/objectives.h"
#include "stages/sft/sft.h"

/* Metrics, behind those that every run has. */
typedef enum fst__labelled_metric {
    FST__LABELLED_ACCURACY = FST__METRIC_OWN,
    FST__LABELLED_LANGUAGE_LOSS,
    FST__LABELLED_CLIP_FACTOR,
    FST__LABELLED_LABELS,
    FST__LABELLED_TOKENS,
    FST__LABELLED_EPOCH,
    FST__LABELLED_SPIKES,
    FST__LABELLED_ROLLBACKS,
    FST__LABELLED_VALIDATION_ACCURACY,
    FST__LABELLED_VALIDATION_F1_MACRO,
    FST__LABELLED_VALIDATION_F1_MICRO,
    FST__LABELLED_VALIDATION_MCC,
    FST__LABELLED_VALIDATION_SUBSET_ACCURACY,
    FST__LABELLED_VALIDATION_RMSE,
    FST__LABELLED_VALIDATION_MAE,
    FST__LABELLED_VALIDATION_PEARSON,
    FST__LABELLED_VALIDATION_SPEARMAN,
    FST__LABELLED_VALIDATION_TOP5_ACCURACY,
    FST__LABELLED_METRICS_END,
} fst__labelled_metric;

/* ---- batch.c: examples through the model */

typedef struct fst__labelled_batch {
    int64_t rows, length; /* length: of the longest sequence */
    int64_t *indices;     /* [rows] examples */
    int32_t *ids;         /* [rows, length] */
    int32_t *lengths;     /* [rows] */
    int32_t *types;       /* [rows, length] token types; NULL: the model has one type */
    int32_t *targets;     /* [rows, length] the ids that follow, all of them; NULL: not wanted */
    fst__augmenter *augmenter; /* of images, which have none of the three above; else NULL */
    float *images;             /* [rows, channels, height, width] */
} fst__labelled_batch;

/* Close takes one that is all zero. *bytes: what it took; may be NULL. */
fst_status fst__labelled_batch_open(fst__labelled_batch *batch, fst__allocator *allocator,
                                    int64_t rows, int64_t length, bool targets, int64_t *bytes);
/* The same for images as `dataset` has them; `name` of the augmentation's options in errors. */
fst_status fst__labelled_batch_open_images(fst__labelled_batch *batch, const fst_dataset *dataset,
                                           int64_t rows, const fst_augment_options *augment,
                                           const char *name, int64_t *bytes);
/* Token types too, where the model has more than one; adds to *bytes, which may be NULL. */
fst_status fst__labelled_batch_want_types(fst__labelled_batch *batch, fst__allocator *allocator,
                                          const fst_model *model, int64_t *bytes);
void fst__labelled_batch_close(fst__labelled_batch *batch, fst__allocator *allocator);

/* The examples of `indices` through the model; the head's outputs [rows, K], borrowed until the next
 * forward or backward. In training image b is augmented with draw step·rows + b. */
fst_status fst__labelled_batch_run(fst__labelled_batch *batch, fst_model *model,
                                   const fst__head *head, const fst_dataset *dataset, bool training,
                                   int64_t step, const fst__real **outputs);
/* Ids of the examples in `indices` that follow another one, before a run. */
int64_t fst__labelled_batch_targets(const fst__labelled_batch *batch, const fst_dataset *dataset);
/* Ids of the examples in the batch, without padding; images count as one each. */
int64_t fst__labelled_batch_tokens(const fst__labelled_batch *batch);

/* Examples [from, end) of the dataset, evaluated in the dataset's order; outputs [end − from, K]. */
fst_status fst__labelled_predict(fst__labelled_batch *batch, fst_model *model,
                                 const fst__head *head, const fst_dataset *dataset, int64_t from,
                                 int64_t end, fst__real *outputs);

/* The sequence head of that name, for a dataset of examples that fits the model. `names`: of model,
 * head and data in errors. */
fst_status fst__labelled_find_head(fst_model *model, const char *name, const char *what,
                                   fst__head **head);
fst_status fst__labelled_check_data(const fst_model *model, const fst_dataset *dataset,
                                    const char *what);

/* ---- labelled.c: the run */

/* Sums over the micro-batches of the present step that are done; saved with a checkpoint. */
typedef struct fst__labelled_sums {
    double loss; /* divided by the step's divisor already */
    double language; /* by the step's targets likewise */
    int64_t labels, right, tokens;
} fst__labelled_sums;

typedef struct fst__labelled {
    fst__steps steps;     /* first */
    fst_context *context; /* the model's, which `steps` holds */
    fst_dataset *train, *validation; /* held; validation may be NULL */
    fst__head *head;                 /* the model's */
    fst_sft_options options;         /* pointers in it are those here */
    double *class_weights;           /* [K] or NULL */
    fst_label_loss_options loss;
    int32_t objective; /* not AUTO */
    int64_t outputs, label_count, evaluated_examples;
    int64_t activation_bytes, data_bytes;

    fst__labelled_batch batch;
    fst__real *labels, *weights, *gradient; /* [rows, label_count], [rows, label_count], [rows, K] */

    /* Of evaluations. */
    fst__real *predictions, *truths; /* [examples, K], [examples, label_count] */
    fst__real *scratch;              /* MSE: of the correlations */
    int64_t *confusion;              /* CROSS_ENTROPY, BINARY */
    bool evaluated;                  /* `confusion` is filled */

    double step_targets; /* of the language of the present step; known with its divisor */
    fst__labelled_sums sums;
} fst__labelled;

static inline fst__labelled *fst__labelled_of(const fst_run *run)
{
    return run->state;
}

extern const fst__stage fst__labelled_stage;
fst_status fst__labelled_create(const fst_sft_options *options, const fst_run_options *run_options,
                                fst_run **out);
/* How many counts `confusion` has; 0 for MSE. */
int64_t fst__labelled_confusion_count(const fst__labelled *labelled);

/* check.c: objective resolved, head found, labels looked at; *length: to plan for. */
fst_status fst__labelled_check(const fst_sft_options *options, const fst_run_options *run_options,
                               fst__head **head, int32_t *objective, int64_t *length);

/* step.c, evaluate.c */
extern const fst__steps_work fst__labelled_work;
fst_status fst__labelled_evaluate(fst_run *run, double *score);
/* Labels of an example, one behind the other; the dataset's own numbers. */
void fst__labelled_copy_labels(const fst_dataset *dataset, int64_t example, fst__real *labels);
/* The objective over `count` examples; weights NULL: the mean. */
fst_status fst__labelled_objective(const fst__labelled *labelled,
                                   const fst_label_loss_options *options,
                                   const fst__real *outputs, const fst__real *labels,
                                   const fst__real *weights, int64_t count, fst__real *gradient,
                                   fst_score_loss *result);

#endif
