/*
 * Heads, log-probabilities and entropies against central differences in double: each kind of head
 * and pooling with padding and dropout, temperature and kept ids, and everything together with the
 * loss in one backward.
 */
#include "../support/headed_model.h"

enum { ROWS = 3, LENGTH = 6, VOCABULARY = 11, TOKENS = ROWS * LENGTH, KEPT = (VOCABULARY + 7) / 8 };

static const double STEP = 1e-6, ABSOLUTE = 1e-6, RELATIVE = 1e-4;

static const int32_t ids[TOKENS] = {1, 5, 2, 9, 10, 0, 3, 7, 7, 4, 1, 8, 2, 6, 0, 3, 9, 5};
static const int32_t targets[TOKENS] = {5, 2, -100, 10, 0, 3, 7, 7, 4, 1, -1, 2,
                                        6, 0, 1, 4, 2, 8};
static const int32_t lengths[ROWS] = {6, 4, 1};
static const float weights[TOKENS] = {1, .5f, 1, -2, 1, 0, 1, 1, .25f, 1, 1, 1,
                                      1, 1, 1,   1,  1, 1};

typedef struct subject {
    const char *name;
    const char *outputs[8]; /* NULL ends */
    int32_t family, loss, kept, padding, checkpointing, adapter_like; /* adapter_like: trunk frozen */
    int32_t pooler; /* 1: with a pooler and a head over it; 2: it trains with the frozen trunk's heads */
    double temperature, dropout;
} subject;

static const subject subjects[] = {
    {.name = "last", .outputs = {"last"}, .padding = 1},
    {.name = "first", .outputs = {"first"}, .padding = 1, .family = FST_FAMILY_LLAMA},
    {.name = "mean", .outputs = {"mean"}, .padding = 1},
    {.name = "value", .outputs = {"value"}, .padding = 1, .family = FST_FAMILY_LLAMA},
    {.name = "tags", .outputs = {"tags"}},
    {.name = "all heads, dropout", .outputs = {"last", "first", "mean", "value", "tags"},
     .padding = 1, .dropout = 0.3},
    {.name = "log-probabilities", .outputs = {"log_probabilities"}, .padding = 1},
    {.name = "log-probabilities, cold", .outputs = {"log_probabilities"}, .temperature = 0.6,
     .kept = 1, .padding = 1},
    {.name = "entropy", .outputs = {"entropy"}, .family = FST_FAMILY_LLAMA},
    {.name = "entropy, hot, kept", .outputs = {"entropy"}, .temperature = 1.7, .kept = 1},
    {.name = "both, kept", .outputs = {"entropy", "log_probabilities"}, .temperature = 0.8,
     .kept = 1, .padding = 1, .checkpointing = 1},
    {.name = "loss, cold, kept", .loss = 1, .temperature = 0.7, .kept = 1, .padding = 1},
    {.name = "loss and value", .outputs = {"value"}, .loss = 1, .padding = 1, .dropout = 0.2},
    {.name = "everything",
     .outputs = {"hidden", "value", "entropy", "mean", "logits", "log_probabilities", "last"},
     .loss = 1, .padding = 1, .kept = 1, .temperature = 1.3, .family = FST_FAMILY_LLAMA},
    {.name = "hidden layers", .outputs = {"deep", "wide", "each"}, .padding = 1},
    {.name = "hidden layers, dropout", .outputs = {"each", "mean", "deep", "wide"}, .padding = 1,
     .dropout = 0.3, .family = FST_FAMILY_LLAMA},
    {.name = "hidden layers over a frozen trunk", .outputs = {"wide", "each", "deep"},
     .padding = 1, .adapter_like = 1, .dropout = 0.2},
    {.name = "heads over a frozen trunk", .outputs = {"value", "mean"}, .padding = 1,
     .adapter_like = 1, .dropout = 0.3},
    {.name = "pooled", .outputs = {"pooled"}, .padding = 1, .pooler = 1, .family = FST_FAMILY_BERT},
    {.name = "pooler", .outputs = {"over", "pooled", "mean", "wide_over"}, .loss = 1, .padding = 1,
     .dropout = 0.3, .pooler = 1, .family = FST_FAMILY_BERT, .checkpointing = 1},
    {.name = "pooler of a decoder", .outputs = {"over"}, .pooler = 1},
    {.name = "pooler over a frozen trunk", .outputs = {"over", "wide_over", "mean"},
     .adapter_like = 1, .pooler = 2, .family = FST_FAMILY_ROBERTA},
    {.name = "head over a frozen pooler", .outputs = {"over", "wide_over"}, .adapter_like = 1,
     .pooler = 1, .family = FST_FAMILY_BERT},
    {.name = "an encoder's distribution", .family = FST_FAMILY_BERT, .padding = 1, .kept = 1,
     .outputs = {"entropy", "logits", "log_probabilities", "hidden"}, .loss = 1, .temperature = 0.8},
};

static void add_over_pooler(fst_model *model, double dropout)
{
    fst_head_options options;
    REQUIRE(fst_head_options_init(&options, sizeof options));
    options.name = "over";
    options.pooling = FST_POOL_POOLER;
    options.outputs = 2;
    options.init_std = 0.3;
    options.dropout = dropout;
    REQUIRE(fst_model_add_head(model, &options));
    options.name = "wide_over";
    options.hidden_layers = 1;
    REQUIRE(fst_model_add_head(model, &options));
}


