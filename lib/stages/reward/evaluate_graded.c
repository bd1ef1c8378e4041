/* Labelled texts of the validation data: each aspect's loss, correlations and error, and the error
 * of saying the mean. */
#include "stages/reward/reward.h"

#include "base/error.h"
#include "stages/metrics.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>
#include <math.h>

/* One number for an aspect's outputs. */
static double prediction(const fst__aspect *aspect, const fst__real *outputs)
{
    if (aspect->loss != FST_ASPECT_ORDINAL)
        return (double)outputs[0];
    double level = 0;
    for (int64_t k = 0; k < aspect->outputs; ++k)
        level += fst__terms_sigmoid((double)outputs[k]);
    return level;
}

static double label_of(const fst__reward *reward, int64_t example, int64_t a)
{
    fst_example e;
    fst__examples_get(reward->validation, example, 0, &e);
    return (double)e.labels[a];
}

/* Mean loss over labels; over pairs, those within blocks of examples. */
static fst_status aspect_loss(fst__reward *reward, int64_t a, int64_t examples, double *loss)
{
    const fst__aspect *aspect = &reward->aspects[a];
    double sum = 0, count = 0;
    fst_status status = FST_OK;
    for (int64_t first = 0; !status && first < examples; first += FST__EVALUATED_PAIRS) {
        int64_t rows = examples - first < FST__EVALUATED_PAIRS ? examples - first : FST__EVALUATED_PAIRS;
        fst_score_loss found;
        for (int64_t r = 0; r < rows; ++r) {
            const fst__real *from = reward->all_scores + (first + r) * reward->outputs + aspect->column;
            reward->labels[r] = (fst__real)label_of(reward, first + r, a);
            for (int64_t k = 0; k < aspect->outputs; ++k)
                reward->column[r * aspect->outputs + k] = from[k];
        }
        double found_count = fst__aspect_count(aspect, reward->labels, rows);
        status = fst__aspect_loss(aspect, found_count > 0, reward->column, reward->labels, rows,
                                  reward->weights, NULL, &found);
        if (status)
            return fst__fail_in(status,
                                "evaluation, aspect %" PRId64 ", validation examples %" PRId64
                                " to %" PRId64,
                                a, first, first + rows - 1);
        sum += found.loss;
        count += found_count;
    }
    *loss = count > 0 ? aspect->weight * sum / count : 0;
    return status;
}

static fst_status measure(fst_run *run, int64_t a, int64_t examples)
{
    fst__reward *reward = fst__reward_of(run);
    const fst__aspect *aspect = &reward->aspects[a];
    fst__real *labels = reward->ranking, *predictions = labels + examples;
    double squares = 0, mean_squares = 0, count = 0;
    for (int64_t i = 0; i < examples; ++i) {
        const fst__real *outputs = reward->all_scores + i * reward->outputs + aspect->column;
        double label = label_of(reward, i, a), said = prediction(aspect, outputs);
        labels[i] = (fst__real)label;
        predictions[i] = (fst__real)said;
        if (isnan(label))
            continue;
        count += 1;
        squares += (said - label) * (said - label);
        mean_squares += (aspect->mean - label) * (aspect->mean - label);
    }
    fst_regression_metrics found = {.struct_size = sizeof found};
    fst_status status = fst__metrics_regression(labels, predictions, 1, examples,
                                                predictions + examples, &found);
    if (status)
        return fst__fail_in(status, "evaluation, aspect %" PRId64, a);
    bool numbers = count > 0 && aspect->loss != FST_ASPECT_BT;
    run->metrics[FST__GRADED_PEARSON + a] = found.pearson;
    run->metrics[FST__GRADED_SPEARMAN + a] = found.spearman;
    run->metrics[FST__GRADED_ERROR + a] = numbers ? squares / count : NAN;
    run->metrics[FST__GRADED_BASELINE + a] = numbers ? mean_squares / count : NAN;
    return FST_OK;
}

fst_status fst__graded_evaluate(fst_run *run, double *score)
{
    fst__reward *reward = fst__reward_of(run);
    int64_t limit = reward->options.evaluation_examples, all = reward->validation_info.examples;
    int64_t examples = limit > 0 && limit < all ? limit : all;
    double loss = 0;
    fst_status status = fst__reward_score_all(reward, reward->validation, examples, run);
    for (int64_t a = 0; !status && a < reward->aspect_count; ++a) {
        double part = 0;
        status = aspect_loss(reward, a, examples, &part);
        loss += part;
    }
    for (int64_t a = 0; !status && a < reward->aspect_count; ++a)
        status = measure(run, a, examples);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&reward->steps.training, status);
    if (status)
        return status;
    run->metrics[FST__METRIC_VALIDATION_LOSS] = loss;
    *score = loss;
    return FST_OK;
}
