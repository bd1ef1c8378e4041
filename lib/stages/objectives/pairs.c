/* Losses of scores that are compared with each other: Bradley–Terry and what is made of it. */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

#include <inttypes.h>

/* Sums over pairs, divided in finish. */
typedef struct pair_sums {
    double loss, centering, accuracy, margin;
    int64_t pairs;
} pair_sums;

/* One pair of weight w; *better, *worse: the derivatives. */
static bool add_pair(double weight, double centering, double better, double worse, double margin,
                     double *better_slope, double *worse_slope, pair_sums *sums)
{
    double x = better - worse - margin, sum = better + worse;
    double push = -weight * fst__terms_sigmoid(-x), pull = weight * centering * 2 * sum;
    double loss = -weight * fst__terms_log_sigmoid(x), center = weight * centering * sum * sum;
    *better_slope = push + pull;
    *worse_slope = -push + pull;
    sums->loss += loss + center;
    sums->centering += center;
    sums->accuracy += fst__terms_in_order(better, worse);
    sums->margin += better - worse;
    sums->pairs += 1;
    return isfinite(loss + center);
}

static void finish(const pair_sums *sums, fst_score_loss *result)
{
    double n = (double)sums->pairs;
    *result = (fst_score_loss){
        .struct_size = result->struct_size,
        .loss = sums->loss,
        .centering = sums->centering,
        .accuracy = sums->pairs ? sums->accuracy / n : NAN,
        .margin = sums->pairs ? sums->margin / n : NAN,
        .error = NAN,
        .count = sums->pairs,
    };
}

static fst_status check_centering(double centering)
{
    if (centering >= 0 && isfinite(centering))
        return FST_OK;
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "centering is %g, expected a finite number ≥ 0",
                     centering);
}

/* ---- pairs ---- */

fst_status fst__loss_bradley_terry(double centering, const fst__real *chosen,
                                   const fst__real *rejected, const fst__real *margins,
                                   const fst__real *weights, int64_t count,
                                   fst__real *chosen_gradient, fst__real *rejected_gradient,
                                   fst_score_loss *result)
{
    fst_status status = check_centering(centering);
    if (!status)
        status = fst__terms_check_weights("Bradley–Terry", weights, count);
    if (!status)
        status = fst__terms_check("Bradley–Terry", "chosen", chosen, weights, count);
    if (!status)
        status = fst__terms_check("Bradley–Terry", "rejected", rejected, weights, count);
    if (!status)
        status = fst__terms_check("Bradley–Terry", "margins", margins, weights, count);
    pair_sums sums = {0};
    for (int64_t i = 0; !status && i < count; ++i) {
        double weight = fst__terms_weight(weights, 1 / (double)count, i), better = 0, worse = 0;
        bool finite = true;
        if (weight != 0)
            finite = add_pair(weight, centering, (double)chosen[i], (double)rejected[i],
                              margins ? (double)margins[i] : 0, &better, &worse, &sums);
        finite = fst__terms_store(chosen_gradient, i, better) && finite;
        finite = fst__terms_store(rejected_gradient, i, worse) && finite;
        if (!finite)
            status = fst__terms_overflow("Bradley–Terry", i);
    }
    if (!status)
        finish(&sums, result);
    return status;
}

/* ---- ranked answers of a prompt ---- */

static fst_status check_ranked(const fst__real *scores, const int64_t *offsets,
                               const fst__real *weights, int64_t prompts)
{
    fst_status status = fst__terms_check_weights("K-wise loss", weights, prompts);
    for (int64_t p = 0; !status && p < prompts; ++p) {
        if (offsets[p] < 0 || offsets[p + 1] < 0 || offsets[p + 1] - offsets[p] < 2)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "K-wise loss: prompt %" PRId64 " has scores %" PRId64 " to %" PRId64
                             " (offsets), expected two or more",
                             p, offsets[p], offsets[p + 1]);
        for (int64_t i = offsets[p]; i < offsets[p + 1]; ++i) {
            if (!isfinite(scores[i]) && (!weights || weights[p] != 0))
                return fst__fail(FST_ERR_NUMERIC, "K-wise loss: scores[%" PRId64 "] is %g", i,
                                 (double)scores[i]);
        }
    }
    return status;
}

/* The derivatives of one answer are summed in double over its pairs, those above it and below. */
static double answer_slope(double weight, double centering, const fst__real *scores, int64_t k,
                           int64_t i)
{
    double slope = 0, better, worse;
    pair_sums ignored = {0};
    for (int64_t j = 0; j < k; ++j) {
        if (j == i)
            continue;
        bool above = i < j;
        add_pair(weight, centering, (double)scores[above ? i : j], (double)scores[above ? j : i], 0,
                 &better, &worse, &ignored);
        slope += above ? better : worse;
    }
    return slope;
}

