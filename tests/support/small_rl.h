/* A run of reinforcement learning small enough to be made a hundred times: a policy over 61 ids
 * whose answers are liked for one of them. */
#ifndef TESTS_SUPPORT_SMALL_RL_H
#define TESTS_SUPPORT_SMALL_RL_H

#include "fourstage/adapter.h"
#include "fourstage/examples.h"
#include "fourstage/optimizer.h"
#include "fourstage/rl.h"
#include "fourstage/tokenizer.h"
#include "tiny_model.h"

enum { RL_LIKED = 7, RL_END = 60, RL_PROMPTS = 6, RL_ANSWER = 6 };

/* What the reward does at its calls, and what it saw. */
typedef struct small_reward {
    int64_t calls, answers, fail_at; /* the call that answers `answer`; 0: none */
    int32_t answer;
    char text[64]; /* of the first answer with a text */
    float nan_at_call;
} small_reward;

typedef struct small_rl_config {
    int32_t family, dtype;
    int32_t adapter;    /* 1: LoRA on the model, its B not 0 */
    int32_t given;      /* 1: the reference is another model; 2: a copy of the model */
    int32_t value_head; /* 0: the model has none */
    int32_t normalise;  /* 1: the reward has running statistics */
    int32_t supervised; /* 1: text is mixed in */
    int32_t texts;      /* 1: the run has the tokenizer, which lacks most ids of the model */
    double learning_rate, model_dropout;
    fst_sampling_options sampling;
    fst_rl_options rl; /* handles are filled in */
    fst_run_options run;
    fst_context_options context;
} small_rl_config;

typedef struct small_rl {
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_dataset *prompts, *supervised;
    fst_model *model, *reference;
    fst_optimizer *optimizer;
    fst_reward_model *reward;
    fst_run *run;
    small_reward *seen; /* on the heap: a reward model may outlive the rest */
} small_rl;

static inline small_rl_config small_rl_defaults(int32_t algorithm)
{
    small_rl_config c = {.value_head = 1, .learning_rate = 3e-3};
    c.context = tiny_context_options(1);
    REQUIRE(fst_sampling_options_init(&c.sampling, sizeof c.sampling));
    REQUIRE(fst_run_options_init(&c.run, sizeof c.run));
    REQUIRE(fst_rl_options_init(&c.rl, sizeof c.rl));
    REQUIRE(fst_rl_options_set_algorithm(&c.rl, algorithm));
    c.sampling.max_new_tokens = RL_ANSWER;
    c.rl.samples_per_prompt = algorithm >= FST_RL_RLOO ? 2 : 1;
    c.rl.prompts_per_step = algorithm >= FST_RL_RLOO ? 2 : 4;
    c.rl.epochs = 2;
    c.run.total_steps = 3;
    return c;
}

static inline int32_t small_rl_score(const fst_reward_batch *batch, float *scores, void *user)
{
    small_reward *seen = user;
    seen->calls += 1;
    seen->answers += batch->count;
    for (int64_t n = 0; n < batch->count; ++n) {
        if (batch->response_texts && batch->response_texts[n][0] && !seen->text[0])
            strncpy(seen->text, batch->response_texts[n], sizeof seen->text - 1);
        float sum = 0;
        for (int64_t t = 0; t < batch->response_lengths[n]; ++t)
            sum += batch->responses[n][t] % RL_LIKED == 0 ? 1.0f : 0.0f;
        scores[n] = seen->calls == (int64_t)seen->nan_at_call
                        ? NAN
                        : sum / (float)batch->response_lengths[n];
    }
    return seen->calls == seen->fail_at ? seen->answer : 0;
}

static inline void small_rl_texts(small_rl *s)
{
    const char *texts[RL_PROMPTS] = {"a", "bc", "def", "ab", "cab", "fed"};
    fst_tokenizer_train_options train;
    REQUIRE(fst_tokenizer_train_options_init(&train, sizeof train));
    train.kind = FST_TOKENIZER_CHARACTER;
    REQUIRE(fst_tokenizer_train_texts(s->context, texts, NULL, RL_PROMPTS, &train, &s->tokenizer));
    REQUIRE(
        fst_dataset_from_prompts(s->context, s->tokenizer, texts, RL_PROMPTS, NULL, &s->prompts));
}

static inline void small_rl_supervised(small_rl *s)
{
    static int32_t ids[60];
    fst_pack_options pack;
    fst_dataset *tokens;
    for (int32_t i = 0; i < 60; ++i)
        ids[i] = i * 7 % RL_END;
    fst_dataset_token_options options;
    REQUIRE(fst_dataset_token_options_init(&options, sizeof options));
    REQUIRE(fst_dataset_from_tokens(s->context, ids, 60, NULL, 0, &options, &tokens));
    REQUIRE(fst_pack_options_init(&pack, sizeof pack));
    pack.length = 8;
    REQUIRE(fst_dataset_pack(tokens, &pack, &s->supervised));
    fst_dataset_destroy(tokens);
}

