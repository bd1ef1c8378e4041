/* Reads the data sets of instructions, preferences, grades and sentiment, and prints what is in
 * them. */
#include "fourstage/examples.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[512];
static fst_context *context;
static fst_tokenizer *tokenizer;
static fst_example_options options;

static void setup(void)
{
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    static const char *const texts[] = {"a"};
    fst_context_options context_options;
    fst_tokenizer_train_options train;
    fst_context_options_init(&context_options, sizeof context_options);
    context_options.threads = 1;
    context_options.provider = FST_PROVIDER_REFERENCE;
    ck_assert_int_eq(fst_context_create(&context_options, &context), FST_OK);
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.special_tokens = special;
    train.special_token_count = 3;
    train.vocabulary_size = 259;
    ck_assert_int_eq(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer),
                     FST_OK);
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_EOS, 0), FST_OK);
    ck_assert_int_eq(fst_example_options_init(&options, sizeof options), FST_OK);
}

static void teardown(void)
{
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
}

/* The examples of up to three files. */
static fst_dataset *load(const char *first, const char *second, const char *third,
                         fst_examples_info *info)
{
    char paths[3][700];
    const char *names[] = {first, second, third}, *list[3];
    int64_t count = 0;
    for (; count < 3 && names[count]; ++count) {
        snprintf(paths[count], sizeof paths[count], "%s/%s", folder, names[count]);
        list[count] = paths[count];
    }
    fst_dataset *dataset = NULL;
    fst_status status =
        fst_dataset_load_examples(context, tokenizer, list, count, &options, &dataset);
    ck_assert_msg(status == FST_OK, "%s", fst_last_error());
    ck_assert_int_eq(fst_dataset_get_examples_info(dataset, info, sizeof *info), FST_OK);
    printf("%-52s %6lld examples %6lld sequences %8lld ids %8lld trained, longest %6lld, "
           "%lld useless, %lld too long, %lld cut\n",
           first, (long long)info->examples, (long long)info->sequences, (long long)info->tokens,
           (long long)info->trained_tokens, (long long)info->longest,
           (long long)info->dropped_useless, (long long)info->dropped_too_long,
           (long long)info->cut);
    return dataset;
}

static void load_counted(const char *first, const char *second, const char *third, int64_t examples,
                         int64_t useless)
{
    fst_examples_info info;
    fst_dataset_destroy(load(first, second, third, &info));
    ck_assert_int_eq(info.examples, examples);
    ck_assert_int_eq(info.dropped_useless, useless);
}

START_TEST(test_instructions)
{
    fst_chat_template chat;
    fst_chat_template_preset(FST_CHAT_ALPACA, &chat, sizeof chat);
    options.chat = &chat;
    load_counted("instruct/instruction-data-with-preference.json", NULL, NULL, 1100, 0);
    fst_chat_template_preset(FST_CHAT_CHATML, &chat, sizeof chat);
    load_counted("instruct/oasst-zh.json", NULL, NULL, 766, 0);
    options.kind = FST_EXAMPLES_PROMPTS;
    load_counted("instruct/oasst-zh.json", NULL, NULL, 766, 0);
}
END_TEST

/* By how many examples the first answer is the longer one, of all pairs of answers. */
static double longer_wins(const fst_dataset *dataset, int64_t examples)
{
    double won = 0, pairs = 0;
    for (int64_t i = 0; i < examples; ++i) {
        fst_example a, b;
        fst_dataset_get_example(dataset, i, 0, &a, sizeof a);
        for (int64_t s = 1; s < a.sequences; ++s) {
            ck_assert_int_eq(fst_dataset_get_example(dataset, i, s, &b, sizeof b), FST_OK);
            int64_t left = a.length - a.prompt_length, right = b.length - b.prompt_length;
            ck_assert_int_eq(a.prompt_length, b.prompt_length);
            won += left > right ? 1 : left == right ? 0.5 : 0;
            ++pairs;
        }
    }
    return won / pairs;
}

START_TEST(test_preferences)
{
    fst_examples_info info;
    options.kind = FST_EXAMPLES_PREFERENCES;
    char path[700];
    const char *list[] = {path};
    fst_dataset *dataset = NULL;
    snprintf(path, sizeof path, "%s/preference/hh-helpful-base.jsonl.gz", folder);
    ck_assert_int_eq(fst_dataset_load_examples(context, tokenizer, list, 1, &options, &dataset),
                     FST_ERR_FORMAT);
    printf("%s\n", fst_last_error());
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "hh-helpful-base.jsonl.gz: line 722"));
    options.drop_useless = 1;
    dataset = load("preference/hh-helpful-base.jsonl.gz", NULL, NULL, &info);
    ck_assert_int_eq(info.dropped_useless, 2); /* the identical pairs */
    ck_assert_int_eq(info.examples, 2354 - 2);
    double share = longer_wins(dataset, info.examples);
    printf("the longer answer is the better one in %.1f %%\n", 100 * share);
    ck_assert_double_eq_tol(share, 0.594, 0.01);
    fst_dataset_destroy(dataset);

    dataset = load("preference/oasst-zh-ranked.json", NULL, NULL, &info);
    ck_assert_int_eq(info.examples, 772); /* 3 pairs and 3 longer lists repeat an answer */
    ck_assert_int_eq(info.dropped_useless, 6);
    ck_assert_int_eq(info.maximum_answers, 10);
    fst_dataset_destroy(dataset);
    load_counted("instruct/instruction-data-with-preference.json", NULL, NULL, 1094, 6);
}
END_TEST

