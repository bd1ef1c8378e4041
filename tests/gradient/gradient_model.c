/*
 * The whole model against central differences in double: every architecture switch (decoders and encoders), documents,
 * padding, weights, dropout, checkpointing, label smoothing and z-loss, and the gradients that a
 * caller hands in for "logits" and "hidden".
 */
#include "fourstage/context.h"
#include "fourstage/model.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { ROWS = 2, LENGTH = 7, VOCABULARY = 11 };

static const double STEP = 1e-6, ABSOLUTE = 1e-5, RELATIVE = 1e-3;

static const int32_t ids[ROWS * LENGTH] = {1, 5, 2, 9, 10, 0, 3, 7, 7, 4, 1, 8, 2, 6};
static const int32_t targets[ROWS * LENGTH] = {5, 2, -100, 10, 0, 3, 1, 7, 4, 1, -100, 2, 6, 0};
static const int32_t documents[ROWS * LENGTH] = {0, 0, 0, 3, 3, 3, 3, 0, 0, 2, 2, 2, 2, 2};
static const int32_t lengths[ROWS] = {7, 5};
static const int32_t types[ROWS * LENGTH] = {0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1};
static const float weights[ROWS * LENGTH] = {1, .5f, 1, 2, 1, 0, 1, 1, .25f, 1, 1, 1, 1, 1};

typedef struct subject {
    const char *name;
    void (*change)(fst_model_config *config);
    int32_t family, checkpointing;
    int32_t with_documents, with_lengths, with_weights;
    double smoothing, z_loss;
} subject;

static void change_nothing(fst_model_config *c)
{
    (void)c;
}

static void change_grouped(fst_model_config *c)
{
    c->kv_heads = 2;
    c->rope_scaling = FST_ROPE_LLAMA3;
    c->rope_factor = 4;
    c->rope_original_context = 4;
}

static void change_dropout(fst_model_config *c)
{
    c->dropout = 0.25;
    c->attention_dropout = 0.2;
}

static void change_odd(fst_model_config *c)
{
    c->head_size = 6;
    c->window = 3;
    c->activation = FST_ACTIVATION_GELU;
    c->tied = 0;
    c->mlp_bias = 1;
}

static void change_plain(fst_model_config *c)
{
    c->position = FST_POSITION_NONE;
    c->norm_bias = 0;
    c->attention_bias = 0;
    c->output_bias = 0;
    c->activation = FST_ACTIVATION_SILU;
}

static void change_bert(fst_model_config *c)
{
    c->dropout = 0.25;
    c->attention_dropout = 0.2;
    c->position_offset = 2;
    c->token_types = 3;
}

static void change_wide(fst_model_config *c)
{
    change_bert(c);
    c->tied = 0;
    c->gated = 1;
    c->window = 4;
    c->head_size = 6;
}

static void change_alternating(fst_model_config *c)
{
    c->layers = 3;
    c->global_every = 2;
    c->window = 2;
    c->local_rope_theta = 100;
    c->mlp_bias = 1;
}

static void change_mixed(fst_model_config *c)
{
    c->causal = 0;
    c->embedding_norm = 1;
    c->head_transform = 1;
    c->token_types = 2;
    c->head_bias = 1;
    c->dropout = 0.25;
}

static void change_post(fst_model_config *c)
{
    c->post_norm = 1;
    c->head_transform = 1;
}

