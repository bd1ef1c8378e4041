/* A model with an adapter: trained, saved, switched off, read by another, merged. */
#include "chains.h"

#include "fourstage/adapter.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"
#include "fourstage/policy.h"

#include <stdio.h>

enum { ROWS = 2, LENGTH = 12 };

#define TRY(call)                       \
    do {                                \
        status = (call);                \
        if (status != FST_OK)           \
            goto done;                  \
    } while (0)

static fst_status make_model(fst_context *context, fst_model **model)
{
    fst_model_config config;
    fst_status status;
    TRY(fst_model_config_init(&config, sizeof config));
    TRY(fst_model_config_set_family(&config, FST_FAMILY_QWEN2));
    config.vocabulary_size = 60;
    config.context_length = 32;
    config.layers = 2;
    config.width = 32;
    config.heads = 4;
    config.kv_heads = 2;
    TRY(fst_model_create(context, &config, NULL, model));
done:
    return status;
}

static fst_status train(fst_model *model)
{
    fst_optimizer *optimizer = NULL;
    fst_status status;
    int32_t ids[ROWS * LENGTH];
    fst_batch batch;
    fst_loss loss;
    for (int i = 0; i < ROWS * LENGTH; ++i)
        ids[i] = i * 7 % 60;
    TRY(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = batch.targets = ids;
    TRY(fst_optimizer_create(model, NULL, &optimizer));
    for (int step = 0; step < 2; ++step) {
        TRY(fst_model_forward(model, &batch, NULL));
        TRY(fst_model_loss(model, NULL, &loss, sizeof loss));
        TRY(fst_model_backward(model, NULL, NULL));
        TRY(fst_optimizer_step(optimizer, NULL, 0));
    }
done:
    fst_optimizer_destroy(optimizer);
    return status;
}

static fst_status generate(fst_model *model)
{
    static const int32_t prompt[] = {3, 1, 4};
    const int32_t *const prompts[] = {prompt};
    const int64_t lengths[] = {3};
    fst_policy *policy = NULL;
    fst_sampling_options options;
    fst_status status;
    TRY(fst_policy_create(model, NULL, &policy));
    TRY(fst_sampling_options_init(&options, sizeof options));
    options.max_new_tokens = 5;
    TRY(fst_policy_generate(policy, prompts, lengths, 1, &options, NULL, NULL));
done:
    fst_policy_destroy(policy);
    return status;
}

fst_status chain_adapter(const fst_context_options *options, const char *folder)
{
    fst_context *context = NULL;
    fst_model *model = NULL, *other = NULL;
    fst_adapter_options adapter, found;
    fst_status status;
    char path[512];
    snprintf(path, sizeof path, "%s/adapter", folder);
    TRY(fst_context_create(options, &context));
    TRY(make_model(context, &model));
    TRY(fst_adapter_options_init(&adapter, sizeof adapter));
    adapter.rank = 3;
    adapter.weight_decomposed = 1;
    TRY(fst_model_add_adapter(model, &adapter));
    TRY(train(model));
    TRY(fst_model_save_adapter(model, path));
    TRY(generate(model));
    TRY(fst_model_enable_adapter(model, 0));
    TRY(generate(model));
    TRY(make_model(context, &other));
    TRY(fst_model_load_adapter(other, path));
    TRY(fst_model_get_adapter(other, &found, sizeof found));
    TRY(fst_model_merge_adapter(other));
    TRY(train(other));
    TRY(fst_model_remove_adapter(model));
done:
    fst_context_destroy(context);
    fst_model_destroy(other);
    fst_model_destroy(model);
    return status;
}
