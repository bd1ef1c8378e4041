/* What a run of reinforcement learning refuses, survives, and what may not change its results. */
#include "../support/small_rl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
    } while (0)

/* ---- refusals */

typedef enum field_kind { I32, I64, F64 } field_kind;

static const struct {
    const char *name;
    size_t offset;
    field_kind kind;
    double value;
} refused[] = {
#define FIELD(name, kind, value)                                                                   \
    {                                                                                              \
#name, offsetof(fst_rl_options, name), kind, value                                         \
    }
    FIELD(algorithm, I32, -1),
    FIELD(algorithm, I32, 4),
    FIELD(shuffle, I32, 2),
    FIELD(prompts_per_step, I64, 0),
    FIELD(samples_per_prompt, I64, 0),
    FIELD(rows, I64, -1),
    FIELD(rows, I64, 3),
    FIELD(minibatch, I64, 3),
    FIELD(minibatch, I64, -1),
    FIELD(epochs, I64, 0),
    FIELD(supervised_rows, I64, 0),
    FIELD(supervised_coefficient, F64, -1),
    FIELD(clip, F64, 1.5),
    FIELD(clip, F64, -0.1),
    FIELD(clip_high, F64, -0.1),
    FIELD(dual_clip, F64, 0.5),
    FIELD(dual_clip, F64, -3),
    FIELD(value_clip, F64, -0.2),
    FIELD(value_coefficient, F64, -1),
    FIELD(value_coefficient, F64, NAN),
    FIELD(entropy_coefficient, F64, -0.01),
    FIELD(gamma, F64, 1.1),
    FIELD(gamma, F64, -0.1),
    FIELD(lambda, F64, 1.01),
    FIELD(lambda, F64, NAN),
    FIELD(kl_coefficient, F64, -0.05),
    FIELD(kl_coefficient, F64, INFINITY),
    FIELD(kl_estimator, I32, 3),
    FIELD(kl_in_loss, I32, 2),
    FIELD(kl_target, F64, -1),
    FIELD(kl_horizon, F64, -1),
    FIELD(kl_ceiling, F64, -1),
    FIELD(stop_kl, F64, -1),
    FIELD(reward_clip, F64, -5),
    FIELD(missing_end_penalty, F64, -1),
    FIELD(whiten_advantages, I32, 2),
    FIELD(scale_advantages, I32, -1),
    FIELD(aggregation, I32, 3),
    FIELD(evaluation_prompts, I64, -1),
#undef FIELD
};

enum { REFUSED_COUNT = sizeof refused / sizeof refused[0] };

START_TEST(test_out_of_range)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    char *at = (char *)&config.rl + refused[_i].offset;
    if (refused[_i].kind == I32)
        *(int32_t *)at = (int32_t)refused[_i].value;
    else if (refused[_i].kind == I64)
        *(int64_t *)at = (int64_t)refused[_i].value;
    else
        *(double *)at = refused[_i].value;
    small_rl s;
    small_rl_prepare(&s, &config);
    fst_status status = small_rl_start(&s, &config);
    ck_assert_ptr_null(s.run);
    ck_assert_msg(status == FST_ERR_INVALID_ARGUMENT, "%s = %g: %s", refused[_i].name,
                  refused[_i].value, fst_status_name(status));
    ck_assert_msg(strstr(fst_last_error(), refused[_i].name), "%s: %s", refused[_i].name,
                  fst_last_error());
    small_rl_destroy(&s);
}
END_TEST

static void refuse_sampling(const small_rl_config *config, const char *words)
{
    small_rl s;
    small_rl_prepare(&s, config);
    REFUSED(small_rl_start(&s, config), FST_ERR_INVALID_ARGUMENT, words);
    small_rl_destroy(&s);
}

/* It is multiplied, so that 0 would stay 0. */
START_TEST(test_target_without_coefficient)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.rl.kl_target = 6;
    config.rl.kl_coefficient = 0;
    small_rl s;
    small_rl_prepare(&s, &config);
    REFUSED(small_rl_start(&s, &config), FST_ERR_INVALID_ARGUMENT, "kl_coefficient");
    small_rl_destroy(&s);
}
END_TEST

