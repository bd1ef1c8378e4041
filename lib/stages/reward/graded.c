/* Labelled texts: several aspects at once, each with its loss, its weight and labels that may be
 * missing. */
#include "stages/reward/reward.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

double fst__aspect_count(const fst__aspect *aspect, const fst__real *labels, int64_t count)
{
    int64_t found = 0;
    if (aspect->loss == FST_ASPECT_BT) {
        fst__ranked_pairs(labels, count, &found);
        return (double)found;
    }
    for (int64_t i = 0; i < count; ++i)
        found += !isnan(labels[i]);
    return (double)found;
}

fst_status fst__aspect_loss(const fst__aspect *aspect, double scale, const fst__real *column,
                            const fst__real *labels, int64_t count, fst__real *weights,
                            fst__real *slopes, fst_score_loss *result)
{
    if (scale == 0) { /* nothing of it in the whole step */
        if (slopes)
            memset(slopes, 0, (size_t)(count * aspect->outputs) * sizeof *slopes);
        *result = (fst_score_loss){.loss = 0};
        return FST_OK;
    }
    if (aspect->loss == FST_ASPECT_BT)
        return fst__loss_ranked(scale, column, labels, count, slopes, result);
    for (int64_t i = 0; i < count; ++i)
        weights[i] = (fst__real)scale;
    if (aspect->loss == FST_ASPECT_MSE)
        return fst__loss_regression(column, labels, weights, count, slopes, result);
    return fst__loss_ordinal(FST_ORDINAL_CORAL, column, labels, weights, count, aspect->levels,
                             slopes, result);
}

/* Labels of aspect `a` of the examples of micro-batch `micro` of the step. */
static void read_labels(fst__reward *reward, int64_t micro, int64_t a)
{
    int64_t rows = reward->options.rows;
    for (int64_t i = 0; i < rows; ++i) {
        fst_example example;
        fst__examples_get(reward->train, reward->indices[micro * rows + i], 0, &example);
        reward->labels[i] = (fst__real)example.labels[a];
    }
}

/* Each aspect is divided by its own labels of the whole step; what is returned only says whether
 * there is any. */
static double divisor(fst_run *run)
{
    fst__reward *reward = fst__reward_of(run);
    double any = 0;
    fst__reward_order(reward);
    for (int64_t a = 0; a < reward->aspect_count; ++a) {
        const fst__aspect *aspect = &reward->aspects[a];
        double count = 0;
        for (int64_t micro = 0; micro < reward->options.accumulation; ++micro) {
            read_labels(reward, micro, a);
            count += fst__aspect_count(aspect, reward->labels, reward->options.rows);
        }
        reward->aspect_scale[a] = count > 0 ? aspect->weight / count : 0;
        any += reward->aspect_scale[a] > 0;
    }
    return any > 0;
}

static fst_status lose_aspect(fst__reward *reward, int64_t a, fst__reward_sums *sums)
{
    const fst__aspect *aspect = &reward->aspects[a];
    int64_t rows = reward->options.rows, width = aspect->outputs;
    fst_score_loss found;
    read_labels(reward, reward->steps.micro_step, a);
    for (int64_t r = 0; r < rows; ++r)
        memcpy(reward->column + r * width, reward->scores + r * reward->outputs + aspect->column,
               (size_t)width * sizeof *reward->column);
    fst_status status =
        fst__aspect_loss(aspect, reward->aspect_scale[a], reward->column, reward->labels, rows,
                         reward->weights, reward->slopes, &found);
    if (status)
        return fst__fail_in(status, "aspect %" PRId64, a);
    for (int64_t r = 0; r < rows; ++r)
        memcpy(reward->gradient + r * reward->outputs + aspect->column, reward->slopes + r * width,
               (size_t)width * sizeof *reward->slopes);
    sums->loss += found.loss;
    sums->labels += fst__aspect_count(&(fst__aspect){0}, reward->labels, rows);
    return FST_OK;
}

static fst_status lose(fst__reward *reward, fst__reward_sums *sums)
{
    fst_status status = FST_OK;
    for (int64_t a = 0; !status && a < reward->aspect_count; ++a)
        status = lose_aspect(reward, a, sums);
    return status;
}

static fst_status micro_batch(fst_run *run)
{
    return fst__reward_micro_batch(run, lose);
}

static void clear(fst_run *run)
{
    fst__reward_of(run)->sums = (fst__reward_sums){0};
}

static void close(fst_run *run, const fst_optimizer_report *report)
{
    const fst__reward_sums *s = &fst__reward_of(run)->sums;
    double *m = run->metrics;
    fst__reward_close(run, report);
    m[FST__METRIC_LOSS] = s->labels > 0 ? s->loss : NAN;
    m[FST__GRADED_LABELS] = s->labels;
}

const fst__steps_work fst__graded_work = {
    .divisor = divisor,
    .micro_batch = micro_batch,
    .loss = fst__reward_loss,
    .close = close,
    .clear = clear,
    .unit = "examples",
};
