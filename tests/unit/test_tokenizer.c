/* Tokenizers: encoding beside its plain twin, any bytes and back, offsets, added tokens, training. */
#include "../support/scratch.h"
#include "fourstage/tokenizer.h"
#include "tokenizer/internal.h"
#include "base/utf8.h"

#include <pthread.h>

static const char corpus[] =
    "The quick brown fox jumps over the lazy dog. The dog sleeps; the fox doesn't.\n"
    "1234567 apples, 12 pears\r\n\r\n  and    some   spaces\t\tand tabs \n"
    "\xE5\xBA\x8A\xE5\x89\x8D\xE6\x98\x8E\xE6\x9C\x88\xE5\x85\x89\xEF\xBC\x8C\xE5\xBA\x8A\xE5\x89\x8D\n"
    "aaaaaaaaaaaaaaaa aaaa aaab abab ababab the then there their them thesis\n";

static fst_context *context;

/* For the many: every assertion of Check's writes a line to a pipe, whether it holds or not. */
#define HOLDS(condition)                                                                            \
    do {                                                                                            \
        if (!(condition))                                                                           \
            ck_abort_msg("%s", #condition);                                                         \
    } while (0)

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % bound);
}

static void setup(void)
{
    random_state = 7;
    ck_assert_int_eq(fst_context_create(NULL, &context), FST_OK);
}

static void teardown(void)
{
    fst_context_destroy(context);
}

static fst_tokenizer *train(const char *pattern, int32_t size)
{
    static const char *const specials[] = {"<|end|>"};
    fst_tokenizer_train_options options;
    const char *text = corpus;
    fst_tokenizer *tokenizer;
    fst_tokenizer_train_options_init(&options, sizeof options);
    options.vocabulary_size = size;
    options.pattern = pattern;
    options.special_tokens = specials;
    options.special_token_count = 1;
    ck_assert_msg(!fst_tokenizer_train_texts(context, &text, NULL, 1, &options, &tokenizer), "%s", fst_last_error());
    return tokenizer;
}

static size_t encode(const fst_tokenizer *tokenizer, const char *text, size_t length, int32_t *ids,
                     int64_t *offsets, size_t capacity)
{
    size_t count;
    ck_assert_msg(!fst_tokenizer_encode(tokenizer, text, length, NULL, ids, offsets, capacity, &count), "%s",
                  fst_last_error());
    return count;
}

/* Bytes, ASCII, Chinese and repeated letters, to reach long words too. */
static size_t random_text(char *text, size_t most)
{
    size_t length = random_below((uint32_t)most);
    uint32_t kind = random_below(4);
    for (size_t i = 0; i < length; ++i) {
        if (kind == 0)
            text[i] = (char)random_below(256);
        else if (kind == 1)
            text[i] = "the fox'sT 12\n\r\t .,;!"[random_below(20)];
        else if (kind == 2)
            text[i] = "ab"[random_below(2)];
        else
            text[i] = corpus[random_below(sizeof corpus - 1)];
    }
    return length;
}

static const char *const patterns[] = {NULL, "llama3", "qwen2", "\\p{L}+|[0-9]|\\s+", "[aeiou](?=.)|$|\\b"};

