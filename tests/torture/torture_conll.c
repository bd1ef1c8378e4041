/* Files in CoNLL's formats that are to be refused, each naming its line; every truncation and every bit
 * flip of a good one. */
#include "fourstage/fourstage.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

static fst_context *context;
static fst_tokenizer *tokenizer;
static char path[64];

static void set_up(void)
{
    fst_context_options options;
    fst_context_options_init(&options, sizeof options);
    options.threads = 1;
    OK(fst_context_create(&options, &context));
    static const char *const texts[] = {"some words"};
    fst_tokenizer_train_options train;
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.vocabulary_size = 260;
    OK(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer));
    snprintf(path, sizeof path, "/tmp/fourstage-conll-%ld", (long)getpid());
}

static void tear_down(void)
{
    remove(path);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
}

static fst_status load(const char *bytes, size_t length, const fst_word_options *options)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    fclose(file);
    const char *const paths[] = {path};
    fst_dataset *dataset = NULL;
    fst_status status = fst_dataset_load_conll(context, tokenizer, paths, 1, options, &dataset);
    ck_assert((status == FST_OK) == (dataset != NULL));
    fst_dataset_destroy(dataset);
    return status;
}

/* What the file is read with. */
typedef enum reading {
    PLAIN,    /* word first, tag last */
    TABS,     /* between tabs alone */
    SPACES,   /* between spaces alone */
    UNIVERSAL, /* id, word, tag; comments */
    THIRD,    /* the tag is column 2 */
    BARE,     /* no tags */
    KNOWN,    /* tags O and B-X */
    BACKWARDS, /* word last but one */
    SHORT,    /* at most 3 ids */
    SPECIAL,
} reading;

static fst_word_options options_of(reading how)
{
    static const char *const known[] = {"O", "B-X"};
    fst_word_options o;
    OK(fst_word_options_init(&o, sizeof o));
    o.columns = how == TABS ? FST_COLUMNS_TAB : how == SPACES ? FST_COLUMNS_SPACES : FST_COLUMNS_AUTO;
    o.tag_column = how == UNIVERSAL || how == THIRD ? 2 : -1;
    o.word_column = how == UNIVERSAL ? 1 : how == BACKWARDS ? -2 : 0;
    o.id_column = how == UNIVERSAL ? 0 : -1;
    o.comments = how == UNIVERSAL;
    o.no_tags = how == BARE;
    o.tags = how == KNOWN ? known : NULL;
    o.tag_count = how == KNOWN ? 2 : 0;
    o.max_length = how == SHORT ? 3 : 0;
    return o;
}

