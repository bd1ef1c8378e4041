/*
 * The host's state around every chain of calls: floating-point control, rounding, locale, file mode
 * mask, signal mask and handlers, working folder, environment, open files, threads, and what stands
 * on standard output and error. Each must be as it was before.
 */
#include "chains.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum { SIGNALS = 64, TEXT = 1 << 16 };

typedef struct host_state {
    uint32_t float_control;
    uint16_t x87_control;
    int rounding;
    char locale[1024];
    mode_t mask;
    sigset_t blocked;
    struct sigaction actions[SIGNALS + 1];
    char folder[1024];
    char environment[TEXT];
    int files, threads;
} host_state;

static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    int count = 0;
    while (readdir(folder))
        ++count;
    closedir(folder);
    return count;
}

static void capture(host_state *state)
{
    memset(state, 0, sizeof *state);
#if defined(__x86_64__)
    enum { FLAGS = 0x3f }; /* raised exceptions, which any arithmetic may add to */
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    state->float_control = mxcsr & ~(uint32_t)FLAGS;
    __asm__ volatile("fnstcw %0" : "=m"(state->x87_control));
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    state->float_control = (uint32_t)fpcr;
#endif
    state->rounding = fegetround();
    snprintf(state->locale, sizeof state->locale, "%s", setlocale(LC_ALL, NULL));
    state->mask = umask(0);
    umask(state->mask);
    pthread_sigmask(SIG_SETMASK, NULL, &state->blocked);
    for (int number = 1; number <= SIGNALS; ++number)
        sigaction(number, NULL, &state->actions[number]);
    ck_assert_ptr_nonnull(getcwd(state->folder, sizeof state->folder));
    size_t used = 0;
    for (char **entry = environ; *entry && used < TEXT - 1; ++entry)
        used += (size_t)snprintf(state->environment + used, TEXT - used, "%s\n", *entry);
    state->files = count_entries("/proc/self/fd");
    state->threads = count_entries("/proc/self/task");
}

static void compare(const host_state *before, const host_state *after)
{
    ck_assert_uint_eq(before->float_control, after->float_control);
    ck_assert_uint_eq(before->x87_control, after->x87_control);
    ck_assert_int_eq(before->rounding, after->rounding);
    ck_assert_str_eq(before->locale, after->locale);
    ck_assert_uint_eq(before->mask, after->mask);
    for (int number = 1; number <= SIGNALS; ++number) {
        ck_assert_int_eq(sigismember(&before->blocked, number), sigismember(&after->blocked, number));
        ck_assert(before->actions[number].sa_handler == after->actions[number].sa_handler);
        ck_assert_int_eq(before->actions[number].sa_flags, after->actions[number].sa_flags);
    }
    ck_assert_str_eq(before->folder, after->folder);
    ck_assert_str_eq(before->environment, after->environment);
    ck_assert_int_eq(before->files, after->files);
    ck_assert_int_eq(before->threads, after->threads);
}

static void on_signal(int number)
{
    (void)number;
}

/* A host that set everything to something other than the default. */
static void make_odd(void)
{
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C.UTF-8");
    umask(027);
    setenv("OMP_NUM_THREADS", "3", 1);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    static const int handled[] = {SIGINT, SIGPIPE, SIGUSR1, SIGFPE, SIGTERM};
    for (size_t i = 0; i < sizeof handled / sizeof *handled; ++i)
        sigaction(handled[i], &action, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    ck_assert_int_eq(chdir("/"), 0);
}

static void run_watched(const chain *each, const fst_context_options *options, const char *folder)
{
    static host_state before, after;
    char path[512];
    snprintf(path, sizeof path, "%s/printed", folder);
    fflush(NULL);
    int printed = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    ck_assert(printed >= 0 && out >= 0 && err >= 0);
    dup2(printed, STDOUT_FILENO);
    dup2(printed, STDERR_FILENO);
    capture(&before);
    fst_status status = each->run(options, folder);
    capture(&after);
    fflush(NULL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    off_t bytes = lseek(printed, 0, SEEK_END);
    close(out);
    close(err);
    close(printed);
    ck_assert_msg(status == FST_OK, "%s: %s", each->name, fst_last_error());
    ck_assert_msg(bytes == 0, "%s printed %d bytes", each->name, (int)bytes);
    compare(&before, &after);
}

START_TEST(the_host_is_as_it_was)
{
    char folder[256];
    chain_folder_make(folder);
    make_odd();
    fst_context_options options = chain_options(3);
    /* Once unwatched: a provider may start threads of its own at its first product. */
    ck_assert_msg(chains[_i].run(&options, folder) == FST_OK, "%s: %s", chains[_i].name,
                  fst_last_error());
    run_watched(&chains[_i], &options, folder);
    chain_folder_remove(folder);
}
END_TEST

/* Rounding upward is the host's wish; the library works under it and leaves it. */
START_TEST(odd_rounding_survives)
{
    char folder[256];
    chain_folder_make(folder);
    fst_context_options options = chain_options(2);
    ck_assert_int_eq(chains[_i].run(&options, folder), FST_OK);
    ck_assert_int_eq(fesetround(FE_UPWARD), 0);
    run_watched(&chains[_i], &options, folder);
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
    chain_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host");
    TCase *tcase = tcase_create("host");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, the_host_is_as_it_was, 0, chain_count);
    tcase_add_loop_test(tcase, odd_rounding_survives, 0, chain_count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
