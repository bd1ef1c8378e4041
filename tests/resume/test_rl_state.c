/* The state of reinforcement learning: two runs at the same piece save the same bytes, however they came
 * there and on any number of threads, and nothing in a checkpoint is idle. */
#include "../support/small_rl.h"
#include "checkpoint_parts.h"
#include "small_run.h"

enum { CONFIGS = 5, STEPS = 2 };

static small_rl_config configs[CONFIGS];

/* PPO with all that it can carry; GRPO; with an adapter; the ceiling's copy; the moving baseline. */
static void make_configs(void)
{
    static const int32_t algorithms[CONFIGS] = {FST_RL_PPO, FST_RL_GRPO, FST_RL_PPO, FST_RL_RLOO,
                                                FST_RL_REINFORCE};
    for (int i = 0; i < CONFIGS; ++i) {
        small_rl_config *c = &configs[i];
        *c = small_rl_defaults(algorithms[i]);
        c->run.total_steps = STEPS;
        c->rl.prompts_per_step = 8 / c->rl.samples_per_prompt;
        c->rl.minibatch = 4;
        c->rl.rows = 2;
        c->normalise = i != 3;
    }
    configs[0].rl.kl_target = 0.5;
    configs[0].rl.kl_horizon = 40;
    configs[0].rl.entropy_coefficient = 0.01;
    configs[0].rl.value_clip = 0.02;
    configs[0].sampling.top_k = 5;
    configs[0].supervised = 1;
    configs[0].rl.supervised_rows = 3;
    configs[0].model_dropout = 0.1;
    configs[1].rl.kl_coefficient = 0.04;
    configs[1].run.evaluate_every = 1;
    configs[2].adapter = 1;
    configs[2].dtype = FST_BF16;
    configs[2].rl.shuffle = 0;
    configs[2].rl.value_clip = 0.02;
    configs[3].rl.kl_ceiling = 100;
    configs[4].family = FST_FAMILY_LLAMA;
    configs[4].rl.stop_kl = 1e-5;
}

static bool is_time(const char *name)
{
    return strstr(name, "second") != NULL;
}

typedef struct figures {
    int64_t count;
    double values[48];
} figures;

static figures read_figures(const fst_run *run)
{
    figures f = {0};
    REQUIRE(fst_run_metric_count(run, &f.count));
    ck_assert_int_le(f.count, 48);
    for (int64_t i = 0; i < f.count; ++i) {
        const char *name;
        REQUIRE(fst_run_metric_name(run, i, &name));
        f.values[i] = is_time(name) ? 0 : small_rl_metric(run, name);
    }
    return f;
}

/* A checkpoint at `path`, and the metrics, of a run that was never interrupted. */
static figures go_straight(const small_rl_config *config, const char *path, int pieces)
{
    small_rl s;
    small_rl_create(&s, config);
    for (int i = 0; i < pieces; ++i)
        REQUIRE(fst_run_advance(s.run, NULL));
    if (pieces < 0)
        REQUIRE(fst_run_until(s.run, 0));
    REQUIRE(fst_run_save(s.run, path));
    figures f = read_figures(s.run);
    small_rl_destroy(&s);
    return f;
}

static int pieces_of(const small_rl_config *config)
{
    small_rl s;
    fst_run_info info = {.struct_size = sizeof info};
    small_rl_create(&s, config);
    REQUIRE(fst_run_get_info(s.run, &info, sizeof info));
    small_rl_destroy(&s);
    return STEPS * (int)info.micro_steps;
}

