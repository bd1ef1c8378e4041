/* Stage three: heads learn to score answers, from preferences or from human labels. */
#ifndef FST_STAGES_REWARD_REWARD_H
#define FST_STAGES_REWARD_REWARD_H

#include "data/examples.h"
#include "fourstage/reward.h"
#include "model/heads.h"
#include "stages/objectives/objectives.h"
#include "stages/steps.h"

enum { FST__ASPECTS_MOST = 8, FST__LEVELS_MOST = 64, FST__EVALUATED_PAIRS = 256 };

/* The metrics of both kinds, behind those that every run has. */
typedef enum fst__reward_metric {
    FST__REWARD_CLIP_FACTOR = FST__METRIC_OWN,
    FST__REWARD_TOKENS,
    FST__REWARD_EPOCH,
    FST__REWARD_SPIKES,
    FST__REWARD_ROLLBACKS,
    FST__REWARD_METRICS_END,
} fst__reward_metric;

/* Those of preferences. */
typedef enum fst__pairs_metric {
    FST__PAIRS_CENTERING = FST__REWARD_METRICS_END,
    FST__PAIRS_ACCURACY,
    FST__PAIRS_MARGIN,
    FST__PAIRS_MEAN,
    FST__PAIRS_MIN,
    FST__PAIRS_MAX,
    FST__PAIRS_VALIDATION_ACCURACY,
    FST__PAIRS_VALIDATION_MARGIN,
    FST__PAIRS_VALIDATION_MEAN,
    FST__PAIRS_VALIDATION_MIN,
    FST__PAIRS_VALIDATION_MAX,
    FST__PAIRS_VALIDATION_LENGTH_BASELINE,
    FST__PAIRS_VALIDATION_CALIBRATION,
    FST__PAIRS_METRICS_END,
} fst__pairs_metric;

/* Those of labelled texts; the last four are rows of FST__ASPECTS_MOST. */
typedef enum fst__graded_metric {
    FST__GRADED_LABELS = FST__REWARD_METRICS_END,
    FST__GRADED_PEARSON,
    FST__GRADED_SPEARMAN = FST__GRADED_PEARSON + FST__ASPECTS_MOST,
    FST__GRADED_ERROR = FST__GRADED_SPEARMAN + FST__ASPECTS_MOST,
    FST__GRADED_BASELINE = FST__GRADED_ERROR + FST__ASPECTS_MOST,
    FST__GRADED_METRICS_END = FST__GRADED_BASELINE + FST__ASPECTS_MOST,
} fst__graded_metric;

/* What is told of a text. */
typedef struct fst__aspect {
    int32_t loss, levels; /* FST_ASPECT_ value; levels 0 unless ordinal */
    double weight;
    int64_t column, outputs; /* of a row of scores */
    double mean;             /* of the training data's labels; NaN: all are missing */
} fst__aspect;

typedef struct fst__reward_head {
    const fst__head *head; /* the model's; heads are not removed */
    int64_t column;        /* its first of a row of scores */
} fst__reward_head;

/* Over the micro-batches of the present step that are done; all doubles, see state.c. */
typedef struct fst__reward_sums {
    double loss, centering;
    double pairs, accuracy, margin; /* the last two summed over pairs */
    double scores, score_sum, score_min, score_max;
    double labels, tokens;
} fst__reward_sums;
enum { FST__REWARD_SUMS = 11 };

/* A sequence of a dataset, to be scored. */
typedef struct fst__sequence_place {
    int64_t example, sequence, length;
} fst__sequence_place;

