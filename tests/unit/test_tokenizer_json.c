/* tokenizer.json: what is refused and how it is named, what is accepted, every truncation. */
#include "../support/scratch.h"
#include "fourstage/tokenizer.h"
#include "tokenizer/internal.h"
#include "base/utf8.h"

static fst_context *context;

static void setup(void)
{
    ck_assert_int_eq(fst_context_create(NULL, &context), FST_OK);
}

static void teardown(void)
{
    fst_context_destroy(context);
}

/* The parts of a file; NULL keeps what the good file has. */
typedef struct file_variant {
    fst_status status;
    const char *says; /* in the error's text */
    const char *member;
    const char *value;
} file_variant;

#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"
#define ADDED(id, content) "[{\"id\":" #id ",\"content\":\"" content "\",\"special\":true}]"
#define SPLIT(pattern, behavior)                                                                    \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":" pattern                \
    ",\"behavior\":\"" behavior "\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"  \
    "\"use_regex\":false}]}"
#define TEMPLATE(single, specials)                                                                  \
    "{\"type\":\"TemplateProcessing\",\"single\":" single ",\"pair\":[],\"special_tokens\":" specials "}"
#define TEXT_A "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define SPECIAL_B "{\"SpecialToken\":{\"id\":\"<b>\",\"type_id\":0}}"

