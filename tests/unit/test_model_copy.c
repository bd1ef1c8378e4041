/* Copies of models, weights from one into another, and heads in saved directories. */
#include "../support/headed_model.h"

#include "../support/scratch.h"
#include "formats/safetensors.h"
#include "fourstage/adapter.h"
#include "fourstage/optimizer.h"

#include <unistd.h>

enum { ROWS = 3, LENGTH = 11 };

static fst_model *make(fst_context *context, int32_t family, int32_t dtype, bool adapter)
{
    fst_model_config config = tiny_config(family);
    fst_model *model = tiny_model(context, &config, dtype, 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "before";
    head.outputs = 2;
    REQUIRE(fst_model_add_head(model, &head));
    if (adapter) {
        fst_adapter_options options;
        REQUIRE(fst_adapter_options_init(&options, sizeof options));
        options.rank = 3;
        options.weight_decomposed = 1;
        REQUIRE(fst_model_add_adapter(model, &options));
    }
    headed_add(model, 0.2);
    headed_add_layers(model, 0.2);
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_view view;
        REQUIRE(fst_model_parameter(model, headed_name(model, i), &view));
        for (int64_t j = 0; j < headed_size(&view); ++j)
            ((float *)view.data)[j] += 0.05f * sinf((float)(5 * i + j));
    }
    REQUIRE(fst_model_weights_changed(model));
    return model;
}

