/* What a run in environments may be asked for. */
#include "stages/rl/control.h"

#include "base/checked.h"
#include "base/error.h"

#include <inttypes.h>
#include <math.h>

fst_control_options fst__play_defaults(void)
{
    return (fst_control_options){
        .struct_size = sizeof(fst_control_options),
        .algorithm = FST_RL_PPO,
        .environments = 1,
        .steps = 2048,
        .minibatch = 64,
        .epochs = 10,
        .gamma = 0.99,
        .lambda = 0.95,
        .clip = 0.2,
        .value_coefficient = 0.5,
        .normalize_advantages = 1,
        .reward_clip = 10,
        .evaluation_episodes = 10,
        .evaluation_deterministic = 1,
        .opponents = 8,
        .opponent_every = 10,
        .opponent_latest = 0.5,
        .learning_rate = 3e-4,
    };
}

static fst_status bad(const char *field, const char *expected)
{
    return fst__fail(FST_ERR_INVALID_ARGUMENT, "fst_control_options.%s: expected %s", field, expected);
}

static bool known(int32_t algorithm)
{
    return algorithm == FST_RL_PPO || algorithm == FST_RL_A2C || algorithm == FST_RL_REINFORCE;
}

fst_status fst__play_set_algorithm(fst_control_options *o, int32_t algorithm)
{
    if (!known(algorithm))
        return bad("algorithm", "FST_RL_PPO, FST_RL_A2C or FST_RL_REINFORCE");
    bool ppo = algorithm == FST_RL_PPO, a2c = algorithm == FST_RL_A2C;
    o->algorithm = algorithm;
    o->steps = a2c ? 5 : 2048;
    o->minibatch = ppo ? 64 : 0;
    o->epochs = ppo ? 10 : 1;
    o->lambda = ppo ? 0.95 : 1;
    o->value_coefficient = algorithm == FST_RL_REINFORCE ? 0 : 0.5;
    o->normalize_advantages = !a2c;
    o->learning_rate = a2c ? 7e-4 : 3e-4;
    return FST_OK;
}

typedef struct range {
    const char *name;
    double value, least, most;
} range;

static fst_status check_ranges(const fst_control_options *o)
{
    const range ranges[] = {
        {"anneal_clip", o->anneal_clip, 0, 1},
        {"environments", (double)o->environments, 1, INT32_MAX},
        {"steps", (double)o->steps, 1, INT32_MAX},
        {"minibatch", (double)o->minibatch, 0, INT32_MAX},
        {"epochs", (double)o->epochs, 1, INT32_MAX},
        {"seed_env", (double)o->seed_env, 0, 0x1p53 - 1},
        {"gamma", o->gamma, 0, 1},
        {"lambda", o->lambda, 0, 1},
        {"clip", o->clip, 0, 1},
        {"value_clip", o->value_clip, 0, HUGE_VAL},
        {"value_coefficient", o->value_coefficient, 0, HUGE_VAL},
        {"entropy_coefficient", o->entropy_coefficient, 0, HUGE_VAL},
        {"stop_kl", o->stop_kl, 0, HUGE_VAL},
        {"normalize_advantages", o->normalize_advantages, 0, 1},
        {"normalize_rewards", o->normalize_rewards, 0, 1},
        {"reward_clip", o->reward_clip, 0, HUGE_VAL},
        {"evaluation_episodes", (double)o->evaluation_episodes, 1, INT32_MAX},
        {"evaluation_deterministic", o->evaluation_deterministic, 0, 1},
        {"learn_in_pieces", o->learn_in_pieces, 0, 1},
        {"opponents", (double)o->opponents, 1, 1024},
        {"opponent_every", (double)o->opponent_every, 1, INT32_MAX},
        {"opponent_latest", o->opponent_latest, 0, 1},
        {"learning_rate", o->learning_rate, 0, HUGE_VAL},
        {"anneal_learning_rate", o->anneal_learning_rate, 0, 1},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; ++i) {
        const range *r = &ranges[i];
        if (!(r->value >= r->least && r->value <= r->most) || isinf(r->value))
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "fst_control_options.%s is %g, expected %g to %g", r->name, r->value,
                             r->least, r->most);
    }
    return FST_OK;
}

static fst_status check_combinations(const fst_control_options *o, const fst_run_options *run)
{
    if (!known(o->algorithm))
        return bad("algorithm", "FST_RL_PPO, FST_RL_A2C or FST_RL_REINFORCE");
    bool ppo = o->algorithm == FST_RL_PPO;
    if (!ppo && o->epochs != 1)
        return bad("epochs", "1 for A2C and REINFORCE, which go through their steps once");
    if (!ppo && o->minibatch != 0)
        return bad("minibatch", "0 for A2C and REINFORCE, whose one update is from all steps");
    if (o->value_coefficient == 0 && o->algorithm != FST_RL_REINFORCE)
        return bad("value_coefficient", "a value above 0: PPO and A2C take advantages from the values");
    if (o->normalize_rewards && !(o->reward_clip > 0))
        return bad("reward_clip", "a value above 0 with normalize_rewards");
    if (o->anneal_clip && run->total_steps < 1)
        return bad("anneal_clip", "0 without fst_run_options.total_steps, over which clip falls");
    if (o->anneal_learning_rate && run->total_steps < 1)
        return bad("anneal_learning_rate", "0 without fst_run_options.total_steps, over which it falls");
    if (o->anneal_learning_rate && o->optimizer)
        return bad("anneal_learning_rate", "0 with an optimizer, whose own schedule counts");
    if (o->learn_in_pieces && o->env)
        return bad("learn_in_pieces", "0 with an environment, where fst_run_advance goes in pieces");
    return FST_OK;
}

fst_status fst__play_resolve(fst_control_options *o, const fst_run_options *run)
{
    fst_status status = check_ranges(o);
    if (!status)
        status = check_combinations(o, run);
    int64_t all;
    if (!status && (!fst__mul_i64(o->steps, o->environments, &all) || all > INT32_MAX))
        status = bad("steps", "less than 2³¹ steps of all environments in an iteration");
    if (!status && (o->minibatch == 0 || o->minibatch > all))
        o->minibatch = all;
    return status;
}
