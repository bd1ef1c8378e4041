/* formats/safetensors.h: what is written is what the package writes, what is read is what it says. */
#include "../support/scratch.h"
#include "base/error.h"
#include "formats/file.h"
#include "formats/safetensors.h"
#include "tensor/bf16.h"

#include <math.h>

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

static void expect_text(const char *part)
{
    ck_assert_msg(strstr(fst__error_text(), part) != NULL, "\"%s\" is not in: %s", part,
                  fst__error_text());
}

static void ok(fst_status status)
{
    ck_assert_msg(status == FST_OK, "%s", fst__error_text());
}

/* A file of this header, its length filled in, and `data` zero bytes. */
static const char *make(const char *name, const char *header, size_t data)
{
    const char *path = scratch_path(&place, name);
    size_t length = strlen(header);
    char *bytes = calloc(1, 8 + length + data);
    uint64_t prefix = length;
    memcpy(bytes, &prefix, 8);
    memcpy(bytes + 8, header, length);
    scratch_write(path, bytes, 8 + length + data);
    free(bytes);
    return path;
}

START_TEST(writes_the_packages_bytes)
{
    /* As safetensors.numpy.save writes these tensors. */
    static const char expected[] =
        "{\"__metadata__\":{\"a\":\"1\",\"format\":\"pt\"},"
        "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
        "\"a\\\"\\n\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[8,12]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[12,20]},"
        "\"h\":{\"dtype\":\"BF16\",\"shape\":[0,3],\"data_offsets\":[20,20]},"
        "\"\xc3\xa4\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[20,23]}}";
    const float floats[] = {1.5f, -2.0f}, scalar = 7.0f;
    const int64_t integer = -9;
    const char *path = scratch_path(&place, "m.safetensors");
    fst__safetensors_writer *writer;
    ok(fst__safetensors_writer_create(&allocator, &writer));
    ok(fst__safetensors_writer_metadata(writer, "format", "pt"));
    ok(fst__safetensors_writer_add(writer, "\xc3\xa4", FST_U8, 1, (int64_t[]){3}, "xyz"));
    ok(fst__safetensors_writer_add(writer, "b", FST_F32, 2, (int64_t[]){2, 1}, floats));
    ok(fst__safetensors_writer_add(writer, "h", FST_BF16, 2, (int64_t[]){0, 3}, NULL));
    ok(fst__safetensors_writer_add(writer, "a\"\n", FST_F32, 0, NULL, &scalar));
    ok(fst__safetensors_writer_metadata(writer, "a", "1"));
    ok(fst__safetensors_writer_add(writer, "i", FST_I64, 1, (int64_t[]){1}, &integer));
    ok(fst__safetensors_writer_write(writer, path));
    ok(fst__safetensors_writer_write(writer, path)); /* a second time, over the first */
    fst__safetensors_writer_destroy(writer);

    size_t size, length = sizeof expected - 1, padded = (length + 7) / 8 * 8;
    char *bytes = scratch_read(path, &size);
    uint64_t prefix;
    memcpy(&prefix, bytes, 8);
    ck_assert_uint_eq(prefix, padded);
    ck_assert_uint_eq(size, 8 + padded + 23);
    ck_assert(memcmp(bytes + 8, expected, length) == 0);
    for (size_t i = length; i < padded; ++i)
        ck_assert_int_eq(bytes[8 + i], ' ');
    ck_assert(memcmp(bytes + 8 + padded, &integer, 8) == 0);
    ck_assert(memcmp(bytes + 8 + padded + 8, &scalar, 4) == 0);
    ck_assert(memcmp(bytes + 8 + padded + 12, floats, 8) == 0);
    ck_assert(memcmp(bytes + 8 + padded + 20, "xyz", 3) == 0);
    free(bytes);

    fst__safetensors *file;
    fst__safetensors_tensor tensor;
    ok(fst__safetensors_open(&allocator, path, &file));
    ck_assert_uint_eq(fst__safetensors_count(file), 5);
    ck_assert_str_eq(fst__safetensors_at(file, 0).name, "i");
    ck_assert_str_eq(fst__safetensors_at(file, 1).name, "a\"\n");
    ck_assert_str_eq(fst__safetensors_at(file, 4).name, "\xc3\xa4");
    ck_assert_str_eq(fst__safetensors_metadata(file, "format"), "pt");
    ck_assert_str_eq(fst__safetensors_metadata(file, "a"), "1");
    ck_assert_ptr_null(fst__safetensors_metadata(file, "b"));
    ok(fst__safetensors_find(file, "h", &tensor));
    ck_assert_int_eq(tensor.rank, 2);
    ck_assert(tensor.shape[0] == 0 && tensor.shape[1] == 3 && tensor.shape[2] == 0);
    ck_assert(tensor.bytes == 0 && tensor.elements == 0 && tensor.dtype == FST_BF16);
    ok(fst__safetensors_read(file, &tensor, NULL, 0));
    ok(fst__safetensors_find(file, "b", &tensor));
    ck_assert_uint_eq(tensor.offset, 8 + padded + 12);
    float back[2];
    ok(fst__safetensors_read(file, &tensor, back, sizeof back));
    ck_assert(memcmp(back, floats, sizeof back) == 0);
    ck_assert_int_eq(fst__safetensors_read(file, &tensor, back, 4), FST_ERR_INVALID_ARGUMENT);
    ck_assert(fst__safetensors_has(file, "i") && !fst__safetensors_has(file, "j"));
    ck_assert_int_eq(fst__safetensors_find(file, "j", &tensor), FST_ERR_NOT_FOUND);
    expect_text("m.safetensors");
    expect_text("\"j\"");
    fst__safetensors_close(file);
    fst__safetensors_close(NULL);
}
END_TEST

