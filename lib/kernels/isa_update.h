/* The optimizers' element loops. Included by isa.c only. */
#ifndef FST_KERNELS_ISA_UPDATE_H
#define FST_KERNELS_ISA_UPDATE_H

#include "kernels/isa_rows.h"

/* Done block by block, while the block is in the first-level cache: the loops that compute stay
 * free of conditions. */
enum { UPDATE_BLOCK = 1024 };

static void update_finish(const fst__update *u, int64_t first, int64_t count)
{
    if (u->working)
        to_bf16(u->value + first, u->working + first, count);
    if (!u->keep_gradient)
        memset(u->gradient + first, 0, (size_t)count * sizeof(fst__real));
}

static int64_t update_block_length(const fst__update *u, int64_t first)
{
    return u->count - first < UPDATE_BLOCK ? u->count - first : UPDATE_BLOCK;
}

/* There is no such operator; of a fixed number of square roots in a row compilers make one
 * instruction (-fno-math-errno). */
INLINE vector vector_sqrt(vector x)
{
    fst__real lane[LANES];
    memcpy(lane, &x, sizeof x);
    for (int l = 0; l < LANES; ++l)
#ifdef FST__REAL_DOUBLE
        lane[l] = sqrt(lane[l]);
#else
        lane[l] = sqrtf(lane[l]);
#endif
    memcpy(&x, lane, sizeof x);
    return x;
}

/* One vector at `i` of each array, `left` elements of it. */
INLINE void adamw_vector(const fst__update *u, const fst__adamw *a, int64_t i, int64_t left)
{
    vector g = vector_read(u->gradient + i, left) * u->gradient_scale;
    vector m = vector_read(u->first + i, left);
    vector v = vector_read(u->second + i, left);
    vector w = vector_read(u->value + i, left);
    m += a->rest1 * (g - m);
    v = a->beta2 * v + a->rest2 * (g * g);
    vector denominator = vector_sqrt(v) / vector_of(a->root2) + vector_of(a->epsilon);
    w = w * a->keep - a->step_size * (m / denominator);
    vector_write(u->first + i, m, left);
    vector_write(u->second + i, v, left);
    vector_write(u->value + i, w, left);
}

static void adamw_update(const fst__update *update, const fst__adamw *adamw)
{
    const fst__update u = *update; /* copies: no store below can change them */
    const fst__adamw a = *adamw;
    for (int64_t first = 0; first < u.count; first += UPDATE_BLOCK) {
        int64_t count = update_block_length(&u, first);
        for (int64_t i = first; i < first + count; i += LANES)
            adamw_vector(&u, &a, i, first + count - i);
        update_finish(&u, first, count);
    }
}

INLINE void sgd_vector(const fst__update *u, const fst__sgd *s, int64_t i, int64_t left)
{
    vector w = vector_read(u->value + i, left);
    vector d = vector_read(u->gradient + i, left) * u->gradient_scale + s->weight_decay * w;
    if (u->first) {
        vector b = d;
        if (!s->first)
            b = s->momentum * vector_read(u->first + i, left) + s->rest_dampening * d;
        vector_write(u->first + i, b, left);
        d = s->nesterov ? d + s->momentum * b : b;
    }
    vector_write(u->value + i, w - s->learning_rate * d, left);
}

static void sgd_update(const fst__update *update, const fst__sgd *sgd)
{
    const fst__update u = *update;
    const fst__sgd s = *sgd;
    for (int64_t first = 0; first < u.count; first += UPDATE_BLOCK) {
        int64_t count = update_block_length(&u, first);
        for (int64_t i = first; i < first + count; i += LANES)
            sgd_vector(&u, &s, i, first + count - i);
        update_finish(&u, first, count);
    }
}

static double muon_direction(const fst__update *update, fst__real momentum, fst__real rest_momentum,
                             bool nesterov, fst__real *direction)
{
    const fst__update u = *update;
    double sum = 0;
    for (int64_t first = 0; first < u.count; first += UPDATE_BLOCK) {
        int64_t count = update_block_length(&u, first);
        for (int64_t i = first; i < first + count; i += LANES) {
            int64_t left = first + count - i;
            vector g = vector_read(u.gradient + i, left) * u.gradient_scale;
            vector m = vector_read(u.first + i, left);
            m += rest_momentum * (g - m);
            vector_write(u.first + i, m, left);
            vector_write(direction + i, nesterov ? g + momentum * (m - g) : m, left);
        }
        sum += sum_squares(direction + first, count);
    }
    return sum;
}

static void muon_update(const fst__update *update, fst__real keep, fst__real rate,
                        const fst__real *direction)
{
    const fst__update u = *update;
    for (int64_t first = 0; first < u.count; first += UPDATE_BLOCK) {
        int64_t count = update_block_length(&u, first);
        for (int64_t i = first; i < first + count; i += LANES) {
            int64_t left = first + count - i;
            vector w = vector_read(u.value + i, left);
            w = keep * w - rate * vector_read(direction + i, left);
            vector_write(u.value + i, w, left);
        }
        update_finish(&u, first, count);
    }
}

#endif
