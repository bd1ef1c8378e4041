/* PPO's clipped surrogate. */
#include "stages/objectives/objectives.h"

#include "base/error.h"
#include "stages/objectives/terms.h"

fst_policy_loss_options fst__policy_loss_defaults(void)
{
    return (fst_policy_loss_options){
        .struct_size = sizeof(fst_policy_loss_options),
        .clip_low = 0.2,
        .clip_high = 0.2,
    };
}

fst_status fst__policy_loss_check(const fst_policy_loss_options *options)
{
    if (!(options->clip_low >= 0 && options->clip_low <= 1))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "clip_low is %g, expected 0 … 1",
                         options->clip_low);
    if (!(options->clip_high >= 0) || !isfinite(options->clip_high))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "clip_high is %g, expected a finite number ≥ 0",
                         options->clip_high);
    if (options->dual_clip != 0 && !(options->dual_clip > 1 && isfinite(options->dual_clip)))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "dual_clip is %g, expected 0 or more than 1",
                         options->dual_clip);
    return FST_OK;
}

/* One element: its loss; *clipped: the loss does not depend on the ratio. */
static double surrogate(const fst_policy_loss_options *o, double ratio, double advantage,
                        bool *clipped)
{
    if (advantage >= 0) {
        *clipped = advantage > 0 && ratio > 1 + o->clip_high;
        return -advantage * (*clipped ? 1 + o->clip_high : advantage > 0 ? ratio : 0);
    }
    *clipped = ratio < 1 - o->clip_low;
    double loss = -advantage * (*clipped ? 1 - o->clip_low : ratio);
    if (o->dual_clip > 0 && ratio > o->dual_clip) {
        *clipped = true;
        loss = -advantage * o->dual_clip;
    }
    return loss;
}

static fst_status check_arrays(const fst__real *log_probabilities, const fst__real *old,
                               const fst__real *advantages, const fst__real *weights, int64_t count)
{
    fst_status status = fst__terms_check_weights("policy loss", weights, count);
    if (!status)
        status =
            fst__terms_check("policy loss", "log_probabilities", log_probabilities, weights, count);
    if (!status)
        status = fst__terms_check("policy loss", "old_log_probabilities", old, weights, count);
    if (!status)
        status = fst__terms_check("policy loss", "advantages", advantages, weights, count);
    return status;
}

static void set_means(fst_policy_loss *result, double clipped, double ratios, double kl)
{
    double tokens = (double)result->tokens;
    result->clip_fraction = result->tokens ? clipped / tokens : 0;
    result->ratio_mean = result->tokens ? ratios / tokens : 1;
    result->approximate_kl = result->tokens ? kl / tokens : 0;
    if (!result->tokens)
        result->ratio_max = 1;
}

fst_status fst__loss_policy(const fst_policy_loss_options *options,
                            const fst__real *log_probabilities,
                            const fst__real *old_log_probabilities, const fst__real *advantages,
                            const fst__real *weights, int64_t count, fst__real *gradient,
                            fst_policy_loss *result)
{
    fst_status status = fst__policy_loss_check(options);
    if (!status)
        status = check_arrays(log_probabilities, old_log_probabilities, advantages, weights, count);
    if (status)
        return status;
    fst_policy_loss found = {.struct_size = result->struct_size};
    double clipped_count = 0, ratios = 0, kl = 0;
    for (int64_t i = 0; i < count; ++i) {
        double weight = fst__terms_weight(weights, 1 / (double)count, i);
        if (weight == 0) {
            fst__terms_store(gradient, i, 0);
            continue;
        }
        double difference = old_log_probabilities
                                ? (double)log_probabilities[i] - (double)old_log_probabilities[i]
                                : 0;
        double ratio = exp(difference), advantage = (double)advantages[i];
        bool clipped;
        double loss = weight * surrogate(options, ratio, advantage, &clipped);
        double slope = clipped || advantage == 0 ? 0 : -weight * advantage * ratio;
        if (!fst__terms_store(gradient, i, slope) || !isfinite(loss))
            return fst__terms_overflow("policy loss", i);
        found.loss += loss;
        found.tokens += 1;
        found.ratio_max = fmax(found.ratio_max, ratio);
        clipped_count += clipped;
        ratios += ratio;
        kl += expm1(difference) - difference;
    }
    set_means(&found, clipped_count, ratios, kl);
    *result = found;
    return FST_OK;
}
