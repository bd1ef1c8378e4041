/* Images as data: arrays, what other functions say to them, splits and selections, reading in any number
 * of threads, augmentation as it was drawn. */
#include "../support/tiny_model.h"
#include "data/augment.h"
#include "data/resample.h"
#include "fourstage/images.h"

#include <stdbool.h>

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        fst_status refused_ = (call);                                                              \
        ck_assert_msg(refused_ == (status), "%s: %s: %s", #call, fst_status_name(refused_),        \
                      fst_last_error());                                                           \
        ck_assert_msg(strstr(fst_last_error(), words) != NULL, "%s", fst_last_error());            \
    } while (0)

enum { COUNT = 20, HEIGHT = 12, WIDTH = 10, VALUES = 3 * HEIGHT * WIDTH };

static uint8_t pixels[COUNT * VALUES];
static float labels[COUNT];
static int released;

static void count_release(void *user)
{
    ++*(int *)user;
}

static void fill(void)
{
    uint32_t state = 7;
    for (size_t i = 0; i < sizeof pixels; ++i) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(state >> 24);
    }
    for (int i = 0; i < COUNT; ++i)
        labels[i] = (float)(i % 4);
}

static fst_dataset *make(fst_context *context, int32_t channels, const fst_image_options *options)
{
    fst_dataset *dataset;
    fill();
    REQUIRE(fst_dataset_from_images(context, pixels, COUNT, channels, HEIGHT, WIDTH, labels, 1, options,
                                    &dataset));
    return dataset;
}

static fst_image_options image_options(void)
{
    fst_image_options options;
    REQUIRE(fst_image_options_init(&options, sizeof options));
    return options;
}

static fst_augment_options simclr(void)
{
    fst_augment_options options;
    REQUIRE(fst_augment_options_simclr(&options, sizeof options, 1));
    return options;
}

START_TEST(test_arrays)
{
    fst_context *context = tiny_context(1);
    fst_image_options options = image_options();
    released = 0;
    options.release = count_release;
    options.release_user = &released;
    fst_dataset *dataset = make(context, 3, &options), *some;
    fst_images_info info;
    REQUIRE(fst_dataset_get_images_info(dataset, &info, sizeof info));
    ck_assert_int_eq(info.images, COUNT);
    ck_assert(info.channels == 3 && info.height == HEIGHT && info.width == WIDTH);
    ck_assert_int_eq(info.label_count, 1);
    const int64_t indices[] = {3, 19, 3};
    float read[3 * VALUES], found[3];
    REQUIRE(fst_dataset_read_images(dataset, indices, 3, NULL, 0, read));
    REQUIRE(fst_dataset_read_labels(dataset, indices, 3, found));
    for (int i = 0; i < 3; ++i) {
        ck_assert_float_eq(found[i], labels[indices[i]]);
        for (int j = 0; j < VALUES; ++j)
            ck_assert_float_eq_tol(read[i * VALUES + j], pixels[indices[i] * VALUES + j] / 255.0f, 1e-7f);
    }
    REQUIRE(fst_dataset_select(dataset, indices, 3, &some));
    fst_dataset_destroy(dataset);
    ck_assert_int_eq(released, 0);
    const int64_t second[] = {1};
    float again[VALUES];
    REQUIRE(fst_dataset_read_images(some, second, 1, NULL, 0, again));
    ck_assert_mem_eq(again, read + VALUES, sizeof again);
    REFUSED(fst_dataset_read_images(some, indices, 1, NULL, 0, again), FST_ERR_INVALID_ARGUMENT,
            "indices[0] is 3");
    fst_dataset_destroy(some);
    ck_assert_int_eq(released, 1);
    fst_context_destroy(context);
}
END_TEST

