/* Policies that act: every network over every kind of space, masks, a transformer's past, the normaliser,
 * and what is refused. */
#include "../support/small_control.h"

#include "model/control_policy.h"
#include "model/policy.h"

typedef union room {
    float box[SMALL_CONTROL_BYTES / 4];
    int32_t choices[SMALL_CONTROL_BYTES / 4];
    uint8_t bytes[SMALL_CONTROL_BYTES];
} room;

static room seen, done, again;
static float l[SMALL_CONTROL_ROWS], h[SMALL_CONTROL_ROWS], v[SMALL_CONTROL_ROWS];
static float l2[SMALL_CONTROL_ROWS], v2[SMALL_CONTROL_ROWS];

static fst_act_options act_options(int64_t seed, int64_t step)
{
    fst_act_options options;
    REQUIRE(fst_act_options_init(&options, sizeof options));
    options.seed = seed;
    options.step = step;
    return options;
}

static bool same(const float *a, const float *b, int64_t n)
{
    return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

static int64_t allocations(const fst_context *context)
{
    fst_context_info info;
    REQUIRE(fst_context_get_info(context, &info, sizeof info));
    return info.allocations;
}

static void warm_up(fst_policy *policy, const small_control *c)
{
    for (int i = 0; i < 3; ++i) {
        small_observations(c->observation, SMALL_CONTROL_ROWS, 90 + i, &seen);
        REQUIRE(fst_policy_update_normalizer(policy, &seen, SMALL_CONTROL_ROWS));
    }
}

/* The windows that `steps` acts with begins at the first have made, as fst_policy_evaluate takes them. */
static void windows_of(const small_control *c, int steps, room *windows, int32_t *lengths)
{
    fst_space space = small_observation_space(c->observation);
    size_t bytes = (size_t)fst__space_bytes(&space);
    int held = steps < SMALL_WINDOW ? steps : SMALL_WINDOW;
    for (int t = 0; t < held; ++t) {
        room step;
        small_observations(c->observation, SMALL_CONTROL_ROWS, steps - held + t, &step);
        for (int r = 0; r < SMALL_CONTROL_ROWS; ++r)
            memcpy(windows->bytes + (size_t)(r * SMALL_WINDOW + t) * bytes,
                   step.bytes + (size_t)r * bytes, bytes);
    }
    for (int r = 0; r < SMALL_CONTROL_ROWS; ++r)
        lengths[r] = held;
}

/* Evaluating what was done gives what acting gave: to the bit where a row has the same bits in any batch. */
START_TEST(evaluating_agrees_with_acting)
{
    const small_control *c = &small_controls[_i];
    bool windows = c->network == FST_NETWORK_TRANSFORMER;
    fst_context *context = tiny_context(2);
    fst_policy *policy = small_policy(context, c);
    warm_up(policy, c);
    for (int step = 0; step < 6; ++step) {
        uint8_t begins[SMALL_CONTROL_ROWS];
        int32_t lengths[SMALL_CONTROL_ROWS];
        memset(begins, step == 0, sizeof begins);
        small_observations(c->observation, SMALL_CONTROL_ROWS, step, &seen);
        fst_act_options options = act_options(4, step);
        options.begins = begins;
        REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &options, &done, l, v));
        if (windows)
            windows_of(c, step + 1, &seen, lengths);
        fst_action_batch batch;
        REQUIRE(fst_action_batch_init(&batch, sizeof batch));
        batch.count = SMALL_CONTROL_ROWS;
        batch.observations = &seen;
        batch.actions = &done;
        batch.lengths = lengths;
        REQUIRE(fst_policy_evaluate(policy, &batch, l2, h, v2));
        for (int r = 0; r < SMALL_CONTROL_ROWS; ++r) {
            ck_assert_msg(fabsf(l[r] - l2[r]) < 1e-5f && fabsf(v[r] - v2[r]) < 1e-5f,
                          "%s, row %d: %g and %g, %g and %g", c->name, r, (double)l[r], (double)l2[r],
                          (double)v[r], (double)v2[r]);
        }
        ck_assert(windows || (same(l, l2, SMALL_CONTROL_ROWS) && same(v, v2, SMALL_CONTROL_ROWS)));
    }
    fst_policy_destroy(policy);
    fst_context_destroy(context);
}
END_TEST

