/* Reinforcement learning that was interrupted anywhere, also between the minibatches of an
 * iteration, ends with the bytes of a run that was not. */
#include "../support/small_rl.h"
#include "small_run.h"

enum { CONFIGS = 6 };

static small_rl_config configs[CONFIGS];

/* Every algorithm and every reference, running statistics, lists of ids, text mixed in. */
static void make_configs(void)
{
    static const int32_t algorithms[CONFIGS] = {FST_RL_PPO,  FST_RL_GRPO, FST_RL_REINFORCE,
                                                FST_RL_RLOO, FST_RL_PPO,  FST_RL_GRPO};
    for (int i = 0; i < CONFIGS; ++i) {
        small_rl_config *c = &configs[i];
        *c = small_rl_defaults(algorithms[i]);
        c->rl.rows = 1;
        c->rl.minibatch = 2;
        c->run.total_steps = 2;
        c->run.evaluate_every = 1;
        c->model_dropout = 0.1;
        c->normalise = 1;
    }
    configs[0].supervised = 1;
    configs[0].rl.kl_target = 0.5;
    configs[0].rl.kl_horizon = 20;
    configs[1].sampling.top_k = 9;
    configs[1].rl.kl_coefficient = 0.04;
    configs[2].adapter = 1;
    configs[3].given = 1;
    configs[3].family = FST_FAMILY_LLAMA;
    configs[4].dtype = FST_BF16;
    configs[4].rl.kl_ceiling = 100;
    configs[4].rl.stop_kl = 1e-4;
    configs[5].rl.shuffle = 0;
}

static void save(const small_rl *s, const char *folder, const char *name)
{
    REQUIRE(fst_run_save(s->run, small_path(folder, name)));
}

static bool same(const char *folder, const char *one, const char *other)
{
    return small_same_file(small_path(folder, one), small_path(folder, other));
}

START_TEST(test_every_piece)
{
    make_configs();
    const small_rl_config *config = &configs[_i];
    char *folder = small_folder();
    small_rl s;
    small_rl_create(&s, config);
    int64_t pieces = 0;
    fst_run_info info = {.struct_size = sizeof info};
    do {
        REQUIRE(fst_run_advance(s.run, NULL));
        REQUIRE(fst_run_get_info(s.run, &info, sizeof info));
        ++pieces;
    } while (!info.finished);
    save(&s, folder, "straight");
    small_rl_destroy(&s);
    ck_assert_int_gt(pieces, 2 * 3);
    for (int64_t i = 0; i <= pieces; ++i) {
        small_rl_create(&s, config);
        for (int64_t j = 0; j < i; ++j)
            REQUIRE(fst_run_advance(s.run, NULL));
        save(&s, folder, "between");
        small_rl_destroy(&s);

        small_rl_create(&s, config);
        REQUIRE(fst_run_resume(s.run, small_path(folder, "between")));
        save(&s, folder, "again");
        ck_assert_msg(same(folder, "between", "again"),
                      "what was resumed after %d pieces is not what was saved", (int)i);
        int64_t scored = s.seen->calls;
        REQUIRE(fst_run_until(s.run, 0));
        ck_assert_int_ge(s.seen->calls, scored);
        save(&s, folder, "resumed");
        small_rl_destroy(&s);
        ck_assert_msg(same(folder, "straight", "resumed"),
                      "a run resumed after %d pieces ends with other bytes", (int)i);
    }
    small_folder_remove(folder);
}
END_TEST

/* The value head, the statistics, the copy that is the reference: all come from the file. */
START_TEST(test_weights_of_the_beginning_are_not_needed)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.normalise = 1;
    char *folder = small_folder();
    small_rl s;
    small_rl_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    save(&s, folder, "one");
    REQUIRE(fst_run_until(s.run, 0));
    save(&s, folder, "straight");
    small_rl_destroy(&s);

    small_rl_prepare(&s, &config);
    fst_view view;
    static const char *const changed[] = {"norm.weight", "heads.value.bias"};
    for (int i = 0; i < 2; ++i) {
        REQUIRE(fst_model_parameter(s.model, changed[i], &view));
        for (int64_t j = 0; j < view.shape[0]; ++j)
            ((float *)view.data)[j] += 1;
    }
    REQUIRE(fst_model_weights_changed(s.model));
    REQUIRE(small_rl_start(&s, &config));
    REQUIRE(fst_run_resume(s.run, small_path(folder, "one")));
    REQUIRE(fst_run_until(s.run, 0));
    save(&s, folder, "resumed");
    small_rl_destroy(&s);
    ck_assert(same(folder, "straight", "resumed"));
    small_folder_remove(folder);
}
END_TEST

START_TEST(test_other_runs_are_refused)
{
    static const struct {
        const char *word;
        int which;
    } cases[] = {{"algorithm", 0}, {"epochs", 1}, {"temperature", 2}, {"prompts_per_step", 3}};
    small_rl_config config = small_rl_defaults(FST_RL_REINFORCE);
    char *folder = small_folder();
    small_rl s;
    small_rl_create(&s, &config);
    save(&s, folder, "one");
    small_rl_destroy(&s);
    switch (cases[_i].which) {
    case 0:
        config.rl.algorithm = FST_RL_PPO;
        break;
    case 1:
        config.rl.epochs += 1;
        break;
    case 2:
        config.sampling.temperature = 0.5;
        break;
    default:
        config.rl.prompts_per_step = 2;
        break;
    }
    small_rl_create(&s, &config);
    ck_assert_int_eq(fst_run_resume(s.run, small_path(folder, "one")), FST_ERR_MISMATCH);
    ck_assert_msg(strstr(fst_last_error(), cases[_i].word), "%s", fst_last_error());
    REQUIRE(fst_run_step(s.run, NULL, 0)); /* untouched */
    small_rl_destroy(&s);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resuming reinforcement learning");
    TCase *cases = tcase_create("resume");
    tcase_set_timeout(cases, 600);
    tcase_add_loop_test(cases, test_every_piece, 0, CONFIGS);
    tcase_add_test(cases, test_weights_of_the_beginning_are_not_needed);
    tcase_add_loop_test(cases, test_other_runs_are_refused, 0, 4);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
