/*
 * Fuzz target of files of examples. The first byte of an input says which kind of examples, the second
 * which format, the rest is the file. What is read must hold together: as many ends of messages as
 * beginnings, for no content can spell one; what is refused says where, and nothing is left behind.
 */
#include "fuzz.h"

#include "base/context.h"
#include "fourstage/examples.h"

#include <unistd.h>

enum { MEMORY = 64 << 20, BEGIN = 1, END = 2 };

static fst_context *context;
static fst_tokenizer *tokenizer; /* 0: <|endoftext|>, 1: <|im_start|>, 2: <|im_end|>, then bytes */
static char path[300];

static void require(bool holds)
{
    if (!holds) {
        fprintf(stderr, "%s\n", fst_last_error());
        abort();
    }
}

static void open_once(void)
{
    static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    static const char *const texts[] = {"a"};
    fst_context_options options;
    fst_tokenizer_train_options train;
    if (context)
        return;
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/fourstage-fuzz-%ld", folder && *folder ? folder : "/tmp",
             (long)getpid());
    fst_context_options_init(&options, sizeof options);
    options.threads = 1;
    options.provider = FST_PROVIDER_REFERENCE;
    require(fst_context_create(&options, &context) == FST_OK);
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.special_tokens = special;
    train.special_token_count = 3;
    train.vocabulary_size = 259;
    require(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer) == FST_OK);
}

static void check_sequence(const fst_example *e, bool chat, bool generation)
{
    int64_t begins = 0, ends = 0;
    require(e->length >= 1 && e->prompt_length >= 0 && e->prompt_length <= e->length);
    for (int64_t i = 0; i < e->length; ++i) {
        begins += e->ids[i] == BEGIN;
        ends += e->ids[i] == END;
        require(e->trained[i] <= 1 && e->ids[i] >= 0 && e->ids[i] < 259);
    }
    require(chat ? begins == ends + generation : begins + ends == 0);
}

static void check(const fst_dataset *dataset, bool chat)
{
    fst_examples_info info;
    require(fst_dataset_get_examples_info(dataset, &info, sizeof info) == FST_OK);
    require(info.examples >= 1 && info.sequences >= info.examples);
    for (int64_t i = 0; i < info.examples; ++i) {
        fst_example e = {.sequences = 1};
        for (int64_t s = 0; s < e.sequences; ++s) {
            require(fst_dataset_get_example(dataset, i, s, &e, sizeof e) == FST_OK);
            check_sequence(&e, chat, info.kind == FST_EXAMPLES_PROMPTS);
        }
        require(e.sequences == 1 || info.kind == FST_EXAMPLES_PREFERENCES ||
                (info.kind == FST_EXAMPLES_PAIRS && e.sequences <= 3));
    }
}

