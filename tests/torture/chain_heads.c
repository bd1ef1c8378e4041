/* A model with heads: trained through all of its outputs, copied, saved, read, and its weights
 * brought back. */
#include "chains.h"

#include "fourstage/adapter.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 2, LENGTH = 12, TOKENS = ROWS * LENGTH, VOCABULARY = 60, KEPT = (VOCABULARY + 7) / 8 };

#define TRY(call)                       \
    do {                                \
        status = (call);                \
        if (status != FST_OK)           \
            goto done;                  \
    } while (0)

static fst_status add_head(fst_model *model, const char *name, int32_t kind, int32_t pooling)
{
    fst_head_options head;
    fst_status status = fst_head_options_init(&head, sizeof head);
    head.name = name;
    head.kind = kind;
    head.pooling = pooling;
    head.outputs = 2;
    head.dropout = 0.1;
    if (kind == FST_HEAD_TOKEN) {
        head.hidden_layers = 2;
        head.activation = FST_ACTIVATION_TANH;
        head.layer_norm = 1;
    }
    return status ? status : fst_model_add_head(model, &head);
}

static fst_status make_model(fst_context *context, int32_t dtype, fst_model **model)
{
    fst_model_config config;
    fst_model_options options;
    fst_status status;
    TRY(fst_model_config_init(&config, sizeof config));
    TRY(fst_model_options_init(&options, sizeof options));
    config.vocabulary_size = VOCABULARY;
    config.context_length = 32;
    config.layers = 2;
    config.width = 32;
    config.heads = 4;
    options.dtype = dtype;
    TRY(fst_model_create(context, &config, &options, model));
    TRY(add_head(*model, "score", FST_HEAD_SEQUENCE, FST_POOL_MEAN));
    TRY(add_head(*model, "value", FST_HEAD_TOKEN, FST_POOL_LAST));
done:
    return status;
}

static fst_status step(fst_model *model)
{
    static const char *const outputs[] = {"value", "log_probabilities", "score", "entropy",
                                          "hidden", "logits", "value"};
    int32_t ids[TOKENS], lengths[ROWS] = {LENGTH, 5};
    uint8_t kept[TOKENS * KEPT];
    fst_batch batch;
    fst_forward_options options;
    fst_loss loss;
    fst_status status;
    memset(kept, 0xdb, sizeof kept);
    for (int i = 0; i < TOKENS; ++i)
        ids[i] = i * 7 % VOCABULARY;
    TRY(fst_batch_init(&batch, sizeof batch));
    TRY(fst_forward_options_init(&options, sizeof options));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = batch.targets = ids;
    batch.lengths = lengths;
    batch.kept = kept;
    options.temperature = 0.8;
    TRY(fst_model_forward(model, &batch, &options));
    TRY(fst_model_loss(model, NULL, &loss, sizeof loss));
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; ++i) {
        fst_view view;
        TRY(fst_model_output(model, outputs[i], &view));
        TRY(fst_model_add_gradient(model, outputs[i], &view));
    }
    TRY(fst_model_backward(model, NULL, NULL));
done:
    return status;
}

static fst_status run(fst_context *context, int32_t dtype, const char *path)
{
    fst_model *model = NULL, *reference = NULL, *loaded = NULL;
    fst_optimizer *optimizer = NULL;
    fst_status status;
    TRY(make_model(context, dtype, &model));
    TRY(fst_model_copy(model, NULL, &reference));
    TRY(fst_model_set_trainable(model, "layers.0.*", 0));
    TRY(fst_optimizer_create(model, NULL, &optimizer));
    for (int i = 0; i < 2; ++i) {
        TRY(step(model));
        TRY(fst_optimizer_step(optimizer, NULL, 0));
    }
    TRY(fst_model_save(model, NULL, path));
    TRY(fst_model_load(context, path, NULL, &loaded));
    TRY(step(loaded));
    TRY(fst_model_copy_weights(model, reference));
    TRY(step(model));
    fst_model_destroy(loaded);
    loaded = NULL;
    TRY(fst_model_add_adapter(reference, NULL));
    TRY(fst_model_copy(reference, NULL, &loaded));
    TRY(step(loaded));
done:
    fst_model_destroy(model);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(loaded);
    fst_model_destroy(reference);
    return status;
}

fst_status chain_heads(const fst_context_options *options, const char *folder)
{
    fst_context *context = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s/headed", folder);
    fst_status status = fst_context_create(options, &context);
    if (!status)
        status = run(context, FST_F32, path);
    if (!status)
        status = run(context, FST_BF16, path);
    fst_context_destroy(context);
    return status;
}
