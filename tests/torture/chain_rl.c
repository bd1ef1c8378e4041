/* Reinforcement learning, by PPO with lists of ids and by GRPO with an adapter, saved between two
 * minibatches and resumed. */
#include "chains.h"

#include "fourstage/adapter.h"
#include "fourstage/examples.h"
#include "fourstage/model.h"
#include "fourstage/rl.h"
#include "fourstage/tokenizer.h"

#include <stdio.h>
#include <string.h>

#define TRY(call)                                                                                  \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != FST_OK)                                                                      \
            goto done;                                                                             \
    } while (0)

typedef struct parts {
    fst_tokenizer *tokenizer;
    fst_dataset *prompts;
    fst_model *model;
    fst_reward_model *reward;
    fst_run *run;
} parts;

static int32_t score(const fst_reward_batch *batch, float *scores, void *user)
{
    (void)user;
    for (int64_t n = 0; n < batch->count; ++n)
        scores[n] = (float)(batch->responses[n][0] % 5);
    return 0;
}

static fst_status make_model(fst_context *context, int32_t algorithm, fst_model **model)
{
    fst_model_config config;
    fst_head_options head;
    fst_status status;
    TRY(fst_model_config_init(&config, sizeof config));
    config.vocabulary_size = 40;
    config.context_length = 24;
    config.layers = 1;
    config.width = 16;
    config.heads = 2;
    config.eos_id = 39;
    TRY(fst_model_create(context, &config, NULL, model));
    TRY(fst_head_options_init(&head, sizeof head));
    head.name = "value";
    head.kind = FST_HEAD_TOKEN;
    head.init_std = 0;
    TRY(fst_model_add_head(*model, &head));
    if (algorithm == FST_RL_GRPO)
        TRY(fst_model_add_adapter(*model, NULL));
done:
    return status;
}

static fst_status make_parts(fst_context *context, int32_t algorithm, parts *p)
{
    const char *texts[] = {"a", "bc", "def"};
    fst_tokenizer_train_options characters;
    fst_status status;
    TRY(fst_tokenizer_train_options_init(&characters, sizeof characters));
    characters.kind = FST_TOKENIZER_CHARACTER;
    TRY(fst_tokenizer_train_texts(context, texts, NULL, 3, &characters, &p->tokenizer));
    TRY(fst_dataset_from_prompts(context, p->tokenizer, texts, 3, NULL, &p->prompts));
    TRY(make_model(context, algorithm, &p->model));
    TRY(fst_reward_model_from_callback(context, score, NULL, NULL, &p->reward));
done:
    return status;
}

static fst_status make_run(int32_t algorithm, parts *p)
{
    fst_rl_options options;
    fst_sampling_options sampling;
    fst_status status;
    TRY(fst_sampling_options_init(&sampling, sizeof sampling));
    sampling.max_new_tokens = 5;
    sampling.top_k = algorithm == FST_RL_PPO ? 9 : 0;
    TRY(fst_rl_options_init(&options, sizeof options));
    TRY(fst_rl_options_set_algorithm(&options, algorithm));
    options.model = p->model;
    options.tokenizer = p->tokenizer;
    options.reward_model = p->reward;
    options.prompts = options.validation = p->prompts;
    options.sampling = &sampling;
    options.prompts_per_step = 2;
    options.samples_per_prompt = 2;
    options.rows = 2;
    options.epochs = 2;
    options.kl_coefficient = 0.05;
    options.kl_ceiling = 50;
    TRY(fst_rl_create(&options, &p->run));
done:
    return status;
}

static void destroy(parts *p)
{
    fst_model_destroy(p->model);
    fst_dataset_destroy(p->prompts);
    fst_run_destroy(p->run);
    fst_reward_model_destroy(p->reward);
    fst_tokenizer_destroy(p->tokenizer);
    *p = (parts){0};
}

static fst_status learn(fst_context *context, int32_t algorithm, const char *path)
{
    parts p = {0};
    fst_status status;
    TRY(make_parts(context, algorithm, &p));
    TRY(make_run(algorithm, &p));
    TRY(fst_run_step(p.run, NULL, 0));
    TRY(fst_run_evaluate(p.run));
    TRY(fst_run_advance(p.run, NULL));
    TRY(fst_run_advance(p.run, NULL));
    TRY(fst_run_save(p.run, path));
    destroy(&p);
    TRY(make_parts(context, algorithm, &p));
    TRY(make_run(algorithm, &p));
    TRY(fst_run_resume(p.run, path));
    TRY(fst_run_step(p.run, NULL, 0));
done:
    destroy(&p);
    return status;
}

fst_status chain_rl(const fst_context_options *options, const char *folder)
{
    fst_context *context = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s/iteration.safetensors", folder);
    fst_status status = fst_context_create(options, &context);
    if (!status)
        status = learn(context, FST_RL_PPO, path);
    if (!status)
        status = learn(context, FST_RL_GRPO, path);
    fst_context_destroy(context);
    return status;
}
