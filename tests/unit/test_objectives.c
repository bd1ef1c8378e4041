/* The objectives by hand: values that follow from their formulas, edges, and what is refused. */
#include "fourstage/objectives.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define CLOSE(got, expected) ck_assert_double_eq_tol((double)(got), (double)(expected), 1e-6)
#define OK(call) ck_assert_msg((call) == FST_OK, "%s", fst_last_error())
#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
    } while (0)

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* ---- advantages ---- */

static fst_trajectories layout_of(int64_t trajectories, int64_t steps)
{
    fst_trajectories layout;
    OK(fst_trajectories_init(&layout, sizeof layout));
    layout.trajectories = trajectories;
    layout.steps = steps;
    return layout;
}

START_TEST(test_gae_text)
{
    /* Two responses one behind the other, of one and of three tokens; nothing follows them. */
    const int64_t offsets[] = {0, 1}, lengths[] = {1, 3};
    const float rewards[] = {2, 0, 0, 1}, values[] = {0.5f, 0.1f, 0.2f, 0.3f};
    float advantages[4], returns[4];
    fst_gae_options options;
    OK(fst_gae_options_init(&options, sizeof options));
    options.lambda = 0.5;
    fst_trajectories layout = layout_of(2, 0);
    layout.offsets = offsets;
    layout.lengths = lengths;
    OK(fst_advantages_gae(&options, &layout, rewards, values, NULL, NULL, NULL, NULL, advantages,
                          returns));
    CLOSE(advantages[0], 1.5);
    CLOSE(advantages[3], 0.7);
    CLOSE(advantages[2], 0.1 + 0.5 * 0.7);
    CLOSE(advantages[1], 0.1 + 0.5 * (0.1 + 0.5 * 0.7));
    for (int i = 0; i < 4; ++i)
        CLOSE(returns[i], advantages[i] + values[i]);
}
END_TEST

START_TEST(test_gae_environments)
{
    /* [T = 3, N = 2]: the first ends in step 1, the second is cut short there. */
    const float rewards[] = {1, 1, 2, 2, 3, 3}, values[] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f};
    const float last[] = {10, 20}, cut[] = {NAN, NAN, NAN, 7, NAN, NAN};
    const uint8_t terminated[] = {0, 0, 1, 0, 0, 0}, truncated[] = {0, 0, 0, 1, 0, 0};
    float a[6];
    fst_gae_options options;
    OK(fst_gae_options_init(&options, sizeof options));
    options.gamma = 0.9;
    options.lambda = 0.8;
    fst_trajectories layout = layout_of(2, 3);
    layout.trajectory_stride = 1;
    layout.step_stride = 2;
    OK(fst_advantages_gae(&options, &layout, rewards, values, last, terminated, truncated, cut, a,
                          NULL));
    CLOSE(a[4], 3 + 0.9 * 10 - 0.5);
    CLOSE(a[2], 2 - 0.3);
    CLOSE(a[0], 1 + 0.9 * 0.3 - 0.1 + 0.72 * (2 - 0.3));
    CLOSE(a[5], 3 + 0.9 * 20 - 0.6);
    CLOSE(a[3], 2 + 0.9 * 7 - 0.4);
    CLOSE(a[1], 1 + 0.9 * 0.4 - 0.2 + 0.72 * (2 + 0.9 * 7 - 0.4));
    /* Without the flags' arrays: the same as one episode to the end. */
    float whole[6];
    OK(fst_advantages_gae(&options, &layout, rewards, values, last, NULL, NULL, NULL, whole, NULL));
    CLOSE(whole[2], 2 + 0.9 * 0.5 - 0.3 + 0.72 * whole[4]);
    /* A last step that terminated reads no final value. */
    const float nowhere[] = {NAN, NAN};
    const uint8_t all[] = {1, 1, 1, 1, 1, 1};
    OK(fst_advantages_gae(&options, &layout, rewards, values, nowhere, all, NULL, NULL, a, NULL));
    for (int i = 0; i < 6; ++i)
        CLOSE(a[i], rewards[i] - values[i]);
}
END_TEST

