/* What a run of reinforcement learning computes from its answers: rewards, penalties, advantages; what it
 * must not depend on; what it plans to use. */
#include "../support/small_rl.h"
#include "stages/rl/text.h"

/* The run with its first rollout done and nothing updated. */
static fst__rl *roll_out(small_rl *s, const small_rl_config *config)
{
    small_rl_create(s, config);
    REQUIRE(fst_run_advance(s->run, NULL));
    return fst__rl_of(s->run);
}

static double sum_of(const fst__real *values, const fst__rollout *r, int64_t n)
{
    double sum = 0;
    for (int64_t t = 0; t < r->lengths[n]; ++t)
        sum += (double)values[r->offsets[n] + t];
    return sum;
}

/* ---- rewards */

/* An answer's rewards sum to its clipped score, less the penalty if it was cut, less β times its KL. */
START_TEST(test_rewards)
{
    small_rl_config config = small_rl_defaults(FST_RL_REINFORCE);
    config.rl.prompts_per_step = 16;
    config.rl.reward_clip = 0.1;
    config.rl.missing_end_penalty = 0.75;
    config.rl.kl_coefficient = 0.3;
    config.sampling.max_new_tokens = 40; /* so that some end */
    config.given = config.adapter = _i; /* its second factors are not 0: there is a KL */
    small_rl s;
    fst__rl *rl = roll_out(&s, &config);
    const fst__rollout *r = &rl->rollout;
    int64_t cut = 0, clipped = 0;
    double mean = 0;
    for (int64_t n = 0; n < r->trajectories; ++n) {
        double score = (double)r->scores[n], kl = 0;
        bool ended = rl->answers.ids[n * rl->answers.length + rl->answers.prompt_lengths[n] +
                                     r->lengths[n] - 1] == RL_END;
        ck_assert_int_eq(ended, rl->answers.finishes[n] != FST_FINISH_LENGTH);
        clipped += score > 0.1;
        cut += !ended;
        for (int64_t t = 0; t < r->lengths[n]; ++t) {
            int64_t i = r->offsets[n] + t;
            double log_ratio = (double)r->log_probabilities[i] - (double)r->references[i];
            kl += log_ratio;
            if (t + 1 < r->lengths[n]) /* the score goes to the last token alone */
                ck_assert_double_eq_tol((double)r->rewards[i], -0.3 * log_ratio, 1e-6);
        }
        double wanted = fmin(score, 0.1) - (ended ? 0 : 0.75) - 0.3 * kl;
        ck_assert_double_eq_tol(sum_of(r->rewards, r, n), wanted, 1e-5);
        mean += kl / (double)r->trajectories;
    }
    ck_assert_int_gt(clipped, 0);
    ck_assert_int_gt(cut, 0);
    ck_assert_int_lt(cut, r->trajectories);
    ck_assert_double_eq_tol(rl->figures.kl, mean, 1e-6);
    ck_assert(_i ? fabs(mean) > 1e-3 : mean == 0);
    small_rl_destroy(&s);
}
END_TEST

/* With the KL in the loss, rewards are scores. */
START_TEST(test_rewards_without_kl)
{
    small_rl_config config = small_rl_defaults(FST_RL_GRPO);
    config.rl.kl_coefficient = 0.3;
    config.given = config.adapter = 1;
    small_rl s;
    fst__rl *rl = roll_out(&s, &config);
    for (int64_t n = 0; n < rl->rollout.trajectories; ++n)
        ck_assert_double_eq_tol(sum_of(rl->rollout.rewards, &rl->rollout, n),
                                (double)rl->rollout.scores[n], 1e-6);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    ck_assert_double_gt(fabs(small_rl_metric(s.run, "loss") - small_rl_metric(s.run, "policy_loss")), 1e-6);
    small_rl_destroy(&s);
}
END_TEST

/* ---- advantages */

START_TEST(test_whitening)
{
    small_rl_config config = small_rl_defaults(_i);
    config.rl.whiten_advantages = 1;
    config.rl.kl_coefficient = 0;
    small_rl s;
    fst__rl *rl = roll_out(&s, &config);
    const fst__rollout *r = &rl->rollout;
    double mean = 0, variance = 0;
    int64_t count = 0;
    for (int64_t n = 0; n < r->trajectories; ++n) {
        count += r->lengths[n];
        mean += sum_of(r->advantages, r, n);
    }
    mean /= (double)count;
    for (int64_t i = 0; i < count; ++i)
        variance += ((double)r->advantages[i] - mean) * ((double)r->advantages[i] - mean);
    ck_assert_double_eq_tol(mean, 0, 1e-5);
    ck_assert_double_eq_tol(variance / (double)(count - 1), 1, 1e-3);
    small_rl_destroy(&s);
}
END_TEST

