/* formats/records.h: the same records out of every format, and refusals that name file and line. */
#include "../support/scratch.h"
#include "base/error.h"
#include "formats/records.h"

#ifdef FST__HAVE_ZLIB
#include <zlib.h>
#endif

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

typedef struct text {
    const char *bytes;
    size_t size;
} text;

#define TEXT(literal) ((text){literal, sizeof literal - 1})

static fst__records *open_text(const char *name, text t, fst__records_options options)
{
    fst__records *records = NULL;
    const char *path = scratch_path(&place, name);
    scratch_write(path, t.bytes, t.size);
    ck_assert_msg(fst__records_open(&allocator, path, &options, &records) == FST_OK, "%s",
                  fst__error_text());
    return records;
}

/* All records dumped, one a line, with the list each stands in where there are lists. */
static void expect(const char *name, text t, fst__records_options options, const char *expected)
{
    fst__records *records = open_text(name, t, options);
    fst__text all = fst__text_create(&allocator);
    fst__text_append_string(&all, "");
    for (;;) {
        json_t *record;
        ck_assert_msg(fst__records_next(records, &record) == FST_OK, "%s", fst__error_text());
        if (!record)
            break;
        int64_t list = fst__records_list(records);
        fst__text_printf(&all, list ? "%lld.%lld" : "%lld", (long long)fst__records_number(records),
                         (long long)list);
        ck_assert_int_eq(fst__json_dump(record, 0, &all), FST_OK);
        fst__text_append_string(&all, "\n");
    }
    json_t *record;
    ck_assert_int_eq(fst__records_next(records, &record), FST_OK);
    ck_assert_ptr_null(record);
    ck_assert_str_eq(all.data, expected);
    fst__text_destroy(&all);
    fst__records_close(records);
}

static fst__records_options of_path(const char *path)
{
    return (fst__records_options){.path = path};
}

static const fst__records_options none, named = {.header = true}, latin1 = {.latin1 = true};

START_TEST(jsonl)
{
    expect("a.jsonl", TEXT("{\"v\":1}\n\n{\"v\":2}\r\n \t\r\n  {\"v\":3} \n{\"v\":4}"), none,
           "1{\"v\":1}\n3{\"v\":2}\n5{\"v\":3}\n6{\"v\":4}\n");
    expect("a.jsonl", TEXT(""), none, "");
    expect("a.jsonl", TEXT("\n\n"), none, "");
    expect("a.ndjson", TEXT("\xEF\xBB\xBF{\"v\":\"\\u00e9\"}\n"), none, "1{\"v\":\"\xC3\xA9\"}\n");
    expect("a.jsonl", TEXT("{\"v\":\"\xE9\"}"), latin1, "1{\"v\":\"\xC3\xA9\"}\n");
    expect("a.x", TEXT("{}\r"), (fst__records_options){.format = FST__RECORDS_JSONL}, "1{}\n");
    fst__records_close(NULL);
}
END_TEST

START_TEST(json)
{
    expect("a.json", TEXT("[{\"v\":1},{\"v\":2}]"), none, "0.1{\"v\":1}\n1.1{\"v\":2}\n");
    expect("a.json", TEXT("{\"v\":1}"), none, "0{\"v\":1}\n");
    expect("a.json", TEXT("[]"), none, "");
    expect("a.json", TEXT("{\"data\":[{\"v\":1},{}]}"), of_path("data"), "0.1{\"v\":1}\n1.1{}\n");
    expect("a.json", TEXT("{\"data\":{\"v\":1}}"), of_path("data"), "0{\"v\":1}\n");
    expect("a.json", TEXT("{\"data\":{\"x\":{\"v\":1},\"a\":{}}}"), of_path("data.*"),
           "0.1{\"v\":1}\n1.1{}\n");
    expect("a.json", TEXT("[{\"v\":1}]"), of_path("*"), "0.1{\"v\":1}\n");
    /* Members in the file's order; each content is a list of its own, the empty one too. */
    expect("a.json",
           TEXT("{\"t2\":{\"content\":[{\"m\":1},{\"m\":2}]},\"t0\":{\"content\":[]},\"t1\":{\"content\":[{"
                "\"m\":3}]}}"),
           of_path("*.content.*"), "0.2{\"m\":1}\n1.2{\"m\":2}\n2.4{\"m\":3}\n");
    expect("a.json", TEXT("[{\"c\":[{\"m\":1}]},{\"c\":[{\"m\":2}]}]"), of_path("*.c"),
           "0.2{\"m\":1}\n1.3{\"m\":2}\n");
    expect("a.json", TEXT("[[{\"m\":1}],[{\"m\":2}]]"), of_path("*.*"),
           "0.2{\"m\":1}\n1.3{\"m\":2}\n");
    expect("a.json", TEXT("\xEF\xBB\xBF[{\"v\":\"x\"}]\n"), none, "0.1{\"v\":\"x\"}\n");
}
END_TEST

