/*
 * A run as a guest in somebody's program: cancelled from outside, called back, misused, and leaving
 * the process as it found it.
 */
#include "small_run.h"

#include <check.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

extern char **environ;

/* ---- cancelling ---- */

typedef struct asked {
    fst_run *run;
    int64_t at;    /* step at which the callback acts */
    int32_t answer;
    bool cancel, destroy, every_verb;
    int64_t calls;
} asked;

static int32_t on_step(const fst_run_progress *progress, void *user)
{
    asked *a = user;
    ++a->calls;
    ck_assert_uint_eq(progress->struct_size, sizeof *progress);
    if (progress->step != a->at)
        return 0;
    if (a->cancel)
        OK(fst_run_cancel(a->run));
    if (a->every_verb) {
        fst_run_info info;
        double loss;
        ck_assert_int_eq(fst_run_step(a->run, NULL, 0), FST_ERR_BUSY);
        ck_assert_int_eq(fst_run_advance(a->run, NULL), FST_ERR_BUSY);
        ck_assert_int_eq(fst_run_until(a->run, 0), FST_ERR_BUSY);
        ck_assert_int_eq(fst_run_evaluate(a->run), FST_ERR_BUSY);
        ck_assert_int_eq(fst_run_save(a->run, "nowhere"), FST_ERR_BUSY);
        ck_assert_int_eq(fst_run_resume(a->run, "nowhere"), FST_ERR_BUSY);
        OK(fst_run_get_info(a->run, &info, sizeof info));
        OK(fst_run_metric(a->run, "loss", &loss));
        ck_assert_double_eq(loss, progress->loss);
    }
    if (a->destroy)
        fst_run_destroy(a->run);
    return a->answer;
}

static void create_asked(small_run *small, asked *a)
{
    small_config config = small_defaults();
    config.run.progress = on_step;
    config.run.progress_user = a;
    small_create_checked(small, &config);
    a->run = small->run;
}

static int64_t step_of(const fst_run *run)
{
    fst_run_info info;
    OK(fst_run_get_info(run, &info, sizeof info));
    return info.step;
}

START_TEST(test_callback_codes)
{
    static const int32_t answers[] = {1, 2000000000, -1, -77, -2000000000};
    for (int i = 0; i < 5; ++i) {
        small_run small;
        asked a = {.at = 3, .answer = answers[i]};
        create_asked(&small, &a);
        fst_status status = fst_run_until(small.run, 0);
        ck_assert_int_eq(status, answers[i] > 0 ? FST_STOPPED : answers[i]);
        ck_assert_int_eq(step_of(small.run), 3);
        ck_assert_int_eq(a.calls, 3);
        OK(fst_run_until(small.run, 0)); /* the wish is fulfilled, the run goes on */
        ck_assert_int_eq(a.calls, 8);
        small_destroy(&small);
    }
}
END_TEST

START_TEST(test_cancel_from_callback)
{
    small_run small;
    asked a = {.at = 3, .cancel = true};
    create_asked(&small, &a);
    ck_assert_int_eq(fst_run_until(small.run, 0), FST_STOPPED);
    ck_assert_int_eq(step_of(small.run), 3);
    OK(fst_run_until(small.run, 0));
    small_destroy(&small);
}
END_TEST

START_TEST(test_busy)
{
    small_run small;
    asked a = {.at = 2, .every_verb = true};
    create_asked(&small, &a);
    OK(fst_run_until(small.run, 0));
    small_destroy(&small);
}
END_TEST

START_TEST(test_destroyed_in_callback)
{
    small_run small;
    asked a = {.at = 2, .destroy = true, .answer = 1};
    create_asked(&small, &a);
    ck_assert_int_eq(fst_run_until(small.run, 0), FST_STOPPED);
    small.run = NULL;
    small_destroy(&small);
    ck_assert_int_eq(small.memory.live_blocks, 0);
}
END_TEST

static void *cancel_soon(void *user)
{
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    OK(fst_run_cancel(user));
    return NULL;
}

START_TEST(test_cancel_from_thread)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    config.run.total_steps = 100000000;
    config.pretrain.accumulation = 50; /* stopped inside a step, in all likelihood */
    small_run small;
    small_create_checked(&small, &config);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, small.run), 0);
    ck_assert_int_eq(fst_run_until(small.run, 0), FST_STOPPED);
    pthread_join(thread, NULL);
    fst_run_info info;
    OK(fst_run_get_info(small.run, &info, sizeof info));
    OK(fst_run_save(small.run, small_path(folder, "stopped")));
    OK(fst_run_until(small.run, info.step + 1));
    OK(fst_run_save(small.run, small_path(folder, "went-on")));
    OK(fst_run_resume(small.run, small_path(folder, "stopped")));
    OK(fst_run_until(small.run, info.step + 1));
    OK(fst_run_save(small.run, small_path(folder, "resumed")));
    ck_assert(small_same_file(small_path(folder, "went-on"), small_path(folder, "resumed")));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

