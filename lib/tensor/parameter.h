/*
 * One weight as the optimizer sees it: plain arrays of rows·columns elements. The model owns the
 * memory; gradient, value and working copy stay where they are while an optimizer lives.
 */
#ifndef FST_TENSOR_PARAMETER_H
#define FST_TENSOR_PARAMETER_H

#include "tensor/real.h"

enum {
    FST__PARAMETER_DECAY = 1,         /* matrices and embeddings; not norms and biases */
    FST__PARAMETER_HIDDEN_MATRIX = 2, /* between embedding and head: Muon's */
    FST__PARAMETER_FROZEN = 4,        /* never updated, gradient may be NULL */
    FST__PARAMETER_BUFFER = 8,        /* saved, but no optimizer's: always frozen too */
};

typedef struct fst__parameter {
    const char *name;
    fst__real *value;
    fst__real *gradient;
    uint16_t *working;     /* bfloat16 copy, refreshed after each update; NULL: none */
    int64_t rows, columns; /* [out, in] of a matrix; a vector has rows = 1 */
    uint32_t flags;
    int32_t rank;          /* as the caller sees it: 1 for vectors, 2 for matrices */
} fst__parameter;

static inline int64_t fst__parameter_size(const fst__parameter *parameter)
{
    return parameter->rows * parameter->columns;
}

#endif
