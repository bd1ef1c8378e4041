/* One forward and backward over some answers, and the update once a minibatch is whole. */
#include "stages/rl/text.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- where in the iteration */

static int64_t forwards_of_minibatch(const fst__rl *rl)
{
    return rl->options.minibatch / rl->options.rows;
}

static bool completes_minibatch(const fst__rl *rl, int64_t forward)
{
    return (forward + 1) % forwards_of_minibatch(rl) == 0;
}

/* Tokens of the minibatch that forward `index` of the epoch is part of. */
static double minibatch_tokens(const fst__rl *rl, int64_t epoch, int64_t index)
{
    int64_t count = forwards_of_minibatch(rl), first = index / count * count, tokens = 0;
    for (int64_t i = first * rl->options.rows; i < (first + count) * rl->options.rows; ++i)
        tokens += rl->rollout.lengths[fst__rl_answer_at(rl, epoch, i)];
    return (double)tokens;
}

/* The weight of each step, so that the minibatch's loss is the mean of the kind wanted. */
static void fill_weights(fst__rl *rl, double tokens)
{
    fst__real *at = rl->batch.weights;
    for (int64_t r = 0; r < rl->batch.rows; ++r) {
        int64_t length = rl->rollout.lengths[rl->batch.answers[r]];
        double weight = 1 / tokens;
        if (rl->options.aggregation == FST_AGGREGATE_SEQUENCES)
            weight = 1 / ((double)rl->options.minibatch * (double)length);
        else if (rl->options.aggregation == FST_AGGREGATE_CONSTANT)
            weight = 1 / ((double)rl->options.minibatch * (double)rl->sampling.max_new_tokens);
        for (int64_t t = 0; t < length; ++t)
            *at++ = (fst__real)weight;
    }
}

/* ---- the terms of the loss */

static fst_status give(fst__rl *rl, const char *output, const fst__real *compact, bool token_head)
{
    const fst__rl_batch *b = &rl->batch;
    fst__rl_spread(rl, compact, b->gradient);
    fst_view view = {
        .data = b->gradient, .dtype = FST__REAL_DTYPE, .rank = token_head ? 3 : 2,
        .shape = {b->rows, b->length, token_head ? 1 : 0},
        .strides = {b->length, 1, token_head ? 1 : 0},
    };
    return fst__model_add_gradient(rl->training.model, output, &view);
}

/* Policy loss and, in the loss, the KL: their gradients by log-probability in d_log_probabilities. */
static fst_status policy_terms(fst__rl *rl)
{
    fst__rl_batch *b = &rl->batch;
    const fst_rl_options *o = &rl->options;
    const fst_policy_loss_options clips = {
        .struct_size = sizeof clips, .clip_low = o->clip,
        .clip_high = o->clip_high > 0 ? o->clip_high : o->clip, .dual_clip = o->dual_clip,
    };
    fst__rl_pick(rl, rl->rollout.log_probabilities, b->old);
    fst__rl_pick(rl, rl->rollout.advantages, b->advantages);
    fst_status status = fst__update_policy(&rl->sums, &clips, b->log_probabilities, b->old, b->advantages,
                                           b->weights, b->count, b->d_log_probabilities);
    if (status)
        return status;
    if (!rl->has_reference || !o->kl_in_loss)
        return FST_OK;
    double kl;
    fst__rl_pick(rl, rl->rollout.references, b->references);
    status = fst__loss_kl(o->kl_estimator, b->log_probabilities, b->references, b->weights, b->count,
                          NULL, b->scratch, &kl);
    for (int64_t i = 0; i < b->count && !status; ++i)
        b->d_log_probabilities[i] += (fst__real)(rl->controller.coefficient * (double)b->scratch[i]);
    if (!status)
        rl->sums.loss += rl->controller.coefficient * kl;
    return status;
}

static fst_status entropy_term(fst__rl *rl)
{
    fst__rl_batch *b = &rl->batch;
    double coefficient = rl->options.entropy_coefficient;
    fst_view view;
    fst_status status = fst__model_output(rl->training.model, "entropy", &view);
    if (status)
        return status;
    fst__rl_compact(rl, view.data, b->scratch);
    fst__update_entropy(&rl->sums, coefficient, b->scratch, b->weights, b->count, b->scratch);
    return coefficient > 0 ? give(rl, "entropy", b->scratch, false) : FST_OK;
}

static fst_status value_term(fst__rl *rl)
{
    fst__rl_batch *b = &rl->batch;
    fst_view view;
    fst_status status = fst__model_output(rl->training.model, rl->value_head, &view);
    if (status)
        return status;
    fst__rl_compact(rl, view.data, b->values);
    fst__rl_pick(rl, rl->rollout.values, b->old_values);
    fst__rl_pick(rl, rl->rollout.returns, b->returns);
    status = fst__update_value(&rl->sums, rl->options.value_clip, rl->options.value_coefficient,
                               b->values, b->old_values, b->returns, b->weights, b->count, b->scratch);
    if (status)
        return status;
    return give(rl, rl->value_head, b->scratch, true);
}

