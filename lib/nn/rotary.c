#include "nn/rotary.h"

#include "nn/blocks.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* ---- tables: transformers, src/transformers/modeling_rope_utils.py */

/* _compute_dynamic_ntk_parameters */
static double stretched_base(const fst__rotary_scaling *s, int64_t context, int64_t size)
{
    if (s->kind != FST__ROTARY_DYNAMIC)
        return s->theta;
    double length = (double)(context > s->original_context ? context : s->original_context);
    double ratio = s->factor * length / (double)s->original_context - (s->factor - 1);
    return s->theta * pow(ratio, (double)size / (double)(size - 2));
}

/* _compute_llama3_parameters */
static double llama3_frequency(const fst__rotary_scaling *s, double frequency)
{
    double wavelength = 2 * pi / frequency, original = (double)s->original_context;
    if (wavelength < original / s->high_frequency_factor)
        return frequency;
    if (wavelength > original / s->low_frequency_factor)
        return frequency / s->factor;
    double smooth = (original / wavelength - s->low_frequency_factor) /
                    (s->high_frequency_factor - s->low_frequency_factor);
    return (1 - smooth) * frequency / s->factor + smooth * frequency;
}

/* _compute_yarn_parameters: the pair at which `rotations` full turns fit the original context */
static double yarn_dimension(const fst__rotary_scaling *s, double rotations, int64_t size)
{
    return (double)size * log((double)s->original_context / (rotations * 2 * pi)) /
           (2 * log(s->theta));
}

static double yarn_frequency(const fst__rotary_scaling *s, double frequency, int64_t pair,
                             int64_t size)
{
    double low = yarn_dimension(s, s->beta_fast > 0 ? s->beta_fast : 32, size);
    double high = yarn_dimension(s, s->beta_slow > 0 ? s->beta_slow : 1, size);
    if (!s->no_truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, (double)(size - 1));
    if (low == high)
        high += 0.001;
    double ramp = fmin(fmax(((double)pair - low) / (high - low), 0), 1);
    return frequency / s->factor * ramp + frequency * (1 - ramp);
}

static double yarn_mscale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static double attention_factor(const fst__rotary_scaling *s)
{
    if (s->kind != FST__ROTARY_YARN)
        return 1;
    if (s->attention_factor > 0)
        return s->attention_factor;
    if (s->mscale != 0 && s->mscale_all_dim != 0)
        return yarn_mscale(s->factor, s->mscale) / yarn_mscale(s->factor, s->mscale_all_dim);
    return yarn_mscale(s->factor, 1);
}

static double pair_frequency(const fst__rotary_scaling *s, double base, int64_t pair, int64_t size)
{
    double frequency = pow(base, -2.0 * (double)pair / (double)size);
    switch (s->kind) {
    case FST__ROTARY_LINEAR:
        return frequency / s->factor;
    case FST__ROTARY_YARN:
        return yarn_frequency(s, frequency, pair, size);
    case FST__ROTARY_LLAMA3:
        return llama3_frequency(s, frequency);
    default:
        return frequency;
    }
}

void fst__rotary_tables(fst__real *cosine, fst__real *sine, int64_t context, int64_t rotary_size,
                        const fst__rotary_scaling *scaling)
{
    int64_t half = rotary_size / 2;
    double base = stretched_base(scaling, context, rotary_size);
    double factor = attention_factor(scaling);
    for (int64_t i = 0; i < half; ++i) {
        double frequency = pair_frequency(scaling, base, i, rotary_size);
        for (int64_t t = 0; t < context; ++t) {
            cosine[t * half + i] = (fst__real)(factor * cos((double)t * frequency));
            sine[t * half + i] = (fst__real)(factor * sin((double)t * frequency));
        }
    }
}

/* ---- application */

typedef struct rotary_job {
    const fst__kernels *kernels;
    const fst__real *cosine, *sine;
    const int32_t *positions;
    fst__matrix x;
    int64_t heads, head_size, half, block_rows;
    bool inverse;
} rotary_job;

static void rotate_head(const rotary_job *job, int64_t row, int64_t column)
{
    const fst__kernels *k = job->kernels;
    const fst__real *cosine = job->cosine + job->positions[row] * job->half;
    const fst__real *sine = job->sine + job->positions[row] * job->half;
    fst__real scratch[2][FST__CHUNK];
    for (int64_t i = 0; i < job->half; i += FST__CHUNK) {
        int64_t n = fst__chunk(job->half, i), first = column + i, second = first + job->half;
        fst__row_read(k, job->x, row, first, n, scratch[0]);
        fst__row_read(k, job->x, row, second, n, scratch[1]);
        fst__real *x = fst__row_target(job->x, row, first, scratch[0]);
        fst__real *y = fst__row_target(job->x, row, second, scratch[1]);
        k->rotate(x, y, cosine + i, sine + i, job->inverse, n);
        fst__row_write(k, job->x, row, first, n, x);
        fst__row_write(k, job->x, row, second, n, y);
    }
}

static void rotary_task(void *context, int64_t block, int32_t worker)
{
    const rotary_job *job = context;
    int64_t end = (block + 1) * job->block_rows;
    for (int64_t r = block * job->block_rows; r < end && r < job->x.rows; ++r)
        for (int64_t h = 0; h < job->heads; ++h)
            rotate_head(job, r, h * job->head_size);
}

void fst__rotary_apply(const fst__compute *compute, const fst__real *cosine, const fst__real *sine,
                       const int32_t *positions, fst__matrix x, int64_t heads, int64_t head_size,
                       int64_t rotary_size, bool inverse)
{
    rotary_job job = {
        .kernels = compute->kernels,
        .cosine = cosine,
        .sine = sine,
        .positions = positions,
        .x = x,
        .heads = heads,
        .head_size = head_size,
        .half = rotary_size / 2,
        .block_rows = fst__block_rows(heads * head_size),
        .inverse = inverse,
    };
    fst__pool_run(compute->pool, fst__blocks(x.rows, job.block_rows), rotary_task, &job);
}
