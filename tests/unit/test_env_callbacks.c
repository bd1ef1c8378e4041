/* Environments of callbacks: what they are asked, what the batch says, what is refused and with which words. */
#include "../support/built_in.h"
#include "../support/walk_env.h"

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
    } while (0)

enum { DOWN, STAY, UP };

static fst_context *context;
static walk w;

static void setup(void)
{
    context = tiny_context(1);
}

static void teardown(void)
{
    if (w.env)
        fst_env_destroy(w.env);
    fst_context_destroy(context);
    w.env = NULL;
}

static fst_env *start(const fst_env_options *options)
{
    REQUIRE(fst_env_create(context, options, &w.env));
    REQUIRE(fst_env_reset(w.env, 3));
    return w.env;
}

/* Goes where `action` says until the environment's episode has ended; returns the steps. */
static int go(fst_env *env, int64_t e, int32_t action)
{
    fst_env_batch batch = batch_of(env);
    for (int steps = 1;; ++steps) {
        int32_t actions[WALK_MOST] = {STAY, STAY, STAY, STAY};
        actions[e] = action;
        REQUIRE(fst_env_step(env, actions));
        if (batch.terminated[e] || batch.truncated[e])
            return steps;
    }
}

START_TEST(test_auto_reset)
{
    const fst_env_options options = walk_options(&w, 3);
    fst_env *env = start(&options);
    fst_env_batch batch = batch_of(env);
    const float *observations = batch.observations, *finals = batch.final_observations;
    ck_assert_int_eq(w.resets, 1);
    ck_assert_int_eq(w.counts[0], 3);
    for (int e = 0; e < 3; ++e) {
        ck_assert_int_eq(batch.begins[e], 1);
        ck_assert_double_eq((double)observations[2 * e], (double)w.place[e]);
    }
    int64_t first_seed = w.seed[1], place = w.place[1];
    double sum = 0;
    int steps = go(env, 1, UP);
    for (int64_t i = place + 1; i <= WALK_GOAL; ++i)
        sum += (double)i;
    ck_assert_int_eq(steps, WALK_GOAL - place);
    ck_assert_int_eq(w.resets, 2);
    ck_assert_int_eq(w.counts[w.calls - 1], 1); /* only the one that ended */
    ck_assert_int_ne(w.seed[1], first_seed);
    ck_assert_int_eq(batch.terminated[1], 1);
    ck_assert_int_eq(batch.truncated[1], 0);
    ck_assert_int_eq(batch.begins[1], 1);
    ck_assert_int_eq(batch.begins[0], 0);
    ck_assert_double_eq((double)finals[2], WALK_GOAL);
    ck_assert_double_eq((double)observations[2], (double)(w.seed[1] % 5));
    ck_assert_double_eq(batch.rewards[1], WALK_GOAL);
    ck_assert_double_eq(batch.episode_returns[1], sum);
    ck_assert_int_eq(batch.episode_lengths[1], steps);
    ck_assert_int_eq(batch.episode_lengths[0], steps);
    const int32_t stay[] = {STAY, STAY, STAY};
    REQUIRE(fst_env_step(env, stay));
    ck_assert_int_eq(batch.terminated[1] + batch.begins[1], 0);
    ck_assert_int_eq(batch.episode_lengths[1], 1);
    ck_assert_double_eq(batch.episode_returns[1], (double)w.place[1]);
    ck_assert_int_eq(batch.episode_lengths[0], steps + 1);
    fst_env_destroy(w.env);
    w.env = NULL;
    ck_assert_int_eq(w.destroyed, 1);
}
END_TEST

START_TEST(test_truncation)
{
    fst_env_options options = walk_options(&w, 1);
    options.max_steps = 5;
    options.auto_reset = 0;
    fst_env *env = start(&options);
    fst_env_batch batch = batch_of(env);
    w.place[0] = 1;
    ck_assert_int_eq(go(env, 0, STAY), 5);
    ck_assert(batch.truncated[0] && !batch.terminated[0] && !batch.begins[0]);
    ck_assert_int_eq(w.resets, 1);
    ck_assert_double_eq((double)((const float *)batch.final_observations)[0], 1);
    const int32_t up[] = {UP};
    REFUSED(fst_env_step(env, up), FST_ERR_STATE, "walk: environment 0: episode 0 has ended; fst_env_reset_some");
    const int64_t which[] = {0};
    REQUIRE(fst_env_reset_some(env, which, 1));
    ck_assert(!batch.truncated[0] && batch.begins[0]);
    ck_assert_int_eq(batch.episode_lengths[0], 0);
    w.place[0] = WALK_GOAL - 5; /* the last step allowed ends the task: terminated alone */
    ck_assert_int_eq(go(env, 0, UP), 5);
    ck_assert(batch.terminated[0] && !batch.truncated[0]);
    REQUIRE(fst_env_reset_some(env, which, 1));
    w.wrong = 0;
    w.truncated_as = 1; /* the callback's own */
    REQUIRE(fst_env_step(env, up));
    ck_assert(batch.truncated[0] && !batch.terminated[0]);
}
END_TEST