START_TEST(test_released_once_copied)
{
    fst_context *context = tiny_context(1);
    fst_image_options options = image_options();
    options.release = count_release;
    options.release_user = &released;
    for (int i = 0; i < 3; ++i) {
        released = 0;
        options.copy = i == 0;
        options.channels = i == 1 ? 1 : 0;
        options.height = options.width = i == 2 ? 7 : 0;
        fst_dataset *dataset = make(context, 3, &options);
        ck_assert_int_eq(released, 1);
        fst_dataset_destroy(dataset);
        ck_assert_int_eq(released, 1);
    }
    fst_dataset *dataset;
    released = 0;
    options.std = (const double[]){1, 1, 1};
    REFUSED(fst_dataset_from_images(context, pixels, COUNT, 3, HEIGHT, WIDTH, NULL, 0, &options, &dataset),
            FST_ERR_INVALID_ARGUMENT, "mean is NULL");
    options.mean = options.std;
    options.std = (const double[]){1, 0, 1};
    REFUSED(fst_dataset_from_images(context, pixels, COUNT, 3, HEIGHT, WIDTH, NULL, 0, &options, &dataset),
            FST_ERR_INVALID_ARGUMENT, "std[1]");
    ck_assert_int_eq(released, 0);
    fst_context_destroy(context);
}
END_TEST

START_TEST(test_floats_and_scale)
{
    fst_context *context = tiny_context(1);
    fst_image_options options = image_options();
    float values[2 * 4] = {0, .25f, .5f, 1, 1, 1, 0, 0}, read[8];
    const int64_t both[] = {0, 1};
    const double mean[] = {.5}, std[] = {.25};
    double found_mean, found_std;
    const char *const names[] = {"cat", "dog"}, *name;
    fst_dataset *dataset;
    options.type = FST_PIXELS_F32;
    options.mean = mean;
    options.std = std;
    options.class_names = names;
    options.class_count = 2;
    REQUIRE(fst_dataset_from_images(context, values, 2, 1, 2, 2, NULL, 0, &options, &dataset));
    REQUIRE(fst_dataset_read_images(dataset, both, 2, NULL, 0, read));
    for (int i = 0; i < 8; ++i)
        ck_assert_float_eq_tol(read[i], (values[i] - .5f) / .25f, 1e-6f);
    fst_augment_options augment;
    REQUIRE(fst_augment_options_init(&augment, sizeof augment));
    augment.mean = &(double){0};
    augment.std = &(double){1};
    augment.channel_count = 1;
    REQUIRE(fst_dataset_read_images(dataset, both, 2, &augment, 0, read));
    ck_assert_mem_eq(read, values, sizeof values);
    REQUIRE(fst_dataset_measure_images(dataset, &found_mean, &found_std));
    ck_assert_double_eq_tol(found_mean, 3.75 / 8, 1e-12);
    ck_assert_double_eq_tol(found_std, sqrt(3.3125 / 8 - 3.75 * 3.75 / 64), 1e-12);
    REQUIRE(fst_dataset_get_class_name(dataset, 1, &name));
    ck_assert_str_eq(name, "dog");
    REFUSED(fst_dataset_get_class_name(dataset, 2, &name), FST_ERR_INVALID_ARGUMENT, "2 classes");
    REFUSED(fst_dataset_read_labels(dataset, both, 2, read), FST_ERR_STATE, "no labels");
    fst_dataset_destroy(dataset);
    values[5] = NAN;
    REFUSED(fst_dataset_from_images(context, values, 2, 1, 2, 2, NULL, 0, &options, &dataset),
            FST_ERR_INVALID_ARGUMENT, "image 1: value 1");
    fst_context_destroy(context);
}
END_TEST

