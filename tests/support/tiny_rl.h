/* A run of reinforcement learning small enough to be made a hundred times: a policy of two layers is
 * rewarded for one id and for ending soon. */
#ifndef TESTS_SUPPORT_TINY_RL_H
#define TESTS_SUPPORT_TINY_RL_H

#include "fourstage/adapter.h"
#include "fourstage/dataset.h"
#include "fourstage/examples.h"
#include "fourstage/optimizer.h"
#include "fourstage/rl.h"
#include "fourstage/tokenizer.h"
#include "tiny_model.h"

enum { RL_LIKED = 7, RL_END = 3, RL_PROMPTS = 7, RL_MOST = 10 };

typedef struct small_rl_config {
    int32_t dtype;
    int32_t adapter;    /* 1: LoRA on the model, and the head */
    int32_t no_head;    /* 1: the model has no head for values */
    int32_t combined;   /* 1: the reward is a sum of two, normalised as it goes */
    int32_t supervised; /* 1: rows of other text in each update */
    int32_t validation;
    int32_t optimizer;  /* FST_OPTIMIZER_ value */
    double learning_rate, dropout;
    int32_t (*scorer)(const fst_reward_batch *batch, float *scores, void *user); /* NULL: small_rl_liked */
    void *scorer_user;
    fst_model_config model;
    fst_rl_options rl; /* handles are filled in */
    fst_run_options run;
    fst_sampling_options sampling;
    fst_context_options context;
} small_rl_config;

typedef struct small_rl {
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_dataset *prompts, *validation, *supervised;
    fst_model *model;
    fst_optimizer *optimizer;
    fst_reward_model *reward, *members[2];
    fst_run *run;
} small_rl;

/* The share of liked ids. */
static inline int32_t small_rl_liked(const fst_reward_batch *batch, float *scores, void *user)
{
    (void)user;
    for (int64_t n = 0; n < batch->count; ++n) {
        scores[n] = 0;
        for (int64_t t = 0; t < batch->response_lengths[n]; ++t)
            scores[n] += batch->responses[n][t] == RL_LIKED ? 1.0f : 0.0f;
        scores[n] /= (float)batch->response_lengths[n];
    }
    return 0;
}

static inline int32_t small_rl_short(const fst_reward_batch *batch, float *scores, void *user)
{
    (void)user;
    for (int64_t n = 0; n < batch->count; ++n)
        scores[n] = -(float)batch->response_lengths[n] - (float)(batch->responses[n][0] % 5);
    return 0;
}

static inline small_rl_config small_rl_defaults(int32_t algorithm)
{
    small_rl_config c = {.learning_rate = 3e-3};
    c.context = tiny_context_options(1);
    c.optimizer = FST_OPTIMIZER_ADAMW;
    c.model = tiny_config(FST_FAMILY_GPT2);
    c.model.init_std = 0.05;
    c.model.eos_id = RL_END;
    REQUIRE(fst_rl_options_init(&c.rl, sizeof c.rl));
    REQUIRE(fst_rl_options_set_algorithm(&c.rl, algorithm));
    REQUIRE(fst_run_options_init(&c.run, sizeof c.run));
    REQUIRE(fst_sampling_options_init(&c.sampling, sizeof c.sampling));
    c.sampling.max_new_tokens = RL_MOST;
    c.rl.prompts_per_step = algorithm == FST_RL_GRPO || algorithm == FST_RL_RLOO ? 2 : 8;
    if (c.rl.samples_per_prompt > 1)
        c.rl.samples_per_prompt = 4;
    return c;
}

static inline void small_rl_make_prompts(small_rl *s, const small_rl_config *c)
{
    static const char *const texts[RL_PROMPTS] = {"a", "bc", "def", "ab", "cab", "fed", "deaf"};
    fst_tokenizer_train_options train;
    REQUIRE(fst_tokenizer_train_options_init(&train, sizeof train));
    train.kind = FST_TOKENIZER_CHARACTER;
    REQUIRE(fst_tokenizer_train_texts(s->context, texts, NULL, RL_PROMPTS, &train, &s->tokenizer));
    REQUIRE(fst_dataset_from_prompts(s->context, s->tokenizer, texts, RL_PROMPTS, NULL, &s->prompts));
    if (c->validation)
        REQUIRE(fst_dataset_from_prompts(s->context, s->tokenizer, texts + 2, 5, NULL, &s->validation));
}