static void print_labels(const fst_dataset *dataset, const fst_examples_info *info)
{
    for (int64_t k = 0; k < info->label_count; ++k) {
        double sum = 0, least = INFINITY, most = -INFINITY;
        int64_t present = 0;
        for (int64_t i = 0; i < info->examples; ++i) {
            fst_example e;
            fst_dataset_get_example(dataset, i, 0, &e, sizeof e);
            if (isnan(e.labels[k]))
                continue;
            sum += (double)e.labels[k];
            least = fmin(least, (double)e.labels[k]);
            most = fmax(most, (double)e.labels[k]);
            ++present;
        }
        printf("  label %lld: %lld present, mean %.4f, %g … %g\n", (long long)k, (long long)present,
               sum / (double)present, least, most);
    }
}

START_TEST(test_grades)
{
    static const char *const fields[] = {"turn_rating", "knowledge_source", "sentiment"};
    static const char *const values[] = {
        "Poor=1,Not Good=2,Passable=3,Good=4,Excellent=5", "Personal Knowledge=0,*=1",
        "Happy=1,Curious to dive deeper=1,Surprised=1,Neutral=0,*=-1"};
    fst_examples_info info;
    options.kind = FST_EXAMPLES_LABELLED;
    options.records = "*.content.*";
    options.text_field = "message";
    options.label_fields = fields;
    options.label_values = values;
    options.label_count = 3;
    options.history = 2;
    fst_dataset *dataset = load("grades/topicalchat/valid_freq.json.gz", NULL, NULL, &info);
    print_labels(dataset, &info);
    ck_assert_int_eq(info.examples, 11681);
    int64_t rated = 0;
    for (int64_t i = 0; i < info.examples; ++i) {
        fst_example e;
        fst_dataset_get_example(dataset, i, 0, &e, sizeof e);
        rated += !isnan(e.labels[0]);
    }
    ck_assert_int_eq(rated, 11681 - 29);
    fst_dataset_destroy(dataset);

    static const char *const grade[] = {"1"};
    ck_assert_int_eq(fst_example_options_init(&options, sizeof options), FST_OK);
    options.kind = FST_EXAMPLES_LABELLED;
    options.format = FST_FORMAT_TSV;
    options.text_field = "2";
    options.label_fields = grade;
    options.label_count = 1;
    static const char *const files[] = {"grades/vader/tweets_GroundTruth.txt",
                                        "grades/vader/amazonReviewSnippets_GroundTruth.txt",
                                        "grades/vader/nytEditorialSnippets_GroundTruth.txt"};
    static const int64_t counts[] = {4200, 3708, 5190};
    for (int i = 0; i < 3; ++i) {
        dataset = load(files[i], NULL, NULL, &info);
        print_labels(dataset, &info);
        ck_assert_int_eq(info.examples, counts[i]);
        fst_dataset_destroy(dataset);
    }
}
END_TEST

START_TEST(test_sentiment)
{
    static const char *const label[] = {"1"}, *const file[] = {"@file"};
    options.kind = FST_EXAMPLES_LABELLED;
    options.format = FST_FORMAT_TSV;
    options.text_field = "0";
    options.label_fields = label;
    options.label_count = 1;
    load_counted("sentiment/uci/amazon_cells_labelled.txt", "sentiment/uci/imdb_labelled.txt",
                 "sentiment/uci/yelp_labelled.txt", 3000, 0);
    options.format = FST_FORMAT_LINES;
    options.latin1 = 1;
    options.text_field = NULL;
    options.label_fields = file;
    fst_examples_info info;
    fst_dataset *dataset = load("sentiment/rt-polarity/rt-polarity.neg",
                                "sentiment/rt-polarity/rt-polarity.pos", NULL, &info);
    print_labels(dataset, &info);
    ck_assert_int_eq(info.examples, 2 * 5331);
    fst_example first, last;
    fst_dataset_get_example(dataset, 0, 0, &first, sizeof first);
    fst_dataset_get_example(dataset, info.examples - 1, 0, &last, sizeof last);
    ck_assert_float_eq(first.labels[0], 0);
    ck_assert_float_eq(last.labels[0], 1);
    fst_dataset_destroy(dataset);
}
END_TEST

int main(void)
{
    const char *data = getenv("FOURSTAGE_DATA");
    snprintf(folder, sizeof folder, "%s",
             data && *data ? data : FOURSTAGE_SOURCE "/../shared/data");
    if (access(folder, R_OK) != 0) {
        printf("skipped: there is no folder %s (FOURSTAGE_DATA names another)\n", folder);
        return 77;
    }
    Suite *suite = suite_create("example_data");
    TCase *cases = tcase_create("example_data");
    tcase_set_timeout(cases, 100);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_instructions);
    tcase_add_test(cases, test_preferences);
    tcase_add_test(cases, test_grades);
    tcase_add_test(cases, test_sentiment);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
