/* Image classification: that it learns, that its loop is the public parts', what it measures and refuses. */
#include "../support/small_images.h"

#include "fourstage/dpo.h"
#include "fourstage/objectives.h"
#include "fourstage/optimizer.h"
#include "fourstage/pretrain.h"
#include "fourstage/reward.h"
#include "fourstage/words.h"

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        fst_status refused_ = (call);                                                              \
        ck_assert_msg(refused_ == (status), "%s: %s: %s", #call, fst_status_name(refused_),        \
                      fst_last_error());                                                           \
        ck_assert_msg(strstr(fst_last_error(), words) != NULL, "%s", fst_last_error());            \
    } while (0)

enum { TRAIN = 61, VALIDATION = 30, ROWS = 6, CLASSES = SMALL_CLASSES_OF_IMAGES };

static double metric(const fst_run *run, const char *name)
{
    double value;
    REQUIRE(fst_run_metric(run, name, &value));
    return value;
}

static fst_optimizer *make_optimizer(fst_model *model)
{
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_options_init(&options, sizeof options));
    options.learning_rate = 3e-3;
    REQUIRE(fst_optimizer_create(model, &options, &optimizer));
    return optimizer;
}

typedef struct made {
    fst_context *context;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_dataset *train, *validation;
    fst_augment_options augment;
    fst_run_options run_options;
    fst_sft_options options;
} made;

static made make(int32_t threads)
{
    made m = {.context = tiny_context(threads), .augment = small_augmentation()};
    m.model = small_image_model(m.context, FST_FAMILY_VIT);
    m.optimizer = make_optimizer(m.model);
    m.train = small_images(m.context, TRAIN, 1, 7);
    m.validation = small_images(m.context, VALIDATION, 2, 4);
    REQUIRE(fst_run_options_init(&m.run_options, sizeof m.run_options));
    REQUIRE(fst_sft_options_init(&m.options, sizeof m.options));
    m.options.model = m.model;
    m.options.optimizer = m.optimizer;
    m.options.train = m.train;
    m.options.validation = m.validation;
    m.options.head = "classes";
    m.options.rows = ROWS;
    m.options.accumulation = 2;
    m.options.label_smoothing = 0.1;
    return m;
}

static fst_run *make_run(made *m)
{
    fst_run *run;
    m->options.augment = &m->augment;
    m->options.run = &m->run_options;
    REQUIRE(fst_sft_create(&m->options, &run));
    return run;
}

static void give_up(made *m)
{
    fst_dataset_destroy(m->validation);
    fst_dataset_destroy(m->train);
    fst_optimizer_destroy(m->optimizer);
    fst_model_destroy(m->model);
    fst_context_destroy(m->context);
}

/* The loop as sft.h tells it. */
static void own_step(made *m, int64_t step)
{
    fst_label_loss_options loss;
    fst_score_loss result;
    float weights[ROWS], gradient[ROWS * CLASSES], labels[2][ROWS], images[ROWS * SMALL_VALUES];
    int64_t indices[2][ROWS];
    double there = 0;
    REQUIRE(fst_label_loss_options_init(&loss, sizeof loss));
    loss.label_smoothing = m->options.label_smoothing;
    for (int64_t i = 0; i < 2; ++i) {
        REQUIRE(fst_dataset_order(m->train, (2 * step + i) * ROWS, ROWS, 1, indices[i]));
        REQUIRE(fst_dataset_read_labels(m->train, indices[i], ROWS, labels[i]));
        for (int j = 0; j < ROWS; ++j)
            there += !isnan(labels[i][j]);
    }
    for (int64_t i = 0; i < 2; ++i) {
        int64_t micro = 2 * step + i;
        fst_batch batch;
        fst_forward_options forward;
        fst_view view;
        REQUIRE(fst_dataset_read_images(m->train, indices[i], ROWS, &m->augment, micro * ROWS, images));
        REQUIRE(fst_batch_init(&batch, sizeof batch));
        REQUIRE(fst_forward_options_init(&forward, sizeof forward));
        batch.rows = ROWS;
        batch.images = images;
        forward.step = micro;
        REQUIRE(fst_model_forward(m->model, &batch, &forward));
        REQUIRE(fst_model_output(m->model, "classes", &view));
        for (int j = 0; j < ROWS; ++j)
            weights[j] = (float)(1 / there);
        REQUIRE(fst_loss_classes(&loss, view.data, labels[i], weights, ROWS, CLASSES, gradient, &result,
                                 sizeof result));
        view.data = gradient;
        REQUIRE(fst_model_add_gradient(m->model, "classes", &view));
        REQUIRE(fst_model_backward(m->model, NULL, NULL));
    }
    REQUIRE(fst_optimizer_step(m->optimizer, NULL, 0));
}

