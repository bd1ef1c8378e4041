/* The weights of a backbone: one block of memory, named pieces of it, and each layer's share. */
#ifndef FST_MODEL_PARAMETERS_H
#define FST_MODEL_PARAMETERS_H

#include "base/alloc.h"
#include "fourstage/model.h"
#include "kernels/compute.h"
#include "tensor/matrix.h"
#include "tensor/parameter.h"

#include <stdbool.h>

/* Weights of one block; NULL where the architecture has none. Matrices are [out, in]. */
typedef struct fst__layer {
    fst__parameter *attention_norm_weight, *attention_norm_bias; /* [C] */
    fst__parameter *qkv_weight, *qkv_bias;                       /* [(H+2K)·D, C]: q, k, v */
    fst__parameter *query_norm_weight, *key_norm_weight;         /* [D] */
    fst__parameter *output_weight, *output_bias;                 /* [C, H·D] */
    fst__parameter *mlp_norm_weight, *mlp_norm_bias;             /* [C] */
    fst__parameter *up_weight, *up_bias;                         /* [I, C]; gated: [2I, C], gate first */
    fst__parameter *down_weight, *down_bias;                     /* [C, I] */
} fst__layer;

enum { FST__PARAMETER_NAME_SIZE = 64 };

typedef struct fst__parameters {
    fst__allocator *allocator;
    fst__parameter *items; /* never move; those behind the backbone's do when one before them goes */
    int64_t count, capacity;
    int64_t backbone; /* the first that many are in the block; the others have memory of their own */
    fst__layer *layers;
    fst__parameter *token_embedding;    /* [V, C]; NULL for images, as head_weight */
    fst__parameter *patch_weight, *patch_bias; /* [C, channels·patch²], [C]; of vectors [C, inputs]; NULL for text */
    fst__parameter *class_token;               /* [1, C]; NULL for text */
    fst__parameter *position_embedding; /* [context + position_offset, C] or NULL */
    fst__parameter *type_embedding;     /* [token_types, C] or NULL */
    fst__parameter *embedding_norm_weight, *embedding_norm_bias; /* [C] or NULL */
    fst__parameter *norm_weight, *norm_bias;                     /* [C]; NULL with post_norm */
    fst__parameter *pooler_weight, *pooler_bias;                 /* [C, C], [C] or NULL */
    fst__parameter *head_transform_weight, *head_transform_bias; /* [C, C], [C] or NULL */
    fst__parameter *head_norm_weight, *head_norm_bias;           /* [C] or NULL */
    fst__parameter *head_weight; /* [V, C]; the token embedding if tied */
    fst__parameter *head_bias;   /* [V] or NULL */
    int64_t elements;            /* of the block, padding included */
    fst__real *values;
    fst__real *gradients; /* of all that are not frozen; NULL until asked for */
    int64_t gradient_elements;
    uint16_t *working;    /* bfloat16 copies of the matrices, or NULL */
    char *names;
} fst__parameters;

/* Elements that the backbone's take, padding included, without taking them. Of a resolved config. */
fst_status fst__parameters_count(fst__allocator *allocator, const fst_model_config *config,
                                 int64_t *elements);

/* Lays out and takes the memory; values are zero. */
fst_status fst__parameters_create(fst__allocator *allocator, const fst_model_config *config,
                                  int32_t dtype, fst__parameters *out);
void fst__parameters_destroy(fst__parameters *parameters);

/* GPT-2's initialisation; a function of (seed, parameter's position, element). Fails only for lack of
 * memory. */
fst_status fst__parameters_initialise(fst__parameters *parameters, const fst__compute *compute,
                                const fst_model_config *config, uint64_t seed);

/* Takes the gradients' memory, zeroed, if that was not done yet. A frozen parameter has none. */
fst_status fst__parameters_want_gradients(fst__parameters *parameters);

/*
 * What comes and goes after the backbone: heads, adapters. All of these give up the gradients'
 * memory, so nobody may hold on to it (optimizers do; see fst_model.optimizers).
 */

/* Adds one of zeros behind the others, its index being count - 1; rank 1: rows is 1. */
fst_status fst__parameters_add(fst__parameters *parameters, const char *name, int64_t rows,
                               int64_t columns, int32_t rank, uint32_t flags);
/* Takes `count` away, none of the backbone's; those behind them move up. */
void fst__parameters_remove(fst__parameters *parameters, int64_t first, int64_t count);
/* Normally distributed values; a function of (seed, number, element). */
void fst__parameters_draw(fst__parameters *parameters, const fst__compute *compute, int64_t index,
                          double std, uint64_t seed, uint64_t number);
/* Likewise, but made orthogonal: rows of norm `gain`, or columns where there are fewer of these. */
fst_status fst__parameters_draw_orthogonal(fst__parameters *parameters, const fst__compute *compute,
                                           int64_t index, double gain, uint64_t seed,
                                           uint64_t number);
void fst__parameters_freeze(fst__parameters *parameters, int64_t index, bool frozen);

void fst__parameters_refresh_working(fst__parameters *parameters, const fst__compute *compute);
/* The first that holds a NaN or infinity, or NULL. */
const fst__parameter *fst__parameters_not_finite(const fst__parameters *parameters);
fst__parameter *fst__parameters_find(const fst__parameters *parameters, const char *name);

/* The matrix that products read: the bfloat16 copy where there is one. */
static inline fst__matrix fst__weight_matrix(const fst__parameter *parameter)
{
    return parameter->working ? fst__matrix_of(parameter->working, parameter->rows,
                                               parameter->columns, FST_BF16)
                              : fst__matrix_of(parameter->value, parameter->rows,
                                               parameter->columns, FST__REAL_DTYPE);
}

static inline const fst__real *fst__value_or_null(const fst__parameter *parameter)
{
    return parameter ? parameter->value : NULL;
}

static inline fst__real *fst__gradient_or_null(const fst__parameter *parameter)
{
    return parameter && !(parameter->flags & FST__PARAMETER_FROZEN) ? parameter->gradient : NULL;
}

#endif
