/*
 * A host that does everything wrong: NULL, sizes of no version, fields of a future one, values out
 * of range, calls in the wrong order, sizes whose product overflows. Each gets a status and a text;
 * nothing is half-created, and the handles work on.
 */
#include "chains.h"
#include "misuse.h"

#include "fourstage/dataset.h"
#include "fourstage/examples.h"
#include "fourstage/model.h"
#include "fourstage/objectives.h"
#include "fourstage/optimizer.h"
#include "fourstage/pretrain.h"
#include "fourstage/sft.h"
#include "fourstage/tokenizer.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 50, CONTEXT = 16, ROWS = 2, LENGTH = 8, IDS = ROWS * LENGTH };

static fst_context *context;
static fst_model *model;
static fst_optimizer *optimizer;
static fst_tokenizer *tokenizer;
static fst_dataset *dataset, *packed;
static int32_t ids[IDS], targets[IDS];
static int cases;

static fst_model_config good_config(void)
{
    fst_model_config config;
    ck_assert_int_eq(fst_model_config_init(&config, sizeof config), FST_OK);
    config.vocabulary_size = VOCABULARY;
    config.context_length = CONTEXT;
    config.layers = 1;
    config.width = 16;
    config.heads = 2;
    return config;
}

static fst_batch good_batch(void)
{
    fst_batch batch;
    ck_assert_int_eq(fst_batch_init(&batch, sizeof batch), FST_OK);
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    return batch;
}

static void set_up(void)
{
    static const char text[] = "some text to train on, and some more text to train on";
    const char *texts[] = {text};
    fst_context_options options = chain_options(2);
    fst_model_config config = good_config();
    fst_tokenizer_train_options train;
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.vocabulary_size = 270;
    fst_pack_options pack;
    fst_pack_options_init(&pack, sizeof pack);
    pack.length = LENGTH;
    cases = 0;
    for (int i = 0; i < IDS; ++i)
        ids[i] = targets[i] = (i * 7) % VOCABULARY;
    ck_assert_int_eq(fst_context_create(&options, &context), FST_OK);
    ck_assert_int_eq(fst_model_create(context, &config, NULL, &model), FST_OK);
    ck_assert_int_eq(fst_optimizer_create(model, NULL, &optimizer), FST_OK);
    ck_assert_int_eq(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer), FST_OK);
    ck_assert_int_eq(fst_dataset_from_tokens(context, ids, IDS, NULL, 0, NULL, &dataset), FST_OK);
    ck_assert_int_eq(fst_dataset_pack(dataset, &pack, &packed), FST_OK);
}

static void tear_down(void)
{
    fst_context_destroy(context);
    fst_tokenizer_destroy(tokenizer);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_dataset_destroy(dataset);
    fst_dataset_destroy(packed);
}

/* The call must have failed, said why, and left what it would have created alone. */
static void refused_(fst_status status, fst_status expected, const void *created, const char *call,
                     int line)
{
    ++cases;
    ck_assert_msg(expected ? status == expected : status < 0, "line %d: %s gave %s, not %s: %s",
                  line, call, fst_status_name(status), fst_status_name(expected), fst_last_error());
    ck_assert_msg(*fst_last_error() != '\0', "line %d: %s left no text", line, call);
    ck_assert_msg(created == NULL, "line %d: %s failed and created something", line, call);
}

#define REFUSED(expected, call) refused_((call), (expected), NULL, #call, __LINE__)
#define NOT_CREATED(expected, handle, call)                                 \
    do {                                                                    \
        (handle) = NULL;                                                    \
        refused_((call), (expected), (handle), #call, __LINE__);            \
    } while (0)

START_TEST(nothing_at_all)
{
    for (int i = 0; i < misuse_call_count; ++i)
        refused_(misuse_calls[i].with_nothing(), 0, NULL, misuse_calls[i].name, __LINE__);
    misuse_destroy_nothing();
    ck_assert_int_gt(cases, 20);
}
END_TEST

START_TEST(struct_sizes_of_no_version)
{
    static const size_t sizes[] = {0, 1, sizeof(size_t) - 1, (size_t)1 << 30, SIZE_MAX};
    enum { ROOM = 4096 };
    static unsigned char memory[ROOM];
    for (int i = 0; i < misuse_init_count; ++i) {
        const misuse_init *each = &misuse_inits[i];
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; ++j)
            refused_(each->init(memory, sizes[j]), FST_ERR_INVALID_ARGUMENT, NULL, each->name,
                     __LINE__);
        refused_(each->init(NULL, each->size), FST_ERR_INVALID_ARGUMENT, NULL, each->name, __LINE__);
        /* An older caller's struct is filled and not overrun; a newer one's tail is zeroed. */
        for (size_t size = sizeof(size_t); size <= each->size + 64; size += 8) {
            memset(memory, 0xEE, ROOM);
            ck_assert_int_eq(each->init(memory, size), FST_OK);
            size_t told;
            memcpy(&told, memory, sizeof told);
            ck_assert_uint_eq(told, size);
            for (size_t k = each->size; k < size; ++k)
                ck_assert_msg(memory[k] == 0, "%s left byte %zu", each->name, k);
            for (size_t k = size; k < size + 64; ++k)
                ck_assert_msg(memory[k] == 0xEE, "%s wrote byte %zu", each->name, k);
        }
    }
    ck_assert_int_gt(cases, 60);
}
END_TEST

