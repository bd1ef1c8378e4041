/* Encoders through the public interface: who sees whom, padding, bits, what is frozen, the pooler, the
 * head of masked tokens, memory. Their gradients are in gradient_model.c and gradient_heads.c. */
#include "../support/tiny_model.h"

#include "../support/scratch.h"
#include "fourstage/optimizer.h"
#include "fourstage/policy.h"
#include "model/decode.h"

enum { ROWS = 3, LENGTH = 14, TOKENS = ROWS * LENGTH };

static int32_t ids[TOKENS], targets[TOKENS], types[TOKENS];
static int32_t lengths[ROWS] = {14, 6, 1};

/* One position in three has a target, as masked tokens have. */
static fst_batch masked_batch(const fst_model_config *config)
{
    fst_batch batch;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    tiny_ids(ids, TOKENS, 1);
    tiny_ids(targets, TOKENS, 2);
    for (int i = 0; i < TOKENS; ++i) {
        types[i] = config->token_types > 1 ? i / 5 % 2 : 0;
        if (i % 3)
            targets[i] = FST_IGNORE;
    }
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    batch.token_types = types;
    batch.lengths = lengths;
    return batch;
}

static fst_model_config encoder_config(int32_t family)
{
    fst_model_config config = tiny_config(family);
    config.layers = 3;
    if (family == FST_FAMILY_MODERNBERT) {
        config.window = 4;
        config.global_every = 2;
        config.local_rope_theta = 100;
    }
    return config;
}

static const int32_t families[] = {FST_FAMILY_BERT, FST_FAMILY_ROBERTA, FST_FAMILY_MODERNBERT};

static const char *name_of(const fst_model *model, int64_t index)
{
    const char *name;
    REQUIRE(fst_model_parameter_name(model, index, &name));
    return name;
}

static int64_t size_of(const fst_view *view)
{
    int64_t size = 1;
    for (int i = 0; i < view->rank; ++i)
        size *= view->shape[i];
    return size;
}

static double step(fst_model *model, const fst_batch *batch)
{
    fst_loss loss;
    REQUIRE(fst_model_forward(model, batch, NULL));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    REQUIRE(fst_model_backward(model, NULL, NULL));
    return loss.loss;
}

/* All gradients in one array, to be freed. */
static float *all_gradients(fst_model *model, int64_t *count)
{
    int64_t parameters;
    float *all = NULL;
    *count = 0;
    REQUIRE(fst_model_parameter_count(model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        fst_view view;
        REQUIRE(fst_model_gradient(model, name_of(model, i), &view));
        all = realloc(all, (size_t)(*count + size_of(&view)) * sizeof *all);
        memcpy(all + *count, view.data, (size_t)size_of(&view) * sizeof *all);
        *count += size_of(&view);
    }
    return all;
}

/* A copy of an output of an evaluation, to be freed. */
static float *evaluated(fst_model *model, const fst_batch *batch, const char *output, int64_t *count)
{
    fst_forward_options options;
    fst_view view;
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    options.mode = FST_FORWARD_EVALUATE;
    REQUIRE(fst_model_forward(model, batch, &options));
    REQUIRE(fst_model_output(model, output, &view));
    *count = size_of(&view);
    float *copy = malloc((size_t)*count * sizeof *copy);
    memcpy(copy, view.data, (size_t)*count * sizeof *copy);
    return copy;
}

START_TEST(switches_of_families)
{
    fst_model_config config = tiny_config(FST_FAMILY_BERT);
    ck_assert(!config.causal && config.post_norm && config.embedding_norm && config.pooler);
    ck_assert(config.head_transform && config.head_bias && config.tied);
    ck_assert_int_eq(config.token_types, 2);
    ck_assert_int_eq(config.activation, FST_ACTIVATION_GELU);
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_ROBERTA));
    ck_assert_int_eq(config.token_types, 1);
    ck_assert_int_eq(config.position_offset, 2);
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_MODERNBERT));
    ck_assert(!config.causal && !config.post_norm && config.embedding_norm && !config.pooler);
    ck_assert(config.gated && config.first_norm_free && !config.norm_bias && !config.mlp_bias);
    ck_assert_int_eq(config.position_offset, 0);
    ck_assert_int_eq(config.global_every, 3);
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_LLAMA));
    ck_assert(config.causal && !config.embedding_norm && !config.head_transform);
    ck_assert_int_eq(config.global_every, 0);
}
END_TEST

