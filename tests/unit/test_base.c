/* The ground room: memory, options, random numbers, arena, text, errors, log. */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "base/random.h"
#include "base/text.h"
#include "fourstage/context.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A host's allocator: blocks aligned to 16 bytes and to no more, and a budget of calls. */
typedef struct host {
    int64_t calls_left; /* negative: no limit */
    int64_t live;
} host;

static void *host_allocate(size_t size, void *user)
{
    host *self = user;
    if (self->calls_left == 0)
        return NULL;
    if (self->calls_left > 0)
        --self->calls_left;
    char *block = aligned_alloc(64, (size + 16 + 63) / 64 * 64 + 64);
    if (!block)
        return NULL;
    ++self->live;
    return block + 16;
}

static void host_release(void *block, void *user)
{
    host *self = user;
    --self->live;
    free((char *)block - 16);
}

static fst__allocator host_allocator(host *self)
{
    return (fst__allocator){.allocate = host_allocate, .release = host_release, .user = self};
}

/* alloc */

START_TEST(blocks_are_aligned_and_counted)
{
    host self = {.calls_left = -1};
    fst__allocator allocators[] = {{0}, host_allocator(&self)};
    for (int kind = 0; kind < 2; ++kind) {
        fst__allocator *allocator = &allocators[kind];
        enum { COUNT = 40 };
        void *blocks[COUNT];
        int64_t bytes = 0;
        for (size_t i = 0; i < COUNT; ++i) {
            size_t size = i * i * 7;
            blocks[i] = fst__alloc(allocator, size);
            ck_assert_ptr_nonnull(blocks[i]);
            ck_assert_uint_eq((uintptr_t)blocks[i] % FST__ALIGNMENT, 0);
            memset(blocks[i], (int)i, size);
            bytes += (int64_t)size;
        }
        ck_assert_int_eq(allocator->live_bytes, bytes);
        ck_assert_int_eq(allocator->allocations, COUNT);
        for (size_t i = 0; i < COUNT; ++i) {
            for (size_t j = 0; j < i * i * 7; ++j)
                ck_assert_uint_eq(((unsigned char *)blocks[i])[j], i);
            fst__free(allocator, blocks[i]);
        }
        fst__free(allocator, NULL);
        ck_assert_int_eq(allocator->live_bytes, 0);
        ck_assert_int_eq(allocator->peak_bytes, bytes);
    }
    ck_assert_int_eq(self.live, 0);
}
END_TEST

START_TEST(impossible_sizes_are_refused)
{
    fst__allocator allocator = {0};
    ck_assert_ptr_null(fst__alloc(&allocator, SIZE_MAX));
    ck_assert_ptr_null(fst__alloc(&allocator, SIZE_MAX - 100));
    ck_assert_ptr_null(fst__alloc_array(&allocator, SIZE_MAX / 2, 3));
    ck_assert_ptr_nonnull(strstr(fst__error_text(), "overflow"));
    ck_assert_ptr_null(fst__realloc_array(&allocator, NULL, SIZE_MAX, SIZE_MAX));
    ck_assert_int_eq(allocator.live_bytes, 0);
    void *nothing = fst__alloc(&allocator, 0), *other = fst__alloc(&allocator, 0);
    ck_assert_ptr_nonnull(nothing);
    ck_assert_ptr_ne(nothing, other);
    fst__free(&allocator, nothing);
    fst__free(&allocator, other);
}
END_TEST

START_TEST(realloc_keeps_contents_and_survives_refusal)
{
    host self = {.calls_left = 3};
    fst__allocator allocator = host_allocator(&self);
    char *block = fst__realloc(&allocator, NULL, 5);
    memcpy(block, "12345", 5);
    block = fst__realloc(&allocator, block, 5000);
    ck_assert_mem_eq(block, "12345", 5);
    block = fst__realloc(&allocator, block, 3);
    ck_assert_mem_eq(block, "123", 3);
    ck_assert_ptr_null(fst__realloc(&allocator, block, 100));
    ck_assert_mem_eq(block, "123", 3);
    ck_assert_int_eq(allocator.live_bytes, 3);
    fst__free(&allocator, block);
    ck_assert_int_eq(self.live, 0);
    ck_assert_ptr_null(fst__strdup(&allocator, "x"));
    self.calls_left = -1;
    char *copy = fst__strndup(&allocator, "abcdef", 3);
    ck_assert_str_eq(copy, "abc");
    fst__free(&allocator, copy);
    char *zeros = fst__alloc_zero(&allocator, 100);
    for (int i = 0; i < 100; ++i)
        ck_assert_int_eq(zeros[i], 0);
    fst__free(&allocator, zeros);
}
END_TEST

