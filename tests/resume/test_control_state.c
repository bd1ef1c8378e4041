/* The state of a run in environments: at every piece it is saved, resumed and goes on with the same bits, on any
 * number of threads, and nothing in a checkpoint is idle. */
#include "../support/small_play.h"
#include "checkpoint_parts.h"
#include "interrupted.h"
#include "small_run.h"

enum { CONFIGS = 6 };

static small_play_config configs[CONFIGS];

static void make_configs(void)
{
    static const char *const names[CONFIGS] = {"CartPole-v1", "Pendulum-v1", "CartPole-v1",
                                               "ConnectFour-v0", "MiniGrid-DoorKey-5x5-v0", "MountainCar-v0"};
    for (int i = 0; i < CONFIGS; ++i) {
        small_play_config *c = &configs[i];
        *c = small_play_defaults(names[i]);
        c->control.steps = 45;
        c->control.minibatch = 50; /* the last one is smaller */
        c->max_steps = 20;
        c->run.evaluate_every = 1;
        c->validate = 1;
        c->control.evaluation_episodes = 3;
    }
    configs[0].policy.normalize_observations = configs[1].policy.normalize_observations = 1;
    configs[1].control.normalize_rewards = 1;
    configs[1].control.entropy_coefficient = 0.01;
    configs[2].policy.network = FST_NETWORK_TRANSFORMER;
    configs[2].policy.window = 4;
    configs[3].policy.network = FST_NETWORK_MLP;
    configs[3].control.opponent_every = 1;
    configs[3].control.opponents = 2;
    configs[3].run.total_steps = 3;
    configs[3].max_steps = -1;
    PLAY_OK(fst_control_options_set_algorithm(&configs[5].control, FST_RL_REINFORCE));
    configs[5].control.steps = 45;
}

typedef struct life {
    const small_play_config *config;
    small_play p;
} life;

static fst_run *create(void *test)
{
    life *l = test;
    small_play_create(&l->p, l->config);
    return l->p.run;
}

static void destroy(void *test)
{
    small_play_destroy(&((life *)test)->p);
}

START_TEST(test_every_piece)
{
    make_configs();
    life l = {.config = &configs[_i]};
    fst_run_info info;
    fst_run *run = create(&l);
    PLAY_OK(fst_run_get_info(run, &info, sizeof info));
    destroy(&l);
    int pieces = (int)info.micro_steps * (int)configs[_i].run.total_steps;
    ck_assert_int_gt(pieces, 6);
    interrupt_everywhere(&(small_maker){create, destroy, NULL}, &l, pieces);
}
END_TEST

/* A checkpoint of a run that was never interrupted. */
static void go_straight(const small_play_config *config, const char *path, int pieces)
{
    life l = {.config = config};
    fst_run *run = create(&l);
    for (int i = 0; i < pieces; ++i)
        PLAY_OK(fst_run_advance(run, NULL));
    if (pieces < 0)
        PLAY_OK(fst_run_until(run, 0));
    PLAY_OK(fst_run_save(run, path));
    destroy(&l);
}

START_TEST(test_threads)
{
    make_configs();
    small_play_config config = configs[_i];
    config.count = 40;
    if (config.control.algorithm == FST_RL_PPO)
        config.control.minibatch = 600;
    char *folder = small_folder();
    for (int32_t threads = 1; threads <= 4; ++threads) {
        config.context.threads = threads;
        go_straight(&config, small_path(folder, threads == 1 ? "one" : "more"), -1);
        ck_assert_msg(threads == 1 || small_same_file(small_path(folder, "one"), small_path(folder, "more")),
                      "%d threads give other bytes than one", threads);
    }
    small_folder_remove(folder);
}
END_TEST

/* Cancelled before every piece, the run goes on as if it had not been. */
START_TEST(test_cancel)
{
    make_configs();
    char *folder = small_folder();
    go_straight(&configs[_i], small_path(folder, "straight"), -1);
    life l = {.config = &configs[_i]};
    fst_run *run = create(&l);
    fst_run_info info;
    do {
        PLAY_OK(fst_run_cancel(run));
        ck_assert_int_eq(fst_run_advance(run, NULL), FST_STOPPED);
        PLAY_OK(fst_run_advance(run, NULL));
        PLAY_OK(fst_run_get_info(run, &info, sizeof info));
    } while (!info.finished);
    PLAY_OK(fst_run_save(run, small_path(folder, "end")));
    ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "end")));
    destroy(&l);
    small_folder_remove(folder);
}
END_TEST

