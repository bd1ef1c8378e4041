/* Heads over the hidden states: what each reads of them, its hidden layers if any (head_layers.h), a
 * linear layer. */
#ifndef FST_MODEL_HEADS_H
#define FST_MODEL_HEADS_H

#include "model/model.h"
#include "nn/dropout.h"

fst_head_options fst__head_defaults(void);

/* Options are overlaid. `initialise` false: the weights are zero. */
fst_status fst__model_add_head(fst_model *model, const fst_head_options *options, bool initialise);

/* NULL if there is none. */
fst__head *fst__head_find(fst_model *model, const char *name);
/* One of its parameters by the end of its name, or NULL. */
fst__parameter *fst__head_parameter(const fst_model *model, const fst__head *head,
                                    const char *what);
fst__parameter *fst__head_weight(const fst_model *model, const fst__head *head); /* [K, C or H]; NULL of a constant */
fst__parameter *fst__head_bias(const fst_model *model, const fst__head *head);   /* [K] or NULL */

/* The first of its parameters. */
static inline fst__parameter *fst__head_first(const fst_model *model, const fst__head *head)
{
    fst__parameter *weight = fst__head_weight(model, head);
    return weight ? weight : fst__head_bias(model, head);
}

/* Masks of a head lie behind those of the blocks; layer 0 is the first that reads. */
fst__dropout fst__head_dropout(const fst_model *model, const fst__head *head, int32_t layer);

/* The columns of the hidden states that it reads. */
static inline int64_t fst__head_width(const fst_model *model, const fst__head *head)
{
    return head->options.tower ? model->config.tower_width : model->config.width;
}

static inline int64_t fst__head_first_column(const fst_model *model, const fst__head *head)
{
    return head->options.tower ? (int64_t)(head->options.tower - 1) * model->config.tower_width : 0;
}

/* Rows of a head's output for the batch in the model. */
static inline int64_t fst__head_rows(const fst_model *model, const fst__head *head)
{
    const fst__activations *a = &model->activations;
    if (head->options.kind == FST_HEAD_CONSTANT)
        return 1;
    return head->options.kind == FST_HEAD_TOKEN ? a->rows * a->length : a->rows;
}

/* Bytes of scratch that any head wants for a batch. */
size_t fst__heads_scratch(const fst_model *model, int64_t rows, int64_t length, bool training);

/* Into head->output. */
fst_status fst__head_forward(fst_model *model, fst__head *head);
/* For who makes a gradient in place: head->gradient.data [n, K], zeroed unless it was given already;
 * after a training forward, as fst_model_add_gradient. */
fst_status fst__head_want_gradient(fst_model *model, fst__head *head, fst__real **gradient);
/* From head->gradient: adds to the weights' gradients and, with_input, to d_normed. */
fst_status fst__head_backward(fst_model *model, fst__head *head, bool with_input);

/* What a sequence head of that pooling (not FST_POOL_POOLER) would read, [rows, C]; and its gradient,
 * added to what backward will start from. */
fst_status fst__model_pool(fst_model *model, int32_t pooling, fst__real *out);
fst_status fst__model_pool_gradient(fst_model *model, int32_t pooling, fst__real *gradient);

void fst__heads_destroy(fst_model *model);

#endif
