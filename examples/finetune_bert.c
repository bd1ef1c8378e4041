/*
 * Finetunes an encoder on texts and their classes, tells how well it tells the classes of texts it
 * has not seen, and leaves a directory that transformers loads as …ForSequenceClassification:
 *
 *     finetune_bert --model DIR --data FILE.tsv --output DIR [options]
 *
 * The model is a directory with config.json, model.safetensors and tokenizer.json: BERT, RoBERTa or
 * ModernBERT, also as sentence-transformers stores them. The data has a text, a tab and a class on
 * each line.
 *
 * Build it alone with: cc finetune_bert.c $(pkg-config --cflags --libs fourstage) -lm
 */
#include <fourstage/fourstage.h>

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *model, *data, *held_out, *output;
    int64_t batch, length, epochs;
    double rate, dropout;
    int32_t threads, seed, frozen;
} settings;

static void check(fst_status status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "\n%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* ---- what was asked for ---- */

static void usage(FILE *to)
{
    fputs("finetune_bert --model DIR --data FILE.tsv --output DIR\n"
          "  --held-out FILE.tsv   texts to judge by (otherwise a tenth of the data)\n"
          "  --batch N  --length N --epochs N   (16, 128 tokens, 3)\n"
          "  --rate X              peak learning rate (5e-5)\n"
          "  --dropout X           on what the classifier reads (0.1)\n"
          "  --frozen              the classifier alone is trained\n"
          "  --threads N  --seed N (as many as there are processors, 1)\n",
          to);
}

static double number(const char *text, const char *name)
{
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || !(value >= 0 && value < 1e9)) {
        fprintf(stderr, "--%s: %s is no number\n", name, text);
        exit(2);
    }
    return value;
}