START_TEST(test_gae_padding_and_refusals)
{
    /* Padded [2, 3]: what is no step may be anything, and stays what it is. */
    const int64_t lengths[] = {2, 0};
    float rewards[] = {1, 1, NAN, NAN, NAN, NAN}, values[] = {0, 0, NAN, NAN, NAN, NAN};
    float a[6] = {9, 9, 9, 9, 9, 9};
    const uint8_t flags[6] = {0};
    fst_trajectories layout = layout_of(2, 3);
    layout.lengths = lengths;
    OK(fst_advantages_gae(NULL, &layout, rewards, values, NULL, NULL, NULL, NULL, a, NULL));
    CLOSE(a[1], 1);
    CLOSE(a[0], 1.95);
    CLOSE(a[2], 9);
    CLOSE(a[3], 9);
    values[1] = INFINITY;
    REFUSED(fst_advantages_gae(NULL, &layout, rewards, values, NULL, NULL, NULL, NULL, a, NULL),
            FST_ERR_NUMERIC, "values[1]");
    CLOSE(a[0], 1.95);
    values[1] = 0;
    REFUSED(fst_advantages_gae(NULL, &layout, rewards, values, NULL, NULL, flags, NULL, a, NULL),
            FST_ERR_INVALID_ARGUMENT, "truncation_values");
    layout.lengths = NULL;
    layout.trajectory_stride = INT64_MAX;
    REFUSED(fst_advantages_gae(NULL, &layout, rewards, values, NULL, NULL, NULL, NULL, a, NULL),
            FST_ERR_INVALID_ARGUMENT, "overflow");
    layout = layout_of(2, 0);
    REFUSED(fst_advantages_gae(NULL, &layout, rewards, values, NULL, NULL, NULL, NULL, a, NULL),
            FST_ERR_INVALID_ARGUMENT, "trajectory 0");
    fst_gae_options options;
    OK(fst_gae_options_init(&options, sizeof options));
    options.gamma = 1.5;
    layout = layout_of(1, 2);
    REFUSED(fst_advantages_gae(&options, &layout, rewards, values, NULL, NULL, NULL, NULL, a, NULL),
            FST_ERR_INVALID_ARGUMENT, "gamma");
}
END_TEST

START_TEST(test_whiten)
{
    float a[] = {1, NAN, 2, 3, 6};
    const uint8_t mask[] = {1, 0, 1, 1, 1};
    double deviation = sqrt((4 + 1 + 0 + 9) / 3.0);
    OK(fst_advantages_whiten(a, mask, 5, 1));
    CLOSE(a[0], -2 / deviation);
    CLOSE(a[4], 3 / deviation);
    ck_assert(isnan(a[1]));
    float b[] = {1, 2, 3, 6};
    OK(fst_advantages_whiten(b, NULL, 4, 0));
    CLOSE(b[0], 3 - 2 / deviation);
    float one[] = {5};
    OK(fst_advantages_whiten(one, NULL, 1, 1));
    CLOSE(one[0], 0);
    const uint8_t none[] = {0};
    OK(fst_advantages_whiten(one, none, 1, 1));
    float equal[] = {4, 4, 4};
    OK(fst_advantages_whiten(equal, NULL, 3, 1));
    CLOSE(equal[2], 0);
    REFUSED(fst_advantages_whiten(a, NULL, 5, 1), FST_ERR_NUMERIC, "advantages[1]");
}
END_TEST

START_TEST(test_groups)
{
    const float rewards[] = {1, 2, 6, 0, 0, 0};
    float a[6];
    OK(fst_advantages_group(FST_GROUP_RLOO, rewards, 6, 3, a));
    CLOSE(a[0], 1 - 4);
    CLOSE(a[2], 6 - 1.5);
    CLOSE(a[4], 0);
    OK(fst_advantages_group(FST_GROUP_DR_GRPO, rewards, 6, 3, a));
    CLOSE(a[1], -1);
    OK(fst_advantages_group(FST_GROUP_GRPO, rewards, 6, 3, a));
    CLOSE(a[2], 3 / (sqrt(7) + 1e-4));
    CLOSE(a[5], 0);
    REFUSED(fst_advantages_group(FST_GROUP_GRPO, rewards, 5, 3, a), FST_ERR_INVALID_ARGUMENT, "5");
    REFUSED(fst_advantages_group(FST_GROUP_GRPO, rewards, 6, 1, a), FST_ERR_INVALID_ARGUMENT,
            "group");
    REFUSED(fst_advantages_group(3, rewards, 6, 3, a), FST_ERR_INVALID_ARGUMENT, "kind 3");

    fst_baseline baseline;
    OK(fst_baseline_init(&baseline, sizeof baseline));
    OK(fst_advantages_baseline(&baseline, rewards, 3, a));
    CLOSE(a[2], 3);
    CLOSE(baseline.mean, 3);
    OK(fst_advantages_baseline(&baseline, rewards + 3, 3, a));
    CLOSE(a[0], -3);
    CLOSE(baseline.mean, 0.95 * 3);
    ck_assert_int_eq(baseline.updates, 2);
    const float bad[] = {1, NAN};
    fst_baseline before = baseline;
    REFUSED(fst_advantages_baseline(&baseline, bad, 2, a), FST_ERR_NUMERIC, "rewards[1]");
    ck_assert_mem_eq(&before, &baseline, sizeof before);
}
END_TEST

/* ---- weights ---- */

