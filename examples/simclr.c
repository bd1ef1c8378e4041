/*
 * Learns what images have in common without a label (SimCLR; Chen et al., arXiv 2002.05709), then shows what
 * that is worth where labels are few:
 *
 *     simclr [--data DIR] [options]
 *
 * DIR holds the IDX files of Fashion-MNIST (Debian's package dataset-fashion-mnist), MNIST or their kin. The
 * table at the end: classes told by the nearest neighbours of the features, by a linear layer over them, and
 * by the network finetuned on one label in a hundred, beside the same network without pretraining.
 *
 *     simclr --drawings DIR [options]
 *
 * DIR holds folders (alphabets), each with a folder of PNG files for each character, as Omniglot's. It learns
 * from all but the last two alphabets; on those it tells characters it was shown once, five at a time, by the
 * nearest features and by the nearest pixels.
 *
 * Build it alone with: cc simclr.c $(pkg-config --cflags --libs fourstage) -lm
 */
#include "fourstage/context.h"
#include "fourstage/contrastive.h"
#include "fourstage/embed.h"
#include "fourstage/images.h"
#include "fourstage/metrics.h"
#include "fourstage/model.h"
#include "fourstage/objectives.h"
#include "fourstage/optimizer.h"
#include "fourstage/sft.h"

#include <dirent.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct settings {
    const char *data, *drawings;
    int32_t width, blocks, stages, epochs, batch, tune_epochs, share, threads, images;
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

