#include "kernels/reference.h"

#include "base/random.h"

#include <math.h>
#include <stddef.h>

static void from_bf16(const fst__bf16 *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = (fst__real)fst__bf16_to_float(x[i]);
}

static void to_bf16(const fst__real *x, fst__bf16 *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = fst__float_to_bf16((float)x[i]);
}

static void add(const fst__real *a, const fst__real *b, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = a[i] + b[i];
}

static void axpy(fst__real alpha, const fst__real *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = (fst__real)((double)y[i] + (double)alpha * (double)x[i]);
}

static void scale(fst__real alpha, const fst__real *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = alpha * x[i];
}

static fst__real dot(const fst__real *x, const fst__real *y, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; ++i)
        total += (double)x[i] * (double)y[i];
    return (fst__real)total;
}

static fst__real sum(const fst__real *x, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; ++i)
        total += (double)x[i];
    return (fst__real)total;
}

static fst__real row_max(const fst__real *x, int64_t n)
{
    fst__real most = -INFINITY;
    for (int64_t i = 0; i < n; ++i)
        most = x[i] > most ? x[i] : most;
    return most;
}

static double sum_squares(const fst__real *x, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; ++i)
        total += (double)x[i] * (double)x[i];
    return total;
}

static void row_exp(const fst__real *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = (fst__real)exp((double)x[i]);
}

static fst__real exp_sum(const fst__real *x, fst__real shift, fst__real *y, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; ++i) {
        double e = exp((double)(x[i] - shift));
        total += e;
        if (y)
            y[i] = (fst__real)e;
    }
    return (fst__real)total;
}

static fst__real log_sum_exp(const fst__real *x, int64_t n)
{
    double most = (double)row_max(x, n), total = 0;
    double shift = isinf(most) ? 0 : most;
    for (int64_t i = 0; i < n; ++i)
        total += exp((double)x[i] - shift);
    return (fst__real)(shift + log(total));
}

static void softmax(const fst__real *x, fst__real *y, int64_t n)
{
    double most = (double)row_max(x, n), total = 0;
    for (int64_t i = 0; i < n; ++i)
        total += exp((double)x[i] - most);
    for (int64_t i = 0; i < n; ++i)
        y[i] = (fst__real)(exp((double)x[i] - most) / total);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static const double half_pi_root = 0.79788456080286535588; /* √(2/π) */

static double activate(int32_t activation, double x)
{
    switch (activation) {
    case FST__ACTIVATION_GELU_TANH:
        return 0.5 * x * (1 + tanh(half_pi_root * (x + 0.044715 * x * x * x)));
    case FST__ACTIVATION_GELU:
        return 0.5 * x * (1 + erf(x * sqrt(0.5)));
    case FST__ACTIVATION_SILU:
        return x * sigmoid(x);
    case FST__ACTIVATION_RELU:
        return x < 0 ? 0 : x;
    case FST__ACTIVATION_TANH:
        return tanh(x);
    default:
        return x;
    }
}

/* Slopes at ±∞ are their limits. */
static double slope(int32_t activation, double x)
{
    x = x > 1e6 ? 1e6 : x < -1e6 ? -1e6 : x;
    switch (activation) {
    case FST__ACTIVATION_GELU_TANH: {
        double t = tanh(half_pi_root * (x + 0.044715 * x * x * x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * half_pi_root * (1 + 3 * 0.044715 * x * x);
    }
    case FST__ACTIVATION_GELU:
        return 0.5 * (1 + erf(x * sqrt(0.5))) + x * 0.5 * half_pi_root * exp(-0.5 * x * x);
    case FST__ACTIVATION_SILU: {
        double s = sigmoid(x);
        return s + x * s * (1 - s);
    }
    case FST__ACTIVATION_RELU:
        return x > 0;
    case FST__ACTIVATION_TANH: {
        double t = tanh(x);
        return 1 - t * t;
    }
    default:
        return 1;
    }
}

static void activation_forward(int32_t activation, const fst__real *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = (fst__real)activate(activation, (double)x[i]);
}

static void activation_backward(int32_t activation, const fst__real *x, const fst__real *dy,
                                fst__real *dx, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        dx[i] = (fst__real)((double)dy[i] * slope(activation, (double)x[i]));
}

static void gated_forward(int32_t activation, const fst__real *gate, const fst__real *up,
                          fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = (fst__real)(activate(activation, (double)gate[i]) * (double)up[i]);
}

static void gated_backward(int32_t activation, const fst__real *gate, const fst__real *up,
                           const fst__real *dy, fst__real *dgate, fst__real *dup, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        double g = (double)gate[i], u = (double)up[i], d = (double)dy[i];
        dgate[i] = (fst__real)(d * u * slope(activation, g));
        dup[i] = (fst__real)(d * activate(activation, g));
    }
}

static fst__real square_deviation(const fst__real *x, fst__real mean, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; ++i)
        total += ((double)x[i] - (double)mean) * ((double)x[i] - (double)mean);
    return (fst__real)total;
}

static void normalise(const fst__real *x, fst__real mean, fst__real rstd, const fst__real *gamma,
                      const fst__real *beta, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        double normed = ((double)x[i] - (double)mean) * (double)rstd;
        y[i] = (fst__real)(normed * (gamma ? (double)gamma[i] : 1) + (beta ? (double)beta[i] : 0));
    }
}