/* Of a prompt's answers: each against the mean of the others, or all against their mean. */
START_TEST(test_groups)
{
    small_rl_config config = small_rl_defaults(_i ? FST_RL_GRPO : FST_RL_RLOO);
    enum { GROUP = 4 };
    config.rl.samples_per_prompt = GROUP;
    config.rl.scale_advantages = 0;
    config.rl.kl_coefficient = 0;
    small_rl s;
    fst__rl *rl = roll_out(&s, &config);
    const fst__rollout *r = &rl->rollout;
    for (int64_t n = 0; n < r->trajectories; ++n) {
        double sum = 0, own = (double)r->scores[n];
        for (int64_t m = n / GROUP * GROUP; m < (n / GROUP + 1) * GROUP; ++m)
            sum += (double)r->scores[m];
        double wanted = _i ? own - sum / GROUP : own - (sum - own) / (GROUP - 1);
        for (int64_t t = 0; t < r->lengths[n]; ++t)
            ck_assert_double_eq_tol((double)r->advantages[r->offsets[n] + t], wanted, 1e-6);
    }
    small_rl_destroy(&s);
}
END_TEST

/* ---- what results may not depend on */

/* What stands behind an answer is never read, whatever ids it is. */
START_TEST(test_padding)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.sampling.top_k = _i ? 9 : 0;
    config.sampling.max_new_tokens = 40;
    small_rl s;
    fst__rl *rl = roll_out(&s, &config);
    fst__rl_batch *b = &rl->batch;
    fst_view view;
    fst__rl_gather(rl, 0, 0);
    REQUIRE(fst__rl_forward(rl, s.model, false));
    REQUIRE(fst__model_output(s.model, "log_probabilities", &view));
    fst__rl_compact(rl, view.data, b->log_probabilities);
    int64_t padded = 0;
    for (int64_t row = 0; row < b->rows; ++row) {
        for (int64_t t = b->lengths[row]; t < b->length; ++t, ++padded)
            b->ids[row * b->length + t] = (int32_t)(t * 7 + row) % TINY_VOCABULARY;
    }
    ck_assert_int_gt(padded, 0);
    REQUIRE(fst__rl_forward(rl, s.model, false));
    REQUIRE(fst__model_output(s.model, "log_probabilities", &view));
    fst__rl_compact(rl, view.data, b->old);
    ck_assert_mem_eq(b->log_probabilities, b->old, (size_t)b->count * sizeof *b->old);
    REQUIRE(fst__model_output(s.model, "value", &view));
    fst__rl_compact(rl, view.data, b->values);
    fst__rl_pick(rl, rl->rollout.values, b->old_values);
    ck_assert_mem_eq(b->values, b->old_values, (size_t)b->count * sizeof *b->values);
    small_rl_destroy(&s);
}
END_TEST

/* Weights after one update, the optimizer being one that does not magnify rounding. */
static float *one_update(const small_rl_config *config, int32_t keep, int steps, int64_t *count)
{
    small_rl s;
    small_rl_prepare(&s, config);
    fst_optimizer_destroy(s.optimizer);
    fst_optimizer_options options;
    REQUIRE(fst_optimizer_options_init(&options, sizeof options));
    options.kind = FST_OPTIMIZER_SGD;
    options.learning_rate = 0.1;
    options.keep_gradients = keep;
    REQUIRE(fst_optimizer_create(s.model, &options, &s.optimizer));
    REQUIRE(small_rl_start(&s, config));
    REQUIRE(fst_run_until(s.run, steps));
    float *weights = small_rl_weights(s.model, count);
    small_rl_destroy(&s);
    return weights;
}

START_TEST(test_rows)
{
    small_rl_config config = small_rl_defaults(_i % 4);
    config.rl.prompts_per_step = 8 / config.rl.samples_per_prompt;
    config.rl.aggregation = _i / 4;
    config.rl.epochs = 1;
    config.rl.minibatch = 8;
    config.rl.rows = 8;
    int64_t count;
    float *whole = one_update(&config, 0, 1, &count);
    for (int64_t rows = 1; rows <= 4; rows *= 2) {
        config.rl.rows = rows;
        float *parts = one_update(&config, 0, 1, &count);
        for (int64_t i = 0; i < count; ++i)
            ck_assert_msg(fabsf(whole[i] - parts[i]) <= 1e-6f, "rows %d: weight %d is %.9g, not %.9g",
                          (int)rows, (int)i, (double)parts[i], (double)whole[i]);
        free(parts);
    }
    free(whole);
}
END_TEST

/* Gradients that the optimizer keeps for the host to look at are not counted again. */
START_TEST(test_kept_gradients)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.rl.rows = 2;
    int64_t count;
    float *cleared = one_update(&config, 0, 3, &count), *kept = one_update(&config, 1, 3, &count);
    ck_assert_mem_eq(cleared, kept, (size_t)count * sizeof *kept);
    free(cleared);
    free(kept);
}
END_TEST

/* ---- what fits */