START_TEST(any_bytes_come_back)
{
    fst_tokenizer *tokenizer = train(patterns[_i], 320);
    static char text[3000], back[3001];
    static int32_t ids[3000];
    static int64_t offsets[6000];
    for (int round = 0; round < 400; ++round) {
        size_t length = random_text(text, sizeof text), size;
        size_t count = encode(tokenizer, text, length, ids, offsets, 3000);
        ck_assert_int_eq(fst_tokenizer_decode(tokenizer, ids, count, 0, back, sizeof back, &size), FST_OK);
        ck_assert_uint_eq(size, length);
        ck_assert_mem_eq(back, text, length);
        ck_assert_int_eq(back[size], 0);
        int64_t at = 0;
        for (size_t i = 0; i < count; ++i) {
            const char *bytes;
            HOLDS(fst_tokenizer_token(tokenizer, ids[i], &bytes, &size) == FST_OK);
            HOLDS(offsets[2 * i] == at && offsets[2 * i + 1] == at + (int64_t)size);
            HOLDS(memcmp(bytes, text + at, size) == 0);
            at += (int64_t)size;
        }
        ck_assert_int_eq(at, (int64_t)length);
    }
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* ---- the scanners beside PCRE2 running the same pattern ---- */

static bool matches_whole(const fst__pattern *pattern, void *match, const char *text, size_t length)
{
    bool found;
    size_t begin, end;
    HOLDS(fst__pattern_next(pattern, match, text, 0, 0, length, &found, &begin, &end) == FST_OK);
    return found;
}

typedef struct points {
    int32_t *values; /* those whose class PCRE2 sees as we do */
    size_t count, others;
} points;

/* PCRE2 may know an older Unicode than ours: what it does not know yet stays out of the comparison. */
static points agreed_points(fst__allocator *allocator, void *match)
{
    fst__pattern *letter, *number;
    points agreed = {malloc(0x110000 * sizeof(int32_t)), 0, 0};
    ck_assert_int_eq(fst__pattern_compile(allocator, "\\p{L}", 5, false, false, &letter), FST_OK);
    ck_assert_int_eq(fst__pattern_compile(allocator, "\\p{N}", 5, false, false, &number), FST_OK);
    for (int32_t point = 0; point < 0x110000; ++point) {
        unsigned char text[4];
        if (point >= 0xD800 && point < 0xE000)
            continue;
        size_t length = fst__utf8_encode((uint32_t)point, text);
        int class = fst__unicode_class(point);
        if (matches_whole(letter, match, (char *)text, length) == (class == FST__LETTER) &&
            matches_whole(number, match, (char *)text, length) == (class == FST__NUMBER))
            agreed.values[agreed.count++] = point;
        else
            ++agreed.others;
    }
    fst__pattern_destroy(letter);
    fst__pattern_destroy(number);
    return agreed;
}

static size_t random_points(const points *agreed, char *text, size_t most)
{
    static const char *const trouble[] = {"'s", "'S", "'ll", "'Re", "'\xC5\xBF", " ", "  ", "\n", "\r\n", "\t",
                                          "\xE2\x80\xA8", "\xC2\xA0", "\xE3\x80\x80", "\xE1\xA0\x8E", "12345",
                                          "\xC2\x85", "'", "!?", "ab"};
    size_t length = 0;
    uint32_t dense = random_below(3);
    for (uint32_t i = random_below(30); i && length + 8 < most; --i) {
        if (random_below(3) == 0) {
            const char *piece = trouble[random_below(sizeof trouble / sizeof trouble[0])];
            memcpy(text + length, piece, strlen(piece));
            length += strlen(piece);
            continue;
        }
        size_t bound = dense == 0 ? 128 : dense == 1 ? 0x3000 : agreed->count;
        length += fst__utf8_encode((uint32_t)agreed->values[random_below((uint32_t)bound)],
                                   (unsigned char *)text + length);
    }
    return length;
}

static const char *const scanned[] = {FST__PATTERN_GPT2, FST__PATTERN_LLAMA3, FST__PATTERN_QWEN2,
                                      FST__PATTERN_CODE_POINT};

START_TEST(scanners_are_their_patterns)
{
    fst__allocator allocator = {0};
    fst__unicode *unicode = malloc(sizeof *unicode);
    fst__unicode_fill(unicode, 0);
    void *match = fst__pattern_match_create(&allocator);
    points agreed = agreed_points(&allocator, match);
    ck_assert_uint_lt(agreed.others, 40000);
    fst__pattern *scanner, *regex;
    const char *pattern = scanned[_i];
    ck_assert_int_eq(fst__pattern_compile(&allocator, pattern, strlen(pattern), false, true, &scanner), FST_OK);
    ck_assert_int_eq(fst__pattern_compile(&allocator, pattern, strlen(pattern), false, false, &regex), FST_OK);
    ck_assert(fst__pattern_tiles(scanner) && !fst__pattern_tiles(regex));
    for (int round = 0; round < 30000; ++round) {
        char text[512];
        size_t length = random_points(&agreed, text, sizeof text);
        for (size_t at = 0, begin, end; at < length; at = end) {
            bool found;
            HOLDS(fst__pattern_next(regex, match, text, 0, at, length, &found, &begin, &end) == FST_OK);
            HOLDS(found && begin == at);
            size_t ours = fst__pattern_word_end(scanner, unicode, text, at, length);
            if (ours != end)
                ck_abort_msg("\"%.*s\" at %zu: scanner to %zu, PCRE2 to %zu", (int)length, text, at, ours, end);
        }
    }
    fst__pattern_destroy(regex);
    fst__pattern_destroy(scanner);
    fst__pattern_match_destroy(match);
    free(agreed.values);
    free(unicode);
    ck_assert_int_eq(allocator.live_bytes, 0);
}
END_TEST

/* ---- merging beside the algorithm as the paper writes it ---- */

enum { MOST_IDS = 512 };

static size_t merge_plainly(const fst__bpe *bpe, const fst__vocabulary *vocabulary, const unsigned char *word,
                            size_t length, int32_t *ids)
{
    static int32_t ranks[MOST_IDS][MOST_IDS];
    memset(ranks, -1, sizeof ranks);
    for (size_t i = 0; i < bpe->count; ++i)
        ranks[bpe->ordered[i].left][bpe->ordered[i].right] = (int32_t)i;
    for (size_t i = 0; i < length; ++i)
        ids[i] = bpe->byte_ids[word[i]];
    for (;;) {
        size_t best = length;
        for (size_t i = 0; i + 1 < length; ++i) {
            int32_t rank = ranks[ids[i]][ids[i + 1]];
            if (rank >= 0 && (best == length || rank < ranks[ids[best]][ids[best + 1]]))
                best = i;
        }
        if (best == length)
            return length;
        char joined[256];
        size_t left = vocabulary->tokens[ids[best]].length, right = vocabulary->tokens[ids[best + 1]].length;
        memcpy(joined, fst__token_bytes(vocabulary, ids[best]), left);
        memcpy(joined + left, fst__token_bytes(vocabulary, ids[best + 1]), right);
        ids[best] = fst__vocabulary_find_bytes(vocabulary, joined, left + right);
        memmove(ids + best + 1, ids + best + 2, (length - best - 2) * sizeof *ids);
        --length;
    }
}

START_TEST(merging_is_the_plain_algorithm)
{
    fst_tokenizer *tokenizer = train(NULL, 400);
    fst__scratch *work = fst__scratch_create(tokenizer->allocator);
    static const char letters[] = "abthefoxs qudr.";
    for (int round = 0; round < 600; ++round) {
        unsigned char word[400];
        int32_t expected[400], got[400];
        size_t length = 1 + random_below(round % 2 ? 399 : 70), count;
        uint32_t variety = 1 + random_below(sizeof letters - 1);
        for (size_t i = 0; i < length; ++i)
            word[i] = (unsigned char)letters[random_below(variety)];
        size_t plain = merge_plainly(&tokenizer->bpe, &tokenizer->vocabulary, word, length, expected);
        ck_assert_int_eq(fst__bpe_merge_word(&tokenizer->bpe, work, (char *)word, length, got, &count), FST_OK);
        ck_assert_uint_eq(count, plain);
        ck_assert_mem_eq(got, expected, count * sizeof *got);
    }
    fst__scratch_destroy(work);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(long_words_take_no_square_time)
{
    fst_tokenizer *tokenizer = train(NULL, 400);
    size_t length = 1 << 20, count;
    char *text = malloc(length);
    memset(text, 'a', length); /* one word; quadratic would be hours */
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, text, length, NULL, NULL, NULL, 0, &count),
                     FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_uint_lt(count, length / 4);
    free(text);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* ---- the two-call pattern ---- */

START_TEST(too_small_buffers_stay_untouched)
{
    fst_tokenizer *tokenizer = train(NULL, 300);
    const char *text = "the quick fox";
    int32_t ids[64];
    size_t count, needed, size;
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, text, 13, NULL, NULL, NULL, 0, &needed),
                     FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_uint_gt(needed, 0);
    memset(ids, 0x55, sizeof ids);
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, text, 13, NULL, ids, NULL, needed - 1, &count),
                     FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(count, needed);
    ck_assert_int_eq(ids[0], 0x55555555);
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, text, 13, NULL, ids, NULL, needed, &count), FST_OK);
    ck_assert_int_eq(ids[needed], 0x55555555);
    char back[32];
    memset(back, 'x', sizeof back);
    ck_assert_int_eq(fst_tokenizer_decode(tokenizer, ids, count, 0, back, 12, &size), FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(size, 13);
    ck_assert_int_eq(back[0], 'x');
    ck_assert_int_eq(fst_tokenizer_decode(tokenizer, ids, count, 0, back, 13, &size), FST_OK);
    ck_assert_int_eq(back[13], 'x');
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, NULL, 0, NULL, NULL, NULL, 0, &count), FST_OK);
    ck_assert_uint_eq(count, 0);
    ids[1] = 300;
    ck_assert_int_eq(fst_tokenizer_decode(tokenizer, ids, count + 2, 0, back, 32, &size), FST_ERR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "ids[1] is 300"));
    ids[0] = -1;
    ck_assert_int_eq(fst_tokenizer_decode(tokenizer, ids, 1, 0, back, 32, &size), FST_ERR_INVALID_ARGUMENT);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(batches_are_single_texts)
{
    fst_tokenizer *tokenizer = train(NULL, 300);
    const char *texts[] = {"the fox", "", "a\0b", "jumps over the lazy dog"};
    size_t lengths[] = {7, 0, 3, 23};
    int64_t begins[5];
    int32_t ids[64], single[64];
    ck_assert_int_eq(fst_tokenizer_encode_batch(tokenizer, texts, lengths, 4, NULL, NULL, 0, begins),
                     FST_ERR_BUFFER_TOO_SMALL);
    int64_t needed = begins[4];
    ck_assert_int_eq(fst_tokenizer_encode_batch(tokenizer, texts, lengths, 4, NULL, ids, 64, begins), FST_OK);
    ck_assert_int_eq(begins[4], needed);
    for (int i = 0; i < 4; ++i) {
        size_t count = encode(tokenizer, texts[i], lengths[i], single, NULL, 64);
        ck_assert_int_eq(begins[i + 1] - begins[i], (int64_t)count);
        ck_assert_mem_eq(ids + begins[i], single, count * sizeof *ids);
    }
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* ---- added tokens ---- */

static void expect_ids(const fst_tokenizer *tokenizer, const char *text, const fst_encode_options *options,
                       int32_t id, int times)
{
    int32_t ids[128];
    size_t count;
    int found = 0;
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, text, strlen(text), options, ids, NULL, 128, &count), FST_OK);
    for (size_t i = 0; i < count; ++i)
        found += ids[i] == id;
    ck_assert_msg(found == times, "\"%s\": id %d %d times, expected %d", text, id, found, times);
}