/* Without any one part of it, a checkpoint is refused and the run is untouched. */
START_TEST(test_dropped)
{
    make_configs();
    const small_play_config *config = &configs[_i ? 3 : 1];
    char *folder = small_folder();
    go_straight(config, small_path(folder, "whole"), _i ? 1 : 4);
    go_straight(config, small_path(folder, "new"), 0);
    parts p;
    take_apart(&p, small_path(folder, "whole"));
    for (size_t i = 0; i < parts_fields(&p); ++i) {
        const char *name = parts_field(&p, i);
        write_again(&p, small_path(folder, "less"), name);
        life l = {.config = config};
        fst_run *run = create(&l);
        fst_status status = fst_run_resume(run, small_path(folder, "less"));
        ck_assert_msg(status == FST_ERR_FORMAT, "without %s: %s", name, fst_status_name(status));
        ck_assert_msg(strstr(fst_last_error(), name) != NULL, "without %s: %s", name, fst_last_error());
        PLAY_OK(fst_run_save(run, small_path(folder, "untouched")));
        ck_assert(small_same_file(small_path(folder, "untouched"), small_path(folder, "new")));
        destroy(&l);
    }
    parts_free(&p);
    small_folder_remove(folder);
}
END_TEST

/* The metrics after one more step, and the state at the end. */
static fst_status finish_from(const small_play_config *config, const char *path, const char *end, double *metrics)
{
    life l = {.config = config};
    int64_t count;
    fst_run *run = create(&l);
    fst_status status = fst_run_resume(run, path);
    if (!status)
        status = fst_run_step(run, NULL, 0);
    PLAY_OK(fst_run_metric_count(run, &count));
    ck_assert_int_le(count, 48);
    for (int64_t i = 0; i < count && !status; ++i) {
        const char *name;
        PLAY_OK(fst_run_metric_name(run, i, &name));
        metrics[i] = strstr(name, "second") ? 0 : small_play_metric(run, name);
    }
    if (!status)
        status = fst_run_until(run, 0);
    if (!status)
        status = fst_run_save(run, end);
    destroy(&l);
    return status;
}

/* Read only for the history of a window, for episodes cut short, for masked games, when new episodes begin; past
 * selves that are still the present one; values that a loss without their clip does not need. */
static bool is_idle(const small_play_config *config, const char *name, bool estimated)
{
    static const char *const idle[] = {"ages",  "seated", "truncation_values", "restarts",       "fresh",
                                        "masks", "rows",   "control.tail",      "control.actions"};
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; ++i) {
        if (strstr(name, idle[i]))
            return true;
    }
    return config->control.value_clip == 0 && estimated && strstr(name, "rollout.values");
}

