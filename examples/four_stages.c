/*
 * One model through all four stages, on product reviews that are labelled good or bad:
 *
 *     four_stages --reviews FILE --output DIR [options]
 *
 *   1   a decoder learns the reviews' language (pretraining)
 *   2a  … to write a good, a bad or any review when asked to (supervised finetuning on conversations)
 *   2b  a copy of it learns to tell good reviews from bad ones (a classification head)
 *   3   a copy learns to score reviews from pairs "this one is better" (a reward model)
 *   4   the writer of 2a learns to please the reward model, held near its former self (PPO)
 *
 * The reward model sees one half of the labels; a judge that says at the end how many of the writer's
 * reviews are good has learnt from the other half, and stage 4 never sees it.
 *
 * FILE has a line for each review: part, label, text, with tabs between them; part is a or b (the
 * two halves) or held (for measuring only), label is good or bad. DIR receives a folder for each
 * stage and report.html. Ctrl-C or kill -9, and the same command again: it goes on where it was and
 * ends with the same bits.
 *
 * Build it alone with: cc four_stages.c $(pkg-config --cflags --libs fourstage) -lm
 */
#include "fourstage/fourstage.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PRETRAIN, WRITE, CLASSIFY, REWARD, JUDGE, PPO, STAGES };
enum { MICRO_BATCH = 16, MICRO_BATCHES = 4, BATCH = MICRO_BATCH * MICRO_BATCHES }; /* of the classifiers */
enum { MOST_METRICS = 12, MOST_RESULTS = 12, FOLDER = 3000, SAMPLES = 400, SHOWN = 12 };

typedef struct settings {
    const char *reviews, *output;
    int32_t vocabulary, layers, heads, width, context, threads;
    int64_t seed;
    int percent; /* of each stage's steps */
} settings;

typedef struct review {
    char *text;
    int good;
    char part; /* 'a', 'b', 'h' */
} review;

/* A stage of this program: what it records at each step, and what it found. */
typedef struct stage {
    const char *folder_name, *title, *about;
    const char *metrics[MOST_METRICS]; /* of its run; NULL behind the last */
    char folder[FOLDER];
    double *points; /* [count, 2 + metrics]: step, seconds, and the metrics */
    int64_t count, room;
    struct {
        char name[32];
        double value;
    } results[MOST_RESULTS];
    int result_count;
    int finished; /* earlier: its result and model are in the folder */
} stage;

typedef struct program {
    settings settings;
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_chat_template chat;
    review *reviews;
    int64_t review_count;
    stage stages[STAGES];
    int terminal;
} program;

static void check(fst_status status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "\n%s: %s\n", fst_status_name(status), fst_last_error());
    exit(1);
}

static void *memory(void *block, size_t count, size_t size)
{
    block = size > 0 && count > SIZE_MAX / size ? NULL : realloc(block, count * size + 1);
    if (!block) {
        fputs("no memory\n", stderr);
        exit(1);
    }
    return block;
}

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "%s %s\n", what, name);
    exit(1);
}

/* ---- what was asked for ---- */

