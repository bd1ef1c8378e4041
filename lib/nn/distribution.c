#include "nn/distribution.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

enum {
    ROWS = 64,     /* of a Gaussian's sums that are held at once */
    COLUMNS = 128, /* of its deviations, likewise */
    CHOICES = 64,  /* of a categorical whose exponentials are held */
};

static const double half_log_two_pi = 0.91893853320467274178;

fst_status fst__distribution_of(const fst_space *space, fst__distribution *out)
{
    *out = (fst__distribution){.kind = FST__CATEGORICAL, .parts = 1};
    if (space->kind == FST_SPACE_DISCRETE) {
        out->parameters = space->n;
        out->counts = &space->n;
        return FST_OK;
    }
    if (space->kind == FST_SPACE_MULTI_DISCRETE) {
        out->parts = space->shape[0];
        out->counts = space->counts;
        for (int64_t i = 0; i < out->parts; ++i)
            out->parameters += space->counts[i];
        return FST_OK;
    }
    if (space->kind == FST_SPACE_BOX && space->dtype != FST_F32)
        return fst__fail(FST_ERR_UNSUPPORTED,
                         "actions of a Box of bytes have no distribution; expected float32");
    out->kind = space->kind == FST_SPACE_BOX ? FST__GAUSSIAN : FST__BERNOULLI;
    for (int32_t d = 0; d < space->rank; ++d)
        out->parts *= space->shape[d];
    out->parameters = out->parts;
    return FST_OK;
}

/* ---- checks */

static bool allows_any(const uint8_t *mask, int64_t n)
{
    for (int64_t j = 0; j < n; ++j) {
        if (mask[j])
            return true;
    }
    return false;
}

static fst_status check_choice(const fst__distribution *d, const uint8_t *mask,
                               const int32_t *action, int64_t part, int64_t row, const char *name)
{
    int64_t n = d->counts[part];
    if (mask && !allows_any(mask, n))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: the mask of row %lld, part %lld allows nothing",
                         name, (long long)row, (long long)part);
    if (!action)
        return FST_OK;
    if (action[part] < 0 || action[part] >= n)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: the action of row %lld, part %lld is %d, expected 0 to %lld", name,
                         (long long)row, (long long)part, (int)action[part], (long long)n - 1);
    if (mask && !mask[action[part]])
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: the action of row %lld, part %lld is %d, which its mask forbids", name,
                         (long long)row, (long long)part, (int)action[part]);
    return FST_OK;
}

static fst_status check_categorical(const fst__distribution *d, const uint8_t *masks,
                                    const int32_t *actions, int64_t count, const char *name)
{
    for (int64_t r = 0; r < count; ++r) {
        const uint8_t *mask = masks ? masks + r * d->parameters : NULL;
        const int32_t *action = actions ? actions + r * d->parts : NULL;
        for (int64_t i = 0; i < d->parts; ++i) {
            fst_status status = check_choice(d, mask, action, i, r, name);
            if (status)
                return status;
            mask = mask ? mask + d->counts[i] : NULL;
        }
    }
    return FST_OK;
}

fst_status fst__distribution_check(const fst__distribution *d, const uint8_t *masks,
                                   const void *actions, int64_t count, const char *name)
{
    if (d->kind == FST__CATEGORICAL)
        return check_categorical(d, masks, actions, count, name);
    if (masks)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: masks, which only Discrete and MultiDiscrete actions have", name);
    for (int64_t i = 0; actions && i < count * d->parts; ++i) {
        if (d->kind == FST__GAUSSIAN ? isfinite(((const float *)actions)[i])
                                     : (uint32_t)((const int32_t *)actions)[i] < 2)
            continue;
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: the action of row %lld, part %lld is not %s",
                         name, (long long)(i / d->parts), (long long)(i % d->parts),
                         d->kind == FST__GAUSSIAN ? "finite" : "0 or 1");
    }
    return FST_OK;
}

/* ---- categorical */

static bool allowed(const uint8_t *mask, int64_t j)
{
    return !mask || mask[j];
}

/* Over the choices that are allowed. */
typedef struct softmax {
    double largest;    /* m of the logits */
    double sum;        /* Σ exp(x − m) */
    double log_sum;    /* log Σ exp(x − m) */
    double mean_shift; /* Σ p·(x − m) */
} softmax;

/* exponentials [n]: exp(x − m), 0 where it is not allowed; NULL: not wanted. */
static softmax softmax_of(const fst__real *x, const uint8_t *mask, int64_t n, double *exponentials)
{
    double m = -INFINITY, sum = 0, shifted = 0;
    for (int64_t j = 0; j < n; ++j) {
        if (allowed(mask, j) && !(x[j] <= m)) /* a NaN stays */
            m = x[j];
    }
    for (int64_t j = 0; j < n; ++j) {
        double e = 0;
        if (allowed(mask, j)) {
            double shift = x[j] - m;
            /* Mostly one of few choices is the largest: its exponential is known. */
            e = shift == 0 ? 1 : exp(shift);
            sum += e;
            shifted += e == 0 ? 0 : e * shift;
        }
        if (exponentials)
            exponentials[j] = e;
    }
    return (softmax){m, sum, log(sum), shifted / sum};
}

