/* Metrics of embeddings. Arrays go down as void *: in the double build both mean double. */
#include "fourstage/metrics.h"

#include "api/check.h"
#include "base/checked.h"
#include "base/context.h"
#include "kernels/compute.h"
#include "stages/spread.h"

#include <inttypes.h>
#include <string.h>

/* A copy scaled to length 1; the caller frees *unit. */
static fst_status take_unit(fst_context *context, const void *from, int64_t rows, int64_t width,
                            fst__real **unit)
{
    int64_t count;
    if (!fst__mul_i64(rows, width, &count))
        return fst__fail(FST_ERR_NO_MEMORY, "the embeddings are too large");
    *unit = fst__alloc_array(&context->allocator, (size_t)count, sizeof **unit);
    if (!*unit)
        return FST_ERR_NO_MEMORY;
    memcpy(*unit, from, (size_t)count * sizeof **unit);
    return fst__unit_rows(context->compute, *unit, rows, width);
}

static fst_status take_scratch(fst_context *context, size_t bytes, fst__arena *scratch)
{
    if (bytes == 0)
        return fst__fail(FST_ERR_NO_MEMORY, "the embeddings are too large");
    void *block = fst__alloc(&context->allocator, bytes);
    *scratch = fst__arena_over(block, bytes);
    return block ? FST_OK : FST_ERR_NO_MEMORY;
}

static fst_status check_size(const char *function, const char *name, int64_t value, int64_t least,
                             int64_t most)
{
    if (value >= least && value <= most)
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT,
                     "%s: %s is %" PRId64 ", expected %" PRId64 " to %" PRId64, function, name, value,
                     least, most);
}

static fst_status check_knn(const char *function, const fst__neighbours *n)
{
    fst_status status = check_size(function, "examples", n->examples, 1, INT32_MAX);
    if (!status)
        status = check_size(function, "query_count", n->query_count, 1, INT32_MAX);
    if (!status)
        status = check_size(function, "width", n->width, 1, INT32_MAX);
    if (!status)
        status = check_size(function, "classes", n->classes, 1, INT32_MAX);
    if (!status)
        status = check_size(function, "k", n->k, 1, n->examples);
    if (!status && !(n->temperature >= 0))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: temperature is %g, expected at least 0",
                           function, n->temperature);
    for (int64_t i = 0; !status && i < n->examples; ++i) {
        if (n->labels[i] < 0 || n->labels[i] >= n->classes)
            status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                               "%s: labels[%" PRId64 "] is %d, expected 0 to %" PRId64, function, i,
                               (int)n->labels[i], n->classes - 1);
    }
    return status;
}

fst_status fst_metrics_knn(fst_context *context, const float *known, const int32_t *labels,
                           int64_t examples, const float *queries, int64_t query_count,
                           int64_t width, int64_t classes, int64_t k, double temperature,
                           int32_t *predictions)
{
    static const char function[] = "fst_metrics_knn";
    fst__neighbours n = {.labels = labels, .examples = examples, .query_count = query_count,
                         .width = width, .classes = classes, .k = k, .temperature = temperature};
    fst__real *unit = NULL, *unit_queries = NULL;
    fst__arena scratch = {0};
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(known, function, "known");
    if (!status)
        status = fst__check_pointer(labels, function, "labels");
    if (!status)
        status = fst__check_pointer(queries, function, "queries");
    if (!status)
        status = fst__check_pointer(predictions, function, "predictions");
    if (!status)
        status = check_knn(function, &n);
    if (status)
        return status;
    status = take_unit(context, known, examples, width, &unit);
    if (status == FST_ERR_NUMERIC)
        status = fst__fail_in(status, "%s: known", function);
    if (!status)
        status = take_unit(context, queries, query_count, width, &unit_queries);
    if (status == FST_ERR_NUMERIC)
        status = fst__fail_in(status, "%s", function);
    n.known = unit;
    n.queries = unit_queries;
    if (!status)
        status = take_scratch(context, fst__neighbours_scratch(&n, context->compute), &scratch);
    if (!status)
        status = fst__neighbours_vote(context->compute, &n, &scratch, predictions);
    fst__free(&context->allocator, scratch.base);
    fst__free(&context->allocator, unit_queries);
    fst__free(&context->allocator, unit);
    return status;
}

fst_status fst_metrics_uniformity(fst_context *context, const float *embeddings, int64_t examples,
                                  int64_t width, double *uniformity)
{
    static const char function[] = "fst_metrics_uniformity";
    fst__real *unit = NULL;
    fst__arena scratch = {0};
    double found;
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(embeddings, function, "embeddings");
    if (!status)
        status = fst__check_pointer(uniformity, function, "uniformity");
    if (!status)
        status = check_size(function, "examples", examples, 2, INT32_MAX);
    if (!status)
        status = check_size(function, "width", width, 1, INT32_MAX);
    if (status)
        return status;
    status = take_unit(context, embeddings, examples, width, &unit);
    if (!status)
        status = take_scratch(context, fst__uniformity_scratch(examples), &scratch);
    if (!status)
        status = fst__uniformity(context->compute, unit, examples, width, &scratch, &found);
    fst__free(&context->allocator, scratch.base);
    fst__free(&context->allocator, unit);
    if (!status)
        *uniformity = found;
    return status;
}
