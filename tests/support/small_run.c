#include "small_run.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the host's side ---- */

static void *allocate(size_t size, void *user)
{
    small_memory *memory = user;
    int64_t call = atomic_fetch_add(&memory->calls, 1) + 1;
    if (memory->fail_at && (call == memory->fail_at || (memory->fail_on && call > memory->fail_at)))
        return NULL;
    void *block = malloc(size);
    if (block)
        atomic_fetch_add(&memory->live_blocks, 1);
    return block;
}

static void release(void *block, void *user)
{
    small_memory *memory = user;
    if (block)
        atomic_fetch_sub(&memory->live_blocks, 1);
    free(block);
}

void small_memory_use(small_memory *memory, fst_context_options *context)
{
    context->allocate = allocate;
    context->release = release;
    context->allocate_user = memory;
}

static int32_t remember(int32_t level, const char *text, void *user)
{
    small_log *log = user;
    if (level == FST_LOG_WARNING) {
        ++log->warnings;
        snprintf(log->last_warning, sizeof log->last_warning, "%s", text);
    }
    return 0;
}

/* ---- the run ---- */

small_config small_defaults(void)
{
    small_config c = {.threads = 1, .seed = 7, .dtype = FST_F32, .tokens = 400};
    fst_model_config_init(&c.model, sizeof c.model);
    fst_optimizer_options_init(&c.optimizer, sizeof c.optimizer);
    fst_pretrain_options_init(&c.pretrain, sizeof c.pretrain);
    fst_run_options_init(&c.run, sizeof c.run);
    fst_sft_options_init(&c.sft, sizeof c.sft);
    fst_adapter_options_init(&c.adapter, sizeof c.adapter);
    c.adapter.rank = 0;
    fst_head_options_init(&c.head, sizeof c.head);
    c.provider = FST_PROVIDER_CBLAS;
    c.model.vocabulary_size = 17;
    c.model.context_length = 12;
    c.model.layers = 2;
    c.model.width = 16;
    c.model.heads = 2;
    c.model.dropout = 0.1;
    c.model.attention_dropout = 0.1;
    c.optimizer.learning_rate = 0.02;
    c.optimizer.schedule = FST_SCHEDULE_COSINE;
    c.optimizer.warmup_steps = 2;
    c.optimizer.total_steps = 8;
    c.pretrain.rows = 3;
    c.pretrain.accumulation = 3;
    c.run.total_steps = 8;
    return c;
}

static fst_status make_data(small_run *s, const small_config *c, int32_t count, uint32_t seed,
                            fst_dataset **packed)
{
    int32_t *ids = malloc((size_t)count * sizeof *ids);
    int64_t offsets[8];
    for (int32_t i = 0; i < count; ++i) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = (int32_t)((seed >> 16) % (uint32_t)c->model.vocabulary_size);
    }
    for (int d = 0; d < 8; ++d)
        offsets[d] = (int64_t)count * d / 7;
    fst_dataset_token_options tokens;
    fst_dataset_token_options_init(&tokens, sizeof tokens);
    tokens.copy = 1;
    fst_pack_options pack;
    fst_pack_options_init(&pack, sizeof pack);
    pack.length = c->model.context_length;
    pack.cross_documents = !c->documents_apart;
    pack.mode = c->documents_apart ? FST_PACK_BEST_FIT : FST_PACK_WRAPPED;
    fst_dataset *dataset = NULL;
    fst_status status = fst_dataset_from_tokens(s->context, ids, count, offsets, 7, &tokens, &dataset);
    if (!status)
        status = fst_dataset_pack(dataset, &pack, packed);
    fst_dataset_destroy(dataset);
    free(ids);
    return status;
}

/* ---- examples ---- */

enum { EXAMPLES = 25, FEW = 5, TEXT = 80 };

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 16) % below;
}