static void usage(FILE *to)
{
    fputs("four_stages --reviews FILE --output DIR\n"
          "  --layers N  --heads N  --width N  --context N  the model (4, 4, 256, 128)\n"
          "  --vocabulary N   tokens (4096)\n"
          "  --percent N      of each stage's steps (100)\n"
          "  --threads N      workers (as many as there are processors)\n"
          "  --seed N         of weights, order and samples (1)\n",
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
    enum { REVIEWS, OUTPUT, VOCABULARY, LAYERS, HEADS, WIDTH, CONTEXT, PERCENT, THREADS, SEED, HELP };
    static const struct option options[] = {
        {"reviews", 1, 0, REVIEWS}, {"output", 1, 0, OUTPUT},   {"vocabulary", 1, 0, VOCABULARY},
        {"layers", 1, 0, LAYERS},   {"heads", 1, 0, HEADS},     {"width", 1, 0, WIDTH},
        {"context", 1, 0, CONTEXT}, {"percent", 1, 0, PERCENT}, {"threads", 1, 0, THREADS},
        {"seed", 1, 0, SEED},       {"help", 0, 0, HELP},       {0},
    };
    settings s = {
        .vocabulary = 4096, .layers = 4, .heads = 4, .width = 256, .context = 128, .percent = 100, .seed = 1};
    for (int option, at; (option = getopt_long(argc, argv, "", options, &at)) != -1;) {
        const char *name = option == '?' ? "" : options[at].name;
        switch (option) {
        case REVIEWS: s.reviews = optarg; break;
        case OUTPUT: s.output = optarg; break;
        case VOCABULARY: s.vocabulary = number(optarg, name); break;
        case LAYERS: s.layers = number(optarg, name); break;
        case HEADS: s.heads = number(optarg, name); break;
        case WIDTH: s.width = number(optarg, name); break;
        case CONTEXT: s.context = number(optarg, name); break;
        case PERCENT: s.percent = number(optarg, name); break;
        case THREADS: s.threads = number(optarg, name); break;
        case SEED: s.seed = number(optarg, name); break;
        case HELP: usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    if (!s.reviews || !s.output || optind < argc || strlen(s.output) > FOLDER - 100) {
        usage(stderr);
        exit(2);
    }
    return s;
}

/* A stage's steps at the asked-for length. */
static int64_t steps_of(const program *p, int64_t steps)
{
    int64_t scaled = steps * p->settings.percent / 100;
    return scaled > 4 ? scaled : 4;
}

/* ---- the reviews ---- */

static void read_reviews(program *p)
{
    FILE *file = fopen(p->settings.reviews, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    if (!file)
        fail("cannot read", p->settings.reviews);
    while ((length = getline(&line, &room, file)) > 0) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        char *label = strchr(line, '\t'), *text = label ? strchr(label + 1, '\t') : NULL;
        if (!text || !strchr("abh", line[0]))
            fail("a line is not part, label, text:", line);
        if (p->review_count % 4096 == 0)
            p->reviews = memory(p->reviews, (size_t)p->review_count + 4096, sizeof *p->reviews);
        review *r = &p->reviews[p->review_count++];
        *r = (review){.good = label[1] == 'g', .part = line[0]};
        r->text = strcpy(memory(NULL, strlen(text), 1), text + 1);
    }
    free(line);
    fclose(file);
}

/* Those of some parts ("ab"), good ones (1), bad ones (0) or both (-1); to be freed. */
static const review **select_reviews(const program *p, const char *parts, int good, int64_t *count)
{
    const review **found = memory(NULL, (size_t)p->review_count, sizeof *found);
    *count = 0;
    for (int64_t i = 0; i < p->review_count; ++i) {
        const review *r = &p->reviews[i];
        if (strchr(parts, r->part) && (good < 0 || good == r->good))
            found[(*count)++] = r;
    }
    if (*count == 0)
        fail("too few reviews in", p->settings.reviews);
    return found;
}

static int by_length(const void *a, const void *b)
{
    const review *const *one = a, *const *two = b;
    size_t left = strlen((*one)->text), right = strlen((*two)->text);
    return left != right ? (left < right ? -1 : 1) : strcmp((*one)->text, (*two)->text);
}

/* Sorts each step's reviews by length, so that its micro-batches need little padding; what does not
 * fill a step is left out. Steps then see the reviews in this order. */
static void sort_steps(const review **reviews, int64_t *count, int64_t step)
{
    if (*count > step)
        *count -= *count % step;
    for (int64_t i = 0; i < *count; i += step)
        qsort(reviews + i, (size_t)(*count - i < step ? *count - i : step), sizeof *reviews, by_length);
}

/* ---- a stage's folder: model, curve, result ---- */

static const char *path_in(const stage *s, const char *name)
{
    static char path[FOLDER + 64];
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    return path;
}

static int metric_count(const stage *s)
{
    int count = 0;
    while (count < MOST_METRICS && s->metrics[count])
        ++count;
    return count;
}

static double *point_of(const stage *s, int64_t index)
{
    return s->points + index * (2 + metric_count(s));
}

static double *add_point(stage *s)
{
    if (s->count == s->room)
        s->points = memory(s->points, (size_t)(s->room = 2 * s->room + 64),
                           (2 + (size_t)metric_count(s)) * sizeof *s->points);
    return point_of(s, s->count++);
}

/* Whole lines up to `last` step; a line that a crash cut off ends it. */
static void read_curve(stage *s, int64_t last)
{
    FILE *file = fopen(path_in(s, "curve.tsv"), "r");
    char line[2048];
    s->count = 0;
    if (!file)
        return;
    for (int first = 1; fgets(line, sizeof line, file); first = 0) {
        if (first)
            continue; /* the names */
        double *point = add_point(s);
        int fields = 2 + metric_count(s), read = 0;
        for (char *at = line, *end; read < fields; at = end, ++read) {
            point[read] = strtod(at, &end);
            if (end == at)
                break;
        }
        if (read < fields || !strchr(line, '\n') || point[0] > (double)last) {
            --s->count;
            break;
        }
    }
    fclose(file);
}

static void write_point(FILE *file, const stage *s, const double *point)
{
    fprintf(file, "%.0f\t%.3f", point[0], point[1]);
    for (int i = 0; i < metric_count(s); ++i)
        fprintf(file, "\t%.9g", point[2 + i]);
    fputc('\n', file);
}

/* Begins the curve's file anew with the points that are known; more are appended. */
static FILE *open_curve(const stage *s)
{
    FILE *file = fopen(path_in(s, "curve.tsv"), "w");
    if (!file)
        fail("cannot write", path_in(s, "curve.tsv"));
    fputs("step\tseconds", file);
    for (int i = 0; i < metric_count(s); ++i)
        fprintf(file, "\t%s", s->metrics[i]);
    fputc('\n', file);
    for (int64_t i = 0; i < s->count; ++i)
        write_point(file, s, point_of(s, i));
    fflush(file);
    return file;
}

static double *result(stage *s, const char *name)
{
    for (int i = 0; i < s->result_count; ++i)
        if (strcmp(s->results[i].name, name) == 0)
            return &s->results[i].value;
    if (s->result_count == MOST_RESULTS)
        fail("too many results:", name);
    snprintf(s->results[s->result_count].name, sizeof s->results[0].name, "%s", name);
    return &s->results[s->result_count++].value;
}

/* The result is the last file of a stage: where it stands, everything else does. */
static void write_result(stage *s)
{
    char final[FOLDER + 64];
    snprintf(final, sizeof final, "%s", path_in(s, "result.tsv"));
    FILE *file = fopen(path_in(s, "result.tmp"), "w");
    if (!file)
        fail("cannot write", final);
    for (int i = 0; i < s->result_count; ++i)
        fprintf(file, "%s\t%.17g\n", s->results[i].name, s->results[i].value);
    int good = fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (fclose(file) != 0 || !good || rename(path_in(s, "result.tmp"), final) != 0)
        fail("cannot write", final);
    s->finished = 1;
}

static void open_stage(program *p, int index)
{
    stage *s = &p->stages[index];
    char name[32];
    double value;
    snprintf(s->folder, sizeof s->folder, "%s/%s", p->settings.output, s->folder_name);
    mkdir(s->folder, 0777); /* if it cannot be made, saving says why */
    FILE *file = fopen(path_in(s, "result.tsv"), "r");
    if (!file)
        return;
    while (fscanf(file, "%31s %lf", name, &value) == 2)
        *result(s, name) = value;
    fclose(file);
    read_curve(s, INT64_MAX);
    s->finished = 1;
}

/* bfloat16 where the processor computes in it. */
static fst_model_options in_memory(const program *p)
{
    fst_context_info info;
    fst_model_options options;
    check(fst_context_get_info(p->context, &info, sizeof info));
    check(fst_model_options_init(&options, sizeof options));
    options.dtype = info.bf16 ? FST_BF16 : FST_F32;
    return options;
}

static fst_model *load_model(const program *p, int index)
{
    fst_model_options options = in_memory(p);
    fst_model *model;
    check(fst_model_load(p->context, p->stages[index].folder, &options, &model));
    return model;
}

/* The pretrained trunk, with dropout: classifiers learn from few labels, and would learn them by heart. */
static fst_model *load_trunk(const program *p, double dropout)
{
    fst_model_options options = in_memory(p);
    fst_model_config config;
    fst_model *saved = load_model(p, PRETRAIN), *model;
    check(fst_model_get_config(saved, &config, sizeof config));
    config.dropout = dropout;
    check(fst_model_create(p->context, &config, &options, &model));
    check(fst_model_copy_weights(model, saved));
    fst_model_destroy(saved);
    return model;
}

/* ---- a run, from where it was to its end ---- */

static fst_run *volatile running;
static volatile sig_atomic_t interrupted;

/* A handler may call fst_run_cancel, which only sets a flag. Between runs nothing is half-written. */
static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
    if (running)
        fst_run_cancel(running);
    else
        _exit(130);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void show_progress(const program *p, const stage *s, const fst_run_info *info, double value)
{
    int64_t every = info->total_steps / 10 > 0 ? info->total_steps / 10 : 1;
    if (!p->terminal && info->step % every != 0)
        return;
    if (p->terminal) {
        int done = (int)(24 * info->step / info->total_steps);
        fputs("\r\033[K", stderr);
        fprintf(stderr, "%-22s [", s->title);
        for (int i = 0; i < 24; ++i)
            fputc(i < done ? '#' : '.', stderr);
        fputs("] ", stderr);
    } else {
        fprintf(stderr, "%-22s ", s->title);
    }
    fprintf(stderr, "%lld/%lld  %s %.3f", (long long)info->step, (long long)info->total_steps, s->metrics[0],
            value);
    fputs(p->terminal && !info->finished ? "" : "\n", stderr);
    fflush(stderr);
}

/* Held-out metrics only where they were measured. */
static void record(stage *s, fst_run *run, int64_t step, int evaluated, double seconds, FILE *curve)
{
    double *point = add_point(s);
    point[0] = (double)step;
    point[1] = seconds;
    for (int i = 0; i < metric_count(s); ++i) {
        point[2 + i] = NAN;
        if (evaluated || strncmp(s->metrics[i], "validation", 10) != 0)
            check(fst_run_metric(run, s->metrics[i], &point[2 + i]));
    }
    write_point(curve, s, point);
    fflush(curve);
}

static fst_run_info info_of(const fst_run *run)
{
    fst_run_info info;
    check(fst_run_get_info(run, &info, sizeof info));
    return info;
}

/* Steps with the common verbs; the stage does not matter. `evaluates`: it has held-out data. */
static void drive(program *p, stage *s, fst_run *run, int evaluates)
{
    fst_status status = fst_run_resume(run, NULL);
    if (status != FST_ERR_NOT_FOUND)
        check(status);
    fst_run_info info = info_of(run);
    read_curve(s, info.step);
    double before = s->count > 0 ? point_of(s, s->count - 1)[1] : 0, start = now();
    FILE *curve = open_curve(s);
    running = run;
    if (s->count == 0) {
        status = evaluates ? fst_run_evaluate(run) : FST_OK;
        if (status == FST_OK)
            record(s, run, 0, 1, now() - start, curve);
    }
    while (status != FST_STOPPED && !info.finished && !interrupted) {
        fst_run_progress progress;
        status = fst_run_step(run, &progress, sizeof progress);
        check(status);
        if (status == FST_STOPPED)
            break;
        info = info_of(run);
        record(s, run, info.step, progress.evaluated, before + now() - start, curve);
        show_progress(p, s, &info, point_of(s, s->count - 1)[2]);
    }
    if (!interrupted && evaluates)
        check(fst_run_evaluate(run));
    running = NULL;
    fclose(curve);
    if (interrupted) {
        check(fst_run_save(run, NULL));
        fprintf(stderr, "\nstopped and saved in %s; the same command goes on\n", p->settings.output);
        exit(130);
    }
    *result(s, "seconds") = before + now() - start;
}

/* What a run found before its first step and at its end, under the names "before" and "after". */
static void keep_metric(stage *s, const fst_run *run, const char *metric)
{
    for (int i = 0; i < metric_count(s); ++i)
        if (strcmp(s->metrics[i], metric) == 0)
            *result(s, "before") = point_of(s, 0)[2 + i];
    check(fst_run_metric(run, metric, result(s, "after")));
}

/* What every stage of training needs. */
typedef struct training {
    fst_model *model;
    fst_optimizer *optimizer;
    fst_dataset *train, *held;
    fst_run_options common;
    fst_run *run;
} training;

static fst_optimizer *make_optimizer(fst_model *model, int32_t kind, double learning_rate, int64_t steps)
{
    fst_optimizer_options options;
    fst_optimizer *optimizer;
    check(fst_optimizer_options_init(&options, sizeof options));
    options.kind = kind;
    options.learning_rate = learning_rate; /* Muon's own is the default, .02 */
    options.muon_weight_decay = 0.1;
    options.beta2 = 0.95;
    options.weight_decay = 0.1;
    options.schedule = FST_SCHEDULE_COSINE;
    options.warmup_steps = steps / 20;
    options.total_steps = steps;
    options.minimum_ratio = 0.1;
    check(fst_optimizer_create(model, &options, &optimizer));
    return optimizer;
}

static fst_run_options run_options(const stage *s, int64_t steps)
{
    fst_run_options options;
    static char directory[FOLDER + 64];
    snprintf(directory, sizeof directory, "%s", path_in(s, "checkpoints"));
    check(fst_run_options_init(&options, sizeof options));
    options.total_steps = steps;
    options.evaluate_every = steps / 4 > 0 ? steps / 4 : 1;
    options.save_every = steps / 8 > 0 ? steps / 8 : 1;
    options.directory = directory;
    return options;
}

static training begin_training(const stage *s, fst_model *model, fst_dataset *train, fst_dataset *held,
                               int32_t optimizer, double learning_rate, int64_t steps)
{
    return (training){.model = model,
                      .optimizer = make_optimizer(model, optimizer, learning_rate, steps),
                      .train = train,
                      .held = held,
                      .common = run_options(s, steps)};
}

/* The model goes into the stage's folder, and the result, which says that the stage is done. */
static void end_training(program *p, stage *s, training *t)
{
    check(fst_model_save(t->model, p->tokenizer, s->folder));
    write_result(s);
    fst_run_destroy(t->run);
    fst_optimizer_destroy(t->optimizer);
    fst_model_destroy(t->model);
    fst_dataset_destroy(t->train);
    fst_dataset_destroy(t->held);
}

/* ---- stage 1: the language of reviews ---- */

/* A token ends a review and an answer alike, so that the end is learnt from the first stage on. */
static const char *const special_tokens[] = {"<|im_start|>", "<|im_end|>"};

static void make_tokenizer(program *p)
{
    char path[FOLDER + 64];
    int32_t end;
    snprintf(path, sizeof path, "%s/tokenizer.json", p->settings.output);
    if (access(path, R_OK) == 0) {
        check(fst_tokenizer_load(p->context, path, &p->tokenizer));
    } else {
        int64_t count;
        const review **reviews = select_reviews(p, "ab", -1, &count);
        const char **texts = memory(NULL, (size_t)count, sizeof *texts);
        for (int64_t i = 0; i < count; ++i)
            texts[i] = reviews[i]->text;
        fst_tokenizer_train_options options;
        check(fst_tokenizer_train_options_init(&options, sizeof options));
        options.kind = FST_TOKENIZER_BPE;
        options.vocabulary_size = p->settings.vocabulary;
        options.special_tokens = special_tokens;
        options.special_token_count = 2;
        check(fst_tokenizer_train_texts(p->context, texts, NULL, (size_t)count, &options, &p->tokenizer));
        check(fst_tokenizer_save(p->tokenizer, path));
        free(texts);
        free(reviews);
    }
    check(fst_tokenizer_find(p->tokenizer, "<|im_end|>", &end));
    check(fst_tokenizer_set_special_id(p->tokenizer, FST_TOKEN_EOS, end));
}

static fst_dataset *packed_reviews(const program *p, const char *parts)
{
    int64_t count;
    const review **reviews = select_reviews(p, parts, -1, &count);
    const char **texts = memory(NULL, (size_t)count, sizeof *texts);
    for (int64_t i = 0; i < count; ++i)
        texts[i] = reviews[i]->text;
    fst_dataset_text_options options;
    fst_pack_options pack;
    fst_dataset *documents, *packed;
    check(fst_dataset_text_options_init(&options, sizeof options));
    options.add_eos = 1;
    check(fst_dataset_from_texts(p->context, p->tokenizer, texts, NULL, count, &options, &documents));
    check(fst_pack_options_init(&pack, sizeof pack));
    pack.length = p->settings.context;
    check(fst_dataset_pack(documents, &pack, &packed));
    fst_dataset_destroy(documents);
    free(texts);
    free(reviews);
    return packed;
}

static fst_model *new_model(const program *p)
{
    const settings *s = &p->settings;
    fst_model_config config;
    fst_model *model;
    int32_t end;
    check(fst_model_config_init(&config, sizeof config));
    check(fst_model_config_set_family(&config, FST_FAMILY_LLAMA));
    check(fst_tokenizer_vocabulary_size(p->tokenizer, &config.vocabulary_size));
    check(fst_tokenizer_special_id(p->tokenizer, FST_TOKEN_EOS, &end));
    config.eos_id = end;
    config.layers = s->layers;
    config.heads = s->heads;
    config.width = s->width;
    config.context_length = s->context;
    config.hidden_size = (s->width * 8 / 3 + 31) / 32 * 32; /* three matrices for the usual two */
    config.tied = 1;
    fst_model_options options = in_memory(p);
    check(fst_model_create(p->context, &config, &options, &model));
    return model;
}

static void pretrain(program *p)
{
    stage *s = &p->stages[PRETRAIN];
    if (s->finished)
        return;
    int64_t steps = steps_of(p, 800);
    training t =
        begin_training(s, new_model(p), packed_reviews(p, "ab"), packed_reviews(p, "h"),
                       FST_OPTIMIZER_MUON, 2e-3, steps);
    fst_pretrain_options options;
    check(fst_pretrain_options_init(&options, sizeof options));
    options.model = t.model;
    options.optimizer = t.optimizer;
    options.train = t.train;
    options.validation = t.held;
    options.run = &t.common;
    options.rows = 32;
    check(fst_pretrain_create(&options, &t.run));
    drive(p, s, t.run, 1);
    keep_metric(s, t.run, "validation_perplexity");
    end_training(p, s, &t);
}

/* ---- stage 2a: writing what is asked for ---- */

static const char *const good_prompts[] = {"写一条好评", "请写一条好评。", "帮我写个好评", "夸一夸这件商品"};
static const char *const bad_prompts[] = {"写一条差评", "请写一条差评。", "帮我写个差评", "批评一下这件商品"};
static const char *const any_prompts[] = {"写一条评论", "请写一条评论。", "帮我写个评论", "评价一下这件商品"};
enum { PHRASINGS = 4 };

/* Every second good review and every fourth bad one answers a neutral request, the others one for their
 * kind. Good ones are longer, more of them are left out below, and the writer tends to the shorter. */
static const char *prompt_for(const review *r, int64_t index)
{
    int every = r->good ? 2 : 4;
    const char *const *prompts = index % every == 0 ? any_prompts : r->good ? good_prompts : bad_prompts;
    return prompts[index / every % PHRASINGS];
}

static fst_dataset *conversations(const program *p, const char *parts)
{
    int64_t count;
    const review **reviews = select_reviews(p, parts, -1, &count);
    const char **roles = memory(NULL, 2 * (size_t)count, sizeof *roles);
    const char **contents = memory(NULL, 2 * (size_t)count, sizeof *contents);
    int64_t *offsets = memory(NULL, (size_t)count + 1, sizeof *offsets);
    for (int64_t i = 0; i < count; ++i) {
        roles[2 * i] = "user";
        roles[2 * i + 1] = "assistant";
        contents[2 * i] = prompt_for(reviews[i], i);
        contents[2 * i + 1] = reviews[i]->text;
        offsets[i] = 2 * i;
    }
    offsets[count] = 2 * count;
    fst_example_options options;
    fst_dataset *examples, *packed;
    check(fst_example_options_init(&options, sizeof options));
    options.chat = &p->chat;
    options.max_length = p->settings.context * 3 / 4; /* whole reviews only: they teach to end */
    options.too_long = FST_TOO_LONG_DROP;
    check(fst_dataset_from_conversations(p->context, p->tokenizer, roles, contents, offsets, count, &options,
                                         &examples));
    fst_pack_options pack;
    check(fst_pack_options_init(&pack, sizeof pack));
    pack.length = p->settings.context;
    pack.mode = FST_PACK_BEST_FIT;
    pack.cross_documents = 0;
    check(fst_dataset_pack(examples, &pack, &packed));
    fst_dataset_destroy(examples);
    free(roles);
    free(contents);
    free(offsets);
    free(reviews);
    return packed;
}

static void learn_to_write(program *p)
{
    stage *s = &p->stages[WRITE];
    if (s->finished)
        return;
    int64_t steps = steps_of(p, 200);
    training t = begin_training(s, load_model(p, PRETRAIN), conversations(p, "ab"), conversations(p, "h"),
                                FST_OPTIMIZER_ADAMW, 5e-4, steps);
    fst_sft_options options;
    check(fst_sft_options_init(&options, sizeof options));
    options.model = t.model;
    options.optimizer = t.optimizer;
    options.train = t.train;
    options.validation = t.held;
    options.run = &t.common;
    options.rows = 32;
    check(fst_sft_create(&options, &t.run));
    drive(p, s, t.run, 1);
    keep_metric(s, t.run, "validation_loss");
    end_training(p, s, &t);
}

/* ---- stage 2b, and the judge: telling good from bad ---- */

static fst_dataset *labelled(const program *p, const char *const *texts, const float *labels, int64_t count)
{
    fst_example_options options;
    fst_dataset *dataset;
    check(fst_example_options_init(&options, sizeof options));
    options.max_length = p->settings.context;
    options.too_long = FST_TOO_LONG_CUT_END;
    check(
        fst_dataset_from_labelled(p->context, p->tokenizer, texts, NULL, labels, count, &options, &dataset));
    return dataset;
}

static fst_dataset *labelled_reviews(const program *p, const char *parts)
{
    int64_t count;
    const review **reviews = select_reviews(p, parts, -1, &count);
    const char **texts = memory(NULL, (size_t)count, sizeof *texts);
    float *labels = memory(NULL, (size_t)count, sizeof *labels);
    sort_steps(reviews, &count, strchr(parts, 'h') ? count : BATCH);
    for (int64_t i = 0; i < count; ++i) {
        texts[i] = reviews[i]->text;
        labels[i] = (float)reviews[i]->good;
    }
    fst_dataset *dataset = labelled(p, texts, labels, count);
    free(texts);
    free(labels);
    free(reviews);
    return dataset;
}

static void add_head(fst_model *model, const char *name, int64_t outputs)
{
    fst_head_options head;
    check(fst_head_options_init(&head, sizeof head));
    head.name = name;
    head.pooling = FST_POOL_MEAN;
    head.outputs = outputs;
    head.init_std = 0;
    check(fst_model_add_head(model, &head));
}

static void learn_to_classify(program *p, int index, const char *parts, int64_t steps)
{
    stage *s = &p->stages[index];
    if (s->finished)
        return;
    fst_model *model = load_trunk(p, 0.2);
    add_head(model, "sentiment", 2);
    training t = begin_training(s, model, labelled_reviews(p, parts), labelled_reviews(p, "h"),
                                FST_OPTIMIZER_ADAMW, 5e-4, steps);
    fst_sft_options options;
    int64_t counts[4], cells;
    check(fst_sft_options_init(&options, sizeof options));
    options.model = t.model;
    options.optimizer = t.optimizer;
    options.train = t.train;
    options.validation = t.held;
    options.run = &t.common;
    options.head = "sentiment";
    options.rows = MICRO_BATCH;
    options.accumulation = MICRO_BATCHES;
    options.shuffle = 0; /* see sort_steps */
    options.language_modelling = 0.5; /* 16,000 labels are learnt by heart in an epoch; language is not */
    check(fst_sft_create(&options, &t.run));
    drive(p, s, t.run, 1);
    keep_metric(s, t.run, "validation_accuracy");
    check(fst_run_metric(t.run, "validation_f1_macro", result(s, "f1")));
    check(fst_sft_confusion(t.run, counts, 4, &cells));
    *result(s, "bad_as_bad") = (double)counts[0];
    *result(s, "bad_as_good") = (double)counts[1];
    *result(s, "good_as_bad") = (double)counts[2];
    *result(s, "good_as_good") = (double)counts[3];
    end_training(p, s, &t);
}

/* ---- stage 3: a reward from pairs ---- */

typedef struct pair {
    const review *good, *bad;
} pair;

static size_t longer(const pair *p)
{
    size_t good = strlen(p->good->text), bad = strlen(p->bad->text);
    return good > bad ? good : bad;
}

static int by_longer(const void *a, const void *b)
{
    const pair *one = a, *two = b;
    size_t left = longer(one), right = longer(two);
    int order = strcmp(one->good->text, two->good->text);
    order = order ? order : strcmp(one->bad->text, two->bad->text);
    return left != right ? (left < right ? -1 : 1) : order;
}

/* `rounds` times each good review beside a bad one, each time another. Sorted within each step, as
 * sort_steps does it. */
static fst_dataset *pairs(const program *p, const char *parts, int rounds)
{
    enum { STEP = BATCH / 2 };
    int64_t good_count, bad_count, count, used = 0;
    const review **good = select_reviews(p, parts, 1, &good_count);
    const review **bad = select_reviews(p, parts, 0, &bad_count);
    count = good_count * rounds;
    pair *all = memory(NULL, (size_t)count, sizeof *all);
    for (int64_t i = 0; i < count; ++i)
        all[i] = (pair){good[i % good_count], bad[(i + i / good_count) % bad_count]};
    if (count > STEP)
        count -= count % STEP;
    for (int64_t i = 0; i < count; i += STEP)
        qsort(all + i, (size_t)(count - i < STEP ? count - i : STEP), sizeof *all, by_longer);
    const char **prompts = memory(NULL, (size_t)count, sizeof *prompts);
    const char **answers = memory(NULL, 2 * (size_t)count, sizeof *answers);
    int64_t *offsets = memory(NULL, (size_t)count + 1, sizeof *offsets);
    for (; used < count; ++used) {
        prompts[used] = any_prompts[used % PHRASINGS];
        answers[2 * used] = all[used].good->text;
        answers[2 * used + 1] = all[used].bad->text;
        offsets[used] = 2 * used;
    }
    offsets[count] = 2 * count;
    free(all);
    fst_example_options options;
    fst_dataset *dataset;
    check(fst_example_options_init(&options, sizeof options));
    options.chat = &p->chat;
    options.max_length = p->settings.context;
    options.too_long = FST_TOO_LONG_CUT_END;
    options.drop_useless = 1;
    check(fst_dataset_from_preferences(p->context, p->tokenizer, prompts, answers, offsets, NULL, count,
                                       &options, &dataset));
    free(prompts);
    free(answers);
    free(offsets);
    free(good);
    free(bad);
    return dataset;
}

static void learn_the_reward(program *p)
{
    stage *s = &p->stages[REWARD];
    if (s->finished)
        return;
    int64_t steps = steps_of(p, 300);
    fst_model *model = load_trunk(p, 0.2);
    add_head(model, "score", 1);
    training t =
        begin_training(s, model, pairs(p, "a", 3), pairs(p, "h", 2), FST_OPTIMIZER_ADAMW, 5e-4, steps);
    fst_reward_options options;
    check(fst_reward_options_init(&options, sizeof options));
    options.model = t.model;
    options.optimizer = t.optimizer;
    options.train = t.train;
    options.validation = t.held;
    options.run = &t.common;
    options.rows = MICRO_BATCH / 2;
    options.accumulation = MICRO_BATCHES;
    options.shuffle = 0; /* see pairs */
    options.dropout = 1;
    options.shift_to_zero = 0; /* that and more below */
    check(fst_reward_create(&options, &t.run));
    drive(p, s, t.run, 1);
    keep_metric(s, t.run, "validation_accuracy");
    check(fst_run_metric(t.run, "validation_length_baseline", result(s, "length_baseline")));
    check(fst_reward_shift(t.run, 1, NULL, NULL)); /* rewards of mean 0 and deviation 1 on the training data */
    end_training(p, s, &t);
}

/* ---- stage 4: to please the reward ---- */

static int64_t longest_answer(const program *p)
{
    return p->settings.context / 2;
}

/* Neutral requests, as ids with the template around them. */
static fst_dataset *requests(const program *p, int64_t count)
{
    const char **texts = memory(NULL, (size_t)count, sizeof *texts);
    for (int64_t i = 0; i < count; ++i)
        texts[i] = any_prompts[i % PHRASINGS];
    fst_example_options options;
    fst_dataset *dataset;
    check(fst_example_options_init(&options, sizeof options));
    options.chat = &p->chat;
    check(fst_dataset_from_prompts(p->context, p->tokenizer, texts, count, &options, &dataset));
    free(texts);
    return dataset;
}

static fst_reward_model *load_reward(const program *p, fst_model **model)
{
    fst_reward_head_options options;
    fst_reward_model *reward;
    *model = load_model(p, REWARD);
    check(fst_reward_head_options_init(&options, sizeof options));
    options.head = "score";
    options.chat = &p->chat;
    check(fst_reward_model_from_model(*model, p->tokenizer, &options, &reward));
    return reward;
}

static void learn_to_please(program *p)
{
    enum { ANSWERS = 64, MINIBATCH = 32, EPOCHS = 4, UPDATES = EPOCHS * ANSWERS / MINIBATCH };
    stage *s = &p->stages[PPO];
    if (s->finished)
        return;
    int64_t steps = steps_of(p, 50);
    fst_model *model = load_model(p, WRITE), *scorer;
    fst_reward_model *reward = load_reward(p, &scorer);
    fst_head_options value;
    check(fst_head_options_init(&value, sizeof value));
    value.name = "value";
    value.kind = FST_HEAD_TOKEN;
    value.init_std = 0;
    check(fst_model_add_head(model, &value));
    training t = {.model = model,
                  .optimizer = make_optimizer(model, FST_OPTIMIZER_ADAMW, 3e-5, steps * UPDATES),
                  .train = requests(p, ANSWERS),
                  .common = run_options(s, steps)};
    fst_sampling_options sampling;
    check(fst_sampling_options_init(&sampling, sizeof sampling));
    sampling.max_new_tokens = longest_answer(p);
    t.common.evaluate_every = 0;
    fst_rl_options options;
    check(fst_rl_options_init(&options, sizeof options));
    options.model = t.model;
    options.reward_model = reward;
    options.optimizer = t.optimizer;
    options.prompts = t.train;
    options.sampling = &sampling;
    options.run = &t.common;
    options.prompts_per_step = ANSWERS;
    options.minibatch = MINIBATCH;
    options.epochs = EPOCHS;
    options.kl_coefficient = 0.09;
    options.kl_ceiling = 10;
    options.missing_end_penalty = 1;
    check(fst_rl_create(&options, &t.run)); /* which keeps a copy of the model as it is now: its reference */
    drive(p, s, t.run, 0);
    end_training(p, s, &t);
    fst_reward_model_destroy(reward);
    fst_model_destroy(scorer);
}

/* ---- before and after stage 4 ---- */

typedef struct samples {
    char *texts[SAMPLES];
    int32_t *ids[SAMPLES]; /* of request and answer */
    int64_t request_lengths[SAMPLES], lengths[SAMPLES];
    double log_probabilities[SAMPLES]; /* of the answer, by the writer */
    double good[SAMPLES];              /* what the judge takes for the chance that it is a good review */
    float rewards[SAMPLES];
} samples;

/* Bytes that make no character become '?': a model that has learnt little writes such. Never empty. */
static char *readable(const char *text)
{
    char *copy = strcpy(memory(NULL, strlen(text) + 2, 1), *text ? text : "?");
    unsigned char *at = (unsigned char *)copy;
    while (*at) {
        int more = *at < 0x80                  ? 0
                   : *at >= 0xC2 && *at < 0xE0 ? 1
                   : (*at & 0xF0) == 0xE0      ? 2
                   : *at >= 0xF0 && *at < 0xF5 ? 3
                                               : -1;
        int good = more >= 0;
        for (int i = 1; good && i <= more; ++i)
            good = (at[i] & 0xC0) == 0x80;
        if (good && more == 2) /* no overlong form, no surrogate */
            good = !(at[0] == 0xE0 && at[1] < 0xA0) && !(at[0] == 0xED && at[1] > 0x9F);
        if (good && more == 3)
            good = !(at[0] == 0xF0 && at[1] < 0x90) && !(at[0] == 0xF4 && at[1] > 0x8F);
        if (!good)
            *at = '?';
        at += good ? more + 1 : 1;
    }
    return copy;
}

/* From the plain distribution: no temperature, no cut. */
static void write_reviews(program *p, fst_model *model, samples *w)
{
    enum { AT_ONCE = 50 };
    fst_dataset *asked = requests(p, SAMPLES);
    fst_policy *policy;
    fst_sampling_options options;
    check(fst_policy_create(model, p->tokenizer, &policy));
    check(fst_sampling_options_init(&options, sizeof options));
    options.max_new_tokens = longest_answer(p);
    for (int first = 0; first < SAMPLES; first += AT_ONCE) {
        const int32_t *ids[AT_ONCE];
        int64_t lengths[AT_ONCE];
        for (int i = 0; i < AT_ONCE; ++i) {
            fst_example example;
            check(fst_dataset_get_example(asked, first + i, 0, &example, sizeof example));
            ids[i] = example.ids;
            lengths[i] = example.length;
        }
        options.seed = p->settings.seed * 1000 + first;
        check(fst_policy_generate(policy, ids, lengths, AT_ONCE, &options, NULL, NULL));
        for (int i = 0; i < AT_ONCE; ++i) {
            fst_generation g;
            int at = first + i;
            check(fst_policy_get_result(policy, i, &g, sizeof g));
            w->texts[at] = readable(g.text);
            w->request_lengths[at] = lengths[i];
            w->lengths[at] = lengths[i] + g.count;
            w->ids[at] = memory(NULL, (size_t)w->lengths[at], sizeof **w->ids);
            memcpy(w->ids[at], ids[i], (size_t)lengths[i] * sizeof **w->ids);
            memcpy(w->ids[at] + lengths[i], g.ids, (size_t)g.count * sizeof **w->ids);
            w->log_probabilities[at] = 0;
            for (int64_t t = 0; t < g.count; ++t)
                w->log_probabilities[at] += g.log_probabilities[t];
        }
    }
    fst_policy_destroy(policy);
    fst_dataset_destroy(asked);
}

static void judge_samples(program *p, samples *w)
{
    fst_model *judge = load_model(p, JUDGE), *scorer;
    float labels[SAMPLES] = {0}, outputs[SAMPLES][2];
    fst_dataset *dataset = labelled(p, (const char *const *)w->texts, labels, SAMPLES);
    int64_t count;
    check(fst_sft_predict(judge, "sentiment", dataset, 50, outputs[0], 2 * SAMPLES, &count));
    for (int i = 0; i < SAMPLES; ++i)
        w->good[i] = 1 / (1 + exp((double)outputs[i][0] - (double)outputs[i][1]));
    fst_dataset_destroy(dataset);
    fst_model_destroy(judge);

    const int32_t *answers[SAMPLES];
    int64_t lengths[SAMPLES];
    for (int i = 0; i < SAMPLES; ++i) {
        answers[i] = w->ids[i] + w->request_lengths[i];
        lengths[i] = w->lengths[i] - w->request_lengths[i];
    }
    fst_reward_model *reward = load_reward(p, &scorer);
    check(fst_reward_model_score_ids(reward, (const int32_t *const *)w->ids, w->request_lengths, answers,
                                     lengths, SAMPLES, w->rewards));
    fst_reward_model_destroy(reward);
    fst_model_destroy(scorer);
}

/* KL(writer ‖ writer before), per sample: the mean of log p(answer) - log p_before(answer). */
static double divergence(const samples *w, fst_model *before)
{
    double sum = 0;
    for (int i = 0; i < SAMPLES; ++i) {
        int64_t length = w->lengths[i] - 1;
        int32_t *targets = memory(NULL, (size_t)length, sizeof *targets);
        for (int64_t t = 0; t < length; ++t)
            targets[t] = t + 1 < w->request_lengths[i] ? FST_IGNORE : w->ids[i][t + 1];
        fst_batch batch;
        fst_forward_options options;
        fst_view view;
        check(fst_batch_init(&batch, sizeof batch));
        batch.rows = 1;
        batch.length = length;
        batch.ids = w->ids[i];
        batch.targets = targets;
        check(fst_forward_options_init(&options, sizeof options));
        options.mode = FST_FORWARD_EVALUATE;
        check(fst_model_forward(before, &batch, &options));
        check(fst_model_output(before, "log_probabilities", &view));
        sum += w->log_probabilities[i];
        for (int64_t t = 0; t < length; ++t)
            sum -= ((const float *)view.data)[t]; /* 0 where ignored */
        free(targets);
    }
    return sum / SAMPLES;
}

/* The share of the answers' bigrams that did not stand in them before (Li et al., arXiv 1510.03055). */
static double distinct_2(const samples *w)
{
    enum { ROOM = 1 << 18 };
    uint64_t *seen = memory(NULL, ROOM, sizeof *seen);
    int64_t all = 0, distinct = 0;
    memset(seen, 0, ROOM * sizeof *seen);
    for (int64_t i = 0; i < SAMPLES; ++i)
        for (int64_t t = w->request_lengths[i] + 1; t < w->lengths[i] && all < ROOM / 2; ++t, ++all) {
            uint64_t bigram = (uint64_t)w->ids[i][t - 1] << 32 | (uint64_t)(w->ids[i][t] + 1);
            size_t slot = (size_t)(bigram * 0x9E3779B97F4A7C15u >> 46);
            while (seen[slot] && seen[slot] != bigram)
                slot = (slot + 1) % ROOM;
            distinct += seen[slot] == 0;
            seen[slot] = bigram;
        }
    free(seen);
    return all > 0 ? (double)distinct / (double)all : 0;
}

static void compare(program *p, samples *before, samples *after)
{
    stage *s = &p->stages[PPO];
    fst_model *writer = load_model(p, WRITE), *pleaser = load_model(p, PPO);
    write_reviews(p, writer, before);
    write_reviews(p, pleaser, after);
    judge_samples(p, before);
    judge_samples(p, after);
    for (int which = 0; which < 2; ++which) {
        const samples *w = which ? after : before;
        double good = 0, reward = 0;
        for (int i = 0; i < SAMPLES; ++i) {
            good += w->good[i] > 0.5;
            reward += w->rewards[i];
        }
        *result(s, which ? "good_after" : "good_before") = good / SAMPLES;
        *result(s, which ? "reward_after" : "reward_before") = reward / SAMPLES;
        *result(s, which ? "distinct_after" : "distinct_before") = distinct_2(w);
    }
    *result(s, "kl") = divergence(after, writer);
    fst_model_destroy(writer);
    fst_model_destroy(pleaser);
}

/* ---- the table ---- */

/* A line of the table; percent: shown as one. */
typedef struct row {
    int stage;
    const char *stage_name, *metric, *before, *after; /* names of results; before NULL: none */
    int percent;
} row;

static const row rows[] = {
    {PRETRAIN, "1 pretraining", "held-out perplexity", "before", "after", 0},
    {WRITE, "2a finetuning, writing", "held-out loss of the answer's tokens", "before", "after", 0},
    {CLASSIFY, "2b finetuning, sentiment", "held-out accuracy", "before", "after", 1},
    {REWARD, "3 reward model", "held-out pairs in the right order", "before", "after", 1},
    {JUDGE, "– judge, not seen by 4", "held-out accuracy", "before", "after", 1},
    {PPO, "4 PPO", "samples that the judge calls good", "good_before", "good_after", 1},
    {PPO, "", "mean reward of the samples", "reward_before", "reward_after", 0},
    {PPO, "", "KL to the writer of 2a, nats a sample", NULL, "kl", 0},
    {PPO, "", "distinct bigrams of the samples", "distinct_before", "distinct_after", 1},
};

static void format_value(stage *s, const char *name, int percent, char *out)
{
    if (!name)
        strcpy(out, "–");
    else
        snprintf(out, 32, percent ? "%.1f %%" : "%.2f", *result(s, name) * (percent ? 100 : 1));
}

static void format_row(program *p, const row *r, char *before, char *after, char *time)
{
    stage *s = &p->stages[r->stage];
    format_value(s, r->before, r->percent, before);
    format_value(s, r->after, r->percent, after);
    int seconds = (int)(*result(s, "seconds") + 0.5);
    snprintf(time, 32, "%d:%02d", seconds / 60, seconds % 60);
    if (!r->stage_name[0])
        strcpy(time, "");
}

/* Columns to an eye's width: – and the like are one place wide and three bytes long. */
static void print_cell(const char *text, int width, int right)
{
    int shown = 0;
    for (const char *at = text; *at; ++at)
        shown += (*at & 0xC0) != 0x80;
    if (right)
        printf("%*s%s", width - shown > 0 ? width - shown : 0, "", text);
    else
        printf("%s%*s", text, width - shown > 0 ? width - shown : 0, "");
}

static void print_table(program *p)
{
    puts("");
    for (size_t i = 0; i <= sizeof rows / sizeof rows[0]; ++i) {
        char before[32] = "before", after[32] = "after", time[32] = "time";
        if (i > 0)
            format_row(p, &rows[i - 1], before, after, time);
        print_cell(i ? rows[i - 1].stage_name : "stage", 26, 0);
        print_cell(i ? rows[i - 1].metric : "metric", 40, 0);
        print_cell(before, 10, 1);
        print_cell(after, 10, 1);
        print_cell(time, 8, 1);
        puts("");
    }
    puts("");
}

/* ---- report.html: one page, no script ---- */

typedef struct chart {
    int stage;
    const char *title;
    const char *metric, *second; /* second: drawn too, where it was measured; or NULL */
} chart;

static const chart charts[] = {
    {PRETRAIN, "Loss, nats a token", "loss", "validation_loss"},
    {PRETRAIN, "Next token right", "accuracy", "validation_accuracy"},
    {PRETRAIN, "Gradient norm", "gradient_norm", NULL},
    {WRITE, "Loss, nats a token of the answer", "loss", "validation_loss"},
    {WRITE, "Next token right", "accuracy", "validation_accuracy"},
    {WRITE, "Gradient norm", "gradient_norm", NULL},
    {CLASSIFY, "Loss", "loss", "validation_loss"},
    {CLASSIFY, "Accuracy", "accuracy", "validation_accuracy"},
    {CLASSIFY, "Gradient norm", "gradient_norm", NULL},
    {REWARD, "Loss", "loss", "validation_loss"},
    {REWARD, "Pairs in the right order", "accuracy", "validation_accuracy"},
    {REWARD, "Margin", "margin", "validation_margin"},
    {PPO, "Reward", "reward", NULL},
    {PPO, "KL to the writer of 2a, nats a sample", "kl", NULL},
    {PPO, "Entropy, nats a token", "entropy", NULL},
    {PPO, "Clip fraction", "clip_fraction", NULL},
    {PPO, "Value loss", "value_loss", NULL},
    {PPO, "Length, tokens", "length", NULL},
    {JUDGE, "Loss", "loss", "validation_loss"},
    {JUDGE, "Accuracy", "accuracy", "validation_accuracy"},
};

enum { CHART_WIDTH = 340, CHART_HEIGHT = 190, LEFT = 46, RIGHT = 330, TOP = 14, BOTTOM = 164 };

static const char style[] =
    ":root{color-scheme:light dark;--page:#f6f6f4;--card:#fff;--text:#1c1e21;--quiet:#646a73;\n"
    "  --rule:#e2e2de;--one:#2457c5;--two:#c2570c;--mark:#e7eefc}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#131519;--card:#1c1f25;--text:#e7e8ea;--quiet:#9aa1ab;\n"
    "  --rule:#30343c;--one:#7aa7ff;--two:#f0a35e;--mark:#22304d}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:1120px;padding:32px 16px 64px;background:var(--page);color:var(--text);\n"
    "  font:16px/1.5 system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans CJK SC',sans-serif}\n"
    "h1{font-size:1.6rem;line-height:1.2;margin:0 0 8px}\n"
    "h2{font-size:1.15rem;margin:40px 0 4px}\n"
    "p{margin:0 0 12px;max-width:75ch}\n"
    ".quiet{color:var(--quiet)}\n"
    ".card{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:16px;\n"
    "  overflow-x:auto}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));\n"
    "  gap:12px;margin-top:12px}\n"
    "figure{margin:0;padding:12px}\n"
    "figcaption{display:flex;justify-content:space-between;gap:8px;font-size:.85rem;font-weight:600}\n"
    "figcaption span{font-weight:400;color:var(--quiet);white-space:nowrap}\n"
    "svg{display:block;width:100%;height:auto}\n"
    "svg text{fill:var(--quiet);font-size:11px}\n"
    ".grid{stroke:var(--rule)}\n"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round;stroke:var(--one)}\n"
    ".faint{stroke-width:1;opacity:.35}\n"
    ".two{stroke:var(--two)}\n"
    ".dot{fill:var(--two)}\n"
    ".key::before{content:'';display:inline-block;width:14px;height:3px;margin-right:5px;\n"
    "  vertical-align:middle;background:var(--one)}\n"
    ".key.held::before{background:var(--two)}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;padding:7px 12px 7px 0;vertical-align:top;border-bottom:1px solid var(--rule)}\n"
    "tr:last-child td{border-bottom:0}\n"
    "th{font-weight:600}\n"
    "td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".samples td{width:44%}\n"
    ".samples td:first-child{width:12%}\n"
    ".tag{display:inline-block;border-radius:4px;padding:0 6px;margin-right:6px;font-size:.8rem;\n"
    "  background:var(--mark)}\n"
    ".tag.bad{background:none;border:1px solid var(--rule)}\n";

static void write_escaped(FILE *out, const char *text)
{
    for (; *text; ++text)
        switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        default: fputc(*text, out);
        }
}

static int column_of(const stage *s, const char *metric)
{
    for (int i = 0; metric && i < metric_count(s); ++i)
        if (strcmp(s->metrics[i], metric) == 0)
            return 2 + i;
    return -1;
}

/* What is drawn of a metric, averaged to at most PIECES points. */
enum { PIECES = 240 };
typedef struct line {
    double x[PIECES], y[PIECES];
    int count;
} line;

static line thin(const stage *s, int column)
{
    line l = {.count = 0};
    double last = s->count > 0 ? point_of(s, s->count - 1)[0] : 0;
    double sum_x = 0, sum_y = 0;
    int64_t in_piece = 0;
    int piece = 0;
    for (int64_t i = 0; column >= 0 && i <= s->count; ++i) {
        const double *point = i < s->count ? point_of(s, i) : NULL;
        int at = point && last > 0 ? (int)(point[0] / (last + 1) * PIECES) : PIECES;
        if (at != piece && in_piece > 0) {
            l.x[l.count] = sum_x / (double)in_piece;
            l.y[l.count++] = sum_y / (double)in_piece;
            sum_x = sum_y = 0;
            in_piece = 0;
        }
        piece = at;
        if (point && isfinite(point[column])) {
            sum_x += point[0];
            sum_y += point[column];
            ++in_piece;
        }
    }
    return l;
}

/* An exponential mean, without the lag at the beginning. */
static line smooth(const line *l)
{
    line s = *l;
    double mean = 0, weight = 0;
    for (int i = 0; i < l->count; ++i) {
        mean = 0.85 * mean + 0.15 * l->y[i];
        weight = 0.85 * weight + 0.15;
        s.y[i] = mean / weight;
    }
    return s;
}

/* The axes: values to places, and a round step between the ticks. */
typedef struct axes {
    double last, low, high, tick;
} axes;

static axes fit(double last, const line *one, const line *two)
{
    axes a = {.last = last > 0 ? last : 1, .low = INFINITY, .high = -INFINITY};
    for (int which = 0; which < 2; ++which) {
        const line *l = which ? two : one;
        for (int i = 0; i < l->count; ++i) {
            a.low = fmin(a.low, l->y[i]);
            a.high = fmax(a.high, l->y[i]);
        }
    }
    if (!(a.high > a.low)) {
        a.low -= 0.5;
        a.high += 0.5;
    }
    double rough = (a.high - a.low) / 4, power = pow(10, floor(log10(rough)));
    a.tick = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
    a.low = floor(a.low / a.tick) * a.tick;
    a.high = ceil(a.high / a.tick) * a.tick;
    return a;
}

static double place_x(const axes *a, double x)
{
    return LEFT + (RIGHT - LEFT) * x / a->last;
}

static double place_y(const axes *a, double y)
{
    return BOTTOM - (BOTTOM - TOP) * (y - a->low) / (a->high - a->low);
}

static void draw_line(FILE *out, const axes *a, const line *l, const char *class)
{
    if (l->count < 2)
        return;
    fprintf(out, "<path class=\"line %s\" d=\"", class);
    for (int i = 0; i < l->count; ++i)
        fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', place_x(a, l->x[i]), place_y(a, l->y[i]));
    fputs("\"/>\n", out);
}

static void draw_axes(FILE *out, const axes *a)
{
    for (int i = 0; a->low + i * a->tick <= a->high + a->tick / 2; ++i) {
        double value = a->low + i * a->tick, y = place_y(a, value);
        fprintf(out,
                "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
                "text-anchor=\"end\">%.3g</text>\n",
                LEFT, y, RIGHT, LEFT - 6, y + 4, fabs(value) < a->tick / 1e6 ? 0 : value);
    }
    for (int i = 0; i <= 2; ++i)
        fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%.0f</text>\n",
                LEFT + (RIGHT - LEFT) * i / 2, BOTTOM + 18, i == 2 ? "end" : "middle", a->last * i / 2);
}

