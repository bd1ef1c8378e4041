/*
 * Malformed IDX and PNG files: each is refused with the file's name and a byte. Every truncation of a
 * good one, changed headers, flipped bits; in bounded memory.
 */
#include "../support/scratch.h"
#include "base/error.h"
#include "formats/idx.h"
#include "formats/png.h"

#include <ctype.h>
#ifdef FST__HAVE_ZLIB
#include <zlib.h>
#endif

static scratch place;
static fst__allocator allocator;
static int refusals;
static const char *path; /* of the file read last */

static void set_up(void)
{
    place = scratch_create();
}

static void tear_down(void)
{
    ck_assert_int_eq(allocator.live_bytes, 0);
    scratch_destroy(&place);
}

static bool names_a_byte(const char *text)
{
    const char *at = strstr(text, "byte ");
    return at && isdigit((unsigned char)at[5]);
}

static void expect(fst_status status, const char *what, int64_t detail)
{
    ck_assert_msg(status == FST_ERR_FORMAT || status == FST_ERR_UNSUPPORTED, "%s %lld: %s: %s", what,
                  (long long)detail, fst_status_name(status), fst__error_text());
    ck_assert_msg(strstr(fst__error_text(), path) && names_a_byte(fst__error_text()), "%s %lld: %s",
                  what, (long long)detail, fst__error_text());
    ++refusals;
}

/* ---- IDX ---- */

enum { IDX_HEADER = 16, IDX_SIZE = IDX_HEADER + 3 * 4 * 5 };

static void good_idx(unsigned char *bytes)
{
    static const unsigned char header[IDX_HEADER] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5};
    memcpy(bytes, header, sizeof header);
    for (int i = 0; i < IDX_SIZE - IDX_HEADER; ++i)
        bytes[IDX_HEADER + i] = (unsigned char)(7 * i);
}

static fst_status read_idx(const void *bytes, size_t size, const char *name)
{
    fst__idx idx;
    path = scratch_path(&place, name);
    scratch_write(path, bytes, size);
    fst_status status = fst__idx_read(&allocator, path, &idx);
    if (status)
        ck_assert_ptr_null(idx.data);
    fst__idx_free(&allocator, &idx);
    return status;
}

START_TEST(test_idx_good)
{
    unsigned char bytes[IDX_SIZE];
    fst__idx idx;
    path = scratch_path(&place, "good.idx");
    good_idx(bytes);
    scratch_write(path, bytes, sizeof bytes);
    ck_assert_int_eq(fst__idx_read(&allocator, path, &idx), FST_OK);
    ck_assert(idx.type == FST__IDX_U8 && idx.rank == 3 && idx.count == 60);
    ck_assert(idx.shape[0] == 3 && idx.shape[1] == 4 && idx.shape[2] == 5);
    ck_assert_mem_eq(idx.data, bytes + IDX_HEADER, 60);
    fst__idx_free(&allocator, &idx);
    static const unsigned char floats[] = {0, 0, 13, 1, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0};
    scratch_write(path, floats, sizeof floats);
    ck_assert_int_eq(fst__idx_read(&allocator, path, &idx), FST_OK);
    ck_assert(idx.type == FST__IDX_F32 && ((float *)idx.data)[0] == 1 && ((float *)idx.data)[1] == -2.5f);
    fst__idx_free(&allocator, &idx);
    scratch_write(path, "\xEF\xBB\xBF\0\0\x08\x01\0\0\0\x01x", 12); /* no text: no byte order mark */
    ck_assert_int_eq(fst__idx_read(&allocator, path, &idx), FST_ERR_FORMAT);
}
END_TEST

START_TEST(test_idx_truncations)
{
    unsigned char bytes[IDX_SIZE + 3];
    refusals = 0;
    good_idx(bytes);
    for (size_t size = 0; size < IDX_SIZE; ++size)
        expect(read_idx(bytes, size, "cut.idx"), "cut at", (int64_t)size);
    for (size_t more = 1; more <= 3; ++more)
        expect(read_idx(bytes, IDX_SIZE + more, "long.idx"), "longer by", (int64_t)more);
    ck_assert_int_ge(refusals, IDX_SIZE + 3);
}
END_TEST

/* Any bit of the header says that there is something else behind it. */
START_TEST(test_idx_header)
{
    unsigned char bytes[IDX_SIZE];
    refusals = 0;
    for (int bit = 0; bit < 8 * IDX_HEADER; ++bit) {
        good_idx(bytes);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        expect(read_idx(bytes, sizeof bytes, "bit.idx"), "bit", bit);
    }
    for (int i = 0; i < 12; i += 4) { /* a dimension that is 0, and the largest */
        good_idx(bytes);
        bytes[7 + i] = 0;
        expect(read_idx(bytes, sizeof bytes, "zero.idx"), "no dimension", i);
        memset(bytes + 4 + i, 0xFF, 4);
        expect(read_idx(bytes, sizeof bytes, "huge.idx"), "huge dimension", i);
    }
    good_idx(bytes);
    memset(bytes + 4, 0xFF, 12);
    expect(read_idx(bytes, sizeof bytes, "overflow.idx"), "overflow", 0);
    ck_assert_int_ge(refusals, 135);
}
END_TEST