/* Fifteen letters, the line feed of templates and the end token: the small vocabulary. */
static fst_status make_tokenizer(fst_context *context, fst_tokenizer **tokenizer)
{
    static const char *const special[] = {"<end>"}, *const letters[] = {"abcdefghijklmno\n"};
    fst_tokenizer_train_options train;
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.kind = FST_TOKENIZER_CHARACTER;
    train.special_tokens = special;
    train.special_token_count = 1;
    fst_status status = fst_tokenizer_train_texts(context, letters, NULL, 1, &train, tokenizer);
    return status ? status : fst_tokenizer_set_special_id(*tokenizer, FST_TOKEN_EOS, 16);
}

/* Texts of 1 to `most` letters. */
static void make_texts(uint32_t *seed, int count, int most, char texts[][TEXT],
                       const char **pointers)
{
    for (int i = 0; i < count; ++i) {
        int length = 1 + (int)draw(seed, (uint32_t)most);
        for (int t = 0; t < length; ++t)
            texts[i][t] = (char)('a' + draw(seed, 15));
        texts[i][length] = 0;
        pointers[i] = texts[i];
    }
}

static fst_status make_conversations(fst_context *context, const fst_tokenizer *tokenizer,
                                     const small_config *c, uint32_t seed, fst_dataset **packed)
{
    char texts[2 * EXAMPLES][TEXT];
    const char *contents[2 * EXAMPLES], *roles[2 * EXAMPLES];
    int64_t offsets[EXAMPLES + 1];
    make_texts(&seed, 2 * EXAMPLES, FEW, texts, contents);
    for (int i = 0; i < 2 * EXAMPLES; ++i)
        roles[i] = i % 2 ? "assistant" : "user";
    for (int i = 0; i <= EXAMPLES; ++i)
        offsets[i] = 2 * i;
    fst_pack_options pack;
    fst_pack_options_init(&pack, sizeof pack);
    pack.length = c->model.context_length;
    pack.cross_documents = 0;
    pack.mode = FST_PACK_BEST_FIT;
    fst_dataset *dataset = NULL;
    fst_status status = fst_dataset_from_conversations(context, tokenizer, roles, contents, offsets,
                                                       EXAMPLES, NULL, &dataset);
    if (!status)
        status = fst_dataset_pack(dataset, &pack, packed);
    fst_dataset_destroy(dataset);
    return status;
}

static float make_label(const small_config *c, const char *text, int k, uint32_t *seed)
{
    int letter = text[k % (int)strlen(text)] - 'a';
    if (draw(seed, 8) == 0)
        return NAN;
    return c->stage == SMALL_CLASSES  ? (float)(letter % 3)
           : c->stage == SMALL_LABELS ? (float)(letter % 2)
                                      : (float)letter / 8;
}

static fst_status make_labelled(fst_context *context, const fst_tokenizer *tokenizer,
                                const small_config *c, uint32_t seed, fst_dataset **dataset)
{
    char texts[EXAMPLES][TEXT];
    const char *pointers[EXAMPLES];
    float labels[3 * EXAMPLES];
    int count = c->stage == SMALL_CLASSES ? 1 : 3;
    make_texts(&seed, EXAMPLES, c->text ? c->text : FEW, texts, pointers);
    for (int i = 0; i < EXAMPLES * count; ++i)
        labels[i] = make_label(c, texts[i / count], i % count, &seed);
    fst_example_options options;
    fst_example_options_init(&options, sizeof options);
    options.label_count = count;
    options.drop_useless = 1;
    return fst_dataset_from_labelled(context, tokenizer, pointers, NULL, labels, EXAMPLES, &options,
                                     dataset);
}