static void draw_chart(FILE *out, const stage *s, const chart *c)
{
    line one = thin(s, column_of(s, c->metric)), two = thin(s, column_of(s, c->second));
    if (one.count + two.count == 0)
        return;
    line mean = smooth(&one);
    int noisy = one.count > 50;
    axes a = fit(point_of(s, s->count - 1)[0], &one, &two);
    const line *named = two.count ? &two : noisy ? &mean : &one;
    double from = named->y[0], to = named->y[named->count - 1];
    fprintf(out, "<figure class=\"card\"><figcaption>%s<span>%.3g → %.3g</span></figcaption>\n", c->title,
            from, to);
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s: from %.3g to %.3g\">\n",
            CHART_WIDTH, CHART_HEIGHT, c->title, from, to);
    draw_axes(out, &a);
    if (noisy)
        draw_line(out, &a, &one, "faint");
    draw_line(out, &a, noisy ? &mean : &one, "");
    draw_line(out, &a, &two, "two");
    for (int i = 0; i < two.count; ++i)
        fprintf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", place_x(&a, two.x[i]),
                place_y(&a, two.y[i]));
    fputs("</svg></figure>\n", out);
}

static void write_summary(FILE *out, program *p)
{
    fputs("<div class=\"card\"><table><tr><th>Stage</th><th>Metric</th><th class=\"number\">Before</th>"
          "<th class=\"number\">After</th><th class=\"number\">Time</th></tr>\n",
          out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        char before[32], after[32], time[32];
        format_row(p, &rows[i], before, after, time);
        fprintf(out,
                "<tr><td>%s</td><td>%s</td><td class=\"number\">%s</td><td class=\"number\">%s</td>"
                "<td class=\"number\">%s</td></tr>\n",
                rows[i].stage_name, rows[i].metric, before, after, time);
    }
    fputs("</table></div>\n", out);
}

