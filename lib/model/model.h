/* A model: config, weights, and the state of the step it is in. */
#ifndef FST_MODEL_MODEL_H
#define FST_MODEL_MODEL_H

#include "base/context.h"
#include "model/activations.h"
#include "model/config.h"
#include "model/parameters.h"

struct fst__head_transform;
struct fst__output_layer;

typedef enum fst__model_phase {
    FST__PHASE_IDLE,     /* nothing to differentiate */
    FST__PHASE_FORWARD,  /* after a training forward */
} fst__model_phase;

/* Memory that is kept until more is needed. */
typedef struct fst__buffer {
    fst__real *data;
    size_t size; /* elements */
} fst__buffer;

fst_status fst__buffer_want(fst__allocator *allocator, fst__buffer *buffer, size_t count);

enum { FST__HEAD_NAME_SIZE = 32, FST__HEAD_MOST = 16 };

typedef struct fst__head {
    char name[FST__HEAD_NAME_SIZE];
    fst_head_options options; /* its name is ours */
    int64_t first;            /* where its parameters were added, the weight or a constant's bias first */
    const char *first_name;   /* the name, as an address, of the parameter that stood there */
    char **labels;            /* [K] names of its outputs, one piece of memory, or NULL */
    fst__buffer output;       /* [n, K] */
    fst__buffer gradient;     /* [n, K] of the caller's objective */
    bool has_gradient;
    bool moved;               /* running statistics of its batch norms have seen the batch */
} fst__head;

/* What fst_model_output gives and fst_model_add_gradient takes; R = rows·length. */
typedef struct fst__outputs {
    fst__buffer logits, hidden;                  /* [R, V], [R, C] */
    fst__buffer log_probabilities, entropies;    /* [R] */
    bool has_distribution;                       /* both are those of the last forward */
    fst__buffer d_log_probabilities, d_entropies; /* [R], until backward */
    bool has_d_log_probabilities, has_d_entropies;
    fst__buffer pooled, pooler_sum, d_pooled; /* [rows, C]: the pooler's output, that before tanh */
    bool has_pooled, has_d_pooled;
    fst__buffer d_logits, d_logits_scratch, spare; /* of one call */
} fst__outputs;

typedef struct fst__rotary_table {
    fst__real *cosine, *sine; /* [context, D/2] or NULL */
} fst__rotary_table;

struct fst_model {
    _Atomic int64_t references;
    fst_context *context;
    fst_model_config config; /* resolved */
    fst_model_options options;
    fst__parameters parameters;
    fst__rotary_table rotary, local_rotary; /* the latter of an encoder's layers with a window */

    _Atomic int64_t optimizers; /* that live: their parameters must stay where they are */

    void *block; /* holds the activations */
    size_t block_size;
    fst__layer_activations *layer_activations;
    fst__activations activations;
    fst__model_phase phase;
    bool has_output;    /* `activations.hidden` is that of the last forward */
    bool has_targets, has_kept;
    bool has_loss;      /* fst_model_loss was called for it */
    bool has_gradient;  /* d_normed holds the gradients given so far */
    bool dropout;       /* of the last forward, as the next two */
    int64_t step;
    double temperature;
    unsigned char *kept; /* [R, ⌈V/8⌉] a copy */
    size_t kept_size;
    double target_weight; /* Σ weights of the last batch's targets */

    struct fst__resnet *resnet; /* resnet.h; NULL: another backbone */
    struct fst__mlp *mlp;       /* towers.h, likewise */
    struct fst__cnn *cnn;

    struct fst__adapter *adapter; /* adapter.h; owned; NULL: none */

    struct fst__kv_cache *cache; /* of the decode in progress, or NULL */

    bool has_sentence;
    fst_sentence_options sentence; /* sentence.h */

    fst__head heads[FST__HEAD_MOST];
    int32_t head_count;
    fst__outputs outputs;
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
/* Options are validated. */
fst_status fst__model_forward_with(fst_model *model, const fst_batch *batch,
                                   const fst_forward_options *options);
fst_status fst__model_forward(fst_model *model, const fst_batch *batch, bool training, int64_t step);
fst_status fst__model_loss(fst_model *model, const fst_loss_options *options, fst_loss *loss);
fst_status fst__model_backward(fst_model *model);
fst_status fst__model_add_gradient(fst_model *model, const char *output, const fst_view *gradient);

fst_forward_options fst__forward_defaults(void);
/* The distribution that the last forward's logits stand for, without weights. Needs nn/loss_head.h. */
struct fst__loss_head fst__model_distribution(const fst_model *model);
/* From hidden states to logits; `transform` holds what the layer may point to. */
void fst__model_output_layer(const fst_model *model, bool with_gradients,
                             struct fst__head_transform *transform,
                             struct fst__output_layer *layer);
/* What was computed is no longer what the model computes; plans may no longer fit. */
void fst__model_forget_forward(fst_model *model);
fst_status fst__model_output(fst_model *model, const char *name, fst_view *view);

#endif
