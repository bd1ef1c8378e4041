/* A micro-batch and the end of a step, whatever the scores are learned from. */
#include "stages/reward/reward.h"

fst_status fst__reward_micro_batch(fst_run *run, fst_status (*lose)(fst__reward *reward,
                                                                    fst__reward_sums *sums))
{
    fst__reward *reward = fst__reward_of(run);
    fst__reward_sums sums = reward->sums;
    fst_batch batch;
    fst__reward_order(reward);
    fst__reward_read(reward, &batch);
    fst_status status = fst__reward_forward(reward, &batch);
    if (!status)
        status = lose(reward, &sums);
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&reward->steps.training, status);
    if (!status)
        status = fst__reward_backward(reward, batch.rows);
    if (status)
        return status;
    for (int64_t r = 0; r < batch.rows; ++r)
        sums.tokens += reward->lengths[r];
    reward->sums = sums;
    return FST_OK;
}

double fst__reward_loss(const fst_run *run)
{
    return fst__reward_of(run)->sums.loss;
}

void fst__reward_close(fst_run *run, const fst_optimizer_report *report)
{
    const fst__reward *reward = fst__reward_of(run);
    double *m = run->metrics;
    run->tokens += (int64_t)reward->sums.tokens;
    m[FST__METRIC_LEARNING_RATE] = report->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = report->gradient_norm;
    m[FST__REWARD_CLIP_FACTOR] = report->clip_factor;
    m[FST__REWARD_TOKENS] = reward->sums.tokens;
    m[FST__REWARD_EPOCH] = (double)fst__steps_first(&reward->steps, reward->steps.position) /
                           (double)reward->train_info.examples;
    m[FST__REWARD_SPIKES] = (double)reward->steps.spikes;
    m[FST__REWARD_ROLLBACKS] = (double)reward->steps.rollbacks;
}
