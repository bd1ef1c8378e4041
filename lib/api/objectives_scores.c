/* Losses of a reward model's scores. See objectives.c on void *. */
#include "stages/objectives/objectives.h"

#include "api/check.h"
#include "base/options.h"

static fst_status give(fst_score_loss *result, size_t size, const fst_score_loss *found)
{
    return fst__options_init(result, size, found, sizeof *found, "fst_score_loss");
}

fst_status fst_loss_bradley_terry(double centering, const float *chosen, const float *rejected,
                                  const float *margins, const float *weights, int64_t count,
                                  float *chosen_gradient, float *rejected_gradient,
                                  fst_score_loss *result, size_t size)
{
    fst_score_loss found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(chosen, "fst_loss_bradley_terry", "chosen");
    if (!status)
        status = fst__check_pointer(rejected, "fst_loss_bradley_terry", "rejected");
    if (!status)
        status = fst__options_check(result, size, "fst_score_loss");
    const void *c = chosen, *r = rejected, *m = margins, *w = weights;
    void *dc = chosen_gradient, *dr = rejected_gradient;
    if (!status)
        status = fst__loss_bradley_terry(centering, c, r, m, w, count, dc, dr, &found);
    return status ? status : give(result, size, &found);
}

fst_status fst_loss_k_wise(double centering, const float *scores, const int64_t *offsets,
                           const float *weights, int64_t prompts, float *gradient,
                           fst_score_loss *result, size_t size)
{
    fst_score_loss found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(scores, "fst_loss_k_wise", "scores");
    if (!status)
        status = fst__check_pointer(offsets, "fst_loss_k_wise", "offsets");
    if (!status)
        status = fst__options_check(result, size, "fst_score_loss");
    const void *s = scores, *w = weights;
    if (!status)
        status = fst__loss_k_wise(centering, s, offsets, w, prompts, (void *)gradient, &found);
    return status ? status : give(result, size, &found);
}

fst_status fst_loss_regression(const float *scores, const float *labels, const float *weights,
                               int64_t count, float *gradient, fst_score_loss *result, size_t size)
{
    fst_score_loss found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(scores, "fst_loss_regression", "scores");
    if (!status)
        status = fst__check_pointer(labels, "fst_loss_regression", "labels");
    if (!status)
        status = fst__options_check(result, size, "fst_score_loss");
    const void *s = scores, *y = labels, *w = weights;
    if (!status)
        status = fst__loss_regression(s, y, w, count, (void *)gradient, &found);
    return status ? status : give(result, size, &found);
}

fst_status fst_loss_ranked(double scale, const float *scores, const float *labels, int64_t count,
                           float *gradient, fst_score_loss *result, size_t size)
{
    fst_score_loss found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(scores, "fst_loss_ranked", "scores");
    if (!status)
        status = fst__check_pointer(labels, "fst_loss_ranked", "labels");
    if (!status)
        status = fst__options_check(result, size, "fst_score_loss");
    const void *s = scores, *y = labels;
    if (!status)
        status = fst__loss_ranked(scale, s, y, count, (void *)gradient, &found);
    return status ? status : give(result, size, &found);
}

fst_status fst_ranked_pairs(const float *labels, int64_t count, int64_t *pairs)
{
    fst_status status = fst__check_pointer(labels, "fst_ranked_pairs", "labels");
    if (!status)
        status = fst__check_pointer(pairs, "fst_ranked_pairs", "pairs");
    const void *y = labels;
    return status ? status : fst__ranked_pairs(y, count, pairs);
}

fst_status fst_loss_ordinal(int32_t kind, const float *logits, const float *labels,
                            const float *weights, int64_t count, int64_t levels, float *gradient,
                            fst_score_loss *result, size_t size)
{
    fst_score_loss found = {.struct_size = sizeof found};
    fst_status status = fst__check_pointer(logits, "fst_loss_ordinal", "logits");
    if (!status)
        status = fst__check_pointer(labels, "fst_loss_ordinal", "labels");
    if (!status)
        status = fst__options_check(result, size, "fst_score_loss");
    const void *z = logits, *y = labels, *w = weights;
    if (!status)
        status = fst__loss_ordinal(kind, z, y, w, count, levels, (void *)gradient, &found);
    return status ? status : give(result, size, &found);
}
