/* Learning in environments: what is learned, what an iteration computes, the host's loop. */
#include "../support/small_play.h"

#include <unistd.h>

static void same_weights(const small_play *one, const small_play *other)
{
    int64_t count, others;
    float *a = small_play_weights(one, &count), *b = small_play_weights(other, &others);
    ck_assert_int_eq(count, others);
    ck_assert_mem_eq(a, b, (size_t)count * sizeof *a);
    free(a);
    free(b);
}

/* CleanRL's recipe, a fifth of its steps. */
START_TEST(test_cart_pole)
{
    small_play_config c = small_play_defaults("CartPole-v1");
    c.count = 4;
    c.policy.width = 64;
    c.control.steps = 128;
    c.control.minibatch = 128;
    c.control.epochs = 4;
    c.control.learning_rate = 2.5e-4;
    c.control.anneal_learning_rate = 1;
    c.control.entropy_coefficient = 0.01;
    c.control.value_clip = 0.2;
    c.run.total_steps = 150;
    c.context.seed = 1 + (uint64_t)_i;
    c.validate = 1;
    small_play p;
    small_play_create(&p, &c);
    PLAY_OK(fst_run_until(p.run, 0));
    PLAY_OK(fst_run_evaluate(p.run));
    ck_assert_double_gt(small_play_metric(p.run, "episode_return"), 150);
    ck_assert_double_gt(small_play_metric(p.run, "validation_return"), 200);
    ck_assert_double_eq(small_play_metric(p.run, "validation_return"),
                        small_play_metric(p.run, "validation_length"));
    fst_run_info info;
    PLAY_OK(fst_run_get_info(p.run, &info, sizeof info));
    ck_assert_int_eq(info.tokens, 150 * 128 * 4);
    small_play_destroy(&p);
}
END_TEST

/* Each first update's ratios are 1, of every kind of network and action. */
START_TEST(test_first_ratio)
{
    static const struct {
        const char *env;
        int32_t network;
    } cases[] = {{"CartPole-v1", FST_NETWORK_MLP},  {"Pendulum-v1", FST_NETWORK_MLP},
                 {"FrozenLake-v1", FST_NETWORK_MLP}, {"CartPole-v1", FST_NETWORK_TRANSFORMER},
                 {"ConnectFour-v0", FST_NETWORK_CNN}, {"MiniGrid-DoorKey-5x5-v0", FST_NETWORK_AUTO}};
    small_play_config c = small_play_defaults(cases[_i].env);
    c.policy.network = cases[_i].network;
    c.policy.width = 16;
    c.policy.normalize_observations = _i < 2;
    c.run.total_steps = 3;
    c.control.minibatch = 30;
    small_play p;
    small_play_create(&p, &c);
    for (int i = 0; i < 3; ++i) {
        PLAY_OK(fst_run_step(p.run, NULL, 0));
        ck_assert_double_eq(small_play_metric(p.run, "first_ratio_error"), 0);
        ck_assert_double_gt(small_play_metric(p.run, "ratio"), 1);
        ck_assert_double_eq(small_play_metric(p.run, "updates"), 8);
    }
    small_play_destroy(&p);
}
END_TEST

/* ---- the host's loop */

START_TEST(test_host_is_env)
{
    static const char *const names[] = {"CartPole-v1", "Pendulum-v1", "CartPole-v1", "MiniGrid-DoorKey-5x5-v0"};
    small_play_config c = small_play_defaults(names[_i]);
    c.policy.network = _i == 2 ? FST_NETWORK_TRANSFORMER : FST_NETWORK_AUTO;
    c.policy.normalize_observations = _i < 2;
    c.control.normalize_rewards = _i == 1;
    c.max_steps = 30; /* some are cut short */
    c.run.total_steps = 3;
    small_play run, host;
    small_play_create(&run, &c);
    PLAY_OK(fst_run_until(run.run, 0));
    small_play_config h = c;
    h.env = NULL;
    small_play_create(&host, &h);
    fst_env *game = small_play_env(host.context, names[_i], c.count, 30);
    PLAY_OK(fst_env_reset(game, 0));
    small_play_host(&host, game, 3 * c.control.steps + 1, 8);
    same_weights(&run, &host);
    ck_assert_double_eq(small_play_metric(run.run, "loss"), small_play_metric(host.run, "loss"));
    fst_run_info info;
    PLAY_OK(fst_run_get_info(host.run, &info, sizeof info));
    ck_assert_int_eq(info.finished, 1);
    fst_env_destroy(game);
    small_play_destroy(&run);
    small_play_destroy(&host);
}
END_TEST