/* The struct of a caller compiled for a newer library, its unknown field set or not. */
#define FROM_THE_FUTURE(type)   \
    struct {                    \
        type known;             \
        int64_t unknown[3];     \
    }

/* `call` must take `options`, a pointer of the struct's type. */
#define OVERLAY(type, good, cleanup, call)                                                  \
    do {                                                                                    \
        FROM_THE_FUTURE(type) future;                                                       \
        const type *options = &future.known;                                                \
        memset(&future, 0, sizeof future);                                                  \
        future.known = (good);                                                              \
        future.known.struct_size = sizeof future;                                           \
        ck_assert_msg((call) == FST_OK, "line %d: %s", __LINE__, fst_last_error());         \
        cleanup;                                                                            \
        future.unknown[2] = 1;                                                              \
        REFUSED(FST_ERR_INVALID_ARGUMENT, call);                                            \
        ck_assert_ptr_nonnull(strstr(fst_last_error(), #type));                             \
        static const size_t sizes[] = {0, 3, SIZE_MAX};                                     \
        for (int i_ = 0; i_ < 3; ++i_) {                                                    \
            future.known.struct_size = sizes[i_];                                           \
            REFUSED(FST_ERR_INVALID_ARGUMENT, call);                                        \
        }                                                                                   \
    } while (0)

#define INITIALISED(type, name) \
    type name;                  \
    ck_assert_int_eq(type##_init(&name, sizeof name), FST_OK)

START_TEST(options_of_another_age)
{
    fst_context *new_context = NULL;
    fst_context_options context_options = chain_options(1);
    OVERLAY(fst_context_options, context_options, fst_context_destroy(new_context),
            fst_context_create(options, &new_context));

    fst_model *new_model = NULL;
    fst_model_config config = good_config();
    OVERLAY(fst_model_config, config, fst_model_destroy(new_model),
            fst_model_create(context, options, NULL, &new_model));
    INITIALISED(fst_model_options, model_options);
    OVERLAY(fst_model_options, model_options, fst_model_destroy(new_model),
            fst_model_create(context, &config, options, &new_model));

    fst_batch batch = good_batch();
    OVERLAY(fst_batch, batch, (void)0, fst_model_forward(model, options, NULL));
    INITIALISED(fst_forward_options, forward_options);
    OVERLAY(fst_forward_options, forward_options, (void)0,
            fst_model_forward(model, &batch, options));
    fst_loss loss;
    INITIALISED(fst_loss_options, loss_options);
    ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_OK);
    OVERLAY(fst_loss_options, loss_options, (void)0,
            fst_model_loss(model, options, &loss, sizeof loss));

    fst_optimizer *new_optimizer = NULL;
    INITIALISED(fst_optimizer_options, optimizer_options);
    OVERLAY(fst_optimizer_options, optimizer_options, fst_optimizer_destroy(new_optimizer),
            fst_optimizer_create(model, options, &new_optimizer));
    double rate;
    INITIALISED(fst_schedule_options, schedule_options);
    OVERLAY(fst_schedule_options, schedule_options, (void)0,
            fst_schedule_learning_rate(options, 3, &rate));

    fst_tokenizer *new_tokenizer = NULL;
    const char *texts[] = {"a text"};
    INITIALISED(fst_tokenizer_train_options, train_options);
    OVERLAY(fst_tokenizer_train_options, train_options, fst_tokenizer_destroy(new_tokenizer),
            fst_tokenizer_train_texts(context, texts, NULL, 1, options, &new_tokenizer));
    size_t count;
    int32_t some_ids[100];
    INITIALISED(fst_encode_options, encode_options);
    OVERLAY(fst_encode_options, encode_options, (void)0,
            fst_tokenizer_encode(tokenizer, "a text", 6, options, some_ids, NULL, 100, &count));
    INITIALISED(fst_added_token_options, added_options);
    OVERLAY(fst_added_token_options, added_options, (void)0,
            fst_tokenizer_add_tokens(tokenizer, texts, 1, options));

    fst_dataset *new_dataset = NULL, *validation = NULL;
    INITIALISED(fst_dataset_token_options, token_options);
    OVERLAY(fst_dataset_token_options, token_options, fst_dataset_destroy(new_dataset),
            fst_dataset_from_tokens(context, ids, IDS, NULL, 0, options, &new_dataset));
    INITIALISED(fst_dataset_text_options, text_options);
    OVERLAY(fst_dataset_text_options, text_options, fst_dataset_destroy(new_dataset),
            fst_dataset_from_texts(context, tokenizer, texts, NULL, 1, options, &new_dataset));
    INITIALISED(fst_example_options, example_options);
    OVERLAY(fst_example_options, example_options, fst_dataset_destroy(new_dataset),
            fst_dataset_from_prompts(context, tokenizer, texts, 1, options, &new_dataset));
    INITIALISED(fst_chat_template, chat);
    const char *roles[] = {"user"};
    int64_t chat_count;
    OVERLAY(fst_chat_template, chat, (void)0,
            fst_chat_encode(tokenizer, options, roles, texts, 1, 0, some_ids, NULL, 100, &chat_count));
    INITIALISED(fst_split_options, split_options);
    OVERLAY(fst_split_options, split_options,
            (fst_dataset_destroy(new_dataset), fst_dataset_destroy(validation)),
            fst_dataset_split(dataset, options, &new_dataset, &validation));
    INITIALISED(fst_pack_options, pack_options);
    pack_options.length = LENGTH;
    OVERLAY(fst_pack_options, pack_options, fst_dataset_destroy(new_dataset),
            fst_dataset_pack(dataset, options, &new_dataset));

    fst_run *run = NULL;
    INITIALISED(fst_run_options, run_options);
    INITIALISED(fst_pretrain_options, pretrain_options);
    pretrain_options.model = model;
    pretrain_options.train = packed;
    OVERLAY(fst_pretrain_options, pretrain_options, fst_run_destroy(run),
            fst_pretrain_create(options, &run));
    OVERLAY(fst_run_options, run_options, fst_run_destroy(run),
            (pretrain_options.run = options, fst_pretrain_create(&pretrain_options, &run)));
}
END_TEST

START_TEST(finetuning_options_of_another_age)
{
    const float logits[] = {1, 2}, label[] = {1};
    fst_score_loss loss;
    INITIALISED(fst_label_loss_options, loss_options);
    OVERLAY(fst_label_loss_options, loss_options, (void)0,
            fst_loss_classes(options, logits, label, NULL, 1, 2, NULL, &loss, sizeof loss));

    const char *texts[] = {"a text"};
    fst_model *new_model;
    fst_dataset *labelled;
    fst_run *run = NULL;
    fst_model_config config = good_config();
    config.vocabulary_size = 1000;
    INITIALISED(fst_head_options, head);
    head.name = "head";
    INITIALISED(fst_example_options, example_options);
    example_options.label_count = 1;
    ck_assert_int_eq(fst_model_create(context, &config, NULL, &new_model), FST_OK);
    ck_assert_int_eq(fst_model_add_head(new_model, &head), FST_OK);
    ck_assert_int_eq(fst_dataset_from_labelled(context, tokenizer, texts, NULL, label, 1,
                                               &example_options, &labelled), FST_OK);
    INITIALISED(fst_sft_options, sft_options);
    sft_options.model = new_model;
    sft_options.train = labelled;
    sft_options.head = "head";
    OVERLAY(fst_sft_options, sft_options, fst_run_destroy(run), fst_sft_create(options, &run));
    fst_model_destroy(new_model);
    fst_dataset_destroy(labelled);
}
END_TEST

/* One field of a good struct set to a bad value. */
#define BAD_FIELD(good, field, value, handle, call)     \
    do {                                                \
        __typeof__(good) bad = (good);                  \
        bad.field = (value);                            \
        NOT_CREATED(0, handle, call);                   \
    } while (0)

START_TEST(model_configs_that_cannot_be)
{
    fst_model *made;
    fst_model_config good = good_config();
#define BAD(field, value) BAD_FIELD(good, field, value, made, fst_model_create(context, &bad, NULL, &made))
    BAD(family, -1);
    BAD(family, 99);
    BAD(vocabulary_size, 0);
    BAD(vocabulary_size, -5);
    BAD(context_length, 0);
    BAD(context_length, -1);
    BAD(layers, 0);
    BAD(layers, -3);
    BAD(width, 0);
    BAD(width, -16);
    BAD(heads, 0);
    BAD(heads, -2);
    BAD(heads, 3); /* does not divide 16 */
    BAD(kv_heads, -1);
    BAD(kv_heads, 3);
    BAD(head_size, -8);
    BAD(hidden_size, -1);
    BAD(position, 17);
    BAD(norm, -2);
    BAD(activation, 40);
    BAD(window, -4);
    BAD(rope_scaling, 12);
    BAD(norm_epsilon, NAN);
    BAD(norm_epsilon, -1.0);
    BAD(dropout, -0.1);
    BAD(dropout, 1.0);
    BAD(dropout, NAN);
    BAD(attention_dropout, 2.0);
    BAD(init_std, NAN);
    BAD(init_std, -1.0);
#undef BAD
    fst_model_config huge = good;
    huge.vocabulary_size = huge.width = huge.hidden_size = huge.context_length = INT32_MAX;
    huge.heads = 1;
    NOT_CREATED(0, made, fst_model_create(context, &huge, NULL, &made));
    fst_model_options options;
    fst_model_options_init(&options, sizeof options);
#define BAD(field, value) BAD_FIELD(options, field, value, made, fst_model_create(context, &good, &bad, &made))
    BAD(dtype, FST_I32);
    BAD(dtype, -1);
    BAD(checkpointing, 7);
#undef BAD
    NOT_CREATED(FST_ERR_INVALID_ARGUMENT, made, fst_model_create(context, NULL, NULL, &made));
    NOT_CREATED(FST_ERR_INVALID_ARGUMENT, made, fst_model_create(NULL, &good, NULL, &made));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_model_create(context, &good, NULL, NULL));
    NOT_CREATED(0, made, fst_model_load(context, "/nowhere/at/all", NULL, &made));
    NOT_CREATED(0, made, fst_model_load(context, "", NULL, &made));
    NOT_CREATED(FST_ERR_INVALID_ARGUMENT, made, fst_model_load(context, NULL, NULL, &made));
    REFUSED(0, fst_model_save(model, NULL, "/nowhere/at/all"));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_model_config_set_family(&good, 1000));
}
END_TEST

