/*
 * Pretrains a small encoder on text files by masked tokens, shows what it puts into gaps, and leaves a
 * model directory that transformers loads as BertForMaskedLM:
 *
 *     masked --text FILE [--text FILE…] --output DIR [options]
 *
 * Build it alone with: cc masked.c $(pkg-config --cflags --libs fourstage)
 */
#include "fourstage/context.h"
#include "fourstage/dataset.h"
#include "fourstage/masking.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"
#include "fourstage/pretrain.h"
#include "fourstage/tokenizer.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_TEXTS = 64, LONGEST = 512 };

typedef struct settings {
    const char *texts[MOST_TEXTS];
    int64_t text_count;
    const char *output;
    int32_t vocabulary, layers, heads, width, context, batch, threads, whole_words;
    int64_t steps, seed;
} settings;

static void check(fst_status status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

/* ---- what was asked for ---- */

static void usage(FILE *to)
{
    fputs("masked --text FILE [--text FILE...] --output DIR\n"
          "  --vocabulary N        WordPiece tokens (4096)\n"
          "  --layers N  --heads N  --width N  --context N   the encoder (4, 4, 256, 128)\n"
          "  --batch N             rows of --context tokens in a step (32)\n"
          "  --steps N             updates in all (1000)\n"
          "  --whole-words         words are masked with all their pieces\n"
          "  --threads N           workers (as many as there are processors)\n"
          "  --seed N              of weights, order and masks (1)\n",
          to);
}

static int32_t number(const char *text, const char *name)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < 0 || value > 1000000000) {
        fprintf(stderr, "--%s: %s is no number\n", name, text);
        exit(2);
    }
    return (int32_t)value;
}