static const subject subjects[] = {
    {.name = "bert", .change = change_nothing, .family = FST_FAMILY_BERT},
    {.name = "bert everything", .change = change_bert, .family = FST_FAMILY_BERT,
     .with_documents = 1, .with_lengths = 1, .with_weights = 1, .smoothing = .1, .z_loss = 1e-2},
    {.name = "roberta checkpointing", .change = change_dropout, .family = FST_FAMILY_ROBERTA,
     .checkpointing = 1, .with_lengths = 1},
    {.name = "bert gated window", .change = change_wide, .family = FST_FAMILY_BERT,
     .with_documents = 1},
    {.name = "modernbert", .change = change_alternating, .family = FST_FAMILY_MODERNBERT},
    {.name = "modernbert checkpointing", .change = change_alternating,
     .family = FST_FAMILY_MODERNBERT, .checkpointing = 1, .with_documents = 1, .with_lengths = 1},
    {.name = "gpt2 as an encoder", .change = change_mixed, .family = FST_FAMILY_GPT2},
    {.name = "llama as an encoder", .change = change_mixed, .family = FST_FAMILY_LLAMA,
     .checkpointing = 1},
    {.name = "qwen3 post-norm", .change = change_post, .family = FST_FAMILY_QWEN3},

    {.name = "gpt2", .change = change_nothing, .family = FST_FAMILY_GPT2},
    {.name = "gpt2 everything", .change = change_dropout, .family = FST_FAMILY_GPT2,
     .with_documents = 1, .with_lengths = 1, .with_weights = 1, .smoothing = .1, .z_loss = 1e-2},
    {.name = "gpt2 checkpointing", .change = change_dropout, .family = FST_FAMILY_GPT2,
     .checkpointing = 1},
    {.name = "llama", .change = change_grouped, .family = FST_FAMILY_LLAMA},
    {.name = "llama packed", .change = change_grouped, .family = FST_FAMILY_LLAMA,
     .with_documents = 1, .checkpointing = 1},
    {.name = "qwen2 window", .change = change_odd, .family = FST_FAMILY_QWEN2, .with_lengths = 1},
    {.name = "qwen3", .change = change_grouped, .family = FST_FAMILY_QWEN3},
    {.name = "qwen3 dropout", .change = change_dropout, .family = FST_FAMILY_QWEN3,
     .checkpointing = 1, .with_documents = 1},
    {.name = "gpt2 plain", .change = change_plain, .family = FST_FAMILY_GPT2},
};

static fst_context *new_context(void)
{
    fst_context_options options;
    REQUIRE(fst_context_options_init(&options, sizeof options));
    options.threads = 1;
    options.seed = 7;
    fst_context *context;
    REQUIRE(fst_context_create(&options, &context));
    return context;
}

static fst_model *new_model(fst_context *context, const subject *s)
{
    fst_model_config config;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, s->family));
    config.vocabulary_size = VOCABULARY;
    config.context_length = LENGTH + 1;
    config.layers = 2;
    config.width = 16;
    config.heads = 4;
    config.hidden_size = 20;
    config.init_std = 0.3;
    s->change(&config);
    fst_model_options options;
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.checkpointing = s->checkpointing;
    fst_model *model;
    REQUIRE(fst_model_create(context, &config, &options, &model));
    /* Norms away from 1 and biases away from 0, so that an error in either shows. */
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        REQUIRE(fst_model_parameter(model, name, &view));
        for (int64_t j = 0; view.rank == 1 && j < view.shape[0]; ++j)
            ((double *)view.data)[j] += 0.1 * sin(1.0 + (double)(3 * i + j));
    }
    return model;
}

static fst_batch batch_of(fst_model *model, const subject *s)
{
    fst_batch batch;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    batch.documents = s->with_documents ? documents : NULL;
    batch.lengths = s->with_lengths ? lengths : NULL;
    batch.weights = s->with_weights ? weights : NULL;
    fst_model_config config;
    REQUIRE(fst_model_get_config(model, &config, sizeof config));
    batch.token_types = config.token_types > 1 ? types : NULL;
    return batch;
}

static fst_forward_options forward_options(void)
{
    fst_forward_options options;
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    options.step = 3;
    return options;
}