START_TEST(places)
{
    json_t *record;
    fst__records *records = open_text("a.json", TEXT("{\"t\":{\"c\":[{},{}]}}"), of_path("*.c.*"));
    for (int i = 0; i < 2; ++i)
        ck_assert_int_eq(fst__records_next(records, &record), FST_OK);
    ck_assert_ptr_nonnull(strstr(fst__records_place(records), "a.json: record 1 (t/c/1)"));
    fst__records_close(records);
    records = open_text("a.csv", TEXT("a\n\"\n\"\nb\n"), named);
    for (int i = 0; i < 2; ++i)
        ck_assert_int_eq(fst__records_next(records, &record), FST_OK);
    ck_assert_ptr_nonnull(strstr(fst__records_place(records), "a.csv: line 4"));
    fst__records_close(records);
}
END_TEST

START_TEST(csv)
{
    expect("a.csv", TEXT("a,b\r\n1,\"x, \"\"y\"\"\r\nz\"\r\n,\r\n"), named,
           "2{\"a\":\"1\",\"b\":\"x, \\\"y\\\"\\r\\nz\"}\n4{\"a\":\"\",\"b\":\"\"}\n");
    expect("a.csv", TEXT("a,b\n1,2"), none, "1{\"0\":\"a\",\"1\":\"b\"}\n2{\"0\":\"1\",\"1\":\"2\"}\n");
    expect("a.csv", TEXT("\"\"\n\nx"), none, "1{\"0\":\"\"}\n3{\"0\":\"x\"}\n");
    expect("a.csv", TEXT("\xEF\xBB\xBF" "a\n1\n"), named, "2{\"a\":\"1\"}\n");
    expect("a.csv", TEXT(",b\n1,2\n"), named, "2{\"0\":\"1\",\"b\":\"2\"}\n");
    expect("a.csv", TEXT("a,b\n"), named, "");
    expect("a.csv", TEXT(""), named, "");
    expect("a.csv", TEXT("\xE4,\xFC\n"), latin1, "1{\"0\":\"\xC3\xA4\",\"1\":\"\xC3\xBC\"}\n");
    expect("a.csv", TEXT("a\tb\n"), none, "1{\"0\":\"a\\tb\"}\n");
    expect("a.csv", TEXT("\"a\nb\"\n"), none, "1{\"0\":\"a\\nb\"}\n");
}
END_TEST

START_TEST(tsv)
{
    expect("a.tsv", TEXT("a\tb\r\n\"1\"\tx\"y\r\n\t\n"), named,
           "2{\"a\":\"\\\"1\\\"\",\"b\":\"x\\\"y\"}\n3{\"a\":\"\",\"b\":\"\"}\n");
    expect("a.tsv", TEXT("1,2\t\xE9\n"), latin1, "1{\"0\":\"1,2\",\"1\":\"\xC3\xA9\"}\n");
}
END_TEST

START_TEST(lines)
{
    expect("a.txt", TEXT("a b\n\n\"c\"\r\n d\t\n"), none,
           "1{\"text\":\"a b\"}\n3{\"text\":\"\\\"c\\\"\"}\n4{\"text\":\" d\\t\"}\n");
    expect("a.txt", TEXT("a\rb"), none, "1{\"text\":\"a\\rb\"}\n");
    expect("a.txt", TEXT("\x85\xFF"), latin1, "1{\"text\":\"\xC2\x85\xC3\xBF\"}\n");
    expect("a.txt", TEXT("\xEF\xBB\xBF"), none, "");
}
END_TEST