START_TEST(test_some)
{
    const fst_env_options options = walk_options(&w, 4);
    fst_env *env = start(&options);
    fst_env_batch batch = batch_of(env);
    const int64_t before[] = {w.place[0], w.place[1], w.place[2], w.place[3]}, which[] = {1, 3};
    const int32_t actions[] = {99, UP, 99, STAY}; /* rows of the others are not read */
    REQUIRE(fst_env_step_some(env, which, 2, actions));
    ck_assert_int_eq(w.place[0], before[0]);
    ck_assert_int_eq(w.place[1], before[1] + 1);
    ck_assert(batch.begins[0] && !batch.begins[1] && batch.begins[2] && !batch.begins[3]);
    ck_assert_int_eq(batch.episode_lengths[1], 1);
    ck_assert_int_eq(batch.episode_lengths[2], 0);
    int64_t seed = w.seed[3];
    REQUIRE(fst_env_reset_some(env, which + 1, 1));
    ck_assert_int_ne(w.seed[3], seed);
    ck_assert(batch.begins[3]);
    const int64_t twice[] = {1, 1}, beyond[] = {1, 4}, negative[] = {-1};
    REFUSED(fst_env_step_some(env, twice, 2, actions), FST_ERR_INVALID_ARGUMENT, "indices[1] is 1, expected ascending 0 … 3");
    REFUSED(fst_env_step_some(env, beyond, 2, actions), FST_ERR_INVALID_ARGUMENT, "indices[1] is 4");
    REFUSED(fst_env_reset_some(env, negative, 1), FST_ERR_INVALID_ARGUMENT, "indices[0] is -1");
    REFUSED(fst_env_step_some(env, which, 0, actions), FST_ERR_INVALID_ARGUMENT, "count is 0, expected 1 … 4");
    REFUSED(fst_env_step_some(env, which, 5, actions), FST_ERR_INVALID_ARGUMENT, "count is 5");
}
END_TEST

/* An episode's seed tells of the batch's seed, the environment and the episode alone. */
START_TEST(test_seeds)
{
    const fst_env_options options = walk_options(&w, 4);
    fst_env *env = start(&options);
    int64_t seeds[4], next[4];
    memcpy(seeds, w.seed, sizeof seeds);
    const int64_t last[] = {3}, all[] = {0, 1, 2, 3};
    REQUIRE(fst_env_reset_some(env, last, 1));
    next[3] = w.seed[3];
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < i; ++j)
            ck_assert_int_ne(seeds[i], seeds[j]);
    REQUIRE(fst_env_reset(env, 4));
    ck_assert_int_ne(w.seed[0], seeds[0]);
    REQUIRE(fst_env_reset(env, 3));
    ck_assert_mem_eq(w.seed, seeds, sizeof seeds);
    REQUIRE(fst_env_reset_some(env, all, 4));
    ck_assert_int_eq(w.seed[3], next[3]);
    for (int e = 0; e < 4; ++e)
        ck_assert(w.seed[e] >= 0 && w.seed[e] < (int64_t)1 << 53);
    REFUSED(fst_env_reset(env, -1), FST_ERR_INVALID_ARGUMENT, "seed is -1");
    REFUSED(fst_env_reset(env, (int64_t)1 << 53), FST_ERR_INVALID_ARGUMENT, "seed is 9007199254740992");
}
END_TEST