/* Whether position i of row 0 notices that token j is another. */
static bool notices(const float *a, const float *b, int i, int width)
{
    return memcmp(a + i * width, b + i * width, (size_t)width * sizeof *a) != 0;
}

typedef struct sight {
    int32_t causal, layers, window, global_every, documents;
} sight;

static const sight sights[] = {
    {0, 1, 0, 0, 0}, {0, 1, 0, 0, 1}, {0, 1, 4, 0, 0}, {0, 1, 5, 0, 1}, {0, 1, 4, 2, 0},
    {0, 2, 6, 0, 0}, {0, 2, 4, 1, 1}, {1, 1, 0, 0, 1}, {1, 1, 3, 0, 0},
};

static bool sees(const sight *s, const int32_t *documents, int i, int j)
{
    bool same = !s->documents || documents[i] == documents[j];
    int reach = s->layers * (s->window / 2);
    if (s->causal)
        return same && j <= i && (s->window == 0 || i - j < s->window);
    bool local = s->window > 0 && s->global_every == 0;
    return same && (!local || abs(i - j) <= reach);
}

START_TEST(who_sees_whom)
{
    const sight *s = &sights[_i];
    static const int32_t documents[LENGTH] = {0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 11, 11, 11};
    fst_context *context = tiny_context(2);
    fst_model_config config = tiny_config(FST_FAMILY_MODERNBERT);
    config.causal = s->causal;
    config.layers = s->layers;
    config.window = s->window;
    config.global_every = s->global_every;
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    fst_batch batch = masked_batch(&config);
    batch.rows = 1;
    batch.lengths = NULL;
    batch.documents = s->documents ? documents : NULL;
    int64_t count;
    float *before = evaluated(model, &batch, "hidden", &count);
    for (int j = 0; j < LENGTH; ++j) {
        ids[j] = (ids[j] + 1) % TINY_VOCABULARY;
        float *after = evaluated(model, &batch, "hidden", &count);
        for (int i = 0; i < LENGTH; ++i)
            ck_assert_msg(notices(before, after, i, config.width) == sees(s, documents, i, j),
                          "case %d: %d and %d", _i, i, j);
        ids[j] = (ids[j] + TINY_VOCABULARY - 1) % TINY_VOCABULARY;
        free(after);
    }
    free(before);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* What stands in the padding changes no bit, and batch-mates nothing beyond rounding. */
START_TEST(padding_is_not_seen)
{
    fst_context *context = tiny_context(2);
    fst_model_config config = encoder_config(families[_i % 3]);
    fst_model *model = tiny_model(context, &config, _i / 3 ? FST_BF16 : FST_F32, 0);
    float *gradients[2];
    double losses[2];
    int64_t count;
    for (int n = 0; n < 2; ++n) {
        fst_batch batch = masked_batch(&config);
        for (int r = 0; r < ROWS && n; ++r) {
            for (int t = lengths[r]; t < LENGTH; ++t) {
                int i = r * LENGTH + t;
                ids[i] = t;
                targets[i] = 60 - t;
                types[i] = config.token_types > 1;
            }
        }
        REQUIRE(fst_model_zero_gradients(model));
        losses[n] = step(model, &batch);
        gradients[n] = all_gradients(model, &count);
    }
    ck_assert_double_eq(losses[0], losses[1]);
    ck_assert_mem_eq(gradients[0], gradients[1], (size_t)count * sizeof(float));
    for (int r = 0; r < ROWS && _i / 3 == 0; ++r) {
        fst_batch batch = masked_batch(&config);
        float *together = evaluated(model, &batch, "hidden", &count);
        batch.rows = 1;
        batch.length = lengths[r];
        batch.lengths = NULL;
        batch.ids = ids + r * LENGTH;
        batch.targets = NULL;
        batch.token_types = types + r * LENGTH;
        float *alone = evaluated(model, &batch, "hidden", &count);
        for (int64_t i = 0; i < count; ++i)
            ck_assert_float_eq_tol(alone[i], together[r * LENGTH * config.width + i], 1e-5f);
        free(alone), free(together);
    }
    free(gradients[0]), free(gradients[1]);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(bits_do_not_depend_on_threads_or_checkpointing)
{
    float *expected = NULL;
    double loss = 0;
    for (int variant = 0; variant < 8; ++variant) {
        fst_context *context = tiny_context(variant / 2 + 1);
        fst_model_config config = encoder_config(families[_i % 3]);
        config.dropout = config.attention_dropout = .1;
        fst_model *model = tiny_model(context, &config, _i / 3 ? FST_BF16 : FST_F32, variant % 2);
        fst_batch batch = masked_batch(&config);
        int64_t count;
        double found = step(model, &batch);
        float *gradients = all_gradients(model, &count);
        if (expected) {
            ck_assert_msg(found == loss, "%d threads, checkpointing %d", variant / 2 + 1, variant % 2);
            ck_assert_msg(memcmp(gradients, expected, (size_t)count * sizeof *expected) == 0,
                          "gradients with %d threads, checkpointing %d", variant / 2 + 1, variant % 2);
            free(gradients);
        } else {
            expected = gradients;
            loss = found;
        }
        fst_model_destroy(model);
        fst_context_destroy(context);
    }
    free(expected);
}
END_TEST

/* Without types all are of type 0; an offset is the table's other rows. */
START_TEST(tables)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = encoder_config(FST_FAMILY_BERT);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    config.position_offset = 5;
    fst_model *moved = tiny_model(context, &config, FST_F32, 0);
    fst_view from, to;
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        REQUIRE(fst_model_parameter(model, name_of(model, i), &from));
        REQUIRE(fst_model_parameter(moved, name_of(model, i), &to));
        int64_t skipped = strcmp(name_of(model, i), "embedding.positions.weight") ? 0 : 5 * 32;
        ck_assert_int_eq(size_of(&to), size_of(&from) + skipped);
        memcpy((float *)to.data + skipped, from.data, (size_t)size_of(&from) * sizeof(float));
    }
    fst_batch batch = masked_batch(&config);
    float *expected = evaluated(model, &batch, "logits", &count);
    float *found = evaluated(moved, &batch, "logits", &count);
    ck_assert_mem_eq(found, expected, (size_t)count * sizeof *found);
    free(found);
    batch.token_types = NULL;
    float *plain = evaluated(model, &batch, "logits", &count);
    ck_assert(memcmp(plain, expected, (size_t)count * sizeof *plain) != 0);
    memset(types, 0, sizeof types);
    batch.token_types = types;
    found = evaluated(model, &batch, "logits", &count);
    ck_assert_mem_eq(found, plain, (size_t)count * sizeof *found);
    types[7] = 2;
    ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_ERR_INVALID_ARGUMENT);
    ck_assert(strstr(fst_last_error(), "token_types[0][7]"));
    free(found), free(plain), free(expected);
    fst_model_destroy(moved);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