static void write_confusion(FILE *out, stage *s)
{
    fprintf(
        out,
        "<p>Held out: %.0f bad reviews were called bad and %.0f good; %.0f good ones were called good and "
        "%.0f bad. F1 (mean of both) %.3f.</p>\n",
        *result(s, "bad_as_bad"), *result(s, "bad_as_good"), *result(s, "good_as_good"),
        *result(s, "good_as_bad"), *result(s, "f1"));
}

static void write_stage(FILE *out, program *p, int index)
{
    stage *s = &p->stages[index];
    fprintf(out, "<section><h2>%s</h2>\n<p class=\"quiet\">%s</p>\n", s->title, s->about);
    if (index == CLASSIFY || index == JUDGE)
        write_confusion(out, s);
    if (index == REWARD)
        fprintf(out,
                "<p>To say that the longer review is the better one would be right for %.1f %% of the "
                "pairs.</p>\n",
                100 * *result(s, "length_baseline"));
    fputs("<div class=\"charts\">\n", out);
    for (size_t i = 0; i < sizeof charts / sizeof charts[0]; ++i)
        if (charts[i].stage == index)
            draw_chart(out, s, &charts[i]);
    fputs("</div></section>\n", out);
}

static void write_sample(FILE *out, const samples *w, int i)
{
    fprintf(out, "<td><span class=\"tag%s\">%s %.0f %%</span>", w->good[i] > 0.5 ? "" : " bad",
            w->good[i] > 0.5 ? "good" : "bad", 100 * (w->good[i] > 0.5 ? w->good[i] : 1 - w->good[i]));
    write_escaped(out, w->texts[i]);
    fputs("</td>", out);
}