static void categorical_evaluate(const fst__distribution *d, const fst__distribution_rows *rows,
                                 const int32_t *actions, fst__real *log_probabilities,
                                 fst__real *entropies)
{
    const fst__real *x = rows->parameters;
    const uint8_t *mask = rows->masks;
    for (int64_t r = 0; r < rows->count; ++r) {
        double log_probability = 0, entropy = 0;
        for (int64_t i = 0; i < d->parts; ++i) {
            softmax s = softmax_of(x, mask, d->counts[i], NULL);
            if (actions)
                log_probability += (x[actions[r * d->parts + i]] - s.largest) - s.log_sum;
            entropy += s.log_sum - s.mean_shift;
            x += d->counts[i];
            mask = mask ? mask + d->counts[i] : NULL;
        }
        if (log_probabilities)
            log_probabilities[r] = (fst__real)log_probability;
        if (entropies)
            entropies[r] = (fst__real)entropy;
    }
}

/* ∂ log p_a / ∂x_j = [j = a] − p_j, ∂H / ∂x_j = −p_j·(log p_j + H). */
static void categorical_part(const fst__real *x, const uint8_t *mask, int64_t n, int32_t action,
                             double d_log_probability, double d_entropy, fst__real *dx)
{
    double held[CHOICES];
    softmax s = softmax_of(x, mask, n, n <= CHOICES ? held : NULL);
    double entropy = s.log_sum - s.mean_shift;
    for (int64_t j = 0; j < n; ++j) {
        double shift = x[j] - s.largest, log_p = shift - s.log_sum;
        double e = n <= CHOICES ? held[j] : allowed(mask, j) ? exp(shift) : 0, p = e / s.sum;
        double d = -d_log_probability * p;
        if (j == action)
            d += d_log_probability;
        if (p != 0) /* 0·log 0 is 0 */
            d -= d_entropy * p * (log_p + entropy);
        dx[j] = (fst__real)d;
    }
}

static void categorical_gradient(const fst__distribution *d, const fst__distribution_rows *rows,
                                 const int32_t *actions, const fst__real *d_log_probabilities,
                                 const fst__real *d_entropies, fst__real *dx)
{
    const fst__real *x = rows->parameters;
    const uint8_t *mask = rows->masks;
    for (int64_t r = 0; r < rows->count; ++r) {
        for (int64_t i = 0; i < d->parts; ++i) {
            categorical_part(x, mask, d->counts[i], actions ? actions[r * d->parts + i] : -1,
                             d_log_probabilities ? d_log_probabilities[r] : 0,
                             d_entropies ? d_entropies[r] : 0, dx);
            x += d->counts[i];
            dx += d->counts[i];
            mask = mask ? mask + d->counts[i] : NULL;
        }
    }
}

/* ---- Bernoulli */

/* With e = exp(−|x|): log p of the likelier outcome is −log(1 + e), of the other that − |x|. */
static void bernoulli_evaluate(const fst__distribution *d, const fst__distribution_rows *rows,
                               const int32_t *actions, fst__real *log_probabilities,
                               fst__real *entropies)
{
    for (int64_t r = 0; r < rows->count; ++r) {
        const fst__real *x = rows->parameters + r * d->parts;
        double log_probability = 0, entropy = 0;
        for (int64_t i = 0; i < d->parts; ++i) {
            double z = fabs((double)x[i]), e = exp(-z), log_sum = log1p(e);
            bool likelier = actions && (actions[r * d->parts + i] != 0) == (x[i] > 0);
            log_probability -= likelier ? log_sum : log_sum + z;
            entropy += e == 0 ? 0 : log_sum + z * e / (1 + e);
        }
        if (log_probabilities)
            log_probabilities[r] = (fst__real)log_probability;
        if (entropies)
            entropies[r] = (fst__real)entropy;
    }
}

/* ∂ log p / ∂x = a − σ(x), ∂H / ∂x = −x·σ(x)·σ(−x). */
static void bernoulli_gradient(const fst__distribution *d, const fst__distribution_rows *rows,
                               const int32_t *actions, const fst__real *d_log_probabilities,
                               const fst__real *d_entropies, fst__real *dx)
{
    for (int64_t i = 0; i < rows->count * d->parts; ++i) {
        int64_t r = i / d->parts;
        double x = rows->parameters[i], e = exp(-fabs(x));
        double smaller = e / (1 + e), larger = 1 / (1 + e);
        double given = d_log_probabilities ? d_log_probabilities[r] : 0, gradient = 0;
        if (actions)
            gradient += given * (actions[i] ? (x > 0 ? smaller : larger)
                                            : -(x > 0 ? larger : smaller));
        if (d_entropies && e != 0)
            gradient -= d_entropies[r] * x * smaller * larger;
        dx[i] = (fst__real)gradient;
    }
}

