/*
 * Trains a small residual network from scratch to tell the classes of images in IDX files, as those of
 * Fashion-MNIST (Debian's package dataset-fashion-mnist), MNIST and their kin:
 *
 *     classify_images [--data DIR] [options]
 *
 * DIR holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the same with t10k for train, packed
 * (.gz) or not.
 *
 * Build it alone with: cc classify_images.c $(pkg-config --cflags --libs fourstage) -lm
 */
#include "fourstage/context.h"
#include "fourstage/images.h"
#include "fourstage/metrics.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"
#include "fourstage/sft.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CLASSES = 256 };

typedef struct settings {
    const char *data;
    int32_t width, blocks, stages, epochs, batch, threads, images;
    double learning_rate;
    int64_t seed;
} settings;

static void check(fst_status status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ---- what was asked for ---- */

static void usage(FILE *to)
{
    fputs("classify_images [--data DIR]\n"
          "  --data DIR      the four IDX files (/usr/share/datasets/fashion-mnist)\n"
          "  --epochs N      times that each image is seen (12)\n"
          "  --batch N       images of a step (128)\n"
          "  --rate R        peak of the learning rate (0.1)\n"
          "  --width N  --blocks N  --stages N\n"
          "                  the network: channels of the first stage, blocks of each, stages (16, 2, 3)\n"
          "  --images N      read only the first N of the training images\n"
          "  --threads N     workers (as many as there are processors)\n"
          "  --seed N        of weights, order and augmentation (1)\n",
          to);
}

static int32_t number(const char *text, const char *name)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < 0 || value > 1000000000) {
        fprintf(stderr, "--%s: %s is no number\n", name, text);
        exit(2);
    }
    return (int32_t)value;
}

