/* Masked language modelling's inputs: who is chosen, what becomes of them, what never does. */
#include "fourstage/fourstage.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())
#define BAD(call, text)                                                                            \
    do {                                                                                           \
        ck_assert_int_eq(call, FST_ERR_INVALID_ARGUMENT);                                          \
        ck_assert_msg(strstr(fst_last_error(), text) != NULL, "%s", fst_last_error());             \
    } while (0)

enum { ROWS = 200, LENGTH = 100, COUNT = ROWS * LENGTH, VOCABULARY = 53, MASK = 4, SPECIALS = 5 };

static fst_context *context;
static fst_mask_options options;
static uint8_t flags[VOCABULARY];
static int32_t ids[COUNT], masked[COUNT], targets[COUNT];

static fst_context *make_context(int64_t seed, int32_t threads)
{
    fst_context_options o;
    fst_context *made;
    OK(fst_context_options_init(&o, sizeof o));
    o.seed = (uint64_t)seed;
    o.threads = threads;
    OK(fst_context_create(&o, &made));
    return made;
}

static void setup(void)
{
    context = make_context(3, 1);
    OK(fst_mask_options_init(&options, sizeof options));
    memset(flags, 0, sizeof flags);
    memset(flags, FST_TOKEN_IS_SPECIAL, SPECIALS);
    options.mask_id = MASK;
    options.vocabulary_size = VOCABULARY;
    options.flags = flags;
    uint32_t seed = 1;
    for (int i = 0; i < COUNT; ++i) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = (int32_t)((seed >> 8) % VOCABULARY);
    }
}

static void teardown(void)
{
    fst_context_destroy(context);
}

static void mask(int64_t draw)
{
    OK(fst_mask_tokens(context, &options, ids, ROWS, LENGTH, draw, masked, targets));
}

/* Within five deviations of a binomial's mean: one in two million goes wrong by chance. */
static void ck_share(const char *what, int64_t hits, int64_t of, double p)
{
    double deviation = sqrt((double)of * p * (1 - p));
    ck_assert_msg(fabs((double)hits - (double)of * p) <= 5 * deviation,
                  "%s: %lld of %lld, expected a share of %g", what, (long long)hits, (long long)of, p);
}

/* ---- who is chosen ---- */

START_TEST(test_shares)
{
    int64_t eligible = 0, chosen = 0, as_mask = 0, kept = 0, random = 0, seen[VOCABULARY] = {0};
    for (int64_t draw = 0; draw < 20; ++draw) {
        mask(draw * ROWS);
        for (int i = 0; i < COUNT; ++i) {
            eligible += ids[i] >= SPECIALS;
            if (targets[i] < 0) {
                ck_assert_int_eq(targets[i], FST_IGNORE);
                ck_assert_int_eq(masked[i], ids[i]);
                continue;
            }
            ck_assert_int_eq(targets[i], ids[i]);
            ck_assert_int_ge(ids[i], SPECIALS);
            chosen += 1;
            as_mask += masked[i] == MASK;
            kept += masked[i] == ids[i];
            if (masked[i] != MASK && masked[i] != ids[i]) {
                ck_assert_int_ge(masked[i], SPECIALS);
                ++random;
                ++seen[masked[i]];
            }
        }
    }
    const double others = VOCABULARY - SPECIALS;
    ck_share("chosen", chosen, eligible, 0.15);
    ck_share("mask token", as_mask, chosen, 0.8);
    ck_share("kept", kept, chosen, 0.1 + 0.1 / others);
    ck_share("random", random, chosen, 0.1 * (1 - 1 / others));
    for (int v = SPECIALS; v < VOCABULARY; ++v)
        ck_share("one random id", seen[v], random, 1 / others);
}
END_TEST

/* All or nothing, and the two shares to their ends. */
START_TEST(test_extremes)
{
    options.mask_probability = 0;
    mask(0);
    ck_assert_mem_eq(masked, ids, sizeof ids);
    options.mask_probability = 1;
    options.mask_token_share = 1;
    options.random_token_share = 0;
    mask(0);
    for (int i = 0; i < COUNT; ++i) {
        ck_assert_int_eq(masked[i], ids[i] < SPECIALS ? ids[i] : MASK);
        ck_assert_int_eq(targets[i], ids[i] < SPECIALS ? FST_IGNORE : ids[i]);
    }
    options.mask_token_share = 0;
    mask(0);
    ck_assert_mem_eq(masked, ids, sizeof ids);
    /* Nothing but special ids to draw from: what was there stays. */
    memset(flags, FST_TOKEN_IS_SPECIAL, sizeof flags);
    flags[7] = 0;
    options.random_token_share = 1;
    mask(0);
    for (int i = 0; i < COUNT; ++i)
        ck_assert_int_eq(masked[i], ids[i]);
}
END_TEST

