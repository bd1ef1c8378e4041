/* Models through the public interface: configs, views, the order of calls, batches, and what must
 * not change a bit. */
#include "../support/tiny_model.h"

#include "../support/scratch.h"
#include <stddef.h>

enum { ROWS = 4, LENGTH = 12, TOKENS = ROWS * LENGTH };

static int32_t ids[TOKENS], targets[TOKENS];

static fst_batch batch_of(int64_t rows, int64_t length)
{
    fst_batch batch;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    tiny_ids(ids, TOKENS, 1);
    tiny_ids(targets, TOKENS, 2);
    batch.rows = rows;
    batch.length = length;
    batch.ids = ids;
    batch.targets = targets;
    return batch;
}

static fst_view gradient_of(fst_model *model, const char *name)
{
    fst_view view;
    REQUIRE(fst_model_gradient(model, name, &view));
    return view;
}

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

/* All gradients in one array, to be freed. */
static float *all_gradients(fst_model *model, int64_t *count)
{
    int64_t parameters;
    float *all = NULL;
    *count = 0;
    REQUIRE(fst_model_parameter_count(model, &parameters));
    for (int64_t i = 0; i < parameters; ++i) {
        fst_view view = gradient_of(model, name_of(model, i));
        int64_t size = size_of(&view);
        all = realloc(all, (size_t)(*count + size) * sizeof *all);
        memcpy(all + *count, view.data, (size_t)size * sizeof *all);
        *count += size;
    }
    return all;
}

static double step(fst_model *model, const fst_batch *batch, double scale)
{
    fst_loss_options options;
    fst_loss loss;
    REQUIRE(fst_loss_options_init(&options, sizeof options));
    options.scale = scale;
    REQUIRE(fst_model_forward(model, batch, NULL));
    REQUIRE(fst_model_loss(model, &options, &loss, sizeof loss));
    REQUIRE(fst_model_backward(model, NULL, NULL));
    return loss.loss;
}

static const struct {
    const char *field;
    size_t offset;
    double value;
    int kind; /* 4: int32_t, 8: double */
} refused[] = {
#define INT(field, value) {#field, offsetof(fst_model_config, field), value, 4}
#define REAL(field, value) {#field, offsetof(fst_model_config, field), value, 8}
    INT(family, -1), INT(family, 11), INT(vocabulary_size, 0), INT(vocabulary_size, -1),
    INT(context_length, 0), INT(context_length, INT32_MIN), INT(layers, 0), INT(layers, 1 << 20),
    INT(width, 0), INT(width, -8), INT(width, INT32_MIN), INT(width, INT32_MAX), INT(width, 30),
    INT(heads, 0), INT(heads, -4), INT(heads, INT32_MAX), INT(kv_heads, -1), INT(kv_heads, 3),
    INT(kv_heads, 8), INT(head_size, -1), INT(head_size, INT32_MAX), INT(head_size, 7),
    INT(hidden_size, -1), INT(hidden_size, INT32_MAX), INT(position, 3), INT(position, -1),
    INT(norm, 2), INT(norm, -1), INT(activation, 0), INT(activation, 6), INT(gated, 2),
    INT(attention_bias, -1), INT(output_bias, 2), INT(mlp_bias, 2), INT(norm_bias, 2),
    INT(qk_norm, 2), INT(tied, 2), INT(window, -1), INT(rope_scaling, 5), INT(rope_scaling, -1),
    INT(rope_original_context, -1), REAL(norm_epsilon, -1e-9), REAL(norm_epsilon, NAN),
    REAL(norm_epsilon, 1), REAL(rope_theta, 0), REAL(rope_theta, INFINITY), REAL(rope_theta, NAN),
    REAL(rope_factor, .5), REAL(rope_factor, NAN), REAL(rope_low_frequency_factor, -1),
    REAL(rope_high_frequency_factor, -1), REAL(rope_attention_factor, -1), REAL(rope_beta_fast, -1),
    REAL(rope_beta_slow, NAN), REAL(dropout, 1), REAL(dropout, -.1), REAL(attention_dropout, 1),
    REAL(attention_dropout, NAN), REAL(init_std, -1), REAL(init_std, INFINITY), REAL(init_std, NAN),
    INT(causal, 2), INT(causal, -1), INT(post_norm, 2), INT(token_types, -1), INT(embedding_norm, 2),
    INT(position_offset, -1), INT(position_offset, 2), INT(head_transform, -1), INT(head_bias, 2),
    INT(pooler, 2), INT(global_every, -1), INT(global_every, 3), INT(first_norm_free, 2),
    INT(backbone, 5), INT(backbone, -1), INT(inputs, -1), REAL(local_rope_theta, -1), REAL(local_rope_theta, 10000),
    REAL(local_rope_theta, NAN), REAL(batch_norm_momentum, -1),
};

