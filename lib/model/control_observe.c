/* Observations on their way into a control policy's model: checked, normalised, remembered. */
#include "model/control_policy.h"

#include "base/checked.h"
#include "base/error.h"
#include "model/policy.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 128 }; /* of statistics held at a time */

static int64_t piece_of(int64_t size, int64_t first)
{
    return size - first < COLUMNS ? size - first : COLUMNS;
}

/* ---- checks */

static fst_status check_finite(const float *x, int64_t count, int64_t size)
{
    for (int64_t i = 0; i < count * size; ++i) {
        if (!isfinite(x[i]))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "the observation of row %lld is not finite in element %lld",
                             (long long)(i / size), (long long)(i % size));
    }
    return FST_OK;
}

/* Choices below n of each part, or, of MultiBinary, below 2. */
static fst_status check_choices(const fst_space *space, const int32_t *x, int64_t count)
{
    int64_t parts = space->kind == FST_SPACE_DISCRETE ? 1 : space->shape[0];
    for (int64_t i = 0; i < count * parts; ++i) {
        int64_t n = space->kind == FST_SPACE_DISCRETE         ? space->n
                    : space->kind == FST_SPACE_MULTI_DISCRETE ? space->counts[i % parts]
                                                              : 2;
        if (x[i] < 0 || x[i] >= n)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "the observation of row %lld is %d in part %lld, expected 0 to %lld",
                             (long long)(i / parts), (int)x[i], (long long)(i % parts),
                             (long long)n - 1);
    }
    return FST_OK;
}

static fst_status check(const fst__control_policy *control, const void *observations, int64_t count)
{
    const fst_space *space = &control->observations;
    if (space->kind != FST_SPACE_BOX)
        return check_choices(space, observations, count);
    return space->dtype == FST_U8 ? FST_OK : check_finite(observations, count, control->inputs);
}

/* ---- observations to rows */

/* clip((x − mean) / √(variance + ε), ±clip), VecNormalize.normalize_obs of Stable-Baselines3. */
static void normalise(const fst__control_policy *control, const float *x, int64_t count, float *y)
{
    static const double epsilon = 1e-8;
    const fst__running_statistics *s = &control->statistics;
    double most = control->options.observation_clip, deviation[COLUMNS];
    for (int64_t c = 0; c < s->size; c += COLUMNS) {
        int64_t n = piece_of(s->size, c);
        for (int64_t i = 0; i < n; ++i)
            deviation[i] = sqrt(s->variance[c + i] + epsilon);
        for (int64_t r = 0; r < count; ++r) {
            for (int64_t i = 0; i < n; ++i) {
                int64_t at = r * s->size + c + i;
                double z = ((double)x[at] - s->mean[c + i]) / deviation[i];
                z = z > most ? most : z;
                y[at] = (float)(z < -most ? -most : z);
            }
        }
    }
}

fst_status fst__control_encode(const fst_policy *policy, const void *observations, int64_t count,
                               void *rows)
{
    const fst__control_policy *control = policy->control;
    fst_status status = check(control, observations, count);
    if (status)
        return status;
    if (control->statistics.size)
        normalise(control, observations, count, rows);
    else
        memcpy(rows, observations, (size_t)count * control->row_bytes);
    return FST_OK;
}

/* ---- rows to what the model reads */

static void expand_choices(const fst_space *space, const int32_t *x, int64_t count, int64_t inputs,
                           float *y)
{
    int64_t parts = space->kind == FST_SPACE_DISCRETE ? 1 : space->shape[0];
    memset(y, 0, (size_t)(count * inputs) * sizeof *y);
    for (int64_t r = 0; r < count; ++r) {
        float *row = y + r * inputs;
        for (int64_t i = 0; i < parts; ++i) {
            row[x[r * parts + i]] = 1;
            row += space->kind == FST_SPACE_DISCRETE ? space->n : space->counts[i];
        }
    }
}

