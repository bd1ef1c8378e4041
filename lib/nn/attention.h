/*
 * Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1) by tiles with an online softmax
 * (Dao et al., "FlashAttention", 2022): no T×T matrix is ever stored. Backward recomputes the
 * probabilities from the saved log-sum-exp.
 *
 * Which keys a query sees is a range per query, so that causal masks, padding, packed documents and
 * sliding windows are all one thing. Tiles that no query of the tile sees are skipped.
 *
 * Tiles and tasks depend on shapes and ranges alone: the same bits for any number of workers.
 */
#ifndef FST_NN_ATTENTION_H
#define FST_NN_ATTENTION_H

#include "base/arena.h"
#include "kernels/compute.h"
#include "nn/dropout.h"
#include "tensor/matrix.h"

typedef struct fst__attention {
    int64_t batch;
    int64_t heads;     /* H */
    int64_t kv_heads;  /* Hkv divides H; head h reads K and V of head h / (H / Hkv) */
    int64_t head_size; /* D */
    int64_t queries;   /* Tq, per batch row */
    int64_t keys;      /* Tk, per batch row */
    fst__real scale;   /* > 0; scores are scale · q·k */
    /* [batch · Tq]: a query sees keys [first, end) of its own batch row, counted from its start,
     * within [0, Tk]. An empty range gives the output 0 and no gradient. */
    const int32_t *first_key, *end_key;
    /* On the probabilities; the index of one is ((b·H + h)·Tq + q)·Tk + k, so that neither the
     * tiles nor the workers have a part in it. */
    fst__dropout dropout;
} fst__attention;

/* Bytes that the arena needs. dtype: of q, k and v. */
size_t fst__attention_scratch(const fst__compute *compute, const fst__attention *attention,
                              int32_t dtype, bool backward);

/*
 * q, out: [B·Tq, H·D]; k, v: [B·Tk, Hkv·D]; all of one dtype; each may be a view of columns of a
 * wider matrix (the packed QKV). lse: [B·H·Tq], natural log-sum-exp of the scaled scores, -inf for
 * an empty range. A NaN or +inf score makes the row's output and lse NaN. Values of v must be finite
 * even where nothing sees them: a tile multiplies them by 0.
 */
fst_status fst__attention_forward(const fst__compute *compute, const fst__attention *attention,
                                  fst__matrix q, fst__matrix k, fst__matrix v, fst__matrix out,
                                  fst__real *lse, fst__arena *scratch);

/* dq, dk, dv: shaped as q, k, v and overwritten. out and lse are those of forward. */
fst_status fst__attention_backward(const fst__compute *compute, const fst__attention *attention,
                                   fst__matrix q, fst__matrix k, fst__matrix v, fst__matrix out,
                                   const fst__real *lse, fst__matrix dout, fst__matrix dq,
                                   fst__matrix dk, fst__matrix dv, fst__arena *scratch);

#endif
