/*
 * Reward models from their files, end to end: reads a data set, trains a tokenizer and a small model on
 * the texts of its training part, then the scores, and prints held-out figures beside their baselines.
 *
 *     reward_data FOLDER hh|oasst|topicalchat|vader [PRETRAINING_STEPS [STEPS [SEED]]]
 */
#include "fourstage/fourstage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != FST_OK) {                                                                    \
            fprintf(stderr, "%s: %s\n", #call, fst_last_error());                                  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { VOCABULARY = 4096, LENGTH = 256, WIDTH = 128, LAYERS = 4, SKIPPED = 77 };

typedef struct task {
    const char *name;
    const char *files[3];
    int32_t objective;
    int64_t aspects;
    const char *aspect_names[3];
    int64_t pretraining_steps, steps, rows, accumulation;
    double learning_rate;
} task;

static const task tasks[] = {
    {"hh", {"preference/hh-helpful-base.jsonl.gz"}, FST_REWARD_PAIRWISE, 0, {0}, 600, 240, 8, 2, 2e-4},
    {"oasst", {"preference/oasst-zh-ranked.json"}, FST_REWARD_PAIRWISE, 0, {0}, 400, 160, 4, 2, 2e-4},
    {"topicalchat",
     {"grades/topicalchat/valid_freq.json.gz"},
     FST_REWARD_GRADED,
     3,
     {"satisfaction (1 to 5)", "informative (0 or 1)", "sentiment (-1 to 1)"},
     400,
     600,
     16,
     1,
     5e-4},
    {"vader",
     {"grades/vader/tweets_GroundTruth.txt", "grades/vader/amazonReviewSnippets_GroundTruth.txt",
      "grades/vader/nytEditorialSnippets_GroundTruth.txt"},
     FST_REWARD_GRADED,
     1,
     {"sentiment (-4 to 4)"},
     400,
     800,
     32,
     1,
     5e-4},
};

static const task *find_task(const char *name)
{
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; ++i) {
        if (strcmp(tasks[i].name, name) == 0)
            return &tasks[i];
    }
    return NULL;
}

/* ---- data ---- */

static void set_layout(const task *t, fst_example_options *o)
{
    static const char *const fields[] = {"turn_rating", "knowledge_source", "sentiment"};
    static const char *const values[] = {
        "Poor=1,Not Good=2,Passable=3,Good=4,Excellent=5", "Personal Knowledge=0,*=1",
        "Happy=1,Curious to dive deeper=1,Surprised=1,Neutral=0,*=-1"};
    static const char *const grade[] = {"1"};
    OK(fst_example_options_init(o, sizeof *o));
    o->max_length = LENGTH;
    o->too_long = FST_TOO_LONG_CUT_START;
    o->drop_useless = 1;
    o->kind = t->aspects ? FST_EXAMPLES_LABELLED : FST_EXAMPLES_PREFERENCES;
    o->label_count = t->aspects;
    if (t->aspects == 3) {
        o->records = "*.content.*";
        o->text_field = "message";
        o->label_fields = fields;
        o->label_values = values;
        o->history = 2;
    } else if (t->aspects == 1) {
        o->format = FST_FORMAT_TSV;
        o->text_field = "2";
        o->label_fields = grade;
    }
}

/* Four fifths to train; topicalchat's turns by their place in the file, so that a dialogue stays whole
 * but for the one at the border. */
static void load(fst_context *context, const fst_tokenizer *tokenizer, const task *t,
                 const char *folder, int64_t max_length, fst_dataset **train,
                 fst_dataset **validation)
{
    char paths[3][600];
    const char *list[3];
    int64_t count = 0;
    for (; count < 3 && t->files[count]; ++count) {
        snprintf(paths[count], sizeof paths[count], "%s/%s", folder, t->files[count]);
        list[count] = paths[count];
    }
    fst_example_options options;
    set_layout(t, &options);
    options.max_length = max_length;
    fst_split_options split;
    OK(fst_split_options_init(&split, sizeof split));
    split.mode = t->aspects == 3 ? FST_SPLIT_TAIL : FST_SPLIT_DOCUMENTS;
    split.fraction = 0.2;
    fst_dataset *all;
    OK(fst_dataset_load_examples(context, tokenizer, list, count, &options, &all));
    OK(fst_dataset_split(all, &split, train, validation));
    fst_dataset_destroy(all);
}

