/* How long a policy takes to act, and its distribution to be evaluated: microseconds, the fastest of many. */
#include "bench.h"

#include "fourstage/actions.h"
#include "fourstage/context.h"
#include "fourstage/control_policy.h"
#include "fourstage/policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_ROWS = 64, REPEATS = 40, CALLS = 500, INPUTS = 4 };

static void check(fst_status status)
{
    if (status) {
        fprintf(stderr, "%s\n", fst_last_error());
        exit(1);
    }
}

static fst_space space_of(int32_t kind, int64_t n)
{
    fst_space space;
    check(fst_space_init(&space, sizeof space));
    space.kind = kind;
    space.n = n;
    space.shape[0] = n;
    return space;
}

static float observations[MOST_ROWS * INPUTS], x[MOST_ROWS * 8], log_std[8], actions[MOST_ROWS * 8];
static float l[MOST_ROWS], h[MOST_ROWS], v[MOST_ROWS];

static double acting(fst_policy *policy, int64_t rows)
{
    fst_act_options options;
    check(fst_act_options_init(&options, sizeof options));
    double best = 1e9;
    for (int repeat = 0; repeat < REPEATS; ++repeat) {
        int64_t begin = bench_now();
        for (int call = 0; call < CALLS; ++call) {
            options.step = call;
            check(fst_policy_act(policy, observations, rows, &options, actions, l, v));
        }
        best = fmin(best, (double)(bench_now() - begin) * 1e-3 / CALLS);
    }
    return best;
}

static double evaluating(const fst_space *space)
{
    double best = 1e9;
    check(fst_actions_sample(space, x, log_std, NULL, MOST_ROWS, 1, 1, 0, actions, l));
    for (int repeat = 0; repeat < REPEATS; ++repeat) {
        int64_t begin = bench_now();
        for (int call = 0; call < CALLS; ++call)
            check(fst_actions_evaluate(space, x, log_std, NULL, actions, MOST_ROWS, l, h));
        best = fmin(best, (double)(bench_now() - begin) * 1e-3 / CALLS);
    }
    return best;
}

int main(void)
{
    fst_context_options options;
    fst_control_policy_options how;
    fst_context *context;
    fst_policy *policy;
    check(fst_context_options_init(&options, sizeof options));
    options.threads = 1;
    check(fst_context_create(&options, &context));
    fst_space sees = space_of(FST_SPACE_BOX, INPUTS), acts[] = {space_of(FST_SPACE_DISCRETE, 2),
                                                               space_of(FST_SPACE_BOX, 2)};
    for (int i = 0; i < MOST_ROWS * 8; ++i)
        x[i] = (float)sin(1.7 * i);
    for (int i = 0; i < MOST_ROWS * INPUTS; ++i)
        observations[i] = (float)cos(1.3 * i);
    for (int kind = 0; kind < 2; ++kind) {
        check(fst_control_policy_options_init(&how, sizeof how));
        how.observation_space = &sees;
        how.action_space = &acts[kind];
        how.normalize_observations = 1;
        check(fst_policy_create_control(context, &how, &policy));
        for (int64_t rows = 1; rows <= MOST_ROWS; rows *= 8)
            printf("act, two towers 4-64-64, %s, %2d rows: %7.2f us\n", kind ? "Box(2)" : "Discrete(2)", (int)rows,
                   acting(policy, rows));
        fst_policy_destroy(policy);
    }
    printf("evaluate 64 rows, Discrete(2): %.2f us\n", evaluating(&acts[0]));
    fst_space four = space_of(FST_SPACE_DISCRETE, 4), box = space_of(FST_SPACE_BOX, 6);
    printf("evaluate 64 rows, Discrete(4): %.2f us\n", evaluating(&four));
    printf("evaluate 64 rows, Box(6): %.2f us\n", evaluating(&box));
    fst_context_destroy(context);
    return 0;
}