static settings read_arguments(int argc, char **argv)
{
    enum { DATA, EPOCHS, BATCH, RATE, WIDTH, BLOCKS, STAGES, IMAGES, THREADS, SEED, HELP };
    static const struct option options[] = {
        {"data", 1, 0, DATA},     {"epochs", 1, 0, EPOCHS},   {"batch", 1, 0, BATCH},
        {"rate", 1, 0, RATE},     {"width", 1, 0, WIDTH},     {"blocks", 1, 0, BLOCKS},
        {"stages", 1, 0, STAGES}, {"images", 1, 0, IMAGES},   {"threads", 1, 0, THREADS},
        {"seed", 1, 0, SEED},     {"help", 0, 0, HELP},       {0},
    };
    settings s = {.data = "/usr/share/datasets/fashion-mnist", .width = 16, .blocks = 2, .stages = 3,
                  .epochs = 12, .batch = 128, .learning_rate = 0.1, .seed = 1};
    for (int option, at; (option = getopt_long(argc, argv, "", options, &at)) != -1;) {
        const char *name = option == '?' ? "" : options[at].name;
        switch (option) {
        case DATA: s.data = optarg; break;
        case EPOCHS: s.epochs = number(optarg, name); break;
        case BATCH: s.batch = number(optarg, name); break;
        case RATE: s.learning_rate = strtod(optarg, NULL); break;
        case WIDTH: s.width = number(optarg, name); break;
        case BLOCKS: s.blocks = number(optarg, name); break;
        case STAGES: s.stages = number(optarg, name); break;
        case IMAGES: s.images = number(optarg, name); break;
        case THREADS: s.threads = number(optarg, name); break;
        case SEED: s.seed = number(optarg, name); break;
        case HELP: usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    if (optind < argc || s.epochs < 1 || s.batch < 1 || s.stages < 1 || s.stages > 4) {
        usage(stderr);
        exit(2);
    }
    return s;
}

/* ---- images ---- */

/* A file of the folder, packed or not. */
static void find_file(const settings *s, const char *name, char *path, size_t room)
{
    snprintf(path, room, "%s/%s.gz", s->data, name);
    if (access(path, R_OK) != 0)
        snprintf(path, room, "%s/%s", s->data, name);
}

static fst_dataset *load(fst_context *context, const settings *s, const char *part,
                         const fst_image_options *options)
{
    char name[64], images[1024], labels[1024];
    fst_dataset *dataset;
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", part);
    find_file(s, name, images, sizeof images);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", part);
    find_file(s, name, labels, sizeof labels);
    check(fst_dataset_load_idx(context, images, labels, options, &dataset));
    return dataset;
}

/* All images with the mean and deviation of those that are trained on; one past the largest label. */
static int64_t load_both(fst_context *context, const settings *s, fst_dataset **train,
                         fst_dataset **test, fst_images_info *info)
{
    fst_image_options options;
    double mean[3], std[3];
    int64_t classes = 0;
    check(fst_image_options_init(&options, sizeof options));
    options.maximum_images = s->images;
    fst_dataset *plain = load(context, s, "train", &options);
    check(fst_dataset_measure_images(plain, mean, std));
    check(fst_dataset_get_images_info(plain, info, sizeof *info));
    for (int64_t i = 0; i < info->images; ++i) {
        float label;
        check(fst_dataset_read_labels(plain, &i, 1, &label));
        classes = label >= classes ? (int64_t)label + 1 : classes;
    }
    fst_dataset_destroy(plain);
    options.mean = mean;
    options.std = std;
    *train = load(context, s, "train", &options);
    options.maximum_images = 0;
    *test = load(context, s, "t10k", &options);
    printf("images     %lld of %d × %d × %d, mean %.4f, deviation %.4f; %lld classes\n",
           (long long)info->images, (int)info->channels, (int)info->height, (int)info->width, mean[0],
           std[0], (long long)classes);
    return classes;
}

/* ---- model and optimizer ---- */

static int64_t count_numbers(fst_model *model)
{
    int64_t parameters, total = 0;
    check(fst_model_parameter_count(model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view view;
        int64_t size = 1;
        check(fst_model_parameter_name(model, i, &name));
        check(fst_model_parameter(model, name, &view));
        for (int32_t d = 0; d < view.rank; ++d)
            size *= view.shape[d];
        total += size;
    }
    return total;
}

static fst_model *make_model(fst_context *context, const fst_images_info *info, int64_t classes,
                             const settings *s)
{
    fst_model_config config;
    fst_head_options head;
    fst_model *model;
    check(fst_model_config_init(&config, sizeof config));
    check(fst_model_config_set_family(&config, FST_FAMILY_RESNET));
    config.image_channels = info->channels;
    config.image_height = info->height;
    config.image_width = info->width;
    config.stem = FST_STEM_3X3;
    config.stage_width = s->width;
    config.blocks_1 = s->blocks;
    config.blocks_2 = s->stages > 1 ? s->blocks : 0;
    config.blocks_3 = s->stages > 2 ? s->blocks : 0;
    config.blocks_4 = s->stages > 3 ? s->blocks : 0;
    check(fst_model_create(context, &config, NULL, &model));
    check(fst_head_options_init(&head, sizeof head));
    head.name = "classes";
    head.outputs = classes;
    head.pooling = FST_POOL_MEAN;
    check(fst_model_add_head(model, &head));
    printf("model      %d stages of %d blocks, %d channels first: %lld parameters\n", (int)s->stages,
           (int)s->blocks, (int)s->width, (long long)count_numbers(model));
    return model;
}

/* Descent with Nesterov's momentum, up for a fifth of the steps and down along a cosine. */
static fst_optimizer *make_optimizer(fst_model *model, const settings *s, int64_t steps)
{
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    check(fst_optimizer_options_init(&options, sizeof options));
    options.kind = FST_OPTIMIZER_SGD;
    options.learning_rate = s->learning_rate;
    options.momentum = 0.9;
    options.nesterov = 1;
    options.weight_decay = 5e-4;
    options.clip_norm = 0;
    options.schedule = FST_SCHEDULE_COSINE;
    options.warmup_steps = steps / 5;
    options.total_steps = steps;
    check(fst_optimizer_create(model, &options, &optimizer));
    return optimizer;
}

/* ---- the run ---- */

static fst_run *make_run(fst_model *model, fst_optimizer *optimizer, const fst_dataset *train,
                         const fst_dataset *test, const settings *s, int64_t steps)
{
    fst_augment_options augment;
    fst_run_options common;
    fst_sft_options options;
    fst_run *run;
    check(fst_augment_options_init(&augment, sizeof augment));
    augment.flip = 0.5;
    augment.shift = 2;
    check(fst_run_options_init(&common, sizeof common));
    common.total_steps = steps;
    check(fst_sft_options_init(&options, sizeof options));
    options.model = model;
    options.optimizer = optimizer;
    options.train = train;
    options.validation = test;
    options.run = &common;
    options.head = "classes";
    options.rows = s->batch;
    options.label_smoothing = 0.1;
    options.augment = &augment;
    check(fst_sft_create(&options, &run));
    return run;
}

static double metric(const fst_run *run, const char *name)
{
    double value;
    check(fst_run_metric(run, name, &value));
    return value;
}

static void train_epochs(fst_run *run, const settings *s, int64_t steps, int64_t images)
{
    double start = now();
    for (int32_t epoch = 1; epoch <= s->epochs; ++epoch) {
        double before = now();
        check(fst_run_until(run, steps * epoch / s->epochs));
        double seconds = now() - before;
        check(fst_run_evaluate(run));
        printf("epoch %-4d loss %.3f, of the test %.3f; accuracy %.2f %%, among the best five %.2f %%; "
               "%.0f images/s, %.0f s\n",
               (int)epoch, metric(run, "loss"), metric(run, "validation_loss"),
               100 * metric(run, "validation_accuracy"), 100 * metric(run, "validation_top5_accuracy"),
               (double)images / seconds, now() - start);
        fflush(stdout);
    }
}

/* Which class is told worst, and what it is taken for. */
static void print_confusion(const fst_run *run, int64_t classes)
{
    int64_t *counts = malloc((size_t)(classes * classes) * sizeof *counts), count;
    double *f1 = malloc((size_t)classes * sizeof *f1);
    fst_class_metrics found;
    int64_t worst = 0, taken = -1;
    check(fst_sft_confusion(run, counts, classes * classes, &count));
    check(fst_metrics_classes(counts, classes, NULL, NULL, f1, &found, sizeof found));
    for (int64_t c = 0; c < classes; ++c)
        worst = f1[c] < f1[worst] ? c : worst;
    for (int64_t c = 0; c < classes; ++c)
        if (c != worst && (taken < 0 || counts[worst * classes + c] > counts[worst * classes + taken]))
            taken = c;
    printf("result     accuracy %.2f %%, macro F1 %.4f; worst is class %lld (F1 %.3f), most often taken for "
           "%lld\n",
           100 * found.accuracy, found.f1_macro, (long long)worst, f1[worst], (long long)taken);
    free(f1);
    free(counts);
}

int main(int argc, char **argv)
{
    settings s = read_arguments(argc, argv);
    fst_context_options options;
    fst_context *context;
    fst_dataset *train, *test;
    fst_images_info info;
    check(fst_context_options_init(&options, sizeof options));
    options.threads = s.threads;
    options.seed = (uint64_t)s.seed;
    check(fst_context_create(&options, &context));
    int64_t classes = load_both(context, &s, &train, &test, &info);
    int64_t steps = s.epochs * ((info.images + s.batch - 1) / s.batch);
    fst_model *model = make_model(context, &info, classes, &s);
    fst_optimizer *optimizer = make_optimizer(model, &s, steps);
    fst_run *run = make_run(model, optimizer, train, test, &s, steps);
    train_epochs(run, &s, steps, info.images);
    print_confusion(run, classes);
    fst_run_destroy(run);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_dataset_destroy(test);
    fst_dataset_destroy(train);
    fst_context_destroy(context);
    return 0;
}