/* What is about ids says which function to take. */
START_TEST(test_other_kinds)
{
    fst_context *context = tiny_context(1);
    fst_dataset *dataset = make(context, 1, NULL), *packed, *texts;
    fst_example example;
    fst_examples_info info;
    int64_t order[COUNT];
    int32_t ids[8];
    REQUIRE(fst_dataset_get_examples_info(dataset, &info, sizeof info));
    ck_assert_int_eq(info.kind, FST_EXAMPLES_IMAGES);
    ck_assert_int_eq(info.examples, COUNT);
    ck_assert_int_eq(info.sequences, 0);
    REFUSED(fst_dataset_get_example(dataset, 0, 0, &example, sizeof example), FST_ERR_STATE, "images");
    REFUSED(fst_dataset_collate(dataset, order, NULL, 1, 8, ids, NULL, NULL), FST_ERR_STATE, "images");
    REFUSED(fst_dataset_get_document(dataset, 0, ids, 8, order), FST_ERR_STATE, "images");
    REFUSED(fst_dataset_pack(dataset, NULL, &packed), FST_ERR_STATE, "conversations");
    REFUSED(fst_dataset_read(dataset, 0, 1, 0, ids, NULL, NULL, NULL), FST_ERR_STATE, "rows");
    REQUIRE(fst_dataset_order(dataset, 0, COUNT, 1, order));
    int64_t sum = 0;
    for (int i = 0; i < COUNT; ++i)
        sum += order[i];
    ck_assert_int_eq(sum, COUNT * (COUNT - 1) / 2);
    fst_dataset_destroy(dataset);
    const int32_t tokens[] = {1, 2, 3};
    REQUIRE(fst_dataset_from_tokens(context, tokens, 3, NULL, 0, NULL, &texts));
    fst_images_info images;
    float value;
    REFUSED(fst_dataset_get_images_info(texts, &images, sizeof images), FST_ERR_STATE, "no images");
    REFUSED(fst_dataset_read_images(texts, order, 1, NULL, 0, &value), FST_ERR_STATE, "no images");
    REFUSED(fst_dataset_select(texts, order, 1, &packed), FST_ERR_STATE, "plain documents");
    fst_dataset_destroy(texts);
    fst_context_destroy(context);
}
END_TEST

START_TEST(test_split)
{
    fst_context *context = tiny_context(1);
    fst_dataset *dataset = make(context, 3, NULL), *train, *validation;
    fst_split_options options;
    fst_images_info info;
    REQUIRE(fst_split_options_init(&options, sizeof options));
    options.fraction = 0.3;
    options.mode = _i == 0 ? FST_SPLIT_TAIL : FST_SPLIT_DOCUMENTS;
    REQUIRE(fst_dataset_split(dataset, &options, &train, &validation));
    fst_dataset_destroy(dataset);
    REQUIRE(fst_dataset_get_images_info(train, &info, sizeof info));
    int64_t first = info.images, zero = 0;
    float read[VALUES], label;
    REQUIRE(fst_dataset_get_images_info(validation, &info, sizeof info));
    ck_assert_int_eq(first + info.images, COUNT);
    if (_i == 0) {
        ck_assert_int_eq(first, 14);
        REQUIRE(fst_dataset_read_labels(validation, &zero, 1, &label));
        ck_assert_float_eq(label, labels[14]);
        REQUIRE(fst_dataset_read_images(validation, &zero, 1, NULL, 0, read));
        ck_assert_float_eq_tol(read[5], pixels[14 * VALUES + 5] / 255.0f, 1e-7f);
    }
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    fst_context_destroy(context);
}
END_TEST

static fst_augment_options everything(void)
{
    fst_augment_options options = simclr();
    options.shift = 2;
    options.rotation = 15;
    options.fill = 0.5;
    return options;
}

/* Same bits on any number of threads and cut into calls anywhere; other draws, other images. */
START_TEST(test_threads)
{
    enum { READ = 9 };
    static float images[5][READ * VALUES];
    fst_augment_options options = everything();
    const int64_t indices[READ] = {1, 1, 2, 3, 19, 0, 7, 7, 7};
    for (int32_t threads = 1; threads <= 4; ++threads) {
        fst_context *context = tiny_context(threads);
        fst_dataset *dataset = make(context, 3, NULL);
        REQUIRE(fst_dataset_read_images(dataset, indices, READ, &options, 5, images[threads]));
        ck_assert_mem_eq(images[threads], images[1], sizeof images[0]);
        for (int i = 0; i < READ; ++i)
            REQUIRE(fst_dataset_read_images(dataset, indices + i, 1, &options, 5 + i,
                                            images[0] + i * VALUES));
        ck_assert_mem_eq(images[0], images[1], sizeof images[0]);
        REQUIRE(fst_dataset_read_images(dataset, indices, READ, &options, 6, images[0]));
        ck_assert_mem_ne(images[0], images[1], sizeof images[0]);
        fst_dataset_destroy(dataset);
        fst_context_destroy(context);
    }
    for (int i = 0; i < READ * VALUES; ++i)
        ck_assert(images[1][i] >= 0 && images[1][i] <= 1.000001f);
}
END_TEST