static void write_samples(FILE *out, const samples *before, const samples *after)
{
    fprintf(
        out,
        "<section><h2>What the writer writes</h2>\n<p class=\"quiet\">The first %d of %d samples, drawn from "
        "the "
        "plain distribution with the same seeds before and after stage 4; the judge's verdict in front.</p>\n"
        "<div class=\"card\"><table class=\"samples\"><tr><th>Asked</th><th>Before stage 4</th><th>After "
        "stage 4</th>"
        "</tr>\n",
        SHOWN, SAMPLES);
    for (int i = 0; i < SHOWN; ++i) {
        fprintf(out, "<tr><td class=\"quiet\">%s</td>", any_prompts[i % PHRASINGS]);
        write_sample(out, before, i);
        write_sample(out, after, i);
        fputs("</tr>\n", out);
    }
    fputs("</table></div></section>\n", out);
}

static void write_report(program *p, const samples *before, const samples *after)
{
    char path[FOLDER + 64];
    snprintf(path, sizeof path, "%s/report.html", p->settings.output);
    FILE *out = fopen(path, "w");
    if (!out)
        fail("cannot write", path);
    fprintf(out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
            "content=\"width=device-width,initial-scale=1\">\n<title>Four "
            "stages</title>\n<style>\n%s</style></head><body>\n"
            "<h1>One model through four stages</h1>\n<p class=\"quiet\">%lld labelled product reviews, a "
            "decoder of %d layers "
            "and width %d, seed %lld.</p>\n<p><span class=\"key\">in training</span> &emsp; <span "
            "class=\"key held\">held "
            "out</span></p>\n",
            style, (long long)p->review_count, (int)p->settings.layers, (int)p->settings.width,
            (long long)p->settings.seed);
    write_summary(out, p);
    for (int i = 0; i < STAGES; ++i)
        write_stage(out, p, i);
    write_samples(out, before, after);
    fputs("</body></html>\n", out);
    if (fclose(out) != 0)
        fail("cannot write", path);
    printf("report     %s\n", path);
}