START_TEST(rows_and_draws)
{
    const small_control *c = &small_controls[_i];
    fst_context *context = tiny_context(1);
    fst_policy *policy = small_policy(context, c);
    fst_space actions, observations;
    REQUIRE(fst_policy_action_space(policy, &actions, sizeof actions));
    REQUIRE(fst_policy_observation_space(policy, &observations, sizeof observations));
    size_t bytes = (size_t)fst__space_bytes(&actions), all = bytes * SMALL_CONTROL_ROWS;
    uint8_t begins[SMALL_CONTROL_ROWS];
    memset(begins, 1, sizeof begins);
    fst_act_options options = act_options(4, 1);
    options.begins = begins;
    small_observations(c->observation, SMALL_CONTROL_ROWS, 3, &seen);
    REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &options, &done, l, v));
    int64_t before = allocations(context);
    REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &options, &again, l2, v2));
    ck_assert_int_eq(allocations(context), before);
    ck_assert(memcmp(&done, &again, all) == 0 && same(l, l2, SMALL_CONTROL_ROWS));
    options.step = 2;
    REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &options, &again, l2, NULL));
    ck_assert(memcmp(&done, &again, all) != 0);
    options.step = 1;
    if (_i < SMALL_MLPS) { /* a row stands for itself */
        REQUIRE(fst_policy_act(policy, &seen, 3, &options, &again, l2, v2));
        ck_assert(memcmp(&done, &again, 3 * bytes) == 0 && same(l, l2, 3) && same(v, v2, 3));
        REQUIRE(fst_policy_act(policy, &seen, 1, &options, &again, l2, v2));
        ck_assert(memcmp(&done, &again, bytes) == 0 && same(l, l2, 1) && same(v, v2, 1));
    }
    options.deterministic = 1;
    REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &options, &done, l, NULL));
    options.seed = options.step = 77;
    REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &options, &again, NULL, NULL));
    ck_assert(memcmp(&done, &again, all) == 0);
    fst_policy_destroy(policy);
    fst_context_destroy(context);
}
END_TEST

/* Forward, and the gradients of all weights, for 1 to 4 threads. */
START_TEST(threads_change_no_bit)
{
    const small_control *c = &small_controls[_i];
    enum { MOST = 1 << 18 };
    static float first[MOST];
    int64_t total = 0;
    for (int32_t threads = 1; threads <= 4; ++threads) {
        fst_context *context = tiny_context(threads);
        fst_policy *policy = small_policy(context, c);
        warm_up(policy, c);
        small_observations(c->observation, SMALL_CONTROL_ROWS, 3, &seen);
        fst_act_options options = act_options(4, 1);
        REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &options, &done, l, v));
        int32_t lengths[SMALL_CONTROL_ROWS];
        fst_action_batch batch = {.struct_size = sizeof batch, .count = SMALL_CONTROL_ROWS,
                                  .observations = &seen, .actions = &done, .lengths = lengths};
        if (c->network == FST_NETWORK_TRANSFORMER)
            windows_of(c, 3, &seen, lengths);
        REQUIRE(fst_policy_evaluate(policy, &batch, l2, h, v2));
        fst_model *model;
        REQUIRE(fst_policy_get_model(policy, &model));
        REQUIRE(fst_policy_backward(policy, l2, h, v2));
        const fst__parameter *parameters;
        int64_t count, at = 0;
        REQUIRE(fst__model_parameters(model, &parameters, &count));
        for (int64_t i = 0; i < count; ++i) {
            int64_t size = fst__parameter_size(&parameters[i]);
            ck_assert_int_le(at + size, MOST);
            if (threads > 1)
                ck_assert(same(first + at, parameters[i].gradient, size));
            memcpy(first + at, parameters[i].gradient, (size_t)size * sizeof *first);
            at += size;
        }
        total = at;
        fst_policy_destroy(policy);
        fst_context_destroy(context);
    }
    double sum = 0;
    for (int64_t i = 0; i < total; ++i)
        sum += fabs((double)first[i]);
    ck_assert_double_gt(sum, 1e-3);
}
END_TEST