START_TEST(test_masks)
{
    fst_env_options options = walk_options(&w, 2);
    options.masked = w.masked = 1;
    fst_env *env = start(&options);
    fst_env_batch batch = batch_of(env);
    ck_assert_int_eq(info_of(env).choices, 3);
    while (w.place[1] > 0) {
        const int32_t down[] = {STAY, DOWN};
        ck_assert_int_eq(batch.masks[3], 1);
        REQUIRE(fst_env_step(env, down));
    }
    ck_assert_int_eq(batch.masks[3], 0);
    ck_assert_int_eq(batch.masks[4] + batch.masks[5], 2);
    const int32_t below[] = {STAY, DOWN}, stay[] = {STAY, STAY};
    int64_t steps = w.steps;
    REFUSED(fst_env_step(env, below), FST_ERR_INVALID_ARGUMENT, "action is 0, which the mask forbids");
    ck_assert(strstr(fst_last_error(), "walk: environment 1, episode 0, step"));
    ck_assert_int_eq(w.steps, steps); /* nothing was stepped, and all goes on */
    REQUIRE(fst_env_step(env, stay));
    w.wrong = 1;
    w.mask_as = 0;
    REFUSED(fst_env_step(env, stay), FST_ERR_INVALID_ARGUMENT, "the mask allows nothing");
    ck_assert(strstr(fst_last_error(), "walk: environment 1"));
    w.mask_as = 2;
    REFUSED(fst_env_reset(env, 1), FST_ERR_INVALID_ARGUMENT, "mask[0] is 2, expected 0 or 1");
    w.wrong = -1;
    REQUIRE(fst_env_reset(env, 1));
    options.action_space = &w.observation;
    REFUSED(fst_env_create(context, &options, &env), FST_ERR_INVALID_ARGUMENT, "masked");
}
END_TEST

START_TEST(test_players)
{
    fst_env_options options = walk_options(&w, 1);
    options.players = w.players = 2;
    fst_env *env = start(&options);
    fst_env_batch batch = batch_of(env);
    int64_t mover = w.place[0] % 2, place = w.place[0];
    ck_assert_int_eq(batch.players[0], mover);
    const int32_t up[] = {UP};
    REQUIRE(fst_env_step(env, up)); /* the mover's reward; the return is player 0's */
    ck_assert_double_eq(batch.rewards[0], (double)(place + 1));
    ck_assert_double_eq(batch.episode_returns[0], mover ? -(double)(place + 1) : (double)(place + 1));
    ck_assert_int_eq(batch.players[0], !mover);
    REQUIRE(fst_env_step(env, up));
    ck_assert_double_eq(batch.episode_returns[0], mover ? 1 : -1);
    w.wrong = 0;
    w.player_as = 2;
    REFUSED(fst_env_step(env, up), FST_ERR_INVALID_ARGUMENT, "the player is 2, expected 0 or 1");
}
END_TEST

/* What a callback writes, and what is said about it. */
START_TEST(test_faults)
{
    static const struct {
        double reward;
        float observation;
        uint8_t terminated, truncated;
        fst_status status;
        const char *words;
    } cases[] = {
        {NAN, NAN, 0, 0, FST_ERR_NUMERIC, "the reward is nan"},
        {-INFINITY, NAN, 0, 0, FST_ERR_NUMERIC, "the reward is -inf"},
        {0, INFINITY, 0, 0, FST_ERR_NUMERIC, "observation[1] is inf"},
        {0, 100, 0, 0, FST_ERR_INVALID_ARGUMENT, "observation[1] is 100, expected 0 … 99"},
        {0, -0.5f, 0, 0, FST_ERR_INVALID_ARGUMENT, "observation[1] is -0.5"},
        {0, NAN, 2, 0, FST_ERR_INVALID_ARGUMENT, "terminated is 2, expected 0 or 1"},
        {0, NAN, 0, 255, FST_ERR_INVALID_ARGUMENT, "truncated is 255, expected 0 or 1"},
    };
    const int32_t stay[] = {STAY, STAY, STAY};
    const fst_env_options options = walk_options(&w, 3);
    fst_env *env = start(&options);
    REQUIRE(fst_env_step(env, stay));
    w.wrong = 2;
    w.reward_as = cases[_i].reward;
    w.observation_as = cases[_i].observation;
    w.terminated_as = cases[_i].terminated;
    w.truncated_as = cases[_i].truncated;
    REFUSED(fst_env_step(env, stay), cases[_i].status, cases[_i].words);
    ck_assert_msg(strncmp(fst_last_error(), "walk: environment 2, episode 0, step 2: ", 40) == 0, "%s", fst_last_error());
    fst_env_batch batch;
    const char *text;
    REFUSED(fst_env_step(env, stay), FST_ERR_STATE, "only fst_env_reset begins anew");
    REFUSED(fst_env_get_batch(env, &batch, sizeof batch), FST_ERR_STATE, "has failed");
    REFUSED(fst_env_render(env, 0, FST_RENDER_TEXT, &text), FST_ERR_STATE, "has failed");
    if (!isnan(cases[_i].observation))
        REFUSED(fst_env_reset(env, 1), cases[_i].status, "walk: environment 2, episode 0, step 0: observation[1]");
    w.wrong = -1;
    REQUIRE(fst_env_reset(env, 1));
    REQUIRE(fst_env_step(env, stay));
}
END_TEST