static inline void small_rl_make_supervised(small_rl *s)
{
    enum { IDS = 120 };
    int32_t ids[IDS];
    tiny_ids(ids, IDS, 5);
    fst_dataset_token_options options;
    fst_pack_options pack;
    fst_dataset *plain;
    REQUIRE(fst_dataset_token_options_init(&options, sizeof options));
    options.copy = 1;
    REQUIRE(fst_dataset_from_tokens(s->context, ids, IDS, NULL, 0, &options, &plain));
    REQUIRE(fst_pack_options_init(&pack, sizeof pack));
    pack.length = 12;
    REQUIRE(fst_dataset_pack(plain, &pack, &s->supervised));
    fst_dataset_destroy(plain);
}

static inline void small_rl_make_model(small_rl *s, const small_rl_config *c)
{
    fst_model_config config = c->model;
    config.dropout = c->dropout;
    s->model = tiny_model(s->context, &config, c->dtype, 0);
    if (c->adapter)
        REQUIRE(fst_model_add_adapter(s->model, NULL));
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "value";
    head.kind = FST_HEAD_TOKEN;
    head.init_std = 0.02;
    if (!c->no_head)
        REQUIRE(fst_model_add_head(s->model, &head));
    fst_optimizer_options optimizer;
    REQUIRE(fst_optimizer_options_init(&optimizer, sizeof optimizer));
    optimizer.kind = c->optimizer;
    optimizer.learning_rate = c->learning_rate;
    REQUIRE(fst_optimizer_create(s->model, &optimizer, &s->optimizer));
}

static inline void small_rl_make_reward(small_rl *s, const small_rl_config *c)
{
    REQUIRE(fst_reward_model_from_callback(s->context, c->scorer ? c->scorer : small_rl_liked,
                                           c->scorer_user, NULL, &s->reward));
    if (!c->combined)
        return;
    const double weights[2] = {1, 0.25};
    fst_reward_combine_options options;
    REQUIRE(fst_reward_combine_options_init(&options, sizeof options));
    options.normalise = FST_NORMALISE_MEMBERS;
    s->members[0] = s->reward;
    REQUIRE(fst_reward_model_from_callback(s->context, small_rl_short, NULL, NULL, &s->members[1]));
    REQUIRE(fst_reward_model_combine(s->context, s->members, weights, 2, &options, &s->reward));
}

/* Everything but the run. */
static inline void small_rl_prepare(small_rl *s, const small_rl_config *c)
{
    *s = (small_rl){0};
    REQUIRE(fst_context_create(&c->context, &s->context));
    small_rl_make_prompts(s, c);
    if (c->supervised)
        small_rl_make_supervised(s);
    small_rl_make_model(s, c);
    small_rl_make_reward(s, c);
}

static inline fst_status small_rl_start(small_rl *s, const small_rl_config *c)
{
    fst_rl_options options = c->rl;
    options.model = s->model;
    options.optimizer = s->optimizer;
    options.reward_model = s->reward;
    options.prompts = s->prompts;
    options.validation = s->validation;
    options.supervised = s->supervised;
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
    fst_dataset_destroy(s->validation);
    fst_dataset_destroy(s->supervised);
    fst_model_destroy(s->model);
    fst_optimizer_destroy(s->optimizer);
    for (int i = 0; i < 2; ++i)
        fst_reward_model_destroy(s->members[i]);
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

static inline int64_t small_rl_pieces(const fst_run *run)
{
    fst_run_info info;
    REQUIRE(fst_run_get_info(run, &info, sizeof info));
    return info.micro_steps;
}

/* All weights one behind the other; free()d by the caller. */
static inline float *small_rl_weights(fst_model *model, int64_t *count)
{
    int64_t parameters, total = 0;
    float *all = NULL;
    REQUIRE(fst_model_parameter_count(model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view view;
        int64_t size = 1;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        REQUIRE(fst_model_parameter(model, name, &view));
        for (int32_t d = 0; d < view.rank; ++d)
            size *= view.shape[d];
        all = realloc(all, (size_t)(total + size) * sizeof *all);
        ck_assert_ptr_nonnull(all);
        memcpy(all + total, view.data, (size_t)size * sizeof *all);
        total += size;
    }
    *count = total;
    return all;
}

#endif
