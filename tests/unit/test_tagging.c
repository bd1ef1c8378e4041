/* Finetuning of a token head: what its runs measure, refuse and leave alone, and that its loop is the
 * public parts'. */
#include "fourstage/entities.h"
#include "fourstage/metrics.h"
#include "fourstage/objectives.h"
#include "small_run.h"
#include "small_tags.h"

#include <stdio.h>

#define REFUSED(call, status, words)                                                               \
    do {                                                                                           \
        fst_status refused_ = (call);                                                              \
        ck_assert_msg(refused_ == (status), "%s: %s: %s", #call, fst_status_name(refused_),        \
                      fst_last_error());                                                           \
        ck_assert_msg(strstr(fst_last_error(), words) != NULL, "%s", fst_last_error());            \
    } while (0)

enum { MOST_WORDS = (TAGS_TRAIN + TAGS_HELD_OUT) * TAGS_WORDS };

static fst_words_info info_of(const fst_dataset *dataset)
{
    fst_words_info info;
    REQUIRE(fst_dataset_get_words_info(dataset, &info, sizeof info));
    return info;
}

/* ---- evaluation */

/* True and told classes of the validation's words by sentence; how many sentences. */
static int64_t read_words(const small_tags *s, const int32_t *told, int32_t *labels, int32_t *predictions,
                          int64_t *offsets)
{
    int64_t count = 0, sentences = 0, words = info_of(s->validation).words;
    for (int64_t w = 0; w < words; ++w) {
        fst_word word;
        REQUIRE(fst_dataset_get_word(s->validation, w, &word, sizeof word));
        while (sentences <= word.sentence)
            offsets[sentences++] = count;
        labels[count] = word.tag;
        predictions[count++] = told[w];
    }
    offsets[sentences] = count;
    return sentences;
}

/* The run's figures are those of its parts over its own predictions, also where sentences are windows. */
START_TEST(test_measures)
{
    small_tags_config config = small_tags_defaults();
    config.windows = _i ? 12 : 0;
    config.run.total_steps = 12;
    small_tags s;
    small_tags_create(&s, &config);
    fst_entities *none = NULL;
    int64_t count;
    REFUSED(fst_sft_entities(s.run, 0, &none), FST_ERR_STATE, "not evaluated");
    REFUSED(fst_sft_confusion(s.run, NULL, 0, &count), FST_ERR_STATE, "not evaluated");
    ck_assert(isnan(small_tags_metric(s.run, "validation_f1")));
    REQUIRE(fst_run_until(s.run, 0));
    REQUIRE(fst_run_evaluate(s.run));
    if (_i)
        ck_assert_int_gt(info_of(s.validation).examples, info_of(s.validation).sentences);

    int32_t told[MOST_WORDS], other[MOST_WORDS], labels[MOST_WORDS], predictions[MOST_WORDS];
    int64_t offsets[TAGS_TRAIN + 1];
    REFUSED(fst_sft_tag(s.model, "tags", s.validation, 3, told, 1, &count), FST_ERR_BUFFER_TOO_SMALL, "words");
    ck_assert_int_eq(count, info_of(s.validation).words);
    REQUIRE(fst_sft_tag(s.model, "tags", s.validation, 3, told, count, &count));
    REQUIRE(fst_sft_tag(s.model, "tags", s.validation, 1, other, count, &count));
    ck_assert_mem_eq(told, other, (size_t)count * sizeof *told);
    int64_t sentences = read_words(&s, told, labels, predictions, offsets);
    ck_assert_int_eq(sentences, TAGS_HELD_OUT);
    for (int32_t strict = 0; strict < 2; ++strict) {
        static const char *const names[2][3] = {
            {"validation_f1", "validation_precision", "validation_recall"},
            {"validation_f1_strict", "validation_precision_strict", "validation_recall_strict"}};
        fst_entities *entities;
        fst_entity_metrics found, by_hand;
        REQUIRE(fst_sft_entities(s.run, strict, &entities));
        REQUIRE(fst_entities_get_metrics(entities, &found, sizeof found));
        REQUIRE(fst_entities_clear(entities));
        REQUIRE(fst_entities_add(entities, labels, predictions, offsets, sentences));
        REQUIRE(fst_entities_get_metrics(entities, &by_hand, sizeof by_hand));
        ck_assert_mem_eq(&found, &by_hand, sizeof found);
        ck_assert_int_gt(found.labelled, 5);
        ck_assert_double_eq(found.f1, small_tags_metric(s.run, names[strict][0]));
        ck_assert_double_eq(found.precision, small_tags_metric(s.run, names[strict][1]));
        ck_assert_double_eq(found.recall, small_tags_metric(s.run, names[strict][2]));
        fst_entities_destroy(entities);
    }
    int64_t confusion[TAGS_CLASSES * TAGS_CLASSES], expected[TAGS_CLASSES * TAGS_CLASSES];
    fst_class_metrics classes;
    REQUIRE(fst_sft_confusion(s.run, confusion, TAGS_CLASSES * TAGS_CLASSES, &count));
    REQUIRE(fst_metrics_confusion(labels, predictions, info_of(s.validation).words, TAGS_CLASSES, expected));
    ck_assert_mem_eq(confusion, expected, sizeof expected);
    REQUIRE(fst_metrics_classes(confusion, TAGS_CLASSES, NULL, NULL, NULL, &classes, sizeof classes));
    ck_assert_double_eq(classes.accuracy, small_tags_metric(s.run, "validation_accuracy"));
    ck_assert(small_tags_metric(s.run, "validation_loss") > 0);
    small_tags_destroy(&s);
}
END_TEST