START_TEST(added_tokens)
{
    fst_tokenizer *tokenizer = train(NULL, 300);
    fst_added_token_options options;
    const char *const first[] = {"<tool>", "<tool>x", "<|end|>"}, *const word[] = {"fox"}, *const strip[] = {"@@"};
    int32_t size, tool, longer, id;
    fst_added_token_options_init(&options, sizeof options);
    options.special = 1;
    fst_tokenizer_vocabulary_size(tokenizer, &size);
    ck_assert_int_eq(fst_tokenizer_add_tokens(tokenizer, first, 3, &options), FST_OK);
    ck_assert_int_eq(fst_tokenizer_find(tokenizer, "<tool>", &tool), FST_OK);
    ck_assert_int_eq(fst_tokenizer_find(tokenizer, "<tool>x", &longer), FST_OK);
    ck_assert_int_eq(tool, size);
    ck_assert_int_eq(longer, size + 1);
    ck_assert_int_eq(fst_tokenizer_find(tokenizer, "<|end|>", &id), FST_OK);
    ck_assert_int_eq(id, 0); /* it had one */
    expect_ids(tokenizer, "a<tool>b<tool>xyz<tool", NULL, tool, 1);
    expect_ids(tokenizer, "a<tool>b<tool>xyz<tool", NULL, longer, 1);
    fst_encode_options plain;
    fst_encode_options_init(&plain, sizeof plain);
    plain.parse_special = 0;
    expect_ids(tokenizer, "a<tool>b", &plain, tool, 0);
    options = (fst_added_token_options){.struct_size = sizeof options, .single_word = 1};
    ck_assert_int_eq(fst_tokenizer_add_tokens(tokenizer, word, 1, &options), FST_OK);
    ck_assert_int_eq(fst_tokenizer_find(tokenizer, "fox", &id), FST_OK);
    expect_ids(tokenizer, "fox, foxes fox", NULL, id, 2);
    expect_ids(tokenizer, "fo\xC3\xA9" "fox \xC3\xA9" "fox", NULL, id, 0);
    options = (fst_added_token_options){.struct_size = sizeof options, .strip_left = 1, .strip_right = 1};
    ck_assert_int_eq(fst_tokenizer_add_tokens(tokenizer, strip, 1, &options), FST_OK);
    int32_t ids[32];
    int64_t offsets[64];
    size_t count = encode(tokenizer, "a  @@ \n@@ b", 11, ids, offsets, 32);
    ck_assert_uint_eq(count, 4);
    ck_assert_int_eq(offsets[2], 1);
    ck_assert_int_eq(offsets[3], 7);
    ck_assert_int_eq(offsets[4], 7);
    ck_assert_int_eq(offsets[5], 10);
    ck_assert_int_eq(fst_tokenizer_add_tokens(tokenizer, (const char *const[]){""}, 1, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_tokenizer_add_tokens(tokenizer, (const char *const[]){"\xff"}, 1, NULL),
                     FST_ERR_INVALID_ARGUMENT);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(roles)
{
    fst_tokenizer *tokenizer = train(NULL, 300);
    int32_t id;
    const char *const tokens[] = {"<s>", "</s>", "<pad>"};
    fst_added_token_options options = {.struct_size = sizeof options, .special = 1};
    ck_assert_int_eq(fst_tokenizer_special_id(tokenizer, FST_TOKEN_EOS, &id), FST_OK);
    ck_assert_int_eq(id, -1);
    ck_assert_int_eq(fst_tokenizer_add_tokens(tokenizer, tokens, 3, &options), FST_OK);
    ck_assert_int_eq(fst_tokenizer_special_id(tokenizer, FST_TOKEN_EOS, &id), FST_OK);
    ck_assert_int_eq(id, 301);
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_EOS, 0), FST_OK);
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_EOS, 303), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_UNKNOWN, 0), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_tokenizer_special_id(tokenizer, 5, &id), FST_ERR_INVALID_ARGUMENT);
    scratch place = scratch_create();
    fst_tokenizer *again;
    ck_assert_int_eq(fst_tokenizer_save(tokenizer, place.folder), FST_OK);
    ck_assert_msg(!fst_tokenizer_load(context, place.folder, &again), "%s", fst_last_error());
    fst_tokenizer_special_id(again, FST_TOKEN_EOS, &id);
    ck_assert_int_eq(id, 0);
    scratch_destroy(&place);
    fst_tokenizer_destroy(again);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* ---- files ---- */

