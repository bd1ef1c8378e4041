/* Sentences in words with tags: ids and their classes, sentences that are too long, tags, files. */
#include "fourstage/fourstage.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK(call)                                                                                    \
    do {                                                                                            \
        fst_status status_ = (call);                                                                \
        ck_assert_msg(status_ == FST_OK, "%s: %d %s", #call, (int)status_, fst_last_error());       \
    } while (0)

static fst_context *context;
static fst_tokenizer *letters; /* an id a letter; "<" and ">" around a sequence */

static void set_up(void)
{
    fst_context_options options;
    fst_context_options_init(&options, sizeof options);
    options.threads = 1;
    OK(fst_context_create(&options, &context));
    static const char *const texts[] = {"abcdefghijklmnopqrstuvwxyzé#<>0123456789"};
    fst_tokenizer_train_options train;
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.kind = FST_TOKENIZER_CHARACTER;
    OK(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &letters));
    int32_t ids[2];
    size_t count;
    OK(fst_tokenizer_encode(letters, "<>", 2, NULL, ids, NULL, 2, &count));
    OK(fst_tokenizer_set_special_id(letters, FST_TOKEN_BOS, ids[0]));
    OK(fst_tokenizer_set_special_id(letters, FST_TOKEN_EOS, ids[1]));
}

static void tear_down(void)
{
    fst_tokenizer_destroy(letters);
    fst_context_destroy(context);
}

static fst_word_options defaults(void)
{
    fst_word_options options;
    OK(fst_word_options_init(&options, sizeof options));
    return options;
}

static const char *const words[] = {"ann", "met", "bo", "x", "in", "rome"};
static const char *const tags[] = {"B-PER", "O", "B-PER", "O", "O", "B-LOC"};
static const int64_t offsets[] = {0, 4, 6};

static fst_dataset *made(const fst_word_options *options)
{
    fst_dataset *dataset;
    OK(fst_dataset_from_words(context, letters, words, tags, offsets, 2, options, &dataset));
    return dataset;
}

static fst_word_example example_of(const fst_dataset *dataset, int64_t index)
{
    fst_word_example example;
    OK(fst_dataset_get_word_example(dataset, index, &example, sizeof example));
    return example;
}

/* Ids as their letters, a class as its digit (FST_IGNORE: "."). */
static void expect(const fst_dataset *dataset, int64_t index, const char *text, const char *classes)
{
    fst_word_example example = example_of(dataset, index);
    char found[256], told[256];
    ck_assert_int_lt(example.length, 256);
    for (int64_t t = 0; t < example.length; ++t) {
        size_t length;
        char one[8];
        OK(fst_tokenizer_decode(letters, example.ids + t, 1, 0, one, sizeof one, &length));
        found[t] = one[0];
        told[t] = example.classes[t] < 0 ? '.' : (char)('0' + example.classes[t]);
    }
    found[example.length] = told[example.length] = '\0';
    ck_assert_str_eq(found, text);
    ck_assert_str_eq(told, classes);
}

START_TEST(test_first_piece_carries_the_tag)
{
    fst_word_options options = defaults();
    fst_dataset *dataset = made(&options);
    /* "O", then sorted: O 0, B-LOC 1, B-PER 2 */
    expect(dataset, 0, "annmetbox", "2..0..2.0");
    expect(dataset, 1, "inrome", "0.1...");
    fst_words_info info;
    OK(fst_dataset_get_words_info(dataset, &info, sizeof info));
    ck_assert_int_eq(info.tags, 3);
    ck_assert_int_eq(info.words, 6);
    ck_assert_int_eq(info.sentences, 2);
    ck_assert_int_eq(info.labelled, 6);
    ck_assert_int_eq(info.cut + info.without_ids, 0);
    static const char *const names[] = {"O", "B-LOC", "B-PER"};
    for (int i = 0; i < 3; ++i) {
        const char *name;
        OK(fst_dataset_get_tag(dataset, i, &name));
        ck_assert_str_eq(name, names[i]);
    }
    fst_word word;
    OK(fst_dataset_get_word(dataset, 5, &word, sizeof word));
    ck_assert_str_eq(word.text, "rome");
    ck_assert_int_eq(word.tag, 1);
    ck_assert_int_eq(word.sentence, 1);
    fst_word_example second = example_of(dataset, 1);
    ck_assert_int_eq(second.first_word, 4);
    ck_assert_int_eq(second.end_word, 6);
    ck_assert_int_eq(second.words[0], 4);
    ck_assert_int_eq(second.words[2], 5);
    int64_t both[] = {1, 0};
    int32_t ids[20], targets[20], lengths[2];
    OK(fst_dataset_collate(dataset, both, NULL, 2, 10, ids, targets, lengths));
    const int32_t expected[] = {0, -100, 1, -100, -100, -100, -100, -100, -100, -100,
                                2, -100, -100, 0, -100, -100, 2, -100, 0, -100};
    ck_assert_mem_eq(targets, expected, sizeof expected);
    ck_assert_int_eq(lengths[0], 6);
    fst_dataset_destroy(dataset);
}
END_TEST

