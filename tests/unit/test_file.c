/* formats/file.h: reading bounded by what is there, replacing atomically, sweeping. */
#include "../support/scratch.h"
#include "base/error.h"
#include "formats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

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

static void expect_failure(fst_status status, fst_status expected, const char *path)
{
    ck_assert_int_eq(status, expected);
    ck_assert_msg(strstr(fst__error_text(), path) != NULL, "no path in: %s", fst__error_text());
}

START_TEST(reads_what_is_there)
{
    const char *path = scratch_path(&place, "a");
    const size_t sizes[] = {0, 1, 4095, 4096, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        char *bytes = malloc(sizes[i] + 1), *data;
        size_t size;
        for (size_t j = 0; j < sizes[i]; ++j)
            bytes[j] = (char)(j * 7);
        scratch_write(path, bytes, sizes[i]);
        ck_assert_int_eq(fst__file_read(&allocator, path, sizes[i], &data, &size), FST_OK);
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert(memcmp(bytes, data, size) == 0 && data[size] == '\0');
        fst__free(&allocator, data);
        if (sizes[i] > 0)
            expect_failure(fst__file_read(&allocator, path, sizes[i] - 1, &data, &size),
                           FST_ERR_FORMAT, path);
        free(bytes);
    }
}
END_TEST

START_TEST(reads_files_that_lie_about_their_size)
{
    char *data;
    size_t size;
    ck_assert_int_eq(fst__file_read(&allocator, "/proc/self/status", 1 << 20, &data, &size), FST_OK);
    ck_assert_uint_gt(size, 100);
    fst__free(&allocator, data);
    expect_failure(fst__file_read(&allocator, "/proc/self/status", 10, &data, &size),
                   FST_ERR_FORMAT, "/proc/self/status");
}
END_TEST

START_TEST(refuses_what_is_no_file)
{
    char *data;
    size_t size;
    const char *missing = scratch_path(&place, "missing"), *pipe = scratch_path(&place, "pipe");
    const char *below = scratch_path(&place, "pipe/below");
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    expect_failure(fst__file_read(&allocator, missing, 9, &data, &size), FST_ERR_NOT_FOUND, missing);
    expect_failure(fst__file_read(&allocator, place.folder, 9, &data, &size), FST_ERR_IO,
                   place.folder);
    expect_failure(fst__file_read(&allocator, pipe, 9, &data, &size), FST_ERR_IO, pipe);
    expect_failure(fst__file_read(&allocator, below, 9, &data, &size), FST_ERR_IO, below);
    expect_failure(fst__file_read(&allocator, "/dev/null", 9, &data, &size), FST_ERR_IO, "/dev/null");
    expect_failure(fst__file_read(&allocator, "", 9, &data, &size), FST_ERR_NOT_FOUND, "");
}
END_TEST

START_TEST(reads_at_a_place)
{
    const char *path = scratch_path(&place, "a");
    char bytes[4];
    int descriptor;
    size_t size;
    scratch_write(path, "0123456789", 10);
    ck_assert_int_eq(fst__file_open(path, &descriptor, &size), FST_OK);
    ck_assert_uint_eq(size, 10);
    ck_assert(fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(fst__file_read_at(descriptor, path, 6, bytes, 4), FST_OK);
    ck_assert(memcmp(bytes, "6789", 4) == 0);
    expect_failure(fst__file_read_at(descriptor, path, 7, bytes, 4), FST_ERR_IO, path);
    close(descriptor);
}
END_TEST

/* Pieces below, at and above the buffer's size, whose bytes all differ from their neighbours. */
START_TEST(writes_pieces_of_any_size)
{
    const char *path = scratch_path(&place, "a");
    const size_t sizes[] = {1, 262143, 0, 1, 262144, 3, 262145, 700001, 262140, 7};
    size_t total = 0, used = 0, size;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i)
        total += sizes[i];
    uint32_t *source = malloc(total + 4);
    for (size_t i = 0; i < total / 4 + 1; ++i)
        source[i] = (uint32_t)i * 2654435761u;
    fst__file_writer *writer;
    ck_assert_int_eq(fst__file_writer_open(&allocator, path, &writer), FST_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; used += sizes[i++])
        ck_assert_int_eq(fst__file_writer_write(writer, (char *)source + used, sizes[i]), FST_OK);
    ck_assert(!fst__file_exists(path));
    ck_assert_int_eq(fst__file_writer_commit(writer), FST_OK);
    char *back = scratch_read(path, &size);
    ck_assert_uint_eq(size, total);
    ck_assert(memcmp(back, source, total) == 0);
    ck_assert_int_eq(scratch_entries(place.folder), 1);
    free(back);
    free(source);
}
END_TEST

