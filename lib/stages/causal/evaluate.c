/* The loss over the validation data: plain cross entropy, without dropout, smoothing or z-loss. */
#include "stages/causal/causal.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>

/* The last batch is filled up to its full size with rows that do not count, so that every batch has
 * the shape that memory was planned for. */
static void ignore_rows(fst__causal *causal, int64_t from)
{
    for (int64_t i = from * causal->length; i < causal->options.rows * causal->length; ++i)
        causal->targets[i] = FST_IGNORE;
}

static fst_status evaluate_batch(fst__causal *causal, int64_t row, int64_t end,
                                 fst__causal_sums *sums)
{
    fst_model *model = causal->steps.training.model;
    fst_batch batch;
    fst__causal_read(causal, causal->validation, row, false, &batch);
    if (end - row < causal->options.rows)
        ignore_rows(causal, end - row);
    const fst_loss_options options = {.struct_size = sizeof options};
    fst_loss loss = {.struct_size = sizeof loss};
    fst_status status = fst__model_forward(model, &batch, false, 0);
    if (!status)
        status = fst__model_loss(model, &options, &loss);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&causal->steps.training, status);
    if (status)
        return fst__fail_in(status, "evaluation, validation rows %" PRId64 " to %" PRId64, row,
                            row + causal->options.rows - 1);
    sums->loss += loss.loss;
    sums->tokens += loss.tokens;
    sums->correct += loss.correct;
    return FST_OK;
}

static void set_metrics(fst_run *run, const fst__causal_sums *sums, double target_bytes)
{
    double *m = run->metrics, loss = sums->loss / (double)sums->tokens;
    m[FST__METRIC_VALIDATION_LOSS] = loss;
    m[FST__CAUSAL_VALIDATION_PERPLEXITY] = exp(loss);
    m[FST__CAUSAL_VALIDATION_BITS] =
        target_bytes > 0 ? sums->loss / (log(2.0) * target_bytes) : NAN;
    m[FST__CAUSAL_VALIDATION_ACCURACY] = (double)sums->correct / (double)sums->tokens;
}

fst_status fst__causal_evaluate(fst_run *run, double *score)
{
    fst__causal *causal = fst__causal_of(run);
    fst_dataset_info info;
    fst_status status = fst_dataset_get_info(causal->validation, &info, sizeof info);
    if (status)
        return status;
    int64_t limit = causal->options.evaluation_rows;
    int64_t end = limit > 0 && limit < info.rows ? limit : info.rows;
    fst__causal_sums sums = {0};
    for (int64_t row = 0; !status && row < end; row += causal->options.rows)
        status = fst__run_cancelled(run) ? FST_STOPPED : evaluate_batch(causal, row, end, &sums);
    if (status)
        return status;
    if (sums.tokens == 0)
        return fst__fail(FST_ERR_STATE, "the first %" PRId64 " rows of the validation data have no "
                                        "target",
                         end);
    set_metrics(run, &sums, end == info.rows ? (double)info.target_bytes : 0);
    *score = run->metrics[FST__METRIC_VALIDATION_LOSS];
    return FST_OK;
}