/* A change of any part of the stage's own state is refused or changes what comes of it. */
START_TEST(test_changed)
{
    make_configs();
    const small_play_config *config = &configs[_i < 2 ? 1 : 3];
    int slices = 3; /* 45 steps by 21 */
    char *folder = small_folder();
    go_straight(config, small_path(folder, "whole"), _i % 2 ? 1 : slices + 1);
    double straight[48] = {0}, other[48] = {0};
    PLAY_OK(finish_from(config, small_path(folder, "whole"), small_path(folder, "straight"), straight));
    parts p;
    take_apart(&p, small_path(folder, "whole"));
    for (size_t i = 0; i < fst__safetensors_count(p.file); ++i) {
        fst__safetensors_tensor t = fst__safetensors_at(p.file, i);
        bool own = strncmp(t.name, "control.", 8) == 0 || strncmp(t.name, "rollout.", 8) == 0 ||
                   strncmp(t.name, "statistics", 10) == 0;
        if (!own || is_idle(config, t.name, _i % 2 == 0))
            continue;
        bool noticed = false;
        char *before = malloc(t.bytes + 1);
        memcpy(before, p.values[i], t.bytes);
        for (int way = 0; way < 2 && !noticed; ++way) {
            parts_change(&t, p.values[i], way);
            write_again(&p, small_path(folder, "changed"), NULL);
            fst_status status =
                finish_from(config, small_path(folder, "changed"), small_path(folder, "end"), other);
            noticed = status || memcmp(straight, other, sizeof other) != 0 ||
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

/* ---- the host's loop */

/* Interrupted after every step, between act and observe too; the game itself is the host's and goes on. */
START_TEST(test_host)
{
    make_configs();
    small_play_config config = configs[_i];
    config.env = NULL;
    config.run.evaluate_every = 0;
    char *folder = small_folder();
    small_play p;
    small_play_create(&p, &config);
    fst_context *context;
    fst_context_options options = config.context;
    PLAY_OK(fst_context_create(&options, &context));
    fst_env *game = small_play_env(context, config.spaces, config.count, config.max_steps);
    PLAY_OK(fst_env_reset(game, 0));
    small_play_host(&p, game, 2 * 45 + 1, 4);
    PLAY_OK(fst_run_save(p.run, small_path(folder, "straight")));
    small_play_destroy(&p);

    PLAY_OK(fst_env_reset(game, 0));
    int32_t actions[3];
    fst_env_batch b = {.struct_size = sizeof b};
    for (int i = 0; i < 2 * 45 + 1; ++i) {
        PLAY_OK(fst_env_get_batch(game, &b, sizeof b));
        small_play_create(&p, &config);
        if (i > 0)
            PLAY_OK(fst_run_resume(p.run, small_path(folder, "between")));
        PLAY_OK(fst_control_act(p.run, b.observations, NULL, actions));
        if (i % 3 == 1) { /* actions that were given out are drawn again, the same */
            int32_t again[3];
            PLAY_OK(fst_run_save(p.run, small_path(folder, "between")));
            small_play_destroy(&p);
            small_play_create(&p, &config);
            PLAY_OK(fst_run_resume(p.run, small_path(folder, "between")));
            PLAY_OK(fst_control_act(p.run, b.observations, NULL, again));
            ck_assert_mem_eq(actions, again, sizeof again);
        }
        PLAY_OK(fst_env_step(game, actions));
        PLAY_OK(fst_env_get_batch(game, &b, sizeof b));
        PLAY_OK(fst_control_observe(p.run, b.rewards, b.terminated, b.truncated, b.final_observations));
        PLAY_OK(fst_run_save(p.run, small_path(folder, "between")));
        small_play_destroy(&p);
    }
    ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "between")));
    fst_env_destroy(game);
    fst_context_destroy(context);
    small_folder_remove(folder);
}
END_TEST

/* ---- other runs */

START_TEST(test_another_run_is_refused)
{
    static const char *const words[] = {"algorithm", "steps", "environment", "epochs"};
    make_configs();
    small_play_config config = configs[0];
    char *folder = small_folder();
    go_straight(&config, small_path(folder, "one"), 1);
    if (_i == 0) {
        PLAY_OK(fst_control_options_set_algorithm(&config.control, FST_RL_A2C));
        config.control.steps = 45;
    } else if (_i == 1) {
        config.control.steps = 46;
    } else if (_i == 2) {
        config.env = NULL;
    } else {
        config.control.epochs = 3;
    }
    life l = {.config = &config};
    fst_run *run = create(&l);
    ck_assert_int_eq(fst_run_resume(run, small_path(folder, "one")), FST_ERR_MISMATCH);
    ck_assert_msg(strstr(fst_last_error(), words[_i]) != NULL, "%s", fst_last_error());
    if (config.env)
        PLAY_OK(fst_run_step(run, NULL, 0));
    destroy(&l);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state of runs in environments");
    TCase *cases = tcase_create("resume");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_every_piece, 0, CONFIGS);
    tcase_add_loop_test(cases, test_threads, 0, CONFIGS);
    tcase_add_loop_test(cases, test_cancel, 3, 5);
    tcase_add_loop_test(cases, test_dropped, 0, 2);
    tcase_add_loop_test(cases, test_changed, 0, 4);
    tcase_add_loop_test(cases, test_host, 0, 3);
    tcase_add_loop_test(cases, test_another_run_is_refused, 0, 4);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