/* options */

typedef struct old_options {
    size_t struct_size;
    int32_t a, b;
} old_options;

typedef struct new_options {
    size_t struct_size;
    int32_t a, b;
    int64_t c;
} new_options;

START_TEST(options_of_every_age_are_read)
{
    new_options ours = {.a = 1, .b = 2, .c = 3};
    ck_assert_int_eq(fst__options_overlay(&ours, sizeof ours, NULL, "x"), FST_OK);
    ck_assert_int_eq(ours.c, 3);
    ck_assert_uint_eq(ours.struct_size, sizeof ours);

    old_options older = {.struct_size = sizeof older, .a = 10, .b = 20};
    ck_assert_int_eq(fst__options_overlay(&ours, sizeof ours, &older, "x"), FST_OK);
    ck_assert_int_eq(ours.a, 10);
    ck_assert_int_eq(ours.b, 20);
    ck_assert_int_eq(ours.c, 3);
    ck_assert_uint_eq(ours.struct_size, sizeof ours);

    struct {
        new_options known;
        int64_t unknown[4];
    } newer = {.known = {.struct_size = sizeof newer, .a = 7, .b = 0, .c = -1}};
    ck_assert_int_eq(fst__options_overlay(&ours, sizeof ours, &newer, "x"), FST_OK);
    ck_assert_int_eq(ours.a, 7);
    ck_assert_int_eq(ours.b, 0);
    ck_assert_int_eq(ours.c, -1);
    /* Every byte of the unknown tail counts. */
    for (size_t i = 0; i < sizeof newer.unknown; ++i) {
        memset(newer.unknown, 0, sizeof newer.unknown);
        ((unsigned char *)newer.unknown)[i] = 0x80;
        new_options before = ours;
        ck_assert_int_eq(fst__options_overlay(&ours, sizeof ours, &newer, "fst_x_options"),
                         FST_ERR_INVALID_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(fst__error_text(), "fst_x_options"));
        ck_assert_mem_eq(&before, &ours, sizeof ours);
    }
}
END_TEST

START_TEST(absurd_struct_sizes_are_refused)
{
    static const size_t sizes[] = {0, 1, sizeof(size_t) - 1, 1 << 17, SIZE_MAX};
    new_options ours = {0}, theirs = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        theirs.struct_size = sizes[i];
        ck_assert_int_eq(fst__options_overlay(&ours, sizeof ours, &theirs, "x"),
                         FST_ERR_INVALID_ARGUMENT);
        ck_assert_int_eq(fst__options_init(&theirs, sizes[i], &ours, sizeof ours, "x"),
                         FST_ERR_INVALID_ARGUMENT);
    }
    ck_assert_int_eq(fst__options_init(NULL, sizeof ours, &ours, sizeof ours, "x"),
                     FST_ERR_INVALID_ARGUMENT);
}
END_TEST

START_TEST(init_fills_what_the_caller_has)
{
    new_options defaults = {.struct_size = 99, .a = 1, .b = 2, .c = 3};
    struct {
        old_options options;
        unsigned char behind[8];
    } older;
    memset(&older, 0x55, sizeof older);
    ck_assert_int_eq(fst__options_init(&older, sizeof older.options, &defaults, sizeof defaults, "x"),
                     FST_OK);
    ck_assert_uint_eq(older.options.struct_size, sizeof older.options);
    ck_assert_int_eq(older.options.b, 2);
    for (size_t i = 0; i < sizeof older.behind; ++i)
        ck_assert_uint_eq(older.behind[i], 0x55);
    struct {
        new_options options;
        int64_t unknown[2];
    } newer;
    memset(&newer, 0x55, sizeof newer);
    ck_assert_int_eq(fst__options_init(&newer, sizeof newer, &defaults, sizeof defaults, "x"), FST_OK);
    ck_assert_uint_eq(newer.options.struct_size, sizeof newer);
    ck_assert_int_eq(newer.options.c, 3);
    ck_assert_int_eq(newer.unknown[0], 0);
    ck_assert_int_eq(newer.unknown[1], 0);
}
END_TEST

/* random */