START_TEST(calls_in_the_wrong_order_and_batches_that_do_not_fit)
{
    fst_loss loss;
    fst_view view;
    fst_batch good = good_batch();
    REFUSED(FST_ERR_STATE, fst_model_loss(model, NULL, &loss, sizeof loss));
    REFUSED(FST_ERR_STATE, fst_model_backward(model, NULL, NULL));
    REFUSED(FST_ERR_STATE, fst_model_output(model, "logits", &view));
#define BAD(field, value)                                       \
    do {                                                        \
        fst_batch bad = good;                                   \
        bad.field = (value);                                    \
        REFUSED(0, fst_model_forward(model, &bad, NULL));       \
    } while (0)
    BAD(rows, 0);
    BAD(rows, -1);
    BAD(rows, INT64_MAX);
    BAD(rows, (int64_t)1 << 40);
    BAD(length, 0);
    BAD(length, -8);
    BAD(length, CONTEXT + 1);
    BAD(length, INT64_MAX);
    BAD(ids, NULL);
    static const int32_t bad_ids[][2] = {{0, VOCABULARY}, {7, -1}, {IDS - 1, INT32_MAX}, {3, INT32_MIN}};
    for (size_t i = 0; i < sizeof bad_ids / sizeof *bad_ids; ++i) {
        int32_t copy[IDS];
        memcpy(copy, ids, sizeof ids);
        copy[bad_ids[i][0]] = bad_ids[i][1];
        BAD(ids, copy);
        copy[bad_ids[i][0]] = VOCABULARY;
        BAD(targets, copy);
        memset(copy, 0, sizeof copy);
        copy[bad_ids[i][0]] = LENGTH + 1000;
        BAD(documents, copy);
        BAD(positions, copy);
    }
    static const int32_t lengths[][ROWS] = {{LENGTH + 1, 1}, {-1, 1}, {1, INT32_MAX}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; ++i)
        BAD(lengths, lengths[i]);
#undef BAD
    float weights[IDS] = {0};
    weights[3] = NAN;
    fst_batch weighted = good;
    weighted.weights = weights;
    if (fst_model_forward(model, &weighted, NULL) == FST_OK)
        REFUSED(FST_ERR_NUMERIC, fst_model_loss(model, NULL, &loss, sizeof loss));
    ck_assert_int_eq(fst_model_zero_gradients(model), FST_OK);
    fst_forward_options mode;
    fst_forward_options_init(&mode, sizeof mode);
    mode.mode = 5;
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_model_forward(model, &good, &mode));
    mode.mode = FST_FORWARD_EVALUATE;
    ck_assert_int_eq(fst_model_forward(model, &good, &mode), FST_OK);
    REFUSED(FST_ERR_STATE, fst_model_backward(model, NULL, NULL));

    good.targets = NULL;
    ck_assert_int_eq(fst_model_forward(model, &good, NULL), FST_OK);
    REFUSED(FST_ERR_STATE, fst_model_loss(model, NULL, &loss, sizeof loss));
    good = good_batch();
    ck_assert_int_eq(fst_model_forward(model, &good, NULL), FST_OK);
    REFUSED(FST_ERR_NOT_FOUND, fst_model_output(model, "logit", &view));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_model_output(model, NULL, &view));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_model_output(model, "logits", NULL));
    REFUSED(FST_ERR_STATE, fst_model_backward(model, NULL, NULL)); /* no loss yet */
    ck_assert_int_eq(fst_model_output(model, "logits", &view), FST_OK);
    fst_view wrong = view;
    wrong.shape[1] -= 1;
    REFUSED(FST_ERR_MISMATCH, fst_model_backward(model, "logits", &wrong));
    wrong = view;
    wrong.rank = 2;
    REFUSED(0, fst_model_backward(model, "logits", &wrong));
    wrong = view;
    wrong.rank = 99;
    REFUSED(0, fst_model_backward(model, "logits", &wrong));
    wrong = view;
    wrong.dtype = FST_I64;
    REFUSED(0, fst_model_backward(model, "logits", &wrong));
    wrong = view;
    wrong.data = NULL;
    REFUSED(0, fst_model_backward(model, "logits", &wrong));
    REFUSED(FST_ERR_NOT_FOUND, fst_model_backward(model, "nothing", &view));
    REFUSED(0, fst_model_backward(model, "logits", NULL));
    REFUSED(FST_ERR_NOT_FOUND, fst_model_parameter(model, "no.such.weight", &view));
    REFUSED(FST_ERR_NOT_FOUND, fst_model_gradient(model, "", &view));
    const char *name;
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_model_parameter_name(model, -1, &name));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_model_parameter_name(model, 1 << 20, &name));
    int64_t bytes;
    REFUSED(0, fst_model_reserve(model, INT64_MAX, LENGTH, FST_FORWARD_TRAIN, &bytes));
    REFUSED(0, fst_model_reserve(model, 1, CONTEXT + 1, FST_FORWARD_TRAIN, &bytes));
    REFUSED(0, fst_model_reserve(model, 0, LENGTH, FST_FORWARD_TRAIN, &bytes));
    REFUSED(0, fst_model_reserve(model, 1, LENGTH, 9, &bytes));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_model_loss(model, NULL, &loss, 0));
    /* After all that it still trains. */
    ck_assert_int_eq(fst_model_forward(model, &good, NULL), FST_OK);
    ck_assert_int_eq(fst_model_loss(model, NULL, &loss, sizeof loss), FST_OK);
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_OK);
    REFUSED(FST_ERR_STATE, fst_model_backward(model, NULL, NULL));
    ck_assert_int_eq(fst_optimizer_step(optimizer, NULL, 0), FST_OK);
}
END_TEST