/* While updates are made in pieces, acting goes on and nothing is recorded. */
START_TEST(test_pieces)
{
    small_play_config c = small_play_defaults("CartPole-v1");
    c.env = NULL;
    c.policy.network = _i ? FST_NETWORK_TRANSFORMER : FST_NETWORK_AUTO;
    c.control.learn_in_pieces = 1;
    small_play p;
    small_play_create(&p, &c);
    fst_env *game = small_play_env(p.context, "CartPole-v1", c.count, -1);
    PLAY_OK(fst_env_reset(game, 0));
    int32_t updated = 0, frames = 0;
    fst_run_info info;
    PLAY_OK(fst_run_advance(p.run, &updated));
    ck_assert_int_eq(updated, 0);
    ck_assert_int_eq(fst_run_step(p.run, NULL, 0), FST_ERR_STATE);
    do {
        small_play_host(&p, game, 1, 4);
        PLAY_OK(fst_run_advance(p.run, &updated));
        ++frames;
        PLAY_OK(fst_run_get_info(p.run, &info, sizeof info));
        ck_assert_int_le(frames, 200);
    } while (!info.finished);
    int32_t passes = (int32_t)(info.micro_steps - 40 / 21 - 1);
    ck_assert_int_eq(frames, 2 * (40 + passes));
    ck_assert_int_eq(info.tokens, 2 * 40 * 3);
    small_play_host(&p, game, 5, 4); /* a finished run acts on */
    fst_env_destroy(game);
    small_play_destroy(&p);
}
END_TEST

START_TEST(test_host_misuse)
{
    small_play_config c = small_play_defaults("CartPole-v1");
    small_play_config h = c;
    float observations[12] = {0}, bad[12] = {0};
    int32_t actions[3];
    double rewards[3] = {1, 1, 1};
    uint8_t cut[3] = {0, 1, 0};
    small_play p, q;
    h.env = NULL;
    small_play_create(&p, &h);
    ck_assert_int_eq(fst_control_observe(p.run, rewards, NULL, NULL, NULL), FST_ERR_STATE);
    bad[5] = NAN;
    ck_assert_int_lt(fst_control_act(p.run, bad, NULL, actions), 0);
    PLAY_OK(fst_control_act(p.run, observations, NULL, actions));
    ck_assert_int_eq(fst_control_act(p.run, observations, NULL, actions), FST_ERR_STATE);
    rewards[2] = NAN;
    ck_assert_int_eq(fst_control_observe(p.run, rewards, NULL, NULL, NULL), FST_ERR_NUMERIC);
    ck_assert_msg(strstr(fst_last_error(), "environment 2, step 1") != NULL, "%s", fst_last_error());
    rewards[2] = 1;
    ck_assert_int_eq(fst_control_observe(p.run, rewards, NULL, cut, NULL), FST_ERR_INVALID_ARGUMENT);
    PLAY_OK(fst_control_observe(p.run, rewards, NULL, cut, observations));
    ck_assert_int_eq(fst_control_observe(p.run, rewards, NULL, NULL, NULL), FST_ERR_STATE);
    small_play_create(&q, &c);
    ck_assert_int_eq(fst_control_act(q.run, observations, NULL, actions), FST_ERR_STATE);
    small_play_destroy(&p);
    small_play_destroy(&q);
}
END_TEST

/* ---- two states, solved exactly */

/* State 0: action 1 leads to state 1 for −1, action 0 stays for 0. State 1: action 1 ends for +3, action 0 for 0.
 * With γ .5 values are V(1) = 3, V(0) = max(.5·V(0), −1 + 1.5) = .5: action 1 in both. */
typedef struct chain {
    int32_t state[4];
    int64_t calls;
    int64_t nan_at, fail_at;
    int32_t answer, warnings;
} chain;