/* Around the buffer's size, so that lines end before, at and behind its end, and one spans three. */
START_TEST(long_lines)
{
    const size_t lengths[] = {65533, 65534, 65535, 65536, 65537, 1, 200000, 131072, 3};
    size_t count = sizeof lengths / sizeof lengths[0], used = 0;
    char *bytes = malloc(1000000);
    for (size_t i = 0; i < count; ++i) {
        memset(bytes + used, i % 2 ? 'x' : '\xE9', lengths[i]);
        used += lengths[i];
        bytes[used++] = '\n';
    }
    fst__records *records = open_text("a.txt", (text){bytes, used}, latin1);
    for (size_t i = 0; i <= count; ++i) {
        json_t *record;
        ck_assert_int_eq(fst__records_next(records, &record), FST_OK);
        ck_assert_int_eq(record != NULL, i < count);
        if (record)
            ck_assert_uint_eq(json_string_length(json_object_get(record, "text")),
                              lengths[i] * (i % 2 ? 1 : 2));
    }
    fst__records_close(records);
    free(bytes);
}
END_TEST

#define BAD(name, literal, word) {name, NULL, literal, sizeof literal - 1, word, false}
#define BAD_PATH(path, literal, word) {"b.json", path, literal, sizeof literal - 1, word, false}
#define BAD_HEADER(name, literal, word) {name, NULL, literal, sizeof literal - 1, word, true}

static const struct {
    const char *name, *path, *bytes;
    size_t size;
    const char *word; /* in the error's text, behind the file's name */
    bool header;
} bad[] = {
    /* The second line is bad. */
    BAD("b.jsonl", "{}\n[1]", ": line 2"), BAD("b.jsonl", "{}\n1", ": line 2"),
    BAD("b.jsonl", "{}\n\"a\"", ": line 2"), BAD("b.jsonl", "{}\nnull", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":1", ": line 2"), BAD("b.jsonl", "{}\n{\"a\":1}}", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":1}{\"b\":2}", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":NaN}", ": line 2"), BAD("b.jsonl", "{}\n{\"a\":1e999}", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":1,\"a\":2}", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":\"\xff\"}", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":\"\xc3\"}", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":\"\xed\xa0\x80\"}", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":\"\0\"}", ": line 2"), BAD("b.jsonl", "{}\n{\"a\":\"\\u0000\"}", ": line 2"),
    BAD("b.jsonl", "{}\n\0", ": line 2"), BAD("b.jsonl", "{}\n{\"a\":1}\0", ": line 2"),
    BAD("b.jsonl", "{}\n\xEF\xBB\xBF{\"a\":1}", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":\"\r\"}", ": line 2"), BAD("b.jsonl", "{}\nx", ": line 2"),
    BAD("b.jsonl", "{}\n\xff\xfe{\0", ": line 2"),
    BAD("b.jsonl", "{}\n{\"a\":\"\\ud800\"}", ": line 2"),
    /* Documents. */
    BAD("b.json", "", ": line"), BAD("b.json", "1", ": line 1"), BAD("b.json", "{", ": line 1"),
    BAD("b.json", "[{}", ": line 1"), BAD("b.json", "[{},]", ": line 1"),
    BAD("b.json", "[{}]\n[]", ": line 2"), BAD("b.json", "[{},\n{\"a\":1,\"a\":1}]", ": line 2"),
    BAD("b.json", "[{\"a\":\"\xC3(\"}]", ": line 1"), BAD("b.json", "[1]", ": 0 is no object"),
    BAD("b.json", "[{},null]", ": 1 is no object"), BAD("b.json", "[[{}]]", ": 0 is no object"),
    BAD("b.json", "[{\"a\":1}\0]", ": line 1"),
    BAD_PATH("data", "[{}]", ": the root is no object"),
    BAD_PATH("data", "{\"x\":[]}", ": the root has no such member"),
    BAD_PATH("data", "{\"data\":5}", ": data is no object"),
    BAD_PATH("data", "{\"data\":[[1]]}", ": data/0 is no object"),
    BAD_PATH("data.*", "{\"data\":\"s\"}", ": data is neither"),
    BAD_PATH("*.c.*", "{\"x\":{\"c\":[]},\"y\":{}}", ": y has no such member"),
    BAD_PATH("*.c.*", "{\"x\":{\"c\":[{},2]}}", ": x/c/1 is no object"),
    BAD_PATH("*.c.*", "{\"x\":{\"c\":null}}", ": x/c is neither"),
    BAD_PATH("*.c", "[[]]", ": 0 is no object"),
    /* Tables. */
    BAD("b.csv", "a,b\n1\n", ": line 2: 1 fields, expected 2"),
    BAD("b.csv", "a,b\n1,2,3\n", ": line 2: 3 fields"), BAD("b.csv", "a\n\"b", ": line 2: a quote begins"),
    BAD("b.csv", "a\n\"b\nc\nd\n", ": line 2: a quote begins"),
    BAD("b.csv", "a\nb\"c\n", ": line 2: a quote inside"),
    BAD("b.csv", "a\n\"b\"c\n", ": line 2: text behind"), BAD("b.csv", "a\n\"b\" \n", ": line 2: text behind"),
    BAD("b.csv", "a\n\"b\"\"\n", ": line 2: a quote begins"), BAD("b.csv", "a\nb\0\n", ": line 2: a NUL"),
    BAD("b.csv", "a\n\"\n\n\xff\"\n", ": line 4: field 1 is not UTF-8"),
    BAD("b.csv", "a,b\n1,\xe9\n", ": line 2: field 2 is not UTF-8"),
    BAD_HEADER("b.csv", "a,b,a\n", ": line 1: two columns"),
    BAD_HEADER("b.csv", "1,\n", ": line 1: two columns"),
    BAD_HEADER("b.tsv", "a\ta\n", ": line 1: two columns"),
    BAD("b.tsv", "a\tb\n1\n", ": line 2: 1 fields"), BAD("b.tsv", "a\n\xC0\xAF\n", ": line 2: field 1"),
    BAD("b.tsv", "a\n\0\n", ": line 2: a NUL"), BAD("b.txt", "a\n\xf8\n", ": line 2: not UTF-8"),
    BAD("b.txt", "a\nb\0c\n", ": line 2: a NUL"), BAD("b.txt", "\xff\xfe" "a\0\n", ": line 1: a NUL"),
    BAD("b.txt", "a\n\xE4\xB8", ": line 2: not UTF-8 at its byte 0"),
};