START_TEST(saved_and_loaded_is_the_same)
{
    scratch place = scratch_create();
    fst_tokenizer *tokenizer = train(patterns[_i], 330), *again;
    const char *first = scratch_path(&place, "first.json"), *second = scratch_path(&place, "second.json");
    ck_assert_int_eq(fst_tokenizer_save(tokenizer, first), FST_OK);
    ck_assert_msg(!fst_tokenizer_load(context, first, &again), "%s", fst_last_error());
    ck_assert_int_eq(fst_tokenizer_save(again, second), FST_OK);
    size_t size, other;
    char *a = scratch_read(first, &size), *b = scratch_read(second, &other);
    ck_assert_uint_eq(size, other);
    ck_assert_mem_eq(a, b, size);
    for (int round = 0; round < 200; ++round) {
        static char text[1000];
        static int32_t ids[1000], others[1000];
        size_t length = random_text(text, sizeof text);
        size_t count = encode(tokenizer, text, length, ids, NULL, 1000);
        ck_assert_uint_eq(encode(again, text, length, others, NULL, 1000), count);
        ck_assert_mem_eq(ids, others, count * sizeof *ids);
    }
    free(a);
    free(b);
    scratch_destroy(&place);
    fst_tokenizer_destroy(again);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(gpt2_files)
{
    scratch place = scratch_create();
    fst__text vocabulary = fst__text_create(&context->allocator);
    const char *vocab = scratch_path(&place, "vocab.json"), *merges = scratch_path(&place, "merges.txt");
    for (int32_t byte = 0; byte < 256; ++byte) {
        unsigned char letter[5] = {0};
        fst__utf8_encode(fst__alphabet_point((unsigned char)byte), letter);
        fst__text_printf(&vocabulary, "%s\"%s%s\": %d", byte ? ", " : "{", byte == '"' || byte == '\\' ? "\\" : "",
                         (char *)letter, byte);
    }
    fst__text_append_string(&vocabulary, ", \"th\": 256, \"the\": 257, \"<|endoftext|>\": 258}");
    scratch_write(vocab, vocabulary.data, vocabulary.length);
    scratch_write(merges, "#version: 0.2\nt h\r\nth e\n\n", 25);
    fst_tokenizer *tokenizer;
    ck_assert_msg(!fst_tokenizer_load_gpt2(context, vocab, merges, &tokenizer), "%s", fst_last_error());
    int32_t ids[16];
    ck_assert_uint_eq(encode(tokenizer, "thethx<|endoftext|>", 19, ids, NULL, 16), 4);
    ck_assert_int_eq(ids[0], 257);
    ck_assert_int_eq(ids[1], 256);
    ck_assert_int_eq(ids[3], 258);
    fst_tokenizer_destroy(tokenizer);
    scratch_write(merges, "t h\nhe\n", 7);
    ck_assert_int_eq(fst_tokenizer_load_gpt2(context, vocab, merges, &tokenizer), FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "merges.txt: line 2, byte 4"));
    ck_assert_ptr_null(tokenizer);
    scratch_write(merges, "t h\nh q\n", 8);
    ck_assert_int_eq(fst_tokenizer_load_gpt2(context, vocab, merges, &tokenizer), FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "\"hq\""));
    ck_assert_int_eq(fst_tokenizer_load_gpt2(context, vocab, scratch_path(&place, "none"), &tokenizer),
                     FST_ERR_NOT_FOUND);
    fst__text_destroy(&vocabulary);
    scratch_destroy(&place);
}
END_TEST

