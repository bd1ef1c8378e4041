#include "stages/metrics.h"

#include "api/check.h"
#include "base/checked.h"
#include "base/context.h"
#include "base/options.h"

#include <inttypes.h>

/* In the library that computes in double these arrays are of doubles: void * carries both. */

/* The counts, and that rows·columns fits. */
static fst_status check_sizes(const char *function, const char *row_name, int64_t rows,
                              const char *column_name, int64_t columns)
{
    int64_t size;
    if (rows < 1 || columns < 1 || !fst__mul_i64(rows, columns, &size) || size > INT64_MAX / 64)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: %s is %" PRId64 ", %s is %" PRId64 ", expected at least 1", function,
                         row_name, rows, column_name, columns);
    return FST_OK;
}

fst_status fst_metrics_confusion(const int32_t *labels, const int32_t *predictions, int64_t count,
                                 int64_t classes, int64_t *confusion)
{
    static const char function[] = "fst_metrics_confusion";
    fst_status status = fst__check_pointer(labels, function, "labels");
    if (!status)
        status = fst__check_pointer(predictions, function, "predictions");
    if (!status)
        status = fst__check_pointer(confusion, function, "confusion");
    if (!status)
        status = check_sizes(function, "count", count, "classes", classes);
    if (!status)
        status = check_sizes(function, "classes", classes, "classes", classes);
    return status ? status
                  : fst__metrics_confusion(labels, predictions, count, classes, confusion);
}

fst_status fst_metrics_classes(const int64_t *confusion, int64_t classes, double *precision,
                               double *recall, double *f1, fst_class_metrics *metrics, size_t size)
{
    static const char function[] = "fst_metrics_classes";
    fst_class_metrics found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(confusion, function, "confusion");
    if (!status)
        status = check_sizes(function, "classes", classes, "classes", classes);
    if (!status)
        status = fst__options_check(metrics, size, "fst_class_metrics");
    for (int64_t i = 0; !status && i < classes * classes; ++i) {
        if (confusion[i] < 0)
            status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                               "%s: confusion[%" PRId64 "][%" PRId64 "] is %" PRId64
                               ", expected at least 0",
                               function, i / classes, i % classes, confusion[i]);
    }
    if (status)
        return status;
    fst__metrics_classes(confusion, classes, precision, recall, f1, &found);
    return fst__options_init(metrics, size, &found, sizeof found, "fst_class_metrics");
}

fst_status fst_metrics_labels(const float *labels, const float *scores, int64_t count,
                              int64_t outputs, double threshold, int64_t *confusion,
                              fst_label_metrics *metrics, size_t size)
{
    static const char function[] = "fst_metrics_labels";
    fst_label_metrics found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(labels, function, "labels");
    if (!status)
        status = fst__check_pointer(scores, function, "scores");
    if (!status)
        status = fst__check_pointer(confusion, function, "confusion");
    if (!status)
        status = check_sizes(function, "count", count, "outputs", outputs);
    if (!status && threshold != threshold)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: threshold is NaN", function);
    if (!status)
        status = fst__options_check(metrics, size, "fst_label_metrics");
    const void *y = labels, *s = scores;
    if (!status)
        status = fst__metrics_labels(y, s, count, outputs, threshold, confusion, &found);
    return status ? status
                  : fst__options_init(metrics, size, &found, sizeof found, "fst_label_metrics");
}

/* The ranks' scratch. */
static fst_status take_scratch(fst_context *context, int64_t count, fst__real **scratch)
{
    *scratch = fst__alloc_array(&context->allocator, (size_t)count,
                                FST__REGRESSION_SCRATCH * sizeof(fst__real));
    return *scratch ? FST_OK : FST_ERR_NO_MEMORY;
}

fst_status fst_metrics_regression(fst_context *context, const float *labels,
                                  const float *predictions, int64_t count,
                                  fst_regression_metrics *metrics, size_t size)
{
    static const char function[] = "fst_metrics_regression";
    fst_regression_metrics found = {.struct_size = sizeof found};
    fst__real *scratch = NULL;
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(labels, function, "labels");
    if (!status)
        status = fst__check_pointer(predictions, function, "predictions");
    if (!status)
        status = check_sizes(function, "count", count, "stride", 1);
    if (!status)
        status = fst__options_check(metrics, size, "fst_regression_metrics");
    if (!status)
        status = take_scratch(context, count, &scratch);
    const void *y = labels, *p = predictions;
    if (!status)
        status = fst__metrics_regression(y, p, 1, count, scratch, &found);
    if (scratch)
        fst__free(&context->allocator, scratch);
    return status ? status
                  : fst__options_init(metrics, size, &found, sizeof found,
                                      "fst_regression_metrics");
}

fst_status fst_metrics_correlation(fst_context *context, const float *x, const float *y,
                                   int64_t count, double *pearson, double *spearman)
{
    static const char function[] = "fst_metrics_correlation";
    fst__real *scratch = NULL;
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(x, function, "x");
    if (!status)
        status = fst__check_pointer(y, function, "y");
    if (!status)
        status = fst__check_pointer(pearson, function, "pearson");
    if (!status)
        status = fst__check_pointer(spearman, function, "spearman");
    if (!status)
        status = check_sizes(function, "count", count, "stride", 1);
    if (!status)
        status = take_scratch(context, count, &scratch);
    const void *a = x, *b = y;
    if (!status)
        status = fst__metrics_correlation(a, b, count, scratch, pearson, spearman);
    if (scratch)
        fst__free(&context->allocator, scratch);
    return status;
}