START_TEST(refuses)
{
    const char *path = scratch_path(&place, bad[_i].name);
    scratch_write(path, bad[_i].bytes, bad[_i].size);
    fst__records_options options = {.path = bad[_i].path, .header = bad[_i].header};
    fst__records *records = NULL;
    json_t *record = NULL;
    fst_status status = fst__records_open(&allocator, path, &options, &records);
    if (!status)
        do
            status = fst__records_next(records, &record);
        while (!status && record);
    ck_assert_msg(status == FST_ERR_FORMAT, "%s: %d: %s", bad[_i].name, _i, fst__error_text());
    ck_assert_ptr_null(record);
    const char *at = strstr(fst__error_text(), path);
    ck_assert_msg(at && strncmp(at + strlen(path), bad[_i].word, strlen(bad[_i].word)) == 0,
                  "%d: \"%s\" lacks \"%s\"", _i, fst__error_text(), bad[_i].word);
    fst__records_close(records);
}
END_TEST

/* After a bad line of JSONL the next one is read all the same. */
START_TEST(goes_on)
{
    fst__records *records = open_text("a.jsonl", TEXT("{}\n[\n{\"v\":3}"), none);
    json_t *record;
    ck_assert_int_eq(fst__records_next(records, &record), FST_OK);
    ck_assert_int_eq(fst__records_next(records, &record), FST_ERR_FORMAT);
    ck_assert_int_eq(fst__records_next(records, &record), FST_OK);
    ck_assert_int_eq(json_integer_value(json_object_get(record, "v")), 3);
    fst__records_close(records);
}
END_TEST

