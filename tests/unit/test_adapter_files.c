/* Adapters on disk: PEFT's directories, whole, damaged, and of settings that are not done here. */
#include "../support/adapted_model.h"

#include "../support/scratch.h"

static const adapted_subject *const gpt2 = &adapted_subjects[0], *const dora = &adapted_subjects[2],
                            *const llama = &adapted_subjects[3];

static fst_model *adapted(fst_context *context, const adapted_subject *s, const char *const *modules,
                          int64_t count)
{
    fst_model *model = adapted_trunk(context, s, 0);
    fst_adapter_options options = adapted_options(s);
    options.modules = modules;
    options.module_count = count;
    REQUIRE(fst_model_add_adapter(model, &options));
    adapted_stir(model);
    return model;
}

static void save(const fst_model *model, scratch *place, const char *name)
{
    REQUIRE(fst_model_save_adapter(model, scratch_path(place, name)));
}

/* A model from the same seed that reads what the first wrote computes the same bits, and writes the
 * same bytes. */
START_TEST(round_trip)
{
    static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors"};
    const adapted_subject *s = &adapted_subjects[_i];
    scratch place = scratch_create();
    fst_context *context = tiny_context(2);
    fst_model *model = adapted(context, s, NULL, 0), *other = adapted_trunk(context, s, 0);
    int64_t count;
    save(model, &place, "first");
    REQUIRE(fst_model_load_adapter(other, scratch_path(&place, "first")));
    save(other, &place, "second");
    float *a = adapted_logits(model, 2, 11, &count), *b = adapted_logits(other, 2, 11, &count);
    ck_assert(memcmp(a, b, (size_t)count * sizeof *a) == 0);
    for (int i = 0; i < 2; ++i) {
        char name[64];
        size_t first_size, second_size;
        snprintf(name, sizeof name, "first/%s", files[i]);
        char *first = scratch_read(scratch_path(&place, name), &first_size);
        snprintf(name, sizeof name, "second/%s", files[i]);
        char *second = scratch_read(scratch_path(&place, name), &second_size);
        ck_assert(first_size == second_size && memcmp(first, second, first_size) == 0);
        free(first), free(second);
    }
    /* A trained one is frozen beneath as a new one is. */
    fst_view view;
    ck_assert_int_eq(fst_model_gradient(other, "embedding.tokens.weight", &view), FST_ERR_STATE);
    ck_assert_int_eq(fst_model_load_adapter(other, scratch_path(&place, "first")), FST_ERR_STATE);
    free(a), free(b);
    fst_model_destroy(model);
    fst_model_destroy(other);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

static void refused(fst_model *model, scratch *place, const char *folder, fst_status expected,
                    const char *text)
{
    int64_t before, after;
    REQUIRE(fst_model_parameter_count(model, &before));
    fst_status status = fst_model_load_adapter(model, scratch_path(place, folder));
    ck_assert_msg(status == expected, "%s: %d, %s", folder, (int)status, fst_last_error());
    ck_assert_msg(strstr(fst_last_error(), text) != NULL, "\"%s\" is not in: %s", text,
                  fst_last_error());
    REQUIRE(fst_model_parameter_count(model, &after));
    ck_assert_int_eq(after, before);
    ck_assert_int_eq(fst_model_remove_adapter(model), FST_ERR_NOT_FOUND);
    fst_view view;
    REQUIRE(fst_model_gradient(model, "norm.weight", &view));
}

static void write_config(scratch *place, const char *folder, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    scratch_write(scratch_path(place, path), text, strlen(text));
}

START_TEST(other_tensors)
{
    static const char *const few[] = {"q_proj", "up_proj"};
    static const char few_config[] = "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 6, "
                                     "\"target_modules\": [\"q_proj\", \"up_proj\"]}";
    static const char more_config[] =
        "{\"peft_type\": \"LORA\", \"r\": 4, \"target_modules\": [\"q_proj\", \"k_proj\"]}";
    static const char rank_config[] =
        "{\"peft_type\": \"LORA\", \"r\": 5, \"target_modules\": [\"q_proj\", \"up_proj\"]}";
    static const char dora_config[] = "{\"peft_type\": \"LORA\", \"r\": 4, \"use_dora\": true, "
                                      "\"target_modules\": [\"q_proj\", \"up_proj\"]}";
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model *model = adapted(context, llama, few, 2), *all = adapted(context, llama, NULL, 0),
              *trunk = adapted_trunk(context, llama, 0);
    save(model, &place, "few");
    save(all, &place, "all");
    write_config(&place, "few", more_config);
    refused(trunk, &place, "few", FST_ERR_NOT_FOUND,
            "base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight");
    write_config(&place, "few", rank_config);
    refused(trunk, &place, "few", FST_ERR_MISMATCH,
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
    write_config(&place, "few", dora_config);
    refused(trunk, &place, "few", FST_ERR_NOT_FOUND, "q_proj.lora_magnitude_vector");
    write_config(&place, "all", few_config);
    refused(trunk, &place, "all", FST_ERR_MISMATCH, ".lora_");
    write_config(&place, "few", few_config);
    REQUIRE(fst_model_load_adapter(trunk, scratch_path(&place, "few")));
    fst_model_destroy(trunk);
    fst_model_destroy(all);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

START_TEST(other_settings)
{
    static const struct {
        const char *member, *named;
        fst_status status;
    } cases[] = {
        {"\"peft_type\": \"IA3\"", "peft_type", FST_ERR_UNSUPPORTED},
        {"\"peft_type\": null", "peft_type", FST_ERR_UNSUPPORTED},
        {"\"rank_pattern\": {\"c_attn\": 3}", "rank_pattern", FST_ERR_UNSUPPORTED},
        {"\"alpha_pattern\": {\"c_attn\": 3}", "alpha_pattern", FST_ERR_UNSUPPORTED},
        {"\"bias\": \"all\"", "bias", FST_ERR_UNSUPPORTED},
        {"\"lora_bias\": true", "lora_bias", FST_ERR_UNSUPPORTED},
        {"\"modules_to_save\": [\"lm_head\"]", "modules_to_save", FST_ERR_UNSUPPORTED},
        {"\"layers_to_transform\": [0]", "layers_to_transform", FST_ERR_UNSUPPORTED},
        {"\"init_lora_weights\": \"pissa\"", "init_lora_weights", FST_ERR_UNSUPPORTED},
        {"\"a_later_invention\": 3", "a_later_invention", FST_ERR_UNSUPPORTED},
        {"\"target_modules\": \".*attn.*\"", "target_modules", FST_ERR_UNSUPPORTED},
        {"\"target_modules\": [\"c_attn\", \"lm_head\"]", "lm_head", FST_ERR_UNSUPPORTED},
        {"\"target_modules\": null", "target_modules", FST_ERR_FORMAT},
        {"\"r\": 0", "\"r\"", FST_ERR_FORMAT},
        {"\"r\": \"four\"", "\"r\"", FST_ERR_FORMAT},
        {"\"lora_alpha\": -1", "lora_alpha", FST_ERR_FORMAT},
        {"\"lora_dropout\": 1", "lora_dropout", FST_ERR_FORMAT},
        {"\"use_dora\": 7", "use_dora", FST_ERR_FORMAT},
        {"\"r\": 4, \"r\": 4", "adapter_config.json", FST_ERR_FORMAT},
    };
    static const char *const defaults[][2] = {
        {"\"peft_type\"", "\"peft_type\": \"LORA\""},
        {"\"target_modules\"", "\"target_modules\": [\"c_attn\"]"},
    };
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model *trunk = adapted_trunk(context, gpt2, 0);
    refused(trunk, &place, "missing", FST_ERR_NOT_FOUND, "missing/adapter_config.json");
    ck_assert_int_eq(mkdir(scratch_path(&place, "x"), 0700), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char text[512];
        int used = snprintf(text, sizeof text, "{%s", cases[i].member);
        for (int k = 0; k < 2; ++k) {
            if (!strstr(cases[i].member, defaults[k][0]))
                used += snprintf(text + used, sizeof text - (size_t)used, ", %s", defaults[k][1]);
        }
        snprintf(text + used, sizeof text - (size_t)used, "}");
        write_config(&place, "x", text);
        refused(trunk, &place, "x", cases[i].status, cases[i].named);
    }
    write_config(&place, "x", "{\"peft_type\": \"LORA\", \"target_modules\": [\"c_attn\"]}");
    refused(trunk, &place, "x", FST_ERR_NOT_FOUND, "adapter_model.safetensors");
    fst_model_destroy(trunk);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

/* What is left off in PEFT's many words. */
START_TEST(harmless_settings)
{
    static const char text[] =
        "{\"alora_invocation_tokens\": null, \"alpha_pattern\": {}, \"bias\": \"none\","
        " \"base_model_name_or_path\": \"gpt2\", \"eva_config\": null, \"inference_mode\": true,"
        " \"init_lora_weights\": true, \"layer_replication\": null, \"loftq_config\": {},"
        " \"megatron_core\": \"megatron.core\", \"peft_type\": \"LORA\", \"peft_version\": \"9\","
        " \"qalora_group_size\": 16, \"r\": 4, \"rank_pattern\": {}, \"revision\": \"main\","
        " \"lora_alpha\": 6, \"target_modules\": \"all-linear\", \"task_type\": \"CAUSAL_LM\","
        " \"use_dora\": true, \"lora_bias\": false, \"trainable_token_indices\": null}";
    scratch place = scratch_create();
    fst_context *context = tiny_context(1);
    fst_model *model = adapted(context, dora, NULL, 0), *trunk = adapted_trunk(context, dora, 0);
    fst_adapter_options options;
    save(model, &place, "x");
    write_config(&place, "x", text);
    REQUIRE(fst_model_load_adapter(trunk, scratch_path(&place, "x")));
    REQUIRE(fst_model_get_adapter(trunk, &options, sizeof options));
    ck_assert(options.rank == 4 && options.alpha == 6 && options.dropout == 0);
    ck_assert_int_eq(options.weight_decomposed, 1);
    ck_assert_int_eq(options.module_count, 4);
    fst_model_destroy(trunk);
    fst_model_destroy(model);
    fst_context_destroy(context);
    scratch_destroy(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("adapter_files");
    TCase *tests = tcase_create("adapter_files");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, round_trip, 0, ADAPTED_SUBJECTS);
    tcase_add_test(tests, other_tensors);
    tcase_add_test(tests, other_settings);
    tcase_add_test(tests, harmless_settings);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
