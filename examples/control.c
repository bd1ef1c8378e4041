/*
 * Learns to act in an environment by trial and error (PPO):
 *
 *     control robot                  a robot that drives to its goal by lidar, past obstacles; pictures
 *     control connect-four           Connect Four against itself, then against you
 *     control CartPole-v1            or another built-in environment
 *
 * All steps are recorded in checkpoints: stopped by Ctrl-C or otherwise and started again, it goes on where it
 * was. At the end policy.safetensors lies in the output folder; `control robot --play FILE` shows it again.
 *
 * Build it alone with: cc control.c connect_four_player.c $(pkg-config --cflags --libs fourstage) -lm
 */
#include "connect_four_player.h"

#include "fourstage/context.h"
#include "fourstage/control.h"
#include "fourstage/control_policy.h"
#include "fourstage/env.h"
#include "fourstage/policy.h"
#include "fourstage/rl.h"
#include "fourstage/run.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct settings {
    const char *environment, *alias;
    const char *won, *lost; /* what an episode's end with a positive and a negative reward means; NULL: nothing */
    const char *output, *play;
    int64_t steps, envs, rollout, minibatch, epochs;
    double rate, gamma, lambda, clip, entropy, log_std;
    int64_t anneal, anneal_clip, normalize, normalize_rewards, width, layers;
    int64_t evaluate, worlds, match, depth, seed, threads;
} settings;

/* What an option does not say. The first that fits; the last one fits all. */
static const settings recipes[] = {
    {.environment = "RobotNavigation-v0", .alias = "robot", .won = "goal reached", .lost = "collided",
     .steps = 2000000, .envs = 32, .rollout = 256, .minibatch = 1024, .epochs = 6, .rate = 6e-4, .gamma = 0.99,
     .lambda = 0.95, .anneal = 1, .normalize = 1, .log_std = -0.5, .evaluate = 1000, .worlds = 8},
    {.environment = "ConnectFour-v0", .alias = "connect-four", .steps = 3000000, .envs = 64, .rollout = 64,
     .minibatch = 1024, .epochs = 4, .rate = 1e-3, .gamma = 0.99, .lambda = 0.9, .anneal = 1, .entropy = 0.1,
     .width = 128, .evaluate = 0},
    {.environment = "CartPole-v1", .steps = 100000, .envs = 8, .rollout = 32, .minibatch = 256, .epochs = 20,
     .rate = 1e-3, .gamma = 0.98, .lambda = 0.8, .anneal = 1, .anneal_clip = 1},
    {.environment = "Acrobot-v1", .steps = 500000, .envs = 16, .rollout = 256, .epochs = 4, .lambda = 0.94,
     .normalize = 1, .normalize_rewards = 1},
    {.environment = "Pendulum-v1", .steps = 100000, .envs = 4, .rollout = 1024, .rate = 1e-3, .anneal = 1,
     .gamma = 0.9},
    {.environment = "", .steps = 200000, .envs = 8, .rollout = 128},
};

static const settings defaults = {
    .minibatch = 64, .epochs = 10, .rate = 3e-4, .gamma = 0.99, .lambda = 0.95, .clip = 0.2, .width = 64,
    .layers = 2, .evaluate = 100, .depth = 4, .seed = 1,
};