/* What would make log-probabilities others than those that were sampled from. */
START_TEST(test_sampling_is_refused)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO), plain = config;
    int32_t id = 3;
    float bias = 1;
    config.sampling.temperature = 0;
    refuse_sampling(&config, "temperature");
    config = plain, config.sampling.repetition_penalty = 1.2;
    refuse_sampling(&config, "penalties");
    config = plain, config.sampling.presence_penalty = 0.5;
    refuse_sampling(&config, "penalties");
    config = plain, config.sampling.frequency_penalty = 0.5;
    refuse_sampling(&config, "penalties");
    config = plain, config.sampling.max_new_tokens = 0;
    refuse_sampling(&config, "max_new_tokens");
    config = plain, config.sampling.top_p = 0;
    refuse_sampling(&config, "top_p");
    config = plain, config.sampling.bias_ids = &id, config.sampling.bias_values = &bias;
    config.sampling.bias_count = 1;
    refuse_sampling(&config, "bias_values[0]");
}
END_TEST

START_TEST(test_parts_that_do_not_fit)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.value_head = 0;
    small_rl s;
    small_rl_prepare(&s, &config);
    REFUSED(small_rl_start(&s, &config), FST_ERR_NOT_FOUND, "\"value\"");
    config.rl.algorithm = FST_RL_REINFORCE; /* which has no values */
    REQUIRE(small_rl_start(&s, &config));
    small_rl_destroy(&s);

    config = small_rl_defaults(FST_RL_PPO);
    config.supervised = 1;
    small_rl_prepare(&s, &config);
    fst_dataset *prompts = s.prompts;
    s.prompts = s.supervised;
    REFUSED(small_rl_start(&s, &config), FST_ERR_STATE, "prompts");
    s.prompts = prompts;
    fst_dataset *supervised = s.supervised;
    s.supervised = prompts;
    REFUSED(small_rl_start(&s, &config), FST_ERR_STATE, "supervised");
    s.supervised = supervised;
    s.reference = s.model;
    REFUSED(small_rl_start(&s, &config), FST_ERR_INVALID_ARGUMENT, "reference");
    s.reference = NULL;
    fst_reward_model *reward = s.reward;
    s.reward = NULL;
    REFUSED(small_rl_start(&s, &config), FST_ERR_INVALID_ARGUMENT, "reward_model");
    s.reward = reward;
    REQUIRE(small_rl_start(&s, &config));
    small_rl_destroy(&s);
}
END_TEST

/* ---- what may not change results */

/* The weights after a whole run. */
static float *trained(const small_rl_config *config, int64_t *count, double *kl)
{
    small_rl s;
    small_rl_create(&s, config);
    REQUIRE(fst_run_until(s.run, 0));
    if (kl)
        *kl = small_rl_metric(s.run, "kl");
    float *weights = small_rl_weights(s.model, count);
    small_rl_destroy(&s);
    return weights;
}

START_TEST(test_threads)
{
    small_rl_config config = small_rl_defaults(_i);
    config.sampling.top_p = 0.9;
    int64_t count, other;
    float *one = trained(&config, &count, NULL);
    for (int32_t threads = 2; threads <= 4; ++threads) {
        config.context.threads = threads;
        float *more = trained(&config, &other, NULL);
        ck_assert_int_eq(count, other);
        ck_assert_msg(memcmp(one, more, (size_t)count * sizeof *one) == 0, "%d threads",
                      (int)threads);
        free(more);
    }
    free(one);
}
END_TEST

/* Forwards of one answer each or of all: the same loss and gradient. */
START_TEST(test_accumulation)
{
    static const char *const metrics[] = {"loss", "gradient_norm", "kl", "entropy", "policy_loss"};
    double found[2][5];
    for (int part = 0; part < 2; ++part) {
        small_rl_config config = small_rl_defaults(_i % 2 ? FST_RL_GRPO : FST_RL_PPO);
        config.rl.aggregation = _i / 2;
        config.rl.epochs = 1;
        config.rl.rows = part ? 1 : 0;
        config.rl.entropy_coefficient = 0.01;
        config.rl.kl_coefficient = 0.05;
        config.given = 1; /* so that there is a KL */
        config.context.seed = 11;
        config.adapter = 1;
        small_rl s;
        small_rl_create(&s, &config);
        REQUIRE(fst_run_step(s.run, NULL, 0));
        for (int m = 0; m < 5; ++m)
            found[part][m] = small_rl_metric(s.run, metrics[m]);
        small_rl_destroy(&s);
    }
    for (int m = 0; m < 5; ++m) {
        double scale = fmax(fabs(found[0][m]), 1e-2);
        ck_assert_msg(fabs(found[0][m] - found[1][m]) <= 1e-5 * scale, "%s: %.9g and %.9g",
                      metrics[m], found[0][m], found[1][m]);
    }
}
END_TEST

