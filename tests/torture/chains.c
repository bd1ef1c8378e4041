#include "chains.h"

#include "fourstage/dataset.h"
#include "fourstage/examples.h"
#include "fourstage/model.h"
#include "fourstage/optimizer.h"
#include "fourstage/policy.h"
#include "fourstage/pretrain.h"
#include "fourstage/tokenizer.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VOCABULARY = 300, ROWS = 3, LENGTH = 16 };

static const char text[] =
    "The host lives on. Nothing is printed, nothing is lost.\n"
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\n"
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。\n"
    "The host lives on, and on, and on.\n";

#define TRY(call)                       \
    do {                                \
        status = (call);                \
        if (status != FST_OK)           \
            goto done;                  \
    } while (0)

static void fill_ids(int32_t *ids, int64_t count)
{
    uint32_t state = 12345;
    for (int64_t i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        ids[i] = (int32_t)((state >> 8) % VOCABULARY);
    }
}

static fst_status small_config(int32_t family, fst_model_config *config)
{
    fst_status status;
    TRY(fst_model_config_init(config, sizeof *config));
    TRY(fst_model_config_set_family(config, family));
    config->vocabulary_size = VOCABULARY;
    config->context_length = 32;
    config->layers = 2;
    config->width = 32;
    config->heads = 4;
    config->kv_heads = family == FST_FAMILY_GPT2 ? 4 : 2;
done:
    return status;
}

static fst_status run_context(const fst_context_options *options, const char *folder)
{
    (void)folder;
    fst_context *context = NULL;
    fst_status status;
    TRY(fst_context_create(options, &context));
    fst_context_info info;
    TRY(fst_context_get_info(context, &info, sizeof info));
done:
    fst_context_destroy(context);
    return status;
}

/* Forward, loss, backward, update; then a loss of the caller's own. */
static fst_status train_by_hand(const fst_context_options *options, int32_t family, int32_t dtype,
                                int32_t optimizer_kind)
{
    fst_context *context = NULL;
    fst_model *model = NULL;
    fst_optimizer *optimizer = NULL;
    fst_status status;
    static const int32_t lengths[ROWS] = {LENGTH, 5, 1};
    int32_t ids[ROWS * LENGTH], targets[ROWS * LENGTH];
    fill_ids(ids, ROWS * LENGTH);
    fill_ids(targets, ROWS * LENGTH);
    targets[3] = FST_IGNORE;

    TRY(fst_context_create(options, &context));
    fst_model_config config;
    TRY(small_config(family, &config));
    config.dropout = 0.1;
    fst_model_options model_options;
    TRY(fst_model_options_init(&model_options, sizeof model_options));
    model_options.dtype = dtype;
    model_options.checkpointing = family != FST_FAMILY_GPT2;
    TRY(fst_model_create(context, &config, &model_options, &model));
    fst_optimizer_options optimizer_options;
    TRY(fst_optimizer_options_init(&optimizer_options, sizeof optimizer_options));
    optimizer_options.kind = optimizer_kind;
    TRY(fst_optimizer_create(model, &optimizer_options, &optimizer));
    fst_batch batch;
    TRY(fst_batch_init(&batch, sizeof batch));
    batch.rows = ROWS;
    batch.length = LENGTH;
    batch.ids = ids;
    batch.targets = targets;
    batch.lengths = lengths;
    for (int step = 0; step < 2; ++step) {
        fst_loss loss;
        fst_optimizer_report report;
        TRY(fst_model_forward(model, &batch, NULL));
        TRY(fst_model_loss(model, NULL, &loss, sizeof loss));
        TRY(fst_model_backward(model, NULL, NULL));
        TRY(fst_optimizer_step(optimizer, &report, sizeof report));
        if (!isfinite(loss.loss) || !(report.gradient_norm > 0))
            return FST_ERR_INTERNAL;
    }
    fst_view logits;
    TRY(fst_model_forward(model, &batch, NULL));
    TRY(fst_model_output(model, "logits", &logits));
    TRY(fst_model_backward(model, "logits", &logits));
done:
    fst_context_destroy(context);
    fst_optimizer_destroy(optimizer);
    fst_model_destroy(model);
    return status;
}

