/* WordPiece: words and their pieces, vocab.txt and tokenizer.json with all that may be wrong in them, pairs. */
#include "../support/scratch.h"
#include "../support/tiny_model.h"
#include "fourstage/dataset.h"
#include "fourstage/examples.h"
#include "fourstage/sft.h"
#include "fourstage/tokenizer.h"
#include "tokenizer/internal.h"

static fst_context *context;

static void setup(void)
{
    ck_assert_int_eq(fst_context_create(NULL, &context), FST_OK);
}

static void teardown(void)
{
    fst_context_destroy(context);
}

enum { PAD, UNKNOWN, CLS, SEP, MASK, THE, PLAY, ING, ED, COMMA, DOT, EXCLAMATION, QUOTE, S, FOX, NI, HAO, A, REST_A, NA, IVE };

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nplay\n##ing\n##ed\n,\n.\n!\n'\ns\nfox\n"
                                 "\xE4\xBD\xA0\n\xE5\xA5\xBD\na\n##a\nna\n##ive\n";

static fst_tokenizer *small(void)
{
    fst_tokenizer *tokenizer = NULL;
    ck_assert_int_eq(fst__tokenizer_parse_wordpiece(context, "vocab.txt", vocabulary, sizeof vocabulary - 1, NULL,
                                                    &tokenizer),
                     FST_OK);
    return tokenizer;
}

static void expect_ids(const fst_tokenizer *tokenizer, const char *text, const int32_t *ids, size_t count)
{
    int32_t found[256];
    size_t found_count;
    fst_encode_options options;
    fst_encode_options_init(&options, sizeof options);
    options.add_special_tokens = 0;
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, text, strlen(text), &options, found, NULL, 256, &found_count),
                     FST_OK);
    ck_assert_msg(found_count == count, "%s: %zu ids, expected %zu", text, found_count, count);
    for (size_t i = 0; i < count; ++i)
        ck_assert_msg(found[i] == ids[i], "%s: id %zu is %d, expected %d", text, i, found[i], ids[i]);
}

#define IDS(tokenizer, text, ...)                                                                  \
    expect_ids(tokenizer, text, (const int32_t[]){__VA_ARGS__}, sizeof(const int32_t[]){__VA_ARGS__} / sizeof(int32_t))