START_TEST(test_faults_of_nan_observations)
{
    const int32_t stay[] = {STAY};
    const fst_env_options options = walk_options(&w, 1);
    fst_env *env = start(&options);
    w.place[0] = INT64_MIN; /* as an observation, far below the least */
    REFUSED(fst_env_step(env, stay), FST_ERR_INVALID_ARGUMENT, "observation[0] is -9.22337e+18, expected 0 … 9");
}
END_TEST

START_TEST(test_returned_values)
{
    const int32_t up[] = {UP, UP};
    const fst_env_options options = walk_options(&w, 2);
    fst_env *env = start(&options);
    fst_env_batch batch = batch_of(env), same;
    float before[4];
    w.step_returns = 7; /* a stop: the step was not taken, and may be taken again */
    memcpy(before, batch.observations, sizeof before);
    ck_assert_int_eq(fst_env_step(env, up), FST_STOPPED);
    ck_assert_mem_eq(batch.observations, before, sizeof before);
    ck_assert_int_eq(batch.episode_lengths[0], 0);
    w.step_returns = 0;
    REQUIRE(fst_env_step(env, up));
    ck_assert_int_eq(batch.episode_lengths[0], 1);
    w.step_returns = -77;
    REFUSED(fst_env_step(env, up), -77, "walk: the step callback returned -77");
    REFUSED(fst_env_step(env, up), FST_ERR_STATE, "only fst_env_reset");
    w.step_returns = 0;
    w.reset_returns = -78;
    REFUSED(fst_env_reset(env, 0), -78, "walk: the reset callback returned -78");
    REFUSED(fst_env_get_batch(env, &same, sizeof same), FST_ERR_STATE, "has failed");
    w.reset_returns = 1;
    ck_assert_int_eq(fst_env_reset(env, 0), FST_STOPPED);
    REFUSED(fst_env_step(env, up), FST_ERR_STATE, "only fst_env_reset");
    w.reset_returns = 0;
    REQUIRE(fst_env_reset(env, 0));
    REQUIRE(fst_env_step(env, up));
}
END_TEST

/* ---- calls from inside ---- */

static fst_status step_again(walk *walking)
{
    const int32_t stay[] = {STAY};
    fst_env_batch batch;
    ck_assert_int_eq(fst_env_reset(walking->env, 0), FST_ERR_BUSY);
    ck_assert_int_eq(fst_env_get_batch(walking->env, &batch, sizeof batch), FST_ERR_BUSY);
    return fst_env_step(walking->env, stay);
}

static fst_status destroy_it(walk *walking)
{
    fst_env_destroy(walking->env);
    walking->env = NULL;
    ck_assert_int_eq(walking->destroyed, 0);
    return FST_OK;
}

START_TEST(test_from_inside)
{
    const int32_t stay[] = {STAY};
    const fst_env_options options = walk_options(&w, 1);
    fst_env *env = start(&options);
    w.inside = step_again;
    REQUIRE(fst_env_step(env, stay));
    ck_assert_int_eq(w.inside_status, FST_ERR_BUSY);
    w.inside = destroy_it;
    REQUIRE(fst_env_step(env, stay));
    ck_assert_int_eq(w.destroyed, 1);
}
END_TEST

/* ---- states and pictures ---- */