START_TEST(abort_leaves_the_earlier_file)
{
    const char *path = scratch_path(&place, "a");
    fst__file_writer *writer;
    size_t size;
    scratch_write(path, "old", 3);
    ck_assert_int_eq(fst__file_writer_open(&allocator, path, &writer), FST_OK);
    ck_assert_int_eq(fst__file_writer_write(writer, "newer", 5), FST_OK);
    ck_assert_int_eq(scratch_entries(place.folder), 2);
    fst__file_writer_abort(writer);
    fst__file_writer_abort(NULL);
    char *back = scratch_read(path, &size);
    ck_assert_str_eq(back, "old");
    ck_assert_int_eq(scratch_entries(place.folder), 1);
    free(back);
}
END_TEST

static mode_t mode_of(const char *path)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 0777;
}

START_TEST(permissions)
{
    const char *fresh = scratch_path(&place, "fresh"), *secret = scratch_path(&place, "secret");
    umask(027);
    scratch_write(secret, "old", 3);
    ck_assert_int_eq(chmod(secret, 0600), 0);
    ck_assert_int_eq(fst__file_write(&allocator, fresh, "x", 1), FST_OK);
    ck_assert_int_eq(fst__file_write(&allocator, secret, "x", 1), FST_OK);
    ck_assert_uint_eq(mode_of(fresh), 0640);
    ck_assert_uint_eq(mode_of(secret), 0600);
    ck_assert_uint_eq(umask(027), 027);
}
END_TEST