START_TEST(words_offsets_and_ids)
{
    static const char text[] = "The playing na\xC3\xAFve, fox[MASK]\xE4\xBD\xA0 \xE5\xA5\xBDs! zzz";
    static const int32_t expected[][4] = {
        {CLS, -1, 0, 0},  {THE, 0, 0, 3},     {PLAY, 1, 4, 8},  {ING, 1, 8, 11}, {NA, 2, 12, 14},
        {IVE, 2, 14, 18}, {COMMA, 3, 18, 19}, {FOX, 4, 20, 23}, {MASK, 5, 23, 29}, {NI, 6, 29, 32},
        {HAO, 7, 33, 36}, {S, 8, 36, 37},     {EXCLAMATION, 9, 37, 38}, {UNKNOWN, 10, 39, 42}, {SEP, -1, 0, 0}};
    fst_tokenizer *tokenizer = small();
    int32_t ids[32], words[32];
    int64_t offsets[64];
    size_t count, expected_count = sizeof expected / sizeof expected[0];
    ck_assert_int_eq(fst_tokenizer_encode_words(tokenizer, text, sizeof text - 1, NULL, ids, words, offsets, 32, &count),
                     FST_OK);
    ck_assert_uint_eq(count, expected_count);
    for (size_t i = 0; i < count; ++i) {
        ck_assert_msg(ids[i] == expected[i][0] && words[i] == expected[i][1] && offsets[2 * i] == expected[i][2] &&
                          offsets[2 * i + 1] == expected[i][3],
                      "%zu: id %d, word %d, bytes %d to %d", i, ids[i], words[i], (int)offsets[2 * i],
                      (int)offsets[2 * i + 1]);
    }
    ck_assert_int_eq(fst_tokenizer_encode_words(tokenizer, text, sizeof text - 1, NULL, ids, words, NULL, 14, &count),
                     FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(count, expected_count);
    ck_assert_int_eq(fst_tokenizer_encode_words(tokenizer, text, 3, NULL, ids, NULL, NULL, 14, &count),
                     FST_ERR_INVALID_ARGUMENT);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(pieces)
{
    char word[128];
    fst_tokenizer *tokenizer = small();
    IDS(tokenizer, "playinged", PLAY, ING, ED);
    IDS(tokenizer, "playingx", UNKNOWN); /* all of it or nothing */
    IDS(tokenizer, "ing", UNKNOWN);
    IDS(tokenizer, "##ing", UNKNOWN, UNKNOWN, UNKNOWN);
    IDS(tokenizer, "play\x01" "ed\xC2\xAD", PLAY, ED); /* control characters and soft hyphens go */
    IDS(tokenizer, "PLAY\xC2\xA0THE\xE3\x80\x80" "a", PLAY, THE, A);
    IDS(tokenizer, "play\xFF" "ed", PLAY, ED); /* as U+FFFD */
    expect_ids(tokenizer, " \t\r\n ", NULL, 0);
    expect_ids(tokenizer, "", NULL, 0);
    memset(word, 'a', 101);
    word[100] = '\0';
    int32_t hundred[100] = {A};
    for (int i = 1; i < 100; ++i)
        hundred[i] = REST_A;
    expect_ids(tokenizer, word, hundred, 100);
    word[100] = 'a';
    word[101] = '\0';
    IDS(tokenizer, word, UNKNOWN);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(roles_and_added_tokens)
{
    static const int32_t roles[][2] = {{FST_TOKEN_BOS, CLS}, {FST_TOKEN_EOS, SEP}, {FST_TOKEN_PAD, PAD},
                                       {FST_TOKEN_UNKNOWN, UNKNOWN}, {FST_TOKEN_MASK, MASK}};
    fst_tokenizer *tokenizer = small();
    int32_t id;
    for (size_t i = 0; i < 5; ++i) {
        ck_assert_int_eq(fst_tokenizer_special_id(tokenizer, roles[i][0], &id), FST_OK);
        ck_assert_int_eq(id, roles[i][1]);
    }
    ck_assert_int_eq(fst_tokenizer_set_special_id(tokenizer, FST_TOKEN_MASK, THE), FST_OK);
    ck_assert_int_eq(fst_tokenizer_special_id(tokenizer, FST_TOKEN_MASK, &id), FST_OK);
    ck_assert_int_eq(id, THE);
    static const char *const words[] = {"P\xC3\x8A" "CHE"};
    fst_added_token_options added;
    fst_added_token_options_init(&added, sizeof added);
    added.normalized = 1;
    ck_assert_int_eq(fst_tokenizer_add_tokens(tokenizer, words, 1, &added), FST_OK);
    IDS(tokenizer, "the peche, p\xC3\xAA" "che", THE, IVE + 1, COMMA, IVE + 1);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(pairs)
{
    static const int32_t expected[][3] = {{CLS, 0, -1}, {THE, 0, 0}, {FOX, 0, 1}, {SEP, 0, -1}, {PLAY, 1, 0},
                                          {ED, 1, 0},   {DOT, 1, 1}, {SEP, 1, -1}};
    fst_tokenizer *tokenizer = small();
    int32_t ids[16], types[16], words[16];
    size_t count;
    fst_encode_options options;
    ck_assert_int_eq(fst_tokenizer_encode_pair(tokenizer, "The fox", 7, "played.", 7, NULL, ids, types, words, 16, &count),
                     FST_OK);
    ck_assert_uint_eq(count, 8);
    for (size_t i = 0; i < count; ++i)
        ck_assert(ids[i] == expected[i][0] && types[i] == expected[i][1] && words[i] == expected[i][2]);
    ck_assert_int_eq(fst_tokenizer_encode_pair(tokenizer, "The fox", 7, "played.", 7, NULL, NULL, NULL, NULL, 0, &count),
                     FST_ERR_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(count, 8);
    fst_encode_options_init(&options, sizeof options);
    options.add_special_tokens = 0;
    ck_assert_int_eq(fst_tokenizer_encode_pair(tokenizer, "the", 3, "fox", 3, &options, ids, types, words, 16, &count),
                     FST_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert(ids[0] == THE && types[0] == 0 && ids[1] == FOX && types[1] == 1);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(decoding)
{
    static const struct {
        int32_t ids[8];
        size_t count;
        const char *text;
    } cases[] = {
        {{CLS, THE, PLAY, ING, FOX, DOT, SEP}, 7, "the playing fox."},
        {{FOX, QUOTE, S, EXCLAMATION}, 4, "fox ' s!"},
        {{ING, THE}, 2, "##ing the"},
        {{CLS}, 1, ""},
        {{NI, HAO, COMMA}, 3, "\xE4\xBD\xA0 \xE5\xA5\xBD,"},
    };
    fst_tokenizer *tokenizer = small();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        char text[64];
        size_t length;
        ck_assert_int_eq(fst_tokenizer_decode(tokenizer, cases[i].ids, cases[i].count, 1, text, sizeof text, &length),
                         FST_OK);
        ck_assert_str_eq(text, cases[i].text);
    }
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* ---- vocab.txt ---- */

typedef struct text_variant {
    fst_status status;
    const char *says;
    const char *text;
    size_t length; /* 0: up to the NUL */
} text_variant;

#define WITH_NUL(text) text, sizeof text - 1
static const char long_line[4200] = {[0] = 'x'};

static const text_variant texts[] = {
    {FST_OK, NULL, "[UNK]\nthe\n", 0},
    {FST_OK, NULL, "[UNK]\r\nthe\r\n", 0},
    {FST_OK, NULL, "[UNK] \nthe\t", 0},
    {FST_OK, NULL, "[UNK]\n\nthe", 0}, /* an id that is not used */
    {FST_OK, NULL, "the", 0},
    {FST_OK, NULL, "[UNK]\n##\n####\n", 0},
    {FST_OK, NULL, "[UNK]\n\xE2\x80\xA8\n", 0},
    {FST_ERR_FORMAT, "line 1: no token", "", 0},
    {FST_ERR_FORMAT, "line 1: no token", "\n\n \n\t\r\n", 0},
    {FST_ERR_FORMAT, "line 3: \"a\" is the token of line 1", "a\nb\na\n", 0},
    {FST_ERR_FORMAT, "line 2: \"a\" is the token of line 1", "a\na \n", 0},
    {FST_ERR_FORMAT, "line 2, byte 0: 0xff", "a\n\xFF\n", 0},
    {FST_ERR_FORMAT, "line 2, byte 2: 0xc3", "a\nbc\xC3\n", 0},
    {FST_ERR_FORMAT, "line 1, byte 0: 0xc0", "\xC0\x80\n", 0},
    {FST_ERR_FORMAT, "line 1, byte 1: 0xed", "x\xED\xA0\x80\n", 0}, /* a surrogate */
    {FST_ERR_FORMAT, "line 1, byte 0: 0xf5", "\xF5\x80\x80\x80", 0},
    {FST_ERR_FORMAT, "line 3, byte 0: 0x80", "a\n\n\x80", 0},
    {FST_ERR_FORMAT, "line 2, byte 1: a NUL", WITH_NUL("a\nb\0c\n")},
    {FST_ERR_FORMAT, "line 1, byte 0: a NUL", WITH_NUL("\0")},
    {FST_ERR_FORMAT, "line 1: a token of 4200 bytes", long_line, sizeof long_line},
};

START_TEST(variants_of_a_text)
{
    const text_variant *variant = &texts[_i];
    size_t length = variant->length ? variant->length : strlen(variant->text);
    int64_t live = context->allocator.live_bytes;
    scratch place = scratch_create();
    const char *path = scratch_path(&place, "vocab.txt");
    scratch_write(path, variant->text, length);
    fst_tokenizer *tokenizer = NULL;
    fst_status status = fst_tokenizer_load(context, path, &tokenizer);
    ck_assert_msg(status == variant->status, "%d: %s: %s", _i, fst_status_name(status), fst_last_error());
    if (status) {
        ck_assert_ptr_null(tokenizer);
        ck_assert_msg(strstr(fst_last_error(), "vocab.txt") && strstr(fst_last_error(), variant->says), "%s, expected %s",
                      fst_last_error(), variant->says);
    }
    fst_tokenizer_destroy(tokenizer);
    ck_assert_int_eq(context->allocator.live_bytes, live);
    scratch_destroy(&place);
}
END_TEST

START_TEST(without_an_unknown_token)
{
    fst_tokenizer *tokenizer = NULL;
    int32_t ids[8];
    size_t count;
    ck_assert_int_eq(fst__tokenizer_parse_wordpiece(context, "vocab.txt", "the\nfox\n", 8, NULL, &tokenizer), FST_OK);
    IDS(tokenizer, "the fox", 0, 1);
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, "the wolf", 8, NULL, ids, NULL, 8, &count), FST_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(fst_last_error(), "\"wolf\""));
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* What tokenizer_config.json beside the file says, and what the options say over it. */
START_TEST(configuration_beside)
{
    static const char words[] = "[UNK]\n<s>\n</s>\n<pad>\n<mask>\nThe\nna\xC3\xAFve\nthe\nnaive\n\xE4\xBD\xA0\xE5\xA5\xBD\n";
    static const char text[] = "The na\xC3\xAFve \xE4\xBD\xA0\xE5\xA5\xBD";
    static const struct {
        const char *config;
        int32_t lowercase, strip_accents, chinese;
        fst_status status;
        int32_t ids[4];
        size_t count;
    } cases[] = {
        {NULL, -1, -1, -1, FST_OK, {7, 8, 0, 0}, 4},
        {"{\"do_lower_case\": false, \"tokenize_chinese_chars\": false}", -1, -1, -1, FST_OK, {5, 6, 9}, 3},
        {"{\"do_lower_case\": false, \"strip_accents\": true}", -1, -1, 0, FST_OK, {5, 8, 9}, 3},
        {"{\"do_lower_case\": true, \"strip_accents\": false}", -1, -1, 0, FST_OK, {7, 6, 9}, 3},
        {"{\"do_lower_case\": false, \"strip_accents\": null}", 1, -1, 0, FST_OK, {7, 8, 9}, 3},
        {"{\"do_lower_case\": true, \"strip_accents\": true}", 0, 0, 0, FST_OK, {5, 6, 9}, 3},
        {"{\"do_lower_case\": 1}", -1, -1, -1, FST_ERR_FORMAT, {0}, 0},
        {"{\"strip_accents\": \"no\"}", -1, -1, -1, FST_ERR_FORMAT, {0}, 0},
        {"[]", -1, -1, -1, FST_ERR_FORMAT, {0}, 0},
        {"{", -1, -1, -1, FST_ERR_FORMAT, {0}, 0},
        {"{\"cls_token\": \"<s>\", \"sep_token\": {\"content\": \"</s>\"}, \"mask_token\": \"<mask>\"}", -1, -1, 0, FST_OK,
         {7, 8, 9}, 3},
    };
    scratch place = scratch_create();
    const char *path = scratch_path(&place, "vocab.txt"), *beside = scratch_path(&place, "tokenizer_config.json");
    scratch_write(path, words, sizeof words - 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        fst_wordpiece_options options;
        fst_tokenizer *tokenizer = NULL;
        int32_t id;
        fst_wordpiece_options_init(&options, sizeof options);
        options.lowercase = cases[i].lowercase;
        options.strip_accents = cases[i].strip_accents;
        options.chinese_characters = cases[i].chinese;
        if (cases[i].config)
            scratch_write(beside, cases[i].config, strlen(cases[i].config));
        ck_assert_int_eq(fst_tokenizer_load_wordpiece(context, path, &options, &tokenizer), cases[i].status);
        if (cases[i].status) {
            ck_assert_ptr_nonnull(strstr(fst_last_error(), "tokenizer_config.json"));
            continue;
        }
        expect_ids(tokenizer, text, cases[i].ids, cases[i].count);
        fst_tokenizer_special_id(tokenizer, FST_TOKEN_BOS, &id);
        if (i == 10) {
            ck_assert_int_eq(id, 1);
            fst_tokenizer_special_id(tokenizer, FST_TOKEN_MASK, &id);
            ck_assert_int_eq(id, 4);
        }
        fst_tokenizer_destroy(tokenizer);
    }
    scratch_destroy(&place);
}
END_TEST

START_TEST(options_are_checked)
{
    fst_wordpiece_options options, wrong;
    fst_tokenizer *tokenizer = NULL;
    fst_wordpiece_options_init(&options, sizeof options);
#define REFUSED(field, value)                                                                                 \
    wrong = options;                                                                                          \
    wrong.field = value;                                                                                      \
    ck_assert_int_eq(fst_tokenizer_load_wordpiece(context, "x", &wrong, &tokenizer), FST_ERR_INVALID_ARGUMENT); \
    ck_assert_ptr_nonnull(strstr(fst_last_error(), #field))
    REFUSED(lowercase, 2);
    REFUSED(strip_accents, -2);
    REFUSED(chinese_characters, 5);
    REFUSED(clean_text, -1);
#undef REFUSED
    ck_assert_int_eq(fst_tokenizer_load_wordpiece(context, "/nowhere/vocab.txt", NULL, &tokenizer), FST_ERR_NOT_FOUND);
    ck_assert_int_eq(fst_tokenizer_load_wordpiece(context, NULL, NULL, &tokenizer), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_tokenizer_load_wordpiece(context, "x", NULL, NULL), FST_ERR_INVALID_ARGUMENT);
}
END_TEST

/* ---- tokenizer.json ---- */

typedef struct file_variant {
    fst_status status;
    const char *says;
    const char *member, *value;
} file_variant;

#define NORMALIZER(members) "{\"type\":\"BertNormalizer\"" members "}"
#define A_TEXT "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define PAIR(pair)                                                                                          \
    "{\"type\":\"TemplateProcessing\",\"single\":[" A_TEXT "],\"pair\":" pair                               \
    ",\"special_tokens\":{\"[SEP]\":{\"id\":\"[SEP]\",\"ids\":[1],\"tokens\":[\"[SEP]\"]}}}"

static const file_variant files[] = {
    {FST_OK, NULL, NULL, NULL},
    {FST_ERR_FORMAT, "continuing_subword_prefix", "model", ",\"continuing_subword_prefix\":1"},
    {FST_OK, NULL, "model", ",\"continuing_subword_prefix\":\"@@\""},
    {FST_OK, NULL, "model", ",\"continuing_subword_prefix\":\"\""},
    {FST_ERR_FORMAT, "max_input_chars_per_word", "model", ",\"max_input_chars_per_word\":0"},
    {FST_ERR_FORMAT, "max_input_chars_per_word", "model", ",\"max_input_chars_per_word\":-1"},
    {FST_ERR_FORMAT, "max_input_chars_per_word", "model", ",\"max_input_chars_per_word\":1.5"},
    {FST_ERR_FORMAT, "max_input_chars_per_word", "model", ",\"max_input_chars_per_word\":\"100\""},
    {FST_ERR_FORMAT, "max_input_chars_per_word", "model", ",\"max_input_chars_per_word\":4294967296"},
    {FST_ERR_UNSUPPORTED, "dropout", "model", ",\"dropout\":0.1"},
    {FST_ERR_FORMAT, "unk_token", "model", ",\"unk_token\":7"},
    {FST_ERR_FORMAT, "\"x\"", "vocab", ",\"x\":-1"},
    {FST_ERR_FORMAT, "\"x\"", "vocab", ",\"x\":1.0"},
    {FST_ERR_FORMAT, "both have id 2", "vocab", ",\"x\":2"},
    {FST_ERR_FORMAT, "line", "vocab", ",\"the\":7"},
    {FST_ERR_UNSUPPORTED, "\"ByteLevel\"", "pre_tokenizer", "{\"type\":\"ByteLevel\"}"},
    {FST_ERR_UNSUPPORTED, "\"ByteLevel\"", "decoder", "{\"type\":\"ByteLevel\"}"},
    {FST_ERR_UNSUPPORTED, "\"Whitespace\"", "pre_tokenizer", "{\"type\":\"Whitespace\"}"},
    {FST_OK, NULL, "pre_tokenizer", "null"},
    {FST_OK, NULL, "pre_tokenizer",
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"BertPreTokenizer\"},{\"type\":\"Digits\"}]}"},
    {FST_OK, NULL, "normalizer", "null"},
    {FST_OK, NULL, "normalizer", NORMALIZER("")},
    {FST_OK, NULL, "normalizer", NORMALIZER(",\"strip_accents\":null")},
    {FST_OK, NULL, "normalizer", "{\"type\":\"Sequence\",\"normalizers\":[" NORMALIZER("") "]}"},
    {FST_ERR_FORMAT, "strip_accents", "normalizer", NORMALIZER(",\"strip_accents\":0")},
    {FST_ERR_FORMAT, "lowercase", "normalizer", NORMALIZER(",\"lowercase\":\"yes\"")},
    {FST_ERR_FORMAT, "clean_text", "normalizer", NORMALIZER(",\"clean_text\":7")},
    {FST_ERR_FORMAT, "handle_chinese_chars", "normalizer", NORMALIZER(",\"handle_chinese_chars\":[]")},
    {FST_ERR_UNSUPPORTED, "beside another", "normalizer",
     "{\"type\":\"Sequence\",\"normalizers\":[" NORMALIZER("") "," NORMALIZER("") "]}"},
    {FST_ERR_UNSUPPORTED, "beside another", "normalizer",
     "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}," NORMALIZER("") "]}"},
    {FST_ERR_UNSUPPORTED, "more than one", "normalizer",
     "{\"type\":\"Sequence\",\"normalizers\":[" NORMALIZER("") ",{\"type\":\"NFC\"}]}"},
    {FST_ERR_UNSUPPORTED, "\"StripAccents\"", "normalizer", "{\"type\":\"StripAccents\"}"},
    {FST_ERR_FORMAT, "prefix", "decoder", "{\"type\":\"WordPiece\",\"prefix\":1}"},
    {FST_ERR_FORMAT, "cleanup", "decoder", "{\"type\":\"WordPiece\",\"cleanup\":\"no\"}"},
    {FST_ERR_UNSUPPORTED, "behind another", "decoder",
     "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"WordPiece\"},{\"type\":\"WordPiece\"}]}"},
    {FST_ERR_UNSUPPORTED, "behind another", "decoder",
     "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"WordPiece\"}]}"},
    {FST_OK, NULL, "post_processor", PAIR("[]")},
    {FST_OK, NULL, "post_processor",
     PAIR("[" A_TEXT ",{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}]")},
    {FST_ERR_FORMAT, "\"[CLS]\" is not defined", "post_processor",
     PAIR("[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}}]")},
    {FST_ERR_FORMAT, "type_id", "post_processor", PAIR("[{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":-1}}]")},
    {FST_ERR_FORMAT, "type_id", "post_processor", PAIR("[{\"Sequence\":{\"id\":\"A\",\"type_id\":\"0\"}}]")},
    {FST_ERR_FORMAT, "\"id\"", "post_processor", PAIR("[{\"Sequence\":{}}]")},
    {FST_ERR_FORMAT, "\"pair\"", "post_processor", PAIR("[7]")},
    {FST_ERR_FORMAT, "\"pair\"", "post_processor", PAIR("[{\"Sequence\":7}]")},
    {FST_ERR_FORMAT, "\"pair\"", "post_processor", PAIR("[{}]")},
    {FST_ERR_FORMAT, "pair", "post_processor", PAIR("{}")},
    {FST_ERR_FORMAT, "cls", "post_processor", "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",1]}"},
    {FST_ERR_FORMAT, "\"sep\"", "post_processor", "{\"type\":\"BertProcessing\",\"cls\":[\"[SEP]\",1],\"sep\":[1,\"x\"]}"},
    {FST_ERR_FORMAT, "id 99", "post_processor",
     "{\"type\":\"RobertaProcessing\",\"cls\":[\"[SEP]\",1],\"sep\":[\"x\",99]}"},
    {FST_OK, NULL, "post_processor",
     "{\"type\":\"RobertaProcessing\",\"cls\":[\"[SEP]\",1],\"sep\":[\"[SEP]\",1],\"trim_offsets\":true}"},
};

static const char *part(const file_variant *variant, const char *member, const char *otherwise)
{
    return variant->member && strcmp(variant->member, member) == 0 ? variant->value : otherwise;
}

static fst__text build(const file_variant *variant)
{
    fst__text text = fst__text_create(&context->allocator);
    fst__text_printf(&text, "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":1,\"content\":\"[SEP]\",\"special\":true}],");
    fst__text_printf(&text, "\"normalizer\":%s,", part(variant, "normalizer", NORMALIZER("")));
    fst__text_printf(&text, "\"pre_tokenizer\":%s,", part(variant, "pre_tokenizer", "{\"type\":\"BertPreTokenizer\"}"));
    fst__text_printf(&text, "\"post_processor\":%s,", part(variant, "post_processor", "null"));
    fst__text_printf(&text, "\"decoder\":%s,\n", part(variant, "decoder", "{\"type\":\"WordPiece\"}"));
    fst__text_printf(&text, "\"model\":{\"type\":\"WordPiece\"%s,",
                     part(variant, "model", ",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\""));
    fst__text_printf(&text, "\"vocab\":{\"[UNK]\":0,\"[SEP]\":1,\"the\":2,\"##se\":3%s}}}", part(variant, "vocab", ""));
    ck_assert(!text.failed);
    return text;
}

START_TEST(variants_of_a_file)
{
    const file_variant *variant = &files[_i];
    int64_t live = context->allocator.live_bytes;
    fst__text text = build(variant);
    fst_tokenizer *tokenizer = NULL;
    fst_status status = fst__tokenizer_parse(context, "tokenizer.json", text.data, text.length, &tokenizer);
    ck_assert_msg(status == variant->status, "%s %s: %s: %s", variant->member ? variant->member : "",
                  variant->value ? variant->value : "", fst_status_name(status), fst_last_error());
    if (status) {
        ck_assert_msg(strstr(fst_last_error(), "tokenizer.json") && strstr(fst_last_error(), variant->says),
                      "%s, expected %s", fst_last_error(), variant->says);
    } else {
        int32_t ids[64], types[64], words[64];
        size_t count;
        fst_tokenizer_encode_pair(tokenizer, "the these", 9, "x", 1, NULL, ids, types, words, 64, &count);
    }
    fst_tokenizer_destroy(tokenizer);
    fst__text_destroy(&text);
    ck_assert_int_eq(context->allocator.live_bytes, live);
}
END_TEST

START_TEST(every_truncation_is_survived)
{
    fst__text text = build(&files[0]);
    fst_tokenizer *tokenizer = NULL;
    for (size_t length = 0; length < text.length; ++length)
        ck_assert_int_eq(fst__tokenizer_parse(context, "f.json", text.data, length, &tokenizer), FST_ERR_FORMAT);
    fst__text_destroy(&text);
    int64_t live = context->allocator.live_bytes;
    for (size_t length = 0; length <= sizeof vocabulary - 1; ++length) { /* a shorter list is another list */
        tokenizer = NULL;
        fst_status status = fst__tokenizer_parse_wordpiece(context, "f.txt", vocabulary, length, NULL, &tokenizer);
        ck_assert(status == FST_OK || status == FST_ERR_FORMAT);
        fst_tokenizer_destroy(tokenizer);
        ck_assert_int_eq(context->allocator.live_bytes, live);
    }
}
END_TEST

START_TEST(saved_and_read_again)
{
    static const char text[] = "The playing na\xC3\xAFve, fox [MASK] zzz";
    scratch place = scratch_create();
    fst_tokenizer *tokenizer = small(), *again = NULL;
    int32_t ids[32], other[32], role, expected;
    size_t count, other_count;
    ck_assert_int_eq(fst_tokenizer_save(tokenizer, place.folder), FST_OK);
    ck_assert_int_eq(fst_tokenizer_load(context, place.folder, &again), FST_OK);
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, text, sizeof text - 1, NULL, ids, NULL, 32, &count), FST_OK);
    ck_assert_int_eq(fst_tokenizer_encode(again, text, sizeof text - 1, NULL, other, NULL, 32, &other_count), FST_OK);
    ck_assert_uint_eq(count, other_count);
    ck_assert_mem_eq(ids, other, count * sizeof *ids);
    for (int32_t i = FST_TOKEN_BOS; i <= FST_TOKEN_MASK; ++i) {
        fst_tokenizer_special_id(tokenizer, i, &expected);
        fst_tokenizer_special_id(again, i, &role);
        ck_assert_int_eq(role, expected);
    }
    fst_tokenizer_destroy(again);
    fst_tokenizer_destroy(tokenizer);
    scratch_destroy(&place);
}
END_TEST

/* ---- training ---- */

static fst_status train(const fst_tokenizer_train_options *options, fst_tokenizer **tokenizer)
{
    static const char *const corpus[] = {"hug hug hug hugs Hugs pug pun pun bun bun", "h\xC3\xBCg! \xE4\xBD\xA0\xE5\xA5\xBD z"};
    *tokenizer = NULL;
    return fst_tokenizer_train_texts(context, corpus, NULL, 2, options, tokenizer);
}

START_TEST(training)
{
    static const char *const expected[] = {
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "!", "b", "g", "h", "n", "p", "s", "u", "z", "\xE4\xBD\xA0",
        "\xE5\xA5\xBD", "##g", "##n", "##s", "##u", "##ug", "hug", "##un", "bun", "hugs"};
    fst_tokenizer_train_options options;
    fst_tokenizer *tokenizer;
    fst_tokenizer_train_options_init(&options, sizeof options);
    options.kind = FST_TOKENIZER_WORDPIECE;
    options.vocabulary_size = 24;
    ck_assert_int_eq(train(&options, &tokenizer), FST_OK);
    for (int32_t id = 0; id < 24; ++id) {
        const char *bytes;
        size_t length;
        ck_assert_int_eq(fst_tokenizer_token(tokenizer, id, &bytes, &length), FST_OK);
        ck_assert_msg(length == strlen(expected[id]) && memcmp(bytes, expected[id], length) == 0, "%d: %.*s, expected %s",
                      id, (int)length, bytes, expected[id]);
    }
    IDS(tokenizer, "HUGS xyz", 21, 18, 1);
    fst_tokenizer_destroy(tokenizer);
    options.limit_alphabet = 3;
    options.lowercase = 0;
    options.special_tokens = expected + 2;
    options.special_token_count = 1;
    options.unknown_token = "<what>";
    ck_assert_int_eq(train(&options, &tokenizer), FST_OK);
    IDS(tokenizer, "[CLS] <what> u", 0, 1, 4);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(training_options_are_checked)
{
    fst_tokenizer_train_options options, wrong;
    fst_tokenizer *tokenizer;
    fst_tokenizer_train_options_init(&options, sizeof options);
    options.kind = FST_TOKENIZER_WORDPIECE;
#define REFUSED(field, value)                                        \
    wrong = options;                                                 \
    wrong.field = value;                                             \
    ck_assert_int_eq(train(&wrong, &tokenizer), FST_ERR_INVALID_ARGUMENT); \
    ck_assert_ptr_nonnull(strstr(fst_last_error(), #field))
    REFUSED(vocabulary_size, 0);
    REFUSED(minimum_frequency, -1);
    REFUSED(pattern, "gpt2");
    REFUSED(add_prefix_space, 1);
    REFUSED(lowercase, -1);
    REFUSED(strip_accents, 2);
    REFUSED(chinese_characters, 3);
    REFUSED(limit_alphabet, -1);
    REFUSED(unknown_token, "");
#undef REFUSED
}
END_TEST

/* ---- labelled pairs ---- */

START_TEST(examples_of_pairs)
{
    static const char *const first[] = {"the fox", "the the the fox"}, *const second[] = {"played.", "a fox!"};
    static const float labels[] = {1, 0};
    static const int32_t expected[2][10] = {{CLS, THE, FOX, SEP, PLAY, ED, DOT, SEP},
                                            {CLS, THE, THE, THE, FOX, SEP, A, FOX, EXCLAMATION, SEP}};
    static const int64_t lengths[] = {8, 10}, begins[] = {4, 6};
    fst_tokenizer *tokenizer = small();
    fst_example_options options;
    fst_dataset *dataset = NULL, *parts[2] = {NULL, NULL};
    fst_example example;
    int32_t types[20];
    const int64_t rows[] = {0, 1};
    fst_example_options_init(&options, sizeof options);
    options.add_bos = options.add_eos = 1;
    options.pair_separator = "[SEP]";
    ck_assert_int_eq(fst_dataset_from_labelled(context, tokenizer, first, second, labels, 2, &options, &dataset), FST_OK);
    for (int i = 0; i < 2; ++i) {
        ck_assert_int_eq(fst_dataset_get_example(dataset, i, 0, &example, sizeof example), FST_OK);
        ck_assert_int_eq(example.length, lengths[i]);
        ck_assert_mem_eq(example.ids, expected[i], (size_t)lengths[i] * sizeof(int32_t));
        ck_assert_int_eq(example.second_begin, begins[i]);
    }
    ck_assert_int_eq(fst_dataset_collate_types(dataset, rows, NULL, 2, 10, types), FST_OK);
    for (int64_t i = 0; i < 20; ++i)
        ck_assert_int_eq(types[i], i % 10 >= begins[i / 10] && i % 10 < lengths[i / 10]);
    ck_assert_int_eq(fst_dataset_collate_types(dataset, rows, NULL, 2, 9, types), FST_ERR_INVALID_ARGUMENT);
    ck_assert_int_eq(fst_dataset_collate_types(dataset, rows, NULL, 2, 10, NULL), FST_ERR_INVALID_ARGUMENT);
    fst_split_options split;
    fst_split_options_init(&split, sizeof split);
    split.mode = FST_SPLIT_TAIL;
    split.fraction = 0.5;
    ck_assert_int_eq(fst_dataset_split(dataset, &split, &parts[0], &parts[1]), FST_OK);
    ck_assert_int_eq(fst_dataset_get_example(parts[1], 0, 0, &example, sizeof example), FST_OK);
    ck_assert_int_eq(example.second_begin, 6);
    fst_dataset_destroy(parts[0]);
    fst_dataset_destroy(parts[1]);
    fst_dataset_destroy(dataset);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* Where the second text begins moves with what is cut; [CLS] and [SEP] stay. */
START_TEST(cut_pairs)
{
    static const char *const first[] = {"the fox"}, *const second[] = {"played."};
    static const struct {
        int32_t too_long;
        int64_t max_length, begin;
        int32_t ids[8];
    } cases[] = {
        {FST_TOO_LONG_CUT_END, 6, 4, {CLS, THE, FOX, SEP, PLAY, SEP}},
        {FST_TOO_LONG_CUT_END, 3, 2, {CLS, THE, SEP}},
        {FST_TOO_LONG_CUT_START, 6, 2, {CLS, SEP, PLAY, ED, DOT, SEP}},
        {FST_TOO_LONG_CUT_START, 3, 1, {CLS, DOT, SEP}},
    };
    fst_tokenizer *tokenizer = small();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        static const float label = 1;
        fst_example_options options;
        fst_dataset *dataset = NULL;
        fst_example example;
        fst_example_options_init(&options, sizeof options);
        options.add_bos = options.add_eos = 1;
        options.pair_separator = "[SEP]";
        options.too_long = cases[i].too_long;
        options.max_length = cases[i].max_length;
        ck_assert_int_eq(fst_dataset_from_labelled(context, tokenizer, first, second, &label, 1, &options, &dataset), FST_OK);
        ck_assert_int_eq(fst_dataset_get_example(dataset, 0, 0, &example, sizeof example), FST_OK);
        ck_assert_int_eq(example.length, cases[i].max_length);
        ck_assert_mem_eq(example.ids, cases[i].ids, (size_t)example.length * sizeof(int32_t));
        ck_assert_int_eq(example.second_begin, cases[i].begin);
        fst_dataset_destroy(dataset);
    }
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

START_TEST(bytes_of_text)
{
    static const char *const corpus[] = {"The playing fox!"}; /* 3 + 4 + 3 + 3 + 1 without white space */
    fst_tokenizer *tokenizer = small();
    fst_dataset *dataset = NULL;
    fst_dataset_info info;
    REQUIRE(fst_dataset_from_texts(context, tokenizer, corpus, NULL, 1, NULL, &dataset));
    REQUIRE(fst_dataset_get_info(dataset, &info, sizeof info));
    ck_assert_int_eq(info.bytes, 14);
    fst_dataset_destroy(dataset);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

/* What finetuning gives a model with token types are those of collate_types. */
START_TEST(finetuning_gives_types)
{
    static const char *const first[] = {"the fox", "the the the fox"}, *const second[] = {"played.", "a fox!"};
    static const float labels[] = {1, 0};
    const int64_t rows[] = {0, 1};
    fst_tokenizer *tokenizer = small();
    fst_example_options options;
    fst_dataset *dataset = NULL;
    fst_example_options_init(&options, sizeof options);
    options.add_bos = options.add_eos = 1;
    options.pair_separator = "[SEP]";
    REQUIRE(fst_dataset_from_labelled(context, tokenizer, first, second, labels, 2, &options, &dataset));

    fst_model_config config = tiny_config(FST_FAMILY_BERT);
    config.kv_heads = config.heads;
    fst_model *model = tiny_model(context, &config, FST_F32, 0);
    fst_head_options head;
    REQUIRE(fst_head_options_init(&head, sizeof head));
    head.name = "grade";
    head.kind = FST_HEAD_SEQUENCE;
    head.pooling = FST_POOL_FIRST;
    head.outputs = 2;
    head.init_std = .5;
    REQUIRE(fst_model_add_head(model, &head));

    float predicted[4];
    int32_t ids[32], types[32], lengths[2];
    int64_t count;
    fst_view view;
    REQUIRE(fst_sft_predict(model, "grade", dataset, 2, predicted, 4, &count));
    REQUIRE(fst_dataset_collate(dataset, rows, NULL, 2, 16, ids, NULL, lengths));
    REQUIRE(fst_dataset_collate_types(dataset, rows, NULL, 2, 16, types));
    for (int with = 1; with >= 0; --with) {
        const fst_batch batch = {.struct_size = sizeof batch, .rows = 2, .length = 16, .ids = ids,
                                 .lengths = lengths, .token_types = with ? types : NULL};
        REQUIRE(fst_model_forward(model, &batch, NULL));
        REQUIRE(fst_model_output(model, "grade", &view));
        for (int i = 0; i < 4; ++i)
            ck_assert_int_eq(fabsf(((const float *)view.data)[i] - predicted[i]) < 1e-5f, with);
    }
    fst_model_destroy(model);
    fst_dataset_destroy(dataset);
    fst_tokenizer_destroy(tokenizer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wordpiece");
    TCase *cases = tcase_create("wordpiece");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, words_offsets_and_ids);
    tcase_add_test(cases, pieces);
    tcase_add_test(cases, roles_and_added_tokens);
    tcase_add_test(cases, pairs);
    tcase_add_test(cases, decoding);
    tcase_add_loop_test(cases, variants_of_a_text, 0, (int)(sizeof texts / sizeof texts[0]));
    tcase_add_test(cases, without_an_unknown_token);
    tcase_add_test(cases, configuration_beside);
    tcase_add_test(cases, options_are_checked);
    tcase_add_loop_test(cases, variants_of_a_file, 0, (int)(sizeof files / sizeof files[0]));
    tcase_add_test(cases, every_truncation_is_survived);
    tcase_add_test(cases, saved_and_read_again);
    tcase_add_test(cases, training);
    tcase_add_test(cases, training_options_are_checked);
    tcase_add_test(cases, examples_of_pairs);
    tcase_add_test(cases, cut_pairs);
    tcase_add_test(cases, finetuning_gives_types);
    tcase_add_test(cases, bytes_of_text);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