/* What a header promises is not held before it is there. */
START_TEST(test_idx_memory)
{
    static const unsigned char promise[] = {0, 0, 8, 3, 0x7F, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0};
    allocator.peak_bytes = 0;
    expect(read_idx(promise, sizeof promise, "promise.idx"), "promise", 0);
    ck_assert_int_le(allocator.peak_bytes, 4 << 20);
}
END_TEST

#ifdef FST__HAVE_ZLIB
static size_t pack(const void *bytes, size_t size, unsigned char *packed, size_t room)
{
    z_stream stream = {0};
    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (Bytef *)bytes;
    stream.avail_in = (uInt)size;
    stream.next_out = packed;
    stream.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

START_TEST(test_idx_packed)
{
    unsigned char bytes[IDX_SIZE + 1], packed[512];
    good_idx(bytes);
    size_t size = pack(bytes, IDX_SIZE, packed, sizeof packed);
    ck_assert_int_eq(read_idx(packed, size, "good.idx.gz"), FST_OK);
    for (size_t cut = 0; cut < size; ++cut)
        expect(read_idx(packed, cut, "cut.idx.gz"), "packed, cut at", (int64_t)cut);
    for (size_t at = 10; at < size; ++at) { /* behind gzip's own header */
        packed[at] ^= 1;
        expect(read_idx(packed, size, "bit.idx.gz"), "packed, byte", (int64_t)at);
        packed[at] ^= 1;
    }
    size = pack(bytes, IDX_SIZE - 1, packed, sizeof packed);
    expect(read_idx(packed, size, "short.idx.gz"), "packed, short", 0);
    size = pack(bytes, IDX_SIZE + 1, packed, sizeof packed);
    expect(read_idx(packed, size, "long.idx.gz"), "packed, long", 0);
}
END_TEST
#endif

/* ---- PNG ---- */

#if defined(FST__HAVE_SPNG) && defined(FST__HAVE_ZLIB)

enum { PNG_ROOM = 4096, SIDE_X = 6, SIDE_Y = 5 };

typedef struct file {
    unsigned char bytes[PNG_ROOM];
    size_t size;
} file;

static void big_endian(unsigned char *bytes, uint32_t value)
{
    for (int i = 0; i < 4; ++i)
        bytes[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void add_chunk(file *f, const char *type, const void *data, size_t size)
{
    unsigned char *at = f->bytes + f->size;
    big_endian(at, (uint32_t)size);
    memcpy(at + 4, type, 4);
    if (size > 0)
        memcpy(at + 8, data, size);
    big_endian(at + 8 + size, (uint32_t)crc32(0, at + 4, (uInt)size + 4));
    f->size += 12 + size;
}

/* Pixels count up; rows are not filtered. */
static file make_png(int depth, int colour, uint32_t width, uint32_t height, bool transparent)
{
    static const int channels_of[] = {[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4};
    file f = {.bytes = "\x89PNG\r\n\x1a\n", .size = 8};
    unsigned char header[13] = {0}, rows[2048], packed[2048];
    big_endian(header, width);
    big_endian(header + 4, height);
    header[8] = (unsigned char)depth;
    header[9] = (unsigned char)colour;
    add_chunk(&f, "IHDR", header, sizeof header);
    if (colour == 3) {
        unsigned char palette[16 * 3];
        for (int i = 0; i < 48; ++i)
            palette[i] = (unsigned char)(5 * i);
        add_chunk(&f, "PLTE", palette, depth >= 4 ? 48 : (size_t)3 << depth);
    }
    if (transparent)
        add_chunk(&f, "tRNS", "\0\1", colour == 3 ? 1 : 2);
    size_t line = (size_t)(channels_of[colour] * depth * SIDE_X + 7) / 8, used = 0;
    for (int y = 0; y < SIDE_Y; ++y) {
        rows[used++] = 0;
        for (size_t i = 0; i < line; ++i, ++used)
            rows[used] = (unsigned char)(colour == 3 && depth == 8 ? used % 16 : 13 * used);
    }
    uLongf size = sizeof packed;
    ck_assert_int_eq(compress2(packed, &size, rows, used, 9), Z_OK);
    add_chunk(&f, "IDAT", packed, size);
    add_chunk(&f, "IEND", NULL, 0);
    return f;
}

static fst_status read_png(const file *f, size_t size)
{
    fst__png png;
    path = scratch_path(&place, "case.png");
    scratch_write(path, f->bytes, size);
    fst_status status = fst__png_read(&allocator, path, &png);
    if (status)
        ck_assert_ptr_null(png.pixels);
    fst__png_free(&allocator, &png);
    return status;
}

static const struct {
    int depth, colour;
} kinds[] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {8, 2},  {16, 2}, {1, 3},
             {2, 3}, {4, 3}, {8, 3}, {8, 4}, {16, 4}, {8, 6}, {16, 6}};

/* The value of a sample, as eight bits. */
static int sample_of(const file *f, int depth, int channels, int y, int x, int channel)
{
    (void)f;
    size_t line = (size_t)(channels * depth * SIDE_X + 7) / 8, row = (size_t)y * (line + 1) + 1;
    size_t bit = (size_t)((x * channels + channel) * depth);
    unsigned byte = (unsigned char)(13 * (row + bit / 8));
    if (depth >= 8)
        return (int)byte;
    unsigned value = byte >> (8 - depth - (int)(bit % 8)) & ((1u << depth) - 1);
    return (int)(value * 255 / ((1u << depth) - 1));
}

START_TEST(test_png_kinds)
{
    int depth = kinds[_i].depth, colour = kinds[_i].colour;
    for (int transparent = 0; transparent <= (colour == 0 || colour == 3); ++transparent) {
        file f = make_png(depth, colour, SIDE_X, SIDE_Y, transparent);
        path = scratch_path(&place, "kind.png");
        fst__png png;
        scratch_write(path, f.bytes, f.size);
        fst_status status = fst__png_read(&allocator, path, &png);
        ck_assert_msg(status == FST_OK, "%s", fst__error_text());
        bool grey = colour == 0 || colour == 4;
        ck_assert_int_eq(png.channels, grey ? 1 : 3);
        ck_assert(png.height == SIDE_Y && png.width == SIDE_X);
        int stored = colour == 0 ? 1 : colour == 4 ? 2 : colour == 2 ? 3 : 4;
        for (int i = 0; colour != 3 && i < SIDE_Y * SIDE_X * png.channels; ++i) {
            int pixel = i / png.channels;
            ck_assert_int_eq(png.pixels[i], sample_of(&f, depth, stored, pixel / SIDE_X, pixel % SIDE_X,
                                                      i % png.channels));
        }
        for (int i = 0; colour == 3 && i < SIDE_Y * SIDE_X; ++i) /* entry e is 15·e, 15·e + 5, 15·e + 10 */
            ck_assert(png.pixels[3 * i] % 15 == 0 && png.pixels[3 * i + 2] == png.pixels[3 * i] + 10);
        fst__png_free(&allocator, &png);
    }
}
END_TEST

START_TEST(test_png_truncations)
{
    file f = make_png(8, 2, SIDE_X, SIDE_Y, false);
    ck_assert_int_eq(read_png(&f, f.size), FST_OK);
    refusals = 0;
    for (size_t size = 0; size < f.size; ++size)
        expect(read_png(&f, size), "cut at", (int64_t)size);
    ck_assert_int_ge(refusals, 60);
}
END_TEST

START_TEST(test_png_bits)
{
    file f = make_png(4, 3, SIDE_X, SIDE_Y, true);
    ck_assert_int_eq(read_png(&f, f.size), FST_OK);
    refusals = 0;
    /* All bits of the signature and the header, one of each byte behind them. */
    for (size_t bit = 0; bit < 8 * f.size; bit += bit < 8 * 33 ? 1 : 9) {
        f.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        expect(read_png(&f, f.size), "bit", (int64_t)bit);
        f.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    ck_assert_int_ge(refusals, 60);
}
END_TEST

/* Headers with a check sum that is right. */
START_TEST(test_png_headers)
{
    static const struct {
        int depth, colour;
        uint32_t width, height;
    } bad[] = {{8, 0, 0, 5},           {8, 0, 5, 0},          {8, 0, 0x80000000u, 1}, {3, 0, 6, 5},
               {16, 3, 6, 5},          {8, 2, 32769, 1},      {8, 2, 1, 32769},       {8, 2, 32768, 32768},
               {8, 0, 0x7FFFFFFF, 0x7FFFFFFF}, {4, 2, 6, 5}, {1, 6, 6, 5},           {8, 2, 6, 6},
               {8, 2, 600, 500}};
    allocator.peak_bytes = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        file f = make_png(bad[i].depth, bad[i].colour, bad[i].width, bad[i].height, false);
        expect(read_png(&f, f.size), "header", (int64_t)i);
    }
    ck_assert_int_le(allocator.peak_bytes, 64 << 20);
}
END_TEST
#endif

int main(void)
{
    TCase *idx = tcase_create("IDX"), *png = tcase_create("PNG");
    tcase_add_checked_fixture(idx, set_up, tear_down);
    tcase_add_checked_fixture(png, set_up, tear_down);
    tcase_set_timeout(idx, 120);
    tcase_set_timeout(png, 120);
    tcase_add_test(idx, test_idx_good);
    tcase_add_test(idx, test_idx_truncations);
    tcase_add_test(idx, test_idx_header);
    tcase_add_test(idx, test_idx_memory);
#ifdef FST__HAVE_ZLIB
    tcase_add_test(idx, test_idx_packed);
#endif
#if defined(FST__HAVE_SPNG) && defined(FST__HAVE_ZLIB)
    tcase_add_loop_test(png, test_png_kinds, 0, (int)(sizeof kinds / sizeof *kinds));
    tcase_add_test(png, test_png_truncations);
    tcase_add_test(png, test_png_bits);
    tcase_add_test(png, test_png_headers);
#endif
    Suite *suite = suite_create("images");
    suite_add_tcase(suite, idx);
    suite_add_tcase(suite, png);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