START_TEST(philox_gives_the_known_answers)
{
    /* Random123 1.14, tests/kat_vectors, philox4x32 10 rounds: counter, key, answer. */
    static const uint32_t vectors[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; ++i) {
        const uint32_t *v = vectors[i];
        uint64_t index = (uint64_t)v[1] << 32 | v[0], step = (uint64_t)v[3] << 32 | v[2];
        uint64_t seed = (uint64_t)v[5] << 32 | v[4];
        fst__philox_block block = fst__philox(seed, 0, step, index);
        for (int word = 0; word < 4; ++word)
            ck_assert_uint_eq(block.word[word], v[6 + word]);
        /* The stream is the counter's top byte. */
        uint32_t stream = v[3] >> 24;
        block = fst__philox(seed, stream, step & 0xffffffffffffffu, index);
        for (int word = 0; word < 4; ++word)
            ck_assert_uint_eq(block.word[word], v[6 + word]);
    }
}
END_TEST

START_TEST(uniforms_stay_below_one)
{
    ck_assert(fst__uniform_float(0) == 0);
    ck_assert(fst__uniform_float(UINT32_MAX) < 1);
    ck_assert(fst__uniform_float(UINT32_MAX) > 0.9999999f);
    ck_assert(fst__uniform_double(0, 0) == 0);
    ck_assert(fst__uniform_double(UINT32_MAX, UINT32_MAX) < 1);
}
END_TEST

START_TEST(normals_have_the_moments_of_a_normal)
{
    enum { COUNT = 1 << 17 };
    double sum = 0, square = 0, cube = 0, fourth = 0;
    for (uint64_t i = 0; i < COUNT; ++i) {
        double x = fst__normal(fst__philox(11, FST__STREAM_INIT, 3, i / 2), (int)(i % 2));
        sum += x;
        square += x * x;
        cube += x * x * x;
        fourth += x * x * x * x;
    }
    /* Five standard errors of each moment: √(var / COUNT), var 1, 2, 15, 96. */
    ck_assert_double_lt(fabs(sum / COUNT), 5 * sqrt(1.0 / COUNT));
    ck_assert_double_lt(fabs(square / COUNT - 1), 5 * sqrt(2.0 / COUNT));
    ck_assert_double_lt(fabs(cube / COUNT), 5 * sqrt(15.0 / COUNT));
    ck_assert_double_lt(fabs(fourth / COUNT - 3), 5 * sqrt(96.0 / COUNT));
    for (int pair = 0; pair < 2; ++pair) {
        ck_assert(isfinite(fst__normal((fst__philox_block){{0, 0, 0, 0}}, pair)));
        ck_assert(isfinite(fst__normal(
            (fst__philox_block){{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}}, pair)));
    }
}
END_TEST

START_TEST(all_of_a_permutation_is_each_of_it)
{
    static const int64_t counts[] = {1, 2, 3, 64, 100, 512, 1025};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; ++i) {
        int64_t count = counts[i];
        uint32_t *table = malloc((size_t)fst__permute_table(count) * sizeof *table);
        int64_t *order = malloc((size_t)count * sizeof *order);
        fst__permute_all(7, FST__STREAM_MINIBATCH, 3, count, table, order);
        for (int64_t j = 0; j < count; ++j)
            ck_assert_int_eq(order[j], (int64_t)fst__permute(7, FST__STREAM_MINIBATCH, 3, (uint64_t)j,
                                                             (uint64_t)count));
        free(order);
        free(table);
    }
}
END_TEST

START_TEST(a_permutation_hits_everything_once)
{
    static const uint64_t counts[] = {1,  2,  3,   4,   5,    7,    8,    9,    15,   16,    17,
                                      31, 63, 64,  65,  255,  256,  257,  1000, 4095, 4096,  4097};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        uint64_t count = counts[i], moved = 0, differing = 0;
        for (uint64_t step = 0; step < 3; ++step) {
            unsigned char *seen = calloc(count, 1);
            for (uint64_t index = 0; index < count; ++index) {
                uint64_t image = fst__permute(5, FST__STREAM_SHUFFLE, step, index, count);
                ck_assert_uint_lt(image, count);
                ck_assert_uint_eq(seen[image], 0);
                seen[image] = 1;
                moved += image != index;
                differing += image != fst__permute(5, FST__STREAM_SHUFFLE, step + 1, index, count);
            }
            free(seen);
        }
        if (count >= 255) { /* a random permutation fixes one point on average */
            ck_assert_uint_gt(moved, 3 * count - 60);
            ck_assert_uint_gt(differing, 3 * count - 60);
        }
    }
    uint64_t huge = (uint64_t)1 << 40;
    ck_assert_uint_lt(fst__permute(1, FST__STREAM_SHUFFLE, 0, huge - 1, huge), huge);
}
END_TEST