/* An evaluation is cancelled too; the metrics stay as they were. */
START_TEST(test_cancel_before)
{
    small_config config = small_defaults();
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_cancel(small.run));
    ck_assert_int_eq(fst_run_evaluate(small.run), FST_STOPPED);
    double loss;
    OK(fst_run_metric(small.run, "validation_loss", &loss));
    ck_assert(isnan(loss));
    OK(fst_run_cancel(small.run));
    ck_assert_int_eq(fst_run_step(small.run, NULL, 0), FST_STOPPED);
    ck_assert_int_eq(step_of(small.run), 0);
    OK(fst_run_step(small.run, NULL, 0));
    small_destroy(&small);
}
END_TEST

/* ---- early stop and metrics ---- */

START_TEST(test_early_stop)
{
    small_config config = small_defaults();
    config.model.dropout = config.model.attention_dropout = 0;
    config.tokens = 60; /* learnt by heart: the validation loss rises */
    config.optimizer.schedule = FST_SCHEDULE_CONSTANT;
    config.run.total_steps = 500;
    config.run.evaluate_every = 5;
    config.run.patience = 3;
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 0));
    fst_run_info info;
    OK(fst_run_get_info(small.run, &info, sizeof info));
    ck_assert_int_eq(info.finished, 1);
    ck_assert_int_eq(info.stopped_early, 1);
    ck_assert_int_eq(info.step, info.best_step + 15);
    ck_assert_int_eq(fst_run_step(small.run, NULL, 0), FST_ERR_STATE);
    OK(fst_run_until(small.run, 0));
    small_destroy(&small);
}
END_TEST