START_TEST(options_out_of_range)
{
    fst_context *new_context;
    fst_context_options context_options = chain_options(1);
#define BAD(field, value) \
    BAD_FIELD(context_options, field, value, new_context, fst_context_create(&bad, &new_context))
    BAD(threads, -1);
    BAD(threads, INT32_MAX);
    BAD(provider, 50);
    BAD(provider, -1);
#undef BAD
    fst_context_options half = context_options;
    half.allocate = (void *(*)(size_t, void *))(uintptr_t)1; /* never called: release is missing */
    NOT_CREATED(FST_ERR_INVALID_ARGUMENT, new_context, fst_context_create(&half, &new_context));

    fst_optimizer *new_optimizer;
    fst_optimizer_options optimizer_options;
    fst_optimizer_options_init(&optimizer_options, sizeof optimizer_options);
#define BAD(field, value)                                          \
    BAD_FIELD(optimizer_options, field, value, new_optimizer,      \
              fst_optimizer_create(model, &bad, &new_optimizer))
    BAD(kind, 12);
    BAD(schedule, -1);
    BAD(learning_rate, NAN);
    BAD(learning_rate, -1.0);
    BAD(learning_rate, INFINITY);
    BAD(beta1, 1.0);
    BAD(beta1, -0.1);
    BAD(beta2, NAN);
    BAD(epsilon, -1.0);
    BAD(weight_decay, -1.0);
    BAD(clip_norm, -1.0);
    BAD(clip_norm, NAN);
    BAD(warmup_steps, -1);
    BAD(minimum_ratio, 2.0);
    BAD(group_count, -1);
    BAD(group_count, 3); /* without patterns */
    BAD(schedule, FST_SCHEDULE_COSINE); /* without total_steps */
#undef BAD
    double rate;
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_schedule_learning_rate(NULL, -1, &rate));

    fst_dataset *made;
    fst_pack_options pack;
    fst_pack_options_init(&pack, sizeof pack);
