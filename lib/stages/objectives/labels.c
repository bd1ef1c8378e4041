/* Cross entropy of one class of several, and of labels of yes and no. */
#include "stages/objectives/objectives.h"

#include "base/checked.h"
#include "base/error.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>

fst_label_loss_options fst__label_loss_defaults(void)
{
    return (fst_label_loss_options){.struct_size = sizeof(fst_label_loss_options)};
}

fst_status fst__label_loss_check(const fst_label_loss_options *o, int64_t outputs)
{
    if (!(o->label_smoothing >= 0 && o->label_smoothing < 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "label_smoothing is %g, expected 0 ≤ ε < 1",
                         o->label_smoothing);
    for (int64_t c = 0; o->class_weights && c < outputs; ++c) {
        if (!(o->class_weights[c] >= 0 && isfinite(o->class_weights[c])))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "class_weights[%" PRId64 "] is %g, expected a finite value ≥ 0", c,
                             o->class_weights[c]);
    }
    return FST_OK;
}

static bool counts(const fst__real *labels, const fst__real *weights, int64_t i)
{
    return !isnan(labels[i]) && (!weights || weights[i] != 0);
}

static double class_weight(const fst_label_loss_options *options, int64_t c)
{
    return options->class_weights ? options->class_weights[c] : 1;
}

static fst_status check_sizes(const char *objective, const fst_label_loss_options *options,
                              int64_t count, int64_t outputs)
{
    int64_t size;
    if (count < 1 || outputs < 1 || !fst__mul_i64(count, outputs, &size))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: count is %" PRId64 " of %" PRId64 " outputs, expected ≥ 1", objective,
                         count, outputs);
    return fst__label_loss_check(options, outputs);
}

/* ---- classes ---- */

static fst_status check_class(const fst__real *logits, fst__real label, int64_t i, int64_t classes)
{
    double value = (double)label;
    if (!(value >= 0 && value < (double)classes) || value != floor(value))
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "classes: labels[%" PRId64 "] is %g, expected a whole number from 0 to "
                         "%" PRId64 ", or NaN",
                         i, value, classes - 1);
    for (int64_t c = 0; c < classes; ++c) {
        if (!isfinite(logits[c]))
            return fst__fail(FST_ERR_NUMERIC, "classes: logits[%" PRId64 "][%" PRId64 "] is %g", i,
                             c, (double)logits[c]);
    }
    return FST_OK;
}

/* What the labels that count amount to. */
typedef struct found_labels {
    int64_t present;
    double weight; /* Σ class_weights[label] */
} found_labels;

static fst_status check_classes(const fst_label_loss_options *options, const fst__real *logits,
                                const fst__real *labels, const fst__real *weights, int64_t count,
                                int64_t classes, found_labels *found)
{
    fst_status status = check_sizes("classes", options, count, classes);
    if (!status)
        status = fst__terms_check_weights("classes", weights, count);
    *found = (found_labels){0};
    for (int64_t i = 0; !status && i < count; ++i) {
        if (!counts(labels, weights, i))
            continue;
        status = check_class(logits + i * classes, labels[i], i, classes);
        if (status)
            break;
        found->present += 1;
        found->weight += class_weight(options, (int64_t)labels[i]);
    }
    return status;
}

static int64_t largest(const fst__real *logits, int64_t classes)
{
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c)
        if (logits[c] > logits[best])
            best = c;
    return best;
}

/* One example: its loss, and weight·dl/dz_j = weight·((Σ_c q_c v_c)·softmax(z)_j − q_j·v_j). */
static double class_loss(const fst_label_loss_options *options, const fst__real *logits,
                         int64_t label, int64_t classes, double weight, fst__real *gradient,
                         bool *finite)
{
    double top = (double)logits[largest(logits, classes)], sum = 0, loss = 0, mass = 0;
    double smooth = options->label_smoothing;
    for (int64_t c = 0; c < classes; ++c)
        sum += exp((double)logits[c] - top);
    double log_sum = top + log(sum);
    for (int64_t c = 0; c < classes; ++c) {
        double q = (c == label ? 1 - smooth : 0) + smooth / (double)classes;
        mass += q * class_weight(options, c);
        if (q > 0)
            loss += q * class_weight(options, c) * (log_sum - (double)logits[c]);
    }
    *finite = isfinite(weight * loss);
    for (int64_t c = 0; c < classes; ++c) {
        double q = (c == label ? 1 - smooth : 0) + smooth / (double)classes;
        double slope = mass * exp((double)logits[c] - log_sum) - q * class_weight(options, c);
        *finite &= fst__terms_store(gradient, c, weight * slope);
    }
    return loss;
}