START_TEST(test_weights)
{
    const int64_t lengths[] = {1, 3};
    const uint8_t mask[] = {1, 1, 1, 1, 0, 1};
    float w[6];
    OK(fst_loss_weights(NULL, mask, lengths, 2, 3, w));
    const double tokens[] = {1 / 3., 0, 0, 1 / 3., 0, 1 / 3.};
    for (int i = 0; i < 6; ++i)
        CLOSE(w[i], tokens[i]);
    fst_loss_weights_options options;
    OK(fst_loss_weights_options_init(&options, sizeof options));
    options.kind = FST_AGGREGATE_SEQUENCES;
    OK(fst_loss_weights(&options, mask, lengths, 2, 3, w));
    const double sequences[] = {1 / 2., 0, 0, 1 / 4., 0, 1 / 4.};
    for (int i = 0; i < 6; ++i)
        CLOSE(w[i], sequences[i]);
    options.kind = FST_AGGREGATE_CONSTANT;
    options.constant_length = 10;
    OK(fst_loss_weights(&options, NULL, lengths, 2, 3, w));
    CLOSE(w[0], 1 / 20.);
    CLOSE(w[1], 0);
    CLOSE(w[5], 1 / 20.);
    /* A micro-batch of a larger batch. */
    options.kind = FST_AGGREGATE_TOKENS;
    options.tokens = 40;
    OK(fst_loss_weights(&options, NULL, NULL, 2, 3, w));
    CLOSE(w[5], 1 / 40.);
    /* A sequence without a token counts among the sequences, and nothing is divided by 0. */
    const int64_t empty[] = {0, 2};
    options.kind = FST_AGGREGATE_SEQUENCES;
    OK(fst_loss_weights(&options, NULL, empty, 2, 3, w));
    CLOSE(w[0], 0);
    CLOSE(w[3], 1 / 4.);
    const int64_t none[] = {0, 0};
    options.kind = FST_AGGREGATE_TOKENS;
    options.tokens = 0;
    OK(fst_loss_weights(&options, NULL, none, 2, 3, w));
    CLOSE(w[3], 0);
    const int64_t wrong[] = {0, 4};
    REFUSED(fst_loss_weights(NULL, NULL, wrong, 2, 3, w), FST_ERR_INVALID_ARGUMENT, "lengths[1]");
}
END_TEST

/* ---- policy, value, KL ---- */

START_TEST(test_policy)
{
    /* Ratios e^{±1}, 1.1: clipped or not with either sign of the advantage. */
    const float old[] = {0, 0, 0, 0, 0}, advantages[] = {1, -1, 1, -1, 2};
    const float now[] = {1, 1, -1, -1, logf(1.1f)}, w[] = {1, 1, 1, 1, 1};
    float g[5];
    fst_policy_loss_options options;
    OK(fst_policy_loss_options_init(&options, sizeof options));
    options.clip_high = 0.28;
    fst_policy_loss found;
    OK(fst_loss_policy(&options, now, old, advantages, w, 5, g, &found, sizeof found));
    const double losses[] = {-1.28, exp(1), -exp(-1), 0.8, -2.2};
    const double slopes[] = {0, exp(1), -exp(-1), 0, -2.2};
    double sum = 0, ratios = 0;
    for (int i = 0; i < 5; ++i) {
        CLOSE(g[i], slopes[i]);
        sum += losses[i];
        ratios += exp((double)now[i]);
    }
    CLOSE(found.loss, sum);
    CLOSE(found.clip_fraction, 2 / 5.);
    CLOSE(found.ratio_mean, ratios / 5);
    CLOSE(found.ratio_max, exp(1));
    CLOSE(found.approximate_kl, (2 * (exp(1) - 2) + 2 * exp(-1) + 0.1 - log(1.1)) / 5);
    ck_assert_int_eq(found.tokens, 5);
    options.dual_clip = 2;
    OK(fst_loss_policy(&options, now, old, advantages, w, 5, g, &found, sizeof found));
    CLOSE(found.loss, sum - exp(1) + 2);
    CLOSE(g[1], 0);
    CLOSE(found.clip_fraction, 3 / 5.);
    /* The first pass: ratios are exactly 1, the gradient is that of REINFORCE. */
    OK(fst_loss_policy(NULL, now, now, advantages, NULL, 5, g, &found, sizeof found));
    ck_assert_double_eq(found.ratio_mean, 1);
    ck_assert_double_eq(found.ratio_max, 1);
    ck_assert_double_eq(found.approximate_kl, 0);
    CLOSE(g[4], -2 / 5.);
    float reinforce[5];
    OK(fst_loss_policy(NULL, now, NULL, advantages, NULL, 5, reinforce, &found, sizeof found));
    ck_assert_mem_eq(g, reinforce, sizeof g);
}
END_TEST

