/*
 * Fuzz target of tokenizers. An input that begins with '{' is a tokenizer.json and one that begins with
 * '[' a vocab.txt, which then encode a little, the latter also the input itself; any other is text for a tokenizer that was trained in the process: it must come back byte
 * for byte, and its offsets must tile it.
 */
#include "fuzz.h"

#include "base/context.h"
#include "tokenizer/tokenizer.h"

#include <dirent.h>

/* Offsets lie in the text, words do not fall, and the ids can be decoded. */
static void encode_words(const fst_tokenizer *tokenizer, const char *text, size_t size)
{
    size_t room = 4 * size + 64, count = 0, length;
    int32_t *ids = malloc(room * sizeof *ids), *words = malloc(room * sizeof *words), last = 0;
    int64_t *offsets = malloc(room * 2 * sizeof *offsets);
    if (fst_tokenizer_encode_words(tokenizer, text, size, NULL, ids, words, offsets, room, &count) == FST_OK) {
        for (size_t i = 0; i < count; ++i) {
            if (offsets[2 * i] < 0 || offsets[2 * i] > offsets[2 * i + 1] || offsets[2 * i + 1] > (int64_t)size ||
                (words[i] >= 0 && words[i] < last))
                abort();
            last = words[i] >= 0 ? words[i] : last;
        }
        fst_status status = fst_tokenizer_decode(tokenizer, ids, count, 0, NULL, 0, &length);
        if (status != FST_OK && status != FST_ERR_BUFFER_TOO_SMALL)
            abort();
    }
    free(offsets);
    free(words);
    free(ids);
}

static void read_file(fst_context *context, const uint8_t *data, size_t size)
{
    static const char text[] = "The fox\xff <|end|>  12345\r\n e\xCC\x81 \xE4\xBD\xA0\xE5\xA5\xBD's";
    const char *bytes = (const char *)data;
    fst_tokenizer *tokenizer = NULL;
    fst_status status = *bytes == '{' ? fst__tokenizer_parse(context, "fuzz", bytes, size, &tokenizer)
                                      : fst__tokenizer_parse_wordpiece(context, "fuzz", bytes, size, NULL, &tokenizer);
    if (status)
        return;
    encode_words(tokenizer, text, sizeof text - 1);
    if (*bytes == '[')
        encode_words(tokenizer, bytes, size);
    fst_tokenizer_destroy(tokenizer);
}

static void encode_text(const fst_tokenizer *tokenizer, const char *text, size_t size)
{
    int32_t *ids = malloc((size + 1) * sizeof *ids);
    int64_t *offsets = malloc((size + 1) * 2 * sizeof *offsets);
    char *back = malloc(size + 1);
    size_t count, length;
    int64_t at = 0;
    if (fst_tokenizer_encode(tokenizer, text, size, NULL, ids, offsets, size + 1, &count) != FST_OK)
        abort();
    for (size_t i = 0; i < count; ++i) {
        if (offsets[2 * i] != at)
            abort();
        at = offsets[2 * i + 1];
    }
    if (at != (int64_t)size || fst_tokenizer_decode(tokenizer, ids, count, 0, back, size + 1, &length) != FST_OK ||
        length != size || memcmp(back, text, size) != 0)
        abort();
    free(back);
    free(offsets);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fst_context *context;
    fst_context_options options;
    fst_context_options_init(&options, sizeof options);
    options.threads = 1;
    if (fst_context_create(&options, &context) != FST_OK)
        abort();
    if (size && (data[0] == '{' || data[0] == '[')) {
        read_file(context, data, size);
    } else {
        static const char *const patterns[] = {"gpt2", "llama3", "qwen2", "\\p{L}+|\\s+"};
        const char *text = "the fox the dog, there 123 123";
        fst_tokenizer *tokenizer;
        fst_tokenizer_train_options training;
        fst_tokenizer_train_options_init(&training, sizeof training);
        training.vocabulary_size = 280;
        training.pattern = patterns[size % 4];
        if (fst_tokenizer_train_texts(context, &text, NULL, 1, &training, &tokenizer) != FST_OK)
            abort();
        encode_text(tokenizer, (const char *)data, size);
        fst_tokenizer_destroy(tokenizer);
    }
    if (context->references != 1)
        abort();
    fst_context_destroy(context);
    return 0;
}

#ifndef FST__LIBFUZZER

enum { MOST_SEEDS = 64 };

/* The corpus, a folder of files, is what the replay changes: fuzz_tokenizer FOLDER. */
int main(int count, char **arguments)
{
    struct dirent **entries;
    fuzz_seed seeds[MOST_SEEDS];
    size_t seed_count = 0;
    int files = count > 1 ? scandir(arguments[1], &entries, NULL, alphasort) : -1;
    if (files < 0) {
        fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
        return 2;
    }
    for (int i = 0; i < files; ++i) {
        char path[4096];
        FILE *file = NULL;
        snprintf(path, sizeof path, "%s/%s", arguments[1], entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && seed_count < MOST_SEEDS && (file = fopen(path, "rb"))) {
            char *bytes = malloc(FUZZ_ROOM / 2);
            seeds[seed_count++] = (fuzz_seed){bytes, fread(bytes, 1, FUZZ_ROOM / 2, file)};
            fclose(file);
        }
        free(entries[i]);
    }
    free(entries);
    int failed = !seed_count || fuzz_main(1, arguments, seeds, seed_count, 1500, NULL);
    for (size_t i = 0; i < seed_count; ++i)
        free((char *)(uintptr_t)seeds[i].bytes);
    return failed;
}

#endif
