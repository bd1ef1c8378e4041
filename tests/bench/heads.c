/*
 * What a step costs by what is trained, and what the distribution's outputs cost: milliseconds,
 * medians. Two shapes, GPT-2 of 10.8M over a small vocabulary and of 124M over its own.
 *
 *   bench_heads [f32|bf16 [SECONDS]]   SECONDS for each line, default 2
 */
#include "fourstage/fourstage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 400, LEAST = 5 };

typedef struct shape {
    const char *name;
    int32_t vocabulary, context, layers, heads, width;
    int64_t rows, length;
} shape;

static const shape shapes[] = {
    {"10.8M, 16 x 256", 65, 256, 6, 6, 384, 16, 256},
    {"124M, 4 x 64", 50257, 1024, 12, 12, 768, 4, 64},
};

/* What is trained, and what the objective is of. */
typedef struct line {
    const char *name;
    const char *trained; /* pattern; NULL: everything */
    int loss, classes, value, log_probabilities, entropy, evaluate;
} line;

static const line lines[] = {
    {"classes, whole model", NULL, 0, 1, 0, 0, 0, 0},
    {"classes, last layer and head", "layers.*", 0, 1, 0, 0, 0, 0}, /* the last alone: see prepare */
    {"classes, head alone", "heads.*", 0, 1, 0, 0, 0, 0},
    {"loss", NULL, 1, 0, 0, 0, 0, 0},
    {"log-probabilities and value", NULL, 0, 0, 1, 1, 0, 0},
    {"the same with entropy", NULL, 0, 0, 1, 1, 1, 0},
    {"log-probabilities, evaluated", NULL, 0, 0, 0, 1, 0, 1},
};
enum { LINES = sizeof lines / sizeof *lines };

static void require(fst_status status)
{
    if (status == FST_OK)
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

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void add_head(fst_model *model, const char *name, int32_t kind, int64_t outputs)
{
    fst_head_options head;
    require(fst_head_options_init(&head, sizeof head));
    head.name = name;
    head.kind = kind;
    head.outputs = outputs;
    require(fst_model_add_head(model, &head));
}

static fst_model *prepare(fst_context *context, const shape *s, const line *l, int32_t dtype)
{
    fst_model_config config;
    fst_model_options options;
    fst_model *model;
    require(fst_model_config_init(&config, sizeof config));
    require(fst_model_options_init(&options, sizeof options));
    config.vocabulary_size = s->vocabulary;
    config.context_length = s->context;
    config.layers = s->layers;
    config.heads = s->heads;
    config.width = s->width;
    options.dtype = dtype;
    require(fst_model_create(context, &config, &options, &model));
    add_head(model, "classes", FST_HEAD_SEQUENCE, 2);
    add_head(model, "value", FST_HEAD_TOKEN, 1);
    if (l->trained) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "layers.%d.*", (int)s->layers - 1);
        require(fst_model_set_trainable(model, "*", 0));
        require(fst_model_set_trainable(model, "heads.*", 1));
        if (strcmp(l->trained, "layers.*") == 0)
            require(fst_model_set_trainable(model, pattern, 1));
    }
    return model;
}

static void add(fst_model *model, const char *output, int wanted)
{
    fst_view view;
    if (!wanted)
        return;
    require(fst_model_output(model, output, &view));
    require(fst_model_add_gradient(model, output, &view)); /* of half its square */
}

static void step(fst_model *model, fst_optimizer *optimizer, const fst_batch *batch, const line *l)
{
    fst_forward_options options;
    fst_loss loss;
    fst_view view;
    require(fst_forward_options_init(&options, sizeof options));
    options.mode = l->evaluate ? FST_FORWARD_EVALUATE : FST_FORWARD_TRAIN;
    require(fst_model_forward(model, batch, &options));
    if (l->evaluate) {
        require(fst_model_output(model, "log_probabilities", &view));
        return;
    }
    if (l->loss)
        require(fst_model_loss(model, NULL, &loss, sizeof loss));
    add(model, "classes", l->classes);
    add(model, "value", l->value);
    add(model, "log_probabilities", l->log_probabilities);
    add(model, "entropy", l->entropy);
    require(fst_model_backward(model, NULL, NULL));
    require(fst_optimizer_step(optimizer, NULL, 0));
}

static void measure(fst_context *context, const shape *s, const line *l, int32_t dtype,
                    double seconds)
{
    fst_model *model = prepare(context, s, l, dtype);
    fst_optimizer_options adamw;
    fst_optimizer *optimizer;
    require(fst_optimizer_options_init(&adamw, sizeof adamw));
    adamw.learning_rate = 1e-5;
    require(fst_optimizer_create(model, &adamw, &optimizer));
    int64_t tokens = s->rows * s->length;
    int32_t *ids = malloc((size_t)tokens * sizeof *ids);
    for (int64_t i = 0; i < tokens; ++i)
        ids[i] = (int32_t)(i * 7919 % s->vocabulary);
    fst_batch batch;
    require(fst_batch_init(&batch, sizeof batch));
    batch.rows = s->rows;
    batch.length = s->length;
    batch.ids = batch.targets = ids;
    step(model, optimizer, &batch, l);
    double times[MOST], start = now();
    int count = 0;
    while (count < LEAST || (count < MOST && now() - start < seconds)) {
        double begin = now();
        step(model, optimizer, &batch, l);
        times[count++] = now() - begin;
    }
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("%-18s %-32s %8.2f ms (least %.2f)\n", s->name, l->name, 1e3 * times[count / 2],
           1e3 * times[0]);
    fflush(stdout);
    free(ids);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
}

int main(int argc, char **argv)
{
    int32_t dtype = argc > 1 && strcmp(argv[1], "bf16") == 0 ? FST_BF16 : FST_F32;
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    fst_context *context;
    require(fst_context_create(NULL, &context));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        for (int j = 0; j < LINES; ++j)
            measure(context, &shapes[i], &lines[j], dtype, seconds);
    fst_context_destroy(context);
    return 0;
}
