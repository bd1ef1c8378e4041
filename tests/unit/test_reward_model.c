/* Reward models: rules by hand, callbacks, sums with clipping and running normalisation. */
#include "fourstage/policy.h"
#include "fourstage/reward.h"
#include "fourstage/tokenizer.h"
#include "stages/scoring/scoring.h"
#include "stages/scoring/statistics.h"
#include "../support/tiny_model.h"

#define CLOSE(got, expected) ck_assert_double_eq_tol((double)(got), (double)(expected), 1e-6)
#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(call, status);                                                            \
        ck_assert_msg(strstr(fst_last_error(), words), "%s", fst_last_error());                    \
    } while (0)

static fst_context *context;

static void setup(void)
{
    context = tiny_context(1);
}

static void teardown(void)
{
    fst_context_destroy(context);
}

static fst_reward_rule_options rule_options(int32_t kind, int32_t unit)
{
    fst_reward_rule_options options;
    REQUIRE(fst_reward_rule_options_init(&options, sizeof options));
    options.kind = kind;
    options.unit = unit;
    return options;
}

static fst_reward_model *rule_of(const fst_reward_rule_options *options)
{
    fst_reward_model *rule;
    REQUIRE(fst_reward_model_from_rule(context, options, &rule));
    return rule;
}

static float score_text(fst_reward_model *rm, const char *text)
{
    const char *prompt = "";
    float score;
    REQUIRE(fst_reward_model_score_texts(rm, &prompt, &text, 1, &score));
    return score;
}

static float score_and_destroy(const fst_reward_rule_options *options, const char *text)
{
    fst_reward_model *rule = rule_of(options);
    float score = score_text(rule, text);
    fst_reward_model_destroy(rule);
    return score;
}

/* ---- rules ---- */

START_TEST(test_length)
{
    fst_reward_rule_options o = rule_options(FST_RULE_LENGTH, FST_UNIT_CHARACTERS);
    o.least = 2;
    o.most = 4;
    o.falloff = 4;
    CLOSE(score_and_destroy(&o, "汉字"), 1);
    CLOSE(score_and_destroy(&o, "abcd"), 1);
    CLOSE(score_and_destroy(&o, "a"), 0.75);
    CLOSE(score_and_destroy(&o, "abcdef"), 0.5);
    CLOSE(score_and_destroy(&o, "abcdefgh"), 0);
    CLOSE(score_and_destroy(&o, "abcdefghij"), 0);
    o.falloff = 0;
    CLOSE(score_and_destroy(&o, "abcde"), 0);
    o.unit = FST_UNIT_WORDS;
    CLOSE(score_and_destroy(&o, "  one two\n three "), 1);
    CLOSE(score_and_destroy(&o, "one"), 0);
    o.most = 1;
    REFUSED(fst_reward_model_from_rule(context, &o, &(fst_reward_model *){NULL}),
            FST_ERR_INVALID_ARGUMENT, "least");
}
END_TEST

START_TEST(test_length_of_ids)
{
    fst_reward_rule_options o = rule_options(FST_RULE_LENGTH, FST_UNIT_TOKENS);
    o.least = o.most = 2;
    o.falloff = 2;
    fst_reward_model *rule = rule_of(&o);
    const int32_t ids[] = {7, 7, 7}, *prompts[] = {ids, ids}, *responses[] = {ids, ids};
    const int64_t prompt_lengths[] = {1, 1}, lengths[] = {2, 3};
    float scores[2];
    REQUIRE(fst_reward_model_score_ids(rule, prompts, prompt_lengths, responses, lengths, 2, scores));
    CLOSE(scores[0], 1);
    CLOSE(scores[1], 0.5);
    const char *text = "x";
    REFUSED(fst_reward_model_score_texts(rule, &text, &text, 1, scores), FST_ERR_INVALID_ARGUMENT,
            "ids");
    fst_reward_model_destroy(rule);
}
END_TEST