START_TEST(test_states)
{
    fst_env_options options = walk_options(&w, 2);
    options.masked = w.masked = 1;
    options.players = w.players = 2;
    options.state_bytes = 16;
    options.save = walk_save;
    options.load = walk_load;
    fst_env *env = start(&options);
    fst_env_batch batch = batch_of(env);
    enum { SIZE = 16 + 8 + 3 + 1 };
    unsigned char state[SIZE], again[SIZE];
    ck_assert_int_eq(info_of(env).state_bytes, SIZE);
    REQUIRE(fst_env_get_state(env, 1, state, SIZE));
    const int32_t up[] = {UP, UP};
    REQUIRE(fst_env_step(env, up));
    REQUIRE(fst_env_set_state(env, 1, state, SIZE));
    ck_assert_int_eq(w.loads, 1);
    ck_assert_double_eq((double)((const float *)batch.observations)[2], (double)w.place[1]);
    ck_assert_int_eq(batch.players[1], w.place[1] % 2);
    ck_assert_int_eq(batch.masks[3], w.place[1] > 0);
    ck_assert_int_eq(batch.episode_lengths[1], 1);
    REQUIRE(fst_env_get_state(env, 1, again, SIZE));
    ck_assert_mem_eq(state, again, SIZE);

    const float outside = 50;
    memcpy(again + 16, &outside, sizeof outside);
    REFUSED(fst_env_set_state(env, 1, again, SIZE), FST_ERR_INVALID_ARGUMENT, "walk: environment 1: state: observation[0] is 50");
    memcpy(again, state, SIZE);
    again[SIZE - 1] = 2;
    REFUSED(fst_env_set_state(env, 1, again, SIZE), FST_ERR_INVALID_ARGUMENT, "the player is 2");
    memcpy(again, state, SIZE);
    memset(again + 24, 0, 3);
    REFUSED(fst_env_set_state(env, 1, again, SIZE), FST_ERR_INVALID_ARGUMENT, "the mask allows nothing");
    ck_assert_int_eq(w.loads, 1);
    REFUSED(fst_env_set_state(env, 1, state, SIZE - 1), FST_ERR_INVALID_ARGUMENT, "size is 27, expected 28");
    REFUSED(fst_env_get_state(env, 2, again, SIZE), FST_ERR_INVALID_ARGUMENT, "index is 2, expected 0 … 1");
    w.save_returns = -5;
    REFUSED(fst_env_get_state(env, 1, again, SIZE), -5, "the save callback returned -5");
    w.load_returns = -6;
    REFUSED(fst_env_set_state(env, 1, state, SIZE), -6, "the load callback returned -6");
    REFUSED(fst_env_step(env, up), FST_ERR_STATE, "only fst_env_reset");
}
END_TEST

START_TEST(test_without_states_and_pictures)
{
    const fst_env_options options = walk_options(&w, 1);
    fst_env *env = start(&options);
    char state[16];
    const char *text;
    ck_assert_int_eq(info_of(env).state_bytes, 0);
    REFUSED(fst_env_get_state(env, 0, state, 16), FST_ERR_UNSUPPORTED, "has no states that can be saved");
    REFUSED(fst_env_render(env, 0, FST_RENDER_TEXT, &text), FST_ERR_UNSUPPORTED, "has no render callback");
}
END_TEST

START_TEST(test_render)
{
    fst_env_options options = walk_options(&w, 1);
    options.render = walk_render;
    fst_env *env = start(&options);
    const char *text;
    for (int32_t format = FST_RENDER_TEXT; format <= FST_RENDER_SVG; ++format) {
        REQUIRE(fst_env_render(env, 0, format, &text));
        ck_assert_uint_eq(strlen(text), 5000);
        ck_assert_int_eq(text[4999], format == FST_RENDER_TEXT ? '0' + (int)w.place[0] : '<');
    }
    REFUSED(fst_env_render(env, 0, 2, &text), FST_ERR_INVALID_ARGUMENT, "format is 2");
    REFUSED(fst_env_render(env, 1, 0, &text), FST_ERR_INVALID_ARGUMENT, "index is 1");
}
END_TEST

/* ---- options ---- */

#define BAD(field, value, words)                                                                   \
    do {                                                                                           \
        fst_env_options bad = walk_options(&w, 1);                                                 \
        fst_env *none = NULL;                                                                      \
        bad.field = value;                                                                         \
        REFUSED(fst_env_create(context, &bad, &none), FST_ERR_INVALID_ARGUMENT, words);            \
        ck_assert_ptr_null(none);                                                                  \
        ck_assert_int_eq(w.destroyed, 0);                                                          \
    } while (0)

