/* Pretraining by masked tokens: a loop of the public parts, evaluations, words, refusals. */
#include "small_run.h"

#include "fourstage/masking.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == FST_OK, "%s: %s", #call, fst_last_error())

enum { VOCABULARY = 17, MASK = 16, LENGTH = 12, ROWS = 3, PARTS = 3 };

static double metric(const fst_run *run, const char *name)
{
    double value;
    OK(fst_run_metric(run, name, &value));
    return value;
}

/* ---- a loop by hand ---- */

static void make_mask(fst_mask_options *mask, const small_config *config, uint8_t *flags)
{
    OK(fst_mask_options_init(mask, sizeof *mask));
    memset(flags, 0, VOCABULARY);
    flags[1] = FST_TOKEN_IS_SPECIAL;
    for (int i = 10; i < 16 && config->pretrain.whole_words; ++i)
        flags[i] = FST_TOKEN_CONTINUES_WORD;
    mask->mask_id = MASK;
    mask->vocabulary_size = VOCABULARY;
    mask->flags = flags;
    mask->whole_words = config->pretrain.whole_words;
}

typedef struct part {
    int32_t ids[ROWS * LENGTH], targets[ROWS * LENGTH], positions[ROWS * LENGTH];
    int32_t documents[ROWS * LENGTH], words[ROWS * LENGTH], lengths[ROWS];
} part;

/* Rows from `position` on, masked; how many are to be guessed. */
static int64_t read_part(const small_run *small, fst_mask_options *mask, const fst_dataset *dataset,
                         int64_t position, int32_t shuffle, int64_t draw, part *p)
{
    int64_t count = 0;
    OK(fst_dataset_read(dataset, position, ROWS, shuffle, p->ids, NULL, p->positions, p->documents));
    OK(fst_dataset_read_words(dataset, position, ROWS, shuffle, p->words));
    for (int b = 0; b < ROWS; ++b) {
        p->lengths[b] = 0;
        for (int t = 0; t < LENGTH; ++t)
            p->lengths[b] += p->words[b * LENGTH + t] >= 0;
    }
    mask->documents = p->documents;
    mask->lengths = p->lengths;
    OK(fst_mask_tokens(small->context, mask, p->ids, ROWS, LENGTH, draw, p->ids, p->targets));
    for (int i = 0; i < ROWS * LENGTH; ++i)
        count += p->targets[i] >= 0;
    return count;
}

static fst_loss forward(fst_model *model, const part *p, bool training, int64_t step, double scale)
{
    fst_batch batch;
    fst_forward_options forward;
    fst_loss_options options;
    fst_loss loss;
    OK(fst_batch_init(&batch, sizeof batch));
    OK(fst_forward_options_init(&forward, sizeof forward));
    OK(fst_loss_options_init(&options, sizeof options));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = p->ids;
    batch.targets = p->targets;
    batch.positions = p->positions;
    batch.documents = p->documents;
    forward.mode = training ? FST_FORWARD_TRAIN : FST_FORWARD_EVALUATE;
    forward.step = step;
    options.scale = scale;
    OK(fst_model_forward(model, &batch, &forward));
    OK(fst_model_loss(model, &options, &loss, sizeof loss));
    return loss;
}

static void train_by_hand(small_run *hand, fst_mask_options *mask)
{
    static part parts[PARTS];
    for (int64_t step = 0; step < 8; ++step) {
        int64_t count = 0;
        for (int64_t i = 0; i < PARTS; ++i) {
            int64_t position = (step * PARTS + i) * ROWS;
            count += read_part(hand, mask, hand->train, position, 1, position, &parts[i]);
        }
        for (int64_t i = 0; i < PARTS; ++i) {
            forward(hand->model, &parts[i], true, step * PARTS + i, 1 / (double)count);
            OK(fst_model_backward(hand->model, NULL, NULL));
        }
        OK(fst_optimizer_step(hand->optimizer, NULL, 0));
    }
}