/* ---- training ---- */

START_TEST(training_does_not_depend_on_threads)
{
    scratch place = scratch_create();
    const char *text = scratch_path(&place, "text.txt");
    char *first = NULL;
    size_t size = 0;
    fst__text lines = fst__text_create(&context->allocator);
    for (int i = 0; i < 400; ++i) {
        char line[400];
        fst__text_append(&lines, line, random_text(line, sizeof line));
        fst__text_append(&lines, "\n", i % 7 ? 1 : 0);
        fst__text_append_string(&lines, corpus);
    }
    scratch_write(text, lines.data, lines.length - 1); /* no line end at the end */
    for (int32_t threads = 1; threads <= 4; ++threads) {
        fst_context_options options;
        fst_context *other;
        fst_tokenizer *tokenizer;
        fst_tokenizer_train_options training;
        fst_context_options_init(&options, sizeof options);
        options.threads = threads;
        ck_assert_int_eq(fst_context_create(&options, &other), FST_OK);
        fst_tokenizer_train_options_init(&training, sizeof training);
        training.vocabulary_size = 600;
        ck_assert_int_eq(fst_tokenizer_train_files(other, &text, 1, &training, &tokenizer), FST_OK);
        const char *path = scratch_path(&place, "trained.json");
        ck_assert_int_eq(fst_tokenizer_save(tokenizer, path), FST_OK);
        fst_context_destroy(other); /* before the tokenizer: any order */
        fst_tokenizer_destroy(tokenizer);
        size_t length;
        char *saved = scratch_read(path, &length);
        if (!first) {
            first = saved;
            size = length;
            continue;
        }
        ck_assert_uint_eq(length, size);
        ck_assert_mem_eq(saved, first, size);
        free(saved);
    }
    free(first);
    fst__text_destroy(&lines);
    scratch_destroy(&place);
}
END_TEST