static fst_status backward_answers(fst__rl *rl, int64_t epoch, int64_t index)
{
    fst_model *model = rl->training.model;
    fst_view view;
    fst__rl_gather(rl, epoch, index);
    fill_weights(rl, minibatch_tokens(rl, epoch, index));
    fst_status status = fst__rl_forward(rl, model, true);
    if (!status)
        status = fst__model_output(model, "log_probabilities", &view);
    if (status)
        return status;
    fst__rl_compact(rl, view.data, rl->batch.log_probabilities);
    status = policy_terms(rl);
    if (!status)
        status = give(rl, "log_probabilities", rl->batch.d_log_probabilities, false);
    if (!status)
        status = entropy_term(rl);
    if (!status && rl->options.algorithm == FST_RL_PPO)
        status = value_term(rl);
    return status ? status : fst__model_backward(model);
}

/* A batch of supervised text, with dropout: the mean cross entropy times its coefficient. */
static fst_status backward_supervised(fst__rl *rl)
{
    fst_model *model = rl->training.model;
    int64_t rows = rl->options.supervised_rows, length = rl->supervised_info.length;
    int32_t *ids = rl->supervised_ids;
    size_t count = (size_t)(rows * length);
    fst__dataset_read(rl->supervised, rl->supervised_position * rows, rows, true, ids, ids + count,
                      ids + 2 * count, ids + 3 * count);
    bool apart = !rl->supervised->pack.cross_documents;
    const fst_batch batch = {
        .struct_size = sizeof batch, .rows = rows, .length = length, .ids = ids,
        .targets = ids + count, .positions = apart ? ids + 2 * count : NULL,
        .documents = apart ? ids + 3 * count : NULL,
    };
    int64_t targets = 0;
    for (size_t i = 0; i < count; ++i)
        targets += ids[count + i] >= 0;
    if (targets == 0)
        return FST_OK;
    const fst_loss_options options = {
        .struct_size = sizeof options,
        .scale = rl->options.supervised_coefficient / (double)targets,
    };
    fst_loss loss = {.struct_size = sizeof loss};
    fst_status status = fst__model_forward(model, &batch, true, rl->supervised_position);
    if (!status)
        status = fst__model_loss(model, &options, &loss);
    if (!status)
        status = fst__model_backward(model);
    if (!status) {
        double mean = loss.loss / (double)targets;
        rl->sums.supervised_loss += mean;
        rl->sums.loss += rl->options.supervised_coefficient * mean;
    }
    return status;
}

/* ---- the update */

static fst_status finish_minibatch(fst__rl *rl)
{
    fst_status status = FST_OK;
    if (rl->supervised && rl->options.supervised_coefficient > 0)
        status = backward_supervised(rl);
    if (!status)
        status = fst__update_finish(&rl->sums, &rl->training, rl->options.stop_kl);
    if (!status)
        rl->supervised_position += rl->supervised != NULL;
    return status;
}

static void set_metrics(fst_run *run)
{
    fst__rl *rl = fst__rl_of(run);
    const fst__update_sums *s = &rl->sums;
    const fst__update_means mean = fst__update_mean(s);
    const fst__rl_figures *f = &rl->figures;
    double *m = run->metrics, answers = (double)rl->answers.count;
    m[FST__METRIC_LOSS] = mean.loss;
    m[FST__METRIC_LEARNING_RATE] = s->learning_rate;
    m[FST__METRIC_GRADIENT_NORM] = mean.gradient_norm;
    m[FST__RL_REWARD] = f->reward;
    m[FST__RL_KL] = f->kl;
    m[FST__RL_KL_COEFFICIENT] = rl->controller.coefficient;
    m[FST__RL_APPROXIMATE_KL] = mean.approximate_kl;
    m[FST__RL_CLIP_FRACTION] = mean.clip_fraction;
    m[FST__RL_RATIO] = s->largest_ratio;
    m[FST__RL_FIRST_RATIO_ERROR] = s->first_ratio_error;
    m[FST__RL_ENTROPY] = mean.entropy;
    m[FST__RL_EXPLAINED_VARIANCE] = f->explained_variance;
    m[FST__RL_POLICY_LOSS] = mean.policy_loss;
    m[FST__RL_VALUE_LOSS] =
        rl->options.algorithm == FST_RL_PPO ? mean.value_loss : NAN;
    m[FST__RL_SUPERVISED_LOSS] = rl->supervised ? mean.supervised_loss : NAN;
    m[FST__RL_ENDS] = f->ends;
    m[FST__RL_LENGTH] = f->length;
    m[FST__RL_TRUNCATED_SHARE] = 1 - f->ends / answers;
    m[FST__RL_UPDATES] = s->updates;
    m[FST__RL_CLIP_FACTOR] = mean.clip_factor;
    m[FST__RL_ROLLOUT_SECONDS] = rl->seconds.rollout;
    m[FST__RL_REWARD_SECONDS] = rl->seconds.reward;
    m[FST__RL_ESTIMATE_SECONDS] = rl->seconds.estimate;
    m[FST__RL_UPDATE_SECONDS] = rl->seconds.update;
    m[FST__RL_SAMPLING_ERROR] = f->sampling_error;
}

