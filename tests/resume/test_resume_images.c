/* Image classification that was interrupted anywhere ends with the bytes of a run that was not. */
#include "../support/small_images.h"
#include "interrupted.h"
#include "small_run.h"

typedef struct making {
    int32_t family, threads;
    int64_t changed; /* the augmentation differs */
    fst_context *context;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_dataset *train, *validation;
    fst_run *run;
} making;

static fst_run *create(void *test)
{
    making *m = test;
    fst_augment_options augment = small_augmentation();
    fst_run_options run_options;
    fst_sft_options options;
    fst_optimizer_options optimizer;
    augment.flip = m->changed ? .25 : .5;
    m->context = tiny_context(m->threads);
    m->model = small_image_model(m->context, m->family);
    m->train = small_images(m->context, 20, 1, 3);
    m->validation = small_images(m->context, 9, 2, -1);
    REQUIRE(fst_optimizer_options_init(&optimizer, sizeof optimizer));
    REQUIRE(fst_optimizer_create(m->model, &optimizer, &m->optimizer));
    REQUIRE(fst_run_options_init(&run_options, sizeof run_options));
    run_options.total_steps = 4;
    run_options.evaluate_every = 2;
    REQUIRE(fst_sft_options_init(&options, sizeof options));
    options.model = m->model;
    options.optimizer = m->optimizer;
    options.train = m->train;
    options.validation = m->validation;
    options.run = &run_options;
    options.head = "classes";
    options.rows = 4;
    options.accumulation = 2;
    options.augment = &augment;
    REQUIRE(fst_sft_create(&options, &m->run));
    return m->run;
}

static void destroy(void *test)
{
    making *m = test;
    fst_run_destroy(m->run);
    fst_dataset_destroy(m->validation);
    fst_dataset_destroy(m->train);
    fst_optimizer_destroy(m->optimizer);
    fst_model_destroy(m->model);
    fst_context_destroy(m->context);
}

static const int32_t families[] = {FST_FAMILY_VIT, FST_FAMILY_RESNET};

START_TEST(test_every_micro_batch)
{
    making m = {.family = families[_i], .threads = 1 + _i};
    interrupt_everywhere(&(small_maker){create, destroy, NULL}, &m, 8);
}
END_TEST

/* Another augmentation may go on with a checkpoint, with a warning; the images it draws are others. */
START_TEST(test_another_augmentation)
{
    making m = {.family = FST_FAMILY_VIT, .threads = 1};
    char *folder = small_folder();
    fst_run *run = create(&m);
    REQUIRE(fst_run_step(run, NULL, 0));
    REQUIRE(fst_run_save(run, small_path(folder, "one")));
    REQUIRE(fst_run_until(run, 0));
    REQUIRE(fst_run_save(run, small_path(folder, "same")));
    destroy(&m);
    m.changed = 1;
    run = create(&m);
    REQUIRE(fst_run_resume(run, small_path(folder, "one")));
    REQUIRE(fst_run_until(run, 0));
    REQUIRE(fst_run_save(run, small_path(folder, "other")));
    ck_assert(!small_same_file(small_path(folder, "same"), small_path(folder, "other")));
    destroy(&m);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("images");
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, test_every_micro_batch, 0, (int)(sizeof families / sizeof *families));
    tcase_add_test(cases, test_another_augmentation);
    Suite *suite = suite_create("resume_images");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