static void refused_open(const char *path, fst__records_options options, fst_status expected,
                         const char *word)
{
    fst__records *records = NULL;
    ck_assert_int_eq(fst__records_open(&allocator, path, &options, &records), expected);
    ck_assert_ptr_null(records);
    ck_assert_msg(strstr(fst__error_text(), word) != NULL, "%s", fst__error_text());
}

START_TEST(refuses_to_open)
{
    const char *path = scratch_path(&place, "none.jsonl");
    refused_open(path, none, FST_ERR_NOT_FOUND, "none.jsonl");
    refused_open(place.folder, (fst__records_options){.format = FST__RECORDS_LINES}, FST_ERR_IO, "folder");
    refused_open("a.parquet", none, FST_ERR_INVALID_ARGUMENT, "a.parquet: the name says no format");
    refused_open(".gz", none, FST_ERR_INVALID_ARGUMENT, "no format");
    refused_open("a.csv", (fst__records_options){.format = 9}, FST_ERR_INVALID_ARGUMENT, "the number 9");
    refused_open("a.csv", of_path("x"), FST_ERR_INVALID_ARGUMENT, "for JSON only");
    path = scratch_path(&place, "a.json");
    scratch_write(path, "{}", 2);
    refused_open(path, of_path("a..b"), FST_ERR_INVALID_ARGUMENT, "empty name");
    refused_open(path, of_path("a."), FST_ERR_INVALID_ARGUMENT, "empty name");
    refused_open(path, of_path("*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*"),
                 FST_ERR_INVALID_ARGUMENT, "more than 32");
}
END_TEST

/* Every allocation fails once; nothing is kept, and the failure is told as what it is. */
static void short_of_memory(const char *path, fst__records_options options)
{
    for (int64_t at = 1;; ++at) {
        scratch_memory memory = {.fail_at = at};
        fst__allocator scarce = SCRATCH_ALLOCATOR(&memory);
        fst__records *records = NULL;
        json_t *record = NULL;
        fst_status status = fst__records_open(&scarce, path, &options, &records);
        if (!status)
            do
                status = fst__records_next(records, &record);
            while (!status && record);
        fst__records_close(records);
        ck_assert_int_eq(memory.live, 0);
        if (!status) {
            ck_assert_int_lt(memory.calls, at);
            ck_assert_int_gt(at, 4);
            return;
        }
        ck_assert_msg(status == FST_ERR_NO_MEMORY, "%lld: %s", (long long)at, fst__error_text());
    }
}

START_TEST(memory)
{
    const char *path = scratch_path(&place, "a.jsonl");
    scratch_write(path, "{}\n", 3);
    short_of_memory(path, none);
    path = scratch_path(&place, "a.csv");
    scratch_write(path, "a,b\n1,\"2\n\"\n", 11);
    short_of_memory(path, named);
    path = scratch_path(&place, "a.json");
    scratch_write(path, "{\"a\":[{}]}", 10);
    short_of_memory(path, of_path("a.*"));
    path = scratch_path(&place, "a.txt");
    scratch_write(path, "a\n", 2);
    short_of_memory(path, none);
}
END_TEST

#ifdef FST__HAVE_ZLIB
/* Appends `t` as a gzip member to bytes[*used]. */
static void pack(text t, unsigned char *bytes, size_t room, size_t *used)
{
    z_stream stream = {0};
    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)t.bytes;
    stream.avail_in = (uInt)t.size;
    stream.next_out = bytes + *used;
    stream.avail_out = (uInt)(room - *used);
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    *used = room - stream.avail_out;
    deflateEnd(&stream);
}