START_TEST(test_every_piece)
{
    make_configs();
    const small_rl_config *config = &configs[_i];
    char *folder = small_folder();
    figures straight = go_straight(config, small_path(folder, "straight"), -1);
    int pieces = config->rl.stop_kl > 0 ? 3 : pieces_of(config);
    for (int i = 0; i <= pieces; ++i) {
        go_straight(config, small_path(folder, "between"), i);
        small_rl s;
        small_rl_create(&s, config);
        REQUIRE(fst_run_resume(s.run, small_path(folder, "between")));
        REQUIRE(fst_run_save(s.run, small_path(folder, "again")));
        ck_assert_msg(small_same_file(small_path(folder, "between"), small_path(folder, "again")),
                      "what was resumed after %d pieces is not what was saved", i);
        if (i < pieces) { /* the next piece's state too, with all that it holds of the rollout */
            REQUIRE(fst_run_advance(s.run, NULL));
            REQUIRE(fst_run_save(s.run, small_path(folder, "next")));
            go_straight(config, small_path(folder, "then"), i + 1);
            ck_assert_msg(small_same_file(small_path(folder, "next"), small_path(folder, "then")),
                          "a run resumed after %d pieces has another state after the next", i);
        }
        REQUIRE(fst_run_until(s.run, 0));
        REQUIRE(fst_run_save(s.run, small_path(folder, "resumed")));
        figures resumed = read_figures(s.run);
        small_rl_destroy(&s);
        ck_assert_msg(small_same_file(small_path(folder, "straight"), small_path(folder, "resumed")),
                      "a run resumed after %d pieces ends with other bytes", i);
        for (int64_t m = 0; m < straight.count && i < pieces; ++m)
            ck_assert_msg(memcmp(&straight.values[m], &resumed.values[m], sizeof(double)) == 0,
                          "metric %d of a run resumed after %d pieces is %g, not %g", (int)m, i,
                          resumed.values[m], straight.values[m]);
    }
    small_folder_remove(folder);
}
END_TEST

START_TEST(test_threads)
{
    make_configs();
    small_rl_config config = configs[_i];
    char *folder = small_folder();
    figures first = {0};
    for (int32_t threads = 1; threads <= 4; ++threads) {
        config.context.threads = threads;
        figures now = go_straight(&config, small_path(folder, threads == 1 ? "one" : "more"), -1);
        if (threads == 1)
            first = now;
        ck_assert_mem_eq(&first, &now, sizeof first);
        ck_assert_msg(threads == 1 ||
                          small_same_file(small_path(folder, "one"), small_path(folder, "more")),
                      "%d threads give other bytes than one", threads);
    }
    small_folder_remove(folder);
}
END_TEST

/* ---- stopped in the middle ---- */

typedef struct interruption {
    fst_run *run;
    int calls, at;
} interruption;

static int32_t cancel_at(const fst_reward_batch *batch, float *scores, void *user)
{
    interruption *i = user;
    for (int64_t n = 0; n < batch->count; ++n)
        scores[n] = (float)(batch->responses[n][0] % 5);
    if (++i->calls == i->at)
        REQUIRE(fst_run_cancel(i->run));
    return 0;
}

static void create_interrupted(small_rl *s, const small_rl_config *config, interruption *state)
{
    small_rl_prepare(s, config);
    fst_reward_model_destroy(s->reward);
    REQUIRE(fst_reward_model_from_callback(s->context, cancel_at, state, NULL, &s->reward));
    REQUIRE(small_rl_start(s, config));
    state->run = s->run;
    state->calls = 0;
}

/* Cancelled in the reward callback, between an iteration's rollout and its first update: the rollout is in
 * the checkpoint, and the run goes on from there. */
START_TEST(test_cancel)
{
    make_configs();
    small_rl_config config = configs[_i];
    config.run.evaluate_every = 0;
    interruption state = {0};
    char *folder = small_folder();
    small_rl s;
    create_interrupted(&s, &config, &state);
    REQUIRE(fst_run_until(s.run, 0));
    REQUIRE(fst_run_save(s.run, small_path(folder, "straight")));
    small_rl_destroy(&s);
    for (int at = 1; at <= STEPS; ++at) {
        state.at = at;
        create_interrupted(&s, &config, &state);
        ck_assert_int_eq(fst_run_until(s.run, 0), FST_STOPPED);
        REQUIRE(fst_run_save(s.run, small_path(folder, "stopped")));
        REQUIRE(fst_run_until(s.run, 0));
        ck_assert_int_eq(state.calls, STEPS); /* none is scored twice */
        REQUIRE(fst_run_save(s.run, small_path(folder, "end")));
        small_rl_destroy(&s);
        ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "end")));

        state.at = 0;
        create_interrupted(&s, &config, &state);
        REQUIRE(fst_run_resume(s.run, small_path(folder, "stopped")));
        REQUIRE(fst_run_until(s.run, 0));
        REQUIRE(fst_run_save(s.run, small_path(folder, "end")));
        small_rl_destroy(&s);
        ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "end")));
    }
    small_folder_remove(folder);
}
END_TEST