void fst__control_expand(const fst__control_policy *control, const void *rows, int64_t count,
                         float *input)
{
    const fst_space *space = &control->observations;
    int64_t elements = count * control->inputs;
    if (space->kind == FST_SPACE_DISCRETE || space->kind == FST_SPACE_MULTI_DISCRETE) {
        expand_choices(space, rows, count, control->inputs, input);
    } else if (space->kind == FST_SPACE_MULTI_BINARY) {
        for (int64_t i = 0; i < elements; ++i)
            input[i] = (float)((const int32_t *)rows)[i];
    } else if (space->dtype == FST_U8) {
        for (int64_t i = 0; i < elements; ++i)
            input[i] = (float)((const uint8_t *)rows)[i] / 255.0f;
    } else {
        memcpy(input, rows, (size_t)elements * sizeof *input);
    }
}

/* ---- running statistics */

/* Of columns [c, c + n) of x [count, size]. */
static void take_columns(fst__running_statistics *s, const float *x, int64_t count, int64_t c,
                         int64_t n)
{
    double mean[COLUMNS] = {0}, square[COLUMNS] = {0};
    double added = (double)count, total = s->count + added;
    for (int64_t r = 0; r < count; ++r)
        for (int64_t i = 0; i < n; ++i)
            mean[i] += x[r * s->size + c + i];
    for (int64_t i = 0; i < n; ++i)
        mean[i] /= added;
    for (int64_t r = 0; r < count; ++r) {
        for (int64_t i = 0; i < n; ++i) {
            double d = x[r * s->size + c + i] - mean[i];
            square[i] += d * d;
        }
    }
    for (int64_t i = 0; i < n; ++i) {
        double delta = mean[i] - s->mean[c + i];
        double squares = s->variance[c + i] * s->count + square[i] +
                         delta * delta * s->count * added / total;
        s->mean[c + i] += delta * added / total;
        s->variance[c + i] = squares / total;
    }
}

fst_status fst__control_update_normalizer(fst_policy *policy, const void *observations,
                                          int64_t count)
{
    fst__running_statistics *s = &policy->control->statistics;
    fst_status status = check(policy->control, observations, count);
    if (status || !s->size)
        return status;
    for (int64_t c = 0; c < s->size; c += COLUMNS)
        take_columns(s, observations, count, c, piece_of(s->size, c));
    s->count += (double)count;
    return FST_OK;
}

/* ---- a window's past */

fst_status fst__control_history_create(fst__allocator *allocator, const fst_policy *policy,
                                       int64_t count, fst__control_history *out)
{
    fst__control_history h = {.allocator = allocator,
                              .count = count,
                              .window = policy->control->options.window,
                              .row_bytes = policy->control->row_bytes};
    size_t rows, bytes;
    if (!fst__mul_size((size_t)count, (size_t)h.window, &rows) ||
        !fst__mul_size(rows, h.row_bytes, &bytes))
        return fst__fail(FST_ERR_NO_MEMORY, "a history of %lld windows is too large",
                         (long long)count);
    h.rows = fst__alloc_zero(allocator, bytes);
    h.lengths = fst__alloc_zero(allocator, (size_t)count * sizeof *h.lengths);
    if (!h.rows || !h.lengths) {
        fst__control_history_destroy(&h);
        return FST_ERR_NO_MEMORY;
    }
    *out = h;
    return FST_OK;
}

void fst__control_history_destroy(fst__control_history *history)
{
    if (!history->allocator)
        return;
    fst__free(history->allocator, history->lengths);
    fst__free(history->allocator, history->rows);
    *history = (fst__control_history){0};
}

void fst__control_history_push(fst__control_history *h, const void *rows, const uint8_t *begins)
{
    for (int64_t i = 0; i < h->count; ++i) {
        unsigned char *window = h->rows + (size_t)(i * h->window) * h->row_bytes;
        if (begins && begins[i])
            h->lengths[i] = 0;
        if (h->lengths[i] == h->window) {
            memmove(window, window + h->row_bytes, (size_t)(h->window - 1) * h->row_bytes);
            --h->lengths[i];
        }
        memcpy(window + (size_t)h->lengths[i] * h->row_bytes,
               (const unsigned char *)rows + (size_t)i * h->row_bytes, h->row_bytes);
        ++h->lengths[i];
    }
}