START_TEST(masked_choices_are_never_drawn)
{
    enum { ROWS = 1000, STEPS = 100 };
    static float observations[ROWS * 5];
    static uint8_t masks[ROWS * 4];
    static int32_t actions[ROWS];
    fst_context *context = tiny_context(1);
    fst_policy *policy = small_policy(context, &small_controls[0]);
    small_observations(SEES_BOX, ROWS, 1, observations);
    int64_t seen_at[4] = {0};
    for (int r = 0; r < ROWS; ++r)
        for (int j = 0; j < 4; ++j)
            masks[4 * r + j] = j == r % 4 || (r + j) % 3 == 0;
    for (int64_t step = 0; step < STEPS; ++step) {
        fst_act_options options = act_options(9, step);
        options.masks = masks;
        options.deterministic = step == 0;
        REQUIRE(fst_policy_act(policy, observations, ROWS, &options, actions, NULL, NULL));
        for (int r = 0; r < ROWS; ++r) {
            ck_assert(masks[4 * r + actions[r]]);
            ++seen_at[actions[r]];
        }
    }
    for (int j = 0; j < 4; ++j)
        ck_assert_int_gt(seen_at[j], 0);
    memset(masks + 4 * 17, 0, 4);
    fst_act_options options = act_options(9, 0);
    options.masks = masks;
    ck_assert_int_eq(fst_policy_act(policy, observations, ROWS, &options, actions, NULL, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "row 17"));
    fst_policy_destroy(policy);
    fst_context_destroy(context);
}
END_TEST

/* An actor whose episode begins anew acts as one that never had a past; the others go on. */
START_TEST(a_past_ends_with_its_episode)
{
    const small_control *c = &small_controls[SMALL_TRANSFORMER + _i];
    fst_context *context = tiny_context(1);
    fst_policy *old = small_policy(context, c), *fresh;
    REQUIRE(fst__control_copy(old, &fresh));
    for (int step = 0; step < 7; ++step) {
        uint8_t begins[2] = {0, step == 5};
        fst_act_options options = act_options(4, step);
        options.begins = begins;
        small_observations(c->observation, 2, step, &seen);
        REQUIRE(fst_policy_act(old, &seen, 2, &options, &done, l, v));
        if (step < 5)
            continue;
        options.begins = NULL;
        REQUIRE(fst_policy_act(fresh, &seen, 2, &options, &done, l2, v2));
        ck_assert(v[0] != v2[0] && v[1] == v2[1]);
    }
    /* Further back than the window nothing counts. */
    for (int step = 0; step < SMALL_WINDOW; ++step) {
        fst_act_options options = act_options(4, step);
        small_observations(c->observation, 2, 20 + step, &seen);
        REQUIRE(fst_policy_act(old, &seen, 2, &options, &done, l, v));
        REQUIRE(fst_policy_act(fresh, &seen, 2, &options, &done, l2, v2));
        ck_assert((v[0] == v2[0]) == (2 + step + 1 >= SMALL_WINDOW)); /* 2 from above */
    }
    fst_policy_destroy(fresh);
    fst_policy_destroy(old);
    fst_context_destroy(context);
}
END_TEST

