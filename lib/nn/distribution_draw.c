/* Draws from a distribution over actions, and its mode. */
#include "nn/distribution.h"

#include "base/random.h"

#include <math.h>

enum { HELD = 64 }; /* weights of choices, and deviations, at a time */

/* Each part of an action has half of a Philox block: 53 bits of a uniform, or a normal. */
static fst__philox_block block_of(const fst__distribution *d, const fst__distribution_draw *draw,
                                  int64_t row, int64_t part)
{
    uint64_t blocks = ((uint64_t)d->parts + 1) / 2;
    return fst__philox(draw->seed, FST__STREAM_ACTION, draw->step,
                       (uint64_t)(draw->first_row + row) * blocks + (uint64_t)part / 2);
}

static double uniform(const fst__philox_block *block, int64_t part)
{
    const uint32_t *word = block->word + part % 2 * 2;
    return fst__uniform_double(word[0], word[1]);
}

static bool allowed(const uint8_t *mask, int64_t j)
{
    return !mask || mask[j];
}

static int32_t largest(const fst__real *x, const uint8_t *mask, int64_t n)
{
    int64_t best = -1;
    for (int64_t j = 0; j < n; ++j) {
        if (allowed(mask, j) && (best < 0 || x[j] > x[best]))
            best = j;
    }
    return (int32_t)best;
}

static double weight(const fst__real *x, const uint8_t *mask, int64_t j, double m)
{
    if (!allowed(mask, j))
        return 0;
    return x[j] == m ? 1 : exp(x[j] - m);
}

/* The first choice at which the sum of the probabilities exceeds u: one without probability never. */
static int32_t choice(const fst__real *x, const uint8_t *mask, int64_t n, double u)
{
    int32_t mode = largest(x, mask, n), last = mode;
    double held[HELD], sum = 0, passed = 0, m = x[mode];
    for (int64_t j = 0; j < n; ++j) {
        double e = weight(x, mask, j, m);
        sum += e;
        if (j < HELD)
            held[j] = e;
    }
    double target = u * sum;
    for (int64_t j = 0; j < n; ++j) {
        double e = j < HELD ? held[j] : weight(x, mask, j, m);
        passed += e;
        if (passed > target)
            return (int32_t)j;
        last = e > 0 ? (int32_t)j : last;
    }
    return last; /* rounding kept the sum from exceeding u */
}

static void draw_categorical(const fst__distribution *d, const fst__distribution_rows *rows,
                             const fst__distribution_draw *draw, int32_t *actions)
{
    const fst__real *x = rows->parameters;
    const uint8_t *mask = rows->masks;
    fst__philox_block block = {{0}};
    for (int64_t r = 0; r < rows->count; ++r) {
        for (int64_t i = 0; i < d->parts; ++i) {
            if (i % 2 == 0 && !draw->deterministic)
                block = block_of(d, draw, r, i);
            *actions++ = draw->deterministic ? largest(x, mask, d->counts[i])
                                             : choice(x, mask, d->counts[i], uniform(&block, i));
            x += d->counts[i];
            mask = mask ? mask + d->counts[i] : NULL;
        }
    }
}

static void draw_bernoulli(const fst__distribution *d, const fst__distribution_rows *rows,
                           const fst__distribution_draw *draw, int32_t *actions)
{
    for (int64_t r = 0; r < rows->count; ++r) {
        const fst__real *x = rows->parameters + r * d->parts;
        fst__philox_block block = {{0}};
        for (int64_t i = 0; i < d->parts; ++i) {
            if (i % 2 == 0 && !draw->deterministic)
                block = block_of(d, draw, r, i);
            double e = exp(-fabs((double)x[i])), p = x[i] > 0 ? 1 / (1 + e) : e / (1 + e);
            *actions++ = draw->deterministic ? x[i] > 0 : uniform(&block, i) < p;
        }
    }
}

/* Of the parts [first, first + n), first being even. */
static void draw_normals(const fst__distribution *d, const fst__distribution_rows *rows,
                         const fst__distribution_draw *draw, int64_t first, int64_t n,
                         float *actions)
{
    double deviation[HELD];
    for (int64_t i = 0; i < n; ++i)
        deviation[i] = exp((double)rows->log_std[first + i]);
    for (int64_t r = 0; r < rows->count; ++r) {
        fst__philox_block block = {{0}};
        for (int64_t i = 0; i < n; ++i) {
            int64_t at = r * d->parts + first + i;
            double noise = 0;
            if (i % 2 == 0 && !draw->deterministic)
                block = block_of(d, draw, r, first + i);
            if (!draw->deterministic)
                noise = deviation[i] * fst__normal(block, (int)(i % 2));
            actions[at] = (float)((double)rows->parameters[at] + noise);
        }
    }
}

static void draw_gaussian(const fst__distribution *d, const fst__distribution_rows *rows,
                          const fst__distribution_draw *draw, float *actions)
{
    for (int64_t c = 0; c < d->parts; c += HELD)
        draw_normals(d, rows, draw, c, d->parts - c < HELD ? d->parts - c : HELD, actions);
}

static bool has_choice(const fst__real *x, const uint8_t *mask, int64_t n)
{
    double m = -INFINITY;
    for (int64_t j = 0; j < n; ++j) {
        if (allowed(mask, j) && !(x[j] <= m))
            m = x[j];
        if (isnan(m))
            return false;
    }
    return isfinite(m);
}

int64_t fst__distribution_not_a_number(const fst__distribution *d,
                                       const fst__distribution_rows *rows)
{
    const fst__real *x = rows->parameters;
    const uint8_t *mask = rows->masks;
    for (int64_t i = 0; d->kind == FST__GAUSSIAN && i < d->parts; ++i) {
        if (!isfinite(rows->log_std[i]))
            return 0;
    }
    for (int64_t i = 0; d->kind != FST__CATEGORICAL && i < rows->count * d->parts; ++i) {
        if (!isfinite(x[i]))
            return i / d->parts;
    }
    for (int64_t i = 0; d->kind == FST__CATEGORICAL && i < rows->count * d->parts; ++i) {
        int64_t n = d->counts[i % d->parts];
        if (!has_choice(x, mask, n))
            return i / d->parts;
        x += n;
        mask = mask ? mask + n : NULL;
    }
    return -1;
}

void fst__distribution_sample(const fst__distribution *d, const fst__distribution_rows *rows,
                              const fst__distribution_draw *draw, void *actions)
{
    if (d->kind == FST__CATEGORICAL)
        draw_categorical(d, rows, draw, actions);
    else if (d->kind == FST__BERNOULLI)
        draw_bernoulli(d, rows, draw, actions);
    else
        draw_gaussian(d, rows, draw, actions);
}
