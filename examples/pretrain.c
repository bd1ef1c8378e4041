/*
 * Pretrains a small language model on text files, and leaves a model directory that transformers
 * loads too:
 *
 *     pretrain --text FILE [--text FILE…] --output DIR [options]
 *
 * Ctrl-C stops after the step in progress and saves; --resume goes on from there.
 *
 * Build it alone with: cc pretrain.c $(pkg-config --cflags --libs fourstage) -lm
 */
#include "fourstage/context.h"
#include "fourstage/dataset.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"
#include "fourstage/policy.h"
#include "fourstage/pretrain.h"
#include "fourstage/tokenizer.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_TEXTS = 64 };

typedef struct settings {
    const char *texts[MOST_TEXTS];
    int64_t text_count;
    const char *output;
    const char *tokenizer; /* "bpe" or "char" */
    int32_t vocabulary, layers, heads, width, context, batch, threads;
    int64_t steps, seed;
    int resume, bf16;
} settings;

static void check(fst_status status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "\n%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

/* ---- what was asked for ---- */

static void usage(FILE *to)
{
    fputs("pretrain --text FILE [--text FILE...] --output DIR\n"
          "  --tokenizer bpe|char  byte pairs (default), or one token for each character\n"
          "  --vocabulary N        tokens of byte pairs (4096)\n"
          "  --layers N  --heads N  --width N  --context N   the model (4, 4, 256, 128)\n"
          "  --batch N             rows of --context tokens in a step (32)\n"
          "  --steps N             updates in all (900)\n"
          "  --threads N           workers (as many as there are processors)\n"
          "  --seed N              of weights and order (1)\n"
          "  --bf16                bfloat16 weights and activations\n"
          "  --resume              go on from the newest checkpoint in DIR/checkpoints\n",
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
    enum { TEXT, OUTPUT, TOKENIZER, VOCABULARY, LAYERS, HEADS, WIDTH, CONTEXT, BATCH, STEPS, THREADS,
           SEED, BF16, RESUME, HELP };
    static const struct option options[] = {
        {"text", 1, 0, TEXT}, {"output", 1, 0, OUTPUT}, {"tokenizer", 1, 0, TOKENIZER},
        {"vocabulary", 1, 0, VOCABULARY}, {"layers", 1, 0, LAYERS}, {"heads", 1, 0, HEADS},
        {"width", 1, 0, WIDTH}, {"context", 1, 0, CONTEXT}, {"batch", 1, 0, BATCH},
        {"steps", 1, 0, STEPS}, {"threads", 1, 0, THREADS}, {"seed", 1, 0, SEED},
        {"bf16", 0, 0, BF16}, {"resume", 0, 0, RESUME}, {"help", 0, 0, HELP}, {0},
    };
    settings s = {.tokenizer = "bpe", .vocabulary = 4096, .layers = 4, .heads = 4, .width = 256,
                  .context = 128, .batch = 32, .steps = 900, .seed = 1};
    for (int option, at; (option = getopt_long(argc, argv, "", options, &at)) != -1;) {
        const char *name = option == '?' ? "" : options[at].name;
        switch (option) {
        case TEXT:
            if (s.text_count < MOST_TEXTS)
                s.texts[s.text_count++] = optarg;
            break;
        case OUTPUT: s.output = optarg; break;
        case TOKENIZER: s.tokenizer = optarg; break;
        case VOCABULARY: s.vocabulary = number(optarg, name); break;
        case LAYERS: s.layers = number(optarg, name); break;
        case HEADS: s.heads = number(optarg, name); break;
        case WIDTH: s.width = number(optarg, name); break;
        case CONTEXT: s.context = number(optarg, name); break;
        case BATCH: s.batch = number(optarg, name); break;
        case STEPS: s.steps = number(optarg, name); break;
        case THREADS: s.threads = number(optarg, name); break;
        case SEED: s.seed = number(optarg, name); break;
        case BF16: s.bf16 = 1; break;
        case RESUME: s.resume = 1; break;
        case HELP: usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    int known = strcmp(s.tokenizer, "bpe") == 0 || strcmp(s.tokenizer, "char") == 0;
    if (s.text_count == 0 || !s.output || optind < argc || !known) {
        usage(stderr);
        exit(2);
    }
    return s;
}

/* ---- text to rows of tokens ---- */

static fst_tokenizer *train_tokenizer(fst_context *context, const settings *s)
{
    static const char *const special[] = {"<|endoftext|>"};
    fst_tokenizer_train_options options;
    fst_tokenizer *tokenizer;
    check(fst_tokenizer_train_options_init(&options, sizeof options));
    options.kind = strcmp(s->tokenizer, "char") == 0 ? FST_TOKENIZER_CHARACTER : FST_TOKENIZER_BPE;
    options.vocabulary_size = s->vocabulary;
    options.special_tokens = special;
    options.special_token_count = 1;
    check(fst_tokenizer_train_files(context, s->texts, (size_t)s->text_count, &options, &tokenizer));
    return tokenizer;
}

/* Every line is a document that ends with <|endoftext|>; the last twentieth is held out. */
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
    text.add_eos = 1;
    check(fst_dataset_from_text_files(context, tokenizer, s->texts, s->text_count, &text, &all));
    check(fst_dataset_get_info(all, &info, sizeof info));
    check(fst_split_options_init(&split, sizeof split));
    split.fraction = 0.05;
    check(fst_dataset_split(all, &split, &train_part, &validation_part));
    check(fst_pack_options_init(&pack, sizeof pack));
    pack.length = s->context;
    check(fst_dataset_pack(train_part, &pack, train));
    check(fst_dataset_pack(validation_part, &pack, validation));
    fst_dataset_destroy(all);
    fst_dataset_destroy(train_part);
    fst_dataset_destroy(validation_part);

    fst_dataset_info held;
    check(fst_dataset_get_info(*validation, &held, sizeof held));
    printf("text       %lld documents, %lld tokens, %.2f bytes each; %lld tokens held out\n",
           (long long)info.documents, (long long)info.tokens,
           (double)info.bytes / (double)info.tokens, (long long)held.targets);
}

/* ---- model and optimizer ---- */

static fst_model *make_model(fst_context *context, const fst_tokenizer *tokenizer, const settings *s)
{
    fst_model_config config;
    fst_model_options options;
    fst_model *model;
    int32_t eos;
    check(fst_model_config_init(&config, sizeof config));
    check(fst_model_config_set_family(&config, FST_FAMILY_LLAMA));
    check(fst_tokenizer_vocabulary_size(tokenizer, &config.vocabulary_size));
    check(fst_tokenizer_special_id(tokenizer, FST_TOKEN_EOS, &eos));
    config.eos_id = eos;
    config.layers = s->layers;
    config.heads = s->heads;
    config.width = s->width;
    config.context_length = s->context;
    config.hidden_size = (s->width * 8 / 3 + 31) / 32 * 32; /* three matrices for the usual two */
    config.tied = 1;
    check(fst_model_options_init(&options, sizeof options));
    options.dtype = s->bf16 ? FST_BF16 : FST_F32;
    check(fst_model_create(context, &config, &options, &model));
    return model;
}

static fst_optimizer *make_optimizer(fst_model *model, const settings *s)
{
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    check(fst_optimizer_options_init(&options, sizeof options));
    options.learning_rate = 2e-3;
    options.beta2 = 0.95;
    options.weight_decay = 0.1;
    options.schedule = FST_SCHEDULE_COSINE;
    options.warmup_steps = s->steps / 20;
    options.total_steps = s->steps;
    options.minimum_ratio = 0.1;
    check(fst_optimizer_create(model, &options, &optimizer));
    return optimizer;
}

/* ---- a sample ---- */

/* Lets the model write a text from its beginning. */
static void print_sample(fst_model *model, fst_tokenizer *tokenizer, const char *title)
{
    static const char *const prompts[] = {""};
    fst_sampling_options options;
    fst_policy *policy;
    fst_generation sample;
    check(fst_policy_create(model, tokenizer, &policy));
    check(fst_sampling_options_init(&options, sizeof options));
    options.max_new_tokens = 80;
    options.temperature = 0.8;
    options.top_k = 40;
    check(fst_policy_generate_text(policy, prompts, NULL, 1, &options, NULL, NULL));
    check(fst_policy_get_result(policy, 0, &sample, sizeof sample));
    printf("%s %s\n", title, sample.text);
    fst_policy_destroy(policy);
}

/* ---- the run ---- */

/* Ctrl-C: a signal handler may call fst_run_cancel, which only sets a flag. */
static fst_run *interruptible;

static void on_interrupt(int number)
{
    (void)number;
    fst_run_cancel(interruptible);
}

static void print_time(FILE *to, double seconds)
{
    long left = isfinite(seconds) ? (long)(seconds + 0.5) : 0;
    fprintf(to, "%ldm%02lds", left / 60, left % 60);
}

/* A bar on a terminal, a line now and then elsewhere. */
static int32_t show_progress(const fst_run_progress *p, void *user)
{
    const int terminal = *(const int *)user;
    int64_t every = p->total_steps / 25 > 0 ? p->total_steps / 25 : 1;
    if (!terminal && p->step % every != 0 && !p->finished)
        return 0;
    if (terminal) {
        int done = (int)(24 * p->step / p->total_steps);
        fputs("\r\033[K[", stderr);
        for (int i = 0; i < 24; ++i)
            fputc(i < done ? '#' : '.', stderr);
        fputs("] ", stderr);
    }
    fprintf(stderr, "step %lld/%lld  loss %.3f", (long long)p->step, (long long)p->total_steps,
            p->loss);
    if (isfinite(p->validation_loss))
        fprintf(stderr, "  held out %.3f", p->validation_loss);
    fprintf(stderr, "  %.0f tokens/s  ", p->tokens_per_second);
    print_time(stderr, p->seconds_left);
    fputs(terminal && !p->finished ? " left" : " left\n", stderr);
    fflush(stderr);
    return 0;
}

static void print_evaluation(fst_run *run, const char *title)
{
    double perplexity, bits;
    check(fst_run_evaluate(run));
    check(fst_run_metric(run, "validation_perplexity", &perplexity));
    check(fst_run_metric(run, "validation_bits_per_byte", &bits));
    printf("%s held-out perplexity %.2f, %.3f bits per byte\n", title, perplexity, bits);
}

static fst_run *make_run(fst_model *model, fst_optimizer *optimizer, const fst_dataset *train,
                         const fst_dataset *validation, const settings *s, const char *directory,
                         int *terminal)
{
    fst_run_options common;
    fst_pretrain_options options;
    fst_run *run;
    check(fst_run_options_init(&common, sizeof common));
    common.total_steps = s->steps;
    common.evaluate_every = s->steps / 5 > 0 ? s->steps / 5 : 1;
    common.save_every = common.evaluate_every;
    common.directory = directory;
    common.progress = show_progress;
    common.progress_user = terminal;
    check(fst_pretrain_options_init(&options, sizeof options));
    options.model = model;
    options.optimizer = optimizer;
    options.train = train;
    options.validation = validation;
    options.run = &common;
    options.rows = s->batch;
    check(fst_pretrain_create(&options, &run));
    return run;
}

/* 1 if Ctrl-C ended it. */
static int train_until_done(fst_run *run)
{
    interruptible = run;
    struct sigaction before, ours = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &ours, &before);
    fst_status status = fst_run_until(run, 0);
    sigaction(SIGINT, &before, NULL);
    check(status);
    return status == FST_STOPPED;
}

static int32_t print_warning(int32_t level, const char *text, void *user)
{
    (void)user;
    if (level >= FST_LOG_WARNING)
        fprintf(stderr, "\nwarning: %s\n", text);
    return 0;
}

int main(int argc, char **argv)
{
    settings s = read_arguments(argc, argv);
    int terminal = isatty(STDERR_FILENO);
    char directory[4096];
    snprintf(directory, sizeof directory, "%s/checkpoints", s.output);
    mkdir(s.output, 0777); /* if it cannot be made, saving says why */
    setvbuf(stdout, NULL, _IOLBF, 0);

    fst_context_options context_options;
    fst_context *context;
    check(fst_context_options_init(&context_options, sizeof context_options));
    context_options.threads = s.threads;
    context_options.seed = s.seed;
    context_options.log = print_warning;
    check(fst_context_create(&context_options, &context));

    fst_tokenizer *tokenizer = train_tokenizer(context, &s);
    fst_dataset *train, *validation;
    make_data(context, tokenizer, &s, &train, &validation);
    fst_model *model = make_model(context, tokenizer, &s);
    fst_optimizer *optimizer = make_optimizer(model, &s);
    fst_run *run = make_run(model, optimizer, train, validation, &s, directory, &terminal);

    fst_memory memory;
    check(fst_run_memory(run, &memory, sizeof memory));
    printf("model      %.1f million weights, %.0f MB in training\n", (double)memory.weights / 4e6,
           (double)memory.total / 1e6);
    if (s.resume)
        check(fst_run_resume(run, NULL));
    print_evaluation(run, s.resume ? "resumed   " : "before    ");
    print_sample(model, tokenizer, "          ");

    int stopped = train_until_done(run);
    if (stopped) {
        check(fst_run_save(run, NULL));
        fprintf(stderr, "\nstopped and saved in %s; the same command with --resume goes on\n",
                directory);
    } else {
        print_evaluation(run, "after     ");
        print_sample(model, tokenizer, "          ");
        check(fst_model_save(model, tokenizer, s.output));
        printf("saved      %s\n", s.output);
    }

    fst_run_destroy(run);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    return stopped ? 130 : 0;
}