static settings read_arguments(int argc, char **argv)
{
    enum { MODEL, DATA, HELD_OUT, OUTPUT, BATCH, LENGTH, EPOCHS, RATE, DROPOUT, FROZEN, THREADS, SEED,
           HELP };
    static const struct option options[] = {
        {"model", 1, 0, MODEL}, {"data", 1, 0, DATA}, {"held-out", 1, 0, HELD_OUT},
        {"output", 1, 0, OUTPUT}, {"batch", 1, 0, BATCH}, {"length", 1, 0, LENGTH},
        {"epochs", 1, 0, EPOCHS}, {"rate", 1, 0, RATE}, {"dropout", 1, 0, DROPOUT},
        {"frozen", 0, 0, FROZEN}, {"threads", 1, 0, THREADS}, {"seed", 1, 0, SEED},
        {"help", 0, 0, HELP}, {0},
    };
    settings s = {.batch = 16, .length = 128, .epochs = 3, .rate = 5e-5, .dropout = 0.1, .seed = 1};
    for (int option, at; (option = getopt_long(argc, argv, "", options, &at)) != -1;) {
        const char *name = option == '?' ? "" : options[at].name;
        switch (option) {
        case MODEL: s.model = optarg; break;
        case DATA: s.data = optarg; break;
        case HELD_OUT: s.held_out = optarg; break;
        case OUTPUT: s.output = optarg; break;
        case BATCH: s.batch = (int64_t)number(optarg, name); break;
        case LENGTH: s.length = (int64_t)number(optarg, name); break;
        case EPOCHS: s.epochs = (int64_t)number(optarg, name); break;
        case RATE: s.rate = number(optarg, name); break;
        case DROPOUT: s.dropout = number(optarg, name); break;
        case FROZEN: s.frozen = 1; break;
        case THREADS: s.threads = (int32_t)number(optarg, name); break;
        case SEED: s.seed = (int32_t)number(optarg, name); break;
        case HELP: usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    if (!s.model || !s.data || !s.output || optind < argc || s.batch < 1 || s.epochs < 1) {
        usage(stderr);
        exit(2);
    }
    return s;
}

/* ---- texts and classes ---- */

typedef struct lines {
    char *bytes; /* of the whole file, cut into texts */
    const char **texts, **names; /* [count] */
    int64_t count;
} lines;

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    long end = ftell(file);
    char *bytes = room((size_t)end + 1, 1);
    rewind(file);
    *size = fread(bytes, 1, (size_t)end, file);
    fclose(file);
    return bytes;
}

/* A class is what stands behind a line's last tab. */
static lines read_lines(const char *path)
{
    size_t size, most = 1;
    lines all = {.bytes = read_file(path, &size)};
    for (size_t i = 0; i < size; ++i)
        most += all.bytes[i] == '\n';
    all.texts = room(most, sizeof *all.texts);
    all.names = room(most, sizeof *all.names);
    for (char *line = all.bytes, *next; *line; line = next) {
        char *end = line + strcspn(line, "\r\n");
        next = end + strspn(end, "\r\n");
        *end = 0;
        char *tab = strrchr(line, '\t');
        if (!tab || !tab[1]) {
            fprintf(stderr, "%s, line %lld: expected a text, a tab and a class\n", path,
                    (long long)all.count + 1);
            exit(1);
        }
        *tab = 0;
        all.texts[all.count] = line;
        all.names[all.count++] = tab + 1;
    }
    return all;
}

static void free_lines(lines *all)
{
    free(all->names);
    free(all->texts);
    free(all->bytes);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The classes in alphabetical order; the array is the caller's, the texts are the lines'. */
static const char **classes_of(const lines *all, int64_t *count)
{
    const char **names = room((size_t)all->count, sizeof *names);
    memcpy(names, all->names, (size_t)all->count * sizeof *names);
    qsort(names, (size_t)all->count, sizeof *names, compare);
    *count = 0;
    for (int64_t i = 0; i < all->count; ++i) {
        if (*count == 0 || strcmp(names[*count - 1], names[i]) != 0)
            names[(*count)++] = names[i];
    }
    return names;
}

/* [CLS] text [SEP] and the number of its class; what is behind `length` tokens is cut off. */
static fst_dataset *make_dataset(fst_context *context, const fst_tokenizer *tokenizer,
                                 const lines *all, const char *const *classes, int64_t class_count,
                                 int64_t length)
{
    fst_example_options options;
    fst_dataset *dataset;
    float *labels = room((size_t)all->count, sizeof *labels);
    for (int64_t i = 0; i < all->count; ++i) {
        const char *const *found =
            bsearch(&all->names[i], classes, (size_t)class_count, sizeof *classes, compare);
        labels[i] = found ? (float)(found - classes) : NAN; /* a class unknown to the training */
    }
    check(fst_example_options_init(&options, sizeof options));
    options.add_bos = options.add_eos = 1;
    options.max_length = length;
    options.too_long = FST_TOO_LONG_CUT_END;
    options.drop_useless = 1;
    check(fst_dataset_from_labelled(context, tokenizer, all->texts, NULL, labels, all->count,
                                    &options, &dataset));
    free(labels);
    return dataset;
}

/* ---- the classifier ---- */

/* As transformers' class of the model's family has it, so that it loads there as that class. */
static void add_classifier(fst_model *model, const char *const *classes, int64_t count,
                           double dropout)
{
    fst_model_config config;
    fst_head_options head;
    check(fst_model_get_config(model, &config, sizeof config));
    check(fst_head_options_init(&head, sizeof head));
    head.name = "classifier";
    head.outputs = count;
    head.dropout = dropout;
    head.pooling = FST_POOL_FIRST;
    if (config.family == FST_FAMILY_BERT && config.pooler) {
        head.pooling = FST_POOL_POOLER;
    } else {
        head.hidden_layers = 1;
        head.activation = FST_ACTIVATION_TANH;
    }
    if (config.family == FST_FAMILY_MODERNBERT) {
        head.activation = FST_ACTIVATION_GELU;
        head.hidden_bias = 0;
        head.layer_norm = 1;
        head.norm_bias = config.norm_bias;
        head.norm_epsilon = config.norm_epsilon;
    }
    check(fst_model_add_head(model, &head));
    check(fst_model_set_labels(model, "classifier", classes, count));
}

static int has_classifier(const fst_model *model)
{
    int64_t count;
    check(fst_model_head_count(model, &count));
    for (int64_t i = 0; i < count; ++i) {
        fst_head_options head;
        check(fst_model_get_head(model, i, &head, sizeof head));
        if (strcmp(head.name, "classifier") == 0)
            return 1;
    }
    return 0;
}

/* ---- training ---- */

static fst_optimizer *make_optimizer(fst_model *model, double rate, int64_t steps)
{
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    check(fst_optimizer_options_init(&options, sizeof options));
    options.learning_rate = rate;
    options.schedule = FST_SCHEDULE_LINEAR;
    options.total_steps = steps;
    options.warmup_steps = steps / 10;
    check(fst_optimizer_create(model, &options, &optimizer));
    return optimizer;
}

static int32_t show(const fst_run_progress *p, void *user)
{
    fst_run *const *run = user;
    double accuracy, f1;
    if (!p->evaluated)
        return 0;
    check(fst_run_metric(*run, "validation_accuracy", &accuracy));
    check(fst_run_metric(*run, "validation_f1_macro", &f1));
    printf("step %lld/%lld  loss %.4f  held out: loss %.4f, accuracy %.4f, F1 %.4f\n",
           (long long)p->step, (long long)p->total_steps, p->loss, p->validation_loss, accuracy, f1);
    fflush(stdout);
    return 0;
}

static void train(fst_model *model, const fst_dataset *data, const fst_dataset *held_out,
                  const settings *s)
{
    fst_examples_info info;
    fst_run_options common;
    fst_sft_options options;
    fst_run *run;
    check(fst_dataset_get_examples_info(data, &info, sizeof info));
    int64_t epoch = (info.examples + s->batch - 1) / s->batch;
    fst_optimizer *optimizer = make_optimizer(model, s->rate, s->epochs * epoch);
    check(fst_run_options_init(&common, sizeof common));
    common.total_steps = s->epochs * epoch;
    common.evaluate_every = epoch;
    common.progress = show;
    common.progress_user = &run;
    check(fst_sft_options_init(&options, sizeof options));
    options.model = model;
    options.optimizer = optimizer;
    options.train = data;
    options.validation = held_out;
    options.run = &common;
    options.head = "classifier";
    options.rows = s->batch;
    check(fst_sft_create(&options, &run));
    check(fst_run_until(run, 0));
    fst_run_destroy(run);
    fst_optimizer_destroy(optimizer);
}

/* ---- a few answers ---- */

/* Of the first texts that are there. */
static void print_answers(fst_model *model, const fst_dataset *dataset, const lines *all,
                          int64_t class_count)
{
    fst_examples_info info;
    int64_t count;
    check(fst_dataset_get_examples_info(dataset, &info, sizeof info));
    float *outputs = room((size_t)(info.examples * class_count), sizeof *outputs);
    check(fst_sft_predict(model, "classifier", dataset, 16, outputs, info.examples * class_count,
                          &count));
    for (int64_t i = 0; i < info.examples && i < 3 && info.examples == all->count; ++i) {
        int64_t best = 0;
        const char *label;
        for (int64_t k = 1; k < class_count; ++k) {
            if (outputs[i * class_count + k] > outputs[i * class_count + best])
                best = k;
        }
        check(fst_model_get_label(model, "classifier", best, &label));
        printf("%s (in truth %s): %.60s\n", label, all->names[i], all->texts[i]);
    }
    free(outputs);
}

/* ---- all of it ---- */

static void load(const settings *s, fst_context **context, fst_tokenizer **tokenizer,
                 fst_model **model)
{
    char path[4096];
    fst_context_options options;
    check(fst_context_options_init(&options, sizeof options));
    options.threads = s->threads;
    options.seed = (uint64_t)s->seed;
    check(fst_context_create(&options, context));
    snprintf(path, sizeof path, "%s/tokenizer.json", s->model);
    check(fst_tokenizer_load(*context, path, tokenizer));
    check(fst_model_load(*context, s->model, NULL, model));
}

/* A tenth, drawn by what the texts are, so that two equal ones are on the same side. */
static void split(fst_dataset **data, fst_dataset **held_out)
{
    fst_split_options options;
    fst_dataset *rest;
    check(fst_split_options_init(&options, sizeof options));
    options.mode = FST_SPLIT_DOCUMENTS;
    check(fst_dataset_split(*data, &options, &rest, held_out));
    fst_dataset_destroy(*data);
    *data = rest;
}

int main(int argc, char **argv)
{
    settings s = read_arguments(argc, argv);
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_model *model;
    load(&s, &context, &tokenizer, &model);

    int64_t class_count;
    lines all = read_lines(s.data), more = {0};
    const char **classes = classes_of(&all, &class_count);
    fst_dataset *held_out = NULL;
    fst_dataset *data = make_dataset(context, tokenizer, &all, classes, class_count, s.length);
    if (s.held_out) {
        more = read_lines(s.held_out);
        held_out = make_dataset(context, tokenizer, &more, classes, class_count, s.length);
    } else {
        split(&data, &held_out);
    }
    if (!has_classifier(model))
        add_classifier(model, classes, class_count, s.dropout);
    if (s.frozen) {
        check(fst_model_set_trainable(model, "*", 0));
        check(fst_model_set_trainable(model, "heads.classifier.*", 1));
    }
    printf("%lld texts of %lld classes\n", (long long)all.count, (long long)class_count);
    train(model, data, held_out, &s);
    if (s.held_out)
        print_answers(model, held_out, &more, class_count);
    check(fst_model_save(model, tokenizer, s.output));

    fst_dataset_destroy(held_out);
    fst_dataset_destroy(data);
    free(classes);
    free_lines(&more);
    free_lines(&all);
    fst_model_destroy(model);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    return 0;
}