START_TEST(test_cancel_after_every_piece)
{
    make_configs();
    char *folder = small_folder();
    go_straight(&configs[_i], small_path(folder, "straight"), -1);
    small_rl s;
    small_rl_create(&s, &configs[_i]);
    fst_status status;
    do {
        REQUIRE(fst_run_cancel(s.run));
        ck_assert_int_eq(fst_run_advance(s.run, NULL), FST_STOPPED);
        REQUIRE(fst_run_advance(s.run, NULL));
        fst_run_info info;
        REQUIRE(fst_run_get_info(s.run, &info, sizeof info));
        status = info.finished ? FST_STOPPED : FST_OK;
    } while (!status);
    REQUIRE(fst_run_save(s.run, small_path(folder, "end")));
    ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "end")));
    small_rl_destroy(&s);
    small_folder_remove(folder);
}
END_TEST

/* ---- nothing is idle ---- */

START_TEST(test_dropped)
{
    make_configs();
    const small_rl_config *config = &configs[_i];
    char *folder = small_folder();
    go_straight(config, small_path(folder, "whole"), pieces_of(config) / STEPS + 3);
    go_straight(config, small_path(folder, "new"), 0);
    parts p;
    take_apart(&p, small_path(folder, "whole"));
    for (size_t i = 0; i < parts_fields(&p); ++i) {
        const char *name = parts_field(&p, i);
        write_again(&p, small_path(folder, "less"), name);
        small_rl s;
        small_rl_create(&s, config);
        fst_status status = fst_run_resume(s.run, small_path(folder, "less"));
        ck_assert_msg(status == FST_ERR_FORMAT, "without %s: %s", name, fst_status_name(status));
        ck_assert_msg(strstr(fst_last_error(), name) != NULL, "without %s: %s", name, fst_last_error());
        REQUIRE(fst_run_save(s.run, small_path(folder, "untouched")));
        ck_assert(small_same_file(small_path(folder, "untouched"), small_path(folder, "new")));
        small_rl_destroy(&s);
    }
    parts_free(&p);
    small_folder_remove(folder);
}
END_TEST

/* What a run shows that was resumed from `path` and went on to its end. */
static fst_status finish_from(const small_rl_config *config, const char *path, const char *end,
                              figures *seen)
{
    small_rl s;
    small_rl_create(&s, config);
    fst_status status = fst_run_resume(s.run, path);
    if (!status)
        status = fst_run_step(s.run, NULL, 0);
    if (!status) {
        *seen = read_figures(s.run);
        status = fst_run_until(s.run, 0);
    }
    if (!status)
        status = fst_run_save(s.run, end);
    small_rl_destroy(&s);
    return status;
}

/* Doubles, floats and counters of the rollout and of the stage's own state: a change of any is refused or
 * changes what comes of it. */
