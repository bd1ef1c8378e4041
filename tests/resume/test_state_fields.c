/*
 * Nothing in a checkpoint is idle: with any one field gone the file is refused and the field named;
 * with any one changed it is refused, or warned about, or the run ends differently.
 */
#include "checkpoint_parts.h"
#include "small_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

/* What a resumed run shows of the state it was given. */
typedef struct outcome {
    fst_status status;
    int64_t warnings;
    char *bytes; /* of the final checkpoint */
    size_t size;
    int64_t best_step;  /* right after resuming */
    double metrics[32]; /* after the first step */
} outcome;

static void outcome_free(outcome *o)
{
    free(o->bytes);
}

/* Overfits noise: the validation loss is best at first, so that no later best hides a changed one. */
static small_stage stage;

static small_config make_config(void)
{
    small_config config = small_defaults();
    config.stage = stage;
    config.model.dropout = config.model.attention_dropout = 0;
    config.tokens = 60; /* learnt by heart */
    config.optimizer.learning_rate = 0.05;
    config.optimizer.warmup_steps = 0;
    config.run.evaluate_every = 2;
    config.run.patience = 50;
    config.pretrain.z_loss = 1e-3;
    config.pretrain.spike_loss_z = 100;
    config.pretrain.spike_gradient_z = 100;
    config.pretrain.spike_warmup = 3;
    return config;
}

static const char *const wall_clock[] = {"tokens_per_second", "seconds_left"};

static void read_metrics(const fst_run *run, double *metrics)
{
    int64_t count;
    OK(fst_run_metric_count(run, &count));
    ck_assert_int_lt(count, 32);
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        OK(fst_run_metric_name(run, i, &name));
        OK(fst_run_metric(run, name, &metrics[i]));
        if (strcmp(name, wall_clock[0]) == 0 || strcmp(name, wall_clock[1]) == 0)
            metrics[i] = 0;
    }
}

static outcome resume_and_finish(const char *path)
{
    small_config config = make_config();
    small_run small;
    outcome o = {0};
    char *folder = small_folder();
    small_create_checked(&small, &config);
    o.status = fst_run_resume(small.run, path);
    o.warnings = small.log.warnings;
    fst_run_info info;
    OK(fst_run_get_info(small.run, &info, sizeof info));
    o.best_step = info.best_step;
    if (!o.status)
        o.status = fst_run_step(small.run, NULL, 0);
    if (!o.status) {
        read_metrics(small.run, o.metrics);
        o.status = fst_run_until(small.run, 0);
    }
    if (!o.status) {
        OK(fst_run_save(small.run, small_path(folder, "end")));
        o.bytes = small_read_file(small_path(folder, "end"), &o.size);
    }
    small_destroy(&small);
    small_folder_remove(folder);
    return o;
}

static bool differs(const outcome *left, const outcome *right)
{
    return left->status != right->status || left->warnings != right->warnings ||
           left->size != right->size || left->best_step != right->best_step ||
           memcmp(left->bytes, right->bytes, left->size) != 0 ||
           memcmp(left->metrics, right->metrics, sizeof left->metrics) != 0;
}

/* A checkpoint after so many micro-batches. */
static void make_checkpoint(const char *path, int micro_batches)
{
    small_config config = make_config();
    small_run small;
    small_create_checked(&small, &config);
    for (int i = 0; i < micro_batches; ++i)
        OK(fst_run_advance(small.run, NULL));
    OK(fst_run_save(small.run, path));
    small_destroy(&small);
}

/* In the middle of the fifth step, and at the end of the fourth, whose evaluation is done. */
static const int moments[] = {14, 12};

/* Loops of each moment of each stage. */
enum { MOMENTS = 2 * SMALL_KINDS };

START_TEST(test_written_again)
{
    stage = (small_stage)(_i / 2);
    char *folder = small_folder();
    make_checkpoint(small_path(folder, "whole"), moments[_i % 2]);
    parts p;
    take_apart(&p, small_path(folder, "whole"));
    write_again(&p, small_path(folder, "again"), NULL);
    ck_assert(small_same_file(small_path(folder, "whole"), small_path(folder, "again")));
    parts_free(&p);
    small_folder_remove(folder);
}
END_TEST

static void check_dropped(parts *p, const char *folder, const char *name)
{
    write_again(p, small_path(folder, "less"), name);
    small_config config = make_config();
    small_run small;
    small_create_checked(&small, &config);
    fst_status status = fst_run_resume(small.run, small_path(folder, "less"));
    ck_assert_msg(status == FST_ERR_FORMAT, "without %s: %s", name, fst_status_name(status));
    ck_assert_msg(strstr(fst_last_error(), name) != NULL, "without %s: %s", name, fst_last_error());
    /* Refused whole: the run is as new. */
    OK(fst_run_save(small.run, small_path(folder, "untouched")));
    ck_assert(small_same_file(small_path(folder, "untouched"), small_path(folder, "new")));
    small_destroy(&small);
}