static const struct field {
    const char *name;
    char kind; /* i: int64_t, d: double, s: text */
    size_t at;
    const char *text;
} fields[] = {
    {"output", 's', offsetof(settings, output), "folder for checkpoints, policy and pictures (control-NAME)"},
    {"play", 's', offsetof(settings, play), "a saved policy: shown, played against or measured; nothing is trained"},
    {"steps", 'i', offsetof(settings, steps), "steps of environments to learn from"},
    {"envs", 'i', offsetof(settings, envs), "environments beside each other"},
    {"rollout", 'i', offsetof(settings, rollout), "steps of each of them between updates"},
    {"minibatch", 'i', offsetof(settings, minibatch), "steps of one update"},
    {"epochs", 'i', offsetof(settings, epochs), "passes over what was gathered"},
    {"rate", 'd', offsetof(settings, rate), "learning rate"},
    {"anneal", 'i', offsetof(settings, anneal), "1: the rate falls to 0"},
    {"gamma", 'd', offsetof(settings, gamma), "discount"},
    {"lambda", 'd', offsetof(settings, lambda), "of generalised advantage estimation"},
    {"clip", 'd', offsetof(settings, clip), "of the ratio"},
    {"anneal-clip", 'i', offsetof(settings, anneal_clip), "1: the clip falls to 0"},
    {"entropy", 'd', offsetof(settings, entropy), "its coefficient"},
    {"log-std", 'd', offsetof(settings, log_std), "of continuous actions, at first"},
    {"normalize", 'i', offsetof(settings, normalize), "1: observations by their running mean and variance"},
    {"normalize-rewards", 'i', offsetof(settings, normalize_rewards), "1: rewards by the deviation of returns"},
    {"width", 'i', offsetof(settings, width), "of the layers"},
    {"layers", 'i', offsetof(settings, layers), "hidden ones"},
    {"evaluate", 'i', offsetof(settings, evaluate), "episodes to measure with, before and after"},
    {"worlds", 'i', offsetof(settings, worlds), "worlds in the pictures; 0: no pictures"},
    {"match", 'i', offsetof(settings, match), "Connect Four: games against alpha-beta, moving first"},
    {"depth", 'i', offsetof(settings, depth), "moves that alpha-beta looks ahead (4)"},
    {"seed", 'i', offsetof(settings, seed), "of weights, actions and environments (1)"},
    {"threads", 'i', offsetof(settings, threads), "workers (as many as there are processors)"},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static void check(fst_status status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

static void *take(int64_t count, size_t size)
{
    void *block = calloc(count > 0 ? (size_t)count : 1, size);
    if (!block) {
        fputs("no memory\n", stderr);
        exit(1);
    }
    return block;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ---- what was asked for ---- */

static void usage(FILE *to)
{
    int64_t count;
    fputs("control robot | connect-four | NAME [options]\n  NAME is one of\n", to);
    check(fst_env_builtin_count(&count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        check(fst_env_builtin_name(i, &name));
        fprintf(to, "    %s\n", name);
    }
    for (int i = 0; i < FIELDS; ++i)
        fprintf(to, "  --%-18s %s\n", fields[i].name, fields[i].text);
}

static void set_field(settings *s, const struct field *field, const char *text)
{
    char *at = (char *)s + field->at, *end = NULL;
    if (field->kind == 's') {
        memcpy(at, &text, sizeof text);
        return;
    }
    double real = strtod(text, &end);
    int64_t whole = (int64_t)real;
    if (end == text || *end || (field->kind == 'i' && (!(real >= 0 && real <= 1e15) || (double)whole != real))) {
        fprintf(stderr, "--%s: %s is no number\n", field->name, text);
        exit(2);
    }
    if (field->kind == 'i')
        memcpy(at, &whole, sizeof whole);
    else
        memcpy(at, &real, sizeof real);
}

/* The recipe of this environment; what it leaves at 0 is the default. */
static settings recipe_of(const char *name)
{
    const settings *recipe = recipes;
    while (*recipe->environment && strcmp(name, recipe->environment) &&
           (!recipe->alias || strcmp(name, recipe->alias)))
        ++recipe;
    settings s = *recipe;
    for (int i = 0; i < FIELDS; ++i) {
        static const char zeros[8];
        char *at = (char *)&s + fields[i].at;
        if (memcmp(at, zeros, sizeof zeros) == 0)
            memcpy(at, (const char *)&defaults + fields[i].at, sizeof zeros);
    }
    if (!*s.environment)
        s.environment = name;
    return s;
}

static settings read_arguments(int argc, char **argv)
{
    struct option options[FIELDS + 2] = {0};
    for (int i = 0; i < FIELDS; ++i)
        options[i] = (struct option){fields[i].name, 1, NULL, i};
    options[FIELDS] = (struct option){"help", 0, NULL, FIELDS};
    if (argc < 2 || argv[1][0] == '-') {
        int asked = argc == 2 && strcmp(argv[1], "--help") == 0;
        usage(asked ? stdout : stderr);
        exit(asked ? 0 : 2);
    }
    settings s = recipe_of(argv[1]);
    optind = 2;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option < 0 || option >= FIELDS) {
            usage(option == FIELDS ? stdout : stderr);
            exit(option == FIELDS ? 0 : 2);
        }
        set_field(&s, &fields[option], optarg);
    }
    if (optind < argc || s.envs < 1 || s.rollout < 1 || s.minibatch < 1 || s.epochs < 1 || s.depth < 1) {
        usage(stderr);
        exit(2);
    }
    return s;
}

static const char *in_output(const settings *s, const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", s->output, name);
    return path;
}

/* ---- environments and policies ---- */

static fst_env *make_env(fst_context *context, const settings *s, int64_t count, int32_t auto_reset)
{
    fst_env_make_options options;
    fst_env *env;
    check(fst_env_make_options_init(&options, sizeof options));
    options.count = count;
    options.auto_reset = auto_reset;
    check(fst_env_make(context, s->environment, &options, &env));
    return env;
}

static fst_env_batch batch_of(const fst_env *env)
{
    fst_env_batch batch;
    check(fst_env_get_batch(env, &batch, sizeof batch));
    return batch;
}

static fst_policy *make_policy(fst_context *context, const fst_env *env, const settings *s)
{
    fst_control_policy_options options;
    fst_space observations, actions;
    fst_policy *policy;
    check(fst_env_observation_space(env, &observations, sizeof observations));
    check(fst_env_action_space(env, &actions, sizeof actions));
    check(fst_control_policy_options_init(&options, sizeof options));
    options.observation_space = &observations;
    options.action_space = &actions;
    options.network = FST_NETWORK_MLP;
    options.width = (int32_t)s->width;
    options.layers = (int32_t)s->layers;
    options.initial_log_std = s->log_std;
    options.normalize_observations = s->normalize != 0;
    check(fst_policy_create_control(context, &options, &policy));
    return policy;
}

/* The most probable actions where the environments stand. */
static void act(fst_policy *policy, const fst_env_batch *batch, void *actions)
{
    fst_act_options options;
    check(fst_act_options_init(&options, sizeof options));
    options.deterministic = 1;
    options.masks = batch->masks;
    options.begins = batch->begins;
    check(fst_policy_act(policy, batch->observations, batch->count, &options, actions, NULL, NULL));
}

static void *room_for_actions(const fst_env *env)
{
    fst_env_info info;
    check(fst_env_get_info(env, &info, sizeof info));
    return take(info.count, (size_t)info.action_bytes);
}

/* ---- how good a policy is ---- */

/* Of worlds that training never sees: its environments begin with other seeds. */
enum { UNSEEN = 1000003 };

typedef struct figures {
    int64_t episodes, won, lost;
    double total, lengths; /* sums */
} figures;

/* Each environment plays the same number of episodes: short ones are not preferred. */
static figures measure(fst_context *context, const settings *s, fst_policy *policy)
{
    figures f = {0};
    int64_t count = s->evaluate < 50 ? s->evaluate : 50, each = s->evaluate / (count ? count : 1);
    if (!count)
        return f;
    fst_env *env = make_env(context, s, count, 1);
    void *actions = room_for_actions(env);
    int64_t *played = take(count, sizeof *played);
    check(fst_env_reset(env, UNSEEN + s->seed));
    while (f.episodes < count * each) {
        fst_env_batch batch = batch_of(env);
        act(policy, &batch, actions);
        check(fst_env_step(env, actions));
        for (int64_t e = 0; e < count; ++e)
            if ((batch.terminated[e] || batch.truncated[e]) && played[e]++ < each) {
                ++f.episodes;
                f.total += batch.episode_returns[e];
                f.lengths += (double)batch.episode_lengths[e];
                f.won += batch.terminated[e] && batch.rewards[e] > 0;
                f.lost += batch.terminated[e] && batch.rewards[e] < 0;
            }
    }
    free(played);
    free(actions);
    fst_env_destroy(env);
    return f;
}

static void print_row(const char *name, double before, double after, const char *unit)
{
    if (isnan(before))
        printf("%-18s %10s %10.2f%s\n", name, "", after, unit);
    else
        printf("%-18s %10.2f %10.2f%s\n", name, before, after, unit);
}

static double share(int64_t part, int64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : NAN;
}

static void print_table(const settings *s, const figures *before, const figures *after)
{
    printf("\n%-18s %10s %10s\n", "", before->episodes ? "before" : "", "after");
    if (s->won)
        print_row(s->won, share(before->won, before->episodes), share(after->won, after->episodes), " %");
    if (s->lost)
        print_row(s->lost, share(before->lost, before->episodes), share(after->lost, after->episodes), " %");
    print_row("return", before->total / (double)before->episodes, after->total / (double)after->episodes, "");
    print_row("steps an episode", before->lengths / (double)before->episodes,
              after->lengths / (double)after->episodes, "");
    printf("%-18s %10s %10lld\n", "episodes", "", (long long)after->episodes);
}

/* ---- pictures ---- */

static const char *ending(const settings *s, const fst_env_batch *batch, int64_t e)
{
    if (batch->terminated[e] && batch->rewards[e] > 0 && s->won)
        return s->won;
    if (batch->terminated[e] && batch->rewards[e] < 0 && s->lost)
        return s->lost;
    return batch->truncated[e] ? "out of time" : "ended";
}

/* Lets each of a few environments play one episode to its end. */
static void play_out(fst_env *env, fst_policy *policy, int64_t count)
{
    int64_t *running = take(count, sizeof *running);
    void *actions = room_for_actions(env);
    for (;;) {
        fst_env_batch batch = batch_of(env);
        int64_t left = 0;
        for (int64_t e = 0; e < count; ++e)
            if (!batch.terminated[e] && !batch.truncated[e])
                running[left++] = e;
        if (!left)
            break;
        act(policy, &batch, actions);
        check(fst_env_step_some(env, running, left, actions));
    }
    free(actions);
    free(running);
}

/* Unseen worlds side by side, each at the end of its episode. */
static void draw(fst_context *context, const settings *s, fst_policy *policy, const char *name)
{
    enum { SIDE = 320, CAPTION = 26, GAP = 12, ACROSS = 4 };
    if (s->worlds < 1)
        return;
    fst_env *env = make_env(context, s, s->worlds, 0);
    check(fst_env_reset(env, UNSEEN + s->seed));
    play_out(env, policy, s->worlds);
    FILE *file = fopen(in_output(s, name), "w");
    if (!file) {
        fprintf(stderr, "cannot write %s: %s\n", in_output(s, name), strerror(errno));
        exit(1);
    }
    int columns = s->worlds < ACROSS ? (int)s->worlds : ACROSS, rows = ((int)s->worlds + columns - 1) / columns;
    int width = columns * (SIDE + GAP) + GAP, height = rows * (SIDE + CAPTION + GAP) + GAP;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
            width, height, width, height);
    fst_env_batch batch = batch_of(env);
    for (int e = 0; e < (int)s->worlds; ++e) {
        int x = GAP + e % columns * (SIDE + GAP), y = GAP + e / columns * (SIDE + CAPTION + GAP);
        const char *picture;
        check(fst_env_render(env, e, FST_RENDER_SVG, &picture));
        fprintf(file,
                "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"0 0 640 640\">\n%s</svg>\n"
                "<text x=\"%d\" y=\"%d\" font-family=\"sans-serif\" font-size=\"15\" fill=\"#2d3748\" "
                "text-anchor=\"middle\">%s, %lld steps</text>\n",
                x, y, SIDE, SIDE, picture, x + SIDE / 2, y + SIDE + 18, ending(s, &batch, e),
                (long long)batch.episode_lengths[e]);
    }
    fputs("</svg>\n", file);
    if (fclose(file)) {
        fprintf(stderr, "cannot write %s: %s\n", in_output(s, name), strerror(errno));
        exit(1);
    }
    printf("%s\n", in_output(s, name));
    fst_env_destroy(env);
}

/* ---- training ---- */

/* Ctrl-C: a signal handler may call fst_run_cancel, which only sets a flag. */
static fst_run *interruptible;

static void interrupt(int signal_number)
{
    (void)signal_number;
    fst_run_cancel(interruptible);
}

static int64_t iterations_of(const settings *s)
{
    int64_t each = s->envs * s->rollout;
    return (s->steps + each - 1) / each;
}

static fst_run *make_run(fst_policy *policy, fst_env *env, const settings *s)
{
    fst_control_options options;
    fst_run_options common;
    fst_run *run;
    check(fst_run_options_init(&common, sizeof common));
    common.total_steps = iterations_of(s);
    common.save_every = common.total_steps / 20 + 1;
    common.directory = in_output(s, "checkpoints");
    check(fst_control_options_init(&options, sizeof options));
    options.policy = policy;
    options.env = env;
    options.run = &common;
    options.steps = s->rollout;
    options.minibatch = s->minibatch;
    options.epochs = s->epochs;
    options.seed_env = s->seed;
    options.learning_rate = s->rate;
    options.anneal_learning_rate = s->anneal != 0;
    options.gamma = s->gamma;
    options.lambda = s->lambda;
    options.clip = s->clip;
    options.anneal_clip = s->anneal_clip != 0;
    options.entropy_coefficient = s->entropy;
    options.normalize_rewards = s->normalize_rewards != 0;
    check(fst_control_create(&options, &run));
    return run;
}

static double metric(const fst_run *run, const char *name)
{
    double value;
    check(fst_run_metric(run, name, &value));
    return value;
}

static void report(const fst_run *run, const settings *s)
{
    fst_run_info info;
    check(fst_run_get_info(run, &info, sizeof info));
    printf("%9lld steps  ", (long long)(info.step * s->envs * s->rollout));
    if (s->match || strcmp(s->environment, "ConnectFour-v0") == 0)
        printf("won against past selves %5.1f %%", 100 * metric(run, "win_share"));
    else
        printf("return %8.2f", metric(run, "episode_return"));
    printf("  length %6.1f  entropy %6.3f  %5.0f s\n", metric(run, "episode_length"), metric(run, "entropy"),
           info.seconds);
    fflush(stdout);
}

/* 0: to its end; 1: stopped by Ctrl-C, with its state on the disk. */
static int go_on(fst_run *run, const settings *s)
{
    struct sigaction ours = {.sa_handler = interrupt}, before;
    int64_t total = iterations_of(s);
    fst_status status = fst_run_resume(run, NULL);
    fst_run_info info;
    if (status != FST_ERR_NOT_FOUND)
        check(status);
    check(fst_run_get_info(run, &info, sizeof info));
    if (info.step)
        printf("goes on at step %lld of %lld\n", (long long)(info.step * s->envs * s->rollout),
               (long long)(total * s->envs * s->rollout));
    interruptible = run;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGINT, &ours, &before);
    status = FST_OK;
    for (int part = (int)(info.step * 20 / total) + 1; part <= 20 && status == FST_OK; ++part) {
        status = fst_run_until(run, (total * part + 19) / 20);
        check(status);
        if (status == FST_OK)
            report(run, s);
    }
    sigaction(SIGINT, &before, NULL);
    if (status == FST_OK)
        return 0;
    check(fst_run_save(run, NULL));
    puts("stopped; the same command goes on from here");
    return 1;
}

