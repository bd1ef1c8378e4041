/* An encoder whose class leaves parts of it aside: saved, read, copied and used. */
#include "chains.h"

#include "fourstage/model.h"

#include <stdio.h>

enum { ROWS = 2, LENGTH = 8 };

#define TRY(call)                       \
    do {                                \
        status = (call);                \
        if (status != FST_OK)           \
            goto done;                  \
    } while (0)

static fst_status add_heads(fst_model *model, int32_t family)
{
    static const char *const labels[] = {"no", "perhaps", "yes"};
    fst_head_options head;
    fst_status status;
    TRY(fst_head_options_init(&head, sizeof head));
    head.name = "other";
    head.pooling = FST_POOL_MAX;
    TRY(fst_model_add_head(model, &head));
    head.name = "classifier";
    head.outputs = 3;
    head.dropout = 0.1;
    head.pooling = family == FST_FAMILY_BERT ? FST_POOL_POOLER : FST_POOL_FIRST;
    head.hidden_layers = family != FST_FAMILY_BERT;
    head.activation = family == FST_FAMILY_ROBERTA ? FST_ACTIVATION_TANH : FST_ACTIVATION_GELU;
    head.layer_norm = family == FST_FAMILY_MODERNBERT;
    TRY(fst_model_add_head(model, &head));
    TRY(fst_model_set_labels(model, "classifier", labels, 3));
    TRY(fst_model_set_labels(model, "other", labels, 1));
done:
    return status;
}

static fst_status forward(fst_model *model)
{
    int32_t ids[ROWS * LENGTH], lengths[ROWS] = {LENGTH, 3};
    fst_batch batch;
    fst_view view;
    fst_status status;
    for (int i = 0; i < ROWS * LENGTH; ++i)
        ids[i] = i * 7 % 60;
    TRY(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.lengths = lengths;
    TRY(fst_model_forward(model, &batch, NULL));
    TRY(fst_model_output(model, "classifier", &view));
    TRY(fst_model_backward(model, "classifier", &view));
done:
    return status;
}

static fst_status run(fst_context *context, int32_t family, const char *path)
{
    fst_model_config config;
    fst_sentence_options sentence;
    fst_model *model = NULL, *loaded = NULL, *copy = NULL;
    const char *label;
    fst_status status;
    TRY(fst_model_config_init(&config, sizeof config));
    TRY(fst_model_config_set_family(&config, family));
    config.vocabulary_size = 60;
    config.context_length = 32;
    config.layers = 2;
    config.width = 32;
    config.heads = 4;
    config.window = family == FST_FAMILY_MODERNBERT ? 6 : 0;
    TRY(fst_model_create(context, &config, NULL, &model));
    TRY(add_heads(model, family));
    TRY(fst_sentence_options_init(&sentence, sizeof sentence));
    sentence.length = 16;
    TRY(fst_model_set_sentence(model, &sentence));
    TRY(fst_model_save(model, NULL, path));
    TRY(fst_model_load(context, path, NULL, &loaded));
    TRY(fst_model_copy(loaded, NULL, &copy));
    TRY(fst_model_copy_weights(copy, model));
    TRY(fst_model_get_label(copy, "classifier", 2, &label));
    TRY(fst_model_get_sentence(copy, &sentence, sizeof sentence));
    TRY(forward(copy));
done:
    fst_model_destroy(copy);
    fst_model_destroy(loaded);
    fst_model_destroy(model);
    return status;
}

fst_status chain_encoder(const fst_context_options *options, const char *folder)
{
    static const int32_t families[] = {FST_FAMILY_BERT, FST_FAMILY_ROBERTA, FST_FAMILY_MODERNBERT};
    fst_context *context = NULL;
    char path[512];
    fst_status status = fst_context_create(options, &context);
    for (int i = 0; i < 3 && !status; ++i) {
        snprintf(path, sizeof path, "%s/encoder%d", folder, i);
        status = run(context, families[i], path);
    }
    fst_context_destroy(context);
    return status;
}
