/* Where the scores stand: preferences say nothing about it, so it is set at the end. */
#include "stages/reward/reward.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>

/* score' = (score − mean)/deviation, by the head's own weights. */
static void change_head(fst__reward *reward, double mean, double deviation)
{
    fst_model *model = reward->steps.training.model;
    const fst__head *head = reward->heads[0].head;
    fst__parameter *weight = fst__head_weight(model, head), *bias = fst__head_bias(model, head);
    for (int64_t i = 0; i < fst__parameter_size(weight); ++i)
        weight->value[i] = (fst__real)((double)weight->value[i] / deviation);
    bias->value[0] = (fst__real)(((double)bias->value[0] - mean) / deviation);
    fst__parameters_refresh_working(&model->parameters, model->context->compute);
    fst__model_forget_forward(model);
}

fst_status fst__reward_shift(fst_run *run, bool scale, bool cancellable, double *mean,
                             double *deviation)
{
    fst__reward *reward = fst__reward_of(run);
    int64_t count = reward->train_info.sequences;
    double sum = 0, squares = 0;
    if (reward->steps.micro_step > 0)
        return fst__fail(FST_ERR_STATE, "fst_reward_shift: the run is in the middle of a step");
    if (!fst__head_bias(reward->steps.training.model, reward->heads[0].head))
        return fst__fail(FST_ERR_STATE, "fst_reward_shift: the head has no bias");
    fst_status status = fst__reward_score_all(reward, reward->train, reward->train_info.examples,
                                              cancellable ? run : NULL);
    if (status)
        return status;
    for (int64_t i = 0; i < count; ++i)
        sum += (double)reward->all_scores[i];
    *mean = sum / (double)count;
    for (int64_t i = 0; i < count; ++i) {
        double off = (double)reward->all_scores[i] - *mean;
        squares += off * off;
    }
    *deviation = sqrt(squares / (double)count);
    if (!isfinite(*mean) || !isfinite(*deviation))
        return fst__training_blame(&reward->steps.training,
                                   fst__fail(FST_ERR_NUMERIC, "the mean score of train is %g", *mean));
    change_head(reward, *mean, scale && *deviation > 0 ? *deviation : 1);
    return FST_OK;
}

/* The update is made; should scoring the training data fail, the step stands without its shift. */
static void shift_at_the_end(fst_run *run)
{
    const fst__reward *reward = fst__reward_of(run);
    double mean, deviation;
    if (fst__reward_shift(run, reward->options.scale_to_one, false, &mean, &deviation))
        fst__log_write(&run->context->log, FST_LOG_WARNING,
                       "step %" PRId64 ": the scores were not shifted to a mean of 0: %s",
                       run->step + 1, fst__error_text());
}

fst_status fst__reward_advance(fst_run *run, fst__outcome *outcome)
{
    const fst__reward *reward = fst__reward_of(run);
    fst_status status = fst__steps_advance(run, outcome);
    bool last = run->options.total_steps > 0 && run->step + 1 == run->options.total_steps;
    if (!status && *outcome == FST__STEP_FINISHED && last && reward->options.shift_to_zero)
        shift_at_the_end(run);
    return status;
}
