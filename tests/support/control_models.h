/* Networks for control, small enough that a test makes one in no time, with heads of each kind. */
#ifndef FST_TESTS_CONTROL_MODELS_H
#define FST_TESTS_CONTROL_MODELS_H

#include "fourstage/context.h"
#include "fourstage/model.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { CONTROL_ROWS = 5, CONTROL_LENGTH = 4, CONTROL_INPUTS = 3, CONTROL_MOST = 1 << 16 };

static inline fst_model_config control_config(int32_t family)
{
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, family));
    config.inputs = CONTROL_INPUTS;
    config.tower_width = 7;
    config.layers = 2;
    config.init_std = .4;
    return config;
}

static inline fst_model_config control_mlp(int32_t towers, int32_t activation)
{
    fst_model_config config = control_config(FST_FAMILY_MLP);
    config.towers = towers;
    config.activation = activation;
    return config;
}

static inline fst_model_config control_cnn(int32_t kind, int32_t towers)
{
    fst_model_config config = control_config(FST_FAMILY_CNN);
    config.inputs = 0;
    config.cnn = kind;
    config.towers = towers;
    config.image_channels = 2;
    config.image_height = kind == FST_CNN_ATARI ? 44 : 4;
    config.image_width = kind == FST_CNN_ATARI ? 36 : 5;
    config.init_std = .1;
    return config;
}

static inline fst_model_config control_transformer(int32_t position, int32_t causal)
{
    fst_model_config config = control_config(FST_FAMILY_GPT2);
    config.context_length = CONTROL_LENGTH + 1;
    config.width = 8;
    config.heads = 2;
    config.hidden_size = 12;
    config.position = position;
    config.causal = causal;
    return config;
}

static inline void control_head(fst_model *model, const char *name, int32_t kind, int32_t tower,
                                int64_t outputs, int32_t hidden_layers)
{
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = name;
    head.kind = kind;
    head.tower = tower;
    head.outputs = outputs;
    head.hidden_layers = hidden_layers;
    head.hidden_size = hidden_layers ? 6 : 0;
    head.init_std = .3;
    head.init_bias = kind == FST_HEAD_CONSTANT ? -.5 : 0;
    REQUIRE(fst_model_add_head(model, &head));
}

/* "policy" and "value" of a tower each where there are two, "log_std", and "deep" over all. */
static inline fst_model *control_model(const fst_model_config *config, int32_t threads)
{
    fst_context_options options;
    REQUIRE(fst_context_options_init(&options, sizeof options));
    options.threads = threads;
    options.seed = 5;
    fst_context *context;
    REQUIRE(fst_context_create(&options, &context));
    fst_model *model;
    REQUIRE(fst_model_create(context, config, NULL, &model));
    control_head(model, "policy", FST_HEAD_SEQUENCE, config->towers == 2 ? 1 : 0, 3, 0);
    control_head(model, "value", FST_HEAD_SEQUENCE, config->towers == 2 ? 2 : 0, 1, 0);
    control_head(model, "log_std", FST_HEAD_CONSTANT, 0, 2, 0);
    control_head(model, "deep", FST_HEAD_SEQUENCE, config->towers == 2 ? 2 : 0, 2, 1);
    fst_context_destroy(context);
    return model;
}

/* Borrows arrays of the test's own. */
static inline fst_batch control_batch(const fst_model_config *config, int64_t rows)
{
    static float values[CONTROL_MOST];
    static const int32_t lengths[] = {4, 1, 3, 2, 4};
    fst_batch batch;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    for (int i = 0; i < CONTROL_MOST && values[0] == 0; ++i)
        values[CONTROL_MOST - 1 - i] = (float)cos(1.7 * i);
    batch.rows = rows;
    if (config->backbone == FST_BACKBONE_CNN) {
        batch.images = values;
        return batch;
    }
    batch.observations = values;
    if (config->backbone == FST_BACKBONE_TRANSFORMER) {
        batch.length = CONTROL_LENGTH;
        batch.lengths = rows <= 5 ? lengths : NULL;
    }
    return batch;
}

static inline int64_t control_elements(const fst_view *view)
{
    int64_t elements = 1;
    for (int32_t i = 0; i < view->rank; ++i)
        elements *= view->shape[i];
    return elements;
}

#endif