START_TEST(test_repetition)
{
    fst_reward_rule_options o = rule_options(FST_RULE_REPETITION, FST_UNIT_CHARACTERS);
    CLOSE(score_and_destroy(&o, "abab"), 1 - 2.0 / 3); /* ab ba ab */
    CLOSE(score_and_destroy(&o, "哈哈哈哈"), 1 - 1.0 / 3);
    CLOSE(score_and_destroy(&o, "a"), 0);
    CLOSE(score_and_destroy(&o, ""), 0);
    o.unit = FST_UNIT_WORDS;
    o.n = 1;
    CLOSE(score_and_destroy(&o, "to be or not to be"), 1 - 4.0 / 6);
    CLOSE(score_and_destroy(&o, "be bee"), 0); /* one is the beginning of the other */
    o.n = 17;
    REFUSED(fst_reward_model_from_rule(context, &o, &(fst_reward_model *){NULL}),
            FST_ERR_INVALID_ARGUMENT, "n:");
}
END_TEST

START_TEST(test_pattern)
{
    fst_reward_rule_options o = rule_options(FST_RULE_PATTERN, 0);
    o.pattern = "<answer>\\d+</answer>";
    CLOSE(score_and_destroy(&o, "so <answer>42</answer>."), 1);
    CLOSE(score_and_destroy(&o, "so <answer>x</answer>."), 0);
    o.whole = 1;
    CLOSE(score_and_destroy(&o, "so <answer>42</answer>."), 0);
    CLOSE(score_and_destroy(&o, "<answer>42</answer>"), 1);
    CLOSE(score_and_destroy(&o, "<ANSWER>42</ANSWER>"), 0);
    o.ignore_case = 1;
    CLOSE(score_and_destroy(&o, "<ANSWER>42</ANSWER>"), 1);
    o.whole = 0;
    o.pattern = "好+";
    CLOSE(score_and_destroy(&o, "\xff\xe5 好好"), 1); /* bytes that are not UTF-8 match nothing */
    o.pattern = "ab(c";
    REFUSED(fst_reward_model_from_rule(context, &o, &(fst_reward_model *){NULL}), FST_ERR_FORMAT,
            "byte 4");
    o.pattern = NULL;
    REFUSED(fst_reward_model_from_rule(context, &o, &(fst_reward_model *){NULL}),
            FST_ERR_INVALID_ARGUMENT, "pattern");
}
END_TEST

static int32_t count_warning(int32_t level, const char *text, void *user)
{
    if (level == FST_LOG_WARNING && strstr(text, "gave up"))
        ++*(int *)user;
    return 0;
}

START_TEST(test_pattern_limit)
{
    int warnings = 0;
    fst_context_options options = tiny_context_options(1);
    options.log = count_warning;
    options.log_user = &warnings;
    fst_context *own;
    REQUIRE(fst_context_create(&options, &own));
    fst_reward_rule_options o = rule_options(FST_RULE_PATTERN, 0);
    o.pattern = "^(a+)+$";
    fst_reward_model *rule;
    REQUIRE(fst_reward_model_from_rule(own, &o, &rule));
    CLOSE(score_text(rule, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), 0);
    ck_assert_int_eq(warnings, 1);
    CLOSE(score_text(rule, "aaaa"), 1);
    fst_reward_model_destroy(rule);
    fst_context_destroy(own);
}
END_TEST

START_TEST(test_lexicon)
{
    const char *const words[] = {"good", "good for nothing", "好", "不好", "Bad"};
    const double weights[] = {1, -2, 1, -1, -1};
    fst_reward_rule_options o = rule_options(FST_RULE_LEXICON, 0);
    o.words = words;
    o.weights = weights;
    o.word_count = 5;
    CLOSE(score_and_destroy(&o, "good, goodness: bad"), 2);
    CLOSE(score_and_destroy(&o, "a good for nothing"), -2); /* the longest wins */
    CLOSE(score_and_destroy(&o, "good for"), 1);
    CLOSE(score_and_destroy(&o, "不好,好好"), 1);
    CLOSE(score_and_destroy(&o, ""), 0);
    o.average = 1;
    CLOSE(score_and_destroy(&o, "good good"), 1);
    o.average = 0;
    o.ignore_case = 1;
    CLOSE(score_and_destroy(&o, "GOOD BAD bad"), -1);
    o.whole = 1;
    CLOSE(score_and_destroy(&o, "good, goodness, dogood good"), 2);
    o.word_count = 0;
    REFUSED(fst_reward_model_from_rule(context, &o, &(fst_reward_model *){NULL}),
            FST_ERR_INVALID_ARGUMENT, "word_count");
    const char *const twice[] = {"GOOD", "good"};
    o.words = twice;
    o.word_count = 2;
    REFUSED(fst_reward_model_from_rule(context, &o, &(fst_reward_model *){NULL}),
            FST_ERR_INVALID_ARGUMENT, "twice");
}
END_TEST

