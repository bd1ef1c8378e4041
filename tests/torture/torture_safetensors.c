/*
 * Malformed safetensors files: each is refused with FST_ERR_FORMAT, the file's name and the byte.
 * Every truncation and every bit flip of a good one. Hostile headers within bounded memory.
 */
#include "../support/scratch.h"
#include "base/error.h"
#include "formats/safetensors.h"

#include <ctype.h>

static scratch place;
static fst__allocator allocator;
static int refusals;

static void set_up(void)
{
    place = scratch_create();
}

static void tear_down(void)
{
    ck_assert_int_eq(allocator.live_bytes, 0);
    scratch_destroy(&place);
}

/* A header with holes @a … @l, and what stands in them in the good file. */
static const char good_template[] =
    "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"\xc3\xa4\\n\"},"
    "\"first\":{\"dtype\":@a,\"shape\":[@b,@c],\"data_offsets\":[@d,@e]},"
    "\"second\":{\"dtype\":@f,\"shape\":[@g],\"data_offsets\":[@h,@i]},"
    "\"third\":{\"dtype\":@j,\"shape\":[],\"data_offsets\":[@k,@l]}}";
static const char *const good_values[] = {"\"F32\"", "2",  "3", "0",     "24", "\"BF16\"",
                                          "5",       "24", "34", "\"U8\"", "34", "35"};
enum { HOLES = 12, DATA = 35 };

static bool is_dtype(int hole)
{
    return good_values[hole][0] == '"';
}

/* The header with `value` in hole `changed`; −1: the good one. */
static void fill(char *header, size_t room, int changed, const char *value)
{
    size_t used = 0;
    for (const char *from = good_template; *from; ++from) {
        const char *piece = from;
        size_t length = 1;
        if (*from == '@') {
            int hole = *++from - 'a';
            piece = hole == changed ? value : good_values[hole];
            length = strlen(piece);
        }
        ck_assert_uint_lt(used + length, room);
        memcpy(header + used, piece, length);
        used += length;
    }
    header[used] = '\0';
}

/* Writes length, header and `data` bytes counting up; returns the path. */
static const char *make(uint64_t prefix, const void *header, size_t length, size_t data)
{
    const char *path = scratch_path(&place, "case.safetensors");
    char *bytes = malloc(8 + length + data);
    memcpy(bytes, &prefix, 8);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < data; ++i)
        bytes[8 + length + i] = (char)(i + 1);
    scratch_write(path, bytes, 8 + length + data);
    free(bytes);
    return path;
}

static bool names_a_byte(const char *text)
{
    const char *at = strstr(text, "byte ");
    return at && isdigit((unsigned char)at[5]);
}

static void expect_refusal(const char *path, const char *what)
{
    fst__safetensors *file = NULL;
    fst_status status = fst__safetensors_open(&allocator, path, &file);
    ck_assert_msg(status == FST_ERR_FORMAT, "%s: status %d, %s", what, (int)status,
                  fst__error_text());
    ck_assert_msg(strstr(fst__error_text(), path) != NULL, "%s: no file in: %s", what,
                  fst__error_text());
    ck_assert_msg(names_a_byte(fst__error_text()), "%s: no byte in: %s", what, fst__error_text());
    ck_assert_int_eq(allocator.live_bytes, 0);
    ++refusals;
}

static void refuse_header(const char *header, size_t length, size_t data, const char *what)
{
    expect_refusal(make(length, header, length, data), what);
}

static void refuse_text(const char *header, size_t data)
{
    refuse_header(header, strlen(header), data, header);
}

static void the_good_one(void)
{
    char header[1024];
    fst__safetensors *file;
    fill(header, sizeof header, -1, NULL);
    const char *path = make(strlen(header), header, strlen(header), DATA);
    ck_assert_msg(fst__safetensors_open(&allocator, path, &file) == FST_OK, "%s", fst__error_text());
    fst__safetensors_close(file);
}