static fst_tokenizer *make_tokenizer(fst_context *context, const char *const *texts, int64_t count,
                                     int32_t vocabulary)
{
    static const char *const special[] = {"<|endoftext|>"};
    fst_tokenizer_train_options options;
    fst_tokenizer *tokenizer;
    OK(fst_tokenizer_train_options_init(&options, sizeof options));
    options.special_tokens = special;
    options.special_token_count = 1;
    options.vocabulary_size = vocabulary;
    OK(fst_tokenizer_train_texts(context, texts, NULL, (size_t)count, &options, &tokenizer));
    OK(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_EOS, 0));
    return tokenizer;
}

/* The texts that stand in the training part, read back from the ids of single bytes. */
static char **texts_of(const fst_tokenizer *bytes, const fst_dataset *train, int64_t *count)
{
    fst_examples_info info;
    OK(fst_dataset_get_examples_info(train, &info, sizeof info));
    char **texts = calloc((size_t)info.sequences, sizeof *texts);
    *count = 0;
    for (int64_t i = 0; i < info.examples; ++i) {
        fst_example e;
        int64_t s = 0;
        do {
            OK(fst_dataset_get_example(train, i, s, &e, sizeof e));
            size_t length, room = (size_t)e.length * 16 + 1;
            char *text = malloc(room);
            OK(fst_tokenizer_decode(bytes, e.ids, (size_t)e.length, 1, text, room, &length));
            texts[(*count)++] = text;
        } while (++s < e.sequences);
    }
    return texts;
}

/* ---- the model ---- */

static fst_model *pretrain(fst_context *context, const fst_tokenizer *tokenizer,
                           const char *const *texts, int64_t count, int64_t steps)
{
    fst_model_config config;
    OK(fst_model_config_init(&config, sizeof config));
    OK(fst_model_config_set_family(&config, FST_FAMILY_LLAMA));
    config.vocabulary_size = VOCABULARY;
    config.context_length = LENGTH;
    config.layers = LAYERS;
    config.width = WIDTH;
    config.heads = config.kv_heads = 4;
    config.hidden_size = 3 * WIDTH;
    config.dropout = 0.1;
    fst_model *model;
    OK(fst_model_create(context, &config, NULL, &model));
    if (!steps)
        return model;
    fst_dataset *dataset, *packed;
    OK(fst_dataset_from_texts(context, tokenizer, texts, NULL, count, NULL, &dataset));
    fst_pack_options pack;
    OK(fst_pack_options_init(&pack, sizeof pack));
    pack.length = LENGTH;
    OK(fst_dataset_pack(dataset, &pack, &packed));
    fst_optimizer_options optimizer_options;
    OK(fst_optimizer_options_init(&optimizer_options, sizeof optimizer_options));
    optimizer_options.learning_rate = 2e-3;
    optimizer_options.schedule = FST_SCHEDULE_COSINE;
    optimizer_options.warmup_steps = 40;
    optimizer_options.total_steps = steps;
    fst_optimizer *optimizer;
    OK(fst_optimizer_create(model, &optimizer_options, &optimizer));
    fst_run_options run_options;
    OK(fst_run_options_init(&run_options, sizeof run_options));
    run_options.total_steps = steps;
    fst_pretrain_options options;
    OK(fst_pretrain_options_init(&options, sizeof options));
    options.model = model;
    options.optimizer = optimizer;
    options.train = packed;
    options.run = &run_options;
    fst_run *run;
    OK(fst_pretrain_create(&options, &run));
    OK(fst_run_until(run, 0));
    double loss;
    OK(fst_run_metric(run, "loss", &loss));
    printf("pretrained %lld steps, loss %.3f\n", (long long)steps, loss);
    fst_run_destroy(run);
    fst_optimizer_destroy(optimizer);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(dataset);
    return model;
}

/* ---- scores ---- */