START_TEST(gzip)
{
    unsigned char bytes[4096];
    size_t used = 0;
    pack(TEXT("\xEF\xBB\xBF{\"v\":1}\n{\"v\""), bytes, sizeof bytes, &used);
    size_t first = used;
    pack(TEXT(":2}\n"), bytes, sizeof bytes, &used);
    expect("a.jsonl.gz", (text){(char *)bytes, used}, none, "1{\"v\":1}\n2{\"v\":2}\n");
    /* Cut at every byte: refused, but for where a whole member ends. */
    const char *path = scratch_path(&place, "b.txt.gz");
    for (size_t size = 0; size < used; ++size) {
        fst__records *records;
        json_t *record;
        scratch_write(path, bytes, size);
        ck_assert_int_eq(fst__records_open(&allocator, path, &none, &records), FST_OK);
        fst_status status;
        do
            status = fst__records_next(records, &record);
        while (!status && record);
        ck_assert_msg(status == (size == first ? FST_OK : FST_ERR_FORMAT), "cut at %zu", size);
        fst__records_close(records);
    }
    /* Each byte changed: never a crash; the check sum or the UTF-8 finds most. */
    for (size_t at = 0; at < used; ++at) {
        bytes[at] ^= 0x55;
        scratch_write(path, bytes, used);
        bytes[at] ^= 0x55;
        fst__records *records;
        json_t *record;
        ck_assert_int_eq(fst__records_open(&allocator, path, &none, &records), FST_OK);
        while (fst__records_next(records, &record) == FST_OK && record)
            ;
        fst__records_close(records);
    }
    memcpy(bytes + used, "junk", 4);
    scratch_write(path, bytes, used + 4);
    refused_open(scratch_path(&place, "c.json.gz"), none, FST_ERR_NOT_FOUND, "c.json.gz");
    fst__records *records;
    json_t *record;
    ck_assert_int_eq(fst__records_open(&allocator, path, &none, &records), FST_OK);
    fst_status status;
    do
        status = fst__records_next(records, &record);
    while (!status && record);
    ck_assert_int_eq(status, FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst__error_text(), "no gzip header"));
    fst__records_close(records);
    scratch_write(scratch_path(&place, "d.json.gz"), "[{}]", 4);
    refused_open(scratch_path(&place, "d.json.gz"), none, FST_ERR_FORMAT, "no gzip header");
    used = 0;
    pack(TEXT("[{\"v\":[1,2]}]"), bytes, sizeof bytes, &used);
    expect("a.json.gz", (text){(char *)bytes, used}, none, "0.1{\"v\":[1,2]}\n");
    scratch_write(scratch_path(&place, "e.json.gz"), bytes, used);
    short_of_memory(scratch_path(&place, "e.json.gz"), none);
}
END_TEST

/* A thousandfold: 80 MiB of spaces out of 80 KiB are too much, 60 MiB are not. */
START_TEST(bomb)
{
    for (int i = 0; i < 2; ++i) {
        size_t size = (size_t)(i ? 100 : 60) << 20, room = 1 << 20, used = 0;
        char *spaces = malloc(size);
        unsigned char *bytes = malloc(room);
        memset(spaces, '\n', size);
        pack((text){spaces, size}, bytes, room, &used);
        const char *path = scratch_path(&place, "z.txt.gz");
        scratch_write(path, bytes, used);
        fst__records *records;
        json_t *record;
        ck_assert_int_eq(fst__records_open(&allocator, path, &none, &records), FST_OK);
        ck_assert_int_eq(fst__records_next(records, &record), i ? FST_ERR_FORMAT : FST_OK);
        if (i)
            ck_assert_ptr_nonnull(strstr(fst__error_text(), "z.txt.gz: unpacks to more than"));
        fst__records_close(records);
        free(spaces);
        free(bytes);
    }
}
END_TEST
#else
START_TEST(gzip)
{
    const char *path = scratch_path(&place, "a.json.gz");
    scratch_write(path, "x", 1);
    refused_open(path, none, FST_ERR_UNSUPPORTED, "zlib1g-dev");
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("records");
    TCase *cases = tcase_create("records");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, jsonl);
    tcase_add_test(cases, json);
    tcase_add_test(cases, places);
    tcase_add_test(cases, csv);
    tcase_add_test(cases, tsv);
    tcase_add_test(cases, lines);
    tcase_add_test(cases, long_lines);
    tcase_add_loop_test(cases, refuses, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(cases, goes_on);
    tcase_add_test(cases, refuses_to_open);
    tcase_add_test(cases, memory);
    tcase_add_test(cases, gzip);
#ifdef FST__HAVE_ZLIB
    tcase_add_test(cases, bomb);
#endif
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
