/*
 * The one transformer: blocks over a residual stream. Which norm, positions, heads and MLP is read
 * from the config; nothing here knows a family.
 *
 *   pre-norm:  x₀ = embed(batch);  mₗ = xₗ + attention(norm(xₗ));  xₗ₊₁ = mₗ + mlp(norm(mₗ));
 *              hidden = norm(x_L)
 *   post-norm: x₀ = embed(batch);  mₗ = norm(xₗ + attention(xₗ));  xₗ₊₁ = norm(mₗ + mlp(mₗ));
 *              hidden = x_L
 *
 * What a block adds is kept in `branch` and joins the stream inside the next norm, which reads the
 * stream anyway. So both are the same chain of sums and norms, 2·layers + 1 of each; they differ in
 * what goes on as the stream, the sum or the norm of it, and in whose parameters a norm has.
 */
#ifndef FST_MODEL_TRANSFORMER_H
#define FST_MODEL_TRANSFORMER_H

#include "model/backbone.h"
#include "nn/attention.h"
#include "nn/dropout.h"
#include "nn/norm.h"

/* The places where dropout acts, each with random numbers of its own. */
typedef enum fst__dropout_place {
    FST__DROPOUT_EMBEDDING,
    FST__DROPOUT_ATTENTION, /* probabilities */
    FST__DROPOUT_ATTENTION_BRANCH,
    FST__DROPOUT_MLP_BRANCH,
} fst__dropout_place;

fst__dropout fst__dropout_at(const fst_model *model, fst__dropout_place place, int32_t layer);
fst__norm fst__norm_of(const fst_model *model, const fst__parameter *weight,
                       const fst__parameter *bias);

/* One link of that chain: y = norm(sum), sum = stream + branch. */
typedef struct fst__norm_site {
    const fst__parameter *weight, *bias; /* weight NULL: y is the sum */
    fst__matrix sum;                     /* [R, C], kept for backward as mean and rstd [R] */
    fst__real *mean, *rstd;
} fst__norm_site;

/* In front of block `index`, or with index = layers behind the last one. */
fst__norm_site fst__entry_site(const fst_model *model, int32_t index);
/* Between the attention and the MLP of a block. */
fst__norm_site fst__middle_site(const fst_model *model, int32_t index);

const fst__rotary_table *fst__rotary_of(const fst_model *model, int32_t layer);
fst__attention fst__attention_of(const fst_model *model, int32_t layer);

/* Queries and keys as attention reads them, and values: views of the layer's activations. */
void fst__attention_operands(const fst_model *model, const fst__layer_activations *layer,
                             fst__matrix *query, fst__matrix *key, fst__matrix *value);

/* From the stream in the first layer's input to `hidden`. */
fst_status fst__blocks_forward(fst_model *model);

/* One block up to `up`, from layer->input; what the MLP adds is left in `branch` if with_mlp. */
fst_status fst__block_forward(fst_model *model, int32_t index, bool with_mlp);

/* From the gradient of `hidden` in d_normed to all parameters that are trained, down to `lowest`: see
 * fst__model_lowest_trainable. Below 0 it goes to the end, and leaves in d_stream the gradient of the
 * stream that entered the first block. */
fst_status fst__blocks_backward(fst_model *model, int32_t lowest);

/* What of a batch says which position is where and sees which; of text its ids too. transformer_text.c */
fst_status fst__sequence_read(fst_model *model, const fst_batch *batch);

/* From ids to `hidden`: the text backbone's own, and decoding's. transformer_text.c */
fst_status fst__transformer_forward(fst_model *model);

/* Members of a backbone's table, for all whose blocks are these. transformer_parameters.c */
void fst__blocks_list(fst__parameter_list *list, const fst_model_config *config);
fst_status fst__blocks_open(fst_model *model);
void fst__blocks_close(fst_model *model);
void fst__blocks_layout(const fst_model *model, fst__activations *out, fst__arena *arena,
                        int64_t rows, int64_t length, bool training, size_t least_scratch);
double fst__blocks_initial_std(const fst_model_config *config, const fst__parameter *parameter);
int32_t fst__blocks_place(const fst_model_config *config, const char *name);

#endif
