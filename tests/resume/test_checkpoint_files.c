/* Checkpoints on disk: which are kept, which are found, and what a damaged one or a killed writer
 * leaves. */
#include "small_run.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

static int count_files(const char *folder)
{
    DIR *directory = opendir(folder);
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static bool has(const char *folder, const char *name)
{
    return access(small_path(folder, name), F_OK) == 0;
}

static int64_t step_of(const fst_run *run)
{
    fst_run_info info;
    OK(fst_run_get_info(run, &info, sizeof info));
    return info.step;
}

START_TEST(test_keep)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    config.run.directory = folder;
    config.run.save_every = 3;
    config.run.keep = 2;
    config.run.evaluate_every = 2;
    config.run.save_best = 1;
    small_run small;
    small_create_checked(&small, &config);
    small_write_file(small_path(folder, "checkpoint-2.safetensors.old"), "mine", 4);
    OK(fst_run_until(small.run, 0));
    ck_assert(!has(folder, "checkpoint-3.safetensors"));
    ck_assert(has(folder, "checkpoint-6.safetensors"));
    ck_assert(has(folder, "checkpoint-8.safetensors")); /* the end, though 3 does not divide it */
    ck_assert(has(folder, "best.safetensors"));
    ck_assert(has(folder, "checkpoint-2.safetensors.old"));
    ck_assert_int_eq(count_files(folder), 4);

    fst_run_info info;
    OK(fst_run_get_info(small.run, &info, sizeof info));
    ck_assert_int_eq(info.finished, 1);
    OK(fst_run_resume(small.run, small_path(folder, "best.safetensors")));
    ck_assert_int_eq(step_of(small.run), info.best_step);
    OK(fst_run_resume(small.run, NULL));
    ck_assert_int_eq(step_of(small.run), 8);
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

START_TEST(test_nothing_there)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    small_run small;
    small_create_checked(&small, &config);
    ck_assert_int_eq(fst_run_resume(small.run, folder), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_run_resume(small.run, small_path(folder, "none")), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_run_resume(small.run, NULL), FST_ERR_STATE);
    ck_assert_int_eq(fst_run_save(small.run, NULL), FST_ERR_STATE);
    ck_assert_int_eq(fst_run_save(small.run, folder), FST_ERR_IO);
    ck_assert_int_eq(fst_run_save(small.run, small_path(folder, "none/file")), FST_ERR_IO);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "none/file"));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

/* A run of another model, seed or batch is refused, and the text says what differs. */
START_TEST(test_another_run)
{
    char *folder = small_folder();
    const char *path = small_path(folder, "file");
    char saved[512];
    snprintf(saved, sizeof saved, "%s", path);
    small_config config = small_defaults();
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 2));
    OK(fst_run_save(small.run, saved));
    small_destroy(&small);
    static const char *const names[] = {"seed", "model.heads", "pretrain.rows", "data.rows",
                                        "optimizer.kind", "model.width"};
    for (int i = 0; i < 6; ++i) {
        small_config other = small_defaults();
        other.seed += i == 0;
        other.model.heads += i == 1 ? 2 : 0;
        other.pretrain.rows += i == 2;
        other.tokens += i == 3 ? 12 : 0;
        other.optimizer.kind = i == 4 ? FST_OPTIMIZER_SGD : FST_OPTIMIZER_ADAMW;
        other.model.width += i == 5 ? 16 : 0;
        small_create_checked(&small, &other);
        fst_status status = fst_run_resume(small.run, saved);
        ck_assert_msg(status == FST_ERR_MISMATCH, "%s: %s", names[i], fst_status_name(status));
        ck_assert_msg(strstr(fst_last_error(), names[i]) != NULL, "%s: %s", names[i],
                      fst_last_error());
        OK(fst_run_step(small.run, NULL, 0));
        small_destroy(&small);
    }
    /* Options that tune are the new run's own. */
    small_config tuned = small_defaults();
    tuned.optimizer.learning_rate = 0.5;
    tuned.run.total_steps = 100;
    small_create_checked(&small, &tuned);
    OK(fst_run_resume(small.run, saved));
    ck_assert_int_eq(small.log.warnings, 1);
    ck_assert_ptr_nonnull(strstr(small.log.last_warning, "optimizer.learning_rate"));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

/* The first bytes, the last, some all over the file, and some in its header. */
static size_t place(size_t i, size_t size)
{
    if (i < 20)
        return i;
    if (i < 40)
        return size - 1 - (i - 20);
    return i < 180 ? size * (i - 40) / 140 : 8 + (i - 180) * 29;
}