#define TEXT(text) text, sizeof text - 1
static const struct {
    reading how;
    const char *bytes;
    size_t length;
    const char *said;
} refused[] = {
    /* nothing in it */
    {PLAIN, TEXT(""), "not one sentence"},
    {PLAIN, TEXT("\n"), "not one sentence"},
    {PLAIN, TEXT(" \t \n\r\n\v\f\n"), "not one sentence"},
    {PLAIN, TEXT("-DOCSTART- -X- O\n"), "not one sentence"},
    {PLAIN, TEXT("-DOCSTART-\n\n-DOCSTART-\n\n"), "not one sentence"},
    {PLAIN, TEXT("\xEF\xBB\xBF"), "not one sentence"},
    {UNIVERSAL, TEXT("# a comment\n#\n##\n"), "not one sentence"},
    {UNIVERSAL, TEXT("1-2\tab\t_\n1.1\tc\tO\n\n"), "not one sentence"},
    /* NUL and bad UTF-8 */
    {PLAIN, TEXT("a\0b\tO\n"), "line 1: byte 1 is NUL"},
    {PLAIN, TEXT("a\tO\n\0"), "line 2: byte 0 is NUL"},
    {PLAIN, TEXT("a\tO\0\n"), "line 1: byte 3 is NUL"},
    {PLAIN, TEXT("\0"), "line 1: byte 0 is NUL"},
    {PLAIN, TEXT("a\tO\n\n\n  \0 \n"), "line 4: byte 2 is NUL"},
    {UNIVERSAL, TEXT("# \0\n1\ta\tO\n"), "line 1: byte 2 is NUL"},
    {PLAIN, TEXT("\xFF\tO\n"), "line 1: byte 0, 0xFF, is not UTF-8"},
    {PLAIN, TEXT("a\tO\nb\xC3\tO\n"), "line 2: byte 1, 0xC3, is not UTF-8"},
    {PLAIN, TEXT("a\tO\nb\tO\xE2\x82\n"), "line 2: byte 3, 0xE2, is not UTF-8"},
    {PLAIN, TEXT("\xC0\x80\tO\n"), "line 1: byte 0, 0xC0, is not UTF-8"},
    {PLAIN, TEXT("\xED\xA0\x80\tO\n"), "line 1: byte 0, 0xED, is not UTF-8"},
    {PLAIN, TEXT("\xF4\x90\x80\x80\tO\n"), "line 1: byte 0, 0xF4, is not UTF-8"},
    {PLAIN, TEXT("a\tO\n\n\x80\n"), "line 3: byte 0, 0x80, is not UTF-8"},
    {UNIVERSAL, TEXT("#\xFE\n1\ta\tO\n"), "line 1: byte 1, 0xFE, is not UTF-8"},
    {PLAIN, TEXT("a\tO\n\xFE\xFF"), "line 2: byte 0, 0xFE"},
    {PLAIN, TEXT("\xFF\xFE" "a\0\t\0O\0\n\0"), "line 1: byte 3 is NUL"},
    /* columns */
    {THIRD, TEXT("a\tO\n"), "line 1: 2 columns, none is column 2, the tag's"},
    {THIRD, TEXT("a\n"), "line 1: 1 columns, none is column 2, the tag's"},
    {BACKWARDS, TEXT("O\n"), "line 1: 1 columns, none is column -2, the word's"},
    {UNIVERSAL, TEXT("1\n"), "line 1: 1 columns, none is column 1, the word's"},
    {UNIVERSAL, TEXT("1\ta\n"), "line 1: 2 columns, none is column 2, the tag's"},
    {PLAIN, TEXT("a\tO\nb\n"), "line 2: 1 columns, line 1 has 2"},
    {PLAIN, TEXT("a\tO\nb\tN\tO\n"), "line 2: 3 columns, line 1 has 2"},
    {PLAIN, TEXT("\na\tO\n\n\nb\tO\t\n"), "line 5: 3 columns, line 2 has 2"},
    {PLAIN, TEXT("a N O\nb O\n"), "line 2: 2 columns, line 1 has 3"},
    {PLAIN, TEXT("a N O\nb\tO\n"), "line 2: 2 columns, line 1 has 3"},
    {PLAIN, TEXT("a b\tO\nc d O\n"), "line 2: 3 columns, line 1 has 2"},
    {TABS, TEXT("a\tO\nb O\n"), "line 2: 1 columns, line 1 has 2"},
    {SPACES, TEXT("a\tO\nb c O\n"), "line 2: 3 columns, line 1 has 2"},
    {BARE, TEXT("a\nb\tc\n"), "line 2: 2 columns, line 1 has 1"},
    {UNIVERSAL, TEXT("1-2\tab\n1\ta\tO\n"), "line 2: 3 columns, line 1 has 2"},
    {PLAIN, TEXT("a\tO\n-DOCSTART-x\n"), "line 2: 1 columns, line 1 has 2"},
    {PLAIN, TEXT("# a comment\na\tO\n"), "line 2: 2 columns, line 1 has 3"},
    /* empty fields */
    {PLAIN, TEXT("\tO\n"), "line 1: column 0, the word, is empty"},
    {PLAIN, TEXT("a\t\n"), "line 1: column 1, the tag, is empty"},
    {PLAIN, TEXT("a\tO\n\tB-X\n"), "line 2: column 0, the word, is empty"},
    {PLAIN, TEXT("a\tN\tO\nb\tN\t\n"), "line 2: column 2, the tag, is empty"},
    {TABS, TEXT("\t\tO\n"), "line 1: column 0, the word, is empty"},
    {UNIVERSAL, TEXT("1\t\tO\n"), "line 1: column 1, the word, is empty"},
    {UNIVERSAL, TEXT("1\ta\t\n"), "line 1: column 2, the tag, is empty"},
    {UNIVERSAL, TEXT("\ta\tO\n"), "line 1: column 0, the id, is empty"},
    {BACKWARDS, TEXT("x\t\tO\n"), "line 1: column 1, the word, is empty"},
    /* ids */
    {UNIVERSAL, TEXT("x\ta\tO\n"), "line 1: \"x\" is no id"},
    {UNIVERSAL, TEXT("1\ta\tO\n2x\tb\tO\n"), "line 2: \"2x\" is no id"},
    {UNIVERSAL, TEXT("-1\ta\tO\n"), "line 1: \"-1\" is no id"},
    {UNIVERSAL, TEXT("1-\ta\tO\n"), "line 1: \"1-\" is no id"},
    {UNIVERSAL, TEXT("1.\ta\tO\n"), "line 1: \"1.\" is no id"},
    {UNIVERSAL, TEXT(".1\ta\tO\n"), "line 1: \".1\" is no id"},
    {UNIVERSAL, TEXT("1-2-3\ta\tO\n"), "line 1: \"1-2-3\" is no id"},
    {UNIVERSAL, TEXT("1,2\ta\tO\n"), "line 1: \"1,2\" is no id"},
    {UNIVERSAL, TEXT("1 \ta\tO\n"), "line 1: \"1 \" is no id"},
    {UNIVERSAL, TEXT("\xD9\xA1\ta\tO\n"), "is no id"},
    {UNIVERSAL, TEXT(" # no comment\tb\tO\n"), "is no id"},
    /* tags */
    {KNOWN, TEXT("a\tI-X\n"), "line 1: the tag \"I-X\" is none of the 2"},
    {KNOWN, TEXT("a\tO\n\nb\tB-X\nc\tB-x\n"), "line 4: the tag \"B-x\" is none of the 2"},
    {KNOWN, TEXT("a\to\n"), "line 1: the tag \"o\""},
    {KNOWN, TEXT("a\tO \n"), "line 1: the tag \"O \""},
    {KNOWN, TEXT("a\tB-X-\n"), "line 1: the tag \"B-X-\""},
    {KNOWN, TEXT("a\tB\n"), "line 1: the tag \"B\""},
    {KNOWN, TEXT("a O\nb 0\n"), "line 2: the tag \"0\""},
    /* too long */
    {SHORT, TEXT("abcd\tO\n"), "line 1: the sentence has 5 ids, max_length is 3"},
    {SHORT, TEXT("a\tO\n\nb\tO\nc\tO\n"), "line 4: the sentence has 4 ids, max_length is 3"},
};