static void same_weights(fst_model *a, fst_model *b)
{
    int64_t count;
    REQUIRE(fst_model_parameter_count(a, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view left, right;
        REQUIRE(fst_model_parameter_name(a, i, &name));
        REQUIRE(fst_model_parameter(a, name, &left));
        REQUIRE(fst_model_parameter(b, name, &right));
        int64_t values = 1;
        for (int32_t d = 0; d < left.rank; ++d)
            values *= left.shape[d];
        ck_assert_msg(memcmp(left.data, right.data, (size_t)values * sizeof(float)) == 0, "%s", name);
    }
}

/* The run's bits are those of the public parts, on any number of threads. */
START_TEST(test_own_loop)
{
    made run_side = make(_i), own_side = make(2);
    fst_run *run = make_run(&run_side);
    own_side.augment = run_side.augment;
    for (int64_t step = 0; step < 8; ++step) { /* over the end of an epoch */
        REQUIRE(fst_run_step(run, NULL, 0));
        own_step(&own_side, step);
    }
    same_weights(run_side.model, own_side.model);
    fst_run_destroy(run);
    give_up(&own_side);
    give_up(&run_side);
}
END_TEST

START_TEST(test_learns)
{
    made m = make(2);
    m.run_options.total_steps = 150;
    fst_run *run = make_run(&m);
    REQUIRE(fst_run_until(run, 0));
    REQUIRE(fst_run_evaluate(run));
    ck_assert_double_ge(metric(run, "validation_accuracy"), .9);
    ck_assert_double_ge(metric(run, "validation_top5_accuracy"), metric(run, "validation_accuracy"));
    ck_assert_double_eq(metric(run, "tokens"), 2 * ROWS);
    float outputs[VALIDATION * CLASSES];
    int64_t counts[CLASSES * CLASSES], count, right = 0, labelled = 0, top = 0;
    REQUIRE(fst_sft_predict(m.model, "classes", m.validation, 7, outputs, VALIDATION * CLASSES, &count));
    REQUIRE(fst_sft_confusion(run, counts, CLASSES * CLASSES, &count));
    for (int64_t i = 0; i < VALIDATION; ++i) {
        float label;
        int larger = 0;
        REQUIRE(fst_dataset_read_labels(m.validation, &i, 1, &label));
        if (isnan(label))
            continue;
        for (int c = 0; c < CLASSES; ++c)
            larger += outputs[i * CLASSES + c] > outputs[i * CLASSES + (int)label];
        right += larger == 0;
        top += larger < 5;
        ++labelled;
    }
    ck_assert_double_eq_tol(metric(run, "validation_accuracy"), (double)right / (double)labelled, 1e-12);
    ck_assert_double_eq_tol(metric(run, "validation_top5_accuracy"), (double)top / (double)labelled, 1e-12);
    int64_t sum = 0;
    for (int i = 0; i < CLASSES * CLASSES; ++i)
        sum += counts[i];
    ck_assert_int_eq(sum, labelled);
    fst_run_destroy(run);
    give_up(&m);
}
END_TEST

/* A frozen trunk under a new head. */
START_TEST(test_linear_probe)
{
    made m = make(1);
    fst_view before, after;
    float kept[64];
    fst_optimizer_destroy(m.optimizer);
    REQUIRE(fst_model_set_trainable(m.model, "*", 0));
    REQUIRE(fst_model_set_trainable(m.model, "heads.classes.*", 1));
    m.optimizer = make_optimizer(m.model);
    m.options.optimizer = m.optimizer;
    REQUIRE(fst_model_parameter(m.model, "embedding.patches.weight", &before));
    memcpy(kept, before.data, sizeof kept);
    fst_run *run = make_run(&m);
    for (int i = 0; i < 3; ++i)
        REQUIRE(fst_run_step(run, NULL, 0));
    REQUIRE(fst_model_parameter(m.model, "embedding.patches.weight", &after));
    ck_assert_mem_eq(kept, after.data, sizeof kept);
    ck_assert(metric(run, "gradient_norm") > 0);
    fst_run_destroy(run);
    give_up(&m);
}
END_TEST

START_TEST(test_steady)
{
    made m = make(2);
    fst_run *run = make_run(&m);
    for (int i = 0; i < 3; ++i)
        REQUIRE(fst_run_step(run, NULL, 0));
    int64_t before = tiny_allocations(m.context);
    for (int i = 0; i < 5; ++i)
        REQUIRE(fst_run_step(run, NULL, 0));
    ck_assert_int_eq(tiny_allocations(m.context), before);
    fst_run_destroy(run);
    give_up(&m);
}
END_TEST

START_TEST(test_refusals)
{
    made m = make(1);
    fst_run *run = NULL;
    fst_sft_options good = m.options, bad = good;
    bad.length = 5;
    REFUSED(fst_sft_create(&bad, &run), FST_ERR_INVALID_ARGUMENT, "length");
    bad = good;
    bad.language_modelling = .5;
    REFUSED(fst_sft_create(&bad, &run), FST_ERR_INVALID_ARGUMENT, "language_modelling");
    m.augment.flip = 2;
    bad = good;
    bad.augment = &m.augment;
    REFUSED(fst_sft_create(&bad, &run), FST_ERR_INVALID_ARGUMENT, "fst_sft_options.augment.flip");

    uint8_t pixels[2 * 16 * 16 * 3] = {0};
    fst_dataset *other, *unlabelled;
    const float labels[] = {0, 1};
    REQUIRE(fst_dataset_from_images(m.context, pixels, 2, 3, 16, 16, labels, 1, NULL, &other));
    bad = good;
    bad.train = other;
    REFUSED(fst_sft_create(&bad, &run), FST_ERR_MISMATCH, "3 × 16 × 16");
    REQUIRE(fst_dataset_from_images(m.context, pixels, 2, 3, 8, 8, NULL, 0, NULL, &unlabelled));
    bad.train = unlabelled;
    REFUSED(fst_sft_create(&bad, &run), FST_ERR_MISMATCH, "without labels");
    fst_dataset_destroy(unlabelled);
    fst_dataset_destroy(other);

    /* Texts with a model of images, images with a model of texts. */
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *text = tiny_model(m.context, &config, FST_F32, 0);
    fst_head_options head;
    int64_t count;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "classes";
    head.outputs = CLASSES;
    REQUIRE(fst_model_add_head(text, &head));
    bad = good;
    bad.model = text;
    bad.optimizer = NULL;
    REFUSED(fst_sft_create(&bad, &run), FST_ERR_MISMATCH, "the model reads ids");
    REFUSED(fst_sft_predict(text, "classes", m.train, 4, NULL, 0, &count), FST_ERR_MISMATCH,
            "the model reads ids");
    fst_model_destroy(text);
    give_up(&m);
}
END_TEST

/* Runs and functions of ids say so, whatever the model. */
START_TEST(test_other_stages)
{
    made m = make(1);
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *text = tiny_model(m.context, &config, FST_F32, 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "score";
    REQUIRE(fst_model_add_head(text, &head));
    for (int i = 0; i < 2; ++i) {
        fst_run *run = NULL;
        fst_pretrain_options pretrain;
        fst_reward_options reward;
        fst_dpo_options dpo;
        REQUIRE(fst_pretrain_options_init(&pretrain, sizeof pretrain));
        pretrain.model = i ? text : m.model;
        pretrain.train = m.train;
        REFUSED(fst_pretrain_create(&pretrain, &run), i ? FST_ERR_STATE : FST_ERR_MISMATCH,
                i ? "train" : "model");
        REQUIRE(fst_reward_options_init(&reward, sizeof reward));
        reward.model = i ? text : m.model;
        reward.train = m.train;
        ck_assert_int_lt(fst_reward_create(&reward, &run), 0);
        REQUIRE(fst_dpo_options_init(&dpo, sizeof dpo));
        dpo.model = i ? text : m.model;
        dpo.train = m.train;
        ck_assert_int_lt(fst_dpo_create(&dpo, &run), 0);
        ck_assert_ptr_null(run);
        int64_t count;
        ck_assert_int_lt(fst_sft_tag(i ? text : m.model, "score", m.train, 2, NULL, 0, &count), 0);
        fst_words_info words;
        REFUSED(fst_dataset_get_words_info(m.train, &words, sizeof words), FST_ERR_STATE, "");
    }
    fst_model_destroy(text);
    give_up(&m);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("images");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, test_own_loop, 1, 5);
    tcase_add_test(cases, test_learns);
    tcase_add_test(cases, test_linear_probe);
    tcase_add_test(cases, test_steady);
    tcase_add_test(cases, test_refusals);
    tcase_add_test(cases, test_other_stages);
    Suite *suite = suite_create("sft_images");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
