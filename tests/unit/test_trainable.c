/* Freezing: what is frozen has no gradient and keeps its bits, and the others' gradients are those
 * of a model that trains everything. The optimizer's factors by layer. */
#include "../support/tiny_model.h"

#include "fourstage/optimizer.h"

#include <stdbool.h>

enum { ROWS = 3, LENGTH = 13 };

static void step(fst_model *model, uint32_t seed)
{
    int32_t ids[ROWS * LENGTH], targets[ROWS * LENGTH];
    tiny_ids(ids, ROWS * LENGTH, seed);
    tiny_ids(targets, ROWS * LENGTH, seed + 1000);
    fst_batch batch;
    fst_loss loss;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    REQUIRE(fst_model_backward(model, NULL, NULL));
}

static const char *name_of(fst_model *model, int64_t index)
{
    const char *name;
    REQUIRE(fst_model_parameter_name(model, index, &name));
    return name;
}

static int64_t size_of(const fst_view *view)
{
    return view->shape[0] * (view->rank == 2 ? view->shape[1] : 1);
}

static float *copy_of(const fst_view *view)
{
    size_t size = (size_t)size_of(view) * sizeof(float);
    float *copy = malloc(size);
    memcpy(copy, view->data, size);
    return copy;
}

static bool same(const fst_view *view, const float *copy)
{
    return memcmp(view->data, copy, (size_t)size_of(view) * sizeof *copy) == 0;
}

/* What is trained, the rest being frozen. */
static const char *const trained[][2] = {
    {"norm.*", "norm.*"},
    {"layers.1.*", "norm.*"},
    {"layers.1.attention.qkv.*", "layers.1.attention.qkv.*"},
    {"layers.1.attention.norm.*", "layers.1.mlp.*"},
    {"layers.0.mlp.*up.*", "layers.1.attention.output.*"},
    {"embedding.positions.weight", "layers.0.*"},
    {"embedding.*", "norm.weight"},
};
static const int32_t families[] = {FST_FAMILY_GPT2, FST_FAMILY_QWEN3};
enum { TRAINED = sizeof trained / sizeof *trained };

START_TEST(same_gradients)
{
    const char *const *patterns = trained[_i % TRAINED];
    int32_t family = families[_i / TRAINED % 2], checkpointing = _i / TRAINED / 2;
    fst_context *context = tiny_context(2);
    fst_model_config config = tiny_config(family);
    config.position = family == FST_FAMILY_GPT2 ? FST_POSITION_LEARNED : config.position;
    if (family == FST_FAMILY_QWEN3 && strstr(patterns[0], "positions"))
        patterns = trained[0];
    fst_model *whole = tiny_model(context, &config, FST_F32, checkpointing);
    fst_model *frozen = tiny_model(context, &config, FST_F32, checkpointing);
    REQUIRE(fst_model_set_trainable(frozen, "*", 0));
    REQUIRE(fst_model_set_trainable(frozen, patterns[0], 1));
    REQUIRE(fst_model_set_trainable(frozen, patterns[1], 1));
    step(whole, 5);
    step(frozen, 5);
    int64_t count, compared = 0;
    REQUIRE(fst_model_parameter_count(whole, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_view expected, found;
        REQUIRE(fst_model_gradient(whole, name_of(whole, i), &expected));
        fst_status status = fst_model_gradient(frozen, name_of(whole, i), &found);
        if (status) {
            ck_assert_int_eq(status, FST_ERR_STATE);
            ck_assert(strstr(fst_last_error(), name_of(whole, i)));
            continue;
        }
        ++compared;
        ck_assert_msg(same(&found, expected.data), "%s", name_of(whole, i));
    }
    ck_assert(compared > 0 && compared < count);
    fst_model_destroy(frozen);
    fst_model_destroy(whole);
    fst_context_destroy(context);
}
END_TEST

START_TEST(frozen_bits)
{
    fst_context *context = tiny_context(2);
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, _i ? FST_BF16 : FST_F32, 0);
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_options_init(&options, sizeof options));
    options.weight_decay = 0.1;
    REQUIRE(fst_model_set_trainable(model, "*", 0));
    ck_assert_int_eq(fst_optimizer_create(model, &options, &optimizer), FST_ERR_STATE);
    REQUIRE(fst_model_set_trainable(model, "layers.1.*", 1));
    REQUIRE(fst_optimizer_create(model, &options, &optimizer));
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    float **before = malloc((size_t)count * sizeof *before);
    for (int64_t i = 0; i < count; ++i) {
        fst_view view;
        REQUIRE(fst_model_parameter(model, name_of(model, i), &view));
        before[i] = copy_of(&view);
    }
    for (uint32_t i = 0; i < 3; ++i) {
        step(model, i);
        REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
    }
    for (int64_t i = 0; i < count; ++i) {
        fst_view view;
        REQUIRE(fst_model_parameter(model, name_of(model, i), &view));
        bool expected = strncmp(name_of(model, i), "layers.1.", 9) != 0;
        ck_assert_msg(same(&view, before[i]) == expected, "%s", name_of(model, i));
        free(before[i]);
    }
    free(before);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* No pass through the trunk at all. */