static fst_status run_gpt2(const fst_context_options *options, const char *folder)
{
    (void)folder;
    return train_by_hand(options, FST_FAMILY_GPT2, FST_F32, FST_OPTIMIZER_ADAMW);
}

static fst_status run_llama(const fst_context_options *options, const char *folder)
{
    (void)folder;
    return train_by_hand(options, FST_FAMILY_LLAMA, FST_F32, FST_OPTIMIZER_MUON);
}

static fst_status run_qwen_bf16(const fst_context_options *options, const char *folder)
{
    (void)folder;
    return train_by_hand(options, FST_FAMILY_QWEN3, FST_BF16, FST_OPTIMIZER_SGD);
}

static fst_status run_model_files(const fst_context_options *options, const char *folder)
{
    fst_context *context = NULL;
    fst_model *model = NULL, *loaded = NULL;
    fst_status status;
    char path[512];
    snprintf(path, sizeof path, "%s/model", folder);
    TRY(fst_context_create(options, &context));
    fst_model_config config;
    TRY(small_config(FST_FAMILY_LLAMA, &config));
    TRY(fst_model_create(context, &config, NULL, &model));
    TRY(fst_model_save(model, NULL, path));
    TRY(fst_model_load(context, path, NULL, &loaded));
    /* Saving over what was loaded is safe. */
    TRY(fst_model_save(loaded, NULL, path));
done:
    fst_model_destroy(model);
    fst_context_destroy(context);
    fst_model_destroy(loaded);
    return status;
}

static fst_status train_tokenizer(fst_context *context, int32_t kind, fst_tokenizer **tokenizer)
{
    fst_tokenizer_train_options options;
    static const char *const specials[] = {"<|endoftext|>"};
    const char *texts[] = {text};
    size_t lengths[] = {sizeof text - 1};
    fst_status status = fst_tokenizer_train_options_init(&options, sizeof options);
    options.kind = kind;
    options.vocabulary_size = VOCABULARY;
    options.special_tokens = specials;
    options.special_token_count = 1;
    return status ? status : fst_tokenizer_train_texts(context, texts, lengths, 1, &options, tokenizer);
}

static fst_status run_tokenizer(const fst_context_options *options, const char *folder)
{
    fst_context *context = NULL;
    fst_tokenizer *tokenizers[3] = {NULL, NULL, NULL}, *loaded = NULL;
    fst_status status;
    static const char words[] = "[UNK]\n[CLS]\n[SEP]\na\n##b\n";
    int32_t pair[3][16];
    char path[512], decoded[2 * sizeof text];
    int32_t ids[sizeof text];
    int64_t offsets[2 * sizeof text];
    size_t count, length;
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    TRY(fst_context_create(options, &context));
    for (int32_t kind = FST_TOKENIZER_BPE; kind <= FST_TOKENIZER_WORDPIECE; ++kind) {
        TRY(train_tokenizer(context, kind, &tokenizers[kind]));
        TRY(fst_tokenizer_encode(tokenizers[kind], text, sizeof text - 1, NULL, ids, offsets,
                                 sizeof text, &count));
        TRY(fst_tokenizer_decode(tokenizers[kind], ids, count, 0, decoded, sizeof decoded, &length));
        if (kind != FST_TOKENIZER_WORDPIECE && /* which has neither capitals nor white space */
            (length != sizeof text - 1 || memcmp(decoded, text, length) != 0)) {
            status = FST_ERR_INTERNAL;
            goto done;
        }
        TRY(fst_tokenizer_save(tokenizers[kind], path));
        TRY(fst_tokenizer_load(context, path, &loaded));
        static const char *const added[] = {"<|user|>", "<|assistant|>"};
        TRY(fst_tokenizer_add_tokens(loaded, added, 2, NULL));
        fst_tokenizer_destroy(loaded);
        loaded = NULL;
    }
    snprintf(path, sizeof path, "%s/vocab.txt", folder);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(words, 1, sizeof words - 1, file) != sizeof words - 1 || fclose(file)) {
        status = FST_ERR_IO;
        goto done;
    }
    TRY(fst_tokenizer_load_wordpiece(context, path, NULL, &loaded));
    TRY(fst_tokenizer_encode_pair(loaded, "ab c", 4, "\xC3\x81" "b", 3, NULL, pair[0], pair[1], pair[2], 16, &count));