static fst_policy *load(fst_context *context, const settings *s)
{
    fst_policy *policy;
    check(fst_policy_load(context, s->play, &policy));
    return policy;
}

/* NULL: stopped. */
static fst_policy *train(fst_context *context, const settings *s, figures *before)
{
    fst_env *env = make_env(context, s, s->envs, 1);
    fst_policy *policy = make_policy(context, env, s);
    *before = measure(context, s, policy);
    draw(context, s, policy, "before.svg");
    fst_run *run = make_run(policy, env, s);
    double start = now();
    int stopped = go_on(run, s);
    if (!stopped) {
        printf("trained in %.0f s\n", now() - start);
        check(fst_policy_save(policy, in_output(s, "policy.safetensors")));
        printf("%s\n", in_output(s, "policy.safetensors"));
    }
    fst_run_destroy(run);
    fst_env_destroy(env);
    if (!stopped)
        return policy;
    fst_policy_destroy(policy);
    return NULL;
}

/* ---- Connect Four ---- */

/* A column from the terminal; −1: none will come. */
static int32_t ask_column(const uint8_t *masks)
{
    char line[64];
    for (;;) {
        printf("your column, 1 to 7: ");
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin) || line[0] == 'q') {
            puts("");
            return -1;
        }
        int column = atoi(line) - 1;
        if (column >= 0 && column < 7 && masks[column])
            return column;
        puts(column >= 0 && column < 7 ? "that column is full" : "a number from 1 to 7, or q to leave");
    }
}