#define BAD(field, value) \
    BAD_FIELD(pack, field, value, made, fst_dataset_pack(dataset, &bad, &made))
    BAD(length, 0);
    BAD(length, -1);
    BAD(length, INT64_MAX);
    BAD(mode, 9);
#undef BAD
    pack.length = LENGTH;
    NOT_CREATED(FST_ERR_STATE, made, fst_dataset_pack(packed, &pack, &made));
    const char *texts[] = {"a text", "another"};
    fst_example_options examples;
    fst_example_options_init(&examples, sizeof examples);
#define BAD(field, value) \
    BAD_FIELD(examples, field, value, made, \
              fst_dataset_from_prompts(context, tokenizer, texts, 2, &bad, &made))
    BAD(max_length, -1);
    BAD(max_length, INT64_MAX);
    BAD(too_long, 4);
    BAD(too_long, -1);
    BAD(drop_useless, 2);
    BAD(add_bos, -1);
    BAD(header, 3);
    BAD(latin1, 2);
    BAD(maximum_examples, -1);
    BAD(history, -1);
    BAD(history, INT64_MAX);
    BAD(label_count, INT64_MAX);
#undef BAD
    fst_chat_template bare;
    fst_chat_template_init(&bare, sizeof bare);
    examples.chat = &bare;
    const int64_t falling[] = {0, 2, 1}, huge[] = {0, INT64_MIN};
    const float label = INFINITY;
    NOT_CREATED(FST_ERR_INVALID_ARGUMENT, made,
                fst_dataset_from_conversations(context, tokenizer, texts, texts, falling, 2, &examples, &made));
    NOT_CREATED(FST_ERR_INVALID_ARGUMENT, made,
                fst_dataset_from_preferences(context, tokenizer, texts, texts, huge, NULL, 1, &examples, &made));
    NOT_CREATED(FST_ERR_INVALID_ARGUMENT, made,
                fst_dataset_from_labelled(context, tokenizer, texts, NULL, &label, 1, &examples, &made));
    NOT_CREATED(FST_ERR_INVALID_ARGUMENT, made,
                fst_dataset_from_prompts(context, tokenizer, texts, 0, &examples, &made));
    int64_t index = 0;
    REFUSED(FST_ERR_STATE, fst_dataset_order(dataset, 0, 1, 0, &index));
    REFUSED(FST_ERR_STATE, fst_dataset_collate(dataset, &index, NULL, 1, 1, NULL, NULL, NULL));
    fst_split_options split;
    fst_split_options_init(&split, sizeof split);
    fst_dataset *validation = NULL;
