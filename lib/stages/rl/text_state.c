/* What a checkpoint of this stage holds, and what comes back from one. */
#include "stages/rl/text.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define I32(field, strict) {#field, offsetof(fst_rl_options, field), FST__SETTING_I32, strict}
#define I64(field, strict) {#field, offsetof(fst_rl_options, field), FST__SETTING_I64, strict}
#define F64(field, strict) {#field, offsetof(fst_rl_options, field), FST__SETTING_F64, strict}

static const fst__setting settings[] = {
    I32(algorithm, 1), I32(shuffle, 1), I64(prompts_per_step, 1), I64(samples_per_prompt, 1),
    I64(rows, 1), I64(minibatch, 1), I64(epochs, 1), I64(supervised_rows, 1),
    F64(supervised_coefficient, 0), F64(clip, 0), F64(clip_high, 0), F64(dual_clip, 0),
    F64(value_clip, 0), F64(value_coefficient, 0), F64(entropy_coefficient, 0), F64(gamma, 0),
    F64(lambda, 0), F64(kl_coefficient, 0), I32(kl_estimator, 1), I32(kl_in_loss, 1),
    F64(kl_target, 0), F64(kl_horizon, 0), F64(kl_ceiling, 0), F64(stop_kl, 0), F64(reward_clip, 0),
    F64(missing_end_penalty, 0), I32(whiten_advantages, 0), I32(scale_advantages, 0),
    I32(aggregation, 0),
};

#undef I32
#undef I64
#undef F64

#define SAMPLING(field, kind, strict) {#field, offsetof(fst_sampling_options, field), kind, strict}

static const fst__setting sampling_settings[] = {
    SAMPLING(max_new_tokens, FST__SETTING_I64, 1), SAMPLING(seed, FST__SETTING_I64, 1),
    SAMPLING(temperature, FST__SETTING_F64, 1),    SAMPLING(top_k, FST__SETTING_I32, 1),
    SAMPLING(ignore_end, FST__SETTING_I32, 1),     SAMPLING(top_p, FST__SETTING_F64, 1),
    SAMPLING(min_p, FST__SETTING_F64, 1),
};
#undef SAMPLING