/* Without flags nothing is special but the mask itself; padding is never masked. */
START_TEST(test_lengths)
{
    int32_t lengths[ROWS];
    for (int b = 0; b < ROWS; ++b)
        lengths[b] = b % (LENGTH + 1);
    options.flags = NULL;
    options.lengths = lengths;
    options.mask_probability = 1;
    mask(0);
    for (int i = 0; i < COUNT; ++i)
        ck_assert_int_eq(targets[i] >= 0, i % LENGTH < lengths[i / LENGTH] && ids[i] != MASK);
}
END_TEST

/* ---- dynamic, and the same bits however the work is cut ---- */

START_TEST(test_draws)
{
    static int32_t other[COUNT], other_targets[COUNT];
    mask(0);
    memcpy(other, masked, sizeof masked);
    memcpy(other_targets, targets, sizeof targets);
    mask(ROWS); /* another draw: about 2·p·(1 − p) of the choices differ */
    int64_t differ = 0;
    for (int i = 0; i < COUNT; ++i)
        differ += (targets[i] < 0) != (other_targets[i] < 0);
    ck_assert_int_gt(differ, COUNT / 6);

    for (int64_t b = 0; b < ROWS; ++b) /* row by row */
        OK(fst_mask_tokens(context, &options, ids + b * LENGTH, 1, LENGTH, b, masked + b * LENGTH,
                           targets + b * LENGTH));
    ck_assert_mem_eq(masked, other, sizeof masked);
    ck_assert_mem_eq(targets, other_targets, sizeof targets);

    for (int32_t threads = 2; threads <= 8; ++threads) {
        fst_context *more = make_context(3, threads);
        memcpy(masked, ids, sizeof ids); /* in place */
        OK(fst_mask_tokens(more, &options, masked, ROWS, LENGTH, 0, masked, targets));
        ck_assert_mem_eq(masked, other, sizeof masked);
        ck_assert_mem_eq(targets, other_targets, sizeof targets);
        fst_context_destroy(more);
    }
    fst_context *another = make_context(4, 1);
    OK(fst_mask_tokens(another, &options, ids, ROWS, LENGTH, 0, masked, targets));
    ck_assert_mem_ne(targets, other_targets, sizeof targets);
    fst_context_destroy(another);
}
END_TEST

/* ---- whole words ---- */

/* Words of one to four ids, by number. */
static void make_words(int32_t *words)
{
    uint32_t seed = 9;
    for (int i = 0, left = 0, word = 0; i < COUNT; ++i) {
        if (left == 0 || i % LENGTH == 0) {
            seed = seed * 1664525u + 1013904223u;
            left = 1 + (int)(seed >> 16) % 4;
            ++word;
        }
        words[i] = word;
        --left;
    }
}

START_TEST(test_whole_words)
{
    static int32_t words[COUNT];
    make_words(words);
    options.whole_words = 1;
    if (_i == 0) {
        options.words = words;
        options.flags = NULL;
    } else { /* the same words, by flags: ids above 30 go on, and end what they stand in where above 50 */
        for (int v = SPECIALS; v < VOCABULARY; ++v)
            flags[v] = (uint8_t)((v > 30 ? FST_TOKEN_CONTINUES_WORD : 0) | (v > 50 ? FST_TOKEN_ENDS_WORD : 0));
        for (int i = 0; i < COUNT; ++i) {
            bool goes_on = i % LENGTH > 0 && ids[i] > 30 && ids[i - 1] <= 50 && ids[i - 1] >= SPECIALS;
            words[i] = i == 0 ? 0 : words[i - 1] + !goes_on;
        }
    }
    int64_t count = 0, hits = 0, eligible = 0, chosen = 0;
    for (int64_t draw = 0; draw < 20; ++draw) {
        mask(draw * ROWS);
        for (int i = 0; i < COUNT; ++i) {
            bool special = ids[i] == MASK || (_i == 1 && ids[i] < SPECIALS);
            ck_assert(!special || targets[i] < 0);
            eligible += !special;
            chosen += targets[i] >= 0;
            bool first = i == 0 || words[i] != words[i - 1];
            count += first && !special;
            hits += first && targets[i] >= 0;
            if (!first && !special && ids[i - 1] != MASK)
                ck_assert_msg((targets[i] >= 0) == (targets[i - 1] >= 0), "word %d is cut at %d",
                              words[i], i);
        }
    }
    ck_share("words", hits, count, 0.15);
    /* Ids of one word go together, up to seven: the share's deviation is that much wider. */
    ck_assert_double_eq_tol((double)chosen / (double)eligible, 0.15, 0.005);
}
END_TEST

