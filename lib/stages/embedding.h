/* From examples to embeddings: a batch of sequences, the model's forward, one vector for each. */
#ifndef FST_STAGES_EMBEDDING_H
#define FST_STAGES_EMBEDDING_H

#include "data/augment.h"
#include "data/images.h"
#include "fourstage/embed.h"
#include "model/heads.h"

/* What of a forward is the embedding. */
typedef struct fst__embedding {
    fst_model *model;
    fst__head *head; /* NULL: the hidden states, pooled */
    int32_t pooling;
    int64_t width;
} fst__embedding;

/* Fails where the model has no such head, or no such pooling; `what` names the options. */
fst_status fst__embedding_open(fst_model *model, const char *head, int32_t pooling,
                               const char *what, fst__embedding *out);
/* So that reading and gradients of so many rows allocate nothing. *bytes: what it took. */
fst_status fst__embedding_reserve(const fst__embedding *embedding, int64_t rows, int64_t *bytes);
/* Of the last forward, [rows, width]; and the way back, before its backward. */
fst_status fst__embedding_read(const fst__embedding *embedding, int64_t rows, fst__real *out);
fst_status fst__embedding_add_gradient(const fst__embedding *embedding, int64_t rows,
                                       fst__real *gradient);

/* Sequences, or images, on their way into the model. */
typedef struct fst__embed_batch {
    int64_t rows, length;         /* room */
    int64_t *examples, *sequences; /* [rows] which ones, filled by the caller */
    int32_t *ids, *lengths;        /* texts: [rows, length], [rows] */
    fst__augmenter *augmenter;     /* images; NULL: texts */
    float *images;                 /* [rows, channels, height, width] */
} fst__embed_batch;

/* For data as `dataset` has them; texts up to `length`, images as `augment` says (NULL: as they are; `name`
 * in errors). Close takes one that is all zero. *bytes grows by what it took. */
fst_status fst__embed_batch_open(fst__embed_batch *batch, const fst_dataset *dataset, int64_t rows,
                                 int64_t length, const fst_augment_options *augment,
                                 const char *name, int64_t *bytes);
void fst__embed_batch_close(fst__embed_batch *batch, fst__allocator *allocator);
/* How they go. */
typedef struct fst__embed_pass {
    const fst_dataset *dataset;
    bool training;
    int64_t step; /* of the dropout */
    int64_t draw; /* images: of the first row's augmentation */
} fst__embed_pass;

/* The first `rows` of it through the model. *tokens grows by their ids, or images; may be NULL. */
fst_status fst__embed_batch_forward(fst__embed_batch *batch, fst_model *model, int64_t rows,
                                    const fst__embed_pass *pass, int64_t *tokens);

/* Examples that go with the model; `what` names the dataset. */
fst_status fst__embed_check_data(const fst_model *model, const fst_dataset *dataset,
                                 const char *what);

fst_embed_options fst__embed_defaults(void);
/* Options are overlaid. */
fst_status fst__model_embed(fst_model *model, const fst_dataset *dataset,
                            const fst_embed_options *options, fst__real *embeddings,
                            int64_t capacity, int64_t *count);

#endif