/* The scalar that is differentiated: the mean loss, or a fixed linear function of an output. */
static double value_of(fst_model *model, const subject *s, const char *output)
{
    fst_batch batch = batch_of(model, s);
    fst_forward_options forward = forward_options();
    REQUIRE(fst_model_forward(model, &batch, &forward));
    if (!output) {
        fst_loss_options options;
        REQUIRE(fst_loss_options_init(&options, sizeof options));
        options.label_smoothing = s->smoothing;
        options.z_loss = s->z_loss;
        fst_loss loss;
        REQUIRE(fst_model_loss(model, &options, &loss, sizeof loss));
        return (loss.loss + loss.z_loss) / loss.weight;
    }
    fst_view view;
    REQUIRE(fst_model_output(model, output, &view));
    double sum = 0;
    int64_t size = view.shape[0] * view.shape[1] * view.shape[2];
    for (int64_t i = 0; i < size; ++i)
        sum += ((double *)view.data)[i] * cos((double)i);
    return sum;
}

static void differentiate(fst_model *model, const subject *s, const char *output)
{
    REQUIRE(fst_model_zero_gradients(model));
    value_of(model, s, output);
    if (!output) {
        REQUIRE(fst_model_backward(model, NULL, NULL));
        return;
    }
    fst_view view;
    REQUIRE(fst_model_output(model, output, &view));
    int64_t size = view.shape[0] * view.shape[1] * view.shape[2];
    double *gradient = malloc((size_t)size * sizeof *gradient);
    for (int64_t i = 0; i < size; ++i)
        gradient[i] = cos((double)i);
    view.data = gradient;
    REQUIRE(fst_model_backward(model, output, &view));
    free(gradient);
}

static void check_parameter(fst_model *model, const subject *s, const char *output,
                            const char *name)
{
    fst_view value, gradient;
    REQUIRE(fst_model_parameter(model, name, &value));
    REQUIRE(fst_model_gradient(model, name, &gradient));
    int64_t size = value.shape[0] * (value.rank == 2 ? value.shape[1] : 1);
    /* Each loss of a training forward adds the head's gradient: compare with a copy. */
    differentiate(model, s, output);
    double *at = value.data, *found_all = malloc((size_t)size * sizeof *found_all);
    memcpy(found_all, gradient.data, (size_t)size * sizeof *found_all);
    /* Every element of the small ones, a stride through the large ones. */
    for (int64_t i = 0; i < size; i += size > 16 ? size / 16 | 1 : 1) {
        double kept = at[i];
        at[i] = kept + STEP;
        double above = value_of(model, s, output);
        at[i] = kept - STEP;
        double below = value_of(model, s, output);
        at[i] = kept;
        double expected = (above - below) / (2 * STEP), found = found_all[i];
        ck_assert_msg(fabs(found - expected) <= ABSOLUTE + RELATIVE * fabs(expected),
                      "%s, %s: %s[%lld]: backward %.9g, central difference %.9g", s->name,
                      output ? output : "loss", name, (long long)i, found, expected);
    }
    free(found_all);
}

static void check_subject(const subject *s, const char *output)
{
    fst_context *context = new_context();
    fst_model *model = new_model(context, s);
    fst_context_destroy(context);
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        check_parameter(model, s, output, name);
    }
    fst_model_destroy(model);
}

START_TEST(test_loss)
{
    check_subject(&subjects[_i], NULL);
}
END_TEST

START_TEST(test_logits)
{
    check_subject(&subjects[_i], "logits");
}
END_TEST

START_TEST(test_hidden)
{
    check_subject(&subjects[_i], "hidden");
}
END_TEST

int main(void)
{
    int count = (int)(sizeof subjects / sizeof subjects[0]);
    Suite *suite = suite_create("model gradients");
    TCase *cases = tcase_create("central differences");
    tcase_set_timeout(cases, 200);
    tcase_add_loop_test(cases, test_loss, 0, count);
    tcase_add_loop_test(cases, test_logits, 0, count);
    tcase_add_loop_test(cases, test_hidden, 0, count);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
