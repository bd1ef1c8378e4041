/*
 * A save and a load during which each call to the system fails in turn, is cut short, is
 * interrupted, or is the last thing that the process does; and during which each allocation fails.
 * Whatever happens, the earlier file or the new one can be loaded, whole.
 *
 * The calls are diverted by the linker (--wrap), so only this program's are.
 */
#include "../support/scratch.h"
#include "base/error.h"
#include "formats/file.h"
#include "formats/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum mode { PASS, FAIL, INTERRUPT, SHORTEN, KILL_BEFORE, KILL_AFTER };

static struct {
    enum mode mode;
    bool on;
    bool for_good; /* all calls from `at` on */
    int at;        /* the call to divert, from 0 */
    int seen;      /* calls so far */
    int error;
    char last[32]; /* the call that was diverted last */
    char trace[1024]; /* every call, with spaces between */
} plan;

static void start(enum mode mode, int at, int error, bool for_good)
{
    memset(&plan, 0, sizeof plan);
    plan.mode = mode;
    plan.at = at;
    plan.error = error;
    plan.for_good = for_good;
    plan.on = true;
}

/* Counts a call. True: the wrapper does what the mode says instead. */
static bool diverted(const char *name)
{
    if (!plan.on)
        return false;
    int number = plan.seen++;
    if (strlen(plan.trace) + strlen(name) + 2 < sizeof plan.trace)
        strcat(strcat(plan.trace, name), " ");
    if (number != plan.at && !(plan.for_good && number > plan.at))
        return false;
    snprintf(plan.last, sizeof plan.last, "%s", name);
    if (plan.mode == KILL_BEFORE)
        kill(getpid(), SIGKILL);
    errno = plan.mode == INTERRUPT ? EINTR : plan.error;
    return plan.mode == FAIL || plan.mode == INTERRUPT;
}

static bool is_last(void)
{
    return plan.on && plan.seen - 1 == plan.at;
}

/* After the real call: the process may end here. */
static void done(void)
{
    if (plan.mode == KILL_AFTER && is_last())
        kill(getpid(), SIGKILL);
}

static bool shortened(void)
{
    return plan.on && plan.mode == SHORTEN && plan.seen - 1 >= plan.at &&
           (plan.for_good || is_last());
}

#define DIVERT(name, type, parameters, arguments)                                                  \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        if (diverted(#name))                                                                       \
            return -1;                                                                             \
        type result = __real_##name arguments;                                                     \
        int error = errno;                                                                         \
        done();                                                                                    \
        errno = error;                                                                             \
        return result;                                                                             \
    }

DIVERT(fsync, int, (int descriptor), (descriptor))
DIVERT(rename, int, (const char *from, const char *to), (from, to))
DIVERT(unlink, int, (const char *path), (path))
DIVERT(flock, int, (int descriptor, int operation), (descriptor, operation))
DIVERT(fchmod, int, (int descriptor, mode_t mode), (descriptor, mode))
DIVERT(fstat, int, (int descriptor, struct stat *status), (descriptor, status))
DIVERT(fstat64, int, (int descriptor, struct stat *status), (descriptor, status))