static inline fst_model *small_rl_model(const small_rl *s, const small_rl_config *c)
{
    fst_model_config config = tiny_config(c->family);
    config.init_std = 0.05;
    config.dropout = config.attention_dropout = c->model_dropout;
    config.eos_id = RL_END;
    fst_model *model = tiny_model(s->context, &config, c->dtype, 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "value";
    head.kind = FST_HEAD_TOKEN;
    head.init_std = 0;
    if (c->value_head)
        REQUIRE(fst_model_add_head(model, &head));
    return model;
}

/* An adapter as training left it: its second factors are not 0. */
static inline void small_rl_adapt(fst_model *model)
{
    int64_t count;
    REQUIRE(fst_model_add_adapter(model, NULL));
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        if (!strstr(name, "lora_B"))
            continue;
        REQUIRE(fst_model_parameter(model, name, &view));
        for (int64_t j = 0; j < view.shape[0] * view.shape[1]; ++j)
            ((float *)view.data)[j] = 0.01f * (float)((j * 37 + i) % 11 - 5);
    }
    REQUIRE(fst_model_weights_changed(model));
}

/* The caller's function, alone or with running statistics around it. */
static inline void small_rl_reward(small_rl *s, const small_rl_config *c)
{
    fst_reward_callback_options options;
    REQUIRE(fst_reward_callback_options_init(&options, sizeof options));
    options.release = free;
    s->seen = calloc(1, sizeof *s->seen);
    REQUIRE(
        fst_reward_model_from_callback(s->context, small_rl_score, s->seen, &options, &s->reward));
    if (!c->normalise)
        return;
    fst_reward_model *member = s->reward;
    fst_reward_combine_options combine;
    REQUIRE(fst_reward_combine_options_init(&combine, sizeof combine));
    combine.normalise = FST_NORMALISE_SUM;
    REQUIRE(fst_reward_model_combine(s->context, &member, NULL, 1, &combine, &s->reward));
    fst_reward_model_destroy(member);
}

/* Everything but the run. */
static inline void small_rl_prepare(small_rl *s, const small_rl_config *c)
{
    *s = (small_rl){0};
    REQUIRE(fst_context_create(&c->context, &s->context));
    small_rl_texts(s);
    if (c->supervised)
        small_rl_supervised(s);
    s->model = small_rl_model(s, c);
    if (c->given == 2)
        REQUIRE(fst_model_copy(s->model, NULL, &s->reference));
    else if (c->given)
        s->reference = small_rl_model(s, c);
    if (c->adapter)
        small_rl_adapt(s->model);
    small_rl_reward(s, c);
    fst_optimizer_options optimizer;
    REQUIRE(fst_optimizer_options_init(&optimizer, sizeof optimizer));
    optimizer.learning_rate = c->learning_rate;
    REQUIRE(fst_optimizer_create(s->model, &optimizer, &s->optimizer));
}

static inline fst_status small_rl_start(small_rl *s, const small_rl_config *c)
{
    fst_rl_options options = c->rl;
    options.model = s->model;
    options.optimizer = s->optimizer;
    options.reference = s->reference;
    options.reward_model = s->reward;
    options.prompts = s->prompts;
    options.validation = s->prompts;
    options.supervised = s->supervised;
    options.tokenizer = c->texts ? s->tokenizer : NULL;
    options.sampling = &c->sampling;
    options.run = &c->run;
    return fst_rl_create(&options, &s->run);
}

static inline void small_rl_create(small_rl *s, const small_rl_config *c)
{
    small_rl_prepare(s, c);
    REQUIRE(small_rl_start(s, c));
}

static inline void small_rl_destroy(small_rl *s)
{
    /* An order in which handles go before what uses them. */
    fst_context_destroy(s->context);
    fst_dataset_destroy(s->prompts);
    fst_dataset_destroy(s->supervised);
    fst_model_destroy(s->reference);
    fst_model_destroy(s->model);
    fst_optimizer_destroy(s->optimizer);
    fst_reward_model_destroy(s->reward);
    fst_tokenizer_destroy(s->tokenizer);
    fst_run_destroy(s->run);
    *s = (small_rl){0};
}

static inline double small_rl_metric(const fst_run *run, const char *name)
{
    double value;
    REQUIRE(fst_run_metric(run, name, &value));
    return value;
}

/* Weights as the run left them, all parameters in order; the caller frees them. */
static inline float *small_rl_weights(fst_model *model, int64_t *count)
{
    int64_t parameters;
    float *all = NULL;
    *count = 0;
    REQUIRE(fst_model_parameter_count(model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        REQUIRE(fst_model_parameter(model, name, &view));
        int64_t size = 1;
        for (int32_t d = 0; d < view.rank; ++d)
            size *= view.shape[d];
        all = realloc(all, (size_t)(*count + size) * sizeof *all);
        memcpy(all + *count, view.data, (size_t)size * sizeof *all);
        *count += size;
    }
    return all;
}

#endif