done:
    fst_context_destroy(context);
    fst_tokenizer_destroy(loaded);
    for (int32_t kind = FST_TOKENIZER_BPE; kind <= FST_TOKENIZER_WORDPIECE; ++kind)
        fst_tokenizer_destroy(tokenizers[kind]);
    return status;
}

static fst_status run_dataset(const fst_context_options *options, const char *folder)
{
    (void)folder;
    enum { TOKENS = 1000 };
    fst_context *context = NULL;
    fst_dataset *all = NULL, *train = NULL, *validation = NULL, *packed = NULL;
    fst_status status;
    int32_t ids[TOKENS], read_ids[ROWS * LENGTH], targets[ROWS * LENGTH];
    int64_t offsets[] = {0, 100, 101, 500, TOKENS};
    fill_ids(ids, TOKENS);
    TRY(fst_context_create(options, &context));
    TRY(fst_dataset_from_tokens(context, ids, TOKENS, offsets, 4, NULL, &all));
    TRY(fst_dataset_split(all, NULL, &train, &validation));
    for (int32_t mode = FST_PACK_WRAPPED; mode <= FST_PACK_RANDOM; ++mode) {
        fst_pack_options pack;
        TRY(fst_pack_options_init(&pack, sizeof pack));
        pack.length = LENGTH;
        pack.mode = mode;
        TRY(fst_dataset_pack(train, &pack, &packed));
        TRY(fst_dataset_read(packed, 7, ROWS, 1, read_ids, targets, NULL, NULL));
        fst_dataset_destroy(packed);
        packed = NULL;
    }
done:
    fst_dataset_destroy(all);
    fst_context_destroy(context);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    return status;
}

/* A run that is stepped, evaluated, saved in the middle of a step, resumed and finished. */
static fst_status run_pretrain(const fst_context_options *options, const char *folder)
{
    enum { TOKENS = 700 };
    fst_context *context = NULL;
    fst_model *model = NULL;
    fst_dataset *all = NULL, *train = NULL, *validation = NULL, *packed[2] = {NULL, NULL};
    fst_run *run = NULL, *resumed = NULL;
    fst_status status;
    char path[512], directory[512];
    int32_t ids[TOKENS], updated;
    snprintf(path, sizeof path, "%s/run.safetensors", folder);
    snprintf(directory, sizeof directory, "%s/checkpoints", folder);
    fill_ids(ids, TOKENS);
    TRY(fst_context_create(options, &context));
    fst_model_config config;
    TRY(small_config(FST_FAMILY_GPT2, &config));
    TRY(fst_model_create(context, &config, NULL, &model));
    TRY(fst_dataset_from_tokens(context, ids, TOKENS, NULL, 0, NULL, &all));
    TRY(fst_dataset_split(all, NULL, &train, &validation));
    fst_pack_options pack;
    TRY(fst_pack_options_init(&pack, sizeof pack));
    pack.length = LENGTH;
    TRY(fst_dataset_pack(train, &pack, &packed[0]));
    TRY(fst_dataset_pack(validation, &pack, &packed[1]));

    fst_run_options run_options;
    TRY(fst_run_options_init(&run_options, sizeof run_options));
    run_options.total_steps = 4;
    run_options.evaluate_every = 2;
    run_options.save_every = 3;
    run_options.directory = directory;
    fst_pretrain_options pretrain;
    TRY(fst_pretrain_options_init(&pretrain, sizeof pretrain));
    pretrain.model = model;
    pretrain.train = packed[0];
    pretrain.validation = packed[1];
    pretrain.run = &run_options;
    pretrain.rows = ROWS;
    pretrain.accumulation = 2;
    TRY(fst_pretrain_create(&pretrain, &run));
    fst_run_progress progress;
    TRY(fst_run_step(run, &progress, sizeof progress));
    TRY(fst_run_advance(run, &updated));
    TRY(fst_run_save(run, path));
    TRY(fst_run_evaluate(run));
    fst_run_destroy(run);
    run = NULL;
    TRY(fst_pretrain_create(&pretrain, &resumed));
    TRY(fst_run_resume(resumed, path));
    TRY(fst_run_until(resumed, 0));
    double loss;
    TRY(fst_run_metric(resumed, "validation_loss", &loss));
    if (!isfinite(loss))
        status = FST_ERR_INTERNAL;
done:
    fst_context_destroy(context);
    fst_model_destroy(model);
    fst_dataset_destroy(all);
    fst_dataset_destroy(packed[0]);
    fst_dataset_destroy(packed[1]);
    fst_dataset_destroy(train);
    fst_dataset_destroy(validation);
    fst_run_destroy(run);
    fst_run_destroy(resumed);
    return status;
}

