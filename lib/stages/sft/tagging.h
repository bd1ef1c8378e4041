/* A token head that learns the classes of ids: words with tags. */
#ifndef FST_STAGES_SFT_TAGGING_H
#define FST_STAGES_SFT_TAGGING_H

#include "stages/entities/entities.h"
#include "stages/sft/labelled.h"

/* Metrics, behind those that every run has. */
typedef enum fst__tagging_metric {
    FST__TAGGING_ACCURACY = FST__METRIC_OWN,
    FST__TAGGING_CLIP_FACTOR,
    FST__TAGGING_LABELS,
    FST__TAGGING_TOKENS,
    FST__TAGGING_EPOCH,
    FST__TAGGING_SPIKES,
    FST__TAGGING_ROLLBACKS,
    FST__TAGGING_VALIDATION_ACCURACY,
    FST__TAGGING_VALIDATION_F1,
    FST__TAGGING_VALIDATION_PRECISION,
    FST__TAGGING_VALIDATION_RECALL,
    FST__TAGGING_VALIDATION_F1_STRICT,
    FST__TAGGING_VALIDATION_PRECISION_STRICT,
    FST__TAGGING_VALIDATION_RECALL_STRICT,
    FST__TAGGING_METRICS_END,
} fst__tagging_metric;

/* Sums over the micro-batches of the present step that are done; saved with a checkpoint. */
typedef struct fst__tagging_sums {
    double loss; /* divided by the step's divisor already */
    int64_t labels, right, tokens;
} fst__tagging_sums;

typedef struct fst__tagging {
    fst__steps steps;     /* first */
    fst_context *context; /* the model's, which `steps` holds */
    fst_dataset *train, *validation; /* held; validation may be NULL */
    fst__head *head;                 /* the model's */
    fst_sft_options options;         /* pointers in it are those here */
    double *class_weights;           /* [K] or NULL */
    fst_label_loss_options loss;
    int64_t classes, evaluated_examples;
    int64_t activation_bytes, data_bytes;

    fst__labelled_batch batch;
    fst__real *labels, *weights, *gradient; /* [rows·length], [rows·length], [rows·length, K] */

    /* Of evaluations. */
    int32_t *told;            /* [words] class that each was taken for; −1: none */
    int32_t *sequence;        /* [2, longest sentence] true and told classes of one */
    int64_t *confusion;       /* [K, K] */
    fst_entities *entities[2]; /* leniently, strictly; NULL: the tags name no entities, or no such scheme */
    bool evaluated;

    fst__tagging_sums sums;
} fst__tagging;

static inline fst__tagging *fst__tagging_of(const fst_run *run)
{
    return run->state;
}

static inline const fst__words *fst__words_of(const fst_dataset *dataset)
{
    return dataset->documents->tokens->words;
}

extern const fst__stage fst__tagging_stage;
fst_status fst__tagging_create(const fst_sft_options *options, const fst_run_options *run_options,
                               fst_run **out);

/* tagging_check.c: head found, options and tags looked at; *length: to plan for. */
fst_status fst__tagging_check(const fst_sft_options *options, const fst_run_options *run_options,
                              fst__head **head, int64_t *length);
fst_status fst__tagging_find_head(fst_model *model, const char *name, const char *what,
                                  fst__head **head);

/* tagging_step.c, tagging_evaluate.c */
extern const fst__steps_work fst__tagging_work;
/* Classes of the batch's rows as labels, NaN where there is none; how many there are. */
int64_t fst__tagging_labels(const fst__labelled_batch *batch, const fst_dataset *dataset,
                            int64_t rows, int64_t length, fst__real *labels);
fst_status fst__tagging_evaluate(fst_run *run, double *score);

#endif
