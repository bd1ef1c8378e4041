/*
 * A model with an adapter against central differences in double, in every module of each family,
 * with the adapter's dropout, with checkpointing, and with weights of the trunk trained beside it.
 * Of DoRA only the magnitudes and the trunk's biases: its norm is a constant in backward, not in the
 * loss.
 */
#include "fourstage/adapter.h"
#include "fourstage/context.h"
#include "fourstage/model.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define REQUIRE(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { ROWS = 2, LENGTH = 7, VOCABULARY = 11 };

static const int32_t ids[ROWS * LENGTH] = {1, 5, 2, 9, 10, 0, 3, 7, 7, 4, 1, 8, 2, 6};
static const int32_t targets[ROWS * LENGTH] = {5, 2, -100, 10, 0, 3, 1, 7, 4, 1, -100, 2, 6, 0};

typedef struct subject {
    int32_t family, checkpointing, decomposed, stabilized;
    double dropout, trunk_dropout;
} subject;

static const subject subjects[] = {
    {FST_FAMILY_GPT2, 0, 0, 0, 0, 0},  {FST_FAMILY_GPT2, 0, 0, 1, .3, .2},
    {FST_FAMILY_GPT2, 1, 0, 0, .3, 0}, {FST_FAMILY_LLAMA, 0, 0, 0, 0, 0},
    {FST_FAMILY_LLAMA, 1, 0, 1, .3, 0}, {FST_FAMILY_QWEN3, 0, 0, 0, .3, 0},
    {FST_FAMILY_GPT2, 0, 1, 0, 0, 0},  {FST_FAMILY_QWEN2, 1, 1, 0, .3, 0},
    {FST_FAMILY_BERT, 0, 0, 0, .3, .2}, {FST_FAMILY_MODERNBERT, 1, 1, 0, 0, 0},
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

static fst_model *new_model(fst_context *context, const subject *s)
{
    fst_model_config config;
    fst_model_options options;
    fst_adapter_options adapter;
    fst_model *model;
    int64_t count;
    REQUIRE(fst_model_config_init(&config, sizeof config));
    REQUIRE(fst_model_config_set_family(&config, s->family));
    config.vocabulary_size = VOCABULARY;
    config.context_length = LENGTH + 1;
    config.layers = 2;
    config.width = 16;
    config.heads = 4;
    config.kv_heads = s->family == FST_FAMILY_GPT2 ? 4 : 2;
    config.hidden_size = 20;
    config.init_std = 0.3;
    config.dropout = s->trunk_dropout;
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.checkpointing = s->checkpointing;
    REQUIRE(fst_model_create(context, &config, &options, &model));
    REQUIRE(fst_adapter_options_init(&adapter, sizeof adapter));
    adapter.rank = 3;
    adapter.alpha = 4;
    adapter.dropout = s->dropout;
    adapter.weight_decomposed = s->decomposed;
    adapter.rank_stabilized = s->stabilized;
    REQUIRE(fst_model_add_adapter(model, &adapter));
    REQUIRE(fst_model_set_trainable(model, "layers.1.*", 1));
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        fst_view view;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        REQUIRE(fst_model_parameter(model, name, &view));
        int64_t size = view.rank == 2 ? view.shape[0] * view.shape[1] : view.shape[0];
        for (int64_t j = 0; j < size && (view.rank == 1 || strstr(name, "lora_B")); ++j)
            ((double *)view.data)[j] += 0.2 * sin(1.0 + (double)(3 * i + j));
    }
    return model;
}

static double loss_of(fst_model *model)
{
    fst_batch batch;
    fst_loss loss;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    return loss.loss / loss.weight;
}

static void check(fst_model *model, const char *name)
{
    const double step = 1e-6;
    fst_view value, gradient;
    REQUIRE(fst_model_parameter(model, name, &value));
    REQUIRE(fst_model_gradient(model, name, &gradient));
    int64_t size = value.rank == 2 ? value.shape[0] * value.shape[1] : value.shape[0];
    for (int64_t i = 0; i < size; i += size > 30 ? size / 7 : 1) {
        double *at = (double *)value.data + i, kept = *at;
        *at = kept + step;
        double above = loss_of(model);
        *at = kept - step;
        double below = loss_of(model);
        *at = kept;
        double numeric = (above - below) / (2 * step), analytic = ((double *)gradient.data)[i];
        if (!(fabs(numeric - analytic) <= 1e-7 + 1e-4 * fabs(numeric)))
            ck_abort_msg("%s[%d]: backward %.10g, differences %.10g", name, (int)i, analytic,
                         numeric);
    }
}

static int64_t modules_of(int32_t family)
{
    if (family == FST_FAMILY_BERT)
        return 6;
    return family == FST_FAMILY_GPT2 || family == FST_FAMILY_MODERNBERT ? 4 : 7;
}

START_TEST(every_module)
{
    const subject *s = &subjects[_i];
    fst_context_options options;
    fst_context *context;
    int64_t count;
    REQUIRE(fst_context_options_init(&options, sizeof options));
    options.threads = 1;
    options.seed = 7;
    REQUIRE(fst_context_create(&options, &context));
    fst_model *model = new_model(context, s);
    loss_of(model);
    REQUIRE(fst_model_backward(model, NULL, NULL));
    REQUIRE(fst_model_parameter_count(model, &count));
    int checked = 0;
    for (int64_t i = 0; i < count; ++i) {
        const char *name;
        REQUIRE(fst_model_parameter_name(model, i, &name));
        bool adapter = strstr(name, s->decomposed ? "lora_magnitude" : "lora_");
        bool trunk = !strstr(name, "lora_") && strstr(name, s->decomposed ? ".bias" : "layers.1.");
        if (!adapter && !(trunk && strstr(name, "layers.1.")))
            continue;
        check(model, name);
        checked += adapter;
    }
    ck_assert_int_eq(checked, 2 * modules_of(s->family) * (s->decomposed ? 1 : 2));
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("adapter");
    TCase *tests = tcase_create("adapter");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_module, 0, SUBJECTS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