/* A reader that a run keeps allocates nothing more. */
START_TEST(test_steady)
{
    fst_context *context = tiny_context(2);
    fst_dataset *dataset = make(context, 3, NULL);
    const fst_augment_options options = everything();
    static float images[4 * VALUES];
    const int64_t indices[] = {0, 1, 2, 3};
    fst__augmenter *augmenter;
    REQUIRE(fst__augmenter_open(dataset, &options, "options", &augmenter));
    int64_t before = tiny_allocations(context);
    for (int i = 0; i < 50; ++i)
        fst__augmenter_read(augmenter, dataset, indices, 4, true, 4 * i, images);
    ck_assert_int_eq(tiny_allocations(context), before);
    fst__augmenter_close(augmenter);
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
}
END_TEST

/* ---- what is drawn ---- */

START_TEST(test_draws)
{
    fst_augment_options options = everything();
    int64_t flips = 0, jitters = 0, greys = 0, blurs = 0, orders[4] = {0};
    double area = 0, turn = 0, sigma = 0;
    enum { MANY = 20000 };
    for (int64_t i = 0; i < MANY; ++i) {
        fst__augment_draws d;
        fst__augment_draw(&options, 11, i, 3, 32, 40, &d);
        flips += d.flip, jitters += d.jitter, greys += d.grey, blurs += d.blur;
        ck_assert(d.height >= 1 && d.width >= 1 && d.top >= 0 && d.left >= 0);
        ck_assert(d.top + d.height <= 32 && d.left + d.width <= 40);
        ck_assert(abs(d.shift_x) <= 2 && abs(d.shift_y) <= 2 && fabs(d.rotation) <= 15);
        ck_assert_int_eq(d.order[0] + d.order[1] + d.order[2] + d.order[3], 6);
        ck_assert(d.factors[0] >= .2 && d.factors[0] <= 1.8 && fabs(d.factors[3]) <= .2);
        area += (double)d.height * d.width / (32 * 40 * MANY);
        turn += d.rotation / MANY;
        sigma += d.blur ? d.sigma : 0;
        orders[d.order[0]] += d.jitter;
    }
    ck_assert_double_eq_tol((double)flips / MANY, .5, .02);
    ck_assert_double_eq_tol((double)jitters / MANY, .8, .02);
    ck_assert_double_eq_tol((double)greys / MANY, .2, .02);
    ck_assert_double_eq_tol((double)blurs / MANY, .5, .02);
    ck_assert_double_eq_tol(area, .5, .06); /* attempts beyond the image are drawn again */
    ck_assert_double_eq_tol(turn, 0, .3);
    ck_assert_double_eq_tol(sigma / (double)blurs, 1.05, .03);
    for (int i = 0; i < 4; ++i)
        ck_assert_double_eq_tol((double)orders[i] / (double)jitters, .25, .02);
}
END_TEST

/* A narrow image, whose crops mostly do not fit: the middle, with the nearest ratio allowed. */
START_TEST(test_central_crop)
{
    fst_augment_options options = simclr();
    fst__augment_draws d;
    options.crop_least_area = options.crop_most_area = 1;
    fst__augment_draw(&options, 3, 0, 3, 100, 10, &d);
    ck_assert(d.width == 10 && d.height == 13 && d.left == 0 && d.top == 43);
    fst__augment_draw(&options, 3, 0, 3, 10, 100, &d);
    ck_assert(d.height == 10 && d.width == 13 && d.top == 0 && d.left == 43);
}
END_TEST