static int32_t stop_later(const fst_token *token, void *user)
{
    int *left = user;
    return token->id >= 0 && --*left <= 0;
}

/* Text in, text out, until a callback says stop. */
static fst_status run_generate(const fst_context_options *options, const char *folder)
{
    (void)folder;
    fst_context *context = NULL;
    fst_tokenizer *tokenizer = NULL;
    fst_model *model = NULL;
    fst_policy *policy = NULL;
    fst_status status;
    static const char *const prompts[] = {"The host", "床前", "lives on, and on"};
    static const char *const stops[] = {"\n\n"};
    TRY(fst_context_create(options, &context));
    TRY(train_tokenizer(context, FST_TOKENIZER_BPE, &tokenizer));
    fst_model_config config;
    TRY(small_config(FST_FAMILY_LLAMA, &config));
    TRY(fst_tokenizer_vocabulary_size(tokenizer, &config.vocabulary_size));
    TRY(fst_model_create(context, &config, NULL, &model));
    TRY(fst_policy_create(model, tokenizer, &policy));
    fst_sampling_options sampling;
    TRY(fst_sampling_options_init(&sampling, sizeof sampling));
    sampling.max_new_tokens = 12;
    sampling.top_k = 20;
    sampling.top_p = 0.9;
    sampling.repetition_penalty = 1.1;
    sampling.stop_strings = stops;
    sampling.stop_string_count = 1;
    int left = 1000;
    TRY(fst_policy_generate_text(policy, prompts, NULL, 3, &sampling, stop_later, &left));
    left = 5;
    status = fst_policy_generate_text(policy, prompts, NULL, 3, &sampling, stop_later, &left);
    if (status != FST_STOPPED) {
        status = status < 0 ? status : FST_ERR_INTERNAL;
        goto done;
    }
    fst_generation generation;
    TRY(fst_policy_get_result(policy, 2, &generation, sizeof generation));
done:
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    fst_model_destroy(model);
    fst_policy_destroy(policy);
    return status;
}