/* A document begins a word, whatever its first id says; a negative word is never masked. */
START_TEST(test_word_limits)
{
    int32_t row[6] = {10, 40, 40, 40, 40, 40}, documents[6] = {0, 0, 0, 3, 3, 3}, out[6], to[6];
    int32_t words[6] = {0, 0, -1, -1, 1, 1};
    for (int v = 30; v < VOCABULARY; ++v)
        flags[v] = FST_TOKEN_CONTINUES_WORD;
    options.whole_words = 1;
    options.mask_probability = 0.5;
    options.documents = documents;
    int apart = 0;
    for (int64_t draw = 0; draw < 100; ++draw) {
        OK(fst_mask_tokens(context, &options, row, 1, 6, draw, out, to));
        ck_assert((to[0] >= 0) == (to[2] >= 0) && (to[3] >= 0) == (to[5] >= 0));
        apart += (to[0] >= 0) != (to[3] >= 0);
    }
    ck_assert_int_gt(apart, 20);
    options.words = words;
    options.mask_probability = 1;
    OK(fst_mask_tokens(context, &options, row, 1, 6, 0, out, to));
    for (int i = 0; i < 6; ++i)
        ck_assert_int_eq(to[i] >= 0, words[i] >= 0);
}
END_TEST

/* ---- what a tokenizer says of its ids ---- */

static unsigned flag_of(const uint8_t *of, const fst_tokenizer *tokenizer, const char *token)
{
    int32_t id;
    OK(fst_tokenizer_find(tokenizer, token, &id));
    return of[id];
}

START_TEST(test_flags)
{
    static const char *const texts[] = {"low low low low low paper ladder, slow\nslower 新年 新年 新年 don't"};
    static const char *const special[] = {"<mask>", "<s>"};
    fst_tokenizer_train_options train;
    fst_tokenizer *tokenizer;
    OK(fst_tokenizer_train_options_init(&train, sizeof train));
    train.special_tokens = special;
    train.special_token_count = 2;
    train.vocabulary_size = 320;
    OK(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer));
    size_t count, again;
    ck_assert_int_eq(fst_tokenizer_token_flags(tokenizer, NULL, 0, &count), FST_ERR_BUFFER_TOO_SMALL);
    uint8_t *of = malloc(count);
    OK(fst_tokenizer_token_flags(tokenizer, of, count, &again));
    ck_assert_uint_eq(count, again);
    ck_assert_uint_eq(flag_of(of, tokenizer, "<mask>"), FST_TOKEN_IS_SPECIAL);
    ck_assert_uint_eq(flag_of(of, tokenizer, "<s>"), FST_TOKEN_IS_SPECIAL);
    ck_assert_uint_eq(flag_of(of, tokenizer, " low"), 0);
    ck_assert_uint_eq(flag_of(of, tokenizer, "er"), FST_TOKEN_CONTINUES_WORD);
    ck_assert_uint_eq(flag_of(of, tokenizer, ","), FST_TOKEN_ENDS_WORD);
    ck_assert_uint_eq(flag_of(of, tokenizer, "\n"), FST_TOKEN_ENDS_WORD);
    ck_assert_uint_eq(flag_of(of, tokenizer, "a"), FST_TOKEN_CONTINUES_WORD);
    ck_assert_uint_eq(flag_of(of, tokenizer, "\xe6"), 0); /* begins 新 */
    ck_assert_uint_eq(flag_of(of, tokenizer, "\xb9"), FST_TOKEN_CONTINUES_WORD);
    free(of);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(test_wordpiece_flags)
{
    static const char *const texts[] = {"low lower lowest slow slower 新年"};
    fst_tokenizer_train_options train;
    fst_tokenizer *tokenizer;
    OK(fst_tokenizer_train_options_init(&train, sizeof train));
    train.kind = FST_TOKENIZER_WORDPIECE;
    train.vocabulary_size = 40;
    OK(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer));
    uint8_t of[64];
    size_t count;
    OK(fst_tokenizer_token_flags(tokenizer, of, sizeof of, &count));
    static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int i = 0; i < 5; ++i)
        ck_assert_uint_eq(flag_of(of, tokenizer, special[i]), FST_TOKEN_IS_SPECIAL);
    ck_assert_uint_eq(flag_of(of, tokenizer, "l"), 0);
    ck_assert_uint_eq(flag_of(of, tokenizer, "##o"), FST_TOKEN_CONTINUES_WORD);
    ck_assert_uint_eq(flag_of(of, tokenizer, "新"), 0);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* ---- words that come with a dataset ---- */

