/* The policy answers prompts, and the reward model scores the answers. */
#include "stages/rl/text.h"

#include "base/error.h"
#include "base/random.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- sampling */

/* A rollout that is cancelled leaves nothing behind: it is a function of the iteration. */
static int32_t ask_for_cancel(const fst_token *token, void *user)
{
    (void)token;
    return fst__run_cancelled(user) ? 1 : 0;
}

/* Seeds of a rollout: `number` of its own for each iteration and evaluation. */
static void fill_seeds(fst__rl *rl, uint64_t number, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; ++i) {
        fst__philox_block block =
            fst__philox(rl->context->seed ^ (uint64_t)rl->sampling.seed, FST__STREAM_ROLLOUT, number,
                        (uint64_t)(first + i));
        rl->seeds[i] = (int64_t)((uint64_t)block.word[0] << 32 | block.word[1]);
    }
}

static void set_prompt(fst__rl *rl, const fst_dataset *prompts, int64_t place, int64_t example)
{
    fst_example one = {.struct_size = sizeof one};
    fst__examples_get(prompts, example, 0, &one);
    rl->prompt_ids[place] = one.ids;
    rl->prompt_lengths[place] = one.length;
}

static fst_status generate(fst_run *run, int64_t count, bool record)
{
    fst__rl *rl = fst__rl_of(run);
    fst_sampling_options sampling = rl->sampling;
    sampling.seeds = rl->seeds;
    sampling.record_kept = record;
    return fst__policy_generate(rl->policy, rl->prompt_ids, rl->prompt_lengths, count, &sampling,
                                ask_for_cancel, run);
}

static fst_status score(fst__rl *rl, int64_t count, int64_t *lengths, int32_t *finishes,
                        fst__real *scores)
{
    for (int64_t n = 0; n < count; ++n) {
        const fst__sequence *s = &rl->policy->sequences[n];
        rl->answer_ids[n] = s->ids;
        rl->answer_texts[n] = s->text.data ? s->text.data : "";
        lengths[n] = s->count;
        finishes[n] = s->finish;
    }
    const fst_reward_batch batch = {
        .struct_size = sizeof batch,
        .count = count,
        .prompts = rl->prompt_ids,
        .prompt_lengths = rl->prompt_lengths,
        .responses = rl->answer_ids,
        .response_lengths = lengths,
        /* As a user would see them: without stop strings, and without ids that the tokenizer lacks. */
        .response_texts = rl->tokenizer ? rl->answer_texts : NULL,
        .finishes = finishes,
        .tokenizer = rl->tokenizer,
    };
#ifdef FST__REAL_DOUBLE
    float *given = fst__alloc_array(&rl->context->allocator, (size_t)count, sizeof *given);
    fst_status status = given ? fst__reward_model_score(rl->reward_model, &batch, given)
                              : FST_ERR_NO_MEMORY;
    for (int64_t n = 0; n < count && !status; ++n)
        scores[n] = given[n];
    fst__free(&rl->context->allocator, given);
    return status;
#else
    return fst__reward_model_score(rl->reward_model, &batch, scores);
#endif
}

/* ---- a rollout */

static void store_answers(fst__rl *rl)
{
    fst__answers *a = &rl->answers;
    fst__rollout *r = &rl->rollout;
    int64_t at = 0;
    memset(a->ids, 0, (size_t)(a->count * a->length) * sizeof *a->ids);
    if (a->kept_row) /* what an earlier rollout left would be saved with this one */
        memset(a->kept, 0, (size_t)(r->capacity * a->kept_row));
    fst__rollout_clear(r);
    for (int64_t n = 0; n < a->count; ++n) {
        const fst__sequence *s = &rl->policy->sequences[n];
        int32_t *row = a->ids + n * a->length;
        int64_t prompt = rl->prompt_lengths[n];
        memcpy(row, rl->prompt_ids[n], (size_t)prompt * sizeof *row);
        memcpy(row + prompt, s->ids, (size_t)s->count * sizeof *row);
        a->prompt_lengths[n] = prompt;
        r->offsets[n] = at;
        for (int64_t t = 0; t < s->count; ++t)
            r->log_probabilities[at + t] = (fst__real)s->log_probabilities[t];
        if (a->kept_row)
            memcpy(a->kept + at * a->kept_row, s->kept, (size_t)(s->count * a->kept_row));
        at += s->count;
    }
}