START_TEST(test_end)
{
    fst_reward_rule_options o = rule_options(FST_RULE_END, 0);
    fst_reward_model *rule = rule_of(&o);
    const int32_t ids[] = {1, 2}, *responses[] = {ids, ids, ids};
    const int64_t lengths[] = {2, 2, 2};
    const int32_t finishes[] = {FST_FINISH_END, FST_FINISH_LENGTH, FST_FINISH_STRING};
    fst_reward_batch batch;
    REQUIRE(fst_reward_batch_init(&batch, sizeof batch));
    batch.count = 3;
    batch.responses = responses;
    batch.response_lengths = lengths;
    float scores[3];
    REFUSED(fst_reward_model_score(rule, &batch, scores), FST_ERR_INVALID_ARGUMENT, "finishes");
    batch.finishes = finishes;
    REQUIRE(fst_reward_model_score(rule, &batch, scores));
    CLOSE(scores[0], 1);
    CLOSE(scores[1], 0);
    CLOSE(scores[2], 1);
    fst_reward_model_destroy(rule);
}
END_TEST

/* ---- callbacks ---- */

typedef struct host {
    int calls, released;
    int32_t answer;
    float scores[8];
    bool fill;
    const char *seen;
    fst_reward_model *again, **destroy;
} host;

static int32_t host_score(const fst_reward_batch *batch, float *scores, void *user)
{
    host *h = user;
    ++h->calls;
    h->seen = batch->response_texts ? batch->response_texts[0] : NULL;
    for (int64_t i = 0; h->fill && i < batch->count; ++i)
        scores[i] = h->scores[i];
    if (h->again) {
        float score;
        REFUSED(fst_reward_model_score(h->again, batch, &score), FST_ERR_BUSY, "callback");
    }
    if (h->destroy) {
        fst_reward_model_destroy(*h->destroy);
        h->destroy = NULL;
    }
    return h->answer;
}

static void host_release(void *user)
{
    ++((host *)user)->released;
}

static fst_reward_model *callback_of(host *h)
{
    fst_reward_callback_options options;
    REQUIRE(fst_reward_callback_options_init(&options, sizeof options));
    options.release = host_release;
    fst_reward_model *rm;
    REQUIRE(fst_reward_model_from_callback(context, host_score, h, &options, &rm));
    return rm;
}

static fst_status score_two(fst_reward_model *rm, float *scores)
{
    const char *const prompts[] = {"p", "q"}, *const answers[] = {"a", "b"};
    return fst_reward_model_score_texts(rm, prompts, answers, 2, scores);
}

START_TEST(test_callback)
{
    host h = {.scores = {1, 2}, .fill = true};
    fst_reward_model *rm = callback_of(&h);
    float scores[2];
    REQUIRE(score_two(rm, scores));
    CLOSE(scores[1], 2);
    ck_assert_int_eq(h.calls, 1); /* the whole batch at once */
    ck_assert_str_eq(h.seen, "a");
    h.answer = -77;
    ck_assert_int_eq(score_two(rm, scores), -77);
    h.answer = 5;
    ck_assert_int_eq(score_two(rm, scores), FST_STOPPED);
    h.answer = 0;
    h.scores[1] = INFINITY;
    REFUSED(score_two(rm, scores), FST_ERR_NUMERIC, "answer 1");
    h.fill = false;
    REFUSED(score_two(rm, scores), FST_ERR_NUMERIC, "answer 0");
    h.fill = true;
    h.scores[1] = 0;
    h.again = rm;
    REQUIRE(score_two(rm, scores));
    h.again = NULL;
    h.destroy = &rm;
    REQUIRE(score_two(rm, scores));
    ck_assert_int_eq(h.released, 1);
}
END_TEST