static settings read_arguments(int argc, char **argv)
{
    enum { TEXT, OUTPUT, VOCABULARY, LAYERS, HEADS, WIDTH, CONTEXT, BATCH, STEPS, THREADS, SEED,
           WHOLE_WORDS, HELP };
    static const struct option options[] = {
        {"text", 1, 0, TEXT}, {"output", 1, 0, OUTPUT}, {"vocabulary", 1, 0, VOCABULARY},
        {"layers", 1, 0, LAYERS}, {"heads", 1, 0, HEADS}, {"width", 1, 0, WIDTH},
        {"context", 1, 0, CONTEXT}, {"batch", 1, 0, BATCH}, {"steps", 1, 0, STEPS},
        {"threads", 1, 0, THREADS}, {"seed", 1, 0, SEED}, {"whole-words", 0, 0, WHOLE_WORDS},
        {"help", 0, 0, HELP}, {0},
    };
    settings s = {.vocabulary = 4096, .layers = 4, .heads = 4, .width = 256, .context = 128,
                  .batch = 32, .steps = 1000, .seed = 1};
    for (int option, at; (option = getopt_long(argc, argv, "", options, &at)) != -1;) {
        const char *name = option == '?' ? "" : options[at].name;
        switch (option) {
        case TEXT:
            if (s.text_count < MOST_TEXTS)
                s.texts[s.text_count++] = optarg;
            break;
        case OUTPUT: s.output = optarg; break;
        case VOCABULARY: s.vocabulary = number(optarg, name); break;
        case LAYERS: s.layers = number(optarg, name); break;
        case HEADS: s.heads = number(optarg, name); break;
        case WIDTH: s.width = number(optarg, name); break;
        case CONTEXT: s.context = number(optarg, name); break;
        case BATCH: s.batch = number(optarg, name); break;
        case STEPS: s.steps = number(optarg, name); break;
        case THREADS: s.threads = number(optarg, name); break;
        case SEED: s.seed = number(optarg, name); break;
        case WHOLE_WORDS: s.whole_words = 1; break;
        case HELP: usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    if (s.text_count == 0 || !s.output || optind < argc) {
        usage(stderr);
        exit(2);
    }
    return s;
}

/* ---- text to rows of tokens ---- */

static fst_tokenizer *train_tokenizer(fst_context *context, const settings *s)
{
    fst_tokenizer_train_options options;
    fst_tokenizer *tokenizer;
    check(fst_tokenizer_train_options_init(&options, sizeof options));
    options.kind = FST_TOKENIZER_WORDPIECE; /* with [PAD] [UNK] [CLS] [SEP] [MASK] */
    options.vocabulary_size = s->vocabulary;
    check(fst_tokenizer_train_files(context, s->texts, (size_t)s->text_count, &options, &tokenizer));
    return tokenizer;
}

/* Every line is a document, [CLS] … [SEP]; rows hold whole ones, which do not see each other. The last
 * twentieth is held out. */
static void make_data(fst_context *context, const fst_tokenizer *tokenizer, const settings *s,
                      fst_dataset **train, fst_dataset **validation)
{
    fst_dataset_text_options text;
    fst_split_options split;
    fst_pack_options pack;
    fst_dataset *all, *train_part, *validation_part;
    fst_dataset_info info = {.struct_size = sizeof info};
    check(fst_dataset_text_options_init(&text, sizeof text));
    text.documents = FST_DOCUMENT_LINE;
    text.add_bos = 1;
    text.add_eos = 1;
    check(fst_dataset_from_text_files(context, tokenizer, s->texts, s->text_count, &text, &all));
    check(fst_dataset_get_info(all, &info, sizeof info));
    check(fst_split_options_init(&split, sizeof split));
    split.fraction = 0.05;
    check(fst_dataset_split(all, &split, &train_part, &validation_part));
    check(fst_pack_options_init(&pack, sizeof pack));
    pack.length = s->context;
    pack.mode = FST_PACK_BEST_FIT;
    pack.cross_documents = 0;
    check(fst_tokenizer_special_id(tokenizer, FST_TOKEN_PAD, &pack.pad_id));
    check(fst_dataset_pack(train_part, &pack, train));
    check(fst_dataset_pack(validation_part, &pack, validation));
    fst_dataset_destroy(all);
    fst_dataset_destroy(train_part);
    fst_dataset_destroy(validation_part);
    printf("text       %lld documents, %lld tokens\n", (long long)info.documents,
           (long long)info.tokens);
}

/* ---- model and optimizer ---- */

static fst_model *make_model(fst_context *context, const fst_tokenizer *tokenizer, const settings *s)
{
    fst_model_config config;
    fst_model *model;
    check(fst_model_config_init(&config, sizeof config));
    check(fst_model_config_set_family(&config, FST_FAMILY_BERT));
    check(fst_tokenizer_vocabulary_size(tokenizer, &config.vocabulary_size));
    config.layers = s->layers;
    config.heads = s->heads;
    config.width = s->width;
    config.hidden_size = 4 * s->width;
    config.context_length = s->context;
    config.dropout = config.attention_dropout = 0; /* little text, few steps */
    config.token_types = 2;
    check(fst_model_create(context, &config, NULL, &model));
    return model;
}

static fst_optimizer *make_optimizer(fst_model *model, const settings *s)
{
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    check(fst_optimizer_options_init(&options, sizeof options));
    options.learning_rate = 1e-3;
    options.beta2 = 0.98;
    options.weight_decay = 0.01;
    options.schedule = FST_SCHEDULE_LINEAR;
    options.warmup_steps = s->steps / 10;
    options.total_steps = s->steps;
    check(fst_optimizer_create(model, &options, &optimizer));
    return optimizer;
}

/* ---- the run ---- */

static int32_t show_progress(const fst_run_progress *p, void *user)
{
    (void)user;
    int64_t every = p->total_steps / 20 > 0 ? p->total_steps / 20 : 1;
    if (p->step % every == 0 || p->finished)
        fprintf(stderr, "step %lld/%lld  loss %.3f  %.0f masked tokens/s\n", (long long)p->step,
                (long long)p->total_steps, p->loss, p->tokens_per_second);
    return 0;
}

static fst_run *make_run(fst_model *model, fst_optimizer *optimizer, const fst_tokenizer *tokenizer,
                         const fst_dataset *train, const fst_dataset *validation, const settings *s)
{
    fst_run_options common;
    fst_pretrain_options options;
    fst_run *run;
    check(fst_run_options_init(&common, sizeof common));
    common.total_steps = s->steps;
    common.progress = show_progress;
    check(fst_pretrain_options_init(&options, sizeof options));
    options.model = model;
    options.optimizer = optimizer;
    options.train = train;
    options.validation = validation;
    options.run = &common;
    options.rows = s->batch;
    options.objective = FST_PRETRAIN_MASKED;
    options.tokenizer = tokenizer;
    options.whole_words = s->whole_words;
    check(fst_pretrain_create(&options, &run));
    return run;
}

static void print_evaluation(fst_run *run, const char *title)
{
    double perplexity, accuracy;
    check(fst_run_evaluate(run));
    check(fst_run_metric(run, "validation_perplexity", &perplexity));
    check(fst_run_metric(run, "validation_masked_accuracy", &accuracy));
    printf("%s held-out perplexity %.2f, %.1f %% of the masked tokens right\n", title, perplexity,
           100 * accuracy);
}

/* ---- gaps ---- */

static void print_tokens(const fst_tokenizer *tokenizer, const int32_t *ids, int64_t count)
{
    char text[16 * LONGEST];
    size_t length;
    check(fst_tokenizer_decode(tokenizer, ids, (size_t)count, 0, text, sizeof text, &length));
    printf("           %s\n", text);
}

/* Masks one held-out row as the run does and prints it with the gaps, and as the model fills them. */
static void print_gaps(fst_context *context, fst_model *model, const fst_tokenizer *tokenizer,
                       const fst_dataset *validation, const settings *s)
{
    int32_t ids[LONGEST], targets[LONGEST], documents[LONGEST], positions[LONGEST];
    int64_t length = s->context < LONGEST ? s->context : LONGEST, end = 1;
    uint8_t *flags = malloc((size_t)s->vocabulary + 1);
    size_t count;
    fst_mask_options mask;
    check(fst_mask_options_init(&mask, sizeof mask));
    check(fst_tokenizer_token_flags(tokenizer, flags, (size_t)s->vocabulary + 1, &count));
    check(fst_tokenizer_special_id(tokenizer, FST_TOKEN_MASK, &mask.mask_id));
    mask.vocabulary_size = (int32_t)count;
    mask.flags = flags;
    mask.documents = documents;
    mask.mask_token_share = 1;
    mask.random_token_share = 0;
    check(fst_dataset_read(validation, 0, 1, 0, ids, NULL, positions, documents));
    while (end < length && documents[end] == 0)
        ++end; /* the row's first document */
    check(fst_mask_tokens(context, &mask, ids, 1, length, 0, ids, targets));
    print_tokens(tokenizer, ids, end);

    fst_batch batch;
    fst_forward_options forward;
    fst_view logits;
    check(fst_batch_init(&batch, sizeof batch));
    batch.rows = 1;
    batch.length = length;
    batch.ids = ids;
    batch.positions = positions;
    batch.documents = documents;
    check(fst_forward_options_init(&forward, sizeof forward));
    forward.mode = FST_FORWARD_EVALUATE;
    check(fst_model_forward(model, &batch, &forward));
    check(fst_model_output(model, "logits", &logits));
    for (int64_t t = 0; t < end; ++t) {
        const float *row = (const float *)logits.data + t * (int64_t)count;
        int32_t best = 0;
        for (int32_t v = 1; v < (int32_t)count; ++v)
            best = row[v] > row[best] ? v : best;
        ids[t] = targets[t] >= 0 ? best : ids[t];
    }
    print_tokens(tokenizer, ids, end);
    free(flags);
}

int main(int argc, char **argv)
{
    settings s = read_arguments(argc, argv);
    mkdir(s.output, 0777); /* if it cannot be made, saving says why */
    fst_context_options context_options;
    fst_context *context;
    check(fst_context_options_init(&context_options, sizeof context_options));
    context_options.threads = s.threads;
    context_options.seed = s.seed;
    check(fst_context_create(&context_options, &context));

    fst_tokenizer *tokenizer = train_tokenizer(context, &s);
    fst_dataset *train, *validation;
    make_data(context, tokenizer, &s, &train, &validation);
    fst_model *model = make_model(context, tokenizer, &s);
    fst_optimizer *optimizer = make_optimizer(model, &s);
    fst_run *run = make_run(model, optimizer, tokenizer, train, validation, &s);
    print_evaluation(run, "before    ");
    check(fst_run_until(run, 0));
    print_evaluation(run, "after     ");
    print_gaps(context, model, tokenizer, validation, &s);
    check(fst_model_save(model, tokenizer, s.output));
    printf("saved      %s\n", s.output);

    fst_run_destroy(run);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    return 0;
}