/* Tags that are no entities: accuracy alone. IOB1 is told by nobody, but may be named. */
START_TEST(test_schemes)
{
    small_tags_config config = small_tags_defaults();
    small_tags s;
    small_tags_prepare(&s, &config);
    static const char *const words[] = {"ann", "bo", "oslo"};
    static const char *const kinds[3][3] = {
        {"NOUN", "VERB", "PUNCT"}, {"I-x", "O", "I-y"}, {"B-x", "I-x", "O"}};
    const int64_t offsets[] = {0, 3};
    for (int i = 0; i < 3; ++i) {
        fst_dataset *dataset;
        fst_head_options head;
        fst_run *run;
        char name[] = "head0";
        name[4] = (char)('0' + i);
        fst_word_options how;
        REQUIRE(fst_word_options_init(&how, sizeof how));
        REQUIRE(fst_dataset_from_words(s.context, s.tokenizer, words, kinds[i], offsets, 1, &how, &dataset));
        REQUIRE(fst_head_options_init(&head, sizeof head));
        head.name = name;
        head.kind = FST_HEAD_TOKEN;
        head.outputs = info_of(dataset).tags;
        fst_optimizer_destroy(s.optimizer);
        s.optimizer = NULL;
        REQUIRE(fst_model_add_head(s.model, &head));
        fst_sft_options options = config.sft;
        options.model = s.model;
        options.train = options.validation = dataset;
        options.head = name;
        REQUIRE(fst_sft_create(&options, &run));
        REQUIRE(fst_run_evaluate(run));
        ck_assert(!isnan(small_tags_metric(run, "validation_accuracy")));
        ck_assert(isnan(small_tags_metric(run, "validation_f1")) == (i == 0));
        ck_assert(isnan(small_tags_metric(run, "validation_f1_strict")) == (i < 2));
        fst_entities *entities;
        if (i == 0)
            REFUSED(fst_sft_entities(run, 0, &entities), FST_ERR_STATE, "none of entities");
        if (i == 1)
            REFUSED(fst_sft_entities(run, 1, &entities), FST_ERR_STATE, "tag_scheme");
        fst_run_destroy(run);
        options.tag_scheme = FST_TAGS_IOB1;
        if (i == 1) {
            REQUIRE(fst_sft_create(&options, &run));
            REQUIRE(fst_run_evaluate(run));
            ck_assert(!isnan(small_tags_metric(run, "validation_f1_strict")));
            fst_run_destroy(run);
        }
        options.tag_scheme = FST_TAGS_BILOU;
        if (i == 2)
            REQUIRE(fst_sft_create(&options, &run)), fst_run_destroy(run);
        options.tag_scheme = FST_TAGS_IOE1;
        if (i == 2)
            REFUSED(fst_sft_create(&options, &run), FST_ERR_INVALID_ARGUMENT, "tag_scheme");
        fst_dataset_destroy(dataset);
    }
    small_tags_destroy(&s);
}
END_TEST