/* Gradients of everything into one sum of each parameter's, by way of the optimizer's report. */
static double step(fst_model *model, fst_optimizer *optimizer)
{
    int32_t ids[ROWS * LENGTH], targets[ROWS * LENGTH];
    tiny_ids(ids, ROWS * LENGTH, 3);
    tiny_ids(targets, ROWS * LENGTH, 4);
    fst_batch batch;
    fst_loss loss;
    fst_optimizer_report report;
    REQUIRE(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    REQUIRE(fst_model_forward(model, &batch, NULL));
    REQUIRE(fst_model_loss(model, NULL, &loss, sizeof loss));
    int64_t heads;
    REQUIRE(fst_model_head_count(model, &heads));
    for (int64_t i = 0; i < heads; ++i) {
        fst_head_options head;
        fst_view view;
        REQUIRE(fst_model_get_head(model, i, &head, sizeof head));
        REQUIRE(fst_model_output(model, head.name, &view));
        REQUIRE(fst_model_add_gradient(model, head.name, &view)); /* of y²/2 */
    }
    REQUIRE(fst_model_backward(model, NULL, NULL));
    REQUIRE(fst_optimizer_step(optimizer, &report, sizeof report));
    return report.gradient_norm;
}

static void check_same_weights(fst_model *a, fst_model *b)
{
    int64_t count, other;
    REQUIRE(fst_model_parameter_count(a, &count));
    REQUIRE(fst_model_parameter_count(b, &other));
    ck_assert_int_eq(count, other);
    for (int64_t i = 0; i < count; ++i) {
        fst_view x, y;
        ck_assert_str_eq(headed_name(a, i), headed_name(b, i));
        REQUIRE(fst_model_parameter(a, headed_name(a, i), &x));
        REQUIRE(fst_model_parameter(b, headed_name(b, i), &y));
        ck_assert(x.data != y.data);
        ck_assert_msg(memcmp(x.data, y.data, (size_t)headed_size(&x) * sizeof(float)) == 0, "%s",
                      headed_name(a, i));
    }
}

static void check_same_heads(fst_model *a, fst_model *b)
{
    int64_t count, other;
    REQUIRE(fst_model_head_count(a, &count));
    REQUIRE(fst_model_head_count(b, &other));
    ck_assert_int_eq(count, other);
    for (int64_t i = 0; i < count; ++i) {
        fst_head_options x, y;
        REQUIRE(fst_model_get_head(a, i, &x, sizeof x));
        REQUIRE(fst_model_get_head(b, i, &y, sizeof y));
        ck_assert_str_eq(x.name, y.name);
        ck_assert(x.kind == y.kind && x.pooling == y.pooling && x.outputs == y.outputs &&
                  x.bias == y.bias && x.init_std == y.init_std && x.dropout == y.dropout);
        ck_assert(x.hidden_layers == y.hidden_layers);
        ck_assert(!x.hidden_layers ||
                  (x.activation == y.activation && x.hidden_size == y.hidden_size &&
                   x.hidden_bias == y.hidden_bias && x.layer_norm == y.layer_norm &&
                   x.norm_bias == y.norm_bias && x.norm_epsilon == y.norm_epsilon));
    }
}

/* A copy trains as its original, to the bit; the original's weights stay. */
START_TEST(copies_train_alike)
{
    int32_t dtype = _i & 1 ? FST_BF16 : FST_F32;
    fst_context *context = tiny_context(2);
    fst_model *model = make(context, _i & 2 ? FST_FAMILY_LLAMA : FST_FAMILY_GPT2, dtype, _i & 4);
    fst_model *copy, *second;
    fst_view view;
    REQUIRE(fst_model_set_trainable(model, "heads.tags.*", 0));
    REQUIRE(fst_model_copy(model, NULL, &copy));
    REQUIRE(fst_model_copy(model, NULL, &second));
    check_same_weights(model, copy);
    check_same_heads(model, copy);
    ck_assert_int_eq(fst_model_gradient(copy, "heads.tags.weight", &view), FST_ERR_STATE);
    fst_optimizer *a, *b;
    REQUIRE(fst_optimizer_create(model, NULL, &a));
    REQUIRE(fst_optimizer_create(copy, NULL, &b));
    double norm = step(model, a);
    ck_assert(norm > 0 && norm == step(copy, b));
    check_same_weights(model, copy);
    ck_assert(step(model, a) == step(copy, b));
    REQUIRE(fst_model_copy_weights(copy, second)); /* though an optimizer of it lives */
    check_same_weights(second, copy);
    ck_assert(step(copy, b) == norm);
    fst_optimizer_destroy(b);
    fst_optimizer_destroy(a);
    fst_model_destroy(second);
    fst_model_destroy(copy);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(another_dtype)
{
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, FST_FAMILY_GPT2, FST_BF16, true), *copy, *back;
    fst_model_options options;
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.dtype = FST_F32;
    REQUIRE(fst_model_copy(model, &options, &copy));
    check_same_weights(model, copy);
    options.dtype = FST_BF16;
    REQUIRE(fst_model_copy(copy, &options, &back));
    fst_optimizer *a, *b;
    REQUIRE(fst_optimizer_create(model, NULL, &a));
    REQUIRE(fst_optimizer_create(back, NULL, &b));
    ck_assert(step(model, a) == step(back, b)); /* the working copies are the same too */
    options.dtype = FST_I32;
    fst_model *none = NULL;
    ck_assert_int_eq(fst_model_copy(model, &options, &none), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_null(none);
    fst_optimizer_destroy(b);
    fst_optimizer_destroy(a);
    fst_model_destroy(back);
    fst_model_destroy(copy);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

START_TEST(mismatches)
{
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_LLAMA);
    fst_model *model = tiny_model(context, &config, FST_F32, 0), *other;
    fst_head_options head;
    config.rope_theta = 500;
    other = tiny_model(context, &config, FST_F32, 0);
    ck_assert_int_eq(fst_model_copy_weights(model, other), FST_ERR_MISMATCH);
    ck_assert(strstr(fst_last_error(), "rope_theta"));
    fst_model_destroy(other);
    REQUIRE(fst_model_copy(model, NULL, &other));
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "score";
    REQUIRE(fst_model_add_head(other, &head));
    ck_assert_int_eq(fst_model_copy_weights(model, other), FST_ERR_MISMATCH);
    ck_assert_int_eq(fst_model_copy_weights(other, model), FST_ERR_MISMATCH);
    head.pooling = FST_POOL_MEAN;
    REQUIRE(fst_model_add_head(model, &head));
    ck_assert_int_eq(fst_model_copy_weights(model, other), FST_ERR_MISMATCH);
    ck_assert(strstr(fst_last_error(), "score"));
    fst_model_destroy(other);
    REQUIRE(fst_model_copy(model, NULL, &other));
    REQUIRE(fst_model_add_adapter(other, NULL));
    ck_assert_int_eq(fst_model_copy_weights(model, other), FST_ERR_MISMATCH);
    ck_assert(strstr(fst_last_error(), "adapter"));
    REQUIRE(fst_model_copy_weights(model, model));
    fst_model_destroy(other);
    fst_model_destroy(model);
    fst_context_destroy(context);
}
END_TEST

/* ---- heads.safetensors */

START_TEST(round_trip)
{
    int32_t family = _i & 1 ? FST_FAMILY_LLAMA : FST_FAMILY_GPT2;
    int32_t dtype = _i & 2 ? FST_BF16 : FST_F32;
    scratch place = scratch_create();
    fst_context *context = tiny_context(2);
    fst_model *model = make(context, family, dtype, false), *loaded, *plain;
    fst_model_options options;
    REQUIRE(fst_model_options_init(&options, sizeof options));
    options.dtype = dtype;
    const char *folder = scratch_path(&place, "model");
    REQUIRE(fst_model_save(model, NULL, folder));
    REQUIRE(fst_model_load(context, folder, &options, &loaded));
    check_same_weights(model, loaded);
    check_same_heads(model, loaded);
    fst_optimizer *a, *b;
    REQUIRE(fst_optimizer_create(model, NULL, &a));
    REQUIRE(fst_optimizer_create(loaded, NULL, &b));
    ck_assert(step(model, a) == step(loaded, b));
    /* A model without heads over it: the file goes. */
    fst_model_config config = tiny_config(family);
    plain = tiny_model(context, &config, FST_F32, 0);
    REQUIRE(fst_model_save(plain, NULL, folder));
    ck_assert_int_ne(access(scratch_path(&place, "model/heads.safetensors"), F_OK), 0);
    fst_optimizer_destroy(b);
    fst_optimizer_destroy(a);
    fst_model_destroy(plain);
    fst_model_destroy(loaded);
    REQUIRE(fst_model_load(context, folder, NULL, &loaded));
    int64_t count;
    REQUIRE(fst_model_head_count(loaded, &count));
    ck_assert_int_eq(count, 0);
    fst_model_destroy(loaded);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

typedef struct bad_file {
    const char *metadata; /* NULL: none */
    fst_status status;
    const char *text;
    int64_t rows, columns; /* of "heads.a.weight" */
} bad_file;

#define HEAD(kind, pooling, outputs)                                                               \
    "{\"name\":\"a\",\"kind\":\"" kind "\",\"pooling\":\"" pooling "\",\"outputs\":" outputs       \
    ",\"bias\":false,\"init_std\":0.0,\"dropout\":0.0}"
#define HIDDEN(layers, size, activation)                                                           \
    "{\"name\":\"a\",\"kind\":\"token\",\"pooling\":\"last\",\"outputs\":2"                           \
    ",\"bias\":false,\"init_std\":0.0,\"dropout\":0.0,\"hidden\":{\"layers\":" layers                 \
    ",\"size\":" size ",\"activation\":\"" activation "\",\"bias\":false,\"layer_norm\":false"        \
    ",\"norm_bias\":false,\"norm_epsilon\":1e-5}}"

static const bad_file bad_files[] = {
    {NULL, FST_ERR_FORMAT, "\"heads\"", 2, 32},
    {"[", FST_ERR_FORMAT, "heads.safetensors", 2, 32},
    {"{}", FST_ERR_FORMAT, "array", 2, 32},
    {"[1]", FST_ERR_FORMAT, "objects", 2, 32},
    {"[{}]", FST_ERR_FORMAT, "objects", 2, 32},
    {"[" HEAD("token", "last", "3") "]", FST_ERR_MISMATCH, "heads.a.weight", 2, 32},
    {"[" HEAD("token", "last", "2") "]", FST_ERR_MISMATCH, "heads.a.weight", 2, 31},
    {"[" HEAD("token", "last", "0") "]", FST_ERR_FORMAT, "outputs", 2, 32},
    {"[" HEAD("token", "last", "900000000") "]", FST_ERR_MISMATCH, "heads.a.weight", 2, 32},
    {"[" HEAD("words", "last", "2") "]", FST_ERR_UNSUPPORTED, "words", 2, 32},
    {"[" HEAD("token", "median", "2") "]", FST_ERR_UNSUPPORTED, "median", 2, 32},
    {"[" HIDDEN("1", "32", "relu") "]", FST_ERR_NOT_FOUND, "heads.a.hidden.0.weight", 2, 32},
    {"[" HIDDEN("1", "800000000", "relu") "]", FST_ERR_MISMATCH, "heads.a.weight", 2, 32},
    {"[" HIDDEN("0", "32", "relu") "]", FST_ERR_FORMAT, "layers", 2, 32},
    {"[" HIDDEN("1", "32", "swoosh") "]", FST_ERR_UNSUPPORTED, "swoosh", 2, 32},
    {"[" HEAD("token", "last", "2") "," HEAD("token", "last", "2") "]", FST_ERR_FORMAT, "\"a\"", 2,
     32},
    {"[]", FST_ERR_MISMATCH, "tensors", 2, 32},
};
#undef HEAD
#undef HIDDEN

START_TEST(bad_head_files)
{
    const bad_file *bad = &bad_files[_i];
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, FST_F32, 0), *loaded = NULL;
    const char *folder = scratch_path(&place, "model");
    REQUIRE(fst_model_save(model, NULL, folder));
    fst__allocator allocator = {0};
    fst__safetensors_writer *writer;
    float values[2 * 32] = {0};
    int64_t shape[2] = {bad->rows, bad->columns};
    REQUIRE(fst__safetensors_writer_create(&allocator, &writer));
    REQUIRE(fst__safetensors_writer_add(writer, "heads.a.weight", FST_F32, 2, shape, values));
    if (bad->metadata)
        REQUIRE(fst__safetensors_writer_metadata(writer, "heads", bad->metadata));
    REQUIRE(fst__safetensors_writer_write(writer, scratch_path(&place, "model/heads.safetensors")));
    fst__safetensors_writer_destroy(writer);
    int64_t before = tiny_live_bytes(context);
    fst_status status = fst_model_load(context, folder, NULL, &loaded);
    ck_assert_msg(status == bad->status && strstr(fst_last_error(), bad->text) &&
                      strstr(fst_last_error(), "heads.safetensors"),
                  "case %d: %d, %s", _i, (int)status, fst_last_error());
    ck_assert_ptr_null(loaded);
    ck_assert_int_eq(tiny_live_bytes(context), before);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

/* Every length at which the file can be cut off. */
START_TEST(torn_head_file)
{
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, FST_FAMILY_LLAMA, FST_F32, false);
    const char *folder = scratch_path(&place, "model");
    REQUIRE(fst_model_save(model, NULL, folder));
    char path[768];
    snprintf(path, sizeof path, "%s", scratch_path(&place, "model/heads.safetensors"));
    size_t size;
    char *bytes = scratch_read(path, &size);
    for (size_t length = 0; length < size; length += length < 1000 ? 97 : 331) {
        fst_model *loaded = NULL;
        scratch_write(path, bytes, length);
        ck_assert_int_ne(fst_model_load(context, folder, NULL, &loaded), FST_OK);
        ck_assert(strstr(fst_last_error(), "heads.safetensors"));
    }
    free(bytes);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("copies");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, copies_train_alike, 0, 8);
    tcase_add_test(cases, another_dtype);
    tcase_add_test(cases, mismatches);
    tcase_add_loop_test(cases, round_trip, 0, 4);
    tcase_add_loop_test(cases, bad_head_files, 0, (int)(sizeof bad_files / sizeof *bad_files));
    tcase_add_test(cases, torn_head_file);
    Suite *suite = suite_create("model copies");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