/* The trunk with its adapter off and a copy of the model made before it had one. */
START_TEST(test_adapter_off_is_the_copy)
{
    small_rl_config config = small_rl_defaults(_i ? FST_RL_GRPO : FST_RL_PPO);
    config.rl.kl_coefficient = 0.1;
    config.adapter = 1;
    double off, copy;
    int64_t count;
    float *with_off = trained(&config, &count, &off);
    config.given = 2;
    float *with_copy = trained(&config, &count, &copy);
    ck_assert_double_ne(off, 0);
    ck_assert_double_eq(off, copy);
    ck_assert(memcmp(with_off, with_copy, (size_t)count * sizeof *with_off) == 0);
    free(with_off);
    free(with_copy);
}
END_TEST

/* ---- the KL's limits */

enum { STEPS = 6 };

/* Beyond the ceiling the run ends, with the weights whose answers were still below it. */
START_TEST(test_ceiling)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.learning_rate = 2e-2;
    config.run.total_steps = STEPS;
    config.rl.kl_coefficient = 0.001;
    float *before[STEPS]; /* weights that answered in each step */
    double kl[STEPS];
    int64_t count;
    small_rl s;
    small_rl_create(&s, &config);
    for (int i = 0; i < STEPS; ++i) {
        before[i] = small_rl_weights(s.model, &count);
        REQUIRE(fst_run_step(s.run, NULL, 0));
        kl[i] = small_rl_metric(s.run, "kl");
    }
    small_rl_destroy(&s);
    int first = 2;
    while (first < STEPS && kl[first] <= kl[1])
        ++first;
    ck_assert_int_lt(first, STEPS);
    config.rl.kl_ceiling = (kl[1] + kl[first]) / 2;
    while (kl[first] <= config.rl.kl_ceiling)
        ++first;

    small_rl_create(&s, &config);
    REQUIRE(fst_run_until(s.run, 0));
    fst_run_info info = {.struct_size = sizeof info};
    REQUIRE(fst_run_get_info(s.run, &info, sizeof info));
    ck_assert_int_eq(info.finished, 1);
    ck_assert_double_eq(small_rl_metric(s.run, "kl"), kl[first]);
    float *after = small_rl_weights(s.model, &count);
    ck_assert(memcmp(after, before[first - 1], (size_t)count * sizeof *after) == 0);
    ck_assert_int_eq(fst_run_step(s.run, NULL, 0), FST_ERR_STATE);
    small_rl_destroy(&s);
    free(after);
    for (int i = 0; i < STEPS; ++i)
        free(before[i]);
}
END_TEST

START_TEST(test_stop_kl)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.learning_rate = 2e-2;
    config.rl.epochs = 8;
    config.rl.minibatch = 2;
    small_rl s;
    small_rl_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    ck_assert_double_eq(small_rl_metric(s.run, "updates"), 16);
    small_rl_destroy(&s);
    config.rl.stop_kl = 1e-3;
    small_rl_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    ck_assert_double_lt(small_rl_metric(s.run, "updates"), 16);
    ck_assert_double_ge(small_rl_metric(s.run, "updates"), 1);
    small_rl_destroy(&s);
}
END_TEST

/* β goes up where the KL is above its target. */
START_TEST(test_adaptive_coefficient)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.given = 1;
    config.adapter = 1; /* answers differ from the reference's from the beginning */
    config.rl.kl_target = 1e-6;
    config.rl.kl_horizon = 4;
    small_rl s;
    small_rl_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    ck_assert_double_gt(fabs(small_rl_metric(s.run, "kl")), 1e-6);
    double wanted = small_rl_metric(s.run, "kl") > 0 ? 0.05 * 1.2 : 0.05 * 0.8;
    ck_assert_double_eq_tol(small_rl_metric(s.run, "kl_coefficient"), wanted, 1e-12);
    small_rl_destroy(&s);
}
END_TEST

