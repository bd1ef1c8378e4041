/* Updates from minibatches of the steps, and the pieces that an iteration is made of. */
#include "stages/rl/control.h"

#include "base/error.h"
#include "base/random.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- a minibatch */

/* A shuffle that is a function of the pass: iteration · epochs + epoch. */
static void make_order(fst__play *play, int64_t pass)
{
    if (play->order_pass == pass)
        return;
    fst__permute_all(play->context->seed, FST__STREAM_MINIBATCH, (uint64_t)pass, fst__play_steps(play),
                     play->order_table, play->order);
    play->order_pass = pass;
}

void fst__play_gather(fst__play *play, int64_t pass, int64_t index)
{
    const fst__experience *x = &play->experience;
    fst__play_batch *b = &play->batch;
    int64_t first = index * play->options.minibatch, all = fst__play_steps(play);
    size_t row = play->row_bytes * (size_t)play->window, action = play->action_bytes;
    size_t choices = play->masked ? (size_t)play->choices : 0;
    make_order(play, pass);
    b->count = all - first < play->options.minibatch ? all - first : play->options.minibatch;
    for (int64_t i = 0; i < b->count; ++i) {
        int64_t step = play->order[first + i];
        b->steps[i] = step;
        fst__play_window(play, step, b->rows + (size_t)i * row, b->lengths ? &b->lengths[i] : NULL);
        memcpy(b->actions + (size_t)i * action, x->actions + (size_t)step * action, action);
        if (choices)
            memcpy(b->masks + (size_t)i * choices, x->masks + (size_t)step * choices, choices);
    }
}

void fst__play_pick(const fst__play *play, const fst__real *by_step, fst__real *compact)
{
    for (int64_t i = 0; i < play->batch.count; ++i)
        compact[i] = by_step[play->batch.steps[i]];
}

static fst__control_steps steps_of(const fst__play *play)
{
    const fst__play_batch *b = &play->batch;
    return (fst__control_steps){.rows = b->rows, .lengths = b->lengths, .actions = b->actions,
                                .masks = play->masked ? b->masks : NULL, .count = b->count};
}

/* ---- what counts */

/* REINFORCE without values: returns of episodes that go on are not known. */
static bool only_whole(const fst__play *play)
{
    return play->options.value_coefficient == 0;
}

static bool ends_later(const fst__play *play, int64_t step)
{
    const fst__experience *x = &play->experience;
    for (int64_t at = step; at < fst__play_steps(play); at += play->games.count) {
        if (x->terminated[at] || x->truncated[at])
            return true;
    }
    return false;
}

/* Weights of the steps; NULL: 1/count each. */
static const fst__real *fill_weights(fst__play *play)
{
    fst__play_batch *b = &play->batch;
    int64_t valid = 0;
    if (!only_whole(play))
        return NULL;
    for (int64_t i = 0; i < b->count; ++i)
        valid += b->valid[i] = ends_later(play, b->steps[i]);
    if (valid == 0)
        fst__log_write(&play->context->log, FST_LOG_WARNING,
                       "no episode ended in this iteration, and REINFORCE learns from whole ones: "
                       "fst_control_options.steps is too small");
    for (int64_t i = 0; i < b->count; ++i)
        b->weights[i] = valid && b->valid[i] ? (fst__real)(1 / (double)valid) : 0;
    return b->weights;
}

/* ---- the terms of the loss */

static double clip_now(const fst_run *run)
{
    const fst__play *play = fst__play_of(run);
    double done = (double)play->iteration / (double)run->options.total_steps;
    return play->options.anneal_clip ? play->options.clip * fmax(1 - done, 0) : play->options.clip;
}

static fst_status policy_term(const fst_run *run, const fst__real *weights)
{
    fst__play *play = fst__play_of(run);
    fst__play_batch *b = &play->batch;
    const fst_policy_loss_options clips = {.struct_size = sizeof clips, .clip_low = clip_now(run),
                                           .clip_high = clip_now(run)};
    fst_status status = FST_OK;
    fst__play_pick(play, play->rollout.log_probabilities, b->old);
    fst__play_pick(play, play->rollout.advantages, b->advantages);
    if (play->options.normalize_advantages && b->count > 1)
        status = fst__advantages_whiten(b->advantages, weights ? b->valid : NULL, b->count, 1);
    return status ? status
                  : fst__update_policy(&play->sums, &clips, b->log_probabilities, b->old, b->advantages,
                                       weights, b->count, b->d_log_probabilities);
}

static fst_status value_term(fst__play *play)
{
    fst__play_batch *b = &play->batch;
    fst__play_pick(play, play->rollout.values, b->old_values);
    fst__play_pick(play, play->rollout.returns, b->returns);
    return fst__update_value(&play->sums, play->options.value_clip, play->options.value_coefficient,
                             b->values, b->old_values, b->returns, NULL, b->count, b->d_values);
}

