/*
 * What acting and learning cost of networks for control, by the calls that policies use: a forward of few
 * rows with its heads, an update (forward, heads, gradients, AdamW), and its pieces. Two towers of 64-64
 * over 4 numbers; a small CNN of 128 over 7 × 7 × 7; a transformer of 2 blocks of 64 over the last 8
 * vectors; Mnih's CNN of 512 over 4 × 84 × 84. Heads of 2 and 1 outputs.
 */
#include "bench.h"

#include "fourstage/context.h"
#include "model/heads.h"
#include "model/optimizer.h"
#include "optim/optimizer.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { LENGTH = 8 };

typedef struct setting {
    fst_model *model;
    fst_optimizer *optimizer;
    fst__head *policy, *value;
    fst_batch batch;
    float *images; /* or observations */
    bool training;
} setting;

static void check(fst_status status)
{
    if (status) {
        fprintf(stderr, "%s\n", fst_last_error());
        exit(1);
    }
}

static void forward(void *context)
{
    setting *s = context;
    check(fst__model_forward(s->model, &s->batch, s->training, 0));
}

static void act(void *context)
{
    setting *s = context;
    forward(s);
    check(fst__head_forward(s->model, s->policy));
    check(fst__head_forward(s->model, s->value));
}

static void fill(const fst__head *head, fst__real *gradient, int64_t rows)
{
    for (int64_t i = 0; i < rows * head->options.outputs; ++i)
        gradient[i] = (fst__real)(1e-3 * (head->output.data[i] - .5));
}

static void learn(void *context)
{
    setting *s = context;
    fst__real *policy, *value;
    act(s);
    check(fst__head_want_gradient(s->model, s->policy, &policy));
    check(fst__head_want_gradient(s->model, s->value, &value));
    fill(s->policy, policy, s->batch.rows);
    fill(s->value, value, s->batch.rows);
    check(fst__model_backward(s->model));
}

static void optimize(void *context)
{
    setting *s = context;
    check(fst__optimizer_step(s->optimizer->optimizer, s->model->context->compute, NULL, NULL));
}

static void update(void *context)
{
    learn(context);
    optimize(context);
}

static fst__head *add_head(fst_model *model, const char *name, int32_t tower, int64_t outputs)
{
    fst_head_options options = fst__head_defaults();
    options.name = name;
    options.tower = tower;
    options.outputs = outputs;
    options.orthogonal_gain = .01;
    check(fst__model_add_head(model, &options, true));
    return fst__head_find(model, name);
}

static fst_model_config config_of(int32_t family)
{
    fst_model_config config = fst__config_default();
    check(fst__config_set_family(&config, family));
    config.inputs = 4;
    config.layers = 2;
    config.towers = 1;
    config.orthogonal_gain = sqrt(2);
    config.context_length = LENGTH;
    config.width = 64;
    return config;
}

static fst_model_config cnn(int32_t kind, int32_t width, int32_t channels, int32_t side)
{
    fst_model_config config = config_of(FST_FAMILY_CNN);
    config.cnn = kind;
    config.tower_width = width;
    config.image_channels = channels;
    config.image_height = config.image_width = side;
    return config;
}

static fst_model_config mlp(void)
{
    fst_model_config config = config_of(FST_FAMILY_MLP);
    config.towers = 2;
    config.tower_width = 64;
    return config;
}

static setting open_setting(fst_context *context, fst_model_config config)
{
    setting s = {0};
    bool two = config.towers == 2;
    int64_t begin = bench_now();
    check(fst_model_create(context, &config, NULL, &s.model));
    printf("made in %.1f ms\n", 1e-6 * (double)(bench_now() - begin));
    s.policy = add_head(s.model, "policy", two ? 1 : 0, 2);
    s.value = add_head(s.model, "value", two ? 2 : 0, 1);
    fst_optimizer_options options = fst__optimizer_defaults();
    options.learning_rate = 1e-5;
    check(fst__model_optimizer_create(s.model, &options, &s.optimizer));
    s.batch = (fst_batch){.struct_size = sizeof s.batch, .length = LENGTH};
    s.images = bench_floats(256 * 4 * 84 * 84);
    if (config.backbone == FST_BACKBONE_CNN)
        s.batch.images = s.images;
    else
        s.batch.observations = s.images;
    return s;
}

static void print(const char *network, const char *what, setting *s, int64_t rows, bool training,
                  void (*body)(void *))
{
    s->batch.rows = rows;
    s->training = training;
    printf("%-6s %-24s %4d rows %10.1f µs\n", network, what, (int)rows, 1e6 * bench_seconds(body, s));
}

static void run(fst_context *context, const char *network, fst_model_config config)
{
    setting opened = open_setting(context, config), *s = &opened;
    print(network, "forward", s, 1, false, act);
    print(network, "forward", s, 8, false, act);
    for (int64_t rows = 64; rows <= 256; rows *= 4) {
        print(network, "  forward of training", s, rows, true, act);
        print(network, "  forward and backward", s, rows, true, learn);
        print(network, "  optimizer", s, rows, true, optimize);
        print(network, "update", s, rows, true, update);
    }
    fst__model_optimizer_release(s->optimizer);
    fst_model_destroy(s->model);
    free(s->images);
}

int main(int argc, char **argv)
{
    fst_context_options options;
    fst_context *context;
    check(fst_context_options_init(&options, sizeof options));
    options.threads = argc > 1 ? atoi(argv[1]) : 1;
    check(fst_context_create(&options, &context));
    printf("%d threads\n", (int)options.threads);
    run(context, "mlp", mlp());
    run(context, "grid", cnn(FST_CNN_SMALL, 128, 7, 7));
    run(context, "window", config_of(FST_FAMILY_GPT2));
    run(context, "cnn", cnn(FST_CNN_ATARI, 512, 4, 84));
    fst_context_destroy(context);
    return 0;
}