/* Cut anywhere, or with any byte changed, the newest is passed over and the one before is found. */
START_TEST(test_damaged)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    config.run.directory = folder;
    config.run.save_every = 4;
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 0));
    char newest[512];
    snprintf(newest, sizeof newest, "%s", small_path(folder, "checkpoint-8.safetensors"));
    size_t size;
    char *bytes = small_read_file(newest, &size);
    for (size_t i = 0; i < 300; ++i) {
        size_t at = place(i, size);
        if (_i == 0) {
            small_write_file(newest, bytes, at);
        } else {
            bytes[at] ^= 1 << (i % 8);
            small_write_file(newest, bytes, size);
            bytes[at] ^= 1 << (i % 8);
        }
        fst_status alone = fst_run_resume(small.run, newest);
        ck_assert_msg(alone == FST_ERR_FORMAT || (_i == 1 && alone != FST_OK), "byte %zu: %s", at,
                      fst_status_name(alone));
        if (alone == FST_ERR_MISMATCH) /* a changed setting is somebody else's file, not damage */
            continue;
        int64_t warnings = small.log.warnings;
        OK(fst_run_resume(small.run, folder));
        ck_assert_int_eq(step_of(small.run), 4);
        ck_assert_int_gt(small.log.warnings, warnings);
    }
    free(bytes);
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

/* All damaged: refused, and the run goes on as it was. */
START_TEST(test_none_good)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 3));
    OK(fst_run_save(small.run, small_path(folder, "before")));
    small_write_file(small_path(folder, "checkpoint-1.safetensors"), "x", 1);
    small_write_file(small_path(folder, "checkpoint-2.safetensors"), "", 0);
    ck_assert_int_eq(fst_run_resume(small.run, folder), FST_ERR_FORMAT);
    OK(fst_run_save(small.run, small_path(folder, "after")));
    ck_assert(small_same_file(small_path(folder, "before"), small_path(folder, "after")));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

/* kill -9 at any moment of a run that saves after every step. */
static void train_until_killed(const char *folder)
{
    small_config config = small_defaults();
    small_run small;
    config.run.directory = folder;
    config.run.save_every = 1;
    config.run.total_steps = 1000000;
    memset(&small, 0, sizeof small);
    if (small_create(&small, &config))
        _exit(1);
    fst_status status = fst_run_resume(small.run, NULL);
    if (status == FST_OK || status == FST_ERR_NOT_FOUND)
        fst_run_until(small.run, 0);
    _exit(2); /* it ends only by the signal */
}

START_TEST(test_killed)
{
    char *folder = small_folder();
    int64_t before = 0;
    unsigned random = 12345;
    for (int i = 0; i < 30; ++i) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            train_until_killed(folder);
        random = random * 1664525u + 1013904223u;
        struct timespec pause = {.tv_nsec = (long)(15000000 + (random >> 8) % 40000000)};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        int how;
        ck_assert_int_eq(waitpid(child, &how, 0), child);
        ck_assert_msg(WIFSIGNALED(how), "the child ended by itself with %d", WEXITSTATUS(how));

        small_config config = small_defaults();
        config.run.total_steps = 1000000;
        small_run small;
        small_create_checked(&small, &config);
        fst_status status = fst_run_resume(small.run, folder);
        int64_t step = status ? 0 : step_of(small.run);
        ck_assert_msg(status == FST_OK || (status == FST_ERR_NOT_FOUND && before == 0), "%s",
                      fst_last_error());
        ck_assert_int_eq(small.log.warnings, 0); /* not even a damaged one */
        ck_assert_msg(step >= before, "step %d after step %d", (int)step, (int)before);
        before = step;
        small_destroy(&small);
    }
    ck_assert_int_gt(before, 0);

    /* The state that went through thirty deaths is that of a run with none. */
    small_config config = small_defaults();
    config.run.total_steps = 1000000;
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, before));
    OK(fst_run_save(small.run, small_path(folder, "straight")));
    OK(fst_run_resume(small.run, folder));
    OK(fst_run_save(small.run, small_path(folder, "killed")));
    ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "killed")));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint_files");
    TCase *cases = tcase_create("checkpoint_files");
    tcase_set_timeout(cases, 300);
    tcase_add_test(cases, test_keep);
    tcase_add_test(cases, test_nothing_there);
    tcase_add_test(cases, test_another_run);
    tcase_add_loop_test(cases, test_damaged, 0, 2);
    tcase_add_test(cases, test_none_good);
    tcase_add_test(cases, test_killed);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
