/*
 * Every allocation fails in turn, alone and with all after it, of datasets of words with tags and of a run
 * over them: the status is FST_ERR_NO_MEMORY, nothing leaks, and every handle can be destroyed.
 */
#include "../support/small_tags.h"
#include "every_allocation.h"

typedef struct life {
    small_tags_config config;
    small_tags s;
    fst_dataset *read, *first, *second;
    fst_entities *entities;
    const char *folder;
} life;

static void prepare_run(void *test)
{
    life *l = test;
    small_tags_prepare(&l->s, &l->config);
}

static fst_status live_run(void *test)
{
    life *l = test;
    int32_t told[TAGS_TRAIN * TAGS_WORDS];
    int64_t count;
    fst_status status = small_tags_start(&l->s, &l->config);
    if (!status)
        status = fst_run_evaluate(l->s.run);
    if (!status)
        status = fst_run_advance(l->s.run, NULL);
    if (!status)
        status = fst_run_save(l->s.run, small_path(l->folder, "state"));
    if (!status)
        status = fst_sft_entities(l->s.run, 1, &l->entities);
    if (!status)
        status = fst_sft_tag(l->s.model, "tags", l->s.validation, 2, told, TAGS_TRAIN * TAGS_WORDS, &count);
    if (!status)
        status = fst_run_step(l->s.run, NULL, 0);
    return status ? status : fst_run_resume(l->s.run, small_path(l->folder, "state"));
}

static void prepare_data(void *test)
{
    life *l = test;
    l->s = (small_tags){0};
    REQUIRE(fst_context_create(&l->config.context, &l->s.context));
    small_tags_make_tokenizer(&l->s);
}

/* A file, in windows; its tags for words from memory; both halves of it; a counter of its entities. */
static fst_status live_data(void *test)
{
    life *l = test;
    static const char *const words[] = {"ann", "sees", "oslo"}, *const tags[] = {"O", "B-X", "I-X"};
    const int64_t offsets[] = {0, 3};
    const int32_t classes[] = {1, 2, 0};
    const char *const paths[] = {small_path(l->folder, "words.conll")};
    fst_word_options how;
    fst_split_options split;
    fst_word_options_init(&how, sizeof how);
    fst_split_options_init(&split, sizeof split);
    how.max_length = 9;
    how.too_long = FST_TOO_LONG_WINDOWS;
    how.overlap = 3;
    split.fraction = 0.5;
    fst_status status = fst_dataset_load_conll(l->s.context, l->s.tokenizer, paths, 1, &how, &l->read);
    if (!status)
        status = fst_dataset_split(l->read, &split, &l->first, &l->second);
    how.tags_of = l->read;
    if (!status)
        status = fst_dataset_from_words(l->s.context, l->s.tokenizer, words, NULL, offsets, 1, &how, &l->s.train);
    if (!status)
        status = fst_entities_create(l->s.context, tags, 3, 1, FST_TAGS_AUTO, &l->entities);
    if (!status)
        status = fst_entities_add(l->entities, classes, classes, offsets, 1);
    return status;
}

static void destroy(void *test)
{
    life *l = test;
    fst_dataset_destroy(l->read);
    fst_dataset_destroy(l->first);
    fst_dataset_destroy(l->second);
    fst_entities_destroy(l->entities);
    l->read = l->first = l->second = NULL;
    l->entities = NULL;
    small_tags_destroy(&l->s);
}

START_TEST(test_each_allocation)
{
    small_memory memory = {0};
    small_tags_config config = small_tags_defaults();
    config.sft.accumulation = 2;
    small_memory_use(&memory, &config.context);
    char *folder = small_folder();
    static const char text[] = "ann\tB-X\nsees\tO\nnew\tB-Y\nyork\tI-Y\n\noslo\tO\n\nbo\tB-X\nand\tO\n";
    small_write_file(small_path(folder, "words.conll"), text, sizeof text - 1);
    life l = {.config = config, .folder = folder};
    const small_life of_run = {prepare_run, live_run, destroy}, of_data = {prepare_data, live_data, destroy};
    const small_failures seen = fail_every_allocation(_i ? &of_run : &of_data, &l, &memory, true);
    ck_assert_int_gt(seen.failed, 10);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    TCase *test = tcase_create("memory");
    tcase_set_timeout(test, 300);
    tcase_add_loop_test(test, test_each_allocation, 0, 2);
    Suite *suite = suite_create("memory of words with tags");
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