static int32_t note_warning(int32_t level, const char *text, void *user)
{
    ((chain *)user)->warnings += level == FST_LOG_WARNING && strstr(text, "cannot save its state") != NULL;
    return 0;
}

static int32_t chain_reset(const fst_env_call *call, void *user)
{
    chain *c = user;
    for (int64_t i = 0; i < call->count; ++i) {
        int64_t n = call->indices[i];
        ((int32_t *)call->observations)[n] = c->state[n] = 0;
    }
    return 0;
}

static int32_t chain_step(const fst_env_call *call, void *user)
{
    chain *c = user;
    c->calls += 1;
    if (c->calls == c->fail_at)
        return c->answer;
    for (int64_t i = 0; i < call->count; ++i) {
        int64_t n = call->indices[i];
        int32_t action = ((const int32_t *)call->actions)[n];
        call->terminated[n] = c->state[n] == 1;
        call->rewards[n] = c->state[n] == 1 ? 3 * action : -action;
        if (c->calls == c->nan_at && n == 1 && c->answer == 0)
            call->rewards[n] = NAN;
        if (c->answer == 1 && c->calls >= c->nan_at && c->calls < c->nan_at + 8)
            call->rewards[n] = 3e38; /* floats, whose sums are none */
        c->state[n] = c->state[n] == 0 ? action : 1;
        ((int32_t *)call->observations)[n] = c->state[n];
    }
    return 0;
}

static void chain_create(chain *game, small_play *p, small_play_config *c)
{
    fst_env_options o;
    fst_space two;
    *p = (small_play){0};
    *c = small_play_defaults("CartPole-v1");
    PLAY_OK(fst_space_init(&two, sizeof two));
    two.kind = FST_SPACE_DISCRETE;
    two.n = 2;
    PLAY_OK(fst_env_options_init(&o, sizeof o));
    o.name = "chain";
    o.count = 4;
    o.observation_space = o.action_space = &two;
    o.reset = chain_reset;
    o.step = chain_step;
    o.user = game;
    o.max_steps = 10;
    c->context.log = note_warning;
    c->context.log_user = game;
    PLAY_OK(fst_context_create(&c->context, &p->context));
    PLAY_OK(fst_env_create(p->context, &o, &p->env));
    c->policy.observation_space = c->policy.action_space = &two;
    PLAY_OK(fst_policy_create_control(p->context, &c->policy, &p->policy));
    c->control.gamma = 0.5;
    c->control.steps = 64;
    c->control.minibatch = 64;
    c->control.epochs = 4;
    c->control.learning_rate = 5e-3;
    c->run.total_steps = 60;
}

START_TEST(test_two_states)
{
    static const int32_t algorithms[] = {FST_RL_PPO, FST_RL_A2C, FST_RL_REINFORCE};
    chain game = {0};
    small_play p;
    small_play_config c;
    chain_create(&game, &p, &c);
    if (_i > 0)
        PLAY_OK(fst_control_options_set_algorithm(&c.control, algorithms[_i]));
    c.control.steps = 64;
    c.control.learning_rate = 1e-2;
    c.run.total_steps = _i == 0 ? 60 : 300;
    PLAY_OK(small_play_start(&p, &c));
    PLAY_OK(fst_run_until(p.run, 0));
    const int32_t states[] = {0, 1};
    int32_t actions[2];
    float values[2];
    fst_act_options act;
    PLAY_OK(fst_act_options_init(&act, sizeof act));
    act.deterministic = 1;
    PLAY_OK(fst_policy_act(p.policy, states, 2, &act, actions, NULL, values));
    ck_assert_int_eq(actions[0], 1);
    ck_assert_int_eq(actions[1], 1);
    if (_i == 0) {
        ck_assert_float_eq_tol(values[0], 0.5f, 0.15f);
        ck_assert_float_eq_tol(values[1], 3, 0.3f);
    }
    ck_assert_double_gt(small_play_metric(p.run, "episode_return"), 1.7);
    small_play_destroy(&p);
}
END_TEST

/* ---- environments that fail */