static double at(fst_model *model, const char *name, int64_t row, int64_t column)
{
    fst_view view;
    REQUIRE(fst_model_parameter(model, name, &view));
    return (double)((float *)view.data)[row * view.strides[0] + column * (view.rank == 2)];
}

static double gelu(double x)
{
    return 0.5 * x * (1 + erf(x / sqrt(2)));
}

/* The pooler's output and the head's logits, from the hidden states and the weights by hand. */
START_TEST(pooler_and_head_by_hand)
{
    fst_context *context = tiny_context(2);
    fst_model_config config = encoder_config(FST_FAMILY_BERT);
    config.mlp_bias = _i; /* of the transform too */
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    fst_batch batch = masked_batch(&config);
    int64_t width = config.width, count;
    fst_view view;
    static const char *const stirred[] = {"pooler.bias", "head.bias", "head.norm.bias",
                                          "head.norm.weight"};
    for (int k = 0; k < 4; ++k) {
        REQUIRE(fst_model_parameter(model, stirred[k], &view));
        for (int64_t i = 0; i < view.shape[0]; ++i)
            ((float *)view.data)[i] += 0.2f * sinf((float)(i + k));
    }
    float *hidden = evaluated(model, &batch, "hidden", &count);
    float *logits = evaluated(model, &batch, "logits", &count);
    float *found = evaluated(model, &batch, "log_probabilities", &count);
    for (int64_t i = 0; i < TOKENS; ++i) {
        double feature[64], mean = 0, variance = 0, total = 0;
        for (int64_t o = 0; o < width; ++o) {
            double sum = _i ? at(model, "head.transform.bias", o, 0) : 0;
            for (int64_t c = 0; c < width; ++c)
                sum += at(model, "head.transform.weight", o, c) * (double)hidden[i * width + c];
            feature[o] = gelu(sum);
            mean += feature[o] / (double)width;
        }
        for (int64_t o = 0; o < width; ++o)
            variance += (feature[o] - mean) * (feature[o] - mean) / (double)width;
        for (int64_t o = 0; o < width; ++o)
            feature[o] = (feature[o] - mean) / sqrt(variance + config.norm_epsilon) *
                             at(model, "head.norm.weight", o, 0) +
                         at(model, "head.norm.bias", o, 0);
        for (int64_t v = 0; v < TINY_VOCABULARY; ++v) {
            double sum = at(model, "head.bias", v, 0);
            for (int64_t c = 0; c < width; ++c)
                sum += at(model, "embedding.tokens.weight", v, c) * feature[c];
            ck_assert_double_eq_tol((double)logits[i * TINY_VOCABULARY + v], sum, 1e-4);
            total += exp(sum);
        }
        bool counts = targets[i] >= 0 && i % LENGTH < lengths[i / LENGTH];
        double expected = counts ? (double)logits[i * TINY_VOCABULARY + targets[i]] - log(total) : 0;
        ck_assert_double_eq_tol((double)found[i], expected, 1e-4);
    }
    float *pooled = evaluated(model, &batch, "pooled", &count);
    ck_assert_int_eq(count, ROWS * width);
    for (int64_t i = 0; i < count; ++i) {
        double sum = at(model, "pooler.bias", i % width, 0);
        for (int64_t c = 0; c < width; ++c)
            sum += at(model, "pooler.weight", i % width, c) *
                   (double)hidden[i / width * LENGTH * width + c];
        ck_assert_double_eq_tol((double)pooled[i], tanh(sum), 1e-5);
    }
    free(pooled), free(found), free(logits), free(hidden);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* What is trained, the rest being frozen: the same bits as of the whole model. */
static const char *const trained[][2] = {
    {"head.bias", "head.norm.*"},          {"layers.2.*", "head.transform.*"},
    {"layers.2.attention.qkv.*", "head.*"}, {"layers.1.mlp.norm.*", "layers.2.attention.norm.*"},
    {"layers.0.mlp.norm.*", "head.*"},     {"layers.0.attention.qkv.weight", "layers.1.*"},
    {"embedding.norm.*", "layers.1.*"},    {"embedding.types.weight", "embedding.positions.weight"},
    {"embedding.*", "layers.2.mlp.*"},
};
enum { TRAINED = sizeof trained / sizeof *trained };

START_TEST(frozen_parts)
{
    const char *const *patterns = trained[_i % TRAINED];
    int32_t checkpointing = _i / TRAINED % 2;
    fst_context *context = tiny_context(2);
    fst_model_config config = encoder_config(FST_FAMILY_BERT);
    config.dropout = .1;
    fst_model *whole = tiny_model(context, &config, FST_F32, checkpointing);
    fst_model *frozen = tiny_model(context, &config, FST_F32, checkpointing);
    fst_batch batch = masked_batch(&config);
    REQUIRE(fst_model_set_trainable(frozen, "*", 0));
    REQUIRE(fst_model_set_trainable(frozen, patterns[0], 1));
    REQUIRE(fst_model_set_trainable(frozen, patterns[1], 1));
    step(whole, &batch);
    step(frozen, &batch);
    int64_t count, compared = 0;
    REQUIRE(fst_model_parameter_count(whole, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_view expected, found;
        REQUIRE(fst_model_gradient(whole, name_of(whole, i), &expected));
        if (fst_model_gradient(frozen, name_of(whole, i), &found))
            continue;
        ++compared;
        ck_assert_msg(memcmp(found.data, expected.data, (size_t)size_of(&found) * sizeof(float)) == 0,
                      "%s", name_of(whole, i));
    }
    ck_assert(compared > 0 && compared < count);
    fst_model_destroy(frozen);
    fst_model_destroy(whole);
    fst_context_destroy(context);
}
END_TEST

START_TEST(nothing_is_allocated)
{
    fst_context *context = tiny_context(2);
    fst_model_config config = encoder_config(families[_i % 3]);
    config.pooler = 1;
    fst_model *model = tiny_model(context, &config, _i / 3 ? FST_BF16 : FST_F32, 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "class";
    head.outputs = 3;
    head.pooling = FST_POOL_POOLER;
    REQUIRE(fst_model_add_head(model, &head));
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_options_init(&options, sizeof options));
    REQUIRE(fst_optimizer_create(model, &options, &optimizer));
    fst_batch batch = masked_batch(&config);
    int64_t before = 0;
    for (int i = 0; i < 4; ++i) {
        fst_loss loss;
        fst_view view;
        if (i == 2)
            before = tiny_allocations(context);
        targets[i + 1] = 3; /* another number of rows that count */
        REQUIRE(fst_model_forward(model, &batch, NULL));
        REQUIRE(fst_model_output(model, "class", &view));
        REQUIRE(fst_model_add_gradient(model, "class", &view));
        REQUIRE(fst_model_output(model, "logits", &view));
        REQUIRE(fst_model_add_gradient(model, "logits", &view));
        REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
        REQUIRE(fst_model_backward(model, NULL, NULL));
        REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
    }
    ck_assert_int_eq(tiny_allocations(context), before);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* A decoder with an encoder's switches generates what its forward says. */
START_TEST(decoding_is_the_forward)
{
    fst_context *context = tiny_context(2);
    fst_model_config config = tiny_config(_i ? FST_FAMILY_LLAMA : FST_FAMILY_GPT2);
    config.post_norm = !_i;
    config.first_norm_free = _i;
    config.embedding_norm = config.head_transform = config.head_bias = 1;
    config.token_types = 2;
    config.position_offset = _i ? 0 : 3;
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    fst_batch batch = masked_batch(&config);
    batch.rows = 1;
    batch.lengths = NULL;
    batch.token_types = NULL;
    int64_t count;
    float *expected = evaluated(model, &batch, "logits", &count), logits[TINY_VOCABULARY];
    fst__kv_cache cache;
    ck_assert_int_eq(fst__kv_cache_create(model, 1, LENGTH, &cache), FST_OK);
    for (int32_t t = 0; t < LENGTH; t += 1) {
        int32_t one = 1;
        ck_assert_int_eq(fst__model_decode(model, &cache, ids + t, &one, logits), FST_OK);
        for (int v = 0; v < TINY_VOCABULARY; ++v)
            ck_assert_float_eq_tol(logits[v], expected[t * TINY_VOCABULARY + v], 1e-4f);
    }
    fst__kv_cache_destroy(&cache);
    free(expected);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* The loss's own gradient by blocks of labelled rows against that of all logits, more than a block of
 * either: the same softmax, written here. */
START_TEST(loss_and_logits_agree)
{
    enum { MANY_ROWS = 24, MANY_LENGTH = 48, MANY = MANY_ROWS * MANY_LENGTH };
    fst_context *context = tiny_context(2);
    fst_model_config config = encoder_config(FST_FAMILY_BERT);
    config.layers = 1;
    config.tied = _i % 2;
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    int32_t *many = malloc(2 * MANY * sizeof *many), *wanted = many + MANY;
    tiny_ids(many, 2 * MANY, 5);
    for (int i = 0; i < MANY && _i / 2; ++i)
        wanted[i] = i % 17 == 3 ? FST_IGNORE : wanted[i];
    fst_batch batch;
    fst_loss loss;
    fst_view logits;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = MANY_ROWS;
    batch.length = MANY_LENGTH;
    batch.ids = many;
    batch.targets = wanted;
    step(model, &batch);
    int64_t count;
    float *expected = all_gradients(model, &count);
    REQUIRE(fst_model_zero_gradients(model));
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_output(model, "logits", &logits));
    int64_t tokens = 0;
    for (int i = 0; i < MANY; ++i)
        tokens += wanted[i] >= 0;
    for (int i = 0; i < MANY; ++i) {
        float *row = (float *)logits.data + i * TINY_VOCABULARY;
        double total = 0;
        for (int v = 0; v < TINY_VOCABULARY; ++v)
            total += exp((double)row[v]);
        for (int v = 0; v < TINY_VOCABULARY; ++v)
            row[v] = wanted[i] < 0 ? 0
                                   : (float)((exp((double)row[v]) / total - (v == wanted[i])) /
                                             (double)tokens);
    }
    REQUIRE(fst_model_backward(model, "logits", &logits));
    float *found = all_gradients(model, &count);
    for (int64_t i = 0; i < count; ++i)
        ck_assert_float_eq_tol(found[i], expected[i], 1e-5f * fmaxf(1, fabsf(expected[i])));
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    ck_assert_int_eq(loss.tokens, tokens);
    free(found), free(expected), free(many);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* bfloat16 is the same model up to its rounding. */
START_TEST(half_is_close)
{
    fst_context *context = tiny_context(2);
    fst_model_config config = encoder_config(families[_i]);
    config.init_std = 0.05;
    fst_batch batch = masked_batch(&config);
    float *gradients[2];
    double losses[2], dot = 0, one = 0, other = 0;
    int64_t count;
    for (int half = 0; half < 2; ++half) {
        fst_model *model = tiny_model(context, &config, half ? FST_BF16 : FST_F32, 0);
        losses[half] = step(model, &batch);
        gradients[half] = all_gradients(model, &count);
        fst_model_destroy(model);
    }
    ck_assert_double_eq_tol(losses[1], losses[0], 0.02 * losses[0]);
    for (int64_t i = 0; i < count; ++i) {
        dot += (double)gradients[0][i] * (double)gradients[1][i];
        one += (double)gradients[0][i] * (double)gradients[0][i];
        other += (double)gradients[1][i] * (double)gradients[1][i];
    }
    ck_assert_msg(dot / sqrt(one * other) > 0.999, "the gradients' cosine is %g",
                  dot / sqrt(one * other));
    free(gradients[0]), free(gradients[1]);
    fst_context_destroy(context);
}
END_TEST

#define TRY(call)                                                                                  \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status)                                                                                \
            goto done;                                                                             \
    } while (0)

static fst_status whole_life(fst_context *context, int32_t family)
{
    fst_model_config config = encoder_config(family);
    fst_batch batch = masked_batch(&config);
    fst_model *model = NULL, *copy = NULL;
    fst_head_options head;
    fst_loss loss;
    fst_view view;
    fst_status status;
    config.pooler = 1;
    TRY(fst_model_create(context, &config, NULL, &model));
    TRY(fst_head_options_init(&head, sizeof head));
    head.name = "class";
    head.pooling = FST_POOL_POOLER;
    TRY(fst_model_add_head(model, &head));
    TRY(fst_model_copy(model, NULL, &copy));
    TRY(fst_model_forward(model, &batch, NULL));
    TRY(fst_model_output(model, "class", &view));
    TRY(fst_model_add_gradient(model, "class", &view));
    TRY(fst_model_output(model, "logits", &view));
    TRY(fst_model_add_gradient(model, "logits", &view));
    TRY(fst_model_loss(model, NULL, &loss, sizeof loss));
    TRY(fst_model_backward(model, NULL, NULL));
done:
    fst_model_destroy(copy);
    fst_model_destroy(model);
    return status;
}

START_TEST(refused_memory)
{
    scratch_memory memory = {.for_good = _i % 2};
    fst_context_options options = tiny_context_options(1);
    options.allocate = scratch_allocate;
    options.release = scratch_release;
    options.allocate_user = &memory;
    fst_context *context;
    REQUIRE(fst_context_create(&options, &context));
    int32_t family = _i / 2 ? FST_FAMILY_MODERNBERT : FST_FAMILY_BERT;
    REQUIRE(whole_life(context, family));
    int64_t live = memory.live, failed = 0;
    for (int64_t k = 1;; ++k) {
        ck_assert_int_lt(k, 1000);
        memory.calls = 0;
        memory.fail_at = k;
        fst_status status = whole_life(context, family);
        ck_assert_msg(status == FST_OK || status == FST_ERR_NO_MEMORY, "allocation %d: %d, %s", (int)k,
                      status, fst_last_error());
        ck_assert_msg(memory.live == live, "allocation %d: %d blocks leaked", (int)k,
                      (int)(memory.live - live));
        failed += status != FST_OK;
        if (!status && memory.calls < k)
            break;
    }
    ck_assert_int_gt(failed, 20);
    fst_context_destroy(context);
    ck_assert_int_eq(memory.live, 0);
}
END_TEST

START_TEST(refused)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = encoder_config(FST_FAMILY_MODERNBERT);
    fst_model *model = tiny_model(context, &config, FST_F32, 0), *made = NULL;
    fst_policy *policy = NULL;
    fst_view view;
    ck_assert_int_eq(fst_policy_create(model, NULL, &policy), FST_ERR_UNSUPPORTED);
    ck_assert(strstr(fst_last_error(), "causal"));
    ck_assert_ptr_null(policy);
    fst_batch batch = masked_batch(&config);
    REQUIRE(fst_model_forward(model, &batch, NULL));
    ck_assert_int_eq(fst_model_output(model, "pooled", &view), FST_ERR_NOT_FOUND);
    ck_assert(strstr(fst_last_error(), "pooler"));
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "class";
    head.pooling = FST_POOL_POOLER;
    ck_assert_int_eq(fst_model_add_head(model, &head), FST_ERR_INVALID_ARGUMENT);
    ck_assert(strstr(fst_last_error(), "pooling"));
    head.pooling = FST_POOL_FIRST;
    head.name = "pooled";
    ck_assert_int_eq(fst_model_add_head(model, &head), FST_ERR_INVALID_ARGUMENT);
    config.post_norm = 1;
    ck_assert_int_eq(fst_model_create(context, &config, NULL, &made), FST_ERR_INVALID_ARGUMENT);
    ck_assert(strstr(fst_last_error(), "first_norm_free"));
    config.post_norm = 0;
    config.causal = 1;
    ck_assert_int_eq(fst_model_create(context, &config, NULL, &made), FST_ERR_INVALID_ARGUMENT);
    ck_assert(strstr(fst_last_error(), "global_every"));
    ck_assert_ptr_null(made);
    /* Weights of another attention are not the same function. */
    config = encoder_config(FST_FAMILY_BERT);
    fst_model *bert = tiny_model(context, &config, FST_F32, 0);
    config.causal = 1;
    fst_model *decoder = tiny_model(context, &config, FST_F32, 0);
    ck_assert_int_eq(fst_model_copy_weights(decoder, bert), FST_ERR_MISMATCH);
    ck_assert(strstr(fst_last_error(), "causal"));
    fst_model_destroy(decoder);
    fst_model_destroy(bert);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("encoders");
    TCase *tests = tcase_create("encoders");
    tcase_set_timeout(tests, 100);
    tcase_add_test(tests, switches_of_families);
    tcase_add_loop_test(tests, who_sees_whom, 0, (int)(sizeof sights / sizeof *sights));
    tcase_add_loop_test(tests, padding_is_not_seen, 0, 6);
    tcase_add_loop_test(tests, bits_do_not_depend_on_threads_or_checkpointing, 0, 6);
    tcase_add_test(tests, tables);
    tcase_add_loop_test(tests, pooler_and_head_by_hand, 0, 2);
    tcase_add_loop_test(tests, frozen_parts, 0, TRAINED * 2);
    tcase_add_loop_test(tests, nothing_is_allocated, 0, 6);
    tcase_add_loop_test(tests, decoding_is_the_forward, 0, 2);
    tcase_add_loop_test(tests, loss_and_logits_agree, 0, 4);
    tcase_add_loop_test(tests, half_is_close, 0, 3);
    tcase_add_loop_test(tests, refused_memory, 0, 4);
    tcase_add_test(tests, refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
