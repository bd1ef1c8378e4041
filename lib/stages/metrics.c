/* Metrics of classes and of labels, from counts. */
#include "stages/metrics.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Zero where there is nothing to divide by, as scikit-learn's zero_division. */
static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* ---- one class of several ---- */

fst_status fst__metrics_confusion(const int32_t *labels, const int32_t *predictions, int64_t count,
                                  int64_t classes, int64_t *confusion)
{
    for (int64_t i = 0; i < count; ++i) {
        if (labels[i] >= classes)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "labels[%" PRId64 "] is %d, expected at most %" PRId64, i,
                             (int)labels[i], classes - 1);
        if (labels[i] >= 0 && (predictions[i] < 0 || predictions[i] >= classes))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "predictions[%" PRId64 "] is %d, expected 0 to %" PRId64, i,
                             (int)predictions[i], classes - 1);
    }
    memset(confusion, 0, (size_t)(classes * classes) * sizeof *confusion);
    for (int64_t i = 0; i < count; ++i)
        if (labels[i] >= 0)
            ++confusion[labels[i] * classes + predictions[i]];
    return FST_OK;
}

/* One class's counts. */
typedef struct tally {
    double right, labelled, predicted;
} tally;

static tally count_class(const int64_t *confusion, int64_t classes, int64_t k)
{
    tally t = {.right = (double)confusion[k * classes + k]};
    for (int64_t other = 0; other < classes; ++other) {
        t.labelled += (double)confusion[k * classes + other];
        t.predicted += (double)confusion[other * classes + k];
    }
    return t;
}

/* Sums over all classes. */
typedef struct totals {
    double count, right, occurring;
    double precision, recall, f1, weighted;
    double labelled_squares, predicted_squares, products;
} totals;

static void add_class(totals *sum, tally t, double precision, double recall, double f1)
{
    sum->count += t.labelled;
    sum->right += t.right;
    sum->occurring += t.labelled + t.predicted > 0;
    sum->precision += precision;
    sum->recall += recall;
    sum->f1 += f1;
    sum->weighted += f1 * t.labelled;
    sum->labelled_squares += t.labelled * t.labelled;
    sum->predicted_squares += t.predicted * t.predicted;
    sum->products += t.labelled * t.predicted;
}

/* R_K = (c·s − Σ pₖtₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²)), with c right of s in all. */
static double matthews(const totals *sum)
{
    double square = sum->count * sum->count;
    double spread = sqrt(square - sum->predicted_squares) * sqrt(square - sum->labelled_squares);
    return ratio(sum->right * sum->count - sum->products, spread);
}

void fst__metrics_classes(const int64_t *confusion, int64_t classes, double *precision,
                          double *recall, double *f1, fst_class_metrics *metrics)
{
    totals sum = {0};
    for (int64_t k = 0; k < classes; ++k) {
        tally t = count_class(confusion, classes, k);
        double p = ratio(t.right, t.predicted), r = ratio(t.right, t.labelled);
        double f = ratio(2 * t.right, t.predicted + t.labelled);
        add_class(&sum, t, p, r, f);
        if (precision)
            precision[k] = p;
        if (recall)
            recall[k] = r;
        if (f1)
            f1[k] = f;
    }
    bool any = sum.count > 0;
    *metrics = (fst_class_metrics){
        .struct_size = metrics->struct_size,
        .count = (int64_t)sum.count,
        .accuracy = any ? sum.right / sum.count : NAN,
        .precision_macro = any ? sum.precision / sum.occurring : NAN,
        .recall_macro = any ? sum.recall / sum.occurring : NAN,
        .f1_macro = any ? sum.f1 / sum.occurring : NAN,
        .f1_micro = any ? sum.right / sum.count : NAN,
        .f1_weighted = any ? sum.weighted / sum.count : NAN,
        .mcc = any ? matthews(&sum) : NAN,
    };
}

/* ---- several labels of yes and no ---- */

static fst_status check_labels(const fst__real *labels, const fst__real *scores, int64_t count,
                               int64_t outputs)
{
    for (int64_t i = 0; i < count * outputs; ++i) {
        if (isnan(labels[i]))
            continue;
        if (labels[i] != 0 && labels[i] != 1)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "labels[%" PRId64 "][%" PRId64 "] is %g, expected 0, 1 or NaN",
                             i / outputs, i % outputs, (double)labels[i]);
        if (isnan(scores[i]))
            return fst__fail(FST_ERR_NUMERIC, "scores[%" PRId64 "][%" PRId64 "] is NaN", i / outputs,
                             i % outputs);
    }
    return FST_OK;
}

/* Counts one example's labels; *present and *wrong: how many it has, and got wrong. */
static void count_example(const fst__real *labels, const fst__real *scores, int64_t outputs,
                          double threshold, int64_t *confusion, int64_t *present, int64_t *wrong)
{
    *present = *wrong = 0;
    for (int64_t k = 0; k < outputs; ++k) {
        if (isnan(labels[k]))
            continue;
        int label = labels[k] != 0, predicted = (double)scores[k] >= threshold;
        ++confusion[4 * k + 2 * label + predicted];
        ++*present;
        *wrong += label != predicted;
    }
}

/* Micro and macro means from each label's four counts. */
static void average_labels(const int64_t *confusion, int64_t outputs, fst_label_metrics *metrics)
{
    double right = 0, labelled = 0, predicted = 0;
    metrics->precision_macro = metrics->recall_macro = metrics->f1_macro = 0;
    for (int64_t k = 0; k < outputs; ++k) {
        const int64_t *c = confusion + 4 * k;
        tally t = {(double)c[3], (double)(c[2] + c[3]), (double)(c[1] + c[3])};
        metrics->precision_macro += ratio(t.right, t.predicted) / (double)outputs;
        metrics->recall_macro += ratio(t.right, t.labelled) / (double)outputs;
        metrics->f1_macro += ratio(2 * t.right, t.predicted + t.labelled) / (double)outputs;
        right += t.right;
        labelled += t.labelled;
        predicted += t.predicted;
    }
    metrics->precision_micro = ratio(right, predicted);
    metrics->recall_micro = ratio(right, labelled);
    metrics->f1_micro = ratio(2 * right, predicted + labelled);
}

fst_status fst__metrics_labels(const fst__real *labels, const fst__real *scores, int64_t count,
                               int64_t outputs, double threshold, int64_t *confusion,
                               fst_label_metrics *metrics)
{
    fst_status status = check_labels(labels, scores, count, outputs);
    if (status)
        return status;
    memset(confusion, 0, (size_t)(4 * outputs) * sizeof *confusion);
    int64_t all = 0, all_wrong = 0, examples = 0, flawless = 0;
    for (int64_t i = 0; i < count; ++i) {
        int64_t present, wrong;
        count_example(labels + i * outputs, scores + i * outputs, outputs, threshold, confusion,
                      &present, &wrong);
        all += present;
        all_wrong += wrong;
        examples += present > 0;
        flawless += present > 0 && wrong == 0;
    }
    *metrics = (fst_label_metrics){
        .struct_size = metrics->struct_size,
        .count = all,
        .examples = examples,
        .accuracy = all > 0 ? (double)(all - all_wrong) / (double)all : NAN,
        .subset_accuracy = examples > 0 ? (double)flawless / (double)examples : NAN,
    };
    average_labels(confusion, outputs, metrics);
    if (all == 0)
        metrics->precision_micro = metrics->recall_micro = metrics->f1_micro =
            metrics->precision_macro = metrics->recall_macro = metrics->f1_macro = NAN;
    return FST_OK;
}