/* In pieces of any size: the mean and variance of all at once, by two passes. */
START_TEST(the_normaliser_is_a_mean_and_a_variance)
{
    enum { ROWS = 500, WIDTH = 5 };
    static float x[ROWS * WIDTH];
    fst_context *context = tiny_context(1);
    fst_policy *policy = small_policy(context, &small_controls[2]);
    const fst__running_statistics *s = fst__control_statistics(policy);
    for (int i = 0; i < ROWS * WIDTH; ++i)
        x[i] = (float)(sin(1.3 * i) * (1 + i % WIDTH) + 1e4 * (i % WIDTH));
    for (int at = 0, piece = 1; at < ROWS; at += piece, piece = (piece * 3) % 101) {
        piece = at + piece > ROWS ? ROWS - at : piece;
        REQUIRE(fst_policy_update_normalizer(policy, x + at * WIDTH, piece));
    }
    ck_assert(fabs(s->count - (ROWS + 1e-4)) < 1e-9);
    for (int c = 0; c < WIDTH; ++c) {
        double mean = 0, variance = 0;
        for (int r = 0; r < ROWS; ++r)
            mean += x[r * WIDTH + c];
        mean /= ROWS + 1e-4; /* the beginning's 1e-4 observations are 0 … */
        for (int r = 0; r < ROWS; ++r)
            variance += (x[r * WIDTH + c] - mean) * (x[r * WIDTH + c] - mean);
        variance = (variance + 1e-4 * (1 + mean * mean)) / (ROWS + 1e-4); /* … with variance 1 */
        ck_assert(fabs(s->mean[c] - mean) <= 1e-12 * fmax(1, fabs(mean)));
        ck_assert_msg(fabs(s->variance[c] - variance) <= 1e-10 * variance, "%.17g %.17g", s->variance[c],
                      variance);
    }
    float row[WIDTH];
    REQUIRE(fst__control_encode(policy, x, 1, row));
    for (int c = 0; c < WIDTH; ++c)
        ck_assert(row[c] == (float)((x[c] - s->mean[c]) / sqrt(s->variance[c] + 1e-8)));
    x[0] = 1e30f;
    REQUIRE(fst__control_encode(policy, x, 1, row));
    ck_assert(row[0] == 10);
    x[3 * WIDTH] = INFINITY;
    ck_assert_int_eq(fst_policy_update_normalizer(policy, x, ROWS), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "row 3"));
    ck_assert(fabs(s->count - (ROWS + 1e-4)) < 1e-9);
    fst_policy_destroy(policy);
    fst_context_destroy(context);
}
END_TEST

START_TEST(copies)
{
    const small_control *c = &small_controls[_i];
    fst_context *context = tiny_context(1);
    fst_policy *policy = small_policy(context, c), *copy;
    warm_up(policy, c);
    REQUIRE(fst__control_copy(policy, &copy));
    fst_act_options options = act_options(4, 1);
    small_observations(c->observation, SMALL_CONTROL_ROWS, 3, &seen);
    REQUIRE(fst_policy_act(policy, &seen, SMALL_CONTROL_ROWS, &options, &done, l, v));
    REQUIRE(fst_policy_act(copy, &seen, SMALL_CONTROL_ROWS, &options, &again, l2, v2));
    ck_assert(same(l, l2, SMALL_CONTROL_ROWS) && same(v, v2, SMALL_CONTROL_ROWS));
    fst_view view;
    fst_model *model;
    REQUIRE(fst_policy_get_model(policy, &model));
    REQUIRE(fst_model_parameter(model, "heads.value.bias", &view));
    ((float *)view.data)[0] += 1;
    REQUIRE(fst_policy_act(copy, &seen, SMALL_CONTROL_ROWS, &options, &again, l2, v2));
    ck_assert(same(v, v2, SMALL_CONTROL_ROWS) || c->network == FST_NETWORK_TRANSFORMER);
    REQUIRE(fst__control_copy_state(copy, policy));
    options.begins = memset(again.bytes, 1, SMALL_CONTROL_ROWS);
    room spare;
    REQUIRE(fst_policy_act(copy, &seen, SMALL_CONTROL_ROWS, &options, &spare, l2, v2));
    ck_assert(fabsf(v2[0] - v[0] - 1) < 1e-5f);
    fst_policy_destroy(policy);
    fst_policy_destroy(copy);
    fst_context_destroy(context);
}
END_TEST

/* A model of the caller's: its heads are used, those it lacks are added, and it is as before where that
 * fails. */