static double metric(const fst_run *run, const char *name, int64_t aspect)
{
    char full[64];
    double value;
    snprintf(full, sizeof full, aspect < 0 ? "%s" : "%s_%lld", name, (long long)aspect);
    OK(fst_run_metric(run, full, &value));
    return value;
}

static void print_figures(const task *t, const fst_run *run, const char *when)
{
    printf("%-7s validation loss %.4f", when, metric(run, "validation_loss", -1));
    if (!t->aspects)
        printf(", accuracy %.4f (the longer wins: %.4f), margin %.3f, mean %.3f, calibration error %.3f",
               metric(run, "validation_accuracy", -1), metric(run, "validation_length_baseline", -1),
               metric(run, "validation_margin", -1), metric(run, "validation_reward_mean", -1),
               metric(run, "validation_calibration", -1));
    printf("\n");
    for (int64_t a = 0; a < t->aspects; ++a)
        printf("        %-24s pearson %.3f, spearman %.3f, squared error %.4f (the mean: %.4f)\n",
               t->aspect_names[a], metric(run, "validation_pearson", a),
               metric(run, "validation_spearman", a), metric(run, "validation_error", a),
               metric(run, "validation_baseline", a));
}

/* Scores of all texts for one aspect. */
static float *score_texts(fst_model *model, int64_t aspect, const fst_dataset *dataset, int64_t count)
{
    const int32_t **ids = calloc((size_t)count, sizeof *ids);
    int64_t *none = calloc((size_t)count, sizeof *none), *lengths = calloc((size_t)count, sizeof *lengths);
    float *scores = calloc((size_t)count, sizeof *scores);
    fst_reward_head_options head;
    OK(fst_reward_head_options_init(&head, sizeof head));
    head.output = aspect;
    fst_reward_model *rm;
    OK(fst_reward_model_from_model(model, NULL, &head, &rm));
    for (int64_t i = 0; i < count; ++i) {
        fst_example e;
        OK(fst_dataset_get_example(dataset, i, 0, &e, sizeof e));
        ids[i] = e.ids;
        lengths[i] = e.length;
    }
    OK(fst_reward_model_score_ids(rm, ids, none, ids, lengths, count, scores));
    fst_reward_model_destroy(rm);
    free(lengths);
    free(none);
    free(ids);
    return scores;
}

/* Shares that are right: rounding the score to the nearest label, and always saying the most frequent. */
static void print_majority(const task *t, const fst_dataset *train, const fst_dataset *validation,
                           fst_model *model)
{
    enum { FROM = -1, VALUES = 7 };
    fst_examples_info before, info;
    OK(fst_dataset_get_examples_info(train, &before, sizeof before));
    OK(fst_dataset_get_examples_info(validation, &info, sizeof info));
    for (int64_t a = 0; a < t->aspects && t->aspects > 1; ++a) {
        int64_t counts[VALUES] = {0}, best = 0, right = 0, present = 0, rounded = 0;
        fst_example e;
        for (int64_t i = 0; i < before.examples; ++i) {
            OK(fst_dataset_get_example(train, i, 0, &e, sizeof e));
            if (!isnan(e.labels[a]))
                counts[(int)e.labels[a] - FROM]++;
        }
        for (int64_t v = 0; v < VALUES; ++v)
            best = counts[v] > counts[best] ? v : best;
        float *scores = score_texts(model, a, validation, info.examples);
        for (int64_t i = 0; i < info.examples; ++i) {
            OK(fst_dataset_get_example(validation, i, 0, &e, sizeof e));
            if (isnan(e.labels[a]))
                continue;
            present += 1;
            right += (int64_t)e.labels[a] - FROM == best;
            rounded += lroundf(scores[i]) == lroundf(e.labels[a]);
        }
        printf("        %-24s rounded to a label %.4f right (the most frequent: %.4f)\n",
               t->aspect_names[a], (double)rounded / (double)present, (double)right / (double)present);
        free(scores);
    }
}

