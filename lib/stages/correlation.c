/* Errors and correlations of numbers. */
#include "base/error.h"
#include "formats/sort.h"
#include "stages/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool less(const void *context, size_t a, size_t b)
{
    const fst__real *values = context;
    return values[a] < values[b];
}

static void swap(void *context, size_t a, size_t b)
{
    fst__real *values = context;
    fst__real kept = values[a];
    values[a] = values[b];
    values[b] = kept;
}

/* How many of the sorted values are below `value`, or, with `equal`, at most as large. */
static int64_t count_below(const fst__real *sorted, int64_t count, fst__real value, bool equal)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (sorted[middle] < value || (equal && sorted[middle] == value))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Twice the mean rank, from 1, of those that equal `value`: a whole number. */
static double double_rank(const fst__real *sorted, int64_t count, fst__real value)
{
    return (double)(count_below(sorted, count, value, false) + 1 +
                    count_below(sorted, count, value, true));
}

/* The value itself, or its rank among the sorted ones. */
static double measure(const fst__real *values, const fst__real *sorted, int64_t count, int64_t i)
{
    return sorted ? double_rank(sorted, count, values[i]) : (double)values[i];
}

/* Two passes, so that a large mean costs no digits. sorted NULL: of the values. */
static double pearson_of(const fst__real *x, const fst__real *y, const fst__real *sorted_x,
                         const fst__real *sorted_y, int64_t count)
{
    double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < count; ++i) {
        mean_x += measure(x, sorted_x, count, i);
        mean_y += measure(y, sorted_y, count, i);
    }
    mean_x /= (double)count;
    mean_y /= (double)count;
    for (int64_t i = 0; i < count; ++i) {
        double dx = measure(x, sorted_x, count, i) - mean_x;
        double dy = measure(y, sorted_y, count, i) - mean_y;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    double r = xy / (sqrt(xx) * sqrt(yy));
    return r > 1 ? 1 : r < -1 ? -1 : r; /* rounding */
}

static bool is_constant(const fst__real *sorted, int64_t count)
{
    return count == 0 || sorted[0] == sorted[count - 1];
}

/* x and y finite; sorted_x, sorted_y [count] are overwritten. */
static void correlate(const fst__real *x, const fst__real *y, int64_t count, fst__real *sorted_x,
                      fst__real *sorted_y, double *pearson, double *spearman)
{
    memcpy(sorted_x, x, (size_t)count * sizeof *x);
    memcpy(sorted_y, y, (size_t)count * sizeof *y);
    fst__sort((size_t)count, less, swap, sorted_x);
    fst__sort((size_t)count, less, swap, sorted_y);
    *pearson = *spearman = NAN;
    if (is_constant(sorted_x, count) || is_constant(sorted_y, count))
        return;
    *pearson = pearson_of(x, y, NULL, NULL, count);
    *spearman = pearson_of(x, y, sorted_x, sorted_y, count);
}

static fst_status check_finite(const char *name, fst__real value, int64_t index)
{
    if (isfinite(value))
        return FST_OK;
    return fst__fail(FST_ERR_NUMERIC, "%s[%" PRId64 "] is %g", name, index, (double)value);
}

fst_status fst__metrics_correlation(const fst__real *x, const fst__real *y, int64_t count,
                                    fst__real *scratch, double *pearson, double *spearman)
{
    fst_status status = FST_OK;
    for (int64_t i = 0; i < count && !status; ++i) {
        status = check_finite("x", x[i], i);
        if (!status)
            status = check_finite("y", y[i], i);
    }
    if (!status)
        correlate(x, y, count, scratch, scratch + count, pearson, spearman);
    return status;
}

fst_status fst__metrics_regression(const fst__real *labels, const fst__real *predictions,
                                   int64_t stride, int64_t count, fst__real *scratch,
                                   fst_regression_metrics *metrics)
{
    fst__real *y = scratch, *p = scratch + count;
    int64_t present = 0;
    double squares = 0, distance = 0;
    fst_status status = FST_OK;
    for (int64_t i = 0; i < count; ++i) {
        if (isnan(labels[i * stride]))
            continue;
        status = check_finite("labels", labels[i * stride], i);
        if (!status)
            status = check_finite("predictions", predictions[i * stride], i);
        if (status)
            return status;
        y[present] = labels[i * stride];
        p[present] = predictions[i * stride];
        double error = (double)p[present] - (double)y[present];
        squares += error * error;
        distance += fabs(error);
        ++present;
    }
    *metrics = (fst_regression_metrics){
        .struct_size = metrics->struct_size,
        .count = present,
        .rmse = present > 0 ? sqrt(squares / (double)present) : NAN,
        .mae = present > 0 ? distance / (double)present : NAN,
    };
    correlate(y, p, present, scratch + 2 * count, scratch + 3 * count, &metrics->pearson,
              &metrics->spearman);
    return FST_OK;
}