/* ---- training */

START_TEST(test_no_allocation)
{
    small_memory memory = {0};
    small_tags_config config = small_tags_defaults();
    small_memory_use(&memory, &config.context);
    config.sft.accumulation = 2;
    config.run.total_steps = 8;
    small_tags s;
    small_tags_create(&s, &config);
    int64_t calls = memory.calls;
    REQUIRE(fst_run_until(s.run, 5));
    ck_assert_int_eq(memory.calls, calls);
    REQUIRE(fst_run_evaluate(s.run));
    ck_assert_int_eq(memory.calls, calls);
    fst_memory planned;
    REQUIRE(fst_run_memory(s.run, &planned, sizeof planned));
    ck_assert_int_gt(planned.data, 0);
    small_tags_destroy(&s);
    ck_assert_int_eq(memory.live_blocks, 0);
}
END_TEST

static void same_weights(fst_model *left, fst_model *right, double tolerance)
{
    int64_t parameters;
    REQUIRE(fst_model_parameter_count(left, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view a, b;
        REQUIRE(fst_model_parameter_name(left, i, &name));
        REQUIRE(fst_model_parameter(left, name, &a));
        REQUIRE(fst_model_parameter(right, name, &b));
        int64_t count = a.shape[0] * (a.rank > 1 ? a.shape[1] : 1);
        for (int64_t k = 0; k < count; ++k) {
            double x = ((const float *)a.data)[k], y = ((const float *)b.data)[k];
            ck_assert_msg(fabs(x - y) <= tolerance, "%s[%lld]: %g and %g", name, (long long)k, x, y);
        }
    }
}

/* One micro-batch by hand. */
static void by_hand(small_tags *s, const int64_t *indices, int64_t rows, int64_t step, float weight)
{
    int32_t ids[TAGS_TRAIN * 64], targets[TAGS_TRAIN * 64], lengths[TAGS_TRAIN];
    float labels[TAGS_TRAIN * 64], weights[TAGS_TRAIN * 64], gradient[TAGS_TRAIN * 64 * TAGS_CLASSES];
    int64_t length = 1, longest = 0;
    fst_examples_info info;
    REQUIRE(fst_dataset_get_examples_info(s->train, &info, sizeof info));
    for (int64_t b = 0; b < rows; ++b) {
        fst_word_example example;
        REQUIRE(fst_dataset_get_word_example(s->train, indices[b], &example, sizeof example));
        longest = example.length > longest ? example.length : longest;
    }
    length = (longest + 15) / 16 * 16;
    fst_examples_info held;
    REQUIRE(fst_dataset_get_examples_info(s->validation, &held, sizeof held));
    int64_t room = info.longest > held.longest ? info.longest : held.longest;
    length = length < room ? length : room;
    fst_batch batch;
    fst_forward_options forward;
    fst_view view;
    fst_score_loss loss;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    REQUIRE(fst_forward_options_init(&forward, sizeof forward));
    batch.rows = rows;
    batch.length = length;
    batch.ids = ids;
    batch.lengths = lengths;
    forward.step = step;
    REQUIRE(fst_dataset_collate(s->train, indices, NULL, rows, length, ids, targets, lengths));
    for (int64_t i = 0; i < rows * length; ++i) {
        labels[i] = targets[i] < 0 ? NAN : (float)targets[i];
        weights[i] = weight;
    }
    REQUIRE(fst_model_forward(s->model, &batch, &forward));
    REQUIRE(fst_model_output(s->model, "tags", &view));
    REQUIRE(fst_loss_classes(NULL, view.data, labels, weights, rows * length, TAGS_CLASSES, gradient, &loss,
                             sizeof loss));
    view.data = gradient;
    REQUIRE(fst_model_add_gradient(s->model, "tags", &view));
    REQUIRE(fst_model_backward(s->model, NULL, NULL));
}

START_TEST(test_custom_loop)
{
    enum { ROWS = 3, PARTS = 2 };
    small_tags_config config = small_tags_defaults();
    config.sft.accumulation = PARTS;
    small_tags run, hand;
    small_tags_create(&run, &config);
    REQUIRE(fst_run_until(run.run, 0));
    small_tags_create(&hand, &config);
    for (int64_t step = 0; step < config.run.total_steps; ++step) {
        int64_t indices[ROWS * PARTS], count = 0;
        REQUIRE(fst_dataset_order(hand.train, step * ROWS * PARTS, ROWS * PARTS, 1, indices));
        for (int i = 0; i < ROWS * PARTS; ++i) {
            fst_word_example example;
            REQUIRE(fst_dataset_get_word_example(hand.train, indices[i], &example, sizeof example));
            for (int64_t t = 0; t < example.length; ++t)
                count += example.classes[t] >= 0;
        }
        for (int64_t i = 0; i < PARTS; ++i)
            by_hand(&hand, indices + i * ROWS, ROWS, step * PARTS + i, (float)(1 / (double)count));
        REQUIRE(fst_optimizer_step(hand.optimizer, NULL, 0));
    }
    same_weights(run.model, hand.model, 0);
    small_tags_destroy(&run);
    small_tags_destroy(&hand);
}
END_TEST

/* Three micro-batches are one of three times the rows: sentences have different numbers of words. */
START_TEST(test_accumulation)
{
    small_tags_config config = small_tags_defaults();
    static const double weights[TAGS_CLASSES] = {1, 2, 0.5, 3, 1};
    config.dropout = 0;
    config.learning_rate = 1e-3;
    config.sft.label_smoothing = 0.1;
    config.sft.class_weights = weights;
    config.sft.class_weight_count = TAGS_CLASSES;
    config.run.total_steps = 1;
    small_tags parts, whole;
    config.sft.accumulation = 3;
    small_tags_create(&parts, &config);
    REQUIRE(fst_run_step(parts.run, NULL, 0));
    config.sft.accumulation = 1;
    config.sft.rows = 9;
    small_tags_create(&whole, &config);
    REQUIRE(fst_run_step(whole.run, NULL, 0));
    double loss = small_tags_metric(whole.run, "loss");
    ck_assert_double_eq_tol(small_tags_metric(parts.run, "loss"), loss, 1e-6 * loss);
    double norm = small_tags_metric(whole.run, "gradient_norm");
    ck_assert_double_eq_tol(small_tags_metric(parts.run, "gradient_norm"), norm, 1e-6 * norm);
    ck_assert_double_eq(small_tags_metric(parts.run, "labels"), small_tags_metric(whole.run, "labels"));
    small_tags_destroy(&parts);
    small_tags_destroy(&whole);
}
END_TEST

START_TEST(test_threads)
{
    small_tags_config config = small_tags_defaults();
    small_tags one, four;
    small_tags_create(&one, &config);
    REQUIRE(fst_run_until(one.run, 0));
    config.context.threads = 4;
    small_tags_create(&four, &config);
    REQUIRE(fst_run_until(four.run, 0));
    same_weights(one.model, four.model, 0);
    small_tags_destroy(&one);
    small_tags_destroy(&four);
}
END_TEST

START_TEST(test_learns)
{
    small_tags_config config = small_tags_defaults();
    config.dropout = 0;
    config.causal = _i;
    config.sft.rows = TAGS_TRAIN;
    config.learning_rate = 3e-3;
    config.run.total_steps = 60;
    small_tags s;
    small_tags_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    double before = small_tags_metric(s.run, "loss");
    REQUIRE(fst_run_until(s.run, 0));
    ck_assert_double_lt(small_tags_metric(s.run, "loss"), 0.2 * before);
    ck_assert_double_gt(small_tags_metric(s.run, "accuracy"), 0.9);
    REQUIRE(fst_run_evaluate(s.run));
    ck_assert_double_gt(small_tags_metric(s.run, "validation_accuracy"), 0.8);
    small_tags_destroy(&s);
}
END_TEST

/* What stands in padding changes not a bit of the outputs before it, nor of any gradient. */
START_TEST(test_padding)
{
    enum { ROWS = 3, LENGTH = 16 };
    small_tags_config config = small_tags_defaults();
    config.causal = _i;
    small_tags s;
    small_tags_create(&s, &config);
    const int32_t lengths[ROWS] = {16, 5, 9};
    int32_t ids[ROWS * LENGTH];
    float kept[ROWS * LENGTH * TAGS_CLASSES], gradient[ROWS * LENGTH * TAGS_CLASSES];
    static float first[TAGS_VOCABULARY * 32];
    for (int pass = 0; pass < 2; ++pass) {
        fst_batch batch;
        fst_view view, weights;
        REQUIRE(fst_batch_init(&batch, sizeof batch));
        for (int i = 0; i < ROWS * LENGTH; ++i)
            ids[i] = i % LENGTH < lengths[i / LENGTH] ? i * 7 % TAGS_VOCABULARY : pass * (13 + i);
        batch.rows = ROWS;
        batch.length = LENGTH;
        batch.ids = ids;
        batch.lengths = lengths;
        REQUIRE(fst_model_zero_gradients(s.model));
        REQUIRE(fst_model_forward(s.model, &batch, NULL));
        REQUIRE(fst_model_output(s.model, "tags", &view));
        const float *outputs = view.data;
        for (int i = 0; i < ROWS * LENGTH; ++i) {
            size_t size = TAGS_CLASSES * sizeof(float);
            bool there = i % LENGTH < lengths[i / LENGTH];
            if (pass && there)
                ck_assert_mem_eq(kept + i * TAGS_CLASSES, outputs + i * TAGS_CLASSES, size);
            memcpy(kept + i * TAGS_CLASSES, outputs + i * TAGS_CLASSES, size);
            for (int c = 0; c < TAGS_CLASSES; ++c)
                gradient[i * TAGS_CLASSES + c] = there ? (float)((i + c) % 5 - 2) : 0;
        }
        view.data = gradient;
        REQUIRE(fst_model_add_gradient(s.model, "tags", &view));
        REQUIRE(fst_model_backward(s.model, NULL, NULL));
        REQUIRE(fst_model_gradient(s.model, "layers.0.attention.qkv.weight", &weights));
        size_t size = (size_t)(weights.shape[0] * weights.shape[1]) * sizeof(float);
        ck_assert_uint_le(size, sizeof first);
        if (pass)
            ck_assert_mem_eq(first, weights.data, size);
        memcpy(first, weights.data, size);
    }
    small_tags_destroy(&s);
}
END_TEST

/* ---- refused */

static fst_sft_options options_of(const small_tags *s)
{
    fst_sft_options options;
    REQUIRE(fst_sft_options_init(&options, sizeof options));
    options.model = s->model;
    options.train = s->train;
    options.validation = s->validation;
    options.head = "tags";
    return options;
}

static void refuse(const fst_sft_options *options, fst_status status, const char *words)
{
    fst_run *run = NULL;
    REFUSED(fst_sft_create(options, &run), status, words);
    ck_assert_ptr_null(run);
}

#define REFUSE(field, value, status, words)                                                        \
    do {                                                                                           \
        fst_sft_options o_ = options_of(&s);                                                       \
        o_.field = value;                                                                          \
        refuse(&o_, status, words);                                                                \
    } while (0)

START_TEST(test_refused)
{
    static const double weights[TAGS_CLASSES] = {1, 1, 1, 1, -1};
    small_tags_config config = small_tags_defaults();
    small_tags s;
    small_tags_prepare(&s, &config);
    const fst_status bad = FST_ERR_INVALID_ARGUMENT;
    REFUSE(head, NULL, bad, "head");
    REFUSE(head, "none", FST_ERR_NOT_FOUND, "no head \"none\"");
    REFUSE(rows, 0, bad, "rows");
    REFUSE(accumulation, 0, bad, "accumulation");
    REFUSE(evaluation_rows, -1, bad, "evaluation_rows");
    REFUSE(length, -1, bad, "length");
    REFUSE(length, 3, FST_ERR_MISMATCH, "length is 3");
    REFUSE(length, 1000, FST_ERR_MISMATCH, "length is 1000");
    REFUSE(rows, INT32_MAX, bad, "2³¹");
    REFUSE(shuffle, 2, bad, "shuffle");
    REFUSE(objective, FST_SFT_BINARY, bad, "objective");
    REFUSE(objective, FST_SFT_MSE, bad, "objective");
    REFUSE(objective, 9, bad, "objective");
    REFUSE(z_loss, 0.1, bad, "z_loss");
    REFUSE(language_modelling, 0.5, bad, "language_modelling");
    REFUSE(label_smoothing, 1, bad, "label_smoothing");
    REFUSE(class_weight_count, 3, bad, "class_weight_count");
    REFUSE(class_weights, weights, bad, "class_weight_count");
    REFUSE(tag_scheme, 7, bad, "tag_scheme");
    REFUSE(tag_scheme, -1, bad, "tag_scheme");
    REFUSE(reserved2, 1, bad, "reserved2");
    fst_sft_options options = options_of(&s);
    options.class_weights = weights;
    options.class_weight_count = TAGS_CLASSES;
    refuse(&options, bad, "class_weights[4]");

    /* Other heads, other data. */
    fst_optimizer_destroy(s.optimizer);
    s.optimizer = NULL;
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "whole";
    head.outputs = TAGS_CLASSES;
    REQUIRE(fst_model_add_head(s.model, &head));
    head.name = "few";
    head.kind = FST_HEAD_TOKEN;
    head.outputs = 2;
    REQUIRE(fst_model_add_head(s.model, &head));
    REFUSE(head, "whole", FST_ERR_MISMATCH, "FST_HEAD_TOKEN");
    REFUSE(head, "few", FST_ERR_MISMATCH, "5 tags, the head 2 outputs");
    fst_dataset *strange, *bare, *labelled;
    static const char *const words[] = {"ann", "bo", "oslo", "with", "york"};
    static const char *const tags[] = {"O", "A", "B", "C", "D"};
    const int64_t offsets[] = {0, 5};
    static const float numbers[] = {0};
    REQUIRE(fst_dataset_from_words(s.context, s.tokenizer, words, tags, offsets, 1, NULL, &strange));
    fst_word_options how;
    REQUIRE(fst_word_options_init(&how, sizeof how));
    how.tags_of = s.train;
    REQUIRE(fst_dataset_from_words(s.context, s.tokenizer, words, NULL, offsets, 1, &how, &bare));
    REQUIRE(fst_dataset_from_labelled(s.context, s.tokenizer, words, NULL, numbers, 1, NULL, &labelled));
    REFUSE(validation, strange, FST_ERR_MISMATCH, "in train it is");
    REFUSE(validation, labelled, FST_ERR_STATE, "no words with tags");
    REFUSE(train, bare, FST_ERR_MISMATCH, "no word has a tag");
    options = options_of(&s);
    options.train = labelled;
    options.head = "whole";
    refuse(&options, FST_ERR_STATE, "not labelled");
    options.validation = NULL;
    options.tag_scheme = FST_TAGS_IOB2;
    refuse(&options, bad, "tag_scheme goes with words");
    fst_run *run;
    options = options_of(&s);
    options.validation = bare;
    REQUIRE(fst_sft_create(&options, &run));
    REFUSED(fst_run_evaluate(run), FST_ERR_STATE, "have no tag");
    fst_run_destroy(run);

    int32_t told[8];
    int64_t count;
    REFUSED(fst_sft_tag(s.model, "whole", bare, 1, told, 8, &count), FST_ERR_MISMATCH, "FST_HEAD_TOKEN");
    REFUSED(fst_sft_tag(s.model, "none", bare, 1, told, 8, &count), FST_ERR_NOT_FOUND, "none");
    REFUSED(fst_sft_tag(s.model, "tags", labelled, 1, told, 8, &count), FST_ERR_STATE, "no words");
    REFUSED(fst_sft_tag(s.model, "tags", bare, 0, told, 8, &count), bad, "rows is 0");
    REFUSED(fst_sft_tag(s.model, "tags", bare, 1, told, -1, &count), bad, "capacity");
    REFUSED(fst_sft_predict(s.model, "tags", bare, 1, NULL, 0, &count), FST_ERR_MISMATCH, "FST_HEAD_SEQUENCE");
    fst_pack_options pack;
    fst_dataset *packed;
    REQUIRE(fst_pack_options_init(&pack, sizeof pack));
    REFUSED(fst_dataset_pack(bare, &pack, &packed), FST_ERR_STATE, "only conversations");
    fst_dataset_destroy(strange);
    fst_dataset_destroy(bare);
    fst_dataset_destroy(labelled);
    small_tags_destroy(&s);
}
END_TEST

/* A weight that is not finite is found in the step, named, and nothing is changed by it. */
START_TEST(test_not_finite)
{
    small_tags_config config = small_tags_defaults();
    small_tags s;
    small_tags_create(&s, &config);
    REQUIRE(fst_run_step(s.run, NULL, 0));
    fst_view view;
    REQUIRE(fst_model_parameter(s.model, "heads.tags.weight", &view));
    float before = ((float *)view.data)[3];
    ((float *)view.data)[3] = NAN;
    REQUIRE(fst_model_weights_changed(s.model));
    REFUSED(fst_run_step(s.run, NULL, 0), FST_ERR_NUMERIC, "heads.tags.weight");
    REFUSED(fst_run_evaluate(s.run), FST_ERR_NUMERIC, "heads.tags.weight");
    int32_t told[MOST_WORDS];
    int64_t count;
    REFUSED(fst_sft_tag(s.model, "tags", s.train, 2, told, MOST_WORDS, &count), FST_ERR_NUMERIC, "not finite");
    ((float *)view.data)[3] = before;
    REQUIRE(fst_model_weights_changed(s.model));
    REQUIRE(fst_run_step(s.run, NULL, 0));
    small_tags_destroy(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tagging");
    TCase *cases = tcase_create("tagging");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, test_measures, 0, 2);
    tcase_add_test(cases, test_schemes);
    tcase_add_test(cases, test_no_allocation);
    tcase_add_test(cases, test_custom_loop);
    tcase_add_test(cases, test_accumulation);
    tcase_add_test(cases, test_threads);
    tcase_add_loop_test(cases, test_learns, 0, 2);
    tcase_add_loop_test(cases, test_padding, 0, 2);
    tcase_add_test(cases, test_refused);
    tcase_add_test(cases, test_not_finite);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
