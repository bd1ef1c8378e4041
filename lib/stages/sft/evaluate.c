/* A labelled run's validation: the head's outputs for all examples, then the metrics of these. */
#include "base/error.h"
#include "stages/metrics.h"
#include "stages/sft/labelled.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

int64_t fst__labelled_confusion_count(const fst__labelled *l)
{
    switch (l->objective) {
    case FST_SFT_CROSS_ENTROPY: return l->outputs * l->outputs;
    case FST_SFT_BINARY: return 4 * l->outputs;
    default: return 0;
    }
}

static fst_status predict(fst_run *run)
{
    fst__labelled *l = fst__labelled_of(run);
    int64_t end = l->evaluated_examples;
    fst_status status = FST_OK;
    for (int64_t i = 0; i < end && !status; i += l->options.rows) {
        if (fst__run_cancelled(run))
            return FST_STOPPED;
        status = fst__labelled_predict(&l->batch, l->steps.training.model, l->head, l->validation,
                                       i, end, l->predictions + i * l->outputs);
        if (status == FST_ERR_NUMERIC)
            status = fst__training_blame(&l->steps.training, status);
        if (status)
            return fst__fail_in(status, "evaluation, validation examples %" PRId64 " to %" PRId64, i,
                                i + l->options.rows - 1);
    }
    for (int64_t i = 0; i < end; ++i)
        fst__labelled_copy_labels(l->validation, i, l->truths + i * l->label_count);
    return status;
}

/* The first of the largest. */
static int64_t told_class(const fst__real *logits, int64_t classes)
{
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c)
        if (logits[c] > logits[best])
            best = c;
    return best;
}

/* Share of labels among the five largest logits, of equal ones the first; NaN of fewer than five classes. */
static double top_five(const fst__labelled *l)
{
    enum { TOP = 5 };
    int64_t labels = 0, found = 0;
    for (int64_t i = 0; i < l->evaluated_examples; ++i) {
        if (isnan(l->truths[i]))
            continue;
        const fst__real *logits = l->predictions + i * l->outputs;
        int64_t label = (int64_t)l->truths[i], before = 0;
        for (int64_t c = 0; c < l->outputs; ++c)
            before += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
        ++labels;
        found += before < TOP;
    }
    return l->outputs >= TOP && labels > 0 ? (double)found / (double)labels : NAN;
}

static void measure_classes(fst__labelled *l, double *m)
{
    memset(l->confusion, 0, (size_t)fst__labelled_confusion_count(l) * sizeof *l->confusion);
    for (int64_t i = 0; i < l->evaluated_examples; ++i) {
        if (!isnan(l->truths[i]))
            ++l->confusion[(int64_t)l->truths[i] * l->outputs +
                           told_class(l->predictions + i * l->outputs, l->outputs)];
    }
    fst_class_metrics found;
    fst__metrics_classes(l->confusion, l->outputs, NULL, NULL, NULL, &found);
    m[FST__LABELLED_VALIDATION_ACCURACY] = found.accuracy;
    m[FST__LABELLED_VALIDATION_F1_MACRO] = found.f1_macro;
    m[FST__LABELLED_VALIDATION_F1_MICRO] = found.f1_micro;
    m[FST__LABELLED_VALIDATION_MCC] = found.mcc;
    m[FST__LABELLED_VALIDATION_TOP5_ACCURACY] = top_five(l);
}

static fst_status measure_labels(fst__labelled *l, double *m)
{
    double probability = l->options.threshold, threshold = log(probability / (1 - probability));
    fst_label_metrics found;
    fst_status status = fst__metrics_labels(l->truths, l->predictions, l->evaluated_examples,
                                            l->outputs, threshold, l->confusion, &found);
    if (status)
        return status;
    m[FST__LABELLED_VALIDATION_ACCURACY] = found.accuracy;
    m[FST__LABELLED_VALIDATION_F1_MACRO] = found.f1_macro;
    m[FST__LABELLED_VALIDATION_F1_MICRO] = found.f1_micro;
    m[FST__LABELLED_VALIDATION_SUBSET_ACCURACY] = found.subset_accuracy;
    return FST_OK;
}

static fst_status measure_numbers(fst__labelled *l, const fst_score_loss *loss, double *m)
{
    double pearson = 0, spearman = 0;
    for (int64_t k = 0; k < l->outputs; ++k) {
        fst_regression_metrics found;
        fst_status status = fst__metrics_regression(l->truths + k, l->predictions + k, l->outputs,
                                                    l->evaluated_examples, l->scratch, &found);
        if (status)
            return status;
        pearson += found.pearson / (double)l->outputs;
        spearman += found.spearman / (double)l->outputs;
    }
    m[FST__LABELLED_VALIDATION_RMSE] = sqrt(loss->loss);
    m[FST__LABELLED_VALIDATION_MAE] = loss->error;
    m[FST__LABELLED_VALIDATION_PEARSON] = pearson;
    m[FST__LABELLED_VALIDATION_SPEARMAN] = spearman;
    return FST_OK;
}

fst_status fst__labelled_evaluate(fst_run *run, double *score)
{
    fst__labelled *l = fst__labelled_of(run);
    const fst_label_loss_options plain = fst__label_loss_defaults();
    fst_score_loss loss;
    fst_status status = predict(run);
    if (!status)
        status = fst__labelled_objective(l, &plain, l->predictions, l->truths, NULL,
                                         l->evaluated_examples, NULL, &loss);
    if (!status && loss.count == 0)
        status = fst__fail(FST_ERR_STATE,
                           "the first %" PRId64 " examples of the validation data have no label",
                           l->evaluated_examples);
    if (!status && l->objective == FST_SFT_BINARY)
        status = measure_labels(l, run->metrics);
    if (!status && l->objective == FST_SFT_MSE)
        status = measure_numbers(l, &loss, run->metrics);
    if (status)
        return status;
    if (l->objective == FST_SFT_CROSS_ENTROPY)
        measure_classes(l, run->metrics);
    l->evaluated = true;
    run->metrics[FST__METRIC_VALIDATION_LOSS] = *score = loss.loss;
    return FST_OK;
}
