/* A model: config, weights, and the state of the step it is in. */
#ifndef FST_MODEL_MODEL_H
#define FST_MODEL_MODEL_H

#include "base/context.h"
#include "model/activations.h"
#include "model/config.h"
#include "model/parameters.h"

typedef enum fst__model_phase {
    FST__PHASE_IDLE,     /* nothing to differentiate */
    FST__PHASE_FORWARD,  /* after a training forward */
    FST__PHASE_LOSS,     /* the loss head has left its gradient in d_normed */
} fst__model_phase;

/* What fst_model_output can give. */
typedef enum fst__output {
    FST__OUTPUT_LOGITS,
    FST__OUTPUT_HIDDEN,
    FST__OUTPUTS,
} fst__output;

struct fst_model {
    _Atomic int64_t references;
    fst_context *context;
    fst_model_config config; /* resolved */
    fst_model_options options;
    fst__parameters parameters;
    fst__real *rotary_cosine, *rotary_sine; /* [context, D/2] or NULL */

    _Atomic int64_t optimizers; /* that live: their parameters must stay where they are */

    void *block; /* holds the activations */
    size_t block_size;
    fst__layer_activations *layer_activations;
    fst__activations activations;
    fst__model_phase phase;
    bool has_output;    /* `activations.hidden` is that of the last forward */
    bool has_targets;
    int64_t step;       /* of the last forward's dropout */
    double target_weight; /* Σ weights of the last batch's targets */

    struct fst__adapter *adapter; /* adapter.h; owned; NULL: none */

    struct fst__kv_cache *cache; /* of the decode in progress, or NULL */

    struct {
        fst__real *data;
        size_t size; /* elements */
    } outputs[FST__OUTPUTS]; /* for the caller; each keeps its memory until a larger one is needed */
};

static inline fst_model *fst__model_retain(fst_model *model)
{
    atomic_fetch_add(&model->references, 1);
    return model;
}

void fst__model_release(fst_model *model); /* takes NULL */

fst_status fst__model_create(fst_context *context, const fst_model_config *config,
                             const fst_model_options *options, bool initialise, fst_model **out);

/* The array an optimizer works on, with gradients. Borrowed while the model lives. */
fst_status fst__model_parameters(fst_model *model, const fst__parameter **parameters,
                                 int64_t *count);

fst_status fst__model_reserve(fst_model *model, int64_t rows, int64_t length, bool training,
                              int64_t *bytes);
/* Bytes of a plan without taking it. */
fst_status fst__model_plan(const fst_model *model, int64_t rows, int64_t length, bool training,
                           int64_t *bytes);
/* Reserves and lays out; extra_scratch: bytes that one operator needs beyond the plan's own. */
fst_status fst__model_lay_out(fst_model *model, int64_t rows, int64_t length, bool training,
                              size_t extra_scratch);
fst_status fst__model_forward(fst_model *model, const fst_batch *batch, bool training, int64_t step);
fst_status fst__model_loss(fst_model *model, const fst_loss_options *options, fst_loss *loss);
fst_status fst__model_backward(fst_model *model);
fst_status fst__model_backward_from(fst_model *model, const char *output, const fst_view *gradient);
fst_status fst__model_output(fst_model *model, const char *name, fst_view *view);

#endif