fst_status fst__loss_classes(const fst_label_loss_options *options, const fst__real *logits,
                             const fst__real *labels, const fst__real *weights, int64_t count,
                             int64_t classes, fst__real *gradient, fst_score_loss *result)
{
    found_labels found;
    fst_status status =
        check_classes(options, logits, labels, weights, count, classes, &found);
    if (status)
        return status;
    double loss = 0, mean = found.weight > 0 ? 1 / found.weight : 0;
    int64_t right = 0;
    for (int64_t i = 0; i < count; ++i) {
        fst__real *row = gradient ? gradient + i * classes : NULL;
        if (!counts(labels, weights, i)) {
            for (int64_t c = 0; c < classes; ++c)
                fst__terms_store(row, c, 0);
            continue;
        }
        double weight = fst__terms_weight(weights, mean, i);
        const fst__real *z = logits + i * classes;
        bool finite;
        loss += weight * class_loss(options, z, (int64_t)labels[i], classes, weight, row, &finite);
        if (!finite)
            return fst__terms_overflow("classes", i);
        right += largest(z, classes) == (int64_t)labels[i];
    }
    *result = (fst_score_loss){
        .struct_size = result->struct_size,
        .loss = loss,
        .accuracy = found.present ? (double)right / (double)found.present : NAN,
        .margin = NAN,
        .error = NAN,
        .count = found.present,
    };
    return FST_OK;
}

/* ---- labels ---- */

static fst_status check_labels(const fst_label_loss_options *options, const fst__real *logits,
                               const fst__real *labels, const fst__real *weights, int64_t count,
                               int64_t outputs, int64_t *present)
{
    fst_status status = check_sizes("labels", options, count, outputs);
    if (!status)
        status = fst__terms_check_weights("labels", weights, count * outputs);
    *present = 0;
    for (int64_t i = 0; !status && i < count * outputs; ++i) {
        if (!counts(labels, weights, i))
            continue;
        *present += 1;
        if (!(labels[i] >= 0 && labels[i] <= 1))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "labels: labels[%" PRId64 "][%" PRId64 "] is %g, expected 0 to 1 or NaN",
                             i / outputs, i % outputs, (double)labels[i]);
        if (!isfinite(logits[i]))
            return fst__fail(FST_ERR_NUMERIC, "labels: logits[%" PRId64 "][%" PRId64 "] is %g",
                             i / outputs, i % outputs, (double)logits[i]);
    }
    return status;
}

fst_status fst__loss_labels(const fst_label_loss_options *options, const fst__real *logits,
                            const fst__real *labels, const fst__real *weights, int64_t count,
                            int64_t outputs, fst__real *gradient, fst_score_loss *result)
{
    int64_t present, right = 0;
    fst_status status = check_labels(options, logits, labels, weights, count, outputs, &present);
    if (status)
        return status;
    double loss = 0, smooth = options->label_smoothing;
    for (int64_t i = 0; i < count * outputs; ++i) {
        if (!counts(labels, weights, i)) {
            fst__terms_store(gradient, i, 0);
            continue;
        }
        double weight = fst__terms_weight(weights, 1 / (double)present, i);
        double z = (double)logits[i], y = (1 - smooth) * (double)labels[i] + smooth / 2;
        double positive = class_weight(options, i % outputs) * y;
        double l = -positive * fst__terms_log_sigmoid(z) - (1 - y) * fst__terms_log_sigmoid(-z);
        double slope = (1 - y) * fst__terms_sigmoid(z) - positive * fst__terms_sigmoid(-z);
        if (!fst__terms_store(gradient, i, weight * slope) || !isfinite(weight * l))
            return fst__terms_overflow("labels", i);
        loss += weight * l;
        right += (z >= 0) == (labels[i] >= (fst__real)0.5);
    }
    *result = (fst_score_loss){
        .struct_size = result->struct_size,
        .loss = loss,
        .accuracy = present ? (double)right / (double)present : NAN,
        .margin = NAN,
        .error = NAN,
        .count = present,
    };
    return FST_OK;
}
