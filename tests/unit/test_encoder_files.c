/* Directories of encoders: the class that a model's heads make it, what comes back, and what is
 * refused. tests/parity/parity_encoder.py has transformers read and write them. */
#include "../support/headed_model.h"
#include "../support/scratch.h"

typedef struct subject {
    const char *class_name;
    int32_t family, masked, untied;
    int32_t kind; /* FST_HEAD_ value of "classifier"; -1: none; -2: a sequence head of no class */
    int32_t aside; /* there is a heads.safetensors */
} subject;

static const subject subjects[] = {
    {"BertModel", FST_FAMILY_BERT, 0, 0, -1, 0},
    {"BertForMaskedLM", FST_FAMILY_BERT, 1, 1, -1, 1}, /* the pooler has no place there */
    {"BertForSequenceClassification", FST_FAMILY_BERT, 0, 0, FST_HEAD_SEQUENCE, 0},
    {"BertForSequenceClassification", FST_FAMILY_BERT, 1, 1, FST_HEAD_SEQUENCE, 1},
    {"BertForTokenClassification", FST_FAMILY_BERT, 1, 0, FST_HEAD_TOKEN, 1},
    {"BertModel", FST_FAMILY_BERT, 0, 0, -2, 1},
    {"RobertaModel", FST_FAMILY_ROBERTA, 0, 0, -1, 0},
    {"RobertaForSequenceClassification", FST_FAMILY_ROBERTA, 1, 0, FST_HEAD_SEQUENCE, 1},
    {"RobertaForTokenClassification", FST_FAMILY_ROBERTA, 1, 1, FST_HEAD_TOKEN, 1},
    {"ModernBertModel", FST_FAMILY_MODERNBERT, 0, 0, -1, 0},
    {"ModernBertForMaskedLM", FST_FAMILY_MODERNBERT, 1, 1, -1, 0},
    {"ModernBertForSequenceClassification", FST_FAMILY_MODERNBERT, 0, 0, FST_HEAD_SEQUENCE, 0},
    {"ModernBertForTokenClassification", FST_FAMILY_MODERNBERT, 1, 1, FST_HEAD_TOKEN, 1},
};

static void add_classifier(fst_model *model, const subject *s)
{
    static const char *const labels[] = {"no", "perhaps", "yes"};
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "classifier";
    head.outputs = 3;
    head.dropout = 0.25;
    head.kind = s->kind == FST_HEAD_TOKEN ? FST_HEAD_TOKEN : FST_HEAD_SEQUENCE;
    if (s->kind == -2)
        head.pooling = FST_POOL_MEAN;
    else if (s->kind == FST_HEAD_SEQUENCE)
        head.pooling = s->family == FST_FAMILY_BERT ? FST_POOL_POOLER : FST_POOL_FIRST;
    head.hidden_layers = s->family == FST_FAMILY_MODERNBERT ||
                         (s->family == FST_FAMILY_ROBERTA && s->kind == FST_HEAD_SEQUENCE);
    head.activation = FST_ACTIVATION_TANH;
    head.layer_norm = s->family == FST_FAMILY_MODERNBERT;
    REQUIRE(fst_model_add_head(model, &head));
    REQUIRE(fst_model_set_labels(model, "classifier", labels, 3));
}

static fst_model *make(fst_context *context, const subject *s)
{
    fst_model_config config = tiny_config(s->family);
    config.kv_heads = 4;
    config.head_transform = config.head_bias = s->masked;
    config.tied = !s->untied;
    config.window = s->family == FST_FAMILY_MODERNBERT ? 8 : 0;
    config.local_rope_theta = s->family == FST_FAMILY_MODERNBERT ? 500 : 0;
    config.dropout = 0.125;
    config.pad_id = 1;
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    if (s->kind != -1)
        add_classifier(model, s);
    int64_t count;
    REQUIRE(fst_model_parameter_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_view view;
        REQUIRE(fst_model_parameter(model, headed_name(model, i), &view));
        for (int64_t j = 0; j < headed_size(&view); ++j)
            ((float *)view.data)[j] += 0.05f * sinf((float)(5 * i + j));
    }
    return model;
}

static void check_same(fst_model *a, fst_model *b)
{
    int64_t count, other;
    fst_model_config x, y;
    REQUIRE(fst_model_get_config(a, &x, sizeof x));
    REQUIRE(fst_model_get_config(b, &y, sizeof y));
    if (x.family != FST_FAMILY_MODERNBERT) /* their rotary fields are of no use and not in the file */
        y.rope_original_context = x.rope_original_context;
    ck_assert_mem_eq(&x, &y, sizeof x);
    REQUIRE(fst_model_parameter_count(a, &count));
    REQUIRE(fst_model_parameter_count(b, &other));
    ck_assert_int_eq(count, other);
    for (int64_t i = 0; i < count; ++i) {
        fst_view left, right;
        ck_assert_str_eq(headed_name(a, i), headed_name(b, i));
        REQUIRE(fst_model_parameter(a, headed_name(a, i), &left));
        REQUIRE(fst_model_parameter(b, headed_name(a, i), &right));
        ck_assert_msg(memcmp(left.data, right.data, (size_t)headed_size(&left) * sizeof(float)) == 0,
                      "%s", headed_name(a, i));
    }
}

static bool contains(const char *path, const char *text)
{
    size_t size;
    char *bytes = scratch_read(path, &size);
    bool found = false;
    for (size_t i = 0; i + strlen(text) <= size && !found; ++i)
        found = memcmp(bytes + i, text, strlen(text)) == 0;
    free(bytes);
    return found;
}

