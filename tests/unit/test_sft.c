/* Finetuning: what its runs measure, refuse and leave alone, and that its loop is the public parts'. */
#include "small_run.h"

#include "fourstage/metrics.h"
#include "fourstage/objectives.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())
#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        fst_status refused_ = (call);                                                              \
        ck_assert_msg(refused_ == (status), "%s: %s: %s", #call, fst_status_name(refused_),        \
                      fst_last_error());                                                           \
        ck_assert_msg(strstr(fst_last_error(), words) != NULL, "%s", fst_last_error());            \
    } while (0)

enum { OUTPUTS = 3, MOST = 64 };

static small_config make_config(small_stage stage)
{
    small_config config = small_defaults();
    config.stage = stage;
    return config;
}

static double metric(const fst_run *run, const char *name)
{
    double value;
    OK(fst_run_metric(run, name, &value));
    return value;
}

static fst_examples_info examples_of(const fst_dataset *dataset)
{
    fst_examples_info info;
    OK(fst_dataset_get_examples_info(dataset, &info, sizeof info));
    return info;
}

/* ---- evaluation */

START_TEST(test_measures)
{
    small_config config = make_config((small_stage)_i);
    small_run small;
    small_create_checked(&small, &config);
    fst_run_info info;
    OK(fst_run_get_info(small.run, &info, sizeof info));
    ck_assert_str_eq(info.stage, "sft");
    int64_t count;
    REFUSED(fst_sft_confusion(small.run, NULL, 0, &count), FST_ERR_STATE,
            _i == SMALL_CONVERSATIONS ? "no labels" : _i == SMALL_NUMBERS ? "numbers" : "evaluated");
    OK(fst_run_step(small.run, NULL, 0));
    OK(fst_run_evaluate(small.run));
    ck_assert(metric(small.run, "loss") > 0);
    ck_assert(metric(small.run, "validation_loss") > 0);
    ck_assert(metric(small.run, "tokens") > 0);
    ck_assert(metric(small.run, "epoch") > 0);
    static const struct {
        const char *name;
        bool of[SMALL_STAGES];
    } known[] = {
        {"validation_accuracy", {false, false, true, true, true, false}},
        {"validation_f1_macro", {false, false, false, true, true, false}},
        {"validation_f1_micro", {false, false, false, true, true, false}},
        {"validation_mcc", {false, false, false, true, false, false}},
        {"validation_subset_accuracy", {false, false, false, false, true, false}},
        {"validation_rmse", {false, false, false, false, false, true}},
        {"validation_mae", {false, false, false, false, false, true}},
        {"validation_pearson", {false, false, false, false, false, true}},
        {"validation_spearman", {false, false, false, false, false, true}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
        if (_i == SMALL_CONVERSATIONS && i > 0)
            break;
        double value = metric(small.run, known[i].name);
        ck_assert_msg(isfinite(value) == known[i].of[_i], "%s is %g", known[i].name, value);
    }
    small_destroy(&small);
    ck_assert_int_eq(small.memory.live_blocks, 0);
}
END_TEST

/* The run's figures are those of its parts over its own predictions. */
START_TEST(test_predictions)
{
    small_config config = make_config(SMALL_CLASSES);
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_step(small.run, NULL, 0));
    OK(fst_run_evaluate(small.run));
    int64_t examples = examples_of(small.validation).examples, count;
    float outputs[MOST * OUTPUTS], others[MOST * OUTPUTS], truths[MOST];
    ck_assert_int_le(examples, MOST);
    REFUSED(fst_sft_predict(small.model, "label", small.validation, 3, outputs, 1, &count),
            FST_ERR_BUFFER_TOO_SMALL, "examples");
    ck_assert_int_eq(count, examples * OUTPUTS);
    OK(fst_sft_predict(small.model, "label", small.validation, 3, outputs, count, &count));
    OK(fst_sft_predict(small.model, "label", small.validation, 7, others, count, &count));
    for (int64_t i = 0; i < count; ++i)
        ck_assert_float_eq_tol(outputs[i], others[i], 1e-6f + 1e-6f * fabsf(outputs[i]));
    int32_t labels[MOST], told[MOST];
    for (int64_t i = 0; i < examples; ++i) {
        fst_example example;
        OK(fst_dataset_get_example(small.validation, i, 0, &example, sizeof example));
        truths[i] = example.labels[0];
        labels[i] = isnan(truths[i]) ? -1 : (int32_t)truths[i];
        told[i] = 0;
        for (int32_t k = 1; k < OUTPUTS; ++k)
            if (outputs[i * OUTPUTS + k] > outputs[i * OUTPUTS + told[i]])
                told[i] = k;
    }
    int64_t expected[OUTPUTS * OUTPUTS], confusion[OUTPUTS * OUTPUTS];
    OK(fst_metrics_confusion(labels, told, examples, OUTPUTS, expected));
    REFUSED(fst_sft_confusion(small.run, confusion, 8, &count), FST_ERR_BUFFER_TOO_SMALL, "9");
    OK(fst_sft_confusion(small.run, confusion, 9, &count));
    ck_assert_int_eq(count, 9);
    ck_assert_mem_eq(confusion, expected, sizeof expected);
    fst_class_metrics found;
    OK(fst_metrics_classes(confusion, OUTPUTS, NULL, NULL, NULL, &found, sizeof found));
    ck_assert_double_eq(found.mcc, metric(small.run, "validation_mcc"));
    fst_score_loss loss;
    OK(fst_loss_classes(NULL, outputs, truths, NULL, examples, OUTPUTS, NULL, &loss, sizeof loss));
    ck_assert_double_eq(loss.loss, metric(small.run, "validation_loss"));
    small_destroy(&small);
}
END_TEST