/* Every number and every type replaced by what it must not be: (9 × 27) + (3 × 15) files. */
static void wrong_values(void)
{
    static const char *const numbers[] = {
        "-1", "-0", "1.0", "0.5", "1e0", "1E2", "01", "00", "+1", "0x1", "1_0", "1e999", "NaN",
        "Infinity", "null", "true", "\"1\"", "[]", "[1]", "{}", "", " ", "9223372036854775808",
        "18446744073709551616", "340282366920938463463374607431768211456", "9223372036854775807",
        "4294967296"};
    static const char *const types[] = {
        "\"\"", "\"f32\"", "\"F33\"", "\"FLOAT\"", "\"F32 \"", "\" F32\"", "\"F3\"", "\"F322\"",
        "32", "null", "[\"F32\"]", "{}", "F32", "\"torch.float32\"", ""};
    char header[1024], what[200];
    for (int hole = 0; hole < HOLES; ++hole) {
        size_t count = is_dtype(hole) ? sizeof types / sizeof types[0]
                                      : sizeof numbers / sizeof numbers[0];
        for (size_t i = 0; i < count; ++i) {
            const char *value = is_dtype(hole) ? types[i] : numbers[i];
            fill(header, sizeof header, hole, value);
            snprintf(what, sizeof what, "hole %c is '%s'", 'a' + hole, value);
            refuse_header(header, strlen(header), DATA, what);
        }
    }
}

/* Numbers that are well formed, each of them wrong by one or two: sizes, holes, overlaps. */
static void near_misses(void)
{
    char header[1024], value[32];
    for (int hole = 0; hole < HOLES; ++hole)
        for (int by = -2; by <= 2; ++by) {
            if (is_dtype(hole) || by == 0)
                continue;
            snprintf(value, sizeof value, "%d", atoi(good_values[hole]) + by);
            fill(header, sizeof header, hole, value);
            refuse_header(header, strlen(header), DATA, header);
        }
    /* another type of another size */
    static const char *const others[HOLES] = {
        [0] = "\"BF16\"", [5] = "\"I32\"", [9] = "\"I16\""};
    for (int hole = 0; hole < HOLES; ++hole)
        if (others[hole]) {
            fill(header, sizeof header, hole, others[hole]);
            refuse_header(header, strlen(header), DATA, header);
        }
}

static void lengths(void)
{
    char header[1024];
    fill(header, sizeof header, -1, NULL);
    size_t length = strlen(header);
    const uint64_t prefixes[] = {
        0, 1, 2, 7, 8, length / 2, length - 2, length - 1, length + 1, length + 2, length + DATA,
        length + DATA + 1, length + DATA + 8, 100000000, 100000001, 0x7fffffff, 0x80000000u,
        0xffffffffu, 0x100000000u, 0x100000000u + length, UINT64_C(1) << 62, INT64_MAX,
        UINT64_C(1) << 63, (UINT64_C(1) << 63) + length, UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 8,
        UINT64_MAX - length};
    char what[64];
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; ++i) {
        snprintf(what, sizeof what, "header length %llu", (unsigned long long)prefixes[i]);
        expect_refusal(make(prefixes[i], header, length, DATA), what);
    }
    for (size_t data = 0; data < DATA + 20; ++data)
        if (data != DATA)
            refuse_header(header, length, data, "too few or too many bytes of data");
}

#define ENTRY "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}"
#define NEXT "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}"