START_TEST(test_options)
{
    fst_word_options options = defaults();
    options.all_pieces = options.add_bos = options.add_eos = 1;
    fst_dataset *dataset = made(&options);
    expect(dataset, 0, "<annmetbox>", ".222000220.");
    ck_assert_int_eq(example_of(dataset, 0).words[0], -1);
    fst_dataset *bare, *validation;
    /* The training data's classes, in its order; words without tags. */
    options = defaults();
    options.tags_of = dataset;
    OK(fst_dataset_from_words(context, letters, words + 4, NULL, (int64_t[]){0, 2}, 1, &options, &bare));
    fst_words_info info;
    OK(fst_dataset_get_words_info(bare, &info, sizeof info));
    ck_assert_int_eq(info.tags, 3);
    ck_assert_int_eq(info.labelled, 0);
    const char *const holes[] = {NULL, "B-LOC"};
    OK(fst_dataset_from_words(context, letters, words + 4, holes, (int64_t[]){0, 2}, 1, &options,
                              &validation));
    fst_dataset_destroy(dataset);
    expect(validation, 0, "inrome", "..1...");
    fst_dataset_destroy(validation);
    fst_dataset_destroy(bare);
}
END_TEST

START_TEST(test_too_long)
{
    fst_word_options options = defaults();
    fst_dataset *dataset = NULL;
    options.max_length = 8;
    ck_assert_int_eq(fst_dataset_from_words(context, letters, words, tags, offsets, 2, &options, &dataset),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "sentence 0: the sentence has 9 ids, max_length is 8"));
    options.too_long = FST_TOO_LONG_DROP;
    dataset = made(&options);
    expect(dataset, 0, "inrome", "0.1...");
    ck_assert_int_eq(example_of(dataset, 0).first_word, 4);
    fst_examples_info info;
    OK(fst_dataset_get_examples_info(dataset, &info, sizeof info));
    ck_assert_int_eq(info.dropped_too_long, 1);
    ck_assert_int_eq(info.kind, FST_EXAMPLES_TOKENS);
    fst_dataset_destroy(dataset);

    options.too_long = FST_TOO_LONG_CUT_END;
    options.max_length = 7;
    dataset = made(&options);
    expect(dataset, 0, "annmet", "2..0..");
    fst_words_info words_info;
    OK(fst_dataset_get_words_info(dataset, &words_info, sizeof words_info));
    ck_assert_int_eq(words_info.cut, 2);
    ck_assert_int_eq(example_of(dataset, 0).end_word, 4);
    fst_dataset_destroy(dataset);
}
END_TEST

START_TEST(test_windows)
{
    fst_word_options options = defaults();
    options.too_long = FST_TOO_LONG_WINDOWS;
    options.max_length = 6;
    options.overlap = 3;
    fst_dataset *dataset = made(&options), *train, *validation;
    expect(dataset, 0, "annmet", "2..0..");
    expect(dataset, 1, "metbox", "...2.0");
    expect(dataset, 2, "inrome", "0.1...");
    ck_assert_int_eq(example_of(dataset, 1).first_word, 2);
    ck_assert_int_eq(example_of(dataset, 1).sentence, 0);
    /* A sentence's windows stay together. */
    fst_split_options split;
    fst_split_options_init(&split, sizeof split);
    split.fraction = 0.6;
    OK(fst_dataset_split(dataset, &split, &train, &validation));
    expect(train, 1, "metbox", "...2.0");
    expect(validation, 0, "inrome", "0.1...");
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    fst_dataset_destroy(dataset);

    options.max_length = 2; /* words longer than a window */
    options.overlap = 1;
    dataset = made(&options);
    expect(dataset, 0, "an", "2.");
    expect(dataset, 1, "me", "0.");
    expect(dataset, 2, "bo", "2.");
    expect(dataset, 3, "x", "0");
    fst_dataset_destroy(dataset);
}
END_TEST