START_TEST(a_model_that_is_given)
{
    fst_context *context = tiny_context(1);
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_MLP));
    config.inputs = 5;
    config.layers = 1;
    config.tower_width = 9;
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "value";
    head.init_std = 0;
    REQUIRE(fst_model_add_head(model, &head));
    fst_space spaces[2];
    fst_control_policy_options options = small_control_options(&small_controls[0], spaces);
    options.model = model;
    int64_t heads;
    fst_policy *policy = NULL;
    spaces[0].shape[0] = 6;
    ck_assert_int_eq(fst_policy_create_control(context, &options, &policy), FST_ERR_MISMATCH);
    spaces[0].shape[0] = 5;
    REQUIRE(fst_model_head_count(model, &heads));
    ck_assert(heads == 1 && !policy);
    REQUIRE(fst_policy_create_control(context, &options, &policy));
    REQUIRE(fst_model_head_count(model, &heads));
    ck_assert_int_eq(heads, 2);
    small_observations(SEES_BOX, 3, 1, &seen);
    REQUIRE(fst_policy_act(policy, &seen, 3, NULL, &done, l, v));
    ck_assert(v[0] == 0 && v[2] == 0);
    fst_policy_destroy(policy);
    spaces[1].n = 7; /* the head "policy" is there now, of 4 outputs */
    ck_assert_int_eq(fst_policy_create_control(context, &options, &policy), FST_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "policy"));
    fst_model_destroy(model);
    config = tiny_config(FST_FAMILY_GPT2);
    options.model = model = tiny_model(context, &config, FST_F32, 0);
    ck_assert_int_eq(fst_policy_create_control(context, &options, &policy), FST_ERR_UNSUPPORTED);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* The two kinds of policies, told apart. */
START_TEST(text_and_control_refuse_each_other)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, FST_F32, 0), *found;
    fst_policy *text, *acts = small_policy(context, &small_controls[0]);
    REQUIRE(fst_policy_create(model, NULL, &text));
    REQUIRE(fst_policy_get_model(text, &found));
    ck_assert_ptr_eq(found, model);
    fst_space space;
    int32_t ids[] = {1, 2};
    const int32_t *prompts[] = {ids};
    const char *texts[] = {"text"};
    int64_t length = 2;
    fst_generation generation;
    fst_action_batch batch = {.struct_size = sizeof batch, .count = 1, .observations = &seen, .actions = &done};
    const fst_status statuses[] = {
        fst_policy_act(text, &seen, 1, NULL, &done, l, v),
        fst_policy_evaluate(text, &batch, l, h, v),
        fst_policy_backward(text, l, NULL, NULL),
        fst_policy_update_normalizer(text, &seen, 1),
        fst_policy_save(text, "/dev/null/none"),
        fst_policy_action_space(text, &space, sizeof space),
        fst_policy_observation_space(text, &space, sizeof space),
        fst_policy_generate(acts, prompts, &length, 1, NULL, NULL, NULL),
        fst_policy_generate_text(acts, texts, NULL, 1, NULL, NULL, NULL),
        fst_policy_get_result(acts, 0, &generation, sizeof generation),
    };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; ++i)
        ck_assert_msg(statuses[i] == FST_ERR_STATE, "%d: %d", (int)i, (int)statuses[i]);
    fst_policy *none;
    REQUIRE(fst_policy_get_model(acts, &found));
    ck_assert_int_eq(fst_policy_create(found, NULL, &none), FST_ERR_UNSUPPORTED);
    fst_policy_destroy(text);
    fst_policy_destroy(acts);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

static fst_context *shared_context;

static void refuse(const fst_control_policy_options *options, fst_status status, const char *field)
{
    fst_policy *policy = NULL;
    ck_assert_int_eq(fst_policy_create_control(shared_context, options, &policy), status);
    ck_assert_msg(strstr(fst_last_error(), field) != NULL, "\"%s\" does not name %s", fst_last_error(), field);
    ck_assert_ptr_null(policy);
}