START_TEST(characters)
{
    const char *texts[] = {"ba\xE6\x98\x8E\n", "ab\xC3\xA9 "};
    fst_tokenizer_train_options options;
    fst_tokenizer *tokenizer;
    int32_t ids[16], size;
    size_t count, length;
    fst_tokenizer_train_options_init(&options, sizeof options);
    options.kind = FST_TOKENIZER_CHARACTER;
    ck_assert_int_eq(fst_tokenizer_train_texts(context, texts, NULL, 2, &options, &tokenizer), FST_OK);
    fst_tokenizer_vocabulary_size(tokenizer, &size);
    ck_assert_int_eq(size, 6); /* \n space a b é 明 */
    ck_assert_uint_eq(encode(tokenizer, "\xE6\x98\x8E" "ab", 5, ids, NULL, 16), 3);
    ck_assert_int_eq(ids[0], 5);
    ck_assert_int_eq(ids[1], 2);
    char back[16];
    ck_assert_int_eq(fst_tokenizer_decode(tokenizer, ids, 3, 0, back, 16, &length), FST_OK);
    ck_assert_str_eq(back, "\xE6\x98\x8E" "ab");
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, "abc", 3, NULL, ids, NULL, 16, &count), FST_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "byte 2"));
    fst_tokenizer_destroy(tokenizer);
    options.unknown_token = "<unk>";
    ck_assert_int_eq(fst_tokenizer_train_texts(context, texts, NULL, 2, &options, &tokenizer), FST_OK);
    ck_assert_uint_eq(encode(tokenizer, "a\xff" "c", 3, ids, NULL, 16), 3);
    ck_assert_int_eq(ids[1], 6);
    ck_assert_int_eq(ids[2], 6);
    fst_tokenizer_special_id(tokenizer, FST_TOKEN_UNKNOWN, &size);
    ck_assert_int_eq(size, 6);
    fst_tokenizer_destroy(tokenizer);
    texts[1] = "a\xff";
    ck_assert_int_eq(fst_tokenizer_train_texts(context, texts, NULL, 2, &options, &tokenizer), FST_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "text 1: byte 1"));
}
END_TEST