/* ---- sums ---- */

START_TEST(test_sum)
{
    host a = {.scores = {1, 5}, .fill = true}, b = {.scores = {10, -10}, .fill = true};
    fst_reward_model *members[] = {callback_of(&a), callback_of(&b)}, *sum;
    const double weights[] = {2, -0.5}, low[] = {-1, -4}, high[] = {3, 8};
    fst_reward_combine_options o;
    REQUIRE(fst_reward_combine_options_init(&o, sizeof o));
    o.member_low = low;
    o.member_high = high;
    o.clip_high = 7;
    REQUIRE(fst_reward_model_combine(context, members, weights, 2, &o, &sum));
    int64_t count;
    REQUIRE(fst_reward_model_member_count(sum, &count));
    ck_assert_int_eq(count, 2);
    REQUIRE(fst_reward_model_member_scores(sum, 0, NULL, 0, &count));
    ck_assert_int_eq(count, 0);
    float scores[2], raw[2];
    REQUIRE(score_two(sum, scores));
    CLOSE(scores[0], 2 - 4);  /* 2·1 − ½·8 */
    CLOSE(scores[1], 7);      /* 2·3 + ½·4 = 8, clipped */
    REQUIRE(fst_reward_model_member_scores(sum, 1, raw, 2, &count));
    ck_assert_int_eq(count, 2);
    CLOSE(raw[0], 10);
    CLOSE(raw[1], -10);
    REFUSED(fst_reward_model_member_scores(sum, 1, raw, 1, &count), FST_ERR_BUFFER_TOO_SMALL, "2");
    REFUSED(fst_reward_model_member_scores(sum, 2, raw, 2, &count), FST_ERR_INVALID_ARGUMENT, "2");
    b.scores[0] = NAN;
    REFUSED(score_two(sum, scores), FST_ERR_NUMERIC, "member 1");
    REFUSED(fst_reward_model_combine(context, (fst_reward_model *[]){sum, members[0]}, NULL, 2, NULL,
                                     &(fst_reward_model *){NULL}),
            FST_ERR_INVALID_ARGUMENT, "in common");
    fst_reward_model_destroy(members[0]);
    fst_reward_model_destroy(members[1]);
    ck_assert_int_eq(a.released + b.released, 0);
    fst_reward_model_destroy(sum);
    ck_assert_int_eq(a.released + b.released, 2);
}
END_TEST

static void check_state(fst_reward_model *rm, int64_t index, const char *name, double expected)
{
    const char *found;
    fst_view view;
    fst__reward_model_state(rm, index, &found, &view);
    ck_assert_str_eq(found, name);
    CLOSE(view.dtype == FST_I64 ? (double)*(int64_t *)view.data : *(double *)view.data, expected);
}

