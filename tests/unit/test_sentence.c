/* Names of a head's outputs, and how embeddings are made: what is refused, copies, directories. */
#include "../support/headed_model.h"
#include "../support/scratch.h"

#include <sys/stat.h>

static fst_model *make(fst_context *context)
{
    fst_model_config config = tiny_config(FST_FAMILY_GPT2);
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    headed_add(model, 0);
    return model;
}

static void check_label(fst_model *model, const char *head, int64_t index, const char *expected)
{
    const char *label;
    REQUIRE(fst_model_get_label(model, head, index, &label));
    if (expected)
        ck_assert_str_eq(label, expected);
    else
        ck_assert_ptr_null(label);
}

START_TEST(labels)
{
    static const char *const names[] = {"good", "so \"so\"", "schlecht \xc3\xbc"};
    const char *same[] = {"a", "b", "a"}, *missing[] = {"a", NULL, "b"}, *label;
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model *model = make(context), *copy, *loaded;
    const char *folder = scratch_path(&place, "model");
    check_label(model, "mean", 0, NULL);
    ck_assert_int_eq(fst_model_set_labels(model, "none", names, 3), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_model_set_labels(model, "mean", names, 2), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_model_set_labels(model, "mean", same, 3), FST_ERR_INVALID_ARGUMENT);
    ck_assert(strstr(fst_last_error(), "\"a\""));
    ck_assert_int_eq(fst_model_set_labels(model, "mean", missing, 3), FST_ERR_INVALID_ARGUMENT);
    check_label(model, "mean", 1, NULL);
    REQUIRE(fst_model_set_labels(model, "mean", names, 3));
    ck_assert_int_eq(fst_model_get_label(model, "mean", 3, &label), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_model_get_label(model, "mean", -1, &label), FST_ERR_INVALID_ARGUMENT);
    REQUIRE(fst_model_copy(model, NULL, &copy));
    REQUIRE(fst_model_save(model, NULL, folder));
    REQUIRE(fst_model_load(context, folder, NULL, &loaded));
    REQUIRE(fst_model_set_labels(model, "mean", NULL, 0));
    check_label(model, "mean", 1, NULL);
    for (int64_t i = 0; i < 3; ++i) {
        check_label(copy, "mean", i, names[i]);
        check_label(loaded, "mean", i, names[i]);
    }
    check_label(loaded, "tags", 0, NULL);
    fst_model_destroy(loaded);
    fst_model_destroy(copy);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

START_TEST(sentences)
{
    static const int32_t poolings[] = {FST_POOL_LAST, FST_POOL_FIRST, FST_POOL_MEAN, FST_POOL_MAX};
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model *model = make(context), *copy, *loaded;
    fst_sentence_options options, found;
    const char *folder = scratch_path(&place, "model");
    REQUIRE(fst_sentence_options_init(&options, sizeof options));
    ck_assert_int_eq(fst_model_get_sentence(model, &found, sizeof found), FST_ERR_NOT_FOUND);
    options.pooling = poolings[_i];
    options.normalize = _i & 1;
    options.length = _i & 2 ? 12 : 0;
    REQUIRE(fst_model_set_sentence(model, &options));
    REQUIRE(fst_model_copy(model, NULL, &copy));
    REQUIRE(fst_model_save(copy, NULL, folder));
    REQUIRE(fst_model_load(context, folder, NULL, &loaded));
    REQUIRE(fst_model_get_sentence(loaded, &found, sizeof found));
    ck_assert_int_eq(found.pooling, options.pooling);
    ck_assert_int_eq(found.normalize, options.normalize);
    fst_model_config config;
    REQUIRE(fst_model_get_config(model, &config, sizeof config));
    ck_assert_int_eq(found.length, options.length ? options.length : config.context_length);
    REQUIRE(fst_model_set_sentence(loaded, NULL));
    ck_assert_int_eq(fst_model_get_sentence(loaded, &found, sizeof found), FST_ERR_NOT_FOUND);
    REQUIRE(fst_model_save(loaded, NULL, folder));
    fst_model_destroy(loaded);
    REQUIRE(fst_model_load(context, folder, NULL, &loaded));
    ck_assert_int_eq(fst_model_get_sentence(loaded, &found, sizeof found), FST_ERR_NOT_FOUND);
    options.pooling = FST_POOL_POOLER;
    ck_assert_int_eq(fst_model_set_sentence(model, &options), FST_ERR_INVALID_ARGUMENT);
    options.pooling = FST_POOL_MEAN;
    options.length = config.context_length + 1;
    ck_assert_int_eq(fst_model_set_sentence(model, &options), FST_ERR_INVALID_ARGUMENT);
    options.length = 0;
    options.normalize = 2;
    ck_assert_int_eq(fst_model_set_sentence(model, &options), FST_ERR_INVALID_ARGUMENT);
    fst_model_destroy(loaded);
    fst_model_destroy(copy);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

#define MODULE(type, path) "{\"type\":\"sentence_transformers.models." type "\",\"path\":\"" path "\"}"
#define POOLING MODULE("Pooling", "1_Pooling")

static const struct directory {
    const char *modules, *pooling; /* NULL: no such file */
    int32_t expected;              /* FST_POOL_ value, FST_ERR_ value, or 99: a model without */
} directories[] = {
    {"[" MODULE("Transformer", "") "," POOLING "]", "{\"pooling_mode_cls_token\":true}",
     FST_POOL_FIRST},
    {"[" POOLING "]", "{\"embedding_dimension\":32,\"pooling_mode\":\"mean\"}", FST_POOL_MEAN},
    {"[" POOLING "]", "{\"pooling_mode\":\"median\"}", 99},
    {"[" POOLING "]", "{\"pooling_mode_max_tokens\":true,\"pooling_mode_cls_token\":true}", 99},
    {"[" POOLING "," MODULE("Dense", "2_Dense") "]", "{\"pooling_mode_max_tokens\":true}", 99},
    {"[" MODULE("Transformer", "") "]", NULL, 99},
    {"[" MODULE("Pooling", "../1_Pooling") "]", "{\"pooling_mode_cls_token\":true}", 99},
    {"{}", NULL, FST_ERR_FORMAT},
    {"[1]", NULL, FST_ERR_FORMAT},
    {"[{\"path\":\"\"}]", NULL, FST_ERR_FORMAT},
    {"[" POOLING "]", NULL, FST_ERR_NOT_FOUND},
    {"[" POOLING "]", "[", FST_ERR_FORMAT},
};

START_TEST(sentence_files)
{
    const struct directory *d = &directories[_i];
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model *model = make(context), *loaded = NULL;
    fst_sentence_options found;
    const char *folder = scratch_path(&place, "model");
    REQUIRE(fst_model_save(model, NULL, folder));
    scratch_write(scratch_path(&place, "model/modules.json"), d->modules, strlen(d->modules));
    ck_assert_int_eq(mkdir(scratch_path(&place, "model/1_Pooling"), 0777), 0);
    if (d->pooling)
        scratch_write(scratch_path(&place, "model/1_Pooling/config.json"), d->pooling,
                      strlen(d->pooling));
    int64_t before = tiny_live_bytes(context);
    fst_status status = fst_model_load(context, scratch_path(&place, "model"), NULL, &loaded);
    ck_assert_msg(status == (d->expected < 0 ? d->expected : FST_OK), "case %d: %d, %s", _i,
                  (int)status, fst_last_error());
    if (status) {
        ck_assert(strstr(fst_last_error(), d->pooling || status == FST_ERR_NOT_FOUND
                                               ? "1_Pooling" : "modules.json"));
        ck_assert_ptr_null(loaded);
        ck_assert_int_eq(tiny_live_bytes(context), before);
    } else if (d->expected == 99) {
        ck_assert_int_eq(fst_model_get_sentence(loaded, &found, sizeof found), FST_ERR_NOT_FOUND);
    } else {
        REQUIRE(fst_model_get_sentence(loaded, &found, sizeof found));
        ck_assert_int_eq(found.pooling, d->expected);
        ck_assert_int_eq(found.normalize, 0);
    }
    fst_model_destroy(loaded);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("labels and sentences");
    TCase *cases = tcase_create("files");
    tcase_add_test(cases, labels);
    tcase_add_loop_test(cases, sentences, 0, 4);
    tcase_add_loop_test(cases, sentence_files, 0,
                        (int)(sizeof directories / sizeof *directories));
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
