/*
 * A host whose locale writes numbers with a decimal comma: what is written has the same bytes as in
 * the C locale, and what is read the same bits. torture_locale LOCALE
 */
#include "chains.h"

#include "fourstage/dataset.h"
#include "fourstage/env.h"
#include "fourstage/examples.h"
#include "fourstage/model.h"
#include "fourstage/pretrain.h"
#include "fourstage/tokenizer.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int failures;

static void check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s: %s\n", what, fst_last_error());
        ++failures;
    }
}

#define OK(call) check((call) == FST_OK, #call)

static fst_model_config odd_config(void)
{
    fst_model_config config;
    OK(fst_model_config_init(&config, sizeof config));
    OK(fst_model_config_set_family(&config, FST_FAMILY_LLAMA));
    config.vocabulary_size = 300;
    config.context_length = 32;
    config.layers = 1;
    config.width = 16;
    config.heads = 2;
    config.norm_epsilon = 1.2345e-5;
    config.rope_theta = 12345.678;
    config.rope_scaling = FST_ROPE_LLAMA3;
    config.rope_factor = 8.25;
    config.rope_original_context = 16;
    config.rope_low_frequency_factor = 1.5;
    config.rope_high_frequency_factor = 4.75;
    config.init_std = 0.0175;
    config.attention_dropout = 0.125;
    return config;
}

/* Pictures of all built-in environments, into one file beside the model's. */
static void draw_all(fst_context *context, const char *folder)
{
    int64_t count = 0;
    char path[512];
    snprintf(path, sizeof path, "%s/model/pictures", folder);
    FILE *file = fopen(path, "w");
    OK(fst_env_builtin_count(&count));
    for (int64_t i = 0; i < 2 * count; ++i) {
        const char *name = "", *text = "";
        fst_env *env = NULL;
        OK(fst_env_builtin_name(i / 2, &name));
        OK(fst_env_make(context, name, NULL, &env));
        OK(fst_env_reset(env, 1));
        OK(fst_env_render(env, 0, i % 2 ? FST_RENDER_SVG : FST_RENDER_TEXT, &text));
        check(file && fputs(text, file) >= 0, name);
        fst_env_destroy(env);
    }
    check(file && fclose(file) == 0, path);
}

/* Model, tokenizer, text with numbers, and a run's checkpoint, into `folder`. */
static void write_all(const char *folder)
{
    static const char text[] = "1.5 and 2,5 are numbers; 1e-3 is one too. 1.5 and 2,5 again.";
    const char *texts[] = {text};
    fst_context_options options = chain_options(1);
    fst_context *context = NULL;
    fst_model *model = NULL;
    fst_tokenizer *tokenizer = NULL;
    fst_dataset *dataset = NULL, *packed = NULL;
    fst_run *run = NULL;
    char path[512];
    fst_model_config config = odd_config();
    fst_pack_options pack;
    fst_pretrain_options pretrain;
    OK(fst_context_create(&options, &context));
    OK(fst_tokenizer_train_texts(context, texts, NULL, 1, NULL, &tokenizer));
    OK(fst_tokenizer_vocabulary_size(tokenizer, &config.vocabulary_size));
    OK(fst_model_create(context, &config, NULL, &model));
    OK(fst_dataset_from_texts(context, tokenizer, texts, NULL, 1, NULL, &dataset));
    OK(fst_pack_options_init(&pack, sizeof pack));
    pack.length = 8;
    OK(fst_dataset_pack(dataset, &pack, &packed));
    OK(fst_pretrain_options_init(&pretrain, sizeof pretrain));
    pretrain.model = model;
    pretrain.train = packed;
    pretrain.rows = 2;
    pretrain.label_smoothing = 0.05;
    OK(fst_pretrain_create(&pretrain, &run));
    OK(fst_run_until(run, 2));
    snprintf(path, sizeof path, "%s/model", folder);
    OK(fst_model_save(model, tokenizer, path));
    draw_all(context, folder);
    /* Times differ from run to run, so the checkpoint is not compared, but read back. */
    snprintf(path, sizeof path, "%s/run.safetensors", folder);
    OK(fst_run_save(run, path));
    OK(fst_run_resume(run, path));
    fst_run_destroy(run);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(dataset);
    fst_model_destroy(model);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
}