static void ck_same_weights(const small_run *a, const small_run *b)
{
    int64_t parameters;
    OK(fst_model_parameter_count(a->model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        const char *name;
        fst_view x, y;
        OK(fst_model_parameter_name(a->model, i, &name));
        OK(fst_model_parameter(a->model, name, &x));
        OK(fst_model_parameter(b->model, name, &y));
        size_t size = (size_t)x.shape[0] * (x.rank > 1 ? (size_t)x.shape[1] : 1) * sizeof(float);
        ck_assert_msg(memcmp(x.data, y.data, size) == 0, "%s differs", name);
    }
}

START_TEST(test_custom_loop)
{
    small_config config = small_defaults();
    config.stage = SMALL_MASKED;
    config.documents_apart = _i != 0;
    config.pretrain.whole_words = _i == 2;
    small_run run, hand;
    small_create_checked(&run, &config);
    OK(fst_run_until(run.run, 0));
    small_create_checked(&hand, &config);
    fst_mask_options mask;
    uint8_t flags[VOCABULARY];
    make_mask(&mask, &config, flags);
    train_by_hand(&hand, &mask);
    ck_same_weights(&run, &hand);

    /* The evaluation, which masks in the same way each time. */
    OK(fst_run_evaluate(run.run));
    double loss = metric(run.run, "validation_loss");
    OK(fst_run_evaluate(run.run));
    ck_assert_double_eq(loss, metric(run.run, "validation_loss"));
    fst_dataset_info info;
    OK(fst_dataset_get_info(run.validation, &info, sizeof info));
    double sum = 0;
    int64_t tokens = 0, correct = 0;
    for (int64_t row = 0; row < info.rows; row += ROWS) {
        static part p;
        read_part(&run, &mask, run.validation, row, 0, ((int64_t)1 << 55) + row, &p);
        for (int64_t i = (info.rows - row) * LENGTH; i < ROWS * LENGTH; ++i)
            p.targets[i] = FST_IGNORE;
        fst_loss part_loss = forward(hand.model, &p, false, 0, 1);
        sum += part_loss.loss;
        tokens += part_loss.tokens;
        correct += part_loss.correct;
    }
    ck_assert_double_eq(loss, sum / (double)tokens);
    ck_assert_double_eq(metric(run.run, "validation_masked_accuracy"),
                        (double)correct / (double)tokens);
    ck_assert_double_eq(metric(run.run, "validation_perplexity"), exp(loss));
    small_destroy(&run);
    small_destroy(&hand);
}
END_TEST

/* ---- metrics ---- */

START_TEST(test_metrics)
{
    small_config config = small_defaults();
    config.stage = SMALL_MASKED;
    small_run small;
    small_create_checked(&small, &config);
    fst_run_progress progress;
    OK(fst_run_step(small.run, &progress, sizeof progress));
    /* About 0.15 of 9 rows of 12, less two special ids in 17. */
    double tokens = metric(small.run, "tokens"), value;
    ck_assert(tokens > 2 && tokens < 35);
    ck_assert_double_eq(metric(small.run, "perplexity"), exp(metric(small.run, "loss")));
    double hits = metric(small.run, "masked_accuracy") * tokens;
    ck_assert_double_eq_tol(hits, round(hits), 1e-9);
    static const char *const none[] = {"accuracy", "validation_accuracy", "validation_bits_per_byte"};
    for (int i = 0; i < 3; ++i)
        ck_assert_int_eq(fst_run_metric(small.run, none[i], &value), FST_ERR_NOT_FOUND);
    small_destroy(&small);
    config.stage = SMALL_PRETRAIN;
    small_create_checked(&small, &config);
    OK(fst_run_metric(small.run, "validation_bits_per_byte", &value));
    ck_assert_int_eq(fst_run_metric(small.run, "masked_accuracy", &value), FST_ERR_NOT_FOUND);
    small_destroy(&small);
}
END_TEST

/* ---- words of the dataset's own ---- */

/* A copy task that only whole words make hard: each word is one id twice, so that a model may copy what
 * is left of a word that is masked in part. The loss of whole words stays near the logarithm. */
static double learn(small_run *small, int32_t whole_words, const uint8_t *continues)
{
    enum { COUNT = 600 };
    static int32_t ids[COUNT];
    uint32_t seed = 5;
    for (int i = 0; i < COUNT; i += 2) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = ids[i + 1] = (int32_t)((seed >> 16) % MASK);
    }
    fst_dataset_token_options tokens;
    fst_pack_options pack;
    fst_dataset *dataset, *packed;
    OK(fst_dataset_token_options_init(&tokens, sizeof tokens));
    OK(fst_pack_options_init(&pack, sizeof pack));
    tokens.word_continues = continues;
    pack.length = LENGTH;
    OK(fst_dataset_from_tokens(small->context, ids, COUNT, NULL, 0, &tokens, &dataset));
    OK(fst_dataset_pack(dataset, &pack, &packed));
    fst_run_options run_options;
    fst_pretrain_options options;
    fst_run *run;
    OK(fst_run_options_init(&run_options, sizeof run_options));
    OK(fst_pretrain_options_init(&options, sizeof options));
    options.model = small->model;
    options.optimizer = small->optimizer;
    options.train = packed;
    options.validation = packed;
    options.run = &run_options;
    options.rows = 25;
    options.objective = FST_PRETRAIN_MASKED;
    options.mask_id = MASK;
    options.mask_token_share = 1;
    options.random_token_share = 0;
    options.whole_words = whole_words;
    OK(fst_pretrain_create(&options, &run));
    OK(fst_run_until(run, 300));
    OK(fst_run_evaluate(run));
    double loss = metric(run, "validation_loss");
    fst_run_destroy(run);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(dataset);
    return loss;
}

