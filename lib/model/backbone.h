/*
 * What differs between backbones, as a table of functions. The rest of a model – weights, heads,
 * outputs, losses, gradients, optimizer, files – sees a backbone only as something that turns a batch
 * into `hidden` [rows·length, C] and a gradient of it into gradients of its parameters.
 *
 * `length` is the number of positions of a row: of text and of a transformer over vectors the batch's
 * own; of an image what the config says (a map's places, or patches); 1 of networks for control.
 */
#ifndef FST_MODEL_BACKBONE_H
#define FST_MODEL_BACKBONE_H

#include "model/model.h"

/* A listing of the parameters a config wants, in the order in which they stand. */
typedef struct fst__parameter_list {
    fst__parameters *parameters;
    int64_t elements; /* padding included */
} fst__parameter_list;

fst__parameter *fst__list_parameter(fst__parameter_list *list, const char *name, int64_t rows,
                                    int64_t columns, int32_t rank, uint32_t flags);

typedef struct fst__backbone {
    /* Positions of a row; 0: as many as the caller's batch has. */
    int64_t (*positions)(const fst_model_config *config);
    /* At least as many parameters as `list` lists. */
    int64_t (*parameter_limit)(const fst_model_config *config);
    void (*list)(fst__parameter_list *list, const fst_model_config *config);
    /* Standard deviation that a matrix's first values are drawn with. */
    double (*initial_std)(const fst_model_config *config, const fst__parameter *parameter);
    /* What a model keeps beside its parameters; close takes a model that open failed on. */
    fst_status (*open)(fst_model *model);
    void (*close)(fst_model *model);
    /* Lays out everything in fst__activations, or counts it: see fst__activations_layout. `model` is
     * not changed. */
    void (*layout)(const fst_model *model, fst__activations *out, fst__arena *arena, int64_t rows,
                   int64_t length, bool training, size_t least_scratch);
    /* Checks the batch and copies what of it is needed, after the layout. */
    fst_status (*read)(fst_model *model, const fst_batch *batch);
    /* From what `read` copied to `hidden`. */
    fst_status (*forward)(fst_model *model);
    /* From the gradient of `hidden` in d_normed to all parameters that are trained. */
    fst_status (*backward)(fst_model *model);
    /* Where a parameter stands: -1 what reads the batch, 0 … config.layers - 1 the blocks, config.layers
     * what follows them and makes `hidden`. `name` is one of the backbone's. */
    int32_t (*place)(const fst_model_config *config, const char *name);
} fst__backbone;

/* Of a resolved config. */
const fst__backbone *fst__backbone_of(const fst_model_config *config);

/* The backbones there are. */
extern const fst__backbone fst__text_transformer;  /* transformer_text.c */
extern const fst__backbone fst__image_transformer; /* transformer_image.c */
extern const fst__backbone fst__image_resnet;      /* resnet.c */
extern const fst__backbone fst__vector_mlp;        /* mlp.c */
extern const fst__backbone fst__image_cnn;         /* cnn.c */
extern const fst__backbone fst__vector_transformer; /* transformer_vector.c */

#endif
