/*
 * Token embedding with, where the model has them, learned positions and token types, and dropout
 * over the sum. Ids, positions and types are in range: the caller has checked them.
 */
#ifndef FST_NN_EMBEDDING_H
#define FST_NN_EMBEDDING_H

#include "kernels/compute.h"
#include "nn/dropout.h"
#include "tensor/matrix.h"

/* y [R, C] = dropout(table[ids] + position_table[positions] + type_table[types]); a NULL table has
 * no share, and its index list is not read. Tables [V, C], [P, C], [K, C]; index lists [R]. */
void fst__embedding_forward(const fst__compute *compute, const int32_t *ids, fst__matrix table,
                            const int32_t *positions, const fst__matrix *position_table,
                            const int32_t *types, const fst__matrix *type_table,
                            const fst__dropout *dropout, fst__matrix y);

/* dtable [V, C] +=, dposition_table [P, C] +=, dtype_table [K, C] +=; each may be NULL. Rows are
 * added in their order, by one task per range of columns: same bits for any number of threads. */
void fst__embedding_backward(const fst__compute *compute, const int32_t *ids,
                             const int32_t *positions, const int32_t *types,
                             const fst__dropout *dropout, fst__matrix dy, fst__real *dtable,
                             fst__real *dposition_table, fst__real *dtype_table);

#endif
