/*
 * Batch norm in a head, as SimCLR's projection has it (arXiv:2002.05709): behind each hidden layer's
 * product and before its activation, "heads.NAME.norm.I.*", and behind the last product without gain
 * and bias. In training it norms by the batch, unless its layer's gain (behind the last product: the
 * head's weight) is frozen.
 */
#ifndef FST_MODEL_HEAD_BATCH_NORM_H
#define FST_MODEL_HEAD_BATCH_NORM_H

#include "model/model.h"
#include "nn/batch_norm.h"

/* One norm's state from forward to backward, in scratch. */
typedef struct fst__head_batch_norm {
    fst__real *mean, *rstd; /* [H] or [K] */
    bool of_batch;
} fst__head_batch_norm;

/* layer: of the norm; that of the last product is options.hidden_layers. */
fst_status fst__head_batch_norm_add(fst_model *model, const fst__head *head, int32_t layer);

void fst__head_batch_norm_take(fst__arena *arena, int64_t columns, fst__head_batch_norm *out);

/* y [n, columns] = norm(x); y may be x. The running statistics move unless the head's have moved for
 * this batch already (fst__head.moved). */
fst_status fst__head_batch_norm_forward(const fst_model *model, const fst__head *head,
                                        int32_t layer, fst__matrix x, fst__head_batch_norm *state,
                                        fst__matrix y, fst__arena *scratch);
/* d [n, columns]: gradient of y, becomes that of x. */
fst_status fst__head_batch_norm_backward(fst_model *model, const fst__head *head, int32_t layer,
                                         fst__matrix x, const fst__head_batch_norm *state,
                                         fst__matrix d, fst__arena *scratch);
/* Bytes that forward or backward takes of scratch and gives back. */
size_t fst__head_batch_norm_scratch(int64_t rows, int64_t columns);

#endif