/* arena */

START_TEST(counting_and_taking_agree)
{
    fst__arena counting = fst__arena_counting();
    for (size_t i = 0; i < 20; ++i)
        ck_assert_ptr_null(fst__arena_take(&counting, i, 3));
    ck_assert(!counting.overflow);
    fst__allocator allocator = {0};
    char *memory = fst__alloc(&allocator, counting.peak);
    fst__arena arena = fst__arena_over(memory, counting.peak);
    char *last_end = memory;
    for (size_t i = 0; i < 20; ++i) {
        char *block = fst__arena_take(&arena, i, 3);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % FST__ALIGNMENT, 0);
        ck_assert(block >= last_end);
        memset(block, 1, i * 3);
        last_end = block + i * 3;
    }
    ck_assert_uint_eq(arena.used, counting.used);
    size_t mark = fst__arena_mark(&arena);
    ck_assert_ptr_null(fst__arena_take(&arena, 1, 1));
    ck_assert(arena.overflow);
    fst__arena_rewind(&arena, mark);
    ck_assert_uint_eq(arena.used, mark);
    fst__free(&allocator, memory);
}
END_TEST

START_TEST(an_arena_reports_overflow)
{
    fst__arena arena = fst__arena_counting();
    ck_assert_ptr_null(fst__arena_take(&arena, SIZE_MAX / 2, 3));
    ck_assert(arena.overflow);
    arena = fst__arena_counting();
    fst__arena_take(&arena, SIZE_MAX - 10, 1);
    ck_assert(arena.overflow);
    arena = fst__arena_counting();
    fst__arena_take(&arena, SIZE_MAX / 2, 1);
    fst__arena_take(&arena, SIZE_MAX / 2, 1);
    fst__arena_take(&arena, 1000, 1);
    ck_assert(arena.overflow);
    size_t product;
    ck_assert(!fst__mul_size(SIZE_MAX, 2, &product));
    ck_assert(!fst__add_size(SIZE_MAX, 1, &product));
    int64_t number;
    ck_assert(!fst__mul_i64(INT64_MAX, 2, &number));
    ck_assert(!fst__add_i64(INT64_MIN, -1, &number));
    ck_assert(fst__mul_i64(-3, 5, &number) && number == -15);
}
END_TEST

/* text */

START_TEST(text_grows_and_stays_terminated)
{
    fst__allocator allocator = {0};
    fst__text text = fst__text_create(&allocator);
    for (int i = 0; i < 2000; ++i)
        fst__text_printf(&text, "%d,", i % 10);
    fst__text_append(&text, "a\0b", 3);
    fst__text_append(&text, NULL, 0);
    fst__text_append_string(&text, "");
    ck_assert(!text.failed);
    ck_assert_uint_eq(text.length, 4003);
    ck_assert_int_eq(text.data[text.length], 0);
    ck_assert_mem_eq(text.data, "0,1,2,", 6);
    ck_assert_mem_eq(text.data + 4000, "a\0b", 3);
    fst__text_destroy(&text);
    ck_assert_int_eq(allocator.live_bytes, 0);
}
END_TEST

START_TEST(a_failed_text_stays_failed)
{
    host self = {.calls_left = 1};
    fst__allocator allocator = host_allocator(&self);
    fst__text text = fst__text_create(&allocator);
    fst__text_append_string(&text, "x");
    char long_text[600];
    memset(long_text, 'y', sizeof long_text);
    fst__text_append(&text, long_text, sizeof long_text);
    ck_assert(text.failed);
    self.calls_left = -1;
    fst__text_append_string(&text, "z");
    ck_assert(text.failed);
    ck_assert_str_eq(text.data, "x");
    fst__text_destroy(&text);
    ck_assert_int_eq(self.live, 0);
}
END_TEST

/* errors and log */

static void *other_thread(void *unused)
{
    ck_assert_str_eq(fst__error_text(), "");
    fst__fail(FST_ERR_IO, "mine");
    return unused;
}