/* ---- many threads, one tokenizer ---- */

typedef struct caller {
    const fst_tokenizer *tokenizer;
    const char *text;
    size_t length, count;
    const int32_t *expected;
    int wrong;
} caller;

static void *call_often(void *argument)
{
    caller *self = argument;
    int32_t *ids = malloc(self->length * sizeof *ids);
    for (int round = 0; round < 200; ++round) {
        size_t count, from = (size_t)round % 50;
        if (fst_tokenizer_encode(self->tokenizer, self->text, self->length, NULL, ids, NULL, self->length, &count) ||
            count != self->count || memcmp(ids, self->expected, count * sizeof *ids) != 0)
            ++self->wrong;
        fst_tokenizer_encode(self->tokenizer, self->text + from, 40, NULL, ids, NULL, self->length, &count);
    }
    free(ids);
    return NULL;
}

START_TEST(threads_share_a_tokenizer)
{
    fst_tokenizer *tokenizer = train(NULL, 320);
    int32_t expected[sizeof corpus];
    size_t count = encode(tokenizer, corpus, sizeof corpus, expected, NULL, sizeof corpus);
    pthread_t threads[8];
    caller callers[8];
    for (int i = 0; i < 8; ++i) {
        callers[i] = (caller){tokenizer, corpus, sizeof corpus, count, expected, 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 8; ++i) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(callers[i].wrong, 0);
    }
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* ---- memory gives out ---- */

/* All of it once; the status that came first. Nothing may be left. */
static fst_status whole_life(fst_context *other, const char *folder)
{
    const char *text = "the fox the dog", *const more[] = {"<new>", "<newer>"};
    fst_tokenizer *tokenizer = NULL, *again = NULL;
    fst_tokenizer_train_options options;
    int32_t ids[64], before, after;
    size_t count;
    fst_tokenizer_train_options_init(&options, sizeof options);
    options.vocabulary_size = 262;
    fst_status status = fst_tokenizer_train_texts(other, &text, NULL, 1, &options, &tokenizer);
    if (!status) {
        fst_tokenizer_vocabulary_size(tokenizer, &before);
        status = fst_tokenizer_add_tokens(tokenizer, more, 2, NULL);
        fst_tokenizer_vocabulary_size(tokenizer, &after);
        ck_assert_int_eq(after, status ? before : before + 2);
    }
    if (!status)
        status = fst_tokenizer_encode(tokenizer, text, 15, NULL, ids, NULL, 64, &count);
    if (!status)
        status = fst_tokenizer_save(tokenizer, folder);
    if (!status)
        status = fst_tokenizer_load(other, folder, &again);
    fst_tokenizer_destroy(again);
    fst_tokenizer_destroy(tokenizer);
    return status;
}

START_TEST(each_allocation_fails)
{
    scratch place = scratch_create();
    bool done = false;
    for (int64_t k = 1; !done; k += k < 100 ? 1 : 3) {
        scratch_memory memory = {.for_good = _i};
        fst_context_options options;
        fst_context *other;
        fst_context_options_init(&options, sizeof options);
        options.threads = 1;
        options.provider = FST_PROVIDER_REFERENCE;
        options.allocate = scratch_allocate;
        options.release = scratch_release;
        options.allocate_user = &memory;
        ck_assert_int_eq(fst_context_create(&options, &other), FST_OK);
        memory.fail_at = memory.calls + k;
        fst_status status = whole_life(other, place.folder);
        done = memory.calls < memory.fail_at;
        /* One failure may be survived: sweeping stale files is best effort. All of them may not. */
        bool survived = done || (status == FST_OK && !memory.for_good);
        ck_assert_msg(status == (survived ? FST_OK : FST_ERR_NO_MEMORY), "allocation %lld: %s: %s", (long long)k,
                      fst_status_name(status), fst_last_error());
        fst_context_destroy(other);
        ck_assert_int_eq(memory.live, 0);
    }
    scratch_destroy(&place);
}
END_TEST

/* ---- misuse ---- */

START_TEST(misuse)
{
    fst_tokenizer *tokenizer = train(NULL, 300), *none = NULL;
    fst_tokenizer_train_options options;
    const char *text = "x", *null = NULL;
    int32_t id;
    size_t count;
#define REFUSED(call) ck_assert_int_eq(call, FST_ERR_INVALID_ARGUMENT)
    REFUSED(fst_tokenizer_train_texts(NULL, &text, NULL, 1, NULL, &none));
    REFUSED(fst_tokenizer_train_texts(context, NULL, NULL, 1, NULL, &none));
    REFUSED(fst_tokenizer_train_texts(context, &null, NULL, 1, NULL, &none));
    REFUSED(fst_tokenizer_train_texts(context, &text, NULL, 1, NULL, NULL));
    REFUSED(fst_tokenizer_train_files(context, &text, 0, NULL, &none));
    ck_assert_int_eq(fst_tokenizer_train_files(context, &text, 1, NULL, &none), FST_ERR_NOT_FOUND);
    fst_tokenizer_train_options_init(&options, sizeof options);
#define REFUSED_WITH(field, value)                                                                  \
    do {                                                                                            \
        fst_tokenizer_train_options wrong = options;                                                \
        wrong.field = value;                                                                        \
        REFUSED(fst_tokenizer_train_texts(context, &text, NULL, 1, &wrong, &none));                 \
    } while (0)
    REFUSED_WITH(struct_size, 3);
    REFUSED_WITH(kind, 3);
    REFUSED_WITH(kind, -1);
    REFUSED_WITH(vocabulary_size, 255);
    REFUSED_WITH(minimum_frequency, -1);
    REFUSED_WITH(add_prefix_space, 2);
    REFUSED_WITH(special_token_count, 1);
    REFUSED_WITH(pattern, "");
    REFUSED_WITH(unknown_token, "x");
    options.pattern = "(";
    ck_assert_int_eq(fst_tokenizer_train_texts(context, &text, NULL, 1, &options, &none), FST_ERR_FORMAT);
    ck_assert_ptr_null(none);
    REFUSED(fst_tokenizer_load(context, NULL, &none));
    REFUSED(fst_tokenizer_load_gpt2(context, "a", NULL, &none));
    REFUSED(fst_tokenizer_save(NULL, "x"));
    REFUSED(fst_tokenizer_save(tokenizer, NULL));
    REFUSED(fst_tokenizer_encode(NULL, "x", 1, NULL, &id, NULL, 1, &count));
    REFUSED(fst_tokenizer_encode(tokenizer, NULL, 1, NULL, &id, NULL, 1, &count));
    REFUSED(fst_tokenizer_encode(tokenizer, "x", 1, NULL, NULL, NULL, 1, &count));
    REFUSED(fst_tokenizer_encode(tokenizer, "x", 1, NULL, &id, NULL, 1, NULL));
    REFUSED(fst_tokenizer_encode(tokenizer, "x", SIZE_MAX, NULL, NULL, NULL, 0, &count));
    REFUSED(fst_tokenizer_decode(tokenizer, NULL, 1, 0, NULL, 0, &count));
    REFUSED(fst_tokenizer_decode(tokenizer, &id, 0, 2, NULL, 0, &count));
    REFUSED(fst_tokenizer_token(tokenizer, 300, &text, &count));
    REFUSED(fst_tokenizer_token(tokenizer, -1, &text, &count));
    REFUSED(fst_tokenizer_find(tokenizer, NULL, &id));
    REFUSED(fst_tokenizer_vocabulary_size(tokenizer, NULL));
    ck_assert_int_eq(fst_tokenizer_find(tokenizer, "no such token", &id), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_tokenizer_find(tokenizer, "\xC4\xA0", &id), FST_OK); /* the space, as it is spelled */
    fst_tokenizer_destroy(tokenizer);
    fst_tokenizer_destroy(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer");
    TCase *cases = tcase_create("tokenizer");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 100);
    tcase_add_loop_test(cases, any_bytes_come_back, 0, 5);
    tcase_add_loop_test(cases, scanners_are_their_patterns, 0, 4);
    tcase_add_test(cases, merging_is_the_plain_algorithm);
    tcase_add_test(cases, long_words_take_no_square_time);
    tcase_add_test(cases, too_small_buffers_stay_untouched);
    tcase_add_test(cases, batches_are_single_texts);
    tcase_add_test(cases, added_tokens);
    tcase_add_test(cases, roles);
    tcase_add_loop_test(cases, saved_and_loaded_is_the_same, 0, 5);
    tcase_add_test(cases, gpt2_files);
    tcase_add_test(cases, training_does_not_depend_on_threads);
    tcase_add_test(cases, characters);
    tcase_add_test(cases, threads_share_a_tokenizer);
    tcase_add_loop_test(cases, each_allocation_fails, 0, 2);
    tcase_add_test(cases, misuse);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