static void structure(void)
{
    static const char *const headers[] = {
        /* not an object, or not from the first byte */
        "[]", "\"a\"", "1", "null", " {}", "\n{}", "\xEF\xBB\xBF{}", "}", "[{}]", "{", "{{}}",
        "{}{}", "{}x", "{},", "{}\n", "{}\t", "{} x", "{}]", "{}}", "{} \n",
        /* punctuation */
        "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":" ENTRY ",}", "{\"a\":" ENTRY ",,\"b\":" NEXT "}",
        "{\"a\":" ENTRY "\"b\":" NEXT "}", "{\"a\":" ENTRY ";\"b\":" NEXT "}",
        "{\"a\" " ENTRY "}", "{\"a\"::" ENTRY "}", "{\"a\"=" ENTRY "}", "{a:" ENTRY "}",
        "{'a':" ENTRY "}", "{1:" ENTRY "}", "{/**/\"a\":" ENTRY "}", "{\"a\":" ENTRY "]",
        "{\"a\":" ENTRY,
        /* an entry that is none */
        "{\"a\":null}", "{\"a\":1}", "{\"a\":\"x\"}", "{\"a\":[]}", "{\"a\":true}", "{\"a\":{}}",
        "{\"a\":{\"b\":" ENTRY "}}",
        /* its members */
        "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"stride\":[1]}}",
        "{\"a\":{\"Dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],}}",
        "{\"a\":{\"dtype\":\"U8\" \"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]]}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":null,\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":\"1\",\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":{},\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[,1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1 1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[[1]],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0 1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":{\"0\":1}}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":1}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}",
        "{\"a\":{\"d\\u0074ype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"\\u00558\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        /* products */
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952,8],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[0,9223372036854775807,3],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807,3,0],\"data_offsets\":[0,0]}}",
        /* names */
        "{\"a\":" ENTRY ",\"a\":" ENTRY "}", "{\"a\":" ENTRY ",\"a\":" NEXT "}",
        "{\"a\":" ENTRY ",\"\\u0061\":" NEXT "}", "{\"__metadata_\\u005f\":" ENTRY "}",
        "{\"\":" ENTRY ",\"\":" NEXT "}",
        /* metadata */
        "{\"__metadata__\":null}", "{\"__metadata__\":[]}", "{\"__metadata__\":\"x\"}",
        "{\"__metadata__\":1}", "{\"__metadata__\":" ENTRY "}", "{\"__metadata__\":{\"k\":1}}",
        "{\"__metadata__\":{\"k\":null}}", "{\"__metadata__\":{\"k\":true}}",
        "{\"__metadata__\":{\"k\":[]}}", "{\"__metadata__\":{\"k\":{}}}",
        "{\"__metadata__\":{\"k\":1.5}}", "{\"__metadata__\":{\"k\":\"v\",}}",
        "{\"__metadata__\":{\"k\":\"v\" \"l\":\"w\"}}", "{\"__metadata__\":{\"k\"}}",
        "{\"__metadata__\":{\"k\":\"v\"}", "{\"__metadata__\":{},\"__metadata__\":{}}",
        "{\"__metadata__\":{\"k\":\"v\",\"k\":\"v\"}}",
        "{\"__metadata__\":{\"k\":\"v\",\"l\":\"v\",\"\\u006b\":\"v\"}}",
        "{\"__metadata__\":{1:\"v\"}}"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; ++i)
        for (size_t data = 0; data <= 2; ++data)
            refuse_text(headers[i], data);
    refuse_header("{}\0", 3, 0, "NUL behind the header");
    refuse_header("\0{}", 3, 0, "NUL before the header");
    refuse_header("", 0, 0, "no header");
    refuse_header("", 0, 8, "no header, but data");
}

/* Strings that no JSON string may hold, each as a tensor's name, a metadata key and a value. */
static void strings(void)
{
    static const char *const bad[] = {
        "\xff", "\xfe", "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x80\x80",
        "\xe2\x82", "\xe2(\xa1", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x9f\x98",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\x01", "\t", "\n", "\x1f",
        "\\", "\\x41", "\\a", "\\'", "\\u", "\\u12", "\\u12g4", "\\U0041", "\\ud800", "\\udc00",
        "\\ud800\\ud800", "\\ud800x", "\\ud800\\n", "\\u0000", "\\ud83d\\u0041", "a\\u0000b"};
    static const char *const frames[][2] = {
        {"{\"", "\":" ENTRY "}"},
        {"{\"__metadata__\":{\"", "\":\"v\"},\"a\":" ENTRY "}"},
        {"{\"__metadata__\":{\"k\":\"", "\"},\"a\":" ENTRY "}"}};
    char header[256];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i)
        for (size_t f = 0; f < 3; ++f) {
            snprintf(header, sizeof header, "%s%s%s", frames[f][0], bad[i], frames[f][1]);
            refuse_text(header, 1);
        }
    static const char raw_nul[] = "{\"a\0b\":" ENTRY "}";
    refuse_header(raw_nul, sizeof raw_nul - 1, 1, "NUL in a name");
}