START_TEST(test_options)
{
    BAD(count, 0, "fst_env_options.count is 0");
    BAD(reset, NULL, "fst_env_options.reset is NULL");
    BAD(step, NULL, "fst_env_options.step is NULL");
    BAD(observation_space, NULL, "observation_space is NULL");
    BAD(action_space, NULL, "action_space is NULL");
    BAD(state_bytes, -1, "state_bytes is -1");
    BAD(state_bytes, 8, "state_bytes is 8, but save is NULL");
    BAD(max_steps, -1, "max_steps is -1");
    BAD(masked, 2, "masked is 2");
    BAD(players, 3, "players is 3, expected 1 … 2");
    BAD(auto_reset, -1, "auto_reset is -1");
    BAD(reserved, 1, "reserved is 1");
    fst_env_options huge = walk_options(&w, INT64_MAX);
    fst_env *none = NULL;
    ck_assert_int_eq(fst_env_create(context, &huge, &none), FST_ERR_NO_MEMORY);
    const int32_t stay[] = {STAY};
    fst_env_options options = walk_options(&w, 1);
    fst_env_batch batch;
    REQUIRE(fst_env_create(context, &options, &w.env));
    REFUSED(fst_env_step(w.env, stay), FST_ERR_STATE, "walk has not begun: fst_env_reset comes first");
    REFUSED(fst_env_get_batch(w.env, &batch, sizeof batch), FST_ERR_STATE, "has not begun");
}
END_TEST

#define BAD_SPACE(change, words)                                                                   \
    do {                                                                                           \
        fst_space s;                                                                               \
        int64_t told = -1;                                                                         \
        REQUIRE(fst_space_init(&s, sizeof s));                                                     \
        s.shape[0] = 2;                                                                            \
        change;                                                                                    \
        REFUSED(fst_space_get_bytes(&s, &told), FST_ERR_INVALID_ARGUMENT, words);                  \
        ck_assert_int_eq(told, -1);                                                                \
    } while (0)

START_TEST(test_bad_spaces)
{
    const float nan[] = {0, NAN}, two[] = {2, 2}, one[] = {2, 1}, top[] = {0, INFINITY};
    const int64_t counts[] = {3, 0}, many[] = {INT32_MAX, INT32_MAX};
    BAD_SPACE(s.kind = 4, "space.kind is 4");
    BAD_SPACE(s.kind = -1, "space.kind is -1");
    BAD_SPACE(s.dtype = FST_F64, "space.dtype is 1");
    BAD_SPACE(s.rank = 0, "space.rank is 0");
    BAD_SPACE(s.rank = 5, "space.rank is 5");
    BAD_SPACE(s.rank = 2, "space.shape[1] is 0");
    BAD_SPACE(s.shape[0] = -3, "space.shape[0] is -3");
    BAD_SPACE(s.rank = 4; s.shape[0] = s.shape[1] = s.shape[2] = s.shape[3] = INT32_MAX, "too many elements");
    BAD_SPACE(s.low = nan, "space.low[1] is nan");
    BAD_SPACE(s.low = two; s.high = one, "space.low[1] is 2 and space.high[1] is 1");
    BAD_SPACE(s.low = top, "space.low[1] is inf");
    BAD_SPACE(s.low = two; s.dtype = FST_U8, "only a Box of FST_F32 has bounds");
    BAD_SPACE(s.reserved = 1, "space.reserved is not 0");
    BAD_SPACE(s.kind = FST_SPACE_DISCRETE, "space.n is 0");
    BAD_SPACE(s.kind = FST_SPACE_DISCRETE; s.n = (int64_t)INT32_MAX + 1, "space.n is 2147483648");
    BAD_SPACE(s.kind = FST_SPACE_MULTI_DISCRETE, "space.counts is NULL");
    BAD_SPACE(s.kind = FST_SPACE_MULTI_DISCRETE; s.counts = counts, "space.counts[1] is 0");
    BAD_SPACE(s.kind = FST_SPACE_MULTI_DISCRETE; s.counts = many, "too many choices");
    BAD_SPACE(s.kind = FST_SPACE_MULTI_BINARY; s.rank = 2, "space.rank is 2, expected 1");
    BAD_SPACE(s.kind = FST_SPACE_MULTI_BINARY; s.shape[0] = 0, "space.shape[0] is 0");
}
END_TEST

/* ---- actions of every kind of space ---- */

typedef struct action_case {
    const char *what;
    int32_t kind, dtype, size;
    union {
        int32_t choices[2];
        float numbers[2];
        uint8_t bytes[2];
    } given;
    fst_status status;
    const char *words; /* refused */
    float taken[2];    /* Box of floats: as the callback sees them */
} action_case;

typedef struct seen {
    float numbers[2];
} seen;