#define BAD(field, value) \
    BAD_FIELD(split, field, value, made, fst_dataset_split(dataset, &bad, &made, &validation))
    BAD(fraction, 0.0);
    BAD(fraction, 1.0);
    BAD(fraction, NAN);
    BAD(mode, -1);
#undef BAD
    fst_dataset_token_options token_options;
    fst_dataset_token_options_init(&token_options, sizeof token_options);
#define BAD(field, value)                                       \
    BAD_FIELD(token_options, field, value, made,                \
              fst_dataset_from_tokens(context, ids, IDS, NULL, 0, &bad, &made))
    BAD(type, 4);
    BAD(vocabulary_size, 3);
    BAD(vocabulary_size, -1);
#undef BAD
    static const int64_t offsets[][3] = {{1, 2, IDS}, {0, 9, 3}, {0, 5, IDS + 1}, {0, -1, IDS}};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; ++i)
        NOT_CREATED(FST_ERR_INVALID_ARGUMENT, made,
                    fst_dataset_from_tokens(context, ids, IDS, offsets[i], 2, NULL, &made));
    NOT_CREATED(0, made, fst_dataset_from_tokens(context, ids, 0, NULL, 0, NULL, &made));
    NOT_CREATED(0, made, fst_dataset_from_tokens(context, ids, -5, NULL, 0, NULL, &made));
    int32_t rows[IDS];
    REFUSED(0, fst_dataset_read(packed, -1, 1, 0, rows, NULL, NULL, NULL));
    REFUSED(0, fst_dataset_read(packed, 0, 0, 0, rows, NULL, NULL, NULL));
    REFUSED(FST_ERR_STATE, fst_dataset_read(dataset, 0, 1, 0, rows, NULL, NULL, NULL));
    int64_t count;
    REFUSED(0, fst_dataset_get_document(dataset, 1, rows, IDS, &count));
    REFUSED(FST_ERR_BUFFER_TOO_SMALL, fst_dataset_get_document(dataset, 0, rows, 3, &count));
    ck_assert_int_eq(count, IDS);
}
END_TEST