START_TEST(test_metrics)
{
    small_config config = small_defaults();
    small_run small;
    small_create_checked(&small, &config);
    int64_t count;
    OK(fst_run_metric_count(small.run, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        double value;
        OK(fst_run_metric_name(small.run, i, &name));
        OK(fst_run_metric(small.run, name, &value));
        ck_assert_msg(isnan(value), "%s before anything was measured", name);
    }
    OK(fst_run_step(small.run, NULL, 0));
    OK(fst_run_evaluate(small.run));
    double loss, perplexity, tokens, epoch;
    OK(fst_run_metric(small.run, "validation_loss", &loss));
    OK(fst_run_metric(small.run, "validation_perplexity", &perplexity));
    OK(fst_run_metric(small.run, "tokens", &tokens));
    OK(fst_run_metric(small.run, "epoch", &epoch));
    ck_assert_double_eq(perplexity, exp(loss));
    ck_assert_double_eq_tol(loss, log(17), 0.5);
    ck_assert(tokens >= 8 * 12 + 3 && tokens <= 9 * 12); /* the last row has three targets */
    ck_assert_double_eq_tol(epoch, 9 / 34.0, 1e-12);
    ck_assert_int_eq(fst_run_metric(small.run, "no such", &loss), FST_ERR_NOT_FOUND);
    small_destroy(&small);
}
END_TEST

/* ---- misuse ---- */

static fst_status create_with(small_run *small, void (*spoil)(fst_pretrain_options *, fst_run_options *))
{
    fst_pretrain_options options;
    fst_run_options common;
    fst_run *run = NULL;
    OK(fst_pretrain_options_init(&options, sizeof options));
    OK(fst_run_options_init(&common, sizeof common));
    options.model = small->model;
    options.optimizer = small->optimizer;
    options.train = small->train;
    options.validation = small->validation;
    options.run = &common;
    spoil(&options, &common);
    fst_status status = fst_pretrain_create(&options, &run);
    fst_run_destroy(run);
    return status;
}

#define SPOIL(name, statement)                                                                     \
    static void name(fst_pretrain_options *o, fst_run_options *r)                                  \
    {                                                                                              \
        (void)o;                                                                                   \
        (void)r;                                                                                   \
        statement;                                                                                 \
    }
SPOIL(nothing, (void)0)
SPOIL(no_model, o->model = NULL)
SPOIL(no_train, o->train = NULL)
SPOIL(small_struct, o->struct_size = 4)
SPOIL(huge_struct, o->struct_size = SIZE_MAX)
SPOIL(small_run_struct, r->struct_size = 0)
SPOIL(zero_rows, o->rows = 0)
SPOIL(negative_rows, o->rows = -1)
SPOIL(huge_rows, o->rows = INT64_MAX)
SPOIL(many_rows, o->rows = INT32_MAX)
SPOIL(zero_accumulation, o->accumulation = 0)
SPOIL(huge_accumulation, o->accumulation = INT64_MAX)
SPOIL(negative_evaluation, o->evaluation_rows = -1)
SPOIL(bad_shuffle, o->shuffle = 2)
SPOIL(full_smoothing, o->label_smoothing = 1)
SPOIL(nan_smoothing, o->label_smoothing = NAN)
SPOIL(negative_z, o->z_loss = -1)
SPOIL(infinite_z, o->z_loss = INFINITY)
SPOIL(unknown_action, o->spike_action = 3)
SPOIL(blind_action, o->spike_action = FST_SPIKE_SKIP)
SPOIL(negative_spike, o->spike_loss_z = -1)
SPOIL(nan_spike, o->spike_gradient_z = NAN)
SPOIL(no_patience, o->spike_patience = 0)
SPOIL(back_to_nothing, (o->spike_action = FST_SPIKE_ROLL_BACK, o->spike_loss_z = 3))
SPOIL(negative_total, r->total_steps = -1)
SPOIL(negative_every, r->evaluate_every = -1)
SPOIL(negative_keep, r->keep = -1)
SPOIL(nothing_to_evaluate, (o->validation = NULL, r->evaluate_every = 1))
SPOIL(idle_patience, r->patience = 1)
SPOIL(nowhere_to_save, r->save_every = 1)
SPOIL(bad_best, r->save_best = 7)

START_TEST(test_create_misuse)
{
    static void (*const spoils[])(fst_pretrain_options *, fst_run_options *) = {
        no_model, no_train, small_struct, huge_struct, small_run_struct, zero_rows, negative_rows,
        huge_rows, many_rows, zero_accumulation, huge_accumulation, negative_evaluation, bad_shuffle,
        full_smoothing, nan_smoothing, negative_z, infinite_z, unknown_action, blind_action,
        negative_spike, nan_spike, no_patience, back_to_nothing, negative_total, negative_every,
        negative_keep, nothing_to_evaluate, idle_patience, nowhere_to_save, bad_best,
    };
    small_config config = small_defaults();
    small_run small;
    small_create_checked(&small, &config);
    OK(create_with(&small, nothing));
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; ++i) {
        fst_status status = create_with(&small, spoils[i]);
        ck_assert_msg(status == FST_ERR_INVALID_ARGUMENT, "case %zu: %s", i, fst_status_name(status));
        ck_assert_msg(strstr(fst_last_error(), "_options") != NULL, "case %zu: %s", i,
                      fst_last_error());
    }
    ck_assert_int_eq(fst_pretrain_create(NULL, NULL), FST_ERR_INVALID_ARGUMENT);
    small_destroy(&small);
    ck_assert_int_eq(small.memory.live_blocks, 0);
}
END_TEST

/* Handles that do not belong together. */
START_TEST(test_partners)
{
    small_config config = small_defaults();
    small_run small, other;
    small_create_checked(&small, &config);
    small_create_checked(&other, &config);
    fst_optimizer *optimizer = small.optimizer;
    fst_dataset *train = small.train, *validation = small.validation;
    small.optimizer = other.optimizer;
    ck_assert_int_eq(create_with(&small, nothing), FST_ERR_MISMATCH);
    small.optimizer = optimizer;
    small.train = other.train;
    ck_assert_int_eq(create_with(&small, nothing), FST_ERR_MISMATCH);
    small.train = train;
    small.validation = other.validation;
    ck_assert_int_eq(create_with(&small, nothing), FST_ERR_MISMATCH);
    small.validation = validation;

    const int32_t ids[] = {1, 2, 3, 400};
    fst_dataset *plain, *packed;
    fst_pack_options pack;
    OK(fst_dataset_from_tokens(small.context, ids, 4, NULL, 0, NULL, &plain));
    OK(fst_pack_options_init(&pack, sizeof pack));
    pack.length = 12;
    OK(fst_dataset_pack(plain, &pack, &packed));
    small.train = plain;
    ck_assert_int_eq(create_with(&small, nothing), FST_ERR_STATE);
    small.train = packed;
    ck_assert_int_eq(create_with(&small, nothing), FST_ERR_MISMATCH); /* id 400 of 17 */
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "400"));
    fst_dataset_destroy(packed);
    pack.length = 13;
    OK(fst_dataset_pack(plain, &pack, &packed));
    small.train = packed;
    ck_assert_int_eq(create_with(&small, nothing), FST_ERR_MISMATCH); /* 13 positions of 12 */
    fst_dataset_destroy(packed);
    fst_dataset_destroy(plain);
    small.train = train;
    small_destroy(&other);
    small_destroy(&small);
}
END_TEST

