/* Lists the tensors of a class; for hugging_face_names.c and the encoders' list. */
#ifndef FST_MODEL_HUGGING_FACE_LISTING_H
#define FST_MODEL_HUGGING_FACE_LISTING_H

#include "model/hugging_face.h"

typedef struct fst__listing {
    fst__piece *pieces;
    int64_t count;
} fst__listing;

/* Names hold one # for the layer, or none. Those of a parameter that is NULL add nothing. */
void fst__list_whole(fst__listing *to, const char *name, int32_t layer, fst__parameter *parameter);
void fst__list_rows(fst__listing *to, const char *name, int32_t layer, fst__parameter *parameter,
                    int64_t first, int64_t rows);
/* What the class always has: zeros where this model has none. columns 0: a vector. */
void fst__list_or_zeros(fst__listing *to, const char *name, int32_t layer,
                        fst__parameter *parameter, int64_t rows, int64_t columns);
/* Three pieces of queries, keys and values. */
void fst__list_qkv(fst__listing *to, int32_t layer, const fst_model_config *config,
                   const char *const *names, fst__parameter *parameter);

#endif