static void norm_sums(const fst__real *x, fst__real mean, fst__real rstd, const fst__real *gamma,
                      const fst__real *dy, fst__real *dgamma, fst__real *dbeta, fst__real sums[2],
                      int64_t n)
{
    double sum_g = 0, sum_gx = 0;
    for (int64_t i = 0; i < n; ++i) {
        double normed = ((double)x[i] - (double)mean) * (double)rstd;
        double g = (double)dy[i] * (gamma ? (double)gamma[i] : 1);
        sum_g += g;
        sum_gx += g * normed;
        if (dgamma)
            dgamma[i] = (fst__real)((double)dgamma[i] + (double)dy[i] * normed);
        if (dbeta)
            dbeta[i] += dy[i];
    }
    sums[0] = (fst__real)((double)sums[0] + sum_g);
    sums[1] = (fst__real)((double)sums[1] + sum_gx);
}

static void norm_gradient(const fst__real *x, fst__real mean, fst__real rstd,
                          const fst__real *gamma, const fst__real *dy, fst__real mean_g,
                          fst__real mean_gx, const fst__real *onto, fst__real *dx, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        double normed = ((double)x[i] - (double)mean) * (double)rstd;
        double g = (double)dy[i] * (gamma ? (double)gamma[i] : 1);
        double d = (double)rstd * (g - (double)mean_g - normed * (double)mean_gx);
        dx[i] = (fst__real)(d + (onto ? (double)onto[i] : 0));
    }
}

static void rotate(fst__real *x, fst__real *y, const fst__real *cosine, const fst__real *sine,
                   bool inverse, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        double a = (double)x[i], b = (double)y[i], c = (double)cosine[i];
        double s = inverse ? -(double)sine[i] : (double)sine[i];
        x[i] = (fst__real)(a * c - b * s);
        y[i] = (fst__real)(b * c + a * s);
    }
}

static void random_words(uint64_t seed, uint32_t stream, uint64_t step, uint64_t first,
                         uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        uint64_t e = first + (uint64_t)i;
        words[i] = fst__philox(seed, stream, step, (e >> 6) * 16 + (e & 15)).word[(e >> 4) & 3];
    }
}

static void dropout(uint64_t seed, uint64_t step, uint64_t first, uint32_t threshold,
                    fst__real scale_kept, const fst__real *x, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        uint32_t word;
        random_words(seed, FST__STREAM_DROPOUT, step, first + (uint64_t)i, &word, 1);
        y[i] = word >= threshold ? x[i] * scale_kept : 0;
    }
}

static void affine(fst__real alpha, const fst__real *x, fst__real beta, fst__real *y, int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        y[i] = alpha * x[i] + beta;
}

static fst__real exp_sum_scaled(const fst__real *x, fst__real factor, fst__real shift, fst__real *y,
                                int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; ++i)
        total += y[i] = (fst__real)exp((double)(factor * x[i] - shift));
    return (fst__real)total;
}

static void attention_gradient(fst__real *p, fst__real *dp, fst__real factor, fst__real lse,
                               fst__real delta, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        p[i] = (fst__real)exp((double)(factor * p[i] - lse));
        dp[i] = factor * p[i] * (dp[i] - delta);
    }
}

static void rows_dot(const fst__real *matrix, int64_t rows, int64_t columns, const fst__real *x,
                     fst__real *y)
{
    for (int64_t i = 0; i < rows; ++i) {
        double total = 0;
        for (int64_t j = 0; j < columns; ++j)
            total += (double)matrix[i * columns + j] * (double)x[j];
        y[i] = (fst__real)total;
    }
}

static void rows_add(const fst__real *matrix, int64_t rows, int64_t columns,
                     const fst__real *weights, fst__real *y)
{
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
            y[j] += weights[i] * matrix[i * columns + j];
}

static void copy_pieces(const void *x, int64_t x_step, void *y, int64_t y_step, int64_t pieces,
                        int64_t bytes)
{
    for (int64_t i = 0; i < pieces; ++i)
        for (int64_t j = 0; j < bytes; ++j)
            ((char *)y)[i * y_step + j] = ((const char *)x)[i * x_step + j];
}

static void channel_sums(const fst__real *x, int64_t rows, int64_t columns, double *sum,
                         double *sum_squares)
{
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) {
            double value = (double)x[r * columns + c];
            sum[c] += value;
            sum_squares[c] += value * value;
        }
}

static double channel_normed(const fst__channels *ch, int64_t c, fst__real x)
{
    return ((double)x - (double)ch->mean[c]) * (double)ch->rstd[c];
}