static const file_variant variants[] = {
    {FST_OK, NULL, NULL, NULL},
    /* vocabulary: member "vocab" is appended to the 256 bytes and th, the */
    {FST_ERR_FORMAT, "\"x\"", "vocab", ",\"x\":-1"},
    {FST_ERR_FORMAT, "both have id 0", "vocab", ",\"xy\":0"},
    {FST_ERR_FORMAT, "both have id 257", "vocab", ",\"xy\":257"},
    {FST_ERR_FORMAT, "\"xy\"", "vocab", ",\"xy\":2147483648"},
    {FST_ERR_FORMAT, "\"xy\"", "vocab", ",\"xy\":4294967296"},
    {FST_ERR_FORMAT, "\"xy\"", "vocab", ",\"xy\":9223372036854775807"},
    {FST_ERR_FORMAT, "\"xy\"", "vocab", ",\"xy\":100000000"},
    {FST_ERR_FORMAT, "\"xy\"", "vocab", ",\"xy\":258.0"},
    {FST_ERR_FORMAT, "\"xy\"", "vocab", ",\"xy\":\"258\""},
    {FST_ERR_FORMAT, "\"xy\"", "vocab", ",\"xy\":null"},
    {FST_ERR_FORMAT, "line", "vocab", ",\"th\":258"}, /* a key twice */
    {FST_ERR_FORMAT, "line", "vocab", ",\"xy\":1e999"},
    {FST_ERR_FORMAT, "line", "vocab", ",\"xy\":NaN"},
    {FST_ERR_FORMAT, "line", "vocab", ",\"\xff\":258"},
    {FST_ERR_FORMAT, "line", "vocab", ",\"\\ud800\":258"},
    {FST_OK, NULL, "vocab", ",\"xy\":300"}, /* a hole */
    {FST_ERR_FORMAT, "byte 0x41", "byte", "A"},
    {FST_ERR_FORMAT, "byte 0x7a", "byte", "z"},
    /* merges */
    {FST_OK, NULL, "merges", "[\"t h\",\"th e\"]"},
    {FST_OK, NULL, "merges", "[[\"t\",\"h\"],\"th e\"]"},
    {FST_OK, NULL, "merges", "[]"},
    {FST_ERR_FORMAT, "\"qq\"", "merges", "[\"qq h\"]"},
    {FST_ERR_FORMAT, "\"qq\"", "merges", "[[\"h\",\"qq\"]]"},
    {FST_ERR_FORMAT, "merge 1: \"he\"", "merges", "[\"t h\",\"h e\"]"},
    {FST_ERR_FORMAT, "merges[0]", "merges", "[\"th\"]"},
    {FST_ERR_FORMAT, "merges[0]", "merges", "[[\"t\"]]"},
    {FST_ERR_FORMAT, "merges[0]", "merges", "[[\"t\",\"h\",\"e\"]]"},
    {FST_ERR_FORMAT, "merges[0]", "merges", "[[\"t\",1]]"},
    {FST_ERR_FORMAT, "merges[0]", "merges", "[7]"},
    {FST_ERR_FORMAT, "merges", "merges", "{}"},
    {FST_ERR_FORMAT, "merges", "merges", "null"},
    {FST_ERR_FORMAT, "\"h e\"", "merges", "[\"t h e\"]"}, /* "h e" is no token; the text names a part */
    /* model */
    {FST_ERR_UNSUPPORTED, "\"Unigram\"", "type", "\"Unigram\""},
    {FST_ERR_UNSUPPORTED, "model WordPiece with \"ByteLevel\"", "type", "\"WordPiece\""},
    {FST_ERR_FORMAT, "type", "type", "7"},
    {FST_ERR_UNSUPPORTED, "\"dropout\"", "model", ",\"dropout\":0.1"},
    {FST_ERR_UNSUPPORTED, "\"byte_fallback\"", "model", ",\"byte_fallback\":true"},
    {FST_ERR_UNSUPPORTED, "\"continuing_subword_prefix\"", "model", ",\"continuing_subword_prefix\":\"##\""},
    {FST_ERR_UNSUPPORTED, "\"end_of_word_suffix\"", "model", ",\"end_of_word_suffix\":\"</w>\""},
    {FST_OK, NULL, "model", ",\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":null,\"dropout\":null"},
    {FST_OK, NULL, "model", ",\"ignore_merges\":true"},
    {FST_ERR_FORMAT, "ignore_merges", "model", ",\"ignore_merges\":1"},
    {FST_ERR_FORMAT, "unk_token", "model", ",\"unk_token\":1"},
    {FST_OK, NULL, "model", ",\"unk_token\":\"nobody\""},
    /* added tokens */
    {FST_OK, NULL, "added_tokens", ADDED(258, "<b>")},
    {FST_OK, NULL, "added_tokens", ADDED(256, "th")},
    {FST_OK, NULL, "added_tokens", ADDED(300, "<b>")},
    {FST_ERR_FORMAT, "\"<b>\": id 256", "added_tokens", ADDED(256, "<b>")},
    {FST_ERR_FORMAT, "id 300 and, in the vocabulary, id 256", "added_tokens", ADDED(300, "th")},
    {FST_ERR_FORMAT, "added_tokens[0]", "added_tokens", ADDED(-1, "<b>")},
    {FST_ERR_FORMAT, "added_tokens[0]", "added_tokens", ADDED(2147483647, "<b>")},
    {FST_ERR_FORMAT, "added_tokens[0]", "added_tokens", ADDED(258.5, "<b>")},
    {FST_ERR_FORMAT, "empty", "added_tokens", ADDED(258, "")},
    {FST_ERR_FORMAT, "\"content\"", "added_tokens", "[{\"id\":258}]"},
    {FST_ERR_FORMAT, "\"id\"", "added_tokens", "[{\"content\":\"x\"}]"},
    {FST_ERR_FORMAT, "lstrip", "added_tokens", "[{\"id\":258,\"content\":\"<b>\",\"lstrip\":\"yes\"}]"},
    {FST_ERR_FORMAT, "added_tokens[0]", "added_tokens", "[7]"},
    {FST_ERR_FORMAT, "added_tokens", "added_tokens", "{}"},
    {FST_ERR_FORMAT, "another token's", "added_tokens",
     "[{\"id\":258,\"content\":\"<a>\"},{\"id\":258,\"content\":\"<b>\"}]"},
    /* normalizer */
    {FST_OK, NULL, "normalizer", "{\"type\":\"NFC\"}"},
    {FST_OK, NULL, "normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"}]}"},
    {FST_OK, NULL, "normalizer", "{\"type\":\"Sequence\",\"normalizers\":[]}"},
    {FST_ERR_UNSUPPORTED, "\"Lowercase\"", "normalizer", "{\"type\":\"Lowercase\"}"},
    {FST_ERR_UNSUPPORTED, "\"Odd\"", "normalizer",
     "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Odd\"}]}"},
    {FST_ERR_UNSUPPORTED, "more than one", "normalizer",
     "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"NFD\"}]}"},
    {FST_ERR_FORMAT, "normalizer", "normalizer", "{}"},
    {FST_ERR_FORMAT, "normalizer", "normalizer", "7"},
    {FST_ERR_FORMAT, "normalizer", "normalizer", "{\"type\":\"Sequence\"}"},
    /* pre-tokenizer */
    {FST_ERR_UNSUPPORTED, "ByteLevel", "pre_tokenizer", "null"},
    {FST_ERR_UNSUPPORTED, "\"Metaspace\"", "pre_tokenizer", "{\"type\":\"Metaspace\"}"},
    {FST_OK, NULL, "pre_tokenizer", SPLIT("{\"Regex\":\"[a-z]+\"}", "Isolated")},
    {FST_OK, NULL, "pre_tokenizer", SPLIT("{\"String\":\"(\"}", "Removed")},
    {FST_ERR_FORMAT, "pattern", "pre_tokenizer", SPLIT("{\"Regex\":\"(\"}", "Isolated")},
    {FST_ERR_FORMAT, "pattern", "pre_tokenizer", SPLIT("{\"Regex\":\"\"}", "Isolated")},
    {FST_ERR_FORMAT, "String", "pre_tokenizer", SPLIT("{\"Rgx\":\"a\"}", "Isolated")},
    {FST_ERR_FORMAT, "pattern", "pre_tokenizer", SPLIT("\"a\"", "Isolated")},
    {FST_ERR_UNSUPPORTED, "\"MergedWithNext\"", "pre_tokenizer", SPLIT("{\"Regex\":\"a\"}", "MergedWithNext")},
    {FST_ERR_UNSUPPORTED, "behind ByteLevel", "pre_tokenizer",
     "{\"type\":\"Sequence\",\"pretokenizers\":[" BYTE_LEVEL ",{\"type\":\"Digits\"}]}"},
    {FST_OK, NULL, "pre_tokenizer",
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true}," BYTE_LEVEL "]}"},
    {FST_ERR_FORMAT, "use_regex", "pre_tokenizer", "{\"type\":\"ByteLevel\",\"use_regex\":7}"},
    {FST_ERR_UNSUPPORTED, "Sequences", "pre_tokenizer",
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Sequence\",\"pretokenizers\":["
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Sequence\",\"pretokenizers\":["
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Sequence\",\"pretokenizers\":["
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Sequence\",\"pretokenizers\":["
     "{\"type\":\"Sequence\",\"pretokenizers\":[]}]}]}]}]}]}]}]}]}"},
    /* post-processor: <b> has id 258 */
    {FST_OK, NULL, "post_processor", TEMPLATE("[" SPECIAL_B "," TEXT_A "]", "{\"<b>\":{\"id\":\"<b>\",\"ids\":[256]}}")},
    {FST_ERR_FORMAT, "\"<b>\" is not defined", "post_processor", TEMPLATE("[" SPECIAL_B "," TEXT_A "]", "{}")},
    {FST_ERR_FORMAT, "id 999 is no token", "post_processor",
     TEMPLATE("[" SPECIAL_B "," TEXT_A "]", "{\"<b>\":{\"id\":\"<b>\",\"ids\":[999]}}")},
    {FST_ERR_FORMAT, "id -1 is no token", "post_processor",
     TEMPLATE("[" SPECIAL_B "," TEXT_A "]", "{\"<b>\":{\"id\":\"<b>\",\"ids\":[-1]}}")},
    {FST_ERR_FORMAT, "id 4294967296 is no token", "post_processor",
     TEMPLATE("[" SPECIAL_B "," TEXT_A "]", "{\"<b>\":{\"id\":\"<b>\",\"ids\":[4294967296]}}")},
    {FST_ERR_FORMAT, "no integer", "post_processor",
     TEMPLATE("[" SPECIAL_B "," TEXT_A "]", "{\"<b>\":{\"id\":\"<b>\",\"ids\":[\"256\"]}}")},
    {FST_ERR_FORMAT, "no Sequence", "post_processor", TEMPLATE("[]", "{}")},
    {FST_ERR_FORMAT, "one Sequence", "post_processor", TEMPLATE("[" TEXT_A "," TEXT_A "]", "{}")},
    {FST_ERR_FORMAT, "one Sequence", "post_processor", TEMPLATE("[7]", "{}")},
    {FST_ERR_FORMAT, "single", "post_processor", "{\"type\":\"TemplateProcessing\"}"},
    {FST_ERR_FORMAT, "sep", "post_processor", "{\"type\":\"BertProcessing\",\"cls\":[\"th\",256]}"},
    {FST_ERR_FORMAT, "id 999", "post_processor", "{\"type\":\"BertProcessing\",\"cls\":[\"th\",999],\"sep\":[\"th\",256]}"},
    {FST_ERR_UNSUPPORTED, "\"Odd\"", "post_processor", "{\"type\":\"Odd\"}"},
    /* decoder */
    {FST_OK, NULL, "decoder", "null"},
    {FST_OK, NULL, "decoder", "{\"type\":\"WordPiece\"}"},
    {FST_ERR_FORMAT, "cleanup", "decoder", "{\"type\":\"WordPiece\",\"cleanup\":1}"},
    {FST_ERR_UNSUPPORTED, "\"BPEDecoder\"", "decoder", "{\"type\":\"BPEDecoder\"}"},
    {FST_ERR_FORMAT, "decoder", "decoder", "[]"},
};

