/* Log-probabilities of answers by policy and reference, and the loss of them. */
#include "stages/rl/dpo.h"

#include "base/error.h"
#include "fourstage/adapter.h"

#include <inttypes.h>

/* ---- log-probabilities ---- */

static double value_at(const fst_view *view, int64_t row, int64_t t)
{
    int64_t at = row * view->strides[0] + t * view->strides[1];
    return view->dtype == FST_F64 ? ((const double *)view->data)[at]
                                  : (double)((const float *)view->data)[at];
}

fst_status fst__dpo_sum(fst__dpo *dpo, fst_model *model, fst__real *sums)
{
    fst_view view;
    fst_status status = fst_model_output(model, "log_probabilities", &view);
    for (int64_t row = 0; !status && row < view.shape[0]; ++row) {
        double sum = 0;
        for (int64_t t = 0; t < view.shape[1]; ++t) {
            if (dpo->arrays.targets[row * view.shape[1] + t] >= 0)
                sum += value_at(&view, row, t);
        }
        sums[row] = (fst__real)sum;
    }
    return status;
}

static fst_status score(fst__dpo *dpo, fst_model *model, const fst_batch *batch, fst__real *sums)
{
    fst_forward_options options;
    fst_status status = fst_forward_options_init(&options, sizeof options);
    options.mode = FST_FORWARD_EVALUATE;
    if (!status)
        status = fst_model_forward(model, batch, &options);
    return status ? status : fst__dpo_sum(dpo, model, sums);
}

fst_status fst__dpo_score_policy(fst__dpo *dpo, const fst_batch *batch, fst__real *sums)
{
    return score(dpo, dpo->training.model, batch, sums);
}

fst_status fst__dpo_score_reference(fst__dpo *dpo, const fst_batch *batch, fst__real *sums)
{
    if (dpo->reference)
        return score(dpo, dpo->reference, batch, sums);
    fst_model *model = dpo->training.model;
    fst_status status = fst_model_enable_adapter(model, 0);
    if (status)
        return status;
    status = score(dpo, model, batch, sums);
    fst_status back = fst_model_enable_adapter(model, 1);
    return status ? status : back;
}

fst_status fst__dpo_reference_point(fst__dpo *dpo, const fst__dpo_place *place, double *point)
{
    fst__dpo_arrays *a = &dpo->arrays;
    int64_t rows = dpo->options.rows, valid = place->valid;
    fst_batch batch;
    *point = 0;
    if (dpo->options.kind != FST_DPO_KTO)
        return FST_OK;
    fst_status status = fst__dpo_read_mismatched(dpo, place, &batch);
    if (!status)
        status = fst__dpo_score_reference(dpo, &batch, a->reference);
    if (!status)
        status = fst__dpo_score_policy(dpo, &batch, a->policy);
    if (status)
        return status;
    for (int64_t r = 0; r < valid; ++r) { /* those that count, next to each other */
        a->policy[valid + r] = a->policy[rows + r];
        a->reference[valid + r] = a->reference[rows + r];
    }
    return fst__kto_reference_point(a->policy, a->reference, 2 * valid, point);
}

/* ---- the loss ---- */

static fst_status pair_loss(fst__dpo *dpo, int32_t kind, bool with_slopes,
                            fst_preference_loss *found)
{
    fst__dpo_arrays *a = &dpo->arrays;
    int64_t rows = dpo->options.rows;
    fst_preference_loss_options options = {
        .struct_size = sizeof options,
        .kind = kind,
        .beta = dpo->options.beta,
        .label_smoothing = dpo->options.label_smoothing,
    };
    return fst__loss_preference(&options, a->policy, a->policy + rows, a->reference,
                                a->reference + rows, a->tokens, a->tokens + rows, a->weights, rows,
                                NULL, with_slopes ? a->slopes : NULL,
                                with_slopes ? a->slopes + rows : NULL, found);
}

static fst_status kto_loss(fst__dpo *dpo, double point, double *loss)
{
    fst__dpo_arrays *a = &dpo->arrays;
    int64_t rows = dpo->options.rows;
    fst_kto_options options = {
        .struct_size = sizeof options,
        .beta = dpo->options.beta,
        .desirable_weight = dpo->options.desirable_weight,
        .undesirable_weight = dpo->options.undesirable_weight,
        .reference_point = point,
    };
    fst_kto_loss found = {.struct_size = sizeof found};
    /* a pair's weight is shared by its two answers */
    for (int64_t r = 0; r < rows; ++r)
        a->weights[r] = a->weights[rows + r] = a->weights[r] / 2;
    fst_status status = fst__loss_kto(&options, a->policy, a->reference, a->desirable, a->weights,
                                      2 * rows, a->slopes, &found);
    *loss = found.loss;
    return status;
}

/* −log π per token of the chosen answers, and its slope. */
static void add_sft(fst__dpo *dpo, double weight, int64_t valid, double coefficient,
                    fst__dpo_sums *sums)
{
    fst__dpo_arrays *a = &dpo->arrays;
    for (int64_t r = 0; r < valid; ++r) {
        sums->sft -= (double)a->policy[r] / (double)a->tokens[r];
        a->slopes[r] =
            (fst__real)((double)a->slopes[r] - weight * coefficient / (double)a->tokens[r]);
    }
}

static void add_log_probabilities(const fst__dpo *dpo, int64_t valid, fst__dpo_sums *sums)
{
    const fst__dpo_arrays *a = &dpo->arrays;
    int64_t rows = dpo->options.rows;
    for (int64_t r = 0; r < valid; ++r) {
        sums->chosen_log_probability += (double)a->policy[r];
        sums->rejected_log_probability += (double)a->policy[rows + r];
        sums->tokens += (double)(a->tokens[r] + a->tokens[rows + r]);
    }
}

fst_status fst__dpo_loss(fst__dpo *dpo, double weight, int64_t valid, double point, double sft,
                         fst__dpo_sums *sums)
{
    fst__dpo_arrays *a = &dpo->arrays;
    bool kto = dpo->options.kind == FST_DPO_KTO;
    fst_preference_loss found = {.struct_size = sizeof found};
    for (int64_t r = 0; r < dpo->options.rows; ++r)
        a->weights[r] = (fst__real)(r < valid ? weight : 0);
    /* of KTO's pairs only what is told about them */
    fst_status status = pair_loss(dpo, kto ? FST_PREFERENCE_DPO : dpo->options.kind, !kto, &found);
    double loss = found.loss;
    if (!status && kto)
        status = kto_loss(dpo, point, &loss);
    if (status)
        return status;
    double pairs = (double)valid;
    sums->pairs += pairs;
    sums->loss += loss;
    sums->accuracy += pairs * found.accuracy;
    sums->margin += pairs * found.margin;
    sums->chosen_reward += pairs * found.chosen_reward;
    sums->rejected_reward += pairs * found.rejected_reward;
    sums->reference_point += pairs * point;
    add_log_probabilities(dpo, valid, sums);
    add_sft(dpo, weight, valid, sft, sums);
    return FST_OK;
}