START_TEST(test_learns)
{
    static uint8_t continues[600];
    for (int i = 0; i < 600; ++i)
        continues[i] = i % 2;
    small_config config = small_defaults();
    config.stage = SMALL_MASKED;
    config.model.dropout = config.model.attention_dropout = 0;
    config.optimizer.schedule = FST_SCHEDULE_CONSTANT;
    config.optimizer.learning_rate = 0.01;
    double losses[2];
    for (int i = 0; i < 2; ++i) {
        small_run small;
        small_create_checked(&small, &config);
        losses[i] = learn(&small, i, continues);
        small_destroy(&small);
    }
    ck_assert_msg(losses[0] < 1.2, "ids alone: loss %g", losses[0]);
    ck_assert_msg(losses[1] > 2.3, "whole words: loss %g", losses[1]);
}
END_TEST

/* ---- refusals ---- */

typedef struct refusal {
    const char *name; /* in the text */
    fst_status status;
} refusal;

static void ck_refused(small_run *small, const fst_pretrain_options *options, fst_status status,
                       const char *text)
{
    fst_run *run = NULL;
    ck_assert_int_eq(fst_pretrain_create(options, &run), status);
    ck_assert_msg(strstr(fst_last_error(), text) != NULL, "%s: %s", text, fst_last_error());
    ck_assert_ptr_null(run);
}

static fst_tokenizer *letters(fst_context *context, const char *mask)
{
    static const char *const texts[] = {"abcdefghijklmn"};
    const char *const special[] = {"<end>", mask};
    fst_tokenizer_train_options train;
    fst_tokenizer *tokenizer;
    OK(fst_tokenizer_train_options_init(&train, sizeof train));
    train.kind = FST_TOKENIZER_CHARACTER;
    train.special_tokens = special;
    train.special_token_count = 2;
    OK(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer));
    return tokenizer;
}