static void train_scores(const task *t, fst_model *model, const fst_dataset *train,
                         const fst_dataset *validation, int64_t steps)
{
    fst_head_options head;
    OK(fst_head_options_init(&head, sizeof head));
    head.name = "score";
    head.outputs = t->aspects ? t->aspects : 1;
    head.init_std = 0.02;
    OK(fst_model_add_head(model, &head));
    fst_optimizer_options optimizer_options;
    OK(fst_optimizer_options_init(&optimizer_options, sizeof optimizer_options));
    optimizer_options.learning_rate = t->learning_rate;
    optimizer_options.schedule = FST_SCHEDULE_LINEAR;
    optimizer_options.warmup_steps = steps / 20;
    optimizer_options.total_steps = steps;
    optimizer_options.weight_decay = 0.1;
    fst_optimizer *optimizer;
    OK(fst_optimizer_create(model, &optimizer_options, &optimizer));
    fst_run_options run_options;
    OK(fst_run_options_init(&run_options, sizeof run_options));
    run_options.total_steps = steps;
    fst_reward_options options;
    OK(fst_reward_options_init(&options, sizeof options));
    options.model = model;
    options.optimizer = optimizer;
    options.train = train;
    options.validation = validation;
    options.run = &run_options;
    options.objective = t->objective;
    options.rows = t->rows;
    options.accumulation = t->accumulation;
    options.dropout = t->aspects > 0;
    fst_run *run;
    OK(fst_reward_create(&options, &run));
    OK(fst_run_evaluate(run));
    print_figures(t, run, "before:");
    OK(fst_run_until(run, 0));
    OK(fst_run_evaluate(run));
    print_figures(t, run, "after:");
    printf("%lld steps, %.2f epochs, training loss of the last %.4f, %.0f ids a second\n",
           (long long)steps, metric(run, "epoch", -1), metric(run, "loss", -1),
           metric(run, "tokens_per_second", -1));
    fst_run_destroy(run);
    fst_optimizer_destroy(optimizer);
}

int main(int argc, char **argv)
{
    const task *t = argc > 2 ? find_task(argv[2]) : NULL;
    if (!t) {
        fprintf(stderr, "usage: %s FOLDER hh|oasst|topicalchat|vader [PRETRAINING_STEPS [STEPS [SEED]]]\n",
                argv[0]);
        return 2;
    }
    char path[600];
    snprintf(path, sizeof path, "%s/%s", argv[1], t->files[0]);
    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("skipped: there is no %s\n", path);
        return SKIPPED;
    }
    fclose(file);
    setvbuf(stdout, NULL, _IOLBF, 0);
    fst_context_options context_options;
    OK(fst_context_options_init(&context_options, sizeof context_options));
    context_options.seed = argc > 5 ? strtol(argv[5], NULL, 10) : 1;
    fst_context *context;
    OK(fst_context_create(&context_options, &context));
    static const char *const nothing[] = {"a"};
    fst_tokenizer *bytes = make_tokenizer(context, nothing, 1, 257);
    fst_dataset *train, *validation;
    load(context, bytes, t, argv[1], 0, &train, &validation);
    int64_t count;
    char **texts = texts_of(bytes, train, &count);
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    fst_tokenizer *tokenizer = make_tokenizer(context, (const char *const *)texts, count, VOCABULARY);
    load(context, tokenizer, t, argv[1], LENGTH, &train, &validation);
    fst_examples_info info, held_out;
    OK(fst_dataset_get_examples_info(train, &info, sizeof info));
    OK(fst_dataset_get_examples_info(validation, &held_out, sizeof held_out));
    printf("%s: %lld examples to train on, %lld held out; %lld ids, %lld useless, %lld cut\n", t->name,
           (long long)info.examples, (long long)held_out.examples, (long long)info.tokens,
           (long long)info.dropped_useless, (long long)info.cut);
    fst_model *model = pretrain(context, tokenizer, (const char *const *)texts, count,
                                argc > 3 ? strtol(argv[3], NULL, 10) : t->pretraining_steps);
    train_scores(t, model, train, validation, argc > 4 ? strtol(argv[4], NULL, 10) : t->steps);
    print_majority(t, train, validation, model);
    for (int64_t i = 0; i < count; ++i)
        free(texts[i]);
    free(texts);
    fst_model_destroy(model);
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    fst_tokenizer_destroy(tokenizer);
    fst_tokenizer_destroy(bytes);
    fst_context_destroy(context);
    return 0;
}