/* Sentences of two words whose tags follow from their first letters. */
static fst_status make_tagged(fst_context *context, const fst_tokenizer *tokenizer, uint32_t seed,
                              fst_dataset **dataset)
{
    static const char *const names[] = {"O", "B-x", "I-x"};
    char texts[2 * EXAMPLES][TEXT];
    const char *words[2 * EXAMPLES], *tags[2 * EXAMPLES];
    int64_t offsets[EXAMPLES + 1];
    make_texts(&seed, 2 * EXAMPLES, FEW, texts, words);
    for (int i = 0; i < 2 * EXAMPLES; ++i)
        tags[i] = draw(&seed, 8) == 0 ? NULL : names[(words[i][0] - 'a') % 3];
    for (int i = 0; i <= EXAMPLES; ++i)
        offsets[i] = 2 * i;
    fst_word_options options;
    fst_word_options_init(&options, sizeof options);
    options.tags = names;
    options.tag_count = 3;
    return fst_dataset_from_words(context, tokenizer, words, tags, offsets, EXAMPLES, &options, dataset);
}

static fst_status make_examples(small_run *s, const small_config *c, uint32_t seed,
                                fst_dataset **dataset)
{
    fst_tokenizer *tokenizer = NULL;
    fst_status status = make_tokenizer(s->context, &tokenizer);
    if (!status)
        status = c->stage == SMALL_CONVERSATIONS
                     ? make_conversations(s->context, tokenizer, c, seed, dataset)
                 : c->stage == SMALL_TAGS
                     ? make_tagged(s->context, tokenizer, seed, dataset)
                     : make_labelled(s->context, tokenizer, c, seed, dataset);
    fst_tokenizer_destroy(tokenizer);
    return status;
}

/* ---- the stages ---- */

/* The head that labels need, where the config has none of its own. */
static fst_head_options head_of(const small_config *c)
{
    fst_head_options head = c->head;
    if (!head.name && c->stage > SMALL_CONVERSATIONS) {
        head.name = "label";
        head.outputs = 3;
        head.dropout = c->model.dropout;
        head.init_std = 0.2;
        head.kind = c->stage == SMALL_TAGS ? FST_HEAD_TOKEN : FST_HEAD_SEQUENCE;
    }
    return head;
}

static fst_status freeze_trunk(small_run *s)
{
    fst_status status = fst_model_set_trainable(s->model, "*", 0);
    return status ? status : fst_model_set_trainable(s->model, "heads.*", 1);
}

static bool is_pretraining(const small_config *c)
{
    return c->stage < SMALL_CONVERSATIONS;
}

/* The last id is the mask; with whole words the upper ones go on with a word. */
static fst_status create_pretrain(small_run *s, const small_config *c)
{
    fst_pretrain_options options = c->pretrain;
    uint8_t flags[64] = {0};
    if (c->stage == SMALL_MASKED) {
        options.objective = FST_PRETRAIN_MASKED;
        options.mask_id = c->model.vocabulary_size - 1;
        for (int i = 10; i < 16 && options.whole_words; ++i)
            flags[i] = FST_TOKEN_CONTINUES_WORD;
        flags[1] = FST_TOKEN_IS_SPECIAL;
        options.mask_flags = flags;
    }
    options.model = s->model;
    options.optimizer = s->optimizer;
    options.train = s->train;
    options.validation = s->validation;
    options.run = &c->run;
    return fst_pretrain_create(&options, &s->run);
}

static fst_status create_sft(small_run *s, const small_config *c)
{
    fst_sft_options options = c->sft;
    const fst_pretrain_options *o = &c->pretrain;
    options.model = s->model;
    options.optimizer = s->optimizer;
    options.train = s->train;
    options.validation = s->validation;
    options.run = &c->run;
    options.head = c->stage == SMALL_CONVERSATIONS ? NULL : head_of(c).name;
    options.objective = c->stage == SMALL_LABELS ? FST_SFT_BINARY : FST_SFT_AUTO;
    options.rows = o->rows;
    options.accumulation = o->accumulation;
    options.evaluation_rows = o->evaluation_rows;
    options.shuffle = o->shuffle;
    options.label_smoothing = c->stage == SMALL_NUMBERS ? 0 : o->label_smoothing;
    options.z_loss = c->stage == SMALL_CONVERSATIONS ? o->z_loss : 0;
    options.spike_action = o->spike_action;
    options.spike_loss_z = o->spike_loss_z;
    options.spike_gradient_z = o->spike_gradient_z;
    options.spike_warmup = o->spike_warmup;
    options.spike_patience = o->spike_patience;
    options.spike_rollbacks = o->spike_rollbacks;
    return fst_sft_create(&options, &s->run);
}