static const struct {
    const char *header;
    size_t data, count;
} accepted[] = {
    {"{}", 0, 0},
    {"{}      ", 0, 0},
    {"{\"__metadata__\":{}}", 0, 0},
    {"{\"__metadata__\":{\"a\":\"\",\"\":\"b\"}}", 0, 0},
    {"{\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, 1},
    {"{\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, 1},
    {"{\"e\":{\"dtype\":\"U8\",\"shape\":[3,0],\"data_offsets\":[0,0]},"
     "\"f\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"g\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]},"
     "\"h\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}", 2, 4},
    /* out of order, members out of order, space, an odd start */
    {"{ \"b\" :\t{\"shape\": [1 , 1],\n\"data_offsets\":[3,4],\"dtype\":\"I8\"}\r,"
     "\"a\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]} } ", 4, 2},
    {"{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 1},
    {"{\"\\ud83d\\ude00\\u00e4\\/\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1],"
     "\"data_offsets\":[0,1]},\"__metadata__\":{\"x\":\"y\"}}", 1, 1},
};

START_TEST(accepts)
{
    fst__safetensors *file;
    const char *path = make("a.safetensors", accepted[_i].header, accepted[_i].data);
    ok(fst__safetensors_open(&allocator, path, &file));
    ck_assert_uint_eq(fst__safetensors_count(file), accepted[_i].count);
    size_t offset = 8 + strlen(accepted[_i].header);
    for (size_t i = 0; i < accepted[_i].count; ++i) {
        fst__safetensors_tensor tensor = fst__safetensors_at(file, i), found;
        ck_assert_uint_eq(tensor.offset, offset);
        offset += tensor.bytes;
        ok(fst__safetensors_find(file, tensor.name, &found));
        ck_assert_uint_eq(found.offset, tensor.offset);
    }
    if (_i == 9)
        ck_assert(fst__safetensors_has(file, "\xf0\x9f\x98\x80\xc3\xa4/"));
    fst__safetensors_close(file);
}
END_TEST

START_TEST(unsupported)
{
    static const char *const headers[] = {
        "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"U16\",\"shape\":[1],\"data_offsets\":[0,2]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; ++i) {
        fst__safetensors *file;
        const char *path = make("a.safetensors", headers[i], 1);
        ck_assert_int_eq(fst__safetensors_open(&allocator, path, &file), FST_ERR_UNSUPPORTED);
        expect_text(path);
        expect_text("byte ");
    }
}
END_TEST

/* More values than one chunk of the conversion holds, with all sorts among the first. */
enum { MANY = 10000 };

static const double sources[] = {0.0, -0.0, 1.0, -1.5, INFINITY, -INFINITY, NAN, 65504.0,
                                 6.103515625e-05, 5.9604644775390625e-08, 1.00390625,
                                 /* halfway for bfloat16 in double, not so in float */
                                 1.00390625 + 0x1p-40, 1.00390625 - 0x1p-40,
                                 -1.00390625 - 0x1p-40, 3.4028235e38, 1e300, 1e-300, 0x1p-140};

/* Nearest, ties to even, from the two neighbours found by truncation. */
static uint16_t plain_bf16(double value)
{
    if (isnan(value))
        return 0x7fc0;
    uint16_t best = 0;
    double least = INFINITY;
    if (fabs(value) >= 0x1.ffp127 || isinf(value))
        return value < 0 ? 0xff80 : 0x7f80;
    for (uint32_t bits = 0; bits < 0x7f80; ++bits) {
        double gap = fabs((double)fst__bf16_to_float((uint16_t)bits) - fabs(value));
        if (gap < least || (gap == least && bits % 2 == 0)) {
            least = gap;
            best = (uint16_t)bits;
        }
    }
    return best | (signbit(value) ? 0x8000 : 0);
}

START_TEST(converts)
{
    double *wide = calloc(MANY, sizeof *wide), *wide_back = calloc(MANY, sizeof *wide);
    float *narrow = calloc(MANY, sizeof *narrow), *narrow_back = calloc(MANY, sizeof *narrow);
    uint16_t *brain = calloc(MANY, 2), *half = calloc(MANY, 2), *brain_back = calloc(MANY, 2);
    size_t count = sizeof sources / sizeof sources[0];
    for (size_t i = 0; i < MANY; ++i) {
        wide[i] = i < count ? sources[i] : (double)i * 0.37;
        narrow[i] = (float)wide[i];
        brain[i] = fst__float_to_bf16(narrow[i]);
        half[i] = (uint16_t)(i * 7); /* every kind of half, with gaps */
    }
    const char *path = scratch_path(&place, "m.safetensors");
    const int64_t shape[] = {MANY / 4, 4};
    fst__safetensors_writer *writer;
    ok(fst__safetensors_writer_create(&allocator, &writer));
    ok(fst__safetensors_writer_add(writer, "wide", FST_F64, 2, shape, wide));
    ok(fst__safetensors_writer_add(writer, "narrow", FST_F32, 2, shape, narrow));
    ok(fst__safetensors_writer_add(writer, "brain", FST_BF16, 2, shape, brain));
    ok(fst__safetensors_writer_add(writer, "half", FST_F16, 2, shape, half));
    ok(fst__safetensors_writer_add(writer, "int", FST_I32, 2, shape, narrow));
    ok(fst__safetensors_writer_write(writer, path));
    fst__safetensors_writer_destroy(writer);

    fst__safetensors *file;
    fst__safetensors_tensor tensor;
    ok(fst__safetensors_open(&allocator, path, &file));
    ok(fst__safetensors_find(file, "wide", &tensor));
    ok(fst__safetensors_read_as(file, &tensor, FST_F64, wide_back, MANY));
    ck_assert(memcmp(wide, wide_back, MANY * 8) == 0);
    ok(fst__safetensors_read_as(file, &tensor, FST_F32, narrow_back, MANY));
    ck_assert(memcmp(narrow, narrow_back, MANY * 4) == 0);
    ok(fst__safetensors_read_as(file, &tensor, FST_BF16, brain_back, MANY));
    for (size_t i = 0; i < count + 50; ++i)
        ck_assert_msg(isnan(wide[i]) ? (brain_back[i] & 0x7fff) > 0x7f80
                                     : brain_back[i] == plain_bf16(wide[i]),
                      "%a became %04x", wide[i], brain_back[i]);
    ok(fst__safetensors_find(file, "narrow", &tensor));
    ok(fst__safetensors_read_as(file, &tensor, FST_BF16, brain_back, MANY));
    ck_assert(memcmp(brain, brain_back, MANY * 2) == 0);
    ok(fst__safetensors_find(file, "brain", &tensor));
    ok(fst__safetensors_read_as(file, &tensor, FST_F32, narrow_back, MANY));
    for (size_t i = 0; i < MANY; ++i) {
        float expected = fst__bf16_to_float(brain[i]);
        ck_assert(isnan(expected) ? isnan(narrow_back[i])
                                  : memcmp(&expected, &narrow_back[i], 4) == 0);
    }
    ok(fst__safetensors_find(file, "half", &tensor));
    ok(fst__safetensors_read_as(file, &tensor, FST_F64, wide_back, MANY));
    for (size_t i = 0; i < MANY; ++i) {
        int exponent = half[i] >> 10 & 31, fraction = half[i] & 1023;
        double expected = exponent == 0    ? ldexp(fraction, -24)
                          : exponent == 31 ? (fraction ? NAN : INFINITY)
                                           : ldexp(1024 + fraction, exponent - 25);
        if (half[i] >> 15)
            expected = -expected;
        ck_assert(isnan(expected) ? isnan(wide_back[i])
                                  : memcmp(&expected, &wide_back[i], 8) == 0);
    }
    ck_assert_int_eq(fst__safetensors_read_as(file, &tensor, FST_F16, half, MANY),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst__safetensors_read_as(file, &tensor, FST_F32, narrow_back, MANY - 1),
                     FST_ERR_INVALID_ARGUMENT);
    ok(fst__safetensors_find(file, "int", &tensor));
    ck_assert_int_eq(fst__safetensors_read_as(file, &tensor, FST_F32, narrow_back, MANY),
                     FST_ERR_MISMATCH);
    fst__safetensors_close(file);
    free(wide);
    free(wide_back);
    free(narrow);
    free(narrow_back);
    free(brain);
    free(brain_back);
    free(half);
}
END_TEST

START_TEST(writer_refuses)
{
    fst__safetensors_writer *writer;
    const char *path = scratch_path(&place, "m.safetensors");
    const int64_t two[] = {2, 2}, negative[] = {-1}, huge[] = {INT64_MAX, INT64_MAX};
    ok(fst__safetensors_writer_create(&allocator, &writer));
    const fst_status invalid = FST_ERR_INVALID_ARGUMENT;
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "__metadata__", FST_U8, 0, NULL, "x"), invalid);
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "\xff", FST_U8, 0, NULL, "x"), invalid);
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "\xed\xa0\x80", FST_U8, 0, NULL, "x"), invalid);
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "a", 99, 0, NULL, "x"), invalid);
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "a", -1, 0, NULL, "x"), invalid);
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "a", FST_U8, 9, two, "x"), invalid);
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "a", FST_U8, -1, two, "x"), invalid);
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "a", FST_U8, 1, negative, "x"), invalid);
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "a", FST_U8, 2, huge, "x"), invalid);
    ck_assert_int_eq(fst__safetensors_writer_add(writer, "a", FST_U8, 2, two, NULL), invalid);
    ck_assert_int_eq(fst__safetensors_writer_metadata(writer, "a", "\xc3"), invalid);
    ok(fst__safetensors_writer_add(writer, "a", FST_U8, 2, two, "abcd"));
    ok(fst__safetensors_writer_add(writer, "a", FST_I8, 2, two, "abcd"));
    ck_assert_int_eq(fst__safetensors_writer_write(writer, path), invalid);
    expect_text("\"a\"");
    expect_text(path);
    fst__safetensors_writer_destroy(writer);
    ok(fst__safetensors_writer_create(&allocator, &writer));
    ok(fst__safetensors_writer_metadata(writer, "k", "1"));
    ok(fst__safetensors_writer_metadata(writer, "k", "1"));
    ck_assert_int_eq(fst__safetensors_writer_write(writer, path), invalid);
    fst__safetensors_writer_destroy(writer);
    fst__safetensors_writer_destroy(NULL);
    ck_assert(!fst__file_exists(path));
}
END_TEST