/* Three tensors of 4 bytes at places that do not tile the data. */
static void coverage(void)
{
    static const int cases[][7] = {
        /* begin and end of each, bytes of data */
        {0, 4, 4, 8, 4, 8, 12},  {0, 4, 0, 4, 4, 8, 8},   {0, 4, 2, 6, 8, 12, 12},
        {0, 4, 4, 8, 9, 13, 13}, {1, 5, 5, 9, 9, 13, 13}, {0, 4, 4, 8, 8, 12, 13},
        {0, 4, 4, 8, 8, 12, 11}, {0, 4, 8, 12, 12, 16, 16}, {8, 12, 4, 8, 1, 5, 12},
        {0, 4, 3, 7, 7, 11, 11}, {4, 8, 8, 12, 12, 16, 16}, {0, 4, 4, 8, 16, 20, 20}};
    char header[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        const int *c = cases[i];
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]},"
                 "\"b\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[%d,%d]},"
                 "\"c\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[%d,%d]}}",
                 c[0], c[1], c[2], c[3], c[4], c[5]);
        refuse_text(header, (size_t)c[6]);
    }
    /* an empty tensor inside another one, and one behind the end */
    refuse_text("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}", 4);
    refuse_text("{\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]}}", 0);
}

START_TEST(malformed)
{
    the_good_one();
    wrong_values();
    near_misses();
    lengths();
    structure();
    strings();
    coverage();
    printf("%d malformed files refused\n", refusals);
    ck_assert_int_ge(refusals, 300);
}
END_TEST

START_TEST(every_truncation)
{
    char header[1024];
    size_t size;
    fill(header, sizeof header, -1, NULL);
    const char *path = make(strlen(header), header, strlen(header), DATA);
    char *bytes = scratch_read(path, &size), what[64];
    for (size_t kept = 0; kept < size; ++kept) {
        const char *cut = scratch_path(&place, "cut.safetensors");
        scratch_write(cut, bytes, kept);
        snprintf(what, sizeof what, "cut to %zu bytes", kept);
        expect_refusal(cut, what);
    }
    free(bytes);
}
END_TEST

/* Whether byte `at` of the file is inside a tensor's name or a metadata string: the only places
 * where another byte can give another good header. */
static bool is_free_text(const char *bytes, size_t at)
{
    static const char *const texts[] = {"format", "pt", "note", "\xc3\xa4\\n", "first", "second",
                                        "third"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; ++i) {
        char quoted[32];
        snprintf(quoted, sizeof quoted, "\"%s\"", texts[i]);
        size_t start = (size_t)(strstr(bytes + 8, quoted) - bytes) + 1;
        if (at >= start && at < start + strlen(texts[i]))
            return true;
    }
    return false;
}

static void expect_same_structure(const fst__safetensors *file, const fst__safetensors *good)
{
    ck_assert_uint_eq(fst__safetensors_count(file), fst__safetensors_count(good));
    for (size_t i = 0; i < fst__safetensors_count(good); ++i) {
        fst__safetensors_tensor one = fst__safetensors_at(file, i);
        fst__safetensors_tensor two = fst__safetensors_at(good, i);
        char left[64], right[64];
        ck_assert(one.dtype == two.dtype && one.rank == two.rank && one.offset == two.offset &&
                  one.bytes == two.bytes && memcmp(one.shape, two.shape, sizeof one.shape) == 0);
        ck_assert_int_eq(fst__safetensors_read(file, &one, left, one.bytes), FST_OK);
        ck_assert_int_eq(fst__safetensors_read(good, &two, right, two.bytes), FST_OK);
        ck_assert(memcmp(left, right, one.bytes) == 0);
    }
}

/* A flipped bit of the length or the header is refused, unless it lies in a name or a metadata
 * string and leaves that UTF-8; then types, shapes, places and values are those of the good file. */