/* ---- files ---- */

static char path[64];

static void write_file(const char *content, size_t length)
{
    snprintf(path, sizeof path, "/tmp/fourstage-words-%ld", (long)getpid());
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(content, 1, length, file), length);
    fclose(file);
}

static fst_dataset *read_text(const char *content, const fst_word_options *options)
{
    fst_dataset *dataset;
    const char *const paths[] = {path};
    write_file(content, strlen(content));
    OK(fst_dataset_load_conll(context, letters, paths, 1, options, &dataset));
    remove(path);
    return dataset;
}

START_TEST(test_conll)
{
    fst_word_options options = defaults();
    fst_dataset *dataset = read_text("\xEF\xBB\xBF-DOCSTART- -X- O\n\nann N B-PER\nx V O\r\n\n\n \t\nbo   N  B-PER", &options);
    expect(dataset, 0, "annx", "1..0");
    expect(dataset, 1, "bo", "1.");
    fst_dataset_destroy(dataset);
    dataset = read_text("-DOCSTART-\n\nann\tN\tB-PER\n#\tN\tO\n\t\t\n\nbo\tN\tB-PER", &options);
    expect(dataset, 0, "ann#", "1..0");
    expect(dataset, 1, "bo", "1.");
    fst_dataset_destroy(dataset);

    options.comments = 1;
    options.id_column = 0;
    options.word_column = 1;
    options.tag_column = 2;
    dataset = read_text("# text = a\n1-2\tab\t_\t-\n1\ta\tO\t-\n2\tb\tX\t-\n2.1\tc\tX\t-\n\n# end\n\n1\tz\tO\t-\n", &options);
    expect(dataset, 0, "ab", "01");
    expect(dataset, 1, "z", "0");
    fst_dataset_destroy(dataset);

    options = defaults();
    options.latin1 = 1;
    options.no_tags = 1;
    dataset = read_text("caf\xE9\n", &options);
    expect(dataset, 0, "caf\xC3", "....");
    fst_dataset_destroy(dataset);
    options.latin1 = 0;
    options.columns = FST_COLUMNS_SPACES;
    options.maximum_sentences = 1;
    dataset = read_text("a\tb  c\n\nd\n", &options);
    expect(dataset, 0, "a", ".");
    fst_dataset_destroy(dataset);
}
END_TEST

START_TEST(test_unknown_tag)
{
    fst_word_options options = defaults();
    static const char *const known[] = {"O", "B-PER"};
    options.tags = known;
    options.tag_count = 2;
    write_file("a\tO\nb\tI-PER\n", 12);
    const char *const paths[] = {path};
    fst_dataset *dataset = NULL;
    ck_assert_int_eq(fst_dataset_load_conll(context, letters, paths, 1, &options, &dataset), FST_ERR_FORMAT);
    remove(path);
    ck_assert_ptr_null(dataset);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), ": line 2: the tag \"I-PER\" is none of the 2"));
}
END_TEST

static void refuse(fst_word_options options, const char *text)
{
    fst_dataset *dataset = NULL;
    fst_status status = fst_dataset_from_words(context, letters, words, tags, offsets, 2, &options, &dataset);
    ck_assert_ptr_null(dataset);
    ck_assert_int_lt(status, 0);
    ck_assert_msg(strstr(fst_last_error(), text), "%s, not %s", fst_last_error(), text);
}

#define REFUSE(field, value, text)                                                                  \
    do {                                                                                            \
        fst_word_options o_ = defaults();                                                           \
        o_.field = value;                                                                           \
        refuse(o_, text);                                                                           \
    } while (0)