START_TEST(saving_over_the_open_file)
{
    const char *path = scratch_path(&place, "m.safetensors");
    float values[] = {1, 2, 3}, back[3];
    for (int round = 0; round < 3; ++round) {
        fst__safetensors *file = NULL;
        if (round > 0)
            ok(fst__safetensors_open(&allocator, path, &file));
        fst__safetensors_writer *writer;
        float next[] = {values[0] + (float)round, 5, 6};
        ok(fst__safetensors_writer_create(&allocator, &writer));
        ok(fst__safetensors_writer_add(writer, "v", FST_F32, 1, (int64_t[]){3}, next));
        ok(fst__safetensors_writer_write(writer, path));
        fst__safetensors_writer_destroy(writer);
        if (file) {
            fst__safetensors_tensor tensor = fst__safetensors_at(file, 0);
            ok(fst__safetensors_read(file, &tensor, back, sizeof back));
            ck_assert(memcmp(back, values, sizeof back) == 0);
            fst__safetensors_close(file);
        }
        memcpy(values, next, sizeof values);
    }
}
END_TEST

START_TEST(a_file_that_shrinks_while_open)
{
    const char *path =
        make("m.safetensors", "{\"s\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}", 16);
    fst__safetensors *file;
    double values[2];
    ok(fst__safetensors_open(&allocator, path, &file));
    ck_assert_int_eq(truncate(path, 70), 0);
    fst__safetensors_tensor tensor = fst__safetensors_at(file, 0);
    ck_assert_int_eq(fst__safetensors_read(file, &tensor, values, 16), FST_ERR_IO);
    expect_text("\"s\"");
    expect_text(path);
    fst__safetensors_close(file);
}
END_TEST