/* ---- all of it ---- */

static const stage stage_list[STAGES] = {
    [PRETRAIN] = {.folder_name = "1-pretrain",
                  .title = "1 Pretraining",
                  .about = "A decoder learns the language of the reviews: to predict each next token.",
                  .metrics = {"loss", "validation_loss", "accuracy", "validation_accuracy", "gradient_norm",
                              "validation_perplexity"}},
    [WRITE] =
        {.folder_name = "2a-write",
         .title = "2a Finetuning: to write",
         .about =
             "On conversations: a request, and a review that answers it. Only the answer's tokens count.",
         .metrics = {"loss", "validation_loss", "accuracy", "validation_accuracy", "gradient_norm"}},
    [CLASSIFY] = {.folder_name = "2b-classify",
                  .title = "2b Finetuning: to tell good from bad",
                  .about = "A classification head on a copy of the pretrained trunk.",
                  .metrics = {"loss", "validation_loss", "accuracy", "validation_accuracy", "gradient_norm"}},
    [REWARD] =
        {.folder_name = "3-reward",
         .title = "3 Reward model",
         .about =
             "A score from pairs of a good and a bad review (Bradley–Terry), on a copy of the pretrained "
             "trunk. One half of the labels.",
         .metrics = {"loss", "validation_loss", "accuracy", "validation_accuracy", "margin",
                     "validation_margin"}},
    [JUDGE] = {.folder_name = "4-judge",
               .title = "The judge",
               .about =
                   "A classifier that learns from the half of the labels that the reward model has not seen.",
               .metrics = {"loss", "validation_loss", "accuracy", "validation_accuracy"}},
    [PPO] = {.folder_name = "4-ppo",
             .title = "4 Reinforcement learning (PPO)",
             .about = "The writer of 2a writes after neutral requests and learns to please the reward model, "
                      "held near "
                      "its former self.",
             .metrics = {"reward", "kl", "entropy", "clip_fraction", "value_loss", "length"}},
};