START_TEST(test_verb_misuse)
{
    small_config config = small_defaults();
    config.run.total_steps = 0;
    small_run small;
    small_create_checked(&small, &config);
    fst_run_progress progress;
    fst_run_info info;
    fst_memory memory;
    double value;
    int64_t count;
    const char *name;
    const fst_status bad = FST_ERR_INVALID_ARGUMENT;
    ck_assert_int_eq(fst_run_step(NULL, NULL, 0), bad);
    ck_assert_int_eq(fst_run_step(small.run, &progress, 3), bad);
    ck_assert_int_eq(fst_run_step(small.run, &progress, SIZE_MAX), bad);
    ck_assert_int_eq(fst_run_advance(NULL, NULL), bad);
    ck_assert_int_eq(fst_run_until(NULL, 1), bad);
    ck_assert_int_eq(fst_run_until(small.run, 0), bad); /* without an end */
    ck_assert_int_eq(fst_run_until(small.run, INT64_MIN), bad);
    ck_assert_int_eq(fst_run_evaluate(NULL), bad);
    ck_assert_int_eq(fst_run_cancel(NULL), bad);
    ck_assert_int_eq(fst_run_save(NULL, "x"), bad);
    ck_assert_int_eq(fst_run_resume(NULL, "x"), bad);
    ck_assert_int_eq(fst_run_metric(NULL, "loss", &value), bad);
    ck_assert_int_eq(fst_run_metric(small.run, NULL, &value), bad);
    ck_assert_int_eq(fst_run_metric(small.run, "loss", NULL), bad);
    ck_assert_int_eq(fst_run_metric_count(NULL, &count), bad);
    ck_assert_int_eq(fst_run_metric_count(small.run, NULL), bad);
    ck_assert_int_eq(fst_run_metric_name(NULL, 0, &name), bad);
    ck_assert_int_eq(fst_run_metric_name(small.run, -1, &name), bad);
    ck_assert_int_eq(fst_run_metric_name(small.run, 1000, &name), bad);
    ck_assert_int_eq(fst_run_metric_name(small.run, 0, NULL), bad);
    ck_assert_int_eq(fst_run_get_info(NULL, &info, sizeof info), bad);
    ck_assert_int_eq(fst_run_get_info(small.run, NULL, sizeof info), bad);
    ck_assert_int_eq(fst_run_get_info(small.run, &info, 0), bad);
    ck_assert_int_eq(fst_run_memory(NULL, &memory, sizeof memory), bad);
    ck_assert_int_eq(fst_run_memory(small.run, NULL, sizeof memory), bad);
    ck_assert_int_eq(fst_run_options_init(NULL, sizeof(fst_run_options)), bad);
    ck_assert_int_eq(fst_pretrain_options_init(NULL, sizeof(fst_pretrain_options)), bad);
    fst_run_destroy(NULL);
    OK(fst_run_until(small.run, 2));
    OK(fst_run_until(small.run, 1)); /* nothing left to do */
    ck_assert_int_eq(step_of(small.run), 2);
    small_destroy(&small);
}
END_TEST

/* ---- the process is as it was ---- */

typedef struct surroundings {
    fenv_t floating;
    int rounding;
    char locale[256], folder[512];
    mode_t mask;
    sigset_t signals;
    struct sigaction actions[32];
    char **environment;
    long standard_bytes[2];
} surroundings;

static surroundings look(const int *streams)
{
    surroundings s;
    memset(&s, 0, sizeof s);
    fegetenv(&s.floating);
    feclearexcept(FE_ALL_EXCEPT);
    s.rounding = fegetround();
    snprintf(s.locale, sizeof s.locale, "%s", setlocale(LC_ALL, NULL));
    ck_assert_ptr_nonnull(getcwd(s.folder, sizeof s.folder));
    s.mask = umask(0);
    umask(s.mask);
    pthread_sigmask(SIG_SETMASK, NULL, &s.signals);
    for (int i = 1; i < 32; ++i)
        sigaction(i, NULL, &s.actions[i]);
    s.environment = environ;
    for (int i = 0; i < 2; ++i)
        s.standard_bytes[i] = lseek(streams[i], 0, SEEK_END);
    return s;
}

