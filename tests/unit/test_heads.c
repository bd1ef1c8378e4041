/*
 * Heads and the distribution's outputs through the public interface: values written out by hand,
 * what padding and the batch beside a row may not change, evaluation and training.
 */
#include "../support/headed_batch.h"

#include "fourstage/adapter.h"
#include "fourstage/optimizer.h"

static void check_close(double found, double expected, double tolerance, const char *what, int64_t i)
{
    ck_assert_msg(fabs(found - expected) <= tolerance * (1 + fabs(expected)),
                  "%s[%lld]: %.9g, by hand %.9g", what, (long long)i, found, expected);
}

/* ---- values */

static double by_hand(fst_model *model, const headed_head *head, const float *hidden,
                      const int32_t *lengths, int64_t row, int64_t k)
{
    char name[64];
    fst_view weight, bias;
    snprintf(name, sizeof name, "heads.%s.weight", head->name);
    REQUIRE(fst_model_parameter(model, name, &weight));
    snprintf(name, sizeof name, "heads.%s.bias", head->name);
    double sum = 0;
    if (head->bias) {
        REQUIRE(fst_model_parameter(model, name, &bias));
        sum = (double)((float *)bias.data)[k];
    }
    int64_t first = row, count = 1;
    if (head->kind == FST_HEAD_SEQUENCE) {
        first = row * LENGTH + (head->pooling == FST_POOL_LAST ? lengths[row] - 1 : 0);
        count = head->pooling == FST_POOL_MEAN ? lengths[row] : 1;
    }
    for (int64_t t = first; t < first + count; ++t)
        for (int64_t c = 0; c < WIDTH; ++c)
            sum += (double)((float *)weight.data)[k * WIDTH + c] * (double)hidden[t * WIDTH + c] /
                   (double)count;
    return sum;
}