static void show(fst_env *env)
{
    const char *board;
    check(fst_env_render(env, 0, FST_RENDER_TEXT, &board));
    printf("\n%s", board);
}

/*
 * One game. seat: the policy's, 0 moves first. The other one is alpha-beta, with depth 0 who sits at the
 * terminal. 1: the policy won, −1: lost, 0: a draw, −2: given up.
 */
static int play_game(fst_env *env, fst_policy *policy, int seat, int depth, int64_t game)
{
    check(fst_env_reset(env, game));
    for (int move = 0;; ++move) {
        fst_env_batch batch = batch_of(env);
        int mover = batch.players[0];
        int32_t column;
        if (mover == seat)
            act(policy, &batch, &column);
        else if (depth)
            column = connect_four_player(batch.observations, depth, (uint64_t)(game * 64 + move));
        else {
            show(env);
            column = ask_column(batch.masks);
        }
        if (column < 0)
            return -2;
        check(fst_env_step(env, &column));
        if (!depth && mover == seat)
            printf("column %d\n", (int)column + 1);
        if (batch.terminated[0] || batch.truncated[0])
            return batch.rewards[0] > 0 ? (mover == seat ? 1 : -1) : 0;
    }
}

static void match(fst_env *env, fst_policy *policy, const settings *s)
{
    int64_t won = 0, lost = 0;
    for (int64_t game = 0; game < s->match; ++game) {
        int result = play_game(env, policy, 0, (int)s->depth, s->seed * 1000000 + game);
        won += result > 0;
        lost += result < 0;
    }
    printf("moving first against alpha-beta of depth %lld: won %.1f %%, drawn %.1f %%, lost %.1f %% of %lld games\n",
           (long long)s->depth, share(won, s->match), share(s->match - won - lost, s->match), share(lost, s->match),
           (long long)s->match);
}

