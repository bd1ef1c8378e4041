/* A run that was interrupted anywhere ends with the bytes of one that was not. */
#include "small_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { CONFIGS = 16 };

static small_config configs[CONFIGS];

/* Different optimizers, families and safeguards; the epoch ends inside a step in all of them. */
static void make_configs(void)
{
    for (int i = 0; i < CONFIGS; ++i) {
        configs[i] = small_defaults();
        configs[i].run.evaluate_every = 2;
    }
    configs[1].dtype = FST_BF16;
    fst_model_config_set_family(&configs[1].model, FST_FAMILY_LLAMA);
    configs[1].optimizer.kind = FST_OPTIMIZER_MUON;
    configs[1].model.kv_heads = 1;
    configs[2].optimizer.kind = FST_OPTIMIZER_SGD;
    configs[2].optimizer.momentum = 0.9;
    configs[2].pretrain.label_smoothing = 0.1;
    configs[2].pretrain.z_loss = 1e-3;
    configs[2].pretrain.spike_loss_z = 3;
    configs[2].pretrain.spike_gradient_z = 3;
    configs[2].pretrain.spike_warmup = 2;
    configs[2].pretrain.spike_action = FST_SPIKE_SKIP;
    configs[3].documents_apart = true;
    configs[3].checkpointing = 1;
    configs[3].optimizer.keep_gradients = 1;
    configs[4].pretrain.accumulation = 1;
    configs[4].pretrain.rows = 5;
    configs[4].pretrain.shuffle = 0;
    configs[4].without_optimizer = true;
    configs[5].adapter.rank = 3;
    configs[5].adapter.dropout = 0.2;
    configs[6].adapter.rank = 2;
    configs[6].adapter.weight_decomposed = 1;
    configs[6].dtype = FST_BF16;
    fst_model_config_set_family(&configs[6].model, FST_FAMILY_QWEN2);
    configs[7].head.name = "score"; /* decays, as nothing else moves it */
    configs[7].frozen = "layers.0.*";
    configs[8].adapter.rank = 2;
    configs[8].head.name = "value";
    configs[8].head.kind = FST_HEAD_TOKEN;
    configs[8].head.outputs = 3;
    for (int i = SMALL_CONVERSATIONS; i < SMALL_STAGES; ++i)
        configs[7 + i].stage = (small_stage)i;
    configs[9].pretrain.z_loss = 1e-3;
    configs[10].pretrain.label_smoothing = 0.1;
    configs[10].head_only = true;
    configs[10].head.hidden_layers = 2;
    configs[10].head.layer_norm = 1;
    configs[10].head.dropout = 0.1;
    configs[11].dtype = FST_BF16;
    configs[11].sft.language_modelling = 0.5;
    configs[11].pretrain.spike_loss_z = 3;
    configs[11].pretrain.spike_warmup = 2;
    configs[11].pretrain.spike_action = FST_SPIKE_SKIP;
    configs[12].pretrain.accumulation = 1;
    configs[12].pretrain.shuffle = 0;
    configs[13].stage = SMALL_CLASSES;
    configs[13].adapter.rank = 3;
    configs[13].sft.language_modelling = 0.5;
    configs[14].stage = configs[15].stage = SMALL_MASKED;
    configs[15].pretrain.whole_words = 1;
    configs[15].pretrain.mask_probability = 0.3;
    configs[15].documents_apart = true;
    configs[15].dtype = FST_BF16;
    configs[15].pretrain.spike_loss_z = 3;
    configs[15].pretrain.spike_warmup = 2;
    configs[15].pretrain.spike_action = FST_SPIKE_SKIP;
}

static void advance(fst_run *run, int count)
{
    for (int i = 0; i < count; ++i)
        OK(fst_run_advance(run, NULL));
}

START_TEST(test_every_micro_batch)
{
    make_configs();
    const small_config *config = &configs[_i];
    char *folder = small_folder();
    small_run small;
    small_create_checked(&small, config);
    OK(fst_run_until(small.run, 0));
    OK(fst_run_save(small.run, small_path(folder, "straight")));
    small_destroy(&small);
    ck_assert_int_eq(small.memory.live_blocks, 0);

    int count = (int)(config->run.total_steps * config->pretrain.accumulation);
    for (int i = 0; i <= count; ++i) {
        small_create_checked(&small, config);
        advance(small.run, i);
        OK(fst_run_save(small.run, small_path(folder, "between")));
        small_destroy(&small);

        small_create_checked(&small, config);
        OK(fst_run_resume(small.run, small_path(folder, "between")));
        ck_assert_int_eq(small.log.warnings, 0);
        OK(fst_run_save(small.run, small_path(folder, "again")));
        ck_assert_msg(small_same_file(small_path(folder, "between"), small_path(folder, "again")),
                      "what was resumed after %d micro-batches is not what was saved", i);
        OK(fst_run_until(small.run, 0));
        OK(fst_run_save(small.run, small_path(folder, "resumed")));
        small_destroy(&small);
        ck_assert_msg(small_same_file(small_path(folder, "straight"), small_path(folder, "resumed")),
                      "a run resumed after %d micro-batches ends with other bytes", i);
    }
    small_folder_remove(folder);
}
END_TEST