START_TEST(test_refused)
{
    fst_word_options options = options_of(refused[_i].how);
    fst_status status = load(refused[_i].bytes, refused[_i].length, &options);
    ck_assert_msg(status == FST_ERR_FORMAT || (status == FST_ERR_INVALID_ARGUMENT && strstr(refused[_i].said, "not one")),
                  "case %d: %d %s", _i, (int)status, fst_last_error());
    ck_assert_msg(strstr(fst_last_error(), refused[_i].said), "case %d: %s, not %s", _i, fst_last_error(),
                  refused[_i].said);
    if (status == FST_ERR_FORMAT)
        ck_assert_msg(strncmp(fst_last_error(), path, strlen(path)) == 0, "case %d: %s", _i, fst_last_error());
}
END_TEST

/* Columns without end, and a line of megabytes: answers in time, and no memory gone. */
START_TEST(test_wide)
{
    fst_word_options options = options_of(PLAIN);
    size_t length = 2 << 20;
    char *bytes = malloc(length);
    ck_assert_ptr_nonnull(bytes);
    memset(bytes, '\t', length);
    bytes[0] = 'a';
    ck_assert_int_eq(load(bytes, length, &options), FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "line 1: more than 256 columns"));
    for (size_t i = 0; i < length; i += 2)
        bytes[i] = 'a', bytes[i + 1] = ' ';
    ck_assert_int_eq(load(bytes, length, &options), FST_ERR_FORMAT);
    memset(bytes, 'a', length);
    options = options_of(BARE);
    options.max_length = 8;
    options.too_long = FST_TOO_LONG_CUT_END;
    OK(load(bytes, length, &options));
    free(bytes);
}
END_TEST

static const char good[] = "\xEF\xBB\xBF# newdoc\n1\tA\xC3\xA9\tB-X\n2-3\tbc\t_\n2\tb\tI-X\n\n# s\n1\tc\tO\r\n";

START_TEST(test_truncations)
{
    fst_word_options options = options_of(UNIVERSAL);
    OK(load(good, sizeof good - 1, &options));
    for (size_t length = 0; length < sizeof good - 1; ++length)
        load(good, length, &options);
}
END_TEST

START_TEST(test_bit_flips)
{
    fst_word_options options = options_of(UNIVERSAL);
    char bytes[sizeof good];
    for (size_t bit = 0; bit < 8 * (sizeof good - 1); ++bit) {
        memcpy(bytes, good, sizeof good);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        load(bytes, sizeof good - 1, &options);
    }
}
END_TEST

START_TEST(test_paths)
{
    fst_dataset *dataset = NULL;
    const char *const absent[] = {"/nowhere/at/all.conll"}, *const hole[] = {NULL}, *const folder[] = {"/tmp"};
    ck_assert_int_eq(fst_dataset_load_conll(context, tokenizer, absent, 1, NULL, &dataset), FST_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), absent[0]));
    ck_assert_int_eq(fst_dataset_load_conll(context, tokenizer, hole, 1, NULL, &dataset),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_lt(fst_dataset_load_conll(context, tokenizer, folder, 1, NULL, &dataset), 0);
    ck_assert_ptr_null(dataset);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conll");
    TCase *cases = tcase_create("conll");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_loop_test(cases, test_refused, 0, (int)(sizeof refused / sizeof refused[0]));
    tcase_add_test(cases, test_wide);
    tcase_add_test(cases, test_truncations);
    tcase_add_test(cases, test_bit_flips);
    tcase_add_test(cases, test_paths);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