START_TEST(tokenizers_fed_nonsense)
{
    fst_tokenizer *made;
    const char *texts[] = {"text", NULL};
    fst_tokenizer_train_options train;
    fst_tokenizer_train_options_init(&train, sizeof train);
#define BAD(field, value)                                  \
    BAD_FIELD(train, field, value, made,                   \
              fst_tokenizer_train_texts(context, texts, NULL, 1, &bad, &made))
    BAD(kind, 5);
    BAD(vocabulary_size, -1);
    BAD(vocabulary_size, 10); /* less than the 256 bytes */
    BAD(pattern, "(unclosed");
    BAD(special_token_count, 2); /* without texts */
#undef BAD
    NOT_CREATED(0, made, fst_tokenizer_train_texts(context, texts, NULL, 2, NULL, &made));
    NOT_CREATED(0, made, fst_tokenizer_train_texts(context, NULL, NULL, 1, NULL, &made));
    NOT_CREATED(0, made, fst_tokenizer_load(context, "/nowhere/at/all", &made));
    const char *paths[] = {"/nowhere/at/all"};
    NOT_CREATED(0, made, fst_tokenizer_train_files(context, paths, 1, NULL, &made));
    NOT_CREATED(0, made, fst_tokenizer_load_gpt2(context, paths[0], paths[0], &made));
    int32_t few[1], id;
    size_t count;
    char letters[4];
    REFUSED(FST_ERR_BUFFER_TOO_SMALL,
            fst_tokenizer_encode(tokenizer, "a longer text", 13, NULL, few, NULL, 1, &count));
    ck_assert_uint_gt(count, 1);
    REFUSED(0, fst_tokenizer_encode(tokenizer, NULL, 5, NULL, few, NULL, 1, &count));
    REFUSED(0, fst_tokenizer_encode(tokenizer, "x", SIZE_MAX, NULL, few, NULL, 1, &count));
    static const int32_t bad_ids[] = {-1, 100000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < 4; ++i)
        REFUSED(FST_ERR_INVALID_ARGUMENT,
                fst_tokenizer_decode(tokenizer, &bad_ids[i], 1, 0, letters, 4, &count));
    const char *bytes;
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_tokenizer_token(tokenizer, -1, &bytes, &count));
    REFUSED(FST_ERR_NOT_FOUND, fst_tokenizer_find(tokenizer, "surely no token", &id));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_tokenizer_special_id(tokenizer, 44, &id));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_BOS, 1 << 20));
    const char *empty[] = {""};
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_tokenizer_add_tokens(tokenizer, empty, 1, NULL));
    REFUSED(0, fst_tokenizer_save(tokenizer, "/nowhere/at/all/tokenizer.json"));
}
END_TEST