/* Preferences from JSON lines, and labelled turns of dialogues with what went before. */
static fst_status run_example_files(const fst_context_options *options, const char *folder)
{
    static const char *const fields[] = {"grade"}, *const values[] = {"good=1,bad=0"};
    fst_context *context = NULL;
    fst_tokenizer *tokenizer = NULL;
    fst_dataset *pairs = NULL, *turns = NULL;
    fst_status status;
    char pairs_path[512], turns_path[512];
    const char *pairs_paths[] = {pairs_path}, *turns_paths[] = {turns_path};
    snprintf(pairs_path, sizeof pairs_path, "%s/pairs.jsonl", folder);
    snprintf(turns_path, sizeof turns_path, "%s/turns.json", folder);
    FILE *lines = fopen(pairs_path, "w"), *document = fopen(turns_path, "w");
    if (!lines || !document ||
        fputs("{\"chosen\":\"\\n\\nHuman: a\\n\\nAssistant: b\",\"rejected\":\"\\n\\nHuman: a\\n\\n"
              "Assistant: c\"}\n{\"instruction\":\"d\",\"input\":\"e\",\"output\":[\"f\",\"g\",\"g\"]}\n",
              lines) < 0 ||
        fputs("{\"x\":[{\"text\":\"a\",\"grade\":\"good\"},{\"text\":\"b\"},{\"text\":\"c\",\"grade\":\"bad\"}]}",
              document) < 0)
        abort();
    fclose(lines);
    fclose(document);
    TRY(fst_context_create(options, &context));
    TRY(train_tokenizer(context, FST_TOKENIZER_BPE, &tokenizer));
    fst_chat_template chat;
    TRY(fst_chat_template_preset(FST_CHAT_LLAMA3, &chat, sizeof chat));
    fst_example_options how;
    TRY(fst_example_options_init(&how, sizeof how));
    how.kind = FST_EXAMPLES_PREFERENCES;
    how.chat = &chat;
    how.drop_useless = 1;
    TRY(fst_dataset_load_examples(context, tokenizer, pairs_paths, 1, &how, &pairs));
    how.kind = FST_EXAMPLES_LABELLED;
    how.records = "*.*";
    how.history = 1;
    how.label_fields = fields;
    how.label_values = values;
    how.label_count = 1;
    TRY(fst_dataset_load_examples(context, tokenizer, turns_paths, 1, &how, &turns));
    fst_examples_info info;
    TRY(fst_dataset_get_examples_info(turns, &info, sizeof info));
    if (info.examples != 2)
        status = FST_ERR_INTERNAL;
done:
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    fst_dataset_destroy(turns);
    fst_dataset_destroy(pairs);
    return status;
}

/* Documents from a text file and from JSON lines. */
static fst_status run_text_files(const fst_context_options *options, const char *folder)
{
    fst_context *context = NULL;
    fst_tokenizer *tokenizer = NULL;
    fst_dataset *dataset = NULL, *lines = NULL;
    fst_status status;
    char text_path[512], lines_path[512];
    const char *text_paths[] = {text_path}, *lines_paths[] = {lines_path};
    snprintf(text_path, sizeof text_path, "%s/text.txt", folder);
    snprintf(lines_path, sizeof lines_path, "%s/lines.jsonl", folder);
    FILE *file = fopen(text_path, "w");
    FILE *json = fopen(lines_path, "w");
    if (!file || !json || fputs(text, file) < 0 ||
        fputs("{\"text\": \"on, and on\"}\n\n{\"id\": 2, \"text\": \"床前\"}\n", json) < 0)
        abort();
    fclose(file);
    fclose(json);
    TRY(fst_context_create(options, &context));
    TRY(train_tokenizer(context, FST_TOKENIZER_BPE, &tokenizer));
    fst_dataset_text_options by_line;
    TRY(fst_dataset_text_options_init(&by_line, sizeof by_line));
    by_line.documents = FST_DOCUMENT_LINE;
    by_line.add_eos = 1;
    TRY(fst_dataset_from_text_files(context, tokenizer, text_paths, 1, &by_line, &dataset));
    TRY(fst_dataset_from_jsonl_files(context, tokenizer, lines_paths, 1, NULL, &lines));
    fst_dataset_info info;
    TRY(fst_dataset_get_info(lines, &info, sizeof info));
    if (info.documents != 2)
        status = FST_ERR_INTERNAL;
done:
    fst_dataset_destroy(lines);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    fst_dataset_destroy(dataset);
    return status;
}

