/*
 * From answers with scores to advantages: log-probabilities and values by the forwards that the first
 * epoch's updates will make, the reference's, then each token's reward, then advantages.
 */
#include "stages/rl/text.h"

#include "model/adapter.h"

#include <math.h>

static fst_status read_output(fst__rl *rl, fst_model *model, const char *name, fst__real *by_step)
{
    fst_view view;
    fst_status status = fst__model_output(model, name, &view);
    if (status)
        return status;
    fst__rl_compact(rl, view.data, rl->batch.scratch);
    fst__rl_put(rl, rl->batch.scratch, by_step);
    return FST_OK;
}

/* Sampling and training compute the same numbers by different products. */
static void compare(fst__rl *rl)
{
    fst__rl_pick(rl, rl->rollout.log_probabilities, rl->batch.old);
    for (int64_t i = 0; i < rl->batch.count; ++i) {
        double error = fabs((double)rl->batch.old[i] - (double)rl->batch.log_probabilities[i]);
        if (error > rl->figures.sampling_error)
            rl->figures.sampling_error = error;
    }
}

static fst_status policy_pass(fst__rl *rl)
{
    fst_model *model = rl->training.model;
    fst_view view;
    fst_status status = fst__rl_forward(rl, model, false);
    if (!status)
        status = fst__model_output(model, "log_probabilities", &view);
    if (status)
        return status;
    fst__rl_compact(rl, view.data, rl->batch.log_probabilities);
    compare(rl);
    fst__rl_put(rl, rl->batch.log_probabilities, rl->rollout.log_probabilities);
    if (rl->options.algorithm == FST_RL_PPO)
        status = read_output(rl, model, rl->value_head, rl->rollout.values);
    return status;
}

static fst_status reference_pass(fst__rl *rl)
{
    fst_model *model = rl->reference ? rl->reference : rl->training.model;
    fst_status status = rl->reference ? FST_OK : fst__model_enable_adapter(model, false);
    if (!status)
        status = fst__rl_forward(rl, model, false);
    if (!status)
        status = read_output(rl, model, "log_probabilities", rl->rollout.references);
    if (rl->reference)
        return status;
    fst_status enabled = fst__model_enable_adapter(model, true);
    return status ? status : enabled;
}

/* Not to be cancelled: the scores are taken into the reward model's running statistics by now. */
static fst_status passes(fst__rl *rl)
{
    fst_status status = FST_OK;
    for (int64_t i = 0; i < fst__rl_batches(rl) && !status; ++i) {
        fst__rl_gather(rl, 0, i);
        status = policy_pass(rl);
        if (!status && rl->has_reference)
            status = reference_pass(rl);
    }
    return status;
}

/* ---- rewards */

static double shaped_score(const fst__rl *rl, int64_t n)
{
    double score = (double)rl->rollout.scores[n], most = rl->options.reward_clip;
    if (most > 0)
        score = fmin(fmax(score, -most), most);
    if (rl->answers.finishes[n] == FST_FINISH_LENGTH)
        score -= rl->options.missing_end_penalty;
    return score;
}

/* Each token's reward, and the KL of the answers. */
static fst_status fill_rewards(fst__rl *rl)
{
    fst__rollout *r = &rl->rollout;
    int64_t last = r->trajectories - 1, count = r->offsets[last] + r->lengths[last];
    bool penalise = rl->has_reference && !rl->options.kl_in_loss;
    double kl = 0, unused;
    for (int64_t i = 0; rl->has_reference && i < count; ++i)
        kl += (double)r->log_probabilities[i] - (double)r->references[i];
    rl->figures.kl = rl->has_reference ? kl / (double)r->trajectories : NAN;
    fst_status status = FST_OK;
    if (penalise)
        status = fst__loss_kl(rl->options.kl_estimator, r->log_probabilities, r->references, NULL,
                              count, r->rewards, NULL, &unused);
    for (int64_t i = 0; i < count && !status; ++i)
        r->rewards[i] = penalise ? (fst__real)(-rl->controller.coefficient * (double)r->rewards[i]) : 0;
    for (int64_t n = 0; n < r->trajectories && !status; ++n)
        r->rewards[r->offsets[n] + r->lengths[n] - 1] += (fst__real)shaped_score(rl, n);
    return status;
}

/* ---- advantages */

static fst_status group_advantages(fst__rl *rl)
{
    fst__rollout *r = &rl->rollout;
    fst__real *sums = r->returns; /* not used without values */
    for (int64_t n = 0; n < r->trajectories; ++n) {
        double sum = 0;
        for (int64_t t = 0; t < r->lengths[n]; ++t)
            sum += (double)r->rewards[r->offsets[n] + t];
        sums[n] = (fst__real)sum;
    }
    fst_status status;
    if (rl->options.algorithm == FST_RL_REINFORCE) {
        status = fst__advantages_baseline(&rl->baseline, sums, r->trajectories, sums);
    } else {
        int32_t kind = rl->options.algorithm == FST_RL_RLOO ? FST_GROUP_RLOO
                       : rl->options.scale_advantages       ? FST_GROUP_GRPO
                                                            : FST_GROUP_DR_GRPO;
        status = fst__advantages_group(kind, sums, r->trajectories, rl->options.samples_per_prompt,
                                       sums);
    }
    if (!status)
        fst__rollout_spread(r, sums);
    return status;
}

static fst_status fill_advantages(fst__rl *rl)
{
    fst__rollout *r = &rl->rollout;
    fst_status status;
    rl->figures.explained_variance = NAN;
    if (rl->options.algorithm == FST_RL_PPO) {
        const fst_gae_options gae = {.struct_size = sizeof gae, .gamma = rl->options.gamma,
                                     .lambda = rl->options.lambda};
        status = fst__advantages_gae(&gae, &r->layout, r->rewards, r->values, NULL, NULL, NULL, NULL,
                                     r->advantages, r->returns);
        if (!status)
            rl->figures.explained_variance = fst__rollout_explained_variance(r);
    } else {
        status = group_advantages(rl);
    }
    if (!status && rl->options.whiten_advantages)
        status = fst__rollout_whiten(r);
    return status;
}

fst_status fst__rl_estimate(fst_run *run)
{
    fst__rl *rl = fst__rl_of(run);
    double begin = fst__update_now();
    fst_status status = passes(rl);
    if (!status)
        status = fill_rewards(rl);
    if (!status)
        status = fill_advantages(rl);
    rl->seconds.estimate = fst__update_now() - begin;
    return status;
}