/* Positions in the data mean something only over the same prompts. */
static const fst__setting prompt_settings[] = {
    {"examples", offsetof(fst_examples_info, examples), FST__SETTING_I64, 1},
    {"tokens", offsetof(fst_examples_info, tokens), FST__SETTING_I64, 1},
    {"longest", offsetof(fst_examples_info, longest), FST__SETTING_I64, 1},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void visit_array(fst__visitor *visitor, const char *name, void *data, int32_t dtype,
                        int64_t count)
{
    fst_view view = {.data = data, .dtype = dtype, .rank = 1, .shape = {count}, .strides = {1}};
    fst__visit_view(visitor, "rl", name, &view);
}

static void visit_answers(fst__answers *a, int64_t steps, fst__visitor *visitor)
{
    visit_array(visitor, "ids", a->ids, FST_I32, a->count * a->length);
    visit_array(visitor, "prompt_lengths", a->prompt_lengths, FST_I64, a->count);
    if (a->kept_row)
        visit_array(visitor, "kept", a->kept, FST_U8, steps * a->kept_row);
}

static void visit_scorer(fst_reward_model *reward_model, fst__visitor *visitor)
{
    for (int64_t i = 0; i < fst__reward_model_state_count(reward_model); ++i) {
        const char *name;
        fst_view view;
        fst__reward_model_state(reward_model, i, &name, &view);
        fst__visit_view(visitor, "reward_model", name, &view);
    }
}

/* A reference that is our own copy belongs to the state: the model that it was made of is gone. */
static void visit_reference(fst__rl *rl, fst__visitor *visitor)
{
    const fst__parameters *p = &rl->reference->parameters;
    for (int64_t i = 0; i < p->count; ++i) {
        const fst__parameter *item = &p->items[i];
        fst_view view = {.data = item->value, .dtype = FST__REAL_DTYPE, .rank = 2,
                         .shape = {item->rows, item->columns}, .strides = {item->columns, 1}};
        fst__visit_view(visitor, "reference", item->name, &view);
    }
}

static int64_t trained_elements(const fst__rl *rl)
{
    const fst__parameters *p = &rl->training.model->parameters;
    int64_t count = 0;
    for (int64_t i = 0; i < p->count; ++i) {
        if (!(p->items[i].flags & FST__PARAMETER_FROZEN))
            count += fst__parameter_size(&p->items[i]);
    }
    return count;
}

static void visit_counters(fst__rl *rl, fst__visitor *visitor)
{
    fst__visit_i64(visitor, "rl", "iteration", &rl->iteration, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "rl", "position", &rl->position, 0, FST__COUNTER_MOST);
    fst__visit_i64(visitor, "rl", "supervised_position", &rl->supervised_position, 0,
                   FST__COUNTER_MOST / rl->options.supervised_rows);
    fst__visit_i64(visitor, "rl", "ended", &rl->ended, 0, 1);
    fst__visit_i64(visitor, "rl", "baseline_updates", &rl->baseline.updates, 0, FST__COUNTER_MOST);
    fst__visit_doubles(visitor, "rl", "baseline_mean", &rl->baseline.mean, 1);
    fst__visit_doubles(visitor, "rl", "kl_coefficient_now", &rl->controller.coefficient, 1);
}

void fst__rl_visit(fst_run *run, fst__visitor *visitor)
{
    fst__rl *rl = fst__rl_of(run);
    fst__visit_settings(visitor, "prompts", prompt_settings, COUNT(prompt_settings),
                        &rl->prompts_info);
    fst__visit_settings(visitor, "rl", settings, COUNT(settings), &rl->options);
    fst__visit_settings(visitor, "sampling", sampling_settings, COUNT(sampling_settings),
                        &rl->sampling);
    fst__visit_setting_text(visitor, "rl.reference_weights", rl->reference_sum, 1);
    visit_counters(rl, visitor);
    visit_scorer(rl->reward_model, visitor);
    if (rl->owns_reference)
        visit_reference(rl, visitor);
    if (rl->snapshot && fst__visit_i64(visitor, "rl", "snapshot_taken", &rl->snapshot_taken, 0, 1))
        visit_array(visitor, "snapshot", rl->snapshot, FST__REAL_DTYPE, trained_elements(rl));
    int64_t micro_step = fst__visit_i64(visitor, "rl", "micro_step", &rl->micro_step, 0,
                                        rl->options.epochs * fst__rl_batches(rl));
    if (micro_step > 0) {
        fst__rollout_visit(&rl->rollout, visitor, rl->rollout.capacity, true);
        visit_answers(&rl->answers, rl->rollout.capacity, visitor);
        fst__visit_doubles(visitor, "rl", "sums", (double *)&rl->sums, FST__UPDATE_SUMS);
        fst__visit_doubles(visitor, "rl", "figures", (double *)&rl->figures, FST__RL_FIGURES);
    }
    int64_t forwards = rl->options.minibatch / rl->options.rows;
    fst__training_visit(&rl->training, visitor, micro_step > 0 && (micro_step - 1) % forwards > 0);
}

void fst__rl_restored(fst_run *run)
{
    fst__rl *rl = fst__rl_of(run);
    fst__training_restored(&rl->training);
    if (rl->owns_reference)
        fst__parameters_refresh_working(&rl->reference->parameters, rl->context->compute);
    rl->seconds = (fst__rl_seconds){NAN, NAN, NAN, NAN};
    if (rl->micro_step == 0)
        rl->sums = (fst__update_sums){0};
}

/* ---- the trained weights under the ceiling */

static void copy_trained(fst__rl *rl, bool back)
{
    const fst__parameters *p = &rl->training.model->parameters;
    fst__real *at = rl->snapshot;
    for (int64_t i = 0; i < p->count; ++i) {
        const fst__parameter *item = &p->items[i];
        if (item->flags & FST__PARAMETER_FROZEN)
            continue;
        size_t size = (size_t)fst__parameter_size(item);
        memcpy(back ? item->value : at, back ? at : item->value, size * sizeof *at);
        at += size;
    }
}

void fst__rl_take_snapshot(fst__rl *rl)
{
    copy_trained(rl, false);
    rl->snapshot_taken = 1;
}

void fst__rl_restore_snapshot(fst__rl *rl)
{
    copy_trained(rl, true);
    fst__parameters_refresh_working(&rl->training.model->parameters, rl->context->compute);
}