START_TEST(test_refused)
{
    static const char *const twice[] = {"O", "O"}, *const hole[] = {"O", NULL}, *const bare[] = {"O", ""};
    REFUSE(all_pieces, 2, "all_pieces is 2");
    REFUSE(add_bos, -1, "add_bos is -1");
    REFUSE(add_eos, 3, "add_eos is 3");
    REFUSE(special_tokens, 2, "special_tokens is 2");
    REFUSE(drop_useless, 2, "drop_useless is 2");
    REFUSE(no_tags, 2, "no_tags is 2");
    REFUSE(comments, 2, "comments is 2");
    REFUSE(latin1, 2, "latin1 is 2");
    REFUSE(max_length, -1, "max_length is -1");
    REFUSE(too_long, FST_TOO_LONG_CUT_START, "too_long is 2");
    REFUSE(too_long, 5, "too_long is 5");
    REFUSE(overlap, 1, "overlap is 1");
    REFUSE(overlap, -1, "overlap is -1");
    REFUSE(maximum_sentences, -1, "maximum_sentences is -1");
    REFUSE(columns, 3, "columns is 3");
    REFUSE(id_column, -2, "id_column is -2");
    REFUSE(reserved, 1, "reserved is 1");
    REFUSE(tag_count, 1, "tag_count is 1");
    REFUSE(tags, twice, "tag_count is 0");
    fst_word_options options = defaults();
    options.tag_count = 2;
    options.tags = twice;
    refuse(options, "tags[1], \"O\", is there twice");
    options.tags = hole;
    refuse(options, "tags[1] is NULL");
    options.tags = bare;
    refuse(options, "tags[1] is empty");
    options = defaults();
    options.too_long = FST_TOO_LONG_WINDOWS;
    options.max_length = 2;
    options.add_bos = options.add_eos = 1;
    refuse(options, "max_length is 2");
    options.max_length = 4;
    options.overlap = 2;
    refuse(options, "overlap is 2");
    static const char *const text[] = {"a b"};
    fst_dataset *plain, *none = NULL;
    fst_dataset_text_options text_options;
    fst_dataset_text_options_init(&text_options, sizeof text_options);
    static const char *const plain_texts[] = {"abc"};
    OK(fst_dataset_from_texts(context, letters, plain_texts, NULL, 1, &text_options, &plain));
    options = defaults();
    options.tags_of = plain;
    refuse(options, "tags_of is a dataset without tags");
    const char *name;
    ck_assert_int_eq(fst_dataset_get_tag(plain, 0, &name), FST_ERR_STATE);
    fst_word_example example;
    ck_assert_int_eq(fst_dataset_get_word_example(plain, 0, &example, sizeof example), FST_ERR_STATE);
    fst_dataset_destroy(plain);
    const int64_t falling[] = {0, 0}, late[] = {1, 2}, one[] = {0, 1};
    ck_assert_int_eq(fst_dataset_from_words(context, letters, words, tags, falling, 1, NULL, &none),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_from_words(context, letters, words, tags, late, 1, NULL, &none),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_from_words(context, letters, text, NULL, one, 1, NULL, &none),
                     FST_ERR_NOT_FOUND); /* no letter for the space */
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "sentence 0: word 0"));
    static const char *const wrong[] = {"\xFF"}, *const gap[] = {NULL}, *const empty[] = {""};
    ck_assert_int_eq(fst_dataset_from_words(context, letters, wrong, NULL, one, 1, NULL, &none),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_from_words(context, letters, gap, NULL, one, 1, NULL, &none),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_from_words(context, letters, empty, NULL, one, 1, NULL, &none),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_from_words(context, letters, words, empty, one, 1, NULL, &none),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_from_words(context, letters, words, wrong, one, 1, NULL, &none),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_null(none);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("words");
    TCase *cases = tcase_create("words");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, test_first_piece_carries_the_tag);
    tcase_add_test(cases, test_options);
    tcase_add_test(cases, test_too_long);
    tcase_add_test(cases, test_windows);
    tcase_add_test(cases, test_conll);
    tcase_add_test(cases, test_unknown_tag);
    tcase_add_test(cases, test_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