static void play_user(fst_env *env, fst_policy *policy)
{
    static const char *const words[] = {"it left you no chance", "a draw", "you won"};
    puts("\nConnect Four: four discs in a row win. You begin; q leaves.");
    for (int game = 0;; ++game) {
        int result = play_game(env, policy, (game + 1) % 2, 0, game);
        if (result == -2)
            return;
        show(env);
        printf("%s\n%s\n", words[1 - result], game % 2 ? "again: you begin" : "again: it begins");
    }
}

static void connect_four(fst_context *context, const settings *s, fst_policy *policy)
{
    fst_env *env = make_env(context, s, 1, 0);
    if (s->match)
        match(env, policy, s);
    else
        play_user(env, policy);
    fst_env_destroy(env);
}

/* ---- */

static void make_output(settings *s)
{
    static char folder[256];
    if (!s->output) {
        snprintf(folder, sizeof folder, "control-%s", s->alias ? s->alias : s->environment);
        s->output = folder;
    }
    if (mkdir(s->output, 0777) && errno != EEXIST) {
        fprintf(stderr, "cannot make %s: %s\n", s->output, strerror(errno));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    settings s = read_arguments(argc, argv);
    fst_context_options options;
    fst_context *context;
    figures before = {0}, after;
    check(fst_context_options_init(&options, sizeof options));
    options.threads = (int32_t)s.threads;
    options.seed = (uint64_t)s.seed;
    check(fst_context_create(&options, &context));
    make_output(&s);
    int four = strcmp(s.environment, "ConnectFour-v0") == 0;
    if (four)
        s.evaluate = s.worlds = 0; /* a return against oneself says nothing */
    fst_policy *policy = s.play ? load(context, &s) : train(context, &s, &before);
    if (policy && four)
        connect_four(context, &s, policy);
    else if (policy) {
        draw(context, &s, policy, "after.svg");
        after = measure(context, &s, policy);
        if (after.episodes)
            print_table(&s, &before, &after);
    }
    fst_policy_destroy(policy);
    fst_context_destroy(context);
    return policy ? 0 : 130;
}