/* Examples of each kind from memory: split, packed, read, collated. */
static fst_status run_examples(const fst_context_options *options, const char *folder)
{
    (void)folder;
    enum { TURNS = 12, PAIRS = 2 };
    static const char *const roles[TURNS] = {"user", "gpt", "user", "gpt", "user", "gpt",
                                             "user", "gpt", "user", "gpt", "user", "gpt"};
    static const char *const contents[TURNS] = {"a", "b", "cd", "ef", "g", "h",
                                                "i", "j", "k",  "l",  "m", "nopq"};
    static const int64_t offsets[] = {0, 2, 6, 8, 10, 12}, pairs[] = {0, 2, 5};
    static const float labels[] = {1, 0, 2};
    fst_context *context = NULL;
    fst_tokenizer *tokenizer = NULL;
    fst_dataset *talks = NULL, *train = NULL, *rest = NULL, *packed = NULL, *made = NULL;
    fst_status status;
    TRY(fst_context_create(options, &context));
    TRY(train_tokenizer(context, FST_TOKENIZER_BPE, &tokenizer));
    fst_chat_template chat;
    TRY(fst_chat_template_preset(FST_CHAT_CHATML, &chat, sizeof chat));
    fst_example_options how;
    TRY(fst_example_options_init(&how, sizeof how));
    how.chat = &chat;
    TRY(fst_dataset_from_conversations(context, tokenizer, roles, contents, offsets, 5, &how, &talks));
    TRY(fst_dataset_split(talks, NULL, &train, &rest));
    fst_pack_options pack;
    TRY(fst_pack_options_init(&pack, sizeof pack));
    pack.mode = FST_PACK_BEST_FIT;
    pack.cross_documents = 0;
    TRY(fst_dataset_pack(train, &pack, &packed));
    int32_t ids[256], targets[256], lengths[PAIRS];
    TRY(fst_dataset_read(packed, 0, 1, 1, ids, targets, NULL, NULL));
    how.max_length = 100;
    how.too_long = FST_TOO_LONG_CUT_START;
    TRY(fst_dataset_from_preferences(context, tokenizer, contents, contents + 2, pairs, labels, PAIRS,
                                     &how, &made));
    int64_t order[PAIRS];
    TRY(fst_dataset_order(made, 3, PAIRS, 1, order));
    TRY(fst_dataset_collate(made, order, NULL, PAIRS, 100, NULL, NULL, lengths));
    fst_dataset_destroy(made);
    made = NULL;
    how.chat = NULL;
    TRY(fst_dataset_from_labelled(context, tokenizer, contents, roles, labels, 3, &how, &made));
    fst_dataset_destroy(made);
    made = NULL;
    TRY(fst_dataset_from_prompts(context, tokenizer, contents, 3, &how, &made));
done:
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    fst_dataset_destroy(talks);
    fst_dataset_destroy(made);
    fst_dataset_destroy(packed);
    fst_dataset_destroy(rest);
    fst_dataset_destroy(train);
    return status;
}

const chain chains[] = {
    {"context", run_context},     {"gpt2", run_gpt2},
    {"llama", run_llama},         {"qwen_bf16", run_qwen_bf16},
    {"model_files", run_model_files}, {"tokenizer", run_tokenizer},
    {"dataset", run_dataset},     {"pretrain", run_pretrain},
    {"generate", run_generate},   {"text_files", run_text_files},
    {"examples", run_examples},   {"example_files", run_example_files},
    {"adapter", chain_adapter},   {"heads", chain_heads},
    {"encoder", chain_encoder},
    {"reinforcement", chain_rl},
    {"sft", chain_sft},
};
const int chain_count = sizeof chains / sizeof *chains;

