/* The loss over the validation data: plain cross entropy, without dropout, smoothing or z-loss. */
#include "stages/language/language.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>

/* The last batch is filled up to its full size with rows that do not count, so that every batch has
 * the shape that memory was planned for. */
static void ignore_rows(fst__language *language, int64_t from)
{
    for (int64_t i = from * language->length; i < language->options.rows * language->length; ++i)
        language->targets[i] = FST_IGNORE;
}

static fst_status evaluate_batch(fst__language *language, int64_t row, int64_t end,
                                 fst__language_sums *sums)
{
    fst_model *model = language->steps.training.model;
    fst_batch batch;
    fst__language_read(language, language->validation, row, false, &batch);
    if (end - row < language->options.rows)
        ignore_rows(language, end - row);
    const fst_loss_options options = {.struct_size = sizeof options};
    fst_loss loss = {.struct_size = sizeof loss};
    fst_status status = fst__model_forward(model, &batch, false, 0);
    if (!status)
        status = fst__model_loss(model, &options, &loss);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&language->steps.training, status);
    if (status)
        return fst__fail_in(status, "evaluation, validation rows %" PRId64 " to %" PRId64, row,
                            row + language->options.rows - 1);
    sums->loss += loss.loss;
    sums->tokens += loss.tokens;
    sums->correct += loss.correct;
    return FST_OK;
}

static void set_metrics(fst_run *run, const fst__language_sums *sums, double target_bytes)
{
    double *m = run->metrics, loss = sums->loss / (double)sums->tokens;
    m[FST__METRIC_VALIDATION_LOSS] = loss;
    m[FST__LANGUAGE_VALIDATION_PERPLEXITY] = exp(loss);
    m[FST__LANGUAGE_VALIDATION_ACCURACY] = (double)sums->correct / (double)sums->tokens;
    if (!fst__language_of(run)->options.masked)
        m[FST__LANGUAGE_VALIDATION_BITS] =
            target_bytes > 0 ? sums->loss / (log(2.0) * target_bytes) : NAN;
}

fst_status fst__language_evaluate(fst_run *run, double *score)
{
    fst__language *language = fst__language_of(run);
    fst_dataset_info info;
    fst_status status = fst_dataset_get_info(language->validation, &info, sizeof info);
    if (status)
        return status;
    int64_t limit = language->options.evaluation_rows;
    int64_t end = limit > 0 && limit < info.rows ? limit : info.rows;
    fst__language_sums sums = {0};
    for (int64_t row = 0; !status && row < end; row += language->options.rows)
        status = fst__run_cancelled(run) ? FST_STOPPED : evaluate_batch(language, row, end, &sums);
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