START_TEST(round_trips)
{
    const subject *s = &subjects[_i];
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, s), *loaded;
    char quoted[64];
    REQUIRE(fst_model_save(model, NULL, scratch_path(&place, "model")));
    snprintf(quoted, sizeof quoted, "\"%s\"", s->class_name);
    ck_assert_msg(contains(scratch_path(&place, "model/config.json"), quoted), "%s", quoted);
    ck_assert_int_eq(access(scratch_path(&place, "model/heads.safetensors"), F_OK) == 0, s->aside);
    REQUIRE(fst_model_load(context, scratch_path(&place, "model"), NULL, &loaded));
    check_same(model, loaded);
    REQUIRE(fst_model_copy_weights(loaded, model));
    if (s->kind != -1) {
        fst_head_options head;
        const char *label;
        REQUIRE(fst_model_get_head(loaded, 0, &head, sizeof head));
        ck_assert(head.dropout == 0.25 && head.outputs == 3);
        REQUIRE(fst_model_get_label(loaded, "classifier", 1, &label));
        ck_assert_str_eq(label, "perhaps");
    }
    fst_model_destroy(loaded);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

/* One member of config.json or one tensor's name is another, of the same length. */
static const struct change {
    const char *file, *from, *to;
    fst_status status;
    const char *text; /* the error names */
} changes[] = {
    {"config.json", "\"absolute\"", "\"relative\"", FST_ERR_UNSUPPORTED, "position_embedding_type"},
    {"config.json", "\"gelu\"", "\"mish\"", FST_ERR_UNSUPPORTED, "hidden_act"},
    {"config.json", "\"2\": \"yes\"", "\"3\": \"yes\"", FST_ERR_FORMAT, "\"2\""},
    {"config.json", "\"id2label\"", "\"id3label\"", FST_OK, ""},
    {"config.json", "\"1\": \"perhaps\"", "\"1\":\"no\",\"4\":1", FST_ERR_MISMATCH, "id2label"},
    {"config.json", "\"perhaps\",", "   \"no\"  ,", FST_ERR_INVALID_ARGUMENT, "\"no\""},
    {"config.json", "\"hidden_size\": 32", "\"hidden_size\": 36", FST_ERR_MISMATCH, "embeddings"},
    {"config.json", "\"type_vocab_size\": 2", "\"type_vocab_size\": 3", FST_ERR_MISMATCH,
     "token_type"},
    {"heads.safetensors", "\\\"outputs\\\":3", "\\\"outputs\\\":9", FST_ERR_MISMATCH,
     "\"classifier\""},
    {"heads.safetensors", "head.norm.bias", "head.norm.bios", FST_ERR_MISMATCH, "tensors"},
    {"model.safetensors", "pooler.dense.weight", "booler.dense.weight", FST_ERR_FORMAT, "pooling"},
    {"model.safetensors", "classifier.bias", "classifier.bios", FST_ERR_NOT_FOUND,
     "classifier.bias"},
    {"model.safetensors", "layer.1.output.dense.bias", "layer.7.output.dense.bias",
     FST_ERR_NOT_FOUND, "layer.1.output.dense.bias"},
};

START_TEST(bad_directories)
{
    const struct change *c = &changes[_i];
    const subject s = {"", FST_FAMILY_BERT, 1, 0, FST_HEAD_SEQUENCE, 1};
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model *model = make(context, &s), *loaded = NULL;
    char path[64];
    size_t size;
    snprintf(path, sizeof path, "model/%s", c->file);
    REQUIRE(fst_model_save(model, NULL, scratch_path(&place, "model")));
    char *bytes = scratch_read(scratch_path(&place, path), &size), *at = NULL;
    for (size_t i = 0; i + strlen(c->from) <= size && !at; ++i)
        at = memcmp(bytes + i, c->from, strlen(c->from)) == 0 ? bytes + i : NULL;
    ck_assert_msg(at != NULL, "%s lacks %s", c->file, c->from);
    ck_assert_uint_eq(strlen(c->from), strlen(c->to));
    memcpy(at, c->to, strlen(c->to));
    scratch_write(scratch_path(&place, path), bytes, size);
    free(bytes);
    int64_t before = tiny_live_bytes(context);
    fst_status status = fst_model_load(context, scratch_path(&place, "model"), NULL, &loaded);
    ck_assert_msg(status == c->status && (!status || strstr(fst_last_error(), c->text)),
                  "case %d: %d, %s", _i, (int)status, fst_last_error());
    if (status)
        ck_assert_int_eq(tiny_live_bytes(context), before);
    fst_model_destroy(loaded);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

/* Switches that no class of the family has. */
START_TEST(unsupported_switches)
{
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    for (int i = 0; i < 5; ++i) {
        static const char *const fields[] = {"causal", "post_norm", "token_types", "kv_heads",
                                             "position_offset"};
        fst_model_config config = tiny_config(FST_FAMILY_BERT);
        fst_model *model;
        config.kv_heads = i == 3 ? 2 : 4;
        config.causal = i == 0;
        config.post_norm = i != 1;
        config.token_types = i == 2 ? 0 : 2;
        config.position_offset = i == 4;
        REQUIRE(fst_model_create(context, &config, NULL, &model));
        ck_assert_int_eq(fst_model_save(model, NULL, scratch_path(&place, "model")),
                         FST_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(fst_last_error(), fields[i]), "%s: %s", fields[i], fst_last_error());
        fst_model_destroy(model);
    }
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directories of encoders");
    TCase *cases = tcase_create("files");
    tcase_add_loop_test(cases, round_trips, 0, (int)(sizeof subjects / sizeof *subjects));
    tcase_add_loop_test(cases, bad_directories, 0, (int)(sizeof changes / sizeof *changes));
    tcase_add_test(cases, unsupported_switches);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
