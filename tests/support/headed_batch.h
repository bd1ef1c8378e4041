/* A batch with padding for models with heads, float as callers see it, and what comes out. */
#ifndef FST_TESTS_HEADED_BATCH_H
#define FST_TESTS_HEADED_BATCH_H

#include "../support/headed_model.h"

enum { ROWS = 4, LENGTH = 9, TOKENS = ROWS * LENGTH, KEPT = (TINY_VOCABULARY + 7) / 8, WIDTH = 32 };

typedef struct inputs {
    int32_t ids[TOKENS], targets[TOKENS], lengths[ROWS];
    float weights[TOKENS];
    uint8_t kept[TOKENS * KEPT];
} inputs;

static inline inputs make_inputs(void)
{
    inputs in = {.lengths = {LENGTH, 5, 1, 7}};
    tiny_ids(in.ids, TOKENS, 21);
    tiny_ids(in.targets, TOKENS, 22);
    in.targets[2] = in.targets[LENGTH + 1] = -100;
    for (int i = 0; i < TOKENS; ++i)
        in.weights[i] = 1 + 0.5f * sinf((float)i);
    headed_kept(in.kept, in.targets, TOKENS, TINY_VOCABULARY);
    return in;
}

static inline fst_model *make(fst_context *context, int32_t family, int32_t dtype, double dropout)
{
    fst_model_config config = tiny_config(family);
    config.dropout = config.attention_dropout = dropout;
    fst_model *model = tiny_model(context, &config, dtype, 0);
    headed_add(model, dropout);
    return model;
}

typedef struct way {
    int32_t mode, dropout, padded, kept, with_targets;
    double temperature;
    int64_t rows, length;
} way;

static const way plain = {FST_FORWARD_EVALUATE, 1, 1, 0, 1, 1, ROWS, LENGTH};

static inline void forward(fst_model *model, const inputs *in, way w)
{
    fst_batch batch;
    fst_forward_options options;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    batch.rows = w.rows;
    batch.length = w.length;
    batch.ids = in->ids;
    batch.targets = w.with_targets ? in->targets : NULL;
    batch.weights = in->weights;
    batch.lengths = w.padded ? in->lengths : NULL;
    batch.kept = w.kept ? in->kept : NULL;
    options.mode = w.mode;
    options.dropout = w.dropout;
    options.temperature = w.temperature;
    options.step = 2;
    REQUIRE(fst_model_forward(model, &batch, &options));
}

static inline float *output(fst_model *model, const char *name, int64_t *size)
{
    fst_view view;
    REQUIRE(fst_model_output(model, name, &view));
    *size = headed_size(&view);
    float *copy = malloc((size_t)*size * sizeof *copy);
    memcpy(copy, view.data, (size_t)*size * sizeof *copy);
    return copy;
}

static const char *const outputs[] = {"log_probabilities", "entropy", "last", "first",
                                      "mean", "value", "tags"};
enum { OUTPUTS = sizeof outputs / sizeof *outputs };

/* All gradients in one array, to be freed. */
static inline double *gradients(fst_model *model, int64_t *total)
{
    int64_t count;
    double *all = NULL;
    *total = 0;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_view view;
        REQUIRE(fst_model_gradient(model, headed_name(model, i), &view));
        int64_t size = headed_size(&view);
        all = realloc(all, (size_t)(*total + size) * sizeof *all);
        for (int64_t j = 0; j < size; ++j)
            all[*total + j] = (double)((float *)view.data)[j];
        *total += size;
    }
    return all;
}

#endif
