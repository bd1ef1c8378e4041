/*
 * The four linear layers of a block, run in one place: whatever is bound to them (adapters) acts in
 * training, evaluation, generation and the second forward of checkpointing alike.
 */
#ifndef FST_MODEL_PROJECTION_H
#define FST_MODEL_PROJECTION_H

#include "model/model.h"

typedef enum fst__projection {
    FST__PROJECTION_QKV,    /* [Q+2K, C] */
    FST__PROJECTION_OUTPUT, /* [C, Q] */
    FST__PROJECTION_UP,     /* [U, C] */
    FST__PROJECTION_DOWN,   /* [C, I] */
    FST__PROJECTIONS,
} fst__projection;

fst__parameter *fst__projection_weight(const fst__layer *layer, fst__projection which);
fst__parameter *fst__projection_bias(const fst__layer *layer, fst__projection which);

/* x [R, in], y [R, out]. */
fst_status fst__projection_forward(fst_model *model, int32_t layer, fst__projection which,
                                   fst__matrix x, fst__matrix y);
/* The MLP's activation behind it: pre [R, out] is kept for backward, y [R, out] = act(pre). */
fst_status fst__projection_activation_forward(fst_model *model, int32_t layer,
                                              fst__projection which, fst__matrix x,
                                              fst__matrix pre, fst__matrix y);
/* Adds the gradients of what is trainable. dx [R, in] is written last, so it may lie over x; NULL:
 * not wanted. dy is unspecified afterwards. */
fst_status fst__projection_backward(fst_model *model, int32_t layer, fst__projection which,
                                    fst__matrix x, fst__matrix dy, const fst__matrix *dx);

#endif