START_TEST(each_thread_has_its_own_error)
{
    ck_assert_int_eq(fst__fail(FST_ERR_FORMAT, "line %d", 7), FST_ERR_FORMAT);
    pthread_t thread;
    pthread_create(&thread, NULL, other_thread, NULL);
    pthread_join(thread, NULL);
    ck_assert_str_eq(fst__error_text(), "line 7");
    ck_assert_str_eq(fst_last_error(), "line 7");
    ck_assert_int_eq(fst__fail_in(FST_ERR_FORMAT, "file %s", "a.txt"), FST_ERR_FORMAT);
    ck_assert_str_eq(fst__error_text(), "file a.txt: line 7");
}
END_TEST

START_TEST(errors_carry_the_systems_reason)
{
    ck_assert_int_eq(fst__fail_errno(ENOENT, "cannot open '%s'", "/nowhere"), FST_ERR_IO);
    ck_assert_str_eq(fst__error_text(), "cannot open '/nowhere': No such file or directory");
    fst__fail_errno(99999, "odd");
    ck_assert_ptr_nonnull(strstr(fst__error_text(), "99999"));
}
END_TEST

START_TEST(long_errors_are_cut_not_overrun)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    fst__fail(FST_ERR_IO, "%s", text);
    ck_assert_uint_lt(strlen(fst__error_text()), 2000);
    fst__fail_in(FST_ERR_IO, "%s", text);
    fst__fail_errno(ENOENT, "%s", text);
    ck_assert_uint_lt(strlen(fst__error_text()), 2000);
}
END_TEST

START_TEST(every_status_has_its_name)
{
    ck_assert_str_eq(fst_status_name(FST_OK), "FST_OK");
    ck_assert_str_eq(fst_status_name(FST_STOPPED), "FST_STOPPED");
    for (fst_status status = FST_ERR_INTERNAL; status < 0; ++status)
        ck_assert_mem_eq(fst_status_name(status), "FST_ERR_", 8);
    ck_assert_str_eq(fst_status_name(FST_ERR_INTERNAL - 1), "unknown status");
    ck_assert_str_eq(fst_status_name(INT32_MAX), "unknown status");
}
END_TEST

static int32_t count_line(int32_t level, const char *text, void *user)
{
    ck_assert_str_eq(text, "5 lines");
    *(int *)user += level + 1;
    return 0;
}

START_TEST(the_log_respects_its_level)
{
    int heard = 0;
    fst__log log = {.write = count_line, .user = &heard, .least = FST_LOG_INFO};
    fst__log_write(&log, FST_LOG_DEBUG, "%d lines", 5);
    ck_assert_int_eq(heard, 0);
    fst__log_write(&log, FST_LOG_INFO, "%d lines", 5);
    fst__log_write(&log, FST_LOG_WARNING, "%d lines", 5);
    ck_assert_int_eq(heard, 5);
    log.write = NULL;
    fst__log_write(&log, FST_LOG_WARNING, "%d lines", 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tcase = tcase_create("base");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, blocks_are_aligned_and_counted);
    tcase_add_test(tcase, impossible_sizes_are_refused);
    tcase_add_test(tcase, realloc_keeps_contents_and_survives_refusal);
    tcase_add_test(tcase, options_of_every_age_are_read);
    tcase_add_test(tcase, absurd_struct_sizes_are_refused);
    tcase_add_test(tcase, init_fills_what_the_caller_has);
    tcase_add_test(tcase, philox_gives_the_known_answers);
    tcase_add_test(tcase, uniforms_stay_below_one);
    tcase_add_test(tcase, normals_have_the_moments_of_a_normal);
    tcase_add_test(tcase, a_permutation_hits_everything_once);
    tcase_add_test(tcase, all_of_a_permutation_is_each_of_it);
    tcase_add_test(tcase, counting_and_taking_agree);
    tcase_add_test(tcase, an_arena_reports_overflow);
    tcase_add_test(tcase, text_grows_and_stays_terminated);
    tcase_add_test(tcase, a_failed_text_stays_failed);
    tcase_add_test(tcase, each_thread_has_its_own_error);
    tcase_add_test(tcase, errors_carry_the_systems_reason);
    tcase_add_test(tcase, long_errors_are_cut_not_overrun);
    tcase_add_test(tcase, every_status_has_its_name);
    tcase_add_test(tcase, the_log_respects_its_level);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