/* ---- rewards that fail, hosts that interfere */

/* The rollout is a function of the iteration: after a failure the run ends with the same bits. */
START_TEST(test_reward_that_fails)
{
    static const struct {
        int32_t answer;
        float nan_at_call;
        fst_status status;
    } cases[] = {{-77, 0, -77}, {3, 0, FST_STOPPED}, {0, 2, FST_ERR_NUMERIC}};
    small_rl_config config = small_rl_defaults(FST_RL_REINFORCE);
    config.normalise = 1;
    int64_t count;
    float *straight = trained(&config, &count, NULL);
    small_rl s;
    small_rl_create(&s, &config);
    s.seen->fail_at = cases[_i].answer ? 2 : 0;
    s.seen->answer = cases[_i].answer;
    s.seen->nan_at_call = cases[_i].nan_at_call;
    REQUIRE(fst_run_step(s.run, NULL, 0));
    float *before = small_rl_weights(s.model, &count);
    ck_assert_int_eq(fst_run_step(s.run, NULL, 0), cases[_i].status);
    float *after = small_rl_weights(s.model, &count);
    ck_assert(memcmp(before, after, (size_t)count * sizeof *after) == 0);
    fst_run_info info = {.struct_size = sizeof info};
    REQUIRE(fst_run_get_info(s.run, &info, sizeof info));
    ck_assert_int_eq(info.step, 1);
    ck_assert_int_eq(info.micro_step, 0);
    free(after);
    REQUIRE(fst_run_until(s.run, 0));
    after = small_rl_weights(s.model, &count);
    ck_assert(memcmp(straight, after, (size_t)count * sizeof *after) == 0);
    small_rl_destroy(&s);
    free(before);
    free(after);
    free(straight);
}
END_TEST

typedef struct meddler {
    fst_run *run;
    fst_status inner;
} meddler;

/* Asks for the next step from inside one, and for an end. */
static int32_t meddle(const fst_reward_batch *batch, float *scores, void *user)
{
    meddler *m = user;
    for (int64_t n = 0; n < batch->count; ++n)
        scores[n] = (float)n;
    m->inner = fst_run_step(m->run, NULL, 0);
    fst_run_cancel(m->run);
    return 0;
}

START_TEST(test_cancel)
{
    small_rl_config config = small_rl_defaults(FST_RL_REINFORCE);
    int64_t count;
    float *straight = trained(&config, &count, NULL);
    small_rl s;
    small_rl_create(&s, &config);
    for (int step = 0; step < 3; ++step) {
        REQUIRE(fst_run_cancel(s.run));
        ck_assert_int_eq(fst_run_step(s.run, NULL, 0), FST_STOPPED);
        ck_assert_int_eq(s.seen->calls, step);
        REQUIRE(fst_run_step(s.run, NULL, 0));
    }
    float *after = small_rl_weights(s.model, &count);
    ck_assert(memcmp(straight, after, (size_t)count * sizeof *after) == 0);
    small_rl_destroy(&s);
    free(after);
    free(straight);

    small_rl_prepare(&s, &config);
    fst_reward_model_destroy(s.reward);
    meddler m = {0};
    REQUIRE(fst_reward_model_from_callback(s.context, meddle, &m, NULL, &s.reward));
    REQUIRE(small_rl_start(&s, &config));
    m.run = s.run;
    ck_assert_int_eq(fst_run_step(s.run, NULL, 0), FST_STOPPED);
    ck_assert_int_eq(m.inner, FST_ERR_BUSY);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    small_rl_destroy(&s);
}
END_TEST

typedef struct canceller {
    fst_run *run;
    _Atomic int32_t begun;
} canceller;

/* From another thread, at any moment of a run: it ends with the same bits. */
static void *cancel_often(void *user)
{
    canceller *c = user;
    fst_run_cancel(c->run); /* one is certain, the others come when they come */
    atomic_store(&c->begun, 1);
    for (int i = 0; i < 200; ++i) {
        struct timespec pause = {0, 100000 + 37000 * (i % 7)};
        nanosleep(&pause, NULL);
        fst_run_cancel(c->run);
    }
    return NULL;
}