/* ---- training */

/* Batches of many lengths. */
static small_config make_long_config(small_stage stage)
{
    small_config config = make_config(stage);
    config.model.context_length = 64;
    config.text = 60;
    return config;
}

START_TEST(test_no_allocation)
{
    small_config config = make_long_config((small_stage)_i);
    small_run small;
    small_create_checked(&small, &config);
    int64_t calls = small.memory.calls;
    OK(fst_run_until(small.run, 5));
    ck_assert_int_eq(small.memory.calls, calls);
    OK(fst_run_evaluate(small.run));
    ck_assert_int_eq(small.memory.calls, calls);
    fst_memory memory;
    OK(fst_run_memory(small.run, &memory, sizeof memory));
    ck_assert_int_gt(memory.data, 0);
    small_destroy(&small);
}
END_TEST

static int64_t longest_of(const fst_dataset *dataset, const int64_t *indices, int64_t count)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < count; ++i) {
        fst_example example;
        OK(fst_dataset_get_example(dataset, indices[i], 0, &example, sizeof example));
        longest = example.length > longest ? example.length : longest;
    }
    return longest;
}

static int64_t padded_length(const small_run *small, const int64_t *indices, int64_t count)
{
    int64_t length = (longest_of(small->train, indices, count) + 15) / 16 * 16;
    int64_t most = examples_of(small->train).longest;
    if (examples_of(small->validation).longest > most)
        most = examples_of(small->validation).longest;
    return length < most ? length : most;
}