fst_status fst__rl_roll_out(fst_run *run)
{
    fst__rl *rl = fst__rl_of(run);
    int64_t prompts = rl->options.prompts_per_step, samples = rl->options.samples_per_prompt;
    double begin = fst__update_now();
    fst__examples_order(rl->prompts, rl->position, prompts, rl->options.shuffle, rl->examples);
    for (int64_t n = 0; n < rl->answers.count; ++n)
        set_prompt(rl, rl->prompts, n, rl->examples[n / samples]);
    fill_seeds(rl, (uint64_t)rl->iteration, 0, rl->answers.count);
    fst_status status = generate(run, rl->answers.count, rl->answers.kept_row > 0);
    if (status)
        return status;
    double answered = fst__update_now();
    status = score(rl, rl->answers.count, rl->rollout.lengths, rl->answers.finishes,
                   rl->rollout.scores);
    if (status)
        return status;
    store_answers(rl);
    rl->figures = (fst__rl_figures){0};
    rl->seconds = (fst__rl_seconds){.rollout = answered - begin, .reward = fst__update_now() - answered};
    for (int64_t n = 0; n < rl->answers.count; ++n) {
        rl->figures.reward += (double)rl->rollout.scores[n] / (double)rl->answers.count;
        rl->figures.length += (double)rl->rollout.lengths[n] / (double)rl->answers.count;
        rl->figures.ends += rl->answers.finishes[n] != FST_FINISH_LENGTH;
    }
    return FST_OK;
}

/* ---- evaluation: the same sampling, with random numbers that are the same each time */

typedef struct evaluation {
    double score, length;
    int64_t count;
} evaluation;

static fst_status evaluate_prompts(fst_run *run, int64_t first, int64_t count, evaluation *sums)
{
    fst__rl *rl = fst__rl_of(run);
    for (int64_t n = 0; n < count; ++n)
        set_prompt(rl, rl->validation, n, first + n);
    fill_seeds(rl, (uint64_t)1 << 55, first, count);
    fst_status status = generate(run, count, false);
    /* The rollout in hand stays as it is: these arrays are free between two rollouts' uses. */
    if (!status)
        status = score(rl, count, rl->examples, rl->batch.lengths, rl->batch.scratch);
    for (int64_t n = 0; n < count && !status; ++n) {
        sums->score += (double)rl->batch.scratch[n];
        sums->length += (double)rl->examples[n];
        ++sums->count;
    }
    return status;
}

fst_status fst__rl_evaluate(fst_run *run, double *score_out)
{
    fst__rl *rl = fst__rl_of(run);
    int64_t end = rl->validation->documents->count, limit = rl->options.evaluation_prompts;
    end = limit > 0 && limit < end ? limit : end;
    int64_t most = rl->answers.count < rl->options.rows ? rl->answers.count : rl->options.rows;
    evaluation sums = {0};
    fst_status status = FST_OK;
    fst__reward_model_hold(rl->reward_model);
    for (int64_t first = 0; first < end && !status; first += most)
        status = fst__run_cancelled(run)
                     ? FST_STOPPED
                     : evaluate_prompts(run, first, end - first < most ? end - first : most, &sums);
    fst__reward_model_let_go(rl->reward_model);
    if (status)
        return status < 0 ? fst__fail_in(status, "evaluation") : status;
    run->metrics[FST__RL_VALIDATION_REWARD] = sums.score / (double)sums.count;
    run->metrics[FST__RL_VALIDATION_LENGTH] = sums.length / (double)sums.count;
    *score_out = -run->metrics[FST__RL_VALIDATION_REWARD];
    run->metrics[FST__METRIC_VALIDATION_LOSS] = *score_out;
    return FST_OK;
}