START_TEST(test_refused)
{
    small_config config = small_defaults();
    config.stage = SMALL_MASKED;
    small_run small;
    small_create_checked(&small, &config);
    fst_pretrain_options good;
    OK(fst_pretrain_options_init(&good, sizeof good));
    good.model = small.model;
    good.train = small.train;
    good.objective = FST_PRETRAIN_MASKED;
    good.mask_id = MASK;
    fst_pretrain_options o = good;
#define REFUSED(change, status, text)                                                              \
    do {                                                                                           \
        o = good;                                                                                  \
        change;                                                                                    \
        ck_refused(&small, &o, status, text);                                                      \
    } while (0)
    REFUSED(o.objective = 2, FST_ERR_INVALID_ARGUMENT, "objective");
    REFUSED(o.objective = -1, FST_ERR_INVALID_ARGUMENT, "objective");
    REFUSED(o.objective = FST_PRETRAIN_CAUSAL, FST_ERR_MISMATCH, "is an encoder");
    REFUSED(o.mask_id = -1, FST_ERR_INVALID_ARGUMENT, "mask_id");
    REFUSED(o.mask_id = VOCABULARY, FST_ERR_INVALID_ARGUMENT, "mask_id");
    REFUSED(o.mask_probability = 1.5, FST_ERR_INVALID_ARGUMENT, "mask_probability");
    REFUSED(o.mask_token_share = 1, FST_ERR_INVALID_ARGUMENT, "mask_token_share");
    REFUSED(o.random_token_share = -1, FST_ERR_INVALID_ARGUMENT, "random_token_share");
    REFUSED(o.whole_words = 1, FST_ERR_INVALID_ARGUMENT, "whole_words");
    REFUSED(o.whole_words = 3, FST_ERR_INVALID_ARGUMENT, "whole_words");
    REFUSED(o.mask_reserved = 1, FST_ERR_INVALID_ARGUMENT, "mask_reserved");
    REFUSED(o.model = NULL, FST_ERR_INVALID_ARGUMENT, "model");
    REFUSED(o.train = NULL, FST_ERR_INVALID_ARGUMENT, "train");
    fst_tokenizer *without = letters(small.context, "<other>"), *with = letters(small.context, "[MASK]");
    REFUSED((o.mask_id = -1, o.tokenizer = without), FST_ERR_NOT_FOUND, "[MASK]");
    o = good;
    o.mask_id = -1;
    o.tokenizer = with;
    fst_run *run;
    OK(fst_pretrain_create(&o, &run));
    OK(fst_run_step(run, NULL, 0));
    fst_run_destroy(run);
    static const char *const more[] = {"<one>", "<two>"};
    OK(fst_tokenizer_add_tokens(with, more, 2, NULL));
    REFUSED(o.tokenizer = with, FST_ERR_MISMATCH, "18 ids");
    fst_tokenizer_destroy(with);
    fst_tokenizer_destroy(without);
    small_destroy(&small);

    fst_model_config images;
    fst_model *model;
    OK(fst_model_config_init(&images, sizeof images));
    OK(fst_model_config_set_family(&images, FST_FAMILY_RESNET));
    images.image_channels = 1;
    images.image_height = images.image_width = 8;
    images.blocks_1 = 1;
    images.stage_width = 4;
    config.stage = SMALL_PRETRAIN;
    small_create_checked(&small, &config);
    OK(fst_model_create(small.context, &images, NULL, &model));
    good.train = small.train;
    REFUSED(o.model = model, FST_ERR_MISMATCH, "model of images");
    REFUSED((o.model = model, o.objective = FST_PRETRAIN_CAUSAL), FST_ERR_MISMATCH, "model of images");
    fst_model_destroy(model);
    good.model = small.model;
    good.train = small.train;
    REFUSED(o.mask_id = 3, FST_ERR_MISMATCH, "is causal");
    small_destroy(&small);
}
END_TEST

/* A checkpoint of the one objective is none of the other. */
START_TEST(test_other_objective)
{
    char *folder = small_folder();
    small_config config = small_defaults();
    small_run small;
    small_create_checked(&small, &config);
    OK(fst_run_save(small.run, small_path(folder, "causal")));
    small_destroy(&small);
    config.stage = SMALL_MASKED;
    small_create_checked(&small, &config);
    ck_assert_int_lt(fst_run_resume(small.run, small_path(folder, "causal")), FST_OK);
    ck_assert_msg(strstr(fst_last_error(), "stage") != NULL, "%s", fst_last_error());
    small_destroy(&small);
    small_folder_remove(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pretrain_masked");
    TCase *cases = tcase_create("pretrain_masked");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, test_custom_loop, 0, 3);
    tcase_add_test(cases, test_metrics);
    tcase_add_test(cases, test_learns);
    tcase_add_test(cases, test_refused);
    tcase_add_test(cases, test_other_objective);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
