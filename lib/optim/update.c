#include "optim/update.h"

#include "tensor/bf16.h"

#include <math.h>
#include <string.h>

enum { LANES = 16 }; /* separate sums, so that the compiler may use vectors without reordering any */

static inline fst__real square_root(fst__real x)
{
#ifdef FST__REAL_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}

/* Pairwise, so that the order is fixed. */
static double lanes_total(const double *lane)
{
    double sum[LANES];
    memcpy(sum, lane, sizeof sum);
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int j = 0; j < width; ++j)
            sum[j] += sum[j + width];
    }
    return sum[0];
}

double fst__sum_squares(const fst__real *values, int64_t count)
{
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int j = 0; j < LANES; ++j)
            lane[j] += (double)values[i + j] * (double)values[i + j];
    }
    for (int j = 0; i + j < count; ++j)
        lane[j] += (double)values[i + j] * (double)values[i + j];
    return lanes_total(lane);
}

/* What every update ends with. Done per block of BLOCK elements, while they are in the first-level
 * cache: the loops that compute stay free of conditions. */
enum { BLOCK = 1024 };

static inline void finish(const fst__update *u, int64_t first, int64_t count)
{
    if (u->working) {
        for (int64_t i = first; i < first + count; ++i)
            u->working[i] = fst__float_to_bf16((float)u->value[i]);
    }
    if (!u->keep_gradient)
        memset(u->gradient + first, 0, (size_t)count * sizeof(fst__real));
}

static inline int64_t block_length(const fst__update *u, int64_t first)
{
    return u->count - first < BLOCK ? u->count - first : BLOCK;
}

static void adamw_block(int64_t count, fst__real *restrict value, const fst__real *restrict gradient,
                        fst__real *restrict first, fst__real *restrict second, fst__real scale,
                        fst__adamw a)
{
    for (int64_t i = 0; i < count; ++i) {
        fst__real g = gradient[i] * scale;
        fst__real m = first[i] + a.rest1 * (g - first[i]);
        fst__real v = second[i] * a.beta2 + a.rest2 * (g * g);
        first[i] = m;
        second[i] = v;
        value[i] = value[i] * a.keep - a.step_size * (m / (square_root(v) / a.root2 + a.epsilon));
    }
}

void fst__adamw_update(const fst__update *u, const fst__adamw *adamw)
{
    for (int64_t i = 0; i < u->count; i += BLOCK) {
        int64_t count = block_length(u, i);
        adamw_block(count, u->value + i, u->gradient + i, u->first + i, u->second + i,
                    u->gradient_scale, *adamw);
        finish(u, i, count);
    }
}

static void sgd_block(int64_t count, fst__real *restrict value, const fst__real *restrict gradient,
                      fst__real scale, fst__sgd s)
{
    for (int64_t i = 0; i < count; ++i)
        value[i] -= s.learning_rate * (gradient[i] * scale + s.weight_decay * value[i]);
}

/* buffer ← kept·buffer + added·d; value ← value − lr·(direct·d + carried·buffer): heavy-ball and
 * Nesterov, first and later steps differ in these four numbers. */
static void momentum_block(int64_t count, fst__real *restrict value,
                           const fst__real *restrict gradient, fst__real *restrict buffer,
                           fst__real scale, fst__sgd s, fst__real kept, fst__real added,
                           fst__real direct, fst__real carried)
{
    for (int64_t i = 0; i < count; ++i) {
        fst__real d = gradient[i] * scale + s.weight_decay * value[i];
        fst__real b = kept * buffer[i] + added * d;
        buffer[i] = b;
        value[i] -= s.learning_rate * (direct * d + carried * b);
    }
}

void fst__sgd_update(const fst__update *u, const fst__sgd *s)
{
    fst__real kept = s->first ? 0 : s->momentum, added = s->first ? 1 : s->rest_dampening;
    fst__real direct = s->nesterov ? 1 : 0, carried = s->nesterov ? s->momentum : 1;
    for (int64_t i = 0; i < u->count; i += BLOCK) {
        int64_t count = block_length(u, i);
        if (u->first)
            momentum_block(count, u->value + i, u->gradient + i, u->first + i, u->gradient_scale, *s,
                           kept, added, direct, carried);
        else
            sgd_block(count, u->value + i, u->gradient + i, u->gradient_scale, *s);
        finish(u, i, count);
    }
}

static void direction_block(int64_t count, const fst__real *restrict gradient,
                            fst__real *restrict buffer, fst__real *restrict direction,
                            fst__real scale, fst__real rest, fst__real direct, fst__real carried)
{
    for (int64_t i = 0; i < count; ++i) {
        fst__real g = gradient[i] * scale;
        fst__real m = buffer[i] + rest * (g - buffer[i]);
        buffer[i] = m;
        direction[i] = direct * g + carried * m;
    }
}

double fst__muon_direction(const fst__update *u, fst__real momentum, fst__real rest_momentum,
                           bool nesterov, fst__real *direction)
{
    fst__real direct = nesterov ? rest_momentum : 0, carried = nesterov ? momentum : 1;
    double sum = 0;
    for (int64_t i = 0; i < u->count; i += BLOCK) {
        int64_t count = block_length(u, i);
        direction_block(count, u->gradient + i, u->first + i, direction + i, u->gradient_scale,
                        rest_momentum, direct, carried);
        sum += fst__sum_squares(direction + i, count);
    }
    return sum;
}

static void muon_block(int64_t count, fst__real *restrict value, const fst__real *restrict direction,
                       fst__real keep, fst__real rate)
{
    for (int64_t i = 0; i < count; ++i)
        value[i] = value[i] * keep - rate * direction[i];
}

void fst__muon_update(const fst__update *u, fst__real keep, fst__real rate,
                      const fst__real *direction)
{
    for (int64_t i = 0; i < u->count; i += BLOCK) {
        int64_t count = block_length(u, i);
        muon_block(count, u->value + i, direction + i, keep, rate);
        finish(u, i, count);
    }
}