START_TEST(test_changed)
{
    make_configs();
    small_rl_config config = configs[_i];
    config.run.total_steps = STEPS + 1;
    char *folder = small_folder();
    go_straight(&config, small_path(folder, "whole"), pieces_of(&config) / STEPS + 2);
    figures straight = {0}, other;
    REQUIRE(finish_from(&config, small_path(folder, "whole"), small_path(folder, "straight"), &straight));
    parts p;
    take_apart(&p, small_path(folder, "whole"));
    for (size_t i = 0; i < fst__safetensors_count(p.file); ++i) {
        fst__safetensors_tensor t = fst__safetensors_at(p.file, i);
        bool own = strncmp(t.name, "rl.", 3) == 0 || strncmp(t.name, "rollout.", 8) == 0 ||
                   strncmp(t.name, "reference", 9) == 0 || strncmp(t.name, "reward_model", 12) == 0;
        /* Unused by this algorithm, yet part of the file's form; the snapshot is for its end only. */
        bool idle = strstr(t.name, "snapshot") || (config.rl.algorithm != FST_RL_PPO &&
                     (strstr(t.name, "values") || strstr(t.name, "returns"))) ||
                    (config.rl.algorithm != FST_RL_REINFORCE && strstr(t.name, "baseline")) ||
                    (!config.rl.kl_in_loss && strstr(t.name, "rollout.references"));
        if (!own || idle)
            continue;
        bool noticed = false;
        char *before = malloc(t.bytes);
        memcpy(before, p.values[i], t.bytes);
        for (int way = 0; way < 2 && !noticed; ++way) {
            parts_change(&t, p.values[i], way);
            write_again(&p, small_path(folder, "changed"), NULL);
            fst_status status = finish_from(&config, small_path(folder, "changed"),
                                            small_path(folder, "end"), &other);
            noticed = status || memcmp(&straight, &other, sizeof other) != 0 ||
                      !small_same_file(small_path(folder, "straight"), small_path(folder, "end"));
            memcpy(p.values[i], before, t.bytes);
        }
        free(before);
        ck_assert_msg(noticed, "%s can be changed and nobody notices", t.name);
    }
    parts_free(&p);
    small_folder_remove(folder);
}
END_TEST

START_TEST(test_another_run_is_refused)
{
    static const char *const names[] = {"rl.algorithm", "rl.minibatch", "sampling.top_k",
                                        "prompts.examples"};
    make_configs();
    small_rl_config config = configs[0];
    char *folder = small_folder();
    go_straight(&config, small_path(folder, "whole"), 2);
    parts p;
    take_apart(&p, small_path(folder, "whole"));
    json_t *metadata = json_object_get(p.header, "__metadata__");
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        json_t *was = json_incref(json_object_get(metadata, names[i]));
        ck_assert_msg(was != NULL, "%s is not saved", names[i]);
        json_object_set_new(metadata, names[i], json_string("77"));
        write_again(&p, small_path(folder, "other"), NULL);
        json_object_set_new(metadata, names[i], was);
        small_rl s;
        small_rl_create(&s, &config);
        ck_assert_int_eq(fst_run_resume(s.run, small_path(folder, "other")), FST_ERR_MISMATCH);
        ck_assert_msg(strstr(fst_last_error(), names[i]), "%s", fst_last_error());
        small_rl_destroy(&s);
    }
    parts_free(&p);
    small_folder_remove(folder);
}
END_TEST

/* A reference that was given is not in the file; another one in its place is noticed. */
START_TEST(test_another_reference_is_refused)
{
    small_rl_config config = small_rl_defaults(FST_RL_PPO);
    config.given = 1;
    char *folder = small_folder();
    for (int i = 0; i < 3; ++i) {
        small_rl s;
        fst_view view;
        small_rl_prepare(&s, &config);
        if (i == 2) {
            REQUIRE(fst_model_parameter(s.reference, "norm.weight", &view));
            ((float *)view.data)[1] += 0.5f;
            REQUIRE(fst_model_weights_changed(s.reference));
        }
        REQUIRE(small_rl_start(&s, &config));
        if (i == 0) {
            REQUIRE(fst_run_save(s.run, small_path(folder, "one")));
        } else {
            fst_status status = fst_run_resume(s.run, small_path(folder, "one"));
            ck_assert_int_eq(status, i == 1 ? FST_OK : FST_ERR_MISMATCH);
            ck_assert(i == 1 || strstr(fst_last_error(), "reference_weights"));
        }
        small_rl_destroy(&s);
    }
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state of reinforcement learning");
    TCase *cases = tcase_create("resume");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_every_piece, 0, CONFIGS);
    tcase_add_loop_test(cases, test_threads, 0, CONFIGS);
    tcase_add_loop_test(cases, test_cancel, 0, 2);
    tcase_add_loop_test(cases, test_cancel_after_every_piece, 0, CONFIGS);
    tcase_add_loop_test(cases, test_dropped, 0, 2);
    tcase_add_loop_test(cases, test_changed, 0, CONFIGS);
    tcase_add_test(cases, test_another_run_is_refused);
    tcase_add_test(cases, test_another_reference_is_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
