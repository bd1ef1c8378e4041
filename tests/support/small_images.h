/* Images of three classes and a model of images small enough to be trained in no time. */
#ifndef TESTS_SUPPORT_SMALL_IMAGES_H
#define TESTS_SUPPORT_SMALL_IMAGES_H

#include "tiny_model.h"

#include "fourstage/images.h"
#include "fourstage/sft.h"

enum { SMALL_SIDE = 8, SMALL_CHANNELS = 3, SMALL_VALUES = SMALL_CHANNELS * SMALL_SIDE * SMALL_SIDE, SMALL_CLASSES_OF_IMAGES = 6 };

/* Class c is brighter in one colour and half of the rows; the rest is noise. Label `missing` is NaN; −1: none. */
static inline fst_dataset *small_images(fst_context *context, int64_t count, uint32_t seed, int64_t missing)
{
    uint8_t *pixels = malloc((size_t)count * SMALL_VALUES);
    float *labels = malloc((size_t)count * sizeof *labels);
    uint32_t state = seed * 2654435761u + 1;
    for (int64_t i = 0; i < count; ++i) {
        int c = (int)(i % SMALL_CLASSES_OF_IMAGES);
        labels[i] = i == missing ? NAN : (float)c;
        for (int j = 0; j < SMALL_VALUES; ++j) {
            state = state * 1664525u + 1013904223u;
            int row = j / SMALL_SIDE % SMALL_SIDE, channel = j / SMALL_SIDE / SMALL_SIDE;
            int bright = channel == c % 3 && (row < SMALL_SIDE / 2) == (c < 3);
            pixels[i * SMALL_VALUES + j] = (uint8_t)((state >> 26) + (bright ? 150 : 0));
        }
    }
    const double mean[] = {.3, .3, .3}, std[] = {.25, .25, .25};
    fst_image_options options;
    fst_dataset *dataset;
    REQUIRE(fst_image_options_init(&options, sizeof options));
    options.copy = 1;
    options.mean = mean;
    options.std = std;
    REQUIRE(fst_dataset_from_images(context, pixels, count, SMALL_CHANNELS, SMALL_SIDE, SMALL_SIDE, labels, 1,
                                    &options, &dataset));
    free(labels);
    free(pixels);
    return dataset;
}

static inline fst_model_config small_image_config(int32_t family)
{
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, family));
    config.image_channels = SMALL_CHANNELS;
    config.image_height = config.image_width = SMALL_SIDE;
    if (family == FST_FAMILY_VIT) {
        config.patch_size = 4;
        config.layers = 2;
        config.width = 32;
        config.heads = 4;
        config.init_std = .1;
        config.dropout = .1;
    } else {
        config.stage_width = 8;
        config.blocks_1 = config.blocks_2 = 1;
        config.blocks_3 = config.blocks_4 = 0;
    }
    return config;
}

static inline fst_model *small_image_model(fst_context *context, int32_t family)
{
    fst_model_config config = small_image_config(family);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "classes";
    head.outputs = SMALL_CLASSES_OF_IMAGES;
    head.pooling = family == FST_FAMILY_VIT ? FST_POOL_FIRST : FST_POOL_MEAN;
    REQUIRE(fst_model_add_head(model, &head));
    return model;
}

static inline fst_augment_options small_augmentation(void)
{
    fst_augment_options augment;
    REQUIRE(fst_augment_options_init(&augment, sizeof augment));
    augment.flip = .5;
    augment.shift = 1;
    augment.jitter = .5;
    return augment;
}

#endif