fst_status small_create(small_run *s, const small_config *c)
{
    fst_context_options context;
    fst_context_options_init(&context, sizeof context);
    context.threads = c->threads;
    const char *provider = getenv("FOURSTAGE_TEST_PROVIDER");
    bool reference = provider && strcmp(provider, "reference") == 0;
    context.provider = reference ? FST_PROVIDER_REFERENCE : c->provider;
    context.seed = c->seed;
    context.log = remember;
    context.log_user = &s->log;
    small_memory_use(&s->memory, &context);
    fst_model_options model;
    fst_model_options_init(&model, sizeof model);
    model.dtype = c->dtype;
    model.checkpointing = c->checkpointing;

    fst_model_config architecture = c->model;
    architecture.causal = c->stage != SMALL_MASKED;
    fst_status status = fst_context_create(&context, &s->context);
    if (!status)
        status = fst_model_create(s->context, &architecture, &model, &s->model);
    if (!status && c->adapter.rank)
        status = fst_model_add_adapter(s->model, &c->adapter);
    const fst_head_options head = head_of(c);
    if (!status && head.name)
        status = fst_model_add_head(s->model, &head);
    if (!status && c->head_only)
        status = freeze_trunk(s);
    if (!status && c->frozen)
        status = fst_model_set_trainable(s->model, c->frozen, 0);
    if (!status && !c->without_optimizer)
        status = fst_optimizer_create(s->model, &c->optimizer, &s->optimizer);
    if (!status)
        status = is_pretraining(c) ? make_data(s, c, c->tokens, 1, &s->train)
                                   : make_examples(s, c, 1, &s->train);
    if (!status)
        status = is_pretraining(c) ? make_data(s, c, 100, 2, &s->validation)
                                   : make_examples(s, c, 2, &s->validation);
    if (!status)
        status = is_pretraining(c) ? create_pretrain(s, c) : create_sft(s, c);
    if (status)
        small_destroy(s);
    return status;
}

void small_destroy(small_run *s)
{
    /* An order in which every handle goes before what it was made from and what it uses. */
    fst_context_destroy(s->context);
    fst_dataset_destroy(s->train);
    fst_model_destroy(s->model);
    fst_optimizer_destroy(s->optimizer);
    fst_run_destroy(s->run);
    fst_dataset_destroy(s->validation);
    s->context = NULL;
    s->model = NULL;
    s->optimizer = NULL;
    s->train = s->validation = NULL;
    s->run = NULL;
}

void small_create_checked(small_run *s, const small_config *c)
{
    memset(s, 0, sizeof *s);
    fst_status status = small_create(s, c);
    ck_assert_msg(status == FST_OK, "%s: %s", fst_status_name(status), fst_last_error());
}

/* ---- files ---- */

char *small_folder(void)
{
    char *folder = strdup("/tmp/fourstage-test-XXXXXX");
    ck_assert_ptr_nonnull(folder);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    return folder;
}

void small_folder_remove(char *folder)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(small_path(folder, entry->d_name));
    }
    if (directory)
        closedir(directory);
    rmdir(folder);
    free(folder);
}

const char *small_path(const char *folder, const char *name)
{
    static char buffers[4][512];
    static int next;
    char *buffer = buffers[next++ % 4];
    snprintf(buffer, sizeof buffers[0], "%s/%s", folder, name);
    return buffer;
}

char *small_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    ck_assert_uint_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

void small_write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "cannot write %s", path);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

bool small_same_file(const char *left, const char *right)
{
    size_t left_size, right_size;
    char *a = small_read_file(left, &left_size), *b = small_read_file(right, &right_size);
    bool same = left_size == right_size && memcmp(a, b, left_size) == 0;
    free(a);
    free(b);
    return same;
}
