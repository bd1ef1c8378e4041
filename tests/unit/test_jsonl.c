/* formats/jsonl.h: lines of any length and end, and refusals that name line and byte. */
#include "../support/scratch.h"
#include "base/error.h"
#include "formats/jsonl.h"

static scratch place;
static fst__allocator allocator;

static void set_up(void)
{
    place = scratch_create();
}

static void tear_down(void)
{
    ck_assert_int_eq(allocator.live_bytes, 0);
    scratch_destroy(&place);
}

static fst__jsonl *open_text(const char *text, size_t size)
{
    fst__jsonl *reader = NULL;
    const char *path = scratch_path(&place, "d.jsonl");
    scratch_write(path, text, size);
    ck_assert_int_eq(fst__jsonl_open(&allocator, path, &reader), FST_OK);
    return reader;
}

static void expect_object(fst__jsonl *reader, int64_t number, int64_t value)
{
    json_t *object;
    int64_t line = 0, found = -1;
    ck_assert_msg(fst__jsonl_next(reader, &object, &line) == FST_OK, "%s", fst__error_text());
    ck_assert_ptr_nonnull(object);
    ck_assert_int_eq(line, number);
    ck_assert_int_eq(fst__json_get_int(object, "v", "", true, &found, 0, INT64_MAX), FST_OK);
    ck_assert_int_eq(found, value);
    json_decref(object);
}

static void expect_end(fst__jsonl *reader)
{
    json_t *object;
    for (int i = 0; i < 2; ++i) {
        ck_assert_int_eq(fst__jsonl_next(reader, &object, NULL), FST_OK);
        ck_assert_ptr_null(object);
    }
}

START_TEST(lines)
{
    static const char text[] = "{\"v\":1}\n\n{\"v\":2}\r\n \t\r\n  {\"v\":3} \n{\"v\":4}";
    fst__jsonl *reader = open_text(text, sizeof text - 1);
    expect_object(reader, 1, 1);
    expect_object(reader, 3, 2);
    ck_assert_ptr_nonnull(strstr(fst__jsonl_place(reader), "d.jsonl: line 3 (from byte 9)"));
    expect_object(reader, 5, 3);
    expect_object(reader, 6, 4);
    expect_end(reader);
    fst__jsonl_close(reader);
    reader = open_text("", 0);
    expect_end(reader);
    fst__jsonl_close(reader);
    fst__jsonl_close(NULL);
}
END_TEST

/* Around the buffer's size, so that lines end before, at and behind its end, and one spans three. */
START_TEST(long_lines)
{
    const size_t lengths[] = {65533, 65534, 65535, 65536, 65537, 1, 200000, 131072, 3};
    size_t count = sizeof lengths / sizeof lengths[0], used = 0;
    char *text = malloc(1000000);
    for (size_t i = 0; i < count; ++i) {
        used += (size_t)sprintf(text + used, "{\"v\":%zu,\"s\":\"", lengths[i]);
        memset(text + used, 'x', lengths[i]);
        used += lengths[i];
        used += (size_t)sprintf(text + used, "\"}\n");
    }
    fst__jsonl *reader = open_text(text, used);
    for (size_t i = 0; i < count; ++i)
        expect_object(reader, (int64_t)i + 1, (int64_t)lengths[i]);
    expect_end(reader);
    fst__jsonl_close(reader);
    free(text);
}
END_TEST

#define BAD(text) {text, sizeof(text) - 1}
static const struct {
    const char *text;
    size_t size;
} bad[] = {
    BAD("[1]"), BAD("1"), BAD("\"a\""), BAD("null"), BAD("{\"a\":1"), BAD("{\"a\":1}}"),
    BAD("{\"a\":1}{\"b\":2}"), BAD("{\"a\":NaN}"), BAD("{\"a\":1e999}"), BAD("{\"a\":1,\"a\":2}"),
    BAD("{\"a\":\"\xff\"}"), BAD("{\"a\":\"\xc3\"}"), BAD("{\"a\":\"\0\"}"), BAD("\0"),
    BAD("{\"a\":1}\0"), BAD("\xEF\xBB\xBF{\"a\":1}"), BAD("{\"a\":\"\r\"}"), BAD("x"),
    BAD("\xff\xfe{\0"),
};

/* The second line is bad; the first and the third are read all the same. */
START_TEST(refuses)
{
    char text[200] = "{\"v\":1}\n";
    size_t size = strlen(text);
    memcpy(text + size, bad[_i].text, bad[_i].size);
    size += bad[_i].size;
    memcpy(text + size, "\n{\"v\":3}", 8);
    fst__jsonl *reader = open_text(text, size + 8);
    json_t *object;
    expect_object(reader, 1, 1);
    ck_assert_msg(fst__jsonl_next(reader, &object, NULL) == FST_ERR_FORMAT, "%s", bad[_i].text);
    ck_assert_ptr_null(object);
    ck_assert_msg(strstr(fst__error_text(), "d.jsonl: line 2 (from byte 8)") != NULL, "%s",
                  fst__error_text());
    expect_object(reader, 3, 3);
    expect_end(reader);
    fst__jsonl_close(reader);
}
END_TEST

START_TEST(missing_file_and_memory)
{
    fst__jsonl *reader;
    const char *path = scratch_path(&place, "none.jsonl");
    ck_assert_int_eq(fst__jsonl_open(&allocator, path, &reader), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst__jsonl_open(&allocator, place.folder, &reader), FST_ERR_IO);
    scratch_write(path, "{}\n", 3);
    for (int64_t at = 1; at <= 4; ++at) {
        scratch_memory memory = {.fail_at = at};
        fst__allocator scarce = SCRATCH_ALLOCATOR(&memory);
        ck_assert_int_eq(fst__jsonl_open(&scarce, path, &reader), FST_ERR_NO_MEMORY);
        ck_assert_int_eq(memory.live, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jsonl");
    TCase *cases = tcase_create("jsonl");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, lines);
    tcase_add_test(cases, long_lines);
    tcase_add_loop_test(cases, refuses, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(cases, missing_file_and_memory);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
