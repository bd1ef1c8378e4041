/* Validation: the loss of views, or how the cosine of two texts goes with their label. */
#include "base/error.h"
#include "stages/contrastive/contrastive.h"
#include "stages/metrics.h"
#include "stages/spread.h"

#include <inttypes.h>
#include <math.h>

/* Draws of evaluations lie behind those of any training. */
static const int64_t FIRST_DRAW = (int64_t)1 << 54;

/* ---- the loss of views ---- */

/* Batch `number` of the validation data, of `rows` examples. */
static fst_status embed_batch(fst__contrastive *c, int64_t number, int64_t rows)
{
    int64_t chunks = (rows + c->options.chunk - 1) / c->options.chunk;
    for (int64_t i = 0; i < rows; ++i)
        c->indices[i] = number * rows + i;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        fst__chunk_pass pass = {
            .dataset = c->validation,
            .indices = c->indices,
            .rows = rows,
            .chunk = chunk,
            .training = c->options.views == FST_VIEWS_DROPOUT,
            .step = FIRST_DRAW + number * chunks + chunk,
            .draw = FIRST_DRAW + number * rows * c->views,
        };
        fst_status status = fst__chunk_forward(c, &pass, NULL);
        if (status)
            return status;
        fst__chunk_put(c, &pass, c->z);
    }
    return FST_OK;
}

static fst_status evaluate_views(fst_run *run, double *score)
{
    fst__contrastive *c = fst__contrastive_of(run);
    int64_t count = c->evaluated_examples;
    int64_t rows = c->options.rows < count ? c->options.rows : count, batches = count / rows;
    fst_contrastive_loss sum = {0}, found;
    double spread = 0;
    for (int64_t b = 0; b < batches; ++b) {
        if (fst__run_cancelled(run))
            return FST_STOPPED;
        fst_status status = embed_batch(c, b, rows);
        if (!status)
            status = fst__contrastive_objective(c, rows, false, &found);
        if (status == FST_ERR_NUMERIC)
            status = fst__training_blame(&c->steps.training, status);
        if (status)
            return fst__fail_in(status, "evaluation, validation examples %" PRId64 " to %" PRId64,
                                b * rows, (b + 1) * rows - 1);
        sum.loss += found.loss;
        sum.accuracy += found.accuracy;
        sum.alignment += found.alignment;
        spread += exp(found.uniformity);
    }
    double n = (double)batches, *m = run->metrics;
    m[FST__METRIC_VALIDATION_LOSS] = *score = sum.loss / n;
    m[FST__CONTRASTIVE_VALIDATION_ACCURACY] = sum.accuracy / n;
    m[FST__CONTRASTIVE_VALIDATION_ALIGNMENT] = sum.alignment / n;
    m[FST__CONTRASTIVE_VALIDATION_UNIFORMITY] = log(spread / n);
    return FST_OK;
}

/* ---- by labels ---- */

/* Sequence `view` of the examples; a row of embeddings each, behind those of the other. */
static fst_status embed_sentences(fst_run *run, int64_t view)
{
    fst__contrastive *c = fst__contrastive_of(run);
    int64_t count = c->evaluated_examples, room = c->batch.rows;
    const fst__embed_pass pass = {.dataset = c->validation};
    fst_status status = FST_OK;
    for (int64_t first = 0; first < count && !status; first += room) {
        int64_t n = count - first < room ? count - first : room;
        if (fst__run_cancelled(run))
            return FST_STOPPED;
        for (int64_t b = 0; b < n; ++b) {
            c->batch.examples[b] = first + b;
            c->batch.sequences[b] = view;
        }
        status = fst__embed_batch_forward(&c->batch, c->steps.training.model, n, &pass, NULL);
        if (!status)
            status = fst__embedding_read(&c->trunk, n, c->sentences +
                                                           (view * count + first) * c->trunk.width);
    }
    return status;
}

static double largest_label(const fst__contrastive *c)
{
    double largest = -INFINITY;
    const float *labels = c->validation->documents->examples->labels;
    for (int64_t i = 0; i < c->evaluated_examples; ++i)
        largest = fmax(largest, (double)labels[i]); /* a NaN is passed over */
    return largest;
}

/* Cosines and labels of the pairs that have one; the mean distance of those most alike. */
static int64_t compare(fst__contrastive *c, double *alignment)
{
    int64_t count = c->evaluated_examples, width = c->trunk.width, present = 0, alike = 0;
    const float *labels = c->validation->documents->examples->labels;
    double least = 0.8 * largest_label(c), sum = 0;
    for (int64_t i = 0; i < count; ++i) {
        const fst__real *a = c->sentences + i * width, *b = a + count * width;
        double cosine = 0;
        if (isnan(labels[i]))
            continue;
        for (int64_t k = 0; k < width; ++k) /* of length 1 */
            cosine += (double)a[k] * (double)b[k];
        c->cosines[present] = (fst__real)cosine;
        c->truths[present++] = (fst__real)labels[i];
        if ((double)labels[i] < least)
            continue;
        sum += 2 - 2 * cosine;
        ++alike;
    }
    *alignment = alike > 0 ? sum / (double)alike : NAN;
    return present;
}

static fst_status evaluate_labels(fst_run *run, double *score)
{
    fst__contrastive *c = fst__contrastive_of(run);
    int64_t count = c->evaluated_examples;
    double pearson, spearman, uniformity, alignment, *m = run->metrics;
    fst_status status = embed_sentences(run, 0);
    if (!status)
        status = embed_sentences(run, 1);
    if (!status)
        status = fst__unit_rows(c->context->compute, c->sentences, 2 * count, c->trunk.width);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&c->steps.training, status);
    if (status)
        return status == FST_STOPPED ? status : fst__fail_in(status, "evaluation");
    int64_t present = compare(c, &alignment);
    if (present == 0)
        return fst__fail(FST_ERR_STATE, "evaluation: none of the first %" PRId64
                                        " examples of the validation data has a label",
                         count);
    status = fst__metrics_correlation(c->truths, c->cosines, present, c->ranks, &pearson, &spearman);
    fst__arena scratch = fst__arena_over(c->scratch, c->scratch_size);
    if (!status)
        status = fst__uniformity(c->context->compute, c->sentences, 2 * count, c->trunk.width,
                                 &scratch, &uniformity);
    if (status)
        return fst__fail_in(status, "evaluation");
    /* All cosines or all labels the same: nothing to tell better from worse by. */
    m[FST__METRIC_VALIDATION_LOSS] = *score = isnan(spearman) ? 0 : -spearman;
    m[FST__CONTRASTIVE_VALIDATION_SPEARMAN] = spearman;
    m[FST__CONTRASTIVE_VALIDATION_PEARSON] = pearson;
    m[FST__CONTRASTIVE_VALIDATION_ALIGNMENT] = alignment;
    m[FST__CONTRASTIVE_VALIDATION_UNIFORMITY] = uniformity;
    return FST_OK;
}

fst_status fst__contrastive_evaluate(fst_run *run, double *score)
{
    fst__contrastive *c = fst__contrastive_of(run);
    fst_model *model = c->steps.training.model;
    fst__kept_buffers_take(&c->kept, model);
    fst_status status = c->scored ? evaluate_labels(run, score) : evaluate_views(run, score);
    fst__kept_buffers_put_back(&c->kept, model);
    return status;
}