static const char *part(const file_variant *variant, const char *member, const char *otherwise)
{
    return variant->member && strcmp(variant->member, member) == 0 ? variant->value : otherwise;
}

/* A small tokenizer.json with one part replaced. */
static fst__text build(const file_variant *variant)
{
    fst__text text = fst__text_create(&context->allocator);
    const char *missing = part(variant, "byte", "");
    fst__text_printf(&text, "{\"version\":\"1.0\",\"added_tokens\":%s,", part(variant, "added_tokens", "[]"));
    fst__text_printf(&text, "\"normalizer\":%s,", part(variant, "normalizer", "null"));
    fst__text_printf(&text, "\"pre_tokenizer\":%s,", part(variant, "pre_tokenizer", BYTE_LEVEL));
    fst__text_printf(&text, "\"post_processor\":%s,", part(variant, "post_processor", BYTE_LEVEL));
    fst__text_printf(&text, "\"decoder\":%s,\n", part(variant, "decoder", BYTE_LEVEL));
    fst__text_printf(&text, "\"model\":{\"type\":%s%s,\"vocab\":{", part(variant, "type", "\"BPE\""),
                     part(variant, "model", ""));
    for (int byte = 0; byte < 256; ++byte) {
        unsigned char letter[5] = {0};
        if (*missing && byte == *missing)
            continue;
        fst__utf8_encode(fst__alphabet_point((unsigned char)byte), letter);
        fst__text_printf(&text, "\"%s%s\":%d,", byte == '"' || byte == '\\' ? "\\" : "", (char *)letter, byte);
    }
    fst__text_printf(&text, "\"th\":256,\"the\":257%s},\"merges\":%s}}", part(variant, "vocab", ""),
                     part(variant, "merges", "[[\"t\",\"h\"],[\"th\",\"e\"]]"));
    ck_assert(!text.failed);
    return text;
}