typedef struct fst__reward {
    fst__steps steps;     /* first */
    fst_context *context; /* the model's, which `steps` holds */
    fst_dataset *train, *validation; /* held; validation may be NULL */
    fst_examples_info train_info, validation_info;
    fst_reward_options options; /* the arrays in it are the caller's and gone */
    fst__aspect aspects[FST__ASPECTS_MOST];
    int64_t aspect_count; /* 0: preferences */
    fst__reward_head heads[FST__ASPECTS_MOST];
    int64_t head_count, outputs; /* outputs of all heads: columns of a row of scores */
    int64_t sequences;           /* most of a forward */
    int64_t length;              /* of the longest sequence */
    int64_t activation_bytes;

    /* One block. S = sequences. */
    void *block;
    size_t block_bytes;
    int64_t *indices;  /* [rows·accumulation] examples of the step, by length */
    int64_t *offsets;  /* [rows + 1] first sequence of each example of the micro-batch */
    double *margins;   /* [rows] */
    int32_t *ids;      /* [S, length] */
    int32_t *lengths;  /* [S] */
    fst__real *scores, *gradient; /* [S, outputs] */
    fst__real *labels, *weights;  /* [max(rows, FST__EVALUATED_PAIRS)] of one aspect */
    fst__real *column, *slopes;   /* [the same, most outputs of an aspect] */
    double aspect_scale[FST__ASPECTS_MOST]; /* weight / labels of the step; 0: it has none */

    /* Of an evaluation or a shift; N = most sequences of a dataset. */
    fst__sequence_place *places; /* [N] by length */
    fst__real *all_scores;       /* [N, outputs] in the dataset's order */
    fst__real *ranking;          /* labelled: [N, 6] */

    fst__reward_sums sums; /* saved with a checkpoint */
} fst__reward;

static inline fst__reward *fst__reward_of(const fst_run *run)
{
    return run->state;
}

static inline bool fst__reward_graded(const fst__reward *reward)
{
    return reward->aspect_count > 0;
}

fst_reward_options fst__reward_defaults(void);

/* Both are overlaid. */
fst_status fst__reward_create(const fst_reward_options *options, const fst_run_options *run_options,
                              fst_run **out);

/* check.c: what the options and the data say, into a reward that is zero but for its options. */
fst_status fst__reward_check(fst__reward *reward);

/* batch.c: the micro-batch in hand. */
void fst__reward_order(fst__reward *reward);
void fst__reward_read(fst__reward *reward, fst_batch *batch);
/* The heads' outputs of the last forward into `scores` [rows, outputs]. */
fst_status fst__reward_outputs(fst__reward *reward, int64_t rows, fst__real *scores);
/* Forward for training, and backward from `gradient`. */
fst_status fst__reward_forward(fst__reward *reward, const fst_batch *batch);
fst_status fst__reward_backward(fst__reward *reward, int64_t rows);

/* step.c: what steps of both kinds share. `lose` takes the micro-batch's scores to `gradient` and adds
 * to the sums, which stay as they were if anything fails. */
fst_status fst__reward_micro_batch(fst_run *run, fst_status (*lose)(fst__reward *reward,
                                                                    fst__reward_sums *sums));
double fst__reward_loss(const fst_run *run);
/* All of fst__reward_metric, the rate and the norm; and counts the run's tokens. */
void fst__reward_close(fst_run *run, const fst_optimizer_report *report);

/* score.c: all sequences of the first `examples` into all_scores. Asks for cancelling if `run`. */
fst_status fst__reward_score_all(fst__reward *reward, const fst_dataset *dataset, int64_t examples,
                                 fst_run *run);

/* pairs.c, graded.c: a loss and its slopes, for a micro-batch and for an evaluation. */
fst_status fst__pairs_loss(const fst__real *scores, int64_t answers, double margin,
                           double centering, double weight, fst__real *gradient,
                           fst_score_loss *result);
fst_status fst__aspect_loss(const fst__aspect *aspect, double scale, const fst__real *column,
                            const fst__real *labels, int64_t count, fst__real *weights,
                            fst__real *slopes, fst_score_loss *result);
/* Labels of the aspect, or its pairs, among `count` labels. */
double fst__aspect_count(const fst__aspect *aspect, const fst__real *labels, int64_t count);

extern const fst__steps_work fst__pairs_work, fst__graded_work;

/* evaluate_pairs.c, evaluate_graded.c */
fst_status fst__pairs_evaluate(fst_run *run, double *score);
fst_status fst__graded_evaluate(fst_run *run, double *score);

/* shift.c */
fst_status fst__reward_shift(fst_run *run, bool scale, bool cancellable, double *mean,
                             double *deviation);
/* A member of the stage's table: a step, and after the run's last one the shift. */
fst_status fst__reward_advance(fst_run *run, fst__outcome *outcome);
bool fst__reward_is(const fst_run *run);

/* state.c */
void fst__reward_visit(fst_run *run, fst__visitor *visitor);

#endif
