/*
 * Signals while the library computes: a host's timer or profiler, Ctrl-C. The results must have the
 * same bits as without, for every provider, and every signal must have reached its handler.
 */
#include "fourstage/fourstage.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define REQUIRE(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { ROWS = 8, LENGTH = 128, VOCABULARY = 96, STEPS = 12, PERIOD_MICROSECONDS = 300 };

static volatile sig_atomic_t arrived;

static void count_signal(int number)
{
    (void)number;
    arrived = arrived + 1;
}

static void set_timer(long microseconds)
{
    struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static fst_model *new_model(int32_t provider, int32_t dtype)
{
    fst_context_options options;
    fst_model_config config;
    fst_model_options model_options;
    fst_context *context;
    fst_model *model;
    REQUIRE(fst_context_options_init(&options, sizeof options));
    options.provider = provider;
    options.threads = 2;
    fst_status status = fst_context_create(&options, &context);
    if (status == FST_ERR_UNSUPPORTED)
        return NULL; /* this build has no such provider */
    ck_assert_int_eq(status, FST_OK);
    REQUIRE(fst_model_config_init(&config, sizeof config));
    config.vocabulary_size = VOCABULARY;
    config.context_length = LENGTH;
    config.layers = 2;
    REQUIRE(fst_model_options_init(&model_options, sizeof model_options));
    model_options.dtype = dtype;
    REQUIRE(fst_model_create(context, &config, &model_options, &model));
    fst_context_destroy(context);
    return model;
}

/* The losses of some steps over the same batch. */
static void train(fst_model *model, double *losses)
{
    static int32_t ids[ROWS * LENGTH], targets[ROWS * LENGTH];
    for (int i = 0; i < ROWS * LENGTH; ++i) {
        ids[i] = (i * 7 + i / 5) % VOCABULARY;
        /* A few ignored ones: the loss head then gathers rows. */
        targets[i] = i % 37 == 0 ? FST_IGNORE : (i * 11 + 3) % VOCABULARY;
    }
    fst_optimizer *optimizer;
    fst_batch batch;
    REQUIRE(fst_optimizer_create(model, NULL, &optimizer));
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    for (int step = 0; step < STEPS; ++step) {
        fst_loss loss;
        REQUIRE(fst_model_forward(model, &batch, NULL));
        REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
        REQUIRE(fst_model_backward(model, NULL, NULL));
        REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
        losses[step] = loss.loss;
    }
    fst_optimizer_destroy(optimizer);
}

static const struct {
    int32_t provider, dtype;
} cases[] = {
    {FST_PROVIDER_AUTO, FST_F32},   {FST_PROVIDER_AUTO, FST_BF16},  {FST_PROVIDER_ONEDNN, FST_F32},
    {FST_PROVIDER_CBLAS, FST_F32},  {FST_PROVIDER_CBLAS, FST_BF16},
};

START_TEST(test_storm)
{
    double quiet[STEPS], stormy[STEPS];
    fst_model *model = new_model(cases[_i].provider, cases[_i].dtype);
    if (!model)
        return;
    train(model, quiet);
    fst_model_destroy(model);
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART}, before;
    ck_assert_int_eq(sigaction(SIGALRM, &action, &before), 0);
    for (int repeat = 0; repeat < 8; ++repeat) {
        model = new_model(cases[_i].provider, cases[_i].dtype);
        arrived = 0;
        set_timer(PERIOD_MICROSECONDS);
        train(model, stormy);
        set_timer(0);
        fst_model_destroy(model);
        ck_assert_int_gt(arrived, STEPS);
        ck_assert_mem_eq(quiet, stormy, sizeof quiet);
    }
    sigaction(SIGALRM, &before, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("signals");
    TCase *storm = tcase_create("storm");
    tcase_set_timeout(storm, 300);
    tcase_add_loop_test(storm, test_storm, 0, (int)(sizeof cases / sizeof cases[0]));
    suite_add_tcase(suite, storm);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