START_TEST(test_policy_edges)
{
    const float old[] = {-1000, -1000, NAN}, now[] = {0, 0, NAN}, advantages[] = {1, -1, NAN};
    const float w[] = {0.5f, 0, 0}, both[] = {0.5f, 0.5f, 0};
    float g[3];
    fst_policy_loss found;
    /* A ratio beyond a double's range: clipped where the advantage is positive … */
    OK(fst_loss_policy(NULL, now, old, advantages, w, 3, g, &found, sizeof found));
    CLOSE(found.loss, -0.5 * 1.2);
    CLOSE(g[0], 0);
    CLOSE(g[2], 0);
    ck_assert_int_eq(found.tokens, 1);
    /* … refused where nothing bounds it, and bounded by the dual clip. */
    REFUSED(fst_loss_policy(NULL, now, old, advantages, both, 3, g, &found, sizeof found),
            FST_ERR_NUMERIC, "element 1");
    fst_policy_loss_options options;
    OK(fst_policy_loss_options_init(&options, sizeof options));
    options.dual_clip = 3;
    OK(fst_loss_policy(&options, now, old, advantages, both, 3, g, &found, sizeof found));
    CLOSE(found.loss, -0.6 + 1.5);
    CLOSE(g[1], 0);
    /* All masked. */
    const float none[] = {0, 0, 0};
    OK(fst_loss_policy(NULL, now, old, advantages, none, 3, g, &found, sizeof found));
    ck_assert_double_eq(found.loss, 0);
    ck_assert_double_eq(found.clip_fraction, 0);
    ck_assert_double_eq(found.ratio_mean, 1);
    ck_assert_int_eq(found.tokens, 0);
    g[0] = 7;
    REFUSED(fst_loss_policy(NULL, now, old, advantages, NULL, 3, g, &found, sizeof found),
            FST_ERR_NUMERIC, "log_probabilities[2]");
    CLOSE(g[0], 7);
    const float negative[] = {1, -1, 0};
    REFUSED(fst_loss_policy(NULL, now, old, advantages, negative, 3, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "weights[1]");
    options.clip_low = 2;
    REFUSED(fst_loss_policy(&options, now, old, advantages, w, 3, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "clip_low");
    REFUSED(fst_loss_policy(NULL, now, old, advantages, w, 0, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "count");
    found.loss = 5;
    REFUSED(fst_loss_policy(NULL, now, old, advantages, w, 3, g, &found, 3),
            FST_ERR_INVALID_ARGUMENT, "fst_policy_loss");
    ck_assert_double_eq(found.loss, 5);
}
END_TEST

START_TEST(test_value)
{
    const float values[] = {1, 1, 0.1f}, old[] = {0, 0, 0}, returns[] = {2, 0, 1}, w[] = {1, 1, 1};
    float g[3];
    fst_value_loss found;
    OK(fst_loss_value(0.2, values, old, returns, w, 3, g, &found, sizeof found));
    /* The clipped 0.2 is farther from 2 than 1 is; nearer to 0 than 1 is; the third is not clipped.
     */
    CLOSE(found.loss, 0.5 * (1.8 * 1.8 + 1 + 0.9 * 0.9));
    CLOSE(g[0], 0);
    CLOSE(g[1], 1);
    CLOSE(g[2], -0.9);
    CLOSE(found.clip_fraction, 1 / 3.);
    OK(fst_loss_value(0, values, NULL, returns, NULL, 3, g, &found, sizeof found));
    CLOSE(found.loss, 0.5 * (1 + 1 + 0.81) / 3);
    CLOSE(g[0], -1 / 3.);
    double mean = (1 - 1 + 0.9) / 3;
    CLOSE(found.explained_variance, 1 - (1 + 1 + 0.81 - 3 * mean * mean) / 2);
    REFUSED(fst_loss_value(0.2, values, NULL, returns, NULL, 3, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "old_values");
    REFUSED(fst_loss_value(NAN, values, old, returns, NULL, 3, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "clip");
    const float one[] = {1};
    OK(fst_loss_value(0.2, one, one, one, NULL, 1, g, &found, sizeof found));
    ck_assert_double_eq(found.loss, 0);
    ck_assert(isnan(found.explained_variance));
}
END_TEST

START_TEST(test_kl)
{
    const float p[] = {-1, -2, NAN}, q[] = {-1.5f, -1, NAN}, w[] = {0.5f, 0.25f, 0};
    const double d[] = {0.5, -1};
    float each[3], g[3];
    double loss;
    for (int32_t kind = FST_KL_K1; kind <= FST_KL_K3; ++kind) {
        OK(fst_loss_kl(kind, p, q, w, 3, each, g, &loss));
        for (int i = 0; i < 2; ++i) {
            double k[] = {d[i], d[i] * d[i] / 2, exp(-d[i]) - 1 + d[i]};
            double slope[] = {1, d[i], 1 - exp(-d[i])};
            CLOSE(each[i], k[kind]);
            CLOSE(g[i], (double)w[i] * slope[kind]);
        }
        CLOSE(each[2], 0);
        CLOSE(g[2], 0);
        CLOSE(loss, 0.5 * (double)each[0] + 0.25 * (double)each[1]);
    }
    REFUSED(fst_loss_kl(FST_KL_K3, p, q, NULL, 3, each, g, &loss), FST_ERR_NUMERIC,
            "log_probabilities[2]");
    const float far[] = {-1e6f}, near[] = {0};
    REFUSED(fst_loss_kl(FST_KL_K3, far, near, NULL, 1, each, g, &loss), FST_ERR_NUMERIC,
            "element 0");
    REFUSED(fst_loss_kl(3, p, q, w, 3, each, g, &loss), FST_ERR_INVALID_ARGUMENT, "kind 3");

    fst_kl_controller controller;
    OK(fst_kl_controller_init(&controller, sizeof controller));
    OK(fst_kl_controller_update(&controller, 100, 100));
    ck_assert_double_eq(controller.coefficient, 0.05);
    controller.kind = FST_KL_ADAPTIVE;
    OK(fst_kl_controller_update(&controller, 100, 100));
    CLOSE(controller.coefficient, 0.05 * (1 + 0.2 * 0.01));
    OK(fst_kl_controller_update(&controller, 5.4, 1000));
    CLOSE(controller.coefficient, 0.05 * (1 + 0.2 * 0.01) * (1 - 0.1 * 0.1));
    controller.coefficient = 1;
    OK(fst_kl_controller_update(&controller, 0, INT64_MAX));
    CLOSE(controller.coefficient, 0.8);
    REFUSED(fst_kl_controller_update(&controller, NAN, 1), FST_ERR_NUMERIC, "kl");
    CLOSE(controller.coefficient, 0.8);
    controller.target = 0;
    REFUSED(fst_kl_controller_update(&controller, 1, 1), FST_ERR_INVALID_ARGUMENT, "target");
}
END_TEST

/* ---- preferences ---- */

START_TEST(test_preferences)
{
    const float chosen[] = {-10, -12, NAN}, rejected[] = {-14, -11, NAN};
    const float reference_chosen[] = {-11, -11, NAN}, reference_rejected[] = {-13, -11, NAN};
    const float w[] = {0.5f, 0.5f, 0};
    const double h[] = {2, -1};
    float margins[3], gc[3], gr[3];
    fst_preference_loss_options options;
    OK(fst_preference_loss_options_init(&options, sizeof options));
    options.label_smoothing = 0.1;
    fst_preference_loss found;
    OK(fst_loss_preference(&options, chosen, rejected, reference_chosen, reference_rejected, NULL,
                           NULL, w, 3, margins, gc, gr, &found, sizeof found));
    double loss = 0;
    for (int i = 0; i < 2; ++i) {
        double x = 0.1 * h[i];
        loss -= 0.5 * (0.9 * log(sigmoid(x)) + 0.1 * log(sigmoid(-x)));
        CLOSE(margins[i], x);
        CLOSE(gc[i], 0.5 * 0.1 * (0.1 * sigmoid(x) - 0.9 * sigmoid(-x)));
        CLOSE(gr[i], -gc[i]);
    }
    CLOSE(gc[2], 0);
    CLOSE(found.loss, loss);
    CLOSE(found.accuracy, 0.5);
    CLOSE(found.margin, 0.05);
    CLOSE(found.chosen_reward, 0);
    CLOSE(found.rejected_reward, -0.05);
    ck_assert_int_eq(found.pairs, 2);

    const int64_t lengths[] = {2, 4, 0}, shorter[] = {1, 2, 0};
    options.kind = FST_PREFERENCE_IPO;
    OK(fst_loss_preference(&options, chosen, rejected, reference_chosen, reference_rejected,
                           lengths, shorter, w, 3, margins, gc, gr, &found, sizeof found));
    double h0 = 0.5 + 1, h1 = -0.25;
    CLOSE(found.loss / 20, 0.5 * ((h0 - 5) * (h0 - 5) + (h1 - 5) * (h1 - 5)) / 20);
    CLOSE(gc[0], 0.5 * 2 * (h0 - 5) / 2);
    CLOSE(gr[1], -0.5 * 2 * (h1 - 5) / 2);
    options.kind = FST_PREFERENCE_HINGE;
    options.beta = 1;
    OK(fst_loss_preference(&options, chosen, rejected, reference_chosen, reference_rejected,
                           lengths, shorter, w, 3, margins, gc, gr, &found, sizeof found));
    CLOSE(found.loss, 0.5 * 2);
    CLOSE(gc[0], 0);
    CLOSE(gc[1], -0.5);
    /* No reference; equal rewards count half. */
    OK(fst_loss_preference(NULL, chosen, chosen, NULL, NULL, NULL, NULL, w, 3, NULL, NULL, NULL,
                           &found, sizeof found));
    CLOSE(found.loss, log(2));
    CLOSE(found.accuracy, 0.5);
    /* Certain pairs: finite, and no gradient left. */
    const float far[] = {1e30f}, near[] = {-1e30f};
    OK(fst_loss_preference(NULL, far, near, NULL, NULL, NULL, NULL, NULL, 1, NULL, gc, gr, &found,
                           sizeof found));
    ck_assert_double_eq(found.loss, 0);
    OK(fst_loss_preference(NULL, near, far, NULL, NULL, NULL, NULL, NULL, 1, NULL, gc, gr, &found,
                           sizeof found));
    CLOSE(gc[0], -0.1);
    REFUSED(fst_loss_preference(NULL, chosen, rejected, reference_chosen, NULL, NULL, NULL, w, 3,
                                NULL, NULL, NULL, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "reference_rejected");
    REFUSED(fst_loss_preference(NULL, chosen, rejected, reference_chosen, reference_rejected, NULL,
                                NULL, NULL, 3, NULL, NULL, NULL, &found, sizeof found),
            FST_ERR_NUMERIC, "chosen[2]");
    options.beta = 0;
    REFUSED(fst_loss_preference(&options, chosen, rejected, NULL, NULL, NULL, NULL, w, 3, NULL,
                                NULL, NULL, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "beta");
}
END_TEST

START_TEST(test_kto)
{
    const float p[] = {-10, -12, NAN}, q[] = {-13, -13, NAN}, w[] = {0.5f, 0.5f, 0};
    const uint8_t desirable[] = {1, 0, 1};
    float g[3];
    double point;
    OK(fst_kto_reference_point(p, q, 2, &point));
    CLOSE(point, 2);
    OK(fst_kto_reference_point(q, p, 2, &point));
    CLOSE(point, 0);
    fst_kto_options options;
    OK(fst_kto_options_init(&options, sizeof options));
    options.undesirable_weight = 1.5;
    options.reference_point = 2;
    fst_kto_loss found;
    OK(fst_loss_kto(&options, p, q, desirable, w, 3, g, &found, sizeof found));
    CLOSE(found.loss, 0.5 * (1 - sigmoid(0.1)) + 0.5 * 1.5 * (1 - sigmoid(0.1)));
    CLOSE(g[0], -0.5 * 0.1 * sigmoid(0.1) * sigmoid(-0.1));
    CLOSE(g[1], 0.5 * 1.5 * 0.1 * sigmoid(0.1) * sigmoid(-0.1));
    CLOSE(found.desirable_reward, 0.3);
    CLOSE(found.undesirable_reward, 0.1);
    ck_assert_int_eq(found.desirable, 1);
    REFUSED(fst_loss_kto(&options, p, q, desirable, NULL, 3, g, &found, sizeof found),
            FST_ERR_NUMERIC, "log_probabilities[2]");
    options.reference_point = -1;
    REFUSED(fst_loss_kto(&options, p, q, desirable, w, 3, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "reference_point");
}
END_TEST

/* ---- rewards ---- */

START_TEST(test_pairs)
{
    const float chosen[] = {2, 1}, rejected[] = {0, 1.5f}, margins[] = {0.5f, 0};
    float gc[2], gr[2];
    fst_score_loss found;
    OK(fst_loss_bradley_terry(0.01, chosen, rejected, margins, NULL, 2, gc, gr, &found,
                              sizeof found));
    double centering = 0.01 * (4 + 6.25) / 2;
    CLOSE(found.centering, centering);
    CLOSE(found.loss, -0.5 * (log(sigmoid(1.5)) + log(sigmoid(-0.5))) + centering);
    CLOSE(gc[0], -0.5 * sigmoid(-1.5) + 0.01 * 2);
    CLOSE(gr[1], 0.5 * sigmoid(0.5) + 0.01 * 2.5);
    CLOSE(found.accuracy, 0.5);
    CLOSE(found.margin, 0.75);
    /* Two answers: K-wise is Bradley–Terry. */
    const float scores[] = {2, 0, 1, 1.5f};
    const int64_t offsets[] = {0, 2, 4};
    float g[4];
    fst_score_loss same;
    OK(fst_loss_bradley_terry(0.01, chosen, rejected, NULL, NULL, 2, gc, gr, &found, sizeof found));
    OK(fst_loss_k_wise(0.01, scores, offsets, NULL, 2, g, &same, sizeof same));
    ck_assert_double_eq(found.loss, same.loss);
    CLOSE(g[0], gc[0]);
    CLOSE(g[3], gr[1]);
    /* Three answers: six terms, each prompt's mean. */
    const float ranked[] = {1, 3, 2};
    const int64_t three[] = {0, 3}, one[] = {0, 1};
    OK(fst_loss_k_wise(0, ranked, three, NULL, 1, g, &found, sizeof found));
    CLOSE(found.loss, -(log(sigmoid(-2)) + log(sigmoid(-1)) + log(sigmoid(1))) / 3);
    CLOSE(g[0], -(sigmoid(2) + sigmoid(1)) / 3);
    CLOSE(g[1], (sigmoid(2) - sigmoid(-1)) / 3);
    CLOSE(found.accuracy, 1 / 3.);
    ck_assert_int_eq(found.count, 3);
    REFUSED(fst_loss_k_wise(0, ranked, one, NULL, 1, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "prompt 0");
    REFUSED(fst_loss_k_wise(-1, ranked, three, NULL, 1, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "centering");
    const float bad[] = {1, NAN, 2};
    REFUSED(fst_loss_k_wise(0, bad, three, NULL, 1, g, &found, sizeof found), FST_ERR_NUMERIC,
            "scores[1]");
}
END_TEST

START_TEST(test_graded)
{
    const float scores[] = {1, NAN, 3}, labels[] = {2, NAN, 2.5f}, missing[] = {NAN, NAN, NAN};
    float g[3];
    fst_score_loss found;
    OK(fst_loss_regression(scores, labels, NULL, 3, g, &found, sizeof found));
    CLOSE(found.loss, (1 + 0.25) / 2);
    CLOSE(found.error, 0.75);
    CLOSE(g[0], -1);
    CLOSE(g[1], 0);
    CLOSE(g[2], 0.5);
    ck_assert_int_eq(found.count, 2);
    OK(fst_loss_regression(scores, missing, NULL, 3, g, &found, sizeof found));
    ck_assert_double_eq(found.loss, 0);
    ck_assert_int_eq(found.count, 0);
    CLOSE(g[2], 0);
    const float all[] = {1, 2, 3};
    REFUSED(fst_loss_regression(scores, all, NULL, 3, g, &found, sizeof found), FST_ERR_NUMERIC,
            "scores[1]");

    const float graded[] = {1, NAN, 3, 1};
    const float s[] = {0.5f, NAN, 0.25f, 2};
    float gs[4];
    int64_t pairs;
    OK(fst_ranked_pairs(graded, 4, &pairs));
    ck_assert_int_eq(pairs, 2);
    OK(fst_loss_ranked(0, s, graded, 4, gs, &found, sizeof found));
    CLOSE(found.loss, -(log(sigmoid(-0.25)) + log(sigmoid(-1.75))) / 2);
    CLOSE(gs[2], -(sigmoid(0.25) + sigmoid(1.75)) / 2);
    CLOSE(gs[3], sigmoid(1.75) / 2);
    CLOSE(gs[1], 0);
    CLOSE(found.accuracy, 0);
    OK(fst_loss_ranked(0, s, missing, 3, gs, &found, sizeof found));
    ck_assert_double_eq(found.loss, 0);
}
END_TEST

START_TEST(test_label_losses)
{
    const float logits[] = {1, 0, -1, NAN, NAN, NAN, 0, 0, 2}, labels[] = {0, NAN, 1};
    float g[9];
    fst_score_loss found;
    OK(fst_loss_classes(NULL, logits, labels, NULL, 3, 3, g, &found, sizeof found));
    double first = log(exp(1) + 1 + exp(-1)), second = log(2 + exp(2));
    CLOSE(found.loss, (first - 1 + second) / 2);
    CLOSE(found.accuracy, 0.5);
    ck_assert_int_eq(found.count, 2);
    CLOSE(g[0], (exp(1 - first) - 1) / 2);
    CLOSE(g[4], 0);
    CLOSE(g[8], exp(2 - second) / 2);
    fst_label_loss_options options;
    OK(fst_label_loss_options_init(&options, sizeof options));
    const double class_weights[] = {3, 1, 2};
    options.class_weights = class_weights;
    OK(fst_loss_classes(&options, logits, labels, NULL, 3, 3, NULL, &found, sizeof found));
    CLOSE(found.loss, (3 * (first - 1) + second) / 4);
    const float high[] = {0, NAN, 3}, half[] = {0, 0.5f, 1};
    REFUSED(fst_loss_classes(NULL, logits, high, NULL, 3, 3, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "labels[2]");
    REFUSED(fst_loss_classes(NULL, logits, half, NULL, 3, 3, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "labels[1]");

    const float z[] = {1, -2, NAN, 0}, yes[] = {1, 0, NAN, 1};
    OK(fst_loss_labels(NULL, z, yes, NULL, 2, 2, g, &found, sizeof found));
    CLOSE(found.loss, -(log(sigmoid(1)) + log(sigmoid(2)) + log(sigmoid(0))) / 3);
    CLOSE(found.accuracy, 1);
    CLOSE(g[0], -sigmoid(-1) / 3);
    CLOSE(g[1], sigmoid(-2) / 3);
    CLOSE(g[2], 0);
    const float none[] = {NAN, NAN};
    OK(fst_loss_labels(NULL, z, none, NULL, 1, 2, g, &found, sizeof found));
    ck_assert_double_eq(found.loss, 0);
    options.label_smoothing = 1;
    REFUSED(fst_loss_labels(&options, z, yes, NULL, 2, 2, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "label_smoothing");
}
END_TEST

START_TEST(test_ordinal)
{
    /* Three levels, falling thresholds. */
    const float logits[] = {1, -2, NAN, NAN, 0.5f, 0.25f}, labels[] = {1, NAN, 2};
    float g[6];
    fst_score_loss found;
    OK(fst_loss_ordinal(FST_ORDINAL_CORAL, logits, labels, NULL, 3, 3, g, &found, sizeof found));
    CLOSE(found.loss, -0.5 * (2 * 0 + log(sigmoid(1)) + log(sigmoid(2)) + log(sigmoid(0.5)) +
                              log(sigmoid(0.25))));
    CLOSE(g[0], -0.5 * sigmoid(-1));
    CLOSE(g[1], 0.5 * sigmoid(-2));
    CLOSE(g[2], 0);
    CLOSE(found.accuracy, 1);
    OK(fst_loss_ordinal(FST_ORDINAL_CUMULATIVE, logits, labels, NULL, 3, 3, g, &found,
                        sizeof found));
    CLOSE(found.loss, -0.5 * (log(sigmoid(1) - sigmoid(-2)) + log(sigmoid(0.25))));
    CLOSE(g[0], -0.5 * sigmoid(1) * sigmoid(-1) / (sigmoid(1) - sigmoid(-2)));
    CLOSE(g[1], 0.5 * sigmoid(2) * sigmoid(-2) / (sigmoid(1) - sigmoid(-2)));
    CLOSE(g[4], 0);
    CLOSE(g[5], -0.5 * sigmoid(-0.25));
    const float lowest[] = {0, NAN, 0};
    OK(fst_loss_ordinal(FST_ORDINAL_CUMULATIVE, logits, lowest, NULL, 3, 3, g, &found,
                        sizeof found));
    CLOSE(found.loss, -0.5 * (log(sigmoid(-1)) + log(sigmoid(-0.5))));
    CLOSE(found.error, (1 + 2) / 2.);
    const float rising[] = {0, 1}, half[] = {0.5f}, above[] = {3}, middle[] = {1};
    REFUSED(fst_loss_ordinal(FST_ORDINAL_CUMULATIVE, rising, middle, NULL, 1, 3, g, &found,
                             sizeof found),
            FST_ERR_NUMERIC, "logits[0, 1]");
    OK(fst_loss_ordinal(FST_ORDINAL_CORAL, rising, middle, NULL, 1, 3, g, &found, sizeof found));
    REFUSED(fst_loss_ordinal(FST_ORDINAL_CORAL, rising, half, NULL, 1, 3, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "labels[0]");
    REFUSED(fst_loss_ordinal(FST_ORDINAL_CORAL, rising, above, NULL, 1, 3, g, &found, sizeof found),
            FST_ERR_INVALID_ARGUMENT, "labels[0]");
}
END_TEST

/* Four micro-batches with the weights of the whole batch add up to it. */
START_TEST(test_accumulation)
{
    float now[32], old[32], advantages[32], w[32], part[8], whole[32], parts[32];
    const int64_t lengths[] = {8, 3, 5, 1};
    for (int i = 0; i < 32; ++i) {
        old[i] = sinf((float)i);
        now[i] = old[i] + 0.3f * cosf(3 * (float)i);
        advantages[i] = sinf(7 * (float)i);
    }
    fst_loss_weights_options options;
    OK(fst_loss_weights_options_init(&options, sizeof options));
    for (int32_t kind = FST_AGGREGATE_TOKENS; kind <= FST_AGGREGATE_CONSTANT; ++kind) {
        options.kind = kind;
        options.tokens = options.sequences = options.constant_length = 0;
        fst_policy_loss all, one;
        OK(fst_loss_weights(&options, NULL, lengths, 4, 8, w));
        OK(fst_loss_policy(NULL, now, old, advantages, w, 32, whole, &all, sizeof all));
        options.tokens = 17;
        options.sequences = 4;
        double sum = 0;
        for (int i = 0; i < 4; ++i) {
            OK(fst_loss_weights(&options, NULL, lengths + i, 1, 8, part));
            OK(fst_loss_policy(NULL, now + 8 * i, old + 8 * i, advantages + 8 * i, part, 8,
                               parts + 8 * i, &one, sizeof one));
            sum += one.loss;
        }
        ck_assert_mem_eq(whole, parts, sizeof whole);
        ck_assert_double_eq_tol(sum, all.loss, 1e-12);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("objectives");
    TCase *test = tcase_create("objectives");
    tcase_add_test(test, test_gae_text);
    tcase_add_test(test, test_gae_environments);
    tcase_add_test(test, test_gae_padding_and_refusals);
    tcase_add_test(test, test_whiten);
    tcase_add_test(test, test_groups);
    tcase_add_test(test, test_weights);
    tcase_add_test(test, test_policy);
    tcase_add_test(test, test_policy_edges);
    tcase_add_test(test, test_value);
    tcase_add_test(test, test_kl);
    tcase_add_test(test, test_preferences);
    tcase_add_test(test, test_kto);
    tcase_add_test(test, test_pairs);
    tcase_add_test(test, test_graded);
    tcase_add_test(test, test_label_losses);
    tcase_add_test(test, test_ordinal);
    tcase_add_test(test, test_accumulation);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