static void *take(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (!block) {
        fputs("no memory\n", stderr);
        exit(1);
    }
    return block;
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
    fputs("simclr [--data DIR | --drawings DIR]\n"
          "  --data DIR      IDX files (/usr/share/datasets/fashion-mnist)\n"
          "  --drawings DIR  folders of folders of PNG files, as Omniglot\n"
          "  --epochs N      of pretraining (20)\n"
          "  --batch N       images of a step, each other's negatives (256)\n"
          "  --rate R        peak of the learning rate (0.002)\n"
          "  --width N  --blocks N  --stages N\n"
          "                  the network: channels of the first stage, blocks of each, stages (16, 2, 3)\n"
          "  --share N       one label in N for finetuning (100)\n"
          "  --tune N        epochs of finetuning (60)\n"
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
    enum { DATA, DRAWINGS, EPOCHS, BATCH, RATE, WIDTH, BLOCKS, STAGES, SHARE, TUNE, IMAGES, THREADS, SEED, HELP };
    static const struct option options[] = {
        {"data", 1, 0, DATA},     {"drawings", 1, 0, DRAWINGS}, {"epochs", 1, 0, EPOCHS},
        {"batch", 1, 0, BATCH},   {"rate", 1, 0, RATE},         {"width", 1, 0, WIDTH},
        {"blocks", 1, 0, BLOCKS}, {"stages", 1, 0, STAGES},     {"share", 1, 0, SHARE},
        {"tune", 1, 0, TUNE},     {"images", 1, 0, IMAGES},     {"threads", 1, 0, THREADS},
        {"seed", 1, 0, SEED},     {"help", 0, 0, HELP},         {0},
    };
    settings s = {.data = "/usr/share/datasets/fashion-mnist", .width = 16, .blocks = 2, .stages = 3,
                  .epochs = 20, .batch = 256, .tune_epochs = 60, .share = 100, .learning_rate = 2e-3,
                  .seed = 1};
    for (int option, at; (option = getopt_long(argc, argv, "", options, &at)) != -1;) {
        const char *name = option == '?' ? "" : options[at].name;
        switch (option) {
        case DATA: s.data = optarg; break;
        case DRAWINGS: s.drawings = optarg; break;
        case EPOCHS: s.epochs = number(optarg, name); break;
        case BATCH: s.batch = number(optarg, name); break;
        case RATE: s.learning_rate = strtod(optarg, NULL); break;
        case WIDTH: s.width = number(optarg, name); break;
        case BLOCKS: s.blocks = number(optarg, name); break;
        case STAGES: s.stages = number(optarg, name); break;
        case SHARE: s.share = number(optarg, name); break;
        case TUNE: s.tune_epochs = number(optarg, name); break;
        case IMAGES: s.images = number(optarg, name); break;
        case THREADS: s.threads = number(optarg, name); break;
        case SEED: s.seed = number(optarg, name); break;
        case HELP: usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    if (optind < argc || s.epochs < 1 || s.batch < 2 || s.share < 1 || s.stages < 1 || s.stages > 4) {
        usage(stderr);
        exit(2);
    }
    return s;
}

/* ---- images and labels ---- */

static fst_dataset *load(fst_context *context, const settings *s, const char *part,
                         const fst_image_options *options)
{
    static const char *const endings[] = {".gz", ""};
    char images[1024], labels[1024];
    fst_dataset *dataset;
    for (int i = 0; i < 2; ++i) {
        snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte%s", s->data, part, endings[i]);
        snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte%s", s->data, part, endings[i]);
        if (access(images, R_OK) == 0)
            break;
    }
    check(fst_dataset_load_idx(context, images, labels, options, &dataset));
    return dataset;
}

/* With the mean and deviation of the images that are trained on. */
static void load_both(fst_context *context, const settings *s, fst_dataset **train, fst_dataset **test)
{
    fst_image_options options;
    double mean[3], std[3];
    check(fst_image_options_init(&options, sizeof options));
    options.maximum_images = s->images;
    fst_dataset *plain = load(context, s, "train", &options);
    check(fst_dataset_measure_images(plain, mean, std));
    fst_dataset_destroy(plain);
    options.mean = mean;
    options.std = std;
    *train = load(context, s, "train", &options);
    options.maximum_images = 0;
    *test = load(context, s, "t10k", &options);
}

static fst_images_info info_of(const fst_dataset *dataset)
{
    fst_images_info info;
    check(fst_dataset_get_images_info(dataset, &info, sizeof info));
    return info;
}

static int32_t *labels_of(const fst_dataset *dataset, int64_t *classes)
{
    int64_t count = info_of(dataset).images;
    int32_t *labels = take((size_t)count, sizeof *labels);
    for (int64_t i = 0; i < count; ++i) {
        float label;
        check(fst_dataset_read_labels(dataset, &i, 1, &label));
        labels[i] = (int32_t)label;
        *classes = label >= *classes ? (int64_t)label + 1 : *classes;
    }
    return labels;
}

/* ---- pretraining ---- */

static fst_model *make_model(fst_context *context, const fst_dataset *images, const settings *s)
{
    fst_images_info info = info_of(images);
    fst_model_config config;
    fst_model *model;
    check(fst_model_config_init(&config, sizeof config));
    check(fst_model_config_set_family(&config, FST_FAMILY_RESNET));
    config.image_channels = info.channels;
    config.image_height = info.height;
    config.image_width = info.width;
    config.stem = FST_STEM_3X3;
    config.stage_width = s->width;
    config.blocks_1 = s->blocks;
    config.blocks_2 = s->stages > 1 ? s->blocks : 0;
    config.blocks_3 = s->stages > 2 ? s->blocks : 0;
    config.blocks_4 = s->stages > 3 ? s->blocks : 0;
    check(fst_model_create(context, &config, NULL, &model));
    return model;
}

static void add_head(fst_model *model, const char *name, int64_t outputs, int32_t hidden_layers)
{
    fst_head_options head;
    check(fst_head_options_init(&head, sizeof head));
    head.name = name;
    head.outputs = outputs;
    head.pooling = FST_POOL_MEAN;
    head.hidden_layers = hidden_layers;
    head.init_std = 0.1;
    check(fst_model_add_head(model, &head));
}

static fst_optimizer *make_optimizer(fst_model *model, double learning_rate, int64_t steps)
{
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    check(fst_optimizer_options_init(&options, sizeof options));
    options.learning_rate = learning_rate;
    options.weight_decay = 1e-4;
    options.schedule = FST_SCHEDULE_COSINE;
    options.warmup_steps = steps / 10;
    options.total_steps = steps;
    check(fst_optimizer_create(model, &options, &optimizer));
    return optimizer;
}

static double metric(const fst_run *run, const char *name)
{
    double value;
    check(fst_run_metric(run, name, &value));
    return value;
}

static void pretrain(fst_model *model, const fst_dataset *images, const fst_augment_options *augment,
                     const settings *s)
{
    int64_t count = info_of(images).images;
    int64_t steps = s->epochs * (count / s->batch > 0 ? count / s->batch : 1);
    fst_contrastive_options options;
    fst_run_options common;
    fst_run *run;
    add_head(model, "projection", 64, 1);
    fst_optimizer *optimizer = make_optimizer(model, s->learning_rate, steps);
    check(fst_run_options_init(&common, sizeof common));
    common.total_steps = steps;
    check(fst_contrastive_options_init(&options, sizeof options));
    options.model = model;
    options.optimizer = optimizer;
    options.train = images;
    options.run = &common;
    options.head = "projection";
    options.rows = s->batch < count ? s->batch : count;
    options.temperature = 0.2;
    options.augment = augment;
    check(fst_contrastive_create(&options, &run));
    double start = now();
    for (int32_t epoch = 1; epoch <= s->epochs; ++epoch) {
        check(fst_run_until(run, steps * epoch / s->epochs));
        printf("epoch %-4d loss %.3f, the other view found %.1f %%; %.0f s\n", (int)epoch,
               metric(run, "loss"), 100 * metric(run, "accuracy"), now() - start);
        fflush(stdout);
    }
    fst_run_destroy(run);
    fst_optimizer_destroy(optimizer);
}

/* ---- features ---- */

/* [images, width]: the mean over the last stage's places, without the projection; of length 1. */
static float *embed(fst_model *model, const fst_dataset *dataset, int64_t *width)
{
    fst_embed_options options;
    int64_t count, images = info_of(dataset).images;
    check(fst_embed_options_init(&options, sizeof options));
    options.pooling = FST_POOL_MEAN;
    options.rows = 64;
    fst_status status = fst_model_embed(model, dataset, &options, NULL, 0, &count);
    check(status == FST_ERR_BUFFER_TOO_SMALL ? FST_OK : status);
    float *features = take((size_t)count, sizeof *features);
    check(fst_model_embed(model, dataset, &options, features, count, &count));
    *width = count / images;
    return features;
}

static double share_right(const int32_t *labels, const int32_t *told, int64_t count)
{
    int64_t right = 0;
    for (int64_t i = 0; i < count; ++i)
        right += labels[i] == told[i];
    return (double)right / (double)count;
}

static double neighbours(fst_context *context, const float *known, const int32_t *labels, int64_t count,
                         const float *asked, const int32_t *truth, int64_t queries, int64_t width,
                         int64_t classes)
{
    int32_t *told = take((size_t)queries, sizeof *told);
    int64_t k = count < 20 ? count : 20;
    check(fst_metrics_knn(context, known, labels, count, asked, queries, width, classes, k, 0.07, told));
    double accuracy = share_right(truth, told, queries);
    free(told);
    return accuracy;
}

/* ---- a linear layer over the features ---- */

typedef struct probe {
    int64_t width, classes;
    float *weights, *momentum; /* [classes, width + 1] */
} probe;

static void probe_logits(const probe *p, const float *feature, float *logits)
{
    for (int64_t c = 0; c < p->classes; ++c) {
        const float *w = p->weights + c * (p->width + 1);
        double sum = (double)w[p->width];
        for (int64_t j = 0; j < p->width; ++j)
            sum += (double)(w[j] * feature[j]);
        logits[c] = (float)sum;
    }
}

/* One step of descent with momentum from the gradient of the logits of `rows` examples. */
static void probe_step(probe *p, const float *features, const int64_t *rows, int64_t count,
                       const float *gradient, double rate)
{
    for (int64_t c = 0; c < p->classes; ++c) {
        float *w = p->weights + c * (p->width + 1), *m = p->momentum + c * (p->width + 1);
        for (int64_t j = 0; j <= p->width; ++j) {
            float sum = 0;
            for (int64_t i = 0; i < count; ++i)
                sum += gradient[i * p->classes + c] * (j < p->width ? features[rows[i] * p->width + j] : 1);
            m[j] = 0.9f * m[j] + sum;
            w[j] -= (float)rate * m[j];
        }
    }
}

enum { PROBE_ROWS = 256, PROBE_EPOCHS = 30 };

static double linear_probe(const fst_dataset *order, const float *features, const int32_t *labels,
                           int64_t count, const float *asked, const int32_t *truth, int64_t queries,
                           int64_t width, int64_t classes)
{
    probe p = {width, classes, take((size_t)(classes * (width + 1)), sizeof(float)),
               take((size_t)(classes * (width + 1)), sizeof(float))};
    float *logits = take((size_t)(PROBE_ROWS * classes), sizeof *logits);
    float *gradient = take((size_t)(PROBE_ROWS * classes), sizeof *gradient);
    float batch_labels[PROBE_ROWS];
    int64_t rows[PROBE_ROWS], steps = PROBE_EPOCHS * (count / PROBE_ROWS + 1);
    fst_score_loss loss;
    for (int64_t step = 0; step < steps; ++step) {
        check(fst_dataset_order(order, step * PROBE_ROWS, PROBE_ROWS, 1, rows));
        for (int64_t i = 0; i < PROBE_ROWS; ++i) {
            probe_logits(&p, features + rows[i] * width, logits + i * classes);
            batch_labels[i] = (float)labels[rows[i]];
        }
        check(fst_loss_classes(NULL, logits, batch_labels, NULL, PROBE_ROWS, classes, gradient, &loss,
                               sizeof loss));
        double rate = 2 * 0.5 * (1 + cos(3.14159265358979 * (double)step / (double)steps));
        probe_step(&p, features, rows, PROBE_ROWS, gradient, rate);
    }
    int64_t right = 0;
    for (int64_t i = 0; i < queries; ++i) {
        int64_t best = 0;
        probe_logits(&p, asked + i * width, logits);
        for (int64_t c = 1; c < classes; ++c)
            best = logits[c] > logits[best] ? c : best;
        right += best == truth[i];
    }
    free(gradient);
    free(logits);
    free(p.momentum);
    free(p.weights);
    return (double)right / (double)queries;
}

/* ---- few labels ---- */

static fst_dataset *select_share(const fst_dataset *train, int32_t share)
{
    int64_t images = info_of(train).images, count = images / share > 0 ? images / share : 1;
    int64_t *indices = take((size_t)count, sizeof *indices);
    fst_dataset *few;
    check(fst_dataset_order(train, 0, count, 1, indices));
    check(fst_dataset_select(train, indices, count, &few));
    free(indices);
    return few;
}

/* The accuracy on the test's images. */
static double finetune(fst_model *model, const fst_dataset *few, const fst_dataset *test, int64_t classes,
                       const settings *s)
{
    int64_t count = info_of(few).images, rows = count < 32 ? count : 32;
    int64_t steps = s->tune_epochs * ((count + rows - 1) / rows);
    fst_augment_options augment;
    fst_run_options common;
    fst_sft_options options;
    fst_run *run;
    add_head(model, "classes", classes, 0);
    fst_optimizer *optimizer = make_optimizer(model, 2e-3, steps);
    check(fst_augment_options_init(&augment, sizeof augment));
    augment.flip = 0.5;
    augment.shift = 2;
    check(fst_run_options_init(&common, sizeof common));
    common.total_steps = steps;
    check(fst_sft_options_init(&options, sizeof options));
    options.model = model;
    options.optimizer = optimizer;
    options.train = few;
    options.validation = test;
    options.run = &common;
    options.head = "classes";
    options.rows = rows;
    options.label_smoothing = 0.1;
    options.augment = &augment;
    check(fst_sft_create(&options, &run));
    check(fst_run_until(run, 0));
    check(fst_run_evaluate(run));
    double accuracy = metric(run, "validation_accuracy");
    fst_run_destroy(run);
    fst_optimizer_destroy(optimizer);
    return accuracy;
}

static void run_idx(fst_context *context, const settings *s)
{
    fst_dataset *train, *test;
    int64_t classes = 0, width;
    load_both(context, s, &train, &test);
    int64_t count = info_of(train).images, queries = info_of(test).images;
    int32_t *labels = labels_of(train, &classes), *truth = labels_of(test, &classes);
    fst_augment_options augment; /* of what is worn a crop must leave enough to tell it by */
    check(fst_augment_options_simclr(&augment, sizeof augment, 0.5));
    augment.crop_least_area = 0.25;
    augment.blur = 0;
    fst_model *model = make_model(context, train, s);
    pretrain(model, train, &augment, s);
    float *known = embed(model, train, &width), *asked = embed(model, test, &width);
    double near = neighbours(context, known, labels, count, asked, truth, queries, width, classes);
    double linear = linear_probe(train, known, labels, count, asked, truth, queries, width, classes);
    fst_dataset *few = select_share(train, s->share);
    fst_model *scratch = make_model(context, train, s);
    double tuned = finetune(model, few, test, classes, s);
    double alone = finetune(scratch, few, test, classes, s);
    printf("\naccuracy on %lld images of the test\n", (long long)queries);
    printf("nearest neighbours of the features, all labels   %6.2f %%\n", 100 * near);
    printf("linear layer over the features, all labels       %6.2f %%\n", 100 * linear);
    printf("finetuned on %5lld labels                        %6.2f %%\n", (long long)info_of(few).images,
           100 * tuned);
    printf("the same network without pretraining             %6.2f %%\n", 100 * alone);
    fst_model_destroy(scratch);
    fst_dataset_destroy(few);
    free(asked);
    free(known);
    fst_model_destroy(model);
    free(truth);
    free(labels);
    fst_dataset_destroy(test);
    fst_dataset_destroy(train);
}

/* ---- drawings ---- */

enum { SIDE = 28, MOST_ALPHABETS = 128, HELD_OUT = 2 };

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_folders(const char *path, char **names)
{
    DIR *directory = opendir(path);
    int count = 0;
    if (!directory) {
        perror(path);
        exit(1);
    }
    for (const struct dirent *entry; (entry = readdir(directory)) && count < MOST_ALPHABETS;)
        if (entry->d_name[0] != '.')
            names[count++] = strdup(entry->d_name);
    closedir(directory);
    qsort(names, (size_t)count, sizeof *names, by_name);
    return count;
}

static fst_dataset *load_alphabet(fst_context *context, const settings *s, const char *name)
{
    char path[1024];
    fst_image_options options;
    fst_dataset *dataset;
    snprintf(path, sizeof path, "%s/%s", s->drawings, name);
    check(fst_image_options_init(&options, sizeof options));
    options.channels = 1;
    options.height = options.width = SIDE;
    check(fst_dataset_load_image_folder(context, path, &options, &dataset));
    return dataset;
}

/* All of a dataset's images as numbers, ink 1 on ground 0, behind those that are there. */
static float *append(const fst_dataset *dataset, float *pixels, int64_t *count)
{
    int64_t more = info_of(dataset).images, values = SIDE * SIDE;
    pixels = realloc(pixels, (size_t)((*count + more) * values) * sizeof *pixels);
    if (!pixels)
        exit(1);
    for (int64_t i = 0; i < more; ++i)
        check(fst_dataset_read_images(dataset, &i, 1, NULL, 0, pixels + (*count + i) * values));
    for (int64_t i = *count * values; i < (*count + more) * values; ++i)
        pixels[i] = 1 - pixels[i];
    *count += more;
    return pixels;
}

static fst_dataset *dataset_of(fst_context *context, const float *pixels, int64_t count)
{
    fst_image_options options;
    fst_dataset *dataset;
    check(fst_image_options_init(&options, sizeof options));
    options.type = FST_PIXELS_F32;
    options.copy = 1;
    check(fst_dataset_from_images(context, pixels, count, 1, SIDE, SIDE, NULL, 0, &options, &dataset));
    return dataset;
}

static uint32_t draw(uint32_t *state, int64_t count)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(*state >> 8) * (uint64_t)count >> 24);
}

/* Five characters of one alphabet, one drawing of each is known, another is asked for: how often its nearest
 * is the right one. */
static double one_shot(fst_context *context, const float *features, const int32_t *labels, int64_t count,
                       int64_t width, int64_t classes, int32_t rounds)
{
    enum { WAYS = 5 };
    static const int32_t ways[WAYS] = {0, 1, 2, 3, 4};
    float *known = take((size_t)(WAYS * width), sizeof *known), *asked = take((size_t)(WAYS * width), sizeof *asked);
    uint32_t state = 1;
    double sum = 0;
    for (int32_t round = 0; round < rounds; ++round) {
        int32_t chosen[WAYS], told[WAYS];
        for (int i = 0; i < WAYS; ++i) {
            for (int again = 1; again;) {
                chosen[i] = (int32_t)draw(&state, classes);
                again = 0;
                for (int j = 0; j < i; ++j)
                    again |= chosen[j] == chosen[i];
            }
            int64_t rows[2] = {-1, -1};
            for (int k = 0; k < 2; ++k)
                do
                    rows[k] = draw(&state, count);
                while (labels[rows[k]] != chosen[i] || (k == 1 && rows[1] == rows[0]));
            memcpy(known + i * width, features + rows[0] * width, (size_t)width * sizeof *known);
            memcpy(asked + i * width, features + rows[1] * width, (size_t)width * sizeof *asked);
        }
        check(fst_metrics_knn(context, known, ways, WAYS, asked, WAYS, width, WAYS, 1, 0, told));
        sum += share_right(ways, told, WAYS);
    }
    free(asked);
    free(known);
    return sum / rounds;
}

static void run_drawings(fst_context *context, const settings *s)
{
    char *names[MOST_ALPHABETS];
    int alphabets = list_folders(s->drawings, names);
    int64_t count = 0, width;
    float *pixels = NULL;
    if (alphabets <= HELD_OUT) {
        fprintf(stderr, "%s: %d folders, expected more than %d\n", s->drawings, alphabets, HELD_OUT);
        exit(1);
    }
    for (int i = 0; i < alphabets - HELD_OUT; ++i) {
        fst_dataset *alphabet = load_alphabet(context, s, names[i]);
        pixels = append(alphabet, pixels, &count);
        fst_dataset_destroy(alphabet);
    }
    fst_dataset *train = dataset_of(context, pixels, count);
    fst_augment_options augment;
    check(fst_augment_options_init(&augment, sizeof augment));
    augment.crop = 1;
    augment.crop_least_area = 0.4;
    augment.rotation = 15;
    augment.shift = 2;
    fst_model *model = make_model(context, train, s);
    printf("drawings   %lld of %d alphabets\n", (long long)count, alphabets - HELD_OUT);
    pretrain(model, train, &augment, s);
    printf("\none drawing of each of five characters known, accuracy by the nearest\n");
    for (int i = alphabets - HELD_OUT; i < alphabets; ++i) {
        int64_t classes = 0, drawings = 0;
        fst_dataset *alphabet = load_alphabet(context, s, names[i]);
        int32_t *labels = labels_of(alphabet, &classes);
        float *raw = append(alphabet, NULL, &drawings);
        fst_dataset *held = dataset_of(context, raw, drawings);
        float *features = embed(model, held, &width);
        printf("%-24s features %6.2f %%   pixels %6.2f %%\n", names[i],
               100 * one_shot(context, features, labels, drawings, width, classes, 1000),
               100 * one_shot(context, raw, labels, drawings, SIDE * SIDE, classes, 1000));
        free(features);
        fst_dataset_destroy(held);
        free(raw);
        free(labels);
        fst_dataset_destroy(alphabet);
    }
    for (int i = 0; i < alphabets; ++i)
        free(names[i]);
    fst_model_destroy(model);
    fst_dataset_destroy(train);
    free(pixels);
}

int main(int argc, char **argv)
{
    settings s = read_arguments(argc, argv);
    fst_context_options options;
    fst_context *context;
    check(fst_context_options_init(&options, sizeof options));
    options.threads = s.threads;
    options.seed = (uint64_t)s.seed;
    check(fst_context_create(&options, &context));
    if (s.drawings)
        run_drawings(context, &s);
    else
        run_idx(context, &s);
    fst_context_destroy(context);
    return 0;
}