START_TEST(vocabulary_head_alone)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_LLAMA);
    config.tied = 0;
    fst_model *whole = tiny_model(context, &config, FST_F32, 0), *head;
    REQUIRE(fst_model_copy(whole, NULL, &head));
    REQUIRE(fst_model_set_trainable(head, "*", 0));
    REQUIRE(fst_model_set_trainable(head, "head.weight", 1));
    step(whole, 5);
    step(head, 5);
    fst_view expected, found;
    REQUIRE(fst_model_gradient(whole, "head.weight", &expected));
    REQUIRE(fst_model_gradient(head, "head.weight", &found));
    ck_assert(same(&found, expected.data));
    ck_assert(((float *)found.data)[0] != 0);
    fst_model_destroy(head);
    fst_model_destroy(whole);
    fst_context_destroy(context);
}
END_TEST

/* Freezing and thawing take the gradients' memory away: a backward would add to nothing. */
START_TEST(between_forward_and_backward)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    int32_t ids[LENGTH];
    fst_batch batch;
    fst_loss loss;
    tiny_ids(ids, LENGTH, 1);
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = 1;
    batch.length = LENGTH;
    batch.ids = batch.targets = ids;
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    REQUIRE(fst_model_set_trainable(model, "layers.0.*", 0));
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE);
    step(model, 1);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(refused)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_LLAMA);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    fst_optimizer *optimizer;
    fst_view view;
    ck_assert_int_eq(fst_model_set_trainable(model, "layers.9.*", 0), FST_ERR_NOT_FOUND);
    ck_assert(strstr(fst_last_error(), "layers.9.*"));
    ck_assert_int_eq(fst_model_set_trainable(model, "*", 2), FST_ERR_INVALID_ARGUMENT);
    REQUIRE(fst_optimizer_create(model, NULL, &optimizer));
    ck_assert_int_eq(fst_model_set_trainable(model, "*", 0), FST_ERR_STATE);
    fst_optimizer_destroy(optimizer);
    REQUIRE(fst_model_set_trainable(model, "norm.weight", 0));
    ck_assert_int_eq(fst_model_gradient(model, "norm.weight", &view), FST_ERR_STATE);
    REQUIRE(fst_model_set_trainable(model, "norm.*", 1));
    REQUIRE(fst_model_gradient(model, "norm.weight", &view));
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* The first step of AdamW moves every element by the rate, whatever its gradient. */
START_TEST(layer_decay)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    const struct {
        const char *name;
        double factor;
    } expected[] = {{"embedding.positions.weight", 0.125}, {"layers.0.mlp.up.weight", 0.25},
                    {"layers.1.mlp.up.weight", 0.5}, {"norm.weight", 1}};
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_options_init(&options, sizeof options));
    options.layer_decay = -1;
    ck_assert_int_eq(fst_optimizer_create(model, &options, &optimizer), FST_ERR_INVALID_ARGUMENT);
    ck_assert(strstr(fst_last_error(), "layer_decay"));
    options.layer_decay = 0.5;
    options.learning_rate = 1e-2;
    options.weight_decay = options.epsilon = 0;
    REQUIRE(fst_optimizer_create(model, &options, &optimizer));
    float before[4];
    fst_view view[4];
    for (int i = 0; i < 4; ++i) {
        REQUIRE(fst_model_parameter(model, expected[i].name, &view[i]));
        before[i] = ((float *)view[i].data)[0];
    }
    step(model, 1);
    REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
    for (int i = 0; i < 4; ++i)
        ck_assert_double_eq_tol(fabs((double)((float *)view[i].data)[0] - (double)before[i]),
                                1e-2 * expected[i].factor, 1e-5);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("trainable");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, same_gradients, 0, TRAINED * 4);
    tcase_add_loop_test(cases, frozen_bits, 0, 2);
    tcase_add_test(cases, vocabulary_head_alone);
    tcase_add_test(cases, between_forward_and_backward);
    tcase_add_test(cases, refused);
    tcase_add_test(cases, layer_decay);
    Suite *suite = suite_create("trainable");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