#if defined(__x86_64__)
static uint32_t control_words(const fenv_t *environment)
{
    return environment->__control_word ^ (environment->__mxcsr & ~0x3fu) << 16;
}
#else
static uint32_t control_words(const fenv_t *environment)
{
    return (uint32_t)fegetround();
}
#endif

static void expect_same(const surroundings *a, const surroundings *b)
{
    ck_assert_uint_eq(control_words(&a->floating), control_words(&b->floating));
    ck_assert_int_eq(a->rounding, b->rounding);
    ck_assert_str_eq(a->locale, b->locale);
    ck_assert_str_eq(a->folder, b->folder);
    ck_assert_uint_eq(a->mask, b->mask);
    ck_assert(memcmp(&a->signals, &b->signals, sizeof a->signals) == 0);
    for (int i = 1; i < 32; ++i)
        ck_assert_ptr_eq((void *)(uintptr_t)a->actions[i].sa_handler,
                         (void *)(uintptr_t)b->actions[i].sa_handler);
    ck_assert_ptr_eq(a->environment, b->environment);
    ck_assert_int_eq(a->standard_bytes[0], b->standard_bytes[0]);
    ck_assert_int_eq(a->standard_bytes[1], b->standard_bytes[1]);
}

static void whole_life(const char *folder)
{
    small_config config = small_defaults();
    config.provider = FST_PROVIDER_AUTO;
    config.threads = 3;
    config.run.directory = folder;
    config.run.save_every = 2;
    config.run.evaluate_every = 2;
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 4));
    OK(fst_run_resume(small.run, NULL));
    ck_assert_int_lt(fst_run_resume(small.run, "nowhere"), 0);
    OK(fst_run_until(small.run, 0));
    small_destroy(&small);
}

START_TEST(test_host_is_unchanged)
{
    char *folder = small_folder();
    char out[512], err[512];
    snprintf(out, sizeof out, "%s", small_path(folder, "out"));
    snprintf(err, sizeof err, "%s", small_path(folder, "err"));
    /* A host may run with another rounding and flush denormals; both must survive. */
    fesetround(FE_TOWARDZERO);
    fflush(NULL);
    int kept[2] = {dup(1), dup(2)};
    int streams[2] = {open(out, O_CREAT | O_RDWR, 0600), open(err, O_CREAT | O_RDWR, 0600)};
    dup2(streams[0], 1);
    dup2(streams[1], 2);
    surroundings before = look(streams);
    whole_life(folder);
    fflush(NULL);
    surroundings after = look(streams);
    dup2(kept[0], 1);
    dup2(kept[1], 2);
    fesetround(FE_TONEAREST);
    expect_same(&before, &after);
    for (int i = 0; i < 2; ++i) {
        close(kept[i]);
        close(streams[i]);
    }
    small_folder_remove(folder);
}
END_TEST

/* A comma for a point changes no bit, neither out nor in. */
START_TEST(test_locale)
{
    char *folder = small_folder();
    const char *locales[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8"};
    small_config config = small_defaults();
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 2));
    OK(fst_run_save(small.run, small_path(folder, "point")));
    const char *found = NULL;
    for (size_t i = 0; i < sizeof locales / sizeof locales[0] && !found; ++i)
        found = setlocale(LC_ALL, locales[i]);
    if (found) {
        OK(fst_run_save(small.run, small_path(folder, "comma")));
        ck_assert(small_same_file(small_path(folder, "point"), small_path(folder, "comma")));
        OK(fst_run_resume(small.run, small_path(folder, "point")));
        ck_assert_int_eq(small.log.warnings, 0);
    }
    setlocale(LC_ALL, "C");
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_host");
    TCase *cases = tcase_create("run_host");
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, test_callback_codes);
    tcase_add_test(cases, test_cancel_from_callback);
    tcase_add_test(cases, test_busy);
    tcase_add_test(cases, test_destroyed_in_callback);
    tcase_add_test(cases, test_cancel_from_thread);
    tcase_add_test(cases, test_cancel_before);
    tcase_add_test(cases, test_early_stop);
    tcase_add_test(cases, test_metrics);
    tcase_add_test(cases, test_create_misuse);
    tcase_add_test(cases, test_partners);
    tcase_add_test(cases, test_verb_misuse);
    tcase_add_test(cases, test_host_is_unchanged);
    tcase_add_test(cases, test_locale);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
