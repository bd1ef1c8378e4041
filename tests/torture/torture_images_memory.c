/*
 * Every allocation of images' life fails in turn: read from files, converted, split, augmented, learned from.
 * The status is FST_ERR_NO_MEMORY, nothing leaks, and every handle can be destroyed.
 */
#include "../support/small_images.h"
#include "every_allocation.h"
#include "small_run.h"

#include <stdio.h>
#include <sys/stat.h>

static const unsigned char idx[] = {0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 2,
                                    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const unsigned char idx_labels[] = {0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2, 1};
static const unsigned char png[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
    0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x08, 0x02, 0x00, 0x00, 0x00, 0xfd,
    0xd4, 0x9a, 0x73, 0x00, 0x00, 0x00, 0x16, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x60,
    0x64, 0x62, 0x66, 0x61, 0x65, 0x63, 0x60, 0xe7, 0xe0, 0xe4, 0xe2, 0xe6, 0x01, 0x00, 0x01,
    0x8f, 0x00, 0x4f, 0x04, 0x74, 0xad, 0xbd, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44,
    0xae, 0x42, 0x60, 0x82,
};

typedef struct life {
    small_memory *memory;
    char *folder;
    fst_context *context;
    fst_model *model;
    fst_dataset *train, *read, *part, *rest;
    fst_run *run;
} life;

static void prepare(void *test)
{
    life *l = test;
    fst_context_options options = tiny_context_options(2);
    small_memory_use(l->memory, &options);
    REQUIRE(fst_context_create(&options, &l->context));
    l->model = small_image_model(l->context, FST_FAMILY_VIT);
    l->train = small_images(l->context, 12, 1, -1);
    l->read = l->part = l->rest = NULL;
    l->run = NULL;
}

static void destroy(void *test)
{
    life *l = test;
    fst_run_destroy(l->run);
    fst_dataset_destroy(l->rest);
    fst_dataset_destroy(l->part);
    fst_dataset_destroy(l->read);
    fst_dataset_destroy(l->train);
    fst_model_destroy(l->model);
    fst_context_destroy(l->context);
}

static fst_status read_files(life *l)
{
    fst_image_options options;
    const char *const names[] = {"a", "b", "c"};
    REQUIRE(fst_image_options_init(&options, sizeof options));
    options.height = options.width = 3;
    options.channels = 3;
    options.class_names = names;
    options.class_count = 3;
    fst_status status = fst_dataset_load_idx(l->context, small_path(l->folder, "images.idx"),
                                             small_path(l->folder, "labels.idx"), &options, &l->read);
    fst_dataset_destroy(l->read);
    l->read = NULL;
    if (!status)
        status = fst_dataset_load_image_folder(l->context, small_path(l->folder, "png"), &options, &l->read);
    return status == FST_ERR_UNSUPPORTED ? FST_OK : status;
}

static fst_status divide(life *l)
{
    const int64_t indices[] = {5, 5, 0};
    fst_split_options split;
    REQUIRE(fst_split_options_init(&split, sizeof split));
    fst_status status = fst_dataset_select(l->train, indices, 3, &l->part);
    fst_dataset_destroy(l->part);
    l->part = NULL;
    return status ? status : fst_dataset_split(l->train, &split, &l->part, &l->rest);
}

static fst_status learn(life *l)
{
    fst_sft_options options;
    fst_augment_options augment = small_augmentation();
    float images[SMALL_VALUES], outputs[12 * SMALL_CLASSES_OF_IMAGES];
    int64_t count, zero = 0;
    REQUIRE(fst_sft_options_init(&options, sizeof options));
    options.model = l->model;
    options.train = l->train;
    options.validation = l->rest;
    options.head = "classes";
    options.rows = 4;
    options.augment = &augment;
    fst_status status = fst_dataset_read_images(l->part, &zero, 1, &augment, 3, images);
    if (!status)
        status = fst_sft_create(&options, &l->run);
    if (!status)
        status = fst_run_step(l->run, NULL, 0);
    if (!status)
        status = fst_run_evaluate(l->run);
    return status ? status
                  : fst_sft_predict(l->model, "classes", l->train, 5, outputs,
                                    12 * SMALL_CLASSES_OF_IMAGES, &count);
}

static fst_status live(void *test)
{
    life *l = test;
    fst_status status = read_files(l);
    if (!status)
        status = divide(l);
    return status ? status : learn(l);
}

START_TEST(test_each_allocation)
{
    small_memory memory = {0};
    char *folder = small_folder();
    life l = {.memory = &memory, .folder = folder};
    small_write_file(small_path(folder, "images.idx"), (const char *)idx, sizeof idx);
    small_write_file(small_path(folder, "labels.idx"), (const char *)idx_labels, sizeof idx_labels);
    ck_assert_int_eq(mkdir(small_path(folder, "png"), 0777), 0);
    ck_assert_int_eq(mkdir(small_path(folder, "png/cat"), 0777), 0);
    ck_assert_int_eq(mkdir(small_path(folder, "png/dog"), 0777), 0);
    small_write_file(small_path(folder, "png/cat/1.png"), (const char *)png, sizeof png);
    small_write_file(small_path(folder, "png/dog/1.png"), (const char *)png, sizeof png);
    const small_failures seen =
        fail_every_allocation(&(small_life){prepare, live, destroy}, &l, &memory, true);
    ck_assert_int_gt(seen.failed, 40);
    for (const char *const *name = (const char *const[]){"png/dog/1.png", "png/cat/1.png", "png/dog",
                                                         "png/cat", "png", NULL}; *name; ++name)
        ck_assert_int_eq(remove(small_path(folder, *name)), 0);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    TCase *test = tcase_create("memory");
    tcase_set_timeout(test, 300);
    tcase_add_test(test, test_each_allocation);
    Suite *suite = suite_create("memory of images");
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
