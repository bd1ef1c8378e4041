/*
 * Fuzz target of files in CoNLL's formats. The first byte of an input says how it is read, the second how
 * long sentences may be, the rest is the file. What is read must hold together: each word with an id once
 * the first of its ids in the example that has its tag; what is refused says where, and nothing is left
 * behind.
 */
#include "fuzz.h"

#include "base/context.h"
#include "fourstage/words.h"

#include <unistd.h>

enum { MEMORY = 64 << 20, VOCABULARY = 258 };

static fst_context *context;
static fst_tokenizer *tokenizer; /* 0: begin, 1: end, then bytes */
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
    static const char *const special[] = {"<s>", "</s>"}, *const texts[] = {"a"};
    fst_context_options options;
    fst_tokenizer_train_options train;
    if (context)
        return;
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/fourstage-fuzz-conll-%ld", folder && *folder ? folder : "/tmp",
             (long)getpid());
    fst_context_options_init(&options, sizeof options);
    options.threads = 1;
    options.provider = FST_PROVIDER_REFERENCE;
    require(fst_context_create(&options, &context) == FST_OK);
    fst_tokenizer_train_options_init(&train, sizeof train);
    train.special_tokens = special;
    train.special_token_count = 2;
    train.vocabulary_size = VOCABULARY;
    require(fst_tokenizer_train_texts(context, texts, NULL, 1, &train, &tokenizer) == FST_OK);
}

static void check_example(const fst_dataset *dataset, const fst_words_info *info, int64_t index,
                          const fst_word_options *how, int64_t *before)
{
    fst_word_example e;
    require(fst_dataset_get_word_example(dataset, index, &e, sizeof e) == FST_OK);
    require(e.length > how->add_bos + how->add_eos && (how->max_length == 0 || e.length <= how->max_length));
    require(e.first_word >= *before && e.end_word > e.first_word && e.end_word <= info->words);
    *before = e.end_word;
    int64_t last = -1;
    for (int64_t t = 0; t < e.length; ++t) {
        int64_t word = e.words[t];
        require(e.ids[t] >= 0 && e.ids[t] < VOCABULARY && e.classes[t] < info->tags);
        require((word < 0) == (e.ids[t] < 2) && word < e.end_word);
        require(word < 0 || word >= last);
        if (word >= e.first_word && word != last) {
            fst_word found;
            require(fst_dataset_get_word(dataset, word, &found, sizeof found) == FST_OK);
            require(found.tag == e.classes[t] && found.sentence == e.sentence);
        } else if (!how->all_pieces || word < e.first_word) {
            require(e.classes[t] < 0);
        }
        last = word < 0 ? last : word;
    }
}

static void check(const fst_dataset *dataset, const fst_word_options *how)
{
    fst_words_info info;
    int64_t before = 0;
    require(fst_dataset_get_words_info(dataset, &info, sizeof info) == FST_OK);
    require(info.examples >= 1 && info.sentences >= 1 && info.words >= info.sentences);
    for (int64_t i = 0; i < info.examples; ++i)
        check_example(dataset, &info, i, how, &before);
}

static fst_word_options options_of(const uint8_t *bytes)
{
    fst_word_options o;
    fst_word_options_init(&o, sizeof o);
    bool universal = bytes[0] & 1;
    o.id_column = universal ? 0 : -1;
    o.word_column = universal ? 1 : 0;
    o.tag_column = universal ? 2 : -1;
    o.comments = universal;
    o.columns = bytes[0] >> 1 & 3 ? (bytes[0] >> 1 & 3) - 1 : 0;
    o.no_tags = bytes[0] >> 3 & 1;
    o.all_pieces = bytes[0] >> 4 & 1;
    o.add_bos = o.add_eos = bytes[0] >> 5 & 1;
    o.latin1 = bytes[0] >> 6 & 1;
    o.drop_useless = bytes[0] >> 7 & 1;
    static const int32_t too_long[] = {FST_TOO_LONG_ERROR, FST_TOO_LONG_DROP, FST_TOO_LONG_CUT_END,
                                       FST_TOO_LONG_WINDOWS};
    o.too_long = too_long[bytes[1] & 3];
    o.max_length = bytes[1] >> 2 & 7 ? 2 + (bytes[1] >> 2 & 7) : 0;
    o.overlap = o.too_long == FST_TOO_LONG_WINDOWS && o.max_length > 4 ? bytes[1] >> 6 : 0;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fst_dataset *dataset = NULL;
    if (size < 2)
        return 0;
    open_once();
    const fst_word_options how = options_of(bytes);
    FILE *file = fopen(path, "wb");
    require(file && fwrite(bytes + 2, 1, size - 2, file) == size - 2 && fclose(file) == 0);
    const char *paths[] = {path};
    int64_t live = atomic_load(&context->allocator.live_bytes);
    context->allocator.peak_bytes = live;
    fst_status status = fst_dataset_load_conll(context, tokenizer, paths, 1, &how, &dataset);
    require(context->allocator.peak_bytes - live <= MEMORY + 2 * (int64_t)size);
    if (status == FST_OK)
        check(dataset, &how);
    else
        require(!dataset && *fst_last_error() && (status != FST_ERR_FORMAT || strstr(fst_last_error(), path)));
    fst_dataset_destroy(dataset);
    unlink(path);
    require(atomic_load(&context->allocator.live_bytes) == live);
    return 0;
}

#ifndef FST__LIBFUZZER
#define SEED(text) {text, sizeof(text) - 1}

static const fuzz_seed seeds[] = {
    SEED("\x20\x01" "ann\tB-X\nmet\tO\n\nbo\tB-X\n"),
    SEED("\x30\xd3" "-DOCSTART- -X- O\n\nan N B-X\nold N I-X\ncat N O\n\nso N O\n"),
    SEED("\xa1\x53" "# text\n1-2\tab\t_\n1\ta\tO\n2\tb\tX\n2.1\tc\tX\n\n1\tlonger\tO\n2\tz\tX\n"),
    SEED("\x48\x0a" "caf\xE9\nnoir\n\n\xFF\n"),
    SEED("\x04\x02" "word\tO\n\n"),
    SEED("\x06\x9f" "a  b   O\nvery c  O\n"),
};

int main(int count, char **arguments)
{
    int failed = fuzz_main(count, arguments, seeds, sizeof seeds / sizeof *seeds, 20000, NULL);
    fst_tokenizer_destroy(tokenizer);
    fst_context_destroy(context);
    return failed;
}
#endif
