/*
 * A game that owns its frame loop and learns while it is played: a paddle that must be under the ball when it
 * comes down. The program asks what to do (fst_control_act), moves its world, tells what became of it
 * (fst_control_observe), and gives each frame's idle time to a piece of learning (fst_run_advance), so that no
 * frame takes long.
 *
 *     frame_loop [FRAMES]
 *
 * Frames are not waited for here: a game would sleep until the next sixtieth of a second.
 *
 * Build it alone with: cc frame_loop.c $(pkg-config --cflags --libs fourstage) -lm
 */
#include "fourstage/context.h"
#include "fourstage/control.h"
#include "fourstage/control_policy.h"
#include "fourstage/policy.h"
#include "fourstage/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void check(fst_status status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

/* Of the processor, so that other programs' turns do not count. */
static double milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

/* ---- the game: a field of 1 by 1, the paddle along its floor ---- */

enum { SEEN = 5, MOVES = 3 }; /* left, stay, right */
static const float PADDLE = 0.1f, STRIDE = 0.02f;

typedef struct game {
    float x, y, speed_x, speed_y, paddle;
    unsigned random;
} game;

static float draw(game *g, float low, float high)
{
    g->random = g->random * 1664525 + 1013904223; /* Numerical Recipes' */
    return low + (high - low) * (float)(g->random >> 8) / 16777216;
}

static void serve(game *g)
{
    g->x = draw(g, 0, 1);
    g->y = 1;
    g->speed_x = draw(g, -0.02f, 0.02f);
    g->speed_y = draw(g, -0.025f, -0.015f);
}

static void look(const game *g, float seen[SEEN])
{
    seen[0] = 2 * g->x - 1;
    seen[1] = 2 * g->y - 1;
    seen[2] = 50 * g->speed_x;
    seen[3] = 50 * g->speed_y;
    seen[4] = 2 * g->paddle - 1;
}

/* 1: caught, −1: missed, and the next ball is on its way; else 0. */
static int move(game *g, int action)
{
    g->paddle += STRIDE * (float)(action - 1);
    g->paddle = g->paddle < 0 ? 0 : g->paddle > 1 ? 1 : g->paddle;
    g->x += g->speed_x;
    g->y += g->speed_y;
    if (g->x < 0 || g->x > 1) {
        g->speed_x = -g->speed_x;
        g->x = g->x < 0 ? -g->x : 2 - g->x;
    }
    if (g->y > 0)
        return 0;
    int caught = g->x > g->paddle - PADDLE && g->x < g->paddle + PADDLE;
    serve(g);
    return caught ? 1 : -1;
}

/* ---- the learner ---- */

static fst_policy *make_policy(fst_context *context)
{
    fst_control_policy_options options;
    fst_space seen, moves;
    fst_policy *policy;
    check(fst_space_init(&seen, sizeof seen));
    seen.shape[0] = SEEN; /* a Box of float32 */
    check(fst_space_init(&moves, sizeof moves));
    moves.kind = FST_SPACE_DISCRETE;
    moves.n = MOVES;
    check(fst_control_policy_options_init(&options, sizeof options));
    options.observation_space = &seen;
    options.action_space = &moves;
    check(fst_policy_create_control(context, &options, &policy));
    return policy;
}

static fst_run *make_run(fst_policy *policy)
{
    fst_control_options options;
    fst_run *run;
    check(fst_control_options_init(&options, sizeof options));
    options.policy = policy;
    options.environments = 1;
    options.steps = 1024;
    options.minibatch = 64;
    options.epochs = 6;
    options.gamma = 0.97;
    options.learning_rate = 1e-3;
    options.learn_in_pieces = 1;
    check(fst_control_create(&options, &run));
    return run;
}

/* ---- the frame loop ---- */

/* Returns what the frame was worth: a game draws itself and waits here. */
static int frame(game *g, fst_run *run)
{
    float seen[SEEN];
    int32_t action, updated;
    look(g, seen);
    check(fst_control_act(run, seen, NULL, &action));
    int worth = move(g, action);
    /* A ball that was missed ends the episode; one that is still in play when the program ends does not. */
    double reward = worth;
    uint8_t ended = worth != 0, cut_short = 0;
    check(fst_control_observe(run, &reward, &ended, &cut_short, NULL));
    check(fst_run_advance(run, &updated)); /* one minibatch, when enough was seen; else nothing */
    return worth;
}

int main(int argc, char **argv)
{
    long frames = argc > 1 ? strtol(argv[1], NULL, 10) : 200000;
    fst_context_options threads;
    fst_context *context;
    game g = {.paddle = 0.5f, .random = 1};
    check(fst_context_options_init(&threads, sizeof threads));
    threads.threads = 1; /* the game's own */
    check(fst_context_create(&threads, &context));
    fst_policy *policy = make_policy(context);
    fst_run *run = make_run(policy);
    serve(&g);
    double longest = 0, sum = 0;
    for (long part = 1, at = 0; part <= 10; ++part) {
        long balls = 0, caught = 0;
        for (; at < frames * part / 10; ++at) {
            double start = milliseconds();
            int worth = frame(&g, run);
            double time = milliseconds() - start;
            longest = time > longest ? time : longest;
            sum += time;
            balls += worth != 0;
            caught += worth > 0;
        }
        printf("%7ld frames (%3ld minutes of play)  caught %5.1f %%\n", at, at / 3600,
               100.0 * (double)caught / (double)(balls ? balls : 1));
        fflush(stdout);
    }
    printf("a frame took %.3f ms on average, %.2f ms at most; there are 16.67 ms\n", sum / (double)(frames ? frames : 1),
           longest);
    fst_run_destroy(run);
    fst_policy_destroy(policy);
    fst_context_destroy(context);
    return 0;
}