static void same_weights(fst_model *left, fst_model *right)
{
    int64_t parameters;
    OK(fst_model_parameter_count(left, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view a, b;
        OK(fst_model_parameter_name(left, i, &name));
        OK(fst_model_parameter(left, name, &a));
        OK(fst_model_parameter(right, name, &b));
        size_t size = (size_t)a.shape[0] * (a.rank > 1 ? (size_t)a.shape[1] : 1) * sizeof(float);
        ck_assert_msg(memcmp(a.data, b.data, size) == 0, "%s differs", name);
    }
}

/* The labels of the examples; how many there are of them. */
static int64_t read_labels(const small_run *small, const int64_t *indices, int64_t count,
                           float *labels)
{
    int64_t present = 0;
    for (int64_t i = 0; i < count; ++i) {
        fst_example example;
        OK(fst_dataset_get_example(small->train, indices[i], 0, &example, sizeof example));
        labels[i] = example.labels[0];
        present += !isnan(labels[i]);
    }
    return present;
}

/* Ids of the examples that another one stands before. */
static int64_t count_targets(const small_run *small, const int64_t *indices, int64_t count)
{
    int64_t targets = 0;
    for (int64_t i = 0; i < count; ++i) {
        fst_example example;
        OK(fst_dataset_get_example(small->train, indices[i], 0, &example, sizeof example));
        targets += example.length - 1;
    }
    return targets;
}

/* One micro-batch by hand; language: what the cross entropy of the texts' tokens is multiplied with. */
static void by_hand(small_run *small, const int64_t *indices, int64_t rows, int64_t step,
                    const float *weights, double language)
{
    int32_t ids[MOST * 16], targets[MOST * 16], lengths[MOST];
    float labels[MOST], gradient[MOST * OUTPUTS];
    fst_batch batch;
    fst_forward_options forward;
    fst_score_loss loss;
    fst_view view;
    read_labels(small, indices, rows, labels);
    fst_batch_init(&batch, sizeof batch);
    fst_forward_options_init(&forward, sizeof forward);
    batch.rows = rows;
    batch.length = padded_length(small, indices, rows);
    batch.ids = ids;
    batch.lengths = lengths;
    forward.step = step;
    OK(fst_dataset_collate(small->train, indices, NULL, rows, batch.length, ids, NULL, lengths));
    for (int64_t i = 0; i < rows * batch.length; ++i) {
        bool last = i % batch.length + 1 >= lengths[i / batch.length];
        targets[i] = last ? FST_IGNORE : ids[i + 1];
    }
    batch.targets = language > 0 ? targets : NULL;
    OK(fst_model_forward(small->model, &batch, &forward));
    OK(fst_model_output(small->model, "label", &view));
    OK(fst_loss_classes(NULL, view.data, labels, weights, rows, OUTPUTS, gradient, &loss,
                        sizeof loss));
    fst_loss_options of_language;
    fst_loss found;
    fst_loss_options_init(&of_language, sizeof of_language);
    of_language.scale = language;
    if (language > 0)
        OK(fst_model_loss(small->model, &of_language, &found, sizeof found));
    view.data = gradient;
    OK(fst_model_add_gradient(small->model, "label", &view));
    OK(fst_model_backward(small->model, NULL, NULL));
}

START_TEST(test_custom_loop)
{
    enum { ROWS = 3, PARTS = 3 };
    small_config config = make_long_config(SMALL_CLASSES);
    config.sft.language_modelling = _i ? 0.5 : 0;
    small_run run, hand;
    small_create_checked(&run, &config);
    OK(fst_run_until(run.run, 0));
    double language_loss;
    OK(fst_run_metric(run.run, "language_loss", &language_loss));
    ck_assert(_i ? language_loss > 0 : isnan(language_loss));
    small_create_checked(&hand, &config);
    int64_t shortest = MOST, longest = 0;
    for (int64_t step = 0; step < 8; ++step) {
        int64_t indices[ROWS * PARTS];
        float labels[ROWS * PARTS], weights[ROWS];
        OK(fst_dataset_order(hand.train, step * ROWS * PARTS, ROWS * PARTS, 1, indices));
        int64_t count = read_labels(&hand, indices, ROWS * PARTS, labels);
        double targets = (double)count_targets(&hand, indices, ROWS * PARTS);
        for (int i = 0; i < ROWS; ++i)
            weights[i] = (float)(1 / (double)count);
        for (int64_t i = 0; i < PARTS; ++i) {
            int64_t length = padded_length(&hand, indices + i * ROWS, ROWS);
            shortest = length < shortest ? length : shortest;
            longest = length > longest ? length : longest;
            by_hand(&hand, indices + i * ROWS, ROWS, step * PARTS + i, weights,
                    config.sft.language_modelling / targets);
        }
        OK(fst_optimizer_step(hand.optimizer, NULL, 0));
    }
    ck_assert_int_lt(shortest, longest);
    same_weights(run.model, hand.model);
    small_destroy(&run);
    small_destroy(&hand);
}
END_TEST

/* Labels that follow from the text are learnt by heart; with the trunk frozen only the head moves. */
START_TEST(test_learns)
{
    small_config config = make_config((small_stage)_i);
    config.model.dropout = config.model.attention_dropout = 0;
    config.optimizer.schedule = FST_SCHEDULE_CONSTANT;
    config.optimizer.learning_rate = 0.01;
    config.pretrain.rows = 25;
    config.pretrain.accumulation = 1;
    config.run.total_steps = 120;
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_step(small.run, NULL, 0));
    double before = metric(small.run, "loss");
    OK(fst_run_until(small.run, 0));
    ck_assert_double_lt(metric(small.run, "loss"), 0.2 * before);
    if (_i != SMALL_NUMBERS)
        ck_assert_double_gt(metric(small.run, "accuracy"), 0.85);
    small_destroy(&small);
}
END_TEST