static const char one[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                          "\"extra\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}";
static const char two[] = "{\"__metadata__\":{\"k\":\"v\"},"
                          "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}";

static const char *make_index(const char *text)
{
    const char *path = scratch_path(&place, "model.safetensors.index.json");
    scratch_write(path, text, strlen(text));
    return path;
}

START_TEST(shards)
{
    make("one.safetensors", one, 2);
    make("two.safetensors", two, 2);
    const char *path = make_index(
        "{\"metadata\":{\"total_size\":3,\"n\":[1.5e-3,{\"x\":null}]},\n\"weight_map\":{"
        "\"b\":\"two.safetensors\",\n\"a\":\"one.safetensors\"}}\n");
    const char *const ways[] = {path, place.folder};
    for (int way = 0; way < 2; ++way) {
        fst__safetensors *file;
        fst__safetensors_tensor tensor;
        char bytes[2] = {1, 1};
        ok(fst__safetensors_open(&allocator, ways[way], &file));
        ck_assert_uint_eq(fst__safetensors_count(file), 3);
        ok(fst__safetensors_find(file, "b", &tensor));
        ck_assert_int_eq(tensor.shard, 1);
        ok(fst__safetensors_read(file, &tensor, bytes, 2));
        ck_assert(bytes[0] == 0 && bytes[1] == 0);
        ck_assert(fst__safetensors_has(file, "extra"));
        ck_assert_str_eq(fst__safetensors_at(file, 2).name, "b");
        ck_assert_str_eq(fst__safetensors_metadata(file, "k"), "v");
        ck_assert_str_eq(fst__safetensors_path(file), path);
        fst__safetensors_close(file);
    }
    /* A single file goes before an index, as with transformers. */
    make("model.safetensors", two, 2);
    fst__safetensors *file;
    ok(fst__safetensors_open(&allocator, place.folder, &file));
    ck_assert_uint_eq(fst__safetensors_count(file), 1);
    fst__safetensors_close(file);
}
END_TEST

static const struct {
    const char *text, *where;
    fst_status status;
} bad_indexes[] = {
    {"", "byte 0", FST_ERR_FORMAT},
    {"[]", "byte 0", FST_ERR_FORMAT},
    {"{}", "byte 2", FST_ERR_FORMAT},
    {"{\"weight_map\":{}}", "byte", FST_ERR_FORMAT},
    {"{\"weight_map\":[]}", "byte 14", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":1}}", "byte 19", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"one.safetensors\"}} x", "byte", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"one.safetensors\"}", "byte", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"one.safetensors\"},}", "byte", FST_ERR_FORMAT},
    {"{\"metadata\":{\"x\":01},\"weight_map\":{\"a\":\"one.safetensors\"}}", "byte", FST_ERR_FORMAT},
    {"{\"metadata\":tru,\"weight_map\":{\"a\":\"one.safetensors\"}}", "byte", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"one.safetensors\"},\"weight_map\":{\"a\":\"one.safetensors\"}}",
     "byte", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", "byte 19", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"..\"}}", "byte 19", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"\"}}", "byte 19", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "byte 19", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"none.safetensors\"}}", "none.safetensors", FST_ERR_NOT_FOUND},
    {"{\"weight_map\":{\"z\":\"one.safetensors\"}}", "byte 15", FST_ERR_FORMAT},
    {"{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}}", "byte",
     FST_ERR_FORMAT},
    /* the same tensor in two files */
    {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"copy.safetensors\"}}", "byte",
     FST_ERR_FORMAT},
};

START_TEST(refuses_indexes)
{
    make("one.safetensors", one, 2);
    make("copy.safetensors", one, 2);
    make("two.safetensors", two, 2);
    fst__safetensors *file;
    const char *path = make_index(bad_indexes[_i].text);
    ck_assert_msg(fst__safetensors_open(&allocator, path, &file) == bad_indexes[_i].status, "%s: %s",
                  bad_indexes[_i].text, fst__error_text());
    expect_text(place.folder);
    expect_text(bad_indexes[_i].where);
}
END_TEST

START_TEST(deep_index)
{
    char text[400] = "{\"metadata\":";
    fst__safetensors *file;
    memset(text + strlen(text), '[', 100);
    ck_assert_int_eq(fst__safetensors_open(&allocator, make_index(text), &file), FST_ERR_FORMAT);
    expect_text("deeper");
}
END_TEST

START_TEST(missing)
{
    fst__safetensors *file;
    const char *path = scratch_path(&place, "none.safetensors");
    ck_assert_int_eq(fst__safetensors_open(&allocator, path, &file), FST_ERR_NOT_FOUND);
    expect_text(path);
    ck_assert_int_eq(fst__safetensors_open(&allocator, place.folder, &file), FST_ERR_NOT_FOUND);
    expect_text("model.safetensors");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *cases = tcase_create("safetensors");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, writes_the_packages_bytes);
    tcase_add_loop_test(cases, accepts, 0, (int)(sizeof accepted / sizeof accepted[0]));
    tcase_add_test(cases, unsupported);
    tcase_add_test(cases, converts);
    tcase_add_test(cases, writer_refuses);
    tcase_add_test(cases, saving_over_the_open_file);
    tcase_add_test(cases, a_file_that_shrinks_while_open);
    tcase_add_test(cases, shards);
    tcase_add_loop_test(cases, refuses_indexes, 0, (int)(sizeof bad_indexes / sizeof bad_indexes[0]));
    tcase_add_test(cases, deep_index);
    tcase_add_test(cases, missing);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