START_TEST(test_running_normalisation)
{
    host a = {.scores = {1, 3}, .fill = true}, b = {.scores = {0, 0}, .fill = true};
    fst_reward_model *members[] = {callback_of(&a), callback_of(&b)}, *inner, *outer;
    fst_reward_combine_options o;
    REQUIRE(fst_reward_combine_options_init(&o, sizeof o));
    o.normalise = FST_NORMALISE_SUM;
    REQUIRE(fst_reward_model_combine(context, members, NULL, 1, &o, &inner));
    REQUIRE(fst_reward_model_combine(context, (fst_reward_model *[]){members[1], inner}, NULL, 2,
                                     NULL, &outer));
    ck_assert_int_eq(fst__reward_model_state_count(outer), 3);
    float scores[2];
    REQUIRE(score_two(outer, scores));
    CLOSE(scores[0], -1); /* mean 2, deviation 1 */
    CLOSE(scores[1], 1);
    a.scores[0] = a.scores[1] = 6;
    REQUIRE(score_two(outer, scores)); /* of 1 3 6 6: mean 4, deviation √4.5 */
    CLOSE(scores[0], 2 / sqrt(4.5));
    check_state(outer, 0, "members.1.count", 4);
    check_state(outer, 1, "members.1.mean", 4);
    check_state(outer, 2, "members.1.squares", 18);
    b.answer = -5; /* another member fails: nothing was counted */
    ck_assert_int_eq(score_two(outer, scores), -5);
    b.answer = 0;
    b.scores[1] = NAN;
    REFUSED(score_two(outer, scores), FST_ERR_NUMERIC, "member 0");
    b.scores[1] = 0;
    check_state(outer, 0, "members.1.count", 4);
    REQUIRE(fst_reward_model_freeze(outer, 1));
    a.scores[0] = 8;
    REQUIRE(score_two(outer, scores));
    CLOSE(scores[0], 4 / sqrt(4.5));
    check_state(outer, 0, "members.1.count", 4);
    /* An evaluation holds all; then what the caller froze is as it was, member by member. */
    REQUIRE(fst_reward_model_freeze(outer, 0));
    fst__reward_model_hold(outer);
    REQUIRE(score_two(outer, scores));
    check_state(outer, 0, "members.1.count", 4);
    fst__reward_model_let_go(outer);
    REQUIRE(fst_reward_model_freeze(inner, 1));
    fst__reward_model_hold(outer);
    fst__reward_model_let_go(outer);
    REQUIRE(score_two(outer, scores));
    check_state(outer, 0, "members.1.count", 4);
    REQUIRE(fst_reward_model_freeze(inner, 0));
    REQUIRE(score_two(outer, scores));
    check_state(outer, 0, "members.1.count", 6);
    fst_reward_model_destroy(inner);
    fst_reward_model_destroy(outer);
    fst_reward_model_destroy(members[0]);
    fst_reward_model_destroy(members[1]);
}
END_TEST

START_TEST(test_members_normalised)
{
    host a = {.scores = {1, 3}, .fill = true}, b = {.scores = {5, 5}, .fill = true};
    fst_reward_model *members[] = {callback_of(&a), callback_of(&b)}, *sum;
    fst_reward_combine_options o;
    REQUIRE(fst_reward_combine_options_init(&o, sizeof o));
    o.normalise = FST_NORMALISE_MEMBERS;
    const double high[] = {0.25, 9};
    o.member_high = high;
    REQUIRE(fst_reward_model_combine(context, members, NULL, 2, &o, &sum));
    float scores[2];
    REQUIRE(score_two(sum, scores));
    CLOSE(scores[0], -1); /* the second is constant: its deviation counts as 1 */
    CLOSE(scores[1], 0.25);
    fst_reward_model_destroy(sum);
    o.keep_mean = 1;
    o.member_high = NULL;
    REQUIRE(fst_reward_model_combine(context, members, NULL, 2, &o, &sum));
    REQUIRE(score_two(sum, scores));
    CLOSE(scores[0], 1 + 5);
    CLOSE(scores[1], 3 + 5);
    fst_reward_model_destroy(sum);
    fst_reward_model_destroy(members[0]);
    fst_reward_model_destroy(members[1]);
}
END_TEST

START_TEST(test_statistics)
{
    /* In batches or at once, far from zero. */
    float values[100];
    for (int i = 0; i < 100; ++i)
        values[i] = 1e4f + (float)((i * 37) % 11);
    fst__statistics all = {0}, parts = {0};
    fst__statistics_add(&all, values, 100);
    for (int i = 0; i < 100; i += 5)
        fst__statistics_add(&parts, values + i, 5);
    ck_assert_int_eq(parts.count, 100);
    ck_assert_double_eq_tol(parts.mean, all.mean, 1e-10);
    ck_assert_double_eq_tol(parts.squares, all.squares, 1e-8);
    CLOSE(fst__statistics_deviation(&(fst__statistics){0}), 1);
}
END_TEST

/* ---- batches ---- */