START_TEST(test_dataset_words)
{
    /* Two documents; the second begins with an id that says it goes on. */
    const int32_t data[9] = {10, 11, 12, 13, 14, 20, 21, 22, 23};
    const uint8_t continues[9] = {0, 1, 0, 1, 1, 1, 1, 0, 1};
    const int64_t offsets[3] = {0, 5, 9};
    const int32_t expected[2][6] = {{0, 0, 1, 1, 1, -1}, {0, 0, 1, 1, -1, -1}};
    fst_dataset_token_options tokens;
    OK(fst_dataset_token_options_init(&tokens, sizeof tokens));
    tokens.word_continues = continues;
    fst_pack_options pack;
    OK(fst_pack_options_init(&pack, sizeof pack));
    pack.length = 6;
    pack.mode = FST_PACK_BEST_FIT;
    fst_dataset *dataset, *packed;
    OK(fst_dataset_from_tokens(context, data, 9, offsets, 2, &tokens, &dataset));
    OK(fst_dataset_pack(dataset, &pack, &packed));
    int32_t words[12];
    ck_assert_int_eq(fst_dataset_read_words(dataset, 0, 2, 0, words), FST_ERR_STATE);
    OK(fst_dataset_read_words(packed, 0, 2, 0, words));
    ck_assert_mem_eq(words, expected, sizeof expected);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(dataset);
    tokens.word_continues = NULL;
    OK(fst_dataset_from_tokens(context, data, 9, offsets, 2, &tokens, &dataset));
    OK(fst_dataset_pack(dataset, &pack, &packed));
    OK(fst_dataset_read_words(packed, 0, 1, 0, words));
    for (int i = 0; i < 6; ++i)
        ck_assert_int_eq(words[i], i < 5 ? i : -1);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(dataset);
    const uint8_t wrong[9] = {0, 1, 2};
    tokens.word_continues = wrong;
    BAD(fst_dataset_from_tokens(context, data, 9, offsets, 2, &tokens, &dataset), "word_continues[2]");
}
END_TEST

/* ---- refusals ---- */

static fst_status try(int64_t rows, int64_t length, int64_t draw)
{
    return fst_mask_tokens(context, &options, ids, rows, length, draw, masked, targets);
}

START_TEST(test_refused)
{
    const fst_mask_options good = options;
#define REFUSED(change, text)                                                                      \
    do {                                                                                           \
        options = good;                                                                            \
        change;                                                                                    \
        BAD(try(2, LENGTH, 0), text);                                                              \
    } while (0)
    REFUSED(options.mask_probability = -0.1, "probability");
    REFUSED(options.mask_probability = NAN, "probability");
    REFUSED(options.mask_token_share = 0.95, "mask_token_share");
    REFUSED(options.random_token_share = 1.5, "random_token_share");
    REFUSED(options.mask_id = -1, "mask_id");
    REFUSED(options.mask_id = VOCABULARY, "mask_id");
    REFUSED(options.vocabulary_size = 0, "vocabulary_size");
    REFUSED(options.whole_words = 2, "whole_words");
    REFUSED((options.whole_words = 1, options.flags = NULL), "whole_words");
    REFUSED(options.reserved = 1, "reserved");
    const int32_t lengths[2] = {LENGTH, LENGTH + 1};
    REFUSED(options.lengths = lengths, "lengths[1]");
    REFUSED(ids[LENGTH + 3] = VOCABULARY, "ids[1][3]");
    REFUSED(ids[LENGTH + 3] = -1, "ids[1][3]");
    ids[LENGTH + 3] = 0;
    options = good;
    BAD(try(0, 1, 0), "rows");
    BAD(try(1, 0, 0), "length");
    BAD(try(1, 1, -1), "draw");
    BAD(try(2, 1, ((int64_t)1 << 56) - 1), "draw");
    OK(try(1, 1, ((int64_t)1 << 56) - 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mask");
    TCase *cases = tcase_create("mask");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_shares);
    tcase_add_test(cases, test_extremes);
    tcase_add_test(cases, test_lengths);
    tcase_add_test(cases, test_draws);
    tcase_add_loop_test(cases, test_whole_words, 0, 2);
    tcase_add_test(cases, test_word_limits);
    tcase_add_test(cases, test_flags);
    tcase_add_test(cases, test_wordpiece_flags);
    tcase_add_test(cases, test_dataset_words);
    tcase_add_test(cases, test_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
