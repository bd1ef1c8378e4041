/* A run over words with tags that was interrupted anywhere ends with the bytes of one that was not. */
#include "../support/small_tags.h"
#include "interrupted.h"
#include "small_run.h"

static small_tags_config configs[4];

static void make_configs(void)
{
    static const double weights[TAGS_CLASSES] = {1, 2, 0.5, 3, 1};
    for (int i = 0; i < 4; ++i) {
        configs[i] = small_tags_defaults();
        configs[i].sft.accumulation = 2;
        configs[i].run.evaluate_every = 2;
    }
    configs[1].windows = 12;
    configs[1].sft.class_weights = weights;
    configs[1].sft.class_weight_count = TAGS_CLASSES;
    configs[1].sft.label_smoothing = 0.1;
    configs[2].adapter = 1;
    configs[2].dtype = FST_BF16;
    configs[2].causal = 1;
    configs[2].sft.shuffle = 0;
    configs[3].sft.spike_loss_z = 3;
    configs[3].sft.spike_warmup = 2;
    configs[3].sft.spike_action = FST_SPIKE_SKIP;
}

typedef struct making {
    const small_tags_config *config;
    small_tags s;
} making;

static fst_run *create(void *test)
{
    making *m = test;
    small_tags_create(&m->s, m->config);
    return m->s.run;
}

static void destroy(void *test)
{
    small_tags_destroy(&((making *)test)->s);
}

START_TEST(test_every_micro_batch)
{
    make_configs();
    making m = {.config = &configs[_i]};
    interrupt_everywhere(&(small_maker){create, destroy, NULL}, &m, 8);
}
END_TEST

/* A checkpoint belongs to its sentences and its tags. */
START_TEST(test_other_data)
{
    small_tags_config config = small_tags_defaults();
    char *folder = small_folder();
    small_tags s;
    small_tags_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    REQUIRE(fst_run_save(s.run, small_path(folder, "one")));
    small_tags_destroy(&s);
    static const char *const names[] = {"O", "B-LOC", "B-PER", "I-LOC", "I-ORG"};
    static const char *const expected[] = {"tags", "examples"};
    for (int i = 0; i < 2; ++i) {
        config.windows = i ? 12 : 0;
        small_tags_prepare(&s, &config);
        if (i == 0) { /* the same sentences with another tag; without validation, whose tags are others */
            const char *words[200], *tags[200];
            int64_t offsets[TAGS_TRAIN + 1] = {0};
            for (int64_t e = 0; e < TAGS_TRAIN; ++e) {
                fst_word_example example;
                REQUIRE(fst_dataset_get_word_example(s.train, e, &example, sizeof example));
                offsets[e + 1] = example.end_word;
                for (int64_t w = example.first_word; w < example.end_word; ++w) {
                    fst_word word;
                    REQUIRE(fst_dataset_get_word(s.train, w, &word, sizeof word));
                    words[w] = word.text;
                    tags[w] = word.tag < 0 ? NULL : names[word.tag];
                }
            }
            fst_word_options how;
            fst_dataset *other;
            REQUIRE(fst_word_options_init(&how, sizeof how));
            how.add_bos = how.add_eos = 1;
            how.tags = names;
            how.tag_count = TAGS_CLASSES;
            REQUIRE(fst_dataset_from_words(s.context, s.tokenizer, words, tags, offsets, TAGS_TRAIN, &how, &other));
            fst_dataset_destroy(s.train);
            fst_dataset_destroy(s.validation);
            s.train = other;
            s.validation = NULL;
        }
        REQUIRE(small_tags_start(&s, &config));
        ck_assert_int_eq(fst_run_resume(s.run, small_path(folder, "one")), FST_ERR_MISMATCH);
        ck_assert_msg(strstr(fst_last_error(), expected[i]), "%s", fst_last_error());
        REQUIRE(fst_run_step(s.run, NULL, 0)); /* untouched */
        small_tags_destroy(&s);
    }
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resuming over words with tags");
    TCase *cases = tcase_create("resume");
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_every_micro_batch, 0, 4);
    tcase_add_test(cases, test_other_data);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