#define DIVERT_OPEN(name)                                                                          \
    int __real_##name(const char *path, int flags, ...);                                           \
    int __wrap_##name(const char *path, int flags, ...);                                           \
    int __wrap_##name(const char *path, int flags, ...)                                            \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                             \
        va_end(arguments);                                                                         \
        if (diverted(#name))                                                                       \
            return -1;                                                                             \
        int result = __real_##name(path, flags, mode), error = errno;                              \
        done();                                                                                    \
        errno = error;                                                                             \
        return result;                                                                             \
    }

DIVERT_OPEN(open)
DIVERT_OPEN(open64)

/* As on Linux, the descriptor is gone whatever close says. */
int __real_close(int descriptor);
int __wrap_close(int descriptor);
int __wrap_close(int descriptor)
{
    bool fails = diverted("close");
    int error = errno, result = __real_close(descriptor);
    done();
    if (!fails)
        return result;
    errno = error;
    return -1;
}

ssize_t __real_write(int descriptor, const void *bytes, size_t size);
ssize_t __wrap_write(int descriptor, const void *bytes, size_t size);
ssize_t __wrap_write(int descriptor, const void *bytes, size_t size)
{
    if (diverted("write"))
        return -1;
    ssize_t result = __real_write(descriptor, bytes, shortened() ? (size + 2) / 3 : size);
    done();
    return result;
}

#define DIVERT_READ(name)                                                                          \
    ssize_t __real_##name(int descriptor, void *bytes, size_t size, off_t offset);                 \
    ssize_t __wrap_##name(int descriptor, void *bytes, size_t size, off_t offset);                 \
    ssize_t __wrap_##name(int descriptor, void *bytes, size_t size, off_t offset)                  \
    {                                                                                              \
        if (diverted(#name))                                                                       \
            return -1;                                                                             \
        return __real_##name(descriptor, bytes, shortened() ? (size + 2) / 3 : size, offset);      \
    }

DIVERT_READ(pread)
DIVERT_READ(pread64)

static scratch place;
static fst__allocator allocator;
static const char *path;

/* More than the writer's buffer, so that a save has several writes. */
enum { LARGE = 100000, SMALL = 3 };
static float values[LARGE];

static fst_status save(fst__allocator *memory, float value)
{
    fst__safetensors_writer *writer = NULL;
    for (int i = 0; i < LARGE; ++i)
        values[i] = value;
    fst_status status = fst__safetensors_writer_create(memory, &writer);
    if (status == FST_OK)
        status = fst__safetensors_writer_metadata(writer, "step", "1");
    if (status == FST_OK)
        status = fst__safetensors_writer_add(writer, "large", FST_F32, 1, (int64_t[]){LARGE}, values);
    if (status == FST_OK)
        status = fst__safetensors_writer_add(writer, "small", FST_F32, 1, (int64_t[]){SMALL}, values);
    if (status == FST_OK)
        status = fst__safetensors_writer_write(writer, path);
    fst__safetensors_writer_destroy(writer);
    return status;
}

/* The value that all of the file's elements have, in *value. */
static fst_status load(fst__allocator *memory, float *value)
{
    static float all[LARGE];
    static uint16_t half[LARGE];
    fst__safetensors *file = NULL;
    fst__safetensors_tensor large, small;
    float few[SMALL];
    fst_status status = fst__safetensors_open(memory, path, &file);
    if (status == FST_OK)
        status = fst__safetensors_find(file, "large", &large);
    if (status == FST_OK)
        status = fst__safetensors_find(file, "small", &small);
    if (status == FST_OK)
        status = fst__safetensors_read(file, &large, all, sizeof all);
    if (status == FST_OK)
        status = fst__safetensors_read_as(file, &large, FST_BF16, half, LARGE);
    if (status == FST_OK)
        status = fst__safetensors_read(file, &small, few, sizeof few);
    fst__safetensors_close(file);
    if (status == FST_OK) {
        *value = few[0];
        /* One assertion: Check notes each in a file, which would be most of this test's time. */
        int torn = 0;
        for (int i = 0; i < LARGE; ++i)
            torn += all[i] != few[0] || half[i] != half[0];
        ck_assert_msg(torn == 0, "%d values are not %g", torn, (double)few[0]);
    }
    return status;
}

static int descriptors(void)
{
    return scratch_entries("/proc/self/fd");
}

static void set_up(void)
{
    place = scratch_create();
    path = scratch_path(&place, "model.safetensors");
    ck_assert_int_eq(save(&allocator, 1), FST_OK);
}

static void tear_down(void)
{
    plan.on = false;
    ck_assert_int_eq(allocator.live_bytes, 0);
    scratch_destroy(&place);
}

static void expect_loads(float one, float other, const char *when)
{
    float value = 0;
    ck_assert_msg(load(&allocator, &value) == FST_OK, "%s: %s", when, fst__error_text());
    ck_assert_msg(value == one || value == other, "%s: loaded %g", when, (double)value);
}

static int calls_of_a_save(void)
{
    start(PASS, -1, 0, false);
    ck_assert_int_eq(save(&allocator, 1), FST_OK);
    plan.on = false;
    ck_assert_int_gt(plan.seen, 10);
    return plan.seen;
}

/* What makes a save last: the data synced before the rename, the folder after it. */
START_TEST(the_order_of_calls)
{
    calls_of_a_save();
    const char *at = plan.trace;
    static const char *const order[] = {"open", "flock ", "write ", "write ", "fsync ",
                                        "close ", "rename ", "open", "fsync ", "close "};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; ++i) {
        at = strstr(at, order[i]);
        ck_assert_msg(at != NULL, "call %zu, %s, is missing in: %s", i, order[i], plan.trace);
        at += strlen(order[i]);
    }
    ck_assert_str_eq(at, "");
}
END_TEST

static const int errors[] = {EIO, ENOSPC, EACCES, EMFILE};

START_TEST(each_call_of_a_save_fails)
{
    int error = errors[_i / 2], calls = calls_of_a_save(), failures = 0, before = descriptors();
    bool for_good = _i % 2;
    for (int at = 0; at < calls; ++at) {
        char when[128];
        start(FAIL, at, error, for_good);
        fst_status status = save(&allocator, 2);
        plan.on = false;
        snprintf(when, sizeof when, "call %d (%s) fails with %d", at, plan.last, error);
        ck_assert_msg(status == FST_OK || status == FST_ERR_IO, "%s: status %d", when, (int)status);
        if (status == FST_OK) {
            expect_loads(2, 2, when);
        } else {
            ++failures;
            ck_assert_msg(strstr(fst__error_text(), path) != NULL, "%s: %s", when,
                          fst__error_text());
            /* The new file may stand only if what failed is the folder's sync, or opening it. */
            expect_loads(1, at >= calls - 3 ? 2 : 1, when);
        }
        ck_assert_msg(descriptors() == before, "%s: descriptors leaked", when);
        ck_assert_int_eq(allocator.live_bytes, 0);
        ck_assert_int_eq(save(&allocator, 1), FST_OK);
        ck_assert_msg(scratch_entries(place.folder) == 1, "%s: a temporary file was left", when);
    }
    ck_assert_int_ge(failures, 7); /* create, two writes, fsync, close, rename, sync of the folder */
}
END_TEST

/* One interruption anywhere, and all reads and writes cut to a third. */
START_TEST(interrupted_and_short_calls)
{
    int calls = calls_of_a_save();
    float value;
    for (int at = 0; at < calls; ++at) {
        start(INTERRUPT, at, 0, false);
        fst_status status = save(&allocator, (float)at);
        plan.on = false;
        /* rename is never interrupted on Linux; if it says so, it failed. */
        if (strcmp(plan.last, "rename") == 0)
            continue;
        ck_assert_msg(status == FST_OK, "%s: %s", plan.last, fst__error_text());
        expect_loads((float)at, (float)at, plan.last);
    }
    start(PASS, -1, 0, false);
    ck_assert_int_eq(load(&allocator, &value), FST_OK);
    calls = plan.seen;
    for (int at = 0; at < calls; ++at) {
        start(INTERRUPT, at, 0, false);
        fst_status status = load(&allocator, &value);
        plan.on = false;
        ck_assert_msg(status == FST_OK || strncmp(plan.last, "fstat", 5) == 0, "%s: %s", plan.last,
                      fst__error_text());
    }
    start(SHORTEN, 0, 0, true);
    ck_assert_int_eq(save(&allocator, 77), FST_OK);
    ck_assert_int_eq(load(&allocator, &value), FST_OK);
    plan.on = false;
    ck_assert(value == 77);
}
END_TEST

START_TEST(each_call_of_a_load_fails)
{
    int before = descriptors();
    float value;
    start(PASS, -1, 0, false);
    ck_assert_int_eq(load(&allocator, &value), FST_OK);
    plan.on = false;
    int calls = plan.seen;
    ck_assert_int_gt(calls, 5);
    for (int at = 0; at < calls; ++at) {
        start(FAIL, at, EIO, false);
        fst_status status = load(&allocator, &value);
        plan.on = false;
        bool close_only = strcmp(plan.last, "close") == 0;
        ck_assert_msg(status == (close_only ? FST_OK : FST_ERR_IO), "%s: %d", plan.last, (int)status);
        if (!close_only)
            ck_assert_ptr_nonnull(strstr(fst__error_text(), path));
        ck_assert_int_eq(descriptors(), before);
        ck_assert_int_eq(allocator.live_bytes, 0);
    }
}
END_TEST

START_TEST(killed_at_each_call_of_a_save)
{
    int calls = calls_of_a_save();
    for (int at = 0; at < calls; ++at) {
        char when[64];
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            start(_i ? KILL_AFTER : KILL_BEFORE, at, 0, false);
            save(&allocator, 2);
            _exit(0);
        }
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFSIGNALED(status), "call %d was never made", at);
        snprintf(when, sizeof when, "killed at call %d", at);
        expect_loads(1, 2, when);
        ck_assert_int_eq(save(&allocator, 1), FST_OK);
        ck_assert_msg(scratch_entries(place.folder) == 1, "%s: a temporary file was left", when);
    }
}
END_TEST