START_TEST(variants_of_a_file)
{
    const file_variant *variant = &variants[_i];
    fst__text text = build(variant);
    scratch place = scratch_create();
    const char *path = scratch_path(&place, "tokenizer.json");
    scratch_write(path, text.data, text.length);
    fst_tokenizer *tokenizer = NULL;
    fst_status status = fst_tokenizer_load(context, path, &tokenizer);
    ck_assert_msg(status == variant->status, "%s %s: %s: %s", variant->member ? variant->member : "",
                  variant->value ? variant->value : "", fst_status_name(status), fst_last_error());
    if (status) {
        ck_assert_ptr_null(tokenizer);
        ck_assert_msg(strstr(fst_last_error(), "tokenizer.json") && strstr(fst_last_error(), variant->says),
                      "%s, expected %s", fst_last_error(), variant->says);
    } else {
        int32_t ids[64];
        size_t count;
        ck_assert_int_eq(fst_tokenizer_encode(tokenizer, "the th<b>", 9, NULL, ids, NULL, 64, &count), FST_OK);
    }
    fst_tokenizer_destroy(tokenizer);
    fst__text_destroy(&text);
    scratch_destroy(&place);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    fst__text text = build(&variants[0]);
    fst_tokenizer *tokenizer = NULL;
    for (size_t length = 0; length < text.length; ++length) {
        if (fst__tokenizer_parse(context, "f.json", text.data, length, &tokenizer) != FST_ERR_FORMAT)
            ck_abort_msg("%zu bytes were accepted", length);
    }
    ck_assert_int_eq(fst__tokenizer_parse(context, "f.json", text.data, text.length, &tokenizer), FST_OK);
    fst_tokenizer_destroy(tokenizer);
    fst__text_destroy(&text);
}
END_TEST

/* A flipped bit is refused or gives another sound tokenizer; it never crashes or leaks. */
START_TEST(every_flipped_byte_is_survived)
{
    fst__text text = build(&variants[0]);
    int64_t live = context->allocator.live_bytes;
    for (size_t at = 0; at < text.length; ++at) {
        fst_tokenizer *tokenizer = NULL;
        text.data[at] ^= (char)(1 << at % 8);
        fst_status status = fst__tokenizer_parse(context, "f.json", text.data, text.length, &tokenizer);
        if (status && status != FST_ERR_FORMAT && status != FST_ERR_UNSUPPORTED)
            ck_abort_msg("byte %zu: %s", at, fst_last_error());
        int32_t ids[64];
        size_t count;
        if (!status)
            fst_tokenizer_encode(tokenizer, "the \xff", 5, NULL, ids, NULL, 64, &count);
        fst_tokenizer_destroy(tokenizer);
        text.data[at] ^= (char)(1 << at % 8);
        if (context->allocator.live_bytes != live)
            ck_abort_msg("byte %zu: memory left behind", at);
    }
    fst__text_destroy(&text);
}
END_TEST

