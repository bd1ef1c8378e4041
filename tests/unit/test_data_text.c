/* Datasets from text. The tokenizer is one of bytes, so that ids are the text. */
#include "fourstage/context.h"
#include "fourstage/dataset.h"
#include "fourstage/tokenizer.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/fourstage-data-XXXXXX";
static fst_context *context;
static fst_tokenizer *tokenizer; /* the 256 bytes, <|endoftext|> and <bos> */
static int32_t bos, eos;

static fst_context *context_open(int32_t threads)
{
    fst_context_options options;
    fst_context *result;
    fst_context_options_init(&options, sizeof options);
    options.threads = threads;
    options.provider = FST_PROVIDER_REFERENCE;
    ck_assert_int_eq(fst_context_create(&options, &result), FST_OK);
    return result;
}

static void setup(void)
{
    static const char *const special[] = {"<bos>", "<|endoftext|>"}, *const texts[] = {"a"};
    fst_tokenizer_train_options options;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    context = context_open(3);
    fst_tokenizer_train_options_init(&options, sizeof options);
    options.special_tokens = special;
    options.special_token_count = 2;
    options.vocabulary_size = 258;
    ck_assert_int_eq(fst_tokenizer_train_texts(context, texts, NULL, 1, &options, &tokenizer),
                     FST_OK);
    ck_assert_int_eq(fst_tokenizer_find(tokenizer, "<bos>", &bos), FST_OK);
    ck_assert_int_eq(fst_tokenizer_find(tokenizer, "<|endoftext|>", &eos), FST_OK);
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_BOS, bos), FST_OK);
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_EOS, eos), FST_OK);
}

static void teardown(void)
{
    char path[300];
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; ++i) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
}