static int32_t print_warning(int32_t level, const char *text, void *user)
{
    (void)user;
    if (level >= FST_LOG_WARNING)
        fprintf(stderr, "\nwarning: %s\n", text);
    return 0;
}

static void open_program(program *p, int argc, char **argv)
{
    p->settings = read_arguments(argc, argv);
    p->terminal = isatty(STDERR_FILENO);
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sigaction ours = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &ours, NULL);
    mkdir(p->settings.output, 0777); /* if it cannot be made, saving says why */
    for (int i = 0; i < STAGES; ++i) {
        p->stages[i] = stage_list[i];
        open_stage(p, i);
    }
    fst_context_options options;
    check(fst_context_options_init(&options, sizeof options));
    options.threads = p->settings.threads;
    options.seed = p->settings.seed;
    options.log = print_warning;
    check(fst_context_create(&options, &p->context));
    check(fst_chat_template_preset(FST_CHAT_CHATML, &p->chat, sizeof p->chat));
    read_reviews(p);
    make_tokenizer(p);
}

static void close_program(program *p)
{
    for (int i = 0; i < STAGES; ++i)
        free(p->stages[i].points);
    for (int64_t i = 0; i < p->review_count; ++i)
        free(p->reviews[i].text);
    free(p->reviews);
    fst_tokenizer_destroy(p->tokenizer);
    fst_context_destroy(p->context);
}

static void free_samples(samples *w)
{
    for (int i = 0; i < SAMPLES; ++i) {
        free(w->texts[i]);
        free(w->ids[i]);
    }
}

static void print_samples(const samples *before, const samples *after)
{
    for (int i = 0; i < PHRASINGS; ++i)
        printf("%s\n  before  %s\n  after   %s\n", any_prompts[i], before->texts[i], after->texts[i]);
}

int main(int argc, char **argv)
{
    static program p;
    static samples before, after;
    open_program(&p, argc, argv);
    pretrain(&p);
    learn_to_write(&p);
    learn_to_classify(&p, CLASSIFY, "ab", steps_of(&p, 360));
    learn_the_reward(&p);
    learn_to_please(&p);
    learn_to_classify(&p, JUDGE, "b", steps_of(&p, 200));
    compare(&p, &before, &after);
    print_table(&p);
    print_samples(&before, &after);
    write_report(&p, &before, &after);
    free_samples(&before);
    free_samples(&after);
    close_program(&p);
    return 0;
}