START_TEST(test_refusals)
{
    fst_context *context = tiny_context(1);
    fst_dataset *dataset = make(context, 1, NULL);
    const int64_t index = 0;
    float image[VALUES];
    const struct {
        size_t at;
        double value;
        const char *words;
    } doubles[] = {
        {offsetof(fst_augment_options, flip), 1.5, "flip"},
        {offsetof(fst_augment_options, flip), NAN, "flip"},
        {offsetof(fst_augment_options, jitter), -.1, "jitter"},
        {offsetof(fst_augment_options, grey), 2, "grey"},
        {offsetof(fst_augment_options, blur), -1, "blur"},
        {offsetof(fst_augment_options, hue), .6, "hue"},
        {offsetof(fst_augment_options, contrast), -1, "contrast"},
        {offsetof(fst_augment_options, saturation), INFINITY, "saturation"},
        {offsetof(fst_augment_options, rotation), 181, "rotation"},
        {offsetof(fst_augment_options, fill), NAN, "fill"},
        {offsetof(fst_augment_options, crop_least_area), 0, "crop_least_area"},
        {offsetof(fst_augment_options, crop_most_area), 1.1, "crop_most_area"},
        {offsetof(fst_augment_options, crop_most_ratio), .1, "crop_most_ratio"},
        {offsetof(fst_augment_options, blur_least_sigma), 0, "blur_least_sigma"},
    };
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; ++i) {
        fst_augment_options options = simclr();
        memcpy((char *)&options + doubles[i].at, &doubles[i].value, sizeof(double));
        REFUSED(fst_dataset_read_images(dataset, &index, 1, &options, 0, image),
                FST_ERR_INVALID_ARGUMENT, doubles[i].words);
    }
    const struct {
        size_t at;
        int32_t value;
        const char *words;
    } integers[] = {
        {offsetof(fst_augment_options, crop), 2, "crop"},
        {offsetof(fst_augment_options, shift), -1, "shift"},
        {offsetof(fst_augment_options, shift), 11, "shift"},
        {offsetof(fst_augment_options, blur_kernel), 4, "blur_kernel"},
        {offsetof(fst_augment_options, blur_kernel), 21, "blur_kernel"},
        {offsetof(fst_augment_options, channel_count), 1, "channel_count"},
    };
    for (size_t i = 0; i < sizeof integers / sizeof *integers; ++i) {
        fst_augment_options options = simclr();
        memcpy((char *)&options + integers[i].at, &integers[i].value, sizeof(int32_t));
        REFUSED(fst_dataset_read_images(dataset, &index, 1, &options, 0, image),
                FST_ERR_INVALID_ARGUMENT, integers[i].words);
    }
    REFUSED(fst_dataset_read_images(dataset, &index, 1, NULL, -1, image), FST_ERR_INVALID_ARGUMENT, "draw");
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
}
END_TEST

/* Half the size of a plane that rises evenly is the same plane away from its edges; grey is weighed. */
START_TEST(test_conversion)
{
    fst_context *context = tiny_context(1);
    fst_image_options options = image_options();
    static uint8_t ramp[16 * 16], colours[3 * 16];
    float read[64], grey[16];
    const int64_t index = 0;
    fst_dataset *dataset;
    for (int i = 0; i < 256; ++i)
        ramp[i] = (uint8_t)(i % 16 * 10 + i / 16);
    options.height = options.width = 8;
    REQUIRE(fst_dataset_from_images(context, ramp, 1, 1, 16, 16, NULL, 0, &options, &dataset));
    REQUIRE(fst_dataset_read_images(dataset, &index, 1, NULL, 0, read));
    for (int y = 1; y < 7; ++y)
        for (int x = 1; x < 7; ++x)
            ck_assert_float_eq_tol(read[8 * y + x] * 255, 10 * (2 * x + .5f) + 2 * y + .5f, .51f);
    fst_dataset_destroy(dataset);
    for (int i = 0; i < 48; ++i)
        colours[i] = (uint8_t)(5 * i);
    options = image_options();
    options.channels = 1;
    REQUIRE(fst_dataset_from_images(context, colours, 1, 3, 4, 4, NULL, 0, &options, &dataset));
    REQUIRE(fst_dataset_read_images(dataset, &index, 1, NULL, 0, grey));
    for (int i = 0; i < 16; ++i)
        ck_assert_float_eq_tol(grey[i] * 255,
                               .2989f * colours[i] + .587f * colours[16 + i] + .114f * colours[32 + i], .51f);
    fst_dataset_destroy(dataset);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("images");
    tcase_add_test(cases, test_arrays);
    tcase_add_test(cases, test_released_once_copied);
    tcase_add_test(cases, test_floats_and_scale);
    tcase_add_test(cases, test_other_kinds);
    tcase_add_loop_test(cases, test_split, 0, 2);
    tcase_add_test(cases, test_threads);
    tcase_add_test(cases, test_steady);
    tcase_add_test(cases, test_draws);
    tcase_add_test(cases, test_central_crop);
    tcase_add_test(cases, test_refusals);
    tcase_add_test(cases, test_conversion);
    Suite *suite = suite_create("images");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
