/* Means over tokens and sequences, as weights. */
#include "stages/objectives/objectives.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>

fst_loss_weights_options fst__loss_weights_defaults(void)
{
    return (fst_loss_weights_options){.struct_size = sizeof(fst_loss_weights_options),
                                      .kind = FST_AGGREGATE_TOKENS};
}

static fst_status check(const fst_loss_weights_options *o, const int64_t *lengths, int64_t rows,
                        int64_t columns)
{
    int64_t size;
    if (o->kind < FST_AGGREGATE_TOKENS || o->kind > FST_AGGREGATE_CONSTANT)
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "kind %d is none of the FST_AGGREGATE_ values",
                         o->kind);
    if (rows < 1 || columns < 1 || !fst__mul_i64(rows, columns, &size))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "loss weights: rows %" PRId64 ", columns %" PRId64 ", expected ≥ 1", rows,
                         columns);
    if (o->tokens < 0 || o->sequences < 0 || o->constant_length < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "loss weights: tokens %" PRId64 ", sequences %" PRId64
                         ", constant_length %" PRId64 ", expected ≥ 0",
                         o->tokens, o->sequences, o->constant_length);
    for (int64_t i = 0; lengths && i < rows; ++i) {
        if (lengths[i] < 0 || lengths[i] > columns)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "loss weights: lengths[%" PRId64 "] is %" PRId64
                             ", expected 0 … %" PRId64,
                             i, lengths[i], columns);
    }
    return FST_OK;
}

/* Marks with 1 what counts in the row and returns how many that is. */
static int64_t mark_row(const uint8_t *mask, int64_t length, int64_t columns, fst__real *weights)
{
    int64_t count = 0;
    for (int64_t t = 0; t < columns; ++t) {
        int counts = t < length && (!mask || mask[t]);
        weights[t] = (fst__real)counts;
        count += counts;
    }
    return count;
}

static void scale_row(fst__real *weights, int64_t columns, double scale)
{
    for (int64_t t = 0; t < columns; ++t)
        weights[t] = (fst__real)((double)weights[t] * scale);
}

fst_status fst__loss_weights(const fst_loss_weights_options *options, const uint8_t *mask,
                             const int64_t *lengths, int64_t rows, int64_t columns,
                             fst__real *weights)
{
    fst_status status = check(options, lengths, rows, columns);
    if (status)
        return status;
    double sequences = (double)(options->sequences ? options->sequences : rows);
    double constant = (double)(options->constant_length ? options->constant_length : columns);
    int64_t tokens = 0;
    for (int64_t i = 0; i < rows; ++i) {
        fst__real *row = weights + i * columns;
        int64_t count = mark_row(mask ? mask + i * columns : NULL, lengths ? lengths[i] : columns,
                                 columns, row);
        tokens += count;
        if (options->kind == FST_AGGREGATE_SEQUENCES && count > 0)
            scale_row(row, columns, 1 / (sequences * (double)count));
        else if (options->kind == FST_AGGREGATE_CONSTANT)
            scale_row(row, columns, 1 / (sequences * constant));
    }
    tokens = options->tokens ? options->tokens : tokens;
    if (options->kind == FST_AGGREGATE_TOKENS && tokens > 0)
        scale_row(weights, rows * columns, 1 / (double)tokens);
    return FST_OK;
}