static fst_model *new_model(fst_context *context, const subject *s)
{
    fst_model_config config = tiny_config(s->family);
    config.vocabulary_size = VOCABULARY;
    config.context_length = LENGTH + 1;
    config.width = 16;
    config.hidden_size = 20;
    config.init_std = 0.3;
    config.dropout = s->dropout / 2;
    config.pooler = s->pooler > 0;
    fst_model *model = tiny_model(context, &config, FST_F32, s->checkpointing);
    headed_add(model, s->dropout);
    headed_add_layers(model, s->dropout);
    if (s->pooler)
        add_over_pooler(model, s->dropout);
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_view view;
        REQUIRE(fst_model_parameter(model, headed_name(model, i), &view));
        for (int64_t j = 0; view.rank == 1 && j < view.shape[0]; ++j)
            ((double *)view.data)[j] += 0.1 * sin(1.0 + (double)(3 * i + j));
    }
    if (s->adapter_like) {
        REQUIRE(fst_model_set_trainable(model, "*", 0));
        REQUIRE(fst_model_set_trainable(model, "heads.*", 1));
        if (s->pooler == 2)
            REQUIRE(fst_model_set_trainable(model, "pooler.*", 1));
    }
    return model;
}

static void forward(fst_model *model, const subject *s)
{
    uint8_t kept[TOKENS * KEPT];
    fst_batch batch;
    fst_forward_options options;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    REQUIRE(fst_forward_options_init(&options, sizeof options));
    headed_kept(kept, targets, TOKENS, VOCABULARY);
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    batch.weights = weights;
    batch.lengths = s->padding ? lengths : NULL;
    batch.kept = s->kept ? kept : NULL;
    options.step = 3;
    options.temperature = s->temperature ? s->temperature : 1;
    REQUIRE(fst_model_forward(model, &batch, &options));
}

static double loss_of(fst_model *model)
{
    fst_loss_options options;
    fst_loss loss;
    REQUIRE(fst_loss_options_init(&options, sizeof options));
    options.scale = 0.4;
    options.z_loss = 1e-2;
    REQUIRE(fst_model_loss(model, &options, &loss, sizeof loss));
    return options.scale * (loss.loss + loss.z_loss);
}

static double factor(int output, int64_t i)
{
    return cos((double)i + 0.7 * output) * (output % 2 ? 0.5 : 1);
}

/* The scalar that is differentiated: linear in each output, and the loss. */
static double value_of(fst_model *model, const subject *s)
{
    forward(model, s);
    double sum = 0;
    for (int o = 0; s->outputs[o]; ++o) {
        fst_view view;
        REQUIRE(fst_model_output(model, s->outputs[o], &view));
        for (int64_t i = 0; i < headed_size(&view); ++i)
            sum += ((double *)view.data)[i] * factor(o, i);
    }
    return s->loss ? sum + loss_of(model) : sum;
}

/* The loss in the middle, and each gradient in two parts, so that what is added is seen to be. */
static void differentiate(fst_model *model, const subject *s)
{
    REQUIRE(fst_model_zero_gradients(model));
    forward(model, s);
    for (int o = 0; s->outputs[o]; ++o) {
        fst_view view;
        REQUIRE(fst_model_output(model, s->outputs[o], &view));
        int64_t size = headed_size(&view);
        double *gradient = malloc((size_t)size * sizeof *gradient);
        view.data = gradient;
        for (int part = 0; part < 2; ++part) {
            for (int64_t i = 0; i < size; ++i)
                gradient[i] = factor(o, i) * (part ? 0.25 : 0.75);
            REQUIRE(fst_model_add_gradient(model, s->outputs[o], &view));
        }
        free(gradient);
        if (o == 1 && s->loss)
            loss_of(model);
    }
    if (s->loss && (!s->outputs[0] || !s->outputs[1]))
        loss_of(model);
    REQUIRE(fst_model_backward(model, NULL, NULL));
}

static void check_parameter(fst_model *model, const subject *s, const char *name)
{
    fst_view value, gradient;
    if (fst_model_gradient(model, name, &gradient))
        return; /* frozen */
    REQUIRE(fst_model_parameter(model, name, &value));
    differentiate(model, s);
    int64_t size = headed_size(&value);
    double *at = value.data, *found = malloc((size_t)size * sizeof *found);
    memcpy(found, gradient.data, (size_t)size * sizeof *found);
    for (int64_t i = 0; i < size; i += size > 64 ? 13 : 1) {
        double kept = at[i];
        at[i] = kept + STEP;
        double above = value_of(model, s);
        at[i] = kept - STEP;
        double below = value_of(model, s);
        at[i] = kept;
        double expected = (above - below) / (2 * STEP);
        ck_assert_msg(fabs(found[i] - expected) <= ABSOLUTE + RELATIVE * fabs(expected),
                      "%s: %s[%lld]: backward %.9g, central difference %.9g", s->name, name,
                      (long long)i, found[i], expected);
    }
    free(found);
}

START_TEST(test_subject)
{
    const subject *s = &subjects[_i];
    fst_context *context = tiny_context(1);
    fst_model *model = new_model(context, s);
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i)
        check_parameter(model, s, headed_name(model, i));
    /* Not all are zero: that of the first output's own head, or of the trunk. */
    differentiate(model, s);
    double most = 0;
    for (int64_t i = 0; i < count; ++i) {
        fst_view view;
        if (fst_model_gradient(model, headed_name(model, i), &view))
            continue;
        for (int64_t j = 0; j < headed_size(&view); ++j)
            most = fmax(most, fabs(((double *)view.data)[j]));
    }
    ck_assert(most > 1e-2);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heads' gradients");
    TCase *cases = tcase_create("central differences");
    tcase_set_timeout(cases, 200);
    tcase_add_loop_test(cases, test_subject, 0, (int)(sizeof subjects / sizeof subjects[0]));
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