START_TEST(options_that_cannot_be)
{
    shared_context = tiny_context(1);
    fst_space spaces[2];
    const fst_control_policy_options good = small_control_options(&small_controls[0], spaces);
    fst_control_policy_options o;
    const int64_t live = shared_context->allocator.live_bytes;
#define WITH(field, value) (o = good, o.field = (value), &o)
    refuse(WITH(observation_space, NULL), FST_ERR_INVALID_ARGUMENT, "observation_space");
    refuse(WITH(action_space, NULL), FST_ERR_INVALID_ARGUMENT, "action_space");
    refuse(WITH(network, 4), FST_ERR_INVALID_ARGUMENT, "network");
    refuse(WITH(network, FST_NETWORK_CNN), FST_ERR_INVALID_ARGUMENT, "network");
    refuse(WITH(shared, 2), FST_ERR_INVALID_ARGUMENT, "shared");
    refuse(WITH(layers, -1), FST_ERR_INVALID_ARGUMENT, "layers");
    refuse(WITH(layers, 9), FST_ERR_INVALID_ARGUMENT, "layers");
    refuse(WITH(width, -1), FST_ERR_INVALID_ARGUMENT, "width");
    refuse(WITH(activation, 9), FST_ERR_INVALID_ARGUMENT, "activation");
    refuse(WITH(orthogonal, 2), FST_ERR_INVALID_ARGUMENT, "orthogonal");
    refuse(WITH(policy_gain, -1), FST_ERR_INVALID_ARGUMENT, "policy_gain");
    refuse(WITH(policy_gain, NAN), FST_ERR_INVALID_ARGUMENT, "policy_gain");
    refuse(WITH(initial_log_std, INFINITY), FST_ERR_INVALID_ARGUMENT, "initial_log_std");
    refuse(WITH(normalize_observations, 2), FST_ERR_INVALID_ARGUMENT, "normalize_observations");
    refuse(WITH(observation_clip, 0), FST_ERR_INVALID_ARGUMENT, "observation_clip");
    o = good;
    o.network = FST_NETWORK_TRANSFORMER;
    o.window = 0;
    refuse(&o, FST_ERR_INVALID_ARGUMENT, "window");
    o.window = 4;
    o.heads = 3;
    refuse(&o, FST_ERR_INVALID_ARGUMENT, "heads");
    spaces[0].kind = FST_SPACE_DISCRETE;
    refuse(WITH(normalize_observations, 1), FST_ERR_INVALID_ARGUMENT, "normalize_observations");
    spaces[0].n = 0;
    refuse(&good, FST_ERR_INVALID_ARGUMENT, "observation_space");
    spaces[0].n = 1 << 25;
    refuse(&good, FST_ERR_INVALID_ARGUMENT, "observation_space");
    spaces[0] = small_observation_space(SEES_BOX);
    spaces[1] = small_observation_space(SEES_BYTES);
    refuse(&good, FST_ERR_UNSUPPORTED, "float32");
#undef WITH
    ck_assert_int_eq(shared_context->allocator.live_bytes, live);
    fst_context_destroy(shared_context);
}
END_TEST