START_TEST(test_cancel_at_any_moment)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.rl.rows = 2;
    config.run.total_steps = 20;
    int64_t count, stops = 0;
    float *straight = trained(&config, &count, NULL);
    small_rl s;
    small_rl_create(&s, &config);
    canceller often = {.run = s.run};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_often, &often), 0);
    while (!atomic_load(&often.begun))
        ;
    fst_status status;
    while ((status = fst_run_until(s.run, 0)) == FST_STOPPED)
        ++stops;
    ck_assert_msg(status == FST_OK, "%s", fst_last_error());
    pthread_join(thread, NULL);
    ck_assert_int_gt(stops, 0);
    float *after = small_rl_weights(s.model, &count);
    ck_assert(memcmp(straight, after, (size_t)count * sizeof *after) == 0);
    small_rl_destroy(&s);
    free(after);
    free(straight);
}
END_TEST

/* What was planned is what is used: iterations take no memory, but for a few hundred bytes in the
 * first. */
START_TEST(test_memory_is_planned)
{
    small_rl_config config = small_rl_defaults(_i);
    config.sampling.top_k = 5;
    config.run.total_steps = 0;
    config.rl.rows = 2;
    small_rl s;
    small_rl_create(&s, &config);
    fst_context_info made = {.struct_size = sizeof made}, first = made, later = made;
    REQUIRE(fst_context_get_info(s.context, &made, sizeof made));
    REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_context_get_info(s.context, &first, sizeof first));
    ck_assert_int_le(first.live_bytes - made.live_bytes, 2048);
    REQUIRE(fst_run_until(s.run, 4));
    REQUIRE(fst_run_evaluate(s.run));
    REQUIRE(fst_context_get_info(s.context, &first, sizeof first));
    REQUIRE(fst_run_until(s.run, 12));
    REQUIRE(fst_run_evaluate(s.run));
    REQUIRE(fst_context_get_info(s.context, &later, sizeof later));
    ck_assert_int_eq(later.allocations, first.allocations);
    ck_assert_int_eq(later.live_bytes, first.live_bytes);
    small_rl_destroy(&s);
}
END_TEST

/* ---- answers, metrics */

START_TEST(test_ends_and_lengths)
{
    small_rl_config config = small_rl_defaults(FST_RL_REINFORCE);
    config.sampling.ignore_end = 1;
    small_rl s;
    small_rl_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    ck_assert_double_eq(small_rl_metric(s.run, "ends"), 0);
    ck_assert_double_eq(small_rl_metric(s.run, "truncated_share"), 1);
    ck_assert_double_eq(small_rl_metric(s.run, "length"), RL_ANSWER);
    small_rl_destroy(&s);

    /* All ids but the end are forbidden: one id an answer, which is the end itself. */
    static int32_t ids[RL_END];
    static float values[RL_END];
    for (int32_t i = 0; i < RL_END; ++i) {
        ids[i] = i;
        values[i] = -INFINITY;
    }
    config.sampling.ignore_end = 0;
    config.sampling.bias_ids = ids;
    config.sampling.bias_values = values;
    config.sampling.bias_count = RL_END;
    small_rl_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    ck_assert_double_eq(small_rl_metric(s.run, "ends"), 4);
    ck_assert_double_eq(small_rl_metric(s.run, "length"), 1);
    ck_assert_double_eq(small_rl_metric(s.run, "entropy"), 0);
    ck_assert_double_eq(small_rl_metric(s.run, "gradient_norm"), 0); /* nothing to choose */
    small_rl_destroy(&s);
}
END_TEST

/* Scores see the text that a user would: without ids that the tokenizer lacks, and without stop
 * strings. */