START_TEST(every_header_bit)
{
    char header[1024];
    size_t size;
    fill(header, sizeof header, -1, NULL);
    size_t length = strlen(header);
    const char *path = make(length, header, length, DATA);
    char *bytes = scratch_read(path, &size), what[64];
    fst__safetensors *good;
    int loaded = 0;
    ck_assert_int_eq(fst__safetensors_open(&allocator, path, &good), FST_OK);
    int64_t live = allocator.live_bytes;
    for (size_t bit = 0; bit < (8 + length) * 8; ++bit) {
        const char *flipped = scratch_path(&place, "flipped.safetensors");
        fst__safetensors *file = NULL;
        bool free_text = is_free_text(bytes, bit / 8);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        scratch_write(flipped, bytes, size);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        snprintf(what, sizeof what, "bit %zu of byte %zu", bit % 8, bit / 8);
        fst_status status = fst__safetensors_open(&allocator, flipped, &file);
        if (status == FST_OK) {
            ck_assert_msg(free_text, "%s was accepted", what);
            expect_same_structure(file, good);
            fst__safetensors_close(file);
            ++loaded;
        } else {
            ck_assert_msg(status == FST_ERR_FORMAT && names_a_byte(fst__error_text()), "%s: %d %s",
                          what, (int)status, fst__error_text());
        }
        ck_assert_int_eq(allocator.live_bytes, live);
    }
    ck_assert_int_gt(loaded, 50);
    fst__safetensors_close(good);
    free(bytes);
}
END_TEST

/* What a header may cost: twice the file and 64 MB. */
static void expect_bounded(const char *path, fst_status expected)
{
    struct stat status;
    fst__safetensors *file = NULL;
    ck_assert_int_eq(stat(path, &status), 0);
    atomic_store(&allocator.peak_bytes, 0);
    ck_assert_msg(fst__safetensors_open(&allocator, path, &file) == expected, "%s",
                  fst__error_text());
    ck_assert_int_le(allocator.peak_bytes, 2 * (int64_t)status.st_size + 64 * 1000 * 1000);
    fst__safetensors_close(file);
}

/* Writes start, then `count` times middle with a running number, then end, as a header. */
static const char *make_large(const char *start, const char *middle, const char *end, int count)
{
    const char *path = scratch_path(&place, "large.safetensors");
    FILE *file = fopen(path, "wb");
    uint64_t length = 0;
    fwrite(&length, 8, 1, file);
    fputs(start, file);
    for (int i = 0; i < count; ++i) {
        fputs(i ? "," : "", file);
        fprintf(file, middle, i); // NOLINT: the formats are the constants below
    }
    fputs(end, file);
    length = (uint64_t)ftell(file) - 8;
    rewind(file);
    fwrite(&length, 8, 1, file);
    fclose(file);
    return path;
}

START_TEST(memory_is_bounded)
{
    static const char entry[] = "\"%x\":{\"dtype\":\"U8\",\"shape\":[0,1,1,1,1,1,1,1],"
                                "\"data_offsets\":[0,0]}";
    expect_bounded(make_large("{", entry, "}", 1000000), FST_OK);
    expect_bounded(make_large("{", entry, "}", 1000001), FST_ERR_UNSUPPORTED);
    expect_bounded(make_large("{\"__metadata__\":{", "\"%x\":\"\"", "}}", 3000000), FST_OK);
    expect_bounded(make_large("{\"a\":{\"dtype\":\"U8\",\"shape\":[", "%d", "]}}", 5000000),
                   FST_ERR_UNSUPPORTED);
    expect_bounded(make_large("{\"__metadata__\":{\"a\":", "[", "}}", 5000000), FST_ERR_FORMAT);
}
END_TEST

/* A header's claimed length must not be allocated before the file is known to have it. */
START_TEST(claims_cost_nothing)
{
    const char *path = make(99999999, "{}", 2, 0);
    atomic_store(&allocator.peak_bytes, 0);
    expect_refusal(path, "a header of 100 MB in a file of 10 bytes");
    ck_assert_int_lt(allocator.peak_bytes, 10000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *cases = tcase_create("safetensors");
    tcase_set_timeout(cases, 300);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, malformed);
    tcase_add_test(cases, every_truncation);
    tcase_add_test(cases, every_header_bit);
    tcase_add_test(cases, memory_is_bounded);
    tcase_add_test(cases, claims_cost_nothing);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