START_TEST(heads_by_hand)
{
    fst_context *context = tiny_context(2);
    bool half = _i & 2;
    fst_model *model = make(context, _i & 1 ? FST_FAMILY_LLAMA : FST_FAMILY_GPT2,
                            half ? FST_BF16 : FST_F32, 0);
    fst_view bias;
    REQUIRE(fst_model_parameter(model, "heads.tags.bias", &bias));
    ((float *)bias.data)[3] = 2;
    inputs in = make_inputs();
    forward(model, &in, plain);
    int64_t size;
    float *hidden = output(model, "hidden", &size);
    for (int h = 0; h < HEADED_HEADS; ++h) {
        const headed_head *head = &headed_heads[h];
        fst_view view;
        REQUIRE(fst_model_output(model, head->name, &view));
        bool token = head->kind == FST_HEAD_TOKEN;
        ck_assert_int_eq(view.rank, token ? 3 : 2);
        ck_assert_int_eq(view.shape[0], ROWS);
        ck_assert_int_eq(view.shape[token ? 2 : 1], head->outputs);
        for (int64_t i = 0; i < headed_size(&view); ++i)
            check_close((double)((float *)view.data)[i],
                        by_hand(model, head, hidden, in.lengths, i / head->outputs,
                                i % head->outputs),
                        half ? 2e-2 : 1e-5, head->name, i);
    }
    free(hidden);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* norm(act(W·x + b)) of one row, in place; the layer's sizes are read off its weight. */
static int64_t layer_by_hand(fst_model *model, const char *head, int layer, double *x)
{
    char name[64];
    fst_view weight, bias, gamma, beta;
    double y[64] = {0}, mean = 0, variance = 0;
    snprintf(name, sizeof name, "heads.%s.hidden.%d.weight", head, layer);
    REQUIRE(fst_model_parameter(model, name, &weight));
    snprintf(name, sizeof name, "heads.%s.hidden.%d.bias", head, layer);
    bool biased = fst_model_parameter(model, name, &bias) == FST_OK;
    snprintf(name, sizeof name, "heads.%s.norm.%d.weight", head, layer);
    bool normed = fst_model_parameter(model, name, &gamma) == FST_OK;
    snprintf(name, sizeof name, "heads.%s.norm.%d.bias", head, layer);
    bool shifted = fst_model_parameter(model, name, &beta) == FST_OK;
    int64_t out = weight.shape[0], in = weight.shape[1];
    ck_assert(out <= 64);
    for (int64_t o = 0; o < out; ++o) {
        y[o] = biased ? (double)((float *)bias.data)[o] : 0;
        for (int64_t i = 0; i < in; ++i)
            y[o] += (double)((float *)weight.data)[o * in + i] * x[i];
        y[o] = strcmp(head, "wide") == 0   ? tanh(y[o])
               : strcmp(head, "each") == 0 ? y[o] / (1 + exp(-y[o]))
                                           : 0.5 * y[o] * (1 + erf(y[o] / sqrt(2)));
        mean += y[o] / (double)out;
    }
    for (int64_t o = 0; o < out; ++o)
        variance += (y[o] - mean) * (y[o] - mean) / (double)out;
    for (int64_t o = 0; o < out; ++o) {
        x[o] = y[o];
        if (normed)
            x[o] = (y[o] - mean) / sqrt(variance + 1e-3) * (double)((float *)gamma.data)[o];
        if (shifted)
            x[o] += (double)((float *)beta.data)[o];
    }
    return out;
}

/* What a head reads of row `row` of its output. */
static void input_by_hand(const char *head, const float *hidden, const int32_t *lengths,
                          int64_t row, double *x)
{
    for (int64_t c = 0; c < WIDTH; ++c) {
        const float *first = hidden + row * LENGTH * WIDTH + c;
        double sum = 0, most = -INFINITY;
        for (int64_t t = 0; t < lengths[row % ROWS]; ++t) {
            if (strcmp(head, "each") != 0) {
                sum += (double)first[t * WIDTH] / lengths[row];
                most = fmax(most, (double)first[t * WIDTH]);
            }
        }
        x[c] = strcmp(head, "deep") == 0   ? sum
               : strcmp(head, "wide") == 0 ? most
                                           : (double)hidden[row * WIDTH + c];
    }
}

START_TEST(layers_by_hand)
{
    static const char *const heads[] = {"deep", "wide", "each"};
    fst_context *context = tiny_context(2);
    fst_model *model = make(context, FST_FAMILY_LLAMA, FST_F32, 0);
    headed_add_layers(model, 0);
    int64_t count, size;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_view view;
        REQUIRE(fst_model_parameter(model, headed_name(model, i), &view));
        for (int64_t j = 0; view.rank == 1 && j < view.shape[0]; ++j)
            ((float *)view.data)[j] += 0.1f * sinf((float)(i + j));
    }
    inputs in = make_inputs();
    forward(model, &in, plain);
    float *hidden = output(model, "hidden", &size);
    for (int h = 0; h < 3; ++h) {
        char name[64];
        fst_view view, weight, bias;
        snprintf(name, sizeof name, "heads.%s.weight", heads[h]);
        REQUIRE(fst_model_parameter(model, name, &weight));
        snprintf(name, sizeof name, "heads.%s.bias", heads[h]);
        REQUIRE(fst_model_parameter(model, name, &bias));
        REQUIRE(fst_model_output(model, heads[h], &view));
        for (int64_t r = 0; r < headed_size(&view) / 3; ++r) {
            double x[64];
            input_by_hand(heads[h], hidden, in.lengths, r, x);
            int64_t features = layer_by_hand(model, heads[h], 0, x);
            if (h != 1)
                features = layer_by_hand(model, heads[h], 1, x);
            for (int64_t k = 0; k < 3; ++k) {
                double y = (double)((float *)bias.data)[k];
                for (int64_t c = 0; c < features; ++c)
                    y += (double)((float *)weight.data)[k * features + c] * x[c];
                check_close((double)((float *)view.data)[r * 3 + k], y, 1e-5, heads[h], r * 3 + k);
            }
        }
    }
    free(hidden);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(distribution_by_hand)
{
    static const double temperatures[] = {1, 0.5, 2.5};
    way w = plain;
    w.temperature = temperatures[_i % 3];
    w.kept = _i / 3;
    fst_context *context = tiny_context(2);
    fst_model *model = make(context, FST_FAMILY_GPT2, FST_F32, 0);
    inputs in = make_inputs();
    forward(model, &in, w);
    int64_t size;
    float *logits = output(model, "logits", &size), *logp = output(model, "log_probabilities", &size);
    float *entropy = output(model, "entropy", &size);
    double nll = 0;
    for (int64_t i = 0; i < TOKENS; ++i) {
        bool counts = in.targets[i] >= 0 && i % LENGTH < in.lengths[i / LENGTH];
        double total = 0, h = 0;
        for (int pass = 0; pass < 2; ++pass)
            for (int64_t v = 0; v < TINY_VOCABULARY; ++v) {
                double x = (double)logits[i * TINY_VOCABULARY + v] / w.temperature;
                if (w.kept && !(in.kept[i * KEPT + v / 8] >> v % 8 & 1))
                    continue;
                if (pass)
                    h -= exp(x) / total * (x - log(total));
                else
                    total += exp(x);
            }
        double x = (double)logits[i * TINY_VOCABULARY + (counts ? in.targets[i] : 0)];
        double expected = counts ? x / w.temperature - log(total) : 0;
        check_close((double)logp[i], expected, 2e-6, "log_probabilities", i);
        check_close((double)entropy[i], counts ? h : 0, 2e-6, "entropy", i);
        nll -= (double)in.weights[i] * expected;
    }
    fst_loss loss;
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    check_close(loss.loss, nll, 2e-6, "loss", 0);
    free(logits), free(logp), free(entropy);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* The target may follow whatever the list says: a sampler drew it. */
START_TEST(target_is_kept)
{
    way w = plain;
    w.kept = 1;
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, FST_FAMILY_GPT2, FST_F32, 0);
    inputs in = make_inputs();
    int64_t size;
    forward(model, &in, w);
    float *with = output(model, "log_probabilities", &size);
    for (int i = 0; i < TOKENS; ++i) {
        if (in.targets[i] >= 0)
            in.kept[i * KEPT + in.targets[i] / 8] &= (uint8_t) ~(1 << in.targets[i] % 8);
    }
    forward(model, &in, w);
    float *without = output(model, "log_probabilities", &size);
    ck_assert(memcmp(with, without, (size_t)size * sizeof *with) == 0);
    free(with), free(without);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* ---- what may not change them */

START_TEST(padding_contents)
{
    way w = plain;
    w.mode = _i & 1 ? FST_FORWARD_TRAIN : FST_FORWARD_EVALUATE;
    w.kept = 1;
    w.temperature = 0.8;
    fst_context *context = tiny_context(2);
    fst_model *model = make(context, _i & 2 ? FST_FAMILY_LLAMA : FST_FAMILY_GPT2,
                            _i & 4 ? FST_BF16 : FST_F32, 0);
    inputs in = make_inputs(), other = in;
    for (int i = 0; i < TOKENS; ++i) {
        if (i % LENGTH < in.lengths[i / LENGTH])
            continue;
        other.ids[i] = (in.ids[i] + 7) % TINY_VOCABULARY;
        other.targets[i] = (in.targets[i] + 9) % TINY_VOCABULARY;
        other.weights[i] = 99;
        memset(other.kept + i * KEPT, 0, KEPT);
    }
    for (int o = 0; o < OUTPUTS; ++o) {
        int64_t size;
        forward(model, &in, w);
        float *a = output(model, outputs[o], &size);
        forward(model, &other, w);
        float *b = output(model, outputs[o], &size);
        ck_assert_msg(memcmp(a, b, (size_t)size * sizeof *a) == 0, "%s", outputs[o]);
        free(a), free(b);
    }
    fst_loss x, y;
    forward(model, &in, w);
    REQUIRE(fst_model_loss(model, NULL, &x, sizeof x));
    forward(model, &other, w);
    REQUIRE(fst_model_loss(model, NULL, &y, sizeof y));
    ck_assert(x.loss == y.loss && x.weight == y.weight);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* Each row alone, without its padding, against the batch. */
START_TEST(batch_mates)
{
    fst_context *context = tiny_context(2);
    fst_model *model = make(context, _i ? FST_FAMILY_LLAMA : FST_FAMILY_GPT2, FST_F32, 0);
    inputs in = make_inputs();
    for (int o = 0; o < OUTPUTS; ++o) {
        int64_t size, alone_size;
        way w = plain;
        forward(model, &in, w);
        float *all = output(model, outputs[o], &size);
        bool by_token = size % TOKENS == 0;
        int64_t each = by_token ? size / TOKENS : size / ROWS;
        double largest = 0;
        for (int64_t i = 0; i < size; ++i)
            largest = fmax(largest, fabs((double)all[i]));
        for (int r = 0; r < ROWS; ++r) {
            inputs alone = in;
            memcpy(alone.ids, in.ids + r * LENGTH, LENGTH * sizeof *in.ids);
            memcpy(alone.targets, in.targets + r * LENGTH, LENGTH * sizeof *in.targets);
            w.rows = 1;
            w.length = in.lengths[r];
            w.padded = 0;
            forward(model, &alone, w);
            float *one = output(model, outputs[o], &alone_size);
            const float *mine = all + (by_token ? r * LENGTH * each : r * each);
            for (int64_t i = 0; i < alone_size; ++i)
                ck_assert_msg(fabs((double)one[i] - (double)mine[i]) <= 1e-6 * largest,
                              "%s, row %d: %.9g alone, %.9g in the batch (largest %g)", outputs[o],
                              r, (double)one[i], (double)mine[i], largest);
            free(one);
        }
        free(all);
    }
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* Evaluation, and training with dropout switched off, in the same bits, for any number of threads. */
START_TEST(modes_and_threads)
{
    float *found[4][OUTPUTS];
    int64_t size[OUTPUTS];
    for (int m = 0; m < 4; ++m) {
        fst_context *context = tiny_context(m == 2 ? 4 : 1);
        fst_model *model = make(context, _i & 1 ? FST_FAMILY_LLAMA : FST_FAMILY_GPT2,
                                _i & 2 ? FST_BF16 : FST_F32, 0.3);
        fst_adapter_options adapter;
        REQUIRE(fst_adapter_options_init(&adapter, sizeof adapter));
        adapter.dropout = 0.4;
        if (_i & 4)
            REQUIRE(fst_model_add_adapter(model, &adapter));
        inputs in = make_inputs();
        way w = plain;
        w.mode = m ? FST_FORWARD_TRAIN : FST_FORWARD_EVALUATE;
        w.dropout = m == 3;
        w.kept = 1;
        w.temperature = 0.9;
        forward(model, &in, w);
        for (int o = 0; o < OUTPUTS; ++o)
            found[m][o] = output(model, outputs[o], &size[o]);
        fst_model_destroy(model);
        fst_context_destroy(context);
    }
    for (int o = 0; o < OUTPUTS; ++o) {
        size_t bytes = (size_t)size[o] * sizeof(float);
        ck_assert_msg(memcmp(found[0][o], found[1][o], bytes) == 0, "%s: modes", outputs[o]);
        ck_assert_msg(memcmp(found[1][o], found[2][o], bytes) == 0, "%s: threads", outputs[o]);
        ck_assert_msg(memcmp(found[1][o], found[3][o], bytes) != 0, "%s: dropout does nothing",
                      outputs[o]);
        for (int m = 0; m < 4; ++m)
            free(found[m][o]);
    }
}
END_TEST

/* One backward of all is the sum of their backwards. */
static void add(fst_model *model, const char *name)
{
    fst_view view;
    int64_t size;
    float *gradient = output(model, name, &size);
    REQUIRE(fst_model_output(model, name, &view));
    for (int64_t i = 0; i < size; ++i)
        gradient[i] = cosf((float)i);
    view.data = gradient;
    REQUIRE(fst_model_add_gradient(model, name, &view));
    free(gradient);
}

START_TEST(sums_of_gradients)
{
    static const char *const terms[] = {"loss", "hidden", "logits", "log_probabilities", "entropy",
                                        "value", "mean"};
    enum { TERMS = sizeof terms / sizeof *terms };
    fst_context *context = tiny_context(2);
    fst_model *model = make(context, FST_FAMILY_GPT2, FST_F32, 0.1);
    inputs in = make_inputs();
    way w = plain;
    w.mode = FST_FORWARD_TRAIN;
    double *found[2];
    int64_t total = 0;
    for (int together = 0; together < 2; ++together) {
        REQUIRE(fst_model_zero_gradients(model));
        for (int t = 0; t < TERMS; ++t) {
            fst_loss loss;
            if (t == 0 || !together)
                forward(model, &in, w);
            if (t == 0)
                REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
            else
                add(model, terms[t]);
            if (t == TERMS - 1 || !together)
                REQUIRE(fst_model_backward(model, NULL, NULL));
        }
        found[together] = gradients(model, &total);
    }
    double largest = 0;
    for (int64_t i = 0; i < total; ++i)
        largest = fmax(largest, fabs(found[0][i]));
    for (int64_t i = 0; i < total; ++i)
        ck_assert_double_eq_tol(found[0][i], found[1][i], 1e-5 * largest);
    free(found[0]), free(found[1]);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* A head alone over a frozen trunk: no gradient but its own, and the trunk's bits stay. */
START_TEST(frozen_trunk)
{
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, FST_FAMILY_LLAMA, _i ? FST_BF16 : FST_F32, 0.1);
    REQUIRE(fst_model_set_trainable(model, "*", 0));
    REQUIRE(fst_model_set_trainable(model, "heads.mean.*", 1));
    inputs in = make_inputs();
    fst_optimizer *optimizer;
    REQUIRE(fst_optimizer_create(model, NULL, &optimizer));
    fst_model *before;
    REQUIRE(fst_model_copy(model, NULL, &before));
    way w = plain;
    w.mode = FST_FORWARD_TRAIN;
    for (int i = 0; i < 3; ++i) {
        forward(model, &in, w);
        add(model, "mean");
        add(model, "value"); /* frozen: goes nowhere */
        REQUIRE(fst_model_backward(model, NULL, NULL));
        REQUIRE(fst_optimizer_step(optimizer, NULL, 0));
    }
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_view a, b;
        const char *name = headed_name(model, i);
        REQUIRE(fst_model_parameter(model, name, &a));
        REQUIRE(fst_model_parameter(before, name, &b));
        bool same = memcmp(a.data, b.data, (size_t)headed_size(&a) * sizeof(float)) == 0;
        ck_assert_msg(same != (strncmp(name, "heads.mean.", 11) == 0), "%s", name);
    }
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(before);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("heads");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, heads_by_hand, 0, 4);
    tcase_add_test(cases, layers_by_hand);
    tcase_add_loop_test(cases, distribution_by_hand, 0, 6);
    tcase_add_test(cases, target_is_kept);
    tcase_add_loop_test(cases, padding_contents, 0, 8);
    tcase_add_loop_test(cases, batch_mates, 0, 2);
    tcase_add_loop_test(cases, modes_and_threads, 0, 8);
    tcase_add_test(cases, sums_of_gradients);
    tcase_add_loop_test(cases, frozen_trunk, 0, 2);
    Suite *suite = suite_create("heads");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
