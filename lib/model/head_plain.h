/*
 * The short way through a head: one that is a constant, or a linear layer over one hidden state a row
 * as it stands, of a network for control. By the kernels of small layers, so that a row's outputs have
 * the same bits whatever the number of rows.
 */
#ifndef FST_MODEL_HEAD_PLAIN_H
#define FST_MODEL_HEAD_PLAIN_H

#include "model/heads.h"

bool fst__head_is_plain(const fst_model *model, const fst__head *head);
size_t fst__head_plain_scratch(const fst_model *model, const fst__head *head);
/* As fst__head_forward, whose output is there already, and fst__head_backward. */
fst_status fst__head_plain_forward(fst_model *model, fst__head *head);
fst_status fst__head_plain_backward(fst_model *model, fst__head *head, bool with_input);

#endif