START_TEST(configs_out_of_range)
{
    fst_context *context = tiny_context(1);
    int64_t before = tiny_live_bytes(context);
    fst_model_config config = tiny_config(FST_FAMILY_LLAMA);
    fst_model *model = NULL;
    int32_t whole = (int32_t)(refused[_i].kind == 4 ? refused[_i].value : 0);
    if (refused[_i].kind == 4)
        memcpy((char *)&config + refused[_i].offset, &whole, sizeof whole);
    else
        memcpy((char *)&config + refused[_i].offset, &refused[_i].value, sizeof(double));
    ck_assert_msg(fst_model_create(context, &config, NULL, &model) == FST_ERR_INVALID_ARGUMENT,
                  "%s = %g", refused[_i].field, refused[_i].value);
    ck_assert_msg(strstr(fst_last_error(), refused[_i].field) != NULL, "%s = %g: \"%s\"",
                  refused[_i].field, refused[_i].value, fst_last_error());
    ck_assert_ptr_null(model);
    ck_assert_int_eq(tiny_live_bytes(context), before);
    fst_context_destroy(context);
}
END_TEST

/* Sizes that are each allowed but together fit no machine. */
START_TEST(models_too_large)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_LLAMA);
    config.heads = config.kv_heads = config.head_size = 1 << 16;
    config.width = 1 << 20;
    config.hidden_size = 1 << 24;
    config.layers = 300;
    fst_model *model = NULL;
    ck_assert_int_eq(fst_model_create(context, &config, NULL, &model), FST_ERR_NO_MEMORY);
    config.layers = 1 << 16;
    ck_assert_int_eq(fst_model_create(context, &config, NULL, &model), FST_ERR_NO_MEMORY);
    ck_assert_ptr_null(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(families)
{
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    config.layers = 7;
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_QWEN3));
    ck_assert_int_eq(config.layers, 7);
    ck_assert_int_eq(config.position, FST_POSITION_ROTARY);
    ck_assert_int_eq(config.norm, FST_NORM_RMS);
    ck_assert_int_eq(config.qk_norm, 1);
    ck_assert_int_eq(config.gated, 1);
    ck_assert_int_eq(config.attention_bias, 0);
    ck_assert_int_eq(config.tied, 0);
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_QWEN2));
    ck_assert_int_eq(config.attention_bias, 1);
    ck_assert_int_eq(config.output_bias, 0);
    ck_assert_int_eq(config.qk_norm, 0);
    REQUIRE(fst_model_config_set_family(&config, FST_FAMILY_GPT2));
    ck_assert_int_eq(config.position, FST_POSITION_LEARNED);
    ck_assert_int_eq(config.norm, FST_NORM_LAYER);
    ck_assert_int_eq(config.activation, FST_ACTIVATION_GELU_TANH);
    fst_model_config before = config;
    ck_assert_int_eq(fst_model_config_set_family(&config, 11), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_model_config_set_family(&config, -1), FST_ERR_INVALID_ARGUMENT);
    ck_assert_mem_eq(&config, &before, sizeof config);
    ck_assert_int_eq(fst_model_config_set_family(NULL, 0), FST_ERR_INVALID_ARGUMENT);
    config.struct_size = 0;
    ck_assert_int_eq(fst_model_config_set_family(&config, 0), FST_ERR_INVALID_ARGUMENT);
}
END_TEST