START_TEST(test_bad_batches)
{
    host h = {.fill = true};
    fst_reward_model *rm = callback_of(&h);
    fst_reward_batch batch;
    float scores[2];
    REQUIRE(fst_reward_batch_init(&batch, sizeof batch));
    batch.count = 2;
    REFUSED(fst_reward_model_score(rm, &batch, scores), FST_ERR_INVALID_ARGUMENT, "neither");
    const char *texts[] = {"a", NULL};
    batch.response_texts = texts;
    REFUSED(fst_reward_model_score(rm, &batch, scores), FST_ERR_INVALID_ARGUMENT, "[1]");
    const int32_t ids[] = {1}, *responses[] = {ids, NULL};
    const int64_t lengths[] = {1, 1};
    batch.response_texts = NULL;
    batch.responses = responses;
    REFUSED(fst_reward_model_score(rm, &batch, scores), FST_ERR_INVALID_ARGUMENT, "lengths");
    batch.response_lengths = lengths;
    REFUSED(fst_reward_model_score(rm, &batch, scores), FST_ERR_INVALID_ARGUMENT, "responses[1]");
    batch.count = 1;
    REQUIRE(fst_reward_model_score(rm, &batch, scores));
    ck_assert_ptr_null(h.seen); /* no tokenizer anywhere: no texts */
    batch.count = 0;
    REFUSED(fst_reward_model_score(rm, &batch, scores), FST_ERR_INVALID_ARGUMENT, "count");
    fst_reward_model_destroy(rm);
}
END_TEST

START_TEST(test_texts_from_ids)
{
    const char *const corpus[] = {"to be or not to be, that is the question"};
    fst_tokenizer_train_options train;
    REQUIRE(fst_tokenizer_train_options_init(&train, sizeof train));
    train.vocabulary_size = 280;
    fst_tokenizer *tokenizer;
    REQUIRE(fst_tokenizer_train_texts(context, corpus, NULL, 1, &train, &tokenizer));
    int32_t ids[64];
    size_t count;
    REQUIRE(fst_tokenizer_encode(tokenizer, "not to be", strlen("not to be"), NULL, ids, NULL, 64,
                                 &count));
    host h = {.fill = true};
    fst_reward_rule_options o = rule_options(FST_RULE_PATTERN, 0);
    o.pattern = "^not to be$";
    fst_reward_model *members[] = {callback_of(&h), rule_of(&o)}, *sum;
    REQUIRE(fst_reward_model_combine(context, members, NULL, 2, NULL, &sum));
    const int32_t *responses[] = {ids, ids};
    const int64_t lengths[] = {(int64_t)count, 1};
    fst_reward_batch batch;
    REQUIRE(fst_reward_batch_init(&batch, sizeof batch));
    batch.count = 2;
    batch.responses = responses;
    batch.response_lengths = lengths;
    float scores[2];
    REFUSED(fst_reward_model_score(sum, &batch, scores), FST_ERR_INVALID_ARGUMENT, "tokenizer");
    batch.tokenizer = tokenizer;
    for (int repeat = 0; repeat < 2; ++repeat) {
        int64_t before = tiny_allocations(context);
        REQUIRE(fst_reward_model_score(sum, &batch, scores));
        if (repeat)
            ck_assert_int_eq(tiny_allocations(context), before);
        CLOSE(scores[0], 1);
        CLOSE(scores[1], 0);
        ck_assert_str_eq(h.seen, "not to be");
    }
    ids[0] = 100000;
    REFUSED(fst_reward_model_score(sum, &batch, scores), FST_ERR_INVALID_ARGUMENT, "no token");
    fst_reward_model_destroy(members[0]);
    fst_reward_model_destroy(members[1]);
    fst_tokenizer_destroy(tokenizer);
    fst_reward_model_destroy(sum);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reward_model");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_length);
    tcase_add_test(tests, test_length_of_ids);
    tcase_add_test(tests, test_repetition);
    tcase_add_test(tests, test_pattern);
    tcase_add_test(tests, test_pattern_limit);
    tcase_add_test(tests, test_lexicon);
    tcase_add_test(tests, test_end);
    tcase_add_test(tests, test_callback);
    tcase_add_test(tests, test_sum);
    tcase_add_test(tests, test_running_normalisation);
    tcase_add_test(tests, test_members_normalised);
    tcase_add_test(tests, test_statistics);
    tcase_add_test(tests, test_bad_batches);
    tcase_add_test(tests, test_texts_from_ids);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