/* ---- Gaussian */

/* The part of the entropy and of −log p that is the same for all rows: Σ log σ + ½·log 2π. */
static double gaussian_constant(const fst__distribution *d, const fst__real *log_std)
{
    double sum = 0;
    for (int64_t i = 0; i < d->parts; ++i)
        sum += log_std[i] + half_log_two_pi;
    return sum;
}

static int64_t gaussian_piece(const fst__distribution *d, const fst__real *log_std, int64_t first,
                              double inverse[COLUMNS])
{
    int64_t n = d->parts - first < COLUMNS ? d->parts - first : COLUMNS;
    for (int64_t i = 0; i < n; ++i)
        inverse[i] = exp(-(double)log_std[first + i]);
    return n;
}

/* log p = −½ Σ ((a − μ) / σ)² − Σ (log σ + ½·log 2π), H = Σ (½ + ½·log 2π + log σ). */
static void gaussian_evaluate(const fst__distribution *d, const fst__distribution_rows *rows,
                              const float *actions, fst__real *log_probabilities,
                              fst__real *entropies)
{
    double constant = gaussian_constant(d, rows->log_std);
    for (int64_t r = 0; entropies && r < rows->count; ++r)
        entropies[r] = (fst__real)(constant + 0.5 * (double)d->parts);
    for (int64_t r0 = 0; log_probabilities && r0 < rows->count; r0 += ROWS) {
        double squares[ROWS] = {0}, inverse[COLUMNS];
        int64_t count = rows->count - r0 < ROWS ? rows->count - r0 : ROWS;
        for (int64_t c = 0; c < d->parts; c += COLUMNS) {
            int64_t n = gaussian_piece(d, rows->log_std, c, inverse);
            for (int64_t r = 0; r < count; ++r) {
                const float *a = actions + (r0 + r) * d->parts + c;
                const fst__real *mean = rows->parameters + (r0 + r) * d->parts + c;
                for (int64_t i = 0; i < n; ++i) {
                    double z = ((double)a[i] - (double)mean[i]) * inverse[i];
                    squares[r] += z * z;
                }
            }
        }
        for (int64_t r = 0; r < count; ++r)
            log_probabilities[r0 + r] = (fst__real)(-0.5 * squares[r] - constant);
    }
}

/* ∂ log p / ∂μ = (a − μ) / σ², ∂ log p / ∂ log σ = ((a − μ) / σ)² − 1, ∂H / ∂ log σ = 1. */
static void gaussian_gradient(const fst__distribution *d, const fst__distribution_rows *rows,
                              const float *actions, const fst__real *d_log_probabilities,
                              const fst__real *d_entropies, fst__real *dx, fst__real *d_log_std)
{
    for (int64_t c = 0; c < d->parts; c += COLUMNS) {
        double inverse[COLUMNS], sum[COLUMNS] = {0};
        int64_t n = gaussian_piece(d, rows->log_std, c, inverse);
        for (int64_t r = 0; r < rows->count; ++r) {
            double given = d_log_probabilities && actions ? d_log_probabilities[r] : 0;
            double d_entropy = d_entropies ? d_entropies[r] : 0;
            const float *a = actions ? actions + r * d->parts + c : NULL;
            for (int64_t i = 0; i < n; ++i) {
                int64_t at = r * d->parts + c + i;
                double z = a ? ((double)a[i] - (double)rows->parameters[at]) * inverse[i] : 0;
                dx[at] = (fst__real)(given * z * inverse[i]);
                sum[i] += given * (z * z - 1) + d_entropy;
            }
        }
        for (int64_t i = 0; d_log_std && i < n; ++i)
            d_log_std[c + i] = (fst__real)sum[i];
    }
}

/* ---- whichever it is */

void fst__distribution_evaluate(const fst__distribution *d, const fst__distribution_rows *rows,
                                const void *actions, fst__real *log_probabilities,
                                fst__real *entropies)
{
    if (d->kind == FST__CATEGORICAL)
        categorical_evaluate(d, rows, actions, log_probabilities, entropies);
    else if (d->kind == FST__BERNOULLI)
        bernoulli_evaluate(d, rows, actions, log_probabilities, entropies);
    else
        gaussian_evaluate(d, rows, actions, log_probabilities, entropies);
}

void fst__distribution_gradient(const fst__distribution *d, const fst__distribution_rows *rows,
                                const void *actions, const fst__real *d_log_probabilities,
                                const fst__real *d_entropies, fst__real *d_parameters,
                                fst__real *d_log_std)
{
    if (d->kind == FST__CATEGORICAL)
        categorical_gradient(d, rows, actions, d_log_probabilities, d_entropies, d_parameters);
    else if (d->kind == FST__BERNOULLI)
        bernoulli_gradient(d, rows, actions, d_log_probabilities, d_entropies, d_parameters);
    else
        gaussian_gradient(d, rows, actions, d_log_probabilities, d_entropies, d_parameters,
                          d_log_std);
}
