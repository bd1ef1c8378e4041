/*
 * The memory of one forward and backward: planned for a shape, taken once as one block.
 *
 * R = rows·length tokens, C width, Q = H·D, K = kv_heads·D, I hidden size, U = I or 2I if gated.
 * "Kept" means kept from forward to backward. Training keeps per layer the two residual streams,
 * qkv, the attention's output and the MLP before its activation; norms and activations are cheap to
 * compute again. With checkpointing all layers share one slot and only the stream that enters each
 * block is kept; evaluation shares everything.
 */
#ifndef FST_MODEL_ACTIVATIONS_H
#define FST_MODEL_ACTIVATIONS_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "fourstage/model.h"
#include "tensor/matrix.h"

#include <stdbool.h>

typedef struct fst__layer_activations {
    /* With post_norm the sums that are normed to the stream: see fst__norm_site. */
    fst__matrix input;       /* [R, C] real: the stream entering the block */
    fst__matrix middle;      /* [R, C] real: the stream after attention joined it */
    fst__matrix qkv;         /* [R, Q+2K]; rotated in place, or raw where there is QK-norm */
    fst__matrix query_key;   /* [R, Q+K] normed and rotated; only with QK-norm */
    fst__real *query_rstd, *key_rstd; /* [R·H], [R·kv_heads]; only with QK-norm */
    fst__matrix attended;    /* [R, Q] */
    fst__real *lse;          /* [rows·H·length] */
    fst__matrix up;          /* [R, U] before the activation */
    fst__real *attention_mean, *attention_rstd, *mlp_mean, *mlp_rstd; /* [R] */
} fst__layer_activations;

typedef struct fst__activations {
    int64_t rows, length; /* planned shape */
    bool training, checkpointing;
    size_t least_scratch;

    int32_t *ids, *targets, *positions, *first_key, *end_key; /* [R] */
    int32_t *types;                                           /* [R] or NULL: no token types */
    int32_t *local_first_key, *local_end_key; /* [R] of an encoder's layers with a window, or NULL */
    fst__real *row_weights;                                   /* [R] */
    int32_t *row_lengths;                                     /* [rows] tokens that count */

    fst__matrix patches; /* [R, channels·patch²] of images; a class token's is zero */
    fst__matrix embedded; /* [R, C] real: the summed embeddings, with embedding_norm */
    fst__real *embedded_mean, *embedded_rstd; /* [R] likewise */

    fst__layer_activations *layers; /* one per layer */
    fst__matrix output;             /* [R, C] real: the stream after the last block */
    fst__matrix hidden;             /* [R, C] after the last norm */
    fst__real *mean, *rstd;         /* [R] of the last norm */

    /* Shared by all layers. */
    fst__matrix normed;  /* [R, C] */
    fst__matrix branch;  /* [R, C] what a block adds to the stream */
    fst__matrix hidden_act; /* [R, I] */

    /*
     * Gradients; training only. Several lie where something they follow on is no longer needed: a
     * product's backward writes dx last, so dx may take x's place.
     */
    fst__matrix d_stream;   /* [R, C] real */
    fst__matrix d_branch;   /* [R, C] over `hidden`, which the loss has read by then */
    fst__matrix d_normed;   /* [R, C] over `normed`; also the gradient of `hidden` */
    fst__matrix d_attended; /* [R, Q] */
    fst__matrix d_act;      /* [R, I] over hidden_act */
    fst__matrix d_qkv;      /* [R, Q+2K] over hidden_act too: attention comes after the MLP */
    fst__matrix d_up;       /* [R, U]; d_act itself if not gated */

    fst__arena scratch; /* for one operator at a time */
} fst__activations;

/*
 * Lays the pieces out in the arena: over a counting arena it only sizes them. `layers` is room for
 * the config's layer count. The scratch is at least least_scratch bytes.
 */
void fst__activations_layout(fst__activations *out, fst__arena *arena,
                             fst__layer_activations *layers, const fst__compute *compute,
                             const fst_model_config *config, const fst_model_options *options,
                             int64_t rows, int64_t length, bool training, size_t least_scratch);

#endif