struct chain_shared {
    fst_context *context;
    fst_tokenizer *tokenizer;
    fst_dataset *dataset;
    fst_model *model;
    int32_t ids[1000];
};

fst_status chain_shared_create(const fst_context_options *options, chain_shared **out)
{
    chain_shared *shared = *out = calloc(1, sizeof *shared);
    fst_dataset *all = NULL;
    fst_status status = FST_ERR_NO_MEMORY;
    if (!shared)
        goto done;
    const int64_t count = sizeof shared->ids / sizeof *shared->ids;
    fill_ids(shared->ids, count);
    fst_model_config config;
    TRY(fst_context_create(options, &shared->context));
    TRY(train_tokenizer(shared->context, FST_TOKENIZER_BPE, &shared->tokenizer));
    TRY(fst_dataset_from_tokens(shared->context, shared->ids, count, NULL, 0, NULL, &all));
    fst_pack_options pack;
    TRY(fst_pack_options_init(&pack, sizeof pack));
    pack.length = LENGTH;
    TRY(fst_dataset_pack(all, &pack, &shared->dataset));
    TRY(small_config(FST_FAMILY_GPT2, &config));
    TRY(fst_model_create(shared->context, &config, NULL, &shared->model));
done:
    fst_dataset_destroy(all);
    return status;
}

fst_status chain_shared_read(const chain_shared *shared, const char *folder)
{
    fst_status status;
    char path[512], decoded[2 * sizeof text];
    int32_t ids[sizeof text], rows[ROWS * LENGTH];
    size_t count, length;
    const char *texts[] = {text, text + 10};
    int64_t begins[3];
    snprintf(path, sizeof path, "%s/shared", folder);
    TRY(fst_tokenizer_encode(shared->tokenizer, text, sizeof text - 1, NULL, ids, NULL, sizeof text,
                             &count));
    TRY(fst_tokenizer_decode(shared->tokenizer, ids, count, 0, decoded, sizeof decoded, &length));
    if (length != sizeof text - 1 || memcmp(decoded, text, length) != 0)
        return FST_ERR_INTERNAL;
    int32_t batch_ids[2 * sizeof text];
    TRY(fst_tokenizer_encode_batch(shared->tokenizer, texts, NULL, 2, NULL, batch_ids,
                                   2 * sizeof text, begins));
    TRY(fst_dataset_read(shared->dataset, 3, ROWS, 1, rows, NULL, NULL, NULL));
    fst_model_config config;
    const char *name;
    TRY(fst_model_get_config(shared->model, &config, sizeof config));
    TRY(fst_model_parameter_name(shared->model, 0, &name));
    TRY(fst_model_save(shared->model, NULL, path));
    TRY(fst_tokenizer_save(shared->tokenizer, path));
done:
    return status;
}

void chain_shared_destroy(chain_shared *shared)
{
    if (!shared)
        return;
    fst_context_destroy(shared->context);
    fst_model_destroy(shared->model);
    fst_dataset_destroy(shared->dataset);
    fst_tokenizer_destroy(shared->tokenizer);
    free(shared);
}

fst_context_options chain_options(int32_t threads)
{
    fst_context_options options;
    fst_context_options_init(&options, sizeof options);
    options.threads = threads;
    options.seed = 1;
    const char *provider = getenv("FOURSTAGE_TEST_PROVIDER");
    if (provider && strcmp(provider, "reference") == 0)
        options.provider = FST_PROVIDER_REFERENCE;
    return options;
}

void chain_folder_make(char path[256])
{
    const char *base = getenv("TMPDIR");
    snprintf(path, 256, "%s/fourstage-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path)) {
        perror(path);
        exit(1);
    }
}

void chain_folder_remove(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char child[1024];
        struct stat status;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (lstat(child, &status) == 0 && S_ISDIR(status.st_mode))
            chain_folder_remove(child);
        else
            unlink(child);
    }
    closedir(folder);
    rmdir(path);
}