START_TEST(test_dropped)
{
    stage = (small_stage)(_i / 2);
    char *folder = small_folder();
    make_checkpoint(small_path(folder, "whole"), moments[_i % 2]);
    make_checkpoint(small_path(folder, "new"), 0);
    parts p;
    take_apart(&p, small_path(folder, "whole"));
    for (size_t i = 0; i < fst__safetensors_count(p.file); ++i)
        check_dropped(&p, folder, fst__safetensors_at(p.file, i).name);
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(p.header, "__metadata__"), key, value)
        check_dropped(&p, folder, key);
    parts_free(&p);
    small_folder_remove(folder);
}
END_TEST

START_TEST(test_changed)
{
    stage = (small_stage)_i;
    char *folder = small_folder();
    const char *whole[2];
    outcome straight[2];
    parts p[2];
    for (int m = 0; m < 2; ++m) {
        whole[m] = small_path(folder, m == 0 ? "whole0" : "whole1");
        make_checkpoint(whole[m], moments[m]);
        straight[m] = resume_and_finish(whole[m]);
        ck_assert_int_eq(straight[m].status, FST_OK);
        take_apart(&p[m], whole[m]);
    }
    /* Every field that the first moment has; the second has all but the gradients. */
    for (size_t i = 0; i < fst__safetensors_count(p[0].file); ++i) {
        const char *name = fst__safetensors_at(p[0].file, i).name;
        bool noticed = false;
        for (int m = 0; m < 2 && !noticed; ++m) {
            for (size_t j = 0; j < fst__safetensors_count(p[m].file) && !noticed; ++j) {
                fst__safetensors_tensor t = fst__safetensors_at(p[m].file, j);
                if (strcmp(t.name, name) != 0)
                    continue;
                char *before = malloc(t.bytes);
                memcpy(before, p[m].values[j], t.bytes);
                for (int way = 0; way < 2 && !noticed; ++way) {
                    parts_change(&t, p[m].values[j], way);
                    write_again(&p[m], small_path(folder, "changed"), NULL);
                    outcome other = resume_and_finish(small_path(folder, "changed"));
                    noticed = differs(&straight[m], &other);
                    outcome_free(&other);
                    memcpy(p[m].values[j], before, t.bytes);
                }
                free(before);
            }
        }
        ck_assert_msg(noticed, "%s can be changed and nobody notices", name);
    }
    for (int m = 0; m < 2; ++m) {
        outcome_free(&straight[m]);
        parts_free(&p[m]);
    }
    small_folder_remove(folder);
}
END_TEST

/* Every setting in the metadata is compared: refused with its name, or warned about. */
START_TEST(test_changed_settings)
{
    stage = (small_stage)_i;
    char *folder = small_folder();
    make_checkpoint(small_path(folder, "whole"), 6);
    parts p;
    take_apart(&p, small_path(folder, "whole"));
    json_t *metadata = json_object_get(p.header, "__metadata__");
    json_t *copy = json_deep_copy(metadata), *value;
    const char *key;
    json_object_foreach(copy, key, value) {
        if (strcmp(key, "checksum") == 0)
            continue;
        json_object_set_new(metadata, key, json_string("something else"));
        write_again(&p, small_path(folder, "other"), NULL);
        small_config config = make_config();
        small_run small;
        small_create_checked(&small, &config);
        fst_status status = fst_run_resume(small.run, small_path(folder, "other"));
        const char *text = status ? fst_last_error() : small.log.last_warning;
        ck_assert_msg(status == FST_ERR_MISMATCH || status == FST_ERR_FORMAT ||
                          (status == FST_OK && small.log.warnings == 1),
                      "%s: %s", key, fst_status_name(status));
        ck_assert_msg(strstr(text, key) != NULL, "%s: %s", key, text);
        small_destroy(&small);
        json_object_set(metadata, key, value);
    }
    json_decref(copy);
    parts_free(&p);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state_fields");
    TCase *cases = tcase_create("state_fields");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_written_again, 0, MOMENTS);
    tcase_add_loop_test(cases, test_dropped, 0, MOMENTS);
    tcase_add_loop_test(cases, test_changed, 0, SMALL_KINDS);
    tcase_add_loop_test(cases, test_changed_settings, 0, SMALL_KINDS);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