START_TEST(test_head_only)
{
    small_config config = make_config(SMALL_CLASSES);
    config.head_only = true;
    small_run trained, fresh;
    small_create_checked(&trained, &config);
    small_create_checked(&fresh, &config);
    OK(fst_run_until(trained.run, 0));
    int64_t parameters, moved = 0;
    OK(fst_model_parameter_count(trained.model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view a, b;
        OK(fst_model_parameter_name(trained.model, i, &name));
        OK(fst_model_parameter(trained.model, name, &a));
        OK(fst_model_parameter(fresh.model, name, &b));
        size_t size = (size_t)a.shape[0] * (a.rank > 1 ? (size_t)a.shape[1] : 1) * sizeof(float);
        bool same = memcmp(a.data, b.data, size) == 0;
        ck_assert_msg(same == (strncmp(name, "heads.", 6) != 0), "%s", name);
        moved += !same;
    }
    ck_assert_int_eq(moved, 2);
    small_destroy(&trained);
    small_destroy(&fresh);
}
END_TEST

/* ---- padding */

static void outputs_of(small_run *small, const int32_t *ids, const int32_t *lengths, int64_t rows,
                       int64_t length, float *outputs)
{
    fst_batch batch;
    fst_forward_options forward;
    fst_view view;
    fst_batch_init(&batch, sizeof batch);
    fst_forward_options_init(&forward, sizeof forward);
    forward.mode = FST_FORWARD_EVALUATE;
    batch.rows = rows;
    batch.length = length;
    batch.ids = ids;
    batch.lengths = lengths;
    OK(fst_model_forward(small->model, &batch, &forward));
    OK(fst_model_output(small->model, "label", &view));
    memcpy(outputs, view.data, (size_t)(rows * OUTPUTS) * sizeof *outputs);
}

static void close_to(const float *got, const float *expected, int64_t count)
{
    float scale = 0;
    for (int64_t i = 0; i < count; ++i)
        scale = fmaxf(scale, fabsf(expected[i]));
    for (int64_t i = 0; i < count; ++i)
        ck_assert_float_eq_tol(got[i], expected[i], 1e-6f * scale);
}

START_TEST(test_padding)
{
    enum { ROWS = 4, SHORT = 8, LONG = 12 };
    small_config config = make_config(SMALL_CLASSES);
    config.head.name = "label";
    config.head.outputs = OUTPUTS;
    config.head.init_std = 0.2;
    config.head.pooling = _i; /* FST_POOL_ values */
    small_run small;
    small_create_checked(&small, &config);
    int32_t ids[ROWS * LONG], padded[ROWS * LONG];
    const int32_t lengths[ROWS] = {8, 3, 1, 6};
    float plain[ROWS * OUTPUTS], other[ROWS * OUTPUTS];
    for (int i = 0; i < ROWS * SHORT; ++i)
        ids[i] = i * 7 % 17;
    outputs_of(&small, ids, lengths, ROWS, SHORT, plain);
    /* What stands in padding: not a bit. */
    for (int r = 0; r < ROWS; ++r)
        for (int t = lengths[r]; t < SHORT; ++t)
            ids[r * SHORT + t] = (r * 5 + t * 3) % 17;
    outputs_of(&small, ids, lengths, ROWS, SHORT, other);
    ck_assert_mem_eq(plain, other, sizeof plain);
    /* More of it. */
    for (int r = 0; r < ROWS; ++r)
        for (int t = 0; t < LONG; ++t)
            padded[r * LONG + t] = t < SHORT ? ids[r * SHORT + t] : 3;
    outputs_of(&small, padded, lengths, ROWS, LONG, other);
    close_to(other, plain, ROWS * OUTPUTS);
    /* No batch-mates. */
    for (int r = 0; r < ROWS; ++r) {
        outputs_of(&small, ids + r * SHORT, lengths + r, 1, lengths[r], other);
        close_to(other, plain + r * OUTPUTS, OUTPUTS);
    }
    small_destroy(&small);
}
END_TEST

/* ---- refused */

static fst_sft_options options_of(const small_run *small, const char *head)
{
    fst_sft_options options;
    OK(fst_sft_options_init(&options, sizeof options));
    options.model = small->model;
    options.train = small->train;
    options.validation = small->validation;
    options.head = head;
    return options;
}

START_TEST(test_refused_labelled)
{
    small_config config = make_config(SMALL_LABELS);
    small_run small;
    small_create_checked(&small, &config);
    const fst_sft_options good = options_of(&small, "label");
    const double weights[] = {1, -1, 2};
    fst_run *run = NULL;
#define BAD(field, value, status, words)                                                           \
    do {                                                                                           \
        fst_sft_options bad = good;                                                                \
        bad.field = value;                                                                         \
        REFUSED(fst_sft_create(&bad, &run), status, words);                                        \
        ck_assert_ptr_null(run);                                                                   \
    } while (0)
    BAD(model, NULL, FST_ERR_INVALID_ARGUMENT, "model");
    BAD(train, NULL, FST_ERR_INVALID_ARGUMENT, "train");
    BAD(head, NULL, FST_ERR_INVALID_ARGUMENT, "head");
    BAD(head, "nobody", FST_ERR_NOT_FOUND, "nobody");
    BAD(objective, 4, FST_ERR_INVALID_ARGUMENT, "objective");
    BAD(objective, FST_SFT_CROSS_ENTROPY, FST_ERR_MISMATCH, "3 labels");
    BAD(rows, 0, FST_ERR_INVALID_ARGUMENT, "rows");
    BAD(accumulation, 0, FST_ERR_INVALID_ARGUMENT, "accumulation");
    BAD(evaluation_rows, -1, FST_ERR_INVALID_ARGUMENT, "evaluation_rows");
    BAD(length, -1, FST_ERR_INVALID_ARGUMENT, "length");
    BAD(length, 1, FST_ERR_MISMATCH, "length is 1");
    BAD(length, 13, FST_ERR_MISMATCH, "context_length is 12");
    BAD(shuffle, 2, FST_ERR_INVALID_ARGUMENT, "shuffle");
    BAD(z_loss, 0.1, FST_ERR_INVALID_ARGUMENT, "z_loss");
    BAD(threshold, 1, FST_ERR_INVALID_ARGUMENT, "threshold");
    BAD(language_modelling, -1, FST_ERR_INVALID_ARGUMENT, "language_modelling");
    BAD(label_smoothing, 0.1, FST_ERR_INVALID_ARGUMENT, "label_smoothing"); /* MSE */
    BAD(class_weight_count, 3, FST_ERR_INVALID_ARGUMENT, "class_weight_count");
    BAD(class_weights, weights, FST_ERR_INVALID_ARGUMENT, "class_weight_count");
    BAD(spike_action, 3, FST_ERR_INVALID_ARGUMENT, "spike_action");
    BAD(spike_action, FST_SPIKE_SKIP, FST_ERR_INVALID_ARGUMENT, "spike_loss_z");
    fst_sft_options weighted = good;
    weighted.objective = FST_SFT_BINARY;
    weighted.class_weights = weights;
    weighted.class_weight_count = 3;
    REFUSED(fst_sft_create(&weighted, &run), FST_ERR_INVALID_ARGUMENT, "class_weights[1]");
    fst_sft_options huge = good;
    huge.rows = INT32_MAX;
    REFUSED(fst_sft_create(&huge, &run), FST_ERR_INVALID_ARGUMENT, "2³¹");
    small_destroy(&small);
    ck_assert_int_eq(small.memory.live_blocks, 0);

    config.stage = SMALL_NUMBERS;
    small_create_checked(&small, &config);
    fst_sft_options numbers = options_of(&small, "label");
    numbers.objective = FST_SFT_BINARY;
    REFUSED(fst_sft_create(&numbers, &run), FST_ERR_INVALID_ARGUMENT, "train, example 0");
    small_destroy(&small);
}
END_TEST

/* Data of another kind, of another context, packed or not. */
START_TEST(test_refused_data)
{
    small_config config = make_config(SMALL_CONVERSATIONS);
    small_run talks, labelled, plain;
    fst_run *run = NULL;
    small_create_checked(&talks, &config);
    config.stage = SMALL_CLASSES;
    small_create_checked(&labelled, &config);
    config.stage = SMALL_PRETRAIN;
    small_create_checked(&plain, &config);
    const fst_sft_options good = options_of(&talks, NULL);
    BAD(head, "label", FST_ERR_INVALID_ARGUMENT, "head");
    BAD(objective, FST_SFT_MSE, FST_ERR_INVALID_ARGUMENT, "objective");
    BAD(length, 12, FST_ERR_INVALID_ARGUMENT, "length");
    BAD(rows, 0, FST_ERR_INVALID_ARGUMENT, "fst_sft_options.rows");
    BAD(z_loss, -1, FST_ERR_INVALID_ARGUMENT, "z_loss");
    BAD(validation, labelled.train, FST_ERR_STATE, "validation");
    BAD(train, plain.train, FST_ERR_STATE, "fst_pretrain_create");
    fst_sft_options other = options_of(&labelled, "label");
    other.train = other.validation;
    other.validation = NULL;
    other.model = talks.model;
    REFUSED(fst_sft_create(&other, &run), FST_ERR_NOT_FOUND, "label");
    other.model = labelled.model;
    other.validation = talks.validation;
    REFUSED(fst_sft_create(&other, &run), FST_ERR_STATE, "packed");
    other.validation = plain.train;
    REFUSED(fst_sft_create(&other, &run), FST_ERR_STATE, "documents");
    other = options_of(&labelled, "label");
    other.optimizer = talks.optimizer;
    REFUSED(fst_sft_create(&other, &run), FST_ERR_MISMATCH, "optimizer");
    float outputs[4];
    int64_t count;
    REFUSED(fst_sft_predict(labelled.model, "label", talks.train, 1, outputs, 4, &count),
            FST_ERR_STATE, "packed");
    REFUSED(fst_sft_predict(labelled.model, "x", labelled.train, 1, outputs, 4, &count),
            FST_ERR_NOT_FOUND, "x");
    REFUSED(fst_sft_predict(labelled.model, "label", labelled.train, 0, outputs, 4, &count),
            FST_ERR_INVALID_ARGUMENT, "rows");
    small_destroy(&plain);
    small_destroy(&labelled);
    small_destroy(&talks);
}
END_TEST

/* A checkpoint knows which kind of finetuning it is of. */
START_TEST(test_other_objective)
{
    char *folder = small_folder();
    small_config config = make_config(SMALL_LABELS);
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_step(small.run, NULL, 0));
    OK(fst_run_save(small.run, small_path(folder, "labels")));
    small_destroy(&small);
    for (int stage = SMALL_CONVERSATIONS; stage < SMALL_STAGES; ++stage) {
        if (stage == SMALL_LABELS)
            continue;
        config.stage = (small_stage)stage;
        small_create_checked(&small, &config);
        REFUSED(fst_run_resume(small.run, small_path(folder, "labels")), FST_ERR_MISMATCH,
                "sft.objective");
        small_destroy(&small);
    }
    small_folder_remove(folder);
}
END_TEST

