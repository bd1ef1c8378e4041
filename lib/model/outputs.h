/* A model's named outputs, and the gradients that callers give with respect to them. */
#ifndef FST_MODEL_OUTPUTS_H
#define FST_MODEL_OUTPUTS_H

#include "model/model.h"

/* Where a share of the gradient of `hidden` is to be written: d_normed itself for the first, a
 * matrix of its own for those that follow. _end joins it. */
fst_status fst__gradient_begin(fst_model *model, fst__matrix *to);
void fst__gradient_end(fst_model *model, fst__matrix from);

/* From all gradients given to d_normed, and to the parameters of the heads. with_input false: nothing
 * below the heads is trained. */
fst_status fst__outputs_backward(fst_model *model, bool with_input);

void fst__outputs_destroy(fst_model *model);

#endif