/* The rollout in hand is done with, or thrown away. */
static void clear(fst__rl *rl)
{
    rl->micro_step = 0;
    rl->sums = (fst__update_sums){0};
    rl->training.clean = false;
}

static fst_status close_iteration(fst_run *run, fst__outcome *outcome)
{
    fst__rl *rl = fst__rl_of(run);
    fst_status status = FST_OK;
    if (rl->has_reference)
        status = fst__kl_controller_update(&rl->controller, rl->figures.kl, rl->answers.count);
    if (status)
        return status;
    set_metrics(run);
    for (int64_t n = 0; n < rl->answers.count; ++n)
        run->tokens += rl->rollout.lengths[n];
    rl->iteration += 1;
    rl->position += rl->options.prompts_per_step;
    bool clean = rl->training.clean; /* as the last update left it */
    clear(rl);
    rl->training.clean = clean;
    *outcome = FST__STEP_FINISHED;
    return FST_OK;
}

/* ---- pieces of an iteration */

/* Above the ceiling the run is over: the weights become those of the last iteration below it. */
static void end_run(fst_run *run, fst__outcome *outcome)
{
    fst__rl *rl = fst__rl_of(run);
    fst__log_write(&run->context->log, FST_LOG_WARNING,
                   "step %" PRId64 ": the KL to the reference is %.3f nats an answer, above kl_ceiling "
                   "%.3f; the run ends with the weights of the last step below it",
                   run->step + 1, rl->figures.kl, rl->options.kl_ceiling);
    if (rl->snapshot_taken)
        fst__rl_restore_snapshot(rl);
    rl->ended = 1;
    run->metrics[FST__RL_KL] = rl->figures.kl;
    run->metrics[FST__RL_REWARD] = rl->figures.reward;
    clear(rl);
    *outcome = FST__STEP_FINISHED;
}

static fst_status begin_iteration(fst_run *run, fst__outcome *outcome)
{
    fst__rl *rl = fst__rl_of(run);
    const fst_baseline baseline = rl->baseline;
    fst_status status = fst__rl_roll_out(run);
    if (!status)
        status = fst__rl_estimate(run);
    if (status) {
        rl->baseline = baseline;
        return status;
    }
    if (rl->options.kl_ceiling > 0 && rl->figures.kl > rl->options.kl_ceiling) {
        end_run(run, outcome);
        return FST_OK;
    }
    if (rl->snapshot)
        fst__rl_take_snapshot(rl);
    rl->sums = (fst__update_sums){0};
    rl->micro_step = 1;
    return FST_OK;
}

static fst_status continue_iteration(fst_run *run, fst__outcome *outcome)
{
    fst__rl *rl = fst__rl_of(run);
    int64_t forward = rl->micro_step - 1, epoch = forward / fst__rl_batches(rl);
    double begin = fst__update_now();
    if (!rl->training.clean && forward % forwards_of_minibatch(rl) == 0)
        fst__training_zero_gradients(&rl->training);
    fst_status status = backward_answers(rl, epoch, forward % fst__rl_batches(rl));
    rl->training.clean = false;
    if (!status && completes_minibatch(rl, forward))
        status = finish_minibatch(rl);
    if (status)
        return fst__fail_in(status, "epoch %" PRId64 ", forward %" PRId64, epoch,
                            forward % fst__rl_batches(rl));
    rl->micro_step += 1;
    rl->seconds.update += fst__update_now() - begin;
    bool done = rl->micro_step - 1 == rl->options.epochs * fst__rl_batches(rl);
    if (done || rl->sums.stopped != 0)
        status = close_iteration(run, outcome);
    return status;
}

fst_status fst__rl_update(fst_run *run, fst__outcome *outcome)
{
    fst__rl *rl = fst__rl_of(run);
    *outcome = FST__STEP_UNFINISHED;
    fst_status status = rl->micro_step == 0 ? begin_iteration(run, outcome)
                                            : continue_iteration(run, outcome);
    if (status >= 0)
        return status;
    if (status == FST_ERR_NUMERIC)
        status = fst__training_blame(&rl->training, status);
    if (rl->micro_step > 0)
        clear(rl);
    return fst__fail_in(status, "step %" PRId64, run->step + 1);
}