START_TEST(test_failing_environment)
{
    chain game = {0};
    small_play p;
    small_play_config c;
    chain_create(&game, &p, &c);
    if (_i == 0)
        game.nan_at = 30;
    else
        game.fail_at = 30;
    game.answer = _i == 0 ? 0 : -77;
    PLAY_OK(small_play_start(&p, &c));
    fst_status status = fst_run_until(p.run, 0);
    ck_assert_int_eq(status, _i == 0 ? FST_ERR_NUMERIC : -77);
    ck_assert_msg(strstr(fst_last_error(), "chain") != NULL, "%s", fst_last_error());
    if (_i == 0)
        ck_assert_msg(strstr(fst_last_error(), "environment 1") != NULL, "%s", fst_last_error());
    PLAY_OK(fst_run_until(p.run, 0)); /* new episodes */
    ck_assert_double_gt(small_play_metric(p.run, "episode_return"), 1.5);
    small_play_destroy(&p);
}
END_TEST

/* What is not finite is named, and the run goes on once it is gone. */
START_TEST(test_numbers)
{
    chain game = {.nan_at = 30, .answer = 1};
    small_play p;
    small_play_config c;
    fst_model *model;
    fst_view bias;
    chain_create(&game, &p, &c);
    c.control.gamma = 1;
    PLAY_OK(small_play_start(&p, &c));
    PLAY_OK(fst_policy_get_model(p.policy, &model));
    PLAY_OK(fst_model_parameter(model, "heads.policy.bias", &bias));
    ((float *)bias.data)[1] = NAN;
    PLAY_OK(fst_model_weights_changed(model));
    ck_assert_int_eq(fst_run_step(p.run, NULL, 0), FST_ERR_NUMERIC);
    ck_assert_msg(strstr(fst_last_error(), "heads.policy.bias") != NULL, "%s", fst_last_error());
    ((float *)bias.data)[1] = 0;
    PLAY_OK(fst_model_weights_changed(model));
    ck_assert_int_eq(fst_run_step(p.run, NULL, 0), FST_ERR_NUMERIC); /* the reward's */
    ck_assert_msg(strstr(fst_last_error(), "step 1:") != NULL, "%s", fst_last_error());
    PLAY_OK(fst_run_step(p.run, NULL, 0));
    small_play_destroy(&p);
}
END_TEST

/* A wish to stop is no failure: the step has not taken place. */
START_TEST(test_stopping_environment)
{
    chain straight = {0}, game = {.nan_at = INT64_MAX / 2, .fail_at = 30, .answer = 1};
    small_play p, q;
    small_play_config c, d;
    chain_create(&straight, &p, &c);
    chain_create(&game, &q, &d);
    c.run.total_steps = d.run.total_steps = 2;
    PLAY_OK(small_play_start(&p, &c));
    PLAY_OK(small_play_start(&q, &d));
    PLAY_OK(fst_run_until(p.run, 0));
    ck_assert_int_eq(fst_run_until(q.run, 0), FST_STOPPED);
    PLAY_OK(fst_run_until(q.run, 0));
    same_weights(&p, &q);
    small_play_destroy(&p);
    small_play_destroy(&q);
}
END_TEST

/* An environment without save and load: saving warns, and new episodes begin. */
START_TEST(test_environment_that_cannot_be_saved)
{
    chain first = {0}, second = {0};
    small_play p, q;
    small_play_config c, d;
    char path[] = "/tmp/control_run_XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    chain_create(&first, &p, &c);
    chain_create(&second, &q, &d);
    PLAY_OK(small_play_start(&p, &c));
    PLAY_OK(small_play_start(&q, &d));
    PLAY_OK(fst_run_step(p.run, NULL, 0));
    PLAY_OK(fst_run_advance(p.run, NULL));
    PLAY_OK(fst_run_save(p.run, path));
    ck_assert_int_eq(first.warnings, 1);
    PLAY_OK(fst_run_resume(q.run, path));
    fst_run_info info, resumed;
    PLAY_OK(fst_run_get_info(p.run, &info, sizeof info));
    PLAY_OK(fst_run_get_info(q.run, &resumed, sizeof resumed));
    ck_assert_int_eq(info.micro_step, 1);
    ck_assert_int_eq(resumed.micro_step, 1); /* the steps are there */
    ck_assert_int_eq(resumed.tokens, info.tokens);
    PLAY_OK(fst_run_until(q.run, 0));
    ck_assert_double_gt(small_play_metric(q.run, "episode_return"), 1.5);
    small_play_destroy(&p);
    small_play_destroy(&q);
    unlink(path);
}
END_TEST