START_TEST(views_of_parameters_and_gradients)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(_i);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_view value, gradient;
        REQUIRE(fst_model_parameter(model, name_of(model, i), &value));
        REQUIRE(fst_model_gradient(model, name_of(model, i), &gradient));
        ck_assert_int_eq(value.dtype, FST_F32);
        ck_assert_ptr_ne(value.data, gradient.data);
        ck_assert_int_eq(value.rank, gradient.rank);
        ck_assert_mem_eq(value.shape, gradient.shape, sizeof value.shape);
        ck_assert_int_eq(value.strides[value.rank - 1], 1);
        for (int64_t j = 0; j < size_of(&gradient); ++j)
            ck_assert_float_eq(((float *)gradient.data)[j], 0);
        for (int64_t j = 0; j < i; ++j)
            ck_assert_str_ne(name_of(model, i), name_of(model, j));
    }
    fst_view view;
    const char *name;
    ck_assert_int_eq(fst_model_parameter(model, "layers.2.mlp.up.weight", &view), FST_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "layers.2.mlp.up.weight"));
    ck_assert_int_eq(fst_model_gradient(model, "", &view), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_model_parameter_name(model, count, &name), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_model_parameter_name(model, -1, &name), FST_ERR_INVALID_ARGUMENT);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(calls_in_the_wrong_order)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    fst_batch batch = batch_of(2, 5);
    fst_forward_options evaluate;
    fst_loss loss;
    fst_view view, hidden, logits;
    REQUIRE(fst_forward_options_init(&evaluate, sizeof evaluate));
    evaluate.mode = FST_FORWARD_EVALUATE;
    ck_assert_int_eq(fst_model_output(model, "logits", &view), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_loss(model, NULL, &loss, sizeof loss), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE);
    REQUIRE(fst_model_forward(model, &batch, NULL));
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_output(model, "attention", &view), FST_ERR_NOT_FOUND);
    /* Both outputs stay what they are. */
    REQUIRE(fst_model_output(model, "logits", &logits));
    float first = ((float *)logits.data)[0];
    REQUIRE(fst_model_output(model, "hidden", &hidden));
    ck_assert_ptr_ne(logits.data, hidden.data);
    ck_assert_float_eq(((float *)logits.data)[0], first);
    view = hidden;
    view.shape[2] -= 1;
    ck_assert_int_eq(fst_model_backward(model, "hidden", &view), FST_ERR_MISMATCH);
    ck_assert_int_eq(fst_model_backward(model, "logits", &hidden), FST_ERR_MISMATCH);
    ck_assert_int_eq(fst_model_backward(model, "nothing", &hidden), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_model_backward(model, "hidden", NULL), FST_ERR_INVALID_ARGUMENT);
    /* A struct too small is refused before anything is computed. */
    ck_assert_int_eq(fst_model_loss(model, NULL, &loss, 1), FST_ERR_INVALID_ARGUMENT);
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    ck_assert_int_eq(fst_model_loss(model, NULL, &loss, sizeof loss), FST_ERR_STATE);
    REQUIRE(fst_model_backward(model, NULL, NULL));
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE);
    REQUIRE(fst_model_forward(model, &batch, &evaluate));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss)); /* nothing is added: as often as one likes */
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE);
    batch.targets = NULL;
    REQUIRE(fst_model_forward(model, &batch, NULL));
    ck_assert_int_eq(fst_model_loss(model, NULL, &loss, sizeof loss), FST_ERR_STATE);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(batches_that_are_wrong)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    int32_t positions[TOKENS] = {0}, documents[TOKENS] = {0}, lengths[ROWS] = {12, 12, 12, 12};
    int32_t types[TOKENS] = {0};
    static const struct {
        int which, at;
        int32_t value;
        const char *text;
    } cases[] = {
        {0, 15, TINY_VOCABULARY, "ids[1][3]"}, {0, 47, -1, "ids[3][11]"},
        {1, 14, TINY_VOCABULARY, "targets[1][2]"}, {2, 24, TINY_CONTEXT, "positions[2][0]"},
        {2, 25, -1, "positions[2][1]"}, {3, 13, 2, "documents[1][1]"}, {3, 13, -1, "documents[1][1]"},
        {4, 2, 13, "lengths[2]"}, {4, 2, -1, "lengths[2]"}, {5, 13, 1, "token_types[1][1]"},
        {5, 0, -1, "token_types[0][0]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        fst_batch batch = batch_of(ROWS, LENGTH);
        batch.positions = positions;
        batch.documents = documents;
        batch.lengths = lengths;
        batch.token_types = types;
        int32_t *arrays[] = {ids, targets, positions, documents, lengths, types};
        int32_t kept = arrays[cases[i].which][cases[i].at];
        arrays[cases[i].which][cases[i].at] = cases[i].value;
        ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_ERR_INVALID_ARGUMENT);
        ck_assert_msg(strstr(fst_last_error(), cases[i].text) != NULL, "\"%s\" lacks %s",
                      fst_last_error(), cases[i].text);
        arrays[cases[i].which][cases[i].at] = kept;
        REQUIRE(fst_model_forward(model, &batch, NULL));
    }
    fst_batch batch = batch_of(0, LENGTH);
    ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_ERR_INVALID_ARGUMENT);
    batch = batch_of(1, TINY_CONTEXT + 1);
    ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_ERR_INVALID_ARGUMENT);
    batch = batch_of(INT64_MAX, INT64_MAX);
    ck_assert_int_eq(fst_model_forward(model, &batch, NULL), FST_ERR_INVALID_ARGUMENT);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* What stands in the padding changes no bit; that there is padding, nothing beyond rounding. */