/* A weight that is not a number ends the step before anything has changed. */
START_TEST(test_not_finite)
{
    small_config config = make_config(SMALL_CLASSES);
    small_run small;
    small_create_checked(&small, &config);
    fst_view view;
    OK(fst_model_parameter(small.model, "heads.label.weight", &view));
    float kept = ((float *)view.data)[2];
    ((float *)view.data)[2] = NAN;
    OK(fst_model_weights_changed(small.model));
    REFUSED(fst_run_step(small.run, NULL, 0), FST_ERR_NUMERIC, "heads.label.weight");
    ck_assert_msg(strstr(fst_last_error(), "examples 0 to 2") != NULL, "%s", fst_last_error());
    REFUSED(fst_run_evaluate(small.run), FST_ERR_NUMERIC, "validation examples 0 to 2");
    ((float *)view.data)[2] = kept;
    OK(fst_model_weights_changed(small.model));
    OK(fst_run_until(small.run, 0));
    small_destroy(&small);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sft");
    TCase *cases = tcase_create("sft");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, test_measures, SMALL_CONVERSATIONS, SMALL_STAGES);
    tcase_add_test(cases, test_predictions);
    tcase_add_loop_test(cases, test_no_allocation, SMALL_CONVERSATIONS, SMALL_STAGES);
    tcase_add_loop_test(cases, test_custom_loop, 0, 2);
    tcase_add_loop_test(cases, test_learns, SMALL_CONVERSATIONS, SMALL_STAGES);
    tcase_add_test(cases, test_head_only);
    tcase_add_loop_test(cases, test_padding, FST_POOL_LAST, FST_POOL_MEAN + 1);
    tcase_add_test(cases, test_refused_labelled);
    tcase_add_test(cases, test_refused_data);
    tcase_add_test(cases, test_other_objective);
    tcase_add_test(cases, test_not_finite);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