/* The path stays until the next call with the same name. */
static const char *write_file(const char *name, const char *bytes, size_t length)
{
    static char paths[3][300];
    char *path = paths[name[0] - 'a'];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static fst_dataset_text_options options_of(int32_t documents)
{
    fst_dataset_text_options options;
    ck_assert_int_eq(fst_dataset_text_options_init(&options, sizeof options), FST_OK);
    options.documents = documents;
    return options;
}

/* Document `index` with special tokens spelled out. */
static void check_document(const fst_dataset *dataset, int64_t index, const char *expected)
{
    int64_t count = 0;
    int32_t ids[1000];
    char text[2000];
    size_t length;
    ck_assert_int_eq(fst_dataset_get_document(dataset, index, ids, 1000, &count), FST_OK);
    ck_assert_int_eq(
        fst_tokenizer_decode(tokenizer, ids, (size_t)count, 0, text, sizeof text, &length), FST_OK);
    ck_assert_str_eq(text, expected);
}

static void check_documents(fst_dataset *dataset, const char *const *expected)
{
    fst_dataset_info info;
    int64_t count = 0;
    while (expected[count])
        ++count;
    fst_dataset_get_info(dataset, &info, sizeof info);
    ck_assert_int_eq(info.documents, count);
    for (int64_t i = 0; i < count; ++i)
        check_document(dataset, i, expected[i]);
    fst_dataset_destroy(dataset);
}

static fst_dataset *from_file(const char *bytes, size_t length,
                              const fst_dataset_text_options *options)
{
    const char *path = write_file("a", bytes, length);
    fst_dataset *dataset = NULL;
    fst_status status =
        fst_dataset_from_text_files(context, tokenizer, &path, 1, options, &dataset);
    ck_assert_msg(status == FST_OK, "%s", fst_last_error());
    return dataset;
}

#define DOCUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define TEXT(literal) literal, sizeof(literal) - 1

START_TEST(test_documents_of_a_file)
{
    fst_dataset_text_options options = options_of(FST_DOCUMENT_FILE);
    check_documents(from_file(TEXT("\xEF\xBB\xBFone\r\n\ntwo\n"), &options),
                    DOCUMENTS("one\r\n\ntwo\n"));
    check_documents(from_file(TEXT("x"), NULL), DOCUMENTS("x"));
    options.documents = FST_DOCUMENT_LINE;
    check_documents(from_file(TEXT("\n\none\r\n\r\n two \nthree"), &options),
                    DOCUMENTS("one", " two ", "three"));
    options.documents = FST_DOCUMENT_BLOCK;
    check_documents(from_file(TEXT(" \t\n\none\ntwo\r\n  \r\n\nthree\n \n"), &options),
                    DOCUMENTS("one\ntwo", "three"));
    check_documents(from_file(TEXT("one\n\ntwo\nthree"), &options), DOCUMENTS("one", "two\nthree"));
    options.maximum_documents = 1;
    check_documents(from_file(TEXT("one\n\ntwo\nthree"), &options), DOCUMENTS("one"));
}
END_TEST

START_TEST(test_begin_and_end)
{
    fst_dataset_text_options options = options_of(FST_DOCUMENT_LINE);
    options.add_bos = 1;
    options.add_eos = 1;
    check_documents(from_file(TEXT("a\nb"), &options),
                    DOCUMENTS("<bos>a<|endoftext|>", "<bos>b<|endoftext|>"));
    options.bos_id = eos; /* GPT-2's one token for both */
    check_documents(from_file(TEXT("a"), &options), DOCUMENTS("<|endoftext|>a<|endoftext|>"));
    /* Special tokens in the text are text, unless they are asked for. */
    int64_t count;
    fst_dataset *dataset = from_file(TEXT("<bos>"), &options);
    ck_assert_int_eq(fst_dataset_get_document(dataset, 0, NULL, 0, &count),
                     FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_int_eq(count, 7);
    fst_dataset_destroy(dataset);
    options.special_tokens = 1;
    dataset = from_file(TEXT("<bos>"), &options);
    ck_assert_int_eq(fst_dataset_get_document(dataset, 0, NULL, 0, &count),
                     FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_int_eq(count, 3);
    fst_dataset_destroy(dataset);
}
END_TEST

/* The call fails with this status and a text with each of the words. */
static void check_failure(fst_status status, fst_status expected, const char *const *words)
{
    ck_assert_msg(status == expected, "status %d, expected %d: %s", status, expected,
                  fst_last_error());
    for (; *words; ++words)
        ck_assert_msg(strstr(fst_last_error(), *words), "\"%s\" lacks \"%s\"", fst_last_error(),
                      *words);
}

START_TEST(test_refused_text)
{
    fst_dataset *dataset = NULL;
    fst_dataset_text_options options = options_of(FST_DOCUMENT_LINE);
    const char *paths[] = {write_file("b", TEXT("fine\n")),
                           write_file("a", TEXT("\xEF\xBB\xBFok\nb\xC3(\n"))};
    check_failure(fst_dataset_from_text_files(context, tokenizer, paths, 2, &options, &dataset),
                  FST_ERR_FORMAT, DOCUMENTS("/a: ", "byte 7", "0xC3"));
    options.keep_invalid_utf8 = 1;
    ck_assert_int_eq(fst_dataset_from_text_files(context, tokenizer, paths, 2, &options, &dataset),
                     FST_OK);
    check_documents(dataset, DOCUMENTS("fine", "ok", "b\xC3("));

    options = options_of(FST_DOCUMENT_LINE);
    options.add_bos = options.special_tokens = 1;
    paths[1] = write_file("a", TEXT("ok\n<bos>twice\n"));
    check_failure(fst_dataset_from_text_files(context, tokenizer, paths, 2, &options, &dataset),
                  FST_ERR_INVALID_ARGUMENT, DOCUMENTS("/a: ", "byte 3", "add_bos"));

    paths[0] = write_file("a", TEXT(" \n"));
    paths[1] = write_file("b", TEXT(""));
    options = options_of(FST_DOCUMENT_BLOCK);
    check_failure(fst_dataset_from_text_files(context, tokenizer, paths, 2, &options, &dataset),
                  FST_ERR_INVALID_ARGUMENT, DOCUMENTS("no text"));
    paths[1] = "/nonexistent/x";
    check_failure(fst_dataset_from_text_files(context, tokenizer, paths, 2, NULL, &dataset),
                  FST_ERR_NOT_FOUND, DOCUMENTS("/nonexistent/x"));
    paths[1] = folder;
    ck_assert_int_ne(fst_dataset_from_text_files(context, tokenizer, paths, 2, NULL, &dataset),
                     FST_OK);
    options = options_of(7);
    check_failure(fst_dataset_from_text_files(context, tokenizer, paths, 1, &options, &dataset),
                  FST_ERR_INVALID_ARGUMENT, DOCUMENTS("documents 7"));
    options = options_of(0);
    options.add_eos = 1;
    options.eos_id = 258;
    check_failure(fst_dataset_from_text_files(context, tokenizer, paths, 1, &options, &dataset),
                  FST_ERR_INVALID_ARGUMENT, DOCUMENTS("eos_id is 258"));
}
END_TEST

static void refused_jsonl(const char *bytes, const char *field, const char *const *words)
{
    const char *path = write_file("c", bytes, strlen(bytes));
    fst_dataset *dataset = NULL;
    fst_dataset_text_options options = options_of(0);
    options.field = field;
    check_failure(fst_dataset_from_jsonl_files(context, tokenizer, &path, 1, &options, &dataset),
                  FST_ERR_FORMAT, words);
    ck_assert_ptr_null(dataset);
}

START_TEST(test_jsonl)
{
    const char *path = write_file(
        "c", TEXT("{\"text\": \"a\\nb\", \"n\": 1}\r\n\n{\"text\":\"\"}\n{\"text\":\"\\u00e9\"}"));
    fst_dataset *dataset;
    ck_assert_int_eq(fst_dataset_from_jsonl_files(context, tokenizer, &path, 1, NULL, &dataset),
                     FST_OK);
    check_documents(dataset, DOCUMENTS("a\nb", "\xC3\xA9"));
    refused_jsonl("{\"text\":\"a\"}\n\n{\"text\":\"b\"\n", NULL, DOCUMENTS("/c: line 3"));
    refused_jsonl("{\"text\":\"a\"}\n[1]\n", NULL, DOCUMENTS("/c: line 2"));
    refused_jsonl("{\"text\":\"a\"}\n{\"text\":5}\n", NULL, DOCUMENTS("/c: line 2", "\"text\""));
    refused_jsonl("{\"text\":\"a\"}\n", "body", DOCUMENTS("/c: line 1", "\"body\""));
    refused_jsonl("{\"text\":\"a\"} x\n", NULL, DOCUMENTS("/c: line 1"));
    refused_jsonl("{\"text\":\"\xC3(\"}\n", NULL, DOCUMENTS("/c: line 1"));
}
END_TEST

START_TEST(test_texts_in_memory)
{
    const char *const texts[] = {"one", "", "two\0three", "four"};
    const size_t lengths[] = {3, 0, 9, 2};
    fst_dataset *dataset;
    fst_dataset_info info;
    ck_assert_int_eq(fst_dataset_from_texts(context, tokenizer, texts, lengths, 4, NULL, &dataset),
                     FST_OK);
    ck_assert_int_eq(fst_dataset_get_info(dataset, &info, sizeof info), FST_OK);
    ck_assert_int_eq(info.documents, 3);
    ck_assert_int_eq(info.bytes, 14);
    check_document(dataset, 2, "fo");
    fst_dataset_destroy(dataset);
    ck_assert_int_eq(fst_dataset_from_texts(context, tokenizer, texts, NULL, 4, NULL, &dataset),
                     FST_OK);
    check_documents(dataset, DOCUMENTS("one", "two", "four"));
    const char *const bad[] = {"one", "tw\xFF", NULL};
    check_failure(fst_dataset_from_texts(context, tokenizer, bad, NULL, 2, NULL, &dataset),
                  FST_ERR_FORMAT, DOCUMENTS("texts[1]", "byte 2", "0xFF"));
    check_failure(fst_dataset_from_texts(context, tokenizer, bad, NULL, 3, NULL, &dataset),
                  FST_ERR_INVALID_ARGUMENT, DOCUMENTS("texts[2]"));
    check_failure(fst_dataset_from_texts(context, NULL, bad, NULL, 3, NULL, &dataset),
                  FST_ERR_INVALID_ARGUMENT, DOCUMENTS("tokenizer"));
}
END_TEST

/* Special tokens stand for no text; every byte of the text counts once. */
START_TEST(test_bytes)
{
    fst_dataset_text_options options = options_of(FST_DOCUMENT_LINE);
    options.add_bos = options.add_eos = 1;
    fst_dataset *dataset = from_file(TEXT("abc\nd\xC3\xA9\n"), &options), *packed;
    fst_dataset_info info;
    fst_dataset_get_info(dataset, &info, sizeof info);
    ck_assert_int_eq(info.tokens, 10);
    ck_assert_int_eq(info.bytes, 6);
    fst_pack_options pack;
    fst_pack_options_init(&pack, sizeof pack);
    pack.mode = FST_PACK_BEST_FIT;
    pack.cross_documents = 0;
    pack.length = 4;
    ck_assert_int_eq(fst_dataset_pack(dataset, &pack, &packed), FST_OK);
    fst_dataset_get_info(packed, &info, sizeof info);
    ck_assert_int_eq(info.targets, 8);
    ck_assert_int_eq(info.target_bytes, 6); /* bos predicts the first byte, so none is left out */
    fst_dataset_destroy(packed);
    fst_dataset_destroy(dataset);
}
END_TEST

/* More than a flush of text, in documents of very different sizes: the same for any threads, and
 * the first of several faults is the one reported. */
START_TEST(test_large_and_threads)
{
    enum { MANY = 40000 };
    size_t capacity = (size_t)24 << 20, length = 0;
    char *text = malloc(capacity);
    for (int d = 0; d < MANY; ++d) {
        int size = d % 97 == 0 ? 9000 : d % 7;
        for (int i = 0; i < size; ++i)
            text[length++] = (char)('a' + (d + i) % 26);
        text[length++] = '\n';
    }
    while (length + 60000 < capacity) { /* a few long lines */
        memset(text + length, 'z', 59999);
        text[length + 59999] = '\n';
        length += 60000;
    }
    const char *path = write_file("a", text, length);
    fst_dataset_text_options options = options_of(FST_DOCUMENT_LINE);
    fst_dataset *datasets[2];
    for (int i = 0; i < 2; ++i) {
        fst_context *other = context_open(i * 3 + 1);
        ck_assert_int_eq(
            fst_dataset_from_text_files(other, tokenizer, &path, 1, &options, &datasets[i]),
            FST_OK);
        fst_context_destroy(other);
    }
    fst_dataset_info a, b;
    fst_dataset_get_info(datasets[0], &a, sizeof a);
    fst_dataset_get_info(datasets[1], &b, sizeof b);
    ck_assert(!memcmp(&a, &b, sizeof a));
    int32_t *ids[2] = {malloc(60000 * sizeof(int32_t)), malloc(60000 * sizeof(int32_t))};
    for (int64_t d = 0; d < a.documents; d += 13) {
        int64_t counts[2];
        for (int i = 0; i < 2; ++i)
            ck_assert_int_eq(fst_dataset_get_document(datasets[i], d, ids[i], 60000, &counts[i]),
                             FST_OK);
        ck_assert_int_eq(counts[0], counts[1]);
        ck_assert(!memcmp(ids[0], ids[1], (size_t)counts[0] * sizeof(int32_t)));
    }
    for (size_t at = 5000001; at < length; at += 2500000)
        text[at] = (char)0xFF;
    path = write_file("a", text, length);
    check_failure(fst_dataset_from_text_files(context, tokenizer, &path, 1, &options, &datasets[0]),
                  FST_ERR_FORMAT, DOCUMENTS("byte 5000001"));
    fst_dataset_destroy(datasets[1]);
    fst_dataset_destroy(datasets[0]);
    free(ids[1]);
    free(ids[0]);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("data_text");
    TCase *test = tcase_create("data_text");
    tcase_set_timeout(test, 60);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, test_documents_of_a_file);
    tcase_add_test(test, test_begin_and_end);
    tcase_add_test(test, test_refused_text);
    tcase_add_test(test, test_jsonl);
    tcase_add_test(test, test_texts_in_memory);
    tcase_add_test(test, test_bytes);
    tcase_add_test(test, test_large_and_threads);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