/* Resuming over a run that is somewhere else, in the middle of an accumulation. */
START_TEST(test_over_another_state)
{
    small_config config = small_defaults();
    char *folder = small_folder();
    small_run small;
    small_create_checked(&small, &config);
    advance(small.run, 6);
    OK(fst_run_save(small.run, small_path(folder, "six")));
    OK(fst_run_until(small.run, 0));
    OK(fst_run_save(small.run, small_path(folder, "straight")));
    OK(fst_run_resume(small.run, small_path(folder, "six")));
    advance(small.run, 5);
    OK(fst_run_resume(small.run, small_path(folder, "six")));
    OK(fst_run_until(small.run, 0));
    OK(fst_run_save(small.run, small_path(folder, "resumed")));
    ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "resumed")));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

/* A cancelled evaluation is made up for. */
static int32_t cancel_at_four(const fst_run_progress *progress, void *user)
{
    return progress->step == 4;
}

START_TEST(test_stopped_by_callback)
{
    small_config config = small_defaults();
    config.run.evaluate_every = 2;
    char *folder = small_folder();
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_until(small.run, 0));
    OK(fst_run_save(small.run, small_path(folder, "straight")));
    small_destroy(&small);

    config.run.progress = cancel_at_four;
    small_create_checked(&small, &config);
    ck_assert_int_eq(fst_run_until(small.run, 0), FST_STOPPED);
    OK(fst_run_save(small.run, small_path(folder, "four")));
    OK(fst_run_until(small.run, 0));
    OK(fst_run_save(small.run, small_path(folder, "went-on")));
    OK(fst_run_resume(small.run, small_path(folder, "four")));
    OK(fst_run_until(small.run, 0));
    OK(fst_run_save(small.run, small_path(folder, "resumed")));
    ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "went-on")));
    ck_assert(small_same_file(small_path(folder, "straight"), small_path(folder, "resumed")));
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

/* A checkpoint fits the adapter that it was made with, and no other model. */
START_TEST(test_other_adapters)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    config.adapter.rank = 3;
    small_run small;
    small_create_checked(&small, &config);
    advance(small.run, 2);
    OK(fst_run_save(small.run, small_path(folder, "adapted")));
    small_destroy(&small);
    static const char *const named[] = {"adapter.alpha", "adapter.rank_stabilized", "adapter.rank",
                                        "adapter.weight_decomposed", "adapter was lora"};
    for (int i = 0; i < 5; ++i) {
        small_config other = config;
        other.adapter.alpha = i == 0 ? 7 : config.adapter.alpha;
        other.adapter.rank_stabilized = i == 1;
        other.adapter.rank = i == 2 ? 4 : i == 4 ? 0 : 3;
        other.adapter.weight_decomposed = i == 3;
        small_create_checked(&small, &other);
        ck_assert_int_lt(fst_run_resume(small.run, small_path(folder, "adapted")), FST_OK);
        ck_assert_msg(strstr(fst_last_error(), named[i]) != NULL, "%s: %s", named[i],
                      fst_last_error());
        small_destroy(&small);
    }
    small_folder_remove(folder);
}
END_TEST

/* Nor other heads, nor another choice of what is trained: with plain descent no moment would miss. */
START_TEST(test_other_heads)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    config.optimizer.kind = FST_OPTIMIZER_SGD;
    config.head.name = "score";
    config.frozen = "layers.0.*";
    small_run small;
    small_create_checked(&small, &config);
    advance(small.run, 2);
    OK(fst_run_save(small.run, small_path(folder, "headed")));
    small_destroy(&small);
    static const char *const named[] = {"heads.score.kind", "heads.score.pooling",
                                        "heads.score.bias", "heads was 1", "trainable",
                                        "heads.other", "heads.score.weight",
                                        "heads.score.hidden_layers"};
    for (int i = 0; i < 8; ++i) {
        small_config other = config;
        other.head.kind = i == 0 ? FST_HEAD_TOKEN : FST_HEAD_SEQUENCE;
        other.head.pooling = i == 1 ? FST_POOL_MEAN : FST_POOL_LAST;
        other.head.bias = i != 2;
        other.head.name = i == 3 ? NULL : i == 5 ? "other" : "score";
        other.frozen = i == 4 ? "layers.1.*" : config.frozen;
        other.head.outputs = i == 6 ? 2 : 1;
        other.head.hidden_layers = i == 7;
        small_create_checked(&small, &other);
        ck_assert_int_lt(fst_run_resume(small.run, small_path(folder, "headed")), FST_OK);
        ck_assert_msg(strstr(fst_last_error(), named[i]) != NULL, "%s: %s", named[i],
                      fst_last_error());
        small_destroy(&small);
    }
    small_folder_remove(folder);
}
END_TEST

