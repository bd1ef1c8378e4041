/* Reinforcement learning on text: a tiny policy learns what it is rewarded for, by every algorithm. */
#include "fourstage/adapter.h"
#include "fourstage/examples.h"
#include "fourstage/optimizer.h"
#include "fourstage/rl.h"
#include "fourstage/tokenizer.h"
#include "../support/tiny_model.h"

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
    } while (0)

enum { LIKED = 7, MOST = 12, PROMPTS = 6 };

typedef struct world {
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_reward_model *reward;
    fst_dataset *prompts;
    fst_sampling_options sampling;
    fst_run_options run;
    fst_rl_options options;
} world;

/* The share of liked ids. */
static int32_t count_liked(const fst_reward_batch *batch, float *scores, void *user)
{
    (void)user;
    for (int64_t n = 0; n < batch->count; ++n) {
        scores[n] = 0;
        for (int64_t t = 0; t < batch->response_lengths[n]; ++t)
            scores[n] += batch->responses[n][t] == LIKED ? 1.0f : 0.0f;
        scores[n] /= (float)batch->response_lengths[n];
    }
    return 0;
}

static void make_prompts(world *w)
{
    const char *texts[PROMPTS] = {"a", "bc", "def", "ab", "cab", "fed"};
    fst_tokenizer_train_options train;
    REQUIRE(fst_tokenizer_train_options_init(&train, sizeof train));
    train.kind = FST_TOKENIZER_CHARACTER;
    REQUIRE(fst_tokenizer_train_texts(w->context, texts, NULL, PROMPTS, &train, &w->tokenizer));
    REQUIRE(fst_dataset_from_prompts(w->context, w->tokenizer, texts, PROMPTS, NULL, &w->prompts));
}

static void make_model(world *w, double dropout)
{
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    config.dropout = dropout;
    config.init_std = 0.05;
    w->model = tiny_model(w->context, &config, FST_F32, 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "value";
    head.kind = FST_HEAD_TOKEN;
    head.init_std = 0;
    REQUIRE(fst_model_add_head(w->model, &head));
}

static void make_optimizer(world *w)
{
    fst_optimizer_options options;
    REQUIRE(fst_optimizer_options_init(&options, sizeof options));
    options.learning_rate = 3e-3;
    REQUIRE(fst_optimizer_create(w->model, &options, &w->optimizer));
}

static world make_world(int32_t threads, int32_t algorithm, double dropout)
{
    world w = {.context = tiny_context(threads)};
    make_prompts(&w);
    make_model(&w, dropout);
    REQUIRE(fst_reward_model_from_callback(w.context, count_liked, NULL, NULL, &w.reward));
    REQUIRE(fst_sampling_options_init(&w.sampling, sizeof w.sampling));
    w.sampling.max_new_tokens = MOST;
    REQUIRE(fst_run_options_init(&w.run, sizeof w.run));
    REQUIRE(fst_rl_options_init(&w.options, sizeof w.options));
    REQUIRE(fst_rl_options_set_algorithm(&w.options, algorithm));
    w.options.model = w.model;
    w.options.reward_model = w.reward;
    w.options.prompts = w.prompts;
    w.options.prompts_per_step = 8;
    w.options.kl_coefficient = 0.01;
    w.options.kl_in_loss = algorithm == FST_RL_GRPO;
    return w;
}

static fst_run *start(world *w)
{
    fst_run *run;
    if (!w->optimizer)
        make_optimizer(w);
    w->options.optimizer = w->optimizer;
    w->options.sampling = &w->sampling;
    w->options.run = &w->run;
    REQUIRE(fst_rl_create(&w->options, &run));
    return run;
}

static void end(world *w)
{
    fst_optimizer_destroy(w->optimizer);
    fst_model_destroy(w->model);
    fst_reward_model_destroy(w->reward);
    fst_dataset_destroy(w->prompts);
    fst_tokenizer_destroy(w->tokenizer);
    fst_context_destroy(w->context);
}

static double metric(const fst_run *run, const char *name)
{
    double value;
    REQUIRE(fst_run_metric(run, name, &value));
    return value;
}

START_TEST(each_algorithm_learns)
{
    world w = make_world(2, _i, 0);
    fst_run *run = start(&w);
    REQUIRE(fst_run_step(run, NULL, 0));
    double before = metric(run, "reward");
    ck_assert_double_lt(before, 0.2);
    REQUIRE(fst_run_until(run, 60));
    ck_assert_msg(metric(run, "reward") > 0.6, "%g to %g", before, metric(run, "reward"));
    fst_run_destroy(run);
    end(&w);
}
END_TEST

START_TEST(first_ratio_is_one)
{
    world w = make_world(2, FST_RL_PPO, 0.1);
    w.sampling.temperature = _i & 1 ? 0.7 : 1;
    w.sampling.top_k = _i & 2 ? 5 : 0;
    w.sampling.top_p = _i & 4 ? 0.8 : 1;
    w.options.rows = 4;
    fst_run *run = start(&w);
    for (int step = 0; step < 4; ++step) {
        REQUIRE(fst_run_step(run, NULL, 0));
        ck_assert_double_eq(metric(run, "first_ratio_error"), 0);
        ck_assert_double_lt(metric(run, "sampling_error"), 1e-4);
        if (step == 0) /* the reference is the policy, computed by the same forward */
            ck_assert_double_eq(metric(run, "kl"), 0);
    }
    ck_assert_double_gt(metric(run, "ratio"), 1);
    fst_run_destroy(run);
    end(&w);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rl");
    TCase *learn = tcase_create("learn");
    tcase_set_timeout(learn, 300);
    tcase_add_loop_test(learn, each_algorithm_learns, FST_RL_PPO, FST_RL_GRPO + 1);
    tcase_add_loop_test(learn, first_ratio_is_one, 0, 8);
    suite_add_tcase(s, learn);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