static void write_file(const char *name, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    require(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const fields[] = {"label"}, *const values[] = {"good=1,bad=0,*=0.5"};
    fst_example_options options;
    fst_chat_template chat;
    fst_dataset *dataset = NULL;
    char name[320];
    if (size < 2)
        return 0;
    open_once();
    int format = bytes[1] % 8; /* 6: JSONL, packed; 7: CSV, latin-1 */
    snprintf(name, sizeof name, "%s%s", path, format == 6 ? ".jsonl.gz" : "");
    write_file(name, bytes + 2, size - 2);
    fst_example_options_init(&options, sizeof options);
    fst_chat_template_preset(FST_CHAT_CHATML, &chat, sizeof chat);
    options.kind = bytes[0] & 32 ? FST_EXAMPLES_PAIRS : bytes[0] % 4;
    bool plain = options.kind == FST_EXAMPLES_LABELLED || options.kind == FST_EXAMPLES_PAIRS;
    options.format = format == 6 ? FST_FORMAT_AUTO : format == 7 ? FST_FORMAT_CSV : format;
    options.latin1 = format == 7;
    options.header = 1;
    options.chat = plain ? NULL : &chat;
    options.records = format == FST_FORMAT_JSON && bytes[0] & 4 ? "*.content.*" : NULL;
    options.label_fields = fields;
    options.label_values = bytes[0] & 8 ? values : NULL;
    options.label_count = options.kind != FST_EXAMPLES_PAIRS || bytes[0] & 1;
    options.history = 2;
    options.drop_useless = bytes[0] >> 4 & 1;
    const char *paths[] = {name};
    int64_t live = atomic_load(&context->allocator.live_bytes);
    context->allocator.peak_bytes = live;
    fst_status status =
        fst_dataset_load_examples(context, tokenizer, paths, 1, &options, &dataset);
    require(context->allocator.peak_bytes - live <= MEMORY + 2 * (int64_t)size);
    if (status == FST_OK)
        check(dataset, options.chat != NULL);
    else
        require(!dataset && *fst_last_error() &&
                (status != FST_ERR_FORMAT || strstr(fst_last_error(), name)));
    fst_dataset_destroy(dataset);
    unlink(name);
    require(atomic_load(&context->allocator.live_bytes) == live);
    return 0;
}

#ifndef FST__LIBFUZZER
#define SEED(text) {text, sizeof(text) - 1}

static const fuzz_seed seeds[] = {
    SEED("\x10\x01{\"messages\":[{\"role\":\"user\",\"content\":\"<|im_end|>\\u4f60\"},"
         "{\"role\":\"assistant\",\"content\":\"ok <|im_start|>\"}]}\n{\"prompt\":\"q\",\"completion\":\"a\"}\n"),
    SEED("\x10\x02[{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\",\"value\":\"a\"}]},"
         "{\"instruction\":\"i\",\"input\":\"n\",\"output\":\"o\",\"history\":[[\"a\",\"b\"]]}]"),
    SEED("\x11\x01{\"text\":\"a\",\"label\":1}\n\n{\"text\":\"b\",\"label\":[0,\"2.5\",null]}\n"),
    SEED("\x0d\x02{\"x\":{\"content\":[{\"text\":\"a\",\"label\":\"good\"},{\"text\":\"b\",\"label\":\"bad\"}]},"
         "\"y\":{\"content\":[{\"text\":\"c\",\"label\":\"\"}]}}"),
    SEED("\x12\x01{\"chosen\":\"\\n\\nHuman: a\\n\\nAssistant: b\",\"rejected\":\"\\n\\nHuman: a\\n\\nAssistant: c\"}\n"
         "{\"prompt\":\"q\",\"chosen\":\"a\",\"rejected\":\"b\",\"margin\":0.5}\n"),
    SEED("\x12\x02[{\"instruction\":\"d\",\"input\":\"e\",\"output\":[\"f\",\"g\",\"g\"]}]"),
    SEED("\x30\x01{\"anchor\":\"a\",\"positive\":\"b\",\"negative\":\"c\"}\n{\"sent0\":\"a\",\"sent1\":\"\"}\n"),
    SEED("\x29\x03sentence1,sentence2,label\na,b,good\nc,d,\n"),
    SEED("\x13\x05one\r\n\ntwo <|im_end|>\n"),
    SEED("\x11\x03text,label\n\"a, \"\"b\"\"\nc\",1\nd,0.5\n"),
    SEED("\x11\x07text,label\n\xE9t\xE9,1\n"),
    SEED("\x11\x04text\tlabel\nsay \"hi\"\t-1e-3\n"),
    SEED("\x12\x06" /* gzip */
         "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\x56\x2a\x28\xca\xcf\x2d\x28\x51\xb2\x52\x2a\x54\xd2"
         "\x51\x4a\xce\xc8\x2f\x4e\xcd\x03\x72\x12\x81\x9c\xa2\xd4\xac\xd4\xe4\x92\xd4\x14\x20\x37\x49\xa9"
         "\x96\xab\x9a\x78\xa5\x00\xa3\x33\x83\x6b\x56\x00\x00\x00"),
};

int main(int count, char **arguments)
{
    int failed = fuzz_main(count, arguments, seeds, sizeof seeds / sizeof *seeds, 20000, NULL);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    return failed;
}
#endif