START_TEST(templates_are_put_around)
{
    static const file_variant with_template = {
        FST_OK, NULL, "post_processor",
        TEMPLATE("[" SPECIAL_B "," TEXT_A "," SPECIAL_B "]", "{\"<b>\":{\"id\":\"<b>\",\"ids\":[256,257]}}")};
    fst__text text = build(&with_template);
    fst_tokenizer *tokenizer;
    ck_assert_int_eq(fst__tokenizer_parse(context, "f.json", text.data, text.length, &tokenizer), FST_OK);
    int32_t ids[8];
    int64_t offsets[16];
    size_t count;
    fst_encode_options options;
    fst_encode_options_init(&options, sizeof options);
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, "x", 1, &options, ids, offsets, 8, &count), FST_OK);
    ck_assert_uint_eq(count, 5);
    ck_assert_int_eq(ids[0], 256);
    ck_assert_int_eq(ids[1], 257);
    ck_assert_int_eq(ids[2], 'x');
    ck_assert_int_eq(ids[4], 257);
    ck_assert_int_eq(offsets[5], 1);
    ck_assert_int_eq(offsets[9], 0);
    options.add_special_tokens = 0;
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, "x", 1, &options, ids, offsets, 8, &count), FST_OK);
    ck_assert_uint_eq(count, 1);
    fst_tokenizer_destroy(tokenizer);
    fst__text_destroy(&text);
}
END_TEST

START_TEST(normalised_offsets_point_into_the_text)
{
    static const file_variant nfc = {FST_OK, NULL, "normalizer", "{\"type\":\"NFC\"}"};
    static const char words[] = "the e\xCC\x81 the"; /* e and an acute accent: one é, two bytes */
    fst__text text = build(&nfc);
    fst_tokenizer *tokenizer;
    ck_assert_int_eq(fst__tokenizer_parse(context, "f.json", text.data, text.length, &tokenizer), FST_OK);
    int32_t ids[16];
    int64_t offsets[32];
    size_t count;
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, words, sizeof words - 1, NULL, ids, offsets, 16, &count),
                     FST_OK);
    static const int64_t expected[][3] = {{257, 0, 3}, {' ', 3, 4}, {0xC3, 4, 7}, {0xA9, 4, 7}, {' ', 7, 8},
                                          {257, 8, 11}};
    ck_assert_uint_eq(count, 6);
    for (size_t i = 0; i < 6; ++i) {
        ck_assert_int_eq(ids[i], expected[i][0]);
        ck_assert_int_eq(offsets[2 * i], expected[i][1]);
        ck_assert_int_eq(offsets[2 * i + 1], expected[i][2]);
    }
    fst_tokenizer_destroy(tokenizer);
    fst__text_destroy(&text);
}
END_TEST

START_TEST(prefixed_spaces_have_no_text)
{
    static const file_variant prefix = {FST_OK, NULL, "pre_tokenizer", "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"};
    fst__text text = build(&prefix);
    fst_tokenizer *tokenizer;
    ck_assert_int_eq(fst__tokenizer_parse(context, "f.json", text.data, text.length, &tokenizer), FST_OK);
    int32_t ids[16];
    int64_t offsets[32];
    size_t count;
    ck_assert_int_eq(fst_tokenizer_encode(tokenizer, "the x", 5, NULL, ids, offsets, 16, &count), FST_OK);
    static const int64_t expected[][3] = {{' ', 0, 0}, {257, 0, 3}, {' ', 3, 4}, {'x', 4, 5}};
    ck_assert_uint_eq(count, 4);
    for (size_t i = 0; i < 4; ++i) {
        ck_assert_int_eq(ids[i], expected[i][0]);
        ck_assert_int_eq(offsets[2 * i], expected[i][1]);
        ck_assert_int_eq(offsets[2 * i + 1], expected[i][2]);
    }
    fst_tokenizer_destroy(tokenizer);
    fst__text_destroy(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer.json");
    TCase *cases = tcase_create("tokenizer.json");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 100);
    tcase_add_loop_test(cases, variants_of_a_file, 0, (int)(sizeof variants / sizeof variants[0]));
    tcase_add_test(cases, every_truncation_is_refused);
    tcase_add_test(cases, every_flipped_byte_is_survived);
    tcase_add_test(cases, templates_are_put_around);
    tcase_add_test(cases, normalised_offsets_point_into_the_text);
    tcase_add_test(cases, prefixed_spaces_have_no_text);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
