/* Whole episodes in the environments of validation, with the statistics of observations as they are. */
#include "stages/rl/control.h"

#include <math.h>
#include <string.h>

typedef struct trial_sums {
    double returns, lengths, successes, count;
} trial_sums;

/* Each environment plays its share of the episodes from the first on, so that short ones do not count more often
 * (stable_baselines3/common/evaluation.py). */
static int64_t begin_shares(fst__play *play)
{
    int64_t all = play->options.evaluation_episodes, count = play->trial.count;
    for (int64_t n = 0; n < count; ++n) {
        play->trial_wanted[n] = (all + n) / count;
        play->trial_returns[n] = play->trial_lengths[n] = 0;
    }
    return all;
}

static int64_t count_step(fst__play *play, trial_sums *sums)
{
    const fst__outcomes *o = &play->trial.out;
    int64_t ended = 0;
    for (int64_t n = 0; n < play->trial.count; ++n) {
        play->trial_returns[n] += o->rewards[n];
        play->trial_lengths[n] += 1;
        play->fresh_trial[n] = o->terminated[n] | o->truncated[n];
        if (!play->fresh_trial[n])
            continue;
        if (play->trial_wanted[n] > 0) {
            play->trial_wanted[n] -= 1;
            ended += 1;
            sums->returns += play->trial_returns[n];
            sums->lengths += play->trial_lengths[n];
            sums->successes += o->terminated[n] && o->rewards[n] > 0;
            sums->count += 1;
        }
        play->trial_returns[n] = play->trial_lengths[n] = 0;
    }
    return ended;
}

static fst_status take_step(fst__play *play)
{
    fst__games *g = &play->trial;
    fst__control_history *history = &play->trial_history;
    const fst__distribution_draw draw = {
        .seed = play->context->seed + g->salt, .step = (uint64_t)g->draws++,
        .deterministic = play->options.evaluation_deterministic != 0,
    };
    fst_status status = fst__control_encode(play->policy, g->batch.observations, g->count, play->trial_rows);
    if (status)
        return status;
    fst__control_history_push(history, play->trial_rows, play->fresh_trial);
    status = fst__control_act(play->policy, history->rows, history->window > 1 ? history->lengths : NULL,
                              g->batch.masks, g->count, &draw, play->trial_actions, NULL, NULL);
    return status ? status : fst__games_step(play, g, play->trial_actions);
}

fst_status fst__play_evaluate(fst_run *run, double *score)
{
    fst__play *play = fst__play_of(run);
    trial_sums sums = {0};
    int64_t left = begin_shares(play);
    play->trial.draws = 0;
    memset(play->fresh_trial, 1, (size_t)play->trial.count);
    fst_status status = fst__games_begin(play, &play->trial);
    while (!status && left > 0) {
        status = take_step(play);
        if (!status)
            left -= count_step(play, &sums);
        if (!status && fst__run_cancelled(run))
            status = FST_STOPPED;
    }
    if (status)
        return status;
    *score = run->metrics[FST__METRIC_VALIDATION_LOSS] = -sums.returns / sums.count;
    run->metrics[FST__PLAY_VALIDATION_RETURN] = sums.returns / sums.count;
    run->metrics[FST__PLAY_VALIDATION_LENGTH] = sums.lengths / sums.count;
    run->metrics[FST__PLAY_VALIDATION_SUCCESS] = sums.successes / sums.count;
    return FST_OK;
}
