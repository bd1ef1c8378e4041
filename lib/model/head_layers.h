/*
 * The layers of a head before its linear one, x_{i+1} = norm(act(W_i·dropout(x_i) + b_i)) with the
 * norm optional; with batch norm, x_{i+1} = act(norm(W_i·dropout(x_i) + b_i)). They are computed again in backward: all of it lies in scratch.
 */
#ifndef FST_MODEL_HEAD_LAYERS_H
#define FST_MODEL_HEAD_LAYERS_H

#include "base/arena.h"
#include "model/head_batch_norm.h"
#include "model/model.h"

enum { FST__HEAD_LAYERS_MOST = 2 };

/* One layer over n rows; H features. */
typedef struct fst__head_layer {
    fst__matrix input;      /* [n, C or H] after dropout */
    fst__matrix pre;        /* [n, H] the product */
    fst__matrix shown;      /* [n, H] before the activation: `pre`, or its batch norm */
    fst__matrix active;     /* [n, H] after it; `output` itself without a norm */
    fst__matrix output;     /* [n, H], after the dropout of the layer behind it */
    fst__real *mean, *rstd; /* [n] of the norm */
    fst__head_batch_norm batch;
} fst__head_layer;

/* Adds their parameters, of zeros and of ones for norms. */
fst_status fst__head_layers_add(fst_model *model, const fst__head *head);
/* Draws their weights. */
fst_status fst__head_layers_draw(fst_model *model, const fst__head *head);

/* Takes the memory of a forward from the arena (without their inputs). */
void fst__head_layers_take(const fst_head_options *options, int64_t rows, int32_t dtype,
                           fst__arena *arena, fst__head_layer *layers);
/* Bytes of scratch of a backward, beside that. */
size_t fst__head_layers_scratch(const fst_head_options *options, int64_t rows, int64_t width,
                                int32_t dtype);

/* input [n, C], as the first product reads it; `output` [n, H] lies in scratch, or is the input
 * where the head has no layers. */
fst_status fst__head_layers_forward(const fst_model *model, const fst__head *head,
                                    fst__matrix input, fst__arena *scratch, fst__head_layer *layers,
                                    fst__matrix *output);
/* d [n, H] fst__real: the gradient of `output`; with_input, that of `input` [n, C] instead. */
fst_status fst__head_layers_backward(fst_model *model, const fst__head *head,
                                     const fst__head_layer *layers, fst__matrix *d, bool with_input,
                                     fst__arena *scratch);

#endif
