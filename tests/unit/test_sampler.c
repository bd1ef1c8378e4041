/* The sampler against the distribution it documents, computed in plain double loops. */
#include "base/random.h"
#include "model/sampler.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 24 };

typedef struct setting {
    const char *name;
    double temperature, top_p, min_p, repetition, presence, frequency;
    int32_t top_k;
    bool bias;
} setting;

static const setting settings[] = {
    {.name = "plain", .temperature = 1, .top_p = 1, .repetition = 1},
    {.name = "hot", .temperature = 2.5, .top_p = 1, .repetition = 1},
    {.name = "cold", .temperature = .3, .top_p = 1, .repetition = 1},
    {.name = "top-k", .temperature = 1, .top_p = 1, .repetition = 1, .top_k = 5},
    {.name = "top-k 1", .temperature = 1, .top_p = 1, .repetition = 1, .top_k = 1},
    {.name = "top-k of more than there are", .temperature = 1, .top_p = 1, .repetition = 1, .top_k = 99},
    {.name = "top-p", .temperature = 1, .top_p = .7, .repetition = 1},
    {.name = "top-p of the first", .temperature = 1, .top_p = 1e-6, .repetition = 1},
    {.name = "top-p of nearly all", .temperature = 1, .top_p = 1 - 1e-12, .repetition = 1},
    {.name = "min-p", .temperature = 1, .top_p = 1, .repetition = 1, .min_p = .1},
    {.name = "top-k, top-p", .temperature = 1.3, .top_p = .8, .repetition = 1, .top_k = 8},
    {.name = "top-k, min-p", .temperature = 1.3, .top_p = 1, .repetition = 1, .top_k = 8, .min_p = .2},
    {.name = "top-p, min-p", .temperature = 1.3, .top_p = .9, .repetition = 1, .min_p = .05},
    {.name = "top-k, top-p, min-p", .temperature = 1.2, .top_p = .5, .repetition = 1, .top_k = 12, .min_p = .3},
    {.name = "repetition", .temperature = 1, .top_p = 1, .repetition = 1.8},
    {.name = "reward for repetition", .temperature = 1, .top_p = 1, .repetition = .5},
    {.name = "presence", .temperature = 1, .top_p = 1, .repetition = 1, .presence = 1.5},
    {.name = "frequency", .temperature = 1, .top_p = 1, .repetition = 1, .frequency = .6},
    {.name = "bias", .temperature = 1, .top_p = 1, .repetition = 1, .bias = true},
    {.name = "everything", .temperature = .8, .top_p = .9, .repetition = 1.3, .presence = .4,
     .frequency = -.2, .top_k = 15, .min_p = .02, .bias = true},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

static const int32_t bias_ids[] = {3, 7, 3, 20};
static const float bias_values[] = {1.5f, -INFINITY, .5f, -2};

static const int32_t said[VOCABULARY] = {[2] = 3, [5] = 1, [11] = 2};
static const unsigned char in_prompt[VOCABULARY] = {[2] = 1, [4] = 1, [9] = 1};

static fst__allocator allocator;
static fst__sampler sampler;

static void setup(void)
{
    ck_assert_int_eq(fst__sampler_create(&allocator, fst__kernels_select(), VOCABULARY, &sampler), FST_OK);
}

static void teardown(void)
{
    fst__sampler_destroy(&sampler);
    ck_assert_int_eq(allocator.live_bytes, 0);
}

static fst_sampling_options options_of(const setting *s)
{
    return (fst_sampling_options){
        .struct_size = sizeof(fst_sampling_options), .temperature = s->temperature,
        .top_k = s->top_k, .top_p = s->top_p, .min_p = s->min_p,
        .repetition_penalty = s->repetition, .presence_penalty = s->presence,
        .frequency_penalty = s->frequency, .bias_ids = s->bias ? bias_ids : NULL,
        .bias_values = s->bias ? bias_values : NULL, .bias_count = s->bias ? 4 : 0};
}

static bool penalised(const setting *s)
{
    return s->repetition != 1 || s->presence != 0 || s->frequency != 0;
}

static fst__history history_of(const setting *s)
{
    return penalised(s) ? (fst__history){said, in_prompt} : (fst__history){0};
}

/* Two that are equal, a forbidden one, and spread over both signs. */
static void fill(fst__real *logits)
{
    for (int i = 0; i < VOCABULARY; ++i)
        logits[i] = (fst__real)(((i * 37) % 23) * .21 - 2.3);
    logits[13] = logits[6];
    logits[17] = -(fst__real)INFINITY;
}

/* Sets what is below the best `keep` to 0; among equals the smaller id is the better. */
static void keep_only(double *p, int keep)
{
    bool kept[VOCABULARY] = {false};
    for (int n = 0; n < keep && n < VOCABULARY; ++n) {
        int best = -1;
        for (int i = 0; i < VOCABULARY; ++i) {
            if (!kept[i] && (best < 0 || p[i] > p[best]))
                best = i;
        }
        kept[best] = true;
    }
    for (int i = 0; i < VOCABULARY; ++i)
        p[i] = kept[i] ? p[i] : 0;
}

static void normalise(double *p)
{
    double sum = 0;
    for (int i = 0; i < VOCABULARY; ++i)
        sum += p[i];
    for (int i = 0; i < VOCABULARY; ++i)
        p[i] /= sum;
}

/* The order that fst_sampling_options documents, one step after the other. */
static void distribution(const setting *s, double *p)
{
    fst__real logits[VOCABULARY];
    fill(logits);
    for (int i = 0; i < VOCABULARY; ++i) {
        double x = (double)logits[i];
        if (penalised(s)) {
            if (said[i] || in_prompt[i])
                x = x > 0 ? x / s->repetition : x * s->repetition;
            if (said[i])
                x -= s->presence + s->frequency * said[i];
        }
        for (int b = 0; s->bias && b < 4; ++b)
            x += bias_ids[b] == i ? (double)bias_values[b] : 0;
        p[i] = exp(x / s->temperature);
    }
    normalise(p);
    if (s->top_k > 0) {
        keep_only(p, s->top_k);
        normalise(p);
    }
    if (s->top_p < 1) {
        for (int keep = 1; keep <= VOCABULARY; ++keep) {
            double few[VOCABULARY], sum = 0;
            memcpy(few, p, sizeof few);
            keep_only(few, keep);
            for (int i = 0; i < VOCABULARY; ++i)
                sum += few[i];
            if (sum >= s->top_p || keep == VOCABULARY) {
                memcpy(p, few, sizeof few);
                break;
            }
        }
    }
    double most = 0;
    for (int i = 0; i < VOCABULARY; ++i)
        most = p[i] > most ? p[i] : most;
    for (int i = 0; i < VOCABULARY; ++i)
        p[i] = p[i] < s->min_p * most ? 0 : p[i];
    normalise(p);
}

static int32_t draw(const setting *s, uint64_t seed, uint64_t index, double *log_probability)
{
    fst__real logits[VOCABULARY];
    fill(logits);
    fst_sampling_options options = options_of(s);
    fst__history history = history_of(s);
    int32_t id = -1;
    ck_assert_int_eq(fst__sampler_draw(&sampler, &options, &history, logits, seed, index, NULL, &id,
                                       log_probability), FST_OK);
    ck_assert_int_ge(id, 0);
    ck_assert_int_lt(id, VOCABULARY);
    return id;
}

/* Each draw's log-probability is exact, and the draws have those probabilities: Pearson's statistic
 * of k + 1 classes stays below its mean k by six standard deviations √(2k) and a little. */
START_TEST(draws_follow_the_distribution)
{
    enum { DRAWS = 20000 };
    const setting *s = &settings[_i];
    double p[VOCABULARY];
    int64_t count[VOCABULARY] = {0};
    distribution(s, p);
    for (int n = 0; n < DRAWS; ++n) {
        double log_probability = 1;
        int32_t id = draw(s, 77 + (uint64_t)_i, (uint64_t)n, &log_probability);
        ck_assert_msg(p[id] > 0, "%s: drew %d, which has no probability", s->name, (int)id);
        ck_assert_msg(fabs(log_probability - log(p[id])) < 2e-6, "%s: id %d: %.9f, expected %.9f",
                      s->name, (int)id, log_probability, log(p[id]));
        ++count[id];
    }
    double statistic = 0, rare = 0;
    int64_t seen_rare = 0;
    int classes = 0;
    for (int i = 0; i < VOCABULARY; ++i) {
        double expected = p[i] * DRAWS;
        if (expected < 10) { /* too few for the normal approximation: taken together */
            rare += expected;
            seen_rare += count[i];
            continue;
        }
        statistic += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
        ++classes;
    }
    if (rare >= 10) {
        statistic += ((double)seen_rare - rare) * ((double)seen_rare - rare) / rare;
        ++classes;
    }
    double freedom = classes - 1;
    double bound = freedom + 6 * sqrt(2 * freedom) + 6;
    ck_assert_msg(statistic <= bound, "%s: statistic %.1f of %d classes", s->name, statistic, classes);
    /* So that the bound means something: half the probability of the largest would be noticed. */
    int most = 0;
    for (int i = 0; i < VOCABULARY; ++i)
        most = p[i] > p[most] ? i : most;
    double half = p[most] * DRAWS / 2;
    ck_assert_double_gt(((double)count[most] - half) * ((double)count[most] - half) / half, bound);
}
END_TEST

START_TEST(same_seed_and_index_same_token)
{
    const setting *s = &settings[_i];
    int moved_by_seed = 0, moved_by_index = 0;
    for (uint64_t n = 0; n < 200; ++n) {
        double a, b;
        int32_t first = draw(s, 5, n, &a);
        double unused;
        draw(s, 6, n + 9, &unused); /* nothing is left behind by other draws */
        ck_assert_int_eq(draw(s, 5, n, &b), first);
        ck_assert_double_eq(a, b);
        moved_by_seed += draw(s, 6, n, &b) != first;
        moved_by_index += draw(s, 5, n + 1, &b) != first;
    }
    double p[VOCABULARY], most = 0;
    distribution(s, p);
    for (int i = 0; i < VOCABULARY; ++i)
        most = p[i] > most ? p[i] : most;
    if (most < .9) {
        ck_assert_int_gt(moved_by_seed, 10);
        ck_assert_int_gt(moved_by_index, 10);
    }
}
END_TEST

START_TEST(greedy_takes_the_first_of_the_largest)
{
    setting s = {.name = "greedy", .temperature = 0, .top_p = 1, .repetition = 1};
    fst_sampling_options options = options_of(&s);
    fst__history none = {0};
    for (int best = 0; best < VOCABULARY; ++best) {
        fst__real logits[VOCABULARY];
        fill(logits);
        logits[best] = 9;
        if (best + 4 < VOCABULARY)
            logits[best + 4] = 9;
        int32_t id = -1;
        double log_probability = 1;
        ck_assert_int_eq(fst__sampler_draw(&sampler, &options, &none, logits, 1, (uint64_t)best, NULL, &id,
                                           &log_probability), FST_OK);
        ck_assert_int_eq(id, best);
        ck_assert_double_eq(log_probability, 0);
    }
}
END_TEST

/* All logits equal: top-k keeps the smallest ids, and each of them is as probable. */
START_TEST(ties_go_to_the_smaller_id)
{
    setting s = {.name = "ties", .temperature = 1, .top_p = 1, .repetition = 1, .top_k = 4};
    fst_sampling_options options = options_of(&s);
    fst__history none = {0};
    for (uint64_t n = 0; n < 500; ++n) {
        fst__real logits[VOCABULARY];
        for (int i = 0; i < VOCABULARY; ++i)
            logits[i] = -3;
        int32_t id = -1;
        double log_probability = 1;
        ck_assert_int_eq(fst__sampler_draw(&sampler, &options, &none, logits, 1, n, NULL, &id,
                                           &log_probability), FST_OK);
        ck_assert_int_lt(id, 4);
        ck_assert_double_eq_tol(log_probability, -log(4), 1e-15);
    }
}
END_TEST

static fst_status draw_from(fst__real *logits, const setting *s, int32_t *id)
{
    fst_sampling_options options = options_of(s);
    fst__history history = history_of(s);
    double unused;
    return fst__sampler_draw(&sampler, &options, &history, logits, 1, 0, NULL, id, &unused);
}

START_TEST(what_cannot_be_drawn_from_is_refused)
{
    const setting greedy = {.name = "greedy", .temperature = 0, .top_p = 1, .repetition = 1};
    const setting *each = _i < SETTINGS ? &settings[_i] : &greedy;
    fst__real logits[VOCABULARY];
    int32_t id;
    for (int at = 0; at < VOCABULARY; at += 5) {
        fill(logits);
        logits[at] = (fst__real)NAN;
        ck_assert_int_eq(draw_from(logits, each, &id), FST_ERR_NUMERIC);
        fill(logits);
        logits[at] = (fst__real)INFINITY;
        ck_assert_int_eq(draw_from(logits, each, &id), FST_ERR_NUMERIC);
    }
    for (int i = 0; i < VOCABULARY; ++i)
        logits[i] = -(fst__real)INFINITY;
    ck_assert_int_eq(draw_from(logits, each, &id), FST_ERR_NUMERIC);
    /* One that is left is drawn. */
    for (int i = 0; i < VOCABULARY; ++i)
        logits[i] = i == 19 ? -1000 : -(fst__real)INFINITY;
    ck_assert_int_eq(draw_from(logits, each, &id), FST_OK);
    ck_assert_int_eq(id, 19);
}
END_TEST

START_TEST(extremes_stay_finite)
{
    const double temperatures[] = {1e-6, 1e6};
    for (int n = 0; n < 2; ++n) {
        setting s = {.name = "extreme", .temperature = temperatures[n], .top_p = .99, .repetition = 1,
                     .min_p = 1e-9};
        fst__real logits[VOCABULARY];
        fst_sampling_options options = options_of(&s);
        fst__history none = {0};
        for (int i = 0; i < VOCABULARY; ++i)
            logits[i] = (fst__real)(i % 2 ? 3e38 : -3e38);
        int32_t id = -1;
        double log_probability = 1;
        ck_assert_int_eq(fst__sampler_draw(&sampler, &options, &none, logits, 1, 1, NULL, &id,
                                           &log_probability), FST_OK);
        ck_assert_int_eq(id % 2, 1);
        ck_assert(isfinite(log_probability) && log_probability <= 0);
    }
}
END_TEST

/* Many ids: the draw is the one whose share of the exact sum holds the random mark, and its
 * log-probability is exact to 1e-6. */
START_TEST(many_ids_are_drawn_exactly)
{
    enum { MANY = 50257 }; /* no multiple of a chunk */
    static const double temperatures[] = {1, .7, 1.9};
    fst__allocator own = {0};
    fst__sampler large;
    fst__history none = {0};
    fst__real *logits = malloc(MANY * sizeof *logits), *copy = malloc(MANY * sizeof *copy);
    double *sums = malloc(MANY * sizeof *sums);
    ck_assert(logits && copy && sums);
    ck_assert_int_eq(fst__sampler_create(&own, fst__kernels_select(), MANY, &large), FST_OK);
    setting s = {.name = "many", .temperature = temperatures[_i], .top_p = 1, .repetition = 1};
    fst_sampling_options options = options_of(&s);
    for (int i = 0; i < MANY; ++i) {
        fst__philox_block word = fst__philox(7, FST__STREAM_INIT, 0, (uint64_t)i);
        double sum = 0; /* nearly normal */
        for (int w = 0; w < 4; ++w)
            sum += (double)word.word[w] / 4294967296.0 - .5;
        logits[i] = (fst__real)(sum * 6 + 11);
    }
    double most = -INFINITY, total = 0;
    for (int i = 0; i < MANY; ++i)
        most = (double)logits[i] > most ? (double)logits[i] : most;
    for (int i = 0; i < MANY; ++i)
        sums[i] = total += exp(((double)logits[i] - most) / s.temperature);
    int spread = 0;
    for (uint64_t n = 0; n < 300; ++n) {
        int32_t id = -1;
        double log_probability = 1;
        memcpy(copy, logits, MANY * sizeof *copy);
        ck_assert_int_eq(fst__sampler_draw(&large, &options, &none, copy, 3, n, NULL, &id,
                                           &log_probability), FST_OK);
        ck_assert(id >= 0 && id < MANY);
        fst__philox_block word = fst__philox(3, FST__STREAM_SAMPLING, 0, n);
        double mark = fst__uniform_double(word.word[0], word.word[1]) * total;
        ck_assert_double_lt(mark, sums[id] + 1e-6 * total);
        ck_assert_double_gt(mark, (id ? sums[id - 1] : 0) - 1e-6 * total);
        double exact = ((double)logits[id] - most) / s.temperature - log(total);
        ck_assert_double_eq_tol(log_probability, exact, 1e-6);
        spread += id > MANY / 2;
    }
    ck_assert(spread > 100 && spread < 200);
    fst__sampler_destroy(&large);
    ck_assert_int_eq(own.live_bytes, 0);
    free(sums);
    free(copy);
    free(logits);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *tcase = tcase_create("sampler");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, draws_follow_the_distribution, 0, SETTINGS);
    tcase_add_loop_test(tcase, same_seed_and_index_same_token, 0, SETTINGS);
    tcase_add_test(tcase, greedy_takes_the_first_of_the_largest);
    tcase_add_test(tcase, ties_go_to_the_smaller_id);
    tcase_add_loop_test(tcase, what_cannot_be_drawn_from_is_refused, 0, SETTINGS + 1);
    tcase_add_loop_test(tcase, many_ids_are_drawn_exactly, 0, 3);
    tcase_add_test(tcase, extremes_stay_finite);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