START_TEST(each_allocation_fails)
{
    bool for_good = _i;
    fst_status status = FST_ERR_NO_MEMORY;
    int64_t at;
    for (at = 1; status != FST_OK; ++at) {
        scratch_memory memory = {.fail_at = at, .for_good = for_good};
        fst__allocator scarce = SCRATCH_ALLOCATOR(&memory);
        ck_assert_int_lt(at, 1000);
        status = save(&scarce, 2);
        ck_assert_msg(status == FST_OK || status == FST_ERR_NO_MEMORY, "allocation %lld: %d %s",
                      (long long)at, (int)status, fst__error_text());
        ck_assert(memory.live == 0 && scarce.live_bytes == 0);
        ck_assert_int_eq(scratch_entries(place.folder), 1);
        bool reached = memory.calls >= at;
        /* The sweep does without memory, so some refusals leave the save whole. */
        expect_loads(status == FST_OK ? 2 : 1, status == FST_OK ? 2 : 1, "allocation");
        if (status == FST_OK && reached) {
            status = FST_ERR_NO_MEMORY;
            ck_assert_int_eq(save(&allocator, 1), FST_OK);
        }
    }
    ck_assert_int_gt(at, 8);
    status = FST_ERR_NO_MEMORY;
    for (at = 1; status != FST_OK; ++at) {
        scratch_memory memory = {.fail_at = at, .for_good = for_good};
        fst__allocator scarce = SCRATCH_ALLOCATOR(&memory);
        float value;
        ck_assert_int_lt(at, 1000);
        status = load(&scarce, &value);
        ck_assert_int_eq(status, memory.calls >= at ? FST_ERR_NO_MEMORY : FST_OK);
        ck_assert(memory.live == 0 && scarce.live_bytes == 0);
    }
    ck_assert_int_gt(at, 7);
}
END_TEST

