/* Stage one by comparison: views of examples, the loss over a batch of them, gradient caching. */
#ifndef FST_STAGES_CONTRASTIVE_CONTRASTIVE_H
#define FST_STAGES_CONTRASTIVE_CONTRASTIVE_H

#include "fourstage/contrastive.h"
#include "stages/embedding.h"
#include "stages/objectives/objectives.h"
#include "stages/steps.h"

/* Metrics, behind those that every run has. */
typedef enum fst__contrastive_metric {
    FST__CONTRASTIVE_ACCURACY = FST__METRIC_OWN,
    FST__CONTRASTIVE_ALIGNMENT,
    FST__CONTRASTIVE_UNIFORMITY,
    FST__CONTRASTIVE_CLIP_FACTOR,
    FST__CONTRASTIVE_TOKENS,
    FST__CONTRASTIVE_EPOCH,
    FST__CONTRASTIVE_SPIKES,
    FST__CONTRASTIVE_ROLLBACKS,
    FST__CONTRASTIVE_VALIDATION_ACCURACY,
    FST__CONTRASTIVE_VALIDATION_ALIGNMENT,
    FST__CONTRASTIVE_VALIDATION_UNIFORMITY,
    FST__CONTRASTIVE_VALIDATION_SPEARMAN,
    FST__CONTRASTIVE_VALIDATION_PEARSON,
    FST__CONTRASTIVE_METRICS_END,
} fst__contrastive_metric;

enum { FST__VIEWS_MOST = 3 };

/* Parameters that a training forward moves by itself, batch norm's running statistics, as they were. */
typedef struct fst__kept_buffers {
    fst__real *data; /* one behind the other; NULL: the model has none */
    int64_t count;
} fst__kept_buffers;

typedef struct fst__contrastive {
    fst__steps steps;     /* first */
    fst_context *context; /* the model's, which `steps` holds */
    fst_dataset *train, *validation; /* held; validation may be NULL */
    fst_contrastive_options options; /* resolved: nothing is AUTO or 0 that stands for something */
    fst_contrastive_loss_options loss;
    fst__embedding embedding; /* what the loss compares */
    fst__embedding trunk;     /* what validation by labels compares */
    int64_t views;            /* V of an example */
    int64_t chunks;           /* of a step */
    bool scored;              /* validation is by labels */
    int64_t evaluated_examples;
    int64_t activation_bytes, data_bytes;

    int64_t *indices;          /* [rows] examples of the step */
    fst__embed_batch batch;    /* [chunk·V] */
    fst__real *rows;           /* [chunk·V, D] of one chunk: embeddings, then their gradient */
    fst__real *z, *dz;         /* [V, rows, D] of the step */
    void *scratch;             /* of the loss, scratch_size bytes */
    size_t scratch_size;
    fst__kept_buffers kept;

    /* Of an evaluation by labels. */
    fst__real *sentences;      /* [2, examples, C] */
    fst__real *cosines, *truths, *ranks; /* [examples], [examples], [4·examples] */

    /* Of the last micro-batch, which is a step. */
    fst_contrastive_loss found;
    int64_t tokens;
} fst__contrastive;

static inline fst__contrastive *fst__contrastive_of(const fst_run *run)
{
    return run->state;
}

fst_contrastive_options fst__contrastive_defaults(void);
/* Both are overlaid. */
fst_status fst__contrastive_create(const fst_contrastive_options *options,
                                   const fst_run_options *run_options, fst_run **out);

/* check.c: options resolved, what follows from them; *length: to plan for. */
fst_status fst__contrastive_check(const fst_contrastive_options *options,
                                  const fst_run_options *run_options, fst__contrastive *out,
                                  int64_t *length);
fst__steps_options fst__contrastive_steps(const fst_contrastive_options *options);

/* buffers.c */
fst_status fst__kept_buffers_open(fst__kept_buffers *kept, const fst_model *model);
void fst__kept_buffers_take(fst__kept_buffers *kept, const fst_model *model);
void fst__kept_buffers_put_back(const fst__kept_buffers *kept, fst_model *model);
bool fst__has_batch_norm(const fst_model *model);

/* views.c */

/* How a chunk goes through the model. */
typedef struct fst__chunk_pass {
    const fst_dataset *dataset;
    const int64_t *indices; /* [rows] examples of the whole batch */
    int64_t rows, chunk;    /* examples of the batch; number of the chunk */
    bool training;
    int64_t step;           /* of the dropout */
    int64_t draw;           /* images: of the batch's first view */
} fst__chunk_pass;

/* Examples of a chunk. */
int64_t fst__chunk_examples(const fst__contrastive *c, int64_t rows, int64_t chunk);
/* Its views through the model, their embeddings [n·V, D] in c->rows. *tokens grows; may be NULL. */
fst_status fst__chunk_forward(fst__contrastive *c, const fst__chunk_pass *pass, int64_t *tokens);
/* c->rows into `z` [V, rows, D], and out of it. */
void fst__chunk_put(const fst__contrastive *c, const fst__chunk_pass *pass, fst__real *z);
void fst__chunk_take(const fst__contrastive *c, const fst__chunk_pass *pass, const fst__real *z);
/* Whether c->rows is what `z` has, bit for bit. */
bool fst__chunk_same(const fst__contrastive *c, const fst__chunk_pass *pass, const fst__real *z);
/* Over the embeddings in c->z; gradient: in c->dz. */
fst_status fst__contrastive_objective(fst__contrastive *c, int64_t rows, bool gradient,
                                      fst_contrastive_loss *found);

/* step.c, evaluate.c */
extern const fst__steps_work fst__contrastive_work;
fst_status fst__contrastive_evaluate(fst_run *run, double *score);

#endif
