/*
 * Rotary position embedding (Su et al., arXiv:2104.09864) in the layout of Hugging Face's
 * rotate_half: element i of a head turns together with element i + rotary_size/2.
 */
#ifndef FST_NN_ROTARY_H
#define FST_NN_ROTARY_H

#include "kernels/compute.h"
#include "tensor/matrix.h"

#include <stdbool.h>

/* The ways of transformers' modeling_rope_utils.py (rope_type) to stretch a context. */
enum {
    FST__ROTARY_DEFAULT = 0,
    FST__ROTARY_LINEAR = 1,
    FST__ROTARY_DYNAMIC = 2, /* NTK-aware base, at the length that the tables are made for */
    FST__ROTARY_YARN = 3,    /* Peng et al., arXiv:2309.00071 */
    FST__ROTARY_LLAMA3 = 4,
};

typedef struct fst__rotary_scaling {
    int32_t kind;
    double theta;             /* rope_theta, e.g. 10000 */
    double factor;            /* all but default */
    int64_t original_context; /* original_max_position_embeddings (dynamic, yarn, llama3) */
    double low_frequency_factor, high_frequency_factor; /* llama3 */
    double beta_fast, beta_slow;                        /* yarn; 0: 32 and 1 */
    double attention_factor;       /* yarn; 0: computed from factor, mscale and mscale_all_dim */
    double mscale, mscale_all_dim; /* yarn; 0: not given */
    bool no_truncate;              /* yarn: "truncate": false */
} fst__rotary_scaling;

/* cosine, sine [context, rotary_size/2], computed in double, yarn's attention factor in them. */
void fst__rotary_tables(fst__real *cosine, fst__real *sine, int64_t context, int64_t rotary_size,
                        const fst__rotary_scaling *scaling);

/* Turns the first rotary_size elements (even, ≤ head_size) of each head of x [R, heads·head_size]
 * in place by the angles of positions[r] (0 ≤ position < context). inverse turns back: the
 * backward. */
void fst__rotary_apply(const fst__compute *compute, const fst__real *cosine, const fst__real *sine,
                       const int32_t *positions, fst__matrix x, int64_t heads, int64_t head_size,
                       int64_t rotary_size, bool inverse);

#endif