START_TEST(works_in_the_current_folder)
{
    size_t size;
    ck_assert_int_eq(chdir(place.folder), 0);
    ck_assert_int_eq(fst__file_write(&allocator, "here", "x", 1), FST_OK);
    ck_assert_int_eq(scratch_entries("."), 1);
    free(scratch_read("here", &size));
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(places_that_cannot_be_written)
{
    const char *folder = scratch_path(&place, "folder"), *slash = scratch_path(&place, "folder/");
    const char *nowhere = scratch_path(&place, "missing/a");
    char long_name[300];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const char *too_long = scratch_path(&place, long_name);
    ck_assert_int_eq(fst__directory_create(folder), FST_OK);
    ck_assert_int_eq(fst__directory_create(folder), FST_OK);
    expect_failure(fst__file_write(&allocator, folder, "x", 1), FST_ERR_IO, folder);
    expect_failure(fst__file_write(&allocator, slash, "x", 1), FST_ERR_IO, slash);
    expect_failure(fst__file_write(&allocator, nowhere, "x", 1), FST_ERR_IO, nowhere);
    expect_failure(fst__file_write(&allocator, too_long, "x", 1), FST_ERR_IO, too_long);
    expect_failure(fst__directory_create(nowhere), FST_ERR_NOT_FOUND, nowhere);
    ck_assert_int_eq(scratch_entries(place.folder), 1);

    const char *file = scratch_path(&place, "file");
    scratch_write(file, "x", 1);
    expect_failure(fst__directory_create(file), FST_ERR_IO, file);
    ck_assert(fst__file_is_directory(folder) && !fst__file_is_directory(file));
}
END_TEST

START_TEST(a_folder_that_is_read_only)
{
    const char *folder = scratch_path(&place, "closed"), *path = scratch_path(&place, "closed/a");
    ck_assert_int_eq(mkdir(folder, 0755), 0);
    scratch_write(path, "old", 3);
    ck_assert_int_eq(chmod(folder, 0555), 0);
    ck_assert_int_eq(chmod(place.folder, 0755), 0);
    bool root = geteuid() == 0; /* root may write anywhere */
    if (root)
        ck_assert_int_eq(seteuid(65534), 0);
    fst_status status = fst__file_write(&allocator, path, "new", 3);
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    expect_failure(status, FST_ERR_IO, path);
    ck_assert_ptr_nonnull(strstr(fst__error_text(), "ermission"));
    ck_assert_int_eq(scratch_entries(folder), 1);
    ck_assert_int_eq(chmod(folder, 0755), 0);
}
END_TEST

/* With SIGXFSZ at its default, which would end this process. */
START_TEST(the_limit_of_a_files_size)
{
    const char *path = scratch_path(&place, "a");
    struct rlimit earlier, limit;
    char *bytes = calloc(1, 600000);
    size_t size;
    scratch_write(path, "old", 3);
    getrlimit(RLIMIT_FSIZE, &earlier);
    limit = (struct rlimit){.rlim_cur = 500000, .rlim_max = earlier.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    fst_status status = fst__file_write(&allocator, path, bytes, 600000);
    char text[1024];
    snprintf(text, sizeof text, "%s", fst__error_text());
    ck_assert_int_eq(fst__file_write(&allocator, path, bytes, 500000), FST_OK);
    setrlimit(RLIMIT_FSIZE, &earlier);
    ck_assert_int_eq(status, FST_ERR_IO);
    ck_assert_ptr_nonnull(strstr(text, path));
    ck_assert_int_eq(scratch_entries(place.folder), 1);
    free(scratch_read(path, &size));
    ck_assert_uint_eq(size, 500000);
    free(bytes);
}
END_TEST

START_TEST(no_descriptors_left)
{
    const char *path = scratch_path(&place, "a");
    struct rlimit earlier, none;
    char *data;
    size_t size;
    scratch_write(path, "old", 3);
    getrlimit(RLIMIT_NOFILE, &earlier);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = earlier.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    fst_status written = fst__file_write(&allocator, path, "new", 3);
    fst_status read = fst__file_read(&allocator, path, 9, &data, &size);
    setrlimit(RLIMIT_NOFILE, &earlier);
    ck_assert_int_eq(written, FST_ERR_IO);
    ck_assert_int_eq(read, FST_ERR_IO);
    ck_assert_int_eq(scratch_entries(place.folder), 1);
}
END_TEST

START_TEST(sweeps_only_what_is_dead)
{
    const char *path = scratch_path(&place, "a");
    const char *const kept[] = {"a.tmp-abcde", "a.tmp-abcdefg", "a.tmp-ABCDEF", "ab.tmp-abcdef",
                                "a.tmp_abcdef", "xa.tmp-abcdef"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; ++i)
        scratch_write(scratch_path(&place, kept[i]), "x", 1);
    ck_assert_int_eq(mkdir(scratch_path(&place, "a.tmp-folder"), 0700), 0);
    fst__file_writer *alive;
    ck_assert_int_eq(fst__file_writer_open(&allocator, path, &alive), FST_OK);
    ck_assert_int_eq(fst__file_writer_write(alive, "alive", 5), FST_OK);
    scratch_write(scratch_path(&place, "a.tmp-abcdef"), "dead", 4);
    fst__file_sweep(&allocator, path);
    ck_assert(!fst__file_exists(scratch_path(&place, "a.tmp-abcdef")));
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; ++i)
        ck_assert(fst__file_exists(scratch_path(&place, kept[i])));
    ck_assert(fst__file_exists(scratch_path(&place, "a.tmp-folder")));
    ck_assert_int_eq(fst__file_writer_commit(alive), FST_OK);
    ck_assert(fst__file_exists(path));
}
END_TEST

START_TEST(sweeps_after_a_killed_process)
{
    const char *path = scratch_path(&place, "a");
    pid_t child = fork();
    if (child == 0) {
        fst__file_writer *writer;
        fst__allocator own = {0};
        if (fst__file_writer_open(&own, path, &writer) == FST_OK)
            fst__file_writer_write(writer, place.folder, sizeof place.folder);
        kill(getpid(), SIGKILL);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(scratch_entries(place.folder), 1);
    ck_assert_int_eq(fst__file_write(&allocator, path, "x", 1), FST_OK);
    ck_assert_int_eq(scratch_entries(place.folder), 1);
}
END_TEST

START_TEST(joins_paths)
{
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}, {"a", "", "a/"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        char *path = fst__path_join(&allocator, cases[i][0], cases[i][1]);
        ck_assert_str_eq(path, cases[i][2]);
        fst__free(&allocator, path);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *cases = tcase_create("file");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, reads_what_is_there);
    tcase_add_test(cases, reads_files_that_lie_about_their_size);
    tcase_add_test(cases, refuses_what_is_no_file);
    tcase_add_test(cases, reads_at_a_place);
    tcase_add_test(cases, writes_pieces_of_any_size);
    tcase_add_test(cases, abort_leaves_the_earlier_file);
    tcase_add_test(cases, permissions);
    tcase_add_test(cases, works_in_the_current_folder);
    tcase_add_test(cases, places_that_cannot_be_written);
    tcase_add_test(cases, a_folder_that_is_read_only);
    tcase_add_test(cases, the_limit_of_a_files_size);
    tcase_add_test(cases, no_descriptors_left);
    tcase_add_test(cases, sweeps_only_what_is_dead);
    tcase_add_test(cases, sweeps_after_a_killed_process);
    tcase_add_test(cases, joins_paths);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