static bool add_prompt(double weight, double centering, const fst__real *scores, int64_t k,
                       fst__real *gradient, pair_sums *sums)
{
    double each = weight / (0.5 * (double)k * (double)(k - 1)), better, worse;
    bool finite = true;
    for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = i + 1; j < k; ++j)
            finite = add_pair(each, centering, (double)scores[i], (double)scores[j], 0, &better,
                              &worse, sums) &&
                     finite;
        if (gradient)
            finite = fst__terms_store(gradient, i, answer_slope(each, centering, scores, k, i)) &&
                     finite;
    }
    return finite;
}

fst_status fst__loss_k_wise(double centering, const fst__real *scores, const int64_t *offsets,
                            const fst__real *weights, int64_t prompts, fst__real *gradient,
                            fst_score_loss *result)
{
    fst_status status = check_centering(centering);
    if (!status)
        status = check_ranked(scores, offsets, weights, prompts);
    pair_sums sums = {0};
    for (int64_t p = 0; !status && p < prompts; ++p) {
        double weight = fst__terms_weight(weights, 1 / (double)prompts, p);
        fst__real *slopes = gradient ? gradient + offsets[p] : NULL;
        int64_t k = offsets[p + 1] - offsets[p];
        for (int64_t i = 0; weight == 0 && i < k; ++i)
            fst__terms_store(slopes, i, 0);
        if (weight != 0 && !add_prompt(weight, centering, scores + offsets[p], k, slopes, &sums))
            status = fst__terms_overflow("K-wise loss", p);
    }
    if (!status)
        finish(&sums, result);
    return status;
}

/* ---- labels of a batch ---- */

/* The larger label is the better one; NaN compares with nothing. */
static bool is_better(fst__real label, fst__real other)
{
    return label > other;
}

fst_status fst__ranked_pairs(const fst__real *labels, int64_t count, int64_t *pairs)
{
    fst_status status = fst__terms_check_weights("ranked loss", NULL, count);
    if (status)
        return status;
    int64_t found = 0;
    for (int64_t i = 0; i < count; ++i)
        for (int64_t j = 0; j < count; ++j)
            found += is_better(labels[i], labels[j]);
    *pairs = found;
    return FST_OK;
}

static fst_status check_labelled(const fst__real *scores, const fst__real *labels, int64_t count)
{
    for (int64_t i = 0; i < count; ++i) {
        if (isinf(labels[i]))
            return fst__fail(FST_ERR_NUMERIC, "ranked loss: labels[%" PRId64 "] is infinite", i);
        if (!isnan(labels[i]) && !isfinite(scores[i]))
            return fst__fail(FST_ERR_NUMERIC, "ranked loss: scores[%" PRId64 "] is %g", i,
                             (double)scores[i]);
    }
    return FST_OK;
}

/* One score against all others; pairs in which it is the better one go into the sums. */
static bool add_score(double scale, const fst__real *scores, const fst__real *labels, int64_t count,
                      int64_t i, fst__real *gradient, pair_sums *sums)
{
    double slope = 0, better, worse;
    pair_sums counted_elsewhere = {0};
    bool finite = true;
    for (int64_t j = 0; j < count; ++j) {
        if (is_better(labels[i], labels[j])) {
            finite = add_pair(scale, 0, (double)scores[i], (double)scores[j], 0, &better, &worse,
                              sums) &&
                     finite;
            slope += better;
        } else if (is_better(labels[j], labels[i])) {
            add_pair(scale, 0, (double)scores[j], (double)scores[i], 0, &better, &worse,
                     &counted_elsewhere);
            slope += worse;
        }
    }
    return fst__terms_store(gradient, i, slope) && finite;
}

fst_status fst__loss_ranked(double scale, const fst__real *scores, const fst__real *labels,
                            int64_t count, fst__real *gradient, fst_score_loss *result)
{
    int64_t pairs = 0;
    fst_status status = fst__ranked_pairs(labels, count, &pairs);
    if (!status && (!(scale >= 0) || !isfinite(scale)))
        status =
            fst__fail(FST_ERR_INVALID_ARGUMENT, "ranked loss: scale is %g, expected ≥ 0", scale);
    if (!status)
        status = check_labelled(scores, labels, count);
    if (!status && scale == 0 && pairs > 0)
        scale = 1 / (double)pairs;
    pair_sums sums = {0};
    for (int64_t i = 0; !status && i < count; ++i) {
        if (!add_score(scale, scores, labels, count, i, gradient, &sums))
            status = fst__terms_overflow("ranked loss", i);
    }
    if (!status)
        finish(&sums, result);
    return status;
}