static fst_status backward(fst_run *run, int64_t pass, int64_t index)
{
    fst__play *play = fst__play_of(run);
    fst__play_batch *b = &play->batch;
    bool values = play->options.value_coefficient > 0;
    fst__play_gather(play, pass, index);
    const fst__control_steps steps = steps_of(play);
    fst_status status = fst__control_evaluate(play->policy, &steps, true, b->log_probabilities,
                                              b->entropies, values ? b->values : NULL);
    if (!status)
        status = policy_term(run, fill_weights(play));
    if (!status && values)
        status = value_term(play);
    if (status)
        return status;
    fst__update_entropy(&play->sums, play->options.entropy_coefficient, b->entropies, NULL, b->count,
                        b->entropies);
    return fst__control_backward(play->policy, b->d_log_probabilities,
                                 play->options.entropy_coefficient > 0 ? b->entropies : NULL,
                                 values ? b->d_values : NULL);
}

/* ---- the end of an iteration */

static void set_metrics(fst_run *run)
{
    const fst__play *play = fst__play_of(run);
    const fst__update_sums *s = &play->sums;
    const fst__update_means mean = fst__update_mean(s);
    double *m = run->metrics;
    m[FST__METRIC_LOSS] = mean.loss;
    m[FST__METRIC_LEARNING_RATE] = s->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = mean.gradient_norm;
    m[FST__PLAY_APPROXIMATE_KL] = mean.approximate_kl;
    m[FST__PLAY_CLIP_FRACTION] = mean.clip_fraction;
    m[FST__PLAY_RATIO] = s->largest_ratio;
    m[FST__PLAY_FIRST_RATIO_ERROR] = s->first_ratio_error;
    m[FST__PLAY_ENTROPY] = mean.entropy;
    m[FST__PLAY_EXPLAINED_VARIANCE] = play->explained_variance;
    m[FST__PLAY_POLICY_LOSS] = mean.policy_loss;
    m[FST__PLAY_VALUE_LOSS] = play->options.value_coefficient > 0 ? mean.value_loss : NAN;
    m[FST__PLAY_CLIP] = clip_now(run);
    m[FST__PLAY_UPDATES] = s->updates;
    m[FST__PLAY_CLIP_FACTOR] = mean.clip_factor;
    m[FST__PLAY_ROLLOUT_SECONDS] = play->seconds.rollout;
    m[FST__PLAY_UPDATE_SECONDS] = play->seconds.update;
    m[FST__PLAY_ENVIRONMENT_SECONDS] = play->games.env ? play->seconds.environment : NAN;
    fst__episodes_metrics(play, m);
}

static fst_status close_iteration(fst_run *run, fst__outcome *outcome)
{
    fst__play *play = fst__play_of(run);
    fst_status status = FST_OK;
    if (play->games.two && (play->iteration + 1) % play->options.opponent_every == 0)
        status = fst__games_add_rival(play);
    if (status)
        return status;
    set_metrics(run);
    play->iteration += 1;
    fst__play_rewind(play);
    *outcome = FST__STEP_FINISHED;
    return FST_OK;
}

/* ---- pieces of an iteration */

static fst_status update(fst_run *run, fst__outcome *outcome)
{
    fst__play *play = fst__play_of(run);
    int64_t batches = fst__play_batches(play), done = play->pieces - fst__play_recomputed(play);
    int64_t epoch = done / batches, index = done % batches;
    double begin = fst__update_now();
    if (!play->training.clean)
        fst__training_zero_gradients(&play->training);
    fst_status status = backward(run, play->iteration * play->options.epochs + epoch, index);
    play->training.clean = false;
    if (!status)
        status = fst__update_finish(&play->sums, &play->training, play->options.stop_kl);
    if (status)
        return fst__fail_in(status, "epoch %" PRId64 ", minibatch %" PRId64, epoch, index);
    play->pieces += 1;
    play->seconds.update += fst__update_now() - begin;
    if (done + 1 == play->options.epochs * batches || play->sums.stopped != 0)
        status = close_iteration(run, outcome);
    return status;
}

static fst_status learn(fst_run *run, fst__outcome *outcome)
{
    fst__play *play = fst__play_of(run);
    fst_status status;
    if (play->pieces < fst__play_recomputed(play)) {
        status = fst__play_recompute(play, play->pieces);
        play->pieces += !status;
    } else {
        status = update(run, outcome);
    }
    if (status < 0)
        fst__play_rewind(play);
    return status;
}

static fst_status gather_steps(fst_run *run, fst__outcome *outcome)
{
    fst__play *play = fst__play_of(run);
    if (!play->games.env) {
        *outcome = FST__STEP_WAITING;
        return FST_OK;
    }
    fst_status status = play->recorded < play->options.steps ? fst__play_collect(run) : FST_OK;
    if (!status && play->recorded == play->options.steps)
        status = fst__play_estimate(play);
    return status;
}

fst_status fst__play_advance(fst_run *run, fst__outcome *outcome)
{
    fst__play *play = fst__play_of(run);
    *outcome = FST__STEP_UNFINISHED;
    fst_status status = play->estimated ? learn(run, outcome) : gather_steps(run, outcome);
    if (status >= 0)
        return status;
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&play->training, status);
    return fst__fail_in(status, "step %" PRId64, run->step + 1);
}