START_TEST(test_no_room_for_an_answer)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    small_rl s;
    fst_model_config model = tiny_config(FST_FAMILY_GPT2);
    for (int32_t room = 0; room < 2; ++room) {
        small_rl_prepare(&s, &config);
        fst_optimizer_destroy(s.optimizer);
        s.optimizer = NULL;
        fst_model_destroy(s.model);
        model.context_length = 3 + room; /* the longest prompt has three */
        model.init_std = 0.05;
        s.model = tiny_model(s.context, &model, FST_F32, 0);
        fst_head_options head;
        REQUIRE(fst_head_options_init(&head, sizeof head));
        head.name = "value";
        head.kind = FST_HEAD_TOKEN;
        REQUIRE(fst_model_add_head(s.model, &head));
        fst_status status = small_rl_start(&s, &config);
        if (room) { /* an answer of one token */
            ck_assert_int_eq(status, FST_OK);
            REQUIRE(fst_run_until(s.run, 2));
        } else {
            ck_assert_int_eq(status, FST_ERR_MISMATCH);
            ck_assert_msg(strstr(fst_last_error(), "prompts") && strstr(fst_last_error(), "no room"), "%s",
                          fst_last_error());
        }
        small_rl_destroy(&s);
    }
}
END_TEST

/* Every handle belongs to the model's context. */
START_TEST(test_two_contexts)
{
    static const char *const names[] = {"prompts", "supervised", "reference", "reward_model"};
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.supervised = config.given = 1;
    small_rl s, other;
    small_rl_prepare(&s, &config);
    small_rl_prepare(&other, &config);
    fst_dataset *prompts = s.prompts, *supervised = s.supervised;
    fst_model *reference = s.reference;
    fst_reward_model *reward = s.reward;
    s.prompts = _i == 0 ? other.prompts : prompts;
    s.supervised = _i == 1 ? other.supervised : supervised;
    s.reference = _i == 2 ? other.reference : reference;
    s.reward = _i == 3 ? other.reward : reward;
    ck_assert_int_eq(small_rl_start(&s, &config), FST_ERR_MISMATCH);
    ck_assert_msg(strstr(fst_last_error(), names[_i]) && strstr(fst_last_error(), "contexts"), "%s",
                  fst_last_error());
    ck_assert_ptr_null(s.run);
    s.prompts = prompts;
    s.supervised = supervised;
    s.reference = reference;
    s.reward = reward;
    REQUIRE(small_rl_start(&s, &config));
    small_rl_destroy(&s);
    small_rl_destroy(&other);
}
END_TEST

/* The plan covers what is held, the rollout's cache among it. */
START_TEST(test_plan)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.rl.prompts_per_step = 64;
    config.rl.rows = _i ? 64 : 8;
    config.sampling.max_new_tokens = 80;
    config.sampling.top_k = 20;
    config.sampling.ignore_end = 1;
    config.dtype = _i ? FST_BF16 : FST_F32;
    small_rl s;
    small_rl_create(&s, &config);
    fst_memory memory = {.struct_size = sizeof memory};
    REQUIRE(fst_run_memory(s.run, &memory, sizeof memory));
    fst_context_info info = {.struct_size = sizeof info};
    REQUIRE(fst_run_until(s.run, 2));
    REQUIRE(fst_context_get_info(s.context, &info, sizeof info));
    ck_assert_msg(info.peak_bytes <= memory.total * 105 / 100 + 1000000, "%lld planned, %lld used",
                  (long long)memory.total, (long long)info.peak_bytes);
    ck_assert_msg(info.peak_bytes >= memory.total * 90 / 100, "%lld planned, %lld used",
                  (long long)memory.total, (long long)info.peak_bytes);
    small_rl_destroy(&s);
}
END_TEST

/* A reward that is no number is named by its answer, and the next try goes on. */
START_TEST(test_reward_is_no_number)
{
    small_rl_config config = small_rl_defaults(FST_RL_GRPO);
    small_rl s;
    small_rl_create(&s, &config);
    s.seen->nan_at_call = 1;
    ck_assert_int_eq(fst_run_step(s.run, NULL, 0), FST_ERR_NUMERIC);
    ck_assert_msg(strstr(fst_last_error(), "answer 0") && strstr(fst_last_error(), "step 1"), "%s",
                  fst_last_error());
    REQUIRE(fst_run_step(s.run, NULL, 0));
    small_rl_destroy(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rules of reinforcement learning");
    TCase *cases = tcase_create("rules");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_rewards, 0, 2);
    tcase_add_test(cases, test_rewards_without_kl);
    tcase_add_loop_test(cases, test_whitening, 0, 4);
    tcase_add_loop_test(cases, test_groups, 0, 2);
    tcase_add_loop_test(cases, test_padding, 0, 2);
    tcase_add_loop_test(cases, test_rows, 0, 12);
    tcase_add_test(cases, test_kept_gradients);
    tcase_add_test(cases, test_no_room_for_an_answer);
    tcase_add_loop_test(cases, test_two_contexts, 0, 4);
    tcase_add_loop_test(cases, test_plan, 0, 2);
    tcase_add_test(cases, test_reward_is_no_number);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