/* ---- two players */

START_TEST(test_connect_four)
{
    small_play_config c = small_play_defaults("ConnectFour-v0");
    c.count = 16;
    c.policy.network = FST_NETWORK_MLP;
    c.policy.width = 32;
    c.control.steps = 32;
    c.control.minibatch = 128;
    c.control.opponents = 3;
    c.control.opponent_every = 2;
    c.control.opponent_latest = 0.3;
    c.run.total_steps = 40;
    c.validate = 1;
    small_play p;
    small_play_create(&p, &c);
    PLAY_OK(fst_run_until(p.run, 0));
    PLAY_OK(fst_run_evaluate(p.run));
    double wins = small_play_metric(p.run, "win_share"), mean = small_play_metric(p.run, "episode_return");
    ck_assert_double_gt(wins, 0.3);
    ck_assert_double_le(fabs(mean), 1);
    ck_assert_double_gt(mean, 2 * wins - 1 - 1e-9); /* draws count 0 */
    ck_assert_double_lt(small_play_metric(p.run, "episode_length"), 22);
    small_play_destroy(&p);
}
END_TEST

/* Two moves, of which the second wins: who moves first loses. */
static int32_t second_wins_reset(const fst_env_call *call, void *user)
{
    for (int64_t i = 0; i < call->count; ++i) {
        int64_t n = call->indices[i];
        ((int32_t *)call->observations)[n] = ((int32_t *)user)[n] = 0;
        call->players[n] = 0;
    }
    return 0;
}

static int32_t second_wins_step(const fst_env_call *call, void *user)
{
    int32_t *moved = user;
    for (int64_t i = 0; i < call->count; ++i) {
        int64_t n = call->indices[i];
        call->rewards[n] = moved[n];
        call->terminated[n] = moved[n] == 1;
        call->players[n] = 1 - (uint8_t)moved[n];
        ((int32_t *)call->observations)[n] = moved[n] = 1;
    }
    return 0;
}

/* The learner takes both seats in turn; as the first it has one move, whose reward is the lost game. */
START_TEST(test_what_a_reply_brings)
{
    int32_t moved[3];
    fst_env_options o;
    fst_space two;
    small_play p = {0};
    small_play_config c = small_play_defaults("CartPole-v1");
    PLAY_OK(fst_space_init(&two, sizeof two));
    two.kind = FST_SPACE_DISCRETE;
    two.n = 2;
    PLAY_OK(fst_env_options_init(&o, sizeof o));
    o.count = 3;
    o.players = 2;
    o.observation_space = o.action_space = &two;
    o.reset = second_wins_reset;
    o.step = second_wins_step;
    o.user = moved;
    PLAY_OK(fst_context_create(&c.context, &p.context));
    PLAY_OK(fst_env_create(p.context, &o, &p.env));
    c.policy.observation_space = c.policy.action_space = &two;
    PLAY_OK(fst_policy_create_control(p.context, &c.policy, &p.policy));
    c.control.opponent_every = 1;
    c.control.steps = 100;
    c.control.learning_rate = 1e-2;
    c.run.total_steps = 30;
    PLAY_OK(small_play_start(&p, &c));
    PLAY_OK(fst_run_until(p.run, 0));
    ck_assert_double_eq(small_play_metric(p.run, "episode_length"), 1);
    ck_assert_double_eq(small_play_metric(p.run, "win_share"), 0.5);
    ck_assert_double_eq(small_play_metric(p.run, "episode_return"), 0);
    ck_assert_double_eq(small_play_metric(p.run, "episodes"), 30 * 300);
    const int32_t states[] = {0, 1};
    int32_t actions[2];
    float values[2];
    PLAY_OK(fst_policy_act(p.policy, states, 2, NULL, actions, NULL, values));
    ck_assert_float_eq_tol(values[0], -1, 0.1f);
    ck_assert_float_eq_tol(values[1], 1, 0.1f);
    small_play_destroy(&p);
}
END_TEST

