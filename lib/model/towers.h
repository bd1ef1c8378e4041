/*
 * One or two trunks beside each other over the same input, each with parameters of its own: an MLP's, a
 * CNN's. Tower t fills the columns from t · tower_width of `hidden`.
 */
#ifndef FST_MODEL_TOWERS_H
#define FST_MODEL_TOWERS_H

#include "model/backbone.h"
#include "nn/convolution.h"

enum { FST__TOWERS_MOST = 2, FST__TOWER_LAYERS_MOST = 8, FST__CNN_CONVOLUTIONS = 3 };

/* Of dense layers, an MLP's and the plain heads over it. */
enum {
    FST__DENSE_TILE_ROWS = 64,    /* of one task */
    FST__DENSE_SERIAL = 1 << 21,  /* multiply-adds below which no task is started */
};

/* What both have to say of a config: width, and what other backbones give. Names the field. */
fst_status fst__towers_resolve(fst_model_config *config);
fst_status fst__mlp_resolve(fst_model_config *config);
fst_status fst__cnn_resolve(fst_model_config *config);

/* Names "towers.T.MODULE.I.weight" and ".bias"; index < 0: without I. */
void fst__tower_list(fst__parameter_list *list, int32_t tower, const char *module, int32_t index,
                     int64_t outputs, int64_t inputs, uint32_t flags);
double fst__towers_initial_std(const fst_model_config *config, const fst__parameter *parameter);

/* A layer of an MLP; n rows, I inputs, O = tower_width. */
typedef struct fst__mlp_layer {
    fst__parameter *weight, *bias;
    fst__real *turned;      /* [I, turned_row] the weight, input by input: of one forward */
    int64_t turned_row;
    fst__real *output;      /* [n, O], of the last layer columns of `hidden` */
    int64_t output_row;
    fst__real *pre;         /* [n, O] before the activation, where its slope needs that; else NULL */
} fst__mlp_layer;

typedef struct fst__mlp {
    fst__mlp_layer layers[FST__TOWERS_MOST][FST__TOWER_LAYERS_MOST];
    fst__real *observations;                /* [n, inputs] */
    fst__real *gradients[FST__TOWERS_MOST][2]; /* [n, O] each; training only */
} fst__mlp;

/* A tower of a CNN. */
typedef struct fst__cnn_tower {
    fst__parameter *weights[FST__CNN_CONVOLUTIONS], *biases[FST__CNN_CONVOLUTIONS];
    fst__parameter *linear_weight, *linear_bias;
    fst__matrix maps[FST__CNN_CONVOLUTIONS]; /* [N·H'·W', O] behind the ReLU */
} fst__cnn_tower;

typedef struct fst__cnn {
    fst__cnn_tower towers[FST__TOWERS_MOST];
    fst__matrix images;  /* [N·H·W, channels] */
    void *gradients[2];  /* room for the largest map each; training only */
    fst__real *output_gradient; /* [N, tower_width]; training only */
} fst__cnn;

/* The convolutions of a config whose sizes are checked, of that many images. */
fst__convolution fst__cnn_convolution(const fst_model_config *config, int32_t index, int64_t images);

#endif