static void channel_norm(const fst__channels *ch, const fst__real *x, const fst__real *onto,
                         bool relu, fst__real *y, int64_t rows)
{
    for (int64_t i = 0; i < rows * ch->columns; ++i) {
        int64_t c = i % ch->columns;
        double value = channel_normed(ch, c, x[i]) * (ch->gamma ? (double)ch->gamma[c] : 1) +
                       (ch->beta ? (double)ch->beta[c] : 0) + (onto ? (double)onto[i] : 0);
        y[i] = (fst__real)(relu && value < 0 ? 0 : value);
    }
}

static void channel_gradient_sums(const fst__channels *ch, const fst__real *x, bool relu,
                                  const fst__real *active, const fst__real *dy, int64_t rows,
                                  double *sum, double *sum_x)
{
    for (int64_t i = 0; i < rows * ch->columns; ++i) {
        int64_t c = i % ch->columns;
        double normed = channel_normed(ch, c, x[i]);
        double shown = active ? (double)active[i]
                              : normed * (ch->gamma ? (double)ch->gamma[c] : 1) +
                                    (ch->beta ? (double)ch->beta[c] : 0);
        double d = relu && !(shown > 0) ? 0 : (double)dy[i];
        sum[c] += d;
        sum_x[c] += d * normed;
    }
}

static void channel_gradient(const fst__channels_gradient *ch, const fst__real *x, bool relu,
                             const fst__real *active, const fst__real *dy, fst__real *masked,
                             fst__real *dx, int64_t rows)
{
    for (int64_t i = 0; i < rows * ch->columns; ++i) {
        int64_t c = i % ch->columns;
        double deviation = (double)x[i] - (double)ch->mean[c];
        double shown = active ? (double)active[i]
                              : deviation * (double)ch->gain[c] +
                                    (ch->beta ? (double)ch->beta[c] : 0);
        fst__real d = relu && !(shown > 0) ? 0 : dy[i];
        if (masked)
            masked[i] = d;
        dx[i] = (fst__real)((double)ch->gain[c] * (double)d -
                            (double)ch->slope[c] * deviation - (double)ch->offset[c]);
    }
}

static double plain_slope_of_output(int32_t activation, double y)
{
    if (activation == FST__ACTIVATION_TANH)
        return 1 - y * y;
    return activation == FST__ACTIVATION_RELU ? y > 0 : 1;
}

static void dense_product(const fst__dense *d)
{
    for (int64_t i = 0; i < d->m; ++i)
        for (int64_t j = 0; j < d->n; ++j) {
            fst__real *c = &d->c[i * d->c_row + j];
            double sum = d->accumulate ? *c : d->bias ? d->bias[j] : 0;
            for (int64_t p = 0; p < d->k; ++p)
                sum += (double)d->a[i * d->a_row + p * d->a_step] * d->b[p * d->b_row + j];
            fst__real rounded = (fst__real)sum;
            if (d->shown)
                *c = (fst__real)(sum * plain_slope_of_output(d->activation,
                                                             d->shown[i * d->shown_row + j]));
            else
                activation_forward(d->activation, &rounded, c, 1);
        }
}

static void output_slope(int32_t activation, const fst__real *y, const fst__real *dy, fst__real *dx,
                         int64_t n)
{
    for (int64_t i = 0; i < n; ++i)
        dx[i] = (fst__real)(dy[i] * plain_slope_of_output(activation, y[i]));
}

static void turn(const fst__real *x, int64_t rows, int64_t columns, fst__real *y, int64_t y_row)
{
    for (int64_t c = 0; c < columns; ++c)
        for (int64_t r = 0; r < y_row; ++r)
            y[c * y_row + r] = r < rows ? x[r * columns + c] : 0;
}

const fst__kernels fst__kernels_reference = {
    .name = "reference",
    .from_bf16 = from_bf16,
    .to_bf16 = to_bf16,
    .add = add,
    .axpy = axpy,
    .scale = scale,
    .dot = dot,
    .sum = sum,
    .max = row_max,
    .sum_squares = sum_squares,
    .exp = row_exp,
    .exp_sum = exp_sum,
    .log_sum_exp = log_sum_exp,
    .softmax = softmax,
    .activation_forward = activation_forward,
    .activation_backward = activation_backward,
    .gated_forward = gated_forward,
    .gated_backward = gated_backward,
    .square_deviation = square_deviation,
    .normalise = normalise,
    .norm_sums = norm_sums,
    .norm_gradient = norm_gradient,
    .rotate = rotate,
    .random_words = random_words,
    .dropout = dropout,
    .affine = affine,
    .exp_sum_scaled = exp_sum_scaled,
    .attention_gradient = attention_gradient,
    .rows_dot = rows_dot,
    .rows_add = rows_add,
    .dense_product = dense_product,
    .output_slope = output_slope,
    .turn = turn,
    .copy_pieces = copy_pieces,
    .channel_sums = channel_sums,
    .channel_norm = channel_norm,
    .channel_gradient_sums = channel_gradient_sums,
    .channel_gradient = channel_gradient,
};