START_TEST(runs_that_cannot_run)
{
    fst_run *run;
    fst_pretrain_options good;
    fst_pretrain_options_init(&good, sizeof good);
    good.model = model;
    good.train = packed;
#define BAD(field, value) BAD_FIELD(good, field, value, run, fst_pretrain_create(&bad, &run))
    BAD(model, NULL);
    BAD(train, NULL);
    BAD(train, dataset);      /* not packed */
    BAD(validation, dataset);
    BAD(rows, 0);
    BAD(rows, INT64_MAX);
    BAD(accumulation, 0);
    BAD(accumulation, -1);
    BAD(label_smoothing, 1.0);
    BAD(label_smoothing, NAN);
    BAD(z_loss, -1.0);
    BAD(spike_action, 9);
#undef BAD
    /* Made for another model. */
    fst_model *other = NULL;
    fst_optimizer *foreign = NULL;
    fst_model_config config = good_config();
    ck_assert_int_eq(fst_model_create(context, &config, NULL, &other), FST_OK);
    ck_assert_int_eq(fst_optimizer_create(other, NULL, &foreign), FST_OK);
    fst_pretrain_options mixed = good;
    mixed.optimizer = foreign;
    NOT_CREATED(FST_ERR_MISMATCH, run, fst_pretrain_create(&mixed, &run));
    /* Ids beyond the model's vocabulary. */
    int32_t large[IDS];
    for (int i = 0; i < IDS; ++i)
        large[i] = VOCABULARY + i;
    fst_dataset *foreign_ids = NULL, *foreign_packed = NULL;
    fst_pack_options pack;
    fst_pack_options_init(&pack, sizeof pack);
    pack.length = LENGTH;
    ck_assert_int_eq(fst_dataset_from_tokens(context, large, IDS, NULL, 0, NULL, &foreign_ids), FST_OK);
    ck_assert_int_eq(fst_dataset_pack(foreign_ids, &pack, &foreign_packed), FST_OK);
    mixed = good;
    mixed.train = foreign_packed;
    NOT_CREATED(FST_ERR_MISMATCH, run, fst_pretrain_create(&mixed, &run));

    ck_assert_int_eq(fst_pretrain_create(&good, &run), FST_OK);
    double value;
    const char *name;
    REFUSED(FST_ERR_NOT_FOUND, fst_run_metric(run, "no such metric", &value));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_run_metric_name(run, -1, &name));
    REFUSED(FST_ERR_INVALID_ARGUMENT, fst_run_metric_name(run, 1000, &name));
    REFUSED(FST_ERR_STATE, fst_run_evaluate(run)); /* nothing to evaluate on */
    REFUSED(FST_ERR_STATE, fst_run_save(run, NULL)); /* no directory */
    REFUSED(0, fst_run_save(run, "/nowhere/at/all/run"));
    REFUSED(0, fst_run_resume(run, "/nowhere/at/all/run"));
    REFUSED(0, fst_run_until(run, 0)); /* without an end */
    ck_assert_int_eq(fst_run_until(run, 2), FST_OK);
    fst_run_destroy(run);
    fst_optimizer_destroy(foreign);
    fst_model_destroy(other);
    fst_dataset_destroy(foreign_ids);
    fst_dataset_destroy(foreign_packed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("misuse");
    TCase *tcase = tcase_create("misuse");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, nothing_at_all);
    tcase_add_test(tcase, struct_sizes_of_no_version);
    tcase_add_test(tcase, options_of_another_age);
    tcase_add_test(tcase, finetuning_options_of_another_age);
    tcase_add_test(tcase, model_configs_that_cannot_be);
    tcase_add_test(tcase, calls_in_the_wrong_order_and_batches_that_do_not_fit);
    tcase_add_test(tcase, options_out_of_range);
    tcase_add_test(tcase, tokenizers_fed_nonsense);
    tcase_add_test(tcase, runs_that_cannot_run);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