static int32_t nothing_new(const fst_env_call *call, void *user)
{
    *(int32_t *)call->observations = 0;
    return 0;
}

static int32_t look(const fst_env_call *call, void *user)
{
    memcpy(user, call->actions, sizeof(seen));
    return nothing_new(call, user);
}

static const action_case actions[] = {
    {"choice", FST_SPACE_DISCRETE, 0, 1, {.choices = {2}}, FST_OK, NULL, {0}},
    {"choice", FST_SPACE_DISCRETE, 0, 1, {.choices = {3}}, FST_ERR_INVALID_ARGUMENT, "action is 3, expected 0 … 2", {0}},
    {"choice", FST_SPACE_DISCRETE, 0, 1, {.choices = {-1}}, FST_ERR_INVALID_ARGUMENT, "action is -1", {0}},
    {"choices", FST_SPACE_MULTI_DISCRETE, 0, 2, {.choices = {1, 3}}, FST_OK, NULL, {0}},
    {"choices", FST_SPACE_MULTI_DISCRETE, 0, 2, {.choices = {2, 3}}, FST_ERR_INVALID_ARGUMENT, "action[0] is 2, expected 0 … 1", {0}},
    {"bits", FST_SPACE_MULTI_BINARY, 0, 2, {.choices = {0, 1}}, FST_OK, NULL, {0}},
    {"bits", FST_SPACE_MULTI_BINARY, 0, 2, {.choices = {0, 2}}, FST_ERR_INVALID_ARGUMENT, "action[1] is 2, expected 0 … 1", {0}},
    {"numbers", FST_SPACE_BOX, FST_F32, 2, {.numbers = {0.5f, -0.5f}}, FST_OK, NULL, {0.5f, -0.5f}},
    {"numbers", FST_SPACE_BOX, FST_F32, 2, {.numbers = {7, -INFINITY}}, FST_OK, NULL, {1, -1}},
    {"numbers", FST_SPACE_BOX, FST_F32, 2, {.numbers = {0, NAN}}, FST_ERR_INVALID_ARGUMENT, "action[1] is nan", {0}},
    {"bytes", FST_SPACE_BOX, FST_U8, 2, {.bytes = {0, 255}}, FST_OK, NULL, {0}},
};

START_TEST(test_actions)
{
    static const int64_t counts[] = {2, 4};
    static const float low[] = {-1, -1}, high[] = {1, 1};
    const action_case *c = &actions[_i];
    fst_env_options options = walk_options(&w, 1);
    fst_space bits, action;
    seen got = {{0}};
    REQUIRE(fst_space_init(&bits, sizeof bits));
    bits.kind = FST_SPACE_DISCRETE;
    bits.n = 1;
    REQUIRE(fst_space_init(&action, sizeof action));
    action.kind = c->kind;
    action.dtype = c->dtype;
    action.n = 3;
    action.shape[0] = c->size;
    action.counts = counts;
    if (c->kind == FST_SPACE_BOX && c->dtype == FST_F32) {
        action.low = low;
        action.high = high;
    }
    options.observation_space = &bits;
    options.action_space = &action;
    options.reset = nothing_new;
    options.step = look;
    options.destroy = NULL;
    options.user = &got;
    fst_env *env = start(&options);
    if (c->status)
        REFUSED(fst_env_step(env, &c->given), c->status, c->words);
    else
        REQUIRE(fst_env_step(env, &c->given));
    if (c->taken[0] != 0)
        ck_assert_mem_eq(got.numbers, c->taken, sizeof c->taken);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("env_callbacks");
    TCase *tests = tcase_create("env_callbacks");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_auto_reset);
    tcase_add_test(tests, test_truncation);
    tcase_add_test(tests, test_some);
    tcase_add_test(tests, test_seeds);
    tcase_add_test(tests, test_masks);
    tcase_add_test(tests, test_players);
    tcase_add_loop_test(tests, test_faults, 0, 7);
    tcase_add_test(tests, test_faults_of_nan_observations);
    tcase_add_test(tests, test_returned_values);
    tcase_add_test(tests, test_from_inside);
    tcase_add_test(tests, test_states);
    tcase_add_test(tests, test_without_states_and_pictures);
    tcase_add_test(tests, test_render);
    tcase_add_test(tests, test_options);
    tcase_add_test(tests, test_bad_spaces);
    tcase_add_loop_test(tests, test_actions, 0, (int)(sizeof actions / sizeof *actions));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