/* Labels as numbers, as texts, and in a list of names. */
static void read_labels(fst_context *context, const fst_tokenizer *tokenizer, const char *folder)
{
    static const char *const fields[] = {"a", "b", "c"}, *const values[] = {NULL, NULL, "x=0.375,*=-2.5"};
    fst_dataset *dataset = NULL;
    fst_example_options options;
    fst_example example = {0};
    char path[512];
    const char *paths[] = {path};
    snprintf(path, sizeof path, "%s/labels.jsonl", folder);
    FILE *file = fopen(path, "w");
    check(file && fputs("{\"text\": \"t\", \"a\": 1.5e-1, \"b\": \"2.25\", \"c\": \"x\"}\n", file) >= 0 &&
              fclose(file) == 0,
          path);
    OK(fst_example_options_init(&options, sizeof options));
    options.kind = FST_EXAMPLES_LABELLED;
    options.label_fields = fields;
    options.label_values = values;
    options.label_count = 3;
    OK(fst_dataset_load_examples(context, tokenizer, paths, 1, &options, &dataset));
    if (dataset)
        OK(fst_dataset_get_example(dataset, 0, 0, &example, sizeof example));
    check(example.labels && example.labels[0] == 0.15f && example.labels[1] == 2.25f &&
              example.labels[2] == 0.375f,
          "labels");
    fst_dataset_destroy(dataset);
}

static void read_all(const char *folder)
{
    fst_context_options options = chain_options(1);
    fst_context *context = NULL;
    fst_model *model = NULL;
    fst_tokenizer *tokenizer = NULL;
    fst_model_config config, expected = odd_config();
    char path[512];
    snprintf(path, sizeof path, "%s/model", folder);
    OK(fst_context_create(&options, &context));
    OK(fst_model_load(context, path, NULL, &model));
    OK(fst_tokenizer_load(context, path, &tokenizer));
    OK(fst_model_get_config(model, &config, sizeof config));
    check(config.norm_epsilon == expected.norm_epsilon, "norm_epsilon");
    check(config.rope_theta == expected.rope_theta, "rope_theta");
    check(config.rope_factor == expected.rope_factor, "rope_factor");
    check(config.rope_low_frequency_factor == expected.rope_low_frequency_factor, "rope low");
    check(config.rope_high_frequency_factor == expected.rope_high_frequency_factor, "rope high");
    check(config.init_std == expected.init_std, "init_std");
    check(config.attention_dropout == expected.attention_dropout, "attention_dropout");
    read_labels(context, tokenizer, folder);
    fst_model_destroy(model);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
}

static void same_bytes(const char *one, const char *other, const char *name)
{
    char paths[2][600];
    snprintf(paths[0], sizeof paths[0], "%s/model/%s", one, name);
    snprintf(paths[1], sizeof paths[1], "%s/model/%s", other, name);
    FILE *files[2] = {fopen(paths[0], "rb"), fopen(paths[1], "rb")};
    int equal = files[0] && files[1];
    for (int a = 0, b = 0; equal && a != EOF;) {
        a = getc(files[0]);
        b = getc(files[1]);
        equal = a == b;
    }
    check(equal, name);
    for (int i = 0; i < 2; ++i)
        if (files[i])
            fclose(files[i]);
}

int main(int argument_count, char **arguments)
{
    char folder[256], plain[300], comma[300];
    chain_folder_make(folder);
    snprintf(plain, sizeof plain, "%s/plain", folder);
    snprintf(comma, sizeof comma, "%s/comma", folder);
    mkdir(plain, 0700);
    mkdir(comma, 0700);
    write_all(plain);
    read_all(plain);
    if (argument_count < 2 || !setlocale(LC_ALL, arguments[1])) {
        printf("no locale %s\n", argument_count < 2 ? "given" : arguments[1]);
        chain_folder_remove(folder);
        return 77;
    }
    char number[16];
    snprintf(number, sizeof number, "%.1f", 1.5);
    check(strcmp(number, "1,5") == 0, "this locale has no decimal comma");
    write_all(comma);
    read_all(comma);
    read_all(plain);
    snprintf(number, sizeof number, "%.1f", 1.5);
    check(strcmp(number, "1,5") == 0, "the library changed the locale");
    static const char *const names[] = {"config.json", "model.safetensors", "tokenizer.json",
                                        "tokenizer_config.json", "pictures"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        same_bytes(plain, comma, names[i]);
    chain_folder_remove(folder);
    return failures ? 1 : 0;
}