START_TEST(padding_is_not_seen)
{
    fst_context *context = tiny_context(2);
    fst_model_config config = tiny_config(_i % 2 ? FST_FAMILY_QWEN3 : FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, _i / 2 ? FST_BF16 : FST_F32, 0);
    int32_t lengths[ROWS] = {12, 5, 1, 9};
    float *gradients[2];
    double losses[2];
    int64_t count;
    for (int n = 0; n < 2; ++n) {
        fst_batch batch = batch_of(ROWS, LENGTH);
        batch.lengths = lengths;
        for (int r = 0; r < ROWS && n; ++r) {
            for (int t = lengths[r]; t < LENGTH; ++t) {
                ids[r * LENGTH + t] = t;
                targets[r * LENGTH + t] = 60 - t;
            }
        }
        REQUIRE(fst_model_zero_gradients(model));
        losses[n] = step(model, &batch, 0);
        gradients[n] = all_gradients(model, &count);
    }
    ck_assert_double_eq(losses[0], losses[1]);
    ck_assert_mem_eq(gradients[0], gradients[1], (size_t)count * sizeof(float));
    /* Row by row without padding, and so without batch-mates. */
    if (_i / 2 == 0) {
        REQUIRE(fst_model_zero_gradients(model));
        double sum = 0;
        for (int r = 0; r < ROWS; ++r) {
            fst_batch batch = batch_of(1, lengths[r]);
            batch.ids = ids + r * LENGTH;
            batch.targets = targets + r * LENGTH;
            sum += step(model, &batch, 1. / (12 + 5 + 1 + 9));
        }
        ck_assert_double_eq_tol(sum, losses[0], 1e-5 * losses[0]);
        float *alone = all_gradients(model, &count);
        for (int64_t i = 0; i < count; ++i)
            ck_assert_float_eq_tol(alone[i], gradients[0][i], 1e-6f * fmaxf(1, fabsf(alone[i])));
        free(alone);
    }
    free(gradients[0]);
    free(gradients[1]);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(accumulation_is_one_batch)
{
    fst_context *context = tiny_context(2);
    fst_model_config config = tiny_config(_i);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    int64_t count;
    fst_batch batch = batch_of(ROWS, LENGTH);
    double whole = step(model, &batch, 0), parts = 0;
    float *expected = all_gradients(model, &count);
    REQUIRE(fst_model_zero_gradients(model));
    for (int r = 0; r < ROWS; ++r) {
        batch = batch_of(1, LENGTH);
        batch.ids = ids + r * LENGTH;
        batch.targets = targets + r * LENGTH;
        parts += step(model, &batch, 1. / TOKENS);
    }
    float *found = all_gradients(model, &count);
    ck_assert_double_eq_tol(parts, whole, 1e-5 * whole);
    for (int64_t i = 0; i < count; ++i)
        ck_assert_float_eq_tol(found[i], expected[i], 1e-6f * fmaxf(1, fabsf(expected[i])));
    free(found);
    free(expected);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* One thread or several, checkpointing or not: the same bits. */
START_TEST(bits_do_not_depend_on_threads_or_checkpointing)
{
    float *expected = NULL;
    double loss = 0;
    for (int variant = 0; variant < 8; ++variant) {
        int32_t threads = variant / 2 + 1;
        fst_context *context = tiny_context(threads);
        fst_model_config config = tiny_config(_i % 4);
        config.dropout = .1;
        config.attention_dropout = .1;
        fst_model *model = tiny_model(context, &config, _i / 4 ? FST_BF16 : FST_F32, variant % 2);
        fst_batch batch = batch_of(ROWS, LENGTH);
        int64_t count;
        double found = step(model, &batch, 0);
        float *gradients = all_gradients(model, &count);
        if (!expected) {
            expected = gradients;
            loss = found;
        } else {
            ck_assert_msg(found == loss, "%d threads, checkpointing %d", threads, variant % 2);
            ck_assert_msg(memcmp(gradients, expected, (size_t)count * sizeof *expected) == 0,
                          "gradients with %d threads, checkpointing %d", threads, variant % 2);
            free(gradients);
        }
        fst_model_destroy(model);
        fst_context_destroy(context);
    }
    free(expected);
}
END_TEST

START_TEST(not_a_number_is_named)
{
    static const char *const names[] = {"embedding.tokens.weight", "layers.0.attention.qkv.weight",
                                        "layers.1.mlp.norm.weight", "norm.bias"};
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, _i % 2 ? FST_BF16 : FST_F32, 0);
    fst_view view;
    fst_loss loss;
    fst_batch batch = batch_of(2, LENGTH);
    REQUIRE(fst_model_parameter(model, names[_i / 2], &view));
    ((float *)view.data)[ids[0] * (view.rank == 2) * view.strides[0] + 5] = NAN;
    REQUIRE(fst_model_weights_changed(model));
    fst_status status = fst_model_forward(model, &batch, NULL);
    if (!status)
        status = fst_model_loss(model, NULL, &loss, sizeof loss);
    ck_assert_int_eq(status, FST_ERR_NUMERIC);
    ck_assert_msg(strstr(fst_last_error(), names[_i / 2]) != NULL, "%s", fst_last_error());
    ck_assert_int_eq(fst_model_backward(model, NULL, NULL), FST_ERR_STATE);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

static void replace(const char *path, const char *from, const char *to)
{
    size_t size;
    char *bytes = scratch_read(path, &size), *at = NULL;
    for (size_t i = 0; i + strlen(from) <= size && !at; ++i)
        at = memcmp(bytes + i, from, strlen(from)) == 0 ? bytes + i : NULL;
    ck_assert_msg(at != NULL, "%s lacks %s", path, from);
    ck_assert_uint_eq(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    scratch_write(path, bytes, size);
    free(bytes);
}

static void assert_refused(fst_context *context, const char *folder, fst_status expected,
                           const char *first, const char *second)
{
    fst_model *model = NULL;
    int64_t before = tiny_live_bytes(context);
    fst_status status = fst_model_load(context, folder, NULL, &model);
    ck_assert_msg(status == expected && strstr(fst_last_error(), first) && strstr(fst_last_error(), second),
                  "status %d, expected %d; \"%s\" must name %s and %s", status, expected,
                  fst_last_error(), first, second);
    ck_assert_ptr_null(model);
    ck_assert_int_eq(tiny_live_bytes(context), before);
}

START_TEST(saving_and_loading)
{
    scratch place = scratch_create();
    const char *folder = scratch_path(&place, "model");
    char weights[600], settings[600];
    snprintf(weights, sizeof weights, "%s/model.safetensors", folder);
    snprintf(settings, sizeof settings, "%s/config.json", folder);
    fst_context *context = tiny_context(2);
    fst_model_config config = tiny_config(_i);
    fst_model *model = tiny_model(context, &config, FST_F32, 0), *loaded;
    assert_refused(context, folder, FST_ERR_NOT_FOUND, "config.json", "");
    REQUIRE(fst_model_save(model, NULL, folder));
    REQUIRE(fst_model_load(context, folder, NULL, &loaded));
    fst_batch batch = batch_of(2, LENGTH);
    double expected = step(model, &batch, 0);
    ck_assert_double_eq(step(loaded, &batch, 0), expected);
    /* Over itself, more than once. */
    size_t size, again;
    char *before = scratch_read(weights, &size);
    REQUIRE(fst_model_save(loaded, NULL, folder));
    REQUIRE(fst_model_save(loaded, NULL, folder));
    char *after = scratch_read(weights, &again);
    ck_assert_uint_eq(size, again);
    ck_assert_mem_eq(before, after, size);
    ck_assert_int_eq(scratch_entries(folder), 2);
    free(after);
    fst_model_destroy(loaded);
    /* Truncated, wrong shape, missing tensor, unknown type. */
    scratch_write(weights, before, size - 1);
    assert_refused(context, folder, FST_ERR_FORMAT, "model.safetensors", "");
    scratch_write(weights, before, 7);
    assert_refused(context, folder, FST_ERR_FORMAT, "model.safetensors", "");
    scratch_write(weights, before, size);
    const char *norm = _i == FST_FAMILY_GPT2 ? "transformer.ln_f.weight" : "model.norm.weight";
    char other[64];
    snprintf(other, sizeof other, "%s", norm);
    other[strlen(other) - 1] = 'x';
    replace(weights, norm, other);
    assert_refused(context, folder, FST_ERR_NOT_FOUND, "model.safetensors", norm);
    scratch_write(weights, before, size);
    replace(settings, "61,", "62,");
    assert_refused(context, folder, FST_ERR_MISMATCH, "model.safetensors",
                   _i == FST_FAMILY_GPT2 ? "wte" : "embed_tokens");
    replace(settings, "62,", "61,");
    static const char *const types[][2] = {
        {"\"gpt2\"", "\"burt\""}, {"\"llama\"", "\"alpac\""}, {"\"qwen2\"", "\"queen\""},
        {"\"qwen3\"", "\"queen\""}};
    replace(settings, types[_i][0], types[_i][1]);
    assert_refused(context, folder, FST_ERR_UNSUPPORTED, "config.json", "model_type");
    free(before);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

/* create, reserve, forward, loss, backward, output, save, load. */
static fst_status whole_life(fst_context *context, const char *folder, int32_t family)
{
    fst_model_config config = tiny_config(family);
    fst_model *model = NULL, *loaded = NULL;
    fst_batch batch = batch_of(2, 5);
    fst_loss loss;
    fst_view view = {0};
    fst_status status = fst_model_create(context, &config, NULL, &model);
    if (!status)
        status = fst_model_reserve(model, 3, 7, FST_FORWARD_TRAIN, NULL);
    if (!status)
        status = fst_model_forward(model, &batch, NULL);
    if (!status)
        status = fst_model_loss(model, NULL, &loss, sizeof loss);
    if (!status)
        status = fst_model_backward(model, NULL, NULL);
    if (!status)
        status = fst_model_forward(model, &batch, NULL);
    if (!status)
        status = fst_model_output(model, "logits", &view);
    if (!status)
        status = fst_model_backward(model, "logits", &view);
    if (!status)
        status = fst_model_save(model, NULL, folder);
    if (!status)
        status = fst_model_load(context, folder, NULL, &loaded);
    fst_model_destroy(loaded);
    fst_model_destroy(model);
    return status;
}

START_TEST(refused_memory)
{
    scratch place = scratch_create();
    const char *folder = scratch_path(&place, "model");
    scratch_memory memory = {.for_good = _i % 2};
    fst_context_options options = tiny_context_options(1);
    options.allocate = scratch_allocate;
    options.release = scratch_release;
    options.allocate_user = &memory;
    fst_context *context;
    REQUIRE(fst_context_create(&options, &context));
    int32_t family = _i / 2 ? FST_FAMILY_LLAMA : FST_FAMILY_GPT2;
    REQUIRE(whole_life(context, folder, family));
    int64_t live = memory.live, failed = 0;
    for (int64_t k = 1;; ++k) {
        ck_assert_int_lt(k, 5000);
        memory.calls = 0;
        memory.fail_at = k;
        fst_status status = whole_life(context, folder, family);
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
    scratch_destroy(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *tcase = tcase_create("model");
    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, configs_out_of_range, 0, (int)(sizeof refused / sizeof refused[0]));
    tcase_add_test(tcase, models_too_large);
    tcase_add_test(tcase, families);
    tcase_add_loop_test(tcase, views_of_parameters_and_gradients, 0, 4);
    tcase_add_test(tcase, calls_in_the_wrong_order);
    tcase_add_test(tcase, batches_that_are_wrong);
    tcase_add_loop_test(tcase, padding_is_not_seen, 0, 4);
    tcase_add_loop_test(tcase, accumulation_is_one_batch, 0, 4);
    tcase_add_loop_test(tcase, bits_do_not_depend_on_threads_or_checkpointing, 0, 8);
    tcase_add_loop_test(tcase, not_a_number_is_named, 0, 8);
    tcase_add_loop_test(tcase, saving_and_loading, 0, 4);
    tcase_add_loop_test(tcase, refused_memory, 0, 4);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