START_TEST(calls_that_cannot_be)
{
    fst_context *context = tiny_context(1);
    fst_policy *policy = small_policy(context, &small_controls[0]);
    fst_policy *choices = small_policy(context, &small_controls[4]);
    small_observations(SEES_BOX, SMALL_CONTROL_ROWS, 1, &seen);
    fst_act_options options = act_options(0, -1);
    ck_assert_int_eq(fst_policy_act(policy, &seen, 2, &options, &done, l, v), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_policy_act(policy, &seen, 0, NULL, &done, l, v), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_policy_act(policy, &seen, (1 << 20) + 1, NULL, &done, l, v), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_policy_backward(policy, l, NULL, NULL), FST_ERR_STATE);
    fst_action_batch batch = {.struct_size = sizeof batch, .count = 2, .observations = &seen, .actions = &done};
    done.choices[0] = done.choices[1] = 3;
    REQUIRE(fst_policy_evaluate(policy, &batch, l, h, v));
    ck_assert_int_eq(fst_policy_backward(policy, NULL, NULL, NULL), FST_ERR_INVALID_ARGUMENT);
    REQUIRE(fst_policy_backward(policy, l, NULL, NULL));
    ck_assert_int_eq(fst_policy_backward(policy, l, NULL, NULL), FST_ERR_STATE);
    REQUIRE(fst_policy_evaluate(policy, &batch, l, h, v));
    REQUIRE(fst_policy_act(policy, &seen, 2, NULL, &again, NULL, NULL));
    ck_assert_int_eq(fst_policy_backward(policy, l, NULL, NULL), FST_ERR_STATE);
    done.choices[1] = 4;
    ck_assert_int_eq(fst_policy_evaluate(policy, &batch, l, h, v), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "row 1"));
    seen.box[5 * 6 + 2] = NAN;
    ck_assert_int_eq(fst_policy_act(policy, &seen, 8, NULL, &done, l, v), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "row 6"));
    small_observations(SEES_CHOICES, 4, 1, &seen);
    seen.choices[3 * 2 + 1] = 1; /* of a part of one choice */
    ck_assert_int_eq(fst_policy_act(choices, &seen, 4, NULL, &done, l, v), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "row 2"));
    /* Weights that are no numbers any more. */
    fst_view view;
    fst_model *model;
    REQUIRE(fst_policy_get_model(policy, &model));
    REQUIRE(fst_model_parameter(model, "heads.policy.bias", &view));
    ((float *)view.data)[1] = NAN;
    small_observations(SEES_BOX, 2, 1, &seen);
    ck_assert_int_eq(fst_policy_act(policy, &seen, 2, NULL, &done, l, v), FST_ERR_NUMERIC);
    fst_policy_destroy(policy);
    fst_policy_destroy(choices);
    fst_context_destroy(context);
}
END_TEST

/* What run takes: reserved once, nothing is allocated afterwards. */
START_TEST(reserved_steps_allocate_nothing)
{
    const small_control *c = &small_controls[_i];
    fst_context *context = tiny_context(2);
    fst_policy *policy = small_policy(context, c);
    REQUIRE(fst__control_reserve(policy, 8, SMALL_CONTROL_ROWS));
    int64_t before = allocations(context);
    static room rows;
    memset(&rows, 0, sizeof rows);
    fst__distribution_draw draw = {1, 2, 0, false};
    fst__real values[SMALL_CONTROL_ROWS];
    for (int i = 0; i < 2; ++i) {
        REQUIRE(fst__control_act(policy, &rows, NULL, NULL, 8, &draw, &done, values, values));
        REQUIRE(fst__control_act(policy, &rows, NULL, NULL, 8, &draw, NULL, NULL, values));
        memset(&done, 0, sizeof done);
        fst__control_steps steps = {.rows = &rows, .actions = &done, .count = SMALL_CONTROL_ROWS};
        REQUIRE(fst__control_evaluate(policy, &steps, true, values, values, values));
        REQUIRE(fst__control_backward(policy, values, values, values));
        ck_assert_int_eq(allocations(context), before);
    }
    fst_policy_destroy(policy);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control_policy");
    TCase *tests = tcase_create("control_policy");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, evaluating_agrees_with_acting, 0, SMALL_CONTROLS);
    tcase_add_loop_test(tests, rows_and_draws, 0, SMALL_CONTROLS);
    tcase_add_loop_test(tests, threads_change_no_bit, 0, SMALL_CONTROLS);
    tcase_add_test(tests, masked_choices_are_never_drawn);
    tcase_add_loop_test(tests, a_past_ends_with_its_episode, 0, 3);
    tcase_add_test(tests, the_normaliser_is_a_mean_and_a_variance);
    tcase_add_loop_test(tests, copies, 0, SMALL_CONTROLS);
    tcase_add_test(tests, a_model_that_is_given);
    tcase_add_test(tests, text_and_control_refuse_each_other);
    tcase_add_test(tests, options_that_cannot_be);
    tcase_add_test(tests, calls_that_cannot_be);
    tcase_add_loop_test(tests, reserved_steps_allocate_nothing, 0, SMALL_CONTROLS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