START_TEST(test_texts)
{
    small_rl_config config = small_rl_defaults(FST_RL_REINFORCE);
    const char *stops[] = {"ca"};
    int32_t forbidden[RL_END + 1];
    float values[RL_END + 1];
    for (int32_t i = 0; i <= RL_END; ++i) {
        forbidden[i] = i;
        values[i] = -INFINITY;
    }
    config.texts = 1;
    small_rl s;
    small_rl_prepare(&s, &config);
    int32_t ids[3], kept = 0;
    static const char *const letters[] = {"c", "a"};
    for (int i = 0; i < 2; ++i)
        REQUIRE(fst_tokenizer_find(s.tokenizer, letters[i], &ids[i]));
    ids[2] = RL_END - 1; /* none of the tokenizer's */
    for (int32_t i = 0; i <= RL_END; ++i) {
        if (i != ids[0] && i != ids[1] && i != ids[2])
            forbidden[kept++] = i;
    }
    config.sampling.bias_ids = forbidden;
    config.sampling.bias_values = values;
    config.sampling.bias_count = (size_t)kept;
    config.sampling.stop_strings = stops;
    config.sampling.stop_string_count = 1;
    REQUIRE(small_rl_start(&s, &config));
    REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_run_until(s.run, 3));
    ck_assert_msg(s.seen->text[0] && strspn(s.seen->text, "ac") == strlen(s.seen->text), "%s",
                  s.seen->text);
    ck_assert_ptr_null(strstr(s.seen->text, "ca"));
    ck_assert_double_gt(small_rl_metric(s.run, "ends"), 0);
    small_rl_destroy(&s);
}
END_TEST

/* Each algorithm with everything that it can be asked for: finite, and its metrics are there. */
START_TEST(test_everything_asked_for)
{
    small_rl_config config = small_rl_defaults(_i);
    config.supervised = 1;
    config.normalise = 1;
    config.rl.rows = 2;
    config.rl.clip_high = 0.28;
    config.rl.dual_clip = 3;
    config.rl.value_clip = 0;
    config.rl.entropy_coefficient = 0.01;
    config.rl.kl_coefficient = 0.1;
    config.rl.kl_in_loss = 1;
    config.rl.kl_estimator = FST_KL_K2;
    config.rl.reward_clip = 0.5;
    config.rl.missing_end_penalty = 1;
    config.rl.whiten_advantages = 1;
    config.rl.scale_advantages = 0;
    config.rl.aggregation = FST_AGGREGATE_CONSTANT;
    config.sampling.min_p = 0.01;
    config.run.evaluate_every = 1;
    small_rl s;
    small_rl_create(&s, &config);
    REQUIRE(fst_run_until(s.run, 0));
    int64_t count;
    REQUIRE(fst_run_metric_count(s.run, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        REQUIRE(fst_run_metric_name(s.run, i, &name));
        bool values = strstr(name, "value_loss") || strstr(name, "explained_variance");
        if (_i == FST_RL_PPO || !values)
            ck_assert_msg(isfinite(small_rl_metric(s.run, name)), "%s", name);
    }
    fst_run_info info = {.struct_size = sizeof info};
    REQUIRE(fst_run_get_info(s.run, &info, sizeof info));
    ck_assert_double_le(info.best, -small_rl_metric(s.run, "validation_reward"));
    fst_memory memory = {.struct_size = sizeof memory};
    REQUIRE(fst_run_memory(s.run, &memory, sizeof memory));
    ck_assert_int_gt(memory.data, 0);
    small_rl_destroy(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("runs of reinforcement learning");
    TCase *cases = tcase_create("run");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_out_of_range, 0, REFUSED_COUNT);
    tcase_add_test(cases, test_sampling_is_refused);
    tcase_add_test(cases, test_target_without_coefficient);
    tcase_add_test(cases, test_parts_that_do_not_fit);
    tcase_add_loop_test(cases, test_threads, 0, 4);
    tcase_add_loop_test(cases, test_accumulation, 0, 6);
    tcase_add_loop_test(cases, test_adapter_off_is_the_copy, 0, 2);
    tcase_add_test(cases, test_ceiling);
    tcase_add_test(cases, test_stop_kl);
    tcase_add_test(cases, test_adaptive_coefficient);
    tcase_add_loop_test(cases, test_reward_that_fails, 0, 3);
    tcase_add_test(cases, test_cancel);
    tcase_add_test(cases, test_cancel_at_any_moment);
    tcase_add_loop_test(cases, test_memory_is_planned, 0, 4);
    tcase_add_test(cases, test_ends_and_lengths);
    tcase_add_test(cases, test_texts);
    tcase_add_loop_test(cases, test_everything_asked_for, 0, 4);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