/* The number of threads leaves no trace. */
START_TEST(test_threads)
{
    small_config config = small_defaults();
    config.provider = _i == 0 ? FST_PROVIDER_AUTO : _i == 1 ? FST_PROVIDER_CBLAS
                                                            : FST_PROVIDER_REFERENCE;
    config.model.width = 64;
    config.model.heads = 4;
    config.model.vocabulary_size = 301;
    config.model.context_length = 40;
    config.tokens = 4000;
    config.pretrain.rows = 8;
    config.pretrain.accumulation = 1;
    config.run.total_steps = config.optimizer.total_steps = 50;
    char *folder = small_folder();
    for (int32_t threads = 1; threads <= 4; ++threads) {
        char name[8];
        snprintf(name, sizeof name, "%d", (int)threads);
        config.threads = threads;
        small_run small;
        small_create_checked(&small, &config);
        OK(fst_run_until(small.run, 0));
        OK(fst_run_save(small.run, small_path(folder, name)));
        small_destroy(&small);
        ck_assert_msg(small_same_file(small_path(folder, "1"), small_path(folder, name)),
                      "%d threads train other weights than one", (int)threads);
    }
    small_folder_remove(folder);
}
END_TEST

/* A loop by hand over the public parts gives the run's weights. */
START_TEST(test_custom_loop)
{
    small_config config = small_defaults();
    small_run run, hand;
    small_create_checked(&run, &config);
    OK(fst_run_until(run.run, 0));
    small_create_checked(&hand, &config);
    enum { ROWS = 3, LENGTH = 12, PARTS = 3 };
    int32_t ids[PARTS][ROWS * LENGTH], targets[PARTS][ROWS * LENGTH];
    for (int64_t step = 0; step < 8; ++step) {
        int64_t count = 0;
        for (int64_t i = 0; i < PARTS; ++i) {
            OK(fst_dataset_read(hand.train, (step * PARTS + i) * ROWS, ROWS, 1, ids[i], targets[i],
                                NULL, NULL));
            for (int j = 0; j < ROWS * LENGTH; ++j)
                count += targets[i][j] >= 0;
        }
        for (int64_t i = 0; i < PARTS; ++i) {
            fst_batch batch;
            fst_forward_options forward;
            fst_loss_options options;
            fst_loss loss;
            fst_batch_init(&batch, sizeof batch);
            fst_forward_options_init(&forward, sizeof forward);
            fst_loss_options_init(&options, sizeof options);
            batch.rows = ROWS;
            batch.length = LENGTH;
            batch.ids = ids[i];
            batch.targets = targets[i];
            forward.step = step * PARTS + i;
            options.scale = 1 / (double)count;
            OK(fst_model_forward(hand.model, &batch, &forward));
            OK(fst_model_loss(hand.model, &options, &loss, sizeof loss));
            OK(fst_model_backward(hand.model, NULL, NULL));
        }
        OK(fst_optimizer_step(hand.optimizer, NULL, 0));
    }
    int64_t parameters;
    OK(fst_model_parameter_count(hand.model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view a, b;
        OK(fst_model_parameter_name(hand.model, i, &name));
        OK(fst_model_parameter(hand.model, name, &a));
        OK(fst_model_parameter(run.model, name, &b));
        size_t size = (size_t)a.shape[0] * (a.rank > 1 ? (size_t)a.shape[1] : 1) * sizeof(float);
        ck_assert_msg(memcmp(a.data, b.data, size) == 0, "%s differs", name);
    }
    small_destroy(&run);
    small_destroy(&hand);
}
END_TEST

/* One batch of nine rows and three of three have the same gradient, but for rounding. */
START_TEST(test_accumulation)
{
    small_config config = small_defaults();
    config.model.dropout = config.model.attention_dropout = 0;
    config.documents_apart = true; /* rows with padding: their targets count, not the rows */
    config.stage = (small_stage)_i;
    double norms[2], losses[2];
    for (int i = 0; i < 2; ++i) {
        small_run small;
        config.pretrain.rows = i == 0 ? 3 : 9;
        config.pretrain.accumulation = i == 0 ? 3 : 1;
        small_create_checked(&small, &config);
        fst_run_progress progress;
        OK(fst_run_step(small.run, &progress, sizeof progress));
        norms[i] = progress.gradient_norm;
        losses[i] = progress.loss;
        small_destroy(&small);
    }
    ck_assert_double_eq_tol(norms[0], norms[1], 1e-5 * norms[1]);
    ck_assert_double_eq_tol(losses[0], losses[1], 1e-6 * losses[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resume");
    TCase *cases = tcase_create("resume");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_every_micro_batch, 0, CONFIGS);
    tcase_add_test(cases, test_over_another_state);
    tcase_add_test(cases, test_stopped_by_callback);
    tcase_add_test(cases, test_other_adapters);
    tcase_add_test(cases, test_other_heads);
    tcase_add_loop_test(cases, test_threads, 0, 3);
    tcase_add_test(cases, test_custom_loop);
    tcase_add_loop_test(cases, test_accumulation, 0, SMALL_STAGES);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