/* ---- refusals */

START_TEST(test_refused)
{
    static const struct {
        const char *word;
        fst_status status;
    } cases[] = {{"policy", FST_ERR_INVALID_ARGUMENT}, {"epochs", FST_ERR_INVALID_ARGUMENT},
                 {"minibatch", FST_ERR_INVALID_ARGUMENT}, {"anneal_clip", FST_ERR_INVALID_ARGUMENT},
                 {"gamma", FST_ERR_INVALID_ARGUMENT}, {"algorithm", FST_ERR_INVALID_ARGUMENT},
                 {"env", FST_ERR_MISMATCH}, {"seed_env", FST_ERR_INVALID_ARGUMENT},
                 {"value_coefficient", FST_ERR_INVALID_ARGUMENT}};
    small_play_config c = small_play_defaults("CartPole-v1");
    if (_i == 6)
        c.env = "Pendulum-v1";
    small_play p;
    small_play_prepare(&p, &c);
    switch (_i) {
    case 0:
        fst_policy_destroy(p.policy);
        p.policy = NULL;
        break;
    case 1:
        c.control.epochs = 0;
        break;
    case 2:
        c.control.algorithm = FST_RL_A2C;
        c.control.epochs = 1;
        break;
    case 3:
        c.control.anneal_clip = 1;
        c.run.total_steps = 0;
        break;
    case 4:
        c.control.gamma = NAN;
        break;
    case 5:
        c.control.algorithm = FST_RL_GRPO;
        break;
    case 7:
        c.control.seed_env = -1;
        break;
    case 8:
        c.control.value_coefficient = 0;
        break;
    default:
        break;
    }
    ck_assert_int_eq(small_play_start(&p, &c), cases[_i].status);
    ck_assert_msg(strstr(fst_last_error(), cases[_i].word) != NULL, "%s", fst_last_error());
    ck_assert_ptr_null(p.run);
    small_play_destroy(&p);
}
END_TEST

/* The second iteration of the same shape asks for no memory. */
START_TEST(test_no_allocation)
{
    static const char *const names[] = {"CartPole-v1", "Pendulum-v1", "ConnectFour-v0", "MiniGrid-DoorKey-5x5-v0"};
    small_play_config c = small_play_defaults(names[_i]);
    c.policy.normalize_observations = _i == 1;
    c.run.total_steps = 4;
    c.validate = 1;
    c.control.opponent_every = 1;
    small_play p;
    small_play_create(&p, &c);
    fst_context_info before, after;
    PLAY_OK(fst_run_step(p.run, NULL, 0));
    PLAY_OK(fst_run_evaluate(p.run));
    PLAY_OK(fst_context_get_info(p.context, &before, sizeof before));
    PLAY_OK(fst_run_step(p.run, NULL, 0));
    PLAY_OK(fst_run_evaluate(p.run));
    PLAY_OK(fst_context_get_info(p.context, &after, sizeof after));
    ck_assert_int_eq(after.allocations, before.allocations);
    fst_memory memory;
    PLAY_OK(fst_run_memory(p.run, &memory, sizeof memory));
    ck_assert_int_gt(memory.data, 0);
    ck_assert_int_le(memory.total, after.live_bytes);
    small_play_destroy(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("runs in environments");
    TCase *cases = tcase_create("control");
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, test_cart_pole, 0, 1);
    tcase_add_loop_test(cases, test_first_ratio, 0, 6);
    tcase_add_loop_test(cases, test_host_is_env, 0, 4);
    tcase_add_loop_test(cases, test_pieces, 0, 2);
    tcase_add_test(cases, test_host_misuse);
    tcase_add_loop_test(cases, test_two_states, 0, 3);
    tcase_add_loop_test(cases, test_failing_environment, 0, 2);
    tcase_add_test(cases, test_numbers);
    tcase_add_test(cases, test_stopping_environment);
    tcase_add_test(cases, test_environment_that_cannot_be_saved);
    tcase_add_test(cases, test_connect_four);
    tcase_add_test(cases, test_what_a_reply_brings);
    tcase_add_loop_test(cases, test_refused, 0, 9);
    tcase_add_loop_test(cases, test_no_allocation, 0, 4);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
