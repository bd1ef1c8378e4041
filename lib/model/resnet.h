/*
 * Residual convolutions (He et al., arXiv:1512.03385, as torchvision's resnet.py: the stride of a
 * bottleneck is on its 3×3), for images. What a model keeps beside its parameters:
 *
 *   a unit: conv → batch norm (→ ReLU);   a block: ReLU(unit(… unit(x)) + shortcut(x))
 */
#ifndef FST_MODEL_RESNET_H
#define FST_MODEL_RESNET_H

#include "model/backbone.h"
#include "nn/batch_norm.h"
#include "nn/convolution.h"
#include "nn/pool.h"

enum { FST__UNIT_NAME_SIZE = 40 };

/* What the architecture says of a unit. */
typedef struct fst__unit_plan {
    char conv[FST__UNIT_NAME_SIZE], norm[FST__UNIT_NAME_SIZE]; /* names of modules */
    fst__convolution shape; /* batch: 1 */
    int32_t block;          /* -1: the stem */
    int32_t stage, stage_block, place; /* as files name it: the place among a block's units */
    bool shortcut;          /* of the block's input to its output */
} fst__unit_plan;

typedef void (*fst__unit_visit)(void *context, const fst__unit_plan *plan);

/* Of a config whose sizes are checked: all units in the order of their parameters, a block's
 * shortcut last. */
void fst__resnet_walk(const fst_model_config *config, fst__unit_visit visit, void *context);

/* Sides of the maps that enter and leave the max pooling of FST_STEM_7X7. */
fst__max_pool fst__resnet_pool(const fst_model_config *config);

/* Sets what follows from the ResNet's own fields: layers, width, context_length (places of the last
 * map), and refuses what cannot be computed, naming the field. */
fst_status fst__resnet_resolve(fst_model_config *config);

typedef struct fst__unit {
    fst__convolution shape;
    fst__parameter *weight, *norm_weight, *norm_bias, *running_mean, *running_variance;
    fst__matrix before, after; /* [N·H'·W', O] of the norm; one place without a backward */
    fst__real *mean, *rstd;    /* [O] that the norm used */
    bool of_batch;             /* they are the batch's */
} fst__unit;

typedef struct fst__resnet_block {
    int32_t first, count; /* units, without the shortcut */
    int32_t shortcut;     /* unit; -1: the block's input itself */
    fst__matrix input;
} fst__resnet_block;

typedef struct fst__resnet {
    int32_t unit_count, block_count;
    fst__unit *units;
    fst__resnet_block *blocks;
    fst__matrix images;  /* [N·H·W, channels] */
    fst__matrix pooled;  /* behind the stem's max pooling, and which of its inputs that was */
    uint8_t *taps;
    void *gradients[3];  /* room for the largest map each; training only */
} fst__resnet;

fst_status fst__resnet_backward(fst_model *model);

#endif
