/* Tiny models with an adapter that does something. */
#ifndef FST_TESTS_ADAPTED_MODEL_H
#define FST_TESTS_ADAPTED_MODEL_H

#include "../support/tiny_model.h"

#include "fourstage/adapter.h"

#include <stdbool.h>

typedef struct adapted_subject {
    const char *name;
    int32_t family, dtype, decomposed, stabilized;
} adapted_subject;

static const adapted_subject adapted_subjects[] = {
    {"gpt2", FST_FAMILY_GPT2, FST_F32, 0, 0},
    {"gpt2, rsLoRA", FST_FAMILY_GPT2, FST_F32, 0, 1},
    {"gpt2, DoRA", FST_FAMILY_GPT2, FST_F32, 1, 0},
    {"llama", FST_FAMILY_LLAMA, FST_F32, 0, 0},
    {"qwen2, DoRA", FST_FAMILY_QWEN2, FST_F32, 1, 0},
    {"qwen3", FST_FAMILY_QWEN3, FST_F32, 0, 0},
    {"gpt2, bf16", FST_FAMILY_GPT2, FST_BF16, 0, 0},
    {"gpt2, DoRA, bf16", FST_FAMILY_GPT2, FST_BF16, 1, 0},
    {"llama, bf16", FST_FAMILY_LLAMA, FST_BF16, 0, 0},
    {"bert", FST_FAMILY_BERT, FST_F32, 0, 0},
    {"roberta, DoRA, bf16", FST_FAMILY_ROBERTA, FST_BF16, 1, 0},
    {"modernbert, DoRA", FST_FAMILY_MODERNBERT, FST_F32, 1, 0},
};
enum {
    ADAPTED_SUBJECTS = sizeof adapted_subjects / sizeof adapted_subjects[0],
    ADAPTED_DECODERS = ADAPTED_SUBJECTS - 3, /* the first that many can generate */
};

static inline fst_adapter_options adapted_options(const adapted_subject *s)
{
    fst_adapter_options options;
    REQUIRE(fst_adapter_options_init(&options, sizeof options));
    options.rank = 4;
    options.alpha = 6;
    options.dropout = 0.2;
    options.weight_decomposed = s->decomposed;
    options.rank_stabilized = s->stabilized;
    return options;
}

/* A trunk with biases away from 0. */
static inline fst_model *adapted_trunk(fst_context *context, const adapted_subject *s,
                                       int32_t checkpointing)
{
    fst_model_config config = tiny_config(s->family);
    fst_model *model = tiny_model(context, &config, s->dtype, checkpointing);
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        REQUIRE(fst_model_parameter(model, name, &view));
        for (int64_t j = 0; view.rank == 1 && j < view.shape[0]; ++j)
            ((float *)view.data)[j] += 0.1f * sinf(1 + (float)(3 * i + j));
    }
    REQUIRE(fst_model_weights_changed(model));
    return model;
}

/* B away from 0, and magnitudes away from the norms. */
static inline void adapted_stir(fst_model *model)
{
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        bool b = strstr(name, "lora_B") != NULL, magnitude = strstr(name, "lora_magnitude") != NULL;
        if (!b && !magnitude)
            continue;
        REQUIRE(fst_model_parameter(model, name, &view));
        int64_t size = view.shape[0] * (view.rank == 2 ? view.shape[1] : 1);
        float *v = view.data;
        for (int64_t j = 0; j < size; ++j)
            v[j] = b ? 0.3f * sinf((float)(7 * i + 3 * j)) : v[j] * (1 + 0.2f * sinf((float)j));
    }
    REQUIRE(fst_model_weights_changed(model));
}

/* A copy of an output of a forward of `length` ids, to be freed. */
static inline float *adapted_logits_of(fst_model *model, int64_t rows, int64_t length,
                                       int32_t mode, int32_t dropout, int64_t *count)
{
    int32_t ids[64 * TINY_CONTEXT];
    tiny_ids(ids, rows * length, 4);
    fst_batch batch;
    fst_forward_options options;
    fst_view view;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    options.mode = mode;
    options.dropout = dropout;
    batch.rows = rows;
    batch.length = length;
    batch.ids = ids;
    REQUIRE(fst_model_forward(model, &batch, &options));
    REQUIRE(fst_model_output(model, "logits", &view));
    *count = rows * length * TINY_VOCABULARY;
    float *copy = malloc((size_t)*count * sizeof *copy);
    memcpy(copy, view.data, (size_t)*count * sizeof *copy);
    return copy;
}

static inline float *adapted_logits(fst_model *model, int64_t rows, int64_t length, int64_t *count)
{
    return adapted_logits_of(model, rows, length, FST_FORWARD_EVALUATE, 1, count);
}

/* The largest difference, relative to the largest element. */
static inline double adapted_distance(const float *a, const float *b, int64_t count)
{
    double most = 0, largest = 0;
    for (int64_t i = 0; i < count; ++i) {
        most = fmax(most, isnan(a[i] - b[i]) ? INFINITY : fabs((double)a[i] - b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    return most / largest;
}

/* One training step's gradients, or with an optimizer its update; returns the loss. */
static inline double adapted_step(fst_model *model, int64_t step)
{
    int32_t ids[48], targets[48];
    tiny_ids(ids, 48, (uint32_t)step);
    tiny_ids(targets, 48, (uint32_t)step + 1000);
    fst_batch batch;
    fst_forward_options options;
    fst_loss loss;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    options.step = step;
    batch.rows = 4;
    batch.length = 12;
    batch.ids = ids;
    batch.targets = targets;
    REQUIRE(fst_model_forward(model, &batch, &options));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    REQUIRE(fst_model_backward(model, NULL, NULL));
    return loss.loss;
}

#endif