/* A tmpfs of 256 kB, in a namespace of its own; not every machine lets a process have one. */
START_TEST(the_disk_is_full)
{
    const char *mount_point = scratch_path(&place, "full");
    ck_assert_int_eq(mkdir(mount_point, 0755), 0);
    if ((unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", mount_point, "tmpfs", 0, "size=256k") != 0) {
        fprintf(stderr, "no tmpfs can be mounted here: %s; the full disk was not tried\n",
                strerror(errno));
        return;
    }
    path = scratch_path(&place, "full/model.safetensors");
    scratch_write(path, "old", 3);
    ck_assert_int_eq(save(&allocator, 2), FST_ERR_IO);
    ck_assert_ptr_nonnull(strstr(fst__error_text(), path));
    ck_assert_ptr_nonnull(strstr(fst__error_text(), "space"));
    ck_assert_int_eq(scratch_entries(mount_point), 1);
    size_t size;
    char *bytes = scratch_read(path, &size);
    ck_assert_str_eq(bytes, "old");
    free(bytes);
    ck_assert_int_eq(umount(mount_point), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *cases = tcase_create("files");
    tcase_set_timeout(cases, 300);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, the_order_of_calls);
    tcase_add_loop_test(cases, each_call_of_a_save_fails, 0,
                        (int)(sizeof errors / sizeof errors[0]) * 2);
    tcase_add_test(cases, interrupted_and_short_calls);
    tcase_add_test(cases, each_call_of_a_load_fails);
    tcase_add_loop_test(cases, killed_at_each_call_of_a_save, 0, 2);
    tcase_add_loop_test(cases, each_allocation_fails, 0, 2);
    tcase_add_test(cases, the_disk_is_full);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
